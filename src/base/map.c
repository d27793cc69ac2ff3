/* Map: linear probing in a table whose size is a power of two, at most three quarters full. Nothing is ever
 * removed, so a probe ends at the first empty slot. */
#include "base/map.h"

uint64_t bt_hash(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ bytes[i]) * 0x100000001b3u;
    h ^= h >> 32; /* FNV's low bits alone know little of the first bytes */
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

/* The slot of the key, or the empty one where it belongs; the table must not be empty. */
static bt_map_entry *slot_of(const bt_map *map, bt_str key, uint64_t hash)
{
    size_t mask = map->capacity - 1, i = hash & mask;
    while (map->entries[i].value && !(map->entries[i].hash == hash && bt_str_equal(map->entries[i].key, key)))
        i = (i + 1) & mask;
    return &map->entries[i];
}

void *bt_map_get(const bt_map *map, bt_str key)
{
    return map->count ? slot_of(map, key, bt_hash(key.p, key.n))->value : NULL;
}

static bool enlarge(bt_map *map)
{
    bt_map larger = {.count = map->count};
    if (!bt_mul(map->capacity ? map->capacity : 8, 2, &larger.capacity)) return false;
    larger.entries = bt_calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries) return false;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].value)
            *slot_of(&larger, map->entries[i].key, map->entries[i].hash) = map->entries[i];
    bt_free(map->entries);
    *map = larger;
    return true;
}

bool bt_map_put(bt_map *map, bt_str key, void *value)
{
    if ((map->count + 1) > map->capacity / 4 * 3 && !enlarge(map)) return false;
    uint64_t hash = bt_hash(key.p, key.n);
    bt_map_entry *entry = slot_of(map, key, hash);
    map->count += !entry->value;
    *entry = (bt_map_entry){key, hash, value};
    return true;
}

void bt_map_free(bt_map *map)
{
    bt_free(map->entries);
    *map = (bt_map){0};
}
