/* Every level of products, depthwise convolution, pooling and transposition against plain loops over random legal shapes,
 * with guard values around what is written. `gemm_test --bench` prints GFLOP/s of each level instead, one thread. */
#include "simd/simd.h"
#include "simd/winograd.h"

#include "base/mem.h"
#include "check.h"

static const float GUARD = 12345.5f;
enum { PAD = 64 };

static float *random_floats(size_t n)
{
    float *p = bt_alloc_huge(n * sizeof(float) + 4);
    for (size_t i = 0; p && i < n; i++) p[i] = check_float(-1, 1);
    return p;
}

static void release(float *p, size_t n) { bt_free_huge(p, n * sizeof(float) + 4); }

static float *guarded(size_t n)
{
    float *p = random_floats(n + 2 * PAD);
    for (size_t i = 0; i < n + 2 * PAD; i++) p[i] = GUARD;
    return p;
}

static bool guards_hold(const float *p, size_t n)
{
    bool ok = true;
    for (size_t i = 0; i < PAD; i++) ok &= p[i] == GUARD && p[PAD + n + i] == GUARD;
    return ok;
}

/* Sums of k products of numbers below 1. */
static bool all_close(const float *a, const float *b, size_t n, int64_t k)
{
    double tolerance = 5e-5 + 5e-6 * sqrt((double)k);
    for (size_t i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= tolerance * fmax(1, fabs(b[i]))))
            return CHECK_CLOSE(a[i], b[i], tolerance);
    return CHECK(true);
}

/* ---- Products ----------------------------------------------------------------------------------------- */

/* A product or convolution: geometry, columns, and what its tensors hold. */
typedef struct problem {
    bt_gather l;
    int64_t batch, n;
} problem;

static problem convolution(int64_t batch, int64_t h, int64_t c, int64_t k, int64_t size, int64_t stride,
                           bool same)
{
    int64_t out = same ? (h + stride - 1) / stride : (h - size) / stride + 1;
    int64_t pad = (out - 1) * stride + size - h;
    return (problem){.l = {.in_h = h,
                           .in_w = h,
                           .pixel = c,
                           .channels = c,
                           .kh = size,
                           .kw = size,
                           .stride_h = stride,
                           .stride_w = stride,
                           .dilation_h = 1,
                           .dilation_w = 1,
                           .top = pad > 0 ? pad / 2 : 0,
                           .left = pad > 0 ? pad / 2 : 0,
                           .out_h = out,
                           .out_w = out},
                     .batch = batch,
                     .n = k};
}

static problem matmul(int64_t m, int64_t k, int64_t n)
{
    return (problem){bt_gather_matrix(NULL, m, k, k), 1, n};
}

static int64_t rows_of(const problem *q) { return q->batch * q->l.out_h * q->l.out_w; }
static int64_t k_of(const problem *q) { return q->l.kh * q->l.kw * q->l.channels; }
static size_t input_of(const problem *q) { return (size_t)(q->batch * q->l.in_h * q->l.in_w * q->l.pixel); }

static void run_problem(const bt_gemm_kernels *g, const problem *q, const float *x, const float *zeros,
                        const float *w, const float *bias, const float *add, float *c)
{
    int64_t k = k_of(q), panels = bt_gemm_panels(g, q->n);
    size_t bytes;
    CHECK(bt_gemm_packed_bytes(g, k, q->n, &bytes));
    float *packed = random_floats(bytes / sizeof(float));
    bt_gemm_pack(g, packed, w, q->n, false, k, q->n, NULL);
    bt_product p = {.left = q->l,
                    .packed = packed,
                    .k = k,
                    .n = q->n,
                    .c = c,
                    .ldc = q->n,
                    .bias = bias,
                    .add = add,
                    .ld_add = q->n,
                    .low = -3,
                    .high = 2};
    p.left.x = x;
    p.left.zeros = zeros;
    int64_t split = rows_of(q) / 3;
    bt_product_run(g, &p, 0, split, 0, panels);
    bt_product_run(g, &p, split, rows_of(q), 0, panels / 2);
    bt_product_run(g, &p, split, rows_of(q), panels / 2, panels);
    release(packed, bytes / sizeof(float));
}

/* Every panel row holds its columns, scaled, then zeros up to a whole vector; nothing else is touched. */
static void test_pack(const bt_simd *simd)
{
    const bt_gemm_kernels *g = &simd->gemm;
    for (int i = 0; i < 200; i++) {
        int64_t k = check_int(1, 40), n = check_int(1, 200), ld = (i % 2 ? k : n) + check_int(0, 3);
        size_t n_b = (size_t)((i % 2 ? n : k) * ld), bytes;
        float *b = random_floats(n_b), *scale = random_floats((size_t)n);
        CHECK(bt_gemm_packed_bytes(g, k, n, &bytes));
        float *packed = guarded(bytes / sizeof(float));
        bt_gemm_pack(g, packed + PAD, b, ld, i % 2, k, n, i % 3 ? scale : NULL);
        CHECK(guards_hold(packed, bytes / sizeof(float)));
        for (int64_t p = 0; p < bt_gemm_panels(g, n); p++) {
            int64_t start = bt_gemm_panel_start(g, n, p), end = bt_gemm_panel_start(g, n, p + 1);
            int64_t width = (end - start + g->vector - 1) / g->vector * g->vector;
            for (int64_t at = 0; at < k * width; at++) {
                int64_t row = at / width, column = start + at % width;
                float expected = column < end ? b[i % 2 ? column * ld + row : row * ld + column] : 0;
                if (i % 3 && column < end) expected *= scale[column];
                CHECK(packed[PAD + start * k + at] == expected);
            }
        }
        release(b, n_b), release(scale, (size_t)n), release(packed, bytes / sizeof(float) + 2 * PAD);
    }
}

static void plain_product(const problem *q, const float *x, const float *w, const float *bias,
                          const float *add, float *c)
{
    const bt_gather *l = &q->l;
    for (int64_t i = 0; i < rows_of(q); i++)
        for (int64_t j = 0; j < q->n; j++) {
            int64_t image = i / (l->out_h * l->out_w), oy = i / l->out_w % l->out_h, ox = i % l->out_w;
            double sum = bias ? bias[j] : 0;
            for (int64_t k = 0; k < k_of(q); k++) {
                int64_t tap = k / l->channels, iy = oy * l->stride_h - l->top + tap / l->kw * l->dilation_h;
                int64_t ix = ox * l->stride_w - l->left + tap % l->kw * l->dilation_w;
                if (iy < 0 || iy >= l->in_h || ix < 0 || ix >= l->in_w) continue;
                sum += (double)x[((image * l->in_h + iy) * l->in_w + ix) * l->pixel + k % l->channels] *
                       w[k * q->n + j];
            }
            if (add) sum += add[i * q->n + j];
            c[i * q->n + j] = (float)(sum < -3 ? -3 : sum > 2 ? 2 : sum);
        }
}

static void test_product(const bt_simd *simd, const problem *q)
{
    size_t n_in = input_of(q), n_out = (size_t)(rows_of(q) * q->n), n_w = (size_t)(k_of(q) * q->n);
    size_t n_zeros = (size_t)(q->l.kw * q->l.channels);
    float *x = random_floats(n_in), *w = random_floats(n_w), *bias = random_floats((size_t)q->n);
    float *add = random_floats(n_out), *expected = random_floats(n_out), *zeros = random_floats(n_zeros);
    float *c = guarded(n_out);
    bool with_bias = check_int(0, 1), with_add = check_int(0, 1);
    for (size_t i = 0; i < n_zeros; i++) zeros[i] = 0;
    plain_product(q, x, w, with_bias ? bias : NULL, with_add ? add : NULL, expected);
    run_problem(&simd->gemm, q, x, zeros, w, with_bias ? bias : NULL, with_add ? add : NULL, c + PAD);
    if (!all_close(c + PAD, expected, n_out, k_of(q)) || !CHECK(guards_hold(c, n_out)))
        printf("  %s: in %dx%dx%d filter %dx%d out %dx%dx%d\n", simd->name, (int)q->l.in_h, (int)q->l.in_w,
               (int)q->l.channels, (int)q->l.kh, (int)q->l.kw, (int)q->l.out_h, (int)q->l.out_w, (int)q->n);
    release(x, n_in), release(w, n_w), release(bias, (size_t)q->n), release(add, n_out),
        release(expected, n_out);
    release(zeros, n_zeros), release(c, n_out + 2 * PAD);
}

static problem random_convolution(void)
{
    problem q = {.batch = check_int(1, 3), .n = check_int(1, 70)};
    bt_gather *l = &q.l;
    l->channels = check_int(1, 20);
    l->pixel = l->channels + (check_int(0, 2) ? 0 : 3);
    l->kh = check_int(1, 4), l->kw = check_int(1, 4);
    l->stride_h = check_int(1, 3), l->stride_w = check_int(1, 3);
    l->dilation_h = check_int(1, 2), l->dilation_w = check_int(1, 2);
    l->top = check_int(0, 3), l->left = check_int(0, 3);
    l->in_h = check_int(1, 12), l->in_w = check_int(1, 12);
    l->out_h = check_int(1, 9), l->out_w = check_int(1, 9); /* reads beyond the end are zeros */
    return q;
}

static void test_products(const bt_simd *simd)
{
    static const int64_t edges[] = {1,  2,  5,  6,  7,  8,  9,  12, 15, 16, 17,  24,
                                    31, 33, 47, 48, 49, 63, 64, 65, 80, 96, 127, 129};
    enum { N = sizeof edges / sizeof *edges };
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            problem q = matmul(edges[i], check_int(0, 40), edges[j]);
            test_product(simd, &q);
        }
    problem deep = matmul(13, 9000, 70), wide_filter = convolution(1, 20, 2, 5, 17, 1, true);
    test_product(simd, &deep);
    test_product(simd, &wide_filter);
    for (int i = 0; i < 200; i++) {
        problem q = random_convolution();
        test_product(simd, &q);
    }
}

/* ---- The smaller kernels ------------------------------------------------------------------------------ */

static void test_gemv(const bt_simd *simd)
{
    for (int i = 0; i < 100; i++) {
        int64_t k = check_int(0, 100), n = check_int(1, 600), ld = n + check_int(0, 5);
        float *x = random_floats((size_t)k), *b = random_floats((size_t)(k * ld)),
              *bt = random_floats((size_t)(k * ld));
        float *y = guarded((size_t)n), *expected = random_floats((size_t)n), *bias = random_floats((size_t)n);
        const float *start = i % 2 ? bias : NULL;
        for (int64_t j = 0; j < n; j++) {
            double sum = start ? start[j] : 0;
            for (int64_t l = 0; l < k; l++) sum += (double)x[l] * b[l * ld + j];
            expected[j] = (float)sum;
        }
        simd->gemm.gemv(y + PAD, x, b, ld, k, n, start);
        all_close(y + PAD, expected, (size_t)n, k);
        CHECK(guards_hold(y, (size_t)n));
        simd->gemm.transpose(bt, k, b, ld, n, k);
        simd->gemm.gemv_transposed(y + PAD, x, bt, k, k, n, start);
        all_close(y + PAD, expected, (size_t)n, k);
        CHECK(guards_hold(y, (size_t)n));
        release(x, (size_t)k), release(b, (size_t)(k * ld)), release(bt, (size_t)(k * ld));
        release(y, (size_t)n + 2 * PAD), release(expected, (size_t)n), release(bias, (size_t)n);
    }
}

static void test_depthwise(const bt_simd *simd, const bt_simd *reference)
{
    static const int sizes[][2] = {{3, 1}, {3, 2}, {5, 1}, {5, 2}, {7, 1}, {2, 1}, {4, 3}};
    for (int i = 0; i < 300; i++) {
        const int *s = sizes[check_int(0, 6)];
        bt_depthwise d = {.channels = check_int(1, 70),
                          .kh = s[0],
                          .kw = s[0],
                          .stride_h = s[1],
                          .stride_w = s[1],
                          .dilation_h = 1,
                          .dilation_w = 1 + (i % 5 == 0),
                          .low = -1,
                          .high = 1.5f};
        d.in_h = check_int(1, 14), d.in_w = check_int(1, 14);
        d.out_h = check_int(1, 12), d.out_w = check_int(1, 12);
        d.top = check_int(0, s[0]), d.left = check_int(0, s[0]);
        size_t n_in = (size_t)(d.in_h * d.in_w * d.channels),
               n_out = (size_t)(d.out_h * d.out_w * d.channels);
        size_t n_w = (size_t)(d.kh * d.kw * d.channels);
        float *x = random_floats(n_in), *w = random_floats(n_w), *bias = random_floats((size_t)d.channels);
        float *y = guarded(n_out), *expected = guarded(n_out);
        d.x = x, d.weights = w, d.bias = i % 3 ? bias : NULL, d.y = expected + PAD;
        reference->gemm.depthwise(&d, 0, d.out_h);
        d.y = y + PAD;
        int64_t split = check_int(0, d.out_h);
        simd->gemm.depthwise(&d, 0, split);
        simd->gemm.depthwise(&d, split, d.out_h);
        all_close(y + PAD, expected + PAD, n_out, 49);
        CHECK(guards_hold(y, n_out));
        release(x, n_in), release(w, n_w), release(bias, (size_t)d.channels);
        release(y, n_out + 2 * PAD), release(expected, n_out + 2 * PAD);
    }
}

static void test_windows(const bt_simd *simd, const bt_simd *reference)
{
    for (int i = 0; i < 200; i++) {
        int64_t h = check_int(1, 4), w = check_int(1, 4), channels = check_int(1, 80);
        size_t n_in = (size_t)(h * w * channels), n = (size_t)channels;
        float *x = random_floats(n_in), *y = guarded(n), *expected = guarded(n);
        if (i % 4 == 0) x[check_int(0, (int64_t)n_in - 1)] = NAN;
        reference->gemm.window_max(expected + PAD, x, h, w, w * channels, channels, channels);
        simd->gemm.window_max(y + PAD, x, h, w, w * channels, channels, channels);
        for (size_t j = 0; j < n; j++) CHECK_CLOSE(y[PAD + j], expected[PAD + j], 0);
        reference->gemm.window_sum(expected + PAD, x, h, w, w * channels, channels, channels, 0.25f);
        simd->gemm.window_sum(y + PAD, x, h, w, w * channels, channels, channels, 0.25f);
        for (size_t j = 0; j < n; j++) CHECK_CLOSE(y[PAD + j], expected[PAD + j], 1e-5);
        CHECK(guards_hold(y, n));
        release(x, n_in), release(y, n + 2 * PAD), release(expected, n + 2 * PAD);
    }
}

/* ---- Winograd ----------------------------------------------------------------------------------------- */

static bt_winograd winograd_of(const problem *q, const float *x, const float *u, const float *bias,
                               const float *add, float *y)
{
    return (bt_winograd){.x = x,
                         .u = u,
                         .y = y,
                         .in_h = q->l.in_h,
                         .in_w = q->l.in_w,
                         .channels = q->l.channels,
                         .out_h = q->l.out_h,
                         .out_w = q->l.out_w,
                         .n = q->n,
                         .top = q->l.top,
                         .left = q->l.left,
                         .bias = bias,
                         .add = add,
                         .low = -3,
                         .high = 2};
}

static float *winograd_filter(const bt_gemm_kernels *g, const problem *q, const float *w, size_t *floats)
{
    size_t bytes;
    CHECK(bt_winograd_bytes(g, q->l.channels, q->n, &bytes));
    *floats = bytes / sizeof(float);
    float *u = random_floats(*floats);
    bt_winograd_pack(g, u, w, q->l.channels, q->n, NULL);
    return u;
}

static void run_winograd(const bt_gemm_kernels *g, const bt_winograd *w, int64_t batch, float *work)
{
    int64_t tiles = bt_winograd_tiles(w, batch), block = bt_winograd_block(w);
    for (int64_t i = 0; i < tiles; i += block)
        bt_winograd_run(g, w, i, i + block < tiles ? i + block : tiles, work);
}

static void test_winograd(const bt_simd *simd)
{
    const bt_gemm_kernels *g = &simd->gemm;
    for (int i = 0; i < 60; i++) {
        problem q =
            convolution(check_int(1, 2), check_int(3, 20), check_int(1, 40), check_int(1, 70), 3, 1, i % 2);
        size_t n_in = input_of(&q), n_out = (size_t)(rows_of(&q) * q.n), n_w = (size_t)(k_of(&q) * q.n), n_u;
        float *x = random_floats(n_in), *w = random_floats(n_w), *bias = random_floats((size_t)q.n);
        float *add = random_floats(n_out), *expected = random_floats(n_out), *y = guarded(n_out);
        plain_product(&q, x, w, i % 3 ? bias : NULL, i % 5 ? add : NULL, expected);
        float *u = winograd_filter(g, &q, w, &n_u);
        bt_winograd of = winograd_of(&q, x, u, i % 3 ? bias : NULL, i % 5 ? add : NULL, y + PAD);
        size_t n_work = (size_t)bt_winograd_work(g, &of, bt_winograd_block(&of));
        float *work = random_floats(n_work);
        run_winograd(g, &of, q.batch, work);
        all_close(y + PAD, expected, n_out, 10000);
        CHECK(guards_hold(y, n_out));
        release(x, n_in), release(w, n_w), release(bias, (size_t)q.n), release(add, n_out),
            release(expected, n_out);
        release(y, n_out + 2 * PAD), release(u, n_u), release(work, n_work);
    }
}

/* ---- Bench -------------------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The least time of a run, over a tenth of a second. */
#define TIMED(statement)                         \
    ({                                           \
        double least = 1e9, end = now() + 0.1;   \
        do {                                     \
            double from = now();                 \
            statement;                           \
            double took = now() - from;          \
            least = took < least ? took : least; \
        } while (now() < end);                   \
        least;                                   \
    })

static void bench_product(const char *name, problem q)
{
    size_t n_in = input_of(&q), n_out = (size_t)(rows_of(&q) * q.n), n_w = (size_t)(k_of(&q) * q.n);
    size_t n_zeros = (size_t)(q.l.kw * q.l.channels);
    float *x = random_floats(n_in), *w = random_floats(n_w), *bias = random_floats((size_t)q.n),
          *c = random_floats(n_out);
    float *zeros = random_floats(n_zeros);
    memset(zeros, 0, n_zeros * sizeof *zeros);
    double flops = 2.0 * (double)rows_of(&q) * (double)k_of(&q) * (double)q.n;
    printf("%-34s", name);
    for (int level = BT_SIMD_AVX512; level > BT_SIMD_C; level--) {
        bt_simd simd;
        if (!bt_simd_fill(&simd, (bt_simd_level)level)) continue;
        const bt_gemm_kernels *g = &simd.gemm;
        size_t bytes;
        bt_gemm_packed_bytes(g, k_of(&q), q.n, &bytes);
        float *packed = random_floats(bytes / sizeof(float));
        bt_gemm_pack(g, packed, w, q.n, false, k_of(&q), q.n, NULL);
        bt_product p = {.left = q.l,
                        .packed = packed,
                        .k = k_of(&q),
                        .n = q.n,
                        .c = c,
                        .ldc = q.n,
                        .bias = bias,
                        .low = 0,
                        .high = 6};
        p.left.x = x, p.left.zeros = zeros;
        double t = TIMED(bt_product_run(g, &p, 0, rows_of(&q), 0, bt_gemm_panels(g, q.n)));
        printf("  %s %8.1f us %6.1f GFLOP/s", simd.name, t * 1e6, flops / t * 1e-9);
        release(packed, bytes / sizeof(float));
    }
    printf("\n");
    release(x, n_in), release(w, n_w), release(bias, (size_t)q.n), release(c, n_out), release(zeros, n_zeros);
}

/* GFLOP/s of the direct method. */
static void bench_winograd(int64_t h, int64_t channels, int64_t n)
{
    problem q = convolution(1, h, channels, n, 3, 1, true);
    size_t n_in = input_of(&q), n_out = (size_t)(rows_of(&q) * q.n), n_w = (size_t)(k_of(&q) * q.n), n_u;
    float *x = random_floats(n_in), *w = random_floats(n_w), *bias = random_floats((size_t)q.n),
          *y = random_floats(n_out);
    printf("winograd %dx%dx%d -> %-13d", (int)h, (int)h, (int)channels, (int)n);
    for (int level = BT_SIMD_AVX512; level > BT_SIMD_C; level--) {
        bt_simd simd;
        if (!bt_simd_fill(&simd, (bt_simd_level)level)) continue;
        float *u = winograd_filter(&simd.gemm, &q, w, &n_u);
        bt_winograd of = winograd_of(&q, x, u, bias, NULL, y);
        size_t n_work = (size_t)bt_winograd_work(&simd.gemm, &of, bt_winograd_block(&of));
        float *work = random_floats(n_work);
        double t = TIMED(run_winograd(&simd.gemm, &of, 1, work));
        printf("  %s %8.1f us %6.1f GFLOP/s", simd.name, t * 1e6,
               2e-9 * (double)rows_of(&q) * (double)k_of(&q) * (double)n / t);
        release(u, n_u), release(work, n_work);
    }
    printf("\n");
    release(x, n_in), release(w, n_w), release(bias, (size_t)q.n), release(y, n_out);
}

static void bench_depthwise(int64_t size, int64_t stride, int64_t h, int64_t channels)
{
    problem q = convolution(1, h, channels, channels, size, stride, true);
    bt_depthwise d = {.in_h = h,
                      .in_w = h,
                      .out_h = q.l.out_h,
                      .out_w = q.l.out_w,
                      .channels = channels,
                      .kh = size,
                      .kw = size,
                      .stride_h = stride,
                      .stride_w = stride,
                      .dilation_h = 1,
                      .dilation_w = 1,
                      .top = q.l.top,
                      .left = q.l.left,
                      .low = 0,
                      .high = 6};
    size_t n_in = input_of(&q), n_out = (size_t)(d.out_h * d.out_w * channels),
           n_w = (size_t)(size * size * channels);
    float *x = random_floats(n_in), *w = random_floats(n_w), *bias = random_floats((size_t)channels);
    float *y = random_floats(n_out);
    d.x = x, d.weights = w, d.bias = bias, d.y = y;
    printf("depthwise %dx%d/%d %dx%dx%-13d", (int)size, (int)size, (int)stride, (int)h, (int)h,
           (int)channels);
    for (int level = BT_SIMD_AVX512; level > BT_SIMD_C; level--) {
        bt_simd simd;
        if (!bt_simd_fill(&simd, (bt_simd_level)level)) continue;
        double t = TIMED(simd.gemm.depthwise(&d, 0, d.out_h));
        printf("  %s %8.1f us %6.1f GFLOP/s", simd.name, t * 1e6,
               2e-9 * (double)(n_out * (size_t)(size * size)) / t);
    }
    printf("\n");
    release(x, n_in), release(w, n_w), release(bias, (size_t)channels), release(y, n_out);
}

static void bench(void)
{
    static const int64_t products[][3] = {
        {784, 512, 128},  {3136, 256, 64},  {3136, 64, 64},  {3136, 64, 256}, {196, 1024, 256},
        {196, 256, 1024}, {49, 2048, 512},  {49, 512, 2048}, {12544, 16, 96}, {3136, 144, 24},
        {3136, 24, 144},  {784, 144, 32},   {784, 192, 32},  {196, 384, 64},  {196, 64, 384},
        {196, 576, 96},   {49, 960, 160},   {49, 160, 960},  {49, 320, 1280}, {128, 768, 768},
        {128, 768, 3072}, {128, 3072, 768}, {128, 64, 128},  {128, 128, 64},  {1, 768, 768},
        {1, 2048, 1000},  {1, 256, 256},    {1, 64, 256},    {1, 256, 1}};
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        const int64_t *p = products[i];
        char name[64];
        snprintf(name, sizeof name, "matmul %dx%dx%d", (int)p[0], (int)p[1], (int)p[2]);
        bench_product(name, matmul(p[0], p[1], p[2]));
    }
    static const int convolutions[][6] = {
        /* size, channels, filters, filter, stride, same */
        {224, 3, 64, 7, 2, 1},   {224, 3, 32, 3, 2, 1},   {299, 3, 32, 3, 2, 0},  {56, 64, 64, 3, 1, 1},
        {28, 128, 128, 3, 1, 1}, {14, 256, 256, 3, 1, 1}, {7, 512, 512, 3, 1, 1}, {56, 256, 128, 1, 2, 1},
        {149, 32, 32, 3, 1, 0},  {147, 32, 64, 3, 1, 1},  {71, 80, 192, 3, 1, 0}, {35, 48, 64, 5, 1, 1},
        {35, 288, 384, 3, 2, 0}, {8, 448, 384, 3, 1, 1}};
    for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++) {
        const int *p = convolutions[i];
        char name[64];
        snprintf(name, sizeof name, "conv %dx%d/%d %dx%dx%d -> %d", p[3], p[3], p[4], p[0], p[0], p[1], p[2]);
        bench_product(name, convolution(1, p[0], p[1], p[2], p[3], p[4], p[5]));
    }
    static const int winograds[][3] = {{56, 64, 64},  {28, 128, 128}, {14, 256, 256}, {7, 512, 512},
                                       {147, 32, 64}, {71, 80, 192},  {35, 96, 96},   {224, 64, 64}};
    for (size_t i = 0; i < sizeof winograds / sizeof *winograds; i++)
        bench_winograd(winograds[i][0], winograds[i][1], winograds[i][2]);
    static const int depthwises[][4] = {{3, 1, 112, 32}, {3, 2, 112, 96}, {3, 1, 56, 144}, {3, 2, 56, 144},
                                        {3, 1, 28, 192}, {3, 2, 28, 192}, {3, 1, 14, 384}, {3, 1, 14, 576},
                                        {3, 2, 14, 576}, {3, 1, 7, 960},  {5, 1, 14, 672}, {5, 2, 14, 672},
                                        {7, 1, 56, 96},  {7, 1, 7, 768}};
    for (size_t i = 0; i < sizeof depthwises / sizeof *depthwises; i++)
        bench_depthwise(depthwises[i][0], depthwises[i][1], depthwises[i][2], depthwises[i][3]);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) return bench(), 0;
    bt_simd reference, simd;
    bt_simd_fill(&reference, BT_SIMD_C);
    for (int level = BT_SIMD_C; level <= BT_SIMD_AVX512; level++) {
        if (!bt_simd_fill(&simd, (bt_simd_level)level)) continue;
        test_pack(&simd);
        test_products(&simd);
        test_gemv(&simd);
        test_depthwise(&simd, &reference);
        test_windows(&simd, &reference);
        test_winograd(&simd);
    }
    return check_done();
}
