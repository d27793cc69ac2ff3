/* Small questions that pattern-matching passes ask of the working graph. Facts and uses must be fresh. */
#ifndef BT_PATTERN_H
#define BT_PATTERN_H

#include "pass/pass.h"

typedef struct bt_matcher {
    bt_pass_context *x;
    bt_uses uses;
} bt_matcher;

/* Facts and uses of the graph as it is now. */
berth_status bt_matcher_init(bt_matcher *m, bt_pass_context *x);

static inline bt_node *bt_producer(const bt_matcher *m, bt_edge e) { return &m->x->graph.nodes[e.node]; }
static inline bool bt_same_edge(bt_edge a, bt_edge b) { return a.node == b.node && a.slot == b.slot; }
static inline bool bt_is_op(const bt_node *node, const char *op) { return strcmp(node->op, op) == 0; }
bool bt_is_add(const bt_node *node); /* Add, AddV2 */
/* The node behind e when it is of this op, has n inputs, gives e as output 0 and waits for nothing; else NULL. */
bt_node *bt_match(const bt_matcher *m, bt_edge e, const char *op, int n);
/* Uses of one output: consumers' inputs and fetches. */
int bt_use_count(const bt_matcher *m, bt_edge e);
/* The only consumer of node's output 0, when there is exactly one, it is no fetch and nothing waits for node; else -1. */
int32_t bt_only_consumer(const bt_matcher *m, int32_t node, int *input);
/* A float constant of one element. */
bool bt_scalar_value(const bt_matcher *m, bt_edge e, float *value);
static inline bool bt_near(float a, double b) { return a > b - 1e-5 * (b < 0 ? -b : b) - 1e-9 && a < b + 1e-5 * (b < 0 ? -b : b) + 1e-9; }
/* node (of a commutative op) has a constant scalar on one side: *other is its other input. */
bool bt_scalar_side(const bt_matcher *m, const bt_node *node, float *value, bt_edge *other);
/* The constant float vector that broadcasts along the last axis of a tensor of `channels` channels and of this rank:
 * n values copied to dst ([n], [1,...,1,n], or one value repeated). */
bool bt_vector_value(const bt_matcher *m, bt_edge e, int64_t channels, int rank, float *dst);
/* Turns a node into another op in place: same name, new inputs; its attributes stay. */
berth_status bt_become(bt_matcher *m, int32_t node, const char *op, const bt_edge *inputs, int n);

#endif
