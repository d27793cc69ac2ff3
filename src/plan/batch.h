/* Whether the rows of a batch can be computed apart: dimension 0 of the fed batch is followed through a plan, to every
 * fetch. What this is for: session/split.c. */
#ifndef BT_BATCH_H
#define BT_BATCH_H

#include "plan/plan.h"

/* Which feeds carry the batch: those whose first dimension the plan leaves open. They must have as many rows as each other.
 * in: the tensors of a run; carries: n_feeds results. BERTH_UNSUPPORTED: no feed does. */
berth_status bt_batch_rows(const bt_plan *plan, bt_tensor *const *in, bool *carries, int64_t *rows, berth_error *error);

/* Shows that the plan, run on `part` successive rows from row `first` on of a batch of `rows`, gives those rows of every
 * fetch that a run on the whole batch gives, 0 < part < rows. shapes: of the feeds in the run on the whole; fetches: what is
 * known of the fetches in it, n_fetches results. BERTH_UNSUPPORTED with the node that stands in the way: not shown.
 * BERTH_BAD_INPUT: the whole does not fit the plan. */
berth_status bt_batch_check(bt_plan *plan, const bt_shape *shapes, const bool *carries, int64_t rows, int64_t first, int64_t part,
                            const char *const *fetch_names, bt_fact *fetches, berth_error *error);

#endif
