/* How devices are configured: which are visible, how they are split, what each may hold. Reads and checks what was said,
 * here and in the environment; the list of devices that comes of it is made in registry.c. */
#include <stdlib.h>
#include <strings.h>

#include "device/device.h"

static const char *const kind_names[BT_N_KINDS] = {[BT_KIND_CPU] = "CPU", [BT_KIND_GPU] = "GPU"};

int bt_kind_number(const char *kind) { return strcmp(kind, "CPU") ? BT_KIND_GPU : BT_KIND_CPU; }

void bt_config_init(bt_config *config)
{
    memset(config, 0, sizeof *config);
    for (int k = 0; k < BT_N_KINDS; k++) {
        bt_kind_config *kind = &config->kinds[k];
        kind->n_visible = kind->count = kind->growth = -1;
        for (int i = 0; i < BT_MAX_HARDWARE; i++)
            kind->devices[i] = (bt_device_config){.growth = -1, .limit = -1, .fraction = -1};
    }
}

/* ---- Texts -------------------------------------------------------------------------------------------- */

/* The next item of a list with commas; false at its end. */
static bool next_item(const char **p, bt_str *item)
{
    if (!*p) return false;
    size_t n = strcspn(*p, ",");
    *item = (bt_str){*p, n};
    while (item->n && *item->p == ' ') item->p++, item->n--;
    while (item->n && item->p[item->n - 1] == ' ') item->n--;
    *p = (*p)[n] ? *p + n + 1 : NULL;
    return true;
}

/* "1GiB", "512 MB", "1000". */
static bool parse_bytes(bt_str text, int64_t *bytes)
{
    static const struct {
        const char *unit;
        int64_t factor;
    } units[] = {{"", 1},           {"B", 1},          {"kB", 1000},       {"MB", 1000000},      {"GB", 1000000000},
                 {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"TB", 1000000000000}, {"TiB", 1ll << 40}, {"T", 1ll << 40}};
    size_t digits = 0;
    while (digits < text.n && text.p[digits] >= '0' && text.p[digits] <= '9') digits++;
    bt_str unit = {text.p + digits, text.n - digits};
    while (unit.n && *unit.p == ' ') unit.p++, unit.n--;
    if (!digits || !bt_str_int((bt_str){text.p, digits}, bytes)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (unit.n == strlen(units[i].unit) && !strncasecmp(unit.p, units[i].unit, unit.n))
            return !__builtin_mul_overflow(*bytes, units[i].factor, bytes);
    return false;
}

/* ---- The environment ---------------------------------------------------------------------------------- */

int bt_config_environment(int *numbers, int n)
{
    const char *text = getenv("CUDA_VISIBLE_DEVICES");
    int count = 0;
    if (!text)
        for (; count < n; count++) numbers[count] = count;
    bt_str item;
    while (text && next_item(&text, &item)) { /* as the driver reads it: what is no device ends the list */
        int64_t number;
        bool fits = bt_str_int(item, &number) && number >= 0 && number < n;
        for (int i = 0; fits && i < count; i++) fits = numbers[i] != number;
        if (!fits) break;
        numbers[count++] = (int)number;
    }
    return count;
}

/* ---- Options ------------------------------------------------------------------------------------------ */

typedef struct adder {
    const berth_device_options *options;
    bt_kind_config *kind;
    const char *kind_name;
    int n_hardware;
    bool is_default; /* what was said before stays */
    berth_error *error;
} adder;

static berth_status twice(const adder *a, const char *what)
{
    if (a->is_default) return BERTH_OK;
    return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': its %s is set already", a->options->device, what);
}

static berth_status add_visible(adder *a)
{
    const char *text = a->options->visible;
    bt_kind_config *kind = a->kind;
    bt_str item;
    if (kind->n_visible >= 0) return twice(a, "list of visible devices");
    kind->n_visible = 0;
    if (!*text || !strcmp(text, "-1")) return BERTH_OK;
    while (next_item(&text, &item)) {
        int64_t number;
        if (!bt_str_int(item, &number) || number < 0)
            return bt_fail(a->error, BERTH_BAD_ARGUMENT, "visible devices '%s': must be numbers, as in 0,2", a->options->visible);
        if (number >= a->n_hardware)
            return bt_fail(a->error, BERTH_DEVICE, "visible devices '%s': there is no %s %lld; there are %d", a->options->visible,
                           a->kind_name, (long long)number, a->n_hardware);
        for (int i = 0; i < kind->n_visible; i++)
            if (kind->visible[i] == number)
                return bt_fail(a->error, BERTH_BAD_ARGUMENT, "visible devices '%s': %lld stands there twice", a->options->visible,
                               (long long)number);
        kind->visible[kind->n_visible++] = (int)number;
    }
    return BERTH_OK;
}

static berth_status add_count(adder *a)
{
    int count = a->options->count;
    bool is_cpu = !strcmp(a->kind_name, "CPU");
    if (a->kind->count >= 0) return twice(a, "count");
    if (count < 0 || count > BT_MAX_HARDWARE) return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': %d cannot be its count", a->options->device, count);
    if (is_cpu && (count == 0 || count > BT_MAX_LOGICAL))
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device 'CPU': its count must be from 1 to %d", BT_MAX_LOGICAL);
    if (is_cpu && count > 1 && a->kind->devices[0].n_logical && a->is_default) return BERTH_OK;
    if (is_cpu && count > 1 && a->kind->devices[0].n_logical)
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device 'CPU': has logical devices already: a count cannot be set too");
    a->kind->count = count;
    return BERTH_OK;
}

static berth_status add_logical(adder *a, bt_device_config *device)
{
    const char *text = a->options->logical, *name = a->options->device;
    bt_str item;
    if (device->n_logical) return twice(a, "list of logical devices");
    bool is_taken = device->limit >= 0 || device->fraction >= 0 || (!strcmp(a->kind_name, "CPU") && a->kind->count > 1);
    if (is_taken && a->is_default) return BERTH_OK;
    if (device->limit >= 0 || device->fraction >= 0)
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': has a limit already: its logical devices have their own", name);
    if (!strcmp(a->kind_name, "CPU") && a->kind->count > 1)
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': its count is set already: it cannot be split too", name);
    while (next_item(&text, &item)) {
        if (device->n_logical == BT_MAX_LOGICAL)
            return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': more than %d logical devices", name, BT_MAX_LOGICAL);
        if (!parse_bytes(item, &device->logical[device->n_logical++]))
            return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': logical devices '%s' must be limits, as in 1GiB,512MiB", name,
                           a->options->logical);
    }
    return BERTH_OK;
}

static berth_status add_limit(adder *a, bt_device_config *device)
{
    const berth_device_options *o = a->options;
    if (o->limit == -1 && o->fraction == -1) return BERTH_OK;
    if (device->n_logical && a->is_default) return BERTH_OK;
    if (device->n_logical)
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': its logical devices have limits of their own", o->device);
    if (device->limit >= 0 || device->fraction >= 0 || (o->limit != -1 && o->fraction != -1)) return twice(a, "limit");
    if (o->limit != -1 && o->limit <= 0)
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': a limit of %lld bytes leaves nothing", o->device, (long long)o->limit);
    if (o->fraction != -1 && !(o->fraction > 0 && o->fraction <= 1))
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': a fraction of %g is not above 0 and at most 1", o->device, o->fraction);
    device->limit = o->limit, device->fraction = o->fraction;
    return BERTH_OK;
}

static berth_status add_growth(adder *a, int *growth)
{
    if (a->options->growth == -1) return BERTH_OK;
    if (*growth >= 0) return twice(a, "growth");
    *growth = a->options->growth != 0;
    return BERTH_OK;
}

/* Of a kind as a whole. */
static berth_status add_to_kind(adder *a)
{
    const berth_device_options *o = a->options;
    if (o->limit != -1 || o->fraction != -1 || o->logical)
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': a limit is set for one device, as in %s:0", o->device, a->kind_name);
    berth_status status = o->visible ? add_visible(a) : BERTH_OK;
    if (!status && o->count != -1) status = add_count(a);
    return status ? status : add_growth(a, &a->kind->growth);
}

static berth_status add_to_device(adder *a, int index)
{
    const berth_device_options *o = a->options;
    int n = a->kind->n_visible >= 0 ? a->kind->n_visible : a->n_hardware;
    if (o->visible || o->count != -1)
        return bt_fail(a->error, BERTH_BAD_ARGUMENT, "device '%s': visible devices and a count are set for a kind, as in %s", o->device, a->kind_name);
    if (index >= n)
        return bt_fail(a->error, BERTH_DEVICE, "device '%s' is not there: %d of its kind can be seen", o->device, n);
    bt_device_config *device = &a->kind->devices[index];
    berth_status status = add_limit(a, device);
    if (!status) status = add_growth(a, &device->growth);
    return status || !o->logical ? status : add_logical(a, device);
}

berth_status bt_config_add(bt_config *config, const berth_device_options *options, const bt_device_name *name, int n_hardware,
                           bool is_default, berth_error *error)
{
    int k = bt_kind_number(name->kind);
    adder a = {options, &config->kinds[k], kind_names[k], n_hardware, is_default, error};
    return name->index < 0 ? add_to_kind(&a) : add_to_device(&a, name->index);
}
