/* Keras: recurrent layers: the loop over time (a StatelessWhile over lists of steps, as TensorFlow 2 has it),
 * masks, states, directions; and TimeDistributed. What one step does: keras_cell.c.
 *
 * Loop variables: step, number of steps, outputs, last output, states ..., inputs, [mask], weights of the
 * cell ... */
#include "format/keras_rnn.h"

enum { STEP, STEPS, OUTPUTS, LAST, STATES, MAX_VARIABLES = 4 + BTK_MAX_STATES + 2 + BTK_MAX_WEIGHTS };

typedef struct loop {
    btk_call *c;
    btk_cell cell;
    btk_tensor vars[MAX_VARIABLES];
    int n, inputs, mask, weights; /* where these begin; mask 0: none */
    bool sequences, zero_masked;
    bool
        zero_unturned; /* outputs of masked steps become zeros by the mask as it was before it was turned over */
    btk_tensor step_in, step_mask; /* shapes of one step's input and mask */
    bt_shape output;               /* of one step */
} loop;

/* ---- Lists -------------------------------------------------------------------------------------------- */

static btk_tensor element_shape(btk *k, bt_shape shape) { return btk_ints(k, shape.rank, shape.dim); }

static btk_tensor list_of(btk *k, btk_tensor x)
{
    btk_tensor in[2] = {x, element_shape(k, btk_time_step(x).shape)};
    btk_tensor list = btk_bare(k, "TensorListFromTensor", 2, in, BERTH_VARIANT, BT_SCALAR);
    btk_attr_type(k, list, "element_dtype", x.dtype);
    btk_attr_type(k, list, "shape_type", BERTH_INT32);
    return list;
}

static btk_tensor empty_list(btk *k, bt_shape step, berth_dtype dtype, btk_tensor n)
{
    btk_tensor list = btk_bare(k, "TensorListReserve", 2, (btk_tensor[]){element_shape(k, step), n},
                               BERTH_VARIANT, BT_SCALAR);
    btk_attr_type(k, list, "element_dtype", dtype);
    btk_attr_type(k, list, "shape_type", BERTH_INT32);
    return list;
}

static btk_tensor get_item(btk *k, btk_tensor list, btk_tensor i, bt_shape step, berth_dtype dtype)
{
    btk_tensor item =
        btk_bare(k, "TensorListGetItem", 3, (btk_tensor[]){list, i, element_shape(k, step)}, dtype, step);
    btk_attr_type(k, item, "element_dtype", dtype);
    return item;
}

static btk_tensor set_item(btk *k, btk_tensor list, btk_tensor i, btk_tensor item)
{
    btk_tensor out =
        btk_bare(k, "TensorListSetItem", 3, (btk_tensor[]){list, i, item}, BERTH_VARIANT, BT_SCALAR);
    btk_attr_type(k, out, "element_dtype", item.dtype);
    return out;
}

static btk_tensor stack(btk *k, btk_tensor list, bt_shape step, berth_dtype dtype, int64_t n)
{
    bt_shape shape = {.rank = step.rank + 1, .dim = {n}};
    memcpy(shape.dim + 1, step.dim, (size_t)step.rank * sizeof *step.dim);
    btk_tensor out =
        btk_bare(k, "TensorListStack", 2, (btk_tensor[]){list, element_shape(k, step)}, dtype, shape);
    btk_attr_type(k, out, "element_dtype", dtype);
    btk_attr_int(k, out, "num_elements", -1);
    return out;
}

/* ---- The loop ----------------------------------------------------------------------------------------- */

/* Weights of the cell, and of all cells in it, to the loop's variables (save) or back from them. */
static void each_weight(btk_cell *cell, bool all, void (*f)(btk_tensor *w, void *user), void *user)
{
    for (int i = 0; all && i < cell->n_input; i++) f(&cell->input[i], user);
    for (int i = 0; i < cell->n_loop; i++) f(&cell->loop[i], user);
    for (int i = 0; i < cell->n_cells; i++) each_weight(&cell->cells[i], true, f, user);
}

typedef struct weight_run {
    btk_tensor *vars;
    int n, room;
} weight_run;

static void save_weight(btk_tensor *w, void *user)
{
    weight_run *run = user;
    if (run->n < run->room) run->vars[run->n] = *w;
    run->n++;
}

static void use_weight(btk_tensor *w, void *user)
{
    weight_run *run = user;
    *w = run->vars[run->n++];
}

static const char *make_condition(loop *l)
{
    btk *k = l->c->k;
    btk_tensor in[MAX_VARIABLES];
    btk_function f;
    memcpy(in, l->vars, sizeof in);
    btk_function_begin(k, "cond", l->n, in, &f);
    btk_tensor more = btk_compare(k, "Less", in[STEP], in[STEPS]);
    return btk_function_end(k, &f, 1, &more);
}

/* A masked step leaves the states, and repeats the output before it (or gives zeros). */
static btk_tensor masked(loop *l, const btk_tensor *in, const btk_tensor *before, btk_tensor *states,
                         btk_tensor out)
{
    btk *k = l->c->k;
    btk_tensor m = get_item(k, in[l->mask], in[STEP], l->step_mask.shape, BERTH_BOOL), wide = m;
    btk_tensor other = l->zero_masked ? btk_number(k, out.dtype, 0) : in[LAST];
    for (int s = 0; s < l->cell.n_states; s++) {
        for (wide = m; !k->failed && wide.shape.rank < states[s].shape.rank;) wide = btk_expand(k, wide, -1);
        states[s] = btk_select(k, wide, states[s], before[s]);
    }
    for (wide = m; !k->failed && wide.shape.rank < out.shape.rank;) wide = btk_expand(k, wide, -1);
    return btk_select(k, wide, out, other);
}

static const char *make_body(loop *l)
{
    btk *k = l->c->k;
    btk_tensor in[MAX_VARIABLES], out[MAX_VARIABLES];
    btk_function f;
    weight_run run = {.vars = in + l->weights};
    memcpy(in, l->vars, sizeof in);
    btk_function_begin(k, "body", l->n, in, &f);
    memcpy(out, in, sizeof out);
    each_weight(&l->cell, false, use_weight, &run);
    btk_tensor x = get_item(k, in[l->inputs], in[STEP], l->step_in.shape, l->step_in.dtype);
    btk_tensor y = l->cell.step(&l->cell, x, out + STATES);
    if (l->mask) y = masked(l, in, in + STATES, out + STATES, y);
    if (l->sequences) out[OUTPUTS] = set_item(k, in[OUTPUTS], in[STEP], y);
    out[LAST] = y;
    out[STEP] = btk_binary(k, "AddV2", in[STEP], btk_int(k, 1));
    return btk_function_end(k, &f, l->n, out);
}

static btk_tensor run_loop(loop *l)
{
    btk *k = l->c->k;
    const char *condition = make_condition(l), *body = make_body(l);
    return btk_while(k, l->n, l->vars, condition, body);
}

/* ---- Recurrent layers --------------------------------------------------------------------------------- */

static btk_tensor zero_state(btk *k, btk_tensor batch, bt_shape shape, berth_dtype dtype)
{
    btk_tensor dims[BT_MAX_RANK];
    for (int i = 0; i < shape.rank; i++) dims[i] = i ? btk_int(k, shape.dim[i]) : batch;
    return btk_zeros(k, dtype, shape.rank, dims, shape);
}

/* Given as further inputs or as the keyword initial_state; else zeros. */
static void initial_states(loop *l, btk_tensor batch, int64_t batch_size, berth_dtype dtype)
{
    btk_call *c = l->c;
    btk *k = c->k;
    const btk_value *given = btk_arg(c, -1, "initial_state");
    const btk_value *first = btk_arg(c, 0, NULL);
    for (int i = 0; i < l->cell.n_states; i++) {
        bt_shape shape = btk_with_dim(l->cell.state[i], 0, batch_size);
        btk_tensor *to = &l->vars[STATES + i];
        if (c->n_x > 1) {
            *to = i + 1 < c->n_x ? c->xs[i + 1] : (btk_tensor){0};
        } else if (given) {
            const btk_value *v = given->kind == BTK_LIST ? (i < given->n ? &given->items[i] : NULL) : given;
            *to = v && v->kind == BTK_TENSOR ? v->tensor : (btk_tensor){0};
        } else {
            *to = zero_state(k, batch, shape, dtype);
        }
        if (!to->dtype || !bt_shape_compatible(&to->shape, &shape))
            btk_damaged(k, "initial states that do not fit the cell");
        to->mask = NULL;
    }
    if (btk_arg(c, -1, "constants") || !first) btk_unsupported(k, "constants of a recurrent layer");
}

/* The input with time first and the given direction, projected and cut in steps; then the mask. */
static void set_inputs(loop *l, btk_tensor x, btk_tensor mask, bool backwards)
{
    btk *k = l->c->k;
    btk_tensor p = l->cell.project(&l->cell, x);
    p = btk_swap(k, p, 0, 1);
    if (backwards) p = btk_reverse(k, p, 0);
    l->step_in = btk_time_step(p);
    l->vars[l->inputs] = list_of(k, p);
    if (!l->mask) return;
    mask = btk_swap(k, mask, 0, 1);
    if (backwards) mask = btk_reverse(k, mask, 0);
    l->step_mask = btk_time_step(mask);
    l->vars[l->mask] = list_of(k, mask);
}

btk_tensor btk_time_step(btk_tensor x)
{
    for (int i = 1; i < x.shape.rank; i++) x.shape.dim[i - 1] = x.shape.dim[i];
    if (x.shape.rank) x.shape.rank--;
    x.mask = NULL;
    return x;
}

/* x: [batch, time, ...], its channels last. */
static void lay_out(loop *l, btk_tensor x, btk_tensor mask, bool backwards)
{
    btk *k = l->c->k;
    int64_t batch = btk_dim(x, 0);
    btk_tensor size = btk_size(k, x, 0);
    bt_shape out = l->cell.n_cells ? l->cell.cells[l->cell.n_cells - 1].state[0] : l->cell.state[0];
    l->output = btk_with_dim(out, 0, batch);
    l->vars[STEP] = btk_int(k, 0);
    l->vars[STEPS] = btk_size(k, x, 1);
    l->vars[OUTPUTS] = empty_list(k, l->output, x.dtype, l->vars[STEPS]);
    l->vars[LAST] = zero_state(k, size, l->output, x.dtype);
    initial_states(l, size, batch, x.dtype);
    l->inputs = STATES + l->cell.n_states;
    l->mask = mask.dtype ? l->inputs + 1 : 0;
    l->weights = l->inputs + (l->mask ? 2 : 1);
    set_inputs(l, x, mask, backwards);
    weight_run run = {.vars = l->vars + l->weights, .room = MAX_VARIABLES - l->weights};
    each_weight(&l->cell, false, save_weight, &run);
    if (run.n > run.room) btk_unsupported(k, "a cell of that many weights");
    l->n = l->weights + run.n;
}

static void give_results(loop *l, btk_tensor node, btk_tensor x, btk_tensor mask, bool channels_first,
                         bool time_major)
{
    btk_call *c = l->c;
    btk *k = c->k;
    btk_tensor out[1 + BTK_MAX_STATES], *steps = bt_arena_new(k->arena, btk_tensor);
    int n = 1;
    if (l->sequences) {
        btk_tensor all =
            stack(k, btk_output(node, OUTPUTS, BERTH_VARIANT, BT_SCALAR), l->output, x.dtype, btk_dim(x, 1));
        if (l->zero_unturned) {
            btk_tensor kept = btk_swap(k, mask, 0, 1);
            while (!k->failed && kept.shape.rank < all.shape.rank) kept = btk_expand(k, kept, -1);
            all = btk_select(k, kept, all, btk_number(k, all.dtype, 0));
        }
        out[0] = time_major ? all : btk_swap(k, all, 0, 1);
        if (mask.dtype && steps) *steps = mask, out[0].mask = steps;
    } else {
        out[0] = btk_output(node, LAST, x.dtype, l->output);
    }
    for (int i = 0; btk_bool_of(c, "return_state", false) && i < l->cell.n_states; i++)
        out[n++] = btk_output(node, STATES + i, x.dtype, btk_with_dim(l->cell.state[i], 0, btk_dim(x, 0)));
    for (int i = 0; i < n && channels_first; i++) {
        bool whole = i == 0 && l->sequences;
        btk_tensor folded = whole ? btk_fold_leading(k, out[i], 2) : out[i];
        folded = btk_channels_back(k, folded);
        out[i] = whole ? btk_unfold_leading(k, folded, out[i], 2) : folded;
    }
    btk_returns(c, out, n);
}

void btk_rnn(btk_call *c)
{
    btk *k = c->k;
    loop *l = bt_arena_new(k->arena, loop);
    const bt_json *cell = btk_of(c, "cell");
    btk_tensor x = c->x, mask = btk_mask_of(c);
    bool conv = bt_starts(c->layer->class_name, "Conv"), first = conv && btk_channels_first(c);
    bool time_major = btk_bool_of(c, "time_major", false);
    bool backwards = btk_bool_of(c, "go_backwards", false) != c->layer->is_flipped;
    if (!l || !btk_rank(k, x, 3, BT_MAX_RANK - 1)) return btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    if (mask.dtype && mask.shape.rank != 2) return btk_unsupported(k, "a mask of rank %d", mask.shape.rank);
    if (time_major) x = btk_swap(k, x, 0, 1);
    if (time_major && mask.dtype) mask = btk_swap(k, mask, 0, 1);
    if (first) x = btk_unfold_leading(k, btk_channels_last(k, btk_fold_leading(k, x, 2)), x, 2);
    x.mask = NULL;
    l->c = c;
    l->sequences = btk_bool_of(c, "return_sequences", false);
    l->zero_masked = c->layer->is_zero_masked ? l->sequences : btk_bool_of(c, "zero_output_for_mask", false);
    l->zero_unturned =
        l->sequences && l->zero_masked && mask.dtype && backwards && btk_bool_of(c, "unroll", false);
    l->zero_masked &= !l->zero_unturned;
    btk_tensor step = btk_pick_shape(x);
    if (cell) btk_cell_child(c, cell, "cell", step, &l->cell);
    else btk_cell_open(c, step, &l->cell);
    if (k->failed) return;
    lay_out(l, x, mask, backwards);
    if (!k->failed) give_results(l, run_loop(l), x, mask, first, time_major);
}

/* The shape of x without time. */
btk_tensor btk_pick_shape(btk_tensor x)
{
    int64_t batch = btk_dim(x, 0);
    x = btk_time_step(x);
    x.shape.dim[0] = batch;
    return x;
}

/* ---- Wrappers ----------------------------------------------------------------------------------------- */

static btk_layer *direction(btk_call *c, const bt_json *entry, const char *role, const char *prefix,
                            bool flipped)
{
    bool made = c->layer->next_child != NULL;
    btk_layer *layer = btk_child(c, entry, role);
    if (!layer || made) return layer;
    if (!bt_starts(layer->name, prefix))
        layer->name = bt_arena_print(c->k->arena, "%s_%s", prefix, layer->name);
    if (!layer->name) btk_fail(c->k, BERTH_NO_MEMORY, "out of memory");
    layer->is_flipped = flipped;
    layer->is_zero_masked = c->k->version > 1;
    return layer;
}

static btk_tensor merged(btk_call *c, const char *mode, btk_tensor a, btk_tensor b)
{
    btk *k = c->k;
    if (!strcmp(mode, "concat")) return btk_concat(k, 2, (btk_tensor[]){a, b}, -1);
    if (!strcmp(mode, "sum")) return btk_binary(k, "AddV2", a, b);
    if (!strcmp(mode, "mul")) return btk_binary(k, "Mul", a, b);
    if (!strcmp(mode, "ave")) return btk_scaled(k, btk_binary(k, "AddV2", a, b), 0.5);
    btk_unsupported(k, "merge mode '%s'", mode);
    return a;
}

/* The arguments of one direction: the input, its half of the initial states, the mask. */
static int arguments(btk_call *c, int which, btk_value *args)
{
    btk *k = c->k;
    const btk_value *states = btk_arg(c, -1, "initial_state");
    btk_tensor mask = btk_mask_of(c);
    const btk_value *items = states && states->kind == BTK_LIST ? states->items : NULL;
    int half = items ? states->n / 2 : (c->n_x - 1) / 2, n = 1;
    args[0] = btk_tensor_value(c->x);
    args[0].tensor.mask = NULL;
    btk_value *list = bt_arena_array(k->arena, btk_value, (size_t)half + 1);
    if (half > 0 && list) {
        for (int i = 0; i < half; i++)
            list[i] = items ? items[which * half + i] : btk_tensor_value(c->xs[1 + which * half + i]);
        args[n++] =
            (btk_value){.kind = BTK_LIST, .key = bt_str_of("initial_state"), .items = list, .n = half};
    }
    if (mask.dtype) args[n] = btk_tensor_value(mask), args[n++].key = bt_str_of("mask");
    return n;
}

void btk_bidirectional(btk_call *c)
{
    btk *k = c->k;
    const bt_json *entry = btk_of(c, "layer"), *other = btk_of(c, "backward_layer");
    const char *mode = btk_text_of(c, "merge_mode", bt_json_get(c->config, "merge_mode") ? NULL : "concat");
    btk_layer *layers[2] = {direction(c, entry, "forward_layer", "forward", false)};
    layers[1] = k->failed ? NULL : direction(c, other ? other : entry, "backward_layer", "backward", !other);
    btk_result r[2] = {{0}};
    btk_value args[3];
    for (int i = 0; i < 2 && !k->failed; i++)
        btk_layer_call(k, layers[i], args, arguments(c, i, args), &r[i]);
    if (k->failed || !r[0].n || !r[1].n) return;
    btk_tensor *out = bt_arena_array(k->arena, btk_tensor, (size_t)(r[0].n + r[1].n)), a = r[0].tensors[0],
               b = r[1].tensors[0];
    int n = 0;
    if (!out) return btk_fail(k, BERTH_NO_MEMORY, "out of memory");
    const btk_tensor *mask = a.mask;
    if (bt_json_bool(bt_json_get(layers[0]->config, "return_sequences"), false))
        b = btk_reverse(k, b, bt_json_bool(bt_json_get(layers[0]->config, "time_major"), false) ? 0 : 1);
    if (mode) out[n++] = merged(c, mode, a, b);
    else out[n++] = a, out[n++] = b;
    for (int i = 0; i < n; i++) out[i].mask = mask;
    for (int i = 1; i < r[0].n; i++) out[n++] = r[0].tensors[i];
    for (int i = 1; i < r[1].n; i++) out[n++] = r[1].tensors[i];
    btk_returns(c, out, n);
}

/* A layer applied to every step: time goes into the batch, and comes back. */
void btk_time_distributed(btk_call *c)
{
    btk *k = c->k;
    btk_layer *layer = btk_child(c, btk_of(c, "layer"), "layer");
    btk_tensor x = c->x;
    if (k->failed || !btk_rank(k, x, 2, BT_MAX_RANK)) return;
    x.mask = NULL;
    btk_tensor y = btk_layer_apply(k, layer, btk_fold_leading(k, x, 2));
    y.mask = NULL;
    btk_return(c, btk_unfold_leading(k, y, x, 2));
}
