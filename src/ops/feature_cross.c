/* Crosses of features: SparseCross and RaggedCross. Each input is a column that holds some features a row; a row of the
 * result holds one cross for every way to choose a feature of each column, the last column changing fastest. A cross is
 * the features' texts joined, or a hash of them. */
#include "ops/ragged.h"
#include "ops/sparse.h"
#include "ops/text.h"

#include <inttypes.h>

/* Row r has features first[r] .. first[r + 1) of the values. */
typedef struct column {
    const bt_tensor *values;
    const int64_t *first;
} column;

typedef struct cross {
    column *columns;
    int n;
    int64_t rows;
    int64_t *begin; /* [rows + 1]: crosses of row r are begin[r] .. begin[r + 1) of the result */
    bool hashed;
    uint64_t buckets, key;
    bt_str separator;
} cross;

/* ---- Columns ------------------------------------------------------------------------------------------ */

static berth_status add_column(bt_call *c, cross *x, const bt_tensor *values, const int64_t *first,
                               int64_t rows)
{
    if (values->dtype != BERTH_STRING && values->dtype != BERTH_INT64)
        return bt_call_fail(c, "features of %s", bt_dtype_name(values->dtype));
    if (x->n && rows != x->rows)
        return bt_call_fail(c, "column %d has %lld rows, not %lld", x->n, (long long)rows,
                            (long long)x->rows);
    x->rows = rows;
    x->columns[x->n++] = (column){values, first};
    return BERTH_OK;
}

/* A matrix: features by row. */
static berth_status add_dense(bt_call *c, cross *x, int i)
{
    const bt_tensor *t = c->in[i];
    if (t->shape.rank != 2) return bt_call_fail(c, "dense features must be a matrix");
    int64_t rows = t->shape.dim[0], *first = bt_scratch(c, ((size_t)rows + 1) * sizeof *first);
    if (!first) return BERTH_NO_MEMORY;
    for (int64_t r = 0; r <= rows; r++) first[r] = r * t->shape.dim[1];
    return add_column(c, x, t, first, rows);
}

/* Indices in order of their rows; those of rows outside are left out, as TensorFlow does. */
static berth_status add_sparse(bt_call *c, cross *x, int indices, int values, int shape)
{
    bt_sparse s;
    berth_status status = bt_sparse_read(c, indices, values, shape, &s);
    if (status) return status;
    if (s.shape.rank != 2) return bt_call_fail(c, "sparse features must be a matrix");
    int64_t rows = s.shape.dim[0], i = 0;
    size_t bytes;
    bt_shape firsts = BT_SHAPE(rows);
    if (!bt_shape_bytes(&firsts, sizeof(int64_t), &bytes)) return bt_call_fail(c, "too many rows");
    int64_t *first = bt_scratch(c, bytes + sizeof *first);
    if (!first) return BERTH_NO_MEMORY;
    for (int64_t r = 0; r < rows; r++) {
        first[r] = i;
        while (i < s.n && bt_sparse_row(&s, i)[0] == r) i++;
    }
    first[rows] = i;
    return add_column(c, x, s.values, first, rows);
}

static berth_status add_ragged(bt_call *c, cross *x, int values, int splits)
{
    if (c->in[values]->shape.rank != 1) return bt_call_fail(c, "ragged features must have one level");
    const bt_splits *s = bt_ragged_splits(c, splits, 1, c->in[values]->shape.dim[0]);
    return s ? add_column(c, x, c->in[values], s->at, s->rows) : c->error->status;
}

static int64_t row_size(const column *column, int64_t row)
{
    return column->first[row + 1] - column->first[row];
}

static berth_status count_crosses(bt_call *c, cross *x, int64_t *longest)
{
    *longest = 0;
    if (!(x->begin = bt_scratch(c, ((size_t)x->rows + 1) * sizeof *x->begin))) return BERTH_NO_MEMORY;
    x->begin[0] = 0;
    for (int64_t r = 0; r < x->rows; r++) {
        int64_t n = 1;
        bool empty = false;
        for (int k = 0; k < x->n; k++) empty |= row_size(&x->columns[k], r) == 0;
        for (int k = 0; !empty && k < x->n; k++)
            if (__builtin_mul_overflow(n, row_size(&x->columns[k], r), &n))
                return bt_call_fail(c, "too many crosses");
        if (empty) n = 0;
        if (__builtin_add_overflow(x->begin[r], n, &x->begin[r + 1]))
            return bt_call_fail(c, "too many crosses");
        if (n > *longest) *longest = n;
    }
    return BERTH_OK;
}

/* ---- Values ------------------------------------------------------------------------------------------- */

/* Which feature of column k cross number `i` of a row takes. */
static int64_t choice(const cross *x, int64_t row, int64_t i, int k)
{
    for (int j = x->n - 1; j > k; j--) i /= row_size(&x->columns[j], row);
    return x->columns[k].first[row] + i % row_size(&x->columns[k], row);
}

/* TensorFlow's FingerprintCat64. */
static uint64_t join_hashes(uint64_t a, uint64_t b)
{
    const uint64_t mul = 0xc6a4a7935bd1e995u;
    uint64_t h = b * mul;
    h = ((a ^ mul) ^ (h ^ h >> 47) * mul) * mul;
    h = (h ^ h >> 47) * mul;
    return h ^ h >> 47;
}

static int64_t hash_cross(const cross *x, int64_t row, int64_t i)
{
    uint64_t h = x->key;
    for (int k = 0; k < x->n; k++) {
        const bt_tensor *v = x->columns[k].values;
        int64_t at = choice(x, row, i, k);
        const bt_string *s = (const bt_string *)v->data + at;
        h = join_hashes(h, v->dtype == BERTH_STRING ? bt_fingerprint64(s->p, s->n)
                                                    : ((const uint64_t *)v->data)[at]);
    }
    return (int64_t)(h % (x->buckets ? x->buckets : INT64_MAX));
}

static void text_cross(const cross *x, int64_t row, int64_t i, bt_text *text)
{
    for (int k = 0; k < x->n; k++) {
        const bt_tensor *v = x->columns[k].values;
        int64_t at = choice(x, row, i, k);
        const bt_string *s = (const bt_string *)v->data + at;
        if (k) bt_text_add(text, x->separator.p, x->separator.n);
        if (v->dtype == BERTH_STRING) bt_text_add(text, s->p, s->n);
        else bt_text_print(text, "%" PRId64, ((const int64_t *)v->data)[at]);
    }
}

static berth_status put_crosses(bt_call *c, const cross *x, void *out)
{
    bt_text text = {0};
    bool ok = true;
    for (int64_t r = 0; ok && r < x->rows; r++)
        for (int64_t i = x->begin[r]; ok && i < x->begin[r + 1]; i++) {
            if (x->hashed) {
                ((int64_t *)out)[i] = hash_cross(x, r, i - x->begin[r]);
                continue;
            }
            text_cross(x, r, i - x->begin[r], &text);
            ok = !text.failed && bt_string_set((bt_string *)out + i, text.p, text.n);
            text.n = 0;
        }
    bt_text_free(&text);
    return ok ? BERTH_OK : bt_fail_memory(c->error);
}

/* ---- SparseCross: indices, values, shapes, dense ------------------------------------------------------ */

static berth_status infer_sparse_cross(bt_infer *x)
{
    berth_dtype dtype =
        bt_ends(x->node->op, "V2") ? BERTH_STRING : bt_attr_type(x->node, "out_type", BERTH_NO_DTYPE);
    bt_infer_sparse(x, 0, -1, 2, dtype);
    return BERTH_OK;
}

static berth_status start_cross(bt_call *c, cross *x)
{
    x->columns = bt_scratch(c, ((size_t)c->n_in + 1) * sizeof *x->columns);
    x->hashed = bt_attr_bool(c->node, "hashed_output", false);
    x->key = (uint64_t)bt_attr_int(c->node, "hash_key", 0);
    int64_t buckets = bt_attr_int(c->node, "num_buckets", 0);
    x->buckets = buckets > 0 ? (uint64_t)buckets : 0;
    x->separator = bt_str_of("_X_");
    return x->columns ? BERTH_OK : BERTH_NO_MEMORY;
}

static berth_status run_sparse_cross(bt_call *c)
{
    cross x = {0};
    bt_sparse_out out;
    bool v2 = bt_ends(c->node->op, "V2");
    int64_t n = bt_attr_int(c->node, "N", 0), longest;
    int inputs = c->n_in - v2;
    if (n < 0 || 3 * n > inputs)
        return bt_call_fail(c, "%d inputs for %lld sparse ones", inputs, (long long)n);
    berth_status status = start_cross(c, &x);
    if (!status && v2) {
        const bt_tensor *separator = c->in[inputs];
        if (separator->dtype != BERTH_STRING || separator->shape.rank != 0)
            return bt_call_fail(c, "the separator must be one string");
        x.separator = bt_str_from(separator->data);
    }
    for (int i = 0; !status && i < n; i++) status = add_sparse(c, &x, i, (int)n + i, 2 * (int)n + i);
    for (int i = 3 * (int)n; !status && i < inputs; i++) status = add_dense(c, &x, i);
    if (!status) status = count_crosses(c, &x, &longest);
    if (status) return status;
    bt_shape shape = BT_SHAPE(x.rows, longest);
    status = bt_sparse_make(c, 0, 1, 2, x.begin[x.rows], x.hashed ? BERTH_INT64 : BERTH_STRING, &shape, &out);
    if (status) return status;
    for (int64_t r = 0; r < x.rows; r++)
        for (int64_t i = x.begin[r]; i < x.begin[r + 1]; i++)
            out.index[2 * i] = r, out.index[2 * i + 1] = i - x.begin[r];
    return put_crosses(c, &x, out.values);
}

/* ---- RaggedCross: ragged values, their splits, sparse indices, values, shapes, dense ------------------ */

static berth_status infer_ragged_cross(bt_infer *x)
{
    x->out[0] = (bt_fact){bt_attr_type(x->node, "out_values_type", BERTH_NO_DTYPE), BT_SHAPE(-1), NULL};
    x->out[1] = (bt_fact){bt_attr_type(x->node, "out_row_splits_type", BERTH_INT64), BT_SHAPE(-1), NULL};
    return BERTH_OK;
}

/* input_order names the columns, in order: R, S or D, the next one of its kind each. */
static berth_status add_in_order(bt_call *c, cross *x)
{
    const bt_attr_value *types;
    int ragged = bt_attr_list(c->node, "ragged_values_types", &types), at_ragged = 0, at_sparse = 0,
        at_dense = 0;
    int64_t sparse = bt_attr_int(c->node, "Nsparse", 0);
    if (ragged < 0) ragged = 0;
    if (sparse < 0 || 2 * (int64_t)ragged + 3 * sparse > c->n_in)
        return bt_call_fail(c, "%d inputs for %d ragged and %lld sparse ones", c->n_in, ragged,
                            (long long)sparse);
    int first = 2 * ragged, n = (int)sparse, dense = c->n_in - first - 3 * n;
    berth_status status = BERTH_OK;
    for (const char *p = bt_attr_string(c->node, "input_order", ""); !status && *p; p++) {
        int i = *p == 'R' ? at_ragged++ : *p == 'S' ? at_sparse++ : at_dense++;
        if (i >= (*p == 'R' ? ragged : *p == 'S' ? n : *p == 'D' ? dense : 0))
            return bt_call_fail(c, "input_order names more columns than there are");
        status = *p == 'R'   ? add_ragged(c, x, i, ragged + i)
                 : *p == 'S' ? add_sparse(c, x, first + i, first + n + i, first + 2 * n + i)
                             : add_dense(c, x, first + 3 * n + i);
    }
    if (status || x->n == ragged + n + dense) return status;
    return bt_call_fail(c, "input_order names fewer columns than there are");
}

static berth_status put_row_splits(bt_call *c, const cross *x)
{
    berth_dtype dtype = bt_attr_type(c->node, "out_row_splits_type", BERTH_INT64);
    bt_shape shape = BT_SHAPE(x->rows + 1);
    void *out = bt_out(c, 1, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    if (dtype == BERTH_INT32 && x->begin[x->rows] > INT32_MAX)
        return bt_call_fail(c, "too many crosses for int32");
    for (int64_t r = 0; r <= x->rows; r++) {
        if (dtype == BERTH_INT32) ((int32_t *)out)[r] = (int32_t)x->begin[r];
        else ((int64_t *)out)[r] = x->begin[r];
    }
    return BERTH_OK;
}

static berth_status run_ragged_cross(bt_call *c)
{
    cross x = {0};
    int64_t longest;
    berth_status status = start_cross(c, &x);
    if (!status) status = add_in_order(c, &x);
    if (!status) status = count_crosses(c, &x, &longest);
    if (!status) status = put_row_splits(c, &x);
    if (status) return status;
    bt_shape shape = BT_SHAPE(x.begin[x.rows]);
    void *out = bt_out(c, 0, x.hashed ? BERTH_INT64 : BERTH_STRING, &shape);
    return out ? put_crosses(c, &x, out) : BERTH_NO_MEMORY;
}

#define CROSS_OUTPUTS "output_indices,output_values,output_shape"

const bt_op bt_ops_feature_cross[] = {
    {.name = "SparseCross", .infer = infer_sparse_cross, .cpu = run_sparse_cross, .outputs = CROSS_OUTPUTS},
    {.name = "SparseCrossV2", .infer = infer_sparse_cross, .cpu = run_sparse_cross, .outputs = CROSS_OUTPUTS},
    {.name = "RaggedCross",
     .infer = infer_ragged_cross,
     .cpu = run_ragged_cross,
     .outputs = "output_values,output_row_splits"},
    {0},
};
