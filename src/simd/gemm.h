/* Matrix products, convolution, depthwise convolution and pooling on plain pointers. */
#ifndef BT_GEMM_H
#define BT_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bt_gemm_kernels {
    int placeholder; /* replaced by the kernels' author */
} bt_gemm_kernels;

#endif
