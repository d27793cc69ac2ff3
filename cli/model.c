/* What the verbs have in common: opening a model and a session, feeds and fetches by the options. */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void log_line(void *user, berth_log_level level, const char *line)
{
    (void)user;
    if (level == BERTH_LOG_WARNING) fputs("berth: ", stderr);
    cli_put(stderr, line);
    fputc('\n', stderr);
}

/* From standard input: a file is opened again where it lies, anything else is gathered in memory. */
static berth_model *load_stdin(const berth_load_options *load, berth_error *error)
{
    struct stat info;
    if (fstat(0, &info)) cli_fail(CLI_MODEL, "standard input: %s", strerror(errno));
    if (S_ISREG(info.st_mode)) return berth_model_load("/proc/self/fd/0", load, error);
    cli_bytes bytes = cli_read_file("", "/dev/stdin");
    berth_model *model = berth_model_load_memory(bytes.p, bytes.n, free, bytes.p, load, error);
    if (model) return model;
    free(bytes.p);
    char message[sizeof error->message];
    snprintf(message, sizeof message, "%s", error->message);
    bool is_named = !strncmp(message, "memory", 6); /* as the library calls it */
    if (is_named) snprintf(error->message, sizeof message, "standard input%.490s", message + 6);
    return NULL;
}

berth_context *cli_context(const cli_options *options)
{
    berth_error error = {0};
    berth_context_options want;
    bool devices = options->visible.n || options->counts.n || options->logical.n || options->limits.n ||
                   options->fractions.n;
    if (!options->threads && !devices && !options->growth && !options->config) return NULL;
    berth_context_options_init(&want);
    want.threads = (int)options->threads;
    berth_context *context = berth_context_new(&want, &error);
    if (!context) cli_fail_with(&error);
    cli_configure(context, options);
    if (options->config && berth_config_read(context, options->config, &error)) {
        error.status = error.status == BERTH_BAD_ARGUMENT ? BERTH_BAD_MODEL : error.status;
        cli_fail_with(&error);
    }
    return context;
}

void cli_open(cli_model *m, const cli_options *options)
{
    berth_error error = {0};
    berth_load_options load;
    *m = (cli_model){.context = cli_context(options), .signature = options->signature};
    berth_load_options_init(&load);
    load.context = m->context;
    load.tags = options->tags;
    load.structure = options->structure;
    load.functions = options->functions ? "*" : options->signature;
    berth_set_log(log_line, options->log_placement || options->config ? BERTH_LOG_INFO : BERTH_LOG_WARNING,
                  NULL);
    for (size_t i = 0; i < options->op_libraries.n; i++)
        if (berth_op_library_load(options->op_libraries.items[i], &error))
            cli_fail(CLI_MODEL, "%s", error.message);
    cli_progress("loading");
    m->model = strcmp(options->model, "-") ? berth_model_load(options->model, &load, &error)
                                           : load_stdin(&load, &error);
    if (!m->model) cli_fail_with(&error);
}

static berth_session_options session_options(const cli_options *options)
{
    berth_session_options session;
    berth_session_options_init(&session);
    session.signature = options->signature;
    if (options->device) session.device = options->device;
    session.fallback = options->fallback;
    session.rules = options->rules.items;
    session.n_rules = options->rules.n;
    session.hard_placement = options->hard_placement;
    session.soft_placement = options->soft_placement;
    session.log_placement = options->log_placement;
    session.precision = options->precision;
    session.stream_weights = options->stream_weights;
    return session;
}

void cli_open_session(cli_model *m, const cli_options *options)
{
    berth_error error = {0};
    cli_open(m, options);
    berth_session_options session = session_options(options);
    m->session = berth_session_new(m->model, &session, &error);
    if (!m->session) cli_fail_with(&error);
}

void cli_close(cli_model *m)
{
    berth_session_free(m->session);
    berth_model_free(m->model);
    berth_context_free(m->context);
}

/* ---- Inputs ---- */

/* "x" and "x:0" name the same tensor. */
static bool same_tensor(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > m) return same_tensor(b, a);
    return !memcmp(a, b, n) && (n == m || !strcmp(b + n, ":0"));
}

/* Puts the dimensions of --input-shape, "1,224,224,3", in the place of the spec's. */
static void take_shape(berth_spec *spec, const char *name, const char *text)
{
    berth_spec fixed = *spec;
    fixed.rank = 0;
    for (const char *p = text; *p;) {
        char *end;
        long long dim = strtoll(p, &end, 10);
        if (end == p || dim < 0 || (*end && *end != ',') || fixed.rank == BERTH_MAX_RANK)
            cli_fail(CLI_USAGE, "--input-shape: '%s=%s' is no shape such as 1,224,224,3", name, text);
        fixed.dims[fixed.rank++] = dim;
        p = *end ? end + 1 : end;
    }
    bool fits = spec->rank < 0 || spec->rank == fixed.rank;
    for (int i = 0; fits && i < spec->rank; i++) fits = spec->dims[i] < 0 || spec->dims[i] == fixed.dims[i];
    if (!fits) {
        char wanted[128];
        cli_shape_text(wanted, sizeof wanted, spec->rank, spec->dims);
        cli_fail(CLI_MODEL, "--input-shape: input '%s' is %s, which %s does not fit", name, wanted, text);
    }
    *spec = fixed;
}

static void take_shapes(const cli_options *options, berth_spec *spec)
{
    for (size_t i = 0; i < options->shapes.n; i++) {
        char *storage;
        cli_pair shape = cli_split(options->shapes.items[i], &storage);
        if (!strcmp(shape.name, spec->name) || same_tensor(shape.name, spec->tensor))
            take_shape(spec, shape.name, shape.value);
        free(storage);
    }
}

static void input_at(const cli_model *m, const cli_options *options, size_t i, berth_spec *spec)
{
    berth_error error = {0};
    if (berth_model_input(m->model, m->signature, i, spec, &error)) cli_fail_with(&error);
    take_shapes(options, spec);
}

bool cli_find_input(const cli_model *m, const cli_options *options, const char *name, berth_spec *spec)
{
    size_t n = berth_model_input_count(m->model, m->signature);
    for (size_t i = 0; i < n; i++) {
        input_at(m, options, i, spec);
        if (!strcmp(name, spec->name) || same_tensor(name, spec->tensor)) return true;
    }
    return false;
}

/* An option that names no input would be ignored in silence. */
static void check_shapes(const cli_model *m, const cli_options *options)
{
    berth_spec spec;
    for (size_t i = 0; i < options->shapes.n; i++) {
        char *storage;
        cli_pair shape = cli_split(options->shapes.items[i], &storage);
        if (!cli_find_input(m, options, shape.name, &spec))
            cli_fail(CLI_MODEL, "--input-shape: the model has no input '%s'", shape.name);
        free(storage);
    }
}

berth_check *cli_model_check(const cli_model *m, const cli_options *options)
{
    berth_error error = {0};
    berth_session_options session = session_options(options);
    size_t n = berth_model_input_count(m->model, m->signature), n_outputs = options->outputs.n;
    berth_spec *specs = cli_alloc(n + 1, sizeof *specs);
    const char **outputs = cli_alloc(n_outputs + 1, sizeof *outputs);
    check_shapes(m, options);
    for (size_t i = 0; i < n; i++) input_at(m, options, i, &specs[i]);
    for (size_t i = 0; i < n_outputs; i++) cli_split(options->outputs.items[i], (char **)&outputs[i]);
    berth_check *check = berth_model_check(m->model, &session, specs, n, outputs, n_outputs, &error);
    if (!check) cli_fail_with(&error);
    for (size_t i = 0; i < n_outputs; i++) free((char *)outputs[i]);
    free((void *)outputs);
    free(specs);
    return check;
}

berth_feed *cli_read_feeds(const cli_model *m, const cli_options *options, size_t *n)
{
    berth_feed *feeds = cli_alloc(options->inputs.n, sizeof *feeds);
    check_shapes(m, options);
    for (size_t i = 0; i < options->inputs.n; i++) {
        char *storage;
        berth_spec spec;
        cli_pair input = cli_split(options->inputs.items[i], &storage);
        bool known = cli_find_input(m, options, input.name, &spec);
        feeds[i].tensor = cli_read_input(options, input.name, input.value, known ? &spec : NULL);
        feeds[i].name = input.name; /* the start of `storage` */
    }
    *n = options->inputs.n;
    return feeds;
}

static berth_tensor *filled(berth_spec *spec)
{
    berth_error error = {0};
    for (int i = 0; i < spec->rank; i++) spec->dims[i] = spec->dims[i] < 0 ? 1 : spec->dims[i];
    berth_tensor *tensor = berth_tensor_new(spec->dtype, spec->rank, spec->dims, &error);
    if (!tensor) cli_fail_with(&error);
    int64_t n = berth_tensor_count(tensor) * (cli_is_complex(spec->dtype) ? 2 : 1);
    uint64_t state = 0x9E3779B97F4A7C15;
    for (int64_t i = 0; i < n && (cli_is_real(spec->dtype) || cli_is_complex(spec->dtype)); i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        cli_number number = {.kind = CLI_REAL, .real = (double)(state >> 40) / (double)(1 << 24)};
        cli_set(berth_tensor_data(tensor), spec->dtype, i, number);
    }
    return tensor;
}

berth_feed *cli_fill_feeds(const cli_model *m, const cli_options *options, bool values, size_t *n)
{
    size_t given, count = berth_model_input_count(m->model, m->signature);
    berth_feed *feeds = cli_read_feeds(m, options, &given);
    size_t room = given;
    for (size_t i = 0; i < count; i++) {
        berth_spec spec;
        bool is_given = false;
        input_at(m, options, i, &spec);
        for (size_t j = 0; j < given; j++)
            is_given |= !strcmp(feeds[j].name, spec.name) || same_tensor(feeds[j].name, spec.tensor);
        if (is_given) continue;
        if (spec.rank < 0 && values)
            cli_fail(CLI_MODEL, "input '%s' may have any rank: give it, or --input-shape", spec.name);
        cli_grow(&feeds, &room, given, sizeof *feeds);
        feeds[given].name = cli_copy(spec.name);
        if (spec.rank >= 0) feeds[given].tensor = filled(&spec);
        given++;
    }
    *n = given;
    return feeds;
}

void cli_check_outputs(const cli_model *m, const cli_options *options)
{
    bool whole = !options->outputs.n && !berth_model_signature_count(m->model);
    if (whole && !berth_model_output_count(m->model, NULL))
        cli_fail(CLI_MODEL, "%s: the graph has no outputs: what its nodes give is read by others, or nothing",
                 options->model);
}

berth_feed *cli_fetches(const cli_model *m, const cli_options *options, size_t *n)
{
    size_t outputs = options->outputs.n;
    cli_check_outputs(m, options);
    *n = outputs ? outputs : berth_model_output_count(m->model, m->signature);
    berth_feed *fetches = cli_alloc(*n, sizeof *fetches);
    for (size_t i = 0; i < *n; i++) {
        berth_spec spec;
        berth_error error = {0};
        char *name;
        if (outputs) {
            cli_split(options->outputs.items[i], &name);
        } else {
            if (berth_model_output(m->model, m->signature, i, &spec, &error)) cli_fail_with(&error);
            name = cli_copy(spec.name);
        }
        fetches[i].name = name;
    }
    return fetches;
}

void cli_free_feeds(berth_feed *feeds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        berth_tensor_free(feeds[i].tensor);
        free((char *)feeds[i].name);
    }
    free(feeds);
}
