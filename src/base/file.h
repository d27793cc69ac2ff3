/* Files: mapped read-only and shared by reference, and a reader that never leaves its bounds. */
#ifndef BT_FILE_H
#define BT_FILE_H

#include "base/error.h"
#include "base/str.h"

typedef struct bt_file {
    const uint8_t *data;
    size_t size;
    char *path;
    int fd; /* -1: a part of another, or memory */
    int64_t modified_ns;
    struct bt_file *whole;       /* of which this is a part; a reference */
    void (*release)(void *user); /* of memory */
    void *user;
    _Atomic int refs;
} bt_file;

/* Maps a regular file that is not empty. Errors (NOT_FOUND, BAD_MODEL) name the path. */
bt_file *bt_file_open(const char *path, berth_error *error);
/* All bytes of a regular file, as they are now, to be freed with bt_free; NULL of an empty one, and on failure (NOT_FOUND,
 * BAD_MODEL, NO_MEMORY), which names the path. */
berth_status bt_file_read(const char *path, char **bytes, size_t *n, berth_error *error);
/* Bytes of another file under a path of their own. */
bt_file *bt_file_part(bt_file *whole, const char *path, const void *data, size_t size, berth_error *error);
/* Bytes in memory, given back by release(user), which may be NULL; not on failure. */
bt_file *bt_file_memory(const char *path, const void *data, size_t size, void (*release)(void *user),
                        void *user, berth_error *error);
/* A copy of these bytes that can be opened by the file's path, as long as the file lives; its data is not mapped. */
bt_file *bt_file_named(const void *data, size_t size, berth_error *error);
bt_file *bt_file_ref(bt_file *file);
void bt_file_free(bt_file *file); /* drops a reference */
/* Fails when the file was cut, overwritten or replaced since it was opened. */
berth_status bt_file_unchanged(const bt_file *file, berth_error *error);
/* Lets the pages of a range go: they are read again from the file if anyone touches them. */
void bt_file_release(const bt_file *file, const void *p, size_t bytes);
/* All n bytes, in as many pieces as it takes. 0, or what errno was. */
int bt_write_all(int fd, const void *p, size_t n);
bool bt_path_is_folder(const char *path);
bool bt_path_exists(const char *path);

/* Bounded little-endian reader. Once a read fails, `failed` is set and all later reads give zeros. */
typedef struct bt_reader {
    const uint8_t *p, *end;
    bool failed;
} bt_reader;

static inline bt_reader bt_reader_of(const void *p, size_t n)
{
    return (bt_reader){p, n ? (const uint8_t *)p + n : p, false};
}
static inline size_t bt_reader_left(const bt_reader *r) { return (size_t)(r->end - r->p); }
/* The next n bytes, or NULL. */
static inline const uint8_t *bt_read_bytes(bt_reader *r, size_t n)
{
    if (r->failed || n > bt_reader_left(r)) return r->failed = true, (const uint8_t *)0;
    r->p += n;
    return r->p - n;
}
/* n <= 8 bytes, little-endian. */
static inline uint64_t bt_read_uint(bt_reader *r, int n)
{
    const uint8_t *p = bt_read_bytes(r, (size_t)n);
    uint64_t value = 0;
    for (int i = 0; p && i < n; i++) value |= (uint64_t)p[i] << (8 * i);
    return value;
}
uint64_t bt_read_varint(bt_reader *r); /* protobuf's, at most 10 bytes */

#endif
