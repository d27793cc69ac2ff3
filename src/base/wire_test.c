/* The wire encoding: known bytes, what the writer writes read back, damage. */
#include "base/wire.h"

#include "check.h"

static void test_reading(void)
{
    /* 1: 150, 2: "testing", 3: 1.0f, 4 packed: 3 270, 4: 5 */
    static const char bytes[] = "\x08\x96\x01\x12\x07testing\x1d\x00\x00\x80\x3f\x22\x03\x03\x8e\x02\x20\x05";
    bt_wire w = bt_wire_of((bt_str){bytes, sizeof bytes - 1});
    CHECK(bt_wire_next(&w) && w.field == 1 && bt_wire_uint(&w) == 150);
    CHECK(bt_wire_next(&w) && w.field == 2 && bt_str_is(bt_wire_bytes(&w), "testing"));
    CHECK(bt_wire_next(&w) && w.field == 3 && bt_wire_float(&w) == 1.0f);
    CHECK(bt_wire_next(&w) && w.field == 4);
    bt_reader numbers = bt_wire_numbers(&w, BT_WIRE_VARINT);
    CHECK_EQ(bt_wire_numbers_count(&numbers, BT_WIRE_VARINT), 2);
    CHECK_EQ(bt_wire_number(&numbers, BT_WIRE_VARINT), 3);
    CHECK_EQ(bt_wire_number(&numbers, BT_WIRE_VARINT), 270);
    CHECK(bt_wire_next(&w) && w.field == 4);
    numbers = bt_wire_numbers(&w, BT_WIRE_VARINT);
    CHECK_EQ(bt_wire_numbers_count(&numbers, BT_WIRE_VARINT), 1);
    CHECK_EQ(bt_wire_number(&numbers, BT_WIRE_VARINT), 5);
    CHECK(!bt_wire_next(&w) && !w.failed);
    CHECK_EQ(bt_wire_count((bt_str){bytes, sizeof bytes - 1}, 4), 2);
}

static void test_writing(void)
{
    bt_text out = {0};
    bt_wire_put_uint(&out, 1, UINT64_MAX);
    size_t begin = bt_wire_begin(&out, 2000);
    bt_wire_put_fixed32(&out, 1, 0x12345678);
    bt_wire_put_fixed64(&out, 2, 0x123456789abcdef0);
    bt_wire_put_bytes(&out, 3, bt_str_of("inner"));
    bt_wire_end(&out, begin);
    bt_wire w = bt_wire_of((bt_str){out.p, out.n});
    CHECK(bt_wire_next(&w) && bt_wire_int(&w) == -1);
    CHECK(bt_wire_next(&w) && w.field == 2000);
    bt_wire inner = bt_wire_of(bt_wire_bytes(&w));
    CHECK(bt_wire_next(&inner) && inner.value == 0x12345678 && inner.type == BT_WIRE_FIXED32);
    CHECK(bt_wire_next(&inner) && inner.value == 0x123456789abcdef0 && inner.type == BT_WIRE_FIXED64);
    CHECK(bt_wire_next(&inner) && bt_str_is(bt_wire_bytes(&inner), "inner"));
    CHECK(!bt_wire_next(&inner) && !inner.failed && !bt_wire_next(&w) && !w.failed);
    bt_text_free(&out);
}

static void test_damage(void)
{
    static const struct {
        const char *bytes;
        size_t n;
    } cases[] = {
        {"\x08", 1},                                              /* no value */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* a varint of eleven bytes */
        {"\x12\x02x", 3},                                         /* a length beyond the end */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 12},    /* one of 2^64 - 1 */
        {"\x1d\x00\x00\x80", 4},                                  /* half a float */
        {"\x19\x00\x00\x80", 4},                                  /* half a double */
        {"\x00\x00", 2},                                          /* field 0 */
        {"\x0b\x0c", 2},                                          /* a group */
        {"\x0f\x00", 2},                                          /* wire type 7 */
        {"\x80\x80\x80\x80\x80\x01\x00", 7},                      /* a field number beyond 29 bits */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bt_wire w = bt_wire_of((bt_str){cases[i].bytes, cases[i].n});
        while (bt_wire_next(&w)) {}
        CHECK(w.failed);
    }
    bt_wire w = bt_wire_of(bt_str_of("\x08\x01"));
    CHECK(bt_wire_next(&w) && bt_wire_bytes(&w).n == 0 && w.failed); /* of another type than asked for */
}

int main(void)
{
    test_reading();
    test_writing();
    test_damage();
    return check_done();
}
