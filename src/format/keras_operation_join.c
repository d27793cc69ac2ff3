/* Keras: operations that join and cut tensors, and repeat them. To read next: keras_operation_array.c. */
#include "format/keras_operation.h"

/* All tensors of the first argument, in one dtype. */
static bool list_of(btk_call *c, btk_value *v)
{
    *v = btk_operand_value(c, 0, "xs|x|values|arrays|tensors|inputs");
    if (v->kind == BTK_TENSOR) {
        btk_value *one = bt_arena_new(c->k->arena, btk_value);
        if (!one) return btk_fail(c->k, BERTH_NO_MEMORY, "out of memory"), false;
        *one = *v;
        *v = (btk_value){.kind = BTK_LIST, .items = one, .n = 1};
    }
    if (v->kind != BTK_LIST || !v->n || v->n > 255) return btk_unsupported(c->k, "no list of tensors"), false;
    for (int i = 0; i < v->n; i++)
        if (v->items[i].kind != BTK_TENSOR)
            return btk_unsupported(c->k, "a list of tensors and constants"), false;
    return true;
}

static void concatenate(btk_call *c, const char *detail)
{
    btk_value v;
    btk_tensor x[255];
    int64_t otherwise = detail ? detail[0] - '0' : 0;
    if (!list_of(c, &v)) return;
    for (int i = 0; i < v.n; i++) x[i] = btk_cast(c->k, v.items[i].tensor, v.items[0].tensor.dtype);
    btk_return(c, btk_concat(c->k, v.n, x, btk_operand_axis(c, 1, "axis", otherwise, x[0].shape.rank)));
}

/* Two tensors, in one row without an axis. */
static void append(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x[2];
    btk_operands(c, &x[0], &x[1]);
    bool flat = !btk_operand_json(c, 2, "axis");
    for (int i = 0; i < 2 && flat; i++) x[i] = btk_flat(k, x[i]);
    btk_return(c, btk_concat(k, 2, x, btk_operand_axis(c, 2, "axis", 0, x[0].shape.rank)));
}

/* numpy's hstack and vstack: rows of one axis lie side by side, or become rows of a matrix. */
static void join(btk_call *c, const char *axis)
{
    btk_value v;
    btk_tensor x[255];
    if (!list_of(c, &v)) return;
    for (int i = 0; i < v.n; i++) {
        x[i] = btk_cast(c->k, v.items[i].tensor, v.items[0].tensor.dtype);
        if (x[i].shape.rank < 2 && *axis == '0') x[i] = btk_expand(c->k, x[i], 0);
    }
    btk_return(c, btk_concat(c->k, v.n, x, *axis == '1' && x[0].shape.rank > 1));
}

/* Along an axis, or of all elements in a row. */
static void roll(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), y = btk_first_or_flat(c, 2), like = x;
    const bt_json *shift = btk_operand_json(c, 1, "shift"), *axis = btk_operand_json(c, 2, "axis");
    btk_tensor in[3] = {y, btk_int(k, bt_json_int(shift, 0)), btk_int(k, 0)};
    if (bt_json_is(axis, BT_JSON_ARRAY)) { /* a shift for each, or one for all */
        int64_t shifts[BT_MAX_RANK], axes[BT_MAX_RANK];
        bool one = !bt_json_is(shift, BT_JSON_ARRAY);
        if (axis->n > BT_MAX_RANK || (!one && shift->n != axis->n))
            return btk_damaged(k, "shifts and axes that do not pair");
        for (int i = 0; i < axis->n; i++) {
            shifts[i] = bt_json_int(one ? shift : bt_json_at(shift, i), 0);
            axes[i] = bt_json_int(bt_json_at(axis, i), 0);
        }
        in[1] = btk_ints(k, axis->n, shifts), in[2] = btk_ints(k, axis->n, axes);
    } else if (!bt_json_is(shift, BT_JSON_INT)) {
        return btk_unsupported(k, "several shifts of one row");
    } else {
        in[2] = btk_int(k, btk_operand_axis(c, 2, "axis", 0, y.shape.rank));
    }
    y = btk_node(k, "Roll", 3, in, y.dtype, y.shape);
    btk_attr_type(k, y, "Tshift", BERTH_INT32);
    btk_attr_type(k, y, "Taxis", BERTH_INT32);
    if (axis || k->failed) return btk_return(c, y);
    btk_tensor sizes[BT_MAX_RANK];
    for (int i = 0; i < like.shape.rank; i++) sizes[i] = btk_size(k, like, i);
    btk_tensor shape = like.shape.rank ? btk_pack(k, like.shape.rank, sizes) : btk_ints(k, 0, NULL);
    y = btk_node(k, "Reshape", 2, (btk_tensor[]){y, shape}, y.dtype, like.shape);
    btk_attr_type(k, y, "Tshape", BERTH_INT32);
    btk_return(c, y);
}

/* Rows and matrices along a third axis. */
static void stack_deep(btk_call *c, const char *detail)
{
    (void)detail;
    btk_value v;
    btk_tensor x[255];
    if (!list_of(c, &v)) return;
    for (int i = 0; i < v.n; i++) {
        x[i] = btk_cast(c->k, v.items[i].tensor, v.items[0].tensor.dtype);
        if (x[i].shape.rank < 2) x[i] = btk_expand(c->k, x[i], 0);
        if (x[i].shape.rank < 2) x[i] = btk_expand(c->k, x[i], 0);
        if (x[i].shape.rank < 3) x[i] = btk_expand(c->k, x[i], 2);
    }
    btk_return(c, btk_concat(c->k, v.n, x, 2));
}

static void stack(btk_call *c, const char *detail)
{
    (void)detail;
    btk_value v;
    btk_tensor x[255];
    if (!list_of(c, &v)) return;
    int axis = btk_operand_axis(c, 1, "axis", 0, v.items[0].tensor.shape.rank + 1);
    for (int i = 0; i < v.n; i++)
        x[i] = btk_expand(c->k, btk_cast(c->k, v.items[i].tensor, v.items[0].tensor.dtype), axis);
    btk_return(c, btk_concat(c->k, v.n, x, axis));
}

/* Into n equal parts; at indices (Keras 3); of sizes (tf.split). detail: NULL, "unequal", or the number of the axis. */
static void split(btk_call *c, const char *detail)
{
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), out[255];
    const bt_json *j = btk_operand_json(c, 1, "indices_or_sections|num_or_size_splits");
    bool unequal = detail && *detail == 'u';
    int axis = btk_operand_axis(c, 2, "axis", 0, x.shape.rank), n = 0;
    if (detail && !unequal) axis = x.shape.rank > 1 ? *detail - '0' : 0;
    if (axis >= x.shape.rank) return btk_damaged(k, "an axis beyond the rank of the input");
    int64_t size = btk_dim(x, axis), at = 0, parts = bt_json_int(j, 0);
    if (!bt_json_is(j, BT_JSON_ARRAY)) {
        if (parts < 1 || parts > 255 || size < 0 || (size % parts && !unequal))
            return btk_unsupported(k, "such a split");
        for (; n < parts; n++) { /* the first ones get what does not divide */
            int64_t end = at + size / parts + (n < size % parts);
            out[n] = btk_slice(k, x, axis, at, end), at = end;
        }
        return btk_returns(c, out, n);
    }
    if (j->n > 254) return btk_unsupported(k, "so many parts");
    for (const bt_json *item = j->first; item; item = item->next) {
        int64_t end = bt_json_int(item, 0) + (k->version >= 3 ? 0 : at);
        out[n++] = btk_slice(k, x, axis, at, end);
        at = end;
    }
    if (k->version >= 3) out[n++] = btk_slice(k, x, axis, at, INT64_MAX);
    btk_returns(c, out, n);
}

static void unstack(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), out[255];
    int axis = btk_operand_axis(c, -1, "axis", 0, x.shape.rank);
    int64_t n = btk_known(k, x, axis, "the size of the axis");
    if (n < 1 || n > 255) return btk_unsupported(k, "so many parts");
    for (int i = 0; i < n; i++) out[i] = btk_pick(k, x, axis, i);
    btk_returns(c, out, (int)n);
}

static void tile(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_operand(c);
    const bt_json *j = btk_operand_json(c, 1, "repeats|multiples");
    bool list = bt_json_is(j, BT_JSON_ARRAY);
    int64_t times[BT_MAX_RANK], n = list ? j->n : 1;
    if (!j || n > BT_MAX_RANK) return btk_unsupported(c->k, "repeats that are no list");
    while (x.shape.rank < n && !c->k->failed) x = btk_expand(c->k, x, 0);
    for (int i = 0; i < x.shape.rank; i++) {
        int64_t at = i - (x.shape.rank - n);
        times[i] = at < 0 ? 1 : bt_json_int(list ? bt_json_at(j, (int)at) : j, -1);
    }
    for (int i = 0; i < x.shape.rank; i++)
        if (times[i] < 0) btk_damaged(c->k, "repeats out of range");
    btk_return(c, btk_tile(c->k, x, times));
}

/* Element i of an axis as often as a list says. */
static void repeat_each(btk_call *c, btk_tensor x, const bt_json *times)
{
    enum { LONGEST = 1 << 20 };
    btk *k = c->k;
    int64_t n = 0, i = 0;
    for (const bt_json *j = times->first; j; j = j->next) {
        int64_t count = bt_json_int(j, -1);
        if (count < 0 || count > LONGEST || (n += count) > LONGEST) return btk_unsupported(k, "such repeats");
    }
    int64_t *from = bt_arena_array(k->arena, int64_t, (size_t)n + 1), to = 0;
    if (!from) return btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    for (const bt_json *j = times->first; j; j = j->next, i++)
        for (int64_t left = bt_json_int(j, 0); left > 0; left--) from[to++] = i;
    int axis = btk_operand_axis(c, 2, "axis", 0, x.shape.rank);
    if (btk_known(k, x, axis, "the size of the axis") != times->n)
        return btk_damaged(k, "repeats for another number");
    btk_return(c, btk_gather(k, x, btk_ints(k, (int)n, from), axis));
}

static void repeat(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_or_flat(c, 2);
    const bt_json *list = btk_operand_json(c, 1, "repeats");
    int64_t times = bt_json_int(bt_json_is(list, BT_JSON_ARRAY) && list->n == 1 ? list->first : list, -1);
    if (bt_json_is(list, BT_JSON_ARRAY) && list->n > 1) return repeat_each(c, x, list);
    if (times < 1) return btk_unsupported(c->k, "repeats that are no number");
    btk_return(c, btk_repeat(c->k, x, btk_operand_axis(c, 2, "axis", 0, x.shape.rank), times));
}

const btk_operation btk_join_operations[] = {
    {"concatenate", concatenate, "0"},
    {"concat", concatenate, "0"},
    {"append", append, NULL},
    {"hstack", join, "1"},
    {"vstack", join, "0"},
    {"stack", stack, NULL},
    {"roll", roll, NULL},
    {"dstack", stack_deep, NULL},
    {"vsplit", split, "0"},
    {"hsplit", split, "1"},
    {"dsplit", split, "2"},
    {"split", split, NULL},
    {"array_split", split, "unequal"},
    {"unstack", unstack, NULL},
    {"tile", tile, NULL},
    {"repeat", repeat, NULL},
    {NULL, NULL, NULL},
};
