/* berth place: every node of the graph as written, the device that does its work, and why; nothing is run. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

struct placed {
    const berth_placement *nodes;
    size_t n, copies;
};

static const char *or_empty(const char *text) { return text ? text : ""; }

/* What each device holds; `put` is called for the i-th of them. */
typedef void put_fn(size_t i, const char *device, const berth_memory *memory);

static void each_memory(const cli_model *m, put_fn *put)
{
    for (size_t i = 0; i < berth_device_count(m->context); i++) {
        berth_device_info info;
        berth_memory memory = {0};
        berth_error error = {0};
        if (berth_device_get(m->context, i, &info, &error)) cli_fail_with(&error);
        if (berth_session_memory(m->session, info.name, &memory, &error)) cli_fail_with(&error);
        put(i, info.name, &memory);
    }
}

/* ---- For programs ---- */

static void json_memory(size_t i, const char *device, const berth_memory *memory)
{
    if (i) fputs(", ", stdout);
    cli_json_text(stdout, device);
    printf(": {\"weights\": %lld, \"activations\": %lld, \"workspace\": %lld}", (long long)memory->weights,
           (long long)memory->activations, (long long)memory->workspace);
}

static void print_json(const cli_model *m, const struct placed *placed)
{
    fputs("{\"nodes\": [", stdout);
    for (size_t i = 0; i < placed->n; i++) {
        const berth_placement *p = &placed->nodes[i];
        const char *texts[][2] = {{"node", p->node},
                                  {"op", p->op},
                                  {"requested", p->requested},
                                  {"device", p->device},
                                  {"reason", p->reason}};
        fputs(i ? ",\n  {" : "\n  {", stdout);
        for (int t = 0; t < 5; t++) {
            printf("%s\"%s\": ", t ? ", " : "", texts[t][0]);
            cli_json_text(stdout, or_empty(texts[t][1]));
        }
        putchar('}');
    }
    printf("],\n \"copies\": %zu,\n \"bytes\": {", placed->copies);
    each_memory(m, json_memory);
    fputs("}}\n", stdout);
}

/* ---- For people ---- */

static int width(int widest, const char *text, int most)
{
    int columns = cli_columns(or_empty(text));
    columns = columns > most ? most : columns;
    return columns > widest ? columns : widest;
}

static void print_memory(size_t i, const char *device, const berth_memory *memory)
{
    (void)i;
    if (!memory->weights && !memory->activations && !memory->workspace) return;
    printf("%s: %s of weights, %s of activations, %s of workspace\n", device, cli_size(memory->weights),
           cli_size(memory->activations), cli_size(memory->workspace));
}

static void print_text(const cli_model *m, const struct placed *placed)
{
    int nodes = 4, ops = 2, devices = 6;
    for (size_t i = 0; i < placed->n; i++) {
        nodes = width(nodes, placed->nodes[i].node, 60);
        ops = width(ops, placed->nodes[i].op, 32);
        devices = width(devices, placed->nodes[i].device, 16);
    }
    printf("%s%-*s  %-*s  %-*s  reason%s\n", CLI_BOLD, nodes, "node", ops, "op", devices, "device",
           CLI_PLAIN);
    for (size_t i = 0; i < placed->n; i++) {
        const berth_placement *p = &placed->nodes[i];
        bool works = *or_empty(p->device);
        fputs(works ? "" : CLI_DIM, stdout);
        cli_column(or_empty(p->node), nodes);
        cli_column(or_empty(p->op), ops);
        cli_column(works ? p->device : "-", devices);
        cli_put(stdout, or_empty(p->reason));
        if (*or_empty(p->requested)) printf(" (asked for: %s)", p->requested);
        printf("%s\n", works ? "" : CLI_PLAIN);
    }
    printf("\n%zu nodes, %zu tensors cross devices\n", placed->n, placed->copies);
    each_memory(m, print_memory);
}

int cli_place(const cli_options *options)
{
    cli_model m;
    berth_error error = {0};
    struct placed placed = {0};
    size_t n_feeds, n_fetches;
    cli_open_session(&m, options);
    berth_feed *feeds = cli_fill_feeds(&m, options, false, &n_feeds),
               *fetches = cli_fetches(&m, options, &n_fetches);
    if (berth_session_prepare(m.session, feeds, n_feeds, fetches, n_fetches, NULL, &error))
        cli_fail_with(&error);
    if (berth_session_placement(m.session, feeds, n_feeds, fetches, n_fetches, &placed.nodes, &placed.n,
                                &placed.copies, &error))
        cli_fail_with(&error);
    cli_progress(NULL);
    if (options->json) print_json(&m, &placed);
    else print_text(&m, &placed);
    cli_free_feeds(feeds, n_feeds);
    cli_free_feeds(fetches, n_fetches);
    cli_close(&m);
    return cli_done();
}
