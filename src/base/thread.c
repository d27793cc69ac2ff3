/* Threads: one pool, one loop at a time. A loop is cut into ranges that threads claim by a counter; the caller
 * works too and waits only for workers that joined, so a worker that is slow to wake (or is not there, in a
 * child after fork) costs nothing but its help. Whoever finds the pool busy runs its loop itself. */
#include "base/thread.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroup.h"

enum {
    SPIN_NS = 30000,     /* before a sleep: about what a sleep and a wake-up cost in a virtual machine */
    RANGES_A_THREAD = 4, /* enough to even out threads of different speed */
    MOST_THREADS = 1024
};

/* bt_pool.state: the loop's number, whether more workers may join it, and how many are inside. */
#define OPEN ((uint64_t)1 << 31)
#define INSIDE (OPEN - 1)
#define LOOP_SHIFT 32

struct bt_pool {
    int n_threads;
    _Atomic int n_workers; /* that could be started */
    pthread_t *workers;
    unsigned forks; /* of the process when the workers were started */
    bool started;

    bt_range_fn *body; /* the loop: set while closed, read by who joined */
    void *user;
    int64_t n, range;
    _Alignas(64) _Atomic int64_t next; /* first index that nobody has claimed */
    _Alignas(64) _Atomic uint64_t state;
    _Atomic uint32_t wake;     /* futex of the workers: bumped by every loop */
    _Atomic uint32_t sleepers; /* workers that sleep on it, or are about to */
    _Atomic uint32_t emptied;  /* futex of the caller: bumped by the last one to leave a closed loop */
    _Atomic bool stop;
    _Atomic unsigned busy; /* 0, or 1 + forks of the process that runs a loop */
};

typedef struct worker_start {
    bt_pool *pool;
    int index;
} worker_start;

static _Atomic unsigned n_forks; /* between this process and the one that loaded the library */
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;
static _Thread_local bool in_loop;

/* ---- CPUs --------------------------------------------------------------------------------------------- */

int bt_cpu_available(void)
{
    enum { MOST_CPUS = 8192 };
    static const size_t set_bytes = MOST_CPUS / 8;
    unsigned long set[MOST_CPUS / 8 / sizeof(unsigned long)] = {0};
    int n = 0;
    if (sched_getaffinity(0, set_bytes, (cpu_set_t *)set) == 0)
        for (size_t i = 0; i < set_bytes / sizeof set[0]; i++) n += __builtin_popcountl(set[i]);
    if (n < 1) n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int quota = bt_cgroup_cpus("");
    if (quota && quota < n) n = quota;
    return n < 1 ? 1 : n;
}

/* ---- Sleeping ----------------------------------------------------------------------------------------- */

static void futex_wait(_Atomic uint32_t *word, uint32_t while_it_is)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* True as soon as *word is no longer `old`; false after SPIN_NS. */
static bool spin(_Atomic uint32_t *word, uint32_t old)
{
    for (int64_t end = now_ns() + SPIN_NS; atomic_load(word) == old;)
        if (now_ns() > end) return false;
    return true;
}

/* ---- Workers ------------------------------------------------------------------------------------------ */

static void work(bt_pool *pool, int index)
{
    in_loop = true;
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&pool->next, pool->range, memory_order_relaxed);
        if (begin >= pool->n) break;
        int64_t left = pool->n - begin;
        pool->body(pool->user, begin, begin + (left < pool->range ? left : pool->range), index);
    }
    in_loop = false;
}

/* Joins the loop of this state unless it has closed, and works on it. */
static void join_loop(bt_pool *pool, uint64_t state, int index)
{
    while (!atomic_compare_exchange_weak(&pool->state, &state, state + 1))
        if (!(state & OPEN)) return;
    work(pool, index);
    state = atomic_fetch_sub(&pool->state, 1) - 1;
    if (state & (OPEN | INSIDE)) return;
    atomic_fetch_add(&pool->emptied, 1);
    futex_wake(&pool->emptied, 1);
}

static void *worker_main(void *argument)
{
    worker_start start = *(worker_start *)argument;
    bt_pool *pool = start.pool;
    uint64_t done = 0; /* number of the last loop worked on */
    bt_free(argument);
    while (!atomic_load(&pool->stop)) {
        uint32_t wake = atomic_load(&pool->wake);
        uint64_t state = atomic_load(&pool->state);
        if ((state & OPEN) && state >> LOOP_SHIFT != done) {
            done = state >> LOOP_SHIFT;
            join_loop(pool, state, start.index);
        } else if (!spin(&pool->wake, wake)) {
            atomic_fetch_add(&pool->sleepers, 1);
            if (!atomic_load(&pool->stop)) futex_wait(&pool->wake, wake);
            atomic_fetch_sub(&pool->sleepers, 1);
        }
    }
    return NULL;
}

static void count_fork(void) { atomic_fetch_add(&n_forks, 1); }
static void watch_forks(void) { pthread_atfork(NULL, NULL, count_fork); }

/* As many workers as the system gives; with none, loops run in their callers. */
static void start_workers(bt_pool *pool)
{
    sigset_t all, before;
    int n = 0;
    sigfillset(&all); /* signals are for the host program's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; n < pool->n_threads - 1; n++) {
        worker_start *start = bt_alloc(sizeof *start);
        if (!start) break;
        *start = (worker_start){pool, n + 1};
        if (pthread_create(&pool->workers[n], NULL, worker_main, start)) {
            bt_free(start);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&pool->n_workers, n);
    pool->started = true;
}

/* ---- The pool ----------------------------------------------------------------------------------------- */

bt_pool *bt_pool_new(int threads)
{
    pthread_once(&forks_watched, watch_forks);
    if (threads <= 0) threads = bt_cpu_available();
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    bt_pool *pool = bt_calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->n_threads = threads;
    pool->forks = atomic_load(&n_forks);
    pool->workers = bt_calloc((size_t)threads, sizeof *pool->workers);
    if (pool->workers) return pool;
    bt_free(pool);
    return NULL;
}

void bt_pool_free(bt_pool *pool)
{
    if (!pool) return;
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->wake, 1);
    futex_wake(&pool->wake, MOST_THREADS);
    if (pool->forks == atomic_load(&n_forks)) /* a child does not have its parent's threads */
        for (int i = 0; i < pool->n_workers; i++) pthread_join(pool->workers[i], NULL);
    bt_free(pool->workers);
    bt_free(pool);
}

int bt_pool_threads(const bt_pool *pool) { return pool ? pool->n_threads : 1; }

/* False when another thread of this process runs a loop. A holder from before a fork is not here any more. */
static bool take_pool(bt_pool *pool)
{
    unsigned forks = atomic_load_explicit(&n_forks, memory_order_relaxed), holder = 0;
    while (!atomic_compare_exchange_weak(&pool->busy, &holder, forks + 1))
        if (holder == forks + 1) return false;
    if (pool->started && pool->forks == forks) return true;
    if (pool->forks != forks) {
        pool->forks = forks;
        pool->sleepers = 0;
        pool->state = pool->state & ~(OPEN | INSIDE);
    }
    start_workers(pool);
    return true;
}

static void wait_until_empty(bt_pool *pool)
{
    for (;;) {
        uint32_t emptied = atomic_load(&pool->emptied);
        if (!(atomic_load(&pool->state) & INSIDE)) return;
        if (!spin(&pool->emptied, emptied)) futex_wait(&pool->emptied, emptied);
    }
}

void bt_parallel(bt_pool *pool, int64_t n, int64_t grain, bt_range_fn *body, void *user)
{
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    if (!pool || pool->n_threads < 2 || n <= grain || in_loop || !take_pool(pool)) {
        body(user, 0, n, 0);
        return;
    }
    int64_t parts = (int64_t)pool->n_threads * RANGES_A_THREAD, range = n / parts + (n % parts != 0);
    pool->body = body;
    pool->user = user;
    pool->n = n;
    pool->range = range < grain ? grain : range;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store(&pool->state, ((pool->state >> LOOP_SHIFT) + 1) << LOOP_SHIFT | OPEN);
    atomic_fetch_add(&pool->wake, 1);
    if (atomic_load(&pool->sleepers)) {
        int64_t helpers = (n - 1) / pool->range;
        futex_wake(&pool->wake, helpers < pool->n_threads ? (int)helpers : pool->n_threads);
    }
    work(pool, 0);
    atomic_fetch_and(&pool->state, ~OPEN);
    wait_until_empty(pool);
    atomic_store(&pool->busy, 0);
}
