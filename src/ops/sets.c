/* Sets: each row of the last dimension of a dense or sparse tensor is one. Their unions, intersections and differences
 * as a sparse tensor, and their sizes. */
#include <strings.h>

#include "ops/move.h"

typedef struct member {
    int64_t group; /* the row's number */
    int64_t at;    /* of its value */
} member;

typedef struct set_list {
    const bt_tensor *values;
    member *members; /* sorted by group and value, each value once a group */
    int64_t n;
    bt_shape groups; /* shape without the last dimension */
} set_list;

/* ---- Members ------------------------------------------------------------------------------------------ */

static int compare_values(const bt_tensor *a, int64_t i, const bt_tensor *b, int64_t j)
{
    if (a->dtype == BERTH_STRING) {
        const bt_string *s = (const bt_string *)a->data + i, *t = (const bt_string *)b->data + j;
        size_t n = s->n < t->n ? s->n : t->n;
        int order = n ? memcmp(s->p, t->p, n) : 0;
        return order ? order : (s->n > t->n) - (s->n < t->n);
    }
    int64_t v = bt_tensor_int(a, i), w = bt_tensor_int(b, j);
    return (v > w) - (v < w);
}

static int compare(const set_list *a, const member *m, const set_list *b, const member *o)
{
    if (m->group != o->group) return m->group < o->group ? -1 : 1;
    return compare_values(a->values, m->at, b->values, o->at);
}

static void sift(set_list *s, int64_t n, int64_t at)
{
    member moved = s->members[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare(s, &s->members[child], s, &s->members[child + 1]) < 0) child++;
        if (compare(s, &moved, s, &s->members[child]) >= 0) break;
        s->members[at] = s->members[child];
    }
    s->members[at] = moved;
}

/* Sorts, and leaves one of each. */
static void make_set(set_list *s)
{
    for (int64_t i = s->n / 2 - 1; i >= 0; i--) sift(s, s->n, i);
    for (int64_t i = s->n - 1; i > 0; i--) {
        member last = s->members[0];
        s->members[0] = s->members[i], s->members[i] = last;
        sift(s, i, 0);
    }
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (!kept || compare(s, &s->members[kept - 1], s, &s->members[i]) != 0)
            s->members[kept++] = s->members[i];
    s->n = kept;
}

static berth_status start_list(bt_call *c, const bt_tensor *values, const bt_shape *shape, set_list *s)
{
    *s = (set_list){.values = values, .groups = *shape, .n = bt_tensor_count(values)};
    if (shape->rank < 2) return bt_call_fail(c, "sets need two dimensions or more, not %d", shape->rank);
    if (!bt_dtype_is_int(values->dtype) && values->dtype != BERTH_STRING)
        return bt_call_unsupported(c, "sets of %s", bt_dtype_name(values->dtype));
    s->groups.rank--;
    s->members = bt_scratch(c, ((size_t)s->n + 1) * sizeof *s->members);
    return s->members ? BERTH_OK : BERTH_NO_MEMORY;
}

static berth_status dense_list(bt_call *c, const bt_tensor *t, set_list *s)
{
    berth_status status = start_list(c, t, &t->shape, s);
    for (int64_t i = 0; !status && i < s->n; i++)
        s->members[i] = (member){i / t->shape.dim[t->shape.rank - 1], i};
    if (!status) make_set(s);
    return status;
}

/* Indices [n, rank], values [n], shape [rank] in inputs first, first + 1, first + 2. */
static berth_status sparse_list(bt_call *c, int first, set_list *s)
{
    const bt_tensor *indices = c->in[first], *values = c->in[first + 1];
    bool ordered = bt_attr_bool(c->node, "validate_indices", true);
    bt_shape shape;
    if (indices->dtype != BERTH_INT64 || indices->shape.rank != 2 || values->shape.rank != 1 ||
        indices->shape.dim[0] != values->shape.dim[0] || !bt_tensor_shape_value(c->in[first + 2], &shape) ||
        !bt_shape_known(&shape) || shape.rank != indices->shape.dim[1])
        return bt_call_fail(c, "takes a sparse tensor: indices [n, rank], n values, a shape");
    berth_status status = start_list(c, values, &shape, s);
    if (status) return status;
    const int64_t *index = indices->data, *last = NULL;
    for (int64_t i = 0; i < s->n; i++, last = index, index += shape.rank) {
        int order = last ? 0 : 1;
        s->members[i] = (member){0, i};
        for (int k = 0; k < shape.rank; k++) {
            if (index[k] < 0 || index[k] >= shape.dim[k])
                return bt_call_fail(c, "index %lld of dimension %d of size %lld", (long long)index[k], k,
                                    (long long)shape.dim[k]);
            if (k < s->groups.rank) s->members[i].group = s->members[i].group * shape.dim[k] + index[k];
            if (!order) order = (index[k] > last[k]) - (index[k] < last[k]);
        }
        if (ordered && order <= 0) return bt_call_fail(c, "indices are not in order, or one is there twice");
    }
    make_set(s);
    return BERTH_OK;
}

/* ---- SetSize ------------------------------------------------------------------------------------------ */

static berth_status infer_set_size(bt_infer *x)
{
    bt_shape shape;
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    x->out[0].dtype = BERTH_INT32;
    if (!x->in[2].value || !bt_tensor_shape_value(x->in[2].value, &shape) || shape.rank < 1) return BERTH_OK;
    shape.rank--;
    x->out[0].shape = shape;
    return BERTH_OK;
}

static berth_status run_set_size(bt_call *c)
{
    set_list s;
    berth_status status = sparse_list(c, 0, &s);
    int32_t *out = status ? NULL : bt_out(c, 0, BERTH_INT32, &s.groups);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    memset(out, 0, (size_t)bt_shape_count(&s.groups) * sizeof *out);
    for (int64_t i = 0; i < s.n; i++) out[s.members[i].group]++;
    return BERTH_OK;
}

/* ---- Operations --------------------------------------------------------------------------------------- */

static berth_status infer_set_operation(bt_infer *x)
{
    bool dense = bt_starts(x->node->op, "Dense");
    berth_status status = bt_infer_arity(x, !dense ? 6 : bt_starts(x->node->op, "DenseToDense") ? 2 : 4);
    if (status) return status;
    int64_t rank = dense && x->in[0].shape.rank >= 0 ? x->in[0].shape.rank : -1;
    x->out[0] = (bt_fact){BERTH_INT64, BT_SHAPE(-1, rank), NULL};
    x->out[1] = (bt_fact){bt_infer_type(x, dense ? 0 : 1), BT_SHAPE(-1), NULL};
    x->out[2] = (bt_fact){BERTH_INT64, BT_SHAPE(rank), NULL};
    return BERTH_OK;
}

/* What becomes of values in the first set alone, in both, in the second alone. */
typedef struct keep {
    const char *name;
    bool first, both, second;
} keep;

static const keep keeps[] = {{"a-b", true, false, false},
                             {"b-a", false, false, true},
                             {"intersection", false, true, false},
                             {"union", true, true, true}};

/* Merges the two lists into `out`: from[i] says which list out[i] is of. Gives how many there are. */
static int64_t merge(const set_list s[2], const keep *keep, member *out, uint8_t *from)
{
    int64_t n = 0, i = 0, j = 0;
    while (i < s[0].n || j < s[1].n) {
        int order = i == s[0].n   ? 1
                    : j == s[1].n ? -1
                                  : compare(&s[0], &s[0].members[i], &s[1], &s[1].members[j]);
        bool kept = order < 0 ? keep->first : order > 0 ? keep->second : keep->both;
        if (kept) from[n] = order > 0, out[n++] = order > 0 ? s[1].members[j] : s[0].members[i];
        i += order <= 0, j += order >= 0;
    }
    return n;
}

static berth_status put_sets(bt_call *c, const set_list s[2], const member *m, const uint8_t *from, int64_t n)
{
    int groups = s[0].groups.rank;
    berth_dtype dtype = s[0].values->dtype;
    bt_shape index_shape = BT_SHAPE(n, groups + 1), value_shape = BT_SHAPE(n),
             rank_shape = BT_SHAPE(groups + 1);
    int64_t *index = bt_out(c, 0, BERTH_INT64, &index_shape);
    void *values = index ? bt_out(c, 1, dtype, &value_shape) : NULL;
    int64_t *shape = values ? bt_out(c, 2, BERTH_INT64, &rank_shape) : NULL;
    if (!shape) return BERTH_NO_MEMORY;
    memcpy(shape, s[0].groups.dim, (size_t)groups * sizeof *shape);
    shape[groups] = 0;
    berth_status status = BERTH_OK;
    for (int64_t i = 0, place = 0; !status && i < n; i++, index += groups + 1) {
        int64_t rest = m[i].group;
        place = i && m[i].group == m[i - 1].group ? place + 1 : 0;
        for (int k = groups - 1; k >= 0; k--)
            index[k] = rest % s[0].groups.dim[k], rest /= s[0].groups.dim[k];
        index[groups] = place;
        if (place >= shape[groups]) shape[groups] = place + 1;
        status = bt_move_row(dtype, bt_at(dtype, values, i),
                             bt_at_const(dtype, s[from[i]].values->data, m[i].at), 1, NULL, c->error);
    }
    return status;
}

static berth_status run_set_operation(bt_call *c)
{
    set_list s[2];
    const char *name = bt_attr_string(c->node, "set_operation", "");
    const keep *keep = NULL;
    for (size_t i = 0; i < sizeof keeps / sizeof *keeps; i++)
        if (strcasecmp(keeps[i].name, name) == 0) keep = &keeps[i];
    if (!keep) return bt_call_fail(c, "set_operation '%.40s'", name);
    bool dense = bt_starts(c->node->op, "Dense");
    berth_status status = dense ? dense_list(c, c->in[0], &s[0]) : sparse_list(c, 0, &s[0]);
    if (!status)
        status = c->n_in == 2 ? dense_list(c, c->in[1], &s[1]) : sparse_list(c, dense ? 1 : 3, &s[1]);
    if (status) return status;
    if (!bt_shape_equal(&s[0].groups, &s[1].groups) || s[0].values->dtype != s[1].values->dtype)
        return bt_call_fail(c, "the two differ in type or in all but the last dimension");
    member *out = bt_scratch(c, (size_t)(s[0].n + s[1].n + 1) * sizeof *out);
    uint8_t *from = out ? bt_scratch(c, (size_t)(s[0].n + s[1].n + 1)) : NULL;
    return from ? put_sets(c, s, out, from, merge(s, keep, out, from)) : BERTH_NO_MEMORY;
}

#define OPERATION(op)                                                                      \
    {                                                                                      \
        .name = op "SetOperation", .infer = infer_set_operation, .cpu = run_set_operation, \
        .outputs = "result_indices,result_values,result_shape"                             \
    }

const bt_op bt_ops_sets[] = {
    {.name = "SetSize", .infer = infer_set_size, .cpu = run_set_size, .outputs = "size"},
    OPERATION("DenseToDense"),
    OPERATION("DenseToSparse"),
    OPERATION("SparseToSparse"),
    {0},
};
