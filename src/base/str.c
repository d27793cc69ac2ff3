/* Text: what the views and the growing buffer of str.h need beyond a line. */
#include "base/str.h"

#include <stdio.h>

bool bt_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool bt_has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; n && (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return true;
    return false;
}

bool bt_str_int(bt_str s, int64_t *out)
{
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+');
    bool negative = i && s.p[0] == '-';
    int64_t value = 0;
    if (i == s.n) return false;
    for (; i < s.n; i++) {
        int digit = s.p[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}

/* Does c match the class that opens behind '['? *end is set behind its ']', or to NULL when it never closes. */
static bool class_holds(const char *p, char c, const char **end)
{
    bool negated = *p == '!' || *p == '^', found = false;
    p += negated;
    for (const char *first = p; *p && (*p != ']' || p == first); p++) {
        if (p[1] == '-' && p[2] && p[2] != ']') {
            found |= p[0] <= c && c <= p[2];
            p += 2;
        } else found |= *p == c;
    }
    *end = *p ? p + 1 : NULL;
    return found != negated;
}

bool bt_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL; /* the last '*', and the text that it has not yet swallowed */
    while (*text) {
        const char *after = pattern + 1;
        bool fits;
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
            continue;
        }
        if (*pattern == '[') {
            fits = class_holds(after, *text, &after);
            if (!after) after = pattern + 1, fits = *text == '[';
        } else fits = *pattern == '?' || (*pattern && *pattern == *text);
        if (fits) pattern = after, text++;
        else if (star) pattern = star, text = ++resume;
        else return false;
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

/* Room for n more bytes and a NUL. */
static bool reserve(bt_text *text, size_t n)
{
    size_t wanted;
    if (!text->failed && !(bt_add(text->n, n, &wanted) && bt_add(wanted, 1, &wanted) &&
                           bt_grow(&text->p, &text->capacity, wanted, 1)))
        text->failed = true;
    return !text->failed;
}

void bt_text_add(bt_text *text, const char *p, size_t n)
{
    if (!reserve(text, n)) return;
    if (n) memcpy(text->p + text->n, p, n);
    text->n += n;
    text->p[text->n] = '\0';
}

void bt_text_print(bt_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) text->failed = true;
    else if (reserve(text, (size_t)n)) {
        vsnprintf(text->p + text->n, (size_t)n + 1, format, again);
        text->n += (size_t)n;
    }
    va_end(again);
}

void bt_text_free(bt_text *text)
{
    bt_free(text->p);
    *text = (bt_text){0};
}
