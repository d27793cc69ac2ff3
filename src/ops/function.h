/* Calls of functions of the model: what the families that run bodies share (function.c, loop.c). */
#ifndef BT_FUNCTION_H
#define BT_FUNCTION_H

#include "ops/op.h"

/* Whether the op is a call of the function that attribute f names, with all of its inputs. */
static inline bool bt_op_calls(const char *op)
{
    return !strcmp(op, "PartitionedCall") || !strcmp(op, "StatefulPartitionedCall") || !strcmp(op, "BatchFunction");
}
/* Whether the sizes that a BatchFunction allows its batches fit one another. The batch itself may have any: nobody adds to it, and
 * rows are independent of one another, so that none is added to fill it up. */
berth_status bt_batch_limits(const bt_node *node, berth_error *error);
/* Output dtypes from the first of the list attributes Tout, T, output_types that is there; shapes from output_shapes. */
bt_infer_fn bt_infer_call;
/* The body of the function that an attribute names, for the inputs from `first` on; it must have one result an output. */
berth_status bt_prepare_call(bt_prepare *p, const char *function, int first, const bt_fact *facts,
                             struct bt_body **body);
/* A function of that many arguments and results; NULL with the error set. */
const bt_function *bt_checked_function(bt_prepare *p, const char *function, int n_args, int n_results);
/* The argument that result k is, or -1: through Identity and its kin. */
int bt_function_argument(const bt_function *f, int k);
/* The truth of a condition: a scalar that is not zero, a string that is not empty, any other tensor with elements. */
berth_status bt_tensor_truth(bt_call *c, const bt_tensor *t, bool *truth);

/* For who looks into steps that were prepared. The bodies of If, Case (n of them; the first input decides) and of a call (n is 1,
 * and no input does); 0: the op is none of these. */
int bt_branches(const bt_op *op, const void *state, struct bt_body *const **bodies, bool *decides);
/* Of a While; false: the op is none. */
typedef struct bt_loop_parts {
    struct bt_body *cond, *body;
    const bool *invariant; /* by argument: the body hands it through */
} bt_loop_parts;
bool bt_while_parts(const bt_op *op, const void *state, bt_loop_parts *parts);

#endif
