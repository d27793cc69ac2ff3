/* JSON: literal texts and what becomes of them; texts that are none. */
#include "base/json.h"
#include "check.h"

static bt_arena arena;

static const bt_json *parse(const char *text)
{
    berth_error error = {0};
    const bt_json *j = bt_json_parse(&arena, bt_str_of(text), &error);
    CHECK((j == NULL) == (error.status != BERTH_OK));
    return j;
}

static void values(void)
{
    const bt_json *j = parse(" {\"a\": [1, -2.5e1, true, null, \"x\\u00e9\\n\\ud83d\\ude00\"], \"b\": "
                             "{\"c\": 9007199254740993}} ");
    const bt_json *a = bt_json_get(j, "a");
    if (!CHECK(a && a->n == 5 && j->n == 2)) return;
    CHECK_EQ(bt_json_int(bt_json_at(a, 0), 0), 1);
    CHECK_CLOSE(bt_json_double(bt_json_at(a, 1), 0), -25, 0);
    CHECK_EQ(bt_json_int(bt_json_at(a, 1), 0), -25);
    CHECK(bt_json_bool(bt_json_at(a, 2), false));
    CHECK(bt_json_is(bt_json_at(a, 3), BT_JSON_NULL));
    CHECK_TEXT(bt_json_text(bt_json_at(a, 4), NULL), "x\xc3\xa9\n\xf0\x9f\x98\x80");
    CHECK(!bt_json_at(a, 5) && !bt_json_at(a, -1) && !bt_json_get(a, "a"));
    CHECK_EQ(bt_json_int(bt_json_get(bt_json_get(j, "b"), "c"), 0), 9007199254740993);
    CHECK_EQ(bt_json_int(bt_json_get(NULL, "c"), 7), 7);
    CHECK(isnan(bt_json_double(parse("NaN"), 0)));
    CHECK_CLOSE(bt_json_double(parse("-Infinity"), 0), -INFINITY, 0);
    CHECK(bt_json_is(parse("123456789012345678901234567890"), BT_JSON_DOUBLE));
    CHECK(parse("[]") && parse("{}") && parse("\"\"") && parse("0"));
    const bt_json *nul = parse("\"a\\u0000b\"");
    CHECK(nul && nul->s.n == 3);
}

static void faults(void)
{
    static const char *const texts[] = {"",           "{",       "[1,",       "[1 2]", "{\"a\"}", "{\"a\":}",
                                        "{a: 1}",     "\"x",     "tru",       "1 2",   "-",       "1.",
                                        "1e",         "\"\\x\"", "\"\\u12\"", "[1,]",  "\"\n\"",  "nullx",
                                        "{\"a\":1,}", "\"\\",    "+1",        ".5"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!CHECK(!parse(texts[i]))) printf("    %s\n", texts[i]);
    char deep[2001] = {0};
    memset(deep, '[', 2000);
    CHECK(!parse(deep));
    memset(deep + 200, ']', 200);
    deep[400] = '\0';
    CHECK(parse(deep));
}

/* Hostile names: quotes, control characters, what is no UTF-8, overlong, surrogates. */
static void writing(void)
{
    static const char *const pairs[][2] = {
        {"", "\"\""},
        {"a/b \"\\\n\x7f", "\"a/b \\\"\\\\\\u000a\\u007f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\xff\xc3", "\"??\""},
        {"\xc0\x80\xed\xa0\x80z\xf8", "\"?????z?\""},
        {"\xf4\x90\x80\x80\xe2\x82", "\"??????\""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bt_text text = {0};
        bt_json_write(&text, pairs[i][0]);
        CHECK_TEXT(text.p, pairs[i][1]);
        CHECK(parse(text.p));
        bt_text_free(&text);
    }
}

int main(void)
{
    bt_arena_init(&arena);
    writing();
    values();
    faults();
    bt_arena_free(&arena);
    return check_done();
}
