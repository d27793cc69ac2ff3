/* The CPU as a device: the host's memory in huge pages, and copies that are done when they return. Threads are
 * the context's pool (base/thread.h), instruction sets simd's table. */
#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cgroup.h"
#include "simd/simd.h"

/* The value of "key   : value" or "key:  value" in a text of lines; "" when it is not there. */
static bt_str value_of(const char *text, const char *key)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        size_t n = strlen(key);
        if (strncmp(line, key, n) != 0) continue;
        line += n + strspn(line + n, " \t");
        if (*line != ':') continue;
        line += 1 + strspn(line + 1, " \t");
        return (bt_str){line, strcspn(line, "\n")};
    }
    return (bt_str){"", 0};
}

static int cpu_count(void) { return 1; }

static berth_status cpu_info(const bt_device *device, bt_device_props *props, berth_error *error)
{
    char text[4096];
    (void)device, (void)error;
    *props = (bt_device_props){.model = "CPU"};
    if (bt_read_text("/proc/cpuinfo", text, sizeof text) > 0) {
        bt_str model = value_of(text, "model name");
        if (!model.n) model = value_of(text, "Processor"); /* ARM */
        if (model.n) snprintf(props->model, sizeof props->model, "%.*s", (int)model.n, model.p);
    }
    snprintf(props->detail, sizeof props->detail, "%s", bt_simd_get()->name);
    if (bt_read_text("/proc/meminfo", text, sizeof text) > 0) {
        props->memory_total = strtoll(value_of(text, "MemTotal").p, NULL, 10) * 1024;
        props->memory_free = strtoll(value_of(text, "MemAvailable").p, NULL, 10) * 1024;
    }
    int64_t free, most = bt_cgroup_memory("", &free);
    if (most < props->memory_total) props->memory_total = most;
    if (free < props->memory_free) props->memory_free = free;
    return BERTH_OK;
}

static void *cpu_alloc(bt_device *device, size_t bytes)
{
    (void)device;
    return bt_alloc_huge(bytes);
}

static void cpu_free(bt_device *device, void *p, size_t bytes)
{
    (void)device;
    bt_free_huge(p, bytes);
}

static berth_status cpu_copy(bt_device *device, void *dst, const void *src, size_t bytes, berth_error *error)
{
    (void)device, (void)error;
    if (bytes) memmove(dst, src, bytes);
    return BERTH_OK;
}

static berth_status cpu_sync(bt_device *device, berth_error *error)
{
    (void)device, (void)error;
    return BERTH_OK;
}

const bt_device_ops bt_cpu_ops = {
    .kind = "CPU",
    .count = cpu_count,
    .info = cpu_info,
    .alloc = cpu_alloc,
    .free = cpu_free,
    .upload = cpu_copy,
    .download = cpu_copy,
    .copy = cpu_copy,
    .sync = cpu_sync,
};
