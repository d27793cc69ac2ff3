/* Files written: see save.h. Read ones: file.c. */
#include "base/save.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { PENDING_BYTES = 1 << 18, TRIES = 100 };

static berth_status fail_at(const char *path, int wrong, berth_error *error)
{
    if (wrong == ENOMEM) return bt_fail_memory(error);
    return bt_fail(error, BERTH_NOT_FOUND, "%s: %s", path,
                   strerror(wrong)); /* there is no room for it there */
}

/* A name beside `path` that is new, made by `make`, which gives errno; NULL with *wrong set. */
static char *make_beside(const char *path, int (*make)(const char *name, mode_t mode, int *fd), mode_t mode,
                         int *fd, int *wrong)
{
    static _Atomic unsigned counter;
    bt_text name = {0};
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    for (int i = 0; i < TRIES; i++) {
        name.n = 0;
        bt_text_print(&name, "%.*s.%d.%u.part", (int)n, path, (int)getpid(), atomic_fetch_add(&counter, 1));
        if (name.failed) break;
        *wrong = make(name.p, mode, fd);
        if (!*wrong) return name.p;
        if (*wrong != EEXIST) break;
    }
    if (name.failed) *wrong = ENOMEM;
    bt_text_free(&name);
    return NULL;
}

static int make_file(const char *name, mode_t mode, int *fd)
{
    *fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    return *fd < 0 ? errno : 0;
}

static int make_folder(const char *name, mode_t mode, int *fd)
{
    return (void)fd, mkdir(name, mode) ? errno : 0;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

berth_status bt_save_open(bt_save *s, const char *path, berth_error *error)
{
    return bt_save_open_mode(s, path, 0666, error);
}

berth_status bt_save_open_mode(bt_save *s, const char *path, mode_t mode, berth_error *error)
{
    struct stat there;
    *s = (bt_save){.fd = -1};
    if (!stat(path, &there) && !S_ISREG(there.st_mode))
        return bt_fail(error, BERTH_BAD_ARGUMENT, "%s: is there already, and not a file", path);
    s->path = bt_strdup(path);
    if (!s->path) return bt_fail_memory(error);
    s->temporary = make_beside(path, make_file, mode, &s->fd, &s->wrong);
    if (s->temporary) return BERTH_OK;
    bt_free(s->path);
    s->path = NULL;
    return fail_at(path, s->wrong, error);
}

static void write_all(bt_save *s, const void *p, size_t n)
{
    if (!s->wrong) s->wrong = bt_write_all(s->fd, p, n);
}

static void flush(bt_save *s)
{
    write_all(s, s->pending.p, s->pending.n);
    s->pending.n = 0;
}

void bt_save_add(bt_save *s, const void *p, size_t n)
{
    s->n += n;
    if (s->pending.n + n > PENDING_BYTES) flush(s);
    if (n > PENDING_BYTES) write_all(s, p, n);
    else bt_text_add(&s->pending, p, n);
    if (s->pending.failed) s->wrong = ENOMEM;
}

void bt_save_patch(bt_save *s, uint64_t at, const void *p, size_t n)
{
    flush(s);
    const char *bytes = p;
    while (n && !s->wrong) {
        ssize_t done = pwrite(s->fd, bytes, n, (off_t)at);
        if (done < 0 && errno != EINTR) s->wrong = errno;
        if (done > 0) bytes += done, at += (uint64_t)done, n -= (size_t)done;
    }
}

berth_status bt_save_close(bt_save *s, bool keep, berth_error *error)
{
    berth_status status = BERTH_OK;
    if (!s->temporary) return BERTH_OK; /* it was never opened */
    if (keep) flush(s);
    if (close(s->fd) && !s->wrong) s->wrong = errno;
    if (keep && !s->wrong && rename(s->temporary, s->path)) s->wrong = errno;
    if (!keep || s->wrong) unlink(s->temporary);
    if (keep && s->wrong) status = fail_at(s->path, s->wrong, error);
    bt_text_free(&s->pending);
    bt_free(s->temporary);
    bt_free(s->path);
    s->temporary = NULL;
    return status;
}

/* ---- Folders ------------------------------------------------------------------------------------------ */

berth_status bt_save_make_folder(const char *path, berth_error *error)
{
    return mkdir(path, 0777) ? fail_at(path, errno, error) : BERTH_OK;
}

/* The next entry of a folder but for itself and the one above; NULL at the end. */
static const char *next_entry(DIR *folder)
{
    for (const struct dirent *e; (e = readdir(folder));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) return e->d_name;
    return NULL;
}

static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    bool empty = folder && !next_entry(folder);
    if (folder) closedir(folder);
    return empty;
}

char *bt_save_folder(const char *path, berth_error *error)
{
    struct stat there;
    int wrong = 0;
    if (!lstat(path, &there) && (!S_ISDIR(there.st_mode) || !is_empty(path)))
        return bt_fail(error, BERTH_BAD_ARGUMENT, "%s: is there already", path), NULL;
    char *name = make_beside(path, make_folder, 0777, NULL, &wrong);
    if (!name) fail_at(path, wrong, error);
    return name;
}

/* What was made in it: files, and folders of files. */
static void remove_folder(const char *path, int depth)
{
    DIR *folder = opendir(path);
    bt_text inner = {0};
    for (const char *name; folder && (name = next_entry(folder));) {
        inner.n = 0;
        bt_text_print(&inner, "%s/%s", path, name);
        if (!inner.failed && unlink(inner.p) && depth < 16) remove_folder(inner.p, depth + 1);
    }
    if (folder) closedir(folder);
    bt_text_free(&inner);
    rmdir(path);
}

berth_status bt_save_folder_close(char *temporary, const char *path, bool keep, berth_error *error)
{
    berth_status status = BERTH_OK;
    if (!temporary) return BERTH_OK;
    if (keep && rename(temporary, path)) status = fail_at(path, errno, error);
    if (!keep || status) remove_folder(temporary, 0);
    bt_free(temporary);
    return status;
}

berth_status bt_save_copy(const char *from, const char *to, berth_error *error)
{
    bt_save s;
    struct stat size;
    if (!stat(from, &size) && S_ISREG(size.st_mode) && !size.st_size) { /* nothing to map */
        berth_status status = bt_save_open(&s, to, error);
        return status ? status : bt_save_close(&s, true, error);
    }
    bt_file *file = bt_file_open(from, error);
    berth_status status = file ? bt_save_open(&s, to, error) : error ? error->status : BERTH_NOT_FOUND;
    if (file && !status) {
        bt_save_add(&s, file->data, file->size);
        status = bt_save_close(&s, true, error);
    }
    bt_file_free(file);
    return status;
}
