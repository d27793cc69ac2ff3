/* tf.train.Example taken apart: named lists of numbers or strings, out of protobuf bytes, become dense, sparse and ragged
 * tensors. Nothing is copied before it lands in an output. SequenceExample: example_sequence.c. */
#include "ops/example.h"

#include "ops/text.h"

static bt_values values_of(bt_feature f, bool *failed)
{
    static const berth_dtype kinds[] = {BERTH_NO_DTYPE, BERTH_STRING, BERTH_FLOAT, BERTH_INT64};
    bt_values v = {0};
    bt_wire w = bt_wire_of(f);
    while (f.p && bt_wire_next(&w))
        if (w.field >= 1 && w.field <= 3) v = (bt_values){kinds[w.field], bt_wire_bytes(&w)};
    *failed |= f.p && w.failed;
    return v;
}

static bt_wire_type wire_type(berth_dtype dtype)
{
    return dtype == BERTH_FLOAT ? BT_WIRE_FIXED32 : BT_WIRE_VARINT;
}

/* The values, each field of the list in turn, written from *at on; counted alone when out is NULL. */
static bool read_values(const bt_values *v, void *out, int64_t *at)
{
    bt_wire w = bt_wire_of(v->list);
    while (bt_wire_next(&w)) {
        if (w.field != 1) continue;
        if (v->dtype == BERTH_STRING) {
            bt_str s = bt_wire_bytes(&w);
            if (out && !bt_string_set((bt_string *)out + *at, s.p, s.n)) return false;
            ++*at;
            continue;
        }
        bt_reader numbers = bt_wire_numbers(&w, wire_type(v->dtype));
        if (!out) {
            *at += (int64_t)bt_wire_numbers_count(&numbers, wire_type(v->dtype));
            continue;
        }
        while (bt_reader_left(&numbers) && !numbers.failed) {
            uint64_t bits = bt_wire_number(&numbers, wire_type(v->dtype));
            if (numbers.failed) break;
            if (v->dtype == BERTH_INT64) ((int64_t *)out)[(*at)++] = (int64_t)bits;
            else memcpy((float *)out + (*at)++, &(uint32_t){(uint32_t)bits}, sizeof(float));
        }
    }
    return !w.failed;
}

/* ---- A row of features -------------------------------------------------------------------------------- */

int64_t bt_feature_count(bt_call *c, const bt_feature_row *r, int64_t i, berth_dtype dtype, bt_values *v)
{
    bool failed = false;
    int64_t n = 0;
    *v = values_of(r->at[i], &failed);
    if (!failed && v->dtype && v->dtype != dtype)
        return bt_call_fail(c, "Key: %.*s, Index: %lld. Data types don't match: %s is wanted, %s is there",
                            BT_FEATURE_KEY(r), (long long)i, bt_dtype_name(dtype), bt_dtype_name(v->dtype)),
               -1;
    if (failed || (v->dtype && !read_values(v, NULL, &n)))
        return bt_call_fail(c, "Key: %.*s, Index: %lld. Could not parse example input", BT_FEATURE_KEY(r),
                            (long long)i),
               -1;
    return n;
}

berth_status bt_feature_write(bt_call *c, const bt_values *v, void *out, int64_t at, int64_t n)
{
    int64_t end = at;
    if (!v->dtype || n == 0) return BERTH_OK;
    if (!read_values(v, out, &end)) return bt_fail_memory(c->error);
    return end == at + n ? BERTH_OK : bt_call_fail(c, "Could not parse example input");
}

/* Total and largest number of values in a row; -1: failed. */
static int64_t count_row(bt_call *c, const bt_feature_row *r, berth_dtype dtype, int64_t *most)
{
    int64_t total = 0;
    bt_values v;
    *most = 0;
    for (int64_t i = 0; i < r->n; i++) {
        int64_t n = bt_feature_count(c, r, i, dtype, &v);
        if (n < 0) return -1;
        total += n;
        if (n > *most) *most = n;
    }
    return total;
}

int64_t bt_feature_most_steps(const bt_feature_row *r)
{
    int64_t most = 0;
    for (int64_t b = 0; b < r->batch; b++)
        if (r->starts[b + 1] - r->starts[b] > most) most = r->starts[b + 1] - r->starts[b];
    return most;
}

berth_status bt_feature_sparse(bt_call *c, const bt_feature_row *r, berth_dtype dtype, const int o[3])
{
    int64_t most, total = count_row(c, r, dtype, &most), at = 0, b = 0;
    if (total < 0) return BERTH_BAD_INPUT;
    int rank = 1 + r->is_vector + (r->starts != NULL);
    bt_shape tuples = BT_SHAPE(total, rank), length = BT_SHAPE(total), ranks = BT_SHAPE(rank);
    int64_t *indices = bt_out(c, o[0], BERTH_INT64, &tuples);
    void *out = indices ? bt_out(c, o[1], dtype, &length) : NULL;
    int64_t *shape = out ? bt_out(c, o[2], BERTH_INT64, &ranks) : NULL;
    if (!shape) return BERTH_NO_MEMORY;
    shape[0] = r->n, shape[rank - 1] = most;
    if (r->starts) shape[0] = r->batch, shape[1] = bt_feature_most_steps(r);
    for (int64_t i = 0; i < r->n; i++) {
        bt_values v;
        int64_t n = bt_feature_count(c, r, i, dtype, &v);
        berth_status status = n < 0 ? BERTH_BAD_INPUT : bt_feature_write(c, &v, out, at, n);
        if (status) return status;
        while (r->starts && i >= r->starts[b + 1]) b++;
        for (int64_t k = 0; k < n; k++, at++) {
            if (r->starts) *indices++ = b;
            if (r->is_vector) *indices++ = r->starts ? i - r->starts[b] : i;
            *indices++ = k;
        }
    }
    return BERTH_OK;
}

berth_status bt_feature_ragged(bt_call *c, const bt_feature_row *r, berth_dtype dtype,
                               berth_dtype split_dtype, const int o[2])
{
    int64_t most, total = count_row(c, r, dtype, &most), at = 0;
    if (total < 0) return BERTH_BAD_INPUT;
    bt_shape length = BT_SHAPE(total), rows = BT_SHAPE(r->is_vector ? r->n + 1 : 0);
    if (!r->is_vector && r->is_sequence) rows = BT_SCALAR;
    void *out = bt_out(c, o[0], dtype, &length);
    void *splits = out ? bt_out(c, o[1], split_dtype, &rows) : NULL;
    if (!splits) return BERTH_NO_MEMORY;
    if (bt_shape_count(&rows)) bt_put_number(split_dtype, splits, 0);
    for (int64_t i = 0; i < r->n; i++) {
        bt_values v;
        int64_t n = bt_feature_count(c, r, i, dtype, &v);
        berth_status status = n < 0 ? BERTH_BAD_INPUT : bt_feature_write(c, &v, out, at, n);
        if (status) return status;
        at += n;
        if (r->is_vector) bt_put_number(split_dtype, bt_at(split_dtype, splits, i + 1), (double)at);
    }
    return BERTH_OK;
}

berth_status bt_feature_dense(bt_call *c, const bt_feature_row *r, berth_dtype dtype, const bt_shape *shape,
                              const bt_tensor *otherwise, int o)
{
    char ta[BT_SHAPE_TEXT];
    int64_t most = 0, step;
    bool open = shape->rank > 0 && shape->dim[0] < 0;
    bt_shape one = *shape, all = {.rank = 0};
    if (open && otherwise && bt_tensor_count(otherwise) != 1)
        return bt_call_fail(
            c, "dense_shape %s is a variable length shape: its default must be the one padding element",
            bt_shape_text(shape, ta));
    if (open && count_row(c, r, dtype, &most) < 0) return BERTH_BAD_INPUT;
    if (open) {
        step = bt_shape_span(shape, 1, shape->rank);
        one.dim[0] = step > 0 ? (most + step - 1) / step : 0;
    }
    if (!bt_shape_known(&one) || one.rank >= BT_MAX_RANK)
        return bt_call_unsupported(c, "dense features of shape %s", bt_shape_text(shape, ta));
    if (r->is_vector) all.dim[all.rank++] = r->n;
    for (int d = 0; d < one.rank; d++) all.dim[all.rank++] = one.dim[d];
    step = bt_shape_count(&one);
    char *out = bt_out(c, o, dtype, &all);
    if (!out) return BERTH_NO_MEMORY;
    int64_t given = otherwise && otherwise->dtype == dtype ? bt_tensor_count(otherwise) : 0;
    for (int64_t i = 0; i < r->n; i++) {
        bt_values v;
        int64_t n = bt_feature_count(c, r, i, dtype, &v),
                row_size = open ? bt_shape_span(shape, 1, shape->rank) : step;
        if (n < 0) return BERTH_BAD_INPUT;
        void *to = bt_at(dtype, out, i * step);
        berth_status status = BERTH_OK;
        if (!v.dtype && !open) {
            if (given != step && !(given == 1 && step > 0))
                return bt_call_fail(c, "Feature: %.*s (data type: %s) is required but could not be found",
                                    BT_FEATURE_KEY(r), bt_dtype_name(dtype));
            status = given == step ? bt_move_row(dtype, to, otherwise->data, step, NULL, c->error)
                                   : bt_move_fill(dtype, to, otherwise->data, step, NULL, c->error);
        } else if (open ? row_size > 0 && n % row_size : n != step) {
            return bt_call_fail(
                c, "Key: %.*s, Index: %lld. Number of values != expected: %lld values for shape %s",
                BT_FEATURE_KEY(r), (long long)i, (long long)n, bt_shape_text(shape, ta));
        } else {
            status = bt_feature_write(c, &v, out, i * step, n);
            void *rest = bt_at(dtype, to, n);
            if (!status && n < step && given)
                status = bt_move_fill(dtype, rest, otherwise->data, step - n, NULL, c->error);
            else if (n < step && !bt_dtype_is_object(dtype))
                memset(rest, 0, (size_t)(step - n) * bt_dtype_size(dtype));
        }
        if (status) return status;
    }
    return BERTH_OK;
}

/* ---- Messages ----------------------------------------------------------------------------------------- */

bool bt_example_find(bt_str message, const bt_map *keys, bt_feature *found, int64_t rows, int64_t row)
{
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field != 1) continue;
        bool failed = false;
        bt_str entry = bt_wire_bytes(&w), key = bt_wire_field(entry, 1, &failed),
               value = bt_wire_field(entry, 2, &failed);
        if (failed) return false;
        ptrdiff_t k = bt_map_get_index(keys, key);
        if (k >= 0) found[k * rows + row] = value;
    }
    return !w.failed;
}

/* The outputs of a spec, from found features: rows of each key. */
static berth_status put_all(bt_call *c, const bt_example_spec *s, const bt_feature *found, int64_t rows,
                            bool is_vector)
{
    berth_status status = BERTH_OK;
    int n = s->n_sparse, o = s->first_out, k = 0;
    for (int i = 0; i < n && !status; i++, k++) {
        bt_feature_row r = {s->keys[k], found + k * rows, rows, is_vector, s->is_sequence};
        status = bt_feature_sparse(c, &r, s->sparse_types[i].type, (int[]){o + i, o + n + i, o + 2 * n + i});
    }
    o += 3 * n;
    for (int i = 0; i < s->n_dense && !status; i++, k++, o++) {
        bt_feature_row r = {s->keys[k], found + k * rows, rows, is_vector, s->is_sequence};
        status = bt_feature_dense(c, &r, s->dense_types[i].type, s->dense_shapes[i].shape,
                                  s->defaults ? s->defaults[i] : NULL, o);
    }
    for (int i = 0; i < s->n_ragged && !status; i++, k++) {
        bt_feature_row r = {s->keys[k], found + k * rows, rows, is_vector, s->is_sequence};
        status = bt_feature_ragged(c, &r, s->ragged_types[i].type, s->split_types[i].type,
                                   (int[]){o + i, o + s->n_ragged + i});
    }
    return status;
}

bool bt_example_map(const bt_example_spec *s, bt_map *map)
{
    for (int k = 0; k < bt_example_keys(s); k++)
        if (!bt_map_put_index(map, s->keys[k], (size_t)k)) return false;
    return true;
}

bt_feature *bt_example_room(bt_call *c, const bt_example_spec *s, int64_t rows)
{
    size_t bytes;
    if (!bt_mul((size_t)(rows + 1), ((size_t)bt_example_keys(s) + 1) * sizeof(bt_feature), &bytes))
        return bt_fail_memory(c->error), NULL;
    bt_feature *found = bt_scratch(c, bytes);
    if (found) memset(found, 0, bytes);
    return found;
}

berth_status bt_example_parse(bt_call *c, const bt_example_spec *s, const bt_tensor *examples)
{
    int64_t rows = bt_tensor_count(examples);
    bt_feature *found = bt_example_room(c, s, rows);
    bt_map map = {0};
    if (!found) return BERTH_NO_MEMORY;
    berth_status status = bt_example_map(s, &map) ? BERTH_OK : bt_fail_memory(c->error);
    for (int64_t i = 0; i < rows && !status; i++) {
        const bt_string *e = (const bt_string *)examples->data + i;
        bool failed = false;
        bt_str features = bt_wire_field((bt_str){e->n ? e->p : "", e->n}, 1, &failed);
        if (failed || !bt_example_find(features, &map, found, rows, i))
            status = bt_call_fail(c, "Could not parse example input, value %lld", (long long)i);
    }
    bt_map_free(&map);
    return status ? status : put_all(c, s, found, rows, examples->shape.rank > 0);
}

/* ---- Specs from nodes --------------------------------------------------------------------------------- */

berth_status bt_example_list(bt_call *c, const char *name, int n, const bt_attr_value **list)
{
    if (bt_attr_list(c->node, name, list) == n) return BERTH_OK;
    return bt_call_fail(c, "attribute '%s' does not have %d elements", name, n);
}

berth_status bt_example_shapes(bt_call *c, const char *name, int n, const bt_attr_value **list)
{
    if (bt_attr_shapes(c->node, name, list) == n) return BERTH_OK;
    return bt_call_fail(c, "attribute '%s' does not have %d shapes", name, n);
}

berth_status bt_example_scalars(bt_call *c, bt_str *keys, int first, int n)
{
    for (int i = 0; i < n; i++) {
        berth_status status = bt_strings_input(c, first + i);
        if (status) return status;
        if (bt_tensor_count(c->in[first + i]) != 1) return bt_call_fail(c, "input %d is no key", first + i);
        keys[i] = bt_str_from(c->in[first + i]->data);
    }
    return BERTH_OK;
}

berth_status bt_example_vector(bt_call *c, bt_str *keys, int input, int n)
{
    berth_status status = bt_strings_input(c, input);
    if (status) return status;
    if (bt_tensor_count(c->in[input]) != n)
        return bt_call_fail(c, "input %d does not have %d keys", input, n);
    for (int i = 0; i < n; i++) keys[i] = bt_str_from((const bt_string *)c->in[input]->data + i);
    return BERTH_OK;
}

/* The lists of attributes that say what becomes of the keys; serialized and defaults are checked as well. */
static berth_status complete(bt_call *c, bt_example_spec *s, int first_default)
{
    berth_status status = bt_example_list(c, "sparse_types", s->n_sparse, &s->sparse_types);
    if (!status) status = bt_example_list(c, "Tdense", s->n_dense, &s->dense_types);
    if (!status) status = bt_example_shapes(c, "dense_shapes", s->n_dense, &s->dense_shapes);
    if (!status && s->n_ragged)
        status = bt_example_list(c, "ragged_value_types", s->n_ragged, &s->ragged_types);
    if (!status && s->n_ragged)
        status = bt_example_list(c, "ragged_split_types", s->n_ragged, &s->split_types);
    if (!status && c->n_in < first_default + s->n_dense) status = bt_call_fail(c, "a default is missing");
    s->defaults = c->in + first_default;
    return status ? status : bt_strings_input(c, 0);
}

static berth_status run_batch(bt_call *c)
{
    bt_example_spec s = {.n_sparse = (int)bt_attr_int(c->node, "Nsparse", 0),
                         .n_dense = (int)bt_attr_int(c->node, "Ndense", 0)};
    if (s.n_sparse < 0 || s.n_dense < 0 || c->n_in < 2 || s.n_sparse > c->n_in || s.n_dense > c->n_in)
        return bt_call_fail(c, "the number of keys is wrong");
    berth_status status = complete(c, &s, 2 + s.n_sparse + s.n_dense);
    if (status) return status;
    s.keys = bt_scratch(c, ((size_t)bt_example_keys(&s) + 1) * sizeof *s.keys);
    if (!s.keys) return BERTH_NO_MEMORY;
    status = bt_example_scalars(c, s.keys, 2, bt_example_keys(&s));
    return status ? status : bt_example_parse(c, &s, c->in[0]);
}

static berth_status run_batch_v2(bt_call *c)
{
    int64_t n[3];
    if (c->n_in < 5) return bt_call_fail(c, "needs 5 inputs");
    for (int i = 0; i < 3; i++) {
        berth_status status = bt_strings_input(c, 2 + i);
        if (status) return status;
        n[i] = bt_tensor_count(c->in[2 + i]);
    }
    if (n[0] + n[1] + n[2] > INT32_MAX / 4) return bt_call_fail(c, "the number of keys is wrong");
    bt_example_spec s = {.n_sparse = (int)n[0], .n_dense = (int)n[1], .n_ragged = (int)n[2]};
    berth_status status = complete(c, &s, 5);
    if (status) return status;
    bt_str *key = s.keys = bt_scratch(c, ((size_t)bt_example_keys(&s) + 1) * sizeof *s.keys);
    if (!key) return BERTH_NO_MEMORY;
    for (int i = 0; i < 3 && !status; key += n[i++]) status = bt_example_vector(c, key, 2 + i, (int)n[i]);
    return status ? status : bt_example_parse(c, &s, c->in[0]);
}

static berth_status run_single(bt_call *c)
{
    const bt_attr_value *keys[2];
    bt_example_spec s = {.n_sparse = bt_attr_list(c->node, "sparse_keys", &keys[0]),
                         .n_dense = bt_attr_list(c->node, "dense_keys", &keys[1])};
    berth_status status = complete(c, &s, 1);
    if (status) return status;
    if (c->in[0]->shape.rank != 0) return bt_call_fail(c, "Expected serialized to be a scalar");
    bt_str *key = s.keys = bt_scratch(c, ((size_t)bt_example_keys(&s) + 1) * sizeof *s.keys);
    if (!key) return BERTH_NO_MEMORY;
    for (int i = 0; i < s.n_sparse; i++) *key++ = keys[0][i].s;
    for (int i = 0; i < s.n_dense; i++) *key++ = keys[1][i].s;
    return bt_example_parse(c, &s, c->in[0]);
}

/* ---- Shape functions ---------------------------------------------------------------------------------- */

void bt_infer_sparse_features(bt_infer *x, int *o, const char *types, int rank)
{
    const bt_attr_value *list;
    int n = bt_attr_list(x->node, types, &list);
    for (int i = 0; i < n && *o + 2 * n + i < x->n_out; i++) {
        x->out[*o + i] = (bt_fact){BERTH_INT64, BT_SHAPE(-1, rank), NULL};
        x->out[*o + n + i] = (bt_fact){list[i].type, BT_SHAPE(-1), NULL};
        x->out[*o + 2 * n + i] = (bt_fact){BERTH_INT64, BT_SHAPE(rank), NULL};
    }
    *o += 3 * n;
}

void bt_infer_dense_features(bt_infer *x, int *o, const char *types, const char *shapes, int64_t rows,
                             bool single)
{
    const bt_attr_value *list, *dims = NULL;
    int n = bt_attr_list(x->node, types, &list), n_shapes = bt_attr_shapes(x->node, shapes, &dims);
    for (int i = 0; i < n && *o < x->n_out; i++, ++*o) {
        x->out[*o].dtype = list[i].type;
        if (rows == -2 || i >= n_shapes || dims[i].shape->rank < 0 || dims[i].shape->rank >= BT_MAX_RANK)
            continue;
        bt_shape *out = &x->out[*o].shape;
        out->rank = 0;
        if (!single) out->dim[out->rank++] = rows;
        for (int d = 0; d < dims[i].shape->rank; d++) out->dim[out->rank++] = dims[i].shape->dim[d];
    }
}

static berth_status infer_batch(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_attr_value *list;
    const bt_shape *in = &x->in[0].shape;
    int o = 0, n = bt_attr_list(x->node, "ragged_value_types", &list);
    bt_infer_sparse_features(x, &o, "sparse_types", in->rank < 0 ? -1 : in->rank + 1);
    bt_infer_dense_features(x, &o, "Tdense", "dense_shapes", in->rank == 1 ? in->dim[0] : -2, in->rank == 0);
    for (int i = 0; i < n && o < x->n_out; i++, o++) x->out[o].dtype = list[i].type;
    n = bt_attr_list(x->node, "ragged_split_types", &list);
    for (int i = 0; i < n && o < x->n_out; i++, o++) x->out[o].dtype = list[i].type;
    return BERTH_OK;
}

static berth_status infer_single(bt_infer *x)
{
    int o = 0;
    bt_infer_sparse_features(x, &o, "sparse_types", 1);
    bt_infer_dense_features(x, &o, "Tdense", "dense_shapes", -1, true);
    return bt_infer_arity(x, 1);
}

const bt_op bt_ops_example[] = {
    {"ParseExample", infer_batch, .cpu = run_batch,
     .outputs = BT_SPARSE_OUTPUTS("", "Nsparse") "dense_values*Tdense"},
    {"ParseExampleV2", infer_batch, .cpu = run_batch_v2,
     .outputs = BT_SPARSE_OUTPUTS("", "num_sparse") "dense_values*Tdense,ragged_values*ragged_value_types,"
                                                    "ragged_row_splits*ragged_split_types"},
    {"ParseSingleExample", infer_single, .cpu = run_single,
     .outputs = BT_SPARSE_OUTPUTS("", "num_sparse") "dense_values*Tdense"},
    {NULL},
};
