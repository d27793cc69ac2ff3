/* Rows of keys put in order, and marks numbered. Who calls: order_gpu.c. */

#include "order_key.cl"

/* A bitonic sort of rows of `size` keys and places, a power of two: a pass brings in order pairs `apart` from each other,
 * within runs of `width` that go up and down in turns. */
KERNEL void sort_pass(GLOBAL U64 *keys, GLOBAL int *places, I64 pairs, I64 width, I64 apart, I64 size)
{
    EACH(0, p, pairs)
    {
        const I64 a = p / apart * 2 * apart + p % apart, b = a + apart;
        const U64 ka = keys[a], kb = keys[b];
        const int pa = places[a], pb = places[b];
        if (is_before(ka, pa, kb, pb) == ((a % size & width) == 0)) continue;
        keys[a] = kb, keys[b] = ka;
        places[a] = pb, places[b] = pa;
    }
}

/* The passes of widths from `width` to `last` whose pairs lie less than NEAR apart, by groups that have NEAR elements at a
 * time at hand. */
KERNEL void sort_near(GLOBAL U64 *keys, GLOBAL int *places, I64 count, I64 width, I64 last, I64 size)
{
    LOCAL U64 key[NEAR];
    LOCAL int place[NEAR];
    for (I64 run = WGID(0); run < (count + NEAR - 1) / NEAR; run += NWG(0)) {
        const I64 base = run * NEAR;
        const int n = count - base < NEAR ? (int)(count - base) : NEAR;
        for (int i = LID(0); i < n; i += LSZ(0)) key[i] = keys[base + i], place[i] = places[base + i];
        for (I64 wide = width; wide <= last; wide *= 2)
            for (int apart = wide < NEAR ? (int)wide / 2 : NEAR / 2; apart > 0; apart /= 2) {
                BARRIER;
                for (int p = LID(0); p < n / 2; p += LSZ(0)) {
                    const int a = p / apart * 2 * apart + p % apart, b = a + apart;
                    const U64 ka = key[a], kb = key[b];
                    const int pa = place[a], pb = place[b];
                    if (is_before(ka, pa, kb, pb) == (((base + a) % size & wide) == 0)) continue;
                    key[a] = kb, key[b] = ka;
                    place[a] = pb, place[b] = pa;
                }
            }
        BARRIER;
        for (int i = LID(0); i < n; i += LSZ(0)) keys[base + i] = key[i], places[base + i] = place[i];
        BARRIER;
    }
}

/* How many of n marks are set in each of `pieces` stretches. */
KERNEL void count_marks(GLOBAL const U32 *marks, GLOBAL I64 *counts, I64 n, I64 pieces)
{
    EACH(0, piece, pieces)
    {
        I64 found = 0;
        for (I64 i = n * piece / pieces, end = n * (piece + 1) / pieces; i < end; i++) found += marks[i];
        counts[piece] = found;
    }
}

/* counts [pieces] become how many there are in the pieces before; counts[pieces], in all. One group. */
KERNEL void sum_up(GLOBAL I64 *counts, I64 pieces)
{
    LOCAL I64 part[256];
    const I64 first = pieces * LID(0) / LSZ(0), end = pieces * (LID(0) + 1) / LSZ(0);
    I64 sum = 0;
    for (I64 i = first; i < end; i++) sum += counts[i];
    part[LID(0)] = sum;
    BARRIER;
    sum = 0;
    for (int k = 0; k < LID(0); k++) sum += part[k];
    for (I64 i = first; i < end; i++) {
        const I64 here = counts[i];
        counts[i] = sum;
        sum += here;
    }
    if (LID(0) == LSZ(0) - 1) counts[pieces] = sum;
}

/* marks[i] becomes how many are set before i. */
KERNEL void number_marks(GLOBAL U32 *marks, GLOBAL const I64 *counts, I64 n, I64 pieces)
{
    EACH(0, piece, pieces)
    {
        U32 before = (U32)counts[piece];
        for (I64 i = n * piece / pieces, end = n * (piece + 1) / pieces; i < end; i++) {
            const U32 here = marks[i];
            marks[i] = before;
            before += here;
        }
    }
}
