/* See axes.h. */
#include "ops/axes.h"

static berth_status mark_axes(bool *reduced, const bt_shape *in, const bt_tensor *axes, berth_error *error)
{
    if (axes->dtype != BERTH_INT32 && axes->dtype != BERTH_INT64)
        return bt_fail(error, BERTH_BAD_INPUT, "axes are %s, not int32 or int64", bt_dtype_name(axes->dtype));
    if (axes->shape.rank > 1) return bt_fail(error, BERTH_BAD_INPUT, "axes must be a scalar or a vector");
    for (int64_t i = 0; i < bt_tensor_count(axes); i++) {
        int axis;
        int64_t given = bt_tensor_int(axes, i);
        if (!bt_axis(given, in->rank, &axis))
            return bt_fail(error, BERTH_BAD_INPUT,
                           "Invalid reduction dimension (%lld for input with %d dimension(s)",
                           (long long)given, in->rank);
        if (reduced[axis])
            return bt_fail(error, BERTH_BAD_INPUT,
                           "Invalid reduction arguments: Axes contains duplicate dimension: %d", axis);
        reduced[axis] = true;
    }
    return BERTH_OK;
}

static void reduced_shape(bt_shape *out, const bt_shape *in, const bool *reduced, bool keep_dims)
{
    *out = BT_SCALAR;
    for (int i = 0; i < in->rank; i++)
        if (!reduced[i] || keep_dims) out->dim[out->rank++] = reduced[i] ? 1 : in->dim[i];
}

berth_status bt_axes_resolve(bt_axes *a, const bt_shape *in, const bt_tensor *axes, bool keep_dims,
                             berth_error *error)
{
    bool reduced[BT_MAX_RANK] = {false};
    *a = (bt_axes){.count = 1};
    berth_status status = mark_axes(reduced, in, axes, error);
    if (status) return status;
    reduced_shape(&a->out, in, reduced, keep_dims);
    for (int i = 0; i < in->rank; i++) {
        if (reduced[i]) a->count *= in->dim[i];
        if (in->dim[i] == 1) continue;
        if (a->rank && a->reduced[a->rank - 1] == reduced[i]) a->dim[a->rank - 1] *= in->dim[i];
        else a->reduced[a->rank] = reduced[i], a->dim[a->rank++] = in->dim[i];
    }
    return BERTH_OK;
}

berth_status bt_infer_reduce(bt_infer *x)
{
    if (x->n_in < 2) return bt_infer_fail(x, "needs two inputs, has %d", x->n_in);
    const bt_shape *in = &x->in[0].shape;
    bool keep_dims = bt_attr_bool(x->node, "keep_dims", false), reduced[BT_MAX_RANK] = {false};
    x->out[0].dtype = x->in[0].dtype;
    if (in->rank < 0) return BERTH_OK;
    if (!x->in[1].value) {
        if (!keep_dims) return BERTH_OK;
        x->out[0].shape.rank = in->rank;
        for (int i = 0; i < in->rank; i++) x->out[0].shape.dim[i] = -1;
        return BERTH_OK;
    }
    berth_status status = mark_axes(reduced, in, x->in[1].value, x->error);
    if (!status) reduced_shape(&x->out[0].shape, in, reduced, keep_dims);
    return status;
}
