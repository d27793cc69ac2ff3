/* Formats written: a bt_source to the messages that TensorFlow reads. GraphDef, binary and text: graphdef_write.c,
 * value_write.c, pbtxt_write.c. SavedModel and its checkpoint: savedmodel_write.c, bundle_write.c. */
#ifndef BT_FORMAT_WRITE_H
#define BT_FORMAT_WRITE_H

#include "base/save.h"
#include "base/wire.h"
#include "graph/graph.h"

enum { BT_MESSAGE_LIMIT = INT32_MAX }; /* bytes that TensorFlow takes in one message */

/* AttrValue's fields. Where the attribute is a large constant, its bytes are not copied but are *behind, and end the
 * message. The error is needed. */
berth_status bt_attr_write(const bt_source *source, const bt_attr *attr, bt_text *out, bt_str *behind,
                           berth_error *error);
/* A TensorShapeProto as a field. */
void bt_shape_write(bt_text *out, uint32_t field, const bt_shape *shape);

/* Takes one field of a GraphDef, encoded: its bytes are those of `head` and then those of `behind`. */
typedef void bt_graphdef_put(void *user, bt_str head, bt_str behind);
/* Calls `put` for every node, the library and the versions. Functions: all of source->functions. */
berth_status bt_graphdef_write(const bt_source *source, bt_graphdef_put *put, void *user, berth_error *error);

/* Files, which have their names only when they are whole. A GraphDef has neither signatures nor variables: the graph's own
 * names are all there is, and variables that it has are an error. */
berth_status bt_graphdef_check(const bt_source *source, berth_error *error);
berth_status bt_graphdef_save(const bt_source *source, const char *path, berth_error *error);
berth_status bt_pbtxt_save(const bt_source *source, const char *path, berth_error *error);
/* A folder, with the values of the variables that the graph has, and the assets. */
berth_status bt_savedmodel_save(const bt_source *source, const char *path, berth_error *error);

/* A tensor bundle, PREFIX.index and PREFIX.data-00000-of-00001, of tensors in the order of their keys. */
typedef struct bt_bundle_item {
    const char *key;
    const bt_tensor *value;
} bt_bundle_item;
berth_status bt_bundle_save(const bt_source *source, const bt_bundle_item *items, size_t n,
                            const char *prefix, berth_error *error);

#endif
