/* Sound files: DecodeWav and EncodeWav, RIFF WAVE with 16-bit PCM samples. Samples are floats, 32768 steps to 1. */
#include "base/file.h"
#include "ops/move.h"

#include <math.h>

/* ---- DecodeWav ---------------------------------------------------------------------------------------- */

static berth_status infer_decode(bt_infer *x)
{
    int64_t channels = bt_attr_int(x->node, "desired_channels", -1),
            samples = bt_attr_int(x->node, "desired_samples", -1);
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    if (x->in[0].shape.rank > 0) return bt_infer_fail(x, "contents must be a scalar");
    if (channels < -1 || samples < -1)
        return bt_infer_fail(x, "desired_channels and desired_samples must not be less than -1");
    x->out[0] = (bt_fact){BERTH_FLOAT, BT_SHAPE(samples, channels), NULL};
    x->out[1] = (bt_fact){BERTH_INT32, BT_SCALAR, NULL};
    return BERTH_OK;
}

typedef struct wave {
    int64_t channels, samples;
    uint32_t rate;
    const uint8_t *data;
} wave;

static bool expect(bt_reader *r, const char *id)
{
    const uint8_t *p = bt_read_bytes(r, 4);
    return p && memcmp(p, id, 4) == 0;
}

/* Chunks after the header of the file. NULL when all is well, else what is wrong. */
static const char *read_chunks(bt_reader *r, wave *w)
{
    uint64_t size;
    if (!expect(r, "fmt ")) return "no format chunk";
    size = bt_read_uint(r, 4);
    if (size != 16 && size != 18) return "a format chunk of another size than 16 or 18";
    uint64_t format = bt_read_uint(r, 2);
    w->channels = (int64_t)bt_read_uint(r, 2);
    w->rate = (uint32_t)bt_read_uint(r, 4);
    uint64_t per_second = bt_read_uint(r, 4), per_sample = bt_read_uint(r, 2), bits = bt_read_uint(r, 2);
    if (size == 18) bt_read_uint(r, 2);
    if (r->failed) return "the file is cut short";
    if (format != 1) return "no PCM samples";
    if (bits != 16) return "samples of another size than 16 bits";
    if (w->channels < 1 || per_sample != 2u * (uint64_t)w->channels)
        return "bytes per sample that do not fit the channels";
    if (per_second != per_sample * w->rate) return "bytes per second that do not fit the sample rate";
    while (bt_reader_left(r) > 0) {
        const uint8_t *id = bt_read_bytes(r, 4);
        size = bt_read_uint(r, 4);
        if (r->failed) return "the file is cut short";
        const uint8_t *data = bt_read_bytes(r, size);
        if (!data) return "the file is cut short";
        if (memcmp(id, "data", 4) == 0) w->data = data, w->samples = (int64_t)(size / per_sample);
    }
    return w->data ? NULL : "no samples";
}

static berth_status run_decode(bt_call *c)
{
    bt_fact facts[2], in = {c->in[0]->dtype, c->in[0]->shape, c->in[0]};
    bt_infer x = {c->node, &in, 1, facts, 2, INT32_MAX, c->error};
    berth_status status = infer_decode(&x);
    if (status) return status;
    if (in.dtype != BERTH_STRING) return bt_call_fail(c, "contents must be a string");
    const bt_string *file = c->in[0]->data;
    bt_reader r = bt_reader_of(file->p, file->n);
    wave w = {0};
    bool is_riff = expect(&r, "RIFF");
    bt_read_uint(&r, 4);
    const char *wrong = is_riff && expect(&r, "WAVE") ? read_chunks(&r, &w) : "not a WAV file";
    if (wrong) return bt_call_fail(c, "%s", wrong);
    bt_shape shape = facts[0].shape, one = BT_SCALAR;
    if (shape.dim[0] < 0) shape.dim[0] = w.samples;
    if (shape.dim[1] < 0) shape.dim[1] = w.channels;
    float *out = bt_out(c, 0, BERTH_FLOAT, &shape);
    int32_t *rate = out ? bt_out(c, 1, BERTH_INT32, &one) : NULL;
    if (!rate) return BERTH_NO_MEMORY;
    *rate = (int32_t)w.rate;
    for (int64_t i = 0; i < shape.dim[0]; i++)
        for (int64_t k = 0; k < shape.dim[1]; k++) {
            int64_t from =
                k < w.channels ? k : w.channels - 1; /* channels that are not there are like the last */
            const uint8_t *p = w.data + 2 * (i * w.channels + from);
            *out++ = i < w.samples ? (float)(int16_t)(p[0] | p[1] << 8) / 32768 : 0;
        }
    return BERTH_OK;
}

/* ---- EncodeWav ---------------------------------------------------------------------------------------- */

static berth_status infer_encode(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    if (x->in[0].shape.rank >= 0 && x->in[0].shape.rank != 2)
        return bt_infer_fail(x, "audio must have 2 dimensions, not %d", x->in[0].shape.rank);
    if (x->in[1].shape.rank > 0) return bt_infer_fail(x, "sample_rate must be a scalar");
    x->out[0] = (bt_fact){BERTH_STRING, BT_SCALAR, NULL};
    return BERTH_OK;
}

static uint8_t *put(uint8_t *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) *p++ = (uint8_t)(v >> (8 * i));
    return p;
}
static uint8_t *put_id(uint8_t *p, const char *id) { return (uint8_t *)memcpy(p, id, 4) + 4; }

static berth_status run_encode(bt_call *c)
{
    enum { HEADER = 44 };
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_tensor *audio = c->in[0];
    int64_t samples = audio->shape.dim[0], channels = audio->shape.dim[1], rate = bt_tensor_int(c->in[1], 0);
    int64_t n = bt_tensor_count(audio);
    if (audio->dtype != BERTH_FLOAT || c->in[1]->dtype != BERTH_INT32)
        return bt_call_unsupported(c, "audio of %s", bt_dtype_name(audio->dtype));
    if (channels < 1 || channels > UINT16_MAX || n > (UINT32_MAX - HEADER) / 2)
        return bt_call_fail(c, "%lld samples of %lld channels", (long long)samples, (long long)channels);
    if (rate < 1) return bt_call_fail(c, "a sample_rate of %lld", (long long)rate);
    uint8_t *file = bt_scratch(c, (size_t)(HEADER + 2 * n)), *p = file;
    bt_string *out = file ? bt_out(c, 0, BERTH_STRING, &fact.shape) : NULL;
    if (!out) return BERTH_NO_MEMORY;
    p = put(put_id(p, "RIFF"), (uint64_t)(HEADER - 8 + 2 * n), 4);
    p = put(put_id(put_id(p, "WAVE"), "fmt "), 16, 4);
    p = put(put(p, 1, 2), (uint64_t)channels, 2);
    p = put(put(p, (uint64_t)rate, 4), (uint64_t)(rate * channels * 2), 4);
    p = put(put(p, (uint64_t)(2 * channels), 2), 16, 2);
    p = put(put_id(p, "data"), (uint64_t)(2 * n), 4);
    for (int64_t i = 0; i < n; i++) {
        float v = roundf(((const float *)audio->data)[i] * 32768);
        p = put(p, (uint64_t)(int64_t)(v >= -32768 ? v <= 32767 ? v : 32767 : -32768), 2);
    }
    return bt_string_set(out, (const char *)file, (size_t)(HEADER + 2 * n)) ? BERTH_OK
                                                                            : bt_fail_memory(c->error);
}

const bt_op bt_ops_wav[] = {
    {.name = "DecodeWav", .infer = infer_decode, .cpu = run_decode, .outputs = "audio,sample_rate"},
    {.name = "EncodeWav", .infer = infer_encode, .cpu = run_encode, .outputs = "contents"},
    {0},
};
