/* Vector maths, avx2: see vec.h. */
#include "simd/vec.h"

void bt_vec_fill_avx2(bt_vec_kernels *vec);

void bt_vec_fill_avx2(bt_vec_kernels *vec) { (void)vec; }
