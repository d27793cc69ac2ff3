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

static bool natural_number(bt_str s, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(s.p[i] - '0'), out))
            return false;
    return s.n > 0;
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
    bool negative = s.p[0] == '-';
    if (s.p[0] == '+') {
        s.p++, s.n--;
        if (s.n && (s.p[0] == '-' || s.p[0] == '+')) return false;
    }
    if (dtype == BERTH_UINT64) return !negative && natural_number(s, out);
    if (!bt_str_int(s, &value)) return false;
    if (dtype == BERTH_INT64) return *(int64_t *)out = value, true;
    if (dtype == BERTH_UINT32 && !negative && value <= UINT32_MAX)
        return *(uint32_t *)out = (uint32_t)value, true;
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

const char *bt_call_path(bt_call *c, int i)
{
    const bt_string *s = c->in[i]->data;
    char *path = bt_scratch(c, s->n + 1);
    if (!path) return NULL;
    if (s->n) memcpy(path, s->p, s->n);
    path[s->n] = '\0';
    return path;
}

bool bt_attr_utf8(const bt_node *node, const char *name)
{
    return bt_starts(bt_attr_string(node, name, ""), "UTF8");
}

char *bt_string_room(bt_string *s, size_t n)
{
    bt_free(s->p);
    s->p = n ? bt_alloc(n) : NULL;
    s->n = s->p ? n : 0;
    return s->p;
}

/* ---- Tensors as text ---------------------------------------------------------------------------------- */

static void print_escaped(bt_text *text, const bt_string *s)
{
    static const char plain[] = "\n\r\t\"'\\", escaped[] = "nrt\"'\\";
    bt_text_add(text, "\"", 1);
    for (size_t i = 0; i < s->n; i++) {
        char ch = s->p[i];
        const char *found = ch ? strchr(plain, ch) : NULL;
        if (found) bt_text_print(text, "\\%c", escaped[found - plain]);
        else if ((uint8_t)ch < ' ' || ch == 0x7f) bt_text_print(text, "\\%03o", (unsigned)(uint8_t)ch);
        else bt_text_add(text, &ch, 1);
    }
    bt_text_add(text, "\"", 1);
}

/* As few of two sizes of digits as say the number. */
static void print_real(bt_text *text, berth_dtype dtype, double value)
{
    bool is_double = dtype == BERTH_DOUBLE;
    char few[40];
    locale_t locale = c_locale(), before = uselocale(locale);
    snprintf(few, sizeof few, "%.*g", is_double ? 15 : 6, value);
    double again = is_double ? strtod(few, NULL) : strtof(few, NULL);
    if (again != value && value == value) snprintf(few, sizeof few, "%.*g", is_double ? 17 : 9, value);
    uselocale(before);
    freelocale(locale);
    bt_text_print(text, "%s", value != value ? "nan" : few);
}

static void print_element(bt_text *text, const bt_tensor *t, int64_t i)
{
    if (t->dtype == BERTH_STRING) print_escaped(text, (const bt_string *)t->data + i);
    else if (bt_dtype_is_float(t->dtype)) print_real(text, t->dtype, bt_tensor_number(t, i));
    else if (t->dtype == BERTH_UINT64)
        bt_text_print(text, "%llu", (unsigned long long)((const uint64_t *)t->data)[i]);
    else if (bt_dtype_is_int(t->dtype) || t->dtype == BERTH_BOOL)
        bt_text_print(text, "%lld", (long long)bt_tensor_int(t, i));
    else bt_text_add(text, "?", 1);
}

static void print_gap(bt_text *text, int dim, int rank)
{
    if (dim == rank - 1) {
        bt_text_add(text, " ", 1);
        return;
    }
    for (int i = dim; i < rank - 1; i++) bt_text_add(text, "\n", 1);
    for (int i = 0; i <= dim; i++) bt_text_add(text, " ", 1);
}

static void print_dim(bt_text *text, const bt_tensor *t, int dim, int64_t at, int64_t limit)
{
    int rank = t->shape.rank;
    if (dim == rank) {
        print_element(text, t, at);
        return;
    }
    int64_t n = t->shape.dim[dim], step = bt_shape_span(&t->shape, dim + 1, rank);
    bt_text_add(text, "[", 1);
    for (int64_t i = 0; i < n; i++) {
        if (i >= limit && i < n - limit) i = n - limit;
        if (i > 0 && i == n - limit && n > 2 * limit) print_gap(text, dim, rank), bt_text_add(text, "...", 3);
        if (i >= n) break;
        if (i > 0) print_gap(text, dim, rank);
        print_dim(text, t, dim + 1, at + i * step, limit);
    }
    bt_text_add(text, "]", 1);
}

/* Numbers that TensorFlow has no text for: a mark each, in one row whatever the shape. */
static void print_marks(bt_text *text, const bt_tensor *t, int64_t limit)
{
    if (t->shape.rank) bt_text_add(text, "[", 1);
    for (int64_t i = 0; i < limit; i++) bt_text_add(text, "? ", i < limit - 1 ? 2 : 1);
    if (limit < bt_tensor_count(t)) bt_text_add(text, "...", 3);
    if (t->shape.rank) bt_text_add(text, "]", 1);
}

void bt_text_tensor(bt_text *text, const bt_tensor *t, int64_t limit)
{
    int64_t n = bt_tensor_count(t);
    if (limit < 0 || limit > n) limit = n;
    if (bt_dtype_is_complex(t->dtype)) print_marks(text, t, limit);
    else if (n || t->dtype != BERTH_BOOL) print_dim(text, t, 0, 0, limit); /* bools that are none: no text */
}
