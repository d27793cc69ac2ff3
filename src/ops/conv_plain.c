/* Convolutions by plain loops. Sums are in the tensor's own dtype, as TensorFlow has them; int32 wraps. */
#include "ops/conv_plain.h"

typedef struct plain {
    const bt_windowing *w;
    const bt_sizes *s;
    int64_t groups;
    const void *x, *weights;
    void *y;
} plain;

/* The input pixel under tap k of output i along an axis; -1 outside. */
static int64_t under(const plain *p, int axis, int64_t i, int64_t k)
{
    int64_t at = i * p->w->stride[axis] - p->s->before[axis] + k * p->w->dilation[axis];
    return at < p->s->in[axis] ? at : -1;
}

/* The output whose tap k lies over input pixel i along an axis; -1: none. */
static int64_t over(const plain *p, int axis, int64_t i, int64_t k)
{
    int64_t at = i + p->s->before[axis] - k * p->w->dilation[axis];
    return at >= 0 && at % p->w->stride[axis] == 0 && at / p->w->stride[axis] < p->s->out[axis]
               ? at / p->w->stride[axis]
               : -1;
}

/* Index of the input (dense) or output (transposed) pixel that meets pixel `at` at tap t; -1: none. */
static int64_t meets(const plain *p, bool transposed, const int64_t at[BT_AXES], int64_t tap)
{
    const int64_t *filter = p->s->filter, *size = transposed ? p->s->out : p->s->in;
    const int64_t k[BT_AXES] = {tap / (filter[1] * filter[2]), tap / filter[2] % filter[1], tap % filter[2]};
    int64_t index = 0;
    for (int i = 0; i < BT_AXES; i++) {
        int64_t one = transposed ? over(p, i, at[i], k[i]) : under(p, i, at[i], k[i]);
        if (one < 0) return -1;
        index = index * size[i] + one;
    }
    return index;
}

#define DENSE(T)                                                                          \
    for (int64_t g = 0; g < p->groups; g++)                                               \
        for (int64_t c = 0; c < n_in; c++) {                                              \
            const T *w = (const T *)p->weights + (tap * n_in + c) * s->out_c + g * n_out; \
            T a = x[g * n_in + c];                                                        \
            for (int64_t k = 0; k < n_out; k++) y[g * n_out + k] += a * w[k];             \
        }

#define DEPTHWISE(T)                       \
    for (int64_t k = 0; k < s->out_c; k++) \
        y[k] += x[k / multiplier] * ((const T *)p->weights)[tap * s->out_c + k];

#define TRANSPOSED(T)                                                                     \
    for (int64_t g = 0; g < p->groups; g++)                                               \
        for (int64_t c = 0; c < n_in; c++) {                                              \
            const T *w = (const T *)p->weights + (tap * n_in + c) * s->out_c + g * n_out; \
            T sum = 0;                                                                    \
            for (int64_t k = 0; k < n_out; k++) sum += x[g * n_out + k] * w[k];           \
            y[g * n_in + c] += sum;                                                       \
        }

#define DEPTHWISE_TRANSPOSED(T)            \
    for (int64_t k = 0; k < s->out_c; k++) \
        y[k / multiplier] += x[k] * ((const T *)p->weights)[tap * s->out_c + k];

/* Pixels [begin, end) of y: its own channels, and those of x, which are the other side's. */
#define PIXELS(name, T, FORM, is_transposed)                                                               \
    static void name(void *user, int64_t begin, int64_t end, int worker)                                   \
    {                                                                                                      \
        const plain *p = user;                                                                             \
        const bt_sizes *s = p->s;                                                                          \
        const int64_t *size = is_transposed ? s->in : s->out, taps = bt_axes_count(s->filter);             \
        int64_t y_c = is_transposed ? s->in_c : s->out_c, x_c = is_transposed ? s->out_c : s->in_c;        \
        int64_t n_in = s->in_c / p->groups, n_out = s->out_c / p->groups, multiplier = s->out_c / s->in_c; \
        int64_t x_image = bt_axes_count(is_transposed ? s->out : s->in);                                   \
        (void)worker, (void)n_in, (void)n_out, (void)multiplier;                                           \
        for (int64_t i = begin; i < end; i++) {                                                            \
            const int64_t at[BT_AXES] = {i / (size[1] * size[2]) % size[0], i / size[2] % size[1],         \
                                         i % size[2]};                                                     \
            const T *image = (const T *)p->x + i / (size[0] * size[1] * size[2]) * x_image * x_c;          \
            T *y = (T *)p->y + i * y_c;                                                                    \
            for (int64_t c = 0; c < y_c; c++) y[c] = 0;                                                    \
            for (int64_t tap = 0; tap < taps; tap++) {                                                     \
                int64_t met = meets(p, is_transposed, at, tap);                                            \
                if (met < 0) continue;                                                                     \
                const T *x = image + met * x_c;                                                            \
                FORM(T)                                                                                    \
            }                                                                                              \
        }                                                                                                  \
    }
#define FORMS(name, T)                             \
    PIXELS(dense_##name, T, DENSE, false)          \
    PIXELS(depthwise_##name, T, DEPTHWISE, false)  \
    PIXELS(transposed_##name, T, TRANSPOSED, true) \
    PIXELS(depthwise_transposed_##name, T, DEPTHWISE_TRANSPOSED, true)
FORMS(float, float)
FORMS(double, double)
FORMS(int32, uint32_t)

bool bt_conv_plain(bt_conv_form form, berth_dtype dtype, const bt_windowing *w, const bt_sizes *s,
                   int64_t groups, const void *x, const void *weights, void *y, bt_pool *pool)
{
    static bt_range_fn *const forms[4][3] = {
        [BT_CONV_DENSE] = {dense_float, dense_double, dense_int32},
        [BT_CONV_DEPTHWISE] = {depthwise_float, depthwise_double, depthwise_int32},
        [BT_CONV_TRANSPOSED] = {transposed_float, transposed_double, transposed_int32},
        [BT_CONV_DEPTHWISE_TRANSPOSED] = {depthwise_transposed_float, depthwise_transposed_double,
                                          depthwise_transposed_int32},
    };
    plain p = {w, s, groups, x, weights, y};
    int kind = dtype == BERTH_FLOAT ? 0 : dtype == BERTH_DOUBLE ? 1 : dtype == BERTH_INT32 ? 2 : -1;
    if (kind < 0) return false;
    bool is_depthwise = form == BT_CONV_DEPTHWISE || form == BT_CONV_DEPTHWISE_TRANSPOSED;
    bool is_transposed = form == BT_CONV_TRANSPOSED || form == BT_CONV_DEPTHWISE_TRANSPOSED;
    double each = (double)bt_axes_count(s->filter) * (double)s->out_c * (double)(is_depthwise ? 1 : s->in_c);
    int64_t pixels = s->batch * bt_axes_count(is_transposed ? s->in : s->out);
    if (s->in_c > 0 && s->out_c > 0)
        bt_parallel(pool, pixels, 1 + (int64_t)(20000 / (each + 1)), forms[form][kind], &p);
    return true;
}
