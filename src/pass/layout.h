/* Channels last: what each op makes of it (layout_rules.c), and the pass (layout.c). A tensor of 3 to 5 dimensions has two
 * orders: `first`, as the graph has it, [N, C, ...], and `last`, [N, ..., C]. Tensors of other ranks have one. */
#ifndef BT_LAYOUT_H
#define BT_LAYOUT_H

#include "pass/build.h"

typedef enum bt_layout_kind {
    BT_LAYOUT_FIRST,    /* wants all that it has as the graph has it */
    BT_LAYOUT_LAST,     /* has a data_format: computes channels last from now on */
    BT_LAYOUT_EITHER,   /* computes in either order, and gives its results in the same */
    BT_LAYOUT_TO_FIRST, /* a Transpose from last to first */
    BT_LAYOUT_TO_LAST   /* and back */
} bt_layout_kind;

/* How an op reads and gives tensors. Carried: in the order in which the op computes. */
typedef struct bt_layout_rule {
    bt_layout_kind kind;
    int first_in, end_in; /* carried inputs */
    int end_out;          /* outputs from 0 on are carried */
    int rank, out_rank;   /* of carried tensors */
    int any_in;           /* an input that may lie in either order, whatever the op computes in; -1: none */
    const struct bt_layout_op *op;
} bt_layout_rule;

typedef struct bt_layouts {
    bt_pass_context *x;
    bt_builder b;
    bool has_frames; /* loops of TensorFlow 1 */
    bt_layout_rule *rules; /* by node */
    size_t n;              /* nodes that there were */
} bt_layouts;

/* What a node makes of orders; BERTH_UNSUPPORTED: it has one that is of GPUs alone. */
berth_status bt_layout_rule_of(bt_layouts *l, int32_t node, bt_layout_rule *rule);
/* The node, whose inputs are in place, computes channels last: its attributes, axes and sizes follow. was: as it was before,
 * facts are known of that one's inputs alone. */
void bt_layout_rewrite(bt_layouts *l, int32_t node, const bt_layout_rule *rule, const bt_node *was);
/* The axes of `first` in the order of `last`, and back. */
void bt_layout_order(int rank, bool to_last, int64_t *order);
/* Whether both orders of a shape are the same bytes. */
bool bt_layout_is_trivial(const bt_shape *shape);

#endif
