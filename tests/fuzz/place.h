/* For targets of what is read by its path: a folder of the process's own, and files in it. */
#ifndef FUZZ_PLACE_H
#define FUZZ_PLACE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The path of a file of this name: good until the next call but three. */
static inline const char *fuzz_place(const char *name)
{
    static char folder[64], path[4][128];
    static int next;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "%s/berth-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        if (!mkdtemp(folder)) abort();
    }
    snprintf(path[next &= 3], sizeof path[0], "%s/%s", folder, name);
    return path[next++];
}

static inline void fuzz_write(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(fuzz_place(name), "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file)) abort();
}

#endif
