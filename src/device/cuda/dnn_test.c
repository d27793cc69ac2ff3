/* Convolutions by a library that stands in for cuDNN (tests/standin/dnn.c): each kind of them is looked up once, what fails is
 * never tried again, recordings hold them and look nothing up, nothing stays behind. */
#include "simd/vec.h"

#include "library_trial.h"

/* One image [IN][IN][IN_C], a filter [OUT_C][2][2][IN_C], padded behind alone, every second pixel. */
enum { IN = 5, OUT = 3, IN_C = 3, OUT_C = 4, SIZE = 128 };

/* The block holds five tensors, SIZE floats each: x, w, bias, add, y. */
static const bt_conv what = {.batch = 1,
                             .in_c = IN_C,
                             .out_c = OUT_C,
                             .groups = 1,
                             .in = {1, IN, IN},
                             .out = {1, OUT, OUT},
                             .filter = {1, 2, 2},
                             .stride = {1, 2, 2},
                             .dilation = {1, 1, 1},
                             .type = BERTH_FLOAT,
                             .align = 16,
                             .activation = BT_VEC_RELU,
                             .has_add = 1,
                             .has_bias = 1};

static float expected(int i, int j, int k)
{
    float sum = host[2 * SIZE + k] + host[3 * SIZE + (i * OUT + j) * OUT_C + k];
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 2; b++)
            for (int c = 0; c < IN_C && 2 * i + a < IN && 2 * j + b < IN; c++)
                sum += host[((2 * i + a) * IN + 2 * j + b) * IN_C + c] *
                       host[SIZE + ((k * 2 + a) * 2 + b) * IN_C + c];
    return sum < 0 ? 0 : sum;
}

static bt_conv_data data_of(void *workspace)
{
    return (bt_conv_data){.x = block,
                          .w = block + SIZE,
                          .bias = block + 2 * SIZE,
                          .add = block + 3 * SIZE,
                          .y = block + 4 * SIZE,
                          .workspace = workspace};
}

/* Whether y is what it must be. */
static bool is_right(void)
{
    float y[OUT * OUT * OUT_C];
    bool right = true;
    library_read(y, block + 4 * SIZE, OUT * OUT * OUT_C);
    for (int i = 0; i < OUT * OUT * OUT_C; i++)
        right = right && y[i] == expected(i / OUT_C / OUT, i / OUT_C % OUT, i % OUT_C);
    return right;
}

/* Whether it was done; then it is right. */
static bool convolve(void)
{
    size_t bytes = 0;
    const bt_conv_plan *plan = gpu->ops->conv_plan(gpu, &what, &bytes);
    if (!plan) return false;
    void *workspace = bytes ? bt_device_alloc(gpu, bytes, &failure) : NULL;
    bt_conv_data data = data_of(workspace);
    bool is_done = gpu->ops->conv(gpu, plan, &data);
    if (is_done) CHECK(is_right());
    bt_device_free(gpu, workspace, bytes);
    return is_done;
}

static void test_once(void)
{
    begin();
    int64_t lookups = library->lookups, convolutions = library->done;
    for (int i = 0; i < 3; i++) CHECK(convolve());
    CHECK_EQ(library->lookups, lookups + 1);
    CHECK_EQ(library->done, convolutions + 3);
    end();
}

/* Working memory is what the library wants, and none where none is to be had; what wants too much is passed over. */
static void test_workspace(void)
{
    size_t bytes = 0;
    bt_conv without = what;
    without.no_workspace = 1;
    setenv("STANDIN_DNN_WORKSPACE", "5000", 1);
    begin();
    CHECK(convolve());
    CHECK(gpu->ops->conv_plan(gpu, &what, &bytes) && bytes == 5000);
    CHECK(gpu->ops->conv_plan(gpu, &without, &bytes) && bytes == 0);
    CHECK_EQ(gpu->peak, (int64_t)sizeof host + 5000);
    end();
    setenv("STANDIN_DNN_WORKSPACE", "1000000000", 1);
    begin();
    CHECK(gpu->ops->conv_plan(gpu, &what, &bytes) && bytes == 0);
    end();
    unsetenv("STANDIN_DNN_WORKSPACE");
}

static void test_failures(void)
{
    static const char *const steps[] = {"create", "fuse", "choose", "plan", "run"};
    library_failures("STANDIN_DNN", steps, 5, convolve);
}

static void test_types(void)
{
    static const berth_dtype others[] = {BERTH_DOUBLE, BERTH_INT32};
    size_t bytes = 0;
    begin();
    for (int i = 0; i < 2; i++) {
        bt_conv other = what;
        other.type = others[i];
        CHECK(!gpu->ops->conv_plan(gpu, &other, &bytes));
    }
    bt_conv strange = what;
    strange.activation = BT_VEC_SELU;
    CHECK(!gpu->ops->conv_plan(gpu, &strange, &bytes));
    end();
}

static void test_recording(void)
{
    size_t bytes;
    float none[OUT * OUT * OUT_C] = {0};
    bt_conv other = what;
    other.has_bias = 0;
    begin();
    CHECK_EQ(gpu->ops->record(gpu, &failure), BERTH_OK);
    CHECK(!gpu->ops->conv_plan(gpu, &what, &bytes)); /* nothing is made now */
    gpu->ops->forget(gpu, gpu->ops->recorded(gpu, &failure));
    CHECK(convolve());
    int64_t convolutions = library->done, lookups = library->lookups;
    bt_conv_data data = data_of(NULL);
    CHECK_EQ(gpu->ops->record(gpu, &failure), BERTH_OK);
    CHECK(!gpu->ops->conv_plan(gpu, &other, &bytes));
    const bt_conv_plan *plan = gpu->ops->conv_plan(gpu, &what, &bytes);
    CHECK(plan && gpu->ops->conv(gpu, plan, &data));
    bt_recording *recording = gpu->ops->recorded(gpu, &failure);
    if (CHECK(recording)) {
        CHECK_EQ(gpu->ops->upload(gpu, data.y, none, sizeof none, &failure), BERTH_OK);
        CHECK(!is_right());
        CHECK_EQ(gpu->ops->replay(gpu, recording, &failure), BERTH_OK);
        CHECK(is_right());
        gpu->ops->forget(gpu, recording);
    }
    CHECK_EQ(library->done, convolutions + 1);
    CHECK_EQ(library->lookups, lookups);
    end();
}

int main(void)
{
    if (!library_open(STANDIN_DNN, "standin_dnn_counts")) return check_done();
    test_once();
    test_workspace();
    test_failures();
    test_types();
    test_recording();
    return check_done();
}
