/* What of this process lies in memory, as the kernel has it. */
#ifndef RESIDENT_H
#define RESIDENT_H

#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* Bytes; 0: not told. */
static inline int64_t resident(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %lld", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

#endif
