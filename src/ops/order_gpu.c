/* Keys in order, and marks numbered, on a device: launches of order.cl. */
#include "ops/gpu.h"
#include "ops/order.h"

BT_CL_DECLARE(order);

enum { NEAR = 512 };

static berth_status launch(bt_call *c, const char *kernel, const bt_grid *grid, const bt_arg *args,
                           int n_args)
{
    return bt_gpu_launch(c, BT_CL(order), "-DNEAR=512", kernel, grid, args, n_args);
}

static berth_status sort_near(bt_call *c, uint64_t *keys, int32_t *places, int64_t count, int64_t width,
                              int64_t last, int64_t size)
{
    bt_arg args[] = {bt_pointer(keys), bt_pointer(places), bt_long(count),
                     bt_long(width),   bt_long(last),      bt_long(size)};
    bt_grid grid = bt_grid_groups(c, (count + NEAR - 1) / NEAR, NEAR / 2);
    return launch(c, "sort_near", &grid, args, 6);
}

berth_status bt_sort_rows_take(bt_call *c, int64_t n, int64_t rows, int64_t most, bt_sort_rows *s)
{
    const int64_t each = sizeof *s->keys + sizeof *s->places;
    s->size = 1;
    while (s->size < n) s->size *= 2;
    int64_t fit = most / each / s->size;
    s->rows = fit < 1 ? 1 : fit < rows ? fit : rows;
    size_t count = (size_t)(s->rows * s->size);
    s->keys = bt_scratch(c, count * sizeof *s->keys + 1);
    s->places = s->keys ? bt_scratch(c, count * sizeof *s->places + 1) : NULL;
    return s->places ? BERTH_OK : BERTH_NO_MEMORY;
}

berth_status bt_sort_rows_gpu(bt_call *c, const bt_sort_rows *s, int64_t rows)
{
    uint64_t *keys = s->keys;
    int32_t *places = s->places;
    int64_t size = s->size, count = rows * size;
    if (count == 0 || size < 2) return BERTH_OK;
    berth_status status = sort_near(c, keys, places, count, 2, size < NEAR ? size : NEAR, size);
    for (int64_t width = 2 * NEAR; width <= size && !status; width *= 2) {
        for (int64_t apart = width / 2; apart >= NEAR && !status; apart /= 2) {
            bt_arg pass[] = {bt_pointer(keys), bt_pointer(places), bt_long(count / 2),
                             bt_long(width),   bt_long(apart),     bt_long(size)};
            bt_grid grid = bt_grid_of(c, count / 2);
            status = launch(c, "sort_pass", &grid, pass, 6);
        }
        if (!status) status = sort_near(c, keys, places, count, width, width, size);
    }
    return status;
}

berth_status bt_number_marks_gpu(bt_call *c, uint32_t *marks, int64_t n, int64_t *found)
{
    int64_t most = c->device->is_cpu_shaped ? 64 : 16384, pieces = n < most ? n : most;
    *found = 0;
    if (n == 0) return BERTH_OK;
    if (n > INT32_MAX)
        return bt_call_unsupported(c, "more than %d elements to number on %s", INT32_MAX, c->device->name);
    int64_t *counts = bt_scratch(c, ((size_t)pieces + 1) * sizeof *counts);
    if (!counts) return BERTH_NO_MEMORY;
    bt_arg count[] = {bt_pointer(marks), bt_pointer(counts), bt_long(n), bt_long(pieces)};
    bt_arg sum[] = {bt_pointer(counts), bt_long(pieces)};
    bt_grid grid = bt_grid_of(c, c->device->is_cpu_shaped ? n : pieces), one = bt_grid_groups(c, 1, pieces);
    berth_status status = launch(c, "count_marks", &grid, count, 4);
    if (!status) status = launch(c, "sum_up", &one, sum, 2);
    if (!status) status = launch(c, "number_marks", &grid, count, 4);
    return status ? status : bt_gpu_read(c, found, counts + pieces, sizeof *found);
}
