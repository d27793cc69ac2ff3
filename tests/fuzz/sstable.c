/* A block of a table, plain or compressed, with the right checksum around it; and the bytes as a table of their own. */
#include "format/sstable.h"
#include "format/sstable_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static berth_status visit(void *user, bt_str key, bt_str value, berth_error *error)
{
    (void)error;
    bt_text_add(user, key.p, key.n), bt_text_add(user, value.p, value.n);
    ((bt_text *)user)->n = 0;
    return BERTH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_text seen = {0}, file = {0}, block = {0}, index = {0}, place = {0};
    bt_sstable_read((bt_str){(const char *)data, size}, visit, &seen, NULL);
    if (size > 0) {
        bt_text_add(&block, (const char *)data + 1, size - 1);
        put_block(&file, &block, data[0] & 1, &place);
        put_entry(&index, 0, "z", place.p, place.n);
        put_end(&file, &index);
        bt_sstable_read((bt_str){file.p, file.n}, visit, &seen, NULL);
    }
    bt_text_free(&seen), bt_text_free(&file), bt_text_free(&block), bt_text_free(&index),
        bt_text_free(&place);
    return 0;
}
