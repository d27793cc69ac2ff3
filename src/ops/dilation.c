/* Dilation2D, the convolution of morphology: out = max over the window of in + filter. What lies outside the image
 * takes no part. in [N, H, W, C], filter [h, w, C]. */
#include "ops/image_gpu.h"
#include "ops/move.h"
#include "ops/product.h"
#include "ops/window.h"

#include <float.h>

typedef struct dilation {
    bt_window y, x;
    int64_t batch, channels;
    const void *in, *filter;
    void *out;
} dilation;

static berth_status resolve(const bt_node *node, const bt_shape *in, const bt_shape *filter, dilation *d,
                            berth_error *error)
{
    const char *padding = bt_attr_string(node, "padding", "");
    int64_t stride[BT_AXES], rate[BT_AXES];
    if (strcmp(padding, "SAME") && strcmp(padding, "VALID"))
        return bt_fail(error, BERTH_BAD_MODEL, "unknown padding '%.40s'", padding);
    if (!bt_window_list(node, "strides", 4, stride) || !bt_window_list(node, "rates", 4, rate))
        return bt_fail(error, BERTH_BAD_MODEL,
                       "strides and rates must be 4 positive numbers, the outer ones 1");
    if (in->rank >= 0 && in->rank != 4)
        return bt_fail(error, BERTH_BAD_MODEL, "input has %d dimensions, not 4", in->rank);
    if (filter->rank >= 0 && filter->rank != 3)
        return bt_fail(error, BERTH_BAD_MODEL, "filter has %d dimensions, not 3", filter->rank);
    *d = (dilation){.batch = in->rank < 0 ? -1 : in->dim[0],
                    .channels = in->rank < 0 ? -1 : in->dim[3],
                    .y = {.in = -1, .out = -1, .stride = stride[1], .dilation = rate[1]},
                    .x = {.in = -1, .out = -1, .stride = stride[2], .dilation = rate[2]}};
    if (in->rank < 0 || filter->rank < 0) return BERTH_OK;
    if (d->channels >= 0 && filter->dim[2] >= 0 && d->channels != filter->dim[2])
        return bt_fail(error, BERTH_BAD_MODEL, "filter has %lld channels, input %lld",
                       (long long)filter->dim[2], (long long)d->channels);
    d->y.in = in->dim[1], d->y.filter = filter->dim[0];
    d->x.in = in->dim[2], d->x.filter = filter->dim[1];
    if ((d->y.filter >= 0 && !bt_window_resolve(&d->y, padding)) ||
        (d->x.filter >= 0 && !bt_window_resolve(&d->x, padding)))
        return bt_fail(error, BERTH_BAD_MODEL, "the filter does not fit into the input");
    return BERTH_OK;
}

static berth_status infer_dilation(bt_infer *x)
{
    dilation d;
    berth_status status = bt_infer_arity(x, 2);
    if (!status) status = bt_infer_alike(x, 0, 2);
    if (!status) status = resolve(x->node, &x->in[0].shape, &x->in[1].shape, &d, x->error);
    if (!status)
        x->out[0] = (bt_fact){bt_infer_type(x, 0), BT_SHAPE(d.batch, d.y.out, d.x.out, d.channels), NULL};
    return status;
}

/* Pixels of all outputs, flattened. */
#define DILATE(T, LEAST)                                                                                    \
    static void dilate_##T(void *user, int64_t first, int64_t end, int worker)                              \
    {                                                                                                       \
        const dilation *d = user;                                                                           \
        int64_t n = d->channels;                                                                            \
        (void)worker;                                                                                       \
        for (int64_t at = first; at < end; at++) {                                                          \
            T *out = (T *)d->out + at * n;                                                                  \
            int64_t y0 = at / d->x.out % d->y.out * d->y.stride - d->y.before;                              \
            int64_t x0 = at % d->x.out * d->x.stride - d->x.before;                                         \
            for (int64_t k = 0; k < n; k++) out[k] = LEAST;                                                 \
            for (int64_t i = 0; i < d->y.filter * d->x.filter; i++) {                                       \
                int64_t y = y0 + i / d->x.filter * d->y.dilation, x = x0 + i % d->x.filter * d->x.dilation; \
                if (y < 0 || y >= d->y.in || x < 0 || x >= d->x.in) continue;                               \
                int64_t image = at / d->x.out / d->y.out;                                                   \
                const T *in = (const T *)d->in + ((image * d->y.in + y) * d->x.in + x) * n;                 \
                const T *filter = (const T *)d->filter + i * n;                                             \
                for (int64_t k = 0; k < n; k++) {                                                           \
                    T v = (T)(in[k] + filter[k]);                                                           \
                    out[k] = v > out[k] ? v : out[k];                                                       \
                }                                                                                           \
            }                                                                                               \
        }                                                                                                   \
    }
DILATE(float, -FLT_MAX)
DILATE(double, -DBL_MAX)
DILATE(int8_t, INT8_MIN)
DILATE(int16_t, INT16_MIN)
DILATE(int32_t, INT32_MIN)
DILATE(int64_t, INT64_MIN)
DILATE(uint8_t, 0)
DILATE(uint16_t, 0)
DILATE(uint32_t, 0)
DILATE(uint64_t, 0)

static bt_range_fn *const loops[] = {
    [BERTH_HALF] = dilate_float,      [BERTH_BFLOAT16] = dilate_float,  [BERTH_FLOAT] = dilate_float,
    [BERTH_DOUBLE] = dilate_double,   [BERTH_INT8] = dilate_int8_t,     [BERTH_INT16] = dilate_int16_t,
    [BERTH_INT32] = dilate_int32_t,   [BERTH_INT64] = dilate_int64_t,   [BERTH_UINT8] = dilate_uint8_t,
    [BERTH_UINT16] = dilate_uint16_t, [BERTH_UINT32] = dilate_uint32_t, [BERTH_UINT64] = dilate_uint64_t,
};

static berth_status dilate_on_gpu(bt_call *c, const dilation *d, void *out)
{
    char defines[BT_DEFINES];
    const bt_window axis[BT_AXES] = {{.in = 1, .out = 1, .filter = 1, .stride = 1, .dilation = 1}, d->y, d->x};
    bt_window_axes by = bt_window_axes_of(axis, d->batch, d->channels);
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(out), bt_bytes(&by, sizeof by)};
    bt_grid grid = bt_grid_rows(c, by.channels, by.n);
    bt_gpu_defines(defines, c->in[0]->dtype, 0, "-DDILATION");
    return by.n && by.channels ? bt_gpu_launch(c, BT_CL(image), defines, "dilate", &grid, args, 4) : BERTH_OK;
}

static berth_status run_dilation(bt_call *c)
{
    const bt_tensor *in = c->in[0], *filter = c->in[1];
    berth_dtype dtype = in->dtype;
    bool narrow = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    dilation d;
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (!status) status = resolve(c->node, &in->shape, &filter->shape, &d, c->error);
    if (status) return status;
    bt_range_fn *loop = (size_t)dtype < sizeof loops / sizeof *loops ? loops[dtype] : NULL;
    if (!loop) return bt_call_unsupported(c, "dilation of %s", bt_dtype_name(dtype));
    int64_t n = bt_shape_count(&fact.shape);
    void *out = bt_out(c, 0, dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_on_device(c)) return dilate_on_gpu(c, &d, out);
    d.in = narrow ? bt_floats(c, dtype, in->data, bt_tensor_count(in)) : in->data;
    d.filter = narrow ? bt_floats(c, dtype, filter->data, bt_tensor_count(filter)) : filter->data;
    d.out = narrow ? bt_floats_out(c, dtype, out, n) : out;
    if (!d.in || !d.filter || !d.out) return BERTH_NO_MEMORY;
    if (n) bt_parallel(c->pool, n / d.channels, 1 + 16384 / (bt_tensor_count(filter) + 1), loop, &d);
    float least = dtype == BERTH_HALF ? -65504.0f : -0x1.fep127f; /* of the dtype: a window outside of the image */
    for (int64_t i = 0; narrow && i < n; i++)
        if (((float *)d.out)[i] == -FLT_MAX) ((float *)d.out)[i] = least;
    if (narrow) bt_floats_done(c, dtype, out, d.out, n);
    return BERTH_OK;
}

const bt_op bt_ops_dilation[] = {
    {.name = "Dilation2D", .infer = infer_dilation, .cpu = run_dilation, .types = BT_REALS, .gpu = run_dilation,
     .gpu_types = BT_REALS},
    {0},
};
