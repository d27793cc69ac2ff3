/* Single sizes that the nodes before a tensor tell, where others beside them are not known: by Pack, ConcatV2, GatherV2, Fill,
 * Reshape, ExpandDims. For passes that need one number of a shape. Facts must be fresh. */
#ifndef BT_SIZES_H
#define BT_SIZES_H

#include "pass/pass.h"

/* Element i of a vector of sizes; -1: not known. */
int64_t bt_size_element(bt_pass_context *x, bt_edge e, int64_t i);
/* Dimension `axis` of a tensor of this rank; -1: not known. */
int64_t bt_size_dim(bt_pass_context *x, bt_edge e, int axis, int rank);

#endif
