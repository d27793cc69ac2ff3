/* Every level of the vector maths against double-precision libm and against the plain C table: accuracy,
 * NaN and infinities, odd sizes, guard bytes. `vec_test --bench` prints ns an element. */
#include "simd/simd.h"

#include "../../tests/check.h"

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double relu6(double x) { return fmin(fmax(x, 0), 6); }

static double exact(bt_vec_unary f, double x, double a, double b)
{
    switch (f) {
    case BT_VEC_COPY: return x;
    case BT_VEC_RELU: return fmax(x, 0);
    case BT_VEC_RELU6: return relu6(x);
    case BT_VEC_CLAMP: return fmin(fmax(x, a), b);
    case BT_VEC_LEAKY_RELU: return x > 0 ? x : a * x;
    case BT_VEC_ELU: return x > 0 ? x : expm1(x);
    case BT_VEC_SELU: return 1.0507009873554804934 * (x > 0 ? x : 1.6732632423543772848 * expm1(x));
    case BT_VEC_EXP: return exp(x);
    case BT_VEC_LOG: return log(x);
    case BT_VEC_SIGMOID: return sigmoid(x);
    case BT_VEC_TANH: return tanh(x);
    case BT_VEC_SOFTPLUS: return fmax(x, 0) + log1p(exp(-fabs(x)));
    case BT_VEC_SOFTSIGN: return x / (1 + fabs(x));
    case BT_VEC_SWISH: return x * sigmoid(x);
    case BT_VEC_HARD_SWISH: return x * relu6(x + 3) / 6;
    case BT_VEC_HARD_SIGMOID: return relu6(x + 3) / 6;
    case BT_VEC_ERF: return erf(x);
    case BT_VEC_GELU: return x * 0.5 * erfc(-x * M_SQRT1_2);
    case BT_VEC_GELU_TANH: return x * sigmoid(2 * sqrt(M_2_PI) * (x + 0.044715 * x * x * x));
    case BT_VEC_SQRT: return sqrt(x);
    case BT_VEC_RSQRT: return 1 / sqrt(x);
    case BT_VEC_SQUARE: return x * x;
    case BT_VEC_NEG: return -x;
    case BT_VEC_ABS: return fabs(x);
    case BT_VEC_AFFINE: return a * x + b;
    default: return NAN;
    }
}

static const char *const names[] = {
    "copy",      "relu", "relu6",    "clamp",    "leaky_relu", "elu",        "selu",         "exp", "log",
    "sigmoid",   "tanh", "softplus", "softsign", "swish",      "hard_swish", "hard_sigmoid", "erf", "gelu",
    "gelu_tanh", "sqrt", "rsqrt",    "square",   "neg",        "abs",        "affine"};

/* Distance in units of the last place of want; near the denormals, whose factors have fewer bits, of 2^-116. */
static double ulps(float got, double want)
{
    if (isnan(want) || isinf((float)want))
        return isnan(want) ? (isnan(got) ? 0 : 1e9) : got == (float)want ? 0 : 1;
    if (isnan(got)) return 1e9;
    int e;
    frexp(fmax(fabs(want), 0x1p-116), &e);
    return fabs((double)got - want) / ldexp(1, e - 24);
}

/* What a function of the kind may lose: sums that cancel are measured against their terms. */
static double allowed(bt_vec_unary f, double x)
{
    if (f == BT_VEC_AFFINE || f == BT_VEC_HARD_SWISH || f == BT_VEC_HARD_SIGMOID) return x > -2.9 ? 16 : 1e9;
    if (f == BT_VEC_GELU_TANH) return x < 0 ? 8 + 3 * x * x : 8; /* e^u carries the rounding of u, up to 90 */
    if (f == BT_VEC_RSQRT && fabs(x) < 0x1p-126) return INFINITY; /* of subnormals: infinity, as in TensorFlow */
    return f == BT_VEC_GELU ? 8 : f == BT_VEC_TANH ? 5 : 4;
}

enum { N = 1 << 16 };
static float x[N + 64], y[N + 64], z[N + 64];

static void test_unary(const bt_vec_kernels *k, const char *level, bool print)
{
    for (int f = 0; f < BT_VEC_UNARY_COUNT; f++) {
        double worst = 0, at = 0;
        for (int i = 0; i < N; i++) {
            union {
                uint32_t u;
                float f;
            } any = {(uint32_t)check_random()};
            x[i] = i % 4 == 0 ? any.f
                              : check_float(-1, 1) * (i % 4 == 1   ? 100.0f
                                                      : i % 4 == 2 ? 10.0f
                                                                   : 1.0f);
        }
        float special[] = {NAN,   INFINITY, -INFINITY, 0,       -0.0f, 1e-40f, -1e-40f,
                           3e38f, -3e38f,   88.8f,     -103.9f, 9,     -14.2f, -14.3f};
        memcpy(x, special, sizeof special);
        float a = f == BT_VEC_CLAMP ? -1.5f : 0.3f, b = 2.5f;
        k->unary[f](y, x, N, a, b);
        for (int i = 0; i < N; i++) {
            double want = exact(f, x[i], (double)a, (double)b), off = ulps(y[i], want);
            if (isnan(x[i])) off = isnan(y[i]) ? 0 : 1e9;
            if (off > allowed(f, x[i]) && !(isnan(want) && isinf(x[i]))) {
                if (!CHECK(!"accurate"))
                    printf("    %s %s(%.9g) = %.9g, not %.9g: %.1f ulp\n", level, names[f], x[i], y[i], want,
                           off);
                break;
            }
            if (off > worst && off < 1e8 && allowed(f, x[i]) < 1e8) worst = off, at = x[i];
        }
        CHECK(worst >= 0);
        if (print) printf("%-7s %-13s %5.2f ulp at %g\n", level, names[f], worst, at);
    }
}

/* Any length, in place or not: the same values as in one long row, and nothing written behind it. */
static void test_sizes(const bt_vec_kernels *k, const bt_vec_kernels *c)
{
    for (int round = 0; round < 40; round++) {
        int64_t n = check_int(0, 70), shift = check_int(0, 5);
        float w[80], guard[2] = {12345.0f, -54321.0f};
        for (int i = 0; i < 160; i++) x[i] = check_float(0.1f, 3), z[i] = check_float(0.1f, 3);
        for (int f = 0; f < BT_VEC_UNARY_COUNT; f++) {
            memcpy(y + shift, x, sizeof(float) * (size_t)n), memcpy(y + shift + n, guard, sizeof guard);
            k->unary[f](y + shift, y + shift, n, 0.5f, 1.5f), c->unary[f](w, x, n, 0.5f, 1.5f);
            for (int i = 0; i < n; i++) CHECK_CLOSE(y[shift + i], w[i], 2e-6);
            CHECK(memcmp(y + shift + n, guard, sizeof guard) == 0);
        }
        for (int f = 0; f < BT_VEC_BINARY_COUNT; f++) {
            bt_vec_binary_fn *const these[] = {k->binary[f], k->binary_scalar[f], k->scalar_binary[f]};
            bt_vec_binary_fn *const those[] = {c->binary[f], c->binary_scalar[f], c->scalar_binary[f]};
            for (int v = 0; v < 3; v++) {
                memcpy(y + shift + n, guard, sizeof guard);
                these[v](y + shift, x, z, n), those[v](w, x, z, n);
                for (int i = 0; i < n; i++) CHECK(y[shift + i] == w[i]);
                CHECK(memcmp(y + shift + n, guard, sizeof guard) == 0);
            }
        }
        for (int f = 0; f < BT_VEC_FOLD_COUNT; f++) {
            float got = k->fold[f](x + shift, n), want = c->fold[f](x + shift, n);
            if (!isinf(want)) CHECK_CLOSE(got, want, 1e-6);
            else CHECK(got == want);
        }
        CHECK_CLOSE(k->dot(x, z, n), c->dot(x, z, n), 1e-6);
        k->softmax(y, x, n, 0.7f, round & 1 ? z : NULL), c->softmax(w, x, n, 0.7f, round & 1 ? z : NULL);
        for (int i = 0; i < n; i++) CHECK_CLOSE(y[i], w[i], 1e-6);
        k->layer_norm(y, x, z, z + 70, 1e-3f, n), c->layer_norm(w, x, z, z + 70, 1e-3f, n);
        for (int i = 0; i < n; i++) CHECK_CLOSE(y[i], w[i], 1e-5);
        k->scale_shift(y, x, z, z + 70, n), c->scale_shift(w, x, z, z + 70, n);
        for (int i = 0; i < n; i++) CHECK_CLOSE(y[i], w[i], 1e-6);
    }
}

static void test_special(const bt_vec_kernels *k)
{
    for (int i = 0; i < 100; i++) x[i] = (float)i;
    x[37] = NAN;
    CHECK(isnan(k->fold[BT_VEC_FOLD_MAX](x, 100)) && isnan(k->fold[BT_VEC_FOLD_MIN](x, 100)));
    CHECK(isnan(k->fold[BT_VEC_FOLD_MAX](x, 38)) && k->fold[BT_VEC_FOLD_MAX](x, 37) == 36);
    float one = 1, nan = NAN;
    k->binary[BT_VEC_MAX](y, &one, &nan, 1), k->binary[BT_VEC_MIN](y + 1, &nan, &one, 1);
    CHECK(isnan(y[0]) && isnan(y[1]));
    float logits[3] = {-INFINITY, 0, 0};
    k->softmax(y, logits, 3, 1, NULL);
    CHECK(y[0] == 0 && y[1] == 0.5f && y[2] == 0.5f);
    CHECK(k->fold[BT_VEC_SUM](x, 0) == 0 && k->fold[BT_VEC_FOLD_MAX](x, 0) == -INFINITY);
}

/* All 65536 halves there and back; floats around every rounding boundary as the plain C code has them. */
static void test_conversions(const bt_vec_kernels *k, const bt_vec_kernels *c)
{
    static uint16_t h[65536 + 3], back[65536], other[65536];
    for (int i = 0; i < 65536; i++) h[i] = (uint16_t)i;
    k->half_to_float(y, h, 65536), c->half_to_float(z, h, 65536);
    CHECK(memcmp(y, z, 65536 * sizeof(float)) == 0 || isnan(y[0x7c01]));
    for (int i = 0; i < 65536; i++) CHECK(y[i] == z[i] || (isnan(y[i]) && isnan(z[i])));
    for (int i = 0; i < 65536; i++) x[i] = z[i] * (1 + (float)check_int(-3, 3) * 0x1p-12f);
    k->float_to_half(back, x, 65536), c->float_to_half(other, x, 65536);
    for (int i = 0; i < 65536; i++) CHECK(back[i] == other[i] || isnan(x[i]));
    for (int i = 0; i < 65536; i++) x[i] = (float)(uint32_t)check_random() * check_float(-1e-9f, 1e-9f);
    x[5] = NAN, x[6] = INFINITY, x[7] = 3.4e38f, x[8] = 1e-41f;
    k->float_to_bf16(back, x, 65533), c->float_to_bf16(other, x, 65533);
    CHECK(memcmp(back, other, 65533 * 2) == 0);
    k->bf16_to_float(y, h, 65531), c->bf16_to_float(z, h, 65531);
    CHECK(memcmp(y, z, 65531 * 4) == 0);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* In the second-level cache: 16384 elements, the least of 20 rounds. */
static void bench(const bt_vec_kernels *k, const char *level)
{
    enum { ROW = 16384, REPEAT = 50 };
    for (int i = 0; i < ROW; i++) x[i] = check_float(-6, 6);
    for (int f = 0; f < BT_VEC_UNARY_COUNT; f++) {
        double best = 1e9;
        for (int r = 0; r < 20; r++) {
            double t = now();
            for (int i = 0; i < REPEAT; i++) k->unary[f](y, x, ROW, 0.1f, 0.2f);
            best = fmin(best, (now() - t) / (ROW * REPEAT));
        }
        printf("%-7s %-13s %6.3f ns\n", level, names[f], best);
    }
    double best = 1e9, best_norm = 1e9;
    for (int r = 0; r < 20; r++) {
        double t = now();
        for (int i = 0; i < REPEAT * 16; i++) k->softmax(y, x, 1024, 0.3f, NULL);
        double s = now();
        for (int i = 0; i < REPEAT * 16; i++) k->layer_norm(y, x, x, x, 1e-5f, 1024);
        best = fmin(best, (s - t) / (ROW * REPEAT)),
        best_norm = fmin(best_norm, (now() - s) / (ROW * REPEAT));
    }
    printf("%-7s softmax %.3f ns, layer_norm %.3f ns\n", level, best, best_norm);
}

int main(int argc, char **argv)
{
    bool timed = argc > 1 && strcmp(argv[1], "--bench") == 0;
    static bt_simd c, table;
    bt_simd_fill(&c, BT_SIMD_C);
    for (int level = BT_SIMD_C; level <= BT_SIMD_AVX512; level++) {
        if (!bt_simd_fill(&table, (bt_simd_level)level)) continue;
        test_unary(&table.vec, table.name, argc > 1);
        test_sizes(&table.vec, &c.vec);
        test_special(&table.vec);
        test_conversions(&table.vec, &c.vec);
        if (timed) bench(&table.vec, table.name);
    }
    return check_done();
}
