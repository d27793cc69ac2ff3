/* Keras 3: spectrograms: STFTSpectrogram, a convolution by waves that are weights; MelSpectrogram, the Fourier transform
 * of windows, its magnitudes gathered in bands of the mel scale. */
#include "format/keras_layers.h"

#include <math.h>

/* ---- STFTSpectrogram ---------------------------------------------------------------------------------- */

/* Each channel by itself: x[batch, time, channels] as [batch, channels, waves, steps]. */
static btk_tensor by_waves(btk_call *c, btk_tensor x, btk_tensor kernel, const btk_window *w)
{
    btk *k = c->k;
    int64_t channels = btk_dim(x, 2);
    btk_tensor signals = btk_reshape(k, btk_swap(k, x, 1, 2), 3, (int64_t[]){-1, btk_dim(x, 1), 1},
                                     (int[]){-1, btk_dim(x, 1) < 0 ? 1 : -1, -1});
    if (btk_dim(x, 1) < 0) return btk_unsupported(k, "a signal of unknown length"), x;
    btk_tensor y =
        btk_swap(k, btk_convolve(k, signals, kernel, w), 1, 2); /* [batch channels, waves, steps] */
    return btk_reshape(k, y, 4, (int64_t[]){-1, channels, btk_dim(y, 1), btk_dim(y, 2)},
                       (int[]){0, -1, -1, -1});
}

/* [batch, channels, waves, steps] as the configuration wants it. */
static btk_tensor laid_out(btk_call *c, btk_tensor y)
{
    btk *k = c->k;
    bool first = btk_channels_first(c);
    if (btk_bool_of(c, "expand_dims", false))
        return first ? btk_swap(k, y, 2, 3) : btk_transpose(k, y, (int[]){0, 3, 2, 1});
    y = btk_reshape(k, y, 3, (int64_t[]){-1, btk_dim(y, 1) * btk_dim(y, 2), btk_dim(y, 3)},
                    (int[]){0, -1, -1});
    return first ? y : btk_swap(k, y, 1, 2);
}

/* Squares of both parts; twice of all waves but the first and the last. */
static btk_tensor density(btk *k, btk_tensor power)
{
    int64_t pads[BT_MAX_RANK][2] = {{0}, {0}, {1, 1}};
    btk_tensor inner = btk_slice(k, power, 2, 1, -1);
    return btk_binary(k, "AddV2", power, btk_pad(k, inner, (const int64_t(*)[2])pads));
}

void btk_stft_spectrogram(btk_call *c)
{
    btk *k = c->k;
    const char *mode = btk_text_of(c, "mode", "log");
    int64_t length = btk_int_of(c, "frame_length", 256), size = btk_int_of(c, "fft_length", 0), waves;
    btk_window w = {1, {length, 1, 1}, {btk_int_of(c, "frame_step", length / 2), 1, 1}, {1, 1, 1}};
    w.padding = btk_text_of(c, "padding", "valid");
    if (!btk_rank(k, c->x, 3, 3)) return;
    for (waves = 1; size < 1 && waves < length && waves < INT32_MAX;) waves *= 2;
    waves = (size > 0 ? size : waves) / 2 + 1;
    if (length < 1 || w.stride[0] < 1 || size < 0) return btk_damaged(k, "a window of no size or stride");
    bt_shape shape = BT_SHAPE(length, 1, waves);
    btk_tensor x = btk_channels_first(c) ? btk_swap(k, c->x, 1, 2) : c->x, real = {0}, imag = {0};
    btk_known(k, x, 2, "the number of channels");
    if (strcmp(mode, "imag")) real = btk_weight_of(c, "real_kernel", true, shape);
    if (strcmp(mode, "real")) imag = btk_weight_of(c, "imag_kernel", true, shape);
    if (k->failed) return;
    if (real.dtype) real = by_waves(c, x, real, &w);
    if (imag.dtype) imag = by_waves(c, x, imag, &w);
    if (!imag.dtype || !real.dtype) return btk_return(c, laid_out(c, real.dtype ? real : imag));
    if (!strcmp(mode, "angle")) return btk_return(c, laid_out(c, btk_binary(k, "Atan2", imag, real)));
    if (!strcmp(mode, "stft"))
        return btk_return(c, laid_out(c, btk_concat(k, 2, (btk_tensor[]){real, imag}, 2)));
    btk_tensor power = btk_binary(k, "AddV2", btk_unary(k, "Square", real), btk_unary(k, "Square", imag));
    if (!strcmp(mode, "psd")) return btk_return(c, laid_out(c, density(k, power)));
    btk_tensor least = btk_number(k, power.dtype, 1e-7);
    btk_tensor y = laid_out(c, btk_unary(k, "Sqrt", btk_binary(k, "Maximum", power, least)));
    btk_return(c, strcmp(mode, "log") ? y : btk_unary(k, "Log", btk_binary(k, "Maximum", y, least)));
}

/* ---- Short-time Fourier transform --------------------------------------------------------------------- */

btk_tensor btk_frames(btk *k, btk_tensor x, int64_t length, int64_t step)
{
    btk_window w = {2, {1, length, 1}, {1, step, 1}, {1, 1, 1}, "valid", false};
    btk_tensor like = x;
    int rank = x.shape.rank;
    if (!btk_rank(k, x, 1, BT_MAX_RANK - 1)) return x;
    if (rank != 2) x = rank == 1 ? btk_expand(k, x, 0) : btk_fold_leading(k, x, rank - 1);
    btk_tensor y = btk_squeeze(k, btk_patches(k, btk_expand(k, btk_expand(k, x, 1), -1), &w), 1);
    return rank == 1 ? btk_squeeze(k, y, 0) : rank == 2 ? y : btk_unfold_leading(k, y, like, rank - 1);
}

void btk_taper(const char *name, int64_t length, int64_t size, double *out)
{
    bool hann = !strcmp(name, "hann"), hamming = !strcmp(name, "hamming");
    memset(out, 0, (size_t)size * sizeof *out);
    for (int64_t i = 0, at = (size - length) / 2; i < length; i++) {
        double wave = cos(2 * M_PI * (double)i / (double)length);
        out[at + i] = hann ? 0.5 - 0.5 * wave : hamming ? 0.54 - 0.46 * wave : 1;
    }
}

btk_tensor btk_mirrored(btk *k, btk_tensor x, int64_t n)
{
    int32_t pads[2 * BT_MAX_RANK] = {0};
    int rank = x.shape.rank;
    pads[2 * rank - 2] = pads[2 * rank - 1] = (int32_t)n;
    btk_tensor amounts = btk_const(k, BERTH_INT32, BT_SHAPE(rank, 2), pads);
    bt_shape shape = btk_with_dim(x.shape, -1, btk_dim(x, -1) < 0 ? -1 : btk_dim(x, -1) + 2 * n);
    btk_tensor y = btk_node(k, "MirrorPad", 2, (btk_tensor[]){x, amounts}, x.dtype, shape);
    btk_attr_type(k, y, "Tpaddings", BERTH_INT32);
    btk_attr_text(k, y, "mode", "REFLECT");
    return y;
}

/* The magnitudes of the Fourier transform of windows of x, which is mirrored at its ends: [..., windows, size / 2 + 1]. */
static btk_tensor magnitudes(btk_call *c, btk_tensor x, int64_t length, int64_t step, int64_t size)
{
    btk *k = c->k;
    double *weights = bt_arena_array(k->arena, double, (size_t)size);
    if (!weights) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), x;
    btk_taper(btk_text_of(c, "window", ""), length, size, weights);
    x = btk_frames(k, btk_mirrored(k, x, size / 2), size, step);
    x = btk_binary(k, "Mul", x, btk_numbers(k, x.dtype, BT_SHAPE(size), weights));
    btk_tensor y = btk_real_fourier(k, x, size);
    btk_tensor out = btk_bare(k, "ComplexAbs", 1, &y, x.dtype, y.shape);
    btk_attr_type(k, out, "T", y.dtype);
    btk_attr_type(k, out, "Tout", x.dtype);
    return out;
}

/* ---- MelSpectrogram ----------------------------------------------------------------------------------- */

static double mel(double hertz) { return 1127 * log(1 + hertz / 700); }

/* [waves, bands]: triangles that are even in mel; the first wave, of no frequency, is in none. */
static btk_tensor bands_of(btk_call *c, int64_t waves, int64_t bands, berth_dtype dtype)
{
    btk *k = c->k;
    double rate = btk_double_of(c, "sampling_rate", 16000),
           top = btk_double_of(c, "max_freq", floor(rate / 2));
    double low = mel(btk_double_of(c, "min_freq", 20)), step = (mel(top) - low) / (double)(bands + 1);
    double *values = bt_arena_array(k->arena, double, (size_t)(waves * bands));
    if (!values) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), btk_number(k, dtype, 0);
    for (int64_t i = 1; i < waves; i++)
        for (int64_t j = 0; j < bands; j++) {
            double at = (mel(rate / 2 * (double)i / (double)(waves - 1)) - low) / step - (double)j;
            double height = at < 1 ? at : 2 - at;
            values[i * bands + j] = height > 0 ? height : 0;
        }
    return btk_numbers(k, dtype, BT_SHAPE(waves, bands), values);
}

static btk_tensor decibels(btk *k, btk_tensor x)
{
    return btk_scaled(k, btk_unary(k, "Log", x), 10 / M_LN10);
}

void btk_mel_spectrogram(btk_call *c)
{
    btk *k = c->k;
    int64_t size = btk_int_of(c, "fft_length", 2048), step = btk_int_of(c, "sequence_stride", 512),
            length = btk_int_of(c, "sequence_length", size), bands = btk_int_of(c, "num_mel_bins", 128);
    berth_dtype dtype = c->layer->compute == BERTH_DOUBLE ? BERTH_DOUBLE : BERTH_FLOAT;
    double least = btk_double_of(c, "min_power", 1e-10), power = btk_double_of(c, "mag_exp", 2),
           reference = fabs(btk_double_of(c, "ref_power", 1));
    if (size < 2 || size > 1 << 20 || step < 1 || length < 1 || length > size || bands < 1 || bands > 1 << 12)
        return btk_damaged(k, "windows that cannot be");
    if (bt_json_is(btk_of(c, "window"), BT_JSON_ARRAY)) return btk_unsupported(k, "a window of its own");
    if (!btk_rank(k, c->x, 1, 2)) return;
    btk_tensor y = magnitudes(c, btk_cast(k, c->x, dtype), length, step, size);
    y = btk_binary(k, "Pow", y, btk_number(k, dtype, power));
    y = y.shape.rank > 2 ? btk_dense_product(k, y, bands_of(c, size / 2 + 1, bands, dtype))
                         : btk_matmul(k, y, bands_of(c, size / 2 + 1, bands, dtype), false, false);
    if (btk_bool_of(c, "power_to_db", true)) {
        y = decibels(k, btk_binary(k, "Maximum", y, btk_number(k, dtype, least)));
        y = btk_shifted(k, y, -10 * log10(reference > least ? reference : least));
        btk_tensor max = btk_reduce(k, "Max", y, (1u << y.shape.rank) - 1, false);
        y = btk_binary(k, "Maximum", y, btk_shifted(k, max, -btk_double_of(c, "top_db", 80)));
    }
    btk_return(c, btk_cast(k, btk_swap(k, y, -1, -2), c->layer->compute));
}
