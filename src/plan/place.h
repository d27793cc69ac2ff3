/* Placement: a device a node of the graph as written, what was asked for, and why. A value, made before a plan. */
#ifndef BT_PLACE_H
#define BT_PLACE_H

#include "device/device.h"
#include "graph/graph.h"

typedef struct bt_place {
    const char *requested; /* "" when nobody asked */
    bt_device *device;
    const char *reason;    /* in the arena */
} bt_place;

typedef struct bt_place_options {
    const char *device;       /* NULL or "auto": chosen */
    const char *const *rules; /* "PATTERN=DEVICE", "op:PATTERN=DEVICE" */
    size_t n_rules;
    bool hard;                /* refuse what would have to be moved */
} bt_place_options;

/* places[i] for node i; all lies in the arena. Errors: a rule or device that cannot be (BAD_ARGUMENT), one that is not
 * there (DEVICE). */
berth_status bt_place_graph(const bt_graph *graph, bt_registry *registry, const bt_place_options *options, bt_arena *arena,
                            bt_place **places, berth_error *error);

#endif
