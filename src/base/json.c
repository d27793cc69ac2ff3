/* JSON by recursive descent: one pass, depth and memory bounded by the text (64 bytes or so a value).
 * Grammar: RFC 8259, with Python's three names for numbers that it lacks. Tests: json_test.c. */
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_DEPTH = 256, MAX_NUMBER = 400 };

typedef struct parser {
    const char *start, *p, *end;
    bt_arena *arena;
    berth_error *error;
} parser;

static bool parse_value(parser *s, bt_json *out, int depth);

static bool fail(parser *s, const char *what)
{
    bt_fail(s->error, BERTH_BAD_MODEL, "not JSON: %s at byte %zu", what, (size_t)(s->p - s->start));
    return false;
}

static void skip_space(parser *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r')) s->p++;
}

static bool take(parser *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n)) return false;
    s->p += n;
    return true;
}

static bool parse_hex(parser *s, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, s->p++) {
        if (s->p >= s->end) return fail(s, "a cut escape");
        char c = *s->p;
        unsigned digit;
        if (c >= '0' && c <= '9') digit = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f') digit = (unsigned)((c | 32) - 'a' + 10);
        else return fail(s, "a bad escape");
        *out = *out * 16 + digit;
    }
    return true;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* Behind a backslash. A lone surrogate becomes three bytes, as Python's surrogatepass does. */
static bool parse_escape(parser *s, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = *s->p++;
    if (c == 'u') {
        unsigned code, low;
        if (!parse_hex(s, &code)) return false;
        if (code >= 0xd800 && code < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
            const char *back = s->p;
            s->p += 2;
            if (!parse_hex(s, &low)) return false;
            if (low >= 0xdc00 && low < 0xe000) code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            else s->p = back;
        }
        *to = put_utf8(*to, code);
        return true;
    }
    const char *at = c ? strchr(names, c) : NULL;
    if (!at) return s->p--, fail(s, "a bad escape");
    *(*to)++ = values[at - names];
    return true;
}

static bool parse_string(parser *s, bt_str *out)
{
    const char *close = s->p + 1; /* an upper bound of the length: escapes only shrink */
    while (close < s->end && *close != '"') close += *close == '\\' && close + 1 < s->end ? 2 : 1;
    if (close >= s->end) return fail(s, "a string without an end");
    s->p++;
    char *text = bt_arena_alloc(s->arena, (size_t)(close - s->p) + 1), *to = text;
    if (!text) return bt_fail_memory(s->error), false;
    while (*s->p != '"') {
        if ((unsigned char)*s->p < 0x20) return fail(s, "a control character in a string");
        if (*s->p != '\\') {
            *to++ = *s->p++;
        } else {
            s->p++;
            if (!parse_escape(s, &to)) return false;
        }
    }
    s->p++;
    *to = '\0';
    *out = (bt_str){text, (size_t)(to - text)};
    return true;
}

static size_t skip_digits(const char **p, const char *end)
{
    const char *from = *p;
    while (*p < end && **p >= '0' && **p <= '9') ++*p;
    return (size_t)(*p - from);
}

static bool parse_number(parser *s, bt_json *out)
{
    const char *from = s->p, *p = s->p;
    bool whole = true;
    if (*p == '-') p++;
    if (!skip_digits(&p, s->end)) return fail(s, "an unexpected character");
    if (p < s->end && *p == '.') {
        whole = false, p++;
        if (!skip_digits(&p, s->end)) return fail(s, "a bad number");
    }
    if (p < s->end && (*p | 32) == 'e') {
        whole = false, p++;
        if (p < s->end && (*p == '+' || *p == '-')) p++;
        if (!skip_digits(&p, s->end)) return fail(s, "a bad number");
    }
    s->p = p;
    bt_str text = {from, (size_t)(p - from)};
    if (whole && bt_str_int(text, &out->i)) return out->kind = BT_JSON_INT, true;
    char copy[MAX_NUMBER]; /* strtod wants a NUL; no double needs more digits */
    if (text.n >= sizeof copy) return fail(s, "a number too long");
    memcpy(copy, from, text.n);
    copy[text.n] = '\0';
    char *point = strchr(copy, '.');
    if (point) *point = *localeconv()->decimal_point; /* as strtod wants it here */
    out->kind = BT_JSON_DOUBLE;
    out->d = strtod(copy, NULL);
    return true;
}

/* One member or element into a new child of `parent`, behind *last. */
static bool parse_child(parser *s, bt_json *parent, bt_json **last, int depth)
{
    bt_json *child = bt_arena_new(s->arena, bt_json);
    if (!child) return bt_fail_memory(s->error), false;
    skip_space(s);
    if (parent->kind == BT_JSON_OBJECT) {
        if (s->p >= s->end || *s->p != '"') return fail(s, "a key expected");
        if (!parse_string(s, &child->key)) return false;
        skip_space(s);
        if (!take(s, ":")) return fail(s, "':' expected");
    }
    if (!parse_value(s, child, depth + 1)) return false;
    if (*last) (*last)->next = child;
    else parent->first = child;
    *last = child;
    parent->n++;
    return true;
}

static bool parse_children(parser *s, bt_json *out, const char *close, int depth)
{
    bt_json *last = NULL;
    s->p++;
    skip_space(s);
    if (take(s, close)) return true;
    for (;;) {
        if (out->n == INT32_MAX) return fail(s, "too many values");
        if (!parse_child(s, out, &last, depth)) return false;
        skip_space(s);
        if (take(s, close)) return true;
        if (!take(s, ",")) return fail(s, s->p < s->end ? "',' expected" : "a sudden end");
    }
}

static bool parse_value(parser *s, bt_json *out, int depth)
{
    static const struct {
        const char *word;
        bt_json value;
    } words[] = {{"null", {.kind = BT_JSON_NULL}},
                 {"true", {.kind = BT_JSON_BOOL, .b = true}},
                 {"false", {.kind = BT_JSON_BOOL, .b = false}},
                 {"NaN", {.kind = BT_JSON_DOUBLE, .d = NAN}},
                 {"Infinity", {.kind = BT_JSON_DOUBLE, .d = INFINITY}},
                 {"-Infinity", {.kind = BT_JSON_DOUBLE, .d = -INFINITY}}};
    skip_space(s);
    if (depth > MAX_DEPTH) return fail(s, "nested too deep");
    if (s->p >= s->end) return fail(s, "a sudden end");
    switch (*s->p) {
    case '{': out->kind = BT_JSON_OBJECT; return parse_children(s, out, "}", depth);
    case '[': out->kind = BT_JSON_ARRAY; return parse_children(s, out, "]", depth);
    case '"': out->kind = BT_JSON_STRING; return parse_string(s, &out->s);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!take(s, words[i].word)) continue;
        bt_str key = out->key;
        *out = words[i].value;
        out->key = key;
        return true;
    }
    return parse_number(s, out);
}

const bt_json *bt_json_parse(bt_arena *arena, bt_str text, berth_error *error)
{
    parser s = {text.p, text.p, text.p + text.n, arena, error};
    bt_json *root = bt_arena_new(arena, bt_json);
    if (!root) return bt_fail_memory(error), NULL;
    if (!parse_value(&s, root, 0)) return NULL;
    skip_space(&s);
    if (s.p < s.end) return fail(&s, "text behind the value"), NULL;
    return root;
}

bool bt_json_is(const bt_json *j, bt_json_kind kind) { return j && j->kind == kind; }

bool bt_json_is_number(const bt_json *j)
{
    return j && (j->kind == BT_JSON_INT || j->kind == BT_JSON_DOUBLE);
}

const bt_json *bt_json_first(const bt_json *j) { return j && j->kind >= BT_JSON_ARRAY ? j->first : NULL; }

const bt_json *bt_json_get(const bt_json *object, const char *key)
{
    if (!bt_json_is(object, BT_JSON_OBJECT)) return NULL;
    for (const bt_json *c = object->first; c; c = c->next)
        if (bt_str_is(c->key, key)) return c;
    return NULL;
}

const bt_json *bt_json_at(const bt_json *array, int i)
{
    const bt_json *c = bt_json_is(array, BT_JSON_ARRAY) && i >= 0 ? array->first : NULL;
    for (; c && i > 0; i--) c = c->next;
    return c;
}

bool bt_json_is_text(const bt_json *j, const char *text)
{
    return bt_json_is(j, BT_JSON_STRING) && bt_str_is(j->s, text);
}

int64_t bt_json_int(const bt_json *j, int64_t otherwise)
{
    if (bt_json_is(j, BT_JSON_INT)) return j->i;
    if (bt_json_is(j, BT_JSON_DOUBLE) && fabs(j->d) < 9e15 && j->d == floor(j->d)) return (int64_t)j->d;
    return otherwise;
}

double bt_json_double(const bt_json *j, double otherwise)
{
    if (bt_json_is(j, BT_JSON_DOUBLE)) return j->d;
    return bt_json_is(j, BT_JSON_INT) ? (double)j->i : otherwise;
}

bool bt_json_bool(const bt_json *j, bool otherwise)
{
    if (bt_json_is(j, BT_JSON_BOOL)) return j->b;
    return bt_json_is_number(j) ? bt_json_double(j, 0) != 0 : otherwise;
}

const char *bt_json_text(const bt_json *j, const char *otherwise)
{
    return bt_json_is(j, BT_JSON_STRING) ? j->s.p : otherwise;
}

/* ---- Writing ------------------------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at p; 0: it is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_size(const char *text)
{
    static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
    const uint8_t *p = (const uint8_t *)text;
    size_t tail = p[0] < 0x80 ? 0 : p[0] < 0xc0 ? 4 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : p[0] < 0xf8 ? 3 : 4;
    if (tail == 4) return 0;
    unsigned code = tail ? p[0] & (0x3fu >> tail) : p[0];
    for (size_t i = 1; i <= tail; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < least[tail] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : tail + 1;
}

void bt_json_write(bt_text *out, const char *text)
{
    bt_text_add(out, "\"", 1);
    for (size_t size; *text; text += size ? size : 1) {
        size = utf8_size(text);
        uint8_t c = (uint8_t)*text;
        if (!size) bt_text_add(out, "?", 1);
        else if (c < 0x20 || c == 0x7f) bt_text_print(out, "\\u%04x", c);
        else if (c == '"' || c == '\\') bt_text_print(out, "\\%c", c);
        else bt_text_add(out, text, size);
    }
    bt_text_add(out, "\"", 1);
}
