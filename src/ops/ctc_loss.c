/* CTCLoss: minus the log of the probability that frames spell a sequence of labels, whatever their alignment, and its
 * gradient by the logits (Graves et al., 2006). The labels stand with blanks around each: l' = - a - b -. All in double.
 *
 *     alpha[t][u]: log probability of all ways that end at l'[u] after frame t
 *     beta[t][u]: of all ways on from there, without frame t */
#include "ops/ctc.h"

#include <math.h>

/* inputs [time, batch, classes], labels_indices [n, 2], labels_values [n], sequence_length [batch]. */
static berth_status infer_loss(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 4);
    if (!status) status = bt_ctc_check(x, 3);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *index = &x->in[1].shape, *values = &x->in[2].shape;
    if ((index->rank >= 0 && (index->rank != 2 || (index->dim[1] >= 0 && index->dim[1] != 2))) ||
        (values->rank >= 0 && values->rank != 1) ||
        (index->rank == 2 && values->rank == 1 && index->dim[0] >= 0 && values->dim[0] >= 0 &&
         index->dim[0] != values->dim[0]))
        return bt_infer_fail(x, "labels must be indices [n, 2] and n values");
    x->out[0] = (bt_fact){bt_infer_type(x, 0), BT_SHAPE(in->rank < 0 ? -1 : in->dim[1]), NULL};
    x->out[1] = (bt_fact){bt_infer_type(x, 0), *in, NULL};
    return BERTH_OK;
}

static double add_logs(double a, double b)
{
    if (a == -INFINITY) return b;
    if (b == -INFINITY) return a;
    return fmax(a, b) + log1p(exp(-fabs(a - b)));
}

typedef struct spelling {
    const int32_t *label; /* l' */
    int64_t n, time, classes;
    bool merge;
    double *frames;       /* [time][classes], logs of probabilities */
    double *alpha, *beta; /* [time][n] */
    double *sum;          /* [classes] */
} spelling;

/* Whether a way may come from two labels before: over a blank, but not to the same label, which would be one. */
static bool may_skip(const spelling *s, int64_t u)
{
    return u > 1 && s->label[u] != s->classes - 1 && !(s->merge && s->label[u] == s->label[u - 2]);
}
static bool may_stay(const spelling *s, int64_t u) { return s->merge || s->label[u] == s->classes - 1; }

static void forward(const spelling *s)
{
    for (int64_t t = 0; t < s->time; t++)
        for (int64_t u = 0; u < s->n; u++) {
            const double *before = s->alpha + (t - 1) * s->n;
            double sum = t || u > 1 ? -INFINITY : 0;
            if (t && may_stay(s, u)) sum = before[u];
            if (t && u > 0) sum = add_logs(sum, before[u - 1]);
            if (t && may_skip(s, u)) sum = add_logs(sum, before[u - 2]);
            s->alpha[t * s->n + u] = sum + s->frames[t * s->classes + s->label[u]];
        }
}

static void backward(const spelling *s)
{
    for (int64_t t = s->time - 1; t >= 0; t--)
        for (int64_t u = s->n - 1; u >= 0; u--) {
            const double *after = s->beta + (t + 1) * s->n, *frame = s->frames + (t + 1) * s->classes;
            bool last = t == s->time - 1;
            double sum = last && u >= s->n - 2 ? 0 : -INFINITY;
            if (!last && may_stay(s, u)) sum = after[u] + frame[s->label[u]];
            if (!last && u + 1 < s->n) sum = add_logs(sum, after[u + 1] + frame[s->label[u + 1]]);
            if (!last && u + 2 < s->n && may_skip(s, u + 2))
                sum = add_logs(sum, after[u + 2] + frame[s->label[u + 2]]);
            s->beta[t * s->n + u] = sum;
        }
}

/* Gradients of b into out; gives the loss. */
static double spell(const spelling *s, const bt_frames *f, int64_t b, void *out)
{
    double total = -INFINITY;
    forward(s);
    backward(s);
    for (int64_t u = 0; u < s->n; u++) total = add_logs(total, s->alpha[u] + s->beta[u]);
    for (int64_t t = 0; t < s->time; t++) {
        for (int64_t k = 0; k < s->classes; k++) s->sum[k] = -INFINITY;
        for (int64_t u = 0; u < s->n; u++)
            s->sum[s->label[u]] =
                add_logs(s->sum[s->label[u]], s->alpha[t * s->n + u] + s->beta[t * s->n + u]);
        for (int64_t k = 0; k < s->classes; k++) {
            double part = total == -INFINITY ? 0 : exp(s->sum[k] - total);
            bt_put_number(f->dtype, bt_at(f->dtype, out, (t * f->batch + b) * f->classes + k),
                          exp(s->frames[t * s->classes + k]) - part);
        }
    }
    return -total;
}

/* l' of b, and how many frames its labels need; -1 with the error set. */
static int64_t read_labels(bt_call *c, const bt_frames *f, int64_t b, bool collapse, int32_t *label,
                           int64_t *n)
{
    const int64_t *index = c->in[1]->data;
    const int32_t *values = c->in[2]->data;
    int32_t blank = (int32_t)f->classes - 1, before = -1;
    int64_t needed = 0;
    bool is_over = false, is_any = false;
    *n = 0;
    label[(*n)++] = blank;
    for (int64_t i = 0, count = bt_tensor_count(c->in[2]); i < count; i++) {
        if (index[2 * i] != b) continue;
        is_any = true;
        if (values[i] < 0) return bt_call_fail(c, "label %d of %d classes", values[i], blank), -1;
        bool is_end = values[i] >= blank; /* no label: nothing may follow */
        if (!is_end && is_over)
            return bt_call_fail(c, "label %d of %d classes follows one that is none", values[i], blank), -1;
        is_over |= is_end;
        if (!is_end && !(collapse && values[i] == before)) {
            needed++;
            label[(*n)++] = values[i], label[(*n)++] = blank;
        }
        before = values[i];
    }
    if (!is_any) return bt_call_fail(c, "%lld of the batch has no labels", (long long)b), -1;
    return needed;
}

static berth_status run_loss(bt_call *c)
{
    bt_fact facts[2];
    bt_frames f;
    berth_status status = bt_call_facts(c, facts);
    if (!status) status = bt_ctc_begin(c, 3, &f);
    if (status) return status;
    bool collapse = bt_attr_bool(c->node, "preprocess_collapse_repeated", false);
    bool merge = bt_attr_bool(c->node, "ctc_merge_repeated", true);
    bool ignore = bt_attr_bool(c->node, "ignore_longer_outputs_than_inputs", false);
    if (c->in[1]->dtype != BERTH_INT64 || c->in[2]->dtype != BERTH_INT32)
        return bt_call_fail(c, "labels of wrong types");
    int64_t count = bt_tensor_count(c->in[2]), most = 2 * count + 1, n;
    size_t frames = (size_t)(f.time * f.classes), ways;
    void *loss = bt_out(c, 0, f.dtype, &facts[0].shape),
         *gradient = loss ? bt_out(c, 1, f.dtype, &facts[1].shape) : NULL;
    int32_t *label = gradient ? bt_scratch(c, (size_t)most * sizeof *label) : NULL;
    if (!label) return BERTH_NO_MEMORY;
    memset(gradient, 0, bt_tensor_bytes(c->out[1]));
    if (!bt_mul((size_t)f.time * sizeof(double), (size_t)most, &ways)) return bt_fail_memory(c->error);
    spelling s = {.label = label,
                  .classes = f.classes,
                  .merge = merge,
                  .frames = bt_scratch(c, frames * sizeof(double))};
    s.alpha = s.frames ? bt_scratch(c, ways) : NULL;
    s.beta = s.alpha ? bt_scratch(c, ways) : NULL;
    s.sum = s.beta ? bt_scratch(c, (size_t)f.classes * sizeof(double)) : NULL;
    if (!s.sum) return BERTH_NO_MEMORY;
    for (int64_t b = 0; b < f.batch; b++) {
        int64_t needed = read_labels(c, &f, b, collapse, label, &n);
        if (needed < 0) return c->error ? c->error->status : BERTH_BAD_INPUT;
        bool too_long = needed > f.lengths[b];
        if (too_long && !ignore)
            return bt_call_fail(c, "not enough time for the labels of %lld: %lld steps, needed are %lld",
                                (long long)b, (long long)f.lengths[b], (long long)needed);
        double value = 0;
        s.n = n, s.time = f.lengths[b];
        for (int64_t t = 0; t < s.time; t++) {
            bt_ctc_frame(&f, t, b, s.frames + t * f.classes);
            bt_ctc_normalise(s.frames + t * f.classes, f.classes);
        }
        if (s.time > 0 && !too_long) value = spell(&s, &f, b, gradient);
        bt_put_number(f.dtype, bt_at(f.dtype, loss, b), value);
    }
    return BERTH_OK;
}

const bt_op bt_ops_ctc_loss[] = {
    {.name = "CTCLoss", .infer = infer_loss, .cpu = run_loss, .outputs = "loss,gradient"},
    {0},
};
