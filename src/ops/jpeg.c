/* JPEG, by libjpeg: its decoder for image_decode.c, ExtractJpegShape and EncodeJpeg. libjpeg reports by longjmp:
 * what must outlive that lies in the caller's frame. */
#include "ops/image_decode.h"

#if BERTH_JPEG
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>

enum {
    MOST_SCANS = 500, /* a small file can ask for very many passes over a large picture */
    MOST_AGAIN = 1 << 16,
};

typedef struct state {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    bt_call *c;
    bt_image *im;
    bool recovers, is_ended;
    int again; /* how often the last bytes came again */
    char message[JMSG_LENGTH_MAX];
} state;

static void on_error(j_common_ptr jpeg)
{
    state *s = jpeg->client_data;
    jpeg->err->format_message(jpeg, s->message);
    longjmp(s->out, 1);
}

static void on_message(j_common_ptr jpeg, int level) { (void)jpeg, (void)level; }

static void on_progress(j_common_ptr jpeg)
{
    state *s = jpeg->client_data;
    if (s->jpeg.input_scan_number <= MOST_SCANS) return;
    snprintf(s->message, sizeof s->message, "more than %d scans", MOST_SCANS);
    longjmp(s->out, 1);
}

/* ---- The file as a source ------------------------------------------------------------------------------ */

static void nothing(j_decompress_ptr jpeg) { (void)jpeg; }

/* At the end of the bytes: FALSE, there are no more lines; or, for a file that may be cut short, an end of image, once. Within
 * a block of the picture libjpeg has not yet noted what it took, and TensorFlow's source then goes back to there: the last
 * bytes come again. */
static boolean fill(j_decompress_ptr jpeg)
{
    static const JOCTET end[2] = {0xff, JPEG_EOI};
    state *s = jpeg->client_data;
    bool is_again = s->recovers && s->source.bytes_in_buffer > 0;
    if (is_again ? ++s->again > MOST_AGAIN : s->recovers && s->is_ended) {
        snprintf(s->message, sizeof s->message, "it is cut short");
        longjmp(s->out, 1);
    }
    if (is_again || !s->recovers) return is_again;
    s->is_ended = true;
    s->source.next_input_byte = end;
    s->source.bytes_in_buffer = sizeof end;
    return TRUE;
}

static void skip(j_decompress_ptr jpeg, long n)
{
    state *s = jpeg->client_data;
    if (n <= 0) return;
    size_t step = (size_t)n < s->source.bytes_in_buffer ? (size_t)n : s->source.bytes_in_buffer;
    s->source.next_input_byte += step;
    s->source.bytes_in_buffer -= step;
}

static void open_file(state *s, const void *file, size_t n)
{
    s->jpeg.err = jpeg_std_error(&s->errors);
    s->errors.error_exit = on_error;
    s->errors.emit_message = on_message;
    s->jpeg.client_data = s;
    jpeg_create_decompress(&s->jpeg);
    s->source = (struct jpeg_source_mgr){file, n, nothing, fill, skip, jpeg_resync_to_restart, nothing};
    s->jpeg.src = &s->source;
    s->progress.progress_monitor = on_progress;
    s->jpeg.progress = &s->progress;
    if (jpeg_read_header(&s->jpeg, TRUE) == JPEG_HEADER_OK) return;
    snprintf(s->message, sizeof s->message, "it is cut short");
    longjmp(s->out, 1);
}

/* ---- Decoding ------------------------------------------------------------------------------------------ */

static int set_options(state *s)
{
    const bt_node *node = s->c->node;
    struct jpeg_decompress_struct *jpeg = &s->jpeg;
    const char *method = bt_attr_string(node, "dct_method", "");
    bool is_cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    int channels = s->im->channels;
    if (!channels) channels = jpeg->num_components < 3 ? jpeg->num_components : 3;
    jpeg->out_color_space = channels == 1 ? JCS_GRAYSCALE : is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg->do_fancy_upsampling = bt_attr_bool(node, "fancy_upscaling", true);
    jpeg->scale_num = 1;
    jpeg->scale_denom = (unsigned)bt_attr_int(node, "ratio", 1);
    jpeg->dct_method = strcmp(method, "INTEGER_ACCURATE") == 0 ? JDCT_ISLOW : JDCT_IFAST;
    jpeg_calc_output_dimensions(jpeg);
    return channels;
}

/* CMYK to RGB; Adobe's files store the inks inverted. */
static void from_cmyk(uint8_t *to, const uint8_t *from, int64_t width, bool is_inverted)
{
    for (int64_t x = 0; x < width; x++, from += 4)
        for (int i = 0; i < 3; i++)
            *to++ =
                (uint8_t)(is_inverted ? from[i] * from[3] / 255 : (255 - from[i]) * (255 - from[3]) / 255);
}

/* Moves to the window's first line and to the block of columns that its first one lies in; returns what is left
 * of that block's columns before the window. Fancy upsampling does not look beyond it, nor does TensorFlow's. */
static int64_t start_crop(state *s, const int32_t *crop)
{
    JDIMENSION x = (JDIMENSION)crop[1], width = (JDIMENSION)crop[3];
    jpeg_crop_scanline(&s->jpeg, &x, &width);
    if (crop[0]) jpeg_skip_scanlines(&s->jpeg, (JDIMENSION)crop[0]);
    return crop[1] - (int64_t)x;
}

static berth_status read_lines(state *s, const int32_t *crop, int channels)
{
    struct jpeg_decompress_struct *jpeg = &s->jpeg;
    bool is_cmyk = jpeg->out_color_space == JCS_CMYK;
    uint8_t *to = bt_image_room(s->im, 1, crop[2], crop[3], channels, 8);
    uint8_t *line = to ? bt_scratch(s->c, (size_t)jpeg->output_width * 4) : NULL;
    if (!line) return BERTH_NO_MEMORY;
    jpeg_start_decompress(jpeg);
    int64_t before = s->im->crop ? start_crop(s, crop) : 0;
    size_t row = (size_t)crop[3] * (size_t)channels;
    for (int y = 0; y < crop[2]; y++, to += row) {
        JSAMPROW into = is_cmyk || s->im->crop ? line : to;
        if (jpeg_read_scanlines(jpeg, &into, 1) != 1) {
            if ((float)y / (float)crop[2] < fminf(1, bt_attr_float(s->c->node, "acceptable_fraction", 1)))
                return bt_call_fail(s->c, "the JPEG picture is cut short at line %d of %d", y, crop[2]);
            memset(to, 0, row * (size_t)(crop[2] - y)); /* the other lines stay black */
            return BERTH_OK;
        }
        if (is_cmyk) from_cmyk(to, line + before * 4, crop[3], jpeg->saw_Adobe_marker);
        else if (into == line) memcpy(to, line + before * channels, row);
    }
    if (jpeg->output_scanline == jpeg->output_height) jpeg_finish_decompress(jpeg); /* what follows may be damaged */
    return BERTH_OK;
}

static berth_status decode(state *s)
{
    if (setjmp(s->out)) return bt_call_fail(s->c, "the JPEG picture is damaged: %s", s->message);
    open_file(s, s->im->file, s->im->n);
    const struct jpeg_decompress_struct *jpeg = &s->jpeg;
    if ((uint64_t)jpeg->image_width * jpeg->image_height * 4 > INT32_MAX)
        return bt_call_fail(s->c, "a JPEG picture of %u x %u is too large", jpeg->image_width,
                            jpeg->image_height);
    int channels = set_options(s);
    int32_t whole[4] = {0, 0, (int32_t)jpeg->output_height, (int32_t)jpeg->output_width};
    const int32_t *crop = s->im->crop ? s->im->crop : whole;
    if (crop[0] < 0 || crop[1] < 0 || crop[2] <= 0 || crop[3] <= 0 || crop[2] > whole[2] - crop[0] ||
        crop[3] > whole[3] - crop[1])
        return bt_call_fail(s->c, "a crop window of %d x %d at (%d,%d) does not fit in a picture of %d x %d",
                            crop[2], crop[3], crop[0], crop[1], whole[2], whole[3]);
    return read_lines(s, crop, channels);
}

berth_status bt_decode_jpeg(bt_image *im)
{
    state s = {.c = im->c, .im = im, .recovers = bt_attr_bool(im->c->node, "try_recover_truncated", false)};
    berth_status status = decode(&s);
    jpeg_destroy_decompress(&s.jpeg);
    return status;
}

/* ---- ExtractJpegShape ---------------------------------------------------------------------------------- */

static berth_status read_shape(state *s, int64_t *shape)
{
    const bt_string *file = s->c->in[0]->data;
    if (setjmp(s->out)) return bt_call_fail(s->c, "the JPEG picture is damaged: %s", s->message);
    open_file(s, file->p ? file->p : "", file->n);
    shape[0] = s->jpeg.image_height;
    shape[1] = s->jpeg.image_width;
    shape[2] = s->jpeg.num_components;
    return BERTH_OK;
}
#else
typedef struct state {
    bt_call *c;
    int jpeg;
} state;
#define jpeg_destroy_decompress(jpeg) ((void)(jpeg))
static berth_status read_shape(state *s, int64_t *shape)
{
    (void)shape;
    return bt_call_unsupported(s->c, "a JPEG picture: this berth was built without libjpeg");
}
berth_status bt_decode_jpeg(bt_image *im)
{
    return bt_call_unsupported(im->c, "a JPEG picture: this berth was built without libjpeg");
}
#endif

static berth_status infer_shape(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    if (x->in[0].shape.rank > 0) return bt_infer_fail(x, "contents must be a scalar");
    x->out[0] = (bt_fact){bt_attr_type(x->node, "output_type", BERTH_INT32), BT_SHAPE(3), NULL};
    return BERTH_OK;
}

static berth_status run_shape(bt_call *c)
{
    bt_fact fact;
    int64_t shape[3];
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (c->in[0]->dtype != BERTH_STRING) return bt_call_fail(c, "contents must be a string");
    state s = {.c = c};
    status = read_shape(&s, shape);
    jpeg_destroy_decompress(&s.jpeg);
    if (status) return status;
    void *out = bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int i = 0; i < 3; i++)
        if (fact.dtype == BERTH_INT64) ((int64_t *)out)[i] = shape[i];
        else ((int32_t *)out)[i] = (int32_t)shape[i];
    return BERTH_OK;
}

const bt_op bt_ops_jpeg[] = {
    {.name = "ExtractJpegShape",
     .infer = infer_shape,
     .cpu = run_shape,
     .types = BT_T(BERTH_INT32) | BT_T(BERTH_INT64),
     .type_attr = "output_type",
     .outputs = "image_shape"},
    {0},
};
