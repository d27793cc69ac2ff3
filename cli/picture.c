/*
 * Pictures to a batch for an input: scaled to its height and width by half-pixel bilinear interpolation (as
 * tf.image.resize does, without antialiasing), in its layout, channels and range. An input of strings takes the
 * files' bytes as they are, for models that decode them themselves.
 */
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the axes of the input stand; -1: it has none. */
struct layout {
    int batch, height, width, channel;
};

static bool is_channels(int64_t n) { return n == 1 || n == 3; }

static bool find_layout(const berth_spec *spec, struct layout *l)
{
    *l = (struct layout){0, 1, 2, 3};
    if (spec->rank < 0) return true;
    if (spec->rank == 4) {
        if (!is_channels(spec->dims[3]) && is_channels(spec->dims[1])) *l = (struct layout){0, 2, 3, 1};
        int64_t channels = spec->dims[l->channel];
        return channels < 0 || is_channels(channels);
    }
    *l = (struct layout){0, 1, 2, -1}; /* a batch of grey ones */
    if (spec->rank == 3 && is_channels(spec->dims[2])) *l = (struct layout){-1, 0, 1, 2};
    if (spec->rank == 3 && !is_channels(spec->dims[2]) && is_channels(spec->dims[0]) && spec->dims[1] > 3)
        *l = (struct layout){-1, 1, 2, 0};
    return spec->rank == 3;
}

/* ---- Scaling ---- */

/* Along one axis: position `at` of the output lies between samples low and low + 1 of the input. */
struct tap {
    int low, high;
    float share; /* of high */
};

static struct tap *make_taps(int from, int64_t to)
{
    struct tap *taps = cli_alloc((size_t)to, sizeof *taps);
    double scale = (double)from / (double)to;
    for (int64_t i = 0; i < to; i++) {
        double at = ((double)i + 0.5) * scale - 0.5;
        double low = floor(at);
        taps[i].low = low < 0 ? 0 : (int)low;
        taps[i].high = (int)low + 1 > from - 1 ? from - 1 : (int)low + 1;
        taps[i].share = (float)(at - low);
    }
    return taps;
}

/* The sample of one channel of `channels` wanted: grey is made of colour by ITU-R BT.601, colour of grey by copy. */
static float sample(const cli_picture *p, int y, int x, int channel, int channels)
{
    const uint8_t *at = p->samples + ((size_t)y * (size_t)p->width + (size_t)x) * (size_t)p->channels;
    if (p->channels == 1) return at[0];
    if (channels == 1) return 0.299f * at[0] + 0.587f * at[1] + 0.114f * at[2];
    return at[channel];
}

static float scaled(const cli_picture *p, const struct tap *y, const struct tap *x, int channel, int channels)
{
    float top = sample(p, y->low, x->low, channel, channels),
          bottom = sample(p, y->high, x->low, channel, channels);
    top += (sample(p, y->low, x->high, channel, channels) - top) * x->share;
    bottom += (sample(p, y->high, x->high, channel, channels) - bottom) * x->share;
    return top + (bottom - top) * y->share;
}

struct target {
    berth_tensor *tensor;
    struct layout layout;
    int64_t height, width;
    int channels;
    bool bgr;
    double low, step; /* value = low + step * sample */
};

static int64_t stride(const struct target *t, int axis)
{
    int64_t n = 1;
    for (int i = berth_tensor_rank(t->tensor) - 1; i > axis; i--) n *= berth_tensor_dim(t->tensor, i);
    return axis < 0 ? 0 : n;
}

static void place(const struct target *t, const cli_picture *p, int64_t row)
{
    struct tap *ys = make_taps(p->height, t->height), *xs = make_taps(p->width, t->width);
    berth_dtype dtype = berth_tensor_dtype(t->tensor);
    void *data = berth_tensor_data(t->tensor);
    int64_t sy = stride(t, t->layout.height), sx = stride(t, t->layout.width),
            sc = stride(t, t->layout.channel);
    int64_t start = row * stride(t, t->layout.batch);
    for (int64_t y = 0; y < t->height; y++)
        for (int64_t x = 0; x < t->width; x++)
            for (int c = 0; c < t->channels; c++) {
                float value = scaled(p, &ys[y], &xs[x], t->bgr ? t->channels - 1 - c : c, t->channels);
                cli_number number = {.kind = CLI_REAL, .real = t->low + t->step * value};
                if (!cli_is_real(dtype)) number.real = rint(number.real);
                cli_set(data, dtype, start + y * sy + x * sx + c * sc, number);
            }
    free(ys), free(xs);
}

/* ---- The batch ---- */

static berth_tensor *as_bytes(const char *where, const cli_bytes *files, size_t n, const berth_spec *spec)
{
    berth_error error = {0};
    int64_t dim = (int64_t)n;
    if (spec->rank > 1 || (spec->rank == 0 && n > 1))
        cli_fail(CLI_MODEL, "%s%zu files do not fit its shape", where, n);
    berth_tensor *tensor = berth_tensor_new(BERTH_STRING, spec->rank ? 1 : 0, &dim, &error);
    for (size_t i = 0; tensor && i < n && !error.status; i++)
        berth_tensor_set_string(tensor, (int64_t)i, (const char *)files[i].p, files[i].n, &error);
    if (error.status) cli_fail_with(&error);
    return tensor;
}

static void make_target(struct target *t, const cli_options *options, const char *where,
                        const cli_picture *pictures, size_t n, const berth_spec *spec)
{
    int64_t dims[BERTH_MAX_RANK] = {0};
    int rank = spec->rank < 0 ? 4 : spec->rank;
    berth_error error = {0};
    bool bytes = !cli_is_real(spec->dtype), ranged = options->range[0] != options->range[1];
    double low = ranged ? options->range[0] : 0, high = ranged ? options->range[1] : bytes ? 255 : 1;
    for (int i = 0; i < rank; i++) dims[i] = spec->rank < 0 ? -1 : spec->dims[i];
    int64_t *height = &dims[t->layout.height], *width = &dims[t->layout.width];
    bool open = *height < 0 || *width < 0;
    if (*height < 0) *height = pictures[0].height;
    if (*width < 0) *width = pictures[0].width;
    for (size_t i = 1; i < n && open; i++)
        if (pictures[i].height != pictures[0].height || pictures[i].width != pictures[0].width)
            cli_fail(CLI_MODEL, "%sthe pictures differ in size and the input takes any: give --input-shape",
                     where);
    t->channels = t->layout.channel < 0 ? 1 : dims[t->layout.channel] < 0 ? 3 : (int)dims[t->layout.channel];
    if (t->layout.channel >= 0) dims[t->layout.channel] = t->channels;
    if (t->layout.batch < 0 && n > 1) cli_fail(CLI_MODEL, "%sit takes one picture, not %zu", where, n);
    if (t->layout.batch >= 0) dims[t->layout.batch] = (int64_t)n;
    t->height = *height, t->width = *width;
    t->bgr = options->bgr, t->low = low, t->step = (high - low) / 255;
    t->tensor = berth_tensor_new(spec->dtype, rank, dims, &error);
    if (!t->tensor) cli_fail(CLI_MODEL, "%s%s", where, error.message);
}

berth_tensor *cli_pictures(const cli_options *options, const char *where, char **paths,
                           const cli_bytes *files, size_t n, const berth_spec *spec)
{
    static const berth_spec unknown = {.dtype = BERTH_FLOAT, .rank = -1};
    struct target t = {0};
    char shape[256];
    if (!spec) spec = &unknown;
    if (spec->dtype == BERTH_STRING) return as_bytes(where, files, n, spec);
    cli_shape_text(shape, sizeof shape, spec->rank, spec->dims);
    if (!find_layout(spec, &t.layout) || !berth_dtype_size(spec->dtype) || cli_is_complex(spec->dtype) ||
        spec->dtype == BERTH_BOOL)
        cli_fail(CLI_MODEL, "%sa picture does not fit %s %s", where, berth_dtype_name(spec->dtype), shape);
    cli_picture *pictures = cli_alloc(n, sizeof *pictures);
    for (size_t i = 0; i < n; i++) pictures[i] = cli_decode(where, paths[i], files[i]);
    make_target(&t, options, where, pictures, n, spec);
    for (size_t i = 0; i < n; i++) {
        place(&t, &pictures[i], (int64_t)i);
        free(pictures[i].samples);
    }
    free(pictures);
    return t.tensor;
}
