/* Rows named by vectors of indices, on a device: what gather.c and scatter.c hand to the kernels of scatter.cl. */
#include "ops/scatter.h"

BT_CL_DECLARE(scatter);

/* As in scatter.cl. */
typedef struct naming {
    int64_t n, depth, slice, ignore, wrap, dim[BT_MAX_RANK];
} naming;

static naming naming_of(const bt_call *c, const bt_tensor *indices, const bt_shape *shape)
{
    int rank = indices->shape.rank;
    naming by = {.n = rank > 0 ? bt_shape_span(&indices->shape, 0, rank - 1) : 1,
                 .depth = rank > 0 ? indices->shape.dim[rank - 1] : 1,
                 .ignore = !strcmp(bt_attr_string(c->node, "bad_indices_policy", ""), "IGNORE")};
    by.slice = bt_shape_span(shape, (int)by.depth, shape->rank);
    memcpy(by.dim, shape->dim, (size_t)shape->rank * sizeof *by.dim);
    return by;
}

berth_status bt_gather_nd_gpu(bt_call *c, void *out, const bt_tensor *params, const bt_tensor *indices)
{
    char defines[BT_DEFINES];
    naming by = naming_of(c, indices, &params->shape);
    if (by.n == 0 || by.slice == 0) return BERTH_OK;
    bt_gpu_defines(defines, bt_gpu_word(params->dtype, &by.slice), indices->dtype, "");
    bt_arg args[7] = {bt_pointer(params->data), bt_pointer(indices->data), bt_pointer(out), bt_bytes(&by, sizeof by)};
    bt_grid grid = bt_grid_rows(c, by.slice, by.n);
    berth_status status = bt_gpu_fault(c, BT_BAD_ROW, args + 4);
    return status ? status : bt_gpu_launch(c, BT_CL(scatter), defines, "gather_nd", &grid, args, 7);
}

/* Lists of updates, by row, in order. */
static berth_status link_updates(bt_call *c, const naming *by, const bt_tensor *indices, int64_t rows, uint32_t **first,
                                 uint32_t **next, int64_t **row)
{
    char defines[BT_DEFINES];
    size_t n = (size_t)by->n;
    *row = bt_scratch(c, n * sizeof **row);
    *next = *row ? bt_scratch(c, n * sizeof **next) : NULL;
    *first = *next ? bt_scratch(c, n * sizeof **first) : NULL;
    uint32_t *head = *first ? bt_scratch(c, (size_t)rows * sizeof *head) : NULL;
    if (!head) return BERTH_NO_MEMORY;
    bt_arg link[8] = {bt_pointer(indices->data), bt_pointer(head), bt_pointer(*next), bt_pointer(*row),
                      bt_bytes(by, sizeof *by)};
    berth_status status = bt_gpu_fault(c, BT_BAD_ROW, link + 5);
    if (!status) status = bt_call_zero(c, BERTH_UINT32, head, rows);
    bt_grid grid = bt_grid_of(c, by->n);
    bt_gpu_defines(defines, BERTH_UINT8, indices->dtype, "");
    if (!status) status = bt_gpu_launch(c, BT_CL(scatter), defines, "scatter_link", &grid, link, 8);
    bt_arg sort[] = {bt_pointer(head), bt_pointer(*next), bt_pointer(*row), bt_pointer(*first), bt_long(by->n)};
    return status ? status : bt_gpu_launch(c, BT_CL(scatter), defines, "scatter_sort", &grid, sort, 5);
}

berth_status bt_scatter_gpu(bt_call *c, void *out, const bt_shape *shape, const bt_tensor *indices,
                            const bt_tensor *updates, bt_combine_op op, bt_bad_rows bad)
{
    static const char *const names[] = {[BT_SET] = "-DOP=SET", [BT_ADD] = "-DOP=ADD", [BT_SUB] = "-DOP=SUB",
                                        [BT_MUL] = "-DOP=MUL", [BT_DIV] = "-DOP=DIV", [BT_MIN] = "-DOP=MIN",
                                        [BT_MAX] = "-DOP=MAX"};
    char defines[BT_DEFINES];
    uint32_t *first, *next;
    int64_t *row;
    naming by = naming_of(c, indices, shape);
    by.wrap = bad == BT_ROWS_WRAP;
    if (bad == BT_ROWS_SKIP) by.ignore = 1;
    if (by.n == 0) return BERTH_OK;
    if (bt_shape_count(shape) == 0) return bt_call_fail(c, "there are indices for an empty tensor");
    if (by.n > INT32_MAX) return bt_call_unsupported(c, "more than %d updates on %s", INT32_MAX, c->device->name);
    berth_status status = link_updates(c, &by, indices, bt_shape_span(shape, 0, (int)by.depth), &first, &next, &row);
    if (status) return status;
    bt_arg args[] = {bt_pointer(out), bt_pointer(updates->data), bt_pointer(first),   bt_pointer(next),
                     bt_pointer(row), bt_long(by.n),             bt_long(by.slice)};
    bt_grid grid = bt_grid_rows(c, by.slice, by.n);
    bt_gpu_defines(defines, op == BT_SET ? bt_gpu_unit(updates->dtype) : updates->dtype, 0, names[op]);
    return bt_gpu_launch(c, BT_CL(scatter), defines, "scatter_apply", &grid, args, 7);
}

berth_status bt_carry_rows_gpu(bt_call *c, berth_dtype dtype, void *out, const void *in, const int64_t *to, const int64_t *from,
                               int64_t n, int64_t row)
{
    char defines[BT_DEFINES];
    if (n == 0 || row == 0) return BERTH_OK;
    void *there = bt_gpu_upload(c, to, (size_t)n * sizeof *to);
    void *here = there ? bt_gpu_upload(c, from, (size_t)n * sizeof *from) : NULL;
    if (!here) return c->error->status;
    bt_arg args[] = {bt_pointer(out),  bt_pointer(in), bt_pointer(there),
                     bt_pointer(here), bt_long(n),     bt_long(row)};
    bt_grid grid = bt_grid_rows(c, row, n);
    bt_gpu_defines(defines, bt_gpu_unit(dtype), 0, "");
    return bt_gpu_launch(c, BT_CL(scatter), defines, "carry", &grid, args, 6);
}
