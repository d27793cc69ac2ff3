/* Zip: a literal archive of a stored and a deflated member; names, sizes and bits that must be refused; every cut and
 * every bit of it. Then a Keras archive (tests/data/keras_small.keras): what becomes of it, cut at every byte. */
#include "format/zip.h"

#include "check.h"
#include "format/format.h"

/* "a.txt" is "hello", stored, and "b/c" is "abc" ten times, deflated. As Python's zipfile writes it. */
static const uint8_t archive[] = {
    /* "a.txt", at 0 */
    0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x00, 0x86, 0xa6, 0x10,
    0x36, 0x05, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 'a', '.', 't', 'x', 't',
    'h', 'e', 'l', 'l', 'o',
    /* "b/c", at 40 */
    0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x81, 0xfc, 0xb1,
    0x48, 0x07, 0x00, 0x00, 0x00, 0x1e, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 'b', '/', 'c', 0x4b, 0x4c,
    0x4a, 0x4e, 0xc4, 0x8d, 0x00,
    /* the directory, at 80 */
    0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x00, 0x86,
    0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00, 0x00, 'a', '.', 't', 'x', 't',
    /* its second entry, at 131 */
    0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0x81,
    0xfc, 0xb1, 0x48, 0x07, 0x00, 0x00, 0x00, 0x1e, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x28, 0x00, 0x00, 0x00, 'b', '/', 'c',
    /* the end, at 180 */
    0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x00, 0x64, 0x00, 0x00, 0x00, 0x50,
    0x00, 0x00, 0x00, 0x00, 0x00};

enum { NAME_A = 126, NAME_B = 177, METHOD_A = 90, FLAGS_B = 139, SIZE_B = 155 };

/* Of n bytes on the heap, so that a read beyond them is seen: all members. What was wrong, or OK. */
static berth_status read_all(const uint8_t *bytes, size_t n)
{
    static const char *const names[] = {"a.txt", "b/c"};
    uint8_t *copy = bt_alloc(n ? n : 1);
    bt_arena arena;
    bt_zip zip;
    berth_error error = {0};
    if (!CHECK(copy)) return BERTH_NO_MEMORY;
    memcpy(copy, bytes, n);
    bt_arena_init(&arena);
    berth_status status = bt_zip_open(&zip, copy, n, &arena, &error);
    bool opened = !status;
    for (int i = 0; i < 2 && !status; i++) {
        bt_str out;
        status = bt_zip_read(&zip, names[i], &out, &error);
        if (!status && !out.p) status = BERTH_NOT_FOUND;
    }
    if (opened) bt_zip_free(&zip);
    bt_arena_free(&arena);
    bt_free(copy);
    return status;
}

static void whole(void)
{
    bt_arena arena;
    bt_zip zip;
    berth_error error = {0};
    bt_str out;
    bt_arena_init(&arena);
    CHECK(bt_zip_sniff(archive, sizeof archive));
    if (CHECK(!bt_zip_open(&zip, archive, sizeof archive, &arena, &error))) {
        CHECK(!bt_zip_read(&zip, "a.txt", &out, &error) && bt_str_is(out, "hello"));
        CHECK(out.p == (const char *)archive + 35); /* a view */
        CHECK(!bt_zip_read(&zip, "a", &out, &error) && !out.p);
#ifdef BERTH_ZLIB
        CHECK(!bt_zip_read(&zip, "b/c", &out, &error) && bt_str_is(out, "abcabcabcabcabcabcabcabcabcabc"));
#else
        CHECK_EQ(bt_zip_read(&zip, "b/c", &out, &error), BERTH_UNSUPPORTED);
#endif
        bt_zip_free(&zip);
    }
    bt_arena_free(&arena);
}

/* The archive with some bytes of its own. */
static berth_status with(size_t at, const void *bytes, size_t n)
{
    uint8_t copy[sizeof archive];
    memcpy(copy, archive, sizeof copy);
    memcpy(copy + at, bytes, n);
    return read_all(copy, sizeof copy);
}

static void refused(void)
{
    CHECK_EQ(with(NAME_A, "../xt", 5), BERTH_BAD_MODEL);
    CHECK_EQ(with(NAME_A, "a/../", 5), BERTH_BAD_MODEL);
    CHECK_EQ(with(NAME_A, "/.txt", 5), BERTH_BAD_MODEL);
    CHECK_EQ(with(NAME_A, "a\\txt", 5), BERTH_BAD_MODEL);
    CHECK_EQ(with(NAME_A, "a..xt", 5), BERTH_NOT_FOUND); /* no way out, but another name */
    CHECK_EQ(with(NAME_B, "a.t", 3), BERTH_NOT_FOUND);
    CHECK_EQ(with(METHOD_A, "\14", 1), BERTH_UNSUPPORTED);
    CHECK_EQ(with(FLAGS_B, "\1", 1), BERTH_UNSUPPORTED);
#ifdef BERTH_ZLIB
    CHECK_EQ(with(SIZE_B, "\xf0\xff\xff\xff", 4), BERTH_BAD_MODEL);
    CHECK_EQ(with(SIZE_B, "\x1d", 1), BERTH_BAD_MODEL);
    CHECK_EQ(with(SIZE_B, "\x1f", 1), BERTH_BAD_MODEL);
#endif
    CHECK_EQ(with(35, "j", 1), BERTH_BAD_MODEL); /* the checksum of "hello" */
}

static void damaged(void)
{
    for (size_t n = 0; n < sizeof archive; n++) CHECK(read_all(archive, n) != BERTH_OK);
    for (size_t i = 0; i < 8 * sizeof archive; i++) {
        uint8_t bit = archive[i / 8] ^ (uint8_t)(1 << i % 8);
        with(i / 8, &bit, 1);
    }
}

/* ---- A Keras archive ---------------------------------------------------------------------------------- */

static berth_status load(const uint8_t *bytes, size_t n, bt_source *source, berth_error *error)
{
    uint8_t *copy = bt_alloc(n ? n : 1);
    bt_source_init(source);
    bt_error_clear(error);
    if (!copy) return bt_fail_memory(error);
    memcpy(copy, bytes, n);
    bt_file file = {.data = copy, .size = n, .path = "cut.keras", .fd = -1, .refs = 2}; /* never dropped */
    berth_status status = bt_format_keras_archive.load(file.path, &file, NULL, source, error);
    if (!status) { /* weights are views of the file */
        int32_t node = bt_graph_find(&source->graph, bt_str_of("out/kernel"));
        const bt_tensor *value = node < 0 ? NULL : bt_attr_tensor(&source->graph.nodes[node], "value");
        CHECK(value && (const uint8_t *)value->data > copy && (const uint8_t *)value->data < copy + n);
    }
    bt_source_free(source);
    bt_free(copy);
    return status;
}

static void model(void)
{
    bt_source source;
    berth_error error = {0};
    bt_file *file = bt_file_open(TEST_DATA "keras_small.keras", &error);
    if (!CHECK(file)) return;
    CHECK_EQ(load(file->data, file->size, &source, &error), BERTH_OK);
    for (size_t n = 0; n < file->size; n++) CHECK(load(file->data, n, &source, &error) != BERTH_OK);
    bt_file_free(file);
}

int main(void)
{
    whole();
    refused();
    damaged();
    model();
    return check_done();
}
