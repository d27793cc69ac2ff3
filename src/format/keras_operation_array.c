/* Keras: operations that move elements about: indexing, shapes, joining, repetition. */
#include "format/keras_operation.h"

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
    btk_tensor x = btk_first_operand(c);
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

static btk_tensor indices_of(btk_call *c)
{
    btk_tensor x = btk_operand(c, 1, "indices", BERTH_INT32);
    return x.dtype == BERTH_INT32 || x.dtype == BERTH_INT64 ? x : btk_cast(c->k, x, BERTH_INT32);
}

static void take(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_or_flat(c, 2), indices = indices_of(c);
    btk_return(c, btk_gather(k, x, indices, btk_operand_axis(c, 2, "axis", 0, x.shape.rank)));
}

/* Each row of indices for the row of x that it stands at. */
static void take_along_axis(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_or_flat(c, 2), indices = indices_of(c);
    int rank = x.shape.rank, axis = btk_operand_axis(c, 2, "axis", 0, rank), last = rank - 1;
    if (indices.shape.rank != rank) return btk_damaged(k, "indices of another rank");
    btk_tensor like = btk_unary(k, "ZerosLike", btk_slice(k, x, axis, 0, 1));
    indices = btk_binary(k, "AddV2", indices, btk_cast(k, like, indices.dtype));
    if (axis != last) x = btk_swap(k, x, axis, last), indices = btk_swap(k, indices, axis, last);
    bt_shape shape = indices.shape;
    btk_tensor flat_x = rank > 1 ? btk_fold_leading(k, x, last) : btk_expand(k, x, 0),
               flat_i = rank > 1 ? btk_fold_leading(k, indices, last) : btk_expand(k, indices, 0);
    btk_tensor in[3] = {flat_x, flat_i, btk_int(k, 1)};
    btk_tensor y = btk_bare(k, "GatherV2", 3, in, x.dtype, flat_i.shape);
    btk_attr_type(k, y, "Tparams", x.dtype);
    btk_attr_type(k, y, "Tindices", indices.dtype);
    btk_attr_type(k, y, "Taxis", BERTH_INT32);
    btk_attr_int(k, y, "batch_dims", 1);
    y = rank > 1 ? btk_unfold_leading(k, y, indices, last) : btk_squeeze(k, y, 0);
    if (!k->failed) y.shape = shape;
    btk_return(c, axis != last ? btk_swap(k, y, axis, last) : y);
}

/* Axis `from` to the place `to`, the others in their order. */
static btk_tensor moved(btk *k, btk_tensor x, int from, int to)
{
    int perm[BT_MAX_RANK], n = 0;
    for (int i = 0; i < x.shape.rank; i++) {
        if (n == to) perm[n++] = from;
        if (i != from) perm[n++] = i;
    }
    if (n == to) perm[n] = from;
    return btk_transpose(k, x, perm);
}

static void one_hot(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "x|indices", BERTH_INT32);
    berth_dtype dtype = btk_dtype_of(k, btk_operand_json(c, -1, "dtype"), BERTH_FLOAT, false);
    int64_t axis = btk_operand_int(c, -1, "axis", -1), last = x.shape.rank;
    btk_tensor y = btk_encoded(c, btk_expand(k, x, -1), btk_operand_int(c, 1, "num_classes|depth", 0),
                               "one_hot", dtype, (btk_tensor){0});
    if (axis < 0) axis += last + 1;
    if (axis < 0 || axis > last) return btk_damaged(k, "an axis beyond the rank of the input");
    btk_return(c, axis == last ? y : moved(k, y, (int)last, (int)axis));
}

static void multi_hot(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_operand(c, 0, "x|inputs|indices", BERTH_INT32);
    berth_dtype dtype = btk_dtype_of(c->k, btk_operand_json(c, -1, "dtype"), BERTH_FLOAT, false);
    if (btk_operand_int(c, 2, "axis", -1) != -1) return btk_unsupported(c->k, "an axis but the last");
    btk_return(c, btk_encoded(c, x, btk_operand_int(c, 1, "num_classes|num_tokens", 0), "multi_hot", dtype,
                              (btk_tensor){0}));
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static void transpose(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_operand(c);
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
    btk_tensor x = btk_first_operand(c);
    int a = btk_operand_axis(c, 1, "axis1", 0, x.shape.rank),
        b = btk_operand_axis(c, 2, "axis2", 1, x.shape.rank);
    btk_return(c, btk_swap(c->k, x, a, b));
}

/* Lists of axes, or one; the others keep their order. */
static void move_axis(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_operand(c);
    const bt_json *source = btk_operand_json(c, 1, "source"), *target = btk_operand_json(c, 2, "destination");
    int perm[BT_MAX_RANK], rank = x.shape.rank, n = bt_json_is(source, BT_JSON_ARRAY) ? source->n : 1,
                           next = 0;
    uint32_t seen = 0;
    for (int i = 0; i < rank; i++) perm[i] = -1;
    for (int i = 0; i < n; i++) {
        int64_t from = bt_json_int(
                    n == 1 && !bt_json_is(source, BT_JSON_ARRAY) ? source : bt_json_at(source, i), 0),
                to = bt_json_int(bt_json_is(target, BT_JSON_ARRAY) ? bt_json_at(target, i) : target, 0);
        if (from < 0) from += rank;
        if (to < 0) to += rank;
        if (from < 0 || to < 0 || from >= rank || to >= rank || perm[to] >= 0 || seen >> from & 1)
            return btk_damaged(c->k, "axes that cannot be moved so");
        perm[to] = (int)from, seen |= 1u << from;
    }
    for (int i = 0; i < rank; i++)
        if (perm[i] < 0) {
            while (seen >> next & 1) next++;
            perm[i] = next++;
        }
    btk_return(c, btk_transpose(c->k, x, perm));
}

/* A list of numbers, one of them maybe -1; or a tensor. */
static void reshape(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c);
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
    btk_return(c, btk_flat(c->k, btk_first_operand(c)));
}

static void expand_dims(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_operand(c);
    const bt_json *j = btk_operand_json(c, 1, "axis");
    int64_t axes[BT_MAX_RANK];
    int n = bt_json_is(j, BT_JSON_ARRAY) ? j->n : 1;
    if (n + x.shape.rank > BT_MAX_RANK) return btk_unsupported(c->k, "tensors of rank %d", n + x.shape.rank);
    for (int i = 0; i < n; i++) {
        axes[i] = bt_json_int(bt_json_is(j, BT_JSON_ARRAY) ? bt_json_at(j, i) : j, 0);
        if (axes[i] < 0) axes[i] += x.shape.rank + n;
    }
    for (int to = 0; to < BT_MAX_RANK; to++) /* as places in the result, the first one first */
        for (int i = 0; i < n; i++)
            if (axes[i] == to) x = btk_expand(c->k, x, to), axes[i] = INT64_MIN;
    for (int i = 0; i < n; i++)
        if (axes[i] != INT64_MIN) return btk_damaged(c->k, "an axis beyond the rank of the input");
    btk_return(c, x);
}

static void squeeze(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_operand(c);
    const bt_json *j = btk_operand_json(c, 1, "axis|squeeze_dims");
    uint32_t axes = 0;
    if (j) axes = btk_operand_axes(c, x, 1);
    for (int i = 0; !j && i < x.shape.rank; i++)
        if (x.shape.dim[i] == 1) axes |= 1u << i;
    for (int i = x.shape.rank - 1; i >= 0 && !c->k->failed; i--)
        if (axes >> i & 1) x = btk_squeeze(c->k, x, i);
    btk_return(c, x);
}

static void pad(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c);
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
    btk_tensor x = btk_first_operand(c);
    uint32_t axes = btk_operand_axes(c, x, 1);
    for (int i = 0; i < x.shape.rank && !c->k->failed; i++)
        if (axes >> i & 1) x = btk_reverse(c->k, x, i);
    btk_return(c, x);
}

static void cumulate(btk_call *c, const char *op)
{
    btk_tensor x = btk_first_or_flat(c, 1);
    int axis = btk_operand_axis(c, 1, "axis", 0, x.shape.rank);
    btk_tensor y = btk_node(c->k, op, 2, (btk_tensor[]){x, btk_int(c->k, axis)}, x.dtype, x.shape);
    btk_attr_type(c->k, y, "Tidx", BERTH_INT32);
    btk_attr_bool(c->k, y, "exclusive", bt_json_bool(btk_operand_json(c, -1, "exclusive"), false));
    btk_attr_bool(c->k, y, "reverse", bt_json_bool(btk_operand_json(c, -1, "reverse"), false));
    btk_return(c, y);
}

static void like(btk_call *c, const char *op)
{
    btk_tensor x = btk_first_operand(c);
    x = btk_cast(c->k, x, btk_dtype_of(c->k, btk_operand_json(c, -1, "dtype"), x.dtype, false));
    btk_return(c, btk_unary(c->k, op, x));
}

static void depth_space(btk_call *c, const char *op)
{
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c);
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

static void broadcast_to(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), sizes[BT_MAX_RANK];
    const bt_json *j = btk_operand_json(c, 1, "shape");
    bt_shape shape = {.rank = bt_json_is(j, BT_JSON_ARRAY) ? j->n : -1};
    if (shape.rank < x.shape.rank || shape.rank > BT_MAX_RANK)
        return btk_unsupported(k, "a shape that is computed");
    for (int i = 0; i < shape.rank; i++) {
        int from = i - (shape.rank - x.shape.rank);
        shape.dim[i] = bt_json_int(bt_json_at(j, i), -1);
        if (shape.dim[i] < 0 && from < 0) return btk_damaged(k, "a size that cannot be");
        sizes[i] = shape.dim[i] < 0 ? btk_size(k, x, from) : btk_int(k, shape.dim[i]);
        if (shape.dim[i] < 0) shape.dim[i] = btk_dim(x, from);
    }
    btk_return(c, btk_broadcast(k, x, shape.rank, sizes, shape));
}

static void full_like(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c);
    x = btk_cast(k, x, btk_dtype_of(k, btk_operand_json(c, -1, "dtype"), x.dtype, false));
    btk_tensor value = btk_cast(k, btk_operand(c, 1, "fill_value", x.dtype), x.dtype);
    btk_return(c, btk_binary(k, "AddV2", btk_unary(k, "ZerosLike", x), value));
}

/* The choice of the first condition that holds, else the default. */
static void select_first(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_value conditions = btk_operand_value(c, 0, "condlist"),
              choices = btk_operand_value(c, 1, "choicelist");
    if (conditions.kind != BTK_LIST || choices.kind != BTK_LIST || conditions.n != choices.n || !choices.n)
        return btk_unsupported(k, "conditions that are no list of tensors");
    for (int i = 0; i < choices.n; i++)
        if (conditions.items[i].kind != BTK_TENSOR || choices.items[i].kind != BTK_TENSOR)
            return btk_unsupported(k, "conditions that are no list of tensors");
    btk_tensor y = btk_operand(c, 2, "default", choices.items[0].tensor.dtype);
    y = btk_cast(k, y, choices.items[0].tensor.dtype);
    for (int i = choices.n - 1; i >= 0; i--)
        y = btk_select(k, btk_cast(k, conditions.items[i].tensor, BERTH_BOOL),
                       btk_cast(k, choices.items[i].tensor, y.dtype), y);
    btk_return(c, y);
}

static void shape_of(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_operand(c),
               y = btk_node(c->k, "Shape", 1, &x, BERTH_INT32, BT_SHAPE(x.shape.rank));
    btk_attr_type(c->k, y, "out_type", BERTH_INT32);
    btk_return(c, y);
}

const btk_operation btk_array_operations[] = {
    {"get_item", get_item, NULL},
    {"getitem", get_item, NULL},
    {"take", take, NULL},
    {"gather", take, NULL},
    {"take_along_axis", take_along_axis, NULL},
    {"one_hot", one_hot, NULL},
    {"multi_hot", multi_hot, NULL},
    {"transpose", transpose, NULL},
    {"permute_dimensions", transpose, NULL},
    {"swapaxes", swap_axes, NULL},
    {"moveaxis", move_axis, NULL},
    {"reshape", reshape, NULL},
    {"ravel", ravel, NULL},
    {"expand_dims", expand_dims, NULL},
    {"squeeze", squeeze, NULL},
    {"pad", pad, NULL},
    {"flip", flip, NULL},
    {"reverse", flip, NULL},
    {"cumsum", cumulate, "Cumsum"},
    {"cumprod", cumulate, "Cumprod"},
    {"zeros_like", like, "ZerosLike"},
    {"empty_like", like, "ZerosLike"},
    {"ones_like", like, "OnesLike"},
    {"depth_to_space", depth_space, "DepthToSpace"},
    {"space_to_depth", depth_space, "SpaceToDepth"},
    {"shape", shape_of, NULL},
    {"broadcast_to", broadcast_to, NULL},
    {"full_like", full_like, NULL},
    {"select", select_first, NULL},
    {NULL, NULL, NULL},
};
