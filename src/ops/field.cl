/* Real and complex numbers under one set of names: A, and R, the type of their parts. A part of other files. */

#if IS_COMPLEX(DT)
#include "complex_functions.cl"
DEVFN R real_of(A z) { return z.re; }
DEVFN R imaginary_of(A z) { return z.im; }
#else
typedef A R;
#define of(re, im) ((A)(re))
DEVFN A conj_of(A z) { return z; }
DEVFN A add(A x, A y) { return x + y; }
DEVFN A sub(A x, A y) { return x - y; }
DEVFN A mul(A x, A y) { return x * y; }
DEVFN A over(A x, A y) { return x / y; }
DEVFN A scaled(A z, R by) { return z * by; }
DEVFN A neg(A z) { return -z; }
DEVFN R absolute(A z) { return fabs(z); }
DEVFN int is_zero(A z) { return z == 0; }
DEVFN R real_of(A z) { return z; }
DEVFN R imaginary_of(A z) { return (void)z, (R)0; }
#endif

DEVFN R square_of(A z) { return real_of(z) * real_of(z) + imaginary_of(z) * imaginary_of(z); }
DEVFN A product_of(A x, A y) { return mul(conj_of(x), y); } /* a term of <x, y> */
