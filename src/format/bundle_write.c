/* A tensor bundle written: one data file, and the index that says where in it each tensor lies. Read: bundle.c. */
#include <errno.h>

#include "format/sstable_write.h"
#include "format/write.h"
#include "simd/crc.h"

typedef struct bundle {
    const bt_source *source;
    bt_save data, index;
    bt_sstable_writer table;
    berth_error *error;
} bundle;

/* Strings: their lengths as varints, a masked checksum of the lengths, their bytes; see read_strings in bundle.c. */
static uint32_t put_strings(bundle *b, const bt_tensor *t)
{
    const bt_string *s = t->data;
    int64_t n = bt_tensor_count(t);
    uint32_t crc = 0;
    bt_text lengths = {0};
    for (int64_t i = 0; i < n; i++) {
        uint64_t length = s[i].n;
        bt_wire_put_varint(&lengths, length);
        crc = bt_crc32c(crc, &length, length > UINT32_MAX ? 8 : 4);
    }
    uint32_t masked = bt_crc32c_mask(crc);
    bt_wire_put_number(&lengths, masked, 4);
    crc = bt_crc32c(crc, &masked, 4);
    if (lengths.failed) b->data.wrong = ENOMEM;
    bt_save_add(&b->data, lengths.p, lengths.failed ? 0 : lengths.n);
    bt_text_free(&lengths);
    for (int64_t i = 0; i < n; i++) {
        crc = bt_crc32c(crc, s[i].p, s[i].n);
        bt_save_add(&b->data, s[i].p, s[i].n);
    }
    return crc;
}

/* BundleEntryProto: dtype = 1, shape = 2, shard_id = 3, offset = 4, size = 5, crc32c = 6 */
static berth_status put_tensor(bundle *b, const bt_bundle_item *item)
{
    const bt_tensor *t = item->value;
    uint64_t offset = b->data.n;
    size_t bytes = bt_tensor_bytes(t);
    uint32_t crc;
    if (bt_source_verify(b->source, t, b->error)) return b->error->status;
    if (t->dtype == BERTH_STRING) crc = put_strings(b, t);
    else if (bt_dtype_is_object(t->dtype))
        return bt_fail(b->error, BERTH_UNSUPPORTED, "variable '%s': of type %s", item->key,
                       bt_dtype_name(t->dtype));
    else crc = bt_crc32c(0, t->data, bytes), bt_save_add(&b->data, t->data, bytes);
    bt_text entry = {0};
    bt_wire_put_uint(&entry, 1, (uint64_t)t->dtype);
    bt_shape_write(&entry, 2, &t->shape);
    if (offset) bt_wire_put_uint(&entry, 4, offset);
    if (b->data.n > offset) bt_wire_put_uint(&entry, 5, b->data.n - offset);
    bt_wire_put_fixed32(&entry, 6, bt_crc32c_mask(crc));
    bool failed = entry.failed;
    if (!failed) bt_sstable_add(&b->table, bt_str_of(item->key), (bt_str){entry.p, entry.n});
    bt_text_free(&entry);
    return failed ? bt_fail_memory(b->error) : BERTH_OK;
}

/* BundleHeaderProto: num_shards = 1, endianness = 2 (little: 0), version = 3 { producer = 1 } */
static berth_status put_header(bundle *b)
{
    bt_text header = {0};
    bt_wire_put_uint(&header, 1, 1);
    size_t version = bt_wire_begin(&header, 3);
    bt_wire_put_uint(&header, 1, 1);
    bt_wire_end(&header, version);
    bool failed = header.failed;
    if (!failed) bt_sstable_add(&b->table, (bt_str){"", 0}, (bt_str){header.p, header.n});
    bt_text_free(&header);
    return failed ? bt_fail_memory(b->error) : BERTH_OK;
}

static berth_status open_file(bt_save *file, const char *prefix, const char *rest, berth_error *error)
{
    bt_text path = {0};
    bt_text_print(&path, "%s.%s", prefix, rest);
    berth_status status = path.failed ? bt_fail_memory(error) : bt_save_open(file, path.p, error);
    bt_text_free(&path);
    return status;
}

berth_status bt_bundle_save(const bt_source *source, const bt_bundle_item *items, size_t n,
                            const char *prefix, berth_error *error)
{
    bundle b = {.source = source, .error = error};
    b.table.file = &b.index;
    berth_status status = bt_source_unchanged(source, error);
    if (!status) status = open_file(&b.data, prefix, "data-00000-of-00001", error);
    if (status) return status;
    status = open_file(&b.index, prefix, "index", error);
    if (status) return bt_save_close(&b.data, false, error), status;
    status = put_header(&b);
    for (size_t i = 0; i < n && !status; i++) status = put_tensor(&b, &items[i]);
    berth_status ended = bt_sstable_end(&b.table, error);
    if (!status) status = ended;
    berth_status data = bt_save_close(&b.data, !status, error);
    berth_status index = bt_save_close(&b.index, !status && !data, error);
    return status ? status : data ? data : index;
}
