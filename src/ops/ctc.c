/* Labels from the frames of connectionist temporal classification (Graves et al., 2006): the best label of each frame
 * (CTCGreedyDecoder), and a beam search over label sequences (CTCBeamSearchDecoder). The loss: ctc_loss.c.
 * inputs [time, batch, classes] are logits. Results are sparse tensors of labels. */
#include "ops/ctc.h"

#include <math.h>

berth_status bt_ctc_check(bt_infer *x, int lengths)
{
    const bt_shape *in = &x->in[0].shape, *n = &x->in[lengths].shape;
    if (in->rank >= 0 && in->rank != 3) return bt_infer_fail(x, "inputs have %d dimensions, not 3", in->rank);
    if (n->rank >= 0 && n->rank != 1) return bt_infer_fail(x, "sequence_length must be a vector");
    if (in->rank == 3 && n->rank == 1 && in->dim[1] >= 0 && n->dim[0] >= 0 && in->dim[1] != n->dim[0])
        return bt_infer_fail(x, "%lld lengths for a batch of %lld", (long long)n->dim[0],
                             (long long)in->dim[1]);
    for (int i = 0; i < in->rank; i++)
        if (in->dim[i] == 0) return bt_infer_fail(x, "inputs must not be empty");
    return BERTH_OK;
}

berth_status bt_ctc_begin(bt_call *c, int lengths, bt_frames *f)
{
    const bt_tensor *in = c->in[0], *n = c->in[lengths];
    f->time = in->shape.dim[0], f->batch = in->shape.dim[1], f->classes = in->shape.dim[2];
    f->dtype = in->dtype;
    f->logits = in->data;
    f->lengths = n->data;
    if ((in->dtype != BERTH_FLOAT && in->dtype != BERTH_DOUBLE) || n->dtype != BERTH_INT32)
        return bt_call_unsupported(c, "inputs of %s with lengths of %s", bt_dtype_name(in->dtype),
                                   bt_dtype_name(n->dtype));
    if (f->classes < 1 || f->classes > INT32_MAX)
        return bt_call_fail(c, "%lld classes", (long long)f->classes);
    for (int64_t b = 0; b < f->batch; b++)
        if (f->lengths[b] < 0 || f->lengths[b] > f->time)
            return bt_call_fail(c, "sequence_length(%lld) is %d of %lld steps", (long long)b, f->lengths[b],
                                (long long)f->time);
    return BERTH_OK;
}

void bt_ctc_frame(const bt_frames *f, int64_t t, int64_t b, double *out)
{
    int64_t at = (t * f->batch + b) * f->classes;
    for (int64_t k = 0; k < f->classes; k++)
        out[k] = f->dtype == BERTH_FLOAT ? (double)((const float *)f->logits)[at + k]
                                         : ((const double *)f->logits)[at + k];
}

double bt_ctc_normalise(double *x, int64_t n)
{
    double most = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; k++) most = fmax(most, x[k]);
    for (int64_t k = 0; k < n; k++) sum += exp(x[k] - most);
    for (int64_t k = 0; k < n; k++) x[k] -= most + log(sum);
    return most;
}

/* ---- Results ------------------------------------------------------------------------------------------ */

static berth_status infer_decoder(bt_infer *x)
{
    bool beam = strcmp(x->node->op, "CTCBeamSearchDecoder") == 0;
    int64_t paths = beam ? bt_attr_int(x->node, "top_paths", 1) : 1;
    berth_status status = bt_infer_arity(x, 2);
    if (!status) status = bt_ctc_check(x, 1);
    if (status) return status;
    if (paths < 1 || x->n_out != 3 * paths + 1) return bt_infer_fail(x, "top_paths does not fit");
    for (int64_t p = 0; p < paths; p++) {
        x->out[p] = (bt_fact){BERTH_INT64, BT_SHAPE(-1, 2), NULL};
        x->out[paths + p] = (bt_fact){BERTH_INT64, BT_SHAPE(-1), NULL};
        x->out[2 * paths + p] = (bt_fact){BERTH_INT64, BT_SHAPE(2), NULL};
    }
    x->out[3 * paths] = (bt_fact){
        bt_infer_type(x, 0), BT_SHAPE(x->in[0].shape.rank < 0 ? -1 : x->in[0].shape.dim[1], paths), NULL};
    return BERTH_OK;
}

/* Labels of one path of each of the batch: those of b lie at labels[b * room]. */
static berth_status put_labels(bt_call *c, int path, int paths, const int32_t *labels, const int64_t *counts,
                               int64_t batch, int64_t room)
{
    int64_t n = 0, most = 0;
    for (int64_t b = 0; b < batch; b++) n += counts[b], most = counts[b] > most ? counts[b] : most;
    bt_shape index_shape = BT_SHAPE(n, 2), value_shape = BT_SHAPE(n), two = BT_SHAPE(2);
    int64_t *index = bt_out(c, path, BERTH_INT64, &index_shape);
    int64_t *values = index ? bt_out(c, paths + path, BERTH_INT64, &value_shape) : NULL;
    int64_t *shape = values ? bt_out(c, 2 * paths + path, BERTH_INT64, &two) : NULL;
    if (!shape) return BERTH_NO_MEMORY;
    shape[0] = batch, shape[1] = most;
    for (int64_t b = 0; b < batch; b++)
        for (int64_t i = 0; i < counts[b]; i++) {
            *index++ = b, *index++ = i;
            *values++ = labels[b * room + i];
        }
    return BERTH_OK;
}

/* ---- The best label of each frame --------------------------------------------------------------------- */

static berth_status run_greedy(bt_call *c)
{
    bt_frames f;
    bt_fact in[2] = {{c->in[0]->dtype, c->in[0]->shape, c->in[0]},
                     {c->in[1]->dtype, c->in[1]->shape, c->in[1]}},
            out[4];
    bt_infer x = {c->node, in, 2, out, 4, INT32_MAX, c->error};
    berth_status status = infer_decoder(&x);
    if (!status) status = bt_ctc_begin(c, 1, &f);
    if (status) return status;
    bool merge = bt_attr_bool(c->node, "merge_repeated", false);
    int64_t blank = bt_attr_int(c->node, "blank_index", -1);
    if (blank < 0) blank += f.classes;
    if (blank < 0 || blank >= f.classes)
        return bt_call_fail(c, "blank_index of %lld classes", (long long)f.classes);
    bt_shape scores = BT_SHAPE(f.batch, 1);
    int32_t *labels = bt_scratch(c, (size_t)(f.batch * f.time + 1) * sizeof *labels);
    int64_t *counts = labels ? bt_scratch(c, (size_t)(f.batch + 1) * sizeof *counts) : NULL;
    double *frame = counts ? bt_scratch(c, (size_t)f.classes * sizeof *frame) : NULL;
    void *score = frame ? bt_out(c, 3, f.dtype, &scores) : NULL;
    if (!score) return BERTH_NO_MEMORY;
    for (int64_t b = 0; b < f.batch; b++) {
        double sum = 0;
        int64_t before = -1;
        counts[b] = 0;
        for (int64_t t = 0; t < f.lengths[b]; t++) {
            int64_t best = 0;
            bt_ctc_frame(&f, t, b, frame);
            for (int64_t k = 1; k < f.classes; k++) best = frame[k] > frame[best] ? k : best;
            sum -= frame[best];
            if (best != blank && !(merge && best == before)) labels[b * f.time + counts[b]++] = (int32_t)best;
            before = best;
        }
        bt_put_number(f.dtype, bt_at(f.dtype, score, b), sum);
    }
    return put_labels(c, 0, 1, labels, counts, f.batch, f.time);
}

/* ---- Beam search -------------------------------------------------------------------------------------- */

/* Log probabilities of a sequence, by what its last frame was. */
typedef struct chance {
    double total, blank, label;
} chance;

static const chance never = {-INFINITY, -INFINITY, -INFINITY};

/* A sequence: its parent's with one more label. It is active while it lies in the beam. */
typedef struct entry {
    chance before, now;
    int32_t parent, child, sibling, label; /* indices of entries, -1: none */
} entry;

typedef struct search {
    bt_call *c;
    entry *entries; /* 0 is the empty sequence */
    int32_t n;
    size_t capacity;
    int32_t *beam, *branches, *of_label; /* beam: a heap, the least likely first */
    int64_t width, n_beam;
} search;

static double add_logs(double a, double b)
{
    if (a == -INFINITY) return b;
    if (b == -INFINITY) return a;
    return fmax(a, b) + log1p(exp(-fabs(a - b)));
}

static bool is_active(const entry *e) { return e->now.total != -INFINITY; }
static double total_of(const search *s, int64_t i) { return s->entries[s->beam[i]].now.total; }

static void sift(search *s, int64_t at, int64_t n)
{
    int32_t moved = s->beam[at];
    double total = s->entries[moved].now.total;
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && total_of(s, child + 1) < total_of(s, child)) child++;
        if (total_of(s, child) >= total) break;
        s->beam[at] = s->beam[child];
    }
    s->beam[at] = moved;
}

/* A full beam lets go of its least likely entry. */
static void push(search *s, int32_t index)
{
    if (s->n_beam == s->width) {
        s->entries[s->beam[0]].now = never;
        s->beam[0] = index;
        sift(s, 0, s->n_beam);
        return;
    }
    int64_t at = s->n_beam++;
    double total = s->entries[index].now.total;
    for (; at > 0 && total_of(s, (at - 1) / 2) > total; at = (at - 1) / 2)
        s->beam[at] = s->beam[(at - 1) / 2];
    s->beam[at] = index;
}

static bool deserves(const search *s, double total)
{
    return total > -INFINITY && (s->n_beam < s->width || total > total_of(s, 0));
}

/* The beam's entries, the most likely first; the beam is no heap afterwards. */
static void order_beam(search *s)
{
    for (int64_t n = s->n_beam - 1; n > 0; n--) {
        int32_t least = s->beam[0];
        s->beam[0] = s->beam[n], s->beam[n] = least;
        sift(s, 0, n);
    }
}

/* A new entry's index, or -1. Entries may move. */
static int32_t add_entry(search *s, int32_t parent, int32_t label)
{
    if ((size_t)s->n == s->capacity) {
        size_t more = s->capacity ? 2 * s->capacity : 4096;
        entry *bigger = more <= INT32_MAX ? bt_scratch(s->c, more * sizeof *bigger) : NULL;
        if (!bigger) return -1;
        if (s->n) memcpy(bigger, s->entries, (size_t)s->n * sizeof *bigger);
        s->entries = bigger, s->capacity = more;
    }
    s->entries[s->n] = (entry){never, never, parent, -1, -1, label};
    if (parent >= 0) s->entries[s->n].sibling = s->entries[parent].child, s->entries[parent].child = s->n;
    return s->n++;
}

/* What becomes of a sequence in the beam: the same label again, its last label after its parent, or a blank. */
static void stay(search *s, int32_t index, const double *frame, int64_t blank)
{
    entry *e = &s->entries[index];
    if (e->parent >= 0) {
        const entry *p = &s->entries[e->parent];
        if (is_active(p))
            e->now.label = add_logs(e->now.label, e->label == p->label ? p->before.blank : p->before.total);
        e->now.label += frame[e->label];
    }
    e->now.blank = e->before.total + frame[blank];
    e->now.total = add_logs(e->now.blank, e->now.label);
    push(s, index);
}

/* All sequences with one more label than this one's that deserve a place in the beam. */
static bool grow(search *s, int32_t index, const double *frame, int64_t blank)
{
    for (int64_t k = 0; k < blank; k++) s->of_label[k] = -1;
    for (int32_t i = s->entries[index].child; i >= 0; i = s->entries[i].sibling)
        s->of_label[s->entries[i].label] = i;
    for (int32_t k = 0; k < blank; k++) {
        int32_t child = s->of_label[k];
        const entry *e = &s->entries[index];
        if (child >= 0 && is_active(&s->entries[child])) continue;
        double label = frame[k] + (k == e->label ? e->before.blank : e->before.total);
        if (!deserves(s, label)) {
            if (child >= 0)
                s->entries[child].before = never; /* one that fell out in this very step does not grow */
            continue;
        }
        if (child < 0 && (child = add_entry(s, index, k)) < 0) return false;
        s->entries[child].now = (chance){label, -INFINITY, label};
        push(s, child);
    }
    return true;
}

static bool step(search *s, const double *frame, int64_t blank)
{
    order_beam(s);
    int64_t n = s->n_beam;
    memcpy(s->branches, s->beam, (size_t)n * sizeof *s->branches);
    s->n_beam = 0;
    for (int64_t i = 0; i < n; i++) s->entries[s->branches[i]].before = s->entries[s->branches[i]].now;
    for (int64_t i = 0; i < n; i++) stay(s, s->branches[i], frame, blank);
    for (int64_t i = 0; i < n; i++)
        if (deserves(s, s->entries[s->branches[i]].before.total) && !grow(s, s->branches[i], frame, blank))
            return false;
    return true;
}

/* The labels of a sequence, first to last, into out; how many they are. */
static int64_t labels_of(const search *s, int32_t index, bool merge, int32_t *out)
{
    int64_t n = 0;
    int32_t before = -1;
    for (const entry *e = &s->entries[index]; e->parent >= 0; e = &s->entries[e->parent]) {
        if (!merge || e->label != before) out[n++] = e->label;
        before = e->label;
    }
    for (int64_t i = 0; i < n / 2; i++) {
        int32_t swap = out[i];
        out[i] = out[n - 1 - i], out[n - 1 - i] = swap;
    }
    return n;
}

static berth_status search_one(search *s, const bt_frames *f, int64_t b, double *frame)
{
    s->n = 0, s->n_beam = 0;
    int32_t root = add_entry(s, -1, -1);
    if (root < 0) return BERTH_NO_MEMORY;
    s->entries[root].now = (chance){0, 0, -INFINITY};
    push(s, root);
    for (int64_t t = 0; t < f->lengths[b]; t++) {
        bt_ctc_frame(f, t, b, frame);
        bt_ctc_normalise(frame, f->classes);
        if (!step(s, frame, f->classes - 1)) return bt_fail_memory(s->c->error);
    }
    order_beam(s);
    return BERTH_OK;
}

static berth_status run_beam(bt_call *c)
{
    bt_frames f;
    int64_t paths = bt_attr_int(c->node, "top_paths", 1), width = bt_attr_int(c->node, "beam_width", 100);
    bool merge = bt_attr_bool(c->node, "merge_repeated", true);
    if (paths < 1 || c->n_out != 3 * paths + 1 || width < paths || width > 1 << 24)
        return bt_call_fail(c, "beam_width and top_paths do not fit");
    berth_status status = bt_ctc_begin(c, 1, &f);
    if (status) return status;
    search s = {.c = c, .width = width};
    bt_shape score_shape = BT_SHAPE(f.batch, paths);
    size_t room = (size_t)(f.batch * f.time + 1);
    s.beam = bt_scratch(c, (size_t)width * sizeof *s.beam);
    s.branches = s.beam ? bt_scratch(c, (size_t)width * sizeof *s.branches) : NULL;
    s.of_label = s.branches ? bt_scratch(c, (size_t)f.classes * sizeof *s.of_label) : NULL;
    double *frame = s.of_label ? bt_scratch(c, (size_t)f.classes * sizeof *frame) : NULL;
    int32_t *labels = frame ? bt_scratch(c, room * (size_t)paths * sizeof *labels) : NULL;
    int64_t *counts = labels ? bt_scratch(c, (size_t)(f.batch * paths + 1) * sizeof *counts) : NULL;
    void *score = counts ? bt_out(c, (int)(3 * paths), f.dtype, &score_shape) : NULL;
    if (!score) return BERTH_NO_MEMORY;
    for (int64_t b = 0; b < f.batch; b++) {
        if ((status = search_one(&s, &f, b, frame))) return status;
        if (s.n_beam < paths) return bt_call_fail(c, "fewer sequences in the beam than top_paths");
        for (int64_t p = 0; p < paths; p++) {
            counts[p * f.batch + b] = labels_of(&s, s.beam[p], merge, labels + (p * f.batch + b) * f.time);
            bt_put_number(f.dtype, bt_at(f.dtype, score, b * paths + p), total_of(&s, p));
        }
    }
    for (int64_t p = 0; !status && p < paths; p++)
        status = put_labels(c, (int)p, (int)paths, labels + p * f.batch * f.time, counts + p * f.batch,
                            f.batch, f.time);
    return status;
}

const bt_op bt_ops_ctc[] = {
    {.name = "CTCGreedyDecoder",
     .infer = infer_decoder,
     .cpu = run_greedy,
     .outputs = "decoded_indices,decoded_values,decoded_shape,log_probability"},
    {.name = "CTCBeamSearchDecoder",
     .infer = infer_decoder,
     .cpu = run_beam,
     .outputs = "decoded_indices*top_paths,decoded_values*top_paths,decoded_shape*top_paths,log_probability"},
    {0},
};
