/* Copying a part of a graph into the working graph of a plan: what prune and inline have in common. */
#ifndef BT_CLONE_H
#define BT_CLONE_H

#include "pass/pass.h"

typedef struct bt_clone {
    bt_pass_context *x;
    const bt_graph *from;
    const char *prefix;      /* before the names, "" for none */
    bool keep_origin;        /* `from` is the graph as written */
    const bt_edge *given;    /* edges of `from` that are replaced ... */
    const bt_edge *given_as; /* ... by these of the working graph */
    int n_given;
    const bt_edge *roots;    /* of bt_clone_run */
    int n_roots;
    int32_t *moved;          /* result: by node of `from`, its copy or -1 */
} bt_clone;

/* Copies all that the roots need, stopping at the given edges; on return roots and targets are those of the working graph. */
berth_status bt_clone_run(bt_clone *c, bt_edge *roots, int n_roots, int32_t *targets, int n_targets);
/* The working graph of a plan: x->feeds, fetches and targets are of `from` and become those of x->graph. */
berth_status bt_pass_prune(bt_pass_context *x, const bt_graph *from, bool keep_origin);

#endif
