/* For tests: writes a table of one block, or its parts. Not a way to write checkpoints. */
#ifndef BT_SSTABLE_MAKE_H
#define BT_SSTABLE_MAKE_H

#include "base/str.h"
#include "simd/crc.h"

static inline void put_varint(bt_text *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) bt_text_add(out, (char[]){(char)(v | 0x80)}, 1);
    bt_text_add(out, (char[]){(char)v}, 1);
}

static inline void put_entry(bt_text *out, size_t shared, const char *own, const char *value,
                             size_t value_bytes)
{
    put_varint(out, shared), put_varint(out, strlen(own)), put_varint(out, value_bytes);
    bt_text_add(out, own, strlen(own)), bt_text_add(out, value, value_bytes);
}

/* Adds a block with its trailer, and gives its place as a footer or an index has it. */
static inline void put_block(bt_text *out, bt_text *block, char compression, bt_text *place)
{
    put_varint(place, out->n), put_varint(place, block->n);
    bt_text_add(block, &compression, 1);
    uint32_t crc = bt_crc32c_mask(bt_crc32c(0, block->p, block->n));
    bt_text_add(out, block->p, block->n), bt_text_add(out, (const char *)&crc, 4);
    block->n = 0;
}

/* The index block and the footer behind the data blocks that `index` has the entries of. */
static inline void put_end(bt_text *out, bt_text *index)
{
    bt_text footer = {0};
    bt_text_add(index, "\0\0\0\0\1\0\0\0", 8); /* one restart, at 0 */
    bt_text_add(&footer, "\0\0", 2);           /* no block of filters */
    put_block(out, index, 0, &footer);
    while (footer.n < 40) bt_text_add(&footer, "", 1);
    bt_text_add(&footer, "\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
    bt_text_add(out, footer.p, footer.n);
    bt_text_free(&footer);
}

#endif
