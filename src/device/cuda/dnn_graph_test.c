/* What the real cuDNN makes of our graphs, where it is installed: for an H100 that is described to it, so that no GPU is needed.
 * Nothing is computed. BERTH_CUDNN may name the library. */
#include <dlfcn.h>

#include "device/cuda/dnn_graph.h"
#include "simd/vec.h"

#include "check.h"

static const char h100[] =
    "{\"cudaDeviceId\":0,\"deviceName\":\"NVIDIA "
    "H100\",\"deviceVer\":900,\"driverVer\":13000,\"isTccDriver\":0,"
    "\"l2CacheSize\":52428800,\"maxCtasPerSM\":32,\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":"
    "49152,"
    "\"maxSharedMemoryPerBlockOptin\":232448,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,"
    "\"memClockRateKHz\":2619000,\"multiProcessorCount\":132,\"pciDeviceId\":9008,\"regsPerBlock\":65536,"
    "\"reservedSharedMemoryPerBlock\":1024,\"smClockRateKHz\":1980000,\"supportCoopLaunch\":1,"
    "\"totalGlobalMem\":85000000000,\"warpSize\":32,\"maxGridSize\":[2147483647,65535,65535],"
    "\"maxBlockSize\":[1024,1024,64]}";

static bt_dnn_library dnn;
static dnn_desc device;

/* False: there is no library, or none that takes a description. */
static bool open_library(void)
{
    void *library = bt_cu_open_library("BERTH_CUDNN", "libcudnn", 9);
    if (!library) return false;
#define X(result, name, arguments) \
    if (!CHECK(dnn.name = (result(*) arguments)dlsym(library, #name))) return false;
    BT_DNN_FUNCTIONS(X)
#undef X
    return !dnn.cudnnBackendCreateDescriptor(DNN_DEVICE, &device) &&
           !dnn.cudnnBackendSetAttribute(device, DNN_DEVICE_JSON, DNN_IS_CHAR, sizeof h100 - 1, h100) &&
           !dnn.cudnnBackendFinalize(device);
}

/* A 3 x 3 convolution of 32 images, padded on all sides. */
static bt_conv square(berth_dtype type, bool tf32, int64_t size, int64_t in_c, int64_t out_c)
{
    return (bt_conv){.batch = 32,
                     .in_c = in_c,
                     .out_c = out_c,
                     .groups = 1,
                     .in = {1, size, size},
                     .out = {1, size, size},
                     .filter = {1, 3, 3},
                     .stride = {1, 1, 1},
                     .dilation = {1, 1, 1},
                     .before = {0, 1, 1},
                     .type = type,
                     .align = 16,
                     .tf32 = tf32};
}

static void has_plan(const char *name, bt_conv what)
{
    bt_dnn_plan plan;
    int64_t most = bt_conv_workspace(&what);
    if (!CHECK(bt_dnn_plan_new(&dnn, NULL, device, &what, most, &plan)))
        return (void)printf("    %s of dtype %u, tf32 %d\n", name, what.type, what.tf32);
    CHECK(plan.workspace >= 0 && plan.workspace <= most);
    bt_dnn_plan_free(&dnn, &plan);
}

/* What networks are made of; with what follows it. */
static void test_type(berth_dtype type, bool tf32)
{
    bt_conv c = square(type, tf32, 56, 64, 64), stem = square(type, tf32, 224, 3, 64),
            step = square(type, tf32, 56, 128, 128);
    has_plan("plain", c);
    c.has_bias = 1;
    has_plan("with a bias", c);
    c.activation = BT_VEC_RELU;
    has_plan("with a bias and a Relu", c);
    c.activation = BT_VEC_CLAMP, c.high = 6;
    if (type == BERTH_FLOAT) has_plan("with a bias and a Relu6", c);
    c.activation = BT_VEC_RELU, c.high = 0, c.has_add = 1;
    has_plan("with an addition, a bias and a Relu", c);
    stem.filter[1] = stem.filter[2] = 7, stem.stride[1] = stem.stride[2] = 2, stem.out[1] = stem.out[2] = 112;
    stem.before[1] = stem.before[2] = 2; /* 3 behind */
    has_plan("7 x 7, every second pixel", stem);
    step.stride[1] = step.stride[2] = 2, step.out[1] = step.out[2] = 28,
    step.before[1] = step.before[2] = 0; /* 1 behind */
    has_plan("3 x 3, every second pixel", step);
    step.filter[1] = step.filter[2] = 1;
    has_plan("1 x 1, every second pixel", step);
    c = square(type, tf32, 28, 64, 64), c.groups = 4;
    has_plan("in groups", c);
    c = square(type, tf32, 28, 64, 64), c.dilation[1] = c.dilation[2] = c.before[1] = c.before[2] = 2;
    has_plan("dilated", c);
    c = square(type, tf32, 14, 32, 32), c.in[0] = c.out[0] = 8, c.filter[0] = 3, c.before[0] = 1;
    has_plan("of volumes", c);
    c = square(type, tf32, 17, 13, 7), c.align = 4;
    has_plan("of odd sizes", c);
}

static void test_refused(void)
{
    bt_dnn_plan plan;
    bt_conv c = square(BERTH_FLOAT, false, 8, 4, 4);
    c.activation = BT_VEC_SELU;
    CHECK(!bt_dnn_plan_new(&dnn, NULL, device, &c, 1 << 20, &plan) && plan.n == 0);
    c.activation = BT_VEC_COPY, c.out[1] = 3; /* not what the sizes give */
    CHECK(!bt_dnn_plan_new(&dnn, NULL, device, &c, 1 << 20, &plan) && plan.n == 0);
}

int main(void)
{
    if (!open_library())
        return printf("skipped: there is no cuDNN that plans for a GPU by its description\n"), 77;
    test_type(BERTH_FLOAT, false);
    test_type(BERTH_FLOAT, true);
    test_type(BERTH_HALF, false);
    test_type(BERTH_BFLOAT16, false);
    test_refused();
    dnn.cudnnBackendDestroyDescriptor(device);
    return check_done();
}
