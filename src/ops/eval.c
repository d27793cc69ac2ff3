/* One node computed from constants, outside any plan. Every output is a buffer of its own; bodies, resources
 * and other things of a session are refused. */
#include "ops/op.h"

/* What bt_call.run points to here. */
typedef struct eval_run {
    bt_arena arena; /* what prepare left, packed weights */
    void **scratch; /* blocks, freed at the end */
    size_t n_scratch, room;
} eval_run;

typedef struct eval_prepare_host {
    bt_prepare_host host;
    eval_run *run;
} eval_prepare_host;

static const void *eval_pack(const bt_prepare_host *host, const bt_tensor *constant, const char *layout,
                             size_t bytes, bt_pack_fn *pack, void *user, berth_error *error)
{
    (void)constant, (void)layout;
    eval_run *run = ((const eval_prepare_host *)host)->run;
    void *dst = bt_arena_alloc_aligned(&run->arena, bytes ? bytes : 1, 64);
    if (!dst) return bt_fail_memory(error), NULL;
    return pack(user, dst, error) ? NULL : dst;
}

static struct bt_body *eval_body(const bt_prepare_host *host, const char *function, const bt_fact *facts,
                                 bt_fact *results, berth_error *error)
{
    (void)host, (void)facts, (void)results;
    bt_fail(error, BERTH_UNSUPPORTED, "function '%s' cannot be called while folding", function);
    return NULL;
}

static const bt_function *eval_function(const bt_prepare_host *host, const char *function, berth_error *error)
{
    return (void)host,
           bt_fail(error, BERTH_UNSUPPORTED, "function '%s' cannot be called while folding", function), NULL;
}

static void *eval_out(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape)
{
    bt_tensor_clear(c->out[i]);
    return bt_tensor_init(c->out[i], dtype, shape, c->error) ? NULL : c->out[i]->data;
}

static berth_status eval_alias(bt_call *c, int i, int j, berth_dtype dtype, const bt_shape *shape)
{
    bt_tensor_clear(c->out[i]);
    if (bt_tensor_keep(c->out[i], c->in[j], c->error)) return c->error ? c->error->status : BERTH_NO_MEMORY;
    c->out[i]->dtype = dtype, c->out[i]->shape = *shape;
    return BERTH_OK;
}

static berth_status eval_move(bt_call *c, int i, bt_tensor *t, bool swap)
{
    (void)swap;
    bt_tensor_clear(c->out[i]);
    berth_status status = bt_tensor_keep(c->out[i], t, c->error);
    bt_tensor_clear(t);
    return status;
}

static bt_tensor *eval_kept(bt_call *c, int n)
{
    return (void)n, bt_call_unsupported(c, "cannot be folded"), NULL;
}

static void *eval_scratch(bt_call *c, size_t bytes)
{
    eval_run *run = (eval_run *)c->run;
    void *block =
        bt_grow(&run->scratch, &run->room, run->n_scratch + 1, sizeof *run->scratch) ? bt_alloc(bytes) : NULL;
    if (!block) return bt_fail_memory(c->error), NULL;
    return run->scratch[run->n_scratch++] = block;
}

static berth_status eval_run_body(bt_call *c, struct bt_body *body, bt_tensor *const *in,
                                  bt_tensor *const *out, uint64_t take)
{
    return (void)body, (void)in, (void)out, (void)take, bt_call_unsupported(c, "cannot be folded");
}

static berth_status eval_check(bt_call *c, int64_t iteration) { return (void)c, (void)iteration, BERTH_OK; }
static struct bt_resources *eval_resources(bt_call *c) { return (void)c, NULL; }

static const bt_run_host run_host = {.out = eval_out,
                                     .alias = eval_alias,
                                     .move = eval_move,
                                     .kept = eval_kept,
                                     .scratch = eval_scratch,
                                     .body = eval_run_body,
                                     .check = eval_check,
                                     .resources = eval_resources};

/* Shape function and prepare; leaves the state in c and the results' facts in out_facts. */
static berth_status eval_prepare(const bt_node *node, const bt_tensor *const *in, int n_in, int n_out,
                                 eval_run *run, bt_prepare *p, berth_error *error)
{
    bt_fact *facts = bt_arena_array(&run->arena, bt_fact, (size_t)n_in + (size_t)n_out + 1);
    if (!facts) return bt_fail_memory(error);
    for (int i = 0; i < n_in; i++) facts[i] = (bt_fact){in[i]->dtype, in[i]->shape, in[i]};
    for (int i = 0; i < n_out; i++) facts[n_in + i].shape = BT_SHAPE_UNKNOWN;
    bt_infer x = {node, facts, n_in, facts + n_in, n_out, INT32_MAX, error};
    berth_status status = node->def->infer ? node->def->infer(&x) : BERTH_OK;
    if (status) return status;
    *p = (bt_prepare){.node = node,
                      .in = facts,
                      .n_in = n_in,
                      .out = facts + n_in,
                      .n_out = n_out,
                      .arena = &run->arena,
                      .host = p->host,
                      .error = error};
    return node->def->prepare ? node->def->prepare(p) : BERTH_OK;
}

static berth_status eval_call(const bt_node *node, const bt_tensor *const *in, int n_in, bt_tensor *out,
                              int n_out, bt_pool *pool, eval_run *run, bt_tensor *aligned, berth_error *error)
{
    eval_prepare_host prepare_host = {{eval_pack, eval_body, eval_function}, run};
    bt_prepare p = {.host = &prepare_host.host};
    berth_status status = eval_prepare(node, in, n_in, n_out, run, &p, error);
    bt_tensor **ins = bt_arena_array(&run->arena, bt_tensor *, (size_t)n_in + (size_t)n_out + 1);
    if (!status && !ins) status = bt_fail_memory(error);
    for (int i = 0; !status && i < n_in; i++) {
        status = bt_tensor_copy(&aligned[i], in[i], error);
        ins[i] = &aligned[i];
    }
    if (status) return status;
    for (int i = 0; i < n_out; i++) ins[n_in + i] = &out[i];
    bt_call c = {.node = node,
                 .state = p.state,
                 .in = ins,
                 .n_in = n_in,
                 .out = ins + n_in,
                 .n_out = n_out,
                 .pool = pool,
                 .run = (struct bt_run *)run,
                 .host = &run_host,
                 .error = error};
    return node->def->cpu(&c);
}

berth_status bt_eval(const bt_node *node, const bt_tensor *const *in, int n_in, bt_tensor *out, int n_out,
                     bt_pool *pool, berth_error *error)
{
    berth_error own = {0};
    if (!error) error = &own;
    for (int i = 0; i < n_out; i++) out[i] = (bt_tensor){0};
    if (!node->def || !node->def->cpu) return bt_fail(error, BERTH_UNSUPPORTED, "has no CPU kernel");
    if (node->def->flags & BT_OP_DEAD) return bt_fail(error, BERTH_UNSUPPORTED, "depends on what is dead");
    eval_run run = {0};
    bt_arena_init(&run.arena);
    bt_tensor *aligned = bt_arena_array(&run.arena, bt_tensor, (size_t)n_in + 1);
    berth_status status =
        aligned ? eval_call(node, in, n_in, out, n_out, pool, &run, aligned, error) : bt_fail_memory(error);
    for (int i = 0; aligned && i < n_in; i++) bt_tensor_clear(&aligned[i]);
    for (int i = 0; !status && i < n_out; i++)
        if (out[i].dead) status = bt_fail(error, BERTH_UNSUPPORTED, "gives a dead tensor");
    for (int i = 0; status && i < n_out; i++) bt_tensor_clear(&out[i]);
    for (size_t i = 0; i < run.n_scratch; i++) bt_free(run.scratch[i]);
    bt_free(run.scratch);
    bt_arena_free(&run.arena);
    return status;
}
