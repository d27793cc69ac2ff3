/* Frames: which loop each node of a TF1 graph runs in. Enter leads into a frame, Exit out of it; frames nest. */
#ifndef BT_FRAMES_H
#define BT_FRAMES_H

#include "pass/pass.h"

typedef struct bt_frame {
    const char *name;
    int32_t parent; /* -1: the root, which is no loop */
    int depth;      /* 0: the root */
} bt_frame;

typedef struct bt_frames {
    bt_frame *at;
    int32_t n;
    int32_t *
        of; /* by node: where it runs; for an Enter the frame that it leads into, for an Exit the one it leaves */
    size_t n_nodes; /* nodes of the graph when this was made: later ones have no entry */
} bt_frames;

/* In the arena. frames->n is 1 when there is no loop. */
berth_status bt_frames_find(bt_pass_context *x, bt_frames *frames);
/* The frame that a node's outputs belong to. */
int32_t bt_frames_after(const bt_pass_context *x, const bt_frames *frames, int32_t node);

#endif
