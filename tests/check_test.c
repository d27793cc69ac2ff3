/* berth_model_check: all that keeps a model from running in one answer, by node; and what it says of memory is what a run
 * takes, found without taking any. On a logical CPU, and on an OpenCL device where BERTH_OPENCL finds one. */
#include "scene.h"

/* ---- Obstacles ---- */

#define DIM(n) "dim { size: " #n " } "
#define SHAPE(dims) "attr { key: 'shape' value { shape { " dims " } } } "

/* An op that is not there (and what hangs on it), a dtype, an attribute, and an op that is not there in a loop's body. */
static const char broken_text[] = TRIAL_NODE("x", "Placeholder", "",
                                             TRIAL_TYPE("dtype", "DT_FLOAT") SHAPE(DIM(-1) DIM(4) DIM(4) DIM(
                                                 1))) TRIAL_NODE("lost", "Frobnicate", "input: 'x'", "")
    TRIAL_NODE("after", "Neg", "input: 'lost:2'", TRIAL_FLOAT) TRIAL_NODE(
        "filter", "Const", "",
        TRIAL_TYPE("dtype",
                   "DT_FLOAT") "attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape { " DIM(1)
            DIM(1) DIM(1) DIM(1) "} float_val: 2 } } } ")
        TRIAL_NODE("conv", "Conv2D", "input: 'x' input: 'filter'",
                   TRIAL_FLOAT "attr { key: 'strides' value { list { i: 2 i: 1 i: 1 i: 1 } } } attr { key: "
                               "'padding' value { s: 'SAME' } }")
            TRIAL_NODE("sum", "Add", "input: 'after' input: 'conv'", TRIAL_FLOAT)
                TRIAL_NODE("text", "Abs", "input: 'x'", TRIAL_TYPE("T", "DT_STRING"))
                    TRIAL_NODE("flag", "Const", "", TRIAL_SCALAR("DT_BOOL", "bool_val", "false"))
                        TRIAL_NODE("loop", "StatelessWhile", "input: 'flag'",
                                   "attr { key: 'T' value { list { type: DT_BOOL } } } "
                                   "attr { key: 'cond' value { func { name: 'cond' } } } attr { key: 'body' "
                                   "value { func { name: 'body' } } }")
                            TRIAL_NODE("unasked", "Mystery", "input: 'x'",
                                       "") "library { function { signature { name: 'cond' input_arg { name: "
                                           "'a' type: DT_BOOL } output_arg { name: 'r' type: DT_BOOL } } "
                                           "ret { key: 'r' value: 'a' } } "
                                           "function { signature { name: 'body' input_arg { name: 'a' type: "
                                           "DT_BOOL } output_arg { name: 'r' type: DT_BOOL } } "
                                           "node_def { name: 'deep' op: 'Obscure' input: 'a' } ret { key: "
                                           "'r' value: 'deep:z:0' } } }\n";

static const berth_obstacle *obstacle_of(const berth_check *check, const char *node)
{
    const berth_obstacle *found = NULL;
    for (size_t i = 0; i < check->n_obstacles; i++)
        if (!strcmp(check->obstacles[i].node, node)) CHECK(!found), found = &check->obstacles[i];
    return found;
}

static void is_obstacle(const berth_check *check, const char *node, const char *op, const char *reason)
{
    const berth_obstacle *o = obstacle_of(check, node);
    if (!CHECK(o)) return (void)printf("    of '%s'\n", node);
    CHECK_TEXT(o->op, op);
    if (!CHECK(strstr(o->reason, reason) && !o->is_moved)) printf("    of '%s': %s\n", node, o->reason);
}

static void test_obstacles(void)
{
    static trial broken = {"broken"};
    static const char *const all[] = {"sum:0", "text:0", "loop:0"}, *const good[] = {"filter:0"},
                             *const none[] = {"no:0"};
    berth_error error = {0};
    if (!trial_write(&broken, broken_text)) return;
    berth_model *model = berth_model_load(broken.path, NULL, &error);
    if (!CHECK(model)) return (void)printf("    %s\n", error.message);
    berth_check *check = berth_model_check(model, NULL, NULL, 0, all, 3, &error);
    if (CHECK(check)) {
        CHECK(!check->runs);
        CHECK_EQ(check->n_obstacles, 4);
        is_obstacle(check, "lost", "Frobnicate", "does not have the op");
        is_obstacle(check, "conv", "Conv2D", "strides of batch");
        is_obstacle(check, "text", "Abs", "string");
        is_obstacle(check, "body/deep", "Obscure", "does not have the op");
    }
    berth_check_free(check);
    check = berth_model_check(model, NULL, NULL, 0, good, 1, &error);
    CHECK(check && check->runs && check->fits && check->n_obstacles == 0);
    berth_check_free(check);
    CHECK(!berth_model_check(model, NULL, NULL, 0, none, 1, &error) && error.status == BERTH_NOT_FOUND);
    berth_check_free(NULL);
    berth_model_free(model);
}

/* ---- Memory ---- */

static berth_check *check_on(const scene *s, const char *device, int64_t rows, bool hard)
{
    berth_error error = {0};
    berth_session_options options;
    berth_spec input = {.name = "image", .rank = 4, .dims = {rows, 8, 8, 1}};
    berth_session_options_init(&options);
    options.device = device, options.hard_placement = hard;
    berth_check *check = berth_model_check(s->model, &options, &input, 1, NULL, 0, &error);
    if (!CHECK(check)) printf("    %s\n", error.message);
    return check;
}

static int64_t need_of(const berth_check *check, const char *device)
{
    for (size_t i = 0; i < check->n_needs; i++) {
        const berth_memory *m = &check->needs[i].memory;
        if (!strcmp(check->needs[i].device, device)) return m->weights + m->activations + m->workspace;
    }
    return -1;
}

static berth_context *limited(const char *device, int64_t limit)
{
    berth_error error = {0};
    berth_device_options options;
    char logical[40];
    snprintf(logical, sizeof logical, "0,%lld", (long long)limit);
    berth_context *context = two_cpus(strstr(device, "CPU") ? logical : "0,0");
    berth_device_options_init(&options);
    options.device = device, options.limit = limit;
    if (!strstr(device, "CPU")) CHECK(!berth_device_configure(context, &options, &error));
    return context;
}

static berth_status run_rows(scene *s, int64_t rows, berth_error *error)
{
    static float images[64][8][8];
    int64_t dims[] = {rows, 8, 8, 1};
    berth_feed in = {"image", berth_tensor_wrap(BERTH_FLOAT, 4, dims, images, NULL, NULL, error)},
               out = {"probability"};
    berth_status status = berth_session_run(s->session, &in, 1, &out, 1, NULL, error);
    berth_tensor_free(in.tensor), berth_tensor_free(out.tensor);
    return status;
}

/* What is said beforehand is what a run takes, to the byte where no kernel of the CPU's works in memory of its own; where
 * there are libraries, at most. */
static void test_memory(const char *device)
{
    berth_error error = {0};
    scene s = {.context = limited(device, 1 << 30)};
    if (!CHECK(open_scene(&s, &trial_digits, device, NULL, &error))) return close_scene(&s);
    berth_check *check = check_on(&s, device, 7, false);
    CHECK_EQ(info_of(&s, device).memory_taken, 0);
    int64_t need = need_of(check, device);
    CHECK(check->is_measured && check->runs && check->fits && need > 0);
    berth_check_free(check);
    CHECK_EQ(run_rows(&s, 7, &error), BERTH_OK);
    berth_memory memory;
    CHECK_EQ(berth_session_memory(s.session, device, &memory, &error), BERTH_OK);
    CHECK_EQ(info_of(&s, device).memory_in_use, memory.weights + memory.activations + memory.workspace);
    berth_device_info info = info_of(&s, device);
    if (strstr(info.detail, "CUDA")) CHECK(info.memory_peak <= need && memory.workspace > 0);
    else CHECK_EQ(info.memory_peak, need + (strstr(device, "CPU") ? memory.workspace : 0));
    close_scene(&s);
    berth_context_free(s.context);
}

/* The largest batch that is said to fit does, and one more does not. */
static void test_batch(const char *device)
{
    berth_error error = {0};
    scene s = {.context = limited(device, 120000)};
    if (!CHECK(open_scene(&s, &trial_digits, device, NULL, &error))) return close_scene(&s);
    berth_check *check = check_on(&s, device, 64, false);
    int64_t batch = check->largest_batch;
    CHECK(!check->fits && batch > 1 && batch < 64);
    CHECK_EQ(check->needs[check->n_needs - 1].room, 120000);
    berth_check_free(check);
    check = check_on(&s, device, batch, true);
    CHECK(check->fits && check->runs && check->largest_batch == batch);
    berth_check_free(check);
    CHECK_EQ(info_of(&s, device).memory_taken, 0);
    CHECK_EQ(run_rows(&s, batch + 1, &error), BERTH_DEVICE);
    char said[60];
    snprintf(said, sizeof said, "largest batch that fits is %lld", (long long)batch);
    if (!CHECK(strstr(error.message, said))) printf("    %s\n", error.message);
    CHECK_EQ(run_rows(&s, batch, &error), BERTH_OK);
    close_scene(&s);
    CHECK_EQ(held(&s, device), 0);
    berth_context_free(s.context);
}

static void test_absent(void)
{
    berth_error error = {0};
    berth_session_options options;
    berth_session_options_init(&options);
    options.device = "/GPU:9";
    scene s = {.context = two_cpus("0,0")};
    CHECK(open_scene(&s, &trial_digits, "/CPU:0", NULL, &error));
    CHECK(!berth_model_check(s.model, &options, NULL, 0, NULL, 0, &error) && error.status == BERTH_DEVICE);
    options.device = "/XPU:9";
    CHECK(!berth_model_check(s.model, &options, NULL, 0, NULL, 0, &error) &&
          error.status == BERTH_BAD_ARGUMENT);
    close_scene(&s);
    berth_context_free(s.context);
}

int main(void)
{
    setenv("BERTH_OPENCL", "cpu", 0);
    setenv("STANDIN_LT_WORKSPACE", "3000000", 1);
    setenv("STANDIN_DNN_WORKSPACE", "4000000", 1);
    if (!trial_make()) return 1;
    test_obstacles();
    test_absent();
    scene s = {.context = two_cpus("0,0")};
    const char *devices[] = {"/CPU:1", info_of(&s, "/GPU:0").name ? "/GPU:0" : NULL};
    berth_context_free(s.context);
    for (int i = 0; i < 2 && devices[i]; i++) test_memory(devices[i]), test_batch(devices[i]);
    trial_unmake();
    return check_done();
}
