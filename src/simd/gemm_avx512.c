/* Products, depthwise convolution and pooling with AVX-512: tiles of 6 x 64, 8 x 48, 8 x 32 and 8 x 16 in registers.
 * 6 x 64 is 24 sums, 4 vectors of the right side and one broadcast: two multiply-adds a cycle, and only 6 streams on the
 * left, so that no row stride can thrash the first-level cache as it does with taller tiles. */
#include "simd/gemm.h"

#include "simd/lanes_avx512.h"

enum { MAX_VECTORS = 4 };

#include "simd/gemm_lanes.h"
#include "simd/window_lanes.h"
#include "simd/winograd_lanes.h"

void bt_gemm_fill_avx512(bt_gemm_kernels *gemm);

TILES(1)
TILE(7, 1)
TILE(8, 1)
TILES(2)
TILE(7, 2)
TILE(8, 2)
TILES(3)
TILE(7, 3)
TILE(8, 3)
TILES(4)

static void run_tile(const bt_tile *t)
{
    static void (*const table[MAX_VECTORS][BT_TILE_ROWS])(const bt_tile *) = {
        {tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1, tile_7_1, tile_8_1},
        {tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2, tile_7_2, tile_8_2},
        {tile_1_3, tile_2_3, tile_3_3, tile_4_3, tile_5_3, tile_6_3, tile_7_3, tile_8_3},
        {tile_1_4, tile_2_4, tile_3_4, tile_4_4, tile_5_4, tile_6_4},
    };
    table[(t->cols - 1) / VECTOR][t->rows - 1](t);
}

/* ---- Transposition ------------------------------------------------------------------------------------ */

/* 16 x 16 in four rounds of interleaving: pairs, quadruples, then 128-bit lanes twice. */
INLINE void transpose_block(lanes r[16])
{
    lanes t[16];
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        lanes a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        lanes c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    /* t[4q + s] holds, in lane l, column 4l + s of rows 4q .. 4q + 3. */
    UNROLL for (int s = 0; s < 4; s++)
    {
        lanes a = _mm512_shuffle_f32x4(t[s], t[4 + s], 0x88), b = _mm512_shuffle_f32x4(t[s], t[4 + s], 0xdd);
        lanes c = _mm512_shuffle_f32x4(t[8 + s], t[12 + s], 0x88),
              d = _mm512_shuffle_f32x4(t[8 + s], t[12 + s], 0xdd);
        r[s] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[8 + s] = _mm512_shuffle_f32x4(a, c, 0xdd);
        r[4 + s] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[12 + s] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

void bt_gemm_fill_avx512(bt_gemm_kernels *gemm)
{
    *gemm = (bt_gemm_kernels){
        .vector = VECTOR,
        .max_vectors = MAX_VECTORS,
        .max_rows = {0, 8, 8, 8, 6},
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
