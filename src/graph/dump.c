/* Text of a graph, for people and for comparing by diff; nothing reads it back. */
#include "graph/graph.h"

enum { TEXT_SHOWN = 64, VALUES_SHOWN = 8 };

static void add_quoted(bt_text *out, const char *p, size_t n)
{
    bt_text_add(out, "\"", 1);
    for (size_t i = 0; i < n && i < TEXT_SHOWN; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\') bt_text_print(out, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) bt_text_print(out, "\\x%02x", c);
        else bt_text_add(out, p + i, 1);
    }
    bt_text_print(out, n > TEXT_SHOWN ? "\"... (%zu bytes)" : "\"", n);
}

static void add_type(bt_text *out, berth_dtype dtype, const bt_shape *shape)
{
    char text[BT_SHAPE_TEXT];
    bt_text_print(out, "%s%s", dtype ? bt_dtype_name(dtype) : "?", bt_shape_text(shape, text));
}

/* float32[3] = {1, 2, 3} */
static void add_tensor(bt_text *out, const bt_tensor *t)
{
    int64_t n = bt_tensor_count(t);
    add_type(out, t->dtype, &t->shape);
    if (!t->data || bt_dtype_is_complex(t->dtype) || t->dtype == BERTH_RESOURCE || t->dtype == BERTH_VARIANT)
        return;
    bt_text_print(out, " = {");
    for (int64_t i = 0; i < n && i < VALUES_SHOWN; i++) {
        if (i) bt_text_print(out, ", ");
        if (t->dtype == BERTH_STRING) {
            const bt_string *s = (const bt_string *)t->data + i;
            add_quoted(out, s->p, s->n);
        } else if (bt_dtype_is_float(t->dtype)) bt_text_print(out, "%.9g", bt_tensor_number(t, i));
        else bt_text_print(out, "%lld", (long long)bt_tensor_int(t, i));
    }
    bt_text_print(out, n > VALUES_SHOWN ? ", ...}" : "}");
}

static void add_value(bt_text *out, bt_attr_kind kind, const bt_attr_value *v)
{
    char text[BT_SHAPE_TEXT];
    switch (kind) {
    case BT_ATTR_NONE: break;
    case BT_ATTR_STRING: add_quoted(out, v->s.p, v->s.n); break;
    case BT_ATTR_INT: bt_text_print(out, "%lld", (long long)v->i); break;
    case BT_ATTR_FLOAT: bt_text_print(out, "%.9g", (double)v->f); break;
    case BT_ATTR_BOOL: bt_text_print(out, v->b ? "true" : "false"); break;
    case BT_ATTR_TYPE: bt_text_print(out, "%s", bt_dtype_name(v->type)); break;
    case BT_ATTR_SHAPE: bt_text_print(out, "%s", bt_shape_text(v->shape, text)); break;
    case BT_ATTR_TENSOR: add_tensor(out, v->tensor); break;
    case BT_ATTR_FUNC: bt_text_print(out, "%.*s()", (int)v->s.n, v->s.p); break;
    }
}

static void add_attr(bt_text *out, const bt_attr *attr)
{
    bt_text_print(out, "%s: ", attr->name);
    if (!attr->is_list) {
        add_value(out, attr->kind, &attr->value);
        return;
    }
    bt_text_add(out, "[", 1);
    for (int i = 0; i < attr->n; i++) {
        if (i) bt_text_print(out, ", ");
        add_value(out, attr->kind, &attr->list[i]);
    }
    bt_text_add(out, "]", 1);
}

static void add_inputs(bt_text *out, const bt_graph *graph, const bt_node *node)
{
    const char *before = "";
    bt_text_add(out, "(", 1);
    for (int i = 0; i < node->n_inputs; i++, before = ", ") {
        bt_text_print(out, "%s%s", before, graph->nodes[node->inputs[i].node].name);
        if (node->inputs[i].slot) bt_text_print(out, ":%d", node->inputs[i].slot);
    }
    for (int i = 0; i < node->n_controls; i++, before = ", ")
        bt_text_print(out, "%s^%s", before, graph->nodes[node->controls[i]].name);
    bt_text_add(out, ")", 1);
}

void bt_graph_dump(const bt_graph *graph, const bt_fact *facts, const int32_t *first_fact, bt_text *out)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const bt_node *node = &graph->nodes[i];
        bt_text_print(out, "%s = %s", node->name, node->op);
        add_inputs(out, graph, node);
        for (int k = 0; k < node->n_attrs; k++) {
            bt_text_print(out, k ? ", " : " {");
            add_attr(out, &node->attrs[k]);
        }
        if (node->n_attrs) bt_text_add(out, "}", 1);
        if (node->device[0]) bt_text_print(out, " @%s", node->device);
        for (int32_t k = facts ? first_fact[i] : 0; facts && k < first_fact[i + 1]; k++) {
            bt_text_print(out, k > first_fact[i] ? ", " : " -> ");
            if (facts[k].value) add_tensor(out, facts[k].value);
            else add_type(out, facts[k].dtype, &facts[k].shape);
        }
        bt_text_add(out, "\n", 1);
    }
}
