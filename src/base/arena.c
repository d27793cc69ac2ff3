/* Arena: a chain of chunks, each filled from its front, and zeroed only as it is: what no object needs is not touched, and
 * so not taken from the system. Nothing is ever given back singly. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct bt_chunk {
    struct bt_chunk *next; /* older */
    _Alignas(64) char bytes[];
} bt_chunk;

static const size_t least_chunk = 4096 - sizeof(bt_chunk), most_chunk = ((size_t)1 << 20) - sizeof(bt_chunk);

void bt_arena_init(bt_arena *arena) { *arena = (bt_arena){0}; }

void bt_arena_free(bt_arena *arena)
{
    for (bt_chunk *next, *chunk = arena->chunk; chunk; chunk = next) next = chunk->next, bt_free(chunk);
    bt_arena_init(arena);
}

static bt_chunk *chunk_new(bt_arena *arena, size_t room)
{
    size_t bytes;
    bt_chunk *chunk = bt_add(room, sizeof *chunk, &bytes) ? bt_alloc(bytes) : NULL;
    if (chunk) arena->total += bytes;
    return chunk;
}

/* Not zeroed. */
static void *take(bt_arena *arena, size_t bytes, size_t align)
{
    size_t at = bt_align(arena->used, align);
    if (arena->chunk && at <= arena->room && bytes <= arena->room - at) {
        arena->used = at + bytes;
        return arena->chunk->bytes + at;
    }
    /* Chunks grow with the arena, so that their number is logarithmic at first and waste is bounded later. */
    size_t room = arena->total < least_chunk  ? least_chunk
                  : arena->total > most_chunk ? most_chunk
                                              : arena->total;
    bool alone = bytes > room / 4; /* a large object gets a chunk of its own, behind the one being filled */
    bt_chunk *chunk = chunk_new(arena, alone ? bytes : room);
    if (!chunk) return NULL;
    if (alone && arena->chunk) {
        chunk->next = arena->chunk->next;
        arena->chunk->next = chunk;
    } else {
        chunk->next = arena->chunk;
        arena->chunk = chunk;
        arena->room = alone ? bytes : room;
        arena->used = bytes;
    }
    return chunk->bytes;
}

void *bt_arena_alloc_aligned(bt_arena *arena, size_t bytes, size_t align)
{
    void *p = take(arena, bytes, align);
    return p && bytes ? memset(p, 0, bytes) : p;
}

void *bt_arena_alloc(bt_arena *arena, size_t bytes) { return bt_arena_alloc_aligned(arena, bytes, 16); }

void *bt_arena_alloc_n(bt_arena *arena, size_t n, size_t bytes)
{
    size_t total;
    return bt_mul(n, bytes, &total) ? bt_arena_alloc(arena, total) : NULL;
}

char *bt_arena_copy(bt_arena *arena, const char *text, size_t n)
{
    size_t bytes;
    char *copy = bt_add(n, 1, &bytes) ? take(arena, bytes, 1) : NULL;
    if (copy && n) memcpy(copy, text, n);
    if (copy) copy[n] = 0;
    return copy;
}

char *bt_arena_print(bt_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : take(arena, (size_t)n + 1, 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
