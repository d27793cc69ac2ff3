/* Encodings that are ICU's, against literal answers of TensorFlow; in a build without ICU, the line that says so. */
#include "../../tests/op_test.h"

typedef struct text_case {
    const char *encoding, *errors;
    bt_string in[2];
    int64_t splits[3];
    int32_t points[4];
    int64_t starts[4];
} text_case;

#define S(literal)                          \
    {                                       \
        (char *)literal, sizeof literal - 1 \
    }

static void decode(const text_case *t)
{
    op_begin("UnicodeDecodeWithOffsets");
    bt_set_string(&op_graph, 0, "input_encoding", t->encoding);
    bt_set_string(&op_graph, 0, "errors", t->errors);
    op_input(BERTH_STRING, BT_SHAPE(2), t->in);
    CHECK(op_run() == BERTH_OK);
    CHECK(op_gives(0, BERTH_INT64, BT_SHAPE(3), t->splits, 0));
    CHECK(op_gives(1, BERTH_INT32, BT_SHAPE(t->splits[2]), t->points, 0));
    CHECK(op_gives(2, BERTH_INT64, BT_SHAPE(t->splits[2]), t->starts, 0));
    op_end();
}

static void refused(const char *encoding, const char *errors, berth_status want, const char *words)
{
    const bt_string in[2] = {S("a"), S("\x96")};
    op_begin("UnicodeTranscode");
    bt_set_string(&op_graph, 0, "input_encoding", encoding);
    bt_set_string(&op_graph, 0, "output_encoding", "UTF-8");
    bt_set_string(&op_graph, 0, "errors", errors);
    op_input(BERTH_STRING, BT_SHAPE(2), in);
    CHECK(op_run() == want);
    CHECK(strstr(op_error.message, words));
    op_end();
}

int main(void)
{
    static const text_case cases[] = {
        {"Shift_JIS",
         "replace",
         {S("\x93\xfa\x96"), S("a\xa0")},
         {0, 2, 4},
         {0x65e5, 0xfffd, 'a', 0xfffd},
         {0, 2, 0, 1}},
        {"Shift_JIS", "ignore", {S("\x93\xfa\x96"), S("a\xa0")}, {0, 1, 2}, {0x65e5, 'a'}, {0, 0}},
        /* What a string switched to ends with it. */
        {"ISO-2022-JP",
         "replace",
         {S("\x1b$BF|"), S("K\\\x1b(BK")},
         {0, 1, 4},
         {0x65e5, 'K', '\\', 'K'},
         {0, 0, 1, 2}},
        {"Big5-HKSCS", "replace", {S("\x88\x62"), S("a")}, {0, 1, 2}, {0xf325, 'a'}, {0, 0}},
        {"gb18030", "strict", {S("\x81\x30\x81\x30"), S("")}, {0, 1, 1}, {0x80}, {0}},
    };
    if (!BERTH_ICU) return refused("Shift_JIS", "replace", BERTH_UNSUPPORTED, "without ICU"), check_done();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) decode(&cases[i]);
    refused("Shift_JIS", "strict", BERTH_BAD_INPUT, "Invalid formatting on input string");
    refused("nonsense", "replace", BERTH_BAD_INPUT,
            "Could not create converter for input encoding: nonsense");
    refused("", "replace", BERTH_BAD_INPUT, "Could not create converter");
    return check_done();
}
