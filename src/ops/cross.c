/* Feature crosses: for each row of a batch, all combinations of one feature of each column, joined as text or hashed
 * to a bucket. Columns are sparse, ragged or dense; the last one varies fastest. */
#include "ops/move.h"
#include "ops/text.h"

/* Row i has the features [starts[i], starts[i + 1]) of values, int64 or string; starts NULL: `width` of them. */
typedef struct column {
    const bt_tensor *values;
    const int64_t *starts;
    int64_t width;
} column;

typedef struct cross {
    column *columns;
    int n;
    int64_t rows;
    bool hashed;
    uint64_t key, buckets;
    bt_str gap;
    int64_t *pick; /* of each column, the feature at hand */
} cross;

static int64_t first_of(const column *c, int64_t row) { return c->starts ? c->starts[row] : row * c->width; }

static int64_t count_of(const column *c, int64_t row) { return first_of(c, row + 1) - first_of(c, row); }

/* How many combinations a row has; -1: too many. */
static int64_t combinations(const cross *x, int64_t row)
{
    int64_t n = 1;
    for (int i = 0; i < x->n; i++) {
        int64_t count = count_of(&x->columns[i], row);
        if (count == 0) return 0;
        if (__builtin_mul_overflow(n, count, &n) || n > (int64_t)1 << 40) return -1;
    }
    return x->n ? n : 0;
}

/* Two fingerprints as one. */
static uint64_t cat_fingerprints(uint64_t a, uint64_t b)
{
    const uint64_t mul = 0xc6a4a7935bd1e995u;
    uint64_t v = b * mul;
    uint64_t r = (a ^ mul ^ (v ^ v >> 47) * mul) * mul;
    r = (r ^ r >> 47) * mul;
    return r ^ r >> 47;
}

static int64_t hash_of(const cross *x)
{
    uint64_t hash = x->key;
    for (int i = 0; i < x->n; i++) {
        const bt_tensor *t = x->columns[i].values;
        const bt_string *s = (const bt_string *)t->data + x->pick[i];
        uint64_t one = t->dtype == BERTH_STRING ? bt_fingerprint64(s->p, s->n)
                                                : (uint64_t)((const int64_t *)t->data)[x->pick[i]];
        hash = cat_fingerprints(hash, one);
    }
    return (int64_t)(hash % (x->buckets ? x->buckets : (uint64_t)INT64_MAX));
}

static bool text_of(const cross *x, bt_text *text, bt_string *out)
{
    for (int i = 0; i < x->n; i++) {
        const bt_tensor *t = x->columns[i].values;
        if (i) bt_text_add(text, x->gap.p, x->gap.n);
        if (t->dtype == BERTH_STRING) {
            const bt_string *s = (const bt_string *)t->data + x->pick[i];
            bt_text_add(text, s->p, s->n);
        } else bt_text_print(text, "%lld", (long long)((const int64_t *)t->data)[x->pick[i]]);
    }
    return bt_string_from_text(out, text);
}

/* All combinations of all rows, one after the other, as elements of `out`. */
static berth_status write_all(bt_call *c, const cross *x, void *out)
{
    bt_text text = {0};
    berth_status status = BERTH_OK;
    int64_t at = 0;
    for (int64_t row = 0; row < x->rows && !status; row++) {
        int64_t n = combinations(x, row);
        for (int i = 0; i < x->n; i++) x->pick[i] = first_of(&x->columns[i], row);
        for (int64_t k = 0; k < n && !status; k++, at++) {
            if (x->hashed) ((int64_t *)out)[at] = hash_of(x);
            else if (!text_of(x, &text, (bt_string *)out + at)) status = bt_fail_memory(c->error);
            for (int i = x->n - 1; i >= 0; i--) {
                if (++x->pick[i] < first_of(&x->columns[i], row + 1)) break;
                x->pick[i] = first_of(&x->columns[i], row);
            }
        }
    }
    bt_text_free(&text);
    return status;
}

/* Total of combinations, and the most of one row; -1 with the error set. */
static int64_t count_all(bt_call *c, const cross *x, int64_t *most)
{
    int64_t total = 0;
    *most = 0;
    for (int64_t row = 0; row < x->rows; row++) {
        int64_t n = combinations(x, row);
        if (n < 0 || total + n > (int64_t)1 << 40) return bt_call_unsupported(c, "too many combinations"), -1;
        total += n;
        if (n > *most) *most = n;
    }
    return total;
}

/* ---- Columns ------------------------------------------------------------------------------------------ */

static berth_status check_values(bt_call *c, const bt_tensor *values)
{
    if (values->dtype == BERTH_INT64 || values->dtype == BERTH_STRING) return BERTH_OK;
    return bt_call_fail(c, "features must be int64 or string, not %s", bt_dtype_name(values->dtype));
}

/* Where the rows of RaggedCross begin: TensorFlow takes indices as they come, and leaves out those behind the batch. */
static berth_status sparse_rows(bt_call *c, const cross *x, const bt_tensor *const *in, column *out)
{
    const bt_tensor *indices = in[0], *values = in[1], *shape = in[2];
    if (shape->dtype != BERTH_INT64 || shape->shape.rank != 1 || bt_tensor_count(shape) != 2 ||
        indices->dtype != BERTH_INT64 || indices->shape.rank != 2 || values->shape.rank != 1)
        return bt_call_fail(c, "needs sparse columns of [batch, features]");
    int64_t n = bt_tensor_count(values), step = indices->shape.dim[1], i = 0;
    if (bt_tensor_int(shape, 0) != x->rows || (n && (indices->shape.dim[0] < n || step < 1)))
        return bt_call_fail(c, "a sparse column does not fit the batch");
    int64_t *starts = bt_scratch(c, (size_t)(x->rows + 1) * sizeof *starts);
    if (!starts) return BERTH_NO_MEMORY;
    starts[0] = 0;
    for (int64_t row = 0; row < x->rows; row++) {
        while (i < n && ((const int64_t *)indices->data)[i * step] <= row) i++;
        starts[row + 1] = i;
    }
    *out = (column){values, starts, 0};
    return check_values(c, values);
}

/* Rows take part in order, so that counting how many indices each has says where it begins. */
static berth_status sparse_column(bt_call *c, const cross *x, const bt_tensor *indices,
                                  const bt_tensor *values, column *out)
{
    int64_t *starts = bt_scratch(c, (size_t)(x->rows + 1) * sizeof *starts);
    if (!starts) return BERTH_NO_MEMORY;
    int64_t n = bt_tensor_count(values), last = 0;
    if (indices->dtype != BERTH_INT64 || indices->shape.rank != 2 || indices->shape.dim[1] != 2 ||
        indices->shape.dim[0] != n || values->shape.rank != 1)
        return bt_call_fail(c, "needs sparse columns of [batch, features]");
    memset(starts, 0, (size_t)(x->rows + 1) * sizeof *starts);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = ((const int64_t *)indices->data)[2 * i];
        if (row < last || row >= x->rows)
            return bt_call_fail(c, "the indices of a column are not in order, or outside");
        starts[row + 1]++;
        last = row;
    }
    for (int64_t row = 0; row < x->rows; row++) starts[row + 1] += starts[row];
    *out = (column){values, starts, 0};
    return check_values(c, values);
}

static berth_status ragged_column(bt_call *c, const cross *x, const bt_tensor *splits,
                                  const bt_tensor *values, column *out)
{
    const int64_t *starts = splits->shape.rank == 1 ? bt_call_indices(c, splits) : NULL;
    int64_t n = bt_tensor_count(values);
    bool fits = starts && values->shape.rank == 1 && bt_tensor_count(splits) == x->rows + 1 &&
                starts[0] == 0 && starts[x->rows] == n;
    for (int64_t i = 0; fits && i < x->rows; i++) fits = starts[i + 1] >= starts[i];
    if (!fits) return bt_call_fail(c, "the row splits of a column do not fit");
    *out = (column){values, starts, 0};
    return check_values(c, values);
}

static berth_status dense_column(bt_call *c, const cross *x, const bt_tensor *values, column *out)
{
    if (values->shape.rank != 2 || values->shape.dim[0] != x->rows)
        return bt_call_fail(c, "dense columns must be [batch, features], of the same batch");
    *out = (column){values, NULL, values->shape.dim[1]};
    return check_values(c, values);
}

static berth_status cross_begin(bt_call *c, cross *x, int n)
{
    x->n = n;
    x->columns = bt_scratch(c, ((size_t)n + 1) * sizeof *x->columns);
    x->pick = x->columns ? bt_scratch(c, ((size_t)n + 1) * sizeof *x->pick) : NULL;
    return x->pick ? BERTH_OK : BERTH_NO_MEMORY;
}

/* ---- SparseCross -------------------------------------------------------------------------------------- */

static berth_dtype cross_dtype(const bt_node *node)
{
    if (!strcmp(node->op, "SparseCrossV2")) return BERTH_STRING;
    return bt_attr_type(node, *node->op == 'R' ? "out_values_type" : "out_type", BERTH_STRING);
}

static berth_status infer_sparse_cross(bt_infer *x)
{
    x->out[0] = (bt_fact){BERTH_INT64, BT_SHAPE(-1, 2), NULL};
    x->out[1] = (bt_fact){cross_dtype(x->node), BT_SHAPE(-1), NULL};
    x->out[2] = (bt_fact){BERTH_INT64, BT_SHAPE(2), NULL};
    return BERTH_OK;
}

static berth_status put_sparse_cross(bt_call *c, const cross *x)
{
    int64_t most, total = count_all(c, x, &most);
    if (total < 0) return BERTH_UNSUPPORTED;
    bt_shape pairs = BT_SHAPE(total, 2), length = BT_SHAPE(total), two = BT_SHAPE(2);
    int64_t *indices = bt_out(c, 0, BERTH_INT64, &pairs);
    void *values = indices ? bt_out(c, 1, cross_dtype(c->node), &length) : NULL;
    int64_t *shape = values ? bt_out(c, 2, BERTH_INT64, &two) : NULL;
    if (!shape) return BERTH_NO_MEMORY;
    shape[0] = x->rows, shape[1] = most;
    for (int64_t row = 0; row < x->rows; row++)
        for (int64_t k = 0, n = combinations(x, row); k < n; k++) *indices++ = row, *indices++ = k;
    return write_all(c, x, values);
}

static void cross_options(bt_call *c, cross *x)
{
    x->hashed = bt_attr_bool(c->node, "hashed_output", false) && cross_dtype(c->node) == BERTH_INT64;
    x->key = (uint64_t)bt_attr_int(c->node, "hash_key", 0);
    int64_t buckets = bt_attr_int(c->node, "num_buckets", 0);
    x->buckets = buckets > 0 ? (uint64_t)buckets : 0;
    x->gap = bt_str_of("_X_");
}

/* Inputs: indices [n], values [n], shapes [n], then dense ones, and the separator of V2. */
static berth_status run_sparse_cross(bt_call *c)
{
    bool is_v2 = !strcmp(c->node->op, "SparseCrossV2");
    int64_t n = bt_attr_int(c->node, "N", 0);
    int dense = c->n_in - (int)is_v2 - 3 * (int)(n < c->n_in ? n : c->n_in);
    if (n < 0 || dense < 0) return bt_call_fail(c, "the number of columns is wrong");
    cross x = {0};
    cross_options(c, &x);
    if (!x.hashed && cross_dtype(c->node) != BERTH_STRING)
        return bt_call_unsupported(c, "integers that are no hash");
    if (is_v2) {
        berth_status status = bt_strings_input(c, c->n_in - 1);
        if (status) return status;
        if (bt_tensor_count(c->in[c->n_in - 1]) != 1)
            return bt_call_fail(c, "the separator must be one string");
        x.gap = bt_str_from(c->in[c->n_in - 1]->data);
    }
    berth_dtype inside = bt_attr_type(c->node, "internal_type", BERTH_NO_DTYPE);
    for (int i = 0; !is_v2 && i < (int)n + dense; i++) {
        berth_dtype given = c->in[i < (int)n ? n + i : 2 * n + i]->dtype;
        if (inside == BERTH_STRING && given != inside) /* integers take any: strings are hashed */
            return bt_call_fail(c, "inputs should be of internal type %s, not %s", bt_dtype_name(inside),
                                bt_dtype_name(given));
    }
    berth_status status = cross_begin(c, &x, (int)n + dense);
    if (status) return status;
    const bt_tensor *first = n ? c->in[2 * n] : dense ? c->in[0] : NULL;
    if (n && (first->dtype != BERTH_INT64 || bt_tensor_count(first) != 2))
        return bt_call_fail(c, "needs sparse columns of [batch, features]");
    if (!n && first && first->shape.rank != 2)
        return bt_call_fail(c, "dense columns must be [batch, features]");
    x.rows = n ? bt_tensor_int(first, 0) : first ? first->shape.dim[0] : 0;
    if (x.rows < 0 || x.rows > (int64_t)1 << 40) return bt_call_fail(c, "a batch of %lld", (long long)x.rows);
    for (int i = 0; i < (int)n && !status; i++)
        status = sparse_column(c, &x, c->in[i], c->in[n + i], &x.columns[i]);
    for (int i = 0; i < dense && !status; i++)
        status = dense_column(c, &x, c->in[3 * n + i], &x.columns[n + i]);
    return status ? status : put_sparse_cross(c, &x);
}

/* ---- RaggedCross -------------------------------------------------------------------------------------- */

static berth_status infer_ragged_cross(bt_infer *x)
{
    x->out[0] = (bt_fact){cross_dtype(x->node), BT_SHAPE(-1), NULL};
    x->out[1] = (bt_fact){bt_attr_type(x->node, "out_row_splits_type", BERTH_INT64), BT_SHAPE(-1), NULL};
    return BERTH_OK;
}

static berth_status put_ragged_cross(bt_call *c, const cross *x)
{
    berth_dtype dtype = bt_attr_type(c->node, "out_row_splits_type", BERTH_INT64);
    int64_t most, total = count_all(c, x, &most), at = 0;
    if (total < 0) return BERTH_UNSUPPORTED;
    bt_shape length = BT_SHAPE(total), rows = BT_SHAPE(x->rows + 1);
    void *values = bt_out(c, 0, cross_dtype(c->node), &length);
    void *splits = values ? bt_out(c, 1, dtype, &rows) : NULL;
    if (!splits) return BERTH_NO_MEMORY;
    for (int64_t row = 0; row <= x->rows; row++) {
        bt_put_number(dtype, bt_at(dtype, splits, row), (double)at);
        if (row < x->rows) at += combinations(x, row);
    }
    return write_all(c, x, values);
}

/* Inputs: ragged values [r], row splits [r], sparse indices [s], values [s], shapes [s], dense [d]; input_order says,
 * a letter a column, in which order they are crossed. */
static berth_status run_ragged_cross(bt_call *c)
{
    const bt_attr_value *list;
    const char *order = bt_attr_string(c->node, "input_order", "");
    int r = bt_attr_list(c->node, "ragged_values_types", &list),
        d = bt_attr_list(c->node, "dense_types", &list);
    int s = bt_attr_list(c->node, "sparse_values_types", &list), first[3] = {0, 2 * r, 2 * r + 3 * s},
        next[3] = {0};
    if (r < 0 || s < 0 || d < 0 || c->n_in != 2 * r + 3 * s + d || strlen(order) != (size_t)(r + s + d))
        return bt_call_fail(c, "the number of columns is wrong");
    cross x = {0};
    cross_options(c, &x);
    x.hashed = cross_dtype(c->node) == BERTH_INT64; /* whatever hashed_output says */
    berth_status status = cross_begin(c, &x, r + s + d);
    if (status) return status;
    if (r) x.rows = bt_tensor_count(c->in[r]) - 1;
    else if (s) x.rows = bt_tensor_count(c->in[2 * s]) == 2 ? bt_tensor_int(c->in[2 * s], 0) : -1;
    else if (d) x.rows = c->in[0]->shape.rank == 2 ? c->in[0]->shape.dim[0] : -1;
    if (x.rows < 0 || x.rows > (int64_t)1 << 40) return bt_call_fail(c, "a batch of %lld", (long long)x.rows);
    for (int i = 0; order[i] && !status; i++) {
        int kind = order[i] == 'R' ? 0 : order[i] == 'S' ? 1 : 2, k = next[kind]++;
        if (k >= (kind == 0 ? r : kind == 1 ? s : d))
            return bt_call_fail(c, "the order of the columns is wrong");
        bt_tensor *const *in = c->in + first[kind] + k;
        if (kind == 0) status = ragged_column(c, &x, in[r], in[0], &x.columns[i]);
        else if (kind == 1)
            status = sparse_rows(c, &x, (const bt_tensor *const[]){in[0], in[s], in[2 * s]}, &x.columns[i]);
        else status = dense_column(c, &x, in[0], &x.columns[i]);
    }
    return status ? status : put_ragged_cross(c, &x);
}

#define OUTPUTS "output_indices,output_values,output_shape"

const bt_op bt_ops_cross[] = {
    {"SparseCross", infer_sparse_cross, .cpu = run_sparse_cross, .outputs = OUTPUTS},
    {"SparseCrossV2", infer_sparse_cross, .cpu = run_sparse_cross, .outputs = OUTPUTS},
    {"RaggedCross", infer_ragged_cross, .cpu = run_ragged_cross,
     .outputs = "output_values,output_row_splits"},
    {NULL},
};
