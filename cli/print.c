/* Tensors for people: short ones whole, long ones abridged at three elements from either end, as NumPy does. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE = 256, WIDTH = 96 }; /* elements that are printed in full, and columns of a line */

void cli_shape_text(char *text, size_t n, int rank, const int64_t *dims)
{
    size_t at = (size_t)snprintf(text, n, rank < 0 ? "[...]" : "[");
    for (int i = 0; i < rank && at < n; i++) {
        char dim[24];
        snprintf(dim, sizeof dim, "%lld", (long long)dims[i]);
        at += (size_t)snprintf(text + at, n - at, "%s%s", i ? ", " : "", dims[i] < 0 ? "?" : dim);
    }
    if (rank >= 0 && at < n) snprintf(text + at, n - at, "]");
}

/* ---- Which elements are shown ---- */

/* What the values shown have in common; zeros count for nothing. */
struct span {
    double least, most; /* of magnitudes */
    bool whole;
};

struct view {
    berth_tensor *tensor;
    berth_dtype dtype;
    int rank, edge; /* edge 0: everything is shown */
    int64_t dims[BERTH_MAX_RANK];
    char **texts; /* of the elements shown, in order */
    size_t n, room;
    struct span span;
    int decimals; /* of floating types; -1: in powers of ten */
    int width;
    size_t next; /* while printing */
    int column;
};

/* Of a dimension's index, what comes next: every index, or the first and last few. */
static int64_t after(const struct view *v, int axis, int64_t i)
{
    return v->edge && v->dims[axis] > 2 * v->edge && i == v->edge - 1 ? v->dims[axis] - v->edge : i + 1;
}

typedef void visit_fn(struct view *v, int64_t index);

static void visit(struct view *v, int axis, int64_t index, visit_fn *fn)
{
    if (axis == v->rank) {
        fn(v, index);
        return;
    }
    for (int64_t i = 0; i < v->dims[axis]; i = after(v, axis, i))
        visit(v, axis + 1, index * v->dims[axis] + i, fn);
}

/* ---- Their text ---- */

/* Six digits of the greatest value and four decimals at least, one form for all; -1: powers of ten. */
static int decimals_for(const struct span *s)
{
    if (s->most == 0 || (s->whole && s->most < 1e15)) return 1;
    if (s->most >= 1e7 || s->most < 1e-4 || (s->most >= 1e3 && s->least < 1e-3)) return -1;
    int before = s->most >= 1 ? (int)floor(log10(s->most)) + 1 : 0;
    return before > 2 ? 4 : 6 - before;
}

static void measure(struct view *v, int64_t index)
{
    int parts = cli_is_complex(v->dtype) ? 2 : 1;
    for (int part = 0; part < parts; part++) {
        double value = fabs(cli_real(cli_get(berth_tensor_data(v->tensor), v->dtype, index * parts + part)));
        if (!isfinite(value) || value == 0) continue;
        v->span.least = fmin(v->span.least, value);
        v->span.most = fmax(v->span.most, value);
        v->span.whole &= value == rint(value);
    }
}

static int real_text(char *text, size_t n, const struct view *v, double value, bool sign)
{
    const char *plus = sign && !signbit(value) ? "+" : "";
    if (!isfinite(value))
        return snprintf(text, n, "%s%s", plus, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    if (v->decimals < 0) return snprintf(text, n, "%s%.5e", plus, value);
    return snprintf(text, n, "%s%.*f", plus, v->decimals, value);
}

static void string_text(char *text, const char *bytes, size_t n)
{
    size_t shown = n > 60 ? 57 : n;
    while (shown < n && shown && ((unsigned char)bytes[shown] & 0xC0) == 0x80) shown--;
    *text++ = '"';
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < ' ' || c == 127) text += sprintf(text, "\\x%02x", c);
        else if (c == '"' || c == '\\') text += sprintf(text, "\\%c", c);
        else *text++ = (char)c;
    }
    strcpy(text, shown < n ? "...\"" : "\"");
}

static void add_text(struct view *v, int64_t index)
{
    char text[320];
    void *data = berth_tensor_data(v->tensor);
    if (v->dtype == BERTH_STRING) {
        size_t n = 0;
        const char *bytes = berth_tensor_get_string(v->tensor, index, &n);
        string_text(text, bytes, bytes ? n : 0);
    } else if (cli_is_complex(v->dtype)) {
        int n = real_text(text, 100, v, cli_real(cli_get(data, v->dtype, 2 * index)), false);
        n += real_text(text + n, 100, v, cli_real(cli_get(data, v->dtype, 2 * index + 1)), true);
        strcpy(text + n, "j");
    } else if (cli_is_real(v->dtype)) {
        real_text(text, sizeof text, v, cli_real(cli_get(data, v->dtype, index)), false);
    } else {
        cli_number_text(text, cli_get(data, v->dtype, index), v->dtype);
    }
    cli_grow(&v->texts, &v->room, v->n, sizeof *v->texts);
    v->texts[v->n++] = cli_copy(text);
}

/* Zeros that all share at their ends say nothing: 0.500000 0.250000 becomes 0.50 0.25. Not where a small value
 * stands as 0.000000, which is no zero. */
static void trim(struct view *v)
{
    int zeros = v->decimals;
    for (size_t i = 0; i < v->n; i++) {
        size_t n = strlen(v->texts[i]);
        int own = 0;
        if (!strchr(v->texts[i], '.')) continue;
        while (own < zeros && v->texts[i][n - 1 - (size_t)own] == '0') own++;
        zeros = own;
    }
    if (zeros == v->decimals) zeros--;
    for (size_t i = 0; i < v->n && zeros > 0; i++)
        if (strchr(v->texts[i], '.')) v->texts[i][strlen(v->texts[i]) - (size_t)zeros] = '\0';
}

static void make_texts(struct view *v)
{
    bool real = cli_is_real(v->dtype) || cli_is_complex(v->dtype);
    v->span = (struct span){INFINITY, 0, true};
    if (real) visit(v, 0, 0, measure);
    v->decimals = decimals_for(&v->span);
    visit(v, 0, 0, add_text);
    if (cli_is_real(v->dtype) && v->decimals > 0 && v->span.least >= pow(10, -v->decimals)) trim(v);
    for (size_t i = 0; i < v->n; i++) {
        int columns = cli_columns(v->texts[i]);
        v->width = columns > v->width && v->dtype != BERTH_STRING ? columns : v->width;
    }
}

/* ---- Lines ---- */

static void put_element(FILE *to, struct view *v, int axis, bool first)
{
    const char *text = v->texts[v->next++];
    int columns = cli_columns(text), pad = v->width > columns ? v->width - columns : 0;
    if (first) {
        v->column = axis + 3;
    } else if (v->column + pad + columns + 1 > WIDTH) {
        putc('\n', to), cli_pad(to, axis + 3);
        v->column = axis + 3;
    } else {
        putc(' ', to), v->column++;
    }
    cli_pad(to, pad);
    fputs(text, to);
    v->column += pad + columns;
}

static void put_axis(FILE *to, struct view *v, int axis)
{
    bool last = axis == v->rank - 1;
    int64_t previous = -1;
    putc('[', to);
    for (int64_t i = 0; i < v->dims[axis]; previous = i, i = after(v, axis, i)) {
        bool first = previous < 0, gap = !first && i != previous + 1;
        if (last) {
            if (gap) fputs(" ...", to), v->column += 4;
            put_element(to, v, axis, first);
            continue;
        }
        if (!first) putc('\n', to), cli_pad(to, axis + 3);
        if (gap) fputs("...\n", to), cli_pad(to, axis + 3);
        put_axis(to, v, axis + 1);
    }
    putc(']', to);
}

void cli_print_tensor(FILE *to, const char *name, berth_tensor *tensor)
{
    struct view v = {
        .tensor = tensor, .dtype = berth_tensor_dtype(tensor), .rank = berth_tensor_rank(tensor)};
    char shape[256];
    for (int i = 0; i < v.rank; i++) v.dims[i] = berth_tensor_dim(tensor, i);
    cli_shape_text(shape, sizeof shape, v.rank, v.dims);
    fprintf(to, "%s", CLI_BOLD);
    cli_put(to, name);
    fprintf(to, "%s  %s%s %s%s\n", CLI_PLAIN, CLI_DIM, berth_dtype_name(v.dtype), shape, CLI_PLAIN);
    if (!cli_npy_can(v.dtype)) return; /* a resource or a variant has no values to show */
    if (berth_tensor_count(tensor) > WHOLE) v.edge = v.rank < 4 ? 3 : v.rank < 6 ? 2 : 1;
    if (berth_tensor_count(tensor)) make_texts(&v);
    fputs("  ", to);
    if (!berth_tensor_count(tensor)) fputs("(no elements)", to);
    else if (!v.rank) fputs(v.texts[0], to);
    else put_axis(to, &v, 0);
    putc('\n', to);
    for (size_t i = 0; i < v.n; i++) free(v.texts[i]);
    free(v.texts);
}
