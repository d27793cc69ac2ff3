/* Vocabulary files: tables filled from the lines of a text file. A key or a value is a line's number, the whole line,
 * or a column of it. */
#include "base/file.h"
#include "ops/table.h"
#include "ops/text.h"

enum { WHOLE_LINE = -2, LINE_NUMBER = -1 };

typedef struct reading {
    bt_call *c;
    const char *path;
    int64_t part[2]; /* which column is the key, which the value */
    const bt_rows *rows[2];
    int64_t size;  /* lines; -1: all */
    int64_t first; /* the number of the first line */
    char delimiter;
    char *line; /* room for the longest line */
} reading;

static berth_status check_part(const reading *r, int i)
{
    const char *what = i ? "value" : "key";
    berth_dtype dtype = r->rows[i]->dtype;
    if (r->rows[i]->width != 1 || r->part[i] < WHOLE_LINE)
        return bt_call_fail(r->c, "column %lld cannot be the %s", (long long)r->part[i], what);
    if (r->part[i] == LINE_NUMBER && dtype != BERTH_INT64)
        return bt_call_fail(r->c, "a line number as the %s needs int64, not %s", what, bt_dtype_name(dtype));
    if (r->part[i] == WHOLE_LINE && dtype != BERTH_STRING && !(i && bt_dtype_is_int(dtype)))
        return bt_call_fail(r->c, "a whole line as the %s needs %sstring, not %s", what,
                            i ? "integer or " : "", bt_dtype_name(dtype));
    return BERTH_OK;
}

/* The next line, without its end and without carriage returns. */
static bt_str next_line(bt_str *left, char *to)
{
    const char *end = memchr(left->p, '\n', left->n);
    size_t n = end ? (size_t)(end - left->p) : left->n, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (left->p[i] != '\r') to[kept++] = left->p[i];
    n += end != NULL;
    left->p += n, left->n -= n;
    return (bt_str){to, kept};
}

static bool column(bt_str line, char delimiter, int64_t index, bt_str *out)
{
    for (; index > 0; index--) {
        const char *end = line.n ? memchr(line.p, delimiter, line.n) : NULL;
        if (!end) return false;
        line.n -= (size_t)(end + 1 - line.p), line.p = end + 1;
    }
    const char *end = line.n ? memchr(line.p, delimiter, line.n) : NULL;
    *out = (bt_str){line.p, end ? (size_t)(end - line.p) : line.n};
    return true;
}

/* The key (i 0) or value (i 1) of a line: into *number, or as a string that borrows the line. */
static berth_status part_of(const reading *r, int i, bt_str line, int64_t index, int64_t *number,
                            bt_string *text)
{
    bt_str field = line;
    if (r->part[i] == LINE_NUMBER) return *number = index + r->first, BERTH_OK;
    if (r->part[i] >= 0 && !column(line, r->delimiter, r->part[i], &field))
        return bt_call_fail(r->c, "'%s', line %lld: has no column %lld", r->path, (long long)index,
                            (long long)r->part[i]);
    *text = (bt_string){(char *)field.p, field.n};
    if (r->rows[i]->dtype == BERTH_STRING || bt_text_number(r->rows[i]->dtype, field, number))
        return BERTH_OK;
    return bt_call_fail(r->c, "'%s', line %lld: field %.*s is not a valid %s", r->path, (long long)index,
                        (int)(field.n < 80 ? field.n : 80), field.p, bt_dtype_name(r->rows[i]->dtype));
}

static berth_status read_lines(const reading *r, bt_table *t, bt_str left, int64_t *count)
{
    berth_status status = BERTH_OK;
    int64_t index = 0;
    for (; left.n && (r->size < 0 || index < r->size) && !status; index++) {
        int64_t numbers[2];
        bt_string texts[2];
        bt_str line = next_line(&left, r->line);
        if (line.n == 0) return bt_call_fail(r->c, "'%s', line %lld: is empty", r->path, (long long)index);
        if (!t) continue;
        for (int i = 0; i < 2 && !status; i++) status = part_of(r, i, line, index, &numbers[i], &texts[i]);
        const void *row[2];
        for (int i = 0; i < 2; i++)
            row[i] = r->rows[i]->dtype == BERTH_STRING ? (void *)&texts[i] : &numbers[i];
        if (!status) status = bt_table_put(t, row[0], row[1], r->c->error);
    }
    if (!status && r->size >= 0 && index < r->size)
        return bt_call_fail(r->c, "'%s': has %lld lines, not %lld", r->path, (long long)index,
                            (long long)r->size);
    *count = index;
    return status;
}

static berth_status fill(reading *r, bt_table *t)
{
    int64_t n = 0;
    bt_file *file = bt_file_open(r->path, r->c->error);
    if (!file) return r->c->error ? r->c->error->status : BERTH_NOT_FOUND;
    bt_str all = {(const char *)file->data, file->size};
    berth_status status = (r->line = bt_alloc(file->size)) ? BERTH_OK : bt_fail_memory(r->c->error);
    if (!status) status = read_lines(r, t->ready ? NULL : t, all, &n);
    if (!status && t->ready) status = bt_table_fill_again(t, n, r->c->error);
    if (!status) t->ready = true;
    bt_free(r->line);
    bt_file_free(file);
    return status;
}

static berth_status run_from_file(bt_call *c)
{
    bt_table *t = bt_table_input(c);
    berth_status status = t ? bt_strings_input(c, 1) : BERTH_BAD_INPUT;
    if (status) return status;
    if (bt_tensor_count(c->in[1]) != 1) return bt_call_fail(c, "needs the path of one file");
    bt_str name = bt_str_from(c->in[1]->data);
    char *path = bt_scratch(c, name.n + 1);
    if (!path) return BERTH_NO_MEMORY;
    if (name.n) memcpy(path, name.p, name.n);
    path[name.n] = '\0';
    const char *delimiter = bt_attr_string(c->node, "delimiter", "\t");
    reading r = {.c = c,
                 .path = path,
                 .part = {bt_attr_int(c->node, "key_index", WHOLE_LINE),
                          bt_attr_int(c->node, "value_index", LINE_NUMBER)},
                 .rows = {&t->keys, &t->values},
                 .size = bt_attr_int(c->node, "vocab_size", -1),
                 .first = bt_attr_int(c->node, "offset", 0),
                 .delimiter = *delimiter};
    if (strlen(delimiter) != 1) return bt_call_fail(c, "the delimiter must be one character");
    for (int i = 0; i < 2 && !status; i++) status = check_part(&r, i);
    if (!status && !t->fixed) status = bt_call_fail(c, "table '%s' takes no initializer", t->name);
    if (status) return status;
    pthread_mutex_lock(&t->lock);
    status = fill(&r, t);
    pthread_mutex_unlock(&t->lock);
    return status;
}

const bt_op bt_ops_table_file[] = {
    {"InitializeTableFromTextFile", bt_infer_none, .cpu = run_from_file, .flags = BT_OP_STATEFUL,
     .outputs = ""},
    {"InitializeTableFromTextFileV2", bt_infer_none, .cpu = run_from_file, .flags = BT_OP_STATEFUL,
     .outputs = ""},
    {NULL},
};
