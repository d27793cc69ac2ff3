/* GIF: frames on a canvas, for image_decode.c. Each frame is drawn over the one before, whatever it asks for as its
 * disposal, as TensorFlow does; the canvas is as wide and high as the largest frame. A file that was cut short gives
 * its whole frames. Once over the blocks for the sizes, once more for the pixels. */
#include "ops/image_decode.h"

#include "base/file.h"

enum { MOST_CODES = 4096, NO_CODE = -1 };
/* Pixels that a byte may stand for, a code of two bits being 4096 at most; and of all frames together, those that small frames
 * on a large canvas, which cost nothing in the file, may add. */
enum { MOST_A_BYTE = MOST_CODES * 4, MOST_FOR_NOTHING = 1 << 25 };

typedef struct colours {
    const uint8_t *rgb;
    int n;
} colours;

typedef struct frame {
    int64_t left, top, width, height;
    colours map;
    bool is_interlaced;
    int transparent; /* -1: none */
    bt_reader data;  /* code size, then blocks to the terminator */
} frame;

static colours read_colours(bt_reader *r, unsigned flags)
{
    colours map = {NULL, 0};
    if (!(flags & 0x80)) return map;
    map.n = 2 << (flags & 7);
    map.rgb = bt_read_bytes(r, (size_t)map.n * 3);
    return map;
}

static void skip_blocks(bt_reader *r)
{
    for (size_t n = 1; n && !r->failed;) {
        n = bt_read_uint(r, 1);
        bt_read_bytes(r, n);
    }
}

/* What precedes the first frame; false when it is not there. */
static bool read_header(bt_reader *r, colours *global)
{
    bt_read_bytes(r, 10);
    unsigned flags = (unsigned)bt_read_uint(r, 1);
    bt_read_bytes(r, 2);
    *global = read_colours(r, flags);
    return !r->failed;
}

static int read_extension(bt_reader *r, int transparent)
{
    bool is_control = bt_read_uint(r, 1) == 0xf9;
    const uint8_t *p = r->p;
    skip_blocks(r);
    if (!is_control || r->failed || p[0] != 4) return transparent;
    return p[1] & 1 ? p[4] : -1;
}

/* The next frame that is wholly there; false at the end. */
static bool next_frame(bt_reader *r, colours global, frame *f)
{
    *f = (frame){.transparent = -1};
    for (;;) {
        unsigned kind = (unsigned)bt_read_uint(r, 1);
        if (r->failed || (kind != 0x21 && kind != 0x2c)) return false;
        if (kind == 0x2c) break;
        f->transparent = read_extension(r, f->transparent);
    }
    f->left = (int64_t)bt_read_uint(r, 2), f->top = (int64_t)bt_read_uint(r, 2);
    f->width = (int64_t)bt_read_uint(r, 2), f->height = (int64_t)bt_read_uint(r, 2);
    unsigned flags = (unsigned)bt_read_uint(r, 1);
    colours local = read_colours(r, flags);
    f->map = local.rgb ? local : global;
    f->is_interlaced = flags & 0x40;
    f->data = *r;
    bt_read_bytes(r, 1);
    skip_blocks(r);
    f->data.end = r->p;
    return !r->failed;
}

/* ---- LZW ----------------------------------------------------------------------------------------------- */

typedef struct codes {
    uint16_t prefix[MOST_CODES], length[MOST_CODES];
    uint8_t suffix[MOST_CODES];
    bt_reader *r;
    unsigned block, bits, held; /* bytes left of the block; bits held and their number */
} codes;

static int next_code(codes *t, unsigned size)
{
    while (t->held < size) {
        if (!t->block) t->block = (unsigned)bt_read_uint(t->r, 1);
        if (!t->block) return NO_CODE;
        t->bits |= (unsigned)bt_read_uint(t->r, 1) << t->held;
        if (t->r->failed) return NO_CODE;
        t->block--, t->held += 8;
    }
    int code = (int)(t->bits & ((1u << size) - 1));
    t->bits >>= size, t->held -= size;
    return code;
}

/* n indices to `to`; false when the data does not give as many. */
static bool decompress(codes *t, uint8_t *to, size_t n)
{
    unsigned least = (unsigned)bt_read_uint(t->r, 1);
    if (t->r->failed || least < 1 || least > 8) return false;
    int clear = 1 << least, next = clear + 2, before = NO_CODE;
    unsigned size = least + 1;
    for (int i = 0; i < clear; i++) t->prefix[i] = 0, t->length[i] = 1, t->suffix[i] = (uint8_t)i;
    for (size_t at = 0; at < n;) {
        int code = next_code(t, size);
        if (code == clear) {
            size = least + 1, next = clear + 2, before = NO_CODE;
            continue;
        }
        if (code < 0 || code == clear + 1 || code > next || (code == next && before < 0)) return false;
        if (before < 0 && code > clear) return false;
        bool is_new = code == next; /* the string before and its own first index */
        if (is_new && next == MOST_CODES) return false;
        int from = is_new ? before : code;
        size_t length = t->length[from], end = at + length;
        for (int k = from; length--; k = t->prefix[k])
            if (at + length < n) to[at + length] = t->suffix[k];
        uint8_t first = to[at];
        if (is_new && end < n) to[end] = first;
        if (before >= 0 && next < MOST_CODES) {
            t->prefix[next] = (uint16_t)before, t->suffix[next] = first;
            t->length[next] = (uint16_t)(t->length[before] + 1);
            if (++next == 1 << size && size < 12) size++;
        }
        at = end + is_new;
        before = code;
    }
    return true;
}

/* ---- Frames -------------------------------------------------------------------------------------------- */

/* The row that line i of an interlaced picture is: every 8th from 0, every 8th from 4, every 4th from 2, every 2nd. */
static int64_t row_of(int64_t i, int64_t height)
{
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    for (int pass = 0; pass < 4; pass++) {
        int64_t n = height > first[pass] ? (height - first[pass] + step[pass] - 1) / step[pass] : 0;
        if (i < n) return first[pass] + i * step[pass];
        i -= n;
    }
    return height - 1;
}

/* Draws a frame's indices on a canvas that holds the frame before. */
static berth_status draw(bt_call *c, const frame *f, const uint8_t *index, uint8_t *canvas, int64_t width,
                         int64_t height)
{
    if (!f->map.rgb) return bt_call_fail(c, "a frame of the GIF picture has no colours");
    for (int64_t i = 0; i < f->height; i++) {
        int64_t y = f->top + (f->is_interlaced ? row_of(i, f->height) : i);
        for (int64_t x = f->left; x < f->left + f->width; x++) {
            int k = *index++;
            if (y >= height || x >= width || k == f->transparent) continue;
            if (k >= f->map.n) return bt_call_fail(c, "the GIF picture has no colour %d", k);
            memcpy(canvas + (y * width + x) * 3, f->map.rgb + 3 * k, 3);
        }
    }
    return BERTH_OK;
}

berth_status bt_decode_gif(bt_image *im)
{
    bt_reader start = bt_reader_of(im->file, im->n), r;
    colours global;
    frame f;
    int64_t frames = 0, width = 0, height = 0;
    size_t most = 0;
    if (!read_header(&start, &global)) return bt_call_fail(im->c, "the GIF picture is cut short");
    for (r = start; next_frame(&r, global, &f); frames++) {
        if (f.width > width) width = f.width;
        if (f.height > height) height = f.height;
        if (frames && im->rank == 3) continue; /* is not read */
        if ((size_t)(f.width * f.height) > most) most = (size_t)(f.width * f.height);
        if (f.width * f.height / MOST_A_BYTE > f.data.end - f.data.p)
            return bt_call_fail(im->c, "frame %lld of the GIF picture is damaged", (long long)frames);
    }
    if (!frames || !width || !height) return bt_call_fail(im->c, "the GIF picture has no whole frame");
    bool is_image = strcmp(im->c->node->op, "DecodeImage") == 0;
    if (im->rank == 3 && frames > 1 && !is_image)
        return bt_call_fail(im->c, "a GIF picture of %lld frames, where one is read", (long long)frames);
    if (im->rank == 3) frames = 1;
    bool is_held = width * height * frames / MOST_A_BYTE <= (int64_t)im->n + MOST_FOR_NOTHING / MOST_A_BYTE;
    if (!is_held || width * height * 3 > INT32_MAX / frames)
        return bt_call_fail(im->c, "a GIF picture of %lld x %lld is too large", (long long)width,
                            (long long)height);
    size_t canvas = (size_t)(width * height * 3);
    codes *t = bt_scratch(im->c, sizeof *t + most);
    uint8_t *to = t ? bt_image_room(im, frames, height, width, 3, 8) : NULL;
    if (!to) return BERTH_NO_MEMORY;
    memset(to, 0, canvas);
    uint8_t *index = (uint8_t *)(t + 1);
    r = start;
    for (int64_t k = 0; k < frames && next_frame(&r, global, &f); k++, to += canvas) {
        t->r = &f.data, t->block = t->bits = t->held = 0;
        if (!decompress(t, index, (size_t)(f.width * f.height)))
            return bt_call_fail(im->c, "frame %lld of the GIF picture is damaged", (long long)k);
        if (k) memcpy(to, to - canvas, canvas);
        berth_status status = draw(im->c, &f, index, to, width, height);
        if (status) return status;
    }
    return BERTH_OK;
}
