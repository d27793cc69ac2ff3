/* Winograd's method for a convolution: when it is used, its weights, its threads. The arithmetic: simd/winograd.h. */
#ifndef BT_CONV_WINOGRAD_H
#define BT_CONV_WINOGRAD_H

#include "ops/window.h"
#include "simd/winograd.h"

/* Whether the method pays for this convolution of one group: 3 x 3, stride 1, enough channels and pixels. */
bool bt_winograd_pays(const bt_windowing *w, const bt_sizes *s);
/* Transforms constant input i (float) through the model's store and marks it as consumed. NULL on failure. */
const float *bt_winograd_prepare(bt_prepare *p, int i, const bt_sizes *s, const float *scale);
berth_status bt_winograd_call(bt_call *c, const bt_winograd *w, int64_t batch);

#endif
