/* Activations that a graph spells out become one op: swish, hard swish, hard sigmoid, gelu (by erf or by tanh). */
#include "pass/pattern.h"

/* Whether e is relu6(x + 3), and of what x. */
static bool relu6_plus_3(const bt_matcher *m, bt_edge e, bt_edge *x)
{
    float three;
    const bt_node *relu6 = bt_match(m, e, "Relu6", 1);
    if (!relu6) return false;
    const bt_node *add = bt_producer(m, relu6->inputs[0]);
    return bt_is_add(add) && bt_scalar_side(m, add, &three, x) && bt_near(three, 3);
}

/* relu6(x + 3) / 6 or relu6(x + 3) * (1/6) */
static bool hard_sigmoid(const bt_matcher *m, const bt_node *node, bt_edge *x)
{
    float factor;
    bt_edge inner;
    if (bt_is_op(node, "RealDiv") && node->n_inputs == 2)
        return bt_scalar_value(m, node->inputs[1], &factor) && bt_near(factor, 6) &&
               relu6_plus_3(m, node->inputs[0], x);
    return bt_is_op(node, "Mul") && bt_scalar_side(m, node, &factor, &inner) && bt_near(factor, 1.0 / 6) &&
           relu6_plus_3(m, inner, x);
}

/* x hard_sigmoid(x), in either bracketing. */
static bool hard_swish(const bt_matcher *m, const bt_node *node, bt_edge *x)
{
    float factor;
    bt_edge inner;
    bt_edge product = {-1, 0};
    bool sixth =
        bt_is_op(node, "Mul") && bt_scalar_side(m, node, &factor, &inner) && bt_near(factor, 1.0 / 6);
    if (sixth) product = inner;
    if (bt_is_op(node, "RealDiv") && bt_scalar_value(m, node->inputs[1], &factor) && bt_near(factor, 6))
        product = node->inputs[0];
    if (product.node >= 0) {
        const bt_node *mul = bt_match(m, product, "Mul", 2);
        for (int side = 0; mul && side < 2; side++)
            if (relu6_plus_3(m, mul->inputs[side], x) && bt_same_edge(*x, mul->inputs[1 - side])) return true;
    }
    for (int side = 0; bt_is_op(node, "Mul") && node->n_inputs == 2 && side < 2; side++)
        if (node->inputs[side].slot == 0 && hard_sigmoid(m, bt_producer(m, node->inputs[side]), x) &&
            bt_same_edge(*x, node->inputs[1 - side]))
            return true;
    return false;
}

static bool swish(const bt_matcher *m, const bt_node *node, bt_edge *x)
{
    for (int side = 0; bt_is_op(node, "Mul") && node->n_inputs == 2 && side < 2; side++) {
        const bt_node *sigmoid = bt_match(m, node->inputs[side], "Sigmoid", 1);
        if (sigmoid && bt_same_edge(sigmoid->inputs[0], node->inputs[1 - side]))
            return *x = sigmoid->inputs[0], true;
    }
    return false;
}

/* x / sqrt 2 or x * (1 / sqrt 2) */
static bool over_root_2(const bt_matcher *m, bt_edge e, bt_edge *x)
{
    float factor;
    const bt_node *node = bt_producer(m, e);
    if (bt_is_op(node, "RealDiv") && bt_scalar_value(m, node->inputs[1], &factor) &&
        bt_near(factor, 1.4142135623730951))
        return *x = node->inputs[0], true;
    return bt_is_op(node, "Mul") && bt_scalar_side(m, node, &factor, x) &&
           bt_near(factor, 0.7071067811865476);
}

/* erf(x / sqrt 2) */
static bool gelu_erf(const bt_matcher *m, bt_edge e, bt_edge *x)
{
    const bt_node *erf = bt_match(m, e, "Erf", 1);
    return erf && over_root_2(m, erf->inputs[0], x);
}

/* x + 0.044715 x^3 */
static bool cubic(const bt_matcher *m, bt_edge e, bt_edge *x)
{
    const bt_node *add = bt_producer(m, e);
    if (!bt_is_add(add) || add->n_inputs != 2) return false;
    for (int side = 0; side < 2; side++) {
        float factor;
        bt_edge cube;
        const bt_node *mul = bt_match(m, add->inputs[side], "Mul", 2);
        if (!mul || !bt_scalar_side(m, mul, &factor, &cube) || !bt_near(factor, 0.044715)) continue;
        const bt_node *pow = bt_match(m, cube, "Pow", 2);
        *x = add->inputs[1 - side];
        if (pow && bt_scalar_value(m, pow->inputs[1], &factor) && factor == 3 &&
            bt_same_edge(pow->inputs[0], *x))
            return true;
    }
    return false;
}

/* tanh(sqrt(2 / pi) (x + 0.044715 x^3)) */
static bool gelu_tanh(const bt_matcher *m, bt_edge e, bt_edge *x)
{
    float factor;
    bt_edge inner;
    const bt_node *tanh = bt_match(m, e, "Tanh", 1);
    const bt_node *mul = tanh ? bt_match(m, tanh->inputs[0], "Mul", 2) : NULL;
    return mul && bt_scalar_side(m, mul, &factor, &inner) && bt_near(factor, 0.7978845608028654) &&
           cubic(m, inner, x);
}

/* 1 + f(x), f one of the two; tells which. */
static const char *one_plus(const bt_matcher *m, bt_edge e, bt_edge *x)
{
    float one;
    bt_edge inner;
    const bt_node *add = bt_producer(m, e);
    if (!bt_is_add(add) || !bt_scalar_side(m, add, &one, &inner) || one != 1) return NULL;
    return gelu_erf(m, inner, x) ? "_Gelu" : gelu_tanh(m, inner, x) ? "_GeluTanh" : NULL;
}

/* Whether e is x / 2, with x given. */
static bool is_half_of(const bt_matcher *m, bt_edge e, bt_edge x)
{
    float half;
    bt_edge other;
    const bt_node *mul = bt_match(m, e, "Mul", 2);
    return mul && bt_scalar_side(m, mul, &half, &other) && half == 0.5f && bt_same_edge(other, x);
}

/* x/2 (1 + f(x)), bracketed as (x/2)(...), x(1/2 ...) or 1/2 (x ...). */
static const char *gelu(const bt_matcher *m, const bt_node *node, bt_edge *x)
{
    float half;
    bt_edge inner;
    if (!bt_is_op(node, "Mul") || node->n_inputs != 2) return NULL;
    for (int side = 0; side < 2; side++) {
        const char *op = one_plus(m, node->inputs[side], x);
        if (op && is_half_of(m, node->inputs[1 - side], *x)) return op;
        const bt_node *scaled = bt_match(m, node->inputs[side], "Mul", 2);
        if (!scaled || !bt_scalar_side(m, scaled, &half, &inner) || half != 0.5f) continue;
        op = one_plus(m, inner, x);
        if (op && bt_same_edge(*x, node->inputs[1 - side])) return op;
    }
    if (!bt_scalar_side(m, node, &half, &inner) || half != 0.5f) return NULL;
    const bt_node *product = bt_match(m, inner, "Mul", 2);
    for (int side = 0; product && side < 2; side++) {
        const char *op = one_plus(m, product->inputs[side], x);
        if (op && bt_same_edge(*x, product->inputs[1 - side])) return op;
    }
    return NULL;
}

static const char *activation(const bt_matcher *m, const bt_node *node, bt_edge *x)
{
    if (hard_swish(m, node, x)) return "_HardSwish";
    if (hard_sigmoid(m, node, x)) return "_HardSigmoid";
    if (swish(m, node, x)) return "_Swish";
    return gelu(m, node, x);
}

/* Consumers first, so that hard swish is seen before the hard sigmoid inside it. */
berth_status bt_pass_activations(bt_pass_context *x)
{
    bt_matcher m;
    berth_status status = bt_matcher_init(&m, x);
    int32_t *order;
    size_t n;
    if (!status) status = bt_pass_order(x, &order, &n);
    for (size_t i = status ? 0 : n; !status && i-- > 0;) {
        const bt_node *node = &x->graph.nodes[order[i]];
        if ((!bt_is_op(node, "Mul") && !bt_is_op(node, "RealDiv")) || node->n_inputs != 2) continue;
        if (bt_pass_fact(x, (bt_edge){order[i], 0})->dtype != BERTH_FLOAT) continue;
        bt_edge of;
        const char *op = activation(&m, node, &of);
        if (op) status = bt_become(&m, order[i], op, &of, 1);
    }
    return status ? status : bt_pass_sweep(x);
}
