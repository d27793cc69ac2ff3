/* Arithmetic on quantised tensors (quantize.h): products, sums, pooling, activations, each with the float range of its
 * result as two more outputs. Sums are exact integers. */
#include "ops/quantize.h"
#include "ops/window.h"

#include <math.h>

/* Input i is quantised numbers with its range in inputs at and at + 1. */
typedef struct operand {
    const bt_tensor *t;
    bt_quantized q;
    float min, max;
    int64_t zero; /* the integer that stands for 0, maybe beyond the range */
} operand;

static berth_status open_operand(bt_call *c, int i, int at, operand *o)
{
    *o = (operand){.t = c->in[i]};
    if (!bt_quantized_kind(o->t->dtype, &o->q))
        return bt_call_unsupported(c, "input %d of %s", i, bt_dtype_name(o->t->dtype));
    berth_status status = bt_quantized_range(c, at, &o->min, &o->max);
    if (!status) o->zero = bt_quantize_wide(0, o->min, o->max, &o->q);
    return status;
}

static int64_t get(const operand *o, int64_t i) { return bt_quantized_get(o->t->dtype, o->t->data, i); }

/* What one step of a product of the two stands for, times the steps of an int32. */
static berth_status put_product_range(bt_call *c, const operand *a, const operand *b)
{
    float one = (a->max - a->min) / (float)(a->q.most - a->q.least) *
                ((b->max - b->min) / (float)(b->q.most - b->q.least));
    return bt_quantized_put_range(c, 1, one * (float)INT32_MIN, one * (float)INT32_MAX);
}

/* The range of a sum of 32 bits: some bits of room. */
static berth_status put_sum_range(bt_call *c, const operand *a, const operand *b, int bits, float *most)
{
    *most = fmaxf(fmaxf(a->max, -a->min), fmaxf(b->max, -b->min)) * (float)(1 << bits);
    return bt_quantized_put_range(c, 1, -*most, *most);
}

static void put_ranges(bt_infer *x)
{
    for (int i = 1; i < 3; i++) x->out[i] = (bt_fact){BERTH_FLOAT, BT_SCALAR, NULL};
}

static berth_dtype out_type(const bt_node *node, const char *name, berth_dtype otherwise)
{
    return bt_attr_type(node, name, otherwise);
}

/* ---- Products ----------------------------------------------------------------------------------------- */

static berth_status infer_quantized_matmul(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 6);
    if (status) return status;
    const bt_shape *a = &x->in[0].shape, *b = &x->in[1].shape;
    bool ta = bt_attr_bool(x->node, "transpose_a", false), tb = bt_attr_bool(x->node, "transpose_b", false);
    put_ranges(x);
    x->out[0].dtype = out_type(x->node, "Toutput", BERTH_QINT32);
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return bt_infer_fail(x, "both sides must be matrices");
    if (a->rank == 2 && b->rank == 2 && a->dim[!ta] >= 0 && b->dim[tb] >= 0 && a->dim[!ta] != b->dim[tb])
        return bt_infer_fail(x, "%lld columns against %lld rows", (long long)a->dim[!ta],
                             (long long)b->dim[tb]);
    x->out[0].shape = BT_SHAPE(a->rank < 0 ? -1 : a->dim[ta], b->rank < 0 ? -1 : b->dim[!tb]);
    return BERTH_OK;
}

static berth_status run_quantized_matmul(bt_call *c)
{
    bool ta = bt_attr_bool(c->node, "transpose_a", false), tb = bt_attr_bool(c->node, "transpose_b", false);
    bt_fact facts[3];
    operand a, b;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = open_operand(c, 0, 2, &a);
    if (!status) status = open_operand(c, 1, 4, &b);
    if (status) return status;
    if (facts[0].dtype != BERTH_QINT32)
        return bt_call_unsupported(c, "a product as %s", bt_dtype_name(facts[0].dtype));
    int32_t *out = bt_out(c, 0, BERTH_QINT32, &facts[0].shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t m = facts[0].shape.dim[0], n = facts[0].shape.dim[1], k = a.t->shape.dim[!ta];
    for (int64_t i = 0; i < m * n; i++) {
        int64_t row = i / n, column = i % n, sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += (get(&a, ta ? j * m + row : row * k + j) - a.zero) *
                   (get(&b, tb ? column * k + j : j * n + column) - b.zero);
        out[i] = (int32_t)sum;
    }
    return put_product_range(c, &a, &b);
}

static berth_status conv_sizes(const bt_node *node, const bt_shape *in, const bt_shape *filter, bool planning,
                               bt_windowing *w, bt_sizes *s, berth_error *error)
{
    berth_status status = bt_windowing_parse(node, 2, false, w, error);
    w->planning = planning;
    if (!status) status = bt_sizes_input(w, in, s, error);
    if (status) return status;
    s->filter[0] = 1, s->filter[1] = s->filter[2] = s->out_c = -1;
    if (filter->rank >= 0) {
        if (filter->rank != 4)
            return bt_fail(error, BERTH_BAD_MODEL, "filter has %d dimensions, not 4", filter->rank);
        if (s->in_c >= 0 && filter->dim[2] >= 0 && s->in_c != filter->dim[2])
            return bt_fail(error, BERTH_BAD_MODEL, "filter and input have different channels");
        s->filter[1] = filter->dim[0], s->filter[2] = filter->dim[1], s->out_c = filter->dim[3];
    }
    if ((status = bt_sizes_output(w, s, error))) return status;
    bt_sizes_centre(w, s);
    return BERTH_OK;
}

static berth_status infer_quantized_conv(bt_infer *x)
{
    bt_windowing w;
    bt_sizes s;
    berth_status status = bt_infer_arity(x, 6);
    if (!status)
        status = conv_sizes(x->node, &x->in[0].shape, &x->in[1].shape, x->planning, &w, &s, x->error);
    if (status) return status;
    put_ranges(x);
    x->out[0] = (bt_fact){out_type(x->node, "out_type", BERTH_QINT32),
                          bt_sizes_shape(&w, s.batch, s.out, s.out_c), NULL};
    return BERTH_OK;
}

typedef struct conv {
    bt_windowing w;
    bt_sizes s;
    operand x, filter;
    int64_t outside; /* what padding counts as: 0, but that TensorFlow keeps a zero above the range in a byte */
    int32_t *out;
} conv;

/* Pixels of all outputs, flattened. */
static void conv_pixels(void *user, int64_t first, int64_t end, int worker)
{
    const conv *v = user;
    const bt_sizes *s = &v->s;
    (void)worker;
    for (int64_t at = first; at < end; at++) {
        int64_t y0 = at / s->out[2] % s->out[1] * v->w.stride[1] - s->before[1];
        int64_t x0 = at % s->out[2] * v->w.stride[2] - s->before[2], image = at / s->out[2] / s->out[1];
        for (int64_t k = 0; k < s->out_c; k++) {
            int64_t sum = 0;
            for (int64_t tap = 0; tap < s->filter[1] * s->filter[2]; tap++) {
                int64_t y = y0 + tap / s->filter[2] * v->w.dilation[1],
                        x = x0 + tap % s->filter[2] * v->w.dilation[2];
                bool inside = y >= 0 && y < s->in[1] && x >= 0 && x < s->in[2];
                int64_t from = inside ? ((image * s->in[1] + y) * s->in[2] + x) * s->in_c : 0;
                if (!inside && !v->outside) continue;
                for (int64_t i = 0; i < s->in_c; i++)
                    sum += (inside ? get(&v->x, from + i) - v->x.zero : v->outside) *
                           (get(&v->filter, (tap * s->in_c + i) * s->out_c + k) - v->filter.zero);
            }
            v->out[at * s->out_c + k] = (int32_t)sum;
        }
    }
}

static berth_status run_quantized_conv(bt_call *c)
{
    bt_fact facts[3];
    conv v;
    berth_status status = bt_call_facts(c, facts);
    if (!status)
        status = conv_sizes(c->node, &c->in[0]->shape, &c->in[1]->shape, false, &v.w, &v.s, c->error);
    if (!status) status = open_operand(c, 0, 2, &v.x);
    if (!status) status = open_operand(c, 1, 4, &v.filter);
    if (status) return status;
    v.outside = v.x.zero > 255 ? (v.x.zero & 255) - v.x.zero : 0;
    if (facts[0].dtype != BERTH_QINT32)
        return bt_call_unsupported(c, "a convolution as %s", bt_dtype_name(facts[0].dtype));
    if (!(v.out = bt_out(c, 0, BERTH_QINT32, &facts[0].shape))) return BERTH_NO_MEMORY;
    int64_t count = bt_shape_count(&facts[0].shape);
    if (count)
        bt_parallel(c->pool, count / v.s.out_c, 1 + 20000 / (bt_tensor_count(v.filter.t) + 1), conv_pixels,
                    &v);
    return put_product_range(c, &v.x, &v.filter);
}

/* ---- Element by element ------------------------------------------------------------------------------- */

static berth_status infer_quantized_pair(bt_infer *x)
{
    bool bias = bt_ends(x->node->op, "BiasAdd");
    berth_status status = bt_infer_arity(x, 6);
    if (status) return status;
    const bt_shape *a = &x->in[0].shape, *b = &x->in[1].shape;
    put_ranges(x);
    x->out[0].dtype = out_type(x->node, bias ? "out_type" : "Toutput", BERTH_QINT32);
    if (!bt_shape_broadcast(a, b, &x->out[0].shape)) return bt_infer_fail(x, "the shapes do not broadcast");
    if (!bias) return BERTH_OK;
    x->out[0].shape = *a;
    if (b->rank >= 0 && (b->rank != 1 || a->rank == 0)) return bt_infer_fail(x, "bias must be a vector");
    return BERTH_OK;
}

int64_t bt_broadcast_index(const bt_shape *in, const bt_shape *out, int64_t i)
{
    int64_t at = 0, step = 1;
    for (int d = 1; d <= out->rank; d++) {
        int64_t index = i % out->dim[out->rank - d], size = d <= in->rank ? in->dim[in->rank - d] : 1;
        i /= out->dim[out->rank - d];
        at += size == 1 ? 0 : index * step;
        step *= size;
    }
    return at;
}

/* The same number in a range of 32 bits. */
static int64_t widen(const operand *o, int64_t i, float most)
{
    bt_quantized wide = {32, INT32_MIN, INT32_MAX};
    return bt_quantize_first(bt_dequantize_first(get(o, i), o->min, o->max, &o->q), -most, most, &wide);
}

/* One side of a sum of 32 bits, [-most, most]. BiasAdd goes by way of floats; Add takes steps of the distance between the
 * integers 0 and 1, but for a scalar. */
static int64_t term(const operand *o, int64_t i, float most, bool bias, bool scalar)
{
    static const bt_quantized wide = {32, INT32_MIN, INT32_MAX};
    if (bias)
        return bt_quantize_float(bt_dequantize_float(get(o, i), o->min, o->max, &o->q), -most, most, &wide);
    if (scalar) return widen(o, i, most);
    int64_t of[2];
    for (int k = 0; k < 2; k++)
        of[k] = bt_quantize_wide(bt_dequantize_first(k, o->min, o->max, &o->q), -most, most, &wide);
    int64_t sum = of[0] + get(o, i) * (int32_t)(of[1] - of[0]);
    return sum < INT32_MIN ? INT32_MIN : sum > INT32_MAX ? INT32_MAX : sum;
}

static berth_status run_quantized_pair(bt_call *c)
{
    bool bias = bt_ends(c->node->op, "BiasAdd");
    bool product = bt_ends(c->node->op, "Mul");
    bt_fact facts[3];
    operand a, b;
    float most = 0;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = open_operand(c, 0, 2, &a);
    if (!status) status = open_operand(c, 1, 4, &b);
    if (status) return status;
    if (facts[0].dtype != BERTH_QINT32)
        return bt_call_unsupported(c, "a result as %s", bt_dtype_name(facts[0].dtype));
    int32_t *out = bt_out(c, 0, BERTH_QINT32, &facts[0].shape);
    if (!out) return BERTH_NO_MEMORY;
    if (!bias && !(a.max > a.min && b.max > b.min)) return bt_call_fail(c, "a range that is empty");
    status = product ? put_product_range(c, &a, &b) : put_sum_range(c, &a, &b, bias ? 17 : 14, &most);
    bool one = bt_tensor_count(a.t) == 1, other = !one && bt_tensor_count(b.t) == 1;
    int64_t zero = bias ? bt_quantize_first(0, -most, most, &(bt_quantized){32, INT32_MIN, INT32_MAX}) : 0;
    for (int64_t i = 0, n = bt_shape_count(&facts[0].shape); i < n; i++) {
        int64_t k = bt_broadcast_index(&a.t->shape, &facts[0].shape, i),
                l = bt_broadcast_index(&b.t->shape, &facts[0].shape, i);
        out[i] = (int32_t)(product ? (get(&a, k) - a.zero) * (get(&b, l) - b.zero)
                                   : term(&a, k, most, bias, one) + term(&b, l, most, bias, other) + zero);
    }
    return status;
}

static berth_status infer_quantized_same(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    put_ranges(x);
    x->out[0] = (bt_fact){out_type(x->node, "out_type", bt_infer_type(x, 0)), x->in[0].shape, NULL};
    return BERTH_OK;
}

static berth_status run_quantized_relu(bt_call *c)
{
    bool six = bt_ends(c->node->op, "6");
    bt_fact facts[3];
    operand x;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = open_operand(c, 0, 1, &x);
    if (status) return status;
    int64_t least = bt_quantize_first(0, x.min, x.max, &x.q),
            most = six ? bt_quantize_first(6, x.min, x.max, &x.q) : x.q.most;
    void *out = bt_out(c, 0, facts[0].dtype, &facts[0].shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t i = 0, n = bt_tensor_count(x.t); i < n; i++) {
        int64_t v = get(&x, i);
        v = v < least ? least : v;
        bt_quantized_put(facts[0].dtype, out, i, v > most ? most : v);
    }
    return bt_quantized_put_range(c, 1, x.min, x.max);
}

/* t, m, v, beta, gamma, each with its range. Fixed point of 10 bits, in a range of a million. */
static berth_status infer_quantized_norm(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 15);
    if (status) return status;
    put_ranges(x);
    x->out[0] = (bt_fact){out_type(x->node, "out_type", BERTH_QINT32), x->in[0].shape, NULL};
    const bt_shape *in = &x->in[0].shape;
    for (int i = 3; i < 15; i += 3)
        if (in->rank >= 0 &&
            (in->rank != 4 ||
             !bt_shape_compatible(&x->in[i].shape, &(bt_shape){1, {in->dim[in->rank ? in->rank - 1 : 0]}})))
            return bt_infer_fail(x, "t must have 4 dimensions, the others as many numbers as channels");
    if (in->rank == 4 && in->dim[3] == 1)
        return bt_infer_fail(x, "a single channel, which TensorFlow refuses");
    return BERTH_OK;
}

static berth_status run_quantized_norm(bt_call *c)
{
    static const float most = 1 << 20;
    static const bt_quantized wide = {32, INT32_MIN, INT32_MAX};
    float epsilon = bt_attr_float(c->node, "variance_epsilon", 0);
    bool scales = bt_attr_bool(c->node, "scale_after_normalization", false);
    bt_fact facts[3];
    operand in[5];
    berth_status status = bt_call_facts(c, facts);
    for (int i = 0; !status && i < 5; i++) status = open_operand(c, 3 * i, 3 * i + 1, &in[i]);
    if (status) return status;
    if (facts[0].dtype != BERTH_QINT32)
        return bt_call_unsupported(c, "a result as %s", bt_dtype_name(facts[0].dtype));
    int32_t *out = bt_out(c, 0, BERTH_QINT32, &facts[0].shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t channels = in[0].t->shape.dim[3], one = bt_quantize_first(1, -most, most, &wide),
            n = bt_tensor_count(in[0].t);
    for (int64_t k = 0; n > 0 && k < channels; k++) {
        float v[5];
        for (int i = 1; i < 5; i++)
            v[i] = bt_dequantize_first(get(&in[i], k), in[i].min, in[i].max, &in[i].q);
        float factor = 1 / sqrtf(v[2] + epsilon) * (scales ? v[4] : 1);
        int64_t by = bt_quantize_first(factor, -most, most, &wide),
                plus = bt_quantize_first(-v[1] * factor + v[3], -most, most, &wide);
        for (int64_t i = k; i < n; i += channels)
            out[i] =
                (int32_t)((int32_t)(uint32_t)((uint64_t)widen(&in[0], i, most) * (uint64_t)by) / one + plus);
    }
    return bt_quantized_put_range(c, 1, -most, most);
}

/* ---- Pooling ------------------------------------------------------------------------------------------ */

static berth_status pool_sizes(const bt_node *node, const bt_shape *in, bt_windowing *w, bt_sizes *s,
                               bool planning, berth_error *error)
{
    berth_status status = bt_windowing_parse(node, 2, true, w, error);
    w->planning = planning;
    if (!status && w->depth > 1) return bt_fail(error, BERTH_UNSUPPORTED, "pooling over channels");
    if (!status) status = bt_sizes_input(w, in, s, error);
    if (status) return status;
    s->out_c = s->in_c;
    memcpy(s->filter, w->size, sizeof s->filter);
    return bt_sizes_output(w, s, error);
}

static berth_status infer_quantized_pool(bt_infer *x)
{
    bt_windowing w;
    bt_sizes s;
    berth_status status = bt_infer_arity(x, 3);
    if (!status) status = pool_sizes(x->node, &x->in[0].shape, &w, &s, x->planning, x->error);
    if (status) return status;
    put_ranges(x);
    x->out[0] = (bt_fact){bt_infer_type(x, 0), bt_sizes_shape(&w, s.batch, s.out, s.out_c), NULL};
    return BERTH_OK;
}

static berth_status run_quantized_pool(bt_call *c)
{
    bool mean = bt_ends(c->node->op, "AvgPool");
    bt_fact facts[3];
    bt_windowing w;
    bt_sizes s;
    operand x;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = pool_sizes(c->node, &c->in[0]->shape, &w, &s, false, c->error);
    if (!status) status = open_operand(c, 0, 1, &x);
    void *out = status ? NULL : bt_out(c, 0, x.t->dtype, &facts[0].shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    for (int64_t i = 0, n = bt_shape_count(&facts[0].shape); i < n; i++) {
        int64_t at = i / s.in_c, largest = x.q.least, sum = 0, count = 0;
        int64_t y0 = at / s.out[2] % s.out[1] * w.stride[1] - s.before[1],
                x0 = at % s.out[2] * w.stride[2] - s.before[2];
        for (int64_t tap = 0; tap < s.filter[1] * s.filter[2]; tap++) {
            int64_t row = y0 + tap / s.filter[2], column = x0 + tap % s.filter[2];
            if (row < 0 || row >= s.in[1] || column < 0 || column >= s.in[2]) continue;
            int64_t v = get(&x, ((at / s.out[2] / s.out[1] * s.in[1] + row) * s.in[2] + column) * s.in_c +
                                    i % s.in_c);
            largest = v > largest ? v : largest, sum += v, count++;
        }
        bt_quantized_put(x.t->dtype, out, i, !mean ? largest : count ? sum / count : 0);
    }
    return bt_quantized_put_range(c, 1, x.min, x.max);
}

/* ---- InstanceNorm, Reshape ---------------------------------------------------------------------------- */

/* (x - mean) / sqrt(variance + epsilon) of each image and channel, over the range that it then has, or that is given. */
static berth_status run_quantized_instance(bt_call *c)
{
    bt_fact facts[3];
    operand x;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = open_operand(c, 0, 1, &x);
    if (status) return status;
    const bt_shape *in = &x.t->shape;
    if (in->rank != 4) return bt_call_fail(c, "x has %d dimensions, not 4", in->rank);
    int64_t pixels = in->dim[1] * in->dim[2], n = in->dim[3], count = bt_tensor_count(x.t);
    float least = INFINITY, most = -INFINITY, *y = bt_scratch(c, (size_t)(count + 1) * sizeof *y);
    void *out = y ? bt_out(c, 0, x.t->dtype, in) : NULL;
    if (!out) return BERTH_NO_MEMORY;
    double step = ((double)x.max - (double)x.min) / (double)(x.q.most - x.q.least);
    for (int64_t row = 0; count && row < in->dim[0] * n; row++) {
        int64_t first = row / n * pixels * n + row % n;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < pixels; i++) sum += (double)get(&x, first + i * n);
        sum /= (double)pixels;
        for (int64_t i = 0; i < pixels; i++)
            squares += ((double)get(&x, first + i * n) - sum) * ((double)get(&x, first + i * n) - sum);
        double by = step / sqrt(squares / (double)pixels * step * step +
                                (double)bt_attr_float(c->node, "variance_epsilon", 1e-5f));
        for (int64_t i = 0; i < pixels; i++) {
            float v = y[first + i * n] = (float)(((double)get(&x, first + i * n) - sum) * by);
            least = fminf(least, v), most = fmaxf(most, v);
        }
    }
    if (bt_attr_bool(c->node, "output_range_given", false))
        least = bt_attr_float(c->node, "given_y_min", 0), most = bt_attr_float(c->node, "given_y_max", 0);
    most = fmaxf(most, least + bt_attr_float(c->node, "min_separation", 1e-3f));
    for (int64_t i = 0; i < count; i++)
        bt_quantized_put(x.t->dtype, out, i, bt_quantize_first(y[i], least, most, &x.q));
    return bt_quantized_put_range(c, 1, least, most);
}

static berth_status infer_quantized_reshape(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    bt_infer plain = *x;
    plain.n_out = 1;
    put_ranges(x);
    return status ? status : bt_op_find("Reshape")->infer(&plain);
}

static berth_status run_quantized_reshape(bt_call *c)
{
    bt_fact facts[3];
    float min, max;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = bt_quantized_range(c, 2, &min, &max);
    if (!status) status = bt_out_alias(c, 0, 0, c->in[0]->dtype, &facts[0].shape);
    return status ? status : bt_quantized_put_range(c, 1, min, max);
}

#define QUANTIZED(op, what, run, attr, outs)                                                              \
    {                                                                                                     \
        .name = "Quantized" op, .infer = infer_quantized_##what, .cpu = run_quantized_##run,              \
        .types = BT_QUANTIZED, .type_attr = attr, .outputs = outs                                         \
    }

const bt_op bt_ops_quantized[] = {
    QUANTIZED("MatMul", matmul, matmul, "T1", "out,min_out,max_out"),
    QUANTIZED("Conv2D", conv, conv, "Tinput", "output,min_output,max_output"),
    QUANTIZED("Add", pair, pair, "T1", "z,min_z,max_z"),
    QUANTIZED("Mul", pair, pair, "T1", "z,min_z,max_z"),
    QUANTIZED("BiasAdd", pair, pair, "T1", "output,min_out,max_out"),
    QUANTIZED("Relu", same, relu, "Tinput", "activations,min_activations,max_activations"),
    QUANTIZED("Relu6", same, relu, "Tinput", "activations,min_activations,max_activations"),
    QUANTIZED("BatchNormWithGlobalNormalization", norm, norm, "Tinput", "result,result_min,result_max"),
    QUANTIZED("InstanceNorm", same, instance, "T", "y,y_min,y_max"),
    {.name = "QuantizedReshape",
     .infer = infer_quantized_reshape,
     .cpu = run_quantized_reshape,
     .outputs = "output,output_min,output_max"},
    QUANTIZED("MaxPool", pool, pool, "T", "output,min_output,max_output"),
    QUANTIZED("AvgPool", pool, pool, "T", "output,min_output,max_output"),
    {0},
};
