/* Files: one mapping a file, parts of it, and memory that stands for one; shared by reference. A mapping of a file that is cut short later raises SIGBUS when
 * touched, so what is needed while a model runs is copied out (packed) before, and bt_file_unchanged is asked
 * first. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t modified_ns(const struct stat *s)
{
    return (int64_t)s->st_mtim.tv_sec * 1000000000 + s->st_mtim.tv_nsec;
}

/* *fd is to be closed whatever it gives; -1: nothing to close. */
static berth_status open_regular(const char *path, int *fd, struct stat *s, berth_error *error)
{
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, s)) {
        berth_status status = errno == ENOENT || errno == ENOTDIR ? BERTH_NOT_FOUND : BERTH_BAD_MODEL;
        return bt_fail(error, status, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(s->st_mode)) return bt_fail(error, BERTH_BAD_MODEL, "%s: is a folder, not a file", path);
    if (!S_ISREG(s->st_mode)) return bt_fail(error, BERTH_BAD_MODEL, "%s: is not a regular file", path);
    if ((uint64_t)s->st_size > PTRDIFF_MAX) return bt_fail(error, BERTH_BAD_MODEL, "%s: is too large", path);
    return BERTH_OK;
}

static berth_status map_file(bt_file *file, berth_error *error)
{
    struct stat s;
    berth_status status = open_regular(file->path, &file->fd, &s, error);
    if (status) return status;
    if (s.st_size == 0) return bt_fail(error, BERTH_BAD_MODEL, "%s: is empty", file->path);
    void *p = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, file->fd, 0);
    if (p == MAP_FAILED)
        return bt_fail(error, BERTH_BAD_MODEL, "%s: cannot be mapped: %s", file->path, strerror(errno));
    file->data = p;
    file->size = (size_t)s.st_size;
    file->modified_ns = modified_ns(&s);
    return BERTH_OK;
}

/* Up to n bytes, fewer where the file ends before; -1: what errno says. */
static ssize_t read_all(int fd, char *to, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = read(fd, to + done, n - done < (1u << 30) ? n - done : 1u << 30);
        if (got == 0) break;
        if (got < 0 && errno != EINTR) return -1;
        if (got > 0) done += (size_t)got;
    }
    return (ssize_t)done;
}

berth_status bt_file_read(const char *path, char **bytes, size_t *n, berth_error *error)
{
    int fd;
    struct stat s;
    ssize_t got = 0;
    *bytes = NULL, *n = 0;
    berth_status status = open_regular(path, &fd, &s, error);
    if (!status && s.st_size > 0 && !(*bytes = bt_alloc((size_t)s.st_size))) status = bt_fail_memory(error);
    if (*bytes && (got = read_all(fd, *bytes, (size_t)s.st_size)) < 0) {
        status = bt_fail(error, BERTH_BAD_MODEL, "%s: %s", path, strerror(errno));
        bt_free(*bytes), *bytes = NULL, got = 0;
    }
    if (fd >= 0) close(fd);
    *n = (size_t)got;
    return status;
}

static bt_file *new_file(const char *path, berth_error *error)
{
    bt_file *file = bt_calloc(1, sizeof *file);
    if (!file) return bt_fail_memory(error), NULL;
    file->refs = 1;
    file->fd = -1;
    if ((file->path = bt_strdup(path))) return file;
    bt_free(file);
    return bt_fail_memory(error), NULL;
}

bt_file *bt_file_open(const char *path, berth_error *error)
{
    bt_file *file = new_file(path, error);
    if (file && map_file(file, error)) bt_file_free(file), file = NULL;
    return file;
}

bt_file *bt_file_part(bt_file *whole, const char *path, const void *data, size_t size, berth_error *error)
{
    bt_file *file = new_file(path, error);
    if (file) file->data = data, file->size = size, file->whole = bt_file_ref(whole);
    return file;
}

bt_file *bt_file_memory(const char *path, const void *data, size_t size, void (*release)(void *user),
                        void *user, berth_error *error)
{
    bt_file *file = new_file(path, error);
    if (file) file->data = data, file->size = size, file->release = release, file->user = user;
    return file;
}

int bt_write_all(int fd, const void *p, size_t n)
{
    for (const char *at = p; n > 0;) {
        ssize_t written = write(fd, at, n < (1u << 30) ? n : 1u << 30);
        if (written < 0 && errno != EINTR) return errno;
        if (written > 0) at += written, n -= (size_t)written;
    }
    return 0;
}

bt_file *bt_file_named(const void *data, size_t size, berth_error *error)
{
    char path[32];
    struct stat s;
    int fd = memfd_create("berth", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bt_file *file = fd < 0 ? NULL : new_file(path, error);
    if (file) {
        file->fd = fd, file->size = size;
        if (!bt_write_all(fd, data, size) && !fstat(fd, &s)) return file->modified_ns = modified_ns(&s), file;
        bt_file_free(file);
    } else if (fd >= 0) {
        close(fd);
        return NULL;
    }
    return bt_fail(error, BERTH_NO_MEMORY, "%s", strerror(errno)), NULL;
}

bt_file *bt_file_ref(bt_file *file)
{
    atomic_fetch_add(&file->refs, 1);
    return file;
}

void bt_file_free(bt_file *file)
{
    if (!file || atomic_fetch_sub(&file->refs, 1) != 1) return;
    if (file->data && file->fd >= 0) munmap((void *)file->data, file->size);
    if (file->fd >= 0) close(file->fd);
    if (file->release) file->release(file->user);
    bt_file_free(file->whole);
    bt_free(file->path);
    bt_free(file);
}

berth_status bt_file_unchanged(const bt_file *file, berth_error *error)
{
    struct stat open_now, named_now;
    if (file->whole) return bt_file_unchanged(file->whole, error);
    if (file->fd < 0) return BERTH_OK;
    if (fstat(file->fd, &open_now) || (size_t)open_now.st_size != file->size ||
        modified_ns(&open_now) != file->modified_ns)
        return bt_fail(error, BERTH_BAD_MODEL, "%s: was changed while in use", file->path);
    /* A file that was removed is still whole behind its descriptor; another one under its name is a change. */
    if (stat(file->path, &named_now) == 0 &&
        (named_now.st_ino != open_now.st_ino || named_now.st_dev != open_now.st_dev))
        return bt_fail(error, BERTH_BAD_MODEL, "%s: was replaced while in use", file->path);
    return BERTH_OK;
}

void bt_file_release(const bt_file *file, const void *p, size_t bytes)
{
    if (file->whole) bt_file_release(file->whole, p, bytes);
    /* Memory cannot be read again; a part may have been unpacked out of its whole. */
    if (file->fd < 0 || (size_t)((uintptr_t)p - (uintptr_t)file->data) >= file->size) return;
    /* Whole pages inside the range only: their neighbours may still be wanted. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE), from = (size_t)((const uint8_t *)p - file->data);
    size_t to = (from + bytes) / page * page;
    from = bt_align(from, page);
    if (from < to) madvise((void *)(file->data + from), to - from, MADV_DONTNEED);
}

bool bt_path_is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bool bt_path_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

uint64_t bt_read_varint(bt_reader *r)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        const uint8_t *p = bt_read_bytes(r, 1);
        if (!p) return 0;
        if (shift < 64) value |= (uint64_t)(*p & 0x7f) << shift;
        if (*p < 0x80) return value;
    }
    r->failed = true;
    return 0;
}
