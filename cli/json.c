/*
 * JSON: nested lists as tensors in, tensors as nested lists out. A complex number is a pair [re, im]; a string that
 * is no UTF-8 is {"b64": "..."}; NaN, Infinity and -Infinity stand bare, as Python writes and reads them.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* ---- Reading ---- */

struct value {
    cli_number number;
    char *bytes; /* of a string; NULL: a number */
    size_t n;
};

struct reader {
    const char *where, *p, *end;
    int rank; /* -1 until the first scalar or empty list */
    int64_t dims[BERTH_MAX_RANK + 1];
    struct value *values;
    size_t n, room;
};

static _Noreturn void bad(const struct reader *r, const char *what)
{
    int near = (int)strcspn(r->p, "\r\n");
    cli_fail(CLI_MODEL, "%s: %s at '%.*s'", r->where, what, near > 24 ? 24 : near, r->p);
}

static char peek(struct reader *r)
{
    r->p += strspn(r->p, " \t\r\n");
    return *r->p;
}

static bool accept(struct reader *r, char c)
{
    if (peek(r) != c) return false;
    r->p++;
    return true;
}

static void expect(struct reader *r, char c, const char *what)
{
    if (!accept(r, c)) bad(r, what);
}

static unsigned hex4(struct reader *r)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = *r->p;
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0) bad(r, "JSON: \\u without four hexadecimal digits");
        value = value * 16 + (unsigned)digit;
        r->p++;
    }
    return value;
}

static char *escape(struct reader *r, char *to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *name = *r->p ? strchr(names, *r->p) : NULL;
    if (name) return r->p++, *to++ = values[name - names], to;
    if (*r->p != 'u') bad(r, "JSON: an unknown escape");
    r->p++;
    unsigned c = hex4(r);
    if (c >= 0xD800 && c < 0xDC00 && r->p[0] == '\\' && r->p[1] == 'u') {
        r->p += 2;
        unsigned low = hex4(r);
        if (low < 0xDC00 || low > 0xDFFF) bad(r, "JSON: half a surrogate pair");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    return cli_encode_utf8(to, c);
}

/* What stands between quotes, the first of which was taken; longer than its text it can never get. */
static char *parse_string(struct reader *r, size_t *n)
{
    const char *close = r->p;
    while (*close && *close != '"') close += close[0] == '\\' && close[1] ? 2 : 1;
    char *bytes = cli_alloc((size_t)(close - r->p) + 1, 1), *to = bytes;
    while (*r->p && *r->p != '"') {
        if (*r->p == '\\') r->p++, to = escape(r, to);
        else *to++ = *r->p++;
    }
    if (*r->p++ != '"') r->p--, bad(r, "JSON: a string without an end");
    *n = (size_t)(to - bytes);
    *to = '\0';
    return bytes;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place. */
static size_t from_base64(struct reader *r, char *text)
{
    unsigned bits = 0, have = 0;
    char *to = text;
    for (const char *p = text; *p && *p != '='; p++) {
        int digit = base64_digit(*p);
        if (digit < 0) bad(r, "JSON: bad base64");
        bits = bits << 6 | (unsigned)digit;
        if ((have += 6) >= 8) have -= 8, *to++ = (char)(bits >> have);
    }
    return (size_t)(to - text);
}

static bool word(struct reader *r, const char *text)
{
    size_t n = strlen(text);
    if (strncmp(r->p, text, n)) return false;
    r->p += n;
    return true;
}

static cli_number parse_number(struct reader *r)
{
    if (word(r, "true")) return (cli_number){.kind = CLI_BOOL, .i = 1};
    if (word(r, "false")) return (cli_number){.kind = CLI_BOOL, .i = 0};
    if (word(r, "NaN")) return (cli_number){.kind = CLI_REAL, .real = __builtin_nan("")};
    if (word(r, "Infinity")) return (cli_number){.kind = CLI_REAL, .real = __builtin_inf()};
    if (word(r, "-Infinity")) return (cli_number){.kind = CLI_REAL, .real = -__builtin_inf()};
    size_t n = strspn(r->p, "+-.0123456789eE");
    bool integer = n && strcspn(r->p, ".eE") >= n && n < 21;
    char *end = NULL;
    cli_number number = {.kind = CLI_REAL, .real = strtod(r->p, &end)};
    if (!n || *r->p == '+' || end != r->p + n) bad(r, "JSON: wanted a value");
    if (integer && *r->p != '-' && number.real > 9.2e18 && number.real < 1.9e19) {
        uint64_t u = strtoull(r->p, NULL, 10);
        number = (cli_number){.kind = u > INT64_MAX ? CLI_UINT : CLI_INT, .u = u};
    } else if (integer && number.real >= -9223372036854775808.0 && number.real < 9.3e18) {
        number = (cli_number){.kind = CLI_INT, .i = strtoll(r->p, NULL, 10)};
    }
    r->p += n;
    return number;
}

static void parse_scalar(struct reader *r, int depth)
{
    if (r->rank >= 0 && r->rank != depth) bad(r, "lists of unequal depth");
    r->rank = depth;
    cli_grow(&r->values, &r->room, r->n, sizeof *r->values);
    struct value *value = &r->values[r->n++];
    if (accept(r, '{')) {
        size_t n;
        expect(r, '"', "JSON: wanted {\"b64\": \"...\"}");
        char *key = parse_string(r, &n);
        if (strcmp(key, "b64")) bad(r, "JSON: wanted {\"b64\": \"...\"}");
        free(key);
        expect(r, ':', "JSON: wanted ':'");
        expect(r, '"', "JSON: wanted a string");
        value->bytes = parse_string(r, &n);
        value->n = from_base64(r, value->bytes);
        expect(r, '}', "JSON: wanted '}'");
    } else if (accept(r, '"')) {
        value->bytes = parse_string(r, &value->n);
    } else {
        value->number = parse_number(r);
    }
}

static void parse_value(struct reader *r, int depth)
{
    int64_t n = 0;
    if (!accept(r, '[')) {
        parse_scalar(r, depth);
        return;
    }
    if (depth > BERTH_MAX_RANK) bad(r, "lists are too deep");
    if (!accept(r, ']')) {
        do parse_value(r, depth + 1), n++;
        while (accept(r, ','));
        expect(r, ']', "JSON: wanted ',' or ']'");
    } else if (r->rank < 0) {
        r->rank = depth + 1;
    }
    if (r->dims[depth] >= 0 && r->dims[depth] != n) bad(r, "lists of unequal length before");
    r->dims[depth] = n;
}

static void clear(struct reader *r)
{
    for (size_t i = 0; i < r->n; i++) free(r->values[i].bytes);
    free(r->values);
    r->values = NULL, r->n = r->room = 0, r->rank = -1;
    for (int i = 0; i <= BERTH_MAX_RANK; i++) r->dims[i] = -1;
}

/* {"x": [...], "y": [...]}: the entry of this name, which may lack its ":0". */
static void parse_entry(struct reader *r, const char *name)
{
    bool found = false;
    struct reader kept = {0};
    r->p++;
    do {
        size_t n;
        expect(r, '"', "JSON: wanted a name");
        char *key = parse_string(r, &n);
        bool mine = !found && !strncmp(key, name, n) && (!name[n] || !strcmp(name + n, ":0"));
        free(key);
        expect(r, ':', "JSON: wanted ':'");
        parse_value(r, 0);
        if (mine) {
            kept = *r, found = true;
            r->values = NULL, r->n = r->room = 0;
        }
        clear(r);
    } while (accept(r, ','));
    expect(r, '}', "JSON: wanted ',' or '}'");
    if (!found) cli_fail(CLI_MODEL, "%s: has no entry '%s'", r->where, name);
    kept.p = r->p;
    *r = kept;
}

/* What TensorFlow would take the values for. */
static berth_dtype guess(const struct reader *r)
{
    bool real = false, boolean = true, wide = false;
    for (size_t i = 0; i < r->n; i++) {
        const cli_number *number = &r->values[i].number;
        if (r->values[i].bytes) return BERTH_STRING;
        real |= number->kind == CLI_REAL;
        boolean &= number->kind == CLI_BOOL;
        wide |= number->kind == CLI_UINT || (number->kind == CLI_INT && number->i != (int32_t)number->i);
    }
    if (real || !r->n) return BERTH_FLOAT;
    return boolean ? BERTH_BOOL : wide ? BERTH_INT64 : BERTH_INT32;
}

static void set_value(const struct reader *r, berth_tensor *tensor, size_t i)
{
    const struct value *value = &r->values[i];
    berth_dtype dtype = berth_tensor_dtype(tensor);
    berth_error error = {0};
    char text[CLI_NUMBER];
    if (value->bytes && dtype == BERTH_STRING) {
        if (berth_tensor_set_string(tensor, (int64_t)i, value->bytes, value->n, &error))
            cli_fail_with(&error);
    } else if (value->bytes) {
        cli_fail(CLI_MODEL, "%s: wanted %s, got the string \"%.40s\"", r->where, berth_dtype_name(dtype),
                 value->bytes);
    } else if (dtype == BERTH_STRING ||
               !cli_set(berth_tensor_data(tensor), dtype, (int64_t)i, value->number)) {
        cli_number_text(text, value->number, BERTH_DOUBLE);
        cli_fail(CLI_MODEL, "%s: wanted %s, got %s", r->where, berth_dtype_name(dtype), text);
    }
}

berth_tensor *cli_json_read(const char *where, const char *text, size_t n, const char *name,
                            const berth_spec *spec)
{
    struct reader r = {.where = where, .p = text, .end = text + n};
    berth_error error = {0};
    clear(&r);
    const char *first = peek(&r) == '{' ? r.p + 1 + strspn(r.p + 1, " \t\r\n") : "";
    if (*r.p == '{' && strncmp(first, "\"b64\"", 5)) parse_entry(&r, name);
    else parse_value(&r, 0);
    if (peek(&r) || r.p != r.end) bad(&r, "JSON: something behind the value");
    berth_dtype dtype = spec ? spec->dtype : guess(&r);
    int rank = r.rank;
    if (cli_is_complex(dtype) && (!rank || r.dims[--rank] != 2))
        cli_fail(CLI_MODEL, "%s: a %s is a pair [re, im]", where, berth_dtype_name(dtype));
    if (rank > BERTH_MAX_RANK) cli_fail(CLI_MODEL, "%s: has more than %d dimensions", where, BERTH_MAX_RANK);
    berth_tensor *tensor = berth_tensor_new(dtype, rank, r.dims, &error);
    if (!tensor) cli_fail(CLI_MODEL, "%s: %s", where, error.message);
    for (size_t i = 0; i < r.n; i++) set_value(&r, tensor, i);
    clear(&r);
    return tensor;
}

/* ---- Writing ---- */

/* Bytes of the UTF-8 character at p, 0 when it is none (RFC 3629: no surrogates, nothing overlong). */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    unsigned c = p[0], least;
    size_t tail = c < 0x80                ? 0
                  : c >= 0xC2 && c < 0xE0 ? 1
                  : (c & 0xF0) == 0xE0    ? 2
                  : c >= 0xF0 && c < 0xF5 ? 3
                                          : 9;
    if (tail >= n) return tail == 0 && n;
    least = tail == 3 ? 0x10000 : tail == 2 ? 0x800 : 0;
    c &= 0x3F >> tail;
    for (size_t i = 1; i <= tail; i++) {
        if ((p[i] & 0xC0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    return tail && (c < least || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) ? 0 : tail + 1;
}

static void put_quoted(FILE *to, const char *bytes, size_t n)
{
    putc('"', to);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < ' ' || c == 127) fprintf(to, "\\u%04x", c);
        else if (c == '"' || c == '\\') putc('\\', to), putc(c, to);
        else putc(c, to);
    }
    putc('"', to);
}

static void put_base64(FILE *to, const unsigned char *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    fputs("{\"b64\": \"", to);
    for (size_t i = 0; i < n; i += 3) {
        unsigned bits = (unsigned)p[i] << 16 | (i + 1 < n ? p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        putc(digits[bits >> 18], to), putc(digits[bits >> 12 & 63], to);
        putc(i + 1 < n ? digits[bits >> 6 & 63] : '=', to), putc(i + 2 < n ? digits[bits & 63] : '=', to);
    }
    fputs("\"}", to);
}

void cli_json_string(FILE *to, const char *bytes, size_t n)
{
    size_t i = 0, step = 1;
    for (; i < n && step; i += step) step = utf8_length((const unsigned char *)bytes + i, n - i);
    if (step) put_quoted(to, bytes, n);
    else put_base64(to, (const unsigned char *)bytes, n);
}

/* A name: what is no UTF-8 in it becomes '?'. */
void cli_json_text(FILE *to, const char *text)
{
    char *clean = cli_copy(text);
    for (size_t i = 0, n = strlen(text), step; i < n; i += step ? step : 1) {
        step = utf8_length((const unsigned char *)text + i, n - i);
        if (!step) clean[i] = '?';
    }
    put_quoted(to, clean, strlen(clean));
    free(clean);
}

void cli_json_dims(FILE *to, int rank, const int64_t *dims)
{
    putc('[', to);
    for (int i = 0; i < rank; i++) fprintf(to, "%s%lld", i ? ", " : "", (long long)dims[i]);
    putc(']', to);
}

static void put_element(FILE *to, berth_tensor *tensor, berth_dtype dtype, int64_t index)
{
    char text[CLI_NUMBER];
    if (dtype == BERTH_STRING) {
        size_t n = 0;
        const char *bytes = berth_tensor_get_string(tensor, index, &n);
        cli_json_string(to, bytes ? bytes : "", bytes ? n : 0);
        return;
    }
    for (int part = 0, parts = cli_is_complex(dtype) ? 2 : 1; part < parts; part++) {
        cli_number_text(text, cli_get(berth_tensor_data(tensor), dtype, index * parts + part), dtype);
        fprintf(to, "%s%s%s", parts == 1 ? "" : part ? ", " : "[", text, part ? "]" : "");
    }
}

static int64_t put_axis(FILE *to, berth_tensor *tensor, int axis, int64_t index)
{
    if (axis == berth_tensor_rank(tensor)) {
        put_element(to, tensor, berth_tensor_dtype(tensor), index);
        return index + 1;
    }
    putc('[', to);
    for (int64_t i = 0; i < berth_tensor_dim(tensor, axis); i++) {
        if (i) fputs(", ", to);
        index = put_axis(to, tensor, axis + 1, index);
    }
    putc(']', to);
    return index;
}

void cli_json_tensor(FILE *to, berth_tensor *tensor)
{
    berth_dtype dtype = berth_tensor_dtype(tensor);
    int64_t dims[BERTH_MAX_RANK];
    for (int i = 0; i < berth_tensor_rank(tensor); i++) dims[i] = berth_tensor_dim(tensor, i);
    fprintf(to, "\"dtype\": \"%s\", \"shape\": ", berth_dtype_name(dtype));
    cli_json_dims(to, berth_tensor_rank(tensor), dims);
    fputs(", \"values\": ", to);
    if (cli_npy_can(dtype)) put_axis(to, tensor, 0, 0);
    else fputs("null", to); /* resources and variants */
}

void cli_json_memory(const berth_memory *memory)
{
    printf("\"weights\": %lld, \"activations\": %lld, \"workspace\": %lld", (long long)memory->weights,
           (long long)memory->activations, (long long)memory->workspace);
}
