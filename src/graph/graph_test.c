/* Graphs: nodes and names, attributes, text, sources; and every allocation refused once. */
#include "graph/graph.h"

#include <unistd.h>

#include "torture.h"

static void test_tensor_names(void)
{
    static const struct {
        const char *text, *node;
        int slot;
    } cases[] = {{"x", "x", 0},
                 {"a/b:12", "a/b", 12},
                 {"^x", "x", -1},
                 {"", NULL, 0},
                 {"^", NULL, 0},
                 {":0", NULL, 0},
                 {"x:", NULL, 0},
                 {"x:a", NULL, 0},
                 {"x:-1", NULL, 0},
                 {"^x:0", NULL, 0},
                 {"x:1:2", NULL, 0},
                 {"x:2147483648", NULL, 0},
                 {"x:2147483647", "x", INT32_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bt_str node = {0};
        int slot = 0;
        CHECK_EQ(bt_tensor_name(bt_str_of(cases[i].text), &node, &slot), cases[i].node != NULL);
        if (cases[i].node) CHECK(bt_str_is(node, cases[i].node) && slot == cases[i].slot);
    }
    bt_str node;
    int slot;
    CHECK(!bt_tensor_name((bt_str){NULL, 0}, &node, &slot));
}

static const char *const expected =
    "x = Placeholder() {dtype: float32, shape: [?,2]} @/GPU:1 -> float32[?,2]\n"
    "c = Const() {value: float32[2] = {1.5, -2}} -> float32[2] = {1.5, -2}\n"
    "s = Const() {value: string[1] = {\"a\\\"\\x01\"}} -> ?[], int64?\n"
    "y = Add(x, s:1, ^c) {T: int64, k: 7, f: 0.5, on: true, name: \"q\", body: g(), ints: [1, -2], types: "
    "[float32, "
    "string], texts: [\"a\", \"b\"], shapes: [[1], ?]}\n";

static bool set_all(bt_graph *g, int32_t y)
{
    const int64_t ints[] = {1, -2};
    const berth_dtype types[] = {BERTH_FLOAT, BERTH_STRING};
    const char *const texts[] = {"a", "b"};
    const bt_shape shapes[] = {BT_SHAPE(1), BT_SHAPE_UNKNOWN};
    char name[] = "T"; /* names are copied */
    bool ok = bt_set_type(g, y, name, BERTH_FLOAT);
    name[0] = '!';
    return ok && bt_set_int(g, y, "k", 7) && bt_set_float(g, y, "f", 0.5f) && bt_set_bool(g, y, "on", true) &&
           bt_set_string(g, y, "name", "q") && bt_set_func(g, y, "body", "g") &&
           bt_set_ints(g, y, "ints", ints, 2) && bt_set_types(g, y, "types", types, 2) &&
           bt_set_strings(g, y, "texts", texts, 2) && bt_set_shapes(g, y, "shapes", shapes, 2) &&
           bt_set_type(g, y, "T", BERTH_INT64);
}

static void check_attrs(const bt_node *n)
{
    const bt_attr_value *list;
    bt_shape shape;
    CHECK_EQ(n->n_attrs, 10);
    CHECK_EQ(bt_attr_type(n, "T", BERTH_FLOAT), BERTH_INT64);
    CHECK_EQ(bt_attr_int(n, "k", 1), 7);
    CHECK_EQ(bt_attr_int(n, "f", 1), 1); /* of another kind */
    CHECK_EQ(bt_attr_int(n, "ints", 3), 3);
    CHECK_CLOSE(bt_attr_float(n, "f", 0), 0.5, 0);
    CHECK(bt_attr_bool(n, "on", false) && bt_attr_bool(n, "off", true));
    CHECK_TEXT(bt_attr_string(n, "name", ""), "q");
    CHECK_TEXT(bt_attr_string(n, "none", "?"), "?");
    CHECK_TEXT(bt_attr_func(n, "body"), "g");
    CHECK(!bt_attr_func(n, "name") && !bt_attr_shape(n, "none", &shape) && !bt_attr_tensor(n, "k"));
    CHECK(bt_attr_list(n, "ints", &list) == 2 && list[1].i == -2);
    CHECK(bt_attr_list(n, "texts", &list) == 2 && bt_str_is(list[1].s, "b"));
    CHECK_EQ(bt_attr_list(n, "k", NULL), -1);
}

static bool build(void *user)
{
    bt_arena arena;
    bt_graph g;
    bt_text text = {0};
    float numbers[] = {1.5f, -2};
    bt_string string = {(char[]){'a', '"', 1}, 3};
    bt_tensor c = {.dtype = BERTH_FLOAT, .shape = BT_SHAPE(2), .data = numbers};
    bt_tensor s = {.dtype = BERTH_STRING, .shape = BT_SHAPE(1), .data = &string};
    bt_shape shape = BT_SHAPE(-1, 2);
    bt_arena_init(&arena);
    bt_graph_init(&g, &arena);
    (void)user;
    int32_t ix = bt_graph_add(&g, "x", "Placeholder"), ic = ix < 0 ? -1 : bt_graph_add(&g, "c", "Const");
    int32_t is = ic < 0 ? -1 : bt_graph_add(&g, "s", "Const"),
            iy = is < 0 ? -1 : bt_graph_add(&g, "y", "Add");
    bool ok = iy == 3 && bt_node_set_inputs(&g, iy, (bt_edge[]){{ix, 0}, {is, 1}}, 2) &&
              bt_node_set_controls(&g, iy, &ic, 1) && bt_node_set_controls(&g, ix, NULL, 0) &&
              set_all(&g, iy) && bt_set_type(&g, ix, "dtype", BERTH_FLOAT) &&
              bt_set_shape(&g, ix, "shape", &shape) && bt_set_tensor(&g, ic, "value", &c) &&
              bt_set_tensor(&g, is, "value", &s);
    if (ok) {
        bt_fact facts[] = {{BERTH_FLOAT, shape, NULL},
                           {BERTH_FLOAT, c.shape, &c},
                           {0, BT_SCALAR, NULL},
                           {BERTH_INT64, BT_SHAPE_UNKNOWN, NULL}};
        int32_t first[] = {0, 1, 2, 4, 4};
        g.nodes[ix].device = "/GPU:1";
        check_attrs(&g.nodes[iy]);
        bt_graph_dump(&g, facts, first, &text);
        ok = !text.failed;
        if (ok) CHECK_TEXT(text.p, expected);
        CHECK(bt_graph_find(&g, bt_str_of("y")) == iy && bt_graph_find(&g, bt_str_of("z")) == -1);
    }
    bt_text_free(&text);
    bt_graph_free(&g);
    bt_arena_free(&arena);
    return ok;
}

/* A setter must not change what a copy of the node sees. */
static void test_shared_attrs(void)
{
    bt_arena arena;
    bt_graph g;
    bt_arena_init(&arena);
    bt_graph_init(&g, &arena);
    int32_t n = bt_graph_add(&g, "n", "Op");
    CHECK(bt_set_int(&g, n, "a", 1));
    bt_node copy = g.nodes[n];
    CHECK(bt_set_int(&g, n, "a", 2) && bt_set_int(&g, n, "b", 3));
    CHECK(bt_attr_int(&copy, "a", 0) == 1 && copy.n_attrs == 1);
    CHECK(bt_attr_int(&g.nodes[n], "a", 0) == 2 && bt_attr_int(&g.nodes[n], "b", 0) == 3);
    bt_graph_free(&g);
    bt_arena_free(&arena);
}

static bool name_many(void *user)
{
    bt_arena arena;
    bt_graph g;
    bool ok = true;
    (void)user;
    bt_arena_init(&arena);
    bt_graph_init(&g, &arena);
    for (int i = 0; ok && i < 2000; i++) {
        const char *name = bt_graph_unique_name(&g, "const");
        char wanted[32] = "const";
        if (i) snprintf(wanted, sizeof wanted, "const_%d", i);
        if (name) CHECK_TEXT(name, wanted);
        ok = name && bt_graph_add(&g, name, "Const") == i;
    }
    bt_graph_free(&g);
    bt_arena_free(&arena);
    return ok;
}

static bool make_source(void *user)
{
    bt_source source;
    bt_shape three = BT_SHAPE(3);
    bt_source_init(&source);
    bt_file *file = bt_file_open(user, NULL), *second = bt_file_open(user, NULL);
    bool ok = file && second;
    if (file) ok &= bt_source_add_file(&source, file);
    if (second) ok &= bt_source_add_file(&source, second);
    bt_function *f = bt_arena_new(&source.arena, bt_function);
    bt_variable *v = bt_arena_new(&source.arena, bt_variable);
    if (f) bt_graph_init(&f->graph, &source.arena);
    ok = ok && f && v && bt_map_put(&source.functions, bt_str_of("f"), f) &&
         bt_graph_add(&f->graph, "x", "_Arg") == 0 && bt_map_put(&source.variables, bt_str_of("v"), v) &&
         !bt_tensor_init(&v->value, BERTH_STRING, &three, NULL) && bt_string_set(v->value.data, "kept", 4) &&
         bt_graph_add(&source.graph, "y", "NoOp") == 0;
    if (ok) {
        CHECK(bt_source_file_of(&source, second->data) == second);
        CHECK(bt_source_file_of(&source, file->data + file->size - 1) == file);
        CHECK(!bt_source_file_of(&source, &source) && !bt_source_file_of(&source, NULL));
    }
    bt_source_free(&source);
    return ok;
}

int main(void)
{
    char path[] = "/tmp/berth-graph-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "bytes", 5) == 5);
    test_tensor_names();
    test_shared_attrs();
    CHECK(torture(build, NULL, false) >= 4);
    CHECK(torture(name_many, NULL, false) > 10);
    CHECK(torture(make_source, path, false) > 8);
    close(fd);
    unlink(path);
    return check_done();
}
