/* berth inspect: what a model takes, gives and is made of, on one page; or one stage of it as text. */
#include "cli.h"

#include <string.h>

static int to_stdout(void *user, const char *text, size_t n)
{
    (void)user;
    return fwrite(text, 1, n, stdout) != n;
}

static int dump(const cli_options *options)
{
    cli_model m;
    berth_error error = {0};
    cli_open_session(&m, options);
    if (berth_session_dump(m.session, options->stage, to_stdout, NULL, &error)) cli_fail_with(&error);
    cli_progress(NULL);
    cli_close(&m);
    return cli_done();
}

/* Inputs, then outputs, through one function. */
static const struct side {
    const char *name, *key;
    size_t (*count)(const berth_model *model, const char *signature);
    berth_status (*get)(const berth_model *model, const char *signature, size_t index, berth_spec *spec,
                        berth_error *error);
} sides[2] = {{"in ", "inputs", berth_model_input_count, berth_model_input},
              {"out", "outputs", berth_model_output_count, berth_model_output}};

static berth_spec get(const struct side *side, const berth_model *model, const char *signature, size_t i)
{
    berth_error error = {0};
    berth_spec spec = {0};
    if (side->get(model, signature, i, &spec, &error)) cli_fail_with(&error);
    return spec;
}

/* ---- For people ---- */

enum { LONG = 60 };

struct widths {
    int name, dtype, shape;
};

/* A few long names do not move all others. */
static void widen(int *width, const char *text)
{
    int columns = cli_columns(text);
    if (columns > *width && columns <= LONG) *width = columns;
}

static void print_port(const struct side *side, const berth_spec *spec, const struct widths *w)
{
    char shape[256];
    bool alias = spec->tensor && strcmp(spec->tensor, spec->name);
    cli_shape_text(shape, sizeof shape, spec->rank, spec->dims);
    printf("  %s%s%s  ", CLI_DIM, side->name, CLI_PLAIN);
    cli_column(spec->name, w->name);
    cli_column(berth_dtype_name(spec->dtype), w->dtype);
    fputs(shape, stdout);
    cli_pad(stdout, alias ? w->shape - cli_columns(shape) + 2 : 0);
    fputs(CLI_DIM, stdout);
    cli_put(stdout, alias ? spec->tensor : "");
    printf("%s\n", CLI_PLAIN);
}

static void print_signature(const berth_model *model, const char *signature)
{
    struct widths w = {0};
    char shape[256];
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s].count(model, signature); i++) {
            berth_spec spec = get(&sides[s], model, signature, i);
            cli_shape_text(shape, sizeof shape, spec.rank, spec.dims);
            widen(&w.name, spec.name), widen(&w.dtype, berth_dtype_name(spec.dtype)), widen(&w.shape, shape);
        }
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sides[s].count(model, signature); i++) {
            berth_spec spec = get(&sides[s], model, signature, i);
            print_port(&sides[s], &spec, &w);
        }
}

static void print_signatures(const berth_model *model, const char *chosen)
{
    size_t n = berth_model_signature_count(model);
    if (!n) {
        printf("\n%sno signature%s: placeholders, and outputs that nothing consumes\n", CLI_BOLD, CLI_PLAIN);
        print_signature(model, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = berth_model_signature_name(model, i);
        if (chosen && strcmp(chosen, name)) continue;
        printf("\n%ssignature%s ", CLI_DIM, CLI_PLAIN);
        fputs(CLI_BOLD, stdout);
        cli_put(stdout, name);
        const char *note = berth_model_signature_note(model, i);
        printf("%s%s%s", CLI_PLAIN, *note ? "  " : "", CLI_DIM);
        cli_put(stdout, note);
        printf("%s\n", CLI_PLAIN);
        print_signature(model, name);
    }
}

enum { WIDTH = 96, MOST = 8 };

/* The widths of columns of `rows` ops each; gives their sum with the counts before them, and gaps. */
static int measure(const berth_model *model, size_t rows, int widths[MOST])
{
    const char *op;
    size_t count;
    int sum = 0;
    memset(widths, 0, MOST * sizeof *widths);
    for (size_t i = 0; berth_model_op(model, i, &op, &count) && i / rows < MOST; i++)
        if (cli_columns(op) > widths[i / rows]) widths[i / rows] = cli_columns(op);
    for (int i = 0; i < MOST && widths[i]; i++) sum += widths[i] + 8;
    return sum;
}

/* In order of falling count, down as many columns as there is room for. */
static void print_ops(const berth_model *model)
{
    const char *op;
    size_t count, n = 0, nodes = 0, columns = MOST, rows;
    int widths[MOST];
    for (; berth_model_op(model, n, &op, &count); n++) nodes += count;
    do rows = (n + columns - 1) / columns;
    while (measure(model, rows ? rows : 1, widths) > WIDTH && --columns > 0);
    printf("\n%zu nodes of %zu ops\n", nodes, n);
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < n; i += rows) {
            berth_model_op(model, i, &op, &count);
            printf("%s%6zu%s ", CLI_DIM, count, CLI_PLAIN);
            cli_put(stdout, op);
            if (i + rows < n) cli_pad(stdout, widths[i / rows] - cli_columns(op) + 1);
        }
        putchar('\n');
    }
}

/* ---- For programs ---- */

static void json_spec(const berth_spec *spec)
{
    fputs("{\"name\": ", stdout);
    cli_json_text(stdout, spec->name);
    fputs(", \"tensor\": ", stdout);
    cli_json_text(stdout, spec->tensor ? spec->tensor : "");
    printf(", \"dtype\": \"%s\", \"shape\": ", berth_dtype_name(spec->dtype));
    if (spec->rank < 0) fputs("null", stdout);
    else cli_json_dims(stdout, spec->rank, spec->dims);
    putchar('}');
}

static void json_signature(const berth_model *model, const char *name)
{
    putchar('{');
    for (int s = 0; s < 2; s++) {
        printf("%s\"%s\": [", s ? ", " : "", sides[s].key);
        for (size_t i = 0; i < sides[s].count(model, name); i++) {
            berth_spec spec = get(&sides[s], model, name, i);
            if (i) fputs(", ", stdout);
            json_spec(&spec);
        }
        putchar(']');
    }
    putchar('}');
}

/* "'serve', 'serve,gpu'" as a list. */
static void json_tags(const char *tags)
{
    fputs(",\n \"tags\": [", stdout);
    for (const char *p = tags, *comma = ""; *p; comma = ", ") {
        size_t n = strcspn(++p, "'");
        fputs(comma, stdout);
        cli_json_string(stdout, p, n);
        p += n + (p[n] != '\0');
        p += strspn(p, ", "); /* to the quote that opens the next */
    }
    putchar(']');
}

static void print_json(const cli_options *options, const berth_model *model)
{
    const char *op;
    size_t count, n = berth_model_signature_count(model);
    fputs("{\"path\": ", stdout);
    cli_json_text(stdout, options->model);
    fputs(",\n \"format\": ", stdout);
    cli_json_text(stdout, berth_model_format(model));
    json_tags(berth_model_tags(model));
    printf(",\n \"weight_bytes\": %lld,\n \"signatures\": {", (long long)berth_model_weight_bytes(model));
    for (size_t i = 0; i < n; i++) {
        const char *name = berth_model_signature_name(model, i);
        fputs(i ? ",\n  " : "\n  ", stdout);
        cli_json_text(stdout, name);
        fputs(": ", stdout);
        json_signature(model, name);
    }
    fputs("}", stdout);
    if (!n) {
        fputs(",\n \"graph\": ", stdout);
        json_signature(model, NULL);
    }
    fputs(",\n \"ops\": {", stdout);
    for (size_t i = 0; berth_model_op(model, i, &op, &count); i++) {
        if (i) fputs(", ", stdout);
        cli_json_text(stdout, op);
        printf(": %zu", count);
    }
    fputs("}}\n", stdout);
}

int cli_inspect(const cli_options *options)
{
    cli_model m;
    if (options->stage) return dump(options);
    cli_open(&m, options);
    cli_progress(NULL);
    berth_spec spec;
    berth_error error = {0};
    if (options->signature && !berth_model_input_count(m.model, options->signature) &&
        !berth_model_output_count(m.model, options->signature)) {
        berth_model_output(m.model, options->signature, 0, &spec, &error);
        if (error.status == BERTH_UNSUPPORTED) cli_fail_with(&error);
        cli_fail(CLI_MODEL, "%s: has no signature '%s'", options->model, options->signature);
    }
    if (options->json) {
        print_json(options, m.model);
    } else {
        fputs(CLI_BOLD, stdout);
        cli_put(stdout, options->model);
        printf("%s  %s, ", CLI_PLAIN, berth_model_format(m.model));
        if (*berth_model_tags(m.model))
            cli_put(stdout, "tags "), cli_put(stdout, berth_model_tags(m.model)), fputs(", ", stdout);
        printf("%s of weights\n", cli_size(berth_model_weight_bytes(m.model)));
        print_signatures(m.model, options->signature);
        print_ops(m.model);
    }
    cli_close(&m);
    return cli_done();
}
