/* Keras: operations on numbers that are more than one node: numpy's functions of Keras 3, folds that pass over NaN, what is
 * sorted. To read next: keras_operation.c, which has the table's first part. */
#include "format/keras_operation.h"

#include <math.h>
#include <stdlib.h>

static btk_tensor first(btk_call *c) { return btk_operand(c, 0, "x|x1|a|y|array|inputs", BERTH_NO_DTYPE); }

static btk_tensor first_float(btk_call *c) { return btk_as_float(c->k, first(c)); }

static btk_tensor number(btk *k, btk_tensor like, double value) { return btk_number(k, like.dtype, value); }

static btk_tensor zeros(btk *k, btk_tensor x) { return btk_unary(k, "ZerosLike", x); }

/* "axis", one number; none: x is flattened and the axis is 0. */
static int one_axis(btk_call *c, btk_tensor *x, int i)
{
    const bt_json *j = btk_operand_json(c, i, "axis");
    int64_t axis = bt_json_int(j, 0);
    if (!j) *x = btk_flat(c->k, *x);
    if (axis < 0) axis += x->shape.rank;
    if (axis < 0 || axis >= x->shape.rank)
        return btk_damaged(c->k, "an axis beyond the rank of the input"), 0;
    return (int)axis;
}

/* ---- One tensor --------------------------------------------------------------------------------------- */

/* Toward zero. */
static void trunc_(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    if (!bt_dtype_is_float(x.dtype)) return btk_return(c, x);
    btk_return(c, btk_select(k, btk_compare(k, "Less", x, number(k, x, 0)), btk_unary(k, "Ceil", x),
                             btk_unary(k, "Floor", x)));
}

/* detail: the base. */
static void exp_of(btk_call *c, const char *base)
{
    btk_tensor x = first_float(c);
    btk_return(c, btk_binary(c->k, "Pow", number(c->k, x, strtod(base, NULL)), x));
}

static void log_of(btk_call *c, const char *base)
{
    btk_tensor x = btk_unary(c->k, "Log", first_float(c));
    btk_return(c, btk_binary(c->k, "RealDiv", x, number(c->k, x, log(strtod(base, NULL)))));
}

static void infinite(btk_call *c, const char *sign)
{
    btk_tensor x = first_float(c);
    btk_return(c, btk_compare(c->k, "Equal", x, number(c->k, x, *sign == '-' ? -INFINITY : INFINITY)));
}

static void threshold(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c);
    double limit = bt_json_double(btk_operand_json(c, 1, "threshold_value|threshold"), 0),
           other = bt_json_double(btk_operand_json(c, 2, "value|default_value"), 0);
    btk_return(c, btk_select(k, btk_compare(k, "Greater", x, number(k, x, limit)), x, number(k, x, other)));
}

/* sin(pi x) / (pi x) */
static void sinc(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_scaled(k, first_float(c), M_PI), zero = btk_compare(k, "Equal", x, number(k, x, 0));
    btk_tensor one = number(k, x, 1), safe = btk_select(k, zero, one, x);
    btk_return(c, btk_select(k, zero, one, btk_binary(k, "RealDiv", btk_unary(k, "Sin", safe), safe)));
}

static void nan_to_num(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    if (!bt_dtype_is_float(x.dtype)) return btk_return(c, x);
    double most = x.dtype == BERTH_HALF       ? 65504
                  : x.dtype == BERTH_DOUBLE   ? 1.7976931348623157e308
                  : x.dtype == BERTH_BFLOAT16 ? 3.3895313892515355e38
                                              : 3.4028234663852886e38;
    double nan = bt_json_double(btk_operand_json(c, 1, "nan"), 0),
           high = bt_json_double(btk_operand_json(c, 2, "posinf"), most),
           low = bt_json_double(btk_operand_json(c, 3, "neginf"), -most);
    btk_tensor y = btk_select(k, btk_test(k, "IsNan", x), number(k, x, nan), x);
    y = btk_select(k, btk_compare(k, "Equal", x, number(k, x, INFINITY)), number(k, x, high), y);
    btk_return(c, btk_select(k, btk_compare(k, "Equal", x, number(k, x, -INFINITY)), number(k, x, low), y));
}

/* detail: the factor's quotient, "180" degrees or "pi". */
static void angle_unit(btk_call *c, const char *to)
{
    btk_return(c, btk_scaled(c->k, first_float(c), *to == '1' ? 180 / M_PI : M_PI / 180));
}

static void cbrt_(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c);
    btk_tensor root = btk_binary(k, "Pow", btk_unary(k, "Abs", x), number(k, x, 1.0 / 3));
    btk_return(c, btk_binary(k, "Mul", btk_unary(k, "Sign", x), root));
}

/* Parts of a complex number; of a real one it is the only part. detail: the op. */
static void part(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = first(c);
    bool angle = !strcmp(op, "Angle"), imag = !strcmp(op, "Imag");
    if (bt_dtype_is_complex(x.dtype)) return btk_unsupported(k, "complex numbers");
    if (imag) return btk_return(c, zeros(k, x));
    if (!angle) return btk_return(c, x);
    x = btk_as_float(k, x);
    btk_tensor y =
        btk_select(k, btk_compare(k, "Less", x, number(k, x, 0)), number(k, x, M_PI), number(k, x, 0));
    btk_return(c, btk_select(k, btk_test(k, "IsNan", x), x, y));
}

/* Also of -0. */
static void sign_bit(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c), less = btk_compare(k, "Less", x, number(k, x, 0));
    if (!bt_dtype_is_float(x.dtype)) return btk_return(c, less);
    btk_tensor inverse = btk_unary(k, "Reciprocal", x);
    btk_return(c, btk_logical(k, "LogicalOr", less, btk_compare(k, "Less", inverse, number(k, x, 0))));
}

static void unary_float(btk_call *c, const char *op) { btk_return(c, btk_unary(c->k, op, first_float(c))); }

static void invert(btk_call *c, const char *op) { btk_return(c, btk_unary(c->k, op, first(c))); }

static void flip_axis(btk_call *c, const char *axis)
{
    btk_tensor x = first(c);
    if (btk_rank(c->k, x, *axis - '0' + 1, BT_MAX_RANK)) btk_return(c, btk_reverse(c->k, x, *axis - '0'));
}

static btk_tensor difference(btk *k, btk_tensor x, int axis, const char *op)
{
    return btk_binary(k, op, btk_slice(k, x, axis, 1, INT64_MAX), btk_slice(k, x, axis, 0, -1));
}

static void diff(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    int axis = one_axis(c, &x, 2);
    int64_t n = btk_operand_int(c, 1, "n", 1);
    if (n < 0 || n > 64 || x.dtype == BERTH_BOOL) return btk_unsupported(c->k, "such differences");
    for (int64_t i = 0; i < n && !c->k->failed; i++) x = difference(c->k, x, axis, "Sub");
    btk_return(c, x);
}

static void trapezoid(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor y = first_float(c);
    int axis = one_axis(c, &y, 3);
    if (btk_operand_json(c, 1, "x") || c->n_args > 1)
        return btk_unsupported(k, "a trapezoid of given places");
    btk_tensor sum = btk_reduce(k, "Sum", difference(k, y, axis, "AddV2"), 1u << axis, false);
    btk_return(c, btk_scaled(k, sum, bt_json_double(btk_operand_json(c, 2, "dx"), 1) / 2));
}

/* ---- Two tensors -------------------------------------------------------------------------------------- */

static void bitwise(btk_call *c, const char *op)
{
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    if (bt_dtype_is_float(a.dtype)) return btk_damaged(c->k, "takes integers");
    btk_return(c, btk_binary(c->k, op, a, b));
}

static void pair_float(btk_call *c, btk_tensor *a, btk_tensor *b)
{
    btk_operands(c, a, b);
    *a = btk_as_float(c->k, *a), *b = btk_as_float(c->k, *b);
}

static void remainder_(btk_call *c, const char *op)
{
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    btk_return(c, btk_binary(c->k, op, a, b));
}

static void float_binary(btk_call *c, const char *op)
{
    btk_tensor a, b;
    pair_float(c, &a, &b);
    btk_return(c, btk_binary(c->k, op, a, b));
}

/* log(e^a + e^b), or with base 2. */
static void log_add_exp(btk_call *c, const char *base)
{
    btk *k = c->k;
    btk_tensor a, b;
    pair_float(c, &a, &b);
    double unit = *base == '2' ? M_LN2 : 1;
    btk_tensor apart = btk_binary(k, "Sub", a, b);
    btk_tensor rest =
        btk_unary(k, "Log1p", btk_unary(k, "Exp", btk_scaled(k, btk_unary(k, "Abs", apart), -unit)));
    btk_tensor y = btk_binary(k, "AddV2", btk_binary(k, "Maximum", a, b), btk_scaled(k, rest, 1 / unit));
    btk_return(c, btk_select(k, btk_test(k, "IsNan", apart), btk_binary(k, "AddV2", a, b), y));
}

static void logical_xor(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a = btk_operand(c, 0, "x|x1|a", BERTH_BOOL), b = btk_operand(c, 1, "y|x2|b", BERTH_BOOL);
    btk_return(c, btk_compare(k, "NotEqual", btk_cast(k, a, BERTH_BOOL), btk_cast(k, b, BERTH_BOOL)));
}

static void hypot_(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b;
    pair_float(c, &a, &b);
    a = btk_unary(k, "Abs", a), b = btk_unary(k, "Abs", b);
    btk_tensor most = btk_binary(k, "Maximum", a, b), least = btk_binary(k, "Minimum", a, b);
    btk_tensor ratio = btk_binary(k, "DivNoNan", least, most);
    btk_tensor root = btk_unary(k, "Sqrt", btk_shifted(k, btk_unary(k, "Square", ratio), 1));
    btk_return(c, btk_binary(k, "Mul", most, root));
}

static void heaviside(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x, at_zero;
    pair_float(c, &x, &at_zero);
    btk_tensor zero = number(k, x, 0), step = btk_cast(k, btk_compare(k, "Greater", x, zero), x.dtype);
    btk_return(c, btk_select(k, btk_compare(k, "Equal", x, zero), at_zero, step));
}

static void ldexp_(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c), power = btk_cast(k, btk_operand(c, 1, "x2", BERTH_INT32), x.dtype);
    btk_return(c, btk_binary(k, "Mul", x, btk_binary(k, "Pow", number(k, x, 2), power)));
}

static void is_close(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b;
    pair_float(c, &a, &b);
    double relative = bt_json_double(btk_operand_json(c, 2, "rtol"), 1e-5),
           absolute = bt_json_double(btk_operand_json(c, 3, "atol"), 1e-8);
    btk_tensor apart = btk_unary(k, "Abs", btk_binary(k, "Sub", a, b));
    btk_tensor room = btk_shifted(k, btk_scaled(k, btk_unary(k, "Abs", b), relative), absolute);
    btk_tensor finite = btk_logical(k, "LogicalAnd", btk_test(k, "IsFinite", a), btk_test(k, "IsFinite", b));
    btk_tensor near = btk_logical(k, "LogicalAnd", finite, btk_compare(k, "LessEqual", apart, room));
    btk_tensor same = btk_logical(k, "LogicalOr", near, btk_compare(k, "Equal", a, b));
    if (bt_json_bool(btk_operand_json(c, 4, "equal_nan"), false))
        same = btk_logical(k, "LogicalOr", same,
                           btk_logical(k, "LogicalAnd", btk_test(k, "IsNan", a), btk_test(k, "IsNan", b)));
    btk_return(c, same);
}

/* The other where one is NaN. */
static void nan_best(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    btk_tensor best = btk_binary(k, op, a, b);
    if (!bt_dtype_is_float(a.dtype)) return btk_return(c, best);
    btk_tensor at_b = btk_select(k, btk_test(k, "IsNan", b), a, best);
    btk_return(c, btk_select(k, btk_test(k, "IsNan", a), b, at_b));
}

/* ---- Folds -------------------------------------------------------------------------------------------- */

static bool keeps(const btk_call *c) { return bt_json_bool(btk_operand_json(c, 2, "keepdims"), false); }

static btk_tensor counted(btk *k, btk_tensor is, berth_dtype dtype, uint32_t axes, bool keep)
{
    return btk_reduce(k, "Sum", btk_cast(k, is, dtype), axes, keep);
}

/* The mean of what is no NaN. */
static btk_tensor nan_mean(btk *k, btk_tensor x, uint32_t axes, bool keep)
{
    btk_tensor bad = btk_test(k, "IsNan", x), is = btk_compare(k, "Equal", bad, btk_number(k, BERTH_BOOL, 0));
    btk_tensor sum = btk_reduce(k, "Sum", btk_select(k, bad, number(k, x, 0), x), axes, keep);
    return btk_binary(k, "RealDiv", sum, counted(k, is, x.dtype, axes, keep));
}

/* detail: Mean, Var, Std, Sum, Prod, Max, Min. */
static void nan_fold(btk_call *c, const char *what)
{
    btk *k = c->k;
    btk_tensor x = first_float(c), y;
    uint32_t axes = btk_operand_axes(c, x, 1);
    bool best = what[0] == 'M' && strcmp(what, "Mean");
    if (!strcmp(what, "Mean")) return btk_return(c, nan_mean(k, x, axes, keeps(c)));
    if (!strcmp(what, "Var") || !strcmp(what, "Std")) {
        btk_tensor apart = btk_binary(k, "Sub", x, nan_mean(k, x, axes, true));
        y = nan_mean(k, btk_unary(k, "Square", apart), axes, keeps(c));
        return btk_return(c, strcmp(what, "Std") ? y : btk_unary(k, "Sqrt", y));
    }
    btk_tensor bad = btk_test(k, "IsNan", x);
    double neutral = !strcmp(what, "Max") ? -INFINITY : !strcmp(what, "Min") ? INFINITY : *what == 'P';
    y = btk_reduce(k, what, btk_select(k, bad, number(k, x, neutral), x), axes, keeps(c));
    if (best) y = btk_select(k, btk_reduce(k, "All", bad, axes, keeps(c)), number(k, x, NAN), y);
    btk_return(c, y);
}

static void spread(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    uint32_t axes = btk_operand_axes(c, x, 1);
    btk_return(c, btk_binary(c->k, "Sub", btk_reduce(c->k, "Max", x, axes, keeps(c)),
                             btk_reduce(c->k, "Min", x, axes, keeps(c))));
}

static void count_nonzero(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    btk_return(c, counted(k, btk_compare(k, "NotEqual", x, number(k, x, 0)), BERTH_INT32,
                          btk_operand_axes(c, x, 1), false));
}

static void average(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c);
    uint32_t axes = btk_operand_axes(c, x, -1);
    btk_value v = btk_operand_value(c, 1, "weights");
    if (btk_is_none(&v)) return btk_return(c, btk_reduce(k, "Mean", x, axes, false));
    btk_tensor w = btk_cast(k, btk_operand(c, 1, "weights", x.dtype), x.dtype);
    for (int i = x.shape.rank - 1; w.shape.rank < x.shape.rank && i >= 0 && !k->failed; i--)
        if (!(axes >> i & 1)) w = btk_expand(k, w, i < w.shape.rank ? i : -1);
    w = btk_binary(k, "AddV2", w, zeros(k, x));
    btk_tensor sum = btk_reduce(k, "Sum", btk_binary(k, "Mul", x, w), axes, false);
    btk_return(c, btk_binary(k, "RealDiv", sum, btk_reduce(k, "Sum", w, axes, false)));
}

/* ---- What is sorted ----------------------------------------------------------------------------------- */

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
    int axis = one_axis(c, &x, 1), last = x.shape.rank - 1;
    if (k->failed) return;
    btk_tensor y = sorted(k, axis == last ? x : btk_swap(k, x, axis, last), places != NULL);
    btk_return(c, axis == last ? y : btk_swap(k, y, axis, last));
}

/* The axes moved behind the others and made one: [others, n]. */
static btk_tensor gathered_axes(btk *k, btk_tensor x, uint32_t axes, int64_t *n)
{
    int perm[BT_MAX_RANK], others = 0, rank = x.shape.rank, from[BT_MAX_RANK];
    int64_t dims[BT_MAX_RANK];
    *n = 1;
    for (int i = 0; i < rank; i++)
        if (!(axes >> i & 1)) perm[others++] = i;
    for (int i = 0, to = others; i < rank; i++)
        if (axes >> i & 1) perm[to++] = i, *n *= btk_known(k, x, i, "the size of an axis");
    if (k->failed) return x;
    x = btk_transpose(k, x, perm);
    for (int i = 0; i < others; i++) dims[i] = -1, from[i] = i;
    dims[others] = *n, from[others] = -1;
    return btk_reshape(k, x, others + 1, dims, from);
}

/* The value at q (n - 1) in the sorted row, between two if need be. */
static void quantile_at(btk_call *c, btk_tensor x, uint32_t axes, double q)
{
    btk *k = c->k;
    int64_t n;
    if (!bt_dtype_is_float(x.dtype)) x = btk_cast(k, x, BERTH_FLOAT);
    btk_tensor row = sorted(k, gathered_axes(k, x, axes, &n), false);
    if (k->failed) return;
    if (n < 1 || !(q >= 0 && q <= 1)) return btk_damaged(k, "a quantile out of range");
    double place = q * (double)(n - 1), part = place - floor(place);
    int64_t at = (int64_t)floor(place);
    btk_tensor y = btk_pick(k, row, row.shape.rank - 1, at);
    if (part > 0) {
        btk_tensor next = btk_pick(k, row, row.shape.rank - 1, at + 1);
        y = btk_binary(k, "AddV2", btk_scaled(k, y, 1 - part), btk_scaled(k, next, part));
    }
    for (int i = 0; i < x.shape.rank && bt_json_bool(btk_operand_json(c, -1, "keepdims"), false); i++)
        if (axes >> i & 1) y = btk_expand(k, y, i);
    btk_return(c, y);
}

static void median(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    quantile_at(c, x, btk_operand_axes(c, x, 1), 0.5);
}

static void quantile(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    const bt_json *q = btk_operand_json(c, 1, "q"), *method = btk_operand_json(c, -1, "method");
    if (bt_json_get(bt_json_get(q, "config"), "value")) q = bt_json_get(bt_json_get(q, "config"), "value");
    if (!bt_json_is_number(q) || (method && !bt_json_is_text(method, "linear")))
        return btk_unsupported(c->k, "quantiles but a single linear one");
    quantile_at(c, x, btk_operand_axes(c, x, -1), bt_json_double(q, 0));
}

static void digitize(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    const bt_json *bins = btk_operand_json(c, 1, "bins");
    if (bt_json_get(bt_json_get(bins, "config"), "value"))
        bins = bt_json_get(bt_json_get(bins, "config"), "value");
    if (!bt_json_is(bins, BT_JSON_ARRAY)) return btk_unsupported(c->k, "bins that are no list");
    btk_return(c, btk_bucketize(c, x, bins));
}

const btk_operation btk_number_operations[] = {
    {"trunc", trunc_, NULL},
    {"exp2", exp_of, "2"},
    {"log2", log_of, "2"},
    {"log10", log_of, "10"},
    {"isposinf", infinite, "+"},
    {"isneginf", infinite, "-"},
    {"threshold", threshold, NULL},
    {"sinc", sinc, NULL},
    {"nan_to_num", nan_to_num, NULL},
    {"rad2deg", angle_unit, "180"},
    {"deg2rad", angle_unit, "pi"},
    {"cbrt", cbrt_, NULL},
    {"real", part, "Real"},
    {"imag", part, "Imag"},
    {"conj", part, "Conj"},
    {"conjugate", part, "Conj"},
    {"angle", part, "Angle"},
    {"signbit", sign_bit, NULL},
    {"erfinv", unary_float, "Erfinv"},
    {"lgamma", unary_float, "Lgamma"},
    {"digamma", unary_float, "Digamma"},
    {"bitwise_not", invert, "Invert"},
    {"bitwise_invert", invert, "Invert"},
    {"fliplr", flip_axis, "1"},
    {"flipud", flip_axis, "0"},
    {"diff", diff, NULL},
    {"trapezoid", trapezoid, NULL},

    {"arctan2", float_binary, "Atan2"},
    {"divide_no_nan", float_binary, "DivNoNan"},
    {"float_power", float_binary, "Pow"},
    {"fmod", remainder_, "Mod"},
    {"nextafter", float_binary, "NextAfter"},
    {"bitwise_and", bitwise, "BitwiseAnd"},
    {"bitwise_or", bitwise, "BitwiseOr"},
    {"bitwise_xor", bitwise, "BitwiseXor"},
    {"left_shift", bitwise, "LeftShift"},
    {"bitwise_left_shift", bitwise, "LeftShift"},
    {"right_shift", bitwise, "RightShift"},
    {"bitwise_right_shift", bitwise, "RightShift"},
    {"logaddexp", log_add_exp, "e"},
    {"logaddexp2", log_add_exp, "2"},
    {"logical_xor", logical_xor, NULL},
    {"hypot", hypot_, NULL},
    {"heaviside", heaviside, NULL},
    {"ldexp", ldexp_, NULL},
    {"isclose", is_close, NULL},
    {"fmax", nan_best, "Maximum"},
    {"fmin", nan_best, "Minimum"},

    {"nanmean", nan_fold, "Mean"},
    {"nanvar", nan_fold, "Var"},
    {"nanstd", nan_fold, "Std"},
    {"nansum", nan_fold, "Sum"},
    {"nanprod", nan_fold, "Prod"},
    {"nanmax", nan_fold, "Max"},
    {"nanmin", nan_fold, "Min"},
    {"ptp", spread, NULL},
    {"count_nonzero", count_nonzero, NULL},
    {"average", average, NULL},
    {"top_k", top_k, NULL},
    {"sort", sort, NULL},
    {"argsort", sort, "places"},
    {"median", median, NULL},
    {"quantile", quantile, NULL},
    {"digitize", digitize, NULL},
    {NULL, NULL, NULL},
};
