/* Device names, the registry, and counted memory. */
#include "device/device.h"

#include "torture.h"

static void is_device(const char *text, const char *kind, int index)
{
    bt_device_name name;
    berth_error error = {0};
    CHECK_EQ(bt_device_parse(text, &name, &error), BERTH_OK);
    if (!CHECK(!name.kind == !kind) || (kind && !CHECK_TEXT(name.kind, kind)) || !CHECK_EQ(name.index, index))
        printf("    of '%s'\n", text);
    CHECK_EQ(name.is_auto, !kind);
}

static void is_none(const char *text)
{
    bt_device_name name;
    berth_error error = {0};
    if (!CHECK_EQ(bt_device_parse(text, &name, &error), BERTH_BAD_ARGUMENT)) printf("    of '%s'\n", text);
    CHECK(strstr(error.message, text));
}

static void test_names(void)
{
    is_device("/GPU:1", "GPU", 1);
    is_device("GPU", "GPU", -1);
    is_device("cpu:0", "CPU", 0);
    is_device("/cpu:0", "CPU", 0);
    is_device("/device:CPU:0", "CPU", 0);
    is_device("/device:gpu:*", "GPU", -1);
    is_device("device:GPU", "GPU", -1);
    is_device("/job:x/replica:0/task:0/device:GPU:0", "GPU", 0);
    is_device("/job:x/replica:0/task:0/cpu:3", "CPU", 3);
    is_device("/job:localhost", NULL, -1);
    is_device("/device:*", NULL, -1);
    is_device("auto", NULL, -1);
    static const char *const bad[] = {"",
                                      "/",
                                      "/XPU:0",
                                      "GPU:",
                                      "GPU:x",
                                      "GPU:-1",
                                      "GPU:+1",
                                      "GPU:70000",
                                      "GPU:1:2",
                                      "CPU:0/GPU:0",
                                      "//CPU:0",
                                      "device:",
                                      "/job:/CPU:0",
                                      "/task:x/CPU:0",
                                      "device:device:device:CPUx:0",
                                      "automatic",
                                      "GPU:99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) is_none(bad[i]);
}

static void test_registry(void)
{
    berth_error error = {0};
    bt_registry *registry = bt_registry_new(&error);
    if (!CHECK(registry)) return;
    bt_device *cpu = bt_registry_find(registry, "/CPU:0", &error);
    if (!CHECK(cpu)) return;
    CHECK_TEXT(cpu->name, "/CPU:0");
    CHECK(bt_registry_find(registry, "auto", &error) == cpu);
    CHECK(!bt_registry_find(registry, "/CPU:7", &error) && error.status == BERTH_DEVICE);
    CHECK(strstr(error.message, "/CPU:7") && strstr(error.message, "/CPU:0"));
    bt_error_clear(&error);
    CHECK(!bt_registry_find(registry, "/XPU:0", &error) && error.status == BERTH_BAD_ARGUMENT);
    bt_error_clear(&error);

    bt_device_props props;
    CHECK_EQ(cpu->ops->info(cpu, &props, &error), BERTH_OK);
    CHECK(props.model[0] && props.detail[0]);
    CHECK(0 < props.memory_free && props.memory_free <= props.memory_total);

    static const size_t sizes[] = {0, 1, 1000, 1 << 20, (5 << 20) + 3};
    void *p[5];
    int64_t sum = 0;
    for (int i = 0; i < 5; i++) {
        p[i] = bt_device_alloc(cpu, sizes[i], &error);
        CHECK(p[i] && (uintptr_t)p[i] % 64 == 0);
        CHECK_EQ(cpu->in_use, sum += (int64_t)sizes[i]);
        memset(p[i], i, sizes[i]);
    }
    CHECK_EQ(cpu->ops->upload(cpu, p[4], p[2], 1000, &error), BERTH_OK);
    CHECK_EQ(cpu->ops->sync(cpu, &error), BERTH_OK);
    CHECK_EQ(((char *)p[4])[999], 2);
    for (int i = 0; i < 5; i++) bt_device_free(cpu, p[i], sizes[i]);
    bt_device_free(cpu, NULL, 7);
    CHECK_EQ(cpu->in_use, 0);
    CHECK_EQ(cpu->peak, sum);
    CHECK(!bt_device_alloc(cpu, (size_t)1 << 62, &error) && error.status == BERTH_NO_MEMORY);
    CHECK_EQ(cpu->in_use, 0);

    bt_error_clear(&error);
    cpu->limit = 1000;
    p[0] = bt_device_alloc(cpu, 600, &error);
    CHECK(p[0] && !bt_device_alloc(cpu, 401, &error) && error.status == BERTH_DEVICE);
    CHECK(strstr(error.message, "/CPU:0") && strstr(error.message, "401") && strstr(error.message, "600") &&
          strstr(error.message, "1000"));
    p[1] = bt_device_alloc(cpu, 400, &error);
    CHECK(p[1] && cpu->in_use == 1000);
    bt_device_free(cpu, p[0], 600);
    bt_device_free(cpu, p[1], 400);
    CHECK_EQ(cpu->in_use, 0);
    bt_registry_free(registry);
    bt_registry_free(NULL);
}

/* ---- Configuration ---- */

typedef struct said {
    berth_device_options options;
    berth_status status;
    const char *message; /* a part of it */
} said;

/* What was not said, and after it what was. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define SAY(...) {.size = sizeof(berth_device_options), .count = -1, .growth = -1, .limit = -1, .fraction = -1, __VA_ARGS__}

static void configure(bt_registry *registry, const said *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        berth_error error = {0};
        if (!CHECK_EQ(bt_registry_configure(registry, &list[i].options, false, &error), list[i].status) ||
            !CHECK(!list[i].message || strstr(error.message, list[i].message)))
            printf("    line %zu: %s\n", i, error.message);
    }
}

static void test_configure(void)
{
    berth_error error = {0};
    bt_registry *registry = bt_registry_new(&error);
    if (!CHECK(registry)) return;
    static const said bad[] = {
        {SAY(.device = "/XPU:0", .limit = 1), BERTH_BAD_ARGUMENT, "XPU"},
        {SAY(.device = "auto", .limit = 1), BERTH_BAD_ARGUMENT, "one device"},
        {SAY(.limit = 1), BERTH_BAD_ARGUMENT, "no device"},
        {SAY(.device = "CPU:1", .limit = 1), BERTH_DEVICE, "not there"},
        {SAY(.device = "CPU", .limit = 1), BERTH_BAD_ARGUMENT, "CPU:0"},
        {SAY(.device = "CPU:0", .limit = 0), BERTH_BAD_ARGUMENT, "leaves nothing"},
        {SAY(.device = "CPU:0", .limit = 5, .fraction = 0.5), BERTH_BAD_ARGUMENT, "already"},
        {SAY(.device = "CPU:0", .fraction = 1.5), BERTH_BAD_ARGUMENT, "1.5"},
        {SAY(.device = "CPU:0", .fraction = 0), BERTH_BAD_ARGUMENT, "0"},
        {SAY(.device = "CPU:0", .visible = "0"), BERTH_BAD_ARGUMENT, "kind"},
        {SAY(.device = "CPU", .visible = "0,0"), BERTH_BAD_ARGUMENT, "twice"},
        {SAY(.device = "CPU", .visible = "0,x"), BERTH_BAD_ARGUMENT, "numbers"},
        {SAY(.device = "CPU", .visible = "3"), BERTH_DEVICE, "there is no CPU 3"},
        {SAY(.device = "CPU", .count = 0), BERTH_BAD_ARGUMENT, "from 1"},
        {SAY(.device = "CPU:0", .logical = "1GiB,"), BERTH_BAD_ARGUMENT, "limits"},
        {SAY(.device = "CPU:0", .logical = "9999999GiB,1"), BERTH_BAD_ARGUMENT, "overlap"},
        {SAY(.device = "CPU:0", .logical = "99999999999999GiB"), BERTH_BAD_ARGUMENT, "limits"},
    };
    configure(registry, bad, sizeof bad / sizeof *bad);
    CHECK_EQ(bt_registry_known(registry), 1);
    static const said split[] = {
        {SAY(.device = "CPU:0", .logical = "1 MiB, 0,2kB", .growth = 1), BERTH_OK, NULL},
        {SAY(.device = "CPU:0", .logical = "0"), BERTH_BAD_ARGUMENT, "already"},
        {SAY(.device = "/cpu:0", .growth = 1), BERTH_BAD_ARGUMENT, "growth is set already"},
        {SAY(.device = "CPU:0", .limit = 7), BERTH_BAD_ARGUMENT, "of their own"},
        {SAY(.device = "CPU", .count = 2), BERTH_BAD_ARGUMENT, "logical"},
    };
    configure(registry, split, sizeof split / sizeof *split);
    bt_device *last = bt_registry_find(registry, "/CPU:2", &error), *first = bt_registry_find(registry, "/CPU:0", &error);
    if (!CHECK(first && last && !bt_registry_find(registry, "/CPU:3", NULL))) return bt_registry_free(registry);
    CHECK_EQ(first->limit, 1 << 20);
    CHECK_EQ(last->limit, 2000);
    CHECK(last->physical == first->physical);
    void *p = bt_device_alloc(last, 1500, &error);
    CHECK(p && !bt_device_alloc(last, 501, &error) && error.status == BERTH_DEVICE && strstr(error.message, "limit of 2000 bytes"));
    CHECK_EQ(last->in_use, 1500);
    CHECK_EQ(first->in_use, 0);
    bt_device_free(last, p, 1500);
    bt_device_free(last, bt_device_alloc(last, 2000, NULL), 2000);
    CHECK_EQ(last->peak, 2000);
    bt_registry_free(registry);
}

/* A list that is held stays; limits may change until something lay on the device. */
static void test_late(void)
{
    berth_error error = {0};
    bt_registry *registry = bt_registry_new(&error);
    if (!CHECK(registry)) return;
    bt_registry_fix(registry);
    static const said late[] = {{SAY(.device = "CPU:0", .logical = "0,0"), BERTH_BAD_ARGUMENT, "before its first use"},
                                {SAY(.device = "CPU:0", .fraction = 0.5), BERTH_OK, NULL}};
    configure(registry, late, 2);
    bt_device *cpu = bt_registry_at(registry, 0);
    CHECK(cpu->limit > 0);
    bt_device_free(cpu, bt_device_alloc(cpu, 1, &error), 1);
    static const said used[] = {{SAY(.device = "CPU:0", .growth = 1), BERTH_OK, NULL}};
    configure(registry, used, 1);
    bt_registry_free(registry);
    if (!CHECK(registry = bt_registry_new(&error))) return;
    bt_registry_fix(registry);
    cpu = bt_registry_at(registry, 0);
    bt_device_free(cpu, bt_device_alloc(cpu, 1, &error), 1);
    static const said never[] = {{SAY(.device = "CPU:0", .limit = 9), BERTH_BAD_ARGUMENT, "before its first use"}};
    configure(registry, never, 1);
    CHECK_EQ(cpu->limit, 0);
    bt_registry_free(registry);
}

static void sees(const char *text, int n, int count, int first)
{
    int numbers[8] = {-1};
    if (text) setenv("CUDA_VISIBLE_DEVICES", text, 1);
    else unsetenv("CUDA_VISIBLE_DEVICES");
    CHECK_EQ(bt_config_environment(numbers, n), count);
    if (count) CHECK_EQ(numbers[0], first);
}

static void test_environment(void)
{
    test_late();
    sees(NULL, 3, 3, 0);
    sees("", 3, 0, 0);
    sees("-1", 3, 0, 0);
    sees("2,0", 3, 2, 2);
    sees("1,-1,0", 3, 1, 1);
    sees("1,1", 3, 1, 1);
    sees("0,7,1", 3, 1, 0);
    sees("NoDevFiles", 3, 0, 0);
    unsetenv("CUDA_VISIBLE_DEVICES");
}

static bool open_registry(void *user)
{
    berth_error error = {0};
    bt_registry *registry = bt_registry_new(&error);
    CHECK(!registry == (error.status == BERTH_NO_MEMORY));
    bt_device *cpu = registry ? bt_registry_find(registry, "CPU", &error) : NULL;
    void *p = cpu ? bt_device_alloc(cpu, 3 << 20, &error) : NULL;
    (void)user;
    CHECK(!p == (error.status == BERTH_NO_MEMORY));
    if (cpu) CHECK_EQ(cpu->in_use, p ? 3 << 20 : 0);
    if (cpu) bt_device_free(cpu, p, 3 << 20);
    bt_registry_free(registry);
    return p;
}

int main(void)
{
    test_names();
    test_registry();
    CHECK(torture(open_registry, NULL, false) == 3);
    test_configure();
    test_environment();
    return check_done();
}
