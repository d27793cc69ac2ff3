/* LevelDB's sorted string tables, read from end to end: the index file of a checkpoint is one. */
#ifndef BT_SSTABLE_H
#define BT_SSTABLE_H

#include "base/error.h"
#include "base/str.h"

/* Called for each entry in the order of the keys; both views end with the call. A status other than OK, with the
 * error set, ends the reading. */
typedef berth_status bt_sstable_visit(void *user, bt_str key, bt_str value, berth_error *error);

/* Whether it ends as a table does. */
bool bt_sstable_sniff(bt_str file);
/* Every block that is read has its checksum verified. */
berth_status bt_sstable_read(bt_str file, bt_sstable_visit *visit, void *user, berth_error *error);

#endif
