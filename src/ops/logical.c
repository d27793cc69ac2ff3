/* Truth values and bits. */
#include "ops/elementwise.h"

#define TABLE(name, n, ...) static const bt_elementwise name##_op = {.n_in = n, .of = {__VA_ARGS__}};

/* ---- Truth values ------------------------------------------------------------------------------------- */

BT_LOOP1(not_u8, uint8_t, uint8_t, !x)
BT_LOOP2(and_u8, uint8_t, uint8_t, x &&y)
BT_LOOP2(or_u8, uint8_t, uint8_t, x || y)
TABLE(not, 1, [BERTH_BOOL] = not_u8)
TABLE(and, 2, [BERTH_BOOL] = and_u8)
TABLE(or, 2, [BERTH_BOOL] = or_u8)
BT_ELEMENTWISE_RUN(not )
BT_ELEMENTWISE_RUN(and)
BT_ELEMENTWISE_RUN(or)

/* A scalar's truth; of anything else, whether there are elements. */
static berth_status run_to_bool(bt_call *c)
{
    if (c->n_in < 1) return bt_call_fail(c, "needs an input");
    const bt_tensor *x = c->in[0];
    bool truth = bt_tensor_count(x) > 0;
    uint32_t types =
        BT_SIGNED | BT_T(BERTH_UINT8) | BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE) | BT_T(BERTH_BOOL);
    if (x->shape.rank == 0 && x->dtype == BERTH_STRING) truth = ((const bt_string *)x->data)->n > 0;
    else if (x->shape.rank == 0 && !(types >> x->dtype & 1))
        return bt_call_fail(c, "%s cannot be converted to a bool", bt_dtype_name(x->dtype));
    else if (x->shape.rank == 0 && bt_dtype_is_float(x->dtype)) truth = bt_tensor_number(x, 0) != 0;
    else if (x->shape.rank == 0) truth = bt_tensor_int(x, 0) != 0;
    uint8_t *y = bt_out(c, 0, BERTH_BOOL, &BT_SCALAR);
    if (!y) return c->error->status;
    *y = truth;
    return BERTH_OK;
}

static berth_status infer_to_bool(bt_infer *x)
{
    x->out[0].dtype = BERTH_BOOL, x->out[0].shape = BT_SCALAR;
    return BERTH_OK;
}

/* ---- Bits --------------------------------------------------------------------------------------------- */

/* A shift is brought into [0, bits of the type), as TensorFlow does. */
static inline uint64_t shift_count(uint64_t y, size_t bytes) { return y < 8 * bytes ? y : 8 * bytes - 1; }
static inline uint64_t signed_count(int64_t y, size_t bytes)
{
    return y < 0 ? 0 : shift_count((uint64_t)y, bytes);
}

BT_INT_LOOPS(BT_LOOP2, bit_and, x &y)
BT_INT_LOOPS(BT_LOOP2, bit_or, x | y)
BT_INT_LOOPS(BT_LOOP2, bit_xor, x ^ y)
BT_SIGNED_LOOPS(BT_LOOP2, left_shift, (uint64_t)x << signed_count(y, sizeof x))
BT_UNSIGNED_LOOPS(BT_LOOP2, left_shift, (uint64_t)x << shift_count(y, sizeof x))
BT_SIGNED_LOOPS(BT_LOOP2, right_shift, x >> signed_count(y, sizeof x))
BT_UNSIGNED_LOOPS(BT_LOOP2, right_shift, x >> shift_count(y, sizeof x))
BT_INT_LOOPS(BT_LOOP1, invert, ~x)
TABLE(bit_and, 2, BT_OF_INTS(bit_and))
TABLE(bit_or, 2, BT_OF_INTS(bit_or))
TABLE(bit_xor, 2, BT_OF_INTS(bit_xor))
TABLE(left_shift, 2, BT_OF_INTS(left_shift))
TABLE(right_shift, 2, BT_OF_INTS(right_shift))
TABLE(invert, 1, BT_OF_INTS(invert))
BT_ELEMENTWISE_RUN(bit_and)
BT_ELEMENTWISE_RUN(bit_or)
BT_ELEMENTWISE_RUN(bit_xor)
BT_ELEMENTWISE_RUN(left_shift)
BT_ELEMENTWISE_RUN(right_shift)
BT_ELEMENTWISE_RUN(invert)

/* Ones of an unsigned type; the signed ones are read as unsigned. */
#define LOOP_BYTE(name, T, R, expression) BT_LOOP1(name, T, uint8_t, expression)
BT_UNSIGNED_LOOPS(LOOP_BYTE, ones, __builtin_popcountll(x))
static const bt_elementwise ones_op = {
    .n_in = 1,
    .out = BERTH_UINT8,
    .of = {BT_OF_UNSIGNED(ones), [BERTH_INT8] = ones_u8, [BERTH_INT16] = ones_u16, [BERTH_INT32] = ones_u32,
           [BERTH_INT64] = ones_u64}};
BT_ELEMENTWISE_RUN(ones)

static berth_status infer_ones(bt_infer *x)
{
    berth_status status = bt_infer_same(x);
    x->out[0].dtype = BERTH_UINT8;
    return status;
}

/* ---- Records ------------------------------------------------------------------------------------------ */

#define BITS(op, name)                                                                                 \
    {                                                                                                  \
        op, bt_infer_broadcast, .cpu = run_##name, .flags = BT_OP_INPLACE, BT_INTS, .gpu = run_##name, \
        .gpu_types = BT_GPU_REALS & BT_INTS                                                            \
    }

const bt_op bt_ops_logical[] = {
    {"LogicalNot", bt_infer_same_bool, .cpu = run_not, .flags = BT_OP_INPLACE, .gpu = run_not, .gpu_types = BT_T(BERTH_BOOL)},
    {"LogicalAnd", bt_infer_broadcast_bool, .cpu = run_and, .flags = BT_OP_INPLACE, .gpu = run_and, .gpu_types = BT_T(BERTH_BOOL)},
    {"LogicalOr", bt_infer_broadcast_bool, .cpu = run_or, .flags = BT_OP_INPLACE, .gpu = run_or, .gpu_types = BT_T(BERTH_BOOL)},
    {"ToBool", infer_to_bool, .cpu = run_to_bool},
    BITS("BitwiseAnd", bit_and),
    BITS("BitwiseOr", bit_or),
    BITS("BitwiseXor", bit_xor),
    {"LeftShift", bt_infer_broadcast, .cpu = run_left_shift, .flags = BT_OP_INPLACE, BT_INTS},
    {"RightShift", bt_infer_broadcast, .cpu = run_right_shift, .flags = BT_OP_INPLACE, BT_INTS},
    {"Invert", bt_infer_same, .cpu = run_invert, .flags = BT_OP_INPLACE, BT_INTS, .gpu = run_invert,
     .gpu_types = BT_GPU_REALS & BT_INTS},
    {"PopulationCount", infer_ones, .cpu = run_ones, .types = BT_INTS},
    {0},
};
