/* Elements as numbers that sort, as in order.h. A part of other files. */

/* Whether an element stands before another: larger, or equal and earlier. */
DEVFN int is_before(U64 key, int place, U64 other, int other_place)
{
    return key != other ? key > other : place < other_place;
}

#ifdef DT
#define IS_f64 1
#define IS_DOUBLE JOIN(IS_, DT)

/* a < b as numbers exactly when key_of(a) < key_of(b); -0 and 0 have one key; NaN sorts above all. As in order.c. */
DEVFN U64 key_of(A v)
{
    const U64 top = (U64)1 << 63;
#if IS_INT(DT)
    return LOWEST < 0 ? (U64)(I64)v ^ top : (U64)v;
#else
    if (v != v) return ~(U64)0;
#if IS_DOUBLE
    const U64 bits = v == 0 ? 0 : BITS_OF_DOUBLE(v);
#else
    const U64 bits = v == 0 ? 0 : (U64)BITS_OF_FLOAT(v) << 32;
#endif
    return bits & top ? ~bits : bits | top;
#endif
}
#endif
