/* A conversion that is stopped by a signal takes away what it has written so far. A thread of its own waits for the signal:
 * a handler could not walk through folders. Files of `berth run`: output.c. */
#include "cli.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
static sigset_t awaited;

/* A file, or a folder with all that is in it. */
static void remove_all(const char *path, int depth)
{
    DIR *folder = unlink(path) && depth < 8 ? opendir(path) : NULL;
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        char *inner = NULL;
        if (asprintf(&inner, "%s/%s", path, e->d_name) < 0) break;
        remove_all(inner, depth + 1);
        free(inner);
    }
    if (folder) closedir(folder), rmdir(path);
}

/* What this process has begun beside the path: "PATH.123.0.part". False when there was nothing. */
static bool remove_parts(const char *path)
{
    char *parts = NULL, *whole = NULL;
    size_t n = strlen(path);
    bool found = false;
    while (n > 1 && path[n - 1] == '/') n--;
    if (asprintf(&parts, "%.*s.%d.", (int)n, path, (int)getpid()) < 0) return false;
    char *slash = strrchr(parts, '/'), *name = slash ? slash + 1 : parts;
    int n_folder = (int)(name - parts);
    if (asprintf(&whole, "%.*s", n_folder ? n_folder : 2, n_folder ? parts : "./") < 0)
        return free(parts), false;
    DIR *folder = opendir(whole);
    free(whole);
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        size_t length = strlen(e->d_name);
        if (strncmp(e->d_name, name, strlen(name)) || length < 5 || strcmp(e->d_name + length - 5, ".part"))
            continue;
        if (asprintf(&whole, "%.*s%s", n_folder, parts, e->d_name) < 0) break;
        remove_all(whole, 0);
        free(whole);
        found = true;
    }
    if (folder) closedir(folder);
    free(parts);
    return found;
}

/* What the conversion goes on writing meanwhile finds no folder, or is found the next time. */
static void *wait_for_signal(void *path)
{
    int number;
    if (sigwait(&awaited, &number)) return NULL;
    for (int i = 0; i < 100 && remove_parts(path); i++) {}
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &awaited, NULL);
    raise(number);
    return NULL;
}

void cli_clean_on_signal(const char *path)
{
    pthread_t thread;
    struct sigaction action;
    sigemptyset(&awaited);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!sigaction(numbers[i], NULL, &action) && action.sa_handler == SIG_DFL)
            sigaddset(&awaited, numbers[i]);
    if (pthread_sigmask(SIG_BLOCK, &awaited, NULL)) return;
    if (pthread_create(&thread, NULL, wait_for_signal, (void *)path))
        pthread_sigmask(SIG_UNBLOCK, &awaited, NULL);
    else pthread_detach(thread);
}
