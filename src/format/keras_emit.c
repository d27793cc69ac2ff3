/* Keras: nodes, constants and elementwise formulas of the graph that is made; loop bodies. What moves
 * elements about is in keras_array.c, activations in keras_activation.c. */
#include "format/keras.h"

#include <ctype.h>
#include <math.h>

static btk_tensor nothing(btk *k)
{
    k->failed = true;
    return (btk_tensor){.edge = {-1, 0}, .dtype = BERTH_FLOAT};
}

static btk_tensor no_memory(btk *k)
{
    bt_fail_memory(k->error);
    return nothing(k);
}

/* ---- Nodes -------------------------------------------------------------------------------------------- */

/* A name that TensorFlow accepts: letters, digits and _ . \ / > -, the first no '_' or '/'. */
const char *btk_legal_name(btk *k, const char *text)
{
    char *name =
        bt_arena_print(k->arena, "%s%s", isalnum((unsigned char)*text) || *text == '.' ? "" : "n", text);
    for (char *p = name; p && *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_.\\/>-", *p)) *p = '_';
    return name;
}

/* Sizes are bounded here, once, so that products of a few of them fit 64 bits everywhere else. */
static bool is_legal_shape(const bt_shape *shape)
{
    const int64_t largest = (int64_t)1 << 32 << 8;
    int64_t product = 1;
    if (shape->rank < 0 || shape->rank > BT_MAX_RANK) return false;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] > INT32_MAX) return false;
        if (shape->dim[i] > 0) product *= shape->dim[i]; /* at most 2^40 times 2^31 */
        if (product > largest) return false;
    }
    return true;
}

int32_t btk_add(btk *k, const char *name, const char *op)
{
    enum { MAX_NODES = 1 << 20 }; /* models in models, each called twice, double with every level */
    if (++k->n_nodes > MAX_NODES) btk_unsupported(k, "a model of over a million nodes");
    const char *whole = k->failed ? NULL : bt_arena_print(k->arena, "%s%s", k->scope, name);
    const char *legal = whole ? btk_legal_name(k, whole) : NULL,
               *unique = legal ? bt_graph_unique_name(k->graph, legal) : NULL;
    int32_t node = unique ? bt_graph_add(k->graph, unique, op) : -1;
    if (node < 0) no_memory(k);
    return node;
}

btk_tensor btk_bare(btk *k, const char *op, int n, const btk_tensor *in, berth_dtype dtype, bt_shape shape)
{
    enum { MAX_INPUTS = 256 };
    bt_edge edges[MAX_INPUTS];
    if (k->failed) return nothing(k);
    if (!is_legal_shape(&shape)) {
        btk_damaged(k, "a tensor too large");
        return nothing(k);
    }
    if (n > MAX_INPUTS) {
        btk_unsupported(k, "%d inputs at once", n);
        return nothing(k);
    }
    int32_t node = btk_add(k, op, op);
    for (int i = 0; i < n; i++) edges[i] = in[i].edge;
    if (node < 0 || !bt_node_set_inputs(k->graph, node, edges, n)) return no_memory(k);
    return (btk_tensor){.edge = {node, 0}, .dtype = dtype, .shape = shape};
}

btk_tensor btk_node(btk *k, const char *op, int n, const btk_tensor *in, berth_dtype dtype, bt_shape shape)
{
    btk_tensor out = btk_bare(k, op, n, in, dtype, shape);
    btk_attr_type(k, out, "T", in[0].dtype);
    return out;
}

btk_tensor btk_output(btk_tensor node, int slot, berth_dtype dtype, bt_shape shape)
{
    return (btk_tensor){.edge = {node.edge.node, slot}, .dtype = dtype, .shape = shape};
}

#define SET(call)                                \
    do {                                         \
        if (!k->failed && !(call)) no_memory(k); \
    } while (0)

void btk_attr_int(btk *k, btk_tensor t, const char *name, int64_t value)
{
    SET(bt_set_int(k->graph, t.edge.node, name, value));
}

void btk_attr_ints(btk *k, btk_tensor t, const char *name, int n, const int64_t *values)
{
    SET(bt_set_ints(k->graph, t.edge.node, name, values, n));
}

void btk_attr_float(btk *k, btk_tensor t, const char *name, double value)
{
    SET(bt_set_float(k->graph, t.edge.node, name, (float)value));
}

void btk_attr_bool(btk *k, btk_tensor t, const char *name, bool value)
{
    SET(bt_set_bool(k->graph, t.edge.node, name, value));
}

void btk_attr_type(btk *k, btk_tensor t, const char *name, berth_dtype value)
{
    SET(bt_set_type(k->graph, t.edge.node, name, value));
}

void btk_attr_texts(btk *k, btk_tensor t, const char *name, int n, const char *const *values)
{
    SET(bt_set_strings(k->graph, t.edge.node, name, values, n));
}

void btk_attr_types(btk *k, btk_tensor t, const char *name, int n, const berth_dtype *values)
{
    SET(bt_set_types(k->graph, t.edge.node, name, values, n));
}

void btk_attr_text(btk *k, btk_tensor t, const char *name, const char *value)
{
    SET(bt_set_string(k->graph, t.edge.node, name, value));
}

void btk_attr_func(btk *k, btk_tensor t, const char *name, const char *value)
{
    SET(bt_set_func(k->graph, t.edge.node, name, value));
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

int64_t btk_dim(btk_tensor t, int axis)
{
    if (axis < 0) axis += t.shape.rank;
    return axis < 0 || axis >= t.shape.rank ? -1 : t.shape.dim[axis];
}

bt_shape btk_with_dim(bt_shape shape, int axis, int64_t dim)
{
    if (axis < 0) axis += shape.rank;
    if (axis >= 0 && axis < shape.rank) shape.dim[axis] = dim;
    return shape;
}

bool btk_rank(btk *k, btk_tensor t, int min, int max)
{
    if (k->failed) return false;
    if (t.shape.rank >= min && t.shape.rank <= max) return true;
    btk_damaged(k, "takes tensors of rank %d to %d, and gets one of rank %d", min, max, t.shape.rank);
    return false;
}

int64_t btk_known(btk *k, btk_tensor t, int axis, const char *what)
{
    int64_t n = btk_dim(t, axis);
    if (!k->failed && n < 0) btk_damaged(k, "%s must be known, and the input does not tell", what);
    return k->failed ? 1 : n;
}

/* ---- Constants ---------------------------------------------------------------------------------------- */

btk_tensor btk_const(btk *k, berth_dtype dtype, bt_shape shape, const void *bytes)
{
    size_t n;
    bt_tensor *value = k->failed ? NULL : bt_arena_new(k->arena, bt_tensor);
    if (!value || !bt_shape_bytes(&shape, bt_dtype_size(dtype), &n)) return no_memory(k);
    *value = (bt_tensor){.dtype = dtype, .shape = shape, .data = bt_arena_alloc(k->arena, n + 1)};
    if (!value->data) return no_memory(k);
    if (n) memcpy(value->data, bytes, n);
    btk_tensor out = btk_bare(k, "Const", 0, NULL, dtype, shape);
    btk_attr_type(k, out, "dtype", dtype);
    SET(bt_set_tensor(k->graph, out.edge.node, "value", value));
    return out;
}

/* One element of a number type, as it is stored. */
static void store(berth_dtype dtype, void *to, double value)
{
    union {
        double d;
        float f;
        uint16_t h;
        int64_t i64;
        int32_t i32;
        int16_t i16;
        int8_t i8;
        uint8_t u8;
    } v;
    int64_t whole = fabs(value) < 9e18 ? (int64_t)value : 0;
    switch (dtype) {
    case BERTH_DOUBLE: v.d = value; break;
    case BERTH_FLOAT: v.f = (float)value; break;
    case BERTH_HALF: v.h = bt_float_to_half((float)value); break;
    case BERTH_BFLOAT16: v.h = bt_float_to_bf16((float)value); break;
    case BERTH_BOOL: v.u8 = value != 0; break;
    default: v.i64 = whole; break; /* the low bytes are the number, little-endian */
    }
    memcpy(to, &v, bt_dtype_size(dtype));
}

btk_tensor btk_numbers(btk *k, berth_dtype dtype, bt_shape shape, const double *values)
{
    int64_t n = bt_shape_count(&shape);
    size_t size = bt_dtype_size(dtype);
    uint8_t *bytes = k->failed || n < 0 ? NULL : bt_arena_alloc_n(k->arena, (size_t)n + 1, size);
    if (!bytes) return no_memory(k);
    for (int64_t i = 0; i < n; i++) store(dtype, bytes + (size_t)i * size, values[i]);
    return btk_const(k, dtype, shape, bytes);
}

btk_tensor btk_number(btk *k, berth_dtype dtype, double value)
{
    return btk_numbers(k, dtype, BT_SCALAR, &value);
}

btk_tensor btk_ints(btk *k, int n, const int64_t *values)
{
    int32_t *bytes = k->failed ? NULL : bt_arena_array(k->arena, int32_t, (size_t)n + 1);
    if (!bytes) return no_memory(k);
    for (int i = 0; i < n; i++) {
        if (values[i] < INT32_MIN || values[i] > INT32_MAX) {
            btk_unsupported(k, "a number beyond 32 bits in a shape");
            return nothing(k);
        }
        bytes[i] = (int32_t)values[i];
    }
    return btk_const(k, BERTH_INT32, BT_SHAPE(n), bytes);
}

btk_tensor btk_int(btk *k, int64_t value) { return btk_number(k, BERTH_INT32, (double)value); }

/* ---- Elementwise -------------------------------------------------------------------------------------- */

btk_tensor btk_unary(btk *k, const char *op, btk_tensor x)
{
    return btk_node(k, op, 1, &x, x.dtype, x.shape);
}

static bt_shape broadcast(btk *k, btk_tensor a, btk_tensor b)
{
    bt_shape shape = BT_SCALAR;
    if (!k->failed && !bt_shape_broadcast(&a.shape, &b.shape, &shape)) {
        char one[BT_SHAPE_TEXT], two[BT_SHAPE_TEXT];
        btk_damaged(k, "shapes %s and %s do not fit", bt_shape_text(&a.shape, one),
                    bt_shape_text(&b.shape, two));
    }
    return shape;
}

btk_tensor btk_binary(btk *k, const char *op, btk_tensor a, btk_tensor b)
{
    bt_shape shape = broadcast(k, a, b);
    if (!k->failed && a.dtype != b.dtype)
        btk_damaged(k, "%s of %s and %s", op, bt_dtype_name(a.dtype), bt_dtype_name(b.dtype));
    return btk_node(k, op, 2, (btk_tensor[]){a, b}, a.dtype, shape);
}

btk_tensor btk_compare(btk *k, const char *op, btk_tensor a, btk_tensor b)
{
    btk_tensor out = btk_binary(k, op, a, b);
    out.dtype = BERTH_BOOL;
    return out;
}

btk_tensor btk_logical(btk *k, const char *op, btk_tensor a, btk_tensor b)
{
    return btk_bare(k, op, 2, (btk_tensor[]){a, b}, BERTH_BOOL, broadcast(k, a, b));
}

btk_tensor btk_scaled(btk *k, btk_tensor x, double factor)
{
    return factor == 1 ? x : btk_binary(k, "Mul", x, btk_number(k, x.dtype, factor));
}

btk_tensor btk_shifted(btk *k, btk_tensor x, double offset)
{
    return offset == 0 ? x : btk_binary(k, "AddV2", x, btk_number(k, x.dtype, offset));
}

btk_tensor btk_clip(btk *k, btk_tensor x, double low, double high)
{
    if (!isinf(high)) x = btk_binary(k, "Minimum", x, btk_number(k, x.dtype, high));
    return isinf(low) ? x : btk_binary(k, "Maximum", x, btk_number(k, x.dtype, low));
}

btk_tensor btk_cast(btk *k, btk_tensor x, berth_dtype dtype)
{
    if (x.dtype == dtype) return x;
    btk_tensor out = btk_bare(k, "Cast", 1, &x, dtype, x.shape);
    btk_attr_type(k, out, "SrcT", x.dtype);
    btk_attr_type(k, out, "DstT", dtype);
    out.mask = x.mask;
    return out;
}

btk_tensor btk_as_float(btk *k, btk_tensor x)
{
    return bt_dtype_is_float(x.dtype) ? x : btk_cast(k, x, BERTH_FLOAT);
}

btk_tensor btk_test(btk *k, const char *op, btk_tensor x)
{
    btk_tensor y = btk_unary(k, op, x);
    y.dtype = BERTH_BOOL;
    return y;
}

btk_tensor btk_select(btk *k, btk_tensor condition, btk_tensor a, btk_tensor b)
{
    btk_tensor both = a;
    both.shape = broadcast(k, a, b);
    bt_shape shape = broadcast(k, condition, both);
    btk_tensor out = btk_node(k, "SelectV2", 3, (btk_tensor[]){condition, a, b}, a.dtype, shape);
    btk_attr_type(k, out, "T", a.dtype);
    return out;
}

btk_tensor btk_add_bias(btk *k, btk_tensor x, btk_tensor bias)
{
    if (x.shape.rank < 2) return btk_binary(k, "AddV2", x, bias);
    btk_tensor out = btk_node(k, "BiasAdd", 2, (btk_tensor[]){x, bias}, x.dtype, x.shape);
    btk_attr_text(k, out, "data_format", "NHWC");
    return out;
}

/* ---- Functions ---------------------------------------------------------------------------------------- */

static btk_tensor add_argument(btk *k, bt_function *f, int i, btk_tensor like)
{
    const char *name = bt_arena_print(k->arena, "arg%d", i);
    int32_t node = name ? bt_graph_add(k->graph, name, "_Arg") : -1;
    if (node < 0) return no_memory(k);
    btk_tensor out = {.edge = {node, 0}, .dtype = like.dtype, .shape = like.shape};
    btk_attr_type(k, out, "T", like.dtype);
    btk_attr_int(k, out, "index", i);
    f->args[i] = node;
    f->arg_names[i] = name;
    return out;
}

void btk_function_begin(btk *k, const char *name, int n, btk_tensor *args, btk_function *out)
{
    *out = (btk_function){.outer = k->graph, .scope = k->scope};
    bt_function *f = k->failed ? NULL : bt_arena_new(k->arena, bt_function);
    if (!f) {
        no_memory(k);
        return;
    }
    const char *whole = bt_arena_print(k->arena, "%s%s_%d", k->scope, name, ++k->n_functions);
    for (char *p = (char *)(uintptr_t)whole; p && *p; p++)
        if (!isalnum((unsigned char)*p)) *p = '_';
    f->name = whole;
    f->n_args = n;
    f->args = bt_arena_array(k->arena, int32_t, (size_t)n + 1);
    f->arg_names = bt_arena_array(k->arena, const char *, (size_t)n + 1);
    if (!f->name || !f->args || !f->arg_names || !bt_map_put(&k->source->functions, bt_str_of(f->name), f)) {
        no_memory(k);
        return;
    }
    bt_graph_init(&f->graph, k->arena);
    out->function = f;
    k->graph = &f->graph;
    k->scope = "";
    for (int i = 0; i < n && !k->failed; i++) args[i] = add_argument(k, f, i, args[i]);
}

const char *btk_function_end(btk *k, btk_function *out, int n, const btk_tensor *results)
{
    bt_function *f = out->function;
    k->graph = out->outer;
    k->scope = out->scope;
    if (k->failed || !f) return NULL;
    f->n_results = n;
    f->results = bt_arena_array(k->arena, bt_edge, (size_t)n + 1);
    f->result_names = bt_arena_array(k->arena, const char *, (size_t)n + 1);
    for (int i = 0; f->results && f->result_names && i < n; i++) {
        f->results[i] = results[i].edge;
        if (!(f->result_names[i] = bt_arena_print(k->arena, "result%d", i))) return no_memory(k), NULL;
    }
    if (!f->results || !f->result_names) return no_memory(k), NULL;
    return f->name;
}

btk_tensor btk_while(btk *k, int n, const btk_tensor *vars, const char *condition, const char *body)
{
    berth_dtype *types = bt_arena_array(k->arena, berth_dtype, (size_t)n + 1);
    bt_shape *shapes = bt_arena_array(k->arena, bt_shape, (size_t)n + 1);
    if (!types || !shapes) return no_memory(k);
    for (int i = 0; i < n; i++) types[i] = vars[i].dtype, shapes[i] = vars[i].shape;
    btk_tensor loop = btk_bare(k, "StatelessWhile", n, vars, BERTH_INT32, BT_SCALAR);
    btk_attr_types(k, loop, "T", n, types);
    if (condition && body) {
        btk_attr_func(k, loop, "cond", condition);
        btk_attr_func(k, loop, "body", body);
    }
    SET(bt_set_shapes(k->graph, loop.edge.node, "output_shapes", shapes, n));
    btk_attr_int(k, loop, "parallel_iterations", 32);
    return loop;
}
