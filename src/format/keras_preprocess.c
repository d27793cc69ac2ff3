/* Keras: preprocessing layers of numbers and images. Random ones do nothing when a model is used. Text and
 * vocabularies: keras_text.c. */
#include "format/keras_layers.h"

#include <math.h>

/* ---- Numbers ------------------------------------------------------------------------------------------ */

/* A number, a list, or {"class_name": "__numpy__" ..., "config": {"value": [...]}} as a constant. */
static btk_tensor numbers_of(btk_call *c, const char *key, double otherwise)
{
    btk *k = c->k;
    const bt_json *j = btk_of(c, key), *config = bt_json_get(j, "config");
    if (bt_json_get(config, "value")) j = bt_json_get(config, "value");
    while (bt_json_is(j, BT_JSON_ARRAY) && j->n == 1 && bt_json_is(j->first, BT_JSON_ARRAY)) j = j->first;
    if (!bt_json_is(j, BT_JSON_ARRAY)) return btk_number(k, c->layer->compute, bt_json_double(j, otherwise));
    double *values = bt_arena_array(k->arena, double, (size_t)j->n + 1);
    int n = 0;
    if (!values) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), c->x;
    for (const bt_json *item = j->first; item; item = item->next) values[n++] = bt_json_double(item, NAN);
    return btk_numbers(k, c->layer->compute, BT_SHAPE(n), values);
}

void btk_rescaling(btk_call *c)
{
    btk *k = c->k;
    btk_tensor y = btk_binary(k, "Mul", btk_cast(k, c->x, c->layer->compute), numbers_of(c, "scale", 1));
    btk_return(c, btk_binary(k, "AddV2", y, numbers_of(c, "offset", 0)));
}

/* detail: of Keras 3 integers stay what they are. */
void btk_random(btk_call *c)
{
    bool kept = c->k->version >= 3 && !bt_dtype_is_float(c->x.dtype) &&
                (c->layer->class->detail || !strcmp(c->layer->class_name, "RandomCrop"));
    btk_return(c, kept ? c->x : btk_cast(c->k, c->x, c->layer->compute));
}

/* The kept axes as bits: "axis" is a number, a list, or null for none. */
static uint32_t kept_axes(btk_call *c)
{
    const bt_json *j = bt_json_get(c->config, "axis");
    uint32_t axes = 0;
    if (bt_json_is(j, BT_JSON_NULL)) return 0;
    const bt_json *first = bt_json_is(j, BT_JSON_ARRAY) ? j->first : j;
    for (; first; first = j->kind == BT_JSON_ARRAY ? first->next : NULL) {
        int64_t axis = bt_json_int(first, -1);
        if (axis < 0) axis += c->x.shape.rank;
        if (axis < 0 || axis >= c->x.shape.rank) btk_damaged(c->k, "an axis beyond the rank of the input");
        else axes |= 1u << axis;
    }
    return axes;
}

/* (x - mean) / max(sqrt(variance), 1e-7), or turned about; mean and variance from the configuration or
 * learnt. */
void btk_normalization(btk_call *c)
{
    btk *k = c->k;
    uint32_t axes = kept_axes(c);
    bt_shape shape = {.rank = 0}, wide = {.rank = c->x.shape.rank};
    btk_tensor mean, variance, x = btk_cast(k, c->x, c->layer->compute);
    for (int i = 0; i < wide.rank; i++) {
        wide.dim[i] = 1;
        if (!(axes >> i & 1)) continue;
        wide.dim[i] = shape.dim[shape.rank++] = btk_known(k, c->x, i, "the size of a normalised axis");
    }
    if (btk_of(c, "mean")) {
        mean = numbers_of(c, "mean", 0);
        variance = numbers_of(c, "variance", 1);
    } else {
        mean = btk_weight_of(c, "mean", false, shape);
        variance = btk_weight_of(c, "variance", false, shape);
        btk_weight_raw(c, "count", false, BT_SCALAR);
        mean = btk_reshape(k, mean, wide.rank, wide.dim, NULL);
        variance = btk_reshape(k, variance, wide.rank, wide.dim, NULL);
    }
    btk_tensor deviation =
        btk_binary(k, "Maximum", btk_unary(k, "Sqrt", variance), btk_number(k, x.dtype, 1e-7));
    if (btk_bool_of(c, "invert", false)) x = btk_binary(k, "AddV2", mean, btk_binary(k, "Mul", x, deviation));
    else x = btk_binary(k, "RealDiv", btk_binary(k, "Sub", x, mean), deviation);
    btk_return(c, x);
}

/* Indices [..., n] as vectors of `depth`: "int" leaves them, "one_hot" each its own (a last axis of 1 goes
 * away), "multi_hot" and "count" the last axis folded. weights (dtype 0: none) are of each index. */
btk_tensor btk_encoded(btk_call *c, btk_tensor x, int64_t depth, const char *mode, berth_dtype dtype,
                       btk_tensor weights)
{
    btk *k = c->k;
    bool one = !strcmp(mode, "one_hot"), multi = !strcmp(mode, "multi_hot") || !strcmp(mode, "binary");
    if (!strcmp(mode, "int")) return btk_cast(k, x, dtype);
    if (!one && !multi && strcmp(mode, "count") && strcmp(mode, "tf_idf"))
        btk_unsupported(k, "output mode '%s'", mode);
    if (depth < 1) btk_damaged(k, "no number of tokens");
    if (x.dtype != BERTH_INT32 && x.dtype != BERTH_INT64) x = btk_cast(k, x, BERTH_INT64);
    if (c->ragged) { /* those of a row, in one vector; -1 is none of them */
        if (one || weights.dtype)
            btk_unsupported(k, "such vectors of ragged rows: export a SavedModel instead (model.export)");
        x = btk_padded_rows(k, btk_squeeze(k, x, 0), c->ragged->splits, btk_number(k, x.dtype, -1), c->batch,
                            -1);
        c->ragged = NULL;
    }
    if (one && x.shape.rank > 1 && btk_dim(x, -1) == 1) x = btk_squeeze(k, x, -1);
    if (!btk_rank(k, x, 0, BT_MAX_RANK - 1)) return x;
    bt_shape shape = {.rank = x.shape.rank + 1};
    memcpy(shape.dim, x.shape.dim, sizeof shape.dim);
    shape.dim[x.shape.rank] = depth;
    btk_tensor in[4] = {x, btk_int(k, depth), btk_number(k, dtype, 1), btk_number(k, dtype, 0)};
    btk_tensor y = btk_bare(k, "OneHot", 4, in, dtype, shape);
    btk_attr_type(k, y, "T", dtype);
    btk_attr_type(k, y, "TI", x.dtype);
    btk_attr_int(k, y, "axis", -1);
    if (weights.dtype) y = btk_binary(k, "Mul", y, btk_expand(k, btk_cast(k, weights, dtype), -1));
    if (one || shape.rank < 2) return y;
    return btk_reduce(k, multi ? "Max" : "Sum", y, 1u << (shape.rank - 2), false);
}

void btk_category_encoding(btk_call *c)
{
    int64_t depth = btk_int_of(c, "num_tokens", btk_int_of(c, "max_tokens", 0));
    const char *mode = btk_text_of(c, "output_mode", "multi_hot");
    btk_return(c,
               btk_encoded(c, c->x, depth, mode, c->layer->compute, btk_arg_tensor(c, 1, "count_weights")));
}

/* The number of boundaries at or below each element: int32. */
btk_tensor btk_bucketize(btk_call *c, btk_tensor x, const bt_json *boundaries)
{
    btk *k = c->k;
    bt_attr attr = {.name = "boundaries", .kind = BT_ATTR_FLOAT, .is_list = true, .n = boundaries->n};
    attr.list = bt_arena_array(k->arena, bt_attr_value, (size_t)boundaries->n + 1);
    int n = 0;
    for (const bt_json *item = boundaries->first; attr.list && item; item = item->next)
        attr.list[n++].f = (float)bt_json_double(item, 0);
    if (x.dtype != BERTH_DOUBLE && x.dtype != BERTH_INT32 && x.dtype != BERTH_INT64)
        x = btk_cast(k, x, BERTH_FLOAT);
    btk_tensor y = btk_node(k, "Bucketize", 1, &x, BERTH_INT32, x.shape);
    if (!k->failed && (!attr.list || !bt_set_attr(k->graph, y.edge.node, &attr)))
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    return y;
}

/* fp at x, between two of the places xp, which rise. */
static double between(const double *xp, const double *fp, int64_t n, double x)
{
    int64_t i = 0;
    if (x < xp[0]) return fp[0];
    while (i < n - 1 && xp[i + 1] <= x) i++;
    if (i == n - 1 || xp[i] == x) return fp[i];
    return (fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i]) * (x - xp[i]) + fp[i];
}

/* Keras 2 keeps what it learnt of the data: m values that rise, and how many of the data each stands for, [2, m]. The boundaries
 * are those values, if they are fewer than the bins, else the values at equal shares of the data. */
static int64_t boundaries_of(btk_call *c, const bt_tensor *summary, int64_t bins, double **out)
{
    btk *k = c->k;
    int64_t m = summary->shape.dim[1], n = m - 1;
    double *share = bt_arena_array(k->arena, double, (size_t)m),
           *value = bt_arena_array(k->arena, double, (size_t)m);
    float sum = 0, step = 0;
    if (!share || !value) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), 0;
    for (int64_t i = 0; i < m; i++) {
        value[i] = bt_tensor_number(summary, i);
        share[i] = sum += (float)bt_tensor_number(summary, m + i);
    }
    for (int64_t i = 0; i < m; i++) step = (float)share[i] / sum, share[i] = step;
    *out = value;
    double part = 1.0 / (double)bins;
    if ((double)m * part < 1) return n;
    n = (int64_t)ceil(1 / part) - 1;
    *out = bt_arena_array(k->arena, double, (size_t)n + 1);
    if (!*out) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), 0;
    for (int64_t i = 0; i < n; i++) (*out)[i] = between(share, value, m, part + (double)i * part);
    return n;
}

/* The same as a list of numbers; NULL: failed. */
static const bt_json *learnt_boundaries(btk_call *c)
{
    enum { MOST = 1 << 16 };
    btk *k = c->k;
    const btk_weights *from = k->weights;
    const bt_tensor *list = NULL;
    bt_tensor summary = {0};
    int n_list = 0;
    int64_t bins = btk_int_of(c, "num_bins", 0);
    double *values = NULL;
    if (from->of_path)
        k->failed |= !!from->of_path(from->user, c->layer->path, 0, "summary", &summary, k->error);
    else if (from->of_layer && k->depth == 1)
        k->failed |= !!from->of_layer(from->user, c->layer->name, -1, &list, &n_list, k->error);
    if (n_list == 1) summary = list[0];
    bool is_summary = bt_dtype_is_float(summary.dtype) && summary.shape.rank == 2 &&
                      summary.shape.dim[0] == 2 && summary.shape.dim[1] > 0;
    if (!is_summary)
        btk_unsupported(k, "boundaries that are not in the file: export a SavedModel instead (model.export)");
    else if (bins < 1 || bins > MOST || summary.shape.dim[1] > MOST)
        btk_damaged(k, "num_bins is out of range");
    bt_json *out = k->failed ? NULL : bt_arena_new(k->arena, bt_json), **last = out ? &out->first : NULL;
    if (!out) return NULL;
    btk_weight_raw(c, "summary", false, BT_SHAPE(2, -1));
    out->kind = BT_JSON_ARRAY;
    out->n = (int)boundaries_of(c, &summary, bins, &values);
    for (int i = 0; i < out->n; i++, last = &(*last)->next) {
        if (!(*last = bt_arena_new(k->arena, bt_json)))
            return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), NULL;
        (*last)->kind = BT_JSON_DOUBLE;
        (*last)->d = values[i];
    }
    return k->failed ? NULL : out;
}

void btk_discretization(btk_call *c)
{
    btk *k = c->k;
    const bt_json *j = btk_of(c, "bin_boundaries");
    if (!bt_json_is(j, BT_JSON_ARRAY)) j = learnt_boundaries(c);
    if (!j) return;
    btk_tensor y = btk_bucketize(c, c->x, j);
    const char *mode = btk_text_of(c, "output_mode", "int");
    bool whole = !strcmp(mode, "int") && k->version >= 3;
    btk_return(c,
               btk_encoded(c, y, j->n + 1, mode, whole ? BERTH_INT32 : c->layer->compute, (btk_tensor){0}));
}

/* ---- Images ------------------------------------------------------------------------------------------- */

/* By kernels of any width, which antialias widens where the picture shrinks. */
static btk_tensor resize_by_kernel(btk *k, btk_tensor x, int64_t height, int64_t width, const char *kernel,
                                   bool antialias)
{
    int64_t size[2] = {height, width};
    btk_tensor from[2] = {btk_size(k, x, 1), btk_size(k, x, 2)}, to = btk_ints(k, 2, size);
    btk_tensor scale = btk_binary(k, "RealDiv", btk_cast(k, to, BERTH_FLOAT),
                                  btk_cast(k, btk_pack(k, 2, from), BERTH_FLOAT));
    btk_tensor in[4] = {x, to, scale, btk_numbers(k, BERTH_FLOAT, BT_SHAPE(2), (const double[]){0, 0})};
    bt_shape shape = btk_with_dim(btk_with_dim(x.shape, 1, height), 2, width);
    btk_tensor y = btk_node(k, "ScaleAndTranslate", 4, in, BERTH_FLOAT, shape);
    btk_attr_text(k, y, "kernel_type", kernel);
    btk_attr_bool(k, y, "antialias", antialias);
    return btk_cast(k, y, x.dtype);
}

btk_tensor btk_resize_smooth(btk *k, btk_tensor x, int64_t height, int64_t width, const char *interpolation,
                             bool antialias)
{
    static const struct {
        const char *name, *kernel;
        bool always; /* else only with antialias */
    } ways[] = {{"lanczos3", "lanczos3", true},  {"lanczos5", "lanczos5", true},
                {"gaussian", "gaussian", true},  {"bilinear", "triangle", false},
                {"bicubic", "keyscubic", false}, {"mitchellcubic", "mitchellcubic", true}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (!strcmp(ways[i].name, interpolation) && (antialias || ways[i].always))
            return resize_by_kernel(k, x, height, width, ways[i].kernel, antialias);
    return btk_resize(k, x, height, width, interpolation);
}

btk_tensor btk_resize(btk *k, btk_tensor x, int64_t height, int64_t width, const char *interpolation)
{
    static const struct {
        const char *name, *op;
    } ways[] = {{"bilinear", "ResizeBilinear"},
                {"nearest", "ResizeNearestNeighbor"},
                {"bicubic", "ResizeBicubic"},
                {"area", "ResizeArea"}};
    int64_t size[2] = {height, width};
    bt_shape shape = btk_with_dim(btk_with_dim(x.shape, 1, height), 2, width);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, interpolation)) continue;
        bool nearest = i == 1;
        btk_tensor y = btk_node(k, ways[i].op, 2, (btk_tensor[]){x, btk_ints(k, 2, size)},
                                nearest ? x.dtype : BERTH_FLOAT, shape);
        btk_attr_bool(k, y, "align_corners", false);
        if (i < 3) btk_attr_bool(k, y, "half_pixel_centers", true);
        return btk_cast(k, y, x.dtype);
    }
    btk_unsupported(k, "interpolation '%s'", interpolation);
    return x;
}

/* The middle part whose sides are as height to width; Keras rounds down. */
btk_tensor btk_cropped_to_ratio(btk *k, btk_tensor x, int64_t height, int64_t width)
{
    int64_t h = btk_known(k, x, 1, "the height"), w = btk_known(k, x, 2, "the width");
    if (k->failed || height < 1 || width < 1) return x;
    int64_t crop_h = (int64_t)((float)(w * height) / (float)width),
            crop_w = (int64_t)((float)(h * width) / (float)height);
    crop_h = crop_h > h ? h : crop_h < 1 ? 1 : crop_h;
    crop_w = crop_w > w ? w : crop_w < 1 ? 1 : crop_w;
    int64_t top = (h - crop_h) / 2, left = (w - crop_w) / 2;
    return btk_slice(k, btk_slice(k, x, 1, top, top + crop_h), 2, left, left + crop_w);
}

static btk_tensor image_of(btk_call *c, bool *single)
{
    btk *k = c->k;
    btk_tensor x = btk_cast(k, c->x, c->layer->compute);
    *single = x.shape.rank == 3;
    if (*single) x = btk_expand(k, x, 0);
    if (!btk_rank(k, x, 4, 4)) return x;
    return btk_channels_first(c) ? btk_channels_last(k, x) : x;
}

static void give_image(btk_call *c, btk_tensor y, bool single)
{
    if (btk_channels_first(c)) y = btk_channels_back(c->k, y);
    btk_return(c, single ? btk_squeeze(c->k, y, 0) : y);
}

/* As much on both sides as makes it of the ratio, half a pixel cut off. */
btk_tensor btk_padded_to_ratio(btk *k, btk_tensor x, int64_t height, int64_t width, double value)
{
    int64_t h = btk_known(k, x, 1, "the height"), w = btk_known(k, x, 2, "the width");
    if (k->failed || height < 1 || width < 1) return x;
    int64_t wide = (int64_t)((float)(h * width) / (float)height),
            high = (int64_t)((float)(w * height) / (float)width), pads[BT_MAX_RANK][2] = {{0}};
    pads[1][0] = pads[1][1] = high > h ? (high - h) / 2 : 0;
    pads[2][0] = pads[2][1] = wide > w ? (wide - w) / 2 : 0;
    btk_tensor zeros = btk_pad(k, x, (const int64_t(*)[2])pads);
    if (value == 0) return zeros;
    int32_t flat[8] = {0};
    for (int i = 2; i < 6; i++) flat[i] = (int32_t)pads[i / 2][i % 2];
    btk_tensor in[3] = {x, btk_const(k, BERTH_INT32, BT_SHAPE(4, 2), flat), btk_number(k, x.dtype, value)};
    btk_tensor y = btk_node(k, "PadV2", 3, in, x.dtype, zeros.shape);
    btk_attr_type(k, y, "Tpaddings", BERTH_INT32);
    return y;
}

/* The nearest of the integers that the dtype has. */
static btk_tensor saturated(btk *k, btk_tensor x, berth_dtype dtype)
{
    int bits = 8 * (int)bt_dtype_size(dtype);
    bool is_signed = dtype == BERTH_INT8 || dtype == BERTH_INT16 || dtype == BERTH_INT32;
    x = btk_unary(k, "Round", x);
    if (bits <= 16) x = btk_clip(k, x, is_signed ? -ldexp(1, bits - 1) : 0, ldexp(1, bits - is_signed) - 1);
    return btk_cast(k, x, dtype);
}

/* Of Keras 3 integers stay integers. */
void btk_resizing(btk_call *c)
{
    btk *k = c->k;
    bool single;
    btk_tensor x = image_of(c, &single);
    int64_t height = btk_int_of(c, "height", 0), width = btk_int_of(c, "width", 0);
    if (height < 1 || width < 1) btk_damaged(k, "a size that cannot be");
    if (btk_bool_of(c, "crop_to_aspect_ratio", false)) x = btk_cropped_to_ratio(k, x, height, width);
    else if (btk_bool_of(c, "pad_to_aspect_ratio", false))
        x = btk_padded_to_ratio(k, x, height, width, btk_double_of(c, "fill_value", 0));
    if (k->failed) return;
    x = btk_resize_smooth(k, x, height, width, btk_text_of(c, "interpolation", "bilinear"),
                          btk_bool_of(c, "antialias", false));
    if (k->version >= 3 && !bt_dtype_is_float(c->x.dtype)) x = saturated(k, x, c->x.dtype);
    give_image(c, x, single);
}

/* The middle; an image that is too small is scaled instead. RandomCrop of Keras 2 does the latter to all,
 * that of Keras 3 nothing. */
void btk_center_crop(btk_call *c)
{
    btk *k = c->k;
    bool single, random = !strcmp(c->layer->class_name, "RandomCrop");
    int64_t height = btk_int_of(c, "height", 0), width = btk_int_of(c, "width", 0);
    if (random && k->version >= 3) return btk_random(c);
    btk_tensor x = image_of(c, &single);
    if (height < 1 || width < 1) btk_damaged(k, "a size that cannot be");
    int64_t down = btk_known(k, x, 1, "the height") - height, right = btk_known(k, x, 2, "the width") - width;
    if (k->failed) return;
    if (down >= 0 && right >= 0 && (!random || (!down && !right)))
        x = btk_slice(k, btk_slice(k, x, 1, down / 2, down / 2 + height), 2, right / 2, right / 2 + width);
    else x = btk_resize(k, btk_cropped_to_ratio(k, x, height, width), height, width, "bilinear");
    give_image(c, x, single);
}

/* Each channel of each image from its own least and largest number to the whole range; one that is even stays. */
void btk_auto_contrast(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x = btk_cast(k, c->x, c->layer->compute), least, most;
    const bt_json *range = btk_of(c, "value_range");
    double low = bt_json_double(bt_json_at(range, 0), 0), high = bt_json_double(bt_json_at(range, 1), 255);
    bool single = x.shape.rank == 3;
    if (!btk_rank(k, x, 3, 4) || !(high > low)) return btk_damaged(k, "a range that cannot be");
    btk_tensor y = btk_scaled(k, btk_shifted(k, x, -low), 255 / (high - low));
    least = btk_reduce(k, "Min", y, single ? 3 : 6, true),
    most = btk_reduce(k, "Max", y, single ? 3 : 6, true);
    btk_tensor scale =
        btk_binary(k, "RealDiv", btk_number(k, y.dtype, 255), btk_binary(k, "Sub", most, least));
    btk_tensor offset = btk_binary(k, "Mul", btk_unary(k, "Neg", least), scale);
    y = btk_clip(k, btk_binary(k, "AddV2", btk_binary(k, "Mul", y, scale), offset), 0, 255);
    y = btk_shifted(k, btk_scaled(k, y, (high - low) / 255), low);
    btk_return(c, btk_select(k, btk_test(k, "IsNan", y), x, y));
}

/* Layers one after another. */
void btk_pipeline(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x = c->x;
    const bt_json *list = btk_of(c, "layers");
    if (!bt_json_is(list, BT_JSON_ARRAY) || k->depth > BTK_MAX_DEPTH)
        return btk_damaged(k, "no list of layers");
    for (const bt_json *j = list->first; j && !k->failed; j = j->next) {
        btk_layer *layer = btk_child(c, j, btk_role_in_list(c, "_pipeline_layers", list, j));
        if (layer) x = btk_layer_apply(k, layer, x);
    }
    btk_return(c, x);
}
