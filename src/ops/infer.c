/* Shape functions that many ops share, and the window arithmetic of convolution and pooling. */
#include "ops/op.h"

berth_status bt_infer_same(bt_infer *x)
{
    if (x->n_in < 1) return bt_infer_fail(x, "needs an input");
    x->out[0].dtype = x->in[0].dtype;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

berth_status bt_infer_broadcast(bt_infer *x)
{
    if (x->n_in < 2) return bt_infer_fail(x, "needs two inputs, has %d", x->n_in);
    const bt_fact *a = &x->in[0], *b = &x->in[1];
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    if (a->dtype && b->dtype && a->dtype != b->dtype)
        return bt_infer_fail(x, "dtypes %s and %s differ", bt_dtype_name(a->dtype), bt_dtype_name(b->dtype));
    x->out[0].dtype = a->dtype;
    if (!bt_shape_broadcast(&a->shape, &b->shape, &x->out[0].shape))
        return bt_infer_fail(x, "shapes %s and %s do not broadcast", bt_shape_text(&a->shape, ta),
                             bt_shape_text(&b->shape, tb));
    return BERTH_OK;
}

berth_status bt_infer_unknown(bt_infer *x)
{
    berth_dtype dtype = bt_attr_type(x->node, "T", bt_attr_type(x->node, "dtype", BERTH_NO_DTYPE));
    for (int i = 0; i < x->n_out; i++) x->out[i].dtype = dtype;
    return BERTH_OK;
}

/* SAME: out = ceil(in / stride), the padding split with the odd one after; VALID: no padding. */
bool bt_window_resolve(bt_window *w, const char *padding)
{
    int64_t reach = (w->filter - 1) * w->dilation + 1;
    if (w->stride < 1 || w->dilation < 1 || w->filter < 0) return false;
    if (strcmp(padding, "EXPLICIT")) w->before = w->after = 0;
    if (w->in < 0) {
        w->out = -1;
        return true;
    }
    if (strcmp(padding, "SAME") == 0) {
        w->out = (w->in + w->stride - 1) / w->stride;
        int64_t needed = w->out > 0 ? (w->out - 1) * w->stride + reach - w->in : 0;
        if (needed < 0) needed = 0;
        w->before = needed / 2;
        w->after = needed - w->before;
        return true;
    }
    w->out = (w->in + w->before + w->after - reach + w->stride) / w->stride;
    return w->out >= 0;
}
