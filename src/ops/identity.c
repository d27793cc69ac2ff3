/* Ops that pass their input on, and ops that compute nothing: constants, placeholders, arguments, barriers, and
 * those that only speak or check (Print, Assert). Not here: Identity's cousins on references (variable.c). */
#include "ops/move.h"

#include <stdio.h>

/* ---- Passing on --------------------------------------------------------------------------------------- */

static berth_status pass_on(bt_call *c) { return bt_out_alias(c, 0, 0, c->in[0]->dtype, &c->in[0]->shape); }

static berth_status infer_identity_n(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, x->n_out);
    for (int i = 0; !status && i < x->n_out; i++)
        x->out[i].dtype = x->in[i].dtype, x->out[i].shape = x->in[i].shape;
    return status;
}

static berth_status run_identity_n(bt_call *c)
{
    berth_status status = BERTH_OK;
    for (int i = 0; !status && i < c->n_out; i++)
        status = bt_out_alias(c, i, i, c->in[i]->dtype, &c->in[i]->shape);
    return status;
}

/* ---- Constants, placeholders, arguments --------------------------------------------------------------- */

static berth_status infer_const(bt_infer *x)
{
    const bt_tensor *value = bt_attr_tensor(x->node, "value");
    if (!value) return bt_infer_fail(x, "has no attribute 'value'");
    berth_dtype dtype = bt_attr_type(x->node, "dtype", value->dtype);
    if (dtype != value->dtype)
        return bt_infer_fail(x, "a constant of %s whose value is of %s", bt_dtype_name(dtype),
                             bt_dtype_name(value->dtype));
    x->out[0] = (bt_fact){value->dtype, value->shape, value};
    return BERTH_OK;
}

/* In the place of an op that this build lacks, where a plan is only looked at. */
static berth_status infer_missing(bt_infer *x)
{
    (void)x;
    return BERTH_OK;
}

/* _Arg says its type in T, Placeholder and _Feed in dtype. */
static berth_status infer_given(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "dtype", bt_attr_type(x->node, "T", BERTH_NO_DTYPE));
    x->out[0].shape = bt_input_shape(x->node, x->producer);
    return BERTH_OK;
}

static berth_status infer_default(bt_infer *x)
{
    berth_status status = bt_infer_same(x);
    bt_shape declared;
    char own[BT_SHAPE_TEXT], given[BT_SHAPE_TEXT];
    if (status || !bt_attr_shape(x->node, "shape", &declared)) return status;
    if (!bt_shape_merge(&x->out[0].shape, &declared))
        return bt_infer_fail(x, "the default has shape %s, and %s is declared",
                             bt_shape_text(&x->in[0].shape, given), bt_shape_text(&declared, own));
    return BERTH_OK;
}

static berth_status infer_nothing(bt_infer *x) { return (void)x, BERTH_OK; }
static berth_status run_nothing(bt_call *c) { return (void)c, BERTH_OK; }

/* ---- Speaking and checking ---------------------------------------------------------------------------- */

/* Appends the first elements of a tensor to a text of fixed size: " [1 2 3...]". */
static void describe(char *text, size_t room, const bt_tensor *t, int64_t summarize)
{
    size_t n = strlen(text);
    int64_t count = bt_tensor_count(t), shown = summarize < 0 || summarize > count ? count : summarize;
    n += (size_t)snprintf(text + n, room - n, "%s[", n ? " " : "");
    for (int64_t i = 0; i < shown && n + 1 < room; i++) {
        const char *space = i ? " " : "";
        if (t->dtype == BERTH_STRING) {
            const bt_string *s = (const bt_string *)t->data + i;
            n += (size_t)snprintf(text + n, room - n, "%s%.*s", space, s->n > 256 ? 256 : (int)s->n,
                                  s->p ? s->p : "");
        } else if (bt_dtype_is_float(t->dtype)) {
            n += (size_t)snprintf(text + n, room - n, "%s%g", space, bt_tensor_number(t, i));
        } else if (bt_dtype_is_int(t->dtype) || t->dtype == BERTH_BOOL) {
            n += (size_t)snprintf(text + n, room - n, "%s%lld", space, (long long)bt_tensor_int(t, i));
        } else {
            n += (size_t)snprintf(text + n, room - n, "%s%s", space, bt_dtype_name(t->dtype));
        }
    }
    if (n + 1 < room) snprintf(text + n, room - n, "%s]", shown < count ? "..." : "");
    for (char *p = text; *p; p++)
        if (*p == '\n') *p = ' ';
}

static berth_status run_assert(bt_call *c)
{
    char text[400] = "";
    if (c->in[0]->dtype != BERTH_BOOL || c->in[0]->shape.rank != 0)
        return bt_call_fail(c, "the condition must be a bool scalar");
    if (*(const bool *)c->in[0]->data) return BERTH_OK;
    for (int i = 1; i < c->n_in && strlen(text) + 8 < sizeof text; i++)
        describe(text, sizeof text, c->in[i], bt_attr_int(c->node, "summarize", 3));
    return bt_call_fail(c, "assertion failed: %s", text);
}

static berth_status infer_assert(bt_infer *x) { return bt_infer_arity(x, 1); }

static berth_status run_print(bt_call *c)
{
    char text[800];
    snprintf(text, sizeof text, "%.256s", bt_attr_string(c->node, "message", ""));
    for (int i = 1; i < c->n_in && strlen(text) + 8 < sizeof text; i++)
        describe(text, sizeof text, c->in[i], bt_attr_int(c->node, "summarize", 3));
    bt_log(BERTH_LOG_INFO, "%s: %s", c->node->name, text);
    return pass_on(c);
}

static berth_status run_print_v2(bt_call *c)
{
    if (c->in[0]->dtype != BERTH_STRING || c->in[0]->shape.rank != 0)
        return bt_call_fail(c, "prints a string scalar only");
    const bt_string *s = c->in[0]->data;
    bt_log(BERTH_LOG_INFO, "%s: %.*s", c->node->name, s->n > 4096 ? 4096 : (int)s->n, s->p ? s->p : "");
    return BERTH_OK;
}

#define PASS_ON(op)                                                                           \
    {                                                                                         \
        .name = op, .infer = bt_infer_same, .cpu = pass_on, .gpu = pass_on, .gpu_types = ~0u, \
        .flags = BT_OP_ALIAS                                                                  \
    }

#define PASS_ALL_ON(op)                                                                      \
    {                                                                                        \
        .name = op, .infer = infer_identity_n, .cpu = run_identity_n, .gpu = run_identity_n, \
        .gpu_types = ~0u, .outputs = "output*T"                                              \
    }

const bt_op bt_ops_identity[] = {
    PASS_ON("Identity"),
    PASS_ON("StopGradient"),
    PASS_ON("PreventGradient"),
    PASS_ON("Snapshot"),
    PASS_ON("DeepCopy"),
    PASS_ON("DebugGradientIdentity"),
    PASS_ON("GuaranteeConst"),
    PASS_ON("XlaSharding"),
    PASS_ALL_ON("IdentityN"),
    PASS_ALL_ON("XlaOptimizationBarrier"),
    {.name = "PlaceholderWithDefault",
     .infer = infer_default,
     .cpu = pass_on,
     .gpu = pass_on,
     .gpu_types = ~0u,
     .flags = BT_OP_ALIAS},
    {.name = "Const", .infer = infer_const},
    {.name = "Placeholder", .infer = infer_given},
    {.name = "PlaceholderV2", .infer = infer_given},
    {.name = "_Arg", .infer = infer_given},
    {.name = "_Feed", .infer = infer_given},
    {.name = "_Missing", .infer = infer_missing, .flags = BT_OP_STATEFUL, .outputs = "output*n"},
    {.name = "NoOp", .infer = infer_nothing, .cpu = run_nothing, .outputs = ""},
    {.name = "ControlTrigger",
     .infer = infer_nothing,
     .cpu = run_nothing,
     .flags = BT_OP_DEAD,
     .outputs = ""},
    {.name = "Assert", .infer = infer_assert, .cpu = run_assert, .flags = BT_OP_STATEFUL, .outputs = ""},
    {.name = "Print", .infer = bt_infer_same, .cpu = run_print, .flags = BT_OP_ALIAS | BT_OP_STATEFUL},
    {.name = "PrintV2", .infer = infer_assert, .cpu = run_print_v2, .flags = BT_OP_STATEFUL, .outputs = ""},
    {0},
};
