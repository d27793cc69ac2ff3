/* Elementwise ops of one operand: arithmetic, roots, exponentials, trigonometry, rounding, tests of floats,
 * parts of complex numbers. Activations are in activation.c, special functions in special.c. */
#include <complex.h>
#include <tgmath.h>

#include "ops/elementwise.h"
#include "ops/object.h"

#define TABLE(name, ...) static const bt_elementwise name##_op = {.n_in = 1, .of = {__VA_ARGS__}};
#define OP_FLOATS(name, expression)            \
    BT_FLOAT_LOOPS(BT_LOOP1, name, expression) \
    TABLE(name, BT_OF_FLOATS(name))            \
    BT_ELEMENTWISE_RUN(name)
#define OP_COMPLEX(name, expression, complex_expression)   \
    BT_FLOAT_LOOPS(BT_LOOP1, name, expression)             \
    BT_COMPLEX_LOOPS(BT_LOOP1, name, complex_expression)   \
    TABLE(name, BT_OF_FLOATS(name), BT_OF_COMPLEXES(name)) \
    BT_ELEMENTWISE_RUN(name)
/* The float loop is vector maths. */
#define OP_VEC(name, id, expression)                       \
    BT_VEC1(name##_f32, id)                                \
    BT_LOOP1(name##_f64, double, double, expression)       \
    BT_COMPLEX_LOOPS(BT_LOOP1, name, name##_complex(x))    \
    TABLE(name, BT_OF_FLOATS(name), BT_OF_COMPLEXES(name)) \
    BT_ELEMENTWISE_RUN(name)

/* ---- Complex formulas that libm lacks, in double ------------------------------------------------------ */

typedef double complex complex_t;

/* At -1 TensorFlow's quotient of infinities has no angle. */
static complex_t log1p_complex(complex_t z)
{
    double a = creal(z), b = cimag(z);
    return CMPLX(0.5 * log1p(a * (a + 2) + b * b), z == -1 ? NAN : atan2(b, 1 + a));
}

/* e^a cos b - 1 without cancellation. */
static complex_t expm1_complex(complex_t z)
{
    double a = creal(z), b = cimag(z), s = sin(b / 2);
    return CMPLX(expm1(a) * cos(b) - 2 * s * s, exp(a) * sin(b));
}

static complex_t sign_complex(complex_t z) { return z == 0 ? 0 : z / cabs(z); }
static complex_t exp_complex(complex_t z) { return exp(z); }
static complex_t log_complex(complex_t z) { return log(z); }
static complex_t tanh_complex(complex_t z) { return tanh(z); }
static complex_t sqrt_complex(complex_t z) { return sqrt(z); }
static complex_t rsqrt_complex(complex_t z) { return 1 / sqrt(z); }
static complex_t sigmoid_complex(complex_t z) { return 1 / (1 + exp(-z)); }

/* ---- Exponentials, roots, trigonometry ---------------------------------------------------------------- */

OP_VEC(exp, BT_VEC_EXP, exp(x))
OP_VEC(log, BT_VEC_LOG, log(x))
OP_VEC(tanh, BT_VEC_TANH, tanh(x))
OP_VEC(sigmoid, BT_VEC_SIGMOID, 1 / (1 + exp(-x)))
OP_VEC(sqrt, BT_VEC_SQRT, sqrt(x))
OP_VEC(rsqrt, BT_VEC_RSQRT, 1 / sqrt(x))
OP_COMPLEX(log1p, log1p(x), log1p_complex(x))
OP_COMPLEX(expm1, expm1(x), expm1_complex(x))
OP_COMPLEX(sin, sin(x), sin(x))
OP_COMPLEX(cos, cos(x), cos(x))
OP_COMPLEX(tan, tan(x), tan(x))
OP_COMPLEX(asin, asin(x), asin(x))
OP_COMPLEX(acos, acos(x), acos(x))
OP_COMPLEX(atan, atan(x), atan(x))
OP_COMPLEX(sinh, sinh(x), sinh(x))
OP_COMPLEX(cosh, cosh(x), cosh(x))
OP_COMPLEX(asinh, asinh(x), asinh(x))
OP_COMPLEX(acosh, acosh(x), acosh(x))
OP_COMPLEX(atanh, atanh(x), atanh(x))
OP_COMPLEX(inv, 1 / x, 1 / x)

BT_VEC1(erf_f32, BT_VEC_ERF)
/* TensorFlow's double kernel gives NaN for infinities. */
BT_LOOP1(erf_f64, double, double, isinf(x) ? (double)NAN : erf(x))
TABLE(erf, BT_OF_FLOATS(erf))
BT_ELEMENTWISE_RUN(erf)
OP_FLOATS(erfc, erfc(x))

/* ---- Constants of a shape ----------------------------------------------------------------------------- */

#define LIKE(name, value)                                                                              \
    BT_FLOAT_LOOPS(BT_LOOP1, name, value)                                                              \
    BT_COMPLEX_LOOPS(BT_LOOP1, name, value)                                                            \
    BT_INT_LOOPS(BT_LOOP1, name, value)                                                                \
    TABLE(name, BT_OF_FLOATS(name), BT_OF_COMPLEXES(name), BT_OF_INTS(name), [BERTH_BOOL] = name##_u8) \
    BT_ELEMENTWISE_RUN(name)
LIKE(ones_like, 1)
LIKE(zeros_like, 0)

/* Of strings empty ones, of a list, optional or ragged tensor one of the same form. */
static berth_status run_zeros_or_empty(bt_call *c)
{
    if (c->n_in > 0 && c->in[0]->dtype == BERTH_STRING)
        return bt_out(c, 0, BERTH_STRING, &c->in[0]->shape) ? BERTH_OK : c->error->status;
    if (c->n_in == 0 || c->in[0]->dtype != BERTH_VARIANT) return run_zeros_like(c);
    bt_tensor zeros;
    berth_status status = bt_tensor_zeros(&zeros, c->in[0], 0, c->error);
    return status ? status : bt_out_move(c, 0, &zeros);
}

/* ---- Rounding and signs ------------------------------------------------------------------------------- */

OP_FLOATS(ceil, ceil(x))
OP_FLOATS(floor, floor(x))

/* Halves go to the even neighbour. TensorFlow's kernel makes every integer 0; its Python never gives it one. */
BT_FLOAT_LOOPS(BT_LOOP1, round, rint(x))
TABLE(round, BT_OF_FLOATS(round), [BERTH_INT32] = zeros_like_i32, [BERTH_INT64] = zeros_like_i64)
BT_ELEMENTWISE_RUN(round)

BT_VEC1(abs_f32, BT_VEC_ABS)
BT_LOOP1(abs_f64, double, double, fabs(x))
BT_SIGNED_LOOPS(BT_LOOP1, abs, x < 0 ? -(uint64_t)x : (uint64_t)x)
TABLE(abs, BT_OF_FLOATS(abs), BT_OF_SIGNED(abs))
BT_ELEMENTWISE_RUN(abs)

BT_VEC1(neg_f32, BT_VEC_NEG)
BT_LOOP1(neg_f64, double, double, -x)
BT_COMPLEX_LOOPS(BT_LOOP1, neg, -x)
BT_SIGNED_LOOPS(BT_LOOP1, neg, -(uint64_t)x)
TABLE(neg, BT_OF_FLOATS(neg), BT_OF_COMPLEXES(neg), BT_OF_SIGNED(neg))
BT_ELEMENTWISE_RUN(neg)

BT_FLOAT_LOOPS(BT_LOOP1, sign, x != x ? x : (x > 0) - (x < 0))
BT_COMPLEX_LOOPS(BT_LOOP1, sign, sign_complex(x))
BT_SIGNED_LOOPS(BT_LOOP1, sign, (x > 0) - (x < 0))
TABLE(sign, BT_OF_FLOATS(sign), BT_OF_COMPLEXES(sign), BT_OF_SIGNED(sign))
BT_ELEMENTWISE_RUN(sign)

BT_VEC1(square_f32, BT_VEC_SQUARE)
BT_LOOP1(square_f64, double, double, x *x)
BT_COMPLEX_LOOPS(BT_LOOP1, square, x *x)
BT_INT_LOOPS(BT_LOOP1, square, (uint64_t)x *(uint64_t)x)
TABLE(square, BT_OF_FLOATS(square), BT_OF_COMPLEXES(square), BT_OF_INTS(square))
BT_ELEMENTWISE_RUN(square)

/* ---- Tests -------------------------------------------------------------------------------------------- */

#define TEST(name, expression)                                                                          \
    BT_LOOP1(name##_f32, float, uint8_t, expression)                                                    \
    BT_LOOP1(name##_f64, double, uint8_t, expression)                                                   \
    static const bt_elementwise name##_op = {.n_in = 1, .out = BERTH_BOOL, .of = {BT_OF_FLOATS(name)}}; \
    BT_ELEMENTWISE_RUN(name)
TEST(is_nan, isnan(x) != 0)
TEST(is_inf, isinf(x) != 0)
TEST(is_finite, isfinite(x) != 0)

/* ---- Complex numbers to real ones --------------------------------------------------------------------- */

#define PART(name, expression)                                                                \
    BT_LOOP1(name##_c64, float complex, float, expression)                                    \
    BT_LOOP1(name##_c128, double complex, double, expression)                                 \
    TABLE(name, BT_OF_COMPLEXES(name))                                                        \
    static berth_status run_##name(bt_call *c)                                                \
    {                                                                                         \
        bool wide = c->n_in > 0 && c->in[0]->dtype == BERTH_COMPLEX128;                       \
        return bt_elementwise_run_as(c, &name##_op, wide ? BERTH_DOUBLE : BERTH_FLOAT, NULL); \
    }
PART(real, creal(x))
PART(imag, cimag(x))
PART(angle, carg(x))
PART(complex_abs, cabs(x))

BT_COMPLEX_LOOPS(BT_LOOP1, conj, conj(x))
TABLE(conj, BT_OF_COMPLEXES(conj))
BT_ELEMENTWISE_RUN(conj)

/* ---- Records ------------------------------------------------------------------------------------------ */

#define ROW(op, name, types)                                                                       \
    {                                                                                              \
        op, bt_infer_same, .cpu = run_##name, .flags = BT_OP_INPLACE, types, .gpu = run_##name,    \
        .gpu_types = (types) & ~(BT_T(BERTH_STRING) | BT_T(BERTH_VARIANT))                                                 \
    }
#define TEST_ROW(op, name)                                                                         \
    {                                                                                              \
        op, bt_infer_same_bool, .cpu = run_##name, .types = BT_FLOATS, .gpu = run_##name,          \
        .gpu_types = BT_FLOATS                                                                     \
    }
#define PART_ROW(op, name)                                                                         \
    {                                                                                              \
        op, bt_infer_same_tout, .cpu = run_##name, .types = BT_COMPLEXES, .gpu = run_##name,       \
        .gpu_types = BT_COMPLEXES                                                                  \
    }
#define COMPLEX_FLOATS (BT_FLOATS | BT_COMPLEXES)

const bt_op bt_ops_elementwise_unary[] = {
    ROW("Exp", exp, COMPLEX_FLOATS),
    ROW("Log", log, COMPLEX_FLOATS),
    ROW("Tanh", tanh, COMPLEX_FLOATS),
    ROW("Sigmoid", sigmoid, COMPLEX_FLOATS),
    ROW("Sqrt", sqrt, COMPLEX_FLOATS),
    ROW("Rsqrt", rsqrt, COMPLEX_FLOATS),
    ROW("Log1p", log1p, COMPLEX_FLOATS),
    ROW("Expm1", expm1, COMPLEX_FLOATS),
    ROW("Sin", sin, COMPLEX_FLOATS),
    ROW("Cos", cos, COMPLEX_FLOATS),
    ROW("Tan", tan, COMPLEX_FLOATS),
    ROW("Asin", asin, COMPLEX_FLOATS),
    ROW("Acos", acos, COMPLEX_FLOATS),
    ROW("Atan", atan, COMPLEX_FLOATS),
    ROW("Sinh", sinh, COMPLEX_FLOATS),
    ROW("Cosh", cosh, COMPLEX_FLOATS),
    ROW("Asinh", asinh, COMPLEX_FLOATS),
    ROW("Acosh", acosh, COMPLEX_FLOATS),
    ROW("Atanh", atanh, COMPLEX_FLOATS),
    ROW("Inv", inv, COMPLEX_FLOATS),
    ROW("Reciprocal", inv, COMPLEX_FLOATS),
    ROW("Erf", erf, BT_FLOATS),
    ROW("Erfc", erfc, BT_FLOATS),
    ROW("Ceil", ceil, BT_FLOATS),
    ROW("Floor", floor, BT_FLOATS),
    ROW("Rint", round, BT_FLOATS),
    {"Round", bt_infer_same, .cpu = run_round, .flags = BT_OP_INPLACE, BT_FLOATS | BT_T(BERTH_INT32) | BT_T(BERTH_INT64),
     .gpu = run_round, .gpu_types = BT_FLOATS | BT_T(BERTH_INT32) | BT_T(BERTH_INT64)},
    ROW("Abs", abs, BT_FLOATS | BT_SIGNED),
    ROW("Neg", neg, COMPLEX_FLOATS | BT_SIGNED),
    ROW("Sign", sign, COMPLEX_FLOATS | BT_SIGNED),
    ROW("Square", square, BT_NUMBERS),
    ROW("OnesLike", ones_like, BT_NUMBERS | BT_T(BERTH_BOOL)),
    ROW("ZerosLike", zeros_or_empty, BT_NUMBERS | BT_T(BERTH_BOOL) | BT_T(BERTH_STRING) | BT_T(BERTH_VARIANT)),
    TEST_ROW("IsNan", is_nan),
    TEST_ROW("IsInf", is_inf),
    TEST_ROW("IsFinite", is_finite),
    PART_ROW("Real", real),
    PART_ROW("Imag", imag),
    PART_ROW("Angle", angle),
    PART_ROW("ComplexAbs", complex_abs),
    ROW("Conj", conj, BT_COMPLEXES),
    {0},
};
