/* IsotonicRegression: the falling sequence closest to each row, and which run of equal values each element is in. */
#include "ops/move.h"

typedef struct run {
    double sum;
    int64_t n;
} run;

static berth_status infer_isotonic(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    if (x->in[0].shape.rank == 0) return bt_infer_fail(x, "a scalar has no rows");
    x->out[0] = (bt_fact){bt_attr_type(x->node, "output_dtype", BERTH_FLOAT), x->in[0].shape, NULL};
    x->out[1] = (bt_fact){BERTH_INT32, x->in[0].shape, NULL};
    return BERTH_OK;
}

/* Each element begins as a run of its own; while a run's mean is above that of the one before, the two become one. */
static double mean_of(const run *r, berth_dtype dtype)
{
    return bt_rounded(dtype, r->sum / bt_rounded(dtype, (double)r->n));
}

static berth_status run_isotonic(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact facts[2];
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    if (!bt_dtype_is_float(facts[0].dtype) || (!bt_dtype_is_float(in->dtype) && !bt_dtype_is_int(in->dtype)))
        return bt_call_unsupported(c, "rows of %s", bt_dtype_name(in->dtype));
    berth_dtype dtype = facts[0].dtype; /* sums are of this type, too */
    int64_t n = in->shape.dim[in->shape.rank - 1], rows = bt_shape_span(&in->shape, 0, in->shape.rank - 1);
    run *runs = bt_scratch(c, ((size_t)n + 1) * sizeof *runs);
    void *out = runs ? bt_out(c, 0, facts[0].dtype, &in->shape) : NULL;
    int32_t *segment = out ? bt_out(c, 1, BERTH_INT32, &in->shape) : NULL;
    if (!segment) return BERTH_NO_MEMORY;
    for (int64_t r = 0, at = 0; r < rows && n > 0; r++) {
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++) {
            runs[count++] = (run){bt_rounded(dtype, bt_tensor_number(in, r * n + i)), 1};
            for (; count > 1; count--) {
                run *last = &runs[count - 1], *before = last - 1;
                if (!(mean_of(before, dtype) < mean_of(last, dtype))) break;
                before->sum = bt_rounded(dtype, before->sum + last->sum), before->n += last->n;
            }
        }
        for (int64_t k = 0; k < count; k++)
            for (int64_t i = 0; i < runs[k].n; i++, at++) {
                bt_put_number(dtype, bt_at(dtype, out, at), mean_of(&runs[k], dtype));
                segment[at] = (int32_t)k;
            }
    }
    return BERTH_OK;
}

const bt_op bt_ops_isotonic[] = {
    {.name = "IsotonicRegression",
     .infer = infer_isotonic,
     .cpu = run_isotonic,
     .outputs = "output,segments"},
    {0},
};
