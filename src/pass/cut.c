/* Dinic's maximum flow, without recursion: see cut.h. */
#include "pass/cut.h"

#include "base/mem.h"

int32_t bt_cut_vertex(bt_cut *cut)
{
    if (cut->n >= INT32_MAX || !bt_grow(&cut->first, &cut->vertex_room, cut->n + 1, sizeof *cut->first))
        return -1;
    cut->first[cut->n] = -1;
    return (int32_t)cut->n++;
}

bool bt_cut_begin(bt_cut *cut)
{
    *cut = (bt_cut){0};
    return bt_cut_vertex(cut) == BT_CUT_SOURCE && bt_cut_vertex(cut) == BT_CUT_SINK;
}

bool bt_cut_add(bt_cut *cut, int32_t from, int32_t to, int32_t capacity)
{
    size_t n = cut->n_edges;
    if (from == to) return true;
    if (n >= INT32_MAX - 2 || !bt_grow(&cut->edges, &cut->edge_room, n + 2, sizeof *cut->edges)) return false;
    cut->edges[n] = (bt_cut_edge){to, cut->first[from], capacity};
    cut->edges[n + 1] = (bt_cut_edge){from, cut->first[to], 0};
    cut->first[from] = (int32_t)n, cut->first[to] = (int32_t)n + 1;
    cut->n_edges += 2;
    return true;
}

void bt_cut_free(bt_cut *cut)
{
    bt_free(cut->first);
    bt_free(cut->edges);
    *cut = (bt_cut){0};
}

typedef struct search {
    bt_cut *cut;
    int32_t *level, *queue, *at, *way; /* at[vertex]: the edge to try next; way: edges from the source */
} search;

/* Steps from `root`, along edges with room (forward) or against them; -1: out of reach. */
static void set_levels(search *s, int32_t root, bool forward)
{
    size_t n = 0;
    for (size_t i = 0; i < s->cut->n; i++) s->level[i] = -1;
    s->level[root] = 0;
    s->queue[n++] = root;
    for (size_t k = 0; k < n; k++)
        for (int32_t e = s->cut->first[s->queue[k]]; e >= 0; e = s->cut->edges[e].next) {
            int32_t to = s->cut->edges[e].to, room = s->cut->edges[forward ? e : e ^ 1].room;
            if (room <= 0 || s->level[to] >= 0) continue;
            s->level[to] = s->level[s->queue[k]] + 1;
            s->queue[n++] = to;
        }
}

/* Sends what the way to the sink has room for; gives how many of its edges are before the first that is full now. */
static size_t send(search *s, size_t depth)
{
    bt_cut_edge *edges = s->cut->edges;
    int32_t least = INT32_MAX;
    size_t kept = depth;
    for (size_t i = 0; i < depth; i++)
        if (edges[s->way[i]].room < least) least = edges[s->way[i]].room;
    for (size_t i = depth; i-- > 0;) {
        edges[s->way[i]].room -= least, edges[s->way[i] ^ 1].room += least;
        if (!edges[s->way[i]].room) kept = i;
    }
    return kept;
}

/* As much as goes along edges that lead one level on. */
static void fill(search *s)
{
    bt_cut_edge *edges = s->cut->edges;
    size_t depth = 0;
    for (size_t i = 0; i < s->cut->n; i++) s->at[i] = s->cut->first[i];
    for (;;) {
        int32_t here = depth ? edges[s->way[depth - 1]].to : BT_CUT_SOURCE;
        if (here == BT_CUT_SINK) {
            depth = send(s, depth);
            continue;
        }
        int32_t e = s->at[here];
        while (e >= 0 && (edges[e].room <= 0 || s->level[edges[e].to] != s->level[here] + 1))
            e = edges[e].next;
        s->at[here] = e;
        if (e >= 0) {
            s->way[depth++] = e;
        } else if (depth) {
            int32_t back = edges[s->way[--depth] ^ 1].to;
            s->at[back] = edges[s->at[back]].next;
        } else {
            return;
        }
    }
}

berth_status bt_cut_solve(bt_cut *cut, bt_arena *arena, bool **with_source, berth_error *error)
{
    search s = {.cut = cut,
                .level = bt_arena_array(arena, int32_t, cut->n),
                .queue = bt_arena_array(arena, int32_t, cut->n),
                .at = bt_arena_array(arena, int32_t, cut->n),
                .way = bt_arena_array(arena, int32_t, cut->n)};
    *with_source = bt_arena_array(arena, bool, cut->n);
    if (!s.level || !s.queue || !s.at || !s.way || !*with_source) return bt_fail_memory(error);
    for (set_levels(&s, BT_CUT_SOURCE, true); s.level[BT_CUT_SINK] >= 0; set_levels(&s, BT_CUT_SOURCE, true))
        fill(&s);
    set_levels(&s, BT_CUT_SINK, false);
    for (size_t i = 0; i < cut->n; i++) (*with_source)[i] = s.level[i] < 0;
    return BERTH_OK;
}
