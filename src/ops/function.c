/* Branches and calls: If, Case, and the calls that were not inlined (../pass/inline.c). Loops are in loop.c. */
#include "ops/function.h"

berth_status bt_infer_call(bt_infer *x)
{
    static const char *const lists[] = {"Tout", "T", "output_types"};
    const bt_attr_value *types = NULL, *shapes = NULL;
    int n = -1;
    for (size_t i = 0; n < 0 && i < sizeof lists / sizeof *lists; i++)
        n = bt_attr_list(x->node, lists[i], &types);
    for (int i = 0; i < n && i < x->n_out; i++) x->out[i].dtype = types[i].type;
    n = bt_attr_shapes(x->node, "output_shapes", &shapes);
    for (int i = 0; i < n && i < x->n_out; i++) x->out[i].shape = *shapes[i].shape;
    return BERTH_OK;
}

const bt_function *bt_checked_function(bt_prepare *p, const char *function, int n_args, int n_results)
{
    if (!function) return bt_fail(p->error, BERTH_BAD_MODEL, "names no function"), NULL;
    const bt_function *f = bt_prepare_function(p, function);
    if (!f || (f->n_args == n_args && f->n_results == n_results)) return f;
    bt_fail(p->error, BERTH_BAD_MODEL, "function '%s' takes %d arguments and gives %d results, not %d and %d",
            function, f->n_args, f->n_results, n_args, n_results);
    return NULL;
}

int bt_function_argument(const bt_function *f, int k)
{
    bt_edge e = f->results[k];
    for (size_t hops = 0; hops <= f->graph.n_nodes; hops++) {
        for (int i = 0; i < f->n_args; i++)
            if (f->args[i] == e.node) return i;
        const bt_node *node = &f->graph.nodes[e.node];
        bool passes = !strcmp(node->op, "Identity") || !strcmp(node->op, "StopGradient");
        if (!passes && strcmp(node->op, "IdentityN")) return -1;
        if (e.slot >= node->n_inputs) return -1;
        e = node->inputs[e.slot];
    }
    return -1;
}

berth_status bt_prepare_call(bt_prepare *p, const char *function, int first, const bt_fact *facts,
                             struct bt_body **body)
{
    if (!bt_checked_function(p, function, p->n_in - first, p->n_out)) return BERTH_BAD_MODEL;
    *body = bt_prepare_body(p, function, facts, NULL);
    return *body ? BERTH_OK : p->error ? p->error->status : BERTH_BAD_MODEL;
}

berth_status bt_tensor_truth(bt_call *c, const bt_tensor *t, bool *truth)
{
    if (t->shape.rank != 0) *truth = bt_tensor_count(t) > 0;
    else if (t->dtype == BERTH_STRING) *truth = ((const bt_string *)t->data)->n > 0;
    else if (t->dtype == BERTH_BOOL) *truth = *(const bool *)t->data;
    else if (bt_dtype_is_int(t->dtype) || bt_dtype_is_float(t->dtype)) *truth = bt_tensor_number(t, 0) != 0;
    else return bt_call_fail(c, "a condition of dtype %s is neither true nor false", bt_dtype_name(t->dtype));
    return BERTH_OK;
}

/* ---- Kernels ------------------------------------------------------------------------------------------- */

typedef struct branches {
    int n;
    struct bt_body *body[];
} branches;

/* Runs a body on the inputs from `first` on; its results become the outputs. */
static berth_status run_branch(bt_call *c, struct bt_body *body, int first)
{
    bt_tensor *results = bt_kept(c, c->n_out);
    bt_tensor **out = bt_scratch(c, ((size_t)c->n_out + 1) * sizeof *out);
    if (!results || !out) return BERTH_NO_MEMORY;
    for (int i = 0; i < c->n_out; i++) out[i] = &results[i];
    berth_status status = bt_run_body(c, body, c->in + first, out, c->last >> first);
    for (int i = 0; i < c->n_out && !status; i++) status = bt_out_swap(c, i, &results[i]);
    for (int i = 0; i < c->n_out; i++)
        if (bt_dtype_is_object(results[i].dtype)) bt_tensor_clear(&results[i]);
    return status;
}

static berth_status prepare_branches(bt_prepare *p, const char *const *functions, int n, int first)
{
    branches *state = bt_arena_alloc(p->arena, sizeof *state + (size_t)n * sizeof *state->body);
    if (!state) return bt_fail_memory(p->error);
    if (p->n_in < first) return bt_fail(p->error, BERTH_BAD_MODEL, "has %d inputs", p->n_in);
    state->n = n;
    berth_status status = BERTH_OK;
    for (int i = 0; i < n && !status; i++)
        status = bt_prepare_call(p, functions[i], first, p->in + first, &state->body[i]);
    p->state = state;
    return status;
}

static berth_status prepare_if(bt_prepare *p)
{
    const char *functions[] = {bt_attr_func(p->node, "then_branch"), bt_attr_func(p->node, "else_branch")};
    return prepare_branches(p, functions, 2, 1);
}

static berth_status run_if(bt_call *c)
{
    const branches *state = c->state;
    bool truth = false;
    berth_status status = bt_tensor_truth(c, c->in[0], &truth);
    return status ? status : run_branch(c, state->body[!truth], 1);
}

static berth_status prepare_case(bt_prepare *p)
{
    const bt_attr_value *list;
    int n = bt_attr_list(p->node, "branches", &list);
    if (n < 1) return bt_fail(p->error, BERTH_BAD_MODEL, "has no branches");
    const char **functions = bt_arena_array(p->arena, const char *, (size_t)n);
    if (!functions) return bt_fail_memory(p->error);
    for (int i = 0; i < n; i++) functions[i] = list[i].s.p;
    return prepare_branches(p, functions, n, 1);
}

/* An index out of range means the last branch. */
static berth_status run_case(bt_call *c)
{
    const branches *state = c->state;
    const bt_tensor *index = c->in[0];
    if (index->dtype != BERTH_INT32 || index->shape.rank != 0)
        return bt_call_fail(c, "the branch index must be an int32 scalar");
    int64_t i = bt_tensor_int(index, 0);
    return run_branch(c, state->body[i < 0 || i >= state->n ? state->n - 1 : i], 1);
}

static berth_status prepare_function_call(bt_prepare *p)
{
    const char *function = bt_attr_func(p->node, "f");
    return prepare_branches(p, &function, 1, 0);
}

static berth_status run_function_call(bt_call *c)
{
    const branches *state = c->state;
    return run_branch(c, state->body[0], 0);
}

/* ---- BatchFunction: a call, of a batch that nobody else adds to ---------------------------------------- */

/* A scheduler that adapts itself takes no negative limit, which is none to the other. */
berth_status bt_batch_limits(const bt_node *node, berth_error *error)
{
    const bt_attr_value *sizes;
    int n = bt_attr_list(node, "allowed_batch_sizes", &sizes);
    int64_t most = bt_attr_int(node, "max_batch_size", 0),
            wait = bt_attr_int(node, "batch_timeout_micros", 0);
    int64_t last = n > 0 ? sizes[n - 1].i : most;
    bool splits = bt_attr_bool(node, "enable_large_batch_splitting", false);
    bool adapts = bt_attr_bool(node, "_enable_adaptive_scheduler", false) ||
                  bt_attr_int(node, "num_batch_threads", 1) <= 0;
    for (int i = 1; i < n; i++)
        if (sizes[i].i <= sizes[i - 1].i)
            return bt_fail(error, BERTH_BAD_MODEL, "allowed_batch_sizes must rise");
    if (adapts ? most <= 0 : most == 0)
        return bt_fail(error, BERTH_BAD_MODEL, "max_batch_size is %lld", (long long)most);
    if (splits ? most > 0 && last > most : last != most)
        return bt_fail(error, BERTH_BAD_MODEL,
                       "allowed_batch_sizes end with %lld, and max_batch_size is %lld", (long long)last,
                       (long long)most);
    if (wait < 0 && !adapts)
        return bt_fail(error, BERTH_BAD_MODEL, "batch_timeout_micros is %lld", (long long)wait);
    return BERTH_OK;
}

static berth_status prepare_batch(bt_prepare *p)
{
    berth_status status = bt_batch_limits(p->node, p->error);
    return status ? status : prepare_function_call(p);
}

int bt_branches(const bt_op *op, const void *state, struct bt_body *const **bodies, bool *decides)
{
    const branches *b = state;
    *decides = op->cpu == run_if || op->cpu == run_case;
    if (!b || (!*decides && op->cpu != run_function_call)) return 0;
    *bodies = b->body;
    return b->n;
}

/* ---- DeviceIndex --------------------------------------------------------------------------------------- */

static berth_status infer_device_index(bt_infer *x)
{
    x->out[0] = (bt_fact){BERTH_INT32, BT_SCALAR, NULL};
    return BERTH_OK;
}

/* Which of the names is the CPU's, or else their number: of ways to do the same, a device each, the one that runs anywhere. */
static berth_status run_device_index(bt_call *c)
{
    const bt_attr_value *names;
    int n = bt_attr_list(c->node, "device_names", &names), i = 0;
    while (i < n && !bt_str_is(names[i].s, "CPU")) i++;
    int32_t *out = bt_out(c, 0, BERTH_INT32, &BT_SCALAR);
    if (!out) return BERTH_NO_MEMORY;
    *out = i;
    return BERTH_OK;
}

/* On a device the bodies run there; what decides between them is read on the host. */
#define CALL_TO(op, prepare, run, kind, decides, outs)                                                     \
    {                                                                                                      \
        op, bt_infer_call, prepare, run, kind | BT_OP_BODY, .outputs = outs, .gpu = run,                   \
                                                            .gpu_prepare = prepare, .host_inputs = decides \
    }
#define CALL(op, prepare, run, kind, decides) CALL_TO(op, prepare, run, kind, decides, "output*Tout")
#define PURE BT_OP_NO_FOLD
#define EFFECT BT_OP_STATEFUL

const bt_op bt_ops_function[] = {
    CALL("If", prepare_if, run_if, EFFECT, 1),
    CALL("StatelessIf", prepare_if, run_if, PURE, 1),
    CALL("Case", prepare_case, run_case, EFFECT, 1),
    CALL("StatelessCase", prepare_case, run_case, PURE, 1),
    CALL("PartitionedCall", prepare_function_call, run_function_call, PURE, 0),
    CALL("StatefulPartitionedCall", prepare_function_call, run_function_call, EFFECT, 0),
    CALL_TO("BatchFunction", prepare_batch, run_function_call, EFFECT, 0, "out_tensors*Tout"),
    {"DeviceIndex", infer_device_index, .cpu = run_device_index, .outputs = "index"},
    {NULL},
};
