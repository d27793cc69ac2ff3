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
    CHECK(torture(open_registry, NULL, false) == 2);
    return check_done();
}
