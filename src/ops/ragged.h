/* Ragged tensors as TensorFlow passes them: row splits, outermost first, then the flat values. What their ops share;
 * to read next: ragged.c, ragged_variant.c. */
#ifndef BT_RAGGED_H
#define BT_RAGGED_H

#include "ops/move.h"

/* One level: row i holds the items at[i] .. at[i + 1) of the next level, or of the values. */
typedef struct bt_splits {
    const int64_t *at; /* rows + 1 */
    int64_t rows;
} bt_splits;

/* Levels of inputs first .. first + n, in working memory; every one begins at 0, never falls, and ends at the number of
 * rows of the next, the last at `items`. NULL with the error set. */
const bt_splits *bt_ragged_splits(bt_call *c, int first, int n, int64_t items);
/* A level into output i, of type Tsplits. */
berth_status bt_ragged_put(bt_call *c, int i, const int64_t *at, int64_t rows);
/* Outputs 0 .. dims->rank - 2: the levels that a dense batch of these dimensions is above its last one. */
berth_status bt_ragged_put_batch(bt_call *c, const bt_shape *dims);
/* Elements in a row of values. */
static inline int64_t bt_ragged_inner(const bt_shape *values)
{
    return bt_shape_span(values, 1, values->rank);
}

#endif
