/* Rows of data folded by segment ids. OP: ADD, MUL, MIN or MAX; T1: of the ids. Who calls: segment.c. */

#if IS_COMPLEX(DT)
#include "complex_functions.cl"
#define C_ADD add(a, b)
#define C_MUL mul(a, b)
#define START_ADD of(0, 0)
#define START_MUL of(1, 0)
#define DIVIDED(a, by) scaled(a, 1 / (R)(by))
#else
#if IS_INT(DT) /* wraps around */
#define C_ADD (A)((U64)a + (U64)b)
#define C_MUL (A)((U64)a * (U64)b)
#else
#define C_ADD a + b
#define C_MUL a * b
#endif
#define C_MIN b < a ? b : a
#define C_MAX a < b ? b : a
#define START_ADD 0
#define START_MUL 1
#define START_MIN HIGHEST
#define START_MAX LOWEST
#define DIVIDED(a, by) (a) / (A)(by)
#endif
/* Of no rows. */
#define EMPTY_ADD START_ADD
#define EMPTY_MUL START_MUL
#define EMPTY_MIN 0
#define EMPTY_MAX 0
#define NAMED_(kind, op) (kind##op)
#define NAMED(kind, op) NAMED_(kind, op)
#define COMBINE NAMED(C_, OP)

typedef struct segments {
    I64 n, row, out_rows, data_rows; /* ids; elements of a row; segments */
} segments;

KERNEL void ids_rise(GLOBAL const T1 *ids, I64 n, FAULT_ARGS)
{
    EACH(0, i, n)
    if (ids[i] < (i > 0 ? ids[i - 1] : 0)) FAULT(i, ids[i], 0);
}

KERNEL void ids_fit(GLOBAL const T1 *ids, I64 n, I64 out_rows, FAULT_ARGS)
{
    if (GID(0) == 0 && n > 0 && ids[n - 1] >= out_rows) FAULT(ids[n - 1], out_rows, 0);
}

/* The first of n rising ids that is not below `id`. */
DEVFN I64 first_of(GLOBAL const T1 *ids, I64 n, I64 id)
{
    I64 low = 0;
    while (n > 0) {
        const I64 half_ = n / 2;
        if (ids[low + half_] < id) low += half_ + 1, n -= half_ + 1;
        else n = half_;
    }
    return low;
}

#ifdef DT2
KERNEL void rows_fit(GLOBAL const JOIN(storage_, DT2) *rows, I64 n, I64 data_rows, FAULT_ARGS)
{
    EACH(0, i, n)
    if (rows[i] < 0 || rows[i] >= data_rows) FAULT(rows[i], i, data_rows);
}
#define ROWS GLOBAL const JOIN(storage_, DT2) *rows,
#define ROW_OF(i) (rows[i] < 0 || rows[i] >= by.data_rows ? 0 : (I64)rows[i])
#else
#define ROWS
#define ROW_OF(i) (i)
#endif

/* Rising ids. divide: 1 by how many there are, 2 by the root of that. */
KERNEL void fold_sorted(GLOBAL const T *data, GLOBAL const T1 *ids, ROWS GLOBAL T *out, segments by, int divide)
{
    EACH(1, s, by.out_rows)
    {
        const I64 first = first_of(ids, by.n, s), end = first + first_of(ids + first, by.n - first, s + 1), n = end - first;
        EACH(0, k, by.row)
        {
            A a = NAMED(START_, OP);
            for (I64 i = first; i < end; i++) {
                const A b = LOAD(data, ROW_OF(i) * by.row + k);
                a = COMBINE;
            }
            if (n == 0) a = NAMED(EMPTY_, OP);
#if IS_FLOAT(DT)
            if (divide == 2 && n > 1) a /= sqrt((A)n);
#endif
            if (divide == 1 && n > 1) a = DIVIDED(a, n);
            STORE(out, s * by.row + k, a);
        }
    }
}

/* Ids in any order: an item has a column and a part of the segments, and walks all ids, so that rows are added up in their
 * order. parts: of each column. */
KERNEL void fold_unsorted(GLOBAL const T *data, GLOBAL const T1 *ids, GLOBAL A *out, segments by, I64 parts, FAULT_ARGS)
{
    EACH(0, item, parts * by.row)
    {
        const I64 k = item % by.row, part = item / by.row;
        const I64 first = by.out_rows * part / parts, end = by.out_rows * (part + 1) / parts;
        for (I64 s = first; s < end; s++) out[s * by.row + k] = NAMED(START_, OP);
        for (I64 i = 0; i < by.n; i++) {
            const I64 id = ids[i];
            if (id >= by.out_rows && item == 0) FAULT(id, i, by.out_rows);
            if (id < first || id >= end) continue;
            const A a = out[id * by.row + k], b = LOAD(data, i * by.row + k);
            out[id * by.row + k] = COMBINE;
        }
    }
}

KERNEL void narrowed(GLOBAL const A *wide, GLOBAL T *out, I64 n)
{
    EACH(0, i, n) STORE(out, i, wide[i]);
}
