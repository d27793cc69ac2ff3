/* CheckNumerics: hands a tensor through, and fails where it has a NaN or an infinity; V2 names the sign of an infinity. */
#include "ops/gpu.h"
#include "ops/move.h"

#include <math.h>

enum { NAN_BIT = 1, PLUS_BIT = 2, MINUS_BIT = 4, SETS = 8 };

/* What the error says of a set of bits; `message` is the node's attribute. */
static void describe(const bt_node *node, unsigned bits, const char **signs, const char **between,
                     const char **rest)
{
    bool plus = bits & PLUS_BIT, minus = bits & MINUS_BIT, named = bt_ends(node->op, "V2");
    *signs = !plus && !minus ? "" : !named ? "Inf" : !plus ? "-Inf" : minus ? "-Inf and +Inf" : "+Inf";
    *between = bits & NAN_BIT && (plus || minus) ? " and " : "";
    *rest = bits & NAN_BIT ? "NaN" : "";
}

static berth_status run_check(bt_call *c)
{
    if (c->n_in < 1) return bt_call_fail(c, "needs an input");
    const bt_tensor *in = c->in[0];
    const char *signs, *between, *rest;
    unsigned bits = 0;
    if (!bt_dtype_is_float(in->dtype))
        return bt_call_unsupported(c, "no kernel for %s", bt_dtype_name(in->dtype));
    for (int64_t i = 0, n = bt_tensor_count(in); i < n; i++) {
        double x = bt_tensor_number(in, i);
        bits |= isnan(x) ? NAN_BIT : isinf(x) ? x > 0 ? PLUS_BIT : MINUS_BIT : 0;
    }
    describe(c->node, bits, &signs, &between, &rest);
    if (bits)
        return bt_call_fail(c, "%s : Tensor had %s%s%s values", bt_attr_string(c->node, "message", ""), signs,
                            between, rest);
    void *y = bt_out(c, 0, in->dtype, &in->shape);
    if (!y) return c->error->status;
    if (y != in->data) memcpy(y, in->data, bt_tensor_bytes(in));
    return BERTH_OK;
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(check_numerics);

/* As in check_numerics.cl. */
typedef struct texts {
    int64_t of[SETS];
} texts;

/* The texts of all sets, as formats: a % of the message is doubled. */
static berth_status prepare_check(bt_prepare *p)
{
    const char *message = bt_attr_string(p->node, "message", ""), *signs, *between, *rest;
    size_t n = strlen(message), at = 0;
    texts *text = bt_arena_new(p->arena, texts);
    char *doubled = bt_arena_alloc(p->arena, 2 * n + 1);
    if (!text || !doubled) return bt_fail_memory(p->error);
    for (size_t i = 0; i < n; i++) {
        doubled[at++] = message[i];
        if (message[i] == '%') doubled[at++] = '%';
    }
    doubled[at] = 0;
    for (unsigned bits = 1; bits < SETS; bits++) {
        describe(p->node, bits, &signs, &between, &rest);
        const char *one =
            bt_arena_print(p->arena, "%s : Tensor had %s%s%s values", doubled, signs, between, rest);
        if (!one) return bt_fail_memory(p->error);
        text->of[bits] = (int64_t)(uintptr_t)one;
    }
    p->state = text;
    return BERTH_OK;
}

static berth_status run_check_on_gpu(bt_call *c)
{
    char defines[BT_DEFINES];
    const bt_tensor *in = c->in[0];
    int64_t n = bt_tensor_count(in);
    void *found = bt_scratch(c, 3 * sizeof(uint32_t)),
         *y = found ? bt_out(c, 0, in->dtype, &in->shape) : NULL;
    if (!y) return c->error->status;
    if (n == 0) return BERTH_OK;
    berth_status status = bt_call_zero(c, BERTH_UINT32, found, 3);
    bt_grid grid = bt_grid_of(c, n), one = {{1, 1, 1}, {1, 1, 1}};
    bt_arg look[] = {bt_pointer(in->data), bt_pointer(y), bt_pointer(found), bt_long(n)},
           report[5] = {bt_pointer(found), bt_bytes(c->state, sizeof(texts))};
    bt_gpu_defines(defines, in->dtype, 0, "");
    if (!status) status = bt_gpu_launch(c, BT_CL(check_numerics), defines, "copy_and_look", &grid, look, 4);
    if (!status) status = bt_gpu_fault(c, "", report + 2);
    return status ? status : bt_gpu_launch(c, BT_CL(check_numerics), defines, "report", &one, report, 5);
}

#define ROW(op)                                                                                          \
    {                                                                                                    \
        op, bt_infer_same, .cpu = run_check, .flags = BT_OP_INPLACE, BT_FLOATS, .gpu = run_check_on_gpu, \
                           .gpu_prepare = prepare_check, .gpu_types = BT_FLOATS                          \
    }

const bt_op bt_ops_check_numerics[] = {ROW("CheckNumerics"), ROW("CheckNumericsV2"), {0}};
