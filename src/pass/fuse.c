/* What follows a convolution or a matrix product is done in its epilogue: scale and shift of the output channels (batch
 * norm, bias, constant factors), a residual sum, an activation. And padding before a convolution becomes its own. The
 * result is a `_FusedConv2D`, `_FusedDepthwiseConv2d` or `_FusedMatMul`: inputs x, filter, [scale], [bias], [residual];
 * attribute fused_ops, in that order, of Scale, BiasAdd, Add and the activation. */
#include "pass/pattern.h"

#include <math.h>

enum { MOST_CHANNELS = 1 << 20 };

typedef struct fusion {
    bt_matcher *m;
    int32_t root; /* the convolution or product */
    int32_t last; /* the node whose output the fused node gives */
    int64_t channels;
    int rank;
    bool scales, shifts;
    float *scale, *shift;   /* by channel: y = scale (conv x) + shift */
    bt_edge residual;       /* node -1: none */
    const char *activation; /* NULL: none */
    float alpha;            /* of LeakyRelu */
} fusion;

static const struct {
    const char *op, *fused;
} activations[] = {
    {"Relu", "Relu"},
    {"Relu6", "Relu6"},
    {"Elu", "Elu"},
    {"Selu", "Selu"},
    {"LeakyRelu", "LeakyRelu"},
    {"Sigmoid", "Sigmoid"},
    {"Tanh", "Tanh"},
    {"Softplus", "Softplus"},
    {"_Swish", "Swish"},
    {"_HardSwish", "HardSwish"},
    {"_HardSigmoid", "HardSigmoid"},
    {"_Gelu", "Gelu"},
    {"_GeluTanh", "GeluTanh"},
};

static const char *activation_of(const bt_node *node)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (bt_is_op(node, activations[i].op)) return activations[i].fused;
    return NULL;
}

/* ---- Channel-wise scale and shift --------------------------------------------------------------------- */

static void multiply(fusion *f, const float *by)
{
    for (int64_t i = 0; i < f->channels; i++) f->scale[i] *= by[i], f->shift[i] *= by[i];
    f->scales = true;
}

static void add(fusion *f, const float *by, float sign)
{
    for (int64_t i = 0; i < f->channels; i++) f->shift[i] += sign * by[i];
    f->shifts = true;
}

/* Inference batch norm with constant parameters: y = (x - mean) / sqrt(variance + epsilon) gamma + beta. */
static bool batch_norm(fusion *f, const bt_node *node, float *work)
{
    bool is_norm = bt_starts(node->op, "FusedBatchNorm") && node->n_inputs == 5 &&
                   !bt_attr_bool(node, "is_training", true) &&
                   !strcmp(bt_attr_string(node, "data_format", "NHWC"), "NHWC");
    float *p[4];
    for (int i = 0; i < 4; i++) p[i] = work + i * f->channels;
    for (int i = 0; is_norm && i < 4; i++)
        is_norm = bt_vector_value(f->m, node->inputs[i + 1], f->channels, 1, p[i]);
    if (!is_norm) return false;
    const float epsilon = bt_attr_float(node, "epsilon", 1e-4f);
    for (int64_t i = 0; i < f->channels; i++) {
        float factor = p[0][i] / sqrtf(p[3][i] + epsilon);
        p[1][i] -= p[2][i] * factor;
        p[0][i] = factor;
    }
    multiply(f, p[0]);
    add(f, p[1], 1);
    return true;
}

/* One step of the chain that only scales and shifts channels. Scaling needs a filter that can be scaled. */
static bool absorb_linear(fusion *f, const bt_node *node, int input, bool may_scale, float *work)
{
    if (f->activation || f->residual.node >= 0) return false;
    if (may_scale && input == 0 && batch_norm(f, node, work)) return true;
    if (node->n_inputs != 2) return false;
    bt_edge other = node->inputs[1 - input];
    bool bias = bt_is_op(node, "BiasAdd") || bt_is_op(node, "BiasAddV1");
    if (bias && (input != 0 || strcmp(bt_attr_string(node, "data_format", "NHWC"), "NHWC"))) return false;
    if (!bt_vector_value(f->m, other, f->channels, f->rank, work)) return false;
    if (bias || bt_is_add(node)) return add(f, work, 1), true;
    if (bt_is_op(node, "Sub") && input == 0) return add(f, work, -1), true;
    if (bt_is_op(node, "Mul") && may_scale) return multiply(f, work), true;
    return false;
}

/* ---- Residual and activation -------------------------------------------------------------------------- */

static bool absorb_residual(fusion *f, const bt_node *node, int input)
{
    if (f->activation || f->residual.node >= 0 || !bt_is_add(node) || node->n_inputs != 2) return false;
    bt_edge other = node->inputs[1 - input];
    const bt_fact *mine = bt_pass_fact(f->m->x, (bt_edge){f->root, 0}),
                  *theirs = bt_pass_fact(f->m->x, other);
    /* Unknown dimensions (the batch) are the same when the sum's are: where one of them could be 1 and broadcast, the shapes
     * would differ in rank or in a known dimension, or both come from one convolution's image. */
    if (theirs->value || theirs->shape.rank != mine->shape.rank || mine->shape.rank < 2) return false;
    for (int d = 1; d < mine->shape.rank; d++)
        if (mine->shape.dim[d] < 0 || mine->shape.dim[d] != theirs->shape.dim[d]) return false;
    if (mine->shape.dim[0] != theirs->shape.dim[0]) return false;
    f->residual = other;
    return true;
}

static bool absorb_activation(fusion *f, const bt_node *node)
{
    const char *activation = f->activation ? NULL : activation_of(node);
    if (!activation || node->n_inputs != 1) return false;
    f->activation = activation;
    f->alpha = bt_attr_float(node, "alpha", 0.2f);
    return true;
}

/* ---- Building ----------------------------------------------------------------------------------------- */

/* By channel, in the arena; NULL: out of memory. */
static float *keep_vector(fusion *f, const float *values)
{
    float *data = bt_arena_alloc_aligned(f->m->x->arena, (size_t)f->channels * sizeof *data, 64);
    return data ? memcpy(data, values, (size_t)f->channels * sizeof *data) : NULL;
}

static int32_t vector_const(fusion *f, const char *suffix, const float *values)
{
    bt_pass_context *x = f->m->x;
    bt_tensor *t = bt_arena_new(x->arena, bt_tensor);
    float *data = keep_vector(f, values);
    const char *name = bt_arena_print(x->arena, "%s/%s", x->graph.nodes[f->root].name, suffix);
    if (!t || !data || !name) return -1;
    *t = (bt_tensor){.dtype = BERTH_FLOAT, .shape = BT_SHAPE(f->channels), .data = data};
    return bt_pass_const(x, name, t);
}

/* Channels are the filter's last axes, but for those of a product with a turned right side. */
static int32_t scaled_filter(fusion *f)
{
    bt_pass_context *x = f->m->x;
    const bt_node *root = &x->graph.nodes[f->root];
    const bt_tensor *filter = bt_pass_fact(x, root->inputs[1])->value;
    bool turned = bt_is_op(root, "MatMul") && bt_attr_bool(root, "transpose_b", false);
    bt_weights w = {.from = filter,
                    .scale = keep_vector(f, f->scale),
                    .n = f->channels,
                    .inner = turned ? filter->shape.dim[1] : 1,
                    .to = BERTH_FLOAT};
    return w.scale ? bt_pass_weights(x, root->inputs[1].node, &w) : -1;
}

static const char *fused_op(const bt_node *root)
{
    if (bt_is_op(root, "Conv2D")) return "_FusedConv2D";
    if (bt_is_op(root, "DepthwiseConv2dNative")) return "_FusedDepthwiseConv2d";
    return bt_is_op(root, "MatMul") ? "_FusedMatMul" : NULL;
}

/* The last node of the chain becomes the fused one, so that all that uses it stays as it is. */
static berth_status build(fusion *f)
{
    bt_pass_context *x = f->m->x;
    bt_graph *g = &x->graph;
    bt_edge inputs[5] = {g->nodes[f->root].inputs[0], g->nodes[f->root].inputs[1]};
    const char *ops[4];
    int n = 0;
    /* What the kernels of a CPU pack they scale as they do. */
    if (f->scales && bt_pass_is_gpu(x, g->nodes[f->root].place)) inputs[1] = (bt_edge){scaled_filter(f), 0};
    else if (f->scales) ops[n] = "Scale", inputs[2 + n++] = (bt_edge){vector_const(f, "scale", f->scale), 0};
    if (f->shifts) ops[n] = "BiasAdd", inputs[2 + n++] = (bt_edge){vector_const(f, "bias", f->shift), 0};
    if (f->residual.node >= 0) ops[n] = "Add", inputs[2 + n++] = f->residual;
    int n_args = n;
    for (int i = 0; i < 2 + n; i++)
        if (inputs[i].node < 0) return bt_fail_memory(x->error);
    if (f->activation) ops[n++] = f->activation;
    bt_node *root = &g->nodes[f->root], *last = &g->nodes[f->last];
    const char *op = fused_op(root);
    last->attrs = root->attrs, last->n_attrs = root->n_attrs;
    if (!bt_set_strings(g, f->last, "fused_ops", ops, n) || !bt_set_int(g, f->last, "num_args", n_args) ||
        !bt_set_float(g, f->last, "leakyrelu_alpha", f->alpha))
        return bt_fail_memory(x->error);
    for (int32_t at = f->root; at != f->last;) {
        int input;
        bt_pass_fate(x, at, BT_FATE_FUSED, g->nodes[f->last].name);
        g->nodes[at].op = "NoOp"; /* dead: another chain that led here ends before it */
        at = bt_only_consumer(f->m, at, &input);
    }
    return bt_become(f->m, f->last, op, inputs, 2 + n_args);
}

/* ---- The pass ----------------------------------------------------------------------------------------- */

static bool can_be_root(const bt_matcher *m, const bt_node *node, int64_t *channels, int *rank)
{
    if (!fused_op(node) || node->n_inputs != 2 || bt_attr_type(node, "T", BERTH_NO_DTYPE) != BERTH_FLOAT)
        return false;
    if (strcmp(bt_attr_string(node, "data_format", "NHWC"), "NHWC")) return false;
    if (!bt_pass_has_kernel(m->x, node->place, bt_op_find(fused_op(node)))) return false;
    const bt_shape *s = &bt_pass_fact(m->x, (bt_edge){(int32_t)(node - m->x->graph.nodes), 0})->shape;
    *rank = s->rank;
    *channels = s->rank > 0 ? s->dim[s->rank - 1] : -1;
    return *channels > 0 && *channels <= MOST_CHANNELS;
}

static berth_status fuse_from(bt_matcher *m, int32_t root, float *buffer)
{
    fusion f = {.m = m, .root = root, .last = root, .residual = {-1, 0}};
    const bt_graph *g = &m->x->graph;
    if (!can_be_root(m, &g->nodes[root], &f.channels, &f.rank)) return BERTH_OK;
    bool may_scale = bt_pass_fact(m->x, g->nodes[root].inputs[1])->value != NULL;
    f.scale = buffer, f.shift = buffer + f.channels;
    float *work = f.shift + f.channels;
    for (int64_t i = 0; i < f.channels; i++) f.scale[i] = 1, f.shift[i] = 0;
    for (int input; !f.activation;) {
        int32_t next = bt_only_consumer(m, f.last, &input);
        if (next < 0 || g->nodes[next].n_controls || g->nodes[next].place != g->nodes[root].place) break;
        const bt_node *node = &g->nodes[next];
        if (!absorb_linear(&f, node, input, may_scale, work) && !absorb_residual(&f, node, input) &&
            !absorb_activation(&f, node))
            break;
        f.last = next;
    }
    return f.last == root ? BERTH_OK : build(&f);
}

berth_status bt_pass_fuse(bt_pass_context *x)
{
    bt_matcher m;
    berth_status status = bt_matcher_init(&m, x);
    size_t count = x->graph.n_nodes;
    int64_t most = 1;
    for (size_t i = 0; !status && i < count; i++) {
        int64_t channels;
        int rank;
        if (can_be_root(&m, &x->graph.nodes[i], &channels, &rank) && channels > most) most = channels;
    }
    if (status) return status;
    float *buffer = bt_alloc((size_t)most * 6 * sizeof *buffer);
    int32_t *order;
    size_t n = 0;
    status = buffer ? bt_pass_order(x, &order, &n) : bt_fail_memory(x->error);
    for (size_t i = 0; !status && i < n; i++) status = fuse_from(&m, order[i], buffer);
    bt_free(buffer);
    return status ? status : bt_pass_sweep(x);
}
