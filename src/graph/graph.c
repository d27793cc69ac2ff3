/* Graph: the table of nodes and their names. Attributes: attr.c; text: dump.c. */
#include "graph/graph.h"

#include <stdio.h>

void bt_graph_init(bt_graph *graph, bt_arena *arena) { *graph = (bt_graph){.arena = arena}; }

void bt_graph_free(bt_graph *graph)
{
    bt_free(graph->nodes);
    bt_map_free(&graph->by_name);
    bt_graph_init(graph, graph->arena);
}

int32_t bt_graph_add(bt_graph *graph, const char *name, const char *op)
{
    size_t index = graph->n_nodes;
    if (index >= INT32_MAX || !bt_grow(&graph->nodes, &graph->capacity, index + 1, sizeof *graph->nodes))
        return -1;
    if (!bt_map_put_index(&graph->by_name, bt_str_of(name), index)) return -1;
    graph->nodes[index] = (bt_node){.name = name, .op = op, .device = "", .origin = -1};
    graph->n_nodes++;
    return (int32_t)index;
}

int32_t bt_graph_find(const bt_graph *graph, bt_str name)
{
    return (int32_t)bt_map_get_index(&graph->by_name, name);
}

const char *bt_graph_unique_name(bt_graph *graph, const char *base)
{
    enum { DIGITS = 24 };
    size_t n = strlen(base);
    char *name = bt_arena_alloc_n(graph->arena, 1, n + DIGITS);
    if (!name) return NULL;
    memcpy(name, base, n);
    if (bt_graph_find(graph, bt_str_of(name)) < 0) return name;
    /* Double until one is free, then halve the gap below it: many nodes of one base stay cheap to name. */
    uint64_t taken = 0, tried = 1, free = 0;
    while (!free || free - taken > 1) {
        snprintf(name + n, DIGITS, "_%llu", (unsigned long long)tried);
        if (bt_graph_find(graph, bt_str_of(name)) < 0) free = tried;
        else taken = tried;
        tried = free ? taken + (free - taken) / 2 : tried * 2;
    }
    snprintf(name + n, DIGITS, "_%llu", (unsigned long long)free);
    return name;
}

const char *bt_graph_clean_name(bt_arena *arena, bt_str text)
{
    char *name = bt_arena_copy(arena, text.p, text.n);
    for (char *p = name; p && *p; p++) {
        bool letter =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '.';
        if (!letter && (p == name || !strchr("_/-\\>", *p))) *p = p == name ? '.' : '_';
    }
    return name;
}

bool bt_node_set_inputs(bt_graph *graph, int32_t node, const bt_edge *inputs, int n)
{
    bt_edge *copy = bt_arena_array(graph->arena, bt_edge, (size_t)n);
    if (!copy) return false;
    if (n) memcpy(copy, inputs, (size_t)n * sizeof *copy);
    graph->nodes[node].inputs = copy;
    graph->nodes[node].n_inputs = n;
    return true;
}

bool bt_node_set_controls(bt_graph *graph, int32_t node, const int32_t *controls, int n)
{
    int32_t *copy = bt_arena_array(graph->arena, int32_t, (size_t)n);
    if (!copy) return false;
    if (n) memcpy(copy, controls, (size_t)n * sizeof *copy);
    graph->nodes[node].controls = copy;
    graph->nodes[node].n_controls = n;
    return true;
}

bool bt_tensor_name(bt_str text, bt_str *node, int *slot)
{
    bool control = text.n > 0 && text.p[0] == '^';
    bt_str name = control ? (bt_str){text.p + 1, text.n - 1} : text;
    const char *colon = name.n ? memchr(name.p, ':', name.n) : NULL;
    int64_t number = 0;
    if (colon) {
        bt_str digits = {colon + 1, (size_t)(name.p + name.n - colon - 1)};
        if (control || !bt_str_int(digits, &number) || number < 0 || number > INT32_MAX) return false;
        name.n = (size_t)(colon - name.p);
    }
    if (!name.n) return false;
    *node = name;
    *slot = control ? -1 : (int)number;
    return true;
}
