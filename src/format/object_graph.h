/* Graphs of objects, which TensorFlow 2 writes into checkpoints (TrackableObjectGraph) and into SavedModels (SavedObjectGraph):
 * objects, the first of which is the root, and what they call their members. They go in circles. What an object is, its
 * message says: keras_objects.c reads weights, saved_functions.c functions. */
#ifndef BT_OBJECT_GRAPH_H
#define BT_OBJECT_GRAPH_H

#include "base/map.h"
#include "base/wire.h"
#include "tensor/tensor.h"

typedef struct bt_objects {
    bt_arena *arena;
    bt_str *nodes; /* the message of each object */
    size_t n;
    bt_map children; /* number of the parent (4 bytes), then the child's name -> the child */
    bt_text key;     /* scratch of look-ups */
} bt_objects;

/* Needs an error. The message is borrowed. */
berth_status bt_objects_read(bt_objects *o, bt_str message, bt_arena *arena, berth_error *error);
void bt_objects_free(bt_objects *o);
/* The member that the parent calls so; false when there is none such. */
bool bt_objects_find(bt_objects *o, size_t parent, bt_str name, size_t *child);
/* Gives the parent another member; false when out of memory. */
bool bt_objects_add(bt_objects *o, size_t parent, bt_str name, size_t child);
/* In a checkpoint's graph: the key of the variable that an object is, and its full name; both empty when it is none. */
bt_str bt_objects_variable(const bt_objects *o, size_t object, bt_str *full_name);
/* The next member in the order of the file, of a message that `w` goes through; false at the end. */
bool bt_objects_next(const bt_objects *o, bt_wire *w, bt_str *name, size_t *child);

#endif
