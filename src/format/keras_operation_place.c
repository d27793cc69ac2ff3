/* Keras 3: operations by places and values: scattering, searching, counting, what is distinct. To read next:
 * keras_operation_array.c (taking by places). */
#include "format/keras_operation.h"

/* ---- Written to places -------------------------------------------------------------------------------- */

static btk_tensor whole_numbers(btk *k, btk_tensor x)
{
    return x.dtype == BERTH_INT32 || x.dtype == BERTH_INT64 ? x : btk_cast(k, x, BERTH_INT32);
}

static bool shape_of(const bt_json *j, bt_shape *shape, int64_t *dims)
{
    *shape = (bt_shape){.rank = bt_json_is(j, BT_JSON_ARRAY) ? j->n : -1};
    if (shape->rank < 0 || shape->rank > BT_MAX_RANK) return false;
    for (int i = 0; i < shape->rank; i++) {
        dims[i] = shape->dim[i] = bt_json_int(bt_json_at(j, i), -1);
        if (dims[i] < 0 || dims[i] > INT32_MAX) return false;
    }
    return true;
}

/* Values added up where they go, in zeros of a shape. */
static void scatter(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor at = whole_numbers(k, btk_operand(c, 0, "indices", BERTH_INT32)),
               values = btk_operand(c, 1, "values", BERTH_NO_DTYPE), sizes;
    bt_shape shape;
    int64_t dims[BT_MAX_RANK];
    if (!shape_of(btk_operand_json(c, 2, "shape"), &shape, dims))
        return btk_unsupported(k, "a shape that is computed");
    sizes = btk_cast(k, btk_ints(k, shape.rank, dims), at.dtype);
    btk_tensor y = btk_node(k, "ScatterNd", 3, (btk_tensor[]){at, values, sizes}, values.dtype, shape);
    btk_attr_type(k, y, "T", values.dtype);
    btk_attr_type(k, y, "Tindices", at.dtype);
    btk_return(c, y);
}

/* x times the product of what goes to each place: [places, depth] as numbers of rows of the first `depth` axes. */
static btk_tensor scattered_product(btk *k, btk_tensor x, btk_tensor at, btk_tensor updates)
{
    int64_t depth = btk_known(k, at, -1, "the depth of indices");
    if (k->failed || depth < 1 || depth > x.shape.rank || at.shape.rank != 2)
        return btk_unsupported(k, "products at such places"), x;
    btk_tensor row = btk_pick(k, at, 1, 0), rows = btk_size(k, x, 0);
    for (int i = 1; i < depth && !k->failed; i++) {
        btk_tensor n = btk_size(k, x, i);
        rows = btk_binary(k, "Mul", rows, n);
        row = btk_binary(k, "Mul", row, btk_cast(k, n, row.dtype));
        row = btk_binary(k, "AddV2", row, btk_pick(k, at, 1, i));
    }
    bt_shape shape = {.rank = x.shape.rank - (int)depth + 1, .dim = {-1}};
    for (int i = 1; i < shape.rank; i++) shape.dim[i] = btk_dim(x, i + (int)depth - 1);
    btk_tensor in[3] = {updates, row, rows};
    btk_tensor y = btk_node(k, "UnsortedSegmentProd", 3, in, x.dtype, shape);
    btk_attr_type(k, y, "Tindices", at.dtype);
    btk_attr_type(k, y, "Tnumsegments", BERTH_INT32);
    return btk_binary(k, "Mul", x, depth == 1 ? y : btk_unfold_leading(k, y, x, (int)depth));
}

static void scatter_update(btk_call *c, const char *detail)
{
    (void)detail;
    static const char *const ops[][2] = {
        {"add", "TensorScatterAdd"}, {"max", "TensorScatterMax"}, {"min", "TensorScatterMin"}};
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "inputs", BERTH_NO_DTYPE),
               at = whole_numbers(k, btk_operand(c, 1, "indices", BERTH_INT32)),
               updates = btk_operand(c, 2, "updates", x.dtype);
    const char *way = bt_json_text(btk_operand_json(c, 3, "reduction"), NULL),
               *op = way ? NULL : "TensorScatterUpdate";
    updates = btk_cast(k, updates, x.dtype);
    if (way && !strcmp(way, "mul")) return btk_return(c, scattered_product(k, x, at, updates));
    for (size_t i = 0; way && i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(ops[i][0], way)) op = ops[i][1];
    if (!op) return btk_unsupported(k, "the reduction '%s'", way);
    btk_tensor y = btk_node(k, op, 3, (btk_tensor[]){x, at, updates}, x.dtype, x.shape);
    btk_attr_type(k, y, "Tindices", at.dtype);
    btk_return(c, y);
}

/* A block in another's place, which lies within it: where it would not, it begins earlier. */
static void slice_update(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "inputs", BERTH_NO_DTYPE),
               from = btk_cast(k, btk_operand(c, 1, "start_indices", BERTH_INT32), BERTH_INT32),
               block = btk_cast(k, btk_operand(c, 2, "updates", x.dtype), x.dtype), have[BT_MAX_RANK],
               want[BT_MAX_RANK];
    int rank = x.shape.rank;
    if (k->failed || rank < 1 || block.shape.rank != rank || from.shape.rank != 1)
        return btk_damaged(k, "a block of another rank");
    int64_t ones[BT_MAX_RANK];
    for (int i = 0; i < rank; i++) have[i] = btk_size(k, x, i), want[i] = btk_size(k, block, i), ones[i] = 1;
    btk_tensor size = btk_pack(k, rank, want), room = btk_binary(k, "Sub", btk_pack(k, rank, have), size);
    from = btk_binary(k, "Maximum", btk_binary(k, "Minimum", from, room), btk_int(k, 0));
    btk_tensor in[5] = {x, from, btk_binary(k, "AddV2", from, size), btk_ints(k, rank, ones), block};
    btk_tensor y = btk_node(k, "TensorStridedSliceUpdate", 5, in, x.dtype, x.shape);
    btk_attr_type(k, y, "Index", BERTH_INT32);
    static const char *const masks[] = {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                                        "shrink_axis_mask"};
    for (int i = 0; i < 5; i++) btk_attr_int(k, y, masks[i], 0);
    btk_return(c, y);
}

/* ---- Places of values --------------------------------------------------------------------------------- */

/* Of what is not zero: [all, axes]. */
static btk_tensor places_of(btk *k, btk_tensor x)
{
    return btk_node(k, "Where", 1, &x, BERTH_INT64, BT_SHAPE(-1, x.shape.rank));
}

void btk_nonzero(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "x|condition", BERTH_BOOL), out[BT_MAX_RANK];
    if (!btk_rank(k, x, 1, BT_MAX_RANK)) return;
    btk_tensor y = btk_cast(k, places_of(k, x), BERTH_INT32);
    for (int i = 0; i < x.shape.rank; i++) out[i] = btk_pick(k, y, 1, i);
    btk_returns(c, out, x.shape.rank);
}

/* Where each value would go in a sorted row. */
static void search_sorted(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor row, values;
    btk_value v = btk_operand_value(c, 1, "values");
    row = btk_operand(c, 0, "sorted_sequence", v.kind == BTK_TENSOR ? v.tensor.dtype : BERTH_NO_DTYPE);
    values = btk_cast(k, btk_operand(c, 1, "values", row.dtype), row.dtype);
    const char *side = bt_json_text(btk_operand_json(c, 2, "side"), "left");
    if (!btk_rank(k, row, 1, 1) || !btk_rank(k, values, 0, BT_MAX_RANK)) return;
    btk_tensor flat = btk_expand(k, btk_flat(k, values), 0), in[2] = {btk_expand(k, row, 0), flat};
    btk_tensor y =
        btk_node(k, strcmp(side, "right") ? "LowerBound" : "UpperBound", 2, in, BERTH_INT32, flat.shape);
    btk_attr_type(k, y, "out_type", BERTH_INT32);
    y = btk_squeeze(k, y, 0);
    if (!values.shape.rank) return btk_return(c, btk_squeeze(k, y, 0));
    btk_return(c, values.shape.rank == 1 ? y : btk_unfold_leading(k, y, values, values.shape.rank));
}

/* Which elements of one are among those of the other. */
static void is_in(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    btk_tensor same = btk_compare(k, "Equal", btk_expand(k, a, -1), btk_flat(k, b));
    btk_tensor is = btk_reduce(k, "Any", same, btk_last_axis(same), false);
    if (bt_json_bool(btk_operand_json(c, -1, "invert"), false))
        is = btk_bare(k, "LogicalNot", 1, &is, BERTH_BOOL, is.shape);
    btk_return(c, is);
}

static void in_top_k(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor targets = whole_numbers(k, btk_operand(c, 0, "targets", BERTH_INT32)),
               x = btk_cast(k, btk_operand(c, 1, "predictions", BERTH_FLOAT), BERTH_FLOAT);
    int64_t n = btk_operand_int(c, 2, "k", 0);
    btk_tensor in[3] = {x, targets, btk_cast(k, btk_int(k, n), targets.dtype)};
    btk_tensor y = btk_bare(k, "InTopKV2", 3, in, BERTH_BOOL, targets.shape);
    btk_attr_type(k, y, "T", targets.dtype);
    btk_return(c, y);
}

/* Numbers of elements as coordinates in an array of a shape. */
static void unravel(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = whole_numbers(k, btk_operand(c, 0, "indices", BERTH_INT32)), out[BT_MAX_RANK];
    bt_shape shape;
    int64_t dims[BT_MAX_RANK];
    if (!shape_of(btk_operand_json(c, 1, "shape"), &shape, dims) || !shape.rank)
        return btk_unsupported(k, "a shape that is computed");
    for (int i = shape.rank - 1; i >= 0; i--) {
        btk_tensor n = btk_number(k, x.dtype, (double)dims[i]);
        out[i] = btk_binary(k, "FloorMod", x, n);
        x = btk_binary(k, "FloorDiv", x, n);
    }
    btk_returns(c, out, shape.rank);
}

/* The places of the k + 1 smallest of a row, then those of the others, as Keras finds them. */
static void partitioned(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_cast(k, btk_first_operand(c), BERTH_INT32);
    int64_t kth = btk_operand_int(c, 1, "kth", 0);
    if (x.shape.rank != 1 || kth < 0 || kth >= INT32_MAX) return btk_unsupported(k, "such a partition");
    btk_tensor n = btk_size(k, x, 0), last = btk_shifted(k, n, -1),
               within = btk_binary(k, "Minimum", btk_int(k, kth), last);
    btk_tensor low = btk_top(k, btk_unary(k, "Neg", x), btk_shifted(k, within, 1), -1, true);
    low = btk_output(low, 1, BERTH_INT32, low.shape);
    btk_tensor in[3] = {x, btk_expand(k, low, 1), btk_unary(k, "ZerosLike", low)};
    btk_tensor rest = btk_node(k, "TensorScatterUpdate", 3, in, BERTH_INT32, x.shape);
    btk_attr_type(k, rest, "Tindices", BERTH_INT32);
    rest = btk_top(k, rest, btk_binary(k, "Sub", last, within), -1, true);
    btk_return(c, btk_concat(k, 2, (btk_tensor[]){low, btk_output(rest, 1, BERTH_INT32, rest.shape)}, 0));
}

/* ---- Counts ------------------------------------------------------------------------------------------- */

static void bincount(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = whole_numbers(k, btk_first_operand(c)), weights;
    btk_value w = btk_operand_value(c, 1, "weights");
    int64_t fewest = btk_operand_int(c, 2, "minlength", 0);
    if (bt_json_bool(btk_operand_json(c, -1, "sparse"), false)) return btk_unsupported(k, "a sparse result");
    if (!btk_rank(k, x, 1, 2) || fewest < 0 || fewest > INT32_MAX) return btk_damaged(k, "such a count");
    btk_tensor most = btk_reduce(k, "Max", x, (1u << x.shape.rank) - 1, false);
    btk_tensor size =
        btk_binary(k, "Maximum", btk_shifted(k, most, 1), btk_number(k, x.dtype, (double)fewest));
    bool counts = btk_is_none(&w);
    weights = counts ? btk_const(k, BERTH_INT32, BT_SHAPE(0), "") : btk_operand(c, 1, "weights", BERTH_FLOAT);
    btk_tensor y = btk_bare(k, "DenseBincount", 3, (btk_tensor[]){x, size, weights}, weights.dtype,
                            btk_with_dim(x.shape, -1, -1));
    btk_attr_type(k, y, "Tidx", x.dtype);
    btk_attr_type(k, y, "T", weights.dtype);
    btk_attr_bool(k, y, "binary_output", false);
    btk_return(c, y);
}

static btk_tensor range(btk *k, btk_tensor n)
{
    btk_tensor y =
        btk_bare(k, "Range", 3, (btk_tensor[]){btk_int(k, 0), n, btk_int(k, 1)}, BERTH_INT32, BT_SHAPE(-1));
    btk_attr_type(k, y, "Tidx", BERTH_INT32);
    return y;
}

/* The first n along an axis, with as many more of one value as are lacking. */
static btk_tensor of_size(btk *k, btk_tensor x, int axis, int64_t n, double value)
{
    btk_tensor have = btk_size(k, x, axis), zero = btk_int(k, 0), pairs[2 * BT_MAX_RANK];
    x = btk_gather(k, x, range(k, btk_binary(k, "Minimum", have, btk_int(k, n))), axis);
    for (int i = 0; i < 2 * x.shape.rank; i++) pairs[i] = zero;
    pairs[2 * axis + 1] = btk_binary(k, "Maximum", btk_binary(k, "Sub", btk_int(k, n), have), zero);
    btk_tensor pads =
        btk_reshape(k, btk_pack(k, 2 * x.shape.rank, pairs), 2, (int64_t[]){x.shape.rank, 2}, NULL);
    btk_tensor y = btk_node(k, "PadV2", 3, (btk_tensor[]){x, pads, btk_number(k, x.dtype, value)}, x.dtype,
                            btk_with_dim(x.shape, axis, n));
    btk_attr_type(k, y, "Tpaddings", BERTH_INT32);
    return y;
}

/* Sorted if need be: the places of rows in their order, the first number before the second. */
static btk_tensor order_of_rows(btk *k, btk_tensor y, int axis)
{
    if (y.shape.rank == 1) return btk_places_sorted(k, y);
    int64_t columns = 1;
    btk_tensor rows = btk_swap(k, y, 0, axis), order = range(k, btk_size(k, y, axis));
    for (int i = 1; i < y.shape.rank; i++) columns *= btk_known(k, rows, i, "the size of an axis");
    if (k->failed || columns > 256) return btk_unsupported(k, "rows so long"), y;
    rows = btk_reshape(k, rows, 2, (int64_t[]){-1, columns}, (int[]){-1, -1});
    for (int64_t i = columns - 1; i >= 0 && !k->failed; i--) {
        btk_tensor column = btk_gather(k, btk_pick(k, rows, 1, i), order, 0);
        order = btk_gather(k, order, btk_places_sorted(k, column), 0);
    }
    return order;
}

typedef struct distinct {
    btk_tensor values, first, inverse, counts;
} distinct;

/* The axis' distinct slices in the order of their first places. */
static distinct distinct_of(btk *k, btk_tensor x, int axis, bool first)
{
    distinct d;
    btk_tensor in[2] = {x, btk_ints(k, 1, (int64_t[]){axis})};
    d.values = btk_node(k, "UniqueWithCountsV2", 2, in, x.dtype, btk_with_dim(x.shape, axis, -1));
    btk_attr_type(k, d.values, "Taxis", BERTH_INT32);
    btk_attr_type(k, d.values, "out_idx", BERTH_INT32);
    d.inverse = btk_output(d.values, 1, BERTH_INT32, BT_SHAPE(btk_dim(x, axis)));
    d.counts = btk_output(d.values, 2, BERTH_INT32, BT_SHAPE(-1));
    if (!first) return d;
    btk_tensor of[3] = {range(k, btk_size(k, x, axis)), d.inverse, btk_size(k, d.values, axis)};
    d.first = btk_node(k, "UnsortedSegmentMin", 3, of, BERTH_INT32, BT_SHAPE(-1));
    btk_attr_type(k, d.first, "Tindices", BERTH_INT32);
    btk_attr_type(k, d.first, "Tnumsegments", BERTH_INT32);
    return d;
}

static void unique(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), like = x, out[4];
    const bt_json *at = btk_operand_json(c, 5, "axis");
    bool sorted = bt_json_bool(btk_operand_json(c, 1, "sorted"), true), wants[3];
    static const char *const names[] = {"return_index", "return_inverse", "return_counts"};
    for (int i = 0; i < 3; i++) wants[i] = bt_json_bool(btk_operand_json(c, 2 + i, names[i]), false);
    int64_t size = btk_operand_int(c, 6, "size", -1);
    double fill = bt_json_double(btk_operand_json(c, 7, "fill_value"), 0);
    if (!at) x = btk_flat(k, x);
    int axis = at ? btk_operand_axis(c, 5, "axis", 0, x.shape.rank) : 0, n = 0;
    if (k->failed) return;
    distinct d = distinct_of(k, x, axis, wants[0]);
    if (sorted) {
        btk_tensor order = order_of_rows(k, d.values, axis);
        d.values = btk_gather(k, d.values, order, axis);
        if (wants[0]) d.first = btk_gather(k, d.first, order, 0);
        if (wants[1]) d.inverse = btk_gather(k, btk_unary(k, "InvertPermutation", order), d.inverse, 0);
        if (wants[2]) d.counts = btk_gather(k, d.counts, order, 0);
    }
    if (size >= 0 && size <= INT32_MAX) {
        d.values = of_size(k, d.values, axis, size, fill);
        if (wants[0]) d.first = of_size(k, d.first, 0, size, 1);
        if (wants[2]) d.counts = of_size(k, d.counts, 0, size, 0);
    }
    if (wants[1] && !at && like.shape.rank > 1)
        d.inverse = btk_unfold_leading(k, d.inverse, like, like.shape.rank);
    out[n++] = d.values;
    if (wants[0]) out[n++] = d.first;
    if (wants[1]) out[n++] = d.inverse;
    if (wants[2]) out[n++] = d.counts;
    btk_returns(c, out, n);
}

const btk_operation btk_place_operations[] = {
    {"scatter", scatter, NULL},
    {"scatter_update", scatter_update, NULL},
    {"slice_update", slice_update, NULL},
    {"nonzero", btk_nonzero, NULL},
    {"search_sorted", search_sorted, NULL},
    {"is_in", is_in, NULL},
    {"in_top_k", in_top_k, NULL},
    {"unravel_index", unravel, NULL},
    {"argpartition", partitioned, NULL},
    {"bincount", bincount, NULL},
    {"unique", unique, NULL},
    {NULL, NULL, NULL},
};
