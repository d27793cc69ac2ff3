/* Threads: one pool for the whole process. Workers spin for microseconds, then sleep; nothing is pinned. */
#ifndef BT_THREAD_H
#define BT_THREAD_H

#include "base/mem.h"

typedef struct bt_pool bt_pool;

/* CPUs that this process may use: affinity mask, bounded by the cgroup's quota; at least 1. */
int bt_cpu_available(void);
/* threads 0: bt_cpu_available(). Workers start at the first parallel loop. NULL when out of memory. */
bt_pool *bt_pool_new(int threads);
void bt_pool_free(bt_pool *pool);
int bt_pool_threads(const bt_pool *pool);

/* body(user, begin, end, worker) over disjoint ranges that cover [0, n), at least `grain` long each (but the
 * last); 0 <= worker < bt_pool_threads(). Returns when all are done. The caller takes part; with one thread,
 * n <= grain, a NULL pool or from inside another loop it runs inline as one range. */
typedef void bt_range_fn(void *user, int64_t begin, int64_t end, int worker);
void bt_parallel(bt_pool *pool, int64_t n, int64_t grain, bt_range_fn *body, void *user);

#endif
