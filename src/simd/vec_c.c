/* vec.h in plain C on libm: the reference of the vector versions, and what runs where there is none. */
#include <math.h>

#include "simd/vec.h"
#include "simd/vec_bf16.h"

static float sigmoid(float x)
{
    float e = expf(x < 60.0f ? x : x != x ? x : 60.0f);
    return e / (1.0f + e);
}
static float relu6(float x) { return x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x; }
static float max_nan(float a, float b) { return a != a ? a : a > b ? a : b; }
static float min_nan(float a, float b) { return a != a ? a : a < b ? a : b; }
static float softplus(float x) { return x != x ? x : fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }
static double normal(double x) { return 0.5 * erfc(-x * 0.70710678118654752440); }
static float gelu_tanh(float x) { return x * sigmoid(1.5957691216057308f * x * (1.0f + 0.044715f * x * x)); }

#define UNARY(f, expression)                                                     \
    static void unary_##f(float *y, const float *p, int64_t n, float a, float b) \
    {                                                                            \
        (void)a, (void)b;                                                        \
        for (int64_t i = 0; i < n; i++) {                                        \
            float x = p[i];                                                      \
            y[i] = (float)(expression);                                          \
        }                                                                        \
    }
#define UNARIES(X)                                                                      \
    X(COPY, copy, x)                                                                    \
    X(RELU, relu, x <= 0.0f ? 0.0f : x)                                                 \
    X(RELU6, relu6, relu6(x))                                                           \
    X(CLAMP, clamp, x<a ? (a > b ? b : a) : x> b ? b : x)                               \
    X(LEAKY_RELU, leaky_relu, x > 0.0f ? x : x * a)                                     \
    X(ELU, elu, x < 0.0f ? expm1f(x) : x)                                               \
    X(SELU, selu, x < 0.0f ? 1.7580993408473768f * expm1f(x) : 1.0507009873554805f * x) \
    X(EXP, exp, expf(x))                                                                \
    X(LOG, log, logf(x))                                                                \
    X(SIGMOID, sigmoid, sigmoid(x))                                                     \
    X(TANH, tanh, tanhf(x))                                                             \
    X(SOFTPLUS, softplus, softplus(x))                                                  \
    X(SOFTSIGN, softsign, x / (1.0f + fabsf(x)))                                        \
    X(SWISH, swish, x *sigmoid(x))                                                      \
    X(HARD_SWISH, hard_swish, x *(relu6(x + 3.0f) * (1.0f / 6.0f)))                     \
    X(HARD_SIGMOID, hard_sigmoid, relu6(x + 3.0f) * (1.0f / 6.0f))                      \
    X(ERF, erf, erff(x))                                                                \
    X(GELU, gelu, x *normal(x))                                                         \
    X(GELU_TANH, gelu_tanh, gelu_tanh(x))                                               \
    X(SQRT, sqrt, sqrtf(x))                                                             \
    X(RSQRT, rsqrt, 1.0f / sqrtf(x))                                                    \
    X(SQUARE, square, x *x)                                                             \
    X(NEG, neg, -x)                                                                     \
    X(ABS, abs, fabsf(x))                                                               \
    X(AFFINE, affine, a *x + b)

#define BINARY(f, expression)                                                          \
    static inline float g_##f(float a, float b) { return expression; }                 \
    static void binary_##f(float *y, const float *a, const float *b, int64_t n)        \
    {                                                                                  \
        for (int64_t i = 0; i < n; i++) y[i] = g_##f(a[i], b[i]);                      \
    }                                                                                  \
    static void binary_scalar_##f(float *y, const float *a, const float *b, int64_t n) \
    {                                                                                  \
        float s = n > 0 ? b[0] : 0.0f;                                                 \
        for (int64_t i = 0; i < n; i++) y[i] = g_##f(a[i], s);                         \
    }                                                                                  \
    static void scalar_binary_##f(float *y, const float *a, const float *b, int64_t n) \
    {                                                                                  \
        float s = n > 0 ? a[0] : 0.0f;                                                 \
        for (int64_t i = 0; i < n; i++) y[i] = g_##f(s, b[i]);                         \
    }
#define BINARIES(X)            \
    X(ADD, add, a + b)         \
    X(SUB, sub, a - b)         \
    X(MUL, mul, a *b)          \
    X(DIV, div, a / b)         \
    X(MAX, max, max_nan(a, b)) \
    X(MIN, min, min_nan(a, b)) \
    X(SQUARED_DIFFERENCE, squared_difference, (a - b) * (a - b))

#define X(id, f, expression) UNARY(f, expression)
UNARIES(X)
#undef X
#define X(id, f, expression) BINARY(f, expression)
BINARIES(X)
#undef X

#define FOLD(name, type, start, step)             \
    static float name(const float *x, int64_t n)  \
    {                                             \
        type s = start;                           \
        for (int64_t i = 0; i < n; i++) s = step; \
        return (float)s;                          \
    }
FOLD(fold_sum, double, 0, s + (double)x[i])
FOLD(fold_sum_squares, double, 0, s + (double)x[i] * (double)x[i])
FOLD(fold_max, float, -INFINITY, max_nan(s, x[i]))
FOLD(fold_min, float, INFINITY, min_nan(s, x[i]))

static float dot(const float *a, const float *b, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (double)a[i] * (double)b[i];
    return (float)s;
}

static void accumulate(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void sum_rows(float *y, const float *x, int64_t rows, int64_t stride, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float s[4] = {0};
        int64_t r = 0;
        for (; r + 4 <= rows; r += 4)
            for (int k = 0; k < 4; k++) s[k] += x[(r + k) * stride + i];
        y[i] = s[0] + s[1] + s[2] + s[3];
        for (; r < rows; r++) y[i] += x[r * stride + i];
    }
}

static void scale_shift(float *y, const float *x, const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * a[i] + b[i];
}

static void softmax(float *y, const float *x, int64_t n, float scale, const float *mask)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) y[i] = scale * x[i] + (mask ? mask[i] : 0.0f);
    float top = fold_max(y, n);
    for (int64_t i = 0; i < n; i++) sum += (double)(y[i] = expf(y[i] - top));
    for (int64_t i = 0; i < n; i++) y[i] = (float)(y[i] / sum);
}

static void layer_norm(float *y, const float *x, const float *gamma, const float *beta, float epsilon,
                       int64_t n)
{
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; i++) mean += (double)x[i] / (double)n;
    for (int64_t i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)n;
    double scale = 1.0 / sqrt(variance + (double)epsilon);
    for (int64_t i = 0; i < n; i++) {
        double v = (x[i] - mean) * scale;
        y[i] = (float)(v * (gamma ? (double)gamma[i] : 1.0) + (beta ? (double)beta[i] : 0.0));
    }
}

/* The half's bits moved into a float's places are value * 2^-112, denormals included. */
static void half_to_float(float *y, const uint16_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        union {
            uint32_t u;
            float f;
        } v = {(uint32_t)(x[i] & 0x7fff) << 13};
        if ((x[i] & 0x7c00) == 0x7c00) v.u |= 0x7f800000; /* infinity, NaN */
        else v.f *= 0x1p112f;
        v.u |= (uint32_t)(x[i] & 0x8000) << 16;
        y[i] = v.f;
    }
}

static uint16_t to_half(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {x};
    uint32_t sign = v.u >> 16 & 0x8000, u = v.u & 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x3ff));
    if (u >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and above */
    if (u < 0x38800000) { /* below 2^-14: adding 1/2 rounds at the denormals' step */
        v.u = u, v.f += 0.5f;
        return (uint16_t)(sign | (v.u - 0x3f000000));
    }
    return (uint16_t)(sign | ((u - 0x38000000 + 0xfff + (u >> 13 & 1)) >> 13));
}

static void float_to_half(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = to_half(x[i]);
}

void bt_vec_fill_c(bt_vec_kernels *k);

void bt_vec_fill_c(bt_vec_kernels *k)
{
#define X(id, f, expression) k->unary[BT_VEC_##id] = unary_##f;
    UNARIES(X)
#undef X
#define X(id, f, expression)                           \
    k->binary[BT_VEC_##id] = binary_##f;               \
    k->binary_scalar[BT_VEC_##id] = binary_scalar_##f; \
    k->scalar_binary[BT_VEC_##id] = scalar_binary_##f;
    BINARIES(X)
#undef X
    k->fold[BT_VEC_SUM] = fold_sum;
    k->fold[BT_VEC_SUM_SQUARES] = fold_sum_squares;
    k->fold[BT_VEC_FOLD_MAX] = fold_max;
    k->fold[BT_VEC_FOLD_MIN] = fold_min;
    k->dot = dot;
    k->accumulate = accumulate;
    k->sum_rows = sum_rows;
    k->scale_shift = scale_shift;
    k->softmax = softmax;
    k->layer_norm = layer_norm;
    k->half_to_float = half_to_float;
    k->float_to_half = float_to_half;
    k->bf16_to_float = bf16_to_float;
    k->float_to_bf16 = float_to_bf16;
}
