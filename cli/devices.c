/* berth devices: what there is to run on. */
#include "cli.h"

#include <string.h>

static berth_device_info get(berth_context *context, size_t i)
{
    berth_error error = {0};
    berth_device_info info = {0};
    if (berth_device_get(context, i, &info, &error)) cli_fail_with(&error);
    return info;
}

static void print_json(berth_context *context, size_t n)
{
    fputs("{\"devices\": [", stdout);
    for (size_t i = 0; i < n; i++) {
        berth_device_info info = get(context, i);
        const char *texts[][2] = {{"name", info.name}, {"hardware", info.hardware}, {"model", info.model}, {"detail", info.detail}};
        fputs(i ? ",\n  {" : "\n  {", stdout);
        for (int t = 0; t < 4; t++) {
            printf("%s\"%s\": ", t ? ", " : "", texts[t][0]);
            cli_json_text(stdout, texts[t][1] ? texts[t][1] : "");
        }
        printf(", \"threads\": %d, \"memory_total\": %lld, \"memory_free\": %lld, \"memory_in_use\": %lld,"
               " \"memory_others\": %lld, \"memory_context\": %lld, \"memory_limit\": %lld}",
               info.threads, (long long)info.memory_total, (long long)info.memory_free,
               (long long)info.memory_in_use, (long long)info.memory_others, (long long)info.memory_context,
               (long long)info.memory_limit);
    }
    fputs("]}\n", stdout);
}

/* Whether its hardware has another name, or is that of other devices too. */
static bool is_part_of_more(berth_context *context, size_t n, size_t index)
{
    const char *name = get(context, index).name, *hardware = get(context, index).hardware;
    int found = 0;
    for (size_t i = 0; i < n; i++) found += !strcmp(get(context, i).hardware, hardware);
    return found > 1 || strcmp(hardware, name + 1);
}

static void print_text(berth_context *context, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool is_part = is_part_of_more(context, n, i);
        berth_device_info info = get(context, i);
        printf("%s%s%s  %s\n", CLI_BOLD, info.name, CLI_PLAIN, info.model ? info.model : "");
        printf("  %smemory %s %s, %s free", CLI_DIM, CLI_PLAIN, cli_size(info.memory_total),
               cli_size(info.memory_free));
        if (info.memory_limit) printf(", limit %s", cli_size(info.memory_limit));
        if (info.memory_in_use) printf(", %s in use here", cli_size(info.memory_in_use));
        if (info.memory_others > 0) printf(", %s in use by others", cli_size(info.memory_others));
        if (info.memory_context) printf(", %s the driver's own", cli_size(info.memory_context));
        putchar('\n');
        if (is_part) printf("  %son     %s %s\n", CLI_DIM, CLI_PLAIN, info.hardware);
        if (info.threads) printf("  %sthreads%s %d\n", CLI_DIM, CLI_PLAIN, info.threads);
        if (info.detail && *info.detail) printf("  %swith   %s %s\n", CLI_DIM, CLI_PLAIN, info.detail);
    }
}

int cli_devices(const cli_options *options)
{
    berth_context *context = cli_context(options);
    size_t n = berth_device_count(context);
    if (options->json) print_json(context, n);
    else print_text(context, n);
    berth_context_free(context);
    return cli_done();
}
