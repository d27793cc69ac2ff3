/* Elementwise kernels of special functions; the lines are as in elementwise.cl. */
#include "special_functions.cl"

#define E_BesselI0 (A)bessel_i(x, 0)
#define E_BesselI1 (A)bessel_i(x, 1)
#define E_BesselI0e (A)bessel_ie(x, 0)
#define E_BesselI1e (A)bessel_ie(x, 1)
#define E_BesselJ0 (A)bessel_j(x, 0)
#define E_BesselJ1 (A)bessel_j(x, 1)
#define E_BesselK0 (A)bessel_k(x, 0)
#define E_BesselK1 (A)bessel_k(x, 1)
#define E_BesselK0e (A)bessel_ke(x, 0)
#define E_BesselK1e (A)bessel_ke(x, 1)
#define E_BesselY0 (A)bessel_y(x, 0)
#define E_BesselY1 x == 0 && sizeof(A) == 4 ? (A)M_NAN : (A)bessel_y(x, 1) /* as TensorFlow's float kernel */
#define E_Lgamma (A)LOG_GAMMA((double)x)
#define E_Digamma (A)digamma(x)
#define E_Ndtri (A)ndtri(x)
#define E_Erfinv (A)erfinv(x)
#define E_Dawsn (A)dawson(x)
#define E_Expint (A)exponential_integral(x)
#define E_FresnelCos (A)fresnel(x, 0)
#define E_FresnelSin (A)fresnel(x, 1)
#define E_Spence (A)spence(x)

#define E_Igamma (A)incomplete_gamma(x, y, 0)
#define E_Igammac (A)incomplete_gamma(x, y, 1)
#define E_Zeta (A)zeta(x, y)
#define E_Polygamma (A)polygamma(x, y)
#define E_Betainc (A)incomplete_beta(x, y, z)

#include "elementwise_kernels.cl"
