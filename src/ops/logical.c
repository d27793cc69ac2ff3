/* Truth values and bits. */
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "ops/move.h"

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

static berth_status scalar_to_bool(bt_call *c)
{
    bt_broadcast plan;
    const bt_shape *shape = &c->in[0]->shape;
    bt_broadcast_plan(&plan, shape, &shape, 1);
    return bt_elementwise_gpu(c, NULL, BERTH_BOOL, &plan, shape, NULL);
}

/* Types of scalars that TensorFlow finds true or false. */
#define TRUTHS (BT_SIGNED | BT_T(BERTH_UINT8) | BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE) | BT_T(BERTH_BOOL))

/* A scalar's truth; of anything else, whether there are elements. */
static berth_status run_to_bool(bt_call *c)
{
    if (c->n_in < 1) return bt_call_fail(c, "needs an input");
    const bt_tensor *x = c->in[0];
    bool truth = bt_tensor_count(x) > 0;
    bool scalar = x->shape.rank == 0, on_gpu = bt_on_gpu(c);
    if (scalar && x->dtype == BERTH_STRING) truth = ((const bt_string *)x->data)->n > 0;
    else if (scalar && !(TRUTHS >> x->dtype & 1))
        return bt_call_fail(c, "%s cannot be converted to a bool", bt_dtype_name(x->dtype));
    else if (scalar && on_gpu) return scalar_to_bool(c);
    else if (scalar && bt_dtype_is_float(x->dtype)) truth = bt_tensor_number(x, 0) != 0;
    else if (scalar) truth = bt_tensor_int(x, 0) != 0;
    uint8_t *y = bt_out(c, 0, BERTH_BOOL, &BT_SCALAR);
    if (!y) return c->error->status;
    if (on_gpu) return bt_call_fill(c, BERTH_BOOL, y, &truth, 1);
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

#define TRUTH(op, infer, name)                                                   \
    {                                                                            \
        op, infer, .cpu = run_##name, .flags = BT_OP_INPLACE, .gpu = run_##name, \
                   .gpu_types = BT_T(BERTH_BOOL)                                 \
    }
#define BITS(op, infer, name)                                                             \
    {                                                                                     \
        op, infer, .cpu = run_##name, .flags = BT_OP_INPLACE, BT_INTS, .gpu = run_##name, \
                   .gpu_types = BT_INTS                                                   \
    }

const bt_op bt_ops_logical[] = {
    TRUTH("LogicalNot", bt_infer_same_bool, not ),
    TRUTH("LogicalAnd", bt_infer_broadcast_bool, and),
    TRUTH("LogicalOr", bt_infer_broadcast_bool, or),
    {"ToBool", infer_to_bool, .cpu = run_to_bool, .gpu = run_to_bool, .gpu_types = TRUTHS},
    BITS("BitwiseAnd", bt_infer_broadcast, bit_and),
    BITS("BitwiseOr", bt_infer_broadcast, bit_or),
    BITS("BitwiseXor", bt_infer_broadcast, bit_xor),
    BITS("LeftShift", bt_infer_broadcast, left_shift),
    BITS("RightShift", bt_infer_broadcast, right_shift),
    BITS("Invert", bt_infer_same, invert),
    {"PopulationCount", infer_ones, .cpu = run_ones, .types = BT_INTS, .gpu = run_ones, .gpu_types = BT_INTS},
    {0},
};
