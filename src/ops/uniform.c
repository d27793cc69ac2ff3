/* Uniform quantisation, x = (q - zero_point) scale, with one scale or one for each slice along an axis: UniformQuantize,
 * UniformDequantize, UniformRequantize, UniformQuantizedClipByValue, UniformQuantizedAdd, UniformQuantizedDot. */
#include "ops/quantize.h"

#include <math.h>
#include <stdio.h>

/* ---- Scales ------------------------------------------------------------------------------------------- */

/* Attributes have `prefix` in front of their names, "", "input_" and so on. */
typedef struct scales {
    const float *scale;
    const int32_t *zero;
    int64_t n, inner; /* scale of element i: i / inner % n */
    int64_t least, most;
} scales;

static int64_t attr_of(const bt_node *node, const char *prefix, const char *name, int64_t otherwise)
{
    char full[64];
    snprintf(full, sizeof full, "%squantization_%s", prefix, name);
    return bt_attr_int(node, full, otherwise);
}

/* Scales and zero points in inputs i and i + 1, for a tensor of this shape. */
static berth_status read_scales(bt_call *c, const char *prefix, int i, const bt_shape *shape, scales *s)
{
    const bt_tensor *scale = c->in[i], *zero = c->in[i + 1];
    int64_t axis = attr_of(c->node, prefix, "axis", -1);
    if (scale->dtype != BERTH_FLOAT || zero->dtype != BERTH_INT32 ||
        !bt_shape_equal(&scale->shape, &zero->shape))
        return bt_call_fail(c, "scales must be float32, zero points int32, and of the same shape");
    if (axis < -1 || axis >= shape->rank) return bt_call_fail(c, "quantization_axis %lld", (long long)axis);
    bool fits =
        axis < 0 ? scale->shape.rank == 0 : scale->shape.rank == 1 && scale->shape.dim[0] == shape->dim[axis];
    if (!fits)
        return bt_call_fail(c, "scales must be %s",
                            axis < 0 ? "a scalar" : "a vector along quantization_axis");
    *s = (scales){.scale = scale->data,
                  .zero = zero->data,
                  .n = axis < 0 ? 1 : shape->dim[axis],
                  .inner = axis < 0 ? 1 : bt_shape_span(shape, (int)axis + 1, shape->rank),
                  .least = attr_of(c->node, prefix, "min_val", INT32_MIN),
                  .most = attr_of(c->node, prefix, "max_val", INT32_MAX)};
    for (int64_t k = 0; k < s->n; k++)
        if (!(s->scale[k] > 0) || isinf(s->scale[k])) return bt_call_fail(c, "scales must be positive");
    if (s->inner == 0) s->inner = 1;
    return BERTH_OK;
}

static int64_t slice_of(const scales *s, int64_t i) { return s->n == 1 ? 0 : i / s->inner % s->n; }
static int64_t clamp(int64_t v, int64_t least, int64_t most)
{
    return v < least ? least : v > most ? most : v;
}

/* A positive factor as 31 bits and a shift: factor = bits 2^(shift - 31), as TensorFlow's integer kernels have it. */
typedef struct factor {
    int32_t bits;
    int shift;
} factor;

static factor factor_of(double v)
{
    factor f;
    double part = frexp(v, &f.shift);
    int64_t bits = (int64_t)round(part * 2147483648.0);
    if (bits == (int64_t)1 << 31) bits /= 2, f.shift++;
    if (f.shift < -31) f.shift = 0, bits = 0;
    f.bits = (int32_t)bits;
    return f;
}

static int64_t times(int64_t v, factor f)
{
    int total = 31 - f.shift;
    if (total < 1 || total > 62) return 0;
    __int128 product = (__int128)v * f.bits + ((__int128)1 << (total - 1));
    return clamp((int64_t)(product >> total), INT32_MIN, INT32_MAX);
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static berth_status infer_uniform(bt_infer *x)
{
    bool requantize = strcmp(x->node->op, "UniformRequantize") == 0,
         clip = bt_ends(x->node->op, "ClipByValue");
    berth_status status = bt_infer_arity(x, requantize || clip ? 5 : 3);
    if (status) return status;
    x->out[0] = (bt_fact){clip ? bt_infer_type(x, 0) : bt_attr_type(x->node, "Tout", BERTH_FLOAT),
                          x->in[0].shape, NULL};
    return BERTH_OK;
}

static berth_status infer_add(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 8);
    if (status) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (!bt_shape_broadcast(&x->in[0].shape, &x->in[1].shape, &x->out[0].shape))
        return bt_infer_fail(x, "the shapes do not broadcast");
    return BERTH_OK;
}

static berth_status infer_dot(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 8);
    if (status) return status;
    const bt_shape *a = &x->in[0].shape, *b = &x->in[1].shape;
    if ((a->rank >= 0 && a->rank != 2) || (b->rank >= 0 && b->rank != 2))
        return bt_infer_fail(x, "both sides must be matrices");
    if (a->rank == 2 && b->rank == 2 && a->dim[1] >= 0 && b->dim[0] >= 0 && a->dim[1] != b->dim[0])
        return bt_infer_fail(x, "%lld columns against %lld rows", (long long)a->dim[1], (long long)b->dim[0]);
    x->out[0] = (bt_fact){bt_attr_type(x->node, "Tout", BERTH_QINT32),
                          BT_SHAPE(a->rank < 0 ? -1 : a->dim[0], b->rank < 0 ? -1 : b->dim[1]), NULL};
    return BERTH_OK;
}

/* ---- Element by element ------------------------------------------------------------------------------- */

static berth_status open_call(bt_call *c, bt_fact *fact, const char *prefix, int i, scales *s, void **out)
{
    berth_status status = bt_call_facts(c, fact);
    if (!status) status = read_scales(c, prefix, i, &c->in[0]->shape, s);
    if (status) return status;
    *out = bt_out(c, 0, fact->dtype, &fact->shape);
    return *out ? BERTH_OK : BERTH_NO_MEMORY;
}

static bool is_quantized(berth_dtype dtype)
{
    bt_quantized q;
    return bt_quantized_kind(dtype, &q);
}

static berth_status run_uniform_quantize(bt_call *c)
{
    bt_fact fact;
    scales s;
    void *out;
    berth_status status = open_call(c, &fact, "", 1, &s, &out);
    if (status) return status;
    if (c->in[0]->dtype != BERTH_FLOAT || !is_quantized(fact.dtype))
        return bt_call_unsupported(c, "%s from %s", bt_dtype_name(fact.dtype),
                                   bt_dtype_name(c->in[0]->dtype));
    for (int64_t i = 0, n = bt_tensor_count(c->in[0]); i < n; i++) {
        int64_t k = slice_of(&s, i);
        float v = floorf(((const float *)c->in[0]->data)[i] * (1 / s.scale[k]) + (float)s.zero[k] + 0.5f);
        int64_t r = v >= (float)s.most ? s.most : v <= (float)s.least ? s.least : (int64_t)v;
        bt_quantized_put(fact.dtype, out, i, r);
    }
    return BERTH_OK;
}

static berth_status run_uniform_dequantize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    scales s;
    void *out;
    berth_status status = open_call(c, &fact, "", 1, &s, &out);
    if (status) return status;
    if (fact.dtype != BERTH_FLOAT || !is_quantized(in->dtype))
        return bt_call_unsupported(c, "%s from %s", bt_dtype_name(fact.dtype), bt_dtype_name(in->dtype));
    for (int64_t i = 0, n = bt_tensor_count(in); i < n; i++) {
        int64_t k = slice_of(&s, i);
        ((float *)out)[i] = (float)(bt_quantized_get(in->dtype, in->data, i) - s.zero[k]) * s.scale[k];
    }
    return BERTH_OK;
}

static berth_status run_uniform_requantize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    scales from, to;
    void *out;
    berth_status status = open_call(c, &fact, "input_", 1, &from, &out);
    if (!status) status = read_scales(c, "output_", 3, &in->shape, &to);
    if (status) return status;
    if (!is_quantized(in->dtype) || !is_quantized(fact.dtype))
        return bt_call_unsupported(c, "%s from %s", bt_dtype_name(fact.dtype), bt_dtype_name(in->dtype));
    for (int64_t i = 0, n = bt_tensor_count(in); i < n; i++) {
        int64_t a = slice_of(&from, i), b = slice_of(&to, i);
        factor f = factor_of((double)from.scale[a] / (double)to.scale[b]);
        int64_t v = times(bt_quantized_get(in->dtype, in->data, i) - from.zero[a], f) + to.zero[b];
        bt_quantized_put(fact.dtype, out, i, clamp(v, to.least, to.most));
    }
    return BERTH_OK;
}

/* min and max are integers like the operand's, one or one a slice; scales and zero points only say which. */
static berth_status run_uniform_clip(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    scales s;
    void *out;
    berth_status status = open_call(c, &fact, "", 3, &s, &out);
    if (status) return status;
    if (!is_quantized(in->dtype) || c->in[1]->dtype != in->dtype || c->in[2]->dtype != in->dtype ||
        bt_tensor_count(c->in[1]) != s.n || bt_tensor_count(c->in[2]) != s.n)
        return bt_call_fail(c, "min and max must have the operand's type and the shape of scales");
    for (int64_t i = 0, n = bt_tensor_count(in); i < n; i++) {
        int64_t k = slice_of(&s, i);
        int64_t least = bt_quantized_get(in->dtype, c->in[1]->data, k),
                most = bt_quantized_get(in->dtype, c->in[2]->data, k);
        bt_quantized_put(in->dtype, out, i, clamp(bt_quantized_get(in->dtype, in->data, i), least, most));
    }
    return BERTH_OK;
}

/* ---- Add, Dot ----------------------------------------------------------------------------------------- */

/* lhs, rhs, and scales of lhs, rhs, output. One scale for each whole tensor, or for slices where all have the same. */
static berth_status begin_pair(bt_call *c, bt_fact *fact, scales *a, scales *b, scales *o, void **out)
{
    berth_status status = bt_call_facts(c, fact);
    if (!status) status = read_scales(c, "lhs_", 2, &c->in[0]->shape, a);
    if (!status) status = read_scales(c, "rhs_", 4, &c->in[1]->shape, b);
    if (!status) status = read_scales(c, "output_", 6, &fact->shape, o);
    if (status) return status;
    return (*out = bt_out(c, 0, fact->dtype, &fact->shape)) ? BERTH_OK : BERTH_NO_MEMORY;
}

static berth_status run_uniform_add(bt_call *c)
{
    const bt_tensor *a = c->in[0], *b = c->in[1];
    bt_fact fact;
    scales sa, sb, so;
    void *out;
    berth_status status = begin_pair(c, &fact, &sa, &sb, &so, &out);
    if (status) return status;
    if (!is_quantized(a->dtype) || b->dtype != a->dtype)
        return bt_call_unsupported(c, "a sum of %s", bt_dtype_name(a->dtype));
    for (int64_t i = 0, n = bt_shape_count(&fact.shape); i < n; i++) {
        int64_t at[2] = {bt_broadcast_index(&a->shape, &fact.shape, i),
                         bt_broadcast_index(&b->shape, &fact.shape, i)};
        int64_t ka = slice_of(&sa, at[0]), kb = slice_of(&sb, at[1]), ko = slice_of(&so, i);
        int64_t v = times(bt_quantized_get(a->dtype, a->data, at[0]) - sa.zero[ka],
                          factor_of((double)sa.scale[ka] / (double)so.scale[ko]));
        int64_t w = times(bt_quantized_get(a->dtype, b->data, at[1]) - sb.zero[kb],
                          factor_of((double)sb.scale[kb] / (double)so.scale[ko]));
        bt_quantized_put(fact.dtype, out, i, clamp(v + w + so.zero[ko], so.least, so.most));
    }
    return BERTH_OK;
}

static berth_status run_uniform_dot(bt_call *c)
{
    const bt_tensor *a = c->in[0], *b = c->in[1];
    bt_fact fact;
    scales sa, sb, so;
    void *out;
    berth_status status = begin_pair(c, &fact, &sa, &sb, &so, &out);
    if (status) return status;
    if (a->dtype != BERTH_QINT8 || b->dtype != BERTH_QINT8)
        return bt_call_unsupported(c, "a product of %s", bt_dtype_name(a->dtype));
    if (sa.n > 1) return bt_call_fail(c, "lhs must have one scale");
    int64_t m = a->shape.dim[0], n = a->shape.dim[1], columns = b->shape.dim[1];
    for (int64_t i = 0; i < m * columns; i++) {
        int64_t column = i % columns, kb = sb.n > 1 ? column : 0, ko = so.n > 1 ? column : 0, sum = 0;
        const int8_t *x = (const int8_t *)a->data + i / columns * n, *y = (const int8_t *)b->data + column;
        for (int64_t k = 0; k < n; k++)
            sum += ((int64_t)x[k] - sa.zero[0]) * ((int64_t)y[k * columns] - sb.zero[kb]);
        double by = (double)sa.scale[0] * (double)sb.scale[kb] / (double)so.scale[ko];
        bt_quantized_put(fact.dtype, out, i,
                         clamp(times(sum, factor_of(by)) + so.zero[ko], so.least, so.most));
    }
    return BERTH_OK;
}

#define SOME (BT_T(BERTH_QINT8) | BT_T(BERTH_QUINT8) | BT_T(BERTH_QINT32))
#define UNIFORM(op, what, run, of, attr)                                                    \
    {                                                                                       \
        .name = "Uniform" op, .infer = infer_##what, .cpu = run_uniform_##run, .types = of, \
        .type_attr = attr                                                                   \
    }

const bt_op bt_ops_uniform[] = {
    UNIFORM("Quantize", uniform, quantize, SOME, "Tout"),
    UNIFORM("Dequantize", uniform, dequantize, SOME, "Tin"),
    UNIFORM("Requantize", uniform, requantize, SOME, "Tin"),
    UNIFORM("QuantizedClipByValue", uniform, clip, BT_T(BERTH_QINT32), "T"),
    UNIFORM("QuantizedAdd", add, add, BT_T(BERTH_QINT32), "T"),
    UNIFORM("QuantizedDot", dot, dot, BT_T(BERTH_QINT8), "Tin"),
    {0},
};
