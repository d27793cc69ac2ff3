/* Translated kernels on disk: a file a program, named by a hash of all that it came of. Several processes may use one
 * folder: a file is written under another name and then renamed, and one that is damaged counts as absent. The folder is
 * BERTH_CACHE_DIR (empty: none), else berth in XDG_CACHE_HOME, else in ~/.cache; the files used longest ago go first. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map.h"
#include "base/save.h"
#include "device/cuda/cuda.h"
#include "simd/crc.h"

enum { MOST_FILE = 64 << 20, PATH = 1024, STALE_SECONDS = 3600 };
static const int64_t most_bytes = (int64_t)256 << 20; /* of all files */

/* In front of every file. */
typedef struct head {
    char magic[8];
    char key[BT_CU_KEY - 1];
    uint64_t bytes;
    uint32_t crc, zero;
} head;
static const char magic[8] = {'b', 'e', 'r', 't', 'h', 'c', 'u', '1'};

void bt_cu_key(char key[BT_CU_KEY], const bt_str *parts, int n)
{
    uint64_t a = 0, b = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < n; i++) {
        uint64_t hash = bt_hash(parts[i].p, parts[i].n), crc = bt_crc32c((uint32_t)i, parts[i].p, parts[i].n);
        uint64_t one[] = {a, hash, parts[i].n}, two[] = {b, hash, crc, parts[i].n};
        a = bt_hash(one, sizeof one), b = bt_hash(two, sizeof two);
    }
    snprintf(key, BT_CU_KEY, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

/* ---- Names -------------------------------------------------------------------------------------------- */

static bool join(char path[PATH], const char *folder, const char *name, const char *end)
{
    int n = snprintf(path, PATH, "%s/%s%s", folder, name, end);
    return n > 0 && n < PATH;
}

static bool folder_name(char path[PATH])
{
    const char *given = getenv("BERTH_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (given) return *given && join(path, given, "", "");
    if (xdg && *xdg == '/') return join(path, xdg, "berth", "");
    return home && *home == '/' && join(path, home, ".cache/berth", "");
}

/* Makes the folder and those above it. */
static void make_folder(char path[PATH])
{
    for (char *p = path + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(path, 0700);
    }
    mkdir(path, 0700);
}

/* ---- Reading ------------------------------------------------------------------------------------------ */

static bool read_all(int fd, void *p, size_t bytes)
{
    for (size_t at = 0; at < bytes;) {
        ssize_t n = read(fd, (char *)p + at, bytes - at);
        if (n <= 0) return false;
        at += (size_t)n;
    }
    return true;
}

static void *read_entry(int fd, const char *key, size_t *bytes)
{
    head h;
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !read_all(fd, &h, sizeof h)) return NULL;
    if (memcmp(h.magic, magic, sizeof magic) || memcmp(h.key, key, sizeof h.key) || h.zero) return NULL;
    if (!h.bytes || h.bytes > MOST_FILE || st.st_size != (off_t)(sizeof h + h.bytes)) return NULL;
    void *p = bt_alloc(h.bytes);
    if (!p || !read_all(fd, p, h.bytes) || bt_crc32c(0, p, h.bytes) != h.crc) return bt_free(p), NULL;
    futimens(fd, NULL); /* used now */
    return *bytes = h.bytes, p;
}

void *bt_cu_cache_get(const char *key, size_t *bytes)
{
    char folder[PATH], path[PATH];
    if (!folder_name(folder) || !join(path, folder, key, ".cubin")) return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    void *p = read_entry(fd, key, bytes);
    close(fd);
    return p;
}

/* ---- Writing ------------------------------------------------------------------------------------------ */

/* The file of ours that was used longest ago, and the bytes of all; what was left half written long ago is removed. */
static int64_t survey(const char *folder, char oldest[PATH])
{
    int64_t total = 0;
    struct timespec first = {0};
    char path[PATH];
    DIR *dir = opendir(folder);
    *oldest = '\0';
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        bool is_entry = bt_ends(e->d_name, ".cubin"), is_part = bt_ends(e->d_name, ".part");
        if ((!is_entry && !is_part) || !join(path, folder, e->d_name, "") || stat(path, &st)) continue;
        if (is_part && st.st_mtim.tv_sec < time(NULL) - STALE_SECONDS) unlink(path);
        if (!is_entry) continue;
        total += st.st_size;
        bool earlier = st.st_mtim.tv_sec < first.tv_sec ||
                       (st.st_mtim.tv_sec == first.tv_sec && st.st_mtim.tv_nsec < first.tv_nsec);
        if (*oldest && !earlier) continue;
        first = st.st_mtim;
        memcpy(oldest, path, sizeof path);
    }
    if (dir) closedir(dir);
    return total;
}

void bt_cu_cache_put(const char *key, const void *p, size_t bytes)
{
    char folder[PATH], path[PATH], oldest[PATH];
    head h = {.bytes = bytes, .crc = bt_crc32c(0, p, bytes)};
    bt_save file;
    if (bytes > MOST_FILE || !folder_name(folder) || !join(path, folder, key, ".cubin")) return;
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.key, key, sizeof h.key);
    make_folder(folder);
    if (bt_save_open_mode(&file, path, 0600, NULL)) return;
    bt_save_add(&file, &h, sizeof h);
    bt_save_add(&file, p, bytes);
    bt_save_close(&file, true, NULL);
    while (survey(folder, oldest) > most_bytes && *oldest && !unlink(oldest)) continue;
}
