/* Sparse tensors with dense ones. Who calls: sparse_dense.c, which has looked at all indices. */

/* out[place[i]] = values[i]; one: values is one number. Places differ. T is an unsigned integer of the elements' size. */
#ifdef PUT
KERNEL void put_values(GLOBAL const T *values, GLOBAL const I64 *place, GLOBAL T *out, I64 n, int one)
{
    EACH(0, i, n) out[place[i]] = values[one ? 0 : i];
}
#else

/* y [m, n]: row r is the sum over i in [start[r], start[r + 1]) of values[entry[i]] times row from[i] of b, whose element (k, j)
 * lies at k b_row + j b_column. */
KERNEL void sparse_product(GLOBAL const T *values, GLOBAL const I64 *start, GLOBAL const I64 *entry, GLOBAL const I64 *from,
                           GLOBAL const T *b, GLOBAL T *y, I64 m, I64 n, I64 b_row, I64 b_column)
{
    EACH(1, r, m)
    {
        EACH(0, j, n)
        {
            Sum sum = 0;
            for (I64 i = start[r]; i < start[r + 1]; i++)
                sum += LOAD(values, entry[i]) * LOAD(b, from[i] * b_row + j * b_column);
            STORE(y, r * n + j, (A)sum);
        }
    }
}
#endif
