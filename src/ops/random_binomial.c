/* Binomial numbers: how many of `count` trials succeed. With few successes by sums of geometric numbers, else by Hormann, "The
 * generation of binomial random variates" (1993). Which bits are used is TensorFlow's choice. */
#include "ops/move.h"
#include "ops/philox.h"

enum { MANY = 256, FEW = 42 }; /* blocks for each number, by the one way and the other */

static double by_gaps(double count, double chance, bt_philox g)
{
    bt_doubles uniforms = {.left = 0};
    double sum = 0, n = 0;
    while ((sum += ceil(log(bt_doubles_next(&uniforms, &g)) / log1p(-chance))) <= count) n++;
    return n;
}

/* What Stirling's formula leaves of log(k!). */
static double stirling_rest(double k)
{
    static const double first[] = {
        0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
        0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287};
    if (k <= 9) return first[(int)k];
    double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

/* A point of a hat over the inverse distribution, taken at once where a rectangle lies below. */
static double by_hat(double count, double chance, bt_philox g)
{
    double deviation = sqrt(count * chance * (1 - chance)), b = 1.15 + 2.53 * deviation;
    double a = -0.0873 + 0.0248 * b + 0.01 * chance, c = count * chance + 0.5, sure = 0.92 - 4.2 / b;
    double odds = chance / (1 - chance), alpha = (2.83 + 5.1 / b) * deviation,
           m = floor((count + 1) * chance);
    bt_doubles uniforms = {.left = 0};
    for (;;) {
        double u = bt_doubles_next(&uniforms, &g), v = bt_doubles_next(&uniforms, &g);
        u -= 0.5;
        double half = 0.5 - fabs(u), k = floor((2 * a / half + b) * u + c);
        if (half >= 0.07 && v <= sure) return k;
        if (!(k >= 0 && k <= count)) continue;
        double bound = (m + 0.5) * log((m + 1) / (odds * (count - m + 1))) +
                       (count + 1) * log((count - m + 1) / (count - k + 1)) +
                       (k + 0.5) * log(odds * (count - k + 1) / (k + 1)) + stirling_rest(m) +
                       stirling_rest(count - m) - stirling_rest(k) - stirling_rest(count - k);
        if (log(v * alpha / (a / (half * half) + b)) <= bound) return k;
    }
}

/* A double in the arithmetic of the parameters' type. */
static double rounded(berth_dtype dtype, double v)
{
    if (dtype == BERTH_HALF) return (double)bt_half_to_float(bt_float_to_half((float)v));
    return dtype == BERTH_FLOAT ? (double)(float)v : v;
}

/* Draw i of all. */
static double sample(berth_dtype dtype, double count, double chance, bt_philox g, uint64_t i)
{
    if (count <= 0 || chance <= 0) return 0;
    if (chance >= 1) return count;
    if (isnan(chance)) return NAN;
    double rare = chance <= 0.5 ? chance : rounded(dtype, 1 - chance); /* the rarer of the two outcomes */
    bool many = rounded(dtype, count * rare) >= 10;
    bt_philox_skip(&g, i * (many ? MANY : FEW));
    double n = many ? by_hat(count, rare, g) : by_gaps(count, rare, g);
    return chance <= 0.5 ? n : count - n;
}

/* Where element i of a broadcast to `all` lies in a tensor. */
static int64_t place_in(const bt_tensor *t, const bt_shape *all, int64_t i)
{
    int64_t at = 0, step = 1;
    for (int d = all->rank - 1; d >= 0; i /= all->dim[d--]) {
        int own = d - (all->rank - t->shape.rank);
        if (own < 0) continue;
        if (t->shape.dim[own] != 1) at += i % all->dim[d] * step;
        step *= t->shape.dim[own];
    }
    return at;
}

/* Of the parameters in inputs i and i + 1. */
static berth_status parameters_of(bt_call *c, int i, int shape_input, bt_shape *each, bt_shape *shape)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    if (c->n_in < i + 2) return bt_call_fail(c, "needs counts and probabilities");
    if (!bt_shape_broadcast(&c->in[i]->shape, &c->in[i + 1]->shape, each))
        return bt_call_fail(c, "counts of shape %s and probs of shape %s do not fit one another",
                            bt_shape_text(&c->in[i]->shape, a), bt_shape_text(&c->in[i + 1]->shape, b));
    return bt_random_shape_of_draws(c, shape_input, each, true, shape);
}

static berth_status draw(bt_call *c, int i, const bt_shape *each, const bt_shape *shape, bt_philox generator)
{
    const bt_tensor *counts = c->in[i], *chances = c->in[i + 1];
    berth_dtype dtype = bt_attr_type(c->node, "dtype", BERTH_INT64);
    int64_t n = bt_shape_count(shape), sets = bt_shape_count(each), samples = sets ? n / sets : 0;
    void *out = bt_out(c, 0, dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t k = 0; k < n; k++) {
        int64_t set = k / samples;
        double count = bt_tensor_number(counts, place_in(counts, each, set));
        if (isnan(count)) return bt_call_fail(c, "a count that is no number"); /* TensorFlow never ends */
        double chance = bt_tensor_number(chances, place_in(chances, each, set));
        bt_put_number(dtype, bt_at(dtype, out, k % samples * sets + set),
                      sample(counts->dtype, count, chance, generator, (uint64_t)k));
    }
    return BERTH_OK;
}

static berth_status run_seeded(bt_call *c)
{
    bt_shape each, shape;
    bt_philox generator;
    berth_status status = parameters_of(c, 2, 0, &each, &shape);
    if (!status) status = bt_random_seeded(c, 1, &generator);
    return status ? status : draw(c, 2, &each, &shape, generator);
}

/* Inputs: a tf.random.Generator's state, algorithm, shape, counts, probs. */
static berth_status run_of_state(bt_call *c)
{
    bt_shape each, shape;
    bt_philox generator;
    berth_status status = parameters_of(c, 3, 2, &each, &shape);
    if (status) return status;
    uint64_t sets = (uint64_t)bt_shape_count(&each),
             samples = sets ? (uint64_t)bt_shape_count(&shape) / sets : 0;
    status = bt_random_of_state(c, sets * 2 * 100 * (samples + 3) / 4, &generator);
    return status ? status : draw(c, 3, &each, &shape, generator);
}

static berth_status infer_of_state(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "dtype", BERTH_INT64);
    const bt_tensor *shape = x->n_in > 2 ? x->in[2].value : NULL;
    if (!shape || !bt_tensor_shape_value(shape, &x->out[0].shape)) x->out[0].shape = BT_SHAPE_UNKNOWN;
    return BERTH_OK;
}

static berth_status infer_seeded(bt_infer *x)
{
    berth_status status = bt_infer_random(x);
    x->out[0].dtype = bt_attr_type(x->node, "dtype", BERTH_INT64);
    return status;
}

const bt_op bt_ops_random_binomial[] = {
    {"StatelessRandomBinomial", infer_seeded, .cpu = run_seeded, .flags = BT_OP_NO_FOLD},
    {"StatefulRandomBinomial", infer_of_state, .cpu = run_of_state, .flags = BT_OP_STATEFUL},
    {NULL},
};
