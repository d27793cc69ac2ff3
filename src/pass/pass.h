/* Passes: graph rewrites, one a file, in the one ordered list of pass.c. The graph is the plan's own pruned copy of the
 * graph as written; a pass changes nodes in place, redirects edges, and leaves dead nodes for bt_pass_sweep. */
#ifndef BT_PASS_H
#define BT_PASS_H

#include "ops/op.h"
#include "ops/weights.h"

/* What became of a node of the graph as written, functions that it calls included. */
typedef enum bt_fate_kind {
    BT_FATE_PRUNED,
    BT_FATE_KEPT,
    BT_FATE_FOLDED,
    BT_FATE_FUSED,
    BT_FATE_REMOVED,
    BT_FATE_INLINED /* a call, in whose place its function's nodes stand */
} bt_fate_kind;

typedef struct bt_fate {
    bt_fate_kind kind;
    const char *into;              /* FUSED: the name of the node that now does its work */
    const char *name, *op, *device; /* the node; device as the graph asks */
    int16_t place;                 /* of the plan's places, when it does work */
    const char *why;               /* it is not where it was asked to be; NULL: it is */
} bt_fate;

/* bt_node.origin is the index: first the nodes of the graph itself, then those that calls brought in. */
typedef struct bt_fates {
    bt_fate *list;
    size_t n, room;
} bt_fates;

/* Why a node cannot run; device: that it was to run on, "" where none can. */
typedef struct bt_obstacle {
    const char *node, *op, *device, *reason;
    bool is_moved; /* it can, elsewhere, and soft placement takes it there */
} bt_obstacle;

/* Where a context has them, what keeps a node from running is entered here, and the work goes on without that node's part: so
 * that all of it comes to light at once. Such a plan cannot be run, only measured. */
typedef struct bt_obstacles {
    bt_arena arena;
    bt_obstacle *list;
    size_t n, room;
    bt_map seen; /* node -> index: passes come upon the same more than once */
} bt_obstacles;

typedef struct bt_pass_context {
    const bt_source *source;  /* functions, variables; borrowed */
    bt_map *functions;        /* the source's and those that passes made: name -> bt_function * */
    bt_arena *arena;          /* of the plan: owns all that passes make */
    bt_graph graph;           /* working copy */
    bt_edge *feeds;           /* tensors that are given: nodes of op `_Feed` (one output each) stand for them after prune */
    int n_feeds;
    bt_fact *feed_facts;      /* what is known of each feed; value set: it is a constant */
    bt_edge *fetches;         /* tensors to compute: kept up to date by bt_pass_redirect */
    int n_fetches;
    int32_t *targets;         /* nodes to run for their effect */
    int n_targets;
    bt_map *written;          /* variables that some plan of this session writes, never frozen: name -> bt_variable *; grows */
    bt_fates *fates;          /* NULL in bodies */
    bt_obstacles *obstacles;  /* NULL: the first is an error */
    const char *function;     /* whose body this is; NULL: the graph itself */
    bt_pool *pool;
    bt_device *const *places; /* nodes' places; 0 is the host */
    int n_places;
    bt_precision precision;   /* what floats are computed in on devices */
    struct bt_changes *changes; /* of a model that is to be written out (portable.h); NULL in a plan */
    bool has_loops;           /* TensorFlow 1's loops may still be there: their back edges make no cycle */
    /* Facts of every output: facts[first_fact[node] + slot]; made by bt_pass_infer, stale after a rewrite. */
    bt_fact *facts;
    int32_t *first_fact;
    berth_error *error;
} bt_pass_context;

typedef berth_status bt_pass_fn(bt_pass_context *x);

typedef struct bt_pass {
    const char *name;
    bt_pass_fn *run;
    bool for_device; /* runs when every node has its place */
} bt_pass;

bt_pass_fn bt_pass_inline, bt_pass_refs, bt_pass_functionalise, bt_pass_simplify, bt_pass_freeze, bt_pass_fold,
    bt_pass_invariants, bt_pass_controls;
bt_pass_fn bt_pass_pad, bt_pass_activations, bt_pass_layer_norm, bt_pass_fuse, bt_pass_precision;

/* All passes in order; ended by a NULL name. */
extern const bt_pass bt_passes[];

/* ---- Help for passes (pass.c) ---- */

/* Facts of all outputs of the graph in topological order (infer + folding of small values). */
berth_status bt_pass_infer(bt_pass_context *x);
static inline bt_fact *bt_pass_fact(bt_pass_context *x, bt_edge e) { return &x->facts[x->first_fact[e.node] + e.slot]; }
/* What is known of one node's outputs: its shape function, values of Shape and its kin, and small values computed. The
 * values lie in the arena. For passes (planning), and for the layout of a plan for given input shapes. */
berth_status bt_facts_node(bt_arena *arena, const bt_node *node, const bt_fact *in, int n_in, bt_fact *out, int n_out,
                           int producer, bool planning, bt_pool *pool, berth_error *error);
/* Order of nodes such that inputs come first; cycles (other than through NextIteration) are an error that names a node. */
berth_status bt_pass_order(bt_pass_context *x, int32_t **order, size_t *n);
/* Every use of `from` (inputs and fetches) becomes `to`. One walk of the graph each: batch with bt_redirects where there are many. */
void bt_pass_redirect(bt_pass_context *x, bt_edge from, bt_edge to);
/* Batched: set[first[node] + slot] = replacement; applied by one walk (chains are followed). */
typedef struct bt_redirects {
    bt_edge *to;
    int32_t *first;
    size_t n_nodes; /* when they were made; nodes added later stand for themselves */
} bt_redirects;
berth_status bt_redirects_init(bt_pass_context *x, bt_redirects *r); /* in the arena; identity */
static inline void bt_redirects_set(bt_redirects *r, bt_edge from, bt_edge to) { r->to[r->first[from.node] + from.slot] = to; }
void bt_redirects_apply(bt_pass_context *x, bt_redirects *r);
/* Consumers of every node: uses[first[node] .. first[node + 1]) are (consumer, input index) pairs; fetches are consumer -1. */
typedef struct bt_uses {
    bt_edge *uses; /* .node: consumer; .slot: its input index (-1: control) */
    int32_t *first;
    int32_t *slot_count_first, *slot_count; /* uses per output: slot_count[slot_count_first[node] + slot] */
} bt_uses;
berth_status bt_uses_build(bt_pass_context *x, bt_uses *u);
/* Drops nodes that neither fetches, targets nor stateful control paths need, and renumbers. Facts go stale. */
berth_status bt_pass_sweep(bt_pass_context *x);
/* A constant node holding *value (bytes borrowed: they must live in the arena or the source). Index or -1. */
int32_t bt_pass_const(bt_pass_context *x, const char *name, const bt_tensor *value);
/* A node for the weights (ops/weights.h), which stands for `origin`. It is a constant without a value that passes could see; like
 * a Const it lies on the host, with a twin where it is wanted. from and scale are borrowed, as above. Index or -1. */
int32_t bt_pass_weights(bt_pass_context *x, int32_t origin, const bt_weights *w);
static inline bool bt_pass_is_const(const bt_node *node) { return !strcmp(node->op, "Const") || !strcmp(node->op, "_Weights"); }
/* Whether a place has kernels of its own, and whether these have the op. */
static inline bool bt_pass_is_gpu(const bt_pass_context *x, int place) { return place > 0 && x->places[place]->ops->compile; }
static inline bool bt_pass_has_kernel(const bt_pass_context *x, int place, const bt_op *op)
{
    return op && (bt_pass_is_gpu(x, place) ? op->gpu != NULL : op->cpu != NULL);
}
void bt_pass_fate(bt_pass_context *x, int32_t node, bt_fate_kind kind, const char *into);
/* What a node runs into, once; `function`: where it stands, NULL in the graph itself. The texts are copied. */
berth_status bt_obstacle_add(bt_obstacles *all, const char *function, const bt_obstacle *obstacle, berth_error *error);
/* After a failure that is this node's: enters it among x->obstacles, clears the error and gives true; false where the first one
 * ends the work, and for failures that are nobody's (memory). in: what is known of its inputs; a failure where a dtype is not is
 * that of the node which it comes from. */
bool bt_obstacle_take(bt_pass_context *x, const bt_node *node, const char *device, const bt_fact *in);
void bt_obstacles_free(bt_obstacles *all);
/* Enters a node as one of its own; false when out of memory. */
bool bt_pass_add_fate(bt_pass_context *x, int32_t node);

#endif
