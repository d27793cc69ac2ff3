/* Normal numbers between two bounds, by rejection: from normal numbers where the bounds leave enough of them, else from
 * uniform or exponential ones (Robert, "Simulation of truncated normal variables", 1995). Plain truncated normal numbers
 * are in random.c. */
#include "ops/move.h"
#include "ops/philox.h"

/* A standard normal number between low and high; the sign of deviation says whether the bounds were mirrored. */
typedef struct bounded {
    double mean, deviation, low, high;
} bounded;

enum { MAX_REJECTED = 1000 };

/* One block of candidates of type T, `n` of them; those accepted come out. M(f) is the function f for T, and R rounds what
 * an operation gave: TensorFlow computes halves in halves. */
#define PROPOSE(name, T, n, M, R, uniform_block, normal_block)                                           \
    static int propose_##name(const bounded *p, bt_philox *g, double out[4])                             \
    {                                                                                                    \
        const T enough = R((T)1.3), low = (T)p->low, high = (T)p->high;                                  \
        const T root = R(M(sqrt)(R(R(low * low) + (T)4)));                                               \
        const T peak = R(M(exp)(R((T)0.5 + R(R(low * R(low - root)) / (T)4))));                          \
        const T cutoff = R(R((T)2 * peak) / R(low + root)), width = R(high - low);                       \
        T x[n], u[n];                                                                                    \
        int taken = 0;                                                                                   \
        if ((low < -enough && high >= 0) || (high > enough && low <= 0)) {                               \
            normal_block(g, x);                                                                          \
            for (int i = 0; i < n; i++)                                                                  \
                if (x[i] >= low && x[i] <= high) out[taken++] = x[i];                                    \
        } else if (width < cutoff) {                                                                     \
            const T shift = low < 0 ? 0 : R(low * low);                                                  \
            uniform_block(g, x), uniform_block(g, u);                                                    \
            for (int i = 0; i < n; i++) {                                                                \
                T z = R(R(x[i] * width) + low);                                                          \
                if (u[i] <= R(M(exp)(R(R(shift - R(z * z)) / (T)2)))) out[taken++] = z;                  \
            }                                                                                            \
        } else {                                                                                         \
            const T rate = R(R(low + root) / (T)2);                                                      \
            uniform_block(g, x);                                                                         \
            for (int i = 0; i < n; i += 2) {                                                             \
                T z = R(R(-R(M(log)(x[i])) / rate) + low), d = low < rate ? R(rate - z) : R(low - rate); \
                if (x[i + 1] <= R(M(exp)(R(R(-d * d) / (T)2))) && z < high) out[taken++] = z;            \
            }                                                                                            \
        }                                                                                                \
        return taken;                                                                                    \
    }

static void uniform_floats(bt_philox *g, float x[4])
{
    bt_bits b = bt_philox_next(g);
    for (int i = 0; i < 4; i++) x[i] = bt_bits_float(b.x[i]);
}

static void normal_floats(bt_philox *g, float x[4])
{
    bt_bits b = bt_philox_next(g);
    bt_normal_float(b.x[0], b.x[1], x);
    bt_normal_float(b.x[2], b.x[3], x + 2);
}

static void uniform_doubles(bt_philox *g, double x[2])
{
    bt_bits b = bt_philox_next(g);
    x[0] = bt_bits_double(b.x[0], b.x[1]), x[1] = bt_bits_double(b.x[2], b.x[3]);
}

static void normal_doubles(bt_philox *g, double x[2])
{
    bt_bits b = bt_philox_next(g);
    bt_normal_double(b.x[0], b.x[1], b.x[2], b.x[3], x);
}

static float half(float x) { return bt_half_to_float(bt_float_to_half(x)); }

static void uniform_halves(bt_philox *g, float x[4])
{
    bt_bits b = bt_philox_next(g);
    for (int i = 0; i < 4; i++) x[i] = bt_bits_float((b.x[i] & 0x3ff) << 13); /* 10 bits of fraction */
}

static void normal_halves(bt_philox *g, float x[4])
{
    normal_floats(g, x);
    for (int i = 0; i < 4; i++) x[i] = half(x[i]);
}

#define FLOAT_FUNCTION(name) name##f
#define DOUBLE_FUNCTION(name) name
#define AS_IT_IS(x) (x)

PROPOSE(half, float, 4, FLOAT_FUNCTION, half, uniform_halves, normal_halves)
PROPOSE(float, float, 4, FLOAT_FUNCTION, AS_IT_IS, uniform_floats, normal_floats)
PROPOSE(double, double, 2, DOUBLE_FUNCTION, AS_IT_IS, uniform_doubles, normal_doubles)

static int propose(berth_dtype dtype, const bounded *p, bt_philox *g, double out[4])
{
    if (dtype == BERTH_DOUBLE) return propose_double(p, g, out);
    return dtype == BERTH_HALF ? propose_half(p, g, out) : propose_float(p, g, out);
}

/* Element of a parameter for element `at` of the shape that all four broadcast to. */
static double parameter(const bt_tensor *t, const bt_shape *all, int64_t at)
{
    int64_t index = 0, step = 1;
    for (int d = all->rank - 1, own = t->shape.rank - 1; own >= 0; d--, own--) {
        if (t->shape.dim[own] > 1) index += at % all->dim[d] * step;
        step *= t->shape.dim[own];
        at /= all->dim[d];
    }
    return bt_tensor_number(t, index);
}

/* The parameters come as mean, deviation, lower and upper bound. One of these may be infinite. */
static berth_status bounded_of(bt_call *c, const bt_shape *all, int64_t at, bounded *p)
{
    double value[4];
    for (int i = 0; i < 4; i++) value[i] = parameter(c->in[2 + i], all, at);
    double mean = value[0], deviation = value[1], low = value[2], high = value[3];
    if (!(deviation > 0) || !(low < high) || (!isfinite(low) && !isfinite(high)))
        return bt_call_fail(c, "there are no normal numbers of deviation %g from %g to %g", deviation, low,
                            high);
    if (low == -INFINITY || high < mean) {
        double kept = low;
        low = high, high = kept, deviation = -deviation;
    }
    berth_dtype dtype = c->in[2]->dtype;
    *p = (bounded){mean, deviation, bt_rounded(dtype, bt_rounded(dtype, low - mean) / deviation),
                   bt_rounded(dtype, bt_rounded(dtype, high - mean) / deviation)};
    return BERTH_OK;
}

/* out: [samples...] + the parameters' shape; the numbers of one set of parameters after the other. */
static berth_status fill(bt_call *c, bt_philox generator, const bt_shape *all, berth_dtype dtype, void *out,
                         int64_t n)
{
    int64_t sets = bt_shape_count(all), samples = sets ? n / sets : 0;
    for (int64_t s = 0; s < sets; s++) {
        bounded p = {0};
        berth_status status = bounded_of(c, all, s, &p);
        if (status) return status;
        int rejected = 0;
        for (int64_t k = 0; k < samples;) {
            double x[4];
            int taken = propose(dtype, &p, &generator, x);
            rejected = taken ? 0 : rejected + 1;
            if (rejected > MAX_REJECTED) return bt_call_fail(c, "finds no numbers between the bounds");
            for (int i = 0; i < taken && k < samples; i++, k++)
                bt_random_store(dtype, out, k * sets + s, bt_rounded(dtype, x[i] * p.deviation) + p.mean);
        }
    }
    return BERTH_OK;
}

static berth_status run_bounded(bt_call *c)
{
    bt_shape shape, all = BT_SCALAR;
    bt_philox generator;
    if (c->n_in < 6) return bt_call_fail(c, "needs four parameters");
    berth_status status = bt_random_shape(c, 0, &shape);
    if (!status) status = bt_random_seeded(c, 1, &generator);
    if (status) return status;
    for (int i = 2; i < 6; i++) {
        bt_shape so_far = all;
        if (!bt_shape_broadcast(&so_far, &c->in[i]->shape, &all))
            return bt_call_fail(c, "the parameters do not broadcast");
    }
    bool fits = shape.rank >= all.rank;
    for (int d = 0; fits && d < all.rank; d++) fits = shape.dim[shape.rank - all.rank + d] == all.dim[d];
    if (!fits) return bt_call_fail(c, "the shape does not end in that of the parameters");
    void *out = bt_out(c, 0, c->in[2]->dtype, &shape);
    return out ? fill(c, generator, &all, c->in[2]->dtype, out, bt_shape_count(&shape)) : BERTH_NO_MEMORY;
}

const bt_op bt_ops_random_bounded[] = {
    {"StatelessParameterizedTruncatedNormal", bt_infer_random, .cpu = run_bounded, .flags = BT_OP_NO_FOLD,
     BT_FLOATS, "dtype"},
    {NULL},
};
