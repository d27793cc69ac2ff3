/* A device of the stand-in driver on which a library is tried (blas_test.c, dnn_test.c): a block of floats there, of which the
 * host knows what they are, and what the library's stand-in counts. */
#ifndef LIBRARY_TRIAL_H
#define LIBRARY_TRIAL_H

#include "device/cuda/cuda.h"

#include "standin/standin.h"

#include "check.h"

/* Those of both stand-ins begin so. */
typedef struct library_counts {
    int alive; /* handles and descriptors */
    int64_t lookups, done;
} library_counts;

enum { LIBRARY_FLOATS = 640 };

static const standin *driver;
static const library_counts *library;
static berth_error failure;
static bt_registry *registry;
static bt_device *gpu;
static float *block, host[LIBRARY_FLOATS];

/* counts: the name of the stand-in's; false: it is not there. */
static inline bool library_open(const char *path, const char *counts)
{
    setenv("BERTH_OPENCL", "off", 1);
    driver = standin_open(1, 256 << 20);
    void *opened = driver ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    library = opened ? dlsym(opened, counts) : NULL;
    return CHECK(library);
}

static inline void begin(void)
{
    registry = bt_registry_new(&failure);
    gpu = registry ? bt_registry_find(registry, "/GPU:0", &failure) : NULL;
    if (!CHECK(gpu && gpu->ops == &bt_cuda_ops)) exit(check_done());
    block = bt_device_alloc(gpu, sizeof host, &failure);
    for (int i = 0; i < LIBRARY_FLOATS; i++) host[i] = (float)(i * 7 % 11 - 5);
    CHECK_EQ(gpu->ops->upload(gpu, block, host, sizeof host, &failure), BERTH_OK);
}

/* Nothing stays behind. */
static inline void end(void)
{
    bt_device_free(gpu, block, sizeof host);
    bt_registry_free(registry);
    standin_counts c = standin_counted(driver);
    CHECK_EQ(library->alive, 0);
    CHECK_EQ(c.misuses, 0);
    CHECK_EQ(c.bytes, 0);
}

/* Each of the library's steps failing, as `variable` has its stand-in do: the work, which `done` tells of, is left undone without
 * an error, and, once that is known, not tried again. */
static inline void library_failures(const char *variable, const char *const *steps, int n, bool (*done)(void))
{
    for (int i = 0; i < n; i++) {
        setenv(variable, steps[i], 1);
        begin();
        CHECK(!done());
        setenv(variable, "", 1);
        int64_t lookups = library->lookups;
        CHECK(!done());
        CHECK_EQ(library->lookups, lookups);
        CHECK_EQ(failure.status, BERTH_OK);
        end();
    }
}

/* Brings n floats over. */
static inline void library_read(float *to, const void *from, int n)
{
    CHECK_EQ(gpu->ops->download(gpu, to, from, (size_t)n * sizeof *to, &failure), BERTH_OK);
    CHECK_EQ(gpu->ops->sync(gpu, &failure), BERTH_OK);
}

#endif
