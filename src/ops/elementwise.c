/* The driver of all elementwise kernels: how operands broadcast, rows over threads, half and bfloat16 by way of
 * float. No op is here; see elementwise.h. */
#include "ops/elementwise.h"
#include "ops/gpu.h"

#include <stdatomic.h>

/* ---- Broadcasting ------------------------------------------------------------------------------------- */

/* Bit k: operand k has this dimension of the output, bits of broadcast ones are 0. -1: it does not fit. */
static int extent_mask(const bt_shape *out, const bt_shape *const *in, int n_in, int axis)
{
    int mask = 0;
    for (int k = 0; k < n_in; k++) {
        int own = axis - (out->rank - in[k]->rank);
        int64_t dim = own < 0 ? 1 : in[k]->dim[own];
        if (dim == out->dim[axis]) mask |= 1 << k;
        else if (dim != 1) return -1;
    }
    return mask;
}

bool bt_broadcast_plan(bt_broadcast *b, const bt_shape *out, const bt_shape *const *in, int n_in)
{
    int masks[BT_MAX_RANK];
    *b = (bt_broadcast){.n_in = n_in, .count = bt_shape_count(out)};
    for (int k = 0; k < n_in; k++)
        if (in[k]->rank > out->rank) return false;
    for (int i = 0; i < out->rank; i++) {
        int mask = extent_mask(out, in, n_in, i);
        if (mask < 0) return false;
        if (out->dim[i] == 1 || b->count == 0) continue;
        if (b->rank && masks[b->rank - 1] == mask) b->dim[b->rank - 1] *= out->dim[i];
        else masks[b->rank] = mask, b->dim[b->rank++] = out->dim[i];
    }
    if (!b->rank) masks[0] = (1 << n_in) - 1, b->dim[0] = 1, b->rank = 1;
    int64_t stride[BT_MAX_OPERANDS] = {1, 1, 1};
    for (int i = b->rank - 1; i >= 0; i--)
        for (int k = 0; k < n_in; k++) {
            bool has = masks[i] >> k & 1;
            b->step[k][i] = has ? stride[k] : 0;
            if (has) stride[k] *= b->dim[i];
        }
    return true;
}

/* Enough elements for a thread to be worth waking. */
enum { GRAIN = 16384 };

typedef struct row_job {
    const bt_broadcast *b;
    bt_row_fn *row;
    void *user;
    atomic_bool failed;
} row_job;

/* A single row, split anywhere. */
static void run_span(void *user, int64_t begin, int64_t end, int worker)
{
    row_job *job = user;
    const bt_broadcast *b = job->b;
    int64_t at[BT_MAX_OPERANDS], step[BT_MAX_OPERANDS];
    (void)worker;
    for (int k = 0; k < b->n_in; k++) step[k] = b->step[k][0], at[k] = begin * step[k];
    if (!job->row(job->user, begin, at, step, end - begin)) atomic_store(&job->failed, true);
}

/* Rows [begin, end): an odometer over all but the innermost dimension. */
static void run_rows(void *user, int64_t begin, int64_t end, int worker)
{
    row_job *job = user;
    const bt_broadcast *b = job->b;
    int64_t index[BT_MAX_RANK], at[BT_MAX_OPERANDS] = {0}, step[BT_MAX_OPERANDS], rest = begin;
    int inner = b->rank - 1;
    (void)worker;
    for (int i = inner - 1; i >= 0; i--) {
        index[i] = rest % b->dim[i], rest /= b->dim[i];
        for (int k = 0; k < b->n_in; k++) at[k] += index[i] * b->step[k][i];
    }
    for (int k = 0; k < b->n_in; k++) step[k] = b->step[k][inner];
    for (int64_t r = begin; r < end; r++) {
        if (!job->row(job->user, r * b->dim[inner], at, step, b->dim[inner])) {
            atomic_store(&job->failed, true);
            return;
        }
        for (int i = inner - 1; i >= 0; i--) {
            bool carry = ++index[i] == b->dim[i];
            for (int k = 0; k < b->n_in; k++)
                at[k] += b->step[k][i] - (carry ? b->dim[i] * b->step[k][i] : 0);
            if (!carry) break;
            index[i] = 0;
        }
    }
}

bool bt_broadcast_run(const bt_broadcast *b, bt_pool *pool, bt_row_fn *row, void *user)
{
    row_job job = {b, row, user, false};
    int64_t inner = b->dim[b->rank - 1];
    if (b->count == 0) return true;
    if (b->rank == 1) bt_parallel(pool, inner, GRAIN, run_span, &job);
    else bt_parallel(pool, b->count / inner, GRAIN / inner + 1, run_rows, &job);
    return !atomic_load(&job.failed);
}

/* ---- The driver --------------------------------------------------------------------------------------- */

typedef struct loop_job {
    bt_loop *loop;
    const float *param;
    char *y;
    const char *in[BT_MAX_OPERANDS];
    int n_in;
    size_t y_size, in_size;
    berth_dtype narrow; /* half or bfloat16 when loop is the float one */
    bool narrow_out;
} loop_job;

static bool loop_row(void *user, int64_t at, const int64_t *in_at, const int64_t *step, int64_t n)
{
    const loop_job *job = user;
    const void *in[BT_MAX_OPERANDS];
    for (int k = 0; k < job->n_in; k++) in[k] = job->in[k] + (size_t)in_at[k] * job->in_size;
    return job->loop(job->y + (size_t)at * job->y_size, in, step, n, job->param);
}

/* In pieces: operands to float, the float loop, and back, rounded once. */
static bool narrow_row(void *user, int64_t at, const int64_t *in_at, const int64_t *step, int64_t n)
{
    enum { PIECE = 512 };
    const loop_job *job = user;
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    bool half = job->narrow == BERTH_HALF, ok = true;
    float wide[BT_MAX_OPERANDS][PIECE], result[PIECE];
    const void *in[BT_MAX_OPERANDS] = {wide[0], wide[1], wide[2]};
    for (int64_t i = 0; i < n && ok; i += PIECE) {
        int64_t m = n - i < PIECE ? n - i : PIECE;
        for (int k = 0; k < job->n_in; k++) {
            const uint16_t *from = (const uint16_t *)job->in[k] + in_at[k] + i * step[k];
            (half ? vec->half_to_float : vec->bf16_to_float)(wide[k], from, step[k] ? m : 1);
        }
        char *to = job->y + (size_t)(at + i) * job->y_size;
        ok = job->loop(job->narrow_out ? (void *)result : to, in, step, m, job->param);
        if (job->narrow_out) (half ? vec->float_to_half : vec->float_to_bf16)((uint16_t *)to, result, m);
    }
    return ok;
}

/* The shape of all inputs broadcast together. */
static berth_status joint_shape(bt_call *c, int n_in, bt_shape *shape)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    if (c->n_in < n_in) return bt_call_fail(c, "needs %d inputs, has %d", n_in, c->n_in);
    *shape = c->in[0]->shape;
    for (int k = 1; k < n_in; k++) {
        bt_shape left = *shape;
        if (c->in[k]->dtype != c->in[0]->dtype)
            return bt_call_fail(c, "inputs are %s and %s, which differ", bt_dtype_name(c->in[0]->dtype),
                                bt_dtype_name(c->in[k]->dtype));
        if (!bt_shape_broadcast(&left, &c->in[k]->shape, shape))
            return bt_call_fail(c, "Incompatible shapes: %s vs. %s", bt_shape_text(&left, a),
                                bt_shape_text(&c->in[k]->shape, b));
    }
    return BERTH_OK;
}

/* A short row (a bias of 3 channels) is repeated into a tile, so that loops run over many rows at once. */
typedef struct tile_job {
    loop_job *loop;
    bt_row_fn *row;
    int64_t inner, rows; /* of the tile */
    int tiled;           /* which operand */
    atomic_bool failed;
} tile_job;

static void run_tiles(void *user, int64_t begin, int64_t end, int worker)
{
    tile_job *job = user;
    const int64_t step[BT_MAX_OPERANDS] = {1, 1, 1};
    (void)worker;
    for (int64_t r = begin, n; r < end; r += n) {
        n = end - r < job->rows ? end - r : job->rows;
        int64_t at[BT_MAX_OPERANDS] = {r * job->inner, r * job->inner, r * job->inner};
        at[job->tiled] = 0;
        if (!job->row(job->loop, r * job->inner, at, step, n * job->inner)) atomic_store(&job->failed, true);
    }
}

/* Which of two operands is a short row under a whole one; -1: neither. */
static int short_row(const bt_broadcast *plan)
{
    enum { SHORT = 64 };
    if (plan->n_in != 2 || plan->rank != 2 || plan->dim[1] > SHORT || plan->dim[0] < 16) return -1;
    for (int k = 0; k < 2; k++)
        if (plan->step[k][0] == 0 && plan->step[k][1] == 1 && plan->step[1 - k][0] == plan->dim[1]) return k;
    return -1;
}

static bool run_tiled(bt_call *c, const bt_broadcast *plan, bt_row_fn *row, loop_job *loop, int tiled)
{
    tile_job job = {loop, row, plan->dim[1], 512 / plan->dim[1], tiled, false};
    size_t bytes = (size_t)job.inner * loop->in_size;
    char *tile = bt_scratch(c, bytes * (size_t)job.rows);
    if (!tile) return false;
    for (int64_t r = 0; r < job.rows; r++) memcpy(tile + (size_t)r * bytes, loop->in[tiled], bytes);
    loop->in[tiled] = tile;
    bt_parallel(c->pool, plan->dim[0], GRAIN / job.inner, run_tiles, &job);
    return !atomic_load(&job.failed);
}

berth_status bt_elementwise_apply(bt_call *c, const bt_elementwise *op, berth_dtype out,
                                  const bt_shape *shape, const bt_shape *const *shapes, const float *param)
{
    bt_broadcast plan;
    berth_dtype dtype = c->in[0]->dtype;
    bool narrow = !op->of[dtype] && (dtype == BERTH_HALF || dtype == BERTH_BFLOAT16);
    loop_job job = {op->of[narrow ? BERTH_FLOAT : dtype], param, .n_in = op->n_in,
                    .y_size = bt_dtype_size(out), .in_size = bt_dtype_size(dtype)};
    if (!job.loop) return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(dtype));
    if (narrow) job.narrow = dtype, job.narrow_out = out == dtype;
    if (!bt_broadcast_plan(&plan, shape, shapes, op->n_in)) return bt_call_fail(c, "Incompatible shapes");
    if (bt_on_gpu(c)) return bt_elementwise_gpu(c, op, out, &plan, shape, param);
    job.y = bt_out(c, 0, out, shape);
    if (!job.y) return c->error->status;
    for (int k = 0; k < op->n_in; k++) job.in[k] = c->in[k]->data;
    bt_row_fn *row = narrow ? narrow_row : loop_row;
    int tiled = short_row(&plan);
    bool done =
        tiled >= 0 ? run_tiled(c, &plan, row, &job, tiled) : bt_broadcast_run(&plan, c->pool, row, &job);
    if (!done) return bt_call_fail(c, "%s", op->fault ? op->fault : "out of memory");
    return BERTH_OK;
}

berth_status bt_elementwise_run_as(bt_call *c, const bt_elementwise *op, berth_dtype out, const float *param)
{
    bt_shape shape;
    const bt_shape *shapes[BT_MAX_OPERANDS];
    berth_status status = joint_shape(c, op->n_in, &shape);
    if (status) return status;
    for (int k = 0; k < op->n_in; k++) shapes[k] = &c->in[k]->shape;
    return bt_elementwise_apply(c, op, out, &shape, shapes, param);
}

berth_status bt_elementwise_run(bt_call *c, const bt_elementwise *op, const float *param)
{
    if (c->n_in < 1) return bt_call_fail(c, "needs an input");
    return bt_elementwise_run_as(c, op, op->out ? op->out : c->in[0]->dtype, param);
}

/* ---- Shape functions ---------------------------------------------------------------------------------- */

berth_status bt_infer_same_bool(bt_infer *x)
{
    berth_status status = bt_infer_same(x);
    x->out[0].dtype = BERTH_BOOL;
    return status;
}

berth_status bt_infer_broadcast_bool(bt_infer *x)
{
    berth_status status = bt_infer_broadcast(x);
    x->out[0].dtype = BERTH_BOOL;
    return status;
}

berth_status bt_infer_same_tout(bt_infer *x)
{
    berth_status status = bt_infer_same(x);
    if (status) return status;
    berth_dtype from = x->in[0].dtype;
    x->out[0].dtype = bt_attr_type(x->node, "Tout", from == BERTH_COMPLEX128 ? BERTH_DOUBLE : BERTH_FLOAT);
    return BERTH_OK;
}
