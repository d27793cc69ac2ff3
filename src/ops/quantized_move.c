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

/* The range that holds all others and begins at 0 at the latest; of signed numbers it is symmetric. */
static berth_status joint_range(bt_call *c, int n, float *min, float *max)
{
    *min = 0, *max = -FLT_MAX;
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
    for (int i = 0, range = 0; i < n; i++) {
        const bt_tensor *in = c->in[1 + i];
        int64_t inner = bt_shape_span(&in->shape, axis, shape->rank);
        float own_min = *(const float *)c->in[1 + n + range]->data,
              own_max = *(const float *)c->in[1 + 2 * n + range]->data;
        range += bt_tensor_count(in) > 0; /* TensorFlow counts the ranges off by the values that have elements */
        bool same = own_min == min && own_max == max;
        for (int64_t k = 0; k < outer * inner; k++) {
            int64_t v = bt_quantized_get(in->dtype, in->data, k);
            bt_quantized_put(
                in->dtype, out, k / inner * whole + at + k % inner,
                same ? v : bt_quantize_float(bt_dequantize_float(v, own_min, own_max, &q), min, max, &q));
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

typedef struct resize {
    const bt_tensor *in;
    const bt_shape *shape; /* of the output */
    void *out;
} resize;

/* Output element `at` from four of the input. TensorFlow reads integers of 32 bits by way of float. */
static void resize_element(const resize *r, const int64_t from[4], float x, float y, int64_t at)
{
    berth_dtype dtype = r->in->dtype;
    int64_t v[4];
    float f[4];
    for (int j = 0; j < 4; j++) {
        if (dtype == BERTH_FLOAT) f[j] = ((const float *)r->in->data)[from[j]];
        else v[j] = bt_quantized_get(dtype, r->in->data, from[j]);
        if (dtype == BERTH_QINT32) v[j] = (int64_t)(float)v[j];
    }
    if (dtype == BERTH_FLOAT) ((float *)r->out)[at] = blend_floats(f, x, y);
    else bt_quantized_put(dtype, r->out, at, blend(v, x, y, dtype == BERTH_QUINT8 ? 7 : 30));
}

static void resize_row(const resize *r, const bt_node *node, int64_t row)
{
    const int64_t *size = r->in->shape.dim;
    int64_t out_h = r->shape->dim[1], out_w = r->shape->dim[2], n = size[3], image = row / out_h * size[1];
    bt_between y = between_of(node, row % out_h, size[1], out_h);
    for (int64_t i = 0; i < out_w; i++) {
        bt_between x = between_of(node, i, size[2], out_w);
        int64_t top = (image + y.low) * size[2], bottom = (image + y.high) * size[2];
        for (int64_t k = 0; k < n; k++) {
            const int64_t from[4] = {(top + x.low) * n + k, (top + x.high) * n + k, (bottom + x.low) * n + k,
                                     (bottom + x.high) * n + k};
            resize_element(r, from, x.part, y.part, (row * out_w + i) * n + k);
        }
    }
}

static berth_status run_quantized_resize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    float min, max;
    bt_fact facts[3];
    resize r = {.in = in, .shape = &facts[0].shape};
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = bt_quantized_range(c, 2, &min, &max);
    if (status) return status;
    if (!(r.out = bt_out(c, 0, in->dtype, r.shape))) return BERTH_NO_MEMORY;
    bool same = in->shape.dim[1] == r.shape->dim[1] && in->shape.dim[2] == r.shape->dim[2];
    if (same) memcpy(r.out, in->data, bt_tensor_bytes(in));
    for (int64_t row = 0; !same && row < r.shape->dim[0] * r.shape->dim[1]; row++)
        resize_row(&r, c->node, row);
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
