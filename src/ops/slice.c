/* Parts of a tensor: Slice, StridedSlice with all its masks, and the ops that write such a part. Reversing and
 * rolling stand in reverse.c. */
#include "ops/slice.h"

/* ---- StridedSlice's arithmetic ------------------------------------------------------------------------ */

/* What one dimension of the input is asked for. */
typedef struct range {
    int64_t begin, end, stride;
    bool known, stride_known; /* begin and end; stride */
    bool from_start, to_end;  /* masked */
    bool shrink;
} range;

enum { NEW_AXIS = -1, DROPPED = -2, MAX_SPEC = 32 };

/* The spec spread over the input's dimensions: ranges[0..rank), and where each dimension of the result comes from. */
typedef struct spread {
    range ranges[BT_MAX_RANK];
    int source[MAX_SPEC + BT_MAX_RANK];
    int n_source;
} spread;

static berth_status spread_spec(const bt_node *node, int rank, const bt_tensor *begin, const bt_tensor *end,
                                const bt_tensor *strides, int n, spread *s, berth_error *error)
{
    uint32_t begin_mask = (uint32_t)bt_attr_int(node, "begin_mask", 0);
    uint32_t end_mask = (uint32_t)bt_attr_int(node, "end_mask", 0);
    uint32_t new_mask = (uint32_t)bt_attr_int(node, "new_axis_mask", 0);
    uint32_t shrink_mask = (uint32_t)bt_attr_int(node, "shrink_axis_mask", 0);
    uint32_t ellipsis_mask = (uint32_t)bt_attr_int(node, "ellipsis_mask", 0);
    uint32_t used = n == MAX_SPEC ? UINT32_MAX : (1u << n) - 1;
    int at = n, axis = 0;
    if (__builtin_popcount(ellipsis_mask & used) > 1)
        return bt_fail(error, BERTH_BAD_INPUT, "a slice can have one ellipsis only");
    if (ellipsis_mask & used) at = __builtin_ctz(ellipsis_mask);
    int after = 0; /* dimensions of the input that are named behind the ellipsis */
    for (int i = at + 1; i < n; i++) after += !(new_mask >> i & 1);
    for (int i = 0; i <= n; i++) {
        if (i == at) {
            for (; axis < rank - after; axis++) {
                s->ranges[axis] = (range){
                    .stride = 1, .known = true, .stride_known = true, .from_start = true, .to_end = true};
                s->source[s->n_source++] = axis;
            }
        } else if (i < n && new_mask >> i & 1) {
            s->source[s->n_source++] = NEW_AXIS;
        } else if (i < n) {
            if (axis >= rank)
                return bt_fail(error, BERTH_BAD_INPUT,
                               "a slice of more than the %d dimensions that there are", rank);
            bool shrink = shrink_mask >> i & 1;
            s->ranges[axis] = (range){.begin = begin ? bt_tensor_int(begin, i) : 0,
                                      .end = end ? bt_tensor_int(end, i) : 0,
                                      .stride = strides ? bt_tensor_int(strides, i) : 1,
                                      .known = begin && (end || shrink),
                                      .stride_known = strides != NULL,
                                      .from_start = begin_mask >> i & 1,
                                      .to_end = end_mask >> i & 1,
                                      .shrink = shrink};
            s->source[s->n_source++] = shrink ? DROPPED : axis;
            axis++;
        }
    }
    return BERTH_OK;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

/* One dimension of `dim` elements: first element and how many. */
static berth_status resolve_range(const range *r, int axis, int64_t dim, bt_slice *s, berth_error *error)
{
    int64_t begin = r->begin, end = r->end;
    s->begin[axis] = 0, s->stride[axis] = r->stride, s->size[axis] = r->shrink ? 1 : -1;
    if (r->stride == 0) return bt_fail(error, BERTH_BAD_INPUT, "the stride of dimension %d is 0", axis);
    if (r->shrink && r->stride < 0)
        return bt_fail(error, BERTH_BAD_INPUT, "a single index of dimension %d needs a positive stride",
                       axis);
    if (dim < 0 || (!r->known && (r->shrink || !r->from_start || !r->to_end)) || !r->stride_known)
        return BERTH_OK;
    if (begin < 0) begin += dim;
    if (end < 0) end += dim;
    if (r->shrink) {
        if (begin < 0 || begin >= dim)
            return bt_fail(error, BERTH_BAD_INPUT, "index %lld of dimension %d of size %lld is out of range",
                           (long long)r->begin, axis, (long long)dim);
        s->begin[axis] = begin, s->stride[axis] = 1;
        return BERTH_OK;
    }
    int64_t low = r->stride > 0 ? 0 : -1, high = r->stride > 0 ? dim : dim - 1;
    begin = r->from_start ? (r->stride > 0 ? low : high) : clamp(begin, low, high);
    end = r->to_end ? (r->stride > 0 ? high : low) : clamp(end, low, high);
    int64_t length = end - begin;
    bool empty = length == 0 || (length < 0) != (r->stride < 0);
    s->begin[axis] = empty ? 0 : begin;
    s->size[axis] = empty ? 0 : length / r->stride + (length % r->stride != 0);
    if (s->size[axis] < 2) s->stride[axis] = 1;
    return BERTH_OK;
}

berth_status bt_slice_resolve(const bt_node *node, const bt_shape *in, const bt_tensor *begin,
                              const bt_tensor *end, const bt_tensor *strides, int64_t n, bt_slice *slice,
                              berth_error *error)
{
    spread s = {.n_source = 0};
    slice->rank = in->rank;
    slice->shape = BT_SHAPE_UNKNOWN;
    const bt_tensor *vectors[3] = {begin, end, strides};
    for (int i = 0; i < 3; i++) {
        if (!vectors[i]) continue;
        if (vectors[i]->shape.rank != 1 || !bt_dtype_is_int(vectors[i]->dtype) ||
            (n >= 0 && vectors[i]->shape.dim[0] != n))
            return bt_fail(error, BERTH_BAD_INPUT,
                           "begin, end and strides must be integer vectors of one length");
        n = vectors[i]->shape.dim[0];
    }
    if (n > MAX_SPEC) return bt_fail(error, BERTH_BAD_INPUT, "a slice of %lld dimensions", (long long)n);
    if (in->rank < 0 || n < 0) return BERTH_OK;
    berth_status status = spread_spec(node, in->rank, begin, end, strides, (int)n, &s, error);
    for (int i = 0; !status && i < in->rank; i++)
        status = resolve_range(&s.ranges[i], i, in->dim[i], slice, error);
    if (status) return status;
    slice->shape.rank = 0;
    for (int i = 0; i < s.n_source; i++) {
        if (s.source[i] == DROPPED) continue;
        if (slice->shape.rank == BT_MAX_RANK)
            return bt_fail(error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
        slice->source[slice->shape.rank] = s.source[i] == NEW_AXIS ? -1 : s.source[i];
        slice->shape.dim[slice->shape.rank++] = s.source[i] == NEW_AXIS ? 1 : slice->size[s.source[i]];
    }
    return BERTH_OK;
}

berth_status bt_slice_of_call(bt_call *c, const bt_shape *in, int first, bt_slice *slice)
{
    return bt_slice_resolve(c->node, in, c->in[first], c->in[first + 1], c->in[first + 2], -1, slice,
                            c->error);
}

bt_move bt_slice_move(berth_dtype dtype, const bt_shape *in, const bt_slice *slice, int64_t *offset)
{
    bt_move m = {.dtype = dtype};
    bt_shape part = {.rank = slice->rank};
    int64_t to[BT_MAX_RANK], from[BT_MAX_RANK];
    memcpy(part.dim, slice->size, sizeof part.dim);
    bt_strides(&part, to);
    bt_strides(in, from);
    *offset = 0;
    for (int i = 0; i < slice->rank; i++) {
        *offset += slice->begin[i] * from[i];
        bt_move_axis(&m, slice->size[i], to[i], from[i] * slice->stride[i]);
    }
    return m;
}

berth_status bt_slice_write(bt_call *c, void *whole, const bt_shape *shape, const bt_slice *slice,
                            const bt_tensor *part)
{
    char have[BT_SHAPE_TEXT], want[BT_SHAPE_TEXT];
    const bt_shape *to = &slice->shape;
    if (bt_shape_count(to) == 0) return BERTH_OK;
    int extra = part->shape.rank - to->rank;
    bool fits = extra <= 0 || bt_shape_span(&part->shape, 0, extra) == 1;
    for (int i = extra < 0 ? -extra : 0; fits && i < to->rank; i++)
        fits = part->shape.dim[i + extra] == to->dim[i] || part->shape.dim[i + extra] == 1;
    if (!fits)
        return bt_call_fail(c, "a value of shape %s does not broadcast to the slice of shape %s",
                            bt_shape_text(&part->shape, have), bt_shape_text(to, want));
    int64_t offset, strides[BT_MAX_RANK];
    bt_move m = bt_slice_move(part->dtype, shape, slice, &offset);
    bt_strides(&part->shape, strides);
    for (int i = 0; i < m.rank; i++) m.to[i] = m.from[i], m.from[i] = 0;
    for (int i = 0; i < to->rank; i++)
        if (slice->source[i] >= 0 && i + extra >= 0 && part->shape.dim[i + extra] != 1)
            m.from[slice->source[i]] = strides[i + extra];
    return bt_call_move(c, &m, bt_at(part->dtype, whole, offset), part->data);
}

static berth_status read_slice(bt_call *c, const bt_tensor *in, const bt_slice *slice)
{
    int64_t offset;
    void *out = bt_out(c, 0, in->dtype, &slice->shape);
    if (!out) return BERTH_NO_MEMORY;
    if (bt_shape_count(&slice->shape) == 0) return BERTH_OK;
    bt_move m = bt_slice_move(in->dtype, &in->shape, slice, &offset);
    return bt_call_move(c, &m, out, bt_at_const(in->dtype, in->data, offset));
}

/* ---- StridedSlice, StridedSliceGrad, TensorStridedSliceUpdate ----------------------------------------- */

static int64_t spec_length(const bt_infer *x, int first)
{
    for (int i = first; i < first + 3; i++)
        if (bt_infer_length(x, i) >= 0) return bt_infer_length(x, i);
    return -1;
}

static berth_status infer_strided_slice(bt_infer *x)
{
    bt_slice slice;
    berth_status status = bt_infer_arity(x, 4);
    if (status) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    status = bt_slice_resolve(x->node, &x->in[0].shape, x->in[1].value, x->in[2].value, x->in[3].value,
                              spec_length(x, 1), &slice, x->error);
    x->out[0].shape = slice.shape;
    return status;
}

static berth_status run_strided_slice(bt_call *c)
{
    bt_slice slice;
    berth_status status = bt_slice_of_call(c, &c->in[0]->shape, 1, &slice);
    return status ? status : read_slice(c, c->in[0], &slice);
}

static berth_status infer_strided_slice_grad(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 5);
    if (status) return status;
    x->out[0].dtype = bt_infer_type(x, 4);
    if (x->in[0].value && !bt_tensor_shape_value(x->in[0].value, &x->out[0].shape))
        return bt_infer_fail(x, "input 0 is no shape");
    return BERTH_OK;
}

static berth_status run_strided_slice_grad(bt_call *c)
{
    bt_slice slice;
    bt_shape shape;
    const bt_tensor *part = c->in[4];
    if (!bt_tensor_shape_value(c->in[0], &shape) || !bt_shape_known(&shape))
        return bt_call_fail(c, "input 0 is no shape");
    char have[BT_SHAPE_TEXT], want[BT_SHAPE_TEXT];
    berth_status status = bt_slice_of_call(c, &shape, 1, &slice);
    if (status) return status;
    if (!bt_shape_equal(&part->shape, &slice.shape))
        return bt_call_fail(c, "the gradient has shape %s, and the slice %s",
                            bt_shape_text(&part->shape, have), bt_shape_text(&slice.shape, want));
    void *out = bt_out(c, 0, part->dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    status = bt_call_zero(c, part->dtype, out, bt_shape_count(&shape));
    return status ? status : bt_slice_write(c, out, &shape, &slice, part);
}

static berth_status infer_strided_slice_update(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 5);
    if (status || (status = bt_infer_same(x))) return status;
    if (x->in[4].dtype && x->in[0].dtype && x->in[4].dtype != x->in[0].dtype)
        return bt_infer_fail(x, "the values have another type than the tensor");
    return BERTH_OK;
}

static berth_status run_strided_slice_update(bt_call *c)
{
    bt_slice slice;
    const bt_tensor *in = c->in[0], *part = c->in[4];
    if (part->dtype != in->dtype) return bt_call_fail(c, "the values have another type than the tensor");
    berth_status status = bt_slice_of_call(c, &in->shape, 1, &slice);
    if (status) return status;
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    status = bt_call_row(c, in->dtype, out, in->data, bt_tensor_count(in));
    return status ? status : bt_slice_write(c, out, &in->shape, &slice, part);
}

/* ---- Slice -------------------------------------------------------------------------------------------- */

/* begin and size may be NULL when they are not known. */
static berth_status resolve_slice(const bt_shape *in, const bt_tensor *begin, const bt_tensor *size,
                                  bt_slice *s, berth_error *error)
{
    int64_t first[BT_MAX_RANK], sizes[BT_MAX_RANK];
    int n = in->rank, m = in->rank;
    if ((begin && !bt_ints(begin, first, BT_MAX_RANK, &n)) ||
        (size && !bt_ints(size, sizes, BT_MAX_RANK, &m)) || (begin && size && n != m) ||
        (in->rank >= 0 && (n != in->rank || m != in->rank)))
        return bt_fail(error, BERTH_BAD_INPUT,
                       "begin and size must be integer vectors with an element a dimension");
    s->shape.rank = s->rank = begin ? n : m;
    for (int i = 0; i < s->rank; i++) {
        int64_t dim = in->rank < 0 ? -1 : in->dim[i];
        s->begin[i] = begin ? first[i] : 0, s->stride[i] = 1;
        s->size[i] = !size ? -1 : sizes[i] != -1 ? sizes[i] : begin && dim >= 0 ? dim - first[i] : -1;
        if ((begin && first[i] < 0) || (size && sizes[i] < -1))
            return bt_fail(error, BERTH_BAD_INPUT, "a negative begin or size of dimension %d", i);
        if (dim >= 0 &&
            (s->begin[i] > dim || (s->size[i] >= 0 ? s->size[i] > dim - s->begin[i] : s->size[i] < -1)))
            return bt_fail(error, BERTH_BAD_INPUT, "%lld elements from %lld on, of dimension %d of size %lld",
                           (long long)s->size[i], (long long)s->begin[i], i, (long long)dim);
        s->shape.dim[i] = s->size[i];
    }
    return BERTH_OK;
}

static berth_status infer_slice(bt_infer *x)
{
    bt_slice slice;
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    bt_shape in = x->in[0].shape;
    int64_t n = bt_infer_length(x, 1) >= 0 ? bt_infer_length(x, 1) : bt_infer_length(x, 2);
    if (in.rank < 0 && n >= 0 && n <= BT_MAX_RANK) {
        in.rank = (int)n;
        for (int i = 0; i < in.rank; i++) in.dim[i] = -1;
    }
    status = resolve_slice(&in, x->in[1].value, x->in[2].value, &slice, x->error);
    if (!status) x->out[0].shape = slice.shape;
    return status;
}

static berth_status run_slice(bt_call *c)
{
    bt_slice slice;
    berth_status status = resolve_slice(&c->in[0]->shape, c->in[1], c->in[2], &slice, c->error);
    return status ? status : read_slice(c, c->in[0], &slice);
}

const bt_op bt_ops_slice[] = {
    {.name = "Slice",
     .infer = infer_slice,
     .cpu = run_slice,
     .gpu = run_slice,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 6},
    {.name = "StridedSlice",
     .infer = infer_strided_slice,
     .cpu = run_strided_slice,
     .gpu = run_strided_slice,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 14},
    {.name = "StridedSliceGrad",
     .infer = infer_strided_slice_grad,
     .cpu = run_strided_slice_grad,
     .gpu = run_strided_slice_grad,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 15},
    {.name = "TensorStridedSliceUpdate",
     .infer = infer_strided_slice_update,
     .cpu = run_strided_slice_update,
     .gpu = run_strided_slice_update,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 14},
    {0},
};
