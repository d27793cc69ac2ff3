/* Features of tf.train.Example and SequenceExample (example.c, example_sequence.c). A batch of examples, the steps of one sequence
 * and those of a batch of sequences are the same to what writes the outputs: a row of features. */
#ifndef BT_OPS_EXAMPLE_H
#define BT_OPS_EXAMPLE_H

#include "base/map.h"
#include "base/wire.h"
#include "ops/move.h"

/* A Feature's message; p NULL: the example has none. */
typedef bt_str bt_feature;

/* The values of a feature: those of the one list that it has, if any. */
typedef struct bt_values {
    berth_dtype dtype; /* 0: no list */
    bt_str list;
} bt_values;

typedef struct bt_feature_row {
    bt_str key;
    const bt_feature *at;
    int64_t n;
    bool is_vector;   /* else one example, whose outputs have no dimension for it */
    bool is_sequence; /* of a SequenceExample */
    const int64_t *
        starts; /* of a batch of sequences: which steps are a sequence's, batch + 1 of them; NULL: it is no such */
    int64_t batch;
} bt_feature_row;

/* How much of a key an error shows, for %.*s. */
#define BT_FEATURE_KEY(r) (int)((r)->key.n < 100 ? (r)->key.n : 100), (r)->key.p

/* How many values feature i has, of that dtype; -1 with the error set. A missing feature has none. */
int64_t bt_feature_count(bt_call *c, const bt_feature_row *r, int64_t i, berth_dtype dtype, bt_values *v);
/* Writes a feature's values, of which there are n, to out from element `at` on. */
berth_status bt_feature_write(bt_call *c, const bt_values *v, void *out, int64_t at, int64_t n);
/* Of the sequences of a batch, how many steps the longest has. */
int64_t bt_feature_most_steps(const bt_feature_row *r);
/* Outputs o[0..3): indices [n, rank], values [n], shape [rank]; rank is 1, of a vector 2, of a batch of sequences 3. */
berth_status bt_feature_sparse(bt_call *c, const bt_feature_row *r, berth_dtype dtype, const int o[3]);
/* Outputs o[0..2): values [n], row splits [rows + 1]; for a single example none, and for a single sequence, of which TensorFlow
 * gives a scalar that it never wrote, 0. */
berth_status bt_feature_ragged(bt_call *c, const bt_feature_row *r, berth_dtype dtype,
                               berth_dtype split_dtype, const int o[2]);
/* Output o: [rows] + shape; where the first dimension of shape is open it becomes the largest of the rows, and shorter
 * ones are filled up with the default, which is one value then. `otherwise` may be NULL: nothing may be missing. */
berth_status bt_feature_dense(bt_call *c, const bt_feature_row *r, berth_dtype dtype, const bt_shape *shape,
                              const bt_tensor *otherwise, int o);

/* The keys of all features that a node asks for, and what each is to become. */
typedef struct bt_example_spec {
    bt_str *keys; /* sparse, then dense, then ragged ones */
    int n_sparse, n_dense, n_ragged;
    const bt_attr_value *sparse_types, *dense_types, *dense_shapes, *ragged_types, *split_types;
    bt_tensor *const *defaults; /* NULL: none */
    int first_out;
    bool is_sequence;
} bt_example_spec;

static inline int bt_example_keys(const bt_example_spec *s) { return s->n_sparse + s->n_dense + s->n_ragged; }
/* Every key's number, into an empty map. */
bool bt_example_map(const bt_example_spec *s, bt_map *map);
/* [keys, rows], of nothing. */
bt_feature *bt_example_room(bt_call *c, const bt_example_spec *s, int64_t rows);
/* found[k * rows + row]: the value that map entries of field 1 in `message` give key k; of two, the last. */
bool bt_example_find(bt_str message, const bt_map *keys, bt_feature *found, int64_t rows, int64_t row);
/* Every message of `examples` is an Example (or what begins as one): its field 1 is the map of features. Writes the outputs. */
berth_status bt_example_parse(bt_call *c, const bt_example_spec *s, const bt_tensor *examples);
/* The list attribute `name`, which must have n elements. */
berth_status bt_example_list(bt_call *c, const char *name, int n, const bt_attr_value **list);
berth_status bt_example_shapes(bt_call *c, const char *name, int n, const bt_attr_value **list);
/* Keys out of scalar inputs [first, first + n); of a vector of n, input `input`. */
berth_status bt_example_scalars(bt_call *c, bt_str *keys, int first, int n);
berth_status bt_example_vector(bt_call *c, bt_str *keys, int input, int n);

/* Outputs from *o on: as many sparse tensors as there are types, indices first. */
void bt_infer_sparse_features(bt_infer *x, int *o, const char *types, int rank);
/* rows: the leading dimension; -1: not known, -2: there is none, or it is not known whether. */
void bt_infer_dense_features(bt_infer *x, int *o, const char *types, const char *shapes, int64_t rows,
                             bool single);

#define BT_SPARSE_OUTPUTS(prefix, n)                                                                        \
    prefix "sparse_indices*" n "," prefix "sparse_values*" prefix "sparse_types," prefix "sparse_shapes*" n \
           ","

#endif
