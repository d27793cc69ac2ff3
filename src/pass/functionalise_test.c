/* TF1's loops to While: the text of the graph and of the functions made; what is refused, and in which words. */
#include "pass/frames.h"

#include "../../tests/torture.h"

typedef struct work {
    bt_source source;
    bt_arena arena;
    bt_map functions;
    bt_pass_context x;
    berth_error error;
    bt_edge fetches[4];
} work;

static void work_begin(work *w)
{
    *w = (work){0};
    bt_source_init(&w->source);
    bt_arena_init(&w->arena);
    w->x = (bt_pass_context){.source = &w->source,
                             .functions = &w->functions,
                             .arena = &w->arena,
                             .fetches = w->fetches,
                             .error = &w->error};
    bt_graph_init(&w->x.graph, &w->arena);
}

static void work_end(work *w)
{
    bt_graph_free(&w->x.graph);
    bt_map_free(&w->functions);
    bt_arena_free(&w->arena);
    bt_source_free(&w->source);
}

/* A node from "op a b:1 ^c": inputs of nodes that come later are given by link(). False: out of memory. */
static bool add(work *w, const char *name, const char *text)
{
    bt_graph *g = &w->x.graph;
    char words[256], *rest = words;
    snprintf(words, sizeof words, "%s", text);
    const char *op = strsep(&rest, " ");
    bt_edge inputs[8];
    int32_t controls[8];
    int n = 0, n_controls = 0;
    for (char *word; (word = strsep(&rest, " "));) {
        bt_str node;
        int slot;
        if (!bt_tensor_name(bt_str_of(word), &node, &slot)) return false;
        int32_t from = bt_graph_find(g, node);
        if (slot < 0) controls[n_controls++] = from;
        else inputs[n++] = (bt_edge){from, slot};
    }
    char *own = bt_arena_copy(&w->arena, op, strlen(op));
    int32_t node = own ? bt_graph_add(g, name, own) : -1;
    bool loop = !strcmp(op, "Enter");
    return node >= 0 && bt_node_set_inputs(g, node, inputs, n) &&
           bt_node_set_controls(g, node, controls, n_controls) &&
           (!loop || bt_set_string(g, node, "frame_name", name[0] == 'i' ? "inner" : "outer")) &&
           (g->nodes[node].def = bt_op_find(op)) != NULL;
}

/* The second input of a Merge: the way back. */
static bool link(work *w, const char *merge, const char *next)
{
    bt_graph *g = &w->x.graph;
    int32_t m = bt_graph_find(g, bt_str_of(merge)), n = bt_graph_find(g, bt_str_of(next));
    if (m < 0 || n < 0) return false;
    bt_edge inputs[2] = {g->nodes[m].inputs[0], {n, 0}};
    return bt_node_set_inputs(g, m, inputs, 2);
}

static bool fetch(work *w, const char *name)
{
    int32_t node = bt_graph_find(&w->x.graph, bt_str_of(name));
    w->fetches[w->x.n_fetches++] = (bt_edge){node, 0};
    return node >= 0;
}

/* while (i < n) i = i + one, with n and one from outside, one through a constant inside. */
static bool count_up(work *w)
{
    return add(w, "n", "_Feed") && add(w, "zero", "Const") && add(w, "e", "Enter zero") &&
           add(w, "en", "Enter n") && add(w, "m", "Merge e") && add(w, "less", "Less m en") &&
           add(w, "c", "LoopCond less") && add(w, "s", "Switch m c") && add(w, "here", "Identity s:1") &&
           add(w, "one", "Const ^here") && add(w, "sum", "AddV2 here one") &&
           add(w, "back", "NextIteration sum") && link(w, "m", "back") && add(w, "x", "Exit s") &&
           add(w, "y", "Identity x");
}

static void check_dump(const bt_graph *g, const char *want)
{
    bt_text text = {0};
    bt_graph_dump(g, NULL, NULL, &text);
    CHECK_TEXT(text.p, want);
    bt_text_free(&text);
}

static const bt_function *function_of(const work *w, const char *name)
{
    const bt_function *f = bt_map_get(&w->functions, bt_str_of(name));
    CHECK(f != NULL);
    return f;
}

static void test_count(void)
{
    work w;
    work_begin(&w);
    CHECK(count_up(&w) && fetch(&w, "y"));
    CHECK(bt_pass_functionalise(&w.x) == BERTH_OK);
    check_dump(
        &w.x.graph,
        "n = _Feed()\nzero = Const()\ny = Identity(outer)\n"
        "outer = StatelessWhile(zero, n) {cond: outer/cond(), body: outer/body(), T: [unknown, unknown]}\n");
    const bt_function *cond = function_of(&w, "outer/cond"), *body = function_of(&w, "outer/body");
    if (!cond || !body) return work_end(&w);
    check_dump(&cond->graph,
               "m = _Arg() {index: 0, T: unknown}\nn = _Arg() {index: 1, T: unknown}\nless = Less(m, n)\n");
    check_dump(
        &body->graph,
        "m = _Arg() {index: 0, T: unknown}\nn = _Arg() {index: 1, T: unknown}\nsum = AddV2(here, one)\n"
        "here = Identity(m)\none = Const()\n");
    CHECK(cond->n_args == 2 && cond->n_results == 1 && body->n_results == 2);
    CHECK(body->results[1].node == body->args[1] && !body->is_stateful);
    work_end(&w);
}

/* A loop in a loop: the outer body runs the inner While. */
static void test_nested(void)
{
    work w;
    work_begin(&w);
    CHECK(add(&w, "n", "_Feed") && add(&w, "zero", "Const") && add(&w, "e", "Enter zero") &&
          add(&w, "en", "Enter n"));
    CHECK(add(&w, "m", "Merge e") && add(&w, "less", "Less m en") && add(&w, "c", "LoopCond less"));
    CHECK(add(&w, "s", "Switch m c") && add(&w, "here", "Identity s:1"));
    CHECK(add(&w, "ie", "Enter here") && add(&w, "ien", "Enter en") && add(&w, "im", "Merge ie"));
    CHECK(add(&w, "iless", "Less im ien") && add(&w, "ic", "LoopCond iless") &&
          add(&w, "is", "Switch im ic"));
    CHECK(add(&w, "isum", "AddV2 is:1 ien") && add(&w, "iback", "NextIteration isum") &&
          link(&w, "im", "iback"));
    CHECK(add(&w, "ix", "Exit is") && add(&w, "next", "AddV2 ix here") &&
          add(&w, "back", "NextIteration next"));
    CHECK(link(&w, "m", "back") && add(&w, "x", "Exit s") && fetch(&w, "x"));
    CHECK(bt_pass_functionalise(&w.x) == BERTH_OK);
    CHECK_TEXT(w.error.message, "");
    const bt_function *outer = function_of(&w, "outer/body"), *inner = function_of(&w, "inner/body");
    if (!outer || !inner) return work_end(&w);
    CHECK(w.fetches[0].slot == 0 && !strcmp(w.x.graph.nodes[w.fetches[0].node].op, "StatelessWhile"));
    check_dump(
        &outer->graph,
        "m = _Arg() {index: 0, T: unknown}\nn = _Arg() {index: 1, T: unknown}\nnext = AddV2(inner, here)\n"
        "inner = StatelessWhile(here, n) {cond: inner/cond(), body: inner/body(), T: [unknown, unknown]}\n"
        "here = Identity(m)\n");
    check_dump(
        &inner->graph,
        "im = _Arg() {index: 0, T: unknown}\nen = _Arg() {index: 1, T: unknown}\nisum = AddV2(im, en)\n");
    work_end(&w);
}

/* A condition in a body stays Switch and Merge. */
static void test_condition_inside(void)
{
    work w;
    work_begin(&w);
    CHECK(count_up(&w) && add(&w, "odd", "Less sum one") && add(&w, "cs", "Switch here odd"));
    CHECK(add(&w, "neg", "Neg cs") && add(&w, "cm", "Merge neg cs:1"));
    w.x.graph.nodes[bt_graph_find(&w.x.graph, bt_str_of("back"))].inputs[0].node =
        bt_graph_find(&w.x.graph, bt_str_of("cm"));
    CHECK(fetch(&w, "x") && bt_pass_functionalise(&w.x) == BERTH_OK);
    const bt_function *body = function_of(&w, "outer/body");
    if (body)
        check_dump(
            &body->graph,
            "m = _Arg() {index: 0, T: unknown}\nn = _Arg() {index: 1, T: unknown}\ncm = Merge(neg, cs:1)\n"
            "neg = Neg(cs)\ncs = Switch(here, odd)\nhere = Identity(m)\nodd = Less(sum, one)\n"
            "sum = AddV2(here, one)\none = Const()\n");
    work_end(&w);
}

static void check_refused(work *w, berth_status status, const char *words)
{
    CHECK_EQ(bt_pass_functionalise(&w->x), status);
    if (!CHECK(strstr(w->error.message, words))) printf("    %s\n", w->error.message);
    work_end(w);
}

static void test_refusals(void)
{
    work w;
    work_begin(&w);
    CHECK(count_up(&w) && fetch(&w, "sum"));
    check_refused(&w, BERTH_UNSUPPORTED, "'sum' cannot be fetched: it lies in the loop 'outer'");
    work_begin(&w);
    CHECK(count_up(&w) && add(&w, "fed", "_Feed") && fetch(&w, "y"));
    w.x.graph.nodes[bt_graph_find(&w.x.graph, bt_str_of("sum"))].inputs[1].node =
        bt_graph_find(&w.x.graph, bt_str_of("fed"));
    check_refused(&w, BERTH_UNSUPPORTED, "'fed:0' cannot be fed: it lies in the loop 'outer'");
    work_begin(&w);
    CHECK(add(&w, "a", "Const") && add(&w, "e", "Enter a") && add(&w, "x", "Exit e") && fetch(&w, "x"));
    check_refused(&w, BERTH_UNSUPPORTED, "it has no condition");
    work_begin(&w);
    CHECK(count_up(&w) && add(&w, "x2", "Exit m") && fetch(&w, "x2"));
    check_refused(&w, BERTH_UNSUPPORTED, "node 'x2' (Exit)");
    work_begin(&w);
    CHECK(count_up(&w) && add(&w, "ie", "Enter n") && add(&w, "mix", "AddV2 ie here") && fetch(&w, "mix"));
    check_refused(&w, BERTH_UNSUPPORTED, "node 'mix' (AddV2): mixes values of the loops 'inner' and 'outer'");
    work_begin(&w);
    CHECK(add(&w, "a", "Const") && add(&w, "p", "Merge a") && add(&w, "q", "Enter p") && link(&w, "p", "q") &&
          fetch(&w, "q"));
    check_refused(&w, BERTH_BAD_MODEL, "is part of a cycle");
}

static bool convert_once(void *user)
{
    (void)user;
    work w;
    work_begin(&w);
    bool ok = count_up(&w) && fetch(&w, "y") && bt_pass_functionalise(&w.x) == BERTH_OK;
    work_end(&w);
    return ok;
}

int main(void)
{
    test_count();
    test_nested();
    test_condition_inside();
    test_refusals();
    torture(convert_once, NULL, false);
    return check_done();
}
