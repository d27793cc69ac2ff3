/* Keras: operations that move elements about: indexing, shapes, joining, repetition. */
#include "format/keras_operation.h"

static btk_tensor first(btk_call *c)
{
    return btk_operand(c, 0, "x|input|tensor|array|value|a|params|images", BERTH_NO_DTYPE);
}

/* An axis within the rank. */
static int axis_of(btk_call *c, int i, const char *names, int64_t otherwise, int rank)
{
    int64_t axis = btk_operand_int(c, i, names, otherwise);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) btk_damaged(c->k, "an axis beyond the rank of the input");
    return c->k->failed ? 0 : (int)axis;
}

/* ---- Indexing ----------------------------------------------------------------------------------------- */

typedef struct strided {
    int64_t begin[2 * BT_MAX_RANK], end[2 * BT_MAX_RANK], step[2 * BT_MAX_RANK];
    int begin_mask, end_mask, ellipsis, new_axis, shrink, n;
    bt_shape shape;
} strided;

static int64_t bounded(int64_t i, int64_t size, int64_t low, int64_t high)
{
    if (i < 0) i += size;
    return i < low ? low : i > high ? high : i;
}

/* start:stop:step of Python along an axis of a size; the number of elements, -1 where it is not known. */
static int64_t slice_size(int64_t size, bool has_begin, int64_t begin, bool has_end, int64_t end,
                          int64_t step)
{
    if (!has_begin && !has_end && (step == 1 || step == -1)) return size;
    if (size < 0) return -1;
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    begin = has_begin ? bounded(begin, size, low, high) : step > 0 ? 0 : size - 1;
    end = has_end ? bounded(end, size, low, high) : step > 0 ? size : -1;
    int64_t n = step > 0 ? (end - begin + step - 1) / step : (begin - end - step - 1) / -step;
    return n > 0 ? n : 0;
}

static bool is_slice(const bt_json *j)
{
    return bt_json_is_text(bt_json_get(j, "class_name"), "__slice__") ||
           (j && j->kind == BT_JSON_OBJECT && bt_json_get(j, "start"));
}

static bool is_ellipsis(const bt_json *j)
{
    return bt_json_is_text(bt_json_get(j, "class_name"), "__ellipsis__") || bt_json_is_text(j, "...") ||
           bt_json_is_text(j, "Ellipsis");
}

static void add_slice(btk_call *c, strided *s, const bt_json *j, int64_t size)
{
    const bt_json *config = bt_json_get(j, "config") ? bt_json_get(j, "config") : j;
    const bt_json *start = bt_json_get(config, "start"), *stop = bt_json_get(config, "stop"),
                  *step = bt_json_get(config, "step");
    bool has_begin = bt_json_is(start, BT_JSON_INT), has_end = bt_json_is(stop, BT_JSON_INT);
    int i = s->n;
    if ((start && start->kind > BT_JSON_INT) || (stop && stop->kind > BT_JSON_INT))
        return btk_unsupported(c->k, "a slice whose bounds are computed");
    s->begin[i] = bt_json_int(start, 0);
    s->end[i] = bt_json_int(stop, 0);
    s->step[i] = bt_json_int(step, 1);
    if (!s->step[i]) return btk_damaged(c->k, "a slice of step 0");
    if (!has_begin) s->begin_mask |= 1 << i;
    if (!has_end) s->end_mask |= 1 << i;
    s->shape.dim[s->shape.rank++] = slice_size(size, has_begin, s->begin[i], has_end, s->end[i], s->step[i]);
}

static void add_item(btk_call *c, strided *s, const bt_json *j, btk_tensor x, int *axis, int given)
{
    int i = s->n;
    if (s->shape.rank >= BT_MAX_RANK || i >= 2 * BT_MAX_RANK - 1)
        return btk_unsupported(c->k, "so many axes");
    s->begin[i] = s->end[i] = 0;
    s->step[i] = 1;
    if (!j || j->kind == BT_JSON_NULL) {
        s->new_axis |= 1 << i;
        s->shape.dim[s->shape.rank++] = 1;
    } else if (is_ellipsis(j)) {
        s->ellipsis |= 1 << i;
        for (int n = x.shape.rank - given; n > 0 && s->shape.rank < BT_MAX_RANK; n--)
            s->shape.dim[s->shape.rank++] = btk_dim(x, (*axis)++);
    } else if (is_slice(j)) {
        add_slice(c, s, j, btk_dim(x, (*axis)++));
    } else if (bt_json_is(j, BT_JSON_INT)) {
        s->shrink |= 1 << i;
        s->begin[i] = j->i;
        s->end[i] = j->i + 1;
        ++*axis;
    } else {
        return btk_unsupported(c->k, "an index that is no number and no slice");
    }
    s->n++;
}

static void get_item(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    const bt_json *spec = btk_operand_json(c, 1, "slice_spec|key");
    strided s = {.n = 0};
    int axis = 0, given = 0;
    bool list = bt_json_is(spec, BT_JSON_ARRAY);
    if (!spec) return btk_unsupported(k, "an index that is computed");
    const bt_json *item = list ? spec->first : spec;
    for (const bt_json *j = item; j; j = list ? j->next : NULL)
        given += j->kind != BT_JSON_NULL && !is_ellipsis(j);
    for (const bt_json *j = item; j && !k->failed; j = list ? j->next : NULL)
        add_item(c, &s, j, x, &axis, given);
    while (axis < x.shape.rank && s.shape.rank < BT_MAX_RANK)
        s.shape.dim[s.shape.rank++] = btk_dim(x, axis++);
    if (axis > x.shape.rank) return btk_damaged(k, "more indices than axes");
    btk_tensor in[4] = {x, btk_ints(k, s.n, s.begin), btk_ints(k, s.n, s.end), btk_ints(k, s.n, s.step)};
    btk_tensor y = btk_node(k, "StridedSlice", 4, in, x.dtype, s.shape);
    btk_attr_type(k, y, "Index", BERTH_INT32);
    btk_attr_int(k, y, "begin_mask", s.begin_mask);
    btk_attr_int(k, y, "end_mask", s.end_mask);
    btk_attr_int(k, y, "ellipsis_mask", s.ellipsis);
    btk_attr_int(k, y, "new_axis_mask", s.new_axis);
    btk_attr_int(k, y, "shrink_axis_mask", s.shrink);
    btk_return(c, y);
}

static void take(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c), indices = btk_operand(c, 1, "indices", BERTH_INT32);
    if (indices.dtype != BERTH_INT32 && indices.dtype != BERTH_INT64)
        indices = btk_cast(k, indices, BERTH_INT32);
    bool flat = k->version >= 3 && !btk_operand_json(c, 2, "axis");
    if (flat) x = btk_reshape(k, x, 1, (int64_t[]){-1}, (int[]){-1});
    btk_return(c, btk_gather(k, x, indices, flat ? 0 : axis_of(c, 2, "axis", 0, x.shape.rank)));
}

static void one_hot(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "x|indices", BERTH_INT32);
    berth_dtype dtype = btk_dtype_of(k, btk_operand_json(c, -1, "dtype"), BERTH_FLOAT, false);
    int64_t axis = btk_operand_int(c, -1, "axis", -1);
    if (axis != -1 && axis != x.shape.rank)
        return btk_unsupported(k, "one-hot vectors along another axis than the last");
    btk_return(c, btk_encoded(c, btk_expand(k, x, -1), btk_operand_int(c, 1, "num_classes|depth", 0),
                              "one_hot", dtype, (btk_tensor){0}));
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static void transpose(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    const bt_json *j = btk_operand_json(c, 1, "axes|perm");
    int perm[BT_MAX_RANK], n = 0;
    uint32_t seen = 0;
    for (const bt_json *item = bt_json_first(j); item && n < BT_MAX_RANK; item = item->next) {
        int64_t axis = bt_json_int(item, -1);
        if (axis < 0) axis += x.shape.rank;
        perm[n++] = (int)axis;
        if (axis >= 0 && axis < BT_MAX_RANK) seen |= 1u << axis;
    }
    if (!j)
        for (; n < x.shape.rank; n++) perm[n] = x.shape.rank - 1 - n, seen |= 1u << n;
    if (n != x.shape.rank || seen != (1u << n) - 1)
        return btk_damaged(c->k, "a permutation that does not fit the input");
    btk_return(c, btk_transpose(c->k, x, perm));
}

static void swap_axes(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    int a = axis_of(c, 1, "axis1", 0, x.shape.rank), b = axis_of(c, 2, "axis2", 1, x.shape.rank);
    btk_return(c, btk_swap(c->k, x, a, b));
}

static void move_axis(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    int perm[BT_MAX_RANK], n = 0, from = axis_of(c, 1, "source", 0, x.shape.rank),
                           to = axis_of(c, 2, "destination", 0, x.shape.rank);
    for (int i = 0; i < x.shape.rank; i++) {
        if (n == to) perm[n++] = from;
        if (i != from) perm[n++] = i;
    }
    if (n == to) perm[n] = from;
    btk_return(c, btk_transpose(c->k, x, perm));
}

/* A list of numbers, one of them maybe -1; or a tensor. */
static void reshape(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    btk_value v = btk_operand_value(c, 1, "newshape|shape");
    int64_t dims[BT_MAX_RANK];
    int n = 0, open = 0;
    if (v.kind != BTK_JSON || !v.json) {
        btk_tensor sizes = btk_operand(c, 1, "newshape|shape", BERTH_INT32);
        bt_shape shape = {.rank = (int)btk_known(k, sizes, 0, "the rank of the target")};
        for (int i = 0; i < BT_MAX_RANK; i++)
            shape.dim[i] = v.kind == BTK_LIST && i < v.n && v.items[i].kind == BTK_JSON
                               ? bt_json_int(v.items[i].json, -1)
                               : -1;
        if (shape.rank > BT_MAX_RANK) return btk_unsupported(k, "tensors of rank %d", shape.rank);
        btk_tensor y = btk_node(k, "Reshape", 2, (btk_tensor[]){x, sizes}, x.dtype, shape);
        btk_attr_type(k, y, "Tshape", sizes.dtype);
        return btk_return(c, y);
    }
    const bt_json *item = v.json->kind == BT_JSON_ARRAY ? v.json->first : v.json;
    for (; item && n < BT_MAX_RANK; item = v.json->kind == BT_JSON_ARRAY ? item->next : NULL) {
        dims[n] = bt_json_int(item, -1);
        open += dims[n++] < 0;
    }
    if (open > 1) return btk_damaged(k, "a target shape with several unknown sizes");
    btk_return(c, btk_reshape(k, x, n, dims, NULL));
}

static void ravel(btk_call *c, const char *detail)
{
    (void)detail;
    btk_return(c, btk_reshape(c->k, first(c), 1, (int64_t[]){-1}, (int[]){-1}));
}

static void expand_dims(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    const bt_json *j = btk_operand_json(c, 1, "axis");
    if (bt_json_is(j, BT_JSON_ARRAY) && j->n != 1) return btk_unsupported(c->k, "several new axes at once");
    int64_t axis = bt_json_int(bt_json_is(j, BT_JSON_ARRAY) ? j->first : j, 0);
    btk_return(c, btk_expand(c->k, x, (int)(axis > BT_MAX_RANK || axis < -BT_MAX_RANK ? BT_MAX_RANK : axis)));
}

static void squeeze(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    const bt_json *j = btk_operand_json(c, 1, "axis|squeeze_dims");
    uint32_t axes = 0;
    if (j) axes = btk_operand_axes(c, x, 1);
    for (int i = 0; !j && i < x.shape.rank; i++)
        if (x.shape.dim[i] == 1) axes |= 1u << i;
    for (int i = x.shape.rank - 1; i >= 0 && !c->k->failed; i--)
        if (axes >> i & 1) x = btk_squeeze(c->k, x, i);
    btk_return(c, x);
}

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
    btk_return(c, btk_concat(c->k, v.n, x, axis_of(c, 1, "axis", otherwise, x[0].shape.rank)));
}

static void stack(btk_call *c, const char *detail)
{
    (void)detail;
    btk_value v;
    btk_tensor x[255];
    if (!list_of(c, &v)) return;
    int axis = axis_of(c, 1, "axis", 0, v.items[0].tensor.shape.rank + 1);
    for (int i = 0; i < v.n; i++)
        x[i] = btk_expand(c->k, btk_cast(c->k, v.items[i].tensor, v.items[0].tensor.dtype), axis);
    btk_return(c, btk_concat(c->k, v.n, x, axis));
}

/* Into n equal parts; at indices (Keras 3); of sizes (tf.split). */
static void split(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c), out[255];
    const bt_json *j = btk_operand_json(c, 1, "indices_or_sections|num_or_size_splits");
    int axis = axis_of(c, 2, "axis", 0, x.shape.rank), n = 0;
    int64_t size = btk_dim(x, axis), at = 0, parts = bt_json_int(j, 0);
    if (!bt_json_is(j, BT_JSON_ARRAY)) {
        if (parts < 1 || parts > 255 || size < 0 || size % parts) return btk_unsupported(k, "such a split");
        for (; n < parts; n++) out[n] = btk_slice(k, x, axis, n * (size / parts), (n + 1) * (size / parts));
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
    btk_tensor x = first(c), out[255];
    int axis = axis_of(c, -1, "axis", 0, x.shape.rank);
    int64_t n = btk_known(k, x, axis, "the size of the axis");
    if (n < 1 || n > 255) return btk_unsupported(k, "so many parts");
    for (int i = 0; i < n; i++) out[i] = btk_pick(k, x, axis, i);
    btk_returns(c, out, (int)n);
}

static void tile(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    const bt_json *j = btk_operand_json(c, 1, "repeats|multiples");
    int64_t times[BT_MAX_RANK];
    if (!bt_json_is(j, BT_JSON_ARRAY) || j->n > BT_MAX_RANK)
        return btk_unsupported(c->k, "repeats that are no list");
    while (x.shape.rank < j->n && !c->k->failed) x = btk_expand(c->k, x, 0);
    for (int i = 0; i < x.shape.rank; i++)
        times[i] = i < x.shape.rank - j->n ? 1 : bt_json_int(bt_json_at(j, i - (x.shape.rank - j->n)), -1);
    for (int i = 0; i < x.shape.rank; i++)
        if (times[i] < 0) btk_damaged(c->k, "repeats out of range");
    btk_return(c, btk_tile(c->k, x, times));
}

static void repeat(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    int64_t times = btk_operand_int(c, 1, "repeats", -1);
    if (times < 1) return btk_unsupported(c->k, "repeats that are no number");
    btk_return(c, btk_repeat(c->k, x, axis_of(c, 2, "axis", 0, x.shape.rank), times));
}

static void pad(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first(c);
    const bt_json *j = btk_operand_json(c, 1, "pad_width|paddings");
    const char *mode = bt_json_text(btk_operand_json(c, 2, "mode"), "constant");
    int64_t pads[BT_MAX_RANK][2];
    int32_t flat[2 * BT_MAX_RANK];
    if (!bt_json_is(j, BT_JSON_ARRAY) || j->n != x.shape.rank)
        return btk_unsupported(k, "padding that is no list of pairs");
    for (int i = 0; i < 2 * x.shape.rank; i++) {
        pads[i / 2][i % 2] = bt_json_int(bt_json_at(bt_json_at(j, i / 2), i % 2), -1);
        flat[i] = (int32_t)pads[i / 2][i % 2];
    }
    double value = bt_json_double(btk_operand_json(c, 3, "constant_values"), 0);
    bool mirror = strcmp(mode, "constant") && strcmp(mode, "CONSTANT");
    btk_tensor zeros = btk_pad(k, x, (const int64_t(*)[2])pads);
    if (!mirror && value == 0) return btk_return(c, zeros);
    btk_tensor amounts = btk_const(k, BERTH_INT32, BT_SHAPE(x.shape.rank, 2), flat);
    btk_tensor in[3] = {x, amounts, mirror ? amounts : btk_number(k, x.dtype, value)};
    btk_tensor y = btk_node(k, mirror ? "MirrorPad" : "PadV2", mirror ? 2 : 3, in, x.dtype, zeros.shape);
    btk_attr_type(k, y, "Tpaddings", BERTH_INT32);
    if (mirror)
        btk_attr_text(k, y, "mode",
                      strcmp(mode, "symmetric") && strcmp(mode, "SYMMETRIC") ? "REFLECT" : "SYMMETRIC");
    btk_return(c, y);
}

static void flip(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c);
    uint32_t axes = btk_operand_axes(c, x, 1);
    for (int i = 0; i < x.shape.rank && !c->k->failed; i++)
        if (axes >> i & 1) x = btk_reverse(c->k, x, i);
    btk_return(c, x);
}

static void cumulate(btk_call *c, const char *op)
{
    btk_tensor x = first(c);
    int axis = axis_of(c, 1, "axis", 0, x.shape.rank);
    btk_tensor y = btk_node(c->k, op, 2, (btk_tensor[]){x, btk_int(c->k, axis)}, x.dtype, x.shape);
    btk_attr_type(c->k, y, "Tidx", BERTH_INT32);
    btk_attr_bool(c->k, y, "exclusive", bt_json_bool(btk_operand_json(c, -1, "exclusive"), false));
    btk_attr_bool(c->k, y, "reverse", bt_json_bool(btk_operand_json(c, -1, "reverse"), false));
    btk_return(c, y);
}

static void like(btk_call *c, const char *op)
{
    btk_tensor x = first(c);
    x = btk_cast(c->k, x, btk_dtype_of(c->k, btk_operand_json(c, -1, "dtype"), x.dtype, false));
    btk_return(c, btk_unary(c->k, op, x));
}

static void resize(btk_call *c, const char *detail)
{
    (void)detail;
    const bt_json *size = btk_operand_json(c, 1, "size");
    int64_t height = bt_json_int(bt_json_at(size, 0), 0), width = bt_json_int(bt_json_at(size, 1), 0);
    const char *way = bt_json_text(btk_operand_json(c, 2, "interpolation|method"), "bilinear");
    btk_tensor x = first(c);
    bool single = x.shape.rank == 3;
    if (height < 1 || width < 1 || bt_json_bool(btk_operand_json(c, -1, "antialias"), false) ||
        bt_json_bool(
            btk_operand_json(c, -1, "crop_to_aspect_ratio|pad_to_aspect_ratio|preserve_aspect_ratio"), false))
        return btk_unsupported(c->k, "a resize with antialias or of a kept ratio");
    if (!bt_dtype_is_float(x.dtype) && strcmp(way, "nearest")) x = btk_cast(c->k, x, BERTH_FLOAT);
    if (single) x = btk_expand(c->k, x, 0);
    if (!btk_rank(c->k, x, 4, 4)) return;
    x = btk_resize(c->k, x, height, width, way);
    btk_return(c, single ? btk_squeeze(c->k, x, 0) : x);
}

static void depth_space(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = first(c);
    int64_t n = btk_operand_int(c, 1, "block_size", 0),
            channels = btk_known(k, x, -1, "the number of channels");
    bool deep = op[0] == 'D';
    if (n < 2 || n > INT16_MAX || !btk_rank(k, x, 4, 4)) return btk_damaged(k, "a block size that cannot be");
    bt_shape shape = btk_with_dim(x.shape, 3, deep ? channels / (n * n) : channels * n * n);
    for (int i = 1; i < 3; i++)
        shape.dim[i] = shape.dim[i] < 0 ? -1 : deep ? shape.dim[i] * n : shape.dim[i] / n;
    btk_tensor y = btk_node(k, op, 1, &x, x.dtype, shape);
    btk_attr_int(k, y, "block_size", n);
    btk_attr_text(k, y, "data_format", "NHWC");
    btk_return(c, y);
}

static void shape_of(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = first(c), y = btk_node(c->k, "Shape", 1, &x, BERTH_INT32, BT_SHAPE(x.shape.rank));
    btk_attr_type(c->k, y, "out_type", BERTH_INT32);
    btk_return(c, y);
}

const btk_operation btk_array_operations[] = {
    {"get_item", get_item, NULL},
    {"getitem", get_item, NULL},
    {"take", take, NULL},
    {"gather", take, NULL},
    {"one_hot", one_hot, NULL},
    {"transpose", transpose, NULL},
    {"permute_dimensions", transpose, NULL},
    {"swapaxes", swap_axes, NULL},
    {"moveaxis", move_axis, NULL},
    {"reshape", reshape, NULL},
    {"ravel", ravel, NULL},
    {"expand_dims", expand_dims, NULL},
    {"squeeze", squeeze, NULL},
    {"concatenate", concatenate, "0"},
    {"concat", concatenate, "0"},
    {"stack", stack, NULL},
    {"split", split, NULL},
    {"unstack", unstack, NULL},
    {"tile", tile, NULL},
    {"repeat", repeat, NULL},
    {"pad", pad, NULL},
    {"flip", flip, NULL},
    {"reverse", flip, NULL},
    {"cumsum", cumulate, "Cumsum"},
    {"cumprod", cumulate, "Cumprod"},
    {"zeros_like", like, "ZerosLike"},
    {"ones_like", like, "OnesLike"},
    {"resize", resize, NULL},
    {"depth_to_space", depth_space, "DepthToSpace"},
    {"space_to_depth", depth_space, "SpaceToDepth"},
    {"shape", shape_of, NULL},
    {NULL, NULL, NULL},
};
