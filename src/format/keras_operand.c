/* Keras: arguments of operations: positional, by keyword, or members of the configuration; numbers as
 * constants. */
#include "format/keras_operation.h"

#include <math.h>

/* True when `name` is one of "a|b|c". */
static bool among(bt_str name, const char *names)
{
    for (const char *p = names; p && *p;) {
        size_t n = strcspn(p, "|");
        if (name.n == n && !memcmp(name.p, p, n)) return true;
        p += n + (p[n] == '|');
    }
    return false;
}

bool btk_is_none(const btk_value *v)
{
    return v->kind == BTK_JSON && (!v->json || bt_json_is(v->json, BT_JSON_NULL));
}

btk_value btk_operand_value(const btk_call *c, int i, const char *names)
{
    for (int j = 0; j < c->n_args; j++)
        if ((c->args[j].key.n ? among(c->args[j].key, names) : j == i) && !btk_is_none(&c->args[j]))
            return c->args[j];
    for (const bt_json *j = bt_json_first(c->config); j; j = j->next)
        if (c->config->kind == BT_JSON_OBJECT && among(j->key, names) && j->kind != BT_JSON_NULL &&
            !bt_str_is(j->key, "name"))
            return (btk_value){.kind = BTK_JSON, .json = j};
    return (btk_value){.kind = BTK_JSON};
}

const bt_json *btk_operand_json(const btk_call *c, int i, const char *names)
{
    btk_value v = btk_operand_value(c, i, names);
    return v.kind == BTK_JSON ? v.json : NULL;
}

int64_t btk_operand_int(const btk_call *c, int i, const char *names, int64_t otherwise)
{
    return bt_json_int(btk_operand_json(c, i, names), otherwise);
}

/* Shape and numbers of nested lists of equal lengths. */
static bool list_shape(const bt_json *j, bt_shape *shape)
{
    for (*shape = BT_SCALAR; bt_json_is(j, BT_JSON_ARRAY); j = j->first) {
        if (shape->rank == BT_MAX_RANK) return false;
        shape->dim[shape->rank++] = j->n;
    }
    return true;
}

static int64_t list_numbers(const bt_json *j, double *out, int64_t room, bool *whole)
{
    if (!bt_json_is(j, BT_JSON_ARRAY)) {
        *whole &= bt_json_is(j, BT_JSON_INT);
        if (room > 0) *out = j && j->kind == BT_JSON_BOOL ? j->b : bt_json_double(j, NAN);
        return 1;
    }
    int64_t n = 0;
    for (const bt_json *item = j->first; item; item = item->next)
        n += list_numbers(item, out + (n < room ? n : room), room - n, whole);
    return n;
}

static btk_tensor constant(btk_call *c, const bt_json *j, berth_dtype dtype)
{
    btk *k = c->k;
    bt_shape shape;
    bool whole = true;
    const bt_json *config = bt_json_get(j, "config"), *value = bt_json_get(config, "value");
    if (value)
        dtype = btk_dtype_of(k, bt_json_get(config, "dtype"), dtype, false),
        j = value; /* __tensor__, __numpy__ */
    int64_t n = list_shape(j, &shape) ? bt_shape_count(&shape) : -1;
    double *values = n < 0 || n > INT32_MAX ? NULL : bt_arena_array(k->arena, double, (size_t)n + 1);
    if (!values || list_numbers(j, values, n, &whole) != n) {
        btk_unsupported(k, "a constant argument that is no array of numbers");
        return c->x;
    }
    if (dtype && !bt_dtype_is_float(dtype) && !whole && !value) dtype = BERTH_FLOAT;
    return btk_numbers(k, dtype ? dtype : whole ? BERTH_INT32 : BERTH_FLOAT, shape, values);
}

btk_tensor btk_operand(btk_call *c, int i, const char *names, berth_dtype dtype)
{
    btk_value v = btk_operand_value(c, i, names);
    if (v.kind == BTK_TENSOR) return v.tensor;
    if (v.kind == BTK_LIST && v.n == 1 && v.items[0].kind == BTK_TENSOR) return v.items[0].tensor;
    if (v.kind == BTK_JSON && v.json) return constant(c, v.json, dtype);
    if (v.kind == BTK_LIST) { /* a list of scalars, some of them tensors */
        btk_tensor items[64];
        for (int j = 0; j < v.n && j < 64; j++)
            items[j] =
                v.items[j].kind == BTK_TENSOR ? v.items[j].tensor : constant(c, v.items[j].json, dtype);
        if (v.n > 0 && v.n <= 64) return btk_pack(c->k, v.n, items);
    }
    btk_damaged(c->k, "argument %d ('%s') is missing", i, names);
    return c->x;
}

uint32_t btk_operand_axes(btk_call *c, btk_tensor x, int i)
{
    const bt_json *j = btk_operand_json(c, i, "axis|axes|reduction_indices");
    uint32_t axes = 0;
    if (!j) return (1u << x.shape.rank) - 1;
    const bt_json *first = j->kind == BT_JSON_ARRAY ? j->first : j;
    for (; first; first = j->kind == BT_JSON_ARRAY ? first->next : NULL) {
        int64_t axis = bt_json_int(first, -1);
        if (axis < 0) axis += x.shape.rank;
        if (axis < 0 || axis >= x.shape.rank) btk_damaged(c->k, "an axis beyond the rank of the input");
        else axes |= 1u << axis;
    }
    return axes;
}

btk_tensor btk_first_operand(btk_call *c)
{
    return btk_operand(c, 0, "x|input|tensor|array|value|a|params|images", BERTH_NO_DTYPE);
}

int btk_operand_axis(btk_call *c, int i, const char *names, int64_t otherwise, int rank)
{
    int64_t axis = btk_operand_int(c, i, names, otherwise);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) btk_damaged(c->k, "an axis beyond the rank of the input");
    return c->k->failed ? 0 : (int)axis;
}

btk_tensor btk_first_or_flat(btk_call *c, int i)
{
    btk_tensor x = btk_first_operand(c);
    bool flat = c->k->version >= 3 && !btk_operand_json(c, i, "axis");
    return flat ? btk_flat(c->k, x) : x;
}

int btk_one_axis(btk_call *c, btk_tensor *x, int i)
{
    const bt_json *j = btk_operand_json(c, i, "axis");
    int64_t axis = bt_json_int(j, 0);
    if (!j) *x = btk_flat(c->k, *x);
    if (axis < 0) axis += x->shape.rank;
    if (axis < 0 || axis >= x->shape.rank)
        return btk_damaged(c->k, "an axis beyond the rank of the input"), 0;
    return (int)axis;
}
