/* A rule an op: when its outputs are ROWS (flow.h). Ops that no rule is for are refused where an input is not the SAME. The
 * table stands at the end; lists and arrays are in batch_items.c. */
#include "plan/flow.h"

/* A step as its rule sees it. */
typedef struct step {
    const bt_walk *w;
    const bt_step *it;
    const bt_node *node;
    int n_in;
    int arg;      /* of the table's row */
    bt_flow *out; /* results: ROWS unless the rule says otherwise */
} step;

/* NULL: the rule holds; else the reason why not. */
typedef const char *rule(const step *s);

const char *const bt_batch_mixes = "it mixes rows of the batch";
const char *const bt_batch_sized = "it computes with the size of the batch";
#define mixes bt_batch_mixes
#define sized bt_batch_sized
static const char *const unread = "the axis is not known before it runs";

static const bt_flow *flow_of(const step *s, int i) { return &s->w->flow[s->it->in[i]]; }
static bool is_rows(const step *s, int i) { return i < s->n_in && flow_of(s, i)->kind == BT_ROWS; }
static bool is_same(const step *s, int i) { return i < s->n_in && flow_of(s, i)->kind == BT_SAME; }
/* The batch is dimension 0 of input i. */
static bool is_first(const step *s, int i) { return is_rows(s, i) && !flow_of(s, i)->axis; }
static const bt_shape *shape_of(const step *s, int i) { return &s->w->whole[s->it->in[i]].shape; }
static const bt_shape *out_shape(const step *s) { return &s->w->whole[s->it->out[0]].shape; }
static const bt_tensor *value_of(const step *s, int i)
{
    return i >= 0 && is_same(s, i) ? s->w->whole[s->it->in[i]].value : NULL;
}

/* Which dimension of output 0 is the batch; -1: none. */
static int out_axis(const step *s)
{
    return bt_batch_axis(s->w->batch, out_shape(s), &s->w->some[s->it->out[0]].shape, s->out[0].outer);
}

/* ---- What rules ask ----------------------------------------------------------------------------------- */

/* An input that is broadcast to the output: every row meets it alike, or its rows are those of the output. */
static const char *meets_rows(const step *s, int i)
{
    const bt_shape *in = shape_of(s, i), *out = out_shape(s);
    int axis = out_axis(s), at = axis - out->rank + in->rank; /* dimensions are counted from the last */
    if (axis < 0) return mixes;
    switch (flow_of(s, i)->kind) {
    case BT_SIZE: return sized;
    case BT_ROWS: return flow_of(s, i)->axis == at && in->dim[at] == out->dim[axis] ? NULL : mixes;
    case BT_ITEMS: return mixes;
    case BT_SAME: break;
    }
    if (in->rank < 0) return "the shape of one of its inputs is not known before it runs";
    return at < 0 || in->dim[at] == 1 ? NULL : mixes;
}

static const char *are_same(const step *s, int from)
{
    for (int i = from; i < s->n_in; i++)
        if (!is_same(s, i)) return flow_of(s, i)->kind == BT_SIZE ? sized : mixes;
    return NULL;
}

static const char *axis_is_batch(int64_t axis, int batch, int rank)
{
    return axis == batch || axis == batch - rank ? mixes : NULL;
}

/* Whether one of the axes that input i names, or the only one, is the dimension `batch` of `rank`. */
static const char *is_along_batch(const step *s, int i, int batch, int rank)
{
    const bt_tensor *axes = value_of(s, i);
    if (!axes || !bt_dtype_is_int(axes->dtype)) return unread;
    const char *why = NULL;
    for (int64_t k = 0, n = bt_tensor_count(axes); k < n && !why; k++)
        why = axis_is_batch(bt_tensor_int(axes, k), batch, rank);
    return why;
}

/* The batch's dimension of the output is all of that of input i, in both runs. */
static const char *keeps_all(const step *s, int i)
{
    const bt_walk *w = s->w;
    int32_t in = s->it->in[i], out = s->it->out[0];
    int from = flow_of(s, i)->axis, to = out_axis(s);
    bool keeps = to >= 0 && w->whole[in].shape.dim[from] == w->whole[out].shape.dim[to] &&
                 w->some[in].shape.dim[from] == w->some[out].shape.dim[to];
    return keeps ? NULL : "it takes some rows of the batch";
}

/* Whether input i, a vector, is the same in both runs but for entry `but`. */
static const char *same_but(const step *s, int i, int but)
{
    if (i >= s->n_in || is_rows(s, i)) return mixes;
    if (is_same(s, i)) return NULL;
    const bt_tensor *whole = s->w->whole[s->it->in[i]].value, *some = s->w->some[s->it->in[i]].value;
    if (!whole || !some || !bt_dtype_is_int(whole->dtype) || !bt_shape_equal(&whole->shape, &some->shape))
        return sized;
    for (int64_t k = 0, n = bt_tensor_count(whole); k < n; k++)
        if (k != but && bt_tensor_int(whole, k) != bt_tensor_int(some, k)) return sized;
    return NULL;
}

/* Inputs from..to are ROWS of the same axis. */
static const char *all_rows(const step *s, int from, int to)
{
    for (int i = from; i < to; i++)
        if (!is_rows(s, i) || flow_of(s, i)->axis != flow_of(s, from)->axis)
            return "it joins rows of the batch with what has none";
    return NULL;
}

/* ---- Rules -------------------------------------------------------------------------------------------- */

/* Element by element, with broadcasting. */
static const char *each(const step *s)
{
    const char *why = NULL;
    for (int i = 0; i < s->n_in; i++)
        if (flow_of(s, i)->kind == BT_SIZE) return sized;
    for (int i = 0; i < s->n_in && !why; i++) why = meets_rows(s, i);
    return why;
}

/* A vector along the channels. */
static const char *bias(const step *s)
{
    bool last = strcmp(bt_attr_string(s->node, "data_format", ""), "NCHW") != 0;
    if (!is_rows(s, 0) || !is_same(s, 1) || shape_of(s, 0)->rank < 2) return mixes;
    return last                  ? axis_is_batch(shape_of(s, 0)->rank - 1, flow_of(s, 0)->axis, 0)
           : flow_of(s, 0)->axis ? mixes
                                 : NULL;
}

/* Output i is like input i. */
static const char *through(const step *s)
{
    for (int i = 0; i < s->it->n_out; i++) s->out[i] = i < s->n_in ? *flow_of(s, i) : (bt_flow){BT_SIZE};
    return NULL;
}

/* Which way the data goes is the same in both runs. */
static const char *turn(const step *s)
{
    for (int i = 0; i < s->it->n_out; i++) s->out[i] = *flow_of(s, 0);
    return is_same(s, 1) ? NULL : "which branch is taken depends on the batch";
}

/* One of several that are alike, and the index of the one that came. */
static const char *merge(const step *s)
{
    for (int i = 1; i < s->n_in; i++)
        if (flow_of(s, i)->kind != flow_of(s, 0)->kind) return mixes;
    for (int i = 0; i < s->it->n_out; i++) s->out[i] = i ? (bt_flow){BT_SAME} : *flow_of(s, 0);
    return is_rows(s, 0) ? all_rows(s, 0, s->n_in) : mixes;
}

/* It fails in both runs or in neither; what it would say is no matter. */
static const char *assert_same(const step *s)
{
    return is_same(s, 0) ? NULL : "whether it fails depends on the batch";
}

/* Input 0 row by row, of at least so many dimensions; the same for all rows beside it. Of 2 dimensions the last is the op's
 * own, of 3 the last two; images of 4 have their batch in front. */
static const char *first(const step *s)
{
    if (!is_rows(s, 0) || shape_of(s, 0)->rank < s->arg) return mixes;
    int axis = flow_of(s, 0)->axis;
    if (axis && (s->arg > 3 || axis > shape_of(s, 0)->rank - s->arg || out_axis(s) != axis)) return mixes;
    return are_same(s, 1);
}

/* The bytes stay as they are. As many dimensions as stand before the batch, and are outer in its own, must do so
 * afterwards; what rows they make is told by the shapes. */
static const char *bytes(const step *s)
{
    if (!is_rows(s, 0)) return sized;
    const bt_shape *in = shape_of(s, 0), *out = out_shape(s);
    s->out[0].outer = 1;
    int axis = out_axis(s);
    int64_t before = bt_shape_span(in, 0, flow_of(s, 0)->axis) * flow_of(s, 0)->outer;
    int64_t after = axis < 0 ? 0 : bt_shape_span(out, 0, axis);
    if (!after || before % after) return mixes;
    s->out[0].outer = before / after;
    return out_axis(s) < 0 ? mixes : NULL;
}

/* Input 0, along the axes that an input names. */
static const char *along(const step *s)
{
    const char *why =
        is_rows(s, 0) ? is_along_batch(s, s->arg, flow_of(s, 0)->axis, shape_of(s, 0)->rank) : mixes;
    return why ? why : are_same(s, 1);
}

/* Filter or matrix first; what is added after it, row by row. */
static const char *weighs(const step *s)
{
    if (!is_first(s, 0) || !is_same(s, 1) || shape_of(s, 0)->rank < s->arg) return mixes;
    if (bt_attr_bool(s->node, "transpose_a", false) || bt_attr_bool(s->node, "adj_x", false)) return mixes;
    const char *why = NULL;
    for (int i = 2; i < s->n_in && !why; i++) why = meets_rows(s, i);
    return why;
}

/* Many products, one a place in all dimensions but the last two; or the batch is the left one's rows. */
static const char *products(const step *s)
{
    int axis = out_axis(s), rank = out_shape(s)->rank;
    if (axis >= 0 && axis < rank - 2) {
        const char *why = meets_rows(s, 0);
        return why ? why : meets_rows(s, 1);
    }
    bool left = axis == rank - 2 && is_rows(s, 0) && flow_of(s, 0)->axis == shape_of(s, 0)->rank - 2;
    return left && !bt_attr_bool(s->node, "adj_x", false) && is_same(s, 1) ? NULL : mixes;
}

/* sizes, filter, x: as `first`, in another order. */
static const char *transposed_conv(const step *s)
{
    return is_first(s, 2) && is_same(s, 1) && !is_rows(s, 0) ? NULL : mixes;
}

static const char *batch_norm(const step *s)
{
    if (bt_attr_bool(s->node, "is_training", true)) return "it takes the mean over the batch";
    for (int i = 1; i < s->it->n_out; i++) s->out[i] = (bt_flow){BT_SAME};
    return first(s);
}

/* So many inputs are rows (of a step of a recurrent net), the others weights. */
static const char *cell(const step *s)
{
    for (int i = 0; i < s->arg; i++)
        if (!is_first(s, i)) return mixes;
    return are_same(s, s->arg);
}

/* input, state, state of an LSTM, parameters, lengths: [T, N, ...], or [N, T, ...]. */
static const char *cudnn(const step *s)
{
    int axis = bt_attr_bool(s->node, "time_major", true);
    bool lstm = !strcmp(bt_attr_string(s->node, "rnn_mode", "lstm"), "lstm");
    if (s->n_in < 4 || bt_attr_float(s->node, "dropout", 0) != 0 || !is_same(s, 3)) return mixes;
    for (int i = 0; i < 3; i++) {
        bool unused = i == 2 && !lstm;
        if (!unused && (!is_rows(s, i) || flow_of(s, i)->axis != axis)) return mixes;
    }
    for (int i = 4; i < s->n_in; i++)
        if (!is_first(s, i)) return mixes;
    for (int i = 3 - !lstm; i < s->it->n_out; i++)
        s->out[i] = (bt_flow){BT_SAME}; /* there is nothing in them */
    return NULL;
}

static const char *reverse_sequence(const step *s)
{
    int64_t along = bt_attr_int(s->node, "seq_dim", 0), batch = bt_attr_int(s->node, "batch_dim", 0);
    if (!is_rows(s, 0)) return mixes;
    int axis = flow_of(s, 0)->axis;
    bool fits = is_rows(s, 1) ? axis == batch : is_same(s, 1) && axis != batch && axis != along;
    return fits ? NULL : mixes;
}

static const char *transpose(const step *s)
{
    const bt_tensor *order = is_rows(s, 0) ? value_of(s, 1) : NULL;
    int axis = out_axis(s);
    return order && axis >= 0 && bt_tensor_int(order, axis) == flow_of(s, 0)->axis ? NULL : mixes;
}

/* The blocks of a picture go in front of the batch, in its own dimension; and back. */
static const char *blocks(const step *s)
{
    const bt_tensor *block = value_of(s, 1);
    int64_t n = 1;
    if (!is_first(s, 0) || !block || shape_of(s, 0)->rank <= bt_tensor_count(block)) return mixes;
    for (int64_t i = 0; i < bt_tensor_count(block); i++)
        if (__builtin_mul_overflow(n, bt_tensor_int(block, i), &n) || n < 1) return mixes;
    int64_t *outer = &s->out[0].outer;
    if (s->arg ? *outer % n : __builtin_mul_overflow(*outer, n, outer)) return mixes;
    if (s->arg) *outer /= n;
    return are_same(s, 2);
}

static const char *concat(const step *s)
{
    int at = s->arg < 0 ? s->n_in - 1 : s->arg, from = s->arg < 0 ? 0 : 1, to = s->arg < 0 ? at : s->n_in;
    const char *why = all_rows(s, from, to);
    return why ? why : is_along_batch(s, at, flow_of(s, from)->axis, out_shape(s)->rank);
}

static const char *pack(const step *s) { return all_rows(s, 0, s->n_in); }

static const char *unpack(const step *s)
{
    if (!is_rows(s, 0)) return sized;
    return axis_is_batch(bt_attr_int(s->node, "axis", 0), flow_of(s, 0)->axis, shape_of(s, 0)->rank);
}

static const char *split(const step *s)
{
    int value = s->arg ? 0 : 1;
    if (!is_rows(s, value) || (s->arg && !is_same(s, 1))) return mixes;
    return is_along_batch(s, s->arg, flow_of(s, value)->axis, shape_of(s, value)->rank);
}

static const char *slice(const step *s)
{
    if (!is_rows(s, 0)) return mixes;
    const char *why = same_but(s, 1, flow_of(s, 0)->axis);
    if (!why) why = same_but(s, 2, flow_of(s, 0)->axis);
    return why ? why : keeps_all(s, 0);
}

/* Which of n entries is of dimension `dim`; -1: none, so that it is taken whole. */
static int entry_of(const step *s, int n, int dim)
{
    int64_t ellipsis = bt_attr_int(s->node, "ellipsis_mask", 0),
            is_new = bt_attr_int(s->node, "new_axis_mask", 0);
    int named = 0, at = 0;
    for (int i = 0; i < n; i++) named += !((ellipsis | is_new) >> i & 1);
    for (int i = 0; i < n; i++) {
        if (ellipsis >> i & 1) at += shape_of(s, 0)->rank - named;
        else if (!(is_new >> i & 1) && at++ == dim) return i;
    }
    return -1;
}

/* All rows in their order: no stride below 0 where it is of the batch. */
static const char *strided_slice(const step *s)
{
    const bt_tensor *strides = s->n_in == 4 ? value_of(s, 3) : NULL;
    int64_t n = strides ? bt_tensor_count(strides) : 0;
    if (!is_rows(s, 0) || !n || n > 31) return unread;
    int entry = entry_of(s, (int)n, flow_of(s, 0)->axis);
    if (entry >= 0 && bt_tensor_int(strides, entry) < 0) return mixes;
    const char *why = same_but(s, 1, entry);
    if (!why) why = same_but(s, 2, entry);
    return why ? why : keeps_all(s, 0);
}

static const char *gather(const step *s)
{
    int64_t batch = bt_attr_int(s->node, "batch_dims", 0);
    if (batch < 0) batch += shape_of(s, 1)->rank;
    const char *why = are_same(s, 2);
    if (why) return why;
    if (flow_of(s, 0)->kind == BT_SIZE || flow_of(s, 1)->kind == BT_SIZE) return sized;
    if (is_same(s, 0)) return is_rows(s, 1) && flow_of(s, 1)->axis >= batch ? NULL : mixes; /* of a table */
    if (!is_rows(s, 0)) return mixes;
    int axis = flow_of(s, 0)->axis;
    if (is_rows(s, 1)) return flow_of(s, 1)->axis == axis && axis < batch ? NULL : mixes;
    return batch == 0 ? is_along_batch(s, 2, axis, shape_of(s, 0)->rank) : mixes;
}

static const char *gather_nd(const step *s)
{
    return is_same(s, 0) && is_rows(s, 1) && flow_of(s, 1)->axis < shape_of(s, 1)->rank - 1 ? NULL : mixes;
}

/* A variable's rows by indices. */
static const char *gather_variable(const step *s)
{
    int64_t batch = bt_attr_int(s->node, "batch_dims", 0);
    return is_same(s, 0) && is_rows(s, 1) && !batch ? are_same(s, 2) : mixes;
}

/* Indices may lie any way; the new dimension is not theirs. */
static const char *one_hot(const step *s)
{
    return is_rows(s, 0) && shape_of(s, 0)->rank >= s->arg ? are_same(s, 1) : mixes;
}

static const char *fill(const step *s) { return is_same(s, 1) && !is_rows(s, 0) ? NULL : mixes; }

static const char *broadcast(const step *s) { return is_rows(s, 1) ? mixes : meets_rows(s, 0); }

/* Rows are not repeated; or what is the same is repeated row by row, whole. */
static const char *tile(const step *s)
{
    int axis = out_axis(s);
    if (is_rows(s, 1) || axis < 0) return mixes;
    if (is_rows(s, 0)) return keeps_all(s, 0);
    if (!is_same(s, 0) || shape_of(s, 0)->rank != out_shape(s)->rank) return sized;
    int64_t k = out_shape(s)->dim[axis] / s->w->batch->rows, all = shape_of(s, 0)->dim[axis];
    return all > 0 && k % all == 0 ? NULL : mixes;
}

static const char *pad(const step *s)
{
    const char *why = is_rows(s, 0) ? are_same(s, 1) : mixes;
    return why ? why : keeps_all(s, 0);
}

/* Of three of the same shape; or, as old graphs have it, a condition a row, or one for all. */
static const char *select_rows(const step *s)
{
    if (is_rows(s, 0) && shape_of(s, 0)->rank == 1 && out_shape(s)->rank > 1)
        return is_first(s, 1) ? all_rows(s, 1, s->n_in) : mixes;
    return is_same(s, 0) && shape_of(s, 0)->rank != 0 ? mixes : each(s);
}

/* Indices count within the batch, or within its rows. */
static const char *pool_arg(const step *s)
{
    return bt_attr_bool(s->node, "include_batch_in_index", false) ? mixes : first(s);
}

static const char *complain(const step *s)
{
    (void)s;
    return sized;
}

/* One subscript of an equation, for a tensor of some rank: the label of a dimension, '.' where that is in the ellipsis, and
 * then which from its end; and how often the output's label stands there. */
typedef struct subscript {
    char label;
    int back, n_labels;
} subscript;

static subscript read_subscript(const char *p, const char *end, int rank, int axis, char label)
{
    subscript x = {0};
    int n = 0, before = 0;
    bool dots = false;
    for (const char *q = p; q < end; q++) {
        n += *q != '.' && *q != ' ';
        if (*q == '.' && !dots) dots = true, before = n;
    }
    int wide = rank - n, at = 0; /* dimensions that the ellipsis stands for */
    for (const char *q = p; q < end; q++) {
        if (*q == '.' || *q == ' ') continue;
        if (dots && at == before) at += wide;
        if (at++ == axis) x.label = *q;
        x.n_labels += *q == label;
    }
    if (dots && axis >= before && axis < before + wide) x.label = '.', x.back = before + wide - axis;
    if (label == '.') x.n_labels = dots;
    return x;
}

/* The batch has one label, and only rows have it. */
static const char *einsum(const step *s)
{
    const char *equation = bt_attr_string(s->node, "equation", ""), *arrow = strstr(equation, "->"),
               *p = equation;
    int axis = out_axis(s);
    if (!arrow || axis < 0) return mixes;
    const char *end = arrow + strlen(arrow);
    subscript out = read_subscript(arrow + 2, end, out_shape(s)->rank, axis, 0);
    for (int i = 0; i < s->n_in; i++, p = end + 1) {
        end = i + 1 < s->n_in ? memchr(p, ',', (size_t)(arrow - p)) : arrow;
        if (!end || flow_of(s, i)->kind == BT_SIZE) return sized;
        subscript in = read_subscript(p, end, shape_of(s, i)->rank, flow_of(s, i)->axis, out.label);
        bool fits = out.label && in.label == out.label && in.n_labels == 1 && in.back == out.back;
        if (is_rows(s, i) ? !fits : in.n_labels > 0) return mixes;
    }
    return NULL;
}

/* ---- The table ---------------------------------------------------------------------------------------- */

/* Ops by how they treat the batch; words. */
static const struct {
    rule *rule;
    int arg;
    const char *ops;
} table[] = {
    {each, 0,
     "Abs Acos Acosh Add AddN AddV2 AccumulateNV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh "
     "BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1 BesselK1e "
     "BesselY0 BesselY1 Betainc BitwiseAnd BitwiseOr BitwiseXor Cast Ceil CheckNumerics CheckNumericsV2 "
     "ClipByValue Complex ComplexAbs Conj Cos Cosh Dawsn DeepCopy Digamma Div DivNoNan Elu Equal Erf Erfc "
     "Erfinv Exp Expint Expm1 FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars "
     "FakeQuantWithMinMaxVarsPerChannel Floor FloorDiv FloorMod FresnelCos FresnelSin Gelu Greater "
     "GreaterEqual HardSigmoid HardSwish Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan LeakyRelu "
     "LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr LookupTableFind "
     "LookupTableFindV2 Maximum Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual OnesLike Polygamma "
     "PopulationCount Pow Real RealDiv Reciprocal Relu Relu6 Rint Round Rsqrt Selu SelectV2 Sigmoid Sign "
     "Sin Sinh Softplus Softsign Spence Sqrt Square SquaredDifference Sub Swish Tan Tanh TruncateDiv "
     "TruncateMod Xdivy Xlog1py Xlogy ZerosLike Zeta RightShift AsString DecodeBase64 EncodeBase64 "
     "StringLength StringLower StringStrip StringToHashBucket StringToHashBucketFast "
     "StringToHashBucketStrong StringToNumber StringUpper Substr StaticRegexFullMatch StaticRegexReplace "
     "UnicodeScript UnicodeTranscode Bucketize _Gelu _GeluTanh _HardSigmoid _HardSwish _Swish"},
    {bias, 0, "BiasAdd BiasAddV1"},
    {through, 0,
     "Identity IdentityN StopGradient PreventGradient Snapshot GuaranteeConst PlaceholderWithDefault "
     "DebugGradientIdentity _Copy"},
    {bytes, 0, "Reshape ExpandDims Squeeze Bitcast EnsureShape"},
    {first, 2,
     "Softmax LogSoftmax _LayerNorm TopK TopKV2 NthElement RGBToHSV HSVToRGB FFT IFFT RFFT IRFFT "
     "MatrixDiag BatchMatrixDiag"},
    {first, 3,
     "MatrixDiagV2 MatrixDiagV3 MatrixBandPart BatchMatrixBandPart MatrixDiagPart MatrixDiagPartV2 "
     "MatrixDiagPartV3 BatchMatrixDiagPart Cholesky MatrixInverse MatrixDeterminant FFT2D IFFT2D RFFT2D "
     "IRFFT2D"},
    {first, 4,
     "LRN MaxPool MaxPoolV2 AvgPool MaxPool3D AvgPool3D Dilation2D DepthToSpace SpaceToDepth "
     "ExtractImagePatches ExtractVolumePatches ResizeBilinear ResizeNearestNeighbor ResizeBicubic "
     "ResizeArea AdjustHue AdjustSaturation AdjustContrastv2 BatchNormWithGlobalNormalization"},
    {weighs, 2, "MatMul _FusedMatMul"},
    {weighs, 4,
     "Conv Conv2D Conv3D DepthwiseConv2dNative _FusedConv2D _FusedDepthwiseConv2d "
     "_FusedDepthwiseConv2dNative"},
    {products, 0, "BatchMatMul BatchMatMulV2 BatchMatMulV3"},
    {transposed_conv, 0, "Conv2DBackpropInput Conv3DBackpropInputV2 DepthwiseConv2dNativeBackpropInput"},
    {batch_norm, 4, "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3"},
    {cell, 2, "GRUBlockCell"},
    {cell, 3, "LSTMBlockCell"},
    {cudnn, 0, "CudnnRNN CudnnRNNV2 CudnnRNNV3"},
    {reverse_sequence, 0, "ReverseSequence"},
    {turn, 0, "Switch RefSwitch"},
    {merge, 0, "Merge RefMerge"},
    {assert_same, 0, "Assert"},
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
    {gather_variable, 0, "ResourceGather"},
    {one_hot, 1, "OneHot"},
    {fill, 0, "Fill"},
    {broadcast, 0, "BroadcastTo"},
    {tile, 0, "Tile"},
    {pad, 0, "Pad PadV2 MirrorPad"},
    {select_rows, 0, "Select"},
    {pool_arg, 4, "MaxPoolWithArgmax"},
    {einsum, 0, "Einsum"},
    {blocks, 0, "SpaceToBatchND"},
    {blocks, 1, "BatchToSpaceND"},
    {complain, 0, "Shape ShapeN Size Rank Range"},
};

/* Rows of all inputs must lie in their dimensions alike, [outer, rows, k]; so do those of results then. */
static const char *set_outer(const step *s)
{
    int64_t outer = 0;
    for (int i = 0; i < s->n_in; i++) {
        if (!is_rows(s, i)) continue;
        if (outer && flow_of(s, i)->outer != outer) return mixes;
        outer = flow_of(s, i)->outer;
    }
    for (int i = 0; i < s->it->n_out; i++) s->out[i] = (bt_flow){.kind = BT_ROWS, .outer = outer ? outer : 1};
    return NULL;
}

const char *bt_batch_rule(const bt_walk *w, const bt_step *it)
{
    step s = {w, it, it->node, it->n_in, 0, w->results};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!bt_has_word(table[i].ops, it->op->name)) continue;
        s.arg = table[i].arg;
        const char *why = set_outer(&s);
        if (why) return why;
        bool needs_shape = table[i].rule != through && table[i].rule != turn && it->n_out;
        if (needs_shape && out_shape(&s)->rank < 0)
            return "the shape of its result is not known before it runs";
        return table[i].rule(&s);
    }
    return "nothing is known of how it treats the rows of a batch";
}
