/* Keras: normalisations, as they are when a model is used: batch normalisation by its moving averages. */
#include "format/keras_layers.h"

/* The axis that the configuration names, a number or a list of one. */
static int axis_of(btk_call *c, int64_t otherwise)
{
    const bt_json *j = btk_of(c, "axis");
    int64_t axis = bt_json_int(bt_json_is(j, BT_JSON_ARRAY) ? j->first : j, otherwise);
    if (j && j->kind == BT_JSON_ARRAY && j->n != 1)
        btk_unsupported(c->k, "normalisation over several axes at once");
    if (axis < 0) axis += c->x.shape.rank;
    if (axis < 0 || axis >= c->x.shape.rank) btk_damaged(c->k, "an axis beyond the rank of the input");
    return c->k->failed ? 0 : (int)axis;
}

/* A vector along one axis, in a shape that broadcasts over x. */
static btk_tensor along(btk *k, btk_tensor v, btk_tensor x, int axis)
{
    int64_t dims[BT_MAX_RANK];
    if (axis == x.shape.rank - 1) return v;
    for (int i = 0; i < x.shape.rank; i++) dims[i] = i == axis ? btk_dim(v, 0) : 1;
    return btk_reshape(k, v, x.shape.rank, dims, NULL);
}

/* x inv + (beta - mean inv), inv = gamma / sqrt(variance + epsilon); gamma and beta may be absent (dtype 0).
 * */
static btk_tensor normalise(btk *k, btk_tensor x, btk_tensor mean, btk_tensor variance, btk_tensor gamma,
                            btk_tensor beta, double epsilon)
{
    btk_tensor inv = btk_unary(k, "Rsqrt", btk_shifted(k, variance, epsilon));
    if (gamma.dtype) inv = btk_binary(k, "Mul", inv, gamma);
    btk_tensor shift = btk_binary(k, "Mul", mean, inv);
    shift = beta.dtype ? btk_binary(k, "Sub", beta, shift) : btk_unary(k, "Neg", shift);
    return btk_binary(k, "AddV2", btk_binary(k, "Mul", x, inv), shift);
}

static bool is_half(berth_dtype dtype) { return dtype == BERTH_HALF || dtype == BERTH_BFLOAT16; }

/* A constant vector, for a gamma or beta that the layer lacks. */
static btk_tensor vector(btk *k, int64_t n, double value)
{
    btk_tensor out = {0};
    double *values = n >= 0 && n <= INT32_MAX ? bt_arena_array(k->arena, double, (size_t)n + 1) : NULL;
    if (!values) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), out;
    for (int64_t i = 0; i < n; i++) values[i] = value;
    return btk_numbers(k, BERTH_FLOAT, BT_SHAPE(n), values);
}

static btk_tensor fused(btk_call *c, btk_tensor x, btk_tensor gamma, btk_tensor beta, btk_tensor mean,
                        btk_tensor variance, double epsilon)
{
    btk *k = c->k;
    int64_t n = btk_dim(x, -1);
    btk_tensor in[5] = {x, gamma, beta, mean, variance};
    if (!gamma.dtype) in[1] = vector(k, n, 1);
    if (!beta.dtype) in[2] = vector(k, n, 0);
    btk_tensor y = btk_node(k, "FusedBatchNormV3", 5, in, x.dtype, x.shape);
    btk_attr_type(k, y, "U", BERTH_FLOAT);
    btk_attr_float(k, y, "epsilon", epsilon);
    btk_attr_float(k, y, "exponential_avg_factor", 1);
    btk_attr_text(k, y, "data_format", "NHWC");
    btk_attr_bool(k, y, "is_training", false);
    return y;
}

/* Modes of Keras 1 that have no use for the averages: 1, each sample over its features,
 * gamma (x - mean) / (sqrt(variance + epsilon) + epsilon) + beta; 2, over the batch that is given. */
static btk_tensor normalised_by_itself(btk_call *c, int axis, btk_tensor gamma, btk_tensor beta,
                                       double epsilon)
{
    btk *k = c->k;
    btk_tensor x = c->x;
    bool each = btk_int_of(c, "mode", 0) == 1;
    uint32_t axes = each ? btk_last_axis(x) : ((1u << x.shape.rank) - 1) & ~(1u << axis);
    btk_tensor mean = btk_reduce(k, "Mean", x, axes, true), rest = btk_binary(k, "Sub", x, mean);
    btk_tensor variance = btk_reduce(k, "Mean", btk_unary(k, "Square", rest), axes, true);
    if (gamma.dtype) gamma = along(k, gamma, x, each ? x.shape.rank - 1 : axis);
    if (beta.dtype) beta = along(k, beta, x, each ? x.shape.rank - 1 : axis);
    if (!each) return normalise(k, x, mean, variance, gamma, beta, epsilon);
    btk_tensor spread = btk_shifted(k, btk_unary(k, "Sqrt", btk_shifted(k, variance, epsilon)), epsilon);
    btk_tensor y = btk_binary(k, "RealDiv", rest, spread);
    if (gamma.dtype) y = btk_binary(k, "Mul", y, gamma);
    return beta.dtype ? btk_binary(k, "AddV2", y, beta) : y;
}

/* Weights: gamma, beta, moving mean, moving variance; in 32 bits where the layer computes in 16. */
void btk_batch_norm(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x = c->x, gamma = {0}, beta = {0};
    if (!btk_rank(k, x, 1, BT_MAX_RANK)) return;
    int axis = axis_of(c, -1);
    double epsilon = btk_double_of(c, "epsilon", 1e-3);
    bt_shape shape = BT_SHAPE(btk_known(k, x, axis, "the number of channels"));
    if (btk_bool_of(c, "renorm", false)) btk_unsupported(k, "batch renormalisation");
    if (is_half(c->layer->variable)) c->layer->variable = BERTH_FLOAT;
    if (btk_bool_of(c, "scale", true)) gamma = btk_weight_raw(c, "gamma", true, shape);
    if (btk_bool_of(c, "center", true)) beta = btk_weight_raw(c, "beta", true, shape);
    btk_tensor mean = btk_weight_raw(c, "moving_mean", false, shape);
    btk_tensor variance = btk_weight_raw(c, "moving_variance", false, shape);
    if (btk_int_of(c, "mode", 0)) {
        btk_return(c, normalised_by_itself(c, axis, gamma, beta, epsilon));
        return;
    }
    if (x.shape.rank == 4 && axis == 3 && x.dtype != BERTH_DOUBLE) {
        btk_return(c, fused(c, x, gamma, beta, mean, variance, epsilon));
        return;
    }
    btk_tensor wide = btk_cast(k, x, mean.dtype);
    mean = along(k, mean, x, axis);
    variance = along(k, variance, x, axis);
    if (gamma.dtype) gamma = along(k, gamma, x, axis);
    if (beta.dtype) beta = along(k, beta, x, axis);
    btk_return(c, btk_cast(k, normalise(k, wide, mean, variance, gamma, beta, epsilon), x.dtype));
}

/* Axes as bits, from a number or a list. */
static uint32_t axes_of(btk_call *c, int64_t otherwise)
{
    const bt_json *j = btk_of(c, "axis"), *first = bt_json_is(j, BT_JSON_ARRAY) ? j->first : j;
    uint32_t axes = 0;
    do {
        int64_t axis = bt_json_int(first, otherwise);
        if (axis < 0) axis += c->x.shape.rank;
        if (axis < 0 || axis >= c->x.shape.rank) btk_damaged(c->k, "an axis beyond the rank of the input");
        else axes |= 1u << axis;
        first = first && j->kind == BT_JSON_ARRAY ? first->next : NULL;
    } while (first);
    return axes;
}

/* The sizes of the axes; `wide`: with 1 for each axis that is not among them. */
static bt_shape shape_over(btk_call *c, uint32_t axes)
{
    bt_shape shape = {.rank = 0};
    for (int i = 0; i < c->x.shape.rank; i++)
        if (axes >> i & 1)
            shape.dim[shape.rank++] = btk_known(c->k, c->x, i, "the size of a normalised axis");
    return shape;
}

static btk_tensor spread(btk_call *c, btk_tensor w, uint32_t axes)
{
    int64_t dims[BT_MAX_RANK];
    int rank = c->x.shape.rank;
    if (axes == 1u << (rank - 1)) return w;
    for (int i = 0; i < rank; i++) dims[i] = axes >> i & 1 ? c->x.shape.dim[i] : 1;
    return btk_reshape(c->k, w, rank, dims, NULL);
}

/* By the mean and variance over the axes; Keras computes in 32 bits at least. */
void btk_layer_norm(btk_call *c)
{
    btk *k = c->k;
    if (!btk_rank(k, c->x, 1, BT_MAX_RANK)) return;
    uint32_t axes = axes_of(c, -1);
    bt_shape shape = shape_over(c, axes);
    btk_tensor gamma = {0}, beta = {0}, x = btk_cast(k, c->x, is_half(c->x.dtype) ? BERTH_FLOAT : c->x.dtype);
    double epsilon = btk_double_of(c, "epsilon", 1e-3);
    bool rms = btk_bool_of(c, "rms_scaling", false);
    if (btk_bool_of(c, "scale", true) || rms) gamma = btk_weight_raw(c, "gamma", true, shape);
    if (btk_bool_of(c, "center", true) && !rms) beta = btk_weight_raw(c, "beta", true, shape);
    if (gamma.dtype) gamma = spread(c, btk_cast(k, gamma, x.dtype), axes);
    if (beta.dtype) beta = spread(c, btk_cast(k, beta, x.dtype), axes);
    btk_tensor mean = btk_reduce(k, "Mean", x, axes, true);
    btk_tensor variance = btk_reduce(k, "Mean", btk_binary(k, "SquaredDifference", x, mean), axes, true);
    btk_tensor y;
    if (rms) {
        y = btk_binary(k, "Mul", x, btk_unary(k, "Rsqrt", btk_shifted(k, variance, epsilon)));
        y = btk_binary(k, "Mul", y, gamma);
    } else {
        y = normalise(k, x, mean, variance, gamma, beta, epsilon);
    }
    btk_return(c, btk_cast(k, y, c->x.dtype));
}

/* x scale / sqrt(mean of squares + epsilon) */
void btk_rms_norm(btk_call *c)
{
    btk *k = c->k;
    if (!btk_rank(k, c->x, 1, BT_MAX_RANK)) return;
    uint32_t axes = axes_of(c, -1);
    btk_tensor scale = btk_weight_raw(c, "scale", true, shape_over(c, axes));
    btk_tensor x = btk_cast(k, c->x, is_half(c->x.dtype) ? BERTH_FLOAT : c->x.dtype);
    btk_tensor square = btk_reduce(k, "Mean", btk_unary(k, "Square", x), axes, true);
    btk_tensor y = btk_binary(
        k, "Mul", x, btk_unary(k, "Rsqrt", btk_shifted(k, square, btk_double_of(c, "epsilon", 1e-6))));
    y = btk_binary(k, "Mul", y, spread(c, btk_cast(k, scale, x.dtype), axes));
    btk_return(c, btk_cast(k, y, c->x.dtype));
}

/* The channels in groups: mean and variance over a group and all places. */
void btk_group_norm(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x = btk_cast(k, c->x, is_half(c->x.dtype) ? BERTH_FLOAT : c->x.dtype), gamma = {0}, beta = {0};
    int axis = axis_of(c, -1), rank = x.shape.rank + 1, from[BT_MAX_RANK], back[BT_MAX_RANK];
    if (!btk_rank(k, x, 2, BT_MAX_RANK - 1) || axis < 1) return;
    int64_t n = btk_known(k, x, axis, "the number of channels"), groups = btk_int_of(c, "groups", 32);
    if (groups == -1) groups = n;
    if (groups < 1 || n % groups)
        btk_damaged(k, "%lld channels in %lld groups", (long long)n, (long long)groups);
    if (k->failed) return;
    int64_t dims[BT_MAX_RANK], wide[BT_MAX_RANK], whole[BT_MAX_RANK];
    for (int i = 0, to = 0; i < x.shape.rank; i++) {
        back[i] = i, whole[i] = x.shape.dim[i];
        if (i == axis) dims[to] = wide[to] = groups, from[to++] = -1;
        dims[to] = i == axis ? n / groups : x.shape.dim[i];
        wide[to] = i == axis ? n / groups : 1;
        from[to++] = i;
    }
    btk_tensor parts = btk_reshape(k, x, rank, dims, from);
    if (btk_bool_of(c, "scale", true)) gamma = btk_weight_raw(c, "gamma", true, BT_SHAPE(n));
    if (btk_bool_of(c, "center", true)) beta = btk_weight_raw(c, "beta", true, BT_SHAPE(n));
    if (gamma.dtype) gamma = btk_reshape(k, btk_cast(k, gamma, x.dtype), rank, wide, NULL);
    if (beta.dtype) beta = btk_reshape(k, btk_cast(k, beta, x.dtype), rank, wide, NULL);
    uint32_t axes = (((1u << rank) - 1) & ~1u) & ~(1u << axis);
    btk_tensor mean = btk_reduce(k, "Mean", parts, axes, true);
    btk_tensor variance = btk_reduce(k, "Mean", btk_binary(k, "SquaredDifference", parts, mean), axes, true);
    btk_tensor y = normalise(k, parts, mean, variance, gamma, beta, btk_double_of(c, "epsilon", 1e-3));
    for (int i = 0; i < x.shape.rank; i++)
        if (i > axis) back[i] = i + 1; /* sizes of the grouped tensor's axes */
    whole[axis] = n;
    y = btk_reshape(k, y, x.shape.rank, whole, back);
    btk_return(c, btk_cast(k, y, c->x.dtype));
}

/* x / max(|x|, epsilon) along the axes */
void btk_unit_norm(btk_call *c)
{
    btk *k = c->k;
    if (!btk_rank(k, c->x, 1, BT_MAX_RANK)) return;
    btk_tensor sum = btk_reduce(k, "Sum", btk_unary(k, "Square", c->x), axes_of(c, -1), true);
    btk_tensor inv = btk_unary(k, "Rsqrt", btk_binary(k, "Maximum", sum, btk_number(k, c->x.dtype, 1e-12)));
    btk_return(c, btk_binary(k, "Mul", c->x, inv));
}

/* The layer inside, whose kernel is stored as it was normalised last; the weight is the vector that training
 * iterates: counted where weights come in order, of no use else. */
void btk_spectral_norm(btk_call *c)
{
    btk_layer *layer = btk_child(c, btk_of(c, "layer"), "layer");
    btk_tensor y = btk_layer_apply(c->k, layer, c->x);
    if (!c->k->weights->of_path) btk_weight_raw(c, "vector_u", false, BT_SHAPE(-1, -1));
    btk_return(c, y);
}

/* Of keras.applications.ConvNeXt: x gamma. */
void btk_layer_scale(btk_call *c)
{
    btk_tensor gamma = btk_weight_of(c, "gamma", true, BT_SHAPE(btk_int_of(c, "projection_dim", -1)));
    btk_return(c, btk_binary(c->k, "Mul", c->x, gamma));
}
