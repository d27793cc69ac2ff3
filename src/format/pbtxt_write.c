/* Protobuf's text form written: any message of pbtxt_schema.h from its wire encoding, a field a line. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "format/pbtxt_schema.h"
#include "format/write.h"

static void put_text(bt_text *out, bt_str s)
{
    bt_text_add(out, "\"", 1);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '\n') bt_text_add(out, "\\n", 2);
        else if (c == '"' || c == '\\') bt_text_print(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7f) bt_text_print(out, "\\%03o", c);
        else bt_text_add(out, (const char *)&s.p[i], 1);
    }
    bt_text_add(out, "\"", 1);
}

/* Digits enough to read the same number back; the host program's locale may have a decimal comma. */
static void put_real(bt_text *out, double value, int digits)
{
    char text[40];
    if (isnan(value)) snprintf(text, sizeof text, "nan");
    else snprintf(text, sizeof text, "%.*g", digits, value);
    for (char *p = text; *p; p++)
        if (*p == ',') *p = '.';
    bt_text_print(out, "%s", text);
}

static void put_type(bt_text *out, uint64_t number)
{
    static const char *const names[] = {"INVALID",    "FLOAT",  "DOUBLE",    "INT32",   "UINT8",   "INT16",
                                        "INT8",       "STRING", "COMPLEX64", "INT64",   "BOOL",    "QINT8",
                                        "QUINT8",     "QINT32", "BFLOAT16",  "QINT16",  "QUINT16", "UINT16",
                                        "COMPLEX128", "HALF",   "RESOURCE",  "VARIANT", "UINT32",  "UINT64"};
    if (number < sizeof names / sizeof *names) bt_text_print(out, "DT_%s", names[number]);
    else bt_text_print(out, "%" PRIu64, number);
}

static void put_number(bt_text *out, bt_txt_kind kind, uint64_t bits)
{
    float f;
    double d;
    uint32_t word = (uint32_t)bits;
    memcpy(&f, &word, sizeof f);
    memcpy(&d, &bits, sizeof d);
    switch (kind) {
    case TXT_BOOL: bt_text_print(out, "%s", bits ? "true" : "false"); break;
    case TXT_FLOAT: put_real(out, f, 9); break;
    case TXT_DOUBLE: put_real(out, d, 17); break;
    case TXT_TYPE: put_type(out, bits); break;
    case TXT_UINT: bt_text_print(out, "%" PRIu64, bits); break;
    default: bt_text_print(out, "%" PRId64, (int64_t)bits);
    }
}

static const bt_txt_field *field_of(int message, uint32_t number)
{
    for (const bt_txt_field *f = bt_txt_messages[message]; f->name; f++)
        if (f->number == number) return f->kind == TXT_SKIP ? NULL : f;
    return NULL;
}

static void put_message(bt_text *out, bt_str message, int kind, int depth);

static void put_field(bt_text *out, bt_wire *w, const bt_txt_field *f, int depth)
{
    if (f->kind >= TXT_GRAPH) {
        bt_text_print(out, "%*s%s {\n", 2 * depth, "", f->name);
        put_message(out, bt_wire_bytes(w), f->kind, depth + 1);
        bt_text_print(out, "%*s}\n", 2 * depth, "");
    } else if (f->kind == TXT_TEXT) {
        bt_text_print(out, "%*s%s: ", 2 * depth, "", f->name);
        put_text(out, bt_wire_bytes(w));
        bt_text_add(out, "\n", 1);
    } else {
        bt_wire_type type = f->kind == TXT_FLOAT    ? BT_WIRE_FIXED32
                            : f->kind == TXT_DOUBLE ? BT_WIRE_FIXED64
                                                    : BT_WIRE_VARINT;
        bt_reader numbers = bt_wire_numbers(w, type);
        while (bt_reader_left(&numbers) && !numbers.failed) {
            bt_text_print(out, "%*s%s: ", 2 * depth, "", f->name);
            put_number(out, f->kind, bt_wire_number(&numbers, type));
            bt_text_add(out, "\n", 1);
        }
    }
}

/* The messages are our own, whose depth is small. */
static void put_message(bt_text *out, bt_str message, int kind, int depth)
{
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        const bt_txt_field *f = field_of(kind, w.field);
        if (f) put_field(out, &w, f, depth);
    }
}

/* ---- Files -------------------------------------------------------------------------------------------- */

typedef struct printing {
    bt_save file;
    bt_text whole, text;
} printing;

static void print_field(void *user, bt_str head, bt_str behind)
{
    printing *p = user;
    p->whole.n = p->text.n = 0;
    bt_text_add(&p->whole, head.p, head.n);
    bt_text_add(&p->whole, behind.p, behind.n);
    put_message(&p->text, (bt_str){p->whole.p, p->whole.failed ? 0 : p->whole.n}, TXT_GRAPH, 0);
    bt_save_add(&p->file, p->text.p, p->text.n);
}

berth_status bt_pbtxt_save(const bt_source *source, const char *path, berth_error *error)
{
    printing p = {0};
    if (bt_graphdef_check(source, error) || bt_save_open(&p.file, path, error)) return error->status;
    berth_status status = bt_graphdef_write(source, print_field, &p, error);
    if (!status && (p.text.failed || p.whole.failed)) status = bt_fail_memory(error);
    if (status) bt_error_prefix(error, "%s", path);
    berth_status closed = bt_save_close(&p.file, !status, error);
    bt_text_free(&p.whole);
    bt_text_free(&p.text);
    return status ? status : closed;
}
