/* Store: weights as kernels want them, one copy for all plans and sessions of a model. Keyed by the constant in the
 * file (its bytes, dtype and shape) and by the layout it was packed to; counted; given back with the last plan that uses it. */
#ifndef BT_STORE_H
#define BT_STORE_H

#include "device/device.h"
#include "ops/op.h"

typedef struct bt_store bt_store;
typedef struct bt_packed bt_packed; /* one entry, counted */

bt_store *bt_store_new(const bt_source *source, bt_device *device); /* both borrowed; NULL: out of memory */
/* One that only counts: entries have room, but nothing is packed into it. */
bt_store *bt_store_new_estimate(const bt_source *source, bt_device *device);
bool bt_store_is_estimate(const bt_store *store);
void bt_store_free(bt_store *store);             /* when no entry is left in use */
int64_t bt_store_bytes(const bt_store *store);   /* held now */
/* The entry for a constant and a layout, packed now if it is new; a new reference. Thread-safe. */
bt_packed *bt_store_get(bt_store *store, const bt_tensor *constant, const char *layout, size_t bytes, bt_pack_fn *pack,
                        void *user, berth_error *error);
const void *bt_packed_data(const bt_packed *packed);
void bt_packed_free(bt_store *store, bt_packed *packed);

#endif
