/* Attributes of nodes: reading with a default, and setting. Copies of a node share their attributes, so a
 * setter makes a new array and never writes into the old one; a loader fills its arrays itself. */
#include "graph/graph.h"

const bt_attr *bt_attr_find(const bt_node *node, const char *name)
{
    for (int i = 0; i < node->n_attrs; i++)
        if (strcmp(node->attrs[i].name, name) == 0) return &node->attrs[i];
    return NULL;
}

/* The value of a plain attribute of this kind, or NULL. */
static const bt_attr_value *plain(const bt_node *node, const char *name, bt_attr_kind kind)
{
    const bt_attr *attr = bt_attr_find(node, name);
    return attr && attr->kind == kind && !attr->is_list ? &attr->value : NULL;
}

int64_t bt_attr_int(const bt_node *node, const char *name, int64_t otherwise)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_INT);
    return value ? value->i : otherwise;
}

float bt_attr_float(const bt_node *node, const char *name, float otherwise)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_FLOAT);
    return value ? value->f : otherwise;
}

bool bt_attr_bool(const bt_node *node, const char *name, bool otherwise)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_BOOL);
    return value ? value->b : otherwise;
}

berth_dtype bt_attr_type(const bt_node *node, const char *name, berth_dtype otherwise)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_TYPE);
    return value ? value->type : otherwise;
}

const char *bt_attr_string(const bt_node *node, const char *name, const char *otherwise)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_STRING);
    return value ? value->s.p : otherwise;
}

bool bt_attr_shape(const bt_node *node, const char *name, bt_shape *out)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_SHAPE);
    if (value) *out = *value->shape;
    return value;
}

bt_shape bt_input_shape(const bt_node *node, int producer)
{
    bt_shape shape;
    bool told = bt_attr_shape(node, "shape", &shape) && (shape.rank || producer > 21 || strcmp(node->op, "Placeholder"));
    return told ? shape : BT_SHAPE_UNKNOWN;
}

const bt_tensor *bt_attr_tensor(const bt_node *node, const char *name)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_TENSOR);
    return value ? value->tensor : NULL;
}

const char *bt_attr_func(const bt_node *node, const char *name)
{
    const bt_attr_value *value = plain(node, name, BT_ATTR_FUNC);
    return value ? value->s.p : NULL;
}

int bt_attr_list(const bt_node *node, const char *name, const bt_attr_value **list)
{
    const bt_attr *attr = bt_attr_find(node, name);
    if (!attr || !attr->is_list) return -1;
    if (list) *list = attr->list;
    return attr->n;
}

int bt_attr_shapes(const bt_node *node, const char *name, const bt_attr_value **list)
{
    const bt_attr *attr = bt_attr_find(node, name);
    return attr && attr->n && attr->kind != BT_ATTR_SHAPE ? -1 : bt_attr_list(node, name, list);
}

/* ---- Setters ------------------------------------------------------------------------------------------ */

bool bt_set_attr(bt_graph *graph, int32_t node, const bt_attr *attr)
{
    bt_node *n = &graph->nodes[node];
    const bt_attr *old = bt_attr_find(n, attr->name);
    int at = old ? (int)(old - n->attrs) : n->n_attrs;
    bt_attr *attrs = bt_arena_array(graph->arena, bt_attr, (size_t)n->n_attrs + !old);
    if (!attrs) return false;
    if (n->n_attrs) memcpy(attrs, n->attrs, (size_t)n->n_attrs * sizeof *attrs);
    attrs[at] = *attr;
    n->attrs = attrs;
    n->n_attrs += !old;
    return true;
}

/* As bt_set_attr, for a name that may not last. */
static bool set(bt_graph *graph, int32_t node, const char *name, bt_attr attr)
{
    attr.name = bt_arena_copy(graph->arena, name, strlen(name));
    return attr.name && bt_set_attr(graph, node, &attr);
}

static bool set_plain(bt_graph *graph, int32_t node, const char *name, bt_attr_kind kind, bt_attr_value value)
{
    return set(graph, node, name, (bt_attr){.kind = kind, .value = value});
}

/* Text in the arena; p is NULL when out of memory. */
static bt_str kept(bt_graph *graph, const char *text)
{
    bt_str s = bt_str_of(text);
    s.p = bt_arena_copy(graph->arena, s.p, s.n);
    return s;
}

bool bt_set_int(bt_graph *graph, int32_t node, const char *name, int64_t value)
{
    return set_plain(graph, node, name, BT_ATTR_INT, (bt_attr_value){.i = value});
}

bool bt_set_float(bt_graph *graph, int32_t node, const char *name, float value)
{
    return set_plain(graph, node, name, BT_ATTR_FLOAT, (bt_attr_value){.f = value});
}

bool bt_set_bool(bt_graph *graph, int32_t node, const char *name, bool value)
{
    return set_plain(graph, node, name, BT_ATTR_BOOL, (bt_attr_value){.b = value});
}

bool bt_set_type(bt_graph *graph, int32_t node, const char *name, berth_dtype value)
{
    return set_plain(graph, node, name, BT_ATTR_TYPE, (bt_attr_value){.type = value});
}

static const bt_shape *kept_shape(bt_graph *graph, const bt_shape *shape)
{
    bt_shape *copy = bt_arena_new(graph->arena, bt_shape);
    if (copy) *copy = *shape;
    return copy;
}

bool bt_set_shape(bt_graph *graph, int32_t node, const char *name, const bt_shape *value)
{
    const bt_shape *shape = kept_shape(graph, value);
    return shape && set_plain(graph, node, name, BT_ATTR_SHAPE, (bt_attr_value){.shape = shape});
}

bool bt_set_string(bt_graph *graph, int32_t node, const char *name, const char *value)
{
    bt_str s = kept(graph, value);
    return s.p && set_plain(graph, node, name, BT_ATTR_STRING, (bt_attr_value){.s = s});
}

bool bt_set_func(bt_graph *graph, int32_t node, const char *name, const char *function)
{
    bt_str s = kept(graph, function);
    return s.p && set_plain(graph, node, name, BT_ATTR_FUNC, (bt_attr_value){.s = s});
}

bool bt_set_tensor(bt_graph *graph, int32_t node, const char *name, const bt_tensor *value)
{
    bt_tensor *tensor = bt_arena_new(graph->arena, bt_tensor);
    if (!tensor) return false;
    *tensor = *value;
    tensor->buffer = NULL;
    return set_plain(graph, node, name, BT_ATTR_TENSOR, (bt_attr_value){.tensor = tensor});
}

/* An empty list of values in the arena, to be filled and handed to set. */
static bt_attr list_of(bt_graph *graph, bt_attr_kind kind, int n)
{
    return (bt_attr){.kind = kind,
                     .is_list = true,
                     .n = n,
                     .list = bt_arena_array(graph->arena, bt_attr_value, (size_t)n)};
}

bool bt_set_ints(bt_graph *graph, int32_t node, const char *name, const int64_t *values, int n)
{
    bt_attr attr = list_of(graph, BT_ATTR_INT, n);
    for (int i = 0; attr.list && i < n; i++) attr.list[i].i = values[i];
    return attr.list && set(graph, node, name, attr);
}

bool bt_set_types(bt_graph *graph, int32_t node, const char *name, const berth_dtype *values, int n)
{
    bt_attr attr = list_of(graph, BT_ATTR_TYPE, n);
    for (int i = 0; attr.list && i < n; i++) attr.list[i].type = values[i];
    return attr.list && set(graph, node, name, attr);
}

bool bt_set_strings(bt_graph *graph, int32_t node, const char *name, const char *const *values, int n)
{
    bt_attr attr = list_of(graph, BT_ATTR_STRING, n);
    for (int i = 0; attr.list && i < n; i++)
        if (!(attr.list[i].s = kept(graph, values[i])).p) return false;
    return attr.list && set(graph, node, name, attr);
}

bool bt_set_shapes(bt_graph *graph, int32_t node, const char *name, const bt_shape *values, int n)
{
    bt_attr attr = list_of(graph, BT_ATTR_SHAPE, n);
    for (int i = 0; attr.list && i < n; i++)
        if (!(attr.list[i].shape = kept_shape(graph, &values[i]))) return false;
    return attr.list && set(graph, node, name, attr);
}
