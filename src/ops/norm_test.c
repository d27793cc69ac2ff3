/* Softmax, cross entropies, normalization, casts and choices: TensorFlow's answers. */
#include "../../tests/op_test.h"

static void test_softmax(void)
{
    const float x[9] = {1, NAN, 2, -INFINITY, 0, 0, -1e30f, 3, 3};
    const float y[9] = {NAN, NAN, NAN, 0, 0.5f, 0.5f, 0, 0.5f, 0.5f};
    const float logs[9] = {NAN,          NAN,    NAN,          -INFINITY,   -0.69314718f,
                           -0.69314718f, -1e30f, -0.69314718f, -0.69314718f};
    op_begin("Softmax");
    op_input(BERTH_FLOAT, BT_SHAPE(3, 3), x);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(3, 3), y, 1e-6));
    op_end();
    op_begin("LogSoftmax");
    op_input(BERTH_FLOAT, BT_SHAPE(3, 3), x);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(3, 3), logs, 1e-6));
    op_end();
    op_begin("Softmax");
    op_input(BERTH_FLOAT, BT_SCALAR, x);
    CHECK(op_run() != BERTH_OK);
    op_end();
}

static void test_entropy(void)
{
    const float x[3] = {1, 2, 3}, labels[6] = {0.2f, 0.3f, 0.5f, 1, 0, 0};
    const float loss[2] = {1.10760593f, 2.40760589f};
    const float gradient[6] = {-0.10996943f, -0.05527154f, 0.16524094f,
                               -0.90996945f, 0.24472848f,  0.66524094f};
    const int64_t classes[1] = {0}, beyond[1] = {3};
    op_begin("SoftmaxCrossEntropyWithLogits");
    op_input(BERTH_FLOAT, BT_SHAPE(1, 3), x), op_input(BERTH_FLOAT, BT_SHAPE(2, 3), labels);
    CHECK(op_run() == BERTH_OK);
    CHECK(op_gives(0, BERTH_FLOAT, BT_SHAPE(2), loss, 1e-6) &&
          op_gives(1, BERTH_FLOAT, BT_SHAPE(2, 3), gradient, 1e-6));
    op_end();
    op_begin("SparseSoftmaxCrossEntropyWithLogits");
    op_input(BERTH_FLOAT, BT_SHAPE(1, 3), x), op_input(BERTH_INT64, BT_SHAPE(1), classes);
    CHECK(op_run() == BERTH_OK);
    CHECK(op_gives(0, BERTH_FLOAT, BT_SHAPE(1), loss + 1, 1e-6) &&
          op_gives(1, BERTH_FLOAT, BT_SHAPE(1, 3), gradient + 3, 1e-6));
    op_end();
    op_begin("SparseSoftmaxCrossEntropyWithLogits");
    op_input(BERTH_FLOAT, BT_SHAPE(1, 3), x), op_input(BERTH_INT64, BT_SHAPE(1), beyond);
    CHECK(op_run() != BERTH_OK);
    op_end();
}

/* x 0..11 as [1,2,2,3] with channels last, or as its transpose [1,3,2,2] with channels first. */
static void batch_norm(bool first, bool training, float factor, const float *y, const float *mean,
                       const float *variance)
{
    float x[12];
    const float scale[3] = {1, 2, 3}, offset[3] = {0.1f, 0.2f, 0.3f};
    bt_shape shape = first ? BT_SHAPE(1, 3, 2, 2) : BT_SHAPE(1, 2, 2, 3);
    float want[12];
    for (int i = 0; i < 12; i++) {
        int to = first ? i % 3 * 4 + i / 3 : i;
        x[to] = (float)i, want[to] = y[i];
    }
    op_begin("FusedBatchNormV3");
    bt_set_float(&op_graph, 0, "epsilon", 0.01f), bt_set_bool(&op_graph, 0, "is_training", training);
    bt_set_float(&op_graph, 0, "exponential_avg_factor", factor);
    bt_set_string(&op_graph, 0, "data_format", first ? "NCHW" : "NHWC");
    op_input(BERTH_FLOAT, shape, x), op_input(BERTH_FLOAT, BT_SHAPE(3), scale),
        op_input(BERTH_FLOAT, BT_SHAPE(3), offset);
    op_input(BERTH_FLOAT, BT_SHAPE(3), offset), op_input(BERTH_FLOAT, BT_SHAPE(3), scale);
    CHECK(op_run() == BERTH_OK);
    CHECK(op_gives(0, BERTH_FLOAT, shape, want, 1e-5));
    CHECK(op_gives(1, BERTH_FLOAT, BT_SHAPE(3), mean, 1e-6) &&
          op_gives(2, BERTH_FLOAT, BT_SHAPE(3), variance, 1e-6));
    CHECK(op_out[5].shape.rank == 0);
    op_end();
}

static void test_batch_norm(void)
{
    const float still[12] = {0.00049628f, 1.32855308f, 3.23959088f, 2.98560762f, 5.56062651f, 8.4271040f,
                             5.97071934f, 9.79270077f, 13.6146173f, 8.95583057f, 14.0247746f, 18.8021297f};
    const float trained[12] = {-1.24104476f, -2.48208952f, -3.72313428f, -0.34701493f,
                               -0.69402987f, -1.04104471f, 0.54701495f,  1.09402990f,
                               1.64104486f,  1.44104481f,  2.88208961f,  4.32313442f};
    const float mean[3] = {0.1f, 0.2f, 0.3f}, variance[3] = {1, 2, 3};
    const float moved_mean[3] = {1.42f, 1.79f, 2.16f}, moved_variance[3] = {5.2f, 5.9f, 6.6f};
    for (int first = 0; first < 2; first++) {
        batch_norm(first, false, 1, still, mean, variance);
        batch_norm(first, true, 0.3f, trained, moved_mean, moved_variance);
    }
}

static void test_lrn(void)
{
    float x[12];
    const float y[12] = {0,           0.53452247f, 1.06904495f, 0.81649661f, 0.78446454f, 1.07832778f,
                         0.90971768f, 0.80560946f, 1.05500877f, 0.94087505f, 0.81110708f, 1.04173028f};
    for (int i = 0; i < 12; i++) x[i] = (float)i;
    op_begin("LRN");
    bt_set_int(&op_graph, 0, "depth_radius", 1), bt_set_float(&op_graph, 0, "alpha", 0.5f);
    op_input(BERTH_FLOAT, BT_SHAPE(1, 2, 2, 3), x);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(1, 2, 2, 3), y, 1e-6));
    op_end();
}

static void cast(berth_dtype from, const void *x, berth_dtype to, const void *y, int64_t n, bool truncate)
{
    op_begin("Cast");
    bt_set_type(&op_graph, 0, "SrcT", from), bt_set_type(&op_graph, 0, "DstT", to);
    bt_set_bool(&op_graph, 0, "Truncate", truncate);
    op_input(from, BT_SHAPE(n), x);
    CHECK(op_run() == BERTH_OK && op_gives(0, to, BT_SHAPE(n), y, 0));
    op_end();
}

static void test_cast(void)
{
    const float x[7] = {NAN, INFINITY, -INFINITY, 300, -5, 2.7f, -2.7f};
    cast(BERTH_FLOAT, x, BERTH_UINT8, (const uint8_t[]){0, 0, 0, 44, 251, 2, 254}, 7, false);
    cast(BERTH_FLOAT, x, BERTH_INT32, (const int32_t[]){INT32_MIN, INT32_MIN, INT32_MIN, 300, -5, 2, -2}, 7,
         false);
    cast(BERTH_FLOAT, x, BERTH_BOOL, (const uint8_t[]){1, 1, 1, 1, 1, 1, 1}, 7, false);
    const float v[6] = {1.0009765f, 1.0005f, 2049.5f, 65519, 65535, 70000};
    cast(BERTH_FLOAT, v, BERTH_HALF, (const uint16_t[]){0x3c01, 0x3c01, 0x6801, 0x7bff, 0x7c00, 0x7c00}, 6,
         false);
    cast(BERTH_FLOAT, v, BERTH_HALF, (const uint16_t[]){0x3c00, 0x3c00, 0x6800, 0x7bff, 0x7bff, 0x7c00}, 6,
         true);
    const uint16_t h[3] = {0x3c00, 0xc000, 0x7bff};
    cast(BERTH_HALF, h, BERTH_INT64, (const int64_t[]){1, -2, 65504}, 3, false);
}

static void test_select(void)
{
    const uint8_t rows[2] = {1, 0};
    const float a[4] = {1, 1, 2, 2}, b[4] = {5, 5, 6, 6}, want[4] = {1, 1, 6, 6}, column[2] = {7, 8};
    op_begin("Select");
    op_input(BERTH_BOOL, BT_SHAPE(2), rows), op_input(BERTH_FLOAT, BT_SHAPE(2, 2), a),
        op_input(BERTH_FLOAT, BT_SHAPE(2, 2), b);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(2, 2), want, 0));
    op_end();
    op_begin("SelectV2");
    op_input(BERTH_BOOL, BT_SHAPE(2), rows), op_input(BERTH_FLOAT, BT_SHAPE(2, 1), column),
        op_input(BERTH_FLOAT, BT_SHAPE(2, 2), b);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(2, 2), (const float[]){7, 5, 8, 6}, 0));
    op_end();
    op_begin("ClipByValue");
    const float seven = 7, three = 3, x[3] = {0, 5, NAN};
    op_input(BERTH_FLOAT, BT_SHAPE(3), x), op_input(BERTH_FLOAT, BT_SCALAR, &seven),
        op_input(BERTH_FLOAT, BT_SCALAR, &three);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(3), (const float[]){7, 7, NAN}, 0));
    op_end();
}

int main(void)
{
    test_softmax();
    test_entropy();
    test_batch_norm();
    test_lrn();
    test_cast();
    test_select();
    return check_done();
}
