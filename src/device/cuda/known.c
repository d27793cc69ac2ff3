/* What libraries were asked for, and how they do it: a table by the bytes of the question. Looking something up may take the
 * library long, and is done under the table's lock, once. */
#include "base/map.h"
#include "device/cuda/cuda.h"

enum { MOST_PLANS = 4096 };

void bt_cu_plans_init(bt_cu_plans *plans) { pthread_mutex_init(&plans->lock, NULL); }

bt_cu_known *bt_cu_plans_find(bt_cu_plans *plans, const void *what, size_t bytes,
                              bt_cu_known *(*make)(void *user, const void *what), void *user)
{
    bt_cu_known **bucket = &plans->buckets[bt_hash(what, bytes) % BT_CU_BUCKETS], *p;
    pthread_mutex_lock(&plans->lock);
    for (p = *bucket; p && memcmp(p->what, what, bytes); p = p->next) continue;
    if (!p && make && plans->n < MOST_PLANS && (p = make(user, what)))
        p->next = *bucket, *bucket = p, plans->n++;
    pthread_mutex_unlock(&plans->lock);
    return p && !p->is_refused ? p : NULL;
}

void bt_cu_plans_free(bt_cu_plans *plans, void (*drop)(bt_cu_known *plan))
{
    for (int i = 0; i < BT_CU_BUCKETS; i++)
        for (bt_cu_known *p = plans->buckets[i], *next; p; p = next) next = p->next, drop(p), bt_free(p);
    pthread_mutex_destroy(&plans->lock);
}
