/* The stand-in's interface: functions of the driver (and of the management library) under the names that these have. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inside.h"

standin_counts counts;
static pthread_mutex_t lock;
static device devices[MOST_DEVICES];
static int n_devices = -1;
static uint64_t n_calls, failing;
static const char *failing_name;
static _Thread_local struct CUctx_st *stack[16];
static _Thread_local int depth;

typedef struct pinned {
    struct pinned *next;
    struct CUctx_st *context;
    uint8_t *p;
    size_t bytes;
} pinned;
static pinned *all_pinned;

cu_result misuse(const char *what)
{
    printf("stand-in driver: %s\n", what);
    counts.misuses++;
    return UNKNOWN;
}

/* ---- Calls -------------------------------------------------------------------------------------------- */

__attribute__((constructor)) static void make_lock(void)
{
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &kind);
}

static cu_result begin_call(const char *name, cu_result failure)
{
    pthread_mutex_lock(&lock);
    bool fails = ++n_calls == failing || (failing_name && !strcmp(failing_name, name));
    return fails ? failure : CU_OK;
}
#define begin(failure) begin_call(__func__, failure)

static cu_result end(cu_result code)
{
    pthread_mutex_unlock(&lock);
    return code;
}

static struct CUctx_st *current(void) { return depth ? stack[depth - 1] : NULL; }

/* Of the calling thread's context. */
static cu_result begin_in(const char *name, cu_result failure)
{
    cu_result code = begin_call(name, failure);
    if (!current()) return misuse("a call without a context"), INVALID_CONTEXT;
    if (!code && current()->device->is_lost) code = LAUNCH_FAILED;
    return code;
}
#define begin_in_context(failure) begin_in(__func__, failure)

/* A call that gives something back does so even when it is told to fail: the failure is an earlier one's. */

/* ---- Devices ------------------------------------------------------------------------------------------ */

static int64_t number_of(const char *variable, int64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

/* CUDA_VISIBLE_DEVICES, of plain numbers. */
static void find_devices(void)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    int there = (int)number_of("STANDIN_DEVICES", 1);
    n_devices = 0;
    for (int i = 0; !visible && i < there && i < MOST_DEVICES; i++) devices[n_devices++].ordinal = i;
    for (const char *p = visible; p && *p;) {
        char *after;
        long i = strtol(p, &after, 10);
        if (after == p || i < 0 || i >= there || n_devices == MOST_DEVICES) break;
        devices[n_devices++].ordinal = (int)i;
        p = *after == ',' ? after + 1 : "";
    }
    for (int i = 0; i < n_devices; i++) devices[i].memory = number_of("STANDIN_MEMORY", (int64_t)1 << 30);
}

EXPORT cu_result cuInit(unsigned flags)
{
    cu_result code = begin(UNKNOWN);
    if (flags) code = INVALID_VALUE;
    if (!code && n_devices < 0) find_devices();
    return end(code ? code : n_devices ? CU_OK : CU_NO_DEVICE);
}

EXPORT cu_result cuDriverGetVersion(int *version)
{
    cu_result code = begin(UNKNOWN);
    if (!code) *version = 13000;
    return end(code);
}

EXPORT cu_result cuGetErrorName(cu_result code, const char **name)
{
    *name = code == CU_OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY"
            : code == LAUNCH_FAILED  ? "CUDA_ERROR_LAUNCH_FAILED"
            : code == CU_NOT_FOUND   ? "CUDA_ERROR_NOT_FOUND"
                                     : "CUDA_ERROR_UNKNOWN";
    return CU_OK;
}

EXPORT cu_result cuDeviceGetCount(int *count)
{
    cu_result code = begin(UNKNOWN);
    if (!code) *count = n_devices;
    return end(code);
}

EXPORT cu_result cuDeviceGet(cu_device *id, int ordinal)
{
    cu_result code = begin(UNKNOWN);
    if (!code && (ordinal < 0 || ordinal >= n_devices)) code = INVALID_VALUE;
    if (!code) *id = ordinal;
    return end(code);
}

EXPORT cu_result cuDeviceGetName(char *name, int bytes, cu_device id)
{
    cu_result code = begin(UNKNOWN);
    if (!code) snprintf(name, (size_t)bytes, "Stand-in %d", devices[id].ordinal);
    return end(code);
}

EXPORT cu_result cuDeviceTotalMem_v2(size_t *bytes, cu_device id)
{
    cu_result code = begin(UNKNOWN);
    if (!code) *bytes = (size_t)devices[id].memory;
    return end(code);
}

EXPORT cu_result cuDeviceGetAttribute(int *value, unsigned which, cu_device id)
{
    cu_result code = begin(UNKNOWN);
    if (!code)
        *value = which == CU_MAX_THREADS_PER_BLOCK      ? 1024
                 : which == CU_PCI_BUS_ID               ? devices[id].ordinal + 1
                 : which == CU_COMPUTE_CAPABILITY_MAJOR ? 8
                                                        : 0;
    return end(code);
}

EXPORT cu_result cuDeviceGetPCIBusId(char *text, int bytes, cu_device id)
{
    cu_result code = begin(UNKNOWN);
    if (!code) snprintf(text, (size_t)bytes, "0000:%02x:00.0", devices[id].ordinal + 1);
    return end(code);
}

static int64_t free_on(const device *d)
{
    return d->memory - d->used - (d->context ? STANDIN_CONTEXT_BYTES : 0);
}

EXPORT nvml_result nvmlInit_v2(void) { return end(begin(UNKNOWN)); }

EXPORT nvml_result nvmlDeviceGetHandleByPciBusId_v2(const char *text, nvml_device *device)
{
    unsigned bus = 0;
    cu_result code = begin(UNKNOWN);
    sscanf(text, "%*x:%x", &bus);
    for (int i = 0; i < n_devices && !code; i++)
        if (devices[i].ordinal + 1 == (int)bus) return *device = (nvml_device)(void *)&devices[i], end(CU_OK);
    return end(INVALID_VALUE);
}

EXPORT nvml_result nvmlDeviceGetMemoryInfo(nvml_device handle, nvml_memory *memory)
{
    const device *d = (const device *)(void *)handle;
    nvml_result code = begin(UNKNOWN);
    if (!code)
        memory->total = (unsigned long long)d->memory, memory->free = (unsigned long long)free_on(d),
        memory->used = memory->total - memory->free;
    return end(code);
}

/* ---- Contexts ----------------------------------------------------------------------------------------- */

EXPORT cu_result cuDevicePrimaryCtxRetain(cu_context *context, cu_device id)
{
    cu_result code = begin(UNKNOWN);
    device *d = &devices[id];
    if (!code && d->is_lost) code = LAUNCH_FAILED;
    if (!code && !d->context) {
        if (free_on(d) < STANDIN_CONTEXT_BYTES || !(d->context = calloc(1, sizeof *d->context)))
            return end(CU_OUT_OF_MEMORY);
        d->context->device = d, counts.contexts++;
    }
    if (!code) d->retained++, *context = d->context;
    return end(code);
}

static void free_block(block **at)
{
    block *b = *at;
    unlock_memory(true);
    for (size_t i = 0; i < b->slack; i++)
        if (b->p[b->bytes + i] != 0x5a) {
            misuse("something was written behind a block of device memory");
            break;
        }
    unlock_memory(false);
    *at = b->next;
    munmap(b->base, b->mapped);
    counts.bytes -= (int64_t)b->bytes;
    free(b);
}

static void free_graph(struct CUgraph_st *g)
{
    struct CUgraph_st **at = &g->context->graphs;
    while (*at != g) at = &(*at)->next;
    *at = g->next;
    drop_work(g->first);
    counts.graphs--;
    free(g);
}

static void free_pinned(pinned **at)
{
    pinned *n = *at;
    *at = n->next, counts.pinned -= (int64_t)n->bytes;
    free(n->p);
    free(n);
}

EXPORT cu_result cuDevicePrimaryCtxRelease_v2(cu_device id)
{
    cu_result code = begin(UNKNOWN);
    device *d = &devices[id];
    struct CUctx_st *c = d->context;
    if (!c || d->retained < 1) return end(misuse("a context released too often"));
    if (--d->retained) return end(code);
    for (; c->graphs; free_graph(c->graphs)) counts.abandoned++;
    for (; c->blocks; free_block(&c->blocks)) counts.abandoned++;
    for (; c->streams; counts.abandoned++, counts.streams--) {
        struct CUstream_st *s = c->streams;
        c->streams = s->next;
        drop_work(s->first);
        free(s);
    }
    for (; c->events; counts.abandoned++, counts.events--) {
        struct CUevent_st *e = c->events;
        c->events = e->next;
        free(e);
    }
    for (; c->modules; counts.abandoned++, counts.modules--) {
        struct CUmod_st *m = c->modules;
        c->modules = m->next;
        module_unload(m);
    }
    for (pinned **at = &all_pinned; *at;)
        if ((*at)->context == c) counts.abandoned++, free_pinned(at);
        else at = &(*at)->next;
    d->used = 0, d->context = NULL, counts.contexts--;
    free(c);
    return end(code);
}

EXPORT cu_result cuCtxPushCurrent_v2(cu_context context)
{
    cu_result code = begin(UNKNOWN);
    if (!context || context->device->context != context) return end(misuse("a context that is none"));
    if (depth == 16) return end(misuse("contexts that are pushed and not popped"));
    if (!code) stack[depth++] = context;
    return end(code);
}

EXPORT cu_result cuCtxPopCurrent_v2(cu_context *context)
{
    cu_result code = begin(UNKNOWN);
    if (!depth) return end(misuse("a context popped that was not pushed"));
    *context = stack[--depth];
    return end(code);
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

void unlock_memory(bool on)
{
    static int level;
    if (on ? level++ : --level) return;
    for (int i = 0; i < n_devices; i++)
        for (const block *b = devices[i].context ? devices[i].context->blocks : NULL; b; b = b->next)
            mprotect(b->base, b->mapped - (size_t)sysconf(_SC_PAGESIZE),
                     on ? PROT_READ | PROT_WRITE : PROT_NONE);
}

EXPORT cu_result cuMemGetInfo_v2(size_t *bytes_free, size_t *total)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (!code) *bytes_free = (size_t)free_on(current()->device), *total = (size_t)current()->device->memory;
    return end(code);
}

/* Ends where a page ends, but for what the alignment wants. */
static block *new_block(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (bytes + 63) / 64 * 64,
           pages = (room + page - 1) / page * page;
    block *b = calloc(1, sizeof *b);
    void *base = b ? mmap(NULL, pages + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (base == MAP_FAILED) return free(b), NULL;
    *b = (block){.base = base,
                 .p = (uint8_t *)base + pages - room,
                 .bytes = bytes,
                 .mapped = pages + page,
                 .slack = room - bytes};
    mprotect(base, pages, PROT_READ | PROT_WRITE);
    memset(b->p, 0xa5, bytes);
    memset(b->p + bytes, 0x5a, b->slack);
    mprotect(base, pages, PROT_NONE);
    return b;
}

EXPORT cu_result cuMemAlloc_v2(cu_pointer *p, size_t bytes)
{
    cu_result code = begin_in_context(CU_OUT_OF_MEMORY);
    if (code) return end(code);
    if (!bytes) return end(INVALID_VALUE);
    struct CUctx_st *c = current();
    if ((int64_t)bytes < 0 || (int64_t)bytes > free_on(c->device)) return end(CU_OUT_OF_MEMORY);
    block *b = new_block(bytes);
    if (!b) return end(CU_OUT_OF_MEMORY);
    b->next = c->blocks, c->blocks = b;
    c->device->used += (int64_t)bytes, counts.bytes += (int64_t)bytes;
    *p = (cu_pointer)(uintptr_t)b->p;
    return end(CU_OK);
}

EXPORT cu_result cuMemFree_v2(cu_pointer p)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (!current()) return end(code);
    for (block **at = &current()->blocks; *at; at = &(*at)->next) {
        if ((*at)->p != (uint8_t *)(uintptr_t)p) continue;
        current()->device->used -= (int64_t)(*at)->bytes;
        return free_block(at), end(code);
    }
    return end(misuse("memory freed that is not the context's"));
}

EXPORT cu_result cuMemHostAlloc(void **p, size_t bytes, unsigned flags)
{
    cu_result code = begin_in_context(CU_OUT_OF_MEMORY);
    pinned *n = code || flags ? NULL : calloc(1, sizeof *n);
    if (!n || !(n->p = malloc(bytes))) return free(n), end(code ? code : CU_OUT_OF_MEMORY);
    memset(n->p, 0xa5, bytes);
    n->context = current(), n->bytes = bytes, n->next = all_pinned, all_pinned = n;
    counts.pinned += (int64_t)bytes;
    return *p = n->p, end(CU_OK);
}

EXPORT cu_result cuMemFreeHost(void *p)
{
    cu_result code = begin_in_context(UNKNOWN);
    for (pinned **at = &all_pinned; *at; at = &(*at)->next)
        if ((*at)->p == p) return free_pinned(at), end(code);
    return end(misuse("host memory freed that is not pinned"));
}

static bool is_pinned(const void *p, size_t bytes)
{
    for (const pinned *n = all_pinned; n; n = n->next)
        if ((const uint8_t *)p >= n->p && (const uint8_t *)p + bytes <= n->p + n->bytes) return true;
    return false;
}

static bool is_on_device(cu_pointer p, size_t bytes)
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)p;
    for (const block *b = current()->blocks; b; b = b->next)
        if (at >= b->p && at + bytes <= b->p + b->bytes) return true;
    return misuse("a copy beside device memory"), false;
}

static bool is_stream(const struct CUstream_st *s)
{
    return (s && s->context == current()) || (misuse("a stream of another context"), false);
}

/* Memory that is not pinned is read at once, and written before the call comes back. */
EXPORT cu_result cuMemcpyHtoDAsync_v2(cu_pointer dst, const void *src, size_t bytes, cu_stream s)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || !is_on_device(dst, bytes)) return end(code ? code : INVALID_VALUE);
    work w = {.kind = COPY_UP, .dst = (void *)(uintptr_t)dst, .src = src, .bytes = bytes};
    if (!is_pinned(src, bytes)) w.own = (void *)(uintptr_t)src;
    return end(enqueue(s, &w));
}

EXPORT cu_result cuMemcpyDtoHAsync_v2(void *dst, cu_pointer src, size_t bytes, cu_stream s)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || !is_on_device(src, bytes)) return end(code ? code : INVALID_VALUE);
    work w = {.kind = COPY_DOWN, .dst = dst, .src = (void *)(uintptr_t)src, .bytes = bytes};
    code = enqueue(s, &w);
    return end(code || is_pinned(dst, bytes) ? code : flush(s, NULL, 0));
}

EXPORT cu_result cuMemcpyDtoDAsync_v2(cu_pointer dst, cu_pointer src, size_t bytes, cu_stream s)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || !is_on_device(src, bytes) || !is_on_device(dst, bytes))
        return end(code ? code : INVALID_VALUE);
    work w = {
        .kind = COPY_ACROSS, .dst = (void *)(uintptr_t)dst, .src = (void *)(uintptr_t)src, .bytes = bytes};
    return end(enqueue(s, &w));
}

/* ---- Streams and events ------------------------------------------------------------------------------- */

EXPORT cu_result cuStreamCreate(cu_stream *stream, unsigned flags)
{
    cu_result code = begin_in_context(UNKNOWN);
    struct CUstream_st *s = code || flags > 1 ? NULL : calloc(1, sizeof *s);
    if (!s) return end(code ? code : INVALID_VALUE);
    s->context = current(), s->last = &s->first;
    s->next = s->context->streams, s->context->streams = s;
    s->is_eager = s->next && getenv("STANDIN_EAGER");
    counts.streams++;
    return *stream = s, end(CU_OK);
}

EXPORT cu_result cuStreamDestroy_v2(cu_stream s)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (!is_stream(s)) return end(INVALID_VALUE);
    if (!s->is_capturing) flush(s, NULL, 0);
    struct CUstream_st **at = &s->context->streams;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    for (struct CUstream_st *other = s->context->streams; other; other = other->next)
        for (work *w = other->first; w; w = w->next)
            if (w->other == s) w->other = NULL;
    drop_work(s->first);
    counts.streams--;
    return free(s), end(code);
}

EXPORT cu_result cuStreamSynchronize(cu_stream s)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s)) return end(code ? code : INVALID_VALUE);
    return end(flush(s, NULL, 0));
}

EXPORT cu_result cuEventCreate(cu_event *event, unsigned flags)
{
    cu_result code = begin_in_context(UNKNOWN);
    struct CUevent_st *e = code || flags & ~3u ? NULL : calloc(1, sizeof *e);
    if (!e) return end(code ? code : INVALID_VALUE);
    e->context = current(), e->keeps_time = !(flags & CU_NO_TIMING);
    e->next = e->context->events, e->context->events = e;
    counts.events++;
    return *event = e, end(CU_OK);
}

/* What stands in a queue for it is nobody's any more. */
EXPORT cu_result cuEventDestroy_v2(cu_event e)
{
    cu_result code = begin_in_context(UNKNOWN);
    struct CUevent_st **at = &e->context->events;
    for (work *w = e->stream ? e->stream->first : NULL; w; w = w->next)
        if (w->event == e) w->event = NULL;
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    counts.events--;
    return free(e), end(code);
}

EXPORT cu_result cuEventRecord(cu_event e, cu_stream s)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || e->context != s->context) return end(code ? code : INVALID_VALUE);
    for (work *w = e->stream ? e->stream->first : NULL; w; w = w->next)
        if (w->event == e) w->event = NULL;
    work w = {.kind = EVENT, .event = e};
    e->stream = s, e->number = s->n_given + 1; /* it may be done when it is entered */
    if ((code = enqueue(s, &w))) e->stream = NULL;
    return end(code);
}

/* For the event as it is now, whatever becomes of it. */
EXPORT cu_result cuStreamWaitEvent(cu_stream s, cu_event e, unsigned flags)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || e->context != s->context || flags) return end(code ? code : INVALID_VALUE);
    work w = {.kind = WAIT, .other = e->stream, .upto = e->number};
    return end(e->stream ? enqueue(s, &w) : CU_OK);
}

EXPORT cu_result cuEventElapsedTime(float *ms, cu_event from, cu_event to)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (!code && (!from->keeps_time || !to->keeps_time || (!from->stream && !from->ns) || (!to->stream && !to->ns)))
        code = INVALID_HANDLE;
    if (!code && (from->stream || to->stream)) code = CU_NOT_READY;
    if (!code) *ms = (float)((double)(to->ns - from->ns) / 1e6);
    return end(code);
}

EXPORT cu_result cuEventQuery(cu_event e)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (!code && e->stream) code = flush(e->stream, e, 1);
    return end(code ? code : e->stream ? CU_NOT_READY : CU_OK);
}

EXPORT cu_result cuEventSynchronize(cu_event e)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (!code && e->stream) code = flush(e->stream, e, 0);
    return end(code);
}

/* ---- Modules and launches ----------------------------------------------------------------------------- */

EXPORT cu_result cuModuleLoadData(cu_module *module, const void *image)
{
    cu_result code = begin_in_context(UNKNOWN);
    struct CUmod_st *m = code ? NULL : calloc(1, sizeof *m);
    if (!m) return end(code ? code : CU_OUT_OF_MEMORY);
    m->context = current();
    if ((code = module_load(m, image))) return module_unload(m), end(code);
    m->next = m->context->modules, m->context->modules = m;
    counts.modules++;
    return *module = m, end(CU_OK);
}

EXPORT cu_result cuModuleUnload(cu_module m)
{
    cu_result code = begin_in_context(UNKNOWN);
    struct CUmod_st **at = &m->context->modules;
    for (const struct CUstream_st *s = m->context->streams; s; s = s->next)
        for (const work *w = s->first; w; w = w->next)
            if (w->kind == LAUNCH && w->function->module == m)
                return end(misuse("a module unloaded while it works"));
    while (*at != m) at = &(*at)->next;
    *at = m->next;
    counts.modules--;
    return module_unload(m), end(code);
}

EXPORT cu_result cuModuleGetFunction(cu_function *function, cu_module m, const char *name)
{
    cu_result code = begin_in_context(UNKNOWN);
    return end(code ? code : function_find(m, name, function));
}

EXPORT cu_result cuLaunchKernel(cu_function f, unsigned gx, unsigned gy, unsigned gz, unsigned ix,
                                unsigned iy, unsigned iz, unsigned shared, cu_stream s, void **values,
                                void **extra)
{
    _Alignas(16) char own[4096];
    size_t at = 0;
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || f->module->context != s->context || shared || extra || !gx || !gy || !gz ||
        !ix || !iy || !iz || gy > 65535 || gz > 65535 || ix * iy * iz > 1024)
        return end(code ? code : INVALID_VALUE);
    for (int i = 0; f->sizes[i]; i++) {
        size_t room = (f->sizes[i] + 15u) / 16 * 16;
        if (at + room > sizeof own) return end(INVALID_VALUE);
        memset(own + at, 0, room);
        memcpy(own + at, values[i], f->sizes[i]);
        at += room;
    }
    work w = {.kind = LAUNCH, .function = f, .own = own, .groups = {gx, gy, gz}, .items = {ix, iy, iz}};
    return end(enqueue(s, &w));
}

EXPORT cu_result standin_work(cu_stream s, void (*library)(const void *own), void *own, size_t bytes)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s)) return end(code ? code : INVALID_VALUE);
    work w = {.kind = LIBRARY, .library = library, .own = own, .bytes = bytes};
    return end(enqueue(s, &w));
}

/* ---- Graphs ------------------------------------------------------------------------------------------- */

EXPORT cu_result cuStreamBeginCapture_v2(cu_stream s, unsigned mode)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || s->is_capturing || s->first || mode > 2)
        return end(code ? code : INVALID_VALUE);
    s->is_capturing = true, s->is_invalid = false;
    return end(CU_OK);
}

static struct CUgraph_st *new_graph(struct CUctx_st *context, work *first)
{
    struct CUgraph_st *g = calloc(1, sizeof *g);
    if (!g) return drop_work(first), NULL;
    g->context = context, g->first = first;
    g->next = context->graphs, context->graphs = g;
    counts.graphs++;
    return g;
}

EXPORT cu_result cuStreamEndCapture(cu_stream s, cu_graph *graph)
{
    cu_result code = begin_in_context(UNKNOWN);
    if (!is_stream(s) || !s->is_capturing) return end(INVALID_VALUE);
    if (!code && s->is_invalid) code = CAPTURE_INVALIDATED;
    work *first = s->first;
    s->is_capturing = false, s->first = NULL, s->last = &s->first;
    if (code) return drop_work(first), *graph = NULL, end(code);
    return end((*graph = new_graph(s->context, first)) ? CU_OK : CU_OUT_OF_MEMORY);
}

/* A graph that can be launched is one like any other. */
EXPORT cu_result cuGraphInstantiateWithFlags(cu_graph_exec *exec, cu_graph graph, unsigned long long flags)
{
    cu_result code = begin_in_context(UNKNOWN);
    struct CUstream_st copy = {.last = &copy.first};
    if (flags) code = INVALID_VALUE;
    for (const work *w = graph->first; w && !code; w = w->next) code = enqueue(&copy, w);
    if (code) return drop_work(copy.first), end(code);
    *exec = (cu_graph_exec)(void *)new_graph(graph->context, copy.first);
    return end(*exec ? CU_OK : CU_OUT_OF_MEMORY);
}

EXPORT cu_result cuGraphDestroy(cu_graph graph)
{
    cu_result code = begin_in_context(UNKNOWN);
    return free_graph(graph), end(code);
}

EXPORT cu_result cuGraphExecDestroy(cu_graph_exec exec)
{
    cu_result code = begin_in_context(UNKNOWN);
    return free_graph((struct CUgraph_st *)(void *)exec), end(code);
}

EXPORT cu_result cuGraphLaunch(cu_graph_exec exec, cu_stream s)
{
    const struct CUgraph_st *g = (const struct CUgraph_st *)(void *)exec;
    cu_result code = begin_in_context(UNKNOWN);
    if (code || !is_stream(s) || g->context != s->context || s->is_capturing)
        return end(code ? code : INVALID_VALUE);
    for (const work *w = g->first; w && !code; w = w->next) code = enqueue(s, w);
    counts.replays += !code;
    return end(code);
}

/* ---- Switches ----------------------------------------------------------------------------------------- */

static void fail_at(uint64_t n)
{
    begin(CU_OK);
    n_calls = 0, failing = n;
    end(CU_OK);
}

static void fail_call(const char *name) { begin(CU_OK), failing_name = name, end(CU_OK); }
static uint64_t calls(void) { return n_calls; }
static void lose(int device) { begin(CU_OK), devices[device].is_lost = true, end(CU_OK); }

static void find(void)
{
    begin(CU_OK);
    for (int i = 0; i < MOST_DEVICES; i++) devices[i].is_lost = false;
    end(CU_OK);
}

static void get_counts(standin_counts *to)
{
    begin(CU_OK);
    *to = counts;
    end(CU_OK);
}

static void set_memory(int device, int64_t bytes)
{
    begin(CU_OK), devices[device].memory = bytes, end(CU_OK);
}

EXPORT const standin the_standin = {fail_at, calls, fail_call, lose, find, get_counts, set_memory};
