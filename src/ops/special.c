/* Special functions of one operand: Bessel, gamma, error function's inverse, exponential and Fresnel integrals,
 * dilogarithm. The functions themselves stand in special_functions.cl, which devices compile too; all are computed in
 * double, and none is on a model's hot path. Those of several operands are in special_many.c. */
#include "device/dialect.cl"
#include "ops/special_functions.cl"

#include "ops/elementwise.h"
#include "ops/gpu.h"

BT_CL_DECLARE(special);

#define SPECIAL(name, expression)                                                                           \
    BT_LOOP1(name##_f32, float, float, expression)                                                          \
    BT_LOOP1(name##_f64, double, double, expression)                                                        \
    static const bt_elementwise name##_op = {.n_in = 1, .gpu = BT_CL(special), .of = {BT_OF_FLOATS(name)}}; \
    BT_ELEMENTWISE_RUN(name)
SPECIAL(i0, bessel_i(x, 0))
SPECIAL(i1, bessel_i(x, 1))
SPECIAL(i0e, bessel_ie(x, 0))
SPECIAL(i1e, bessel_ie(x, 1))
SPECIAL(j0, bessel_j(x, 0))
SPECIAL(j1, bessel_j(x, 1))
SPECIAL(k0, bessel_k(x, 0))
SPECIAL(k1, bessel_k(x, 1))
SPECIAL(k0e, bessel_ke(x, 0))
SPECIAL(k1e, bessel_ke(x, 1))
SPECIAL(y0, bessel_y(x, 0))
SPECIAL(y1, x == 0 && sizeof x == 4 ? (float)NAN : bessel_y(x, 1)) /* as TensorFlow's float kernel */
SPECIAL(lgamma, LOG_GAMMA((double)x))
SPECIAL(digamma, digamma(x))
SPECIAL(ndtri, ndtri(x))
SPECIAL(erfinv, erfinv(x))
SPECIAL(dawson, dawson(x))
SPECIAL(expint, exponential_integral(x))
SPECIAL(fresnel_cos, fresnel(x, 0))
SPECIAL(fresnel_sin, fresnel(x, 1))
SPECIAL(spence, spence(x))

#define ROW(op, name, types)                                                                    \
    {                                                                                           \
        op, bt_infer_same, .cpu = run_##name, .flags = BT_OP_INPLACE, types, .gpu = run_##name, \
                           .gpu_types = types                                                   \
    }
#define WIDE (BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE))
#define WITH_HALF (WIDE | BT_T(BERTH_HALF))

const bt_op bt_ops_special[] = {
    ROW("BesselI0", i0, WITH_HALF),
    ROW("BesselI1", i1, WITH_HALF),
    ROW("BesselI0e", i0e, WITH_HALF),
    ROW("BesselI1e", i1e, WITH_HALF),
    ROW("BesselJ0", j0, WITH_HALF),
    ROW("BesselJ1", j1, WITH_HALF),
    ROW("BesselK0", k0, WITH_HALF),
    ROW("BesselK1", k1, WITH_HALF),
    ROW("BesselK0e", k0e, WITH_HALF),
    ROW("BesselK1e", k1e, WITH_HALF),
    ROW("BesselY0", y0, WITH_HALF),
    ROW("BesselY1", y1, WITH_HALF),
    ROW("Lgamma", lgamma, WITH_HALF),
    ROW("Digamma", digamma, WITH_HALF),
    ROW("Ndtri", ndtri, WIDE),
    ROW("Erfinv", erfinv, WIDE),
    ROW("Dawsn", dawson, WIDE),
    ROW("Expint", expint, WIDE),
    ROW("FresnelCos", fresnel_cos, WIDE),
    ROW("FresnelSin", fresnel_sin, WIDE),
    ROW("Spence", spence, WIDE),
    {0},
};
