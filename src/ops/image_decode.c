/* DecodePng, DecodeJpeg, DecodeAndCropJpeg, DecodeGif, DecodeBmp, DecodeWebP and DecodeImage. As in TensorFlow, the file's first
 * bytes say which decoder reads it, and most of these ops take most formats. The decoders: png.c, jpeg.c, gif.c, bmp.c,
 * webp.c. */
#include "ops/image_decode.h"

typedef enum kind { KIND_NONE, KIND_PNG, KIND_JPEG, KIND_GIF, KIND_BMP, KIND_WEBP } kind;

static kind kind_of(const uint8_t *p, size_t n)
{
    if (n >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0) return KIND_JPEG;
    if (n >= 4 && memcmp(p, "\x89PNG", 4) == 0) return KIND_PNG;
    if (n >= 3 && memcmp(p, "GIF", 3) == 0) return KIND_GIF;
    if (n >= 2 && memcmp(p, "BM", 2) == 0) return KIND_BMP;
    if (n > 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0) return KIND_WEBP;
    return KIND_NONE;
}

static bool is_op(const bt_node *node, const char *op) { return strcmp(node->op, op) == 0; }

/* ---- Shapes -------------------------------------------------------------------------------------------- */

static berth_status infer_decode(bt_infer *x)
{
    int64_t channels = bt_attr_int(x->node, "channels", 0);
    bool is_image = is_op(x->node, "DecodeImage"), is_gif = is_op(x->node, "DecodeGif");
    berth_dtype dtype = BERTH_UINT8;
    berth_status status = bt_infer_arity(x, is_op(x->node, "DecodeAndCropJpeg") ? 2 : 1);
    if (status) return status;
    if (x->in[0].shape.rank > 0) return bt_infer_fail(x, "contents must be a scalar");
    if (channels != 0 && channels != 1 && channels != 3 && channels != 4)
        return bt_infer_fail(x, "channels must be 0, 1, 3 or 4, not %lld", (long long)channels);
    if (is_image || is_op(x->node, "DecodePng")) dtype = bt_attr_type(x->node, "dtype", BERTH_UINT8);
    if (dtype != BERTH_UINT8 && dtype != BERTH_UINT16 && !(is_image && dtype == BERTH_FLOAT))
        return bt_infer_fail(x, "a picture of %s", bt_dtype_name(dtype));
    int64_t ratio = bt_attr_int(x->node, "ratio", 1);
    if (ratio != 1 && ratio != 2 && ratio != 4 && ratio != 8)
        return bt_infer_fail(x, "ratio must be 1, 2, 4 or 8, not %lld", (long long)ratio);
    const char *method = bt_attr_string(x->node, "dct_method", "");
    if (*method && strcmp(method, "INTEGER_FAST") != 0 && strcmp(method, "INTEGER_ACCURATE") != 0)
        return bt_infer_fail(x, "dct_method '%s' is neither INTEGER_FAST nor INTEGER_ACCURATE", method);
    x->out[0] = (bt_fact){dtype, BT_SHAPE(-1, -1, channels ? channels : -1), NULL};
    if (is_gif) x->out[0].shape = BT_SHAPE(-1, -1, -1, 3);
    if (is_image || is_op(x->node, "DecodeWebP")) x->out[0].shape = BT_SHAPE_UNKNOWN;
    return BERTH_OK;
}

/* ---- Decoding ------------------------------------------------------------------------------------------ */

/* As TensorFlow has it for PNG: a file of some bytes may say that it is very large. */
#define MOST_PIXELS ((size_t)1 << 29)

void *bt_image_room(bt_image *im, int64_t frames, int64_t height, int64_t width, int channels, int bits)
{
    bt_shape shape =
        im->rank == 4 ? BT_SHAPE(frames, height, width, channels) : BT_SHAPE(height, width, channels);
    size_t bytes = 0;
    bool fits = bt_shape_bytes(&shape, sizeof(float), &bytes);
    if (!fits || bytes / sizeof(float) / (size_t)(channels > 0 ? channels : 1) > MOST_PIXELS)
        return bt_call_fail(im->c, "a picture of %lld x %lld is too large", (long long)height,
                            (long long)width),
               NULL;
    im->out = bt_out(im->c, 0, im->dtype, &shape);
    if (!im->out) return NULL;
    im->bits = bits;
    im->count = bt_shape_count(&shape);
    bool direct = im->dtype == (bits == 8 ? BERTH_UINT8 : BERTH_UINT16);
    return im->samples = direct ? im->out : bt_scratch(im->c, (size_t)im->count * (size_t)bits / 8);
}

/* The decoder's samples as the output's dtype. 8 bits to 16: times 256; to float: the largest value is 1. */
static void convert(const bt_image *im)
{
    const uint8_t *narrow = im->samples;
    const uint16_t *wide = im->samples;
    float *to = im->out;
    uint16_t *to_wide = im->out;
    int64_t n = im->samples == im->out ? 0 : im->count;
    if (im->dtype == BERTH_UINT16)
        for (int64_t i = 0; i < n; i++) to_wide[i] = (uint16_t)(narrow[i] * 256);
    else if (im->bits == 8)
        for (int64_t i = 0; i < n; i++) to[i] = (float)narrow[i] * (1.0f / 255);
    else
        for (int64_t i = 0; i < n; i++) to[i] = (float)wide[i] * (1.0f / 65535);
}

/* Which formats an op does not read, and which channels a format does not have. */
static berth_status check_format(const bt_image *im, kind kind)
{
    static const char *const names[] = {"an unknown format", "PNG", "JPEG", "GIF", "BMP", "WebP"};
    const bt_node *node = im->c->node;
    bool is_bmp_op = is_op(node, "DecodeBmp"), is_crop_op = is_op(node, "DecodeAndCropJpeg");
    if (kind == KIND_NONE) return bt_call_fail(im->c, "neither a JPEG, PNG, GIF, BMP nor WebP picture");
    bool is_alien = (is_bmp_op && kind != KIND_BMP) || (is_crop_op && kind != KIND_JPEG) ||
                    (kind == KIND_BMP && !is_bmp_op && !is_op(node, "DecodeImage")) ||
                    (kind == KIND_GIF && is_op(node, "DecodeWebP"));
    if (is_alien && kind != KIND_WEBP)
        return bt_call_fail(im->c, "a %s picture, which this op does not read", names[kind]);
    if (kind == KIND_WEBP && im->dtype != BERTH_UINT8)
        return bt_call_fail(im->c, "WebP only supports uint8 for dtype");
    bool no_grey = kind == KIND_GIF || kind == KIND_BMP || kind == KIND_WEBP,
         no_alpha = kind == KIND_JPEG || kind == KIND_GIF;
    if ((im->channels == 1 && no_grey) || (im->channels == 4 && no_alpha))
        return bt_call_fail(im->c, "%d channels of a %s picture", im->channels, names[kind]);
    return BERTH_OK;
}

static berth_status run_decode(bt_call *c)
{
    bt_fact fact = {0}, in[2] = {{0}};
    for (int i = 0; i < c->n_in && i < 2; i++) in[i] = (bt_fact){c->in[i]->dtype, c->in[i]->shape, c->in[i]};
    bt_infer x = {c->node, in, c->n_in, &fact, 1, INT32_MAX, c->error};
    berth_status status = infer_decode(&x);
    if (status) return status;
    if (c->in[0]->dtype != BERTH_STRING) return bt_call_fail(c, "contents must be a string");
    const bt_string *file = c->in[0]->data;
    bt_image im = {.c = c, .file = (const uint8_t *)file->p, .n = file->n, .dtype = fact.dtype, .rank = 3};
    im.channels = (int)bt_attr_int(c->node, "channels", is_op(c->node, "DecodeGif") ? 3 : 0);
    if (!im.n) return bt_call_fail(c, "contents is empty");
    if (im.n > INT32_MAX) return bt_call_fail(c, "a file of %zu bytes is too large", im.n);
    int32_t crop[4];
    if (is_op(c->node, "DecodeAndCropJpeg")) {
        const bt_tensor *window = c->in[1];
        if (window->dtype != BERTH_INT32 || window->shape.rank != 1 || window->shape.dim[0] != 4)
            return bt_call_fail(c, "crop_window must be 4 numbers of int32");
        memcpy(crop, window->data, sizeof crop);
        im.crop = crop;
    }
    kind kind = kind_of(im.file, im.n);
    status = check_format(&im, kind);
    if (status) return status;
    bool expands = is_op(c->node, "DecodeImage") && bt_attr_bool(c->node, "expand_animations", true);
    if (is_op(c->node, "DecodeGif") || (expands && kind == KIND_GIF)) im.rank = 4;
    if (kind == KIND_WEBP) im.rank = expands || !is_op(c->node, "DecodeImage") ? 4 : 3;
    static berth_status (*const decoders[])(bt_image *) = {[KIND_PNG] = bt_decode_png,
                                                           [KIND_JPEG] = bt_decode_jpeg,
                                                           [KIND_GIF] = bt_decode_gif,
                                                           [KIND_BMP] = bt_decode_bmp,
                                                           [KIND_WEBP] = bt_decode_webp};
    status = decoders[kind](&im);
    if (!status) convert(&im);
    return status;
}

const bt_op bt_ops_image_decode[] = {
    {.name = "DecodePng", .infer = infer_decode, .cpu = run_decode, .outputs = "image"},
    {.name = "DecodeJpeg", .infer = infer_decode, .cpu = run_decode, .outputs = "image"},
    {.name = "DecodeAndCropJpeg", .infer = infer_decode, .cpu = run_decode, .outputs = "image"},
    {.name = "DecodeGif", .infer = infer_decode, .cpu = run_decode, .outputs = "image"},
    {.name = "DecodeBmp", .infer = infer_decode, .cpu = run_decode, .outputs = "image"},
    {.name = "DecodeWebP", .infer = infer_decode, .cpu = run_decode, .outputs = "image"},
    {.name = "DecodeImage", .infer = infer_decode, .cpu = run_decode, .outputs = "image"},
    {0},
};
