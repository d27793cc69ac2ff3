/* CudnnRNN, V2 and V3: an LSTM, GRU or plain RNN of several layers, forward or both ways, as cuDNN's inference computes
 * it, on the CPU. The gates of all steps are one product of the whole input; each step then adds one of the states.
 * Half and bfloat16 by way of float. How the parameters lie: cudnn.h. The loops: cudnn_cell.h. */
#include "ops/cudnn_gpu.h"
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/product.h"

#include <math.h>
#include <stdio.h>

typedef bt_cudnn_run sizes;

/* Which row of input and output is step t of sequence b. */
static int64_t bt_row(const sizes *s, int64_t t, int64_t b)
{
    return s->time_major ? t * s->batch + b : b * s->steps + t;
}

/* ---- Numbers ------------------------------------------------------------------------------------------ */

static void f32_sigmoid(float *y, int64_t n) { bt_simd_get()->vec.unary[BT_VEC_SIGMOID](y, y, n, 0, 0); }
static void f32_tanh(float *y, int64_t n) { bt_simd_get()->vec.unary[BT_VEC_TANH](y, y, n, 0, 0); }
static void f32_relu(float *y, int64_t n) { bt_simd_get()->vec.unary[BT_VEC_RELU](y, y, n, 0, 0); }

static size_t f32_packed(int64_t k, int64_t n)
{
    size_t bytes = 0;
    bt_gemm_packed_bytes(&bt_simd_get()->gemm, k, n, &bytes);
    return bytes / sizeof(float);
}

static void f32_pack(float *dst, const float *matrix, int64_t k, int64_t n)
{
    const bt_gemm_kernels *g = &bt_simd_get()->gemm;
    bt_gemm_pack(g, dst, matrix, k, true, k, n, NULL);
}

static void f32_multiply(bt_pool *pool, const float *x, const float *right, const float *bias, float *y,
                         int64_t rows, int64_t k, int64_t n)
{
    bt_product p = {.left = bt_gather_matrix(x, rows, k, k),
                    .packed = right,
                    .k = k,
                    .n = n,
                    .c = y,
                    .ldc = n,
                    .bias = bias,
                    .low = -INFINITY,
                    .high = INFINITY};
    bt_product_all(pool, &p, rows);
}

static void f64_sigmoid(double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = 1 / (1 + exp(-y[i]));
}

static void f64_tanh(double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = tanh(y[i]);
}

static void f64_relu(double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = y[i] > 0 || isnan(y[i]) ? y[i] : 0;
}

static size_t f64_packed(int64_t k, int64_t n) { return (size_t)(k * n); }

static void f64_pack(double *dst, const double *matrix, int64_t k, int64_t n)
{
    memcpy(dst, matrix, (size_t)(k * n) * sizeof *dst);
}

static void f64_multiply(bt_pool *pool, const double *x, const double *right, const double *bias, double *y,
                         int64_t rows, int64_t k, int64_t n)
{
    (void)pool;
    for (int64_t i = 0; i < rows * n; i++) {
        const double *a = x + i / n * k, *b = right + i % n * k;
        double sum = bias ? bias[i % n] : 0;
        for (int64_t j = 0; j < k; j++) sum += a[j] * b[j];
        y[i] = sum;
    }
}

#define REAL float
#define CELL(name) f32_##name
#include "ops/cudnn_cell.h"
#undef REAL
#undef CELL
#define REAL double
#define CELL(name) f64_##name
#include "ops/cudnn_cell.h"
#undef REAL
#undef CELL

/* ---- The op ------------------------------------------------------------------------------------------- */

enum { INPUT, INPUT_H, INPUT_C, PARAMS, LENGTHS };
enum { OUTPUT, OUTPUT_H, OUTPUT_C, RESERVE, HOST_RESERVED };

static bool time_major(const bt_node *node) { return bt_attr_bool(node, "time_major", true); }

static berth_status infer(bt_infer *x)
{
    bt_cudnn r;
    bool major = time_major(x->node), third = bt_ends(x->node->op, "V3");
    const bt_shape *in = &x->in[INPUT].shape, *h = &x->in[INPUT_H].shape, *c = &x->in[INPUT_C].shape;
    berth_status status = bt_infer_arity(x, third ? 5 : 4);
    if (!status) status = bt_cudnn_parse(x->node, &r, x->error);
    if (!status) status = bt_infer_alike(x, INPUT, PARAMS + 1);
    if (status) return status;
    berth_dtype dtype = bt_infer_type(x, INPUT);
    bool lstm = r.mode == BT_CUDNN_LSTM, fits = x->in[PARAMS].shape.rank < 0 || x->in[PARAMS].shape.rank == 1;
    fits = fits && (in->rank < 0 || in->rank == 3) && (h->rank < 0 || h->rank == 3);
    fits = fits && (!lstm || c->rank < 0 || c->rank == 3) && (!third || x->in[LENGTHS].shape.rank < 2);
    if (!fits) return bt_infer_fail(x, "input and states must have 3 dimensions, params and lengths one");
    int64_t batch = in->rank < 0 ? -1 : in->dim[major], hidden = h->rank < 0 ? -1 : h->dim[2];
    int64_t also = h->rank < 0 ? -1 : h->dim[major];
    bool same = batch < 0 || also < 0 || batch == also;
    if (lstm && h->rank == 3 && c->rank == 3)
        for (int i = 0; i < 2 + !r.projected; i++)
            same = same && (h->dim[i] < 0 || c->dim[i] < 0 || h->dim[i] == c->dim[i]);
    if (third && x->in[LENGTHS].shape.rank == 1) {
        int64_t n = x->in[LENGTHS].shape.dim[0];
        same = same && (n < 0 || batch < 0 || n == batch);
    }
    if (!same || (r.projected && hidden >= 0 && hidden != r.proj))
        return bt_infer_fail(x, "the shapes of input, states and lengths do not agree");
    bt_shape out = in->rank < 0 ? BT_SHAPE(-1, -1, -1) : *in;
    out.dim[2] = hidden < 0 ? -1 : hidden * r.directions;
    x->out[OUTPUT] = (bt_fact){dtype, out, NULL};
    x->out[OUTPUT_H] = (bt_fact){dtype, h->rank < 0 ? BT_SHAPE(-1, -1, -1) : *h, NULL};
    x->out[OUTPUT_C] = (bt_fact){dtype, !lstm ? BT_SCALAR : c->rank < 0 ? BT_SHAPE(-1, -1, -1) : *c, NULL};
    x->out[RESERVE] = (bt_fact){dtype, BT_SHAPE(0), NULL};
    if (x->n_out > HOST_RESERVED) x->out[HOST_RESERVED] = (bt_fact){BERTH_INT8, BT_SHAPE(0), NULL};
    return BERTH_OK;
}

/* What is known of a network when the plan is made; `packed` where its parameters are constant. */
typedef struct network {
    bt_cudnn r;
    const void *packed;
} network;

typedef struct packing {
    const bt_cudnn *r;
    const bt_tensor *params;
} packing;

static berth_status pack(void *user, void *dst, berth_error *error)
{
    const packing *job = user;
    size_t n = (size_t)job->r->total;
    berth_dtype dtype = job->params->dtype;
    void *aligned = bt_alloc(n * bt_dtype_size(dtype)); /* the constant may be unaligned */
    float *wide = bt_dtype_size(dtype) == 2 ? bt_alloc(n * sizeof *wide) : NULL;
    bool done = aligned && (wide || bt_dtype_size(dtype) > 2);
    if (done) memcpy(aligned, job->params->data, n * bt_dtype_size(dtype));
    if (done && dtype == BERTH_HALF) bt_simd_get()->vec.half_to_float(wide, aligned, (int64_t)n);
    if (done && dtype == BERTH_BFLOAT16) bt_simd_get()->vec.bf16_to_float(wide, aligned, (int64_t)n);
    if (done && dtype == BERTH_DOUBLE) f64_pack_all(job->r, aligned, dst);
    else if (done) f32_pack_all(job->r, wide ? wide : aligned, dst);
    bt_free(aligned);
    bt_free(wide);
    return done ? BERTH_OK : bt_fail_memory(error);
}

static berth_status prepare_gpu(bt_prepare *p)
{
    network *net = bt_arena_new(p->arena, network);
    p->state = net;
    if (!net) return bt_fail_memory(p->error);
    berth_status status = bt_cudnn_parse(p->node, &net->r, p->error);
    if (status) return status;
    if (bt_attr_float(p->node, "dropout", 0) > 0 && bt_attr_bool(p->node, "is_training", true))
        return bt_fail(p->error, BERTH_UNSUPPORTED, "dropout while training");
    return BERTH_OK;
}

/* A device takes the parameters as they are; the CPU packs them where they are constant. */
static berth_status prepare(bt_prepare *p)
{
    const bt_tensor *params = p->in[PARAMS].value;
    berth_status status = prepare_gpu(p);
    network *net = p->state;
    if (status) return status;
    if (!params || !bt_cudnn_of_shapes(&net->r, &p->in[INPUT].shape, &p->in[INPUT_H].shape,
                                       &p->in[INPUT_C].shape, time_major(p->node)))
        return BERTH_OK;
    const bt_cudnn *r = &net->r;
    bool is_double = params->dtype == BERTH_DOUBLE;
    if (bt_tensor_count(params) != r->total) return BERTH_OK; /* the run says so */
    size_t bytes = is_double ? f64_all(r) * sizeof(double) : f32_all(r) * sizeof(float);
    char layout[160];
    packing job = {r, params};
    snprintf(layout, sizeof layout, "cudnn %s %d x%d%s %lld layers %lld units %lld hidden %lld in",
             bt_simd_get()->name, (int)r->mode, r->directions, r->skip ? " skip" : "", (long long)r->layers,
             (long long)r->units, (long long)r->hidden, (long long)r->input);
    net->packed = bt_prepare_pack(p, params, layout, bytes, pack, &job);
    if (!net->packed) return p->error ? p->error->status : BERTH_NO_MEMORY;
    p->consumed |= 1ull << PARAMS;
    return BERTH_OK;
}

/* The lengths of V3: all whole where they say so. */
static berth_status read_lengths(bt_call *c, sizes *s)
{
    bool any = false;
    if (c->n_in <= LENGTHS) return BERTH_OK;
    const int32_t *lengths = c->in[LENGTHS]->data;
    if (c->in[LENGTHS]->dtype != BERTH_INT32 || bt_tensor_count(c->in[LENGTHS]) != s->batch)
        return bt_call_fail(c, "sequence_lengths must be %lld of int32", (long long)s->batch);
    for (int64_t i = 0; i < s->batch; i++) {
        if (lengths[i] < 0 || lengths[i] > s->steps)
            return bt_call_fail(c, "sequence_lengths[%lld] is %d, of %lld steps", (long long)i, lengths[i],
                                (long long)s->steps);
        any |= lengths[i] < s->steps;
    }
    s->lengths = any ? lengths : NULL;
    return BERTH_OK;
}

/* Numbers of working memory: gates of all steps, then of one; state, cells, fresh, shrunk; what levels hand on. */
static bool work_of(const bt_cudnn *r, const sizes *s, size_t part[8], size_t *all)
{
    size_t batch = (size_t)s->batch, gates = (size_t)(r->gates * r->units), rows;
    size_t wide = (size_t)(r->directions * r->hidden), levels = (size_t)(r->layers / r->directions);
    const size_t each[6] = {gates, (size_t)r->hidden, (size_t)r->units, (size_t)r->units, (size_t)r->hidden,
                            0};
    *all = 0;
    if (!bt_mul(batch, (size_t)s->steps, &rows) || !bt_mul(rows, gates, &part[0])) return false;
    for (int i = 0; i < 5; i++)
        if (!bt_mul(batch, each[i], &part[i + 1])) return false;
    if (!bt_mul(rows, levels > 1 ? wide : 0, &part[6]) || !bt_mul(rows, levels > 2 ? wide : 0, &part[7]))
        return false;
    for (int i = 0; i < 8; i++) {
        part[i] = bt_align(part[i], 16);
        if (!bt_add(*all, part[i], all)) return false;
    }
    return *all < PTRDIFF_MAX / sizeof(double);
}

/* Cuts working memory into its parts. */
#define OPEN(net, start, part)                                                            \
    do {                                                                                  \
        (net).gates = (start);                                                            \
        (net).recur = (net).gates + (part)[0], (net).state = (net).recur + (part)[1];     \
        (net).cells = (net).state + (part)[2], (net).fresh = (net).cells + (part)[3];     \
        (net).shrunk = (net).fresh + (part)[4], (net).line[0] = (net).shrunk + (part)[5]; \
        (net).line[1] = (net).line[0] + (part)[6];                                        \
    } while (0)

static berth_status run_double(bt_call *c, const bt_cudnn *r, const sizes *s, const void *packed,
                               void *const *out)
{
    size_t part[8], all;
    f64_net net = {r,
                   c->pool,
                   s,
                   packed,
                   c->in[INPUT]->data,
                   c->in[INPUT_H]->data,
                   r->mode == BT_CUDNN_LSTM ? c->in[INPUT_C]->data : NULL,
                   out[OUTPUT],
                   out[OUTPUT_H],
                   out[OUTPUT_C],
                   {NULL, NULL},
                   NULL,
                   NULL,
                   NULL,
                   NULL,
                   NULL,
                   NULL};
    double *work = work_of(r, s, part, &all) ? bt_scratch(c, (all + 1) * sizeof *work) : NULL;
    double *weights = packed || !work ? NULL : bt_scratch(c, f64_all(r) * sizeof *weights);
    if (!work || (!packed && !weights)) return bt_fail_memory(c->error);
    if (!packed) f64_pack_all(r, c->in[PARAMS]->data, weights), net.packed = weights;
    OPEN(net, work, part);
    f64_run_net(&net);
    return BERTH_OK;
}

static berth_status run_float(bt_call *c, const bt_cudnn *r, const sizes *s, const void *packed,
                              void *const *out)
{
    size_t part[8], all;
    berth_dtype dtype = c->in[INPUT]->dtype;
    const float *in[4] = {NULL};
    float *y[3], *weights = NULL;
    int n = r->mode == BT_CUDNN_LSTM ? 3 : 2; /* states are input and outputs 1 and 2 */
    for (int i = 0; i <= PARAMS; i++) {
        if ((i == INPUT_C && n < 3) || (i == PARAMS && packed)) continue;
        if (!(in[i] = bt_floats(c, dtype, c->in[i]->data, bt_tensor_count(c->in[i])))) return BERTH_NO_MEMORY;
    }
    for (int i = 0; i < n; i++)
        if (!(y[i] = bt_floats_out(c, dtype, out[i], bt_tensor_count(c->out[i])))) return BERTH_NO_MEMORY;
    float *work = work_of(r, s, part, &all) ? bt_scratch(c, (all + 1) * sizeof *work) : NULL;
    if (work && !packed) weights = bt_scratch(c, f32_all(r) * sizeof *weights);
    if (!work || (!packed && !weights)) return bt_fail_memory(c->error);
    if (!packed) f32_pack_all(r, in[PARAMS], weights);
    f32_net net = {r,
                   c->pool,
                   s,
                   packed ? packed : weights,
                   in[INPUT],
                   in[INPUT_H],
                   in[INPUT_C],
                   y[OUTPUT],
                   y[OUTPUT_H],
                   n > 2 ? y[OUTPUT_C] : NULL,
                   {NULL, NULL},
                   NULL,
                   NULL,
                   NULL,
                   NULL,
                   NULL,
                   NULL};
    OPEN(net, work, part);
    f32_run_net(&net);
    for (int i = 0; i < n; i++) bt_floats_done(c, dtype, out[i], y[i], bt_tensor_count(c->out[i]));
    return BERTH_OK;
}

static berth_status run(bt_call *c)
{
    const network *known = c->state;
    bt_cudnn r = known->r;
    bt_fact facts[5];
    void *out[5];
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    sizes s = {.time_major = time_major(c->node)};
    const bt_shape *in = &c->in[INPUT]->shape;
    s.steps = in->dim[!s.time_major], s.batch = in->dim[s.time_major];
    if (!known->packed) {
        if (!bt_cudnn_of_shapes(&r, in, &c->in[INPUT_H]->shape, &c->in[INPUT_C]->shape, s.time_major))
            return bt_call_fail(c, "no RNN fits these shapes of input and states");
        if (bt_tensor_count(c->in[PARAMS]) != r.total)
            return bt_call_fail(c, "params has %lld elements, where the RNN has %lld",
                                (long long)bt_tensor_count(c->in[PARAMS]), (long long)r.total);
    }
    if ((status = read_lengths(c, &s))) return status;
    for (int i = 0; i < c->n_out; i++)
        if (!(out[i] = bt_out(c, i, facts[i].dtype, &facts[i].shape))) return BERTH_NO_MEMORY;
    if (bt_on_gpu(c)) return bt_cudnn_on_gpu(c, &r, &s);
    if (r.mode != BT_CUDNN_LSTM) memset(out[OUTPUT_C], 0, bt_dtype_size(facts[OUTPUT_C].dtype));
    return (facts[OUTPUT].dtype == BERTH_DOUBLE ? run_double : run_float)(c, &r, &s, known->packed, out);
}

#define RNN(op, list)                                                                                   \
    {                                                                                                   \
        .name = op, .infer = infer, .prepare = prepare, .cpu = run, .types = BT_FLOATS, .outputs = list, \
        .gpu = run, .gpu_prepare = prepare_gpu, .gpu_types = BT_GPU_FLOATS, .host_inputs = 1 << LENGTHS, .host_outputs = 1 << HOST_RESERVED \
    }

const bt_op bt_ops_cudnn_rnn[] = {
    RNN("CudnnRNN", "output,output_h,output_c,reserve_space"),
    RNN("CudnnRNNV2", "output,output_h,output_c,reserve_space,host_reserved"),
    RNN("CudnnRNNV3", "output,output_h,output_c,reserve_space,host_reserved"),
    {0},
};
