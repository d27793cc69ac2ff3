/* New nodes for a working graph, as passes that write plain ops in the place of others need them: named after what they stand
 * for, with their attributes. A failed builder (out of memory) makes nothing more: check it once, at the end. */
#ifndef BT_BUILD_H
#define BT_BUILD_H

#include "pass/pass.h"

typedef struct bt_builder {
    bt_pass_context *x;
    const char *scope;  /* before the names: "scope/Transpose" */
    int32_t beside;     /* constants run with this node, where a loop of TensorFlow 1 may be around it; -1: wherever */
    bool failed;
} bt_builder;

/* A node of n inputs, its output 0; attribute T where dtype is not BERTH_NO_DTYPE. */
bt_edge bt_build(bt_builder *b, const char *op, berth_dtype dtype, const bt_edge *inputs, int n);
#define BT_BUILD(b, op, dtype, ...)                                                                                  \
    bt_build((b), (op), (dtype), (const bt_edge[]){__VA_ARGS__}, (int)(sizeof((bt_edge[]){__VA_ARGS__}) / sizeof(bt_edge)))
/* Further attributes of a node just made. */
void bt_build_type(bt_builder *b, bt_edge e, const char *name, berth_dtype value);
void bt_build_int(bt_builder *b, bt_edge e, const char *name, int64_t value);
void bt_build_bool(bt_builder *b, bt_edge e, const char *name, bool value);
void bt_build_copy(bt_builder *b, bt_edge e, int32_t from, const char *name); /* another node's, where it has it */
/* Constants: a tensor whose bytes live as long as the arena; n integers of int32 or int64, a vector, or a scalar. */
bt_edge bt_build_const(bt_builder *b, const char *name, const bt_tensor *value);
bt_edge bt_build_ints(bt_builder *b, const char *name, berth_dtype dtype, const int64_t *values, int n);
bt_edge bt_build_index(bt_builder *b, const char *name, int64_t value); /* an int32 scalar */
/* x in another order of axes; rows of a vector or matrix in another order. */
bt_edge bt_build_transpose(bt_builder *b, bt_edge e, berth_dtype dtype, const int64_t *order, int rank);
bt_edge bt_build_gather(bt_builder *b, bt_edge e, berth_dtype dtype, const int64_t *order, int n);
/* Replaces a node's inputs, its op, its data inputs' order ...: the node stays, under its name. */
void bt_build_become(bt_builder *b, int32_t node, const char *op, const bt_edge *inputs, int n);

#endif
