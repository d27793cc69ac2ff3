/* Formats: bytes to a bt_source. One file a format, ending in one constant record; format.c has the list and
 * makes the choice. Encodings (wire, json, hdf5, sstable) know nothing of TensorFlow. */
#ifndef BT_FORMAT_H
#define BT_FORMAT_H

#include "graph/graph.h"

typedef struct bt_format_options {
    const char *tags;      /* comma-separated, NULL: "serve" or the only MetaGraph */
    const char *structure; /* Keras architecture beside a file of weights */
    const char *
        functions; /* of a SavedModel that has signatures: one to be offered beside them, "*": all; NULL: none */
} bt_format_options;

typedef struct bt_format {
    const char *name; /* "SavedModel" */
    /* True when this path (a file mapped as `file`; or, with file NULL, a folder, or what the names of several
     * files begin with) is for this format. Further files are looked for by archive.h. */
    bool (*sniff)(const bt_source *source, const char *path, const bt_file *file);
    /* Fills *source, which is initialised. file: as above, borrowed; a loader that keeps views takes a reference
     * (bt_source_add_file(source, bt_file_ref(file))). Messages name what is wrong inside; the path is put in front by the caller. */
    berth_status (*load)(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error);
} bt_format;

extern const bt_format bt_format_graphdef, bt_format_pbtxt, bt_format_savedmodel, bt_format_checkpoint, bt_format_objects,
    bt_format_keras_h5, bt_format_keras_archive;

/* What the folder's file "checkpoint" names as the last one, as a path; a path from the root, of a folder that was moved, is one
 * of this folder. NULL: there is no such file, or, with the error set, it is not one. */
const char *bt_checkpoint_latest(bt_source *source, const char *folder, berth_error *error);

/* Opens, sniffs, loads. The error names the path. */
berth_status bt_format_load(const char *path, const bt_format_options *options, bt_source *source,
                            berth_error *error);
/* The same of a file that is open, which is borrowed. */
berth_status bt_format_load_file(bt_file *file, const bt_format_options *options, bt_source *source, berth_error *error);

#endif
