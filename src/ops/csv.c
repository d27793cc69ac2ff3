/* DecodeCSV: each record is one line of comma separated values, and each column an output of its own dtype, as many as
 * there are records. Quoted fields as in RFC 4180. */
#include "ops/move.h"
#include "ops/text.h"

typedef struct csv {
    bt_call *c;
    char by;
    bool quotes;
    bt_str missing;               /* a field with this text has no value, as an empty one */
    const bt_attr_value *columns; /* which are taken, in order; NULL: all */
    int n_columns;
    void **out;
    int64_t record;
    bt_text text; /* a quoted field, without its quotes */
} csv;

static berth_status infer_csv(bt_infer *x)
{
    const bt_attr_value *types;
    berth_status status = bt_infer_arity(x, 1);
    int n = bt_attr_list(x->node, "OUT_TYPE", &types);
    for (int i = 0; i < n && i < x->n_out && !status; i++)
        x->out[i] = (bt_fact){types[i].type, x->in[0].shape, NULL};
    return status;
}

/* A quoted field up to its closing quote; *s moves behind it. */
static berth_status quoted(csv *x, bt_str *s, bt_str *field)
{
    x->text.n = 0;
    for (s->p++, s->n--; s->n; s->p++, s->n--) {
        if (*s->p != '"') {
            bt_text_add(&x->text, s->p, 1);
            continue;
        }
        if (s->n > 1 && s->p[1] == '"') {
            bt_text_add(&x->text, s->p++, 1), s->n--;
            continue;
        }
        s->p++, s->n--;
        *field = (bt_str){x->text.p, x->text.n};
        if (x->text.failed) return bt_fail_memory(x->c->error);
        if (s->n == 0 || *s->p == x->by) return BERTH_OK;
        return bt_call_fail(x->c, "Quote inside a string has to be escaped by another quote");
    }
    return bt_call_fail(x->c, "Quoted field has to end with quote followed by delim or end");
}

static berth_status plain(const csv *x, bt_str *s, bt_str *field)
{
    const char *from = s->p;
    for (; s->n && *s->p != x->by; s->p++, s->n--)
        if (*s->p == '\n' || *s->p == '\r' || (x->quotes && *s->p == '"'))
            return bt_call_fail(x->c, "Unquoted fields cannot have quotes/CRLFs inside");
    *field = (bt_str){from, (size_t)(s->p - from)};
    return BERTH_OK;
}

/* A field becomes element `record` of output o. */
static berth_status put(csv *x, int o, bt_str field)
{
    bt_call *c = x->c;
    const bt_tensor *otherwise = c->in[1 + o];
    berth_dtype dtype = otherwise->dtype;
    void *to = bt_at(dtype, x->out[o], x->record);
    if (field.n == 0 || bt_str_equal(field, x->missing)) {
        if (bt_tensor_count(otherwise) != 1)
            return bt_call_fail(c, "Field %d is required but missing in record %lld!", o,
                                (long long)x->record);
        return bt_move_row(dtype, to, otherwise->data, 1, NULL, c->error);
    }
    if (dtype == BERTH_STRING)
        return bt_string_set(to, field.p, field.n) ? BERTH_OK : bt_fail_memory(c->error);
    if (bt_text_number(dtype, field, to)) return BERTH_OK;
    return bt_call_fail(c, "Field %d in record %lld is not a valid %s: %.*s", o, (long long)x->record,
                        bt_dtype_name(dtype), (int)(field.n < 80 ? field.n : 80), field.p);
}

static berth_status read_record(csv *x, bt_str s, int n_out)
{
    int64_t column = 0;
    int taken = 0;
    for (bool more = s.n > 0; more; column++) {
        bt_str field = {0};
        berth_status status = x->quotes && s.n && *s.p == '"' ? quoted(x, &s, &field) : plain(x, &s, &field);
        bool is_wanted = !x->columns || (taken < x->n_columns && x->columns[taken].i == column);
        if (!status && is_wanted && taken < n_out) status = put(x, taken, field);
        if (status) return status;
        taken += is_wanted;
        more = s.n > 0 && !(x->columns && taken == x->n_columns); /* what lies behind the last that is wanted is not read */
        if (more) s.p++, s.n--;
    }
    if (taken == n_out) return BERTH_OK;
    return bt_call_fail(x->c, "Expect %d fields but have %d in record %lld", n_out, taken,
                        (long long)x->record);
}

static berth_status run_csv(bt_call *c)
{
    const char *by = bt_attr_string(c->node, "field_delim", ",");
    csv x = {.c = c,
             .by = *by,
             .quotes = bt_attr_bool(c->node, "use_quote_delim", true),
             .missing = bt_str_of(bt_attr_string(c->node, "na_value", ""))};
    x.n_columns = bt_attr_list(c->node, "select_cols", &x.columns);
    if (x.n_columns < 1) x.columns = NULL;
    berth_status status = bt_strings_input(c, 0);
    if (status) return status;
    if (strlen(by) != 1) return bt_call_fail(c, "field_delim should be only 1 char");
    if (c->n_in != 1 + c->n_out) return bt_call_fail(c, "needs a default for each of %d columns", c->n_out);
    if (x.columns && x.n_columns != c->n_out) return bt_call_fail(c, "select_cols should match output size");
    x.out = bt_scratch(c, ((size_t)c->n_out + 1) * sizeof *x.out);
    if (!x.out) return BERTH_NO_MEMORY;
    for (int i = 0; i < c->n_out; i++) {
        if (bt_tensor_count(c->in[1 + i]) > 1) return bt_call_fail(c, "a default has more than one element");
        if (!(x.out[i] = bt_out(c, i, c->in[1 + i]->dtype, &c->in[0]->shape))) return BERTH_NO_MEMORY;
    }
    for (; x.record < bt_tensor_count(c->in[0]) && !status; x.record++) {
        const bt_string *s = (const bt_string *)c->in[0]->data + x.record;
        status = read_record(&x, (bt_str){s->n ? s->p : "", s->n}, c->n_out);
    }
    bt_text_free(&x.text);
    return status;
}

const bt_op bt_ops_csv[] = {
    {"DecodeCSV", infer_csv, .cpu = run_csv, .outputs = "output*OUT_TYPE"},
    {NULL},
};
