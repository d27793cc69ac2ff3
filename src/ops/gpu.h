/* Device kernels: how an op family launches them. The kernels of family x stand in x.cl, in the dialect of
 * device/dialect.h; the build makes each file a string, BT_CL(x). A gpu function has the contract of a cpu function
 * (op.h), except that the data of its tensors lies on c->device: it must not touch it, only hand it to kernels, but
 * for inputs named in bt_op.host_inputs, which lie on the host. */
#ifndef BT_GPU_H
#define BT_GPU_H

#include "device/device.h"
#include "ops/op.h"

/* The source of src/ops/x.cl. */
#define BT_CL(x) bt_cl_##x
#define BT_CL_DECLARE(x) extern const char bt_cl_##x[]

/* The dialect's names of a dtype: "-DT=float -DLOAD_T=..." as device/dialect.h explains; NULL for dtypes that kernels do
 * not take. */
const char *bt_gpu_type(berth_dtype dtype);

/* Compiles (once) and launches. defines: further "-D..." options, or "". */
berth_status bt_gpu_launch(bt_call *c, const char *source, const char *defines, const char *kernel, const bt_grid *grid,
                           const bt_arg *args, int n_args);

/* Arguments: (bt_arg[]){bt_pointer(x), bt_long(n), bt_float(alpha)} */
static inline bt_arg bt_pointer(const void *p) { return (bt_arg){.kind = BT_ARG_POINTER, .pointer = p}; }
static inline bt_arg bt_int(int32_t i) { return (bt_arg){.kind = BT_ARG_INT, .i = i}; }
static inline bt_arg bt_long(int64_t l) { return (bt_arg){.kind = BT_ARG_LONG, .l = l}; }
static inline bt_arg bt_float(float f) { return (bt_arg){.kind = BT_ARG_FLOAT, .f = f}; }

/* A grid of n work items in one dimension; the kernel must check its index against n. */
bt_grid bt_grid_of(int64_t n);

#endif
