/* Unit tests of ops: one node built and computed through bt_eval.
 *
 *     op_begin("LeakyRelu");
 *     bt_set_float(&op_graph, 0, "alpha", 0.5f);
 *     float x[2] = {-2, 3};
 *     op_input(BERTH_FLOAT, BT_SHAPE(2), x);
 *     CHECK(op_run() == BERTH_OK);
 *     ... op_out[0] ...
 *     op_end();
 */
#ifndef OP_TEST_H
#define OP_TEST_H

#include "ops/op.h"

#include "check.h"

enum { OP_TEST_PORTS = 12 };

static bt_arena op_arena;
static bt_graph op_graph;
static bt_tensor op_in[OP_TEST_PORTS], op_out[OP_TEST_PORTS];
static int op_inputs;
static berth_error op_error;

static inline void op_begin(const char *op)
{
    bt_arena_init(&op_arena);
    bt_graph_init(&op_graph, &op_arena);
    bt_graph_add(&op_graph, "node", op);
    op_inputs = 0;
    memset(op_out, 0, sizeof op_out);
}

/* The elements are borrowed until op_end. */
static inline void op_input(berth_dtype dtype, bt_shape shape, const void *elements)
{
    op_in[op_inputs++] = (bt_tensor){.dtype = dtype, .shape = shape, .data = (void *)(uintptr_t)elements};
}

static inline berth_status op_run(void)
{
    const bt_tensor *in[OP_TEST_PORTS];
    for (int i = 0; i < op_inputs; i++) in[i] = &op_in[i];
    bt_ops_resolve(&op_graph);
    if (!op_graph.nodes[0].def) return BERTH_NOT_FOUND;
    op_error = (berth_error){0};
    return bt_eval(&op_graph.nodes[0], in, op_inputs, op_out, bt_node_outputs(&op_graph.nodes[0]), NULL,
                   &op_error);
}

static inline void op_end(void)
{
    for (int i = 0; i < OP_TEST_PORTS; i++) bt_tensor_clear(&op_out[i]);
    bt_graph_free(&op_graph);
    bt_arena_free(&op_arena);
}

/* Output i is of this dtype and shape and has these elements; floats within `tolerance`. */
static inline bool op_gives(int i, berth_dtype dtype, bt_shape shape, const void *elements, double tolerance)
{
    const bt_tensor want = {.dtype = dtype, .shape = shape, .data = (void *)(uintptr_t)elements};
    if (op_out[i].dtype != dtype || !bt_shape_equal(&op_out[i].shape, &shape)) return false;
    bt_tensor got = op_out[i], wanted = want;
    bool complex = dtype == BERTH_COMPLEX64 || dtype == BERTH_COMPLEX128;
    if (complex) got.dtype = wanted.dtype = dtype == BERTH_COMPLEX64 ? BERTH_FLOAT : BERTH_DOUBLE;
    bool real = bt_dtype_is_float(got.dtype);
    for (int64_t k = 0; k < bt_tensor_count(&want) * (complex ? 2 : 1); k++) {
        double a = real ? bt_tensor_number(&got, k) : (double)bt_tensor_int(&got, k);
        double b = real ? bt_tensor_number(&wanted, k) : (double)bt_tensor_int(&wanted, k);
        if (a != b && !(isnan(a) && isnan(b)) && !(fabs(a - b) <= tolerance * fmax(1, fabs(b)))) {
            printf("    element %lld: %.9g, not %.9g\n", (long long)k, a, b);
            return false;
        }
    }
    return true;
}

#endif
