/* Keras 3: operations that take parts and put together: slices, turned and stacked arrays, segments, rows of numbers between two. To read next: keras_operation_array.c. */
#include "format/keras_operation.h"

/* shape, a list, from start_indices, a list of numbers. */
static void slice(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "inputs", BERTH_NO_DTYPE);
    const bt_json *start = btk_operand_json(c, 1, "start_indices"), *shape = btk_operand_json(c, 2, "shape");
    if (!bt_json_is(start, BT_JSON_ARRAY) || !bt_json_is(shape, BT_JSON_ARRAY) || start->n != x.shape.rank ||
        shape->n != x.shape.rank)
        return btk_unsupported(k, "a slice that is computed");
    for (int i = 0; i < x.shape.rank && !k->failed; i++) {
        int64_t from = bt_json_int(bt_json_at(start, i), -1), n = bt_json_int(bt_json_at(shape, i), -1);
        if (from < 0 || n < 0 || from > INT32_MAX || n > INT32_MAX) return btk_unsupported(k, "such a slice");
        x = btk_slice(k, x, i, from, from + n);
    }
    btk_return(c, x);
}

static void size(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), n = btk_int(k, 1);
    for (int i = 0; i < x.shape.rank; i++) n = btk_binary(k, "Mul", n, btk_size(k, x, i));
    btk_return(c, n);
}

/* Quarter turns from the first axis to the second. */
static void rotate(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "array|x", BERTH_NO_DTYPE);
    const bt_json *axes = btk_operand_json(c, 2, "axes");
    int64_t turns = btk_operand_int(c, 1, "k", 1) & 3, a = bt_json_int(bt_json_at(axes, 0), 0),
            b = bt_json_int(bt_json_at(axes, 1), 1);
    if (a < 0) a += x.shape.rank;
    if (b < 0) b += x.shape.rank;
    if (a < 0 || b < 0 || a >= x.shape.rank || b >= x.shape.rank || a == b)
        return btk_damaged(k, "axes that cannot be turned");
    if (turns == 2) x = btk_reverse(k, x, (int)a);
    if (turns == 1 || turns == 2) x = btk_reverse(k, x, (int)b);
    if (turns & 1) x = btk_swap(k, x, (int)a, (int)b);
    btk_return(c, turns == 3 ? btk_reverse(k, x, (int)b) : x);
}

/* num rows from one to the other: start + i step, along a new axis. */
static void between(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b, row[256];
    btk_operands(c, &a, &b);
    int64_t n = btk_operand_int(c, 2, "num", 50), axis = btk_operand_int(c, -1, "axis", 0);
    bool closed = bt_json_bool(btk_operand_json(c, -1, "endpoint"), true);
    if (n < 1 || n > 256 || bt_json_bool(btk_operand_json(c, -1, "retstep"), false))
        return btk_unsupported(k, "%lld numbers between two", (long long)n);
    if (!bt_dtype_is_float(a.dtype)) a = btk_cast(k, a, BERTH_FLOAT), b = btk_cast(k, b, BERTH_FLOAT);
    btk_tensor span = btk_binary(k, "Sub", b, a);
    if (axis < 0) axis += span.shape.rank + 1;
    if (axis < 0 || axis > span.shape.rank) return btk_damaged(k, "an axis beyond the rank of the input");
    for (int i = 0; i < n; i++) {
        double part = n > 1 ? (double)i / (double)(n - closed) : 0;
        btk_tensor at = btk_binary(k, "AddV2", a, btk_scaled(k, span, part));
        row[i] = btk_expand(k, at, (int)axis);
    }
    btk_return(c, btk_concat(k, (int)n, row, (int)axis));
}

/* detail: the op; rows of one number together, of numbers below num_segments. */
static void segments(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "data", BERTH_NO_DTYPE),
               ids = btk_operand(c, 1, "segment_ids", BERTH_INT32);
    int64_t n = btk_operand_int(c, 2, "num_segments", -1);
    if (n < 0 || n > INT32_MAX || ids.shape.rank != 1)
        return btk_unsupported(k, "segments without their number");
    btk_tensor in[3] = {x, ids, btk_int(k, n)};
    btk_tensor y = btk_node(k, op, 3, in, x.dtype, btk_with_dim(x.shape, 0, n));
    btk_attr_type(k, y, "Tindices", ids.dtype);
    btk_attr_type(k, y, "Tnumsegments", BERTH_INT32);
    btk_return(c, y);
}

const btk_operation btk_part_operations[] = {
    {"slice", slice, NULL},
    {"size", size, NULL},
    {"rot90", rotate, NULL},
    {"linspace", between, NULL},
    {"segment_sum", segments, "UnsortedSegmentSum"},
    {"segment_max", segments, "UnsortedSegmentMax"},
    {NULL, NULL, NULL},
};
