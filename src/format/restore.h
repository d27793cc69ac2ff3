/* Which variable has which value of a checkpoint: told from the graph that TensorFlow itself would run. */
#ifndef BT_RESTORE_H
#define BT_RESTORE_H

#include "format/bundle.h"

/* What a checkpoint tells beside values. */
typedef struct bt_restored {
    bt_str objects; /* its graph of objects (object_graph.h); empty: it has none */
    bt_map handles; /* key in the checkpoint -> index of the variable's node in the graph */
} bt_restored;

/* Fills source->variables from the bundle. restore_op: the node that restores in TensorFlow (SaverDef); NULL, or
 * one that the graph does not have: variables are matched to the checkpoint by their names. restored: NULL, or zeroed, its
 * map to be freed. */
berth_status bt_restore_variables(bt_source *source, const char *restore_op, bt_bundle *bundle, bt_restored *restored,
                                  berth_error *error);

#endif
