/* tf.train.SequenceExample taken apart: features of the whole (the context) as those of an Example, and lists of features, a step
 * each. To read first: example.c. */
#include "ops/example.h"

#include "ops/text.h"

/* What a node asks for. */
typedef struct sequence_spec {
    bt_example_spec context, lists;
    bool *may_lack;   /* of each dense list: one that is not there is empty */
    bool has_lengths; /* of dense lists, an output each */
} sequence_spec;

/* ---- Lists ---------------------------------------------------------------------------------------------- */

/* The steps of all rows of a key, one list behind the other. */
static berth_status find_steps(bt_call *c, const bt_feature *lists, int64_t rows, bt_feature_row *r)
{
    int64_t *starts = bt_scratch(c, (size_t)(rows + 1) * sizeof *starts), n = 0;
    if (!starts) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < rows; i++) {
        starts[i] = n;
        if (lists[i].p) n += (int64_t)bt_wire_count(lists[i], 1);
    }
    starts[rows] = n;
    bt_feature *steps = bt_scratch(c, (size_t)(n + 1) * sizeof *steps), *at = steps;
    if (!steps) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < rows; i++) {
        bt_wire w = bt_wire_of(lists[i].p ? lists[i] : (bt_str){"", 0});
        while (at < steps + starts[i + 1] && bt_wire_next(&w))
            if (w.field == 1) *at++ = bt_wire_bytes(&w);
        if (w.failed || at != steps + starts[i + 1]) return bt_call_fail(c, "Could not parse a feature list");
    }
    r->at = steps, r->n = n, r->starts = starts, r->batch = rows;
    return BERTH_OK;
}

/* Output o: [batch, most steps] + shape, of zeros and empty strings behind a shorter list. */
static berth_status put_padded(bt_call *c, const bt_feature_row *r, berth_dtype dtype, const bt_shape *shape,
                               int o)
{
    int64_t most = bt_feature_most_steps(r), size = bt_shape_count(shape);
    bt_shape all = BT_SHAPE(r->batch, most);
    if (shape->rank + 2 > BT_MAX_RANK) return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    for (int d = 0; d < shape->rank; d++) all.dim[all.rank++] = shape->dim[d];
    void *out = bt_out(c, o, dtype, &all);
    berth_status status = out ? bt_call_zero(c, dtype, out, bt_shape_count(&all)) : BERTH_NO_MEMORY;
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t i = r->starts[b]; i < r->starts[b + 1] && !status; i++) {
            bt_values v;
            int64_t n = bt_feature_count(c, r, i, dtype, &v);
            if (n < 0) return BERTH_BAD_INPUT;
            if (n != size)
                return bt_call_fail(c, "Key: %.*s, Index: %lld. Number of values != expected: %lld, not %lld",
                                    BT_FEATURE_KEY(r), (long long)i, (long long)n, (long long)size);
            status = bt_feature_write(c, &v, out, (b * most + i - r->starts[b]) * size, n);
        }
    return status;
}

static berth_status put_lengths(bt_call *c, const bt_feature_row *r, bool is_batch, int o)
{
    bt_shape shape = is_batch ? BT_SHAPE(r->batch) : BT_SCALAR;
    int64_t *out = bt_out(c, o, BERTH_INT64, &shape);
    for (int64_t b = 0; out && b < r->batch; b++) out[b] = r->starts[b + 1] - r->starts[b];
    return out ? BERTH_OK : BERTH_NO_MEMORY;
}

/* Splits of a batch into lists; a single one has none. */
static berth_status put_outer_splits(bt_call *c, const bt_feature_row *r, bool is_batch, berth_dtype dtype,
                                     int o)
{
    bt_shape shape = BT_SHAPE(is_batch ? r->batch + 1 : 0);
    void *out = bt_out(c, o, dtype, &shape);
    for (int64_t b = 0; out && b < shape.dim[0]; b++)
        bt_put_number(dtype, bt_at(dtype, out, b), (double)r->starts[b]);
    return out ? BERTH_OK : BERTH_NO_MEMORY;
}

/* Key k of the lists, whose steps r has. */
static berth_status put_list(bt_call *c, const sequence_spec *q, int k, const bt_feature_row *r,
                             bool is_batch)
{
    const bt_example_spec *s = &q->lists;
    bt_feature_row flat = *r;
    int o = s->first_out, n = s->n_sparse, i = k - n;
    if (!is_batch) flat.starts = NULL;
    if (k < n)
        return bt_feature_sparse(c, &flat, s->sparse_types[k].type, (int[]){o + k, o + n + k, o + 2 * n + k});
    o += 3 * n;
    if (i < s->n_dense) {
        const bt_shape *shape = s->dense_shapes[i].shape;
        berth_status status = is_batch
                                  ? put_padded(c, r, s->dense_types[i].type, shape, o + i)
                                  : bt_feature_dense(c, &flat, s->dense_types[i].type, shape, NULL, o + i);
        return status || !q->has_lengths ? status : put_lengths(c, r, is_batch, o + s->n_dense + i);
    }
    o += 2 * s->n_dense, i -= s->n_dense;
    berth_dtype splits = s->split_types[i].type;
    berth_status status =
        bt_feature_ragged(c, &flat, s->ragged_types[i].type, splits, (int[]){o + i, o + 2 * s->n_ragged + i});
    return status ? status : put_outer_splits(c, r, is_batch, splits, o + s->n_ragged + i);
}

static berth_status put_lists(bt_call *c, const sequence_spec *q, const bt_feature *found, int64_t rows,
                              bool is_batch)
{
    const bt_example_spec *s = &q->lists;
    berth_status status = BERTH_OK;
    for (int k = 0; k < bt_example_keys(s) && !status; k++) {
        bt_feature_row r = {.key = s->keys[k], .is_vector = true};
        bool is_dense = k >= s->n_sparse && k < s->n_sparse + s->n_dense;
        for (int64_t i = 0; is_dense && i < rows; i++)
            if (!found[k * rows + i].p && !q->may_lack[k - s->n_sparse])
                return bt_call_fail(c, "Feature list '%.*s' is required but could not be found",
                                    BT_FEATURE_KEY(&r));
        status = find_steps(c, found + k * rows, rows, &r);
        if (!status) status = put_list(c, q, k, &r, is_batch);
    }
    return status;
}

static berth_status parse_lists(bt_call *c, const sequence_spec *q)
{
    int64_t rows = bt_tensor_count(c->in[0]);
    bt_feature *found = bt_example_room(c, &q->lists, rows);
    bt_map map = {0};
    bool failed = false;
    if (!found) return BERTH_NO_MEMORY;
    berth_status status = bt_example_map(&q->lists, &map) ? BERTH_OK : bt_fail_memory(c->error);
    for (int64_t i = 0; i < rows && !status; i++) {
        const bt_string *e = (const bt_string *)c->in[0]->data + i;
        bt_str lists = bt_wire_field((bt_str){e->n ? e->p : "", e->n}, 2, &failed);
        if (failed || !bt_example_find(lists, &map, found, rows, i))
            status = bt_call_fail(c, "Could not parse the feature lists of value %lld", (long long)i);
    }
    bt_map_free(&map);
    return status ? status : put_lists(c, q, found, rows, c->in[0]->shape.rank > 0);
}

/* ---- Specs from nodes ----------------------------------------------------------------------------------- */

static const char *const attrs[2][5] = {{"context_sparse_types", "Tcontext_dense", "context_dense_shapes",
                                         "context_ragged_value_types", "context_ragged_split_types"},
                                        {"feature_list_sparse_types", "feature_list_dense_types",
                                         "feature_list_dense_shapes", "feature_list_ragged_value_types",
                                         "feature_list_ragged_split_types"}};

static int length_of(const bt_node *node, const char *name, const bt_attr_value **list)
{
    int n = bt_attr_list(node, name, list);
    return n < 0 ? 0 : n;
}

static berth_status read_types(bt_call *c, bt_example_spec *s, const char *const names[5])
{
    s->n_sparse = length_of(c->node, names[0], &s->sparse_types);
    s->n_dense = length_of(c->node, names[1], &s->dense_types);
    s->n_ragged = length_of(c->node, names[3], &s->ragged_types);
    berth_status status = s->n_dense ? bt_example_shapes(c, names[2], s->n_dense, &s->dense_shapes) : BERTH_OK;
    if (!status && s->n_ragged) status = bt_example_list(c, names[4], s->n_ragged, &s->split_types);
    for (int i = 0; i < s->n_dense && !status; i++)
        if (!bt_shape_known(s->dense_shapes[i].shape))
            status = bt_call_fail(c, "%s[%d] is not fully defined", names[2], i);
    return status;
}

/* All but the keys; first: the input of the first default, -1: those behind inputs of a key each. */
static berth_status read_spec(bt_call *c, sequence_spec *q, int first)
{
    bt_example_spec *s = &q->context;
    s->is_sequence = true;
    berth_status status = read_types(c, s, attrs[0]);
    if (!status) status = read_types(c, &q->lists, attrs[1]);
    for (int i = 0; i < 2 && !status; i++) status = bt_strings_input(c, i);
    if (status) return status;
    int dense_outputs = q->has_lengths ? 2 : 1;
    q->lists.first_out = 3 * s->n_sparse + s->n_dense + 2 * s->n_ragged;
    if (q->lists.first_out + 3 * q->lists.n_sparse + dense_outputs * q->lists.n_dense +
            3 * q->lists.n_ragged !=
        c->n_out)
        return bt_call_fail(c, "the number of keys is wrong");
    int keys = bt_example_keys(s) + bt_example_keys(&q->lists);
    if (first < 0) first = 2 + keys;
    if (c->n_in < first + s->n_dense) return bt_call_fail(c, "an input is missing");
    s->defaults = c->in + first;
    for (int i = 0; i < s->n_dense; i++)
        if (bt_tensor_count(s->defaults[i]) > 0 &&
            !bt_shape_equal(&s->defaults[i]->shape, s->dense_shapes[i].shape))
            return bt_call_fail(c, "the shape of default %d is not that of context_dense_shapes", i);
    s->keys = bt_scratch(c, ((size_t)keys + 1) * sizeof *s->keys);
    q->may_lack = s->keys ? bt_scratch(c, (size_t)q->lists.n_dense + 1) : NULL;
    if (!q->may_lack) return BERTH_NO_MEMORY;
    q->lists.keys = s->keys + bt_example_keys(s);
    return BERTH_OK;
}

static berth_status parse(bt_call *c, const sequence_spec *q, int most_rank)
{
    if (c->in[0]->shape.rank > most_rank)
        return bt_call_fail(c, "Expected serialized to be a scalar%s", most_rank ? " or vector" : "");
    for (int i = 0; i < q->context.n_dense && bt_tensor_count(c->in[0]) == 0; i++)
        if (bt_shape_count(q->context.dense_shapes[i].shape) && !bt_tensor_count(q->context.defaults[i]))
            return bt_call_fail(
                c, "Inconsistent max number of elements for feature %.*s: of no examples there is none",
                (int)q->context.keys[q->context.n_sparse + i].n, q->context.keys[q->context.n_sparse + i].p);
    berth_status status = bt_example_parse(c, &q->context, c->in[0]);
    return status ? status : parse_lists(c, q);
}

static berth_status run_single(bt_call *c)
{
    sequence_spec q = {0};
    berth_status status = read_spec(c, &q, -1);
    if (!status)
        status =
            bt_example_scalars(c, q.context.keys, 2, bt_example_keys(&q.context) + bt_example_keys(&q.lists));
    for (int i = 0; i < q.lists.n_dense && !status; i++) {
        q.may_lack[i] = false;
        for (int64_t k = 0; k < bt_tensor_count(c->in[1]); k++)
            q.may_lack[i] |= bt_str_equal(bt_str_from((const bt_string *)c->in[1]->data + k),
                                          q.lists.keys[q.lists.n_sparse + i]);
    }
    return status ? status : parse(c, &q, 0);
}

static berth_status keys_of_attr(bt_call *c, bt_str *keys, const char *name, int n)
{
    const bt_attr_value *list;
    berth_status status = n ? bt_example_list(c, name, n, &list) : BERTH_OK;
    for (int i = 0; i < n && !status; i++) keys[i] = list[i].s;
    return status;
}

static berth_status run_batch(bt_call *c)
{
    sequence_spec q = {.has_lengths = true};
    const bt_attr_value *list;
    berth_status status = read_spec(c, &q, 2);
    bt_example_spec *s = &q.context, *l = &q.lists;
    if (!status) status = keys_of_attr(c, s->keys, "context_sparse_keys", s->n_sparse);
    if (!status) status = keys_of_attr(c, s->keys + s->n_sparse, "context_dense_keys", s->n_dense);
    if (!status) status = keys_of_attr(c, l->keys, "feature_list_sparse_keys", l->n_sparse);
    if (!status) status = keys_of_attr(c, l->keys + l->n_sparse, "feature_list_dense_keys", l->n_dense);
    int n = length_of(c->node, "feature_list_dense_missing_assumed_empty", &list);
    for (int i = 0; i < l->n_dense && !status; i++) {
        q.may_lack[i] = false;
        for (int k = 0; k < n; k++) q.may_lack[i] |= bt_str_equal(list[k].s, l->keys[l->n_sparse + i]);
    }
    return status ? status : parse(c, &q, 1);
}

static berth_status run_batch_v2(bt_call *c)
{
    sequence_spec q = {.has_lengths = true};
    berth_status status = read_spec(c, &q, 9);
    bt_example_spec *specs[] = {&q.context, &q.lists};
    for (int i = 0; i < 6 && !status; i++) {
        const bt_example_spec *s = specs[i / 3];
        int kind = i % 3, n = kind == 0 ? s->n_sparse : kind == 1 ? s->n_dense : s->n_ragged;
        status = bt_example_vector(c, s->keys + (kind > 0 ? s->n_sparse : 0) + (kind > 1 ? s->n_dense : 0),
                                   2 + i, n);
    }
    if (status) return status;
    const bt_tensor *lack = c->in[8];
    if (lack->dtype != BERTH_BOOL || bt_tensor_count(lack) != q.lists.n_dense)
        return bt_call_fail(
            c, "Expected len(feature_list_dense_missing_assumed_empty) to match Nfeature_list_dense");
    for (int i = 0; i < q.lists.n_dense; i++) q.may_lack[i] = ((const bool *)lack->data)[i];
    return parse(c, &q, 1);
}

/* ---- Shape functions ------------------------------------------------------------------------------------ */

static berth_status infer_single(bt_infer *x)
{
    int o = 0;
    bt_infer_sparse_features(x, &o, attrs[0][0], 1);
    bt_infer_dense_features(x, &o, attrs[0][1], attrs[0][2], -1, true);
    bt_infer_sparse_features(x, &o, attrs[1][0], 2);
    bt_infer_dense_features(x, &o, attrs[1][1], attrs[1][2], -1, false);
    return bt_infer_arity(x, 2);
}

static void infer_types(bt_infer *x, int *o, const char *types)
{
    const bt_attr_value *list;
    int n = length_of(x->node, types, &list);
    for (int i = 0; i < n && *o < x->n_out; i++, ++*o) x->out[*o].dtype = list[i].type;
}

static berth_status infer_batch(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    const bt_attr_value *list;
    int o = 0, rank = in->rank, lengths = length_of(x->node, attrs[1][1], &list);
    bool takes_one = !x->planning || !strcmp(x->node->op, "ParseSequenceExampleV2");
    if (rank > 1 || (rank == 0 && !takes_one))
        return bt_infer_fail(x, "serialized must be a %svector", takes_one ? "scalar or a " : "");
    bt_infer_sparse_features(x, &o, attrs[0][0], rank < 0 ? -1 : rank + 1);
    bt_infer_dense_features(x, &o, attrs[0][1], attrs[0][2], rank == 1 ? in->dim[0] : -2, rank == 0);
    infer_types(x, &o, attrs[0][3]);
    infer_types(x, &o, attrs[0][4]);
    bt_infer_sparse_features(x, &o, attrs[1][0], rank < 0 ? -1 : rank + 2);
    bt_infer_dense_features(x, &o, attrs[1][1], attrs[1][2], rank == 0 ? -1 : -2, false);
    for (int i = 0; i < lengths && o < x->n_out; i++, o++) x->out[o] = (bt_fact){BERTH_INT64, *in, NULL};
    for (int i = 3; i < 5; i++) infer_types(x, &o, attrs[1][i]);
    infer_types(x, &o, attrs[1][4]);
    return BERTH_OK;
}

#define CONTEXT BT_SPARSE_OUTPUTS("context_", "Ncontext_sparse") "context_dense_values*Tcontext_dense,"
#define LISTS                                                  \
    BT_SPARSE_OUTPUTS("feature_list_", "Nfeature_list_sparse") \
    "feature_list_dense_values*feature_list_dense_types"
#define LENGTHS ",feature_list_dense_lengths*Nfeature_list_dense"

const bt_op bt_ops_example_sequence[] = {
    {"ParseSingleSequenceExample", infer_single, .cpu = run_single, .outputs = CONTEXT LISTS},
    {"ParseSequenceExample", infer_batch, .cpu = run_batch, .outputs = CONTEXT LISTS LENGTHS},
    {"ParseSequenceExampleV2", infer_batch, .cpu = run_batch_v2,
     .outputs =
         CONTEXT "context_ragged_values*context_ragged_value_types,context_ragged_row_splits*context_ragged_"
                 "split_types," LISTS LENGTHS ",feature_list_ragged_values*feature_list_ragged_value_types,"
                 "feature_list_ragged_outer_splits*feature_list_ragged_split_types,"
                 "feature_list_ragged_inner_splits*feature_list_ragged_split_types"},
    {NULL},
};
