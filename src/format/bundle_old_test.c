/* A checkpoint of the old format, as TensorFlow 2.21 still writes it (tests/data/checkpoint_v1): a partitioned variable whole
 * and in parts, halves, a scalar, strings. Then damage at every byte, and every allocation refused once. */
#include "format/bundle.h"
#include "torture.h"

#include <unistd.h>

static const char path[] = TEST_DATA "checkpoint_v1";

static berth_status read_part(bt_bundle *b, const char *name, const char *slice, bt_tensor *t,
                              berth_error *error)
{
    return bt_bundle_read(b, bt_str_of(name), bt_str_of(slice), t, error);
}

static void whole(void)
{
    bt_source source;
    berth_error error = {0};
    bt_tensor t;
    bt_source_init(&source);
    bt_bundle *b = bt_bundle_open(path, "m", &source, &error);
    if (CHECK(b != NULL)) {
        CHECK(!read_part(b, "w", "", &t, &error) && t.shape.dim[0] == 4 && t.shape.dim[1] == 3);
        for (int i = 0; i < 12 && !error.status; i++) CHECK_CLOSE(bt_tensor_number(&t, i), i, 0);
        CHECK(!read_part(b, "w", "4 3 2,2:-", &t, &error) && bt_tensor_count(&t) == 6);
        if (!error.status) CHECK_CLOSE(bt_tensor_number(&t, 0), 6, 0);
        CHECK(!read_part(b, "w", "4 3 1,2:1,1", &t, &error) && bt_tensor_count(&t) == 2);
        if (!error.status) CHECK_CLOSE(bt_tensor_number(&t, 1), 7, 0);
        CHECK(!read_part(b, "h", "", &t, &error) && t.dtype == BERTH_HALF);
        if (!error.status) CHECK_CLOSE(bt_tensor_number(&t, 1), -2, 0);
        CHECK(!read_part(b, "n", "", &t, &error) && t.shape.rank == 0 && bt_tensor_int(&t, 0) == -7);
        CHECK(!read_part(b, "s", "", &t, &error) && bt_tensor_count(&t) == 2);
        if (!error.status) CHECK(((bt_string *)t.data)[0].n == 2 && ((bt_string *)t.data)[1].n == 0);
        CHECK(read_part(b, "w", "4 3 3,2:-", &t, &error) == BERTH_BAD_MODEL);
        CHECK(read_part(b, "v", "", &t, &error) == BERTH_BAD_MODEL);
    }
    bt_bundle_free(b);
    bt_source_free(&source);
}

static berth_status open_and_read(void *from)
{
    bt_source source;
    berth_error error = {0};
    bt_tensor t;
    bt_source_init(&source);
    bt_bundle *b = bt_bundle_open(from, "m", &source, &error);
    if (b && !read_part(b, "w", "", &t, &error)) read_part(b, "s", "", &t, &error);
    CHECK(!error.status || error.message[0]);
    bt_bundle_free(b);
    bt_source_free(&source);
    return error.status;
}

static void damaged(void)
{
    static uint8_t bytes[4096];
    char copy[] = "/tmp/berth-bundle-XXXXXX";
    FILE *from = fopen(path, "rb");
    size_t n = from ? fread(bytes, 1, sizeof bytes, from) : 0;
    int fd = mkstemp(copy), failed = 0;
    if (from) fclose(from);
    for (size_t i = 0; i < n && CHECK(fd >= 0); i++) {
        bytes[i] ^= 0x55;
        CHECK(pwrite(fd, bytes, n, 0) == (ssize_t)n);
        failed += open_and_read(copy) != BERTH_OK;
        bytes[i] ^= 0x55;
    }
    CHECK(failed >=
          (int)n - 48 - 13); /* the footer has room, and before it stands a block that nobody reads */
    close(fd);
    unlink(copy);
}

int main(void)
{
    whole();
    torture_status(open_and_read, (void *)path, false);
    damaged();
    return check_done();
}
