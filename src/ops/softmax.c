/* Softmax, LogSoftmax and the two cross entropies: rows of the last dimension. Float through the vector maths;
 * half and bfloat16 row by row in float; double by plain loops. */
#include <math.h>

#include "ops/elementwise.h"
#include "ops/gpu.h"

BT_CL_DECLARE(reduce);
#include "simd/simd.h"

typedef struct softmax_job {
    const char *x, *labels;
    char *y, *loss;
    int64_t n;                      /* of a row */
    int64_t x_step, label_step;     /* elements from row to row; 0: broadcast */
    int64_t x_across, label_across; /* within a row */
    berth_dtype dtype, label_dtype;
    size_t size;
    bool log;
    char *scratch; /* two rows of float a worker */
    size_t row_bytes;
} softmax_job;

static void to_float(const softmax_job *job, float *y, const void *x, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    if (job->dtype == BERTH_HALF) vec->half_to_float(y, x, n);
    else vec->bf16_to_float(y, x, n);
}

static void from_float(const softmax_job *job, void *y, const float *x, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    if (job->dtype == BERTH_HALF) vec->float_to_half(y, x, n);
    else vec->float_to_bf16(y, x, n);
}

/* ---- A row -------------------------------------------------------------------------------------------- */

/* x - max - log(sum e^(x - max)); y serves as the place for e^... */
static void log_softmax_float(float *y, const float *x, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    float top = vec->fold[BT_VEC_FOLD_MAX](x, n), shift;
    enum { PIECE = 256 };
    float e[PIECE], sum = 0;
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < PIECE ? n - i : PIECE;
        vec->binary_scalar[BT_VEC_SUB](e, x + i, &top, m);
        vec->unary[BT_VEC_EXP](e, e, m, 0, 0);
        sum += vec->fold[BT_VEC_SUM](e, m);
    }
    shift = logf(sum);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] - top - shift;
}

static double max_double(const double *x, int64_t n)
{
    double top = -INFINITY;
    for (int64_t i = 0; i < n; i++) top = top != top || top > x[i] ? top : x[i];
    return top;
}

static void softmax_double(double *y, const double *x, int64_t n, bool log_)
{
    double top = max_double(x, n), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - top);
    double shift = log(sum);
    for (int64_t i = 0; i < n; i++) y[i] = log_ ? x[i] - top - shift : exp(x[i] - top) / sum;
}

static void softmax_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const softmax_job *job = user;
    float *wide = (float *)(void *)(job->scratch + (size_t)worker * job->row_bytes);
    for (int64_t r = begin; r < end; r++) {
        const void *x = job->x + (size_t)(r * job->n) * job->size;
        void *y = job->y + (size_t)(r * job->n) * job->size;
        if (job->dtype == BERTH_DOUBLE) {
            softmax_double(y, x, job->n, job->log);
            continue;
        }
        bool narrow = job->dtype != BERTH_FLOAT;
        if (narrow) to_float(job, wide, x, job->n), x = wide;
        float *to = narrow ? wide : y;
        if (job->log) log_softmax_float(to, x, job->n);
        else bt_simd_get()->vec.softmax(to, x, job->n, 1, NULL);
        if (narrow) from_float(job, y, wide, job->n);
    }
}

/* Rows of scratch for each worker; NULL with the error set. */
static bool take_scratch(bt_call *c, softmax_job *job)
{
    int threads = c->pool ? bt_pool_threads(c->pool) : 1;
    job->row_bytes = bt_align((size_t)job->n * 2 * sizeof(float), 64);
    job->scratch = bt_scratch(c, job->dtype == BERTH_DOUBLE ? 0 : job->row_bytes * (size_t)threads);
    return job->scratch != NULL;
}

static berth_status rows_on_gpu(bt_call *c, bool log_)
{
    char defines[BT_DEFINES];
    const bt_shape *shape = &c->in[0]->shape;
    int64_t n = shape->dim[shape->rank - 1], count = bt_shape_count(shape);
    void *y = bt_out(c, 0, c->in[0]->dtype, shape);
    if (!y) return c->error->status;
    if (count == 0) return BERTH_OK;
    bt_gpu_defines(defines, c->in[0]->dtype, 0, "-DROWS");
    bt_grid grid = bt_grid_groups(c, count / n, n);
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(y), bt_long(count / n), bt_long(n), bt_int(log_)};
    return bt_gpu_launch(c, BT_CL(reduce), defines, "softmax", &grid, args, 5);
}

static berth_status run_rows(bt_call *c, bool log_)
{
    char text[BT_SHAPE_TEXT];
    if (c->n_in != 1) return bt_call_fail(c, "needs an input");
    const bt_tensor *x = c->in[0];
    if (x->shape.rank < 1)
        return bt_call_fail(c, "logits must have >= 1 dimension, got %s", bt_shape_text(&x->shape, text));
    if (!bt_dtype_is_float(x->dtype))
        return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(x->dtype));
    if (bt_on_gpu(c)) return rows_on_gpu(c, log_);
    softmax_job job = {.x = x->data,
                       .n = x->shape.dim[x->shape.rank - 1],
                       .dtype = x->dtype,
                       .size = bt_dtype_size(x->dtype),
                       .log = log_};
    job.y = bt_out(c, 0, x->dtype, &x->shape);
    if (!job.y || !take_scratch(c, &job)) return c->error->status;
    if (bt_tensor_count(x) > 0)
        bt_parallel(c->pool, bt_tensor_count(x) / job.n, 8192 / job.n + 1, softmax_rows, &job);
    return BERTH_OK;
}

static berth_status run_softmax(bt_call *c) { return run_rows(c, false); }
static berth_status run_log_softmax(bt_call *c) { return run_rows(c, true); }

static berth_status infer_rows(bt_infer *x)
{
    if (x->n_in > 0 && x->in[0].shape.rank == 0)
        return bt_infer_fail(x, "logits must have >= 1 dimension, got []");
    return bt_infer_same(x);
}

/* ---- Cross entropy ------------------------------------------------------------------------------------ */

/* One row in double: loss = sum of label (log(sum e^(x - max)) - (x - max)), gradient = softmax - label. */
static double number(const void *p, berth_dtype dtype, int64_t i)
{
    switch (dtype) {
    case BERTH_HALF: return (double)bt_half_to_float(((const uint16_t *)p)[i]);
    case BERTH_BFLOAT16: return (double)bt_bf16_to_float(((const uint16_t *)p)[i]);
    case BERTH_FLOAT: return (double)((const float *)p)[i];
    default: return ((const double *)p)[i];
    }
}

static void put(void *p, berth_dtype dtype, int64_t i, double v)
{
    switch (dtype) {
    case BERTH_HALF: ((uint16_t *)p)[i] = bt_float_to_half((float)v); break;
    case BERTH_BFLOAT16: ((uint16_t *)p)[i] = bt_float_to_bf16((float)v); break;
    case BERTH_FLOAT: ((float *)p)[i] = (float)v; break;
    default: ((double *)p)[i] = v; break;
    }
}

static int64_t class_of(const softmax_job *job, int64_t row)
{
    return job->label_dtype == BERTH_INT32 ? ((const int32_t *)(const void *)job->labels)[row]
                                           : ((const int64_t *)(const void *)job->labels)[row];
}

static void entropy_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const softmax_job *job = user;
    bool sparse = job->label_dtype == BERTH_INT32 || job->label_dtype == BERTH_INT64;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        int64_t x = r * job->x_step, label = r * job->label_step, class = sparse ? class_of(job, r) : -1;
        double top = -INFINITY, sum = 0, loss = 0;
        for (int64_t j = 0; j < job->n; j++) {
            double v = number(job->x, job->dtype, x + j * job->x_across);
            top = top != top || top > v ? top : v;
        }
        for (int64_t j = 0; j < job->n; j++)
            sum += exp(number(job->x, job->dtype, x + j * job->x_across) - top);
        for (int64_t j = 0; j < job->n; j++) {
            double v = number(job->x, job->dtype, x + j * job->x_across) - top;
            double t = sparse ? (double)(j == class)
                              : number(job->labels, job->dtype, label + j * job->label_across);
            if (t != 0) loss += t * (log(sum) - v);
            put(job->y, job->dtype, r * job->n + j, exp(v) / sum - t);
        }
        put(job->loss, job->dtype, r, loss);
    }
}

/* As in reduce.cl. */
typedef struct pair_of_rows {
    int64_t rows, n, x_step, x_across, label_step, label_across;
} pair_of_rows;

#define BAD_CLASS "Received a label value of %lld which is outside the valid range of [0, %lld)."

static berth_status entropy_on_gpu(bt_call *c, const softmax_job *job, int64_t rows)
{
    char defines[BT_DEFINES];
    bool sparse = job->label_dtype != job->dtype;
    pair_of_rows by = {rows, job->n, job->x_step, job->x_across, job->label_step, job->label_across};
    bt_arg args[8] = {bt_pointer(job->x), bt_pointer(job->labels), bt_pointer(job->loss), bt_pointer(job->y),
                      bt_bytes(&by, sizeof by)};
    bt_grid grid = bt_grid_groups(c, rows, job->n);
    if (rows == 0) return BERTH_OK;
    if (sparse && bt_gpu_fault(c, BAD_CLASS, args + 5)) return c->error->status;
    bt_gpu_defines(defines, job->dtype, sparse ? job->label_dtype : 0, "-DROWS");
    return bt_gpu_launch(c, BT_CL(reduce), defines, "cross_entropy", &grid, args, sparse ? 8 : 5);
}

static berth_status entropy(bt_call *c, softmax_job *job, int64_t rows)
{
    bt_shape loss = BT_SHAPE(rows), gradient = BT_SHAPE(rows, job->n);
    job->x = c->in[0]->data, job->labels = c->in[1]->data;
    job->dtype = c->in[0]->dtype, job->label_dtype = c->in[1]->dtype;
    if (!bt_dtype_is_float(job->dtype))
        return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(job->dtype));
    job->loss = bt_out(c, 0, job->dtype, &loss);
    job->y = job->loss ? bt_out(c, 1, job->dtype, &gradient) : NULL;
    if (!job->y) return c->error->status;
    if (bt_on_gpu(c)) return entropy_on_gpu(c, job, rows);
    bt_parallel(c->pool, rows, 1024 / (job->n + 1) + 1, entropy_rows, job);
    return BERTH_OK;
}

/* features and labels: [rows, classes], broadcast against each other. */
static berth_status run_entropy(bt_call *c)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    bt_shape joint;
    if (c->n_in != 2) return bt_call_fail(c, "needs 2 inputs, has %d", c->n_in);
    const bt_shape *x = &c->in[0]->shape, *label = &c->in[1]->shape;
    if (c->in[0]->dtype != c->in[1]->dtype) return bt_call_fail(c, "features and labels differ in dtype");
    if (!bt_shape_broadcast(x, label, &joint))
        return bt_call_fail(c, "logits and labels must be broadcastable: logits_size=%s labels_size=%s",
                            bt_shape_text(x, a), bt_shape_text(label, b));
    if (joint.rank != 2 || x->rank > 2 || label->rank > 2)
        return bt_call_fail(
            c, "logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional");
    softmax_job job = {.n = joint.dim[1]};
    job.x_across = x->rank > 0 && x->dim[x->rank - 1] == job.n;
    job.label_across = label->rank > 0 && label->dim[label->rank - 1] == job.n;
    job.x_step = x->rank == 2 && x->dim[0] == joint.dim[0] ? x->dim[1] : 0;
    job.label_step = label->rank == 2 && label->dim[0] == joint.dim[0] ? label->dim[1] : 0;
    return entropy(c, &job, joint.dim[0]);
}

/* features: [rows, classes]; labels: [rows], a class each. */
static berth_status run_sparse_entropy(bt_call *c)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    if (c->n_in != 2) return bt_call_fail(c, "needs 2 inputs, has %d", c->n_in);
    const bt_shape *x = &c->in[0]->shape, *label = &c->in[1]->shape;
    berth_dtype type = c->in[1]->dtype;
    if (type != BERTH_INT32 && type != BERTH_INT64)
        return bt_call_fail(c, "labels are %s, not int32 or int64", bt_dtype_name(type));
    if (x->rank != 2) return bt_call_fail(c, "logits must be 2-D, but got shape %s", bt_shape_text(x, a));
    if (label->rank != 1 || label->dim[0] != x->dim[0])
        return bt_call_fail(
            c,
            "logits and labels must have the same first dimension, got logits shape %s and labels shape %s",
            bt_shape_text(x, a), bt_shape_text(label, b));
    if (x->dim[1] == 0)
        return bt_call_fail(c, "Must have at least one class, but got logits shape %s", bt_shape_text(x, a));
    for (int64_t i = 0; i < label->dim[0] && !bt_on_gpu(c); i++) {
        int64_t class = bt_tensor_int(c->in[1], i);
        if (class < 0 || class >= x->dim[1])
            return bt_call_fail(c, BAD_CLASS, (long long)class, (long long)x->dim[1]);
    }
    softmax_job job = {.n = x->dim[1], .x_step = x->dim[1], .x_across = 1};
    return entropy(c, &job, x->dim[0]);
}

static berth_status infer_entropy(bt_infer *x)
{
    bt_shape joint;
    if (x->n_in < 2 || x->n_out < 2) return bt_infer_fail(x, "needs two inputs, has %d", x->n_in);
    bool sparse =
        x->in[1].shape.rank == 1 && bt_str_is(bt_str_of(x->node->op), "SparseSoftmaxCrossEntropyWithLogits");
    x->out[0].dtype = x->out[1].dtype = x->in[0].dtype;
    if (sparse) joint = x->in[0].shape;
    else if (!bt_shape_broadcast(&x->in[0].shape, &x->in[1].shape, &joint))
        return bt_infer_fail(x, "logits and labels must be broadcastable");
    if (joint.rank != 2) return BERTH_OK;
    x->out[0].shape = BT_SHAPE(joint.dim[0]), x->out[1].shape = joint;
    return BERTH_OK;
}

/* ---- Records ------------------------------------------------------------------------------------------ */

const bt_op bt_ops_softmax[] = {
    {"Softmax", infer_rows, .gpu = run_softmax, .gpu_types = BT_FLOATS, .cpu = run_softmax, .flags = BT_OP_INPLACE, BT_FLOATS},
    {"LogSoftmax", infer_rows, .gpu = run_log_softmax, .gpu_types = BT_FLOATS, .cpu = run_log_softmax, .flags = BT_OP_INPLACE, BT_FLOATS},
    {"SoftmaxCrossEntropyWithLogits", infer_entropy, .cpu = run_entropy, .types = BT_FLOATS,
     .gpu = run_entropy, .gpu_types = BT_FLOATS, .outputs = "loss,backprop"},
    {"SparseSoftmaxCrossEntropyWithLogits", infer_entropy, .cpu = run_sparse_entropy, .types = BT_FLOATS,
     .gpu = run_sparse_entropy, .gpu_types = BT_FLOATS, .outputs = "loss,backprop"},
    {0},
};
