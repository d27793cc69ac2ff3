/* Finds the frame of every node, inputs first; the way back from NextIteration to Merge is left out. A node whose
 * inputs come from several frames runs in the innermost, as long as the others enclose it. */
#include "pass/frames.h"

enum { MAX_DEPTH = 32 }; /* of nesting */

int32_t bt_frames_after(const bt_pass_context *x, const bt_frames *frames, int32_t node)
{
    int32_t frame = frames->of[node];
    bool leaves = !strcmp(x->graph.nodes[node].op, "Exit") && frame > 0;
    return leaves ? frames->at[frame].parent : frame;
}

/* The frame of that name inside another; added when it is new. -1 with the error set. */
static int32_t inner_frame(bt_pass_context *x, bt_frames *f, int32_t parent, const bt_node *enter)
{
    const char *name = bt_attr_string(enter, "frame_name", "");
    for (int32_t i = 1; i < f->n; i++)
        if (f->at[i].parent == parent && !strcmp(f->at[i].name, name)) return i;
    int depth = f->at[parent].depth + 1;
    if (depth > MAX_DEPTH || f->n == INT32_MAX)
        return bt_fail(x->error, BERTH_BAD_MODEL,
                       "node '%s' (%s): loop '%s' lies in itself, or too deep in others", enter->name,
                       enter->op, name),
               -1;
    f->at[f->n] = (bt_frame){name, parent, depth};
    return f->n++;
}

static bool encloses(const bt_frames *f, int32_t outer, int32_t inner)
{
    while (f->at[inner].depth > f->at[outer].depth) inner = f->at[inner].parent;
    return inner == outer;
}

static bool goes_back(const bt_pass_context *x, int32_t from, int32_t to)
{
    return !strcmp(x->graph.nodes[from].op, "NextIteration") && !strcmp(x->graph.nodes[to].op, "Merge");
}

static int32_t input_of(const bt_node *node, int i)
{
    return i < node->n_inputs ? node->inputs[i].node : node->controls[i - node->n_inputs];
}

/* All inputs have frames. */
static berth_status settle(bt_pass_context *x, bt_frames *f, int32_t index)
{
    const bt_node *node = &x->graph.nodes[index];
    int32_t frame = 0;
    for (int i = 0; i < node->n_inputs + node->n_controls; i++) {
        int32_t input = input_of(node, i);
        if (goes_back(x, input, index)) continue;
        int32_t from = bt_frames_after(x, f, input);
        bool inner = f->at[from].depth > f->at[frame].depth;
        if (!(inner ? encloses(f, frame, from) : encloses(f, from, frame)))
            return bt_fail(x->error, BERTH_UNSUPPORTED,
                           "node '%s' (%s): mixes values of the loops '%s' and '%s'", node->name, node->op,
                           f->at[frame].name, f->at[from].name);
        if (inner) frame = from;
    }
    if (!strcmp(node->op, "Enter") && (frame = inner_frame(x, f, frame, node)) < 0) return BERTH_BAD_MODEL;
    f->of[index] = frame;
    return BERTH_OK;
}

berth_status bt_frames_find(bt_pass_context *x, bt_frames *f)
{
    size_t count = x->graph.n_nodes, n_enters = 0, n_ready = 0;
    for (size_t i = 0; i < count; i++) n_enters += !strcmp(x->graph.nodes[i].op, "Enter");
    f->at = bt_arena_array(x->arena, bt_frame, n_enters + 1);
    f->of = bt_arena_array(x->arena, int32_t, count + 1);
    if (!f->at || !f->of) return bt_fail_memory(x->error);
    f->n = 1, f->n_nodes = count;
    f->at[0] = (bt_frame){"", -1, 0};
    if (!n_enters) return BERTH_OK;
    bt_uses uses;
    int32_t *ready = bt_arena_array(x->arena, int32_t, count + 1);
    int32_t *waits = bt_arena_array(x->arena, int32_t, count + 1); /* inputs without a frame yet */
    berth_status status = ready && waits ? bt_uses_build(x, &uses) : bt_fail_memory(x->error);
    if (status) return status;
    for (size_t i = 0; i < count; i++) {
        const bt_node *node = &x->graph.nodes[i];
        for (int j = 0; j < node->n_inputs + node->n_controls; j++)
            waits[i] += !goes_back(x, input_of(node, j), (int32_t)i);
        if (!waits[i]) ready[n_ready++] = (int32_t)i;
    }
    for (size_t k = 0; k < n_ready && !status; k++) {
        int32_t node = ready[k];
        status = settle(x, f, node);
        waits[node] = -1;
        for (int32_t u = uses.first[node]; u < uses.first[node + 1]; u++) {
            int32_t user = uses.uses[u].node;
            if (user >= 0 && !goes_back(x, node, user) && --waits[user] == 0) ready[n_ready++] = user;
        }
    }
    for (size_t i = 0; i < count && !status; i++)
        if (waits[i] >= 0)
            status = bt_fail(x->error, BERTH_BAD_MODEL, "node '%s' (%s): is part of a cycle",
                             x->graph.nodes[i].name, x->graph.nodes[i].op);
    return status;
}
