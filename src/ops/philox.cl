/* Philox 4x32-10, as philox.h has it. A part of other files. */

typedef struct bits4 {
    U32 x[4];
} bits4;

typedef struct philox {
    I64 key, counter_low, counter_high;
} philox;

/* Block number `at` after the counter. */
DEVFN bits4 block_at(philox p, U64 at)
{
    const U64 low = (U64)p.counter_low + at, high = (U64)p.counter_high + (low < at ? 1 : 0);
    U32 c0 = (U32)low, c1 = (U32)(low >> 32), c2 = (U32)high, c3 = (U32)(high >> 32);
    U32 k0 = (U32)p.key, k1 = (U32)((U64)p.key >> 32);
    for (int round = 0; round < 10; round++) {
        const U64 a = (U64)0xD2511F53u * c0, b = (U64)0xCD9E8D57u * c2;
        c0 = (U32)(b >> 32) ^ c1 ^ k0;
        c2 = (U32)(a >> 32) ^ c3 ^ k1;
        c1 = (U32)b, c3 = (U32)a;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    bits4 b;
    b.x[0] = c0, b.x[1] = c1, b.x[2] = c2, b.x[3] = c3;
    return b;
}
