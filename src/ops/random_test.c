/* Random numbers: Philox against its authors' answer, and TensorFlow's own numbers for a seed. */
#include "ops/philox.h"

#include "../../tests/op_test.h"

static void test_philox(void)
{
    bt_philox zero = {{0}, {0}}, ones = {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}};
    bt_bits a = bt_philox_next(&zero), b = bt_philox_next(&ones);
    CHECK(a.x[0] == 0x6627e8d5 && a.x[1] == 0xe169c58d && a.x[2] == 0xbc57ac4c && a.x[3] == 0x9b00dbd8);
    CHECK(b.x[0] == 0x408f276d && b.x[1] == 0x41c83b0e && b.x[2] == 0xa20bc7c6 && b.x[3] == 0x6d5451fd);
    CHECK(zero.counter[0] == 1 && ones.counter[0] == 0 && ones.counter[3] == 0);
    bt_philox far = bt_philox_of(0, UINT64_MAX, 4);
    bt_philox_skip(&far, 2);
    CHECK(far.counter[0] == 1 && far.counter[1] == 0 && far.counter[2] == 5);
}

static const int32_t seed[2] = {7, -3};

static void test_seeded(const char *op, const float narrow[5], const double wide[5])
{
    for (int is_wide = 0; is_wide < 2; is_wide++) {
        int32_t five = 5;
        op_begin(op);
        bt_set_type(&op_graph, 0, "dtype", is_wide ? BERTH_DOUBLE : BERTH_FLOAT);
        op_input(BERTH_INT32, BT_SHAPE(1), &five);
        op_input(BERTH_INT32, BT_SHAPE(2), seed);
        CHECK(op_run() == BERTH_OK);
        if (is_wide) CHECK(op_gives(0, BERTH_DOUBLE, BT_SHAPE(5), wide, 1e-14));
        else CHECK(op_gives(0, BERTH_FLOAT, BT_SHAPE(5), narrow, 1e-6));
        op_end();
    }
}

static void test_floats(void)
{
    test_seeded("StatelessRandomUniform",
                (float[5]){0.4346421957015991f, 0.06527590751647949f, 0.7476129531860352f,
                           0.14876413345336914f, 0.5897864103317261f},
                (double[5]){0.47713778180121613, 0.9809041063278245, 0.7182915943104444, 0.42682149360606525,
                            0.15280997415921727});
    test_seeded("StatelessRandomNormal",
                (float[5]){0.5147376656532288f, 1.1838536262512207f, 0.6135525703430176f, 0.4530927538871765f,
                           0.9315036535263062f},
                (double[5]){-0.1456107780640622, 1.2077654819729078, 0.36099545311012377, -0.7290004301586933,
                            -1.014400684477348});
    test_seeded("StatelessTruncatedNormal",
                (float[5]){0.5147376656532288f, 1.1838536262512207f, 0.6135525703430176f, 0.4530927538871765f,
                           1.012413501739502f},
                (double[5]){-0.1456107780640622, 1.2077654819729078, -0.28848604561432045,
                            -0.14262208278233368, 0.6654110226412603});
}

static void test_integers(void)
{
    int32_t n = 6, low = -5, high = 100, want[6] = {92, 52, 28, 18, 97, 19};
    op_begin("StatelessRandomUniformInt");
    bt_set_type(&op_graph, 0, "dtype", BERTH_INT32);
    op_input(BERTH_INT32, BT_SHAPE(1), &n);
    op_input(BERTH_INT32, BT_SHAPE(2), seed);
    op_input(BERTH_INT32, BT_SCALAR, &low);
    op_input(BERTH_INT32, BT_SCALAR, &high);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT32, BT_SHAPE(6), want, 0));
    high = -5;
    for (int i = 0; i < OP_TEST_PORTS; i++) bt_tensor_clear(&op_out[i]);
    CHECK(op_run() == BERTH_BAD_INPUT);
    op_end();
    int64_t wide_low = -5, wide_high = 1000000000000000;
    int64_t wide_want[3] = {692268747903149, 789424354688031, 316063551916126};
    n = 3;
    op_begin("StatelessRandomUniformInt");
    bt_set_type(&op_graph, 0, "dtype", BERTH_INT64);
    op_input(BERTH_INT32, BT_SHAPE(1), &n);
    op_input(BERTH_INT32, BT_SHAPE(2), seed);
    op_input(BERTH_INT64, BT_SCALAR, &wide_low);
    op_input(BERTH_INT64, BT_SCALAR, &wide_high);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT64, BT_SHAPE(3), wide_want, 0));
    op_end();
}

static void test_draws(void)
{
    int32_t index[6] = {0, 1, 2, 3, 4, 5}, key[3] = {1, 2, 3}, most = 5, moved[6] = {2, 0, 3, 4, 5, 1};
    op_begin("RandomIndexShuffle");
    op_input(BERTH_INT32, BT_SHAPE(6), index);
    op_input(BERTH_INT32, BT_SHAPE(3), key);
    op_input(BERTH_INT32, BT_SCALAR, &most);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT32, BT_SHAPE(6), moved, 0));
    op_end();
    float logits[3] = {0, 1, 2};
    int32_t samples = 8;
    int64_t drawn[8] = {2, 2, 2, 2, 1, 2, 2, 2};
    op_begin("StatelessMultinomial");
    op_input(BERTH_FLOAT, BT_SHAPE(1, 3), logits);
    op_input(BERTH_INT32, BT_SCALAR, &samples);
    op_input(BERTH_INT32, BT_SHAPE(2), seed);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_INT64, BT_SHAPE(1, 8), drawn, 0));
    op_end();
    int32_t dimensions = 3, points = 4, skip = 5;
    float sobol[12] = {0.625f,  0.125f,  0.875f,  0.125f,  0.625f,  0.375f,
                       0.1875f, 0.3125f, 0.9375f, 0.6875f, 0.8125f, 0.4375f};
    op_begin("SobolSample");
    op_input(BERTH_INT32, BT_SCALAR, &dimensions);
    op_input(BERTH_INT32, BT_SCALAR, &points);
    op_input(BERTH_INT32, BT_SCALAR, &skip);
    CHECK(op_run() == BERTH_OK && op_gives(0, BERTH_FLOAT, BT_SHAPE(4, 3), sobol, 0));
    op_end();
}

int main(void)
{
    test_philox();
    test_floats();
    test_integers();
    test_draws();
    return check_done();
}
