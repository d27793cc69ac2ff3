/* The vector maths of vec.h, written once and compiled for each instruction set: vec_avx2.c and vec_avx512.c
 * define the macros below and include this file. What each function computes is in vec.h, the plain loops
 * that it is tested against are in vec_c.c. GCC's vector types give + - * / and mixing with scalars.
 *
 *   V, M, W            vector of W floats, mask; FILL(f) the name of the table's filler
 *   LOAD STORE         whole vectors, any alignment; LOAD_N STORE_N the first n < W lanes (others read as 0)
 *   SET FMA(a,b,c)     broadcast; a b + c;  FNMA(a,b,c) = c - a b
 *   MAX MIN            x86's: the second operand when either is NaN
 *   LT GT EQ UNORD     masks; SELECT(m,a,b) = m ? a : b
 *   ROUND SQRT ABS     SIGN_OF(m, s): magnitude of m, sign of s
 *   SCALE(p, n)        p 2^n for integral -150 <= n <= 128, gradual underflow
 *   QUOTIENT(a, b)     a / b for 2^-100 < |b| < 2^100, |a| likewise or 0: within an ulp
 *   SPLIT(x, e)        x = result 2^*e, result in [1/sqrt 2, sqrt 2), for x > 0 (denormals too)
 *   SUM_LANES MAX_LANES MIN_LANES
 *
 * Coefficients are our own minimax fits (weighted least squares, Lawson's iteration) for relative error, those
 * of the quotients then moved by units of the last place to lessen the rounding. */

/* ---- Functions of one vector -------------------------------------------------------------------------- */

/* x = n ln 2 + r: e^x = 2^n (1 + r + r^2 q(r)); returns e^r - 1. q: 3e-9 relative in e^r, |r| <= ln 2 / 2. */
static inline V exp_parts(V x, V *n)
{
    *n = ROUND(x * 0x1.715476p+0f);
    V r = FNMA(*n, SET(0x1.62e4p-1f), x);
    r = FNMA(*n, SET(0x1.7f7d1cp-20f), r);
    V q = FMA(SET(0x1.6bebfap-10f), r, SET(0x1.1227b0p-7f));
    q = FMA(q, r, SET(0x1.555674p-5f));
    q = FMA(q, r, SET(0x1.5554b0p-3f));
    q = FMA(q, r, SET(0x1.fffffep-2f));
    return FMA(r * r, q, r);
}

/* For x already in [-104, 89] or NaN. */
static inline V exp_bounded(V x)
{
    V n, p = exp_parts(x, &n);
    return SCALE(p + 1.0f, n);
}

static inline V bound(V x, float low, float high) { return MIN(SET(high), MAX(SET(low), x)); }

static inline V f_exp(V x, V a, V b) { return (void)a, (void)b, exp_bounded(bound(x, -104.0f, 89.0f)); }

/* e^x - 1 = 2^n (e^r - 1) + (2^n - 1), for x <= 88. */
static inline V expm1_negative(V x)
{
    V n, p = exp_parts(MAX(SET(-88.0f), x), &n), s = SCALE(SET(1.0f), n);
    return FMA(s, p, s - 1.0f);
}

/* log(1 + f) = f - f^2/2 + f^3 p(f), 1e-8 relative for 1 + f in [1/sqrt 2, 1.5]; plus e ln 2. */
static inline V log_parts(V f, V e)
{
    V p = FMA(SET(-0x1.c83a66p-5f), f, SET(0x1.deeaa0p-4f));
    p = FMA(p, f, SET(-0x1.1414dcp-3f));
    p = FMA(p, f, SET(0x1.26b368p-3f));
    p = FMA(p, f, SET(-0x1.541f7ap-3f));
    p = FMA(p, f, SET(0x1.996c28p-3f));
    p = FMA(p, f, SET(-0x1.0002e0p-2f));
    p = FMA(p, f, SET(0x1.5555b2p-2f));
    V f2 = f * f, low = FMA(f2 * f, p, e * 0x1.7f7d1cp-20f);
    low = FMA(f2, SET(-0.5f), low);
    return FMA(e, SET(0x1.62e4p-1f), f + low);
}

static inline V f_log(V x, V a, V b)
{
    (void)a, (void)b;
    V e, m = SPLIT(x, &e), y = log_parts(m - 1.0f, e), inf = SET(__builtin_inff());
    y = SELECT(EQ(x, SET(0.0f)), -inf, y);
    y = SELECT(EQ(x, inf), inf, y);
    return SELECT(LT(x, SET(0.0f)), SET(__builtin_nanf("")), SELECT(UNORD(x, x), x, y));
}

static inline V sigmoid(V x)
{
    V e = exp_bounded(bound(x, -104.0f, 60.0f));
    return QUOTIENT(e, e + 1.0f);
}

static inline V f_sigmoid(V x, V a, V b) { return (void)a, (void)b, sigmoid(x); }
static inline V f_swish(V x, V a, V b) { return (void)a, (void)b, x * sigmoid(x); }

/* Below 0.6: x + x u P(u), u = x^2. Above: 1 - 2e / (1 + e), e = exp(-2 |x|). Within 1.5 ulp. */
static inline V f_tanh(V x, V a, V b)
{
    (void)a, (void)b;
    V z = ABS(x), u = x * x;
    V p = FMA(SET(-0x1.9b545ap-8f), u, SET(0x1.59f7d4p-6f));
    p = FMA(p, u, SET(-0x1.b9585ap-5f));
    p = FMA(p, u, SET(0x1.110eecp-3f));
    p = FMA(p, u, SET(-0x1.555554p-2f));
    V near = FMA(z * u, p, z), e = exp_bounded(MAX(SET(-104.0f), z * -2.0f));
    V far = 1.0f - QUOTIENT(e + e, e + 1.0f);
    return SELECT(UNORD(x, x), x, SIGN_OF(SELECT(LT(z, SET(0.6f)), near, far), x));
}

/* Phi(-z) for 0 <= z <= 14.2, Phi the normal distribution: e^(-z^2/2) g(t), g = erfcx(z / sqrt 2) / 2 as a polynomial
 * in t = 1 / (1 + z/4), 8e-9 relative. The square's rounding is carried into the exponential. */
static inline V normal_tail(V z)
{
    V t = QUOTIENT(SET(1.0f), FMA(z, SET(0.25f), SET(1.0f)));
    V g = FMA(SET(0x1.11bff6p-6f), t, SET(-0x1.04245ep-4f));
    g = FMA(g, t, SET(0x1.b56d32p-5f));
    g = FMA(g, t, SET(0x1.aa71c0p-6f));
    g = FMA(g, t, SET(0x1.e4b328p-7f));
    g = FMA(g, t, SET(0x1.5e2d80p-4f));
    g = FMA(g, t, SET(0x1.28a2dcp-4f));
    g = FMA(g, t, SET(0x1.86d7d8p-4f));
    g = FMA(g, t, SET(0x1.979230p-4f));
    g = FMA(g, t, SET(0x1.989090p-4f));
    V half = z * 0.5f, h = z * half, rest = FNMA(z, half, h); /* h - z^2/2 */
    V n, p = exp_parts(-h, &n);
    V tail = SCALE((p + 1.0f) * (g * t), n);
    return FMA(tail, rest, tail);
}

/* Below 0.9: x P(x^2), 1.2e-9 relative. Above: 1 - 2 Phi(-|x| sqrt 2). Within 2.5 ulp. */
static inline V f_erf(V x, V a, V b)
{
    (void)a, (void)b;
    V z = ABS(x), u = x * x;
    V p = FMA(SET(0x1.496a32p-14f), u, SET(-0x1.a3f700p-11f));
    p = FMA(p, u, SET(0x1.5405b2p-8f));
    p = FMA(p, u, SET(-0x1.b7f90ep-6f));
    p = FMA(p, u, SET(0x1.ce2cf8p-4f));
    p = FMA(p, u, SET(-0x1.81273ep-2f));
    p = FMA(p, u, SET(0x1.20dd74p+0f));
    V far = FMA(SET(-2.0f), normal_tail(MIN(SET(14.2f), z * 0x1.6a09e6p+0f)), SET(1.0f));
    return SELECT(UNORD(x, x), x, SIGN_OF(SELECT(LT(z, SET(0.9f)), z * p, far), x));
}

/* x Phi(x). */
static inline V f_gelu(V x, V a, V b)
{
    (void)a, (void)b;
    V tail = normal_tail(MIN(SET(14.2f), ABS(x)));
    return x * SELECT(GT(x, SET(0.0f)), 1.0f - tail, tail);
}

/* x/2 (1 + tanh u) = x sigmoid(2 u). */
static inline V f_gelu_tanh(V x, V a, V b)
{
    (void)a, (void)b;
    V u = FMA(x * x, SET(0x1.2444f2p-4f), SET(0x1.988454p+0f)); /* 2 sqrt(2/pi) (0.044715 x^2 + 1) */
    return x * sigmoid(x * u);
}

static inline V f_softplus(V x, V a, V b)
{
    (void)a, (void)b;
    /* max(x, 0) + log(1 + e^-|x|); u = 1 + e rounds, the term behind it puts that back. */
    V z = ABS(x), e = exp_bounded(MAX(SET(-104.0f), -z)), u = e + 1.0f, k, m = SPLIT(u, &k);
    V y = log_parts(m - 1.0f, k) + (e - (u - 1.0f)) / u + SELECT(GT(x, SET(0.0f)), x, SET(0.0f));
    return SELECT(UNORD(x, x), x, y);
}

static inline V f_copy(V x, V a, V b) { return (void)a, (void)b, x; }
static inline V f_relu(V x, V a, V b) { return (void)a, (void)b, MAX(SET(0.0f), x); }
static inline V f_relu6(V x, V a, V b) { return (void)a, (void)b, MIN(SET(6.0f), MAX(SET(0.0f), x)); }
static inline V f_clamp(V x, V a, V b) { return MIN(b, MAX(a, x)); }
static inline V f_leaky_relu(V x, V a, V b) { return (void)b, SELECT(GT(x, SET(0.0f)), x, x * a); }
static inline V f_elu(V x, V a, V b)
{
    return (void)a, (void)b, SELECT(LT(x, SET(0.0f)), expm1_negative(MIN(SET(0.0f), x)), x);
}
static inline V f_selu(V x, V a, V b)
{
    (void)a, (void)b;
    V y = expm1_negative(MIN(SET(0.0f), x)) * 1.7580993408473768f;
    return SELECT(LT(x, SET(0.0f)), y, x * 1.0507009873554805f);
}
static inline V f_softsign(V x, V a, V b) { return (void)a, (void)b, x / (ABS(x) + 1.0f); }
static inline V hard_sigmoid(V x) { return MIN(SET(6.0f), MAX(SET(0.0f), x + 3.0f)) * (1.0f / 6.0f); }
static inline V f_hard_sigmoid(V x, V a, V b) { return (void)a, (void)b, hard_sigmoid(x); }
static inline V f_hard_swish(V x, V a, V b) { return (void)a, (void)b, x * hard_sigmoid(x); }
static inline V f_sqrt(V x, V a, V b) { return (void)a, (void)b, SQRT(x); }
static inline V f_square(V x, V a, V b) { return (void)a, (void)b, x * x; }
static inline V f_neg(V x, V a, V b) { return (void)a, (void)b, -x; }
static inline V f_abs(V x, V a, V b) { return (void)a, (void)b, ABS(x); }
static inline V f_affine(V x, V a, V b) { return FMA(x, a, b); }

/* ---- Functions of two --------------------------------------------------------------------------------- */

/* Either's NaN comes through. */
static inline V max_nan(V a, V b) { return SELECT(UNORD(a, a), a, MAX(a, b)); }
static inline V min_nan(V a, V b) { return SELECT(UNORD(a, a), a, MIN(a, b)); }
static inline V g_add(V a, V b) { return a + b; }
static inline V g_sub(V a, V b) { return a - b; }
static inline V g_mul(V a, V b) { return a * b; }
static inline V g_div(V a, V b) { return a / b; }
static inline V g_max(V a, V b) { return max_nan(a, b); }
static inline V g_min(V a, V b) { return min_nan(a, b); }
static inline V g_squared_difference(V a, V b) { return (a - b) * (a - b); }

/* ---- Loops -------------------------------------------------------------------------------------------- */

#define UNARY(f)                                                                                     \
    static void unary_##f(float *y, const float *x, int64_t n, float a, float b)                     \
    {                                                                                                \
        V va = SET(a), vb = SET(b);                                                                  \
        int64_t i = 0;                                                                               \
        _Pragma("GCC unroll 4") for (; i + W <= n; i += W) STORE(y + i, f_##f(LOAD(x + i), va, vb)); \
        if (i < n) STORE_N(y + i, f_##f(LOAD_N(x + i, n - i), va, vb), n - i);                       \
    }
#define BINARY(f)                                                                                         \
    static void binary_##f(float *y, const float *a, const float *b, int64_t n)                           \
    {                                                                                                     \
        int64_t i = 0;                                                                                    \
        _Pragma("GCC unroll 4") for (; i + W <= n; i += W) STORE(y + i, g_##f(LOAD(a + i), LOAD(b + i))); \
        if (i < n) STORE_N(y + i, g_##f(LOAD_N(a + i, n - i), LOAD_N(b + i, n - i)), n - i);              \
    }                                                                                                     \
    static void binary_scalar_##f(float *y, const float *a, const float *b, int64_t n)                    \
    {                                                                                                     \
        V v = n > 0 ? SET(b[0]) : SET(0.0f);                                                              \
        int64_t i = 0;                                                                                    \
        _Pragma("GCC unroll 4") for (; i + W <= n; i += W) STORE(y + i, g_##f(LOAD(a + i), v));           \
        if (i < n) STORE_N(y + i, g_##f(LOAD_N(a + i, n - i), v), n - i);                                 \
    }                                                                                                     \
    static void scalar_binary_##f(float *y, const float *a, const float *b, int64_t n)                    \
    {                                                                                                     \
        V v = n > 0 ? SET(a[0]) : SET(0.0f);                                                              \
        int64_t i = 0;                                                                                    \
        _Pragma("GCC unroll 4") for (; i + W <= n; i += W) STORE(y + i, g_##f(v, LOAD(b + i)));           \
        if (i < n) STORE_N(y + i, g_##f(v, LOAD_N(b + i, n - i)), n - i);                                 \
    }

#define VEC_UNARIES(X)            \
    X(COPY, copy)                 \
    X(RELU, relu)                 \
    X(RELU6, relu6)               \
    X(CLAMP, clamp)               \
    X(LEAKY_RELU, leaky_relu)     \
    X(ELU, elu)                   \
    X(SELU, selu)                 \
    X(EXP, exp)                   \
    X(LOG, log)                   \
    X(SIGMOID, sigmoid)           \
    X(TANH, tanh)                 \
    X(SOFTPLUS, softplus)         \
    X(SOFTSIGN, softsign)         \
    X(SWISH, swish)               \
    X(HARD_SWISH, hard_swish)     \
    X(HARD_SIGMOID, hard_sigmoid) \
    X(ERF, erf)                   \
    X(GELU, gelu)                 \
    X(GELU_TANH, gelu_tanh)       \
    X(SQRT, sqrt)                 \
    X(SQUARE, square)             \
    X(NEG, neg)                   \
    X(ABS, abs)                   \
    X(AFFINE, affine)
#define VEC_BINARIES(X) \
    X(ADD, add)         \
    X(SUB, sub)         \
    X(MUL, mul)         \
    X(DIV, div)         \
    X(MAX, max)         \
    X(MIN, min)         \
    X(SQUARED_DIFFERENCE, squared_difference)

#define X(id, f) UNARY(f)
VEC_UNARIES(X)
#undef X
#define X(id, f) BINARY(f)
VEC_BINARIES(X)
#undef X

/* Four accumulators over blocks of 4096, the blocks' sums in double: the error stays that of a short sum. */
enum { BLOCK = 4096 };

#define FOLD(name, step)                                                         \
    static float name##_block(const float *x, int64_t n)                         \
    {                                                                            \
        V s[4] = {SET(0.0f), SET(0.0f), SET(0.0f), SET(0.0f)};                   \
        int64_t i = 0;                                                           \
        for (; i + 4 * W <= n; i += 4 * W)                                       \
            for (int j = 0; j < 4; j++) s[j] = step(s[j], LOAD(x + i + j * W));  \
        for (; i + W <= n; i += W) s[0] = step(s[0], LOAD(x + i));               \
        if (i < n) s[1] = step(s[1], LOAD_N(x + i, n - i));                      \
        return SUM_LANES((s[0] + s[1]) + (s[2] + s[3]));                         \
    }                                                                            \
    static float name(const float *x, int64_t n)                                 \
    {                                                                            \
        double total = 0;                                                        \
        if (n <= BLOCK) return name##_block(x, n);                               \
        for (int64_t i = 0; i < n; i += BLOCK)                                   \
            total += (double)name##_block(x + i, n - i < BLOCK ? n - i : BLOCK); \
        return (float)total;                                                     \
    }
#define STEP_SUM(s, x) ((s) + (x))
static inline V square_into(V s, V x) { return FMA(x, x, s); }
FOLD(fold_sum, STEP_SUM)
FOLD(fold_sum_squares, square_into)

#define FOLD_EXTREME(name, f, lanes, start)                                  \
    static float name(const float *x, int64_t n)                             \
    {                                                                        \
        V none = SET(start), s[4] = {none, none, none, none};                \
        int64_t i = 0;                                                       \
        for (; i + 4 * W <= n; i += 4 * W)                                   \
            for (int j = 0; j < 4; j++) s[j] = f(s[j], LOAD(x + i + j * W)); \
        for (; i + W <= n; i += W) s[0] = f(s[0], LOAD(x + i));              \
        V all = f(f(s[0], s[1]), f(s[2], s[3]));                             \
        if (ANY(UNORD(all, all))) return __builtin_nanf("");                 \
        float y = lanes(all);                                                \
        for (; i < n && y == y; i++) y = f##_scalar(y, x[i]);                \
        return y;                                                            \
    }
static inline float max_nan_scalar(float a, float b) { return a > b ? a : b; }
static inline float min_nan_scalar(float a, float b) { return a < b ? a : b; }
FOLD_EXTREME(fold_max, max_nan, MAX_LANES, -__builtin_inff())
FOLD_EXTREME(fold_min, min_nan, MIN_LANES, __builtin_inff())

static float dot(const float *a, const float *b, int64_t n)
{
    V s[4] = {SET(0.0f), SET(0.0f), SET(0.0f), SET(0.0f)};
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W)
        for (int j = 0; j < 4; j++) s[j] = FMA(LOAD(a + i + j * W), LOAD(b + i + j * W), s[j]);
    for (; i + W <= n; i += W) s[0] = FMA(LOAD(a + i), LOAD(b + i), s[0]);
    if (i < n) s[1] = FMA(LOAD_N(a + i, n - i), LOAD_N(b + i, n - i), s[1]);
    return SUM_LANES((s[0] + s[1]) + (s[2] + s[3]));
}

static void accumulate(float *y, const float *x, int64_t n) { binary_add(y, y, x, n); }

/* The processor's estimate and one step of Newton's, without fused products, eight at a time, and the exact function for the
 * rest: TensorFlow's numbers to the bit, where a correctly rounded root would differ from them by an ulp. */
static void unary_rsqrt(float *y, const float *x, int64_t n, float a, float b)
{
    (void)a, (void)b;
    const __m256 least = _mm256_set1_ps(0x1p-126f), most = _mm256_set1_ps(0x1.fffffep127f);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i), r = _mm256_rsqrt_ps(v);
        __m256 error = (v * r) * r - _mm256_set1_ps(1.0f);
        __m256 better = (r * _mm256_set1_ps(-0.5f)) * error + r;
        __m256 normal = _mm256_and_ps(_mm256_cmp_ps(v, least, _CMP_GE_OQ), _mm256_cmp_ps(v, most, _CMP_LE_OQ));
        _mm256_storeu_ps(y + i, _mm256_blendv_ps(r, better, normal));
    }
    for (; i < n; i++) y[i] = 1.0f / __builtin_sqrtf(x[i]);
}

/* Columns [0, n) of at most 4 vectors, the last of which may be partial. */
static inline __attribute__((always_inline)) void sum_strip(float *y, const float *x, int64_t rows, int64_t stride, int64_t n,
                                                            const int vectors)
{
    V s[4][4];
    for (int k = 0; k < 4; k++)
        for (int v = 0; v < vectors; v++) s[k][v] = SET(0.0f);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4)
        for (int k = 0; k < 4; k++)
            for (int v = 0; v < vectors; v++) {
                const float *p = x + (r + k) * stride + v * W;
                s[k][v] = s[k][v] + (v + 1 < vectors || n == vectors * W ? LOAD(p) : LOAD_N(p, n - v * W));
            }
    for (int v = 0; v < vectors; v++) {
        V sum = s[0][v] + s[1][v] + s[2][v] + s[3][v];
        bool whole = v + 1 < vectors || n == vectors * W;
        for (int64_t q = r; q < rows; q++) {
            const float *p = x + q * stride + v * W;
            sum = sum + (whole ? LOAD(p) : LOAD_N(p, n - v * W));
        }
        if (whole) STORE(y + v * W, sum);
        else STORE_N(y + v * W, sum, n - v * W);
    }
}

static void sum_rows(float *y, const float *x, int64_t rows, int64_t stride, int64_t n)
{
    int64_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) sum_strip(y + i, x + i, rows, stride, 4 * W, 4);
    for (; i + W <= n; i += W) sum_strip(y + i, x + i, rows, stride, W, 1);
    if (i < n) sum_strip(y + i, x + i, rows, stride, n - i, 1);
}

static void scale_shift(float *y, const float *x, const float *a, const float *b, int64_t n)
{
    int64_t i = 0;
    for (; i + W <= n; i += W) STORE(y + i, FMA(LOAD(x + i), LOAD(a + i), LOAD(b + i)));
    if (i < n) STORE_N(y + i, FMA(LOAD_N(x + i, n - i), LOAD_N(a + i, n - i), LOAD_N(b + i, n - i)), n - i);
}

/* Three passes: scaled logits into y (when they differ from x), e^(y - max) and its sum, division. */
static void softmax(float *y, const float *x, int64_t n, float scale, const float *mask)
{
    int64_t i = 0;
    V vs = SET(scale), sum = SET(0.0f);
    if (mask || scale != 1.0f) {
        for (; i + W <= n; i += W) STORE(y + i, FMA(LOAD(x + i), vs, mask ? LOAD(mask + i) : SET(0.0f)));
        if (i < n)
            STORE_N(y + i, FMA(LOAD_N(x + i, n - i), vs, mask ? LOAD_N(mask + i, n - i) : SET(0.0f)), n - i);
        x = y;
    }
    V top = SET(fold_max(x, n));
    for (i = 0; i + W <= n; i += W) {
        V e = exp_bounded(MAX(SET(-104.0f), LOAD(x + i) - top));
        sum = sum + e;
        STORE(y + i, e);
    }
    float tail = 0;
    if (i < n) {
        V e = exp_bounded(MAX(SET(-104.0f), LOAD_N(x + i, n - i) - top));
        STORE_N(y + i, e, n - i);
        for (int64_t j = i; j < n; j++) tail += y[j];
    }
    float inverse = 1.0f / (SUM_LANES(sum) + tail);
    binary_scalar_mul(y, y, &inverse, n);
}

static void layer_norm(float *y, const float *x, const float *gamma, const float *beta, float epsilon,
                       int64_t n)
{
    float mean = fold_sum(x, n) / (float)n;
    V m = SET(mean), s[2] = {SET(0.0f), SET(0.0f)};
    int64_t i = 0;
    for (int j = 0; i + W <= n; i += W, j ^= 1) s[j] = square_into(s[j], LOAD(x + i) - m);
    float squares = 0;
    for (; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    float variance = (SUM_LANES(s[0] + s[1]) + squares) / (float)n;
    V scale = SET(1.0f / __builtin_sqrtf(variance + epsilon)), one = SET(1.0f), zero = SET(0.0f);
    for (i = 0; i + W <= n; i += W) {
        V v = (LOAD(x + i) - m) * scale;
        STORE(y + i, FMA(v, gamma ? LOAD(gamma + i) : one, beta ? LOAD(beta + i) : zero));
    }
    if (i < n) {
        V v = (LOAD_N(x + i, n - i) - m) * scale;
        v = FMA(v, gamma ? LOAD_N(gamma + i, n - i) : one, beta ? LOAD_N(beta + i, n - i) : zero);
        STORE_N(y + i, v, n - i);
    }
}

void FILL(bt_vec_kernels *k);

void FILL(bt_vec_kernels *k)
{
#define X(id, f) k->unary[BT_VEC_##id] = unary_##f;
    VEC_UNARIES(X)
#undef X
#define X(id, f)                                       \
    k->binary[BT_VEC_##id] = binary_##f;               \
    k->binary_scalar[BT_VEC_##id] = binary_scalar_##f; \
    k->scalar_binary[BT_VEC_##id] = scalar_binary_##f;
    VEC_BINARIES(X)
#undef X
    k->fold[BT_VEC_SUM] = fold_sum;
    k->fold[BT_VEC_SUM_SQUARES] = fold_sum_squares;
    k->unary[BT_VEC_RSQRT] = unary_rsqrt;
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
