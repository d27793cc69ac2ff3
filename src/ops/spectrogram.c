/* Sound as features: AudioSpectrogram (short Fourier transforms under a Hann window) and Mfcc (their mel bands, as the
 * cosine transform of logarithms). The Fourier transform: fft.c. */
#include "ops/fft.h"
#include "ops/move.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

/* ---- AudioSpectrogram --------------------------------------------------------------------------------- */

static int64_t padded_length(int64_t window)
{
    int64_t n = 1;
    while (n < window) n *= 2;
    return n;
}

/* in [samples, channels]; out [channels, frames, bins]. */
static berth_status infer_spectrogram(bt_infer *x)
{
    int64_t window = bt_attr_int(x->node, "window_size", 0), stride = bt_attr_int(x->node, "stride", 0);
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    if (window < 2 || window > 1 << 28)
        return bt_infer_fail(x, "window_size must be from 2 on, not %lld", (long long)window);
    if (stride < 1) return bt_infer_fail(x, "stride must be positive, not %lld", (long long)stride);
    if (in->rank >= 0 && in->rank != 2)
        return bt_infer_fail(x, "input must have 2 dimensions, not %d", in->rank);
    int64_t samples = in->rank < 0 ? -1 : in->dim[0];
    int64_t frames = samples < 0 ? -1 : samples < window ? 0 : 1 + (samples - window) / stride;
    x->out[0] = (bt_fact){
        BERTH_FLOAT, BT_SHAPE(in->rank < 0 ? -1 : in->dim[1], frames, padded_length(window) / 2 + 1), NULL};
    return BERTH_OK;
}

typedef struct spectrogram {
    const float *in;
    float *out;
    int64_t channels, frames, bins, window, stride;
    bool squared;
    const double *weights;
    bt_fft fft;
    bt_point *memory;
    int64_t memory_each;
} spectrogram;

static void make_frames(void *user, int64_t first, int64_t end, int worker)
{
    const spectrogram *s = user;
    bt_point *row = s->memory + worker * s->memory_each, *work = row + s->fft.n;
    for (int64_t at = first; at < end; at++) {
        int64_t channel = at / s->frames, start = at % s->frames * s->stride;
        float *out = s->out + at * s->bins;
        memset(row, 0, (size_t)s->fft.n * sizeof *row);
        for (int64_t i = 0; i < s->window; i++)
            row[i].re = s->weights[i] * (double)s->in[(start + i) * s->channels + channel];
        bt_fft_run(&s->fft, row, work, false);
        for (int64_t i = 0; i < s->bins; i++) {
            double power = row[i].re * row[i].re + row[i].im * row[i].im;
            out[i] = (float)(s->squared ? power : sqrt(power));
        }
    }
}

static berth_status run_spectrogram(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (c->in[0]->dtype != BERTH_FLOAT)
        return bt_call_unsupported(c, "sound of %s", bt_dtype_name(c->in[0]->dtype));
    spectrogram s = {.in = c->in[0]->data,
                     .out = bt_out(c, 0, BERTH_FLOAT, &fact.shape),
                     .channels = fact.shape.dim[0],
                     .frames = fact.shape.dim[1],
                     .bins = fact.shape.dim[2],
                     .window = bt_attr_int(c->node, "window_size", 0),
                     .stride = bt_attr_int(c->node, "stride", 0),
                     .squared = bt_attr_bool(c->node, "magnitude_squared", false)};
    int64_t n = padded_length(s.window);
    s.memory_each = n + bt_fft_work(n);
    if (!s.out) return BERTH_NO_MEMORY;
    if (s.channels * s.frames == 0) return BERTH_OK;
    double *weights = bt_scratch(c, (size_t)s.window * sizeof *weights);
    bt_point *own = weights ? bt_scratch(c, (size_t)bt_fft_memory(n) * sizeof *own) : NULL;
    s.memory =
        own ? bt_scratch(c, (size_t)s.memory_each * (size_t)bt_pool_threads(c->pool) * sizeof *s.memory)
            : NULL;
    if (!s.memory) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < s.window; i++)
        weights[i] = 0.5 - 0.5 * cos(2 * pi * (double)i / (double)s.window);
    s.weights = weights;
    bt_fft_init(&s.fft, n, own, s.memory);
    bt_parallel(c->pool, s.channels * s.frames, 1 + 4096 / n, make_frames, &s);
    return BERTH_OK;
}

/* ---- Mfcc --------------------------------------------------------------------------------------------- */

/* spectrogram [channels, frames, bins], of squared magnitudes; out [channels, frames, coefficients]. */
static berth_status infer_mfcc(bt_infer *x)
{
    int64_t n = bt_attr_int(x->node, "dct_coefficient_count", 13);
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    if (in->rank >= 0 && in->rank != 3)
        return bt_infer_fail(x, "the spectrogram must have 3 dimensions, not %d", in->rank);
    if (x->in[1].shape.rank > 0) return bt_infer_fail(x, "sample_rate must be a scalar");
    if (n < 1) return bt_infer_fail(x, "dct_coefficient_count must be positive");
    x->out[0] = (bt_fact){BERTH_FLOAT,
                          BT_SHAPE(in->rank < 0 ? -1 : in->dim[0], in->rank < 0 ? -1 : in->dim[1], n), NULL};
    return BERTH_OK;
}

static double mel_of(double hertz) { return 1127.0 * log1p(hertz / 700.0); }

typedef struct mfcc {
    const float *in;
    float *out;
    int64_t bins, bands, coefficients;
    int64_t first_bin, end_bin;
    double *centres;  /* of the bands in mel, and one above [bands + 1] */
    double *weights;  /* how much of a bin goes to its band; the rest goes to the next [bins] */
    int64_t *band_of; /* [bins], -1: below the first centre */
    double *cosines;  /* [coefficients][bands] */
    double *work;     /* [bands] a thread */
} mfcc;

/* Triangles between neighbouring centres. */
static void make_bands(mfcc *m, double rate, double lower, double upper)
{
    double low = mel_of(lower), spacing = (mel_of(upper) - low) / (double)(m->bands + 1);
    double hertz = 0.5 * rate / (double)(m->bins - 1);
    double first = 1.5 + lower / hertz, last = upper / hertz;
    m->first_bin = first < (double)m->bins ? (int64_t)first : m->bins;
    m->end_bin = last < (double)m->bins - 1 ? (int64_t)last + 1 : m->bins;
    for (int64_t i = 0; i <= m->bands; i++) m->centres[i] = low + spacing * (double)(i + 1);
    for (int64_t i = m->first_bin, band = 0; i < m->end_bin; i++) {
        double mel = mel_of((double)i * hertz);
        while (band < m->bands && m->centres[band] < mel) band++;
        double below = band ? m->centres[band - 1] : low;
        m->band_of[i] = band - 1;
        m->weights[i] = (m->centres[band] - mel) / (m->centres[band] - below);
    }
    for (int64_t k = 0; k < m->coefficients; k++)
        for (int64_t i = 0; i < m->bands; i++)
            m->cosines[k * m->bands + i] =
                sqrt(2.0 / (double)m->bands) * cos((double)k * pi / (double)m->bands * ((double)i + 0.5));
}

static void make_coefficients(void *user, int64_t first, int64_t end, int worker)
{
    const mfcc *m = user;
    double *band = m->work + worker * m->bands;
    for (int64_t row = first; row < end; row++) {
        memset(band, 0, (size_t)m->bands * sizeof *band);
        for (int64_t i = m->first_bin; i < m->end_bin; i++) {
            double v = sqrt((double)m->in[row * m->bins + i]), part = v * m->weights[i];
            int64_t at = m->band_of[i];
            if (at >= 0) band[at] += part;
            if (at + 1 < m->bands) band[at + 1] += v - part;
        }
        for (int64_t i = 0; i < m->bands; i++) band[i] = log(band[i] < 1e-12 ? 1e-12 : band[i]);
        for (int64_t k = 0; k < m->coefficients; k++) {
            double sum = 0;
            for (int64_t i = 0; i < m->bands; i++) sum += m->cosines[k * m->bands + i] * band[i];
            m->out[row * m->coefficients + k] = (float)sum;
        }
    }
}

static berth_status check_mfcc(bt_call *c, const mfcc *m, int64_t rate, double lower, double upper)
{
    if (c->in[0]->dtype != BERTH_FLOAT || c->in[1]->dtype != BERTH_INT32)
        return bt_call_unsupported(c, "a spectrogram of %s", bt_dtype_name(c->in[0]->dtype));
    if (m->bins < 2) return bt_call_fail(c, "a spectrogram of %lld bins", (long long)m->bins);
    if (rate < 1) return bt_call_fail(c, "a sample_rate of %lld", (long long)rate);
    if (m->bands < 1 || m->bands > 1 << 24 || m->coefficients > m->bands)
        return bt_call_fail(c, "%lld coefficients of %lld bands", (long long)m->coefficients,
                            (long long)m->bands);
    if (!(lower >= 0) || !(upper > lower)) return bt_call_fail(c, "frequencies from %g to %g", lower, upper);
    return BERTH_OK;
}

static berth_status run_mfcc(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    mfcc m = {.in = c->in[0]->data,
              .bins = c->in[0]->shape.dim[2],
              .bands = bt_attr_int(c->node, "filterbank_channel_count", 40),
              .coefficients = fact.shape.dim[2]};
    double lower = (double)bt_attr_float(c->node, "lower_frequency_limit", 20),
           upper = (double)bt_attr_float(c->node, "upper_frequency_limit", 4000);
    int64_t rate = bt_tensor_int(c->in[1], 0);
    if ((status = check_mfcc(c, &m, rate, lower, upper))) return status;
    m.out = bt_out(c, 0, BERTH_FLOAT, &fact.shape);
    m.centres = m.out ? bt_scratch(c, (size_t)(m.bands + 1) * sizeof *m.centres) : NULL;
    m.weights = m.centres ? bt_scratch(c, (size_t)m.bins * sizeof *m.weights) : NULL;
    m.band_of = m.weights ? bt_scratch(c, (size_t)m.bins * sizeof *m.band_of) : NULL;
    m.cosines =
        m.band_of ? bt_scratch(c, (size_t)m.coefficients * (size_t)m.bands * sizeof *m.cosines) : NULL;
    m.work =
        m.cosines ? bt_scratch(c, (size_t)m.bands * (size_t)bt_pool_threads(c->pool) * sizeof *m.work) : NULL;
    if (!m.work) return BERTH_NO_MEMORY;
    if ((int64_t)fmin(upper / (0.5 * (double)rate / (double)(m.bins - 1)), (double)m.bins) >= m.bins) {
        /* The spectrogram ends below the upper limit: TensorFlow makes no bands of it, and zeros of those. */
        memset(m.out, 0, (size_t)bt_shape_count(&fact.shape) * sizeof *m.out);
        return BERTH_OK;
    }
    make_bands(&m, (double)rate, lower, upper);
    bt_parallel(c->pool, fact.shape.dim[0] * fact.shape.dim[1], 16, make_coefficients, &m);
    return BERTH_OK;
}

const bt_op bt_ops_spectrogram[] = {
    {.name = "AudioSpectrogram",
     .infer = infer_spectrogram,
     .cpu = run_spectrogram,
     .outputs = "spectrogram"},
    {.name = "Mfcc", .infer = infer_mfcc, .cpu = run_mfcc},
    {0},
};
