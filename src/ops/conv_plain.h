/* Convolutions by plain loops, channels last, for the dtypes and forms without a fast path. */
#ifndef BT_CONV_PLAIN_H
#define BT_CONV_PLAIN_H

#include "ops/window.h"

typedef enum bt_conv_form {
    BT_CONV_DENSE,     /* x [in][in_c], w [filter][in_c / groups][out_c], y [out][out_c] */
    BT_CONV_DEPTHWISE, /* x [in][in_c], w [filter][in_c][out_c / in_c], y [out][out_c] */
    BT_CONV_TRANSPOSED, /* x [out][out_c], w [filter][in_c / groups][out_c], y [in][in_c]: the dense form's gradient */
    BT_CONV_DEPTHWISE_TRANSPOSED /* x [out][out_c], w [filter][in_c][out_c / in_c], y [in][in_c]: the depthwise form's gradient */
} bt_conv_form;

/* float, double or int32; false for any other dtype. x: input or gradient; y is overwritten. */
bool bt_conv_plain(bt_conv_form form, berth_dtype dtype, const bt_windowing *w, const bt_sizes *s,
                   int64_t groups, const void *x, const void *weights, void *y, bt_pool *pool);

#endif
