/* Random numbers from Philox: uniform, normal, truncated normal and integers; stateful ops, which go on where they
 * stopped, and stateless ones, which depend on their seed alone. Blocks are numbered, so threads share the work and
 * give the same numbers. Draws from distributions with parameters are in random_sample.c. */
#include "ops/philox.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "ops/gpu.h"

#include "ops/object.h"
#include "ops/resource.h"

/* ---- Generators ---------------------------------------------------------------------------------------- */

typedef struct state {
    bt_object base;
    pthread_mutex_t lock;
    bt_philox generator;
} state;

static void destroy_state(void *object)
{
    state *s = object;
    pthread_mutex_destroy(&s->lock);
    bt_free(s);
}

static const bt_object_type state_type = {"random generator", destroy_state};

/* Two seeds of zero ask for numbers that nobody can foretell. */
static bt_object *create_state(void *user, berth_error *error)
{
    const bt_node *node = user;
    uint64_t seed = (uint64_t)bt_attr_int(node, "seed", 0), seed2 = (uint64_t)bt_attr_int(node, "seed2", 0);
    state *s = bt_calloc(1, sizeof *s);
    if (!s) return bt_fail_memory(error), NULL;
    if (!seed && !seed2) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = bt_hash(&now, sizeof now);
        seed2 = (uint64_t)(uintptr_t)s;
    }
    s->base = (bt_object){&state_type, 1};
    pthread_mutex_init(&s->lock, NULL);
    s->generator = bt_philox_of(seed, 0, seed2);
    return &s->base;
}

berth_status bt_random_reserve(bt_call *c, uint64_t blocks, bt_philox *generator)
{
    bt_resources *resources = bt_run_resources(c);
    if (!resources) return bt_call_unsupported(c, "needs a session");
    state *s = (state *)bt_resources_get(resources, "", c->node->name, &state_type, create_state,
                                         (void *)c->node, c->error);
    if (!s) return BERTH_NO_MEMORY;
    pthread_mutex_lock(&s->lock);
    *generator = s->generator;
    bt_philox_skip(&s->generator, blocks);
    pthread_mutex_unlock(&s->lock);
    bt_object_free(&s->base);
    return BERTH_OK;
}

/* The seed is the counter of a generator with a fixed key, whose first block gives key and counter. */
static berth_status seed_key(bt_call *c, int i, uint64_t *key, uint64_t counter[2])
{
    const bt_tensor *seed = i < c->n_in ? c->in[i] : NULL;
    if (!seed || seed->shape.rank != 1 || seed->shape.dim[0] != 2 ||
        (seed->dtype != BERTH_INT32 && seed->dtype != BERTH_INT64))
        return bt_call_fail(c, "the seed must be two integers");
    bt_philox p =
        bt_philox_of(0x02461e293ec8f720u, (uint64_t)bt_tensor_int(seed, 0), (uint64_t)bt_tensor_int(seed, 1));
    bt_bits mix = bt_philox_next(&p);
    *key = mix.x[0] | (uint64_t)mix.x[1] << 32;
    counter[0] = 0;
    counter[1] = mix.x[2] | (uint64_t)mix.x[3] << 32;
    return BERTH_OK;
}

berth_status bt_random_seeded(bt_call *c, int i, bt_philox *generator)
{
    uint64_t key = 0, counter[2] = {0};
    berth_status status = seed_key(c, i, &key, counter);
    if (!status) *generator = bt_philox_of(key, counter[0], counter[1]);
    return status;
}

berth_status bt_random_keyed(bt_call *c, int i, bt_philox *generator)
{
    enum { PHILOX = 1, THREEFRY = 2, AUTO = 3 };
    if (c->n_in < i + 3) return bt_call_fail(c, "needs key, counter and algorithm");
    const bt_tensor *key = c->in[i], *counter = c->in[i + 1], *alg = c->in[i + 2];
    if (key->dtype != BERTH_UINT64 || key->shape.rank != 1 || key->shape.dim[0] != 1)
        return bt_call_fail(c, "the key must be one uint64");
    if (counter->dtype != BERTH_UINT64 || counter->shape.rank != 1 || counter->shape.dim[0] < 2)
        return bt_call_fail(c, "the counter must be two uint64");
    if (alg->dtype != BERTH_INT32 || bt_tensor_count(alg) != 1)
        return bt_call_fail(c, "the algorithm must be an int32");
    int64_t number = bt_tensor_int(alg, 0);
    if (number != PHILOX && number != AUTO)
        return bt_call_fail(
            c, number == THREEFRY ? "the CPU has no ThreeFry (algorithm 2)" : "unknown algorithm %lld",
            (long long)number);
    const uint64_t *words = counter->data;
    *generator = bt_philox_of(*(const uint64_t *)key->data, words[0], words[1]);
    return BERTH_OK;
}

berth_status bt_random_shape(bt_call *c, int i, bt_shape *shape)
{
    size_t bytes;
    const bt_tensor *t = i < c->n_in ? c->in[i] : NULL;
    if (!t || t->shape.rank != 1 || !bt_tensor_shape_value(t, shape) || !bt_shape_bytes(shape, 16, &bytes))
        return bt_call_fail(c, "input %d is no shape that can be", i);
    return BERTH_OK;
}

void bt_random_store(berth_dtype dtype, void *out, int64_t i, double value)
{
    if (dtype == BERTH_DOUBLE) ((double *)out)[i] = value;
    else if (dtype == BERTH_FLOAT) ((float *)out)[i] = (float)value;
    else if (dtype == BERTH_HALF) ((uint16_t *)out)[i] = bt_float_to_half((float)value);
    else ((uint16_t *)out)[i] = bt_float_to_bf16((float)value);
}

BT_CL_DECLARE(random);

/* ---- Filling -------------------------------------------------------------------------------------------- */

typedef enum kind { UNIFORM, NORMAL, TRUNCATED, RANGE, FULL } kind; /* their numbers stand in random.cl too */

typedef struct fill {
    kind kind;
    berth_dtype dtype;
    bt_philox generator;
    char *out;
    int64_t n;
    int group;      /* numbers a group: 4 of up to 32 bits, 2 of 64 */
    int64_t low;    /* RANGE: from low, */
    uint64_t range; /* so many */
} fill;

enum { RESERVED = 256 }; /* numbers of 32 bits that a truncated one may take */

/* Normal numbers below 2 in magnitude, a group of them. */
static void truncated_floats(bt_philox generator, float out[4])
{
    bt_bit_stream s = bt_bit_stream_of(generator);
    for (int n = 0; n < 4;) {
        float pair[2];
        uint32_t a = bt_bits_next(&s), b = bt_bits_next(&s);
        bt_normal_float(a, b, pair);
        for (int k = 0; k < 2 && n < 4; k++)
            if (fabsf(pair[k]) < 2.0f) out[n++] = pair[k];
    }
}

static void truncated_doubles(bt_philox generator, double out[2])
{
    bt_bit_stream s = bt_bit_stream_of(generator);
    for (int n = 0; n < 2;) {
        double pair[2];
        uint32_t a = bt_bits_next(&s), b = bt_bits_next(&s), c = bt_bits_next(&s), d = bt_bits_next(&s);
        bt_normal_double(a, b, c, d, pair);
        for (int k = 0; k < 2 && n < 2; k++)
            if (fabs(pair[k]) < 2.0) out[n++] = pair[k];
    }
}

static void group_of_doubles(const fill *f, bt_philox generator, double out[2])
{
    if (f->kind == TRUNCATED) return truncated_doubles(generator, out);
    bt_bits b = bt_philox_next(&generator);
    if (f->kind == NORMAL) return bt_normal_double(b.x[0], b.x[1], b.x[2], b.x[3], out);
    out[0] = bt_bits_double(b.x[0], b.x[1]);
    out[1] = bt_bits_double(b.x[2], b.x[3]);
}

static void group_of_floats(const fill *f, bt_philox generator, float out[4])
{
    if (f->kind == TRUNCATED) return truncated_floats(generator, out);
    bt_bits b = bt_philox_next(&generator);
    if (f->kind == NORMAL) {
        bt_normal_float(b.x[0], b.x[1], out);
        bt_normal_float(b.x[2], b.x[3], out + 2);
        return;
    }
    /* Narrow types take as many of the low bits as their fraction has. */
    uint32_t fraction = f->dtype == BERTH_HALF ? 0x3ff : f->dtype == BERTH_BFLOAT16 ? 0x7f : 0x7fffff;
    int shift = f->dtype == BERTH_HALF ? 13 : f->dtype == BERTH_BFLOAT16 ? 16 : 0;
    for (int k = 0; k < 4; k++) out[k] = bt_bits_float((b.x[k] & fraction) << shift);
}

static void group_of_wide(const fill *f, bt_philox generator, uint64_t out[2])
{
    bt_bits b = bt_philox_next(&generator);
    for (int k = 0; k < 2; k++) {
        uint64_t bits = b.x[2 * k] | (uint64_t)b.x[2 * k + 1] << 32;
        out[k] = f->kind == FULL ? bits : (uint64_t)f->low + bits % f->range;
    }
}

static void group_of_ints(const fill *f, bt_philox generator, uint32_t out[4])
{
    bt_bits b = bt_philox_next(&generator);
    for (int k = 0; k < 4; k++)
        out[k] = f->kind == FULL ? b.x[k] : (uint32_t)f->low + b.x[k] % (uint32_t)f->range;
}

static void fill_groups(void *user, int64_t begin, int64_t end, int worker)
{
    const fill *f = user;
    size_t size = bt_dtype_size(f->dtype);
    uint64_t blocks = f->kind == TRUNCATED ? (uint64_t)f->group * RESERVED / 4 : 1;
    (void)worker;
    for (int64_t g = begin; g < end; g++) {
        union {
            float f[4];
            double d[2];
            uint32_t i[4];
            uint64_t w[2];
            uint16_t h[4];
        } v;
        bt_philox generator = f->generator;
        bt_philox_skip(&generator, (uint64_t)g * blocks);
        switch (f->dtype) {
        case BERTH_DOUBLE: group_of_doubles(f, generator, v.d); break;
        case BERTH_INT64:
        case BERTH_UINT64: group_of_wide(f, generator, v.w); break;
        case BERTH_INT32:
        case BERTH_UINT32: group_of_ints(f, generator, v.i); break;
        default: group_of_floats(f, generator, v.f); break;
        }
        for (int k = 0; k < 4 && f->dtype == BERTH_HALF; k++) v.h[k] = bt_float_to_half(v.f[k]);
        for (int k = 0; k < 4 && f->dtype == BERTH_BFLOAT16; k++) v.h[k] = bt_float_to_bf16(v.f[k]);
        int64_t first = g * f->group, left = f->n - first < f->group ? f->n - first : f->group;
        memcpy(f->out + (size_t)first * size, &v, (size_t)left * size);
    }
}

/* As in random.cl. */
typedef struct gpu_fill {
    bt_philox_words p;
    int64_t n, low, range;
} gpu_fill;

static berth_status fill_on_gpu(bt_call *c, const fill *f)
{
    char defines[BT_DEFINES], kind[24];
    gpu_fill by = {bt_philox_words_of(&f->generator), f->n, f->low, (int64_t)f->range};
    if (f->n == 0) return BERTH_OK;
    snprintf(kind, sizeof kind, "-DKIND=%d", (int)f->kind);
    bt_gpu_defines(defines, f->dtype, 0, kind);
    bt_grid grid = bt_grid_of(c, (f->n + f->group - 1) / f->group);
    bt_arg args[] = {bt_pointer(f->out), bt_bytes(&by, sizeof by)};
    return bt_gpu_launch(c, BT_CL(random), defines, "random_fill", &grid, args, 2);
}

static berth_dtype dtype_of(const bt_node *node)
{
    return bt_attr_type(node, "dtype", bt_attr_type(node, "Tout", BERTH_FLOAT));
}

/* n_generator: how many inputs the generator is. It comes after the shape, but for that of a state (2), which comes before; bounds
 * of a RANGE come last. */
static berth_status run_fill(bt_call *c, kind kind, int n_generator, int low, int high)
{
    fill f = {.kind = kind, .dtype = dtype_of(c->node)};
    bt_shape shape;
    berth_status status = bt_random_shape(c, n_generator == 2 ? 2 : 0, &shape);
    if (status) return status;
    f.n = bt_shape_count(&shape);
    f.group = bt_dtype_size(f.dtype) == 8 ? 2 : 4;
    if (n_generator == 0) status = bt_random_reserve(c, (uint64_t)f.n * RESERVED, &f.generator);
    else if (n_generator == 1) status = bt_random_seeded(c, 1, &f.generator);
    else if (n_generator == 2) status = bt_random_of_state(c, (uint64_t)f.n, &f.generator);
    else if (f.n) status = bt_random_keyed(c, 1, &f.generator); /* nothing to be drawn: whatever it is */
    if (!status && kind == RANGE) {
        if (c->n_in <= high || bt_tensor_count(c->in[low]) != 1 || bt_tensor_count(c->in[high]) != 1)
            return bt_call_fail(c, "the bounds must be scalars");
        int64_t from = bt_tensor_int(c->in[low], 0), to = bt_tensor_int(c->in[high], 0);
        bool empty = f.dtype == BERTH_UINT64 ? (uint64_t)from >= (uint64_t)to : from >= to;
        if (empty &&
            (f.n || n_generator == 2)) /* where nothing is drawn, TensorFlow looks only with a state */
            return bt_call_fail(c, "there is nothing from %lld to below %lld", (long long)from,
                                (long long)to);
        f.low = from, f.range = (uint64_t)to - (uint64_t)from;
    }
    f.out = status ? NULL : bt_out(c, 0, f.dtype, &shape);
    if (!f.out) return status ? status : BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return fill_on_gpu(c, &f);
    bt_parallel(c->pool, (f.n + f.group - 1) / f.group, 4096, fill_groups, &f);
    return BERTH_OK;
}

static berth_status run_uniform(bt_call *c) { return run_fill(c, UNIFORM, 0, 0, 0); }
static berth_status run_normal(bt_call *c) { return run_fill(c, NORMAL, 0, 0, 0); }
static berth_status run_truncated(bt_call *c) { return run_fill(c, TRUNCATED, 0, 0, 0); }
static berth_status run_range(bt_call *c) { return run_fill(c, RANGE, 0, 1, 2); }
static berth_status run_seeded_uniform(bt_call *c) { return run_fill(c, UNIFORM, 1, 0, 0); }
static berth_status run_seeded_normal(bt_call *c) { return run_fill(c, NORMAL, 1, 0, 0); }
static berth_status run_seeded_truncated(bt_call *c) { return run_fill(c, TRUNCATED, 1, 0, 0); }
static berth_status run_seeded_range(bt_call *c) { return run_fill(c, RANGE, 1, 2, 3); }
static berth_status run_seeded_full(bt_call *c) { return run_fill(c, FULL, 1, 0, 0); }
static berth_status run_keyed_uniform(bt_call *c) { return run_fill(c, UNIFORM, 3, 0, 0); }
static berth_status run_keyed_normal(bt_call *c) { return run_fill(c, NORMAL, 3, 0, 0); }
static berth_status run_keyed_truncated(bt_call *c) { return run_fill(c, TRUNCATED, 3, 0, 0); }
static berth_status run_keyed_range(bt_call *c) { return run_fill(c, RANGE, 3, 4, 5); }
static berth_status run_keyed_full(bt_call *c) { return run_fill(c, FULL, 3, 0, 0); }

static berth_status run_state_uniform(bt_call *c) { return run_fill(c, UNIFORM, 2, 0, 0); }
static berth_status run_state_normal(bt_call *c) { return run_fill(c, NORMAL, 2, 0, 0); }
static berth_status run_state_truncated(bt_call *c) { return run_fill(c, TRUNCATED, 2, 0, 0); }
static berth_status run_state_range(bt_call *c) { return run_fill(c, RANGE, 2, 3, 4); }
static berth_status run_state_full(bt_call *c) { return run_fill(c, FULL, 2, 0, 0); }

/* ---- Seeds to keys --------------------------------------------------------------------------------------- */

static berth_status run_key_counter(bt_call *c)
{
    uint64_t key = 0, counter[2] = {0};
    berth_status status = seed_key(c, 0, &key, counter);
    if (status) return status;
    bt_shape one = BT_SHAPE(1), two = BT_SHAPE(2);
    uint64_t *key_out = bt_out(c, 0, BERTH_UINT64, &one), *counter_out = bt_out(c, 1, BERTH_UINT64, &two);
    if (!key_out || !counter_out) return BERTH_NO_MEMORY;
    *key_out = key;
    memcpy(counter_out, counter, sizeof counter);
    return c->n_out > 2 ? bt_out_scalar(c, 2, BERTH_INT32, 1) : BERTH_OK;
}

static berth_status infer_key_counter(bt_infer *x)
{
    x->out[0].dtype = x->out[1].dtype = BERTH_UINT64;
    x->out[0].shape = BT_SHAPE(1);
    x->out[1].shape = BT_SHAPE(2);
    if (x->n_out > 2) bt_infer_scalar(x, 2, BERTH_INT32);
    return BERTH_OK;
}

static berth_status run_algorithm(bt_call *c) { return bt_out_scalar(c, 0, BERTH_INT32, 1); }

static berth_status infer_from(bt_infer *x, int shape)
{
    x->out[0].dtype = dtype_of(x->node);
    const bt_tensor *value = x->n_in > shape ? x->in[shape].value : NULL;
    if (!value || !bt_tensor_shape_value(value, &x->out[0].shape)) x->out[0].shape = BT_SHAPE_UNKNOWN;
    return BERTH_OK;
}

berth_status bt_infer_random(bt_infer *x) { return infer_from(x, 0); }
static berth_status infer_of_state(bt_infer *x) { return infer_from(x, 2); }

#define WIDE_INTS (BT_T(BERTH_INT32) | BT_T(BERTH_INT64) | BT_T(BERTH_UINT32) | BT_T(BERTH_UINT64))
#define ALL_INPUTS 63 /* shapes, seeds, keys, bounds: all are small */
#define STATEFUL(op, run, all, attr)                                                                       \
    {                                                                                                      \
        op, bt_infer_random, .cpu = run, .flags = BT_OP_STATEFUL, all, attr, .gpu = run, .gpu_types = all, \
                             .host_inputs = ALL_INPUTS                                                     \
    }
#define STATELESS(op, run, all)                                                                              \
    {                                                                                                        \
        op, bt_infer_random, .cpu = run, .flags = BT_OP_NO_FOLD, all, "dtype", .gpu = run, .gpu_types = all, \
                             .host_inputs = ALL_INPUTS                                                       \
    }

/* Of a tf.random.Generator, as TensorFlow 2 wrote them before 2.4. */
#define OF_STATE(op, run, all)                                                             \
    {                                                                                      \
        op, infer_of_state, .cpu = run, .flags = BT_OP_STATEFUL, all, .type_attr = "dtype" \
    }

const bt_op bt_ops_random[] = {
    STATEFUL("RandomUniform", run_uniform, BT_FLOATS, "dtype"),
    STATEFUL("RandomStandardNormal", run_normal, BT_FLOATS, "dtype"),
    STATEFUL("TruncatedNormal", run_truncated, BT_FLOATS, "dtype"),
    STATEFUL("RandomUniformInt", run_range, BT_T(BERTH_INT32) | BT_T(BERTH_INT64), "Tout"),
    STATELESS("StatelessRandomUniform", run_seeded_uniform, BT_FLOATS),
    STATELESS("StatelessRandomNormal", run_seeded_normal, BT_FLOATS),
    STATELESS("StatelessTruncatedNormal", run_seeded_truncated, BT_FLOATS),
    STATELESS("StatelessRandomUniformInt", run_seeded_range, WIDE_INTS),
    STATELESS("StatelessRandomUniformFullInt", run_seeded_full, WIDE_INTS),
    STATELESS("StatelessRandomUniformV2", run_keyed_uniform, BT_FLOATS),
    STATELESS("StatelessRandomNormalV2", run_keyed_normal, BT_FLOATS),
    STATELESS("StatelessTruncatedNormalV2", run_keyed_truncated, BT_FLOATS),
    STATELESS("StatelessRandomUniformIntV2", run_keyed_range, WIDE_INTS),
    STATELESS("StatelessRandomUniformFullIntV2", run_keyed_full, WIDE_INTS),
    OF_STATE("StatefulUniform", run_state_uniform, BT_FLOATS),
    OF_STATE("StatefulStandardNormalV2", run_state_normal, BT_FLOATS),
    OF_STATE("StatefulTruncatedNormal", run_state_truncated, BT_FLOATS),
    OF_STATE("StatefulUniformInt", run_state_range, WIDE_INTS),
    OF_STATE("StatefulUniformFullInt", run_state_full, WIDE_INTS),
    {"StatelessRandomGetKeyCounter", infer_key_counter, .cpu = run_key_counter, .outputs = "key,counter"},
    {"StatelessRandomGetKeyCounterAlg", infer_key_counter, .cpu = run_key_counter,
     .outputs = "key,counter,alg"},
    {"StatelessRandomGetAlg", bt_infer_int32, .cpu = run_algorithm},
    {NULL},
};
