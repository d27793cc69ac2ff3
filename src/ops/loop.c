/* Loops over functions: While, For, MapDefun. Loop state is double-buffered, so that a warm round of fixed shapes
 * allocates nothing; what a loop never changes is told to its bodies as a fact, so that weights are packed once. */
#include "ops/function.h"
#include "ops/items.h"
#include "ops/object.h"

typedef struct loop {
    struct bt_body *cond, *body;
    bool *invariant; /* by argument: the body hands it through */
    bool *unread;    /* by output: nobody reads it (../pass/invariants.c) */
} loop;

/* The body for facts that hold in every round: what the body gives may say less than what came in, then it is
 * prepared again for that. `before` arguments of the body come before the loop's. */
static berth_status prepare_body(bt_prepare *p, const char *name, const bt_function *f, int before,
                                 bt_fact *facts, loop *l)
{
    enum { ROUNDS = 4 };
    int n = f->n_results;
    bt_fact *results = bt_arena_array(p->arena, bt_fact, (size_t)n + 1);
    l->invariant = bt_arena_array(p->arena, bool, (size_t)n + 1);
    l->unread = bt_arena_array(p->arena, bool, (size_t)n + 1);
    if (!results || !l->invariant || !l->unread) return bt_fail_memory(p->error);
    for (int k = 0; k < n; k++) {
        l->invariant[k] = bt_function_argument(f, k) == k + before;
        if (!l->invariant[k]) facts[k + before].value = NULL;
    }
    for (int round = 0;; round++) {
        l->body = bt_prepare_body(p, name, facts, results);
        if (!l->body) return p->error ? p->error->status : BERTH_BAD_MODEL;
        bool weaker = false;
        for (int k = 0; k < n; k++) {
            if (l->invariant[k]) continue;
            if (round >= ROUNDS) results[k].shape = BT_SHAPE_UNKNOWN;
            weaker |= bt_shape_weaken(&facts[k + before].shape, &results[k].shape);
        }
        if (!weaker) return BERTH_OK;
    }
}

/* ---- The rounds ----------------------------------------------------------------------------------------- */

/* Loop state: now[k] is an input of the step, or lies in one of the two sets. */
typedef struct state {
    int n;
    bt_tensor *set[2]; /* kept from run to run */
    bt_tensor *flag;   /* one more of these */
    bt_tensor **now; /* now[-1] is free, for an argument before the state */
    bt_tensor **next;
    uint64_t take; /* of now */
} state;

static berth_status state_init(bt_call *c, state *s, int first, uint64_t last)
{
    size_t n = s->n = c->n_in - first;
    s->set[0] = bt_kept(c, 2 * s->n + 1);
    bt_tensor **pointers = bt_scratch(c, 2 * (n + 1) * sizeof *pointers);
    if (!s->set[0] || !pointers) return BERTH_NO_MEMORY;
    s->set[1] = s->set[0] + n;
    s->flag = s->set[1] + n;
    s->now = pointers + 1;
    s->next = s->now + n;
    s->take = last;
    for (size_t k = 0; k < n; k++) s->now[k] = c->in[first + (int)k];
    return BERTH_OK;
}

/* One round of the body: `now` and what stands before it go in, and the other set comes out and is the next `now`. */
static berth_status state_round(bt_call *c, state *s, const loop *l, int64_t round, int before)
{
    uint64_t keep = 0;
    for (int k = 0; k < s->n; k++) {
        s->next[k] = l->invariant[k] ? NULL : &s->set[round & 1][k];
        if (l->invariant[k] && k < 64) keep |= (uint64_t)1 << k;
    }
    berth_status status = bt_run_body(c, l->body, s->now - before, s->next, (s->take & ~keep) << before);
    if (status) return status;
    for (int k = 0; k < s->n; k++)
        if (s->next[k]) s->now[k] = s->next[k];
    s->take = UINT64_MAX;
    return BERTH_OK;
}

/* Outputs: the state of the last round, or the inputs where nothing changed them. */
static berth_status state_finish(bt_call *c, state *s, const loop *l, int first, berth_status status)
{
    for (int k = 0; k < s->n && !status; k++) {
        if (l->unread[k]) continue;
        status = s->now[k] == c->in[first + k]
                     ? bt_out_alias(c, k, first + k, s->now[k]->dtype, &s->now[k]->shape)
                     : bt_out_swap(c, k, s->now[k]);
    }
    for (int k = 0; k < 2 * s->n; k++)
        if (bt_dtype_is_object(s->set[0][k].dtype)) bt_tensor_clear(&s->set[0][k]);
    return status;
}

/* ---- While ---------------------------------------------------------------------------------------------- */

static berth_status prepare_while(bt_prepare *p)
{
    const char *cond = bt_attr_func(p->node, "cond"), *body = bt_attr_func(p->node, "body");
    const bt_function *f = bt_checked_function(p, body, p->n_in, p->n_out);
    if (!f || p->n_in != p->n_out || !bt_checked_function(p, cond, p->n_in, 1))
        return bt_fail(p->error, BERTH_BAD_MODEL, "has %d inputs and %d outputs", p->n_in, p->n_out);
    loop *l = bt_arena_new(p->arena, loop);
    bt_fact *facts = bt_arena_array(p->arena, bt_fact, (size_t)p->n_in + 1);
    if (!l || !facts) return bt_fail_memory(p->error);
    if (p->n_in) memcpy(facts, p->in, (size_t)p->n_in * sizeof *facts);
    berth_status status = prepare_body(p, body, f, 0, facts, l);
    if (status) return status;
    l->cond = bt_prepare_body(p, cond, facts, NULL);
    const bt_attr_value *unread = NULL;
    int n_unread = bt_attr_list(p->node, "_unread", &unread);
    for (int i = 0; i < n_unread; i++) {
        int64_t k = unread[i].i;
        if (k < 0 || k >= p->n_in || !l->invariant[k] || !facts[k].value) continue;
        l->unread[k] = true;
        if (k < 64) p->consumed |= (uint64_t)1 << k;
    }
    p->state = l;
    return l->cond ? BERTH_OK : p->error ? p->error->status : BERTH_BAD_MODEL;
}

static berth_status run_while(bt_call *c)
{
    const loop *l = c->state;
    state s = {0};
    berth_status status = state_init(c, &s, 0, c->last);
    if (status) return status;
    for (int64_t round = 0; !status; round++) {
        bool more = false;
        status = bt_run_check(c, round);
        if (!status) status = bt_run_body(c, l->cond, s.now, &s.flag, 0);
        if (!status) status = bt_tensor_truth(c, s.flag, &more);
        if (status || !more) break;
        status = state_round(c, &s, l, round, 0);
    }
    return state_finish(c, &s, l, 0, status);
}

/* ---- For: body(i, state...) for i = start, start + delta, ... below (above) limit ----------------------- */

static berth_status prepare_for(bt_prepare *p)
{
    const char *body = bt_attr_func(p->node, "body");
    const bt_function *f = p->n_in < 3 ? NULL : bt_checked_function(p, body, p->n_in - 2, p->n_out);
    if (!f || p->n_in - 3 != p->n_out)
        return bt_fail(p->error, BERTH_BAD_MODEL, "has %d inputs and %d outputs", p->n_in, p->n_out);
    loop *l = bt_arena_new(p->arena, loop);
    bt_fact *facts = bt_arena_array(p->arena, bt_fact, (size_t)p->n_in);
    if (!l || !facts) return bt_fail_memory(p->error);
    facts[0] = (bt_fact){.dtype = BERTH_INT32, .shape = BT_SCALAR};
    memcpy(facts + 1, p->in + 3, (size_t)p->n_out * sizeof *facts);
    p->state = l;
    return prepare_body(p, body, f, 1, facts, l);
}

static berth_status run_for(bt_call *c)
{
    const loop *l = c->state;
    int64_t range[3];
    berth_status status = BERTH_OK;
    for (int i = 0; i < 3 && !status; i++) status = bt_int_input(c, i, &range[i]);
    if (status) return status;
    int64_t limit = range[1], delta = range[2];
    if (range[0] != limit && (!delta || (range[0] < limit) != (delta > 0)))
        return bt_call_fail(c, "cannot go from %lld to %lld in steps of %lld", (long long)range[0],
                            (long long)limit, (long long)delta);
    state s = {0};
    int32_t i = 0;
    bt_tensor index = {.dtype = BERTH_INT32, .shape = BT_SCALAR, .data = &i};
    status = state_init(c, &s, 3, c->last >> 3);
    if (status) return status;
    s.now[-1] = &index;
    for (int64_t at = range[0], round = 0; !status && (delta > 0 ? at < limit : at > limit);
         at += delta, round++) {
        i = (int32_t)at;
        status = bt_run_check(c, round);
        if (!status) status = state_round(c, &s, l, round, 1);
    }
    return state_finish(c, &s, l, 3, status);
}

/* ---- MapDefun: f of row i of every argument, for all i; captured inputs go in whole ---------------------- */

typedef struct map {
    struct bt_body *body;
    int n_rows; /* arguments; the rest is captured */
} map;

static berth_status prepare_map(bt_prepare *p)
{
    map *m = bt_arena_new(p->arena, map);
    bt_fact *facts = bt_arena_array(p->arena, bt_fact, (size_t)p->n_in + 1);
    if (!m || !facts) return bt_fail_memory(p->error);
    m->n_rows = bt_attr_list(p->node, "Targuments", NULL);
    if (m->n_rows < 1 || m->n_rows > p->n_in)
        return bt_fail(p->error, BERTH_BAD_MODEL, "has %d inputs for %d arguments", p->n_in, m->n_rows);
    memcpy(facts, p->in, (size_t)p->n_in * sizeof *facts);
    for (int i = 0; i < m->n_rows; i++) {
        const bt_shape *s = &p->in[i].shape;
        facts[i].value = NULL;
        facts[i].shape = s->rank < 1 ? BT_SHAPE_UNKNOWN : bt_shape_from(s->rank - 1, s->dim + 1);
    }
    p->state = m;
    return bt_prepare_call(p, bt_attr_func(p->node, "f"), 0, facts, &m->body);
}

/* Row i of every argument goes in; the results become row i of the outputs, which the first row brings about. */
static berth_status map_row(bt_call *c, const map *m, int64_t i, int64_t n, bt_tensor *rows, bt_tensor **in,
                            bt_tensor **out, char **written)
{
    for (int a = 0; a < m->n_rows; a++) {
        bt_buffer_free(rows[a].buffer);
        rows[a] = bt_tensor_row(c->in[a], i);
        in[a] = &rows[a];
    }
    berth_status status = bt_run_body(c, m->body, in, out, 0);
    for (int k = 0; k < c->n_out && !status; k++) {
        bt_shape whole;
        if (!bt_shape_prepend(n, &out[k]->shape, &whole))
            return bt_call_fail(c, "a result has too many dimensions");
        if (i == 0) written[k] = bt_out(c, k, out[k]->dtype, &whole);
        if (!written[k]) return c->error ? c->error->status : BERTH_NO_MEMORY;
        bt_shape first = bt_shape_from(c->out[k]->shape.rank - 1, c->out[k]->shape.dim + 1);
        if (!bt_shape_equal(&first, &out[k]->shape))
            return bt_call_fail(c, "results of two rows differ in shape");
        int64_t count = bt_tensor_count(out[k]);
        status = bt_elements_copy(out[k]->dtype, written[k], out[k]->data, count, c->error);
        written[k] += (size_t)count * bt_dtype_size(out[k]->dtype);
    }
    return status;
}

/* With no rows, the shapes of results are what the node says of them. */
static berth_status map_nothing(bt_call *c)
{
    const bt_attr_value *shapes = NULL, *types = NULL;
    int n = bt_attr_shapes(c->node, "output_shapes", &shapes),
        n_types = bt_attr_list(c->node, "output_types", &types);
    berth_status status = BERTH_OK;
    for (int k = 0; k < c->n_out && !status; k++) {
        bt_shape whole;
        if (k >= n || k >= n_types || !bt_shape_known(shapes[k].shape) ||
            !bt_shape_prepend(0, shapes[k].shape, &whole))
            return bt_call_fail(c, "has no rows, and the shape of its results is not known");
        status = bt_out_zeros(c, k, types[k].type, &whole);
    }
    return status;
}

static berth_status run_map(bt_call *c)
{
    const map *m = c->state;
    int64_t n = c->in[0]->shape.rank < 1 ? -1 : c->in[0]->shape.dim[0];
    for (int a = 0; a < m->n_rows; a++)
        if (n < 0 || c->in[a]->shape.rank < 1 || c->in[a]->shape.dim[0] != n)
            return bt_call_fail(c, "arguments have different numbers of rows");
    if (n == 0) return map_nothing(c);
    size_t n_in = (size_t)c->n_in, n_out = (size_t)c->n_out;
    bt_tensor *rows =
        bt_scratch(c, (n_in + n_out) * (sizeof *rows + sizeof(bt_tensor *)) + n_out * sizeof(char *));
    if (!rows) return BERTH_NO_MEMORY;
    bt_tensor *results = rows + n_in, **in = (bt_tensor **)(results + n_out), **out = in + n_in;
    char **written = (char **)(out + n_out);
    memset(rows, 0, (n_in + n_out) * sizeof *rows);
    for (size_t a = 0; a < n_in; a++) in[a] = c->in[a];
    for (size_t k = 0; k < n_out; k++) out[k] = &results[k];
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < n && !status; i++) {
        status = bt_run_check(c, i);
        if (!status) status = map_row(c, m, i, n, rows, in, out, written);
    }
    for (int a = 0; a < m->n_rows; a++) bt_buffer_free(rows[a].buffer);
    for (size_t k = 0; k < n_out; k++) bt_tensor_clear(&results[k]);
    return status;
}

/* Rows in front of what output_shapes says. */
static berth_status infer_map(bt_infer *x)
{
    berth_status status = bt_infer_call(x);
    for (int k = 0; k < x->n_out; k++) {
        bt_shape row = x->out[k].shape;
        const bt_shape *first = &x->in[0].shape;
        if (row.rank < 0 || !bt_shape_prepend(first->rank > 0 ? first->dim[0] : -1, &row, &x->out[k].shape))
            x->out[k].shape = BT_SHAPE_UNKNOWN;
    }
    return status;
}

bool bt_while_parts(const bt_op *op, const void *state, bt_loop_parts *parts)
{
    const loop *l = state;
    if (op->cpu != run_while || !l) return false;
    *parts = (bt_loop_parts){l->cond, l->body, l->invariant};
    return true;
}

/* On a device the bodies run there; only conditions and counts are read on the host. */
#define LOOP(op, prepare, run, kind, counts)                                                       \
    {                                                                                              \
        op, bt_infer_call, prepare, run, kind | BT_OP_BODY, .outputs = "output*T", .gpu = run,     \
        .gpu_prepare = prepare, .host_inputs = counts                                              \
    }

const bt_op bt_ops_loop[] = {
    LOOP("While", prepare_while, run_while, BT_OP_STATEFUL, 0),
    LOOP("StatelessWhile", prepare_while, run_while, BT_OP_NO_FOLD, 0),
    LOOP("For", prepare_for, run_for, BT_OP_STATEFUL, 7),
    {"MapDefun", infer_map, prepare_map, run_map, BT_OP_NO_FOLD, .outputs = "output*output_types"},
    {NULL},
};
