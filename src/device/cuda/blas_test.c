/* Products by a library that stands in for cuBLASLt (tests/standin/lt.c): each kind of them is looked up once, what fails is
 * never tried again, a bias is the call's own, recordings hold them, nothing stays behind. */
#include "library_trial.h"

enum { M = 5, N = 4, K = 3, SIZE = 64 };

/* The block holds four matrices, SIZE floats each: a, b, bias, y. */
static const bt_gemm what = {.m = M,
                             .n = N,
                             .k = K,
                             .batch = 1,
                             .type = BERTH_FLOAT,
                             .out = BERTH_FLOAT,
                             .align = 16,
                             .has_bias = 1,
                             .relu = 1};

/* Whether it was done; then y is what it must be, for this bias. */
static bool multiply(int bias)
{
    size_t bytes = 0;
    const bt_gemm_plan *plan = gpu->ops->gemm_plan(gpu, &what, &bytes);
    if (!plan) return false;
    void *workspace = bytes ? bt_device_alloc(gpu, bytes, &failure) : NULL;
    bt_gemm_data data = {.a = block,
                         .b = block + SIZE,
                         .bias = block + 2 * SIZE + bias,
                         .y = block + 3 * SIZE,
                         .workspace = workspace};
    bool is_done = gpu->ops->gemm(gpu, plan, &data);
    float y[M * N];
    library_read(y, data.y, M * N);
    for (int i = 0; i < M * N && is_done; i++) {
        float sum = host[2 * SIZE + bias + i % N];
        for (int l = 0; l < K; l++) sum += host[i / N * K + l] * host[SIZE + l * N + i % N];
        CHECK_EQ(y[i], sum < 0 ? 0 : sum);
    }
    bt_device_free(gpu, workspace, bytes);
    return is_done;
}

static bool multiply_plainly(void) { return multiply(0); }

static void test_once(void)
{
    begin();
    int64_t lookups = library->lookups, products = library->done;
    for (int i = 0; i < 3; i++) CHECK(multiply(4 * i));
    CHECK_EQ(library->lookups, lookups + 1);
    CHECK_EQ(library->done, products + 3);
    end();
}

/* Working memory is what the library wants, and none where none is to be had. */
static void test_workspace(void)
{
    size_t bytes = 0;
    bt_gemm without = what;
    without.no_workspace = 1;
    setenv("STANDIN_LT_WORKSPACE", "5000", 1);
    begin();
    CHECK(multiply(0));
    CHECK(gpu->ops->gemm_plan(gpu, &what, &bytes) && bytes == 5000);
    CHECK(gpu->ops->gemm_plan(gpu, &without, &bytes) && bytes == 0);
    CHECK_EQ(gpu->peak, (int64_t)sizeof host + 5000);
    end();
    unsetenv("STANDIN_LT_WORKSPACE");
}

static void test_failures(void)
{
    static const char *const steps[] = {"create", "choose", "product"};
    library_failures("STANDIN_LT", steps, 3, multiply_plainly);
}

static void test_recording(void)
{
    size_t bytes;
    begin();
    CHECK(multiply(0));
    int64_t products = library->done;
    const bt_gemm_plan *plan = gpu->ops->gemm_plan(gpu, &what, &bytes);
    bt_gemm_data data = {.a = block, .b = block + SIZE, .bias = block + 2 * SIZE, .y = block + 3 * SIZE};
    CHECK_EQ(gpu->ops->record(gpu, &failure), BERTH_OK);
    CHECK(gpu->ops->gemm(gpu, plan, &data));
    bt_recording *recording = gpu->ops->recorded(gpu, &failure);
    float y[M * N], again[M * N], none[M * N] = {0};
    if (CHECK(recording)) {
        CHECK_EQ(gpu->ops->download(gpu, y, data.y, sizeof y, &failure), BERTH_OK);
        CHECK_EQ(gpu->ops->upload(gpu, data.y, none, sizeof none, &failure), BERTH_OK);
        CHECK_EQ(gpu->ops->replay(gpu, recording, &failure), BERTH_OK);
        library_read(again, data.y, M * N);
        CHECK(!memcmp(y, again, sizeof y));
        gpu->ops->forget(gpu, recording);
    }
    CHECK_EQ(library->done, products + 1);
    end();
}

int main(void)
{
    if (!library_open(STANDIN_LT, "standin_lt_counts")) return check_done();
    test_once();
    test_workspace();
    test_failures();
    test_recording();
    return check_done();
}
