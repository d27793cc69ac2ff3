/* FusedPadConv2D and FusedResizeAndPadConv2D: a convolution of an image that is first made larger (bilinear) and then
 * mirrored at its borders. The image is written out as the convolution's windows lie over it, zeros and all, so that what
 * remains is a convolution without padding: conv.c. */
#include "ops/conv.h"
#include "ops/move.h"
#include "ops/resize.h"

#include <math.h>

typedef struct geometry {
    bt_windowing w;
    bt_sizes s;         /* in: of the padded image */
    int64_t resized[2]; /* rows, columns */
    int64_t before[2];  /* of the mirrored border */
    int mirror;         /* 1: REFLECT, leaves out the edge; 0: SYMMETRIC */
    bool resizes;
} geometry;

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static berth_status parse(const bt_node *node, geometry *g, berth_error *error)
{
    const char *mode = bt_attr_string(node, "mode", "");
    *g = (geometry){.mirror = strcmp(mode, "REFLECT") == 0, .resizes = bt_starts(node->op, "FusedResize")};
    if (!g->mirror && strcmp(mode, "SYMMETRIC"))
        return bt_fail(error, BERTH_BAD_MODEL, "mode must be REFLECT or SYMMETRIC");
    return bt_windowing_parse(node, 2, false, &g->w, error);
}

/* Adds the borders to sizes in shape, [N, H, W, C]. */
static berth_status add_paddings(geometry *g, const bt_fact *paddings, bt_shape *shape, berth_error *error)
{
    int64_t pads[8];
    const bt_shape four_pairs = BT_SHAPE(4, 2);
    if (!bt_shape_compatible(&paddings->shape, &four_pairs))
        return bt_fail(error, BERTH_BAD_MODEL, "paddings must be of shape [4,2]");
    if (!paddings->value) {
        shape->dim[1] = shape->dim[2] = -1;
        return BERTH_OK;
    }
    for (int i = 0; i < 8; i++) pads[i] = bt_tensor_int(paddings->value, i);
    for (int i = 0; i < 8; i++) {
        int64_t *size = &shape->dim[i / 2], room = *size - g->mirror;
        if (pads[i] < 0 || (pads[i] && (i < 2 || i > 5)))
            return bt_fail(error, BERTH_BAD_MODEL, "paddings must be of rows and columns, and not negative");
        if (*size >= 0 && pads[i] > room)
            return bt_fail(error, BERTH_BAD_MODEL, "paddings of dimension %d must be at most %lld", i / 2,
                           (long long)(room < 0 ? 0 : room));
    }
    for (int i = 1; i < 3; i++) {
        g->before[i - 1] = pads[2 * i];
        if (shape->dim[i] >= 0) shape->dim[i] += pads[2 * i] + pads[2 * i + 1];
    }
    return BERTH_OK;
}

static berth_status sizes_of(geometry *g, const bt_fact *in, bt_shape shape, berth_error *error)
{
    const bt_shape *filter = &in[g->resizes ? 3 : 2].shape;
    if (shape.rank < 0) shape = BT_SHAPE(-1, -1, -1, -1);
    if (shape.rank != 4) return bt_fail(error, BERTH_BAD_MODEL, "input has %d dimensions, not 4", shape.rank);
    for (int i = 0; i < 2; i++) g->resized[i] = shape.dim[i + 1];
    berth_status status = add_paddings(g, &in[g->resizes ? 2 : 1], &shape, error);
    if (!status) status = bt_sizes_input(&g->w, &shape, &g->s, error);
    if (status) return status;
    if (filter->rank >= 0 && filter->rank != 4)
        return bt_fail(error, BERTH_BAD_MODEL, "filter has %d dimensions, not 4", filter->rank);
    bool known = filter->rank == 4;
    g->s.filter[0] = 1;
    for (int i = 1; i < 3; i++) g->s.filter[i] = known ? filter->dim[i - 1] : -1;
    g->s.out_c = known ? filter->dim[3] : -1;
    if (known && filter->dim[2] >= 0 && g->s.in_c >= 0 && filter->dim[2] != g->s.in_c)
        return bt_fail(error, BERTH_BAD_MODEL, "input depth %lld does not fit filter depth %lld",
                       (long long)g->s.in_c, (long long)filter->dim[2]);
    return bt_sizes_output(&g->w, &g->s, error);
}

static berth_status infer_conv_pad(bt_infer *x)
{
    geometry g;
    berth_status status = parse(x->node, &g, x->error);
    if (!status) status = bt_infer_arity(x, g.resizes ? 4 : 3);
    if (status) return status;
    bt_shape shape = x->in[0].shape;
    if (g.resizes) {
        status = bt_infer_image_size(x, bt_infer_type(x, 0));
        shape = x->out[0].shape;
    }
    g.w.planning = x->planning;
    if (!status) status = sizes_of(&g, x->in, shape, x->error);
    if (!status)
        x->out[0] = (bt_fact){bt_infer_type(x, 0), bt_sizes_shape(&g.w, g.s.batch, g.s.out, g.s.out_c), NULL};
    return status;
}

/* ---- The image under the windows ---------------------------------------------------------------------- */

typedef struct picture {
    const geometry *g;
    berth_dtype dtype;
    const char *in;
    char *out;
    int64_t in_size[2], size[2]; /* rows, columns: of the input, of the picture */
    int64_t first[2];            /* of the padded image */
    float scale[2];
} picture;

/* Where pixel i of the picture comes from along an axis; false: a zero of the convolution's own padding. */
static bool source_of(const picture *p, int axis, int64_t i, bt_between *from)
{
    int64_t at = i + p->first[axis], n = p->g->resized[axis];
    if (at < 0 || at >= p->g->s.in[axis + 1]) return false;
    at -= p->g->before[axis];
    if (at < 0) at = -(at + 1 - p->g->mirror);
    else if (at >= n) at = 2 * n - (at + 1 + p->g->mirror);
    *from = bt_between_of((float)at * p->scale[axis], p->in_size[axis]);
    return true;
}

#define BLEND(T, LOAD, STORE)                                                                               \
    for (int64_t k = 0; k < n; k++) {                                                                       \
        double v[4];                                                                                        \
        for (int j = 0; j < 4; j++) v[j] = (double)LOAD(((const T *)p->in)[from[j] * n + k]);               \
        double top = v[0] + (v[1] - v[0]) * (double)x.part, bottom = v[2] + (v[3] - v[2]) * (double)x.part; \
        ((T *)out)[k] = STORE(top + (bottom - top) * (double)y.part);                                       \
    }
#define TO_HALF(v) bt_float_to_half((float)(v))
#define TO_BF16(v) bt_float_to_bf16((float)(v))

/* Rows of all images, flattened. */
static void picture_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const picture *p = user;
    int64_t n = p->g->s.in_c;
    size_t bytes = (size_t)n * bt_dtype_size(p->dtype);
    (void)worker;
    for (int64_t row = begin; row < end; row++)
        for (int64_t i = 0; i < p->size[1]; i++) {
            bt_between x, y;
            char *out = p->out + (size_t)(row * p->size[1] + i) * bytes;
            if (!source_of(p, 0, row % p->size[0], &y) || !source_of(p, 1, i, &x)) {
                memset(out, 0, bytes);
                continue;
            }
            int64_t top = (row / p->size[0] * p->in_size[0] + y.low) * p->in_size[1],
                    bottom = (row / p->size[0] * p->in_size[0] + y.high) * p->in_size[1];
            const int64_t from[4] = {top + x.low, top + x.high, bottom + x.low, bottom + x.high};
            if (!p->g->resizes) memcpy(out, p->in + (size_t)from[0] * bytes, bytes);
            else if (p->dtype == BERTH_FLOAT) BLEND(float, , (float))
            else if (p->dtype == BERTH_DOUBLE) BLEND(double, , )
            else if (p->dtype == BERTH_HALF) BLEND(uint16_t, bt_half_to_float, TO_HALF)
            else BLEND(uint16_t, bt_bf16_to_float, TO_BF16)
        }
}

/* TensorFlow keeps the rows of the first image's picture, if all fit in 8 million numbers, and takes them for every other
 * image of the batch as well. Its answers are what models were tested with, so that is what they get here. */
static bool sees_first_only(const geometry *g)
{
    const bt_sizes *s = &g->s;
    double rows = (double)(s->out[1] * g->w.stride[1] + s->filter[1]);
    double row = (double)((s->out[2] - 1) * g->w.stride[2] + s->filter[2]) * (double)s->in_c;
    return rows * row <= 8 << 20;
}

static berth_status run_conv_pad(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    geometry g;
    bt_fact fact, facts[4];
    berth_status status = bt_call_facts(c, &fact);
    if (!status) status = parse(c->node, &g, c->error);
    if (status) return status;
    for (int i = 0; i < c->n_in; i++) facts[i] = (bt_fact){c->in[i]->dtype, c->in[i]->shape, c->in[i]};
    bt_shape shape = in->shape;
    for (int i = 0; g.resizes && i < 2; i++) shape.dim[i + 1] = bt_tensor_int(c->in[1], i);
    if ((status = sizes_of(&g, facts, shape, c->error))) return status;
    if (bt_tensor_count(in) == 0 || bt_shape_count(&fact.shape) == 0)
        return bt_call_fail(c, "input and output must have elements");
    bool corners = bt_attr_bool(c->node, "resize_align_corners", false);
    picture p = {.g = &g, .dtype = in->dtype, .in = in->data};
    bt_sizes_centre(&g.w, &g.s);
    bt_sizes s = g.s;
    for (int i = 0; i < 2; i++) {
        p.in_size[i] = in->shape.dim[i + 1];
        p.scale[i] = bt_resize_scale(corners, p.in_size[i], g.resized[i]);
        p.first[i] = -s.before[i + 1];
        p.size[i] = s.in[i + 1] = (s.out[i + 1] - 1) * g.w.stride[i + 1] + s.filter[i + 1];
        s.before[i + 1] = 0;
    }
    size_t bytes;
    int64_t batch = s.batch;
    if (sees_first_only(&g)) s.batch = 1;
    shape = BT_SHAPE(s.batch, p.size[0], p.size[1], s.in_c);
    if (!bt_shape_bytes(&shape, bt_dtype_size(in->dtype), &bytes))
        return bt_call_fail(c, "the padded image is too large");
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out || !(p.out = bt_scratch(c, bytes))) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, s.batch * p.size[0], 1 + 4096 / (p.size[1] * s.in_c), picture_rows, &p);
    status = bt_conv_dense(c, in->dtype, &g.w, &s, p.out, c->in[g.resizes ? 3 : 2]->data, out);
    bytes = bt_tensor_bytes(c->out[0]) / (size_t)batch;
    for (int64_t i = s.batch; i < batch; i++) memcpy((char *)out + (size_t)i * bytes, out, bytes);
    return status;
}

const bt_op bt_ops_conv_pad[] = {
    {.name = "FusedPadConv2D", .infer = infer_conv_pad, .cpu = run_conv_pad, .types = BT_FLOATS},
    {.name = "FusedResizeAndPadConv2D", .infer = infer_conv_pad, .cpu = run_conv_pad, .types = BT_FLOATS},
    {0},
};
