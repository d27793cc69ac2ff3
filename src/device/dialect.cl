/* The dialect, for each of its compilers: dialect.h says what the words mean. */

/* ---- OpenCL C 1.2 ------------------------------------------------------------------------------------- */

#if defined __OPENCL_VERSION__
#pragma OPENCL FP_CONTRACT OFF
#if defined cl_khr_fp64 || defined __opencl_c_fp64
#define HAS_F64
#endif
typedef long I64;
typedef ulong U64;
typedef uint U32;
typedef ushort U16;
typedef uchar U8;
typedef char I8;
#define KERNEL __kernel
#define DEVFN static inline
#define GLOBAL __global
#define LOCAL __local
#define RESTRICT restrict
#define BARRIER barrier(CLK_LOCAL_MEM_FENCE)
#define FENCE barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define GID(d) ((I64)get_global_id(d))
#define GSZ(d) ((I64)get_global_size(d))
#define LID(d) ((int)get_local_id(d))
#define LSZ(d) ((int)get_local_size(d))
#define WGID(d) ((I64)get_group_id(d))
#define NWG(d) ((I64)get_num_groups(d))
#define FLOAT_OF_BITS(u) as_float(u)
#define BITS_OF_FLOAT(f) as_uint(f)
#define DOUBLE_OF_BITS(u) as_double(u)
#define BITS_OF_DOUBLE(d) as_ulong(d)
#define M_INF INFINITY
#define M_NAN NAN
#define LOG_GAMMA(x) lgamma(x)
#define LOAD_F16(p, i) vload_half(i, (GLOBAL const half *)(p))
#define STORE_F16(p, i, v) vstore_half_rte(v, i, (GLOBAL half *)(p))
#define CLAIM(p) (atomic_cmpxchg((volatile GLOBAL U32 *)(p), 0u, 1u) == 0)
#define SWAP(p, v) atomic_xchg((volatile GLOBAL U32 *)(p), v)
#define COUNT(p) atomic_inc((volatile GLOBAL U32 *)(p))
DEVFN float round_half(float v)
{
    U16 h;
    vstore_half_rte(v, 0, (half *)&h);
    return vload_half(0, (const half *)&h);
}

/* ---- NVRTC -------------------------------------------------------------------------------------------- */

#elif defined __CUDACC__
#define HAS_F64
typedef long long I64;
typedef unsigned long long U64;
typedef unsigned int U32;
typedef unsigned short U16;
typedef unsigned char U8;
typedef signed char I8;
#define KERNEL extern "C" __global__
#define OTHER static __device__
#define DEVFN static __device__ __forceinline__
#define GLOBAL
#define LOCAL __shared__
#define RESTRICT __restrict__
#define BARRIER __syncthreads()
#define FENCE __syncthreads()
DEVFN I64 axis_of(unsigned x, unsigned y, unsigned z, int d) { return d == 0 ? x : d == 1 ? y : z; }
#define LID(d) ((int)axis_of(threadIdx.x, threadIdx.y, threadIdx.z, d))
#define LSZ(d) ((int)axis_of(blockDim.x, blockDim.y, blockDim.z, d))
#define WGID(d) axis_of(blockIdx.x, blockIdx.y, blockIdx.z, d)
#define NWG(d) axis_of(gridDim.x, gridDim.y, gridDim.z, d)
#define GID(d) (WGID(d) * LSZ(d) + LID(d))
#define GSZ(d) (NWG(d) * LSZ(d))
#define FLOAT_OF_BITS(u) __uint_as_float(u)
#define BITS_OF_FLOAT(f) __float_as_uint(f)
#define DOUBLE_OF_BITS(u) __longlong_as_double((I64)(u))
#define BITS_OF_DOUBLE(d) ((U64)__double_as_longlong(d))
#define M_INF __uint_as_float(0x7f800000u)
#define M_NAN __uint_as_float(0x7fc00000u)
#define LOG_GAMMA(x) lgamma(x)
DEVFN float float_of_half(U16 h)
{
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}
DEVFN U16 half_of_float(float f)
{
    U16 h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
}
#define LOAD_F16(p, i) float_of_half((p)[i])
#define STORE_F16(p, i, v) ((p)[i] = half_of_float(v))
#define round_half(v) float_of_half(half_of_float(v))
#define CLAIM(p) (atomicCAS(p, 0u, 1u) == 0)
#define SWAP(p, v) atomicExch(p, v)
#define COUNT(p) atomicAdd(p, 1u)

/* ---- Plain C: the driver sets `here` before each work item, and has a `barrier` ----------------------- */

#else
#include <stdint.h>
#include <string.h>
#include <tgmath.h>
#define HAS_F64
typedef int64_t I64;
typedef uint64_t U64;
typedef uint32_t U32;
typedef uint16_t U16;
typedef uint8_t U8;
typedef int8_t I8;
typedef struct work_item {
    I64 group[3], groups[3];
    int item[3], items[3];
} work_item;
extern _Thread_local work_item here;
void barrier(void);
#define KERNEL __attribute__((visibility("default")))
#define OTHER static __attribute__((unused))
#define DEVFN static inline __attribute__((unused))
#define GLOBAL
#define LOCAL static _Thread_local
#define RESTRICT restrict
#define BARRIER barrier()
#define FENCE barrier()
#define LID(d) here.item[d]
#define LSZ(d) here.items[d]
#define WGID(d) here.group[d]
#define NWG(d) here.groups[d]
#define GID(d) (WGID(d) * LSZ(d) + LID(d))
#define GSZ(d) (NWG(d) * LSZ(d))
DEVFN float float_of_bits(U32 u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
DEVFN U32 bits_of_float(float f)
{
    U32 u;
    memcpy(&u, &f, sizeof u);
    return u;
}
#define FLOAT_OF_BITS(u) float_of_bits(u)
#define BITS_OF_FLOAT(f) bits_of_float(f)
DEVFN double double_of_bits(U64 u)
{
    double d;
    memcpy(&d, &u, sizeof d);
    return d;
}
DEVFN U64 bits_of_double(double d)
{
    U64 u;
    memcpy(&u, &d, sizeof u);
    return u;
}
#define DOUBLE_OF_BITS(u) double_of_bits(u)
#define BITS_OF_DOUBLE(d) bits_of_double(d)
#define M_INF INFINITY
#define M_NAN NAN
DEVFN double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}
#define LOG_GAMMA(x) log_gamma(x)
/* By its bits, since not every compiler has the type. The exponents' biases differ by 112; a product with 2^112 is exact. */
DEVFN float float_of_half(U16 h)
{
    U32 sign = (U32)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest >= 0x7c00u) return float_of_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    return float_of_bits(sign | rest << 13) * 0x1p112f;
}
/* To the nearest, ties to even: below 2^-14 by a sum that leaves no more bits than a half has there. */
DEVFN U16 half_of_float(float f)
{
    U32 u = bits_of_float(f), sign = u >> 16 & 0x8000u, size = u & 0x7fffffffu;
    if (size > 0x7f800000u) return (U16)(sign | 0x7e00u | (size >> 13 & 0x3ffu));
    if (size >= 0x477ff000u) return (U16)(sign | 0x7c00u);
    if (size < 0x38800000u) return (U16)(sign | (bits_of_float(float_of_bits(size) + 0.5f) - 0x3f000000u));
    return (U16)(sign | (size - 0x38000000u + 0xfffu + (size >> 13 & 1)) >> 13);
}
#define LOAD_F16(p, i) float_of_half((p)[i])
#define STORE_F16(p, i, v) ((p)[i] = half_of_float(v))
#define round_half(v) float_of_half(half_of_float(v))
#define CLAIM(p) __sync_bool_compare_and_swap(p, 0u, 1u)
#define SWAP(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define COUNT(p) __atomic_fetch_add(p, 1u, __ATOMIC_RELAXED)
#endif

/* ---- Types: storage_x, wide_x, load_x, store_x, round_x for every dtype x ----------------------------- */

#define TYPE(name, storage, wide, from, to, round)                              \
    typedef storage storage_##name;                                             \
    typedef wide wide_##name;                                                   \
    DEVFN wide load_##name(GLOBAL const storage *p, I64 i) { return from; }     \
    DEVFN void store_##name(GLOBAL storage *p, I64 i, wide v) { to; }           \
    DEVFN wide round_##name(wide v) { return round; }
#define PLAIN_TYPE(name, type) TYPE(name, type, type, p[i], p[i] = v, v)

DEVFN U16 bf16_of_float(float f)
{
    U32 u = BITS_OF_FLOAT(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (U16)(u >> 16 | 0x40);
    return (U16)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}
#define FLOAT_OF_BF16(h) FLOAT_OF_BITS((U32)(h) << 16)

TYPE(f16, U16, float, LOAD_F16(p, i), STORE_F16(p, i, v), round_half(v))
TYPE(bf16, U16, float, FLOAT_OF_BF16(p[i]), p[i] = bf16_of_float(v), FLOAT_OF_BF16(bf16_of_float(v)))
PLAIN_TYPE(f32, float)
#ifdef HAS_F64
PLAIN_TYPE(f64, double)
#endif
PLAIN_TYPE(i8, I8)
PLAIN_TYPE(i16, short)
PLAIN_TYPE(i32, int)
PLAIN_TYPE(i64, I64)
PLAIN_TYPE(u8, U8)
PLAIN_TYPE(u16, U16)
PLAIN_TYPE(u32, U32)
PLAIN_TYPE(u64, U64)
TYPE(b8, U8, int, p[i] != 0, p[i] = v != 0, v != 0)

typedef struct C64 {
    float re, im;
} C64;
typedef float part_c64;
PLAIN_TYPE(c64, C64)
DEVFN C64 complex_c64(float re, float im)
{
    C64 z;
    z.re = re, z.im = im;
    return z;
}
#ifdef HAS_F64
typedef struct C128 {
    double re, im;
} C128;
typedef double part_c128;
DEVFN C128 complex_c128(double re, double im)
{
    C128 z;
    z.re = re, z.im = im;
    return z;
}
#else /* can be moved, no more */
typedef struct C128 {
    U64 re, im;
} C128;
#endif
PLAIN_TYPE(c128, C128)

/* #if IS_INT(DT): b8 counts as one. */
#define KIND_f16 1
#define KIND_bf16 1
#define KIND_f32 1
#define KIND_f64 1
#define KIND_c64 2
#define KIND_c128 2
#define IS_FLOAT(x) (JOIN(KIND_, x) == 1)
#define IS_COMPLEX(x) (JOIN(KIND_, x) == 2)
#define IS_INT(x) (!IS_FLOAT(x) && !IS_COMPLEX(x))

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

/* The ends of each type's range; of floats, the finite ones. */
#define HIGHEST_f16 65504.0f
#define HIGHEST_bf16 3.3895313892515355e38f
#define HIGHEST_f32 3.4028234663852886e38f
#define HIGHEST_f64 1.7976931348623157e308
#define HIGHEST_i8 127
#define HIGHEST_i16 32767
#define HIGHEST_i32 2147483647
#define HIGHEST_i64 0x7fffffffffffffff
#define HIGHEST_u8 255
#define HIGHEST_u16 65535
#define HIGHEST_u32 0xffffffffu
#define HIGHEST_u64 0xffffffffffffffffu
#define HIGHEST_b8 1
#define LOWEST_f16 -HIGHEST_f16
#define LOWEST_bf16 -HIGHEST_bf16
#define LOWEST_f32 -HIGHEST_f32
#define LOWEST_f64 -HIGHEST_f64
#define LOWEST_i8 (-HIGHEST_i8 - 1)
#define LOWEST_i16 (-HIGHEST_i16 - 1)
#define LOWEST_i32 (-HIGHEST_i32 - 1)
#define LOWEST_i64 (-HIGHEST_i64 - 1)
#define LOWEST_u8 0
#define LOWEST_u16 0
#define LOWEST_u32 0
#define LOWEST_u64 0
#define LOWEST_b8 0

/* What sums and products of many are made in: integers in 64 bits, which wrap as the narrow ones would. */
#define SUM_i8 I64
#define SUM_i16 I64
#define SUM_i32 I64
#define SUM_i64 I64
#define SUM_u8 U64
#define SUM_u16 U64
#define SUM_u32 U64
#define SUM_u64 U64
#define SUM_f16 float
#define SUM_bf16 float
#define SUM_f32 float
#define SUM_f64 double
#define SUM_c64 C64
#define SUM_c128 C128
#define SUM_b8 int

#ifdef DT
typedef JOIN(storage_, DT) T;
typedef JOIN(wide_, DT) A;
#define LOAD(p, i) JOIN(load_, DT)(p, i)
#define STORE(p, i, v) JOIN(store_, DT)(p, i, v)
#define ROUND(v) JOIN(round_, DT)(v)
#define HIGHEST JOIN(HIGHEST_, DT)
#define LOWEST JOIN(LOWEST_, DT)
typedef JOIN(SUM_, DT) Sum;
#endif
#ifdef DT1
typedef JOIN(storage_, DT1) T1;
typedef JOIN(wide_, DT1) A1;
#define LOAD1(p, i) JOIN(load_, DT1)(p, i)
#define STORE1(p, i, v) JOIN(store_, DT1)(p, i, v)
#endif

/* ---- Loops -------------------------------------------------------------------------------------------- */

#ifdef CPU_SHAPED
#define EACH(d, i, n) for (I64 i = (n) * GID(d) / GSZ(d), end_##i = (n) * (GID(d) + 1) / GSZ(d); i < end_##i; i++)
#else
#define EACH(d, i, n) for (I64 i = GID(d); i < (n); i += GSZ(d))
#endif

/* ---- Faults ------------------------------------------------------------------------------------------- */

/* The first to report wins; as bt_fault in ops/gpu.h. */
DEVFN void report_fault(GLOBAL U32 *claimed, I64 node, I64 text, I64 a, I64 b, I64 c)
{
    if (!CLAIM(claimed)) return;
    GLOBAL I64 *words = (GLOBAL I64 *)claimed;
    words[1] = node, words[2] = text, words[3] = a, words[4] = b, words[5] = c;
}
#define FAULT_ARGS GLOBAL U32 *fault_, I64 fault_node_, I64 fault_text_
#define FAULT(a, b, c) report_fault(fault_, fault_node_, fault_text_, a, b, c)
