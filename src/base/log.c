/* Log: hands finished lines to the host program. The library itself never writes anywhere. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static _Atomic int wanted; /* highest level that anyone listens to: 0, the usual case, costs one load */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    berth_log_fn *fn;
    void *user;
} sink;

void bt_log_set(berth_log_fn *fn, berth_log_level level, void *user)
{
    pthread_mutex_lock(&lock);
    sink.fn = fn;
    sink.user = user;
    atomic_store(&wanted, fn ? (int)level : 0);
    pthread_mutex_unlock(&lock);
}

bool bt_log_on(berth_log_level level)
{
    return (int)level <= atomic_load_explicit(&wanted, memory_order_relaxed);
}

void bt_log(berth_log_level level, const char *format, ...)
{
    if (!bt_log_on(level)) return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(
        &lock); /* the pair must belong together; it is called unlocked, as it may log or set */
    berth_log_fn *fn = sink.fn;
    void *user = sink.user;
    pthread_mutex_unlock(&lock);
    if (fn) fn(user, level, line);
}
