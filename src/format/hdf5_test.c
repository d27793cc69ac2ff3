/* HDF5: the same objects as h5py writes them in its oldest and its newest layouts (tests/data/hdf5_old.h5,
 * hdf5_new.h5); datasets that may grow, text with what is behind it, soft links (hdf5_grow.h5); files cut at every
 * byte, and files with bytes changed. */
#include "format/hdf5.h"
#include "check.h"

static bt_arena arena;
static berth_error error;

/* The dataset g/h/NAME; dtype 0 when it could not be read. */
static bt_tensor dataset(bt_hdf5 *h, const char *name)
{
    bt_hdf5_group root;
    bt_tensor t = {0};
    uint64_t address = 0;
    char path[64];
    snprintf(path, sizeof path, "g/h/%s", name);
    CHECK_EQ(bt_hdf5_group_open(h, h->root, &root), BERTH_OK);
    CHECK_EQ(bt_hdf5_find(h, &root, bt_str_of(path), &address), BERTH_OK);
    if (CHECK(address)) CHECK_EQ(bt_hdf5_dataset(h, address, &t), BERTH_OK);
    bt_hdf5_group_free(&root);
    return t;
}

static void counts_up(bt_hdf5 *h, const char *name, berth_dtype dtype, int64_t rows, int64_t columns)
{
    bt_tensor t = dataset(h, name);
    CHECK_EQ(t.dtype, dtype);
    if (!CHECK(t.shape.rank == 2 && t.shape.dim[0] == rows && t.shape.dim[1] == columns)) return;
    for (int64_t i = 0; i < rows * columns; i++) CHECK_CLOSE(bt_tensor_number(&t, i), (double)i, 0);
}

static void attributes(bt_hdf5 *h, bool is_new)
{
    bt_tensor t;
    CHECK_EQ(bt_hdf5_attribute(h, h->root, "names", &t), BERTH_OK);
    if (CHECK(t.dtype == BERTH_STRING && t.shape.rank == 1 && t.shape.dim[0] == 3)) {
        bt_string *s = t.data;
        CHECK_TEXT(s[0].p, "alpha");
        CHECK_EQ(s[1].n, 0);
        CHECK_TEXT(s[2].p, "gamma");
    }
    CHECK_EQ(bt_hdf5_attribute(h, h->root, "fixed", &t), BERTH_OK);
    if (CHECK(t.dtype == BERTH_STRING && t.shape.dim[0] == 2)) CHECK_TEXT(((bt_string *)t.data)[0].p, "ab");
    CHECK_EQ(bt_hdf5_attribute(h, h->root, "number", &t), BERTH_OK);
    if (CHECK(t.dtype == BERTH_DOUBLE && t.shape.rank == 0)) CHECK_CLOSE(bt_tensor_number(&t, 0), 1.5, 0);
    CHECK_EQ(bt_hdf5_attribute(h, h->root, "nam", &t), BERTH_OK);
    CHECK_EQ(t.dtype, BERTH_NO_DTYPE);
    if (!is_new) return;
    bt_hdf5_group root;
    uint64_t g = 0;
    CHECK_EQ(bt_hdf5_group_open(h, h->root, &root), BERTH_OK);
    CHECK_EQ(bt_hdf5_find(h, &root, bt_str_of("g"), &g), BERTH_OK);
    CHECK_EQ(bt_hdf5_attribute(h, g, "a11", &t), BERTH_OK);
    CHECK(t.dtype == BERTH_INT8 && bt_tensor_int(&t, 0) == 11);
    bt_hdf5_group_free(&root);
}

static void whole(const bt_file *file, bool is_new)
{
    bt_hdf5 h;
    if (!CHECK(!bt_hdf5_open(&h, file->data, file->size, &arena, &error))) return;
    attributes(&h, is_new);
    counts_up(&h, "contiguous", BERTH_FLOAT, 2, 3);
    counts_up(&h, "big", BERTH_DOUBLE, 3, 2);
#ifdef BERTH_ZLIB
    counts_up(&h, "packed", BERTH_INT32, 5, 7);
#endif
    counts_up(&h, "chunks", BERTH_INT16, 5, 7);
    bt_tensor view = dataset(&h, "contiguous"), half = dataset(&h, "half"), zeros = dataset(&h, "unwritten");
    CHECK((uint8_t *)view.data >= file->data && (uint8_t *)view.data < file->data + file->size);
    CHECK(half.dtype == BERTH_HALF && bt_tensor_number(&half, 1) == -2);
    CHECK(zeros.dtype == BERTH_FLOAT && bt_tensor_count(&zeros) == 4 && bt_tensor_number(&zeros, 3) == 0);
    bt_hdf5_group root, many;
    uint64_t address;
    bt_tensor t;
    CHECK_EQ(bt_hdf5_group_open(&h, h.root, &root), BERTH_OK);
    CHECK_EQ(bt_hdf5_find(&h, &root, bt_str_of("g/many"), &address), BERTH_OK);
    CHECK_EQ(bt_hdf5_group_open(&h, address, &many), BERTH_OK);
    CHECK_EQ(many.links.count, 12);
    CHECK_EQ(bt_hdf5_find(&h, &many, bt_str_of("d11"), &address), BERTH_OK);
    CHECK(!bt_hdf5_dataset(&h, address, &t) && bt_tensor_int(&t, 0) == 11);
    CHECK(!bt_hdf5_find(&h, &many, bt_str_of("d12"), &address) && !address);
    CHECK(bt_hdf5_dataset(&h, h.root, &t) == BERTH_BAD_MODEL);
    bt_hdf5_group_free(&root);
    bt_hdf5_group_free(&many);
}

/* Zeros but for some places, where there is what index holds. */
static void holds_few(bt_hdf5 *h, const char *name, int64_t count, int n, const int *index, const int *value)
{
    bt_tensor t = dataset(h, name);
    int64_t others = 0;
    if (!CHECK(t.dtype == BERTH_INT16 && bt_tensor_count(&t) == count)) return;
    for (int64_t i = 0; i < count; i++) others += bt_tensor_int(&t, i) != 0;
    CHECK_EQ(others, n);
    for (int i = 0; i < n; i++) CHECK_EQ(bt_tensor_int(&t, index[i]), value[i]);
}

static void grown(const bt_file *file)
{
    static const int last[] = {1190, 1191, 1192, 1193, 1194, 1195, 1196, 1197, 1198, 1199};
    bt_hdf5 h;
    bt_hdf5_group root;
    bt_tensor t;
    uint64_t address;
    if (!CHECK(!bt_hdf5_open(&h, file->data, file->size, &arena, &error))) return;
    counts_up(&h, "rows", BERTH_INT16, 5, 7);
    counts_up(&h, "columns", BERTH_INT16, 5, 7);
    counts_up(&h, "both", BERTH_INT16, 5, 7);
    counts_up(&h, "bounded", BERTH_INT16, 5, 7);
    counts_up(&h, "grown", BERTH_INT16, 260, 2);
    counts_up(&h, "soft", BERTH_INT16, 5, 7);
    counts_up(&h, "far", BERTH_INT16, 5, 7);
#ifdef BERTH_ZLIB
    counts_up(&h, "packed", BERTH_INT32, 5, 7);
#endif
    holds_few(&h, "paged", 1200, 10, last, last);
    holds_few(&h, "sparse", 700, 3, (const int[]){0, 333, 699}, (const int[]){5, 333, 699});
    CHECK_EQ(bt_hdf5_group_open(&h, h.root, &root), BERTH_OK);
    static const char *const nowhere[] = {"g/h/loop", "g/h/loop2", "g/h/lost", "g/h/other", "g/h/loop/x"};
    for (int i = 0; i < 5; i++)
        CHECK(!bt_hdf5_find(&h, &root, bt_str_of(nowhere[i]), &address) && address == 0);
    bt_hdf5_group_free(&root);
    CHECK(!bt_hdf5_attribute(&h, h.root, "spaced", &t) && t.shape.dim[0] == 2);
    CHECK_TEXT(((bt_string *)t.data)[0].p, "ab");
    CHECK_TEXT(((bt_string *)t.data)[1].p, "c d");
    CHECK(!bt_hdf5_attribute(&h, h.root, "ended", &t));
    CHECK_TEXT(((bt_string *)t.data)[0].p, "ab");
}

/* Reads all that it can find, whatever comes of it. */
static void wander(bt_hdf5 *h, uint64_t address, int depth)
{
    static const char *const names[] = {"names", "fixed", "a3"};
    bt_tensor t;
    bt_hdf5_group group;
    for (int i = 0; i < 3; i++) bt_hdf5_attribute(h, address, names[i], &t), bt_error_clear(h->error);
    bt_hdf5_dataset(h, address, &t);
    bt_error_clear(h->error);
    bt_hdf5_group_open(h, address, &group);
    for (size_t i = 0; depth < 4 && i < group.links.capacity; i++)
        if (group.links.entries[i].value)
            wander(h, ((bt_hdf5_link *)group.links.entries[i].value)->address, depth + 1);
    bt_hdf5_group_free(&group);
    bt_error_clear(h->error);
}

static void damaged(const uint8_t *data, size_t size)
{
    bt_hdf5 h;
    bt_error_clear(&error);
    bt_arena_free(&arena);
    bt_arena_init(&arena);
    if (!bt_hdf5_open(&h, data, size, &arena, &error)) {
        h.budget = 20000;
        wander(&h, h.root, 0);
    } else {
        CHECK(error.status != BERTH_OK && error.message[0]);
    }
}

static void hostile(const bt_file *file)
{
    uint8_t *copy = bt_alloc(file->size);
    if (!CHECK(copy)) return;
    for (size_t n = 0; n < file->size; n += 7) {
        memcpy(copy, file->data, n);
        bt_hdf5 h;
        bt_error_clear(&error);
        CHECK_EQ(bt_hdf5_open(&h, copy, n, &arena, &error), BERTH_BAD_MODEL);
    }
    for (int i = 0; i < 300; i++) {
        memcpy(copy, file->data, file->size);
        for (int j = 0; j < 1 + i % 20; j++) copy[check_random() % file->size] = (uint8_t)check_random();
        damaged(copy, file->size);
    }
    bt_free(copy);
    CHECK_EQ(bt_hdf5_sniff("\x89HDF\r\n\x1a", 7), false);
}

int main(void)
{
    static const char *const paths[] = {TEST_DATA "hdf5_old.h5", TEST_DATA "hdf5_new.h5",
                                        TEST_DATA "hdf5_grow.h5"};
    for (int i = 0; i < 3; i++) {
        bt_file *file = bt_file_open(paths[i], &error);
        if (!CHECK(file)) continue;
        bt_arena_init(&arena);
        if (i < 2) whole(file, i == 1);
        else grown(file);
        hostile(file);
        bt_arena_free(&arena);
        bt_file_free(file);
    }
    return check_done();
}
