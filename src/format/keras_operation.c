/* Keras: operations: elementwise ones, folds and products, and the table of names. To read next:
 * keras_operand.c, keras_operation_array.c. */
#include "format/keras_operation.h"

#include <float.h>
#include <ctype.h>
#include <math.h>

/* ---- Elementwise -------------------------------------------------------------------------------------- */

/* The dtype that both become: floats before integers before bools, then the wider. */
static berth_dtype common(berth_dtype a, berth_dtype b)
{
    int rank_a = bt_dtype_is_float(a) ? 2 : a != BERTH_BOOL,
        rank_b = bt_dtype_is_float(b) ? 2 : b != BERTH_BOOL;
    if (rank_a != rank_b) return rank_a > rank_b ? a : b;
    return bt_dtype_size(a) >= bt_dtype_size(b) ? a : b;
}

/* Two operands of one dtype; numbers take that of the tensor beside them. */
void btk_operands(btk_call *c, btk_tensor *a, btk_tensor *b)
{
    static const char *const first = "x|x1|a|input|tensor", *const second = "y|x2|b|other";
    btk_value v = btk_operand_value(c, 0, first), w = btk_operand_value(c, 1, second);
    berth_dtype dtype = v.kind == BTK_TENSOR   ? v.tensor.dtype
                        : w.kind == BTK_TENSOR ? w.tensor.dtype
                                               : BERTH_NO_DTYPE;
    if (v.kind == BTK_LIST && v.n == 2 && btk_is_none(&w)) { /* both in one list */
        *a = v.items[0].tensor;
        *b = v.items[1].tensor;
    } else {
        *a = btk_operand(c, 0, first, dtype);
        *b = btk_operand(c, 1, second, dtype);
    }
    if (c->k->failed) return;
    dtype = common(a->dtype, b->dtype);
    if (a->dtype == BERTH_STRING || b->dtype == BERTH_STRING) return;
    *a = btk_cast(c->k, *a, dtype);
    *b = btk_cast(c->k, *b, dtype);
}

static void binary(btk_call *c, const char *op)
{
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    btk_return(c, btk_binary(c->k, op, a, b));
}

static void divide(btk_call *c, const char *op)
{
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    if (!bt_dtype_is_float(a.dtype)) a = btk_cast(c->k, a, BERTH_FLOAT), b = btk_cast(c->k, b, BERTH_FLOAT);
    btk_return(c, btk_binary(c->k, op, a, b));
}

static void compare(btk_call *c, const char *op)
{
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    btk_return(c, btk_compare(c->k, op, a, b));
}

static btk_tensor as_bool(btk *k, btk_tensor x)
{
    return x.dtype == BERTH_BOOL ? x : btk_compare(k, "NotEqual", x, btk_number(k, x.dtype, 0));
}

static void logical(btk_call *c, const char *op)
{
    btk_tensor a = as_bool(c->k, btk_operand(c, 0, "x|x1|a", BERTH_BOOL));
    btk_return(c, btk_logical(c->k, op, a, as_bool(c->k, btk_operand(c, 1, "y|x2|b", BERTH_BOOL))));
}

static btk_tensor first(btk_call *c)
{
    return btk_operand(c, 0, "x|a|input|features|tensor|images|image|logits|inputs", BERTH_NO_DTYPE);
}

static btk_tensor first_float(btk_call *c) { return btk_as_float(c->k, first(c)); }

static void unary(btk_call *c, const char *op) { btk_return(c, btk_unary(c->k, op, first(c))); }
static void unary_float(btk_call *c, const char *op) { btk_return(c, btk_unary(c->k, op, first_float(c))); }

/* To decimals: of x 10^decimals. */
static void round_(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = first(c), y = x;
    int64_t decimals = btk_operand_int(c, 1, "decimals", 0);
    if (!bt_dtype_is_float(x.dtype) && decimals >= 0) return btk_return(c, x);
    btk_tensor factor = btk_number(k, btk_as_float(k, x).dtype, pow(10, (double)decimals));
    y = btk_as_float(k, x);
    if (decimals) y = btk_binary(k, "Mul", y, factor);
    y = btk_unary(k, op, y);
    btk_return(c, btk_cast(k, decimals ? btk_binary(k, "RealDiv", y, factor) : y, x.dtype));
}

static void test(btk_call *c, const char *op) { btk_return(c, btk_test(c->k, op, first_float(c))); }

static void logical_not(btk_call *c, const char *op)
{
    btk_tensor x = as_bool(c->k, first(c));
    btk_return(c, btk_bare(c->k, op, 1, &x, BERTH_BOOL, x.shape));
}

static void activation(btk_call *c, const char *name)
{
    btk_return(c, btk_activate_named(c->k, name, first_float(c)));
}

/* By their one number, where it is said. */
static void activation_with(btk_call *c, const char *name)
{
    const bt_json *number = btk_operand_json(c, 1, "alpha|threshold|b");
    btk_tensor x = first_float(c);
    double value = bt_json_double(number, NAN);
    btk_return(c, number ? btk_activate_with(c->k, name, x, value) : btk_activate_named(c->k, name, x));
}

/* Along an axis, which is the last of these activations. */
static void activation_along(btk_call *c, const char *name)
{
    btk_tensor x = first_float(c);
    int axis = btk_operand_axis(c, 1, "axis", -1, x.shape.rank), last = x.shape.rank - 1;
    if (c->k->failed) return;
    x = btk_activate_named(c->k, name, axis == last ? x : btk_swap(c->k, x, axis, last));
    btk_return(c, axis == last ? x : btk_swap(c->k, x, axis, last));
}

static void gelu(btk_call *c, const char *detail)
{
    (void)detail;
    bool approximate = bt_json_bool(btk_operand_json(c, 1, "approximate"), c->k->version >= 3);
    activation(c, approximate ? "gelu_new" : "gelu");
}

static void leaky_relu(btk_call *c, const char *detail)
{
    (void)detail;
    double slope = bt_json_double(btk_operand_json(c, 1, "negative_slope|alpha"), 0.2);
    btk_return(c, btk_general_relu(c->k, first_float(c), slope, INFINITY, 0));
}

/* keras.activations.relu. */
static void relu(btk_call *c, const char *detail)
{
    (void)detail;
    double slope = bt_json_double(btk_operand_json(c, -1, "alpha|negative_slope"), 0);
    double max = bt_json_double(btk_operand_json(c, -1, "max_value"), INFINITY);
    btk_return(c, btk_general_relu(c->k, first(c), slope, max,
                                   bt_json_double(btk_operand_json(c, -1, "threshold"), 0)));
}

static void softmax(btk_call *c, const char *log)
{
    btk_tensor x = first_float(c);
    int64_t axis = btk_operand_int(c, 1, "axis", -1);
    if (axis < 0) axis += x.shape.rank;
    if (axis < 0 || axis >= x.shape.rank) return btk_damaged(c->k, "an axis beyond the rank of the input");
    btk_tensor y =
        log && axis == x.shape.rank - 1 ? btk_unary(c->k, log, x) : btk_softmax(c->k, x, (int)axis);
    btk_return(c, log && axis != x.shape.rank - 1 ? btk_unary(c->k, "Log", y) : y);
}

static void clip(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    btk_value low = btk_operand_value(c, 1, "x_min|clip_value_min|a_min"),
              high = btk_operand_value(c, 2, "x_max|clip_value_max|a_max");
    if (!btk_is_none(&high))
        x = btk_binary(k, "Minimum", x,
                       btk_cast(k, btk_operand(c, 2, "x_max|clip_value_max|a_max", x.dtype), x.dtype));
    if (!btk_is_none(&low))
        x = btk_binary(k, "Maximum", x,
                       btk_cast(k, btk_operand(c, 1, "x_min|clip_value_min|a_min", x.dtype), x.dtype));
    btk_return(c, x);
}

static void where(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor condition = as_bool(k, btk_operand(c, 0, "condition", BERTH_BOOL));
    btk_value v = btk_operand_value(c, 1, "x|x1"), w = btk_operand_value(c, 2, "y|x2");
    if (btk_is_none(&v) && btk_is_none(&w)) return btk_nonzero(c, NULL);
    btk_tensor b = btk_operand(c, 2, "y|x2", v.kind == BTK_TENSOR ? v.tensor.dtype : BERTH_NO_DTYPE);
    btk_tensor a = btk_operand(c, 1, "x|x1", b.dtype);
    berth_dtype dtype = common(a.dtype, b.dtype);
    btk_return(c, btk_select(k, condition, btk_cast(k, a, dtype), btk_cast(k, b, dtype)));
}

static void cast(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    berth_dtype to = btk_dtype_of(c->k, btk_operand_json(c, 1, "dtype"), x.dtype, false);
    if (!c->k->failed) btk_return(c, btk_cast(c->k, x, to));
}

static void identity(btk_call *c, const char *detail)
{
    (void)detail;
    btk_return(c, first(c));
}

/* ---- Folds and products ------------------------------------------------------------------------------- */

static bool keeps(const btk_call *c)
{
    return bt_json_bool(btk_operand_json(c, 2, "keepdims|keep_dims"), false);
}

/* Over the steps of ragged rows, which are padded, and masked. */
static btk_tensor reduce_rows(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = c->x, steps = x.mask ? *x.mask : x;
    bool max = !strcmp(op, "Max"), mean = !strcmp(op, "Mean");
    if (btk_operand_int(c, 1, "axis", 0) != 1 || x.dtype != BERTH_FLOAT ||
        (!max && !mean && strcmp(op, "Min") && strcmp(op, "Sum")))
        return btk_unsupported(k, "such a sum of ragged rows: export a SavedModel instead (model.export)"), x;
    while (!k->failed && steps.shape.rank < x.shape.rank) steps = btk_expand(k, steps, -1);
    if (max || !strcmp(op, "Min"))
        return btk_reduce(k, op, btk_select(k, steps, x, btk_number(k, x.dtype, max ? -FLT_MAX : FLT_MAX)), 2,
                          keeps(c));
    btk_tensor sum = btk_reduce(k, "Sum", x, 2, keeps(c));
    return mean
               ? btk_binary(k, "RealDiv", sum, btk_reduce(k, "Sum", btk_cast(k, steps, x.dtype), 2, keeps(c)))
               : sum;
}

static void reduce(btk_call *c, const char *op)
{
    if (c->ragged) return btk_return(c, reduce_rows(c, op));
    btk_tensor x = !strcmp(op, "Mean") && c->k->version >= 3
                       ? first_float(c)
                       : btk_operand(c, 0, "x|input_tensor|input|a", BERTH_NO_DTYPE);
    if (!strcmp(op, "All") || !strcmp(op, "Any")) x = as_bool(c->k, x);
    btk_tensor y = btk_reduce(c->k, op, x, btk_operand_axes(c, x, 1), keeps(c));
    const bt_json *initial =
        *op == 'M' ? btk_operand_json(c, 3, "initial") : NULL; /* at least, or at most, this */
    if (initial)
        y = btk_binary(c->k, op[1] == 'a' ? "Maximum" : "Minimum", y,
                       btk_number(c->k, y.dtype, bt_json_double(initial, 0)));
    btk_return(c, y);
}

static btk_tensor variance(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "x|input_tensor|input", BERTH_FLOAT);
    if (!bt_dtype_is_float(x.dtype)) x = btk_cast(k, x, BERTH_FLOAT);
    uint32_t axes = btk_operand_axes(c, x, 1);
    btk_tensor mean = btk_reduce(k, "Mean", x, axes, true);
    return btk_reduce(k, "Mean", btk_binary(k, "SquaredDifference", x, mean), axes, keeps(c));
}

/* detail: what is done to the variance, or NULL. */
static void spread(btk_call *c, const char *op)
{
    btk_tensor v = variance(c);
    btk_return(c, op ? btk_unary(c->k, op, v) : v);
}

static void log_sum_exp(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "x|input_tensor", BERTH_FLOAT);
    uint32_t axes = btk_operand_axes(c, x, 1);
    btk_tensor max = btk_reduce(k, "Max", x, axes, true);
    btk_tensor sum = btk_reduce(k, "Sum", btk_unary(k, "Exp", btk_binary(k, "Sub", x, max)), axes, keeps(c));
    if (!keeps(c)) max = btk_reduce(k, "Max", x, axes, false);
    btk_return(c, btk_binary(k, "AddV2", btk_unary(k, "Log", sum), max));
}

/* detail: the op; int64 in Keras 2, int32 in Keras 3. */
static void arg_best(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = first(c);
    int64_t axis = btk_operand_int(c, 1, "axis", k->version >= 3 ? INT64_MAX : 0);
    int more = axis == INT64_MAX ? x.shape.rank - 1 : 0; /* axes that are kept beside the one row */
    if (axis == INT64_MAX) x = btk_flat(k, x), axis = 0;
    if (axis < 0) axis += x.shape.rank;
    if (axis < 0 || axis >= x.shape.rank) return btk_damaged(k, "an axis beyond the rank of the input");
    berth_dtype dtype = k->version >= 3
                            ? BERTH_INT32
                            : btk_dtype_of(k, btk_operand_json(c, 2, "output_type"), BERTH_INT64, false);
    bt_shape shape = {.rank = x.shape.rank - 1};
    for (int i = 0, to = 0; i < x.shape.rank; i++)
        if (i != axis) shape.dim[to++] = x.shape.dim[i];
    btk_tensor y = btk_node(k, op, 2, (btk_tensor[]){x, btk_int(k, axis)}, dtype, shape);
    btk_attr_type(k, y, "Tidx", BERTH_INT32);
    btk_attr_type(k, y, "output_type", dtype);
    for (int i = -1; i < more && keeps(c) && !k->failed; i++) y = btk_expand(k, y, (int)axis);
    btk_return(c, y);
}

void btk_matmul_operation(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    bool ta = bt_json_bool(btk_operand_json(c, -1, "transpose_a"), false),
         tb = bt_json_bool(btk_operand_json(c, -1, "transpose_b"), false);
    bool row = a.shape.rank == 1, column = b.shape.rank == 1;
    if (row) a = btk_expand(k, a, 0);
    if (column) b = btk_expand(k, b, 1);
    btk_tensor y = !ta && !tb && b.shape.rank == 2 && a.shape.rank > 2 ? btk_dense_product(k, a, b)
                                                                       : btk_matmul(k, a, b, ta, tb);
    if (column) y = btk_squeeze(k, y, -1);
    btk_return(c, row ? btk_squeeze(k, y, column ? -1 : -2) : y);
}

/* ---- The table ---------------------------------------------------------------------------------------- */

static const btk_operation operations[] = {
    {"add", binary, "AddV2"},
    {"subtract", binary, "Sub"},
    {"sub", binary, "Sub"},
    {"multiply", binary, "Mul"},
    {"mul", binary, "Mul"},
    {"maximum", binary, "Maximum"},
    {"minimum", binary, "Minimum"},
    {"power", binary, "Pow"},
    {"pow", binary, "Pow"},
    {"mod", binary, "FloorMod"},
    {"floormod", binary, "FloorMod"},
    {"floor_divide", binary, "FloorDiv"},
    {"floordiv", binary, "FloorDiv"},
    {"squared_difference", binary, "SquaredDifference"},
    {"divide", divide, "RealDiv"},
    {"true_divide", divide, "RealDiv"},
    {"truediv", divide, "RealDiv"},
    {"equal", compare, "Equal"},
    {"not_equal", compare, "NotEqual"},
    {"greater", compare, "Greater"},
    {"greater_equal", compare, "GreaterEqual"},
    {"less", compare, "Less"},
    {"less_equal", compare, "LessEqual"},
    {"logical_and", logical, "LogicalAnd"},
    {"logical_or", logical, "LogicalOr"},
    {"logical_not", logical_not, "LogicalNot"},

    {"absolute", unary, "Abs"},
    {"abs", unary, "Abs"},
    {"fabs", unary, "Abs"},
    {"negative", unary, "Neg"},
    {"neg", unary, "Neg"},
    {"sign", unary, "Sign"},
    {"square", unary, "Square"},
    {"floor", unary_float, "Floor"},
    {"ceil", unary_float, "Ceil"},
    {"round", round_, "Round"},
    {"sqrt", unary_float, "Sqrt"},
    {"rsqrt", unary_float, "Rsqrt"},
    {"exp", unary_float, "Exp"},
    {"expm1", unary_float, "Expm1"},
    {"log", unary_float, "Log"},
    {"log1p", unary_float, "Log1p"},
    {"sin", unary_float, "Sin"},
    {"cos", unary_float, "Cos"},
    {"tan", unary_float, "Tan"},
    {"sinh", unary_float, "Sinh"},
    {"cosh", unary_float, "Cosh"},
    {"arcsin", unary_float, "Asin"},
    {"asin", unary_float, "Asin"},
    {"arccos", unary_float, "Acos"},
    {"acos", unary_float, "Acos"},
    {"arctan", unary_float, "Atan"},
    {"atan", unary_float, "Atan"},
    {"arcsinh", unary_float, "Asinh"},
    {"arccosh", unary_float, "Acosh"},
    {"arctanh", unary_float, "Atanh"},
    {"erf", unary_float, "Erf"},
    {"erfc", unary_float, "Erfc"},
    {"reciprocal", unary_float, "Reciprocal"},
    {"isnan", test, "IsNan"},
    {"is_nan", test, "IsNan"},
    {"isinf", test, "IsInf"},
    {"isfinite", test, "IsFinite"},

    {"relu", relu, NULL},
    {"relu6", activation, "relu6"},
    {"sigmoid", activation, "sigmoid"},
    {"tanh", activation, "tanh"},
    {"softplus", activation, "softplus"},
    {"softsign", activation, "softsign"},
    {"silu", activation, "silu"},
    {"swish", activation, "silu"},
    {"elu", activation_with, "elu"},
    {"selu", activation, "selu"},
    {"gelu", gelu, NULL},
    {"hard_sigmoid", activation, "hard_sigmoid"},
    {"hard_silu", activation, "hard_silu"},
    {"hard_tanh", activation, "hard_tanh"},
    {"leaky_relu", leaky_relu, NULL},
    {"log_sigmoid", activation, "log_sigmoid"},
    {"celu", activation_with, "celu"},
    {"glu", activation_along, "glu"},
    {"mish", activation, "mish"},
    {"soft_shrink", activation_with, "soft_shrink"},
    {"hard_shrink", activation_with, "hard_shrink"},
    {"tanh_shrink", activation, "tanh_shrink"},
    {"sparse_plus", activation, "sparse_plus"},
    {"sparse_sigmoid", activation, "sparse_sigmoid"},
    {"squareplus", activation_with, "squareplus"},
    {"sparsemax", activation_along, "sparsemax"},
    {"softmax", softmax, NULL},
    {"log_softmax", softmax, "LogSoftmax"},

    {"clip", clip, NULL},
    {"clip_by_value", clip, NULL},
    {"where", where, NULL},
    {"cast", cast, NULL},
    {"identity", identity, NULL},
    {"stop_gradient", identity, NULL},
    {"convert_to_tensor", identity, NULL},
    {"copy", identity, NULL},
    {"array", cast, NULL},

    {"mean", reduce, "Mean"},
    {"reduce_mean", reduce, "Mean"},
    {"sum", reduce, "Sum"},
    {"reduce_sum", reduce, "Sum"},
    {"max", reduce, "Max"},
    {"amax", reduce, "Max"},
    {"reduce_max", reduce, "Max"},
    {"min", reduce, "Min"},
    {"amin", reduce, "Min"},
    {"reduce_min", reduce, "Min"},
    {"prod", reduce, "Prod"},
    {"reduce_prod", reduce, "Prod"},
    {"all", reduce, "All"},
    {"reduce_all", reduce, "All"},
    {"any", reduce, "Any"},
    {"reduce_any", reduce, "Any"},
    {"var", spread, NULL},
    {"reduce_variance", spread, NULL},
    {"std", spread, "Sqrt"},
    {"reduce_std", spread, "Sqrt"},
    {"logsumexp", log_sum_exp, NULL},
    {"reduce_logsumexp", log_sum_exp, NULL},
    {"argmax", arg_best, "ArgMax"},
    {"argmin", arg_best, "ArgMin"},
    {"matmul", btk_matmul_operation, NULL},
};

static const btk_operation *find(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (!strcmp(operations[i].name, name)) return &operations[i];
    const btk_operation *const more[] = {btk_array_operations,  btk_number_operations, btk_matrix_operations,
                                         btk_join_operations,   btk_window_operations, btk_part_operations,
                                         btk_linalg_operations, btk_signal_operations, btk_loss_operations,
                                         btk_image_operations,  btk_place_operations,  btk_order_operations,
                                         btk_grid_operations};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        for (const btk_operation *o = more[i]; o->name; o++)
            if (!strcmp(o->name, name)) return o;
    return NULL;
}

/* "ExpandDims" as "expand_dims"; "compat.v1.transpose" as "transpose". */
static const btk_operation *named(const char *text, bool class)
{
    char name[64];
    size_t n = 0;
    const char *dot = strrchr(text, '.');
    for (const char *p = dot ? dot + 1 : text; *p && n + 2 < sizeof name; p++) {
        if (class && n && isupper((unsigned char)*p)) name[n++] = '_';
        name[n++] = (char)(class ? tolower((unsigned char)*p) : *p);
    }
    name[n] = '\0';
    return find(name);
}

bool btk_is_operation(const btk_layer *layer)
{
    const char *module = bt_json_text(bt_json_get(layer->json, "module"), NULL);
    if (module) return bt_starts(module, "keras.src.ops") || bt_starts(module, "keras.ops");
    return !bt_json_get(layer->config, "trainable") && named(layer->class_name, true);
}

/* The function of tf that it says, or NULL: it is its class. */
static const char *function_of(const btk_call *c)
{
    const bt_json *function = btk_of(c, "function"), *symbol = btk_of(c, "symbol");
    return bt_json_text(function ? function : symbol, NULL);
}

int btk_operation_flags(const btk_call *c)
{
    static void (*const of_elements[])(btk_call *, const char *) = {
        binary,     divide,          compare, logical,    unary, unary_float, round_, test,    logical_not,
        activation, activation_with, gelu,    leaky_relu, relu,  clip,        cast,   identity};
    if (c->layer->class->build != btk_run_operation) return 0;
    const char *text = function_of(c);
    const btk_operation *o = text ? named(text, false) : named(c->layer->class_name, true);
    for (size_t i = 0; o && i < sizeof of_elements / sizeof *of_elements; i++)
        if (o->build == of_elements[i]) return BTK_STEPS;
    return o && o->build == reduce ? BTK_PADDED : 0;
}

void btk_run_operation(btk_call *c)
{
    const char *text = function_of(c);
    const btk_operation *o = text ? named(text, false) : named(c->layer->class_name, true);
    if (o) o->build(c, o->detail);
    else
        btk_unsupported(c->k,
                        "berth does not know the operation %s: export a SavedModel instead (model.export)",
                        text ? text : c->layer->class_name);
}
