/* What each op makes of the order of axes: a table of ops, each with a function that says which of its tensors are carried in
 * the order that it computes in, and one that changes its axes, sizes and attributes for channels last. Ops that are not in the
 * table want channels first. */
#include "pass/layout.h"

/* A node under the eyes of its rule. */
typedef struct look {
    bt_layouts *l;
    const bt_node *node;
    int32_t index;
    int n_in, arg;
} look;

typedef struct bt_layout_op {
    const char *ops;
    bool (*look)(const look *k, bt_layout_rule *r); /* false: channels first */
    void (*rewrite)(const look *k, const bt_layout_rule *r);
    int arg;
} bt_layout_op;

enum { LEAST_RANK = 3, MOST_RANK = 5 };

void bt_layout_order(int rank, bool to_last, int64_t *order)
{
    order[0] = 0;
    for (int i = 1; i < rank; i++)
        if (to_last) order[i] = i < rank - 1 ? i + 1 : 1;
        else order[i] = i > 1 ? i - 1 : rank - 1;
}

bool bt_layout_is_trivial(const bt_shape *s)
{
    if (s->rank < LEAST_RANK || s->rank > MOST_RANK) return false;
    bool is_point = true;
    for (int i = 2; i < s->rank; i++) is_point = is_point && s->dim[i] == 1;
    return is_point || s->dim[1] == 1;
}

static bool is_rank(int rank) { return rank >= LEAST_RANK && rank <= MOST_RANK; }
static const bt_fact *fact(const look *k, int i) { return bt_pass_fact(k->l->x, k->node->inputs[i]); }
static const bt_shape *out_shape(const look *k)
{
    return &bt_pass_fact(k->l->x, (bt_edge){k->index, 0})->shape;
}

/* The place of an axis in channels last. */
static int place_of(int axis, int rank) { return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1; }

/* Carried: inputs from first to end, and outputs up to end_out. */
static bool carry(bt_layout_rule *r, int first_in, int end_in, int end_out, int rank)
{
    r->kind = BT_LAYOUT_EITHER;
    r->first_in = first_in, r->end_in = end_in, r->end_out = end_out;
    r->rank = r->out_rank = rank;
    return is_rank(rank);
}

/* ---- What changes ------------------------------------------------------------------------------------- */

/* For constants in the place of input i. */
static bt_builder *in_place_of(const look *k, int i)
{
    k->l->b.beside = k->l->has_frames ? k->node->inputs[i].node : -1;
    return &k->l->b;
}

static void set_input(const look *k, int i, bt_edge e)
{
    if (!k->l->b.failed) k->l->x->graph.nodes[k->index].inputs[i] = e;
}

static bt_edge input(const look *k, int i) { return k->l->x->graph.nodes[k->index].inputs[i]; }

/* Input i, a vector or matrix with a row an axis, in the order of channels last. */
static void move_rows(const look *k, int i, int rank)
{
    int64_t order[MOST_RANK];
    bt_edge e = input(k, i);
    const bt_tensor *value = fact(k, i)->value;
    berth_dtype dtype = fact(k, i)->dtype;
    const bt_shape *shape = &fact(k, i)->shape;
    if (shape->rank == 1 && shape->dim[0] == rank - 2) return; /* sizes of the space alone */
    bt_layout_order(rank, true, order);
    if (!value || value->shape.rank < 1 || value->shape.dim[0] != rank || !bt_dtype_is_int(dtype)) {
        set_input(k, i, bt_build_gather(in_place_of(k, i), e, dtype, order, rank));
        return;
    }
    size_t row = bt_tensor_bytes(value) / (size_t)rank;
    bt_tensor *moved = bt_arena_new(k->l->x->arena, bt_tensor);
    char *data = bt_arena_alloc(k->l->x->arena, row * (size_t)rank + 1);
    k->l->b.failed |= !moved || !data;
    if (k->l->b.failed) return;
    *moved = (bt_tensor){.dtype = dtype, .shape = value->shape, .data = data};
    for (int a = 0; a < rank; a++)
        memcpy(data + (size_t)a * row, (char *)value->data + (size_t)order[a] * row, row);
    set_input(k, i, bt_build_const(in_place_of(k, i), "rows", moved));
}

/* Axes in [-rank, rank), each once; false where they are not known or wrong. */
static bool read_axes(const bt_tensor *t, int rank, unsigned *axes)
{
    *axes = 0;
    if (!t || !bt_dtype_is_int(t->dtype) || t->shape.rank > 1 || bt_tensor_count(t) > MOST_RANK) return false;
    for (int64_t i = 0; i < bt_tensor_count(t); i++) {
        int axis;
        if (!bt_axis(bt_tensor_int(t, i), rank, &axis) || *axes >> axis & 1) return false;
        *axes |= 1u << axis;
    }
    return true;
}

/* Input i, axes of a tensor of this rank, as axes of channels last. */
static void move_axes(const look *k, int i, int rank)
{
    int64_t axes[MOST_RANK];
    const bt_tensor *t = fact(k, i)->value;
    int n = (int)bt_tensor_count(t);
    for (int a = 0; a < n; a++) {
        int axis = 0;
        bt_axis(bt_tensor_int(t, a), rank, &axis);
        axes[a] = place_of(axis, rank);
    }
    bt_tensor *moved = bt_arena_new(k->l->x->arena, bt_tensor);
    char *data = bt_arena_alloc(k->l->x->arena, (size_t)n * sizeof(int64_t) + 1);
    k->l->b.failed |= !moved || !data;
    if (k->l->b.failed) return;
    *moved = (bt_tensor){.dtype = t->dtype, .shape = t->shape, .data = data};
    size_t element = bt_dtype_size(t->dtype);
    for (int a = 0; a < n; a++) memcpy(data + (size_t)a * element, &axes[a], element); /* little-endian */
    set_input(k, i, bt_build_const(in_place_of(k, i), "axis", moved));
}

/* An attribute of one number (or `each`) an axis. */
static void move_list(const look *k, const char *name, int rank, int each)
{
    int64_t order[MOST_RANK], values[2 * MOST_RANK];
    const bt_attr_value *list;
    if (bt_attr_list(k->node, name, &list) != rank * each) return;
    bt_layout_order(rank, true, order);
    for (int i = 0; i < rank * each; i++) values[i] = list[order[i / each] * each + i % each].i;
    k->l->b.failed |= !bt_set_ints(&k->l->x->graph, k->index, name, values, rank * each);
}

/* ---- Ops with a data_format --------------------------------------------------------------------------- */

enum { IN_2 = 1, ROWS_0 = 2, ROWS_1_2 = 4 }; /* the image is input 2; these inputs are sizes */

static const char *format_of(const bt_node *node) { return bt_attr_string(node, "data_format", "NHWC"); }

static bool look_formatted(const look *k, bt_layout_rule *r)
{
    const char *format = format_of(k->node);
    const bt_attr_value *list;
    int at = k->arg & IN_2 ? 2 : 0;
    bool is_general = !strcmp(format, "CHANNELS_FIRST");
    if (k->n_in <= at || (!bt_starts(format, "NC") && !is_general)) return false;
    int rank = is_general ? bt_attr_list(k->node, "strides", &list) : (int)strlen(format);
    if (!strcmp(k->node->op, "BiasAdd")) rank = fact(k, 0)->shape.rank; /* NCHW whatever its rank */
    if (is_general && bt_attr_int(k->node, "batch_dims", 1) != 1) return false;
    bool is_fit = carry(r, at, at + 1, 1, rank);
    r->kind = BT_LAYOUT_LAST;
    return is_fit;
}

static void rewrite_formatted(const look *k, const bt_layout_rule *r)
{
    static const char *const formats[] = {"NHWC", "NHWC", "NDHWC"};
    const char *format =
        strcmp(format_of(k->node), "CHANNELS_FIRST") ? formats[r->rank - LEAST_RANK] : "CHANNELS_LAST";
    move_list(k, "strides", r->rank, 1);
    move_list(k, "ksize", r->rank, 1);
    move_list(k, "dilations", r->rank, 1);
    move_list(k, "explicit_paddings", r->rank, 2);
    if (!strcmp(k->node->op, "BiasAdd")) format = "NHWC";
    k->l->b.failed |= !bt_set_string(&k->l->x->graph, k->index, "data_format", format);
    if (k->arg & ROWS_0) move_rows(k, 0, r->rank);
    for (int i = 1; i < 3 && k->arg & ROWS_1_2; i++) move_rows(k, i, r->rank);
}

/* ---- Ops that compute each element by itself ---------------------------------------------------------- */

static void rewrite_nothing(const look *k, const bt_layout_rule *r) { (void)k, (void)r; }

/* Input 0 and output 0; others are scalars. */
static bool look_unary(const look *k, bt_layout_rule *r)
{
    return k->n_in > 0 && carry(r, 0, 1, 1, fact(k, 0)->shape.rank);
}

enum { BROADCASTS, ALIKE, CHOICE };

/* All inputs, which are broadcast, alike, or, but the first, which may be a scalar, alike. */
static bool look_many(const look *k, bt_layout_rule *r)
{
    int rank = 0;
    bool carries = false;
    for (int i = 0; i < k->n_in; i++) {
        int n = fact(k, i)->shape.rank;
        if (n < 0) return false;
        if (n > rank) rank = n, carries = false;
        carries |= n == rank && !fact(k, i)->value;
    }
    for (int i = 0; i < k->n_in && k->arg != BROADCASTS; i++) {
        int n = fact(k, i)->shape.rank;
        if (n != rank && (k->arg == ALIKE || i > 0 || n > 0)) return false;
    }
    return carries && carry(r, 0, k->n_in, 1, rank);
}

static bool look_switch(const look *k, bt_layout_rule *r)
{
    return !k->l->has_frames && k->n_in == 2 && carry(r, 0, 1, 2, fact(k, 0)->shape.rank);
}

static bool look_merge(const look *k, bt_layout_rule *r) { return !k->l->has_frames && look_many(k, r); }

/* ---- Ops with axes ------------------------------------------------------------------------------------ */

enum { AXIS_LAST = -1 };

/* Parts along an axis: Concat (axis, parts), ConcatV2 (parts, axis), Split (axis, whole), SplitV (whole, sizes, axis). */
static int axis_input(const look *k) { return k->arg == AXIS_LAST ? k->n_in - 1 : k->arg; }

static bool look_parts(const look *k, bt_layout_rule *r)
{
    unsigned axes;
    bool splits = bt_starts(k->node->op, "Split");
    int axis = axis_input(k), first = axis == 0,
        end = k->arg == AXIS_LAST ? k->n_in - 1
              : splits            ? first + 1
                                  : k->n_in;
    if (k->n_in < 2 || axis >= k->n_in) return false;
    int rank = fact(k, first)->shape.rank;
    for (int i = first; i < end; i++)
        if (fact(k, i)->shape.rank != rank) return false;
    return carry(r, first, end, splits ? bt_node_outputs(k->node) : 1, rank) &&
           read_axes(fact(k, axis)->value, rank, &axes) && bt_tensor_count(fact(k, axis)->value) == 1;
}

static void rewrite_parts(const look *k, const bt_layout_rule *r) { move_axes(k, axis_input(k), r->rank); }

/* Inputs 1 to arg have a row an axis: paddings, multiples, begin and size. */
static bool look_rows(const look *k, bt_layout_rule *r)
{
    return k->n_in > k->arg && carry(r, 0, 1, 1, fact(k, 0)->shape.rank);
}

static void rewrite_rows(const look *k, const bt_layout_rule *r)
{
    for (int i = 1; i <= k->arg; i++) move_rows(k, i, r->rank);
}

/* What is left of both orders when these axes go: true where it can be told: the tensor is carried on, or the same. */
static bool drop_axes(bt_layout_rule *r, unsigned axes)
{
    int left = r->rank - __builtin_popcount(axes);
    bool has_batch = !(axes & 1), has_channels = !(axes & 2);
    bool has_space = ((1u << r->rank) - 1) & ~axes & ~3u;
    if (!has_channels || !has_space) return r->end_out = 0, true; /* in the same order either way */
    r->out_rank = left;
    return has_batch && left >= LEAST_RANK;
}

static bool look_reduce(const look *k, bt_layout_rule *r)
{
    unsigned axes;
    bool is_arg = bt_starts(k->node->op, "Arg");
    if (k->n_in != 2 || !carry(r, 0, 1, 1, fact(k, 0)->shape.rank)) return false;
    if (!read_axes(fact(k, 1)->value, r->rank, &axes)) return false;
    return (!is_arg && bt_attr_bool(k->node, "keep_dims", false)) || drop_axes(r, axes);
}

static void rewrite_axes(const look *k, const bt_layout_rule *r) { move_axes(k, 1, r->rank); }

static bool look_reverse(const look *k, bt_layout_rule *r)
{
    unsigned axes;
    return k->n_in == 2 && carry(r, 0, 1, 1, fact(k, 0)->shape.rank) &&
           read_axes(fact(k, 1)->value, r->rank, &axes);
}

/* The axes that Squeeze names; 0: none, or wrong. */
static unsigned squeezed(const bt_node *node, int rank)
{
    unsigned axes = 0;
    const bt_attr_value *list;
    int n = bt_attr_list(node, "squeeze_dims", &list);
    for (int i = 0; i < n; i++) {
        int axis;
        if (!bt_axis(list[i].i, rank, &axis)) return 0;
        axes |= 1u << axis;
    }
    return axes;
}

static bool look_squeeze(const look *k, bt_layout_rule *r)
{
    if (k->n_in != 1 || !carry(r, 0, 1, 1, fact(k, 0)->shape.rank)) return false;
    unsigned axes = squeezed(k->node, r->rank);
    return axes && drop_axes(r, axes);
}

static void rewrite_squeeze(const look *k, const bt_layout_rule *r)
{
    int64_t moved[MOST_RANK];
    unsigned axes = squeezed(k->node, r->rank);
    int n = 0;
    for (int a = 0; a < r->rank; a++)
        if (axes >> a & 1) moved[n++] = place_of(a, r->rank);
    k->l->b.failed |= !bt_set_ints(&k->l->x->graph, k->index, "squeeze_dims", moved, n);
}

/* A dimension more, behind the channels. What has two dimensions has no orders. */
static bool look_expand(const look *k, bt_layout_rule *r)
{
    unsigned axes;
    if (k->n_in != 2) return false;
    int rank = fact(k, 0)->shape.rank;
    if (rank < 2 || !read_axes(fact(k, 1)->value, rank + 1, &axes) || bt_tensor_count(fact(k, 1)->value) != 1)
        return false;
    bool is_fit = carry(r, 0, rank >= LEAST_RANK, 1, rank + 1);
    r->rank = rank;
    return is_fit && axes >= 4;
}

static void rewrite_expand(const look *k, const bt_layout_rule *r) { move_axes(k, 1, r->out_rank); }

static bool look_strided(const look *k, bt_layout_rule *r)
{
    static const char *const none[] = {"ellipsis_mask", "new_axis_mask", "shrink_axis_mask"};
    if (k->n_in != 4 || !carry(r, 0, 1, 1, fact(k, 0)->shape.rank)) return false;
    for (int i = 0; i < 3; i++)
        if (bt_attr_int(k->node, none[i], 0)) return false;
    for (int i = 1; i < 4; i++) {
        const bt_tensor *t = fact(k, i)->value;
        bool is_fit = t && t->shape.rank == 1 && (t->dtype == BERTH_INT32 || t->dtype == BERTH_INT64);
        if (!is_fit || t->shape.dim[0] > r->rank || t->shape.dim[0] != fact(k, 1)->value->shape.dim[0])
            return false;
    }
    return true;
}

static void rewrite_strided(const look *k, const bt_layout_rule *r)
{
    static const char *const masks[] = {"begin_mask", "end_mask"};
    int64_t order[MOST_RANK], values[MOST_RANK];
    int given = (int)fact(k, 1)->value->shape.dim[0];
    berth_dtype dtype = fact(k, 1)->dtype;
    bt_layout_order(r->rank, true, order);
    for (int m = 0; m < 2; m++) {
        int64_t mask = bt_attr_int(k->node, masks[m], 0), moved = 0;
        for (int a = 0; a < r->rank; a++)
            if (order[a] >= given || mask >> order[a] & 1) moved |= (int64_t)1 << a;
        k->l->b.failed |= !bt_set_int(&k->l->x->graph, k->index, masks[m], moved);
    }
    for (int i = 1; i < 4; i++) {
        const bt_tensor *t = fact(k, i)->value;
        for (int a = 0; a < r->rank; a++) values[a] = order[a] < given ? bt_tensor_int(t, order[a]) : i == 3;
        set_input(k, i, bt_build_ints(in_place_of(k, i), "range", dtype, values, r->rank));
    }
}

/* ---- Ops that move or ask for shapes ------------------------------------------------------------------ */

static bool look_transpose(const look *k, bt_layout_rule *r)
{
    const bt_tensor *t = k->n_in == 2 ? fact(k, 1)->value : NULL;
    int64_t order[MOST_RANK];
    if (!t || t->shape.rank != 1 || !is_rank((int)bt_tensor_count(t))) return false;
    r->rank = r->out_rank = (int)bt_tensor_count(t);
    for (int to_last = 0; to_last < 2; to_last++) {
        bool is_same = true;
        bt_layout_order(r->rank, to_last, order);
        for (int i = 0; i < r->rank; i++) is_same = is_same && bt_tensor_int(t, i) == order[i];
        if (!is_same) continue;
        r->kind = to_last ? BT_LAYOUT_TO_LAST : BT_LAYOUT_TO_FIRST;
        r->first_in = 0, r->end_in = to_last, r->end_out = !to_last;
        return true;
    }
    return false;
}

/* What it says of a tensor does not depend on the order, or, of Shape, is put right behind it. */
static bool look_blind(const look *k, bt_layout_rule *r)
{
    if (k->n_in != 1 || !is_rank(fact(k, 0)->shape.rank)) return false;
    r->any_in = 0, r->rank = fact(k, 0)->shape.rank;
    return true;
}

/* Bytes stay where they are: both orders do where they are the same bytes. */
static bool look_reshape(const look *k, bt_layout_rule *r)
{
    if (k->n_in != 2) return false;
    if (bt_layout_is_trivial(&fact(k, 0)->shape)) r->any_in = 0, r->rank = fact(k, 0)->shape.rank;
    if (!bt_layout_is_trivial(out_shape(k))) return r->any_in == 0;
    r->kind = BT_LAYOUT_EITHER;
    r->end_out = 1, r->out_rank = out_shape(k)->rank;
    return true;
}

static void rewrite_reshape(const look *k, const bt_layout_rule *r) { move_rows(k, 1, r->out_rank); }

/* ---- The table ---------------------------------------------------------------------------------------- */

static const bt_layout_op table[] = {
    {"Conv2D Conv3D Conv DepthwiseConv2dNative MaxPool MaxPool3D AvgPool AvgPool3D BiasAdd FusedBatchNorm "
     "FusedBatchNormV2 "
     "FusedBatchNormV3 SpaceToDepth DepthToSpace",
     look_formatted, rewrite_formatted, 0},
    {"Conv2DBackpropInput Conv3DBackpropInputV2", look_formatted, rewrite_formatted, IN_2 | ROWS_0},
    {"DepthwiseConv2dNativeBackpropInput", look_formatted, rewrite_formatted, IN_2 | ROWS_0},
    {"MaxPoolV2", look_formatted, rewrite_formatted, ROWS_1_2},
    {"Abs Acos Acosh Asin Asinh Atan Atanh BesselI0e BesselI1e Cast Ceil CheckNumerics CheckNumericsV2 Cos "
     "Cosh Digamma Elu "
     "Erf Erfc Erfinv Exp Expm1 FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars Floor Identity Inv IsFinite "
     "IsInf IsNan "
     "LeakyRelu Lgamma Log Log1p LogicalNot Neg OnesLike PreventGradient QuantizeAndDequantize Reciprocal "
     "Relu Relu6 Rint "
     "Round Rsqrt Selu Sigmoid Sign Sin Sinh Snapshot Softplus Softsign Sqrt Square StopGradient Tan Tanh "
     "ZerosLike",
     look_unary, rewrite_nothing, 0},
    {"Add AddV2 ApproximateEqual Atan2 BitwiseAnd BitwiseOr BitwiseXor ClipByValue Div DivNoNan Equal "
     "FloorDiv FloorMod "
     "Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr Maximum Minimum Mod Mul MulNoNan NotEqual Pow "
     "RealDiv "
     "SelectV2 SquaredDifference Sub TruncateDiv TruncateMod Xdivy Xlog1py Xlogy",
     look_many, rewrite_nothing, BROADCASTS},
    {"AddN AccumulateNV2", look_many, rewrite_nothing, ALIKE},
    {"Select", look_many, rewrite_nothing, CHOICE},
    {"Switch", look_switch, rewrite_nothing, 0},
    {"Merge", look_merge, rewrite_nothing, ALIKE},
    {"ConcatV2", look_parts, rewrite_parts, AXIS_LAST},
    {"Concat Split", look_parts, rewrite_parts, 0},
    {"SplitV", look_parts, rewrite_parts, 2},
    {"Pad PadV2 MirrorPad Tile", look_rows, rewrite_rows, 1},
    {"Slice", look_rows, rewrite_rows, 2},
    {"All Any ArgMax ArgMin EuclideanNorm Max Mean Min Prod Sum", look_reduce, rewrite_axes, 0},
    {"ReverseV2", look_reverse, rewrite_axes, 0},
    {"Squeeze", look_squeeze, rewrite_squeeze, 0},
    {"ExpandDims", look_expand, rewrite_expand, 0},
    {"StridedSlice", look_strided, rewrite_strided, 0},
    {"Transpose", look_transpose, rewrite_nothing, 0},
    {"Shape Size Rank", look_blind, rewrite_nothing, 0},
    {"Reshape", look_reshape, rewrite_reshape, 0},
};

berth_status bt_layout_rule_of(bt_layouts *l, int32_t node, bt_layout_rule *rule)
{
    const bt_node *it = &l->x->graph.nodes[node];
    *rule = (bt_layout_rule){.any_in = -1};
    if (!strcmp(format_of(it), "NCHW_VECT_C"))
        return bt_fail(l->x->error, BERTH_UNSUPPORTED,
                       "node '%s' (%s): data_format NCHW_VECT_C, which only GPUs have", it->name, it->op);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!bt_has_word(table[i].ops, it->op)) continue;
        look k = {l, it, node, it->n_inputs, table[i].arg};
        bt_layout_rule found = *rule;
        found.op = &table[i];
        if (table[i].look(&k, &found)) *rule = found;
        return BERTH_OK;
    }
    return BERTH_OK;
}

void bt_layout_rewrite(bt_layouts *l, int32_t node, const bt_layout_rule *rule, const bt_node *was)
{
    look k = {l, was, node, was->n_inputs, rule->op->arg};
    rule->op->rewrite(&k, rule);
}
