/* Graph: nodes, attributes, edges, functions and signatures, as TensorFlow has them. Edges are indices, not
 * pointers. Text of a graph: dump.c. */
#ifndef BT_GRAPH_H
#define BT_GRAPH_H

#include "base/file.h"
#include "base/map.h"
#include "tensor/tensor.h"

typedef struct bt_edge {
    int32_t node;
    int32_t slot; /* which output of the node */
} bt_edge;

typedef enum bt_attr_kind {
    BT_ATTR_NONE,
    BT_ATTR_STRING,
    BT_ATTR_INT,
    BT_ATTR_FLOAT,
    BT_ATTR_BOOL,
    BT_ATTR_TYPE,
    BT_ATTR_SHAPE,
    BT_ATTR_TENSOR,
    BT_ATTR_FUNC /* the function's name in .s; its own attributes are not kept */
} bt_attr_kind;

typedef union bt_attr_value {
    bt_str s; /* NUL-terminated as well */
    int64_t i;
    float f;
    bool b;
    berth_dtype type;
    const bt_shape *shape;
    bt_tensor *tensor;
} bt_attr_value;

typedef struct bt_attr {
    const char *name;
    bt_attr_kind kind;
    bool is_list;
    int n;                /* of the list */
    bt_attr_value value;  /* when it is no list */
    bt_attr_value *list;
} bt_attr;

typedef struct bt_node {
    const char *name;
    const char *op;
    const char *device;   /* as the graph asks; "" when it does not */
    bt_attr *attrs;
    int n_attrs;
    bt_edge *inputs;      /* data */
    int n_inputs;
    int32_t *controls;    /* nodes that must have run before */
    int n_controls;
    int16_t place;        /* of a plan's working graph: its device, an index into the plan's; 0: the host */
    int32_t origin;       /* the node of the graph as written that this one stands for, -1: none (plan/place.c) */
    const struct bt_op *def; /* ops/op.h; set by bt_ops_resolve */
} bt_node;

/* What is known of an output before it is computed. */
typedef struct bt_fact {
    berth_dtype dtype;      /* 0: not known */
    bt_shape shape;
    const bt_tensor *value; /* the constant that it is, or NULL; maybe unaligned (see bt_tensor) */
} bt_fact;

typedef struct bt_graph {
    bt_arena *arena;   /* owns nodes and all they point to; not owned by the graph */
    bt_node *nodes;
    size_t n_nodes, capacity;
    bt_map by_name;    /* index of each node */
} bt_graph;

/* A function: a graph whose arguments are `_Arg` nodes (attributes `T` and `index`). */
typedef struct bt_function {
    const char *name;
    bt_graph graph;
    int n_args, n_results;
    int32_t *args;             /* the _Arg nodes, in order */
    const char **arg_names;
    bt_edge *results;          /* in order */
    const char **result_names;
    berth_dtype *result_types; /* as the file says, 0: it does not; NULL: no file says any */
    int32_t *controls;         /* nodes that must run even if no result needs them */
    int n_controls;
    bool is_stateful;
    uint32_t mark;             /* scratch of passes: recursion checks */
} bt_function;

/* A key of a signature and the tensor that it names. */
typedef struct bt_port {
    const char *key;
    const char *tensor; /* "x:0" */
    berth_dtype dtype;  /* 0: as the graph says */
    bt_shape shape;
    bt_edge at;         /* what it names, in a graph without signatures; else looked up when it is needed */
} bt_port;

typedef struct bt_signature {
    const char *name, *method; /* method "tensorflow/serving/predict", or "" */
    const char *note; /* of a function of an object graph: what it was traced with, "training=True"; else NULL */
    bt_port *inputs, *outputs;
    int n_inputs, n_outputs;
} bt_signature;

/* A function of an object graph that cannot be offered as a signature. */
typedef struct bt_refusal {
    const char *name, *reason;
} bt_refusal;

/* A variable's value in the file: of a VarHandleOp (its shared_name, or node name) or VariableV2 (its node name). */
typedef struct bt_variable {
    const char *name;
    bt_tensor value; /* a view of the file where its bytes lie contiguous there */
} bt_variable;

/* The checksum that a file gives for bytes of it. */
typedef struct bt_check {
    const void *data;
    size_t bytes;
    uint32_t crc; /* masked CRC-32C */
    const char *name;
} bt_check;

/* All that a file says: what a format's load function makes. */
typedef struct bt_source {
    bt_arena arena;
    const char *format;        /* "SavedModel", "GraphDef", ... */
    const char *path;
    const char *tags;          /* "'serve', 'serve,gpu'": the tag sets of all MetaGraphs; NULL: the format has none */
    int producer;              /* GraphDef version */
    bt_graph graph;            /* the graph as written */
    bt_map functions;          /* name -> bt_function * */
    bt_signature *signatures;  /* in the order of the file, hidden ones ("__saved_model_init_op") left out */
    int n_signatures;
    int n_functions;           /* of these, the last: functions of an object graph beside the file's own signatures */
    bt_refusal *refused;       /* what is asked for by these names fails, and the reason is said then */
    int n_refused;
    bt_map variables;          /* name -> bt_variable * */
    const char **init_targets; /* nodes to run once when a session starts (table initialisers) */
    int n_init_targets;
    bt_port *asset_feeds;      /* key: full path of the asset; tensor: where it is fed for the init targets */
    int n_asset_feeds;
    bt_file **files;           /* mapped, one reference each; views point into them */
    size_t n_files, files_capacity;
    struct bt_archive *archive; /* in which the files lie (format/archive.h); NULL: in the file system */
    bt_map checks;             /* address of the bytes -> bt_check *; of large variables */
} bt_source;

void bt_source_init(bt_source *source);
void bt_source_free(bt_source *source);
/* Takes over a reference to a mapped file; false when out of memory (the reference is then dropped). */
bool bt_source_add_file(bt_source *source, bt_file *file);
/* Another of init_targets, a borrowed name; false when out of memory. */
bool bt_source_add_init(bt_source *source, const char *node);
/* Notes the checksum of bytes that are a view of a file; false when out of memory. The name is borrowed. */
bool bt_source_add_check(bt_source *source, const void *data, size_t bytes, uint32_t crc, const char *name);
/* Fails when the file has a checksum for what begins at this view's bytes, and it is wrong. Reads all of them
 * (12 GB/s), so it is called once a tensor, by who reads the bytes anyway: when a weight is packed or copied. */
berth_status bt_source_verify(const bt_source *source, const bt_tensor *view, berth_error *error);
/* Fails when a mapped file was changed since it was opened: asked before the files are read again. */
berth_status bt_source_unchanged(const bt_source *source, berth_error *error);
/* The mapped file that holds these bytes, or NULL. */
bt_file *bt_source_file_of(const bt_source *source, const void *p);

/* The value that the files give the variable that a node is: a VarHandleOp or a variable of TensorFlow 1. NULL: it is none, or
 * has none. */
const bt_variable *bt_source_variable(const bt_source *source, const bt_node *node);

void bt_graph_init(bt_graph *graph, bt_arena *arena);
void bt_graph_free(bt_graph *graph); /* the tables, not what lies in the arena */
/* Adds a node with no attributes and no inputs, and returns its index; -1 when out of memory. Name and op are
 * borrowed and must live as long as the arena. The name must be new in the graph (bt_graph_unique_name).
 * Node pointers are valid until the next node is added. */
int32_t bt_graph_add(bt_graph *graph, const char *name, const char *op);
int32_t bt_graph_find(const bt_graph *graph, bt_str name); /* -1: none */
/* base, base_1, base_2 ... one that is free, in the arena; NULL when out of memory. */
const char *bt_graph_unique_name(bt_graph *graph, const char *base);
/* The text as a name that TensorFlow takes for a node, in the arena; NULL when out of memory. */
const char *bt_graph_clean_name(bt_arena *arena, bt_str text);
bool bt_node_set_inputs(bt_graph *graph, int32_t node, const bt_edge *inputs, int n); /* copies; false: out of memory */
bool bt_node_set_controls(bt_graph *graph, int32_t node, const int32_t *controls, int n);

/* Attributes. The getters give the default when the attribute is absent or of another kind: defaults stand
 * where the attribute is used, as TensorFlow's op definitions have them. */
const bt_attr *bt_attr_find(const bt_node *node, const char *name);
int64_t bt_attr_int(const bt_node *node, const char *name, int64_t otherwise);
float bt_attr_float(const bt_node *node, const char *name, float otherwise);
bool bt_attr_bool(const bt_node *node, const char *name, bool otherwise);
berth_dtype bt_attr_type(const bt_node *node, const char *name, berth_dtype otherwise);
const char *bt_attr_string(const bt_node *node, const char *name, const char *otherwise);
bool bt_attr_shape(const bt_node *node, const char *name, bt_shape *out); /* false: absent */
/* The shape that an input of the graph declares. Up to GraphDef version 21 (`producer`) a Placeholder's scalar stands for an
 * unknown shape. */
bt_shape bt_input_shape(const bt_node *node, int producer);
const bt_tensor *bt_attr_tensor(const bt_node *node, const char *name);
const char *bt_attr_func(const bt_node *node, const char *name); /* NULL: absent */
/* Number of elements of a list attribute, -1 when absent. Elements: bt_attr_find(...)->list[i]. */
int bt_attr_list(const bt_node *node, const char *name, const bt_attr_value **list);
int bt_attr_shapes(const bt_node *node, const char *name, const bt_attr_value **list); /* -1 too when they are no shapes */

/* Setters replace or add, in a new array of attributes: nodes may share theirs. Text is copied into the graph's
 * arena. False when out of memory. */
bool bt_set_int(bt_graph *graph, int32_t node, const char *name, int64_t value);
bool bt_set_float(bt_graph *graph, int32_t node, const char *name, float value);
bool bt_set_bool(bt_graph *graph, int32_t node, const char *name, bool value);
bool bt_set_type(bt_graph *graph, int32_t node, const char *name, berth_dtype value);
bool bt_set_string(bt_graph *graph, int32_t node, const char *name, const char *value);
bool bt_set_shape(bt_graph *graph, int32_t node, const char *name, const bt_shape *value);
bool bt_set_tensor(bt_graph *graph, int32_t node, const char *name, const bt_tensor *value); /* borrows the bytes */
bool bt_set_func(bt_graph *graph, int32_t node, const char *name, const char *function);
bool bt_set_ints(bt_graph *graph, int32_t node, const char *name, const int64_t *values, int n);
bool bt_set_types(bt_graph *graph, int32_t node, const char *name, const berth_dtype *values, int n);
bool bt_set_strings(bt_graph *graph, int32_t node, const char *name, const char *const *values, int n);
bool bt_set_shapes(bt_graph *graph, int32_t node, const char *name, const bt_shape *values, int n);
bool bt_set_attr(bt_graph *graph, int32_t node, const bt_attr *attr); /* copies the struct, borrows the rest */

/* "x", "x:1", "^x" taken apart; slot -1 for a control input. False when it is no tensor name. */
bool bt_tensor_name(bt_str text, bt_str *node, int *slot);

/* Text of the graph, a line a node: name = Op(inputs) {attributes} @device. Facts may be NULL: else
 * facts[first_fact[node] .. first_fact[node + 1]) are shown behind each node. */
void bt_graph_dump(const bt_graph *graph, const bt_fact *facts, const int32_t *first_fact, bt_text *out);

#endif
