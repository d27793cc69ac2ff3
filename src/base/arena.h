/* Arena: a bump allocator that owns a model's, a graph's or a plan's small objects; freed as a whole. */
#ifndef BT_ARENA_H
#define BT_ARENA_H

#include "base/mem.h"

typedef struct bt_arena {
    struct bt_chunk *chunk; /* newest first */
    size_t used, room;      /* of the newest chunk */
    size_t total;           /* bytes of all chunks */
} bt_arena;

void bt_arena_init(bt_arena *arena); /* no allocation */
void bt_arena_free(bt_arena *arena);
void *bt_arena_alloc(bt_arena *arena, size_t bytes);  /* 16-byte aligned, zeroed; NULL when out of memory */
void *bt_arena_alloc_aligned(bt_arena *arena, size_t bytes, size_t align); /* align <= 64; zeroed */
char *bt_arena_copy(bt_arena *arena, const char *text, size_t n); /* adds a NUL */
char *bt_arena_print(bt_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define bt_arena_new(arena, type) ((type *)bt_arena_alloc(arena, sizeof(type)))
#define bt_arena_array(arena, type, n) ((type *)bt_arena_alloc_n(arena, n, sizeof(type)))
void *bt_arena_alloc_n(bt_arena *arena, size_t n, size_t bytes); /* overflow-checked */

#endif
