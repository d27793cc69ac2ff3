/* A checkpoint's tensors: PREFIX.index says where in PREFIX.data-nnnnn-of-nnnnn each one lies. */
#ifndef BT_BUNDLE_H
#define BT_BUNDLE_H

#include "graph/graph.h"

typedef struct bt_bundle bt_bundle;

/* Opens the index. name: what messages call the prefix ("variables/variables"). The data files are mapped when
 * a tensor in them is asked for, and belong to the source from then on. NULL on failure. */
bt_bundle *bt_bundle_open(const char *prefix, const char *name, bt_source *source, berth_error *error);
void bt_bundle_free(bt_bundle *bundle);
bool bt_bundle_has(const bt_bundle *bundle, bt_str key);
/* Tensor `key`, or the part of it that `slice` says, in RestoreV2's words: "" is all of it, else the dimensions and
 * for each of them "-" or "start,length" ("10 4 0,5:-"). What lies contiguous in a file is a view of it; else,
 * and for strings, the arena of the source holds it. Small tensors are checked against their checksums here,
 * others when they are read: bt_source_verify. */
berth_status bt_bundle_read(bt_bundle *bundle, bt_str key, bt_str slice, bt_tensor *out, berth_error *error);

#endif
