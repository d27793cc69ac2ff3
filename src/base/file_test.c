/* Mapped files and their errors, the bounded reader, errors and the log. */
#include "base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "torture.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *bytes, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");
    if (!CHECK(f)) return;
    fwrite(bytes, 1, n, f);
    fclose(f);
}

static void refused(const char *name, berth_status status, const char *words)
{
    berth_error error = {0};
    CHECK(!bt_file_open(in_folder(name), &error));
    CHECK_EQ(error.status, status);
    if (!CHECK(strstr(error.message, name) && strstr(error.message, words)))
        printf("    %s\n", error.message);
    CHECK(!bt_file_open(in_folder(name), NULL));
}

static void test_refusals(void)
{
    put("empty", "", 0);
    CHECK(mkfifo(in_folder("fifo"), 0600) == 0 && mkdir(in_folder("sub"), 0700) == 0);
    refused("empty", BERTH_BAD_MODEL, "empty");
    refused("fifo", BERTH_BAD_MODEL, "regular"); /* and does not wait for its writer */
    refused("sub", BERTH_BAD_MODEL, "folder");
    refused("missing", BERTH_NOT_FOUND, "No such file");
    refused("empty/below", BERTH_NOT_FOUND, "Not a directory");
    CHECK(bt_path_is_folder(in_folder("sub")) && !bt_path_is_folder(in_folder("empty")));
    CHECK(bt_path_exists(in_folder("sub")) && !bt_path_exists(in_folder("missing")));
}

static void test_read(void)
{
    char *bytes;
    size_t n;
    put("words", "a\0b\n", 4), put("empty", "", 0);
    CHECK(bt_file_read(in_folder("words"), &bytes, &n, NULL) == BERTH_OK && n == 4 && !memcmp(bytes, "a\0b\n", 4));
    bt_free(bytes);
    CHECK(bt_file_read(in_folder("empty"), &bytes, &n, NULL) == BERTH_OK && n == 0 && !bytes);
    CHECK(bt_file_read(in_folder("missing"), &bytes, &n, NULL) == BERTH_NOT_FOUND && n == 0 && !bytes);
    CHECK(bt_file_read(in_folder(""), &bytes, &n, NULL) == BERTH_BAD_MODEL && n == 0 && !bytes);
}

static bool open_file(void *user)
{
    berth_error error = {0};
    bt_file *file = bt_file_open(user, &error);
    CHECK(!file == (error.status == BERTH_NO_MEMORY));
    bt_file_free(file);
    return file;
}

static void test_mapping(void)
{
    berth_error error = {0};
    char bytes[20000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
    put("data", bytes, sizeof bytes);
    torture(open_file, (void *)in_folder("data"), false);
    bt_file *file = bt_file_open(in_folder("data"), &error);
    if (!CHECK(file)) return;
    CHECK(file->size == sizeof bytes && memcmp(file->data, bytes, sizeof bytes) == 0);
    bt_file_free(bt_file_ref(file));
    bt_file_release(file, file->data + 100, 15000);
    bt_file_release(file, file->data + 5, 10);
    CHECK(memcmp(file->data, bytes, sizeof bytes) == 0);
    CHECK_EQ(bt_file_unchanged(file, &error), BERTH_OK);
    CHECK(unlink(file->path) == 0);
    CHECK_EQ(bt_file_unchanged(file, &error), BERTH_OK); /* removed, yet whole behind the descriptor */
    put("data", bytes, sizeof bytes);
    CHECK_EQ(bt_file_unchanged(file, &error), BERTH_BAD_MODEL);
    CHECK(strstr(error.message, "replaced") && strstr(error.message, file->path));
    bt_file_free(file);

    bt_error_clear(&error);
    file = bt_file_open(in_folder("data"), &error);
    if (!CHECK(file)) return;
    CHECK(truncate(file->path, 10) == 0);
    CHECK_EQ(bt_file_unchanged(file, &error), BERTH_BAD_MODEL);
    CHECK(strstr(error.message, "changed"));
    bt_file_free(file);
}

static void test_reader(void)
{
    static const uint8_t bytes[] = {0x96, 0x01, 0x78, 0x56, 0x34, 0x12, 0xff};
    bt_reader r = bt_reader_of(bytes, sizeof bytes);
    CHECK_EQ(bt_read_varint(&r), 150);
    CHECK_EQ(bt_read_uint(&r, 4), 0x12345678);
    CHECK_EQ(bt_reader_left(&r), 1);
    CHECK(!r.failed);
    CHECK_EQ(bt_read_varint(&r), 0); /* ends in the middle */
    CHECK(r.failed && !bt_read_bytes(&r, 0) && bt_read_uint(&r, 1) == 0);
    r = bt_reader_of(bytes, sizeof bytes);
    CHECK(!bt_read_bytes(&r, SIZE_MAX) && r.failed);

    uint8_t longest[11];
    memset(longest, 0xff, sizeof longest);
    longest[9] = 0x01;
    r = bt_reader_of(longest, sizeof longest);
    CHECK(bt_read_varint(&r) == UINT64_MAX && bt_reader_left(&r) == 1);
    longest[9] = 0xff; /* an eleventh byte to come */
    r = bt_reader_of(longest, sizeof longest);
    CHECK(bt_read_varint(&r) == 0 && r.failed);
}

static void test_errors(void)
{
    berth_error error = {0};
    CHECK_EQ(bt_fail(NULL, BERTH_DEVICE, "%d", 1), BERTH_DEVICE);
    bt_error_prefix(NULL, "x");
    bt_error_prefix(&error, "x");
    CHECK_TEXT(error.message, "");
    CHECK_EQ(bt_fail(&error, BERTH_BAD_INPUT, "two\nlines\tof %s", "text"), BERTH_BAD_INPUT);
    CHECK_EQ(bt_fail(&error, BERTH_DEVICE, "later"), BERTH_DEVICE); /* the first failure stays */
    CHECK_EQ(error.status, BERTH_BAD_INPUT);
    bt_error_prefix(&error, "node '%s'", "a/b");
    CHECK_TEXT(error.message, "node 'a/b': two lines of text");
    char longer[2000];
    memset(longer, 'p', sizeof longer), longer[sizeof longer - 1] = '\0';
    bt_error_prefix(&error, "%s", longer);
    CHECK(strstr(error.message, "pp: node 'a/b': two lines of text"));
    bt_error_clear(&error);
    bt_fail(&error, BERTH_BAD_INPUT, "%s", longer);
    CHECK_EQ(strlen(error.message), sizeof error.message - 1);
}

static int n_lines;
static char last_line[64];

static void note(void *user, berth_log_level level, const char *line)
{
    CHECK(user == &n_lines);
    CHECK(level <= BERTH_LOG_INFO);
    n_lines++;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static void test_log(void)
{
    bt_log(BERTH_LOG_WARNING, "nobody listens");
    bt_log_set(note, BERTH_LOG_INFO, &n_lines);
    bt_log(BERTH_LOG_INFO, "%d bytes", 3);
    bt_log(BERTH_LOG_DEBUG, "too fine");
    CHECK_TEXT(last_line, "3 bytes");
    bt_log_set(NULL, BERTH_LOG_INFO, NULL);
    bt_log(BERTH_LOG_WARNING, "nobody listens");
    CHECK_EQ(n_lines, 1);
}

int main(void)
{
    strcpy(folder, "/tmp/berth-file-XXXXXX");
    if (!CHECK(mkdtemp(folder))) return check_done();
    test_refusals();
    test_read();
    test_mapping();
    test_reader();
    test_errors();
    test_log();
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK(system(command) == 0);
    return check_done();
}
