/* Memory, arena, map and text: values, limits, and every allocation refused once. */
#include "base/mem.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/str.h"
#include "resident.h"
#include "torture.h"

static void test_alloc(void)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 7 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t n = sizes[i];
        unsigned char *p = bt_alloc(n), *z = bt_calloc(n, 1), *h = bt_alloc_huge(n);
        CHECK(p && z && h);
        CHECK(((uintptr_t)p | (uintptr_t)z | (uintptr_t)h) % 64 == 0);
        memset(p, 1, n), memset(h, 2, n);
        size_t sum = 0;
        for (size_t k = 0; k < n; k++) sum += z[k];
        CHECK_EQ(sum, 0);
        p = bt_realloc(p, n, n + 100);
        CHECK(p && (!n || (p[0] == 1 && p[n - 1] == 1)));
        p = bt_realloc(p, n + 100, n / 2);
        CHECK(p && (n < 2 || p[n / 2 - 1] == 1));
        bt_free(p), bt_free(z), bt_free_huge(h, n);
    }
    bt_free(NULL), bt_free_huge(NULL, 0), bt_free_huge(NULL, 1 << 30);
    CHECK(!bt_alloc(SIZE_MAX) && !bt_alloc((size_t)PTRDIFF_MAX + 1));
    CHECK(!bt_calloc(SIZE_MAX / 2, 3) && !bt_alloc_huge(SIZE_MAX) && !bt_alloc_huge(PTRDIFF_MAX));
    char *s = bt_strdup("berth");
    CHECK_TEXT(s, "berth");
    bt_free(s);
}

/* Huge pages do not take much more than what is asked for. */
static void test_waste(void)
{
    enum { N = 20, BYTES = (2 << 20) + (64 << 10) };
    void *p[N];
    int64_t before = resident();
    for (int i = 0; i < N; i++)
        if (CHECK(p[i] = bt_alloc_huge(BYTES))) memset(p[i], 1, BYTES);
    CHECK(resident() - before < (int64_t)N * BYTES * 3 / 2);
    for (int i = 0; i < N; i++) bt_free_huge(p[i], BYTES);
}

static void test_fail_at(void)
{
    bt_mem_fail_at(3);
    void *p[5];
    for (int i = 0; i < 5; i++) p[i] = i == 2 ? bt_alloc_huge(3 << 20) : bt_alloc(8);
    CHECK(p[0] && p[1] && !p[2] && p[3] && p[4]);
    CHECK_EQ(bt_mem_fail_at(0), 5);
    uint64_t before = bt_mem_count();
    bt_free(bt_alloc(1));
    CHECK_EQ(bt_mem_count() - before, 1);
    CHECK_EQ(bt_mem_fail_at(0), 1);
    for (int i = 0; i < 5; i++)
        if (i != 2) bt_free(p[i]);
}

static bool grow(void *user)
{
    int *array = NULL;
    size_t capacity = 0, n = 0;
    (void)user;
    while (n < 1000 && bt_grow(&array, &capacity, n + 1, sizeof *array)) array[n] = (int)n, n++;
    bool ok = n == 1000;
    for (size_t i = 0; i < n; i++) CHECK_EQ(array[i], i); /* what was there stays, also when growing failed */
    bt_free(array);
    return ok;
}

static bool fill_arena(void *user)
{
    bt_arena arena;
    bool ok = true;
    (void)user;
    bt_arena_init(&arena);
    for (int i = 0; i < 3000; i++) {
        size_t n = i % 500 == 499 ? 100000 : (size_t)i % 97, align = (size_t)1 << i % 7;
        unsigned char *p = bt_arena_alloc_aligned(&arena, n, align);
        if (!p) {
            ok = false;
            continue;
        }
        size_t sum = 0;
        for (size_t k = 0; k < n; k++) sum += p[k];
        if (sum || (uintptr_t)p % align) CHECK(!"zeroed and aligned");
        memset(p, 0xff, n);
    }
    char *text = bt_arena_print(&arena, "%s:%d", "node", 17), *copy = bt_arena_copy(&arena, "abc", 2);
    ok &= text && copy;
    if (text) CHECK_TEXT(text, "node:17");
    if (copy) CHECK_TEXT(copy, "ab");
    CHECK(!bt_arena_alloc_n(&arena, SIZE_MAX / 4, 8) && !bt_arena_alloc(&arena, SIZE_MAX - 8));
    if (ok) CHECK(arena.total < 2 << 20);
    bt_arena_free(&arena);
    return ok;
}

static bool fill_map(void *user)
{
    enum { N = 5000 };
    bt_map map = {0};
    bt_arena names;
    bool ok = true;
    (void)user;
    bt_arena_init(&names);
    CHECK_EQ(bt_map_get_index(&map, bt_str_of("none")), -1);
    for (size_t i = 0; ok && i < N; i++) {
        char *name = bt_arena_print(&names, "scope/%zu", i);
        ok = name && bt_map_put_index(&map, bt_str_of(name), i);
    }
    for (size_t i = 0; ok && i < N; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "scope/%zu and more", i);
        CHECK_EQ(bt_map_get_index(&map, (bt_str){name, (size_t)n - 9}), i);
        CHECK_EQ(bt_map_get_index(&map, (bt_str){name, (size_t)n}), -1);
    }
    for (size_t i = 0; ok && i < N; i++) CHECK_EQ((uintptr_t)map.entries[i].value, i + 1); /* in order */
    if (ok) {
        CHECK_EQ(map.count, N);
        ok = bt_map_put(&map, bt_str_of("scope/7"), &ok) && bt_map_put(&map, (bt_str){NULL, 0}, &map);
        CHECK(bt_map_get(&map, bt_str_of("scope/7")) == &ok && bt_map_get(&map, bt_str_of("")) == &map);
        CHECK_EQ(map.count, N + 1);
    }
    bt_map_free(&map);
    bt_arena_free(&names);
    return ok;
}

static bool fill_text(void *user)
{
    bt_text text = {0};
    (void)user;
    bt_text_add(&text, NULL, 0);
    for (int i = 0; i < 200; i++) bt_text_print(&text, "%d,", i), bt_text_add(&text, ";-", 1);
    bool ok = !text.failed;
    if (ok) CHECK(text.n == strlen(text.p) && bt_starts(text.p, "0,;1,;") && bt_ends(text.p, "198,;199,;"));
    bt_text_free(&text);
    return ok;
}

static bool glob_by_definition(const char *p, const char *t)
{
    if (*p == '*') return glob_by_definition(p + 1, t) || (*t && glob_by_definition(p, t + 1));
    return *p ? *t && (*p == '?' || *p == *t) && glob_by_definition(p + 1, t + 1) : !*t;
}

static void test_glob(void)
{
    CHECK(bt_glob("*", "") && bt_glob("", "") && !bt_glob("", "a") && !bt_glob("?", ""));
    CHECK(bt_glob("block*/conv", "block1/a/conv") && !bt_glob("block*/conv", "block1/conv2"));
    CHECK(bt_glob("x[0-9]", "x7") && !bt_glob("x[0-9]", "xa") && bt_glob("x[!0-9]", "xa") &&
          bt_glob("[]a]", "]"));
    CHECK(bt_glob("[ab-]", "-") && bt_glob("*[xy]*z", "aaxbbz") && !bt_glob("*[xy]*z", "aabbz"));
    CHECK(bt_glob("a[b", "a[b") && !bt_glob("a[b", "ab") && !bt_glob("[^a]", "a") &&
          bt_glob("Relu*", "Relu6"));
    for (int i = 0; i < 3000; i++) {
        char pattern[9] = {0}, text[9] = {0};
        for (int64_t k = 0, n = check_int(0, 8); k < n; k++) pattern[k] = "ab?*"[check_int(0, 3)];
        for (int64_t k = 0, n = check_int(0, 8); k < n; k++) text[k] = "ab"[check_int(0, 1)];
        CHECK_EQ(bt_glob(pattern, text), glob_by_definition(pattern, text));
    }
    char text[3000];
    memset(text, 'a', sizeof text - 1), text[sizeof text - 1] = '\0';
    CHECK(!bt_glob("*a*a*a*a*a*a*a*a*a*a*a*a*b", text)); /* in no exponential time */
}

static void test_numbers(void)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {{"0", true, 0},
                 {"-17", true, -17},
                 {"+5", true, 5},
                 {"9223372036854775807", true, INT64_MAX},
                 {"-9223372036854775808", true, INT64_MIN},
                 {"9223372036854775808", false, 0},
                 {"-9223372036854775809", false, 0},
                 {"", false, 0},
                 {"-", false, 0},
                 {"1 ", false, 0},
                 {"0x1", false, 0},
                 {"1e3", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;
        CHECK_EQ(bt_str_int(bt_str_of(cases[i].text), &value), cases[i].ok);
        CHECK_EQ(value, cases[i].value);
    }
    CHECK(bt_ends("saved_model.pb", ".pb") && !bt_ends("pb", ".pb") && bt_ends("x", ""));
    CHECK(bt_str_is((bt_str){NULL, 0}, "") && bt_str_equal(bt_str_of(NULL), bt_str_of("")));
}

int main(void)
{
    test_alloc();
    test_waste();
    test_fail_at();
    test_glob();
    test_numbers();
    CHECK(torture(grow, NULL, false) > 3);
    CHECK(torture(fill_arena, NULL, false) > 3);
    CHECK(torture(fill_map, NULL, false) > 3);
    CHECK(torture(fill_text, NULL, false) > 3);
    return check_done();
}
