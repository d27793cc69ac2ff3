/* Tables and Snappy: small files made by hand, damage at every byte. */
#include "format/sstable.h"

#include "check.h"
#include "format/snappy.h"
#include "format/sstable_make.h"

static void make_table(bt_text *out)
{
    bt_text block = {0}, index = {0}, place = {0};
    put_entry(&block, 0, "alpha", "1", 1);
    put_entry(&block, 2, "bum", "two", 3);
    bt_text_add(&block, "\0\0\0\0\1\0\0\0", 8); /* one restart, at 0 */
    put_block(out, &block, 0, &place);
    put_entry(&index, 0, "b", place.p, place.n);
    place.n = 0;
    /* The same again, compressed: one literal. */
    bt_text plain = {0};
    put_entry(&plain, 0, "beta", "3", 1);
    bt_text_add(&plain, "\0\0\0\0\1\0\0\0", 8);
    put_varint(&block, plain.n);
    bt_text_add(&block, (char[]){(char)((plain.n - 1) << 2)}, 1);
    bt_text_add(&block, plain.p, plain.n);
    put_block(out, &block, 1, &place);
    put_entry(&index, 0, "c", place.p, place.n);
    put_end(out, &index);
    bt_text_free(&block), bt_text_free(&index), bt_text_free(&place), bt_text_free(&plain);
}

static berth_status visit(void *user, bt_str key, bt_str value, berth_error *error)
{
    (void)error;
    bt_text_print(user, "%.*s=%.*s ", (int)key.n, key.p, (int)value.n, value.p);
    return BERTH_OK;
}

static void test_table(void)
{
    bt_text file = {0}, seen = {0};
    berth_error error = {0};
    make_table(&file);
    CHECK_EQ(bt_sstable_read((bt_str){file.p, file.n}, visit, &seen, &error), BERTH_OK);
    CHECK_TEXT(seen.p, "alpha=1 album=two beta=3 ");
    for (size_t n = 0; n < file.n; n++) {
        seen.n = 0;
        char *copy = bt_alloc(n); /* of its own, so that a sanitizer sees the end */
        memcpy(copy, file.p, n);
        CHECK(bt_sstable_read((bt_str){copy, n}, visit, &seen, NULL) == BERTH_BAD_MODEL);
        bt_free(copy);
    }
    int caught = 0;
    for (size_t i = 0; i < file.n; i++) {
        seen.n = 0;
        file.p[i] ^= 4;
        caught += bt_sstable_read((bt_str){file.p, file.n}, visit, &seen, NULL) != BERTH_OK;
        file.p[i] ^= 4;
    }
    CHECK(caught > (int)file.n - 48); /* in the footer's padding, a bit means nothing */
    bt_text_free(&file), bt_text_free(&seen);
}

static void test_snappy(void)
{
    uint8_t out[64];
    size_t bytes;
    /* "ab", then a copy of 8 from 2 back (it overlaps itself), then "c", then copies with longer offsets */
    bt_str block = {"\x12\x04"
                    "ab"
                    "\x11\x02\x00"
                    "c"
                    "\x0e\x0b\x00"
                    "\x0b\x04\x00\x00\x00",
                    16};
    CHECK(bt_snappy_bytes(block, &bytes) && bytes == 18);
    CHECK(bt_snappy_decode(block, out, bytes));
    CHECK(!memcmp(out,
                  "ababababab"
                  "c"
                  "abab"
                  "aba",
                  18));
    for (size_t n = 0; n < block.n; n++) CHECK(!bt_snappy_decode((bt_str){block.p, n}, out, bytes));
    CHECK(!bt_snappy_decode((bt_str){"\x04\x00"
                                     "a\x01\x02",
                                     5},
                            out, 4)); /* from before the beginning */
    CHECK(!bt_snappy_bytes((bt_str){"\xff\xff\xff\xff\x0f"
                                    "a",
                                    6},
                           &bytes));
}

int main(void)
{
    test_table();
    test_snappy();
    return check_done();
}
