/* Keras: weights in an HDF5 file by Keras 3's paths: "layers/dense_1/vars/0". Used for files of weights (keras_h5.c) and
 * for archives (keras_archive.c). */
#ifndef BT_KERAS_TREE_H
#define BT_KERAS_TREE_H

#include "format/hdf5.h"
#include "format/keras.h"

typedef struct btk_tree {
    bt_hdf5 *h5;
    bt_map groups; /* path -> bt_hdf5_group *; each is opened once */
} btk_tree;

/* True when the root group looks like that. */
bool btk_tree_sniff(const bt_hdf5_group *root);
/* btk_weights.of_path; user: a btk_tree whose h5 is set. */
berth_status btk_tree_weight(void *user, const char *path, int i, const char *name, bt_tensor *value,
                             berth_error *error);
void btk_tree_free(btk_tree *tree);

#endif
