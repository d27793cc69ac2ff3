/* Transposed convolution: the gradient of a convolution by its input, which is how TensorFlow spells Conv2DTranspose and
 * Conv3DTranspose. Inputs: the sizes of the result, the filter [filter][in_c / groups][out_c], the gradient.
 *
 * With strides s, result pixels whose (y + before) mod s agree meet the same filter taps, every s-th one, and read
 * neighbouring gradient pixels: each such phase is a dense convolution of stride 1 with a filter turned round. */
#include <stdio.h>

#include "ops/conv_gpu.h"
#include "ops/conv_plain.h"
#include "ops/move.h"
#include "ops/product.h"

typedef struct transposed {
    bt_windowing w;
    bool is_depthwise;
    const float *packed; /* of a constant filter: phase after phase, then zeros */
} transposed;

static berth_status parse(const bt_node *node, int n_in, transposed *op, berth_error *error)
{
    *op = (transposed){0};
    if (n_in < 3) return bt_fail(error, BERTH_BAD_MODEL, "has %d inputs, not 3", n_in);
    op->is_depthwise = bt_starts(node->op, "Depthwise");
    return bt_windowing_parse(node, bt_starts(node->op, "Conv3D") ? 3 : 2, false, &op->w, error);
}

static bt_conv_form form_of(const transposed *op)
{
    return op->is_depthwise ? BT_CONV_DEPTHWISE_TRANSPOSED : BT_CONV_TRANSPOSED;
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

/* The result's shape from its sizes, all of them or the spatial ones alone; false when they cannot be that. */
static bool read_sizes(const transposed *op, const bt_tensor *t, const bt_shape *gradient,
                       const bt_shape *filter, bt_shape *out)
{
    int n = op->w.spatial;
    int64_t count = bt_tensor_count(t), axes[BT_AXES] = {1, 1, 1};
    if (t->shape.rank != 1 || (count != n && count != n + 2)) return false;
    for (int64_t i = 0; i < count; i++)
        if (bt_tensor_int(t, i) < 0 || bt_tensor_int(t, i) > INT32_MAX) return false;
    if (count == n + 2) {
        out->rank = n + 2;
        for (int i = 0; i < n + 2; i++) out->dim[i] = bt_tensor_int(t, i);
        return true;
    }
    for (int i = 0; i < n; i++) axes[BT_AXES - n + i] = bt_tensor_int(t, i);
    *out = bt_sizes_shape(&op->w, gradient->rank > 0 ? gradient->dim[0] : -1, axes,
                          filter->rank > n ? filter->dim[n] : -1);
    return true;
}

/* Sizes of the convolution whose gradient this is. in: the result; out: the gradient. */
static berth_status all_sizes(const transposed *op, const bt_shape *result, const bt_shape *filter,
                              const bt_shape *gradient, bt_sizes *s, int64_t *groups, berth_error *error)
{
    bt_sizes g;
    int n = op->w.spatial;
    berth_status status = bt_sizes_input(&op->w, result, s, error);
    if (!status) status = bt_sizes_input(&op->w, gradient, &g, error);
    if (status) return status;
    if (filter->rank != n + 2)
        return bt_fail(error, BERTH_BAD_MODEL, "filter has %d dimensions, not %d", filter->rank, n + 2);
    for (int i = 0; i < BT_AXES; i++) s->filter[i] = i < BT_AXES - n ? 1 : filter->dim[i - (BT_AXES - n)];
    s->out_c = op->is_depthwise ? filter->dim[n] * filter->dim[n + 1] : filter->dim[n + 1];
    if (bt_axes_count(s->filter) == 0) return bt_fail(error, BERTH_BAD_MODEL, "filter is empty");
    status = bt_sizes_output(&op->w, s, error);
    if (status) return status;
    for (int i = 0; i < BT_AXES; i++)
        if (s->out[i] != g.in[i])
            return bt_fail(error, BERTH_BAD_MODEL, "sizes do not fit the gradient: %lld instead of %lld",
                           (long long)g.in[i], (long long)s->out[i]);
    int64_t depth = filter->dim[n];
    if (op->is_depthwise && depth != s->in_c)
        return bt_fail(error, BERTH_BAD_MODEL, "filter is for %lld channels, not %lld", (long long)depth,
                       (long long)s->in_c);
    if (g.batch != s->batch || g.in_c != s->out_c || depth == 0 || s->in_c % depth ||
        s->out_c % (s->in_c / depth))
        return bt_fail(error, BERTH_BAD_MODEL, "batch or channels of sizes, filter and gradient do not fit");
    *groups = s->in_c / depth;
    return BERTH_OK;
}

static berth_status infer_transposed(bt_infer *x)
{
    transposed op;
    berth_status status = parse(x->node, x->n_in, &op, x->error);
    if (status) return status;
    x->out[0].dtype = x->in[1].dtype ? x->in[1].dtype : bt_attr_type(x->node, "T", 0);
    x->out[0].shape = (bt_shape){.rank = op.w.spatial + 2};
    for (int i = 0; i < x->out[0].shape.rank; i++) x->out[0].shape.dim[i] = -1;
    if (x->in[0].value &&
        !read_sizes(&op, x->in[0].value, &x->in[2].shape, &x->in[1].shape, &x->out[0].shape))
        return bt_infer_fail(x, "input 0 must be %d sizes", op.w.spatial + 2);
    return BERTH_OK;
}

/* ---- Phases ------------------------------------------------------------------------------------------- */

/* Along an axis: taps phase, phase + stride, ... of the filter. */
static int64_t taps_of(const bt_windowing *w, const bt_sizes *s, int axis, int64_t phase)
{
    return phase < s->filter[axis] ? (s->filter[axis] - phase + w->stride[axis] - 1) / w->stride[axis] : 0;
}

static bt_right right_of(const bt_windowing *w, const bt_sizes *s, int64_t py, int64_t px)
{
    return (bt_right){.dtype = BERTH_FLOAT,
                      .k = taps_of(w, s, 1, py) * taps_of(w, s, 2, px) * s->out_c,
                      .n = s->in_c,
                      .groups = 1};
}

/* Floats of all packed phases, and of the zeros behind them; of the largest phase unpacked. */
static bool packed_floats(const bt_windowing *w, const bt_sizes *s, size_t *packed, size_t *largest)
{
    *packed = *largest = 0;
    for (int64_t py = 0; py < w->stride[1] && py < s->filter[1]; py++)
        for (int64_t px = 0; px < w->stride[2] && px < s->filter[2]; px++) {
            bt_right right = right_of(w, s, py, px);
            size_t bytes, floats = (size_t)(right.k * right.n);
            if (!bt_right_bytes(&right, &bytes) || !bt_add(*packed, bytes / sizeof(float), packed))
                return false;
            *largest = floats > *largest ? floats : *largest;
        }
    return bt_add(*packed, (size_t)((s->filter[2] + 1) * s->out_c), packed);
}

/* One phase's filter, turned round: row (jy, jx, k), column c is filter[py + (n - 1 - jy) stride][..][c][k]. */
static void pack_phase(const bt_windowing *w, const bt_sizes *s, const char *filter, int64_t py, int64_t px,
                       float *work, float *packed)
{
    const bt_gemm_kernels *g = &bt_simd_get()->gemm;
    int64_t ny = taps_of(w, s, 1, py), nx = taps_of(w, s, 2, px), tap = s->in_c * s->out_c;
    for (int64_t jy = 0; jy < ny; jy++)
        for (int64_t jx = 0; jx < nx; jx++) {
            int64_t ky = py + (ny - 1 - jy) * w->stride[1], kx = px + (nx - 1 - jx) * w->stride[2];
            const char *from = filter + (ky * s->filter[2] + kx) * tap * (int64_t)sizeof(float);
            g->transpose(work + (jy * nx + jx) * tap, s->in_c, (const float *)(const void *)from, s->out_c,
                         s->out_c, s->in_c);
        }
    bt_gemm_pack(g, packed, work, s->in_c, false, ny * nx * s->out_c, s->in_c, NULL);
}

static void pack_phases(const bt_windowing *w, const bt_sizes *s, const void *filter, float *work,
                        float *packed)
{
    for (int64_t py = 0; py < w->stride[1] && py < s->filter[1]; py++)
        for (int64_t px = 0; px < w->stride[2] && px < s->filter[2]; px++) {
            bt_right right = right_of(w, s, py, px);
            pack_phase(w, s, filter, py, px, work, packed);
            packed += bt_right_offset(&right, 1, 0);
        }
    memset(packed, 0, (size_t)((s->filter[2] + 1) * s->out_c) * sizeof *packed);
}

typedef struct packing {
    const bt_windowing *w;
    const bt_sizes *s;
    const void *filter;
    size_t largest;
} packing;

static berth_status pack_constant(void *user, void *dst, berth_error *error)
{
    const packing *job = user;
    float *work = bt_alloc(job->largest * sizeof(float));
    if (!work) return bt_fail_memory(error);
    pack_phases(job->w, job->s, job->filter, work, dst);
    bt_free(work);
    return BERTH_OK;
}

/* Dilation, depth, groups and other dtypes are left to the plain loops. */
static bool has_phases(const bt_windowing *w, berth_dtype dtype, int64_t groups)
{
    return dtype == BERTH_FLOAT && w->spatial == 2 && w->dilation[1] == 1 && w->dilation[2] == 1 &&
           groups == 1;
}

static berth_status prepare_transposed(bt_prepare *p)
{
    transposed *op = bt_arena_new(p->arena, transposed);
    if (!op) return bt_fail_memory(p->error);
    berth_status status = parse(p->node, p->n_in, op, p->error);
    p->state = op;
    const bt_fact *filter = &p->in[1];
    const bt_shape *out = &p->out[0].shape;
    if (status || !filter->value || filter->shape.rank != 4 || out->rank != 4) return status;
    const int64_t *dim = filter->shape.dim;
    bool one_group = !op->is_depthwise && out->dim[op->w.channels_first ? 1 : 3] == dim[2];
    if (!one_group || !has_phases(&op->w, filter->dtype, 1) || bt_tensor_count(filter->value) == 0)
        return BERTH_OK;
    bt_sizes s = {.filter = {1, dim[0], dim[1]}, .in_c = dim[2], .out_c = dim[3]};
    packing job = {&op->w, &s, filter->value->data, 0};
    size_t floats;
    if (!packed_floats(&op->w, &s, &floats, &job.largest) || floats > PTRDIFF_MAX / sizeof(float))
        return bt_fail_memory(p->error);
    char layout[96];
    snprintf(layout, sizeof layout, "transposed %s stride=%lldx%lld", bt_simd_get()->name,
             (long long)op->w.stride[1], (long long)op->w.stride[2]);
    op->packed = bt_prepare_pack(p, filter->value, layout, floats * sizeof(float), pack_constant, &job);
    if (!op->packed) return p->error ? p->error->status : BERTH_NO_MEMORY;
    p->consumed |= 2;
    return BERTH_OK;
}

/* A device takes the filter as it is. */
static berth_status prepare_gpu(bt_prepare *p)
{
    transposed *op = bt_arena_new(p->arena, transposed);
    p->state = op;
    return op ? parse(p->node, p->n_in, op, p->error) : bt_fail_memory(p->error);
}

/* ---- Running ------------------------------------------------------------------------------------------ */

/* Where the result pixels of a phase lie along an axis: first, first + stride, ... */
typedef struct phase_axis {
    int64_t first, count, taps, before;
} phase_axis;

static phase_axis axis_of(const bt_windowing *w, const bt_sizes *s, int axis, int64_t phase)
{
    int64_t stride = w->stride[axis], before = s->before[axis];
    phase_axis a = {.first = ((phase - before) % stride + stride) % stride,
                    .taps = taps_of(w, s, axis, phase)};
    a.count = a.first < s->in[axis] ? (s->in[axis] - a.first + stride - 1) / stride : 0;
    a.before = a.taps - 1 - (a.first + before - phase) / stride;
    return a;
}

typedef struct spreading {
    const bt_windowing *w;
    const bt_sizes *s;
    phase_axis y, x;
    const float *from;
    float *to;
} spreading;

/* Rows of a phase to their places in the result. */
static void spread_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const spreading *p = user;
    const bt_sizes *s = p->s;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        int64_t y = p->y.first + row % p->y.count * p->w->stride[1];
        float *to = p->to + ((row / p->y.count * s->in[1] + y) * s->in[2] + p->x.first) * s->in_c;
        const float *from = p->from + row * p->x.count * s->in_c;
        for (int64_t i = 0; i < p->x.count; i++)
            memcpy(to + i * p->w->stride[2] * s->in_c, from + i * s->in_c, (size_t)s->in_c * sizeof *to);
    }
}

static berth_status run_phases(bt_call *c, const transposed *op, const bt_sizes *s, const float *gradient,
                               float *y)
{
    const bt_windowing *w = &op->w;
    const float *packed = op->packed;
    size_t floats, largest;
    if (!packed_floats(w, s, &floats, &largest)) return bt_fail_memory(c->error);
    if (!packed) {
        float *work = bt_scratch(c, largest * sizeof(float)), *fresh = bt_scratch(c, floats * sizeof(float));
        if (!work || !fresh) return BERTH_NO_MEMORY;
        pack_phases(w, s, c->in[1]->data, work, fresh);
        packed = fresh;
    }
    const float *zeros = packed + floats - (s->filter[2] + 1) * s->out_c;
    int64_t most =
        ((s->in[1] + w->stride[1] - 1) / w->stride[1]) * ((s->in[2] + w->stride[2] - 1) / w->stride[2]);
    bool whole = w->stride[1] == 1 && w->stride[2] == 1;
    float *part = whole ? y : bt_scratch(c, (size_t)(s->batch * most * s->in_c) * sizeof(float));
    if (!part) return BERTH_NO_MEMORY;
    for (int64_t py = 0; py < w->stride[1]; py++)
        for (int64_t px = 0; px < w->stride[2]; px++) {
            phase_axis ay = axis_of(w, s, 1, py), ax = axis_of(w, s, 2, px);
            bt_right right = right_of(w, s, py, px);
            bt_product product = {.left = {.x = gradient,
                                           .zeros = zeros,
                                           .in_h = s->out[1],
                                           .in_w = s->out[2],
                                           .pixel = s->out_c,
                                           .channels = s->out_c,
                                           .kh = ay.taps,
                                           .kw = ax.taps,
                                           .stride_h = 1,
                                           .stride_w = 1,
                                           .dilation_h = 1,
                                           .dilation_w = 1,
                                           .top = ay.before,
                                           .left = ax.before,
                                           .out_h = ay.count,
                                           .out_w = ax.count},
                                  .packed = packed,
                                  .k = right.k,
                                  .n = right.n,
                                  .c = part,
                                  .ldc = right.n,
                                  .low = -__builtin_inff(),
                                  .high = __builtin_inff()};
            bt_product_all(c->pool, &product, s->batch * ay.count * ax.count);
            spreading job = {w, s, ay, ax, part, y};
            if (!whole)
                bt_parallel(c->pool, s->batch * ay.count, 1 + 65536 / (ax.count * s->in_c + 1), spread_rows,
                            &job);
            packed += bt_right_offset(&right, 1, 0);
        }
    return BERTH_OK;
}

/* By the plain loops, half and bfloat16 by way of float. */
static berth_status run_loops(bt_call *c, const transposed *op, const bt_sizes *s, int64_t groups,
                              const void *gradient, void *y)
{
    const bt_windowing *w = &op->w;
    bt_conv_form form = form_of(op);
    berth_dtype dtype = c->in[2]->dtype;
    const void *weights = c->in[1]->data;
    if (dtype != BERTH_HALF && dtype != BERTH_BFLOAT16)
        return bt_conv_plain(form, dtype, w, s, groups, gradient, weights, y, c->pool)
                   ? BERTH_OK
                   : bt_call_unsupported(c, "transposed convolution of %s", bt_dtype_name(dtype));
    int64_t count = bt_tensor_count(c->out[0]);
    gradient = bt_floats(c, dtype, gradient, bt_tensor_count(c->in[2]));
    weights = bt_floats(c, dtype, weights, bt_tensor_count(c->in[1]));
    float *result = bt_floats_out(c, dtype, y, count);
    if (!gradient || !weights || !result) return BERTH_NO_MEMORY;
    bt_conv_plain(form, BERTH_FLOAT, w, s, groups, gradient, weights, result, c->pool);
    bt_floats_done(c, dtype, y, result, count);
    return BERTH_OK;
}

static berth_status run_transposed(bt_call *c)
{
    const transposed *op = c->state;
    const bt_windowing *w = &op->w;
    berth_dtype dtype = c->in[2]->dtype;
    bt_shape shape;
    bt_sizes s;
    int64_t groups = 1;
    if (!read_sizes(op, c->in[0], &c->in[2]->shape, &c->in[1]->shape, &shape))
        return bt_call_fail(c, "input 0 must be %d sizes", w->spatial + 2);
    berth_status status = all_sizes(op, &shape, &c->in[1]->shape, &c->in[2]->shape, &s, &groups, c->error);
    void *out = status ? NULL : bt_out(c, 0, dtype, &shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    if (bt_shape_count(&shape) == 0) return BERTH_OK;
    bt_sizes of_gradient = s;
    of_gradient.in_c = s.out_c;
    memcpy(of_gradient.in, s.out, sizeof s.out);
    const void *gradient = bt_channels_last(c, 2, w, &of_gradient);
    void *y = w->channels_first ? bt_scratch(c, bt_tensor_bytes(c->out[0])) : out;
    if ((!gradient && bt_tensor_count(c->in[2])) || !y) return BERTH_NO_MEMORY;
    if (bt_on_device(c))
        status =
            bt_conv_gpu(c, form_of(op), dtype, w, &s, groups, NULL, gradient, c->in[1]->data, NULL, NULL, y);
    else if (!op->is_depthwise && has_phases(w, dtype, groups) && s.out_c > 0)
        status = run_phases(c, op, &s, gradient, y);
    else status = run_loops(c, op, &s, groups, gradient, y);
    return status || y == out ? status : bt_swap_axes(c, dtype, out, y, s.batch, bt_axes_count(s.in), s.in_c);
}

#define TRANSPOSED(op, of)                                                                           \
    {                                                                                                \
        .name = op, .infer = infer_transposed, .prepare = prepare_transposed, .cpu = run_transposed, \
        .types = of, .gpu = run_transposed, .gpu_prepare = prepare_gpu, .gpu_types = BT_FLOATS,      \
        .host_inputs = 1                                                                             \
    }

const bt_op bt_ops_conv_transpose[] = {
    TRANSPOSED("Conv2DBackpropInput", BT_FLOATS | BT_T(BERTH_INT32)),
    TRANSPOSED("Conv3DBackpropInputV2", BT_FLOATS),
    TRANSPOSED("DepthwiseConv2dNativeBackpropInput", BT_FLOATS),
    {0},
};
