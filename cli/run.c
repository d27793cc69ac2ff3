/* berth run: feeds, one run, and what comes of it: files, or text for people or programs. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* Every FILE of --output NAME=FILE can be written, and none stands there twice. */
static size_t check_outputs(const cli_options *options)
{
    size_t n_files = 0;
    for (size_t i = 0; i < options->outputs.n; i++) {
        const char *file = strchr(options->outputs.items[i], '=');
        if (!file) continue;
        if (!file[1] || file == options->outputs.items[i])
            cli_fail(CLI_USAGE, "--output: '%s' is not NAME=FILE.npy", options->outputs.items[i]);
        for (size_t j = 0; j < i; j++) {
            const char *other = strchr(options->outputs.items[j], '=');
            if (other && !strcmp(other, file)) cli_fail(CLI_USAGE, "--output: '%s' is given twice", file + 1);
        }
        cli_output_check(file + 1);
        n_files++;
    }
    return n_files;
}

static const char *file_of(const cli_options *options, size_t i)
{
    const char *file = i < options->outputs.n ? strchr(options->outputs.items[i], '=') : NULL;
    return file ? file + 1 : NULL;
}

static void print_json(const cli_options *options, berth_feed *fetches, size_t n, const cli_labels *labels)
{
    const char *comma = "";
    putchar('{');
    for (size_t i = 0; i < n; i++) {
        if (file_of(options, i)) continue;
        printf("%s\n", comma);
        cli_json_text(stdout, fetches[i].name);
        fputs(": {", stdout);
        cli_json_tensor(stdout, fetches[i].tensor);
        if (options->top && cli_top_fits(labels, fetches[i].tensor))
            cli_top_json(stdout, fetches[i].tensor, options->top, labels);
        putchar('}');
        comma = ",";
    }
    printf("\n}\n");
}

static void print_text(const cli_options *options, berth_feed *fetches, size_t n, const cli_labels *labels)
{
    const char *gap = "";
    for (size_t i = 0; i < n; i++) {
        if (file_of(options, i)) continue;
        fputs(gap, stdout);
        if (options->top && cli_top_fits(labels, fetches[i].tensor))
            cli_top_print(stdout, n > 1 ? fetches[i].name : NULL, fetches[i].tensor, options->top, labels);
        else cli_print_tensor(stdout, fetches[i].name, fetches[i].tensor);
        gap = "\n";
    }
}

/* Labels that fit no output were meant for another model: the wrong name beside a number is worse than none. */
static void check_labels(const cli_options *options, berth_feed *fetches, size_t n, const cli_labels *labels)
{
    for (size_t i = 0; i < n; i++)
        if (cli_top_fits(labels, fetches[i].tensor)) return;
    if (labels->names)
        cli_fail(CLI_MODEL, "%s: has %lld names, and no output has as many classes", options->labels,
                 (long long)labels->n);
}

int cli_run(const cli_options *given)
{
    cli_model m;
    cli_options options = *given;
    cli_labels labels = {0};
    berth_error error = {0};
    size_t n_feeds, n_fetches, n_files = check_outputs(&options);
    if (options.labels) cli_labels_read(&labels, options.labels);
    if (options.labels && !options.top) options.top = 1;
    cli_open_session(&m, &options);
    berth_feed *feeds = cli_read_feeds(&m, &options, &n_feeds),
               *fetches = cli_fetches(&m, &options, &n_fetches);
    if (options.trace) cli_output_check(options.trace);
    if (options.trace && berth_session_profile(m.session, true, &error)) cli_fail_with(&error);
    cli_progress("running");
    if (berth_session_run(m.session, feeds, n_feeds, fetches, n_fetches, NULL, &error)) cli_fail_with(&error);
    cli_progress(NULL);
    if (options.labels) check_labels(&options, fetches, n_fetches, &labels);
    for (size_t i = 0; i < n_fetches; i++)
        if (file_of(&options, i)) cli_output_write(file_of(&options, i), fetches[i].tensor, fetches[i].name);
    if (options.trace) cli_output_trace(options.trace, m.session);
    if (n_files == n_fetches && n_files)
        ;
    else if (options.json) print_json(&options, fetches, n_fetches, &labels);
    else print_text(&options, fetches, n_fetches, &labels);
    cli_done();
    cli_output_commit();
    if (!options.outputs.n && !berth_model_signature_count(m.model))
        fprintf(stderr, "berth: the graph has no signature: these are the outputs that nothing consumes\n");
    cli_labels_free(&labels);
    cli_free_feeds(feeds, n_feeds);
    cli_free_feeds(fetches, n_fetches);
    cli_close(&m);
    return 0;
}
