/* Protobuf's wire encoding, read in place: every length is checked against the message that holds it, so that a
 * view that was handed out always lies within the bytes given. Groups, which nobody writes any more, count as
 * damage. The encoding: https://protobuf.dev/programming-guides/encoding */
#include "base/wire.h"

bt_wire bt_wire_of(bt_str message)
{
    const uint8_t *p = (const uint8_t *)message.p;
    return (bt_wire){.p = p, .end = p ? p + message.n : p};
}

static bool read_varint(bt_wire *w, uint64_t *out)
{
    if (w->p < w->end && *w->p < 0x80) return *out = *w->p++, true;
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && w->p < w->end; shift += 7) {
        uint8_t byte = *w->p++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return *out = value, true;
    }
    return false;
}

static bool read_fixed(bt_wire *w, size_t n)
{
    if ((size_t)(w->end - w->p) < n) return false;
    w->value = 0;
    for (size_t i = 0; i < n; i++) w->value |= (uint64_t)w->p[i] << (8 * i);
    w->p += n;
    return true;
}

static bool read_value(bt_wire *w)
{
    uint64_t n;
    w->raw = w->p;
    switch (w->type) {
    case BT_WIRE_VARINT: return read_varint(w, &w->value);
    case BT_WIRE_FIXED64: return read_fixed(w, 8);
    case BT_WIRE_FIXED32: return read_fixed(w, 4);
    case BT_WIRE_BYTES:
        if (!read_varint(w, &n) || n > (uint64_t)(w->end - w->p)) return false;
        w->raw = w->p;
        w->bytes = (bt_str){(const char *)w->p, (size_t)n};
        w->p += n;
        return true;
    default: return false;
    }
}

bool bt_wire_next(bt_wire *w)
{
    uint64_t tag;
    if (w->failed || w->p == w->end) return false;
    if (!read_varint(w, &tag) || tag >> 3 == 0 || tag >> 32 != 0) return w->failed = true, false;
    w->field = (uint32_t)(tag >> 3);
    w->type = (bt_wire_type)(tag & 7);
    w->failed = !read_value(w);
    return !w->failed;
}

bt_str bt_wire_bytes(bt_wire *w)
{
    if (w->type == BT_WIRE_BYTES) return w->bytes;
    w->failed = true;
    return (bt_str){"", 0};
}

uint64_t bt_wire_uint(bt_wire *w)
{
    if (w->type == BT_WIRE_VARINT) return w->value;
    w->failed = true;
    return 0;
}

float bt_wire_float(bt_wire *w)
{
    float f = 0;
    uint32_t bits = (uint32_t)w->value;
    if (w->type == BT_WIRE_FIXED32) memcpy(&f, &bits, sizeof f);
    else w->failed = true;
    return f;
}

bt_reader bt_wire_numbers(bt_wire *w, bt_wire_type type)
{
    if (w->type == type || w->type == BT_WIRE_BYTES) return bt_reader_of(w->raw, (size_t)(w->p - w->raw));
    w->failed = true;
    return bt_reader_of(w->raw, 0);
}

size_t bt_wire_numbers_count(const bt_reader *numbers, bt_wire_type type)
{
    if (type == BT_WIRE_FIXED32) return bt_reader_left(numbers) / 4;
    if (type == BT_WIRE_FIXED64) return bt_reader_left(numbers) / 8;
    size_t n = 0;
    for (const uint8_t *p = numbers->p; p < numbers->end; p++) n += *p < 0x80;
    return n;
}

uint64_t bt_wire_number(bt_reader *numbers, bt_wire_type type)
{
    if (type == BT_WIRE_FIXED32) return bt_read_uint(numbers, 4);
    if (type == BT_WIRE_FIXED64) return bt_read_uint(numbers, 8);
    return bt_read_varint(numbers);
}

size_t bt_wire_count(bt_str message, uint32_t field)
{
    size_t n = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) n += w.field == field;
    return n;
}

bt_str bt_wire_field(bt_str message, uint32_t field, bool *failed)
{
    bt_str value = {"", 0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w))
        if (w.field == field) value = bt_wire_bytes(&w);
    *failed |= w.failed;
    return value;
}

/* ---- Writing ---- */

void bt_wire_put_varint(bt_text *out, uint64_t value)
{
    char bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    bt_text_add(out, bytes, n);
}

void bt_wire_put_number(bt_text *out, uint64_t value, size_t n)
{
    char bytes[8];
    for (size_t i = 0; i < n; i++) bytes[i] = (char)(value >> (8 * i));
    bt_text_add(out, bytes, n);
}

static void put_tag(bt_text *out, uint32_t field, bt_wire_type type)
{
    bt_wire_put_varint(out, (uint64_t)field << 3 | type);
}

void bt_wire_put_uint(bt_text *out, uint32_t field, uint64_t value)
{
    put_tag(out, field, BT_WIRE_VARINT);
    bt_wire_put_varint(out, value);
}

void bt_wire_put_fixed32(bt_text *out, uint32_t field, uint32_t value)
{
    put_tag(out, field, BT_WIRE_FIXED32);
    bt_wire_put_number(out, value, 4);
}

void bt_wire_put_fixed64(bt_text *out, uint32_t field, uint64_t value)
{
    put_tag(out, field, BT_WIRE_FIXED64);
    bt_wire_put_number(out, value, 8);
}

void bt_wire_put_length(bt_text *out, uint32_t field, size_t n)
{
    put_tag(out, field, BT_WIRE_BYTES);
    bt_wire_put_varint(out, n);
}

void bt_wire_put_bytes(bt_text *out, uint32_t field, bt_str bytes)
{
    bt_wire_put_length(out, field, bytes.n);
    bt_text_add(out, bytes.p, bytes.n);
}

/* The length is not known yet: it gets five bytes, which is a longer varint than need be, and as legal. */
#define LENGTH_BYTES 5

size_t bt_wire_begin(bt_text *out, uint32_t field)
{
    put_tag(out, field, BT_WIRE_BYTES);
    bt_text_add(out, "\x80\x80\x80\x80", LENGTH_BYTES);
    return out->n;
}

void bt_wire_end_before(bt_text *out, size_t begin, size_t behind)
{
    if (out->failed) return;
    size_t n = out->n - begin + behind;
    char *length = out->p + begin - LENGTH_BYTES;
    if (n >> 35) out->failed = true;
    for (int i = 0; i < LENGTH_BYTES; i++, n >>= 7)
        length[i] = (char)((n & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
}
