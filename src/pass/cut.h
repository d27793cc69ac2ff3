/* The cheapest cut of a network: which vertices stay with the source when the least capacity of edges is cut. By Dinic's
 * method. */
#ifndef BT_CUT_H
#define BT_CUT_H

#include "base/arena.h"
#include "base/error.h"

typedef struct bt_cut_edge {
    int32_t to, next; /* next: of the same vertex, -1: none */
    int32_t room;     /* capacity that is left; edge i ^ 1 is the way back */
} bt_cut_edge;

typedef struct bt_cut {
    int32_t *first; /* edge of each vertex */
    size_t n, vertex_room;
    bt_cut_edge *edges;
    size_t n_edges, edge_room;
} bt_cut;

enum { BT_CUT_SOURCE, BT_CUT_SINK, BT_CUT_NEVER = INT32_MAX / 2 }; /* the first two vertices; no edge that is ever cut */

/* Empty: source and sink are there. All false or BERTH_NO_MEMORY: out of memory; bt_cut_free is due all the same. */
bool bt_cut_begin(bt_cut *cut);
int32_t bt_cut_vertex(bt_cut *cut); /* a new one, -1: out of memory */
/* Costs `capacity` where `from` ends up with the source and `to` with the sink. */
bool bt_cut_add(bt_cut *cut, int32_t from, int32_t to, int32_t capacity);
/* Of the cheapest cuts the one that leaves most with the source: (*with_source)[vertex], in the arena. There must be no way of
 * edges that are never cut from source to sink. */
berth_status bt_cut_solve(bt_cut *cut, bt_arena *arena, bool **with_source, berth_error *error);
void bt_cut_free(bt_cut *cut);

#endif
