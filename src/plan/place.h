/* Placement: a device a node of the graph as written, what was asked for, and why. A value, made before a plan. */
#ifndef BT_PLACE_H
#define BT_PLACE_H

#include "device/device.h"
#include "graph/graph.h"

typedef struct bt_place {
    const char *requested; /* "" when nobody asked */
    bt_device *device;     /* that it gets, if it has a kernel for the node */
    const char *reason;    /* in the arena */
} bt_place;

typedef struct bt_place_options {
    const char *device;       /* NULL or "auto": left open */
    bt_device *chosen;        /* when it is left open; NULL: the CPU */
    const char *const *rules; /* "PATTERN=DEVICE", "op:PATTERN=DEVICE" */
    size_t n_rules;
    bool hard;                /* refuse what would have to be moved */
} bt_place_options;

/* Rules read, devices found; all lies in the arena. Errors: a rule or device that cannot be (BAD_ARGUMENT), one that is
 * not there (DEVICE). */
typedef struct bt_placer bt_placer;
bool bt_device_is_open(const char *device); /* NULL or "auto" */
bt_placer *bt_placer_new(bt_registry *registry, const bt_place_options *options, bt_arena *arena, berth_error *error);
bt_device *bt_placer_device(const bt_placer *placer); /* of nodes for which nothing else is asked */
/* The device of one node; asked: the graph's own device string. Texts lie in the arena given; false: out of memory. */
bool bt_place_node(const bt_placer *placer, const char *name, const char *op, const char *asked, bt_arena *arena, bt_place *place);

#endif
