/* Named state of a session: a map from (container, name, type) to objects, behind one lock. What the objects are
 * is not known here. To read next: variable.c, the objects that matter most. */
#include "ops/resource.h"

#include <pthread.h>

/* A name, once used, keeps its entry; object is NULL while nothing is there. */
typedef struct entry {
    bt_object *object;
    bt_str key;
} entry;

struct bt_resources {
    pthread_mutex_t lock;
    const bt_source *source;
    bt_map map;
};

bt_resources *bt_resources_new(const bt_source *source)
{
    bt_resources *r = bt_calloc(1, sizeof *r);
    if (!r) return NULL;
    pthread_mutex_init(&r->lock, NULL);
    r->source = source;
    return r;
}

void bt_resources_clear(bt_resources *r)
{
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->map.capacity; i++) {
        entry *e = r->map.entries[i].value;
        if (!e) continue;
        bt_object_free(e->object);
        bt_free(e);
    }
    bt_map_free(&r->map);
    r->map = (bt_map){0};
    pthread_mutex_unlock(&r->lock);
}

void bt_resources_free(bt_resources *r)
{
    if (!r) return;
    bt_resources_clear(r);
    pthread_mutex_destroy(&r->lock);
    bt_free(r);
}

const bt_source *bt_resources_source(const bt_resources *r) { return r->source; }

/* container NUL name NUL type, into room of at least key_bytes(); names come from files and may be long. */
static size_t key_bytes(const char *container, const char *name, const bt_object_type *type)
{
    return strlen(container) + strlen(name) + strlen(type->name) + 2;
}

static void key_write(char *to, const char *container, const char *name, const bt_object_type *type)
{
    size_t n = strlen(container) + 1;
    memcpy(to, container, n), to += n;
    n = strlen(name) + 1;
    memcpy(to, name, n), to += n;
    memcpy(to, type->name, strlen(type->name));
}

/* The entry of a key, added when `add`; NULL when there is none or memory ran out. The lock is held. */
static entry *entry_of(bt_resources *r, const char *container, const char *name, const bt_object_type *type,
                       bool add)
{
    char local[256];
    size_t n = key_bytes(container, name, type);
    char *key = n <= sizeof local ? local : bt_alloc(n);
    if (!key) return NULL;
    key_write(key, container, name, type);
    entry *e = bt_map_get(&r->map, (bt_str){key, n});
    if (!e && add && (e = bt_calloc(1, sizeof *e + n))) {
        char *own = (char *)(e + 1);
        memcpy(own, key, n);
        e->key = (bt_str){own, n};
        if (!bt_map_put(&r->map, e->key, e)) bt_free(e), e = NULL;
    }
    if (key != local) bt_free(key);
    return e;
}

bt_object *bt_resources_get(bt_resources *r, const char *container, const char *name,
                            const bt_object_type *type, bt_object *(*create)(void *user, berth_error *error),
                            void *user, berth_error *error)
{
    pthread_mutex_lock(&r->lock);
    entry *e = entry_of(r, container, name, type, true);
    if (!e) bt_fail_memory(error);
    else if (!e->object) e->object = create(user, error);
    bt_object *object = e ? bt_object_ref(e->object) : NULL;
    pthread_mutex_unlock(&r->lock);
    return object;
}

bt_object *bt_resources_find(bt_resources *r, const char *container, const char *name,
                             const bt_object_type *type)
{
    pthread_mutex_lock(&r->lock);
    entry *e = entry_of(r, container, name, type, false);
    bt_object *object = e ? bt_object_ref(e->object) : NULL;
    pthread_mutex_unlock(&r->lock);
    return object;
}

void bt_resources_remove(bt_resources *r, const char *container, const char *name, const bt_object_type *type)
{
    pthread_mutex_lock(&r->lock);
    entry *e = entry_of(r, container, name, type, false);
    bt_object *object = e ? e->object : NULL;
    if (e) e->object = NULL;
    pthread_mutex_unlock(&r->lock);
    bt_object_free(object);
}

void bt_resources_drop(bt_resources *r, const bt_object *object)
{
    bt_object *found = NULL;
    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->map.capacity && !found; i++) {
        entry *e = r->map.entries[i].value;
        if (!e || e->object != object) continue;
        found = e->object;
        e->object = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    bt_object_free(found);
}
