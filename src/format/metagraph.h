/* MetaGraphDef, which a SavedModel holds and a checkpoint's .meta file is. */
#ifndef BT_METAGRAPH_H
#define BT_METAGRAPH_H

#include "format/restore.h"

/* Fields of MetaGraphDef and of the MetaInfoDef in it. */
enum {
    META_INFO = 1,
    META_GRAPH = 2,
    META_SAVER = 3,
    META_COLLECTION = 4,
    META_SIGNATURE = 5,
    META_ASSET = 6,
    META_OBJECTS = 7,
    INFO_TAGS = 4
};

/* Graph, functions, signatures, initialisers and assets (in `folder`/assets) into the source. functions: those to be read
 * even if the graph does not reach them. Needs an error. */
berth_status bt_metagraph_read(bt_str message, const char *folder, const bt_str *functions, size_t n_functions,
                               bt_source *source, berth_error *error);
/* Whether it has signatures beside those that initialise it, or is damaged. */
bool bt_metagraph_has_signatures(bt_str message);
/* The values of its variables, from the checkpoint `prefix`, which messages call `name`. restored: see restore.h. Needs an
 * error. */
berth_status bt_metagraph_restore(bt_str message, const char *prefix, const char *name, bt_source *source,
                                  bt_restored *restored, berth_error *error);

#endif
