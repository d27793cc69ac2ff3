/* Convolutions on a device: the sizes as conv.cl wants them, and its launches; where a library does products, those of dense ones are its. */
#include "ops/conv_gpu.h"

#include <math.h>

#include "ops/epilogue_gpu.h"
#include "ops/gemm_gpu.h"
#include "ops/move.h"

BT_CL_DECLARE(conv);

/* As in conv.cl. */
typedef struct sizes {
    int64_t pixels, x_c, y_c, groups, depth, n, per_tap, per_group, per_row;
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

/* ---- By a library's products -------------------------------------------------------------------------- */

/* One that looks at a pixel each is a product of [pixels][depth] and [depth][n] as it is. */
static bool is_pointwise(const sizes *by)
{
    bool is = true;
    for (int i = 0; i < BT_AXES; i++)
        is = is && by->filter[i] == 1 && by->stride[i] == 1 && by->before[i] == 0 && by->in[i] == by->out[i];
    return is;
}

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

/* Else what the pixels see is gathered beforehand, for as many at a time as there is room for. False: the library does not. */
static bool by_library(bt_call *c, berth_dtype dtype, const sizes *by, const bt_epilogue *e, bool tf32, const void *x,
                       const void *weights, const void *add, void *y)
{
    enum { PATCH_BYTES = 64 << 20, ROWS = 64 };
    bt_gemm_way way = {0};
    bt_gemm g = {.n = by->n, .k = bt_axes_count(by->filter) * by->depth, .batch = 1, .type = dtype, .out = dtype, .tf32 = tf32};
    g.m = by->pixels;
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

berth_status bt_conv_gpu(bt_call *c, bt_conv_form form, berth_dtype dtype, const bt_windowing *w,
                         const bt_sizes *s, int64_t groups, const bt_epilogue *e, const void *x,
                         const void *weights, const void *add, void *y)
{
    static const bt_epilogue none = {-1, -1, -1, -1, BT_VEC_COPY, -INFINITY, INFINITY, 0, 0, 0, NULL};
    bool cpu = c->device->is_cpu_shaped, is_depthwise = form == BT_CONV_DEPTHWISE;
    sizes by = is_depthwise                 ? depthwise_sizes(s)
               : form == BT_CONV_TRANSPOSED ? transposed_sizes(s, groups)
                                            : dense_sizes(s, groups);
    if (!e) e = &none;
    memcpy(by.filter, s->filter, sizeof by.filter);
    memcpy(by.stride, w->stride, sizeof by.stride);
    memcpy(by.dilation, w->dilation, sizeof by.dilation);
    memcpy(by.before, s->before, sizeof by.before);
    by.kinds = bt_epilogue_kinds_of(e, add);
    bool tf32 = bt_attr_bool(c->node, "_tf32", false);
    if (!is_depthwise && by_library(c, dtype, &by, e, tf32, x, weights, add, y)) return BERTH_OK;
    if (by.transposed) {
        size_t bytes = bt_tensor_bytes(c->in[1]);
        void *turned = bt_scratch(c, bytes);
        if (!turned || bt_swap_axes(c, dtype, turned, weights, bt_axes_count(s->filter), by.n, s->out_c))
            return BERTH_NO_MEMORY;
        weights = turned;
    }
    bt_arg args[4 + BT_EPILOGUE_ARGS] = {bt_pointer(x), bt_pointer(weights), bt_pointer(y), bt_bytes(&by, sizeof by)};
    bt_epilogue_args(c, e, add, x, args + 4);
    char defines[BT_DEFINES];
    int64_t channels = cpu ? CPU_CHANNELS : GPU_CHANNELS, wide = is_depthwise ? by.y_c : by.n;
    int64_t tiles = (is_depthwise ? by.pixels : (by.pixels + PIXELS - 1) / PIXELS * groups) *
                    ((wide + channels - 1) / channels);
    /* A tile is much work: as much as the grain of a grid's pieces. */
    bt_grid grid = bt_grid_of(c, cpu ? tiles * 4096 : tiles);
    bt_gpu_defines(defines, dtype, 0, cpu ? "-DPIXELS=4 -DCHANNELS=16" : "-DPIXELS=4 -DCHANNELS=4");
    return bt_gpu_launch(c, BT_CL(conv), defines, is_depthwise ? "depthwise" : "dense", &grid, args,
                         (int)(sizeof args / sizeof *args));
}
