/* Floats to quantised integers and back: QuantizeV2, Dequantize; and ranges of quantised tensors: Requantize,
 * RequantizationRange, QuantizeDownAndShrinkRange. A quantised tensor is its integers with the floats that its least and
 * largest integers stand for. Arithmetic on them: quantized.c. */
#include "ops/quantize.h"

#include <float.h>
#include <math.h>

bool bt_quantized_kind(berth_dtype dtype, bt_quantized *q)
{
    switch (dtype) {
    case BERTH_QINT8: *q = (bt_quantized){8, INT8_MIN, INT8_MAX}; return true;
    case BERTH_QUINT8: *q = (bt_quantized){8, 0, UINT8_MAX}; return true;
    case BERTH_QINT16: *q = (bt_quantized){16, INT16_MIN, INT16_MAX}; return true;
    case BERTH_QUINT16: *q = (bt_quantized){16, 0, UINT16_MAX}; return true;
    case BERTH_QINT32: *q = (bt_quantized){32, INT32_MIN, INT32_MAX}; return true;
    default: return false;
    }
}

int64_t bt_quantized_get(berth_dtype dtype, const void *p, int64_t i)
{
    switch (dtype) {
    case BERTH_QINT8: return ((const int8_t *)p)[i];
    case BERTH_QUINT8: return ((const uint8_t *)p)[i];
    case BERTH_QINT16: return ((const int16_t *)p)[i];
    case BERTH_QUINT16: return ((const uint16_t *)p)[i];
    default: return ((const int32_t *)p)[i];
    }
}

void bt_quantized_put(berth_dtype dtype, void *p, int64_t i, int64_t v)
{
    switch (dtype) {
    case BERTH_QINT8: ((int8_t *)p)[i] = (int8_t)v; break;
    case BERTH_QUINT8: ((uint8_t *)p)[i] = (uint8_t)v; break;
    case BERTH_QINT16: ((int16_t *)p)[i] = (int16_t)v; break;
    case BERTH_QUINT16: ((uint16_t *)p)[i] = (uint16_t)v; break;
    default: ((int32_t *)p)[i] = (int32_t)v;
    }
}

static double steps_of(const bt_quantized *q) { return exp2(q->bits); }

/* The last of 2^bits steps is the largest integer, so the range of the steps is a little wider. The difference is a float's,
 * as TensorFlow has it. */
static double range_of(const bt_quantized *q, float min, float max)
{
    double steps = steps_of(q);
    return (double)(max - min) * (steps / (steps - 1));
}

int64_t bt_quantize_wide(float v, float min, float max, const bt_quantized *q)
{
    if (min == max) return q->least;
    double scale = steps_of(q) / range_of(q, min, max),
           r = round((double)v * scale) - round((double)min * scale);
    return (fabs(r) < 0x1p62 ? (int64_t)r : INT64_MIN / 2) + q->least;
}

int64_t bt_quantize_first(float v, float min, float max, const bt_quantized *q)
{
    int64_t r = bt_quantize_wide(v, min, max, q);
    return r <= q->least ? q->least : r >= q->most ? q->most : r;
}

float bt_dequantize_first(int64_t v, float min, float max, const bt_quantized *q)
{
    if (min == max) return min;
    double scale = range_of(q, min, max) / steps_of(q);
    float first = roundf(min / (float)scale) * (float)scale; /* TensorFlow's own mixture */
    return (float)((double)first + ((double)v - (double)q->least) * scale);
}

/* Of 32 bits the lowest are lost, and the largest is the last float below 2^31. */
int64_t bt_quantize_float(float v, float min, float max, const bt_quantized *q)
{
    float scale = min == max ? 0 : (float)((steps_of(q) - 1) / (double)(max - min));
    float most = q->bits == 32 ? 0x1.fffffep30f : (float)q->most;
    float r = roundf(v * scale) - (roundf(min * scale) - (float)q->least);
    return r <= (float)q->least ? q->least : r >= most ? (int64_t)most : (int64_t)r;
}

float bt_dequantize_float(int64_t v, float min, float max, const bt_quantized *q)
{
    float step = (float)((double)(max - min) / (steps_of(q) - 1));
    float first = min == max ? min : roundf(min / step) * step;
    return (first - (float)q->least * step) + (float)v * step;
}

berth_status bt_quantized_range(bt_call *c, int i, float *min, float *max)
{
    for (int k = 0; k < 2; k++)
        if (c->in[i + k]->dtype != BERTH_FLOAT || bt_tensor_count(c->in[i + k]) != 1)
            return bt_call_fail(c, "input %d must be one float32", i + k);
    *min = *(const float *)c->in[i]->data, *max = *(const float *)c->in[i + 1]->data;
    return BERTH_OK;
}

berth_status bt_quantized_put_range(bt_call *c, int i, float min, float max)
{
    bt_shape one = BT_SCALAR;
    float *a = bt_out(c, i, BERTH_FLOAT, &one), *b = a ? bt_out(c, i + 1, BERTH_FLOAT, &one) : NULL;
    if (!b) return BERTH_NO_MEMORY;
    *a = min, *b = max;
    return BERTH_OK;
}

/* ---- QuantizeV2, Dequantize --------------------------------------------------------------------------- */

typedef enum mode { MIN_COMBINED, MIN_FIRST, SCALED } mode;

static bool read_mode(const bt_node *node, mode *m)
{
    static const char *const names[] = {"MIN_COMBINED", "MIN_FIRST", "SCALED"};
    const char *name = bt_attr_string(node, "mode", names[0]);
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) return *m = (mode)i, true;
    return false;
}

/* Ranges are scalars, or vectors along attribute `axis`. */
static berth_status infer_ranges(bt_infer *x, bt_shape *range)
{
    berth_status status = bt_infer_arity(x, 3);
    int64_t axis = bt_attr_int(x->node, "axis", -1);
    mode m;
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    *range = BT_SCALAR;
    if (!read_mode(x->node, &m)) return bt_infer_fail(x, "an unknown mode");
    if (axis < -1 || axis >= (in->rank < 0 ? BT_MAX_RANK : in->rank))
        return bt_infer_fail(x, "axis %lld", (long long)axis);
    if (axis >= 0 && m == MIN_FIRST) return bt_infer_fail(x, "mode MIN_FIRST knows no axis");
    if (axis >= 0) *range = BT_SHAPE(in->rank < 0 ? -1 : in->dim[axis]);
    for (int i = 1; i < 3; i++)
        if (!bt_shape_compatible(&x->in[i].shape, range))
            return bt_infer_fail(x, "min_range and max_range must be %s",
                                 axis < 0 ? "scalars" : "vectors, one number a slice");
    return BERTH_OK;
}

static berth_status infer_quantize(bt_infer *x)
{
    bt_shape range;
    berth_status status = infer_ranges(x, &range);
    if (status) return status;
    x->out[0] = (bt_fact){bt_attr_type(x->node, "T", BERTH_QUINT8), x->in[0].shape, NULL};
    if (range.rank == 1 && range.dim[0] == 1) range = BT_SCALAR;
    else if (range.rank == 1 && range.dim[0] < 0) range = BT_SHAPE_UNKNOWN;
    x->out[1] = x->out[2] = (bt_fact){BERTH_FLOAT, range, NULL};
    return BERTH_OK;
}

static berth_status infer_dequantize(bt_infer *x)
{
    bt_shape range;
    berth_status status = infer_ranges(x, &range);
    if (!status) x->out[0] = (bt_fact){bt_attr_type(x->node, "dtype", BERTH_FLOAT), x->in[0].shape, NULL};
    return status;
}

/* One slice of a tensor [outer][slices][inner], which has a range of its own. */
typedef struct slice {
    mode mode;
    bt_quantized q;
    bool narrow, to_even;
    float min, max, scale;
} slice;

static void scale_slice(slice *s)
{
    double least = (double)s->q.least + s->narrow, most = (double)s->q.most;
    if (s->mode == MIN_COMBINED)
        s->scale = (float)((double)(s->q.most - s->q.least) / (double)(s->max - s->min));
    if (s->mode != SCALED) return;
    float from_min = least * (double)s->min > 0 ? (float)(least / (double)s->min) : FLT_MAX;
    float from_max = most * (double)s->max > 0 ? (float)(most / (double)s->max) : FLT_MAX;
    s->scale = from_min < from_max ? from_min : from_max;
    s->min = (float)least / s->scale, s->max = (float)most / s->scale;
}

static int64_t quantize(const slice *s, float v)
{
    if (s->mode == MIN_FIRST) return bt_quantize_float(v, s->min, s->max, &s->q);
    float r = v < s->max ? v : s->max;
    r = r > s->min ? r : s->min;
    if (s->mode == SCALED) r = s->to_even ? rintf(r * s->scale) : roundf(r * s->scale);
    else {
        float half = s->q.least < 0 ? ((float)s->q.most - (float)s->q.least + 1) / 2 : 0;
        r = s->q.least < 0 ? roundf((r - s->min) * s->scale - half) : roundf((r - s->min) * s->scale);
    }
    if (s->q.bits == 32 && r >= 0x1p31f) return s->q.least; /* as TensorFlow, whose cast overflows */
    return r <= (float)s->q.least ? s->q.least : r >= (float)s->q.most ? s->q.most : (int64_t)r;
}

static berth_status run_quantize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact facts[3];
    slice s = {.narrow = bt_attr_bool(c->node, "narrow_range", false),
               .to_even = strcmp(bt_attr_string(c->node, "round_mode", ""), "HALF_TO_EVEN") == 0};
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    read_mode(c->node, &s.mode);
    float apart = bt_attr_float(c->node, "ensure_minimum_range", 0.01f);
    if (!bt_quantized_kind(facts[0].dtype, &s.q) || in->dtype != BERTH_FLOAT ||
        c->in[1]->dtype != BERTH_FLOAT || c->in[2]->dtype != BERTH_FLOAT)
        return bt_call_unsupported(c, "%s from %s", bt_dtype_name(facts[0].dtype), bt_dtype_name(in->dtype));
    if (s.to_even && s.mode != SCALED)
        return bt_call_fail(c, "round_mode HALF_TO_EVEN is for mode SCALED alone");
    void *out = bt_out(c, 0, facts[0].dtype, &facts[0].shape);
    float *mins = out ? bt_out(c, 1, BERTH_FLOAT, &facts[1].shape) : NULL;
    float *maxs = mins ? bt_out(c, 2, BERTH_FLOAT, &facts[2].shape) : NULL;
    if (!maxs) return BERTH_NO_MEMORY;
    int64_t axis = bt_attr_int(c->node, "axis", -1), n = bt_shape_count(&facts[1].shape),
            count = bt_tensor_count(in);
    int64_t inner = axis < 0 ? count : bt_shape_span(&in->shape, (int)axis + 1, in->shape.rank);
    for (int64_t k = 0; k < n; k++) {
        float min = ((const float *)c->in[1]->data)[k], max = ((const float *)c->in[2]->data)[k];
        if (!(min <= max)) return bt_call_fail(c, "a range from %g to %g", (double)min, (double)max);
        float large = fmaxf(1, fmaxf(fabsf(min), fabsf(max))) * apart;
        s.min = fminf(0, min);
        s.max = fmaxf(0, fmaxf(max, s.min + large));
        scale_slice(&s);
        mins[k] = s.min, maxs[k] = s.max;
        for (int64_t at = k * inner; at < count; at += n * inner)
            for (int64_t i = at; i < at + inner; i++)
                bt_quantized_put(facts[0].dtype, out, i, quantize(&s, ((const float *)in->data)[i]));
    }
    return BERTH_OK;
}

static float dequantize(const slice *s, int64_t v)
{
    if (s->mode == MIN_FIRST) return bt_dequantize_first(v, s->min, s->max, &s->q);
    if (s->mode == SCALED) return (float)v * s->scale;
    float half = s->q.least < 0 ? ((float)s->q.most - (float)s->q.least + 1) / 2 : 0;
    return ((float)v + half) * s->scale + s->min;
}

static berth_status run_dequantize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    slice s = {.narrow = bt_attr_bool(c->node, "narrow_range", false)};
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    read_mode(c->node, &s.mode);
    if (fact.dtype == BERTH_BFLOAT16 && s.mode != MIN_COMBINED)
        return bt_call_fail(c, "bfloat16 is for mode MIN_COMBINED alone");
    if (!bt_quantized_kind(in->dtype, &s.q) || c->in[1]->dtype != BERTH_FLOAT ||
        c->in[2]->dtype != BERTH_FLOAT)
        return bt_call_unsupported(c, "floats from %s", bt_dtype_name(in->dtype));
    void *out = bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t axis = bt_attr_int(c->node, "axis", -1), n = bt_tensor_count(c->in[1]),
            count = bt_tensor_count(in);
    int64_t inner = axis < 0 ? count : bt_shape_span(&in->shape, (int)axis + 1, in->shape.rank);
    for (int64_t k = 0; k < n; k++) {
        s.min = ((const float *)c->in[1]->data)[k], s.max = ((const float *)c->in[2]->data)[k];
        float least = (float)(s.q.least + s.narrow), most = (float)s.q.most;
        s.scale = (s.max - s.min) / (float)(s.q.most - s.q.least);
        if (s.mode == SCALED) s.scale = s.q.least == 0 ? s.max / most : fmaxf(s.min / least, s.max / most);
        for (int64_t at = k * inner; at < count; at += n * inner)
            for (int64_t i = at; i < at + inner; i++)
                bt_put_number(fact.dtype, bt_at(fact.dtype, out, i),
                              (double)dequantize(&s, bt_quantized_get(in->dtype, in->data, i)));
    }
    return BERTH_OK;
}

/* ---- Other ranges for the same numbers ---------------------------------------------------------------- */

static berth_status infer_requantize(bt_infer *x)
{
    bool range_only = bt_starts(x->node->op, "RequantizationRange"),
         asked = strcmp(x->node->op, "Requantize") == 0;
    berth_status status = bt_infer_arity(x, asked ? 5 : 3);
    if (status) return status;
    for (int i = 1; i < x->n_in; i++)
        if (x->in[i].shape.rank > 0) return bt_infer_fail(x, "input %d must be a scalar", i);
    for (int i = 0; i < x->n_out; i++) x->out[i] = (bt_fact){BERTH_FLOAT, BT_SCALAR, NULL};
    if (!range_only)
        x->out[0] = (bt_fact){bt_attr_type(x->node, "out_type", BERTH_QUINT8), x->in[0].shape, NULL};
    return BERTH_OK;
}

/* What the least and the largest of the numbers that are there stand for; 0 lies between. */
static void used_range(const bt_tensor *t, float min, float max, const bt_quantized *q, float *from,
                       float *to)
{
    int64_t least = q->most, most = q->least, n = bt_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = bt_quantized_get(t->dtype, t->data, i);
        least = v < least ? v : least, most = v > most ? v : most;
    }
    *from = fminf(0, bt_dequantize_first(least, min, max, q));
    *to = bt_dequantize_first(most, min, max, q);
}

/* To 8 bits TensorFlow goes in fixed point of 16 bits, and so by other roundings than by way of floats. */
static void narrow_down(const int32_t *in, int64_t n, float min, float max, float from, float to,
                        uint8_t *out)
{
    float range = max - min, out_range = to - from;
    bool flat = out_range == 0;
    float per_unit = flat ? 0 : (float)(255.0 / (double)out_range),
          middle = (float)((double)(min + max) / 2.0);
    int64_t scale = flat ? 0 : (int64_t)(255.0 * 65536 * (double)range / (double)out_range);
    int64_t offset = (int64_t)(middle * per_unit * 65536);
    int64_t first = flat ? 0 : (int64_t)(65536 * ((double)from * 255.0) / (double)out_range);
    for (int64_t i = 0; i < n; i++) {
        int64_t v = (int64_t)((__int128)in[i] * scale >> 32) + offset - first;
        v = (v + 32768) >> 16;
        out[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static berth_status run_requantize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bool range_only = c->n_out == 2, asked = c->n_in > 3;
    float min = 0, max = 0, from = 0, to = 0;
    bt_fact facts[3];
    bt_quantized q, out_q;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = bt_quantized_range(c, 1, &min, &max);
    if (status) return status;
    if (!bt_quantized_kind(in->dtype, &q))
        return bt_call_unsupported(c, "a range of %s", bt_dtype_name(in->dtype));
    if (asked) status = bt_quantized_range(c, 3, &from, &to);
    else used_range(in, min, max, &q, &from, &to);
    if (status) return status;
    if (range_only) return bt_quantized_put_range(c, 0, from, to);
    if (asked && !(from <= 0))
        return bt_call_fail(c, "requested_output_min must be <= 0, but got %g", (double)from);
    if (asked && !(to >= from))
        return bt_call_fail(c, "requested_output_max is less than requested_output_min");
    if (!bt_quantized_kind(facts[0].dtype, &out_q))
        return bt_call_unsupported(c, "%s", bt_dtype_name(facts[0].dtype));
    void *out = bt_out(c, 0, facts[0].dtype, &facts[0].shape);
    if (!out) return BERTH_NO_MEMORY;
    bool to_bytes = in->dtype == BERTH_QINT32 && facts[0].dtype == BERTH_QUINT8;
    if (to_bytes) narrow_down(in->data, bt_tensor_count(in), min, max, from, to, out);
    for (int64_t i = 0, n = to_bytes ? 0 : bt_tensor_count(in); i < n; i++) {
        float v = bt_dequantize_first(bt_quantized_get(in->dtype, in->data, i), min, max, &q);
        bt_quantized_put(facts[0].dtype, out, i, bt_quantize_first(v, from, to, &out_q));
    }
    return bt_quantized_put_range(c, 1, from, to);
}

const bt_op bt_ops_quantize[] = {
    {.name = "QuantizeV2",
     .infer = infer_quantize,
     .cpu = run_quantize,
     .types = BT_QUANTIZED,
     .outputs = "output,output_min,output_max"},
    {.name = "Dequantize", .infer = infer_dequantize, .cpu = run_dequantize, .types = BT_QUANTIZED},
    {.name = "Requantize",
     .infer = infer_requantize,
     .cpu = run_requantize,
     .types = BT_QUANTIZED,
     .type_attr = "Tinput",
     .outputs = "output,output_min,output_max"},
    {.name = "RequantizationRange",
     .infer = infer_requantize,
     .cpu = run_requantize,
     .types = BT_QUANTIZED,
     .type_attr = "Tinput",
     .outputs = "output_min,output_max"},
    {.name = "QuantizeDownAndShrinkRange",
     .infer = infer_requantize,
     .cpu = run_requantize,
     .types = BT_QUANTIZED,
     .type_attr = "Tinput",
     .outputs = "output,output_min,output_max"},
    {0},
};
