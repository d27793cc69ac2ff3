/* A model that is to be written out again: its graph and every function that the graph reaches, each a working graph that
 * passes change, and then a bt_source of its own. To read next: portable.c, ../session/transform.c (who runs which pass). */
#ifndef BT_PORTABLE_H
#define BT_PORTABLE_H

#include "pass/pass.h"

/* What was changed, counted: "devices cleared", 12. */
typedef struct bt_change {
    const char *what; /* a constant text */
    size_t n;
} bt_change;

enum { BT_MAX_CHANGES = 32 };
typedef struct bt_changes {
    bt_change list[BT_MAX_CHANGES];
    size_t n;
} bt_changes;

/* Counts n more changes of a kind; nothing in a plan. */
void bt_pass_change(bt_pass_context *x, const char *what, size_t n);

/* The graph (from NULL), or a function. */
typedef struct bt_unit {
    bt_pass_context x;
    const bt_function *from;
    size_t index; /* in the list of all */
    bool is_reached, is_retyped; /* retyped: results are not of the types that the file says */
} bt_unit;

typedef struct bt_portable {
    const bt_source *source;
    bt_arena *arena;  /* of what will be the new source: owns all */
    bt_map functions; /* the source's and those that passes made */
    bt_map written;   /* of the units' contexts */
    bt_map unit_of;   /* name of a function -> index of its unit */
    bt_unit **units;  /* 0: the graph */
    size_t n_units, room;
    bt_unit **reached; /* those that the graph calls, itself first, as the last bt_portable_each found them */
    size_t n_reached, reached_room;
    bt_changes changes;
    bt_pool *pool;
    berth_error *error;
} bt_portable;

/* The graph as far as the fetches and targets need it: nodes `_Feed` stand for the feeds, as in a plan, until the end. The
 * arrays are copied. */
berth_status bt_portable_begin(bt_portable *p, const bt_edge *feeds, const bt_fact *facts, int n_feeds,
                               const bt_edge *fetches, int n_fetches, const int32_t *targets, int n_targets);
/* Runs a pass (NULL: none) on the graph and every function that it still calls, callers first. */
berth_status bt_portable_each(bt_portable *p, bt_pass_fn *pass);
/* Functions of the new source from the units that the graph still calls; feeds become what they are in files:
 * placeholders of the graph, arguments of a function. */
berth_status bt_portable_end(bt_portable *p, bt_source *made);
/* A function of its own that is like this unit as it is now; its name, p NULL where the error is set. */
bt_str bt_portable_copy(bt_portable *p, size_t unit);
void bt_portable_free(bt_portable *p); /* all but what lies in the arena */

/* ---- Passes for models that are written out ----------------------------------------------------------- */

bt_pass_fn bt_pass_clear_devices, bt_pass_strip_training;
/* Of the graph itself: a boolean placeholder whose name, or key (the attribute `_key`), says that it is true in training, and that does no more than choose
 * branches, counts as false; it stays as an input that nothing reads (inference.c). */
bt_pass_fn bt_pass_inference_phase;
/* What was settled by that, and placeholders that have a default, choose branches for good. Before anything has changed in
 * functions: their nodes come into the graph as they were written. */
bt_pass_fn bt_pass_inference;
/* For stock TensorFlow on processors that have not what GPUs have: GatherTree (gather_tree.c), cuDNN's networks (cudnn_rnn.c), ops fused by TensorFlow's optimizer (unfuse.c),
 * channels first (layout.c), then, in channels last, grouped convolutions and dilated ones (unfuse.c). */
bt_pass_fn bt_pass_gather_tree, bt_pass_cudnn_rnn, bt_pass_unfuse, bt_pass_channels_last, bt_pass_ungroup, bt_pass_undilate;
/* Variables that nothing writes become constants (portable_freeze.c). */
berth_status bt_portable_freeze(bt_portable *p);
/* Tables are filled from constants, and their initialisers become the graph's only targets (tables.c). */
berth_status bt_portable_tables(bt_portable *p);

#endif
