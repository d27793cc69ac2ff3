/* berth check: what of a model cannot run where it is to run, and whether it fits there; nothing is run or taken for it. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static int64_t sum(const berth_memory *m) { return m->weights + m->activations + m->workspace; }

static size_t count_stopped(const berth_check *check)
{
    size_t n = 0;
    for (size_t i = 0; i < check->n_obstacles; i++) n += !check->obstacles[i].is_moved;
    return n;
}

/* ---- For programs ---- */

static void print_json(const berth_check *check)
{
    printf(
        "{\"runs\": %s, \"fits\": %s, \"measured\": %s, \"largest_batch\": ", check->runs ? "true" : "false",
        check->fits ? "true" : "false", check->is_measured ? "true" : "false");
    if (check->largest_batch < 0) fputs("null", stdout);
    else printf("%lld", (long long)check->largest_batch);
    fputs(",\n \"obstacles\": [", stdout);
    for (size_t i = 0; i < check->n_obstacles; i++) {
        const berth_obstacle *o = &check->obstacles[i];
        const char *texts[][2] = {
            {"node", o->node}, {"op", o->op}, {"device", o->device}, {"reason", o->reason}};
        fputs(i ? ",\n  {" : "\n  {", stdout);
        for (int t = 0; t < 4; t++) {
            printf("\"%s\": ", texts[t][0]);
            cli_json_text(stdout, texts[t][1]);
            fputs(", ", stdout);
        }
        printf("\"moved\": %s}", o->is_moved ? "true" : "false");
    }
    fputs("],\n \"devices\": {", stdout);
    for (size_t i = 0; i < check->n_needs; i++) {
        const berth_need *need = &check->needs[i];
        fputs(i ? ",\n  " : "\n  ", stdout);
        cli_json_text(stdout, need->device);
        fputs(": {", stdout);
        cli_json_memory(&need->memory);
        printf(", \"room\": %lld, \"fits\": %s}", (long long)need->room, need->fits ? "true" : "false");
    }
    fputs("}}\n", stdout);
}

/* ---- For people ---- */

static void print_obstacles(const berth_check *check, bool is_moved)
{
    for (size_t i = 0; i < check->n_obstacles; i++) {
        const berth_obstacle *o = &check->obstacles[i];
        if (o->is_moved != is_moved) continue;
        fputs("  ", stdout);
        if (*o->node) printf("%s (%s)", o->node, o->op);
        if (*o->device) printf(" on %s", o->device);
        fputs(*o->node ? ": " : "", stdout);
        cli_put(stdout, o->reason);
        putchar('\n');
    }
}

static void print_text(const berth_check *check)
{
    size_t stopped = count_stopped(check), moved = check->n_obstacles - stopped;
    printf("%s%s%s\n", CLI_BOLD, check->runs ? "it can run" : "it cannot run:", CLI_PLAIN);
    print_obstacles(check, false);
    if (moved) printf("\n%zu node%s would be moved:\n", moved, moved == 1 ? "" : "s");
    print_obstacles(check, true);
    if (check->n_needs) putchar('\n');
    for (size_t i = 0; i < check->n_needs; i++) {
        const berth_need *need = &check->needs[i];
        printf("%s%s%s  %s of weights, %s of activations, %s of workspace; %s can be had: %s\n", CLI_BOLD,
               need->device, CLI_PLAIN, cli_size(need->memory.weights), cli_size(need->memory.activations),
               cli_size(need->memory.workspace), cli_size(need->room),
               need->fits ? "it fits" : "it does not fit");
    }
    if (check->n_needs && !check->is_measured)
        puts("the shapes of its inputs do not tell what else it needs: --input-shape does");
    if (check->largest_batch >= 0)
        printf("the largest batch that fits: %lld\n", (long long)check->largest_batch);
}

/* ---- The verdict ---- */

static void judge(const cli_options *options, const berth_check *check)
{
    size_t stopped = count_stopped(check);
    const berth_obstacle *first = NULL;
    for (size_t i = 0; i < check->n_obstacles && !first; i++)
        if (!check->obstacles[i].is_moved) first = &check->obstacles[i];
    if (first && *first->node)
        cli_fail(CLI_MODEL, "%s: cannot run: %zu node%s at fault, the first is '%s' (%s): %s", options->model,
                 stopped, stopped == 1 ? " is" : "s are", first->node, first->op, first->reason);
    if (first) cli_fail(CLI_MODEL, "%s: cannot run: %s", options->model, first->reason);
    for (size_t i = 0; i < check->n_needs; i++) {
        const berth_need *need = &check->needs[i];
        if (!need->fits)
            cli_fail(CLI_DEVICE, "%s: %s does not fit: it needs %lld bytes, where %lld can be had",
                     need->device, options->model, (long long)sum(&need->memory), (long long)need->room);
    }
}

int cli_check(const cli_options *options)
{
    cli_model m;
    cli_open(&m, options);
    cli_check_outputs(&m, options);
    berth_check *check = cli_model_check(&m, options);
    cli_progress(NULL);
    if (options->json) print_json(check);
    else print_text(check);
    fflush(stdout);
    judge(options, check);
    berth_check_free(check);
    cli_close(&m);
    return cli_done();
}
