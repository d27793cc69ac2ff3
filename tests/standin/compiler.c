/* A stand-in for NVRTC: makes a shared object of a program in the dialect, by the C compiler that built berth. Beside each
 * kernel goes a function that takes its arguments from an array, as a launch has them, and their sizes. */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/cuda/cu.h"

#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))
#define MARK "__attribute__((visibility(\"default\")))"
enum { OUT_OF_MEMORY = 1, INVALID_OPTION = 5, INTERNAL = 11 };

struct _nvrtcProgram {
    char *source, *log, *image;
    size_t image_bytes;
};

EXPORT nvrtc_result nvrtcVersion(int *major, int *minor) { return *major = 0, *minor = 1, NVRTC_OK; }
EXPORT nvrtc_result nvrtcGetNumSupportedArchs(int *n) { return *n = 2, NVRTC_OK; }
EXPORT nvrtc_result nvrtcGetSupportedArchs(int *archs) { return archs[0] = 75, archs[1] = 80, NVRTC_OK; }

EXPORT nvrtc_result nvrtcCreateProgram(nvrtc_program *program, const char *source, const char *name,
                                       int n_headers, const char *const *headers, const char *const *names)
{
    (void)name, (void)headers, (void)names;
    struct _nvrtcProgram *p = n_headers ? NULL : calloc(1, sizeof *p);
    if (!p || !(p->source = strdup(source))) return free(p), OUT_OF_MEMORY;
    return *program = p, NVRTC_OK;
}

EXPORT nvrtc_result nvrtcDestroyProgram(nvrtc_program *program)
{
    free((*program)->source);
    free((*program)->log);
    free((*program)->image);
    free(*program);
    return *program = NULL, NVRTC_OK;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

/* What is in a file, with a NUL behind it. */
static char *read_file(const char *folder, const char *name, size_t *bytes)
{
    char path[200], *p = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file && !fseek(file, 0, SEEK_END)) {
        *bytes = (size_t)ftell(file);
        rewind(file);
        p = calloc(1, *bytes + 1);
        if (p && fread(p, 1, *bytes, file) != *bytes) free(p), p = NULL;
    }
    if (file) fclose(file);
    return p;
}

/* ---- Kernels found in what the preprocessor gives ----------------------------------------------------- */

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* One parameter, of which the last word is the name: its type. */
static void add_type(FILE *out, const char *p, const char *end)
{
    while (end > p && !is_word(end[-1])) end--;
    while (end > p && is_word(end[-1])) end--;
    fprintf(out, "%.*s", (int)(end - p), p);
}

/* After the mark: "void NAME(TYPE a, TYPE b)". */
static const char *add_kernel(FILE *out, const char *p)
{
    const char *name = strstr(p, "void ") + strlen("void ");
    int n_name = (int)strcspn(name, "( \n");
    const char *open = strchr(name, '('), *close = strchr(open, ')');
    for (int sizes = 0; sizes < 2; sizes++) {
        if (sizes) fprintf(out, MARK " const unsigned standin_sizes_%.*s[] = {", n_name, name);
        else fprintf(out, MARK " void standin_run_%.*s(void **a) { %.*s(", n_name, name, n_name, name);
        int i = 0;
        for (const char *from = open + 1; from < close; i++) {
            const char *to = from;
            while (to < close && *to != ',') to++;
            fprintf(out, sizes ? "sizeof(" : "%s*(", i ? ", " : "");
            add_type(out, from, to);
            if (sizes) fputs("), ", out);
            else fprintf(out, " *)a[%d]", i);
            from = to + 1;
        }
        fputs(sizes ? "0};\n" : "); }\n", out);
    }
    return close;
}

static bool add_kernels(const char *folder)
{
    size_t bytes;
    char path[200], *text = read_file(folder, "k.i", &bytes);
    snprintf(path, sizeof path, "%s/k.c", folder);
    FILE *out = text ? fopen(path, "w") : NULL;
    if (!out) return free(text), false;
    fputs(text, out);
    fputs("\n_Thread_local work_item here;\nstatic _Thread_local void (*standin_wait)(void);\n"
          "void barrier(void) { standin_wait(); }\n" MARK
          " void standin_set_barrier(void (*wait)(void)) { standin_wait = wait; }\n" MARK
          " void standin_place(const I64 *group, const I64 *groups, const int *item, const int *items)\n"
          "{ for (int i = 0; i < 3; i++) here.group[i] = group[i], here.groups[i] = groups[i], here.item[i] "
          "= item[i], here.items[i] = items[i]; }\n",
          out);
    for (const char *p = text; (p = strstr(p, MARK " void "));) p = add_kernel(out, p + strlen(MARK));
    free(text);
    return !fclose(out);
}

/* ---- Compiling ---------------------------------------------------------------------------------------- */

static bool run(const char *folder, const char *command)
{
    char line[4096];
    snprintf(line, sizeof line, "cd %s && %s 2>log", folder, command);
    return !system(line);
}

/* "standin1", how long the shared object is, the object; and what it was made of, for cuda_dialect.py: options, NUL, source. */
static bool take_image(struct _nvrtcProgram *p, const char *folder, const char *defines)
{
    uint64_t bytes;
    size_t n_defines = strlen(defines) + 1, n_source = strlen(p->source);
    char *object = read_file(folder, "k.so", &bytes);
    p->image = object ? malloc(p->image_bytes = 16 + bytes + n_defines + n_source) : NULL;
    if (p->image) {
        memcpy(p->image, "standin1", 8);
        memcpy(p->image + 8, &bytes, 8);
        memcpy(p->image + 16, object, bytes);
        memcpy(p->image + 16 + bytes, defines, n_defines);
        memcpy(p->image + 16 + bytes + n_defines, p->source, n_source);
    }
    free(object);
    return p->image;
}

static nvrtc_result build(struct _nvrtcProgram *p, const char *folder, const char *defines)
{
    char line[2048];
    size_t bytes;
    snprintf(line, sizeof line, "%s/k.cl", folder);
    FILE *file = fopen(line, "w");
    if (!file || fputs(p->source, file) < 0 || fclose(file)) return INTERNAL;
    snprintf(line, sizeof line, "%s -std=gnu11 -E -x c %s k.cl -o k.i", STANDIN_CC, defines);
    bool ok = run(folder, line) && add_kernels(folder) &&
              run(folder, STANDIN_CC " -std=gnu11 -O1 -g1 -w -fwrapv -fPIC -shared -fvisibility=hidden "
                                     "-ffp-contract=off " STANDIN_FLAGS " k.c -o k.so -lm");
    p->log = read_file(folder, "log", &bytes);
    if (!ok) return NVRTC_COMPILATION;
    return take_image(p, folder, defines) ? NVRTC_OK : INTERNAL;
}

EXPORT nvrtc_result nvrtcCompileProgram(nvrtc_program p, int n, const char *const *options)
{
    char defines[1024] = "", folder[] = "/tmp/berth-standin-XXXXXX", line[64];
    bool fuses = true;
    for (int i = 0; i < n; i++) {
        if (!strncmp(options[i], "-D", 2) && strlen(defines) + strlen(options[i]) + 4 < sizeof defines) {
            strcat(strcat(strcat(defines, " '"), options[i]), "'");
        }
        fuses &= strcmp(options[i], "--fmad=false") != 0;
    }
    if (fuses) return INVALID_OPTION;
    if (!mkdtemp(folder)) return INTERNAL;
    nvrtc_result code = build(p, folder, defines);
    snprintf(line, sizeof line, "rm -r %s", folder);
    return system(line) ? INTERNAL : code;
}

EXPORT nvrtc_result nvrtcGetCUBINSize(nvrtc_program p, size_t *bytes)
{
    return *bytes = p->image_bytes, NVRTC_OK;
}
EXPORT nvrtc_result nvrtcGetCUBIN(nvrtc_program p, char *to)
{
    return memcpy(to, p->image, p->image_bytes), NVRTC_OK;
}
EXPORT nvrtc_result nvrtcGetPTXSize(nvrtc_program p, size_t *bytes) { return (void)p, *bytes = 0, NVRTC_OK; }
EXPORT nvrtc_result nvrtcGetPTX(nvrtc_program p, char *to) { return (void)p, (void)to, INTERNAL; }
EXPORT nvrtc_result nvrtcGetProgramLogSize(nvrtc_program p, size_t *bytes)
{
    return *bytes = p->log ? strlen(p->log) + 1 : 1, NVRTC_OK;
}
EXPORT nvrtc_result nvrtcGetProgramLog(nvrtc_program p, char *to)
{
    return strcpy(to, p->log ? p->log : ""), NVRTC_OK;
}
