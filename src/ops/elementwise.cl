/* Elementwise kernels. An op is one line of the tables below: its name as TensorFlow has it, and its expression in x, y, z
 * (elements, as A) and p (an attribute, "alpha" say). Complex numbers have theirs in complex.cl, special functions in
 * special.cl. Who calls: elementwise_gpu.c. */

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
#define E_Erf sizeof(A) == 8 && x - x != 0 ? M_NAN : erf(x) /* as TensorFlow's double kernel */
#define E_Erfc erfc(x)
#define E_Ceil ceil(x)
#define E_Floor floor(x)
#define E_Rint rint(x)
#define E_Abs x < 0 ? -x : x == 0 ? 0 : x
#define E_Neg -x
#define E_Sign x > 0 ? 1 : x < 0 ? -1 : x
#define E_OnesLike 1
#define E_ZerosLike 0
#define E_IsNan x != x
#define E_IsInf x == M_INF || x == -M_INF
#define E_IsFinite x - x == 0
#define E_LogicalNot !x
#define E_ToBool x != 0
#define E_Invert ~x
#define E_PopulationCount ones_of((U64)x << (64 - 8 * sizeof(A)))

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

#define E_Maximum x != x || x > y ? x : y
#define E_Minimum x != x || x < y ? x : y
#define E_Xdivy x == 0 ? 0 : x / y
#define E_Xlogy x == 0 ? 0 : x * log(y)
#define E_Xlog1py x == 0 ? 0 : x * log1p(y)
#define E_Atan2 atan2(x, y)
#define E_NextAfter nextafter(x, y)
#define E_DivNoNan y == 0 ? 0 : x / y
#define E_MulNoNan y == 0 ? 0 : x * y
#define E_Less x < y
#define E_LessEqual x <= y
#define E_Greater x > y
#define E_GreaterEqual x >= y
#define E_Equal x == y
#define E_NotEqual x != y
#define E_ApproximateEqual fabs(x - y) <= p
#define E_LogicalAnd x && y
#define E_LogicalOr x || y
#define E_BitwiseAnd x & y
#define E_BitwiseOr x | y
#define E_BitwiseXor x ^ y
/* A shift is brought into [0, bits of the type). */
#define E_LeftShift (U64)x << SHIFT(y)
#define E_RightShift x >> SHIFT(y)
#define SHIFT(y) ((y) < 1 ? 0 : (U64)(y) < 8 * sizeof(A) ? (int)(y) : (int)(8 * sizeof(A) - 1))
#define E_Complex JOIN(complex_, DT1)(x, y)

/* Integers wrap around; x / -1 does so where it would trap. CHECK_: the op fails there. */
#if IS_INT(DT)
#define E_Add (U64)x + (U64)y
#define E_Sub (U64)x - (U64)y
#define E_Mul (U64)x * (U64)y
#define E_Square (U64)x * (U64)x
#define E_SquaredDifference ((U64)x - (U64)y) * ((U64)x - (U64)y)
#define E_Round 0 /* as TensorFlow's kernel */
#define E_Div QUOTIENT
#define E_TruncateDiv QUOTIENT
#define E_FloorDiv QUOTIENT - (REST != 0 && (x < 0) != (y < 0))
#define E_Mod REST
#define E_TruncateMod REST
#define E_FloorMod REST + (REST != 0 && (x < 0) != (y < 0) ? y : 0)
#define E_Pow power_of((U64)x, (U64)y)
#define QUOTIENT (IS_MINUS_ONE(y) ? (A)(0 - (U64)x) : (A)(x / y))
#define REST (IS_MINUS_ONE(y) ? 0 : x % y)
#define IS_MINUS_ONE(y) ((y) < 1 && (y) + 1 == 0)
#define CHECK_Div y == 0
#define CHECK_TruncateDiv y == 0
#define CHECK_FloorDiv y == 0
#define CHECK_Mod y == 0
#define CHECK_TruncateMod y == 0
#define CHECK_FloorMod y == 0
#define CHECK_Pow y < 0
#else
#define E_Add x + y
#define E_Sub x - y
#define E_Mul x * y
#define E_Square x * x
#define E_SquaredDifference (x - y) * (x - y)
#define E_Round rint(x)
#define E_Div x / y
/* Half and bfloat16 round the quotient first. */
#define E_TruncateDiv trunc(ROUND(x / y))
#define E_FloorDiv floor(ROUND(x / y))
#define E_Mod fmod(x, y)
#define E_TruncateMod fmod(x, y)
/* The rest with the divisor's sign. */
#define E_FloorMod fmod(x, y) != 0 && (fmod(x, y) < 0) != (y < 0) ? fmod(x, y) + y : fmod(x, y)
#define E_Pow pow(x, y)
#endif
#define E_AddV2 E_Add
#define E_BiasAdd E_Add
#define E_BiasAddV1 E_Add
#define E_RealDiv E_Div
#define E_AddN E_Add
#define E_AccumulateNV2 E_Add

#define E_ReluGrad y > 0 ? x : 0
#define E_Relu6Grad y > 0 && y < 6 ? x : 0
#define E_LeakyReluGrad y > 0 ? x : x * p
#define E_EluGrad y < 0 ? (y + 1) * x : x
#define E_SeluGrad y < 0 ? x * (y + (A)1.7580993408473768599) : x * (A)1.0507009873554804934
#define E_SoftplusGrad x / (exp(-y) + 1)
#define E_SoftsignGrad x / ((1 + fabs(y)) * (1 + fabs(y)))
#define E_SigmoidGrad y * x * (1 - x)
#define E_TanhGrad y * (1 - x * x)
#define E_SqrtGrad y == 0 ? 0 : y / (2 * x)
#define E_RsqrtGrad y == 0 ? 0 : y / -2 * x * x * x
#define E_InvGrad y == 0 ? 0 : -y * x * x
#define E_ReciprocalGrad E_InvGrad

/* ---- Three operands ----------------------------------------------------------------------------------- */

/* A NaN stays, since no comparison with it holds. */
#define E_ClipByValue (x > z ? z : x) < y ? y : x > z ? z : x

/* ---- Helps of the expressions -------------------------------------------------------------------------- */

DEVFN int ones_of(U64 bits)
{
    int n = 0;
    for (; bits; bits &= bits - 1) n++;
    return n;
}

/* By squaring, modulo 2^64. */
DEVFN U64 power_of(U64 x, U64 n)
{
    U64 y = 1;
    for (; n; n >>= 1, x *= x)
        if (n & 1) y *= x;
    return y;
}

#include "elementwise_kernels.cl"

/* ---- Select: T has the elements' size ----------------------------------------------------------------- */

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
