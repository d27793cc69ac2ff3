/* Windows of images and volumes side by side as channels: ExtractImagePatches and ExtractVolumePatches. Both are
 * held as three spatial axes (depth, height, width); an image has a depth of 1. */
#include "ops/gpu.h"
#include "ops/image_gpu.h"
#include "ops/move.h"
#include "ops/window.h"

/* Sizes, -1 where not known. */
typedef struct patches {
    bt_window axis[BT_AXES];
    int64_t batch, channels;
    size_t pixel; /* bytes of all channels */
    const char *in;
    char *out;
} patches;

static berth_status resolve(const bt_node *node, const bt_shape *in, patches *p, berth_error *error)
{
    int rank = strcmp(node->op, "ExtractVolumePatches") == 0 ? 5 : 4;
    const char *padding = bt_attr_string(node, "padding", "");
    int64_t size[BT_AXES], stride[BT_AXES], rate[BT_AXES] = {1, 1, 1};
    char text[BT_SHAPE_TEXT];
    if (strcmp(padding, "SAME") && strcmp(padding, "VALID"))
        return bt_fail(error, BERTH_BAD_MODEL, "unknown padding '%.40s'", padding);
    if (!bt_window_list(node, "ksizes", rank, size) || !bt_window_list(node, "strides", rank, stride) ||
        (rank == 4 && !bt_window_list(node, "rates", rank, rate)))
        return bt_fail(error, BERTH_BAD_MODEL,
                       "ksizes, strides and rates must be %d positive numbers, the first and last 1", rank);
    if (in->rank >= 0 && in->rank != rank)
        return bt_fail(error, BERTH_BAD_MODEL, "input has %d dimensions, not %d", in->rank, rank);
    p->batch = in->rank < 0 ? -1 : in->dim[0];
    p->channels = in->rank < 0 ? -1 : in->dim[rank - 1];
    for (int i = 0; i < BT_AXES; i++) {
        int at = i - BT_AXES + rank - 1;
        p->axis[i] = (bt_window){.in = at < 1         ? 1
                                       : in->rank < 0 ? -1
                                                      : in->dim[at],
                                 .filter = size[i],
                                 .stride = stride[i],
                                 .dilation = rate[i]};
        if (!bt_window_resolve(&p->axis[i], padding))
            return bt_fail(error, BERTH_BAD_MODEL, "a window of %lld does not fit into %s",
                           (long long)((size[i] - 1) * rate[i] + 1), bt_shape_text(in, text));
        bt_window *w = &p->axis[i];
        /* In volumes windows are centred even over what is larger than they are, as Eigen has it. */
        if (rank == 5 && strcmp(padding, "SAME") == 0)
            w->before = ((w->out - 1) * w->stride + (w->filter - 1) * w->dilation + 1 - w->in) / 2;
    }
    return BERTH_OK;
}

static berth_status infer_patches(bt_infer *x)
{
    patches p;
    berth_status status = bt_infer_arity(x, 1);
    if (!status) status = resolve(x->node, &x->in[0].shape, &p, x->error);
    if (status) return status;
    bool is_volume = strcmp(x->node->op, "ExtractVolumePatches") == 0;
    int64_t depth = p.channels;
    for (int i = 0; i < BT_AXES; i++)
        if (depth > 0 && __builtin_mul_overflow(depth, p.axis[i].filter, &depth))
            return bt_infer_fail(x, "patches are too large");
    x->out[0].dtype = bt_infer_type(x, 0);
    x->out[0].shape = is_volume ? BT_SHAPE(p.batch, p.axis[0].out, p.axis[1].out, p.axis[2].out, depth)
                                : BT_SHAPE(p.batch, p.axis[1].out, p.axis[2].out, depth);
    return BERTH_OK;
}

/* One row of a window: its columns from `column` on, zeros outside [0, in). */
static char *put_row(const bt_window *w, const char *row, int64_t column, size_t pixel, char *out)
{
    for (int64_t k = 0; k < w->filter;) {
        int64_t x = column + k * w->dilation, n = 1;
        if (x < 0 || x >= w->in) memset(out, 0, pixel);
        else {
            if (w->dilation == 1) n = w->filter - k < w->in - x ? w->filter - k : w->in - x;
            memcpy(out, row + (size_t)x * pixel, (size_t)n * pixel);
        }
        out += (size_t)n * pixel;
        k += n;
    }
    return out;
}

/* Rows of all outputs, flattened. */
static void put_rows(void *user, int64_t first, int64_t end, int worker)
{
    const patches *p = user;
    const bt_window *d = &p->axis[0], *h = &p->axis[1], *w = &p->axis[2];
    size_t row_bytes = (size_t)w->filter * p->pixel;
    char *out = p->out + (size_t)(first * w->out * d->filter * h->filter) * row_bytes;
    (void)worker;
    for (int64_t at = first * w->out; at < end * w->out; at++) {
        int64_t column = at % w->out * w->stride - w->before, row = at / w->out;
        int64_t y = row % h->out * h->stride - h->before, z = row / h->out % d->out * d->stride - d->before;
        int64_t image = row / h->out / d->out * d->in;
        for (int64_t i = 0; i < d->filter * h->filter; i++) {
            int64_t iz = z + i / h->filter * d->dilation, iy = y + i % h->filter * h->dilation;
            bool inside = iz >= 0 && iz < d->in && iy >= 0 && iy < h->in;
            const char *from = p->in + (size_t)(inside ? ((image + iz) * h->in + iy) * w->in : 0) * p->pixel;
            if (inside) out = put_row(w, from, column, p->pixel, out);
            else out = (char *)memset(out, 0, row_bytes) + row_bytes;
        }
    }
}

static berth_status patches_on_gpu(bt_call *c, const patches *p)
{
    char defines[BT_DEFINES];
    bt_window_axes by = bt_window_axes_of(p->axis, p->batch, p->channels);
    by.n *= p->axis[0].filter * p->axis[1].filter * p->axis[2].filter;
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(p->out), bt_bytes(&by, sizeof by)};
    bt_grid grid = bt_grid_rows(c, by.channels, by.n);
    bt_gpu_defines(defines, bt_gpu_unit(c->in[0]->dtype), 0, "-DPATCHES");
    return bt_gpu_launch(c, BT_CL(image), defines, "patches", &grid, args, 3);
}

static berth_status run_patches(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    patches p;
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (!status) status = resolve(c->node, &in->shape, &p, c->error);
    if (status) return status;
    if (bt_dtype_is_object(in->dtype))
        return bt_call_unsupported(c, "patches of %s", bt_dtype_name(in->dtype));
    if (!(p.out = bt_out(c, 0, in->dtype, &fact.shape))) return BERTH_NO_MEMORY;
    if (bt_shape_count(&fact.shape) == 0) return BERTH_OK;
    if (bt_on_device(c)) return patches_on_gpu(c, &p);
    p.in = in->data;
    p.pixel = (size_t)p.channels * bt_dtype_size(in->dtype);
    int64_t rows = p.batch * p.axis[0].out * p.axis[1].out;
    bt_parallel(c->pool, rows, 1 + 32768 / (int64_t)(bt_tensor_bytes(c->out[0]) / (size_t)rows), put_rows,
                &p);
    return BERTH_OK;
}

#define PATCHES(op)                                                                                         \
    {                                                                                                       \
        .name = op, .infer = infer_patches, .cpu = run_patches, .gpu = run_patches, .gpu_types = BT_GPU_MOVES, \
        .outputs = "patches"                                                                                \
    }

const bt_op bt_ops_image_patches[] = {
    PATCHES("ExtractImagePatches"),
    PATCHES("ExtractVolumePatches"),
    {0},
};
