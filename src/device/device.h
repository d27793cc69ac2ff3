/* Devices: one table of functions a kind, one counted pool of bytes a device. No ops and no tensors here. A kind
 * is one file or folder that ends in one bt_device_ops and has one row in registry.c; cpu.c is the model of one. */
#ifndef BT_DEVICE_H
#define BT_DEVICE_H

#include "base/error.h"
#include "base/str.h"

typedef struct bt_device bt_device;

/* What floats are computed in. */
typedef enum bt_precision { BT_PRECISION_F32, BT_PRECISION_TF32, BT_PRECISION_BF16, BT_PRECISION_F16 } bt_precision;

/* What a device says of itself, now. */
typedef struct bt_device_props {
    char model[96];       /* as the hardware calls itself */
    char detail[96];      /* instruction set, driver */
    int64_t memory_total; /* bytes */
    int64_t memory_free;    /* as far as the driver tells before its first use */
    int64_t memory_context; /* that its driver took when it was opened, beside what is counted here; 0: nothing yet, or not known */
    bool is_cpu_shaped;     /* its kernels run on a CPU (PoCL): few large work items beat many small ones */
    bool lacks_f64;         /* its kernels cannot compute in float64 */
    bool is_free_unknown;   /* the driver does not tell what is free: memory_free is what there is in all */
} bt_device_props;

/* A compiled kernel of a device; lives as long as the device. */
typedef struct bt_kernel bt_kernel;

/* Launches and copies on a device that were recorded once and can be done again. */
typedef struct bt_recording bt_recording;

/* One argument of a launch. */
typedef enum bt_arg_kind { BT_ARG_POINTER, BT_ARG_INT, BT_ARG_LONG, BT_ARG_FLOAT, BT_ARG_DOUBLE, BT_ARG_BYTES } bt_arg_kind;
typedef struct bt_arg {
    bt_arg_kind kind;
    union {
        const void *pointer; /* of the device, or NULL */
        int32_t i;
        int64_t l;
        float f;
        double d;
        struct {
            const void *p;
            size_t n;
        } bytes;             /* BYTES: a struct by value, of I64 alone, so that host and device agree on it */
    };
} bt_arg;

/* Work items in each dimension (1 where there are fewer than three), and in a group; local 0: the device chooses. */
typedef struct bt_grid {
    size_t global[3], local[3];
} bt_grid;

/* A matrix product that a device's library may do: y [m][n] = a [m][k] b [k][n] + bias [n] + add [m][n], `batch` times; all row
 * by row. Compared byte by byte. */
typedef struct bt_gemm {
    int64_t m, n, k, batch, step_a, step_b; /* steps: elements from one matrix to the next */
    uint32_t type, out;                     /* berth_dtype of a and b; of all others: float, half, bfloat16 or double */
    uint32_t align;                         /* bytes, that all pointers are multiples of; at most 16 */
    uint8_t turned_a, turned_b;             /* are [k][m], [n][k] */
    uint8_t has_bias, relu, tf32;           /* relu: what is negative becomes 0; tf32: floats may be rounded to it */
    uint8_t no_workspace, unused[6];
} bt_gemm;

typedef struct bt_gemm_data {
    const void *a, *b, *bias, *add; /* add: NULL: there is none */
    void *y, *workspace;
} bt_gemm_data;

/* How a library does one. */
typedef struct bt_gemm_plan bt_gemm_plan;

/* A convolution that a device's library may do, channels last: y [batch][out][out_c] = what each pixel sees of
 * x [batch][in][in_c] by w [out_c][filter][in_c / groups], + add [as y] + bias [out_c], and then an activation. Axes that there
 * are not, the first ones, have sizes and steps of 1. Compared byte by byte. */
typedef struct bt_conv {
    int64_t batch, in_c, out_c, groups;
    int64_t in[3], out[3], filter[3], stride[3], dilation[3], before[3]; /* before: padding; as much follows as out makes it */
    uint32_t type;       /* berth_dtype of all: float, half or bfloat16 */
    uint32_t align;      /* bytes, that all pointers are multiples of; at most 16 */
    uint32_t activation; /* bt_vec_unary: COPY: none; CLAMP: from low to high; LEAKY_RELU: by low */
    float low, high;
    uint8_t has_add, has_bias, tf32, no_workspace;
} bt_conv;

typedef struct bt_conv_data {
    const void *x, *w, *bias, *add; /* bias, add: NULL: there is none */
    void *y, *workspace;
} bt_conv_data;

/* How a library does one. */
typedef struct bt_conv_plan bt_conv_plan;

/* Libraries of a device; and the most working memory that one gets for a piece of work, large enough for kernels that split a
 * long sum. */
enum { BT_LIBRARY_GEMM = 1, BT_LIBRARY_CONV = 2, BT_LIBRARY_WORKSPACE = 32 << 20 };
/* For a convolution: beside that, room for all that it reads and writes in another layout. */
int64_t bt_conv_workspace(const bt_conv *what);

/* When a device took a piece of work, ns of a clock of its own. */
enum { BT_TIME_QUEUED, BT_TIME_STARTED, BT_TIME_ENDED, BT_N_TIMES };

/* When upload returns, its host memory may be used again. Copies are made after the launches made before them. Other copies may be under way when they return, and the host
 * memory of a download must stay until sync, which waits for all of them. */
typedef struct bt_device_ops {
    const char *kind;   /* "CPU", "GPU" */
    unsigned precisions; /* beside float: a sum of 1 << BT_PRECISION_... */
    int (*count)(void); /* devices of this kind; 0 when its driver is not there */
    uint64_t (*address)(int ordinal); /* bt_pci_address, by which a device that two drivers offer is told; 0: not known; NULL: never is */
    berth_status (*info)(const bt_device *device, bt_device_props *props, berth_error *error);
    void (*close)(bt_device *device); /* drops `state`, if there is one; NULL: there never is */
    void *(*alloc)(bt_device *device, size_t bytes); /* NULL when it is full; at least 64-byte aligned */
    void (*free)(bt_device *device, void *p, size_t bytes);
    berth_status (*upload)(bt_device *device, void *dst, const void *host, size_t bytes, berth_error *error);
    berth_status (*download)(bt_device *device, void *host, const void *src, size_t bytes,
                             berth_error *error);
    berth_status (*copy)(bt_device *device, void *dst, const void *src, size_t bytes, berth_error *error);
    berth_status (*sync)(bt_device *device, berth_error *error);
    /* NULL where all work has one order. A second order, of uploads alone, that the device works off beside the first: bring is
     * an upload in it. meet(second) has what is brought from now on wait for all work of the first that was given until now, else
     * the work of the first for what was brought; one of them comes before the first bring. Memory is freed when they have met. */
    berth_status (*bring)(bt_device *device, void *dst, const void *host, size_t bytes, berth_error *error);
    berth_status (*meet)(bt_device *device, bool second, berth_error *error);
    /* NULL for a CPU, whose kernels are C. Kernels are written in the dialect of device/dialect.h. compile looks `name` up in
     * the program made of source and defines ("-DT=float"), which is compiled at its first use and kept (source is told by its
     * address). Launches run in the order in which they are made, after the copies made before them. Pointers of a device can be
     * added to like any others. All of these may be called from several threads. */
    bt_kernel *(*compile)(bt_device *device, const char *source, const char *defines, const char *name, berth_error *error);
    berth_status (*launch)(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args, int n_args,
                           berth_error *error);
    /* Waits for a copy or launch that left this event (bt_watch_event in device/watch.h), reads its times and drops the event.
     * NULL: such a device leaves none. */
    berth_status (*times)(bt_device *device, void *event, int64_t times[BT_N_TIMES]);
    /* NULL where nothing can be recorded. Between record and recorded, what this thread launches and copies on the device is
     * noted and not done. What cannot be noted (a copy from or to the host, waiting) fails, and recorded then gives NULL. A
     * recording names the memory that its launches had, and is not replayed once that was given back; forget drops it. */
    berth_status (*record)(bt_device *device, berth_error *error);
    bt_recording *(*recorded)(bt_device *device, berth_error *error);
    berth_status (*replay)(bt_device *device, bt_recording *recording, berth_error *error);
    void (*forget)(bt_device *device, bt_recording *recording);
    unsigned (*libraries)(void); /* BT_LIBRARY_..., those that are there; opens no device; NULL: there never is one */
    /* NULL where there never is a library. gemm_plan finds how its library does a product, which is kept as long as the device,
     * and what working memory it wants; NULL: it does not, or there is none. gemm launches it like a kernel; false: it failed,
     * nothing was done, and gemm_plan gives NULL from now on. */
    const bt_gemm_plan *(*gemm_plan)(bt_device *device, const bt_gemm *what, size_t *workspace);
    bool (*gemm)(bt_device *device, const bt_gemm_plan *plan, const bt_gemm_data *data);
    /* The same for convolutions. While a recording is made, conv_plan knows those alone that it was asked for before. */
    const bt_conv_plan *(*conv_plan)(bt_device *device, const bt_conv *what, size_t *workspace);
    bool (*conv)(bt_device *device, const bt_conv_plan *plan, const bt_conv_data *data);
} bt_device_ops;

struct bt_device {
    char name[16]; /* "/CPU:0" */
    int index;     /* of its kind */
    int ordinal;   /* of its ops: a kind can have several */
    uint64_t key;  /* of hardware of which the driver does not tell what processes hold: the same in all of them (ledger.h); else 0 */
    bt_device *physical; /* the hardware behind a logical device, whose state they share; itself when it is such */
    const bt_device_ops *ops;
    bool is_fixed; /* a model holds it */
    bool is_cpu_shaped, lacks_f64; /* as its properties say */
    void *_Atomic state; /* the kind's own: context, queue, compiled programs; made at first use */
    int64_t limit; /* bytes that may be in use; 0: no limit but the device's own */
    _Atomic int64_t in_use, peak, taken; /* bytes, through bt_device_alloc; taken: ever */
};

/* Where a device sits on the PCI bus, in one number that is not 0. */
static inline uint64_t bt_pci_address(unsigned domain, unsigned bus, unsigned device, unsigned function)
{
    return 1 | (uint64_t)domain << 32 | bus << 16 | device << 11 | function << 8;
}

/* NULL with the error set when the device is full, or its limit would be passed. */
void *bt_device_alloc(bt_device *device, size_t bytes, berth_error *error);
void bt_device_free(bt_device *device, void *p, size_t bytes); /* NULL is legal; bytes as asked for */

/* What ops->info says, where the driver does not tell what is free by the ledger of processes. others: what is held there beside
 * what this registry's devices hold; -1: not known. */
berth_status bt_device_info(const bt_device *device, bt_device_props *props, int64_t *others, berth_error *error);

/* ---- Names -------------------------------------------------------------------------------------------- */

/* "/GPU:1", "GPU", "cpu:0", "/device:CPU:0", "/job:x/replica:0/task:0/device:GPU:0", "auto". */
typedef struct bt_device_name {
    const char *kind; /* "CPU", "GPU"; NULL: not said */
    int index;        /* -1: any */
    bool is_auto;     /* berth may choose the kind: "auto", or a name of a job or task alone */
} bt_device_name;

/* A name that cannot be one, "/XPU:0" say, is a BERTH_BAD_ARGUMENT. Whether the device is there is not asked. */
berth_status bt_device_parse(const char *text, bt_device_name *name, berth_error *error);

/* ---- The devices of a context ------------------------------------------------------------------------- */

typedef struct bt_registry bt_registry;

/* Drivers other than the CPU's are asked for their devices when the first of these is named, or all are listed. */
bt_registry *bt_registry_new(berth_error *error);
size_t bt_registry_count(bt_registry *registry); /* of all; asks */
size_t bt_registry_known(bt_registry *registry); /* of those asked so far; never falls */
/* Takes the options in, or says why not and changes nothing (config.c). is_default: what was said before stays. */
berth_status bt_registry_configure(bt_registry *registry, const berth_device_options *options, bool is_default, berth_error *error);
/* From now on the devices known stay as they are; limits may change until something lies on a device. */
void bt_registry_fix(bt_registry *registry);
bt_device *bt_registry_at(bt_registry *registry, size_t index); /* every CPU, then every GPU; NULL past those known */
void bt_registry_free(bt_registry *registry); /* NULL is legal */
/* The device of this name; an "auto" or an index that was not said is the first that fits. NULL: malformed
 * (BERTH_BAD_ARGUMENT) or not there (BERTH_DEVICE). */
bt_device *bt_registry_find(bt_registry *registry, const char *text, berth_error *error);

/* ---- How they are configured (config.c) ---- */

enum { BT_MAX_HARDWARE = 64, BT_MAX_LOGICAL = 16 };

/* Of one device, counted among the visible ones. Things that nobody said are -1, an empty list has n_... = 0. */
typedef struct bt_device_config {
    int growth, n_logical;
    int64_t limit;
    double fraction;
    int64_t logical[BT_MAX_LOGICAL]; /* limits; 0: none */
} bt_device_config;

typedef struct bt_kind_config {
    int n_visible, visible[BT_MAX_HARDWARE]; /* n_visible -1: all */
    int count, growth;
    bt_device_config devices[BT_MAX_HARDWARE];
} bt_kind_config;

enum { BT_KIND_CPU, BT_KIND_GPU, BT_N_KINDS };

typedef struct bt_config {
    bt_kind_config kinds[BT_N_KINDS];
} bt_config;

void bt_config_init(bt_config *config); /* nothing said */
/* Adds what the options say of a kind of which there are n_hardware, by the environment. */
berth_status bt_config_add(bt_config *config, const berth_device_options *options, const bt_device_name *name, int n_hardware,
                           bool is_default, berth_error *error);
/* CUDA_VISIBLE_DEVICES: fills numbers, at most n of them, each below n; the count. Without the variable: all. */
int bt_config_environment(int *numbers, int n);
int bt_kind_number(const char *kind); /* BT_KIND_... */

extern const bt_device_ops bt_cpu_ops;
extern const bt_device_ops bt_cuda_ops;
extern const bt_device_ops bt_opencl_ops;

#endif
