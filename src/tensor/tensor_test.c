/* Shapes, dtypes, tensors and half floats. */
#include "tensor/tensor.h"

#include "torture.h"

static const int64_t huge = (int64_t)1 << 40;

/* ---- Shapes ------------------------------------------------------------------------------------------- */

static void text_is(bt_shape s, const char *text)
{
    char buffer[BT_SHAPE_TEXT];
    CHECK_TEXT(bt_shape_text(&s, buffer), text);
}

static void test_shape(void)
{
    bt_shape a = BT_SHAPE(2, -1, 3), b = BT_SHAPE(-1, 5, 3), unknown = BT_SHAPE_UNKNOWN, scalar = BT_SCALAR;
    text_is(a, "[2,?,3]"), text_is(unknown, "?"), text_is(scalar, "[]");
    text_is(BT_SHAPE(INT64_MIN, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX),
            "[?,9223372036854775807,9223372036854775807,9223372036854775807,9223372036854775807,"
            "9223372036854775807,9223372036854775807,9223372036854775807]");
    CHECK(!bt_shape_known(&a) && bt_shape_known(&scalar) && !bt_shape_known(&unknown));
    CHECK(bt_shape_compatible(&a, &b) && bt_shape_compatible(&a, &unknown) &&
          !bt_shape_compatible(&a, &scalar));
    CHECK(bt_shape_merge(&a, &b) && bt_shape_merge(&a, &unknown) && bt_shape_merge(&unknown, &a));
    text_is(a, "[2,5,3]"), text_is(unknown, "[2,5,3]");
    CHECK(bt_shape_equal(&a, &unknown) && !bt_shape_equal(&a, &b) && !bt_shape_equal(&a, &scalar));
    bt_shape c = BT_SHAPE(2, 5, 4);
    CHECK(!bt_shape_merge(&a, &c));
    text_is(a, "[2,5,3]");
    CHECK_EQ(bt_shape_count(&a), 30);
    CHECK_EQ(bt_shape_count(&b), -1);
    CHECK_EQ(bt_shape_count(&scalar), 1);
    CHECK_EQ(bt_shape_span(&a, 1, 3), 15);
    CHECK_EQ(bt_shape_span(&a, 2, 2), 1);

    size_t bytes = 7;
    bt_shape over = BT_SHAPE(huge, huge), empty = BT_SHAPE(huge, 1000, 0), large = BT_SHAPE(huge, 1 << 20);
    CHECK(!bt_shape_bytes(&over, 1, &bytes) && !bt_shape_bytes(&b, 1, &bytes) && bytes == 7);
    CHECK(bt_shape_bytes(&empty, 4, &bytes) && bytes == 0);
    CHECK(bt_shape_bytes(&large, 4, &bytes) && bytes == (size_t)1 << 62);
    CHECK(!bt_shape_bytes(&large, 8, &bytes)); /* fits a size_t, but not what can be indexed */
    bt_shape empty_over = BT_SHAPE(huge, huge, 0);
    CHECK(!bt_shape_bytes(&empty_over, 1, &bytes)); /* strides of it would overflow */
}

static void broadcast_is(bt_shape a, bt_shape b, const char *text)
{
    bt_shape out, swapped;
    if (!CHECK_EQ(bt_shape_broadcast(&a, &b, &out), text != NULL) || !text) return;
    text_is(out, text);
    CHECK(bt_shape_broadcast(&b, &a, &swapped) && bt_shape_equal(&out, &swapped));
    CHECK(bt_shape_broadcast(&a, &b, &a) && bt_shape_equal(&out, &a)); /* in place */
}

static void test_broadcast(void)
{
    broadcast_is(BT_SHAPE(2, 1, 3), BT_SHAPE(4, 1), "[2,4,3]");
    broadcast_is(BT_SCALAR, BT_SHAPE(4, 0), "[4,0]");
    broadcast_is(BT_SHAPE(1), BT_SHAPE(0), "[0]");
    broadcast_is(BT_SHAPE(2), BT_SHAPE(3), NULL);
    broadcast_is(BT_SHAPE(2), BT_SHAPE(0), NULL);
    broadcast_is(BT_SHAPE(-1), BT_SHAPE(3), "[3]");
    broadcast_is(BT_SHAPE(-1), BT_SHAPE(1), "[?]");
    broadcast_is(BT_SHAPE(-1), BT_SHAPE(-1), "[?]");
    broadcast_is(BT_SHAPE(-1), BT_SHAPE(0), "[0]");
    broadcast_is(BT_SHAPE_UNKNOWN, BT_SHAPE(3), "?");
}

/* ---- Dtypes ------------------------------------------------------------------------------------------- */

static void test_dtypes(void)
{
    static const size_t sizes[] = {0, 4,  8, 4, 1, 2, 1, sizeof(bt_string), 8, 8, 1, 1, 1, 4, 2, 2, 2,
                                   2, 16, 2, 8, 8, 4, 8};
    for (int i = -1; i < 30; i++) {
        CHECK_EQ(bt_dtype_valid(i), i >= 1 && i <= 23);
        CHECK_EQ(bt_dtype_size((berth_dtype)i), i >= 1 && i <= 23 ? sizes[i] : 0);
        if (bt_dtype_valid(i)) CHECK_EQ(bt_dtype_named(bt_str_of(bt_dtype_name((berth_dtype)i))), i);
    }
    CHECK_TEXT(bt_dtype_name((berth_dtype)101), "unknown");
    CHECK_EQ(bt_dtype_named(bt_str_of("DT_HALF")), BERTH_HALF);
    CHECK_EQ(bt_dtype_named(bt_str_of("DT_BFLOAT16")), BERTH_BFLOAT16);
    CHECK_EQ(bt_dtype_named(bt_str_of("half")), BERTH_HALF);
    CHECK_EQ(bt_dtype_named(bt_str_of("float")), BERTH_FLOAT);
    CHECK_EQ(bt_dtype_named(bt_str_of("DT_float32")), BERTH_NO_DTYPE);
    CHECK_EQ(bt_dtype_named(bt_str_of("DT_")), BERTH_NO_DTYPE);
    CHECK_EQ(bt_dtype_named(bt_str_of("")), BERTH_NO_DTYPE);
    CHECK_EQ(bt_dtype_named(bt_str_of("float33")), BERTH_NO_DTYPE);
    CHECK(bt_dtype_is_object(BERTH_STRING) && bt_dtype_is_object(BERTH_VARIANT) &&
          !bt_dtype_is_object(BERTH_BOOL));
    CHECK(bt_dtype_is_int(BERTH_UINT64) && !bt_dtype_is_int(BERTH_BOOL) && !bt_dtype_is_int(BERTH_QINT8));
    CHECK(bt_dtype_is_float(BERTH_BFLOAT16) && !bt_dtype_is_float(BERTH_COMPLEX64));
    CHECK(bt_dtype_is_complex(BERTH_COMPLEX128) && !bt_dtype_is_complex((berth_dtype)-1));
}

/* ---- Tensors ------------------------------------------------------------------------------------------ */

typedef struct counted {
    bt_object object;
    int *alive;
} counted;

static void destroy_counted(void *object)
{
    --*((counted *)object)->alive;
    bt_free(object);
}

static const bt_object_type counted_type = {"counted", destroy_counted};

static bt_object *counted_new(int *alive)
{
    counted *c = bt_alloc(sizeof *c);
    if (c) *c = (counted){{&counted_type, 1}, alive}, ++*alive;
    return (bt_object *)c;
}

/* Numbers, strings and objects: made, shared, kept, copied and dropped. */
static bool live(void *user)
{
    berth_error error = {0};
    bt_tensor a = {0}, b = {0}, c = {0}, s = {0}, s2 = {0}, v = {0}, v2 = {0};
    bt_shape shape = BT_SHAPE(2, 3), large = BT_SHAPE(600, 1000);
    int alive = 0;
    (void)user;
    bool ok = !bt_tensor_init(&a, BERTH_INT32, &shape, &error);
    for (int i = 0; ok && i < 6; i++) ((int32_t *)a.data)[i] = i - 2;
    bt_tensor borrowed = {.dtype = BERTH_INT32, .shape = shape, .data = a.data};
    ok = ok && !bt_tensor_keep(&b, &borrowed, &error) && !bt_tensor_copy(&c, &a, &error);
    if (ok) {
        CHECK(b.data != a.data && c.data != a.data && bt_tensor_int(&b, 0) == -2 &&
              bt_tensor_int(&c, 5) == 3);
        bt_tensor_clear(&c);
        ok = !bt_tensor_keep(&c, &a, &error);
        CHECK(c.data == a.data && a.buffer->refs == 2);
    }
    bt_tensor_clear(&a), bt_tensor_clear(&b), bt_tensor_clear(&c);
    ok = ok && !bt_tensor_init(&a, BERTH_FLOAT, &large, &error);
    if (ok) CHECK((uintptr_t)a.data % 64 == 0 && bt_tensor_bytes(&a) == 2400000);

    ok = ok && !bt_tensor_init(&s, BERTH_STRING, &shape, &error);
    ok = ok && bt_string_set(s.data, "nul\0inside", 10) && bt_string_set((bt_string *)s.data + 5, "last", 4);
    ok = ok && !bt_tensor_copy(&s2, &s, &error) && bt_string_set(s.data, "", 0);
    if (ok) {
        const bt_string *p = s2.data;
        CHECK(p[0].n == 10 && memcmp(p[0].p, "nul\0inside", 10) == 0 && p[1].n == 0 && !p[1].p &&
              p[5].n == 4);
        CHECK(!((bt_string *)s.data)->p);
        ok = !bt_elements_copy(BERTH_STRING, s2.data, s.data, 6, &error) &&
             !bt_elements_copy(BERTH_STRING, s.data, s.data, 6, &error);
        CHECK(!ok || (p[0].n == 0 && p[5].n == 4));
    }
    ok = ok && !bt_tensor_init(&v, BERTH_VARIANT, &shape, &error);
    ok = ok && (((bt_object **)v.data)[1] = counted_new(&alive)) && !bt_tensor_copy(&v2, &v, &error);
    if (ok) {
        bt_tensor_clear(&v);
        CHECK_EQ(alive, 1);
        ok = !bt_tensor_init(&v, BERTH_VARIANT, &shape, &error);
        if (ok) bt_elements_copy(BERTH_VARIANT, v2.data, v.data, 6, &error);
        CHECK_EQ(alive, !ok);
    }
    bt_tensor_clear(&a), bt_tensor_clear(&s), bt_tensor_clear(&s2), bt_tensor_clear(&v), bt_tensor_clear(&v2);
    CHECK_EQ(alive, 0);
    CHECK(error.status == BERTH_OK || (!ok && error.status == BERTH_NO_MEMORY));
    return ok;
}

static void test_init_refusals(void)
{
    bt_tensor t;
    bt_shape over = BT_SHAPE(huge, huge), open = BT_SHAPE(-1, 2), one = BT_SHAPE(1);
    berth_error error = {0};
    CHECK_EQ(bt_tensor_init(&t, BERTH_FLOAT, &over, &error), BERTH_BAD_INPUT);
    CHECK(strstr(error.message, "[1099511627776,1099511627776]") && !t.buffer);
    CHECK_EQ(bt_tensor_init(&t, BERTH_FLOAT, &open, NULL), BERTH_BAD_INPUT);
    CHECK_EQ(bt_tensor_init(&t, (berth_dtype)99, &one, NULL), BERTH_UNSUPPORTED);
    bt_tensor_clear(&t);
    bt_buffer_free(NULL), bt_object_free(NULL);
    CHECK(!bt_buffer_ref(NULL) && !bt_object_ref(NULL) && !bt_buffer_new(SIZE_MAX));
}

static void test_elements(void)
{
    char bytes[32]; /* read from odd addresses */
    static const struct {
        berth_dtype dtype;
        int64_t value;
    } cases[] = {{BERTH_INT8, -3},         {BERTH_UINT8, 200},    {BERTH_INT16, -300},
                 {BERTH_UINT16, 60000},    {BERTH_INT32, -70000}, {BERTH_UINT32, 4000000000},
                 {BERTH_INT64, INT64_MIN}, {BERTH_BOOL, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = bt_dtype_size(cases[i].dtype);
        memcpy(bytes + 1 + n, &cases[i].value, n); /* little-endian */
        bt_tensor t = {.dtype = cases[i].dtype, .shape = BT_SHAPE(2), .data = bytes + 1};
        CHECK_EQ(bt_tensor_int(&t, 1), cases[i].value);
        CHECK_CLOSE(bt_tensor_number(&t, 1), (double)cases[i].value, 0);
    }
    float f = 1.5f;
    double d = -2.25;
    uint64_t u = UINT64_MAX;
    uint16_t h = 0x3e00, b = 0x3fc0;
    const struct {
        berth_dtype dtype;
        const void *data;
        double value;
    } floats[] = {{BERTH_FLOAT, &f, 1.5},
                  {BERTH_DOUBLE, &d, -2.25},
                  {BERTH_UINT64, &u, 0x1p64},
                  {BERTH_HALF, &h, 1.5},
                  {BERTH_BFLOAT16, &b, 1.5}};
    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
        memcpy(bytes + 3, floats[i].data, bt_dtype_size(floats[i].dtype));
        bt_tensor t = {.dtype = floats[i].dtype, .data = bytes + 3};
        CHECK_CLOSE(bt_tensor_number(&t, 0), floats[i].value, 0);
    }
}

static void test_shape_value(void)
{
    bt_shape s;
    int32_t dims[9] = {2, -1, 0, 1, 1, 1, 1, 1, 1};
    bt_tensor t = {.dtype = BERTH_INT32, .shape = BT_SHAPE(3), .data = dims};
    CHECK(bt_tensor_shape_value(&t, &s));
    text_is(s, "[2,?,0]");
    t.shape = BT_SCALAR;
    CHECK(bt_tensor_shape_value(&t, &s));
    text_is(s, "[2]");
    t.shape = BT_SHAPE(0);
    CHECK(bt_tensor_shape_value(&t, &s));
    text_is(s, "[]");
    t.shape = BT_SHAPE(9);
    CHECK(!bt_tensor_shape_value(&t, &s));
    t.shape = BT_SHAPE(1, 1);
    CHECK(!bt_tensor_shape_value(&t, &s));
    dims[1] = -2, t.shape = BT_SHAPE(2);
    CHECK(!bt_tensor_shape_value(&t, &s));
    t.dtype = BERTH_FLOAT;
    CHECK(!bt_tensor_shape_value(&t, &s));
}

/* ---- Half floats -------------------------------------------------------------------------------------- */

/* By the definition: sign, exponent, mantissa. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    double v = exponent == 31 ? (mantissa ? NAN : INFINITY)
                              : ldexp(exponent ? 1024 + mantissa : mantissa, exponent ? exponent - 25 : -24);
    return h & 0x8000 ? -v : v;
}

static void test_half(void)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        float f = bt_half_to_float((uint16_t)h);
        if (!CHECK_CLOSE(f, half_value((uint16_t)h), 0)) break;
        uint16_t back = bt_float_to_half(f);
        bool quiet = isnan(f) && (back & 0x7e00) == 0x7e00 && (back ^ h) < 0x8000;
        if (!CHECK(quiet || (back == h && !signbit(f) == !(h >> 15)))) break;
    }
    /* Between neighbours: the nearer one; half way: the even one. */
    for (uint16_t h = 0; h < 0x7bff; h++) {
        double a = half_value(h), b = half_value(h + 1), middle = (a + b) / 2;
        float m = (float)middle; /* exact */
        CHECK_EQ(bt_float_to_half(m), h + (h & 1));
        CHECK_EQ(bt_float_to_half(nextafterf(m, 0)), h);
        CHECK_EQ(bt_float_to_half(-nextafterf(m, INFINITY)), 0x8000 | (h + 1));
    }
    CHECK_EQ(bt_float_to_half(65519.996f), 0x7bff);
    CHECK_EQ(bt_float_to_half(65520), 0x7c00);
    CHECK_EQ(bt_float_to_half(-INFINITY), 0xfc00);
    CHECK_EQ(bt_float_to_half(1e30f), 0x7c00);
}

static void test_bfloat16(void)
{
    CHECK_EQ(bt_float_to_bf16(1), 0x3f80);
    CHECK_EQ(bt_float_to_bf16(0x1.01p0f), 0x3f80); /* half way: to even */
    CHECK_EQ(bt_float_to_bf16(0x1.03p0f), 0x3f82);
    CHECK_EQ(bt_float_to_bf16(0x1.010002p0f), 0x3f81);
    CHECK_EQ(bt_float_to_bf16(-0.0f), 0x8000);
    CHECK_EQ(bt_float_to_bf16(3.4e38f), 0x7f80); /* past the largest */
    CHECK_EQ(bt_float_to_bf16(INFINITY), 0x7f80);
    CHECK(isnan(bt_bf16_to_float(bt_float_to_bf16(NAN))));
    union {
        uint32_t u;
        float f;
    } low = {0x7f800001};
    CHECK(isnan(bt_bf16_to_float(bt_float_to_bf16(low.f)))); /* all of its payload lies in the bits that go */
    for (uint32_t h = 0; h < 0x7f80; h++) CHECK_EQ(bt_float_to_bf16(bt_bf16_to_float((uint16_t)h)), h);
}

int main(void)
{
    test_shape();
    test_broadcast();
    test_dtypes();
    CHECK(torture(live, NULL, false) > 10);
    test_init_refusals();
    test_elements();
    test_shape_value();
    test_half();
    test_bfloat16();
    return check_done();
}
