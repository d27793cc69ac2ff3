/* Fast loops on plain pointers; no tensors, no threads, no allocation. One table, filled once at start with the
 * plain C loops and then overwritten by what the CPU allows (AVX2, then AVX-512), as dav1d does. The plain C
 * version of each stays the reference of its test. Groups: gemm.h (matmul, convolution, depthwise, pooling),
 * vec.h (elementwise maths, reductions, conversions). Nothing outside this folder knows an instruction set. */
#ifndef BT_SIMD_H
#define BT_SIMD_H

#include "simd/gemm.h"
#include "simd/vec.h"

typedef enum bt_simd_level { BT_SIMD_C, BT_SIMD_AVX2, BT_SIMD_AVX512 } bt_simd_level;

typedef struct bt_simd {
    bt_simd_level level;
    const char *name; /* "avx512" */
    bt_gemm_kernels gemm;
    bt_vec_kernels vec;
} bt_simd;

/* The table for this CPU, filled at the first call; thread-safe. The environment variable BERTH_SIMD
 * ("c", "avx2", "avx512") lowers the level, for tests. */
const bt_simd *bt_simd_get(void);
/* A table filled up to a level, for tests; false when this CPU does not have it. */
bool bt_simd_fill(bt_simd *simd, bt_simd_level level);

#endif
