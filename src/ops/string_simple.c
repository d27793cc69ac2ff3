/* Strings to strings, element by element, and joined ones: bytes as they are, or UTF-8 where an op asks for it. Case of
 * letters beyond ASCII: unicode_case.c. Splitting: string_split.c. */
#include "ops/move.h"
#include "ops/text.h"

static berth_status infer_strings(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    x->out[0].dtype = BERTH_STRING;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

static berth_status infer_length(bt_infer *x)
{
    berth_status status = infer_strings(x);
    x->out[0].dtype = BERTH_INT32;
    return status;
}

/* ---- One by one --------------------------------------------------------------------------------------- */

static bool is_trail(char c) { return ((uint8_t)c & 0xc0) == 0x80; }

static berth_status run_length(bt_call *c)
{
    berth_status status = bt_strings_input(c, 0);
    int32_t *out = status ? NULL : bt_out(c, 0, BERTH_INT32, &c->in[0]->shape);
    if (!out) return c->error->status;
    const bt_string *in = c->in[0]->data;
    bool utf8 = bt_attr_utf8(c->node, "unit");
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]); i++) {
        size_t n = in[i].n;
        for (size_t k = 0; utf8 && k < in[i].n; k++) n -= is_trail(in[i].p[k]);
        out[i] = (int32_t)n;
    }
    return BERTH_OK;
}

static berth_status run_strip(bt_call *c)
{
    berth_status status = bt_strings_input(c, 0);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &c->in[0]->shape);
    if (!out) return c->error->status;
    const bt_string *in = c->in[0]->data;
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]); i++) {
        bt_str s = bt_trim(bt_str_from(&in[i]));
        if (!bt_string_set(&out[i], s.p, s.n)) return bt_fail_memory(c->error);
    }
    return BERTH_OK;
}

/* ---- Substr ------------------------------------------------------------------------------------------- */

static berth_status infer_substr(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    x->out[0].dtype = BERTH_STRING;
    if (bt_shape_broadcast(&x->in[0].shape, &x->in[1].shape, &x->out[0].shape)) return BERTH_OK;
    return bt_infer_fail(x, "the shapes of strings and positions do not broadcast");
}

/* The byte n characters behind `at`; *moved says how many there were. */
static size_t forward(bt_str s, size_t at, int64_t n, int64_t *moved)
{
    for (*moved = 0; *moved < n && at < s.n; ++*moved) do
            at++;
        while (at < s.n && is_trail(s.p[at]));
    return at;
}

static size_t backward(bt_str s, int64_t n, int64_t *moved)
{
    size_t at = s.n;
    for (*moved = 0; *moved < n && at > 0; ++*moved) do
            at--;
        while (at > 0 && is_trail(s.p[at]));
    return at;
}

/* False when there is no position `pos`; a negative one counts from the end. A negative length is all that follows in
 * bytes, and nothing in UTF-8. */
static bool substring(bt_str s, int64_t pos, int64_t length, bool utf8, bt_str *out)
{
    int64_t n = (int64_t)s.n, moved = 0;
    if (!utf8) {
        if (pos < -n || pos > n) return false;
        if (pos < 0) pos += n;
        if (length < 0 || length > n - pos) length = n - pos;
        *out = (bt_str){s.p + pos, (size_t)length};
        return true;
    }
    int64_t steps = pos < -n ? n + 1 : pos < 0 ? -pos : pos;
    size_t from = pos < 0 ? backward(s, steps, &moved) : forward(s, 0, steps, &moved);
    if (moved < steps || (pos < 0 && length < 0)) return false;
    size_t to = forward(s, from, length, &moved);
    *out = (bt_str){s.p + from, to - from};
    return true;
}

static void broadcast_strides(const bt_shape *in, const bt_shape *out, int64_t *steps)
{
    int64_t step = 1;
    for (int d = out->rank - 1, k = in->rank - 1; d >= 0; d--, k--) {
        steps[d] = k >= 0 && in->dim[k] > 1 ? step : 0;
        if (k >= 0) step *= in->dim[k];
    }
}

static berth_status run_substr(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_strings_input(c, 0);
    if (!status) status = bt_call_facts(c, &fact);
    if (status) return status;
    if (!bt_shape_equal(&c->in[1]->shape, &c->in[2]->shape))
        return bt_call_fail(c, "positions and lengths must have the same shape");
    bt_string *out = bt_out(c, 0, BERTH_STRING, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    int64_t steps[2][BT_MAX_RANK], index[BT_MAX_RANK] = {0}, at[2] = {0}, n = bt_shape_count(&fact.shape);
    int rank = fact.shape.rank;
    for (int k = 0; k < 2; k++) broadcast_strides(&c->in[k]->shape, &fact.shape, steps[k]);
    bool utf8 = bt_attr_utf8(c->node, "unit");
    for (int64_t i = 0; i < n; i++) {
        const bt_string *s = (const bt_string *)c->in[0]->data + at[0];
        int64_t pos = bt_tensor_int(c->in[1], at[1]), length = bt_tensor_int(c->in[2], at[1]);
        bt_str part;
        if (!substring(bt_str_from(s), pos, length, utf8, &part))
            return bt_call_fail(c, "pos %lld out of range for string at index %lld", (long long)pos,
                                (long long)i);
        if (!bt_string_set(&out[i], part.p, part.n)) return bt_fail_memory(c->error);
        for (int d = rank - 1; d >= 0; d--) {
            for (int k = 0; k < 2; k++) at[k] += steps[k][d];
            if (++index[d] < fact.shape.dim[d]) break;
            for (int k = 0; k < 2; k++) at[k] -= steps[k][d] * fact.shape.dim[d];
            index[d] = 0;
        }
    }
    return BERTH_OK;
}

/* ---- Joins -------------------------------------------------------------------------------------------- */

static berth_status infer_join(bt_infer *x)
{
    x->out[0].dtype = BERTH_STRING;
    x->out[0].shape = BT_SCALAR;
    for (int i = 0; i < x->n_in; i++) {
        const bt_shape *in = &x->in[i].shape;
        if (in->rank == 0) continue;
        if (x->out[0].shape.rank == 0) x->out[0].shape = *in;
        else if (!bt_shape_merge(&x->out[0].shape, in))
            return bt_infer_fail(x, "the shapes of the strings differ");
    }
    return BERTH_OK;
}

static berth_status run_join(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    for (int i = 0; i < c->n_in && !status; i++) status = bt_strings_input(c, i);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    bt_str gap = bt_str_of(bt_attr_string(c->node, "separator", ""));
    for (int64_t i = 0; i < bt_shape_count(&fact.shape); i++) {
        size_t n = c->n_in > 1 ? gap.n * (size_t)(c->n_in - 1) : 0;
        for (int k = 0; k < c->n_in; k++)
            n += ((bt_string *)c->in[k]->data + (c->in[k]->shape.rank ? i : 0))->n;
        char *to = n ? bt_string_room(&out[i], n) : NULL;
        if (n && !to) return bt_fail_memory(c->error);
        for (int k = 0; k < c->n_in && n; k++) {
            const bt_string *s = (bt_string *)c->in[k]->data + (c->in[k]->shape.rank ? i : 0);
            if (k && gap.n) memcpy(to, gap.p, gap.n), to += gap.n;
            if (s->n) memcpy(to, s->p, s->n), to += s->n;
        }
    }
    return BERTH_OK;
}

static berth_status infer_reduce_join(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    x->out[0].dtype = BERTH_STRING;
    int64_t axes[BT_MAX_RANK];
    int n, rank = x->in[0].shape.rank;
    bool reduced[BT_MAX_RANK] = {0};
    if (rank < 0 || !x->in[1].value) return BERTH_OK;
    if (!bt_ints(x->in[1].value, axes, BT_MAX_RANK, &n))
        return bt_infer_fail(x, "the dimensions are no vector");
    for (int i = 0; i < n; i++) {
        int axis;
        if (!bt_axis(axes[i], rank, &axis))
            return bt_infer_fail(x, "dimension %lld is out of range", (long long)axes[i]);
        if (reduced[axis]) return bt_infer_fail(x, "Duplicate reduction dimension %d", axis);
        reduced[axis] = true;
    }
    x->out[0].shape = BT_SCALAR;
    for (int d = 0; d < rank; d++)
        if (!reduced[d] || bt_attr_bool(x->node, "keep_dims", false))
            x->out[0].shape.dim[x->out[0].shape.rank++] = reduced[d] ? 1 : x->in[0].shape.dim[d];
    return BERTH_OK;
}

/* Dimensions are joined in the order in which they are given: the first one varies fastest. */
static berth_status run_reduce_join(bt_call *c)
{
    bt_fact fact;
    int64_t axes[BT_MAX_RANK], strides[BT_MAX_RANK];
    int n = 0, rank = c->in[0]->shape.rank;
    berth_status status = bt_strings_input(c, 0);
    if (!status) status = bt_call_facts(c, &fact);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    const bt_shape *shape = &c->in[0]->shape;
    bt_ints(c->in[1], axes, BT_MAX_RANK, &n);
    bt_strides(shape, strides);
    bt_str gap = bt_str_of(bt_attr_string(c->node, "separator", ""));
    bool reduced[BT_MAX_RANK] = {0};
    int64_t count = 1;
    for (int i = 0; i < n; i++) {
        axes[i] += axes[i] < 0 ? rank : 0;
        reduced[axes[i]] = true;
        count *= shape->dim[axes[i]];
    }
    bt_text text = {0};
    for (int64_t i = 0; i < bt_shape_count(&fact.shape) && !status; i++) {
        int64_t base = 0;
        for (int64_t d = rank - 1, left = i; d >= 0; d--)
            if (!reduced[d]) base += left % shape->dim[d] * strides[d], left /= shape->dim[d];
        for (int64_t k = 0; k < count; k++) {
            int64_t at = base, left = k;
            for (int a = 0; a < n; a++)
                at += left % shape->dim[axes[a]] * strides[axes[a]], left /= shape->dim[axes[a]];
            const bt_string *s = (const bt_string *)c->in[0]->data + at;
            if (k) bt_text_add(&text, gap.p, gap.n);
            bt_text_add(&text, s->p, s->n);
        }
        if (!bt_string_from_text(&out[i], &text)) status = bt_fail_memory(c->error);
    }
    bt_text_free(&text);
    return status;
}

static berth_status infer_segment_join(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape, *ids = &x->in[1].shape;
    x->out[0].dtype = BERTH_STRING;
    if (ids->rank == 0) return bt_infer_fail(x, "the segments must be a vector or more");
    if (in->rank < 0 || ids->rank < 0) return BERTH_OK;
    bt_shape head = bt_shape_from(ids->rank < in->rank ? ids->rank : in->rank, in->dim);
    if (!bt_shape_compatible(&head, ids)) return bt_infer_fail(x, "the segments do not fit the strings");
    x->out[0].shape = (bt_shape){.rank = in->rank - ids->rank + 1};
    if (x->out[0].shape.rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    x->out[0].shape.dim[0] = x->in[2].value ? bt_tensor_int(x->in[2].value, 0) : -1;
    if (x->in[2].value && x->out[0].shape.dim[0] < 0)
        return bt_infer_fail(x, "a negative number of segments");
    for (int d = ids->rank; d < in->rank; d++) x->out[0].shape.dim[d - ids->rank + 1] = in->dim[d];
    return BERTH_OK;
}

/* Rows of a segment are chained by `next`, and each output then follows its chain. */
static berth_status run_segment_join(bt_call *c)
{
    bt_fact fact;
    berth_status status = bt_strings_input(c, 0);
    if (!status) status = bt_call_facts(c, &fact);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    int64_t segments = fact.shape.dim[0], rows = bt_tensor_count(c->in[1]);
    int64_t width = bt_shape_span(&fact.shape, 1, fact.shape.rank);
    int64_t *first = bt_scratch(c, (size_t)(2 * segments + rows + 1) * sizeof *first);
    if (!first) return BERTH_NO_MEMORY;
    int64_t *last = first + segments, *next = last + segments;
    for (int64_t i = 0; i < segments; i++) first[i] = -1;
    for (int64_t i = 0; i < rows; i++) {
        int64_t id = bt_tensor_int(c->in[1], i);
        if (id < 0 || id >= segments)
            return bt_call_fail(
                c, "segment_ids are not allowed to exceed num_segments or to have negative values");
        if (first[id] < 0) first[id] = i;
        else next[last[id]] = i;
        last[id] = i, next[i] = -1;
    }
    bt_str gap = bt_str_of(bt_attr_string(c->node, "separator", ""));
    bt_text text = {0};
    for (int64_t i = 0; i < segments * width && !status; i++) {
        for (int64_t row = first[i / width]; row >= 0; row = next[row]) {
            const bt_string *s = (const bt_string *)c->in[0]->data + row * width + i % width;
            if (text.n) bt_text_add(&text, gap.p, gap.n); /* none behind empty strings, as TensorFlow has it */
            bt_text_add(&text, s->p, s->n);
        }
        if (!bt_string_from_text(&out[i], &text)) status = bt_fail_memory(c->error);
    }
    bt_text_free(&text);
    return status;
}

const bt_op bt_ops_string_simple[] = {
    {"StringLength", infer_length, .cpu = run_length},
    {"StringStrip", infer_strings, .cpu = run_strip},
    {"Substr", infer_substr, .cpu = run_substr},
    {"StringJoin", infer_join, .cpu = run_join},
    {"ReduceJoin", infer_reduce_join, .cpu = run_reduce_join},
    {"UnsortedSegmentJoin", infer_segment_join, .cpu = run_segment_join},
    {NULL},
};
