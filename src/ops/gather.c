/* Gather and its kin: rows of a tensor picked by index. Rows of variables: variable_scatter.c. */
#include "ops/scatter.h"

#define BAD_INDEX "index %lld at %lld is not in [0, %lld)"

/* params [batch, outer, size, row], index [batch, picks] -> out [batch, outer, picks, row] */
typedef struct picks {
    char *out;
    const char *params;
    const int64_t *index; /* -1: a row of zeros */
    int64_t batch, outer, size, picks;
    size_t row; /* bytes */
} picks;

#define PICK(bytes)                                                   \
    for (; i < n; i++, out += (bytes)) {                              \
        if (index[i] < 0) memset(out, 0, bytes);                      \
        else memcpy(out, params + (size_t)index[i] * (bytes), bytes); \
    }

static void pick_range(void *user, int64_t begin, int64_t end, int worker)
{
    const picks *p = user;
    (void)worker;
    while (begin < end) {
        int64_t group = begin / p->picks, i = begin % p->picks;
        int64_t n = p->picks - i < end - begin ? p->picks : i + end - begin;
        const int64_t *index = p->index + group / p->outer * p->picks;
        const char *params = p->params + (size_t)(group * p->size) * p->row;
        char *out = p->out + (size_t)begin * p->row;
        begin += n - i;
        switch (p->row) {
        case 1: PICK(1) break;
        case 2: PICK(2) break;
        case 4: PICK(4) break;
        case 8: PICK(8) break;
        default: PICK(p->row) break;
        }
    }
}

/* row: elements. */
static berth_status pick(bt_call *c, picks *p, berth_dtype dtype, int64_t row)
{
    int64_t n = p->batch * p->outer * p->picks;
    p->row = (size_t)row * bt_dtype_size(dtype);
    if (n == 0 || row == 0) return BERTH_OK;
    if (!bt_dtype_is_object(dtype)) {
        bt_parallel(c->pool, n, 65536 / (int64_t)p->row + 1, pick_range, p);
        return BERTH_OK;
    }
    berth_status status = BERTH_OK;
    for (int64_t i = 0; !status && i < n; i++) {
        int64_t group = i / p->picks, index = p->index[group / p->outer * p->picks + i % p->picks];
        if (index < 0) continue;
        status = bt_elements_copy(dtype, p->out + (size_t)i * p->row,
                                  p->params + (size_t)(group * p->size + index) * p->row, row, c->error);
    }
    return status;
}

BT_CL_DECLARE(pick);

/* row: elements. */
static berth_status pick_on_device(bt_call *c, const picks *p, int64_t row)
{
    char defines[BT_DEFINES];
    int64_t n = p->batch * p->outer * p->picks;
    if (n == 0 || row == 0) return BERTH_OK;
    bt_gpu_defines(defines, bt_gpu_word(c->in[0]->dtype, &row), c->in[1]->dtype, "");
    bt_grid grid = bt_grid_rows(c, row, n);
    bt_arg args[11] = {bt_pointer(p->params), bt_pointer(c->in[1]->data), bt_pointer(p->out), bt_long(n),
                       bt_long(p->outer),     bt_long(p->size),           bt_long(p->picks),  bt_long(row)};
    berth_status status = bt_gpu_fault(c, BAD_INDEX, args + 8);
    return status ? status : bt_gpu_launch(c, BT_CL(pick), defines, "gather", &grid, args, 11);
}

/* ---- Gather, GatherV2 --------------------------------------------------------------------------------- */

/* batch dimensions lead both; axis -1: not known. */
static berth_status infer_gather_along(bt_infer *x, int axis, bool axis_known, int64_t batch)
{
    const bt_shape *params = &x->in[0].shape, *indices = &x->in[1].shape;
    bt_shape *out = &x->out[0].shape, lead = BT_SHAPE_UNKNOWN;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (batch < 0 && indices->rank < 0) return BERTH_OK;
    if (batch < 0) batch += indices->rank;
    if (batch < 0 || (indices->rank >= 0 && batch > indices->rank) || (axis_known && batch > axis))
        return bt_infer_fail(x, "batch_dims %lld does not fit the axis and the indices", (long long)batch);
    if (params->rank < 0 || indices->rank < 0) return BERTH_OK;
    int rank = params->rank - 1 + indices->rank - (int)batch;
    if (batch >= params->rank) return bt_infer_fail(x, "batch_dims %lld does not fit", (long long)batch);
    if (rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    out->rank = rank;
    if (!axis_known) {
        for (int i = 0; i < rank; i++) out->dim[i] = -1;
        return BERTH_OK;
    }
    lead = bt_shape_from((int)batch, indices->dim);
    const bt_shape batch_shape = bt_shape_from((int)batch, params->dim);
    if (!bt_shape_merge(&lead, &batch_shape)) return bt_infer_fail(x, "the batch dimensions differ");
    int n = 0;
    for (int i = 0; i < axis; i++, n++) out->dim[n] = i < batch ? lead.dim[i] : params->dim[i];
    for (int i = (int)batch; i < indices->rank; i++) out->dim[n++] = indices->dim[i];
    for (int i = axis + 1; i < params->rank; i++) out->dim[n++] = params->dim[i];
    return BERTH_OK;
}

static berth_status infer_gather(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (!status && x->in[0].shape.rank == 0) return bt_infer_fail(x, "cannot gather from a scalar");
    return status ? status : infer_gather_along(x, 0, true, 0);
}

static berth_status infer_gather_v2(bt_infer *x)
{
    int axis = -1;
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    if (x->in[0].shape.rank == 0) return bt_infer_fail(x, "cannot gather from a scalar");
    if (x->in[0].shape.rank > 0) status = bt_infer_axis(x, 2, x->in[0].shape.rank, &axis);
    if (status) return status;
    return infer_gather_along(x, axis, axis >= 0, bt_attr_int(x->node, "batch_dims", 0));
}

static berth_status gather_along(bt_call *c, int axis, int64_t batch)
{
    const bt_tensor *params = c->in[0], *indices = c->in[1];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (batch < 0) batch += indices->shape.rank;
    picks p = {.batch = bt_shape_span(&params->shape, 0, (int)batch),
               .outer = bt_shape_span(&params->shape, (int)batch, axis),
               .size = params->shape.dim[axis],
               .picks = bt_shape_span(&indices->shape, (int)batch, indices->shape.rank),
               .params = params->data};
    int64_t row = bt_shape_span(&params->shape, axis + 1, params->shape.rank);
    if (bt_on_device(c)) {
        p.out = bt_out(c, 0, params->dtype, &fact.shape);
        return p.out ? pick_on_device(c, &p, row) : BERTH_NO_MEMORY;
    }
    if (bt_shape_count(&fact.shape) == 0) /* and no index is looked at */
        return bt_out(c, 0, params->dtype, &fact.shape) ? BERTH_OK : BERTH_NO_MEMORY;
    if (!(p.index = bt_call_indices(c, indices))) return c->error->status;
    for (int64_t i = 0; i < p.batch * p.picks; i++)
        if (p.index[i] < 0 || p.index[i] >= p.size)
            return bt_call_fail(c, BAD_INDEX, (long long)p.index[i], (long long)i, (long long)p.size);
    if (!(p.out = bt_out(c, 0, params->dtype, &fact.shape))) return BERTH_NO_MEMORY;
    return pick(c, &p, params->dtype, row);
}

static berth_status run_gather(bt_call *c) { return gather_along(c, 0, 0); }

static berth_status run_gather_v2(bt_call *c)
{
    return gather_along(c, bt_call_axis(c, 2, c->in[0]->shape.rank), bt_attr_int(c->node, "batch_dims", 0));
}

/* ---- GatherNd ----------------------------------------------------------------------------------------- */

static berth_status infer_gather_nd(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    const bt_shape *params = &x->in[0].shape, *indices = &x->in[1].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (indices->rank == 0) return bt_infer_fail(x, "the indices must have a dimension");
    if (params->rank < 0 || indices->rank < 0 || indices->dim[indices->rank - 1] < 0) return BERTH_OK;
    int64_t depth = indices->dim[indices->rank - 1];
    if (depth > params->rank)
        return bt_infer_fail(x, "indices of %lld elements for %d dimensions", (long long)depth, params->rank);
    int rank = indices->rank - 1 + params->rank - (int)depth;
    if (rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    out->rank = rank;
    for (int i = 0; i < rank; i++)
        out->dim[i] = i < indices->rank - 1 ? indices->dim[i] : params->dim[i - (indices->rank - 1) + depth];
    return BERTH_OK;
}

static berth_status run_gather_nd(bt_call *c)
{
    const bt_tensor *params = c->in[0], *indices = c->in[1];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (bt_tensor_count(params) == 0 && bt_shape_span(&indices->shape, 0, indices->shape.rank - 1) > 0)
        return bt_call_fail(c, "there are indices for an empty tensor");
    if (bt_on_device(c)) {
        void *out = bt_out(c, 0, params->dtype, &fact.shape);
        return out ? bt_gather_nd_gpu(c, out, params, indices) : BERTH_NO_MEMORY;
    }
    bool ignore = strcmp(bt_attr_string(c->node, "bad_indices_policy", ""), "IGNORE") == 0;
    int depth = (int)indices->shape.dim[indices->shape.rank - 1];
    int64_t n = bt_shape_span(&indices->shape, 0, indices->shape.rank - 1);
    const int64_t *index = bt_call_indices(c, indices);
    int64_t *rows = index ? bt_scratch(c, ((size_t)n + 1) * sizeof *rows) : NULL;
    if (!rows) return c->error->status;
    for (int64_t i = 0; i < n; i++) {
        rows[i] = 0;
        for (int k = 0; k < depth && rows[i] >= 0; k++) {
            int64_t at = index[i * depth + k], size = params->shape.dim[k];
            bool inside = at >= 0 && at < size;
            if (!inside && !ignore)
                return bt_call_fail(c, BT_BAD_ROW, (long long)at, (long long)i, (long long)size);
            rows[i] = inside ? rows[i] * size + at : -1;
        }
    }
    picks p = {.batch = 1, .outer = 1, .picks = n, .index = rows, .params = params->data};
    if (!(p.out = bt_out(c, 0, params->dtype, &fact.shape))) return BERTH_NO_MEMORY;
    int64_t row = bt_shape_span(&params->shape, depth, params->shape.rank);
    if (n > 0 && row > 0 && depth == 0 && bt_tensor_count(params) == 0) return BERTH_OK;
    return pick(c, &p, params->dtype, row);
}

const bt_op bt_ops_gather[] = {
    {.name = "Gather",
     .infer = infer_gather,
     .cpu = run_gather,
     .gpu = run_gather,
     .gpu_types = BT_GPU_MOVES,
     .type_attr = "Tparams"},
    {.name = "GatherV2",
     .infer = infer_gather_v2,
     .cpu = run_gather_v2,
     .gpu = run_gather_v2,
     .gpu_types = BT_GPU_MOVES,
     .host_inputs = 4,
     .type_attr = "Tparams"},
    {.name = "GatherNd",
     .infer = infer_gather_nd,
     .cpu = run_gather_nd,
     .gpu = run_gather_nd,
     .gpu_types = BT_GPU_MOVES,
     .type_attr = "Tparams"},
    {0},
};
