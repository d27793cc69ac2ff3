/* Pictures: what image_decode.c asks of the decoders, one a file, and what it offers them. */
#ifndef BT_IMAGE_DECODE_H
#define BT_IMAGE_DECODE_H

#include "ops/move.h"

typedef struct bt_image {
    bt_call *c;
    const uint8_t *file;
    size_t n;
    int channels;        /* wanted; 0: as the file has them */
    berth_dtype dtype;   /* of the output: uint8, uint16 or float */
    int rank;            /* 4: with an axis of frames before the height */
    const int32_t *crop; /* y, x, height, width; NULL: all. JPEG alone */
    /* Set by bt_image_room. */
    void *samples; /* where the decoder writes: uint8_t, or uint16_t when it said 16 bits */
    void *out;     /* the output's elements: `samples` itself where no conversion is due */
    int bits;
    int64_t count;
} bt_image;

/* Room for the samples of a picture; NULL with the error set. frames is 1 unless rank is 4. */
void *bt_image_room(bt_image *im, int64_t frames, int64_t height, int64_t width, int channels, int bits);

/* Decoders: fill im->samples, or fail with one line. */
berth_status bt_decode_png(bt_image *im);
berth_status bt_decode_jpeg(bt_image *im);
berth_status bt_decode_gif(bt_image *im);
berth_status bt_decode_bmp(bt_image *im);
berth_status bt_decode_webp(bt_image *im);

#endif
