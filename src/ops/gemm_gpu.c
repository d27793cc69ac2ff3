/* Products by a device's library. It does a bias, an addition and a Relu by itself; all else that is fused follows in a kernel
 * of our own (gemm_gpu.cl). Working memory is the step's, and where there is none the library does without. */
#include "ops/gemm_gpu.h"

#include <math.h>

#include "device/watch.h"
#include "ops/epilogue_gpu.h"

BT_CL_DECLARE(gemm_gpu);

/* As in gemm_gpu.cl. */
typedef struct finishing {
    int64_t count, n;
    bt_epilogue_kinds kinds;
} finishing;

berth_status bt_gemm_finish(bt_call *c, berth_dtype dtype, int64_t count, int64_t n, const bt_epilogue *e,
                            const void *add, void *y)
{
    char defines[BT_DEFINES];
    finishing by = {.count = count, .n = n, .kinds = bt_epilogue_kinds_of(e, add)};
    bt_arg args[2 + BT_EPILOGUE_ARGS] = {bt_pointer(y), bt_bytes(&by, sizeof by)};
    bt_epilogue_args(c, e, add, y, args + 2);
    bt_grid grid = bt_grid_of(c, by.count);
    bt_gpu_defines(defines, dtype, 0, "");
    return bt_gpu_launch(c, BT_CL(gemm_gpu), defines, "finish", &grid, args, sizeof args / sizeof *args);
}

static bool is_clamped(const bt_epilogue *e) { return e->low > -INFINITY || e->high < INFINITY; }
static bool is_relu(const bt_epilogue *e) { return e->low == 0 && e->high == INFINITY; }

/* Whether the library can do all of it. */
static bool is_simple(const bt_epilogue *e)
{
    return e->scale < 0 && e->norm < 0 && e->activation == BT_VEC_COPY && (is_relu(e) || !is_clamped(e));
}

uint32_t bt_gemm_align(uintptr_t bits)
{
    bits |= 16;
    return (uint32_t)(bits & -bits);
}

void *bt_gemm_scratch(bt_call *c, size_t bytes)
{
    void *p = bt_scratch(c, bytes);
    if (!p) bt_error_clear(c->error);
    return p;
}

/* Work of one product after the other may lie in the same place: they stand in one stream. */
static bool make_room(bt_call *c, bt_gemm_way *way, size_t bytes)
{
    if (bytes <= way->workspace_bytes) return true;
    void *p = bt_gemm_scratch(c, bytes);
    if (p) way->workspace = p, way->workspace_bytes = bytes;
    return p;
}

static bool find(bt_call *c, bt_gemm_way *way)
{
    size_t bytes = 0;
    way->plan = c->device->ops->gemm_plan(c->device, &way->what, &bytes);
    if (!way->plan || make_room(c, way, bytes)) return way->plan;
    way->what.no_workspace = 1;
    way->plan = c->device->ops->gemm_plan(c->device, &way->what, &bytes);
    if (bytes) way->plan = NULL;
    return way->plan;
}

bool bt_gemm_find(bt_call *c, bt_gemm what, const bt_epilogue *e, bt_gemm_way *way)
{
    if (!c->device->ops->gemm_plan || !what.m || !what.n || !what.k || !what.batch) return false;
    way->is_whole = !e || is_simple(e);
    way->what = what;
    if (e && way->is_whole) way->what.has_bias = e->bias >= 0, way->what.relu = is_relu(e);
    if (find(c, way)) return true;
    if (!way->what.has_bias && !way->what.relu) return false;
    way->is_whole = false;
    way->what = what;
    return find(c, way);
}

bool bt_gemm_run(bt_call *c, const bt_gemm_way *way, const bt_epilogue *e, const void *a, const void *b,
                 const void *add, void *y)
{
    bt_gemm_data data = {.a = a, .b = b, .y = y, .workspace = way->workspace};
    if (way->is_whole) data.add = add, data.bias = way->what.has_bias ? c->in[e->bias]->data : NULL;
    if (!bt_device_gemm(c->device, way->plan, &data)) return false;
    const bt_gemm *w = &way->what;
    if (way->is_whole || !bt_gemm_finish(c, (berth_dtype)w->out, w->batch * w->m * w->n, w->n, e, add, y)) return true;
    return bt_error_clear(c->error), false;
}

bool bt_gemm_by_library(bt_call *c, bt_gemm what, const bt_epilogue *e, const void *a, const void *b,
                        const void *add, void *y, bt_gemm_way *way)
{
    what.align = bt_gemm_align((uintptr_t)a | (uintptr_t)b | (uintptr_t)y | (uintptr_t)add |
                               (e ? (uintptr_t)bt_input_or(c, e->bias, NULL) : 0));
    if (!bt_gemm_find(c, what, e, way)) return false;
    if (bt_gemm_run(c, way, e, a, b, add, y)) return true;
    /* What failed is not found again: without the epilogue, perhaps. */
    return way->is_whole && e && bt_gemm_find(c, what, e, way) && bt_gemm_run(c, way, e, a, b, add, y);
}
