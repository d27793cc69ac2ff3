/* Lists of tensors (TensorList...) and TensorFlow 1's arrays in the analysis of batches: what their items are. Places in
 * them are the same in both runs, so that the batch is a dimension of each item. What is read from one is told its shape by
 * what was put in, in this analysis, since lists do not tell it before a run. */
#include "ops/items.h"
#include "plan/flow.h"

#define mixes bt_batch_mixes
#define sized bt_batch_sized

/* One that a step makes; however often it does, it counts as one. */
struct bt_batch_array {
    struct bt_batch_array *next;
    const bt_step *step;
    bt_batch_items items;
};

/* A step that does something with a list. */
typedef struct step {
    bt_walk *w;
    const bt_step *it;
    int arg;               /* of the table's row */
    bt_batch_items *items; /* of input 0; NULL: the op makes one */
} step;

typedef const char *rule(step *s);

static const bt_flow *flow_of(const step *s, int i) { return &s->w->flow[s->it->in[i]]; }
static bool is_same(const step *s, int i) { return i < s->it->n_in && flow_of(s, i)->kind == BT_SAME; }

/* The number that input i is; -1: not known beforehand. */
static int64_t number(const step *s, int i)
{
    const bt_tensor *t = s->w->whole[s->it->in[i]].value;
    return t && bt_dtype_is_int(t->dtype) && bt_tensor_count(t) == 1 ? bt_tensor_int(t, 0) : -1;
}

/* ---- Items -------------------------------------------------------------------------------------------- */

static void weaken(bt_shape *a, const bt_shape *b, bool *changed) { *changed |= bt_shape_weaken(a, b); }

/* *a holds what *b holds as well. */
static bool join_items(bt_batch_items *a, const bt_batch_items *b, bool *changed)
{
    if (a->n != b->n && a->n >= 0) a->n = -1, *changed = true;
    if (!b->any) return true;
    if (!a->any) {
        a->any = true, a->flow = b->flow, a->whole = b->whole, a->some = b->some;
        return *changed = true;
    }
    bool alike =
        a->flow.kind == b->flow.kind && a->flow.axis == b->flow.axis && a->flow.outer == b->flow.outer;
    if (alike) weaken(&a->whole, &b->whole, changed), weaken(&a->some, &b->some, changed);
    return alike;
}

bool bt_batch_join(bt_batch *b, bt_both *a, const bt_both *other, bool *changed)
{
    const bt_flow *f = &a->flow, *g = &other->flow;
    if (f->kind != g->kind || f->kind == BT_SIZE) return false;
    if (f->kind == BT_ROWS && (f->axis != g->axis || f->outer != g->outer)) return false;
    weaken(&a->whole.shape, &other->whole.shape, changed);
    weaken(&a->some.shape, &other->some.shape, changed);
    if (f->kind != BT_ITEMS || f->items == g->items) return true;
    if (f->items->is_array || g->items->is_array) return false;
    bt_batch_items *both = bt_arena_new(b->arena, bt_batch_items);
    if (!both) return b->no_memory = true, false;
    *both = *f->items;
    a->flow.items = both;
    return join_items(both, g->items, changed);
}

/* The list holds these, too, and n in all. */
static const char *add(step *s, const bt_batch_items *more, int64_t n)
{
    bool changed = false;
    if (!bt_shape_compatible(&s->items->stated, &more->whole) ||
        !bt_shape_compatible(&s->items->stated_too, &more->some))
        return "its list is for items of another shape";
    if (more->flow.kind != BT_SAME && more->flow.kind != BT_ROWS)
        return more->flow.kind == BT_SIZE ? sized : mixes;
    if (!join_items(s->items, more, &changed)) return "a list holds rows of the batch and what has none";
    s->items->n = n;
    if (changed && s->items->is_array && s->items->is_read) s->w->batch->again = true;
    return NULL;
}

static const char *put(step *s, int i, int64_t n)
{
    const bt_both in = bt_batch_slot(s->w, s->it->in[i]);
    return add(
        s,
        &(bt_batch_items){
            .any = true, .flow = in.flow, .whole = in.whole.shape, .some = in.some.shape, .n = s->items->n},
        n);
}

/* The rows, along dimension 0, of input i. */
static const char *put_rows(step *s, int i, int64_t n)
{
    const bt_both in = bt_batch_slot(s->w, s->it->in[i]);
    const bt_shape *whole = &in.whole.shape, *some = &in.some.shape;
    bt_batch_items rows = {.any = true, .flow = in.flow, .n = s->items->n};
    if (in.flow.kind == BT_ROWS && !rows.flow.axis--) return "a list holds an item a row of the batch";
    if (whole->rank < 1 || some->rank < 1)
        return "the shape of one of its inputs is not known before it runs";
    rows.whole = bt_shape_from(whole->rank - 1, whole->dim + 1);
    rows.some = bt_shape_from(some->rank - 1, some->dim + 1);
    return add(s, &rows, n);
}

static const char *tell_shape(bt_fact *fact, const bt_shape *item, const int64_t *n)
{
    bt_shape shape = *item;
    if (item->rank < 0 || (n && !bt_shape_prepend(*n, item, &shape))) return NULL;
    return bt_shape_merge(&fact->shape, &shape) ? NULL : "its result is not of the shape that it says";
}

/* Output `out` is an item, or, where n is given, so many of them stacked. */
static const char *get(step *s, int out, const int64_t *n)
{
    bt_walk *w = s->w;
    bt_fact *whole = &w->whole[s->it->out[out]], *some = &w->some[s->it->out[out]];
    s->items->is_read = true;
    if (!s->items->any) return "nothing is known of what its list holds";
    const char *why = tell_shape(whole, &s->items->whole, n);
    if (!why) why = tell_shape(some, &s->items->some, n);
    w->results[out] = s->items->flow; /* the axis follows from the shapes */
    return why;
}

/* ---- Rules -------------------------------------------------------------------------------------------- */

static const char *out_list(step *s)
{
    s->w->results[0] = (bt_flow){.kind = BT_ITEMS, .items = s->items};
    return NULL;
}

static const char *no_memory(step *s)
{
    s->w->batch->no_memory = true;
    return "";
}

/* The list of input 0, to be changed. */
static bool own(step *s)
{
    bt_batch_items *mine = bt_arena_new(s->w->batch->arena, bt_batch_items);
    if (!mine) return false;
    *mine =
        s->items ? *s->items : (bt_batch_items){.stated = BT_SHAPE_UNKNOWN, .stated_too = BT_SHAPE_UNKNOWN};
    s->items = mine;
    return true;
}

static const char *const moves = "which item it takes depends on the batch";

static void state(const bt_tensor *shape, bt_shape *stated)
{
    if (!shape || !bt_element_shape(shape, stated)) *stated = BT_SHAPE_UNKNOWN;
}

/* An empty list, or one of as many items as an input says. */
static const char *make(step *s)
{
    if (!own(s)) return no_memory(s);
    if (flow_of(s, 0)->kind == BT_ROWS || !is_same(s, 1)) return sized;
    s->items->n = s->arg ? number(s, s->arg) : 0;
    state(s->w->whole[s->it->in[0]].value, &s->items->stated);
    state(s->w->some[s->it->in[0]].value, &s->items->stated_too);
    return out_list(s);
}

static const char *push(step *s)
{
    if (!own(s)) return no_memory(s);
    const char *why = put(s, 1, s->items->n < 0 ? -1 : s->items->n + 1);
    return why ? why : out_list(s);
}

static const char *pop(step *s)
{
    if (!own(s)) return no_memory(s);
    const char *why = get(s, 1, NULL);
    s->items->n = s->items->n > 0 ? s->items->n - 1 : -1;
    return why ? why : out_list(s);
}

/* list or array, place, ... */
static const char *read(step *s) { return is_same(s, 1) ? get(s, 0, NULL) : moves; }

static const char *set(step *s)
{
    if (!is_same(s, 1)) return moves;
    if (!own(s)) return no_memory(s);
    bool grows = bt_attr_bool(s->it->node, "resize_if_index_out_of_bounds", false);
    const char *why = put(s, 2, grows ? -1 : s->items->n);
    return why ? why : out_list(s);
}

static const char *resize(step *s)
{
    if (!is_same(s, 1)) return sized;
    if (!own(s)) return no_memory(s);
    s->items->n = number(s, 1);
    return out_list(s);
}

static const char *stack(step *s) { return get(s, 0, &s->items->n); }

/* list or array, places, ... */
static const char *gather(step *s)
{
    const bt_shape *places = &s->w->whole[s->it->in[1]].shape;
    int64_t n = places->rank == 1 ? places->dim[0] : -1;
    return is_same(s, 1) ? get(s, 0, &n) : moves;
}

static const char *unstack(step *s)
{
    if (!own(s)) return no_memory(s);
    const bt_shape *shape = &s->w->whole[s->it->in[0]].shape;
    const char *why = put_rows(s, 0, shape->rank < 1 ? -1 : shape->dim[0]);
    return why ? why : out_list(s);
}

/* value, places, ... */
static const char *scatter(step *s)
{
    if (!is_same(s, 1)) return moves;
    if (!own(s)) return no_memory(s);
    const char *why = put_rows(s, 0, -1);
    return why ? why : out_list(s);
}

/* Output 0 is how many there are. */
static const char *size(step *s)
{
    bt_walk *w = s->w;
    bt_tensor *value = bt_arena_new(w->batch->arena, bt_tensor);
    int32_t *data = bt_arena_new(w->batch->arena, int32_t);
    if (!value || !data) return no_memory(s);
    if (s->items->n < 0 || s->items->n > INT32_MAX) return NULL;
    *data = (int32_t)s->items->n;
    *value = (bt_tensor){.dtype = BERTH_INT32, .shape = BT_SCALAR, .data = data};
    w->whole[s->it->out[0]].value = w->some[s->it->out[0]].value = value;
    return NULL;
}

static const char *make_array(step *s)
{
    bt_batch *b = s->w->batch;
    bt_batch_array *array = b->arrays;
    if (!is_same(s, 0)) return sized;
    while (array && array->step != s->it) array = array->next;
    int64_t n = bt_attr_bool(s->it->node, "dynamic_size", false) ? -1 : number(s, 0);
    if (!array) {
        array = bt_arena_new(b->arena, bt_batch_array);
        if (!array) return no_memory(s);
        array->next = b->arrays, array->step = s->it;
        array->items.is_array = true, array->items.n = n;
        if (!bt_attr_shape(s->it->node, "element_shape", &array->items.stated))
            array->items.stated = BT_SHAPE_UNKNOWN;
        array->items.stated_too = array->items.stated;
        b->arrays = array;
    }
    if (array->items.n != n && array->items.n >= 0) array->items.n = -1, b->again = true;
    s->items = &array->items;
    return out_list(s);
}

/* array, place, value, flow */
static const char *write_array(step *s) { return is_same(s, 1) ? put(s, 2, s->items->n) : moves; }

static const char *scatter_array(step *s) { return is_same(s, 1) ? put_rows(s, 2, s->items->n) : moves; }

static const char *nothing(step *s)
{
    (void)s;
    return NULL;
}

static const struct {
    const char *op; /* of TensorFlow 1's arrays without its version */
    rule *rule;
    int arg;
    bool makes;
} table[] = {
    {"EmptyTensorList", make, 0, true},          {"TensorListReserve", make, 1, true},
    {"TensorListFromTensor", unstack, 0, true},  {"TensorListScatter", scatter, 0, true},
    {"TensorListScatterV2", scatter, 0, true},   {"TensorListPushBack", push, 0, false},
    {"TensorListPopBack", pop, 0, false},        {"TensorListGetItem", read, 0, false},
    {"TensorListSetItem", set, 0, false},        {"TensorListLength", size, 0, false},
    {"TensorListResize", resize, 0, false},      {"TensorListStack", stack, 0, false},
    {"TensorListGather", gather, 0, false},      {"TensorArray", make_array, 0, true},
    {"TensorArrayWrite", write_array, 0, false}, {"TensorArrayRead", read, 0, false},
    {"TensorArrayGather", gather, 0, false},     {"TensorArrayScatter", scatter_array, 0, false},
    {"TensorArraySize", size, 0, false},         {"TensorArrayClose", nothing, 0, false},
};

static bool names(const char *op, const char *known)
{
    size_t n = strlen(known);
    if (strncmp(op, known, n)) return false;
    return !op[n] || (!strncmp(known, "TensorArray", 11) && (!strcmp(op + n, "V2") || !strcmp(op + n, "V3")));
}

const char *bt_batch_items_rule(bt_walk *w, const bt_step *it, bool *is_one)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!names(it->op->name, table[i].op)) continue;
        step s = {.w = w, .it = it, .arg = table[i].arg};
        *is_one = true;
        for (int k = 0; k < it->n_out; k++) w->results[k] = (bt_flow){BT_SAME};
        if (table[i].makes) return table[i].rule(&s);
        if (!it->n_in || flow_of(&s, 0)->kind != BT_ITEMS) return "nothing is known of what its list holds";
        s.items = flow_of(&s, 0)->items;
        return table[i].rule(&s);
    }
    return NULL;
}
