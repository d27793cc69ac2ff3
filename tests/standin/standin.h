/* A stand-in for CUDA's driver (and management library), to test berth's CUDA device where there is no GPU: several devices
 * of a given memory, contexts, streams, events, modules and graphs; kernels are plain C (compiler.c makes them of the
 * dialect) and run as in a group of work items. It is strict where a real driver may be lenient:
 *
 *   - work of a stream is done as late as can be: when somebody waits for it. Pinned memory is read and written then. With
 *     STANDIN_EAGER that of all but a context's first is done at once, and of the first what that has to wait for;
 *   - device memory cannot be read or written by the host, nor beside what was asked for;
 *   - freeing what is in use, a barrier that not all of a group reach, a handle of another context: misuse, which is said
 *     and counted.
 *
 * A test sets BERTH_CUDA to the library's path (STANDIN_CUDA), and steers and asks it through the functions of struct
 * standin, which it finds by standin_open. Devices are counted by STANDIN_DEVICES and STANDIN_MEMORY (bytes each). */
#ifndef STANDIN_H
#define STANDIN_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct standin_counts {
    int64_t bytes;                                  /* on all devices, allocated */
    int64_t pinned;                                 /* bytes of host memory */
    int contexts, streams, events, modules, graphs; /* alive */
    int64_t launches, copies, replays;              /* done, ever; launches of replays count too */
    int64_t abandoned;                              /* objects that were left to a context's end, ever */
    int64_t misuses;                                /* ever */
} standin_counts;

typedef struct standin {
    void (*fail_at)(uint64_t n); /* the n-th call from now on fails (1: the next); 0: none */
    uint64_t (*calls)(void);     /* since the last fail_at */
    void (*fail_call)(const char *name); /* from now on every call of this name ("cuGraphLaunch") fails; NULL: none */
    void (*lose)(int device);    /* from now on everything on it fails */
    void (*find)(void);          /* the lost devices are there again */
    void (*counts)(standin_counts *counts);
    void (*set_memory)(int device, int64_t bytes);
} standin;

enum { STANDIN_CONTEXT_BYTES = 64 << 20 }; /* what a context takes of its device */

static inline standin_counts standin_counted(const standin *driver)
{
    standin_counts counts;
    driver->counts(&counts);
    return counts;
}

#ifdef STANDIN_CUDA
/* Before berth looks for devices: makes it find this driver, and gives the switches. */
static inline const standin *standin_open(int devices, int64_t memory)
{
    char text[32];
    setenv("BERTH_CUDA", STANDIN_CUDA, 1);
    setenv("BERTH_NVRTC", STANDIN_NVRTC, 1);
    setenv("BERTH_NVML", STANDIN_CUDA, 1);
    setenv("BERTH_CUBLASLT", STANDIN_LT, 1);
    setenv("BERTH_CUDNN", STANDIN_DNN, 1);
    setenv("BERTH_CACHE_DIR", STANDIN_CACHE, 0);
    snprintf(text, sizeof text, "%d", devices);
    setenv("STANDIN_DEVICES", text, 1);
    snprintf(text, sizeof text, "%lld", (long long)memory);
    setenv("STANDIN_MEMORY", text, 1);
    void *library = dlopen(STANDIN_CUDA, RTLD_NOW | RTLD_LOCAL);
    if (!library) printf("%s\n", dlerror());
    return library ? (const standin *)dlsym(library, "the_standin") : NULL;
}
#endif

#endif
