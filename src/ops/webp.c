/* WebP, by libwebp, which is opened when a first picture is met: its decoder for image_decode.c. A picture has the channels of the
 * file, and an animation's frames, each on the canvas that the one before left, always four. */
#include "ops/image_decode.h"

#if BERTH_WEBP
#include "base/library.h"

#include <pthread.h>
#include <webp/decode.h>
#include <webp/demux.h>

#define LIBRARY "libwebpdemux.so.2" /* and with it libwebp */
#define FUNCTIONS(X)                \
    X(WebPGetFeaturesInternal)      \
    X(WebPDecodeRGBInto)            \
    X(WebPDecodeRGBAInto)           \
    X(WebPAnimDecoderNewInternal)   \
    X(WebPAnimDecoderGetInfo)       \
    X(WebPAnimDecoderHasMoreFrames) \
    X(WebPAnimDecoderGetNext)       \
    X(WebPAnimDecoderDelete)

static struct {
#define X(name) __typeof__(&(name)) name;
    FUNCTIONS(X)
#undef X
    bool is_there;
} webp;

static void look_for_webp(void)
{
    static const char *const names[] = {
#define X(name) #name,
        FUNCTIONS(X)
#undef X
    };
    webp.is_there = bt_library_open(LIBRARY, names, sizeof names / sizeof *names, &webp);
}

static berth_status decode_still(bt_image *im, int width, int height, int channels)
{
    uint8_t *samples = bt_image_room(im, 1, height, width, channels, 8);
    if (!samples) return im->c->error->status;
    int row = width * channels; /* both sides have 14 bits */
    size_t size = (size_t)row * (size_t)height;
    uint8_t *done = channels == 4 ? webp.WebPDecodeRGBAInto(im->file, im->n, samples, size, row)
                                  : webp.WebPDecodeRGBInto(im->file, im->n, samples, size, row);
    return done ? BERTH_OK : bt_call_fail(im->c, "the WebP picture is damaged");
}

static berth_status decode_frames(bt_image *im, WebPAnimDecoder *decoder)
{
    WebPAnimInfo info;
    if (!webp.WebPAnimDecoderGetInfo(decoder, &info))
        return bt_call_fail(im->c, "the WebP animation is damaged");
    uint32_t frames = im->rank == 4 ? info.frame_count : 1;
    uint8_t *samples = bt_image_room(im, frames, info.canvas_height, info.canvas_width, 4, 8), *frame;
    size_t size = (size_t)info.canvas_width * info.canvas_height * 4;
    if (!samples) return im->c->error->status;
    for (uint32_t i = 0; i < frames; i++) {
        int milliseconds;
        if (!webp.WebPAnimDecoderHasMoreFrames(decoder) ||
            !webp.WebPAnimDecoderGetNext(decoder, &frame, &milliseconds))
            return bt_call_fail(im->c, "frame %u of the WebP animation is damaged", i);
        memcpy(samples + i * size, frame, size);
    }
    return BERTH_OK;
}

berth_status bt_decode_webp(bt_image *im)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look_for_webp);
    if (!webp.is_there)
        return bt_call_unsupported(im->c, "a WebP picture: it needs " LIBRARY ", which is not here");
    WebPBitstreamFeatures f;
    if (webp.WebPGetFeaturesInternal(im->file, im->n, &f, WEBP_DECODER_ABI_VERSION) != VP8_STATUS_OK)
        return bt_call_fail(im->c, "Failed to decode WebP header.");
    int channels = f.has_alpha ? 4 : 3;
    if (im->channels && im->channels != (f.has_animation ? 4 : channels))
        return bt_call_fail(im->c, "Number of channels requested does not match input");
    if (!f.has_animation) return decode_still(im, f.width, f.height, channels);
    const WebPData data = {im->file, im->n};
    WebPAnimDecoder *decoder = webp.WebPAnimDecoderNewInternal(&data, NULL, WEBP_DEMUX_ABI_VERSION);
    berth_status status =
        decoder ? decode_frames(im, decoder) : bt_call_fail(im->c, "failed to decode WebP Animation");
    webp.WebPAnimDecoderDelete(decoder);
    return status;
}
#else
berth_status bt_decode_webp(bt_image *im)
{
    return bt_call_unsupported(im->c, "a WebP picture: this berth was built without libwebp");
}
#endif
