/* Vector maths on float rows: y and x may be the same pointer, never overlap otherwise; any n >= 0, any
 * alignment. Accuracy: within 4 ulp of the exact function for normal results (tanh 5, erf-based gelu 8), NaN and
 * infinity as TensorFlow's kernels have them. */
#ifndef BT_VEC_H
#define BT_VEC_H

#include <stdbool.h>
#include <stdint.h>

typedef enum bt_vec_unary {
    BT_VEC_COPY,
    BT_VEC_RELU,       /* max(x, 0) */
    BT_VEC_RELU6,      /* min(max(x, 0), 6) */
    BT_VEC_CLAMP,      /* min(max(x, a), b) */
    BT_VEC_LEAKY_RELU, /* x > 0 ? x : a x */
    BT_VEC_ELU,        /* x > 0 ? x : e^x - 1 */
    BT_VEC_SELU,
    BT_VEC_EXP,
    BT_VEC_LOG,
    BT_VEC_SIGMOID,
    BT_VEC_TANH,
    BT_VEC_SOFTPLUS,
    BT_VEC_SOFTSIGN,
    BT_VEC_SWISH,        /* x sigmoid(x) */
    BT_VEC_HARD_SWISH,   /* x relu6(x + 3) / 6 */
    BT_VEC_HARD_SIGMOID, /* relu6(x + 3) / 6 */
    BT_VEC_ERF,
    BT_VEC_GELU,         /* x/2 (1 + erf(x / sqrt 2)) */
    BT_VEC_GELU_TANH,    /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    BT_VEC_SQRT,
    BT_VEC_RSQRT,
    BT_VEC_SQUARE,
    BT_VEC_NEG,
    BT_VEC_ABS,
    BT_VEC_AFFINE, /* a x + b */
    BT_VEC_UNARY_COUNT
} bt_vec_unary;

typedef enum bt_vec_binary {
    BT_VEC_ADD,
    BT_VEC_SUB,
    BT_VEC_MUL,
    BT_VEC_DIV,
    BT_VEC_MAX,
    BT_VEC_MIN,
    BT_VEC_SQUARED_DIFFERENCE,
    BT_VEC_BINARY_COUNT
} bt_vec_binary;

typedef enum bt_vec_fold { BT_VEC_SUM, BT_VEC_SUM_SQUARES, BT_VEC_FOLD_MAX, BT_VEC_FOLD_MIN, BT_VEC_FOLD_COUNT } bt_vec_fold;

/* y[i] = f(x[i]); a and b are the function's parameters where it has some. */
typedef void bt_vec_unary_fn(float *y, const float *x, int64_t n, float a, float b);
typedef void bt_vec_binary_fn(float *y, const float *a, const float *b, int64_t n);

typedef struct bt_vec_kernels {
    bt_vec_unary_fn *unary[BT_VEC_UNARY_COUNT];
    bt_vec_binary_fn *binary[BT_VEC_BINARY_COUNT];        /* y[i] = a[i] op b[i] */
    bt_vec_binary_fn *binary_scalar[BT_VEC_BINARY_COUNT]; /* y[i] = a[i] op b[0] */
    bt_vec_binary_fn *scalar_binary[BT_VEC_BINARY_COUNT]; /* y[i] = a[0] op b[i] */
    float (*fold[BT_VEC_FOLD_COUNT])(const float *x, int64_t n); /* n = 0: 0, 0, -inf, +inf */
    float (*dot)(const float *a, const float *b, int64_t n);
    /* y[i] += x[i] */
    void (*accumulate)(float *y, const float *x, int64_t n);
    /* y[i] = sum over r of x[r stride + i], in four sums (r mod 4) and then the last rows % 4 rows: the order in which
     * TensorFlow adds along an outer axis */
    void (*sum_rows)(float *y, const float *x, int64_t rows, int64_t stride, int64_t n);
    /* y[i] = x[i] a[i] + b[i] */
    void (*scale_shift)(float *y, const float *x, const float *a, const float *b, int64_t n);
    /* y = softmax(scale x + mask) over one row; mask may be NULL */
    void (*softmax)(float *y, const float *x, int64_t n, float scale, const float *mask);
    /* y = (x - mean) / sqrt(variance + epsilon) gamma + beta over one row; gamma, beta may be NULL */
    void (*layer_norm)(float *y, const float *x, const float *gamma, const float *beta, float epsilon, int64_t n);
    void (*half_to_float)(float *y, const uint16_t *x, int64_t n);
    void (*float_to_half)(uint16_t *y, const float *x, int64_t n);
    void (*bf16_to_float)(float *y, const uint16_t *x, int64_t n);
    void (*float_to_bf16)(uint16_t *y, const float *x, int64_t n);
} bt_vec_kernels;

#endif
