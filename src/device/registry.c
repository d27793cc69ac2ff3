/* The list of device kinds, device names as TensorFlow writes them, and the counting that all devices share. */
#include "device/device.h"

#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

static const bt_device_ops *const kinds[] = {
    &bt_cpu_ops,
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

bt_registry *bt_registry_new(berth_error *error)
{
    bt_registry *registry = bt_calloc(1, sizeof *registry);
    size_t n = 0;
    for (int k = 0; k < N_KINDS; k++) n += (size_t)kinds[k]->count();
    bt_device *devices = registry ? bt_calloc(n, sizeof *devices) : NULL;
    if (!devices) return bt_free(registry), bt_fail_memory(error), NULL;
    *registry = (bt_registry){devices, n};
    for (int k = 0; k < N_KINDS; k++)
        for (int i = 0; i < kinds[k]->count() && devices < registry->devices + n; i++, devices++) {
            devices->index = i;
            devices->ops = kinds[k];
            snprintf(devices->name, sizeof devices->name, "/%s:%d", kinds[k]->kind, i);
        }
    registry->n_devices = (size_t)(devices - registry->devices);
    return registry;
}

void bt_registry_free(bt_registry *registry)
{
    if (!registry) return;
    bt_free(registry->devices);
    bt_free(registry);
}

bt_device *bt_registry_find(bt_registry *registry, const char *text, berth_error *error)
{
    bt_device_name name;
    if (bt_device_parse(text, &name, error)) return NULL;
    for (size_t i = 0; i < registry->n_devices; i++) {
        bt_device *device = &registry->devices[i];
        if ((!name.kind || strcmp(device->ops->kind, name.kind) == 0) &&
            (name.index < 0 || device->index == name.index))
            return device;
    }
    bt_text there = {0};
    for (size_t i = 0; i < registry->n_devices; i++)
        bt_text_print(&there, "%s%s", i ? ", " : "", registry->devices[i].name);
    bt_fail(error, BERTH_DEVICE, "device '%s' is not there; there is %s", text, there.p ? there.p : "none");
    bt_text_free(&there);
    return NULL;
}

/* ---- Counted memory ----------------------------------------------------------------------------------- */

void *bt_device_alloc(bt_device *device, size_t bytes, berth_error *error)
{
    void *p = bytes > INT64_MAX ? NULL : device->ops->alloc(device, bytes);
    if (!p) {
        bt_fail(error, device->ops == &bt_cpu_ops ? BERTH_NO_MEMORY : BERTH_DEVICE,
                "%s: out of memory: no %zu bytes more beside the %lld in use", device->name, bytes,
                (long long)atomic_load(&device->in_use));
        return NULL;
    }
    int64_t now = atomic_fetch_add(&device->in_use, (int64_t)bytes) + (int64_t)bytes,
            peak = atomic_load(&device->peak);
    while (now > peak && !atomic_compare_exchange_weak(&device->peak, &peak, now)) continue;
    return p;
}

void bt_device_free(bt_device *device, void *p, size_t bytes)
{
    if (!p) return;
    device->ops->free(device, p, bytes);
    atomic_fetch_sub(&device->in_use, (int64_t)bytes);
}
