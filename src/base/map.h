/* Map: string keys to pointers, in the order in which they came. Keys are borrowed and must outlive the map. */
#ifndef BT_MAP_H
#define BT_MAP_H

#include "base/str.h"

typedef struct bt_map_entry {
    bt_str key;
    uint64_t hash;
    void *value; /* not NULL */
} bt_map_entry;

typedef struct bt_map {
    bt_map_entry *entries; /* iterate: all i < count, in the order of insertion */
    size_t count, capacity;
} bt_map;

/* FNV-1a with a final mix: the same everywhere, and so none for hostile keys. */
uint64_t bt_hash(const void *p, size_t n);
void *bt_map_get(const bt_map *map, bt_str key); /* NULL when absent */
/* Adds or replaces; value must not be NULL. False when out of memory. */
bool bt_map_put(bt_map *map, bt_str key, void *value);
void bt_map_free(bt_map *map); /* the table, not the values */
/* Small numbers as values: stored off by one so that 0 is not NULL. */
static inline bool bt_map_put_index(bt_map *map, bt_str key, size_t i)
{
    return bt_map_put(map, key, (void *)(uintptr_t)(i + 1));
}
static inline ptrdiff_t bt_map_get_index(const bt_map *map, bt_str key)
{
    return (ptrdiff_t)(uintptr_t)bt_map_get(map, key) - 1;
}

#endif
