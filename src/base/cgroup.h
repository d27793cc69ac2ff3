/* What Linux's control groups leave to this process: version 1 and 2, this group and all above it. */
#ifndef BT_CGROUP_H
#define BT_CGROUP_H

#include <stdint.h>

/* `root` is put in front of /proc and /sys: "" but in tests. */
/* CPUs' worth of time, rounded up; 0: no limit. */
int bt_cgroup_cpus(const char *root);
/* Bytes that may be in use at most, INT64_MAX: no limit, and how many of them are free. */
int64_t bt_cgroup_memory(const char *root, int64_t *free);

/* A small text file as a NUL-terminated string; its length, or -1. For /proc and /sys. */
int bt_read_text(const char *path, char *buffer, int size);

#endif
