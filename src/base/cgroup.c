/* Control groups: reads the limits under /sys/fs/cgroup at their usual mount points. A container sees its own
 * group as the root of that tree while /proc may still tell the host's path, so a path that is not there is
 * climbed until one is; a limit anywhere on the way counts. */
#include "base/cgroup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bt_read_text(const char *path, char *buffer, int size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), n = 0;
    if (fd < 0) return -1;
    for (ssize_t got; n < size - 1 && (got = read(fd, buffer + n, (size_t)(size - 1 - n))) > 0;)
        n += (int)got;
    close(fd);
    buffer[n] = '\0';
    return n;
}

/* Called with every group's folder from ours up to the root of the mount. */
typedef void visit_fn(const char *folder, void *user);

static void climb(const char *mount, const char *path, visit_fn *visit, void *user)
{
    char folder[1024];
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, path) >= sizeof folder) return;
    for (size_t root = strlen(mount);;) {
        char *slash = strrchr(folder + root, '/');
        visit(folder, user);
        if (!slash) return;
        *slash = '\0';
    }
}

static bool lists(const char *controllers, const char *wanted)
{
    size_t n = strlen(wanted);
    for (const char *p = controllers; (p = strstr(p, wanted)); p += n)
        if ((p == controllers || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) return true;
    return false;
}

/* Lines of /proc/self/cgroup are "id:controllers:path"; version 2's has no controllers. */
static void visit_groups(const char *root, const char *controller, visit_fn *v1, visit_fn *v2, void *user)
{
    char text[4096], path[512], mount[1024], *next;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (bt_read_text(path, text, sizeof text) < 0) return;
    for (char *line = text; *line; line = next) {
        size_t n = strcspn(line, "\n");
        next = line + n + (line[n] == '\n');
        line[n] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *group++ = '\0';
        controllers++;
        if (!*controllers) {
            snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
            climb(mount, group, v2, user);
            snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/unified", root);
            climb(mount, group, v2, user);
        } else if (lists(controllers, controller)) {
            snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controller);
            climb(mount, group, v1, user);
            if (strcmp(controllers, controller) == 0) continue;
            snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controllers);
            climb(mount, group, v1, user);
        }
    }
}

static bool read_number(const char *folder, const char *name, int64_t *out)
{
    char path[1200], text[64], *end;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (bt_read_text(path, text, sizeof text) <= 0) return false;
    *out = strtoll(text, &end, 10); /* "max" is no number: no limit */
    return end != text;
}

/* ---- CPU time ----------------------------------------------------------------------------------------- */

static void lower_cpus(int *cpus, int64_t quota, int64_t period)
{
    if (quota <= 0 || period <= 0) return;
    int64_t n = quota / period + (quota % period != 0);
    if (n < *cpus || !*cpus) *cpus = n > 1 << 20 ? 1 << 20 : (int)n;
}

static void cpus_v1(const char *folder, void *user)
{
    int64_t quota, period;
    if (read_number(folder, "cpu.cfs_quota_us", &quota) && read_number(folder, "cpu.cfs_period_us", &period))
        lower_cpus(user, quota, period);
}

static void cpus_v2(const char *folder, void *user)
{
    char path[1200], text[64];
    long long quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (bt_read_text(path, text, sizeof text) > 0 && sscanf(text, "%lld %lld", &quota, &period) == 2)
        lower_cpus(user, quota, period);
}

int bt_cgroup_cpus(const char *root)
{
    int cpus = 0;
    visit_groups(root, "cpu", cpus_v1, cpus_v2, &cpus);
    return cpus;
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

typedef struct memory_limit {
    int64_t most, free;
} memory_limit;

static void lower_memory(memory_limit *m, const char *folder, const char *limit_name, const char *used_name)
{
    int64_t limit, used;
    if (!read_number(folder, limit_name, &limit) || limit < 0) return;
    if (!read_number(folder, used_name, &used)) used = 0;
    if (limit < m->most) m->most = limit;
    if (limit - used < m->free) m->free = limit > used ? limit - used : 0;
}

static void memory_v1(const char *folder, void *user)
{
    lower_memory(user, folder, "memory.limit_in_bytes", "memory.usage_in_bytes");
}

static void memory_v2(const char *folder, void *user)
{
    lower_memory(user, folder, "memory.max", "memory.current");
}

int64_t bt_cgroup_memory(const char *root, int64_t *free)
{
    memory_limit m = {INT64_MAX, INT64_MAX};
    visit_groups(root, "memory", memory_v1, memory_v2, &m);
    if (m.most > INT64_MAX / 2) m = (memory_limit){INT64_MAX, INT64_MAX}; /* version 1's way to say none */
    if (free) *free = m.free;
    return m.most;
}
