/* Tensor lists and arrays on a device: what is put in, taken out and joined there is what the CPU has, nothing crosses but feeds
 * and fetches, and a list that a caller keeps lies on the host and outlives the device. */
#include "base/str.h"

#include "scene.h"

#define ELEMENT TRIAL_TYPE("element_dtype", "DT_FLOAT")
#define DTYPE TRIAL_TYPE("dtype", "DT_FLOAT")
#define INDEX(name, value) TRIAL_NODE(name, "Const", "", TRIAL_SCALAR("DT_INT32", "int_val", value))
#define SET(name, list, index, item) \
    TRIAL_NODE(name, "TensorListSetItem", "input: '" list "' input: '" index "' input: '" item "'", ELEMENT)
#define WRITE(name, index, item, flow)     \
    TRIAL_NODE(name, "TensorArrayWriteV3", \
               "input: 'array' input: '" index "' input: '" item "' input: '" flow "'", TRIAL_FLOAT)

/* list: rows of x, of which row 1 goes to the end twice as large, and the last is taken off again; array: the same rows. */
static const char text[] = TRIAL_NODE(
    "x", "Placeholder", "", DTYPE "attr { key: 'shape' value { shape { dim { size: 4 } dim { size: 2 } } } }")
    INDEX("zero", "0") INDEX("one", "1") INDEX("two", "2") INDEX("any", "-1") TRIAL_NODE(
        "rows", "TensorListFromTensor", "input: 'x' input: 'any'",
        ELEMENT) TRIAL_NODE("row", "TensorListGetItem", "input: 'rows' input: 'one' input: 'any'",
                            ELEMENT) TRIAL_NODE("more", "AddV2", "input: 'row' input: 'row'", TRIAL_FLOAT)
        TRIAL_NODE("pushed", "TensorListPushBack", "input: 'rows' input: 'more'",
                   ELEMENT) TRIAL_NODE("popped", "TensorListPopBack", "input: 'pushed' input: 'any'", ELEMENT)
            TRIAL_NODE("all", "TensorListStack", "input: 'pushed' input: 'any'", ELEMENT) TRIAL_NODE(
                "reserved", "TensorListReserve", "input: 'any' input: 'two'",
                ELEMENT) SET("first", "reserved", "zero", "popped:1") SET("list", "first", "one", "row")
                TRIAL_NODE("stack", "TensorListStack", "input: 'list' input: 'any'", ELEMENT) TRIAL_NODE(
                    "array", "TensorArrayV3", "input: 'two'",
                    DTYPE "attr { key: 'clear_after_read' value { b: false } }")
                    WRITE("write0", "zero", "more", "array:1") WRITE("write1", "one", "row", "write0")
                        TRIAL_NODE("read", "TensorArrayReadV3", "input: 'array' input: 'one' input: 'write1'",
                                   DTYPE) TRIAL_NODE("concat", "TensorArrayConcatV3",
                                                     "input: 'array' input: 'write1'", DTYPE)
                            TRIAL_NODE("sum", "AddV2", "input: 'all' input: 'read'", TRIAL_FLOAT)
                                TRIAL_NODE("sums", "AddV2", "input: 'stack' input: 'row'", TRIAL_FLOAT)
                                    TRIAL_NODE("y", "ConcatV2", "input: 'sum' input: 'sums' input: 'zero'",
                                               TRIAL_FLOAT TRIAL_TYPE(
                                                   "Tidx", "DT_INT32") "attr { key: 'N' value { i: 2 } }");

static trial items = {"items", .in = {{"x:0", BERTH_FLOAT, 2, {4, 2}, NULL}},
                      .out = {{"y:0", BERTH_FLOAT, 2, {7, 2}, NULL}, {"concat:0", BERTH_FLOAT, 1, {4}, NULL}},
                      .n_in = 1, .n_out = 2};

int main(void)
{
    /* x0 + x1, 2 x1, x2 + x1, x3 + x1, 3 x1; 3 x1, 2 x1 */
    static const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const float y[14] = {4, 6, 6, 8, 8, 10, 10, 12, 9, 12, 9, 12, 6, 8}, joined[4] = {6, 8, 3, 4};
    berth_error error = {0};
    setenv("BERTH_OPENCL", "cpu", 0);
    if (!trial_make()) return 1;
    items.in[0].data = x, items.out[0].data = y, items.out[1].data = joined;
    scene s = {.context = berth_context_new(NULL, &error)};
    if (!CHECK(s.context)) return check_done();
    if (!info_of(&s, "/GPU:0").name) {
        printf("skipped: there is no GPU\n");
        berth_context_free(s.context);
        return trial_unmake(), 0;
    }
    CHECK(trial_write(&items, text));
    berth_feed kept = {.name = "list:0"};
    for (int i = 0; i < 2; i++) {
        if (!CHECK(open_scene(&s, &items, i ? "/GPU:0" : "/CPU:0", NULL, &error))) break;
        for (int round = 0; round < 3; round++)
            if (!CHECK(trial_run(&items, s.session, NULL, &error))) printf("    %s\n", error.message);
        berth_feed in = {"x:0", trial_wrap(&items.in[0], &error)};
        CHECK_EQ(berth_session_run(s.session, &in, 1, &kept, 1, NULL, &error), BERTH_OK);
        berth_tensor_free(in.tensor);
        close_scene(&s);
        CHECK_EQ(held(&s, "/GPU:0"), 0);
    }
    berth_context_free(s.context);
    berth_tensor_free(kept.tensor);
    remove(items.path);
    trial_unmake();
    return check_done();
}
