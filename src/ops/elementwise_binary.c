/* Arithmetic of two operands with numpy's broadcasting. Comparisons are in compare.c, bits and truth values in
 * logical.c, sums of many tensors and biases in bias.c. */
#include <complex.h>
#include <tgmath.h>

#include "ops/elementwise.h"

#define TABLE(name, ...) static const bt_elementwise name##_op = {.n_in = 2, .of = {__VA_ARGS__}};
#define DIVIDING_TABLE(name, ...)             \
    static const bt_elementwise name##_op = { \
        .n_in = 2, .fault = "Integer division by zero", .of = {__VA_ARGS__}};
#define LOOP_CHECKED(name, T, R, expression) \
    BT_LOOP2_CHECKED(name, T, R, if (y == 0) return false, expression)

/* ---- Sums, products, extremes ------------------------------------------------------------------------- */

#define WRAPPING(name, id, operator)                   \
    BT_VEC2(name##_f32, id)                            \
    BT_LOOP2(name##_f64, double, double, x operator y) \
    BT_COMPLEX_LOOPS(BT_LOOP2, name, x operator y)     \
    BT_INT_LOOPS(BT_LOOP2, name, (uint64_t)x operator(uint64_t) y)
WRAPPING(add, BT_VEC_ADD, +)
WRAPPING(sub, BT_VEC_SUB, -)
WRAPPING(mul, BT_VEC_MUL, *)

/* Strings are joined. The result replaces y[i] last, since it may be an operand. */
static bool add_string(void *out, const void *const *in, const int64_t *step, int64_t n, const float *param)
{
    (void)param;
    bt_string *y = out;
    for (int64_t i = 0; i < n; i++) {
        const bt_string *a = (const bt_string *)in[0] + i * step[0],
                        *b = (const bt_string *)in[1] + i * step[1];
        bt_string joined = {NULL, a->n + b->n};
        if (joined.n && !(joined.p = bt_alloc(joined.n))) return false;
        if (a->n) memcpy(joined.p, a->p, a->n);
        if (b->n) memcpy(joined.p + a->n, b->p, b->n);
        bt_free(y[i].p);
        y[i] = joined;
    }
    return true;
}

const bt_elementwise bt_elementwise_add = {
    .n_in = 2, .of = {BT_OF_FLOATS(add), BT_OF_COMPLEXES(add), BT_OF_INTS(add), [BERTH_STRING] = add_string}};
TABLE(sub, BT_OF_FLOATS(sub), BT_OF_COMPLEXES(sub), BT_OF_INTS(sub))
TABLE(mul, BT_OF_FLOATS(mul), BT_OF_COMPLEXES(mul), BT_OF_INTS(mul))
static berth_status run_add(bt_call *c) { return bt_elementwise_run(c, &bt_elementwise_add, NULL); }
BT_ELEMENTWISE_RUN(sub)
BT_ELEMENTWISE_RUN(mul)

/* A NaN of either operand comes through. */
#define EXTREME(name, id, operator)                                      \
    BT_VEC2(name##_f32, id)                                              \
    BT_LOOP2(name##_f64, double, double, x != x || x operator y ? x : y) \
    BT_INT_LOOPS(BT_LOOP2, name, x operator y ? x : y)                   \
    TABLE(name, BT_OF_FLOATS(name), BT_OF_INTS(name))                    \
    BT_ELEMENTWISE_RUN(name)
EXTREME(maximum, BT_VEC_MAX, >)
EXTREME(minimum, BT_VEC_MIN, <)

/* |x - y|^2 for complex numbers: conj(d) d. */
BT_VEC2(squared_difference_f32, BT_VEC_SQUARED_DIFFERENCE)
BT_LOOP2(squared_difference_f64, double, double, (x - y) * (x - y))
BT_COMPLEX_LOOPS(BT_LOOP2, squared_difference, conj(x - y) * (x - y))
BT_SIGNED_LOOPS(BT_LOOP2, squared_difference, ((uint64_t)x - (uint64_t)y) * ((uint64_t)x - (uint64_t)y))
TABLE(squared_difference, BT_OF_FLOATS(squared_difference), BT_OF_COMPLEXES(squared_difference),
      BT_OF_SIGNED(squared_difference))
BT_ELEMENTWISE_RUN(squared_difference)

/* ---- Division ----------------------------------------------------------------------------------------- */

/* x / -1 wraps around where x / y would trap. */
#define IS_MINUS_ONE(y) ((y) < 1 && (y) + 1 == 0)
#define SIGNED_QUOTIENT(x, y) (IS_MINUS_ONE(y) ? (int64_t)(0 - (uint64_t)(x)) : (int64_t)((x) / (y)))
#define SIGNED_REST(x, y) (IS_MINUS_ONE(y) ? 0 : (int64_t)((x) % (y)))

BT_VEC2(div_f32, BT_VEC_DIV)
BT_LOOP2(div_f64, double, double, x / y)
BT_COMPLEX_LOOPS(BT_LOOP2, div, x / y)
BT_SIGNED_LOOPS(LOOP_CHECKED, div, SIGNED_QUOTIENT(x, y))
BT_UNSIGNED_LOOPS(LOOP_CHECKED, div, x / y)
DIVIDING_TABLE(div, BT_OF_FLOATS(div), BT_OF_COMPLEXES(div), BT_OF_INTS(div))
BT_ELEMENTWISE_RUN(div)

/* Half and bfloat16 round the quotient before taking its floor. */
#define ROUNDED_QUOTIENT(T, whole) T##_of(whole(of_##T(T##_of(of_##T(x) / of_##T(y)))))
#define half_of bt_float_to_half
#define of_half bt_half_to_float
#define bf16_of bt_float_to_bf16
#define of_bf16 bt_bf16_to_float
#define NARROW_DIVISION(name, whole)                                         \
    BT_LOOP2(name##_half, uint16_t, uint16_t, ROUNDED_QUOTIENT(half, whole)) \
    BT_LOOP2(name##_bf16, uint16_t, uint16_t, ROUNDED_QUOTIENT(bf16, whole))
NARROW_DIVISION(floor_div, floorf)
NARROW_DIVISION(truncate_div, truncf)

BT_FLOAT_LOOPS(BT_LOOP2, truncate_div, trunc(x / y))
DIVIDING_TABLE(truncate_div, BT_OF_FLOATS(truncate_div),
               BT_OF_INTS(div), [BERTH_HALF] = truncate_div_half, [BERTH_BFLOAT16] = truncate_div_bf16)
BT_ELEMENTWISE_RUN(truncate_div)

BT_FLOAT_LOOPS(BT_LOOP2, floor_div, floor(x / y))
BT_SIGNED_LOOPS(LOOP_CHECKED, floor_div,
                SIGNED_QUOTIENT(x, y) - (SIGNED_REST(x, y) != 0 && (x < 0) != (y < 0)))
DIVIDING_TABLE(floor_div, BT_OF_FLOATS(floor_div), BT_OF_SIGNED(floor_div),
               BT_OF_UNSIGNED(div), [BERTH_HALF] = floor_div_half, [BERTH_BFLOAT16] = floor_div_bf16)
BT_ELEMENTWISE_RUN(floor_div)

BT_FLOAT_LOOPS(BT_LOOP2, truncate_mod, fmod(x, y))
BT_SIGNED_LOOPS(LOOP_CHECKED, truncate_mod, SIGNED_REST(x, y))
BT_UNSIGNED_LOOPS(LOOP_CHECKED, truncate_mod, x % y)
DIVIDING_TABLE(truncate_mod, BT_OF_FLOATS(truncate_mod), BT_OF_INTS(truncate_mod))
BT_ELEMENTWISE_RUN(truncate_mod)

/* The rest with the divisor's sign. */
static float floor_mod_float(float x, float y)
{
    float r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static double floor_mod_double(double x, double y)
{
    double r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
BT_LOOP2(floor_mod_f32, float, float, floor_mod_float(x, y))
BT_LOOP2(floor_mod_f64, double, double, floor_mod_double(x, y))
BT_SIGNED_LOOPS(LOOP_CHECKED, floor_mod,
                SIGNED_REST(x, y) + (SIGNED_REST(x, y) != 0 && (x < 0) != (y < 0) ? y : 0))
DIVIDING_TABLE(floor_mod, BT_OF_FLOATS(floor_mod), BT_OF_SIGNED(floor_mod), BT_OF_UNSIGNED(truncate_mod))
BT_ELEMENTWISE_RUN(floor_mod)

/* ---- Floats only: zero beats NaN, powers, angles ------------------------------------------------------ */

#define OP_COMPLEX(name, expression)                       \
    BT_FLOAT_LOOPS(BT_LOOP2, name, expression)             \
    BT_COMPLEX_LOOPS(BT_LOOP2, name, expression)           \
    TABLE(name, BT_OF_FLOATS(name), BT_OF_COMPLEXES(name)) \
    BT_ELEMENTWISE_RUN(name)
OP_COMPLEX(div_no_nan, y == 0 ? 0 : x / y)
OP_COMPLEX(mul_no_nan, y == 0 ? 0 : x * y)
OP_COMPLEX(xdivy, x == 0 ? 0 : x / y)
OP_COMPLEX(xlogy, x == 0 ? 0 : x * log(y))

/* At -1 TensorFlow's quotient of infinities has no angle. */
static double complex log1p_complex(double complex z)
{
    double a = creal(z), b = cimag(z);
    return CMPLX(0.5 * log1p(a * (a + 2) + b * b), z == -1 ? NAN : atan2(b, 1 + a));
}
BT_FLOAT_LOOPS(BT_LOOP2, xlog1py, x == 0 ? 0 : x * log1p(y))
BT_COMPLEX_LOOPS(BT_LOOP2, xlog1py, x == 0 ? 0 : x * log1p_complex(y))
TABLE(xlog1py, BT_OF_FLOATS(xlog1py), BT_OF_COMPLEXES(xlog1py))
BT_ELEMENTWISE_RUN(xlog1py)

BT_FLOAT_LOOPS(BT_LOOP2, atan2, atan2(x, y))
TABLE(atan2, BT_OF_FLOATS(atan2))
BT_ELEMENTWISE_RUN(atan2)

BT_FLOAT_LOOPS(BT_LOOP2, next_after, nextafter(x, y))
TABLE(next_after, BT_OF_FLOATS(next_after))
BT_ELEMENTWISE_RUN(next_after)

/* By squaring, modulo 2^64. */
static uint64_t power(uint64_t x, uint64_t n)
{
    uint64_t y = 1;
    for (; n; n >>= 1, x *= x)
        if (n & 1) y *= x;
    return y;
}

/* Exponents 2 and 3 are what models have: squares, and the cube of GELU's polynomial. */
BT_LOOP2(pow_any_f32, float, float, pow(x, y))
BT_LOOP1(pow_2_f32, float, float, x *x)
BT_LOOP1(pow_3_f32, float, float, x *x *x)
static bool pow_f32(void *y, const void *const *in, const int64_t *step, int64_t n, const float *param)
{
    float exponent = step[1] || n == 0 ? 0 : *(const float *)in[1];
    bt_loop *loop = exponent == 2 ? pow_2_f32 : exponent == 3 ? pow_3_f32 : pow_any_f32;
    return loop(y, in, step, n, param);
}
BT_LOOP2(pow_f64, double, double, pow(x, y))
/* In double: the angle of a large power needs more digits than a float has. */
BT_COMPLEX_LOOPS(BT_LOOP2, pow, x == 0 && y == 0 ? 1 : pow((double complex)x, (double complex)y))
#define LOOP_POWER(name, T, R, expression) BT_LOOP2_CHECKED(name, T, R, if (y < 0) return false, expression)
BT_SIGNED_LOOPS(LOOP_POWER, pow, power((uint64_t)x, (uint64_t)y))
static const bt_elementwise pow_op = {.n_in = 2,
                                      .fault = "Integers to negative integer powers are not allowed",
                                      .of = {BT_OF_FLOATS(pow), BT_OF_COMPLEXES(pow), BT_OF_SIGNED(pow)}};
BT_ELEMENTWISE_RUN(pow)

/* ---- Two reals to a complex number -------------------------------------------------------------------- */

BT_LOOP2(complex_f32, float, float complex, CMPLXF(x, y))
BT_LOOP2(complex_f64, double, double complex, CMPLX(x, y))
TABLE(complex, [BERTH_FLOAT] = complex_f32, [BERTH_DOUBLE] = complex_f64)

static berth_dtype complex_of(berth_dtype part)
{
    return part == BERTH_DOUBLE ? BERTH_COMPLEX128 : BERTH_COMPLEX64;
}

static berth_status run_complex(bt_call *c)
{
    return bt_elementwise_run_as(c, &complex_op, complex_of(c->n_in > 0 ? c->in[0]->dtype : BERTH_FLOAT),
                                 NULL);
}

static berth_status infer_complex(bt_infer *x)
{
    berth_status status = bt_infer_broadcast(x);
    if (status) return status;
    x->out[0].dtype = bt_attr_type(x->node, "Tout", complex_of(x->in[0].dtype));
    return BERTH_OK;
}

/* ---- Records ------------------------------------------------------------------------------------------ */

#define ROW(op, name, types)                                                                         \
    {                                                                                                \
        op, bt_infer_broadcast, .cpu = run_##name, .flags = BT_OP_INPLACE, types, .gpu = run_##name, \
        .gpu_types = types                                                                           \
    }
#define COMPLEX_FLOATS (BT_FLOATS | BT_COMPLEXES)
#define WHOLE_AND_WIDE (BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE) | BT_T(BERTH_INT32) | BT_T(BERTH_INT64))

const bt_op bt_ops_elementwise_binary[] = {
    {"Add", bt_infer_broadcast, .cpu = run_add, .flags = BT_OP_INPLACE, BT_NUMBERS | BT_T(BERTH_STRING),
     .gpu = run_add, .gpu_types = BT_NUMBERS},
    ROW("AddV2", add, BT_NUMBERS),
    ROW("Sub", sub, BT_NUMBERS),
    ROW("Mul", mul, BT_NUMBERS),
    ROW("Maximum", maximum, BT_REALS),
    ROW("Minimum", minimum, BT_REALS),
    ROW("SquaredDifference", squared_difference, COMPLEX_FLOATS | BT_SIGNED),
    ROW("Div", div, BT_NUMBERS),
    ROW("RealDiv", div, COMPLEX_FLOATS),
    ROW("TruncateDiv", truncate_div, BT_REALS),
    ROW("FloorDiv", floor_div, BT_REALS),
    ROW("FloorMod", floor_mod, BT_REALS),
    ROW("Mod", truncate_mod, WHOLE_AND_WIDE),
    ROW("TruncateMod", truncate_mod, WHOLE_AND_WIDE),
    ROW("DivNoNan", div_no_nan, COMPLEX_FLOATS),
    ROW("MulNoNan", mul_no_nan, COMPLEX_FLOATS),
    ROW("Xdivy", xdivy, COMPLEX_FLOATS),
    ROW("Xlogy", xlogy, COMPLEX_FLOATS),
    ROW("Xlog1py", xlog1py, COMPLEX_FLOATS),
    ROW("Atan2", atan2, BT_FLOATS),
    ROW("NextAfter", next_after, BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE)),
    ROW("Pow", pow, COMPLEX_FLOATS | BT_SIGNED),
    {"Complex", infer_complex, .cpu = run_complex, .types = BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE), .gpu = run_complex,
     .gpu_types = BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE)},
    {0},
};
