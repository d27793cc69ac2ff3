/* Shares of a batch: whole rows, even at first, then by speed; never by speed between devices of the same hardware. */
#include "session/shares.h"

#include "check.h"

static bt_device hardware[3] = {{.name = "/CPU:0"}, {.name = "/GPU:0"}, {.name = "/GPU:1"}};

/* Devices by the hardware that they lie on. */
static bt_shares shares_of(int n, const int *lies_on)
{
    static bt_device devices[BT_MAX_PLACES];
    const bt_device *list[BT_MAX_PLACES];
    bt_shares s;
    for (int i = 0; i < n; i++) devices[i].physical = &hardware[lies_on[i]], list[i] = &devices[i];
    bt_shares_init(&s, list, n);
    return s;
}

static void learn(bt_shares *s, int64_t total, const double *speed, int times)
{
    int64_t rows[BT_MAX_PLACES] = {0}, ns[BT_MAX_PLACES] = {0};
    for (int k = 0; k < times; k++) {
        bt_shares_divide(s, total, rows);
        for (int i = 0; i < s->n; i++) ns[i] = (int64_t)((double)rows[i] / speed[i]);
        bt_shares_learn(s, total, rows, ns);
    }
}

static void test_even(void)
{
    bt_shares s = shares_of(3, (const int[]){0, 1, 2});
    int64_t rows[BT_MAX_PLACES];
    for (int64_t total = 0; total < 50; total++) {
        int64_t sum = 0;
        bt_shares_divide(&s, total, rows);
        for (int i = 0; i < 3; i++) {
            sum += rows[i];
            CHECK(rows[i] == total / 3 || rows[i] == total / 3 + 1);
        }
        CHECK_EQ(sum, total);
    }
}

static void test_speed(void)
{
    bt_shares s = shares_of(2, (const int[]){0, 1});
    int64_t rows[BT_MAX_PLACES];
    learn(&s, 100, (const double[]){0.001, 0.003}, 1);
    bt_shares_divide(&s, 100, rows);
    CHECK(rows[0] == 25 && rows[1] == 75);
    learn(&s, 100, (const double[]){0.00102, 0.003}, 30); /* no gain of a tenth: nothing changes */
    bt_shares_divide(&s, 100, rows);
    CHECK(rows[0] == 25 && rows[1] == 75);
    learn(&s, 100, (const double[]){0.002, 0.001}, 30); /* what later runs show counts as well */
    bt_shares_divide(&s, 99, rows);
    CHECK(rows[0] >= 60 && rows[0] <= 72 && rows[0] + rows[1] == 99);
    bt_shares_divide(&s, 1, rows);
    CHECK(rows[0] == 1 && rows[1] == 0);           /* the faster one */
    learn(&s, 100, (const double[]){1, 1e-6}, 30); /* one that is no help is left alone */
    bt_shares_divide(&s, 100, rows);
    CHECK(rows[0] == 100 && rows[1] == 0);
}

static void test_same_hardware(void)
{
    bt_shares s = shares_of(3, (const int[]){1, 0, 1});
    int64_t rows[BT_MAX_PLACES];
    learn(&s, 90, (const double[]){0.004, 0.001, 0.002}, 20);
    bt_shares_divide(&s, 700, rows);
    CHECK_EQ(rows[0], rows[2]);
    CHECK(rows[1] < rows[0] && rows[1] > 0);
    s = shares_of(2, (const int[]){0, 0});
    learn(&s, 10, (const double[]){0.001, 0.1}, 20);
    bt_shares_divide(&s, 10, rows);
    CHECK(rows[0] == 5 && rows[1] == 5);
}

/* Whatever the shares, the rows are those that there are. */
static void test_any(void)
{
    for (int k = 0; k < 2000; k++) {
        int n = 1 + (int)(check_random() % 8), on[8];
        double speed[8];
        for (int i = 0; i < n; i++) on[i] = (int)(check_random() % 3), speed[i] = pow(10, check_float(-6, 0));
        bt_shares s = shares_of(n, on);
        int64_t rows[BT_MAX_PLACES], sum = 0, total = (int64_t)(check_random() % (k % 2 ? 20 : 1000000));
        learn(&s, total, speed, 3);
        bt_shares_divide(&s, total, rows);
        bool fits = true;
        for (int i = 0; i < n; i++) sum += rows[i], fits = fits && rows[i] >= 0;
        CHECK(fits && sum == total);
    }
}

int main(void)
{
    test_even();
    test_speed();
    test_same_hardware();
    test_any();
    return check_done();
}
