/* Non-maximum suppression: boxes taken in the order of their scores, unless they overlap too much with one that was
 * taken before; or, softly, with scores lowered by each overlap. Half by way of float. */
#include "ops/gpu.h"
#include "ops/move.h"
#include "ops/order.h"

#include <float.h>
#include <math.h>

/* ---- Suppression -------------------------------------------------------------------------------------- */

typedef struct candidate {
    float score;
    int32_t index;
    int32_t seen; /* taken boxes that it was compared with */
} candidate;

/* How much two boxes are alike. */
typedef struct overlaps {
    const float *boxes;  /* [n][4], `stride` numbers apart; or NULL: */
    const float *matrix; /* [n][n] */
    int64_t stride, n;
} overlaps;

typedef struct limits {
    float overlap, score, soft; /* soft: -0.5 / sigma, or 0 */
    int64_t most;
} limits;

static float intersection_over_union(const float *a, const float *b)
{
    float a_top = fminf(a[0], a[2]), a_left = fminf(a[1], a[3]), a_end = fmaxf(a[0], a[2]);
    float b_top = fminf(b[0], b[2]), b_left = fminf(b[1], b[3]), b_end = fmaxf(b[0], b[2]);
    float a_right = fmaxf(a[1], a[3]), b_right = fmaxf(b[1], b[3]);
    float a_area = (a_end - a_top) * (a_right - a_left), b_area = (b_end - b_top) * (b_right - b_left);
    if (a_area <= 0 || b_area <= 0) return 0;
    float h = fmaxf(fminf(a_end, b_end) - fmaxf(a_top, b_top), 0);
    float w = fmaxf(fminf(a_right, b_right) - fmaxf(a_left, b_left), 0);
    return h * w / (a_area + b_area - h * w);
}

static float overlap_of(const overlaps *o, int64_t i, int64_t j)
{
    if (o->matrix) return o->matrix[i * o->n + j];
    return intersection_over_union(o->boxes + i * o->stride, o->boxes + j * o->stride);
}

static bool goes_before(const candidate *a, const candidate *b)
{
    return a->score > b->score || (a->score == b->score && a->index < b->index);
}

/* The heap's element `at` moves down to where it belongs. */
static void sift(candidate *heap, int64_t n, int64_t at)
{
    candidate moved = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && goes_before(&heap[child + 1], &heap[child])) child++;
        if (!goes_before(&heap[child], &moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* Takes at most l->most of the n boxes, whose scores are `step` apart. taken has room for as many; heap for n. */
static int64_t suppress(const overlaps *o, const float *scores, int64_t step, const limits *l,
                        candidate *heap, candidate *taken)
{
    int64_t n = 0, n_taken = 0;
    for (int64_t i = 0; i < o->n; i++)
        if (scores[i * step] > l->score) heap[n++] = (candidate){scores[i * step], (int32_t)i, 0};
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift(heap, n, i);
    while (n > 0 && n_taken < l->most) {
        candidate *top = &heap[0];
        float before = top->score;
        bool out = false;
        for (int64_t j = n_taken - 1; j >= top->seen && !out; j--) {
            float overlap = overlap_of(o, top->index, taken[j].index);
            if (l->soft != 0) top->score *= expf(l->soft * overlap * overlap);
            else if (overlap > l->overlap) out = true;
            if (top->score <= l->score) out = true;
        }
        top->seen = (int32_t)n_taken;
        if (!out && top->score == before) taken[n_taken++] = *top, out = true;
        if (out) heap[0] = heap[--n];
        if (n) sift(heap, n, 0);
    }
    return n_taken;
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(detection);

/* As in detection.cl. */
typedef struct lists {
    int64_t n, classes, columns, most;
    float overlap, score, soft;
} lists;

typedef struct found {
    void *taken, *scores; /* [lists, most] */
    void *counts;         /* [lists] */
} found;

enum { SORT_BYTES = 64 << 20 };

static berth_status launch(bt_call *c, const char *kernel, const bt_grid *grid, const bt_arg *args,
                           int n_args)
{
    char defines[BT_DEFINES];
    bool matrix = strcmp(c->node->op, "NonMaxSuppressionWithOverlaps") == 0;
    bt_gpu_defines(defines, c->in[0]->dtype, 0, matrix ? "-DMATRIX" : "");
    return bt_gpu_launch(c, BT_CL(detection), defines, kernel, grid, args, n_args);
}

/* As many lists at a time as SORT_BYTES hold the keys of. */
static berth_status suppress_sorted(bt_call *c, const lists *by, int64_t n_lists, const found *f)
{
    bt_sort_rows s;
    const void *boxes = c->in[0]->data, *scores = c->in[1]->data;
    berth_status status = bt_sort_rows_take(c, by->n, n_lists, SORT_BYTES, &s);
    for (int64_t first = 0; first < n_lists && !status; first += s.rows) {
        int64_t count = n_lists - first < s.rows ? n_lists - first : s.rows;
        bt_arg make[] = {bt_pointer(scores),       bt_pointer(s.keys), bt_pointer(s.places),
                         bt_bytes(by, sizeof *by), bt_long(first),     bt_long(count),
                         bt_long(s.size)};
        bt_arg take[] = {
            bt_pointer(boxes),    bt_pointer(scores),    bt_pointer(s.keys),    bt_pointer(s.places),
            bt_pointer(f->taken), bt_pointer(f->scores), bt_pointer(f->counts), bt_bytes(by, sizeof *by),
            bt_long(first),       bt_long(count),        bt_long(s.size)};
        bt_grid all = bt_grid_of(c, count * s.size), groups = bt_grid_groups(c, count, by->n);
        status = launch(c, "candidates", &all, make, 7);
        if (!status) status = bt_sort_rows_gpu(c, &s, count);
        if (!status) status = launch(c, "suppress", &groups, take, 11);
    }
    return status;
}

static berth_status suppress_softly(bt_call *c, const lists *by, const found *f)
{
    bt_grid group = bt_grid_groups(c, 1, by->n);
    size_t room = ((size_t)by->n + group.local[0]) * sizeof(float);
    void *live = bt_scratch(c, room), *places = live ? bt_scratch(c, room) : NULL;
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(live),
                     bt_pointer(places),         bt_pointer(f->taken),       bt_pointer(f->scores),
                     bt_pointer(f->counts),      bt_bytes(by, sizeof *by)};
    return places ? launch(c, "suppress_softly", &group, args, 8) : BERTH_NO_MEMORY;
}

/* Boxes of n_lists lists, in working memory. */
static berth_status suppress_on_gpu(bt_call *c, const lists *by, int64_t n_lists, found *f)
{
    size_t room = (size_t)(n_lists * by->most) * sizeof(int32_t) + 1;
    f->taken = bt_scratch(c, room);
    f->scores = f->taken ? bt_scratch(c, room) : NULL;
    f->counts = f->scores ? bt_scratch(c, (size_t)n_lists * sizeof(int32_t) + 1) : NULL;
    if (!f->counts) return BERTH_NO_MEMORY;
    if (by->n == 0 || by->most == 0) return bt_call_zero(c, BERTH_INT32, f->counts, n_lists);
    return by->soft != 0 ? suppress_softly(c, by, f) : suppress_sorted(c, by, n_lists, f);
}

/* ---- Single lists ------------------------------------------------------------------------------------- */

static berth_status infer_single(bt_infer *x)
{
    const char *op = x->node->op;
    bool matrix = strcmp(op, "NonMaxSuppressionWithOverlaps") == 0;
    int version = matrix ? 3 : bt_starts(op, "NonMaxSuppressionV") ? op[strlen(op) - 1] - '0' : 1;
    static const int n_in[] = {0, 3, 4, 5, 5, 6};
    berth_status status = bt_infer_arity(x, n_in[version]);
    if (status) return status;
    const bt_shape *boxes = &x->in[0].shape, *scores = &x->in[1].shape;
    int64_t columns = matrix && boxes->rank == 2 ? boxes->dim[0] : 4, most = -1;
    if (boxes->rank >= 0 &&
        (boxes->rank != 2 || (boxes->dim[1] >= 0 && columns >= 0 && boxes->dim[1] != columns)))
        return bt_infer_fail(x, matrix ? "overlaps must be a square matrix" : "boxes must be [n, 4]");
    if (scores->rank >= 0 && scores->rank != 1) return bt_infer_fail(x, "scores must be a vector");
    if (boxes->rank == 2 && scores->rank == 1 && boxes->dim[0] >= 0 && scores->dim[0] >= 0 &&
        boxes->dim[0] != scores->dim[0])
        return bt_infer_fail(x, "%lld scores for %lld boxes", (long long)scores->dim[0],
                             (long long)boxes->dim[0]);
    for (int i = 2; i < n_in[version]; i++)
        if (x->in[i].shape.rank > 0) return bt_infer_fail(x, "input %d must be a scalar", i);
    if (x->in[2].value) {
        most = bt_tensor_int(x->in[2].value, 0);
        if (most < 0) return bt_infer_fail(x, "max_output_size must not be negative");
    }
    if (!bt_attr_bool(x->node, "pad_to_max_output_size", false)) most = -1;
    x->out[0] = (bt_fact){BERTH_INT32, BT_SHAPE(most), NULL};
    if (version == 5) x->out[1] = (bt_fact){bt_infer_type(x, 1), BT_SHAPE(most), NULL};
    if (version >= 4) x->out[version - 3] = (bt_fact){BERTH_INT32, BT_SCALAR, NULL};
    return BERTH_OK;
}

static float scalar(const bt_call *c, int i, float otherwise)
{
    return i < c->n_in ? (float)bt_tensor_number(c->in[i], 0) : otherwise;
}

/* The shape function has no place for outputs of unknown length, so it is called without bt_call_facts. */
static berth_status check(bt_call *c)
{
    bt_fact in[6], out[4] = {{0}};
    for (int i = 0; i < c->n_in && i < 6; i++) in[i] = (bt_fact){c->in[i]->dtype, c->in[i]->shape, c->in[i]};
    bt_infer x = {c->node, in, c->n_in, out, c->n_out, INT32_MAX, c->error};
    berth_status status = c->node->def->infer(&x);
    return status == BERTH_BAD_MODEL && c->error ? c->error->status = BERTH_BAD_INPUT : status;
}

static berth_status put_single(bt_call *c, const candidate *taken, int64_t n, int64_t length)
{
    bt_shape shape = BT_SHAPE(length), one = BT_SCALAR;
    int version = c->n_out == 3 ? 5 : c->n_out == 2 ? 4 : 1;
    int32_t *index = bt_out(c, 0, BERTH_INT32, &shape), *valid = NULL;
    if (!index) return BERTH_NO_MEMORY;
    for (int64_t i = 0; i < length; i++) index[i] = i < n ? taken[i].index : 0;
    if (version == 5) {
        berth_dtype dtype = c->in[1]->dtype;
        void *scores = bt_out(c, 1, dtype, &shape);
        if (!scores) return BERTH_NO_MEMORY;
        for (int64_t i = 0; i < length; i++)
            bt_put_number(dtype, bt_at(dtype, scores, i), i < n ? (double)taken[i].score : 0);
    }
    if (version == 1) return BERTH_OK;
    if (!(valid = bt_out(c, c->n_out - 1, BERTH_INT32, &one))) return BERTH_NO_MEMORY;
    *valid = (int32_t)n;
    return BERTH_OK;
}

/* Only where the list isn't padded is its length waited for. */
static berth_status single_on_gpu(bt_call *c, int64_t n, const limits *l, int64_t padded)
{
    lists by = {.n = n,
                .classes = 1,
                .columns = 1,
                .most = l->most,
                .overlap = l->overlap,
                .score = l->score,
                .soft = l->soft};
    found f;
    int32_t count = 0;
    bt_shape one = BT_SCALAR;
    berth_status status = suppress_on_gpu(c, &by, 1, &f);
    if (!status && padded < 0) status = bt_gpu_read(c, &count, f.counts, sizeof count);
    if (status) return status;
    int64_t length = padded < 0 ? count : padded;
    bt_shape shape = BT_SHAPE(length);
    void *index = bt_out(c, 0, BERTH_INT32, &shape);
    void *scores = index && c->n_out == 3 ? bt_out(c, 1, c->in[1]->dtype, &shape) : NULL;
    void *valid = index && c->n_out > 1 ? bt_out(c, c->n_out - 1, BERTH_INT32, &one) : NULL;
    if (!index || (c->n_out == 3 && !scores) || (c->n_out > 1 && !valid)) return BERTH_NO_MEMORY;
    bt_arg args[] = {bt_pointer(f.taken), bt_pointer(f.scores), bt_pointer(f.counts), bt_pointer(index),
                     bt_pointer(scores),  bt_long(length),      bt_int(c->n_out == 3)};
    bt_grid grid = bt_grid_of(c, length);
    if (length) status = launch(c, "put_list", &grid, args, 7);
    return status || !valid ? status : bt_call_row(c, BERTH_INT32, valid, f.counts, 1);
}

static berth_status run_single(bt_call *c)
{
    berth_status status = check(c);
    if (status) return status;
    bool matrix = strcmp(c->node->op, "NonMaxSuppressionWithOverlaps") == 0;
    overlaps o = {.stride = 4, .n = c->in[0]->shape.dim[0]};
    int64_t asked = bt_tensor_int(c->in[2], 0);
    float sigma = scalar(c, 5, 0);
    limits l = {.overlap = scalar(c, 3, bt_attr_float(c->node, "iou_threshold", 0.5f)),
                .score = scalar(c, 4, -FLT_MAX),
                .soft = sigma > 0 ? -0.5f / sigma : 0,
                .most = asked < o.n ? asked : o.n};
    if (!matrix && !(l.overlap >= 0 && l.overlap <= 1))
        return bt_call_fail(c, "iou_threshold must be in [0, 1]");
    if (sigma < 0) return bt_call_fail(c, "soft_nms_sigma must not be negative");
    if (o.n > INT32_MAX) return bt_call_fail(c, "too many boxes");
    bool pad = bt_attr_bool(c->node, "pad_to_max_output_size", false);
    if (bt_on_gpu(c)) return single_on_gpu(c, o.n, &l, pad ? asked : -1);
    const float *scores = bt_call_floats(c, c->in[1]);
    const float *numbers = scores ? bt_call_floats(c, c->in[0]) : NULL;
    candidate *heap = numbers ? bt_scratch(c, (size_t)(o.n + 1) * sizeof *heap) : NULL;
    candidate *taken = heap ? bt_scratch(c, (size_t)(l.most + 1) * sizeof *taken) : NULL;
    if (!taken) return c->error ? c->error->status : BERTH_NO_MEMORY;
    if (matrix) o.matrix = numbers;
    else o.boxes = numbers;
    int64_t n = suppress(&o, scores, 1, &l, heap, taken);
    return put_single(c, taken, n, pad ? asked : n);
}

/* ---- All classes of a batch --------------------------------------------------------------------------- */

/* boxes [batch, n, classes or 1, 4], scores [batch, n, classes]. */
static berth_status infer_combined(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 6);
    if (status) return status;
    const bt_shape *boxes = &x->in[0].shape, *scores = &x->in[1].shape;
    int64_t batch = boxes->rank == 4 ? boxes->dim[0] : -1, classes = scores->rank == 3 ? scores->dim[2] : -1;
    if (boxes->rank >= 0 && (boxes->rank != 4 || (boxes->dim[3] >= 0 && boxes->dim[3] != 4)))
        return bt_infer_fail(x, "boxes must be [batch, n, classes or 1, 4]");
    if (scores->rank >= 0 && scores->rank != 3) return bt_infer_fail(x, "scores must be [batch, n, classes]");
    if (boxes->rank == 4 && scores->rank == 3) {
        bool fits = (boxes->dim[2] < 0 || boxes->dim[2] == 1 || classes < 0 || boxes->dim[2] == classes);
        for (int i = 0; i < 2; i++)
            fits = fits && (boxes->dim[i] < 0 || scores->dim[i] < 0 || boxes->dim[i] == scores->dim[i]);
        if (!fits) return bt_infer_fail(x, "boxes and scores have shapes that do not agree");
    }
    for (int i = 2; i < 6; i++)
        if (x->in[i].shape.rank > 0) return bt_infer_fail(x, "input %d must be a scalar", i);
    int64_t per_class = x->in[2].value ? bt_tensor_int(x->in[2].value, 0) : -1;
    int64_t length = x->in[3].value ? bt_tensor_int(x->in[3].value, 0) : -1;
    if ((x->in[2].value && per_class < 1) || (x->in[3].value && length < 1))
        return bt_infer_fail(x, "max_output_size_per_class and max_total_size must be positive");
    if (bt_attr_bool(x->node, "pad_per_class", false) && length >= 0) {
        if (per_class < 0 || classes < 0) length = -1;
        else if (per_class * classes < length) length = per_class * classes;
    }
    x->out[0] = (bt_fact){BERTH_FLOAT, BT_SHAPE(batch, length, 4), NULL};
    x->out[1] = x->out[2] = (bt_fact){BERTH_FLOAT, BT_SHAPE(batch, length), NULL};
    x->out[3] = (bt_fact){BERTH_INT32, BT_SHAPE(batch), NULL};
    return BERTH_OK;
}

typedef struct combined {
    const float *boxes, *scores;
    float *out_boxes, *out_scores, *out_classes;
    int32_t *valid;
    int64_t n, columns, classes, length; /* columns: classes or 1 of boxes */
    limits l;
    bool clip;
    candidate
        *work; /* a thread: n for the heap, l.most for one class, and classes * l.most for all of them */
} combined;

/* Candidates of all classes with seen = class, in the order of their scores. Stable: of equals the lower class. */
static void order_all(candidate *all, candidate *spare, int64_t n)
{
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t from = 0; from < n; from += 2 * width) {
            int64_t i = from, middle = from + width < n ? from + width : n, j = middle;
            int64_t end = middle + width < n ? middle + width : n;
            for (int64_t k = from; k < end; k++)
                spare[k] = i < middle && (j == end || all[i].score >= all[j].score) ? all[i++] : all[j++];
        }
        memcpy(all, spare, (size_t)n * sizeof *all);
    }
}

static void combine_images(void *user, int64_t first, int64_t end, int worker)
{
    const combined *k = user;
    int64_t most = k->l.most, row = 4 * k->columns;
    candidate *heap = k->work + worker * (k->n + most + 2 * most * k->classes), *taken = heap + k->n;
    candidate *all = taken + most, *spare = all + most * k->classes;
    for (int64_t image = first; image < end; image++) {
        int64_t n = 0;
        for (int64_t class = 0; class < k->classes; class ++) {
            overlaps o = {.boxes = k->boxes + image * k->n * row + (k->columns > 1 ? 4 * class : 0),
                          .stride = row,
                          .n = k->n};
            int64_t found =
                suppress(&o, k->scores + image * k->n * k->classes + class, k->classes, &k->l, heap, taken);
            for (int64_t i = 0; i < found; i++) all[n] = taken[i], all[n++].seen = (int32_t) class;
        }
        order_all(all, spare, n);
        if (n > k->length) n = k->length;
        k->valid[image] = (int32_t)n;
        for (int64_t i = 0, at = image * k->length; i < k->length; i++, at++) {
            static const candidate none;
            const candidate *a = i < n ? &all[i] : &none;
            const float *box =
                k->boxes + image * k->n * row + a->index * row + (k->columns > 1 ? 4 * a->seen : 0);
            k->out_scores[at] = i < n ? a->score : 0;
            k->out_classes[at] = i < n ? (float)a->seen : 0;
            for (int j = 0; j < 4; j++)
                k->out_boxes[4 * at + j] = i >= n ? 0 : k->clip ? fmaxf(fminf(box[j], 1), 0) : box[j];
        }
    }
}

/* As many images at a time as SORT_BYTES hold the keys of. */
static berth_status put_images(bt_call *c, const combined *k, const lists *by, int64_t batch, const found *f)
{
    bt_sort_rows s;
    berth_status status = bt_sort_rows_take(c, by->classes * by->most, batch, SORT_BYTES, &s);
    if (!status) status = bt_call_zero(c, BERTH_INT32, k->valid, batch);
    for (int64_t first = 0; first < batch && !status; first += s.rows) {
        int64_t images = batch - first < s.rows ? batch - first : s.rows;
        bt_arg gather[] = {
            bt_pointer(f->scores),    bt_pointer(f->counts), bt_pointer(s.keys), bt_pointer(s.places),
            bt_bytes(by, sizeof *by), bt_long(first),        bt_long(images),    bt_long(s.size)};
        bt_arg put[] = {bt_pointer(k->boxes),
                        bt_pointer(s.keys),
                        bt_pointer(s.places),
                        bt_pointer(f->taken),
                        bt_pointer(f->scores),
                        bt_pointer(k->out_boxes),
                        bt_pointer(k->out_scores),
                        bt_pointer(k->out_classes),
                        bt_pointer(k->valid),
                        bt_bytes(by, sizeof *by),
                        bt_long(first),
                        bt_long(images),
                        bt_long(k->length),
                        bt_long(s.size),
                        bt_int(k->clip)};
        bt_grid all = bt_grid_of(c, images * s.size), rows = bt_grid_of(c, images * k->length);
        status = launch(c, "gather_classes", &all, gather, 8);
        if (!status) status = bt_sort_rows_gpu(c, &s, images);
        if (!status && k->length) status = launch(c, "put_images", &rows, put, 15);
    }
    return status;
}

static berth_status combined_on_gpu(bt_call *c, const combined *k, int64_t batch)
{
    lists by = {.n = k->n,
                .classes = k->classes,
                .columns = k->columns,
                .most = k->l.most,
                .overlap = k->l.overlap,
                .score = k->l.score};
    int64_t out = batch * k->length;
    found f;
    if (batch > 0 && by.classes > 0 && by.most > 0) {
        berth_status status = suppress_on_gpu(c, &by, batch * by.classes, &f);
        return status ? status : put_images(c, k, &by, batch, &f);
    }
    berth_status status = bt_call_zero(c, BERTH_FLOAT, k->out_boxes, 4 * out);
    if (!status) status = bt_call_zero(c, BERTH_FLOAT, k->out_scores, out);
    if (!status) status = bt_call_zero(c, BERTH_FLOAT, k->out_classes, out);
    return status ? status : bt_call_zero(c, BERTH_INT32, k->valid, batch);
}

static berth_status run_combined(bt_call *c)
{
    bt_fact facts[4];
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    const bt_shape *boxes = &c->in[0]->shape;
    combined k = {.boxes = c->in[0]->data,
                  .scores = c->in[1]->data,
                  .n = boxes->dim[1],
                  .columns = boxes->dim[2],
                  .classes = c->in[1]->shape.dim[2],
                  .length = facts[0].shape.dim[1],
                  .clip = bt_attr_bool(c->node, "clip_boxes", true)};
    if (c->in[0]->dtype != BERTH_FLOAT || c->in[1]->dtype != BERTH_FLOAT)
        return bt_call_fail(c, "boxes and scores must be float32");
    int64_t per_class = bt_tensor_int(c->in[2], 0);
    k.l = (limits){
        .overlap = scalar(c, 4, 0), .score = scalar(c, 5, 0), .most = per_class < k.n ? per_class : k.n};
    if (!(k.l.overlap >= 0 && k.l.overlap <= 1)) return bt_call_fail(c, "iou_threshold must be in [0, 1]");
    if (k.n > INT32_MAX || k.classes > INT32_MAX) return bt_call_fail(c, "too many boxes");
    k.out_boxes = bt_out(c, 0, BERTH_FLOAT, &facts[0].shape);
    k.out_scores = k.out_boxes ? bt_out(c, 1, BERTH_FLOAT, &facts[1].shape) : NULL;
    k.out_classes = k.out_scores ? bt_out(c, 2, BERTH_FLOAT, &facts[2].shape) : NULL;
    k.valid = k.out_classes ? bt_out(c, 3, BERTH_INT32, &facts[3].shape) : NULL;
    if (bt_on_gpu(c)) return k.valid ? combined_on_gpu(c, &k, boxes->dim[0]) : BERTH_NO_MEMORY;
    size_t room = (size_t)(k.n + k.l.most + 2 * k.l.most * k.classes + 1) * sizeof *k.work;
    k.work = k.valid ? bt_scratch(c, room * (size_t)bt_pool_threads(c->pool)) : NULL;
    if (!k.work) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, boxes->dim[0], 1, combine_images, &k);
    return BERTH_OK;
}

#define BOX_TYPES (BT_T(BERTH_HALF) | BT_T(BERTH_BFLOAT16) | BT_T(BERTH_FLOAT))
#define SINGLE(version, outs)                                                                           \
    {                                                                                                   \
        .name = "NonMaxSuppression" version, .infer = infer_single, .cpu = run_single, .outputs = outs, \
        .gpu = run_single, .gpu_types = BOX_TYPES, .host_inputs = 4 | 8 | 16 | 32                       \
    }

const bt_op bt_ops_detection[] = {
    SINGLE("", "selected_indices"),
    SINGLE("V2", "selected_indices"),
    SINGLE("V3", "selected_indices"),
    SINGLE("V4", "selected_indices,valid_outputs"),
    SINGLE("V5", "selected_indices,selected_scores,valid_outputs"),
    SINGLE("WithOverlaps", "selected_indices"),
    {.name = "CombinedNonMaxSuppression",
     .infer = infer_combined,
     .cpu = run_combined,
     .gpu = run_combined,
     .gpu_types = BT_T(BERTH_FLOAT),
     .host_inputs = 4 | 8 | 16 | 32,
     .outputs = "nmsed_boxes,nmsed_scores,nmsed_classes,valid_detections"},
    {0},
};
