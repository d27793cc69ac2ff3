/* What op definitions say of types: counts and types of inputs and outputs, by attributes that are there or missing. */
#include "op_test.h"

static bt_node *node(const char *op)
{
    op_begin(op);
    return &op_graph.nodes[0];
}

static void test_plain(void)
{
    const bt_node *n = node("AddV2");
    CHECK_EQ(bt_node_inputs(n), 2);
    CHECK_EQ(bt_node_input_type(n, 0), BERTH_NO_DTYPE); /* the node does not say */
    bt_set_type(&op_graph, 0, "T", BERTH_HALF);
    CHECK(bt_node_input_type(n, 0) == BERTH_HALF && bt_node_input_type(n, 1) == BERTH_HALF);
    CHECK_EQ(bt_node_input_type(n, 2), BERTH_NO_DTYPE);
    CHECK(bt_node_output_type(n, 0) == BERTH_HALF && bt_node_output_type(n, 1) == BERTH_NO_DTYPE);
    op_end();
    n = node("TensorArrayV3");
    bt_set_type(&op_graph, 0, "dtype", BERTH_HALF);
    CHECK(bt_node_inputs(n) == 1 && bt_node_input_type(n, 0) == BERTH_INT32);
    CHECK(bt_node_output_type(n, 0) == BERTH_RESOURCE && bt_node_output_type(n, 1) == BERTH_FLOAT);
    op_end();
    n = node("NoOp");
    CHECK(bt_node_inputs(n) == 0 && bt_node_output_type(n, 0) == BERTH_NO_DTYPE);
    op_end();
    n = node("_FusedMatMul");
    CHECK(bt_node_inputs(n) == -1 && bt_node_input_type(n, 0) == BERTH_NO_DTYPE);
    op_end();
}

static void test_many(void)
{
    static const berth_dtype types[] = {BERTH_INT64, BERTH_BOOL};
    const bt_node *n = node("ConcatV2"); /* N*T Tidx */
    bt_set_type(&op_graph, 0, "T", BERTH_DOUBLE);
    bt_set_type(&op_graph, 0, "Tidx", BERTH_INT64);
    CHECK_EQ(bt_node_inputs(n), -1);
    CHECK_EQ(bt_node_input_type(n, 0), BERTH_NO_DTYPE);
    bt_set_int(&op_graph, 0, "N", 3);
    CHECK_EQ(bt_node_inputs(n), 4);
    CHECK(bt_node_input_type(n, 2) == BERTH_DOUBLE && bt_node_input_type(n, 3) == BERTH_INT64);
    op_end();
    n = node("ConcatV2");
    bt_set_int(&op_graph, 0, "N", INT64_MAX);
    CHECK_EQ(bt_node_inputs(n), -1);
    op_end();
    n = node("If"); /* Tcond *Tin > *Tout */
    bt_set_type(&op_graph, 0, "Tcond", BERTH_BOOL);
    bt_set_types(&op_graph, 0, "Tin", types, 2);
    bt_set_types(&op_graph, 0, "Tout", types, 1);
    CHECK(bt_node_inputs(n) == 3 && bt_node_input_type(n, 0) == BERTH_BOOL);
    CHECK(bt_node_input_type(n, 1) == BERTH_INT64 && bt_node_input_type(n, 2) == BERTH_BOOL);
    CHECK(bt_node_output_type(n, 0) == BERTH_INT64 && bt_node_output_type(n, 1) == BERTH_NO_DTYPE);
    op_end();
}

/* Every type that a line names is one, and every op one of berth's. */
static void test_lines(void)
{
    static const struct {
        const char *types, *ops;
    } lines[] = {
#define SIGNATURE(types, ops) {types, ops},
#include "ops/signatures.def"
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *p = strchr(lines[i].types, '>');
        CHECK(p && !strchr(p + 1, '>'));
        for (p = lines[i].types; (p = strchr(p, '.')); p++)
            if (!CHECK(bt_dtype_named((bt_str){p + 1, strcspn(p + 1, " ")}))) printf("    %s\n", lines[i].types);
        for (p = lines[i].ops; *p; p += strcspn(p, " "), p += *p == ' ') {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(p, " "), p);
            if (!CHECK(bt_op_find(name))) printf("    %s\n", name);
        }
    }
}

int main(void)
{
    test_plain();
    test_many();
    test_lines();
    return check_done();
}
