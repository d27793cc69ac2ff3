/* StridedSlice: TensorFlow's answers where masks meet, random slices against the definition, and what is told of
 * shapes that are known in part. */
#include "../../tests/op_test.h"

#include "ops/slice.h"

typedef struct slice_case {
    int64_t begin[4], end[4], stride[4];
    int n, begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_mask;
    bt_shape shape; /* of the result for an input of [2, 3, 4]; rank -1: refused */
    int32_t first;  /* its first element, of 0, 1, 2, ... */
} slice_case;

static void set_masks(const slice_case *s)
{
    bt_set_int(&op_graph, 0, "begin_mask", s->begin_mask);
    bt_set_int(&op_graph, 0, "end_mask", s->end_mask);
    bt_set_int(&op_graph, 0, "ellipsis_mask", s->ellipsis_mask);
    bt_set_int(&op_graph, 0, "new_axis_mask", s->new_axis_mask);
    bt_set_int(&op_graph, 0, "shrink_axis_mask", s->shrink_mask);
}

static void test_masks(void)
{
    const slice_case cases[] = {
        {{0}, {0}, {1}, 0, 0, 0, 0, 0, 0, {3, {2, 3, 4}}, 0},
        {{1}, {0}, {1}, 1, 0, 0, 0, 0, 1, {2, {3, 4}}, 12},
        {{-1}, {0}, {1}, 1, 0, 1, 0, 0, 0, {3, {1, 3, 4}}, 12},
        {{0, 1}, {0, 3}, {1, 2}, 2, 0, 0, 1, 0, 0, {3, {2, 3, 1}}, 1},
        {{0, 0, 1}, {0, 0, 0}, {1, 1, 1}, 3, 0, 0, 1, 2, 4, {3, {2, 3, 1}}, 1},
        {{0, 5}, {0, -9}, {1, -1}, 2, 0, 0, 1, 0, 0, {3, {2, 3, 4}}, 3},
        {{1, 2}, {2, 1}, {1, 1}, 2, 0, 0, 0, 0, 0, {3, {1, 0, 4}}, 0},
        {{0}, {0}, {-1}, 1, 1, 1, 0, 0, 0, {3, {2, 3, 4}}, 12},
        {{2}, {0}, {1}, 1, 0, 0, 0, 0, 1, {-1, {0}}, 0},
        {{0}, {1}, {0}, 1, 0, 0, 0, 0, 0, {-1, {0}}, 0},
        {{0, 0, 0, 0}, {1, 1, 1, 1}, {1, 1, 1, 1}, 4, 0, 0, 0, 0, 0, {-1, {0}}, 0},
        {{0, 0}, {0, 0}, {1, 1}, 2, 0, 0, 3, 0, 0, {-1, {0}}, 0},
    };
    int32_t x[24];
    for (int i = 0; i < 24; i++) x[i] = i;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const slice_case *s = &cases[i];
        op_begin("StridedSlice");
        set_masks(s);
        op_input(BERTH_INT32, BT_SHAPE(2, 3, 4), x);
        op_input(BERTH_INT64, BT_SHAPE(s->n), s->begin), op_input(BERTH_INT64, BT_SHAPE(s->n), s->end);
        op_input(BERTH_INT64, BT_SHAPE(s->n), s->stride);
        bool fits = op_run() == BERTH_OK;
        if (!CHECK(fits == (s->shape.rank >= 0))) printf("    case %zu: %s\n", i, op_error.message);
        if (fits && s->shape.rank >= 0) {
            CHECK(bt_shape_equal(&op_out[0].shape, &s->shape));
            if (bt_tensor_count(&op_out[0])) CHECK_EQ(*(int32_t *)op_out[0].data, s->first);
        }
        op_end();
    }
}

/* x[begin:end:stride] of a vector, as Python has it. */
static void test_vectors(void)
{
    int32_t x[9], want[9];
    for (int i = 0; i < 9; i++) x[i] = i;
    for (int round = 0; round < 2000; round++) {
        int64_t n = check_int(0, 9), begin = check_int(-12, 12), end = check_int(-12, 12),
                stride = check_int(1, 4);
        if (check_int(0, 1)) stride = -stride;
        int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? n : n - 1, count = 0;
        int64_t b = begin < 0 ? begin + n : begin, e = end < 0 ? end + n : end;
        b = b < low ? low : b > high ? high : b, e = e < low ? low : e > high ? high : e;
        for (int64_t i = b; stride > 0 ? i < e : i > e; i += stride) want[count++] = x[i];
        op_begin("StridedSlice");
        op_input(BERTH_INT32, BT_SHAPE(n), x), op_input(BERTH_INT64, BT_SHAPE(1), &begin);
        op_input(BERTH_INT64, BT_SHAPE(1), &end), op_input(BERTH_INT64, BT_SHAPE(1), &stride);
        CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT32, BT_SHAPE(count), want, 0));
        op_end();
    }
}

/* What the shape function tells of an op whose inputs are known in part. */
static bt_shape told(const char *op, const bt_fact *in, int n_in, void (*attributes)(void))
{
    bt_fact out[OP_TEST_PORTS] = {{.shape = BT_SHAPE_UNKNOWN}};
    op_begin(op);
    if (attributes) attributes();
    bt_ops_resolve(&op_graph);
    op_error = (berth_error){0};
    bt_infer x = {&op_graph.nodes[0], in, n_in, out, 1, 1000, &op_error};
    CHECK(op_graph.nodes[0].def->infer(&x) == BERTH_OK);
    op_end();
    return out[0].shape;
}

static void mask_first(void)
{
    bt_set_int(&op_graph, 0, "begin_mask", 1), bt_set_int(&op_graph, 0, "end_mask", 1);
}

static bool is(bt_shape a, bt_shape b) { return bt_shape_equal(&a, &b); }

static void test_partial_shapes(void)
{
    int64_t minus[2] = {-1, 4}, zeros[2] = {0, 0}, ones[2] = {1, 1}, ends[2] = {0, 3}, two = 2, last = -1;
    const bt_tensor t_minus = {.dtype = BERTH_INT64, .shape = BT_SHAPE(2), .data = minus};
    const bt_tensor t_zeros = {.dtype = BERTH_INT64, .shape = BT_SHAPE(2), .data = zeros};
    const bt_tensor t_ones = {.dtype = BERTH_INT64, .shape = BT_SHAPE(2), .data = ones};
    const bt_tensor t_ends = {.dtype = BERTH_INT64, .shape = BT_SHAPE(2), .data = ends};
    const bt_tensor t_two = {.dtype = BERTH_INT64, .shape = BT_SCALAR, .data = &two};
    const bt_tensor t_last = {.dtype = BERTH_INT64, .shape = BT_SCALAR, .data = &last};
#define CONSTANT(t)                  \
    {                                \
        BERTH_INT64, (t).shape, &(t) \
    }
    const bt_fact reshape[] = {{BERTH_FLOAT, BT_SHAPE(-1, 2, 2), NULL}, CONSTANT(t_minus)};
    CHECK(is(told("Reshape", reshape, 2, NULL), BT_SHAPE(-1, 4)));
    const bt_fact known[] = {{BERTH_FLOAT, BT_SHAPE(3, 2, 2), NULL}, CONSTANT(t_minus)};
    CHECK(is(told("Reshape", known, 2, NULL), BT_SHAPE(3, 4)));
    const bt_fact vague[] = {{BERTH_FLOAT, BT_SHAPE_UNKNOWN, NULL}, {BERTH_INT64, BT_SHAPE(3), NULL}};
    CHECK(is(told("Reshape", vague, 2, NULL), BT_SHAPE(-1, -1, -1)));
    const bt_fact slice[] = {
        {BERTH_FLOAT, BT_SHAPE(-1, 5, 7), NULL}, CONSTANT(t_zeros), CONSTANT(t_ends), CONSTANT(t_ones)};
    CHECK(is(told("StridedSlice", slice, 4, mask_first), BT_SHAPE(-1, 3, 7)));
    const bt_fact concat[] = {
        {BERTH_FLOAT, BT_SHAPE(-1, 5, 7), NULL}, {BERTH_FLOAT, BT_SHAPE(4, -1, 3), NULL}, CONSTANT(t_last)};
    CHECK(is(told("ConcatV2", concat, 3, NULL), BT_SHAPE(4, 5, 10)));
    const bt_fact pack[] = {{BERTH_FLOAT, BT_SHAPE(-1, 5), NULL}, {BERTH_FLOAT, BT_SHAPE(4, -1), NULL}};
    CHECK(is(told("Pack", pack, 2, NULL), BT_SHAPE(2, 4, 5)));
    const bt_fact expand[] = {{BERTH_FLOAT, BT_SHAPE(-1, 5), NULL}, CONSTANT(t_last)};
    CHECK(is(told("ExpandDims", expand, 2, NULL), BT_SHAPE(-1, 5, 1)));
    const bt_fact gather[] = {
        {BERTH_FLOAT, BT_SHAPE(-1, 5, 6), NULL}, {BERTH_INT32, BT_SHAPE(-1, 8), NULL}, CONSTANT(t_two)};
    CHECK(is(told("GatherV2", gather, 3, NULL), BT_SHAPE(-1, 5, -1, 8)));
    const bt_fact fill[] = {{BERTH_INT64, BT_SHAPE(2), NULL}, {BERTH_FLOAT, BT_SCALAR, NULL}};
    CHECK(is(told("Fill", fill, 2, NULL), BT_SHAPE(-1, -1)));
}

int main(void)
{
    test_masks();
    test_vectors();
    test_partial_shapes();
    return check_done();
}
