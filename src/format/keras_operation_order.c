/* Keras 3: operations on what is sorted: the largest, sorting, medians and quantiles, and those that pass over NaN. To read
 * next: keras_operation_number.c. */
#include "format/keras_operation.h"

#include <math.h>

static btk_tensor first(btk_call *c) { return btk_operand(c, 0, "x|x1|a|y|array|inputs", BERTH_NO_DTYPE); }

/* ---- Sorting ------------------------------------------------------------------------------------------ */

btk_tensor btk_top(btk *k, btk_tensor x, btk_tensor count, int64_t n, bool sorted)
{
    bt_shape shape = btk_with_dim(x.shape, x.shape.rank - 1, n);
    btk_tensor y = btk_node(k, "TopKV2", 2, (btk_tensor[]){x, count}, x.dtype, shape);
    btk_attr_bool(k, y, "sorted", sorted);
    return y;
}

static void top_k(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    int64_t n = btk_operand_int(c, 1, "k", 1);
    if (!btk_rank(k, x, 1, BT_MAX_RANK) || n < 0 || n > INT32_MAX) return btk_damaged(k, "a k out of range");
    btk_tensor y = btk_top(k, x, btk_int(k, n), n, bt_json_bool(btk_operand_json(c, 2, "sorted"), true));
    btk_returns(c, (btk_tensor[]){y, btk_output(y, 1, BERTH_INT32, y.shape)}, 2);
}

/* Along the last axis, rising: the largest of what was turned about. */
static btk_tensor sorted(btk *k, btk_tensor x, bool places)
{
    btk_tensor turned = btk_unary(k, "Neg", x);
    btk_tensor y = btk_top(k, turned, btk_size(k, x, -1), btk_dim(x, -1), true);
    return places ? btk_output(y, 1, BERTH_INT32, y.shape) : btk_unary(k, "Neg", y);
}

btk_tensor btk_places_sorted(btk *k, btk_tensor x) { return sorted(k, x, true); }

/* detail: "places" for argsort. */
static void sort(btk_call *c, const char *places)
{
    btk *k = c->k;
    btk_tensor x = first(c);
    int axis = btk_one_axis(c, &x, 1), last = x.shape.rank - 1;
    if (k->failed) return;
    btk_tensor y = sorted(k, axis == last ? x : btk_swap(k, x, axis, last), places != NULL);
    btk_return(c, axis == last ? y : btk_swap(k, y, axis, last));
}

/* ---- Quantiles ---------------------------------------------------------------------------------------- */

typedef struct quantiles {
    double *q; /* of 0 to 1 */
    int n;
    bool is_scalar, keeps, over_nan;
    const char *method;
    uint32_t axes;
} quantiles;

/* The axes moved behind the others. */
static btk_tensor axes_last(btk *k, btk_tensor x, uint32_t axes, int *others)
{
    int perm[BT_MAX_RANK], n = 0;
    for (int last = 0; last < 2; last++)
        for (int i = 0; i < x.shape.rank; i++)
            if ((axes >> i & 1) == (uint32_t)last) perm[n++] = i;
    *others = x.shape.rank - __builtin_popcount(axes);
    return btk_transpose(k, x, perm);
}

/* Those axes as the second of two: [others, n]. */
static btk_tensor as_rows(btk *k, btk_tensor x, int others)
{
    int64_t n = 1;
    btk_tensor size = btk_int(k, 1);
    for (int i = others; i < x.shape.rank; i++) {
        int64_t dim = btk_dim(x, i);
        n = n < 0 || dim < 0 || (dim && n > INT32_MAX / dim) ? -1 : n * dim;
        size = btk_binary(k, "Mul", size, btk_size(k, x, i));
    }
    if (n >= 0 && (n || !others)) return btk_reshape(k, x, 2, (int64_t[]){-1, n}, (int[]){-1, -1});
    if (!others) return btk_expand(k, btk_flat(k, x), 0);
    btk_tensor shape = btk_pack(k, 2, (btk_tensor[]){btk_int(k, -1), size});
    btk_tensor y = btk_node(k, "Reshape", 2, (btk_tensor[]){x, shape}, x.dtype, BT_SHAPE(-1, n));
    btk_attr_type(k, y, "Tshape", BERTH_INT32);
    return y;
}

/* Numbers [others or 1, n of q] of places in sorted rows that hold `count` values each. */
static btk_tensor places(btk *k, btk_tensor at, btk_tensor last, const char *op)
{
    btk_tensor y = btk_cast(k, op ? btk_unary(k, op, at) : at, BERTH_INT32);
    return btk_binary(k, "Maximum", btk_binary(k, "Minimum", y, last), btk_int(k, 0));
}

static btk_tensor values_at(btk *k, btk_tensor rows, btk_tensor at)
{
    at = btk_binary(k, "AddV2", at,
                    btk_unary(k, "ZerosLike", btk_cast(k, btk_reduce(k, "Max", rows, 2, true), BERTH_INT32)));
    btk_tensor y = btk_bare(k, "GatherV2", 3, (btk_tensor[]){rows, at, btk_int(k, 1)}, rows.dtype, at.shape);
    btk_attr_type(k, y, "Tparams", rows.dtype);
    btk_attr_type(k, y, "Tindices", BERTH_INT32);
    btk_attr_type(k, y, "Taxis", BERTH_INT32);
    btk_attr_int(k, y, "batch_dims", 1);
    return y;
}

/* Of sorted rows, their count of values [rows or 1, 1] in double: [rows, n of q]. */
static btk_tensor picked(btk *k, btk_tensor rows, btk_tensor count, const quantiles *o)
{
    btk_tensor last = btk_shifted(k, btk_cast(k, count, BERTH_INT32), -1);
    btk_tensor at = btk_binary(k, "Mul", btk_shifted(k, count, -1),
                               btk_numbers(k, BERTH_DOUBLE, BT_SHAPE(1, o->n), o->q));
    btk_tensor low = places(k, at, last, "Floor"), high = places(k, at, last, "Ceil");
    if (!strcmp(o->method, "lower")) return values_at(k, rows, low);
    if (!strcmp(o->method, "higher")) return values_at(k, rows, high);
    if (!strcmp(o->method, "nearest")) return values_at(k, rows, places(k, at, last, "Round"));
    if (!strcmp(o->method, "midpoint"))
        return btk_scaled(k, btk_binary(k, "AddV2", values_at(k, rows, low), values_at(k, rows, high)), 0.5);
    if (strcmp(o->method, "linear")) return btk_unsupported(k, "quantiles by '%s'", o->method), rows;
    low = btk_binary(k, "Maximum", btk_shifted(k, high, -1), btk_int(k, 0));
    high = btk_binary(k, "Maximum", btk_binary(k, "Minimum", btk_shifted(k, low, 1), last), btk_int(k, 0));
    btk_tensor part = btk_binary(k, "Sub", btk_cast(k, high, BERTH_DOUBLE), at),
               one = btk_number(k, rows.dtype, 1);
    part = btk_cast(k, part, rows.dtype);
    btk_tensor above = btk_binary(k, "Mul", values_at(k, rows, high), btk_binary(k, "Sub", one, part));
    return btk_binary(k, "AddV2", above, btk_binary(k, "Mul", values_at(k, rows, low), part));
}

/* [rows, n of q] as the result is shaped: q's axis, where it is one, before all others. */
static btk_tensor laid_out(btk *k, btk_tensor y, btk_tensor like, int others, const quantiles *o)
{
    int perm[BT_MAX_RANK], rank;
    y = others ? btk_unfold_leading(k, y, like, others) : btk_squeeze(k, y, 0);
    if (o->is_scalar) y = btk_squeeze(k, y, -1);
    for (int i = 0; i < like.shape.rank && o->keeps; i++)
        if (o->axes >> i & 1) y = btk_expand(k, y, i);
    rank = y.shape.rank;
    for (int i = 0; i < rank; i++) perm[i] = i ? i - 1 : rank - 1;
    return o->is_scalar || k->failed ? y : btk_transpose(k, y, perm);
}

static void give_quantiles(btk_call *c, btk_tensor x, const quantiles *o)
{
    btk *k = c->k;
    int others;
    if (k->failed || !btk_rank(k, x, 1, BT_MAX_RANK - 1)) return;
    x = btk_as_float(k, x);
    btk_tensor like = axes_last(k, x, o->axes, &others), rows = as_rows(k, like, others), count;
    btk_tensor bad = btk_test(k, "IsNan", rows), none;
    if (o->over_nan) {
        btk_tensor is = btk_cast(k, bad, BERTH_DOUBLE);
        count = btk_reduce(k, "Sum", btk_binary(k, "Sub", btk_number(k, BERTH_DOUBLE, 1), is), 2, true);
        rows = btk_select(k, bad, btk_number(k, x.dtype, INFINITY), rows);
        none = btk_compare(k, "Equal", count, btk_number(k, BERTH_DOUBLE, 0));
    } else {
        count = btk_reshape(k, btk_cast(k, btk_size(k, rows, 1), BERTH_DOUBLE), 2, (int64_t[]){1, 1}, NULL);
        none = btk_reduce(k, "Any", bad, 2, true);
        none.dtype = BERTH_BOOL;
    }
    btk_tensor y = picked(k, sorted(k, rows, false), count, o);
    y = btk_select(k, none, btk_number(k, x.dtype, NAN), y);
    btk_return(c, laid_out(k, y, like, others, o));
}

/* detail: "nan" to pass over those. */
static void median(btk_call *c, const char *nan)
{
    double half = 0.5;
    btk_tensor x = first(c);
    quantiles o = {&half,
                   1,
                   true,
                   bt_json_bool(btk_operand_json(c, 2, "keepdims"), false),
                   nan != NULL,
                   "linear",
                   btk_operand_axes(c, x, 1)};
    give_quantiles(c, x, &o);
}

/* detail: "q" or "p", in hundredths; "nan q" to pass over those. q is a float to Keras before it is a double. */
static void quantile(btk_call *c, const char *detail)
{
    btk_tensor x = first(c);
    const bt_json *q = btk_operand_json(c, 1, "q"), *array = bt_json_get(bt_json_get(q, "config"), "value");
    if (array) q = array;
    bool list = bt_json_is(q, BT_JSON_ARRAY), hundredths = strchr(detail, 'p') != NULL;
    quantiles o = {.n = list ? q->n : 1, .is_scalar = !list, .over_nan = *detail == 'n'};
    o.keeps = bt_json_bool(btk_operand_json(c, 4, "keepdims"), false);
    o.method = bt_json_text(btk_operand_json(c, 3, "method"), "linear");
    if (*detail == 'q') o.method = "linear"; /* Keras 3.15 lets the method of this one lie */
    o.axes = btk_operand_axes(c, x, 2);
    if (o.n < 1 || o.n > INT16_MAX || !q) return btk_unsupported(c->k, "quantiles that are computed");
    o.q = bt_arena_array(c->k->arena, double, (size_t)o.n);
    if (!o.q) return btk_fail(c->k, BERTH_NO_MEMORY, "out of memory");
    const bt_json *j = list ? q->first : q;
    for (int i = 0; i < o.n && j; i++, j = j->next) {
        float value = (float)bt_json_double(j, NAN);
        o.q[i] = hundredths ? (double)(value / 100) : (double)value;
        if (!(o.q[i] >= 0 && o.q[i] <= 1)) return btk_damaged(c->k, "a quantile out of range");
    }
    give_quantiles(c, x, &o);
}

/* ---- Over NaN ----------------------------------------------------------------------------------------- */

/* Where the best of what is no NaN is; -1 where all are. */
static void nan_place(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = btk_first_or_flat(c, 1);
    int axis = btk_operand_axis(c, 1, "axis", 0, x.shape.rank);
    bool least = !strcmp(op, "ArgMin"), whole = !bt_dtype_is_float(x.dtype),
         keep = bt_json_bool(btk_operand_json(c, 2, "keepdims"), false);
    if (k->failed) return;
    btk_tensor bad = whole ? x : btk_test(k, "IsNan", x), y;
    y = whole ? x : btk_select(k, bad, btk_number(k, x.dtype, least ? INFINITY : -INFINITY), x);
    bt_shape shape = btk_reduce(k, "Max", x, 1u << axis, false).shape;
    y = btk_node(k, op, 2, (btk_tensor[]){y, btk_int(k, axis)}, BERTH_INT32, shape);
    btk_attr_type(k, y, "Tidx", BERTH_INT32);
    btk_attr_type(k, y, "output_type", BERTH_INT32);
    if (!whole) y = btk_select(k, btk_reduce(k, "All", bad, 1u << axis, false), btk_int(k, -1), y);
    btk_return(c, keep ? btk_expand(k, y, axis) : y);
}

/* detail: the op, over the NaN's neutral number. */
static void nan_cumulate(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = btk_first_or_flat(c, 1);
    int axis = btk_operand_axis(c, 1, "axis", 0, x.shape.rank);
    x = btk_cast(k, btk_without_nan(k, x, *op == 'C' && op[3] == 'p' ? 1 : 0),
                 btk_dtype_of(k, btk_operand_json(c, 2, "dtype"), x.dtype, false));
    btk_tensor y = btk_node(k, op, 2, (btk_tensor[]){x, btk_int(k, axis)}, x.dtype, x.shape);
    btk_attr_type(k, y, "Tidx", BERTH_INT32);
    btk_attr_bool(k, y, "exclusive", false);
    btk_attr_bool(k, y, "reverse", false);
    btk_return(c, y);
}

const btk_operation btk_order_operations[] = {
    {"top_k", top_k, NULL},
    {"sort", sort, NULL},
    {"argsort", sort, "places"},
    {"median", median, NULL},
    {"nanmedian", median, "nan"},
    {"quantile", quantile, "q"},
    {"percentile", quantile, "p"},
    {"nanquantile", quantile, "nan q"},
    {"nanpercentile", quantile, "nan p"},
    {"nanargmax", nan_place, "ArgMax"},
    {"nanargmin", nan_place, "ArgMin"},
    {"nancumsum", nan_cumulate, "Cumsum"},
    {"nancumprod", nan_cumulate, "Cumprod"},
    {NULL, NULL, NULL},
};
