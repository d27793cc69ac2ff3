/* Layouts as numbers: DataFormatDimMap and DataFormatVecPermute, which take axes and sizes from one layout to another;
 * and UnravelIndex, places as indices. */
#include "ops/move.h"

enum { MAX_FORMAT = 5 };

typedef struct formats {
    const char *from, *to;
    int n;
} formats;

static berth_status read_formats(const bt_node *node, formats *f, berth_error *error)
{
    f->from = bt_attr_string(node, "src_format", "NHWC"), f->to = bt_attr_string(node, "dst_format", "NCHW");
    f->n = (int)strnlen(f->from, MAX_FORMAT + 1);
    bool fits = f->n >= 4 && f->n <= MAX_FORMAT && strlen(f->to) == (size_t)f->n;
    for (int i = 0; fits && i < f->n; i++) fits = strchr(f->to, f->from[i]) && strchr(f->from, f->to[i]);
    if (!fits) return bt_fail(error, BERTH_BAD_MODEL, "layouts '%.20s' and '%.20s'", f->from, f->to);
    return BERTH_OK;
}

static berth_status infer_format(bt_infer *x)
{
    formats f;
    berth_status status = bt_infer_arity(x, 1);
    return status || (status = read_formats(x->node, &f, x->error)) ? status : bt_infer_same(x);
}

/* Where the axis with number x of the one layout stands in the other; numbers wrap around. */
static berth_status run_dim_map(bt_call *c)
{
    formats f;
    const bt_tensor *in = c->in[0];
    berth_status status = read_formats(c->node, &f, c->error);
    const int64_t *x = status ? NULL : bt_call_indices(c, in);
    if (!x) return status ? status : c->error->status;
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t i = 0, n = bt_tensor_count(in); i < n; i++) {
        const char *axis = strchr(f.to, f.from[(x[i] % f.n + f.n) % f.n]);
        bt_put_number(in->dtype, bt_at(in->dtype, out, i), (double)(axis - f.to));
    }
    return BERTH_OK;
}

/* x is [n] or [n, 2], a row an axis; or has rows for the spatial axes alone. */
static berth_status run_vec_permute(bt_call *c)
{
    formats f;
    const bt_tensor *in = c->in[0];
    berth_status status = read_formats(c->node, &f, c->error);
    if (status) return status;
    int64_t rows = in->shape.rank > 0 ? in->shape.dim[0] : 0;
    if (in->shape.rank < 1 || in->shape.rank > 2 || (rows != f.n && rows != f.n - 2) ||
        (in->shape.rank == 2 && in->shape.dim[1] != 2))
        return bt_call_fail(c, "takes %d or %d sizes, or as many pairs", f.n, f.n - 2);
    char from[MAX_FORMAT + 1] = "", to[MAX_FORMAT + 1] = "";
    for (int i = 0, a = 0, b = 0; i < f.n; i++) {
        if (rows == f.n || !strchr("NC", f.from[i])) from[a++] = f.from[i];
        if (rows == f.n || !strchr("NC", f.to[i])) to[b++] = f.to[i];
    }
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t row = in->shape.rank == 2 ? 2 : 1;
    for (int64_t i = 0; i < rows; i++) {
        const char *axis = strchr(from, to[i]);
        if (!axis || !to[i]) return bt_call_fail(c, "the layouts have other spatial axes");
        memcpy(bt_at(in->dtype, out, i * row), bt_at_const(in->dtype, in->data, (axis - from) * row),
               (size_t)row * bt_dtype_size(in->dtype));
    }
    return BERTH_OK;
}

/* ---- UnravelIndex ------------------------------------------------------------------------------------- */

static berth_status infer_unravel(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = bt_infer_alike(x, 0, 2))) return status;
    const bt_shape *in = &x->in[0].shape, *dims = &x->in[1].shape;
    if (in->rank > 1 || (dims->rank >= 0 && dims->rank != 1))
        return bt_infer_fail(x, "takes at most a vector, and a shape");
    x->out[0].dtype = bt_infer_type(x, 0);
    if (in->rank >= 0)
        x->out[0].shape =
            in->rank ? BT_SHAPE(bt_infer_length(x, 1), in->dim[0]) : BT_SHAPE(bt_infer_length(x, 1));
    return BERTH_OK;
}

/* Column i of the output: the indices of place in[i] in a tensor of this shape. */
static berth_status run_unravel(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    const int64_t *places = status ? NULL : bt_call_indices(c, c->in[0]);
    const int64_t *dims = places ? bt_call_indices(c, c->in[1]) : NULL;
    if (!dims) return status ? status : c->error->status;
    int64_t n = bt_tensor_count(c->in[0]), rank = bt_tensor_count(c->in[1]), count = 1;
    if (n == 0) return bt_call_fail(c, "there are no indices");
    for (int64_t k = 0; k < rank; k++)
        if (dims[k] < 1 || __builtin_mul_overflow(count, dims[k], &count))
            return bt_call_fail(c, "dimension %lld is %lld", (long long)k, (long long)dims[k]);
    for (int64_t i = 0; i < n; i++)
        if (places[i] >= count)
            return bt_call_fail(c, "place %lld of %lld", (long long)places[i], (long long)count);
    void *out = bt_out(c, 0, fact.dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        int64_t stride = count;
        for (int64_t k = 0; k < rank; k++) {
            int64_t rest = k ? places[i] % stride : places[i];
            stride /= dims[k];
            bt_put_number(fact.dtype, bt_at(fact.dtype, out, k * n + i), (double)(rest / stride));
        }
    }
    return BERTH_OK;
}

const bt_op bt_ops_data_format[] = {
    {.name = "DataFormatDimMap", .infer = infer_format, .cpu = run_dim_map},
    {.name = "DataFormatVecPermute", .infer = infer_format, .cpu = run_vec_permute},
    {.name = "UnravelIndex", .infer = infer_unravel, .cpu = run_unravel, .type_attr = "Tidx"},
    {0},
};
