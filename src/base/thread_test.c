/* The pool: every index once, from many callers, nested, after a fork, and at the limits of cgroups. */
#include "base/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "torture.h"

enum { MOST = 1 << 16 };

typedef struct loop {
    uint8_t *seen;
    int64_t n, grain;
    int threads;
    bt_pool *pool; /* nested loops over it */
    _Atomic int64_t sum, faults;
} loop;

static void add_range(void *user, int64_t begin, int64_t end, int worker)
{
    loop *l = user;
    (void)worker;
    atomic_fetch_add(&l->sum, end - begin);
}

static void mark_range(void *user, int64_t begin, int64_t end, int worker)
{
    loop *l = user;
    bool short_range = end - begin < l->grain && end != l->n;
    if (worker < 0 || worker >= l->threads || begin >= end || end > l->n || short_range) l->faults++;
    for (int64_t i = begin; i < end; i++) l->seen[i]++;
    if (l->pool) bt_parallel(l->pool, 100, 1, add_range, l);
}

static bool loop_is_right(bt_pool *pool, int64_t n, int64_t grain, bool nested)
{
    static _Thread_local uint8_t seen[MOST];
    loop l = {seen, n, grain < 1 ? 1 : grain, bt_pool_threads(pool), nested ? pool : NULL, 0, 0};
    memset(seen, 0, (size_t)n);
    bt_parallel(pool, n, grain, mark_range, &l);
    for (int64_t i = 0; i < n; i++) l.faults += seen[i] != 1;
    return l.faults == 0 && (!l.pool || n == 0 || (l.sum > 0 && l.sum % 100 == 0));
}

static void test_loops(void)
{
    for (int threads = 1; threads <= 8; threads++) {
        bt_pool *pool = bt_pool_new(threads);
        if (!CHECK(pool)) return;
        CHECK_EQ(bt_pool_threads(pool), threads);
        for (int i = 0; i < 200; i++)
            CHECK(loop_is_right(pool, check_int(0, i % 10 ? 300 : MOST), check_int(0, 40), i % 3 == 0));
        bt_pool_free(pool);
    }
    CHECK(loop_is_right(NULL, 1000, 1, true));
    bt_pool_free(bt_pool_new(4)); /* never started */
    bt_pool_free(NULL);
}

static void *caller(void *user)
{
    intptr_t faults = 0;
    for (int i = 0; i < 300; i++) faults += !loop_is_right(user, 1 + i * 7 % 1000, 1 + i % 5, i % 4 == 0);
    return (void *)faults;
}

static void test_many_callers(void)
{
    pthread_t threads[6];
    bt_pool *pool = bt_pool_new(3);
    if (!CHECK(pool)) return;
    for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, caller, pool) == 0);
    for (int i = 0; i < 6; i++) {
        void *faults;
        pthread_join(threads[i], &faults);
        CHECK(!faults);
    }
    bt_pool_free(pool);
}

#ifndef __SANITIZE_THREAD__
static void fork_inside(void *user, int64_t begin, int64_t end, int worker)
{
    static _Atomic int once;
    (void)begin, (void)end, (void)worker;
    if (atomic_fetch_add(&once, 1)) return;
    pid_t child = fork();
    if (child == 0) _exit(loop_is_right(user, 500, 1, false) ? 0 : 1);
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_fork(void)
{
    bt_pool *pool = bt_pool_new(4);
    if (!CHECK(pool)) return;
    CHECK(loop_is_right(pool, 1000, 1, false));
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        bool ok = loop_is_right(pool, 1000, 1, true) && caller(pool) == NULL;
        bt_pool_free(pool);
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    bt_parallel(pool, 100, 1, fork_inside, pool);
    CHECK(loop_is_right(pool, 1000, 1, false));
    bt_pool_free(pool);
}
#endif

/* Without memory for a worker there is one less, and all else goes on. */
static bool one_loop(void *user)
{
    bt_pool *pool = bt_pool_new(4);
    (void)user;
    if (pool) CHECK(loop_is_right(pool, 1000, 1, true));
    bt_pool_free(pool);
    return pool;
}

/* ---- Limits ------------------------------------------------------------------------------------------- */

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = strchr(full + strlen(root) + 1, '/'); p; p = strchr(p + 1, '/'))
        *p = '\0', mkdir(full, 0700), *p = '/';
    FILE *f = fopen(full, "w");
    if (!CHECK(f)) return;
    fputs(text, f);
    fclose(f);
}

static void fresh_root(void)
{
    strcpy(root, "/tmp/berth-cgroup-XXXXXX");
    CHECK(mkdtemp(root));
}

static void drop_root(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    CHECK(system(command) == 0);
}

static void test_cgroups(void)
{
    int64_t free;
    fresh_root();
    CHECK_EQ(bt_cgroup_cpus(root), 0);
    CHECK(bt_cgroup_memory(root, &free) == INT64_MAX && free == INT64_MAX);
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    CHECK_EQ(bt_cgroup_cpus(root), 0);
    put("/sys/fs/cgroup/a/cpu.max", "350000 100000\n");
    CHECK_EQ(bt_cgroup_cpus(root), 4);
    put("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
    CHECK_EQ(bt_cgroup_cpus(root), 1);
    put("/sys/fs/cgroup/a/memory.max", "1000\n");
    put("/sys/fs/cgroup/a/memory.current", "400\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    CHECK_EQ(bt_cgroup_memory(root, &free), 1000);
    CHECK_EQ(free, 600);
    put("/proc/self/cgroup", "0::/not/seen/from/here\n"); /* in a container */
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    CHECK_EQ(bt_cgroup_cpus(root), 2);
    drop_root();

    fresh_root();
    put("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,cpuacct:/x\n3:memory:/x\n0::/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(bt_cgroup_cpus(root), 0);
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "300000\n");
    CHECK_EQ(bt_cgroup_cpus(root), 3);
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(bt_cgroup_memory(root, &free) == INT64_MAX && free == INT64_MAX);
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "5000\n");
    put("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "6000\n");
    CHECK_EQ(bt_cgroup_memory(root, &free), 5000);
    CHECK_EQ(free, 0);
    drop_root();
}

int main(void)
{
    CHECK(bt_cpu_available() >= 1);
    test_loops();
    test_many_callers();
#ifndef __SANITIZE_THREAD__ /* which cannot follow threads into a child */
    test_fork();
#endif
    CHECK(torture(one_loop, NULL, true) == 5);
    test_cgroups();
    return check_done();
}
