/* Where work is done, and what it costs: what is asked for in which order, soft and strict placement, copies as counted and
 * as made, `auto`, and the fall-back from a device whose driver fails. The second device is OpenCL's CPU, whose functions are
 * watched and made to fail by a table put in their place. */
#include <pthread.h>
#include <stdatomic.h>

#include "compact.h"
#include "scene.h"
#include "session/model.h"

/* ---- A watched device ---- */

enum { NEVER = 1 << 30 };

static const bt_device_ops *real;
static bt_device_ops spy;
static atomic_int n_up, n_down, n_kernels, n_made;             /* uploads, downloads, launches, allocations */
static atomic_int fail_launch, fail_sync, fail_up, fail_alloc; /* after so many that go well */

static berth_status driver_fault(bt_device *device, const char *what, berth_error *error)
{
    return bt_fail(error, BERTH_DEVICE, "%s: %s failed (injected)", device->name, what);
}

static void *spy_alloc(bt_device *device, size_t bytes)
{
    n_made++;
    return fail_alloc-- <= 0 ? NULL : real->alloc(device, bytes);
}

static berth_status spy_upload(bt_device *device, void *dst, const void *host, size_t bytes,
                               berth_error *error)
{
    n_up++;
    return fail_up-- <= 0 ? driver_fault(device, "an upload", error)
                          : real->upload(device, dst, host, bytes, error);
}

static berth_status spy_download(bt_device *device, void *host, const void *src, size_t bytes,
                                 berth_error *error)
{
    n_down++;
    return real->download(device, host, src, bytes, error);
}

/* It waits all the same: what is under way would write to memory that is gone. */
static berth_status spy_sync(bt_device *device, berth_error *error)
{
    berth_status status = real->sync(device, error);
    return fail_sync-- <= 0 ? driver_fault(device, "waiting for it", error) : status;
}

static berth_status spy_launch(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args,
                               int n, berth_error *error)
{
    n_kernels++;
    return fail_launch-- <= 0 ? driver_fault(device, "a kernel", error)
                              : real->launch(device, kernel, grid, args, n, error);
}

static void calm(void)
{
    n_up = n_down = n_kernels = n_made = 0;
    fail_launch = fail_sync = fail_up = fail_alloc = NEVER;
}

/* A context with one or two GPUs, watched, and others of the first one's kind; NULL: there is none. */
static berth_context *watched(const char *logical)
{
    berth_error error = {0};
    berth_context *context = two_cpus("0,0");
    berth_device_options options;
    berth_device_options_init(&options);
    options.device = "GPU:0", options.logical = logical;
    if (logical && berth_device_configure(context, &options, &error))
        return berth_context_free(context), NULL;
    const bt_device_ops *kind = NULL;
    for (size_t i = 0; i < berth_device_count(context); i++) {
        bt_device *device = bt_registry_at(context->registry, i);
        if (!device->ops->compile || (kind && device->ops != kind)) continue;
        kind = real = device->ops, spy = *real;
        spy.alloc = spy_alloc, spy.upload = spy_upload, spy.download = spy_download, spy.sync = spy_sync,
        spy.launch = spy_launch;
        device->ops = &spy;
    }
    calm();
    if (berth_device_count(context) > 2) return context;
    berth_context_free(context);
    return NULL;
}

/* ---- Graphs ---- */

static float numbers[64];
static trial graph = {"graph", .in = {{"x:0", BERTH_FLOAT, 2, {4, 4}, numbers}},
                      .out = {{"y:0", BERTH_FLOAT}}, .n_in = 1, .n_out = 1};
static float answer[64];

typedef struct asked {
    const char *device, *fallback;
    const char *rules[3];
    bool hard;
} asked;

static bool write_graph(const char *nodes)
{
    bt_text text = {0};
    bt_text_print(&text, "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } } "
                         "attr { key: 'shape' value { shape ");
    compact_shape(&text, "-1,4");
    bt_text_print(&text, "} } }\n");
    compact_nodes(&text, nodes);
    bool ok = trial_write(&graph, text.p);
    bt_text_free(&text);
    return ok;
}

static bool open_as(scene *s, const asked *a, berth_error *error)
{
    berth_load_options load;
    berth_session_options options;
    berth_load_options_init(&load);
    berth_session_options_init(&options);
    load.context = s->context;
    options.device = a->device, options.fallback = a->fallback, options.hard_placement = a->hard;
    options.rules = a->rules;
    while (options.n_rules < 3 && a->rules[options.n_rules]) options.n_rules++;
    if (!CHECK(s->model = berth_model_load(graph.path, &load, error))) return false;
    return (s->session = berth_session_new(s->model, &options, error)) != NULL;
}

/* Runs y; false with the error set. out: kept for the next run, when not NULL. */
static bool run_graph(scene *s, berth_feed *out, berth_error *error)
{
    berth_feed in = {"x:0", trial_wrap(&graph.in[0], error)}, own = {0};
    berth_feed *fetch = out ? out : &own;
    fetch->name = "y:0";
    bool ok = !berth_session_run(s->session, &in, 1, fetch, 1, NULL, error);
    if (ok) {
        size_t bytes = berth_tensor_bytes(fetch->tensor);
        CHECK(bytes <= sizeof answer);
        memcpy(answer, berth_tensor_data(fetch->tensor), bytes < sizeof answer ? bytes : sizeof answer);
    }
    berth_tensor_free(in.tensor), berth_tensor_free(own.tensor);
    return ok;
}

/* Where a node's work is done; "" where there is none left. */
static const char *place_of(scene *s, const char *name, const char **reason, size_t *copies)
{
    static char device[64], why[256];
    const berth_placement *nodes;
    size_t n = 0, n_copies = 0;
    berth_feed in = {"x:0", NULL}, out = {"y:0", NULL};
    berth_error error = {0};
    if (!CHECK(!berth_session_placement(s->session, &in, 1, &out, 1, &nodes, &n, &n_copies, &error)))
        printf("    %s\n", error.message);
    snprintf(device, sizeof device, "?");
    for (size_t i = 0; i < n; i++) {
        if (strcmp(nodes[i].node, name)) continue;
        snprintf(device, sizeof device, "%s", nodes[i].device);
        snprintf(why, sizeof why, "%s", nodes[i].reason);
    }
    if (reason) *reason = why;
    if (copies) *copies = n_copies;
    return device;
}

/* ---- What is asked for, in its order ---- */

static void test_precedence(berth_context *context)
{
    static const char graph_text[] =
        "a Exp@/device:GPU:0 x; b Neg@/job:j/replica:0/task:0/device:CPU:1 a; c Tanh b; "
        "d Neg@/device:GPU:7 c; y Exp@/device:CPU:0 d";
    static const struct {
        asked as;
        const char *a, *b, *c, *y; /* where they are */
    } cases[] = {
        {{"/CPU:0"}, "/CPU:0", "/CPU:0", "/CPU:0", "/CPU:0"}, /* the graph's strings count with auto alone */
        {{"/GPU:0"}, "/GPU:0", "/GPU:0", "/GPU:0", "/GPU:0"},
        {{"/CPU:1"}, "/CPU:1", "/CPU:1", "/CPU:1", "/CPU:1"},
        {{NULL}, "/GPU:0", "/CPU:1", "/GPU:0", "/CPU:0"}, /* auto chooses the GPU for the rest */
        {{"auto"}, "/GPU:0", "/CPU:1", "/GPU:0", "/CPU:0"},
        {{"auto", .rules = {"a=/CPU:1", "op:Exp=/CPU:0"}},
         "/CPU:0",
         "/CPU:1",
         "/GPU:0",
         "/CPU:0"}, /* the last that matches */
        {{"/GPU:0", .rules = {"op:Exp=/CPU:0", "a=/CPU:1"}}, "/CPU:1", "/GPU:0", "/GPU:0", "/CPU:0"},
        {{"/CPU:0", .rules = {"[bc]=GPU:0"}}, "/CPU:0", "/GPU:0", "/GPU:0", "/CPU:0"},
    };
    if (!write_graph(graph_text)) return;
    float want[16];
    for (int i = 0; i < 16; i++) want[i] = expf(-tanhf(-expf(numbers[i])));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        berth_error error = {0};
        scene s = {.context = context};
        const char *why;
        if (CHECK(open_as(&s, &cases[i].as, &error)) && CHECK(run_graph(&s, NULL, &error))) {
            CHECK_TEXT(place_of(&s, "a", NULL, NULL), cases[i].a);
            CHECK_TEXT(place_of(&s, "b", NULL, NULL), cases[i].b);
            CHECK_TEXT(place_of(&s, "c", NULL, NULL), cases[i].c);
            CHECK_TEXT(place_of(&s, "y", NULL, NULL), cases[i].y);
            place_of(&s, "d", &why, NULL);
            CHECK(!!strstr(why, "/device:GPU:7 is not there") ==
                  (!cases[i].as.device || !strcmp(cases[i].as.device, "auto")));
            for (int k = 0; k < 16; k++) CHECK_CLOSE(answer[k], want[k], 1e-5);
        } else printf("    case %d: %s\n", (int)i, error.message);
        close_scene(&s);
    }
    unlink(graph.path);
}

/* ---- Soft and strict ---- */

/* An attribute that a kernel does not take moves a node as a missing kernel does; or all that there is against is said. */
static void test_strict(berth_context *context)
{
    static const char nodes[] =
        "one Const {dtype:DT_FLOAT floats:1,1,1,1}; none Const {dtype:DT_FLOAT floats:}; "
        "r Reshape x p; p Const {dtype:DT_INT32 ints:-1,1,1,4}; "
        "n FusedBatchNormV3 r one one none none {is_training:true}; e Equal n n "
        "{incompatible_shape_error:false}; "
        "c Cast e {SrcT:DT_BOOL DstT:DT_FLOAT}; m Relu n; y Add c m";
    berth_error error = {0};
    scene s = {.context = context};
    const char *why;
    size_t copies;
    if (!write_graph(nodes)) return;
    CHECK(open_as(&s, &(asked){"/GPU:0"}, &error) && run_graph(&s, NULL, &error));
    CHECK_TEXT(place_of(&s, "n", &why, &copies), "/CPU:0");
    CHECK(strstr(why, "moved from /GPU:0: it is for training"));
    CHECK_TEXT(place_of(&s, "e", &why, NULL), "/CPU:0");
    CHECK(strstr(why, "moved from /GPU:0: its shapes may differ"));
    CHECK_TEXT(place_of(&s, "y", NULL, NULL), "/GPU:0");
    close_scene(&s);
    n_warnings = 0;
    CHECK(open_as(&s, &(asked){"/GPU:0", "/CPU:0", .hard = true}, &error)); /* told when it is planned */
    CHECK(!s.session || !run_graph(&s, NULL, &error));
    CHECK_EQ(error.status, BERTH_DEVICE);
    CHECK(strstr(error.message, "'n' (FusedBatchNormV3) on /GPU:0: it is for training") &&
          strstr(error.message, "'e' (Equal) on /GPU:0: its shapes may differ"));
    CHECK_EQ(n_warnings, 0); /* a refusal is no failure of the device */
    if (check_failed) printf("    %s\n", error.message);
    close_scene(&s);
    error = (berth_error){0};
    CHECK(open_as(&s, &(asked){"/GPU:0", .hard = true, .rules = {"[nec]=/CPU:0"}}, &error) &&
          run_graph(&s, NULL, &error));
    if (error.status) printf("    %s\n", error.message);
    close_scene(&s);
    CHECK_EQ(held(&s, "/GPU:0"), 0);
    unlink(graph.path);
}

/* A device that has no float64 gets none of it. */
static void test_float64(berth_context *context)
{
    static const char nodes[] = "d Cast x {SrcT:DT_FLOAT DstT:DT_DOUBLE}; q Mul d d {T:DT_DOUBLE}; "
                                "f Cast q {SrcT:DT_DOUBLE DstT:DT_FLOAT}; y Relu f";
    berth_error error = {0};
    scene s = {.context = context};
    const char *why;
    bt_device *device = bt_registry_find(context->registry, "/GPU:0", &error);
    if (!CHECK(device) || !write_graph(nodes)) return;
    for (int lacks = 0; lacks < 2; lacks++) {
        bool had = device->lacks_f64;
        device->lacks_f64 = lacks;
        CHECK(open_as(&s, &(asked){"/GPU:0"}, &error) && run_graph(&s, NULL, &error));
        CHECK_TEXT(place_of(&s, "q", &why, NULL), lacks ? "/CPU:0" : "/GPU:0");
        CHECK(!lacks || strstr(why, "moved from /GPU:0: the device does not compute in float64"));
        CHECK_TEXT(place_of(&s, "f", NULL, NULL), lacks ? "/CPU:0" : "/GPU:0");
        CHECK_TEXT(place_of(&s, "y", NULL, NULL), "/GPU:0");
        close_scene(&s);
        CHECK(open_as(&s, &(asked){"/GPU:0", .hard = true}, &error));
        CHECK(s.session && run_graph(&s, NULL, &error) != lacks);
        CHECK(!lacks || (error.status == BERTH_DEVICE && strstr(error.message, "'q' (Mul) on /GPU:0: the device does not")));
        close_scene(&s);
        device->lacks_f64 = had;
    }
    unlink(graph.path);
}

/* ---- Copies ---- */

/* What crosses in a warm run is what was counted; kernels run where there is something to do. */
static void test_copies(berth_context *context)
{
    static const struct {
        const char *nodes;
        asked as;
        int copies, up, down; /* CPUs share their memory: what crosses to one is counted, not made */
    } cases[] = {
        {"a Exp x; b Neg a; c Tanh b; d Exp c; y Neg d", {"/CPU:0"}, 0, 0, 0},
        {"a Exp x; b Neg a; c Tanh b; d Exp c; y Neg d", {"/GPU:0"}, 2, 1, 1},
        {"a Exp x; b Neg a; c Tanh b; d Exp c; y Neg d", {"/GPU:0", .rules = {"c=/CPU:0"}}, 4, 2, 2},
        {"a Exp x; b Neg a; c Tanh b; d Exp c; y Neg d", {"/CPU:0", .rules = {"c=/GPU:0"}}, 2, 1, 1},
        {"a Exp x; b Neg a; c Tanh b; d Exp c; y Neg d", {"/CPU:1"}, 2, 0, 0},
        /* a tensor that two nodes want elsewhere is brought once */
        {"a Exp x; b Neg a; c Tanh a; d Add b c; y Neg d", {"/GPU:0", .rules = {"a=/CPU:0"}}, 2, 1, 1},
        {"a Exp x; b Neg a; c Tanh a; y Add b c", {"/CPU:0", .rules = {"b=/GPU:0", "c=/GPU:0"}}, 3, 1, 2},
        /* sizes stay on the host and break no chain */
        {"a Exp x; h Shape a; o Const {dtype:DT_INT32 ints:0}; u Const {dtype:DT_INT32 ints:1}; "
         "e StridedSlice h o u u {T:DT_INT32 shrink_axis_mask:1}; t Const {dtype:DT_INT32 shape: ints:2}; f "
         "Mul e t {T:DT_INT32}; "
         "p Pack f t {T:DT_INT32 N:2}; r Reshape a p; b Neg r; y Exp b",
         {"/GPU:0"},
         2,
         1,
         1},
        /* weights are brought once, and not counted */
        {"w Const {dtype:DT_FLOAT shape:4,4 floats:1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7}; a MatMul x w; b Add a "
         "v; "
         "v Const {dtype:DT_FLOAT floats:1,2,3,4}; y Relu b",
         {"/GPU:0"},
         2,
         1,
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        berth_error error = {0};
        scene s = {.context = context};
        berth_feed out = {0};
        size_t counted = 99;
        if (!write_graph(cases[i].nodes)) return;
        bool ok = CHECK(open_as(&s, &cases[i].as, &error));
        for (int k = 0; k < 2 && ok; k++) ok = CHECK(run_graph(&s, &out, &error));
        calm();
        ok = ok && CHECK(run_graph(&s, &out, &error));
        if (ok) place_of(&s, "y", NULL, &counted);
        bool same = CHECK_EQ(counted, cases[i].copies);
        same &= CHECK_EQ(n_up, cases[i].up);
        same &= CHECK_EQ(n_down, cases[i].down);
        same &= CHECK_EQ(n_made, 0);
        if (!ok || !same) printf("    case %d: %s\n", (int)i, error.message);
        berth_tensor_free(out.tensor);
        close_scene(&s);
        unlink(graph.path);
    }
}

/* ---- Faults of a driver ---- */

static void fails_at(berth_context *context, const char *device, atomic_int *what, int after,
                     const char *word)
{
    berth_error error = {0};
    scene s = {.context = context};
    bool is_auto = !device || !strcmp(device, "auto");
    calm();
    if (!CHECK(open_scene(&s, &trial_digits, device, "none", &error))) return close_scene(&s);
    for (int k = 0; k < 2; k++) { /* the first run, with all that it takes; and a warm one */
        *what = after;
        CHECK(!trial_run(&trial_digits, s.session, NULL, &error) && error.status == BERTH_DEVICE);
        if (!CHECK(strstr(error.message, word) && strstr(error.message, "/GPU:0") &&
                   !strchr(error.message, '\n')))
            printf("    %s: %s\n", word, error.message);
        calm();
        error = (berth_error){0};
        CHECK(trial_run(&trial_digits, s.session, NULL, &error)); /* the session outlives it */
    }
    close_scene(&s);
    for (int warm = 0; warm < 2; warm++) {
        n_warnings = 0;
        CHECK(open_scene(&s, &trial_digits, device, is_auto ? NULL : "/CPU:0", &error));
        if (warm) CHECK(trial_run(&trial_digits, s.session, NULL, &error) && held(&s, "/GPU:0") > 0);
        *what = warm && what == &fail_alloc ? NEVER : after;
        CHECK(trial_run(&trial_digits, s.session, NULL, &error) &&
              trial_run(&trial_digits, s.session, NULL, &error));
        CHECK(*what > NEVER / 2 ||
              (n_warnings == 1 && strstr(warning, word) && strstr(warning, "runs on /CPU:0 now")));
        calm();
        if (n_warnings) CHECK_EQ(held(&s, "/GPU:0"), 0);
        close_scene(&s);
        CHECK_EQ(held(&s, "/GPU:0"), 0);
    }
    if (error.status) printf("    %s: %s\n", word, error.message);
}

/* A run that asks for the device falls back alone: the session stays where it is. */
static void test_fault_of_a_run(berth_context *context)
{
    berth_error error = {0};
    scene s = {.context = context};
    berth_feed out[TRIAL_PORTS] = {{0}};
    calm();
    CHECK(open_scene(&s, &trial_digits, "/CPU:1", "/CPU:0", &error));
    CHECK(!run_on(&s, &trial_digits, "/GPU:0", out, &error));
    n_warnings = 0, fail_launch = 1;
    CHECK(!run_on(&s, &trial_digits, "/GPU:0", out, &error));
    CHECK(n_warnings == 1 && strstr(warning, "the work runs on /CPU:0 now"));
    calm();
    CHECK(!run_on(&s, &trial_digits, "/GPU:0", out, &error) && n_warnings == 1 &&
          n_kernels > 0); /* it is asked again */
    CHECK(!run_on(&s, &trial_digits, NULL, out, &error) && held(&s, "/CPU:1") > 0);
    drop(&trial_digits, out);
    close_scene(&s);
}

static void test_parts_that_fail(berth_context *context)
{
    berth_error error = {0};
    scene s = {.context = context};
    calm();
    CHECK(open_scene(&s, &trial_digits, "/CPU:0,/GPU:0", NULL, &error) &&
          trial_run(&trial_digits, s.session, NULL, &error));
    fail_launch = 1;
    CHECK(!trial_run(&trial_digits, s.session, NULL, &error) && error.status == BERTH_DEVICE &&
          strstr(error.message, "a kernel failed"));
    calm();
    CHECK(trial_run(&trial_digits, s.session, NULL, &error));
    close_scene(&s);
    n_warnings = 0;
    CHECK(open_scene(&s, &trial_digits, "/CPU:0,/GPU:0", "/CPU:1", &error) &&
          trial_run(&trial_digits, s.session, NULL, &error));
    fail_launch = 1;
    CHECK(trial_run(&trial_digits, s.session, NULL, &error) && n_warnings == 1 &&
          strstr(warning, "runs on /CPU:1 now"));
    calm();
    CHECK(held(&s, "/GPU:0") == 0 && held(&s, "/CPU:0") == 0 && held(&s, "/CPU:1") > 0);
    close_scene(&s);
}

/* ---- auto ---- */

static void test_auto(void)
{
    static const struct {
        const char *logical, *chosen;
    } cases[] = {{"1GiB,2GiB", "/GPU:1"}, /* the one with the most free memory */
                 {"2GiB,1GiB", "/GPU:0"},
                 {"1000,1GiB", "/GPU:1"},
                 {"1000,2000", "/CPU:0"}}; /* it fits on none */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        berth_error error = {0};
        scene s = {.context = watched(cases[i].logical)};
        const char *at[] = {"/CPU:0", "/GPU:0", "/GPU:1"};
        n_warnings = 0;
        if (!CHECK(s.context) || !CHECK(open_scene(&s, &trial_digits, i % 2 ? NULL : "auto", NULL, &error)))
            break;
        CHECK(trial_run(&trial_digits, s.session, NULL, &error));
        for (int k = 1; k < 3; k++) CHECK((held(&s, at[k]) > 0) == !strcmp(at[k], cases[i].chosen));
        CHECK_EQ(n_warnings, 0); /* it is a choice, not a failure */
        if (!strcmp(cases[i].chosen, "/CPU:0")) CHECK(n_kernels == 0);
        close_scene(&s);
        berth_context_free(s.context);
    }
}

int main(void)
{
    setenv("BERTH_OPENCL", "cpu", 0);
    setenv("BERTH_CUDNN", "off", 1); /* launches are counted, which what it does is none of */
    berth_context *context = watched(NULL);
    if (!context) return printf("skipped: there is no OpenCL\n"), 0;
    if (!trial_make()) return 1;
    for (int i = 0; i < 64; i++) numbers[i] = check_float(-1, 1);
    berth_set_log(note, BERTH_LOG_WARNING, NULL);
    test_precedence(context);
    test_strict(context);
    test_float64(context);
    test_copies(context);
    const char *devices[] = {"/GPU:0", "auto"};
    for (int i = 0; i < 2; i++) {
        fails_at(context, devices[i], &fail_launch, 0, "a kernel failed");
        fails_at(context, devices[i], &fail_launch, 3, "a kernel failed");
        fails_at(context, devices[i], &fail_sync, 0, "waiting for it failed");
        fails_at(context, devices[i], &fail_up, 0, "an upload failed");
    }
    test_fault_of_a_run(context);
    test_parts_that_fail(context);
    berth_context_free(context);
    test_auto();
    trial_unmake();
    return check_done();
}
