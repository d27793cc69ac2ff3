/* The store of packed weights: entries in blocks of huge pages. Large ones have a block of their own, and small ones fill what
 * is left over of others. */
#include "plan/store.h"

#include <pthread.h>

#include "device/watch.h"

enum { BLOCK = 2 * BT_HUGE_PAGE, N_OPEN = 2 };

typedef struct block {
    uint8_t *data;
    size_t bytes, used;
    int live; /* entries in it */
} block;

struct bt_packed {
    const void *constant; /* the bytes in the file, and what they are taken for; NULL: of one plan alone, never found again */
    berth_dtype dtype;
    bt_shape shape;
    char *layout;
    void *data;
    int refs;
    block *home;
    bt_packed *next; /* in its bucket */
};

enum { BUCKETS = 512 };

struct bt_store {
    const bt_source *source;
    bt_device *device;
    pthread_mutex_t lock;
    bt_packed *buckets[BUCKETS];
    block *open[N_OPEN]; /* those with the most room left, which later entries get; or NULL */
    int64_t bytes;
    bool is_estimate;
};

bt_store *bt_store_new(const bt_source *source, bt_device *device)
{
    bt_store *store = bt_calloc(1, sizeof *store);
    if (!store) return NULL;
    store->source = source, store->device = device;
    pthread_mutex_init(&store->lock, NULL);
    return store;
}

bt_store *bt_store_new_estimate(const bt_source *source, bt_device *device)
{
    bt_store *store = bt_store_new(source, device);
    if (store) store->is_estimate = true;
    return store;
}

bool bt_store_is_estimate(const bt_store *store) { return store->is_estimate; }

static void block_drop(bt_store *store, block *b)
{
    if (--b->live) return;
    store->bytes -= (int64_t)b->bytes;
    for (int i = 0; i < N_OPEN; i++)
        if (store->open[i] == b) store->open[i] = NULL;
    bt_device_free(store->device, b->data, b->bytes);
    bt_free(b);
}

void bt_store_free(bt_store *store)
{
    if (!store) return;
    pthread_mutex_destroy(&store->lock);
    bt_free(store);
}

int64_t bt_store_bytes(const bt_store *store) { return store->bytes; }

static block *block_new(bt_store *store, size_t bytes, berth_error *error)
{
    block *b = bt_calloc(1, sizeof *b);
    if (!b) return bt_fail_memory(error), NULL;
    b->bytes = bytes;
    b->data = bt_device_alloc(store->device, bytes, error);
    if (!b->data) return bt_free(b), NULL;
    store->bytes += (int64_t)bytes;
    return b;
}

static size_t room_in(const block *b) { return b && b->used < b->bytes ? b->bytes - b->used : 0; }

/* The open block with the least room that is enough; NULL: none. */
static block *block_with(const bt_store *store, size_t bytes)
{
    block *best = NULL;
    for (int i = 0; i < N_OPEN; i++)
        if (room_in(store->open[i]) >= bytes && (!best || room_in(store->open[i]) < room_in(best)))
            best = store->open[i];
    return best;
}

static void block_open(bt_store *store, block *b)
{
    block **least = &store->open[0];
    for (int i = 1; i < N_OPEN; i++)
        if (room_in(store->open[i]) < room_in(*least)) least = &store->open[i];
    if (room_in(b) > room_in(*least)) *least = b;
}

/* A last huge page that is used to half or more is taken whole (base/mem.h), and what is left of it is for others. */
static size_t block_bytes(size_t bytes)
{
    if (bytes < BT_HUGE_PAGE) return BLOCK;
    return bytes % BT_HUGE_PAGE >= BT_HUGE_PAGE / 2 ? bt_align(bytes, BT_HUGE_PAGE) : bytes;
}

/* Room for an entry; its block counts it. */
static block *room_for(bt_store *store, size_t bytes, void **data, berth_error *error)
{
    /* Where every byte counts none is taken ahead. */
    bool exact = store->device->limit || store->is_estimate;
    size_t taken = bt_align(bytes ? bytes : 1, 64);
    block *b = exact ? NULL : block_with(store, taken);
    if (!b && !(b = block_new(store, exact ? bytes : block_bytes(bytes), error))) return NULL;
    *data = b->data + b->used;
    b->used += taken;
    if (++b->live == 1) block_open(store, b);
    return b;
}

static bt_packed **bucket(bt_store *store, const void *constant, const char *layout)
{
    uint64_t hash = bt_hash(layout, strlen(layout)) ^ bt_hash(&constant, sizeof constant);
    return &store->buckets[hash % BUCKETS];
}

static bool is_for(const bt_packed *e, const bt_tensor *constant, const char *layout)
{
    return e->constant == constant->data && e->dtype == constant->dtype && bt_shape_equal(&e->shape, &constant->shape) &&
           !strcmp(e->layout, layout);
}

static bt_packed *find(bt_store *store, const bt_tensor *constant, const char *layout)
{
    bt_packed *e = *bucket(store, constant->data, layout);
    while (e && !is_for(e, constant, layout)) e = e->next;
    return e;
}

/* constant NULL: it will not be found again. */
static bt_packed *entry_new(bt_store *store, const bt_tensor *constant, const char *layout, size_t bytes,
                            berth_error *error)
{
    bt_packed *e = bt_calloc(1, sizeof *e);
    if (!e || !(e->layout = bt_strdup(layout)) || !(e->home = room_for(store, bytes, &e->data, error))) {
        if (e) bt_free(e->layout);
        bt_free(e);
        return NULL;
    }
    if (constant) e->constant = constant->data, e->dtype = constant->dtype, e->shape = constant->shape;
    e->refs = 1;
    return e;
}

static void entry_free(bt_store *store, bt_packed *e)
{
    block_drop(store, e->home);
    bt_free(e->layout);
    bt_free(e);
}

/* Packs in place on the host, else into host memory that goes over to the device. */
static berth_status fill(bt_store *store, void *dst, size_t bytes, bt_pack_fn *pack, void *user,
                         berth_error *error)
{
    bt_device *device = store->device;
    if (!device->ops->compile) return pack(user, dst, error);
    void *staging = bt_alloc_huge(bytes ? bytes : 1);
    if (!staging) return bt_fail_memory(error);
    berth_status status = pack(user, staging, error);
    if (!status) status = bt_device_upload(device, dst, staging, bytes, error);
    if (!status) status = device->ops->sync(device, error);
    bt_free_huge(staging, bytes ? bytes : 1);
    return status;
}

static void enter(bt_store *store, bt_packed *e)
{
    bt_packed **head = bucket(store, e->constant, e->layout);
    e->next = *head, *head = e;
}

/* Packs a new entry and, when it can be found again, enters it. */
static bt_packed *make(bt_store *store, bt_file *file, const bt_tensor *constant, const char *layout,
                       size_t bytes, bt_pack_fn *pack, void *user, berth_error *error)
{
    if (store->is_estimate) {
        bt_packed *e = entry_new(store, file ? constant : NULL, layout, bytes, error);
        if (e && file) enter(store, e);
        return e;
    }
    if (file && bt_file_unchanged(file, error)) return NULL;
    if (file && bt_source_verify(store->source, constant, error)) return NULL;
    bt_packed *e = entry_new(store, file ? constant : NULL, layout, bytes, error);
    if (!e) return bt_fail_memory(error), NULL;
    if (fill(store, e->data, bytes, pack, user, error)) return entry_free(store, e), NULL;
    if (!file) return e;
    enter(store, e);
    bt_file_release(file, constant->data, bt_tensor_bytes(constant));
    return e;
}

bt_packed *bt_store_get(bt_store *store, const bt_tensor *constant, const char *layout, size_t bytes,
                        bt_pack_fn *pack, void *user, berth_error *error)
{
    /* Only bytes that stay where they are can be recognised again: those of a mapped file. */
    bt_file *file = bt_source_file_of(store->source, constant->data);
    pthread_mutex_lock(&store->lock);
    bt_packed *e = file ? find(store, constant, layout) : NULL;
    if (e) e->refs++;
    else e = make(store, file, constant, layout, bytes, pack, user, error);
    pthread_mutex_unlock(&store->lock);
    return e;
}

const void *bt_packed_data(const bt_packed *packed) { return packed->data; }

void bt_packed_free(bt_store *store, bt_packed *packed)
{
    if (!packed) return;
    pthread_mutex_lock(&store->lock);
    if (--packed->refs == 0) {
        bt_packed **link = packed->constant ? bucket(store, packed->constant, packed->layout) : NULL;
        while (link && *link != packed) link = &(*link)->next;
        if (link) *link = packed->next;
        entry_free(store, packed);
    }
    pthread_mutex_unlock(&store->lock);
}
