/* All that keeps the nodes of a plan from running, gathered instead of the first of it alone: see bt_obstacles in pass.h. */
#include <stdio.h>

#include "pass/pass.h"

void bt_obstacles_free(bt_obstacles *all)
{
    bt_map_free(&all->seen);
    bt_free(all->list);
    bt_arena_free(&all->arena);
}

/* One a node: what stops it rather than what moves it, else the first. */
berth_status bt_obstacle_add(bt_obstacles *all, const char *function, const bt_obstacle *obstacle,
                             berth_error *error)
{
    bt_arena *arena = &all->arena;
    const char *node =
        bt_arena_print(arena, "%s%s%s", function ? function : "", function ? "/" : "", obstacle->node);
    if (!node || !bt_grow(&all->list, &all->room, all->n + 1, sizeof *all->list))
        return bt_fail_memory(error);
    ptrdiff_t at = bt_map_get_index(&all->seen, bt_str_of(node));
    if (at >= 0 && (obstacle->is_moved || !all->list[at].is_moved)) return BERTH_OK;
    bt_obstacle it = {.node = node,
                      .op = bt_arena_copy(arena, obstacle->op, strlen(obstacle->op)),
                      .device = bt_arena_copy(arena, obstacle->device, strlen(obstacle->device)),
                      .reason = bt_arena_copy(arena, obstacle->reason, strlen(obstacle->reason)),
                      .is_moved = obstacle->is_moved};
    if (!it.op || !it.device || !it.reason) return bt_fail_memory(error);
    if (at >= 0) return all->list[at] = it, BERTH_OK;
    if (!bt_map_put_index(&all->seen, bt_str_of(node), all->n)) return bt_fail_memory(error);
    all->list[all->n++] = it;
    return BERTH_OK;
}

bool bt_obstacle_take(bt_pass_context *x, const bt_node *node, const char *device, const bt_fact *in)
{
    berth_error *e = x->error;
    if (!x->obstacles || !e || e->status == BERTH_OK || e->status == BERTH_NO_MEMORY ||
        e->status == BERTH_INTERNAL)
        return false;
    char prefix[400], reason[sizeof e->message];
    snprintf(prefix, sizeof prefix, "node '%s' (%s): ", node->name, node->op);
    snprintf(reason, sizeof reason, "%s", e->message + (bt_starts(e->message, prefix) ? strlen(prefix) : 0));
    bt_error_clear(e);
    for (int i = 0; in && i < node->n_inputs; i++)
        if (!in[i].dtype) return true; /* it follows from another */
    bt_obstacle obstacle = {node->name, node->op, device, reason, false};
    return !bt_obstacle_add(x->obstacles, x->function, &obstacle, e);
}
