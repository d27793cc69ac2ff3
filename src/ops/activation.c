/* Activations and the gradients that saved training graphs hold. Float goes through the vector maths. */
#include <complex.h>
#include <tgmath.h>

#include "ops/elementwise.h"

#define TABLE(name, ...) static const bt_elementwise name##_op = {.n_in = 1, .of = {__VA_ARGS__}};
#define SCALE 1.0507009873554804934193349852946 /* SELU's lambda, and lambda alpha */
#define SCALE_ALPHA 1.7580993408473768599402175208123

#define RECTIFIER(name, id, expression)               \
    BT_VEC1(name##_f32, id)                           \
    BT_LOOP1(name##_f64, double, double, expression)  \
    BT_INT_LOOPS(BT_LOOP1, name, expression)          \
    TABLE(name, BT_OF_FLOATS(name), BT_OF_INTS(name)) \
    BT_ELEMENTWISE_RUN(name)
RECTIFIER(relu, BT_VEC_RELU, x <= 0 ? 0 : x)
RECTIFIER(relu6, BT_VEC_RELU6, x <= 0 ? 0 : x > 6 ? 6 : x)

#define SMOOTH(name, id, expression)                 \
    BT_VEC1(name##_f32, id)                          \
    BT_LOOP1(name##_f64, double, double, expression) \
    TABLE(name, BT_OF_FLOATS(name))                  \
    BT_ELEMENTWISE_RUN(name)
SMOOTH(elu, BT_VEC_ELU, x < 0 ? expm1(x) : x)
SMOOTH(selu, BT_VEC_SELU, x < 0 ? SCALE_ALPHA * expm1(x) : SCALE * x)
SMOOTH(softplus, BT_VEC_SOFTPLUS, x != x ? x : fmax(x, 0) + log1p(exp(-fabs(x))))
SMOOTH(softsign, BT_VEC_SOFTSIGN, x / (1 + fabs(x)))

BT_VEC1(leaky_relu_f32, BT_VEC_LEAKY_RELU)
BT_LOOP1(leaky_relu_f64, double, double, x > 0 ? x : x * (double)*param_)
TABLE(leaky_relu, BT_OF_FLOATS(leaky_relu))

static berth_status run_leaky_relu(bt_call *c)
{
    const float param[2] = {bt_attr_float(c->node, "alpha", 0.2f), 0};
    return bt_elementwise_run(c, &leaky_relu_op, param);
}

/* ---- Gradients: in 0 and in 1 have one shape ---------------------------------------------------------- */

#define GRADIENT_TABLE(name, expression)       \
    BT_FLOAT_LOOPS(BT_LOOP2, name, expression) \
    static const bt_elementwise name##_op = {.n_in = 2, .of = {BT_OF_FLOATS(name)}};
#define GRADIENT(name, expression)   \
    GRADIENT_TABLE(name, expression) \
    static berth_status run_##name(bt_call *c) { return gradient(c, &name##_op, NULL); }

static berth_status gradient(bt_call *c, const bt_elementwise *op, const float *param)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    if (c->n_in == 2 && !bt_shape_equal(&c->in[0]->shape, &c->in[1]->shape))
        return bt_call_fail(c, "Inputs must have the same shape, not %s and %s",
                            bt_shape_text(&c->in[0]->shape, a), bt_shape_text(&c->in[1]->shape, b));
    return bt_elementwise_run(c, op, param);
}

#define RECTIFIER_GRADIENT(name, expression)                                                           \
    BT_FLOAT_LOOPS(BT_LOOP2, name, expression)                                                         \
    BT_INT_LOOPS(BT_LOOP2, name, expression)                                                           \
    static const bt_elementwise name##_op = {.n_in = 2, .of = {BT_OF_FLOATS(name), BT_OF_INTS(name)}}; \
    static berth_status run_##name(bt_call *c) { return gradient(c, &name##_op, NULL); }

/* F(what the function gave, the gradient), the former by way of `side` where it is complex. */
#define ANALYTIC_GRADIENT(name, F, side)                                                                    \
    BT_FLOAT_LOOPS(BT_LOOP2, name, F(x, y))                                                                 \
    BT_COMPLEX_LOOPS(BT_LOOP2, name, F(side(x), y))                                                         \
    static const bt_elementwise name##_op = {.n_in = 2, .of = {BT_OF_FLOATS(name), BT_OF_COMPLEXES(name)}}; \
    static berth_status run_##name(bt_call *c) { return gradient(c, &name##_op, NULL); }

/* x: the gradient, y: what the activation was given (Relu, Softplus, Softsign) or gave (Elu, Selu). */
RECTIFIER_GRADIENT(relu_grad, y > 0 ? x : 0)
RECTIFIER_GRADIENT(relu6_grad, y > 0 && y < 6 ? x : 0)
GRADIENT(elu_grad, y < 0 ? (y + 1) * x : x)
GRADIENT(selu_grad, y < 0 ? x * (y + SCALE_ALPHA) : x * SCALE)
GRADIENT(softplus_grad, x / (exp(-y) + 1))
GRADIENT(softsign_grad, x / ((1 + fabs(y)) * (1 + fabs(y))))

/* x: what the function gave, y: the gradient. Of complex results, TensorFlow conjugates those of the last three, which
 * also stay 0 where the gradient is 0, whatever the function gave. */
#define SIGMOID_GRAD(out, dy) ((dy) * (out) * (1 - (out)))
#define TANH_GRAD(out, dy) ((dy) * (1 - (out) * (out)))
#define SQRT_GRAD(out, dy) ((dy) == 0 ? 0 : (dy) / (2 * (out)))
#define RSQRT_GRAD(out, dy) ((dy) == 0 ? 0 : (dy) / -2 * (out) * (out) * (out))
#define INV_GRAD(out, dy) ((dy) == 0 ? 0 : -(dy) * (out) * (out))
ANALYTIC_GRADIENT(sigmoid_grad, SIGMOID_GRAD, )
ANALYTIC_GRADIENT(tanh_grad, TANH_GRAD, )
ANALYTIC_GRADIENT(sqrt_grad, SQRT_GRAD, conj)
ANALYTIC_GRADIENT(rsqrt_grad, RSQRT_GRAD, conj)
ANALYTIC_GRADIENT(inv_grad, INV_GRAD, conj)

GRADIENT_TABLE(leaky_relu_grad, y > 0 ? x : x * *param_)

static berth_status run_leaky_gradient(bt_call *c)
{
    const float param[2] = {bt_attr_float(c->node, "alpha", 0.2f), 0};
    return gradient(c, &leaky_relu_grad_op, param);
}

/* ---- Records ------------------------------------------------------------------------------------------ */

#define ROW(op, name, types)                                                                    \
    {                                                                                           \
        op, bt_infer_same, .cpu = run_##name, .flags = BT_OP_INPLACE, types, .gpu = run_##name, \
        .gpu_types = types                                                                      \
    }

const bt_op bt_ops_activation[] = {
    ROW("Relu", relu, BT_REALS),
    ROW("Relu6", relu6, BT_REALS),
    ROW("Elu", elu, BT_FLOATS),
    ROW("Selu", selu, BT_FLOATS),
    ROW("Softplus", softplus, BT_FLOATS),
    ROW("Softsign", softsign, BT_FLOATS),
    ROW("LeakyRelu", leaky_relu, BT_FLOATS),
    ROW("ReluGrad", relu_grad, BT_REALS),
    ROW("Relu6Grad", relu6_grad, BT_REALS),
    ROW("EluGrad", elu_grad, BT_FLOATS),
    ROW("SeluGrad", selu_grad, BT_FLOATS),
    ROW("SoftplusGrad", softplus_grad, BT_FLOATS),
    ROW("SoftsignGrad", softsign_grad, BT_FLOATS),
    ROW("LeakyReluGrad", leaky_gradient, BT_FLOATS),
    ROW("SigmoidGrad", sigmoid_grad, BT_FLOATS | BT_COMPLEXES),
    ROW("TanhGrad", tanh_grad, BT_FLOATS | BT_COMPLEXES),
    ROW("SqrtGrad", sqrt_grad, BT_FLOATS | BT_COMPLEXES),
    ROW("RsqrtGrad", rsqrt_grad, BT_FLOATS | BT_COMPLEXES),
    ROW("InvGrad", inv_grad, BT_FLOATS | BT_COMPLEXES),
    ROW("ReciprocalGrad", inv_grad, BT_FLOATS | BT_COMPLEXES),
    {0},
};
