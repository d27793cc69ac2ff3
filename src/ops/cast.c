/* Cast between all number types and bool, and Bitcast. Half and bfloat16 go by way of float, as Eigen has them.
 * Numbers out of an integer's range become what x86 gives: the type's "indefinite" value. */
#include <complex.h>

#include "ops/elementwise.h"
#include "ops/gpu.h"

/* ---- One loop for each pair of types that C has ------------------------------------------------------- */

/* To 32 bits signed for all the smaller types, which then wrap around. */
static inline int32_t float_to_i32(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}
static inline int64_t float_to_i64(double x) { return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN; }
static inline uint32_t float_to_u32(double x)
{
    return x > -2147483649.0 && x < 0x1p32 ? (uint32_t)(int64_t)x : 0x80000000u;
}
static inline uint64_t float_to_u64(double x)
{
    if (x >= 0x1p63 && x < 0x1p64) return (uint64_t)x;
    return x >= -0x1p63 && x < 0x1p63 ? (uint64_t)(int64_t)x : 0x8000000000000000u;
}

/* X(source, target, its type, expression); read(f) is the source x, or f(x) where x is a float. */
#define REAL_TARGETS(X, S, read)                      \
    X(S, i8, int8_t, (int8_t)read(float_to_i32))      \
    X(S, i16, int16_t, (int16_t)read(float_to_i32))   \
    X(S, i32, int32_t, (int32_t)read(float_to_i32))   \
    X(S, i64, int64_t, (int64_t)read(float_to_i64))   \
    X(S, u8, uint8_t, (uint8_t)read(float_to_i32))    \
    X(S, u16, uint16_t, (uint16_t)read(float_to_i32)) \
    X(S, u32, uint32_t, (uint32_t)read(float_to_u32)) \
    X(S, u64, uint64_t, (uint64_t)read(float_to_u64)) \
    X(S, f32, float, (float)read())                   \
    X(S, f64, double, (double)read())                 \
    X(S, b8, uint8_t, read() != 0)
/* A complex source keeps both parts in a complex target. */
#define COMPLEX_TARGETS(X, S)   \
    X(S, c64, float complex, x) \
    X(S, c128, double complex, x)

#define AS_INT(convert) x
#define AS_FLOAT(convert) convert(x)
#define AS_COMPLEX(convert) convert(creal(x))

#define CAST_LOOP(S, name, D, expression) BT_LOOP1(S##_to_##name, source_##S, D, expression)
#define SOURCES(X)                      \
    X(i8, int8_t, AS_INT)               \
    X(i16, int16_t, AS_INT)             \
    X(i32, int32_t, AS_INT)             \
    X(i64, int64_t, AS_INT)             \
    X(u8, uint8_t, AS_INT)              \
    X(u16, uint16_t, AS_INT)            \
    X(u32, uint32_t, AS_INT)            \
    X(u64, uint64_t, AS_INT)            \
    X(f32, float, AS_FLOAT)             \
    X(f64, double, AS_FLOAT)            \
    X(c64, float complex, AS_COMPLEX)   \
    X(c128, double complex, AS_COMPLEX) \
    X(b8, uint8_t, AS_INT)

#define X(S, type, read)             \
    typedef type source_##S;         \
    REAL_TARGETS(CAST_LOOP, S, read) \
    COMPLEX_TARGETS(CAST_LOOP, S)
SOURCES(X)
#undef X

/* Quantised numbers count as the integers that store them. */
#define ROW(S)                                                                                         \
    {                                                                                                  \
        [BERTH_INT8] = S##_to_i8, [BERTH_INT16] = S##_to_i16, [BERTH_INT32] = S##_to_i32,              \
        [BERTH_INT64] = S##_to_i64, [BERTH_UINT8] = S##_to_u8, [BERTH_UINT16] = S##_to_u16,            \
        [BERTH_UINT32] = S##_to_u32, [BERTH_UINT64] = S##_to_u64, [BERTH_FLOAT] = S##_to_f32,          \
        [BERTH_DOUBLE] = S##_to_f64, [BERTH_COMPLEX64] = S##_to_c64, [BERTH_COMPLEX128] = S##_to_c128, \
        [BERTH_BOOL] = S##_to_b8, [BERTH_QINT8] = S##_to_i8, [BERTH_QUINT8] = S##_to_u8,               \
        [BERTH_QINT16] = S##_to_i16, [BERTH_QUINT16] = S##_to_u16, [BERTH_QINT32] = S##_to_i32         \
    }
static bt_loop *const loops[BT_DTYPES][BT_DTYPES] = {
    [BERTH_INT8] = ROW(i8),    [BERTH_INT16] = ROW(i16),     [BERTH_INT32] = ROW(i32),
    [BERTH_INT64] = ROW(i64),  [BERTH_UINT8] = ROW(u8),      [BERTH_UINT16] = ROW(u16),
    [BERTH_UINT32] = ROW(u32), [BERTH_UINT64] = ROW(u64),    [BERTH_FLOAT] = ROW(f32),
    [BERTH_DOUBLE] = ROW(f64), [BERTH_COMPLEX64] = ROW(c64), [BERTH_COMPLEX128] = ROW(c128),
    [BERTH_BOOL] = ROW(b8),    [BERTH_QINT8] = ROW(i8),      [BERTH_QUINT8] = ROW(u8),
    [BERTH_QINT16] = ROW(i16), [BERTH_QUINT16] = ROW(u16),   [BERTH_QINT32] = ROW(i32),
};

/* ---- Cast --------------------------------------------------------------------------------------------- */

static bool is_narrow(berth_dtype dtype) { return dtype == BERTH_HALF || dtype == BERTH_BFLOAT16; }
static berth_dtype widened(berth_dtype dtype) { return is_narrow(dtype) ? BERTH_FLOAT : dtype; }

typedef struct cast_job {
    const char *x;
    char *y;
    berth_dtype from, to;
    bt_loop *loop;
    int drop; /* Truncate: low bits of the source's mantissa to clear first */
} cast_job;

/* Mantissa bits that a narrower float type does not have. */
static int dropped_bits(berth_dtype from, berth_dtype to)
{
    int have = from == BERTH_DOUBLE || from == BERTH_COMPLEX128 ? 52 : from == BERTH_FLOAT ? 23 : 0;
    int keep = to == BERTH_HALF                             ? 10
               : to == BERTH_BFLOAT16                       ? 7
               : to == BERTH_FLOAT || to == BERTH_COMPLEX64 ? 23
                                                            : 52;
    return have > keep ? have - keep : 0;
}

/* Clears low mantissa bits; a NaN keeps a bit that lives on. */
static void clear_low(void *p, int64_t n, berth_dtype dtype, int drop)
{
    if (dtype == BERTH_FLOAT) {
        uint32_t *u = p;
        for (int64_t i = 0; i < n; i++)
            u[i] = (u[i] & 0x7fffffff) > 0x7f800000 ? u[i] | 0x400000 : u[i] & ~((1u << drop) - 1);
        return;
    }
    uint64_t *u = p;
    for (int64_t i = 0; i < (dtype == BERTH_COMPLEX128 ? 2 * n : n); i++)
        u[i] = (u[i] & INT64_MAX) > 0x7ff0000000000000 ? u[i] | 1ull << 51 : u[i] & ~((1ull << drop) - 1);
}

/* In pieces through float (from a narrow type), the loop, and float (to one). */
static void cast_range(void *user, int64_t begin, int64_t end, int worker)
{
    enum { PIECE = 256 };
    const cast_job *job = user;
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    size_t in_size = bt_dtype_size(job->from), out_size = bt_dtype_size(job->to);
    _Alignas(16) char source[PIECE * 16], target[PIECE * 4];
    (void)worker;
    for (int64_t i = begin, n; i < end; i += n) {
        n = end - i < PIECE ? end - i : PIECE;
        const void *x = job->x + (size_t)i * in_size;
        void *y = job->y + (size_t)i * out_size;
        if (is_narrow(job->from)) {
            (job->from == BERTH_HALF ? vec->half_to_float : vec->bf16_to_float)((float *)(void *)source, x,
                                                                                n);
            x = source;
        } else if (job->drop) {
            memcpy(source, x, (size_t)n * in_size);
            clear_low(source, n, job->from, job->drop);
            x = source;
        }
        job->loop(is_narrow(job->to) ? target : y, &x, NULL, n, NULL);
        if (is_narrow(job->to))
            (job->to == BERTH_HALF ? vec->float_to_half
                                   : vec->float_to_bf16)(y, (const float *)(void *)target, n);
    }
}

BT_CL_DECLARE(cast);

static berth_status cast_on_gpu(bt_call *c, berth_dtype to, int drop)
{
    static const bt_elementwise cast = {.n_in = 1, .gpu = BT_CL(cast)};
    const bt_shape *shape = &c->in[0]->shape;
    const float param = (float)drop;
    bt_broadcast plan;
    bt_broadcast_plan(&plan, shape, &shape, 1);
    return bt_elementwise_gpu(c, &cast, to, &plan, shape, &param);
}

static berth_status run_cast(bt_call *c)
{
    if (c->n_in != 1) return bt_call_fail(c, "needs an input");
    const bt_tensor *in = c->in[0];
    berth_dtype to = bt_attr_type(c->node, "DstT", BERTH_NO_DTYPE);
    if (to == in->dtype) return bt_out_alias(c, 0, 0, to, &in->shape);
    cast_job job = {.x = in->data, .from = in->dtype, .to = to};
    job.loop = (unsigned)to < BT_DTYPES ? loops[widened(in->dtype)][widened(to)] : NULL;
    if (!job.loop)
        return bt_call_unsupported(c, "Cast %s to %s is not supported", bt_dtype_name(in->dtype),
                                   bt_dtype_name(to));
    if (bt_attr_bool(c->node, "Truncate", false)) job.drop = dropped_bits(job.from, job.to);
    if (bt_on_gpu(c)) return cast_on_gpu(c, to, job.drop);
    job.y = bt_out(c, 0, to, &in->shape);
    if (!job.y) return c->error->status;
    bt_parallel(c->pool, bt_tensor_count(in), 16384, cast_range, &job);
    return BERTH_OK;
}

static berth_status infer_cast(bt_infer *x)
{
    berth_status status = bt_infer_same(x);
    x->out[0].dtype = bt_attr_type(x->node, "DstT", BERTH_NO_DTYPE);
    return status;
}

/* ---- Bitcast: a wider element is a last dimension of narrower ones ------------------------------------ */

static bool bitcast_shape(bt_shape *shape, size_t from, size_t to)
{
    if (shape->rank < 0 || !from || !to) return shape->rank < 0;
    if (from > to) {
        if (shape->rank == BT_MAX_RANK || from % to) return false;
        shape->dim[shape->rank++] = (int64_t)(from / to);
    } else if (to > from) {
        if (shape->rank == 0 || to % from) return false;
        int64_t last = shape->dim[--shape->rank];
        return last < 0 || last == (int64_t)(to / from);
    }
    return true;
}

static berth_status run_bitcast(bt_call *c)
{
    char text[BT_SHAPE_TEXT];
    if (c->n_in != 1) return bt_call_fail(c, "needs an input");
    berth_dtype from = c->in[0]->dtype, to = bt_attr_type(c->node, "type", BERTH_NO_DTYPE);
    bt_shape shape = c->in[0]->shape;
    if (bt_dtype_is_object(from) || !bt_dtype_valid((int)to) || bt_dtype_is_object(to) ||
        !bitcast_shape(&shape, bt_dtype_size(from), bt_dtype_size(to)))
        return bt_call_fail(c, "Cannot bitcast from %s to %s: shape %s", bt_dtype_name(from),
                            bt_dtype_name(to), bt_shape_text(&c->in[0]->shape, text));
    return bt_out_alias(c, 0, 0, to, &shape);
}

static berth_status infer_bitcast(bt_infer *x)
{
    berth_status status = bt_infer_same(x);
    if (status) return status;
    x->out[0].dtype = bt_attr_type(x->node, "type", BERTH_NO_DTYPE);
    if (!x->in[0].dtype ||
        !bitcast_shape(&x->out[0].shape, bt_dtype_size(x->in[0].dtype), bt_dtype_size(x->out[0].dtype)))
        x->out[0].shape = BT_SHAPE_UNKNOWN;
    return BERTH_OK;
}

/* ---- Records ------------------------------------------------------------------------------------------ */

#define CASTS (BT_NUMBERS | BT_T(BERTH_BOOL) | BT_QUANTIZED)

const bt_op bt_ops_cast[] = {
    {"Cast", infer_cast, .cpu = run_cast, .flags = BT_OP_INPLACE, .types = CASTS, .type_attr = "SrcT", .gpu = run_cast,
     .gpu_types = CASTS},
    {"Bitcast", infer_bitcast, .cpu = run_bitcast, .flags = BT_OP_ALIAS, .gpu = run_bitcast, .gpu_types = CASTS},
    {0},
};
