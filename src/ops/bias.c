/* Sums that are not numpy's: a bias along the channels, many tensors of one shape. */
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "ops/move.h"

/* ---- BiasAdd: bias [C] along the last axis, or axis 1 for NCHW ---------------------------------------- */

static bool channels_first(const bt_node *node)
{
    return bt_starts(bt_attr_string(node, "data_format", "NHWC"), "NC");
}

static berth_status run_bias_add(bt_call *c)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    if (c->n_in != 2) return bt_call_fail(c, "needs 2 inputs, has %d", c->n_in);
    const bt_shape *x = &c->in[0]->shape, *bias = &c->in[1]->shape;
    if (x->rank < 2) return bt_call_fail(c, "Input tensor must be at least 2D: %s", bt_shape_text(x, a));
    if (bias->rank != 1) return bt_call_fail(c, "Biases must be 1D: %s", bt_shape_text(bias, a));
    if (c->in[0]->dtype != c->in[1]->dtype)
        return bt_call_fail(c, "value is %s, bias %s", bt_dtype_name(c->in[0]->dtype),
                            bt_dtype_name(c->in[1]->dtype));
    bool first = channels_first(c->node) && x->rank > 2;
    int axis = first ? 1 : x->rank - 1;
    if (bias->dim[0] != x->dim[axis])
        return bt_call_fail(c,
                            "Must provide as many biases as the %s dimension of the input tensor: %s vs. %s",
                            first ? "channel" : "last", bt_shape_text(bias, a), bt_shape_text(x, b));
    bt_shape along = {.rank = x->rank - axis, .dim = {bias->dim[0]}};
    for (int i = 1; i < along.rank; i++) along.dim[i] = 1;
    return bt_elementwise_apply(c, &bt_elementwise_add, c->in[0]->dtype, x, (const bt_shape *[]){x, &along},
                                NULL);
}

static berth_status infer_bias_add(bt_infer *x)
{
    if (x->n_in < 2) return bt_infer_fail(x, "needs two inputs, has %d", x->n_in);
    const bt_shape *value = &x->in[0].shape, *bias = &x->in[1].shape;
    if (value->rank >= 2 && bias->rank == 1) {
        int64_t channels = value->dim[channels_first(x->node) && value->rank > 2 ? 1 : value->rank - 1];
        if (channels >= 0 && bias->dim[0] >= 0 && channels != bias->dim[0])
            return bt_infer_fail(x, "%lld biases for %lld channels", (long long)bias->dim[0],
                                 (long long)channels);
    }
    return bt_infer_same(x);
}

/* ---- AddN, AccumulateNV2: y = in 0 + in 1 + ... -------------------------------------------------------- */

enum { NARROW_PIECE = 256 };

typedef struct sum_job {
    bt_call *c;
    void *y;
} sum_job;

/* y[i] += x[i] for halves or bfloat16, rounded. */
static void add_narrow(bool half, uint16_t *y, const uint16_t *x, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    float sum[NARROW_PIECE], more[NARROW_PIECE];
    (half ? vec->half_to_float : vec->bf16_to_float)(sum, y, n);
    (half ? vec->half_to_float : vec->bf16_to_float)(more, x, n);
    vec->accumulate(sum, more, n);
    (half ? vec->float_to_half : vec->float_to_bf16)(y, sum, n);
}

/* Half and bfloat16 are rounded after every addition, as Eigen has them. Beyond 9 operands TensorFlow adds up groups of 8,
 * and what is over comes first. */
static void sum_narrow(const sum_job *job, int64_t begin, int64_t n)
{
    const bt_call *c = job->c;
    bool half = c->in[0]->dtype == BERTH_HALF;
    int over = c->n_in % 8, first = c->n_in <= 9 ? c->n_in : over < 2 ? over + 8 : over;
    uint16_t group[NARROW_PIECE];
    for (int64_t i = begin, m; i < begin + n; i += m) {
        uint16_t *y = (uint16_t *)job->y + i;
        m = begin + n - i < NARROW_PIECE ? begin + n - i : NARROW_PIECE;
        for (int k = 0, end = first; k < c->n_in; k = end, end += 8) {
            uint16_t *to = k ? group : y;
            memcpy(to, (const uint16_t *)c->in[k]->data + i, (size_t)m * sizeof *y);
            for (int j = k + 1; j < end; j++) add_narrow(half, to, (const uint16_t *)c->in[j]->data + i, m);
            if (k) add_narrow(half, y, group, m);
        }
    }
}

/* In pieces that stay in the first-level cache while all operands are added. */
static void sum_range(void *user, int64_t begin, int64_t end, int worker)
{
    enum { PIECE = 2048 };
    const sum_job *job = user;
    const bt_call *c = job->c;
    berth_dtype dtype = c->in[0]->dtype;
    size_t size = bt_dtype_size(dtype);
    const int64_t step[2] = {1, 1};
    (void)worker;
    for (int64_t i = begin, m; i < end; i += m) {
        m = end - i < PIECE ? end - i : PIECE;
        if (dtype == BERTH_HALF || dtype == BERTH_BFLOAT16) {
            sum_narrow(job, i, m);
            continue;
        }
        char *y = (char *)job->y + (size_t)i * size;
        memcpy(y, (const char *)c->in[0]->data + (size_t)i * size, (size_t)m * size);
        for (int k = 1; k < c->n_in; k++) {
            const void *in[2] = {y, (const char *)c->in[k]->data + (size_t)i * size};
            bt_elementwise_add.of[dtype](y, in, step, m, NULL);
        }
    }
}

/* y = in 0 + in 1, y += in 2, ... */
static berth_status sum_on_gpu(bt_call *c, void *y)
{
    bt_broadcast plan;
    berth_dtype dtype = c->in[0]->dtype;
    const bt_shape *shape = &c->in[0]->shape;
    berth_status status = BERTH_OK;
    if (c->n_in == 1) return bt_call_row(c, dtype, y, c->in[0]->data, bt_tensor_count(c->in[0]));
    bt_broadcast_plan(&plan, shape, (const bt_shape *[]){shape, shape}, 2);
    for (int k = 1; k < c->n_in && !status; k++)
        status = bt_elementwise_launch(c, NULL, dtype, &plan, y,
                                       (const void *[]){k == 1 ? c->in[0]->data : y, c->in[k]->data}, NULL);
    return status;
}

static berth_status run_sum(bt_call *c)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    if (c->n_in < 1) return bt_call_fail(c, "needs an input");
    berth_dtype dtype = c->in[0]->dtype;
    bool narrow = dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
    if (bt_dtype_is_object(dtype) || (!narrow && !bt_elementwise_add.of[dtype]))
        return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(dtype));
    for (int k = 1; k < c->n_in; k++) {
        if (c->in[k]->dtype != dtype)
            return bt_call_fail(c, "inputs are %s and %s", bt_dtype_name(dtype),
                                bt_dtype_name(c->in[k]->dtype));
        if (!bt_shape_equal(&c->in[k]->shape, &c->in[0]->shape))
            return bt_call_fail(
                c, "Inputs to operation must have the same size and shape.  Input 0: %s != input %d: %s",
                bt_shape_text(&c->in[0]->shape, a), k, bt_shape_text(&c->in[k]->shape, b));
    }
    sum_job job = {c, bt_out(c, 0, dtype, &c->in[0]->shape)};
    if (!job.y) return c->error->status;
    if (bt_on_gpu(c)) return sum_on_gpu(c, job.y);
    bt_parallel(c->pool, bt_tensor_count(c->in[0]), 16384, sum_range, &job);
    return BERTH_OK;
}

static berth_status infer_sum(bt_infer *x)
{
    char a[BT_SHAPE_TEXT], b[BT_SHAPE_TEXT];
    berth_status status = bt_infer_same(x);
    for (int k = 1; k < x->n_in && !status; k++) {
        if (!x->out[0].dtype) x->out[0].dtype = x->in[k].dtype;
        if (!bt_shape_merge(&x->out[0].shape, &x->in[k].shape))
            return bt_infer_fail(x, "inputs have shapes %s and %s", bt_shape_text(&x->in[0].shape, a),
                                 bt_shape_text(&x->in[k].shape, b));
    }
    return status;
}

/* ---- Records ------------------------------------------------------------------------------------------ */

const bt_op bt_ops_bias[] = {
    {"BiasAdd", infer_bias_add, .cpu = run_bias_add, .flags = BT_OP_INPLACE, BT_NUMBERS, .gpu = run_bias_add,
     .gpu_types = BT_NUMBERS},
    {"BiasAddV1", infer_bias_add, .cpu = run_bias_add, .flags = BT_OP_INPLACE, BT_NUMBERS, .gpu = run_bias_add,
     .gpu_types = BT_NUMBERS},
    {"AddN", infer_sum, .cpu = run_sum, .types = BT_NUMBERS, .gpu = run_sum, .gpu_types = BT_NUMBERS},
    {"AccumulateNV2", infer_sum, .cpu = run_sum, .types = BT_NUMBERS, .gpu = run_sum, .gpu_types = BT_NUMBERS},
    {0},
};
