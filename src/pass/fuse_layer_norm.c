/* Layer normalisation that a graph spells out becomes one `_LayerNorm` (x, gamma, beta):
 *     mean = Mean(x), variance = Mean((x - mean)^2), m = Rsqrt(variance + epsilon) [gamma], y = x m + ([beta] - mean m)
 * as tf.nn.batch_normalization over tf.nn.moments of the last axis and Keras 3's LayerNormalization write it. */
#include "pass/pattern.h"

typedef struct norm {
    bt_edge x, mean, scale; /* scale: m above */
    bt_edge gamma, beta;    /* node -1: none */
    float epsilon;
} norm;

/* The mean of e over its last axis, that axis kept. */
static bool last_axis_mean(const bt_matcher *m, bt_edge e, bt_edge *of)
{
    const bt_node *mean = bt_match(m, e, "Mean", 2);
    if (!mean || !bt_attr_bool(mean, "keep_dims", false)) return false;
    const bt_tensor *axes = bt_pass_fact(m->x, mean->inputs[1])->value;
    const bt_shape *s = &bt_pass_fact(m->x, mean->inputs[0])->shape;
    if (!axes || bt_tensor_count(axes) != 1 || s->rank < 1) return false;
    int64_t axis = bt_tensor_int(axes, 0);
    *of = mean->inputs[0];
    return axis == -1 || axis == s->rank - 1;
}

/* variance = Mean(SquaredDifference(x, mean)) or Mean(Square(x - mean)) */
static bool variance_of(const bt_matcher *m, bt_edge e, bt_edge x, bt_edge mean)
{
    bt_edge squares;
    if (!last_axis_mean(m, e, &squares)) return false;
    const bt_node *difference = bt_match(m, squares, "SquaredDifference", 2);
    if (!difference) {
        const bt_node *square = bt_match(m, squares, "Square", 1);
        difference = square ? bt_match(m, square->inputs[0], "Sub", 2) : NULL;
    }
    return difference && bt_same_edge(difference->inputs[0], x) && bt_same_edge(difference->inputs[1], mean);
}

/* A constant vector as long as the last axis. */
static bool is_parameter(const bt_matcher *m, bt_edge e, bt_edge x)
{
    const bt_fact *fact = bt_pass_fact(m->x, e);
    const bt_shape *s = &bt_pass_fact(m->x, x)->shape;
    return fact->value && fact->dtype == BERTH_FLOAT && s->rank > 0 && s->dim[s->rank - 1] > 0 &&
           bt_tensor_count(fact->value) == s->dim[s->rank - 1] && fact->shape.rank > 0 &&
           fact->shape.dim[fact->shape.rank - 1] == s->dim[s->rank - 1];
}

/* scale = Rsqrt(variance + epsilon) [gamma] */
static bool match_scale(const bt_matcher *m, bt_edge e, norm *n)
{
    n->gamma = (bt_edge){-1, 0};
    n->scale = e;
    const bt_node *mul = bt_match(m, e, "Mul", 2);
    bt_edge root = e;
    for (int side = 0; mul && side < 2; side++)
        if (is_parameter(m, mul->inputs[side], n->x))
            n->gamma = mul->inputs[side], root = mul->inputs[1 - side];
    const bt_node *rsqrt = bt_match(m, root, "Rsqrt", 1);
    const bt_node *add = rsqrt ? bt_producer(m, rsqrt->inputs[0]) : NULL;
    bt_edge variance;
    return add && bt_is_add(add) && bt_scalar_side(m, add, &n->epsilon, &variance) &&
           variance_of(m, variance, n->x, n->mean);
}

/* shift = [beta] - mean scale */
static bool match_shift(const bt_matcher *m, bt_edge e, norm *n, bt_edge *mean, bt_edge *scale)
{
    n->beta = (bt_edge){-1, 0};
    bt_edge product = e;
    const bt_node *sub = bt_match(m, e, "Sub", 2), *add = bt_producer(m, e);
    bool negated = false;
    if (sub && is_parameter(m, sub->inputs[0], n->x))
        n->beta = sub->inputs[0], product = sub->inputs[1], negated = true;
    else if (bt_is_add(add) && add->n_inputs == 2)
        for (int side = 0; side < 2; side++)
            if (is_parameter(m, add->inputs[side], n->x))
                n->beta = add->inputs[side], product = add->inputs[1 - side];
    const bt_node *mul = bt_match(m, product, "Mul", 2);
    if (!mul) return false;
    for (int side = 0; side < 2; side++) {
        const bt_node *neg = bt_match(m, mul->inputs[side], "Neg", 1);
        bt_edge of;
        bt_edge candidate = negated ? mul->inputs[side] : neg ? neg->inputs[0] : (bt_edge){-1, 0};
        if (candidate.node < 0 || !last_axis_mean(m, candidate, &of) || !bt_same_edge(of, n->x)) continue;
        *mean = candidate, *scale = mul->inputs[1 - side];
        return true;
    }
    return false;
}

/* y = x scale + shift, in either order. */
static bool match_norm(const bt_matcher *m, const bt_node *add, norm *n)
{
    if (!bt_is_add(add) || add->n_inputs != 2 || add->n_controls) return false;
    for (int side = 0; side < 2; side++) {
        const bt_node *mul = bt_match(m, add->inputs[side], "Mul", 2);
        for (int which = 0; mul && which < 2; which++) {
            bt_edge mean, scale;
            n->x = mul->inputs[which];
            if (match_shift(m, add->inputs[1 - side], n, &mean, &scale) &&
                bt_same_edge(scale, mul->inputs[1 - which])) {
                n->mean = mean;
                if (match_scale(m, scale, n)) return true;
            }
        }
    }
    return false;
}

/* A parameter that the graph leaves out: all ones or all zeros. */
static int32_t filled(bt_pass_context *x, const char *name, int64_t count, float value)
{
    bt_tensor *t = bt_arena_new(x->arena, bt_tensor);
    float *data = bt_arena_array(x->arena, float, (size_t)count);
    if (!t || !data) return -1;
    for (int64_t i = 0; i < count; i++) data[i] = value;
    *t = (bt_tensor){.dtype = BERTH_FLOAT, .shape = BT_SHAPE(count), .data = data};
    int32_t node = bt_pass_const(x, name, t);
    return node;
}

static berth_status replace(bt_matcher *m, int32_t node, norm *n)
{
    bt_pass_context *x = m->x;
    const bt_shape *s = &bt_pass_fact(x, n->x)->shape;
    int64_t width = s->dim[s->rank - 1];
    const char *name = x->graph.nodes[node].name;
    if (n->gamma.node < 0) n->gamma = (bt_edge){filled(x, name, width, 1), 0};
    if (n->beta.node < 0) n->beta = (bt_edge){filled(x, name, width, 0), 0};
    if (n->gamma.node < 0 || n->beta.node < 0 || !bt_set_float(&x->graph, node, "epsilon", n->epsilon))
        return bt_fail_memory(x->error);
    bt_edge inputs[] = {n->x, n->gamma, n->beta};
    return bt_become(m, node, "_LayerNorm", inputs, 3);
}

berth_status bt_pass_layer_norm(bt_pass_context *x)
{
    bt_matcher m;
    berth_status status = bt_matcher_init(&m, x);
    size_t count = x->graph.n_nodes;
    for (size_t i = 0; !status && i < count; i++) {
        norm n;
        const bt_fact *fact = bt_pass_fact(x, (bt_edge){(int32_t)i, 0});
        if (bt_node_outputs(&x->graph.nodes[i]) != 1 || fact->dtype != BERTH_FLOAT ||
            !match_norm(&m, &x->graph.nodes[i], &n))
            continue;
        const bt_shape *s = &bt_pass_fact(x, n.x)->shape;
        if (s->rank > 0 && s->dim[s->rank - 1] > 0) status = replace(&m, (int32_t)i, &n);
    }
    return status ? status : bt_pass_sweep(x);
}
