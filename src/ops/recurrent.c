/* Whole recurrent cells as one op: LSTMBlockCell, BlockLSTM (all time steps), GRUBlockCell. Half by way of float.
 *
 *     [i ci f o] = [x h] w + b     i, f, o: sigmoid; ci: tanh     (BlockLSTMV2: [i f ci o])
 *     cs = ci i + cs_prev f, clipped     co = tanh(cs)     h = co o
 *
 * With peepholes cs_prev wci and cs_prev wcf are added to i and f, cs wco to o. */
#include "ops/gemm_gpu.h"
#include "ops/gpu.h"
#include "ops/move.h"

#include <math.h>

/* What an LSTM is given, from input `first` on: x, cs_prev, h_prev, w, wci, wcf, wco, b. */
enum { X, CS, H, W, WCI, WCF, WCO, B, N_LSTM };
/* And what comes out. */
enum { OUT_I, OUT_CS, OUT_F, OUT_O, OUT_CI, OUT_CO, OUT_H, N_OUT };

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static bool is(const bt_shape *s, int rank, int64_t a, int64_t b)
{
    if (s->rank < 0) return true;
    if (s->rank != rank) return false;
    bool first = a < 0 || s->dim[0] < 0 || s->dim[0] == a;
    return first && (rank < 2 || b < 0 || s->dim[1] < 0 || s->dim[1] == b);
}

static int first_of(const bt_node *node) { return bt_starts(node->op, "Block"); }

static berth_status infer_lstm(bt_infer *x)
{
    int first = first_of(x->node), rank = 2 + first;
    berth_status status = bt_infer_arity(x, first + N_LSTM);
    if (status) return status;
    const bt_fact *in = x->in + first;
    const bt_shape *s = &in[X].shape, *cs = &in[CS].shape;
    char text[BT_SHAPE_TEXT];
    if (s->rank >= 0 && s->rank != rank)
        return bt_infer_fail(x, "x has shape %s, not %d dimensions", bt_shape_text(s, text), rank);
    int64_t steps = s->rank < 0 ? -1 : s->dim[0], batch = s->rank < 0 ? -1 : s->dim[rank - 2];
    int64_t n = s->rank < 0 ? -1 : s->dim[rank - 1];
    if (cs->rank >= 0 && cs->rank != 2)
        return bt_infer_fail(x, "cs_prev has shape %s, not 2 dimensions", bt_shape_text(cs, text));
    int64_t cells = cs->rank < 0 ? -1 : cs->dim[1];
    bool peep = bt_attr_bool(x->node, "use_peephole", false);
    bool fits = is(cs, 2, batch, -1) && is(&in[H].shape, 2, batch, cells) &&
                is(&in[B].shape, 1, cells < 0 ? -1 : 4 * cells, 0);
    fits = fits && is(&in[W].shape, 2, n < 0 || cells < 0 ? -1 : n + cells, cells < 0 ? -1 : 4 * cells);
    for (int i = WCI; (peep || first) && i <= WCO; i++) fits = fits && is(&in[i].shape, 1, cells, 0);
    if (!fits) return bt_infer_fail(x, "the shapes of x, the states, weights and b do not agree");
    if (first && x->in[0].shape.rank > 0) return bt_infer_fail(x, "seq_len_max must be a scalar");
    for (int i = 0; i < N_OUT; i++)
        x->out[i] = (bt_fact){bt_infer_type(x, first + X),
                              first ? BT_SHAPE(steps, batch, cells) : BT_SHAPE(batch, cells), NULL};
    return BERTH_OK;
}

static berth_status infer_gru(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 6);
    if (status) return status;
    const bt_shape *s = &x->in[0].shape, *h = &x->in[1].shape;
    int64_t batch = s->rank == 2 ? s->dim[0] : -1, n = s->rank == 2 ? s->dim[1] : -1;
    int64_t cells = h->rank == 2 ? h->dim[1] : -1, rows = n < 0 || cells < 0 ? -1 : n + cells;
    if (!is(s, 2, -1, -1) || !is(h, 2, batch, -1) ||
        !is(&x->in[2].shape, 2, rows, cells < 0 ? -1 : 2 * cells) || !is(&x->in[3].shape, 2, rows, cells) ||
        !is(&x->in[4].shape, 1, cells < 0 ? -1 : 2 * cells, 0) || !is(&x->in[5].shape, 1, cells, 0))
        return bt_infer_fail(x, "the shapes of x, h_prev, the weights and biases do not agree");
    for (int i = 0; i < 4; i++) x->out[i] = (bt_fact){bt_infer_type(x, 0), BT_SHAPE(batch, cells), NULL};
    return BERTH_OK;
}

/* ---- Parts of a cell ---------------------------------------------------------------------------------- */

/* y[rows][n] = x[rows][k] w[k][n] + bias, or added to what y holds where bias is NULL. */
static void multiply(bt_pool *pool, const float *x, const float *w, const float *bias, float *y, int64_t rows,
                     int64_t k, int64_t n)
{
    bt_product p = {.left = bt_gather_matrix(x, rows, k, k),
                    .packed = w,
                    .ldb = n,
                    .k = k,
                    .n = n,
                    .c = y,
                    .ldc = n,
                    .bias = bias,
                    .low = -INFINITY,
                    .high = INFINITY,
                    .accumulate = !bias};
    if (k > 0) bt_product_all(pool, &p, rows);
    for (int64_t i = 0; k == 0 && bias && i < rows; i++) memcpy(y + i * n, bias, (size_t)n * sizeof *y);
}

typedef struct lstm {
    const float *in[N_LSTM];
    float *out[N_OUT]; /* of this step */
    const float *gates, *cs_prev;
    int64_t cells;
    int at[4]; /* places of i, ci, f, o in a row of gates */
    float forget_bias, clip;
    bool peep;
} lstm;

/* Rows of the batch, at one step. */
static void step_rows(void *user, int64_t first, int64_t end, int worker)
{
    const lstm *l = user;
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    int64_t n = l->cells;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        const float *gates = l->gates + row * 4 * n, *prev = l->cs_prev + row * n;
        float *y[N_OUT];
        for (int i = 0; i < N_OUT; i++) y[i] = l->out[i] + row * n;
        for (int64_t j = 0; j < n; j++) {
            y[OUT_I][j] = gates[l->at[0] * n + j] + (l->peep ? prev[j] * l->in[WCI][j] : 0);
            y[OUT_F][j] = gates[l->at[2] * n + j] + l->forget_bias + (l->peep ? prev[j] * l->in[WCF][j] : 0);
        }
        vec->unary[BT_VEC_SIGMOID](y[OUT_I], y[OUT_I], n, 0, 0);
        vec->unary[BT_VEC_SIGMOID](y[OUT_F], y[OUT_F], n, 0, 0);
        vec->unary[BT_VEC_TANH](y[OUT_CI], gates + l->at[1] * n, n, 0, 0);
        for (int64_t j = 0; j < n; j++) {
            float cs = y[OUT_CI][j] * y[OUT_I][j] + prev[j] * y[OUT_F][j];
            if (l->clip > 0) cs = fminf(fmaxf(cs, -l->clip), l->clip);
            y[OUT_CS][j] = cs;
            y[OUT_O][j] = gates[l->at[3] * n + j] + (l->peep ? cs * l->in[WCO][j] : 0);
        }
        vec->unary[BT_VEC_SIGMOID](y[OUT_O], y[OUT_O], n, 0, 0);
        vec->unary[BT_VEC_TANH](y[OUT_CO], y[OUT_CS], n, 0, 0);
        vec->binary[BT_VEC_MUL](y[OUT_H], y[OUT_CO], y[OUT_O], n);
    }
}

/* Inputs as floats, outputs to write floats to. */
static berth_status open_all(bt_call *c, int first, int n_in, const float **in, int n_out, float **out,
                             const bt_shape *shape)
{
    berth_dtype dtype = c->in[first]->dtype;
    if (dtype != BERTH_FLOAT && dtype != BERTH_HALF)
        return bt_call_unsupported(c, "cells of %s", bt_dtype_name(dtype));
    for (int i = 0; i < n_in; i++) {
        const bt_tensor *t = c->in[first + i];
        if (t->dtype != dtype) return bt_call_fail(c, "input %d is not %s", first + i, bt_dtype_name(dtype));
        if (!(in[i] = bt_floats(c, dtype, t->data, bt_tensor_count(t)))) return BERTH_NO_MEMORY;
    }
    for (int i = 0; i < n_out; i++) {
        void *y = bt_out(c, i, dtype, shape);
        if (!y || !(out[i] = bt_floats_out(c, dtype, y, bt_shape_count(shape)))) return BERTH_NO_MEMORY;
    }
    return BERTH_OK;
}

static void close_all(bt_call *c, int n_out, float *const *out)
{
    for (int i = 0; i < n_out; i++)
        bt_floats_done(c, c->out[i]->dtype, c->out[i]->data, out[i], bt_tensor_count(c->out[i]));
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(recurrent);

/* As in recurrent.cl. */
typedef struct gpu_lstm {
    int64_t batch, cells, i, ci, f, o, peep;
} gpu_lstm;

static berth_status launch(bt_call *c, const char *kernel, int64_t n, const bt_arg *args, int n_args)
{
    char defines[BT_DEFINES];
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, c->out[0]->dtype, 0, "");
    return bt_gpu_launch(c, BT_CL(recurrent), defines, kernel, &grid, args, n_args);
}

/* Working memory for n elements of the op's type. */
static void *work_for(bt_call *c, int64_t n)
{
    return bt_scratch(c, (size_t)n * bt_dtype_size(c->out[0]->dtype) + 1);
}

/* The gates of all steps from x are one product; each step then adds that of its state. */
static berth_status lstm_on_gpu(bt_call *c, int first, const lstm *l, int64_t used, const bt_shape *shape)
{
    bt_tensor *const *in = c->in + first;
    berth_dtype dtype = in[X]->dtype;
    int64_t batch = in[CS]->shape.dim[0], cells = l->cells, k = in[X]->shape.dim[in[X]->shape.rank - 1],
            row = batch * cells;
    gpu_lstm by = {batch, cells, l->at[0], l->at[1], l->at[2], l->at[3], l->peep};
    for (int i = 0; i < N_OUT; i++)
        if (!bt_out(c, i, dtype, shape)) return c->error->status;
    void *gates = work_for(c, used * 4 * row), *recur = gates ? work_for(c, 4 * row) : NULL;
    if (!recur) return c->error->status;
    berth_status status = BERTH_OK;
    if (used > 0 && row > 0)
        status = bt_gpu_product(c, dtype, in[X]->data, in[W]->data, false, gates, used * batch, k, 4 * cells);
    for (int64_t t = 0; t < used && row > 0 && !status; t++) {
        const void *h = t ? bt_at(dtype, c->out[OUT_H]->data, (t - 1) * row) : in[H]->data;
        const void *cs = t ? bt_at(dtype, c->out[OUT_CS]->data, (t - 1) * row) : in[CS]->data;
        status = bt_gpu_product(c, dtype, h, bt_at(dtype, in[W]->data, k * 4 * cells), false, recur, batch,
                                cells, 4 * cells);
        bt_arg args[17] = {bt_pointer(bt_at(dtype, gates, t * 4 * row)),
                           bt_pointer(recur),
                           bt_pointer(in[B]->data),
                           bt_pointer(cs),
                           bt_pointer(in[WCI]->data),
                           bt_pointer(in[WCF]->data),
                           bt_pointer(in[WCO]->data),
                           bt_bytes(&by, sizeof by),
                           bt_float(l->forget_bias),
                           bt_float(l->clip)};
        for (int i = 0; i < N_OUT; i++) args[10 + i] = bt_pointer(bt_at(dtype, c->out[i]->data, t * row));
        if (!status) status = launch(c, "lstm_cell", row, args, 17);
    }
    int64_t left = bt_shape_count(shape) - used * row;
    for (int i = 0; i < N_OUT && !status; i++)
        status = bt_call_zero(c, dtype, bt_at(dtype, c->out[i]->data, used * row), left);
    return status;
}

static berth_status gru_on_gpu(bt_call *c, const bt_shape *shape)
{
    berth_dtype dtype = c->in[0]->dtype;
    int64_t batch = shape->dim[0], n = shape->dim[1], k = c->in[0]->shape.dim[1], count = batch * n;
    void *out[4], *work[3] = {NULL};
    for (int i = 0; i < 4; i++)
        if (!(out[i] = bt_out(c, i, dtype, shape))) return c->error->status;
    for (int i = 0; i < 3; i++)
        if (!(work[i] = work_for(c, 2 * count))) return c->error->status;
    if (count == 0) return BERTH_OK;
    const void *x = c->in[0]->data, *h = c->in[1]->data, *w_ru = c->in[2]->data, *w_c = c->in[3]->data;
    bt_arg gates[] = {bt_pointer(work[0]), bt_pointer(work[1]), bt_pointer(c->in[4]->data),
                      bt_pointer(h),       bt_pointer(out[0]),  bt_pointer(out[1]),
                      bt_pointer(work[2]), bt_long(batch),      bt_long(n)};
    bt_arg cell[] = {bt_pointer(work[0]), bt_pointer(work[1]), bt_pointer(c->in[5]->data),
                     bt_pointer(h),       bt_pointer(out[1]),  bt_pointer(out[2]),
                     bt_pointer(out[3]),  bt_long(batch),      bt_long(n)};
    berth_status status = bt_gpu_product(c, dtype, x, w_ru, false, work[0], batch, k, 2 * n);
    if (!status)
        status =
            bt_gpu_product(c, dtype, h, bt_at_const(dtype, w_ru, k * 2 * n), false, work[1], batch, n, 2 * n);
    if (!status) status = launch(c, "gru_gates", count, gates, 9);
    if (!status) status = bt_gpu_product(c, dtype, x, w_c, false, work[0], batch, k, n);
    if (!status)
        status =
            bt_gpu_product(c, dtype, work[2], bt_at_const(dtype, w_c, k * n), false, work[1], batch, n, n);
    return status ? status : launch(c, "gru_cell", count, cell, 9);
}

/* ---- Cells -------------------------------------------------------------------------------------------- */

static berth_status run_lstm(bt_call *c)
{
    int first = first_of(c->node);
    bool second = bt_ends(c->node->op, "V2");
    bt_fact facts[N_OUT];
    lstm l = {.forget_bias = second ? 0 : bt_attr_float(c->node, "forget_bias", 1),
              .clip = bt_attr_float(c->node, "cell_clip", second ? 0 : 3),
              .peep = bt_attr_bool(c->node, "use_peephole", false),
              .at = {0, second ? 2 : 1, second ? 1 : 2, 3}};
    float *out[N_OUT];
    berth_status status = bt_call_facts(c, facts);
    if (!status && !bt_on_gpu(c)) status = open_all(c, first, N_LSTM, l.in, N_OUT, out, &facts[0].shape);
    if (status) return status;
    const bt_shape *x = &c->in[first]->shape;
    int64_t steps = first ? x->dim[0] : 1, batch = x->dim[x->rank - 2], n = x->dim[x->rank - 1];
    int64_t used = first ? bt_tensor_int(c->in[0], 0) : 1;
    l.cells = c->in[first + CS]->shape.dim[1];
    if (used < 0 || used > steps)
        return bt_call_fail(c, "seq_len_max is %lld of %lld", (long long)used, (long long)steps);
    int64_t row = batch * l.cells;
    if (!first && row == 0) return bt_call_fail(c, "cs_prev is empty");
    if (bt_on_gpu(c)) return lstm_on_gpu(c, first, &l, used, &facts[0].shape);
    float *gates = bt_scratch(c, (size_t)(used * batch * 4 * l.cells + 1) * sizeof *gates);
    if (!gates) return BERTH_NO_MEMORY;
    if (used > 0 && row > 0)
        multiply(c->pool, l.in[X], l.in[W], l.in[B], gates, used * batch, n, 4 * l.cells);
    for (int64_t t = 0; t < used && row > 0; t++) {
        for (int i = 0; i < N_OUT; i++) l.out[i] = out[i] + t * row;
        const float *h = t ? l.out[OUT_H] - row : l.in[H];
        l.cs_prev = t ? l.out[OUT_CS] - row : l.in[CS];
        l.gates = gates + t * 4 * row;
        multiply(c->pool, h, l.in[W] + n * 4 * l.cells, NULL, gates + t * 4 * row, batch, l.cells,
                 4 * l.cells);
        bt_parallel(c->pool, batch, 1 + 4096 / l.cells, step_rows, &l);
    }
    for (int i = 0; i < N_OUT; i++)
        if (used < steps) memset(out[i] + used * row, 0, (size_t)((steps - used) * row) * sizeof(float));
    close_all(c, N_OUT, out);
    return BERTH_OK;
}

/* [r u] = sigmoid([x h_prev] w_ru + b_ru); c = tanh([x (h_prev r)] w_c + b_c); h = u h_prev + (1 - u) c */
static berth_status run_gru(bt_call *c)
{
    enum { GRU_X, GRU_H, W_RU, W_C, B_RU, B_C, N_GRU };
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    const float *in[N_GRU];
    float *out[4], *gates, *reset;
    bt_fact facts[4];
    berth_status status = bt_call_facts(c, facts);
    if (!status && bt_on_gpu(c)) return gru_on_gpu(c, &facts[0].shape);
    if (!status) status = open_all(c, 0, N_GRU, in, 4, out, &facts[0].shape);
    if (status) return status;
    int64_t batch = facts[0].shape.dim[0], n = facts[0].shape.dim[1], k = c->in[0]->shape.dim[1],
            count = batch * n;
    gates = bt_scratch(c, (size_t)(2 * count + 1) * sizeof *gates);
    reset = gates ? bt_scratch(c, (size_t)(count + 1) * sizeof *reset) : NULL;
    if (!reset) return BERTH_NO_MEMORY;
    if (count == 0) return BERTH_OK;
    multiply(c->pool, in[GRU_X], in[W_RU], in[B_RU], gates, batch, k, 2 * n);
    multiply(c->pool, in[GRU_H], in[W_RU] + k * 2 * n, NULL, gates, batch, n, 2 * n);
    for (int64_t row = 0; row < batch; row++)
        for (int i = 0; i < 2; i++)
            vec->unary[BT_VEC_SIGMOID](out[i] + row * n, gates + (2 * row + i) * n, n, 0, 0);
    vec->binary[BT_VEC_MUL](reset, in[GRU_H], out[0], count);
    multiply(c->pool, in[GRU_X], in[W_C], in[B_C], out[2], batch, k, n);
    multiply(c->pool, reset, in[W_C] + k * n, NULL, out[2], batch, n, n);
    vec->unary[BT_VEC_TANH](out[2], out[2], count, 0, 0);
    for (int64_t i = 0; i < count; i++) out[3][i] = out[1][i] * in[GRU_H][i] + (1 - out[1][i]) * out[2][i];
    close_all(c, 4, out);
    return BERTH_OK;
}

#define CELLS (BT_T(BERTH_FLOAT) | BT_T(BERTH_HALF))
#define ON_BOTH(run) .cpu = run, .gpu = run, .types = CELLS, .gpu_types = CELLS
#define LSTM(op, ...)                                                                                  \
    {                                                                                                  \
        .name = op, .infer = infer_lstm, ON_BOTH(run_lstm), .outputs = "i,cs,f,o,ci,co,h", __VA_ARGS__ \
    }

const bt_op bt_ops_recurrent[] = {
    LSTM("LSTMBlockCell"),
    LSTM("BlockLSTM", .host_inputs = 1),
    LSTM("BlockLSTMV2", .host_inputs = 1),
    {.name = "GRUBlockCell", .infer = infer_gru, ON_BOTH(run_gru), .outputs = "r,u,c,h"},
    {0},
};
