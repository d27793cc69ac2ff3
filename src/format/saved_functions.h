/* Functions of a SavedModel as signatures: all of one that has no signatures of its own (tf.saved_model.save of a module without
 * `signatures=`), and of another those that are asked for. Its graph of objects says what the functions are called, and what they
 * need beside their arguments. */
#ifndef BT_SAVED_FUNCTIONS_H
#define BT_SAVED_FUNCTIONS_H

#include "format/object_graph.h"
#include "format/restore.h"

/* A function that is reached from the root. */
typedef struct bt_saved_function {
    const char *name; /* "inner.apply" */
    bt_str function;  /* in the library */
    bt_str message;   /* SavedConcreteFunction */
    const char *note; /* what it was traced with: "training=True" */
    int trace;        /* which of those that go by one name */
} bt_saved_function;

typedef struct bt_saved_functions {
    bt_source *source;
    bt_str meta;
    bt_objects objects;
    bt_map concrete; /* name -> what is known of it */
    bt_saved_function *offered;
    size_t n_offered;
    bt_str *needed; /* of the library: those offered, and what makes tables for them */
    size_t n_needed;
    bt_edge *values; /* of each object, once it is asked for: where the graph has it */
    bt_map names;    /* of signatures -> the number of the next one of that name */
    bool is_beside;  /* the MetaGraph has signatures */
    berth_error *error;
} bt_saved_functions;

/* Finds them; in a MetaGraph that has signatures only those wanted: "*" all, NULL none, else the one of this name unless a
 * signature has it. Before its graph is read. Needs an error. */
berth_status bt_saved_functions_find(bt_saved_functions *f, bt_str meta, const char *wanted,
                                     bt_source *source, berth_error *error);
/* Adds a call and a signature for each, or says why not (source->refused). Once graph and variables are read. */
berth_status bt_saved_functions_offer(bt_saved_functions *f, const bt_restored *restored);
void bt_saved_functions_free(bt_saved_functions *f);

/* The op of a table that has a name, for that of one that has none ("AnonymousHashTable"); NULL: it is no such. */
const char *bt_saved_table(const char *op);

/* saved_structure.c: the names of a function's outputs, which are as many as `ports`, of its output_signature (StructuredValue):
 * those of TensorFlow's signatures ("output_0", keys of a dictionary), and further down "key_0". Shapes where they are said. */
berth_status bt_saved_structure_name(bt_str structure, bt_arena *arena, bt_port *ports, int n,
                                     berth_error *error);
/* What a function was traced with that is no tensor, as Python has it: "training=True", "" for nothing; of its
 * canonicalized_input_signature and its FunctionSpec. *is_default: whether all of it is what the function takes by default. NULL
 * when out of memory. */
const char *bt_saved_structure_values(bt_str arguments, bt_str spec, bt_arena *arena, bool *is_default);
/* base, base_1 ... the first that is not taken yet, and then is; NULL when out of memory. */
const char *bt_saved_name(bt_map *taken, bt_arena *arena, const char *base);

#endif
