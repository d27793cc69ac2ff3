/* Elementwise kernels: a loop a dtype, and one driver that broadcasts, splits over threads and widens half and
 * bfloat16 to float on the way. The families (elementwise_unary.c, elementwise_binary.c, compare.c, activation.c
 * ...) are tables of loops made by the macros at the end. */
#ifndef BT_ELEMENTWISE_H
#define BT_ELEMENTWISE_H

#include "ops/op.h"
#include "simd/simd.h"

#ifndef CMPLX /* glibc's <complex.h> has these for gcc alone */
#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#define CMPLXF(x, y) __builtin_complex((float)(x), (float)(y))
#endif

enum { BT_MAX_OPERANDS = 3, BT_DTYPES = BERTH_UINT64 + 1 };

/* How up to three operands lie over an output: dimensions merged where all operands agree, the innermost last.
 * step[k][i] is operand k's distance in elements along dimension i, 0 where it is broadcast; along the innermost it
 * is 0 or 1. */
typedef struct bt_broadcast {
    int n_in, rank; /* rank >= 1 */
    int64_t dim[BT_MAX_RANK], step[BT_MAX_OPERANDS][BT_MAX_RANK];
    int64_t count;
} bt_broadcast;

/* in[k] broadcasts to out; false when one does not. */
bool bt_broadcast_plan(bt_broadcast *b, const bt_shape *out, const bt_shape *const *in, int n_in);

/* A run of n elements: output from element `at` on, operand k from in_at[k] on with step[k] of 0 or 1. False stops. */
typedef bool bt_row_fn(void *user, int64_t at, const int64_t *in_at, const int64_t *step, int64_t n);
/* All rows, over threads when there are many elements; false when a row was. */
bool bt_broadcast_run(const bt_broadcast *b, bt_pool *pool, bt_row_fn *row, void *user);

/* y[i] = f(in[k][i step[k]] ...). y may be an operand of step 1. False: the values do not allow it (x / 0). */
typedef bool bt_loop(void *y, const void *const *in, const int64_t *step, int64_t n, const float *param);

typedef struct bt_elementwise {
    int n_in;
    berth_dtype out;   /* 0: the operands' */
    const char *fault; /* what a loop that gives false means */
    const char *gpu;   /* the kernels that have its expression; NULL: elementwise.cl, or complex.cl */
    bt_loop *of
        [BT_DTYPES]; /* by the operands' dtype; half and bfloat16 take the float loop where they have none */
} bt_elementwise;

/* Broadcasts the call's inputs into output 0. param: at most two numbers for the loops, or NULL. */
berth_status bt_elementwise_run(bt_call *c, const bt_elementwise *op, const float *param);
/* The same with output dtype `out`. */
berth_status bt_elementwise_run_as(bt_call *c, const bt_elementwise *op, berth_dtype out, const float *param);

/* The same with the shapes told: of the output, and of the operands as they are to be broadcast. */
berth_status bt_elementwise_apply(bt_call *c, const bt_elementwise *op, berth_dtype out, const bt_shape *shape,
                                  const bt_shape *const *shapes, const float *param);
/* The same on c->device, if that has kernels: the expression of the node's op in elementwise.cl, complex.cl or special.cl,
 * or the choice of Select (elementwise_gpu.c). op: NULL for one that never fails. */
berth_status bt_elementwise_gpu(bt_call *c, const bt_elementwise *op, berth_dtype out, const bt_broadcast *plan,
                                const bt_shape *shape, const float *param);
/* The same with all pointers told: in[k] for operand k of the plan, y for the output. */
berth_status bt_elementwise_launch(bt_call *c, const bt_elementwise *op, berth_dtype out, const bt_broadcast *plan,
                                   void *y, const void *const *in, const float *param);
berth_status bt_select_gpu(bt_call *c, const bt_broadcast *plan, const bt_shape *shape);
#define BT_GPU_FLOATS (BT_T(BERTH_HALF) | BT_T(BERTH_BFLOAT16) | BT_T(BERTH_FLOAT))
#define BT_GPU_REALS (BT_GPU_FLOATS | BT_T(BERTH_INT32) | BT_T(BERTH_INT64))

/* Addition of every number type and of strings (elementwise_binary.c). */
extern const bt_elementwise bt_elementwise_add;

/* ---- Shape functions ---------------------------------------------------------------------------------- */

bt_infer_fn bt_infer_same_bool;      /* shape of in 0, bool */
bt_infer_fn bt_infer_broadcast_bool; /* shape broadcast of in 0 and in 1, bool */
/* Shape of in 0, dtype attribute "Tout" */
bt_infer_fn bt_infer_same_tout;

/* ---- Loops -------------------------------------------------------------------------------------------- */

/* One operand x of type T, result of type R. Identical pointers carry nothing from one element to the next. */
#define BT_LOOP1(name, T, R, expression)                                                   \
    static bool name(void *out_, const void *const *in_, const int64_t *step_, int64_t n_, \
                     const float *param_)                                                  \
    {                                                                                      \
        R *y_ = out_;                                                                      \
        const T *a_ = in_[0];                                                              \
        (void)step_, (void)param_;                                                         \
        _Pragma("GCC ivdep") for (int64_t i_ = 0; i_ < n_; i_++)                           \
        {                                                                                  \
            const T x = a_[i_];                                                            \
            (void)x;                                                                       \
            y_[i_] = (R)(expression);                                                      \
        }                                                                                  \
        return true;                                                                       \
    }

/* Two operands x and y. `check` may return false. */
#define BT_LOOP2_CHECKED(name, T, R, check, expression)                                    \
    static bool name(void *out_, const void *const *in_, const int64_t *step_, int64_t n_, \
                     const float *param_)                                                  \
    {                                                                                      \
        R *z_ = out_;                                                                      \
        const T *a_ = in_[0], *b_ = in_[1];                                                \
        (void)param_;                                                                      \
        if (step_[0] && step_[1]) {                                                        \
            BT_EACH2(T, R, a_[i_], b_[i_], check, expression)                              \
        } else if (step_[0]) {                                                             \
            const T one_ = *b_;                                                            \
            BT_EACH2(T, R, a_[i_], one_, check, expression)                                \
        } else {                                                                           \
            const T one_ = *a_;                                                            \
            BT_EACH2(T, R, one_, b_[i_ * step_[1]], check, expression)                     \
        }                                                                                  \
        return true;                                                                       \
    }
#define BT_EACH2(T, R, left, right, check, expression)       \
    _Pragma("GCC ivdep") for (int64_t i_ = 0; i_ < n_; i_++) \
    {                                                        \
        const T x = left, y = right;                         \
        check;                                               \
        z_[i_] = (R)(expression);                            \
    }
#define BT_LOOP2(name, T, R, expression) BT_LOOP2_CHECKED(name, T, R, (void)0, expression)

/* The float loop is one of the vector maths. */
#define BT_VEC1(name, id)                                                                               \
    static bool name(void *out_, const void *const *in_, const int64_t *step_, int64_t n_,              \
                     const float *param_)                                                               \
    {                                                                                                   \
        (void)step_;                                                                                    \
        bt_simd_get()->vec.unary[id](out_, in_[0], n_, param_ ? param_[0] : 0, param_ ? param_[1] : 0); \
        return true;                                                                                    \
    }
#define BT_VEC2(name, id)                                                                     \
    static bool name(void *out_, const void *const *in_, const int64_t *step_, int64_t n_,    \
                     const float *param_)                                                     \
    {                                                                                         \
        const bt_vec_kernels *vec_ = &bt_simd_get()->vec;                                     \
        (void)param_;                                                                         \
        (step_[0]   ? step_[1] ? vec_->binary[id] : vec_->binary_scalar[id]                   \
           : step_[1] ? vec_->scalar_binary[id]                                               \
                    : vec_->binary[id])(out_, in_[0], in_[1], step_[0] || step_[1] ? n_ : 1); \
        return true;                                                                          \
    }

/* LOOP is BT_LOOP1 or BT_LOOP2: the same expression for many types (tgmath.h picks the function). */
#define BT_SIGNED_LOOPS(LOOP, name, ...)            \
    LOOP(name##_i8, int8_t, int8_t, __VA_ARGS__)    \
    LOOP(name##_i16, int16_t, int16_t, __VA_ARGS__) \
    LOOP(name##_i32, int32_t, int32_t, __VA_ARGS__) \
    LOOP(name##_i64, int64_t, int64_t, __VA_ARGS__)
#define BT_UNSIGNED_LOOPS(LOOP, name, ...)            \
    LOOP(name##_u8, uint8_t, uint8_t, __VA_ARGS__)    \
    LOOP(name##_u16, uint16_t, uint16_t, __VA_ARGS__) \
    LOOP(name##_u32, uint32_t, uint32_t, __VA_ARGS__) \
    LOOP(name##_u64, uint64_t, uint64_t, __VA_ARGS__)
#define BT_INT_LOOPS(LOOP, name, ...)        \
    BT_SIGNED_LOOPS(LOOP, name, __VA_ARGS__) \
    BT_UNSIGNED_LOOPS(LOOP, name, __VA_ARGS__)
#define BT_FLOAT_LOOPS(LOOP, name, ...)         \
    LOOP(name##_f32, float, float, __VA_ARGS__) \
    LOOP(name##_f64, double, double, __VA_ARGS__)
#define BT_COMPLEX_LOOPS(LOOP, name, ...)                       \
    LOOP(name##_c64, float complex, float complex, __VA_ARGS__) \
    LOOP(name##_c128, double complex, double complex, __VA_ARGS__)

/* Their places in bt_elementwise.of. */
#define BT_OF_FLOATS(name) [BERTH_FLOAT] = name##_f32, [BERTH_DOUBLE] = name##_f64
#define BT_OF_COMPLEXES(name) [BERTH_COMPLEX64] = name##_c64, [BERTH_COMPLEX128] = name##_c128
#define BT_OF_SIGNED(name)                                                            \
    [BERTH_INT8] = name##_i8, [BERTH_INT16] = name##_i16, [BERTH_INT32] = name##_i32, \
    [BERTH_INT64] = name##_i64
#define BT_OF_UNSIGNED(name)                                                             \
    [BERTH_UINT8] = name##_u8, [BERTH_UINT16] = name##_u16, [BERTH_UINT32] = name##_u32, \
    [BERTH_UINT64] = name##_u64
#define BT_OF_INTS(name) BT_OF_SIGNED(name), BT_OF_UNSIGNED(name)

/* The kernel of an op whose table is name_op. */
#define BT_ELEMENTWISE_RUN(name) \
    static berth_status run_##name(bt_call *c) { return bt_elementwise_run(c, &name##_op, NULL); }

#endif
