/* A place a node, from what was asked for and what its kernels take; then copies where a tensor is wanted elsewhere than
 * it lies. What decides about requests: place.c. */
#include "plan/plan.h"

/* ---- Residence ---------------------------------------------------------------------------------------- */

static bool is_gpu_number(berth_dtype dtype)
{
    return bt_dtype_is_float(dtype) || bt_dtype_is_complex(dtype);
}

int bt_output_place(const bt_pass_context *x, const bt_node *node, int slot, berth_dtype dtype)
{
    (void)x;
    if (node->place == 0 || bt_dtype_is_object(dtype)) return 0;
    if (node->def->flags & BT_OP_BODY || !strcmp(node->op, "_Feed"))
        return is_gpu_number(dtype) ? node->place : 0;
    return bt_output_on_host(node->def, slot, bt_node_outputs(node)) ? 0 : node->place;
}

/* Where a node wants its input i. */
static int input_place(const bt_node *node, int i, berth_dtype dtype)
{
    if (node->place == 0 || bt_input_on_host(node->def, i, node->n_inputs) || bt_dtype_is_object(dtype)) return 0;
    return node->def->flags & BT_OP_BODY && !is_gpu_number(dtype) ? 0 : node->place;
}

/* ---- Assignment --------------------------------------------------------------------------------------- */

static bool is_f64(berth_dtype dtype) { return dtype == BERTH_DOUBLE || dtype == BERTH_COMPLEX128; }

/* Among what it has on its device. */
static bool has_f64(const bt_node *node, const bt_fact *in, const bt_fact *out, int n_out)
{
    bool has = false;
    for (int i = 0; i < node->n_inputs; i++) has |= is_f64(in[i].dtype) && !bt_input_on_host(node->def, i, node->n_inputs);
    for (int i = 0; i < n_out; i++) has |= is_f64(out[i].dtype);
    return has;
}

/* Why a device with kernels of its own cannot run the node; NULL: it can. */
static const char *refusal(bt_pass_context *x, const bt_node *node, const bt_fact *in, const bt_fact *out,
                           int n_out)
{
    const bt_op *op = node->def;
    if (!op->gpu) return "it has no kernel for this op";
    uint32_t takes = op->gpu_types
                         ? op->gpu_types
                         : BT_T(BERTH_HALF) | BT_T(BERTH_BFLOAT16) | BT_T(BERTH_FLOAT) | BT_T(BERTH_INT32);
    berth_dtype type = bt_attr_type(node, op->type_attr ? op->type_attr : "T", BERTH_NO_DTYPE);
    bool any = op->flags & (BT_OP_BODY | BT_OP_ALIAS);
    if (!any && type != BERTH_NO_DTYPE && !(takes & BT_T(type)))
        return bt_arena_print(x->arena, "its kernel does not take %s", bt_dtype_name(type));
    if (op->flags & BT_OP_ALIAS && n_out && !(takes & BT_T(out[0].dtype)))
        return bt_arena_print(x->arena, "its kernel does not take %s", bt_dtype_name(out[0].dtype));
    if (x->places[node->place]->lacks_f64 && has_f64(node, in, out, n_out)) return "the device does not compute in float64";
    return op->gpu_refuses ? op->gpu_refuses(node, in, node->n_inputs) : NULL;
}

/* Of its inputs it wants to know the shape alone, wherever they lie. */
static bool reads_shape(const bt_node *node)
{
    return !strcmp(node->op, "Shape") || !strcmp(node->op, "ShapeN") || !strcmp(node->op, "Size") ||
           !strcmp(node->op, "Rank");
}

/* The flow of a tensor array, which orders what is done to it: nobody looks at it. */
static bool is_flow(const bt_node *node, int i)
{
    return i == node->n_inputs - 1 && i > 0 && bt_starts(node->op, "TensorArray");
}

/* Integers that only describe shapes, made of such: they stay on the host, where shapes are needed. */
static bool is_metadata(bt_pass_context *x, const bt_node *node, const bool *on_host, const bt_fact *out,
                        int n_out)
{
    if (n_out == 0 || node->def->flags & BT_OP_BODY) return false;
    for (int i = 0; i < n_out; i++)
        if (out[i].dtype != BERTH_INT32 && out[i].dtype != BERTH_INT64 && out[i].dtype != BERTH_BOOL)
            return false;
    if (reads_shape(node)) return true;
    for (int i = 0; i < node->n_inputs; i++) {
        const bt_node *from = &x->graph.nodes[node->inputs[i].node];
        if (!bt_pass_is_const(from) && !on_host[node->inputs[i].node]) return false;
    }
    return node->n_inputs > 0;
}

static void note(bt_pass_context *x, const bt_node *node, const char *why)
{
    if (!x->fates || node->origin < 0) return;
    x->fates->list[node->origin].place = node->place;
    x->fates->list[node->origin].why = why;
}

typedef struct refusals {
    bt_text text;
    int n;
} refusals;

static berth_status assign_node(bt_pass_context *x, const bt_plan_env *env, int32_t index, bool *on_host,
                                bt_fact *in, refusals *r)
{
    bt_node *node = &x->graph.nodes[index];
    const bt_fact *out = x->facts + x->first_fact[index];
    int n_out = x->first_fact[index + 1] - x->first_fact[index];
    bool is_feed = !strcmp(node->op, "_Feed");
    /* Inputs of the graph itself come from the host; a body's lie where its caller is. */
    node->place = (int16_t)(is_feed      ? (env->function ? env->body_place : 0)
                            : env->place ? env->place(env->place_user, node)
                                         : env->body_place);
    /* Of a body the integers lie on the host: a loop's counter stays there. */
    on_host[index] = is_feed && env->function && n_out > 0 && bt_output_place(x, node, 0, out[0].dtype) == 0;
    if (!bt_pass_is_gpu(x, node->place) || is_feed) return note(x, node, NULL), BERTH_OK;
    if (!strcmp(node->op, "Const")) { /* lies on the host; where it is wanted, it gets a twin */
        node->place = 0;
        return note(x, node, NULL), BERTH_OK;
    }
    for (int i = 0; i < node->n_inputs; i++) in[i] = *bt_pass_fact(x, node->inputs[i]);
    if (is_metadata(x, node, on_host, out, n_out)) {
        on_host[index] = true;
        node->place = 0;
        return note(x, node, "on the host: it describes shapes"), BERTH_OK;
    }
    const char *why = refusal(x, node, in, out, n_out);
    if (!why) return note(x, node, NULL), BERTH_OK;
    const char *device = x->places[node->place]->name;
    bool no_work =
        !node->def->outputs ? false : !*node->def->outputs; /* NoOp, Assert: nothing a device could do */
    bool is_strict = env->hard && !no_work;
    bt_obstacle obstacle = {node->name, node->op, device, why, !is_strict};
    bool is_new = env->obstacles && strcmp(node->op, "_Missing"); /* which was entered when it was made */
    if (is_new && bt_obstacle_add(env->obstacles, env->function, &obstacle, x->error)) return x->error->status;
    if (is_strict && !env->obstacles && r->text.n < 400)
        bt_text_print(&r->text, "%snode '%s' (%s) on %s: %s", r->n++ ? "; " : "", node->name, node->op,
                      device, why);
    node->place = 0;
    note(x, node, bt_arena_print(x->arena, "moved from %s: %s", device, why));
    return BERTH_OK;
}

berth_status bt_plan_assign(bt_pass_context *x, const bt_plan_env *env)
{
    int32_t *order;
    size_t n;
    int most = 0;
    refusals r = {0};
    berth_status status = bt_pass_order(x, &order, &n);
    if (status) return status;
    for (size_t i = 0; i < n; i++)
        if (x->graph.nodes[i].n_inputs > most) most = x->graph.nodes[i].n_inputs;
    bt_fact *in = bt_arena_array(x->arena, bt_fact, (size_t)most + 1);
    bool *on_host = bt_arena_array(x->arena, bool, x->graph.n_nodes + 1);
    if (!in || !on_host) return bt_fail_memory(x->error);
    for (size_t i = 0; i < n && !status; i++) status = assign_node(x, env, order[i], on_host, in, &r);
    if (!status && r.n && env->refused) *env->refused = true;
    if (!status && r.n) status = bt_fail(x->error, BERTH_DEVICE, "%s", r.text.p ? r.text.p : "");
    bt_text_free(&r.text);
    return status;
}

/* ---- Order -------------------------------------------------------------------------------------------- */

/* Work for the device alone: not what brings tensors there and back, and not what calls functions. */
static bool is_device_work(const bt_pass_context *x, const bt_node *node)
{
    return bt_pass_is_gpu(x, node->place) && !(node->def->flags & BT_OP_BODY) && strcmp(node->op, "_Copy") &&
           strcmp(node->op, "_Feed") && !bt_pass_is_const(node);
}

/* The turn before which a node cannot come: after those of what it waits for, of which it shares the last if both are work of
 * one kind. Even turns are the host's, odd ones the devices'. */
static int32_t turn_of(const bt_pass_context *x, int32_t index, const int32_t *turns, int32_t stateful)
{
    const bt_node *node = &x->graph.nodes[index];
    int32_t turn = 0, mine = is_device_work(x, node);
    for (int32_t i = -1; i < node->n_inputs + node->n_controls; i++) {
        int32_t from = i < 0                  ? stateful
                       : i < node->n_inputs ? node->inputs[i].node
                                            : node->controls[i - node->n_inputs];
        if (from >= 0 && turns[from] > turn) turn = turns[from];
    }
    return turn % 2 == mine ? turn : turn + 1;
}

berth_status bt_plan_order(bt_pass_context *x, int32_t **order, size_t *n)
{
    int32_t *plain, most = 0, stateful = -1;
    berth_status status = bt_pass_order(x, &plain, n);
    if (status) return status;
    int32_t *turns = bt_arena_array(x->arena, int32_t, x->graph.n_nodes + 1);
    if (!turns || !(*order = bt_arena_array(x->arena, int32_t, *n + 1))) return bt_fail_memory(x->error);
    for (size_t i = 0; i < *n; i++) {
        int32_t node = plain[i];
        bool is_stateful = x->graph.nodes[node].def->flags & BT_OP_STATEFUL;
        turns[node] = turn_of(x, node, turns, is_stateful ? stateful : -1);
        if (is_stateful) stateful = node;
        if (turns[node] > most) most = turns[node];
    }
    int32_t *at = bt_arena_array(x->arena, int32_t, (size_t)most + 2); /* by turn: where its next node goes */
    if (!at) return bt_fail_memory(x->error);
    for (size_t i = 0; i < *n; i++) at[turns[plain[i]] + 1]++;
    for (int32_t turn = 0; turn < most; turn++) at[turn + 1] += at[turn];
    for (size_t i = 0; i < *n; i++) (*order)[at[turns[plain[i]]]++] = plain[i];
    return BERTH_OK;
}

/* ---- Copies ------------------------------------------------------------------------------------------- */

typedef struct copier {
    bt_pass_context *x;
    int32_t *made; /* by output and place: the node that brings it there, plus 1 */
    int n_copies;
} copier;

/* A constant is not copied at run time: it gets a twin on the other place. */
static int32_t add_copy(copier *c, bt_edge from, int to, berth_dtype dtype)
{
    bt_pass_context *x = c->x;
    bool is_const = bt_pass_is_const(&x->graph.nodes[from.node]);
    const char *name =
        bt_arena_print(x->arena, "%s/to%s", x->graph.nodes[from.node].name, x->places[to]->name);
    name = name ? bt_graph_unique_name(&x->graph, name) : NULL;
    int32_t node = name ? bt_graph_add(&x->graph, name, is_const ? x->graph.nodes[from.node].op : "_Copy") : -1;
    if (node < 0) return -1;
    bt_node *it = &x->graph.nodes[node], *old = &x->graph.nodes[from.node];
    it->def = bt_op_find(it->op);
    it->place = (int16_t)to;
    if (is_const) {
        it->attrs = old->attrs, it->n_attrs = old->n_attrs, it->origin = old->origin;
        return note(x, it, NULL), node;
    }
    c->n_copies++;
    return it->def && bt_node_set_inputs(&x->graph, node, &from, 1) &&
                   bt_set_type(&x->graph, node, "T", dtype)
               ? node
               : -1;
}

/* Places without kernels of their own share the host's memory: what goes from one to another crosses devices, but is not
 * copied. */
static void count_crossing(copier *c, bt_edge edge, int to)
{
    bt_pass_context *x = c->x;
    const bt_node *from = &x->graph.nodes[edge.node];
    if (from->place == to || bt_pass_is_gpu(x, from->place) || bt_pass_is_gpu(x, to) ||
        bt_pass_is_const(from))
        return;
    int32_t *made = &c->made[(x->first_fact[edge.node] + edge.slot) * x->n_places + to];
    if (!*made) c->n_copies++;
    *made = 1;
}

static berth_status bring(copier *c, bt_edge *edge, int to)
{
    bt_pass_context *x = c->x;
    const bt_node *from = &x->graph.nodes[edge->node];
    berth_dtype dtype = bt_pass_fact(x, *edge)->dtype;
    if (bt_output_place(x, from, edge->slot, dtype) == to) return BERTH_OK;
    /* Places without kernels of their own share the host's memory. */
    bool both_host =
        !bt_pass_is_gpu(x, to) && !bt_pass_is_gpu(x, bt_output_place(x, from, edge->slot, dtype));
    if (both_host) return BERTH_OK;
    int32_t *made = &c->made[(x->first_fact[edge->node] + edge->slot) * x->n_places + to];
    if (!*made) {
        int32_t node = add_copy(c, *edge, to, dtype);
        if (node < 0) return bt_fail_memory(x->error);
        *made = node + 1;
    }
    *edge = (bt_edge){*made - 1, 0};
    return BERTH_OK;
}

berth_status bt_plan_add_copies(bt_pass_context *x, const bt_plan_env *env, int *n_copies)
{
    size_t count = x->graph.n_nodes;
    bool any = false;
    for (size_t i = 0; i < count; i++) any |= x->graph.nodes[i].place != 0;
    if (!any) return BERTH_OK;
    copier c = {
        .x = x,
        .made = bt_arena_array(x->arena, int32_t, ((size_t)x->first_fact[count] + 1) * (size_t)x->n_places)};
    if (!c.made) return bt_fail_memory(x->error);
    berth_status status = BERTH_OK;
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < x->graph.nodes[i].n_inputs && !status && !reads_shape(&x->graph.nodes[i]); j++) {
            bt_edge edge = x->graph.nodes[i].inputs[j];
            int to = input_place(&x->graph.nodes[i], j, bt_pass_fact(x, edge)->dtype);
            if (to == 0 && is_flow(&x->graph.nodes[i], j)) continue;
            count_crossing(&c, edge, x->graph.nodes[i].place);
            status = bring(&c, &edge, to);
            x->graph.nodes[i].inputs[j] = edge;
        }
    for (int i = 0; i < x->n_fetches && !status; i++) {
        berth_dtype dtype = bt_pass_fact(x, x->fetches[i])->dtype;
        bool stays = env->function && is_gpu_number(dtype);
        if (!env->function) count_crossing(&c, x->fetches[i], 0);
        status = bring(&c, &x->fetches[i], stays ? env->body_place : 0);
    }
    *n_copies = c.n_copies;
    return status;
}
