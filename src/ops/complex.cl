/* Elementwise kernels of complex numbers; the lines are as in elementwise.cl. */
#include "complex_functions.cl"

#define E_Exp exp_of(x)
#define E_Log log_of(x)
#define E_Log1p log1p_op(x)
#define E_Expm1 expm1_of(x)
#define E_Sqrt sqrt_of(x)
#define E_Rsqrt inverse(sqrt_of(x))
#define E_Sigmoid inverse(add(of(1, 0), exp_of(neg(x))))
#define E_Sinh sinh_of(x)
#define E_Cosh cosh_of(x)
#define E_Tanh tanh_of(x)
#define E_Sin turned(sinh_of(times_i(x)))
#define E_Cos cosh_of(times_i(x))
#define E_Tan turned(tanh_of(times_i(x)))
#define E_Asinh asinh_of(x)
#define E_Acosh acosh_of(x)
#define E_Atanh atanh_of(x)
#define E_Asin turned(asinh_of(times_i(x)))
#define E_Acos sub(of((R)1.57079632679489661923, 0), turned(asinh_of(times_i(x))))
#define E_Atan turned(atanh_of(times_i(x)))
#define E_Inv inverse(x)
#define E_Reciprocal inverse(x)
#define E_Neg neg(x)
#define E_Sign is_zero(x) ? x : scaled(x, 1 / absolute(x))
#define E_Square mul(x, x)
#define E_Conj conj_of(x)
#define E_OnesLike of(1, 0)
#define E_ZerosLike of(0, 0)
#define E_Real x.re
#define E_Imag x.im
#define E_Angle atan2(x.im, x.re)
#define E_ComplexAbs absolute(x)

#define E_Add add(x, y)
#define E_AddV2 E_Add
#define E_AddN E_Add
#define E_AccumulateNV2 E_Add
#define E_BiasAdd E_Add
#define E_BiasAddV1 E_Add
#define E_Sub sub(x, y)
#define E_Mul mul(x, y)
#define E_Div over(x, y)
#define E_RealDiv over(x, y)
#define E_SquaredDifference mul(conj_of(sub(x, y)), sub(x, y))
#define E_DivNoNan is_zero(y) ? y : over(x, y)
#define E_MulNoNan is_zero(y) ? y : mul(x, y)
#define E_Xdivy is_zero(x) ? x : over(x, y)
#define E_Xlogy is_zero(x) ? x : mul(x, log_of(y))
#define E_Xlog1py is_zero(x) ? x : mul(x, log1p_op(y))
#define E_Pow power(x, y)
/* x: what the function gave, y: the gradient; TensorFlow conjugates the results of the last three,
 * which are 0 where the gradient is. */
#define E_SigmoidGrad mul(mul(y, x), sub(of(1, 0), x))
#define E_TanhGrad mul(y, sub(of(1, 0), mul(x, x)))
#define E_SqrtGrad is_zero(y) ? of(0, 0) : over(y, scaled(conj_of(x), 2))
#define E_RsqrtGrad is_zero(y) ? of(0, 0) : scaled(mul(y, cube(conj_of(x))), (R)-0.5)
#define E_InvGrad is_zero(y) ? of(0, 0) : neg(mul(y, mul(conj_of(x), conj_of(x))))
#define E_ReciprocalGrad E_InvGrad

/* Real and imaginary parts each for themselves. */
#define E_ClipByValue of(CLIP(x.re, y.re, z.re), CLIP(x.im, y.im, z.im))
#define CLIP(x, y, z) (((x) > (z) ? (z) : (x)) < (y) ? (y) : (x) > (z) ? (z) : (x))

#define E_Equal same(x, y)
#define E_NotEqual !same(x, y)

#include "elementwise_kernels.cl"
