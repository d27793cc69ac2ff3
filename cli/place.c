/* berth place: every node of the graph as written, the device that does its work, and why; nothing is run, but for the times in
 * a page (html.c). */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char *or_empty(const char *text) { return text ? text : ""; }

/* ---- For programs ---- */

static void print_json(const struct cli_plan *placed)
{
    fputs("{\"nodes\": [", stdout);
    for (size_t i = 0; i < placed->n_nodes; i++) {
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
    printf("],\n \"copies\": %zu,\n ", placed->n_copies);
    for (size_t i = 0; i < placed->n_parts; i++) {
        fputs(i ? ", {\"device\": " : "\"parts\": [{\"device\": ", stdout);
        cli_json_text(stdout, placed->parts[i].device);
        printf(", \"rows\": %lld}%s", (long long)placed->parts[i].rows, i + 1 < placed->n_parts ? "" : "],\n ");
    }
    fputs("\"bytes\": {", stdout);
    for (size_t i = 0; i < placed->check->n_needs; i++) {
        if (i) fputs(", ", stdout);
        cli_json_text(stdout, placed->check->needs[i].device);
        fputs(": {", stdout);
        cli_json_memory(&placed->check->needs[i].memory);
        putchar('}');
    }
    fputs("}}\n", stdout);
}

/* ---- For people ---- */

static int width(int widest, const char *text, int most)
{
    int columns = cli_columns(or_empty(text));
    columns = columns > most ? most : columns;
    return columns > widest ? columns : widest;
}

static void print_memory(const char *device, const berth_memory *memory)
{
    printf("%s: %s of weights, %s of activations, %s of workspace\n", device, cli_size(memory->weights),
           cli_size(memory->activations), cli_size(memory->workspace));
}

static void print_text(const struct cli_plan *placed)
{
    int nodes = 4, ops = 2, devices = 6;
    for (size_t i = 0; i < placed->n_nodes; i++) {
        nodes = width(nodes, placed->nodes[i].node, 60);
        ops = width(ops, placed->nodes[i].op, 32);
        devices = width(devices, placed->nodes[i].device, 16);
    }
    printf("%s%-*s  %-*s  %-*s  reason%s\n", CLI_BOLD, nodes, "node", ops, "op", devices, "device",
           CLI_PLAIN);
    for (size_t i = 0; i < placed->n_nodes; i++) {
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
    printf("\n%zu nodes, %zu tensors cross devices\n", placed->n_nodes, placed->n_copies);
    for (size_t i = 0; i < placed->n_parts; i++)
        printf("%s: %lld row%s of the batch\n", placed->parts[i].device, (long long)placed->parts[i].rows,
               placed->parts[i].rows == 1 ? "" : "s");
    for (size_t i = 0; i < placed->check->n_needs; i++)
        print_memory(placed->check->needs[i].device, &placed->check->needs[i].memory);
}

int cli_place(const cli_options *options)
{
    cli_model m;
    berth_error error = {0};
    struct cli_plan p = {0};
    if (options->html) cli_output_check(options->html);
    cli_open_session(&m, options);
    p.feeds = cli_fill_feeds(&m, options, false, &p.n_feeds);
    p.fetches = cli_fetches(&m, options, &p.n_fetches);
    if (options->html) cli_plan_time(&m, &p);
    if (berth_session_placement(m.session, p.feeds, p.n_feeds, p.fetches, p.n_fetches, &p.nodes, &p.n_nodes,
                                &p.n_copies, &error))
        cli_fail_with(&error);
    if (berth_session_parts(m.session, p.feeds, p.n_feeds, p.fetches, p.n_fetches, p.parts, CLI_PARTS, &p.n_parts, &error))
        cli_fail_with(&error);
    p.check = cli_model_check(&m, options);
    cli_progress(NULL);
    if (options->html) cli_html_write(options->html, options, &m, &p);
    if (options->json) print_json(&p);
    else if (!options->html) print_text(&p);
    berth_check_free(p.check);
    cli_free_feeds(p.feeds, p.n_feeds);
    cli_free_feeds(p.fetches, p.n_fetches);
    cli_close(&m);
    cli_done();
    cli_output_commit();
    return 0;
}
