/* Kernels of the stand-in: a module is a shared object that compiler.c made; a launch runs group after group, and in a group
 * one work item after another until one comes to a barrier: then the others get fibers of their own. */
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#include "inside.h"

/* ---- Modules ------------------------------------------------------------------------------------------ */

/* In front of the shared object. */
typedef struct image_head {
    char magic[8];
    uint64_t bytes;
} image_head;

cu_result module_load(struct CUmod_st *m, const void *image)
{
    image_head head;
    char path[] = "/tmp/berth-standin-XXXXXX"; /* the loader takes two files of one name for one */
    memcpy(&head, image, sizeof head);
    if (memcmp(head.magic, "standin1", 8)) return misuse("a module that is none");
    int fd = mkstemp(path);
    bool ok = fd >= 0 && write(fd, (const char *)image + sizeof head, head.bytes) == (ssize_t)head.bytes;
    if (fd >= 0) close(fd);
    m->library = ok ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    unlink(path);
    if (!m->library) return misuse(ok ? dlerror() : "a module cannot be written");
    *(void **)&m->place = dlsym(m->library, "standin_place");
    *(void **)&m->set_barrier = dlsym(m->library, "standin_set_barrier");
    return m->place && m->set_barrier ? CU_OK : misuse("a module without its frame");
}

cu_result function_find(struct CUmod_st *m, const char *name, struct CUfunc_st **function)
{
    char symbol[256];
    struct CUfunc_st *f = calloc(1, sizeof *f);
    if (!f) return CU_OUT_OF_MEMORY;
    f->module = m;
    snprintf(symbol, sizeof symbol, "standin_run_%s", name);
    *(void **)&f->run = dlsym(m->library, symbol);
    snprintf(symbol, sizeof symbol, "standin_sizes_%s", name);
    f->sizes = dlsym(m->library, symbol);
    if (!f->run || !f->sizes) return free(f), CU_NOT_FOUND;
    f->next = m->functions, m->functions = f;
    *function = f;
    return CU_OK;
}

void module_unload(struct CUmod_st *m)
{
    for (struct CUfunc_st *f = m->functions, *next; f; f = next) next = f->next, free(f);
    if (m->library) dlclose(m->library);
    free(m);
}

/* ---- Groups ------------------------------------------------------------------------------------------- */

enum { STACK = 256 << 10, MOST_ITEMS = 1024 };

typedef struct fiber {
    ucontext_t context;
    void *stack, *fake;
    int item; /* in its group */
    bool waits;
} fiber;

static struct {
    fiber fibers[MOST_ITEMS];
    int n_fibers, current;
    ucontext_t home;
    void *home_fake;
    const void *home_stack;
    size_t home_bytes;
    const work *work;
    void **values;
    int64_t group[3], groups[3];
    int items[3];
    int n_items, n_started, n_finished;
} now;

static void place(int item)
{
    const int at[3] = {item % now.items[0], item / now.items[0] % now.items[1],
                       item / (now.items[0] * now.items[1])};
    now.work->function->module->place(now.group, now.groups, at, now.items);
}

#ifdef __SANITIZE_ADDRESS__
#define LEAVING(save, stack, bytes) __sanitizer_start_switch_fiber(save, stack, bytes)
#define ARRIVED(save, stack, bytes) __sanitizer_finish_switch_fiber(save, stack, bytes)
#else
#define LEAVING(save, stack, bytes) (void)0
#define ARRIVED(save, stack, bytes) (void)0
#endif

/* A fiber does one item after another as long as none waits. */
static void fiber_main(void)
{
    fiber *f = &now.fibers[now.current];
    ARRIVED(NULL, &now.home_stack, &now.home_bytes);
    while (now.n_started < now.n_items) {
        f->item = now.n_started++;
        place(f->item);
        now.work->function->run(now.values);
        now.n_finished++;
        if (f->waits) break; /* it waited, so others do */
    }
    f->item = -1;
    LEAVING(NULL, now.home_stack, now.home_bytes);
    setcontext(&now.home);
}

static void wait_here(void)
{
    fiber *f = &now.fibers[now.current];
    f->waits = true;
    LEAVING(&f->fake, now.home_stack, now.home_bytes);
    swapcontext(&f->context, &now.home);
    ARRIVED(f->fake, &now.home_stack, &now.home_bytes);
    place(f->item);
}

static void resume(int i)
{
    now.current = i;
    LEAVING(&now.home_fake, now.fibers[i].stack, STACK);
    swapcontext(&now.home, &now.fibers[i].context);
    ARRIVED(now.home_fake, NULL, NULL);
}

static bool start_fiber(void)
{
    fiber *f = &now.fibers[now.n_fibers];
    if (!f->stack && !(f->stack = malloc(STACK))) return false;
    f->waits = false, f->fake = NULL;
    getcontext(&f->context);
    f->context.uc_stack = (stack_t){.ss_sp = f->stack, .ss_size = STACK};
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_main, 0);
    resume(now.n_fibers++);
    return true;
}

/* All items up to the first barrier, then all of them to the next, and so on. */
static cu_result run_group(void)
{
    now.n_started = now.n_finished = now.n_fibers = 0;
    while (now.n_started < now.n_items)
        if (!start_fiber()) return CU_OUT_OF_MEMORY;
    while (now.n_finished < now.n_items) {
        if (now.n_finished) return misuse("a barrier that some work items of a group never reach");
        for (int i = 0; i < now.n_fibers; i++) resume(i);
    }
    return CU_OK;
}

cu_result run_kernel(const work *w)
{
    cu_result code = CU_OK;
    void *values[MOST_PARAMETERS];
    const unsigned *sizes = w->function->sizes;
    size_t at = 0;
    for (int i = 0; sizes[i]; i++) values[i] = (char *)w->own + at, at += (sizes[i] + 15u) / 16 * 16;
    now.work = w, now.values = values, now.n_items = 1;
    for (int i = 0; i < 3; i++)
        now.groups[i] = w->groups[i], now.items[i] = (int)w->items[i], now.n_items *= (int)w->items[i];
    if (now.n_items > MOST_ITEMS) return misuse("a group that is too large");
    w->function->module->set_barrier(wait_here);
    for (now.group[2] = 0; now.group[2] < now.groups[2] && !code; now.group[2]++)
        for (now.group[1] = 0; now.group[1] < now.groups[1] && !code; now.group[1]++)
            for (now.group[0] = 0; now.group[0] < now.groups[0] && !code; now.group[0]++) code = run_group();
    counts.launches++;
    return code;
}

__attribute__((destructor)) static void free_stacks(void)
{
    for (int i = 0; i < MOST_ITEMS; i++) free(now.fibers[i].stack);
}
