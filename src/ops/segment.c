/* Reductions over groups of rows: Segment* (sorted ids), UnsortedSegment*, and SparseSegment*, which picks its rows by
 * index first. Rows are added up one after the other; half and bfloat16 are summed in float. */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/variable.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

typedef enum finish { AS_IS, MEAN, SQRT_N } finish;

/* out[ids[i]] op= data[rows[i]], for i < n */
typedef struct segments {
    berth_dtype dtype; /* of the arithmetic */
    bt_combine_op op;
    finish finish;
    const void *data;
    const int64_t *rows; /* NULL: i itself */
    const int64_t *ids;  /* negative: left out */
    int64_t n, row;      /* rows; elements of each */
    int64_t out_rows;
    bool counted; /* segments without rows get `empty` in the end */
    double empty;
} segments;

/* The value that leaves every other alone: 0, 1, or the end of `dtype`'s range. */
static void put_start(berth_dtype dtype, berth_dtype narrow, bt_combine_op op, void *p)
{
    bool low = op == BT_MAX;
    if (op != BT_MAX && op != BT_MIN) {
        bt_put_number(dtype, p, op == BT_MUL ? 1 : 0);
        return;
    }
    switch (narrow) {
    case BERTH_FLOAT: bt_put_number(dtype, p, low ? -FLT_MAX : FLT_MAX); break;
    case BERTH_DOUBLE: bt_put_number(dtype, p, low ? -DBL_MAX : DBL_MAX); break;
    case BERTH_HALF: bt_put_number(dtype, p, low ? -65504 : 65504); break;
    case BERTH_BFLOAT16: bt_put_number(dtype, p, low ? -0x1.fep127 : 0x1.fep127); break;
    case BERTH_INT8: *(int8_t *)p = low ? INT8_MIN : INT8_MAX; break;
    case BERTH_INT16: *(int16_t *)p = low ? INT16_MIN : INT16_MAX; break;
    case BERTH_INT32: *(int32_t *)p = low ? INT32_MIN : INT32_MAX; break;
    case BERTH_INT64: *(int64_t *)p = low ? INT64_MIN : INT64_MAX; break;
    default: memset(p, low ? 0 : 0xff, bt_dtype_size(dtype)); break;
    }
}

/* ---- Adding up ---------------------------------------------------------------------------------------- */

static berth_status divide_rows(bt_call *c, const segments *s, char *out, const int64_t *counts)
{
    uint64_t by[2];
    size_t bytes = (size_t)s->row * bt_dtype_size(s->dtype);
    for (int64_t i = 0; i < s->out_rows; i++) {
        if (counts[i] < 2) continue;
        bt_put_number(s->dtype, by, s->finish == MEAN ? (double)counts[i] : sqrt((double)counts[i]));
        berth_status status = bt_combine(s->dtype, BT_DIV, out + (size_t)i * bytes, by, s->row, 0, c->error);
        if (status) return status;
    }
    return BERTH_OK;
}

static berth_status add_up(bt_call *c, const segments *s, berth_dtype narrow, char *out)
{
    uint64_t start[2], empty[2];
    size_t bytes = (size_t)s->row * bt_dtype_size(s->dtype);
    int64_t *counts = bt_scratch(c, ((size_t)s->out_rows + 1) * sizeof *counts);
    if (!counts) return BERTH_NO_MEMORY;
    if (bytes == 0) return BERTH_OK;
    memset(counts, 0, (size_t)s->out_rows * sizeof *counts);
    put_start(s->dtype, narrow, s->op, start);
    bt_put_number(s->dtype, empty, s->empty);
    berth_status status = bt_move_fill(s->dtype, out, start, s->out_rows * s->row, c->pool, c->error);
    for (int64_t i = 0; !status && i < s->n; i++) {
        if (s->ids[i] < 0) continue;
        const char *row = (const char *)s->data + (size_t)(s->rows ? s->rows[i] : i) * bytes;
        counts[s->ids[i]]++;
        status = bt_combine(s->dtype, s->op, out + (size_t)s->ids[i] * bytes, row, s->row, 1, c->error);
    }
    for (int64_t i = 0; !status && s->counted && i < s->out_rows; i++)
        if (counts[i] == 0)
            status = bt_move_fill(s->dtype, out + (size_t)i * bytes, empty, s->row, NULL, c->error);
    return status || s->finish == AS_IS ? status : divide_rows(c, s, out, counts);
}

/* Runs over data of its own type, or, for the narrow floats, in float and back. */
static berth_status reduce(bt_call *c, segments *s, const bt_tensor *data, const bt_shape *shape)
{
    berth_dtype dtype = data->dtype;
    bool narrow = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    int64_t n = bt_shape_count(shape);
    s->dtype = narrow ? BERTH_FLOAT : dtype;
    s->data = narrow ? bt_call_floats(c, data) : data->data;
    float *work = narrow ? bt_scratch(c, ((size_t)n + 1) * sizeof *work) : NULL;
    if (narrow && (!work || !s->data)) return BERTH_NO_MEMORY;
    uint16_t *out = bt_out(c, 0, dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    berth_status status = add_up(c, s, dtype, narrow ? (char *)work : (char *)out);
    for (int64_t i = 0; narrow && !status && i < n; i++)
        out[i] = dtype == BERTH_HALF ? bt_float_to_half(work[i]) : bt_float_to_bf16(work[i]);
    return status;
}

/* ---- Segment* ----------------------------------------------------------------------------------------- */

/* [rows, data.shape[from:]] */
static bt_shape rows_of(const bt_shape *data, int from, int64_t rows)
{
    bt_shape s = {.rank = data->rank < 0 ? -1 : data->rank - from + 1};
    if (data->rank < 0) return s;
    s.dim[0] = rows;
    memcpy(s.dim + 1, data->dim + from, (size_t)(data->rank - from) * sizeof *s.dim);
    return s;
}

#define ID_FALLS "segment ids must rise from 0, but number %lld is %lld"
#define ROW_OUT "index %lld at %lld is not in [0, %lld)"
#define ID_OUT "id %lld at %lld is not below %lld"
#define TOO_FEW "ids up to %lld for %lld segments"

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(segment);

/* As in segment.cl. */
typedef struct gpu_segments {
    int64_t n, row, out_rows, data_rows;
} gpu_segments;

static const char *gpu_defines(char text[BT_DEFINES], const bt_call *c, bt_combine_op op, int ids, int rows)
{
    char more[48];
    const char *name = op == BT_ADD ? "ADD" : op == BT_MUL ? "MUL" : op == BT_MIN ? "MIN" : "MAX";
    snprintf(more, sizeof more, "-DOP=%s%s%s", name, rows ? " -DDT2=" : "", rows ? bt_gpu_type(c->in[rows]->dtype) : "");
    return bt_gpu_defines(text, c->in[0]->dtype, c->in[ids]->dtype, more);
}

/* The last id of input i says how many segments there are. */
static berth_status read_segments(bt_call *c, int i, int64_t *out_rows)
{
    const bt_tensor *ids = c->in[i];
    int64_t n = bt_tensor_count(ids), last = -1;
    int32_t narrow = 0;
    bool wide = ids->dtype == BERTH_INT64;
    if (n == 0) return *out_rows = 0, BERTH_OK;
    const char *at = (const char *)ids->data + (size_t)(n - 1) * (wide ? 8 : 4);
    berth_status status = wide ? bt_gpu_read(c, &last, at, 8) : bt_gpu_read(c, &narrow, at, 4);
    if (!wide) last = narrow;
    if (status) return status;
    if (last < 0 || last == INT64_MAX) return bt_call_fail(c, ID_FALLS, (long long)n - 1, (long long)last);
    return *out_rows = last + 1, BERTH_OK;
}

/* A kernel that looks at n numbers, and fails with `text` where one is bad; most: what they are below, -1: nothing. */
static berth_status launch_check(bt_call *c, const char *defines, const char *kernel, const char *text, const void *p,
                                 int64_t n, int64_t most)
{
    bt_arg args[6] = {bt_pointer(p), bt_long(n), bt_long(most)};
    int given = most < 0 ? 2 : 3;
    berth_status status = n == 0 ? BERTH_OK : bt_gpu_fault(c, text, args + given);
    bt_grid grid = bt_grid_of(c, n);
    return status || n == 0 ? status : bt_gpu_launch(c, BT_CL(segment), defines, kernel, &grid, args, given + 3);
}

/* ids: which input; rows: which one picks rows, 0: none. */
static berth_status fold_sorted_on_gpu(bt_call *c, const segments *s, int ids, int rows, const bt_shape *shape)
{
    char defines[BT_DEFINES];
    gpu_segments by = {s->n, s->row, s->out_rows, c->in[0]->shape.dim[0]};
    void *out = bt_out(c, 0, c->in[0]->dtype, shape);
    if (!out) return c->error->status;
    gpu_defines(defines, c, s->op, ids, rows);
    berth_status status = launch_check(c, defines, "ids_rise", ID_FALLS, c->in[ids]->data, s->n, -1);
    if (!status && rows)
        status = launch_check(c, defines, "rows_fit", ROW_OUT, c->in[rows]->data, s->n, by.data_rows);
    if (!status && c->n_in > 3)
        status = launch_check(c, defines, "ids_fit", TOO_FEW, c->in[ids]->data, s->n, s->out_rows);
    if (status || s->row == 0 || s->out_rows == 0) return status;
    bt_grid grid = bt_grid_rows(c, s->row, s->out_rows);
    bt_arg args[6];
    int n = 0;
    args[n++] = bt_pointer(c->in[0]->data), args[n++] = bt_pointer(c->in[ids]->data);
    if (rows) args[n++] = bt_pointer(c->in[rows]->data);
    args[n++] = bt_pointer(out), args[n++] = bt_bytes(&by, sizeof by), args[n++] = bt_int(s->finish);
    return bt_gpu_launch(c, BT_CL(segment), defines, "fold_sorted", &grid, args, n);
}

static berth_status fold_unsorted_on_gpu(bt_call *c, const segments *s, const bt_shape *shape)
{
    enum { ITEMS = 16384 }; /* enough to keep a device busy */
    char defines[BT_DEFINES];
    berth_dtype dtype = c->in[0]->dtype;
    bool narrow = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    gpu_segments by = {s->n, s->row, s->out_rows, 0};
    int64_t count = bt_shape_count(shape), parts = c->device->is_cpu_shaped ? 1 : ITEMS / (s->row + 1) + 1;
    void *out = bt_out(c, 0, dtype, shape), *wide = out;
    if (out && narrow) wide = bt_scratch(c, ((size_t)count + 1) * sizeof(float));
    if (!wide) return c->error->status;
    if (count == 0) return BERTH_OK;
    gpu_defines(defines, c, s->op, 1, 0);
    if (parts > s->out_rows) parts = s->out_rows;
    bt_arg args[8] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(wide),
                      bt_bytes(&by, sizeof by), bt_long(parts)};
    bt_grid grid = bt_grid_of(c, parts * s->row);
    berth_status status = bt_gpu_fault(c, ID_OUT, args + 5);
    if (!status) status = bt_gpu_launch(c, BT_CL(segment), defines, "fold_unsorted", &grid, args, 8);
    if (status || !narrow) return status;
    bt_arg last[] = {bt_pointer(wide), bt_pointer(out), bt_long(count)};
    grid = bt_grid_of(c, count);
    return bt_gpu_launch(c, BT_CL(segment), defines, "narrowed", &grid, last, 3);
}

/* ---- Sorted ids --------------------------------------------------------------------------------------- */

/* Sorted ids of input i: checks them and gives how many segments they say; -1 with the error set. */
static int64_t sorted_segments(bt_call *c, const int64_t *ids, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < (i ? ids[i - 1] : 0) || ids[i] == INT64_MAX)
            return bt_call_fail(c, ID_FALLS, (long long)i, (long long)ids[i]),
                   -1;
    }
    return n ? ids[n - 1] + 1 : 0;
}

static berth_status infer_segment(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *data = &x->in[0].shape, *ids = &x->in[1].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (data->rank == 0 || (ids->rank >= 0 && ids->rank != 1))
        return bt_infer_fail(x, "takes rows of data and a vector of ids");
    if (data->rank > 0 && ids->rank == 1 && data->dim[0] >= 0 && ids->dim[0] >= 0 &&
        data->dim[0] != ids->dim[0])
        return bt_infer_fail(x, "%lld ids for %lld rows", (long long)ids->dim[0], (long long)data->dim[0]);
    x->out[0].shape = rows_of(data, 1, -1);
    return BERTH_OK;
}

static berth_status run_segment(bt_call *c, bt_combine_op op, finish finish)
{
    const bt_tensor *data = c->in[0], *ids = c->in[1];
    if (data->shape.rank < 1 || ids->shape.rank != 1 || data->shape.dim[0] != ids->shape.dim[0])
        return bt_call_fail(c, "takes rows of data and an id for each");
    segments s = {
        .op = op, .finish = finish, .counted = true, .empty = op == BT_MUL ? 1 : 0, .n = ids->shape.dim[0]};
    s.row = bt_shape_span(&data->shape, 1, data->shape.rank);
    if (bt_on_gpu(c)) {
        berth_status status = read_segments(c, 1, &s.out_rows);
        bt_shape out = rows_of(&data->shape, 1, s.out_rows);
        return status ? status : fold_sorted_on_gpu(c, &s, 1, 0, &out);
    }
    if (!(s.ids = bt_call_indices(c, ids))) return c->error->status;
    if ((s.out_rows = sorted_segments(c, s.ids, s.n)) < 0) return BERTH_BAD_INPUT;
    bt_shape shape = rows_of(&data->shape, 1, s.out_rows);
    return reduce(c, &s, data, &shape);
}

static berth_status run_segment_sum(bt_call *c) { return run_segment(c, BT_ADD, AS_IS); }
static berth_status run_segment_mean(bt_call *c) { return run_segment(c, BT_ADD, MEAN); }
static berth_status run_segment_prod(bt_call *c) { return run_segment(c, BT_MUL, AS_IS); }
static berth_status run_segment_min(bt_call *c) { return run_segment(c, BT_MIN, AS_IS); }
static berth_status run_segment_max(bt_call *c) { return run_segment(c, BT_MAX, AS_IS); }

/* ---- UnsortedSegment* --------------------------------------------------------------------------------- */

static berth_status infer_unsorted(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    const bt_shape *data = &x->in[0].shape, *ids = &x->in[1].shape;
    int64_t n = -1;
    int one = 1;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (x->in[2].value && (!bt_ints(x->in[2].value, &n, 1, &one) || one != 1 || n < 0))
        return bt_infer_fail(x, "the number of segments must be one integer, and not negative");
    if (data->rank < 0 || ids->rank < 0) return BERTH_OK;
    bt_shape lead = *data;
    lead.rank = ids->rank;
    if (ids->rank > data->rank || !bt_shape_compatible(&lead, ids))
        return bt_infer_fail(x, "the shape of the data must begin with that of the ids");
    if (data->rank - ids->rank + 1 > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    x->out[0].shape = rows_of(data, ids->rank, n);
    return BERTH_OK;
}

/* Checked ids, or NULL with the error set. */
static const int64_t *unsorted_ids(bt_call *c, bt_fact *fact)
{
    const int64_t *ids = bt_call_facts(c, fact) ? NULL : bt_call_indices(c, c->in[1]);
    for (int64_t i = 0, n = bt_tensor_count(c->in[1]); ids && bt_tensor_count(c->in[0]) && i < n; i++)
        if (ids[i] >= fact->shape.dim[0])
            return bt_call_fail(c, ID_OUT, (long long)ids[i], (long long)i,
                                (long long)fact->shape.dim[0]),
                   NULL;
    return ids;
}

static berth_status run_unsorted(bt_call *c, bt_combine_op op)
{
    const bt_tensor *data = c->in[0];
    bt_fact fact;
    segments s = {.op = op, .n = bt_tensor_count(c->in[1])};
    if (bt_on_gpu(c) && bt_call_facts(c, &fact)) return c->error->status;
    if (!bt_on_gpu(c) && !(s.ids = unsorted_ids(c, &fact))) return c->error->status;
    s.row = bt_shape_span(&data->shape, c->in[1]->shape.rank, data->shape.rank);
    s.out_rows = fact.shape.dim[0];
    if (s.row == 0) s.n = 0; /* nothing is looked at */
    if (bt_on_gpu(c)) return fold_unsorted_on_gpu(c, &s, &fact.shape);
    return reduce(c, &s, data, &fact.shape);
}

static berth_status run_unsorted_sum(bt_call *c) { return run_unsorted(c, BT_ADD); }
static berth_status run_unsorted_prod(bt_call *c) { return run_unsorted(c, BT_MUL); }
static berth_status run_unsorted_min(bt_call *c) { return run_unsorted(c, BT_MIN); }
static berth_status run_unsorted_max(bt_call *c) { return run_unsorted(c, BT_MAX); }

/* ---- SparseSegment* ----------------------------------------------------------------------------------- */

/* data, indices, segment_ids [, num_segments] */
static berth_status infer_sparse_segment(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, bt_ends(x->node->op, "WithNumSegments") ? 4 : 3);
    if (status) return status;
    const bt_shape *data = &x->in[0].shape;
    bt_shape n = x->in[1].shape;
    int64_t rows = -1;
    int one = 1;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (data->rank == 0 || (n.rank >= 0 && n.rank != 1) || !bt_shape_merge(&n, &x->in[2].shape))
        return bt_infer_fail(x, "takes rows of data, and two vectors of one length");
    if (x->n_in > 3 && x->in[3].value && (!bt_ints(x->in[3].value, &rows, 1, &one) || one != 1 || rows < 0))
        return bt_infer_fail(x, "the number of segments must be one integer, and not negative");
    x->out[0].shape = rows_of(data, 1, rows);
    return BERTH_OK;
}

static berth_status run_sparse_segment(bt_call *c, finish finish)
{
    const bt_tensor *data = c->in[0], *rows = c->in[1], *ids = c->in[2];
    if (data->shape.rank < 1 || rows->shape.rank != 1 || ids->shape.rank != 1 ||
        rows->shape.dim[0] != ids->shape.dim[0])
        return bt_call_fail(c, "takes rows of data, and two vectors of one length");
    segments s = {.op = BT_ADD, .finish = finish, .n = ids->shape.dim[0]};
    s.row = bt_shape_span(&data->shape, 1, data->shape.rank);
    if (bt_on_gpu(c)) {
        berth_status status = c->n_in > 3 ? BERTH_OK : read_segments(c, 2, &s.out_rows);
        if (c->n_in > 3) s.out_rows = bt_tensor_int(c->in[3], 0);
        bt_shape out = rows_of(&data->shape, 1, s.out_rows);
        return status ? status : fold_sorted_on_gpu(c, &s, 2, 1, &out);
    }
    if (!(s.rows = bt_call_indices(c, rows)) || !(s.ids = bt_call_indices(c, ids))) return c->error->status;
    if ((s.out_rows = sorted_segments(c, s.ids, s.n)) < 0) return BERTH_BAD_INPUT;
    for (int64_t i = 0; i < s.n; i++)
        if (s.rows[i] < 0 || s.rows[i] >= data->shape.dim[0])
            return bt_call_fail(c, ROW_OUT, (long long)s.rows[i], (long long)i, (long long)data->shape.dim[0]);
    if (c->n_in > 3) {
        int64_t given = bt_tensor_int(c->in[3], 0);
        if (c->in[3]->shape.rank > 1 || given < s.out_rows)
            return bt_call_fail(c, TOO_FEW, (long long)s.out_rows - 1, (long long)given);
        s.out_rows = given;
    }
    bt_shape shape = rows_of(&data->shape, 1, s.out_rows);
    return reduce(c, &s, data, &shape);
}

static berth_status run_sparse_sum(bt_call *c) { return run_sparse_segment(c, AS_IS); }
static berth_status run_sparse_mean(bt_call *c) { return run_sparse_segment(c, MEAN); }
static berth_status run_sparse_sqrt_n(bt_call *c) { return run_sparse_segment(c, SQRT_N); }

#define SEGMENT(op, what, of)                                                                            \
    {                                                                                                \
        .name = "Segment" op, .infer = infer_segment, .cpu = run_segment_##what, .types = BT_NUMBERS, \
        .gpu = run_segment_##what, .gpu_types = of                                                    \
    }
#define UNSORTED(op, what, of)                                                                \
    {                                                                                     \
        .name = "UnsortedSegment" op, .infer = infer_unsorted, .cpu = run_unsorted_##what, \
        .gpu = run_unsorted_##what, .gpu_types = of, .host_inputs = 4                      \
    }
#define SPARSE(op, what, of)                                                                            \
    {.name = "SparseSegment" op, .infer = infer_sparse_segment, .cpu = run_sparse_##what, .types = of,  \
     .gpu = run_sparse_##what, .gpu_types = of},                                                        \
    {                                                                                                   \
        .name = "SparseSegment" op "WithNumSegments", .infer = infer_sparse_segment,                    \
        .cpu = run_sparse_##what, .types = of, .gpu = run_sparse_##what, .gpu_types = of,               \
        .host_inputs = 8                                                                                \
    }

const bt_op bt_ops_segment[] = {
    SEGMENT("Sum", sum, BT_NUMBERS),
    SEGMENT("Mean", mean, BT_NUMBERS),
    SEGMENT("Prod", prod, BT_NUMBERS),
    SEGMENT("Min", min, BT_REALS),
    SEGMENT("Max", max, BT_REALS),
    UNSORTED("Sum", sum, BT_NUMBERS),
    UNSORTED("Prod", prod, BT_NUMBERS),
    UNSORTED("Min", min, BT_REALS),
    UNSORTED("Max", max, BT_REALS),
    SPARSE("Sum", sum, BT_REALS),
    SPARSE("Mean", mean, BT_FLOATS),
    SPARSE("SqrtN", sqrt_n, BT_FLOATS),
    {0},
};
