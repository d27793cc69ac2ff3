/* A convolution within another op's kernel (conv_pad.c). */
#ifndef BT_CONV_H
#define BT_CONV_H

#include "ops/window.h"

/* y [batch][out][out_c] from x [batch][in][in_c] and filter [filter][in_c][out_c] of one dtype, float, double, half or
 * bfloat16; 2 spatial axes, channels last, sizes all known. Takes working memory of the call. */
berth_status bt_conv_dense(bt_call *c, berth_dtype dtype, const bt_windowing *w, const bt_sizes *s,
                           const void *x, const void *filter, void *y);

#endif
