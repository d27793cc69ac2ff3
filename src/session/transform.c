/* A changed copy of a model: which part of the graph is kept, which passes run over it, and what its inputs and outputs are
 * called in the end. The passes: ../pass/portable.h. Writing it: save.c. */
#include "session/transform.h"

#include "pass/portable.h"

typedef struct transform {
    berth_model *from, *made;
    berth_transform_options options;
    bool flat;
    bt_portable p;
    bt_signature *kept; /* of the new model; ports are of the old until the end */
    int n_kept;
    int *feed_of, *fetch_of; /* of a port, signatures one behind the other: its feed, its fetch */
    bt_edge *feeds, *fetches;
    bt_fact *facts; /* of feeds */
    int n_feeds, n_fetches;
    int32_t *targets;
    int n_targets;
    bt_arena *arena;
    berth_error *error;
} transform;

/* ---- Inputs and outputs ------------------------------------------------------------------------------- */

static berth_status find_tensor(transform *t, const char *name, bt_edge *edge)
{
    bt_str node;
    int slot;
    bool named = bt_tensor_name(bt_str_of(name), &node, &slot) && slot >= 0;
    *edge = (bt_edge){named ? bt_graph_find(&t->from->source.graph, node) : -1, slot};
    if (edge->node >= 0) return BERTH_OK;
    return bt_fail(t->error, BERTH_NOT_FOUND, "output '%s': the model has no such tensor", name);
}

static berth_status find_port(transform *t, const bt_port *port, bt_edge *edge)
{
    if (t->from->source.n_signatures) return find_tensor(t, port->tensor, edge);
    return *edge = port->at, BERTH_OK;
}

/* The outputs that were asked for, by a key or by a tensor's name, each under the signature's key or else its own name. */
static berth_status take_outputs(transform *t, bt_signature *s)
{
    const bt_port *ports = s->outputs;
    int n = s->n_outputs;
    s->n_outputs = (int)t->options.n_outputs;
    s->outputs = bt_arena_array(t->arena, bt_port, t->options.n_outputs + 1);
    if (!s->outputs) return bt_fail_memory(t->error);
    for (int i = 0; i < s->n_outputs; i++) {
        const char *name = t->options.outputs[i];
        bt_edge wanted, has;
        int key = 0;
        while (key < n && strcmp(ports[key].key, name)) key++;
        if (key < n) {
            s->outputs[i] = ports[key];
            continue;
        }
        if (find_tensor(t, name, &wanted)) return t->error->status;
        size_t length = strlen(name) - (bt_ends(name, ":0") ? 2 : 0);
        s->outputs[i] = (bt_port){.key = bt_arena_copy(t->arena, name, length),
                                  .tensor = bt_arena_copy(t->arena, name, strlen(name)),
                                  .shape = BT_SHAPE_UNKNOWN,
                                  .at = wanted};
        if (!s->outputs[i].key || !s->outputs[i].tensor) return bt_fail_memory(t->error);
        for (int k = 0; k < n; k++)
            if (!find_port(t, &ports[k], &has) && has.node == wanted.node && has.slot == wanted.slot)
                s->outputs[i] = ports[k];
    }
    return BERTH_OK;
}

static berth_status choose(transform *t)
{
    const bt_source *from = &t->from->source;
    const berth_transform_options *o = &t->options;
    bool one = o->signature || o->n_outputs || t->flat || !from->n_signatures;
    t->n_kept = one ? 1 : from->n_signatures;
    t->kept = bt_arena_array(t->arena, bt_signature, (size_t)t->n_kept);
    if (!t->kept) return bt_fail_memory(t->error);
    if (!one) return memcpy(t->kept, from->signatures, (size_t)t->n_kept * sizeof *t->kept), BERTH_OK;
    const bt_signature *s = bt_model_signature(t->from, o->signature, t->error);
    if (!s) return t->error->status;
    t->kept[0] = *s;
    berth_status status = BERTH_OK;
    if (o->n_outputs) status = take_outputs(t, &t->kept[0]);
    else if (!from->n_signatures) status = bt_whole_drop_unknown(t->from, t->arena, &t->kept[0], t->error);
    return status || from->n_signatures ? status
                                        : bt_whole_drop_unread(t->from, t->arena, &t->kept[0], t->error);
}

/* The feed of an edge, made once. */
static int add_feed(transform *t, bt_edge e, berth_dtype dtype, const bt_shape *shape)
{
    for (int i = 0; i < t->n_feeds; i++)
        if (t->feeds[i].node == e.node && t->feeds[i].slot == e.slot) return i;
    t->feeds[t->n_feeds] = e;
    t->facts[t->n_feeds] = (bt_fact){.dtype = dtype, .shape = *shape};
    return t->n_feeds++;
}

/* Placeholders beside the signatures' that something needs stay placeholders. */
static berth_status add_placeholders(transform *t)
{
    const bt_graph *g = &t->from->source.graph;
    bool *seen = bt_arena_array(t->arena, bool, g->n_nodes + 1);
    int32_t *stack = bt_arena_array(t->arena, int32_t, g->n_nodes + 1);
    size_t n = 0;
    int n_ports = t->n_feeds;
    if (!seen || !stack) return bt_fail_memory(t->error);
    for (int i = 0; i < n_ports; i++) seen[t->feeds[i].node] = t->feeds[i].slot == 0;
#define REACH(i) (seen[i] ? (void)0 : (void)(seen[i] = true, stack[n++] = (i)))
    for (int i = 0; i < t->n_fetches; i++) REACH(t->fetches[i].node);
    for (int i = 0; i < t->n_targets; i++) REACH(t->targets[i]);
    while (n) {
        const bt_node *node = &g->nodes[stack[--n]];
        for (int i = 0; i < node->n_inputs; i++) REACH(node->inputs[i].node);
        for (int i = 0; i < node->n_controls; i++) REACH(node->controls[i]);
        if (strcmp(node->op, "Placeholder")) continue;
        bt_shape shape = bt_input_shape(node, t->from->source.producer);
        add_feed(t, (bt_edge){(int32_t)(node - g->nodes), 0}, bt_attr_type(node, "dtype", BERTH_NO_DTYPE),
                 &shape);
    }
#undef REACH
    return BERTH_OK;
}

/* A shape for an input, by its key or its tensor's name. */
static berth_status take_shape(transform *t, const berth_spec *spec)
{
    char text[2][BT_SHAPE_TEXT];
    bool found = false;
    bt_shape wanted = bt_shape_from(spec->rank, spec->dims);
    for (int s = 0, at = 0; s < t->n_kept; s++)
        for (int i = 0; i < t->kept[s].n_inputs; i++, at++) {
            const bt_port *port = &t->kept[s].inputs[i];
            size_t n = strlen(spec->name);
            bool named = !strcmp(spec->name, port->key) || !strcmp(spec->name, port->tensor) ||
                         (!strncmp(spec->name, port->tensor, n) && !strcmp(port->tensor + n, ":0"));
            if (!named) continue;
            bt_shape *shape = &t->facts[t->feed_of[at]].shape, before = *shape;
            found = true;
            if (!bt_shape_merge(shape, &wanted))
                return bt_fail(t->error, BERTH_BAD_ARGUMENT, "input '%s': the shape %s does not fit %s",
                               spec->name, bt_shape_text(&wanted, text[0]), bt_shape_text(&before, text[1]));
        }
    if (found) return BERTH_OK;
    return bt_fail(t->error, BERTH_NOT_FOUND, "input '%s': the model has no such input", spec->name);
}

static berth_status find_ports(transform *t)
{
    const bt_source *from = &t->from->source;
    size_t inputs = 0, outputs = 0;
    for (int s = 0; s < t->n_kept; s++)
        inputs += (size_t)t->kept[s].n_inputs, outputs += (size_t)t->kept[s].n_outputs;
    t->feeds = bt_arena_array(t->arena, bt_edge, inputs + from->graph.n_nodes);
    t->facts = bt_arena_array(t->arena, bt_fact, inputs + from->graph.n_nodes);
    t->fetches = bt_arena_array(t->arena, bt_edge, outputs + 1);
    t->feed_of = bt_arena_array(t->arena, int, inputs + 1);
    t->fetch_of = bt_arena_array(t->arena, int, outputs + 1);
    t->targets = bt_arena_array(t->arena, int32_t, (size_t)from->n_init_targets + 1);
    if (!t->feeds || !t->facts || !t->fetches || !t->feed_of || !t->fetch_of || !t->targets)
        return bt_fail_memory(t->error);
    for (int s = 0, in = 0; s < t->n_kept; s++) {
        const bt_signature *kept = &t->kept[s];
        for (int i = 0; i < kept->n_inputs; i++, in++) {
            bt_edge e;
            if (find_port(t, &kept->inputs[i], &e)) return t->error->status;
            t->feed_of[in] = add_feed(t, e, kept->inputs[i].dtype, &kept->inputs[i].shape);
        }
        for (int i = 0; i < kept->n_outputs; i++) {
            if (find_port(t, &kept->outputs[i], &t->fetches[t->n_fetches])) return t->error->status;
            t->fetch_of[t->n_fetches] = t->n_fetches;
            t->n_fetches++;
        }
    }
    for (int i = 0; i < from->n_init_targets; i++) {
        int32_t node = bt_graph_find(&from->graph, bt_str_of(from->init_targets[i]));
        if (node >= 0) t->targets[t->n_targets++] = node;
    }
    berth_status status = add_placeholders(t);
    for (size_t i = 0; i < t->options.n_shapes && !status; i++) status = take_shape(t, &t->options.shapes[i]);
    return status;
}

/* ---- Passes ------------------------------------------------------------------------------------------- */

/* Feeds know what the signature calls them: the placeholder of `training` may be "serving_default_training". */
static berth_status tell_keys(transform *t)
{
    bt_pass_context *x = &t->p.units[0]->x;
    for (int s = 0, in = 0; s < t->n_kept; s++)
        for (int i = 0; i < t->kept[s].n_inputs; i++, in++) {
            int32_t node = x->feeds[t->feed_of[in]].node;
            if (node >= 0 && !bt_set_string(&x->graph, node, "_key", t->kept[s].inputs[i].key))
                return bt_fail_memory(t->error);
        }
    return BERTH_OK;
}

static berth_status run_passes(transform *t)
{
    static bt_pass_fn *const for_cpu[] = {bt_pass_gather_tree,   bt_pass_cudnn_rnn, bt_pass_unfuse,
                                          bt_pass_channels_last, bt_pass_ungroup,   bt_pass_undilate};
    const berth_transform_options *o = &t->options;
    bt_portable *p = &t->p;
    berth_status status = bt_portable_each(p, bt_pass_inline);
    if (!status && o->strip_training) status = tell_keys(t);
    if (!status && o->strip_training) status = bt_pass_inference_phase(&p->units[0]->x);
    if (!status && o->strip_training) status = bt_portable_each(p, bt_pass_inference);
    if (!status && (o->clear_devices || o->cpu)) status = bt_portable_each(p, bt_pass_clear_devices);
    if (!status && (o->freeze || t->flat)) status = bt_portable_freeze(p);
    if (!status && o->strip_training) status = bt_portable_each(p, bt_pass_strip_training);
    if (!status && t->flat) status = bt_portable_tables(p);
    for (size_t i = 0; o->cpu && i < sizeof for_cpu / sizeof *for_cpu && !status; i++)
        status = bt_portable_each(p, for_cpu[i]);
    return status;
}

/* ---- Names -------------------------------------------------------------------------------------------- */

/* What inputs and outputs are to be called: by node of the finished graph its name, NULL: any. */
typedef struct naming {
    transform *t;
    bt_graph *g;
    const char **wanted;
    size_t room;
    bt_map taken; /* the wanted names */
} naming;

/* False where another has the name already. */
static bool want(naming *n, int32_t node, const char *name)
{
    if (bt_map_get(&n->taken, bt_str_of(name)) || n->wanted[node]) return false;
    n->wanted[node] = name;
    return bt_map_put(&n->taken, bt_str_of(name), n);
}

static berth_status grow_naming(naming *n)
{
    size_t before = n->room;
    if (!bt_grow(&n->wanted, &n->room, n->g->n_nodes + 1, sizeof *n->wanted))
        return bt_fail_memory(n->t->error);
    for (size_t i = before; i < n->room; i++) n->wanted[i] = NULL;
    return BERTH_OK;
}

/* The node of this name whose outputs the given ports are, as their keys say: an Identity, or an IdentityN, with what is needed
 * to fill the slots between. */
typedef struct output_group {
    const bt_port *ports;
    bt_edge **edges; /* of each port */
    int *slots;
    int n, last; /* last: the highest slot */
} output_group;

static int32_t add_identity(naming *n, const char *base, const output_group *group)
{
    bt_graph *g = n->g;
    int count = group->last + 1;
    bt_edge *in = bt_arena_array(g->arena, bt_edge, (size_t)count);
    berth_dtype *types = bt_arena_array(g->arena, berth_dtype, (size_t)count);
    const char *name = bt_graph_unique_name(g, base), *op = count > 1 ? "IdentityN" : "Identity";
    int32_t node = name && in && types ? bt_graph_add(g, name, op) : -1;
    if (node < 0) return -1;
    for (int i = 0; i < count; i++) in[i] = *group->edges[0], types[i] = group->ports[0].dtype;
    for (int k = group->n; k-- > 0;)
        in[group->slots[k]] = *group->edges[k], types[group->slots[k]] = group->ports[k].dtype;
    g->nodes[node].def = bt_op_find(op);
    bool set = count > 1 ? bt_set_types(g, node, "T", types, count) : bt_set_type(g, node, "T", *types);
    return set && bt_node_set_inputs(g, node, in, count) ? node : -1;
}

/* A key taken apart: the name of a node, and which of its outputs. */
static bt_str key_node(const char *key, int *slot)
{
    bt_str text;
    if (bt_tensor_name(bt_str_of(key), &text, slot) && *slot >= 0) return text;
    *slot = 0;
    return bt_str_of(key);
}

/* Output `first` under its key, which may be a tensor's name, and with it those after it that are outputs of the same node by
 * theirs. */
static berth_status name_output(naming *n, const bt_signature *s, int first, bool signature, bool *named)
{
    transform *t = n->t;
    bt_graph *g = n->g;
    bt_edge *fetches = t->p.units[0]->x.fetches;
    int slot;
    bt_str text = key_node(s->outputs[first].key, &slot);
    const char *name = bt_graph_clean_name(g->arena, text);
    size_t room = (size_t)(s->n_outputs - first);
    bt_port *ports = bt_arena_array(g->arena, bt_port, room);
    output_group group = {ports, bt_arena_array(g->arena, bt_edge *, room),
                          bt_arena_array(g->arena, int, room), 0, 0};
    if (!name || !ports || !group.edges || !group.slots) return bt_fail_memory(t->error);
    bool is_so_already = !signature;
    for (int i = first; i < s->n_outputs; i++) {
        bt_edge *edge = &fetches[t->fetch_of[i]];
        if (named[i] || !bt_str_equal(key_node(s->outputs[i].key, &slot), text)) continue;
        if (slot > 4096) return bt_fail_memory(t->error);
        named[i] = true;
        ports[group.n] = s->outputs[i], group.edges[group.n] = edge, group.slots[group.n++] = slot;
        if (slot > group.last) group.last = slot;
        is_so_already = is_so_already && edge->slot == slot && !strcmp(g->nodes[edge->node].name, name);
    }
    if (is_so_already) {
        want(n, group.edges[0]->node, g->nodes[group.edges[0]->node].name);
        return BERTH_OK;
    }
    int32_t node = add_identity(n, name, &group);
    if (node < 0 || grow_naming(n)) return bt_fail_memory(t->error);
    for (int k = 0; k < group.n; k++) *group.edges[k] = (bt_edge){node, group.slots[k]};
    want(n, node, name); /* else it keeps a name of its own */
    return BERTH_OK;
}

/* Gives all nodes their names: those that are wanted, and others where these stood. */
static berth_status settle_names(naming *n)
{
    bt_graph *g = n->g;
    for (size_t i = 0; i < g->n_nodes; i++) {
        bt_node *node = &g->nodes[i];
        if (n->wanted[i] || !bt_map_get(&n->taken, bt_str_of(node->name))) continue;
        for (int k = 1; bt_map_get(&n->taken, bt_str_of(node->name)) || k == 1; k++) {
            node->name = bt_graph_unique_name(g, node->name);
            if (!node->name || !bt_map_put_index(&g->by_name, bt_str_of(node->name), i))
                return bt_fail_memory(n->t->error);
        }
    }
    bt_map_free(&g->by_name);
    g->by_name = (bt_map){0};
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (n->wanted[i]) g->nodes[i].name = n->wanted[i];
        if (!bt_map_put_index(&g->by_name, bt_str_of(g->nodes[i].name), i))
            return bt_fail_memory(n->t->error);
    }
    return BERTH_OK;
}

static berth_status name_ports(naming *n)
{
    transform *t = n->t;
    bt_pass_context *x = &t->p.units[0]->x;
    const bt_signature *s = &t->kept[0];
    bool signature = t->from->source.n_signatures > 0;
    for (int i = 0; i < s->n_inputs; i++) {
        bt_str name = bt_str_of(s->inputs[i].key);
        int slot = 0;
        if (!signature) bt_tensor_name(bt_str_of(s->inputs[i].key), &name, &slot);
        int32_t node = x->feeds[t->feed_of[i]].node;
        /* The second that a pipeline brings is "IteratorGetNext_1". */
        const char *text =
            slot > 0 ? bt_arena_print(n->g->arena, "%.*s_%d", (int)name.n, name.p, slot) : name.p;
        const char *clean = text ? bt_graph_clean_name(n->g->arena, slot > 0 ? bt_str_of(text) : name) : NULL;
        if (!clean) return bt_fail_memory(t->error);
        if (node >= 0) want(n, node, clean);
    }
    bool *named = bt_arena_array(n->g->arena, bool, (size_t)s->n_outputs + 1);
    if (!named) return bt_fail_memory(t->error);
    for (int i = 0; i < s->n_outputs; i++)
        if (!named[i] && name_output(n, s, i, signature, named)) return t->error->status;
    return settle_names(n);
}

/* Names for a graph that stands without signatures. */
static berth_status name_all(transform *t)
{
    naming n = {.t = t, .g = &t->p.units[0]->x.graph};
    berth_status status = grow_naming(&n);
    if (!status) status = name_ports(&n);
    bt_free(n.wanted);
    bt_map_free(&n.taken);
    return status;
}

/* ---- The new model ------------------------------------------------------------------------------------ */

/* Dtype and shape of outputs, where the ports do not say. */
static berth_status infer_outputs(transform *t)
{
    bt_pass_context *x = &t->p.units[0]->x;
    berth_status status = bt_pass_infer(x);
    for (int s = 0, out = 0; s < t->n_kept && !status; s++)
        for (int i = 0; i < t->kept[s].n_outputs; i++, out++) {
            bt_port *port = &t->kept[s].outputs[i];
            const bt_fact *fact = bt_pass_fact(x, x->fetches[t->fetch_of[out]]);
            if (!port->dtype) port->dtype = fact->dtype;
            if (port->shape.rank < 0 || t->options.n_shapes) {
                bt_shape shape = fact->shape;
                if (bt_shape_merge(&shape, &port->shape)) port->shape = shape;
            }
        }
    return status;
}

static berth_status name_port(transform *t, bt_port *port, bt_edge e)
{
    port->at = e;
    port->tensor = bt_arena_print(t->arena, "%s:%d", t->made->source.graph.nodes[e.node].name, e.slot);
    return port->tensor ? BERTH_OK : bt_fail_memory(t->error);
}

/* Ports get their own memory, in order that they can be changed. */
static berth_status copy_ports(transform *t)
{
    for (int s = 0; s < t->n_kept; s++) {
        bt_signature *kept = &t->kept[s];
        bt_port *in = bt_arena_array(t->arena, bt_port, (size_t)kept->n_inputs + 1);
        bt_port *out = bt_arena_array(t->arena, bt_port, (size_t)kept->n_outputs + 1);
        if (!in || !out) return bt_fail_memory(t->error);
        if (kept->n_inputs) memcpy(in, kept->inputs, (size_t)kept->n_inputs * sizeof *in);
        if (kept->n_outputs) memcpy(out, kept->outputs, (size_t)kept->n_outputs * sizeof *out);
        kept->inputs = in, kept->outputs = out;
    }
    return BERTH_OK;
}

/* What the ports are in the new graph; an input that has become a constant goes. */
static berth_status settle_ports(transform *t)
{
    const bt_pass_context *x = &t->p.units[0]->x;
    for (int s = 0, in = 0, out = 0; s < t->n_kept; s++) {
        bt_signature *kept = &t->kept[s];
        int n = 0;
        for (int i = 0; i < kept->n_inputs; i++, in++) {
            int feed = t->feed_of[in];
            if (x->feeds[feed].node < 0) continue;
            kept->inputs[n] = kept->inputs[i];
            kept->inputs[n].dtype = x->feed_facts[feed].dtype;
            kept->inputs[n].shape = x->feed_facts[feed].shape;
            if (name_port(t, &kept->inputs[n++], x->feeds[feed])) return t->error->status;
        }
        kept->n_inputs = n;
        for (int i = 0; i < kept->n_outputs; i++, out++)
            if (name_port(t, &kept->outputs[i], x->fetches[t->fetch_of[out]])) return t->error->status;
    }
    bool whole = t->flat || !t->from->source.n_signatures;
    if (!whole) {
        t->made->source.signatures = t->kept, t->made->source.n_signatures = t->n_kept;
        return BERTH_OK;
    }
    t->made->whole = t->kept[0];
    t->made->whole.name = t->made->whole.method = "";
    for (int i = 0; i < t->kept[0].n_inputs; i++)
        t->made->whole.inputs[i].key = t->made->whole.inputs[i].tensor;
    for (int i = 0; i < t->kept[0].n_outputs; i++)
        t->made->whole.outputs[i].key = t->made->whole.outputs[i].tensor;
    return BERTH_OK;
}

static berth_status settle_init(transform *t)
{
    const bt_source *from = &t->from->source;
    bt_source *to = &t->made->source;
    bt_pass_context *x = &t->p.units[0]->x;
    to->init_targets = bt_arena_array(t->arena, const char *, (size_t)x->n_targets + 1);
    to->asset_feeds = bt_arena_array(t->arena, bt_port, (size_t)from->n_asset_feeds + 1);
    if (!to->init_targets || !to->asset_feeds) return bt_fail_memory(t->error);
    for (int i = 0; i < x->n_targets; i++)
        to->init_targets[to->n_init_targets++] = to->graph.nodes[x->targets[i]].name;
    for (int i = 0; i < from->n_asset_feeds; i++) {
        bt_str node;
        int slot;
        bool there = bt_tensor_name(bt_str_of(from->asset_feeds[i].tensor), &node, &slot) &&
                     bt_graph_find(&to->graph, node) >= 0;
        if (there) to->asset_feeds[to->n_asset_feeds++] = from->asset_feeds[i];
    }
    return BERTH_OK;
}

/* Files, checksums and variables of the old source, which stays as long as the new one. */
static berth_status share_source(transform *t)
{
    const bt_source *from = &t->from->source;
    bt_source *to = &t->made->source;
    to->format = from->format, to->path = from->path, to->tags = from->tags, to->producer = from->producer;
    for (size_t i = 0; i < from->n_files; i++)
        if (!bt_source_add_file(to, bt_file_ref(from->files[i]))) return bt_fail_memory(t->error);
    for (size_t i = 0; i < from->checks.count; i++)
        if (!bt_map_put(&to->checks, from->checks.entries[i].key, from->checks.entries[i].value))
            return bt_fail_memory(t->error);
    for (size_t i = 0; i < from->variables.count; i++) {
        bt_variable *v = bt_arena_new(t->arena, bt_variable);
        if (!v) return bt_fail_memory(t->error);
        *v = *(const bt_variable *)from->variables.entries[i].value;
        v->value.buffer = NULL;
        if (!bt_map_put(&to->variables, bt_str_of(v->name), v)) return bt_fail_memory(t->error);
    }
    return BERTH_OK;
}

static berth_status make(transform *t)
{
    berth_status status = choose(t);
    if (!status) status = copy_ports(t);
    if (!status) status = find_ports(t);
    if (!status)
        status = bt_portable_begin(&t->p, t->feeds, t->facts, t->n_feeds, t->fetches, t->n_fetches,
                                   t->targets, t->n_targets);
    if (!status) status = run_passes(t);
    if (!status) status = infer_outputs(t);
    if (!status && (t->flat || !t->from->source.n_signatures)) status = name_all(t);
    if (!status) status = share_source(t);
    if (!status) status = bt_portable_end(&t->p, &t->made->source);
    if (!status) status = settle_ports(t);
    if (!status) status = settle_init(t);
    if (!status) status = bt_model_finish(t->made, t->error);
    return status;
}

berth_model *bt_model_transform(berth_model *model, const berth_transform_options *options, bool flat,
                                berth_error *error)
{
    berth_model *made = bt_model_new(model->context, error);
    if (!made) return NULL;
    made->from = bt_model_ref(model);
    transform t = {.from = model, .made = made, .flat = flat, .arena = &made->source.arena, .error = error};
    if (options) t.options = *options;
    t.p = (bt_portable){
        .source = &model->source, .arena = t.arena, .pool = model->context->pool, .error = error};
    berth_status status = make(&t);
    made->changes = bt_arena_array(t.arena, bt_change, t.p.changes.n + 1);
    if (!status && !made->changes) status = bt_fail_memory(error);
    if (!status && t.p.changes.n)
        memcpy(made->changes, t.p.changes.list, t.p.changes.n * sizeof *made->changes);
    made->n_changes = t.p.changes.n;
    bt_portable_free(&t.p);
    if (!status) return made;
    bt_model_free(made);
    return NULL;
}
