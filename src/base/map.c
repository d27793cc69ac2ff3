/* Map: the entries in order, and behind them, in the same block, twice as many slots that find them: linear
 * probing, a slot being the entry's number plus one, or 0. Nothing is ever removed, so a probe ends at the
 * first empty slot. Keys come out of model files: the hash has a secret, so that no file can be made to collide. */
#include "base/map.h"

#include <stdatomic.h>
#include <sys/auxv.h>

uint64_t bt_hash(const void *p, size_t n)
{
    const uint8_t *bytes = p;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ bytes[i]) * 0x100000001b3u;
    h ^= h >> 32; /* FNV's low bits alone know little of the first bytes */
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

/* ---- The hash with a secret --------------------------------------------------------------------------- */

typedef struct secret {
    uint64_t a, b;
} secret;

/* 16 bytes that the kernel gives every process at its start. */
static secret secret_of_process(void)
{
    static _Atomic uint64_t a, b; /* two threads that race here write the same */
    secret s = {atomic_load_explicit(&a, memory_order_relaxed),
                atomic_load_explicit(&b, memory_order_relaxed)};
    if (s.a && s.b) return s;
    const void *random = (const void *)getauxval(AT_RANDOM);
    if (random) memcpy(&s, random, sizeof s);
    s.a |= 1, s.b |= 1;
    atomic_store_explicit(&a, s.a, memory_order_relaxed);
    atomic_store_explicit(&b, s.b, memory_order_relaxed);
    return s;
}

/* Both halves of the product: every bit of x and y has a say in every bit. */
static uint64_t fold(uint64_t x, uint64_t y)
{
    unsigned __int128 product = (unsigned __int128)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_key(bt_str key)
{
    secret s = secret_of_process();
    uint64_t h = fold(s.a ^ key.n, s.b), words[2];
    size_t at = 0;
    for (; key.n - at > sizeof words; at += sizeof words) {
        memcpy(words, key.p + at, sizeof words);
        h = fold(words[0] ^ s.a, words[1] ^ h);
    }
    words[0] = words[1] = 0;
    if (key.n) memcpy(words, key.p + at, key.n - at);
    return fold(words[0] ^ s.a, words[1] ^ h) ^ h;
}

/* ---- The table ---------------------------------------------------------------------------------------- */

static uint32_t *slots_of(const bt_map *map) { return (uint32_t *)(map->entries + map->capacity); }

/* The slot of the key, or the empty one where it belongs; the table must not be empty. */
static uint32_t *find(const bt_map *map, bt_str key, uint64_t hash)
{
    uint32_t *slots = slots_of(map);
    size_t mask = map->capacity * 2 - 1, i = hash & mask;
    for (; slots[i]; i = (i + 1) & mask) {
        const bt_map_entry *entry = &map->entries[slots[i] - 1];
        if (entry->hash == hash && bt_str_equal(entry->key, key)) break;
    }
    return &slots[i];
}

void *bt_map_get(const bt_map *map, bt_str key)
{
    uint32_t slot = map->count ? *find(map, key, hash_key(key)) : 0;
    return slot ? map->entries[slot - 1].value : NULL;
}

static bool enlarge(bt_map *map)
{
    bt_map larger = {.count = map->count, .capacity = map->capacity ? map->capacity * 2 : 8};
    if (larger.capacity > UINT32_MAX) return false;
    larger.entries = bt_calloc(larger.capacity, sizeof *larger.entries + 2 * sizeof(uint32_t));
    if (!larger.entries) return false;
    uint32_t *slots = slots_of(&larger);
    size_t mask = larger.capacity * 2 - 1;
    for (size_t n = 0; n < map->count; n++) {
        size_t i = map->entries[n].hash & mask;
        while (slots[i]) i = (i + 1) & mask;
        slots[i] = (uint32_t)n + 1;
        larger.entries[n] = map->entries[n];
    }
    bt_free(map->entries);
    *map = larger;
    return true;
}

bool bt_map_put(bt_map *map, bt_str key, void *value)
{
    if (map->count == map->capacity && !enlarge(map)) return false;
    uint64_t hash = hash_key(key);
    uint32_t *slot = find(map, key, hash);
    if (!*slot) *slot = (uint32_t)++map->count;
    map->entries[*slot - 1] = (bt_map_entry){key, hash, value};
    return true;
}

void bt_map_free(bt_map *map)
{
    bt_free(map->entries);
    *map = (bt_map){0};
}
