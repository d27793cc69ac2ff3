/* Named state, and the array of tensors behind lists: names and types apart, rows that are shared and never changed
 * under their readers, and every allocation refused once. */
#include "ops/resource.h"

#include "../../tests/torture.h"
#include "ops/items.h"
#include "ops/object.h"

typedef struct thing {
    bt_object base;
    int number;
} thing;

static int alive;

static void destroy_thing(void *object)
{
    alive--;
    bt_free(object);
}

static const bt_object_type apple = {"apple", destroy_thing}, pear = {"pear", destroy_thing};

typedef struct order {
    const bt_object_type *type;
    int number;
} order;

static bt_object *make_thing(void *user, berth_error *error)
{
    const order *o = user;
    thing *t = bt_calloc(1, sizeof *t);
    if (!t) return bt_fail_memory(error), NULL;
    *t = (thing){{o->type, 1}, o->number};
    alive++;
    return &t->base;
}

/* The number of the thing of that name, made with `fresh` when there is none; -1 when that fails. */
static int number_of(bt_resources *r, const char *container, const char *name, const bt_object_type *type,
                     int fresh)
{
    order o = {type, fresh};
    thing *t = (thing *)bt_resources_get(r, container, name, type, make_thing, &o, NULL);
    int number = t ? t->number : -1;
    if (t) bt_object_free(&t->base);
    return number;
}

static void test_names(void)
{
    bt_resources *r = bt_resources_new(NULL);
    CHECK_EQ(number_of(r, "", "a", &apple, 1), 1);
    CHECK_EQ(number_of(r, "", "a", &apple, 2), 1);
    CHECK_EQ(number_of(r, "", "a", &pear, 3), 3);
    CHECK_EQ(number_of(r, "box", "a", &apple, 4), 4);
    CHECK_EQ(number_of(r, "b", "oxa", &apple, 5), 5);
    char name[1000];
    memset(name, 'x', sizeof name - 1), name[sizeof name - 1] = '\0';
    CHECK_EQ(number_of(r, "", name, &apple, 6), 6);
    CHECK_EQ(number_of(r, "", name, &apple, 7), 6);
    CHECK(!bt_resources_find(r, "", "b", &apple));
    bt_object *held = bt_resources_find(r, "", "a", &apple);
    bt_resources_remove(r, "", "a", &apple);
    CHECK(held && ((thing *)held)->number == 1);
    bt_object_free(held);
    CHECK_EQ(alive, 4);
    CHECK_EQ(number_of(r, "", "a", &apple, 8), 8);
    held = bt_resources_find(r, "", "a", &apple);
    bt_resources_drop(r, held);
    bt_object_free(held);
    CHECK_EQ(number_of(r, "", "a", &apple, 9), 9);
    bt_resources_clear(r);
    CHECK_EQ(alive, 0);
    CHECK_EQ(number_of(r, "", "a", &apple, 10), 10);
    bt_resources_free(r);
    CHECK_EQ(alive, 0);
}

static bool use_resources(void *user)
{
    (void)user;
    bt_resources *r = bt_resources_new(NULL);
    bool ok = r && number_of(r, "", "a", &apple, 1) == 1 && number_of(r, "", "b", &apple, 2) == 2;
    bt_resources_free(r);
    return ok;
}

static bt_tensor row_of(float *x, int64_t n)
{
    return (bt_tensor){.dtype = BERTH_FLOAT, .shape = BT_SHAPE(n), .data = x};
}

static float first_of(const bt_tensor *t) { return *(const float *)t->data; }

/* Pushing and popping again and again: whoever got a row keeps it. */
static void test_rows(void)
{
    bt_items items = {0};
    bt_tensor popped[40];
    for (int i = 0; i < 40; i++) {
        float x[2] = {(float)i, -1};
        bt_tensor row = row_of(x, 2);
        int64_t at = items.n;
        CHECK(bt_items_resize(&items, at + 1, NULL) == BERTH_OK &&
              bt_items_set(&items, at, &row, NULL) == BERTH_OK);
        bt_tensor_share(&popped[i], &items.at[at]);
        if (i % 3) CHECK(bt_items_resize(&items, at, NULL) == BERTH_OK);
    }
    CHECK_EQ(items.n, 14);
    for (int i = 0; i < 40; i++) CHECK(first_of(&popped[i]) == (float)i);
    for (int i = 0; i < 14; i++) CHECK(first_of(&items.at[i]) == (float)(3 * i));
    for (int i = 0; i < 40; i++) bt_tensor_clear(&popped[i]);
    bt_items_free(&items);
}

/* A copy and its original part ways. */
static void test_copies(void)
{
    bt_items items = {0}, copy;
    float one[2] = {1, 1}, two[2] = {2, 2}, three[2] = {3, 3}, long_row[3] = {4, 4, 4};
    bt_tensor a = row_of(one, 2), b = row_of(two, 2), c = row_of(three, 2), d = row_of(long_row, 3);
    CHECK(bt_items_resize(&items, 4, NULL) == BERTH_OK);
    CHECK(bt_items_set(&items, 1, &a, NULL) == BERTH_OK);
    CHECK(bt_items_copy(&copy, &items, NULL) == BERTH_OK);
    CHECK(bt_items_set(&items, 2, &b, NULL) == BERTH_OK && bt_items_set(&copy, 2, &c, NULL) == BERTH_OK);
    CHECK(bt_items_set(&copy, 1, &d, NULL) == BERTH_OK);
    CHECK(first_of(&items.at[1]) == 1 && first_of(&items.at[2]) == 2 && !items.at[0].dtype);
    CHECK(first_of(&copy.at[1]) == 4 && copy.at[1].shape.dim[0] == 3 && first_of(&copy.at[2]) == 3);
    bt_items_free(&items);
    CHECK(first_of(&copy.at[2]) == 3);
    bt_items_free(&copy);
}

static bt_object *zeros_within(const void *object, int depth, berth_error *error);

static const bt_object_type endless = {"endless", destroy_thing, .zeros = zeros_within};

/* What holds itself. */
static bt_object *zeros_within(const void *object, int depth, berth_error *error)
{
    bt_tensor self = {.dtype = BERTH_VARIANT, .shape = BT_SCALAR, .data = &object}, zeros;
    if (!bt_tensor_zeros(&zeros, &self, depth, error)) bt_tensor_clear(&zeros);
    return NULL;
}

/* Zeros of what is set; of what has none, or is too deep, an error. */
static void test_zeros(void)
{
    bt_items items = {0}, zeros;
    float one[2] = {1, 1};
    bt_tensor row = row_of(one, 2);
    bt_object object = {&apple, 1}, within = {&endless, 1}, *held = &object;
    bt_tensor variant = {.dtype = BERTH_VARIANT, .shape = BT_SCALAR, .data = &held}, none;
    berth_error error = {0};
    CHECK(bt_items_resize(&items, 2, NULL) == BERTH_OK && bt_items_set(&items, 1, &row, NULL) == BERTH_OK);
    CHECK(bt_items_zeros(&zeros, &items, 0, NULL) == BERTH_OK && zeros.n == 2 && !zeros.at[0].dtype);
    CHECK(first_of(&zeros.at[1]) == 0 && zeros.at[1].shape.dim[0] == 2 && first_of(&items.at[1]) == 1);
    bt_items_free(&zeros);
    bt_items_free(&items);
    CHECK_EQ(bt_tensor_zeros(&none, &variant, 0, &error), BERTH_BAD_INPUT);
    CHECK_TEXT(error.message, "no zeros of type apple");
    held = &within;
    bt_error_clear(&error);
    CHECK_EQ(bt_tensor_zeros(&none, &variant, 0, &error), BERTH_UNSUPPORTED);
}

static bool use_items(void *user)
{
    (void)user;
    bt_items items = {0}, copy = {0}, zeros = {0};
    float x[6] = {0};
    bt_tensor row = row_of(x, 2), rows = {.dtype = BERTH_FLOAT, .shape = BT_SHAPE(3, 2), .data = x};
    bool ok = !bt_items_resize(&items, 3, NULL) && !bt_items_unstack(&items, 0, &rows, NULL) &&
              !bt_items_resize(&items, 5, NULL) && !bt_items_copy(&copy, &items, NULL) &&
              !bt_items_set(&items, 4, &row, NULL) && !bt_items_zeros(&zeros, &items, 0, NULL);
    bt_items_free(&items);
    bt_items_free(&zeros);
    bt_items_free(&copy);
    return ok;
}

int main(void)
{
    test_names();
    test_rows();
    test_copies();
    test_zeros();
    torture(use_resources, NULL, false);
    torture(use_items, NULL, true);
    return check_done();
}
