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
