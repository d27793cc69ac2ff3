/* berth convert: the model written out again, and what was changed on the way. */
#include "cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* "graphdef", "pbtxt" or "savedmodel": as --to says, else as the path ends. */
static const char *format_of(const cli_options *options)
{
    static const char *const formats[] = {"graphdef", "pbtxt", "savedmodel"};
    size_t n = strlen(options->out);
    if (!options->to) {
        if (n > 3 && !strcmp(options->out + n - 3, ".pb")) return formats[0];
        return n > 6 && !strcmp(options->out + n - 6, ".pbtxt") ? formats[1] : formats[2];
    }
    for (int i = 0; i < 3; i++)
        if (!strcmp(options->to, formats[i])) return formats[i];
    cli_fail(CLI_USAGE, "--to: '%s' is none of graphdef, pbtxt and savedmodel", options->to);
}

/* What --input-shape fixes. */
static berth_spec *read_shapes(const cli_model *m, const cli_options *options, char ***names)
{
    berth_spec *specs = cli_alloc(options->shapes.n + 1, sizeof *specs);
    *names = cli_alloc(options->shapes.n + 1, sizeof **names);
    for (size_t i = 0; i < options->shapes.n; i++) {
        cli_pair shape = cli_split(options->shapes.items[i], &(*names)[i]);
        if (!cli_find_input(m, options, shape.name, &specs[i]))
            cli_fail(CLI_MODEL, "--input-shape: the model has no input '%s'", shape.name);
        specs[i].name = shape.name;
    }
    return specs;
}

static size_t count_nodes(const berth_model *model)
{
    const char *op;
    size_t count, all = 0;
    for (size_t i = 0; berth_model_op(model, i, &op, &count); i++) all += count;
    return all;
}

static void report(const cli_options *options, const char *format, const berth_model *before, const berth_model *after)
{
    const char *what;
    size_t count;
    for (size_t i = 0; berth_model_change(after, i, &what, &count); i++) printf("%8zu  %s\n", count, what);
    printf("%8zu  nodes, of %zu before\n", count_nodes(after), count_nodes(before));
    cli_put(stdout, options->out);
    printf(": %s\n", format);
}

int cli_convert(const cli_options *options)
{
    cli_model m;
    berth_error error = {0};
    berth_transform_options want;
    char **names;
    const char *format = format_of(options);
    cli_clean_on_signal(options->out);
    cli_open(&m, options);
    cli_check_outputs(&m, options);
    berth_transform_options_init(&want);
    bool flat = strcmp(format, "savedmodel") != 0;
    want.signature = options->signature;
    want.outputs = options->outputs.items;
    want.n_outputs = options->outputs.n;
    want.clear_devices = options->clear_devices;
    want.strip_training = options->strip_training;
    want.cpu = options->cpu;
    want.freeze = options->freeze || flat;
    berth_spec *shapes = read_shapes(&m, options, &names);
    want.shapes = shapes;
    want.n_shapes = options->shapes.n;
    cli_progress("converting");
    berth_model *made = berth_model_transform(m.model, &want, &error);
    if (!made) cli_fail_with(&error);
    cli_progress("writing");
    signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error like any other, and leaves nothing */
    if (berth_model_save(made, options->out, format, &error)) cli_fail_with(&error);
    cli_progress(NULL);
    report(options, format, m.model, made);
    for (size_t i = 0; i < options->shapes.n; i++) free(names[i]);
    free(names), free(shapes);
    berth_model_free(made);
    cli_close(&m);
    return cli_done();
}
