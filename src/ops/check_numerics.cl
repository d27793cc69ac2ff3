/* CheckNumerics: y = x; what is not finite is counted as a fault. Who calls: check_numerics.c. */

/* found[0] has a bit for each of NaN, +Inf, -Inf that is there; more than one item may set a bit at once. */
KERNEL void copy_and_look(GLOBAL const T *x, GLOBAL T *y, GLOBAL U32 *found, I64 n)
{
    EACH(0, i, n)
    {
        const A v = LOAD(x, i);
        y[i] = x[i];
        if (v != v) found[0] = 1;
        else if (v == M_INF) found[1] = 1;
        else if (v == -M_INF) found[2] = 1;
    }
}

/* A text for each set of these. */
typedef struct texts {
    I64 of[8];
} texts;

KERNEL void report(GLOBAL const U32 *found, texts text, FAULT_ARGS)
{
    const U32 bits = found[0] | found[1] << 1 | found[2] << 2;
    fault_text_ = text.of[bits];
    if (bits && GID(0) == 0) FAULT(0, 0, 0);
}
