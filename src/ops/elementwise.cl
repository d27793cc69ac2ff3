/* Elementwise kernels. An op is one line of the table below: its name as TensorFlow has it, and its expression in x, y, z
 * (elements, as A) and p (the attribute "alpha"). Who calls: elementwise_gpu.c. */

/* 1 / sqrt(x), which two roundings leave up to an ulp off, bettered by the rest 1 - x r^2, where p + low is x r. */
#define NEAR_RSQRT(name, type)                                                                                       \
    DEVFN type name(type x)                                                                                          \
    {                                                                                                                \
        const type r = 1 / sqrt(x), p = x * r, low = fma(x, r, -p), rest = fma(-low, r, fma(-p, r, (type)1));        \
        return r > 0 && r < M_INF ? fma(r * (type)0.5, rest, r) : r;                                                 \
    }
NEAR_RSQRT(rsqrt_f32, float)
#ifdef HAS_F64
NEAR_RSQRT(rsqrt_f64, double)
#endif
#define rsqrt_f16 rsqrt_f32
#define rsqrt_bf16 rsqrt_f32

/* ---- One operand -------------------------------------------------------------------------------------- */

#define E_Exp exp(x)
#define E_Log log(x)
#define E_Tanh tanh(x)
#define E_Sigmoid 1 / (1 + exp(-x))
#define E_Sqrt sqrt(x)
#define E_Rsqrt JOIN(rsqrt_, DT)(x)
#define E_Log1p log1p(x)
#define E_Expm1 expm1(x)
#define E_Sin sin(x)
#define E_Cos cos(x)
#define E_Tan tan(x)
#define E_Asin asin(x)
#define E_Acos acos(x)
#define E_Atan atan(x)
#define E_Sinh sinh(x)
#define E_Cosh cosh(x)
#define E_Asinh asinh(x)
#define E_Acosh acosh(x)
#define E_Atanh atanh(x)
#define E_Inv 1 / x
#define E_Reciprocal 1 / x
#define E_Erf erf(x)
#define E_Erfc erfc(x)
#define E_Ceil ceil(x)
#define E_Floor floor(x)
#define E_Rint rint(x)
#define E_Round rint(x)
#define E_Abs x < 0 ? -x : x == 0 ? 0 : x
#define E_Neg -x
#define E_Sign x > 0 ? 1 : x < 0 ? -1 : x
#define E_Square x * x
#define E_OnesLike 1
#define E_ZerosLike 0
#define E_IsNan x != x
#define E_IsInf x == M_INF || x == -M_INF
#define E_IsFinite x - x == 0
#define E_LogicalNot !x
#define E_Invert ~x

#define E_Relu x <= 0 ? 0 : x
#define E_Relu6 x <= 0 ? 0 : x > 6 ? 6 : x
#define E_LeakyRelu x > 0 ? x : x * p
#define E_Elu x < 0 ? expm1(x) : x
#define E_Selu x < 0 ? (A)1.7580993408473768599 * expm1(x) : (A)1.0507009873554804934 * x
#define E_Softplus x != x ? x : (x > 0 ? x : 0) + log1p(exp(-fabs(x)))
#define E_Softsign x / (1 + fabs(x))
#define E__Swish x / (1 + exp(-x))
#define E__HardSigmoid HARD_SIGMOID
#define E__HardSwish x * HARD_SIGMOID
#define E__Gelu x * (A)0.5 * (1 + erf(x * (A)0.70710678118654752440))
#define E__GeluTanh x * (A)0.5 * (1 + tanh((A)0.79788456080286535588 * (x + (A)0.044715 * x * x * x)))
#define HARD_SIGMOID (x + 3 <= 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6

/* ---- Two operands ------------------------------------------------------------------------------------- */

#define E_Add x + y
#define E_AddV2 x + y
#define E_BiasAdd x + y
#define E_BiasAddV1 x + y
#define E_Sub x - y
#define E_Mul x * y
#define E_Maximum x != x || x > y ? x : y
#define E_Minimum x != x || x < y ? x : y
#define E_SquaredDifference (x - y) * (x - y)
#define E_Div x / y
#define E_RealDiv x / y
/* Half and bfloat16 round the quotient first. */
#define E_TruncateDiv trunc(ROUND(x / y))
#define E_FloorDiv floor(ROUND(x / y))
#define E_Mod fmod(x, y)
#define E_TruncateMod fmod(x, y)
/* The rest with the divisor's sign. */
#define E_FloorMod fmod(x, y) != 0 && (fmod(x, y) < 0) != (y < 0) ? fmod(x, y) + y : fmod(x, y)
#define E_DivNoNan y == 0 ? 0 : x / y
#define E_MulNoNan y == 0 ? 0 : x * y
#define E_Xdivy x == 0 ? 0 : x / y
#define E_Xlogy x == 0 ? 0 : x * log(y)
#define E_Xlog1py x == 0 ? 0 : x * log1p(y)
#define E_Atan2 atan2(x, y)
#define E_Pow pow(x, y)
#define E_Less x < y
#define E_LessEqual x <= y
#define E_Greater x > y
#define E_GreaterEqual x >= y
#define E_Equal x == y
#define E_NotEqual x != y
#define E_LogicalAnd x && y
#define E_LogicalOr x || y
#define E_BitwiseAnd x & y
#define E_BitwiseOr x | y
#define E_BitwiseXor x ^ y

#define E_ReluGrad y > 0 ? x : 0
#define E_Relu6Grad y > 0 && y < 6 ? x : 0
#define E_LeakyReluGrad y > 0 ? x : x * p
#define E_EluGrad y < 0 ? (y + 1) * x : x
#define E_SeluGrad y < 0 ? x * (y + (A)1.7580993408473768599) : x * (A)1.0507009873554804934
#define E_SoftplusGrad x / (exp(-y) + 1)
#define E_SoftsignGrad x / ((1 + fabs(y)) * (1 + fabs(y)))
#define E_SigmoidGrad y * x * (1 - x)
#define E_TanhGrad y * (1 - x * x)
#define E_SqrtGrad y / (2 * x)
#define E_RsqrtGrad y / -2 * x * x * x
#define E_InvGrad -y * x * x
#define E_ReciprocalGrad -y * x * x

/* ---- Three operands ----------------------------------------------------------------------------------- */

/* A NaN stays, since no comparison with it holds. */
#define E_ClipByValue (x > z ? z : x) < y ? y : x > z ? z : x

/* ---- Kernels ------------------------------------------------------------------------------------------ */

/* Compiled for one op, OP, of OPERANDS operands. */
#define EXPRESSION_OF_(op) (E_##op)
#define EXPRESSION_OF(op) EXPRESSION_OF_(op)
#define EXPRESSION EXPRESSION_OF(OP)

#if OPERANDS == 1
KERNEL void unary(GLOBAL const T *a, GLOBAL T1 *out, I64 n, float alpha)
{
    const A p = (A)alpha;
    EACH(0, i, n)
    {
        const A x = LOAD(a, i);
        STORE1(out, i, EXPRESSION);
    }
}
#endif

/* Operands over an output of `rows` rows of `inner` elements: how far each goes per step of each dimension but the last
 * (dim; unused ones are 1), and of the last (0 or 1). */
typedef struct rows3 {
    I64 rows, inner, dim[8], step[3][8], inner_step[3];
} rows3;

#define ROW_OFFSET(at, k, by, row)                                   \
    I64 at = 0;                                                      \
    for (I64 rest_ = row, i_ = 0; rest_ > 0; i_++) {                 \
        at += rest_ % by.dim[i_] * by.step[k][i_];                   \
        rest_ /= by.dim[i_];                                         \
    }

#if OPERANDS == 2
KERNEL void binary(GLOBAL const T *a, GLOBAL const T *b, GLOBAL T1 *out, rows3 by, float alpha)
{
    const A p = (A)alpha;
    EACH(1, row, by.rows)
    {
        ROW_OFFSET(at_a, 0, by, row)
        ROW_OFFSET(at_b, 1, by, row)
        GLOBAL T1 *to = out + row * by.inner;
        if (by.inner_step[0] && by.inner_step[1]) {
            EACH(0, i, by.inner)
            {
                const A x = LOAD(a, at_a + i), y = LOAD(b, at_b + i);
                STORE1(to, i, EXPRESSION);
            }
        } else if (by.inner_step[0]) {
            const A y = LOAD(b, at_b);
            EACH(0, i, by.inner)
            {
                const A x = LOAD(a, at_a + i);
                STORE1(to, i, EXPRESSION);
            }
        } else {
            const A x = LOAD(a, at_a);
            EACH(0, i, by.inner)
            {
                const A y = LOAD(b, at_b + i * by.inner_step[1]);
                STORE1(to, i, EXPRESSION);
            }
        }
    }
}
#elif OPERANDS == 3
KERNEL void ternary(GLOBAL const T *a, GLOBAL const T *b, GLOBAL const T *c, GLOBAL T1 *out, rows3 by, float alpha)
{
    EACH(1, row, by.rows)
    {
        ROW_OFFSET(at_a, 0, by, row)
        ROW_OFFSET(at_b, 1, by, row)
        ROW_OFFSET(at_c, 2, by, row)
        EACH(0, i, by.inner)
        {
            const A x = LOAD(a, at_a + i * by.inner_step[0]), y = LOAD(b, at_b + i * by.inner_step[1]),
                    z = LOAD(c, at_c + i * by.inner_step[2]);
            STORE1(out, row * by.inner + i, EXPRESSION);
        }
    }
}
#endif

/* ---- Select: T is an unsigned integer of the elements' size ------------------------------------------- */

KERNEL void choose(GLOBAL const U8 *condition, GLOBAL const T *a, GLOBAL const T *b, GLOBAL T *out, rows3 by)
{
    EACH(1, row, by.rows)
    {
        ROW_OFFSET(at_c, 0, by, row)
        ROW_OFFSET(at_a, 1, by, row)
        ROW_OFFSET(at_b, 2, by, row)
        EACH(0, i, by.inner)
        {
            const T x = a[at_a + i * by.inner_step[1]], y = b[at_b + i * by.inner_step[2]];
            out[row * by.inner + i] = condition[at_c + i * by.inner_step[0]] ? x : y;
        }
    }
}
