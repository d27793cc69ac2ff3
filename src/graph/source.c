/* Source: the owner of all that a model's files say. It is filled by format/, then never changed. */
#include "graph/graph.h"

void bt_source_init(bt_source *source)
{
    *source = (bt_source){.format = "", .path = ""};
    bt_arena_init(&source->arena);
    bt_graph_init(&source->graph, &source->arena);
}

void bt_source_free(bt_source *source)
{
    for (size_t i = 0; i < source->functions.capacity; i++) {
        bt_function *function = source->functions.entries[i].value;
        if (function) bt_graph_free(&function->graph);
    }
    for (size_t i = 0; i < source->variables.capacity; i++) {
        bt_variable *variable = source->variables.entries[i].value;
        if (variable) bt_tensor_clear(&variable->value);
    }
    for (size_t i = 0; i < source->n_files; i++) bt_file_free(source->files[i]);
    bt_map_free(&source->functions);
    bt_map_free(&source->variables);
    bt_free(source->files);
    bt_graph_free(&source->graph);
    bt_arena_free(&source->arena);
    bt_source_init(source);
}

bool bt_source_add_file(bt_source *source, bt_file *file)
{
    if (!bt_grow(&source->files, &source->files_capacity, source->n_files + 1, sizeof *source->files))
        return bt_file_free(file), false;
    source->files[source->n_files++] = file;
    return true;
}

bt_file *bt_source_file_of(const bt_source *source, const void *p)
{
    for (size_t i = 0; i < source->n_files; i++)
        if ((uintptr_t)p - (uintptr_t)source->files[i]->data < source->files[i]->size)
            return source->files[i];
    return NULL;
}
