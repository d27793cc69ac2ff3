/* Keras: what the files keras_*.c share. A configuration (JSON) and a store of weights become nodes of stock
 * TensorFlow ops in a bt_source. Not a format by itself: keras_h5.c reads files. To read next: keras_layers.c
 * (the table of classes), keras_model.c (how a model is walked), keras_emit.c (how nodes are made).
 *
 * Errors are sticky: after the first, every function here gives an empty tensor at once, so that a layer is
 * written as the formula that it is, and looked at once when the layer is done. */
#ifndef BT_KERAS_H
#define BT_KERAS_H

#include "format/format.h"
#include "base/json.h"

enum { BTK_MAX_DEPTH = 32 }; /* of models in models, layers in wrappers */

/* A tensor of the graph that is being made, as Keras knows it. */
typedef struct btk_tensor {
    bt_edge edge;
    berth_dtype dtype;             /* 0: none */
    bt_shape shape;                /* of a known rank; -1: a dimension known at run time only */
    const struct btk_tensor *mask; /* bool, or NULL: nothing is masked */
    const struct btk_parts *parts; /* NULL: dense, all that most layers ever see (keras_parts.c) */
} btk_tensor;

/* What a tensor has beside its values, which are its edge; its shape is the one that it would have dense. */
typedef struct btk_parts {
    bool is_sparse;           /* else ragged: rows of any length, the values of all one behind the other */
    btk_tensor indices, size; /* sparse: int64 [n, rank], [rank] */
    btk_tensor splits;        /* ragged: where each row begins, and the last ends: int64 [batch + 1] */
} btk_parts;

enum { BTK_MAX_PARTS = 3 };

/* An argument of a call. */
typedef struct btk_value {
    enum { BTK_JSON, BTK_TENSOR, BTK_LIST } kind;
    bt_str key;          /* of a keyword, or in a dictionary; else empty */
    const bt_json *json; /* the configuration's own, for what holds no tensor */
    btk_tensor tensor;
    struct btk_value *items;
    int n;
} btk_value;

typedef struct btk_weight {
    const char *name;
    int32_t node;
    bt_shape shape; /* -1: any */
    berth_dtype dtype;
    bool trainable;
    bool is_set;
    btk_tensor tensor;
    struct btk_weight *next;
} btk_weight;

/* What a layer gave at one call. */
typedef struct btk_result {
    btk_tensor *tensors;
    int n;
    bool is_done, is_awaited;
    struct btk_layer *layer; /* in a functional model: of which this is a call, */
    const bt_json *node;     /* and what it was called with */
} btk_result;

typedef struct btk_layer {
    const char *name, *class_name;
    const char
        *path; /* where a store that goes by paths has it: "layers/bidirectional/forward_layer"; else "" */
    const bt_json *config;
    const bt_json *json; /* the whole entry: class_name, config, inbound_nodes */
    const struct btk_class *class;
    struct btk_layer *children, *next; /* layers inside this one, in Keras's order */
    btk_weight *weights;
    btk_weight *next_weight; /* the one that a further call of the layer takes next */
    struct btk_layer *next_child;
    bool trainable;
    bool is_flipped,
        is_zero_masked;            /* of a direction: go_backwards is turned over; masked steps give zeros */
    berth_dtype compute, variable; /* the dtype policy */
    struct btk_layer **index;      /* of a model: its layers by the hash of their names */
    size_t index_size;             /* a power of two, at least twice their number */
    btk_result *results;           /* of a layer in a functional model: by index of the call */
    int n_results;
} btk_layer;

/* Where weights come from: one of of_layer and of_path, and what is kept beside them. */
typedef struct btk_weights {
    void *user;
    int n_layers; /* for of_layer: how many have weights */
    /* All that is stored for a layer of the outermost model, in Keras's order: of the layer with this name, or, if place is not
     * -1, of that one of the layers that have weights. */
    berth_status (*of_layer)(void *user, const char *layer, int place, const bt_tensor **weights, int *n,
                             berth_error *error);
    /* Of the object at a path, weight number i, which Keras calls `name` (NULL: by number alone). Dtype 0: none. */
    berth_status (*of_path)(void *user, const char *path, int i, const char *name, bt_tensor *value,
                            berth_error *error);
    bool
        by_place; /* the layers of a model are "layer-0", "layer-1" ..., not "layers/dense", "layers/dense_1" ... */
    bool turned_over; /* kernels of convolutions are, as Theano has them */
    /* Or NULL: a file kept for the object at a path; *text is empty (p NULL) when there is none. */
    berth_status (*asset)(void *user, const char *path, const char *name, bt_str *text, berth_error *error);
} btk_weights;

typedef struct btk {
    bt_source *source;
    bt_arena *arena;
    bt_graph *graph; /* that nodes are added to: the source's, or a function's */
    const btk_weights *weights;
    int version;         /* of Keras: 1, 2, 3 */
    bool channels_first; /* Keras 1: so do layers that could say it; others do not write it down */
    const char *scope;   /* put in front of names: "" or "model/layer/" */
    btk_layer *layer;    /* being called */
    int depth, n_functions, n_nodes;
    bool failed;
    berth_error *error;
} btk;

/* A call of a layer. */
typedef struct btk_call {
    btk *k;
    btk_layer *layer;
    const bt_json *config;
    const btk_value *args; /* positional, then keywords */
    int n_args;
    btk_tensor x;   /* the first tensor of the first argument */
    btk_tensor *xs; /* all tensors of the first argument */
    int n_x;
    btk_tensor *out; /* results, set by btk_return(s) */
    int n_out;
    const btk_parts *ragged; /* those of the arguments, if any was; how many rows; what the class takes: keras_parts.c */
    int64_t batch;
    int flags;
} btk_call;

typedef struct btk_class {
    const char *name;
    void (*build)(btk_call *c);
    int flags;
    const char *detail; /* what the class is to a build function that serves several */
} btk_class;

enum {
    BTK_MASK = 1,     /* gives its first input's mask on */
    BTK_NO_CAST = 2,  /* takes its inputs in their own dtype */
    BTK_OWN_MASK = 4, /* sets the mask of what it returns */
    /* What it is given for tensors in parts (keras_parts.c); of none it takes none. */
    BTK_SPARSE = 8,    /* a dense tensor for a sparse one */
    BTK_STEPS = 16,    /* the steps of ragged rows as those of one row */
    BTK_FEATURES = 32, /* no: where they are scalars, or it looks at other axes than the last */
    BTK_PADDED = 64,   /* ragged rows padded, and masked */
    BTK_PARTS = 128    /* a sparse tensor itself; so a ragged one, if nothing else is said */
};

/* ---- keras_model.c ------------------------------------------------------------------------------------ */

/* The whole model: placeholders, layers, the signature; weights filled in. */
berth_status btk_model(btk *k, const bt_json *model);
/* keras_load.c */
/* The architecture beside a file of weights (--structure). Its file is the source's from then on. */
berth_status btk_structure(const char *path, bt_source *source, bt_str *text, berth_error *error);
/* Builds the model that this JSON says. what: the text's name in messages. version: of Keras, in the file's words; empty:
 * as the text says. */
berth_status btk_load(bt_source *source, const btk_weights *weights, bt_str text, const char *what,
                      bt_str version, berth_error *error);
/* keras_layer.c */
/* A layer from its entry, with no calls yet. NULL when failed. */
btk_layer *btk_layer_new(btk *k, const bt_json *entry);
/* A layer inside the one that is being called: made at the first call, found again at later ones, in the same
 * order. role: Keras's name for the member that it is ("layer", "forward_layer"). */
btk_layer *btk_child(btk_call *c, const bt_json *entry, const char *role);
/* The role of one of a list of layers: "cells/lstm_cell", "cells/lstm_cell_1" ..., or "cells/0" ... in stores by place. */
const char *btk_role_in_list(btk_call *c, const char *list_name, const bt_json *list, const bt_json *item);
/* Of all layers of a model, their paths. */
void btk_place_layers(btk *k, btk_layer *model);
/* "GlobalAveragePooling2D" as Keras writes it in paths: "global_average_pooling2d". NULL: out of memory. */
char *btk_snake_case(btk *k, const char *name);
/* Calls it; results in *out. */
void btk_layer_call(btk *k, btk_layer *layer, const btk_value *args, int n_args, btk_result *out);
/* One more among the tensors of the first argument. */
void btk_take(btk_call *c, btk_tensor t);
/* The same for one tensor in, one out. */
btk_tensor btk_layer_apply(btk *k, btk_layer *layer, btk_tensor x);
void btk_nested_model(btk_call *c);
const btk_class *btk_class_find(const btk_layer *layer);

/* keras_ports.c */
/* Room for more ports behind those there; false: out of memory. */
bool btk_ports_room(btk *k, bt_port **ports, int have, int more);
/* An input of the model, BTK_MAX_PARTS ports at most. config: of the InputLayer, or NULL. */
btk_tensor btk_input(btk *k, const char *name, bt_shape shape, const bt_json *config,
                     bt_signature *signature);
void btk_add_output(btk *k, bt_signature *signature, const char *name, btk_tensor t);
/* keras_parts.c */
/* Around a call: its arguments and results, which may be in parts, as the class wants them. */
void btk_parts_open(btk_call *c, btk_value *args);
void btk_parts_close(btk_call *c);
btk_tensor btk_dense_of(btk *k, btk_tensor x); /* of a sparse tensor; any other as it is */
btk_tensor btk_sparse_product(btk *k, btk_tensor x, btk_tensor kernel); /* sparse x[m, n] kernel[n, units] */
btk_tensor btk_ragged(btk *k, btk_tensor values, btk_tensor splits, int64_t batch);
btk_tensor btk_values_of(btk_tensor ragged);
/* [batch, length, ...] of rows one behind the other, filled up. batch, length: -1: as many as there are. */
btk_tensor btk_padded_rows(btk *k, btk_tensor values, btk_tensor splits, btk_tensor fill, int64_t batch,
                           int64_t length);

/* ---- What build functions use (keras_call.c) ---------------------------------------------------------- */

void btk_fail(btk *k, berth_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define btk_unsupported(k, ...) btk_fail(k, BERTH_UNSUPPORTED, __VA_ARGS__)
#define btk_damaged(k, ...) btk_fail(k, BERTH_BAD_MODEL, __VA_ARGS__)

/* A weight of the layer, in the order of creation, cast to the compute dtype (raw: as it is). */
btk_tensor btk_weight_of(btk_call *c, const char *name, bool trainable, bt_shape shape);
btk_tensor btk_weight_raw(btk_call *c, const char *name, bool trainable, bt_shape shape);
void btk_weights_fill(btk *k, btk_layer *top);

void btk_return(btk_call *c, btk_tensor t);
void btk_returns(btk_call *c, const btk_tensor *t, int n);
/* Argument i, or the keyword; NULL when there is none, or it is None. */
const btk_value *btk_arg(const btk_call *c, int i, const char *keyword);
btk_tensor btk_arg_tensor(const btk_call *c, int i, const char *keyword); /* dtype 0: none */
btk_value btk_tensor_value(btk_tensor t);

/* Members of the configuration. */
int64_t btk_int_of(const btk_call *c, const char *key, int64_t otherwise);
double btk_double_of(const btk_call *c, const char *key, double otherwise);
bool btk_bool_of(const btk_call *c, const char *key, bool otherwise);
const char *btk_text_of(const btk_call *c, const char *key, const char *otherwise);
const bt_json *btk_of(const btk_call *c, const char *key); /* NULL for null as well */
/* n integers from a list, or one integer for all. */
void btk_ints_of(btk_call *c, const char *key, int n, int64_t *out, int64_t otherwise);
bool btk_channels_first(const btk_call *c);
berth_dtype btk_dtype_of(btk *k, const bt_json *j, berth_dtype otherwise, bool variable);

/* ---- Nodes (keras_emit.c, keras_array.c) -------------------------------------------------------------- */

const char *btk_legal_name(btk *k, const char *text); /* NULL: out of memory */
int32_t btk_add(btk *k, const char *name,
                const char *op); /* in the scope, under a free name; -1 when failed */
/* A node with T = dtype of the first input; its output 0. */
btk_tensor btk_node(btk *k, const char *op, int n, const btk_tensor *in, berth_dtype dtype, bt_shape shape);
btk_tensor btk_bare(btk *k, const char *op, int n, const btk_tensor *in, berth_dtype dtype,
                    bt_shape shape);                                                 /* no T */
btk_tensor btk_output(btk_tensor node, int slot, berth_dtype dtype, bt_shape shape); /* another output */
void btk_attr_int(btk *k, btk_tensor t, const char *name, int64_t value);
void btk_attr_ints(btk *k, btk_tensor t, const char *name, int n, const int64_t *values);
void btk_attr_float(btk *k, btk_tensor t, const char *name, double value);
void btk_attr_bool(btk *k, btk_tensor t, const char *name, bool value);
void btk_attr_type(btk *k, btk_tensor t, const char *name, berth_dtype value);
void btk_attr_types(btk *k, btk_tensor t, const char *name, int n, const berth_dtype *values);
void btk_attr_text(btk *k, btk_tensor t, const char *name, const char *value);
void btk_attr_texts(btk *k, btk_tensor t, const char *name, int n, const char *const *values);
void btk_attr_func(btk *k, btk_tensor t, const char *name, const char *value);

int64_t btk_dim(btk_tensor t,
                int axis); /* negative axes count from the end; -1: not known, or no such axis */
bt_shape btk_with_dim(bt_shape shape, int axis, int64_t dim);
/* Fails unless min <= rank <= max. */
bool btk_rank(btk *k, btk_tensor t, int min, int max);
/* The dimension as a known number; fails when it is not. */
int64_t btk_known(btk *k, btk_tensor t, int axis, const char *what);

btk_tensor btk_const(btk *k, berth_dtype dtype, bt_shape shape, const void *bytes); /* bytes are copied */
btk_tensor btk_number(btk *k, berth_dtype dtype, double value);
btk_tensor btk_numbers(btk *k, berth_dtype dtype, bt_shape shape, const double *values);
btk_tensor btk_ints(btk *k, int n, const int64_t *values); /* an int32 vector */
btk_tensor btk_int(btk *k, int64_t value);                 /* an int32 scalar */

btk_tensor btk_unary(btk *k, const char *op, btk_tensor x);
btk_tensor btk_binary(btk *k, const char *op, btk_tensor a, btk_tensor b);
btk_tensor btk_compare(btk *k, const char *op, btk_tensor a, btk_tensor b);
btk_tensor btk_logical(btk *k, const char *op, btk_tensor a, btk_tensor b); /* LogicalAnd, LogicalOr */
btk_tensor btk_scaled(btk *k, btk_tensor x, double factor);                 /* x factor */
btk_tensor btk_shifted(btk *k, btk_tensor x, double offset);                /* x + offset */
btk_tensor btk_clip(btk *k, btk_tensor x, double low, double high);         /* an infinite bound is none */
btk_tensor btk_cast(btk *k, btk_tensor x, berth_dtype dtype);
btk_tensor btk_as_float(btk *k, btk_tensor x);             /* what is no float becomes float32 */
btk_tensor btk_test(btk *k, const char *op, btk_tensor x); /* IsNan, IsInf, IsFinite: to bool */
btk_tensor btk_select(btk *k, btk_tensor condition, btk_tensor a, btk_tensor b);
btk_tensor btk_activate(btk *k, const bt_json *activation,
                        btk_tensor x); /* by name, or a serialised object */
btk_tensor btk_activate_named(btk *k, const char *name, btk_tensor x);
/* elu, celu, soft_shrink, hard_shrink and squareplus by the number that they take. */
btk_tensor btk_activate_with(btk *k, const char *name, btk_tensor x, double number);
btk_tensor btk_softmax(btk *k, btk_tensor x, int axis);

/* dims[i] -1: the size of axis axes[i] of x (at most one such may have axes[i] -1: what is left). */
btk_tensor btk_reshape(btk *k, btk_tensor x, int rank, const int64_t *dims, const int *axes);
btk_tensor btk_flat(btk *k, btk_tensor x); /* all elements in one row */
/* [a, b, rest] as [a b, rest] (n leading axes), and back, the sizes of the leading axes being those of
 * `like`. */
btk_tensor btk_fold_leading(btk *k, btk_tensor x, int n);
btk_tensor btk_unfold_leading(btk *k, btk_tensor x, btk_tensor like, int n);
/* Dimension of x as an int32 scalar; a constant where it is known. */
btk_tensor btk_size(btk *k, btk_tensor x, int axis);
/* A vector of int32 of these scalars. */
btk_tensor btk_pack(btk *k, int n, const btk_tensor *scalars);
btk_tensor btk_transpose(btk *k, btk_tensor x, const int *perm);
btk_tensor btk_swap(btk *k, btk_tensor x, int a, int b);
btk_tensor btk_channels_last(btk *k, btk_tensor x); /* N C ... -> N ... C */
btk_tensor btk_channels_back(btk *k, btk_tensor x); /* N ... C -> N C ... */
btk_tensor btk_expand(btk *k, btk_tensor x, int axis);
btk_tensor btk_squeeze(btk *k, btk_tensor x, int axis);
btk_tensor btk_concat(btk *k, int n, const btk_tensor *x, int axis);
/* x[begin:end] along an axis; end INT64_MAX: to the end; negative ones count from the end. */
btk_tensor btk_slice(btk *k, btk_tensor x, int axis, int64_t begin, int64_t end);
btk_tensor btk_pick(btk *k, btk_tensor x, int axis,
                    int64_t index); /* x[index] along an axis, which goes away */
btk_tensor btk_reverse(btk *k, btk_tensor x, int axis);
btk_tensor btk_pad(btk *k, btk_tensor x,
                   const int64_t (*pads)[2]); /* with zeros; before and behind on each axis */
btk_tensor btk_tile(btk *k, btk_tensor x, const int64_t *times);
/* As a set of axes. */
static inline uint32_t btk_last_axis(btk_tensor t) { return t.shape.rank > 0 ? 1u << (t.shape.rank - 1) : 0; }
/* op: Mean, Sum, Max, Min, Prod, All, Any; axes: bit set. */
btk_tensor btk_reduce(btk *k, const char *op, btk_tensor x, uint32_t axes, bool keep);
btk_tensor btk_matmul(btk *k, btk_tensor a, btk_tensor b, bool transpose_a, bool transpose_b);
btk_tensor btk_einsum(btk *k, const char *equation, btk_tensor a,
                      btk_tensor b); /* one letter an axis, no ellipsis */
btk_tensor btk_gather(btk *k, btk_tensor x, btk_tensor indices, int axis);
btk_tensor btk_zeros(btk *k, berth_dtype dtype, int rank, const btk_tensor *dims,
                     bt_shape shape); /* dims: scalars */
btk_tensor btk_broadcast(btk *k, btk_tensor x, int rank, const btk_tensor *dims, bt_shape shape);
btk_tensor btk_add_bias(btk *k, btk_tensor x, btk_tensor bias);

/* ---- Functions for loops (keras_emit.c) --------------------------------------------------------------- */

typedef struct btk_function {
    bt_function *function;
    bt_graph *outer;
    const char *scope;
} btk_function;

/* From here on nodes go into a new function, whose arguments are like `args`; they are replaced by what they
 * are inside. */
void btk_function_begin(btk *k, const char *name, int n, btk_tensor *args, btk_function *f);
/* Ends it; its name, or NULL. */
const char *btk_function_end(btk *k, btk_function *f, int n, const btk_tensor *results);
/* A loop of n variables by two such functions; its outputs are what they are at the end. */
btk_tensor btk_while(btk *k, int n, const btk_tensor *vars, const char *condition, const char *body);

#endif
