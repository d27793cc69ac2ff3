/* Regular expressions on strings. A fixed pattern is compiled once a session, as a named object; the matching itself
 * is RE2's (regex_re2.cc), without which these ops are an error that says so. */
#include "ops/object.h"
#include "ops/regex_re2.h"
#include "ops/resource.h"
#include "ops/move.h"
#include "ops/text.h"

static berth_status infer_match(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    x->out[0].dtype = BERTH_BOOL;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

static berth_status infer_replace(bt_infer *x)
{
    berth_status status = infer_match(x);
    x->out[0].dtype = BERTH_STRING;
    return status;
}

#ifdef BERTH_RE2

typedef struct pattern {
    bt_object base;
    bt_regex *regex;
} pattern;

static void destroy_pattern(void *object)
{
    pattern *p = object;
    bt_regex_free(p->regex);
    bt_free(p);
}

static const bt_object_type pattern_type = {"regular expression", destroy_pattern};

static bt_object *create_pattern(void *user, berth_error *error)
{
    const bt_str *text = user;
    char message[200] = "";
    pattern *p = bt_calloc(1, sizeof *p);
    if (!p) return bt_fail_memory(error), NULL;
    p->base = (bt_object){&pattern_type, 1};
    p->regex = bt_regex_new(text->n ? text->p : "", text->n, message, sizeof message);
    if (p->regex) return &p->base;
    bt_fail(error, BERTH_BAD_INPUT, "Invalid pattern: %.*s, error: %s", (int)(text->n < 200 ? text->n : 200),
            text->n ? text->p : "", message);
    bt_free(p);
    return NULL;
}

/* The pattern of the node, or of input 1; a reference, NULL with the error set. */
static pattern *pattern_of(bt_call *c, bool is_static)
{
    if (is_static) {
        const char *fixed = bt_attr_string(c->node, "pattern", "");
        bt_str text = bt_str_of(fixed);
        bt_resources *resources = bt_run_resources(c);
        return (pattern *)(resources ? bt_resources_get(resources, "", fixed, &pattern_type, create_pattern,
                                                        &text, c->error)
                                     : create_pattern(&text, c->error));
    }
    if (bt_strings_input(c, 1)) return NULL;
    if (bt_tensor_count(c->in[1]) != 1) return bt_call_fail(c, "the pattern must be one string"), NULL;
    bt_str text = bt_str_from(c->in[1]->data);
    return (pattern *)create_pattern(&text, c->error);
}

static berth_status match(bt_call *c, bool is_static)
{
    berth_status status = bt_strings_input(c, 0);
    pattern *p = status ? NULL : pattern_of(c, is_static);
    bool *out = p ? bt_out(c, 0, BERTH_BOOL, &c->in[0]->shape) : NULL;
    for (int64_t i = 0; out && i < bt_tensor_count(c->in[0]) && !status; i++) {
        const bt_string *s = (const bt_string *)c->in[0]->data + i;
        int matches = bt_regex_full(p->regex, s->n ? s->p : "", s->n);
        if (matches < 0) status = bt_fail_memory(c->error);
        out[i] = matches > 0;
    }
    if (p) bt_object_free(&p->base);
    return out ? status : c->error->status;
}

static void emit(void *user, const char *bytes, size_t n) { bt_text_add(user, bytes, n); }

static berth_status replace_all(bt_call *c, const pattern *p, bt_str rewrite, bt_string *out)
{
    bt_text text = {0};
    berth_status status = BERTH_OK;
    bool all = bt_attr_bool(c->node, "replace_global", true);
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]) && !status; i++) {
        const bt_string *s = (const bt_string *)c->in[0]->data + i;
        if (!bt_regex_replace(p->regex, s->n ? s->p : "", s->n, rewrite.n ? rewrite.p : "", rewrite.n, all,
                              emit, &text) ||
            !bt_string_from_text(&out[i], &text))
            status = bt_fail_memory(c->error);
    }
    bt_text_free(&text);
    return status;
}

static berth_status replace(bt_call *c, bool is_static)
{
    berth_status status = bt_strings_input(c, 0);
    bt_str rewrite = bt_str_of(bt_attr_string(c->node, "rewrite", ""));
    if (!status && !is_static) {
        status = bt_strings_input(c, 2);
        if (!status && bt_tensor_count(c->in[2]) != 1)
            status = bt_call_fail(c, "the rewrite must be one string");
        if (!status) rewrite = bt_str_from(c->in[2]->data);
    }
    pattern *p = status ? NULL : pattern_of(c, is_static);
    bt_string *out = p ? bt_out(c, 0, BERTH_STRING, &c->in[0]->shape) : NULL;
    status = out ? replace_all(c, p, rewrite, out) : c->error->status;
    if (p) bt_object_free(&p->base);
    return status;
}

#else

static berth_status match(bt_call *c, bool is_static)
{
    return (void)is_static,
           bt_call_unsupported(c, "this build has no RE2, the library of regular expressions");
}

static berth_status replace(bt_call *c, bool is_static) { return match(c, is_static); }

#endif

static berth_status run_match(bt_call *c) { return match(c, false); }
static berth_status run_static_match(bt_call *c) { return match(c, true); }
static berth_status run_replace(bt_call *c) { return replace(c, false); }
static berth_status run_static_replace(bt_call *c) { return replace(c, true); }

const bt_op bt_ops_regex[] = {
    {"RegexFullMatch", infer_match, .cpu = run_match},
    {"StaticRegexFullMatch", infer_match, .cpu = run_static_match},
    {"RegexReplace", infer_replace, .cpu = run_replace},
    {"StaticRegexReplace", infer_replace, .cpu = run_static_replace},
    {NULL},
};
