/* A checkpoint: the entries of its table, with the right checksum around them, and the tensors that they say. The first byte
 * chooses the format; then come entries: the lengths of key and value in a byte and two, key, value. */
#include "format/bundle.h"
#include "format/sstable_make.h"
#include "place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_entries(bt_text *block, const uint8_t *p, size_t n)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"", "w", "h", "s", "_CHECKPOINTABLE_OBJECT_GRAPH"},
                             *const slices[] = {"", "4 3 0,2:-", "4 3 -:1,1", "3 0,2"};
    static const char zeros[256];
    bt_text file = {0}, block = {0}, index = {0}, place = {0};
    bt_source source;
    berth_error error = {0};
    bool old = size && data[0] & 1;
    if (!size) return 0;
    put_entries(&block, data + 1, size - 1);
    put_block(&file, &block, 0, &place);
    put_entry(&index, 0, "z", place.p, place.n);
    put_end(&file, &index);
    unlink(fuzz_place(old ? "m.index" : "m"));
    fuzz_write(old ? "m" : "m.index", file.p, file.n);
    fuzz_write("m.data-00000-of-00001", zeros, sizeof zeros);
    bt_source_init(&source);
    bt_bundle *bundle = bt_bundle_open(fuzz_place("m"), "m", &source, &error);
    for (int i = 0; bundle && i < 5 * 4; i++) {
        bt_tensor t;
        error = (berth_error){0};
        bt_bundle_read(bundle, bt_str_of(names[i / 4]), bt_str_of(slices[i % 4]), &t, &error);
    }
    bt_bundle_free(bundle);
    bt_source_free(&source);
    bt_text_free(&file), bt_text_free(&block), bt_text_free(&index), bt_text_free(&place);
    return 0;
}
