/* The batch through a plan. The shapes of all tensors, and the small values that follow from shapes, are computed twice, for
 * the whole batch and for a part of its rows. Then every tensor is one of three things:
 *
 *     SAME  it is the same in both runs: weights, what is made of them alone, sizes without the batch's;
 *     ROWS  dimension 0 is k times the batch, k >= 1, in both: block i of k rows is made of row i of the batch, and of
 *           tensors that are the SAME, alone; all other dimensions agree;
 *     SIZE  it is known without a run, and follows the size of the batch, as a shape does.
 *
 * A step whose inputs are all SAME gives the SAME. Any other must be of an op in the table below, whose rule says when its
 * outputs are ROWS; the computed shapes must bear it out. What is not shown is refused with the node's name: an op that is
 * not in the table, and any that has an effect or is random. */
#include "plan/batch.h"

typedef enum flow { SAME, ROWS, SIZE } flow;

typedef struct walk {
    bt_plan *plan;
    int64_t rows, first, part;
    bt_fact *whole, *some;   /* by slot: in the run on all rows, and on `part` of them */
    bool *known, *known_too; /* by step: all results are known without a run */
    flow *flow;              /* by slot */
    const char *const *fetch_names;
} walk;

/* A step as its rule sees it. */
typedef struct step {
    const walk *w;
    const bt_step *it;
    const bt_node *node;
    int n_in;
    flow *out; /* results: ROWS unless the rule says otherwise */
} step;

/* NULL: the rule holds; else the reason why not. arg: of the table's row. */
typedef const char *rule(const step *s, int arg);

static flow flow_of(const step *s, int i) { return s->w->flow[s->it->in[i]]; }
static bool is_rows(const step *s, int i) { return i < s->n_in && flow_of(s, i) == ROWS; }
static bool is_same(const step *s, int i) { return i < s->n_in && flow_of(s, i) == SAME; }
static const bt_shape *shape_of(const step *s, int i) { return &s->w->whole[s->it->in[i]].shape; }
static const bt_shape *out_shape(const step *s) { return &s->w->whole[s->it->out[0]].shape; }

static const char *const mixes = "it mixes rows of the batch";
static const char *const sized = "it computes with the size of the batch";
static const char *const unread = "the axis is not known before it runs";

/* ---- What rules ask ----------------------------------------------------------------------------------- */

/* An input beside the rows that every row meets alike: it is broadcast along dimension 0 of the output, or has the very
 * rows of the output. */
static const char *meets_rows(const step *s, int i)
{
    const bt_shape *in = shape_of(s, i), *out = out_shape(s);
    switch (flow_of(s, i)) {
    case SIZE: return sized;
    case ROWS: return in->rank == out->rank && in->dim[0] == out->dim[0] ? NULL : mixes;
    case SAME: break;
    }
    if (in->rank < 0) return "the shape of one of its inputs is not known before it runs";
    return in->rank < out->rank || in->dim[0] == 1 ? NULL : mixes;
}

static const char *are_same(const step *s, int from)
{
    for (int i = from; i < s->n_in; i++)
        if (!is_same(s, i)) return flow_of(s, i) == SIZE ? sized : mixes;
    return NULL;
}

/* Whether one of the axes that input i names, or the only one, is dimension 0 of `rank`. */
static const char *is_along_rows(const step *s, int i, int rank)
{
    const bt_tensor *axes = i >= 0 && is_same(s, i) ? s->w->whole[s->it->in[i]].value : NULL;
    if (!axes || !bt_dtype_is_int(axes->dtype)) return unread;
    for (int64_t k = 0, n = bt_tensor_count(axes); k < n; k++) {
        int64_t axis = bt_tensor_int(axes, k);
        if (axis == 0 || axis == -rank) return mixes;
    }
    return NULL;
}

static const char *axis_is_rows(int64_t axis, int rank) { return axis == 0 || axis == -rank ? mixes : NULL; }

/* Dimension 0 of the output is all of dimension 0 of input i, in both runs. */
static const char *keeps_all(const step *s, int i)
{
    const walk *w = s->w;
    int32_t in = s->it->in[i], out = s->it->out[0];
    bool keeps = w->whole[out].shape.rank > 0 && w->whole[in].shape.dim[0] == w->whole[out].shape.dim[0] &&
                 w->some[in].shape.dim[0] == w->some[out].shape.dim[0];
    return keeps ? NULL : "it takes some rows of the batch";
}

/* ---- Rules -------------------------------------------------------------------------------------------- */

/* Element by element, with broadcasting. */
static const char *each(const step *s, int arg)
{
    (void)arg;
    const char *why = NULL;
    for (int i = 0; i < s->n_in && !why; i++) why = meets_rows(s, i);
    return why;
}

/* Output i is like input i. */
static const char *through(const step *s, int arg)
{
    (void)arg;
    for (int i = 0; i < s->it->n_out; i++) s->out[i] = flow_of(s, i);
    return NULL;
}

/* Input 0 row by row, of at least so many dimensions; the same for all rows beside it. */
static const char *first(const step *s, int rank)
{
    return !is_rows(s, 0) || shape_of(s, 0)->rank < rank ? mixes : are_same(s, 1);
}

/* The bytes stay as they are: what rows they make is told by the shapes. */
static const char *bytes(const step *s, int arg)
{
    (void)arg;
    return is_rows(s, 0) ? NULL : sized;
}

/* Input 0, along the axes that an input names. */
static const char *along(const step *s, int axes)
{
    const char *why = is_rows(s, 0) ? is_along_rows(s, axes, shape_of(s, 0)->rank) : mixes;
    return why ? why : are_same(s, 1);
}

/* Filter or matrix first; what is added after it, row by row. */
static const char *weighs(const step *s, int rank)
{
    if (!is_rows(s, 0) || !is_same(s, 1) || shape_of(s, 0)->rank < rank) return mixes;
    if (bt_attr_bool(s->node, "transpose_a", false) || bt_attr_bool(s->node, "adj_x", false)) return mixes;
    const char *why = NULL;
    for (int i = 2; i < s->n_in && !why; i++) why = meets_rows(s, i);
    return why;
}

/* Many products: of the rows of both where there are more than two dimensions. */
static const char *products(const step *s, int arg)
{
    (void)arg;
    if (out_shape(s)->rank < 3) return weighs(s, 2);
    const char *why = meets_rows(s, 0);
    return why ? why : meets_rows(s, 1);
}

/* sizes, filter, x: as `first`, in another order. */
static const char *transposed_conv(const step *s, int arg)
{
    (void)arg;
    return is_rows(s, 2) && is_same(s, 1) && flow_of(s, 0) != ROWS ? NULL : mixes;
}

static const char *batch_norm(const step *s, int arg)
{
    if (bt_attr_bool(s->node, "is_training", true)) return "it takes the mean over the batch";
    for (int i = 1; i < s->it->n_out; i++) s->out[i] = SAME;
    return first(s, arg);
}

/* So many inputs are rows (of a step of a recurrent net), the others weights. */
static const char *cell(const step *s, int n)
{
    for (int i = 0; i < n; i++)
        if (!is_rows(s, i)) return mixes;
    return are_same(s, n);
}

static const char *transpose(const step *s, int arg)
{
    (void)arg;
    const bt_tensor *order = is_rows(s, 0) && is_same(s, 1) ? s->w->whole[s->it->in[1]].value : NULL;
    return order && bt_tensor_count(order) && bt_tensor_int(order, 0) == 0 ? NULL : mixes;
}

static const char *all_rows(const step *s, int from, int to)
{
    for (int i = from; i < to; i++)
        if (!is_rows(s, i)) return "it joins rows of the batch with what has none";
    return NULL;
}

static const char *concat(const step *s, int axis)
{
    int at = axis < 0 ? s->n_in - 1 : axis;
    const char *why = is_along_rows(s, at, out_shape(s)->rank);
    return why ? why : axis < 0 ? all_rows(s, 0, at) : all_rows(s, 1, s->n_in);
}

static const char *pack(const step *s, int arg)
{
    (void)arg;
    const char *why = axis_is_rows(bt_attr_int(s->node, "axis", 0), out_shape(s)->rank);
    return why ? why : all_rows(s, 0, s->n_in);
}

static const char *unpack(const step *s, int arg)
{
    (void)arg;
    return is_rows(s, 0) ? axis_is_rows(bt_attr_int(s->node, "axis", 0), shape_of(s, 0)->rank) : sized;
}

static const char *split(const step *s, int axis)
{
    int value = axis ? 0 : 1;
    if (!is_rows(s, value) || (axis && !is_same(s, 1))) return mixes;
    return is_along_rows(s, axis, shape_of(s, value)->rank);
}

static const char *slice(const step *s, int arg)
{
    (void)arg;
    return is_rows(s, 0) && !is_rows(s, 1) && !is_rows(s, 2) ? keeps_all(s, 0) : mixes;
}

/* All rows in their order: no stride below 0 where it could be of dimension 0, which is that of the first entry, or of the
 * second behind an ellipsis that stands for none. */
static const char *strided_slice(const step *s, int arg)
{
    const bt_tensor *strides = s->n_in == 4 && is_same(s, 3) ? s->w->whole[s->it->in[3]].value : NULL;
    int64_t n = strides ? bt_tensor_count(strides) : 0;
    if (!n || !is_rows(s, 0)) return unread;
    bool is_ellipsis = bt_attr_int(s->node, "ellipsis_mask", 0) & 1;
    for (int64_t i = 0; i < n; i++)
        if (bt_tensor_int(strides, i) < 0 && (is_ellipsis ? n > shape_of(s, 0)->rank : i == 0)) return mixes;
    return slice(s, arg);
}

static const char *gather(const step *s, int arg)
{
    (void)arg;
    int64_t batch = bt_attr_int(s->node, "batch_dims", 0);
    if (batch < 0) batch += shape_of(s, 1)->rank;
    const char *why = are_same(s, 2);
    if (why) return why;
    if (flow_of(s, 0) == SIZE || flow_of(s, 1) == SIZE) return sized;
    if (is_same(s, 0))
        return NULL; /* of a table, by indices; along another axis than 0 the shapes do not bear it out */
    if (is_rows(s, 1)) return batch > 0 ? NULL : mixes;
    return batch == 0 ? is_along_rows(s, 2, shape_of(s, 0)->rank) : mixes;
}

static const char *gather_nd(const step *s, int arg)
{
    (void)arg;
    return is_same(s, 0) && is_rows(s, 1) && shape_of(s, 1)->rank > 1 ? NULL : mixes;
}

static const char *one_hot(const step *s, int arg)
{
    const char *why = axis_is_rows(bt_attr_int(s->node, "axis", -1), out_shape(s)->rank);
    return why ? why : first(s, arg);
}

static const char *fill(const step *s, int arg)
{
    (void)arg;
    return is_same(s, 1) ? NULL : mixes;
}

static const char *broadcast(const step *s, int arg)
{
    (void)arg;
    return is_rows(s, 1) ? mixes : meets_rows(s, 0);
}

/* Rows are not repeated; or what is the same is repeated row by row, whole. */
static const char *tile(const step *s, int arg)
{
    (void)arg;
    if (is_rows(s, 1)) return mixes;
    return is_rows(s, 0) ? keeps_all(s, 0) : is_same(s, 0) ? NULL : sized;
}

static const char *pad(const step *s, int arg)
{
    (void)arg;
    const char *why = is_rows(s, 0) ? are_same(s, 1) : mixes;
    return why ? why : keeps_all(s, 0);
}

/* Of three of the same shape; or, as old graphs have it, a condition a row, or one for all. */
static const char *select_rows(const step *s, int arg)
{
    if (is_rows(s, 0) && shape_of(s, 0)->rank == 1) return all_rows(s, 1, s->n_in);
    return is_same(s, 0) && shape_of(s, 0)->rank != 0 ? mixes : each(s, arg);
}

/* Indices count within the batch, or within its rows. */
static const char *pool_arg(const step *s, int rank)
{
    return bt_attr_bool(s->node, "include_batch_in_index", false) ? mixes : first(s, rank);
}

static const char *complain(const step *s, int arg)
{
    (void)s, (void)arg;
    return sized;
}

/* One subscript of an equation, for a tensor of some rank: the label of dimension 0, '.' where it is one of `wide` in an
 * ellipsis; and how often the label stands there. */
typedef struct subscript {
    char label;
    int wide, n_labels;
} subscript;

static subscript read_subscript(const char *p, const char *end, int rank, char label)
{
    subscript x = {.wide = rank};
    const char *dots = memchr(p, '.', (size_t)(end - p));
    for (const char *q = p; q < end; q++) {
        if (*q == '.' || *q == ' ') continue;
        x.wide--;
        if (!x.label) x.label = *q;
        x.n_labels += *q == label;
    }
    bool leads = dots && x.wide > 0; /* the ellipsis stands for some, and in front of all labels */
    for (const char *q = p; leads && q < dots; q++) leads = *q == ' ';
    if (leads) x.label = '.';
    if (label == '.') x.n_labels = dots != NULL;
    return x;
}

/* Dimension 0 has one label, which the output has first, and only rows have it. */
static const char *einsum(const step *s, int arg)
{
    (void)arg;
    const char *equation = bt_attr_string(s->node, "equation", ""), *arrow = strstr(equation, "->"),
               *p = equation;
    if (!arrow) return mixes;
    const char *end = arrow + strlen(arrow);
    subscript out = read_subscript(arrow + 2, end, out_shape(s)->rank, 0);
    for (int i = 0; i < s->n_in; i++, p = end + 1) {
        end = i + 1 < s->n_in ? memchr(p, ',', (size_t)(arrow - p)) : arrow;
        if (!end || flow_of(s, i) == SIZE) return sized;
        subscript in = read_subscript(p, end, shape_of(s, i)->rank, out.label);
        bool fits = in.label == out.label && in.n_labels == 1 && (out.label != '.' || in.wide == out.wide);
        if (is_rows(s, i) ? !fits : in.n_labels > 0) return mixes;
    }
    return NULL;
}

/* ---- The table ---------------------------------------------------------------------------------------- */

/* Ops by how they treat dimension 0; words. */
static const struct {
    rule *rule;
    int arg;
    const char *ops;
} table[] = {
    {each, 0,
     "Abs Acos Acosh Add AddN AddV2 AccumulateNV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh "
     "BesselI0 BesselI0e "
     "BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1 BesselK1e BesselY0 BesselY1 Betainc "
     "BiasAdd BiasAddV1 "
     "BitwiseAnd BitwiseOr BitwiseXor Cast Ceil CheckNumerics CheckNumericsV2 ClipByValue Complex ComplexAbs "
     "Conj Cos Cosh "
     "Dawsn DeepCopy Digamma Div DivNoNan Elu Equal Erf Erfc Erfinv Exp Expint Expm1 FakeQuantWithMinMaxArgs "
     "FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Floor FloorDiv FloorMod FresnelCos "
     "FresnelSin Gelu Greater "
     "GreaterEqual HardSigmoid HardSwish Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan LeakyRelu "
     "LeftShift Less "
     "LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr LookupTableFind LookupTableFindV2 Maximum "
     "Minimum Mod Mul "
     "MulNoNan Ndtri Neg NextAfter NotEqual OnesLike Polygamma PopulationCount Pow Real RealDiv Reciprocal "
     "Relu Relu6 Rint "
     "Round Rsqrt Selu SelectV2 Sigmoid Sign Sin Sinh Softplus Softsign Spence Sqrt Square SquaredDifference "
     "Sub Swish Tan "
     "Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy ZerosLike Zeta RightShift AsString DecodeBase64 "
     "EncodeBase64 "
     "StringLength StringLower StringStrip StringToHashBucket StringToHashBucketFast "
     "StringToHashBucketStrong StringToNumber "
     "StringUpper Substr StaticRegexFullMatch StaticRegexReplace UnicodeScript UnicodeTranscode Bucketize "
     "_Gelu _GeluTanh _HardSigmoid _HardSwish _Swish"},
    {through, 0,
     "Identity IdentityN StopGradient PreventGradient Snapshot GuaranteeConst PlaceholderWithDefault "
     "DebugGradientIdentity _Copy"},
    {bytes, 0, "Reshape ExpandDims Squeeze Bitcast EnsureShape"},
    {first, 2,
     "Softmax LogSoftmax _LayerNorm TopK TopKV2 NthElement RGBToHSV HSVToRGB FFT IFFT RFFT IRFFT MatrixDiag "
     "BatchMatrixDiag"},
    {first, 3,
     "MatrixDiagV2 MatrixDiagV3 MatrixBandPart BatchMatrixBandPart MatrixDiagPart MatrixDiagPartV2 "
     "MatrixDiagPartV3 BatchMatrixDiagPart Cholesky "
     "MatrixInverse MatrixDeterminant FFT2D IFFT2D RFFT2D IRFFT2D"},
    {first, 4,
     "LRN MaxPool MaxPoolV2 AvgPool MaxPool3D AvgPool3D Dilation2D DepthToSpace SpaceToDepth "
     "ExtractImagePatches "
     "ExtractVolumePatches ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea AdjustHue "
     "AdjustSaturation "
     "AdjustContrastv2 BatchNormWithGlobalNormalization"},
    {weighs, 2, "MatMul _FusedMatMul"},
    {weighs, 4,
     "Conv Conv2D Conv3D DepthwiseConv2dNative _FusedConv2D _FusedDepthwiseConv2d "
     "_FusedDepthwiseConv2dNative"},
    {products, 0, "BatchMatMul BatchMatMulV2 BatchMatMulV3"},
    {transposed_conv, 0, "Conv2DBackpropInput Conv3DBackpropInputV2 DepthwiseConv2dNativeBackpropInput"},
    {batch_norm, 4, "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3"},
    {cell, 2, "GRUBlockCell"},
    {cell, 3, "LSTMBlockCell"},
    {along, 1,
     "Sum Mean Max Min Prod All Any EuclideanNorm ReduceJoin ArgMax ArgMin Cumsum Cumprod "
     "CumulativeLogsumexp ReverseV2"},
    {along, 2, "Roll"},
    {transpose, 0, "Transpose ConjugateTranspose"},
    {concat, -1, "ConcatV2"},
    {concat, 0, "Concat"},
    {pack, 0, "Pack"},
    {unpack, 0, "Unpack"},
    {split, 0, "Split"},
    {split, 2, "SplitV"},
    {slice, 0, "Slice"},
    {strided_slice, 0, "StridedSlice"},
    {gather, 0, "Gather GatherV2"},
    {gather_nd, 0, "GatherNd"},
    {one_hot, 1, "OneHot"},
    {fill, 0, "Fill"},
    {broadcast, 0, "BroadcastTo"},
    {tile, 0, "Tile"},
    {pad, 0, "Pad PadV2 MirrorPad"},
    {select_rows, 0, "Select"},
    {pool_arg, 4, "MaxPoolWithArgmax"},
    {einsum, 0, "Einsum"},
    {complain, 0, "Shape ShapeN Size Rank Range"},
};

/* Ops that have an effect, or a state, by their records, but only make a handle, read what no plan changes, or fail. */
static const char *const harmless =
    "HashTable HashTableV2 LookupTableFind LookupTableFindV2 LookupTableSize LookupTableSizeV2 Assert";

/* ---- The walk ----------------------------------------------------------------------------------------- */

/* Whether shapes bear out that dimension 0 is a whole number of times the batch, and nothing else follows it. */
static bool scales(const walk *w, const bt_shape *whole, const bt_shape *some)
{
    if (!bt_shape_known(whole) || !bt_shape_known(some) || whole->rank < 1 || whole->rank != some->rank)
        return false;
    for (int d = 1; d < whole->rank; d++)
        if (whole->dim[d] != some->dim[d]) return false;
    int64_t k = whole->dim[0] / w->rows;
    return k > 0 && k * w->rows == whole->dim[0] && some->dim[0] == k * w->part;
}

/* What is known in both runs tells itself what it is. */
static flow flow_of_values(const walk *w, const bt_tensor *whole, const bt_tensor *some)
{
    const char *all = whole->data, *few = some->data;
    size_t n = bt_tensor_bytes(some);
    if (bt_dtype_is_object(whole->dtype)) return SIZE;
    if (bt_shape_equal(&whole->shape, &some->shape)) return n && memcmp(all, few, n) ? SIZE : SAME;
    if (!scales(w, &whole->shape, &some->shape)) return SIZE;
    size_t from = n / (size_t)w->part * (size_t)w->first;
    return n && memcmp(all + from, few, n) ? SIZE : ROWS;
}

static berth_status refuse(const bt_step *it, const char *why, berth_error *error)
{
    return bt_fail(error, BERTH_UNSUPPORTED, "node '%s' (%s): %s", it->node->name, it->op->name, why);
}

static const char *judge(const walk *w, const bt_step *it, flow *out)
{
    step s = {w, it, it->node, it->n_in, out};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!bt_has_word(table[i].ops, it->op->name)) continue;
        for (int k = 0; k < it->n_in; k++) /* rules count the dimensions of rows */
            if (flow_of(&s, k) == ROWS && shape_of(&s, k)->rank < 1) return mixes;
        if (it->n_out && out_shape(&s)->rank < 0)
            return "the shape of its result is not known before it runs";
        return table[i].rule(&s, table[i].arg);
    }
    return "nothing is known of how it treats the rows of a batch";
}

static berth_status walk_step(walk *w, int32_t index, flow *out, berth_error *error)
{
    const bt_step *it = &w->plan->steps[index];
    bool same = true;
    for (int i = 0; i < it->n_in; i++) same = same && w->flow[it->in[i]] == SAME;
    if (it->op->flags & BT_OP_STATEFUL && !bt_has_word(harmless, it->op->name))
        return refuse(it, "it has an effect, or is random, so that runs on parts of a batch would differ",
                      error);
    if (w->known[index] && w->known_too[index]) {
        for (int i = 0; i < it->n_out; i++)
            w->flow[it->out[i]] = flow_of_values(w, w->whole[it->out[i]].value, w->some[it->out[i]].value);
        return BERTH_OK;
    }
    for (int i = 0; i < it->n_out; i++) out[i] = same ? SAME : ROWS;
    const char *why = same ? NULL : judge(w, it, out);
    for (int i = 0; i < it->n_out && !why; i++) {
        const bt_shape *whole = &w->whole[it->out[i]].shape, *some = &w->some[it->out[i]].shape;
        if (out[i] == ROWS && !scales(w, whole, some))
            why = "its result does not have the batch as dimension 0";
        w->flow[it->out[i]] = out[i];
    }
    return why ? refuse(it, why, error) : BERTH_OK;
}

static berth_status walk_steps(walk *w, bt_arena *arena, berth_error *error)
{
    const bt_plan *plan = w->plan;
    int most = 1;
    for (int32_t s = 0; s < plan->n_steps; s++)
        if (plan->steps[s].n_out > most) most = plan->steps[s].n_out;
    flow *out = bt_arena_array(arena, flow, (size_t)most);
    if (!out) return bt_fail_memory(error);
    berth_status status = BERTH_OK;
    for (int32_t s = 0; s < plan->n_steps && !status; s++) status = walk_step(w, s, out, error);
    for (int i = 0; i < plan->n_fetches && !status; i++)
        if (w->flow[plan->fetches[i]] != ROWS)
            status = bt_fail(error, BERTH_UNSUPPORTED, "output '%s': does not have the batch as dimension 0",
                             w->fetch_names[i]);
    return status;
}

static berth_status check(walk *w, const bt_shape *shapes, const bool *carries, bt_arena *arena,
                          berth_error *error)
{
    bt_plan *plan = w->plan;
    size_t n_slots = (size_t)plan->n_slots + 1, n_steps = (size_t)plan->n_steps + 1;
    bt_shape *parts = bt_arena_array(arena, bt_shape, (size_t)plan->n_feeds + 1);
    w->whole = bt_arena_array(arena, bt_fact, n_slots), w->some = bt_arena_array(arena, bt_fact, n_slots);
    w->known = bt_arena_array(arena, bool, n_steps), w->known_too = bt_arena_array(arena, bool, n_steps);
    w->flow = bt_arena_array(arena, flow, n_slots);
    if (!parts || !w->whole || !w->some || !w->known || !w->known_too || !w->flow)
        return bt_fail_memory(error);
    for (int i = 0; i < plan->n_feeds; i++) {
        parts[i] = shapes[i];
        if (carries[i]) parts[i].dim[0] = w->part;
        if (plan->feeds[i] >= 0 && carries[i]) w->flow[plan->feeds[i]] = ROWS;
    }
    berth_status status = bt_plan_infer(plan, shapes, arena, arena, w->whole, w->known, error);
    if (status && status != BERTH_NO_MEMORY) return error->status = BERTH_BAD_INPUT;
    if (!status) status = bt_plan_infer(plan, parts, arena, arena, w->some, w->known_too, error);
    if (status && status != BERTH_NO_MEMORY) status = error->status = BERTH_UNSUPPORTED;
    return status ? status : walk_steps(w, arena, error);
}

berth_status bt_batch_check(bt_plan *plan, const bt_shape *shapes, const bool *carries, int64_t rows,
                            int64_t first, int64_t part, const char *const *fetch_names, bt_fact *fetches,
                            berth_error *error)
{
    bt_arena arena;
    bt_arena_init(&arena);
    walk w = {.plan = plan, .rows = rows, .first = first, .part = part, .fetch_names = fetch_names};
    berth_status status = check(&w, shapes, carries, &arena, error);
    for (int i = 0; i < plan->n_fetches && !status; i++) {
        fetches[i] = w.whole[plan->fetches[i]];
        fetches[i].value = NULL;
    }
    bt_arena_free(&arena);
    return status;
}

berth_status bt_batch_rows(const bt_plan *plan, bt_tensor *const *in, bool *carries, int64_t *rows,
                           berth_error *error)
{
    int first = -1;
    for (int i = 0; i < plan->n_feeds; i++) {
        const bt_shape *open = plan->feeds[i] < 0 ? NULL : &plan->slots[plan->feeds[i]].fact.shape;
        carries[i] = open && in[i]->shape.rank > 0 && (open->rank < 0 || open->dim[0] < 0);
        if (!carries[i]) continue;
        if (first < 0) first = i, *rows = in[i]->shape.dim[0];
        if (in[i]->shape.dim[0] != *rows)
            return bt_fail(error, BERTH_BAD_INPUT,
                           "input '%s': has %lld rows where input '%s' has %lld, so that they are no batch "
                           "that could be divided",
                           plan->feed_names[i], (long long)in[i]->shape.dim[0], plan->feed_names[first],
                           (long long)*rows);
    }
    return first >= 0 ? BERTH_OK
                      : bt_fail(error, BERTH_UNSUPPORTED,
                                "no input has an open first dimension, so that there is no batch to divide");
}
