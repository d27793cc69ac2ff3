/* Convolutions on a device: what stands in the place of bt_conv_plain there. */
#ifndef BT_CONV_GPU_H
#define BT_CONV_GPU_H

#include "ops/conv_plain.h"
#include "ops/product.h"

/* x, weights, add and y are channels last and lie on c->device; add may be NULL. e may be NULL: nothing is fused; its other
 * arguments are the call's inputs. turned: the weights of a dense one as bt_conv_gpu_prepare made them, in the place of weights;
 * NULL: as they are. */
berth_status bt_conv_gpu(bt_call *c, bt_conv_form form, berth_dtype dtype, const bt_windowing *w, const bt_sizes *s,
                         int64_t groups, const bt_epilogue *e, const void *x, const void *weights, const void *turned, const void *add,
                         void *y);
/* *turned: a constant filter, input 1, as a library of the device wants it, and marked as consumed; NULL: it stays as it is. */
berth_status bt_conv_gpu_prepare(bt_prepare *p, const bt_windowing *w, const void **turned);

#endif
