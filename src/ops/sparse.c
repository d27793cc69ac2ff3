/* Sparse tensors made of sparse ones: put in order, given another shape, joined, cut, added. With dense ones:
 * sparse_dense.c; reduced: sparse_reduce.c; filled up: fill_rows.c. As in TensorFlow, what does not need indices inside the shape does not check
 * them; nothing here uses one as an address without checking it. */
#include "ops/scatter.h"
#include "ops/sparse.h"
#include "ops/variable.h"

#include <math.h>

#define SPARSE_OUTPUTS "output_indices,output_values,output_shape"

static berth_status infer_sparse(bt_infer *x, int n_in, berth_dtype dtype, int64_t n, int64_t rank)
{
    berth_status status = bt_infer_arity(x, n_in);
    if (!status) bt_infer_sparse(x, 0, n, rank, dtype);
    return status;
}

/* ---- SparseReorder ------------------------------------------------------------------------------------ */

static berth_status infer_reorder(bt_infer *x)
{
    return x->n_in < 3
               ? bt_infer_arity(x, 3)
               : infer_sparse(x, 3, bt_infer_type(x, 1), bt_infer_length(x, 1), bt_infer_length(x, 2));
}

static berth_status run_reorder(bt_call *c)
{
    bt_sparse s;
    bt_sparse_out out;
    berth_status status = bt_sparse_input(c, 0, &s);
    int64_t *order = status ? NULL : bt_sparse_order(c, s.index, s.n, s.shape.rank);
    if (!order) return status ? status : BERTH_NO_MEMORY;
    status = bt_sparse_make(c, 0, 1, -1, s.n, s.values->dtype, &s.shape, &out);
    for (int64_t i = 0; !status && i < s.n; i++)
        status = bt_sparse_put(c, &out, i, bt_sparse_row(&s, order[i]), s.shape.rank, s.values, order[i]);
    return status ? status : bt_sparse_done(c, &out, s.values);
}

/* ---- SparseReshape ------------------------------------------------------------------------------------ */

static berth_status infer_reshape(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    int64_t n = x->in[0].shape.rank == 2 ? x->in[0].shape.dim[0] : -1, rank = bt_infer_length(x, 2);
    x->out[0] = (bt_fact){BERTH_INT64, BT_SHAPE(n, rank), NULL};
    x->out[1] = (bt_fact){BERTH_INT64, BT_SHAPE(rank), NULL};
    return BERTH_OK;
}

/* Number of dense elements; false when it overflows. */
static bool dense_count(const bt_shape *s, int64_t *count)
{
    size_t n;
    if (!bt_shape_bytes(s, 1, &n)) return false;
    *count = (int64_t)n;
    return true;
}

/* The shape that input 2 asks for, with its one -1 told. */
static berth_status reshape_target(bt_call *c, const bt_shape *from, bt_shape *to, int64_t *count)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    int64_t known = 1, asked;
    int open = -1;
    const bt_tensor *t = c->in[2];
    if (t->shape.rank == 1 && t->shape.dim[0] > BT_MAX_RANK)
        return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    if (t->shape.rank != 1 || !bt_tensor_shape_value(t, to)) return bt_call_fail(c, "the new shape is none");
    for (int i = 0; i < to->rank; i++) {
        if (to->dim[i] >= 0) continue;
        if (open >= 0) return bt_call_fail(c, "dimensions %d and %d are both -1", open, i);
        to->dim[i] = 1, open = i;
    }
    if (!dense_count(from, count) || !dense_count(to, &known))
        return bt_call_fail(c, "a shape of too many elements");
    if (open >= 0 && known == 0) return bt_call_fail(c, "a size cannot be told when another one is 0");
    if (open >= 0) to->dim[open] = *count / known;
    if (dense_count(to, &asked) && asked == *count) return BERTH_OK;
    return bt_call_fail(c, "shape %s has not as many elements as %s", bt_shape_text(to, b),
                        bt_shape_text(from, a));
}

static berth_status run_reshape(bt_call *c)
{
    const bt_tensor *indices = c->in[0];
    bt_shape from, to;
    int64_t count = 0, strides[BT_MAX_RANK];
    if (c->in[1]->shape.rank != 1 || !bt_tensor_shape_value(c->in[1], &from) || !bt_shape_known(&from))
        return bt_call_fail(c, "the dense shape is none");
    if (indices->shape.rank != 2 || indices->dtype != BERTH_INT64 || indices->shape.dim[1] != from.rank)
        return bt_call_fail(c, "takes indices [n, %d]", from.rank);
    berth_status status = reshape_target(c, &from, &to, &count);
    if (status) return status;
    int64_t n = indices->shape.dim[0];
    const int64_t *row = indices->data;
    if (n > 0 && count == 0 && !bt_shape_equal(&from, &to))
        return bt_call_fail(c, "%lld elements in an empty shape", (long long)n);
    bt_shape index_shape = BT_SHAPE(n, to.rank), shape_shape = BT_SHAPE(to.rank);
    int64_t *out = bt_out(c, 0, BERTH_INT64, &index_shape),
            *out_shape = out ? bt_out(c, 1, BERTH_INT64, &shape_shape) : NULL;
    if (!out_shape) return BERTH_NO_MEMORY;
    if (to.rank) memcpy(out_shape, to.dim, (size_t)to.rank * sizeof *out_shape);
    if (bt_shape_equal(&from, &to)) return bt_move_row(BERTH_INT64, out, row, n * to.rank, c->pool, c->error);
    bt_strides(&from, strides);
    for (int64_t i = 0; i < n; i++, row += from.rank, out += to.rank) {
        uint64_t place = 0; /* wraps around for indices far outside */
        for (int k = 0; k < from.rank; k++) place += (uint64_t)row[k] * (uint64_t)strides[k];
        int64_t rest = (int64_t)place;
        for (int k = to.rank - 1; k > 0; k--) out[k] = rest % to.dim[k], rest /= to.dim[k];
        if (to.rank) out[0] = rest;
    }
    return BERTH_OK;
}

/* ---- SparseConcat: N indices, N values, N shapes ------------------------------------------------------ */

static berth_status infer_concat(bt_infer *x)
{
    int parts = x->n_in / 3;
    if (parts < 1 || parts * 3 != x->n_in) return bt_infer_fail(x, "%d inputs", x->n_in);
    return infer_sparse(x, 3, bt_infer_type(x, parts), -1, bt_infer_length(x, 2 * parts));
}

/* The parts' rows one behind the other, moved along the axis; shape becomes the whole's. */
static berth_status gather_parts(bt_call *c, const bt_sparse *part, int parts, int axis, bt_shape *shape,
                                 int64_t *rows)
{
    int rank = shape->rank;
    shape->dim[axis] = 0;
    for (int p = 0; p < parts; p++) {
        bt_shape rest = part[p].shape;
        int64_t size = part[p].shape.rank == rank ? rest.dim[axis] : 0;
        if (rest.rank == rank) rest.dim[axis] = shape->dim[axis];
        if (!bt_shape_equal(&rest, shape))
            return bt_call_fail(c, "tensor %d differs in a dimension that is not joined", p);
        for (int64_t i = 0; i < part[p].n; i++, rows += rank) {
            memcpy(rows, bt_sparse_row(&part[p], i), (size_t)rank * sizeof *rows);
            rows[axis] = (int64_t)((uint64_t)rows[axis] + (uint64_t)shape->dim[axis]);
        }
        if (__builtin_add_overflow(shape->dim[axis], size, &shape->dim[axis]))
            return bt_call_fail(c, "a dimension that is too large");
    }
    return BERTH_OK;
}

/* The values of the parts, the order[i]-th of all at place i. */
static berth_status join_values(bt_call *c, const bt_sparse *part, int parts, const int64_t *order, int64_t n,
                                const bt_sparse_out *out)
{
    int64_t *place = bt_host_scratch(c, ((size_t)n + 1) * sizeof *place),
            *own = bt_host_scratch(c, ((size_t)n + 1) * sizeof *own), first = 0;
    berth_dtype dtype = part[0].values->dtype;
    berth_status status = place && own ? BERTH_OK : BERTH_NO_MEMORY;
    for (int64_t i = 0; !status && i < n; i++) place[order[i]] = i;
    for (int p = 0; !status && p < parts; first += part[p++].n) {
        const bt_tensor *values = part[p].values;
        for (int64_t i = 0; i < part[p].n; i++) own[first + i] = i;
        if (bt_on_gpu(c))
            status = bt_carry_rows_gpu(c, dtype, out->values, values->data, place + first, own + first,
                                       part[p].n, 1);
        for (int64_t i = 0; !bt_on_gpu(c) && !status && i < part[p].n; i++)
            status = bt_move_row(dtype, bt_at(dtype, out->values, place[first + i]),
                                 bt_at_const(dtype, values->data, i), 1, NULL, c->error);
    }
    return status;
}

static berth_status run_concat(bt_call *c)
{
    int parts = c->n_in / 3, axis;
    bt_sparse *part = bt_host_scratch(c, (size_t)parts * sizeof *part);
    int64_t n = 0;
    berth_status status = part ? BERTH_OK : BERTH_NO_MEMORY;
    for (int p = 0; !status && p < parts; p++) {
        status = bt_sparse_read(c, p, parts + p, 2 * parts + p, &part[p]);
        if (!status) n += part[p].n;
        if (!status && part[p].values->dtype != part[0].values->dtype)
            return bt_call_fail(c, "tensor %d has another type", p);
    }
    if (status) return status;
    bt_shape shape = part[0].shape;
    int rank = shape.rank;
    int64_t along = bt_attr_int(c->node, "concat_dim", 0);
    if (!bt_axis(along, rank, &axis))
        return bt_call_fail(c, "axis %lld is out of range [%d, %d)", (long long)along, -rank, rank);
    int64_t *rows = bt_host_scratch(c, ((size_t)n * (size_t)rank + 1) * sizeof *rows), *order;
    if (!rows) return BERTH_NO_MEMORY;
    status = gather_parts(c, part, parts, axis, &shape, rows);
    if (status) return status;
    if (!(order = bt_sparse_order(c, rows, n, rank))) return BERTH_NO_MEMORY;
    bt_sparse_out out;
    status = bt_sparse_make(c, 0, 1, 2, n, part[0].values->dtype, &shape, &out);
    for (int64_t i = 0; !status && rank && i < n; i++)
        memcpy(out.index + i * rank, rows + order[i] * rank, (size_t)rank * sizeof *rows);
    return status ? status : join_values(c, part, parts, order, n, &out);
}

/* ---- SparseSplit: n indices, n values, n shapes ------------------------------------------------------- */

static berth_status infer_split(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    int parts = x->n_out / 3;
    int64_t rank = bt_infer_length(x, 3);
    for (int p = 0; p < parts; p++) {
        x->out[p] = (bt_fact){BERTH_INT64, BT_SHAPE(-1, rank), NULL};
        x->out[parts + p] = (bt_fact){bt_infer_type(x, 2), BT_SHAPE(-1), NULL};
        x->out[2 * parts + p] = (bt_fact){BERTH_INT64, BT_SHAPE(rank), NULL};
    }
    return BERTH_OK;
}

/* The first size % parts parts are one longer: where part p begins. */
static int64_t part_begin(int64_t size, int64_t parts, int64_t p)
{
    int64_t longer = size % parts;
    return p * (size / parts) + (p < longer ? p : longer);
}

static berth_status put_part(bt_call *c, const bt_sparse *s, int axis, int parts, int p)
{
    int64_t begin = part_begin(s->shape.dim[axis], parts, p),
            end = part_begin(s->shape.dim[axis], parts, p + 1), n = 0;
    int rank = s->shape.rank;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t at = bt_sparse_row(s, i)[axis];
        n += at >= begin && at < end;
    }
    bt_shape shape = s->shape;
    bt_sparse_out out;
    shape.dim[axis] = end - begin;
    berth_status status = bt_sparse_make(c, p, parts + p, 2 * parts + p, n, s->values->dtype, &shape, &out);
    for (int64_t i = 0, k = 0; !status && i < s->n; i++) {
        const int64_t *row = bt_sparse_row(s, i);
        if (row[axis] < begin || row[axis] >= end) continue;
        status = bt_sparse_put(c, &out, k, row, rank, s->values, i);
        out.index[k++ * rank + axis] -= begin;
    }
    return status ? status : bt_sparse_done(c, &out, s->values);
}

static berth_status run_split(bt_call *c)
{
    bt_sparse s;
    int64_t along;
    int axis, parts = c->n_out / 3;
    berth_status status = bt_sparse_input(c, 1, &s);
    if (status) return status;
    if (c->in[0]->shape.rank != 0 || c->in[0]->dtype != BERTH_INT64)
        return bt_call_fail(c, "the axis must be one integer");
    along = bt_tensor_int(c->in[0], 0);
    if (!bt_axis(along, s.shape.rank, &axis))
        return bt_call_fail(c, "axis %lld is out of range [%d, %d)", (long long)along, -s.shape.rank,
                            s.shape.rank);
    if (parts < 1 || parts > s.shape.dim[axis])
        return bt_call_fail(c, "%d parts of a dimension of size %lld", parts, (long long)s.shape.dim[axis]);
    status = bt_sparse_check(c, &s, false);
    for (int p = 0; !status && p < parts; p++) status = put_part(c, &s, axis, parts, p);
    return status;
}

/* ---- SparseSlice -------------------------------------------------------------------------------------- */

static berth_status infer_slice(bt_infer *x)
{
    return x->n_in < 5 ? bt_infer_arity(x, 5)
                       : infer_sparse(x, 5, bt_infer_type(x, 1), -1, bt_infer_length(x, 2));
}

static bool in_slice(const int64_t *row, const int64_t *start, const int64_t *size, int rank)
{
    for (int k = 0; k < rank; k++)
        if (row[k] < start[k] || (uint64_t)row[k] - (uint64_t)start[k] >= (uint64_t)size[k]) return false;
    return true;
}

static berth_status run_slice(bt_call *c)
{
    bt_sparse s;
    bt_sparse_out out;
    int64_t start[BT_MAX_RANK], size[BT_MAX_RANK], n = 0;
    int n_start = -1, n_size = -1;
    berth_status status = bt_sparse_input(c, 0, &s);
    if (status) return status;
    int rank = s.shape.rank;
    bool vectors = c->in[3]->shape.rank == 1 && c->in[4]->shape.rank == 1;
    if (!vectors || !bt_ints(c->in[3], start, BT_MAX_RANK, &n_start) || n_start != rank ||
        !bt_ints(c->in[4], size, BT_MAX_RANK, &n_size) || n_size != rank)
        return bt_call_fail(c, "start and size must be vectors of length %d", rank);
    bt_shape shape = {.rank = rank};
    for (int k = 0; k < rank; k++) {
        int64_t left;
        if (size[k] < 0) return bt_call_fail(c, "a size of %lld", (long long)size[k]);
        if (__builtin_sub_overflow(s.shape.dim[k], start[k], &left)) left = start[k] < 0 ? INT64_MAX : 0;
        shape.dim[k] = left < 0 ? 0 : left < size[k] ? left : size[k];
    }
    for (int64_t i = 0; i < s.n; i++) n += in_slice(bt_sparse_row(&s, i), start, size, rank);
    status = bt_sparse_make(c, 0, 1, 2, n, s.values->dtype, &shape, &out);
    for (int64_t i = 0, at = 0; !status && i < s.n; i++) {
        const int64_t *row = bt_sparse_row(&s, i);
        if (!in_slice(row, start, size, rank)) continue;
        status = bt_sparse_put(c, &out, at, row, rank, s.values, i);
        for (int k = 0; k < rank; k++) out.index[at * rank + k] -= start[k];
        at++;
    }
    return status ? status : bt_sparse_done(c, &out, s.values);
}

/* ---- SparseAdd, SparseSparseMaximum, SparseSparseMinimum ---------------------------------------------- */

static berth_status infer_pair(bt_infer *x)
{
    return x->n_in < 6 ? bt_infer_arity(x, 6)
                       : infer_sparse(x, 6, bt_infer_type(x, 1), -1, bt_infer_length(x, 2));
}

static berth_status read_pair(bt_call *c, bt_sparse *a, bt_sparse *b)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    berth_status status = bt_sparse_input(c, 0, a);
    if (status || (status = bt_sparse_input(c, 3, b))) return status;
    if (!bt_shape_equal(&a->shape, &b->shape))
        return bt_call_fail(c, "shapes %s and %s differ", bt_shape_text(&a->shape, ta),
                            bt_shape_text(&b->shape, tb));
    return a->values->dtype == b->values->dtype ? BERTH_OK
                                                : bt_call_fail(c, "the two tensors differ in type");
}

/* An element of the union: its place in a and in b, -1 where it is not. */
typedef struct both {
    int64_t a, b;
} both;

/* Both walked in the order in which they come. */
static both *merge_pair(bt_call *c, const bt_sparse *a, const bt_sparse *b, int64_t *n)
{
    both *m = bt_scratch(c, ((size_t)a->n + (size_t)b->n + 1) * sizeof *m);
    int64_t i = 0, j = 0;
    *n = 0;
    while (m && (i < a->n || j < b->n)) {
        int order = i == a->n   ? 1
                    : j == b->n ? -1
                                : bt_sparse_compare(bt_sparse_row(a, i), bt_sparse_row(b, j), a->shape.rank);
        m[(*n)++] = (both){order <= 0 ? i : -1, order >= 0 ? j : -1};
        i += order <= 0, j += order >= 0;
    }
    return m;
}

/* values[k] = a, or b, or a + b */
static berth_status add_values(bt_call *c, const bt_sparse *a, const bt_sparse *b, const both *m, int64_t n,
                               void *values)
{
    berth_dtype dtype = a->values->dtype;
    size_t size = bt_dtype_size(dtype);
    berth_status status = BERTH_OK;
    for (int64_t k = 0; !status && k < n; k++) {
        const void *first = m[k].a >= 0 ? bt_at_const(dtype, a->values->data, m[k].a) : NULL,
                   *second = m[k].b >= 0 ? bt_at_const(dtype, b->values->data, m[k].b) : NULL;
        memcpy(bt_at(dtype, values, k), first ? first : second, size);
        if (first && second)
            status = bt_combine(dtype, BT_ADD, bt_at(dtype, values, k), second, 1, 1, c->error);
    }
    return status;
}

static double magnitude(const bt_tensor *t, int64_t i)
{
    if (t->dtype == BERTH_COMPLEX64)
        return hypot(((const float *)t->data)[2 * i], ((const float *)t->data)[2 * i + 1]);
    if (t->dtype == BERTH_COMPLEX128)
        return hypot(((const double *)t->data)[2 * i], ((const double *)t->data)[2 * i + 1]);
    return fabs(bt_tensor_number(t, i));
}

/* thresh <= |sum|, in integers where they are such: a double does not hold them all. Only sums of two can fall below it:
 * what is in one tensor alone stays. */
static bool reaches(const bt_tensor *sum, const both *m, int64_t i, const bt_tensor *thresh)
{
    if (m[i].a < 0 || m[i].b < 0) return true;
    if (!bt_dtype_is_int(sum->dtype)) return bt_tensor_number(thresh, 0) <= magnitude(sum, i);
    int64_t v = bt_tensor_int(sum, i);
    return bt_tensor_int(thresh, 0) <= (v < 0 ? (int64_t)(0 - (uint64_t)v) : v);
}

static berth_status run_add(bt_call *c)
{
    bt_sparse a, b;
    bt_sparse_out out;
    int64_t n, kept = 0;
    berth_status status = read_pair(c, &a, &b);
    if (status) return status;
    const bt_tensor *thresh = c->n_in > 6 ? c->in[6] : NULL;
    if (!thresh || thresh->shape.rank != 0 ||
        bt_dtype_is_int(thresh->dtype) != bt_dtype_is_int(a.values->dtype))
        return bt_call_fail(c, "the threshold must be a real scalar of the values' kind");
    both *m = merge_pair(c, &a, &b, &n);
    bt_tensor sum = {.dtype = a.values->dtype, .shape = BT_SHAPE(n)};
    if (!m || !(sum.data = bt_scratch(c, ((size_t)n + 1) * bt_dtype_size(sum.dtype)))) return BERTH_NO_MEMORY;
    if ((status = add_values(c, &a, &b, m, n, sum.data))) return status;
    for (int64_t k = 0; k < n; k++) kept += reaches(&sum, m, k, thresh);
    status = bt_sparse_make(c, 0, 1, 2, kept, sum.dtype, &a.shape, &out);
    for (int64_t k = 0, at = 0; !status && k < n; k++) {
        const int64_t *row = m[k].a >= 0 ? bt_sparse_row(&a, m[k].a) : bt_sparse_row(&b, m[k].b);
        if (reaches(&sum, m, k, thresh)) status = bt_sparse_put(c, &out, at++, row, a.shape.rank, &sum, k);
    }
    return status;
}

/* One that is not there counts as 0; NaN wins. */
static berth_status run_extreme(bt_call *c)
{
    bt_sparse a, b;
    bt_sparse_out out;
    int64_t n;
    const char zero[16] = {0};
    bt_combine_op op = bt_ends(c->node->op, "Maximum") ? BT_MAX : BT_MIN;
    berth_status status = read_pair(c, &a, &b);
    if (!status) status = bt_sparse_check(c, &a, false);
    if (!status) status = bt_sparse_check(c, &b, false);
    if (status) return status;
    berth_dtype dtype = a.values->dtype;
    both *m = merge_pair(c, &a, &b, &n);
    if (!m) return BERTH_NO_MEMORY;
    status = bt_sparse_make(c, 0, 1, -1, n, dtype, &a.shape, &out);
    for (int64_t k = 0; !status && k < n; k++) {
        const bt_sparse *first = m[k].a >= 0 ? &a : &b;
        int64_t i = m[k].a >= 0 ? m[k].a : m[k].b;
        const void *other = m[k].a >= 0 && m[k].b >= 0 ? bt_at_const(dtype, b.values->data, m[k].b) : zero;
        status = bt_sparse_put(c, &out, k, bt_sparse_row(first, i), a.shape.rank, first->values, i);
        if (bt_dtype_is_float(dtype) && isnan(bt_tensor_number(first->values, i))) continue;
        if (other != zero && bt_dtype_is_float(dtype) && isnan(bt_tensor_number(b.values, m[k].b)))
            memcpy(bt_at(dtype, out.values, k), other, bt_dtype_size(dtype));
        else if (!status) status = bt_combine(dtype, op, bt_at(dtype, out.values, k), other, 1, 1, c->error);
    }
    return status;
}

#define EXTREME(op)                                                                            \
    {                                                                                          \
        .name = "SparseSparse" op, .infer = infer_pair, .cpu = run_extreme, .types = BT_REALS, \
        .outputs = "output_indices,output_values"                                              \
    }

const bt_op bt_ops_sparse[] = {
    {.name = "SparseReorder",
     .infer = infer_reorder,
     .cpu = run_reorder,
     .outputs = "output_indices,output_values",
     .gpu = run_reorder,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 1 | 4,
     .host_outputs = 1},
    {.name = "SparseReshape",
     .infer = infer_reshape,
     .cpu = run_reshape,
     .outputs = "output_indices,output_shape"},
    {.name = "SparseConcat",
     .infer = infer_concat,
     .cpu = run_concat,
     .outputs = SPARSE_OUTPUTS,
     .gpu = run_concat,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = BT_HOST_OUTER,
     .host_outputs = 1 | 4},
    {.name = "SparseSplit",
     .infer = infer_split,
     .cpu = run_split,
     .outputs = "output_indices*num_split,output_values*num_split,output_shape*num_split",
     .gpu = run_split,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 1 | 2 | 8,
     .host_outputs = BT_HOST_OUTER},
    {.name = "SparseSlice",
     .infer = infer_slice,
     .cpu = run_slice,
     .outputs = SPARSE_OUTPUTS,
     .gpu = run_slice,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 1 | 4 | 8 | 16,
     .host_outputs = 1 | 4},
    {.name = "SparseAdd",
     .infer = infer_pair,
     .cpu = run_add,
     .types = BT_NUMBERS,
     .outputs = "sum_indices,sum_values,sum_shape"},
    EXTREME("Maximum"),
    EXTREME("Minimum"),
    {0},
};
