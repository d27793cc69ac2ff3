/* The K best classes of an output, one ranking for each row of its last dimension. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BAR = 24 };

/* ---- Labels: a name a line ---- */

void cli_labels_read(cli_labels *labels, const char *path)
{
    cli_bytes file = cli_read_file("", path);
    size_t room = 0;
    char *rest = (char *)file.p, *line;
    *labels = (cli_labels){.text = rest};
    while ((line = strsep(&rest, "\n")) && (rest || *line)) {
        line[strcspn(line, "\r")] = '\0';
        cli_grow(&labels->names, &room, (size_t)labels->n, sizeof *labels->names);
        labels->names[labels->n++] = line;
    }
    while (labels->n && !*labels->names[labels->n - 1]) labels->n--; /* blank lines at the end */
    if (!labels->n) cli_fail(CLI_MODEL, "%s: holds no labels", path);
}

void cli_labels_free(cli_labels *labels)
{
    free(labels->names);
    free(labels->text);
}

/* ---- Ranking ---- */

bool cli_top_fits(const cli_labels *labels, berth_tensor *tensor)
{
    berth_dtype dtype = berth_tensor_dtype(tensor);
    int rank = berth_tensor_rank(tensor);
    int64_t classes = rank ? berth_tensor_dim(tensor, rank - 1) : 0;
    if (!berth_dtype_size(dtype) || cli_is_complex(dtype)) return false;
    return labels->names ? classes == labels->n : classes > 1;
}

struct best {
    int64_t index;
    double value;
};

/* Whether a stands before b: NaN last, the lower index first among equals. */
static bool before(double a, double b) { return isnan(b) ? !isnan(a) : a > b; }

/* The k best of n values, best first, by insertion. */
static void rank(struct best *best, int64_t k, const void *data, berth_dtype dtype, int64_t offset, int64_t n)
{
    int64_t have = 0;
    for (int64_t i = 0; i < n; i++) {
        double value = cli_real(cli_get(data, dtype, offset + i));
        int64_t at = have;
        if (have == k && !before(value, best[k - 1].value)) continue;
        if (have < k) have++;
        else at = k - 1;
        for (; at > 0 && before(value, best[at - 1].value); at--) best[at] = best[at - 1];
        best[at] = (struct best){i, value};
    }
}

struct rows {
    berth_tensor *tensor;
    int64_t n, classes, k;
    struct best *best; /* of one row */
    const cli_labels *labels;
};

static struct rows make_rows(berth_tensor *tensor, int64_t k, const cli_labels *labels)
{
    struct rows r = {.tensor = tensor, .labels = labels};
    r.classes = berth_tensor_dim(tensor, berth_tensor_rank(tensor) - 1);
    r.n = r.classes ? berth_tensor_count(tensor) / r.classes : 0;
    r.k = k < r.classes ? k : r.classes;
    r.best = cli_alloc((size_t)r.k, sizeof *r.best);
    return r;
}

static void rank_row(struct rows *r, int64_t row)
{
    rank(r->best, r->k, berth_tensor_data(r->tensor), berth_tensor_dtype(r->tensor), row * r->classes,
         r->classes);
}

static const char *label(const struct rows *r, int64_t index, char text[CLI_NUMBER])
{
    snprintf(text, CLI_NUMBER, "%lld", (long long)index);
    return r->labels->names ? r->labels->names[index] : text;
}

/* ---- For people ---- */

/* A bar of eighths of a column; of '#' where the terminal may not know blocks. */
static void put_bar(FILE *to, double share)
{
    share = !(share > 0) ? 0 : share > 1 ? 1 : share;
    int eighths = (int)lrint(share * BAR * 8), full = eighths / 8;
    bool blocks = cli_utf8();
    fputs(CLI_COLOUR, to);
    for (int i = 0; i < full; i++) fputs(blocks ? "\u2588" : "#", to);
    if (blocks && eighths % 8) {
        char part[4] = "\xe2\x96\x88"; /* U+2588 whole, U+258F one eighth */
        part[2] = (char)(0x90 - eighths % 8);
        fputs(part, to);
    }
    fputs(CLI_PLAIN, to);
}

static const char *row_name(const struct rows *r, int64_t row, char text[CLI_NUMBER])
{
    const char *picture = cli_picture_name(row, r->n);
    snprintf(text, CLI_NUMBER, "row %lld", (long long)row);
    return picture ? picture : text;
}

/* Values from 0 to 1 are shares of the whole bar; others are drawn from the least to the greatest. */
static void put_row(FILE *to, struct rows *r, int64_t row, int indent, int columns)
{
    char text[CLI_NUMBER];
    const void *data = berth_tensor_data(r->tensor);
    double least = 0, most = 1;
    for (int64_t i = 0; i < r->classes; i++) {
        double value = cli_real(cli_get(data, berth_tensor_dtype(r->tensor), row * r->classes + i));
        if (isfinite(value)) least = fmin(least, value), most = fmax(most, value);
    }
    for (int64_t i = 0; i < r->k; i++) {
        const char *name = label(r, r->best[i].index, text);
        if (i) cli_pad(to, indent);
        cli_put(to, name);
        cli_pad(to, columns - cli_columns(name) + 2);
        fprintf(to, least == 0 && most == 1 ? "%.4f  " : "%10.5g  ", r->best[i].value);
        put_bar(to, (r->best[i].value - least) / (most - least));
        putc('\n', to);
    }
}

void cli_top_print(FILE *to, const char *name, berth_tensor *tensor, int64_t k, const cli_labels *labels)
{
    struct rows r = make_rows(tensor, k, labels);
    char text[CLI_NUMBER];
    int names = 0, columns = 0;
    for (int64_t row = 0; row < r.n; row++) {
        int n = cli_columns(row_name(&r, row, text));
        names = n > names ? n : names;
        rank_row(&r, row);
        for (int64_t i = 0; i < r.k; i++) {
            n = cli_columns(label(&r, r.best[i].index, text));
            columns = n > columns ? n : columns;
        }
    }
    if (name) {
        fputs(CLI_DIM, to);
        cli_put(to, name);
        fprintf(to, "%s\n", CLI_PLAIN);
    }
    for (int64_t row = 0; row < r.n; row++) {
        const char *title = row_name(&r, row, text);
        if (row && r.k > 1) putc('\n', to);
        fputs(CLI_BOLD, to);
        cli_put(to, title);
        fputs(CLI_PLAIN, to);
        cli_pad(to, names - cli_columns(title) + 3);
        rank_row(&r, row);
        put_row(to, &r, row, names + 3, columns);
    }
    free(r.best);
}

/* ---- For programs ---- */

void cli_top_json(FILE *to, berth_tensor *tensor, int64_t k, const cli_labels *labels)
{
    struct rows r = make_rows(tensor, k, labels);
    char text[CLI_NUMBER];
    fputs(",\n \"top\": [", to);
    for (int64_t row = 0; row < r.n; row++) {
        fputs(row ? ",\n  [" : "\n  [", to);
        rank_row(&r, row);
        for (int64_t i = 0; i < r.k; i++) {
            int64_t index = r.best[i].index;
            fprintf(to, "%s{\"index\": %lld, \"label\": ", i ? ", " : "", (long long)index);
            cli_json_text(to, label(&r, index, text));
            cli_number n =
                cli_get(berth_tensor_data(tensor), berth_tensor_dtype(tensor), row * r.classes + index);
            cli_number_text(text, n, berth_tensor_dtype(tensor));
            fprintf(to, ", \"value\": %s}", text);
        }
        putc(']', to);
    }
    putc(']', to);
    free(r.best);
}
