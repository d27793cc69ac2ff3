/* Groups are found by their paths, parents first. What a layer owns is numbered in its group "vars". */
#include "format/keras_tree.h"

#include <stdio.h>

bool btk_tree_sniff(const bt_hdf5_group *root)
{
    return bt_map_get(&root->links, bt_str_of("layers")) != NULL;
}

/* The address of the member of a group, which may be NULL; 0 when there is none such. */
static berth_status member(btk_tree *t, const bt_hdf5_group *group, bt_str name, uint64_t *address)
{
    *address = 0;
    return group ? bt_hdf5_find(t->h5, group, name, address) : BERTH_OK;
}

static berth_status keep_group(btk_tree *t, bt_str path, uint64_t address, bt_hdf5_group **out)
{
    char *key = bt_arena_copy(t->h5->arena, path.p, path.n);
    bt_hdf5_group *group = bt_arena_new(t->h5->arena, bt_hdf5_group);
    if (!key || !group) return bt_fail_memory(t->h5->error);
    if (bt_hdf5_group_open(t->h5, address, group)) return t->h5->error->status;
    if (bt_map_put(&t->groups, (bt_str){key, path.n}, group)) return *out = group, BERTH_OK;
    bt_hdf5_group_free(group);
    return bt_fail_memory(t->h5->error);
}

/* The group at a path, "" being the root. *out is NULL when there is none such. */
static berth_status open_group(btk_tree *t, bt_str path, bt_hdf5_group **out)
{
    size_t from = 0;
    bt_hdf5_group *parent = NULL;
    *out = bt_map_get(&t->groups, path);
    if (*out) return BERTH_OK;
    if (!path.n) return keep_group(t, path, t->h5->root, out);
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '/') from = i + 1;
    if (open_group(t, (bt_str){path.p, from ? from - 1 : 0}, &parent)) return t->h5->error->status;
    uint64_t address;
    if (member(t, parent, (bt_str){path.p + from, path.n - from}, &address)) return t->h5->error->status;
    return address ? keep_group(t, path, address, out) : BERTH_OK;
}

berth_status btk_tree_weight(void *user, const char *path, int i, const char *name, bt_tensor *value,
                             berth_error *error)
{
    btk_tree *t = user;
    char number[16];
    bt_hdf5_group *group;
    const char *vars = bt_arena_print(t->h5->arena, "%s/vars", path);
    if (!vars) return bt_fail_memory(error);
    if (open_group(t, bt_str_of(vars), &group)) return error->status;
    snprintf(number, sizeof number, "%d", i);
    uint64_t address;
    berth_status status = member(t, group, bt_str_of(number), &address);
    if (!status && !address && name) /* what a layer keeps under a name of its own */
        status = member(t, group, bt_str_of(name), &address);
    if (status) return status;
    return address ? bt_hdf5_dataset(t->h5, address, value) : BERTH_OK;
}

void btk_tree_free(btk_tree *tree)
{
    for (size_t i = 0; i < tree->groups.count; i++) bt_hdf5_group_free(tree->groups.entries[i].value);
    bt_map_free(&tree->groups);
}
