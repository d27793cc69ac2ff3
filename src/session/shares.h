/* How many rows of a batch each of several devices gets: evenly at first, then as fast as each was seen to be, and always
 * evenly between devices of the same hardware. */
#ifndef BT_SHARES_H
#define BT_SHARES_H

#include "plan/plan.h"

typedef struct bt_shares {
    int n;
    int first[BT_MAX_PLACES];    /* the first of the devices on the same hardware */
    double share[BT_MAX_PLACES]; /* of a batch; their sum is 1 */
    double speed[BT_MAX_PLACES]; /* rows a nanosecond, as seen so far; 0: not yet */
} bt_shares;

void bt_shares_init(bt_shares *s, const bt_device *const *devices, int n);
/* rows: n results, whose sum is the total; the same for the same total until something is learnt. */
void bt_shares_divide(const bt_shares *s, int64_t total, int64_t *rows);
/* Takes in how long the parts of a batch of so many rows took, in ns. */
void bt_shares_learn(bt_shares *s, int64_t total, const int64_t *rows, const int64_t *ns);

#endif
