/* CUDA as a device: its context, memory, and what it says of itself. Copies are in staging.c, kernels in program.c. */
#include "device/cuda/cuda.h"

#include <stdatomic.h>
#include <stdio.h>

berth_status bt_cu_fail(const bt_device *device, const char *what, cu_result code, berth_error *error)
{
    const char *name = NULL;
    bt_cu_library_get()->cuGetErrorName(code, &name);
    return bt_fail(error, BERTH_DEVICE, "%s: %s failed: %s (%u)", device->name, what,
                   name ? name : "an unknown error", code);
}

static int cuda_count(void) { return bt_cu_library_get()->n_devices; }

/* Several attributes, up to one that is 0. */
static cu_result ask(cu_device id, const unsigned *which, int *values)
{
    cu_result code = CU_OK;
    for (int i = 0; which[i] && !code; i++)
        code = bt_cu_library_get()->cuDeviceGetAttribute(&values[i], which[i], id);
    return code;
}

static uint64_t cuda_address(int ordinal)
{
    static const unsigned which[] = {CU_PCI_DOMAIN_ID, CU_PCI_BUS_ID, CU_PCI_DEVICE_ID, 0};
    int at[3];
    cu_device id;
    if (bt_cu_library_get()->cuDeviceGet(&id, ordinal) || ask(id, which, at)) return 0;
    return bt_pci_address((unsigned)at[0], (unsigned)at[1], (unsigned)at[2], 0);
}

/* ---- Opening ------------------------------------------------------------------------------------------ */

cu_result bt_cu_enter(const bt_cu_device *d) { return d->cu->cuCtxPushCurrent_v2(d->context); }

void bt_cu_leave(const bt_cu_device *d)
{
    cu_context ignored;
    d->cu->cuCtxPopCurrent_v2(&ignored);
}

/* What cannot be waited for is left to the end of the context. */
static void close_device(bt_cu_device *d)
{
    bool is_inside = d->context && !bt_cu_enter(d),
         is_idle = is_inside && !(d->stream && d->cu->cuStreamSynchronize(d->stream)) &&
                   !(d->second && d->cu->cuStreamSynchronize(d->second));
    if (is_idle) bt_cu_slots_free(d);
    if (is_idle && d->origin) d->cu->cuEventDestroy_v2(d->origin);
    bt_cu_dnn_free(d, is_idle);
    bt_cu_blas_free(d, is_idle);
    bt_cu_programs_free(d, is_idle);
    if (is_idle && d->stream) d->cu->cuStreamDestroy_v2(d->stream);
    if (is_idle && d->second) d->cu->cuStreamDestroy_v2(d->second);
    if (is_idle && d->meeting) d->cu->cuEventDestroy_v2(d->meeting);
    if (is_inside) bt_cu_leave(d);
    if (d->context) d->cu->cuDevicePrimaryCtxRelease_v2(d->id);
    pthread_mutex_destroy(&d->staging);
    pthread_mutex_destroy(&d->clock);
    pthread_mutex_destroy(&d->programs_lock);
    pthread_mutex_destroy(&d->compiling);
    bt_free(d);
}

/* The device's primary context, which libraries of the same process share, and a stream of our own. */
static cu_result open_context(bt_cu_device *d, int ordinal)
{
    static const unsigned which[] = {CU_COMPUTE_CAPABILITY_MAJOR, CU_COMPUTE_CAPABILITY_MINOR,
                                     CU_MAX_THREADS_PER_BLOCK, 0};
    int values[3];
    cu_result code = d->cu->cuDeviceGet(&d->id, ordinal);
    if (!code) code = ask(d->id, which, values);
    if (code) return code;
    d->arch = 10 * values[0] + values[1], d->max_group = (size_t)values[2];
    int64_t before = bt_cu_free_bytes(d->id);
    code = d->cu->cuDevicePrimaryCtxRetain(&d->context, d->id);
    if (code) return d->context = NULL, code;
    if ((code = bt_cu_enter(d))) return code;
    code = d->cu->cuStreamCreate(&d->stream, CU_NON_BLOCKING);
    if (code) d->stream = NULL;
    bt_cu_leave(d);
    int64_t after = before < 0 ? -1 : bt_cu_free_bytes(d->id);
    if (after >= 0 && after < before) d->context_bytes = before - after;
    return code;
}

static bt_cu_device *open_device(bt_device *device, berth_error *error)
{
    bt_cu_device *d = bt_calloc(1, sizeof *d);
    if (!d) return bt_fail_memory(error), NULL;
    d->cu = bt_cu_library_get();
    pthread_mutex_init(&d->staging, NULL);
    pthread_mutex_init(&d->clock, NULL);
    pthread_mutex_init(&d->programs_lock, NULL);
    pthread_mutex_init(&d->compiling, NULL);
    cu_result code = open_context(d, device->ordinal);
    if (!code) return d;
    bt_cu_fail(device, "opening it", code, error);
    return close_device(d), NULL;
}

bt_cu_device *bt_cu_open(bt_device *device, berth_error *error)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    bt_device *physical = device->physical;
    bt_cu_device *d = atomic_load_explicit(&physical->state, memory_order_acquire);
    if (d) return d;
    pthread_mutex_lock(&opening);
    if (!(d = physical->state) && (d = open_device(device, error)))
        atomic_store_explicit(&physical->state, d, memory_order_release);
    pthread_mutex_unlock(&opening);
    return d;
}

static void cuda_close(bt_device *device)
{
    if (device->physical->state) close_device(device->physical->state);
    device->physical->state = NULL;
}

/* ---- What it says of itself --------------------------------------------------------------------------- */

/* Before its first use a device has no context, and what is free there only the management library tells. */
static cu_result free_memory(const bt_device *device, cu_device id, bt_device_props *props)
{
    const bt_cu_library *cu = bt_cu_library_get();
    bt_cu_device *d = device->physical->state;
    size_t free = 0, total = 0;
    cu_result code = cu->cuDeviceTotalMem_v2(&total, id);
    if (code) return code;
    props->memory_total = props->memory_free = (int64_t)total;
    if (!d) {
        int64_t told = bt_cu_free_bytes(id);
        if (told >= 0) props->memory_free = told;
        props->is_free_unknown = told < 0;
        return CU_OK;
    }
    if ((code = bt_cu_enter(d))) return code;
    code = cu->cuMemGetInfo_v2(&free, &total);
    bt_cu_leave(d);
    props->memory_free = (int64_t)free, props->memory_context = d->context_bytes;
    return code;
}

static berth_status cuda_info(const bt_device *device, bt_device_props *props, berth_error *error)
{
    static const unsigned which[] = {CU_COMPUTE_CAPABILITY_MAJOR, CU_COMPUTE_CAPABILITY_MINOR, 0};
    const bt_cu_library *cu = bt_cu_library_get();
    int arch[2];
    cu_device id;
    *props = (bt_device_props){0};
    cu_result code = cu->cuDeviceGet(&id, device->ordinal);
    if (!code) code = cu->cuDeviceGetName(props->model, sizeof props->model, id);
    if (!code) code = ask(id, which, arch);
    if (!code) code = free_memory(device, id, props);
    if (code) return bt_cu_fail(device, "asking for its properties", code, error);
    snprintf(props->detail, sizeof props->detail, "CUDA %d.%d, compute capability %d.%d", cu->version / 1000,
             cu->version % 1000 / 10, arch[0], arch[1]);
    return BERTH_OK;
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

static cu_pointer address_of(const void *p) { return (cu_pointer)(uintptr_t)p; }

static void *cuda_alloc(bt_device *device, size_t bytes)
{
    bt_cu_device *d = bt_cu_open(device, NULL);
    cu_pointer p = 0;
    if (!d || bt_cu_enter(d)) return NULL;
    cu_result code = d->cu->cuMemAlloc_v2(&p, bytes ? bytes : 1);
    bt_cu_leave(d);
    return code ? NULL : (void *)(uintptr_t)p;
}

/* What is under way may still use it. If that cannot be waited for, the context is broken, and its end gives all back. */
static void cuda_free(bt_device *device, void *p, size_t bytes)
{
    bt_cu_device *d = device->physical->state;
    (void)bytes;
    if (bt_cu_enter(d)) return;
    if (!d->cu->cuStreamSynchronize(d->stream)) d->cu->cuMemFree_v2(address_of(p));
    bt_cu_leave(d);
}

typedef enum direction { UP, DOWN, ACROSS, BESIDE } direction; /* BESIDE: up, in the second stream */

static berth_status copy(bt_device *device, direction way, void *dst, const void *src, size_t bytes,
                         berth_error *error)
{
    bt_cu_device *d = bt_cu_open(device, error);
    if (!d) return BERTH_DEVICE;
    if (!bytes || dst == src) return BERTH_OK;
    if (way != ACROSS && bt_cu_is_recording(d))
        return bt_cu_spoil(), bt_fail(error, BERTH_DEVICE, "%s: a copy cannot be recorded", device->name);
    cu_result code = bt_cu_enter(d);
    if (!code) {
        cu_stream stream = way == BESIDE ? d->second : d->stream;
        bt_cu_span *span = bt_cu_span_begin(d, stream);
        if (way == UP || way == BESIDE) code = bt_cu_transfer(d, true, stream, dst, (void *)(uintptr_t)src, bytes);
        else if (way == DOWN) code = bt_cu_transfer(d, false, stream, src, dst, bytes);
        else code = d->cu->cuMemcpyDtoDAsync_v2(address_of(dst), address_of(src), bytes, bt_cu_stream(d));
        bt_cu_span_end(d, span, code);
        bt_cu_leave(d);
    }
    if (!code) return BERTH_OK;
    bt_cu_drop_downloads(d);
    return bt_cu_fail(device, "a copy", code, error);
}

static berth_status cuda_upload(bt_device *device, void *dst, const void *host, size_t bytes,
                                berth_error *error)
{
    return copy(device, UP, dst, host, bytes, error);
}

static berth_status cuda_bring(bt_device *device, void *dst, const void *host, size_t bytes, berth_error *error)
{
    return copy(device, BESIDE, dst, host, bytes, error);
}

static berth_status cuda_meet(bt_device *device, bool second, berth_error *error)
{
    bt_cu_device *d = bt_cu_open(device, error);
    cu_result code = d ? bt_cu_enter(d) : CU_OK;
    if (d && !code) code = bt_cu_meet(d, second), bt_cu_leave(d);
    return !d ? BERTH_DEVICE : code ? bt_cu_fail(device, "waiting in it", code, error) : BERTH_OK;
}

static berth_status cuda_download(bt_device *device, void *host, const void *src, size_t bytes,
                                  berth_error *error)
{
    return copy(device, DOWN, host, src, bytes, error);
}

static berth_status cuda_copy(bt_device *device, void *dst, const void *src, size_t bytes, berth_error *error)
{
    return copy(device, ACROSS, dst, src, bytes, error);
}

static berth_status cuda_sync(bt_device *device, berth_error *error)
{
    bt_cu_device *d = device->physical->state;
    if (!d) return BERTH_OK;
    if (bt_cu_is_recording(d))
        return bt_cu_spoil(), bt_fail(error, BERTH_DEVICE, "%s: waiting cannot be recorded", device->name);
    cu_result code = bt_cu_enter(d);
    if (!code) code = bt_cu_sync(d), bt_cu_leave(d);
    if (code) bt_cu_drop_downloads(d);
    return code ? bt_cu_fail(device, "waiting for it", code, error) : BERTH_OK;
}

static unsigned cuda_libraries(void)
{
    return (bt_cu_blas_is_there() ? BT_LIBRARY_GEMM : 0) | (bt_cu_dnn_is_there() ? BT_LIBRARY_CONV : 0);
}

const bt_device_ops bt_cuda_ops = {
    .kind = "GPU",
    .precisions = 1 << BT_PRECISION_TF32 | 1 << BT_PRECISION_BF16 | 1 << BT_PRECISION_F16,
    .count = cuda_count,
    .address = cuda_address,
    .info = cuda_info,
    .close = cuda_close,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .upload = cuda_upload,
    .download = cuda_download,
    .copy = cuda_copy,
    .sync = cuda_sync,
    .bring = cuda_bring,
    .meet = cuda_meet,
    .compile = bt_cu_compile,
    .launch = bt_cu_launch,
    .times = bt_cu_times,
    .record = bt_cu_record,
    .recorded = bt_cu_recorded,
    .replay = bt_cu_replay,
    .forget = bt_cu_forget,
    .libraries = cuda_libraries,
    .gemm_plan = bt_cu_gemm_plan,
    .gemm = bt_cu_gemm,
    .conv_plan = bt_cu_conv_plan,
    .conv = bt_cu_conv,
};
