/* Telling elements apart: Where, Unique and its variants, ListDiff. Two NaN are never the same, 0 and -0 are, but, as in
 * TensorFlow, those of half and bfloat16. */
#include "ops/gpu.h"
#include "ops/order.h"

/* ---- Where -------------------------------------------------------------------------------------------- */

static berth_status infer_where(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    if (x->in[0].shape.rank == 0) return bt_infer_fail(x, "a scalar has no indices");
    x->out[0] = (bt_fact){BERTH_INT64, BT_SHAPE(-1, x->in[0].shape.rank), NULL};
    return BERTH_OK;
}

#define MARK(type)                                                                       \
    for (int64_t i = 0; i < n; i++) found += marks[i] = ((const type *)t->data)[i] != 0; \
    break;
#define MARK_BITS(type, sign)                                                                               \
    for (int64_t i = 0; i < n; i++) found += marks[i] = (((const type *)t->data)[i] & (type) ~(sign)) != 0; \
    break;

/* marks[i]: element i is not zero. Gives how many; -1 with the error set. */
static int64_t mark_nonzero(bt_call *c, const bt_tensor *t, bool *marks)
{
    int64_t n = bt_tensor_count(t), found = 0;
    switch (t->dtype) {
    case BERTH_FLOAT: MARK(float)
    case BERTH_DOUBLE: MARK(double)
    case BERTH_COMPLEX64: MARK(_Complex float)
    case BERTH_COMPLEX128: MARK(_Complex double)
    case BERTH_HALF:
    case BERTH_BFLOAT16: MARK_BITS(uint16_t, 0x8000)
    case BERTH_BOOL:
    case BERTH_INT8:
    case BERTH_UINT8: MARK(uint8_t)
    case BERTH_INT16:
    case BERTH_UINT16: MARK(uint16_t)
    case BERTH_INT32:
    case BERTH_UINT32: MARK(uint32_t)
    case BERTH_INT64:
    case BERTH_UINT64: MARK(uint64_t)
    default: return bt_call_unsupported(c, "conditions of type %s", bt_dtype_name(t->dtype)), -1;
    }
    return found;
}

BT_CL_DECLARE(arrange);

/* As in arrange.cl. */
typedef struct places {
    int64_t n, pieces, rank, dim[BT_MAX_RANK];
} places;

/* Two launches, with the number of what was found read in between: the output's shape is known only then. */
static berth_status where_on_gpu(bt_call *c, const bt_tensor *in)
{
    char defines[BT_DEFINES];
    places by = {.n = bt_tensor_count(in), .rank = in->shape.rank};
    int64_t most = c->device->is_cpu_shaped ? 64 : 4096, found = 0;
    by.pieces = by.n < most ? by.n : most;
    memcpy(by.dim, in->shape.dim, sizeof by.dim);
    int64_t *counts = bt_scratch(c, (size_t)by.pieces * sizeof *counts);
    int64_t *first = counts ? bt_host_scratch(c, (size_t)by.pieces * sizeof *first) : NULL;
    if (!first) return BERTH_NO_MEMORY;
    bt_grid grid = bt_grid_of(c, by.pieces);
    bt_gpu_defines(defines, in->dtype, 0, "");
    bt_arg count[] = {bt_pointer(in->data), bt_pointer(counts), bt_bytes(&by, sizeof by)};
    berth_status status = BERTH_OK;
    if (by.n) status = bt_gpu_launch(c, BT_CL(arrange), defines, "count_nonzero", &grid, count, 3);
    if (by.n && !status) status = bt_gpu_read(c, first, counts, (size_t)by.pieces * sizeof *first);
    if (status) return status;
    for (int64_t i = 0; i < by.pieces; i++) {
        int64_t here = first[i];
        first[i] = found;
        found += here;
    }
    bt_shape shape = BT_SHAPE(found, by.rank);
    void *out = bt_out(c, 0, BERTH_INT64, &shape);
    if (!out) return BERTH_NO_MEMORY;
    if (found == 0) return BERTH_OK;
    status = c->device->ops->upload(c->device, counts, first, (size_t)by.pieces * sizeof *first, c->error);
    bt_arg find[] = {bt_pointer(in->data), bt_pointer(counts), bt_pointer(out), bt_bytes(&by, sizeof by)};
    return status ? status : bt_gpu_launch(c, BT_CL(arrange), defines, "find_nonzero", &grid, find, 4);
}

static berth_status run_where(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    int64_t n = bt_tensor_count(in), rank = in->shape.rank;
    if (rank == 0) return bt_call_fail(c, "a scalar has no indices");
    if (bt_on_gpu(c)) return where_on_gpu(c, in);
    bool *marks = bt_scratch(c, (size_t)n + 1);
    if (!marks) return BERTH_NO_MEMORY;
    int64_t found = mark_nonzero(c, in, marks);
    if (found < 0) return c->error->status;
    bt_shape shape = BT_SHAPE(found, rank);
    int64_t *out = bt_out(c, 0, BERTH_INT64, &shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        if (!marks[i]) continue;
        int64_t rest = i;
        for (int64_t k = rank - 1; k >= 0; k--) out[k] = rest % in->shape.dim[k], rest /= in->shape.dim[k];
        out += rank;
    }
    return BERTH_OK;
}

/* ---- A table of slices -------------------------------------------------------------------------------- */

/* A tensor as slices along an axis: element e of slice r lies at ((e / inner) n + r) inner + e % inner. */
typedef struct slices {
    const bt_tensor *t;
    const uint64_t *keys; /* of floats; NULL: compared as they are */
    int64_t n, inner, elements;
    bool has_nan;
} slices;

enum { NEGATIVE_ZERO_KEY = 1 }; /* below that of every number */

static bool make_slices(bt_call *c, const bt_tensor *t, int axis, slices *s)
{
    *s =
        (slices){.t = t, .n = t->shape.rank ? t->shape.dim[axis] : 1, .has_nan = bt_dtype_is_float(t->dtype)};
    s->inner = bt_shape_span(&t->shape, axis + 1, t->shape.rank);
    s->elements = s->inner * bt_shape_span(&t->shape, 0, axis);
    if (bt_dtype_is_object(t->dtype) && t->dtype != BERTH_STRING)
        return bt_call_unsupported(c, "elements of type %s", bt_dtype_name(t->dtype)), false;
    uint64_t *keys = s->has_nan ? bt_call_keys(c, t) : NULL;
    if (s->has_nan && !keys) return false;
    bool narrow = t->dtype == BERTH_HALF || t->dtype == BERTH_BFLOAT16;
    for (int64_t i = 0; narrow && i < bt_tensor_count(t); i++)
        if (((const uint16_t *)t->data)[i] == 0x8000) keys[i] = NEGATIVE_ZERO_KEY;
    s->keys = keys;
    return true;
}

static bt_str element(const slices *s, int64_t slice, int64_t e)
{
    int64_t at = (e / s->inner * s->n + slice) * s->inner + e % s->inner;
    if (s->keys) return (bt_str){(const char *)&s->keys[at], sizeof *s->keys};
    if (s->t->dtype != BERTH_STRING)
        return (bt_str){bt_at_const(s->t->dtype, s->t->data, at), bt_dtype_size(s->t->dtype)};
    const bt_string *string = (const bt_string *)s->t->data + at;
    return (bt_str){string->n ? string->p : "", string->n};
}

static bool same_slice(const slices *a, int64_t i, const slices *b, int64_t j)
{
    for (int64_t e = 0; e < a->elements; e++) {
        bt_str left = element(a, i, e), right = element(b, j, e);
        if (!bt_str_equal(left, right)) return false;
        if (a->has_nan && *(const uint64_t *)left.p == BT_NAN_KEY) return false;
    }
    return true;
}

/* Open addressing, at least twice as many places as slices; -1: empty. */
typedef struct table {
    const slices *s;
    int64_t *slot;
    size_t mask;
} table;

static bool make_table(bt_call *c, const slices *s, table *t)
{
    size_t room = 16;
    while (room < (size_t)s->n * 2) room *= 2;
    *t = (table){s, bt_scratch(c, room * sizeof *t->slot), room - 1};
    for (size_t i = 0; t->slot && i < room; i++) t->slot[i] = -1;
    return t->slot != NULL;
}

/* The place of a slice: of its like in the table, or empty. */
static int64_t *place(const table *t, const slices *s, int64_t slice)
{
    uint64_t hash = 0;
    for (int64_t e = 0; e < s->elements; e++) {
        bt_str value = element(s, slice, e);
        hash = hash * 0x9e3779b97f4a7c15u + bt_hash(value.p, value.n);
        if (s->has_nan && *(const uint64_t *)value.p == BT_NAN_KEY)
            hash += (uint64_t)slice * 0x9e3779b97f4a7c15u;
    }
    size_t i = (size_t)(hash ^ hash >> 32) & t->mask;
    while (t->slot[i] >= 0 && !same_slice(t->s, t->slot[i], s, slice)) i = (i + 1) & t->mask;
    return &t->slot[i];
}

/* ---- Unique ------------------------------------------------------------------------------------------- */

static bool wants_counts(const bt_node *node) { return bt_starts(node->op, "UniqueWithCounts"); }

static berth_status infer_unique(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, bt_ends(x->node->op, "V2") ? 2 : 1);
    if (status) return status;
    berth_dtype index = bt_attr_type(x->node, "out_idx", BERTH_INT32);
    bt_shape y = x->in[0].shape, idx = BT_SHAPE(-1);
    if (x->n_in < 2 && y.rank >= 0 && y.rank != 1) return bt_infer_fail(x, "takes a vector");
    if (x->n_in < 2 && y.rank == 1) idx.dim[0] = y.dim[0];
    for (int i = 0; i < y.rank; i++) y.dim[i] = x->n_in < 2 || y.rank == 1 ? -1 : y.dim[i];
    if (x->n_in > 1 && y.rank > 1) {
        int64_t axis;
        int n = 0;
        bool known = x->in[1].value && bt_ints(x->in[1].value, &axis, 1, &n) && n == 1 && axis >= -y.rank &&
                     axis < y.rank;
        for (int i = 0; i < y.rank; i++)
            if (!known || i == (axis + y.rank) % y.rank) y.dim[i] = -1;
    }
    x->out[0] = (bt_fact){bt_infer_type(x, 0), y, NULL};
    for (int i = 1; i < x->n_out; i++) x->out[i] = (bt_fact){index, i == 1 ? idx : BT_SHAPE(-1), NULL};
    return BERTH_OK;
}

static void put_index(berth_dtype dtype, void *out, int64_t i, int64_t value)
{
    if (dtype == BERTH_INT64) ((int64_t *)out)[i] = value;
    else ((int32_t *)out)[i] = (int32_t)value;
}

/* The first slice of each kind, in order, as output 0. */
static berth_status put_unique(bt_call *c, const slices *s, const int64_t *first, int64_t n, int axis)
{
    const bt_tensor *in = s->t;
    bt_shape shape = in->shape;
    shape.dim[axis] = n;
    void *out = bt_out(c, 0, in->dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    berth_status status = BERTH_OK;
    for (int64_t i = 0; !status && s->elements > 0 && i < n; i++) {
        bt_move m = {.dtype = in->dtype};
        bt_move_axis(&m, s->elements / s->inner, n * s->inner, s->n * s->inner);
        bt_move_axis(&m, s->inner, 1, 1);
        status = bt_move_run(&m, bt_at(in->dtype, out, i * s->inner),
                             bt_at_const(in->dtype, in->data, first[i] * s->inner), NULL, c->error);
    }
    return status;
}

/* Axis of the V2 ops: a vector of none (the input is one itself) or one. */
static berth_status unique_axis(bt_call *c, int *axis)
{
    int64_t value = 0;
    int n = 0, rank = c->in[0]->shape.rank;
    if (c->n_in > 1 && !bt_ints(c->in[1], &value, 1, &n))
        return bt_call_fail(c, "the axis must be a vector of at most one");
    if (n == 0 && rank != 1) return bt_call_fail(c, "takes a vector, or an axis");
    return bt_axis(value, rank, axis)
               ? BERTH_OK
               : bt_call_fail(c, "axis %lld for %d dimensions", (long long)value, rank);
}

BT_CL_DECLARE(unique);

/* Of a vector: its elements sorted by keys, and those that are first of their kind numbered in the order of their places. How
 * many they are is waited for. */
static berth_status unique_on_gpu(bt_call *c, const bt_tensor *in, berth_dtype index, void *idx)
{
    char defines[BT_DEFINES];
    bt_sort_rows s;
    int64_t n = bt_tensor_count(in), found = 0;
    if (n > INT32_MAX)
        return bt_call_unsupported(c, "more than %d elements on %s", INT32_MAX, c->device->name);
    berth_status status = bt_sort_rows_take(c, n, 1, INT64_MAX, &s);
    uint32_t *marks = status ? NULL : bt_scratch(c, (size_t)n * sizeof *marks + 1);
    if (!marks) return BERTH_NO_MEMORY;
    bt_grid grid = bt_grid_of(c, n), all = bt_grid_of(c, s.size);
    bt_arg make[] = {bt_pointer(in->data), bt_pointer(s.keys), bt_pointer(s.places), bt_long(n),
                     bt_long(s.size)};
    bt_arg mark[] = {bt_pointer(s.keys), bt_pointer(s.places), bt_pointer(marks), bt_long(n)};
    bt_gpu_defines(defines, in->dtype, index, "");
    if (n) status = bt_gpu_launch(c, BT_CL(unique), defines, "kinds", &all, make, 5);
    if (!status) status = bt_sort_rows_gpu(c, &s, 1);
    if (!status && n) status = bt_gpu_launch(c, BT_CL(unique), defines, "mark_first", &grid, mark, 4);
    if (!status) status = bt_number_marks_gpu(c, marks, n, &found);
    if (status) return status;
    bt_shape shape = BT_SHAPE(found);
    void *y = bt_out(c, 0, in->dtype, &shape),
         *counts = y && c->n_out > 2 ? bt_out(c, 2, index, &shape) : NULL;
    if (!y || (c->n_out > 2 && !counts)) return BERTH_NO_MEMORY;
    bt_arg tell[] = {bt_pointer(in->data), bt_pointer(s.keys), bt_pointer(s.places),
                     bt_pointer(marks),    bt_pointer(y),      bt_pointer(idx),
                     bt_pointer(counts),   bt_long(n),         bt_int(c->n_out > 2)};
    return n ? bt_gpu_launch(c, BT_CL(unique), defines, "tell_apart", &grid, tell, 9) : BERTH_OK;
}

/* As in unique.cl. */
typedef struct rows {
    int64_t n, inner, elements, found;
} rows;

/* The same of slices along an axis, by hashes that are compared no further than to the first slice that has the same elements. */
static berth_status unique_rows_on_gpu(bt_call *c, const bt_tensor *in, int axis, berth_dtype index,
                                       void *idx)
{
    char defines[BT_DEFINES];
    bt_sort_rows s;
    bt_shape shape = in->shape;
    rows by = {.n = shape.dim[axis], .inner = bt_shape_span(&shape, axis + 1, shape.rank)};
    by.elements = by.inner * bt_shape_span(&shape, 0, axis);
    if (by.n > INT32_MAX)
        return bt_call_unsupported(c, "more than %d slices on %s", INT32_MAX, c->device->name);
    berth_status status = bt_sort_rows_take(c, by.n, 1, INT64_MAX, &s);
    uint32_t *marks = status ? NULL : bt_scratch(c, (size_t)by.n * sizeof *marks + 1);
    int32_t *heads = marks ? bt_scratch(c, (size_t)by.n * sizeof *heads + 1) : NULL;
    if (!heads) return BERTH_NO_MEMORY;
    bt_arg in_x = bt_pointer(in->data), keys = bt_pointer(s.keys), places = bt_pointer(s.places);
    bt_arg of_heads = bt_pointer(heads), of_marks = bt_pointer(marks), n = bt_long(by.n);
    bt_grid grid = bt_grid_of(c, by.n), all = bt_grid_of(c, s.size),
            moves = bt_grid_rows(c, by.elements, by.n);
    bt_arg make[] = {in_x, keys, places, bt_bytes(&by, sizeof by), bt_long(s.size)};
    bt_arg find[] = {in_x, keys, places, of_heads, of_marks, bt_bytes(&by, sizeof by)};
    bt_gpu_defines(defines, in->dtype, index, "");
    if (by.n) status = bt_gpu_launch(c, BT_CL(unique), defines, "kinds_of_rows", &all, make, 5);
    if (!status) status = bt_sort_rows_gpu(c, &s, 1);
    if (!status && by.n) status = bt_gpu_launch(c, BT_CL(unique), defines, "find_heads", &grid, find, 6);
    if (!status) status = bt_number_marks_gpu(c, marks, by.n, &by.found);
    if (status) return status;
    shape.dim[axis] = by.found;
    bt_shape kinds = BT_SHAPE(by.found);
    void *y = bt_out(c, 0, in->dtype, &shape),
         *counts = y && c->n_out > 2 ? bt_out(c, 2, index, &kinds) : NULL;
    if (!y || (c->n_out > 2 && !counts)) return BERTH_NO_MEMORY;
    if (!by.n) return BERTH_OK;
    bt_grid each = bt_grid_of(c, by.found);
    bt_arg clear[] = {bt_pointer(counts), bt_long(by.found)};
    bt_arg tell[] = {
        places, of_heads, of_marks, bt_pointer(idx), bt_pointer(counts), n, bt_int(c->n_out > 2)};
    bt_arg take[] = {in_x, places, of_heads, of_marks, bt_pointer(y), bt_bytes(&by, sizeof by)};
    if (counts) status = bt_gpu_launch(c, BT_CL(unique), defines, "no_counts", &each, clear, 2);
    if (!status) status = bt_gpu_launch(c, BT_CL(unique), defines, "number_rows", &grid, tell, 7);
    if (status || !by.elements) return status;
    return bt_gpu_launch(c, BT_CL(unique), defines, "take_rows", &moves, take, 6);
}

static berth_status run_unique(bt_call *c)
{
    slices s;
    table t;
    int axis = 0;
    berth_status status = unique_axis(c, &axis);
    berth_dtype index = bt_attr_type(c->node, "out_idx", BERTH_INT32);
    if (status) return status;
    if (index != BERTH_INT32 && index != BERTH_INT64)
        return bt_call_fail(c, "out_idx must be int32 or int64");
    if (bt_on_gpu(c)) {
        bt_shape length = BT_SHAPE(c->in[0]->shape.dim[axis]);
        void *there = bt_out(c, 1, index, &length);
        if (!there) return BERTH_NO_MEMORY;
        return c->in[0]->shape.rank == 1 ? unique_on_gpu(c, c->in[0], index, there)
                                         : unique_rows_on_gpu(c, c->in[0], axis, index, there);
    }
    if (!make_slices(c, c->in[0], axis, &s) || !make_table(c, &s, &t)) return c->error->status;
    int64_t *first = bt_scratch(c, ((size_t)s.n + 1) * sizeof *first),
            *counts = bt_scratch(c, ((size_t)s.n + 1) * sizeof *counts);
    int64_t *kind = bt_scratch(c, ((size_t)s.n + 1) * sizeof *kind), n = 0;
    bt_shape length = BT_SHAPE(s.n);
    void *idx = first && counts && kind ? bt_out(c, 1, index, &length) : NULL;
    if (!idx) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < s.n; i++) {
        int64_t *slot = place(&t, &s, i);
        if (*slot < 0) *slot = i, kind[i] = n, first[n] = i, counts[n++] = 0;
        counts[kind[*slot]]++;
        put_index(index, idx, i, kind[*slot]);
    }
    if (wants_counts(c->node)) {
        bt_shape kinds = BT_SHAPE(n);
        void *out = bt_out(c, 2, index, &kinds);
        if (!out) return BERTH_NO_MEMORY;
        for (int64_t i = 0; i < n; i++) put_index(index, out, i, counts[i]);
    }
    return put_unique(c, &s, first, n, axis);
}

/* ---- ListDiff ----------------------------------------------------------------------------------------- */

static berth_status infer_list_diff(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = bt_infer_alike(x, 0, 2))) return status;
    if ((x->in[0].shape.rank >= 0 && x->in[0].shape.rank != 1) ||
        (x->in[1].shape.rank >= 0 && x->in[1].shape.rank != 1))
        return bt_infer_fail(x, "takes two vectors");
    x->out[0] = (bt_fact){bt_infer_type(x, 0), BT_SHAPE(-1), NULL};
    x->out[1] = (bt_fact){bt_attr_type(x->node, "out_idx", BERTH_INT32), BT_SHAPE(-1), NULL};
    return BERTH_OK;
}

/* What x has and y has not, and where it stands in x. */
static berth_status run_list_diff(bt_call *c)
{
    slices x, y;
    table t;
    const bt_tensor *in = c->in[0];
    berth_dtype index = bt_attr_type(c->node, "out_idx", BERTH_INT32);
    if (in->shape.rank != 1 || c->in[1]->shape.rank != 1 || in->dtype != c->in[1]->dtype ||
        (index != BERTH_INT32 && index != BERTH_INT64))
        return bt_call_fail(c, "takes two vectors of one type, and gives int32 or int64");
    if (!make_slices(c, in, 0, &x) || !make_slices(c, c->in[1], 0, &y) || !make_table(c, &y, &t))
        return c->error->status;
    int64_t *kept = bt_scratch(c, ((size_t)x.n + 1) * sizeof *kept), n = 0;
    if (!kept) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < y.n; i++) {
        int64_t *slot = place(&t, &y, i);
        if (*slot < 0) *slot = i;
    }
    for (int64_t i = 0; i < x.n; i++)
        if (*place(&t, &x, i) < 0) kept[n++] = i;
    bt_shape shape = BT_SHAPE(n);
    void *out = bt_out(c, 0, in->dtype, &shape), *idx = out ? bt_out(c, 1, index, &shape) : NULL;
    if (!idx) return BERTH_NO_MEMORY;
    berth_status status = BERTH_OK;
    for (int64_t i = 0; !status && i < n; i++) {
        put_index(index, idx, i, kept[i]);
        status = bt_move_row(in->dtype, bt_at(in->dtype, out, i), bt_at_const(in->dtype, in->data, kept[i]),
                             1, NULL, c->error);
    }
    return status;
}

#define UNIQUE(op, outs)                                                                          \
    {                                                                                             \
        .name = op, .infer = infer_unique, .cpu = run_unique, .outputs = outs, .gpu = run_unique, \
        .gpu_types = BT_REALS | BT_T(BERTH_BOOL), .host_inputs = 2                                \
    }

const bt_op bt_ops_unique[] = {
    {.name = "Where",
     .infer = infer_where,
     .cpu = run_where,
     .gpu = run_where,
     .gpu_types = BT_REALS | BT_T(BERTH_BOOL)},
    UNIQUE("Unique", "y,idx"),
    UNIQUE("UniqueV2", "y,idx"),
    UNIQUE("UniqueWithCounts", "y,idx,count"),
    UNIQUE("UniqueWithCountsV2", "y,idx,count"),
    {.name = "ListDiff", .infer = infer_list_diff, .cpu = run_list_diff, .outputs = "out,idx"},
    {0},
};
