/* CUDA devices, inside: the driver's functions and devices (library.c), one device's context, stream and memory (cuda.c),
 * pinned memory that copies go through (staging.c), kernels (program.c), the compiler of kernels (compiler.c) and what it
 * made before, on disk (cache.c), launches that are recorded once and replayed (recording.c), when work was done (times.c),
 * matrix products and convolutions by NVIDIA's libraries (blas.c, dnn.c), which are asked once how they do each (known.c). */
#ifndef BT_CUDA_H
#define BT_CUDA_H

#include <pthread.h>

#include "device/cuda/cu.h"
#include "device/device.h"

#define BT_CU_DECLARE(result, name, arguments) result(*name) arguments;

/* ---- Libraries (library.c) ---- */

/* The driver; opened once a process and never closed. */
typedef struct bt_cu_library {
    BT_CU_FUNCTIONS(BT_CU_DECLARE)
    int version; /* of the driver: 12040 for 12.4 */
    int n_devices;
} bt_cu_library;

/* Never NULL; n_devices is 0 where there is no driver or no GPU, or BERTH_CUDA says "off". */
const bt_cu_library *bt_cu_library_get(void);

/* Opens the library of which the path stands in the environment variable, else "STEM.so.MAJOR", else "STEM.so", as the loader
 * finds it, or where toolkits and Python's packages put it; NULL when there is none. major 0: that of the driver, or one near
 * it. Never closed. */
void *bt_cu_open_library(const char *variable, const char *stem, int major);
/* Bytes free on a device, of which a context need not be open; -1: nobody knows. */
int64_t bt_cu_free_bytes(cu_device id);

/* ---- A device ---- */

enum { BT_CU_SLOTS = 4, BT_CU_SLOT_BYTES = 2 << 20 };

/* A piece of pinned memory, and the copy that goes through it. */
typedef struct bt_cu_slot {
    uint8_t *data;
    cu_event done;
    bool is_busy; /* `done` was recorded */
    void *to;     /* a download: where its bytes go; NULL: an upload */
    size_t bytes;
    pthread_t thread; /* of the download */
} bt_cu_slot;

/* What bt_device.state points to. */
typedef struct bt_cu_device {
    const bt_cu_library *cu;
    cu_device id;
    cu_context context;
    cu_stream stream; /* all work of all threads, in its order */
    int arch;         /* compute capability: 90 for 9.0 */
    size_t max_group;
    int64_t context_bytes;   /* of the device, that the context took */
    pthread_mutex_t staging; /* of what follows */
    cu_stream second;        /* of uploads beside `stream`; NULL: there were none yet */
    cu_event meeting;        /* of the two */
    bt_cu_slot slots[BT_CU_SLOTS];
    int next_slot;
    bool unpinned; /* no pinned memory was to be had */
    pthread_mutex_t clock; /* of the two: */
    cu_event origin;       /* NULL: no times are taken yet */
    int64_t origin_ns;     /* when that was, by bt_now */
    pthread_mutex_t programs_lock, compiling;
    struct bt_cu_program *programs;
    bt_kernel *kernels[256]; /* by hash */
    struct bt_cu_blas *_Atomic blas; /* NULL: no product was asked for yet */
    struct bt_cu_dnn *_Atomic dnn;   /* NULL: no convolution was */
} bt_cu_device;

/* Opened at its first use; NULL with the error set. */
bt_cu_device *bt_cu_open(bt_device *device, berth_error *error);
/* "/GPU:0: WHAT failed: CUDA_ERROR_... (n)"; gives BERTH_DEVICE. */
berth_status bt_cu_fail(const bt_device *device, const char *what, cu_result code, berth_error *error);
/* Between these two the calling thread works in the device's context. */
cu_result bt_cu_enter(const bt_cu_device *d);
void bt_cu_leave(const bt_cu_device *d);
/* The stream that this thread's work goes to: the device's, or that of its recording. */
cu_stream bt_cu_stream(const bt_cu_device *d);

/* ---- Copies through pinned memory (staging.c); all in the device's context ---- */

/* To the device (up) or to the host, in this stream. */
cu_result bt_cu_transfer(bt_cu_device *d, bool up, cu_stream stream, const void *on_device, void *host, size_t bytes);
/* As bt_device_ops has it. */
cu_result bt_cu_meet(bt_cu_device *d, bool second);
/* Waits for the stream, and hands over what was downloaded. */
cu_result bt_cu_sync(bt_cu_device *d);
/* When a download, or waiting for it, has failed: this thread's host memory is not written any more. */
void bt_cu_drop_downloads(bt_cu_device *d);
void bt_cu_slots_free(bt_cu_device *d);

/* ---- Times (times.c); begin and end in the device's context ---- */

typedef struct bt_cu_span bt_cu_span;

/* Before a launch or copy; NULL: nobody wants to know when it is done, or it cannot be told. */
bt_cu_span *bt_cu_span_begin(bt_cu_device *d, cu_stream stream);
/* After it, with what came of it: leaves the span with who watches. */
void bt_cu_span_end(bt_cu_device *d, bt_cu_span *span, cu_result code);
berth_status bt_cu_times(bt_device *device, void *event, int64_t times[BT_N_TIMES]);

/* ---- Kernels (program.c) ---- */

bt_kernel *bt_cu_compile(bt_device *device, const char *source, const char *defines, const char *name,
                         berth_error *error);
berth_status bt_cu_launch(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args,
                          int n_args, berth_error *error);
void bt_cu_programs_free(bt_cu_device *d, bool unload); /* unload: in its context */

/* What a program is made of, and for which device. */
typedef struct bt_cu_unit {
    const char *device;  /* for errors */
    const char *source;  /* after the dialect */
    const char *defines; /* "-DT=float -DN=2" */
    const char *kernel;  /* the one that is wanted of it */
    int arch;
} bt_cu_unit;

/* A cubin (or PTX, which ends in a NUL, where the compiler does not know the device): compiled now, or earlier and found on
 * disk. Freed with bt_free; NULL with the error set. */
void *bt_cu_translate(const bt_cu_unit *unit, size_t *bytes, berth_error *error);

/* ---- The cache of translated programs (cache.c) ---- */

enum { BT_CU_KEY = 33 };
/* A name for what the parts say together. */
void bt_cu_key(char key[BT_CU_KEY], const bt_str *parts, int n);
/* NULL when there is none, or what is there is damaged; freed with bt_free. */
void *bt_cu_cache_get(const char *key, size_t *bytes);
/* Fails without a word: then it is compiled again next time. */
void bt_cu_cache_put(const char *key, const void *p, size_t bytes);

/* ---- Recordings (recording.c) ---- */

/* Whether this thread records on the device. What a recording cannot hold spoils it. */
bool bt_cu_is_recording(const bt_cu_device *d);
void bt_cu_spoil(void);
berth_status bt_cu_record(bt_device *device, berth_error *error);
bt_recording *bt_cu_recorded(bt_device *device, berth_error *error);
berth_status bt_cu_replay(bt_device *device, bt_recording *recording, berth_error *error);
void bt_cu_forget(bt_device *device, bt_recording *recording);

/* ---- What libraries were asked for (known.c) ---- */

/* The start of a library's plan. */
typedef struct bt_cu_known {
    struct bt_cu_known *next; /* of its bucket */
    const void *what;         /* in the plan */
    _Atomic bool is_refused;  /* the library does not do it, or failed at it */
} bt_cu_known;

enum { BT_CU_BUCKETS = 256 };

typedef struct bt_cu_plans {
    pthread_mutex_t lock;
    int n;
    bt_cu_known *buckets[BT_CU_BUCKETS];
} bt_cu_plans;

void bt_cu_plans_init(bt_cu_plans *plans);
/* The plan for `what`, of so many bytes; make (NULL: none is made) is called once for each. NULL: it is refused, or there is
 * none. */
bt_cu_known *bt_cu_plans_find(bt_cu_plans *plans, const void *what, size_t bytes,
                              bt_cu_known *(*make)(void *user, const void *what), void *user);
void bt_cu_plans_free(bt_cu_plans *plans, void (*drop)(bt_cu_known *plan));

/* ---- Matrix products by cuBLASLt (blas.c) ---- */

bool bt_cu_blas_is_there(void);
const bt_gemm_plan *bt_cu_gemm_plan(bt_device *device, const bt_gemm *what, size_t *workspace);
bool bt_cu_gemm(bt_device *device, const bt_gemm_plan *plan, const bt_gemm_data *data);
void bt_cu_blas_free(bt_cu_device *d, bool is_idle); /* is_idle: in its context, nothing is under way */

/* ---- Convolutions by cuDNN (dnn.c) ---- */

bool bt_cu_dnn_is_there(void);
const bt_conv_plan *bt_cu_conv_plan(bt_device *device, const bt_conv *what, size_t *workspace);
bool bt_cu_conv(bt_device *device, const bt_conv_plan *plan, const bt_conv_data *data);
void bt_cu_dnn_leave(bt_cu_device *d, cu_stream stream); /* in its context, before the stream's end */
void bt_cu_dnn_free(bt_cu_device *d, bool is_idle); /* is_idle: in its context, nothing is under way */

#endif
