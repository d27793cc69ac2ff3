/* Replays: stretches of a layout's steps that a device does as one piece of work, recorded when a run state comes to them for
 * the second time. A recording names memory: the state's arena and workspace, its record of faults and the plan's weights. What
 * comes from the host and goes there stays outside, as do steps whose launches could differ from run to run. Who runs steps:
 * run.c. */
#ifndef BT_REPLAY_H
#define BT_REPLAY_H

#include "plan/state.h"

/* Runs step i of the layout: what run.c does, for one that is to be recorded. */
typedef berth_status bt_step_fn(bt_call *c, int32_t i);

/* What can be replayed of the layout that the run is set up for; NULL: nothing now. */
bt_replay *bt_replay_begin(bt_run *run);
/* Has the stretch that begins with step i done, where there is one: the step after it. Else nothing was done: i. */
int32_t bt_replay_from(bt_replay *replay, bt_call *c, int32_t i, bt_step_fn *step);

#endif
