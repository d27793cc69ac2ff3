/* StringLower, StringUpper: of ASCII letters alone, or by Unicode's rules for UTF-8 text. */
#include "ops/unicode.h"

#include "ops/move.h"

enum { LOWER, UPPER };

/* Every first + k * step up to last has its other case `delta` away. */
typedef struct run {
    int32_t first, last, step, delta;
} run;

typedef struct many {
    int32_t point, to[3];
} many;

static const run lower_runs[] = {
#define RUN(kind, first, last, step, delta) RUN_##kind(first, last, step, delta)
#define MANY(kind, ...)
#define RUN_LOWER(...) {__VA_ARGS__},
#define RUN_UPPER(...)
#include "ops/unicode_case.def"
};

static const run upper_runs[] = {
#undef RUN_LOWER
#undef RUN_UPPER
#define RUN_LOWER(...)
#define RUN_UPPER(...) {__VA_ARGS__},
#include "ops/unicode_case.def"
#undef RUN
#undef MANY
};

static const many lower_many[] = {
#define RUN(...)
#define MANY(kind, point, a, b, c) MANY_##kind(point, a, b, c)
#define MANY_LOWER(point, a, b, c) {point, {a, b, c}},
#define MANY_UPPER(point, a, b, c)
#include "ops/unicode_case.def"
};

static const many upper_many[] = {
#undef MANY_LOWER
#undef MANY_UPPER
#define MANY_LOWER(point, a, b, c)
#define MANY_UPPER(point, a, b, c) {point, {a, b, c}},
#include "ops/unicode_case.def"
};

static const struct {
    const run *runs;
    size_t n_runs;
    const many *many;
    size_t n_many;
} cases[] = {
    {lower_runs, sizeof lower_runs / sizeof *lower_runs, lower_many, sizeof lower_many / sizeof *lower_many},
    {upper_runs, sizeof upper_runs / sizeof *upper_runs, upper_many, sizeof upper_many / sizeof *upper_many},
};

/* Both tables begin with the code point, in order: the last entry that is not behind it. */
static const int32_t *entry_of(const void *table, size_t n, size_t size, int32_t point)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (*(const int32_t *)((const char *)table + middle * size) <= point) low = middle;
        else high = middle;
    }
    return (const int32_t *)((const char *)table + low * size);
}

static int32_t other_case(int kind, int32_t point)
{
    const run *r = (const run *)entry_of(cases[kind].runs, cases[kind].n_runs, sizeof(run), point);
    bool is_in = point >= r->first && point <= r->last && (point - r->first) % r->step == 0;
    return is_in ? point + r->delta : point;
}

static const many *many_of(int kind, int32_t point)
{
    const many *m = (const many *)entry_of(cases[kind].many, cases[kind].n_many, sizeof(many), point);
    return m->point == point ? m : NULL;
}

static bool is_cased(int32_t point)
{
    for (int kind = 0; kind < 2; kind++)
        if (other_case(kind, point) != point || many_of(kind, point)) return true;
    return false;
}

/* Marks and marks' like, which do not end a word. */
static bool is_ignorable(int32_t p)
{
    return p == '\'' || p == '.' || p == ':' || p == '^' || p == '`' || p == 0xa8 || p == 0xad || p == 0xaf ||
           p == 0xb4 || p == 0xb7 || p == 0xb8 || (p >= 0x2b0 && p <= 0x36f) || p == 0x387 ||
           (p >= 0x483 && p <= 0x489) || (p >= 0x591 && p <= 0x5bd) || p == 0x2018 || p == 0x2019 ||
           p == 0x2024 || (p >= 0x200b && p <= 0x200f) || (p >= 0x20d0 && p <= 0x20f0) ||
           (p >= 0xfe20 && p <= 0xfe2f);
}

/* A sigma is final when a letter comes before it in its word and none behind. */
static bool letter_follows(bt_str s)
{
    size_t used;
    for (; s.n; s.p += used, s.n -= used) {
        int32_t point = bt_utf8_next(s, &used);
        if (!is_ignorable(point)) return is_cased(point);
    }
    return false;
}

static void change_utf8(bt_text *text, int kind, bt_str s)
{
    enum { SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2, REPLACEMENT = 0xfffd };
    bool letter_before = false;
    while (s.n) {
        size_t used;
        int32_t point = bt_utf8_next(s, &used);
        s.p += used, s.n -= used;
        const many *m = many_of(kind, point);
        if (point < 0) bt_utf8_add(text, REPLACEMENT);
        else if (m)
            for (int i = 0; i < 3 && m->to[i]; i++) bt_utf8_add(text, m->to[i]);
        else if (kind == LOWER && point == SIGMA && letter_before && !letter_follows(s))
            bt_utf8_add(text, FINAL_SIGMA);
        else bt_utf8_add(text, other_case(kind, point));
        if (!is_ignorable(point)) letter_before = is_cased(point);
    }
}

static void change_ascii(bt_text *text, int kind, bt_str s)
{
    bt_text_add(text, s.p, s.n);
    char first = kind == LOWER ? 'A' : 'a', last = kind == LOWER ? 'Z' : 'z';
    for (size_t i = 0; i < s.n && !text->failed; i++)
        if (text->p[i] >= first && text->p[i] <= last) text->p[i] ^= 'a' ^ 'A';
}

static berth_status infer_case(bt_infer *x)
{
    const char *encoding = bt_attr_string(x->node, "encoding", "");
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    if (*encoding && strcmp(encoding, "utf-8"))
        return bt_infer_fail(x, "only utf-8 or '' is an encoding here");
    x->out[0].dtype = BERTH_STRING;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

static berth_status change(bt_call *c, int kind)
{
    berth_status status = bt_strings_input(c, 0);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &c->in[0]->shape);
    if (!out) return c->error->status;
    bool is_ascii = !*bt_attr_string(c->node, "encoding", "");
    bt_text text = {0};
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]) && !status; i++) {
        const bt_string *s = (const bt_string *)c->in[0]->data + i;
        if (is_ascii) change_ascii(&text, kind, bt_str_from(s));
        else change_utf8(&text, kind, (bt_str){s->p, strnlen(s->p ? s->p : "", s->n)}); /* a zero ends it */
        if (!bt_string_from_text(&out[i], &text)) status = bt_fail_memory(c->error);
    }
    bt_text_free(&text);
    return status;
}

static berth_status run_lower(bt_call *c) { return change(c, LOWER); }
static berth_status run_upper(bt_call *c) { return change(c, UPPER); }

const bt_op bt_ops_unicode_case[] = {
    {"StringLower", infer_case, .cpu = run_lower},
    {"StringUpper", infer_case, .cpu = run_upper},
    {NULL},
};
