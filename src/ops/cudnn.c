/* The parameters of cuDNN's RNNs: how they are packed (cudnn.h), and the ops that pack them, take them apart and count
 * them. Running: cudnn_rnn.c. */
#include "ops/cudnn.h"

#include "ops/move.h"

berth_status bt_cudnn_parse(const bt_node *node, bt_cudnn *r, berth_error *error)
{
    static const struct {
        const char *name;
        int gates;
    } modes[] = {{"rnn_relu", 1}, {"rnn_tanh", 1}, {"lstm", 4}, {"gru", 3}};
    const char *mode = bt_attr_string(node, "rnn_mode", "lstm");
    const char *input = bt_attr_string(node, "input_mode", "linear_input");
    const char *direction = bt_attr_string(node, "direction", "unidirectional");
    bool both = !strcmp(direction, "bidirectional");
    size_t i = 0;
    while (i < 4 && strcmp(mode, modes[i].name)) i++;
    if (i == 4) return bt_fail(error, BERTH_BAD_MODEL, "rnn_mode '%.40s'", mode);
    if (!both && strcmp(direction, "unidirectional"))
        return bt_fail(error, BERTH_BAD_MODEL, "direction '%.40s'", direction);
    *r = (bt_cudnn){.mode = (bt_cudnn_mode)i, .gates = modes[i].gates, .directions = both ? 2 : 1};
    r->skip = !strcmp(input, "skip_input");
    r->may_skip = !strcmp(input, "auto_select");
    if (!r->skip && !r->may_skip && strcmp(input, "linear_input"))
        return bt_fail(error, BERTH_BAD_MODEL, "input_mode '%.40s'", input);
    r->proj = bt_attr_int(node, "num_proj", 0);
    r->projected = r->proj > 0;
    if (r->proj < 0 || (r->projected && r->mode != BT_CUDNN_LSTM))
        return bt_fail(error, BERTH_BAD_MODEL, "num_proj is %lld in %s", (long long)r->proj, mode);
    return BERTH_OK;
}

int64_t bt_cudnn_width(const bt_cudnn *r, int64_t layer)
{
    return layer < r->directions ? r->input : r->directions * r->hidden;
}

int bt_cudnn_n_weights(const bt_cudnn *r) { return 2 * r->gates + r->projected; }
int bt_cudnn_n_biases(const bt_cudnn *r) { return 2 * r->gates; }

static int64_t input_weight(const bt_cudnn *r, int64_t layer)
{
    return layer < r->directions && r->skip ? 0 : r->units * bt_cudnn_width(r, layer);
}

static int64_t weights_of(const bt_cudnn *r, int64_t layer)
{
    return r->gates * (input_weight(r, layer) + r->units * r->hidden) +
           (r->projected ? r->units * r->hidden : 0);
}

bool bt_cudnn_size(bt_cudnn *r, int64_t layers, int64_t units, int64_t input)
{
    enum { MOST = 1 << 24 }; /* of each: products of three do not overflow, and hardly a model has so many */
    r->skip |= r->may_skip && input == units;
    if (layers < 1 || units < 1 || input < 0 || layers > MOST / 2 || units > MOST || input > MOST)
        return false;
    if ((r->skip && input != units) || r->proj > units) return false;
    r->layers = layers * r->directions;
    r->units = units, r->input = input;
    r->hidden = r->projected ? r->proj : units;
    int64_t first = weights_of(r, 0), next = weights_of(r, r->directions),
            biases = r->layers * bt_cudnn_n_biases(r);
    size_t all;
    if (!bt_mul((size_t)next, (size_t)r->layers, &all) || all > PTRDIFF_MAX / 16) return false;
    r->weights = r->directions * first + (r->layers - r->directions) * next;
    if (!bt_mul((size_t)biases, (size_t)units, &all) || !bt_add((size_t)r->weights, all, &all)) return false;
    r->total = (int64_t)all;
    return all <= PTRDIFF_MAX / 16;
}

int64_t bt_cudnn_weight(const bt_cudnn *r, int64_t layer, int index, int64_t *rows, int64_t *cols)
{
    int64_t low = layer < r->directions ? layer : r->directions;
    int64_t at = low * weights_of(r, 0) + (layer - low) * weights_of(r, r->directions);
    int64_t in = input_weight(r, layer), square = r->units * r->hidden;
    *rows = r->units;
    *cols = r->hidden;
    if (index < r->gates) {
        *cols = bt_cudnn_width(r, layer);
        if (!in) *rows = *cols = 0;
        return at + index * in;
    }
    if (index == 2 * r->gates) *rows = r->hidden, *cols = r->units;
    return at + r->gates * in + (index - r->gates) * square;
}

int64_t bt_cudnn_bias(const bt_cudnn *r, int64_t layer, int index)
{
    return r->weights + (layer * bt_cudnn_n_biases(r) + index) * r->units;
}

bool bt_cudnn_of_shapes(bt_cudnn *r, const bt_shape *input, const bt_shape *h, const bt_shape *c,
                        bool time_major)
{
    if (input->rank != 3 || h->rank != 3 || (r->projected && c->rank != 3)) return false;
    int64_t layers = h->dim[!time_major], units = r->projected ? c->dim[2] : h->dim[2];
    if (layers < 0 || layers % r->directions) return false;
    return bt_cudnn_size(r, layers / r->directions, units, input->dim[2]);
}

/* ---- Ops ---------------------------------------------------------------------------------------------- */

/* num_layers, num_units, input_size are the first three inputs. */
static berth_status sizes_of(const bt_call *c, bt_cudnn *r)
{
    berth_status status = bt_cudnn_parse(c->node, r, c->error);
    for (int i = 0; i < 3 && !status; i++)
        if (c->in[i]->shape.rank != 0) status = bt_call_fail(c, "input %d must be a scalar", i);
    if (status) return status;
    int64_t layers = bt_tensor_int(c->in[0], 0), units = bt_tensor_int(c->in[1], 0),
            input = bt_tensor_int(c->in[2], 0);
    if (bt_cudnn_size(r, layers, units, input)) return BERTH_OK;
    return bt_call_fail(c, "no RNN has %lld layers of %lld units for %lld inputs", (long long)layers,
                        (long long)units, (long long)input);
}

static berth_status infer_size(bt_infer *x)
{
    x->out[0] = (bt_fact){bt_attr_type(x->node, "S", BERTH_INT32), BT_SHAPE(1), NULL};
    return bt_infer_arity(x, 3);
}

static berth_status run_size(bt_call *c)
{
    bt_cudnn r;
    berth_dtype dtype = bt_attr_type(c->node, "S", BERTH_INT32);
    berth_status status = sizes_of(c, &r);
    if (status) return status;
    if (dtype == BERTH_INT32 && r.total > INT32_MAX)
        return bt_call_fail(c, "%lld parameters, too many for int32", (long long)r.total);
    bt_shape one = BT_SHAPE(1);
    void *out = bt_out(c, 0, dtype, &one);
    if (!out) return BERTH_NO_MEMORY;
    if (dtype == BERTH_INT32) *(int32_t *)out = (int32_t)r.total;
    else *(int64_t *)out = r.total;
    return BERTH_OK;
}

/* How many weights and biases the node has, the same number of both in the first version of the ops. */
static void counts_of(const bt_node *node, int64_t *weights, int64_t *biases)
{
    bool second = bt_ends(node->op, "V2");
    *weights = bt_attr_int(node, second ? "num_params_weights" : "num_params", 0);
    *biases = second ? bt_attr_int(node, "num_params_biases", 0) : *weights;
}

static berth_status check_counts(const bt_call *c, const bt_cudnn *r)
{
    int64_t weights, biases, want = r->layers * bt_cudnn_n_weights(r),
                             also = r->layers * bt_cudnn_n_biases(r);
    counts_of(c->node, &weights, &biases);
    if (weights == want && biases == also) return BERTH_OK;
    return bt_call_fail(c, "%lld weights and %lld biases, where the RNN has %lld and %lld",
                        (long long)weights, (long long)biases, (long long)want, (long long)also);
}

static berth_status infer_pack(bt_infer *x)
{
    int64_t weights, biases;
    counts_of(x->node, &weights, &biases);
    x->out[0] = (bt_fact){bt_infer_type(x, 3), BT_SHAPE(-1), NULL};
    if (weights < 1 || biases < 1 || weights > x->n_in || weights + biases + 3 != x->n_in)
        return bt_infer_fail(x, "%d inputs, for %lld weights and %lld biases", x->n_in, (long long)weights,
                             (long long)biases);
    return bt_infer_alike(x, 3, x->n_in);
}

/* Copies one weight or bias between its tensor and the vector. */
static berth_status run_pack(bt_call *c)
{
    bt_cudnn r;
    berth_status status = sizes_of(c, &r);
    if (!status) status = check_counts(c, &r);
    if (status) return status;
    berth_dtype dtype = c->in[3]->dtype;
    bt_shape whole = BT_SHAPE(r.total);
    void *out = bt_out(c, 0, dtype, &whole);
    int n = bt_cudnn_n_weights(&r), m = bt_cudnn_n_biases(&r), all = (int)r.layers * n;
    if (!out) return BERTH_NO_MEMORY;
    for (int i = 0; i < all + (int)r.layers * m && !status; i++) {
        const bt_tensor *t = c->in[3 + i];
        int64_t rows = r.units, cols = 1, at;
        if (i < all) at = bt_cudnn_weight(&r, i / n, i % n, &rows, &cols);
        else at = bt_cudnn_bias(&r, (i - all) / m, (i - all) % m);
        if (bt_tensor_count(t) != rows * cols)
            return bt_call_fail(c, "input %d has %lld elements, not %lld", 3 + i,
                                (long long)bt_tensor_count(t), (long long)(rows * cols));
        status = bt_move_row(dtype, bt_at(dtype, out, at), t->data, rows * cols, c->pool, c->error);
    }
    return status;
}

static berth_status infer_unpack(bt_infer *x)
{
    int64_t weights, biases;
    counts_of(x->node, &weights, &biases);
    for (int i = 0; i < x->n_out; i++)
        x->out[i] = (bt_fact){bt_infer_type(x, 3), i < weights ? BT_SHAPE(-1, -1) : BT_SHAPE(-1), NULL};
    return bt_infer_arity(x, 4);
}

static berth_status run_unpack(bt_call *c)
{
    bt_cudnn r;
    berth_status status = sizes_of(c, &r);
    if (!status) status = check_counts(c, &r);
    if (status) return status;
    const bt_tensor *params = c->in[3];
    int n = bt_cudnn_n_weights(&r), m = bt_cudnn_n_biases(&r), all = (int)r.layers * n;
    if (bt_tensor_count(params) != r.total)
        return bt_call_fail(c, "%lld parameters, where the RNN has %lld", (long long)bt_tensor_count(params),
                            (long long)r.total);
    for (int i = 0; i < c->n_out && !status; i++) {
        int64_t rows = r.units, cols = 1, at;
        if (i < all) at = bt_cudnn_weight(&r, i / n, i % n, &rows, &cols);
        else at = bt_cudnn_bias(&r, (i - all) / m, (i - all) % m);
        bt_shape shape = i < all ? BT_SHAPE(rows, cols) : BT_SHAPE(rows);
        void *out = bt_out(c, i, params->dtype, &shape);
        if (!out) return BERTH_NO_MEMORY;
        status = bt_move_row(params->dtype, out, bt_at_const(params->dtype, params->data, at), rows * cols,
                             c->pool, c->error);
    }
    return status;
}

#define PACK(op)                                                             \
    {                                                                        \
        .name = op, .infer = infer_pack, .cpu = run_pack, .types = BT_FLOATS \
    }
#define UNPACK(op, list)                                                                          \
    {                                                                                             \
        .name = op, .infer = infer_unpack, .cpu = run_unpack, .types = BT_FLOATS, .outputs = list \
    }

const bt_op bt_ops_cudnn[] = {
    {.name = "CudnnRNNParamsSize", .infer = infer_size, .cpu = run_size, .types = BT_FLOATS},
    PACK("CudnnRNNCanonicalToParams"),
    PACK("CudnnRNNCanonicalToParamsV2"),
    UNPACK("CudnnRNNParamsToCanonical", "weights*num_params,biases*num_params"),
    UNPACK("CudnnRNNParamsToCanonicalV2", "weights*num_params_weights,biases*num_params_biases"),
    {0},
};
