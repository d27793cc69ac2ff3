/* Products by a device's library. It does a bias, an addition and a Relu by itself; all else that is fused follows in a kernel
 * of our own (gemm_gpu.cl). Working memory is the step's, and where there is none the library does without. */
#include "ops/gemm_gpu.h"

#include <math.h>

#include "device/watch.h"
#include "ops/gpu.h"

BT_CL_DECLARE(gemm_gpu);

/* As in gemm_gpu.cl. */
typedef struct finishing {
    int64_t count, n, activation, scale, bias, norm, add;
} finishing;

static const void *input(const bt_call *c, int i, const void *none) { return i < 0 ? none : c->in[i]->data; }

static berth_status finish(bt_call *c, const bt_gemm *what, const bt_epilogue *e, const void *add, void *y)
{
    char defines[BT_DEFINES];
    finishing by = {.count = what->batch * what->m * what->n,
                    .n = what->n,
                    .activation = e->activation == BT_VEC_COPY ? 0 : e->activation,
                    .scale = e->scale >= 0,
                    .bias = e->bias >= 0,
                    .norm = e->norm >= 0,
                    .add = add != NULL};
    bt_arg args[] = {bt_pointer(y),
                     bt_bytes(&by, sizeof by),
                     bt_pointer(input(c, e->scale, y)),
                     bt_pointer(input(c, e->bias, y)),
                     bt_pointer(input(c, e->norm, y)),
                     bt_pointer(input(c, by.norm ? e->norm + 1 : -1, y)),
                     bt_pointer(input(c, by.norm ? e->norm + 2 : -1, y)),
                     bt_pointer(input(c, by.norm ? e->norm + 3 : -1, y)),
                     bt_pointer(add ? add : y),
                     bt_float(e->low),
                     bt_float(e->high),
                     bt_float(e->alpha),
                     bt_float(e->epsilon)};
    bt_grid grid = bt_grid_of(c, by.count);
    bt_gpu_defines(defines, (berth_dtype)what->out, 0, "");
    return bt_gpu_launch(c, BT_CL(gemm_gpu), defines, "finish", &grid, args, sizeof args / sizeof *args);
}

static bool is_clamped(const bt_epilogue *e) { return e->low > -INFINITY || e->high < INFINITY; }
static bool is_relu(const bt_epilogue *e) { return e->low == 0 && e->high == INFINITY; }

/* Whether the library can do all of it. */
static bool is_simple(const bt_epilogue *e)
{
    return e->scale < 0 && e->norm < 0 && e->activation == BT_VEC_COPY && (is_relu(e) || !is_clamped(e));
}

static uint32_t alignment(const bt_gemm_data *d)
{
    uintptr_t all =
        16 | (uintptr_t)d->a | (uintptr_t)d->b | (uintptr_t)d->y | (uintptr_t)d->add | (uintptr_t)d->bias;
    return (uint32_t)(all & -all);
}

bool bt_gemm_is_there(const bt_call *c, bt_gemm what)
{
    size_t ignored;
    what.align = 16;
    return c->device->ops->gemm_plan && c->device->ops->gemm_plan(c->device, &what, &ignored);
}

void *bt_gemm_scratch(bt_call *c, size_t bytes)
{
    void *p = bt_scratch(c, bytes);
    if (!p) bt_error_clear(c->error);
    return p;
}

static bool product(bt_call *c, bt_gemm what, bt_gemm_data data)
{
    size_t bytes = 0;
    what.align = alignment(&data);
    const bt_gemm_plan *plan = c->device->ops->gemm_plan(c->device, &what, &bytes);
    if (plan && bytes && !(data.workspace = bt_gemm_scratch(c, bytes))) {
        what.no_workspace = 1;
        plan = c->device->ops->gemm_plan(c->device, &what, &bytes);
        if (plan && bytes) return false;
    }
    return plan && bt_device_gemm(c->device, plan, &data);
}

bool bt_gemm_by_library(bt_call *c, bt_gemm what, const bt_epilogue *e, const void *a, const void *b,
                        const void *add, void *y)
{
    bt_gemm_data data = {.a = a, .b = b, .y = y};
    if (!c->device->ops->gemm_plan || !what.m || !what.n || !what.k || !what.batch) return false;
    if (!e) return product(c, what, data);
    bool is_plain = e->bias < 0 && !add && is_simple(e) && !is_clamped(e);
    if (is_simple(e)) {
        bt_gemm with = what;
        with.has_bias = e->bias >= 0, with.relu = is_relu(e);
        data.add = add, data.bias = input(c, e->bias, NULL);
        if (product(c, with, data)) return true;
    }
    data.add = data.bias = NULL;
    if (is_plain || !product(c, what, data)) return false;
    if (!finish(c, &what, e, add, y)) return true;
    return bt_error_clear(c->error), false;
}
