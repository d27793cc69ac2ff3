/* The stand-in driver, inside: what driver.c (the interface), queue.c (streams, events, graphs) and group.c (kernels)
 * share. All of it is called under one lock. */
#ifndef STANDIN_INSIDE_H
#define STANDIN_INSIDE_H

#include "device/cuda/cu.h"
#include "standin.h"

#define EXPORT __attribute__((visibility("default")))

enum {
    MOST_DEVICES = 8,
    MOST_PARAMETERS = 32,
    INVALID_VALUE = 1,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    UNKNOWN = 999
};

/* Everything that a context owns, in lists. */
typedef struct block {
    struct block *next;
    uint8_t *p;    /* what the caller sees, behind it `slack` bytes and a page that nobody may touch */
    uint8_t *base; /* of the pages */
    size_t bytes, mapped, slack;
} block;

typedef struct device {
    int ordinal;
    int64_t memory, used;
    int retained; /* references of the primary context */
    bool is_lost;
    struct CUctx_st *context;
} device;

struct CUctx_st {
    device *device;
    block *blocks;
    struct CUstream_st *streams;
    struct CUevent_st *events;
    struct CUmod_st *modules;
    struct CUgraph_st *graphs;
};

struct CUmod_st {
    struct CUmod_st *next;
    struct CUctx_st *context;
    void *library;
    struct CUfunc_st *functions;
    void (*place)(const int64_t *group, const int64_t *groups, const int *item, const int *items);
    void (*set_barrier)(void (*wait)(void));
};

struct CUfunc_st {
    struct CUfunc_st *next;
    struct CUmod_st *module;
    void (*run)(void **values);
    const unsigned *sizes; /* of its parameters; 0 ends them */
};

typedef enum work_kind { COPY_UP, COPY_DOWN, COPY_ACROSS, LAUNCH, LIBRARY, EVENT, WAIT } work_kind;

typedef struct work {
    struct work *next;
    work_kind kind;
    void *dst;
    const void *src;
    void *own; /* memory that goes with it */
    size_t bytes;
    struct CUfunc_st *function;
    void (*library)(const void *own); /* a library's work */
    unsigned groups[3], items[3];
    struct CUevent_st *event;
    struct CUstream_st *other; /* WAIT: until so much of it is done; NULL: it is */
    int64_t upto;
} work;

struct CUstream_st {
    struct CUstream_st *next;
    struct CUctx_st *context;
    work *first, **last;
    int64_t n_given, n_done; /* pieces, ever */
    bool is_eager, is_capturing, is_invalid;
};

struct CUevent_st {
    struct CUevent_st *next;
    struct CUctx_st *context;
    struct CUstream_st *stream; /* in which it waits; NULL: it is done */
    int64_t number;             /* there */
    bool keeps_time;
    int64_t ns; /* when it was done; 0: never */
};

struct CUgraph_st {
    struct CUgraph_st *next;
    struct CUctx_st *context;
    work *first;
};

extern standin_counts counts;

/* Says it, counts it, and gives a code. */
EXPORT cu_result misuse(const char *what);

/* Work of a library that stands on the driver (lt.c, dnn.c): it is called with a copy of these bytes when its turn has come. */
cu_result standin_work(cu_stream stream, void (*library)(const void *own), void *own, size_t bytes);

/* ---- queue.c ---- */

cu_result enqueue(struct CUstream_st *s, const work *w);
/* Does what stands in the stream, up to an event (NULL: all); `steps` pieces at most (0: any number). */
cu_result flush(struct CUstream_st *s, const struct CUevent_st *until, int steps);
void drop_work(work *first);

/* ---- driver.c ---- */

/* Device memory can be touched while this is on. */
void unlock_memory(bool on);

/* ---- group.c ---- */

cu_result module_load(struct CUmod_st *m, const void *image);
cu_result function_find(struct CUmod_st *m, const char *name, struct CUfunc_st **function);
void module_unload(struct CUmod_st *m);
cu_result run_kernel(const work *w);

#endif
