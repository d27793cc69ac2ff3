/* Recurrent cells, and cuDNN's networks, on a device against the CPU. */
#include "gpu_trial.h"

static void input(berth_dtype dtype, bt_shape shape) { gpu_input(dtype, shape, -1, 1); }

static void end(berth_dtype dtype)
{
    gpu_agrees(dtype == BERTH_FLOAT ? 1e-5 : 24 * gpu_ulp(dtype));
    op_end();
}

static void test_lstm(const char *name, berth_dtype dtype, bool peep, int64_t steps)
{
    int64_t batch = check_int(1, 5), n = check_int(1, 9), cells = check_int(1, 40);
    const int64_t used = check_int(0, steps);
    bool block = bt_starts(name, "Block");
    op_begin(name);
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_bool(&op_graph, 0, "use_peephole", peep);
    bt_set_float(&op_graph, 0, "cell_clip", 0.8f);
    if (block) op_input(BERTH_INT64, BT_SCALAR, &used);
    input(dtype, block ? BT_SHAPE(steps, batch, n) : BT_SHAPE(batch, n));
    for (int i = 0; i < 2; i++) input(dtype, BT_SHAPE(batch, cells));
    input(dtype, BT_SHAPE(n + cells, 4 * cells));
    for (int i = 0; i < 3; i++) input(dtype, BT_SHAPE(cells));
    input(dtype, BT_SHAPE(4 * cells));
    end(dtype);
}

static void test_gru(berth_dtype dtype)
{
    int64_t batch = check_int(1, 5), n = check_int(1, 9), cells = check_int(1, 40);
    op_begin("GRUBlockCell");
    bt_set_type(&op_graph, 0, "T", dtype);
    input(dtype, BT_SHAPE(batch, n));
    input(dtype, BT_SHAPE(batch, cells));
    input(dtype, BT_SHAPE(n + cells, 2 * cells));
    input(dtype, BT_SHAPE(n + cells, cells));
    input(dtype, BT_SHAPE(2 * cells));
    input(dtype, BT_SHAPE(cells));
    end(dtype);
}

/* kind: 0 plain, 1 both ways, 2 with lengths, 3 skipping the input's product, 4 projected. */
static void test_cudnn(int mode, int kind, berth_dtype dtype)
{
    static const char *const modes[] = {"rnn_relu", "rnn_tanh", "lstm", "gru"};
    static const int gates_of[] = {1, 1, 4, 3};
    int64_t steps = check_int(1, 5), batch = check_int(1, 3), units = check_int(2, 9), in = kind == 3 ? units : check_int(1, 6);
    int64_t both = kind == 1 ? 2 : 1, layers = check_int(1, 3), hidden = kind == 4 ? units - 1 : units, g = gates_of[mode], total = 0;
    bool major = check_int(0, 1);
    for (int64_t layer = 0; layer < layers; layer++) {
        int64_t width = layer ? both * hidden : kind == 3 ? 0 : in;
        total += both * (g * units * (width + hidden) + 2 * g * units + (kind == 4 ? units * hidden : 0));
    }
    int32_t lengths[3];
    for (int i = 0; i < 3; i++) lengths[i] = (int32_t)check_int(0, steps);
    op_begin(kind == 2 ? "CudnnRNNV3" : "CudnnRNN");
    bt_set_type(&op_graph, 0, "T", dtype);
    bt_set_string(&op_graph, 0, "rnn_mode", modes[mode]);
    bt_set_string(&op_graph, 0, "direction", both == 2 ? "bidirectional" : "unidirectional");
    bt_set_string(&op_graph, 0, "input_mode", kind == 3 ? "skip_input" : "linear_input");
    bt_set_bool(&op_graph, 0, "time_major", major);
    bt_set_int(&op_graph, 0, "num_proj", kind == 4 ? hidden : 0);
    bt_shape state = major ? BT_SHAPE(both * layers, batch, hidden) : BT_SHAPE(batch, both * layers, hidden), cells = state;
    cells.dim[2] = units;
    input(dtype, major ? BT_SHAPE(steps, batch, in) : BT_SHAPE(batch, steps, in));
    input(dtype, state);
    input(dtype, mode == 2 ? cells : BT_SCALAR);
    /* Unbounded cells with larger weights grow from step to step, and the roundings of halves with them. */
    double most = mode ? 1 : 0.5;
    gpu_input(dtype, BT_SHAPE(total), -most, most);
    if (kind == 2) op_input(BERTH_INT32, BT_SHAPE(batch), lengths);
    end(dtype);
}

int main(void)
{
    static const berth_dtype dtypes[] = {BERTH_FLOAT, BERTH_HALF, BERTH_BFLOAT16};
    if (!gpu_open()) return 0;
    for (int i = 0; i < 4; i++) {
        test_lstm("LSTMBlockCell", dtypes[i % 2], i & 2, 1);
        test_lstm("BlockLSTM", dtypes[i % 2], i & 2, 5);
        test_lstm("BlockLSTMV2", dtypes[i % 2], i & 2, 4);
        test_gru(dtypes[i % 2]);
        for (int kind = 0; kind < 5; kind++)
            if (kind < 4 || i == 2) test_cudnn(i, kind, dtypes[kind % 3]);
    }
    gpu_close();
    return check_done();
}
