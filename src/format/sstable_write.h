/* LevelDB's sorted string tables, written: for the index of a checkpoint. Read: sstable.h. */
#ifndef BT_SSTABLE_WRITE_H
#define BT_SSTABLE_WRITE_H

#include "base/save.h"

/* Zero but for `file`, which is the caller's to open and close. */
typedef struct bt_sstable_writer {
    bt_save *file;
    bt_text block,
        restarts; /* being filled; where its entries without a shared prefix begin, as four bytes each */
    bt_text index, last; /* the index block; the last key of the block */
    size_t n_entries;
} bt_sstable_writer;

/* Keys must come in strictly rising order. */
void bt_sstable_add(bt_sstable_writer *w, bt_str key, bt_str value);
/* Index and footer. Frees what the writer holds, whatever comes of it. */
berth_status bt_sstable_end(bt_sstable_writer *w, berth_error *error);

#endif
