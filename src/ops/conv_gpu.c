/* Convolutions on a device: by its library of convolutions; else, where a library does products, dense ones by these; else by
 * conv.cl, whose sizes and launches are here. A library wants filters turned, [out_c][filter][in_c / groups]. */
#include "ops/conv_gpu.h"

#include <math.h>
#include <stdio.h>

#include "device/watch.h"
#include "ops/epilogue_gpu.h"
#include "ops/gemm_gpu.h"
#include "ops/move.h"

BT_CL_DECLARE(conv);

/* As in conv.cl. */
typedef struct sizes {
    int64_t pixels, x_c, y_c, groups, depth, n, per_tap, per_group, per_row, per_channel;
    int64_t in[BT_AXES], out[BT_AXES], filter[BT_AXES], stride[BT_AXES], dilation[BT_AXES], before[BT_AXES];
    int64_t transposed;
    bt_epilogue_kinds kinds;
} sizes;

/* A tile of 64 sums on a CPU, 4 pixels by 16 channels; smaller ones, side by side, elsewhere. */
enum { PIXELS = 4, CPU_CHANNELS = 16, GPU_CHANNELS = 4 };

static sizes dense_sizes(const bt_sizes *s, int64_t groups)
{
    int64_t depth = s->in_c / groups, n = s->out_c / groups;
    sizes by = {.pixels = s->batch * bt_axes_count(s->out),
                .x_c = s->in_c,
                .y_c = s->out_c,
                .groups = groups,
                .depth = depth,
                .n = n,
                .per_tap = depth * s->out_c,
                .per_group = n,
                .per_row = s->out_c};
    memcpy(by.in, s->in, sizeof by.in);
    memcpy(by.out, s->out, sizeof by.out);
    return by;
}

/* Of weights [filter][out_c][in_c / groups]. */
static sizes transposed_sizes(const bt_sizes *s, int64_t groups)
{
    int64_t n = s->in_c / groups, depth = s->out_c / groups;
    sizes by = {.pixels = s->batch * bt_axes_count(s->in),
                .x_c = s->out_c,
                .y_c = s->in_c,
                .groups = groups,
                .depth = depth,
                .n = n,
                .per_tap = s->out_c * n,
                .per_group = depth * n,
                .per_row = n,
                .transposed = 1};
    memcpy(by.in, s->out, sizeof by.in);
    memcpy(by.out, s->in, sizeof by.out);
    return by;
}

static sizes depthwise_sizes(const bt_sizes *s)
{
    sizes by = dense_sizes(s, 1);
    by.n = s->in_c ? s->out_c / s->in_c : 1;
    return by;
}

/* Of weights [filter][in_c][out_c / in_c]. */
static sizes depthwise_transposed_sizes(const bt_sizes *s)
{
    sizes by = transposed_sizes(s, 1);
    by.n = s->in_c ? s->out_c / s->in_c : 1;
    return by;
}

/* One that looks at a pixel each is a product of [pixels][depth] and [depth][n] as it is. */
static bool is_pointwise(const sizes *by)
{
    bool is = by->groups == 1;
    for (int i = 0; i < BT_AXES; i++)
        is = is && by->filter[i] == 1 && by->stride[i] == 1 && by->before[i] == 0 && by->in[i] == by->out[i];
    return is;
}

/* ---- By a library of convolutions --------------------------------------------------------------------- */

typedef struct turning {
    const bt_tensor *filter;
    int64_t rows, columns;
} turning;

/* In tiles that stay in the cache. */
static berth_status turn(void *user, void *dst, berth_error *error)
{
    enum { TILE = 32 };
    const turning *t = user;
    size_t size = bt_dtype_size(t->filter->dtype);
    const char *from = t->filter->data;
    (void)error;
    for (int64_t r0 = 0; r0 < t->rows; r0 += TILE)
        for (int64_t c0 = 0; c0 < t->columns; c0 += TILE)
            for (int64_t c = c0; c < t->columns && c < c0 + TILE; c++)
                for (int64_t r = r0; r < t->rows && r < r0 + TILE; r++)
                    memcpy((char *)dst + (size_t)(c * t->rows + r) * size, from + (size_t)(r * t->columns + c) * size, size);
    return BERTH_OK;
}

berth_status bt_conv_gpu_prepare(bt_prepare *p, const bt_windowing *w, const void **turned)
{
    const bt_tensor *filter = p->in[1].value;
    bool is_pointwise = true, has_library = p->device->ops->libraries && p->device->ops->libraries() & BT_LIBRARY_CONV;
    char layout[80];
    *turned = NULL;
    if (!filter || !has_library || p->is_streaming || filter->shape.rank < 3 || !bt_tensor_count(filter)) return BERTH_OK;
    const int64_t *dim = filter->shape.dim, columns = dim[filter->shape.rank - 1];
    for (int i = 0; i < filter->shape.rank - 2; i++)
        is_pointwise = is_pointwise && dim[i] == 1 && w->stride[BT_AXES - w->spatial + i] == 1;
    if (is_pointwise || filter->dtype == BERTH_DOUBLE) return BERTH_OK;
    turning job = {filter, bt_tensor_count(filter) / columns, columns};
    snprintf(layout, sizeof layout, "turned %lld", (long long)columns);
    *turned = bt_prepare_pack(p, filter, layout, bt_tensor_bytes(filter), turn, &job);
    if (*turned) p->consumed |= 2;
    return *turned ? BERTH_OK : p->error->status;
}

/* Whether the library may be asked for all of it: a clamp that has no bounds is none, and one from 0 on is a Relu. */
static bool take_epilogue(bt_conv *what, const bt_epilogue *e, bool has_add)
{
    bool is_clamped = e->low > -INFINITY || e->high < INFINITY;
    what->has_add = has_add, what->has_bias = e->bias >= 0, what->activation = e->activation;
    if (e->scale >= 0 || e->norm >= 0 || (is_clamped && (e->activation != BT_VEC_COPY || e->low != 0))) return false;
    if (is_clamped && e->high == INFINITY) what->activation = BT_VEC_RELU;
    else if (is_clamped) what->activation = BT_VEC_CLAMP, what->low = e->low, what->high = e->high;
    if (e->activation == BT_VEC_LEAKY_RELU) what->low = e->alpha;
    return true;
}

/* With working memory, or in a way that needs none. */
static const bt_conv_plan *find_plan(bt_call *c, bt_conv *what, void **workspace)
{
    size_t bytes = 0;
    const bt_conv_plan *plan = c->device->ops->conv_plan(c->device, what, &bytes);
    if (!plan || !bytes || (*workspace = bt_gemm_scratch(c, bytes))) return plan;
    what->no_workspace = 1;
    plan = c->device->ops->conv_plan(c->device, what, &bytes);
    return bytes ? NULL : plan;
}

static bool convolve(bt_call *c, bt_conv what, bt_conv_data data, const void **turned)
{
    const bt_conv_plan *plan = find_plan(c, &what, &data.workspace);
    int64_t rows = bt_axes_count(what.filter) * (what.in_c / what.groups);
    if (!plan) return false;
    if (!*turned) {
        void *copy = bt_gemm_scratch(c, (size_t)(rows * what.out_c) * bt_dtype_size((berth_dtype)what.type));
        if (!copy) return false;
        if (bt_swap_axes(c, (berth_dtype)what.type, copy, data.w, 1, rows, what.out_c)) return bt_error_clear(c->error), false;
        *turned = copy;
    }
    data.w = *turned;
    return bt_device_conv(c->device, plan, &data);
}

/* In plain floats its engines split no sum over the device's processors, and a picture's last layers, of long sums for few pixels,
 * leave most of them idle: where a library's products do, they are faster. On an H200, us by the one and the other: 38 and 56 of
 * 576 numbers for 3136 pixels, 48 and 39 of 1152 for 784, 83 and 34 of 2304 for 196; 386 and 303 of 4608 for 1568. */
static bool is_better_as_product(const bt_call *c, berth_dtype dtype, const sizes *by, bool tf32)
{
    int64_t sum = bt_axes_count(by->filter) * by->depth;
    return dtype == BERTH_FLOAT && !tf32 && by->groups == 1 && 2 * by->pixels < 3 * sum &&
           c->device->ops->libraries() & BT_LIBRARY_GEMM;
}

/* False: the library does not. *turned: weights as it wants them, NULL: not yet made. */
static bool by_convolutions(bt_call *c, berth_dtype dtype, const sizes *by, const bt_epilogue *e, bool tf32, bt_conv_data data,
                            const void **turned)
{
    bt_conv plain = {.batch = by->pixels / bt_axes_count(by->out), .in_c = by->x_c, .out_c = by->y_c, .groups = by->groups,
                     .type = dtype, .tf32 = tf32};
    const void *bias = bt_input_or(c, e->bias, NULL);
    if (!c->device->ops->conv_plan || by->transposed || is_pointwise(by) || !by->depth || !by->n ||
        is_better_as_product(c, dtype, by, tf32))
        return false;
    memcpy(plain.in, by->in, sizeof plain.in);
    memcpy(plain.out, by->out, sizeof plain.out);
    memcpy(plain.filter, by->filter, sizeof plain.filter);
    memcpy(plain.stride, by->stride, sizeof plain.stride);
    memcpy(plain.dilation, by->dilation, sizeof plain.dilation);
    memcpy(plain.before, by->before, sizeof plain.before);
    plain.align = bt_gemm_align((uintptr_t)data.x | (uintptr_t)*turned | (uintptr_t)data.y | (uintptr_t)data.add | (uintptr_t)bias);
    bt_conv whole = plain;
    bt_conv_data with = data, without = data;
    with.bias = bias, without.add = NULL;
    bool is_plain = !bias && !data.add && e->scale < 0 && e->norm < 0;
    if (take_epilogue(&whole, e, data.add) && convolve(c, whole, with, turned)) return true;
    bool is_done = !(is_plain && whole.activation == BT_VEC_COPY) && convolve(c, plain, without, turned) &&
                   !bt_gemm_finish(c, dtype, by->pixels * by->y_c, by->y_c, e, data.add, data.y);
    if (!is_done) bt_error_clear(c->error);
    return is_done;
}

/* ---- By a library's products -------------------------------------------------------------------------- */

static berth_status gather(bt_call *c, berth_dtype dtype, const sizes *by, const void *x, void *patches, int64_t first, int64_t count)
{
    char defines[BT_DEFINES];
    bt_arg args[] = {bt_pointer(x), bt_pointer(patches), bt_bytes(by, sizeof *by), bt_long(first), bt_long(count)};
    int64_t rows = count * bt_axes_count(by->filter);
    bt_grid grid = bt_grid_rows(c, by->depth, rows);
    if (!c->device->is_cpu_shaped && by->depth <= 16) { /* of few channels many pixels at a time */
        size_t wide = by->depth <= 4 ? 4 : 16;
        grid = (bt_grid){{wide, ((size_t)rows + 256 / wide - 1) / (256 / wide) * (256 / wide), 1}, {wide, 256 / wide, 1}};
        if (grid.global[1] > 32768 * grid.local[1]) grid.global[1] = 32768 * grid.local[1];
    }
    bt_gpu_defines(defines, dtype, 0, "-DPIXELS=4 -DCHANNELS=4");
    return bt_gpu_launch(c, BT_CL(conv), defines, "patches", &grid, args, sizeof args / sizeof *args);
}

/* But for pointwise ones, what the pixels see is gathered beforehand, for as many at a time as there is room for. False: the
 * library does not. */
static bool by_products(bt_call *c, berth_dtype dtype, const sizes *by, const bt_epilogue *e, bool tf32, const void *x,
                        const void *weights, bool is_turned, const void *add, void *y)
{
    enum { PATCH_BYTES = 64 << 20, ROWS = 64 };
    bt_gemm_way way = {0};
    bt_gemm g = {.n = by->n, .k = bt_axes_count(by->filter) * by->depth, .batch = 1, .type = dtype, .out = dtype, .tf32 = tf32,
                 .m = by->pixels, .turned_b = is_turned};
    if (by->groups != 1 || by->transposed || g.k > PATCH_BYTES / ROWS / 8) return false;
    if (is_pointwise(by)) return bt_gemm_by_library(c, g, e, x, weights, add, y, &way);
    int64_t row = g.k * (int64_t)bt_dtype_size(dtype), most = PATCH_BYTES / row / ROWS * ROWS;
    if (most < g.m) g.m = most;
    g.align = bt_gemm_align((uintptr_t)weights | (uintptr_t)y | (uintptr_t)add | (uintptr_t)bt_input_or(c, e->bias, NULL));
    if (!bt_gemm_find(c, g, e, &way)) return false;
    void *patches = bt_gemm_scratch(c, (size_t)(g.m * row));
    bool is_done = patches != NULL;
    for (int64_t at = 0; at < by->pixels && is_done; at += most) {
        const void *add_at = add ? bt_at_const(dtype, add, at * g.n) : NULL;
        void *y_at = bt_at(dtype, y, at * g.n);
        if (by->pixels - at < g.m) g.m = by->pixels - at, is_done = bt_gemm_find(c, g, e, &way);
        is_done = is_done && !gather(c, dtype, by, x, patches, at, g.m) &&
                  bt_gemm_run(c, &way, e, patches, weights, add_at, y_at);
    }
    if (!is_done) bt_error_clear(c->error);
    return is_done;
}

/* ---- All ---------------------------------------------------------------------------------------------- */

static sizes all_sizes(bt_conv_form form, const bt_windowing *w, const bt_sizes *s, int64_t groups)
{
    sizes by = form == BT_CONV_DEPTHWISE              ? depthwise_sizes(s)
               : form == BT_CONV_TRANSPOSED           ? transposed_sizes(s, groups)
               : form == BT_CONV_DEPTHWISE_TRANSPOSED ? depthwise_transposed_sizes(s)
                                                      : dense_sizes(s, groups);
    memcpy(by.filter, s->filter, sizeof by.filter);
    memcpy(by.stride, w->stride, sizeof by.stride);
    memcpy(by.dilation, w->dilation, sizeof by.dilation);
    memcpy(by.before, s->before, sizeof by.before);
    return by;
}

static berth_status depthwise_transposed(bt_call *c, berth_dtype dtype, const sizes *by, const void *x, const void *weights, void *y)
{
    char defines[BT_DEFINES];
    bt_arg args[] = {bt_pointer(x), bt_pointer(weights), bt_pointer(y), bt_bytes(by, sizeof *by)};
    bt_grid grid = bt_grid_of(c, by->pixels * by->y_c);
    bt_gpu_defines(defines, dtype, 0, "-DPIXELS=4 -DCHANNELS=4");
    return bt_gpu_launch(c, BT_CL(conv), defines, "depthwise_transposed", &grid, args, 4);
}

berth_status bt_conv_gpu(bt_call *c, bt_conv_form form, berth_dtype dtype, const bt_windowing *w,
                         const bt_sizes *s, int64_t groups, const bt_epilogue *e, const void *x,
                         const void *weights, const void *turned, const void *add, void *y)
{
    static const bt_epilogue none = {-1, -1, -1, -1, BT_VEC_COPY, -INFINITY, INFINITY, 0, 0, 0, NULL};
    bool cpu = c->device->is_cpu_shaped, is_depthwise = form == BT_CONV_DEPTHWISE, is_turned = turned;
    sizes by = all_sizes(form, w, s, groups);
    if (form == BT_CONV_DEPTHWISE_TRANSPOSED) return depthwise_transposed(c, dtype, &by, x, weights, y);
    if (!e) e = &none;
    by.kinds = bt_epilogue_kinds_of(e, add);
    bool tf32 = bt_attr_bool(c->node, "_tf32", false);
    bt_conv_data data = {.x = x, .w = weights, .add = add, .y = y};
    if (!is_depthwise && by_convolutions(c, dtype, &by, e, tf32, data, &turned)) return BERTH_OK;
    if (!is_depthwise && by_products(c, dtype, &by, e, tf32, x, turned ? turned : weights, turned, add, y)) return BERTH_OK;
    if (by.transposed) {
        size_t bytes = bt_tensor_bytes(c->in[1]);
        void *copy = bt_scratch(c, bytes);
        if (!copy || bt_swap_axes(c, dtype, copy, weights, bt_axes_count(s->filter), by.n, s->out_c)) return BERTH_NO_MEMORY;
        weights = copy;
    } else if (is_turned) {
        weights = turned;
        by.per_tap = by.depth, by.per_row = 1, by.per_channel = bt_axes_count(by.filter) * by.depth, by.per_group = by.n * by.per_channel;
    }
    bt_arg args[4 + BT_EPILOGUE_ARGS] = {bt_pointer(x), bt_pointer(weights), bt_pointer(y), bt_bytes(&by, sizeof by)};
    bt_epilogue_args(c, e, add, x, args + 4);
    char defines[BT_DEFINES];
    int64_t channels = cpu ? CPU_CHANNELS : GPU_CHANNELS, wide = is_depthwise ? by.y_c : by.n;
    int64_t tiles = (is_depthwise ? by.pixels : (by.pixels + PIXELS - 1) / PIXELS * groups) *
                    ((wide + channels - 1) / channels);
    /* A tile is much work: as much as the grain of a grid's pieces. */
    bt_grid grid = bt_grid_of(c, cpu ? tiles * 4096 : tiles);
    bt_gpu_defines(defines, dtype, 0, cpu         ? "-DPIXELS=4 -DCHANNELS=16"
                                      : is_turned ? "-DPIXELS=4 -DCHANNELS=4 -DTURNED"
                                                  : "-DPIXELS=4 -DCHANNELS=4");
    return bt_gpu_launch(c, BT_CL(conv), defines, is_depthwise ? "depthwise" : "dense", &grid, args,
                         (int)(sizeof args / sizeof *args));
}
