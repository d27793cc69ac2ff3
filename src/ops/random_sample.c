/* Draws that need more than a block of bits: categories, shuffles, gamma and Poisson numbers. Uniform and
 * normal numbers are in random.c. The order in which bits are used up is TensorFlow's on one thread. */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/object.h"
#include "ops/philox.h"

enum { RESERVED = 256 }; /* blocks for each number */

/* ---- Categories: the inverse of the cumulated weights exp(logit - max) ----------------------------------- */

static int64_t category(const double *cumulated, int64_t n, double at)
{
    int64_t low = 0;
    while (low < n) {
        int64_t middle = low + (n - low) / 2;
        if (cumulated[middle] <= at) low = middle + 1;
        else n = middle;
    }
    return low;
}

BT_CL_DECLARE(random_sample);

static berth_status categories_on_gpu(bt_call *c, bt_philox generator, void *out, berth_dtype dtype,
                                      int64_t samples)
{
    char defines[BT_DEFINES];
    bt_philox_words words = bt_philox_words_of(&generator);
    int64_t batch = c->in[0]->shape.dim[0], classes = c->in[0]->shape.dim[1], n = batch * samples;
    if (n == 0) return BERTH_OK;
    void *cumulated = bt_scratch(c, (size_t)(batch * classes) * sizeof(double));
    if (!cumulated) return BERTH_NO_MEMORY;
    bt_arg sum[] = {bt_pointer(c->in[0]->data), bt_pointer(cumulated), bt_long(batch), bt_long(classes)};
    bt_arg draw[] = {bt_pointer(cumulated), bt_pointer(out), bt_bytes(&words, sizeof words), bt_long(n),
                     bt_long(samples),      bt_long(classes)};
    bt_grid rows = bt_grid_groups(c, batch, classes), all = bt_grid_of(c, n);
    bt_gpu_defines(defines, c->in[0]->dtype, dtype, "");
    berth_status status = bt_gpu_launch(c, BT_CL(random_sample), defines, "cumulate", &rows, sum, 4);
    return status ? status
                  : bt_gpu_launch(c, BT_CL(random_sample), defines, "draw_categories", &all, draw, 6);
}

/* logits: [batch, classes]; out: [batch, samples]. */
static berth_status categories(bt_call *c, bt_philox generator, int64_t samples)
{
    const bt_tensor *logits = c->in[0];
    berth_dtype dtype = bt_attr_type(c->node, "output_dtype", BERTH_INT64);
    int64_t batch = logits->shape.dim[0], classes = logits->shape.dim[1];
    bt_shape shape = BT_SHAPE(batch, samples);
    void *out = bt_out(c, 0, dtype, &shape);
    if (out && bt_on_gpu(c)) return categories_on_gpu(c, generator, out, dtype, samples);
    double *cumulated = out ? bt_scratch(c, (size_t)classes * sizeof *cumulated + 1) : NULL;
    if (!cumulated) return BERTH_NO_MEMORY;
    bt_bit_stream bits = bt_bit_stream_of(generator);
    for (int64_t b = 0; b < batch; b++) {
        double most = -INFINITY, total = 0;
        for (int64_t k = 0; k < classes; k++) {
            double logit = bt_tensor_number(logits, b * classes + k);
            if (isfinite(logit) && logit > most) most = logit;
        }
        for (int64_t k = 0; k < classes; k++) {
            double logit = bt_tensor_number(logits, b * classes + k);
            if (isfinite(logit)) total += exp(logit - most);
            cumulated[k] = total;
        }
        for (int64_t j = 0; j < samples; j++) {
            uint32_t x = bt_bits_next(&bits), y = bt_bits_next(&bits);
            int64_t drawn = category(cumulated, classes, bt_bits_double(x, y) * total);
            if (dtype == BERTH_INT64) ((int64_t *)out)[b * samples + j] = drawn;
            else ((int32_t *)out)[b * samples + j] = (int32_t)drawn;
        }
    }
    return BERTH_OK;
}

static berth_status check_categories(bt_call *c, int64_t *samples)
{
    const bt_tensor *logits = c->n_in ? c->in[0] : NULL;
    berth_status status = bt_int_input(c, 1, samples);
    if (status) return status;
    if (logits->shape.rank != 2) return bt_call_fail(c, "logits must be a matrix");
    if (*samples < 0) return bt_call_fail(c, "cannot draw %lld samples", (long long)*samples);
    if (logits->shape.dim[1] < 1) return bt_call_fail(c, "there are no classes");
    return BERTH_OK;
}

static berth_status run_multinomial(bt_call *c)
{
    int64_t samples;
    bt_philox generator;
    berth_status status = check_categories(c, &samples);
    uint64_t batch = status ? 0 : (uint64_t)c->in[0]->shape.dim[0];
    uint64_t reserved = status ? 0 : batch * (uint64_t)((samples + 3) / 4 * 4) * 2 * 256;
    if (!status) status = bt_random_reserve(c, reserved, &generator);
    return status ? status : categories(c, generator, samples);
}

static berth_status run_stateless_multinomial(bt_call *c)
{
    int64_t samples;
    bt_philox generator;
    berth_status status = check_categories(c, &samples);
    if (!status) status = bt_random_seeded(c, 2, &generator);
    return status ? status : categories(c, generator, samples);
}

static berth_status infer_multinomial(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "output_dtype", BERTH_INT64);
    const bt_shape *logits = &x->in[0].shape;
    const bt_tensor *samples = x->n_in > 1 ? x->in[1].value : NULL;
    x->out[0].shape = BT_SHAPE(logits->rank == 2 ? logits->dim[0] : -1,
                               samples && bt_tensor_count(samples) == 1 ? bt_tensor_int(samples, 0) : -1);
    return BERTH_OK;
}

/* ---- Shuffles along dimension 0 --------------------------------------------------------------------------- */

static berth_status shuffle(bt_call *c, bt_philox generator)
{
    const bt_tensor *in = c->in[0];
    int64_t n = in->shape.rank < 1 ? 1 : in->shape.dim[0];
    char *out = bt_out(c, 0, in->dtype, &in->shape);
    int64_t *from = out ? bt_scratch(c, (size_t)n * sizeof *from + 1) : NULL;
    if (!from) return BERTH_NO_MEMORY;
    bt_bit_stream bits = bt_bit_stream_of(generator);
    for (int64_t i = 0; i < n; i++) from[i] = i;
    for (int64_t i = 0; i + 1 < n; i++) {
        int64_t other = i + bt_bits_next(&bits) % (uint32_t)(n - i), kept = from[i];
        from[i] = from[other], from[other] = kept;
    }
    int64_t row = in->shape.rank < 1 ? 1 : bt_shape_span(&in->shape, 1, in->shape.rank);
    size_t row_bytes = (size_t)row * bt_dtype_size(in->dtype);
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < n && !status; i++)
        status = bt_elements_copy(in->dtype, out + (size_t)i * row_bytes,
                                  (const char *)in->data + (size_t)from[i] * row_bytes, row, c->error);
    return status;
}

static berth_status run_shuffle(bt_call *c)
{
    bt_philox generator;
    int64_t n = c->in[0]->shape.rank < 1 ? 1 : c->in[0]->shape.dim[0];
    uint64_t bits = bt_tensor_count(c->in[0]) > 1 ? (uint64_t)n - 1 : 0; /* what it draws, four at a time */
    berth_status status = bt_random_reserve(c, (bits + 3) / 4, &generator);
    return status ? status : shuffle(c, generator);
}

static berth_status run_stateless_shuffle(bt_call *c)
{
    bt_philox generator;
    berth_status status = bt_random_keyed(c, 1, &generator);
    return status ? status : shuffle(c, generator);
}

/* ---- One index of a shuffle of 0 .. most: a small Simon cipher, walked until it falls in range ------------ */

static uint64_t rotate(uint64_t x, int by, int word, uint64_t mask)
{
    return ((by < word ? x << by : 0) | x >> (word - by)) & mask;
}

static uint64_t simon_round(uint64_t x, int word, uint64_t mask)
{
    return (rotate(x, 1, word, mask) & rotate(x, 8, word, mask)) ^ rotate(x, 2, word, mask);
}

static uint64_t shuffled_index(uint64_t index, const uint64_t *keys, int64_t rounds, uint64_t most, int word)
{
    uint64_t mask = word == 64 ? UINT64_MAX : ((uint64_t)1 << word) - 1;
    do {
        uint64_t left = index >> word & mask, right = index & mask;
        for (int64_t r = 0; r < rounds; r += 2) {
            left ^= simon_round(right, word, mask) ^ keys[r];
            right ^= simon_round(left, word, mask) ^ keys[r + 1];
        }
        index = left << word | right;
    } while (index > most);
    return index;
}

static void schedule(uint64_t *keys, int64_t rounds, const bt_tensor *seed, int64_t row, int word)
{
    uint64_t mask = ((uint64_t)1 << word) - 1, z = 0x7369f885192c0ef5u & mask;
    for (int64_t r = 0; r<rounds; r++, z >>= r> 3) {
        if (r < 3) keys[r] = (uint32_t)bt_tensor_int(seed, 3 * row + r) & mask;
        else
            keys[r] = (0xfffffffcu & mask) ^ (z & 1) ^ keys[r - 3] ^
                      rotate(keys[r - 1], word - 3, word, mask) ^ rotate(keys[r - 1], word - 4, word, mask);
    }
}

/* Bits of half a block that holds 0 .. most: at least 8. */
static int word_bits(uint64_t most)
{
    int bits = 0;
    while (bits < 64 && ((uint64_t)1 << bits) < most) bits++;
    return bits <= 16 ? 8 : (bits + 1) / 2;
}

static berth_status run_index_shuffle(bt_call *c)
{
    const bt_tensor *index = c->in[0], *seed = c->n_in > 2 ? c->in[1] : NULL, *most = seed ? c->in[2] : NULL;
    int64_t rounds = bt_attr_int(c->node, "rounds", 4);
    if (!most || rounds < 4 || rounds % 2 || rounds > 1024)
        return bt_call_fail(c, "needs an even number of rounds");
    int64_t counts[] = {bt_tensor_count(index), bt_tensor_count(seed) / 3, bt_tensor_count(most)};
    int64_t n = 0;
    bool vector = index->shape.rank > 0 || seed->shape.rank > 1 || most->shape.rank > 0;
    for (int i = 0; i < 3; i++)
        if (counts[i] > n) n = counts[i];
    bool fits = seed->shape.rank >= 1 && seed->shape.rank <= 2 && seed->shape.dim[seed->shape.rank - 1] == 3;
    const int many[] = {index->shape.rank, seed->shape.rank - 1, most->shape.rank}; /* 0: one for all */
    for (int i = 0; i < 3; i++) fits = fits && (many[i] == 0 || (many[i] == 1 && counts[i] == n));
    if (!fits) return bt_call_fail(c, "index, seed and max_index do not fit one another");
    bt_shape shape = vector ? BT_SHAPE(n) : BT_SCALAR;
    char *out = bt_out(c, 0, index->dtype, &shape);
    uint64_t *keys = out ? bt_scratch(c, (size_t)rounds * sizeof *keys) : NULL;
    if (!keys) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = bt_tensor_int(index, counts[0] == 1 ? 0 : i),
                last = bt_tensor_int(most, counts[2] == 1 ? 0 : i);
        if (at < 0 || last < 0 || at > last)
            return bt_call_fail(c, "index %lld is not in [0, %lld]", (long long)at, (long long)last);
        int word = word_bits((uint64_t)last);
        schedule(keys, rounds, seed, counts[1] == 1 ? 0 : i, word);
        uint64_t moved = last ? shuffled_index((uint64_t)at, keys, rounds, (uint64_t)last, word) : 0;
        if (bt_dtype_size(index->dtype) == 8) ((uint64_t *)out)[i] = moved;
        else ((uint32_t *)out)[i] = (uint32_t)moved;
    }
    return BERTH_OK;
}

static berth_status infer_index_shuffle(bt_infer *x)
{
    x->out[0].dtype = x->in[0].dtype ? x->in[0].dtype : bt_attr_type(x->node, "dtype", BERTH_NO_DTYPE);
    const bt_shape *seed = x->n_in > 1 ? &x->in[1].shape : NULL;
    if (seed && seed->rank > 0 && seed->dim[seed->rank - 1] >= 0 && seed->dim[seed->rank - 1] != 3)
        return bt_infer_fail(x, "Seed must have shape [3] or [n, 3]");
    return BERTH_OK;
}

/* ---- Shapes of draws for given parameters: [samples...] + their shape ------------------------------------- */

berth_status bt_random_shape_of_draws(bt_call *c, int i, const bt_shape *parameters, bool is_all,
                                      bt_shape *shape)
{
    berth_status status = bt_random_shape(c, i, shape);
    const bt_shape *p = parameters;
    if (status) return status;
    int extra = shape->rank - (is_all ? p->rank : 0);
    if (!is_all && shape->rank + p->rank > BT_MAX_RANK)
        return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    for (int d = 0; !is_all && d < p->rank; d++) shape->dim[shape->rank++] = p->dim[d];
    bool fits = extra >= 0;
    for (int d = 0; fits && d < p->rank; d++) fits = shape->dim[extra + d] == p->dim[d];
    if (!fits && bt_shape_count(shape) > 0)
        return bt_call_fail(c, "the shape does not end in that of the parameters");
    return BERTH_OK;
}

static berth_status infer_draws(bt_infer *x)
{
    berth_status status = bt_infer_random(x);
    if (status || x->n_in < 2) return status;
    const bt_shape *p = &x->in[1].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_attr_type(x->node, strstr(x->node->op, "Gamma") ? "T" : "dtype", BERTH_INT64);
    if (p->rank < 0 || out->rank < 0 || out->rank + p->rank > BT_MAX_RANK)
        return *out = BT_SHAPE_UNKNOWN, BERTH_OK;
    for (int i = 0; i < p->rank; i++) out->dim[out->rank++] = p->dim[i];
    return BERTH_OK;
}

/* Shape and generator of draws for the parameters, input `last`: behind shape and seed (2), or shape, key, counter and
 * algorithm (4), or, where the op has a generator of its own, a shape of samples alone (1). */
static berth_status begin_draws(bt_call *c, int last, bt_shape *shape, bt_philox *generator)
{
    bool reserved = last == 1;
    berth_status status = BERTH_OK;
    if (c->n_in <= last) return bt_call_fail(c, "needs the parameters of its numbers");
    if (!reserved) status = last == 2 ? bt_random_seeded(c, 1, generator) : bt_random_keyed(c, 1, generator);
    if (!status) status = bt_random_shape_of_draws(c, 0, &c->in[last]->shape, !reserved, shape);
    if (status || !reserved) return status;
    return bt_random_reserve(c, (uint64_t)bt_shape_count(shape) * RESERVED, generator);
}

/* The generator of draw i. */
static bt_philox nth_generator(bt_philox generator, int64_t i)
{
    bt_philox_skip(&generator, RESERVED * (uint64_t)i);
    return generator;
}

/* ---- Gamma: Marsaglia and Tsang, "A simple method for generating gamma variables" (2000) ------------------- */

static double next_normal(bt_doubles *p, bt_philox *g)
{
    if (!p->left) {
        bt_bits b = bt_philox_next(g);
        bt_normal_double(b.x[0], b.x[1], b.x[2], b.x[3], p->x);
        p->left = 2;
    }
    return p->x[--p->left];
}

static double gamma_sample(double alpha, bt_philox g)
{
    bt_doubles normals = {.left = 0}, uniforms = {.left = 0};
    if (alpha == 1.0) return -log1p(-bt_doubles_next(&uniforms, &g));
    if (!(alpha >= 0)) return NAN;
    double d = alpha + (alpha < 1 ? 2.0 / 3 : -1.0 / 3), c = 1.0 / 3 / sqrt(d);
    for (;;) {
        double x = next_normal(&normals, &g), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        double u = bt_doubles_next(&uniforms, &g);
        bool taken = u < 1 - 0.0331 * (x * x) * (x * x) || log(u) < 0.5 * x * x + d * (1 - v + log(v));
        if (taken) return d * v * (alpha < 1 ? pow(bt_doubles_next(&uniforms, &g), 1 / alpha) : 1);
    }
}

static berth_status gammas_on_gpu(bt_call *c, bt_philox generator, const bt_tensor *alpha, void *out,
                                  int64_t n)
{
    char defines[BT_DEFINES];
    bt_philox_words words = bt_philox_words_of(&generator);
    int64_t alphas = bt_tensor_count(alpha);
    bt_arg args[] = {bt_pointer(alpha->data),          bt_pointer(out),
                     bt_bytes(&words, sizeof words),   bt_long(n),
                     bt_long(alphas ? n / alphas : 0), bt_long(alphas)};
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, alpha->dtype, 0, "");
    return n ? bt_gpu_launch(c, BT_CL(random_sample), defines, "draw_gammas", &grid, args, 6) : BERTH_OK;
}

static berth_status gammas(bt_call *c, int last)
{
    bt_shape shape;
    bt_philox generator;
    berth_status status = begin_draws(c, last, &shape, &generator);
    if (status) return status;
    const bt_tensor *alpha = c->in[last];
    void *out = bt_out(c, 0, alpha->dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t n = bt_shape_count(&shape), alphas = bt_tensor_count(alpha), samples = alphas ? n / alphas : 0;
    if (bt_on_gpu(c)) return gammas_on_gpu(c, generator, alpha, out, n);
    for (int64_t i = 0; i < n; i++)
        bt_random_store(alpha->dtype, out, i % samples * alphas + i / samples,
                        gamma_sample(bt_tensor_number(alpha, i / samples), nth_generator(generator, i)));
    return BERTH_OK;
}

static berth_status run_gamma(bt_call *c) { return gammas(c, 2); }
static berth_status run_gamma_keyed(bt_call *c) { return gammas(c, 4); }
static berth_status run_gamma_reserved(bt_call *c) { return gammas(c, 1); }

/* ---- Poisson ----------------------------------------------------------------------------------------------- */

/* Below 10 by Knuth's products, else by Hormann, "The transformed rejection method for generating Poisson random variables"
 * (1993): a point of a hat over the inverse distribution, taken at once where a rectangle lies below. */
static double poisson_sample(double rate, bt_philox g)
{
    bt_doubles uniforms = {.left = 0};
    if (rate < 10) {
        double product = 1, least = exp(-rate), n = 0;
        while ((product *= bt_doubles_next(&uniforms, &g)) > least) n++;
        return n;
    }
    double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b, inverse = 1.1239 + 1.1328 / (b - 3.4);
    for (;;) {
        int sign;
        double u = bt_doubles_next(&uniforms, &g) - 0.5, v = bt_doubles_next(&uniforms, &g),
               half = 0.5 - fabs(u);
        double k = floor((2 * a / half + b) * u + rate + 0.43);
        if (half >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2)) return k;
        if (k < 0 || (half < 0.013 && v > half)) continue;
        double s = log(v * inverse / (a / (half * half) + b));
        if (s <= -rate + k * log(rate) - lgamma_r(k + 1, &sign)) return k;
    }
}

static berth_status poissons(bt_call *c, int last)
{
    bt_shape shape;
    bt_philox generator;
    berth_status status = begin_draws(c, last, &shape, &generator);
    if (status) return status;
    const bt_tensor *rate = c->in[last];
    berth_dtype dtype = bt_attr_type(c->node, "dtype", BERTH_INT64);
    int64_t n = bt_shape_count(&shape), rates = bt_tensor_count(rate), samples = rates ? n / rates : 0;
    void *out = bt_out(c, 0, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        double r = bt_tensor_number(rate, i / samples);
        if (isnan(r) || r == INFINITY) return bt_call_fail(c, "a rate of %f", r); /* TensorFlow never ends */
        bt_put_number(dtype, bt_at(dtype, out, i % samples * rates + i / samples),
                      poisson_sample(r, nth_generator(generator, i)));
    }
    return BERTH_OK;
}

static berth_status run_poisson(bt_call *c) { return poissons(c, 2); }
static berth_status run_poisson_reserved(bt_call *c) { return poissons(c, 1); }

#define STATELESS(op, infer, run)                     \
    {                                                 \
        op, infer, .cpu = run, .flags = BT_OP_NO_FOLD \
    }
#define MULTINOMIAL(op, run, all_flags)                                                           \
    {                                                                                             \
        op, infer_multinomial, .cpu = run, .flags = all_flags, .gpu = run, .gpu_types = BT_REALS, \
                               .host_inputs = 2 | 4                                               \
    }
/* on_host: all that stands before alpha. */
#define GAMMA(op, run, on_host)                                                                    \
    {                                                                                              \
        op, bt_infer_random, .cpu = run, .flags = BT_OP_NO_FOLD, .type_attr = "dtype", .gpu = run, \
                             .gpu_types = BT_FLOATS, .host_inputs = on_host                        \
    }

const bt_op bt_ops_random_sample[] = {
    MULTINOMIAL("Multinomial", run_multinomial, BT_OP_STATEFUL),
    MULTINOMIAL("StatelessMultinomial", run_stateless_multinomial, BT_OP_NO_FOLD),
    {"RandomShuffle", bt_infer_same, .cpu = run_shuffle, .flags = BT_OP_STATEFUL},
    STATELESS("StatelessShuffle", bt_infer_same, run_stateless_shuffle),
    STATELESS("RandomIndexShuffle", infer_index_shuffle, run_index_shuffle),
    GAMMA("StatelessRandomGammaV2", run_gamma, 1 | 2),
    GAMMA("StatelessRandomGammaV3", run_gamma_keyed, 1 | 2 | 4 | 8),
    {"RandomGamma", infer_draws, .cpu = run_gamma_reserved, .flags = BT_OP_STATEFUL},
    STATELESS("StatelessRandomPoisson", bt_infer_random, run_poisson),
    {"RandomPoissonV2", infer_draws, .cpu = run_poisson_reserved, .flags = BT_OP_STATEFUL},
    {NULL},
};
