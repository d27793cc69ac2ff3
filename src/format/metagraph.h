/* MetaGraphDef, which a SavedModel holds and a checkpoint's .meta file is. */
#ifndef BT_METAGRAPH_H
#define BT_METAGRAPH_H

#include "base/wire.h"
#include "graph/graph.h"

enum { META_INFO = 1, INFO_TAGS = 4 }; /* fields of MetaGraphDef and of the MetaInfoDef in it */

/* Graph, functions, signatures, initialisers and assets (in `folder`/assets) into the source. Needs an error. */
berth_status bt_metagraph_read(bt_str message, const char *folder, bt_source *source, berth_error *error);
/* The values of its variables, from the checkpoint `prefix`, which messages call `name`. Needs an error. */
berth_status bt_metagraph_restore(bt_str message, const char *prefix, const char *name, bt_source *source,
                                  berth_error *error);

#endif
