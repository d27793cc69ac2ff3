/* A table is blocks of entries, an index block of (last key, place of a block), and a footer with the index's place.
 * A block is followed by its compression (0 none, 1 Snappy) and a masked CRC-32C of both. In a block, an entry
 * says how much of the key before it it shares. The format: table_format.md in https://github.com/google/leveldb. */
#include "format/sstable.h"

#include "base/file.h"
#include "format/snappy.h"
#include "simd/crc.h"

#define FOOTER_BYTES 48
#define TRAILER_BYTES 5
#define MAGIC 0xdb4775248b80fb57u
#define BLOCK_LIMIT ((size_t)1 << 30)
#define KEY_GROWTH 64 /* bytes of keys that a byte of the file may give */

typedef struct table {
    bt_str file;
    size_t next;      /* blocks lie one after the other: where the next one may begin */
    size_t key_bytes; /* of all entries so far, whose prefixes are shared in the file */
    bt_sstable_visit *visit;
    void *user;
    berth_error *error;
} table;

static berth_status damaged(table *t, const char *what)
{
    return bt_fail(t->error, BERTH_BAD_MODEL, "a damaged table: %s", what);
}

/* Calls for each entry of a block's bytes. */
typedef berth_status entry_fn(table *t, bt_str key, bt_str value);

static berth_status read_entries(table *t, bt_str block, bt_text *key, entry_fn *entry)
{
    if (block.n < 4) return damaged(t, "a block is too short");
    bt_reader tail = bt_reader_of(block.p + block.n - 4, 4);
    uint64_t restarts = bt_read_uint(&tail, 4);
    if (restarts > (block.n - 4) / 4) return damaged(t, "a block has more restarts than room");
    bt_reader r = bt_reader_of(block.p, block.n - 4 - restarts * 4);
    while (bt_reader_left(&r) > 0) {
        uint64_t shared = bt_read_varint(&r), own = bt_read_varint(&r), value_bytes = bt_read_varint(&r);
        const uint8_t *own_bytes = bt_read_bytes(&r, own);
        const uint8_t *value = bt_read_bytes(&r, value_bytes);
        if (r.failed || shared > key->n) return damaged(t, "an entry does not fit its block");
        key->n = shared;
        bt_text_add(key, (const char *)own_bytes, own);
        if (key->failed) return bt_fail_memory(t->error);
        t->key_bytes += key->n;
        if (t->key_bytes / KEY_GROWTH > t->file.n) return damaged(t, "its keys are too long");
        if (entry(t, (bt_str){key->p, key->n}, (bt_str){(const char *)value, value_bytes}))
            return t->error->status;
    }
    return BERTH_OK;
}

static berth_status read_compressed(table *t, bt_str stored, entry_fn *entry)
{
    size_t bytes;
    bt_text key = {0};
    if (!bt_snappy_bytes(stored, &bytes) || bytes > BLOCK_LIMIT) return damaged(t, "a compressed block");
    uint8_t *block = bt_alloc(bytes);
    if (!block) return bt_fail_memory(t->error);
    if (!bt_snappy_decode(stored, block, bytes)) damaged(t, "a compressed block");
    else read_entries(t, (bt_str){(const char *)block, bytes}, &key, entry);
    bt_text_free(&key);
    bt_free(block);
    return t->error->status;
}

/* place: offset and size of a block, as varints. */
static berth_status read_block(table *t, bt_reader *place, entry_fn *entry)
{
    uint64_t offset = bt_read_varint(place), bytes = bt_read_varint(place);
    if (place->failed || offset > t->file.n || bytes > t->file.n - offset ||
        t->file.n - offset - bytes < TRAILER_BYTES)
        return damaged(t, "a block lies beyond the end");
    bt_str stored = {t->file.p + offset, bytes};
    bt_reader trailer = bt_reader_of(stored.p + bytes, TRAILER_BYTES);
    uint64_t compression = bt_read_uint(&trailer, 1), crc = bt_read_uint(&trailer, 4);
    if (bt_crc32c_mask(bt_crc32c(0, stored.p, bytes + 1)) != crc)
        return damaged(t, "the checksum of a block is wrong");
    if (compression == 1) return read_compressed(t, stored, entry);
    if (compression != 0) return bt_fail(t->error, BERTH_UNSUPPORTED, "a table with unknown compression");
    bt_text key = {0};
    read_entries(t, stored, &key, entry);
    bt_text_free(&key);
    return t->error->status;
}

static berth_status data_entry(table *t, bt_str key, bt_str value)
{
    return t->visit(t->user, key, value, t->error);
}

static berth_status index_entry(table *t, bt_str key, bt_str value)
{
    (void)key;
    bt_reader place = bt_reader_of(value.p, value.n), peek = place;
    uint64_t offset = bt_read_varint(&peek), bytes = bt_read_varint(&peek);
    if (offset < t->next || offset > t->file.n || bytes > t->file.n - offset)
        return damaged(t, "blocks out of order");
    t->next = offset + bytes;
    return read_block(t, &place, data_entry);
}

bool bt_sstable_sniff(bt_str file)
{
    if (file.n < FOOTER_BYTES) return false;
    bt_reader magic = bt_reader_of(file.p + file.n - 8, 8);
    return bt_read_uint(&magic, 8) == MAGIC;
}

berth_status bt_sstable_read(bt_str file, bt_sstable_visit *visit, void *user, berth_error *error)
{
    berth_error own;
    table t = {.file = file, .visit = visit, .user = user, .error = error ? error : &own};
    bt_error_clear(t.error);
    if (file.n < FOOTER_BYTES) return damaged(&t, "it is too short");
    bt_reader footer = bt_reader_of(file.p + file.n - FOOTER_BYTES, FOOTER_BYTES);
    if (!bt_sstable_sniff(file))
        return damaged(&t, "it does not end as one, so it was cut short or is something else");
    bt_read_varint(&footer), bt_read_varint(&footer); /* the place of the block of filters */
    return read_block(&t, &footer, index_entry);
}
