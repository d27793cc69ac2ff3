/* Winograd's F(4 x 4, 3 x 3): 16 outputs of a 3 x 3 convolution of stride 1 for 36 multiplications instead of 144.
 *
 * A patch of 6 x 6 pixels becomes 36 frequencies, V = B^T d B; the filter U = G g G^T, once; the products over channels
 * are 36 matrix products of [tiles][channels] by [channels][n]; y = A^T M A. Points 0, +-5/8, +-5/4 and infinity: all
 * constants are exact, and the error is about 2.5 times that of direct summation, less than with 0, +-1, +-2.
 * Here are neither threads nor allocation: the caller gives working memory. To read next: winograd_lanes.h, ../ops/conv.c. */
#ifndef BT_WINOGRAD_H
#define BT_WINOGRAD_H

#include "simd/gemm.h"

#define BT_WINOGRAD_A 0.625f
#define BT_WINOGRAD_B 1.25f
enum { BT_WINOGRAD_TILE = 4, BT_WINOGRAD_FREQUENCIES = 36 };

/* One convolution: input and output images in NHWC, dense; `u` from bt_winograd_pack. */
typedef struct bt_winograd {
    const float *x, *u;
    float *y;
    int64_t in_h, in_w, channels, out_h, out_w, n, top, left;
    const float *bias, *add; /* NULL: none */
    float low, high;
    bt_vec_unary_fn *activation; /* NULL: none */
    float alpha, beta;
} bt_winograd;

/* Bytes of a transformed filter; false when they overflow. */
bool bt_winograd_bytes(const bt_gemm_kernels *g, int64_t channels, int64_t n, size_t *bytes);
/* filter [3][3][channels][n], maybe unaligned; scale [n] or NULL. */
void bt_winograd_pack(const bt_gemm_kernels *g, float *u, const void *filter, int64_t channels, int64_t n,
                      const float *scale);
/* Tiles of 4 x 4 outputs in a batch, numbered row by row, image by image. */
int64_t bt_winograd_tiles(const bt_winograd *w, int64_t batch);
/* How many tiles at a time keep both sides in cache, and the floats of working memory for as many. */
int64_t bt_winograd_block(const bt_winograd *w);
int64_t bt_winograd_work(const bt_gemm_kernels *g, const bt_winograd *w, int64_t tiles);
/* Tiles [begin, end), at most bt_winograd_block of them. */
void bt_winograd_run(const bt_gemm_kernels *g, const bt_winograd *w, int64_t begin, int64_t end, float *work);

#endif
