/* What follows the sums of a product or convolution, as bt_epilogue has it (product.h). Included by their kernels, whose
 * struct `by` says which arguments there are (those that are not there may be any pointer). */

/* As in bt_vec_unary. */
enum {
    LEAKY_RELU = 4,
    ELU,
    SELU,
    SIGMOID = 9,
    TANH,
    SOFTPLUS,
    SWISH = 13,
    HARD_SWISH,
    HARD_SIGMOID,
    GELU = 17,
    GELU_TANH
};

DEVFN A activate(A x, I64 kind, A p)
{
    switch (kind) {
    case LEAKY_RELU: return x > 0 ? x : x * p;
    case ELU: return x < 0 ? expm1(x) : x;
    case SELU: return x < 0 ? (A)1.7580993408473768599 * expm1(x) : (A)1.0507009873554804934 * x;
    case SIGMOID: return 1 / (1 + exp(-x));
    case TANH: return tanh(x);
    case SOFTPLUS: return x != x ? x : (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
    case SWISH: return x / (1 + exp(-x));
    case HARD_SWISH: return x * ((x + 3 <= 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6);
    case HARD_SIGMOID: return (x + 3 <= 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6;
    case GELU: return x * (A)0.5 * (1 + erf(x * (A)0.70710678118654752440));
    case GELU_TANH: return x * (A)0.5 * (1 + tanh((A)0.79788456080286535588 * (x + (A)0.044715 * x * x * x)));
    default: return x;
    }
}

#define EPILOGUE_ARGUMENTS                                                                                               \
    GLOBAL const T *scale, GLOBAL const T *bias, GLOBAL const float *norm, GLOBAL const float *offset,                   \
        GLOBAL const float *mean, GLOBAL const float *variance, GLOBAL const T *add, float low, float high, float alpha, \
        float epsilon

/* The sum of channel k, at element `at` of y. */
#define FINISH(sum, k, at)                                                                       \
    {                                                                                            \
        A v_ = sum;                                                                              \
        if (by.scale) v_ *= LOAD(scale, k);                                                      \
        if (by.bias) v_ += LOAD(bias, k);                                                        \
        if (by.norm) v_ = (v_ - mean[k]) * (norm[k] / sqrt(variance[k] + epsilon)) + offset[k];  \
        if (by.add) v_ += LOAD(add, at);                                                         \
        if (v_ < low) v_ = low;                                                                  \
        if (v_ > high) v_ = high;                                                                \
        STORE(y, at, by.activation ? activate(v_, by.activation, alpha) : v_);                   \
    }
