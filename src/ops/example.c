/* tf.train.Example and SequenceExample taken apart: named lists of numbers or strings, out of protobuf bytes, become
 * dense, sparse and ragged tensors. Nothing is copied before it lands in an output. A batch of examples and the steps
 * of one sequence are the same to what writes the outputs: a row of features. */
#include "base/map.h"
#include "base/wire.h"
#include "ops/move.h"
#include "ops/text.h"

/* A Feature's message; p NULL: the example has none. */
typedef bt_str feature;

/* The values of a feature: those of the one list that it has, if any. */
typedef struct values {
    berth_dtype dtype; /* 0: no list */
    bt_str list;
} values;

static values values_of(feature f, bool *failed)
{
    static const berth_dtype kinds[] = {BERTH_NO_DTYPE, BERTH_STRING, BERTH_FLOAT, BERTH_INT64};
    values v = {0};
    bt_wire w = bt_wire_of(f);
    while (f.p && bt_wire_next(&w))
        if (w.field >= 1 && w.field <= 3) v = (values){kinds[w.field], bt_wire_bytes(&w)};
    *failed |= f.p && w.failed;
    return v;
}

static bt_wire_type wire_type(berth_dtype dtype)
{
    return dtype == BERTH_FLOAT ? BT_WIRE_FIXED32 : BT_WIRE_VARINT;
}

/* The values, each field of the list in turn, written from *at on; counted alone when out is NULL. */
static bool read_values(const values *v, void *out, int64_t *at)
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

typedef struct row {
    bt_str key;
    const feature *at;
    int64_t n;
    bool is_vector; /* else one example, whose outputs have no dimension for it */
} row;

#define KEY(r) (int)((r)->key.n < 100 ? (r)->key.n : 100), (r)->key.p

/* How many values feature i has, of that dtype; -1 with the error set. A missing feature has none. */
static int64_t count_of(bt_call *c, const row *r, int64_t i, berth_dtype dtype, values *v)
{
    bool failed = false;
    int64_t n = 0;
    *v = values_of(r->at[i], &failed);
    if (!failed && v->dtype && v->dtype != dtype)
        return bt_call_fail(c, "Key: %.*s, Index: %lld. Data types don't match: %s is wanted, %s is there",
                            KEY(r), (long long)i, bt_dtype_name(dtype), bt_dtype_name(v->dtype)),
               -1;
    if (failed || (v->dtype && !read_values(v, NULL, &n)))
        return bt_call_fail(c, "Key: %.*s, Index: %lld. Could not parse example input", KEY(r), (long long)i),
               -1;
    return n;
}

/* Whether writing a feature's values, of which there are n, came to its end. */
static berth_status write_values(bt_call *c, const values *v, void *out, int64_t at, int64_t n)
{
    int64_t end = at;
    if (!v->dtype || n == 0) return BERTH_OK;
    if (!read_values(v, out, &end)) return bt_fail_memory(c->error);
    return end == at + n ? BERTH_OK : bt_call_fail(c, "Could not parse example input");
}

/* Total and largest number of values in a row; -1: failed. */
static int64_t count_row(bt_call *c, const row *r, berth_dtype dtype, int64_t *most)
{
    int64_t total = 0;
    values v;
    *most = 0;
    for (int64_t i = 0; i < r->n; i++) {
        int64_t n = count_of(c, r, i, dtype, &v);
        if (n < 0) return -1;
        total += n;
        if (n > *most) *most = n;
    }
    return total;
}

/* Outputs o[0..3): indices [n, 1 or 2], values [n], shape [1 or 2]. */
static berth_status put_sparse(bt_call *c, const row *r, berth_dtype dtype, const int o[3])
{
    int64_t most, total = count_row(c, r, dtype, &most), at = 0;
    if (total < 0) return BERTH_BAD_INPUT;
    int rank = r->is_vector ? 2 : 1;
    bt_shape pairs = BT_SHAPE(total, rank), length = BT_SHAPE(total), ranks = BT_SHAPE(rank);
    int64_t *indices = bt_out(c, o[0], BERTH_INT64, &pairs);
    void *out = indices ? bt_out(c, o[1], dtype, &length) : NULL;
    int64_t *shape = out ? bt_out(c, o[2], BERTH_INT64, &ranks) : NULL;
    if (!shape) return BERTH_NO_MEMORY;
    shape[0] = r->n, shape[rank - 1] = most;
    for (int64_t i = 0; i < r->n; i++) {
        values v;
        int64_t n = count_of(c, r, i, dtype, &v);
        berth_status status = n < 0 ? BERTH_BAD_INPUT : write_values(c, &v, out, at, n);
        if (status) return status;
        for (int64_t k = 0; k < n; k++, at++) {
            if (rank == 2) *indices++ = i;
            *indices++ = k;
        }
    }
    return BERTH_OK;
}

/* Outputs o[0..2): values [n], row splits [rows + 1], none for a single example. */
static berth_status put_ragged(bt_call *c, const row *r, berth_dtype dtype, berth_dtype split_dtype,
                               const int o[2])
{
    int64_t most, total = count_row(c, r, dtype, &most), at = 0;
    if (total < 0) return BERTH_BAD_INPUT;
    bt_shape length = BT_SHAPE(total), rows = BT_SHAPE(r->is_vector ? r->n + 1 : 0);
    void *out = bt_out(c, o[0], dtype, &length);
    void *splits = out ? bt_out(c, o[1], split_dtype, &rows) : NULL;
    if (!splits) return BERTH_NO_MEMORY;
    if (r->is_vector) bt_put_number(split_dtype, splits, 0);
    for (int64_t i = 0; i < r->n; i++) {
        values v;
        int64_t n = count_of(c, r, i, dtype, &v);
        berth_status status = n < 0 ? BERTH_BAD_INPUT : write_values(c, &v, out, at, n);
        if (status) return status;
        at += n;
        if (r->is_vector) bt_put_number(split_dtype, bt_at(split_dtype, splits, i + 1), (double)at);
    }
    return BERTH_OK;
}

/* Output o: [rows] + shape; where the first dimension of shape is open it becomes the largest of the rows, and shorter
 * ones are filled up with the default, which is one value then. `otherwise` may be NULL: nothing may be missing. */
static berth_status put_dense(bt_call *c, const row *r, berth_dtype dtype, const bt_shape *shape,
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
        values v;
        int64_t n = count_of(c, r, i, dtype, &v),
                row_size = open ? bt_shape_span(shape, 1, shape->rank) : step;
        if (n < 0) return BERTH_BAD_INPUT;
        void *to = bt_at(dtype, out, i * step);
        berth_status status = BERTH_OK;
        if (!v.dtype && !open) {
            if (given != step && !(given == 1 && step > 0))
                return bt_call_fail(c, "Feature: %.*s (data type: %s) is required but could not be found",
                                    KEY(r), bt_dtype_name(dtype));
            status = given == step ? bt_move_row(dtype, to, otherwise->data, step, NULL, c->error)
                                   : bt_move_fill(dtype, to, otherwise->data, step, NULL, c->error);
        } else if (open ? row_size > 0 && n % row_size : n != step) {
            return bt_call_fail(
                c, "Key: %.*s, Index: %lld. Number of values != expected: %lld values for shape %s", KEY(r),
                (long long)i, (long long)n, bt_shape_text(shape, ta));
        } else {
            status = write_values(c, &v, out, i * step, n);
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

/* found[k * rows + row]: the value that map entries of field 1 in `message` give key k; of two, the last. */
static bool find_keys(bt_str message, const bt_map *keys, feature *found, int64_t rows, int64_t row)
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

/* The keys of all features that a node asks for, and what each is to become. */
typedef struct spec {
    bt_str *keys;
    int n_sparse, n_dense, n_ragged;
    const bt_attr_value *sparse_types, *dense_types, *dense_shapes, *ragged_types, *split_types;
    bt_tensor *const *defaults; /* NULL: none */
    int first_out;
} spec;

static int n_keys(const spec *s) { return s->n_sparse + s->n_dense + s->n_ragged; }

/* The outputs of a spec, from found features: rows of each key. */
static berth_status put_all(bt_call *c, const spec *s, const feature *found, int64_t rows, bool is_vector)
{
    berth_status status = BERTH_OK;
    int n = s->n_sparse, o = s->first_out, k = 0;
    for (int i = 0; i < n && !status; i++, k++) {
        row r = {s->keys[k], found + k * rows, rows, is_vector};
        status = put_sparse(c, &r, s->sparse_types[i].type, (int[]){o + i, o + n + i, o + 2 * n + i});
    }
    o += 3 * n;
    for (int i = 0; i < s->n_dense && !status; i++, k++, o++) {
        row r = {s->keys[k], found + k * rows, rows, is_vector};
        status = put_dense(c, &r, s->dense_types[i].type, &s->dense_shapes[i].shape,
                           s->defaults ? s->defaults[i] : NULL, o);
    }
    for (int i = 0; i < s->n_ragged && !status; i++, k++) {
        row r = {s->keys[k], found + k * rows, rows, is_vector};
        status = put_ragged(c, &r, s->ragged_types[i].type, s->split_types[i].type,
                            (int[]){o + i, o + s->n_ragged + i});
    }
    return status;
}

static bool map_keys(const spec *s, bt_map *map)
{
    for (int k = 0; k < n_keys(s); k++)
        if (!bt_map_put_index(map, s->keys[k], (size_t)k)) return false;
    return true;
}

static feature *room_for(bt_call *c, const spec *s, int64_t rows)
{
    size_t bytes;
    if (!bt_mul((size_t)(rows + 1), ((size_t)n_keys(s) + 1) * sizeof(feature), &bytes))
        return bt_fail_memory(c->error), NULL;
    feature *found = bt_scratch(c, bytes);
    if (found) memset(found, 0, bytes);
    return found;
}

/* Every message of `examples` is an Example (or what begins as one): its field 1 is the map of features. */
static berth_status parse(bt_call *c, const spec *s, const bt_tensor *examples)
{
    int64_t rows = bt_tensor_count(examples);
    feature *found = room_for(c, s, rows);
    bt_map map = {0};
    if (!found) return BERTH_NO_MEMORY;
    berth_status status = map_keys(s, &map) ? BERTH_OK : bt_fail_memory(c->error);
    for (int64_t i = 0; i < rows && !status; i++) {
        const bt_string *e = (const bt_string *)examples->data + i;
        bool failed = false;
        bt_str features = bt_wire_field((bt_str){e->n ? e->p : "", e->n}, 1, &failed);
        if (failed || !find_keys(features, &map, found, rows, i))
            status = bt_call_fail(c, "Could not parse example input, value %lld", (long long)i);
    }
    bt_map_free(&map);
    return status ? status : put_all(c, s, found, rows, examples->shape.rank > 0);
}

/* ---- Specs from nodes --------------------------------------------------------------------------------- */

static berth_status check_list(bt_call *c, const char *name, int n, const bt_attr_value **list)
{
    if (bt_attr_list(c->node, name, list) == n) return BERTH_OK;
    return bt_call_fail(c, "attribute '%s' does not have %d elements", name, n);
}

/* Scalar inputs [first, first + n) are keys. */
static berth_status keys_of_inputs(bt_call *c, bt_str *keys, int first, int n)
{
    for (int i = 0; i < n; i++) {
        berth_status status = bt_strings_input(c, first + i);
        if (status) return status;
        if (bt_tensor_count(c->in[first + i]) != 1) return bt_call_fail(c, "input %d is no key", first + i);
        keys[i] = bt_str_from(c->in[first + i]->data);
    }
    return BERTH_OK;
}

/* The lists of attributes that say what becomes of the keys; serialized and defaults are checked as well. */
static berth_status complete(bt_call *c, spec *s, int first_default)
{
    berth_status status = check_list(c, "sparse_types", s->n_sparse, &s->sparse_types);
    if (!status) status = check_list(c, "Tdense", s->n_dense, &s->dense_types);
    if (!status) status = check_list(c, "dense_shapes", s->n_dense, &s->dense_shapes);
    if (!status && s->n_ragged) status = check_list(c, "ragged_value_types", s->n_ragged, &s->ragged_types);
    if (!status && s->n_ragged) status = check_list(c, "ragged_split_types", s->n_ragged, &s->split_types);
    if (!status && c->n_in < first_default + s->n_dense) status = bt_call_fail(c, "a default is missing");
    s->defaults = c->in + first_default;
    return status ? status : bt_strings_input(c, 0);
}

static berth_status run_batch(bt_call *c)
{
    spec s = {.n_sparse = (int)bt_attr_int(c->node, "Nsparse", 0),
              .n_dense = (int)bt_attr_int(c->node, "Ndense", 0)};
    if (s.n_sparse < 0 || s.n_dense < 0 || c->n_in < 2 || s.n_sparse > c->n_in || s.n_dense > c->n_in)
        return bt_call_fail(c, "the number of keys is wrong");
    berth_status status = complete(c, &s, 2 + s.n_sparse + s.n_dense);
    if (status) return status;
    s.keys = bt_scratch(c, ((size_t)n_keys(&s) + 1) * sizeof *s.keys);
    if (!s.keys) return BERTH_NO_MEMORY;
    status = keys_of_inputs(c, s.keys, 2, n_keys(&s));
    return status ? status : parse(c, &s, c->in[0]);
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
    spec s = {.n_sparse = (int)n[0], .n_dense = (int)n[1], .n_ragged = (int)n[2]};
    berth_status status = complete(c, &s, 5);
    if (status) return status;
    bt_str *key = s.keys = bt_scratch(c, ((size_t)n_keys(&s) + 1) * sizeof *s.keys);
    if (!key) return BERTH_NO_MEMORY;
    for (int i = 0; i < 3; i++)
        for (int64_t k = 0; k < n[i]; k++) *key++ = bt_str_from((const bt_string *)c->in[2 + i]->data + k);
    return parse(c, &s, c->in[0]);
}

static berth_status run_single(bt_call *c)
{
    const bt_attr_value *keys[2];
    spec s = {.n_sparse = bt_attr_list(c->node, "sparse_keys", &keys[0]),
              .n_dense = bt_attr_list(c->node, "dense_keys", &keys[1])};
    berth_status status = complete(c, &s, 1);
    if (status) return status;
    if (c->in[0]->shape.rank != 0) return bt_call_fail(c, "Expected serialized to be a scalar");
    bt_str *key = s.keys = bt_scratch(c, ((size_t)n_keys(&s) + 1) * sizeof *s.keys);
    if (!key) return BERTH_NO_MEMORY;
    for (int i = 0; i < s.n_sparse; i++) *key++ = keys[0][i].s;
    for (int i = 0; i < s.n_dense; i++) *key++ = keys[1][i].s;
    return parse(c, &s, c->in[0]);
}

/* ---- SequenceExample ---------------------------------------------------------------------------------- */

/* The steps of a FeatureList, in order. */
static feature *steps_of(bt_call *c, bt_str list, int64_t *n)
{
    *n = (int64_t)bt_wire_count(list, 1);
    feature *steps = bt_scratch(c, (size_t)(*n + 1) * sizeof *steps), *at = steps;
    bt_wire w = bt_wire_of(list);
    while (steps && bt_wire_next(&w))
        if (w.field == 1) *at++ = bt_wire_bytes(&w);
    if (steps && w.failed) return bt_call_fail(c, "Could not parse a feature list"), NULL;
    return steps;
}

static bool is_assumed_empty(const bt_tensor *keys, bt_str key)
{
    for (int64_t i = 0; i < bt_tensor_count(keys); i++)
        if (bt_str_equal(bt_str_from((const bt_string *)keys->data + i), key)) return true;
    return false;
}

/* The lists of a sequence: each key is a row of its own, of as many steps as its list has. */
static berth_status put_lists(bt_call *c, const spec *s, const feature *found)
{
    berth_status status = BERTH_OK;
    for (int k = 0; k < n_keys(s) && !status; k++) {
        int64_t n = 0;
        row r = {.key = s->keys[k], .is_vector = true};
        bool is_sparse = k < s->n_sparse;
        if (!found[k].p && !is_sparse && !is_assumed_empty(c->in[1], r.key))
            return bt_call_fail(c, "Feature list '%.*s' is required but could not be found", KEY(&r));
        r.at = steps_of(c, found[k].p ? found[k] : (bt_str){"", 0}, &n), r.n = n;
        if (!r.at) return c->error->status;
        int o = s->first_out + k, i = k - s->n_sparse;
        if (is_sparse)
            status =
                put_sparse(c, &r, s->sparse_types[k].type, (int[]){o, o + s->n_sparse, o + 2 * s->n_sparse});
        else
            status = put_dense(c, &r, s->dense_types[i].type, &s->dense_shapes[i].shape, NULL,
                               s->first_out + 3 * s->n_sparse + i);
    }
    return status;
}

static berth_status parse_lists(bt_call *c, const spec *s)
{
    const bt_string *e = c->in[0]->data;
    feature *found = room_for(c, s, 1);
    bt_map map = {0};
    bool failed = false;
    if (!found) return BERTH_NO_MEMORY;
    berth_status status = map_keys(s, &map) ? BERTH_OK : bt_fail_memory(c->error);
    bt_str lists = bt_wire_field((bt_str){e->n ? e->p : "", e->n}, 2, &failed);
    if (!status && (failed || !find_keys(lists, &map, found, 1, 0)))
        status = bt_call_fail(c, "Could not parse the feature lists");
    bt_map_free(&map);
    return status ? status : put_lists(c, s, found);
}

static berth_status run_sequence(bt_call *c)
{
    static const char *const counts[] = {"Ncontext_sparse", "Ncontext_dense", "Nfeature_list_sparse",
                                         "Nfeature_list_dense"};
    int n[4], total = 0;
    for (int i = 0; i < 4; i++) {
        int64_t count = bt_attr_int(c->node, counts[i], 0);
        if (count < 0 || count > c->n_in) return bt_call_fail(c, "the number of keys is wrong");
        total += n[i] = (int)count;
    }
    spec context = {.n_sparse = n[0], .n_dense = n[1]};
    spec lists = {.n_sparse = n[2], .n_dense = n[3], .first_out = 3 * n[0] + n[1]};
    berth_status status = check_list(c, "context_sparse_types", n[0], &context.sparse_types);
    if (!status) status = check_list(c, "Tcontext_dense", n[1], &context.dense_types);
    if (!status) status = check_list(c, "context_dense_shapes", n[1], &context.dense_shapes);
    if (!status) status = check_list(c, "feature_list_sparse_types", n[2], &lists.sparse_types);
    if (!status) status = check_list(c, "feature_list_dense_types", n[3], &lists.dense_types);
    if (!status) status = check_list(c, "feature_list_dense_shapes", n[3], &lists.dense_shapes);
    if (!status && c->n_in < 2 + total + n[1]) status = bt_call_fail(c, "an input is missing");
    for (int i = 0; i < n[1] + n[3] && !status; i++)
        if (!bt_shape_known(i < n[1] ? &context.dense_shapes[i].shape : &lists.dense_shapes[i - n[1]].shape))
            status = bt_call_fail(c, "the shapes of dense features must be fully defined");
    for (int i = 0; i < 2 && !status; i++) status = bt_strings_input(c, i);
    if (status) return status;
    if (c->in[0]->shape.rank != 0) return bt_call_fail(c, "Expected serialized to be a scalar");
    context.keys = bt_scratch(c, ((size_t)total + 1) * sizeof *context.keys);
    if (!context.keys) return BERTH_NO_MEMORY;
    context.defaults = c->in + 2 + total;
    lists.keys = context.keys + n[0] + n[1];
    status = keys_of_inputs(c, context.keys, 2, total);
    if (!status) status = parse(c, &context, c->in[0]);
    return status ? status : parse_lists(c, &lists);
}

/* ---- Shape functions ---------------------------------------------------------------------------------- */

/* Outputs from *o on: as many sparse tensors as there are types, indices first. */
static void infer_sparse(bt_infer *x, int *o, const char *types, int rank)
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

/* rows: the leading dimension; -1: not known, -2: there is none, or it is not known whether. */
static void infer_dense(bt_infer *x, int *o, const char *types, const char *shapes, int64_t rows, bool single)
{
    const bt_attr_value *list, *dims = NULL;
    int n = bt_attr_list(x->node, types, &list), n_shapes = bt_attr_list(x->node, shapes, &dims);
    for (int i = 0; i < n && *o < x->n_out; i++, ++*o) {
        x->out[*o].dtype = list[i].type;
        if (rows == -2 || i >= n_shapes || dims[i].shape.rank < 0 || dims[i].shape.rank >= BT_MAX_RANK)
            continue;
        bt_shape *out = &x->out[*o].shape;
        out->rank = 0;
        if (!single) out->dim[out->rank++] = rows;
        for (int d = 0; d < dims[i].shape.rank; d++) out->dim[out->rank++] = dims[i].shape.dim[d];
    }
}

static berth_status infer_batch(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_attr_value *list;
    const bt_shape *in = &x->in[0].shape;
    int o = 0, n = bt_attr_list(x->node, "ragged_value_types", &list);
    infer_sparse(x, &o, "sparse_types", in->rank < 0 ? -1 : in->rank + 1);
    infer_dense(x, &o, "Tdense", "dense_shapes", in->rank == 1 ? in->dim[0] : -2, in->rank == 0);
    for (int i = 0; i < n && o < x->n_out; i++, o++) x->out[o].dtype = list[i].type;
    n = bt_attr_list(x->node, "ragged_split_types", &list);
    for (int i = 0; i < n && o < x->n_out; i++, o++) x->out[o].dtype = list[i].type;
    return BERTH_OK;
}

static berth_status infer_single(bt_infer *x)
{
    int o = 0;
    infer_sparse(x, &o, "sparse_types", 1);
    infer_dense(x, &o, "Tdense", "dense_shapes", -1, true);
    return bt_infer_arity(x, 1);
}

static berth_status infer_sequence(bt_infer *x)
{
    int o = 0;
    infer_sparse(x, &o, "context_sparse_types", 1);
    infer_dense(x, &o, "Tcontext_dense", "context_dense_shapes", -1, true);
    infer_sparse(x, &o, "feature_list_sparse_types", 2);
    infer_dense(x, &o, "feature_list_dense_types", "feature_list_dense_shapes", -1, false);
    return bt_infer_arity(x, 2);
}

#define SPARSE_OUTPUTS(prefix, n)                                                                           \
    prefix "sparse_indices*" n "," prefix "sparse_values*" prefix "sparse_types," prefix "sparse_shapes*" n \
           ","

const bt_op bt_ops_example[] = {
    {"ParseExample", infer_batch, .cpu = run_batch,
     .outputs = SPARSE_OUTPUTS("", "Nsparse") "dense_values*Tdense"},
    {"ParseExampleV2", infer_batch, .cpu = run_batch_v2,
     .outputs = SPARSE_OUTPUTS("", "num_sparse") "dense_values*Tdense,ragged_values*ragged_value_types,"
                                                 "ragged_row_splits*ragged_split_types"},
    {"ParseSingleExample", infer_single, .cpu = run_single,
     .outputs = SPARSE_OUTPUTS("", "num_sparse") "dense_values*Tdense"},
    {"ParseSingleSequenceExample", infer_sequence, .cpu = run_sequence,
     .outputs =
         SPARSE_OUTPUTS("context_", "Ncontext_sparse") "context_dense_values*Tcontext_dense," SPARSE_OUTPUTS(
             "feature_list_", "Nfeature_list_sparse") "feature_list_dense_values*feature_list_dense_types"},
    {NULL},
};
