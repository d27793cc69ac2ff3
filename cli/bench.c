/*
 * berth bench: how long a run takes. The loop reads the clock once a run and stores one number; when its store
 * is full it keeps every second one, so quantiles come from evenly spread runs and least and count from all.
 */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ROOM = 1 << 16 };

struct times {
    float us[ROOM];
    size_t n;
    uint64_t runs, every, skip; /* one of `every` runs is kept */
    double least;
};

struct result {
    struct times times;
    double load_us, first_us;
    int64_t peak_bytes, device_bytes;
    int threads;
    char device[256]; /* or several: "/GPU:0,/GPU:1" */
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void keep(struct times *t, double us)
{
    t->runs++;
    if (us < t->least) t->least = us;
    if (++t->skip < t->every) return;
    t->skip = 0;
    if (t->n == ROOM) {
        for (t->n = 0; t->n < ROOM / 2; t->n++) t->us[t->n] = t->us[2 * t->n + 1];
        t->every *= 2;
    }
    t->us[t->n++] = (float)us;
}

struct job {
    berth_session *session;
    berth_feed *feeds, *fetches;
    size_t n_feeds, n_fetches;
};

static void run_once(const struct job *j)
{
    berth_error error;
    if (berth_session_run(j->session, j->feeds, j->n_feeds, j->fetches, j->n_fetches, NULL, &error))
        cli_fail_with(&error);
}

/* The end of a run is the start of the next: one reading of the clock a run, about 25 ns. */
static void measure(const struct job *j, struct times *t, double seconds)
{
    uint64_t start = now_ns(), before, now, warm = (uint64_t)(seconds * 1e8),
             length = (uint64_t)(seconds * 1e9);
    do run_once(j);
    while (now_ns() - start < warm);
    *t = (struct times){.every = 1, .least = INFINITY};
    before = start = now_ns();
    do {
        run_once(j);
        now = now_ns();
        keep(t, (double)(now - before) * 1e-3);
        before = now;
    } while (now - start < length);
}

/* ---- What stands beside the times ---- */

/* Of this program alone: getrusage would count what its parent held before exec. */
static int64_t peak_bytes(void)
{
    char line[128];
    long long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lld", &kib) == 1) break;
    if (file) fclose(file);
    struct rusage usage;
    if (!kib && !getrusage(RUSAGE_SELF, &usage)) kib = usage.ru_maxrss;
    return kib * 1024;
}

static void add_bytes(const cli_model *m, const char *device, struct result *r)
{
    berth_error error = {0};
    berth_memory memory = {0};
    if (berth_session_memory(m->session, device, &memory, &error)) cli_fail_with(&error);
    r->device_bytes += memory.weights + memory.activations + memory.workspace;
}

/* Those that a batch is divided over. */
static void describe_parts(const cli_model *m, const struct job *j, struct result *r)
{
    berth_error error = {0};
    berth_part parts[CLI_PARTS];
    size_t n, used = 0;
    if (berth_session_parts(m->session, j->feeds, j->n_feeds, j->fetches, j->n_fetches, parts, CLI_PARTS, &n, &error))
        cli_fail_with(&error);
    if (n) r->device_bytes = 0;
    for (size_t i = 0; i < n && i < CLI_PARTS; i++) {
        add_bytes(m, parts[i].device, r);
        used += (size_t)snprintf(r->device + used, sizeof r->device - used, "%s%s", i ? "," : "", parts[i].device);
        if (used >= sizeof r->device) used = sizeof r->device - 1;
    }
}

/* The device that does the work of most nodes, and what it holds. */
static void describe_device(const cli_model *m, const struct job *j, struct result *r)
{
    berth_error error = {0};
    const berth_placement *nodes;
    size_t n, copies, most = 0;
    if (berth_session_placement(m->session, j->feeds, j->n_feeds, j->fetches, j->n_fetches, &nodes, &n,
                                &copies, &error))
        cli_fail_with(&error);
    strcpy(r->device, "/CPU:0");
    for (size_t i = 0; i < berth_device_count(m->context); i++) {
        berth_device_info info;
        size_t works = 0;
        if (berth_device_get(m->context, i, &info, &error)) cli_fail_with(&error);
        if (info.threads > r->threads) r->threads = info.threads;
        for (size_t k = 0; k < n; k++) works += nodes[k].device && !strcmp(nodes[k].device, info.name);
        if (works > most) most = works, snprintf(r->device, sizeof r->device, "%s", info.name);
    }
    add_bytes(m, r->device, r);
    describe_parts(m, j, r);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct times *t, double q)
{
    double at = q * (double)(t->n - 1), low = floor(at);
    size_t i = (size_t)low, next = i + 1 < t->n ? i + 1 : i;
    return t->us[i] + (at - low) * (t->us[next] - t->us[i]);
}

static void print_json(const struct result *r)
{
    const struct times *t = &r->times;
    printf("{\"runs\": %llu, \"min_us\": %.3f, \"median_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, "
           "\"load_us\": %.1f, \"first_run_us\": %.1f, \"peak_rss_bytes\": %lld, \"device_bytes\": %lld, "
           "\"threads\": %d, \"device\": \"%s\"}\n",
           (unsigned long long)t->runs, t->least, quantile(t, 0.5), quantile(t, 0.9), quantile(t, 0.99),
           r->load_us, r->first_us, (long long)r->peak_bytes, (long long)r->device_bytes, r->threads,
           r->device);
}

/* Three digits in a unit that suits. */
static const char *time_text(double us)
{
    static char texts[8][24];
    static int next;
    char *text = texts[next++ & 7];
    const char *unit = us >= 999.5e3 ? "s" : us >= 999.5 ? "ms" : cli_utf8() ? "\u00b5s" : "us";
    double value = us < 999.5 ? us : us < 999.5e3 ? us / 1e3 : us / 1e6;
    snprintf(text, sizeof texts[0], "%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, unit);
    return text;
}

static void print_text(const cli_options *options, const struct result *r)
{
    const struct times *t = &r->times;
    const char *dim = CLI_DIM, *bold = CLI_BOLD, *plain = CLI_PLAIN;
    fputs(bold, stdout);
    cli_put(stdout, options->model);
    printf("%s  on %s, %d thread%s\n", plain, r->device, r->threads, r->threads == 1 ? "" : "s");
    printf("  %sload%s    %s, first run %s\n", dim, plain, time_text(r->load_us), time_text(r->first_us));
    printf("  %srun%s     %s%s%s median of %llu; least %s, 90 %% under %s, 99 %% under %s\n", dim, plain,
           bold, time_text(quantile(t, 0.5)), plain, (unsigned long long)t->runs, time_text(t->least),
           time_text(quantile(t, 0.9)), time_text(quantile(t, 0.99)));
    printf("  %smemory%s  %s at most; weights and work %s\n", dim, plain, cli_size(r->peak_bytes),
           cli_size(r->device_bytes));
}

int cli_bench(const cli_options *options)
{
    cli_model m;
    berth_error error = {0};
    struct result *r = cli_alloc(1, sizeof *r);
    struct job j;
    double start = cli_now();
    cli_open_session(&m, options);
    double opened = cli_now();
    j.session = m.session;
    j.feeds = cli_fill_feeds(&m, options, true, &j.n_feeds);
    j.fetches = cli_fetches(&m, options, &j.n_fetches);
    double prepare = cli_now();
    if (berth_session_prepare(m.session, j.feeds, j.n_feeds, j.fetches, j.n_fetches, NULL, &error))
        cli_fail_with(&error);
    double ready = cli_now();
    r->load_us = (opened - start + ready - prepare) * 1e6;
    cli_progress("running");
    run_once(&j);
    r->first_us = (cli_now() - ready) * 1e6;
    measure(&j, &r->times, options->seconds);
    cli_progress(NULL);
    r->peak_bytes = peak_bytes();
    describe_device(&m, &j, r);
    qsort(r->times.us, r->times.n, sizeof r->times.us[0], by_value);
    if (options->json) print_json(r);
    else print_text(options, r);
    cli_free_feeds(j.feeds, j.n_feeds);
    cli_free_feeds(j.fetches, j.n_fetches);
    cli_close(&m);
    free(r);
    return cli_done();
}
