/* Kernels that apply the expression E_op of an op, OP, of OPERANDS operands; the tables that define it stand in front
 * (elementwise.cl, complex.cl, special.cl). CHECKED: the op fails where its CHECK_op holds. */

#define LINE_OF_(kind, op) (kind##op)
#define LINE_OF(kind, op) LINE_OF_(kind, op)
#define EXPRESSION LINE_OF(E_, OP)

#ifdef CHECKED
#define FAULTS , FAULT_ARGS
#define CHECK                    \
    if (LINE_OF(CHECK_, OP)) {   \
        FAULT(0, 0, 0);          \
        continue;                \
    }
#else
#define FAULTS
#define CHECK
#endif

#if OPERANDS == 1
KERNEL void unary(GLOBAL const T *a, GLOBAL T1 *out, I64 n, float p)
{
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
KERNEL void binary(GLOBAL const T *a, GLOBAL const T *b, GLOBAL T1 *out, rows3 by, float p FAULTS)
{
    EACH(1, row, by.rows)
    {
        ROW_OFFSET(at_a, 0, by, row)
        ROW_OFFSET(at_b, 1, by, row)
        GLOBAL T1 *to = out + row * by.inner;
        if (by.inner_step[0] && by.inner_step[1]) {
            EACH(0, i, by.inner)
            {
                const A x = LOAD(a, at_a + i), y = LOAD(b, at_b + i);
                CHECK
                STORE1(to, i, EXPRESSION);
            }
        } else if (by.inner_step[0]) {
            const A y = LOAD(b, at_b);
            EACH(0, i, by.inner)
            {
                const A x = LOAD(a, at_a + i);
                CHECK
                STORE1(to, i, EXPRESSION);
            }
        } else {
            const A x = LOAD(a, at_a);
            EACH(0, i, by.inner)
            {
                const A y = LOAD(b, at_b + i * by.inner_step[1]);
                CHECK
                STORE1(to, i, EXPRESSION);
            }
        }
    }
}
#elif OPERANDS == 3
KERNEL void ternary(GLOBAL const T *a, GLOBAL const T *b, GLOBAL const T *c, GLOBAL T1 *out, rows3 by, float p)
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
