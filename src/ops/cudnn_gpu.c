/* CudnnRNN on a device: its products by MatMul's own kernels, straight from the vector of parameters, and a kernel for what a
 * step does beside them (recurrent.cl). */
#include "ops/cudnn_gpu.h"

#include "ops/gemm_gpu.h"
#include "ops/gpu.h"
#include "ops/move.h"

BT_CL_DECLARE(recurrent);

/* As in recurrent.cl. */
typedef struct rnn {
    int64_t batch, units, hidden, gates, mode, t, row_t, row_b, y_row, y_at, has_lengths, projected;
} rnn;

/* Working memory; line: what one level of layers gives to the next. */
typedef struct net {
    const bt_cudnn *r;
    const bt_cudnn_run *run;
    berth_dtype dtype;
    void *gates, *recur, *state, *cells, *fresh, *shrunk, *line[2], *lengths;
} net;

static berth_status launch(bt_call *c, const net *n, const char *kernel, int64_t count, const bt_arg *args, int n_args)
{
    char defines[BT_DEFINES];
    bt_grid grid = bt_grid_of(c, count);
    bt_gpu_defines(defines, n->dtype, 0, "");
    return count ? bt_gpu_launch(c, BT_CL(recurrent), defines, kernel, &grid, args, n_args) : BERTH_OK;
}

static const void *param(const bt_call *c, const net *n, int64_t at) { return bt_at_const(n->dtype, c->in[3]->data, at); }

/* Numbers from one of a layer's rows of states to the next, and where the layer begins. */
static void place_of(const net *n, int64_t layer, int64_t width, int64_t *at, int64_t *apart)
{
    *at = layer * width * (n->run->time_major ? n->run->batch : 1);
    *apart = width * (n->run->time_major ? 1 : n->r->layers);
}

/* The states of one layer, [batch, hidden], from or to a tensor of all layers'. */
static berth_status copy_state(bt_call *c, const net *n, int64_t layer, void *to, const void *from, bool back)
{
    int64_t at, apart, width = n->r->hidden;
    bt_move m = {.dtype = n->dtype};
    place_of(n, layer, width, &at, &apart);
    bt_move_axis(&m, n->run->batch, back ? apart : width, back ? width : apart);
    bt_move_axis(&m, width, 1, 1);
    return back ? bt_call_move(c, &m, bt_at(n->dtype, to, at), from) : bt_call_move(c, &m, to, bt_at_const(n->dtype, from, at));
}

static berth_status copy_cells(bt_call *c, const net *n, int64_t layer, bool back)
{
    int64_t at, apart, width = n->r->units, count = n->run->batch * width;
    place_of(n, layer, width, &at, &apart);
    const void *tensor = bt_at_const(n->dtype, back ? c->out[2]->data : c->in[2]->data, at);
    bt_arg args[] = {bt_pointer(back ? n->cells : tensor), bt_pointer(back ? tensor : n->cells), bt_long(count), bt_long(width),
                     bt_long(apart)};
    return launch(c, n, back ? "store_cells" : "load_cells", count, args, 5);
}

/* The gates of all steps, as far as the input says. */
static berth_status project(bt_call *c, const net *n, int64_t layer, const void *x)
{
    int64_t units, cols, rows = n->run->steps * n->run->batch, width = bt_cudnn_width(n->r, layer);
    int64_t at = bt_cudnn_weight(n->r, layer, 0, &units, &cols), all = n->r->gates * n->r->units;
    if (cols) return bt_gpu_product(c, n->dtype, x, param(c, n, at), true, n->gates, rows, width, all);
    if (!width) return bt_call_zero(c, n->dtype, n->gates, rows * all);
    bt_move m = {.dtype = n->dtype};
    bt_move_axis(&m, rows, all, width);
    bt_move_axis(&m, n->r->gates, width, 0);
    bt_move_axis(&m, width, 1, 1);
    return bt_call_move(c, &m, n->gates, x);
}

static berth_status run_step(bt_call *c, const net *n, int64_t layer, const rnn *by, void *y)
{
    const bt_cudnn *r = n->r;
    int64_t rows, cols, at = bt_cudnn_weight(r, layer, r->gates, &rows, &cols);
    berth_status status = bt_gpu_product(c, n->dtype, n->state, param(c, n, at), true, n->recur, by->batch, r->hidden, r->gates * r->units);
    bt_arg cell[] = {bt_pointer(n->gates), bt_pointer(n->recur), bt_pointer(param(c, n, bt_cudnn_bias(r, layer, 0))), bt_pointer(n->lengths),
                     bt_pointer(n->state), bt_pointer(n->cells), bt_pointer(n->fresh), bt_pointer(y), bt_bytes(by, sizeof *by)};
    if (!status) status = launch(c, n, "rnn_cell", by->batch * r->units, cell, 9);
    if (status || !r->projected) return status;
    at = bt_cudnn_weight(r, layer, 2 * r->gates, &rows, &cols);
    status = bt_gpu_product(c, n->dtype, n->fresh, param(c, n, at), true, n->shrunk, by->batch, r->units, r->hidden);
    bt_arg settle[] = {bt_pointer(n->shrunk), bt_pointer(n->lengths), bt_pointer(n->state), bt_pointer(y), bt_bytes(by, sizeof *by)};
    return status ? status : launch(c, n, "rnn_settle", by->batch * r->hidden, settle, 5);
}

static berth_status run_layer(bt_call *c, const net *n, int64_t layer, const void *x, void *y)
{
    const bt_cudnn *r = n->r;
    const bt_cudnn_run *run = n->run;
    int64_t direction = layer % r->directions;
    bool lstm = r->mode == BT_CUDNN_LSTM;
    rnn by = {run->batch, r->units, r->hidden, r->gates, r->mode, 0, run->time_major ? run->batch : 1, run->time_major ? 1 : run->steps,
              r->directions * r->hidden, direction * r->hidden, n->lengths != NULL, r->projected};
    berth_status status = project(c, n, layer, x);
    if (!status) status = copy_state(c, n, layer, n->state, c->in[1]->data, false);
    if (!status && lstm) status = copy_cells(c, n, layer, false);
    for (int64_t i = 0; i < run->steps && !status; i++) {
        by.t = direction ? run->steps - 1 - i : i;
        status = run_step(c, n, layer, &by, y);
    }
    if (!status) status = copy_state(c, n, layer, c->out[1]->data, n->state, true);
    return status || !lstm ? status : copy_cells(c, n, layer, true);
}

/* False: too large, or no memory, with the error set. */
static bool open_net(bt_call *c, net *n)
{
    const bt_cudnn *r = n->r;
    size_t size = bt_dtype_size(n->dtype), batch = (size_t)n->run->batch, rows, all = (size_t)(r->gates * r->units), bytes = 0;
    size_t wide = (size_t)(r->directions * r->hidden), levels = (size_t)(r->layers / r->directions);
    if (!bt_mul(batch, (size_t)n->run->steps, &rows) || !bt_mul(rows, all * size, &bytes) || !bt_mul(rows, wide * size, &bytes))
        return bt_fail_memory(c->error), false;
    n->gates = bt_scratch(c, rows * all * size + 1);
    n->recur = n->gates ? bt_scratch(c, batch * all * size + 1) : NULL;
    n->state = n->recur ? bt_scratch(c, batch * (size_t)r->hidden * size + 1) : NULL;
    n->cells = n->state ? bt_scratch(c, batch * (size_t)r->units * sizeof(float) + 1) : NULL;
    n->fresh = n->shrunk = n->line[0] = n->line[1] = n->cells;
    if (n->cells && r->projected) {
        n->fresh = bt_scratch(c, batch * (size_t)r->units * size + 1);
        n->shrunk = n->fresh ? bt_scratch(c, batch * (size_t)r->hidden * size + 1) : NULL;
        if (!n->shrunk) return false;
    }
    for (size_t i = 0; n->cells && i < 2 && levels > i + 1; i++)
        if (!(n->line[i] = bt_scratch(c, rows * wide * size + 1))) return false;
    if (n->cells && n->run->lengths && !(n->lengths = bt_gpu_upload(c, n->run->lengths, batch * sizeof(int32_t)))) return false;
    return n->cells;
}

berth_status bt_cudnn_on_gpu(bt_call *c, const bt_cudnn *r, const bt_cudnn_run *run)
{
    net n = {.r = r, .run = run, .dtype = c->in[0]->dtype};
    int64_t levels = r->layers / r->directions;
    if (r->mode != BT_CUDNN_LSTM && bt_call_zero(c, n.dtype, c->out[2]->data, bt_tensor_count(c->out[2]))) return c->error->status;
    if (!open_net(c, &n)) return c->error->status;
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < r->layers && !status; i++) {
        int64_t level = i / r->directions;
        status = run_layer(c, &n, i, level ? n.line[(level - 1) % 2] : c->in[0]->data,
                           level == levels - 1 ? c->out[0]->data : n.line[level % 2]);
    }
    return status;
}
