/* Hashes of strings, each as published: FarmHash's Fingerprint64, SipHash-2-4, and the MurmurHash64A of old. What they
 * give is part of models (a bucket picks a row of an embedding), so that not one bit may differ. */
#include "ops/move.h"
#include "ops/text.h"

static uint64_t load64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) v = v << 8 | p[i];
    return v;
}

static uint64_t load32(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

static uint64_t right(uint64_t v, int n) { return v >> n | v << (64 - n); }
static uint64_t left(uint64_t v, int n) { return v << n | v >> (64 - n); }

/* ---- Fingerprint64 (FarmHash, by Geoff Pike: farmhashna) ---------------------------------------------- */

static const uint64_t k0 = 0xc3a5c85c97cb3127u, k1 = 0xb492b66fbe98f273u, k2 = 0x9ae16a3b2f90404fu;

static uint64_t mix(uint64_t v) { return v ^ v >> 47; }

static uint64_t mix_two(uint64_t u, uint64_t v, uint64_t mul)
{
    uint64_t a = mix((u ^ v) * mul);
    return mix((v ^ a) * mul) * mul;
}

static uint64_t farm_16(const uint8_t *s, size_t n)
{
    uint64_t mul = k2 + n * 2;
    if (n >= 8) {
        uint64_t a = load64(s) + k2, b = load64(s + n - 8);
        return mix_two(right(b, 37) * mul + a, (right(a, 25) + b) * mul, mul);
    }
    if (n >= 4) return mix_two(n + (load32(s) << 3), load32(s + n - 4), mul);
    if (n == 0) return k2;
    uint64_t y = s[0] + ((uint64_t)s[n >> 1] << 8), z = n + ((uint64_t)s[n - 1] << 2);
    return mix((y * k2) ^ (z * k0)) * k2;
}

static uint64_t farm_64(const uint8_t *s, size_t n)
{
    uint64_t mul = k2 + n * 2;
    uint64_t a = load64(s) * (n <= 32 ? k1 : k2), b = load64(s + 8);
    uint64_t c = load64(s + n - 8) * mul, d = load64(s + n - 16) * k2;
    uint64_t y = right(a + b, 43) + right(c, 30) + d;
    uint64_t z = mix_two(y, a + right(b + k2, 18) + c, mul);
    if (n <= 32) return z;
    uint64_t e = load64(s + 16) * mul, f = load64(s + 24);
    uint64_t g = (y + load64(s + n - 32)) * mul, h = (z + load64(s + n - 24)) * mul;
    return mix_two(right(e + f, 43) + right(g, 30) + h, e + right(f + a, 18) + g, mul);
}

typedef struct pair {
    uint64_t a, b;
} pair;

static pair weak_32(const uint8_t *s, uint64_t a, uint64_t b)
{
    uint64_t last = load64(s + 24);
    a += load64(s);
    b = right(b + a + last, 21);
    uint64_t c = a;
    a += load64(s + 8) + load64(s + 16);
    b += right(a, 44);
    return (pair){a + last, b + c};
}

typedef struct farm {
    uint64_t x, y, z;
    pair v, w;
} farm;

/* One block of 64 bytes; the last one, which may overlap the one before, is weighed by 9. */
static void farm_block(farm *f, const uint8_t *s, uint64_t mul, uint64_t weight)
{
    f->x = right(f->x + f->y + f->v.a + load64(s + 8), 37) * mul;
    f->y = right(f->y + f->v.b + load64(s + 48), 42) * mul;
    f->x ^= f->w.b * weight;
    f->y += f->v.a * weight + load64(s + 40);
    f->z = right(f->z + f->w.a, 33) * mul;
    f->v = weak_32(s, f->v.b * mul, f->x + f->w.a);
    f->w = weak_32(s + 32, f->z + f->w.b, f->y + load64(s + 16));
    uint64_t swap = f->z;
    f->z = f->x, f->x = swap;
}

uint64_t bt_fingerprint64(const void *bytes, size_t n)
{
    const uint8_t *s = bytes;
    if (n <= 16) return farm_16(s, n);
    if (n <= 64) return farm_64(s, n);
    farm f = {.x = 81 * k2 + load64(s), .y = 81 * k1 + 113};
    f.z = mix(f.y * k2 + 113) * k2;
    const uint8_t *end = s + (n - 1) / 64 * 64;
    for (; s != end; s += 64) farm_block(&f, s, k1, 1);
    uint64_t mul = k1 + ((f.z & 0xff) << 1), rest = (n - 1) & 63;
    f.w.a += rest;
    f.v.a += f.w.a;
    f.w.a += f.v.a;
    farm_block(&f, end + rest - 63, mul, 9);
    return mix_two(mix_two(f.v.a, f.w.a, mul) + mix(f.y) * k0 + f.z, mix_two(f.v.b, f.w.b, mul) + f.x, mul);
}

/* ---- SipHash-2-4 (Aumasson and Bernstein) ------------------------------------------------------------- */

static void sip_rounds(uint64_t v[4], int n)
{
    while (n--) {
        v[0] += v[1], v[1] = left(v[1], 13) ^ v[0], v[0] = left(v[0], 32);
        v[2] += v[3], v[3] = left(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = left(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = left(v[1], 17) ^ v[2], v[2] = left(v[2], 32);
    }
}

static uint64_t siphash(const uint64_t key[2], const void *bytes, size_t n)
{
    const uint8_t *s = bytes;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; s += 8, n -= 8) {
        uint64_t word = load64(s);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    for (size_t i = 0; i < n; i++) last |= (uint64_t)s[i] << (8 * i);
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* ---- MurmurHash64A (Austin Appleby) ------------------------------------------------------------------- */

uint64_t bt_murmur64(const void *bytes, size_t n)
{
    const uint64_t mul = 0xc6a4a7935bd1e995u;
    const uint8_t *s = bytes;
    uint64_t h = 0xdecafcaffeu ^ (n * mul);
    for (; n >= 8; s += 8, n -= 8) h = (h ^ mix(load64(s) * mul) * mul) * mul;
    for (size_t i = 0; i < n; i++) h ^= (uint64_t)s[i] << (8 * i);
    if (n) h *= mul;
    return mix(mix(h) * mul);
}

/* ---- Ops ---------------------------------------------------------------------------------------------- */

static berth_status infer_bucket(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    if (bt_attr_int(x->node, "num_buckets", 0) < 1) return bt_infer_fail(x, "num_buckets must be at least 1");
    x->out[0].dtype = BERTH_INT64;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

typedef uint64_t hash_fn(const void *key, const bt_string *s);

static uint64_t hash_fast(const void *key, const bt_string *s)
{
    return (void)key, bt_fingerprint64(s->p, s->n);
}
static uint64_t hash_old(const void *key, const bt_string *s) { return (void)key, bt_murmur64(s->p, s->n); }
static uint64_t hash_strong(const void *key, const bt_string *s) { return siphash(key, s->p, s->n); }

static berth_status buckets(bt_call *c, hash_fn *hash, const void *key)
{
    berth_status status = bt_strings_input(c, 0);
    int64_t *out = status ? NULL : bt_out(c, 0, BERTH_INT64, &c->in[0]->shape);
    if (!out) return c->error->status;
    const bt_string *in = c->in[0]->data;
    uint64_t n = (uint64_t)bt_attr_int(c->node, "num_buckets", 1);
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]); i++) out[i] = (int64_t)(hash(key, &in[i]) % n);
    return BERTH_OK;
}

static berth_status run_fast(bt_call *c) { return buckets(c, hash_fast, NULL); }
static berth_status run_old(bt_call *c) { return buckets(c, hash_old, NULL); }

static berth_status run_strong(bt_call *c)
{
    const bt_attr_value *key;
    if (bt_attr_list(c->node, "key", &key) != 2) return bt_call_fail(c, "Key must have 2 elements");
    uint64_t words[2] = {(uint64_t)key[0].i, (uint64_t)key[1].i};
    return buckets(c, hash_strong, words);
}

static berth_status infer_fingerprint(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    if (x->in[0].shape.rank == 0) return bt_infer_fail(x, "the data must have a dimension");
    x->out[0].dtype = BERTH_UINT8;
    x->out[0].shape = BT_SHAPE(x->in[0].shape.rank > 0 ? x->in[0].shape.dim[0] : -1, 8);
    return BERTH_OK;
}

static void store64(uint8_t *to, uint64_t v)
{
    for (int i = 0; i < 8; i++) to[i] = (uint8_t)(v >> (8 * i));
}

/* A row of strings has the fingerprint of its strings' fingerprints, unless rows are one string each. */
static berth_status run_fingerprint(bt_call *c)
{
    const bt_tensor *t = c->in[0];
    berth_status status = bt_strings_input(c, 1);
    if (status) return status;
    if (bt_tensor_count(c->in[1]) != 1 || !bt_str_is(bt_str_from(c->in[1]->data), "farmhash64"))
        return bt_call_fail(c, "Unsupported data fingerprint method: only farmhash64 is known");
    if (t->shape.rank < 1) return bt_call_fail(c, "the data must have a dimension");
    bt_shape shape = BT_SHAPE(t->shape.dim[0], 8);
    uint8_t *out = bt_out(c, 0, BERTH_UINT8, &shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t rows = t->shape.dim[0], width = bt_shape_span(&t->shape, 1, t->shape.rank);
    const uint8_t *bytes = t->data;
    size_t row = (size_t)width * bt_dtype_size(t->dtype);
    if (t->dtype == BERTH_STRING) {
        uint8_t *prints = bt_scratch(c, (size_t)(rows * width) * 8 + 8);
        if (!prints) return BERTH_NO_MEMORY;
        const bt_string *s = t->data;
        for (int64_t i = 0; i < rows * width; i++) store64(prints + 8 * i, bt_fingerprint64(s[i].p, s[i].n));
        if (width == 1) {
            if (rows) memcpy(out, prints, (size_t)rows * 8);
            return BERTH_OK;
        }
        bytes = prints, row = (size_t)width * 8;
    }
    for (int64_t i = 0; i < rows; i++) store64(out + 8 * i, bt_fingerprint64(bytes + (size_t)i * row, row));
    return BERTH_OK;
}

const bt_op bt_ops_string_hash[] = {
    {"StringToHashBucket", infer_bucket, .cpu = run_old},
    {"StringToHashBucketFast", infer_bucket, .cpu = run_fast},
    {"StringToHashBucketStrong", infer_bucket, .cpu = run_strong},
    {"Fingerprint", infer_fingerprint, .cpu = run_fingerprint,
     .types = BT_NUMBERS | BT_T(BERTH_BOOL) | BT_T(BERTH_STRING)},
    {NULL},
};
