/* Device strings and colocation go: a graph runs wherever it is put. */
#include "pass/portable.h"

/* Colocation, and the marks of a compiler that not every build has. */
static bool is_bound(const char *attr) { return !strcmp(attr, "_class") || bt_starts(attr, "_Xla"); }

berth_status bt_pass_clear_devices(bt_pass_context *x)
{
    size_t devices = 0, colocated = 0;
    for (size_t i = 0; i < x->graph.n_nodes; i++) {
        bt_node *node = &x->graph.nodes[i];
        devices += node->device && *node->device;
        node->device = "";
        int kept = 0;
        for (int a = 0; a < node->n_attrs; a++) kept += !is_bound(node->attrs[a].name);
        if (kept == node->n_attrs) continue;
        bt_attr *attrs = bt_arena_array(x->arena, bt_attr, (size_t)kept + 1); /* nodes may share theirs */
        if (!attrs) return bt_fail_memory(x->error);
        colocated++, kept = 0;
        for (int a = 0; a < node->n_attrs; a++)
            if (!is_bound(node->attrs[a].name)) attrs[kept++] = node->attrs[a];
        node->attrs = attrs, node->n_attrs = kept;
    }
    bt_pass_change(x, "device strings cleared", devices);
    bt_pass_change(x, "colocations and marks for XLA cleared", colocated);
    return BERTH_OK;
}
