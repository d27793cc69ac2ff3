/* The list of device kinds, device names as TensorFlow writes them, and the counting that all devices share. */
#include "device/device.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

static const bt_device_ops *const kinds[] = {
    &bt_cpu_ops,
    &bt_opencl_ops,
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* Kinds that a name may ask for, whether or not this build or machine has them. */
static const char *const kind_names[] = {"CPU", "GPU"};

/* ---- Names -------------------------------------------------------------------------------------------- */

static bool parse_kind(bt_str text, bt_device_name *name)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++)
        if (text.n == strlen(kind_names[i]) && strncasecmp(text.p, kind_names[i], text.n) == 0)
            return name->kind = kind_names[i], true;
    return false;
}

static bool parse_index(bt_str text, int *index)
{
    int64_t value;
    if (bt_str_is(text, "*")) return *index = -1, true;
    if (!text.n || text.p[0] < '0' || !bt_str_int(text, &value) || value > UINT16_MAX) return false;
    *index = (int)value;
    return true;
}

/* One part between slashes: KIND, KIND:INDEX, device:KIND[:INDEX], job:NAME, replica:N, task:N. */
static bool parse_part(bt_str part, bt_device_name *name)
{
    bt_str head = part, tail = {part.p + part.n, 0};
    const char *colon = memchr(part.p, ':', part.n);
    if (colon) {
        head.n = (size_t)(colon - part.p);
        tail = (bt_str){colon + 1, part.n - head.n - 1};
    }
    if (bt_str_is(head, "job")) return tail.n > 0;
    if (bt_str_is(head, "replica") || bt_str_is(head, "task")) {
        int ignored;
        return parse_index(tail, &ignored);
    }
    if (name->kind) return false; /* a second kind */
    if (bt_str_is(head, "device")) {
        if (memchr(tail.p, ':', tail.n)) return parse_part(tail, name);
        return bt_str_is(tail, "*") || parse_kind(tail, name);
    }
    return parse_kind(head, name) && (!colon || parse_index(tail, &name->index));
}

berth_status bt_device_parse(const char *text, bt_device_name *name, berth_error *error)
{
    *name = (bt_device_name){.index = -1};
    bool ok = *text && strcmp(text, "/") != 0;
    if (ok && strcasecmp(text, "auto") != 0) {
        for (const char *p = text; ok && *p;) {
            p += *p == '/';
            size_t n = strcspn(p, "/");
            ok = n && parse_part((bt_str){p, n}, name);
            p += n;
        }
    }
    if (!ok)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "device '%s': not a device; use /CPU:0, /GPU:N or auto",
                       text);
    name->is_auto = !name->kind;
    return BERTH_OK;
}

/* ---- The devices of a context ------------------------------------------------------------------------- */

enum { MAX_DEVICES = 64 };

struct bt_registry {
    pthread_mutex_t lock; /* while the rest of the kinds is asked */
    atomic_int n_kinds;   /* asked so far */
    atomic_size_t n_devices;
    bt_device devices[MAX_DEVICES]; /* never move */
};

static void add_kind(bt_registry *registry, const bt_device_ops *ops)
{
    int count = ops->count(), index = 0;
    size_t n = registry->n_devices;
    for (size_t i = 0; i < n; i++) index += !strcmp(registry->devices[i].ops->kind, ops->kind);
    for (int i = 0; i < count && n < MAX_DEVICES; i++, index++) {
        bt_device *device = &registry->devices[n++];
        device->index = index, device->ordinal = i, device->ops = ops;
        snprintf(device->name, sizeof device->name, "/%s:%d", ops->kind, index);
    }
    registry->n_devices = n;
}

/* Asks the first n kinds. The CPU, which comes first, costs nothing. */
static void open_kinds(bt_registry *registry, int n)
{
    if (atomic_load(&registry->n_kinds) >= n) return;
    pthread_mutex_lock(&registry->lock);
    for (int k = atomic_load(&registry->n_kinds); k < n; k++) {
        add_kind(registry, kinds[k]);
        atomic_store(&registry->n_kinds, k + 1);
    }
    pthread_mutex_unlock(&registry->lock);
}

bt_registry *bt_registry_new(berth_error *error)
{
    bt_registry *registry = bt_calloc(1, sizeof *registry);
    if (!registry) return bt_fail_memory(error), NULL;
    pthread_mutex_init(&registry->lock, NULL);
    open_kinds(registry, 1);
    return registry;
}

void bt_registry_free(bt_registry *registry)
{
    if (!registry) return;
    for (size_t i = 0; i < registry->n_devices; i++)
        if (registry->devices[i].ops->close) registry->devices[i].ops->close(&registry->devices[i]);
    pthread_mutex_destroy(&registry->lock);
    bt_free(registry);
}

size_t bt_registry_count(bt_registry *registry)
{
    open_kinds(registry, N_KINDS);
    return registry->n_devices;
}

size_t bt_registry_known(bt_registry *registry) { return registry->n_devices; }

bt_device *bt_registry_at(bt_registry *registry, size_t index)
{
    return index < registry->n_devices ? &registry->devices[index] : NULL;
}

bt_device *bt_registry_find(bt_registry *registry, const char *text, berth_error *error)
{
    bt_device_name name;
    if (bt_device_parse(text, &name, error)) return NULL;
    if (name.kind && strcmp(name.kind, bt_cpu_ops.kind)) open_kinds(registry, N_KINDS);
    for (size_t i = 0; i < registry->n_devices; i++) {
        bt_device *device = &registry->devices[i];
        if ((!name.kind || strcmp(device->ops->kind, name.kind) == 0) &&
            (name.index < 0 || device->index == name.index))
            return device;
    }
    bt_text there = {0};
    for (size_t i = 0; i < bt_registry_count(registry); i++)
        bt_text_print(&there, "%s%s", i ? ", " : "", registry->devices[i].name);
    bt_fail(error, BERTH_DEVICE, "device '%s' is not there; there is %s", text, there.p ? there.p : "none");
    bt_text_free(&there);
    return NULL;
}

/* ---- Counted memory ----------------------------------------------------------------------------------- */

static berth_status over_limit(const bt_device *device, size_t bytes, int64_t in_use, berth_error *error)
{
    return bt_fail(error, BERTH_DEVICE, "%s: out of memory: %zu bytes asked, %lld in use, which its limit of %lld bytes does not allow",
                   device->name, bytes, (long long)in_use, (long long)device->limit);
}

/* Bytes are counted before they are taken, so that two threads never pass the limit together. */
void *bt_device_alloc(bt_device *device, size_t bytes, berth_error *error)
{
    int64_t now = atomic_load(&device->in_use), peak;
    bool countable = bytes <= INT64_MAX / 2;
    do {
        if (device->limit && (!countable || now + (int64_t)bytes > device->limit)) return over_limit(device, bytes, now, error), NULL;
    } while (countable && !atomic_compare_exchange_weak(&device->in_use, &now, now + (int64_t)bytes));
    void *p = countable ? device->ops->alloc(device, bytes) : NULL;
    if (!p) {
        if (countable) now = atomic_fetch_sub(&device->in_use, (int64_t)bytes) - (int64_t)bytes;
        bt_fail(error, device->ops == &bt_cpu_ops ? BERTH_NO_MEMORY : BERTH_DEVICE,
                "%s: out of memory: no %zu bytes more beside the %lld in use", device->name, bytes, (long long)now);
        return NULL;
    }
    now += (int64_t)bytes, peak = atomic_load(&device->peak);
    while (now > peak && !atomic_compare_exchange_weak(&device->peak, &peak, now)) continue;
    return p;
}

void bt_device_free(bt_device *device, void *p, size_t bytes)
{
    if (!p) return;
    device->ops->free(device, p, bytes);
    atomic_fetch_sub(&device->in_use, (int64_t)bytes);
}
