/* Normalization: batch norms (inference and training), LRN, layer norm. Channels are the last dimension (NHWC, NDHWC)
 * or dimension 1 (NCHW, NCDHW). Per channel y = a x + b with a = scale / sqrt(variance + epsilon), b = offset - a mean. */
#include <math.h>

#include "device/watch.h"
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "ops/move.h"
#include "simd/simd.h"

/* x as [batch, C, plane]: NHWC has plane 1. */
typedef struct norm_job {
    const char *x;
    char *y;
    berth_dtype dtype;
    const float *a, *b; /* C each */
    int64_t channels, plane;
    const char *side; /* added, like x; NULL: none */
    bool relu;
    char *scratch; /* a row of float a worker, for half and bfloat16; two with side */
    size_t row_bytes;
} norm_job;

static bool is_narrow(berth_dtype dtype) { return dtype == BERTH_HALF || dtype == BERTH_BFLOAT16; }

static void widen(berth_dtype dtype, float *y, const void *x, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    (dtype == BERTH_HALF ? vec->half_to_float : vec->bf16_to_float)(y, x, n);
}

static void narrow(berth_dtype dtype, void *y, const float *x, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    (dtype == BERTH_HALF ? vec->float_to_half : vec->float_to_bf16)(y, x, n);
}

static void add_side(const norm_job *job, float *to, int64_t r, float *wide)
{
    int64_t n = job->plane == 1 ? job->channels : job->plane;
    const char *from = job->side + (size_t)(r * n) * bt_dtype_size(job->dtype);
    const float *side = (const float *)(const void *)from;
    if (is_narrow(job->dtype)) widen(job->dtype, wide, from, n), side = wide;
    bt_simd_get()->vec.accumulate(to, side, n);
}

/* Rows of n elements and `size` bytes each, n = C (plane 1), or a plane of one channel. */
static void normalize_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const norm_job *job = user;
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    int64_t n = job->plane == 1 ? job->channels : job->plane;
    size_t row = (size_t)n * bt_dtype_size(job->dtype);
    float *wide = (float *)(void *)(job->scratch + (size_t)worker * job->row_bytes);
    for (int64_t r = begin; r < end; r++) {
        const void *x = job->x + (size_t)r * row;
        void *y = job->y + (size_t)r * row;
        bool is_wide = !is_narrow(job->dtype);
        if (!is_wide) widen(job->dtype, wide, x, n), x = wide;
        float *to = is_wide ? y : wide;
        int64_t channel = r % job->channels;
        if (job->plane == 1) vec->scale_shift(to, x, job->a, job->b, n);
        else vec->unary[BT_VEC_AFFINE](to, x, n, job->a[channel], job->b[channel]);
        if (job->side) add_side(job, to, r, wide + n);
        if (job->relu) vec->unary[BT_VEC_RELU](to, to, n, 0, 0);
        if (!is_wide) narrow(job->dtype, y, wide, n);
    }
}

/* Reads x as [batch, C, plane]; false when its rank does not fit the format. */
static bool channel_layout(const bt_call *c, const bt_shape *x, int64_t *channels, int64_t *plane)
{
    bool first = bt_starts(bt_attr_string(c->node, "data_format", "NHWC"), "NC");
    int axis = first ? 1 : x->rank - 1;
    if (x->rank < 2) return false;
    *channels = x->dim[axis], *plane = bt_shape_span(x, axis + 1, x->rank);
    return true;
}

/* y = a x + b into output 0, with input 5 added if there is one, and rectified where the node says so. a and b lie in scratch
 * that is not touched again. */
static berth_status normalize(bt_call *c, const float *a, const float *b, int64_t channels, int64_t plane)
{
    const bt_tensor *x = c->in[0], *side = c->n_in > 5 ? c->in[5] : NULL;
    int64_t n = plane == 1 ? channels : plane, count = bt_tensor_count(x);
    int threads = c->pool ? bt_pool_threads(c->pool) : 1;
    norm_job job = {.x = x->data,
                    .dtype = x->dtype,
                    .a = a,
                    .b = b,
                    .channels = channels,
                    .plane = plane,
                    .side = side ? side->data : NULL,
                    .relu = !strcmp(bt_attr_string(c->node, "activation_mode", "Identity"), "Relu"),
                    .row_bytes = bt_align((size_t)n * sizeof(float) * (side ? 2 : 1), 64)};
    job.scratch = bt_scratch(c, is_narrow(x->dtype) ? job.row_bytes * (size_t)threads : 0);
    job.y = job.scratch ? bt_out(c, 0, x->dtype, &x->shape) : NULL;
    if (!job.y) return c->error->status;
    if (count > 0) bt_parallel(c->pool, count / n, 16384 / n + 1, normalize_rows, &job);
    return BERTH_OK;
}

/* ---- FusedBatchNorm: x, scale, offset, mean, variance ------------------------------------------------- */

typedef struct statistics {
    float *mean, *variance; /* of the batch, biased */
} statistics;

/* Sums in double, a pass for the mean and one for the variance: no cancellation. */
static berth_status batch_statistics(bt_call *c, int64_t channels, int64_t plane, float *mean,
                                     float *variance)
{
    const bt_tensor *x = c->in[0];
    int64_t n = plane == 1 ? channels : plane, count = bt_tensor_count(x), rows = count ? count / n : 0;
    double *sums = bt_scratch(c, (size_t)channels * sizeof(double));
    float *wide = bt_scratch(c, (size_t)n * sizeof(float));
    if (!sums || !wide) return c->error->status;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < channels; i++) sums[i] = 0;
        for (int64_t r = 0; r < rows; r++) {
            const char *from = (const char *)x->data + (size_t)(r * n) * bt_dtype_size(x->dtype);
            const float *v = (const float *)(const void *)from;
            if (is_narrow(x->dtype)) widen(x->dtype, wide, from, n), v = wide;
            for (int64_t i = 0; i < n; i++) {
                int64_t channel = plane == 1 ? i : r % channels;
                double d = (double)v[i] - (pass ? (double)mean[channel] : 0);
                sums[channel] += pass ? d * d : d;
            }
        }
        double each = (double)count / (double)channels;
        for (int64_t i = 0; i < channels; i++) (pass ? variance : mean)[i] = (float)(sums[i] / each);
    }
    return BERTH_OK;
}

static berth_status check_batch_norm(bt_call *c, int64_t *channels, int64_t *plane)
{
    static const char *const names[] = {"x", "scale", "offset", "estimated mean", "estimated variance"};
    char a[BT_SHAPE_TEXT];
    int wanted = 5 + (bt_attr_int(c->node, "num_side_inputs", 0) > 0);
    if (c->n_in != wanted) return bt_call_fail(c, "needs %d inputs, has %d", wanted, c->n_in);
    const bt_tensor *x = c->in[0];
    if (wanted > 5 && (c->in[5]->dtype != x->dtype || !bt_shape_equal(&c->in[5]->shape, &x->shape)))
        return bt_call_fail(c, "the side input is not like x");
    if (x->dtype != BERTH_FLOAT && !is_narrow(x->dtype))
        return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(x->dtype));
    if ((x->shape.rank != 4 && x->shape.rank != 5) || !channel_layout(c, &x->shape, channels, plane))
        return bt_call_fail(c, "input must be 4 or 5-dimensional, not %s", bt_shape_text(&x->shape, a));
    bool training = bt_attr_bool(c->node, "is_training", true);
    for (int i = 1; i < 5; i++) {
        const bt_tensor *t = c->in[i];
        if (t->dtype != BERTH_FLOAT)
            return bt_call_fail(c, "%s is %s, not float32", names[i], bt_dtype_name(t->dtype));
        if (t->shape.rank != 1)
            return bt_call_fail(c, "%s must be 1-dimensional, not %s", names[i], bt_shape_text(&t->shape, a));
        bool may_be_empty = i > 2 && training && t->shape.dim[0] == 0;
        if (t->shape.dim[0] != *channels && !may_be_empty)
            return bt_call_fail(
                c, "%s must have the same number of elements as the channels of x, got %lld and %lld",
                names[i], (long long)t->shape.dim[0], (long long)*channels);
    }
    return BERTH_OK;
}

/* Outputs 1 and 2: what the moving averages become; 3 and 4: what a gradient would need; 5 (V3): a scalar. */
static berth_status put_statistics(bt_call *c, const float *mean, const float *variance, int64_t channels,
                                   int64_t each)
{
    bool training = bt_attr_bool(c->node, "is_training", true);
    float factor = training ? bt_attr_float(c->node, "exponential_avg_factor", 1) : 1;
    float bessel = training && each > 1 ? (float)each / (float)(each - 1) : 1;
    const float *old[] = {c->in[3]->data, c->in[4]->data}, *now[] = {mean, variance};
    bt_shape vector = BT_SHAPE(channels);
    for (int i = 0; i < 4; i++) {
        float *y = bt_out(c, 1 + i, BERTH_FLOAT, &vector);
        if (!y) return c->error->status;
        for (int64_t k = 0; k < channels; k++) {
            float v = now[i % 2][k];
            if (i == 1) v *= bessel;
            y[k] = i >= 2 || factor == 1 ? v : (1 - factor) * old[i][k] + factor * v;
        }
    }
    if (bt_node_outputs(c->node) > 5) {
        float *reserve = bt_out(c, 5, BERTH_FLOAT, &BT_SCALAR);
        if (!reserve) return c->error->status;
        *reserve = 0;
    }
    return BERTH_OK;
}

BT_CL_DECLARE(reduce);

/* Inference: statistics go through as they came. */
static berth_status batch_norm_on_gpu(bt_call *c, int64_t channels, int64_t plane)
{
    char defines[BT_DEFINES];
    const bt_tensor *x = c->in[0];
    int64_t n = plane == 1 ? channels : plane, count = bt_tensor_count(x);
    void *y = bt_out(c, 0, x->dtype, &x->shape);
    if (!y) return c->error->status;
    berth_status status = BERTH_OK;
    if (count > 0) {
        bt_gpu_defines(defines, x->dtype, 0, "-DROWS");
        bt_grid grid = bt_grid_rows(c, n, count / n);
        bt_arg args[] = {bt_pointer(x->data), bt_pointer(c->in[1]->data), bt_pointer(c->in[2]->data),
                         bt_pointer(c->in[3]->data), bt_pointer(c->in[4]->data), bt_pointer(y), bt_long(count / n), bt_long(n),
                         bt_long(channels), bt_int(plane != 1), bt_float(bt_attr_float(c->node, "epsilon", 1e-4f))};
        status = bt_gpu_launch(c, BT_CL(reduce), defines, "batch_norm", &grid, args, 11);
    }
    for (int i = 1; !status && i < bt_node_outputs(c->node); i++) {
        bt_shape shape = i == 5 ? BT_SCALAR : BT_SHAPE(channels);
        void *statistic = bt_out(c, i, BERTH_FLOAT, &shape);
        if (!statistic) return c->error->status;
        const void *from = c->in[i % 2 ? 3 : 4]->data;
        if (channels > 0)
            status = bt_device_copy(c->device, statistic, from, (size_t)bt_shape_count(&shape) * sizeof(float), c->error);
    }
    return status;
}

static const char *batch_norm_refuses(const bt_node *node, const bt_fact *in, int n_in)
{
    (void)in, (void)n_in;
    return bt_attr_bool(node, "is_training", true) ? "it is for training" : NULL;
}

static berth_status run_batch_norm(bt_call *c)
{
    int64_t channels = 0, plane = 1;
    berth_status status = check_batch_norm(c, &channels, &plane);
    if (status) return status;
    if (bt_on_gpu(c)) return batch_norm_on_gpu(c, channels, plane);
    bool training = bt_attr_bool(c->node, "is_training", true);
    float epsilon = bt_attr_float(c->node, "epsilon", 1e-4f);
    float *work = bt_scratch(c, (size_t)channels * 4 * sizeof(float));
    if (!work) return c->error->status;
    float *a = work, *b = a + channels, *mean = b + channels, *variance = mean + channels;
    const float *scale = c->in[1]->data, *offset = c->in[2]->data;
    if (training) status = batch_statistics(c, channels, plane, mean, variance);
    else if (channels > 0) {
        memcpy(mean, c->in[3]->data, (size_t)channels * sizeof(float));
        memcpy(variance, c->in[4]->data, (size_t)channels * sizeof(float));
    }
    if (status) return status;
    for (int64_t k = 0; k < channels; k++) {
        a[k] = scale[k] / sqrtf(variance[k] + epsilon);
        b[k] = offset[k] - a[k] * mean[k];
    }
    status = normalize(c, a, b, channels, plane);
    int64_t each = channels ? bt_tensor_count(c->in[0]) / channels : 0;
    return status ? status : put_statistics(c, mean, variance, channels, each);
}

/* _FusedBatchNormEx, which TensorFlow's optimizer makes of graphs for GPUs: with a side input added, and an activation. */
static berth_status run_batch_norm_ex(bt_call *c)
{
    const char *activation = bt_attr_string(c->node, "activation_mode", "Identity");
    if (strcmp(activation, "Identity") && strcmp(activation, "Relu"))
        return bt_call_unsupported(c, "activation_mode '%.60s'", activation);
    return run_batch_norm(c);
}

static berth_status infer_batch_norm(bt_infer *x)
{
    if (x->n_in < 5) return bt_infer_fail(x, "needs five inputs, has %d", x->n_in);
    const bt_shape *in = &x->in[0].shape;
    berth_status status = bt_infer_same(x);
    bool first = bt_starts(bt_attr_string(x->node, "data_format", "NHWC"), "NC");
    int64_t channels = in->rank >= 2 ? in->dim[first ? 1 : in->rank - 1] : -1;
    for (int i = 1; i < 3; i++) {
        const bt_shape *s = &x->in[i].shape;
        if (s->rank >= 0 && s->rank != 1) return bt_infer_fail(x, "scale and offset must be 1-dimensional");
        if (s->rank == 1 && s->dim[0] >= 0 && channels >= 0 && s->dim[0] != channels)
            return bt_infer_fail(x, "%lld scales for %lld channels", (long long)s->dim[0],
                                 (long long)channels);
    }
    for (int i = 1; i < x->n_out; i++)
        x->out[i].dtype = BERTH_FLOAT, x->out[i].shape = i == 5 ? BT_SCALAR : BT_SHAPE(channels);
    return status;
}

/* ---- BatchNormWithGlobalNormalization: t, m, v, beta, gamma ------------------------------------------- */

/* Where nothing is scaled, by ones. */
static berth_status global_norm_on_gpu(bt_call *c, int64_t channels, bool scaled, float epsilon)
{
    static const float one = 1;
    char defines[BT_DEFINES];
    const bt_tensor *x = c->in[0];
    int64_t count = bt_tensor_count(x);
    void *y = bt_out(c, 0, x->dtype, &x->shape), *ones = y && !scaled ? bt_scratch(c, (size_t)channels * sizeof one + 1) : y;
    if (!ones) return c->error->status;
    berth_status status = scaled ? BERTH_OK : bt_call_fill(c, BERTH_FLOAT, ones, &one, channels);
    if (status || count == 0) return status;
    bt_gpu_defines(defines, x->dtype, 0, "-DROWS");
    bt_grid grid = bt_grid_rows(c, channels, count / channels);
    bt_arg args[] = {bt_pointer(x->data), bt_pointer(scaled ? c->in[4]->data : ones), bt_pointer(c->in[3]->data), bt_pointer(c->in[1]->data),
                     bt_pointer(c->in[2]->data), bt_pointer(y), bt_long(count / channels), bt_long(channels), bt_long(channels),
                     bt_int(0), bt_float(epsilon)};
    return bt_gpu_launch(c, BT_CL(reduce), defines, "batch_norm", &grid, args, 11);
}

static berth_status run_global_norm(bt_call *c)
{
    int64_t channels = 0, plane = 1;
    if (c->n_in != 5) return bt_call_fail(c, "needs 5 inputs, has %d", c->n_in);
    if (c->in[0]->shape.rank != 4 || !channel_layout(c, &c->in[0]->shape, &channels, &plane))
        return bt_call_fail(c, "input must be 4-dimensional");
    if (c->in[0]->dtype != BERTH_FLOAT)
        return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(c->in[0]->dtype));
    for (int i = 1; i < 5; i++)
        if (c->in[i]->dtype != BERTH_FLOAT || c->in[i]->shape.rank != 1 || c->in[i]->shape.dim[0] != channels)
            return bt_call_fail(c, "mean, variance, beta and gamma must be float32 vectors of %lld",
                                (long long)channels);
    bool scaled = bt_attr_bool(c->node, "scale_after_normalization", false);
    float epsilon = bt_attr_float(c->node, "variance_epsilon", 0);
    if (bt_on_gpu(c)) return global_norm_on_gpu(c, channels, scaled, epsilon);
    float *a = bt_scratch(c, (size_t)channels * 2 * sizeof(float));
    if (!a) return c->error->status;
    const float *mean = c->in[1]->data, *variance = c->in[2]->data, *beta = c->in[3]->data,
                *gamma = c->in[4]->data;
    for (int64_t k = 0; k < channels; k++) {
        a[k] = (scaled ? gamma[k] : 1) / sqrtf(variance[k] + epsilon);
        a[channels + k] = beta[k] - a[k] * mean[k];
    }
    return normalize(c, a, a + channels, channels, plane);
}

/* ---- LRN: y = x / (bias + alpha sum of x^2 over channels within depth_radius)^beta -------------------- */

typedef struct lrn_job {
    const bt_tensor *x;
    char *y;
    int64_t channels, radius;
    float bias, alpha, beta;
    float *scratch; /* three rows a worker */
} lrn_job;

/* Sums of squares as a sum of shifted rows; base^-beta = e^(-beta log base), NaN for a negative base, like pow. */
static void lrn_row(const lrn_job *job, float *y, const float *x, float *squares)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    int64_t n = job->channels, reach = job->radius < n ? job->radius : n - 1;
    vec->unary[BT_VEC_SQUARE](squares, x, n, 0, 0);
    memcpy(y, squares, (size_t)n * sizeof(float));
    for (int64_t d = 1; d <= reach; d++) {
        vec->accumulate(y + d, squares, n - d);
        vec->accumulate(y, squares + d, n - d);
    }
    vec->unary[BT_VEC_AFFINE](y, y, n, job->alpha, job->bias);
    if (job->beta == 1) {
        vec->binary[BT_VEC_DIV](y, x, y, n);
        return;
    }
    if (job->beta == 0.5f) {
        vec->unary[BT_VEC_RSQRT](y, y, n, 0, 0);
    } else {
        vec->unary[BT_VEC_LOG](y, y, n, 0, 0);
        vec->unary[BT_VEC_AFFINE](y, y, n, -job->beta, 0);
        vec->unary[BT_VEC_EXP](y, y, n, 0, 0);
    }
    vec->binary[BT_VEC_MUL](y, y, x, n);
}

static void lrn_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const lrn_job *job = user;
    int64_t n = job->channels;
    float *wide = job->scratch + (int64_t)worker * 3 * n, *result = wide + n, *squares = result + n;
    for (int64_t r = begin; r < end; r++) {
        size_t at = (size_t)(r * n) * bt_dtype_size(job->x->dtype);
        const char *from = (const char *)job->x->data + at;
        if (is_narrow(job->x->dtype)) widen(job->x->dtype, wide, from, n);
        else memcpy(wide, from, (size_t)n * sizeof(float));
        lrn_row(job, result, wide, squares);
        if (is_narrow(job->x->dtype)) narrow(job->x->dtype, job->y + at, result, n);
        else memcpy(job->y + at, result, (size_t)n * sizeof(float));
    }
}

BT_CL_DECLARE(pool);

static berth_status lrn_on_gpu(bt_call *c, const lrn_job *job)
{
    char defines[BT_DEFINES];
    int64_t n = bt_tensor_count(job->x);
    bt_arg args[] = {bt_pointer(job->x->data), bt_pointer(job->y),   bt_long(n),           bt_long(job->channels),
                     bt_long(job->radius),     bt_float(job->bias), bt_float(job->alpha), bt_float(job->beta)};
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, job->x->dtype, 0, "-DFLOATS -DLEAST=0");
    return n ? bt_gpu_launch(c, BT_CL(pool), defines, "lrn", &grid, args, 8) : BERTH_OK;
}

static berth_status run_lrn(bt_call *c)
{
    if (c->n_in != 1) return bt_call_fail(c, "needs an input");
    const bt_tensor *x = c->in[0];
    if (x->shape.rank != 4) return bt_call_fail(c, "in must be 4-dimensional");
    if (x->dtype != BERTH_FLOAT && !is_narrow(x->dtype))
        return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(x->dtype));
    int threads = c->pool ? bt_pool_threads(c->pool) : 1;
    int64_t radius = bt_attr_int(c->node, "depth_radius", 5);
    if (radius < 0) return bt_call_fail(c, "depth_radius = %lld is negative", (long long)radius);
    lrn_job job = {x,
                   NULL,
                   x->shape.dim[3],
                   radius,
                   bt_attr_float(c->node, "bias", 1),
                   bt_attr_float(c->node, "alpha", 1),
                   bt_attr_float(c->node, "beta", 0.5f),
                   NULL};
    if (bt_on_gpu(c)) {
        job.y = bt_out(c, 0, x->dtype, &x->shape);
        return job.y ? lrn_on_gpu(c, &job) : BERTH_NO_MEMORY;
    }
    job.scratch = bt_scratch(c, (size_t)job.channels * 3 * sizeof(float) * (size_t)threads);
    job.y = job.scratch ? bt_out(c, 0, x->dtype, &x->shape) : NULL;
    if (!job.y) return c->error->status;
    if (bt_tensor_count(x) > 0)
        bt_parallel(c->pool, bt_tensor_count(x) / job.channels, 4096 / job.channels + 1, lrn_rows, &job);
    return BERTH_OK;
}

/* ---- _LayerNorm: x, gamma, beta over the last axis; made by the fuse pass ----------------------------- */

typedef struct layer_job {
    const float *x, *gamma, *beta;
    float *y, epsilon;
    int64_t n;
} layer_job;

static void layer_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const layer_job *job = user;
    (void)worker;
    for (int64_t r = begin; r < end; r++)
        bt_simd_get()->vec.layer_norm(job->y + r * job->n, job->x + r * job->n, job->gamma, job->beta,
                                      job->epsilon, job->n);
}

static berth_status layer_norm_on_gpu(bt_call *c, int64_t n)
{
    char defines[BT_DEFINES];
    berth_dtype dtype = c->in[0]->dtype;
    int64_t count = bt_tensor_count(c->in[0]);
    void *y = bt_out(c, 0, dtype, &c->in[0]->shape);
    if (!y) return c->error->status;
    if (count == 0) return BERTH_OK;
    bt_gpu_defines(defines, dtype, 0, "-DROWS");
    bt_grid grid = bt_grid_groups(c, count / n, n);
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(c->in[2]->data), bt_pointer(y),
                     bt_long(count / n), bt_long(n), bt_float(bt_attr_float(c->node, "epsilon", 1e-3f))};
    return bt_gpu_launch(c, BT_CL(reduce), defines, "layer_norm", &grid, args, 7);
}

static berth_status run_layer_norm(bt_call *c)
{
    if (c->n_in != 3) return bt_call_fail(c, "needs 3 inputs, has %d", c->n_in);
    const bt_shape *x = &c->in[0]->shape;
    int64_t n = x->rank > 0 ? x->dim[x->rank - 1] : 0;
    for (int i = 0; i < 3; i++) {
        if (c->in[i]->dtype != (bt_on_gpu(c) ? c->in[0]->dtype : BERTH_FLOAT))
            return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(c->in[i]->dtype));
        if (x->rank < 1 || (i && bt_tensor_count(c->in[i]) != n))
            return bt_call_fail(c, "gamma and beta do not fit x");
    }
    if (bt_on_gpu(c)) return layer_norm_on_gpu(c, n);
    layer_job job = {c->in[0]->data,
                     c->in[1]->data,
                     c->in[2]->data,
                     bt_out(c, 0, BERTH_FLOAT, x),
                     bt_attr_float(c->node, "epsilon", 1e-3f),
                     n};
    if (!job.y) return c->error->status;
    if (bt_shape_count(x) > 0) bt_parallel(c->pool, bt_shape_count(x) / n, 8192 / n + 1, layer_rows, &job);
    return BERTH_OK;
}

/* ---- Records ------------------------------------------------------------------------------------------ */

#define BATCH "y,batch_mean,batch_variance,reserve_space_1,reserve_space_2"
#define BATCH_GPU .gpu = run_batch_norm, .gpu_types = BT_GPU_FLOATS, .gpu_refuses = batch_norm_refuses
#define NARROW (BT_T(BERTH_HALF) | BT_T(BERTH_BFLOAT16) | BT_T(BERTH_FLOAT))

const bt_op bt_ops_norm[] = {
    {"FusedBatchNorm", infer_batch_norm, .cpu = run_batch_norm, .types = NARROW, .outputs = BATCH, BATCH_GPU},
    {"FusedBatchNormV2", infer_batch_norm, .cpu = run_batch_norm, .types = NARROW, .outputs = BATCH,
     BATCH_GPU},
    {"FusedBatchNormV3", infer_batch_norm, .cpu = run_batch_norm, .types = NARROW,
     .outputs = BATCH ",reserve_space_3", BATCH_GPU},
    {"_FusedBatchNormEx", infer_batch_norm, .cpu = run_batch_norm_ex, .types = NARROW,
     .outputs = BATCH ",reserve_space_3"},
    {"BatchNormWithGlobalNormalization", bt_infer_same, .cpu = run_global_norm, .types = BT_T(BERTH_FLOAT), .gpu = run_global_norm,
     .gpu_types = BT_T(BERTH_FLOAT)},
    {"LRN", bt_infer_same, .cpu = run_lrn, .types = NARROW, .gpu = run_lrn, .gpu_types = NARROW},
    {"_LayerNorm", bt_infer_same, .cpu = run_layer_norm, .flags = BT_OP_INPLACE, BT_T(BERTH_FLOAT),
     .gpu = run_layer_norm, .gpu_types = BT_GPU_FLOATS}, /* narrow ones: of the precision pass */
    {0},
};
