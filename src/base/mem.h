/* Memory: the only callers of malloc and mmap. Every allocation can be made to fail in turn (bt_mem_fail_at). */
#ifndef BT_MEM_H
#define BT_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *bt_alloc(size_t bytes);                    /* 64-byte aligned, uninitialised; NULL when out of memory; size 0 is legal */
void *bt_calloc(size_t n, size_t bytes);         /* 64-byte aligned, zeroed, overflow-checked */
void *bt_realloc(void *p, size_t old_bytes, size_t bytes); /* keeps the first min(old, new) bytes; p stays valid on failure */
void bt_free(void *p);
char *bt_strdup(const char *s);
/* Grows an array to hold at least n elements of `element` bytes: doubles; false when out of memory. */
bool bt_grow(void *array_pointer, size_t *capacity, size_t n, size_t element);

enum { BT_HUGE_PAGE = 2 << 20 };

/* Memory aligned to huge pages and advised to be such, for weights and activations; plain bt_alloc below half of one. A
 * last one that is used to less than half is made of small pages. Fresh memory is zero only when it comes from the
 * system, so treat it as uninitialised. */
void *bt_alloc_huge(size_t bytes);
void bt_free_huge(void *p, size_t bytes);

/* For tests: the n-th allocation from now on fails (1: the next); 0 turns it off. Returns allocations made
 * since the last call. */
uint64_t bt_mem_fail_at(uint64_t n);
/* Allocations so far; a warm run makes none. */
uint64_t bt_mem_count(void);

/* a * b and a + b, false when they overflow. */
static inline bool bt_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool bt_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline size_t bt_align(size_t n, size_t to) { return (n + to - 1) / to * to; }

#endif
