/* Layouts: for exact input shapes, what every slot's shape is, what need not be computed, which outputs are written over
 * which inputs, and where the rest lies in the arena. A pass over the steps: microseconds, not a new plan. */
#include "plan/plan.h"

#include <stdlib.h>

enum { MOST_LAYOUTS = 32, ALIGNMENT = 64 };

typedef struct region {
    int32_t home;
    size_t bytes, offset;
    int32_t first, last; /* steps */
} region;

typedef struct maker {
    bt_plan *plan;
    bt_layout *layout;
    bt_arena work; /* gone when the layout is made */
    bt_fact *facts;
    int32_t
        *home; /* by slot: the slot whose place it has: its root, or the home of what it is written over */
    int32_t *last;    /* by home: the last step that reads the place */
    int32_t *fetched; /* by home: the fetch whose tensor is the place, -1: none */
    bool *skipped;    /* by step */
    berth_error *error;
} maker;

static const bt_slot *slot_of(const maker *m, int32_t slot) { return &m->plan->slots[slot]; }
static bool is_static(const maker *m, int32_t slot)
{
    return bt_shape_known(&m->facts[slot].shape) && m->facts[slot].dtype &&
           !bt_dtype_is_object(m->facts[slot].dtype);
}
static size_t slot_bytes(const maker *m, int32_t slot)
{
    size_t bytes = 0;
    if (!bt_shape_bytes(&m->facts[slot].shape, bt_dtype_size(m->facts[slot].dtype), &bytes)) return SIZE_MAX;
    return bytes;
}

static bt_device *device_of(const maker *m, int32_t slot)
{
    bt_device *device = m->plan->env.places[slot_of(m, slot)->place];
    return device->ops->compile ? device : NULL;
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

berth_status bt_plan_infer_step(bt_plan *plan, int32_t index, bt_arena *arena, bt_fact *in, bt_fact *out, bt_fact *facts,
                                bool *is_known, berth_error *error)
{
    const bt_step *step = &plan->steps[index];
    for (int i = 0; i < step->n_in; i++) in[i] = facts[step->in[i]];
    berth_status status = bt_facts_node(arena, step->node, in, step->n_in, out, step->n_out,
                                        plan->env.source->producer, false, plan->env.pool, error);
    if (status) return status;
    bool known = step->n_out > 0;
    for (int i = 0; i < step->n_out; i++) {
        bt_fact *fact = &facts[step->out[i]];
        const bt_slot *slot = &plan->slots[step->out[i]];
        /* What prepare found out (a loop's results) holds for all shapes. */
        *fact = slot->fact;
        if (!fact->dtype) fact->dtype = out[i].dtype;
        if (!bt_shape_known(&fact->shape)) bt_shape_merge(&fact->shape, &out[i].shape);
        /* A value that is known is known on the host. */
        fact->value = plan->guarded || plan->env.places[slot->place]->ops->compile ? NULL : out[i].value;
        known = known && fact->value;
    }
    *is_known = known && !(step->op->flags & BT_OP_STATEFUL);
    for (int i = 0; i < step->n_out && !*is_known; i++) facts[step->out[i]].value = NULL;
    return BERTH_OK;
}

berth_status bt_plan_infer(bt_plan *plan, const bt_shape *feeds, bt_arena *work, bt_arena *values,
                           bt_fact *facts, bool *known, berth_error *error)
{
    int most = 1;
    for (int32_t s = 0; s < plan->n_steps; s++)
        if (plan->steps[s].n_in + plan->steps[s].n_out > most)
            most = plan->steps[s].n_in + plan->steps[s].n_out;
    bt_fact *in = bt_arena_array(work, bt_fact, (size_t)most);
    bt_fact *out = bt_arena_array(work, bt_fact, (size_t)most);
    if (!in || !out) return bt_fail_memory(error);
    for (int32_t i = 0; i < plan->n_slots; i++) {
        facts[i] = plan->slots[i].fact;
        if (plan->slots[i].kind == BT_SLOT_FEED) facts[i].shape = feeds[plan->slots[i].step];
    }
    berth_status status = BERTH_OK;
    for (int32_t s = 0; s < plan->n_steps && !status; s++)
        status = bt_plan_infer_step(plan, s, values, in, out, facts, &known[s], error);
    return status;
}

/* ---- Homes -------------------------------------------------------------------------------------------- */

/* The place of a slot is the arena's: made by a step, of a size that is known, not known itself. */
static bool in_arena(const maker *m, int32_t home)
{
    return slot_of(m, home)->kind == BT_SLOT_STEP && is_static(m, home) && !m->facts[home].value;
}

/* Its value is the same in every run, and so are the bytes: strings, too. */
static bool is_given(const maker *m, int32_t slot)
{
    return slot_of(m, slot)->kind == BT_SLOT_CONST || m->facts[slot].value;
}

/* An input that an elementwise step may write over: of the output's very shape, and read by nobody later. */
static int32_t overwritten(const maker *m, int32_t s)
{
    const bt_step *step = &m->plan->steps[s];
    int32_t out = step->out[0];
    for (int i = 0; i < step->n_in; i++) {
        int32_t in = step->in[i], home = m->home[in];
        bool fits = slot_of(m, in)->place == slot_of(m, out)->place && is_static(m, in) &&
                    in_arena(m, home) && m->last[home] == s &&
                    bt_shape_equal(&m->facts[in].shape, &m->facts[out].shape) &&
                    bt_dtype_size(m->facts[in].dtype) == bt_dtype_size(m->facts[out].dtype);
        for (int j = 0; j < step->n_in; j++)
            fits = fits && (j == i || m->home[step->in[j]] != home || step->in[j] == in);
        if (fits) return home;
    }
    return -1;
}

static void choose_homes(maker *m)
{
    bt_plan *plan = m->plan;
    for (int32_t i = 0; i < plan->n_slots; i++) {
        m->home[i] = plan->slots[i].root;
        m->last[i] = plan->slots[i].last;
    }
    for (int32_t s = 0; s < plan->n_steps; s++) {
        const bt_step *step = &plan->steps[s];
        if (m->skipped[s] || step->n_out < 1) continue;
        int32_t out = step->out[0];
        if (step->op->flags & BT_OP_ALIAS) {
            if (step->n_in) m->home[out] = m->home[step->in[0]];
            continue;
        }
        if (!(step->op->flags & BT_OP_INPLACE) || !is_static(m, out) || slot_of(m, out)->root != out)
            continue;
        int32_t home = overwritten(m, s);
        if (home < 0) continue;
        m->last[home] = m->last[out];
        m->home[out] = home;
    }
}

/* A fetch whose place is the arena's is computed straight into the caller's tensor; the first of several fetches of one
 * place gets it, the others are copied. */
static void bind_fetches(maker *m)
{
    bt_plan *plan = m->plan;
    for (int32_t i = 0; i < plan->n_slots; i++) m->fetched[i] = -1;
    for (int i = 0; i < plan->n_fetches; i++) {
        int32_t slot = plan->fetches[i], home = m->home[slot];
        bool whole = slot_of(m, home)->place == slot_of(m, slot)->place && is_static(m, slot) &&
                     in_arena(m, home) && slot_bytes(m, home) == slot_bytes(m, slot);
        if (whole && m->fetched[home] < 0 && !plan->guarded) m->fetched[home] = i;
    }
}

/* ---- Offsets ------------------------------------------------------------------------------------------ */

static int larger_first(const void *a, const void *b)
{
    const region *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->home < y->home ? -1 : 1;
}

static int by_offset(const void *a, const void *b)
{
    const region *x = *(const region *const *)a, *y = *(const region *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Largest first, each at the lowest offset that is free for its whole life. */
static berth_status place_regions(maker *m, region *regions, size_t n)
{
    const region **alive = bt_arena_array(&m->work, const region *, n + 1);
    if (!alive) return bt_fail_memory(m->error);
    qsort(regions, n, sizeof *regions, larger_first);
    for (size_t i = 0; i < n; i++) {
        region *r = &regions[i];
        size_t n_alive = 0, offset = 0;
        for (size_t j = 0; j < i; j++)
            if (slot_of(m, regions[j].home)->place == slot_of(m, r->home)->place &&
                regions[j].first <= r->last && r->first <= regions[j].last)
                alive[n_alive++] = &regions[j];
        qsort((void *)alive, n_alive, sizeof *alive, by_offset);
        for (size_t j = 0; j < n_alive; j++) {
            if (offset + r->bytes <= alive[j]->offset) break;
            size_t end = alive[j]->offset + alive[j]->bytes;
            if (end > offset) offset = end;
        }
        r->offset = offset;
        m->layout->offset[r->home] = (int64_t)offset;
        size_t *top = &m->layout->arena_bytes[slot_of(m, r->home)->place];
        if (offset + r->bytes > *top) *top = offset + r->bytes;
    }
    return BERTH_OK;
}

static berth_status choose_offsets(maker *m)
{
    bt_plan *plan = m->plan;
    bt_layout *layout = m->layout;
    region *regions = bt_arena_array(&m->work, region, (size_t)plan->n_slots + 1);
    if (!regions) return bt_fail_memory(m->error);
    size_t n = 0, total = 0;
    for (int32_t i = 0; i < plan->n_slots; i++) {
        layout->offset[i] = is_static(m, i) || is_given(m, i) ? BT_ELSEWHERE : BT_DYNAMIC;
        if (m->home[i] != i || !in_arena(m, i) || m->fetched[i] >= 0 || m->skipped[slot_of(m, i)->step])
            continue;
        size_t bytes = slot_bytes(m, i);
        if (bytes > PTRDIFF_MAX - ALIGNMENT ||
            !bt_add(total, bytes = bt_align(bytes ? bytes : 1, ALIGNMENT), &total) || total > PTRDIFF_MAX)
            return bt_fail(m->error, BERTH_NO_MEMORY, "node '%s' (%s): its result is too large",
                           plan->steps[slot_of(m, i)->step].node->name,
                           plan->steps[slot_of(m, i)->step].node->op);
        int32_t last = m->last[i] < slot_of(m, i)->step ? slot_of(m, i)->step : m->last[i];
        regions[n++] = (region){.home = i, .bytes = bytes, .first = slot_of(m, i)->step, .last = last};
    }
    berth_status status = place_regions(m, regions, n);
    for (int32_t i = 0; i < plan->n_slots && !status; i++) {
        int32_t home = m->home[i];
        if (home == i || is_given(m, i)) continue;
        bool shares = is_static(m, i) &&
                      (in_arena(m, home) || slot_of(m, home)->kind != BT_SLOT_STEP || m->facts[home].value);
        layout->offset[i] = !shares ? BT_DYNAMIC : layout->offset[home];
    }
    return status;
}

/* ---- What runs use ------------------------------------------------------------------------------------ */

/* Groups the slots that share the bytes of feed i, or of the tensor fetched as i. */
static berth_status group(maker *m, bool feeds, int32_t **slots, int32_t **first)
{
    bt_plan *plan = m->plan;
    int n = feeds ? plan->n_feeds : plan->n_fetches;
    *slots = bt_arena_array(&m->layout->arena, int32_t, (size_t)plan->n_slots + 1);
    *first = bt_arena_array(&m->layout->arena, int32_t, (size_t)n + 1);
    if (!*slots || !*first) return bt_fail_memory(m->error);
    int32_t used = 0;
    for (int g = 0; g < n; g++) {
        (*first)[g] = used;
        for (int32_t i = 0; i < plan->n_slots; i++) {
            int32_t home = m->home[i];
            bool member =
                feeds ? slot_of(m, home)->kind == BT_SLOT_FEED && slot_of(m, home)->step == g && i != home
                      : m->fetched[home] == g;
            if (member && is_static(m, i) && !m->facts[i].value) (*slots)[used++] = i;
        }
    }
    (*first)[n] = used;
    return BERTH_OK;
}

static void fill_initial(maker *m)
{
    bt_plan *plan = m->plan;
    for (int32_t i = 0; i < plan->n_slots; i++) {
        bt_tensor *t = &m->layout->initial[i];
        const bt_slot *home = slot_of(m, m->home[i]);
        t->dtype = m->facts[i].dtype;
        t->shape = m->facts[i].shape;
        t->device = device_of(m, i);
        if (slot_of(m, i)->kind == BT_SLOT_CONST) t->data = slot_of(m, i)->constant.data;
        else if (m->facts[i].value) *t = *m->facts[i].value;
        else if (home->kind == BT_SLOT_CONST && is_static(m, i)) t->data = home->constant.data;
        else if (is_static(m, i) && m->home[i] != i && m->facts[m->home[i]].value)
            t->data = m->facts[m->home[i]].value->data;
    }
}

/* Steps that must run: not those whose results are known, nor aliases whose bytes already stand where they should. */
static void list_steps(maker *m)
{
    bt_plan *plan = m->plan;
    bt_layout *layout = m->layout;
    for (int32_t s = 0; s < plan->n_steps; s++) {
        const bt_step *step = &plan->steps[s];
        bool alias = !plan->guarded && step->op->flags & BT_OP_ALIAS && !(step->op->flags & BT_OP_STATEFUL) &&
                     step->n_in && layout->offset[step->out[0]] != BT_DYNAMIC;
        if (!m->skipped[s] && !alias) layout->steps[layout->n_steps++] = s;
    }
}

static berth_status make(maker *m, bt_tensor *const *feeds)
{
    bt_plan *plan = m->plan;
    bt_layout *layout = m->layout;
    size_t n = (size_t)plan->n_slots;
    m->facts = bt_arena_array(&m->work, bt_fact, n + 1);
    m->home = bt_arena_array(&m->work, int32_t, n + 1);
    m->last = bt_arena_array(&m->work, int32_t, n + 1);
    m->fetched = bt_arena_array(&m->work, int32_t, n + 1);
    m->skipped = bt_arena_array(&m->work, bool, (size_t)plan->n_steps + 1);
    layout->initial = bt_arena_array(&layout->arena, bt_tensor, n + 1);
    layout->offset = bt_arena_array(&layout->arena, int64_t, n + 1);
    layout->steps = bt_arena_array(&layout->arena, int32_t, (size_t)plan->n_steps + 1);
    layout->feed_shapes = bt_arena_array(&layout->arena, bt_shape, (size_t)plan->n_feeds + 1);
    if (!m->facts || !m->home || !m->last || !m->fetched || !m->skipped || !layout->initial ||
        !layout->offset || !layout->steps || !layout->feed_shapes)
        return bt_fail_memory(m->error);
    for (int i = 0; i < plan->n_feeds; i++) layout->feed_shapes[i] = feeds[i]->shape;
    berth_status status =
        bt_plan_infer(plan, layout->feed_shapes, &m->work, &layout->arena, m->facts, m->skipped, m->error);
    if (status) return status;
    choose_homes(m);
    bind_fetches(m);
    status = choose_offsets(m);
    if (!status) status = group(m, true, &layout->feed_slots, &layout->feed_first);
    if (!status) status = group(m, false, &layout->fetch_slots, &layout->fetch_first);
    if (status) return status;
    fill_initial(m);
    list_steps(m);
    return BERTH_OK;
}

static bt_layout *layout_new(bt_plan *plan, bt_tensor *const *feeds, berth_error *error)
{
    bt_layout *layout = bt_calloc(1, sizeof *layout);
    if (!layout) return bt_fail_memory(error), NULL;
    maker m = {.plan = plan, .layout = layout, .error = error};
    bt_arena_init(&layout->arena);
    bt_arena_init(&m.work);
    berth_status status = make(&m, feeds);
    bt_arena_free(&m.work);
    if (!status) return layout->refs = 1, layout;
    bt_layout_free(layout);
    return NULL;
}

void bt_layout_free(bt_layout *layout)
{
    if (!layout) return;
    bt_arena_free(&layout->arena);
    bt_free(layout);
}

/* ---- Finding ------------------------------------------------------------------------------------------ */

static bool same_feeds(const bt_plan *plan, const bt_layout *layout, bt_tensor *const *feeds)
{
    for (int i = 0; i < plan->n_feeds; i++)
        if (plan->feeds[i] >= 0 && !bt_shape_equal(&layout->feed_shapes[i], &feeds[i]->shape)) return false;
    return true;
}

/* Moves to the front what was found; lets the oldest that no run uses go. */
static void enter(bt_plan *plan, bt_layout *layout, int at)
{
    memmove(plan->layouts + 1, plan->layouts, (size_t)at * sizeof *plan->layouts);
    plan->layouts[0] = layout;
}

bt_layout *bt_plan_layout(bt_plan *plan, bt_tensor *const *feeds, berth_error *error)
{
    pthread_mutex_lock(&plan->lock);
    bt_layout *found = NULL;
    for (int i = 0; i < plan->n_layouts && !found; i++) {
        if (!same_feeds(plan, plan->layouts[i], feeds)) continue;
        found = plan->layouts[i];
        enter(plan, found, i);
        found->refs++;
    }
    if (!found && !plan->layouts && !(plan->layouts = bt_calloc(MOST_LAYOUTS, sizeof *plan->layouts)))
        bt_fail_memory(error);
    else if (!found && (found = layout_new(plan, feeds, error))) {
        int at = plan->n_layouts;
        if (at == MOST_LAYOUTS) {
            bt_layout *oldest = plan->layouts[--at];
            if (--oldest->refs < 0) bt_layout_free(oldest);
        } else plan->n_layouts++;
        enter(plan, found, at);
        found->number = ++plan->n_numbered;
    }
    pthread_mutex_unlock(&plan->lock);
    return found;
}

/* refs counts the run states; a layout that was let go while in use has one less and is freed by the last of them. */
void bt_layout_release(bt_plan *plan, bt_layout *layout)
{
    if (!layout) return;
    pthread_mutex_lock(&plan->lock);
    if (--layout->refs < 0) bt_layout_free(layout);
    pthread_mutex_unlock(&plan->lock);
}
