/* Moving elements where a call's data lies: on the host through move.c, on a device by the kernels of move.cl. */
#include "ops/gpu.h"
#include "ops/move.h"

BT_CL_DECLARE(move);

/* As in move.cl. */
typedef struct axes {
    int64_t rows, inner, to_inner, from_inner, dim[BT_MOVE_RANK], to[BT_MOVE_RANK], from[BT_MOVE_RANK];
} axes;

bool bt_on_device(const bt_call *c) { return c->device && c->device->ops->compile; }

static axes axes_of(const bt_move *m)
{
    int last = m->rank - 1;
    axes by = {.rows = 1, .inner = 1, .to_inner = 1, .from_inner = 1};
    if (last >= 0) by.inner = m->dim[last], by.to_inner = m->to[last], by.from_inner = m->from[last];
    for (int i = 0; i < BT_MOVE_RANK; i++) {
        by.dim[i] = 1;
        if (i >= last) continue;
        int axis = last - 1 - i;
        by.dim[i] = m->dim[axis], by.to[i] = m->to[axis], by.from[i] = m->from[axis];
        by.rows *= m->dim[axis];
    }
    return by;
}

static berth_status launch(bt_call *c, const char *kernel, const bt_move *m, void *dst, bt_arg second)
{
    char defines[BT_DEFINES];
    bt_move merged;
    berth_dtype unit = bt_gpu_unit(m->dtype);
    if (!bt_move_merge(m, &merged)) return BERTH_OK;
    axes by = axes_of(&merged);
    bt_grid grid = bt_grid_rows(c, by.inner, by.rows);
    bt_arg args[] = {bt_pointer(dst), second, bt_bytes(&by, sizeof by)};
    return bt_gpu_launch(c, BT_CL(move), bt_gpu_defines(defines, unit, 0, ""), kernel, &grid, args, 3);
}

berth_status bt_call_move(bt_call *c, const bt_move *m, void *dst, const void *src)
{
    return bt_on_device(c) ? launch(c, "move", m, dst, bt_pointer(src))
                           : bt_move_run(m, dst, src, c->pool, c->error);
}

berth_status bt_call_repeat(bt_call *c, const bt_move *m, void *dst, const void *value)
{
    bt_move one = *m;
    int64_t bits[2] = {0};
    memset(one.from, 0, sizeof one.from);
    if (!bt_on_device(c)) return bt_move_run(&one, dst, value, c->pool, c->error);
    if (bt_dtype_size(m->dtype) <= sizeof bits) memcpy(bits, value, bt_dtype_size(m->dtype));
    return launch(c, "repeat", &one, dst, bt_bytes(bits, sizeof bits));
}

berth_status bt_call_row(bt_call *c, berth_dtype dtype, void *dst, const void *src, int64_t n)
{
    bt_move m = {.dtype = dtype};
    bt_move_axis(&m, n, 1, 1);
    return bt_call_move(c, &m, dst, src);
}

berth_status bt_call_fill(bt_call *c, berth_dtype dtype, void *dst, const void *value, int64_t n)
{
    bt_move m = {.dtype = dtype};
    bt_move_axis(&m, n, 1, 0);
    return bt_call_repeat(c, &m, dst, value);
}

berth_status bt_call_zero(bt_call *c, berth_dtype dtype, void *dst, int64_t n)
{
    static const char zero[16];
    if (bt_on_device(c)) return bt_call_fill(c, dtype, dst, zero, n);
    if (!bt_dtype_is_object(dtype)) memset(dst, 0, (size_t)n * bt_dtype_size(dtype));
    return BERTH_OK;
}
