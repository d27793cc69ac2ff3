/* TF1's ref variables become resource variables: VariableV2 a handle, Assign and its kin the ops on handles, and every
 * use of a ref as a value a read, which happens when its user would have looked: after all that the user waits for.
 * So nothing behind this pass knows refs. */
#include "pass/pass.h"

typedef enum ref_kind {
    REF_NONE,
    REF_SOURCE, /* makes a variable */
    REF_WRITE,  /* changes the variable in input 0, and hands it on as output 0 */
    REF_FLOW,   /* hands refs on as they are */
    REF_USE     /* takes the variable in input 0, gives a value */
} ref_kind;

static const struct {
    const char *op;
    ref_kind kind;
    const char *becomes;
} ref_ops[] = {
    {"Variable", REF_SOURCE, "VarHandleOp"},
    {"VariableV2", REF_SOURCE, "VarHandleOp"},
    {"TemporaryVariable", REF_SOURCE, "_TemporaryVariable"},
    {"Assign", REF_WRITE, "AssignVariableOp"},
    {"AssignAdd", REF_WRITE, "AssignAddVariableOp"},
    {"AssignSub", REF_WRITE, "AssignSubVariableOp"},
    {"ScatterUpdate", REF_WRITE, "ResourceScatterUpdate"},
    {"ScatterAdd", REF_WRITE, "ResourceScatterAdd"},
    {"ScatterSub", REF_WRITE, "ResourceScatterSub"},
    {"ScatterMul", REF_WRITE, "ResourceScatterMul"},
    {"ScatterDiv", REF_WRITE, "ResourceScatterDiv"},
    {"ScatterMin", REF_WRITE, "ResourceScatterMin"},
    {"ScatterMax", REF_WRITE, "ResourceScatterMax"},
    {"ScatterNdUpdate", REF_WRITE, "ResourceScatterNdUpdate"},
    {"ScatterNdAdd", REF_WRITE, "ResourceScatterNdAdd"},
    {"ScatterNdSub", REF_WRITE, "ResourceScatterNdSub"},
    {"ScatterNdMin", REF_WRITE, "ResourceScatterNdMin"},
    {"ScatterNdMax", REF_WRITE, "ResourceScatterNdMax"},
    {"StridedSliceAssign", REF_WRITE, "ResourceStridedSliceAssign"},
    {"RefIdentity", REF_FLOW, "Identity"},
    {"RefSwitch", REF_FLOW, "Switch"},
    {"RefMerge", REF_FLOW, "Merge"},
    {"RefEnter", REF_FLOW, "Enter"},
    {"RefExit", REF_FLOW, "Exit"},
    {"RefNextIteration", REF_FLOW, "NextIteration"},
    {"IsVariableInitialized", REF_USE, "VarIsInitializedOp"},
    {"DestroyTemporaryVariable", REF_USE, "_DestroyTemporaryVariable"},
};

typedef struct refs {
    bt_pass_context *x;
    int8_t *row;        /* by node as the pass found them: index + 1 into ref_ops, 0 */
    size_t count;       /* those nodes */
    int32_t *only_read; /* by node: its one read + 1, in a graph that writes nothing */
    bool *grows;        /* by node: a variable that is written in place */
    bool writes, assigns;
} refs;

static ref_kind kind_of(const refs *r, int32_t node)
{
    return (size_t)node < r->count && r->row[node] ? ref_ops[r->row[node] - 1].kind : REF_NONE;
}

/* Only the second output of RefMerge is none. */
static bool is_ref(const refs *r, bt_edge e)
{
    ref_kind kind = kind_of(r, e.node);
    if (kind == REF_NONE || kind == REF_USE) return false;
    return e.slot == 0 || !strcmp(r->x->graph.nodes[e.node].op, "RefSwitch");
}

/* Whether input j of the node is taken as a ref. */
static bool wants_ref(const refs *r, int32_t node, int j)
{
    ref_kind kind = kind_of(r, node);
    if (kind == REF_FLOW) return j == 0 || !strcmp(r->x->graph.nodes[node].op, "RefMerge");
    return j == 0 && kind != REF_NONE && kind != REF_SOURCE;
}

/* The handle behind a ref, past the writes that hand it on. */
static berth_status handle_of(const refs *r, bt_edge e, bt_edge *handle)
{
    for (size_t hops = 0; kind_of(r, e.node) == REF_WRITE; hops++) {
        const bt_node *node = &r->x->graph.nodes[e.node];
        if (node->n_inputs < 1 || hops > r->count || !is_ref(r, node->inputs[0]))
            return bt_fail(r->x->error, BERTH_BAD_MODEL, "node '%s' (%s): input 0 is no variable", node->name,
                           node->op);
        e = node->inputs[0];
    }
    *handle = e;
    return BERTH_OK;
}

/* The same of a graph that may be damaged: it ends where it must. */
static int32_t source_of(const refs *r, bt_edge e)
{
    for (size_t hops = 0; kind_of(r, e.node) == REF_WRITE && hops < r->count; hops++) {
        if (r->x->graph.nodes[e.node].n_inputs < 1) break;
        e = r->x->graph.nodes[e.node].inputs[0];
    }
    return e.node;
}

/* Which variables are written, and none of them by Assign, which may take the place of the memory itself. */
static void find_growing(refs *r)
{
    for (size_t i = 0; i < r->count && !r->assigns; i++)
        if (kind_of(r, (int32_t)i) == REF_WRITE) r->grows[source_of(r, (bt_edge){(int32_t)i, 0})] = true;
}

static bool add_control(bt_pass_context *x, int32_t node, int32_t control)
{
    const bt_node *n = &x->graph.nodes[node];
    for (int i = 0; i < n->n_controls; i++)
        if (n->controls[i] == control) return true;
    int32_t *controls = bt_arena_array(x->arena, int32_t, (size_t)n->n_controls + 1);
    if (!controls) return false;
    if (n->n_controls) memcpy(controls, n->controls, (size_t)n->n_controls * sizeof *controls);
    controls[n->n_controls] = control;
    return bt_node_set_controls(&x->graph, node, controls, n->n_controls + 1);
}

static berth_dtype dtype_of(const bt_node *node)
{
    return bt_attr_type(node, "dtype", bt_attr_type(node, "T", BERTH_NO_DTYPE));
}

/* A read of the ref for its user (-1: a fetch), waiting for the write that it came through and for all that the user
 * waits for. Index or -1. */
static int32_t add_read(refs *r, bt_edge ref, bt_edge handle, int32_t user)
{
    bt_pass_context *x = r->x;
    if (!r->writes && r->only_read[handle.node]) return r->only_read[handle.node] - 1;
    const char *base = bt_arena_print(x->arena, "%s/value", x->graph.nodes[handle.node].name);
    const char *name = base ? bt_graph_unique_name(&x->graph, base) : NULL;
    int32_t read = name ? bt_graph_add(&x->graph, name, "ReadVariableOp") : -1;
    if (read < 0 || !bt_set_type(&x->graph, read, "dtype", dtype_of(&x->graph.nodes[ref.node])) ||
        !bt_node_set_inputs(&x->graph, read, &handle, 1))
        return -1;
    x->graph.nodes[read].def = bt_op_find("ReadVariableOp");
    x->graph.nodes[read].device = x->graph.nodes[ref.node].device;
    x->graph.nodes[read].origin = x->graph.nodes[ref.node].origin;
    if (!r->writes) r->only_read[handle.node] = read + 1;
    if (kind_of(r, ref.node) == REF_WRITE && !add_control(x, read, ref.node)) return -1;
    if (user < 0 || !r->writes) return read;
    const bt_node *node = &x->graph.nodes[user];
    for (int i = 0; i < node->n_controls; i++)
        if (!add_control(x, read, node->controls[i])) return -1;
    for (int i = 0; i < node->n_inputs; i++) {
        int32_t from = node->inputs[i].node;
        if (kind_of(r, from) != REF_SOURCE && from != read && !add_control(x, read, from)) return -1;
    }
    return read;
}

/* An Identity of a ref gives the variable's own memory, in which AssignAdd and its kin (but not Assign) write: whoever reads what it
 * gives after such a write sees that. So its users look at the variable themselves. */
static void see_through(const refs *r, int32_t index)
{
    bt_node *node = &r->x->graph.nodes[index];
    for (int j = 0; j < node->n_inputs; j++) {
        const bt_node *from = &r->x->graph.nodes[node->inputs[j].node];
        bool is_view = !strcmp(from->op, "Identity") && from->n_inputs == 1 && !from->n_controls;
        if (is_view && is_ref(r, from->inputs[0]) && r->grows[source_of(r, from->inputs[0])])
            node->inputs[j] = from->inputs[0];
    }
}

static berth_status settle_inputs(refs *r, int32_t index)
{
    bt_pass_context *x = r->x;
    see_through(r, index);
    for (int j = 0; j < x->graph.nodes[index].n_inputs; j++) {
        bt_edge ref = x->graph.nodes[index].inputs[j], handle;
        const bt_node *node = &x->graph.nodes[index];
        if (!is_ref(r, ref)) {
            if (wants_ref(r, index, j) && strcmp(node->op, "RefMerge"))
                return bt_fail(x->error, BERTH_BAD_MODEL, "node '%s' (%s): input %d is no variable",
                               node->name, node->op, j);
            continue;
        }
        berth_status status = handle_of(r, ref, &handle);
        if (status) return status;
        if (wants_ref(r, index, j)) {
            if (kind_of(r, ref.node) == REF_WRITE && !add_control(x, index, ref.node))
                return bt_fail_memory(x->error);
            x->graph.nodes[index].inputs[j] = handle;
            continue;
        }
        int32_t read = add_read(r, ref, handle, index);
        if (read < 0) return bt_fail_memory(x->error);
        x->graph.nodes[index].inputs[j] = (bt_edge){read, 0};
    }
    return BERTH_OK;
}

/* A variable's name in the file is its node's. */
static bool settle_source(bt_pass_context *x, int32_t index)
{
    const bt_node *node = &x->graph.nodes[index];
    const char *shared = bt_attr_string(node, "shared_name", "");
    bool saved = bt_map_get(&x->source->variables, bt_str_of(node->name)) != NULL;
    return bt_set_string(&x->graph, index, "shared_name", saved || !*shared ? node->name : shared);
}

/* The resource ops call the type `dtype`, but for those that slice, and know no locks. A scatter of no rows is stricter on a ref. */
static bool settle_attrs(bt_pass_context *x, int32_t index, const char *becomes)
{
    if (strstr(becomes, "Nd") || strstr(becomes, "Slice")) return true;
    bt_node *node = &x->graph.nodes[index];
    berth_dtype dtype = dtype_of(node);
    bt_attr *attrs = bt_arena_array(x->arena, bt_attr, (size_t)node->n_attrs + 1); /* nodes may share theirs */
    if (!attrs) return false;
    int kept = 0;
    for (int i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, "T") && strcmp(node->attrs[i].name, "use_locking")) attrs[kept++] = node->attrs[i];
    node->attrs = attrs, node->n_attrs = kept;
    return bt_set_type(&x->graph, index, "dtype", dtype) && bt_set_bool(&x->graph, index, "_of_ref", true);
}

static berth_status settle_op(refs *r, int32_t index)
{
    bt_pass_context *x = r->x;
    bt_node *node = &x->graph.nodes[index];
    const char *becomes = ref_ops[r->row[index] - 1].becomes;
    bool fits = true;
    if (kind_of(r, index) == REF_SOURCE) fits = settle_source(x, index);
    if (kind_of(r, index) == REF_FLOW) fits = bt_set_type(&x->graph, index, "T", BERTH_RESOURCE);
    if (fits && kind_of(r, index) == REF_WRITE) fits = settle_attrs(x, index, becomes);
    if (!strcmp(becomes, "VarIsInitializedOp")) node->n_attrs = 0;
    if (fits && !strcmp(becomes, "AssignVariableOp"))
        fits = bt_set_bool(&x->graph, index, "validate_shape", bt_attr_bool(node, "validate_shape", true));
    node->op = becomes;
    node->def = bt_op_find(becomes);
    if (!fits) return bt_fail_memory(x->error);
    if (node->def) return BERTH_OK;
    return bt_fail(x->error, BERTH_UNSUPPORTED, "node '%s': this build does not have the op %s", node->name,
                   becomes);
}

berth_status bt_pass_refs(bt_pass_context *x)
{
    refs r = {.x = x, .count = x->graph.n_nodes};
    r.row = bt_arena_array(x->arena, int8_t, r.count + 1);
    r.only_read = bt_arena_array(x->arena, int32_t, r.count + 1);
    r.grows = bt_arena_array(x->arena, bool, r.count + 1);
    if (!r.row || !r.only_read || !r.grows) return bt_fail_memory(x->error);
    bool any = false;
    for (size_t i = 0; i < r.count; i++)
        for (size_t k = 0; k < sizeof ref_ops / sizeof *ref_ops; k++)
            if (!strcmp(x->graph.nodes[i].op, ref_ops[k].op)) {
                r.row[i] = (int8_t)(k + 1);
                r.writes |= ref_ops[k].kind == REF_WRITE;
                r.assigns |= !strcmp(ref_ops[k].op, "Assign");
                any = true;
            }
    if (!any) return BERTH_OK;
    find_growing(&r);
    berth_status status = BERTH_OK;
    for (int i = 0; i < x->n_fetches && !status; i++) {
        bt_edge handle;
        if (!is_ref(&r, x->fetches[i])) continue;
        status = handle_of(&r, x->fetches[i], &handle);
        int32_t read = status ? -1 : add_read(&r, x->fetches[i], handle, -1);
        if (!status && read < 0) status = bt_fail_memory(x->error);
        x->fetches[i] = (bt_edge){read, 0};
    }
    for (size_t i = 0; i < r.count && !status; i++) status = settle_inputs(&r, (int32_t)i);
    for (size_t i = 0; i < r.count && !status; i++)
        if (r.row[i]) status = settle_op(&r, (int32_t)i);
    return status ? status : bt_pass_sweep(x);
}
