/* Rows of a tensor that vectors of indices name: gathered (GatherNd), and changed by other rows (ScatterNd and its kin).
 *
 * Where several updates meet in one row, they come in the order of their indices, as on the CPU, so that a run gives the same
 * bits again: `scatter_link` makes a list of the updates of each row, `scatter_sort` brings the lists in order, and
 * `scatter_apply` walks them. An update's number is its index plus 1; 0 ends a list. Who calls: scatter_gpu.c. */

/* depth indices name a row of `slice` elements in a tensor whose first dimensions are dim. */
typedef struct naming {
    I64 n, depth, slice, ignore, wrap, dim[8];
} naming;

#ifdef DT1
/* -1: out of range. */
DEVFN I64 row_named(GLOBAL const T1 *index, naming by, I64 i, I64 *bad)
{
    I64 row = 0;
    for (I64 k = 0; k < by.depth; k++) {
        I64 at = (I64)LOAD1(index, i * by.depth + k);
        if (by.wrap) at = (at % by.dim[k] + by.dim[k]) % by.dim[k];
        *bad = k;
        if (at < 0 || at >= by.dim[k]) return -1;
        row = row * by.dim[k] + at;
    }
    return row;
}

/* out [n, slice] = rows of params; T is an unsigned integer of the elements' size. */
KERNEL void gather_nd(GLOBAL const T *params, GLOBAL const T1 *index, GLOBAL T *out, naming by, FAULT_ARGS)
{
    EACH(1, i, by.n)
    {
        I64 bad = 0;
        const I64 row = row_named(index, by, i, &bad);
        if (row >= 0) {
            EACH(0, j, by.slice) out[i * by.slice + j] = params[row * by.slice + j];
        } else {
            EACH(0, j, by.slice) out[i * by.slice + j] = 0;
            if (!by.ignore) FAULT((I64)LOAD1(index, i * by.depth + bad), i, by.dim[bad]);
        }
    }
}

/* head [rows]: zeros before; the list of each row's updates. next [n]. row [n]: which row, -1 for none. */
KERNEL void scatter_link(GLOBAL const T1 *index, GLOBAL U32 *head, GLOBAL U32 *next, GLOBAL I64 *row, naming by, FAULT_ARGS)
{
    EACH(0, i, by.n)
    {
        I64 bad = 0;
        const I64 at = row_named(index, by, i, &bad);
        row[i] = at;
        if (at >= 0) next[i] = SWAP(&head[at], (U32)(i + 1));
        else if (!by.ignore) FAULT((I64)LOAD1(index, i * by.depth + bad), i, by.dim[bad]);
    }
}
#endif

/* Two lists in order, made one. */
DEVFN U32 merge(GLOBAL U32 *next, U32 a, U32 b)
{
    U32 first = 0, last = 0;
    while (a || b) {
        const U32 least = !b || (a && a < b) ? a : b;
        if (least == a) a = next[a - 1];
        else b = next[b - 1];
        if (last) next[last - 1] = least;
        else first = least;
        last = least;
    }
    if (last) next[last - 1] = 0;
    return first;
}

/* By the one item whose update heads the row's list: sorted lists of 2^k updates are kept apart until two of a size meet. head
 * becomes the first of the row in `first`, by update, 0 for those that head nothing. */
KERNEL void scatter_sort(GLOBAL const U32 *head, GLOBAL U32 *next, GLOBAL const I64 *row, GLOBAL U32 *first, I64 n)
{
    EACH(0, i, n)
    {
        first[i] = 0;
        if (row[i] < 0 || head[row[i]] != (U32)(i + 1)) continue;
        U32 sorted[32];
        for (int k = 0; k < 32; k++) sorted[k] = 0;
        for (U32 at = (U32)(i + 1); at;) {
            U32 list = at;
            at = next[at - 1];
            next[list - 1] = 0;
            int k = 0;
            for (; sorted[k]; k++) list = merge(next, sorted[k], list), sorted[k] = 0;
            sorted[k] = list;
        }
        for (int k = 0; k < 32; k++)
            if (sorted[k]) first[i] = first[i] ? merge(next, first[i], sorted[k]) : sorted[k];
    }
}

#ifdef OP
#define SET(a, b) (b)
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define MIN(a, b) ((b) < (a) ? (b) : (a))
#define MAX(a, b) ((a) < (b) ? (b) : (a))

KERNEL void scatter_apply(GLOBAL T *out, GLOBAL const T *updates, GLOBAL const U32 *first, GLOBAL const U32 *next,
                          GLOBAL const I64 *row, I64 n, I64 slice)
{
    EACH(1, i, n)
    {
        if (!first[i]) continue;
        EACH(0, j, slice)
        {
            A v = LOAD(out, row[i] * slice + j);
            for (U32 at = first[i]; at; at = next[at - 1]) v = ROUND(OP(v, LOAD(updates, (I64)(at - 1) * slice + j)));
            STORE(out, row[i] * slice + j, v);
        }
    }
}
#endif

/* Row from[i] of `in` becomes row to[i] of out; T is an unsigned integer of the elements' size. */
KERNEL void carry(GLOBAL T *out, GLOBAL const T *in, GLOBAL const I64 *to, GLOBAL const I64 *from, I64 n, I64 row)
{
    EACH(1, i, n)
    {
        EACH(0, j, row) out[to[i] * row + j] = in[from[i] * row + j];
    }
}
