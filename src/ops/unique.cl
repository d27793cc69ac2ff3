/* Telling elements apart by sorted keys: equal ones stand together, the first of them in front. Who calls: unique.c. */

#include "order_key.cl"

#define NARROW_f16 1
#define NARROW_bf16 1

/* Equal exactly for elements that are the same, but for NaN, which is like nothing: 0 and -0 are, except narrow ones. */
DEVFN U64 kind_of(GLOBAL const T *x, I64 i)
{
#if JOIN(NARROW_, DT)
    if (x[i] == 0x8000) return 1;
#endif
    return key_of(LOAD(x, i));
}

#if IS_FLOAT(DT)
#define IS_ALONE(key) ((key) == ~(U64)0)
#else
#define IS_ALONE(key) 0
#endif

/* `size` keys, a power of two, of which n are there. */
KERNEL void kinds(GLOBAL const T *x, GLOBAL U64 *keys, GLOBAL int *places, I64 n, I64 size)
{
    EACH(0, i, size)
    {
        keys[i] = i < n ? kind_of(x, i) : 0;
        places[i] = (int)i;
    }
}

/* marks[i]: element i is the first of its kind. */
KERNEL void mark_first(GLOBAL const U64 *keys, GLOBAL const int *places, GLOBAL U32 *marks, I64 n)
{
    EACH(0, i, n) marks[places[i]] = i == 0 || keys[i] != keys[i - 1] || IS_ALONE(keys[i]);
}

/* The first of falling keys that is not above `key`; or, strict, that is below it. */
DEVFN I64 first_of(GLOBAL const U64 *keys, I64 n, U64 key, int strict)
{
    I64 low = 0;
    while (n > 0) {
        const I64 middle = n / 2;
        const int goes_on = strict ? keys[low + middle] >= key : keys[low + middle] > key;
        if (goes_on) low += middle + 1;
        n = goes_on ? n - middle - 1 : middle;
    }
    return low;
}

/* numbers: how many first ones stand before each. counts may be left out. */
KERNEL void tell_apart(GLOBAL const T *x, GLOBAL const U64 *keys, GLOBAL const int *places, GLOBAL const U32 *numbers, GLOBAL T *y,
                       GLOBAL T1 *index, GLOBAL T1 *counts, I64 n, int with_counts)
{
    EACH(0, i, n)
    {
        const U64 key = keys[i];
        const I64 head = IS_ALONE(key) ? i : first_of(keys, n, key, 0);
        const U32 number = numbers[places[head]];
        index[places[i]] = (T1)number;
        if (head != i) continue;
        y[number] = x[places[i]];
        if (with_counts) counts[number] = (T1)(IS_ALONE(key) ? 1 : first_of(keys, n, key, 1) - head);
    }
}

/* ---- Slices along an axis ------------------------------------------------------------------------------------------------ */

/* As in unique.c: element e of slice r lies at ((e / inner) n + r) inner + e % inner. */
typedef struct rows {
    I64 n, inner, elements, found;
} rows;

#define ELEMENT(by, r, e) (((e) / (by).inner * (by).n + (r)) * (by).inner + (e) % (by).inner)

/* As kinds, of slices: a hash of all elements, and one that nothing is like where there is a NaN. */
KERNEL void kinds_of_rows(GLOBAL const T *x, GLOBAL U64 *keys, GLOBAL int *places, rows by, I64 size)
{
    EACH(0, r, size)
    {
        U64 hash = 0;
        int is_alone = 0;
        for (I64 e = 0; r < by.n && e < by.elements; e++) {
            const U64 kind = kind_of(x, ELEMENT(by, r, e));
            is_alone = is_alone || IS_ALONE(kind);
            hash = (hash ^ kind) * (U64)0x9e3779b97f4a7c15;
            hash ^= hash >> 32;
        }
        keys[r] = is_alone ? ~(U64)0 : hash >> 1; /* the largest is that of nothing else */
        places[r] = (int)r;
    }
}

DEVFN int same_rows(GLOBAL const T *x, rows by, I64 a, I64 b)
{
    for (I64 e = 0; e < by.elements; e++)
        if (kind_of(x, ELEMENT(by, a, e)) != kind_of(x, ELEMENT(by, b, e))) return 0;
    return 1;
}

/* heads[i]: where, of the sorted ones, the first stands that is the same as the i-th. Others may have its hash. */
KERNEL void find_heads(GLOBAL const T *x, GLOBAL const U64 *keys, GLOBAL const int *places, GLOBAL int *heads, GLOBAL U32 *marks, rows by)
{
    EACH(0, i, by.n)
    {
        const U64 key = keys[i];
        I64 head = key == ~(U64)0 ? i : first_of(keys, by.n, key, 0);
        while (head < i && !same_rows(x, by, places[head], places[i])) head++;
        heads[i] = (int)head;
        marks[places[i]] = head == i;
    }
}

KERNEL void no_counts(GLOBAL T1 *counts, I64 found)
{
    EACH(0, i, found) counts[i] = 0;
}

KERNEL void number_rows(GLOBAL const int *places, GLOBAL const int *heads, GLOBAL const U32 *numbers, GLOBAL T1 *index, GLOBAL T1 *counts,
                        I64 n, int with_counts)
{
    EACH(0, i, n)
    {
        const U32 number = numbers[places[heads[i]]];
        index[places[i]] = (T1)number;
        if (with_counts) COUNT((GLOBAL U32 *)counts + number * (sizeof(T1) / sizeof(U32))); /* the low half of an I64 stands first */
    }
}

KERNEL void take_rows(GLOBAL const T *x, GLOBAL const int *places, GLOBAL const int *heads, GLOBAL const U32 *numbers, GLOBAL T *y, rows by)
{
    EACH(1, i, by.n)
    {
        const I64 from = places[i], to = numbers[from];
        if (heads[i] != i) continue;
        EACH(0, e, by.elements) y[(e / by.inner * by.found + to) * by.inner + e % by.inner] = x[ELEMENT(by, from, e)];
    }
}
