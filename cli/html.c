/*
 * berth place --html: the plan as a page that stands alone, with what each step took in a few runs. The page is page/page.html
 * and what it includes, made a string by the build; only the data are written here.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const char *or_empty(const char *text) { return text ? text : ""; }

/* ---- Times ---- */

static double run_once(const cli_model *m, const struct cli_plan *p, berth_error *error)
{
    double start = cli_now();
    if (berth_session_run(m->session, p->feeds, p->n_feeds, p->fetches, p->n_fetches, NULL, error)) return -1;
    return cli_now() - start;
}

/* The first run does what is done once: it compiles kernels, it touches memory for the first time. */
static void time_runs(const cli_model *m, struct cli_plan *p)
{
    enum { MOST_RUNS = 50 };
    const double enough = 0.5; /* seconds */
    berth_error error = {0};
    double took = run_once(m, p, &error), total = 0;
    if (took >= 0 && berth_session_profile(m->session, true, &error)) cli_fail_with(&error);
    while (took >= 0 && p->runs < MOST_RUNS && total < enough) {
        took = run_once(m, p, &error);
        if (took >= 0) p->runs++, total += took;
    }
    if (took < 0) snprintf(p->note, sizeof p->note, "not run: %s", error.message), p->runs = 0;
    p->run_ns = p->runs ? total / p->runs * 1e9 : 0;
}

void cli_plan_time(const cli_model *m, struct cli_plan *p)
{
    berth_error error = {0};
    size_t given = 0;
    while (given < p->n_feeds && p->feeds[given].tensor) given++;
    cli_progress("running");
    if (given == p->n_feeds) time_runs(m, p);
    else snprintf(p->note, sizeof p->note, "not run: input '%s' may have any rank", p->feeds[given].name);
    if (berth_session_steps(m->session, p->feeds, p->n_feeds, p->fetches, p->n_fetches, &p->steps,
                            &p->n_steps, &error))
        cli_fail_with(&error);
}

/* ---- Data ---- */

/* Names of devices: what steps name by a number. */
static int device_index(const char *const *devices, size_t n, const char *name)
{
    for (size_t i = 0; i < n && name; i++)
        if (!strcmp(devices[i], name)) return (int)i;
    return -1;
}

static void write_device(FILE *to, const struct cli_plan *p, const berth_device_info *device)
{
    berth_memory memory = {0};
    for (size_t i = 0; i < p->check->n_needs; i++)
        if (!strcmp(p->check->needs[i].device, device->name)) memory = p->check->needs[i].memory;
    fputs("{\"name\": ", to);
    cli_json_text(to, device->name);
    fputs(", \"model\": ", to);
    cli_json_text(to, or_empty(device->model));
    fprintf(to, ", \"weights\": %lld, \"activations\": %lld, \"workspace\": %lld}", (long long)memory.weights,
            (long long)memory.activations, (long long)memory.workspace);
}

/* Gives their names, which are the context's. */
static const char **write_devices(FILE *to, const cli_model *m, const struct cli_plan *p, size_t n)
{
    const char **names = cli_alloc(n, sizeof *names);
    for (size_t i = 0; i < n; i++) {
        berth_error error = {0};
        berth_device_info info;
        if (berth_device_get(m->context, i, &info, &error)) cli_fail_with(&error);
        names[i] = info.name;
        if (i) fputs(",\n", to);
        write_device(to, p, &info);
    }
    return names;
}

static void write_step(FILE *to, const berth_step *s, const char *const *devices, size_t n)
{
    fputc('[', to);
    cli_json_text(to, s->node);
    fputs(", ", to);
    cli_json_text(to, s->op);
    fprintf(to, ", %d, %d, [", device_index(devices, n, s->device), device_index(devices, n, s->from));
    for (size_t i = 0; i < s->n_inputs; i++) fprintf(to, "%s%zu", i ? "," : "", s->inputs[i]);
    fprintf(to, "], %lld, %lld, %lld, %lld, %lld]", s->caller == SIZE_MAX ? -1LL : (long long)s->caller,
            (long long)s->weight_bytes, (long long)s->runs, (long long)s->total_ns, (long long)s->bytes);
}

static void write_data(FILE *to, const cli_options *options, const cli_model *m, const struct cli_plan *p)
{
    size_t n = berth_device_count(m->context);
    fputs("{\"model\": ", to);
    cli_json_text(to, options->model);
    fprintf(to, ", \"copies\": %zu, \"runs\": %d, \"run_ns\": %.0f, \"note\": ", p->n_copies, p->runs,
            p->run_ns);
    cli_json_text(to, p->note);
    fputs(",\n\"devices\": [", to);
    const char **devices = write_devices(to, m, p, n);
    fputs("],\n\"steps\": [\n", to);
    for (size_t i = 0; i < p->n_steps; i++) {
        if (i) fputs(",\n", to);
        write_step(to, &p->steps[i], devices, n);
    }
    fputs("],\n\"nodes\": [\n", to);
    for (size_t i = 0; i < p->n_nodes; i++) {
        const berth_placement *node = &p->nodes[i];
        const char *texts[] = {node->node, node->op, node->device, node->requested, node->reason};
        for (int t = 0; t < 5; t++) {
            fputs(t ? ", " : i ? ",\n[" : "[", to);
            cli_json_text(to, or_empty(texts[t]));
        }
        fputc(']', to);
    }
    fputs("]}\n", to);
    free((void *)devices);
}

/* In the page, "</script>" in a name would end the data. */
static void put_in_script(FILE *to, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '<') fputs("\\u003c", to);
        else fputc(text[i], to);
    }
}

void cli_html_write(const char *path, const cli_options *options, const cli_model *m,
                    const struct cli_plan *p)
{
    static const char mark[] = "@DATA@";
    const char *at = strstr(cli_page, mark);
    char *text = NULL;
    size_t n = 0;
    FILE *data = open_memstream(&text, &n);
    if (!data) cli_fail(CLI_DEVICE, "out of memory");
    write_data(data, options, m, p);
    if (fclose(data)) cli_fail(CLI_DEVICE, "out of memory");
    FILE *to = cli_output_open(path);
    fwrite(cli_page, 1, (size_t)(at - cli_page), to);
    put_in_script(to, text, n);
    fputs(at + sizeof mark - 1, to);
    cli_output_close(to, path);
    free(text);
}
