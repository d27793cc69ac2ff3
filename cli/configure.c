/* What the options say of devices, told to the library before anything uses them. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "2GiB", "512MB", "1000". */
static int64_t size_of(const char *option, const char *text)
{
    static const char units[] = "kmgt";
    char *end;
    double value = strtod(text, &end), factor = 1;
    const char *unit = *end ? strchr(units, *end | 0x20) : NULL;
    if (unit) {
        bool binary = !end[1] || !strcasecmp(end + 1, "iB");
        for (const char *u = units; u <= unit; u++) factor *= binary ? 1024 : 1000;
        end += 1 + (binary && end[1] ? 1 : 0);
    }
    if (*end == 'B' || *end == 'b') end++;
    value *= factor;
    if (end == text || *end || !(value >= 0 && value < 9e18)) cli_fail(CLI_USAGE, "%s: '%s' is no size such as 2GiB", option, text);
    return (int64_t)value;
}

static double fraction_of(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end) cli_fail(CLI_USAGE, "--memory-fraction: '%s' is no number", text);
    return value;
}

/* What is said of a device that is not there is no fault where --fallback covers its absence. */
static void configure(berth_context *context, const cli_options *options, const char *option, const berth_device_options *device)
{
    berth_error error = {0};
    if (!berth_device_configure(context, device, &error)) return;
    if (error.status == BERTH_DEVICE && options->fallback) return;
    int status = error.status == BERTH_DEVICE ? CLI_DEVICE : error.status == BERTH_BAD_ARGUMENT ? CLI_USAGE : CLI_FAULT;
    cli_fail(status, "%s: %s", option, error.message);
}

static void each(berth_context *context, const cli_options *options, const char *option, const cli_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        char *storage;
        cli_pair pair = cli_split(list->items[i], &storage);
        berth_device_options device;
        berth_device_options_init(&device);
        device.device = pair.name;
        if (list == &options->visible) device.visible = pair.value;
        if (list == &options->logical) device.logical = pair.value;
        if (list == &options->limits) device.limit = size_of(option, pair.value);
        if (list == &options->fractions) device.fraction = fraction_of(pair.value);
        if (list == &options->counts) {
            char *end;
            long count = strtol(pair.value, &end, 10);
            if (*end || count < 0 || count > 64) cli_fail(CLI_USAGE, "--device-count: '%s' is no count of devices", pair.value);
            device.count = (int)count;
        }
        configure(context, options, option, &device);
        free(storage);
    }
}

void cli_configure(berth_context *context, const cli_options *options)
{
    each(context, options, "--visible-devices", &options->visible);
    each(context, options, "--device-count", &options->counts);
    each(context, options, "--logical", &options->logical);
    each(context, options, "--memory-limit", &options->limits);
    each(context, options, "--memory-fraction", &options->fractions);
    if (!options->growth) return;
    berth_device_options growth;
    berth_device_options_init(&growth);
    growth.device = "GPU", growth.growth = 1;
    configure(context, options, "--memory-growth", &growth);
}
