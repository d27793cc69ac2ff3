/* Keras 3: ContrastLimitedAdaptiveHistogramEqualization. The picture is cut into tiles; each has a map of its 256 values, the
 * sum of their shares up to each, none of which counts for more than a limit; a pixel is what the maps of the four tiles around it
 * give, by its distance from their middles. Not the other layers of images: keras_preprocess.c. */
#include "format/keras_layers.h"

#include <math.h>

enum { LEVELS = 256, MOST_TILES = 1024 };

/* Sizes: of the picture, of tiles, how many there are. y, x. */
typedef struct tiling {
    int64_t size[2], tile[2], n[2], channels;
} tiling;

static bool tiling_of(btk_call *c, btk_tensor x, tiling *t)
{
    btk *k = c->k;
    btk_ints_of(c, "tile_grid_size", 2, t->n, 8);
    for (int i = 0; i < 2 && !k->failed; i++) {
        t->size[i] = btk_known(k, x, i + 1, "the size of the picture");
        if (t->size[i] < 1 || t->n[i] < 1 || t->n[i] > MOST_TILES) btk_damaged(k, "no tiles of a picture");
        else t->tile[i] = (t->size[i] + t->n[i] - 1) / t->n[i];
    }
    t->channels = btk_known(k, x, 3, "the number of channels");
    return !k->failed;
}

/* x (o1 - o0) / (i1 - i0) and so on; as it is where both ranges are one. */
static btk_tensor ranged(btk *k, btk_tensor x, const double *in, const double *out)
{
    if (in[0] == out[0] && in[1] == out[1]) return x;
    btk_tensor y = btk_shifted(k, btk_cast(k, x, BERTH_FLOAT), -in[0]);
    return btk_shifted(k, btk_scaled(k, y, (out[1] - out[0]) / (in[1] - in[0])), out[0]);
}

/* Mirrored behind, so that the tiles are whole. */
static btk_tensor filled_up(btk *k, btk_tensor x, const tiling *t)
{
    double pads[8] = {0};
    bt_shape shape = x.shape;
    for (int i = 0; i < 2; i++) {
        shape.dim[i + 1] = t->tile[i] * t->n[i];
        pads[2 * (i + 1) + 1] = (double)(shape.dim[i + 1] - t->size[i]);
        if (shape.dim[i + 1] > 2 * t->size[i]) return btk_damaged(k, "tiles too many for the picture"), x;
    }
    if (!pads[3] && !pads[5]) return x;
    btk_tensor in[2] = {x, btk_numbers(k, BERTH_INT32, BT_SHAPE(4, 2), pads)};
    btk_tensor y = btk_node(k, "MirrorPad", 2, in, x.dtype, shape);
    btk_attr_type(k, y, "Tpaddings", BERTH_INT32);
    btk_attr_text(k, y, "mode", "SYMMETRIC");
    return y;
}

static btk_tensor counting(btk *k, btk_tensor n, int64_t known)
{
    btk_tensor in[3] = {btk_int(k, 0), n, btk_int(k, 1)},
               y = btk_bare(k, "Range", 3, in, BERTH_INT32, BT_SHAPE(known));
    btk_attr_type(k, y, "Tidx", BERTH_INT32);
    return y;
}

/* How often each tile of each channel has each level: [batch, rows, columns, channels, LEVELS], of x in whole levels. */
static btk_tensor histograms(btk *k, btk_tensor x, const tiling *t)
{
    int64_t cut[6] = {-1, t->n[0], t->tile[0], t->n[1], t->tile[1], t->channels},
            flat[2] = {-1, t->tile[0] * t->tile[1]};
    int64_t shaped[5] = {-1, t->n[0], t->n[1], t->channels, LEVELS};
    x = btk_transpose(k, btk_reshape(k, x, 6, cut, (int[]){0, 1, 2, 3, 4, 5}), (int[]){0, 1, 3, 5, 2, 4});
    btk_tensor tiles = btk_reshape(k, x, 2, flat, (int[]){-1, 1}), n = btk_size(k, tiles, 0);
    btk_tensor first = btk_expand(k, btk_binary(k, "Mul", counting(k, n, -1), btk_int(k, LEVELS)), 1);
    btk_tensor at = btk_flat(k, btk_binary(k, "AddV2", tiles, first));
    btk_tensor one =
        btk_broadcast(k, btk_number(k, BERTH_FLOAT, 1), 1, (btk_tensor[]){btk_size(k, at, 0)}, BT_SHAPE(-1));
    btk_tensor in[3] = {one, at, btk_binary(k, "Mul", n, btk_int(k, LEVELS))};
    btk_tensor y = btk_node(k, "UnsortedSegmentSum", 3, in, BERTH_FLOAT, BT_SHAPE(-1));
    btk_attr_type(k, y, "Tindices", BERTH_INT32);
    btk_attr_type(k, y, "Tnumsegments", BERTH_INT32);
    return btk_reshape(k, y, 5, shaped, (int[]){-1, 1, 2, 3, 4});
}

/* Of each level what it becomes, 0 to 255. */
static btk_tensor maps(btk_call *c, btk_tensor counts, const tiling *t)
{
    btk *k = c->k;
    double pixels = (double)(t->tile[0] * t->tile[1]), limit = btk_double_of(c, "clip_limit", 4);
    uint32_t levels = btk_last_axis(counts);
    if (limit > 0) {
        btk_tensor cut = btk_clip(k, counts, 0, limit * pixels / LEVELS);
        btk_tensor excess = btk_reduce(k, "Sum", btk_binary(k, "Sub", counts, cut), levels, true);
        counts = btk_binary(k, "AddV2", cut, btk_scaled(k, excess, 1.0 / LEVELS));
    }
    btk_tensor sums =
        btk_node(k, "Cumsum", 2, (btk_tensor[]){counts, btk_int(k, 4)}, BERTH_FLOAT, counts.shape);
    btk_attr_type(k, sums, "Tidx", BERTH_INT32);
    btk_attr_bool(k, sums, "exclusive", false);
    btk_attr_bool(k, sums, "reverse", false);
    btk_tensor least = btk_reduce(k, "Min", sums, levels, true), zero = btk_number(k, BERTH_FLOAT, 0);
    btk_tensor rest = btk_binary(k, "Sub", btk_number(k, BERTH_FLOAT, pixels), least);
    rest = btk_select(k, btk_compare(k, "Equal", rest, zero), btk_number(k, BERTH_FLOAT, 1), rest);
    btk_tensor above = btk_scaled(k, btk_binary(k, "Sub", sums, least), 255);
    return btk_clip(k, btk_binary(k, "RealDiv", above, rest), 0, 255);
}

/* The first and last slice along an axis once more. */
static btk_tensor with_edges(btk *k, btk_tensor x, int axis, int64_t n)
{
    btk_tensor parts[3] = {btk_slice(k, x, axis, 0, 1), x, btk_slice(k, x, axis, n - 1, n)};
    return btk_concat(k, 3, parts, axis);
}

/* Of each row (axis 0) or column of pixels: the tile before or behind it, times a stride, and its share of the one behind. Both have
 * the axes of a picture. */
static void around(btk *k, const tiling *t, int axis, int64_t stride, btk_tensor index[2], btk_tensor *share)
{
    int64_t n = t->tile[axis] * t->n[axis];
    double *at[2] = {bt_arena_array(k->arena, double, (size_t)n),
                     bt_arena_array(k->arena, double, (size_t)n)},
           *part = bt_arena_array(k->arena, double, (size_t)n);
    bt_shape shape = axis ? BT_SHAPE(1, 1, n, 1) : BT_SHAPE(1, n, 1, 1);
    if (!at[0] || !at[1] || !part) return btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < n; i++) {
        float place = ((float)i - (float)t->tile[axis] / 2) / (float)t->tile[axis] + 1, low = floorf(place);
        part[i] = place - low;
        for (int j = 0; j < 2; j++)
            at[j][i] = fmin(fmax((double)low + j, 0), (double)t->n[axis] + 1) * (double)stride;
    }
    for (int j = 0; j < 2; j++) index[j] = btk_numbers(k, BERTH_INT32, shape, at[j]);
    *share = btk_numbers(k, BERTH_FLOAT, shape, part);
}

/* a (1 - share) + b share */
static btk_tensor between(btk *k, btk_tensor a, btk_tensor b, btk_tensor share)
{
    btk_tensor rest = btk_binary(k, "Sub", btk_number(k, BERTH_FLOAT, 1), share);
    return btk_binary(k, "AddV2", btk_binary(k, "Mul", a, rest), btk_binary(k, "Mul", b, share));
}

/* x: whole levels of the picture that is filled up; map: of its tiles with their edges. */
static btk_tensor mapped(btk *k, btk_tensor x, btk_tensor map, const tiling *t)
{
    double channel[LEVELS];
    int64_t by_x = LEVELS * t->channels, by_y = by_x * (t->n[1] + 2), by_batch = by_y * (t->n[0] + 2);
    btk_tensor y[2], at[2], row, column, rows[2], values[2], flat = btk_flat(k, map);
    if (t->channels > LEVELS || by_batch > INT32_MAX) return btk_unsupported(k, "so many tiles"), x;
    for (int64_t i = 0; i < t->channels; i++) channel[i] = (double)(i * LEVELS);
    around(k, t, 0, by_y, y, &row);
    around(k, t, 1, by_x, at, &column);
    if (k->failed) return x;
    btk_tensor batch = btk_binary(k, "Mul", counting(k, btk_size(k, x, 0), -1), btk_int(k, by_batch));
    for (int i = 0; i < 3; i++) batch = btk_expand(k, batch, -1);
    btk_tensor base = btk_binary(k, "AddV2", x, btk_numbers(k, BERTH_INT32, BT_SHAPE(t->channels), channel));
    base = btk_binary(k, "AddV2", base, batch);
    for (int i = 0; i < 2; i++) {
        btk_tensor from = btk_binary(k, "AddV2", base, y[i]);
        for (int j = 0; j < 2; j++) values[j] = btk_gather(k, flat, btk_binary(k, "AddV2", from, at[j]), 0);
        rows[i] = between(k, values[0], values[1], column);
    }
    return between(k, rows[0], rows[1], row);
}

void btk_equalize_tiles(btk_call *c)
{
    static const double levels[2] = {0, LEVELS - 1};
    btk *k = c->k;
    btk_tensor x = bt_dtype_is_float(c->x.dtype) ? btk_cast(k, c->x, c->layer->compute) : c->x;
    const bt_json *range = btk_of(c, "value_range");
    double own[2] = {bt_json_double(bt_json_at(range, 0), 0), bt_json_double(bt_json_at(range, 1), 255)};
    berth_dtype dtype = x.dtype;
    bool single = x.shape.rank == 3, first = btk_channels_first(c);
    tiling t = {0};
    if (!btk_rank(k, x, 3, 4)) return;
    if (!(own[1] > own[0])) return btk_damaged(k, "a range that cannot be");
    if (single) x = btk_expand(k, x, 0);
    if (first) x = btk_channels_last(k, x);
    if (!tiling_of(c, x, &t)) return;
    x = filled_up(k, ranged(k, x, own, levels), &t);
    btk_tensor whole = btk_clip(k, btk_cast(k, x, BERTH_INT32), 0, LEVELS - 1);
    btk_tensor map = maps(c, histograms(k, whole, &t), &t);
    map = with_edges(k, with_edges(k, map, 1, t.n[0]), 2, t.n[1]);
    btk_tensor y = mapped(k, whole, map, &t);
    y = btk_slice(k, btk_slice(k, y, 1, 0, t.size[0]), 2, 0, t.size[1]);
    y = btk_cast(k, ranged(k, y, levels, own), dtype);
    if (first) y = btk_channels_back(k, y);
    btk_return(c, single ? btk_squeeze(k, y, 0) : y);
}
