/* Strings taken apart: splits as sparse tensors (indices [n,2], values [n], shape [2]), and n-grams of split ones. */
#include "ops/move.h"
#include "ops/text.h"

/* ---- Pieces ------------------------------------------------------------------------------------------- */

typedef struct piece {
    int64_t row;
    bt_str text;
} piece;

/* All pieces of all strings, in order; they borrow the input's bytes. */
typedef struct pieces {
    piece *at;
    size_t n, capacity;
    int64_t row; /* being split */
    bool failed;
} pieces;

static void add(pieces *p, const char *from, const char *to)
{
    if (!bt_grow(&p->at, &p->capacity, p->n + 1, sizeof *p->at)) {
        p->failed = true;
        return;
    }
    p->at[p->n++] = (piece){p->row, {from, (size_t)(to - from)}};
}

/* What a string is split by. */
typedef struct splitter {
    bt_str by;
    bool skip_empty;
    int64_t most; /* splits; negative: all */
    void (*split)(pieces *p, const struct splitter *how, bt_str s);
} splitter;

static void split_bytes(pieces *p, const splitter *how, bt_str s)
{
    (void)how;
    for (size_t i = 0; i < s.n; i++) add(p, s.p + i, s.p + i + 1);
}

/* Any of the delimiter's characters ends a piece; an empty string has none. */
static void split_any(pieces *p, const splitter *how, bt_str s)
{
    bool ends[256] = {0};
    for (size_t i = 0; i < how->by.n; i++) ends[(uint8_t)how->by.p[i]] = true;
    const char *from = s.p, *end = s.p + s.n;
    for (const char *at = from; s.n; at++) {
        if (at < end && !ends[(uint8_t)*at]) continue;
        if (at > from || !how->skip_empty) add(p, from, at);
        if (at == end) return;
        from = at + 1;
    }
}

/* The separator as a whole ends a piece. */
static void split_by(pieces *p, const splitter *how, bt_str s)
{
    const char *end = s.p + s.n, *next;
    int64_t splits = 0;
    while (how->most < 0 || splits < how->most) {
        next = s.n ? memmem(s.p, s.n, how->by.p, how->by.n) : NULL;
        if (!next) break;
        add(p, s.p, next);
        s.p = next + how->by.n, s.n = (size_t)(end - s.p);
        splits++;
    }
    add(p, s.p, end);
}

/* Runs of white space end a piece; what remains after the last split allowed keeps its white space at the end. */
static void split_space(pieces *p, const splitter *how, bt_str s)
{
    const char *at = s.p, *end = s.p + s.n;
    if (how->most == 0) add(p, at, end);
    for (int64_t splits = 0; how->most != 0;) {
        while (at < end && bt_is_space(*at)) at++;
        if (splits && splits == how->most) {
            add(p, at, end);
            return;
        }
        const char *from = at;
        while (at < end && !bt_is_space(*at)) at++;
        if (at == from) return;
        add(p, from, at);
        splits++;
    }
}

static berth_status infer_split(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    x->out[0] = (bt_fact){BERTH_INT64, BT_SHAPE(-1, 2), NULL};
    x->out[1] = (bt_fact){BERTH_STRING, BT_SHAPE(-1), NULL};
    x->out[2] = (bt_fact){BERTH_INT64, BT_SHAPE(2), NULL};
    if (x->in[0].shape.rank >= 0 && x->in[0].shape.rank != 1)
        return bt_infer_fail(x, "splits a vector of strings");
    if (x->in[1].shape.rank > 0) return bt_infer_fail(x, "the delimiter must be a scalar");
    return BERTH_OK;
}

static berth_status put_pieces(bt_call *c, const pieces *p, int64_t rows)
{
    bt_shape pairs = BT_SHAPE((int64_t)p->n, 2), length = BT_SHAPE((int64_t)p->n), two = BT_SHAPE(2);
    int64_t *indices = bt_out(c, 0, BERTH_INT64, &pairs);
    bt_string *values = indices ? bt_out(c, 1, BERTH_STRING, &length) : NULL;
    int64_t *shape = values ? bt_out(c, 2, BERTH_INT64, &two) : NULL;
    if (!shape) return BERTH_NO_MEMORY;
    shape[0] = rows, shape[1] = 0;
    int64_t column = 0;
    for (size_t i = 0; i < p->n; i++) {
        column = i && p->at[i - 1].row == p->at[i].row ? column + 1 : 0;
        indices[2 * i] = p->at[i].row, indices[2 * i + 1] = column;
        if (column >= shape[1]) shape[1] = column + 1;
        if (!bt_string_set(&values[i], p->at[i].text.p, p->at[i].text.n)) return bt_fail_memory(c->error);
    }
    return BERTH_OK;
}

static berth_status split(bt_call *c, const splitter *how)
{
    const bt_string *in = c->in[0]->data;
    pieces p = {0};
    int64_t rows = bt_tensor_count(c->in[0]);
    for (p.row = 0; p.row < rows && !p.failed; p.row++) {
        const bt_string *s = &in[p.row];
        how->split(&p, how, (bt_str){s->n ? s->p : "", s->n});
    }
    berth_status status = p.failed ? bt_fail_memory(c->error) : put_pieces(c, &p, rows);
    bt_free(p.at);
    return status;
}

static berth_status check_split(bt_call *c, bt_str *by)
{
    berth_status status = bt_strings_input(c, 0);
    if (!status) status = bt_strings_input(c, 1);
    if (status) return status;
    if (c->in[0]->shape.rank != 1) return bt_call_fail(c, "splits a vector of strings");
    if (bt_tensor_count(c->in[1]) != 1) return bt_call_fail(c, "the separator must be a scalar");
    *by = bt_str_from(c->in[1]->data);
    return BERTH_OK;
}

static berth_status run_split(bt_call *c)
{
    splitter how = {.skip_empty = bt_attr_bool(c->node, "skip_empty", true)};
    berth_status status = check_split(c, &how.by);
    how.split = how.by.n ? split_any : split_bytes;
    return status ? status : split(c, &how);
}

static berth_status run_split_v2(bt_call *c)
{
    splitter how = {.most = bt_attr_int(c->node, "maxsplit", -1)};
    berth_status status = check_split(c, &how.by);
    how.split = how.by.n ? split_by : split_space;
    return status ? status : split(c, &how);
}

/* ---- StringNGrams ------------------------------------------------------------------------------------- */

/* data of one row, padded by `pad` on either side: element i of pad + n + pad. */
typedef struct ngram_row {
    const bt_string *data;
    int64_t n, pad;
    bt_str left, right, gap;
} ngram_row;

static bt_str ngram_part(const ngram_row *r, int64_t i)
{
    if (i < r->pad) return r->left;
    return i < r->pad + r->n ? bt_str_from(&r->data[i - r->pad]) : r->right;
}

static bool ngram_write(bt_string *out, bt_text *text, const ngram_row *r, int64_t first, int64_t width)
{
    for (int64_t i = 0; i < width; i++) {
        bt_str part = ngram_part(r, first + i);
        if (i) bt_text_add(text, r->gap.p, r->gap.n);
        bt_text_add(text, part.p, part.n);
    }
    return bt_string_from_text(out, text);
}

static int64_t ngram_pad(const bt_node *node, int64_t width)
{
    int64_t most = bt_attr_int(node, "pad_width", -1);
    return most < 0 || most > width - 1 ? width - 1 : most;
}

static int64_t ngram_count(const bt_node *node, int64_t n, int64_t width)
{
    int64_t count = n + 2 * ngram_pad(node, width) - width + 1;
    return count < 0 ? 0 : count;
}

static berth_status infer_ngrams(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    x->out[0] = (bt_fact){BERTH_STRING, BT_SHAPE(-1), NULL};
    x->out[1] = (bt_fact){bt_attr_type(x->node, "Tsplits", BERTH_INT64), x->in[1].shape, NULL};
    return BERTH_OK;
}

/* How many n-grams each row gives; fails on splits that do not rise to the number of strings. */
static berth_status count_ngrams(bt_call *c, const bt_attr_value *widths, int n_widths, int64_t *ends,
                                 int64_t rows)
{
    int64_t from = rows >= 0 ? bt_tensor_int(c->in[1], 0) : 0, total = 0, n_data = bt_tensor_count(c->in[0]);
    bool keep = bt_attr_bool(c->node, "preserve_short_sequences", false);
    if (from != 0) return bt_call_fail(c, "First split value must be 0, got %lld", (long long)from);
    for (int64_t i = 0; i < rows; i++) {
        int64_t to = bt_tensor_int(c->in[1], i + 1), before = total, n = to - from;
        if (n < 0 || to > n_data)
            return bt_call_fail(c, "Invalid split value %lld, must be in [%lld, %lld]", (long long)to,
                                (long long)from, (long long)n_data);
        for (int k = 0; k < n_widths; k++) total += ngram_count(c->node, n, widths[k].i);
        /* A row too short for any: all of it as one, where asked for. */
        if (total == before && n > 0 && keep) total++;
        if (n_widths == 0 && total > before && bt_attr_int(c->node, "pad_width", -1) < 0)
            return bt_call_fail(c,
                                "pad_width must be >= 0 where sequences are preserved without ngram_widths");
        ends[i] = total;
        from = to;
    }
    if (rows >= 0 && from != n_data)
        return bt_call_fail(c, "Last split value must be %lld, got %lld", (long long)n_data, (long long)from);
    return BERTH_OK;
}

static berth_status write_row(bt_call *c, const ngram_row *row, const bt_attr_value *widths, int n_widths,
                              bt_string *out, int64_t count, bt_text *text)
{
    int64_t written = 0;
    ngram_row r = *row;
    for (int k = 0; k < n_widths; k++) {
        int64_t n = ngram_count(c->node, r.n, widths[k].i);
        r.pad = ngram_pad(c->node, widths[k].i);
        for (int64_t i = 0; i < n; i++)
            if (!ngram_write(&out[written++], text, &r, i, widths[k].i)) return bt_fail_memory(c->error);
    }
    if (written == count) return BERTH_OK;
    r.pad = n_widths ? ngram_pad(c->node, widths[0].i) : bt_attr_int(c->node, "pad_width", -1);
    return ngram_write(out, text, &r, 0, r.n + 2 * r.pad) ? BERTH_OK : bt_fail_memory(c->error);
}

static berth_status run_ngrams(bt_call *c)
{
    const bt_attr_value *widths;
    int n_widths = bt_attr_list(c->node, "ngram_widths", &widths);
    berth_status status = bt_strings_input(c, 0);
    if (status) return status;
    for (int k = 0; k < n_widths; k++)
        if (widths[k].i < 1 || widths[k].i > INT32_MAX)
            return bt_call_fail(c, "ngram widths must be at least 1");
    berth_dtype dtype = c->in[1]->dtype;
    int64_t splits = bt_tensor_count(c->in[1]), rows = splits - 1;
    int64_t *ends = bt_scratch(c, (size_t)(splits + 1) * sizeof *ends);
    if (!ends) return BERTH_NO_MEMORY;
    status = count_ngrams(c, widths, n_widths, ends, rows);
    if (status) return status;
    /* Without strings or splits there are no n-grams, but as many empty strings as there are strings. */
    if (bt_tensor_count(c->in[0]) == 0 || rows < 1) {
        rows = 0;
        memset(ends, 0, (size_t)splits * sizeof *ends);
    }
    bt_shape shape = BT_SHAPE(rows > 0 ? ends[rows - 1] : bt_tensor_count(c->in[0]));
    bt_string *out = bt_out(c, 0, BERTH_STRING, &shape);
    void *out_splits = out ? bt_out(c, 1, dtype, &c->in[1]->shape) : NULL;
    if (!out_splits) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < splits; i++)
        bt_put_number(dtype, bt_at(dtype, out_splits, i), i ? (double)ends[i - 1] : 0);
    bt_text text = {0};
    for (int64_t i = 0; i < rows && !status; i++) {
        int64_t from = bt_tensor_int(c->in[1], i), first = i ? ends[i - 1] : 0;
        ngram_row row = {(const bt_string *)c->in[0]->data + from,
                         bt_tensor_int(c->in[1], i + 1) - from,
                         0,
                         bt_str_of(bt_attr_string(c->node, "left_pad", "")),
                         bt_str_of(bt_attr_string(c->node, "right_pad", "")),
                         bt_str_of(bt_attr_string(c->node, "separator", ""))};
        status = write_row(c, &row, widths, n_widths, out + first, ends[i] - first, &text);
    }
    bt_text_free(&text);
    return status;
}

#define SPARSE .outputs = "indices,values,shape"

const bt_op bt_ops_string_split[] = {
    {"StringSplit", infer_split, .cpu = run_split, SPARSE},
    {"StringSplitV2", infer_split, .cpu = run_split_v2, SPARSE},
    {"StringNGrams", infer_ngrams, .cpu = run_ngrams, .outputs = "ngrams,ngrams_splits"},
    {NULL},
};
