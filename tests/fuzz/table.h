/* For targets that read checkpoints: a table of one block, with the right checksums around what the fuzzer says. */
#ifndef FUZZ_TABLE_H
#define FUZZ_TABLE_H

#include "format/sstable_make.h"

/* Entries: the lengths of key and value in a byte and two, key, value. */
static inline void put_entries(bt_text *block, const uint8_t *p, size_t n)
{
    while (n >= 3) {
        size_t key = p[0], value = p[1] | (size_t)p[2] << 8;
        p += 3, n -= 3;
        key = key < n ? key : n;
        value = value < n - key ? value : n - key;
        put_varint(block, 0), put_varint(block, key), put_varint(block, value);
        bt_text_add(block, (const char *)p, key + value);
        p += key + value, n -= key + value;
    }
    bt_text_add(block, "\0\0\0\0\1\0\0\0", 8); /* one restart, at 0 */
}

/* The whole file, to be freed. */
static inline bt_text fuzz_table(const uint8_t *p, size_t n)
{
    bt_text file = {0}, block = {0}, index = {0}, place = {0};
    put_entries(&block, p, n);
    put_block(&file, &block, 0, &place);
    put_entry(&index, 0, "z", place.p, place.n);
    put_end(&file, &index);
    bt_text_free(&block), bt_text_free(&index), bt_text_free(&place);
    return file;
}

#endif
