/* Keras 3: operations that take parts and put together: slices, turned and stacked arrays, segments. To read next: keras_operation_array.c. */
#include "format/keras_operation.h"

/* A block of a shape from start_indices; -1: all that is left. */
static void slice(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "inputs", BERTH_NO_DTYPE),
               from = btk_cast(k, btk_operand(c, 1, "start_indices", BERTH_INT32), BERTH_INT32);
    const bt_json *shape = btk_operand_json(c, 2, "shape");
    bt_shape out = {.rank = x.shape.rank};
    int64_t sizes[BT_MAX_RANK];
    if (!bt_json_is(shape, BT_JSON_ARRAY) || shape->n != x.shape.rank)
        return btk_unsupported(k, "a shape that is computed");
    for (int i = 0; i < out.rank; i++) {
        out.dim[i] = sizes[i] = bt_json_int(bt_json_at(shape, i), -2);
        if (sizes[i] < -1 || sizes[i] > INT32_MAX) return btk_unsupported(k, "such a slice");
    }
    btk_tensor y =
        btk_node(k, "Slice", 3, (btk_tensor[]){x, from, btk_ints(k, out.rank, sizes)}, x.dtype, out);
    btk_attr_type(k, y, "Index", BERTH_INT32);
    btk_return(c, y);
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
    int low = (int)(a < b ? a : b),
        high = (int)(a < b ? b : a); /* from a to b, when both are last in that order */
    bool turned = a > b;
    if (turned) turns = (4 - turns) & 3;
    if (turns == 2) x = btk_reverse(k, x, low);
    if (turns == 1 || turns == 2) x = btk_reverse(k, x, high);
    if (turns & 1) x = btk_swap(k, x, low, high);
    btk_return(c, turns == 3 ? btk_reverse(k, x, high) : x);
}

/* detail: the op; rows of one number together. Numbers that rise are counted by the op itself. */
static void segments(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "data", BERTH_NO_DTYPE),
               ids = btk_operand(c, 1, "segment_ids", BERTH_INT32), n;
    const bt_json *number = btk_operand_json(c, 2, "num_segments");
    bool rising = bt_json_bool(btk_operand_json(c, 3, "sorted"), false);
    int64_t known = bt_json_int(number, -1);
    if (ids.shape.rank != 1 || (number && (known < 0 || known > INT32_MAX)))
        return btk_unsupported(k, "such segments");
    if (number) {
        n = btk_int(k, known);
    } else if (!strcmp(op, "UnsortedSegmentSum")) { /* Keras counts those that there are */
        btk_tensor y = btk_node(k, "Unique", 1, &ids, ids.dtype, BT_SHAPE(-1));
        btk_attr_type(k, y, "out_idx", BERTH_INT32);
        n = btk_size(k, y, 0);
    } else {
        n = btk_shifted(k, btk_cast(k, btk_reduce(k, "Max", ids, 1, false), BERTH_INT32), 1);
    }
    if (rising) op += strlen("Unsorted");
    btk_tensor in[3] = {x, ids, n};
    btk_tensor y = btk_node(k, op, rising ? 2 : 3, in, x.dtype, btk_with_dim(x.shape, 0, known));
    btk_attr_type(k, y, "Tindices", ids.dtype);
    if (!rising) btk_attr_type(k, y, "Tnumsegments", BERTH_INT32);
    btk_return(c, y);
}

const btk_operation btk_part_operations[] = {
    {"slice", slice, NULL},
    {"size", size, NULL},
    {"rot90", rotate, NULL},
    {"segment_sum", segments, "UnsortedSegmentSum"},
    {"segment_max", segments, "UnsortedSegmentMax"},
    {"segment_min", segments, "UnsortedSegmentMin"},
    {"segment_prod", segments, "UnsortedSegmentProd"},
    {NULL, NULL, NULL},
};
