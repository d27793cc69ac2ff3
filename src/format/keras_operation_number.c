/* Keras: operations on numbers that are more than one node: numpy's functions of Keras 3, folds that pass over NaN.
 * To read next: keras_operation.c, which has the table's first part; keras_operation_order.c. */
#include "format/keras_operation.h"

#include <math.h>
#include <stdlib.h>

static btk_tensor first(btk_call *c) { return btk_operand(c, 0, "x|x1|a|y|array|inputs", BERTH_NO_DTYPE); }

static btk_tensor first_float(btk_call *c) { return btk_as_float(c->k, first(c)); }

static btk_tensor number(btk *k, btk_tensor like, double value) { return btk_number(k, like.dtype, value); }

static btk_tensor zeros(btk *k, btk_tensor x) { return btk_unary(k, "ZerosLike", x); }

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

static double largest_of(berth_dtype dtype)
{
    return dtype == BERTH_HALF       ? 65504
           : dtype == BERTH_DOUBLE   ? 1.7976931348623157e308
           : dtype == BERTH_BFLOAT16 ? 3.3895313892515355e38
                                     : 3.4028234663852886e38;
}

static btk_tensor bounded(btk *k, btk_tensor x, double nan, double high, double low)
{
    if (!bt_dtype_is_float(x.dtype)) return x;
    btk_tensor y = btk_select(k, btk_test(k, "IsNan", x), number(k, x, nan), x);
    y = btk_select(k, btk_compare(k, "Equal", x, number(k, x, INFINITY)), number(k, x, high), y);
    return btk_select(k, btk_compare(k, "Equal", x, number(k, x, -INFINITY)), number(k, x, low), y);
}

btk_tensor btk_without_nan(btk *k, btk_tensor x, double nan)
{
    return bounded(k, x, nan, largest_of(x.dtype), -largest_of(x.dtype));
}

static void nan_to_num(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    double most = largest_of(x.dtype), nan = bt_json_double(btk_operand_json(c, 1, "nan"), 0);
    btk_return(c, bounded(c->k, x, nan, bt_json_double(btk_operand_json(c, 2, "posinf"), most),
                          bt_json_double(btk_operand_json(c, 3, "neginf"), -most)));
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
    int axis = btk_one_axis(c, &x, 2);
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
    int axis = btk_one_axis(c, &y, 3);
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

/* detail: "all" for whether all are. */
static void is_close(btk_call *c, const char *all)
{
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
    btk_return(c, all ? btk_reduce(k, "All", same, (1u << same.shape.rank) - 1, false) : same);
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

/* Euclid's way, of all numbers at once: (a, b) become (b, a mod b) until no b is left. */
static btk_tensor divisor(btk *k, btk_tensor a, btk_tensor b)
{
    btk_tensor vars[2] = {a, b}, in[2] = {a, b}, out[2];
    btk_function f;
    btk_function_begin(k, "gcd_cond", 2, in, &f);
    btk_tensor left = btk_compare(k, "NotEqual", in[1], number(k, in[1], 0));
    left = btk_reduce(k, "Any", left, (1u << left.shape.rank) - 1, false);
    const char *condition = btk_function_end(k, &f, 1, &left);
    memcpy(in, vars, sizeof in);
    btk_function_begin(k, "gcd_body", 2, in, &f);
    btk_tensor is = btk_compare(k, "NotEqual", in[1], number(k, in[1], 0));
    btk_tensor safe = btk_select(k, is, in[1], number(k, in[1], 1));
    out[0] = btk_select(k, is, in[1], in[0]);
    out[1] = btk_select(k, is, btk_binary(k, "FloorMod", in[0], safe), number(k, in[1], 0));
    const char *body = btk_function_end(k, &f, 2, out);
    return btk_output(btk_while(k, 2, vars, condition, body), 0, a.dtype, a.shape);
}

/* The greatest common divisor; detail: "multiple" for the least common one. */
static void common_divisor(btk_call *c, const char *multiple)
{
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    if (bt_dtype_is_float(a.dtype)) return btk_damaged(k, "divisors of what is no integer");
    a = btk_unary(k, "Abs", a), b = btk_unary(k, "Abs", b);
    btk_tensor wide_a = btk_binary(k, "AddV2", a, zeros(k, b)),
               wide_b = btk_binary(k, "AddV2", b, zeros(k, a));
    btk_tensor y = divisor(k, wide_a, wide_b);
    if (multiple) {
        btk_tensor none = btk_compare(k, "Equal", y, number(k, y, 0)),
                   safe = btk_select(k, none, number(k, y, 1), y);
        btk_tensor product = btk_binary(k, "Mul", wide_a, btk_binary(k, "FloorDiv", wide_b, safe));
        y = btk_select(k, none, number(k, y, 0), product);
    }
    btk_return(c, y);
}

static void bessel(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first_float(c),
               y = btk_unary(c->k, "BesselI0", x.dtype == BERTH_DOUBLE ? x : btk_cast(c->k, x, BERTH_FLOAT));
    btk_return(c, btk_cast(c->k, y, x.dtype));
}

static void is_real(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    bool complex = x.dtype == BERTH_COMPLEX64 || x.dtype == BERTH_COMPLEX128;
    if (complex) return btk_unsupported(k, "complex numbers");
    btk_return(c, btk_unary(k, "OnesLike", btk_cast(k, x, BERTH_BOOL)));
}

/* The bounds of an integer type, or of what a float holds. */
static void bounds_of(berth_dtype dtype, double *low, double *high)
{
    int bits = 8 * (int)bt_dtype_size(dtype);
    bool is_signed =
        dtype == BERTH_INT8 || dtype == BERTH_INT16 || dtype == BERTH_INT32 || dtype == BERTH_INT64;
    bool is_float = bt_dtype_is_float(dtype);
    *high = is_float ? largest_of(dtype) : dtype == BERTH_BOOL ? 1 : ldexp(1, bits - is_signed) - 1;
    *low = is_float ? -*high : is_signed ? -ldexp(1, bits - 1) : 0;
}

/* Into the bounds that both types have, and, of what is not exact in x's type, toward 0. */
static void saturating(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    double low, high, own_low, own_high;
    berth_dtype to = btk_dtype_of(k, btk_operand_json(c, 1, "dtype"), x.dtype, false);
    if (k->failed) return;
    bounds_of(to, &low, &high), bounds_of(x.dtype, &own_low, &own_high);
    if (own_low > low) low = own_low;
    if (own_high < high) high = own_high;
    if (x.dtype == BERTH_FLOAT && (double)(float)high > high) high = (double)nextafterf((float)high, 0);
    if (x.dtype == BERTH_HALF || x.dtype == BERTH_BFLOAT16 || x.dtype == BERTH_DOUBLE)
        if (!bt_dtype_is_float(to) && bt_dtype_size(to) > 2)
            return btk_unsupported(k, "such a saturating cast");
    bool inner = x.dtype == BERTH_BOOL || x.dtype == to;
    if (!inner && !(low == own_low && high == own_high && !bt_dtype_is_float(x.dtype)))
        x = btk_clip(k, x, low, high);
    btk_return(c, btk_cast(k, x, to));
}

/* The same bytes as numbers of another type. */
static void view(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    berth_dtype to = btk_dtype_of(k, btk_operand_json(c, 1, "dtype"), x.dtype, false);
    int64_t from = (int64_t)bt_dtype_size(x.dtype), size = (int64_t)bt_dtype_size(to), n = btk_dim(x, -1);
    bt_shape shape = x.shape;
    if (k->failed || !from || !size || !btk_rank(k, x, from != size, BT_MAX_RANK - 1)) return;
    if (from != size && (n < 0 || n * from % size))
        return btk_unsupported(k, "a view of a last axis that does not divide");
    int64_t dims[BT_MAX_RANK];
    int axes[BT_MAX_RANK], rank = x.shape.rank;
    for (int i = 0; i < rank; i++) dims[i] = -1, axes[i] = i;
    if (size > from) {
        dims[rank - 1] = n * from / size, axes[rank - 1] = -1, dims[rank] = size / from, axes[rank] = -1;
        x = btk_reshape(k, x, rank + 1, dims, axes);
        shape = btk_with_dim(shape, -1, dims[rank - 1]);
    } else if (size < from) {
        shape.dim[shape.rank++] = from / size;
    }
    btk_tensor y = btk_bare(k, "Bitcast", 1, &x, to, shape);
    btk_attr_type(k, y, "T", x.dtype);
    btk_attr_type(k, y, "type", to);
    if (size < from) {
        for (int i = 0; i < rank; i++) dims[i] = -1, axes[i] = i;
        dims[rank - 1] = n * from / size, axes[rank - 1] = -1;
        y = btk_reshape(k, y, rank, dims, axes);
    }
    btk_return(c, y);
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
    {"all_close", is_close, "all"},
    {"gcd", common_divisor, NULL},
    {"lcm", common_divisor, "multiple"},
    {"i0", bessel, NULL},
    {"isreal", is_real, NULL},
    {"saturate_cast", saturating, NULL},
    {"view", view, NULL},
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
    {"digitize", digitize, NULL},
    {NULL, NULL, NULL},
};
