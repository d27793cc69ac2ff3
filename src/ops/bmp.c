/* BMP: plain pictures of 8, 24 or 32 bits a pixel, for image_decode.c. As TensorFlow reads them: no palette (8 bits are
 * grey), no compression, no masks. */
#include "ops/image_decode.h"

#include "base/file.h"

enum { HEADER = 32 }; /* bytes that are looked at; the rest up to the pixels is not */

berth_status bt_decode_bmp(bt_image *im)
{
    if (im->n < HEADER) return bt_call_fail(im->c, "the BMP picture is cut short");
    bt_reader r = bt_reader_of(im->file, im->n);
    bt_read_bytes(&r, 10);
    size_t start = bt_read_uint(&r, 4);
    bt_read_bytes(&r, 4);
    int64_t width = (int32_t)bt_read_uint(&r, 4), height = (int32_t)bt_read_uint(&r, 4);
    bt_read_bytes(&r, 2);
    int64_t bits = (int64_t)bt_read_uint(&r, 2);
    bool is_top_down = height < 0;
    if (is_top_down) height = -height;
    int inside = (int)(bits / 8), channels = im->channels ? im->channels : inside;
    if (bits != 8 && bits != 24 && bits != 32)
        return bt_call_unsupported(im->c, "a BMP picture of %lld bits a pixel", (long long)bits);
    if (width <= 0 || height == 0 || width > INT32_MAX / 4 / height)
        return bt_call_fail(im->c, "a BMP picture of %lld x %lld", (long long)width, (long long)height);
    size_t row = (size_t)(width * inside), stride = bt_align(row, 4);
    if (start > im->n || (im->n - start) / stride + ((im->n - start) % stride >= row) < (size_t)height)
        return bt_call_fail(im->c, "the BMP picture is cut short");
    uint8_t *to = bt_image_room(im, 1, height, width, channels, 8);
    if (!to) return BERTH_NO_MEMORY;
    for (int64_t y = 0; y < height; y++) {
        const uint8_t *from = im->file + start + (size_t)(is_top_down ? y : height - 1 - y) * stride;
        for (int64_t x = 0; x < width; x++, from += inside, to += channels) {
            to[0] = from[inside == 1 ? 0 : 2]; /* blue, green, red in the file */
            if (channels > 1) to[1] = from[inside == 1 ? 0 : 1], to[2] = from[0];
            if (channels == 4) to[3] = inside == 4 ? from[3] : 255;
        }
    }
    return BERTH_OK;
}
