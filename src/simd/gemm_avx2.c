/* Products, depthwise convolution and pooling with AVX2: tiles of 6 x 16 and 6 x 8 in registers (12 sums, two
 * vectors of the right side and one broadcast of the 16 registers). */
#include "simd/gemm.h"

#include "simd/lanes_avx2.h"

enum { MAX_VECTORS = 2 };

#include "simd/gemm_lanes.h"
#include "simd/window_lanes.h"
#include "simd/winograd_lanes.h"

void bt_gemm_fill_avx2(bt_gemm_kernels *gemm);

TILES(1)
TILES(2)

static void run_tile(const bt_tile *t)
{
    static void (*const table[MAX_VECTORS][BT_TILE_ROWS])(const bt_tile *) = {
        {tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1},
        {tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2},
    };
    table[(t->cols - 1) / VECTOR][t->rows - 1](t);
}

/* ---- Transposition ------------------------------------------------------------------------------------ */

/* 8 x 8: pairs, quadruples, then 128-bit halves. */
INLINE void transpose_block(lanes r[8])
{
    lanes t[8];
    UNROLL for (int i = 0; i < 8; i += 4)
    {
        lanes a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
        lanes c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    UNROLL for (int s = 0; s < 4; s++)
    {
        r[s] = _mm256_permute2f128_ps(t[s], t[4 + s], 0x20);
        r[4 + s] = _mm256_permute2f128_ps(t[s], t[4 + s], 0x31);
    }
}

void bt_gemm_fill_avx2(bt_gemm_kernels *gemm)
{
    *gemm = (bt_gemm_kernels){
        .vector = VECTOR,
        .max_vectors = MAX_VECTORS,
        .max_rows = {0, 6, 6},
        .tile = run_tile,
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
