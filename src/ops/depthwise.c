/* Depthwise convolution, plain and with fused operations. Float with one output channel an input channel goes to the
 * tiles of simd/gemm.h; a multiplier, and double, to conv_plain.c. */
#include <stdio.h>

#include "ops/conv_gpu.h"
#include "ops/conv_plain.h"
#include "ops/move.h"
#include "ops/product.h"

typedef struct depthwise {
    bt_windowing w;
    bt_epilogue epilogue;
    bt_columns columns;   /* known when `weights` is there */
    const float *weights; /* of a constant filter, scaled */
} depthwise;

static berth_status parse(const bt_node *node, int n_in, depthwise *op, berth_error *error)
{
    *op = (depthwise){0};
    if (n_in < 2) return bt_fail(error, BERTH_BAD_MODEL, "has %d inputs, not 2", n_in);
    berth_status status = bt_windowing_parse(node, 2, false, &op->w, error);
    return status ? status : bt_epilogue_parse(node, 2, n_in, &op->epilogue, error);
}

static berth_status all_sizes(const depthwise *op, const bt_shape *in, const bt_shape *filter, bt_sizes *s,
                              berth_error *error)
{
    berth_status status = bt_sizes_input(&op->w, in, s, error);
    if (status) return status;
    if (filter->rank >= 0 && filter->rank != 4)
        return bt_fail(error, BERTH_BAD_MODEL, "filter has %d dimensions, not 4", filter->rank);
    s->filter[0] = 1;
    s->filter[1] = s->filter[2] = s->out_c = -1;
    if (filter->rank == 4) {
        const int64_t *dim = filter->dim;
        if (s->in_c >= 0 && dim[2] >= 0 && s->in_c != dim[2])
            return bt_fail(error, BERTH_BAD_MODEL, "input depth %lld is not filter depth %lld",
                           (long long)s->in_c, (long long)dim[2]);
        s->filter[1] = dim[0], s->filter[2] = dim[1];
        s->out_c = dim[2] < 0 || dim[3] < 0 ? -1 : dim[2] * dim[3];
    }
    return bt_sizes_output(&op->w, s, error);
}

static berth_status infer_depthwise(bt_infer *x)
{
    depthwise op;
    bt_sizes s;
    berth_status status = parse(x->node, x->n_in, &op, x->error);
    if (status) return status;
    op.w.planning = x->planning;
    x->out[0].dtype = x->in[0].dtype ? x->in[0].dtype : bt_attr_type(x->node, "T", 0);
    status = all_sizes(&op, &x->in[0].shape, &x->in[1].shape, &s, x->error);
    if (status) return status;
    x->out[0].shape = bt_sizes_shape(&op.w, s.batch, s.out, s.out_c);
    return bt_epilogue_check(&op.epilogue, x->in, s.out_c, &x->out[0].shape, x->error);
}

/* ---- Weights ------------------------------------------------------------------------------------------ */

typedef struct packing {
    const bt_tensor *filter;
    const float *scale;
    int64_t out_c;
} packing;

static berth_status pack_filter(void *user, void *dst, berth_error *error)
{
    const packing *job = user;
    float *weights = dst;
    int64_t n = bt_tensor_count(job->filter);
    (void)error;
    if (job->filter->dtype == BERTH_FLOAT) memcpy(weights, job->filter->data, (size_t)n * sizeof *weights);
    else
        for (int64_t i = 0; i < n; i++) weights[i] = (float)bt_tensor_number(job->filter, i);
    for (int64_t i = 0; job->scale && i < n; i++) weights[i] *= job->scale[i % job->out_c];
    return BERTH_OK;
}

static berth_status prepare_depthwise(bt_prepare *p)
{
    depthwise *op = bt_arena_new(p->arena, depthwise);
    if (!op) return bt_fail_memory(p->error);
    berth_status status = parse(p->node, p->n_in, op, p->error);
    p->state = op;
    const bt_fact *filter = &p->in[1];
    bool known = false;
    if (status || !filter->value || filter->shape.rank != 4 || filter->dtype == BERTH_DOUBLE) return status;
    packing job = {.filter = filter->value, .out_c = filter->shape.dim[2] * filter->shape.dim[3]};
    status = bt_epilogue_prepare(p, &op->epilogue, job.out_c, &op->columns, &known);
    if (status || !known || job.out_c == 0) return status;
    job.scale = op->columns.scale;
    char layout[64];
    uint64_t hash = job.scale ? bt_hash(job.scale, (size_t)job.out_c * sizeof(float)) : 0;
    snprintf(layout, sizeof layout, "depthwise scale=%llx", (unsigned long long)hash);
    size_t bytes = (size_t)bt_tensor_count(filter->value) * sizeof(float);
    op->weights = bt_prepare_pack(p, filter->value, layout, bytes ? bytes : 1, pack_filter, &job);
    if (!op->weights) return p->error ? p->error->status : BERTH_NO_MEMORY;
    p->consumed |= 2;
    return BERTH_OK;
}

/* A device takes the filter as it is. */
static berth_status prepare_gpu(bt_prepare *p)
{
    depthwise *op = bt_arena_new(p->arena, depthwise);
    p->state = op;
    return op ? parse(p->node, p->n_in, op, p->error) : bt_fail_memory(p->error);
}

/* ---- Running ------------------------------------------------------------------------------------------ */

typedef struct depthwise_call {
    bt_depthwise kernel; /* of the first image */
    const bt_epilogue *epilogue;
    const float *add;
} depthwise_call;

/* Output rows [begin, end) of the whole batch. */
static void run_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const depthwise_call *p = user;
    const bt_simd *simd = bt_simd_get();
    (void)worker;
    while (begin < end) {
        bt_depthwise d = p->kernel;
        int64_t image = begin / d.out_h, y0 = begin % d.out_h;
        int64_t y1 = y0 + (end - begin) < d.out_h ? y0 + (end - begin) : d.out_h;
        int64_t row = d.out_w * d.channels;
        d.x += image * d.in_h * d.in_w * d.channels;
        d.y += image * d.out_h * row;
        simd->gemm.depthwise(&d, y0, y1);
        float *y = d.y + y0 * row;
        int64_t n = (y1 - y0) * row;
        const bt_epilogue *e = p->epilogue;
        if (p->add) {
            simd->vec.accumulate(y, p->add + (image * d.out_h + y0) * row, n);
            simd->vec.unary[BT_VEC_CLAMP](y, y, n, e->low, e->high);
        }
        if (e->run) e->run(y, y, n, e->alpha, e->beta);
        begin += y1 - y0;
    }
}

/* scale, bias, add, clamp and activation over a finished sum: for what the tiles do not do themselves. */
static void finish(const bt_epilogue *e, const bt_columns *columns, const float *add, float *y,
                   int64_t pixels, int64_t channels)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    for (int64_t i = 0; i < pixels; i++, y += channels) {
        for (int64_t c = 0; columns->scale && c < channels; c++) y[c] *= columns->scale[c];
        if (columns->bias) vec->accumulate(y, columns->bias, channels);
        if (add) vec->accumulate(y, add + i * channels, channels);
        vec->unary[BT_VEC_CLAMP](y, y, channels, e->low, e->high);
        if (e->run) e->run(y, y, channels, e->alpha, e->beta);
    }
}

static berth_status run_floats(bt_call *c, const depthwise *op, const bt_sizes *s, const float *x,
                               const float *add, float *y)
{
    const bt_windowing *w = &op->w;
    const bt_epilogue *e = &op->epilogue;
    bt_columns columns = op->columns;
    const float *weights = op->weights;
    if (!weights) {
        weights = bt_floats(c, c->in[1]->dtype, c->in[1]->data, bt_tensor_count(c->in[1]));
        if (!weights || bt_epilogue_call(c, e, s->out_c, &columns)) return BERTH_NO_MEMORY;
    } else {
        columns.scale = NULL; /* is in the weights */
    }
    if (s->out_c != s->in_c || columns.scale) {
        bt_conv_plain(BT_CONV_DEPTHWISE, BERTH_FLOAT, w, s, 1, x, weights, y, c->pool);
        finish(e, &columns, add, y, s->batch * s->out[1] * s->out[2], s->out_c);
        return BERTH_OK;
    }
    depthwise_call call = {.kernel = {.x = x,
                                      .weights = weights,
                                      .bias = columns.bias,
                                      .y = y,
                                      .in_h = s->in[1],
                                      .in_w = s->in[2],
                                      .out_h = s->out[1],
                                      .out_w = s->out[2],
                                      .channels = s->in_c,
                                      .kh = s->filter[1],
                                      .kw = s->filter[2],
                                      .stride_h = w->stride[1],
                                      .stride_w = w->stride[2],
                                      .dilation_h = w->dilation[1],
                                      .dilation_w = w->dilation[2],
                                      .top = s->before[1],
                                      .left = s->before[2],
                                      .low = add ? -__builtin_inff() : e->low,
                                      .high = add ? __builtin_inff() : e->high},
                           .epilogue = e,
                           .add = add};
    int64_t row = s->out[2] * s->in_c * s->filter[1] * s->filter[2];
    bt_parallel(c->pool, s->batch * s->out[1], 2 + 500000 / (row + 1), run_rows, &call);
    return BERTH_OK;
}

static berth_status run_depthwise(bt_call *c)
{
    const depthwise *op = c->state;
    const bt_windowing *w = &op->w;
    berth_dtype dtype = c->in[0]->dtype;
    bt_sizes s;
    berth_status status = all_sizes(op, &c->in[0]->shape, &c->in[1]->shape, &s, c->error);
    if (status) return status;
    bt_shape shape = bt_sizes_shape(w, s.batch, s.out, s.out_c);
    for (int i = 2; i < c->n_in; i++) {
        const bt_shape *extra = &c->in[i]->shape;
        if (i == op->epilogue.add ? !bt_shape_equal(extra, &shape)
                                  : extra->rank != 1 || extra->dim[0] != s.out_c)
            return bt_call_fail(c, "input %d does not fit the convolution", i);
    }
    void *out = bt_out(c, 0, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t count = bt_shape_count(&shape);
    if (count == 0) return BERTH_OK;
    const void *x = bt_channels_last(c, 0, w, &s);
    void *y = w->channels_first ? bt_scratch(c, bt_tensor_bytes(c->out[0])) : out;
    if (!x || !y) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) {
        bt_sizes like = s;
        like.in_c = s.out_c;
        memcpy(like.in, s.out, sizeof like.in);
        const void *add = op->epilogue.add < 0 ? NULL : bt_channels_last(c, op->epilogue.add, w, &like);
        if (op->epilogue.add >= 0 && !add) return BERTH_NO_MEMORY;
        status = bt_conv_gpu(c, BT_CONV_DEPTHWISE, dtype, w, &s, 1, &op->epilogue, x, c->in[1]->data, NULL,
                             add, y);
        return status || y == out ? status
                                  : bt_swap_axes(c, dtype, out, y, s.batch, bt_axes_count(s.out), s.out_c);
    }
    if (op->epilogue.add >= 0 && (w->channels_first || dtype != BERTH_FLOAT))
        return bt_call_unsupported(c, "fused Add of %s in this data_format", bt_dtype_name(dtype));
    if (dtype == BERTH_DOUBLE && c->n_in == 2) {
        bt_conv_plain(BT_CONV_DEPTHWISE, dtype, w, &s, 1, x, c->in[1]->data, y, c->pool);
    } else if (dtype == BERTH_DOUBLE) {
        return bt_call_unsupported(c, "fused operations of double");
    } else {
        const float *wide = bt_floats(c, dtype, x, bt_tensor_count(c->in[0]));
        float *result = bt_floats_out(c, dtype, y, count);
        const float *add = op->epilogue.add < 0 ? NULL : c->in[op->epilogue.add]->data;
        if (!wide || !result) return BERTH_NO_MEMORY;
        status = run_floats(c, op, &s, wide, add, result);
        if (!status) bt_floats_done(c, dtype, y, result, count);
    }
    return status || y == out ? status
                              : bt_swap_axes(c, dtype, out, y, s.batch, bt_axes_count(s.out), s.out_c);
}

#define DEPTHWISE(op)                                                                                \
    {                                                                                                \
        .name = op, .infer = infer_depthwise, .prepare = prepare_depthwise, .cpu = run_depthwise,    \
        .types = BT_FLOATS, .gpu = run_depthwise, .gpu_prepare = prepare_gpu, .gpu_types = BT_FLOATS \
    }

const bt_op bt_ops_depthwise[] = {
    DEPTHWISE("DepthwiseConv2dNative"),
    DEPTHWISE("_FusedDepthwiseConv2d"),
    DEPTHWISE("_FusedDepthwiseConv2dNative"),
    {0},
};
