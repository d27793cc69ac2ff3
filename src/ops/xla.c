/* Ops of XLA's that TensorFlow runs on a CPU, too, where they stand in a graph as they are: parts of a tensor at places that are
 * known when it runs (a growing cache, in text generation), and padding. What only names or groups passes in identity.c. */
#include "ops/move.h"

/* The elements of an input that is a vector, of one number for each of `rank` dimensions; -1 where its value is not known. */
static berth_status infer_each(bt_infer *x, int i, int rank, int64_t *values)
{
    const bt_tensor *t = x->in[i].value;
    int n = rank;
    for (int axis = 0; axis < rank; axis++) values[axis] = -1;
    if (bt_infer_length(x, i) >= 0 && bt_infer_length(x, i) != rank)
        return bt_infer_fail(x, "input %d has %lld numbers for %d dimensions", i,
                             (long long)bt_infer_length(x, i), rank);
    if (t && (!bt_ints(t, values, rank, &n) || n != rank))
        return bt_infer_fail(x, "input %d must be a vector of %d integers", i, rank);
    return BERTH_OK;
}

/* ---- XlaDynamicSlice, XlaDynamicUpdateSlice ------------------------------------------------------------ */

static berth_status infer_dynamic_slice(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    const bt_shape *in = &x->in[0].shape;
    int64_t begins[BT_MAX_RANK], sizes[BT_MAX_RANK];
    x->out[0].dtype = bt_infer_type(x, 0);
    if (status || in->rank < 0) return status;
    status = infer_each(x, 1, in->rank, begins);
    if (!status) status = infer_each(x, 2, in->rank, sizes);
    if (status) return status;
    for (int i = 0; i < in->rank && x->in[2].value; i++)
        if (sizes[i] < 0 || (in->dim[i] >= 0 && sizes[i] > in->dim[i]))
            return bt_infer_fail(x, "size %lld of dimension %d is not in [0, %lld]", (long long)sizes[i], i,
                                 (long long)in->dim[i]);
    x->out[0].shape = bt_shape_from(in->rank, sizes);
    return BERTH_OK;
}

static berth_status infer_dynamic_update(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    const bt_shape *in = &x->in[0].shape, *part = &x->in[1].shape;
    int64_t begins[BT_MAX_RANK];
    x->out[0] = (bt_fact){bt_infer_type(x, 0), *in, NULL};
    if (!status) status = bt_infer_alike(x, 0, 2);
    if (status || in->rank < 0 || part->rank < 0) return status;
    bool fits = part->rank == in->rank;
    for (int i = 0; fits && i < in->rank; i++) fits = in->dim[i] < 0 || part->dim[i] <= in->dim[i];
    if (!fits) return bt_infer_fail(x, "the update is larger than the tensor, or of another rank");
    return infer_each(x, 2, in->rank, begins);
}

/* Where a part begins in `whole`, from the integers of input i: as near to them as it lies within. m: a move of the part's elements
 * out of the whole. */
static berth_status locate(bt_call *c, int i, const bt_shape *whole, const bt_shape *part, bt_move *m,
                           int64_t *offset)
{
    int64_t begin[BT_MAX_RANK] = {0}, within[BT_MAX_RANK], own[BT_MAX_RANK];
    int n = 0;
    if (!bt_ints(c->in[i], begin, BT_MAX_RANK, &n) || n != whole->rank)
        return bt_call_fail(c, "the places must be a vector of %d integers", whole->rank);
    bt_strides(whole, within);
    bt_strides(part, own);
    *offset = 0;
    for (int axis = 0; axis < whole->rank; axis++) {
        int64_t last = whole->dim[axis] - part->dim[axis], at = begin[axis];
        *offset += (at < 0 ? 0 : at > last ? last : at) * within[axis];
        bt_move_axis(m, part->dim[axis], own[axis], within[axis]);
    }
    return BERTH_OK;
}

static berth_status run_dynamic_slice(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_move m = {.dtype = in->dtype};
    bt_fact fact;
    int64_t offset = 0;
    berth_status status = bt_call_facts(c, &fact);
    if (!status) status = locate(c, 1, &in->shape, &fact.shape, &m, &offset);
    if (status) return status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    return bt_shape_count(&fact.shape) ? bt_call_move(c, &m, out, bt_at_const(in->dtype, in->data, offset))
                                       : BERTH_OK;
}

static berth_status run_dynamic_update(bt_call *c)
{
    const bt_tensor *in = c->in[0], *part = c->in[1];
    bt_move m = {.dtype = in->dtype};
    bt_fact fact;
    int64_t offset = 0;
    berth_status status = bt_call_facts(c, &fact);
    if (!status) status = locate(c, 2, &in->shape, &part->shape, &m, &offset);
    if (status) return status;
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (out != in->data) status = bt_call_row(c, in->dtype, out, in->data, bt_tensor_count(in));
    for (int i = 0; i < m.rank; i++) {
        int64_t own = m.to[i];
        m.to[i] = m.from[i], m.from[i] = own;
    }
    if (status || !bt_tensor_count(part)) return status;
    return bt_call_move(c, &m, bt_at(in->dtype, out, offset), part->data);
}

/* ---- XlaPad -------------------------------------------------------------------------------------------- */

enum { LOW = 2, HIGH, INTERIOR };

static berth_status infer_pad(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 5);
    const bt_shape *in = &x->in[0].shape;
    int64_t pads[5][BT_MAX_RANK];
    x->out[0].dtype = bt_infer_type(x, 0);
    if (!status) status = bt_infer_alike(x, 0, 2);
    if (!status && x->in[1].shape.rank > 0) status = bt_infer_fail(x, "the padding's value must be a scalar");
    if (status || in->rank < 0) return status;
    bool known = true;
    for (int i = LOW; i <= INTERIOR && !status; i++) {
        status = infer_each(x, i, in->rank, pads[i]);
        known = known && x->in[i].value;
    }
    if (status) return status;
    bt_shape *out = &x->out[0].shape;
    *out = *in;
    for (int i = 0; i < in->rank; i++) {
        int64_t dim = in->dim[i], inner = 0;
        out->dim[i] = -1;
        if (!known || dim < 0) continue;
        if (pads[INTERIOR][i] < 0) return bt_infer_fail(x, "interior padding of dimension %d is negative", i);
        if (__builtin_mul_overflow(dim ? dim - 1 : 0, pads[INTERIOR][i], &inner) ||
            __builtin_add_overflow(dim, inner, &dim) || __builtin_add_overflow(dim, pads[LOW][i], &dim) ||
            __builtin_add_overflow(dim, pads[HIGH][i], &dim) || dim < 0)
            return bt_infer_fail(x, "padding leaves dimension %d no possible size", i);
        out->dim[i] = dim;
    }
    return BERTH_OK;
}

/* Of element i, at low + i step in the output, those that lie within it: first and count. */
static int64_t within(int64_t dim, int64_t low, int64_t step, int64_t size, int64_t *first)
{
    *first = low < 0 ? (-low + step - 1) / step : 0;
    int64_t end = low >= size ? 0 : (size - low + step - 1) / step;
    if (end > dim) end = dim;
    return end > *first ? end - *first : 0;
}

static berth_status run_pad(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_move m = {.dtype = in->dtype};
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    status = bt_call_fill(c, in->dtype, out, c->in[1]->data, bt_shape_count(&fact.shape));
    int64_t from[BT_MAX_RANK], to[BT_MAX_RANK], read = 0, write = 0;
    bt_strides(&in->shape, from);
    bt_strides(&fact.shape, to);
    bool any = true;
    for (int i = 0; i < in->shape.rank; i++) {
        int64_t low = bt_tensor_int(c->in[LOW], i), step = bt_tensor_int(c->in[INTERIOR], i) + 1, first;
        int64_t n = within(in->shape.dim[i], low, step, fact.shape.dim[i], &first);
        any = any && n > 0;
        read += first * from[i], write += (low + first * step) * to[i];
        bt_move_axis(&m, n, to[i] * step, from[i]);
    }
    if (status || !any) return status;
    return bt_call_move(c, &m, bt_at(in->dtype, out, write), bt_at_const(in->dtype, in->data, read));
}

#define ON_BOTH(run) .cpu = run, .gpu = run, .gpu_types = BT_GPU_MOVES

const bt_op bt_ops_xla[] = {
    {.name = "XlaDynamicSlice", .infer = infer_dynamic_slice, ON_BOTH(run_dynamic_slice), .host_inputs = 6},
    {.name = "XlaDynamicUpdateSlice",
     .infer = infer_dynamic_update,
     ON_BOTH(run_dynamic_update),
     .host_inputs = 4},
    {.name = "XlaPad", .infer = infer_pad, ON_BOTH(run_pad), .host_inputs = 30},
    {0},
};
