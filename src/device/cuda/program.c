/* Kernels of a CUDA device: a module each, loaded at their first use and kept, found again by what they were asked for with; and
 * launches. What a module is made of comes from compiler.c. */
#include "base/map.h"
#include "device/cuda/cuda.h"

enum { BUCKETS = sizeof(((bt_cu_device *)0)->kernels) / sizeof(bt_kernel *), MOST_ARGUMENTS = 32 };

struct bt_kernel {
    bt_kernel *next; /* of its bucket */
    cu_function function;
    const char *source;         /* told by its address */
    const char *defines, *name; /* behind the struct */
};

typedef struct bt_cu_program {
    struct bt_cu_program *next;
    const char *source, *kernel; /* kernel: behind defines */
    cu_module module;
    char defines[];
} bt_cu_program;

/* ---- Programs ----------------------------------------------------------------------------------------- */

static bt_cu_program *program_new(bt_device *device, bt_cu_device *d, const char *source, const char *defines,
                                  const char *kernel, berth_error *error)
{
    size_t bytes, n_defines = strlen(defines) + 1, n_kernel = strlen(kernel) + 1;
    bt_cu_program *p = bt_calloc(1, sizeof *p + n_defines + n_kernel);
    if (!p) return bt_fail_memory(error), NULL;
    p->source = source;
    memcpy(p->defines, defines, n_defines);
    p->kernel = memcpy(p->defines + n_defines, kernel, n_kernel);
    const bt_cu_unit unit = {device->name, source, defines, kernel, d->arch};
    void *image = bt_cu_translate(&unit, &bytes, error);
    cu_result code = image ? bt_cu_enter(d) : CU_OK;
    if (image && !code) {
        code = d->cu->cuModuleLoadData(&p->module, image);
        bt_cu_leave(d);
    }
    if (code) bt_cu_fail(device, "loading kernels", code, error);
    bt_free(image);
    if (image && !code) return p;
    bt_free(p);
    return NULL;
}

/* One thread at a time makes programs. */
static bt_cu_program *program_of(bt_device *device, bt_cu_device *d, const char *source, const char *defines,
                                 const char *kernel, berth_error *error)
{
    for (bt_cu_program *p = d->programs; p; p = p->next)
        if (p->source == source && !strcmp(p->defines, defines) && !strcmp(p->kernel, kernel)) return p;
    bt_cu_program *p = program_new(device, d, source, defines, kernel, error);
    if (p) p->next = d->programs, d->programs = p;
    return p;
}

void bt_cu_programs_free(bt_cu_device *d, bool unload)
{
    for (int i = 0; i < BUCKETS; i++)
        for (bt_kernel *k = d->kernels[i], *next; k; k = next) next = k->next, bt_free(k);
    for (bt_cu_program *p = d->programs, *next; p; p = next) {
        next = p->next;
        if (unload) d->cu->cuModuleUnload(p->module);
        bt_free(p);
    }
}

/* ---- Kernels ------------------------------------------------------------------------------------------ */

static bt_kernel **bucket_of(bt_cu_device *d, const char *source, const char *defines, const char *name)
{
    uint64_t hash =
        bt_hash(defines, strlen(defines)) * 31 + bt_hash(name, strlen(name)) + ((uintptr_t)source >> 4);
    return &d->kernels[hash % BUCKETS];
}

static bt_kernel *find(bt_cu_device *d, bt_kernel *const *bucket, const char *source, const char *defines,
                       const char *name)
{
    pthread_mutex_lock(&d->programs_lock);
    bt_kernel *k = *bucket;
    while (k && (k->source != source || strcmp(k->name, name) || strcmp(k->defines, defines))) k = k->next;
    pthread_mutex_unlock(&d->programs_lock);
    return k;
}

static bt_kernel *kernel_new(bt_device *device, bt_cu_device *d, bt_cu_program *p, const char *name,
                             berth_error *error)
{
    size_t n_defines = strlen(p->defines) + 1, n_name = strlen(name) + 1;
    bt_kernel *k = bt_calloc(1, sizeof *k + n_defines + n_name);
    if (!k) return bt_fail_memory(error), NULL;
    k->source = p->source;
    k->defines = memcpy(k + 1, p->defines, n_defines);
    k->name = memcpy((char *)(k + 1) + n_defines, name, n_name);
    cu_result code = bt_cu_enter(d);
    if (!code) {
        code = d->cu->cuModuleGetFunction(&k->function, p->module, name);
        bt_cu_leave(d);
    }
    if (!code) return k;
    bt_cu_fail(device, "finding a kernel", code, error);
    if (error) bt_error_prefix(error, "kernel '%s'", name);
    return bt_free(k), NULL;
}

bt_kernel *bt_cu_compile(bt_device *device, const char *source, const char *defines, const char *name,
                         berth_error *error)
{
    bt_cu_device *d = bt_cu_open(device, error);
    if (!d) return NULL;
    bt_kernel **bucket = bucket_of(d, source, defines, name), *k = find(d, bucket, source, defines, name);
    if (k) return k;
    if (bt_cu_is_recording(d))
        return bt_cu_spoil(),
               bt_fail(error, BERTH_DEVICE, "%s: kernels cannot be made in a recording", device->name), NULL;
    pthread_mutex_lock(&d->compiling);
    k = find(d, bucket, source, defines, name); /* another thread may have been faster */
    bt_cu_program *p = k ? NULL : program_of(device, d, source, defines, name, error);
    if (p && (k = kernel_new(device, d, p, name, error))) {
        pthread_mutex_lock(&d->programs_lock);
        k->next = *bucket, *bucket = k;
        pthread_mutex_unlock(&d->programs_lock);
    }
    pthread_mutex_unlock(&d->compiling);
    return k;
}

/* ---- Launches ----------------------------------------------------------------------------------------- */

typedef struct launch_size {
    unsigned groups[3], items[3];
} launch_size;

/* Kernels loop over the groups of dimensions 1 and 2, so that fewer than they ask for do all of it. */
static berth_status size_of(const bt_device *device, const bt_cu_device *d, const bt_kernel *kernel,
                            const bt_grid *grid, launch_size *size, berth_error *error)
{
    static const size_t most[3] = {INT32_MAX, 65535, 65535};
    size_t group = 1;
    for (int i = 0; i < 3; i++) {
        size_t chosen = i == 0 && grid->global[0] > 32 ? 256 : i == 0 ? 32 : 1;
        size_t items = grid->local[0] ? (grid->local[i] ? grid->local[i] : 1) : chosen;
        size_t groups = (grid->global[i] + items - 1) / items;
        group *= items;
        if (i && groups > most[i]) groups = most[i];
        if (groups > most[i])
            return bt_fail(error, BERTH_DEVICE, "%s: kernel '%s' wants %zu groups, it takes %zu at most",
                           device->name, kernel->name, groups, most[i]);
        size->groups[i] = (unsigned)groups, size->items[i] = (unsigned)items;
    }
    if (group <= d->max_group) return BERTH_OK;
    return bt_fail(error, BERTH_DEVICE, "%s: kernel '%s' wants groups of %zu work items, it has %zu at most",
                   device->name, kernel->name, group, d->max_group);
}

static void *value_of(const bt_arg *a)
{
    return a->kind == BT_ARG_BYTES ? (void *)(uintptr_t)a->bytes.p : (void *)(uintptr_t)&a->pointer;
}

berth_status bt_cu_launch(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args,
                          int n_args, berth_error *error)
{
    bt_cu_device *d = device->physical->state;
    void *values[MOST_ARGUMENTS];
    launch_size size;
    if (!grid->global[0] || !grid->global[1] || !grid->global[2]) return BERTH_OK;
    if (n_args > MOST_ARGUMENTS)
        return bt_fail(error, BERTH_INTERNAL, "kernel '%s': %d arguments", kernel->name, n_args);
    berth_status status = size_of(device, d, kernel, grid, &size, error);
    if (status) return status;
    for (int i = 0; i < n_args; i++) values[i] = value_of(&args[i]);
    cu_result code = bt_cu_enter(d);
    if (!code) {
        bt_cu_span *span = bt_cu_span_begin(d, d->stream);
        code = d->cu->cuLaunchKernel(kernel->function, size.groups[0], size.groups[1], size.groups[2],
                                     size.items[0], size.items[1], size.items[2], 0, bt_cu_stream(d), values,
                                     NULL);
        bt_cu_span_end(d, span, code);
        bt_cu_leave(d);
    }
    if (!code) return BERTH_OK;
    bt_cu_fail(device, "a launch", code, error);
    if (error) bt_error_prefix(error, "kernel '%s'", kernel->name);
    return BERTH_DEVICE;
}
