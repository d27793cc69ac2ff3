/* Vector maths, c: see vec.h. */
#include "simd/vec.h"

void bt_vec_fill_c(bt_vec_kernels *vec);

void bt_vec_fill_c(bt_vec_kernels *vec) { (void)vec; }
