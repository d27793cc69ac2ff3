/* Protobuf's wire encoding: a bounded reader that copies nothing, and a small writer. Knows no message: those who
 * read one loop over its fields. To read next: ../format/graphdef.c (messages read), ../format/pbtxt.c (messages
 * written by a table), ../format/graphdef_write.c (by hand). */
#ifndef BT_WIRE_H
#define BT_WIRE_H

#include "base/file.h"
#include "base/str.h"

typedef enum bt_wire_type {
    BT_WIRE_VARINT = 0,
    BT_WIRE_FIXED64 = 1,
    BT_WIRE_BYTES = 2,
    BT_WIRE_FIXED32 = 5
} bt_wire_type;

/* A message being read:
 *     bt_wire w = bt_wire_of(bytes);
 *     while (bt_wire_next(&w)) switch (w.field) { case 1: name = bt_wire_bytes(&w); break; ... }
 *     if (w.failed) damaged; */
typedef struct bt_wire {
    const uint8_t *p, *end;
    const uint8_t *raw; /* the value of the current field as it stands in the message */
    uint64_t value;     /* of numbers */
    bt_str bytes;       /* of BT_WIRE_BYTES */
    uint32_t field;
    bt_wire_type type;
    bool failed;
} bt_wire;

bt_wire bt_wire_of(bt_str message);
/* Moves to the next field; false at the end, or when the message is damaged (then `failed` is set). */
bool bt_wire_next(bt_wire *w);

/* The current field's value. Another wire type than the getter's sets `failed` and gives zero. */
bt_str bt_wire_bytes(bt_wire *w);
uint64_t bt_wire_uint(bt_wire *w); /* varint: integers, enums and bools */
static inline int64_t bt_wire_int(bt_wire *w) { return (int64_t)bt_wire_uint(w); }
float bt_wire_float(bt_wire *w);

/* The encoded numbers of a repeated field, packed or not: one after the other, each of `type`. */
bt_reader bt_wire_numbers(bt_wire *w, bt_wire_type type);
size_t bt_wire_numbers_count(const bt_reader *numbers, bt_wire_type type);
uint64_t bt_wire_number(bt_reader *numbers, bt_wire_type type);

/* The bytes of a field, the last one of its number; empty when there is none. *failed is set by damage. */
bt_str bt_wire_field(bt_str message, uint32_t field, bool *failed);
/* How often a field occurs in a message. */
size_t bt_wire_count(bt_str message, uint32_t field);

/* Writing. A message inside another one begins before its fields and ends behind them. */
void bt_wire_put_uint(bt_text *out, uint32_t field, uint64_t value);
void bt_wire_put_fixed32(bt_text *out, uint32_t field, uint32_t value);
void bt_wire_put_fixed64(bt_text *out, uint32_t field, uint64_t value);
void bt_wire_put_bytes(bt_text *out, uint32_t field, bt_str bytes);
/* The head of a field of bytes, n of which are added behind it by other means. */
void bt_wire_put_length(bt_text *out, uint32_t field, size_t n);
size_t bt_wire_begin(bt_text *out, uint32_t field);
/* behind: bytes of the message that will be added behind all that *out holds, by other means. */
void bt_wire_end_before(bt_text *out, size_t begin, size_t behind);
static inline void bt_wire_end(bt_text *out, size_t begin) { bt_wire_end_before(out, begin, 0); }
/* Bare numbers, as packed fields have them: a varint; n bytes, little-endian. */
void bt_wire_put_varint(bt_text *out, uint64_t value);
void bt_wire_put_number(bt_text *out, uint64_t value, size_t n);

#endif
