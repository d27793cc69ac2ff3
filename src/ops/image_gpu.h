/* What the kernels of image.cl are given of windows. */
#ifndef BT_IMAGE_GPU_H
#define BT_IMAGE_GPU_H

#include "ops/gpu.h"
#include "ops/window.h"

BT_CL_DECLARE(image);

/* `windows` in image.cl; n: output pixels. */
typedef struct bt_window_axes {
    int64_t n, channels, in[BT_AXES], out[BT_AXES], filter[BT_AXES], stride[BT_AXES], dilation[BT_AXES], before[BT_AXES];
} bt_window_axes;

static inline bt_window_axes bt_window_axes_of(const bt_window axis[BT_AXES], int64_t batch, int64_t channels)
{
    bt_window_axes by = {.n = batch, .channels = channels};
    for (int i = 0; i < BT_AXES; i++) {
        by.n *= axis[i].out;
        by.in[i] = axis[i].in, by.out[i] = axis[i].out, by.filter[i] = axis[i].filter;
        by.stride[i] = axis[i].stride, by.dilation[i] = axis[i].dilation, by.before[i] = axis[i].before;
    }
    return by;
}

#endif
