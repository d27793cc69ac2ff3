/* Keras: the cells SimpleRNN, GRU, LSTM, ConvLSTM and stacks of them: their weights and one step of each. The
 * gates of an LSTM are i, f, c, o, those of a GRU z, r, h; Keras 1 stores each gate's weights apart, an
 * LSTM's as i, c, f, o. */
#include "format/keras_rnn.h"

static const bt_json *first_of(const btk_call *c, const char *key, const char *old)
{
    return btk_of(c, key) ? btk_of(c, key) : btk_of(c, old);
}

static int64_t units_of(const btk_call *c) { return btk_int_of(c, "units", btk_int_of(c, "output_dim", 0)); }
static bool has_bias(const btk_call *c) { return btk_bool_of(c, "use_bias", true); }

static btk_tensor activated(btk_cell *cell, btk_tensor x)
{
    return btk_activate(cell->call->k, btk_of(cell->call, "activation"), x);
}

static btk_tensor gated(btk_cell *cell, btk_tensor x)
{
    return btk_activate(cell->call->k, first_of(cell->call, "recurrent_activation", "inner_activation"), x);
}

static btk_tensor add(btk_cell *cell, btk_tensor a, btk_tensor b)
{
    return btk_binary(cell->call->k, "AddV2", a, b);
}
static btk_tensor mul(btk_cell *cell, btk_tensor a, btk_tensor b)
{
    return btk_binary(cell->call->k, "Mul", a, b);
}

/* n equal parts of the last axis. */
static void split(btk *k, btk_tensor x, int n, btk_tensor *out)
{
    bt_shape shape = btk_with_dim(x.shape, -1, btk_dim(x, -1) / n);
    btk_tensor in[2] = {btk_int(k, x.shape.rank - 1), x};
    btk_tensor node = btk_node(k, "Split", 2, in, x.dtype, shape);
    btk_attr_type(k, node, "T", x.dtype);
    btk_attr_int(k, node, "num_split", n);
    for (int i = 0; i < n; i++) out[i] = btk_output(node, i, x.dtype, shape);
}

/* ---- Weights ------------------------------------------------------------------------------------------ */

/* kernel [m, gates n], recurrent kernel [n, gates n], bias; in Keras 1 of each gate apart, in the order that
 * `order` gives: gate order[i] of ours is number i in the file. */
static void dense_weights(btk_call *c, int64_t m, int gates, const int *order, btk_tensor *out)
{
    btk *k = c->k;
    int64_t n = units_of(c);
    const char *memory = btk_text_of(c, "consume_less", "cpu");
    if (k->version > 1 || gates == 1 || !strcmp(memory, "gpu")) {
        out[0] = btk_weight_of(c, "kernel", true, BT_SHAPE(m, gates * n));
        out[1] = btk_weight_of(c, "recurrent_kernel", true, BT_SHAPE(n, gates * n));
        bool twice = gates == 3 && btk_bool_of(c, "reset_after", false);
        bt_shape shape = twice ? BT_SHAPE(2, gates * n) : BT_SHAPE(gates * n);
        out[2] = has_bias(c) ? btk_weight_of(c, "bias", true, shape) : (btk_tensor){0};
        return;
    }
    btk_tensor parts[3][4];
    for (int i = 0; i < gates; i++) {
        int to = order[i];
        parts[0][to] = btk_weight_of(c, "W", true, BT_SHAPE(m, n));
        parts[1][to] = btk_weight_of(c, "U", true, BT_SHAPE(n, n));
        parts[2][to] = btk_weight_of(c, "b", true, BT_SHAPE(n));
    }
    for (int i = 0; i < 3; i++) out[i] = btk_concat(k, gates, parts[i], -1);
}

/* x W + b over all leading axes. */
static btk_tensor project_dense(btk_cell *cell, btk_tensor x)
{
    btk_tensor y = btk_dense_product(cell->call->k, x, cell->input[0]);
    return cell->n_input > 1 ? btk_add_bias(cell->call->k, y, cell->input[1]) : y;
}

static void set_weights(btk_cell *cell, const btk_tensor *w)
{
    cell->input[0] = w[0];
    cell->loop[0] = w[1];
    cell->input[1] = w[2];
    cell->n_input = w[2].dtype ? 2 : 1;
    cell->n_loop = 1;
    cell->project = project_dense;
}

static void vector_states(btk_cell *cell, int n)
{
    cell->n_states = n;
    for (int i = 0; i < n; i++) cell->state[i] = BT_SHAPE(-1, units_of(cell->call));
}

static btk_tensor recur(btk_cell *cell, btk_tensor h, btk_tensor u)
{
    return btk_matmul(cell->call->k, h, u, false, false);
}

/* ---- SimpleRNN: h = act(x W + b + h U) ---------------------------------------------------------------- */

static btk_tensor simple_step(btk_cell *cell, btk_tensor x, btk_tensor *states)
{
    return states[0] = activated(cell, add(cell, x, recur(cell, states[0], cell->loop[0])));
}

static void open_simple(btk_call *c, btk_tensor x, btk_cell *cell)
{
    static const int order[1];
    btk_tensor w[3];
    dense_weights(c, btk_known(c->k, x, -1, "the last dimension"), 1, order, w);
    set_weights(cell, w);
    vector_states(cell, 1);
    cell->step = simple_step;
}

/* ---- LSTM: c = f c + i act(g), h = o act(c) ----------------------------------------------------------- */

/* z: the four gates before their activations. */
static btk_tensor lstm_gates(btk_cell *cell, btk_tensor z, btk_tensor *states)
{
    btk_tensor gate[4];
    split(cell->call->k, z, 4, gate);
    btk_tensor fresh = mul(cell, gated(cell, gate[0]), activated(cell, gate[2]));
    states[1] = add(cell, mul(cell, gated(cell, gate[1]), states[1]), fresh);
    return states[0] = mul(cell, gated(cell, gate[3]), activated(cell, states[1]));
}

static btk_tensor lstm_step(btk_cell *cell, btk_tensor x, btk_tensor *states)
{
    return lstm_gates(cell, add(cell, x, recur(cell, states[0], cell->loop[0])), states);
}

static void open_lstm(btk_call *c, btk_tensor x, btk_cell *cell)
{
    static const int order[4] = {0, 2, 1, 3}; /* i, c, f, o of Keras 1 */
    btk_tensor w[3];
    dense_weights(c, btk_known(c->k, x, -1, "the last dimension"), 4, order, w);
    set_weights(cell, w);
    vector_states(cell, 2);
    cell->step = lstm_step;
}

/* ---- GRU: h = z h + (1 - z) act(candidate) ------------------------------------------------------------ */

static btk_tensor blend(btk_cell *cell, btk_tensor z, btk_tensor h, btk_tensor candidate)
{
    btk_tensor rest = btk_binary(cell->call->k, "Sub", btk_number(cell->call->k, z.dtype, 1), z);
    return add(cell, mul(cell, z, h), mul(cell, rest, candidate));
}

/* The reset gate behind the product: candidate = x_h + r (h U_h + b_h). */
static btk_tensor gru_after_step(btk_cell *cell, btk_tensor x, btk_tensor *states)
{
    btk_tensor in[3], back[3], h = recur(cell, states[0], cell->loop[0]);
    if (cell->n_loop > 1) h = btk_add_bias(cell->call->k, h, cell->loop[1]);
    split(cell->call->k, x, 3, in);
    split(cell->call->k, h, 3, back);
    btk_tensor z = gated(cell, add(cell, in[0], back[0])), r = gated(cell, add(cell, in[1], back[1]));
    btk_tensor candidate = activated(cell, add(cell, in[2], mul(cell, r, back[2])));
    return states[0] = blend(cell, z, states[0], candidate);
}

/* The reset gate before it: candidate = x_h + (r h) U_h. */
static btk_tensor gru_before_step(btk_cell *cell, btk_tensor x, btk_tensor *states)
{
    btk_tensor in[3], back[2];
    split(cell->call->k, x, 3, in);
    split(cell->call->k, recur(cell, states[0], cell->loop[0]), 2, back);
    btk_tensor z = gated(cell, add(cell, in[0], back[0])), r = gated(cell, add(cell, in[1], back[1]));
    btk_tensor product = recur(cell, mul(cell, r, states[0]), cell->loop[1]);
    return states[0] = blend(cell, z, states[0], activated(cell, add(cell, in[2], product)));
}

static void open_gru(btk_call *c, btk_tensor x, btk_cell *cell)
{
    static const int order[3] = {0, 1, 2};
    btk *k = c->k;
    btk_tensor w[3];
    int64_t n = units_of(c);
    bool after = btk_bool_of(c, "reset_after", false);
    dense_weights(c, btk_known(k, x, -1, "the last dimension"), 3, order, w);
    btk_tensor bias = w[2];
    if (after && bias.dtype) w[2] = btk_pick(k, bias, 0, 0);
    set_weights(cell, w);
    vector_states(cell, 1);
    cell->step = after ? gru_after_step : gru_before_step;
    if (after && bias.dtype) cell->loop[cell->n_loop++] = btk_pick(k, bias, 0, 1);
    if (after) return;
    cell->loop[0] = btk_slice(k, w[1], 1, 0, 2 * n);
    cell->loop[cell->n_loop++] = btk_slice(k, w[1], 1, 2 * n, INT64_MAX);
}

/* ---- ConvLSTM: an LSTM whose products are convolutions ------------------------------------------------ */

static btk_tensor project_conv(btk_cell *cell, btk_tensor x)
{
    btk *k = cell->call->k;
    int lead = x.shape.rank - cell->window.n - 1;
    btk_tensor y = btk_convolve(k, btk_fold_leading(k, x, lead), cell->input[0], &cell->window);
    if (cell->n_input > 1) y = btk_add_bias(k, y, cell->input[1]);
    return btk_unfold_leading(k, y, x, lead);
}

static btk_tensor conv_lstm_step(btk_cell *cell, btk_tensor x, btk_tensor *states)
{
    btk_window w = cell->window;
    w.padding = "same";
    for (int i = 0; i < 3; i++) w.stride[i] = w.rate[i] = 1;
    return lstm_gates(cell, add(cell, x, btk_convolve(cell->call->k, states[0], cell->loop[0], &w)), states);
}

static bt_shape conv_kernel(const btk_window *w, int64_t channels, int64_t filters)
{
    bt_shape shape = {.rank = w->n + 2};
    memcpy(shape.dim, w->size, (size_t)w->n * sizeof *shape.dim);
    shape.dim[w->n] = channels;
    shape.dim[w->n + 1] = filters;
    return shape;
}

/* A kernel [size..., channels, 4 filters]; in Keras 1 the gates' own ones, as a list. */
static void conv_weights(btk_call *c, const btk_window *w, int64_t channels, int64_t filters, btk_tensor *out)
{
    static const int order[4] = {0, 2, 1, 3};
    btk *k = c->k;
    btk_tensor parts[3][4];
    if (k->version > 1) {
        out[0] = btk_kernel_of(c, w, "kernel", conv_kernel(w, channels, 4 * filters));
        out[1] = btk_kernel_of(c, w, "recurrent_kernel", conv_kernel(w, filters, 4 * filters));
        out[2] = has_bias(c) ? btk_weight_of(c, "bias", true, BT_SHAPE(4 * filters)) : (btk_tensor){0};
        return;
    }
    for (int i = 0; i < 4; i++) {
        int to = order[i];
        parts[0][to] = btk_kernel_of(c, w, "W", conv_kernel(w, channels, filters));
        parts[1][to] = btk_kernel_of(c, w, "U", conv_kernel(w, filters, filters));
        parts[2][to] = btk_weight_of(c, "b", true, BT_SHAPE(filters));
    }
    for (int i = 0; i < 3; i++) out[i] = btk_concat(k, 4, parts[i], -1);
}

/* x: [batch, places, channels]. */
static void open_conv_lstm(btk_call *c, btk_tensor x, btk_cell *cell)
{
    btk *k = c->k;
    int64_t filters = btk_int_of(c, "filters", btk_int_of(c, "nb_filter", 0));
    btk_tensor weights[3];
    cell->window = btk_window_of(c, c->layer->class->detail[0] - '0');
    btk_window *w = &cell->window;
    if (!btk_rank(k, x, w->n + 2, w->n + 2)) return;
    conv_weights(c, w, btk_known(k, x, -1, "the number of channels"), filters, weights);
    cell->input[0] = weights[0];
    cell->loop[0] = weights[1];
    cell->input[1] = weights[2];
    cell->n_input = weights[2].dtype ? 2 : 1;
    cell->n_loop = 1;
    cell->n_states = 2;
    bt_shape state = btk_with_dim(x.shape, -1, filters);
    bool same = !strcmp(w->padding, "same");
    for (int i = 0; i < w->n; i++) {
        int64_t in = btk_known(k, x, i + 1, "the size of the input"),
                span = same ? 0 : (w->size[i] - 1) * w->rate[i];
        state.dim[i + 1] = in <= span ? 0 : (in - span + w->stride[i] - 1) / w->stride[i];
    }
    cell->state[0] = cell->state[1] = state;
    cell->project = project_conv;
    cell->step = conv_lstm_step;
}

/* ---- Stacks ------------------------------------------------------------------------------------------- */

static btk_tensor project_nothing(btk_cell *cell, btk_tensor x) { return (void)cell, x; }

static btk_tensor stacked_step(btk_cell *cell, btk_tensor x, btk_tensor *states)
{
    for (int i = 0; i < cell->n_cells; i++) {
        btk_cell *one = &cell->cells[i];
        x = one->step(one, one->project(one, x), states);
        states += one->n_states;
    }
    return x;
}

static void open_stack(btk_call *c, btk_tensor x, btk_cell *cell)
{
    btk *k = c->k;
    const bt_json *list = btk_of(c, "cells");
    cell->n_cells = bt_json_is(list, BT_JSON_ARRAY) ? list->n : 0;
    cell->cells = bt_arena_array(k->arena, btk_cell, (size_t)cell->n_cells + 1);
    if (!cell->cells || !cell->n_cells) btk_damaged(k, "a stack without cells");
    int i = 0;
    for (const bt_json *j = bt_json_first(list); j && !k->failed; j = j->next) {
        btk_cell *one = &cell->cells[i++];
        btk_cell_child(c, j, btk_role_in_list(c, "cells", list, j), x, one);
        if (k->failed || cell->n_states + one->n_states > BTK_MAX_STATES) {
            btk_unsupported(k, "a stack of that many cells");
            return;
        }
        for (int s = 0; s < one->n_states; s++) cell->state[cell->n_states++] = one->state[s];
        x.shape = one->state[0]; /* what it gives on */
    }
    cell->project = project_nothing;
    cell->step = stacked_step;
}

/* ---- Classes ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*open)(btk_call *c, btk_tensor x, btk_cell *cell);
} cells[] = {
    {"SimpleRNN", open_simple},
    {"SimpleRNNCell", open_simple},
    {"LSTM", open_lstm},
    {"LSTMCell", open_lstm},
    {"GRU", open_gru},
    {"GRUCell", open_gru},
    {"ConvLSTM1D", open_conv_lstm},
    {"ConvLSTM2D", open_conv_lstm},
    {"ConvLSTM3D", open_conv_lstm},
    {"StackedRNNCells", open_stack},
    {"ConvRecurrent2D", open_conv_lstm},
};

void btk_cell_open(btk_call *c, btk_tensor x, btk_cell *cell)
{
    *cell = (btk_cell){.call = c};
    for (size_t i = 0; i < sizeof cells / sizeof *cells && !c->k->failed; i++) {
        if (strcmp(cells[i].name, c->layer->class_name)) continue;
        cells[i].open(c, x, cell);
        return;
    }
    btk_unsupported(c->k,
                    "berth does not know this class of cells: export a SavedModel instead (model.export)");
}

void btk_cell_child(btk_call *c, const bt_json *entry, const char *role, btk_tensor x, btk_cell *cell)
{
    btk *k = c->k;
    btk_layer *child = btk_child(c, entry, role), *caller = k->layer;
    const char *scope = k->scope;
    btk_call *own = bt_arena_new(k->arena, btk_call);
    if (!child || !own || k->failed) return btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    *own = (btk_call){.k = k, .layer = child, .config = child->config, .x = x};
    child->next_weight = child->weights;
    child->next_child = child->children;
    k->layer = child;
    k->scope = bt_arena_print(k->arena, "%s%s/", scope, child->name);
    if (++k->depth > BTK_MAX_DEPTH) btk_unsupported(k, "layers nested too deep");
    if (!k->scope) btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    if (!k->failed) btk_cell_open(own, x, cell);
    k->depth--;
    k->scope = scope;
    k->layer = caller;
}
