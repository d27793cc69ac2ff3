/* OpenCL devices, inside: the driver's functions and devices (library.c), one device's queue and programs (opencl.c,
 * program.c). Device memory is shared virtual memory, of which a pointer plus an offset is a pointer. */
#ifndef BT_OPENCL_H
#define BT_OPENCL_H

#include <pthread.h>

#include "device/device.h"
#include "device/opencl/cl.h"

/* The driver; opened once a process and never closed, since drivers do not survive that. */
typedef struct bt_cl_library {
#define X(result, name, arguments) result(*name) arguments;
    BT_CL_FUNCTIONS(X)
#undef X
    cl_device devices[16]; /* that berth can use */
    int n_devices;
} bt_cl_library;

/* Never NULL; n_devices is 0 where there is no driver, no GPU (see the environment variable BERTH_OPENCL), or none with
 * coarse-grained shared virtual memory. Nothing is loaded where no GPU can be. */
const bt_cl_library *bt_cl_library_get(void);

/* bt_device_ops.address. */
uint64_t bt_cl_address(const bt_cl_library *cl, cl_device device);

/* What bt_device.state points to. */
typedef struct bt_cl_device {
    const bt_cl_library *cl;
    cl_device id;
    cl_context context;
    cl_queue queue;        /* changed once at most: see bt_cl_queue */
    cl_queue second;       /* of uploads beside it; keeps times; NULL: there were none yet */
    bool is_timed;         /* the queue keeps the times of what goes through it */
    pthread_rwlock_t turn; /* of these: who changes them waits for those who use the queue */
    pthread_mutex_t lock; /* of programs, and of a kernel between its arguments and its launch */
    struct bt_cl_program *programs;
    size_t max_group;
    int64_t context_bytes; /* that opening it took */
    char options[96]; /* for every program */
} bt_cl_device;

/* Opened at its first use; NULL with the error set. */
bt_cl_device *bt_cl_open(bt_device *device, berth_error *error);
/* The queue, which stays what it is until bt_cl_queue_done. From the first time on that what goes through it is watched
 * (device/watch.h) it keeps times; a queue that does costs some drivers speed. *event: where the work leaves its event, or
 * NULL. */
cl_queue bt_cl_queue(bt_cl_device *d, cl_event **event);
void bt_cl_queue_done(bt_cl_device *d);
berth_status bt_cl_fail(const bt_device *device, const char *what, cl_int code, berth_error *error);

bt_kernel *bt_cl_compile(bt_device *device, const char *source, const char *defines, const char *name,
                         berth_error *error);
berth_status bt_cl_launch(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args,
                          int n_args, berth_error *error);
void bt_cl_programs_free(bt_cl_device *d);

#endif
