/* Devices with kernels of their own: copies, the dialect's types and groups, kernels from several threads, errors, and that all
 * memory comes back. On a GPU, with a CPU runtime of OpenCL (PoCL) where there is none, and on the driver that stands in for
 * CUDA's; says so and passes where there is none of them. */
#include <pthread.h>

#include "device/device.h"
#include "simd/simd.h"

#include "check.h"

static bt_device *gpu;
static berth_error failure;

#define COPY(direction, to, from, bytes) \
    CHECK_EQ(gpu->ops->direction(gpu, to, from, bytes, &failure), BERTH_OK)

static bool run(const char *source, const char *defines, const char *name, bt_grid grid, const bt_arg *args,
                int n)
{
    bt_kernel *k = gpu->ops->compile(gpu, source, defines, name, &failure);
    bool ok = CHECK(k) && CHECK_EQ(gpu->ops->launch(gpu, k, &grid, args, n, &failure), BERTH_OK);
    if (!ok) printf("    %s\n", failure.message);
    return ok;
}

static void test_copies(void)
{
    enum { N = 100003 };
    uint8_t *host = bt_alloc(N), *back = bt_calloc(N, 1);
    uint8_t *a = bt_device_alloc(gpu, N, &failure), *b = bt_device_alloc(gpu, N, &failure);
    CHECK((uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0);
    CHECK_EQ(gpu->in_use, 2 * N);
    for (int i = 0; i < N; i++) host[i] = (uint8_t)check_random();
    COPY(upload, a, host, N);
    COPY(copy, b, a + 1, N - 1);
    COPY(download, back + 1, b, N - 1);
    COPY(upload, a, host, 0);
    CHECK_EQ(gpu->ops->sync(gpu, &failure), BERTH_OK);
    CHECK(!memcmp(back + 1, host + 1, N - 1));
    bt_device_free(gpu, a, N);
    bt_device_free(gpu, b, N);
    CHECK_EQ(gpu->in_use, 0);
    gpu->limit = 1000;
    CHECK(!bt_device_alloc(gpu, 1001, &failure) && failure.status == BERTH_DEVICE &&
          strstr(failure.message, "/GPU:0"));
    bt_error_clear(&failure);
    gpu->limit = 0;
    bt_free(host);
    bt_free(back);
}

/* Every bit pattern of a narrow float to float and back, and floats to it. */
static const char narrow_source[] = "KERNEL void widen(GLOBAL const T *x, GLOBAL T1 *y, I64 n)\n"
                                    "{ EACH(0, i, n) STORE1(y, i, LOAD(x, i)); }\n"
                                    "KERNEL void narrow(GLOBAL const T1 *x, GLOBAL T *y, I64 n)\n"
                                    "{ EACH(0, i, n) STORE(y, i, LOAD1(x, i)); }\n";

static void test_narrow(const char *defines, bool half)
{
    enum { N = 65536 };
    uint16_t *bits = bt_alloc(N * 2), *device_bits = bt_device_alloc(gpu, N * 2, &failure);
    float *wide = bt_alloc(N * 4), *device_wide = bt_device_alloc(gpu, N * 4, &failure);
    bt_grid grid = {{256, 1, 1}, {0}};
    for (int i = 0; i < N; i++) bits[i] = (uint16_t)i;
    COPY(upload, device_bits, bits, N * 2);
    bt_arg args[] = {{BT_ARG_POINTER, .pointer = device_bits},
                     {BT_ARG_POINTER, .pointer = device_wide},
                     {BT_ARG_LONG, .l = N}};
    run(narrow_source, defines, "widen", grid, args, 3);
    COPY(download, wide, device_wide, N * 4);
    gpu->ops->sync(gpu, NULL);
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    float *want = bt_alloc(N * 4);
    uint16_t *want_bits = bt_alloc(N * 2);
    (half ? vec->half_to_float : vec->bf16_to_float)(want, bits, N);
    for (int i = 0; i < N; i++) CHECK_CLOSE(wide[i], want[i], 0);
    for (int i = 0; i < N; i++) wide[i] = ldexpf((float)check_int(-4095, 4095), (int)check_int(-40, 10));
    wide[0] = INFINITY, wide[1] = 65519.9f, wide[2] = 65520, wide[3] = -0.0f;
    COPY(upload, device_wide, wide, N * 4);
    args[0].pointer = device_wide, args[1].pointer = device_bits;
    run(narrow_source, defines, "narrow", grid, args, 3);
    COPY(download, bits, device_bits, N * 2);
    gpu->ops->sync(gpu, NULL);
    (half ? vec->float_to_half : vec->float_to_bf16)(want_bits, wide, N);
    for (int i = 0; i < N; i++) CHECK_EQ(bits[i], want_bits[i]);
    bt_device_free(gpu, device_bits, N * 2);
    bt_device_free(gpu, device_wide, N * 4);
    bt_free(bits);
    bt_free(wide);
    bt_free(want);
    bt_free(want_bits);
}

/* y[group] = sum of the group's ids + by.a; memory of a group, barriers, a struct. */
static const char group_source[] = "typedef struct pair { I64 a, b; } pair;\n"
                                   "KERNEL void sums(GLOBAL float *y, pair by)\n"
                                   "{\n"
                                   "    LOCAL float part[64];\n"
                                   "    part[LID(0)] = GID(0);\n"
                                   "    BARRIER;\n"
                                   "    for (int m = 32; m > 0; m /= 2) {\n"
                                   "        if (LID(0) < m) part[LID(0)] += part[LID(0) + m];\n"
                                   "        BARRIER;\n"
                                   "    }\n"
                                   "    if (LID(0) == 0) y[WGID(0)] = part[0] + by.a + by.b;\n"
                                   "}\n";

static void test_groups(void)
{
    enum { GROUPS = 100 };
    int64_t by[2] = {1000, 7};
    float y[GROUPS], *device_y = bt_device_alloc(gpu, sizeof y, &failure);
    run(group_source, "", "sums", (bt_grid){{GROUPS * 64, 1, 1}, {64, 1, 1}},
        (bt_arg[]){{BT_ARG_POINTER, .pointer = device_y}, {BT_ARG_BYTES, .bytes = {by, sizeof by}}}, 2);
    COPY(download, y, device_y, sizeof y);
    gpu->ops->sync(gpu, NULL);
    for (int i = 0; i < GROUPS; i++) CHECK_CLOSE(y[i], 64.0 * 64 * i + 63 * 32 + 1007, 0);
    bt_device_free(gpu, device_y, sizeof y);
}

static const char add_source[] =
    "KERNEL void add(GLOBAL float *y, I64 n, float by) { EACH(0, i, n) y[i] += by; }\n";

static void *add_often(void *user)
{
    enum { N = 1000 };
    float y[N] = {0}, by = (float)(uintptr_t)user, *device_y = bt_device_alloc(gpu, sizeof y, &failure);
    COPY(upload, device_y, y, sizeof y);
    for (int i = 0; i < 50; i++)
        run(add_source, "", "add", (bt_grid){{10, 1, 1}, {0}},
            (bt_arg[]){{BT_ARG_POINTER, .pointer = device_y}, {BT_ARG_LONG, .l = N}, {BT_ARG_FLOAT, .f = by}},
            3);
    COPY(download, y, device_y, sizeof y);
    gpu->ops->sync(gpu, NULL);
    for (int i = 0; i < N; i++) CHECK_CLOSE(y[i], 50 * by, 0);
    bt_device_free(gpu, device_y, sizeof y);
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, add_often, (void *)(i + 1));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

static void test_errors(void)
{
    static const char bad[] = "KERNEL void f(GLOBAL float *y)\n{\n    y[0] = no_such_name;\n}\n";
    CHECK(!gpu->ops->compile(gpu, bad, "", "f", &failure) && failure.status == BERTH_DEVICE);
    CHECK(strstr(failure.message, "no_such_name"));
    bt_error_clear(&failure);
    CHECK(!gpu->ops->compile(gpu, add_source, "", "absent", &failure) && strstr(failure.message, "absent"));
    bt_error_clear(&failure);
}

int main(void)
{
    setenv("BERTH_OPENCL", "cpu", 0);
    bt_registry *registry = bt_registry_new(&failure);
    gpu = registry ? bt_registry_find(registry, "/GPU:0", &failure) : NULL;
    if (!gpu) {
        printf("skipped: %s\n", failure.message);
        bt_registry_free(registry);
        return 0;
    }
    bt_device_props props;
    CHECK_EQ(gpu->ops->info(gpu, &props, &failure), BERTH_OK);
    CHECK(props.model[0] && props.detail[0] && 0 < props.memory_free &&
          props.memory_free <= props.memory_total);
    CHECK(!gpu->physical->state); /* what its kernels are like is known before it is used: it decides on workspace */
    const char *opencl = gpu->ops == &bt_opencl_ops ? getenv("BERTH_OPENCL") : "";
    CHECK(props.is_cpu_shaped == gpu->is_cpu_shaped && (strcmp(opencl, "cpu") || gpu->is_cpu_shaped));
    test_copies();
    test_narrow("-DDT=f16 -DDT1=f32", true);
    test_narrow("-DDT=bf16 -DDT1=f32", false);
    test_groups();
    test_threads();
    test_errors();
    CHECK_EQ(gpu->in_use, 0);
    bt_registry_free(registry);
    return check_done();
}
