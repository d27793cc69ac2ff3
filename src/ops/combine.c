/* In-place arithmetic on plain elements: what assignments and scatters do to a variable's rows. Broadcasting
 * arithmetic between tensors is elsewhere (elementwise). */
#include "ops/variable.h"

/* dst[i] = STORE(result of a = LOAD(dst[i]), b = LOAD(src[i * step])) */
#define EACH(T, C, LOAD, STORE, result)                                  \
    for (int64_t i = 0; i < n; i++) {                                    \
        C a = LOAD(((T *)dst)[i]), b = LOAD(((const T *)src)[i * step]); \
        ((T *)dst)[i] = STORE(result);                                   \
    }                                                                    \
    return true

#define KEEP(x) (x)

#define FLOATS(name, T, C, LOAD, STORE)                                                           \
    static bool combine_##name(bt_combine_op op, void *dst, const void *src, int64_t n, int step) \
    {                                                                                             \
        switch (op) {                                                                             \
        case BT_ADD: EACH(T, C, LOAD, STORE, a + b);                                              \
        case BT_SUB: EACH(T, C, LOAD, STORE, a - b);                                              \
        case BT_MUL: EACH(T, C, LOAD, STORE, a *b);                                               \
        case BT_DIV: EACH(T, C, LOAD, STORE, a / b);                                              \
        case BT_MIN: EACH(T, C, LOAD, STORE, b < a ? b : a);                                      \
        case BT_MAX: EACH(T, C, LOAD, STORE, a < b ? b : a);                                      \
        default: return false;                                                                    \
        }                                                                                         \
    }

FLOATS(float, float, float, KEEP, KEEP)
FLOATS(double, double, double, KEEP, KEEP)
FLOATS(half, uint16_t, float, bt_half_to_float, bt_float_to_half)
FLOATS(bfloat16, uint16_t, float, bt_bf16_to_float, bt_float_to_bf16)

/* Sums and products wrap around; the smallest number over -1 is itself. */
#define INTS(T)                                                                                      \
    static bool combine_##T(bt_combine_op op, void *dst, const void *src, int64_t n, int step)       \
    {                                                                                                \
        switch (op) {                                                                                \
        case BT_ADD: EACH(T, T, KEEP, (T), ((uint64_t)a + (uint64_t)b));                             \
        case BT_SUB: EACH(T, T, KEEP, (T), ((uint64_t)a - (uint64_t)b));                             \
        case BT_MUL: EACH(T, T, KEEP, (T), ((uint64_t)a * (uint64_t)b));                             \
        case BT_DIV:                                                                                 \
            for (int64_t i = 0; i < n; i++)                                                          \
                if (((const T *)src)[i * step] == 0) return false;                                   \
            EACH(T, T, KEEP, (T), (b == (T)-1 && (T)-1 < (T)1 ? (T)(0 - (uint64_t)a) : (T)(a / b))); \
        case BT_MIN: EACH(T, T, KEEP, KEEP, b < a ? b : a);                                          \
        case BT_MAX: EACH(T, T, KEEP, KEEP, a < b ? b : a);                                          \
        default: return false;                                                                       \
        }                                                                                            \
    }

INTS(int8_t)
INTS(int16_t)
INTS(int32_t)
INTS(int64_t)
INTS(uint8_t)
INTS(uint16_t)
INTS(uint32_t)
INTS(uint64_t)

#define COMPLEXES(name, T)                                                                        \
    static bool combine_##name(bt_combine_op op, void *dst, const void *src, int64_t n, int step) \
    {                                                                                             \
        typedef _Complex T C;                                                                     \
        switch (op) {                                                                             \
        case BT_ADD: EACH(C, C, KEEP, KEEP, a + b);                                               \
        case BT_SUB: EACH(C, C, KEEP, KEEP, a - b);                                               \
        case BT_MUL: EACH(C, C, KEEP, KEEP, a *b);                                                \
        case BT_DIV: EACH(C, C, KEEP, KEEP, a / b);                                               \
        default: return false;                                                                    \
        }                                                                                         \
    }

COMPLEXES(complex64, float)
COMPLEXES(complex128, double)

static bool combine_bool(bt_combine_op op, void *dst, const void *src, int64_t n, int step)
{
    switch (op) {
    case BT_ADD: EACH(bool, bool, KEEP, KEEP, a || b);
    case BT_SUB: EACH(bool, bool, KEEP, KEEP, a != b);
    default: return false;
    }
}

typedef bool combine_fn(bt_combine_op op, void *dst, const void *src, int64_t n, int step);

static combine_fn *const by_dtype[] = {
    [BERTH_FLOAT] = combine_float,         [BERTH_DOUBLE] = combine_double,
    [BERTH_HALF] = combine_half,           [BERTH_BFLOAT16] = combine_bfloat16,
    [BERTH_INT8] = combine_int8_t,         [BERTH_INT16] = combine_int16_t,
    [BERTH_INT32] = combine_int32_t,       [BERTH_INT64] = combine_int64_t,
    [BERTH_UINT8] = combine_uint8_t,       [BERTH_UINT16] = combine_uint16_t,
    [BERTH_UINT32] = combine_uint32_t,     [BERTH_UINT64] = combine_uint64_t,
    [BERTH_COMPLEX64] = combine_complex64, [BERTH_COMPLEX128] = combine_complex128,
    [BERTH_BOOL] = combine_bool,
};

berth_status bt_combine(berth_dtype dtype, bt_combine_op op, void *dst, const void *src, int64_t n, int step,
                        berth_error *error)
{
    if (op == BT_SET) {
        if (step) return bt_elements_copy(dtype, dst, src, n, error);
        berth_status status = BERTH_OK;
        for (int64_t i = 0; i < n && !status; i++)
            status = bt_elements_copy(dtype, (char *)dst + (size_t)i * bt_dtype_size(dtype), src, 1, error);
        return status;
    }
    combine_fn *combine = (size_t)dtype < sizeof by_dtype / sizeof *by_dtype ? by_dtype[dtype] : NULL;
    if (!combine)
        return bt_fail(error, BERTH_UNSUPPORTED, "has no arithmetic for dtype %s", bt_dtype_name(dtype));
    if (combine(op, dst, src, n, step)) return BERTH_OK;
    if (op == BT_DIV && bt_dtype_is_int(dtype)) return bt_fail(error, BERTH_BAD_INPUT, "division by zero");
    return bt_fail(error, BERTH_UNSUPPORTED, "has no order for dtype %s", bt_dtype_name(dtype));
}
