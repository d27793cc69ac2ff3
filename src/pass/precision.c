/* Lower precision, where a session asks for it: products and convolutions on devices take their inputs and weights in half or
 * bfloat16 and sum in float; what only hands numbers on between them (activations, sums, poolings) stays in that type. All else
 * is computed in float, with casts between; feeds and fetches stay as they are. tf32 leaves tensors as they are and marks the
 * nodes (`_tf32`), whose sums may then be of rounded factors. */
#include "pass/pattern.h"

typedef struct lowering {
    bt_pass_context *x;
    berth_dtype to;
    bool *low; /* by node, of the graph as it was: its output 0 and what goes into it are of the lower type */
    int32_t *narrow; /* by output: the node that casts it to the lower type, plus 1 */
    int32_t *wide;   /* by node: the one that casts its output 0 to float, plus 1 */
} lowering;

static bool is_among(const char *op, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(op, *names)) return true;
    return false;
}

static bool is_product(const char *op)
{
    static const char *const names[] = {
        "MatMul", "_FusedMatMul", "BatchMatMul", "BatchMatMulV2",         "BatchMatMulV3",
        "Conv2D", "_FusedConv2D", "Conv3D",      "DepthwiseConv2dNative", "_FusedDepthwiseConv2d",
        "Einsum", NULL};
    return is_among(op, names);
}

/* No sums over many, and nothing that leaves the range of half: such as products of activations with one another. */
static bool hands_on(const char *op)
{
    static const char *const names[] = {"Add",       "AddV2",     "BiasAdd",    "Relu",      "Relu6",
                                        "LeakyRelu", "Elu",       "Sigmoid",    "Tanh",      "_Swish",
                                        "_Gelu",     "_GeluTanh", "MaxPool",    "AvgPool",   "Mean",
                                        "Reshape",   "Squeeze",   "ExpandDims", "Transpose", "Identity",
                                        "ConcatV2",  "Pad",       "_LayerNorm", "Softmax",   NULL};
    return is_among(op, names);
}

/* One that hands on where one side is a constant. */
static bool scales(const lowering *l, const bt_node *node)
{
    static const char *const names[] = {"Mul", "RealDiv", NULL};
    bool any = false;
    for (int i = 0; i < node->n_inputs; i++)
        any |= bt_pass_is_const(&l->x->graph.nodes[node->inputs[i].node]);
    return any && is_among(node->op, names);
}

static bool has_kernel(const lowering *l, const bt_node *node)
{
    uint32_t takes = node->def->gpu_types;
    return !takes || takes & BT_T(l->to);
}

/* ---- Which nodes -------------------------------------------------------------------------------------- */

/* What a constant or weights are in the lower type. */
static bt_weights lower(const lowering *l, const bt_node *node)
{
    bt_weights w;
    if (!bt_weights_of(node, &w)) w = (bt_weights){.from = bt_attr_tensor(node, "value"), .inner = 1};
    w.to = l->to;
    return w;
}

/* A constant that the lower type can hold. */
static bool fits(const lowering *l, bt_edge e)
{
    bt_weights w = lower(l, &l->x->graph.nodes[e.node]);
    return w.from && bt_weights_fit(&w);
}

static bool is_low(const lowering *l, bt_edge e) { return l->low[e.node] && e.slot == 0; }

/* A batch norm's vectors stay float. */
static bool has_norm(const bt_node *node)
{
    const bt_attr *ops = bt_attr_find(node, "fused_ops");
    const bt_attr_value *list;
    int n = bt_attr_list(node, "fused_ops", &list);
    for (int i = 0; i < n; i++)
        if (ops->kind != BT_ATTR_STRING || bt_str_is(list[i].s, "FusedBatchNorm")) return true;
    return false;
}

static bool can_lower(const lowering *l, int32_t index)
{
    bt_pass_context *x = l->x;
    const bt_node *node = &x->graph.nodes[index];
    bool product = is_product(node->op), any = product;
    if (!bt_pass_is_gpu(x, node->place) || !has_kernel(l, node) || has_norm(node) ||
        !(product || hands_on(node->op) || scales(l, node)))
        return false;
    if (bt_pass_fact(x, (bt_edge){index, 0})->dtype != BERTH_FLOAT) return false;
    for (int i = 0; i < node->n_inputs; i++) {
        if (bt_pass_fact(x, node->inputs[i])->dtype != BERTH_FLOAT) continue;
        bool low = is_low(l, node->inputs[i]),
             constant = bt_pass_is_const(&x->graph.nodes[node->inputs[i].node]);
        if (constant ? !fits(l, node->inputs[i]) : !low && !product) return false;
        any |= low;
    }
    return any;
}

/* ---- Rewriting ---------------------------------------------------------------------------------------- */

static int32_t add_cast(lowering *l, bt_edge from, berth_dtype to, int16_t place)
{
    bt_pass_context *x = l->x;
    const char *name = bt_arena_print(x->arena, "%s/%s", x->graph.nodes[from.node].name, bt_dtype_name(to));
    name = name ? bt_graph_unique_name(&x->graph, name) : NULL;
    int32_t node = name ? bt_graph_add(&x->graph, name, "Cast") : -1;
    if (node < 0 || !bt_node_set_inputs(&x->graph, node, &from, 1) ||
        !bt_set_type(&x->graph, node, "SrcT", to == BERTH_FLOAT ? l->to : BERTH_FLOAT) ||
        !bt_set_type(&x->graph, node, "DstT", to))
        return -1;
    x->graph.nodes[node].def = bt_op_find("Cast");
    x->graph.nodes[node].place = place;
    return node;
}

/* The edge in the lower type. False: out of memory. */
static bool narrow(lowering *l, bt_edge *e, int16_t place)
{
    if (is_low(l, *e)) return true;
    int32_t *made = &l->narrow[l->x->first_fact[e->node] + e->slot];
    const bt_node *from = &l->x->graph.nodes[e->node];
    bt_weights w = lower(l, from);
    if (!*made) *made = (bt_pass_is_const(from) ? bt_pass_weights(l->x, e->node, &w) : add_cast(l, *e, l->to, place)) + 1;
    *e = (bt_edge){*made - 1, 0};
    return *made > 0;
}

static bool widen(lowering *l, bt_edge *e)
{
    if (!is_low(l, *e)) return true;
    int32_t *made = &l->wide[e->node];
    if (!*made) *made = add_cast(l, *e, BERTH_FLOAT, l->x->graph.nodes[e->node].place) + 1;
    *e = (bt_edge){*made - 1, 0};
    return *made > 0;
}

static bool set_type(lowering *l, int32_t index)
{
    static const char *const names[] = {"T", "Ta", "Tb", "Tout", NULL};
    bt_graph *g = &l->x->graph;
    for (int i = 0; names[i]; i++)
        if (bt_attr_find(&g->nodes[index], names[i]) && !bt_set_type(g, index, names[i], l->to)) return false;
    return true;
}

/* Of its inputs it looks at the shape alone. */
static bool reads_shape(const char *op)
{
    static const char *const names[] = {"Shape", "ShapeN", "Size", "Rank", NULL};
    return is_among(op, names);
}

static bool rewrite(lowering *l, int32_t index)
{
    bt_graph *g = &l->x->graph;
    if (reads_shape(g->nodes[index].op)) return true;
    if (l->low[index] && !set_type(l, index)) return false;
    for (int i = 0; i < g->nodes[index].n_inputs; i++) {
        bt_edge e = g->nodes[index].inputs[i];
        bool is_float = bt_pass_fact(l->x, e)->dtype == BERTH_FLOAT;
        if (l->low[index] ? is_float && !narrow(l, &e, g->nodes[index].place) : !widen(l, &e)) return false;
        g->nodes[index].inputs[i] = e; /* nodes may have moved */
    }
    return true;
}

static berth_status lower_all(bt_pass_context *x)
{
    int32_t *order;
    size_t n;
    berth_status status = bt_pass_infer(x);
    if (!status) status = bt_pass_order(x, &order, &n);
    if (status) return status;
    size_t count = x->graph.n_nodes;
    lowering l = {.x = x,
                  .to = x->precision == BT_PRECISION_F16 ? BERTH_HALF : BERTH_BFLOAT16,
                  .low = bt_arena_array(x->arena, bool, count + 1),
                  .narrow = bt_arena_array(x->arena, int32_t, (size_t)x->first_fact[count] + 1),
                  .wide = bt_arena_array(x->arena, int32_t, count + 1)};
    if (!l.low || !l.narrow || !l.wide) return bt_fail_memory(x->error);
    for (size_t i = 0; i < n; i++) l.low[order[i]] = can_lower(&l, order[i]);
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) ok = rewrite(&l, (int32_t)i);
    for (int i = 0; i < x->n_fetches && ok; i++) ok = widen(&l, &x->fetches[i]);
    return ok ? bt_pass_sweep(x) : bt_fail_memory(x->error);
}

berth_status bt_pass_precision(bt_pass_context *x)
{
    if (x->precision == BT_PRECISION_F32) return BERTH_OK;
    if (x->precision != BT_PRECISION_TF32) return lower_all(x);
    for (size_t i = 0; i < x->graph.n_nodes; i++)
        if (bt_pass_is_gpu(x, x->graph.nodes[i].place) && is_product(x->graph.nodes[i].op) &&
            !bt_set_bool(&x->graph, (int32_t)i, "_tf32", true))
            return bt_fail_memory(x->error);
    return BERTH_OK;
}
