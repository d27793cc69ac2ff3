/* Quantised tensors put together and resized: QuantizedConcat, QuantizedResizeBilinear. Arithmetic on them: quantized.c. */
#include <float.h>
#include <math.h>

#include "ops/quantize.h"
#include "ops/resize.h"

/* ---- QuantizedConcat ---------------------------------------------------------------------------------- */

/* concat_dim, n values, n least and n most floats. */
static int parts_of(int n_in) { return (n_in - 1) / 3; }

static berth_status infer_quantized_concat(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    bt_infer plain = *x;
    if ((x->n_in - 1) % 3) return bt_infer_fail(x, "has %d inputs, which are not 1 + 3 n", x->n_in);
    plain.n_in = 1 + parts_of(x->n_in), plain.n_out = 1;
    for (int i = 1; i < 3; i++) x->out[i] = (bt_fact){BERTH_FLOAT, BT_SCALAR, NULL};
    if (x->in[0].value && (x->in[0].value->shape.rank != 0 || bt_tensor_int(x->in[0].value, 0) < 0))
        return bt_infer_fail(x, "the axis must be one integer, and not negative");
    return bt_op_find("Concat")->infer(&plain);
}

/* Integers of one range as those of another, all in float as TensorFlow's vector code has it. */
typedef struct rescale {
    float add, step, by, zero, least, most;
} rescale;

static rescale rescale_of(const bt_quantized *q, float min, float max, float to_min, float to_max)
{
    double steps = exp2(q->bits) - 1;
    float step = (float)((double)(max - min) / steps);
    float first = max == min ? min : roundf(min / step) * step;
    float by = to_max == to_min ? 0 : (float)(steps / (double)(to_max - to_min));
    return (rescale){.add = first - (float)q->least * step,
                     .step = step,
                     .by = by,
                     .zero = roundf(to_min * by) - (float)q->least,
                     .least = (float)q->least,
                     .most = fminf((float)q->most, 0x7fffff80p0f)};
}

static int64_t rescaled(const rescale *r, int64_t v)
{
    float out = roundf((r->add + (float)v * r->step) * r->by) - r->zero;
    return (int64_t)(out < r->least ? r->least : out > r->most ? r->most : out);
}

/* The range that holds all others, which of signed numbers is symmetric. */
static berth_status joint_range(bt_call *c, int n, float *min, float *max)
{
    *min = FLT_MAX, *max = -FLT_MAX;
    for (int i = 0; i < n; i++) {
        const bt_tensor *low = c->in[1 + n + i], *high = c->in[1 + 2 * n + i];
        if (low->dtype != BERTH_FLOAT || high->dtype != BERTH_FLOAT || bt_tensor_count(low) < 1 ||
            bt_tensor_count(high) < 1)
            return bt_call_fail(c, "the range of value %d must be two floats", i);
        *min = fminf(*min, *(const float *)low->data), *max = fmaxf(*max, *(const float *)high->data);
    }
    if (c->in[1]->dtype == BERTH_QINT32) *max = fmaxf(fabsf(*min), fabsf(*max)), *min = -*max;
    return BERTH_OK;
}

static berth_status run_quantized_concat(bt_call *c)
{
    int n = parts_of(c->n_in);
    float min, max;
    bt_fact facts[3];
    bt_quantized q;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = joint_range(c, n, &min, &max);
    if (status) return status;
    if (!bt_quantized_kind(facts[0].dtype, &q)) return bt_call_fail(c, "joins quantised numbers only");
    const bt_shape *shape = &facts[0].shape;
    int axis = bt_call_axis(c, 0, shape->rank);
    char *out = bt_out(c, 0, facts[0].dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t outer = bt_shape_span(shape, 0, axis), whole = bt_shape_span(shape, axis, shape->rank), at = 0;
    for (int i = 0; i < n; i++) {
        const bt_tensor *in = c->in[1 + i];
        int64_t inner = bt_shape_span(&in->shape, axis, shape->rank);
        float own_min = *(const float *)c->in[1 + n + i]->data,
              own_max = *(const float *)c->in[1 + 2 * n + i]->data;
        rescale r = rescale_of(&q, own_min, own_max, min, max);
        bool same = own_min == min && own_max == max;
        for (int64_t k = 0; k < outer * inner; k++) {
            int64_t v = bt_quantized_get(in->dtype, in->data, k);
            bt_quantized_put(in->dtype, out, k / inner * whole + at + k % inner, same ? v : rescaled(&r, v));
        }
        at += inner;
    }
    return bt_quantized_put_range(c, 1, min, max);
}

/* ---- QuantizedResizeBilinear -------------------------------------------------------------------------- */

static berth_status infer_quantized_resize(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    for (int i = 1; i < 3; i++) {
        x->out[i] = (bt_fact){BERTH_FLOAT, BT_SCALAR, NULL};
        if (x->in[i + 1].shape.rank > 0) return bt_infer_fail(x, "min and max must be scalars");
    }
    return bt_infer_image_size(x, bt_infer_type(x, 0));
}

/* Unlike other ops, takes both attributes at once. */
static bt_between between_of(const bt_node *node, int64_t i, int64_t in, int64_t out)
{
    float scale = bt_resize_scale(bt_attr_bool(node, "align_corners", false), in, out);
    bool half = bt_attr_bool(node, "half_pixel_centers", false);
    return bt_between_of(half ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale, in);
}

/* In fixed point of `bits` bits. */
static int64_t blend(const int64_t v[4], float x, float y, int bits)
{
    int64_t one = (int64_t)1 << bits, part_x = (int64_t)(x * (float)one), part_y = (int64_t)(y * (float)one);
    int64_t top = v[0] * one + (v[1] - v[0]) * part_x, bottom = v[2] * one + (v[3] - v[2]) * part_x;
    return (top + (bottom - top) / one * part_y + one / 2) / one;
}

static float blend_floats(const float v[4], float x, float y)
{
    float top = v[0] + (v[1] - v[0]) * x, bottom = v[2] + (v[3] - v[2]) * x;
    return top + (bottom - top) * y;
}

static void resize_row(const bt_call *c, const bt_shape *out_shape, int64_t row, void *out)
{
    const bt_tensor *in = c->in[0];
    const int64_t *size = in->shape.dim;
    int64_t out_h = out_shape->dim[1], out_w = out_shape->dim[2], n = size[3];
    bt_between y = between_of(c->node, row % out_h, size[1], out_h);
    for (int64_t i = 0; i < out_w; i++) {
        bt_between x = between_of(c->node, i, size[2], out_w);
        int64_t image = row / out_h * size[1];
        int64_t from[4] = {(image + y.low) * size[2] + x.low, (image + y.low) * size[2] + x.high,
                           (image + y.high) * size[2] + x.low, (image + y.high) * size[2] + x.high};
        for (int64_t k = 0; k < n; k++) {
            int64_t at = (row * out_w + i) * n + k, v[4];
            float f[4];
            for (int j = 0; j < 4 && in->dtype == BERTH_FLOAT; j++)
                f[j] = ((const float *)in->data)[from[j] * n + k];
            if (in->dtype == BERTH_FLOAT) {
                ((float *)out)[at] = blend_floats(f, x.part, y.part);
                continue;
            }
            for (int j = 0; j < 4; j++) v[j] = bt_quantized_get(in->dtype, in->data, from[j] * n + k);
            bt_quantized_put(in->dtype, out, at,
                             blend(v, x.part, y.part, in->dtype == BERTH_QUINT8 ? 7 : 30));
        }
    }
}

static berth_status run_quantized_resize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    float min, max;
    bt_fact facts[3];
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = bt_quantized_range(c, 2, &min, &max);
    if (status) return status;
    const bt_shape *shape = &facts[0].shape;
    void *out = bt_out(c, 0, in->dtype, shape);
    if (!out) return BERTH_NO_MEMORY;
    bool same = in->shape.dim[1] == shape->dim[1] && in->shape.dim[2] == shape->dim[2];
    if (same) memcpy(out, in->data, bt_tensor_bytes(in));
    for (int64_t row = 0; !same && row < shape->dim[0] * shape->dim[1]; row++) resize_row(c, shape, row, out);
    return bt_quantized_put_range(c, 1, min, max);
}

const bt_op bt_ops_quantized_move[] = {
    {.name = "QuantizedConcat",
     .infer = infer_quantized_concat,
     .cpu = run_quantized_concat,
     .types = BT_T(BERTH_QUINT8) | BT_T(BERTH_QINT32),
     .outputs = "output,output_min,output_max"},
    {.name = "QuantizedResizeBilinear",
     .infer = infer_quantized_resize,
     .cpu = run_quantized_resize,
     .types = BT_T(BERTH_QUINT8) | BT_T(BERTH_QINT32) | BT_T(BERTH_FLOAT),
     .outputs = "resized_images,out_min,out_max"},
    {0},
};
