/* Keras: operations in functional models: keras.ops of Keras 3 ("TrueDivide") and tf functions of Keras 2
 * ("math.truediv") come under one name in small letters. Arguments are positional, keywords, or members of
 * the configuration.
 * */
#ifndef BT_KERAS_OPERATION_H
#define BT_KERAS_OPERATION_H

#include "format/keras_layers.h"

typedef struct btk_operation {
    const char *name;
    void (*build)(btk_call *c, const char *detail);
    const char *detail;
} btk_operation;

/* Those that move elements about (keras_operation_array.c, keras_operation_join.c), of numbers (keras_operation_number.c), of matrices and windows
 * (keras_operation_matrix.c); ended by a NULL name. */
extern const btk_operation btk_array_operations[], btk_number_operations[], btk_matrix_operations[],
    btk_join_operations[], btk_window_operations[], btk_part_operations[], btk_linalg_operations[],
    btk_signal_operations[], btk_loss_operations[], btk_image_operations[], btk_place_operations[],
    btk_order_operations[], btk_grid_operations[];

bool btk_is_none(const btk_value *v);
/* Argument i, or the first that has one of the names, "axis|dim"; kind JSON with NULL when there is none. */
btk_value btk_operand_value(const btk_call *c, int i, const char *names);
const bt_json *btk_operand_json(const btk_call *c, int i, const char *names);
/* The same as a tensor: numbers and lists become constants of the dtype given (0: float32, or int32 for
 * integers). */
btk_tensor btk_operand(btk_call *c, int i, const char *names, berth_dtype dtype);
/* Two operands of one dtype; numbers take that of the tensor beside them. */
void btk_operands(btk_call *c, btk_tensor *a, btk_tensor *b);
void btk_matmul_operation(btk_call *c, const char *detail);
btk_tensor btk_first_operand(btk_call *c); /* of those that move elements about */
/* The same, in one row where numpy takes it so: no axis is given at i. */
btk_tensor btk_first_or_flat(btk_call *c, int i);
/* keras_operation_order.c: the largest (count, which is n where it is known) along the last axis, falling; output 1: their places. */
btk_tensor btk_top(btk *k, btk_tensor x, btk_tensor count, int64_t n, bool sorted);
btk_tensor btk_places_sorted(btk *k, btk_tensor x); /* along the last axis, rising */
void btk_nonzero(btk_call *c, const char *detail);  /* keras_operation_place.c */
btk_tensor btk_singular_values(btk *k,
                               btk_tensor x); /* keras_operation_linalg.c: [..., least of both sides] */
/* keras_operation_matrix.c: of the matrices in axes a and b; or its sum. */
void btk_diagonal_of(btk_call *c, btk_tensor x, int64_t offset, int64_t a, int64_t b, bool sum);
btk_tensor btk_without_nan(btk *k, btk_tensor x,
                           double nan); /* a number in its place; infinite ones become finite */
int btk_one_axis(btk_call *c, btk_tensor *x,
                 int i); /* "axis", one number; none: x is flattened and the axis is 0 */
/* An axis argument within the rank. */
int btk_operand_axis(btk_call *c, int i, const char *names, int64_t otherwise, int rank);
/* An axis argument as bits; none: all axes. */
uint32_t btk_operand_axes(btk_call *c, btk_tensor x, int i);
int64_t btk_operand_int(const btk_call *c, int i, const char *names, int64_t otherwise);

#endif
