/* Text: views that own nothing, and a buffer that grows. */
#ifndef BT_STR_H
#define BT_STR_H

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"

typedef struct bt_str {
    const char *p;
    size_t n;
} bt_str;

static inline bt_str bt_str_of(const char *s) { return (bt_str){s, s ? strlen(s) : 0}; }
static inline bool bt_str_is(bt_str s, const char *text)
{
    return s.n == strlen(text) && (s.n == 0 || memcmp(s.p, text, s.n) == 0);
}
static inline bool bt_str_equal(bt_str a, bt_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool bt_starts(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }
bool bt_ends(const char *s, const char *suffix);
/* Whether one of the words, parted by single spaces, is this one. */
bool bt_has_word(const char *words, const char *word);
/* Decimal integer that fills the whole view. */
bool bt_str_int(bt_str s, int64_t *out);
/* Shell pattern: * ? [a-z], over the whole text, '/' is a character like any other. */
bool bt_glob(const char *pattern, const char *text);

typedef struct bt_text {
    char *p; /* NUL-terminated once anything was added */
    size_t n, capacity;
    bool failed; /* out of memory: later additions do nothing */
} bt_text;

void bt_text_add(bt_text *text, const char *p, size_t n);
void bt_text_print(bt_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bt_text_free(bt_text *text);

#endif
