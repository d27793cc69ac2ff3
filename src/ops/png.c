/* PNG, by libpng: its decoder for image_decode.c, and EncodePng. libpng reports by longjmp: what must outlive that
 * lies in the caller's frame. Its memory is ours. */
#include "ops/image_decode.h"

#if BERTH_PNG
#include <png.h>
#include <setjmp.h>

enum { MOST_SAMPLES = 1 << 29, MESSAGE = 128 };

typedef struct state {
    bt_image *im;
    png_structp png;
    png_infop info;
    size_t at; /* in the file */
    char message[MESSAGE];
} state;

static void on_error(png_structp png, png_const_charp message)
{
    state *s = png_get_error_ptr(png);
    snprintf(s->message, sizeof s->message, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }
static png_voidp take(png_structp png, png_alloc_size_t n) { return (void)png, bt_alloc(n); }
static void drop(png_structp png, png_voidp p) { (void)png, bt_free(p); }

static void read_bytes(png_structp png, png_bytep to, size_t n)
{
    state *s = png_get_io_ptr(png);
    if (n > s->im->n - s->at) png_error(png, "it is cut short");
    memcpy(to, s->im->file + s->at, n);
    s->at += n;
}

/* What libpng is to make of the file's samples: im->channels of them a pixel, 8 or 16 bits each. */
static int set_transforms(state *s, bool wide)
{
    int depth = png_get_bit_depth(s->png, s->info), colour = png_get_color_type(s->png, s->info);
    bool has_key = png_get_valid(s->png, s->info, PNG_INFO_tRNS), has_alpha = colour & PNG_COLOR_MASK_ALPHA;
    int channels = s->im->channels;
    if (!channels) channels = png_get_channels(s->png, s->info);
    if (!s->im->channels && colour == PNG_COLOR_TYPE_PALETTE) channels = has_key ? 4 : 3;
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(s->png);
    if (channels % 2) png_set_strip_alpha(s->png);
    else if (has_key) png_set_tRNS_to_alpha(s->png);
    else if (!has_alpha) png_set_add_alpha(s->png, (1u << depth) - 1, PNG_FILLER_AFTER);
    if (depth > 8 && !wide) png_set_strip_16(s->png);
    if (depth > 8 && wide && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(s->png);
    png_set_packing(s->png);
    bool is_grey = !(colour & PNG_COLOR_MASK_COLOR);
    if (is_grey && depth < 8) png_set_expand_gray_1_2_4_to_8(s->png);
    if (channels < 3 && !is_grey) png_set_rgb_to_gray(s->png, 1, 0.299, 0.587);
    if (channels >= 3 && is_grey) png_set_gray_to_rgb(s->png);
    return channels;
}

/* 8 bits to 16 in place, v * 257; from the end, so that nothing is read after it was overwritten. */
static void widen(uint16_t *samples, int64_t n)
{
    for (int64_t i = n - 1; i >= 0; i--) samples[i] = (uint16_t)(((uint8_t *)samples)[i] * 257);
}

static berth_status decode(state *s)
{
    bt_image *im = s->im;
    if (setjmp(png_jmpbuf(s->png))) return bt_call_fail(im->c, "the PNG picture is damaged: %s", s->message);
    png_set_read_fn(s->png, s, read_bytes);
    png_read_info(s->png, s->info);
    bool wide = im->dtype != BERTH_UINT8;
    int64_t width = png_get_image_width(s->png, s->info), height = png_get_image_height(s->png, s->info);
    bool was_wide = png_get_bit_depth(s->png, s->info) > 8;
    int channels = set_transforms(s, wide), passes = png_set_interlace_handling(s->png);
    png_read_update_info(s->png, s->info);
    if (width * height >= MOST_SAMPLES / channels)
        return bt_call_fail(im->c, "a PNG picture of %lld x %lld is too large", (long long)width,
                            (long long)height);
    size_t row = (size_t)(width * channels) * (wide && was_wide ? 2 : 1);
    if (png_get_rowbytes(s->png, s->info) != row)
        return bt_call_unsupported(im->c, "a PNG picture of an odd layout");
    uint8_t *samples = bt_image_room(im, 1, height, width, channels, wide ? 16 : 8);
    if (!samples) return BERTH_NO_MEMORY;
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < height; y++) png_read_row(s->png, samples + (size_t)y * row, NULL);
    png_read_end(s->png, s->info);
    if (wide && !was_wide) widen(im->samples, im->count);
    return BERTH_OK;
}

berth_status bt_decode_png(bt_image *im)
{
    state s = {.im = im};
    s.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &s, on_error, on_warning, NULL, take, drop);
    s.info = s.png ? png_create_info_struct(s.png) : NULL;
    berth_status status = s.info ? decode(&s) : bt_fail_memory(im->c->error);
    png_destroy_read_struct(&s.png, &s.info, NULL);
    return status;
}
#else
berth_status bt_decode_png(bt_image *im)
{
    return bt_call_unsupported(im->c, "a PNG picture: this berth was built without libpng");
}
#endif
