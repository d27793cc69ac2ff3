/* Keras 3: operations on signals: Fourier transforms, of complex numbers as pairs of tensors, of windows of a signal, and back.
 * To read next: keras_audio.c (layers of spectrograms, which have the windows). */
#include "format/keras_operation.h"

#include <math.h>

static berth_dtype complex_of(berth_dtype dtype)
{
    return dtype == BERTH_DOUBLE || dtype == BERTH_COMPLEX128 ? BERTH_COMPLEX128 : BERTH_COMPLEX64;
}

static btk_tensor part(btk *k, const char *op, btk_tensor x)
{
    berth_dtype dtype = x.dtype == BERTH_COMPLEX128 ? BERTH_DOUBLE : BERTH_FLOAT;
    btk_tensor y = btk_bare(k, op, 1, &x, dtype, x.shape);
    btk_attr_type(k, y, "T", x.dtype);
    btk_attr_type(k, y, "Tout", dtype);
    return y;
}

static btk_tensor complex_from(btk *k, btk_tensor real, btk_tensor imaginary)
{
    btk_tensor in[2] = {real, imaginary};
    btk_tensor y = btk_bare(k, "Complex", 2, in, complex_of(real.dtype), real.shape);
    btk_attr_type(k, y, "T", real.dtype);
    btk_attr_type(k, y, "Tout", y.dtype);
    return y;
}

/* The first argument, a pair of real and imaginary part, as one tensor. */
static btk_tensor complex_input(btk_call *c)
{
    btk_value v = btk_operand_value(c, 0, "x");
    bool pair =
        v.kind == BTK_LIST && v.n == 2 && v.items[0].kind == BTK_TENSOR && v.items[1].kind == BTK_TENSOR;
    if (!pair) return btk_unsupported(c->k, "complex numbers that are no pair of tensors"), c->x;
    berth_dtype dtype = v.items[0].tensor.dtype;
    if (dtype != v.items[1].tensor.dtype || (dtype != BERTH_FLOAT && dtype != BERTH_DOUBLE))
        return btk_unsupported(c->k, "complex numbers but of two tensors of float or double"), c->x;
    return complex_from(c->k, v.items[0].tensor, v.items[1].tensor);
}

static void give_pair(btk_call *c, btk_tensor y)
{
    btk_returns(c, (btk_tensor[]){part(c->k, "Real", y), part(c->k, "Imag", y)}, 2);
}

/* detail: the op. */
static void fourier(btk_call *c, const char *op)
{
    btk_tensor x = complex_input(c), y = btk_bare(c->k, op, 1, &x, x.dtype, x.shape);
    btk_attr_type(c->k, y, "Tcomplex", x.dtype);
    give_pair(c, y);
}

/* ---- Of real signals ---------------------------------------------------------------------------------- */

/* n numbers along the last axis, with zeros behind or cut. */
static btk_tensor of_length(btk *k, btk_tensor x, int64_t n)
{
    int64_t have = btk_dim(x, -1), pads[BT_MAX_RANK][2] = {{0}};
    if (k->failed || have == n) return x;
    pads[x.shape.rank - 1][1] = have < 0 ? n : have < n ? n - have : 0;
    return btk_slice(k, btk_pad(k, x, (const int64_t(*)[2])pads), -1, 0, n);
}

static btk_tensor complex_of_length(btk *k, btk_tensor x, int64_t n)
{
    if (btk_dim(x, -1) == n) return x;
    return complex_from(k, of_length(k, part(k, "Real", x), n), of_length(k, part(k, "Imag", x), n));
}

btk_tensor btk_real_fourier(btk *k, btk_tensor x, int64_t n)
{
    x = of_length(k, x, n);
    btk_tensor in[2] = {x, btk_ints(k, 1, &n)};
    berth_dtype complex = complex_of(x.dtype);
    btk_tensor y = btk_bare(k, "RFFT", 2, in, complex, btk_with_dim(x.shape, -1, n / 2 + 1));
    btk_attr_type(k, y, "Treal", x.dtype);
    btk_attr_type(k, y, "Tcomplex", complex);
    return y;
}

static btk_tensor inverse_of_real(btk *k, btk_tensor x, int64_t n)
{
    x = complex_of_length(k, x, n / 2 + 1);
    berth_dtype real = x.dtype == BERTH_COMPLEX128 ? BERTH_DOUBLE : BERTH_FLOAT;
    btk_tensor in[2] = {x, btk_ints(k, 1, &n)};
    btk_tensor y = btk_bare(k, "IRFFT", 2, in, real, btk_with_dim(x.shape, -1, n));
    btk_attr_type(k, y, "Treal", real);
    btk_attr_type(k, y, "Tcomplex", x.dtype);
    return y;
}

static bool legal_length(btk *k, int64_t n)
{
    if (n < 1 || n > 1 << 24) btk_unsupported(k, "a transform of %lld numbers", (long long)n);
    return !k->failed;
}

static void real_fourier(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_as_float(k, btk_first_operand(c));
    int64_t n = btk_operand_int(c, 1, "fft_length", btk_dim(x, -1));
    if (btk_rank(k, x, 1, BT_MAX_RANK) && legal_length(k, n)) give_pair(c, btk_real_fourier(k, x, n));
}

static void inverse_real_fourier(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = complex_input(c);
    int64_t waves = btk_dim(x, -1), n = btk_operand_int(c, 1, "fft_length", waves < 2 ? 1 : 2 * (waves - 1));
    if (btk_rank(c->k, x, 1, BT_MAX_RANK) && legal_length(c->k, n))
        btk_return(c, inverse_of_real(c->k, x, n));
}

/* ---- Of windows --------------------------------------------------------------------------------------- */

typedef struct windows {
    int64_t length, step,
        size;        /* of a window, to the next, of the transform, in whose middle a window lies */
    double *weights; /* size; NULL: all 1 */
    bool is_centred;
} windows;

static bool windows_of(btk_call *c, windows *w)
{
    btk *k = c->k;
    const bt_json *window = btk_operand_json(c, -1, "window"),
                  *array = bt_json_get(bt_json_get(window, "config"), "value");
    *w = (windows){.length = btk_operand_int(c, 1, "sequence_length", 0),
                   .step = btk_operand_int(c, 2, "sequence_stride", 0),
                   .size = btk_operand_int(c, 3, "fft_length", 0),
                   .is_centred = bt_json_bool(btk_operand_json(c, -1, "center"), true)};
    if (w->length < 1 || w->step < 1 || w->size < w->length || w->step > INT32_MAX ||
        !legal_length(k, w->size))
        return btk_damaged(k, "windows that cannot be"), false;
    if (!window) return true;
    if (array) window = array;
    w->weights = bt_arena_array(k->arena, double, (size_t)w->size);
    if (!w->weights) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), false;
    if (!bt_json_is(window, BT_JSON_ARRAY)) {
        btk_taper(bt_json_text(window, ""), w->length, w->size, w->weights);
        return true;
    }
    int64_t at = (w->size - w->length) / 2;
    if (window->n != w->length) return btk_damaged(k, "a window of another length"), false;
    for (const bt_json *j = window->first; j; j = j->next) w->weights[at++] = bt_json_double(j, NAN);
    return true;
}

static void short_time_fourier(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    windows w;
    btk_tensor x = btk_first_operand(c);
    if (!btk_rank(k, x, 1, BT_MAX_RANK - 1) || !windows_of(c, &w)) return;
    if (w.is_centred) x = btk_mirrored(k, x, w.size / 2);
    x = btk_frames(k, x, w.size, w.step);
    if (w.weights) x = btk_binary(k, "Mul", x, btk_numbers(k, x.dtype, BT_SHAPE(w.size), w.weights));
    give_pair(c, btk_real_fourier(k, x, w.size));
}

/* Rows x[..., n, length] laid over each other, each `step` behind the last, and added. */
static btk_tensor overlapped(btk *k, btk_tensor x, int64_t step)
{
    enum { MAX_PARTS = 1024 };
    int64_t length = btk_dim(x, -1), parts = (length + step - 1) / step, pads[BT_MAX_RANK][2] = {{0}};
    int rank = x.shape.rank;
    int64_t open[BT_MAX_RANK];
    int axes[BT_MAX_RANK];
    if (k->failed || parts > MAX_PARTS) return btk_unsupported(k, "so many windows in one place"), x;
    x = of_length(k, x, parts * step);
    btk_tensor sum = {0};
    for (int64_t i = 0; i < parts && !k->failed; i++) { /* part i of row j is in row i + j of the result */
        pads[rank - 2][0] = i, pads[rank - 2][1] = parts - 1 - i;
        btk_tensor one = btk_slice(k, x, -1, i * step, (i + 1) * step);
        one = btk_pad(k, one, (const int64_t(*)[2])pads);
        sum = i ? btk_binary(k, "AddV2", sum, one) : one;
    }
    for (int i = 0; i < rank - 2; i++) open[i] = -1, axes[i] = i;
    open[rank - 2] = btk_dim(sum, -2) < 0 ? -1 : btk_dim(sum, -2) * step, axes[rank - 2] = -1;
    btk_tensor y = btk_reshape(k, sum, rank - 1, open, axes);
    return parts * step == length ? y : btk_slice(k, y, -1, 0, length - parts * step);
}

/* Each window over the sum of the squares of all that lie in its place. */
static btk_tensor inverse_window(btk *k, const windows *w, berth_dtype dtype)
{
    double *values = bt_arena_array(k->arena, double, (size_t)w->size),
           *sums = bt_arena_array(k->arena, double, (size_t)w->step);
    if (!values || !sums) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), btk_number(k, dtype, 0);
    memset(sums, 0, (size_t)w->step * sizeof *sums);
    for (int64_t i = 0; i < w->size; i++) sums[i % w->step] += w->weights[i] * w->weights[i];
    for (int64_t i = 0; i < w->size; i++) values[i] = w->weights[i] / sums[i % w->step];
    return btk_numbers(k, dtype, BT_SHAPE(w->size), values);
}

static void inverse_short_time_fourier(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    windows w;
    btk_tensor x = complex_input(c);
    if (!btk_rank(k, x, 2, BT_MAX_RANK) || !windows_of(c, &w)) return;
    btk_tensor y = inverse_of_real(k, x, w.size);
    if (w.weights) y = btk_binary(k, "Mul", y, inverse_window(k, &w, y.dtype));
    y = overlapped(k, y, w.step);
    int64_t start = w.is_centred ? w.size / 2 : 0, length = btk_operand_int(c, 4, "length", -1);
    btk_return(c, btk_slice(k, y, -1, start, length >= 0 ? start + length : start ? -start : INT64_MAX));
}

static void sequences(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_first_operand(c);
    int64_t length = btk_operand_int(c, 1, "sequence_length", 0),
            step = btk_operand_int(c, 2, "sequence_stride", 0);
    if (length < 1 || step < 1 || length > INT32_MAX || step > INT32_MAX)
        return btk_damaged(c->k, "windows that cannot be");
    if (btk_rank(c->k, x, 1, BT_MAX_RANK - 1)) btk_return(c, btk_frames(c->k, x, length, step));
}

/* ---- Complex numbers ---------------------------------------------------------------------------------- */

static void polar(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor size = btk_operand(c, 0, "abs_", BERTH_FLOAT), angle = btk_operand(c, 1, "angle", size.dtype);
    btk_return(c, complex_from(k, btk_binary(k, "Mul", size, btk_unary(k, "Cos", angle)),
                               btk_binary(k, "Mul", size, btk_unary(k, "Sin", angle))));
}

static void as_complex(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x = btk_as_float(c->k, btk_first_operand(c));
    btk_return(c, complex_from(c->k, btk_pick(c->k, x, -1, 0), btk_pick(c->k, x, -1, 1)));
}

static void as_real(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), parts[2] = {x, btk_unary(k, "ZerosLike", x)};
    if (x.dtype == BERTH_COMPLEX64 || x.dtype == BERTH_COMPLEX128)
        parts[0] = part(k, "Real", x), parts[1] = part(k, "Imag", x);
    for (int i = 0; i < 2; i++) parts[i] = btk_expand(k, parts[i], -1);
    btk_return(c, btk_concat(k, 2, parts, -1));
}

const btk_operation btk_signal_operations[] = {
    {"f_f_t", fourier, "FFT"},
    {"f_f_t2", fourier, "FFT2D"},
    {"i_f_f_t2", fourier, "IFFT2D"},
    {"r_f_f_t", real_fourier, NULL},
    {"i_r_f_f_t", inverse_real_fourier, NULL},
    {"s_t_f_t", short_time_fourier, NULL},
    {"i_s_t_f_t", inverse_short_time_fourier, NULL},
    {"extract_sequences", sequences, NULL},
    {"polar", polar, NULL},
    {"view_as_complex", as_complex, NULL},
    {"view_as_real", as_real, NULL},
    {NULL, NULL, NULL},
};
