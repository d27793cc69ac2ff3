/* Torture: a piece of work is done again and again while its first, second, third... allocation fails, until
 * none does. It must come back each time, leak nothing (the address sanitizer looks) and say that it failed. */
#ifndef TORTURE_H
#define TORTURE_H

#include "base/mem.h"
#include "check.h"

/* work(user) gives true when all went well. Returns the number of allocations of the last, whole pass. With
 * `absorbed`, work may go well although an allocation failed (caches, threads that need not be). */
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

#endif
