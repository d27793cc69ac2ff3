/* The list of device kinds, device names as TensorFlow writes them, and the counting that all devices share. */
#include "device/device.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "base/map.h"
#include "device/ledger.h"

static const bt_device_ops *const kinds[] = {
    &bt_cpu_ops,
    &bt_cuda_ops, /* before OpenCL, which offers the same GPUs once more */
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
    pthread_mutex_t lock; /* while drivers are asked, or devices configured */
    atomic_int n_kinds;   /* asked so far */
    bt_device physical[BT_MAX_HARDWARE]; /* as the drivers list them; their states serve all devices on them */
    int n_physical;
    atomic_size_t n_devices;
    bt_device devices[MAX_DEVICES]; /* what names mean; once fixed they never move */
    bt_config config;
};

/* The hardware of a kind that the environment leaves, in its order. CUDA's driver reads the environment itself. */
static int hardware_of(bt_registry *registry, int kind, bt_device **found)
{
    int n = 0, kept, numbers[BT_MAX_HARDWARE];
    bool is_done = kind != BT_KIND_GPU;
    bt_device *all[BT_MAX_HARDWARE];
    for (int i = 0; i < registry->n_physical; i++) {
        bt_device *device = &registry->physical[i];
        if (bt_kind_number(device->ops->kind) != kind) continue;
        all[n++] = device, is_done |= device->ops == &bt_cuda_ops;
    }
    if (is_done) return memcpy((void *)found, (void *)all, (size_t)n * sizeof *all), n;
    kept = bt_config_environment(numbers, n);
    for (int i = 0; i < kept; i++) found[i] = all[numbers[i]];
    return kept;
}

/* The limit of a device that is not split. */
static berth_status limit_of(const bt_device *device, const bt_device_config *config, int64_t *limit, berth_error *error)
{
    bt_device_props props;
    *limit = config->limit > 0 ? config->limit : 0;
    if (config->fraction < 0) return BERTH_OK;
    berth_status status = device->ops->info(device, &props, error);
    if (!status) *limit = (int64_t)(config->fraction * (double)props.memory_total);
    return status;
}

/* Limits that together pass what there is would let one logical device starve another. */
static berth_status check_split(const bt_device *device, int number, const bt_device_config *config, berth_error *error)
{
    bt_device_props props;
    double sum = 0;
    for (int i = 0; i < config->n_logical; i++) sum += (double)config->logical[i];
    if (sum == 0) return BERTH_OK;
    berth_status status = device->ops->info(device, &props, error);
    if (!status && props.memory_total > 0 && sum > (double)props.memory_total)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "device '/%s:%d': its logical devices overlap: %.0f bytes together, of %lld",
                       device->ops->kind, number, sum, (long long)props.memory_total);
    return status;
}

typedef struct lister {
    bt_device devices[MAX_DEVICES];
    size_t n;
    int index; /* of the next device of the kind */
} lister;

static void add_device(lister *l, bt_device *physical, int64_t limit)
{
    if (l->n == MAX_DEVICES) return;
    bt_device *device = &l->devices[l->n++];
    *device = (bt_device){.index = l->index++, .ordinal = physical->ordinal, .physical = physical, .ops = physical->ops, .limit = limit,
                          .is_cpu_shaped = physical->is_cpu_shaped, .lacks_f64 = physical->lacks_f64};
    snprintf(device->name, sizeof device->name, "/%s:%d", physical->ops->kind, device->index);
}

static berth_status list_device(lister *l, bt_device *physical, int number, const bt_kind_config *kind, berth_error *error)
{
    const bt_device_config *config = &kind->devices[number];
    bool is_cpu = physical->ops == &bt_cpu_ops;
    int64_t limit;
    if (!config->n_logical) {
        berth_status status = limit_of(physical, config, &limit, error);
        for (int i = 0; i < (is_cpu && kind->count > 1 ? kind->count : 1) && !status; i++) add_device(l, physical, limit);
        return status;
    }
    berth_status status = check_split(physical, number, config, error);
    for (int i = 0; i < config->n_logical && !status; i++) add_device(l, physical, config->logical[i]);
    return status;
}

/* What names of a kind mean, by a configuration. */
static berth_status list_kind(bt_registry *registry, const bt_config *config, int k, lister *l, berth_error *error)
{
    const bt_kind_config *kind = &config->kinds[k];
    bt_device *found[BT_MAX_HARDWARE];
    berth_status status = BERTH_OK;
    int n = hardware_of(registry, k, found), n_visible = kind->n_visible >= 0 ? kind->n_visible : n;
    if (k == BT_KIND_GPU && kind->count >= 0 && kind->count < n_visible) n_visible = kind->count;
    l->index = 0;
    for (int i = 0; i < n_visible && !status; i++)
        status = list_device(l, found[kind->n_visible >= 0 ? kind->visible[i] : i], i, kind, error);
    return status;
}

/* Puts a kind's list in the place of the one there was, which may differ in limits alone once it is fixed. */
static berth_status adopt(bt_registry *registry, int k, const lister *l, const char *asked, berth_error *error)
{
    size_t first = 0, n = 0;
    while (first < registry->n_devices && bt_kind_number(registry->devices[first].ops->kind) < k) first++;
    while (first + n < registry->n_devices && bt_kind_number(registry->devices[first + n].ops->kind) == k) n++;
    bt_device *old = registry->devices + first;
    bool is_fixed = n && old->is_fixed, same = !is_fixed || l->n == n;
    for (size_t i = 0; i < n && same; i++) {
        bool fits = i < l->n && old[i].physical == l->devices[i].physical, differs = !fits || old[i].limit != l->devices[i].limit;
        same = is_fixed ? fits && !(differs && atomic_load(&old[i].peak)) : !atomic_load(&old[i].in_use);
    }
    if (!same) return bt_fail(error, BERTH_BAD_ARGUMENT, "device '%s': is in use: it must be configured before its first use", asked);
    for (size_t i = 0; i < n && is_fixed; i++) old[i].limit = l->devices[i].limit;
    if (is_fixed) return BERTH_OK;
    size_t behind = registry->n_devices - first - n;
    if (first + l->n + behind > MAX_DEVICES) return bt_fail(error, BERTH_BAD_ARGUMENT, "device '%s': too many devices", asked);
    memmove(old + l->n, old + n, behind * sizeof *old);
    memcpy(old, l->devices, l->n * sizeof *old);
    registry->n_devices = first + l->n + behind;
    return BERTH_OK;
}

static berth_status list_anew(bt_registry *registry, const bt_config *config, int k, const char *asked, berth_error *error)
{
    lister *l = bt_calloc(1, sizeof *l);
    if (!l) return bt_fail_memory(error);
    berth_status status = list_kind(registry, config, k, l, error);
    if (!status) status = adopt(registry, k, l, asked, error);
    bt_free(l);
    return status;
}

/* What its kernels are like, and what tells this hardware from other in all processes (0 where the driver tells what is free). */
static void take_props(bt_device *device)
{
    bt_device_props props;
    char text[200];
    if (!device->ops->compile || device->ops->info(device, &props, NULL)) return;
    device->is_cpu_shaped = props.is_cpu_shaped, device->lacks_f64 = props.lacks_f64;
    if (!props.is_free_unknown) return;
    uint64_t address = device->ops->address ? device->ops->address(device->ordinal) : 0;
    snprintf(text, sizeof text, "%s %llu %s", device->ops->kind, (unsigned long long)(address ? address : (uint64_t)device->ordinal),
             props.model);
    device->key = bt_hash(text, strlen(text)) | 1;
}

/* A GPU that an earlier kind's driver offers too is there already. */
static bool is_listed(const bt_registry *registry, const bt_device_ops *ops, int ordinal)
{
    uint64_t address = ops->address ? ops->address(ordinal) : 0;
    for (int i = 0; i < registry->n_physical && address; i++) {
        const bt_device *there = &registry->physical[i];
        if (there->ops->address && there->ops->address(there->ordinal) == address) return true;
    }
    return false;
}

static void add_hardware(bt_registry *registry, const bt_device_ops *ops)
{
    int count = ops->count(), index = 0;
    for (int i = 0; i < registry->n_physical; i++) index += !strcmp(registry->physical[i].ops->kind, ops->kind);
    for (int i = 0; i < count && registry->n_physical < BT_MAX_HARDWARE; i++) {
        if (is_listed(registry, ops, i)) continue;
        bt_device *device = &registry->physical[registry->n_physical++];
        device->index = index, device->ordinal = i, device->ops = ops, device->physical = device;
        take_props(device);
        snprintf(device->name, sizeof device->name, "/%s:%d", ops->kind, index++);
    }
}

/* Asks the first n kinds of drivers, where n is 1 or all: the CPU, which comes first, costs nothing. */
static berth_status open_kinds(bt_registry *registry, int n, berth_error *error)
{
    berth_status status = BERTH_OK;
    if (atomic_load(&registry->n_kinds) >= n) return status;
    pthread_mutex_lock(&registry->lock);
    int from = atomic_load(&registry->n_kinds);
    for (int k = from; k < n; k++) add_hardware(registry, kinds[k]);
    if (from < n) status = list_anew(registry, &registry->config, from ? BT_KIND_GPU : BT_KIND_CPU, "GPU", error);
    atomic_store(&registry->n_kinds, n);
    pthread_mutex_unlock(&registry->lock);
    return status;
}

bt_registry *bt_registry_new(berth_error *error)
{
    bt_registry *registry = bt_calloc(1, sizeof *registry);
    if (!registry) return bt_fail_memory(error), NULL;
    pthread_mutex_init(&registry->lock, NULL);
    bt_config_init(&registry->config);
    return open_kinds(registry, 1, error) ? (bt_registry_free(registry), NULL) : registry;
}

void bt_registry_free(bt_registry *registry)
{
    if (!registry) return;
    for (int i = 0; i < registry->n_physical; i++)
        if (registry->physical[i].ops->close) registry->physical[i].ops->close(&registry->physical[i]);
    pthread_mutex_destroy(&registry->lock);
    bt_free(registry);
}

size_t bt_registry_count(bt_registry *registry)
{
    open_kinds(registry, N_KINDS, NULL);
    return registry->n_devices;
}

size_t bt_registry_known(bt_registry *registry) { return registry->n_devices; }

void bt_registry_fix(bt_registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->n_devices; i++) registry->devices[i].is_fixed = true;
    pthread_mutex_unlock(&registry->lock);
}

bt_device *bt_registry_at(bt_registry *registry, size_t index)
{
    return index < registry->n_devices ? &registry->devices[index] : NULL;
}

berth_status bt_registry_configure(bt_registry *registry, const berth_device_options *options, bool is_default, berth_error *error)
{
    bt_device_name name;
    bt_device *ignored[BT_MAX_HARDWARE];
    if (!options->device) return bt_fail(error, BERTH_BAD_ARGUMENT, "no device is named that should be configured");
    berth_status status = bt_device_parse(options->device, &name, error);
    if (status) return status;
    if (name.is_auto) return bt_fail(error, BERTH_BAD_ARGUMENT, "device '%s': must be a kind or one device", options->device);
    int k = bt_kind_number(name.kind);
    if (k != BT_KIND_CPU && (status = open_kinds(registry, N_KINDS, error))) return status;
    bt_config *config = bt_alloc(sizeof *config);
    if (!config) return bt_fail_memory(error);
    pthread_mutex_lock(&registry->lock);
    *config = registry->config;
    status = bt_config_add(config, options, &name, hardware_of(registry, k, ignored), is_default, error);
    if (!status) status = list_anew(registry, config, k, options->device, error);
    if (!status) registry->config = *config;
    pthread_mutex_unlock(&registry->lock);
    bt_free(config);
    return status;
}

bt_device *bt_registry_find(bt_registry *registry, const char *text, berth_error *error)
{
    bt_device_name name;
    if (bt_device_parse(text, &name, error)) return NULL;
    if (name.kind && strcmp(name.kind, bt_cpu_ops.kind)) open_kinds(registry, N_KINDS, NULL);
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

/* What lies on the hardware of a device, counted on the hardware itself beside each logical device. */
static void count(bt_device *device, int64_t bytes)
{
    bt_device *physical = device->physical;
    if (!physical) return;
    if (physical != device) atomic_fetch_add(&physical->in_use, bytes);
    if (physical->key) bt_ledger_add(physical->key, bytes);
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
    count(device, (int64_t)bytes);
    atomic_fetch_add(&device->taken, (int64_t)bytes);
    now += (int64_t)bytes, peak = atomic_load(&device->peak);
    while (now > peak && !atomic_compare_exchange_weak(&device->peak, &peak, now)) continue;
    return p;
}

void bt_device_free(bt_device *device, void *p, size_t bytes)
{
    if (!p) return;
    device->ops->free(device, p, bytes);
    atomic_fetch_sub(&device->in_use, (int64_t)bytes);
    count(device, -(int64_t)bytes);
}

berth_status bt_device_info(const bt_device *device, bt_device_props *props, int64_t *others, berth_error *error)
{
    const bt_device *physical = device->physical;
    berth_status status = device->ops->info(device, props, error);
    if (status) return status;
    int64_t held = atomic_load(&physical->in_use);
    if (!props->is_free_unknown) {
        *others = props->memory_total - props->memory_free - props->memory_context - held;
    } else {
        int64_t total = bt_ledger_total(physical->key);
        *others = total < 0 ? -1 : total > held ? total - held : 0;
        props->memory_free -= held + (*others > 0 ? *others : 0);
        if (props->memory_free < 0) props->memory_free = 0;
        return BERTH_OK;
    }
    if (*others < 0) *others = 0; /* the two were not asked at the same time */
    return BERTH_OK;
}
