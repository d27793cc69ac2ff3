/* Tensors made from a few numbers: Fill, Empty, Range, LinSpace, OneHot. */
#include "ops/gpu.h"
#include "ops/move.h"

#include <math.h>

#include "device/watch.h"

BT_CL_DECLARE(arrange);

/* The shape that input i's value says; its rank where only the length is known. */
static berth_status infer_from_dims(bt_infer *x, int i, bt_shape *shape)
{
    int64_t rank = bt_infer_length(x, i);
    if (x->in[i].shape.rank > 1) return bt_infer_fail(x, "dims must be a vector");
    if (rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    if (x->in[i].value) {
        if (!bt_tensor_shape_value(x->in[i].value, shape)) return bt_infer_fail(x, "dims are no shape");
        for (int k = 0; k < shape->rank; k++)
            if (shape->dim[k] < 0) return bt_infer_fail(x, "dims must not be negative");
        return BERTH_OK;
    }
    if (rank < 0) return BERTH_OK;
    shape->rank = (int)rank;
    for (int k = 0; k < shape->rank; k++) shape->dim[k] = -1;
    return BERTH_OK;
}

static berth_status infer_fill(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    if (x->in[1].shape.rank > 0) return bt_infer_fail(x, "the value must be a scalar");
    x->out[0].dtype = bt_infer_type(x, 1);
    return infer_from_dims(x, 0, &x->out[0].shape);
}

static berth_status run_fill(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    void *out = status ? NULL : bt_out(c, 0, c->in[1]->dtype, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    return bt_call_fill(c, c->in[1]->dtype, out, c->in[1]->data, bt_shape_count(&fact.shape));
}

static berth_status infer_empty(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "dtype", BERTH_NO_DTYPE);
    berth_status status = bt_infer_arity(x, 1);
    return status ? status : infer_from_dims(x, 0, &x->out[0].shape);
}

/* Zeros, whatever `init` says. */
static berth_status run_empty(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    void *out = status ? NULL : bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    return bt_call_zero(c, fact.dtype, out, bt_shape_count(&fact.shape));
}

/* What a branch gives that does not compute it: TensorFlow writes nothing there. */
static berth_status infer_fake(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "dtype", BERTH_NO_DTYPE);
    bt_attr_shape(x->node, "shape", &x->out[0].shape);
    if (bt_shape_known(&x->out[0].shape)) return BERTH_OK;
    return bt_infer_fail(x, "the shape must be fully known");
}

/* ---- Range -------------------------------------------------------------------------------------------- */

/* A number in the arithmetic of a type: doubles for double, else floats rounded to the type. */
static double in_type(berth_dtype dtype, double v)
{
    switch (dtype) {
    case BERTH_DOUBLE: return v;
    case BERTH_HALF: return bt_half_to_float(bt_float_to_half((float)v));
    case BERTH_BFLOAT16: return bt_bf16_to_float(bt_float_to_bf16((float)v));
    default: return (float)v;
    }
}

/* Elements of start, start + delta, ... before limit; -1 when there is no such number. */
static int64_t range_length(const bt_tensor *start, const bt_tensor *limit, const bt_tensor *delta)
{
    berth_dtype dtype = start->dtype;
    if (bt_dtype_is_int(dtype)) {
        int64_t a = bt_tensor_int(start, 0), b = bt_tensor_int(limit, 0), d = bt_tensor_int(delta, 0);
        if (d == 0 || (d > 0 ? a > b : a < b)) return -1;
        uint64_t span = a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b;
        uint64_t step = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
        uint64_t n = span / step + (span % step != 0);
        return n > INT64_MAX ? -1 : (int64_t)n;
    }
    double a = bt_tensor_number(start, 0), b = bt_tensor_number(limit, 0), d = bt_tensor_number(delta, 0);
    if (d == 0 || isnan(d) || !(d > 0 ? a <= b : a >= b)) return -1;
    double n = ceil(fabs(in_type(dtype, in_type(dtype, b - a) / d)));
    return n < 0x1p62 ? (int64_t)n : -1;
}

static berth_status infer_range(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status || (status = bt_infer_alike(x, 0, 3))) return status;
    x->out[0].dtype = x->in[0].dtype ? x->in[0].dtype : bt_attr_type(x->node, "Tidx", BERTH_INT32);
    int64_t n = -1;
    bool known = true;
    for (int i = 0; i < 3; i++) {
        known = known && x->in[i].value;
        if (x->in[i].shape.rank > 0) return bt_infer_fail(x, "start, limit and delta must be scalars");
    }
    if (known && (n = range_length(x->in[0].value, x->in[1].value, x->in[2].value)) < 0)
        return bt_infer_fail(x, "delta must not be 0, and must lead from start to limit");
    x->out[0].shape = BT_SHAPE(n);
    return BERTH_OK;
}

/* Number i is start + i delta, each step rounded to the type, as TensorFlow has it. */
#define COUNT_UP(type)                                                                   \
    {                                                                                    \
        const type v = *(const type *)c->in[0]->data, d = *(const type *)c->in[2]->data; \
        type *y = out;                                                                   \
        for (int64_t i = 0; i < n; i++) y[i] = (type)(v + (type)((type)i * d));          \
        break;                                                                           \
    }
#define COUNT_UP_INT(type)                                                                   \
    {                                                                                        \
        const uint64_t v = *(const type *)c->in[0]->data, d = *(const type *)c->in[2]->data; \
        type *y = out;                                                                       \
        for (int64_t i = 0; i < n; i++) y[i] = (type)(v + (uint64_t)i * d);                  \
        break;                                                                               \
    }
#define COUNT_UP_SMALL(from, to)                                                         \
    {                                                                                    \
        const float v = from(*(const uint16_t *)c->in[0]->data),                         \
                    d = from(*(const uint16_t *)c->in[2]->data);                         \
        uint16_t *y = out;                                                               \
        for (int64_t i = 0; i < n; i++) y[i] = to(v + from(to(from(to((float)i)) * d))); \
        break;                                                                           \
    }

static berth_status run_range(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    berth_dtype dtype = c->in[0]->dtype;
    if (status) return status;
    if (!bt_dtype_is_int(dtype) && !bt_dtype_is_float(dtype))
        return bt_call_unsupported(c, "a range of %s", bt_dtype_name(dtype));
    int64_t n = fact.shape.dim[0];
    size_t bytes = (size_t)n * bt_dtype_size(dtype);
    void *there = bt_out(c, 0, dtype, &fact.shape), *out = there;
    if (there && bt_on_gpu(c))
        out = bt_host_scratch(c, bytes + 1); /* few numbers, each a sum: counted here and brought there */
    if (!out) return c->error->status;
    switch (dtype) {
    case BERTH_FLOAT: COUNT_UP(float)
    case BERTH_DOUBLE: COUNT_UP(double)
    case BERTH_HALF: COUNT_UP_SMALL(bt_half_to_float, bt_float_to_half)
    case BERTH_BFLOAT16: COUNT_UP_SMALL(bt_bf16_to_float, bt_float_to_bf16)
    case BERTH_INT8:
    case BERTH_UINT8: COUNT_UP_INT(uint8_t)
    case BERTH_INT16:
    case BERTH_UINT16: COUNT_UP_INT(uint16_t)
    case BERTH_INT32:
    case BERTH_UINT32: COUNT_UP_INT(uint32_t)
    default: COUNT_UP_INT(uint64_t)
    }
    return bytes && out != there ? bt_device_upload(c->device, there, out, bytes, c->error) : BERTH_OK;
}

/* ---- LinSpace ----------------------------------------------------------------------------------------- */

static berth_status infer_lin_space(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status || (status = bt_infer_alike(x, 0, 2))) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    for (int i = 0; i < 3; i++)
        if (x->in[i].shape.rank > 0) return bt_infer_fail(x, "start, stop and num must be scalars");
    int64_t n = x->in[2].value ? bt_tensor_int(x->in[2].value, 0) : -1;
    if (x->in[2].value && n < 1) return bt_infer_fail(x, "num must be positive");
    x->out[0].shape = BT_SHAPE(n);
    return BERTH_OK;
}

static bt_arg number_arg(berth_dtype dtype, double v)
{
    return dtype == BERTH_DOUBLE ? (bt_arg){.kind = BT_ARG_DOUBLE, .d = v} : bt_float((float)v);
}

static berth_status line_on_gpu(bt_call *c, berth_dtype dtype, void *out, int64_t n, double start,
                                double step, double stop)
{
    char defines[BT_DEFINES];
    bt_arg args[] = {bt_pointer(out), bt_long(n), number_arg(dtype, start), number_arg(dtype, step),
                     number_arg(dtype, stop)};
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, dtype, 0, "-DLINE");
    return bt_gpu_launch(c, BT_CL(arrange), defines, "line", &grid, args, 5);
}

/* y[i] = start + i step, and stop itself at the end. */
static berth_status run_lin_space(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    berth_dtype dtype = c->in[0]->dtype;
    if (status) return status;
    if (!bt_dtype_is_float(dtype)) return bt_call_unsupported(c, "a line of %s", bt_dtype_name(dtype));
    void *out = bt_out(c, 0, dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t n = fact.shape.dim[0];
    double start = bt_tensor_number(c->in[0], 0), stop = bt_tensor_number(c->in[1], 0);
    double step = n > 1 ? in_type(dtype, in_type(dtype, stop - start) / in_type(dtype, (double)(n - 1))) : 0;
    if (bt_on_device(c)) return line_on_gpu(c, dtype, out, n, start, step, stop);
    for (int64_t i = 0; i < n; i++)
        bt_put_number(dtype, bt_at(dtype, out, i), start + in_type(dtype, step * in_type(dtype, (double)i)));
    if (n > 1) bt_put_number(dtype, bt_at(dtype, out, n - 1), stop);
    return BERTH_OK;
}

/* ---- OneHot ------------------------------------------------------------------------------------------- */

static berth_status infer_one_hot(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status || (status = bt_infer_alike(x, 2, 4))) return status;
    const bt_shape *indices = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    int64_t depth = -1, at = bt_attr_int(x->node, "axis", -1);
    x->out[0].dtype = bt_infer_type(x, 2);
    for (int i = 1; i < 4; i++)
        if (x->in[i].shape.rank > 0) return bt_infer_fail(x, "depth and the two values must be scalars");
    if (x->in[1].value && (depth = bt_tensor_int(x->in[1].value, 0)) < 0)
        return bt_infer_fail(x, "a depth of %lld", (long long)depth);
    if (indices->rank < 0) return BERTH_OK;
    if (indices->rank == BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    if (at < -1 || at > indices->rank)
        return bt_infer_fail(x, "axis %lld for %d dimensions", (long long)at, indices->rank);
    int axis = at < 0 ? indices->rank : (int)at;
    out->rank = indices->rank + 1;
    for (int i = 0; i < out->rank; i++) out->dim[i] = i == axis ? depth : indices->dim[i - (i > axis)];
    return BERTH_OK;
}

static berth_status one_hot_on_gpu(bt_call *c, void *out, int64_t n, int64_t depth, int64_t inner)
{
    char defines[BT_DEFINES];
    size_t size = bt_dtype_size(c->in[2]->dtype);
    int64_t on = 0, off = 0;
    if (n * depth == 0) return BERTH_OK;
    memcpy(&on, c->in[2]->data, size);
    memcpy(&off, c->in[3]->data, size);
    bt_arg args[] = {bt_pointer(c->in[0]->data),
                     bt_pointer(out),
                     bt_long(n * depth),
                     bt_long(depth),
                     bt_long(inner),
                     bt_long(on),
                     bt_long(off)};
    bt_grid grid = bt_grid_of(c, n * depth);
    bt_gpu_defines(defines, bt_gpu_unit(c->in[2]->dtype), c->in[0]->dtype, "");
    return bt_gpu_launch(c, BT_CL(arrange), defines, "one_hot", &grid, args, 7);
}

/* [outer, inner] indices, an axis of `depth` between the two. */
static berth_status run_one_hot(bt_call *c)
{
    const bt_tensor *indices = c->in[0], *on = c->in[2], *off = c->in[3];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (!bt_dtype_is_int(indices->dtype)) return bt_call_fail(c, "the indices must be integers");
    void *out = bt_out(c, 0, on->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t at = bt_attr_int(c->node, "axis", -1), depth = bt_tensor_int(c->in[1], 0);
    int axis = at < 0 ? indices->shape.rank : (int)at;
    int64_t inner = bt_shape_span(&indices->shape, axis, indices->shape.rank), n = bt_tensor_count(indices);
    size_t size = bt_dtype_size(on->dtype);
    if (bt_on_device(c)) return one_hot_on_gpu(c, out, n, depth, inner);
    status = bt_call_fill(c, on->dtype, out, off->data, n * depth);
    for (int64_t i = 0; !status && i < n; i++) {
        int64_t hot = bt_tensor_int(indices, i);
        if (hot < 0 || hot >= depth) continue;
        void *y = bt_at(on->dtype, out, (i / inner * depth + hot) * inner + i % inner);
        if (bt_dtype_is_object(on->dtype)) status = bt_elements_copy(on->dtype, y, on->data, 1, c->error);
        else memcpy(y, on->data, size);
    }
    return status;
}

const bt_op bt_ops_fill[] = {
    {.name = "Fill",
     .infer = infer_fill,
     .cpu = run_fill,
     .gpu = run_fill,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 3},
    {.name = "Empty",
     .infer = infer_empty,
     .cpu = run_empty,
     .gpu = run_empty,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 1,
     .type_attr = "dtype"},
    {.name = "FakeParam", .infer = infer_fake, .cpu = run_empty, .type_attr = "dtype"},
    {.name = "Range",
     .infer = infer_range,
     .cpu = run_range,
     .types = BT_REALS,
     .gpu = run_range,
     .gpu_types = BT_REALS,
     .host_inputs = 7,
     .type_attr = "Tidx"},
    {.name = "LinSpace",
     .infer = infer_lin_space,
     .cpu = run_lin_space,
     .gpu = run_lin_space,
     .gpu_types = BT_FLOATS,
     .host_inputs = 7},
    {.name = "OneHot",
     .infer = infer_one_hot,
     .cpu = run_one_hot,
     .gpu = run_one_hot,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 14},
    {0},
};
