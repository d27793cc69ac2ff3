/*
 * PNG and JPEG files to 8-bit samples, by libpng and libjpeg where the build found them. As TensorFlow's decoders do,
 * transparency is dropped, 16 bits are cut to 8, and neither gamma nor EXIF's orientation is applied.
 */
#include "picture.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#if BERTH_PNG
#include <png.h>
#endif
#if BERTH_JPEG
#include <jpeglib.h>
#include <jerror.h>
#endif

enum { MOST_PIXELS = 1 << 28 };

/* What both libraries' callbacks work on. Faults end the program, so no decoder needs to be unwound. */
struct source {
    const char *where, *path;
    cli_bytes file;
    size_t at;
};

static _Noreturn void damaged(const struct source *s, const char *what)
{
    cli_fail(CLI_MODEL, "%s%s: the picture is damaged: %s", s->where, s->path, what);
}

static cli_picture make(const struct source *s, uint64_t width, uint64_t height, int channels)
{
    if (!width || !height || width * height > MOST_PIXELS)
        cli_fail(CLI_MODEL, "%s%s: a picture of %llu x %llu is too large", s->where, s->path,
                 (unsigned long long)width, (unsigned long long)height);
    cli_picture p = {(int)width, (int)height, channels, NULL};
    p.samples = cli_alloc(width * height, (size_t)channels);
    return p;
}

#if BERTH_PNG
static _Noreturn void png_fault(png_structp png, png_const_charp message)
{
    damaged(png_get_error_ptr(png), message);
}

static void png_quiet(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void png_bytes(png_structp png, png_bytep to, size_t n)
{
    struct source *s = png_get_io_ptr(png);
    if (n > s->file.n - s->at) damaged(s, "it is cut short");
    memcpy(to, s->file.p + s->at, n);
    s->at += n;
}

static cli_picture decode_png(struct source *s)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, s, png_fault, png_quiet);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) cli_fail(CLI_DEVICE, "out of memory");
    png_set_read_fn(png, s, png_bytes);
    png_read_info(png, info);
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    cli_picture p =
        make(s, png_get_image_width(png, info), png_get_image_height(png, info), png_get_channels(png, info));
    size_t stride = (size_t)p.width * (size_t)p.channels;
    png_bytep *rows = cli_alloc((size_t)p.height, sizeof *rows);
    if (png_get_rowbytes(png, info) != stride) damaged(s, "an odd layout");
    for (int y = 0; y < p.height; y++) rows[y] = p.samples + (size_t)y * stride;
    png_read_image(png, rows);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    return p;
}
#endif

#if BERTH_JPEG
static void jpeg_fault(j_common_ptr jpeg)
{
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    damaged(jpeg->client_data, message);
}

/* libjpeg fills what is missing with grey and warns; a file that was cut short is a fault here. */
static void jpeg_message(j_common_ptr jpeg, int level)
{
    if (level < 0 && (jpeg->err->msg_code == JWRN_JPEG_EOF || jpeg->err->msg_code == JWRN_HIT_MARKER))
        damaged(jpeg->client_data, "it is cut short");
}

/* CMYK to RGB; Adobe's files store the inks inverted. */
static void from_cmyk(uint8_t *to, const uint8_t *from, int width, bool inverted)
{
    for (int x = 0; x < width; x++, from += 4)
        for (int c = 0; c < 3; c++)
            *to++ = (uint8_t)(inverted ? from[c] * from[3] / 255 : (255 - from[c]) * (255 - from[3]) / 255);
}

static cli_picture decode_jpeg(struct source *s)
{
    struct jpeg_decompress_struct jpeg = {0};
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    errors.error_exit = jpeg_fault;
    errors.emit_message = jpeg_message;
    jpeg_create_decompress(&jpeg);
    jpeg.client_data = s;
    jpeg_mem_src(&jpeg, s->file.p, s->file.n);
    jpeg_read_header(&jpeg, TRUE);
    bool grey = jpeg.num_components == 1, cmyk = jpeg.num_components == 4;
    jpeg.out_color_space = grey ? JCS_GRAYSCALE : cmyk ? JCS_CMYK : JCS_RGB;
    cli_picture p = make(s, jpeg.image_width, jpeg.image_height, grey ? 1 : 3);
    jpeg_start_decompress(&jpeg);
    uint8_t *line = cli_alloc((size_t)p.width, 4), *row = p.samples;
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW into = cmyk ? line : row;
        jpeg_read_scanlines(&jpeg, &into, 1);
        if (cmyk) from_cmyk(row, line, p.width, jpeg.saw_Adobe_marker);
        row += (size_t)p.width * (size_t)p.channels;
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    free(line);
    return p;
}
#endif

cli_picture cli_decode(const char *where, const char *path, cli_bytes file)
{
    struct source s = {where, path, file, 0};
    bool png = file.p[0] == 0x89;
#if BERTH_PNG
    if (png) return decode_png(&s);
#endif
#if BERTH_JPEG
    if (!png) return decode_jpeg(&s);
#endif
    cli_fail(CLI_MODEL, "%s%s: this berth was built without %s", s.where, s.path, png ? "libpng" : "libjpeg");
}
