/* Cast, as a line for the elementwise kernels: from T to T1. What is out of an integer's range becomes what x86 gives, its
 * "indefinite" value. p: low bits of a float's mantissa to clear first. */

#define IS_TRUTH_b8 1
#define IS_WIDE_f64 1
#define IS_WIDE_c128 1

/* To 32 bits signed for all the smaller types, which then wrap around. */
#if IS_FLOAT(DT) || IS_COMPLEX(DT)
#if IS_COMPLEX(DT)
typedef JOIN(part_, DT) F;
#else
typedef A F;
#endif
DEVFN int to_i32(F x) { return x > (F)-2147483649.0 && x < (F)2147483648.0 ? (int)x : (int)0x80000000u; }
DEVFN I64 to_i64(F x)
{
    return x >= (F)-9223372036854775808.0 && x < (F)9223372036854775808.0 ? (I64)x : (I64)((U64)1 << 63);
}
DEVFN U32 to_u32(F x) { return x > (F)-2147483649.0 && x < (F)4294967296.0 ? (U32)(I64)x : 0x80000000u; }
DEVFN U64 to_u64(F x)
{
    return x >= (F)9223372036854775808.0 && x < (F)18446744073709551616.0 ? (U64)x : (U64)to_i64(x);
}
#define TO_i8(x) (I8)to_i32(x)
#define TO_i16(x) (short)to_i32(x)
#define TO_i32(x) to_i32(x)
#define TO_i64(x) to_i64(x)
#define TO_u8(x) (U8)to_i32(x)
#define TO_u16(x) (U16)to_i32(x)
#define TO_u32(x) to_u32(x)
#define TO_u64(x) to_u64(x)
#define TO_b8(x) (x) != 0
#define TO_f16(x) (float)(x)
#define TO_bf16(x) (float)(x)
#define TO_f32(x) (float)(x)
#define TO_f64(x) (double)(x)

/* A NaN keeps a bit that lives on. */
DEVFN F cleared(F x, int bits)
{
#if JOIN(IS_WIDE_, DT)
    const U64 u = BITS_OF_DOUBLE(x);
    return DOUBLE_OF_BITS(x != x ? u | (U64)1 << 51 : u & ~(((U64)1 << bits) - 1));
#else
    const U32 u = BITS_OF_FLOAT(x);
    return FLOAT_OF_BITS(x != x ? u | 0x400000 : u & ~((1u << bits) - 1));
#endif
}
#define CLEARED(x) (p > 0 ? cleared(x, (int)p) : x)

#if IS_COMPLEX(DT) && IS_COMPLEX(DT1)
#define E_Cast JOIN(complex_, DT1)((JOIN(part_, DT1))CLEARED(x.re), (JOIN(part_, DT1))CLEARED(x.im))
#elif IS_COMPLEX(DT)
#define E_Cast JOIN(TO_, DT1)(CLEARED(x.re))
#elif IS_COMPLEX(DT1)
#define E_Cast JOIN(complex_, DT1)((JOIN(part_, DT1))CLEARED(x), 0)
#else
#define E_Cast JOIN(TO_, DT1)(CLEARED(x))
#endif

#elif IS_COMPLEX(DT1)
#define E_Cast JOIN(complex_, DT1)((JOIN(part_, DT1))x, 0)
#elif JOIN(IS_TRUTH_, DT1)
#define E_Cast x != 0
#elif IS_INT(DT1)
#define E_Cast x
#else
#define E_Cast (A1)x
#endif

#include "elementwise_kernels.cl"
