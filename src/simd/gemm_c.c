/* Products, depthwise convolution and pooling in plain C: what each kernel of gemm.h means, the reference of
 * gemm_test.c, and all that a CPU without AVX2 has. */
#include "simd/gemm.h"

#include <math.h>
#include <string.h>

#include "simd/lanes_c.h"
#include "simd/winograd_lanes.h"

void bt_gemm_fill_c(bt_gemm_kernels *gemm);

enum { PANEL_VECTOR = 8, MAX_COLS = 16 };

static void tile(const bt_tile *t)
{
    for (int r = 0; r < t->rows; r++) {
        float sum[MAX_COLS] = {0};
        float *c = t->c + r * t->ldc;
        for (int j = 0; j < t->cols; j++) sum[j] = t->accumulate ? c[j] : 0;
        for (int i = 0; i < t->n_runs; i++) {
            const bt_run *run = &t->runs[i];
            for (int64_t k = 0; k < run->n; k++) {
                const float *b = t->b + (run->k + k) * t->ldb;
                float x = run->row[r][k];
                for (int j = 0; j < t->cols; j++) sum[j] += x * b[j];
            }
        }
        for (int j = 0; j < t->cols; j++) {
            float y = sum[j] + (t->bias ? t->bias[j] : 0) + (t->add ? t->add[r * t->ld_add + j] : 0);
            c[j] = y < t->low ? t->low : y > t->high ? t->high : y;
        }
    }
}

static void gemv(float *y, const float *x, const float *b, int64_t ldb, int64_t k, int64_t n,
                 const float *bias)
{
    for (int64_t j = 0; j < n; j++) y[j] = bias ? bias[j] : 0;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < n; j++) y[j] += x[i] * b[i * ldb + j];
}

static void gemv_transposed(float *y, const float *x, const float *b, int64_t ldb, int64_t k, int64_t n,
                            const float *bias)
{
    for (int64_t j = 0; j < n; j++) {
        float sum = bias ? bias[j] : 0;
        for (int64_t i = 0; i < k; i++) sum += x[i] * b[j * ldb + i];
        y[j] = sum;
    }
}

static void transpose(float *dst, int64_t ld_dst, const float *src, int64_t ld_src, int64_t rows,
                      int64_t cols)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            memcpy(dst + i * ld_dst + j, (const char *)src + (j * ld_src + i) * (int64_t)sizeof *src,
                   sizeof *src);
}

static void pack(float *dst, int64_t k, int64_t width, const float *src, const float *scale, int64_t n)
{
    const int64_t whole = (n + PANEL_VECTOR - 1) / PANEL_VECTOR * PANEL_VECTOR;
    for (int64_t j = 0; j < whole; j++) {
        float x = 0;
        if (j < n) memcpy(&x, src + j, sizeof x);
        dst[j / width * width * k + j % width] = scale && j < n ? x * scale[j] : x;
    }
}

/* One output pixel: y[c] = clamp(bias[c] + sum over taps that lie inside). */
static void depthwise_pixel(const bt_depthwise *d, int64_t oy, int64_t ox)
{
    float *y = d->y + (oy * d->out_w + ox) * d->channels;
    for (int64_t c = 0; c < d->channels; c++) y[c] = d->bias ? d->bias[c] : 0;
    for (int64_t ky = 0; ky < d->kh; ky++)
        for (int64_t kx = 0; kx < d->kw; kx++) {
            int64_t iy = oy * d->stride_h - d->top + ky * d->dilation_h;
            int64_t ix = ox * d->stride_w - d->left + kx * d->dilation_w;
            if (iy < 0 || iy >= d->in_h || ix < 0 || ix >= d->in_w) continue;
            const float *x = d->x + (iy * d->in_w + ix) * d->channels;
            const float *w = d->weights + (ky * d->kw + kx) * d->channels;
            for (int64_t c = 0; c < d->channels; c++) y[c] += x[c] * w[c];
        }
    for (int64_t c = 0; c < d->channels; c++) y[c] = y[c] < d->low ? d->low : y[c] > d->high ? d->high : y[c];
}

static void depthwise(const bt_depthwise *d, int64_t y0, int64_t y1)
{
    for (int64_t oy = y0; oy < y1; oy++)
        for (int64_t ox = 0; ox < d->out_w; ox++) depthwise_pixel(d, oy, ox);
}

/* A NaN anywhere in the window is the result, as in TensorFlow. */
static void window_max(float *y, const float *x, int64_t h, int64_t w, int64_t row_stride,
                       int64_t pixel_stride, int64_t channels)
{
    memcpy(y, x, (size_t)channels * sizeof *y);
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < w; j++) {
            const float *p = x + i * row_stride + j * pixel_stride;
            for (int64_t c = 0; c < channels; c++)
                if (p[c] > y[c] || isnan(p[c])) y[c] = p[c];
        }
}

static void window_sum(float *y, const float *x, int64_t h, int64_t w, int64_t row_stride,
                       int64_t pixel_stride, int64_t channels, float scale)
{
    memset(y, 0, (size_t)channels * sizeof *y);
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < w; j++) {
            const float *p = x + i * row_stride + j * pixel_stride;
            for (int64_t c = 0; c < channels; c++) y[c] += p[c];
        }
    for (int64_t c = 0; c < channels; c++) y[c] *= scale;
}

void bt_gemm_fill_c(bt_gemm_kernels *gemm)
{
    *gemm = (bt_gemm_kernels){
        .vector = PANEL_VECTOR,
        .max_vectors = MAX_COLS / PANEL_VECTOR,
        .max_rows = {0, 4, 4},
        .tile = tile,
        .gemv = gemv,
        .gemv_transposed = gemv_transposed,
        .transpose = transpose,
        .pack = pack,
        .depthwise = depthwise,
        .window_max = window_max,
        .window_sum = window_sum,
        .winograd_input = winograd_input,
        .winograd_output = winograd_output,
        .winograd_filter = winograd_filter,
    };
}
