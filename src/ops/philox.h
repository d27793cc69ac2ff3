/* Philox 4x32-10, the counter-based generator of Salmon et al. ("Parallel random numbers: as easy as 1, 2, 3", 2011),
 * with keys, counters and the use of its bits as TensorFlow has them, so that equal seeds give equal numbers. */
#ifndef BT_PHILOX_H
#define BT_PHILOX_H

#include <math.h>

#include "ops/op.h"

typedef struct bt_philox {
    uint32_t counter[4], key[2];
} bt_philox;

typedef struct bt_bits {
    uint32_t x[4];
} bt_bits;

static inline bt_philox bt_philox_of(uint64_t key, uint64_t counter_low, uint64_t counter_high)
{
    return (bt_philox){{(uint32_t)counter_low, (uint32_t)(counter_low >> 32), (uint32_t)counter_high,
                        (uint32_t)(counter_high >> 32)},
                       {(uint32_t)key, (uint32_t)(key >> 32)}};
}

/* The same for kernels, as in philox.cl. */
typedef struct bt_philox_words {
    int64_t key, counter_low, counter_high;
} bt_philox_words;

static inline bt_philox_words bt_philox_words_of(const bt_philox *p)
{
    const uint32_t *counter = p->counter, *key = p->key;
    return (bt_philox_words){(int64_t)(key[0] | (uint64_t)key[1] << 32),
                             (int64_t)(counter[0] | (uint64_t)counter[1] << 32),
                             (int64_t)(counter[2] | (uint64_t)counter[3] << 32)};
}

/* count blocks further on */
static inline void bt_philox_skip(bt_philox *p, uint64_t count)
{
    uint64_t low = p->counter[0] | (uint64_t)p->counter[1] << 32,
             high = p->counter[2] | (uint64_t)p->counter[3] << 32;
    low += count;
    high += low < count;
    *p = bt_philox_of(p->key[0] | (uint64_t)p->key[1] << 32, low, high);
}

/* The block at the counter, which moves on. */
static inline bt_bits bt_philox_next(bt_philox *p)
{
    uint32_t c0 = p->counter[0], c1 = p->counter[1], c2 = p->counter[2], c3 = p->counter[3];
    uint32_t k0 = p->key[0], k1 = p->key[1];
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
    }
    bt_philox_skip(p, 1);
    return (bt_bits){{c0, c1, c2, c3}};
}

/* One number of a block after the other. */
typedef struct bt_bit_stream {
    bt_philox generator;
    bt_bits block;
    int used;
} bt_bit_stream;

static inline bt_bit_stream bt_bit_stream_of(bt_philox generator)
{
    return (bt_bit_stream){.generator = generator, .used = 4};
}

static inline uint32_t bt_bits_next(bt_bit_stream *s)
{
    if (s->used == 4) s->block = bt_philox_next(&s->generator), s->used = 0;
    return s->block.x[s->used++];
}

/* [0, 1) from the low bits: they become the fraction of a number in [1, 2). */
static inline float bt_bits_float(uint32_t x)
{
    union {
        uint32_t u;
        float f;
    } v = {(x & 0x7fffffu) | 0x3f800000u};
    return v.f - 1.0f;
}

static inline double bt_bits_double(uint32_t low, uint32_t high)
{
    union {
        uint64_t u;
        double d;
    } v = {(((uint64_t)low & 0xfffffu) << 32) | high | (uint64_t)1023 << 52};
    return v.d - 1.0;
}

/* Doubles of a block of two, last first. */
typedef struct bt_doubles {
    double x[2];
    int left;
} bt_doubles;

static inline double bt_doubles_next(bt_doubles *p, bt_philox *g)
{
    if (!p->left) {
        bt_bits b = bt_philox_next(g);
        p->x[0] = bt_bits_double(b.x[0], b.x[1]), p->x[1] = bt_bits_double(b.x[2], b.x[3]);
        p->left = 2;
    }
    return p->x[--p->left];
}

/* Two normal numbers (Box and Muller) from two uniform ones. */
static inline void bt_normal_float(uint32_t a, uint32_t b, float out[2])
{
    float u = bt_bits_float(a), angle = 2.0f * (float)M_PI * bt_bits_float(b);
    float radius = sqrtf(-2.0f * logf(u < 1e-7f ? 1e-7f : u));
    out[0] = sinf(angle) * radius;
    out[1] = cosf(angle) * radius;
}

static inline void bt_normal_double(uint32_t a, uint32_t b, uint32_t c, uint32_t d, double out[2])
{
    double u = bt_bits_double(a, b), angle = 2.0 * M_PI * bt_bits_double(c, d);
    double radius = sqrt(-2.0 * log(u < 1e-7 ? 1e-7 : u));
    out[0] = sin(angle) * radius;
    out[1] = cos(angle) * radius;
}

/* ---- Where generators come from (random.c) ---- */

/* The generator of a stateful op, from its seeds and all that it gave before; it moves on by `blocks`. */
berth_status bt_random_reserve(bt_call *c, uint64_t blocks, bt_philox *generator);
/* From input i: a seed of two integers. */
berth_status bt_random_seeded(bt_call *c, int i, bt_philox *generator);
/* From inputs i, i + 1, i + 2: key, counter and algorithm. */
berth_status bt_random_keyed(bt_call *c, int i, bt_philox *generator);
/* From the state of a tf.random.Generator, the variable of input 0, with the algorithm in input 1; it moves on by so many
 * numbers (random_state.c). */
berth_status bt_random_of_state(bt_call *c, uint64_t numbers, bt_philox *generator);
/* The shape in input i. */
berth_status bt_random_shape(bt_call *c, int i, bt_shape *shape);
/* The shape of draws for parameters of a shape: [samples...] + that. Input i says all of it, or the samples alone. */
berth_status bt_random_shape_of_draws(bt_call *c, int i, const bt_shape *parameters, bool is_all, bt_shape *shape);
/* Element i of a float tensor of any width. */
void bt_random_store(berth_dtype dtype, void *out, int64_t i, double value);
bt_infer_fn bt_infer_random; /* output 0: dtype "dtype" or "Tout", shape as input 0 says */

#endif
