/* The CUDA device on a driver that stands in for the real one (tests/standin): what is taken when, copies longer than the
 * ring, failures at each call, a device that is lost, several devices, recordings, times; and the cache on disk. */
#include "device/cuda/cuda.h"
#include "device/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "standin/standin.h"

#include "check.h"

static const standin *driver;
static berth_error failure;
enum { MEMORY = 256 << 20 };

static int64_t abandoned; /* when the devices were opened */

static standin_counts counts(void) { return standin_counted(driver); }

static bt_registry *open_devices(bt_device **gpu)
{
    bt_registry *registry = bt_registry_new(&failure);
    *gpu = registry ? bt_registry_find(registry, "/GPU:0", &failure) : NULL;
    CHECK(*gpu && (*gpu)->ops == &bt_cuda_ops);
    abandoned = counts().abandoned;
    return registry;
}

/* Closed, a device leaves nothing behind, and left nothing to the driver to clean up. */
static void close_devices(bt_registry *registry)
{
    bt_registry_free(registry);
    standin_counts c = counts();
    CHECK(!c.bytes && !c.pinned && !c.contexts && !c.streams && !c.events && !c.modules && !c.graphs);
    CHECK_EQ(c.abandoned, abandoned);
    CHECK_EQ(c.misuses, 0);
}

/* ---- Late and counted --------------------------------------------------------------------------------- */

static void test_late(void)
{
    bt_device *gpu;
    bt_device_props props;
    bt_registry *registry = open_devices(&gpu);
    CHECK_EQ(gpu->ops->info(gpu, &props, &failure), BERTH_OK);
    CHECK_TEXT(props.model, "Stand-in 0");
    CHECK_TEXT(props.detail, "CUDA 13.0, compute capability 8.0");
    CHECK_EQ(props.memory_total, MEMORY);
    CHECK_EQ(props.memory_free, MEMORY);
    CHECK_EQ(props.memory_context, 0);
    CHECK_EQ(counts().contexts, 0); /* nothing is taken by looking */
    void *p = bt_device_alloc(gpu, 1 << 20, &failure);
    CHECK(p && counts().contexts == 1);
    CHECK_EQ(counts().bytes, 1 << 20);
    CHECK_EQ(gpu->ops->info(gpu, &props, &failure), BERTH_OK);
    CHECK_EQ(props.memory_context, STANDIN_CONTEXT_BYTES);
    CHECK_EQ(props.memory_free, MEMORY - STANDIN_CONTEXT_BYTES - (1 << 20));
    CHECK(!bt_device_alloc(gpu, MEMORY, &failure) && failure.status == BERTH_DEVICE &&
          strstr(failure.message, "out of memory"));
    bt_error_clear(&failure);
    CHECK_EQ(gpu->in_use, 1 << 20);
    bt_device_free(gpu, p, 1 << 20);
    CHECK_EQ(counts().bytes, 0);
    CHECK_EQ(counts().contexts, 1);
    close_devices(registry);
}

/* Where there is no management library, what is free is not known before the first use. In a process of its own, as the library
 * is looked for once. */
static void test_unmanaged(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bt_device *gpu;
        bt_device_props props;
        setenv("BERTH_NVML", "off", 1);
        bt_registry *registry = open_devices(&gpu);
        CHECK(!gpu->ops->info(gpu, &props, &failure) && props.is_free_unknown && props.memory_free == MEMORY);
        CHECK(gpu->physical->key && gpu->physical->key != bt_registry_find(registry, "/GPU:1", &failure)->physical->key);
        void *p = bt_device_alloc(gpu, 1 << 20, &failure);
        CHECK(!gpu->ops->info(gpu, &props, &failure) && !props.is_free_unknown);
        CHECK_EQ(props.memory_free, MEMORY - STANDIN_CONTEXT_BYTES - (1 << 20));
        bt_device_free(gpu, p, 1 << 20);
        close_devices(registry);
        exit(check_done());
    }
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void test_several(void)
{
    bt_device *first, *second, *part;
    bt_registry *registry = bt_registry_new(&failure);
    berth_device_options split = {.size = sizeof split,
                                  .device = "GPU:0",
                                  .logical = "1MiB,2MiB",
                                  .count = -1,
                                  .growth = -1,
                                  .limit = -1,
                                  .fraction = -1};
    CHECK_EQ(bt_registry_configure(registry, &split, false, &failure), BERTH_OK);
    first = bt_registry_find(registry, "/GPU:0", &failure),
    part = bt_registry_find(registry, "/GPU:1", &failure);
    second = bt_registry_find(registry, "/GPU:2", &failure);
    if (!CHECK(first && part && second && !bt_registry_find(registry, "/GPU:3", NULL))) return;
    void *a = bt_device_alloc(first, 1 << 20, &failure), *b = bt_device_alloc(part, 2 << 20, &failure);
    CHECK(a && b && !bt_device_alloc(first, 1, NULL) && !bt_device_alloc(part, 1, NULL));
    CHECK_EQ(counts().contexts, 1);
    char text[] = "across";
    void *c = bt_device_alloc(second, sizeof text, &failure);
    CHECK_EQ(counts().contexts, 2);
    CHECK_EQ(second->ops->upload(second, c, text, sizeof text, &failure), BERTH_OK);
    memset(text, 0, sizeof text);
    CHECK_EQ(second->ops->download(second, text, c, sizeof text, &failure), BERTH_OK);
    CHECK_EQ(second->ops->sync(second, &failure), BERTH_OK);
    CHECK_TEXT(text, "across");
    bt_device_free(first, a, 1 << 20), bt_device_free(part, b, 2 << 20),
        bt_device_free(second, c, sizeof text);
    close_devices(registry);
}

/* ---- Copies and kernels ------------------------------------------------------------------------------- */

static const char source[] =
    "KERNEL void add(GLOBAL float *y, I64 n, float by) { EACH(0, i, n) y[i] += by; }\n";

/* y += by, n elements of which some are more than a whole ring takes. */
static berth_status add(bt_device *gpu, void *y, int64_t n, float by, berth_error *error)
{
    bt_kernel *k = gpu->ops->compile(gpu, source, "", "add", error);
    bt_arg args[] = {{BT_ARG_POINTER, .pointer = y}, {BT_ARG_LONG, .l = n}, {BT_ARG_FLOAT, .f = by}};
    return k ? gpu->ops->launch(gpu, k, &(bt_grid){{4096, 1, 1}, {256, 1, 1}}, args, 3, error) : BERTH_DEVICE;
}

static bool through(bt_device *gpu, int64_t n, berth_error *error)
{
    size_t bytes = (size_t)n * sizeof(float);
    float *host = bt_alloc(bytes);
    void *y = bt_device_alloc(gpu, bytes, error);
    for (int64_t i = 0; i < n; i++) host[i] = (float)(i % 1000);
    berth_status status = y ? gpu->ops->upload(gpu, y, host, bytes, error) : BERTH_DEVICE;
    memset(host, 0, bytes); /* it may be used again */
    if (!status) status = add(gpu, y, n, 0.5f, error);
    if (!status) status = gpu->ops->download(gpu, host, y, bytes, error);
    if (!status) status = gpu->ops->sync(gpu, error);
    bool ok = true;
    for (int64_t i = 0; i < n && !status; i++) ok = ok && host[i] == (float)(i % 1000) + 0.5f;
    CHECK(ok);
    bt_device_free(gpu, y, bytes);
    bt_free(host);
    return !status;
}

static void test_copies(void)
{
    bt_device *gpu;
    bt_registry *registry = open_devices(&gpu);
    static const int64_t counts_of[] = {1, 1000, BT_CU_SLOT_BYTES / 4, BT_CU_SLOT_BYTES / 4 + 1,
                                        7 * BT_CU_SLOT_BYTES / 4 + 5};
    for (int i = 0; i < 5; i++) CHECK(through(gpu, counts_of[i], &failure));
    CHECK_EQ(counts().pinned, BT_CU_SLOTS * BT_CU_SLOT_BYTES);
    bt_error_clear(&failure);
    bt_kernel *k = gpu->ops->compile(gpu, source, "", "add", &failure);
    static const bt_grid large[] = {{{(size_t)64 << 31, 1, 1}, {64, 1, 1}}, {{4096, 1, 1}, {2048, 1, 1}}};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(gpu->ops->launch(gpu, k, &large[i], NULL, 0, &failure), BERTH_DEVICE);
        CHECK(strstr(failure.message, "'add'") && strstr(failure.message, "at most"));
        bt_error_clear(&failure);
    }
    CHECK_EQ(gpu->in_use, 0);
    close_devices(registry);
}

/* More groups than a launch takes in dimensions 1 and 2: the kernels' loops do them all, and once. */
static void test_groups(void)
{
    enum { N = 70000 };
    static const char counting[] =
        "KERNEL void count(GLOBAL int *y, I64 n, int d) { for (I64 i = WGID(d); i < n; i += NWG(d)) y[i]++; }\n";
    static int y[N];
    bt_device *gpu;
    bt_registry *registry = open_devices(&gpu);
    void *there = bt_device_alloc(gpu, sizeof y, &failure);
    bt_kernel *k = gpu->ops->compile(gpu, counting, "", "count", &failure);
    CHECK_EQ(gpu->ops->upload(gpu, there, y, sizeof y, &failure), BERTH_OK);
    for (int d = 1; d < 3; d++) {
        bt_arg args[] = {{BT_ARG_POINTER, .pointer = there}, {BT_ARG_LONG, .l = N}, {BT_ARG_INT, .i = d}};
        bt_grid grid = {{1, d == 1 ? N : 1, d == 2 ? N : 1}, {1, 1, 1}};
        CHECK_EQ(gpu->ops->launch(gpu, k, &grid, args, 3, &failure), BERTH_OK);
    }
    CHECK_EQ(gpu->ops->download(gpu, y, there, sizeof y, &failure), BERTH_OK);
    CHECK_EQ(gpu->ops->sync(gpu, &failure), BERTH_OK);
    bool ok = true;
    for (int i = 0; i < N; i++) ok = ok && y[i] == 2;
    CHECK(ok);
    bt_device_free(gpu, there, sizeof y);
    close_devices(registry);
}

/* ---- Failures ----------------------------------------------------------------------------------------- */

/* The whole way from looking for devices on, while the first, second, third ... call of the driver fails. */
static void test_torture(void)
{
    for (uint64_t n = 1;; n++) {
        bt_device *gpu;
        berth_error error = {0};
        driver->fail_at(n);
        bt_registry *registry = bt_registry_new(&error);
        gpu = bt_registry_find(registry, "/GPU:0", &error);
        bool ok = gpu && through(gpu, 3 * BT_CU_SLOT_BYTES / 4 + 1, &error) && through(gpu, 10, &error);
        uint64_t made = driver->calls();
        CHECK(ok || (error.status == BERTH_DEVICE && strstr(error.message, "/GPU:0")));
        driver->fail_at(0);
        if (!ok && gpu) {
            bt_error_clear(&error);
            if (!CHECK(through(gpu, 10, &error)))
                printf("    after call %llu failed: %s\n", (unsigned long long)n, error.message);
        }
        if (gpu) CHECK_EQ(gpu->in_use, 0);
        bt_registry_free(registry);
        CHECK(!counts().bytes && !counts().contexts);
        if (made < n) {
            CHECK(ok);
            printf("%llu calls of the driver, each failed once\n", (unsigned long long)made);
            break;
        }
    }
    CHECK_EQ(counts().misuses, 0);
}

static void test_lost(void)
{
    bt_device *gpu;
    berth_error error = {0};
    bt_registry *registry = open_devices(&gpu);
    CHECK(through(gpu, 10, &error));
    driver->lose(0);
    CHECK(!through(gpu, 10, &error) && error.status == BERTH_DEVICE);
    error = (berth_error){0};
    CHECK_EQ(gpu->ops->sync(gpu, &error), BERTH_DEVICE);
    CHECK(strstr(error.message, "/GPU:0: waiting for it failed: CUDA_ERROR_LAUNCH_FAILED (719)"));
    CHECK_EQ(gpu->in_use, 0);
    bt_registry_free(registry);
    driver->find();
    CHECK(!counts().contexts && !counts().bytes && !counts().misuses);
}

/* A group whose items part ways, and one that writes where there is nothing, are found out. */
static void test_faulty(void)
{
    static const char parted[] = "KERNEL void f(GLOBAL float *y) { if (LID(0) % 2) BARRIER; y[0] = 1; }\n";
    bt_device *gpu;
    berth_error error = {0};
    bt_registry *registry = open_devices(&gpu);
    void *y = bt_device_alloc(gpu, 4, &error);
    bt_kernel *k = gpu->ops->compile(gpu, parted, "", "f", &error);
    CHECK(k && !gpu->ops->launch(gpu, k, &(bt_grid){{64, 1, 1}, {64, 1, 1}},
                                 &(bt_arg){BT_ARG_POINTER, .pointer = y}, 1, &error));
    CHECK_EQ(gpu->ops->sync(gpu, &error), BERTH_DEVICE);
    CHECK_EQ(counts().misuses, 1);
    bt_device_free(gpu, y, 4);
    bt_registry_free(registry);
    driver->find();
}

/* ---- Recordings --------------------------------------------------------------------------------------- */

static float value_at(bt_device *gpu, const void *y)
{
    float v = NAN;
    CHECK(!gpu->ops->download(gpu, &v, y, sizeof v, &failure) && !gpu->ops->sync(gpu, &failure));
    return v;
}

static void test_recording(void)
{
    bt_device *gpu;
    float zero = 0;
    bt_registry *registry = open_devices(&gpu);
    void *y = bt_device_alloc(gpu, 4, &failure), *z = bt_device_alloc(gpu, 4, &failure);
    CHECK_EQ(gpu->ops->upload(gpu, y, &zero, 4, &failure), BERTH_OK);
    CHECK_EQ(add(gpu, y, 1, 1, &failure), BERTH_OK);
    CHECK_EQ(gpu->ops->record(gpu, &failure), BERTH_OK);
    CHECK_EQ(add(gpu, y, 1, 10, &failure), BERTH_OK);
    CHECK_EQ(gpu->ops->copy(gpu, z, y, 4, &failure), BERTH_OK);
    bt_recording *r = gpu->ops->recorded(gpu, &failure);
    CHECK(r && counts().graphs == 1);
    CHECK_CLOSE(value_at(gpu, y), 1, 0); /* noted, not done */
    for (int i = 0; i < 3; i++) CHECK_EQ(gpu->ops->replay(gpu, r, &failure), BERTH_OK);
    CHECK_CLOSE(value_at(gpu, y), 31, 0);
    CHECK_CLOSE(value_at(gpu, z), 31, 0);
    CHECK_EQ(counts().replays, 3);
    gpu->ops->forget(gpu, r);
    gpu->ops->forget(gpu, NULL);
    /* What goes to the host, or waits for it, cannot be recorded. */
    for (int i = 0; i < 3; i++) {
        berth_error error = {0};
        CHECK_EQ(gpu->ops->record(gpu, &failure), BERTH_OK);
        CHECK_EQ(add(gpu, y, 1, 100, &failure), BERTH_OK);
        CHECK_EQ(i == 0   ? gpu->ops->upload(gpu, y, &zero, 4, &error)
                 : i == 1 ? gpu->ops->download(gpu, &zero, y, 4, &error)
                          : gpu->ops->sync(gpu, &error),
                 BERTH_DEVICE);
        bt_error_clear(&error);
        CHECK(!gpu->ops->recorded(gpu, &error) && error.status == BERTH_DEVICE);
    }
    CHECK_CLOSE(value_at(gpu, y), 31, 0);
    bt_device_free(gpu, y, 4), bt_device_free(gpu, z, 4);
    close_devices(registry);
}

/* ---- Times -------------------------------------------------------------------------------------------- */

/* Copies and launches that are watched are on the host's clock, in their order, and leave no event behind. */
static void test_times(void)
{
    bt_device *gpu;
    bt_watch watch;
    float one = 1;
    bt_registry *registry = open_devices(&gpu);
    void *y = bt_device_alloc(gpu, sizeof one, &failure);
    bt_kernel *k = gpu->ops->compile(gpu, source, "", "add", &failure);
    bt_arg args[] = {{BT_ARG_POINTER, .pointer = y}, {BT_ARG_LONG, .l = 1}, {BT_ARG_FLOAT, .f = 1}};
    int64_t before = bt_now();
    bt_watch_begin(&watch);
    CHECK_EQ(bt_device_upload(gpu, y, &one, sizeof one, &failure), BERTH_OK);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(bt_device_launch(gpu, k, "add", &(bt_grid){{1, 1, 1}, {1, 1, 1}}, args, 3, &failure), BERTH_OK);
    CHECK_EQ(bt_device_download(gpu, &one, y, sizeof one, &failure), BERTH_OK);
    CHECK_EQ(watch.n, 5);
    bt_watch_settle(&watch);
    CHECK_EQ(gpu->ops->sync(gpu, &failure), BERTH_OK);
    for (int i = 0; i < 5; i++) {
        const bt_work *w = &watch.list[i];
        CHECK(w->is_own && w->given <= w->start && w->start <= w->end);
        CHECK(w->start >= (i ? w[-1].end : before) - 1000 && w->end <= bt_now() + 1000);
    }
    CHECK_CLOSE(one, 4, 0);
    int events = counts().events; /* the ring's, and the origin */
    watch.n = 0;
    driver->fail_call("cuEventElapsedTime");
    CHECK_EQ(bt_device_upload(gpu, y, &one, sizeof one, &failure), BERTH_OK);
    CHECK(watch.n == 1 && watch.list[0].event);
    CHECK_EQ(counts().events, events + 2);
    bt_watch_settle(&watch);
    CHECK(!watch.list[0].is_own && watch.list[0].start <= watch.list[0].end);
    CHECK_EQ(counts().events, events);
    driver->fail_call("cuEventRecord");
    CHECK_EQ(bt_device_copy(gpu, y, y, sizeof one, &failure), BERTH_OK);
    CHECK_EQ(bt_device_launch(gpu, k, "add", &(bt_grid){{1, 1, 1}, {1, 1, 1}}, args, 3, &failure), BERTH_OK);
    CHECK(watch.n == 3 && !watch.list[1].event && !watch.list[2].event);
    driver->fail_call(NULL);
    bt_watch_end(&watch);
    bt_device_free(gpu, y, sizeof one);
    close_devices(registry);
}

/* ---- The cache ---------------------------------------------------------------------------------------- */

static char cache_folder[] = "/tmp/berth-cache-XXXXXX";

/* The path of the one entry. */
static bool entry_path(char path[512])
{
    int n = 0;
    DIR *dir = opendir(cache_folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (bt_ends(e->d_name, ".cubin")) n++, snprintf(path, 512, "%s/%s", cache_folder, e->d_name);
        else CHECK(e->d_name[0] == '.');
    if (dir) closedir(dir);
    return n == 1;
}

static void test_cache(void)
{
    char key[BT_CU_KEY], other[BT_CU_KEY], path[512], old[512];
    const char *before = getenv("BERTH_CACHE_DIR");
    snprintf(old, sizeof old, "%s", before ? before : "");
    CHECK(mkdtemp(cache_folder));
    setenv("BERTH_CACHE_DIR", cache_folder, 1);
    bt_cu_key(key, (bt_str[]){{"ab", 2}, {"c", 1}}, 2);
    bt_cu_key(other, (bt_str[]){{"a", 1}, {"bc", 2}}, 2);
    CHECK(strcmp(key, other) && strlen(key) == BT_CU_KEY - 1);
    static const char bytes[] = "the code of a kernel";
    size_t n = 0;
    CHECK(!bt_cu_cache_get(key, &n));
    bt_cu_cache_put(key, bytes, sizeof bytes);
    bt_cu_cache_put(key, bytes, sizeof bytes);
    char *back = bt_cu_cache_get(key, &n);
    CHECK(back && n == sizeof bytes && CHECK_TEXT(back, bytes));
    bt_free(back);
    CHECK(!bt_cu_cache_get(other, &n));
    /* Any byte that is wrong, and any that is missing, makes it absent; a new one takes its place. */
    if (!CHECK(entry_path(path))) return;
    uint8_t file[256];
    int fd = open(path, O_RDONLY);
    ssize_t size = read(fd, file, sizeof file);
    close(fd);
    CHECK(size > (ssize_t)sizeof bytes);
    for (ssize_t i = 0; i < 2 * size; i++) {
        fd = open(path, O_WRONLY | O_TRUNC);
        if (i < size) file[i] ^= 0x40;
        CHECK(write(fd, file, (size_t)(i < size ? size : i - size)) >= 0);
        if (i < size) file[i] ^= 0x40;
        close(fd);
        back = bt_cu_cache_get(key, &n);
        if (!CHECK(!back)) printf("    %zd of %zd\n", i, size);
        bt_free(back);
    }
    bt_cu_cache_put(key, bytes, sizeof bytes);
    back = bt_cu_cache_get(key, &n);
    CHECK(back && n == sizeof bytes);
    bt_free(back);
    CHECK(entry_path(path));
    unlink(path);
    rmdir(cache_folder);
    CHECK(setenv("BERTH_CACHE_DIR", "", 1) == 0 && !bt_cu_cache_get(key, &n)); /* none is wanted */
    bt_cu_cache_put(key, bytes, sizeof bytes);
    setenv("BERTH_CACHE_DIR", old, 1);
}

int main(void)
{
    setenv("BERTH_OPENCL", "off", 1);
    driver = standin_open(2, MEMORY);
    if (!CHECK(driver)) return check_done();
    test_unmanaged();
    test_late();
    test_several();
    test_copies();
    test_groups();
    test_torture();
    test_lost();
    test_recording();
    test_times();
    test_cache();
    test_faulty();
    return check_done();
}
