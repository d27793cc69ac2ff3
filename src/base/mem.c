/* Memory: the one place that asks the system for any. Every request is counted, and a test can have the n-th
 * one refused. See arena.c for small objects that live and die together. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGNMENT = 64 };

static _Atomic uint64_t n_allocations; /* ever */
static _Atomic uint64_t refused;       /* the number of the allocation that fails; 0: none */
static _Atomic uint64_t marked;        /* n_allocations at the last bt_mem_fail_at */

static bool allowed(void)
{
    uint64_t number = atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed) + 1;
    return number != atomic_load_explicit(&refused, memory_order_relaxed);
}

uint64_t bt_mem_count(void) { return atomic_load(&n_allocations); }

uint64_t bt_mem_fail_at(uint64_t n)
{
    uint64_t now = atomic_load(&n_allocations);
    atomic_store(&refused, n ? now + n : 0);
    return now - atomic_exchange(&marked, now);
}

static void *aligned(size_t bytes)
{
    void *p = NULL;
    /* Sizes beyond PTRDIFF_MAX cannot be indexed: refuse them before the allocator has a say. */
    if (bytes > PTRDIFF_MAX || posix_memalign(&p, ALIGNMENT, bytes ? bytes : 1)) return NULL;
    return p;
}

void *bt_alloc(size_t bytes) { return allowed() ? aligned(bytes) : NULL; }

void *bt_calloc(size_t n, size_t bytes)
{
    size_t total;
    void *p = bt_mul(n, bytes, &total) ? bt_alloc(total) : NULL;
    return p ? memset(p, 0, total) : NULL;
}

void *bt_realloc(void *p, size_t old_bytes, size_t bytes)
{
    void *q = bt_alloc(bytes);
    if (!q || !p) return q;
    memcpy(q, p, old_bytes < bytes ? old_bytes : bytes);
    bt_free(p);
    return q;
}

void bt_free(void *p) { free(p); }

char *bt_strdup(const char *s)
{
    size_t bytes = strlen(s) + 1;
    char *copy = bt_alloc(bytes);
    return copy ? memcpy(copy, s, bytes) : NULL;
}

bool bt_grow(void *array_pointer, size_t *capacity, size_t n, size_t element)
{
    if (n <= *capacity) return true;
    size_t wanted = *capacity < 8 ? 8 : *capacity * 2, bytes;
    if (wanted < n) wanted = n;
    if (!bt_mul(wanted, element, &bytes)) return false;
    void *array;
    memcpy(&array, array_pointer, sizeof array);
    array = bt_realloc(array, *capacity * element, bytes);
    if (!array) return false;
    memcpy(array_pointer, &array, sizeof array);
    *capacity = wanted;
    return true;
}

#ifdef __SANITIZE_ADDRESS__ /* from malloc, so that an overrun is seen */

void *bt_alloc_huge(size_t bytes) { return bt_alloc(bytes); }

void bt_free_huge(void *p, size_t bytes)
{
    (void)bytes;
    bt_free(p);
}

#else

static const size_t huge_page = BT_HUGE_PAGE, huge_least = BT_HUGE_PAGE / 2;

/* Of a last huge page that is used to less than half, small pages: what is not used is not taken. */
static size_t kept_bytes(size_t bytes)
{
    size_t rest = bytes % huge_page;
    return bytes > huge_page && rest < huge_page / 2 ? bt_align(bytes, (size_t)sysconf(_SC_PAGESIZE))
                                                      : bt_align(bytes, huge_page);
}

void *bt_alloc_huge(size_t bytes)
{
    if (bytes < huge_least) return bt_alloc(bytes);
    if (!allowed() || bytes > PTRDIFF_MAX - 2 * huge_page) return NULL;
    size_t kept = kept_bytes(bytes), mapped = kept + huge_page;
    char *p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t head = (huge_page - (uintptr_t)p % huge_page) % huge_page, tail = mapped - head - kept;
    if (head) munmap(p, head);
    if (tail) munmap(p + head + kept, tail);
#ifdef MADV_HUGEPAGE
    madvise(p + head, kept, MADV_HUGEPAGE); /* a refusal costs speed only */
#endif
    return p + head;
}

void bt_free_huge(void *p, size_t bytes)
{
    if (bytes < huge_least) bt_free(p);
    else if (p) munmap(p, kept_bytes(bytes));
}

#endif
