/* Variables: the object behind a handle, and arithmetic on its elements, for the families that read and write
 * them (variable.c, variable_scatter.c). Ref variables of TF1 are the same objects: see ../pass/refs.c. */
#ifndef BT_VARIABLE_H
#define BT_VARIABLE_H

#include "ops/object.h"
#include "ops/resource.h"

#include <pthread.h>

/* Each single read and write is atomic; a read shares the bytes, a write copies them while others hold them. */
typedef struct bt_var {
    bt_object base;
    pthread_mutex_t lock; /* of value */
    berth_dtype dtype;
    bt_shape shape;  /* as declared: maybe unknown */
    bt_tensor value; /* dtype 0: uninitialised */
    char name[];
} bt_var;

/* The variable that input i holds; NULL with the error set. */
bt_var *bt_var_input(bt_call *c, int i);
/* Locks a variable that has a value, which the caller alone holds then: it may be changed in place. On failure
 * (uninitialised, of another dtype, out of memory) it is not locked. */
berth_status bt_var_lock(bt_call *c, bt_var *var, berth_dtype dtype);
/* A new reference to the value, to be cleared. */
berth_status bt_var_read(bt_call *c, bt_var *var, bt_tensor *value);

/* Output 0: of the dtype that attribute "dtype" names, of unknown shape. */
bt_infer_fn bt_infer_var_value;

typedef enum bt_combine_op { BT_SET, BT_ADD, BT_SUB, BT_MUL, BT_DIV, BT_MIN, BT_MAX } bt_combine_op;
/* dst[i] = dst[i] op src[i * step] for n elements; step 0 repeats one operand. Fails for dtypes without that
 * arithmetic and for integers divided by zero. */
berth_status bt_combine(berth_dtype dtype, bt_combine_op op, void *dst, const void *src, int64_t n, int step,
                        berth_error *error);

#endif
