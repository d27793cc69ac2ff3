/* Counting equal integers. Who calls: bincount.c. */

/* counts [rows, size], zero before; value i is of row i / each. once: what was there counts 1. */
KERNEL void count_values(GLOBAL const T *values, GLOBAL U32 *counts, I64 n, I64 size, I64 each, int once, FAULT_ARGS)
{
    EACH(0, i, n)
    {
        const I64 value = (I64)LOAD(values, i);
        if (value < 0) FAULT(value, i, 0);
        if (value < 0 || value >= size) continue;
        if (once) counts[i / each * size + value] = 1;
        else COUNT(counts + i / each * size + value);
    }
}

KERNEL void counts_as(GLOBAL const U32 *counts, GLOBAL T1 *out, I64 n)
{
    EACH(0, i, n) STORE1(out, i, (A1)counts[i]);
}
