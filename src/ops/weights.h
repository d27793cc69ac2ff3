/* Weights that a device wants in another form than the file has them: each output channel scaled (a batch norm folded in), in a
 * lower type. Passes say it by a node `_Weights` in the place of the Const; the plan makes the bytes when it settles its constants,
 * once a device for all sessions of the model (plan/store.h). Not here: what kernels of the CPU pack (product.c). */
#ifndef BT_WEIGHTS_H
#define BT_WEIGHTS_H

#include "ops/op.h"

/* y[i] = from[i] scale[i / inner % n], as `to`. from is float and may be unaligned. */
typedef struct bt_weights {
    const bt_tensor *from;
    const float *scale; /* NULL: none */
    int64_t n, inner;
    berth_dtype to; /* float, half or bfloat16 */
} bt_weights;

/* What a node `_Weights` says; false when it is none. */
bool bt_weights_of(const bt_node *node, bt_weights *w);
/* As the store tells entries apart. */
enum { BT_WEIGHTS_TEXT = 96 };
void bt_weights_layout(const bt_weights *w, char text[BT_WEIGHTS_TEXT]);
bt_pack_fn bt_weights_pack; /* user: the bt_weights */
/* Whether all are finite as `to`, so far as they were before. */
bool bt_weights_fit(const bt_weights *w);

#endif
