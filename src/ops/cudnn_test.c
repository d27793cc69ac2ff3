/* cuDNN's RNNs: Keras's answers for the cells that are the same, random networks against the formulas one number at a
 * time, and the ops that pack parameters. */
#include "../../tests/op_test.h"

static const char *const modes[] = {"rnn_relu", "rnn_tanh", "lstm", "gru"};
static const int gates_of[] = {1, 1, 4, 3};

/* ---- Keras's cells ------------------------------------------------------------------------------------ */

/* Two steps of one sequence, two units; parameter k is sin(k + 1) / 2. */
static void test_literal(int mode, const float *y, const float *h, const float *c)
{
    static const float x[2] = {0.5f, -1}, zeros[2];
    float params[48];
    int n = gates_of[mode] * (2 + 4 + 4);
    for (int i = 0; i < n; i++) params[i] = (float)(sin(i + 1) / 2);
    op_begin("CudnnRNN");
    bt_set_string(&op_graph, 0, "rnn_mode", modes[mode]);
    op_input(BERTH_FLOAT, BT_SHAPE(2, 1, 1), x);
    op_input(BERTH_FLOAT, BT_SHAPE(1, 1, 2), zeros);
    op_input(BERTH_FLOAT, mode == 2 ? BT_SHAPE(1, 1, 2) : BT_SCALAR, zeros);
    op_input(BERTH_FLOAT, BT_SHAPE(n), params);
    CHECK(op_run() == BERTH_OK);
    CHECK(op_gives(0, BERTH_FLOAT, BT_SHAPE(2, 1, 2), y, 1e-6));
    CHECK(op_gives(1, BERTH_FLOAT, BT_SHAPE(1, 1, 2), h, 1e-6));
    if (c) CHECK(op_gives(2, BERTH_FLOAT, BT_SHAPE(1, 1, 2), c, 1e-6));
    op_end();
}

/* ---- One number at a time ----------------------------------------------------------------------------- */

typedef struct net {
    int mode, directions, layers, units, hidden, input, steps, batch;
    bool time_major, projected;
    int lengths[4];
} net;

static int total_of(const net *n)
{
    int g = gates_of[n->mode], total = 0;
    for (int layer = 0; layer < n->layers; layer++) {
        int width = layer ? n->directions * n->hidden : n->input;
        total += n->directions * (g * n->units * (width + n->hidden) + 2 * g * n->units);
        if (n->projected) total += n->directions * n->units * n->hidden;
    }
    return total;
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* sum of row `unit` of the matrix at p by x, both `width` long. */
static double row(const double *p, int unit, const double *x, int width)
{
    double sum = 0;
    for (int i = 0; i < width; i++) sum += p[unit * width + i] * x[i];
    return sum;
}

/* One step of one layer of one sequence. w, r, q: its input, state and projection matrices; b, c: its biases. */
static void step(const net *n, const double *x, int width, const double *w, const double *r, const double *q,
                 const double *b, const double *c, double *h, double *cell)
{
    double fresh[8], shrunk[8];
    int u = n->units, d = n->hidden;
    for (int j = 0; j < u; j++) {
        double in[4], back[4];
        for (int g = 0; g < gates_of[n->mode]; g++) {
            in[g] = row(w + g * u * width, j, x, width) + b[g * u + j];
            back[g] = row(r + g * u * d, j, h, d) + c[g * u + j];
        }
        if (n->mode == 0) fresh[j] = fmax(in[0] + back[0], 0);
        if (n->mode == 1) fresh[j] = tanh(in[0] + back[0]);
        if (n->mode == 2) {
            cell[j] = sigmoid(in[1] + back[1]) * cell[j] + sigmoid(in[0] + back[0]) * tanh(in[2] + back[2]);
            fresh[j] = sigmoid(in[3] + back[3]) * tanh(cell[j]);
        }
        if (n->mode == 3) {
            double z = sigmoid(in[1] + back[1]);
            fresh[j] = (1 - z) * tanh(in[2] + sigmoid(in[0] + back[0]) * back[2]) + z * h[j];
        }
    }
    for (int j = 0; n->projected && j < d; j++) shrunk[j] = row(q, j, fresh, u);
    memcpy(h, n->projected ? shrunk : fresh, (size_t)d * sizeof *h);
}

static int row_of(const net *n, int t, int b) { return n->time_major ? t * n->batch + b : b * n->steps + t; }

/* x, y: rows; h, c: [layer, batch, ...] or [batch, layer, ...]. */
static void reference(const net *n, const double *x, const double *h0, const double *c0, const double *p,
                      double *y, double *h1, double *c1)
{
    int g = gates_of[n->mode], u = n->units, d = n->hidden, all = n->layers * n->directions, from = 0;
    static double in[512], out[512];
    const double *biases = p + total_of(n) - 2 * g * u * all;
    memcpy(in, x, (size_t)(n->steps * n->batch * n->input) * sizeof *x);
    for (int k = 0; k < all; k++) {
        int way = k % n->directions, width = k < n->directions ? n->input : n->directions * d;
        const double *w = p + from, *r = w + g * u * width, *q = r + g * u * d, *b = biases + 2 * g * u * k;
        from += g * u * (width + d) + (n->projected ? u * d : 0);
        for (int s = 0; s < n->batch; s++) {
            int at = n->time_major ? k * n->batch + s : s * all + k;
            double h[8], c[8];
            memcpy(h, h0 + at * d, (size_t)d * sizeof *h);
            memcpy(c, c0 + at * u, (size_t)u * sizeof *c);
            for (int i = 0; i < n->steps; i++) {
                int t = way ? n->steps - 1 - i : i;
                bool ended = t >= n->lengths[s];
                if (!ended) step(n, in + row_of(n, t, s) * width, width, w, r, q, b, b + g * u, h, c);
                for (int j = 0; j < d; j++)
                    out[(row_of(n, t, s) * n->directions + way) * d + j] = ended ? 0 : h[j];
            }
            memcpy(h1 + at * d, h, (size_t)d * sizeof *h);
            memcpy(c1 + at * u, c, (size_t)u * sizeof *c);
        }
        if (way == n->directions - 1) memcpy(in, out, sizeof in);
    }
    memcpy(y, in, (size_t)(n->steps * n->batch * n->directions * d) * sizeof *y);
}

static net random_net(int version)
{
    net n = {.mode = (int)check_int(0, 3),
             .directions = (int)check_int(1, 2),
             .layers = (int)check_int(1, 3),
             .units = (int)check_int(1, 5),
             .input = (int)check_int(1, 4),
             .steps = (int)check_int(0, 4),
             .batch = (int)check_int(0, 3),
             .time_major = version < 3 || check_int(0, 1)};
    n.projected = version == 3 && n.mode == 2 && check_int(0, 1);
    n.hidden = n.projected ? (int)check_int(1, n.units) : n.units;
    for (int i = 0; i < 4; i++) n.lengths[i] = version == 3 ? (int)check_int(0, n.steps) : n.steps;
    return n;
}

static double *numbers(int n)
{
    double *x = malloc((size_t)(n + 1) * sizeof *x);
    for (int i = 0; i < n; i++) x[i] = check_float(-1, 1);
    return x;
}

/* The same numbers as a tensor's, to be freed. */
static void *as(berth_dtype dtype, const double *x, int n)
{
    double *y = malloc((size_t)(n + 1) * sizeof *y);
    for (int i = 0; i < n; i++)
        if (dtype == BERTH_DOUBLE) y[i] = x[i];
        else if (dtype == BERTH_FLOAT) ((float *)y)[i] = (float)x[i];
        else if (dtype == BERTH_HALF) ((uint16_t *)y)[i] = bt_float_to_half((float)x[i]);
        else ((uint16_t *)y)[i] = bt_float_to_bf16((float)x[i]);
    return y;
}

static void test_random(berth_dtype dtype, double tolerance)
{
    static const char *const ops[] = {"CudnnRNN", "CudnnRNNV2", "CudnnRNNV3"};
    int version = (int)check_int(1, 3);
    net n = random_net(version);
    int all = n.layers * n.directions, total = total_of(&n), wide = n.directions * n.hidden;
    int count[4] = {n.steps * n.batch * n.input, all * n.batch * n.hidden, all * n.batch * n.units, total};
    double *in[4], *y = numbers(n.steps * n.batch * wide), *h = numbers(count[1]), *c = numbers(count[2]);
    void *data[7];
    for (int i = 0; i < 4; i++) {
        in[i] = numbers(count[i]), data[i] = as(dtype, in[i], count[i]);
        bt_tensor t = {.dtype = dtype, .shape = BT_SHAPE(count[i]), .data = data[i]};
        for (int k = 0; k < count[i]; k++) in[i][k] = bt_tensor_number(&t, k); /* as the op sees it */
    }
    reference(&n, in[0], in[1], in[2], in[3], y, h, c);
    data[4] = as(dtype, y, n.steps * n.batch * wide), data[5] = as(dtype, h, count[1]),
    data[6] = as(dtype, c, count[2]);
    bool tm = n.time_major;
    bt_shape hs = tm ? BT_SHAPE(all, n.batch, n.hidden) : BT_SHAPE(n.batch, all, n.hidden), cs = hs;
    cs.dim[2] = n.units;
    op_begin(ops[version - 1]);
    bt_set_string(&op_graph, 0, "rnn_mode", modes[n.mode]);
    bt_set_string(&op_graph, 0, "direction", n.directions == 2 ? "bidirectional" : "unidirectional");
    bt_set_bool(&op_graph, 0, "time_major", tm);
    bt_set_int(&op_graph, 0, "num_proj", n.projected ? n.hidden : 0);
    op_input(dtype, tm ? BT_SHAPE(n.steps, n.batch, n.input) : BT_SHAPE(n.batch, n.steps, n.input), data[0]);
    op_input(dtype, hs, data[1]), op_input(dtype, n.mode == 2 ? cs : BT_SCALAR, data[2]);
    op_input(dtype, BT_SHAPE(total), data[3]);
    if (version == 3) op_input(BERTH_INT32, BT_SHAPE(n.batch), n.lengths);
    if (!CHECK(op_run() == BERTH_OK)) printf("    %s\n", op_error.message);
    bt_shape ys = tm ? BT_SHAPE(n.steps, n.batch, wide) : BT_SHAPE(n.batch, n.steps, wide);
    CHECK(op_gives(0, dtype, ys, data[4], tolerance) && op_gives(1, dtype, hs, data[5], tolerance));
    CHECK(n.mode != 2 || op_gives(2, dtype, cs, data[6], tolerance));
    op_end();
    for (int i = 0; i < 7; i++) free(data[i]);
    for (int i = 0; i < 4; i++) free(in[i]);
    free(y), free(h), free(c);
}

/* ---- What cannot be ----------------------------------------------------------------------------------- */

static berth_status refused(const char *mode, bt_shape x, bt_shape h, int n, int length, float dropout)
{
    static const float zeros[256];
    op_begin("CudnnRNNV3");
    bt_set_string(&op_graph, 0, "rnn_mode", mode);
    bt_set_float(&op_graph, 0, "dropout", dropout);
    op_input(BERTH_FLOAT, x, zeros), op_input(BERTH_FLOAT, h, zeros), op_input(BERTH_FLOAT, h, zeros);
    op_input(BERTH_FLOAT, BT_SHAPE(n), zeros), op_input(BERTH_INT32, BT_SHAPE(1), &length);
    berth_status status = op_run();
    op_end();
    return status;
}

static void test_refused(void)
{
    bt_shape x = BT_SHAPE(3, 1, 2), h = BT_SHAPE(1, 1, 2);
    CHECK(refused("lstm", x, h, 48, 3, 0) == BERTH_OK);
    CHECK(refused("lstm", x, h, 47, 3, 0) == BERTH_BAD_INPUT);
    CHECK(refused("lstm", x, h, 48, 4, 0) == BERTH_BAD_INPUT);
    CHECK(refused("lstm", x, h, 48, -1, 0) == BERTH_BAD_INPUT);
    CHECK(refused("lstm", x, h, 48, 3, 0.5f) == BERTH_UNSUPPORTED);
    CHECK(refused("rnn", x, h, 48, 3, 0) == BERTH_BAD_MODEL);
    CHECK(refused("lstm", x, BT_SHAPE(1, 2, 2), 48, 3, 0) != BERTH_OK);
    CHECK(refused("lstm", x, BT_SHAPE(1, 1, 0), 48, 3, 0) != BERTH_OK);
    CHECK(refused("lstm", BT_SHAPE(3, 1), h, 48, 3, 0) != BERTH_OK);
}

/* ---- Parameters --------------------------------------------------------------------------------------- */

static void begin_params(const char *op)
{
    static const int32_t layers = 1, units = 2, input = 3;
    op_begin(op);
    bt_set_string(&op_graph, 0, "rnn_mode", "rnn_tanh");
    op_input(BERTH_INT32, BT_SCALAR, &layers), op_input(BERTH_INT32, BT_SCALAR, &units);
    op_input(BERTH_INT32, BT_SCALAR, &input);
}

static void test_params(void)
{
    const float all[14] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    const int32_t size = 14, both = 2 * (4 * (2 * 3 + 2 * 2) + 8 * 2);
    begin_params("CudnnRNNParamsSize");
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT32, BT_SHAPE(1), &size, 0));
    op_end();
    begin_params("CudnnRNNParamsSize");
    bt_set_string(&op_graph, 0, "rnn_mode", "lstm");
    bt_set_string(&op_graph, 0, "direction", "bidirectional");
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT32, BT_SHAPE(1), &both, 0));
    op_end();
    begin_params("CudnnRNNCanonicalToParams");
    bt_set_int(&op_graph, 0, "num_params", 2);
    op_input(BERTH_FLOAT, BT_SHAPE(2, 3), all), op_input(BERTH_FLOAT, BT_SHAPE(2, 2), all + 6);
    op_input(BERTH_FLOAT, BT_SHAPE(2), all + 10), op_input(BERTH_FLOAT, BT_SHAPE(2), all + 12);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(14), all, 0));
    op_end();
    begin_params("CudnnRNNParamsToCanonicalV2");
    bt_set_int(&op_graph, 0, "num_params_weights", 2), bt_set_int(&op_graph, 0, "num_params_biases", 2);
    op_input(BERTH_FLOAT, BT_SHAPE(14), all);
    CHECK(op_run() == BERTH_OK);
    CHECK(op_gives(0, BERTH_FLOAT, BT_SHAPE(2, 3), all, 0) &&
          op_gives(1, BERTH_FLOAT, BT_SHAPE(2, 2), all + 6, 0));
    CHECK(op_gives(2, BERTH_FLOAT, BT_SHAPE(2), all + 10, 0) &&
          op_gives(3, BERTH_FLOAT, BT_SHAPE(2), all + 12, 0));
    op_end();
    begin_params("CudnnRNNParamsToCanonicalV2");
    bt_set_int(&op_graph, 0, "num_params_weights", 2), bt_set_int(&op_graph, 0, "num_params_biases", 1);
    op_input(BERTH_FLOAT, BT_SHAPE(14), all);
    CHECK(op_run() == BERTH_BAD_INPUT);
    op_end();
}

int main(void)
{
    test_literal(0, (const float[]){0.744920313f, 0.449992895f, 0, 0}, (const float[]){0, 0}, NULL);
    test_literal(1, (const float[]){0.632108748f, 0.421893179f, -0.00122621586f, -0.532762170f},
                 (const float[]){-0.00122621586f, -0.532762170f}, NULL);
    test_literal(2, (const float[]){-0.265750021f, -0.192082703f, -0.102215119f, -0.179654837f},
                 (const float[]){-0.102215119f, -0.179654837f},
                 (const float[]){-0.225798786f, -0.315988868f});
    test_literal(3, (const float[]){-0.194803730f, -0.366045743f, -0.159248486f, -0.398072720f},
                 (const float[]){-0.159248486f, -0.398072720f}, NULL);
    for (int i = 0; i < 150; i++) test_random(BERTH_FLOAT, 1e-5), test_random(BERTH_DOUBLE, 1e-12);
    for (int i = 0; i < 50; i++) test_random(BERTH_HALF, 1e-2), test_random(BERTH_BFLOAT16, 6e-2);
    test_refused();
    test_params();
    return check_done();
}
