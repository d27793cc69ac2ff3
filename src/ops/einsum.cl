/* Sums of what one input alone has. Who calls: einsum.c. */

/* y[i] = sum of x[i][0..n) */
KERNEL void sum_rows(GLOBAL const T *x, GLOBAL T *y, I64 rows, I64 n)
{
    EACH(0, i, rows)
    {
        Sum s = 0;
        for (I64 k = 0; k < n; k++) s += LOAD(x, i * n + k);
        STORE(y, i, (A)s);
    }
}
