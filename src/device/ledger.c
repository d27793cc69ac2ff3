/* The ledger of device memory between processes: see ledger.h. A file is an array of (key, bytes); its name is "held-" and
 * something random. It is made and locked as "new-...", and then renamed, so that whoever looks finds none that is not
 * locked but those of the dead, which it removes. */
#include "device/ledger.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

enum { MOST = 64, FOLDER = 200, PATH = 300 };

typedef struct entry {
    uint64_t key;
    int64_t bytes;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    pid_t pid; /* whose file it is: a child of fork has one of its own */
    int file;  /* -1: none */
    char path[PATH];
    entry entries[MOST];
    int n;
} mine = {.file = -1};

static bool is_own_folder(const char *path, mode_t mask)
{
    struct stat s;
    return !lstat(path, &s) && S_ISDIR(s.st_mode) && s.st_uid == geteuid() && !(s.st_mode & mask);
}

/* A folder that only this user can write to; others could lie about what they hold. */
static bool find_folder(char folder[FOLDER])
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    bool is_given = run && strlen(run) < FOLDER - 10 && is_own_folder(run, 0);
    if (is_given) snprintf(folder, FOLDER, "%s/berth", run);
    else snprintf(folder, FOLDER, "/tmp/berth-%lu", (unsigned long)geteuid());
    mkdir(folder, 0700); /* where it is not there yet */
    return is_own_folder(folder, 077);
}

static void drop_file(void)
{
    if (mine.file < 0) return;
    close(mine.file);
    mine.file = -1;
}

static void make_file(void)
{
    char folder[FOLDER], fresh[PATH];
    if (!find_folder(folder)) return;
    snprintf(fresh, sizeof fresh, "%s/new-XXXXXX", folder);
    int file = mkostemp(fresh, O_CLOEXEC);
    if (file < 0) return;
    snprintf(mine.path, sizeof mine.path, "%s/held-%s", folder, fresh + strlen(folder) + strlen("/new-"));
    if (flock(file, LOCK_EX | LOCK_NB) || rename(fresh, mine.path)) {
        unlink(fresh);
        close(file);
    } else {
        mine.file = file;
    }
}

void bt_ledger_add(uint64_t key, int64_t bytes)
{
    pthread_mutex_lock(&lock);
    if (mine.pid != getpid()) {
        drop_file(); /* the parent's, which stays locked there */
        mine.pid = getpid(), mine.n = 0;
    }
    int i = 0;
    while (i < mine.n && mine.entries[i].key != key) i++;
    if (i == mine.n && i < MOST) mine.entries[mine.n++] = (entry){.key = key};
    if (i < mine.n) mine.entries[i].bytes += bytes;
    int64_t all = 0;
    for (int k = 0; k < mine.n; k++) all |= mine.entries[k].bytes;
    if (all && mine.file < 0) make_file();
    ssize_t n = (ssize_t)((size_t)mine.n * sizeof(entry));
    bool written = mine.file >= 0 && pwrite(mine.file, mine.entries, (size_t)n, 0) == n;
    if (mine.file >= 0 && (!all || !written)) {
        unlink(mine.path);
        drop_file();
    }
    pthread_mutex_unlock(&lock);
}

/* What the owner of a file holds; 0 of one whose owner is gone, and its file with it. */
static int64_t held_in(const char *path, uint64_t key)
{
    entry entries[MOST];
    int64_t bytes = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return 0;
    if (!flock(file, LOCK_SH | LOCK_NB)) {
        unlink(path);
        close(file);
        return 0;
    }
    ssize_t n = pread(file, entries, sizeof entries, 0);
    for (ssize_t i = 0; i < n / (ssize_t)sizeof(entry); i++)
        if (entries[i].key == key && entries[i].bytes > 0) bytes += entries[i].bytes;
    close(file);
    return bytes;
}

/* One that its owner left behind before it could rename it. */
static void remove_stale(const char *path)
{
    struct stat s;
    if (!lstat(path, &s) && s.st_mtime + 60 < time(NULL)) unlink(path);
}

int64_t bt_ledger_total(uint64_t key)
{
    char folder[FOLDER], path[PATH + 300];
    int64_t total = 0;
    DIR *list = find_folder(folder) ? opendir(folder) : NULL;
    if (!list) return -1;
    for (struct dirent *e; (e = readdir(list));) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (bt_starts(e->d_name, "held-")) total += held_in(path, key);
        if (bt_starts(e->d_name, "new-")) remove_stale(path);
    }
    closedir(list);
    return total;
}
