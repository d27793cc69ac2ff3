/* Device kernels: how an op family launches them. The kernels of family x stand in x.cl, in the dialect of
 * device/dialect.h; the build makes each file a string, BT_CL(x). A gpu function has the contract of a cpu function
 * (op.h), except that the data of its tensors lies on c->device: it must not touch it, only hand it to kernels, but
 * for inputs named in bt_op.host_inputs, which lie on the host. */
#ifndef BT_GPU_H
#define BT_GPU_H

#include "device/device.h"
#include "device/dialect.h"
#include "ops/op.h"

/* Whether this call's data lies on a device with kernels of its own: an op whose checks and shapes are the same there can
 * have one function for both. */
static inline bool bt_on_gpu(const bt_call *c) { return c->device && c->device->ops->compile; }

/* The dialect's name of a dtype ("f32"); NULL for those that kernels do not take. */
const char *bt_gpu_type(berth_dtype dtype);

/* An unsigned integer of the dtype's size, or complex128, for kernels that only move elements. */
berth_dtype bt_gpu_unit(berth_dtype dtype);

/* Always an unsigned integer, for kernels that write zeros too: a complex128 is two of them. row: elements before, words after. */
berth_dtype bt_gpu_word(berth_dtype dtype, int64_t *row);

/* "-DDT=f32 -DDT1=b8 ", then what is given more; t1 0: without DT1. Gives `text`. */
enum { BT_DEFINES = 128 };
const char *bt_gpu_defines(char text[BT_DEFINES], berth_dtype t, berth_dtype t1, const char *more);

/* Compiles (once) and launches. source: BT_CL(x). defines: "-D..." options, or "". */
berth_status bt_gpu_launch(bt_call *c, const char *source, const char *defines, const char *kernel, const bt_grid *grid,
                           const bt_arg *args, int n_args);

/* Arguments: (bt_arg[]){bt_pointer(x), bt_long(n), bt_float(alpha)} */
static inline bt_arg bt_pointer(const void *p) { return (bt_arg){.kind = BT_ARG_POINTER, .pointer = p}; }
static inline bt_arg bt_int(int32_t i) { return (bt_arg){.kind = BT_ARG_INT, .i = i}; }
static inline bt_arg bt_long(int64_t l) { return (bt_arg){.kind = BT_ARG_LONG, .l = l}; }
static inline bt_arg bt_float(float f) { return (bt_arg){.kind = BT_ARG_FLOAT, .f = f}; }
/* A struct by value; p must stay until the launch returns. */
static inline bt_arg bt_bytes(const void *p, size_t n) { return (bt_arg){.kind = BT_ARG_BYTES, .bytes = {p, n}}; }

/* What a kernel found that it cannot take (an index out of range), as the dialect's FAULT leaves it on the device. It is read
 * when the run ends, and every 1024 rounds of a loop, so that no step waits for it. */
typedef struct bt_fault {
    uint32_t claimed, unused;
    int64_t node;  /* const bt_node * */
    int64_t text;  /* const char *, a format that takes three long longs */
    int64_t numbers[3];
} bt_fault;

/* The arguments that FAULT_ARGS stands for. text: a constant; what FAULT is given fills its "%lld"s. */
berth_status bt_gpu_fault(bt_call *c, const char *text, bt_arg args[3]);
/* From a copy of the record on the host: BERTH_OK where nothing was claimed, else the error, with the node in front. */
berth_status bt_fault_said(const bt_fault *fault, berth_error *error);

/* Brings bytes of a device to the host, and waits for them. */
berth_status bt_gpu_read(bt_call *c, void *host, const void *p, size_t bytes);
/* A copy in working memory on the device of what lies on the host; NULL with the error set. */
void *bt_gpu_upload(bt_call *c, const void *host, size_t bytes);

/* Grids for the dialect's EACH: over n in dimension 0; over `inner` in dimension 0 and `rows` in dimension 1. On a
 * device that is CPU-shaped these are a few items with a long part each. */
bt_grid bt_grid_of(const bt_call *c, int64_t n);
bt_grid bt_grid_rows(const bt_call *c, int64_t inner, int64_t rows);
/* Groups that share `n` items of work each, for `groups` pieces of it: of a power of two of items, at most 256, and of one
 * on a device that is CPU-shaped. Kernels loop from WGID by NWG. */
bt_grid bt_grid_groups(const bt_call *c, int64_t groups, int64_t n);

#endif
