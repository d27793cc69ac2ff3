/* The state of a run: its values, arenas and workspace; kept for the next run of the plan, so that a warm run of a known shape
 * allocates nothing. */
#ifndef BT_STATE_H
#define BT_STATE_H

#include <stdatomic.h>

#include "plan/plan.h"
#include "plan/workspace.h"

typedef struct bt_replay bt_replay; /* replay.h */

/* Tensors that a step turns over (bt_kept). */
typedef struct bt_kept_tensors {
    bt_tensor *tensors;
    int n;
} bt_kept_tensors;

typedef struct bt_run {
    bt_plan *plan;
    const bt_services *services;
    bt_layout *layout;     /* that values and arena are set up for; a reference */
    bt_tensor *values;     /* by slot */
    bt_tensor **pointers;  /* of all steps' inputs and outputs, into values */
    bool *dead;            /* by step; guarded plans only */
    bt_kept_tensors *kept; /* by step */
    uint8_t *arena[BT_MAX_PLACES];
    size_t arena_bytes[BT_MAX_PLACES];
    bt_workspace workspace[BT_MAX_PLACES];
    bt_faults faults;    /* of a run that is no body's */
    bt_replay *replays;  /* what was recorded of the layouts used last */
    const bt_step *step; /* that runs now */
    uint64_t take;       /* bit i: the caller gives in[i] away */
    struct bt_run *next;
} bt_run;

/* Whether a tensor alone has its buffer. */
static inline bool bt_run_owns(const bt_tensor *t)
{
    return t->buffer && atomic_load_explicit(&t->buffer->refs, memory_order_acquire) == 1;
}

/* A state that is set up for these shapes. Where memory is short, idle states are given back, and then the end of another run
 * is waited for. NULL with the error set. */
bt_run *bt_run_begin(bt_plan *plan, const bt_services *services, bt_tensor *const *in, berth_error *error);
/* The state waits for the next run, or goes, when it does not stay. */
void bt_run_end(bt_run *run, bool stays);

/* Forgets all that was recorded of a state: before its memory is given back (replay.c). */
void bt_replays_free(bt_run *run);

#endif
