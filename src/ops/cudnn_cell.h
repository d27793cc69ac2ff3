/* A cuDNN RNN for one type of numbers: included by cudnn_rnn.c with REAL the type, CELL(x) a name for it, and given
 *     CELL(sigmoid), CELL(tanh), CELL(relu)   over a row, in place
 *     CELL(packed)                            numbers of a right side [k][n] packed
 *     CELL(pack)                              packs one from a matrix [n][k]
 *     CELL(multiply)                          y[rows][n] = x[rows][k] by a packed right side, plus bias */

typedef struct CELL(step) {
    const bt_cudnn *r;
    const REAL *back; /* GRU: the state's bias of its last gate, inside the brackets */
    const REAL *h;    /* [batch, hidden] before the step */
    REAL *gates,
        *recur; /* gates: of this step, rows `gates_row` apart; recur: [batch, gates units], h times its weights */
    REAL *c, *fresh; /* [batch, units]: the cells; the state as the step leaves it */
    int64_t gates_row;
    const int32_t *lengths; /* NULL: all are whole */
    int64_t t;
} CELL(step);

static void CELL(lstm)(const CELL(step) * s, int64_t row, REAL *z)
{
    int64_t n = s->r->units;
    REAL *c = s->c + row * n, *fresh = s->fresh + row * n;
    CELL(sigmoid)(z, 2 * n);
    CELL(tanh)(z + 2 * n, n);
    CELL(sigmoid)(z + 3 * n, n);
    for (int64_t j = 0; j < n; j++) fresh[j] = c[j] = z[n + j] * c[j] + z[j] * z[2 * n + j];
    CELL(tanh)(fresh, n);
    for (int64_t j = 0; j < n; j++) fresh[j] *= z[3 * n + j];
}

static void CELL(gru)(const CELL(step) * s, int64_t row, REAL *z)
{
    int64_t n = s->r->units;
    const REAL *recur = s->recur + (row * 3 + 2) * n, *h = s->h + row * n;
    REAL *fresh = s->fresh + row * n, *g = z + 2 * n;
    CELL(sigmoid)(z, 2 * n);
    for (int64_t j = 0; j < n; j++) g[j] += z[j] * (recur[j] + s->back[j]);
    CELL(tanh)(g, n);
    for (int64_t j = 0; j < n; j++) fresh[j] = (1 - z[n + j]) * g[j] + z[n + j] * h[j];
}

/* Rows that have ended keep their state, and leave `fresh` alone. */
static void CELL(rows)(void *user, int64_t first, int64_t end, int worker)
{
    const CELL(step) *s = user;
    int64_t n = s->r->units, whole = s->r->gates * n, added = s->r->mode == BT_CUDNN_GRU ? 2 * n : whole;
    (void)worker;
    for (int64_t row = first; row < end; row++) {
        REAL *z = s->gates + row * s->gates_row;
        const REAL *recur = s->recur + row * whole;
        if (s->lengths && s->t >= s->lengths[row]) continue;
        for (int64_t j = 0; j < added; j++) z[j] += recur[j];
        if (s->r->mode == BT_CUDNN_LSTM) {
            CELL(lstm)(s, row, z);
        } else if (s->r->mode == BT_CUDNN_GRU) {
            CELL(gru)(s, row, z);
        } else {
            if (s->r->mode == BT_CUDNN_TANH) CELL(tanh)(z, n);
            else CELL(relu)(z, n);
            memcpy(s->fresh + row * n, z, (size_t)n * sizeof *z);
        }
    }
}

/* ---- Packed weights ----------------------------------------------------------------------------------- */

/* Where the parts of one layer begin in the packed weights: right sides of products as CELL(pack) leaves them; all biases
 * that are only added, in one; of a GRU, the state's of its last gate. */
typedef struct CELL(layer) {
    size_t x, h, proj, bias, back;
} CELL(layer);

/* The layer's parts from `at` on; the end of it. */
static size_t CELL(place)(const bt_cudnn *r, int64_t layer, size_t at, CELL(layer) * out)
{
    int64_t rows, cols, n = r->gates * r->units;
    bt_cudnn_weight(r, layer, 0, &rows, &cols);
    out->x = at;
    out->h = out->x + (cols ? CELL(packed)(cols, n) : 0);
    out->proj = out->h + CELL(packed)(r->hidden, n);
    out->bias = out->proj + (r->projected ? CELL(packed)(r->units, r->hidden) : 0);
    out->back = out->bias + (size_t)n;
    return out->back + (r->mode == BT_CUDNN_GRU ? (size_t)r->units : 0);
}

static size_t CELL(all)(const bt_cudnn *r)
{
    CELL(layer) layer;
    size_t end = 0;
    for (int64_t i = 0; i < r->layers; i++) end = CELL(place)(r, i, end, &layer);
    return end;
}

static void CELL(pack_all)(const bt_cudnn *r, const REAL *params, REAL *dst)
{
    size_t end = 0;
    for (int64_t i = 0; i < r->layers; i++) {
        CELL(layer) to;
        int64_t rows, cols, n = r->gates * r->units, in = bt_cudnn_bias(r, i, 0),
                            back = bt_cudnn_bias(r, i, r->gates);
        int64_t at = bt_cudnn_weight(r, i, 0, &rows, &cols);
        bool gru = r->mode == BT_CUDNN_GRU;
        end = CELL(place)(r, i, end, &to);
        if (cols) CELL(pack)(dst + to.x, params + at, cols, n);
        CELL(pack)(dst + to.h, params + bt_cudnn_weight(r, i, r->gates, &rows, &cols), r->hidden, n);
        if (r->projected)
            CELL(pack)
            (dst + to.proj, params + bt_cudnn_weight(r, i, 2 * r->gates, &rows, &cols), r->units, r->hidden);
        for (int64_t j = 0; j < n; j++)
            dst[to.bias + (size_t)j] = params[in + j] + (gru && j >= 2 * r->units ? 0 : params[back + j]);
        if (gru) memcpy(dst + to.back, params + back + 2 * r->units, (size_t)r->units * sizeof *dst);
    }
}

/* ---- A whole network ---------------------------------------------------------------------------------- */

typedef struct CELL(net) {
    const bt_cudnn *r;
    bt_pool *pool;
    const sizes *s;
    const REAL *packed, *input, *h, *c; /* c: NULL where there are no cells */
    REAL *out, *out_h, *out_c;
    REAL *line[2]; /* what one level of layers gives to the next */
    REAL *gates, *recur, *state, *cells, *fresh, *shrunk;
} CELL(net);

/* The states of one layer, [batch, n], from or to a tensor of all layers'. */
static void CELL(copy_states)(const CELL(net) * net, int64_t layer, int64_t n, REAL *states, const REAL *from,
                              REAL *to)
{
    const sizes *s = net->s;
    for (int64_t b = 0; b < s->batch; b++) {
        int64_t at = (s->time_major ? layer * s->batch + b : b * net->r->layers + layer) * n;
        if (to) memcpy(to + at, states + b * n, (size_t)n * sizeof *to);
        else memcpy(states + b * n, from + at, (size_t)n * sizeof *from);
    }
}

/* The gates of all steps, as far as the input says. */
static void CELL(project)(const CELL(net) * net, const CELL(layer) * part, int64_t layer, const REAL *x)
{
    const bt_cudnn *r = net->r;
    int64_t n = r->gates * r->units, rows = net->s->steps * net->s->batch, width = bt_cudnn_width(r, layer);
    const REAL *bias = net->packed + part->bias;
    if (part->x != part->h) {
        CELL(multiply)(net->pool, x, net->packed + part->x, bias, net->gates, rows, width, n);
        return;
    }
    for (int64_t i = 0; i < rows * n; i++)
        net->gates[i] = bias[i % n] + (width ? x[i / n * width + i % width] : 0);
}

/* Puts what a step left where it belongs; rows that have ended give zeros. */
static void CELL(settle)(const CELL(net) * net, int64_t t, int direction, REAL *y)
{
    const bt_cudnn *r = net->r;
    const sizes *s = net->s;
    const REAL *fresh = r->projected ? net->shrunk : net->fresh;
    size_t bytes = (size_t)r->hidden * sizeof *y;
    for (int64_t b = 0; b < s->batch; b++) {
        REAL *to = y + (bt_row(s, t, b) * r->directions + direction) * r->hidden;
        if (s->lengths && t >= s->lengths[b]) {
            memset(to, 0, bytes);
            continue;
        }
        memcpy(to, fresh + b * r->hidden, bytes);
        memcpy(net->state + b * r->hidden, fresh + b * r->hidden, bytes);
    }
}

static void CELL(run_layer)(const CELL(net) * net, const CELL(layer) * part, int64_t layer, const REAL *x,
                            REAL *y)
{
    const bt_cudnn *r = net->r;
    const sizes *s = net->s;
    int64_t n = r->gates * r->units;
    int direction = (int)(layer % r->directions);
    CELL(step)
    step = {r,          net->packed + part->back,
            net->state, NULL,
            net->recur, net->cells,
            net->fresh, (bt_row(s, 0, 1) - bt_row(s, 0, 0)) * n,
            s->lengths, 0};
    CELL(project)(net, part, layer, x);
    CELL(copy_states)(net, layer, r->hidden, net->state, net->h, NULL);
    if (net->c) CELL(copy_states)(net, layer, r->units, net->cells, net->c, NULL);
    for (int64_t i = 0; i < s->steps; i++) {
        step.t = direction ? s->steps - 1 - i : i;
        step.gates = net->gates + bt_row(s, step.t, 0) * n;
        CELL(multiply)
        (net->pool, net->state, net->packed + part->h, NULL, net->recur, s->batch, r->hidden, n);
        bt_parallel(net->pool, s->batch, 1 + 4096 / r->units, CELL(rows), &step);
        if (r->projected)
            CELL(multiply)
            (net->pool, net->fresh, net->packed + part->proj, NULL, net->shrunk, s->batch, r->units,
             r->hidden);
        CELL(settle)(net, step.t, direction, y);
    }
    CELL(copy_states)(net, layer, r->hidden, net->state, NULL, net->out_h);
    if (net->c) CELL(copy_states)(net, layer, r->units, net->cells, NULL, net->out_c);
}

static void CELL(run_net)(const CELL(net) * net)
{
    const bt_cudnn *r = net->r;
    int64_t levels = r->layers / r->directions;
    size_t end = 0;
    for (int64_t i = 0; i < r->layers; i++) {
        CELL(layer) part;
        int64_t level = i / r->directions;
        end = CELL(place)(r, i, end, &part);
        CELL(run_layer)
        (net, &part, i, level ? net->line[(level - 1) % 2] : net->input,
         level == levels - 1 ? net->out : net->line[level % 2]);
    }
}
