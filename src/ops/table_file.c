/* Vocabulary files: tables filled from the lines of a text file. A key or a value is a line's number, the whole line,
 * or a column of it. */
#include "base/file.h"
#include "ops/table.h"
#include "ops/text.h"

enum { WHOLE_LINE = -2, LINE_NUMBER = -1 };

typedef struct reading {
    berth_error *error;
    const char *path;
    int64_t part[2]; /* which column is the key, which the value */
    berth_dtype dtype[2];
    int64_t size;  /* lines; -1: all */
    int64_t first; /* the number of the first line */
    char delimiter;
    char *line; /* room for the longest line */
} reading;

static berth_status check_part(const reading *r, int i)
{
    const char *what = i ? "value" : "key";
    berth_dtype dtype = r->dtype[i];
    if (r->part[i] < WHOLE_LINE)
        return bt_fail(r->error, BERTH_BAD_INPUT, "column %lld cannot be the %s", (long long)r->part[i],
                       what);
    if (r->part[i] == LINE_NUMBER && dtype != BERTH_INT64)
        return bt_fail(r->error, BERTH_BAD_INPUT, "a line number as the %s needs int64, not %s", what,
                       bt_dtype_name(dtype));
    if (r->part[i] == WHOLE_LINE && dtype != BERTH_STRING && !(i && bt_dtype_is_int(dtype)))
        return bt_fail(r->error, BERTH_BAD_INPUT, "a whole line as the %s needs %sstring, not %s", what,
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
        return bt_fail(r->error, BERTH_BAD_INPUT, "'%s', line %lld: has no column %lld", r->path,
                       (long long)index, (long long)r->part[i]);
    *text = (bt_string){(char *)field.p, field.n};
    if (r->dtype[i] == BERTH_STRING || bt_text_number(r->dtype[i], field, number)) return BERTH_OK;
    return bt_fail(r->error, BERTH_BAD_INPUT, "'%s', line %lld: field %.*s is not a valid %s", r->path,
                   (long long)index, (int)(field.n < 80 ? field.n : 80), field.p, bt_dtype_name(r->dtype[i]));
}

/* each NULL: the lines are only counted. */
static berth_status read_lines(const reading *r, bt_str left, bt_table_line *each, void *user, int64_t *count)
{
    berth_status status = BERTH_OK;
    int64_t index = 0;
    for (; left.n && (r->size < 0 || index < r->size) && !status; index++) {
        int64_t numbers[2];
        bt_string texts[2];
        bt_str line = next_line(&left, r->line);
        if (line.n == 0)
            return bt_fail(r->error, BERTH_BAD_INPUT, "'%s', line %lld: is empty", r->path, (long long)index);
        if (!each) continue;
        for (int i = 0; i < 2 && !status; i++) status = part_of(r, i, line, index, &numbers[i], &texts[i]);
        const void *row[2];
        for (int i = 0; i < 2; i++) row[i] = r->dtype[i] == BERTH_STRING ? (void *)&texts[i] : &numbers[i];
        if (!status) status = each(user, row[0], row[1], r->error);
    }
    if (!status && r->size >= 0 && index < r->size)
        return bt_fail(r->error, BERTH_BAD_INPUT, "'%s': has %lld lines, not %lld", r->path, (long long)index,
                       (long long)r->size);
    *count = index;
    return status;
}

berth_status bt_table_lines(const bt_node *node, const char *path, berth_dtype key, berth_dtype value,
                            bt_table_line *each, void *user, int64_t *count, berth_error *error)
{
    const char *delimiter = bt_attr_string(node, "delimiter", "\t");
    reading r = {
        .error = error,
        .path = path,
        .part = {bt_attr_int(node, "key_index", WHOLE_LINE), bt_attr_int(node, "value_index", LINE_NUMBER)},
        .dtype = {key, value},
        .size = bt_attr_int(node, "vocab_size", -1),
        .first = bt_attr_int(node, "offset", 0),
        .delimiter = *delimiter};
    if (strlen(delimiter) != 1) return bt_fail(error, BERTH_BAD_INPUT, "the delimiter must be one character");
    for (int i = 0; i < 2; i++) {
        berth_status status = check_part(&r, i);
        if (status) return status;
    }
    bt_file *file = bt_file_open(path, error);
    if (!file) return error ? error->status : BERTH_NOT_FOUND;
    r.line = bt_alloc(file->size);
    berth_status status = r.line ? BERTH_OK : bt_fail_memory(error);
    if (!status) status = read_lines(&r, (bt_str){(const char *)file->data, file->size}, each, user, count);
    bt_free(r.line);
    bt_file_free(file);
    return status;
}

static berth_status put_line(void *table, const void *key, const void *value, berth_error *error)
{
    return bt_table_put(table, key, value, error);
}

static berth_status run_from_file(bt_call *c)
{
    bt_table *t = bt_table_input(c);
    berth_status status = t ? bt_strings_input(c, 1) : BERTH_BAD_INPUT;
    if (status) return status;
    if (bt_tensor_count(c->in[1]) != 1) return bt_call_fail(c, "needs the path of one file");
    const char *path = bt_call_path(c, 1);
    if (!path) return BERTH_NO_MEMORY;
    if (t->keys.width != 1 || t->values.width != 1)
        return bt_call_fail(c, "table '%s' has vectors, which a file of lines has not", t->name);
    if (!t->fixed) return bt_call_fail(c, "table '%s' takes no initializer", t->name);
    int64_t n = 0;
    pthread_mutex_lock(&t->lock);
    status = bt_table_lines(c->node, path, t->keys.dtype, t->values.dtype, t->ready ? NULL : put_line, t, &n,
                            c->error);
    if (!status && t->ready) status = bt_table_fill_again(t, n, c->error);
    if (!status && !t->ready) t->given = n, t->ready = true;
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
