/* Keras: layers that change the shape: flatten, reshape, crop, pad, repeat, scale up. */
#include "format/keras_layers.h"

static int axes_of(const btk_call *c) { return c->layer->class->detail[0] - '0'; }

/* Keras 1 does not write it down for images and volumes: then as other layers of the model have it. */
static bool channels_first(const btk_call *c)
{
    bool unsaid = c->k->version == 1 && axes_of(c) > 1 && !btk_of(c, "dim_ordering");
    return unsaid ? c->k->channels_first : btk_channels_first(c);
}

static int first_axis(const btk_call *c) { return channels_first(c) ? 2 : 1; }

void btk_flatten(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x = btk_channels_first(c) && c->x.shape.rank > 2 ? btk_channels_last(k, c->x) : c->x;
    int64_t n = x.shape.rank > 1 ? bt_shape_span(&x.shape, 1, x.shape.rank) : 1;
    for (int i = 1; i < x.shape.rank; i++)
        if (x.shape.dim[i] < 0) n = -1;
    if (btk_rank(k, x, 1, BT_MAX_RANK))
        btk_return(c, btk_reshape(k, x, 2, (int64_t[]){-1, n}, (int[]){0, -1}));
}

void btk_reshape_layer(btk_call *c)
{
    btk *k = c->k;
    const bt_json *target = btk_of(c, "target_shape");
    int64_t dims[BT_MAX_RANK] = {-1}, known = 1, product = 1;
    int axes[BT_MAX_RANK] = {0}, n = 1, open = -1;
    if (!bt_json_is(target, BT_JSON_ARRAY) || target->n >= BT_MAX_RANK) {
        btk_damaged(k, "a target shape that cannot be");
        return;
    }
    for (const bt_json *j = target->first; j; j = j->next, n++) {
        dims[n] = bt_json_int(j, -1);
        axes[n] = -1;
        if (dims[n] < 0) dims[open = n] = -1;
        else if (__builtin_mul_overflow(product, dims[n], &product))
            btk_damaged(k, "a target shape too large");
    }
    for (int i = 1; i < c->x.shape.rank; i++)
        if (c->x.shape.dim[i] < 0) known = -1;
    if (known > 0) known = bt_shape_span(&c->x.shape, 1, c->x.shape.rank);
    if (open >= 0 && known >= 0 && product > 0) dims[open] = known % product ? -1 : known / product;
    else if (open < 0 && known >= 0 && known != product)
        btk_damaged(k, "%lld elements do not fill the target shape", (long long)known);
    btk_return(c, btk_reshape(k, c->x, n, dims, axes));
}

void btk_permute(btk_call *c)
{
    int perm[BT_MAX_RANK] = {0}, n = 1;
    uint32_t seen = 1;
    for (const bt_json *j = bt_json_first(btk_of(c, "dims")); j && n < BT_MAX_RANK; j = j->next, n++) {
        int64_t axis = bt_json_int(j, 0);
        if (axis > 0 && axis < BT_MAX_RANK) seen |= 1u << axis;
        perm[n] = (int)axis;
    }
    if (n != c->x.shape.rank || seen != (1u << n) - 1)
        btk_damaged(c->k, "dims do not fit an input of rank %d", c->x.shape.rank);
    if (!c->k->failed) btk_return(c, btk_transpose(c->k, c->x, perm));
}

void btk_repeat_vector(btk_call *c)
{
    int64_t times[3] = {1, btk_int_of(c, "n", 1), 1};
    if (btk_rank(c->k, c->x, 2, 2)) btk_return(c, btk_tile(c->k, btk_expand(c->k, c->x, 1), times));
}

/* Amounts before and behind on each of n axes: one number; n numbers; n pairs; a pair where n is 1; Keras 1:
 * four numbers for two axes, or each by its name. */
static void amounts(btk_call *c, const char *key, int n, int64_t (*out)[2])
{
    static const char *const names[3][2] = {{"left_pad", "right_pad"}, {"top_pad", "bottom_pad"}};
    const bt_json *j = btk_of(c, key);
    for (int i = 0; i < n; i++) {
        if (bt_json_is(j, BT_JSON_OBJECT) && n < 3) {
            for (int end = 0; end < 2; end++)
                out[i][end] = bt_json_int(bt_json_get(j, names[n - 1 - i][end]), 0);
            if (out[i][0] < 0 || out[i][1] < 0) btk_damaged(c->k, "'%s' is out of range", key);
            continue;
        }
        const bt_json *a = bt_json_is(j, BT_JSON_ARRAY) ? bt_json_at(j, i) : j;
        bool pair = bt_json_is(a, BT_JSON_ARRAY);
        out[i][0] = bt_json_int(pair ? bt_json_at(a, 0) : a, -1);
        out[i][1] = bt_json_int(pair ? bt_json_at(a, 1) : a, -1);
        if (j && j->kind == BT_JSON_ARRAY && !pair && j->n == 2 * n) { /* flat pairs */
            out[i][0] = bt_json_int(bt_json_at(j, 2 * i), -1);
            out[i][1] = bt_json_int(bt_json_at(j, 2 * i + 1), -1);
        }
        if (out[i][0] < 0 || out[i][1] < 0) btk_damaged(c->k, "'%s' is out of range", key);
    }
}

void btk_crop(btk_call *c)
{
    int n = axes_of(c), first = first_axis(c);
    int64_t cut[3][2];
    btk_tensor x = c->x;
    amounts(c, "cropping", n, cut);
    if (!btk_rank(c->k, x, n + 2, n + 2)) return;
    for (int i = 0; i < n; i++) {
        int64_t size = x.shape.dim[first + i];
        if (size >= 0 && size <= cut[i][0] + cut[i][1]) btk_damaged(c->k, "crops all of the input");
        x = btk_slice(c->k, x, first + i, cut[i][0], cut[i][1] ? -cut[i][1] : INT64_MAX);
    }
    btk_return(c, x);
}

void btk_zero_pad(btk_call *c)
{
    int n = axes_of(c);
    int64_t pads[BT_MAX_RANK][2] = {{0}};
    amounts(c, "padding", n, pads + first_axis(c));
    if (btk_rank(c->k, c->x, n + 2, n + 2)) btk_return(c, btk_pad(c->k, c->x, pads));
}

btk_tensor btk_repeat(btk *k, btk_tensor x, int axis, int64_t times)
{
    int64_t tiles[BT_MAX_RANK], dims[BT_MAX_RANK];
    int axes[BT_MAX_RANK], rank = x.shape.rank;
    if (times == 1 || !btk_rank(k, x, 1, BT_MAX_RANK - 1)) return x;
    for (int i = 0; i <= rank; i++) tiles[i] = i == axis + 1 ? times : 1;
    for (int i = 0; i < rank; i++) dims[i] = x.shape.dim[i], axes[i] = i <= axis ? i : i + 1;
    dims[axis] = dims[axis] < 0 ? -1 : dims[axis] * times;
    if (dims[axis] < 0) axes[axis] = -1;
    return btk_reshape(k, btk_tile(k, btk_expand(k, x, axis + 1), tiles), rank, dims, axes);
}

/* Images by a whole factor; any interpolation that TensorFlow has an op for. */
static btk_tensor resized(btk_call *c, btk_tensor x, const int64_t *times, const char *interpolation)
{
    btk *k = c->k;
    btk_tensor sizes[2];
    bool bilinear = !strcmp(interpolation, "bilinear"), nearest = !strcmp(interpolation, "nearest");
    bt_shape shape = x.shape;
    for (int i = 0; i < 2; i++) {
        sizes[i] = btk_binary(k, "Mul", btk_size(k, x, i + 1), btk_int(k, times[i]));
        if (shape.dim[i + 1] >= 0) {
            shape.dim[i + 1] *= times[i];
            sizes[i] = btk_int(k, shape.dim[i + 1]);
        }
    }
    if (!bilinear && !nearest && strcmp(interpolation, "bicubic")) {
        int64_t height = btk_known(k, x, 1, "the height"), width = btk_known(k, x, 2, "the width");
        return k->failed ? x
                         : btk_resize_smooth(k, x, height * times[0], width * times[1], interpolation, false);
    }
    btk_tensor in[2] = {x, btk_pack(k, 2, sizes)};
    const char *op = bilinear ? "ResizeBilinear" : nearest ? "ResizeNearestNeighbor" : "ResizeBicubic";
    btk_tensor y = btk_node(k, op, 2, in, nearest ? x.dtype : BERTH_FLOAT, shape);
    btk_attr_bool(k, y, "align_corners", false);
    btk_attr_bool(k, y, "half_pixel_centers", true);
    return btk_cast(k, y, x.dtype);
}

void btk_upsample(btk_call *c)
{
    btk *k = c->k;
    int n = axes_of(c);
    int64_t times[3];
    const char *interpolation = btk_text_of(c, "interpolation", "nearest");
    bool first = channels_first(c);
    btk_tensor x = c->x;
    btk_ints_of(c, btk_of(c, "length") ? "length" : "size", n, times, 2);
    if (!btk_rank(k, x, n + 2, n + 2)) return;
    if (n == 2) {
        x = resized(c, first ? btk_channels_last(k, x) : x, times, interpolation);
        btk_return(c, first ? btk_channels_back(k, x) : x);
        return;
    }
    for (int i = 0; i < n; i++) x = btk_repeat(k, x, first_axis(c) + i, times[i]);
    btk_return(c, x);
}
