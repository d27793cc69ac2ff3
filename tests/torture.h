/* Torture: a piece of work is done again and again while its first, second, third... allocation fails, until
 * none does. It must come back each time, leak nothing (the address sanitizer looks) and say that it failed. */
#ifndef TORTURE_H
#define TORTURE_H

#include "base/error.h"
#include "base/mem.h"
#include "check.h"

/* work(user) gives true when all went well. Returns the number of allocations of the last, whole pass. With
 * `absorbed`, work may go well although an allocation failed (caches, threads that need not be, a look at whether
 * a file is there). */
static inline uint64_t torture(bool (*work)(void *user), void *user, bool absorbed)
{
    for (uint64_t n = 1;; n++) {
        bt_mem_fail_at(n);
        bool ok = work(user);
        uint64_t made = bt_mem_fail_at(0);
        if (made < n) {
            CHECK(ok);
            return made;
        }
        if (!absorbed && !CHECK(!ok))
            printf("    allocation %llu failed and nobody said so\n", (unsigned long long)n);
    }
}

typedef struct torture_work {
    berth_status (*work)(void *user);
    void *user;
} torture_work;

static inline bool torture_went_well(void *user)
{
    const torture_work *w = user;
    berth_status status = w->work(w->user);
    CHECK(status == BERTH_OK || status == BERTH_NO_MEMORY);
    return status == BERTH_OK;
}

/* The same of work that gives a status, which is no other than out of memory when it fails. */
static inline uint64_t torture_status(berth_status (*work)(void *user), void *user, bool absorbed)
{
    torture_work w = {work, user};
    return torture(torture_went_well, &w, absorbed);
}

#endif
