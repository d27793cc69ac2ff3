/* Protobuf's text form. A table says which fields each message has; the parser below it knows no message. Parts
 * that berth has no use for (op lists, debug information, the object graph) are parsed and dropped.
 * The language: https://protobuf.dev/reference/protobuf/textformat-spec. To read next: graphdef.c. */
#include "format/pbtxt.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/format.h"
#include "format/graphdef.h"

/* ---- What the messages hold --------------------------------------------------------------------------- */

typedef enum kind {
    SKIP, /* anything */
    TEXT,
    INT,
    BOOL,
    FLOAT,
    DOUBLE,
    TYPE,  /* DataType */
    GRAPH, /* from here on: a message */
    LIBRARY,
    FUNCTION,
    SIGNATURE,
    ARG,
    CALL, /* NameAttrList */
    TEXT_ENTRY,
    ATTR_ENTRY,
    ARG_ATTRS_ENTRY,
    ARG_ATTRS,
    VERSIONS,
    NODE,
    ATTR,
    LIST,
    SHAPE,
    DIM,
    TENSOR,
    SAVED_MODEL,
    META_GRAPH,
    META_INFO,
    SAVER,
    COLLECTION_ENTRY,
    COLLECTION,
    VALUES,
    SIGNATURE_ENTRY,
    SIGNATURE_DEF,
    INFO_ENTRY,
    INFO,
    ASSET,
    CONFIG,
    COUNT_ENTRY,
    GPU_OPTIONS,
    GPU_EXPERIMENTAL,
    VIRTUAL_DEVICES,
} kind;

typedef struct field {
    const char *name;
    uint8_t number;
    uint8_t kind;
} field;

#define FIELDS(...)        \
    (const field[])        \
    {                      \
        __VA_ARGS__, { 0 } \
    }

static const field *const messages[] = {
    [GRAPH] = FIELDS({"node", 1, NODE}, {"library", 2, LIBRARY}, {"version", 3, INT},
                     {"versions", 4, VERSIONS}, {"debug_info", 5, SKIP}),
    [LIBRARY] = FIELDS({"function", 1, FUNCTION}, {"gradient", 2, SKIP}, {"registered_gradients", 3, SKIP}),
    [FUNCTION] = FIELDS({"signature", 1, SIGNATURE}, {"node_def", 3, NODE}, {"ret", 4, TEXT_ENTRY},
                        {"attr", 5, ATTR_ENTRY}, {"control_ret", 6, TEXT_ENTRY},
                        {"arg_attr", 7, ARG_ATTRS_ENTRY}, {"resource_arg_unique_id", 8, SKIP}),
    [SIGNATURE] = FIELDS({"name", 1, TEXT}, {"input_arg", 2, ARG}, {"output_arg", 3, ARG}, {"attr", 4, SKIP},
                         {"summary", 5, TEXT}, {"description", 6, TEXT}, {"deprecation", 8, SKIP},
                         {"is_aggregate", 16, BOOL}, {"is_stateful", 17, BOOL}, {"is_commutative", 18, BOOL},
                         {"allows_uninitialized_input", 19, BOOL}, {"control_output", 20, TEXT},
                         {"is_distributed_communication", 21, BOOL}),
    [ARG] = FIELDS({"name", 1, TEXT}, {"description", 2, TEXT}, {"type", 3, TYPE}, {"type_attr", 4, TEXT},
                   {"number_attr", 5, TEXT}, {"type_list_attr", 6, TEXT}, {"handle_data", 7, SKIP},
                   {"is_ref", 16, BOOL}, {"experimental_full_type", 17, SKIP}),
    [CALL] = FIELDS({"name", 1, TEXT}, {"attr", 2, ATTR_ENTRY}),
    [TEXT_ENTRY] = FIELDS({"key", 1, TEXT}, {"value", 2, TEXT}),
    [ATTR_ENTRY] = FIELDS({"key", 1, TEXT}, {"value", 2, ATTR}),
    [ARG_ATTRS_ENTRY] = FIELDS({"key", 1, INT}, {"value", 2, ARG_ATTRS}),
    [ARG_ATTRS] = FIELDS({"attr", 1, ATTR_ENTRY}),
    [VERSIONS] = FIELDS({"producer", 1, INT}, {"min_consumer", 2, INT}, {"bad_consumers", 3, INT}),
    [NODE] =
        FIELDS({"name", 1, TEXT}, {"op", 2, TEXT}, {"input", 3, TEXT}, {"device", 4, TEXT},
               {"attr", 5, ATTR_ENTRY}, {"experimental_debug_info", 6, SKIP}, {"experimental_type", 7, SKIP}),
    [ATTR] = FIELDS({"list", 1, LIST}, {"s", 2, TEXT}, {"i", 3, INT}, {"f", 4, FLOAT}, {"b", 5, BOOL},
                    {"type", 6, TYPE}, {"shape", 7, SHAPE}, {"tensor", 8, TENSOR}, {"placeholder", 9, TEXT},
                    {"func", 10, CALL}),
    [LIST] = FIELDS({"s", 2, TEXT}, {"i", 3, INT}, {"f", 4, FLOAT}, {"b", 5, BOOL}, {"type", 6, TYPE},
                    {"shape", 7, SHAPE}, {"tensor", 8, TENSOR}, {"func", 9, CALL}),
    [SHAPE] = FIELDS({"dim", 2, DIM}, {"unknown_rank", 3, BOOL}),
    [DIM] = FIELDS({"size", 1, INT}, {"name", 2, TEXT}),
    [TENSOR] = FIELDS({"dtype", 1, TYPE}, {"tensor_shape", 2, SHAPE}, {"version_number", 3, INT},
                      {"tensor_content", 4, TEXT}, {"float_val", 5, FLOAT}, {"double_val", 6, DOUBLE},
                      {"int_val", 7, INT}, {"string_val", 8, TEXT}, {"scomplex_val", 9, FLOAT},
                      {"int64_val", 10, INT}, {"bool_val", 11, BOOL}, {"dcomplex_val", 12, DOUBLE},
                      {"half_val", 13, INT}, {"resource_handle_val", 14, SKIP}, {"variant_val", 15, SKIP},
                      {"uint32_val", 16, INT}, {"uint64_val", 17, INT}, {"float8_val", 18, TEXT}),
    [SAVED_MODEL] = FIELDS({"saved_model_schema_version", 1, INT}, {"meta_graphs", 2, META_GRAPH}),
    [META_GRAPH] = FIELDS({"meta_info_def", 1, META_INFO}, {"graph_def", 2, GRAPH}, {"saver_def", 3, SAVER},
                          {"collection_def", 4, COLLECTION_ENTRY}, {"signature_def", 5, SIGNATURE_ENTRY},
                          {"asset_file_def", 6, ASSET}, {"object_graph_def", 7, SKIP}),
    [META_INFO] =
        FIELDS({"meta_graph_version", 1, TEXT}, {"stripped_op_list", 2, SKIP}, {"any_info", 3, SKIP},
               {"tags", 4, TEXT}, {"tensorflow_version", 5, TEXT}, {"tensorflow_git_version", 6, TEXT},
               {"stripped_default_attrs", 7, BOOL}, {"function_aliases", 8, SKIP}),
    [SAVER] = FIELDS({"filename_tensor_name", 1, TEXT}, {"save_tensor_name", 2, TEXT},
                     {"restore_op_name", 3, TEXT}, {"max_to_keep", 4, INT}, {"sharded", 5, BOOL},
                     {"keep_checkpoint_every_n_hours", 6, FLOAT}, {"version", 7, SKIP}),
    [COLLECTION_ENTRY] = FIELDS({"key", 1, TEXT}, {"value", 2, COLLECTION}),
    [COLLECTION] = FIELDS({"node_list", 1, VALUES}, {"bytes_list", 2, VALUES}, {"int64_list", 3, SKIP},
                          {"float_list", 4, SKIP}, {"any_list", 5, SKIP}),
    [VALUES] = FIELDS({"value", 1, TEXT}),
    [SIGNATURE_ENTRY] = FIELDS({"key", 1, TEXT}, {"value", 2, SIGNATURE_DEF}),
    [SIGNATURE_DEF] = FIELDS({"inputs", 1, INFO_ENTRY}, {"outputs", 2, INFO_ENTRY}, {"method_name", 3, TEXT},
                             {"defaults", 4, SKIP}),
    [INFO_ENTRY] = FIELDS({"key", 1, TEXT}, {"value", 2, INFO}),
    [INFO] = FIELDS({"name", 1, TEXT}, {"dtype", 2, TYPE}, {"tensor_shape", 3, SHAPE},
                    {"coo_sparse", 4, SKIP}, {"composite_tensor", 5, SKIP}),
    [ASSET] = FIELDS({"tensor_info", 1, INFO}, {"filename", 2, TEXT}),
    [CONFIG] = FIELDS({"device_count", 1, COUNT_ENTRY}, {"intra_op_parallelism_threads", 2, INT},
                      {"placement_period", 3, INT}, {"device_filters", 4, TEXT},
                      {"inter_op_parallelism_threads", 5, INT}, {"gpu_options", 6, GPU_OPTIONS},
                      {"allow_soft_placement", 7, BOOL}, {"log_device_placement", 8, BOOL},
                      {"use_per_session_threads", 9, BOOL}, {"graph_options", 10, SKIP},
                      {"operation_timeout_in_ms", 11, INT}, {"session_inter_op_thread_pool", 12, SKIP},
                      {"rpc_options", 13, SKIP}, {"cluster_def", 14, SKIP}, {"isolate_session_state", 15, BOOL},
                      {"experimental", 16, SKIP}, {"share_cluster_devices_in_session", 17, BOOL},
                      {"pluggable_device_options", 18, SKIP}),
    [COUNT_ENTRY] = FIELDS({"key", 1, TEXT}, {"value", 2, INT}),
    [GPU_OPTIONS] = FIELDS({"per_process_gpu_memory_fraction", 1, DOUBLE}, {"allocator_type", 2, TEXT},
                           {"deferred_deletion_bytes", 3, INT}, {"allow_growth", 4, BOOL},
                           {"visible_device_list", 5, TEXT}, {"polling_active_delay_usecs", 6, INT},
                           {"polling_inactive_delay_msecs", 7, INT}, {"force_gpu_compatible", 8, BOOL},
                           {"experimental", 9, GPU_EXPERIMENTAL}),
    [GPU_EXPERIMENTAL] =
        FIELDS({"virtual_devices", 1, VIRTUAL_DEVICES}, {"use_unified_memory", 2, BOOL},
               {"num_dev_to_dev_copy_streams", 3, INT}, {"collective_ring_order", 4, TEXT},
               {"timestamped_allocator", 5, BOOL}, {"kernel_tracker_max_interval", 7, INT},
               {"kernel_tracker_max_bytes", 8, INT}, {"kernel_tracker_max_pending", 9, INT},
               {"internal_fragmentation_fraction", 10, DOUBLE}, {"use_cuda_malloc_async", 11, BOOL},
               {"disallow_retry_on_allocation_failure", 12, BOOL}, {"gpu_host_mem_limit_in_mb", 13, FLOAT}),
    [VIRTUAL_DEVICES] =
        FIELDS({"memory_limit_mb", 1, FLOAT}, {"priority", 2, INT}, {"device_ordinal", 3, INT}),
};

static kind root_of(bt_pbtxt_message message)
{
    static const kind roots[] = {[BT_PBTXT_GRAPH] = GRAPH, [BT_PBTXT_SAVED_MODEL] = SAVED_MODEL, [BT_PBTXT_CONFIG] = CONFIG};
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

static berth_status parse_number(parser *x, const field *f)
{
    double d;
    float narrow;
    uint64_t bits = 0;
    uint32_t word_bits;
    bt_str word = take_word(x);
    switch ((kind)f->kind) {
    case SKIP: return word.n ? BERTH_OK : wrong(x, "a value should stand here");
    case FLOAT:
        if (!word_double(x, word, &d)) return wrong(x, "a number should stand here");
        narrow = (float)d;
        memcpy(&word_bits, &narrow, 4);
        bt_wire_put_fixed32(x->out, f->number, word_bits);
        return BERTH_OK;
    case DOUBLE:
        if (!word_double(x, word, &d)) return wrong(x, "a number should stand here");
        memcpy(&bits, &d, 8);
        bt_wire_put_fixed64(x->out, f->number, bits);
        return BERTH_OK;
    case BOOL:
        if (!word_bool(word, &bits)) return wrong(x, "true or false should stand here");
        break;
    case TYPE:
        if (!word_type(word, &bits)) return wrong(x, "the name of a type (DT_FLOAT, ...) should stand here");
        break;
    default:
        if (!word_int(word, &bits)) return wrong(x, "an integer should stand here");
    }
    bt_wire_put_uint(x->out, f->number, bits);
    return BERTH_OK;
}

/* ---- Messages ----------------------------------------------------------------------------------------- */

static berth_status parse_fields(parser *x, kind message, char closing);

static berth_status parse_value(parser *x, const field *f)
{
    bool braces = take(x, '{');
    if (braces || take(x, '<')) {
        bool keep = f->kind >= GRAPH;
        if (!keep && f->kind != SKIP) return wrong(x, "a plain value should stand here");
        if (x->depth == DEPTH_LIMIT) return wrong(x, "messages are nested too deep");
        x->depth++;
        size_t begin = keep ? bt_wire_begin(x->out, f->number) : 0;
        if (parse_fields(x, (kind)f->kind, braces ? '}' : '>')) return x->error->status;
        if (keep) bt_wire_end(x->out, begin);
        x->depth--;
        return BERTH_OK;
    }
    if (f->kind >= GRAPH) return wrong(x, "a message in braces should stand here");
    if (f->kind == TEXT || (f->kind == SKIP && at_quote(x))) return parse_text(x, f->number, f->kind == TEXT);
    return parse_number(x, f);
}

/* The name of a field, or of an extension in brackets, which only skipped parts may hold. */
static const field *parse_name(parser *x, kind message)
{
    static const field skipped = {"", 0, SKIP};
    if (message == SKIP && take(x, '[')) {
        while (x->p < x->end && *x->p != ']' && *x->p != '\n') x->p++;
        if (!take(x, ']')) return wrong(x, "a name in brackets without its end"), NULL;
        return &skipped;
    }
    bt_str word = take_word(x);
    if (word.n == 0) return wrong(x, "the name of a field should stand here"), NULL;
    if (message == SKIP) return &skipped;
    for (const field *f = messages[message]; f->name; f++)
        if (bt_str_is(word, f->name)) return f;
    char text[100];
    snprintf(text, sizeof text, "unknown field '%.*s'", (int)(word.n < 64 ? word.n : 64), word.p);
    return wrong(x, text), NULL;
}

/* name: value, name { ... }, name: [value, ...] up to the closing character; 0 is the end of the text. */
static berth_status parse_fields(parser *x, kind message, char closing)
{
    for (;;) {
        skip_space(x);
        if (x->p == x->end) return closing ? wrong(x, "the text ends inside a message") : BERTH_OK;
        if (closing && take(x, closing)) return BERTH_OK;
        const field *f = parse_name(x, message);
        if (!f) return x->error->status;
        bool colon = take(x, ':');
        if (!colon && f->kind != SKIP && f->kind < GRAPH) return wrong(x, "a colon should stand here");
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
    for (const field *f = messages[root_of(message)]; f->name; f++)
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
    return bt_graphdef_find_init(source, error);
}

const bt_format bt_format_pbtxt = {.name = "GraphDef text", .sniff = sniff, .load = load};
