/* The transforms of Winograd's F(4 x 4, 3 x 3), vectors along channels: see winograd.h for the matrices. Included by
 * gemm_c.c, gemm_avx2.c and gemm_avx512.c, each after its lanes_*.h. */
#include "simd/winograd.h"

/* B^T x for the points 0, +-a, +-b, infinity: six numbers of the patch to six frequencies. */
INLINE void to_frequencies(lanes x[6])
{
    const lanes a2 = all(BT_WINOGRAD_A * BT_WINOGRAD_A), b2 = all(BT_WINOGRAD_B * BT_WINOGRAD_B);
    const lanes product = mul(a2, b2), sum = add(a2, b2);
    lanes even_a = fma_of(mul(b2, all(-1)), x[2], x[4]), even_b = fma_of(mul(a2, all(-1)), x[2], x[4]);
    lanes odd_a = mul(all(BT_WINOGRAD_A), fma_of(mul(b2, all(-1)), x[1], x[3]));
    lanes odd_b = mul(all(BT_WINOGRAD_B), fma_of(mul(a2, all(-1)), x[1], x[3]));
    lanes first = fma_of(product, x[0], fma_of(mul(sum, all(-1)), x[2], x[4]));
    lanes last = fma_of(product, x[1], fma_of(mul(sum, all(-1)), x[3], x[5]));
    lanes minus_a = fma_of(odd_a, all(-1), even_a), minus_b = fma_of(odd_b, all(-1), even_b);
    x[0] = first, x[5] = last;
    x[1] = add(even_a, odd_a), x[2] = minus_a;
    x[3] = add(even_b, odd_b), x[4] = minus_b;
}

/* A^T m: six frequencies to four outputs. */
INLINE void to_outputs(const lanes m[6], lanes y[4])
{
    const lanes a = all(BT_WINOGRAD_A), b = all(BT_WINOGRAD_B);
    const lanes a2 = mul(a, a), b2 = mul(b, b);
    lanes sum_a = add(m[1], m[2]), sum_b = add(m[3], m[4]);
    lanes difference_a = mul(a, fma_of(m[2], all(-1), m[1])),
          difference_b = mul(b, fma_of(m[4], all(-1), m[3]));
    y[0] = add(m[0], add(sum_a, sum_b));
    y[1] = add(difference_a, difference_b);
    y[2] = fma_of(a2, sum_a, mul(b2, sum_b));
    y[3] = fma_of(a2, difference_a, fma_of(b2, difference_b, m[5]));
}

static void winograd_input(const bt_patch *p)
{
    for (int64_t c = 0; c < p->channels; c += VECTOR) {
        const lanes_mask m = mask_of(p->channels - c);
        lanes t[6][6];
        UNROLL for (int j = 0; j < 6; j++)
        {
            lanes x[6];
            bool column = p->x + j >= 0 && p->x + j < p->w;
            UNROLL for (int i = 0; i < 6; i++)
            {
                bool inside = column && p->y + i >= 0 && p->y + i < p->h;
                x[i] = inside ? load_masked(m, p->image + ((p->y + i) * p->w + p->x + j) * p->pixel + c)
                              : zero();
            }
            to_frequencies(x);
            UNROLL for (int i = 0; i < 6; i++) t[i][j] = x[i];
        }
        UNROLL for (int i = 0; i < 6; i++)
        {
            to_frequencies(t[i]);
            UNROLL for (int j = 0; j < 6; j++) store(p->frequencies + (i * 6 + j) * p->step + c, t[i][j]);
        }
    }
}

static void winograd_output(const bt_patch *p)
{
    const lanes low = all(p->low), high = all(p->high);
    const int rows = p->h - p->y < 4 ? (int)(p->h - p->y) : 4,
              columns = p->w - p->x < 4 ? (int)(p->w - p->x) : 4;
    for (int64_t c = 0; c < p->channels; c += VECTOR) {
        const lanes_mask m = mask_of(p->channels - c);
        lanes t[4][6], bias = p->bias ? load_masked(m, p->bias + c) : zero();
        UNROLL for (int j = 0; j < 6; j++)
        {
            lanes x[6], y[4];
            UNROLL for (int i = 0; i < 6; i++) x[i] =
                load_masked(m, p->frequencies + (i * 6 + j) * p->step + c);
            to_outputs(x, y);
            UNROLL for (int i = 0; i < 4; i++) t[i][j] = y[i];
        }
        for (int i = 0; i < rows; i++) {
            lanes y[4];
            to_outputs(t[i], y);
            int64_t at = ((p->y + i) * p->w + p->x) * p->pixel + c;
            for (int j = 0; j < columns; j++, at += p->pixel) {
                lanes one = add(y[j], bias);
                if (p->add) one = add(one, load_masked(m, p->add + at));
                store_masked(p->image + at, m, smaller(high, larger(low, one)));
            }
        }
    }
}

/* G x: three taps to six frequencies; row i of G is (1, p, p^2) / product of (p - the other points). */
INLINE void filter_to_frequencies(lanes x0, lanes x1, lanes x2, lanes y[6])
{
    const float a = BT_WINOGRAD_A, b = BT_WINOGRAD_B, norm_a = 2 * a * a * (a * a - b * b),
                norm_b = 2 * b * b * (b * b - a * a);
    lanes even_a = fma_of(all(a * a), x2, x0), even_b = fma_of(all(b * b), x2, x0);
    y[0] = mul(all(1 / (a * a * b * b)), x0);
    y[1] = mul(all(1 / norm_a), fma_of(all(a), x1, even_a));
    y[2] = mul(all(1 / norm_a), fma_of(all(-a), x1, even_a));
    y[3] = mul(all(1 / norm_b), fma_of(all(b), x1, even_b));
    y[4] = mul(all(1 / norm_b), fma_of(all(-b), x1, even_b));
    y[5] = x2;
}

static void winograd_filter(const float *taps, int64_t tap_step, const float *scale, int64_t n, float *rows,
                            int64_t row_step)
{
    for (int64_t k = 0; k < n; k += VECTOR) {
        const lanes_mask m = mask_of(n - k);
        const lanes factor = scale ? load_masked(m, scale + k) : all(1);
        lanes half[3][6];
        UNROLL for (int j = 0; j < 3; j++)
        {
            lanes x[3];
            UNROLL for (int i = 0; i < 3; i++) x[i] =
                mul(factor, load_masked(m, taps + (i * 3 + j) * tap_step + k));
            filter_to_frequencies(x[0], x[1], x[2], half[j]);
        }
        UNROLL for (int i = 0; i < 6; i++)
        {
            lanes y[6];
            filter_to_frequencies(half[0][i], half[1][i], half[2][i], y);
            UNROLL for (int j = 0; j < 6; j++) store_masked(rows + (i * 6 + j) * row_step + k, m, y[j]);
        }
    }
}
