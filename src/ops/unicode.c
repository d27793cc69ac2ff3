/* Unicode: text to code points and back, between encodings, and the script of a letter. Encodings: UTF-8, -16, -32,
 * ASCII, Latin-1 and those of one byte a character (unicode_charset.def), also where there is no ICU; all others are ICU's
 * (unicode_icu.c). Case: unicode_case.c. */
#include "ops/unicode.h"

#include "ops/move.h"
#include "ops/unicode_icu.h"

#include <ctype.h>

/* ---- Encodings ---------------------------------------------------------------------------------------- */

int32_t bt_utf8_next(bt_str s, size_t *used)
{
    const uint8_t *p = (const uint8_t *)s.p;
    *used = 1;
    if (p[0] < 0x80) return p[0];
    if (p[0] < 0xc2 || p[0] > 0xf4) return -1;
    size_t n = bt_utf8_size(p[0]);
    /* The second byte's bounds keep out what has a shorter form, surrogates, and what lies beyond 0x10ffff. */
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    int32_t point = p[0] & (0x7f >> n);
    for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf) {
        if (i >= s.n || p[i] < low || p[i] > high) return -1;
        point = point << 6 | (p[i] & 0x3f);
        *used = i + 1;
    }
    return point;
}

void bt_utf8_add(bt_text *text, int32_t point)
{
    char bytes[4];
    int n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, point >>= 6) bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(lead[n] | point);
    bt_text_add(text, bytes, (size_t)n);
}

static bool is_surrogate(int32_t v) { return v >= 0xd800 && v < 0xe000; }

static int32_t unit16(const uint8_t *p, bool little) { return little ? p[0] | p[1] << 8 : p[0] << 8 | p[1]; }

static int32_t next16(bt_str s, size_t *used, bool little)
{
    const uint8_t *p = (const uint8_t *)s.p;
    *used = s.n < 2 ? s.n : 2;
    if (s.n < 2) return -1;
    int32_t first = unit16(p, little), second = s.n < 4 ? 0 : unit16(p + 2, little);
    if (!is_surrogate(first)) return first;
    if (first < 0xdc00 && s.n < 4)
        return *used = s.n, -1; /* half of a pair, and what is left of the other half */
    if (first >= 0xdc00 || second < 0xdc00 || second > 0xdfff) return -1;
    *used = 4;
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

static int32_t next32(bt_str s, size_t *used, bool little)
{
    const uint8_t *p = (const uint8_t *)s.p;
    *used = s.n < 4 ? s.n : 4;
    if (s.n < 4) return -1;
    uint32_t high = (uint32_t)unit16(little ? p + 2 : p, little),
             low = (uint32_t)unit16(little ? p : p + 2, little);
    uint32_t point = high << 16 | low;
    return point > 0x10ffff || is_surrogate((int32_t)point) ? -1 : (int32_t)point;
}

static int32_t next_16be(bt_str s, size_t *used) { return next16(s, used, false); }
static int32_t next_16le(bt_str s, size_t *used) { return next16(s, used, true); }
static int32_t next_32be(bt_str s, size_t *used) { return next32(s, used, false); }
static int32_t next_32le(bt_str s, size_t *used) { return next32(s, used, true); }
static int32_t next_latin(bt_str s, size_t *used) { return *used = 1, (uint8_t)s.p[0]; }
static int32_t next_ascii(bt_str s, size_t *used) { return *used = 1, (uint8_t)s.p[0] < 0x80 ? s.p[0] : -1; }

/* high: of the bytes from 0x80 on; 0: none. */
static int32_t next_charset(bt_str s, size_t *used, bool is_pc, const uint16_t *high)
{
    uint8_t byte = (uint8_t)s.p[0];
    *used = 1;
    if (byte >= 0x80) return high[byte - 0x80] ? high[byte - 0x80] : -1;
    if (is_pc && byte == 0x1a) return 0x1c;
    if (is_pc && byte == 0x1c) return 0x7f;
    return is_pc && byte == 0x7f ? 0x1a : byte;
}

#define NAME(other, name)
#define CHARSET(name, is_pc, ...)                        \
    static int32_t next_##name(bt_str s, size_t *used)   \
    {                                                    \
        static const uint16_t high[128] = {__VA_ARGS__}; \
        return next_charset(s, used, is_pc, high);       \
    }
#include "ops/unicode_charset.def"
#undef NAME
#undef CHARSET

static void add_units(bt_text *text, uint32_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) bt_text_add(text, &(char){(char)(value >> (8 * i))}, 1);
}

static void add_16be(bt_text *text, int32_t point)
{
    uint32_t rest = (uint32_t)point - 0x10000;
    if (point < 0x10000) add_units(text, (uint32_t)point, 2);
    else add_units(text, (0xd800 + (rest >> 10)) << 16 | (0xdc00 + (rest & 0x3ff)), 4);
}

static void add_32be(bt_text *text, int32_t point) { add_units(text, (uint32_t)point, 4); }

typedef struct encoding {
    const char *name; /* in small letters, without punctuation */
    int32_t (*next)(bt_str s, size_t *used);
    void (*add)(bt_text *text, int32_t point); /* NULL: only read */
} encoding;

static const encoding encodings[] = {
    {"utf8", bt_utf8_next, bt_utf8_add}, {"utf16be", next_16be, add_16be}, {"utf16", next_16be, NULL},
    {"utf16le", next_16le, NULL},        {"utf32be", next_32be, add_32be}, {"utf32", next_32be, NULL},
    {"utf32le", next_32le, NULL},        {"usascii", next_ascii, NULL},    {"ascii", next_ascii, NULL},
    {"latin1", next_latin, NULL},        {"iso88591", next_latin, NULL},   {"l1", next_latin, NULL},
#define NAME(other, name) {#other, next_##name, NULL},
#define CHARSET(name, is_pc, ...) {#name, next_##name, NULL},
#include "ops/unicode_charset.def"
#undef NAME
#undef CHARSET
};

/* Those whose text may begin with a mark that tells the order of bytes; without one it is big-endian. */
static const struct order {
    const char *name, *mark;
    size_t n;
    int32_t (*next)(bt_str s, size_t *used);
} orders[] = {
    {"utf16", "\xfe\xff", 2, next_16be},
    {"utf16", "\xff\xfe", 2, next_16le},
    {"utf32", "\0\0\xfe\xff", 4, next_32be},
    {"utf32", "\xff\xfe\0\0", 4, next_32le},
};

/* NULL: it is not among them. */
static const encoding *encoding_of(const char *given)
{
    char name[32];
    size_t n = 0;
    for (const char *p = given; *p && n < sizeof name - 1; p++)
        if (isalnum((unsigned char)*p)) name[n++] = (char)tolower((unsigned char)*p);
    name[n] = '\0';
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        if (!strcmp(name, encodings[i].name)) return &encodings[i];
    return NULL;
}

/* ---- What is wrong ------------------------------------------------------------------------------------ */

typedef struct policy {
    bool strict, ignore, controls; /* controls: those characters count as wrong */
    int32_t replacement;
} policy;

static policy policy_of(const bt_node *node)
{
    const char *errors = bt_attr_string(node, "errors", "replace");
    return (policy){!strcmp(errors, "strict"), !strcmp(errors, "ignore"),
                    bt_attr_bool(node, "replace_control_characters", false),
                    (int32_t)bt_attr_int(node, "replacement_char", 0xfffd)};
}

static berth_status check_policy(bt_call *c, const policy *p)
{
    if (p->replacement >= 0 && p->replacement <= 0x10ffff && !is_surrogate(p->replacement)) return BERTH_OK;
    return bt_call_fail(c, "replacement_char is no Unicode code point");
}

/* Strings in turn. Of UTF-16 and UTF-32 each may begin with a mark that tells the order of bytes, but the order stays in mind
 * from one string to the next, and such a mark is then a character, until a string ends in what is wrong or in the one character
 * that follows on a mark or on nothing: there ICU's converter begins again. */
typedef struct decoder {
    const encoding *from; /* NULL: the converter's */
    bt_converter converter;
    policy policy;
    int32_t (*next)(bt_str s, size_t *used); /* NULL: the order of bytes is not known yet */
    bt_str left;
    const char *begin;
    int64_t start, marked;  /* bytes of the mark of order: they count as the first character's */
    bool transcodes, wrong; /* transcodes: to be strict is to refuse control characters as well */
} decoder;

static bool has_orders(const encoding *from)
{
    return !strcmp(from->name, orders[0].name) || !strcmp(from->name, orders[2].name);
}

/* What the node says; decode_close whatever it gives. */
static berth_status decode_prepare(bt_call *c, decoder *d)
{
    d->from = encoding_of(bt_attr_string(c->node, "input_encoding", ""));
    d->policy = policy_of(c->node);
    berth_status status = bt_strings_input(c, 0);
    return status ? status : check_policy(c, &d->policy);
}

static void decode_close(decoder *d) { bt_converter_close(&d->converter); }

/* Of the own encodings: as before the first string. */
static void forget_order(decoder *d) { d->next = has_orders(d->from) ? NULL : d->from->next; }

/* Before the first string. */
static berth_status decode_start(bt_call *c, decoder *d)
{
    if (d->from) return forget_order(d), BERTH_OK;
    bt_converter_close(&d->converter);
    return bt_converter_open(c, bt_attr_string(c->node, "input_encoding", ""), &d->converter);
}

static void decode_begin(decoder *d, const bt_string *s)
{
    d->begin = s->n ? s->p : "";
    d->left = (bt_str){d->begin, s->n};
    d->marked = 0;
}

static void find_order(decoder *d)
{
    d->next = d->from->next;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const struct order *o = &orders[i];
        if (strcmp(d->from->name, o->name) || d->left.n < o->n || memcmp(d->left.p, o->mark, o->n)) continue;
        d->next = o->next, d->marked = (int64_t)o->n;
        d->left.p += o->n, d->left.n -= o->n;
        return;
    }
}

/* The next code point and where it began, by berth's own tables. */
static int32_t next_own(decoder *d)
{
    size_t used = 0;
    bool is_first = !d->next;
    if (is_first) find_order(d);
    d->start = d->left.p - d->begin;
    if (d->start == d->marked) d->start = 0;
    int32_t point = d->left.n ? d->next(d->left, &used) : 0xffff; /* a mark and nothing else */
    d->left.p += used, d->left.n -= used;
    if (!d->left.n && (point < 0 || (is_first && point < 0x10000))) forget_order(d);
    return point;
}

/* The same, by the policy; false at the end, or on what is an error. */
static bool decode_next(decoder *d, int32_t *point)
{
    while (d->left.n) {
        d->start = d->left.p - d->begin;
        *point = d->from ? next_own(d) : bt_converter_next(&d->converter, &d->left);
        bool is_control = *point >= 0 && *point < 0x20 && d->policy.controls;
        if (d->policy.strict && (*point < 0 || (is_control && d->transcodes))) return d->wrong = true, false;
        if (*point >= 0 && !is_control) return true;
        *point = d->policy.replacement;
        if (!d->policy.ignore) return true;
    }
    return false;
}

/* ---- UnicodeDecode, UnicodeTranscode ------------------------------------------------------------------ */

static berth_status infer_decode(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    int64_t n = bt_shape_count(&x->in[0].shape);
    x->out[0] = (bt_fact){bt_attr_type(x->node, "Tsplits", BERTH_INT64), BT_SHAPE(n < 0 ? -1 : n + 1), NULL};
    x->out[1] = (bt_fact){BERTH_INT32, BT_SHAPE(-1), NULL};
    if (x->n_out > 2) x->out[2] = (bt_fact){BERTH_INT64, BT_SHAPE(-1), NULL};
    return BERTH_OK;
}

/* All strings twice: counting (values NULL), and writing. */
static berth_status decode_all(bt_call *c, decoder *d, void *splits, int32_t *values, int64_t *starts,
                               int64_t *count)
{
    berth_dtype dtype = bt_attr_type(c->node, "Tsplits", BERTH_INT64);
    int64_t n = 0, rows = bt_tensor_count(c->in[0]);
    berth_status status = decode_start(c, d);
    for (int64_t i = 0; i < rows && !status; i++) {
        int32_t point;
        decode_begin(d, (const bt_string *)c->in[0]->data + i);
        for (; decode_next(d, &point); n++) {
            if (values && n == *count)
                return bt_call_fail(c, "the converter is not the same the second time");
            if (values) values[n] = point;
            if (starts) starts[n] = d->start;
        }
        if (d->wrong) return bt_call_fail(c, "Invalid formatting on input string");
        bt_put_number(dtype, bt_at(dtype, splits, i + 1), (double)n);
    }
    *count = n;
    return status;
}

static berth_status decode_strings(bt_call *c, decoder *d)
{
    bool with_starts = !strcmp(c->node->op, "UnicodeDecodeWithOffsets");
    int64_t n = 0;
    bt_shape rows = BT_SHAPE(bt_tensor_count(c->in[0]) + 1);
    berth_dtype dtype = bt_attr_type(c->node, "Tsplits", BERTH_INT64);
    void *splits = bt_out(c, 0, dtype, &rows);
    if (!splits) return BERTH_NO_MEMORY;
    bt_put_number(dtype, splits, 0);
    berth_status status = decode_all(c, d, splits, NULL, NULL, &n);
    if (status) return status;
    bt_shape points = BT_SHAPE(n);
    int32_t *values = bt_out(c, 1, BERTH_INT32, &points);
    int64_t *starts = values && with_starts ? bt_out(c, 2, BERTH_INT64, &points) : NULL;
    if (!values || (with_starts && !starts)) return BERTH_NO_MEMORY;
    return decode_all(c, d, splits, values, starts, &n);
}

static berth_status run_decode(bt_call *c)
{
    decoder d = {0};
    berth_status status = decode_prepare(c, &d);
    if (!status) status = decode_strings(c, &d);
    decode_close(&d);
    return status;
}

static berth_status infer_transcode(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    x->out[0].dtype = BERTH_STRING;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

static const encoding *output_encoding(bt_call *c)
{
    const char *name = bt_attr_string(c->node, "output_encoding", "");
    const encoding *to = encoding_of(name);
    if (to && to->add) return to;
    bt_call_unsupported(c, "the output encoding '%.60s'", name);
    return NULL;
}

static berth_status transcode_strings(bt_call *c, decoder *d, const encoding *to)
{
    bt_string *out = bt_out(c, 0, BERTH_STRING, &c->in[0]->shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_text text = {0};
    berth_status status = decode_start(c, d);
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]) && !status; i++) {
        int32_t point;
        decode_begin(d, (const bt_string *)c->in[0]->data + i);
        while (decode_next(d, &point)) /* UTF-7 may bring half a pair, for which UTF-8 has no bytes */
            to->add(&text, is_surrogate(point) && to->add == bt_utf8_add ? 0xfffd : point);
        if (d->wrong) status = bt_call_fail(c, "Invalid formatting on input string");
        else if (!bt_string_from_text(&out[i], &text)) status = bt_fail_memory(c->error);
    }
    bt_text_free(&text);
    return status;
}

static berth_status run_transcode(bt_call *c)
{
    decoder d = {.transcodes = true};
    const encoding *to = output_encoding(c);
    berth_status status = to ? decode_prepare(c, &d) : BERTH_UNSUPPORTED;
    if (!status) status = transcode_strings(c, &d, to);
    decode_close(&d);
    return status;
}

/* ---- UnicodeEncode ------------------------------------------------------------------------------------ */

static berth_status infer_encode(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    int64_t n = bt_infer_length(x, 1);
    x->out[0] = (bt_fact){BERTH_STRING, BT_SHAPE(n < 1 ? -1 : n - 1), NULL};
    return BERTH_OK;
}

static berth_status encode_row(bt_call *c, const encoding *to, const policy *p, const int32_t *points,
                               int64_t n, bt_text *text)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t point = points[i];
        bool wrong = point < 0 || point > 0x10ffff || is_surrogate(point);
        if (wrong && p->strict)
            return bt_call_fail(c, "Code point is out of range for Unicode, or is a surrogate.");
        if (!wrong || !p->ignore) to->add(text, wrong ? p->replacement : point);
    }
    return BERTH_OK;
}

static berth_status run_encode(bt_call *c)
{
    const encoding *to = output_encoding(c);
    policy p = policy_of(c->node);
    if (!to) return BERTH_UNSUPPORTED;
    berth_status status = check_policy(c, &p);
    if (status) return status;
    const bt_tensor *values = c->in[0], *splits = c->in[1];
    int64_t n = bt_tensor_count(values), rows = bt_tensor_count(splits) - 1;
    if (values->dtype != BERTH_INT32 || splits->shape.rank != 1 || rows < 0)
        return bt_call_fail(c, "needs int32 code points and a vector of splits");
    if (bt_tensor_int(splits, 0) != 0) return bt_call_fail(c, "First value in input_splits must be zero.");
    if (bt_tensor_int(splits, rows) != n)
        return bt_call_fail(c, "Last value in input_splits must be equal to length of input_tensor.");
    bt_shape shape = BT_SHAPE(rows);
    bt_string *out = bt_out(c, 0, BERTH_STRING, &shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_text text = {0};
    for (int64_t i = 0; i < rows && !status; i++) {
        int64_t from = bt_tensor_int(splits, i), end = bt_tensor_int(splits, i + 1);
        if (end < from || end > n)
            status = bt_call_fail(c, "Values in input_splits must be equal or in ascending order.");
        else status = encode_row(c, to, &p, (const int32_t *)values->data + from, end - from, &text);
        if (!status && !bt_string_from_text(&out[i], &text)) status = bt_fail_memory(c->error);
    }
    bt_text_free(&text);
    return status;
}

/* ---- UnicodeScript ------------------------------------------------------------------------------------ */

static const struct {
    int32_t from;
    int32_t script;
} scripts[] = {
#define S(from, script) {from, script},
#include "ops/unicode_script.def"
#undef S
};

static int32_t script_of(int32_t point)
{
    size_t low = 0, high = sizeof scripts / sizeof *scripts;
    if (point < 0 || point > 0x10ffff) return -1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (scripts[middle].from <= point) low = middle;
        else high = middle;
    }
    return scripts[low].script;
}

static berth_status infer_script(bt_infer *x)
{
    berth_status status = infer_transcode(x);
    x->out[0].dtype = BERTH_INT32;
    return status;
}

static berth_status run_script(bt_call *c)
{
    if (c->in[0]->dtype != BERTH_INT32) return bt_call_fail(c, "needs int32 code points");
    int32_t *out = bt_out(c, 0, BERTH_INT32, &c->in[0]->shape);
    if (!out) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]); i++)
        out[i] = script_of(((const int32_t *)c->in[0]->data)[i]);
    return BERTH_OK;
}

const bt_op bt_ops_unicode[] = {
    {"UnicodeDecode", infer_decode, .cpu = run_decode, .outputs = "row_splits,char_values"},
    {"UnicodeDecodeWithOffsets", infer_decode, .cpu = run_decode,
     .outputs = "row_splits,char_values,char_to_byte_starts"},
    {"UnicodeTranscode", infer_transcode, .cpu = run_transcode},
    {"UnicodeEncode", infer_encode, .cpu = run_encode},
    {"UnicodeScript", infer_script, .cpu = run_script},
    {NULL},
};
