/* Padding: with a value (Pad, PadV2), with the tensor's own mirror image (MirrorPad), and the way back
 * (MirrorPadGrad, which adds the borders up where they came from). */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/variable.h"

typedef struct padding {
    int64_t before[BT_MAX_RANK], after[BT_MAX_RANK];
} padding;

/* The [rank, 2] matrix of input 1, as far as it is known. way 1: the output is larger; -1: it is smaller. */
static berth_status infer_padding(bt_infer *x, int way)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *pads = &x->in[1].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (pads->rank >= 0 && (pads->rank != 2 || (pads->dim[1] >= 0 && pads->dim[1] != 2)))
        return bt_infer_fail(x, "paddings must be a matrix of two columns");
    int64_t rank = in->rank >= 0 ? in->rank : pads->rank < 0 ? -1 : pads->dim[0];
    if (in->rank >= 0 && pads->rank == 2 && pads->dim[0] >= 0 && pads->dim[0] != in->rank)
        return bt_infer_fail(x, "%lld rows of paddings for %d dimensions", (long long)pads->dim[0], in->rank);
    if (rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    out->rank = (int)rank;
    for (int i = 0; i < out->rank; i++) {
        out->dim[i] = -1;
        if (!x->in[1].value) continue;
        int64_t before = bt_tensor_int(x->in[1].value, 2 * i),
                after = bt_tensor_int(x->in[1].value, 2 * i + 1), sum;
        if (before < 0 || after < 0) return bt_infer_fail(x, "negative padding of dimension %d", i);
        if (__builtin_add_overflow(before, after, &sum))
            return bt_infer_fail(x, "padding of dimension %d is too large", i);
        if (in->rank < 0 || in->dim[i] < 0) continue;
        if (__builtin_add_overflow(in->dim[i], way * sum, &out->dim[i]) || out->dim[i] < 0)
            return bt_infer_fail(x, "paddings do not fit dimension %d", i);
    }
    return BERTH_OK;
}

static padding read_padding(const bt_tensor *t)
{
    padding p;
    for (int i = 0; i < t->shape.dim[0]; i++)
        p.before[i] = bt_tensor_int(t, 2 * i), p.after[i] = bt_tensor_int(t, 2 * i + 1);
    return p;
}

/* The inner part of the padded tensor, as a move from a dense tensor of shape `in`. */
static berth_status move_inner(bt_call *c, void *out, const bt_shape *shape, const bt_tensor *in,
                               const padding *p)
{
    bt_move m = {.dtype = in->dtype};
    int64_t to[BT_MAX_RANK], from[BT_MAX_RANK], offset = 0;
    bt_strides(shape, to);
    bt_strides(&in->shape, from);
    for (int i = 0; i < shape->rank; i++) {
        bt_move_axis(&m, in->shape.dim[i], to[i], from[i]);
        offset += p->before[i] * to[i];
    }
    return bt_call_move(c, &m, bt_at(in->dtype, out, offset), in->data);
}

/* One border: dimensions before `axis` at their inner part, those behind it whole. The move's `from` is left 0. */
static bt_move border(berth_dtype dtype, const bt_shape *shape, const bt_shape *in, const padding *p,
                      int axis, int64_t width, int64_t *offset)
{
    bt_move m = {.dtype = dtype};
    int64_t to[BT_MAX_RANK];
    bt_strides(shape, to);
    *offset = 0;
    for (int i = 0; i < shape->rank; i++) {
        bt_move_axis(&m, i < axis ? in->dim[i] : i == axis ? width : shape->dim[i], to[i], 0);
        if (i < axis) *offset += p->before[i] * to[i];
    }
    return m;
}

/* ---- Pad ---------------------------------------------------------------------------------------------- */

static berth_status infer_pad(bt_infer *x)
{
    if (x->n_in > 2 && x->in[2].shape.rank > 0)
        return bt_infer_fail(x, "the value to pad with must be a scalar");
    if (x->n_in > 2 && x->in[0].dtype && x->in[2].dtype && x->in[0].dtype != x->in[2].dtype)
        return bt_infer_fail(x, "the value to pad with has another type");
    return infer_padding(x, 1);
}

static berth_status infer_pad_v2(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    return status ? status : infer_pad(x);
}

static berth_status run_pad(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    const uint64_t zero[2] = {0, 0};
    const void *value = c->n_in > 2 ? c->in[2]->data : zero;
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_shape *shape = &fact.shape;
    padding p = read_padding(c->in[1]);
    void *out = bt_out(c, 0, in->dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_shape_count(shape) == 0) return BERTH_OK;
    for (int i = 0; !status && i < shape->rank; i++) {
        int64_t offset, stride = bt_shape_span(shape, i + 1, shape->rank);
        bt_move before = border(in->dtype, shape, &in->shape, &p, i, p.before[i], &offset), after = before;
        after.dim[i] = p.after[i];
        status = bt_call_repeat(c, &before, bt_at(in->dtype, out, offset), value);
        offset += (p.before[i] + in->shape.dim[i]) * stride;
        if (!status) status = bt_call_repeat(c, &after, bt_at(in->dtype, out, offset), value);
    }
    return status ? status : move_inner(c, out, shape, in, &p);
}

/* ---- MirrorPad ---------------------------------------------------------------------------------------- */

/* REFLECT leaves out the edge itself (1), SYMMETRIC repeats it (0); -1: neither. */
static int mirror_skip(const bt_node *node)
{
    const char *mode = bt_attr_string(node, "mode", "");
    return strcmp(mode, "REFLECT") == 0 ? 1 : strcmp(mode, "SYMMETRIC") == 0 ? 0 : -1;
}

/* inner: the shape without its borders. */
static berth_status check_mirror(bt_infer *x, const bt_shape *inner)
{
    int skip = mirror_skip(x->node);
    if (skip < 0) return bt_infer_fail(x, "mode must be REFLECT or SYMMETRIC");
    for (int i = 0; x->in[1].value && i < inner->rank; i++) {
        int64_t before = bt_tensor_int(x->in[1].value, 2 * i),
                after = bt_tensor_int(x->in[1].value, 2 * i + 1);
        int64_t room = inner->dim[i] - skip;
        if (inner->dim[i] >= 0 && (before > room || after > room))
            return bt_infer_fail(x, "paddings of dimension %d must be at most %lld", i,
                                 (long long)(room < 0 ? 0 : room));
    }
    return BERTH_OK;
}

static berth_status infer_mirror_pad(bt_infer *x)
{
    berth_status status = infer_padding(x, 1);
    return status ? status : check_mirror(x, &x->in[0].shape);
}

static berth_status infer_mirror_pad_grad(bt_infer *x)
{
    berth_status status = infer_padding(x, -1);
    return status ? status : check_mirror(x, &x->out[0].shape);
}

/* The two borders of an axis: `width` rows at `at`, mirrored from row `mirror` of the padded tensor backwards. */
typedef struct mirror_border {
    int64_t width, at, mirror;
} mirror_border;

static void mirror_borders(mirror_border b[2], const padding *p, int axis, int64_t dim, int skip)
{
    b[0] = (mirror_border){p->before[axis], 0, 2 * p->before[axis] - 1 + skip};
    b[1] = (mirror_border){p->after[axis], p->before[axis] + dim, p->before[axis] + dim - 1 - skip};
}

static berth_status run_mirror_pad(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_shape *shape = &fact.shape;
    padding p = read_padding(c->in[1]);
    void *out = bt_out(c, 0, in->dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_shape_count(shape) == 0) return BERTH_OK;
    status = move_inner(c, out, shape, in, &p);
    for (int i = shape->rank - 1; !status && i >= 0; i--) {
        mirror_border b[2];
        int64_t offset, stride = bt_shape_span(shape, i + 1, shape->rank);
        mirror_borders(b, &p, i, in->shape.dim[i], mirror_skip(c->node));
        for (int k = 0; !status && k < 2; k++) {
            bt_move m = border(in->dtype, shape, &in->shape, &p, i, b[k].width, &offset);
            memcpy(m.from, m.to, sizeof m.from);
            m.from[i] = -m.to[i];
            status = bt_call_move(c, &m, bt_at(in->dtype, out, offset + b[k].at * stride),
                                  bt_at_const(in->dtype, out, offset + b[k].mirror * stride));
        }
    }
    return status;
}

/* ---- MirrorPadGrad ------------------------------------------------------------------------------------ */

BT_CL_DECLARE(arrange);

/* An axis after the other, outermost first, each into a smaller tensor. */
static berth_status fold_on_gpu(bt_call *c, const padding *p, const bt_shape *shape)
{
    const bt_tensor *in = c->in[0];
    const void *from = in->data;
    bt_shape now = in->shape;
    int last = -1;
    char defines[BT_DEFINES];
    bt_gpu_defines(defines, in->dtype, 0, "-DFOLD");
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] != now.dim[i]) last = i;
    berth_status status =
        last < 0 ? bt_call_row(c, in->dtype, c->out[0]->data, from, bt_shape_count(shape)) : BERTH_OK;
    for (int i = 0; i <= last && !status; i++) {
        if (shape->dim[i] == now.dim[i]) continue;
        now.dim[i] = shape->dim[i];
        int64_t n = bt_shape_count(&now);
        void *to = i == last ? c->out[0]->data : bt_scratch(c, (size_t)n * bt_dtype_size(in->dtype));
        if (!to) return BERTH_NO_MEMORY;
        bt_arg args[] = {bt_pointer(from),
                         bt_pointer(to),
                         bt_long(n),
                         bt_long(p->before[i]),
                         bt_long(now.dim[i]),
                         bt_long(p->after[i]),
                         bt_long(bt_shape_span(&now, i + 1, now.rank)),
                         bt_long(mirror_skip(c->node))};
        bt_grid grid = bt_grid_of(c, n);
        status = bt_gpu_launch(c, BT_CL(arrange), defines, "fold_borders", &grid, args, 8);
        from = to;
    }
    return status;
}

/* Folds the borders inwards in a copy of the gradient, outermost axis first, then takes the inner part. */
static berth_status run_mirror_pad_grad(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_shape *shape = &fact.shape;
    padding p = read_padding(c->in[1]);
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] == 0) return bt_call_fail(c, "nothing is left of dimension %d", i);
    void *out = bt_out(c, 0, in->dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return fold_on_gpu(c, &p, shape);
    char *work = bt_scratch(c, bt_tensor_bytes(in) + 1);
    if (!work) return BERTH_NO_MEMORY;
    memcpy(work, in->data, bt_tensor_bytes(in));
    bt_move m = {.dtype = in->dtype};
    int64_t to[BT_MAX_RANK], from[BT_MAX_RANK], offset = 0;
    bt_strides(shape, to);
    bt_strides(&in->shape, from);
    for (int i = 0; i < shape->rank; i++) {
        mirror_border b[2];
        mirror_borders(b, &p, i, shape->dim[i], mirror_skip(c->node));
        int64_t outer = bt_shape_span(&in->shape, 0, i);
        for (int64_t k = 0; !status && k < 2 * outer; k++) {
            char *block = bt_at(in->dtype, work, k / 2 * in->shape.dim[i] * from[i]);
            for (int64_t row = 0; !status && row < b[k & 1].width; row++)
                status =
                    bt_combine(in->dtype, BT_ADD, bt_at(in->dtype, block, (b[k & 1].mirror - row) * from[i]),
                               bt_at(in->dtype, block, (b[k & 1].at + row) * from[i]), from[i], 1, c->error);
        }
        bt_move_axis(&m, shape->dim[i], to[i], from[i]);
        offset += p.before[i] * from[i];
    }
    return status ? status : bt_call_move(c, &m, out, bt_at(in->dtype, work, offset));
}

const bt_op bt_ops_pad[] = {
    {.name = "Pad",
     .infer = infer_pad,
     .cpu = run_pad,
     .gpu = run_pad,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "PadV2",
     .infer = infer_pad_v2,
     .cpu = run_pad,
     .gpu = run_pad,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 6},
    {.name = "MirrorPad",
     .infer = infer_mirror_pad,
     .cpu = run_mirror_pad,
     .gpu = run_mirror_pad,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 2},
    {.name = "MirrorPadGrad",
     .infer = infer_mirror_pad_grad,
     .cpu = run_mirror_pad_grad,
     .types = BT_NUMBERS,
     .gpu = run_mirror_pad_grad,
     .gpu_types = BT_NUMBERS,
     .host_inputs = 2},
    {0},
};
