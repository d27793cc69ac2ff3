/* Counting equal integers. Who calls: bincount.c. */

/* Values in bins [rows, size]: value i is of row i / each, or, of a sparse matrix, of row index[2 i]. */
typedef struct bins {
    I64 n, rows, size, each, sparse;
} bins;

/* The bin of value i; -1: none. *bad: 1 where the value is negative, 2 where there is no such row. */
DEVFN I64 bin_of(GLOBAL const T *values, GLOBAL const I64 *index, bins by, I64 i, int *bad)
{
    const I64 value = (I64)LOAD(values, i), row = by.sparse ? index[2 * i] : i / by.each;
    *bad = by.sparse && (row < 0 || row >= by.rows) ? 2 : value < 0;
    return *bad || value >= by.size ? -1 : row * by.size + value;
}

/* counts [rows, size]: zero before. once: what was there counts 1. no_row: a text as that of FAULT_ARGS. */
KERNEL void count_values(GLOBAL const T *values, GLOBAL const I64 *index, GLOBAL U32 *counts, bins by, int once, I64 no_row, FAULT_ARGS)
{
    EACH(0, i, by.n)
    {
        int bad;
        const I64 bin = bin_of(values, index, by, i, &bad);
        if (bad == 1) FAULT((I64)LOAD(values, i), i, 0);
        if (bad == 2) report_fault(fault_, fault_node_, no_row, index[2 * i], by.rows, 0);
        if (bin < 0) continue;
        if (once) counts[bin] = 1;
        else COUNT(counts + bin);
    }
}

KERNEL void find_bins(GLOBAL const T *values, GLOBAL const I64 *index, GLOBAL I64 *found, bins by, I64 no_row, FAULT_ARGS)
{
    EACH(0, i, by.n)
    {
        int bad;
        found[i] = bin_of(values, index, by, i, &bad);
        if (bad == 1) FAULT((I64)LOAD(values, i), i, 0);
        if (bad == 2) report_fault(fault_, fault_node_, no_row, index[2 * i], by.rows, 0);
    }
}

KERNEL void counts_as(GLOBAL const U32 *counts, GLOBAL T1 *out, I64 n)
{
    EACH(0, i, n) STORE1(out, i, (A1)counts[i]);
}
