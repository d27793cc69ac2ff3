/* Floats as they would be after quantisation and back: FakeQuantWithMinMaxArgs, ...Vars, ...VarsPerChannel, and
 * QuantizeAndDequantize. Real quantised types: quantize.c. */
#include "ops/gpu.h"
#include "ops/move.h"

#include <float.h>
#include <math.h>

/* [outer, slices, inner] of a tensor with ranges of their own along one axis; one slice for all of it. */
typedef struct layout {
    int64_t outer, slices, inner;
} layout;

static layout layout_of(const bt_shape *s, int axis)
{
    if (axis < 0) return (layout){1, 1, bt_shape_count(s)};
    return (layout){bt_shape_span(s, 0, axis), s->dim[axis], bt_shape_span(s, axis + 1, s->rank)};
}

/* ---- FakeQuant ---------------------------------------------------------------------------------------- */

static berth_status infer_fake(bt_infer *x)
{
    const char *op = x->node->op;
    bool vars = !bt_ends(op, "Args"), each = bt_ends(op, "Channel");
    berth_status status = bt_infer_arity(x, vars ? 3 : 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    int64_t bits = bt_attr_int(x->node, "num_bits", 8);
    x->out[0] = (bt_fact){BERTH_FLOAT, *in, NULL};
    if (bits < 2 || bits > 16)
        return bt_infer_fail(x, "num_bits must be from 2 to 16, not %lld", (long long)bits);
    if (!vars && !(bt_attr_float(x->node, "min", -6) < bt_attr_float(x->node, "max", 6)))
        return bt_infer_fail(x, "min must be less than max");
    if (each && in->rank == 0) return bt_infer_fail(x, "inputs must have at least one dimension");
    int64_t channels = each && in->rank > 0 ? in->dim[in->rank - 1] : -1;
    for (int i = 1; vars && i < 3; i++) {
        const bt_shape *s = &x->in[i].shape;
        if (s->rank >= 0 &&
            (s->rank != (each ? 1 : 0) || (each && channels >= 0 && s->dim[0] >= 0 && s->dim[0] != channels)))
            return bt_infer_fail(x, each ? "min and max must be vectors, one number a channel"
                                         : "min and max must be scalars");
    }
    return BERTH_OK;
}

/* A range moved so that 0 is one of its steps. TensorFlow divides by the scale for one range that is an input, and
 * multiplies by `inverse` otherwise: one of them is 1. */
typedef struct steps {
    float min, max, scale, divisor, inverse, zero;
    bool nothing; /* min and max are 0: all becomes 0 */
} steps;

static steps nudge(float min, float max, int bits, bool narrow, bool divide)
{
    float least = narrow ? 1 : 0, most = (float)((1 << bits) - 1);
    steps s = {.scale = (max - min) / (most - least), .nothing = min == 0 && max == 0};
    s.divisor = divide ? s.scale : 1;
    s.inverse = divide ? 1 : (most - least) / (max - min);
    float zero = least - min / s.scale;
    zero = zero < least ? least : zero > most ? most : roundf(zero);
    s.min = (least - zero) * s.scale, s.max = (most - zero) * s.scale;
    s.zero = floorf(-s.min / s.divisor * s.inverse + 0.5f);
    return s;
}

typedef struct faking {
    const float *in;
    float *out;
    int64_t slices;
    const steps *steps;
} faking;

static void fake(void *user, int64_t first, int64_t end, int worker)
{
    const faking *f = user;
    (void)worker;
    for (int64_t i = first; i < end; i++) {
        const steps *s = &f->steps[i % f->slices];
        float v = f->in[i] > s->max ? s->max : f->in[i];
        v = v < s->min ? s->min : v;
        f->out[i] =
            s->nothing ? 0 : floorf((v - s->min) / s->divisor * s->inverse - s->zero + 0.5f) * s->scale;
    }
}

BT_CL_DECLARE(fake_quant);

static berth_status fake_on_gpu(bt_call *c, int64_t channels, int bits, bool narrow, bool divide)
{
    const bt_tensor *in = c->in[0];
    bool vars = c->n_in > 1;
    int64_t n = bt_tensor_count(in);
    void *out = bt_out(c, 0, BERTH_FLOAT, &in->shape);
    if (!out) return c->error->status;
    if (n == 0) return BERTH_OK;
    bt_grid grid = bt_grid_of(c, n);
    bt_arg args[] = {bt_pointer(in->data),
                     bt_pointer(vars ? c->in[1]->data : NULL),
                     bt_pointer(vars ? c->in[2]->data : NULL),
                     bt_pointer(out),
                     bt_long(n),
                     bt_long(channels),
                     bt_long(divide),
                     bt_float(bt_attr_float(c->node, "min", -6)),
                     bt_float(bt_attr_float(c->node, "max", 6)),
                     bt_float(narrow),
                     bt_float((float)((1 << bits) - 1))};
    return bt_gpu_launch(c, BT_CL(fake_quant), "", "fake", &grid, args, 11);
}

static berth_status run_fake(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i]->dtype != BERTH_FLOAT)
            return bt_call_unsupported(c, "input %d of %s", i, bt_dtype_name(c->in[i]->dtype));
    bool vars = c->n_in > 1, narrow = bt_attr_bool(c->node, "narrow_range", false);
    int64_t n = vars ? bt_tensor_count(c->in[1]) : 1;
    int bits = (int)bt_attr_int(c->node, "num_bits", 8);
    bool divide = vars && !bt_ends(c->node->op, "Channel");
    if (bt_on_gpu(c)) return fake_on_gpu(c, n, bits, narrow, divide);
    steps *s = bt_scratch(c, (size_t)(n + 1) * sizeof *s);
    if (!s) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        float min = vars ? ((const float *)c->in[1]->data)[i] : bt_attr_float(c->node, "min", -6);
        float max = vars ? ((const float *)c->in[2]->data)[i] : bt_attr_float(c->node, "max", 6);
        s[i] = nudge(min, max, bits, narrow, divide);
    }
    faking f = {.in = in->data, .out = bt_out(c, 0, BERTH_FLOAT, &in->shape), .slices = n, .steps = s};
    if (!f.out) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, bt_tensor_count(in), 16384, fake, &f);
    return BERTH_OK;
}

/* ---- QuantizeAndDequantize ---------------------------------------------------------------------------- */

/* Which slices have a range of their own: those along `axis`, -1: all of it has one. */
static bool read_axis(const bt_node *node, int rank, int *axis)
{
    int64_t value = bt_attr_int(node, "axis", -1);
    *axis = (int)value;
    return value >= -1 && value < (rank < 0 ? BT_MAX_RANK : rank);
}

static berth_status infer_there_and_back(bt_infer *x)
{
    bool first = bt_ends(x->node->op, "Dequantize"), third = bt_ends(x->node->op, "V3");
    berth_status status = bt_infer_arity(x, first ? 1 : third ? 4 : 3);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    int64_t bits = bt_attr_int(x->node, "num_bits", 8);
    int axis;
    x->out[0] = (bt_fact){bt_infer_type(x, 0), *in, NULL};
    if (third && x->in[3].value) bits = bt_tensor_int(x->in[3].value, 0);
    bool is_signed = bt_attr_bool(x->node, "signed_input", true);
    if (bits < (is_signed ? 2 : 1) || bits > (is_signed ? 62 : 63))
        return bt_infer_fail(x, "num_bits is out of range: %lld", (long long)bits);
    if (!read_axis(x->node, in->rank, &axis)) return bt_infer_fail(x, "axis is out of range");
    bool given = bt_attr_bool(x->node, "range_given", third), each = axis >= 0 && third;
    for (int i = 1; !first && given && i < 3; i++) {
        const bt_shape *s = &x->in[i].shape;
        if (each && s->rank >= 0 && in->rank > 0 &&
            (s->rank != 1 || (s->dim[0] >= 0 && in->dim[axis] >= 0 && s->dim[0] != in->dim[axis])))
            return bt_infer_fail(x, "input_min and input_max must be vectors, one number a slice");
        if (!each && s->rank > 0) return bt_infer_fail(x, "input_min and input_max must be scalars");
    }
    return BERTH_OK;
}

/* One slice: what is done to it. */
#define THERE_AND_BACK(T, MOST, rint_, floor_)                                                               \
    typedef struct grid_##T {                                                                                \
        T min, max, scale, inverse;                                                                          \
    } grid_##T;                                                                                              \
    /* The largest scale under which [min, max] stays within [least, most]; the other end moves out. */      \
    static grid_##T grid_of_##T(T min, T max, T least, T most)                                               \
    {                                                                                                        \
        T from_min = least * min > 0 ? least / min : MOST, from_max = most * max > 0 ? most / max : MOST;    \
        if (from_min < from_max) return (grid_##T){min, most * (min / least), from_min, min / least};        \
        return (grid_##T){least * (max / most), max, from_max, max / most};                                  \
    }                                                                                                        \
    static void through_##T(const T *in, T *out, layout l, int64_t slice, grid_##T g, bool clamp,            \
                            bool half_up)                                                                    \
    {                                                                                                        \
        for (int64_t o = 0; o < l.outer; o++)                                                                \
            for (int64_t i = 0, at = (o * l.slices + slice) * l.inner; i < l.inner; i++, at++) {             \
                T v = in[at];                                                                                \
                if (clamp) v = v > g.max ? g.max : v, v = v < g.min ? g.min : v;                             \
                v *= g.scale;                                                                                \
                out[at] = (half_up ? floor_(v + (T)0.5) : rint_(v)) * g.inverse;                             \
            }                                                                                                \
    }                                                                                                        \
    static void range_of_##T(const T *in, layout l, int64_t slice, T *min, T *max)                           \
    {                                                                                                        \
        bool any = false;                                                                                    \
        *min = *max = 0;                                                                                     \
        for (int64_t o = 0; o < l.outer; o++)                                                                \
            for (int64_t i = 0, at = (o * l.slices + slice) * l.inner; i < l.inner; i++, at++, any = true) { \
                *min = any && *min < in[at] ? *min : in[at];                                                 \
                *max = any && *max > in[at] ? *max : in[at];                                                 \
            }                                                                                                \
    }                                                                                                        \
    static berth_status all_slices_##T(bt_call *c, const T *in, T *out, const T *given[2], layout l,         \
                                       double least, double most)                                            \
    {                                                                                                        \
        bool half_up = strcmp(bt_attr_string(c->node, "round_mode", "HALF_TO_EVEN"), "HALF_UP") == 0;        \
        for (int64_t slice = 0; slice < l.slices; slice++) {                                                 \
            T min, max;                                                                                      \
            if (given[0]) min = given[0][slice], max = given[1][slice];                                      \
            else range_of_##T(in, l, slice, &min, &max);                                                     \
            if (given[0] && !(min <= max))                                                                   \
                return bt_call_fail(c, "a range from %g to %g", (double)min, (double)max);                   \
            through_##T(in, out, l, slice, grid_of_##T(min, max, (T)least, (T)most), given[0], half_up);     \
        }                                                                                                    \
        return BERTH_OK;                                                                                     \
    }
THERE_AND_BACK(float, FLT_MAX, rintf, floorf)
THERE_AND_BACK(double, DBL_MAX, rint, floor)

/* ranges [2][slices], where they are not given. */
static berth_status back_on_gpu(bt_call *c, layout l, double least, double most, const bt_tensor *range[2], bool given)
{
    char defines[BT_DEFINES];
    const bt_tensor *in = c->in[0];
    int64_t n = bt_tensor_count(in);
    berth_status status = BERTH_OK;
    const void *low = given && range[0] ? range[0]->data : NULL, *high = given && range[0] ? range[1]->data : NULL;
    void *out = bt_out(c, 0, in->dtype, &in->shape),
         *ranges = out && !given ? bt_scratch(c, (size_t)(2 * l.slices) * bt_dtype_size(in->dtype) + 1) : out;
    if (!ranges) return c->error->status;
    if (n == 0) return BERTH_OK;
    bt_gpu_defines(defines, in->dtype, 0, in->dtype == BERTH_DOUBLE ? "-DWIDEST=HIGHEST_f64" : "-DWIDEST=HIGHEST_f32");
    if (!given) {
        bt_arg args[] = {bt_pointer(in->data), bt_pointer(ranges), bt_long(n / l.slices), bt_long(l.slices), bt_long(l.inner)};
        bt_grid groups = bt_grid_groups(c, l.slices, n / l.slices);
        status = bt_gpu_launch(c, BT_CL(fake_quant), defines, "range_of", &groups, args, 5);
        low = ranges, high = bt_at_const(in->dtype, ranges, l.slices);
    }
    bool half_up = strcmp(bt_attr_string(c->node, "round_mode", "HALF_TO_EVEN"), "HALF_UP") == 0;
    bt_arg args[16] = {bt_pointer(in->data), bt_pointer(low), bt_pointer(high), bt_pointer(out), bt_long(n), bt_long(l.slices),
                       bt_long(l.inner), bt_float(bt_attr_float(c->node, "input_min", 0)), bt_float(bt_attr_float(c->node, "input_max", 0)),
                       bt_float((float)least), bt_float((float)most), bt_int(given), bt_int(half_up)};
    bt_grid grid = bt_grid_of(c, n);
    if (!status) status = bt_gpu_fault(c, "the range of slice %lld falls", args + 13);
    return status ? status : bt_gpu_launch(c, BT_CL(fake_quant), defines, "there_and_back", &grid, args, 16);
}

static berth_status there_and_back(bt_call *c, double least, double most, const bt_tensor *range[2])
{
    const bt_tensor *in = c->in[0];
    float attr[2] = {bt_attr_float(c->node, "input_min", 0), bt_attr_float(c->node, "input_max", 0)};
    int axis;
    read_axis(c->node, in->shape.rank, &axis);
    layout l = layout_of(&in->shape, axis);
    bool given = bt_attr_bool(c->node, "range_given", bt_ends(c->node->op, "V3"));
    if (given && (range[0] ? bt_tensor_count(range[0]) : 1) != l.slices)
        return bt_call_fail(c, "one range for %lld slices", (long long)l.slices);
    if (bt_on_gpu(c)) return back_on_gpu(c, l, least, most, range, given);
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (in->dtype == BERTH_DOUBLE) {
        double wide[2] = {(double)attr[0], (double)attr[1]};
        const double *p[2] = {given ? wide : NULL, wide + 1};
        if (given && range[0]) p[0] = range[0]->data, p[1] = range[1]->data;
        return all_slices_double(c, in->data, out, p, l, least, most);
    }
    const float *x = bt_call_floats(c, in), *p[2] = {given ? attr : NULL, attr + 1};
    float *y =
        x && in->dtype != BERTH_FLOAT ? bt_scratch(c, (size_t)(bt_tensor_count(in) + 1) * sizeof *y) : out;
    if (given && range[0]) p[0] = bt_call_floats(c, range[0]), p[1] = bt_call_floats(c, range[1]);
    if (!x || !y || (given && (!p[0] || !p[1]))) return c->error ? c->error->status : BERTH_NO_MEMORY;
    berth_status status = all_slices_float(c, x, y, p, l, least, most);
    for (int64_t i = 0; !status && y != out && i < bt_tensor_count(in); i++)
        bt_put_number(in->dtype, bt_at(in->dtype, out, i), (double)y[i]);
    return status;
}

static berth_status run_there_and_back(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    const bt_tensor *range[2] = {c->n_in > 1 ? c->in[1] : NULL, c->n_in > 1 ? c->in[2] : NULL};
    if (!bt_dtype_is_float(c->in[0]->dtype))
        return bt_call_unsupported(c, "input of %s", bt_dtype_name(c->in[0]->dtype));
    if (range[0] && (range[0]->dtype != c->in[0]->dtype || range[1]->dtype != c->in[0]->dtype))
        return bt_call_fail(c, "input_min and input_max must be %s", bt_dtype_name(c->in[0]->dtype));
    bool is_signed = bt_attr_bool(c->node, "signed_input", true),
         narrow = bt_attr_bool(c->node, "narrow_range", false);
    int64_t bits = c->n_in > 3 ? bt_tensor_int(c->in[3], 0) : bt_attr_int(c->node, "num_bits", 8);
    double most = is_signed ? exp2((double)bits - 1) - 1 : exp2((double)bits) - 1;
    double least = is_signed ? -exp2((double)bits - 1) + narrow : 0;
    return there_and_back(c, least, most, range);
}

#define FAKE(kind)                                                                                     \
    {                                                                                                  \
        .name = "FakeQuantWithMinMax" kind, .infer = infer_fake, .cpu = run_fake, .outputs = "outputs", \
        .gpu = run_fake                                                                                \
    }
#define THERE(version)                                                                                     \
    {                                                                                                      \
        .name = "QuantizeAndDequantize" version, .infer = infer_there_and_back, .cpu = run_there_and_back, \
        .types = BT_FLOATS, .gpu = run_there_and_back, .gpu_types = BT_FLOATS, .host_inputs = 8            \
    }

const bt_op bt_ops_fake_quant[] = {
    FAKE("Args"), FAKE("Vars"), FAKE("VarsPerChannel"), THERE(""), THERE("V2"), THERE("V3"), THERE("V4"), {0},
};
