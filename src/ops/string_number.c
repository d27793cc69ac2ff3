/* Numbers as strings and strings as numbers; templates filled with tensors. The conversions themselves: text.c. */
#include "ops/move.h"
#include "ops/text.h"

#include <complex.h>
#include <stdio.h>

/* ---- AsString ----------------------------------------------------------------------------------------- */

typedef struct as_string {
    char flag[2];         /* of printf, or "" */
    int width, precision; /* -1: not given */
    char kind;            /* of printf, for reals */
} as_string;

static berth_status infer_as_string(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    x->out[0].dtype = BERTH_STRING;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

static berth_status prepare_as_string(bt_prepare *p)
{
    const bt_node *node = p->node;
    berth_dtype dtype = p->in[0].dtype;
    as_string *how = bt_arena_new(p->arena, as_string);
    if (!how) return bt_fail_memory(p->error);
    p->state = how;
    bool scientific = bt_attr_bool(node, "scientific", false),
         shortest = bt_attr_bool(node, "shortest", false);
    int64_t width = bt_attr_int(node, "width", -1), precision = bt_attr_int(node, "precision", -1);
    const char *fill = bt_attr_string(node, "fill", "");
    bool is_real = bt_dtype_is_float(dtype) || bt_dtype_is_complex(dtype) || dtype == BERTH_STRING;
    if (scientific && shortest)
        return bt_fail(p->error, BERTH_BAD_MODEL, "cannot be both scientific and shortest");
    if (strlen(fill) > 1 || (*fill && !strchr(" +-0#", *fill)))
        return bt_fail(p->error, BERTH_BAD_MODEL, "cannot fill with '%s'", fill);
    if (!is_real && (scientific || shortest || precision >= 0))
        return bt_fail(p->error, BERTH_BAD_MODEL, "precision, scientific and shortest are not for %s",
                       bt_dtype_name(dtype));
    if (width > 1 << 20 || precision > 1 << 20)
        return bt_fail(p->error, BERTH_UNSUPPORTED, "a width of %lld, a precision of %lld", (long long)width,
                       (long long)precision);
    how->flag[0] = *fill;
    how->width = width < 0 ? -1 : (int)width;
    how->precision = precision < 0 ? -1 : (int)precision;
    how->kind = scientific ? 'e' : shortest ? 'g' : 'f';
    return BERTH_OK;
}

static void print_real(bt_text *text, const as_string *how, double value)
{
    char format[16];
    snprintf(format, sizeof format, "%%%s*.*%c", how->flag, how->kind);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    bt_text_print_c(text, format, how->width < 0 ? 0 : how->width, how->precision, value);
}

static void print_int(bt_text *text, const as_string *how, const bt_tensor *t, int64_t i)
{
    char format[16];
    bool is_unsigned = BT_T(t->dtype) & BT_UNSIGNED;
    snprintf(format, sizeof format, "%%%s*%s", how->flag, is_unsigned ? "llu" : "lld");
    bt_text_print_c(text, format, how->width < 0 ? 0 : how->width, (long long)bt_tensor_int(t, i));
#pragma GCC diagnostic pop
}

static void print_padded(bt_text *text, const as_string *how, const bt_string *s)
{
    size_t gap = how->width > 0 && (size_t)how->width > s->n ? (size_t)how->width - s->n : 0;
    bool left = how->flag[0] == '-';
    if (left) bt_text_add(text, s->p, s->n);
    for (size_t i = 0; i < gap; i++) bt_text_add(text, " ", 1);
    if (!left) bt_text_add(text, s->p, s->n);
}

static void print_complex(bt_text *text, const as_string *how, double complex value)
{
    bt_text_add(text, "(", 1);
    print_real(text, how, creal(value));
    bt_text_add(text, ",", 1);
    print_real(text, how, cimag(value));
    bt_text_add(text, ")", 1);
}

static void print_as_string(bt_text *text, const as_string *how, const bt_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case BERTH_STRING: print_padded(text, how, (const bt_string *)t->data + i); break;
    case BERTH_BOOL: bt_text_print(text, "%s", ((const bool *)t->data)[i] ? "true" : "false"); break;
    case BERTH_COMPLEX64: print_complex(text, how, ((const float complex *)t->data)[i]); break;
    case BERTH_COMPLEX128: print_complex(text, how, ((const double complex *)t->data)[i]); break;
    default:
        if (bt_dtype_is_float(t->dtype)) print_real(text, how, bt_tensor_number(t, i));
        else print_int(text, how, t, i);
    }
}

static berth_status run_as_string(bt_call *c)
{
    const bt_tensor *t = c->in[0];
    bt_string *out = bt_out(c, 0, BERTH_STRING, &t->shape);
    if (!out) return BERTH_NO_MEMORY;
    bt_text text = {0};
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < bt_tensor_count(t) && !status; i++) {
        print_as_string(&text, c->state, t, i);
        if (!bt_string_from_text(&out[i], &text)) status = bt_fail_memory(c->error);
    }
    bt_text_free(&text);
    return status;
}

/* ---- StringToNumber ----------------------------------------------------------------------------------- */

static berth_status infer_to_number(bt_infer *x)
{
    berth_status status = infer_as_string(x);
    x->out[0].dtype = bt_attr_type(x->node, "out_type", BERTH_FLOAT);
    return status;
}

static berth_status run_to_number(bt_call *c)
{
    berth_dtype dtype = bt_attr_type(c->node, "out_type", BERTH_FLOAT);
    berth_status status = bt_strings_input(c, 0);
    char *out = status ? NULL : bt_out(c, 0, dtype, &c->in[0]->shape);
    if (!out) return c->error->status;
    const bt_string *in = c->in[0]->data;
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]); i++)
        if (!bt_text_number(dtype, bt_str_from(&in[i]), out + (size_t)i * bt_dtype_size(dtype)))
            return bt_call_fail(c, "StringToNumberOp could not correctly convert string: %.*s",
                                (int)(in[i].n < 100 ? in[i].n : 100), in[i].p ? in[i].p : "");
    return BERTH_OK;
}

/* ---- StringFormat ------------------------------------------------------------------------------------- */

static berth_status infer_format(bt_infer *x)
{
    x->out[0].dtype = BERTH_STRING;
    x->out[0].shape = BT_SCALAR;
    return BERTH_OK;
}

static berth_status run_format(bt_call *c)
{
    const char *at = bt_attr_string(c->node, "template", "%s"),
               *mark = bt_attr_string(c->node, "placeholder", "%s");
    int64_t limit = bt_attr_int(c->node, "summarize", 3);
    size_t n = strlen(mark);
    int used = 0;
    if (n == 0) return bt_call_fail(c, "the placeholder is empty");
    bt_text text = {0};
    for (const char *next; (next = strstr(at, mark)); at = next + n, used++) {
        bt_text_add(&text, at, (size_t)(next - at));
        if (used < c->n_in) bt_text_tensor(&text, c->in[used], limit);
    }
    bt_text_add(&text, at, strlen(at));
    berth_status status = BERTH_OK;
    bt_string *out = NULL;
    if (used != c->n_in)
        status = bt_call_fail(c, "num placeholders in template and num inputs must match: %d vs. %d", used,
                              c->n_in);
    else if (!(out = bt_out(c, 0, BERTH_STRING, &BT_SCALAR)) || !bt_string_from_text(out, &text))
        status = bt_fail_memory(c->error);
    bt_text_free(&text);
    return status;
}

#define STRINGS_TOO (BT_NUMBERS | BT_T(BERTH_BOOL) | BT_T(BERTH_STRING))

const bt_op bt_ops_string_number[] = {
    {"AsString", infer_as_string, prepare_as_string, run_as_string, .types = STRINGS_TOO},
    {"StringToNumber", infer_to_number, .cpu = run_to_number, .type_attr = "out_type",
     .types = BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE) | BT_T(BERTH_INT32) | BT_T(BERTH_INT64) |
              BT_T(BERTH_UINT32) | BT_T(BERTH_UINT64)},
    {"StringFormat", infer_format, .cpu = run_format},
    {NULL},
};
