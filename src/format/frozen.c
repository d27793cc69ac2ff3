/* Graphs that TensorFlow's freezing left broken. convert_variables_to_constants puts a constant in a variable's place and leaves
 * what writes to it in the branches of conditionals, the moving averages of a batch norm say; TensorFlow does not import what it
 * wrote then ("was passed float from ... incompatible with expected float_ref"). Here such writes give what they would have
 * written, and the constant stays: outside training nothing reads them. Variables that are such: ../pass/refs.c. */
#include "format/graphdef.h"
#include "ops/op.h"

enum { MOST_HOPS = 64 };

/* becomes NULL: nothing, once its inputs are there. */
static const struct {
    const char *op, *becomes;
    int first; /* of the inputs that are left */
} writes[] = {
    {"RefIdentity", "Identity", 0},   {"RefSwitch", "Switch", 0},
    {"RefMerge", "Merge", 0},         {"RefEnter", "Enter", 0},
    {"RefExit", "Exit", 0},           {"RefNextIteration", "NextIteration", 0},
    {"Assign", "Identity", 1},        {"AssignAdd", "Add", 0},
    {"AssignSub", "Sub", 0},          {"AssignVariableOp", NULL, 0},
    {"AssignAddVariableOp", NULL, 0}, {"AssignSubVariableOp", NULL, 0},
};

/* The row of an op, -1: none. */
static int row_of(const char *op)
{
    if (*op != 'R' && *op != 'A') return -1;
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        if (!strcmp(op, writes[i].op)) return (int)i;
    return -1;
}

/* Whether the variable that a node is given is a constant, behind whatever hands it on; in a function, an argument that is no
 * handle. */
static bool is_frozen(const bt_graph *g, const bt_node *node)
{
    static const char *const hands_on[] = {"Identity", "Switch", "Merge", "Enter", "Exit", "NextIteration"};
    bool on_handles = bt_ends(node->op, "VariableOp");
    for (int hops = 0; hops < MOST_HOPS && node->n_inputs; hops++) {
        node = &g->nodes[node->inputs[0].node];
        bool goes_on = row_of(node->op) >= 0;
        for (size_t i = 0; i < sizeof hands_on / sizeof *hands_on; i++)
            goes_on |= !strcmp(node->op, hands_on[i]);
        if (goes_on) continue;
        berth_dtype type = bt_attr_type(node, "T", BERTH_RESOURCE);
        return !strcmp(node->op, "Const") ||
               (on_handles && !strcmp(node->op, "_Arg") && type != BERTH_RESOURCE);
    }
    return false;
}

/* A NoOp that waits for what the node took. */
static bool become_nothing(bt_graph *g, int32_t index)
{
    bt_node *node = &g->nodes[index];
    int n = 0;
    int32_t *controls =
        bt_arena_array(g->arena, int32_t, (size_t)node->n_inputs + (size_t)node->n_controls + 1);
    if (!controls) return false;
    for (int i = 0; i < node->n_inputs; i++) controls[n++] = node->inputs[i].node;
    for (int i = 0; i < node->n_controls; i++) controls[n++] = node->controls[i];
    node->op = "NoOp", node->n_inputs = node->n_attrs = 0;
    return bt_node_set_controls(g, index, controls, n);
}

static bool mend(bt_graph *g, int32_t index)
{
    bt_node *node = &g->nodes[index];
    int row = row_of(node->op), first = writes[row].first;
    if (!writes[row].becomes) return become_nothing(g, index);
    berth_dtype type = bt_attr_type(node, "T", BERTH_NO_DTYPE);
    bool is_flow = bt_starts(node->op, "Ref"); /* whose attributes are the same */
    node->op = writes[row].becomes;
    if (is_flow || node->n_inputs <= first) return true;
    node->inputs += first, node->n_inputs -= first, node->n_attrs = 0;
    return bt_set_type(g, index, "T", type);
}

/* False when out of memory. */
static bool mend_graph(bt_graph *g)
{
    int32_t *broken = NULL;
    size_t n = 0, room = 0;
    bool ok = true;
    for (size_t i = 0; i < g->n_nodes && ok; i++) {
        if (row_of(g->nodes[i].op) < 0 || !is_frozen(g, &g->nodes[i])) continue;
        ok = bt_grow(&broken, &room, n + 1, sizeof *broken);
        if (ok) broken[n++] = (int32_t)i;
    }
    for (size_t k = 0; k < n && ok; k++) {
        ok = mend(g, broken[k]);
        g->nodes[broken[k]].def = bt_op_find(g->nodes[broken[k]].op);
    }
    bt_free(broken);
    return ok;
}

berth_status bt_graphdef_mend(bt_source *source, berth_error *error)
{
    bool ok = mend_graph(&source->graph);
    for (size_t i = 0; i < source->functions.count && ok; i++)
        ok = mend_graph(&((bt_function *)source->functions.entries[i].value)->graph);
    return ok ? BERTH_OK : bt_fail_memory(error);
}
