/* EncodePng and EncodeJpeg, by libpng and libjpeg. Both report by longjmp: what must outlive that lies in the caller's
 * frame. Decoders: image_decode.h. */
#include "ops/move.h"

#include <setjmp.h>
#include <stdio.h>
#if BERTH_PNG
#include <png.h>
#endif
#if BERTH_JPEG
#include <jpeglib.h>
#endif

enum { MESSAGE = 256 };

typedef struct state {
    bt_call *c;
    const uint8_t *samples;
    int64_t height, width;
    int channels, bits, quality;
    char *file; /* grows as it is written */
    size_t n, capacity;
    jmp_buf out;
    char message[MESSAGE];
} state;

/* ---- PNG ----------------------------------------------------------------------------------------------- */

#if BERTH_PNG
static void on_png_error(png_structp png, png_const_charp message)
{
    state *s = png_get_error_ptr(png);
    snprintf(s->message, sizeof s->message, "%s", message);
    longjmp(s->out, 1);
}

static void on_png_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }
static png_voidp take(png_structp png, png_alloc_size_t n) { return (void)png, bt_alloc(n); }
static void drop(png_structp png, png_voidp p) { (void)png, bt_free(p); }
static void flush(png_structp png) { (void)png; }

static void write_bytes(png_structp png, png_bytep from, size_t n)
{
    state *s = png_get_io_ptr(png);
    if (!bt_grow(&s->file, &s->capacity, s->n + n, 1)) png_error(png, "out of memory");
    memcpy(s->file + s->n, from, n);
    s->n += n;
}

static berth_status write_png(state *s, png_structp png, png_infop info)
{
    static const int colours[] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                                  PNG_COLOR_TYPE_RGB_ALPHA};
    if (setjmp(s->out)) return bt_call_fail(s->c, "the PNG picture cannot be written: %s", s->message);
    png_set_write_fn(png, s, write_bytes, flush);
    png_set_compression_level(png, (int)bt_attr_int(s->c->node, "compression", -1));
    png_set_compression_mem_level(png, 9); /* MAX_MEM_LEVEL: the same bytes as TensorFlow's */
    png_set_IHDR(png, info, (png_uint_32)s->width, (png_uint_32)s->height, s->bits, colours[s->channels],
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    if (s->bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(png);
    size_t row = (size_t)s->width * (size_t)(s->channels * s->bits / 8);
    for (int64_t y = 0; y < s->height; y++) png_write_row(png, s->samples + (size_t)y * row);
    png_write_end(png, NULL);
    return BERTH_OK;
}

static berth_status encode_png(state *s)
{
    png_structp png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, s, on_png_error, on_png_warning, NULL, take, drop);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    berth_status status = info ? write_png(s, png, info) : bt_fail_memory(s->c->error);
    png_destroy_write_struct(&png, &info);
    return status;
}
#else
static berth_status encode_png(state *s)
{
    return bt_call_unsupported(s->c, "this berth was built without libpng");
}
#endif

static berth_status infer_png(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    bt_shape shape = x->in[0].shape;
    if (shape.rank >= 0 && shape.rank < 3)
        return bt_infer_fail(x, "image must have at least 3 dimensions, not %d", shape.rank);
    if (shape.rank >= 3) shape.rank -= 3;
    x->out[0] = (bt_fact){BERTH_STRING, shape, NULL};
    return BERTH_OK;
}

static berth_status run_png(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_tensor *t = c->in[0];
    const int64_t *dim = t->shape.dim + t->shape.rank - 3;
    int64_t compression = bt_attr_int(c->node, "compression", -1);
    if (t->dtype != BERTH_UINT8 && t->dtype != BERTH_UINT16)
        return bt_call_unsupported(c, "a picture of %s", bt_dtype_name(t->dtype));
    if (compression < -1 || compression > 9)
        return bt_call_fail(c, "compression must be in -1..9, not %lld", (long long)compression);
    if (dim[0] < 1 || dim[1] < 1 || dim[0] > INT32_MAX || dim[1] > INT32_MAX || dim[2] < 1 || dim[2] > 4)
        return bt_call_fail(c, "a picture of %lld x %lld and %lld channels", (long long)dim[0],
                            (long long)dim[1], (long long)dim[2]);
    bt_string *out = bt_out(c, 0, BERTH_STRING, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    state s = {.c = c, .samples = t->data, .height = dim[0], .width = dim[1], .channels = (int)dim[2]};
    s.bits = t->dtype == BERTH_UINT8 ? 8 : 16;
    size_t picture =
        (size_t)bt_shape_span(&t->shape, t->shape.rank - 3, t->shape.rank) * (size_t)(s.bits / 8);
    for (int64_t i = 0, n = bt_shape_count(&fact.shape); i < n && !status; i++, s.samples += picture) {
        s.n = 0;
        status = encode_png(&s);
        if (!status && !bt_string_set(out + i, s.file, s.n)) status = bt_fail_memory(c->error);
    }
    bt_free(s.file);
    return status;
}

/* ---- JPEG ---------------------------------------------------------------------------------------------- */

#if BERTH_JPEG
typedef struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr to;
    state *s;
} writer;

static void on_jpeg_error(j_common_ptr jpeg)
{
    writer *w = jpeg->client_data;
    char message[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, message);
    snprintf(w->s->message, sizeof w->s->message, "%s", message);
    longjmp(w->s->out, 1);
}

static void on_jpeg_message(j_common_ptr jpeg, int level) { (void)jpeg, (void)level; }

/* Gives libjpeg the room behind the s->n bytes that are written. */
static void make_room(writer *w)
{
    state *s = w->s;
    if (!bt_grow(&s->file, &s->capacity, s->n + 4096, 1)) {
        snprintf(s->message, sizeof s->message, "out of memory");
        longjmp(s->out, 1);
    }
    w->to.next_output_byte = (JOCTET *)s->file + s->n;
    w->to.free_in_buffer = s->capacity - s->n;
}

static void start(j_compress_ptr jpeg) { make_room(jpeg->client_data); }
static boolean full(j_compress_ptr jpeg)
{
    writer *w = jpeg->client_data;
    w->s->n = w->s->capacity;
    make_room(w);
    return TRUE;
}
static void finish(j_compress_ptr jpeg)
{
    writer *w = jpeg->client_data;
    w->s->n = w->s->capacity - w->to.free_in_buffer;
}

static void write_xmp(writer *w, const char *text)
{
    static const char id[] = "http://ns.adobe.com/xap/1.0/"; /* with its NUL */
    jpeg_write_m_header(&w->jpeg, JPEG_APP0 + 1, (unsigned)(sizeof id + strlen(text)));
    for (size_t i = 0; i < sizeof id; i++) jpeg_write_m_byte(&w->jpeg, id[i]);
    for (; *text; text++) jpeg_write_m_byte(&w->jpeg, (uint8_t)*text);
}

static berth_status write_jpeg(writer *w)
{
    state *s = w->s;
    const bt_node *node = s->c->node;
    struct jpeg_compress_struct *jpeg = &w->jpeg;
    if (setjmp(s->out)) return bt_call_fail(s->c, "the JPEG picture cannot be written: %s", s->message);
    jpeg_create_compress(jpeg);
    w->to = (struct jpeg_destination_mgr){.init_destination = start, full, finish};
    jpeg->dest = &w->to;
    jpeg->image_width = (JDIMENSION)s->width, jpeg->image_height = (JDIMENSION)s->height;
    jpeg->input_components = s->channels;
    jpeg->in_color_space = s->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(jpeg);
    bool is_metric = strcmp(bt_attr_string(node, "density_unit", "in"), "cm") == 0;
    jpeg->density_unit = is_metric ? 2 : 1;
    jpeg->X_density = (UINT16)bt_attr_int(node, "x_density", 300);
    jpeg->Y_density = (UINT16)bt_attr_int(node, "y_density", 300);
    jpeg->optimize_coding = bt_attr_bool(node, "optimize_size", false);
    if (bt_attr_bool(node, "progressive", false)) jpeg_simple_progression(jpeg);
    if (!bt_attr_bool(node, "chroma_downsampling", true))
        jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1;
    jpeg_set_quality(jpeg, s->quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    const char *xmp = bt_attr_string(node, "xmp_metadata", "");
    if (*xmp) write_xmp(w, xmp);
    for (int64_t y = 0; y < s->height; y++) {
        JSAMPROW row = (JSAMPROW)s->samples + y * s->width * s->channels;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return BERTH_OK;
}

static berth_status encode_jpeg(state *s)
{
    writer w = {.s = s};
    w.jpeg.err = jpeg_std_error(&w.errors);
    w.errors.error_exit = on_jpeg_error;
    w.errors.emit_message = on_jpeg_message;
    w.jpeg.client_data = &w;
    berth_status status = write_jpeg(&w);
    jpeg_destroy_compress(&w.jpeg);
    return status;
}
#else
static berth_status encode_jpeg(state *s)
{
    return bt_call_unsupported(s->c, "this berth was built without libjpeg");
}
#endif

static berth_status infer_jpeg(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, strstr(x->node->op, "Variable") ? 2 : 1);
    if (status) return status;
    const char *format = bt_attr_string(x->node, "format", "");
    if (x->in[0].shape.rank >= 0 && x->in[0].shape.rank != 3)
        return bt_infer_fail(x, "image must have 3 dimensions, not %d", x->in[0].shape.rank);
    if (*format && strcmp(format, "rgb") != 0 && strcmp(format, "grayscale") != 0)
        return bt_infer_fail(x, "format '%s' is neither rgb nor grayscale", format);
    int64_t quality = x->n_in < 2 ? bt_attr_int(x->node, "quality", 95) : 95;
    if (x->n_in > 1 && x->in[1].shape.rank > 0) return bt_infer_fail(x, "quality must be a scalar");
    if (x->n_in > 1 && x->in[1].value) quality = bt_tensor_int(x->in[1].value, 0);
    if (quality < 0 || quality > 100)
        return bt_infer_fail(x, "quality must be in 0..100, not %lld", (long long)quality);
    x->out[0] = (bt_fact){BERTH_STRING, BT_SCALAR, NULL};
    return BERTH_OK;
}

static berth_status run_jpeg(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_tensor *t = c->in[0];
    const int64_t *dim = t->shape.dim;
    const char *format = bt_attr_string(c->node, "format", "");
    int64_t wanted = *format ? strcmp(format, "rgb") == 0 ? 3 : 1 : dim[2];
    if (t->dtype != BERTH_UINT8) return bt_call_unsupported(c, "a picture of %s", bt_dtype_name(t->dtype));
    if (dim[0] < 1 || dim[1] < 1 || dim[0] > UINT16_MAX || dim[1] > UINT16_MAX ||
        (dim[2] != 1 && dim[2] != 3) || dim[2] != wanted)
        return bt_call_fail(c, "a picture of %lld x %lld and %lld channels", (long long)dim[0],
                            (long long)dim[1], (long long)dim[2]);
    state s = {.c = c, .samples = t->data, .height = dim[0], .width = dim[1], .channels = (int)dim[2]};
    s.quality = (int)(c->n_in > 1 ? bt_tensor_int(c->in[1], 0) : bt_attr_int(c->node, "quality", 95));
    status = encode_jpeg(&s);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &fact.shape);
    if (!status && !out) status = BERTH_NO_MEMORY;
    if (out && !bt_string_set(out, s.file, s.n)) status = bt_fail_memory(c->error);
    bt_free(s.file);
    return status;
}

const bt_op bt_ops_image_encode[] = {
    {.name = "EncodePng", .infer = infer_png, .cpu = run_png, .outputs = "contents"},
    {.name = "EncodeJpegVariableQuality", .infer = infer_jpeg, .cpu = run_jpeg, .outputs = "contents"},
    {.name = "EncodeJpeg", .infer = infer_jpeg, .cpu = run_jpeg, .outputs = "contents"},
    {0},
};
