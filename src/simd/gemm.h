/* Matrix products, convolution, depthwise convolution and pooling of float on plain pointers.
 *
 * All products, dense or convolution, are one loop over register tiles: `rows` consecutive output rows (pixels) by the
 * columns of one panel. What differs is only where a tile reads its left side: a list of runs, each the same number of
 * consecutive floats from every row. A matmul has one run; a convolution has one for each filter row (NHWC: the taps of
 * a filter row lie side by side) or, at the borders, one for each tap, with a row of zeros where a tap is outside.
 *
 * gemm.c: packing, tiles in cache blocks, convolution geometry. gemm_c.c: the reference of every kernel;
 * gemm_avx2.c, gemm_avx512.c: the fast ones. To read next: ../ops/conv.c. */
#ifndef BT_GEMM_H
#define BT_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/vec.h"

/* ---- Kernels ------------------------------------------------------------------------------------------ */

#define BT_TILE_ROWS 8 /* most rows of a tile */

/* Rows [k, k + n) of the right side, against n consecutive floats at each row pointer of the left side. */
typedef struct bt_run {
    int64_t k, n;
    const float *row[BT_TILE_ROWS];
} bt_run;

/* c[r][j] = clamp(start + sum over runs, i < n of row[r][i] b[k + i][j] + bias[j] + add[r][j], low, high), where start is
 * 0, or c[r][j] when `accumulate`. bias, add and the clamp are for the last block of k alone. */
typedef struct bt_tile {
    const bt_run *runs;
    int n_runs;
    int rows; /* 1 .. max_rows[vectors of cols] */
    int cols; /* 1 .. max_vectors * vector */
    const float *b;
    int64_t ldb; /* from row to row of b */
    float *c;
    int64_t ldc;
    const float *bias; /* NULL: 0 */
    const float *add;  /* NULL: none */
    int64_t ld_add;
    float low, high;
    bool accumulate;
    const char
        *ahead; /* what to bring into the second-level cache meanwhile, ahead_step bytes for each row of b */
    int64_t ahead_step;
} bt_tile;

/* A depthwise convolution of one image, NHWC, one output channel an input channel. weights [kh][kw][channels]. */
typedef struct bt_depthwise {
    const float *x;
    const float *weights;
    const float *bias; /* NULL: 0 */
    float *y;
    int64_t in_h, in_w, out_h, out_w, channels;
    int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w, top, left;
    float low, high;
} bt_depthwise;

/* A patch of an NHWC image between pixels and the 36 frequencies of winograd.h; frequency f of channel c is at
 * frequencies[f step + c]. Rows of frequencies have room for whole vectors. */
typedef struct bt_patch {
    float *image;
    int64_t h, w, pixel, channels; /* pixel: floats from one to the next */
    int64_t y, x;                  /* first pixel; the patch may reach beyond the image */
    float *frequencies;
    int64_t step;
    const float *bias, *add; /* of outputs: NULL, or [channels]; or like the image */
    float low, high;
} bt_patch;

typedef struct bt_gemm_kernels {
    int vector;      /* floats a vector; columns of a packed panel are a multiple of it */
    int max_vectors; /* of a panel, at most 4 */
    int max_rows[5]; /* of a tile, by the vectors of its panel */
    void (*tile)(const bt_tile *t);
    /* y[j] = bias[j] + sum_k x[k] b[k][j]: one row against a row-major matrix, read once, in place. */
    void (*gemv)(float *y, const float *x, const float *b, int64_t ldb, int64_t k, int64_t n,
                 const float *bias);
    /* y[j] = bias[j] + sum_k x[k] b[j][k]. */
    void (*gemv_transposed)(float *y, const float *x, const float *b, int64_t ldb, int64_t k, int64_t n,
                            const float *bias);
    /* dst[i][j] = src[j][i], i < rows, j < cols; columns [cols, ld_dst) of dst are left alone. */
    void (*transpose)(float *dst, int64_t ld_dst, const float *src, int64_t ld_src, int64_t rows,
                      int64_t cols);
    /* A row of n columns to panels of `width` columns and k rows: src[j] scale[j] (NULL: 1) to dst[j / width * width * k +
     * j % width], and zeros behind column n up to a whole vector. src may be unaligned. */
    void (*pack)(float *dst, int64_t k, int64_t width, const float *src, const float *scale, int64_t n);
    /* Output rows [y0, y1). */
    void (*depthwise)(const bt_depthwise *d, int64_t y0, int64_t y1);
    /* One output pixel of a pooling: the largest, or `scale` times the sum, of h x w > 0 pixels of `channels` floats. */
    void (*window_max)(float *y, const float *x, int64_t h, int64_t w, int64_t row_stride,
                       int64_t pixel_stride, int64_t channels);
    void (*window_sum)(float *y, const float *x, int64_t h, int64_t w, int64_t row_stride,
                       int64_t pixel_stride, int64_t channels, float scale);
    void (*winograd_input)(const bt_patch *p);  /* 6 x 6 pixels, zeros outside, to frequencies */
    void (*winograd_output)(const bt_patch *p); /* frequencies to 4 x 4 pixels, those outside left out */
    /* 3 x 3 taps of n numbers each, tap_step apart (maybe unaligned) and scaled, to 36 rows of n frequencies, row_step apart. */
    void (*winograd_filter)(const float *taps, int64_t tap_step, const float *scale, int64_t n, float *rows,
                            int64_t row_step);
} bt_gemm_kernels;

/* ---- Packed right sides (gemm.c) ---------------------------------------------------------------------- */

/* A [k][n] matrix is cut into panels of nearly equal whole vectors; a panel is [k][its columns], zeros behind column n.
 * One buffer holds panel after panel. */
int64_t bt_gemm_panels(const bt_gemm_kernels *g, int64_t n);
/* First column of panel p; n for p = bt_gemm_panels. */
int64_t bt_gemm_panel_start(const bt_gemm_kernels *g, int64_t n, int64_t p);
/* Floats of all panels: k n rounded up to whole vectors. False when the number of bytes overflows. */
bool bt_gemm_packed_bytes(const bt_gemm_kernels *g, int64_t k, int64_t n, size_t *bytes);
/* Packs b[k][n] (row stride ldb), or its transpose [n][k]; `scale` [n] multiplies columns (NULL: 1). b may be unaligned. */
void bt_gemm_pack(const bt_gemm_kernels *g, float *packed, const void *b, int64_t ldb, bool transposed,
                  int64_t k, int64_t n, const float *scale);

/* ---- Products and convolutions over a block of the output (gemm.c) ------------------------------------ */

/* Where output rows read: an image (or batch of them) in NHWC whose pixels lie `pixel` floats apart. Output row i is
 * pixel (i / (out_h out_w), i / out_w % out_h, i % out_w). A matmul of [m][k]: in_w = out_w = m, all else 1, pixel = row
 * stride of the left side, channels = k. */
typedef struct bt_gather {
    const float *x;
    const float *zeros; /* kw * channels zeros; may be NULL when no tap is ever outside */
    int64_t in_h, in_w, pixel, channels;
    int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w, top, left;
    int64_t out_h, out_w;
} bt_gather;

/* c[i][j] for a range of rows and panels: the sum over taps and channels of what the gather gives by b [kh kw channels][n],
 * packed; bias, add and clamp as in bt_tile; then `activation` (NULL: none) over each finished tile's rows. */
typedef struct bt_product {
    bt_gather left;
    const float *packed;
    int64_t ldb; /* 0; else `packed` is a row-major matrix, read in place, this far from row to row */
    int64_t k, n;
    float *c;
    int64_t ldc;
    const float *bias;
    const float *add;
    int64_t ld_add;
    float low, high;
    bt_vec_unary_fn *activation;
    float alpha, beta; /* of the activation */
    bool accumulate;   /* start from what c holds */
} bt_product;

bt_gather bt_gather_matrix(const float *x, int64_t m, int64_t k, int64_t ld);
void bt_product_run(const bt_gemm_kernels *g, const bt_product *p, int64_t row0, int64_t row1, int64_t panel0,
                    int64_t panel1);

#endif
