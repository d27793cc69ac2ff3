/* Activations that graphs spell out and pass/fuse_activation.c puts together; float only. */
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "simd/simd.h"

enum { GRAIN = 16384 }; /* elements */

typedef struct job {
    bt_vec_unary_fn *apply;
    float *y;
    const float *x;
} job;

static void apply_range(void *user, int64_t begin, int64_t end, int worker)
{
    const job *j = user;
    (void)worker;
    j->apply(j->y + begin, j->x + begin, end - begin, 0, 0);
}

static berth_status run(bt_call *c, bt_vec_unary function)
{
    bt_broadcast plan;
    const bt_shape *shape = &c->in[0]->shape;
    if (bt_on_gpu(c)) {
        bt_broadcast_plan(&plan, shape, &shape, 1);
        return bt_elementwise_gpu(c, NULL, BERTH_FLOAT, &plan, shape, NULL);
    }
    job j = {bt_simd_get()->vec.unary[function], bt_out(c, 0, BERTH_FLOAT, &c->in[0]->shape), c->in[0]->data};
    if (!j.y) return c->error->status;
    bt_parallel(c->pool, bt_tensor_count(c->in[0]), GRAIN, apply_range, &j);
    return BERTH_OK;
}

static berth_status run_swish(bt_call *c) { return run(c, BT_VEC_SWISH); }
static berth_status run_hard_swish(bt_call *c) { return run(c, BT_VEC_HARD_SWISH); }
static berth_status run_hard_sigmoid(bt_call *c) { return run(c, BT_VEC_HARD_SIGMOID); }
static berth_status run_gelu(bt_call *c) { return run(c, BT_VEC_GELU); }
static berth_status run_gelu_tanh(bt_call *c) { return run(c, BT_VEC_GELU_TANH); }

const bt_op bt_ops_activation_whole[] = {
    {"_Swish", bt_infer_same, .cpu = run_swish, .flags = BT_OP_INPLACE, .gpu = run_swish},
    {"_HardSwish", bt_infer_same, .cpu = run_hard_swish, .flags = BT_OP_INPLACE, .gpu = run_hard_swish},
    {"_HardSigmoid", bt_infer_same, .cpu = run_hard_sigmoid, .flags = BT_OP_INPLACE, .gpu = run_hard_sigmoid},
    {"_Gelu", bt_infer_same, .cpu = run_gelu, .flags = BT_OP_INPLACE, .gpu = run_gelu},
    {"_GeluTanh", bt_infer_same, .cpu = run_gelu_tanh, .flags = BT_OP_INPLACE, .gpu = run_gelu_tanh},
    {0},
};
