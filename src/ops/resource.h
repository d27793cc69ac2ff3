/* Named state of a session: variables, tables, stacks. A resource is a bt_object; its type is defined by the op
 * family that makes it (variable.c). */
#ifndef BT_RESOURCE_H
#define BT_RESOURCE_H

#include "graph/graph.h"

typedef struct bt_resources bt_resources;

/* source: where variables find their values in the file; borrowed. */
bt_resources *bt_resources_new(const bt_source *source);
void bt_resources_free(bt_resources *r); /* NULL is legal */
void bt_resources_clear(bt_resources *r); /* back to the file's values */
const bt_source *bt_resources_source(const bt_resources *r);

/* The resource of this container, name and type (types have namespaces of their own, as in TensorFlow), made by
 * create(user) when it is not there yet. Returns a new reference, or NULL with the error set. Thread-safe. */
bt_object *bt_resources_get(bt_resources *r, const char *container, const char *name, const bt_object_type *type,
                            bt_object *(*create)(void *user, berth_error *error), void *user, berth_error *error);
/* NULL when there is none. A new reference. */
bt_object *bt_resources_find(bt_resources *r, const char *container, const char *name, const bt_object_type *type);
void bt_resources_remove(bt_resources *r, const char *container, const char *name, const bt_object_type *type);
void bt_resources_drop(bt_resources *r, const bt_object *object); /* whatever its name */

#endif
