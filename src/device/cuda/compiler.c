/* From the dialect to what a CUDA device runs: NVRTC, opened at the first program. A program is made for one kernel, since what
 * is not asked for takes as long to compile. What it gives is kept on disk (cache.c), by the source, the options and its version. */
#include <stdio.h>
#include <dlfcn.h>

#include "device/cuda/cuda.h"
#include "device/dialect.h"

enum { MOST_OPTIONS = 32, MOST_ARCHS = 64 };

static struct {
    BT_NVRTC_FUNCTIONS(BT_CU_DECLARE)
    bool is_there;
    int major, minor, n_archs, archs[MOST_ARCHS];
} nvrtc;

static void look(void)
{
    void *library = bt_cu_open_library("BERTH_NVRTC", "libnvrtc", 0);
    if (!library) return;
#define X(result, name, arguments) \
    if (!(nvrtc.name = (result(*) arguments)dlsym(library, #name))) return;
    BT_NVRTC_FUNCTIONS(X)
#undef X
    nvrtc.is_there = !nvrtc.nvrtcVersion(&nvrtc.major, &nvrtc.minor) &&
                     !nvrtc.nvrtcGetNumSupportedArchs(&nvrtc.n_archs) && nvrtc.n_archs <= MOST_ARCHS &&
                     !nvrtc.nvrtcGetSupportedArchs(nvrtc.archs);
}

/* ---- What to ask for ---------------------------------------------------------------------------------- */

/* Code for a device runs on those of the same major number and a higher minor one; for others the driver translates PTX. */
static bool choose_arch(int device, char option[64])
{
    int best = 0;
    for (int i = 0; i < nvrtc.n_archs; i++)
        if (nvrtc.archs[i] <= device && nvrtc.archs[i] > best) best = nvrtc.archs[i];
    snprintf(option, 64, "--gpu-architecture=%s_%d", best / 10 == device / 10 ? "sm" : "compute", best);
    return best > 0;
}

typedef struct options {
    const char *list[MOST_OPTIONS];
    int n;
} options;

/* Splits `text`, which it changes, at blanks. */
static bool add_options(options *o, char *text)
{
    for (char *p = text; *(p += strspn(p, " "));) {
        if (o->n == MOST_OPTIONS) return false;
        o->list[o->n++] = p;
        p += strcspn(p, " ");
        if (*p) *p++ = '\0';
    }
    return true;
}

/* ---- Compiling ---------------------------------------------------------------------------------------- */

static berth_status log_fail(const bt_cu_unit *unit, nvrtc_program program, nvrtc_result code,
                             berth_error *error)
{
    size_t n = 0;
    if (nvrtc.nvrtcGetProgramLogSize(program, &n)) n = 0;
    char *log = bt_calloc(n + 1, 1);
    if (!log) return bt_fail_memory(error);
    if (n) nvrtc.nvrtcGetProgramLog(program, log);
    bt_str line = bt_error_line(log);
    bt_fail(error, BERTH_DEVICE, "%s: kernels cannot be built with \"%s\" (NVRTC error %u): %.*s",
            unit->device, unit->defines, code, (int)line.n, line.p);
    bt_free(log);
    return BERTH_DEVICE;
}

static void *result_of(const bt_cu_unit *unit, nvrtc_program program, bool is_ptx, size_t *bytes,
                       berth_error *error)
{
    nvrtc_result code =
        is_ptx ? nvrtc.nvrtcGetPTXSize(program, bytes) : nvrtc.nvrtcGetCUBINSize(program, bytes);
    if (code || !*bytes)
        return bt_fail(error, BERTH_DEVICE, "%s: the compiler gives no kernels (NVRTC error %u)",
                       unit->device, code),
               NULL;
    char *p = bt_alloc(*bytes);
    if (!p) return bt_fail_memory(error), NULL;
    code = is_ptx ? nvrtc.nvrtcGetPTX(program, p) : nvrtc.nvrtcGetCUBIN(program, p);
    if (!code) return p;
    bt_fail(error, BERTH_DEVICE, "%s: the compiler gives no kernels (NVRTC error %u)", unit->device, code);
    return bt_free(p), NULL;
}

/* The source with all other kernels as functions that nobody calls. */
static void print_source(bt_text *text, const bt_cu_unit *unit)
{
    static const char kernel[] = "\nKERNEL void ";
    size_t n = strlen(unit->kernel);
    bt_text_print(text, "%s", BT_CL(dialect));
    for (const char *p = unit->source, *next; p; p = next) {
        const char *name = p == unit->source ? NULL : p + sizeof kernel - 1;
        bool is_other = name && (strncmp(name, unit->kernel, n) || name[n] != '(');
        if (is_other) bt_text_print(text, "\nOTHER void ");
        if (is_other) p = name;
        next = strstr(p + !is_other, kernel);
        bt_text_print(text, "%.*s", next ? (int)(next - p) : (int)strlen(p), p);
    }
}

static void *compile(const bt_cu_unit *unit, const char *arch, size_t *bytes, berth_error *error)
{
    /* Products and sums are fused where a kernel says fma, and nowhere else, as in the other compilers. */
    options o = {{arch, "--fmad=false", "--std=c++17"}, 3};
    bt_text text = {0}, defines = {0};
    nvrtc_program program = NULL;
    void *image = NULL;
    print_source(&text, unit);
    bt_text_print(&defines, "%s", unit->defines);
    if (text.failed || defines.failed) bt_fail_memory(error);
    else if (!add_options(&o, defines.p))
        bt_fail(error, BERTH_INTERNAL, "kernels with \"%s\": too many options", unit->defines);
    else {
        nvrtc_result code = nvrtc.nvrtcCreateProgram(&program, text.p, "kernels.cl", 0, NULL, NULL);
        if (!code) code = nvrtc.nvrtcCompileProgram(program, o.n, o.list);
        if (!program)
            bt_fail(error, BERTH_DEVICE, "%s: kernels cannot be built (NVRTC error %u)", unit->device, code);
        else if (code) log_fail(unit, program, code, error);
        else image = result_of(unit, program, strstr(arch, "compute") != NULL, bytes, error);
    }
    if (program) nvrtc.nvrtcDestroyProgram(&program);
    bt_text_free(&text);
    bt_text_free(&defines);
    return image;
}

void *bt_cu_translate(const bt_cu_unit *unit, size_t *bytes, berth_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static pthread_mutex_t compiling =
        PTHREAD_MUTEX_INITIALIZER; /* what one device had made, the next one finds */
    char arch[64], version[32], key[BT_CU_KEY];
    pthread_once(&once, look);
    if (!nvrtc.is_there)
        return bt_fail(error, BERTH_DEVICE,
                       "%s: kernels cannot be built: NVRTC (libnvrtc.so of the CUDA toolkit) is not found",
                       unit->device),
               NULL;
    if (!choose_arch(unit->arch, arch))
        return bt_fail(error, BERTH_DEVICE, "%s: NVRTC %d.%d knows no compute capability as low as %d.%d",
                       unit->device, nvrtc.major, nvrtc.minor, unit->arch / 10, unit->arch % 10),
               NULL;
    snprintf(version, sizeof version, "NVRTC %d.%d", nvrtc.major, nvrtc.minor);
    const bt_str parts[] = {bt_str_of(BT_CL(dialect)), bt_str_of(unit->source), bt_str_of(unit->defines),
                            bt_str_of(unit->kernel), bt_str_of(arch), bt_str_of(version)};
    bt_cu_key(key, parts, sizeof parts / sizeof *parts);
    pthread_mutex_lock(&compiling);
    void *image = bt_cu_cache_get(key, bytes);
    if (!image && (image = compile(unit, arch, bytes, error))) bt_cu_cache_put(key, image, *bytes);
    pthread_mutex_unlock(&compiling);
    return image;
}
