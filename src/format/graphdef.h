/* TensorFlow's graph messages (GraphDef, FunctionDef, NodeDef, AttrValue, TensorProto), shared by all formats that
 * carry a graph: binary and text GraphDef, SavedModel. The messages are in TensorFlow's graph.proto, function.proto,
 * attr_value.proto, tensor.proto. Graphs: graphdef.c. Values in them: value.c. */
#ifndef BT_GRAPHDEF_H
#define BT_GRAPHDEF_H

#include "base/wire.h"
#include "graph/graph.h"

/* A function that is to be read. */
typedef struct bt_wanted {
    bt_function *function;
    bt_str message;
} bt_wanted;

/* What one load keeps between its messages. */
typedef struct bt_loader {
    bt_source *source;
    bt_map library;   /* name -> index of a FunctionDef; only those that the graph reaches are read */
    bt_str *messages; /* the FunctionDefs */
    size_t n_messages, messages_capacity;
    bt_wanted *wanted; /* in the order that they are read in */
    size_t n_wanted, wanted_capacity;
    bt_map kinds;    /* bt_attr_kinds */
    size_t expanded; /* bytes made of nothing much: repeated values, lists */
    berth_error *error;
} bt_loader;

/* These need a non-NULL error. Reads a GraphDef into source->graph, ->functions and ->producer. Large tensors stay views of the message, which
 * must live as long as the source. */
berth_status bt_graphdef_read(bt_str message, bt_source *source, berth_error *error);
/* And those functions of its library, whether the graph reaches them or not; names that it lacks are passed over. */
berth_status bt_graphdef_read_with(bt_str message, const bt_str *functions, size_t n, bt_source *source, berth_error *error);
/* Mends writes to variables that are constants by now (frozen.c); of a graph that was read alone. */
berth_status bt_graphdef_mend(bt_source *source, berth_error *error);
/* Adds the nodes that fill tables to source->init_targets: for graphs that name no initialiser themselves. */
berth_status bt_graphdef_find_init(bt_source *source, berth_error *error);

/* TensorProto has a field for each kind of number beside tensor_content: where the values of a dtype stand. */
typedef struct bt_number_field {
    uint32_t types; /* that use it */
    uint32_t field;
    bt_wire_type wire;
} bt_number_field;

const bt_number_field *bt_number_field_of(berth_dtype dtype); /* NULL: none */

/* The values of a TensorProto into *t, which has its dtype and a known shape. Large ones may stay views of the message. */
berth_status bt_tensor_values_read(bt_loader *loader, bt_str message, bt_tensor *t);
/* AttrValue into *attr, whose name is set already. */
berth_status bt_attr_read(bt_loader *loader, bt_str message, bt_attr *attr);
/* Which attribute must be of which kind, by its name; false when out of memory. */
bool bt_attr_kinds(bt_map *kinds);
/* Fails, naming the node, when an attribute is of another kind than its name says. */
berth_status bt_attr_check(const bt_map *kinds, const bt_node *node, berth_error *error);
/* TensorShapeProto; false when damaged. *rank: the number of dimensions written, -1 for an unknown rank; more
 * than BT_MAX_RANK leave out->rank at -1. Dimensions are as written, also below -1. */
bool bt_shape_read(bt_str message, bt_shape *out, int *rank);
/* DataType's number; reference types become what they refer to, unknown numbers 0. */
berth_dtype bt_dtype_read(uint64_t number);
/* A name (of a node, op, function, tensor) in the arena: neither empty nor with a NUL inside; NULL sets the error. */
const char *bt_name_read(bt_loader *loader, bt_str name, const char *what);

#endif
