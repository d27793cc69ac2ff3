/* The largest elements of rows, and places among sorted numbers. Who calls: topk.c. */

#define MOST_ITEMS 256 /* of a group; a power of two */
#include "order_key.cl"

#ifdef DT1
/* Few of each row [n]: a group takes a row, and finds one after the other. */
KERNEL void best_of_rows(GLOBAL const T *x, GLOBAL T *values, GLOBAL T1 *indices, I64 rows, I64 n, I64 k)
{
    LOCAL U64 keys[MOST_ITEMS];
    LOCAL int places[MOST_ITEMS];
    for (I64 row = WGID(0); row < rows; row += NWG(0)) {
        U64 last = 0;
        int last_place = -1;
        for (I64 j = 0; j < k; j++) {
            U64 best = 0;
            int place = (int)n; /* none */
            for (I64 i = LID(0); i < n; i += LSZ(0)) {
                const U64 key = key_of(LOAD(x, row * n + i));
                if (j > 0 && !is_before(last, last_place, key, (int)i)) continue;
                if (place == n || key > best) best = key, place = (int)i;
            }
            keys[LID(0)] = best, places[LID(0)] = place;
            BARRIER;
            for (int half_ = LSZ(0) / 2; half_ > 0; half_ /= 2) {
                const int other = LID(0) + half_;
                if (LID(0) < half_ && places[other] < n && is_before(keys[other], places[other], keys[LID(0)], places[LID(0)]))
                    keys[LID(0)] = keys[other], places[LID(0)] = places[other];
                BARRIER;
            }
            last = keys[0], last_place = places[0];
            BARRIER;
            if (LID(0) == 0) {
                values[row * k + j] = x[row * n + last_place];
                STORE1(indices, row * k + j, (A1)last_place);
            }
        }
    }
}

/* Many: rows of `size` keys and places, a power of two of which the first n are the row's, to be sorted. */
KERNEL void spread(GLOBAL const T *x, GLOBAL U64 *keys, GLOBAL int *places, I64 count, I64 n, I64 size)
{
    EACH(0, i, count)
    {
        const I64 at = i % size;
        keys[i] = at < n ? key_of(LOAD(x, i / size * n + at)) : 0;
        places[i] = (int)at;
    }
}

KERNEL void take_first(GLOBAL const T *x, GLOBAL const int *places, GLOBAL T *values, GLOBAL T1 *indices, I64 count, I64 n,
                       I64 k, I64 size)
{
    EACH(0, i, count)
    {
        const int place = places[i / k * size + i % k];
        values[i] = x[i / k * n + place];
        STORE1(indices, i, (A1)place);
    }
}

/* Of each of `each` values a row, how many of the row's n sorted numbers are below it; strict: not above it. */
KERNEL void bounds(GLOBAL const T *sorted, GLOBAL const T *values, GLOBAL T1 *out, I64 count, I64 n, I64 each, I64 strict)
{
    EACH(0, i, count)
    {
        const U64 key = key_of(LOAD(values, i));
        I64 low = i / each * n, left = n;
        while (left > 0) {
            const U64 middle = key_of(LOAD(sorted, low + left / 2));
            const int goes_on = strict ? middle <= key : middle < key;
            if (goes_on) low += left / 2 + 1;
            left = goes_on ? left - left / 2 - 1 : left / 2;
        }
        STORE1(out, i, (A1)(low - i / each * n));
    }
}

/* predictions [batch, classes]: whether fewer than k of a row are above its target's, all being finite. */
KERNEL void in_top(GLOBAL const T *predictions, GLOBAL const T1 *targets, GLOBAL U8 *out, I64 batch, I64 classes, I64 k)
{
    EACH(0, i, batch)
    {
        const I64 target = (I64)LOAD1(targets, i);
        int is_sound = target >= 0 && target < classes;
        I64 above = 0;
        const A mine = is_sound ? LOAD(predictions, i * classes + target) : (A)0;
        for (I64 j = 0; is_sound && j < classes; j++) {
            const A v = LOAD(predictions, i * classes + j);
            is_sound = v - v == 0;
            above += v > mine;
        }
        out[i] = is_sound && above < k;
    }
}

/* Counts by `bins` bins of [low, high]; out is zero before. */
#ifdef HAS_F64
typedef double Wide;
#else
typedef float Wide;
#endif
KERNEL void histogram(GLOBAL const T *x, GLOBAL const T *range, GLOBAL U32 *out, I64 n, I64 bins, FAULT_ARGS)
{
    const Wide low = (Wide)LOAD(range, 0), high = (Wide)LOAD(range, 1);
    const Wide step = high / (Wide)bins - low / (Wide)bins;
    if (!(low < high)) {
        FAULT(0, 0, 0);
        return;
    }
    EACH(0, i, n)
    {
        const Wide v = (Wide)LOAD(x, i);
        if (v != v) FAULT(0, 0, 0);
        else {
            Wide above = (v > low ? v : low) - low;
            above = above / step;
            COUNT(out + (I64)(above < (Wide)(bins - 1) ? above : (Wide)(bins - 1)));
        }
    }
}

KERNEL void widened(GLOBAL const U32 *counts, GLOBAL I64 *out, I64 n)
{
    EACH(0, i, n) out[i] = counts[i];
}
#endif

#if IS_INT(DT)
typedef float Number;
#else
typedef A Number;
#endif

/* How many of n rising boundaries an element is not below; integers are compared as floats. */
KERNEL void buckets(GLOBAL const T *x, GLOBAL const float *boundaries, GLOBAL int *out, I64 count, I64 n)
{
    EACH(0, i, count)
    {
        const Number v = (Number)LOAD(x, i);
        int low = 0, high = (int)n;
        while (low < high) {
            const int middle = low + (high - low) / 2;
            if (v < (Number)boundaries[middle]) high = middle;
            else low = middle + 1;
        }
        out[i] = low;
    }
}
