/* Output files: each is written beside its place under a temporary name, and all are renamed at the end. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct pending {
    char *temporary;
    const char *path;
};
static struct pending *pending;
static size_t pending_room;
static volatile size_t n_pending, n_renamed;

/* A pipe or a device is written as it is. */
static bool is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

void cli_output_check(const char *path)
{
    struct stat info;
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (!stat(path, &info) && S_ISDIR(info.st_mode)) cli_fail(CLI_MODEL, "%s: is a folder", path);
    if (stat(folder, &info)) cli_fail(CLI_MODEL, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode)) cli_fail(CLI_MODEL, "%s: %s", path, strerror(ENOTDIR));
    if (access(is_special(path) ? path : folder, W_OK)) cli_fail(CLI_MODEL, "%s: %s", path, strerror(errno));
}

static void discard_on_signal(int number)
{
    cli_output_discard();
    signal(number, SIG_DFL);
    raise(number);
}

static int open_temporary(const char *path)
{
    signal(SIGXFSZ, SIG_IGN); /* writing says so */
    if (!pending)
        for (int i = 0; i < 3; i++) signal((int[]){SIGINT, SIGTERM, SIGHUP}[i], discard_on_signal);
    cli_grow(&pending, &pending_room, n_pending, sizeof *pending);
    char *temporary = cli_alloc(strlen(path) + 8, 1);
    strcat(strcpy(temporary, path), ".XXXXXX");
    int fd = mkostemp(temporary, O_CLOEXEC);
    mode_t mask = umask(0);
    umask(mask);
    if (fd < 0 || fchmod(fd, 0666 & ~mask)) cli_fail(CLI_MODEL, "%s: %s", path, strerror(errno));
    pending[n_pending] = (struct pending){temporary, path};
    n_pending++;
    return fd;
}

FILE *cli_output_open(const char *path)
{
    FILE *file = is_special(path) ? fopen(path, "we") : fdopen(open_temporary(path), "w");
    if (!file) cli_fail(CLI_MODEL, "%s: %s", path, strerror(errno));
    return file;
}

void cli_output_close(FILE *file, const char *path)
{
    bool failed = ferror(file);
    if (fclose(file) || failed) cli_fail(CLI_MODEL, "%s: %s", path, strerror(errno));
}

static int to_file(void *user, const char *text, size_t n) { return fwrite(text, 1, n, user) != n; }

void cli_output_trace(const char *path, berth_session *session)
{
    berth_error error = {0};
    FILE *file = cli_output_open(path);
    if (berth_session_trace(session, to_file, file, &error)) cli_fail_with(&error);
    cli_output_close(file, path);
}

void cli_output_write(const char *path, berth_tensor *tensor, const char *name)
{
    berth_dtype dtype = berth_tensor_dtype(tensor);
    if (!cli_npy_can(dtype))
        cli_fail(CLI_MODEL, "output '%s': a %s cannot be written to a .npy file", name,
                 berth_dtype_name(dtype));
    FILE *file = cli_output_open(path);
    cli_npy_write(file, tensor);
    cli_output_close(file, path);
}

void cli_output_commit(void)
{
    for (; n_renamed < n_pending; n_renamed++)
        if (rename(pending[n_renamed].temporary, pending[n_renamed].path))
            cli_fail(CLI_MODEL, "%s: %s", pending[n_renamed].path, strerror(errno));
    for (size_t i = 0; i < n_pending; i++) free(pending[i].temporary);
    free(pending);
    pending = NULL, pending_room = 0, n_pending = 0, n_renamed = 0;
}

void cli_output_discard(void)
{
    for (size_t i = 0; i < n_pending; i++) unlink(i < n_renamed ? pending[i].path : pending[i].temporary);
    n_pending = 0;
}
