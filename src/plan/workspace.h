/* Workspace: what kernels of a run work in on one device. A block; a step that needs more than is left gets further ones, and
 * the next step a block that holds all. Not for several threads. */
#ifndef BT_WORKSPACE_H
#define BT_WORKSPACE_H

#include "device/device.h"

typedef struct bt_workspace {
    bt_device *device;
    _Atomic int64_t *counted; /* what is taken is added here, and what is given back taken off */
    uint8_t *data;
    size_t bytes, used;           /* used: by the step that runs */
    struct bt_overflow *overflow; /* beyond the block */
} bt_workspace;

/* Until the step ends; 64-byte aligned; NULL with the error set. */
void *bt_workspace_take(bt_workspace *w, size_t bytes, berth_error *error);
/* Between two steps. */
void bt_workspace_settle(bt_workspace *w);
void bt_workspace_free(bt_workspace *w); /* one that nothing was taken of may be all zero */

#endif
