/*
 * berth: load a TensorFlow model, put it on the device you name, and run it.
 *
 *     #include <berth.h>
 *
 *     berth_error error;
 *     berth_model *model = berth_model_load("digits", NULL, &error);
 *     berth_session *session = berth_session_new(model, NULL, &error);
 *     int64_t dims[4] = {1, 8, 8, 1};
 *     berth_feed in = {"image", berth_tensor_wrap(BERTH_FLOAT, 4, dims, pixels, NULL, NULL, &error)};
 *     berth_feed out = {"probability", NULL};
 *     if (berth_session_run(session, &in, 1, &out, 1, NULL, &error)) fprintf(stderr, "%s\n", error.message);
 *     const float *p = berth_tensor_data(out.tensor);
 *     ...
 *     berth_tensor_free(out.tensor), berth_tensor_free(in.tensor);
 *     berth_session_free(session), berth_model_free(model);
 *
 * Rules that hold for every function here
 *
 * Results    Constructors return a pointer, or NULL on failure. Actions return a berth_status, 0 when all
 *            went well. Both take a berth_error * last, which may be NULL; on failure it is filled with one
 *            line that names the file, node or argument. The library never prints, exits or aborts.
 * Ownership  What a _new, _load or _wrap function returns is yours and is given back with the _free of its
 *            kind; all _free functions accept NULL. Everything else returned is borrowed from the first
 *            argument and lives as long as it. A session keeps its model alive.
 * Options    An options struct starts with its own size. Fill it with its _init function, then change what
 *            you need. NULL stands for the defaults.
 * Threads    Models, sessions and contexts may be shared between threads; tensors may be read by several.
 * Shapes     Tensors are dense and row-major. In a berth_spec a rank or a dimension of -1 is unknown.
 */
#ifndef BERTH_H
#define BERTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_API __attribute__((visibility("default")))

#define BERTH_VERSION "0.1.0"
#define BERTH_MAX_RANK 8 /* tensors have at most this many dimensions */

/* ---- Errors ------------------------------------------------------------------------------------------- */

typedef enum berth_status {
    BERTH_OK = 0,
    BERTH_BAD_MODEL,   /* a model file is damaged, or not what it should be */
    BERTH_BAD_INPUT,   /* a tensor has the wrong name, dtype, shape or value */
    BERTH_BAD_ARGUMENT,/* an argument or option cannot be (an unknown device kind, a fraction of 1.5) */
    BERTH_NOT_FOUND,   /* no such file, signature, tensor or tag */
    BERTH_UNSUPPORTED, /* legal, but this build cannot do it */
    BERTH_DEVICE,      /* a device is absent, broken, full or over its limit */
    BERTH_NO_MEMORY,   /* the host is out of memory */
    BERTH_CANCELLED,   /* a run was cancelled or passed its bound of iterations */
    BERTH_INTERNAL     /* a fault of berth's own: please report it */
} berth_status;

typedef struct berth_error {
    berth_status status;
    char message[512]; /* one line, no newline */
} berth_error;

/* The library's version, as BERTH_VERSION was when it was built. */
BERTH_API const char *berth_version(void);
/* A constant text for a status ("bad model"), never NULL. */
BERTH_API const char *berth_status_name(berth_status status);

typedef enum berth_log_level { BERTH_LOG_WARNING = 1, BERTH_LOG_INFO, BERTH_LOG_DEBUG } berth_log_level;
typedef void berth_log_fn(void *user, berth_log_level level, const char *line);
/* Messages up to `level` go to `log`, from any thread. NULL, the default, drops them all. */
BERTH_API void berth_set_log(berth_log_fn *log, berth_log_level level, void *user);

/* ---- Types -------------------------------------------------------------------------------------------- */

/* The numbers are TensorFlow's. */
typedef enum berth_dtype {
    BERTH_NO_DTYPE = 0,
    BERTH_FLOAT = 1,
    BERTH_DOUBLE = 2,
    BERTH_INT32 = 3,
    BERTH_UINT8 = 4,
    BERTH_INT16 = 5,
    BERTH_INT8 = 6,
    BERTH_STRING = 7,
    BERTH_COMPLEX64 = 8,
    BERTH_INT64 = 9,
    BERTH_BOOL = 10,
    BERTH_QINT8 = 11,
    BERTH_QUINT8 = 12,
    BERTH_QINT32 = 13,
    BERTH_BFLOAT16 = 14,
    BERTH_QINT16 = 15,
    BERTH_QUINT16 = 16,
    BERTH_UINT16 = 17,
    BERTH_COMPLEX128 = 18,
    BERTH_HALF = 19,
    BERTH_RESOURCE = 20,
    BERTH_VARIANT = 21,
    BERTH_UINT32 = 22,
    BERTH_UINT64 = 23
} berth_dtype;

/* TensorFlow's name ("float32", "int64", "string"), "unknown" for a number that is none. */
BERTH_API const char *berth_dtype_name(berth_dtype dtype);
/* Bytes an element; 0 for string, resource and variant. */
BERTH_API size_t berth_dtype_size(berth_dtype dtype);

/* What an input, an output or any tensor of a model is. */
typedef struct berth_spec {
    const char *name;   /* the signature's key, or the tensor's name */
    const char *tensor; /* the tensor's name in the graph: "x:0" */
    berth_dtype dtype;
    int rank; /* -1: unknown */
    int64_t dims[BERTH_MAX_RANK];
} berth_spec;

/* ---- Tensors ------------------------------------------------------------------------------------------ */

typedef struct berth_tensor berth_tensor;

/* A zeroed tensor in host memory (strings: all empty). */
BERTH_API berth_tensor *berth_tensor_new(berth_dtype dtype, int rank, const int64_t *dims, berth_error *error);
/* A tensor over the caller's memory, which must hold the whole tensor, be aligned for its element and stay
 * until `release` is called (NULL: nothing is called). Not for strings. No copy is made. */
BERTH_API berth_tensor *berth_tensor_wrap(berth_dtype dtype, int rank, const int64_t *dims, void *data,
                                          void (*release)(void *user), void *user, berth_error *error);
BERTH_API void berth_tensor_free(berth_tensor *tensor);
BERTH_API berth_dtype berth_tensor_dtype(const berth_tensor *tensor);
BERTH_API int berth_tensor_rank(const berth_tensor *tensor);
/* Size of dimension `axis`, 0 <= axis < rank; 0 for any other. */
BERTH_API int64_t berth_tensor_dim(const berth_tensor *tensor, int axis);
/* Number of elements. */
BERTH_API int64_t berth_tensor_count(const berth_tensor *tensor);
/* Bytes of the elements; 0 for strings. */
BERTH_API size_t berth_tensor_bytes(const berth_tensor *tensor);
/* The elements, row-major; NULL for strings. */
BERTH_API void *berth_tensor_data(berth_tensor *tensor);
/* Element `index` of a string tensor: bytes of any value, which are copied. */
BERTH_API berth_status berth_tensor_set_string(berth_tensor *tensor, int64_t index, const char *bytes, size_t n,
                                               berth_error *error);
/* Borrowed until the element is set or the tensor freed; NULL when there is none such. */
BERTH_API const char *berth_tensor_get_string(const berth_tensor *tensor, int64_t index, size_t *n);

/* ---- Contexts and devices ----------------------------------------------------------------------------- */

/* All process-wide state: threads and devices. NULL is the default context, made at first use. */
typedef struct berth_context berth_context;

typedef struct berth_context_options {
    size_t size;
    int threads; /* for the CPU; 0: as many as affinity and the cgroup's quota leave this process */
    const char *config; /* path of a ConfigProto: as by berth_config_read */
} berth_context_options;

BERTH_API void berth_context_options_init(berth_context_options *options);
BERTH_API berth_context *berth_context_new(const berth_context_options *options, berth_error *error);
BERTH_API void berth_context_free(berth_context *context);

/* How devices are divided and bounded. Each thing can be said once; numbers are -1 and texts NULL where nothing is. */
typedef struct berth_device_options {
    size_t size;
    const char *device;  /* a kind, "GPU", or one device of it, "/GPU:0", counted among the visible ones */
    const char *visible; /* of a kind: which of its hardware, in this order: "0,2"; "" or "-1": none */
    int count;           /* of a kind: so many at most; of CPU: so many, all on the same hardware */
    int growth;          /* 1: memory is taken as it is needed. This is always so; a program that says it is not refused */
    int64_t limit;       /* of one device: bytes that this context may hold there */
    double fraction;     /* of one device: the same as a part of its memory, above 0, at most 1 */
    const char *logical; /* of one device: it becomes several, each with its limit (0: none): "1GiB,512MiB" */
} berth_device_options;

BERTH_API void berth_device_options_init(berth_device_options *options);
/* Takes the options in before the first use: what changes the list of devices (visible, count, logical) before the
 * first model is loaded in the context, a limit before anything lies on the device. Nothing changes on failure. */
BERTH_API berth_status berth_device_configure(berth_context *context, const berth_device_options *options, berth_error *error);

/* Takes in a ConfigProto of TensorFlow's, binary or text, before the first model is loaded: device_count,
 * intra_op_parallelism_threads, allow_soft_placement and log_device_placement for sessions that do not say, and of
 * gpu_options visible_device_list, per_process_gpu_memory_fraction, allow_growth, virtual_devices. What was configured
 * before stays. What it says of GPUs is passed over where there are none. */
BERTH_API berth_status berth_config_read(berth_context *context, const char *path, berth_error *error);

typedef struct berth_device_info {
    const char *name;      /* "/CPU:0" */
    const char *hardware;  /* which it lies on, by the driver's count: "CPU:0"; several logical devices share one */
    const char *model;     /* as the hardware calls itself; this and the next until this thread's next berth_device_get */
    const char *detail;    /* instruction set, driver */
    int64_t memory_total;  /* bytes */
    int64_t memory_free;   /* bytes that can be had now: on the device, and within the limit */
    int64_t memory_in_use; /* bytes that this context holds there */
    int64_t memory_peak;   /* the most that it ever held */
    int64_t memory_taken;  /* all that it ever took, whether given back or not: it stands still when nothing is allocated */
    int64_t memory_limit;  /* that it may hold; 0: no limit but the device's own */
    int64_t memory_others; /* that is held on the hardware beside what this context holds there: by the driver's word, or, where
                              it tells nothing (OpenCL), what other processes of this user have by berth; -1: not known */
    int64_t memory_context; /* that the driver took for itself when the device was opened, which no limit counts; 0: not opened
                               yet, or the driver does not tell */
    int threads;           /* of the CPU; 0 elsewhere */
} berth_device_info;

BERTH_API size_t berth_device_count(berth_context *context);
BERTH_API berth_status berth_device_get(berth_context *context, size_t index, berth_device_info *info, berth_error *error);

/* ---- Models ------------------------------------------------------------------------------------------- */

typedef struct berth_model berth_model;

typedef struct berth_load_options {
    size_t size;
    berth_context *context;
    const char *tags;      /* comma-separated; NULL: "serve", or the only MetaGraph */
    const char *structure; /* path of a Keras architecture (JSON) for files that hold weights alone */
    const char *functions; /* of a SavedModel that has signatures, what to offer beside them of the functions of its objects: one,
                              by its name ("inner.apply"), or with "*" all. NULL: none. A name that is not there is no error here */
} berth_load_options;

BERTH_API void berth_load_options_init(berth_load_options *options);
/* Loads a SavedModel folder, a GraphDef (.pb, .pbtxt), a Keras file (.keras, .h5), a checkpoint (its prefix, .meta or folder), or one
 * of these in a zip or tar archive, gzipped or not. The files are mapped, not read. */
BERTH_API berth_model *berth_model_load(const char *path, const berth_load_options *options, berth_error *error);
/* The same of a file's bytes that lie in memory: they are not copied and must stay as they are until `release`, which may be
 * NULL, is called with `user`, from any thread. On failure it is not called, and they are no longer needed. Messages call the
 * file "memory". */
BERTH_API berth_model *berth_model_load_memory(const void *data, size_t bytes, void (*release)(void *user), void *user,
                                               const berth_load_options *options, berth_error *error);
BERTH_API void berth_model_free(berth_model *model);
/* What it was recognised as: "SavedModel", "GraphDef", "GraphDef text", "Keras HDF5". */
BERTH_API const char *berth_model_format(const berth_model *model);
/* The tag sets of all MetaGraphs in the file: "'serve', 'serve,gpu'"; "" where the format has none. */
BERTH_API const char *berth_model_tags(const berth_model *model);
/* Signatures of the MetaGraph that was chosen; a graph without signatures has none. In a SavedModel that has functions but no
 * signatures each function is one ("inner.apply"); where it has both, those that were asked for stand behind the signatures. */
BERTH_API size_t berth_model_signature_count(const berth_model *model);
BERTH_API const char *berth_model_signature_name(const berth_model *model, size_t index);
/* What such a function was traced with that is no tensor, and so is fixed: "training=True". "" where there is nothing of that
 * kind, NULL beyond the last signature. */
BERTH_API const char *berth_model_signature_note(const berth_model *model, size_t index);
/* Inputs and outputs of a signature. NULL stands for `serving_default`, or the only one, or, in a graph
 * without signatures, for its placeholders and for the outputs that nothing consumes. The count is 0 for an
 * unknown signature; _input and _output then say so. */
BERTH_API size_t berth_model_input_count(const berth_model *model, const char *signature);
BERTH_API berth_status berth_model_input(const berth_model *model, const char *signature, size_t index, berth_spec *spec,
                                         berth_error *error);
BERTH_API size_t berth_model_output_count(const berth_model *model, const char *signature);
BERTH_API berth_status berth_model_output(const berth_model *model, const char *signature, size_t index, berth_spec *spec,
                                          berth_error *error);
/* How many nodes of each op, functions included: index from 0 in order of falling count; false past the end. */
BERTH_API bool berth_model_op(const berth_model *model, size_t index, const char **op, size_t *count);
/* Bytes of all constants and variables. */
BERTH_API int64_t berth_model_weight_bytes(const berth_model *model);

/* What berth_model_transform does. Nothing but what is asked for, and this: what no output needs is left out, and calls of
 * functions are replaced by their nodes where that changes nothing. */
typedef struct berth_transform_options {
    size_t size;
    const char *signature;      /* the one to keep; NULL: all, or with `outputs` as for berth_model_input */
    const char *const *outputs; /* tensors to keep as the only outputs: names in the graph ("scope/y:0"), or keys */
    size_t n_outputs;
    const berth_spec *shapes;   /* shapes to give inputs: name, rank and dims are read; each must fit what the model says */
    size_t n_shapes;
    bool clear_devices;  /* no device strings and no colocation */
    bool strip_training; /* no dropout, assertions, checks of numbers and printing; a placeholder of a truth value or a rate that
                            has a default is its default, one whose name says that the model is being trained is
                            false where it only chooses branches, and branches that are never taken then go */
    bool freeze;         /* variables that nothing writes are constants */
    bool cpu;            /* what TensorFlow has for GPUs alone becomes ops that it has for CPUs: channels first, cuDNN's recurrent
                            networks, fused ops, grouped convolutions; device strings and colocation go too. Then also
                            BERTH_UNSUPPORTED: NCHW_VECT_C, recurrent networks of sizes that the graph does not say */
} berth_transform_options;

BERTH_API void berth_transform_options_init(berth_transform_options *options);
/* A changed copy of the model, which is left as it is and kept alive by the copy. The copy can be run, transformed and saved.
 * Its weights are those of the model: they are not copied. BERTH_NOT_FOUND: no such signature, tensor or input.
 * BERTH_BAD_ARGUMENT: a shape that does not fit. BERTH_UNSUPPORTED: the graph has an op that berth lacks. */
BERTH_API berth_model *berth_model_transform(berth_model *model, const berth_transform_options *options, berth_error *error);
/* What the transformation changed, counted, in the order in which it happened: "variables made constants", 12. Index from 0;
 * false past the end, and for a model that was loaded. The text is constant. */
BERTH_API bool berth_model_change(const berth_model *model, size_t index, const char **what, size_t *count);

/* Writes the model: "graphdef" a frozen GraphDef, "pbtxt" the same as text, "savedmodel" a SavedModel folder with its
 * signatures, variables and assets; NULL: as the path ends, .pb, .pbtxt, or anything else.
 * A GraphDef has the inputs and outputs of one signature (serving_default, or the only one) as a Placeholder and an Identity
 * each, named by their keys; of a model without signatures, under their own names. Its variables are made constants.
 * The path has the new content, or what was there before: a file is replaced, a folder must be new or empty.
 * BERTH_BAD_ARGUMENT: the path cannot be written, or the format is none. BERTH_UNSUPPORTED: what the format cannot hold (more
 * than 2 GiB in a message; a GraphDef with variables that are written). */
BERTH_API berth_status berth_model_save(berth_model *model, const char *path, const char *format, berth_error *error);

/* ---- Ops of your own ---------------------------------------------------------------------------------- */

/* An op that a graph names and this build lacks can come from the program itself (berth_op_register) or from a shared
 * library (berth_op_library_load); examples/custom_op has one. Such ops belong to the process, and are there for the
 * models that are loaded after them. */

#define BERTH_OP_INTERFACE 1 /* the version of this part of the header */

/* What an op's functions are given: a node and its tensors. It is valid during the call, in the thread of the call. */
typedef struct berth_op_call berth_op_call;

typedef struct berth_op {
    const char *name;    /* as nodes have it: "Mish" */
    const char *outputs; /* names of the outputs, "y,z"; NULL: one */
    bool is_stateful;    /* has an effect, or gives different results for the same inputs: it is never computed ahead */
    /* Says dtype and shape of every output by berth_op_set_output, as far as they can be told from what is known of the
     * inputs. Runs for each new input shape: it must be cheap. NULL: the dtype is that of input 0, shapes are unknown. */
    berth_status (*infer)(berth_op_call *call);
    /* Computes every output, on the host. May run in several threads at once. */
    berth_status (*run)(berth_op_call *call);
    /* The same on a device with kernels, by berth_op_launch: the data of tensors are then addresses of the device, but for
     * those of host_inputs. What it launches may be recorded, and done again in later runs of the same shapes without a call,
     * unless the op is stateful. NULL: such a device does not have the op. */
    berth_status (*run_on_device)(berth_op_call *call);
    uint64_t host_inputs;  /* bit i: run_on_device reads input i on the host */
    uint32_t device_types; /* bit 1 << dtype: those of the attribute T that run_on_device takes; 0: half, bfloat16, float, int32 */
} berth_op;

/* What a library of ops defines, under the name berth_ops:
 *     const berth_op_library berth_ops = {BERTH_OP_INTERFACE, ops, sizeof ops / sizeof *ops}; */
typedef struct berth_op_library {
    int op_interface;   /* BERTH_OP_INTERFACE of the header that it was built with */
    const berth_op *ops;
    size_t n_ops;
} berth_op_library;
extern BERTH_API const berth_op_library berth_ops; /* in a library of ops; berth itself has none */

/* Adds an op. The struct and its texts must stay. An op of this name that is there already is a BERTH_BAD_ARGUMENT, unless
 * it is this very struct. */
BERTH_API berth_status berth_op_register(const berth_op *op, berth_error *error);
/* Opens a shared library, which stays open, and adds all its ops or, on failure, none. It runs the library's code. */
BERTH_API berth_status berth_op_library_load(const char *path, berth_error *error);

/* Of the node: attributes; `otherwise` where there is none of that name and kind. Lists: fills at most `most` and gives how
 * many there are, -1 for no such attribute. */
BERTH_API int64_t berth_op_int(const berth_op_call *call, const char *attribute, int64_t otherwise);
BERTH_API float berth_op_float(const berth_op_call *call, const char *attribute, float otherwise);
BERTH_API bool berth_op_bool(const berth_op_call *call, const char *attribute, bool otherwise);
BERTH_API const char *berth_op_string(const berth_op_call *call, const char *attribute, const char *otherwise);
BERTH_API berth_dtype berth_op_type(const berth_op_call *call, const char *attribute, berth_dtype otherwise);
BERTH_API int berth_op_ints(const berth_op_call *call, const char *attribute, int64_t *values, int most);

BERTH_API int berth_op_input_count(const berth_op_call *call);
/* dtype, rank and dims of an input: in infer as far as they are known (dtype 0, rank or dims -1), else exact. The names are
 * NULL. False, and all unknown, for an index out of range. */
BERTH_API bool berth_op_input(const berth_op_call *call, int index, berth_spec *spec);
/* The integers of an input, where they are known: in infer those of constants and of small tensors of shapes. Fills at most
 * `most` and gives how many there are; -1: they are not known, no integers, or on a device. */
BERTH_API int berth_op_input_ints(const berth_op_call *call, int index, int64_t *values, int most);
/* The elements of an input, row-major. NULL in infer, for strings, and for an index out of range. */
BERTH_API const void *berth_op_input_data(const berth_op_call *call, int index);
/* Element `element` of an input of strings. NULL where there is none. */
BERTH_API const char *berth_op_input_string(const berth_op_call *call, int index, int64_t element, size_t *n);

/* In infer: what is known of an output. */
BERTH_API berth_status berth_op_set_output(berth_op_call *call, int index, berth_dtype dtype, int rank, const int64_t *dims);
/* When it runs: memory for an output, once each, before it is written; not the memory of any input. Strings: all empty, and
 * set by berth_op_set_string. NULL on failure: return then what berth_op_status gives. */
BERTH_API void *berth_op_output(berth_op_call *call, int index, berth_dtype dtype, int rank, const int64_t *dims);
BERTH_API berth_status berth_op_set_string(berth_op_call *call, int index, int64_t element, const char *bytes, size_t n);
/* Working memory until the call ends, on the device that it runs on; 64-byte aligned. NULL on failure. */
BERTH_API void *berth_op_scratch(berth_op_call *call, size_t bytes);

/* body(user, begin, end) over disjoint ranges that cover [0, n), each of at least `grain` elements, in several threads. */
typedef void berth_op_range(void *user, int64_t begin, int64_t end);
BERTH_API void berth_op_parallel(berth_op_call *call, int64_t n, int64_t grain, berth_op_range *body, void *user);

typedef enum berth_op_arg_kind { BERTH_ARG_POINTER, BERTH_ARG_INT32, BERTH_ARG_INT64, BERTH_ARG_FLOAT } berth_op_arg_kind;
typedef struct berth_op_arg {
    berth_op_arg_kind kind;
    union {
        const void *pointer;
        int32_t i;
        int64_t l;
        float f;
    } value;
} berth_op_arg;

/* In run_on_device: launches kernel `kernel` of `source` over n work items. The source is text in the dialect that
 * docs/architecture.md describes (KERNEL, GLOBAL, EACH, LOAD, STORE ...), must stay, and is compiled once for each dtype T. */
BERTH_API berth_status berth_op_launch(berth_op_call *call, const char *source, berth_dtype T, const char *kernel, int64_t n,
                                       const berth_op_arg *args, int n_args);

/* Fails the call with a message, behind the node's name; gives the status to return. */
BERTH_API berth_status berth_op_fail(berth_op_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Of the last failure in this call; BERTH_OK when there was none. */
BERTH_API berth_status berth_op_status(const berth_op_call *call);

/* Receives text piece by piece; a nonzero result stops the dump. */
typedef int berth_write_fn(void *user, const char *text, size_t n);

/* ---- Sessions ----------------------------------------------------------------------------------------- */

typedef struct berth_session berth_session;

typedef struct berth_session_options {
    size_t size;
    const char *signature;    /* whose keys name feeds and fetches; NULL as for berth_model_input */
    const char *device;       /* "/CPU:0", "CPU", "auto" (default); of several, "/GPU:0,/GPU:1", each computes part of the
                                 rows of a batch. A run fails with BERTH_UNSUPPORTED where not every output is shown to
                                 carry the batch as its first dimension, each row made of the same row of the inputs */
    const char *const *rules; /* "PATTERN=DEVICE" or "op:PATTERN=DEVICE"; the last that matches wins */
    size_t n_rules;
    bool hard_placement;      /* refuse a node that its device cannot run, instead of moving it */
    bool soft_placement;      /* move it, whatever the context's ConfigProto says */
    bool log_placement;       /* a line a node to the log */
    const char *precision;    /* what floats are computed in: NULL or "f32", what the model says. "bf16" or "f16": products and
                                 convolutions on GPUs take inputs and weights in that type and sum in float; activations between
                                 them stay in it. "tf32": on CUDA, factors may be rounded to it. Feeds and fetches stay as they
                                 are. BERTH_UNSUPPORTED where the session's device does not compute in it, as CPUs do not */
    bool stream_weights;      /* weights that have no room on their device (one with kernels of its own: a GPU) stay on the host,
                                 and pass through a part of its memory in each run: where there is room for
                                 two steps' weights, the next ones come while a step is at work */
    const char *fallback;     /* where all goes when its device is absent, broken or full; a warning to the log says so.
                                 NULL: "/CPU:0" when the device is auto, else none; "none": none */
} berth_session_options;

BERTH_API void berth_session_options_init(berth_session_options *options);
BERTH_API berth_session *berth_session_new(berth_model *model, const berth_session_options *options, berth_error *error);
BERTH_API void berth_session_free(berth_session *session);

/* A named tensor: a key of the session's signature, or any tensor of the graph ("scope/y:0"). */
typedef struct berth_feed {
    const char *name;
    berth_tensor *tensor;
} berth_feed;

typedef struct berth_run_options {
    size_t size;
    const char *const *targets; /* names of nodes to run for their effect */
    size_t n_targets;
    const volatile int *cancel; /* the run stops soon after *cancel becomes nonzero */
    int64_t max_iterations;     /* of any one loop; 0: no bound */
    const char *device;         /* of this run, as in the session's options; its weights and plans stay there for the next. NULL: the session's */
} berth_run_options;

BERTH_API void berth_run_options_init(berth_run_options *options);
/* Plans and packs weights for these feeds and fetches, so that the first run does not. Tensors of feeds may
 * be NULL; where one is given, memory for its shape is laid out too. */
BERTH_API berth_status berth_session_prepare(berth_session *session, const berth_feed *feeds, size_t n_feeds,
                                             const berth_feed *fetches, size_t n_fetches, const berth_run_options *options,
                                             berth_error *error);
/* Runs the graph. Each fetch's tensor is written in place when it is not NULL and has the right dtype and
 * shape; else it gets new memory, and where there was no tensor a new one, which is the caller's. On failure
 * no tensor is made, and the elements of those given are undefined. Runs with the same names, in the same order, and of a shape seen before, into
 * tensors given, allocate nothing. Any number of threads may run one session: variables are shared between
 * the runs, each single read and write of one is atomic, and nothing else is. */
BERTH_API berth_status berth_session_run(berth_session *session, const berth_feed *feeds, size_t n_feeds, berth_feed *fetches,
                                         size_t n_fetches, const berth_run_options *options, berth_error *error);
/* Moves a session to another device without reading the file again: the nodes whose name (or type, "op:Conv2D") matches
 * the shell pattern, or with NULL all, whatever rules were given before. Runs in flight finish where they are; when it
 * returns, what the session held for the former placement is given back. On failure it stays where it is. */
BERTH_API berth_status berth_session_place(berth_session *session, const char *nodes, const char *device, berth_error *error);
/* Variables back to their values in the file. */
BERTH_API berth_status berth_session_reset(berth_session *session, berth_error *error);

/* What became of a node of the graph as written. */
typedef struct berth_placement {
    const char *node;
    const char *op;
    const char *requested; /* by a rule, an option or the graph; "" when nobody asked */
    const char *device;    /* where its work is done; "" when there is none left to do */
    const char *reason;    /* placed, moved because ..., folded, fused into X, pruned */
} berth_placement;

/* Of the plan for the given names (0 and 0: the signature's); takes nothing on a device. Valid until the next such call on
 * this session. */
BERTH_API berth_status berth_session_placement(berth_session *session, const berth_feed *feeds, size_t n_feeds,
                                               const berth_feed *fetches, size_t n_fetches, const berth_placement **nodes,
                                               size_t *n_nodes, size_t *n_copies, berth_error *error);

/* A part of a batch that is divided over several devices (berth_session_options.device). */
typedef struct berth_part {
    const char *device;
    int64_t rows; /* of the batch; -1: not all feeds are given */
    double speed; /* rows a second that it was seen to do; 0: it has not run yet, or only once */
} berth_part;

/* How a run on these feeds would be divided now, in the order of the devices: fills at most `room` of the *n_parts parts. 0
 * parts: the session is on one device. Names as above; `device` lives as long as the session. */
BERTH_API berth_status berth_session_parts(berth_session *session, const berth_feed *feeds, size_t n_feeds,
                                           const berth_feed *fetches, size_t n_fetches, berth_part *parts, size_t room,
                                           size_t *n_parts, berth_error *error);

typedef struct berth_memory {
    int64_t weights, activations, workspace; /* bytes on the device */
} berth_memory;

/* Bytes that the session's plans hold on a device now. */
BERTH_API berth_status berth_session_memory(berth_session *session, const char *device, berth_memory *memory, berth_error *error);

/* ---- Checks ------------------------------------------------------------------------------------------- */

/* Why a node cannot run on its device. */
typedef struct berth_obstacle {
    const char *node;   /* one in a function's body: "function/node"; "" when no single one is at fault */
    const char *op;
    const char *device; /* that it was to run on; "": none can run it */
    const char *reason;
    bool is_moved;      /* another device runs it (soft placement): it keeps nothing from running */
} berth_obstacle;

/* What one run takes on a device. */
typedef struct berth_need {
    const char *device;
    /* Bytes. Of weights, with stream_weights, the least that must lie there. Of workspace: that of a CPU's kernels is known after
     * a run only, and is 0 here; what a device's libraries would have beside what is needed is counted as far as there is room. */
    berth_memory memory;
    int64_t room;        /* bytes that can be had there now: of the limit, or of what is free; weights of this model that lie
                            there already are shared, and counted as room */
    bool fits;
} berth_need;

typedef struct berth_check {
    const berth_obstacle *obstacles;
    size_t n_obstacles;
    const berth_need *needs; /* of each device that has a part in it */
    size_t n_needs;
    bool runs;             /* no obstacle but such as are moved */
    bool fits;             /* on every device */
    bool is_measured;      /* false: an input's rank is not known, or the model does not go together for these shapes; the
                              needs are weights alone */
    int64_t largest_batch; /* the largest first dimension that fits, up to 2^24; 0: none; -1: inputs have no open one */
} berth_check;

/* Whether a session of these options could run: every op, dtype and attribute that its device cannot take, all in one answer,
 * bodies of functions included, and whether it fits, before anything is taken on a device. inputs: name, rank and dims are
 * looked at, dtype where the model leaves it open; an unknown dimension counts as 1, and so do those of the signature's inputs
 * that are not named. outputs: NULL and 0 for the signature's. NULL when the question cannot be: no such device, name or
 * signature. Yours, to be freed. */
BERTH_API berth_check *berth_model_check(berth_model *model, const berth_session_options *options, const berth_spec *inputs,
                                         size_t n_inputs, const char *const *outputs, size_t n_outputs, berth_error *error);
BERTH_API void berth_check_free(berth_check *check);

/* ---- Seeing it ---------------------------------------------------------------------------------------- */

/* From now on every step of every run is noted, which slows them a little; false stops and forgets. What was noted is told
 * by berth_session_steps, in sum, and by berth_session_trace, in full. */
BERTH_API berth_status berth_session_profile(berth_session *session, bool on, berth_error *error);

/* What a run does, step by step: what planning left of the nodes. */
typedef struct berth_step {
    const char *node;     /* a node's name; of an input or an output, the name that it was asked for by */
    const char *op;       /* "MatMul", "_FusedConv2D"; "_Copy": a tensor is brought from another device; "_Feed" and
                             "_Fetch": an input and an output of the whole, which are no work */
    const char *device;   /* where the work is done, or the tensor is brought */
    const char *from;     /* of a _Copy: the device that the tensor comes from; else NULL */
    const size_t *inputs; /* the steps whose results it reads, each once: indices below its own */
    size_t n_inputs;
    size_t caller;        /* the step of whose loop, branch or call it is a part; SIZE_MAX: none */
    int64_t weight_bytes; /* of the constants that it reads, as they lie on the device; shared ones count for each */
    int64_t runs;         /* this and what follows: while the session was profiled; a step of a loop runs once an iteration */
    int64_t total_ns;     /* all runs together: on a device that tells its times (a GPU), of its kernels and copies alone; else
                             by the host's clock. Of a loop, a branch or a call: with its steps, by the host's clock */
    int64_t bytes;        /* of its results, all runs together; of a _Copy: the bytes that were copied */
} berth_step;

/* Of the plan for the given names (0 and 0: the signature's), in the order in which they run; steps of a loop, a branch or a
 * call follow it; of a batch that is divided, the steps of each part follow one another. Valid until the next such call on
 * this session. */
BERTH_API berth_status berth_session_steps(berth_session *session, const berth_feed *feeds, size_t n_feeds,
                                           const berth_feed *fetches, size_t n_fetches, const berth_step **steps,
                                           size_t *n_steps, berth_error *error);

/* All that was noted, as a timeline that Perfetto and chrome://tracing open: {"traceEvents": [...]}. A device is a process,
 * and in it stand: a row a thread with the steps that it ran (of a device that tells its times: their launches, on the CPU), a
 * row with the device's kernels and one with its copies, and the bytes in use there. */
BERTH_API berth_status berth_session_trace(berth_session *session, berth_write_fn *write, void *user, berth_error *error);

/* Writes a stage of the path from file to plan as text: "source" (the graph as written), then the graph after
 * each pass by its name ("prune", "inline", "refs", "functionalise", "simplify", "freeze", "fold", "invariants",
 * "controls", "pad", "activations", "layer_norm", "fuse"), then "plan". */
BERTH_API berth_status berth_session_dump(berth_session *session, const char *stage, berth_write_fn *write, void *user,
                                          berth_error *error);

#ifdef __cplusplus
}
#endif

#endif
