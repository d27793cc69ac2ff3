/* EditDistance: Levenshtein's, between the sequences of two sparse tensors whose last dimension is the sequence. */
#include "ops/move.h"

#include <math.h>

/* A sparse tensor [n, rank] of indices in order, its values and its shape. */
typedef struct sequences {
    const int64_t *indices;
    const char *values;
    int64_t n, at;
    int rank;
} sequences;

static berth_status infer_distance(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 6);
    if (status) return status;
    x->out[0].dtype = BERTH_FLOAT;
    bt_shape shapes[2];
    for (int k = 0; k < 2; k++)
        if (!x->in[2 + 3 * k].value || !bt_tensor_shape_value(x->in[2 + 3 * k].value, &shapes[k]))
            return BERTH_OK;
    if (shapes[0].rank < 2 || shapes[0].rank != shapes[1].rank)
        return bt_infer_fail(x, "hypothesis and truth must have the same rank, at least 2");
    x->out[0].shape = (bt_shape){.rank = shapes[0].rank - 1};
    for (int d = 0; d < shapes[0].rank - 1; d++)
        x->out[0].shape.dim[d] = shapes[0].dim[d] > shapes[1].dim[d] ? shapes[0].dim[d] : shapes[1].dim[d];
    return BERTH_OK;
}

static bool same(berth_dtype dtype, const char *a, const char *b)
{
    if (dtype != BERTH_STRING) return memcmp(a, b, bt_dtype_size(dtype)) == 0;
    const bt_string *x = (const bt_string *)a, *y = (const bt_string *)b;
    return x->n == y->n && (x->n == 0 || memcmp(x->p, y->p, x->n) == 0);
}

/* One row of the table at a time: cost[j] is the distance of a's first i from b's first j. */
static int64_t distance(berth_dtype dtype, const char *a, int64_t na, const char *b, int64_t nb,
                        int64_t *cost)
{
    size_t size = bt_dtype_size(dtype);
    for (int64_t j = 0; j <= nb; j++) cost[j] = j;
    for (int64_t i = 0; i < na; i++) {
        int64_t diagonal = cost[0];
        cost[0] = i + 1;
        for (int64_t j = 0; j < nb; j++) {
            int64_t change = diagonal + !same(dtype, a + (size_t)i * size, b + (size_t)j * size);
            int64_t step = (cost[j] < cost[j + 1] ? cost[j] : cost[j + 1]) + 1;
            diagonal = cost[j + 1];
            cost[j + 1] = change < step ? change : step;
        }
    }
    return cost[nb];
}

/* The place of the current sequence in the output; -1 at the end, -2 when an index does not fit. */
static int64_t place(const sequences *s, int64_t at, const bt_shape *out)
{
    if (at >= s->n) return -1;
    int64_t place = 0;
    for (int d = 0; d < s->rank - 1; d++) {
        int64_t i = s->indices[at * s->rank + d];
        if (i < 0 || i >= out->dim[d]) return -2;
        place = place * out->dim[d] + i;
    }
    return place;
}

/* How long the sequence is that begins at s->at. */
static int64_t run_length(const sequences *s, const bt_shape *out, int64_t where)
{
    int64_t n = 0;
    while (place(s, s->at + n, out) == where) n++;
    return n;
}

static berth_status check(bt_call *c, int first, sequences *s, int rank)
{
    const bt_tensor *indices = c->in[first], *values = c->in[first + 1];
    bool fits = indices->dtype == BERTH_INT64 && indices->shape.rank == 2 && indices->shape.dim[1] == rank &&
                values->shape.rank == 1 && values->shape.dim[0] == indices->shape.dim[0];
    if (!fits) return bt_call_fail(c, "inputs %d to %d are no sparse tensor", first, first + 2);
    *s = (sequences){indices->data, values->data, indices->shape.dim[0], 0, rank};
    return BERTH_OK;
}

static berth_status run_distance(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (!status && fact.shape.rank < 0) status = bt_call_fail(c, "needs two shapes");
    sequences s[2];
    for (int k = 0; k < 2 && !status; k++) status = check(c, 3 * k, &s[k], fact.shape.rank + 1);
    if (!status && c->in[1]->dtype != c->in[4]->dtype) status = bt_call_fail(c, "the values differ in dtype");
    float *out = status ? NULL : bt_out(c, 0, BERTH_FLOAT, &fact.shape);
    int64_t *cost = out ? bt_scratch(c, (size_t)(s[1].n + 1) * sizeof *cost) : NULL;
    if (!cost) return status ? status : BERTH_NO_MEMORY;
    bool normalize = bt_attr_bool(c->node, "normalize", true);
    berth_dtype dtype = c->in[1]->dtype;
    size_t size = bt_dtype_size(dtype);
    int64_t n = bt_shape_count(&fact.shape);
    memset(out, 0, (size_t)n * sizeof *out);
    while (s[0].at < s[0].n || s[1].at < s[1].n) {
        int64_t where[2], length[2];
        for (int k = 0; k < 2; k++) where[k] = place(&s[k], s[k].at, &fact.shape);
        if (where[0] == -2 || where[1] == -2) return bt_call_fail(c, "an index is outside of the shape");
        int64_t to = where[0] < 0 || (where[1] >= 0 && where[1] < where[0]) ? where[1] : where[0];
        for (int k = 0; k < 2; k++) length[k] = where[k] == to ? run_length(&s[k], &fact.shape, to) : 0;
        int64_t steps = distance(dtype, s[0].values + (size_t)s[0].at * size, length[0],
                                 s[1].values + (size_t)s[1].at * size, length[1], cost);
        /* Nothing to be found where something was said: infinitely wrong. */
        if (!normalize) out[to] = (float)steps;
        else out[to] = length[1] ? (float)steps / (float)length[1] : INFINITY;
        for (int k = 0; k < 2; k++) s[k].at += length[k];
    }
    return BERTH_OK;
}

const bt_op bt_ops_edit_distance[] = {
    {"EditDistance", infer_distance, .cpu = run_distance},
    {NULL},
};
