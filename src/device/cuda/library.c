/* The libraries of CUDA: the driver, its management library for what it tells of memory, and where others are found. */
#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "device/cuda/cuda.h"

static bool find_functions(bt_cu_library *cu, void *library)
{
#define X(result, name, arguments) \
    if (!(cu->name = (result(*) arguments)dlsym(library, #name))) return false;
    BT_CU_FUNCTIONS(X)
#undef X
    return true;
}

static bt_cu_library the_library;

/* BERTH_CUDA: "off" looks for no device, a path names the driver (for tests). */
static void look(void)
{
    bt_cu_library *cu = &the_library;
    const char *wish = getenv("BERTH_CUDA"), *name = wish && *wish ? wish : "libcuda.so.1", *text = "?";
    if (!strcmp(name, "off")) return;
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    if (!find_functions(cu, library)) {
        bt_log(BERTH_LOG_WARNING, "%s: is too old a driver (berth needs one for CUDA 11.4 or later)", name);
        return;
    }
    cu_result code = cu->cuInit(0);
    if (!code) code = cu->cuDriverGetVersion(&cu->version);
    if (!code) code = cu->cuDeviceGetCount(&cu->n_devices);
    if (!code) return;
    cu->n_devices = 0;
    cu->cuGetErrorName(code, &text);
    if (code != CU_NO_DEVICE)
        bt_log(BERTH_LOG_WARNING, "%s: gives no devices: %s (%u)", name, text ? text : "?", code);
}

const bt_cu_library *bt_cu_library_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
    return &the_library;
}

/* ---- Others ------------------------------------------------------------------------------------------- */

static void *open_in(const char *folder, const char *below, const char *file)
{
    char path[1024];
    int n = snprintf(path, sizeof path, "%s%s%s", folder, below, file);
    return n > 0 && (size_t)n < sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

/* Where Python's packages put it below a folder: lib/python3.N/site-packages/nvidia/PACKAGE/lib. */
static void *open_packaged(const char *folder, const char *file)
{
    static const char *const patterns[] = {"site-packages", "dist-packages"};
    char pattern[1024];
    void *library = NULL;
    for (int i = 0; i < 2 && folder && *folder && !library; i++) {
        glob_t found;
        int n = snprintf(pattern, sizeof pattern, "%s/lib/python3*/%s/nvidia/*/lib/%s", folder, patterns[i], file);
        if (n <= 0 || (size_t)n >= sizeof pattern || glob(pattern, 0, NULL, &found)) continue;
        for (size_t j = 0; j < found.gl_pathc && !library; j++) library = open_in("", "", found.gl_pathv[j]);
        globfree(&found);
    }
    return library;
}

/* By the loader's own search, then below the toolkit's folder, then in an environment of Python's that is active, and in the
 * system's. */
static void *open_file(const char *file)
{
    const char *variables[] = {"VIRTUAL_ENV", "CONDA_PREFIX"};
    const char *home = getenv("CUDA_HOME");
    if (!home || !*home) home = getenv("CUDA_PATH");
    if (!home || !*home) home = "/usr/local/cuda";
    void *library = open_in("", "", file);
    if (!library) library = open_in(home, "/lib64/", file);
    if (!library) library = open_in(home, "/lib/", file);
    for (int i = 0; i < 2 && !library; i++) library = open_packaged(getenv(variables[i]), file);
    return library ? library : open_packaged("/usr/local", file);
}

/* What was made for an older driver works with a newer one, and mostly not the other way round. */
void *bt_cu_open_library(const char *variable, const char *stem, int major)
{
    const char *wish = getenv(variable);
    char file[64];
    int driver = bt_cu_library_get()->version / 1000, near = driver ? driver : 13;
    const int tries[] = {major ? major : near, near - 1, near + 1};
    if (wish && *wish) return strcmp(wish, "off") ? dlopen(wish, RTLD_NOW | RTLD_LOCAL) : NULL;
    for (int i = 0; i < (major ? 1 : 3); i++) {
        snprintf(file, sizeof file, "%s.so.%d", stem, tries[i]);
        void *library = open_file(file);
        if (library) return library;
    }
    snprintf(file, sizeof file, "%s.so", stem);
    return open_file(file);
}

/* ---- NVML --------------------------------------------------------------------------------------------- */

static struct {
    BT_NVML_FUNCTIONS(BT_CU_DECLARE)
    bool is_there;
} nvml;

static void look_for_nvml(void)
{
    const char *wish = getenv("BERTH_NVML");
    void *library = dlopen(wish && *wish ? wish : "libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
#define X(result, name, arguments) \
    if (!(nvml.name = (result(*) arguments)dlsym(library, #name))) return;
    BT_NVML_FUNCTIONS(X)
#undef X
    nvml.is_there = !nvml.nvmlInit_v2();
}

/* The two libraries count devices differently, and one of them a part of a device as a whole: what they say of the same
 * device must be of the same size, but for what the driver keeps. */
int64_t bt_cu_free_bytes(cu_device id)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const bt_cu_library *cu = bt_cu_library_get();
    char bus[32] = "";
    size_t total = 0;
    nvml_device device;
    nvml_memory memory = {0};
    pthread_once(&once, look_for_nvml);
    if (!nvml.is_there || cu->cuDeviceGetPCIBusId(bus, sizeof bus, id) ||
        cu->cuDeviceTotalMem_v2(&total, id) || nvml.nvmlDeviceGetHandleByPciBusId_v2(bus, &device) ||
        nvml.nvmlDeviceGetMemoryInfo(device, &memory))
        return -1;
    if (memory.total < total || memory.total > total + total / 8 || memory.free > memory.total) return -1;
    return memory.free < total ? (int64_t)memory.free : (int64_t)total;
}
