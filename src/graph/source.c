/* Source: the owner of all that a model's files say. It is filled by format/, then never changed. */
#include "graph/graph.h"
#include "simd/crc.h"

void bt_source_init(bt_source *source)
{
    *source = (bt_source){.format = "", .path = ""};
    bt_arena_init(&source->arena);
    bt_graph_init(&source->graph, &source->arena);
}

void bt_source_free(bt_source *source)
{
    for (size_t i = 0; i < source->functions.count; i++) {
        bt_function *function = source->functions.entries[i].value;
        bt_graph_free(&function->graph);
    }
    for (size_t i = 0; i < source->variables.count; i++) {
        bt_variable *variable = source->variables.entries[i].value;
        bt_tensor_clear(&variable->value);
    }
    for (size_t i = 0; i < source->n_files; i++) bt_file_free(source->files[i]);
    bt_map_free(&source->functions);
    bt_map_free(&source->variables);
    bt_map_free(&source->checks);
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

bool bt_source_add_init(bt_source *source, const char *node)
{
    const char **list = bt_arena_array(&source->arena, const char *, (size_t)source->n_init_targets + 1);
    if (!list) return false;
    if (source->n_init_targets) memcpy(list, source->init_targets, (size_t)source->n_init_targets * sizeof *list);
    list[source->n_init_targets++] = node;
    source->init_targets = list;
    return true;
}

bool bt_source_add_check(bt_source *source, const void *data, size_t bytes, uint32_t crc, const char *name)
{
    bt_check *check = bt_arena_new(&source->arena, bt_check);
    if (!check) return false;
    *check = (bt_check){data, bytes, crc, name};
    return bt_map_put(&source->checks, (bt_str){(const char *)&check->data, sizeof check->data}, check);
}

berth_status bt_source_verify(const bt_source *source, const bt_tensor *view, berth_error *error)
{
    const bt_check *check =
        bt_map_get(&source->checks, (bt_str){(const char *)&view->data, sizeof view->data});
    if (!check || bt_crc32c_mask(bt_crc32c(0, check->data, check->bytes)) == check->crc) return BERTH_OK;
    const bt_file *file = bt_source_file_of(source, check->data);
    return bt_fail(error, BERTH_BAD_MODEL, "%s: the checksum of tensor '%s' is wrong", file ? file->path : source->path,
                   check->name);
}

berth_status bt_source_unchanged(const bt_source *source, berth_error *error)
{
    berth_status status = BERTH_OK;
    for (size_t i = 0; i < source->n_files && !status; i++) status = bt_file_unchanged(source->files[i], error);
    return status;
}

bt_file *bt_source_file_of(const bt_source *source, const void *p)
{
    for (size_t i = 0; i < source->n_files; i++)
        if ((uintptr_t)p - (uintptr_t)source->files[i]->data < source->files[i]->size)
            return source->files[i];
    return NULL;
}

const bt_variable *bt_source_variable(const bt_source *source, const bt_node *node)
{
    bool handle = !strcmp(node->op, "VarHandleOp"), ref = !strcmp(node->op, "VariableV2") || !strcmp(node->op, "Variable");
    const char *shared = handle ? bt_attr_string(node, "shared_name", "") : "";
    return handle || ref ? bt_map_get(&source->variables, bt_str_of(*shared ? shared : node->name)) : NULL;
}
