/* FractionalMaxPool and FractionalAvgPool: pooling [N, H, W, C] by a ratio that is no integer, through cells of two sizes in
 * a random order (Graham, "Fractional max-pooling", 2014). Outputs 1 and 2 tell where cells of rows and columns begin. The
 * order is TensorFlow's own for given seeds. Pooling by windows: pool.c. */
#include <float.h>
#include <math.h>

#include "ops/move.h"
#include "ops/philox.h"

/* ---- Shapes ------------------------------------------------------------------------------------------- */

/* Output sizes, -1 where not known. */
static berth_status sizes_of(const bt_node *node, const bt_shape *in, bt_shape *out, berth_error *error)
{
    const bt_attr_value *ratio;
    int n = bt_attr_list(node, "pooling_ratio", &ratio);
    if (n != 4 || bt_attr_find(node, "pooling_ratio")->kind != BT_ATTR_FLOAT)
        return bt_fail(error, BERTH_BAD_MODEL, "pooling_ratio must be 4 numbers");
    if (in->rank >= 0 && in->rank != 4)
        return bt_fail(error, BERTH_BAD_MODEL, "input has %d dimensions, not 4", in->rank);
    *out = BT_SHAPE(-1, -1, -1, -1);
    for (int i = 0; i < 4; i++) {
        if (!(ratio[i].f >= 1)) return bt_fail(error, BERTH_BAD_MODEL, "a pooling_ratio below 1");
        if ((i == 0 || i == 3) && ratio[i].f != 1)
            return bt_fail(error, BERTH_UNSUPPORTED, "pooling_ratio of batch and channels must be 1");
        if (in->rank < 0 || in->dim[i] < 0) continue;
        out->dim[i] = (int64_t)floorf((float)in->dim[i] / ratio[i].f);
        if (out->dim[i] < 1)
            return bt_fail(error, BERTH_BAD_MODEL, "pooling_ratio %g of a dimension of %lld",
                           (double)ratio[i].f, (long long)in->dim[i]);
    }
    return BERTH_OK;
}

static berth_status infer_fractional(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    status = sizes_of(x->node, &x->in[0].shape, &x->out[0].shape, x->error);
    for (int i = 1; i < 3; i++) {
        int64_t cells = x->out[0].shape.dim[i];
        x->out[i] = (bt_fact){BERTH_INT64, BT_SHAPE(cells < 0 ? -1 : cells + 1), NULL};
    }
    return status;
}

/* ---- Where cells begin -------------------------------------------------------------------------------- */

/* Begins at ceil(alpha (i + u)), alpha = in / out, for one u: as irregular as it gets without gaps. */
static void spaced(int64_t in, int64_t out, bt_philox *generator, int64_t *begins)
{
    double alpha = (double)in / (double)out;
    int64_t k = in / out;
    double first = (double)(k + 2) / alpha - 1, last = (double)(in + 1 - k) / alpha - (double)(out - 1);
    bt_bits bits = bt_philox_next(generator);
    double u = bt_bits_double(bits.x[0], bits.x[1]) * fmin(first, last);
    begins[0] = 0, begins[out] = in;
    for (int64_t i = 1; i < out; i++) begins[i] = (int64_t)ceil(alpha * ((double)i + u)) - 1;
}

/* Cells of k and of k + 1, shuffled. */
static void shuffled(int64_t in, int64_t out, bt_philox *generator, int64_t *begins)
{
    bt_bit_stream bits = bt_bit_stream_of(*generator);
    int64_t *cells = begins + 1;
    for (int64_t i = 0; i < out; i++) cells[i] = in / out + (i < in % out);
    for (int64_t i = 0; i + 1 < out; i++) {
        int64_t other = i + bt_bits_next(&bits) % (uint32_t)(out - i), kept = cells[i];
        cells[i] = cells[other], cells[other] = kept;
    }
    bt_philox_skip(generator, (uint64_t)(out + 3) / 4);
    begins[0] = 0;
    for (int64_t i = 1; i <= out; i++) begins[i] += begins[i - 1];
}

/* Without `deterministic`, numbers that nobody can foretell; with it and no seeds such that stay the session's. */
static berth_status generator_of(bt_call *c, int64_t cells, bt_philox *generator)
{
    uint64_t seed = (uint64_t)bt_attr_int(c->node, "seed", 0),
             seed2 = (uint64_t)bt_attr_int(c->node, "seed2", 0);
    bool stays = bt_attr_bool(c->node, "deterministic", false);
    if (!stays && (seed || seed2)) return bt_call_fail(c, "seeds must be 0 where deterministic is not set");
    if (!seed && !seed2) return bt_random_reserve(c, stays ? 0 : (uint64_t)cells + 2, generator);
    *generator = bt_philox_of(seed, 0, seed2);
    return BERTH_OK;
}

/* ---- Pooling ------------------------------------------------------------------------------------------ */

typedef struct fractional {
    const void *x;
    void *y;
    const int64_t *rows, *columns; /* where cells begin, and the end */
    int64_t h, w, out_h, out_w, channels;
    bool overlapping, mean;
} fractional;

/* Cells that overlap share the pixel on their border. */
static int64_t end_of(const fractional *p, const int64_t *begins, int64_t i, int64_t most)
{
    int64_t end = begins[i + 1] + (p->overlapping ? 1 : 0);
    return end < most ? end : most;
}

#define POOL(name, T, LEAST)                                                                             \
    static void pool_##name(void *user, int64_t begin, int64_t end, int worker)                          \
    {                                                                                                    \
        const fractional *p = user;                                                                      \
        (void)worker;                                                                                    \
        for (int64_t at = begin; at < end; at++) {                                                       \
            int64_t i = at / p->out_w % p->out_h, j = at % p->out_w, image = at / (p->out_h * p->out_w); \
            int64_t bottom = end_of(p, p->rows, i, p->h), right = end_of(p, p->columns, j, p->w), n = 0; \
            T *y = (T *)p->y + at * p->channels;                                                         \
            for (int64_t c = 0; c < p->channels; c++) y[c] = p->mean ? 0 : LEAST;                        \
            for (int64_t row = p->rows[i]; row < bottom; row++)                                          \
                for (int64_t column = p->columns[j]; column < right; column++, n++) {                    \
                    const T *x = (const T *)p->x + ((image * p->h + row) * p->w + column) * p->channels; \
                    for (int64_t c = 0; c < p->channels; c++)                                            \
                        y[c] = p->mean ? (T)ADD_##name(y[c], x[c]) : x[c] > y[c] ? x[c] : y[c];          \
                }                                                                                        \
            for (int64_t c = 0; p->mean && n && c < p->channels; c++) y[c] /= (T)n;                      \
        }                                                                                                \
    }
#define ADD_float(a, b) ((a) + (b))
#define ADD_double(a, b) ((a) + (b))
#define ADD_int32(a, b) ((uint32_t)(a) + (uint32_t)(b))
#define ADD_int64(a, b) ((uint64_t)(a) + (uint64_t)(b))
POOL(float, float, -FLT_MAX)
POOL(double, double, -DBL_MAX)
POOL(int32, int32_t, INT32_MIN)
POOL(int64, int64_t, INT64_MIN)

static berth_status run_fractional(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact facts[3];
    bt_philox generator;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = generator_of(c, facts[0].shape.dim[1] + facts[0].shape.dim[2], &generator);
    if (status) return status;
    const int64_t *size = facts[0].shape.dim;
    int64_t *begins[2];
    for (int i = 0; i < 2; i++) {
        if (!(begins[i] = bt_out(c, i + 1, BERTH_INT64, &facts[i + 1].shape))) return BERTH_NO_MEMORY;
        bool is_spaced = bt_attr_bool(c->node, "pseudo_random", false);
        (is_spaced ? spaced : shuffled)(in->shape.dim[i + 1], size[i + 1], &generator, begins[i]);
    }
    fractional p = {.x = in->data,
                    .rows = begins[0],
                    .columns = begins[1],
                    .h = in->shape.dim[1],
                    .w = in->shape.dim[2],
                    .out_h = size[1],
                    .out_w = size[2],
                    .channels = size[3],
                    .overlapping = bt_attr_bool(c->node, "overlapping", false),
                    .mean = bt_starts(c->node->op, "FractionalAvg")};
    if (!(p.y = bt_out(c, 0, in->dtype, &facts[0].shape))) return BERTH_NO_MEMORY;
    bt_range_fn *pool = in->dtype == BERTH_FLOAT    ? pool_float
                        : in->dtype == BERTH_DOUBLE ? pool_double
                        : in->dtype == BERTH_INT32  ? pool_int32
                                                    : pool_int64;
    bt_parallel(c->pool, size[0] * size[1] * size[2], 1 + 4096 / size[3], pool, &p);
    return BERTH_OK;
}

#define FRACTIONAL(op)                                                                           \
    {                                                                                            \
        .name = op, .infer = infer_fractional, .cpu = run_fractional, .flags = BT_OP_STATEFUL,   \
        .types = BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE) | BT_T(BERTH_INT32) | BT_T(BERTH_INT64), \
        .outputs = "output,row_pooling_sequence,col_pooling_sequence"                            \
    }

const bt_op bt_ops_fractional[] = {
    FRACTIONAL("FractionalMaxPool"),
    FRACTIONAL("FractionalAvgPool"),
    {0},
};
