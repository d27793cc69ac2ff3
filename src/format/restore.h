/* Which variable has which value of a checkpoint: told from the graph that TensorFlow itself would run. */
#ifndef BT_RESTORE_H
#define BT_RESTORE_H

#include "format/bundle.h"

/* Fills source->variables from the bundle. restore_op: the node that restores in TensorFlow (SaverDef); NULL, or
 * one that the graph does not have: variables are matched to the checkpoint by their names. */
berth_status bt_restore_variables(bt_source *source, const char *restore_op, bt_bundle *bundle, berth_error *error);

#endif
