/* A checkpoint's tensors: PREFIX.index says where in PREFIX.data-nnnnn-of-nnnnn each one lies; or, in the old format (V1),
 * PREFIX or PREFIX-nnnnn-of-nnnnn hold them. */
#ifndef BT_BUNDLE_H
#define BT_BUNDLE_H

#include "format/graphdef.h"

typedef struct bt_bundle bt_bundle;

/* Opens the index. name: what messages call the prefix ("variables/variables"). The data files are mapped when
 * a tensor in them is asked for, and belong to the source from then on. NULL on failure. */
bt_bundle *bt_bundle_open(const char *prefix, const char *name, bt_source *source, berth_error *error);
/* Whether there is one of either format. */
bool bt_bundle_is_there(bt_source *source, const char *prefix);
void bt_bundle_free(bt_bundle *bundle);
bool bt_bundle_has(const bt_bundle *bundle, bt_str key);
/* Tensor `key`, or the part of it that `slice` says, in RestoreV2's words: "" is all of it, else the dimensions and
 * for each of them "-" or "start,length" ("10 4 0,5:-"). What lies contiguous in a file is a view of it; else,
 * and for strings, the arena of the source holds it. Small tensors are checked against their checksums here,
 * others when they are read: bt_source_verify. */
berth_status bt_bundle_read(bt_bundle *bundle, bt_str key, bt_str slice, bt_tensor *out, berth_error *error);

/* ---- bundle_old.c, and what it asks of bundle.c: the bundle's error is set where a status is not OK ---- */

/* How many shards of the old format there are; 0: one file, PREFIX; -1: none; -2: out of memory. */
int bt_bundle_old_shards(bt_source *source, const char *prefix);
berth_status bt_bundle_read_old(bt_bundle *bundle, const char *prefix, const char *name, bt_source *source, int shards,
                                berth_error *error);
/* Slices of a tensor are told as a text: each a TensorSliceProto. */
void bt_bundle_put_slice(bt_text *slices, bt_str slice);
/* A tensor, or more slices of one of which another shard told. */
berth_status bt_bundle_add(bt_bundle *bundle, bt_str key, berth_dtype dtype, const bt_shape *shape, bt_str slices);
/* Dtype and shape of a slice; its value, which lives as long as the source. */
berth_status bt_bundle_slice_of(bt_bundle *bundle, bt_str key, bt_str slice, bt_tensor *out);
berth_status bt_bundle_set_slice(bt_bundle *bundle, bt_str key, bt_str slice, const bt_tensor *value);

#endif
