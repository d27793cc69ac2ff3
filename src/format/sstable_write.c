/* Blocks of entries that share no prefixes, each with a checksum, then a block of no filters, the index and the footer. The
 * format: table_format.md in https://github.com/google/leveldb. */
#include "format/sstable_write.h"

#include "base/wire.h"
#include "simd/crc.h"

enum { BLOCK_BYTES = 1 << 16, RESTART = 16, FOOTER_PLACES = 40 };

static void put_entry(bt_text *block, bt_str key, bt_str value)
{
    bt_wire_put_varint(block, 0);
    bt_wire_put_varint(block, key.n);
    bt_wire_put_varint(block, value.n);
    bt_text_add(block, key.p, key.n);
    bt_text_add(block, value.p, value.n);
}

/* Writes a block with its restarts and trailer, and empties it; its place as two varints. */
static void put_block(bt_sstable_writer *w, bt_text *block, bt_text *restarts, bt_text *place)
{
    static const char uncompressed = 0;
    size_t n = restarts->n / 4;
    if (!n) bt_wire_put_number(restarts, 0, 4), n = 1;
    bt_text_add(block, restarts->p, restarts->n);
    bt_wire_put_number(block, n, 4);
    bt_wire_put_varint(place, w->file->n);
    bt_wire_put_varint(place, block->n);
    bt_text_add(block, &uncompressed, 1);
    if (!block->failed) bt_wire_put_number(block, bt_crc32c_mask(bt_crc32c(0, block->p, block->n)), 4);
    bt_save_add(w->file, block->p, block->n);
    block->n = restarts->n = 0;
}

/* Ends the block that is being filled. */
static void end_block(bt_sstable_writer *w)
{
    bt_text place = {0};
    if (!w->n_entries) return;
    put_block(w, &w->block, &w->restarts, &place);
    put_entry(&w->index, (bt_str){w->last.p, w->last.n}, (bt_str){place.p, place.n});
    w->index.failed |= place.failed;
    w->n_entries = 0;
    bt_text_free(&place);
}

void bt_sstable_add(bt_sstable_writer *w, bt_str key, bt_str value)
{
    if (w->n_entries++ % RESTART == 0) bt_wire_put_number(&w->restarts, w->block.n, 4);
    put_entry(&w->block, key, value);
    w->last.n = 0;
    bt_text_add(&w->last, key.p, key.n);
    if (w->block.n > BLOCK_BYTES) end_block(w);
}

berth_status bt_sstable_end(bt_sstable_writer *w, berth_error *error)
{
    static const uint64_t magic = 0xdb4775248b80fb57u;
    bt_text filters = {0}, none = {0}, footer = {0};
    end_block(w);
    put_block(w, &filters, &none, &footer);
    none.n = 0; /* the index: one restart, at 0 */
    put_block(w, &w->index, &none, &footer);
    while (footer.n < FOOTER_PLACES && !footer.failed) bt_wire_put_number(&footer, 0, 1);
    bt_wire_put_number(&footer, magic, 8);
    bt_save_add(w->file, footer.p, footer.n);
    bool failed = w->block.failed || w->restarts.failed || w->index.failed || w->last.failed ||
                  filters.failed || none.failed || footer.failed;
    bt_text *all[] = {&w->block, &w->restarts, &w->index, &w->last, &filters, &none, &footer};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) bt_text_free(all[i]);
    return failed ? bt_fail_memory(error) : BERTH_OK;
}
