/* Keras 3: operations on images: colours, frames, sizes, transformations, filters. To read next: keras_preprocess.c (layers of
 * images, which have the resizing). */
#include "format/keras_operation.h"

#include <math.h>

/* The images as a batch with the channels last; what they were before: by give_back. */
typedef struct picture {
    btk_tensor x;
    bool single, channels_first;
} picture;

static bool picture_of(btk_call *c, picture *p)
{
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "images|image|image1|x|input|tensor", BERTH_NO_DTYPE);
    const char *format = bt_json_text(btk_operand_json(c, -1, "data_format"), "channels_last");
    *p = (picture){x, x.shape.rank == 3, !strcmp(format, "channels_first")};
    if (!btk_rank(k, x, 3, 4)) return false;
    if (p->single) p->x = btk_expand(k, p->x, 0);
    if (p->channels_first) p->x = btk_channels_last(k, p->x);
    return !k->failed;
}

static void give_back(btk_call *c, const picture *p, btk_tensor y)
{
    if (p->channels_first) y = btk_channels_back(c->k, y);
    btk_return(c, p->single ? btk_squeeze(c->k, y, 0) : y);
}

/* ---- Colours ------------------------------------------------------------------------------------------ */

/* detail: the op. */
static void colours(btk_call *c, const char *op)
{
    picture p;
    if (picture_of(c, &p)) give_back(c, &p, btk_unary(c->k, op, p.x));
}

static void grayscale(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    picture p;
    if (!picture_of(c, &p)) return;
    if (btk_dim(p.x, -1) == 1) return give_back(c, &p, p.x);
    if (btk_dim(p.x, -1) != 3) return btk_unsupported(k, "pictures but of three colours");
    btk_tensor x = btk_as_float(k, p.x),
               weights = btk_numbers(k, x.dtype, BT_SHAPE(3), (const double[]){0.2989, 0.5870, 0.1140});
    btk_tensor y = btk_reduce(k, "Sum", btk_binary(k, "Mul", x, weights), btk_last_axis(x), true);
    give_back(c, &p, btk_cast(k, y, p.x.dtype));
}

/* ---- Frames and sizes --------------------------------------------------------------------------------- */

/* What is before and behind along one axis of images, two of the three being said: sizes are of what `whole` says. */
static bool margins(btk_call *c, const char *before, const char *behind, const char *target, int64_t size,
                    bool pads, int64_t *out)
{
    int64_t first = btk_operand_int(c, -1, before, -1), last = btk_operand_int(c, -1, behind, -1),
            want = btk_operand_int(c, -1, target, -1), spare = pads ? want - size : size - want;
    out[0] = first >= 0 ? first : spare - last;
    out[1] = last >= 0 ? last : spare - out[0];
    bool fits = out[0] >= 0 && out[1] >= 0 && out[0] <= INT32_MAX && out[1] <= INT32_MAX;
    if ((want < 0 && (first < 0 || last < 0)) || !fits) btk_damaged(c->k, "margins that cannot be");
    return !c->k->failed;
}

/* detail: "pad" or "crop". */
static void frame(btk_call *c, const char *detail)
{
    btk *k = c->k;
    bool pads = *detail == 'p';
    btk_tensor x = btk_first_operand(c);
    int64_t all[BT_MAX_RANK][2] = {{0}};
    int first = x.shape.rank - (btk_channels_first(c) ? 2 : 3);
    if (!btk_rank(k, x, 3, 4)) return;
    int64_t height = btk_known(k, x, first, "the height"), width = btk_known(k, x, first + 1, "the width");
    if (!margins(c, pads ? "top_padding" : "top_cropping", pads ? "bottom_padding" : "bottom_cropping",
                 "target_height", height, pads, all[first]) ||
        !margins(c, pads ? "left_padding" : "left_cropping", pads ? "right_padding" : "right_cropping",
                 "target_width", width, pads, all[first + 1]))
        return;
    if (pads) return btk_return(c, btk_pad(k, x, (const int64_t(*)[2])all));
    x = btk_slice(k, x, first, all[first][0], height - all[first][1]);
    btk_return(c, btk_slice(k, x, first + 1, all[first + 1][0], width - all[first + 1][1]));
}

static void resize(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    picture p;
    const bt_json *size = btk_operand_json(c, 1, "size");
    int64_t height = bt_json_int(bt_json_at(size, 0), 0), width = bt_json_int(bt_json_at(size, 1), 0);
    const char *way = bt_json_text(btk_operand_json(c, 2, "interpolation|method"), "bilinear");
    if (height < 1 || width < 1 || bt_json_bool(btk_operand_json(c, -1, "preserve_aspect_ratio"), false))
        return btk_unsupported(k, "such a size");
    if (!picture_of(c, &p)) return;
    btk_tensor x = p.x;
    if (bt_json_bool(btk_operand_json(c, -1, "crop_to_aspect_ratio"), false))
        x = btk_cropped_to_ratio(k, x, height, width);
    else if (bt_json_bool(btk_operand_json(c, -1, "pad_to_aspect_ratio"), false))
        x = btk_padded_to_ratio(k, x, height, width,
                                bt_json_double(btk_operand_json(c, -1, "fill_value"), 0));
    if (strcmp(way, "nearest")) x = btk_as_float(k, x);
    give_back(c, &p,
              btk_resize_smooth(k, x, height, width, way,
                                bt_json_bool(btk_operand_json(c, -1, "antialias"), false)));
}

/* ---- Transformations ---------------------------------------------------------------------------------- */

static const char *upper_case(btk_call *c, const char *text)
{
    char *copy = bt_arena_print(c->k->arena, "%s", text);
    for (char *p = copy; p && *p; p++) *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    if (!copy) btk_fail(c->k, BERTH_NO_MEMORY, "out of memory");
    return copy ? copy : "";
}

/* By eight numbers of a projection each, which lead from the result to the image. */
static void projected(btk_call *c, const picture *p, btk_tensor transforms)
{
    btk *k = c->k;
    btk_tensor size[2] = {btk_size(k, p->x, 1), btk_size(k, p->x, 2)};
    btk_tensor in[4] = {p->x, transforms, btk_pack(k, 2, size),
                        btk_number(k, BERTH_FLOAT, bt_json_double(btk_operand_json(c, -1, "fill_value"), 0))};
    btk_tensor y = btk_bare(k, "ImageProjectiveTransformV3", 4, in, p->x.dtype, p->x.shape);
    const char *way = bt_json_text(btk_operand_json(c, -1, "interpolation"), "bilinear"),
               *fill = bt_json_text(btk_operand_json(c, -1, "fill_mode"), "constant");
    btk_attr_type(k, y, "dtype", p->x.dtype);
    btk_attr_text(k, y, "interpolation", upper_case(c, way));
    btk_attr_text(k, y, "fill_mode", upper_case(c, fill));
    give_back(c, p, y);
}

static void affine(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    picture p;
    btk_tensor transform = btk_cast(k, btk_operand(c, 1, "transform", BERTH_FLOAT), BERTH_FLOAT);
    if (!picture_of(c, &p) || !btk_rank(k, transform, 1, 2)) return;
    projected(c, &p, transform.shape.rank == 1 ? btk_expand(k, transform, 0) : transform);
}

/* Corners [batch, 4, 2]. */
static btk_tensor corners(btk_call *c, int i, const char *name)
{
    btk_tensor x = btk_cast(c->k, btk_operand(c, i, name, BERTH_FLOAT), BERTH_FLOAT);
    if (!btk_rank(c->k, x, 2, 3)) return x;
    if (x.shape.rank == 2) x = btk_expand(c->k, x, 0);
    if (btk_dim(x, 1) != 4 || btk_dim(x, 2) != 2) btk_damaged(c->k, "corners that are no four points");
    return x;
}

/* Of each corner (u, v) at the start and (x, y) at the end two rows of eight unknowns:
 * x y 1 0 0 0 -u x -u y = u, and 0 0 0 x y 1 -v x -v y = v. */
static void perspective(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    picture p;
    btk_tensor start = corners(c, 1, "start_points"), end = corners(c, 2, "end_points"), rows[8], wanted[8];
    if (!picture_of(c, &p)) return;
    for (int i = 0; i < 4 && !k->failed; i++) {
        btk_tensor from = btk_pick(k, start, 1, i), to = btk_pick(k, end, 1, i),
                   xy[2] = {btk_pick(k, to, 1, 0), btk_pick(k, to, 1, 1)};
        btk_tensor zero = btk_unary(k, "ZerosLike", xy[0]), one = btk_unary(k, "OnesLike", xy[0]);
        for (int j = 0; j < 2; j++) {
            btk_tensor u = btk_pick(k, from, 1, j), minus = btk_unary(k, "Neg", u), row[8];
            for (int m = 0; m < 6; m++) row[m] = m / 3 != j ? zero : m % 3 == 2 ? one : xy[m % 3];
            row[6] = btk_binary(k, "Mul", minus, xy[0]), row[7] = btk_binary(k, "Mul", minus, xy[1]);
            rows[2 * i + j] = btk_pack(k, 8, row), wanted[2 * i + j] = u;
        }
    }
    if (k->failed) return;
    btk_tensor a = btk_transpose(k, btk_pack(k, 8, rows), (int[]){2, 0, 1}),
               b = btk_transpose(k, btk_expand(k, btk_pack(k, 8, wanted), 2), (int[]){1, 0, 2});
    btk_tensor y = btk_node(k, "MatrixSolve", 2, (btk_tensor[]){a, b}, BERTH_FLOAT, b.shape);
    btk_attr_bool(k, y, "adjoint", false);
    projected(c, &p, btk_squeeze(k, y, 2));
}

/* ---- Values between places ---------------------------------------------------------------------------- */

/* An index within the axis, and whether it was (is: dtype 0 where all are). */
static btk_tensor folded_index(btk *k, btk_tensor i, int64_t size, const char *mode, btk_tensor *is)
{
    btk_tensor n = btk_int(k, size), zero = btk_int(k, 0);
    *is = (btk_tensor){0};
    if (!strcmp(mode, "constant"))
        *is = btk_logical(k, "LogicalAnd", btk_compare(k, "GreaterEqual", i, zero),
                          btk_compare(k, "Less", i, n));
    if (!strcmp(mode, "constant") || !strcmp(mode, "nearest")) return btk_clip(k, i, 0, (double)size - 1);
    if (!strcmp(mode, "wrap")) return btk_binary(k, "FloorMod", i, n);
    if (strcmp(mode, "mirror") && strcmp(mode, "reflect"))
        return btk_unsupported(k, "fill mode '%s'", mode), i;
    btk_tensor twice = btk_int(k, 2 * size), at = btk_binary(k, "FloorMod", btk_unary(k, "Abs", i), twice);
    btk_tensor back = btk_binary(k, "Sub", twice, at);
    if (!strcmp(mode, "reflect")) back = btk_shifted(k, back, -1);
    return btk_select(k, btk_compare(k, "Less", at, n), at, back);
}

/* What one corner of the cell around each place adds: bit j of `corner`: the upper one of axis j. */
static btk_tensor corner_of(btk_call *c, btk_tensor x, const btk_tensor *places, int order, int corner)
{
    btk *k = c->k;
    const char *mode = bt_json_text(btk_operand_json(c, -1, "fill_mode"), "constant");
    btk_tensor index[BT_MAX_RANK], weight = {0}, within = {0}, is;
    for (int j = 0; j < x.shape.rank && !k->failed; j++) {
        btk_tensor low = btk_unary(k, order ? "Floor" : "Round", places[j]),
                   at = btk_cast(k, low, BERTH_INT32);
        bool upper = corner >> j & 1;
        index[j] = folded_index(k, upper ? btk_shifted(k, at, 1) : at, btk_dim(x, j), mode, &is);
        index[j] = btk_expand(k, index[j], -1);
        if (is.dtype) within = within.dtype ? btk_logical(k, "LogicalAnd", within, is) : is;
        if (!order) continue;
        btk_tensor part = btk_binary(k, "Sub", places[j], low);
        if (!upper) part = btk_binary(k, "Sub", btk_number(k, part.dtype, 1), part);
        weight = weight.dtype ? btk_binary(k, "Mul", weight, part) : part;
    }
    if (k->failed) return x;
    btk_tensor in[2] = {x, btk_concat(k, x.shape.rank, index, -1)};
    btk_tensor y = btk_bare(k, "GatherNd", 2, in, x.dtype, places[0].shape);
    btk_attr_type(k, y, "Tparams", x.dtype);
    btk_attr_type(k, y, "Tindices", BERTH_INT32);
    y = btk_cast(k, y, places[0].dtype);
    double fill = bt_json_double(btk_operand_json(c, -1, "fill_value"), 0);
    if (within.dtype) y = btk_select(k, within, y, btk_number(k, y.dtype, fill));
    return weight.dtype ? btk_binary(k, "Mul", weight, y) : y;
}

/* The array at coordinates [axes, ...]: at the nearest place, or between the corners around each. */
static void at_coordinates(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "inputs", BERTH_NO_DTYPE),
               at = btk_operand(c, 1, "coordinates", BERTH_FLOAT), places[BT_MAX_RANK], sum = {0};
    int64_t order = btk_operand_int(c, 2, "order", 1);
    int rank = x.shape.rank;
    if (rank < 1 || rank > 6 || order < 0 || order > 1 || !bt_dtype_is_float(at.dtype))
        return btk_unsupported(k, "such coordinates");
    if (!btk_rank(k, at, 2, BT_MAX_RANK - 1) || btk_known(k, at, 0, "the number of axes") != rank)
        return btk_damaged(k, "coordinates of another number of axes");
    for (int j = 0; j < rank; j++)
        btk_known(k, x, j, "the size of an axis"), places[j] = btk_pick(k, at, 0, j);
    for (int i = 0; i < (order ? 1 << rank : 1) && !k->failed; i++) {
        btk_tensor one = corner_of(c, x, places, (int)order, i);
        sum = i ? btk_binary(k, "AddV2", sum, one) : one;
    }
    if (!bt_dtype_is_float(x.dtype)) sum = btk_unary(k, "Round", sum);
    btk_return(c, btk_cast(k, sum, x.dtype));
}

/* ---- Filters ------------------------------------------------------------------------------------------ */

/* exp(-(x / sigma)^2 / 2) of n places around 0, of sum 1. */
static void bell(int64_t n, double sigma, double *out)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = ((double)i - (double)(n - 1) / 2) / sigma;
        sum += out[i] = exp(-0.5 * x * x);
    }
    for (int64_t i = 0; i < n; i++) out[i] /= sum;
}

/* The kernel of one channel for each: by_y[height] by_x[width], as they lie in memory [rows, columns, channels, 1]. */
static btk_tensor bells(btk *k, berth_dtype dtype, const int64_t *size, const double *sigma, int64_t channels)
{
    enum { LARGEST = 255 };
    double x[LARGEST], y[LARGEST];
    if (k->failed || size[0] < 1 || size[1] < 1 || size[0] > LARGEST || size[1] > LARGEST ||
        channels > INT16_MAX)
        return btk_unsupported(k, "so large a filter"), btk_number(k, dtype, 0);
    bell(size[0], sigma[0], x), bell(size[1], sigma[1], y);
    double *values = bt_arena_array(k->arena, double, (size_t)(size[0] * size[1] * channels));
    if (!values) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), btk_number(k, dtype, 0);
    for (int64_t i = 0; i < size[0] * size[1] * channels; i++)
        values[i] = y[i / channels / size[0]] * x[i / channels % size[0]];
    return btk_numbers(k, dtype, BT_SHAPE(size[0], size[1], channels, 1), values);
}

static const btk_window same_size = {2, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, "same", false};

/* Filters a kernel [rows, columns, channels, n] over each channel by itself. */
static btk_tensor filtered(btk *k, btk_tensor x, btk_tensor kernel, const char *padding)
{
    btk_window w = same_size;
    w.size[0] = btk_dim(kernel, 0), w.size[1] = btk_dim(kernel, 1), w.padding = padding;
    return k->failed ? x : btk_convolve_by_channel(k, x, kernel, &w);
}

static double number_at(const bt_json *j, int i, double otherwise)
{
    return bt_json_double(bt_json_is(j, BT_JSON_ARRAY) ? bt_json_at(j, i) : j, otherwise);
}

static void blur(btk_call *c, const char *detail)
{
    (void)detail;
    picture p;
    const bt_json *sigma = btk_operand_json(c, 2, "sigma");
    double spread[2] = {number_at(sigma, 0, 1), number_at(sigma, 1, 1)};
    int64_t size[2];
    btk_ints_of(c, "kernel_size", 2, size, 3);
    if (!picture_of(c, &p)) return;
    int64_t channels = btk_known(c->k, p.x, -1, "the number of channels");
    btk_tensor kernel = bells(c->k, p.x.dtype, size, spread, channels);
    if (!c->k->failed) give_back(c, &p, filtered(c->k, p.x, kernel, "same"));
}

/* Down and across, along a new last axis. */
static void sobel(btk_call *c, const char *detail)
{
    (void)detail;
    static const int slope[9] = {-1, -2, -1, 0, 0, 0, 1, 2, 1};
    btk *k = c->k;
    picture p;
    if (!picture_of(c, &p)) return;
    int64_t channels = btk_known(k, p.x, -1, "the number of channels");
    double *values =
        channels > INT16_MAX ? NULL : bt_arena_array(k->arena, double, (size_t)(18 * channels + 1));
    if (!values || k->failed) return btk_unsupported(k, "so many channels");
    for (int64_t i = 0; i < 18 * channels; i++) {
        int64_t row = i / (6 * channels), column = i / (2 * channels) % 3;
        values[i] = slope[i % 2 ? 3 * column + row : 3 * row + column];
    }
    btk_tensor kernel = btk_numbers(k, p.x.dtype, BT_SHAPE(3, 3, channels, 2), values);
    int32_t pads[8] = {0, 0, 1, 1, 1, 1, 0, 0};
    bt_shape shape = p.x.shape;
    for (int i = 1; i < 3; i++) shape.dim[i] += shape.dim[i] < 0 ? 0 : 2;
    btk_tensor in[2] = {p.x, btk_const(k, BERTH_INT32, BT_SHAPE(4, 2), pads)};
    btk_tensor x = btk_node(k, "MirrorPad", 2, in, p.x.dtype, shape);
    btk_attr_type(k, x, "Tpaddings", BERTH_INT32);
    btk_attr_text(k, x, "mode", "REFLECT");
    btk_tensor y = filtered(k, x, kernel, "valid");
    int64_t dims[5] = {-1, -1, -1, channels, 2};
    y = btk_reshape(k, y, 5, dims, (int[]){0, 1, 2, -1, -1});
    if (p.channels_first) y = btk_transpose(k, y, (int[]){0, 3, 1, 2, 4});
    btk_return(c, p.single ? btk_squeeze(k, y, 0) : y);
}

/* Likeness of two pictures: (2 m n + c1) (2 s + c2) / ((m^2 + n^2 + c1) (v + w + c2)) of means, variances and the covariance
 * under a bell, and the mean of that. */
static void likeness(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    picture p;
    btk_tensor b = btk_operand(c, 1, "image2", BERTH_FLOAT);
    double most = bt_json_double(btk_operand_json(c, -1, "max_val"), 1),
           c1 = bt_json_double(btk_operand_json(c, -1, "k1"), 0.01) * most,
           c2 = bt_json_double(btk_operand_json(c, -1, "k2"), 0.03) * most,
           sigma = bt_json_double(btk_operand_json(c, -1, "filter_sigma"), 1.5);
    int64_t size = btk_operand_int(c, -1, "filter_size", 11);
    if (!picture_of(c, &p)) return;
    if (p.single) b = btk_expand(k, b, 0);
    if (p.channels_first) b = btk_channels_last(k, b);
    btk_tensor a = btk_as_float(k, p.x);
    b = btk_cast(k, b, a.dtype);
    btk_tensor kernel = bells(k, a.dtype, (int64_t[]){size, size}, (double[]){sigma, sigma},
                              btk_known(k, a, -1, "the number of channels"));
    btk_tensor in[5] = {a, b, btk_unary(k, "Square", a), btk_unary(k, "Square", b),
                        btk_binary(k, "Mul", a, b)},
               m[5];
    for (int i = 0; i < 5; i++) m[i] = filtered(k, in[i], kernel, "valid");
    btk_tensor product = btk_binary(k, "Mul", m[0], m[1]),
               squares = btk_binary(k, "AddV2", btk_unary(k, "Square", m[0]), btk_unary(k, "Square", m[1]));
    btk_tensor over = btk_scaled(k, btk_binary(k, "Sub", m[4], product), 2),
               under = btk_binary(k, "Sub", btk_binary(k, "AddV2", m[2], m[3]), squares);
    over = btk_binary(k, "Mul", btk_shifted(k, btk_scaled(k, product, 2), c1 * c1),
                      btk_shifted(k, over, c2 * c2));
    under = btk_binary(k, "Mul", btk_shifted(k, squares, c1 * c1), btk_shifted(k, under, c2 * c2));
    btk_tensor y = btk_reduce(k, "Mean", btk_binary(k, "RealDiv", over, under), 7u << 1, false);
    btk_return(c, btk_cast(k, p.single ? btk_squeeze(k, y, 0) : y, p.x.dtype));
}

/* ---- Scale and translate ------------------------------------------------------------------------------ */

/* How much weight a place has at a distance: of triangles, Keys's cubics, or Lanczos's kernels. */
static btk_tensor weight_at(btk *k, btk_tensor x, const char *method)
{
    btk_tensor one = btk_number(k, x.dtype, 1), zero = btk_number(k, x.dtype, 0), y;
    if (strstr(method, "linear")) return btk_unary(k, "Relu", btk_binary(k, "Sub", one, x));
    if (strstr(method, "cubic")) {
        btk_tensor near = btk_binary(k, "Mul", btk_shifted(k, btk_scaled(k, x, 1.5), -2.5), x),
                   far = btk_binary(k, "Mul", btk_shifted(k, btk_scaled(k, x, -0.5), 2.5), x);
        near = btk_shifted(k, btk_binary(k, "Mul", near, x), 1);
        far = btk_shifted(k, btk_binary(k, "Mul", btk_shifted(k, far, -4), x), 2);
        y = btk_select(k, btk_compare(k, "GreaterEqual", x, one), far, near);
        return btk_select(k, btk_compare(k, "GreaterEqual", x, btk_number(k, x.dtype, 2)), zero, y);
    }
    double radius = !strcmp(method, "lanczos3") ? 3 : 5;
    btk_tensor waves = btk_binary(k, "Mul", btk_unary(k, "Sin", btk_scaled(k, x, M_PI)),
                                  btk_unary(k, "Sin", btk_scaled(k, x, M_PI / radius)));
    btk_tensor square = btk_scaled(k, btk_unary(k, "Square", x), M_PI * M_PI);
    square = btk_select(k, btk_compare(k, "NotEqual", x, zero), square, one);
    y = btk_binary(k, "RealDiv", btk_scaled(k, waves, radius), square);
    y = btk_select(k, btk_compare(k, "Greater", x, btk_number(k, x.dtype, 1e-3)), y, one);
    return btk_select(k, btk_compare(k, "Greater", x, btk_number(k, x.dtype, radius)), zero, y);
}

static btk_tensor counted(btk *k, berth_dtype dtype, int64_t n)
{
    double *values = n < 0 || n > INT32_MAX ? NULL : bt_arena_array(k->arena, double, (size_t)n + 1);
    if (!values) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), btk_number(k, dtype, 0);
    for (int64_t i = 0; i < n; i++) values[i] = (double)i;
    return btk_numbers(k, dtype, BT_SHAPE(n), values);
}

/* [from, to]: what each place of an axis gives to each of the result's. */
static btk_tensor shares(btk *k, int64_t from, int64_t to, btk_tensor scale, btk_tensor shift,
                         const char *method, bool smooth)
{
    btk_tensor one = btk_number(k, scale.dtype, 1), zero = btk_number(k, scale.dtype, 0),
               inverse = btk_binary(k, "RealDiv", one, scale);
    btk_tensor at = btk_binary(k, "Mul", btk_shifted(k, counted(k, scale.dtype, to), 0.5), inverse);
    at = btk_shifted(k, btk_binary(k, "Sub", at, btk_binary(k, "Mul", shift, inverse)), -0.5);
    btk_tensor x =
        btk_binary(k, "Sub", btk_expand(k, at, 0), btk_expand(k, counted(k, scale.dtype, from), 1));
    x = btk_unary(k, "Abs", x);
    if (smooth) x = btk_binary(k, "RealDiv", x, btk_binary(k, "Maximum", inverse, one));
    btk_tensor weight = weight_at(k, x, method), sum = btk_reduce(k, "Sum", weight, 1, true);
    btk_tensor is =
        btk_compare(k, "Greater", btk_unary(k, "Abs", sum), btk_number(k, sum.dtype, 1.1920929e-4));
    sum = btk_select(k, btk_compare(k, "NotEqual", sum, zero), sum, one);
    weight = btk_select(k, is, btk_binary(k, "RealDiv", weight, sum), zero);
    btk_tensor within =
        btk_logical(k, "LogicalAnd", btk_compare(k, "GreaterEqual", at, btk_number(k, at.dtype, -0.5)),
                    btk_compare(k, "LessEqual", at, btk_number(k, at.dtype, (double)from - 0.5)));
    return btk_select(k, btk_expand(k, within, 0), weight, zero);
}

static void scale_and_translate(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor images = btk_operand(c, 0, "images", BERTH_FLOAT),
               scale = btk_as_float(k, btk_operand(c, 2, "scale", BERTH_FLOAT)),
               shift = btk_as_float(k, btk_operand(c, 3, "translation", BERTH_FLOAT));
    const bt_json *axes = btk_operand_json(c, -1, "spatial_dims"),
                  *shape = btk_operand_json(c, 1, "output_shape");
    const char *method = bt_json_text(btk_operand_json(c, -1, "method"), "linear");
    bool smooth = bt_json_bool(btk_operand_json(c, -1, "antialias"), true),
         whole = !bt_dtype_is_float(images.dtype);
    btk_tensor y = btk_as_float(k, images);
    if (!bt_json_is(shape, BT_JSON_ARRAY) || shape->n != y.shape.rank || !bt_json_is(axes, BT_JSON_ARRAY))
        return btk_unsupported(k, "a shape that is computed");
    shift = btk_cast(k, shift, scale.dtype);
    for (int i = 0; i < axes->n && !k->failed; i++) {
        int64_t axis = bt_json_int(bt_json_at(axes, i), -1), last = y.shape.rank - 1;
        if (axis < 0) axis += y.shape.rank;
        if (axis < 0 || axis > last) return btk_damaged(k, "an axis beyond the rank of the input");
        int64_t from = btk_known(k, y, (int)axis, "the size of an axis"),
                to = bt_json_int(bt_json_at(shape, (int)axis), -1);
        if (k->failed || to < 0 || to > INT32_MAX) return btk_damaged(k, "a size that cannot be");
        btk_tensor share =
            shares(k, from, to, btk_pick(k, scale, 0, i), btk_pick(k, shift, 0, i), method, smooth);
        y = btk_swap(k, y, (int)axis, (int)last);
        share = btk_cast(k, share, y.dtype);
        y = last > 1 ? btk_dense_product(k, y, share) : btk_matmul(k, y, share, false, false);
        y = btk_swap(k, y, (int)axis, (int)last);
    }
    if (whole) {
        uint32_t all = (1u << images.shape.rank) - 1;
        y = btk_binary(k, "Maximum", btk_unary(k, "Round", y),
                       btk_cast(k, btk_reduce(k, "Min", images, all, false), y.dtype));
        y = btk_binary(k, "Minimum", y, btk_cast(k, btk_reduce(k, "Max", images, all, false), y.dtype));
    }
    btk_return(c, btk_cast(k, y, images.dtype));
}

const btk_operation btk_image_operations[] = {
    {"r_g_b_to_h_s_v", colours, "RGBToHSV"},
    {"h_s_v_to_r_g_b", colours, "HSVToRGB"},
    {"rgb_to_hsv", colours, "RGBToHSV"},
    {"hsv_to_rgb", colours, "HSVToRGB"},
    {"r_g_b_to_grayscale", grayscale, NULL},
    {"rgb_to_grayscale", grayscale, NULL},
    {"crop_images", frame, "crop"},
    {"pad_images", frame, "pad"},
    {"resize", resize, NULL},
    {"affine_transform", affine, NULL},
    {"perspective_transform", perspective, NULL},
    {"map_coordinates", at_coordinates, NULL},
    {"gaussian_blur", blur, NULL},
    {"sobel_edges", sobel, NULL},
    {"s_s_i_m", likeness, NULL},
    {"scale_and_translate", scale_and_translate, NULL},
    {NULL, NULL, NULL},
};
