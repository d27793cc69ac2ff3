/* Convolutions of 1 to 3 spatial axes: Conv2D, Conv3D, Conv, and Conv2D with fused operations. Float (and half and
 * bfloat16, summed in float) is a product of gathered rows, simd/gemm.h, or, 3 x 3, Winograd's, conv_winograd.c: prepare
 * chooses. Other dtypes: conv_plain.c. Depthwise: depthwise.c. */
#include "ops/conv.h"
#include "ops/conv_gpu.h"
#include "ops/conv_plain.h"
#include "ops/conv_winograd.h"
#include "ops/move.h"
#include "ops/product.h"

#include <math.h>

typedef struct conv {
    bt_windowing w;
    bool is_general;    /* Conv */
    int64_t groups;     /* 0: as many as the input's channels make of the filter's */
    int64_t batch_dims; /* leading dimensions of the input */
    bt_epilogue epilogue;
    bt_columns columns; /* known when the filter is packed or transformed */
    const float *packed;
    const float *transformed; /* instead of packed: for Winograd's method */
    const void *turned;       /* the filter on a device with a library of convolutions */
} conv;

static bool is_general(const bt_node *node) { return strcmp(node->op, "Conv") == 0; }

/* Conv has as many axes as its strides say. */
static int spatial_of(const bt_node *node)
{
    const bt_attr_value *list;
    if (strcmp(node->op, "Conv3D") == 0) return 3;
    int n = is_general(node) ? bt_attr_list(node, "strides", &list) - 2 : 2;
    return n >= 1 && n <= BT_AXES ? n : 0;
}

static berth_status parse(const bt_node *node, int n_in, conv *op, berth_error *error)
{
    *op = (conv){0};
    if (n_in < 2) return bt_fail(error, BERTH_BAD_MODEL, "has %d inputs, not 2", n_in);
    int spatial = spatial_of(node);
    if (!spatial) return bt_fail(error, BERTH_BAD_MODEL, "strides must be 3 to 5 numbers");
    if (strcmp(bt_attr_string(node, "filter_format", "HWIO"), "HWIO"))
        return bt_fail(error, BERTH_UNSUPPORTED, "filter_format %s",
                       bt_attr_string(node, "filter_format", ""));
    berth_status status = bt_windowing_parse(node, spatial, false, &op->w, error);
    op->w.centred = spatial == 3;
    op->is_general = is_general(node);
    op->groups = op->is_general ? bt_attr_int(node, "groups", 1) : 0;
    op->batch_dims = op->is_general ? bt_attr_int(node, "batch_dims", 1) : 1;
    if (op->groups < 0 || op->batch_dims < 0 || op->batch_dims > BT_MAX_RANK - spatial - 1)
        return bt_fail(error, BERTH_BAD_MODEL, "groups or batch_dims are out of range");
    return status ? status : bt_epilogue_parse(node, 2, n_in, &op->epilogue, error);
}

/* Sizes of the filter, [filter][in_c / groups][out_c]; *depth: in_c / groups. */
static berth_status filter_sizes(const conv *op, const bt_shape *filter, bt_sizes *s, int64_t *depth,
                                 berth_error *error)
{
    int n = op->w.spatial;
    s->out_c = *depth = -1;
    for (int i = 0; i < BT_AXES; i++) s->filter[i] = i < BT_AXES - n ? 1 : -1;
    if (filter->rank < 0) return BERTH_OK;
    if (filter->rank != n + 2)
        return bt_fail(error, BERTH_BAD_MODEL, "filter has %d dimensions, not %d", filter->rank, n + 2);
    for (int i = 0; i < n; i++) s->filter[BT_AXES - n + i] = filter->dim[i];
    *depth = filter->dim[n];
    s->out_c = filter->dim[n + 1];
    for (int i = 0; i < BT_AXES; i++)
        if (s->filter[i] == 0) return bt_fail(error, BERTH_BAD_MODEL, "filter is empty");
    return BERTH_OK;
}

/* All dimensions of batch as one; false when there are not as many. */
static bool join_batch(const conv *op, const bt_shape *in, bt_shape *joined)
{
    int rest = op->w.spatial + 1, n = (int)op->batch_dims;
    *joined = *in;
    if (in->rank < 0 || n == 1) return true;
    if (in->rank != n + rest) return false;
    *joined = (bt_shape){.rank = rest + 1, .dim = {1}};
    for (int i = 0; i < n; i++)
        joined->dim[0] = in->dim[i] < 0 || joined->dim[0] < 0 ? -1 : joined->dim[0] * in->dim[i];
    memcpy(joined->dim + 1, in->dim + n, (size_t)rest * sizeof *in->dim);
    return true;
}

static bt_shape out_shape(const conv *op, const bt_shape *in, const bt_sizes *s)
{
    bt_shape joined = bt_sizes_shape(&op->w, s->batch, s->out, s->out_c), shape = joined;
    int n = (int)op->batch_dims;
    if (n == 1) return joined;
    if (in->rank < 0) return BT_SHAPE_UNKNOWN;
    memcpy(shape.dim, in->dim, (size_t)n * sizeof *in->dim);
    memcpy(shape.dim + n, joined.dim + 1, (size_t)(joined.rank - 1) * sizeof *in->dim);
    shape.rank = n + joined.rank - 1;
    return shape;
}

static berth_status all_sizes(const conv *op, const bt_shape *in, const bt_shape *filter, bt_sizes *s,
                              int64_t *groups, berth_error *error)
{
    int64_t depth;
    bt_shape joined;
    if (!join_batch(op, in, &joined))
        return bt_fail(error, BERTH_BAD_MODEL, "input has %d dimensions, not %d", in->rank,
                       (int)op->batch_dims + op->w.spatial + 1);
    berth_status status = bt_sizes_input(&op->w, &joined, s, error);
    if (!status) status = filter_sizes(op, filter, s, &depth, error);
    if (status) return status;
    *groups = op->groups ? op->groups : s->in_c > 0 && depth > 0 ? s->in_c / depth : 1;
    if (op->groups && s->in_c >= 0 && depth >= 0 && s->in_c != op->groups * depth)
        return bt_fail(error, BERTH_BAD_MODEL, "input depth %lld does not fit filter depth %lld",
                       (long long)s->in_c, (long long)depth);
    if (s->in_c >= 0 && depth >= 0 && (depth == 0 ? s->in_c != 0 : s->in_c % depth || s->in_c == 0))
        return bt_fail(error, BERTH_BAD_MODEL, "input depth %lld does not fit filter depth %lld",
                       (long long)s->in_c, (long long)depth);
    status = bt_sizes_output(&op->w, s, error);
    bool is_empty = s->batch == 0; /* nothing is asked of the groups then */
    for (int i = 0; i < BT_AXES; i++) is_empty = is_empty || s->out[i] == 0;
    if (!status && !is_empty && s->out_c >= 0 && s->out_c % *groups)
        return bt_fail(error, BERTH_BAD_MODEL, "%lld groups do not divide %lld output channels",
                       (long long)*groups, (long long)s->out_c);
    return status;
}

static berth_status infer_conv(bt_infer *x)
{
    conv op;
    bt_sizes s;
    int64_t groups;
    x->out[0].dtype = x->n_in > 0 && x->in[0].dtype ? x->in[0].dtype : bt_attr_type(x->node, "T", 0);
    berth_status status = parse(x->node, x->n_in, &op, x->error);
    op.w.planning = x->planning;
    if (!status) status = all_sizes(&op, &x->in[0].shape, &x->in[1].shape, &s, &groups, x->error);
    if (status) return status;
    x->out[0].shape = out_shape(&op, &x->in[0].shape, &s);
    return bt_epilogue_check(&op.epilogue, x->in, s.out_c, &x->out[0].shape, x->error);
}

/* ---- Weights ------------------------------------------------------------------------------------------ */

/* A filter as right sides: one for each group and each step of depth. Of a filter of one tap none lies outside the image. */
static bt_right right_of(berth_dtype dtype, const bt_windowing *w, const bt_sizes *s, int64_t depth,
                         int64_t groups)
{
    bool leaves = s->filter[1] * s->filter[2] > 1 || w->before[1] || w->before[2] || w->after[1] || w->after[2];
    return (bt_right){.dtype = dtype,
                      .k = s->filter[1] * s->filter[2] * depth,
                      .n = s->out_c / groups,
                      .groups = groups,
                      .slices = s->filter[0],
                      .zeros = leaves ? s->filter[2] * depth : 0};
}

static bool is_wide(berth_dtype dtype)
{
    return dtype == BERTH_FLOAT || dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
}

static berth_status prepare_conv(bt_prepare *p)
{
    conv *op = bt_arena_new(p->arena, conv);
    bt_sizes s;
    int64_t depth, groups;
    if (!op) return bt_fail_memory(p->error);
    berth_status status = parse(p->node, p->n_in, op, p->error);
    p->state = op;
    if (status || !p->in[1].value || !is_wide(p->in[1].dtype)) return status;
    status = all_sizes(op, &p->in[0].shape, &p->in[1].shape, &s, &groups, p->error);
    bool known = false;
    /* How many groups there are is told by the input's channels. */
    if (status || s.in_c <= 0) return status;
    depth = s.in_c / groups;
    status = bt_epilogue_prepare(p, &op->epilogue, s.out_c, &op->columns, &known);
    if (status || !known) return status;
    bt_right right = right_of(p->in[1].dtype, &op->w, &s, depth, groups);
    if (groups == 1 && p->in[1].dtype == BERTH_FLOAT && bt_winograd_pays(&op->w, &s))
        op->transformed = bt_winograd_prepare(p, 1, &s, op->columns.scale);
    else op->packed = bt_right_prepare(p, 1, &right, op->columns.scale);
    return op->packed || op->transformed ? BERTH_OK : p->error ? p->error->status : BERTH_NO_MEMORY;
}

static berth_status prepare_gpu(bt_prepare *p)
{
    conv *op = bt_arena_new(p->arena, conv);
    p->state = op;
    berth_status status = op ? parse(p->node, p->n_in, op, p->error) : bt_fail_memory(p->error);
    return status ? status : bt_conv_gpu_prepare(p, &op->w, &op->turned);
}

/* ---- Running ------------------------------------------------------------------------------------------ */

typedef struct conv_call {
    bt_call *c;
    const conv *op;
    bt_sizes s;
    int64_t groups;
    bt_right right;
    bt_columns columns;
    const void *filter;
    const float *packed, *x, *add;
    float *y;
} conv_call;

static bt_product product_of(const conv_call *p, int64_t group)
{
    const bt_sizes *s = &p->s;
    const bt_windowing *w = &p->op->w;
    const bt_epilogue *e = &p->op->epilogue;
    bt_gather left = {.x = p->x + group * (s->in_c / p->groups),
                      .zeros = p->packed + bt_right_offset(&p->right, s->filter[0], 0),
                      .in_h = s->in[1],
                      .in_w = s->in[2],
                      .pixel = s->in_c,
                      .channels = s->in_c / p->groups,
                      .kh = s->filter[1],
                      .kw = s->filter[2],
                      .stride_h = w->stride[1],
                      .stride_w = w->stride[2],
                      .dilation_h = w->dilation[1],
                      .dilation_w = w->dilation[2],
                      .top = s->before[1],
                      .left = s->before[2],
                      .out_h = s->out[1],
                      .out_w = s->out[2]};
    return (bt_product){.left = left,
                        .packed = p->packed + bt_right_offset(&p->right, 0, group),
                        .k = p->right.k,
                        .n = p->right.n,
                        .c = p->y + group * p->right.n,
                        .ldc = s->out_c,
                        .bias = p->columns.bias ? p->columns.bias + group * p->right.n : NULL,
                        .add = p->add ? p->add + group * p->right.n : NULL,
                        .ld_add = s->out_c,
                        .low = e->low,
                        .high = e->high,
                        .activation = e->run,
                        .alpha = e->alpha,
                        .beta = e->beta};
}

/* One axis of pixels instead of two where filter, stride and padding are none: no rows to wrap. */
static void flatten(bt_gather *l, int64_t rows)
{
    bool is_plain = l->kh == 1 && l->kw == 1 && l->stride_h == 1 && l->stride_w == 1 && l->top == 0 &&
                    l->left == 0 && l->in_h == l->out_h && l->in_w == l->out_w;
    if (!is_plain) return;
    l->in_h = l->out_h = 1;
    l->in_w = l->out_w = rows;
}

static void run_images(const conv_call *p)
{
    int64_t rows = p->s.batch * p->s.out[1] * p->s.out[2];
    for (int64_t group = 0; group < p->groups; group++) {
        bt_product product = product_of(p, group);
        flatten(&product.left, rows);
        bt_product_all(p->c->pool, &product, rows);
    }
}

/* One image of output [out_h][out_w] for each batch and depth: the sum over the filter's steps of depth that lie inside. */
static void run_volume(const conv_call *p, int64_t group, int64_t batch, int64_t depth)
{
    const bt_sizes *s = &p->s;
    const bt_windowing *w = &p->op->w;
    int64_t first = depth * w->stride[0] - s->before[0], step = w->dilation[0];
    int64_t k0 = first < 0 ? (-first + step - 1) / step : 0, k1 = k0;
    while (k1 < s->filter[0] && first + k1 * step < s->in[0]) k1++;
    int64_t image = s->out[1] * s->out[2], at = (batch * s->out[0] + depth) * image * s->out_c;
    for (int64_t k = k0; k == k0 || k < k1; k++) {
        bt_product product = product_of(p, group);
        if (k < k1) {
            product.left.x += (batch * s->in[0] + first + k * step) * s->in[1] * s->in[2] * s->in_c;
            product.packed = p->packed + bt_right_offset(&p->right, k, group);
        } else {
            product.k = 0; /* all of the window is padding */
        }
        product.c += at;
        product.accumulate = k > k0;
        if (product.add) product.add += at;
        if (k + 1 < k1) {
            product.low = -__builtin_inff(), product.high = __builtin_inff();
            product.bias = product.add = NULL, product.activation = NULL;
        }
        bt_product_all(p->c->pool, &product, image);
    }
}

static berth_status run_winograd(const conv_call *p)
{
    const bt_sizes *s = &p->s;
    const bt_epilogue *e = &p->op->epilogue;
    bt_winograd w = {.x = p->x,
                     .u = p->op->transformed,
                     .y = p->y,
                     .in_h = s->in[1],
                     .in_w = s->in[2],
                     .channels = s->in_c,
                     .out_h = s->out[1],
                     .out_w = s->out[2],
                     .n = s->out_c,
                     .top = s->before[1],
                     .left = s->before[2],
                     .bias = p->columns.bias,
                     .add = p->add,
                     .low = e->low,
                     .high = e->high,
                     .activation = e->run,
                     .alpha = e->alpha,
                     .beta = e->beta};
    return bt_winograd_call(p->c, &w, s->batch);
}

static berth_status run_floats(conv_call *p, berth_dtype dtype, const void *x, void *y)
{
    bt_call *c = p->c;
    const conv *op = p->op;
    int64_t n_in = p->s.batch * bt_axes_count(p->s.in) * p->s.in_c,
            n_out = p->s.batch * bt_axes_count(p->s.out) * p->s.out_c;
    if (op->epilogue.add >= 0 && dtype != BERTH_FLOAT)
        return bt_call_unsupported(c, "fused Add of %s", bt_dtype_name(dtype));
    p->x = bt_floats(c, dtype, x, n_in);
    p->y = bt_floats_out(c, dtype, y, n_out);
    p->columns = op->columns;
    p->packed = op->packed;
    p->right = right_of(dtype, &op->w, &p->s, p->s.in_c / p->groups, p->groups);
    if (!p->x || !p->y) return BERTH_NO_MEMORY;
    if (op->transformed) return run_winograd(p);
    if (!p->packed) {
        if (bt_epilogue_call(c, &op->epilogue, p->s.out_c, &p->columns)) return BERTH_NO_MEMORY;
        p->packed = bt_right_call(c, p->filter, &p->right, p->columns.scale);
        if (!p->packed) return BERTH_NO_MEMORY;
    }
    if (op->w.spatial < 3) {
        run_images(p);
    } else {
        for (int64_t i = 0; i < p->s.batch * p->s.out[0] * p->groups; i++)
            run_volume(p, i % p->groups, i / p->groups / p->s.out[0], i / p->groups % p->s.out[0]);
    }
    bt_floats_done(c, dtype, y, p->y, n_out);
    return BERTH_OK;
}

berth_status bt_conv_dense(bt_call *c, berth_dtype dtype, const bt_windowing *w, const bt_sizes *s,
                           const void *x, const void *filter, void *y)
{
    conv op = {.w = *w,
               .epilogue = {-1, -1, -1, -1, BT_VEC_COPY, -__builtin_inff(), __builtin_inff(), 0, 0, 0, NULL}};
    conv_call p = {.c = c, .op = &op, .s = *s, .groups = 1, .filter = filter};
    if (is_wide(dtype)) return run_floats(&p, dtype, x, y);
    return bt_conv_plain(BT_CONV_DENSE, dtype, w, s, 1, x, filter, y, c->pool)
               ? BERTH_OK
               : bt_call_unsupported(c, "convolution of %s", bt_dtype_name(dtype));
}

static berth_status check_arguments(bt_call *c, const bt_epilogue *e, int64_t n, const bt_shape *out)
{
    for (int i = 2; i < c->n_in; i++) {
        const bt_shape *s = &c->in[i]->shape;
        if (i == e->add ? !bt_shape_equal(s, out) : s->rank != 1 || s->dim[0] != n)
            return bt_call_fail(c, "input %d does not fit the convolution", i);
    }
    return BERTH_OK;
}

/* The fused operations on doubles, [.., channels]. */
static berth_status finish_doubles(bt_call *c, const bt_epilogue *e, int64_t n, int64_t channels, double *y)
{
    const bt_vec_unary kind = e->activation;
    if (e->add >= 0 || (kind != BT_VEC_COPY && kind != BT_VEC_ELU && kind != BT_VEC_LEAKY_RELU))
        return bt_call_unsupported(
            c, "fused operations of float64 but a bias, a norm, Relu, Relu6, Elu and LeakyRelu");
    for (int64_t i = 0; i < n; i++) {
        int64_t k = i % channels;
        if (e->scale >= 0) y[i] *= bt_tensor_number(c->in[e->scale], k);
        if (e->bias >= 0) y[i] += bt_tensor_number(c->in[e->bias], k);
        if (e->norm >= 0) {
            bt_tensor *const *norm = c->in + e->norm;
            double f = bt_tensor_number(norm[0], k) / sqrt(bt_tensor_number(norm[3], k) + (double)e->epsilon);
            y[i] = (y[i] - bt_tensor_number(norm[2], k)) * f + bt_tensor_number(norm[1], k);
        }
        if (kind == BT_VEC_ELU && y[i] < 0) y[i] = expm1(y[i]);
        if (kind == BT_VEC_LEAKY_RELU && y[i] < 0) y[i] *= (double)e->alpha;
        y[i] = y[i] < (double)e->low ? (double)e->low : y[i] > (double)e->high ? (double)e->high : y[i];
    }
    return BERTH_OK;
}

static berth_status run_conv(bt_call *c)
{
    conv_call p = {.c = c, .op = c->state, .filter = c->in[1]->data};
    const bt_windowing *w = &p.op->w;
    berth_dtype dtype = c->in[0]->dtype;
    berth_status status = all_sizes(p.op, &c->in[0]->shape, &c->in[1]->shape, &p.s, &p.groups, c->error);
    if (status) return status;
    bt_shape shape = out_shape(p.op, &c->in[0]->shape, &p.s);
    status = check_arguments(c, &p.op->epilogue, p.s.out_c, &shape);
    if (status) return status;
    void *out = bt_out(c, 0, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_shape_count(&shape) == 0) return BERTH_OK;
    const void *x = bt_channels_last(c, 0, w, &p.s);
    void *y = w->channels_first ? bt_scratch(c, bt_tensor_bytes(c->out[0])) : out;
    if (!x || !y) return BERTH_NO_MEMORY;
    if (p.op->epilogue.add >= 0) {
        bt_sizes like = p.s;
        like.in_c = p.s.out_c;
        memcpy(like.in, p.s.out, sizeof like.in);
        if (!(p.add = bt_channels_last(c, p.op->epilogue.add, w, &like))) return BERTH_NO_MEMORY;
    }
    if (bt_on_device(c))
        status = bt_conv_gpu(c, BT_CONV_DENSE, dtype, w, &p.s, p.groups, &p.op->epilogue, x, c->in[1]->data,
                             p.op->turned, p.add, y);
    else if (is_wide(dtype)) status = run_floats(&p, dtype, x, y);
    else if ((c->n_in > 2 && dtype != BERTH_DOUBLE) ||
             !bt_conv_plain(BT_CONV_DENSE, dtype, w, &p.s, p.groups, x, c->in[1]->data, y, c->pool))
        status = bt_call_unsupported(c, "convolution of %s", bt_dtype_name(dtype));
    else if (dtype == BERTH_DOUBLE)
        status = finish_doubles(c, &p.op->epilogue, bt_shape_count(&shape), p.s.out_c, y);
    if (status || y == out) return status;
    return bt_swap_axes(c, dtype, out, y, p.s.batch, bt_axes_count(p.s.out), p.s.out_c);
}

#define CONV_TYPES (BT_FLOATS | BT_T(BERTH_INT32))

#define CONV(op, of)                                                                            \
    {                                                                                           \
        .name = op, .infer = infer_conv, .prepare = prepare_conv, .cpu = run_conv, .types = of, \
        .gpu = run_conv, .gpu_prepare = prepare_gpu, .gpu_types = BT_FLOATS                     \
    }

const bt_op bt_ops_conv[] = {
    CONV("Conv2D", CONV_TYPES),
    CONV("_FusedConv2D", BT_FLOATS),
    CONV("Conv3D", BT_FLOATS),
    CONV("Conv", CONV_TYPES),
    {0},
};
