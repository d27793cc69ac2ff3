/* Protobuf's text form. A table says which fields each message has; the parser below it knows no message. Parts
 * that berth has no use for (op lists, debug information, the object graph) are parsed and dropped.
 * The language: https://protobuf.dev/reference/protobuf/textformat-spec. To read next: graphdef.c. */
#include "format/pbtxt.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/format.h"
#include "format/graphdef.h"
#include "format/pbtxt_schema.h"

static bt_txt_kind root_of(bt_pbtxt_message message)
{
    static const bt_txt_kind roots[] = {[BT_PBTXT_GRAPH] = TXT_GRAPH, [BT_PBTXT_SAVED_MODEL] = TXT_SAVED_MODEL,
                                        [BT_PBTXT_CONFIG] = TXT_CONFIG, [BT_PBTXT_CHECKPOINT] = TXT_CHECKPOINT};
    return roots[message];
}

/* ---- Tokens ------------------------------------------------------------------------------------------- */

#define DEPTH_LIMIT 100

typedef struct parser {
    const char *p, *end;
    const char *begin; /* of the text */
    int depth;
    locale_t locale; /* of numbers: the host program's may have a decimal comma */
    bt_text *out;
    berth_error *error;
} parser;

/* Fails at the place that the parser stands. */
static berth_status wrong(parser *x, const char *what)
{
    int line = 1;
    for (const char *p = x->begin; p < x->p; p++) line += *p == '\n';
    return bt_fail(x->error, BERTH_BAD_MODEL, "line %d: %s", line, what);
}

static void skip_space(parser *x)
{
    for (; x->p < x->end; x->p++) {
        if (*x->p == '#')
            while (x->p < x->end && *x->p != '\n') x->p++;
        if (x->p == x->end || !strchr(" \t\r\n\v\f", *x->p) || !*x->p) return;
    }
}

/* Takes the character c, when it comes next. */
static bool take(parser *x, char c)
{
    skip_space(x);
    if (x->p == x->end || *x->p != c) return false;
    x->p++;
    return true;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* An identifier, or a number with its signs; empty when neither comes next. */
static bt_str take_word(parser *x)
{
    skip_space(x);
    const char *begin = x->p;
    if (x->p < x->end && *x->p == '-') x->p++;
    for (; x->p < x->end; x->p++) {
        bool exponent_sign = (*x->p == '-' || *x->p == '+') && x->p > begin && (x->p[-1] | 32) == 'e';
        if (!is_word(*x->p) && !exponent_sign) break;
    }
    return (bt_str){begin, (size_t)(x->p - begin)};
}

/* ---- Values ------------------------------------------------------------------------------------------- */

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Up to `most` digits of a base. */
static uint32_t take_digits(parser *x, int base, int most, int *n)
{
    uint32_t value = 0;
    for (*n = 0; *n < most && x->p < x->end && digit(*x->p) < base; ++*n)
        value = value * (uint32_t)base + (uint32_t)digit(*x->p++);
    return value;
}

static size_t put_utf8(char *bytes, uint32_t c)
{
    if (c < 0x80) return bytes[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)((0xf00u >> n & 0xf0) | c);
    return n;
}

/* What stands behind a backslash, as bytes; 0 when it is no escape. */
static size_t take_escape(parser *x, char bytes[4])
{
    static const char letters[] = "nrtabfv\\'\"?", values[] = "\n\r\t\a\b\f\v\\'\"?";
    int n;
    if (x->p == x->end) return 0;
    if (*x->p >= '0' && *x->p <= '7') return bytes[0] = (char)take_digits(x, 8, 3, &n), 1;
    char c = *x->p++;
    if (c == 'x' || c == 'X') return bytes[0] = (char)take_digits(x, 16, 2, &n), n > 0;
    if (c == 'u' || c == 'U') {
        uint32_t value = take_digits(x, 16, c == 'u' ? 4 : 8, &n);
        return n == (c == 'u' ? 4 : 8) && value < 0x110000 ? put_utf8(bytes, value) : 0;
    }
    const char *letter = c ? strchr(letters, c) : NULL;
    return letter ? bytes[0] = values[letter - letters], 1 : 0;
}

/* One quoted string, appended to the output when `keep`. */
static berth_status parse_quoted(parser *x, bool keep)
{
    char buffer[256], quote = *x->p++;
    size_t n = 0;
    while (x->p < x->end && *x->p != quote && *x->p != '\n') {
        if (*x->p != '\\') {
            buffer[n++] = *x->p++;
        } else {
            x->p++;
            size_t bytes = take_escape(x, buffer + n);
            if (!bytes) return wrong(x, "an unknown escape in a string");
            n += bytes;
        }
        if (n < sizeof buffer - 4) continue;
        if (keep) bt_text_add(x->out, buffer, n);
        n = 0;
    }
    if (keep) bt_text_add(x->out, buffer, n);
    if (x->p == x->end || *x->p != quote) return wrong(x, "a string without its closing quote");
    x->p++;
    return BERTH_OK;
}

static bool at_quote(parser *x)
{
    skip_space(x);
    return x->p < x->end && (*x->p == '"' || *x->p == '\'');
}

/* Strings that follow one another are one. */
static berth_status parse_text(parser *x, uint32_t number, bool keep)
{
    if (!at_quote(x)) return wrong(x, "a string should stand here");
    size_t begin = keep ? bt_wire_begin(x->out, number) : 0;
    while (at_quote(x))
        if (parse_quoted(x, keep)) return x->error->status;
    if (keep) bt_wire_end(x->out, begin);
    return BERTH_OK;
}

/* Decimal, 0x and 0 octal, from -2^63 to 2^64 - 1. */
static bool word_int(bt_str word, uint64_t *out)
{
    bool minus = word.n && word.p[0] == '-';
    if (minus) word.p++, word.n--;
    int base = 10;
    if (word.n > 1 && word.p[0] == '0') base = (word.p[1] | 32) == 'x' ? 16 : 8;
    size_t i = base == 16 ? 2 : 0;
    if (i >= word.n) return false;
    uint64_t value = 0;
    for (; i < word.n; i++) {
        int d = digit(word.p[i]);
        if (d >= base || __builtin_mul_overflow(value, (uint64_t)base, &value)) return false;
        if (__builtin_add_overflow(value, (uint64_t)d, &value)) return false;
    }
    if (minus && value > (uint64_t)1 << 63) return false;
    *out = minus ? -value : value;
    return true;
}

/* Also inf, nan, and a float's trailing f. */
static bool word_double(const parser *x, bt_str word, double *out)
{
    char text[128], *end;
    if (word.n == 0 || word.n >= sizeof text) return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    if (strpbrk(text, "xXpP")) return false;
    *out = strtod_l(text, &end, x->locale);
    if (end != text && (*end == 'f' || *end == 'F')) end++;
    return *end == '\0';
}

static bool word_bool(bt_str word, uint64_t *out)
{
    *out = bt_str_is(word, "true") || bt_str_is(word, "True") || bt_str_is(word, "t") || bt_str_is(word, "1");
    return *out || bt_str_is(word, "false") || bt_str_is(word, "False") || bt_str_is(word, "f") ||
           bt_str_is(word, "0");
}

/* DT_FLOAT, DT_FLOAT_REF, or a number. */
static bool word_type(bt_str word, uint64_t *out)
{
    if (word_int(word, out)) return true;
    bool ref = word.n > 4 && memcmp(word.p + word.n - 4, "_REF", 4) == 0;
    if (ref) word.n -= 4;
    bool known = word.n > 3 && memcmp(word.p, "DT_", 3) == 0;
    *out = known ? (uint64_t)bt_dtype_named(word) : 0;
    if (*out && ref) *out += 100;
    return *out || bt_str_is(word, "DT_INVALID");
}

static berth_status parse_number(parser *x, const bt_txt_field *f)
{
    double d;
    float narrow;
    uint64_t bits = 0;
    uint32_t word_bits;
    bt_str word = take_word(x);
    switch ((bt_txt_kind)f->kind) {
    case TXT_SKIP: return word.n ? BERTH_OK : wrong(x, "a value should stand here");
    case TXT_FLOAT:
        if (!word_double(x, word, &d)) return wrong(x, "a number should stand here");
        narrow = (float)d;
        memcpy(&word_bits, &narrow, 4);
        bt_wire_put_fixed32(x->out, f->number, word_bits);
        return BERTH_OK;
    case TXT_DOUBLE:
        if (!word_double(x, word, &d)) return wrong(x, "a number should stand here");
        memcpy(&bits, &d, 8);
        bt_wire_put_fixed64(x->out, f->number, bits);
        return BERTH_OK;
    case TXT_BOOL:
        if (!word_bool(word, &bits)) return wrong(x, "true or false should stand here");
        break;
    case TXT_TYPE:
        if (!word_type(word, &bits)) return wrong(x, "the name of a type (DT_FLOAT, ...) should stand here");
        break;
    default:
        if (!word_int(word, &bits)) return wrong(x, "an integer should stand here");
    }
    bt_wire_put_uint(x->out, f->number, bits);
    return BERTH_OK;
}

/* ---- Messages ----------------------------------------------------------------------------------------- */

static berth_status parse_fields(parser *x, bt_txt_kind message, char closing);

static berth_status parse_value(parser *x, const bt_txt_field *f)
{
    bool braces = take(x, '{');
    if (braces || take(x, '<')) {
        bool keep = f->kind >= TXT_GRAPH;
        if (!keep && f->kind != TXT_SKIP) return wrong(x, "a plain value should stand here");
        if (x->depth == DEPTH_LIMIT) return wrong(x, "messages are nested too deep");
        x->depth++;
        size_t begin = keep ? bt_wire_begin(x->out, f->number) : 0;
        if (parse_fields(x, (bt_txt_kind)f->kind, braces ? '}' : '>')) return x->error->status;
        if (keep) bt_wire_end(x->out, begin);
        x->depth--;
        return BERTH_OK;
    }
    if (f->kind >= TXT_GRAPH) return wrong(x, "a message in braces should stand here");
    if (f->kind == TXT_TEXT || (f->kind == TXT_SKIP && at_quote(x))) return parse_text(x, f->number, f->kind == TXT_TEXT);
    return parse_number(x, f);
}

/* The name of a field, or of an extension in brackets, which only skipped parts may hold. */
static const bt_txt_field *parse_name(parser *x, bt_txt_kind message)
{
    static const bt_txt_field skipped = {"", 0, TXT_SKIP};
    if (message == TXT_SKIP && take(x, '[')) {
        while (x->p < x->end && *x->p != ']' && *x->p != '\n') x->p++;
        if (!take(x, ']')) return wrong(x, "a name in brackets without its end"), NULL;
        return &skipped;
    }
    bt_str word = take_word(x);
    if (word.n == 0) return wrong(x, "the name of a field should stand here"), NULL;
    if (message == TXT_SKIP) return &skipped;
    for (const bt_txt_field *f = bt_txt_messages[message]; f->name; f++)
        if (bt_str_is(word, f->name)) return f;
    char text[100];
    snprintf(text, sizeof text, "unknown field '%.*s'", (int)(word.n < 64 ? word.n : 64), word.p);
    return wrong(x, text), NULL;
}

/* name: value, name { ... }, name: [value, ...] up to the closing character; 0 is the end of the text. */
static berth_status parse_fields(parser *x, bt_txt_kind message, char closing)
{
    for (;;) {
        skip_space(x);
        if (x->p == x->end) return closing ? wrong(x, "the text ends inside a message") : BERTH_OK;
        if (closing && take(x, closing)) return BERTH_OK;
        const bt_txt_field *f = parse_name(x, message);
        if (!f) return x->error->status;
        bool colon = take(x, ':');
        if (!colon && f->kind != TXT_SKIP && f->kind < TXT_GRAPH) return wrong(x, "a colon should stand here");
        if (take(x, '[')) {
            while (!take(x, ']')) {
                if (parse_value(x, f)) return x->error->status;
                if (!take(x, ',') && !(x->p < x->end && *x->p == ']'))
                    return wrong(x, "a list without its end");
            }
        } else if (parse_value(x, f)) {
            return x->error->status;
        }
        if (!take(x, ',')) take(x, ';');
        if (x->out->failed) return bt_fail_memory(x->error);
    }
}

bool bt_pbtxt_sniff(bt_str text, bt_pbtxt_message message)
{
    parser x = {.p = text.p, .end = text.p + text.n};
    bt_str word = take_word(&x);
    skip_space(&x);
    if (x.p == x.end || !strchr(":{<", *x.p) || !*x.p) return false;
    for (const bt_txt_field *f = bt_txt_messages[root_of(message)]; f->name; f++)
        if (bt_str_is(word, f->name)) return true;
    return false;
}

berth_status bt_pbtxt_encode(bt_str text, bt_pbtxt_message message, bt_text *wire, berth_error *error)
{
    parser x = {.p = text.p, .end = text.p + text.n, .begin = text.p, .out = wire, .error = error};
    x.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!x.locale) return bt_fail_memory(error);
    berth_status status = parse_fields(&x, root_of(message), 0);
    freelocale(x.locale);
    return status;
}

berth_status bt_pbtxt_keep(bt_str text, bt_pbtxt_message message, bt_arena *arena, bt_str *wire,
                           berth_error *error)
{
    bt_text out = {0};
    berth_status status = bt_pbtxt_encode(text, message, &out, error);
    if (!status) {
        *wire = (bt_str){bt_arena_copy(arena, out.p, out.n), out.n};
        if (!wire->p) status = bt_fail_memory(error);
    }
    bt_text_free(&out);
    return status;
}

/* ---- Files: a GraphDef in text form ------------------------------------------------------------------- */

static bt_str text_of(const bt_file *file) { return (bt_str){(const char *)file->data, file->size}; }

static bool sniff(const bt_source *source, const char *path, const bt_file *file)
{
    (void)source, (void)path;
    return file && bt_pbtxt_sniff(text_of(file), BT_PBTXT_GRAPH);
}

static berth_status load(const char *path, bt_file *file, const bt_format_options *options, bt_source *source,
                         berth_error *error)
{
    (void)path, (void)options;
    bt_str wire;
    if (bt_pbtxt_keep(text_of(file), BT_PBTXT_GRAPH, &source->arena, &wire, error)) return error->status;
    if (bt_graphdef_read(wire, source, error)) return error->status;
    return bt_graphdef_mend(source, error) ? error->status : bt_graphdef_find_init(source, error);
}

const bt_format bt_format_pbtxt = {.name = "GraphDef text", .sniff = sniff, .load = load};
