/* OpenCL as a device: memory, copies, and what it says of itself. Kernels are in program.c, finding devices in library.c. */
#include "device/opencl/opencl.h"
#include "device/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cgroup.h"

berth_status bt_cl_fail(const bt_device *device, const char *what, cl_int code, berth_error *error)
{
    return bt_fail(error, BERTH_DEVICE, "%s: %s failed (OpenCL error %d)", device->name, what, code);
}

static int cl_count(void) { return bt_cl_library_get()->n_devices; }

static uint64_t cl_address(int ordinal)
{
    return bt_cl_address(bt_cl_library_get(), bt_cl_library_get()->devices[ordinal]);
}

/* ---- Opening ------------------------------------------------------------------------------------------ */

static cl_ulong number_of(const bt_cl_library *cl, cl_device id, cl_uint what)
{
    cl_ulong value = 0; /* little-endian: narrower answers fill the low bytes */
    return cl->clGetDeviceInfo(id, what, sizeof value, &value, NULL) ? 0 : value;
}

/* 0: the driver does not tell. */
static int64_t free_bytes(const bt_cl_library *cl, cl_device id)
{
    return (int64_t)number_of(cl, id, CL_DEVICE_GLOBAL_FREE_MEMORY_AMD) * 1024;
}

/* What a context takes shows in what is left on the device; on a CPU, in what the process has. */
static int64_t left_for_context(const bt_cl_library *cl, cl_device id)
{
    char text[64];
    int64_t pages = 0;
    if (number_of(cl, id, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU && bt_read_text("/proc/self/statm", text, sizeof text) > 0)
        sscanf(text, "%*s %" SCNd64, &pages);
    return pages ? -pages * sysconf(_SC_PAGESIZE) : free_bytes(cl, id);
}

static bool is_cpu_shaped(const bt_cl_library *cl, cl_device id)
{
    const char *wish = getenv("BERTH_OPENCL"); /* see library.c */
    bool as_gpu = wish && !strcmp(wish, "cpu-as-gpu");
    return !as_gpu && number_of(cl, id, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU;
}

static void set_options(const bt_device *device, bt_cl_device *d)
{
    bool exact = number_of(d->cl, d->id, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT;
    d->max_group = number_of(d->cl, d->id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    snprintf(d->options, sizeof d->options, "%s%s", exact ? "-cl-fp32-correctly-rounded-divide-sqrt " : "",
             device->physical->is_cpu_shaped ? "-DCPU_SHAPED " : "");
}

static void close_device(bt_cl_device *d)
{
    if (d->second) d->cl->clFinish(d->second), d->cl->clReleaseCommandQueue(d->second);
    if (d->queue) d->cl->clFinish(d->queue);
    bt_cl_programs_free(d);
    if (d->queue) d->cl->clReleaseCommandQueue(d->queue);
    if (d->context) d->cl->clReleaseContext(d->context);
    pthread_mutex_destroy(&d->lock);
    pthread_rwlock_destroy(&d->turn);
    bt_free(d);
}

static bt_cl_device *open_device(bt_device *device, berth_error *error)
{
    const bt_cl_library *cl = bt_cl_library_get();
    bt_cl_device *d = bt_calloc(1, sizeof *d);
    cl_int code = 0;
    if (!d) return bt_fail_memory(error), NULL;
    d->cl = cl, d->id = cl->devices[device->ordinal];
    pthread_mutex_init(&d->lock, NULL);
    pthread_rwlock_init(&d->turn, NULL);
    int64_t before = left_for_context(cl, d->id);
    d->context = cl->clCreateContext(NULL, 1, &d->id, NULL, NULL, &code);
    if (d->context) d->queue = cl->clCreateCommandQueueWithProperties(d->context, d->id, NULL, &code);
    if (!d->queue) return bt_cl_fail(device, "opening it", code, error), close_device(d), NULL;
    d->context_bytes = before - left_for_context(cl, d->id);
    if (d->context_bytes < 0) d->context_bytes = 0;
    set_options(device, d);
    return d;
}

bt_cl_device *bt_cl_open(bt_device *device, berth_error *error)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&opening);
    if (!device->physical->state) device->physical->state = open_device(device, error);
    pthread_mutex_unlock(&opening);
    return device->physical->state;
}

/* Nothing that was put into the old queue can be overtaken: it is empty when the new one takes its place. */
static void keep_times(bt_cl_device *d)
{
    const cl_ulong properties[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
    cl_int code;
    pthread_rwlock_wrlock(&d->turn);
    cl_queue timed = d->is_timed ? NULL : d->cl->clCreateCommandQueueWithProperties(d->context, d->id, properties, &code);
    if (timed) {
        d->cl->clFinish(d->queue);
        d->cl->clReleaseCommandQueue(d->queue);
        d->queue = timed, d->is_timed = true;
    }
    pthread_rwlock_unlock(&d->turn);
}

cl_queue bt_cl_queue(bt_cl_device *d, cl_event **event)
{
    *event = (cl_event *)bt_watch_event();
    pthread_rwlock_rdlock(&d->turn);
    if (*event && !d->is_timed) {
        pthread_rwlock_unlock(&d->turn);
        keep_times(d);
        pthread_rwlock_rdlock(&d->turn);
    }
    if (!d->is_timed) *event = NULL;
    return d->queue;
}

void bt_cl_queue_done(bt_cl_device *d) { pthread_rwlock_unlock(&d->turn); }

static berth_status cl_times(bt_device *device, void *event, int64_t times[BT_N_TIMES])
{
    static const cl_uint names[BT_N_TIMES] = {CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_START,
                                              CL_PROFILING_COMMAND_END};
    const bt_cl_library *cl = bt_cl_library_get();
    cl_event it = event;
    cl_int code = cl->clWaitForEvents(1, &it);
    (void)device;
    for (int i = 0; i < BT_N_TIMES && !code; i++)
        code = cl->clGetEventProfilingInfo(it, names[i], sizeof times[i], &times[i], NULL);
    cl->clReleaseEvent(it);
    return code ? BERTH_DEVICE : BERTH_OK;
}

/* Waits for all that is under way. */
static cl_int finish(bt_cl_device *d)
{
    cl_event *ignored;
    cl_int code = d->cl->clFinish(bt_cl_queue(d, &ignored));
    bt_cl_queue_done(d);
    return code;
}

static void cl_close(bt_device *device)
{
    if (device->physical->state) close_device(device->physical->state);
    device->physical->state = NULL;
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

static berth_status cl_info(const bt_device *device, bt_device_props *props, berth_error *error)
{
    const bt_cl_library *cl = bt_cl_library_get();
    cl_device id = cl->devices[device->ordinal];
    *props = (bt_device_props){.memory_total = (int64_t)number_of(cl, id, CL_DEVICE_GLOBAL_MEM_SIZE),
                               .is_cpu_shaped = is_cpu_shaped(cl, id),
                               .lacks_f64 = !number_of(cl, id, CL_DEVICE_DOUBLE_FP_CONFIG)};
    char version[256] = "", driver[256] = "";
    cl_int code = cl->clGetDeviceInfo(id, CL_DEVICE_NAME, sizeof props->model, props->model, NULL);
    if (code) return bt_cl_fail(device, "asking for its name", code, error);
    cl->clGetDeviceInfo(id, CL_DEVICE_VERSION, sizeof version, version, NULL);
    cl->clGetDeviceInfo(id, CL_DRIVER_VERSION, sizeof driver, driver, NULL);
    /* "OpenCL 3.0 vendor's words" */
    size_t standard = strlen("OpenCL ") < strlen(version)
                          ? strlen("OpenCL ") + strcspn(version + strlen("OpenCL "), " ")
                          : 0;
    snprintf(props->detail, sizeof props->detail, "%.*s, driver %.40s", (int)standard, version, driver);
    const bt_cl_device *d = device->physical->state;
    int64_t free = free_bytes(cl, id);
    props->is_free_unknown = !free;
    props->memory_free = free ? free : props->memory_total;
    if (d) props->memory_context = d->context_bytes;
    return BERTH_OK;
}

static void *cl_alloc(bt_device *device, size_t bytes)
{
    bt_cl_device *d = bt_cl_open(device, NULL);
    return d ? d->cl->clSVMAlloc(d->context, CL_MEM_READ_WRITE, bytes ? bytes : 1, 64) : NULL;
}

/* What is under way may still use it. */
static void cl_free(bt_device *device, void *p, size_t bytes)
{
    bt_cl_device *d = device->physical->state;
    (void)bytes;
    finish(d);
    d->cl->clSVMFree(d->context, p);
}

static berth_status enqueue_copy(bt_device *device, bool wait, void *dst, const void *src, size_t bytes,
                                 berth_error *error)
{
    bt_cl_device *d = bt_cl_open(device, error);
    if (!d) return BERTH_DEVICE;
    if (!bytes || dst == src) return BERTH_OK;
    cl_event *event;
    cl_queue queue = bt_cl_queue(d, &event);
    cl_int code = d->cl->clEnqueueSVMMemcpy(queue, wait, dst, src, bytes, 0, NULL, event);
    bt_cl_queue_done(d);
    return code ? bt_cl_fail(device, "a copy", code, error) : BERTH_OK;
}

static berth_status cl_copy(bt_device *device, void *dst, const void *src, size_t bytes, berth_error *error)
{
    return enqueue_copy(device, false, dst, src, bytes, error);
}

static berth_status cl_upload(bt_device *device, void *dst, const void *host, size_t bytes,
                              berth_error *error)
{
    return enqueue_copy(device, true, dst, host, bytes, error);
}

/* The second queue, made when it is first wanted. */
static cl_int open_second(bt_cl_device *d)
{
    const cl_ulong properties[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
    cl_int code = CL_SUCCESS;
    pthread_rwlock_wrlock(&d->turn);
    if (!d->second) d->second = d->cl->clCreateCommandQueueWithProperties(d->context, d->id, properties, &code);
    pthread_rwlock_unlock(&d->turn);
    return code;
}

/* All of `to` from now on waits for all of `from` until now. */
static cl_int wait_in(const bt_cl_library *cl, cl_queue from, cl_queue to)
{
    cl_event until;
    cl_int code = cl->clEnqueueBarrierWithWaitList(from, 0, NULL, &until);
    if (code) return code;
    code = cl->clFlush(from);
    if (!code) code = cl->clEnqueueBarrierWithWaitList(to, 1, &until, NULL);
    cl->clReleaseEvent(until);
    return code;
}

static berth_status cl_meet(bt_device *device, bool second, berth_error *error)
{
    bt_cl_device *d = bt_cl_open(device, error);
    cl_event *ignored;
    if (!d) return BERTH_DEVICE;
    cl_int code = open_second(d);
    if (!code) {
        cl_queue first = bt_cl_queue(d, &ignored);
        code = wait_in(d->cl, second ? first : d->second, second ? d->second : first);
        bt_cl_queue_done(d);
    }
    return code ? bt_cl_fail(device, "waiting in it", code, error) : BERTH_OK;
}

/* The device is to be at work meanwhile: what stands in its first queue is sent off. */
static berth_status cl_bring(bt_device *device, void *dst, const void *host, size_t bytes, berth_error *error)
{
    bt_cl_device *d = device->physical->state;
    cl_event *event = (cl_event *)bt_watch_event(), *ignored;
    if (!bytes) return BERTH_OK;
    cl_int code = d->cl->clFlush(bt_cl_queue(d, &ignored));
    bt_cl_queue_done(d);
    if (!code) code = d->cl->clEnqueueSVMMemcpy(d->second, true, dst, host, bytes, 0, NULL, event);
    return code ? bt_cl_fail(device, "a copy", code, error) : BERTH_OK;
}

static berth_status cl_sync(bt_device *device, berth_error *error)
{
    bt_cl_device *d = device->physical->state;
    cl_int code = d ? finish(d) : CL_SUCCESS;
    return code ? bt_cl_fail(device, "waiting for it", code, error) : BERTH_OK;
}

const bt_device_ops bt_opencl_ops = {
    .kind = "GPU",
    .precisions = 1 << BT_PRECISION_BF16 | 1 << BT_PRECISION_F16,
    .count = cl_count,
    .address = cl_address,
    .info = cl_info,
    .close = cl_close,
    .alloc = cl_alloc,
    .free = cl_free,
    .upload = cl_upload,
    .download = cl_copy,
    .copy = cl_copy,
    .sync = cl_sync,
    .bring = cl_bring,
    .meet = cl_meet,
    .compile = bt_cl_compile,
    .launch = bt_cl_launch,
    .times = cl_times,
};
