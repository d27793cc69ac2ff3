/* Blocks of space moved into the channels (SpaceToDepth) or into the batch (SpaceToBatch), and back. */
#include "ops/move.h"

/* ---- SpaceToDepth, DepthToSpace ----------------------------------------------------------------------- */

/* Axes of batch, height, width, channels of a layout; `vector`: 1, or the 4 channels at the end of NCHW_VECT_C. */
typedef struct layout {
    int rank, h, w, c;
    int64_t vector;
} layout;

static bool read_layout(const bt_node *node, layout *l)
{
    const char *name = bt_attr_string(node, "data_format", "NHWC");
    if (strcmp(name, "NHWC") == 0) *l = (layout){4, 1, 2, 3, 1};
    else if (strcmp(name, "NCHW") == 0) *l = (layout){4, 2, 3, 1, 1};
    else if (strcmp(name, "NCHW_VECT_C") == 0) *l = (layout){5, 2, 3, 1, 4};
    else return false;
    return true;
}

/* 0 when it is none; a block of more than any image is none either. */
static int64_t read_block(const bt_node *node)
{
    int64_t b = bt_attr_int(node, "block_size", 0);
    return b >= 1 && b <= INT32_MAX ? b : 0;
}

static int64_t divide(int64_t dim, int64_t by) { return dim < 0 ? -1 : dim / by; }

/* Too large for anything stays so: there is no memory for it. */
static int64_t times(int64_t dim, int64_t by)
{
    int64_t product;
    return dim < 0 ? -1 : __builtin_mul_overflow(dim, by, &product) ? INT64_MAX / 2 : product;
}

static berth_status infer_depth(bt_infer *x, bool to_depth)
{
    layout l;
    int64_t b = read_block(x->node);
    char text[BT_SHAPE_TEXT];
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (!read_layout(x->node, &l)) return bt_infer_fail(x, "an unknown data_format");
    if (b < 2) return bt_infer_fail(x, "block_size must be at least 2");
    if (in->rank < 0) return BERTH_OK;
    bool fits = in->rank == l.rank && (l.rank < 5 || in->dim[4] < 0 || in->dim[4] == l.vector);
    if (fits && to_depth)
        fits = !(in->dim[l.h] > 0 && in->dim[l.h] % b) && !(in->dim[l.w] > 0 && in->dim[l.w] % b);
    if (fits && !to_depth) fits = !(in->dim[l.c] > 0 && in->dim[l.c] % (b * b));
    if (!fits)
        return bt_infer_fail(x, "shape %s does not fall into blocks of %lld", bt_shape_text(in, text),
                             (long long)b);
    *out = *in;
    out->dim[l.h] = to_depth ? divide(in->dim[l.h], b) : times(in->dim[l.h], b);
    out->dim[l.w] = to_depth ? divide(in->dim[l.w], b) : times(in->dim[l.w], b);
    out->dim[l.c] = to_depth ? times(in->dim[l.c], b * b) : divide(in->dim[l.c], b * b);
    return BERTH_OK;
}

static berth_status infer_space_to_depth(bt_infer *x) { return infer_depth(x, true); }
static berth_status infer_depth_to_space(bt_infer *x) { return infer_depth(x, false); }

/* space [N, h b, w b, C] and deep [N, h, w, b b C] in the axes of the layout: element (n, h, y, w, x, c) of both. */
static berth_status run_depth(bt_call *c, bool to_depth)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    layout l = {0};
    int64_t b = read_block(c->node);
    berth_status status = bt_call_facts(c, &fact);
    void *out = status ? NULL : bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    read_layout(c->node, &l);
    const bt_shape *space = to_depth ? &in->shape : &fact.shape, *deep = to_depth ? &fact.shape : &in->shape;
    int64_t s[BT_MAX_RANK], d[BT_MAX_RANK], channels = space->dim[l.c];
    bt_strides(space, s);
    bt_strides(deep, d);
    /* dim, stride in space, stride in deep: in the order of the output's axes where it matters most */
    int64_t axes[7][3] = {{space->dim[0], s[0], d[0]},
                          {deep->dim[l.h], s[l.h] * b, d[l.h]},
                          {b, s[l.h], d[l.c] * b * channels},
                          {deep->dim[l.w], s[l.w] * b, d[l.w]},
                          {b, s[l.w], d[l.c] * channels},
                          {channels, s[l.c], d[l.c]},
                          {l.vector, 1, 1}};
    static const int by_space[2][7] = {{0, 1, 2, 3, 4, 5, 6}, {0, 5, 1, 2, 3, 4, 6}};
    static const int by_depth[2][7] = {{0, 1, 3, 2, 4, 5, 6}, {0, 2, 4, 5, 1, 3, 6}};
    const int *order = to_depth ? by_depth[l.c == 1] : by_space[l.c == 1];
    bt_move m = {.dtype = in->dtype};
    for (int i = 0; i < 7; i++) {
        const int64_t *a = axes[order[i]];
        bt_move_axis(&m, a[0], to_depth ? a[2] : a[1], to_depth ? a[1] : a[2]);
    }
    return bt_call_move(c, &m, out, in->data);
}

static berth_status run_space_to_depth(bt_call *c) { return run_depth(c, true); }
static berth_status run_depth_to_space(bt_call *c) { return run_depth(c, false); }

/* ---- SpaceToBatch, BatchToSpace ----------------------------------------------------------------------- */

/* The first n dimensions behind the batch: block sizes, and what is padded (or cropped) before and after. */
typedef struct blocks {
    int n;
    int64_t size[BT_MAX_RANK], before[BT_MAX_RANK], after[BT_MAX_RANK], product;
} blocks;

/* From attribute block_size and input 1, or from inputs 1 and 2. n -1: nothing is known; known: all is. */
static berth_status read_blocks(const bt_node *node, const bt_fact *in, int n_in, blocks *b, bool *known,
                                berth_error *error)
{
    const bt_fact *pads = &in[n_in > 2 ? 2 : 1];
    b->n = n_in > 2 ? (in[1].shape.rank == 1 && in[1].shape.dim[0] >= 0 ? (int)in[1].shape.dim[0] : -1) : 2;
    if (n_in > 2 && in[1].shape.rank == 1 && in[1].shape.dim[0] >= BT_MAX_RANK)
        return bt_fail(error, BERTH_BAD_INPUT, "a block of %lld dimensions", (long long)in[1].shape.dim[0]);
    *known = pads->value && (n_in <= 2 || in[1].value);
    b->product = 1;
    if (pads->shape.rank >= 0 &&
        (pads->shape.rank != 2 || (pads->shape.dim[1] >= 0 && pads->shape.dim[1] != 2) ||
         (b->n >= 0 && pads->shape.dim[0] >= 0 && pads->shape.dim[0] != b->n)))
        return bt_fail(error, BERTH_BAD_INPUT,
                       "paddings or crops must be a matrix of a row for each of %d dimensions", b->n);
    for (int i = 0; *known && i < b->n; i++) {
        b->size[i] = n_in > 2 ? bt_tensor_int(in[1].value, i) : read_block(node);
        b->before[i] = bt_tensor_int(pads->value, 2 * i), b->after[i] = bt_tensor_int(pads->value, 2 * i + 1);
        if (b->size[i] < 1 || b->before[i] < 0 || b->after[i] < 0 || b->before[i] > INT32_MAX ||
            b->after[i] > INT32_MAX || __builtin_mul_overflow(b->product, b->size[i], &b->product))
            return bt_fail(error, BERTH_BAD_INPUT,
                           "block sizes must be positive, and paddings or crops not negative");
    }
    return BERTH_OK;
}

static berth_status infer_batch(bt_infer *x, bool to_batch)
{
    blocks b;
    bool known;
    char text[BT_SHAPE_TEXT];
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = read_blocks(x->node, x->in, x->n_in, &b, &known, x->error))) return status;
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (in->rank < 0) return BERTH_OK;
    if (in->rank < b.n + 1) return bt_infer_fail(x, "%d dimensions for a block of %d", in->rank, b.n);
    *out = *in;
    for (int i = 0; !known && i < in->rank; i++)
        if (b.n < 0 || i <= b.n) out->dim[i] = -1;
    if (!known) return BERTH_OK;
    bool fits = to_batch || in->dim[0] < 0 || in->dim[0] % b.product == 0;
    out->dim[0] = to_batch ? times(in->dim[0], b.product) : divide(in->dim[0], b.product);
    for (int i = 0; fits && i < b.n; i++) {
        int64_t dim = in->dim[i + 1], pad = b.before[i] + b.after[i];
        if (dim < 0) continue;
        out->dim[i + 1] = to_batch ? (dim + pad) / b.size[i] : times(dim, b.size[i]) - pad;
        fits = to_batch ? (dim + pad) % b.size[i] == 0 : out->dim[i + 1] >= 0;
    }
    return fits ? BERTH_OK
                : bt_infer_fail(x, "shape %s does not fall into these blocks", bt_shape_text(in, text));
}

static berth_status infer_space_to_batch(bt_infer *x) { return infer_batch(x, true); }
static berth_status infer_batch_to_space(bt_infer *x) { return infer_batch(x, false); }

/* One offset within the blocks: element s of `batched` is element s size + offset - before of `space`, where
 * there is such a one. */
static berth_status move_offset(bt_call *c, const blocks *b, const int64_t *offset, int64_t image,
                                const bt_shape *space, const bt_shape *batched, void *dst, const void *src,
                                bool to_batch)
{
    berth_dtype dtype = c->in[0]->dtype;
    bt_move m = {.dtype = dtype};
    int64_t s[BT_MAX_RANK], t[BT_MAX_RANK];
    bt_strides(space, s);
    bt_strides(batched, t);
    int64_t in_space = 0, in_batched = image * space->dim[0] * t[0];
    bt_move_axis(&m, space->dim[0], to_batch ? t[0] : s[0], to_batch ? s[0] : t[0]);
    for (int i = 1; i < space->rank; i++) {
        int64_t size = i <= b->n ? b->size[i - 1] : 1,
                shift = i <= b->n ? offset[i - 1] - b->before[i - 1] : 0;
        int64_t first = shift < 0 ? (-shift + size - 1) / size : 0;
        int64_t end = space->dim[i] > shift ? (space->dim[i] - shift + size - 1) / size : 0;
        if (end > batched->dim[i]) end = batched->dim[i];
        if (end <= first) return BERTH_OK;
        in_space += (first * size + shift) * s[i];
        in_batched += first * t[i];
        bt_move_axis(&m, end - first, to_batch ? t[i] : s[i] * size, to_batch ? s[i] * size : t[i]);
    }
    return bt_call_move(c, &m, bt_at(dtype, dst, to_batch ? in_batched : in_space),
                        bt_at_const(dtype, src, to_batch ? in_space : in_batched));
}

static berth_status run_batch(bt_call *c, bool to_batch)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact, facts[3];
    blocks b;
    bool known;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    int n_in = c->n_in > 2 ? 3 : 2;
    for (int i = 0; i < n_in; i++) facts[i] = (bt_fact){c->in[i]->dtype, c->in[i]->shape, c->in[i]};
    if ((status = read_blocks(c->node, facts, n_in, &b, &known, c->error))) return status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_shape_count(&fact.shape) == 0) return BERTH_OK;
    if (to_batch && (status = bt_call_zero(c, in->dtype, out, bt_shape_count(&fact.shape)))) return status;
    const bt_shape *space = to_batch ? &in->shape : &fact.shape,
                   *batched = to_batch ? &fact.shape : &in->shape;
    for (int64_t image = 0; !status && image < b.product; image++) {
        int64_t offset[BT_MAX_RANK], rest = image;
        for (int i = b.n - 1; i >= 0; i--) offset[i] = rest % b.size[i], rest /= b.size[i];
        status = move_offset(c, &b, offset, image, space, batched, out, in->data, to_batch);
    }
    return status;
}

static berth_status run_space_to_batch(bt_call *c) { return run_batch(c, true); }
static berth_status run_batch_to_space(bt_call *c) { return run_batch(c, false); }

#define SPACE(op, what)                                                                                     \
    {                                                                                                       \
        .name = op, .infer = infer_##what, .cpu = run_##what, .gpu = run_##what, .gpu_types = BT_GPU_MOVES, \
        .host_inputs = 6                                                                                    \
    }

const bt_op bt_ops_space[] = {
    SPACE("SpaceToDepth", space_to_depth),
    SPACE("DepthToSpace", depth_to_space),
    SPACE("SpaceToBatch", space_to_batch),
    SPACE("SpaceToBatchND", space_to_batch),
    SPACE("BatchToSpace", batch_to_space),
    SPACE("BatchToSpaceND", batch_to_space),
    {0},
};
