/* cuDNN's recurrent networks as plain ops give what the op itself gives, in every mode; what is refused, and in which words. */
#include "rewrite.h"

#include "ops/cudnn.h"

typedef struct setting {
    int mode, both, skip, major, lengths, proj, layers, steps, batch, units, in, untold;
} setting;

static const char *const modes[] = {"rnn_relu", "rnn_tanh", "lstm", "gru"};

/* The network as a model; its parameters and states are constants. */
static void network(const setting *s)
{
    char attrs[768];
    bool lstm = s->mode == BT_CUDNN_LSTM;
    int directions = 1 + s->both, levels = s->layers * directions, hidden = s->proj ? s->proj : s->units;
    const int64_t h[] = {s->major ? levels : s->batch, s->major ? s->batch : levels, hidden};
    const int64_t c[] = {h[0], h[1], s->units};
    bt_cudnn r = {.mode = (bt_cudnn_mode)s->mode,
                  .gates = lstm                      ? 4
                           : s->mode == BT_CUDNN_GRU ? 3
                                                     : 1,
                  .directions = directions,
                  .skip = s->skip,
                  .proj = s->proj,
                  .projected = s->proj > 0};
    CHECK(bt_cudnn_size(&r, s->layers, s->units, s->in));
    input("x", "DT_FLOAT", DIMS(-1, -1, s->untold ? -1 : s->in)); /* then its parameters tell */
    floats("h", -1, 1, 3, h);
    floats("c", -1, 1, lstm ? 3 : 0, c);
    floats("params", -0.5f, 0.5f, DIMS(r.total));
    if (s->lengths) input("lengths", "DT_INT32", DIMS(-1));
    snprintf(attrs, sizeof attrs,
             FLOATS TEXT("rnn_mode", "%s") TEXT("input_mode", "%s") TEXT("direction", "%s")
                 ATTR("is_training", "b: false") ATTR("num_proj", "i: %d") ATTR("time_major", "b: %s"),
             modes[s->mode], s->skip ? "skip_input" : "linear_input",
             s->both ? "bidirectional" : "unidirectional", s->proj, s->major ? "true" : "false");
    node("y",
         s->lengths ? "CudnnRNNV3"
         : s->major ? "CudnnRNN"
                    : "CudnnRNNV2",
         s->lengths ? "x h c params lengths" : "x h c params", attrs);
}

static berth_tensor *lengths_of(const setting *s)
{
    berth_error error = {0};
    berth_tensor *t = berth_tensor_new(BERTH_INT32, 1, (const int64_t[]){s->batch}, &error);
    for (int i = 0; t && i < s->batch; i++)
        ((int32_t *)berth_tensor_data(t))[i] = (int32_t)check_int(0, s->steps);
    return t;
}

static void check_setting(const setting *s)
{
    static const char *const outputs[] = {"y:0", "y:1", "y:2"};
    berth_error error = {0};
    network(s);
    berth_feed feeds[2] = {
        {"x:0", rewrite_floats(DIMS(s->major ? s->steps : s->batch, s->major ? s->batch : s->steps, s->in))},
        {"lengths:0", lengths_of(s)}};
    berth_model *model = rewrite_load(&error);
    berth_model *made =
        rewrite_check(model, feeds, 1 + (size_t)s->lengths, outputs, s->mode == BT_CUDNN_LSTM ? 3 : 2, 1e-4);
    if (!CHECK(made))
        printf("    %s both %d skip %d major %d lengths %d proj %d layers %d steps %d batch %d units %d in "
               "%d %s\n",
               modes[s->mode], s->both, s->skip, s->major, s->lengths, s->proj, s->layers, s->steps, s->batch,
               s->units, s->in, error.message);
    if (made) CHECK_EQ(rewrite_count(made, "StatelessWhile"), s->layers * (1 + s->both));
    berth_model_free(made), berth_model_free(model);
    berth_tensor_free(feeds[0].tensor), berth_tensor_free(feeds[1].tensor);
}

static void test_settings(void)
{
    for (int round = 0; round < 96; round++) {
        setting s = {.mode = round % 4,
                     .both = round / 4 % 2,
                     .skip = check_int(0, 3) == 0,
                     .major = (int)check_int(0, 1),
                     .lengths = round / 8 % 2,
                     .layers = (int)check_int(1, 3),
                     .steps = (int)check_int(1, 6),
                     .batch = (int)check_int(1, 4),
                     .units = (int)check_int(1, 6),
                     .in = (int)check_int(1, 5)};
        s.untold = !s.skip && check_int(0, 2) == 0;
        if (s.skip) s.in = s.units;
        if (s.mode == BT_CUDNN_LSTM && check_int(0, 2) == 0) s.proj = (int)check_int(1, s.units);
        if (!s.lengths) s.major = 1; /* V1 and V2 are always so */
        check_setting(&s);
    }
}

static void test_memory(void)
{
    berth_error error = {0};
    network(&(setting){
        .mode = BT_CUDNN_GRU, .major = 1, .layers = 1, .steps = 2, .batch = 1, .units = 2, .in = 2});
    rewrite_torture(rewrite_load(&error));
}

static void test_refused(void)
{
    berth_error error = {0};
    input("x", "DT_FLOAT", DIMS(-1, -1, 3));
    input("h", "DT_FLOAT", DIMS(-1, -1, -1));
    input("params", "DT_FLOAT", DIMS(-1));
    node("y", "CudnnRNN", "x h h params", FLOATS TEXT("rnn_mode", "gru") ATTR("is_training", "b: false"));
    rewrite_refused(rewrite_load(&error), "node 'y' (CudnnRNN): the sizes");
}

int main(void)
{
    test_settings();
    test_memory();
    test_refused();
    return check_done();
}
