/* Inside the analysis of batches (batch.h): what every tensor is in the run on the whole batch beside the run on a part of it.
 * batch.c walks through plans, batch_rules.c has a rule an op, batch_items.c knows lists and arrays, and batch_body.c goes into
 * what If, While and calls run. */
#ifndef BT_FLOW_H
#define BT_FLOW_H

#include "plan/plan.h"

typedef enum bt_flow_kind {
    BT_SAME, /* the same in both runs: weights, what is made of them alone, sizes without the batch's */
    BT_ROWS, /* one dimension is the batch, see below; all others agree */
    BT_SIZE, /* known without a run, and follows the size of the batch, as a shape does */
    BT_ITEMS /* a list of tensors or an array, of as many items in both runs */
} bt_flow_kind;

/* ROWS: dimension `axis` is [outer, rows, k] in one, k >= 1, and what stands at row i of it is made of row i of the batch, and
 * of tensors that are the SAME, alone. The two runs differ in the size of this dimension and in no other, so that shapes alone
 * tell which it is. */
typedef struct bt_flow {
    bt_flow_kind kind;
    int axis;
    int64_t outer;
    struct bt_batch_items *items; /* ITEMS */
} bt_flow;

/* What the items of a list are, all alike; of an array, whatever is ever written to it. A list is a value, and never changed;
 * an array is one for all that know it. */
typedef struct bt_batch_items {
    bool any; /* one was put in; what is read else is zeros */
    bt_flow flow;
    bt_shape whole, some;
    bt_shape stated, stated_too; /* what the list was made for, in the whole and in the part */
    int64_t n;              /* how many; -1: not known */
    bool is_array, is_read; /* is_read: somebody was told what they are */
} bt_batch_items;

/* A tensor in both runs. */
typedef struct bt_both {
    bt_fact whole, some;
    bt_flow flow;
} bt_both;

typedef struct bt_batch_array bt_batch_array;

/* The analysis. */
typedef struct bt_batch {
    int64_t rows, first, part;
    bt_arena *arena;
    int64_t left;           /* steps that may still be looked at */
    bool no_memory;         /* so that nothing was refused, whatever was said */
    bool again;             /* an array holds what those who read it were not told */
    bt_batch_array *arrays; /* by the step that makes them */
    berth_error *error;
} bt_batch;

/* One plan in it: the model's, or that of a body. */
typedef struct bt_walk {
    bt_batch *batch;
    bt_plan *plan;
    bt_fact *whole, *some; /* by slot */
    bt_flow *flow;         /* by slot */
    bt_fact *in, *out;     /* room for the facts of a step */
    bt_flow *results;      /* and for what its rule says */
} bt_walk;

/* The dimension in which two shapes differ as [outer, rows, k] and [outer, part, k]; -1: there is no such, or another differs. */
int bt_batch_axis(const bt_batch *b, const bt_shape *whole, const bt_shape *some, int64_t outer);
/* Walks through a body: results (may be NULL) of its fetches for these arguments, one a feed. Refuses as bt_batch_check does. */
berth_status bt_batch_walk(bt_batch *b, bt_plan *plan, const bt_both *args, bt_both *results);
bt_both bt_batch_slot(const bt_walk *w, int32_t slot);
/* Fails with UNSUPPORTED and the node's name in front, or for want of memory. */
berth_status bt_batch_refuse(const bt_walk *w, const bt_step *it, const char *why);

/* How results are, in w->results: ROWS of any axis where nothing else was said. NULL: the op's rule holds; else why not. */
const char *bt_batch_rule(const bt_walk *w, const bt_step *it);
/* The same for what makes, reads and changes lists and arrays, which fills in facts, too; *is_one: the op is one of them. */
const char *bt_batch_items_rule(bt_walk *w, const bt_step *it, bool *is_one);
/* What two runs of a loop, or two branches, have in common, in *a; false: nothing that rules could go by. *changed is set
 * where *a said more before. */
bool bt_batch_join(bt_batch *b, bt_both *a, const bt_both *other, bool *changed);
/* If, Case, While and calls: results in the walk's slots. *is_one: the step is one of them. */
berth_status bt_batch_body(bt_walk *w, int32_t step, bool *is_one);

extern const char *const bt_batch_mixes, *const bt_batch_sized;

#endif
