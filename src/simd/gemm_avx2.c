/* Products, depthwise convolution and pooling, avx2: see gemm.h. */
#include "simd/gemm.h"

void bt_gemm_fill_avx2(bt_gemm_kernels *gemm);

void bt_gemm_fill_avx2(bt_gemm_kernels *gemm) { (void)gemm; }
