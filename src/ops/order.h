/* Elements as numbers that sort: one unsigned key an element, so that sorting, searching and telling apart are written
 * once for all real dtypes. */
#ifndef BT_ORDER_H
#define BT_ORDER_H

#include "ops/move.h"

/* a < b as numbers exactly when key(a) < key(b); -0 and 0 have one key; NaN sorts above all. Into working memory; NULL
 * with the error set, also for dtypes without an order. */
uint64_t *bt_call_keys(bt_call *c, const bt_tensor *t);
#define BT_NAN_KEY UINT64_MAX /* of every NaN; of an integer too, so ask only of floats */

/* Index of the first of n rising keys that is not below (or, strict, that is above) `key`. */
int64_t bt_key_search(const uint64_t *keys, int64_t n, uint64_t key, bool strict);

/* On a device: working memory for rows of keys and their places. */
typedef struct bt_sort_rows {
    uint64_t *keys;
    int32_t *places;
    int64_t rows, size; /* of a row: a power of two */
} bt_sort_rows;

/* For as many rows of n elements as `most` bytes hold, at least one and at most `rows`. */
berth_status bt_sort_rows_take(bt_call *c, int64_t n, int64_t rows, int64_t most, bt_sort_rows *s);
/* Each of the first `rows` rows in order: the largest key first, of equals that of the lower place. */
berth_status bt_sort_rows_gpu(bt_call *c, const bt_sort_rows *s, int64_t rows);
/* On a device: marks[i], 0 or 1, becomes how many are 1 before i; *found, in all, is waited for. */
berth_status bt_number_marks_gpu(bt_call *c, uint32_t *marks, int64_t n, int64_t *found);

#endif
