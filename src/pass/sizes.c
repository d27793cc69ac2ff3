/* Sizes that a graph tells, where shape functions do not: see sizes.h. */
#include "pass/sizes.h"

enum { MOST_HOPS = 16 };

static int64_t element_at(bt_pass_context *x, bt_edge e, int64_t i, int hops)
{
    const bt_fact *fact = bt_pass_fact(x, e);
    const bt_node *node = &x->graph.nodes[e.node];
    if (fact->value && bt_dtype_is_int(fact->dtype))
        return i < bt_tensor_count(fact->value) ? bt_tensor_int(fact->value, i) : -1;
    if (hops > MOST_HOPS || e.slot) return -1;
    if (!strcmp(node->op, "Identity")) return element_at(x, node->inputs[0], i, hops + 1);
    if (!strcmp(node->op, "Pack") && i < node->n_inputs) return element_at(x, node->inputs[i], 0, hops + 1);
    if (!strcmp(node->op, "GatherV2") && node->n_inputs == 3) { /* along axis 0: there is no other */
        int64_t at = element_at(x, node->inputs[1], i, hops + 1);
        return at < 0 ? -1 : element_at(x, node->inputs[0], at, hops + 1);
    }
    for (int k = 0; !strcmp(node->op, "ConcatV2") && k + 1 < node->n_inputs; k++) {
        const bt_shape *part = &bt_pass_fact(x, node->inputs[k])->shape;
        if (part->rank != 1 || part->dim[0] < 0) return -1;
        if (i < part->dim[0]) return element_at(x, node->inputs[k], i, hops + 1);
        i -= part->dim[0];
    }
    return -1;
}

static int64_t dim_at(bt_pass_context *x, bt_edge e, int axis, int rank, int hops)
{
    const bt_shape *shape = &bt_pass_fact(x, e)->shape;
    const bt_node *node = &x->graph.nodes[e.node];
    if (shape->rank == rank && shape->dim[axis] >= 0) return shape->dim[axis];
    if (hops > MOST_HOPS || e.slot || !node->n_inputs) return -1;
    if (!strcmp(node->op, "Identity")) return dim_at(x, node->inputs[0], axis, rank, hops + 1);
    if (!strcmp(node->op, "Fill")) return element_at(x, node->inputs[0], axis, hops + 1);
    if (node->n_inputs != 2) return -1;
    if (!strcmp(node->op, "Reshape")) return element_at(x, node->inputs[1], axis, hops + 1);
    int more;
    if (strcmp(node->op, "ExpandDims") || !bt_pass_fact(x, node->inputs[1])->value) return -1;
    if (!bt_axis(element_at(x, node->inputs[1], 0, hops + 1), rank, &more)) return -1;
    return axis == more ? 1 : dim_at(x, node->inputs[0], axis - (axis > more), rank - 1, hops + 1);
}

int64_t bt_size_element(bt_pass_context *x, bt_edge e, int64_t i) { return element_at(x, e, i, 0); }
int64_t bt_size_dim(bt_pass_context *x, bt_edge e, int axis, int rank) { return dim_at(x, e, axis, rank, 0); }
