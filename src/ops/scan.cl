/* Running sums, products and log-sum-exps, of columns of [outer, n, inner]: a group takes a column, an item a stretch of it. OP
 * is the op. Who calls: scan.c. */

#define MOST_ITEMS 256

#if IS_COMPLEX(DT)
#include "complex_functions.cl"
#define START_Cumsum of(0, 0)
#define START_Cumprod of(1, 0)
#define C_Cumsum add(a, x)
#define C_Cumprod mul(a, x)
#else
#define START_Cumsum 0
#define START_Cumprod 1
#if IS_INT(DT) /* wraps around */
#define C_Cumsum (A)((U64)a + (U64)x)
#define C_Cumprod (A)((U64)a * (U64)x)
#else
#define C_Cumsum a + x
#define C_Cumprod a * x
#define START_CumulativeLogsumexp -M_INF
#define C_CumulativeLogsumexp log_add(a, x)
DEVFN A log_add(A a, A b)
{
    const A top = a > b ? a : b, low = a > b ? b : a;
    if (a != a || b != b) return M_NAN;
    return top == M_INF || low == -M_INF ? top : top + log1p(exp(low - top));
}
#endif
#endif
#define NAMED_(kind, op) (kind##op)
#define NAMED(kind, op) NAMED_(kind, op)
#define COMBINE ROUND(NAMED(C_, OP)) /* half and bfloat16 are rounded at every step */

typedef struct scan {
    I64 columns, n, inner, exclusive, reverse;
} scan;

KERNEL void scan_columns(GLOBAL const T *in, GLOBAL T *out, scan by)
{
    LOCAL A part[MOST_ITEMS];
    const I64 first = by.n * LID(0) / LSZ(0), end = by.n * (LID(0) + 1) / LSZ(0);
    for (I64 column = WGID(0); column < by.columns; column += NWG(0)) {
        const I64 base = column / by.inner * by.n * by.inner + column % by.inner;
        const I64 start = by.reverse ? base + (by.n - 1) * by.inner : base, step = by.reverse ? -by.inner : by.inner;
        A a = NAMED(START_, OP);
        if (LSZ(0) > 1) { /* a becomes the fold of all stretches before this one */
            for (I64 i = first; i < end; i++) {
                const A x = LOAD(in, start + i * step);
                a = COMBINE;
            }
            part[LID(0)] = a;
            BARRIER;
            a = NAMED(START_, OP);
            for (int k = 0; k < LID(0); k++) {
                const A x = part[k];
                a = COMBINE;
            }
            BARRIER;
        }
        for (I64 i = first; i < end; i++) {
            const A x = LOAD(in, start + i * step);
            if (by.exclusive) STORE(out, start + i * step, a);
            a = COMBINE;
            if (!by.exclusive) STORE(out, start + i * step, a);
        }
    }
}
