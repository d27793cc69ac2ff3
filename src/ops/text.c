/* Text in kernels: numbers, and what the families of string ops share. */
#include "ops/text.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

bt_str bt_trim(bt_str s)
{
    while (s.n && bt_is_space(s.p[0])) s.p++, s.n--;
    while (s.n && bt_is_space(s.p[s.n - 1])) s.n--;
    return s;
}

/* glibc's "C" locale is static: nothing is allocated, and nothing to free. */
static locale_t c_locale(void) { return newlocale(LC_ALL_MASK, "C", (locale_t)0); }

static bool real_number(berth_dtype dtype, const char *text, size_t n, void *out)
{
    char *end;
    locale_t locale = c_locale();
    if (dtype == BERTH_FLOAT) *(float *)out = strtof_l(text, &end, locale);
    else *(double *)out = strtod_l(text, &end, locale);
    freelocale(locale);
    return end == text + n;
}

bool bt_text_number(berth_dtype dtype, bt_str text, void *out)
{
    bt_str s = bt_trim(text);
    if (s.n == 0) return false;
    if (dtype == BERTH_FLOAT || dtype == BERTH_DOUBLE) {
        char local[64];
        char *copy = s.n < sizeof local ? local : bt_alloc(s.n + 1);
        if (!copy) return false;
        memcpy(copy, s.p, s.n);
        copy[s.n] = '\0';
        bool is_number = real_number(dtype, copy, s.n, out);
        if (copy != local) bt_free(copy);
        return is_number;
    }
    int64_t value;
    if (s.p[0] == '+') {
        s.p++, s.n--;
        if (s.n && s.p[0] == '-') return false;
    }
    if (!bt_str_int(s, &value)) return false;
    if (dtype == BERTH_INT64) return *(int64_t *)out = value, true;
    if (dtype != BERTH_INT32 || value < INT32_MIN || value > INT32_MAX) return false;
    return *(int32_t *)out = (int32_t)value, true;
}

void bt_text_print_c(bt_text *text, const char *format, ...)
{
    char local[512];
    locale_t locale = c_locale(), before = uselocale(locale);
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(local, sizeof local, format, args);
    if (n >= 0 && (size_t)n < sizeof local) bt_text_add(text, local, (size_t)n);
    else {
        char *long_text = n < 0 ? NULL : bt_alloc((size_t)n + 1);
        if (long_text)
            vsnprintf(long_text, (size_t)n + 1, format, again), bt_text_add(text, long_text, (size_t)n);
        else text->failed = true;
        bt_free(long_text);
    }
    va_end(args);
    va_end(again);
    uselocale(before);
    freelocale(locale);
}

bool bt_string_from_text(bt_string *s, bt_text *text)
{
    bool done = !text->failed && bt_string_set(s, text->p, text->n);
    text->n = 0;
    text->failed = false;
    return done;
}

berth_status bt_strings_input(bt_call *c, int i)
{
    if (i < c->n_in && c->in[i]->dtype == BERTH_STRING) return BERTH_OK;
    return bt_call_fail(c, "input %d is no strings", i);
}

bool bt_attr_utf8(const bt_node *node, const char *name)
{
    return bt_starts(bt_attr_string(node, name, ""), "UTF8");
}
