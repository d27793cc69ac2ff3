/* Programs of an OpenCL device: built at their first use and kept, their kernels too; and launches. */
#include <stdio.h>

#include "device/dialect.h"
#include "device/opencl/opencl.h"

struct bt_kernel {
    bt_kernel *next;
    cl_kernel kernel;
    const char *name; /* behind the struct */
};

typedef struct bt_cl_program {
    struct bt_cl_program *next;
    const char *source;
    cl_program program;
    bt_kernel *kernels;
    char defines[];
} bt_cl_program;

/* ---- Building ----------------------------------------------------------------------------------------- */

static berth_status build_fail(bt_device *device, const bt_cl_program *p, cl_int code, berth_error *error)
{
    const bt_cl_device *d = device->physical->state;
    size_t n = 0;
    d->cl->clGetProgramBuildInfo(p->program, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n);
    char *log = bt_calloc(n + 1, 1);
    if (!log) return bt_fail_memory(error);
    d->cl->clGetProgramBuildInfo(p->program, d->id, CL_PROGRAM_BUILD_LOG, n, log, NULL);
    bt_str line = bt_error_line(log);
    bt_fail(error, BERTH_DEVICE, "%s: kernels cannot be built with \"%s\" (OpenCL error %d): %.*s",
            device->name, p->defines, code, (int)line.n, line.p);
    bt_free(log);
    return BERTH_DEVICE;
}

static berth_status build(bt_device *device, bt_cl_program *p, berth_error *error)
{
    bt_cl_device *d = device->physical->state;
    const char *sources[] = {BT_CL(dialect), p->source};
    cl_int code;
    bt_text options = {0};
    p->program = d->cl->clCreateProgramWithSource(d->context, 2, sources, NULL, &code);
    if (!p->program) return bt_cl_fail(device, "taking the kernels' source", code, error);
    bt_text_print(&options, "%s%s", d->options, p->defines);
    if (options.failed) return bt_text_free(&options), bt_fail_memory(error);
    code = d->cl->clBuildProgram(p->program, 1, &d->id, options.p, NULL, NULL);
    bt_text_free(&options);
    return code ? build_fail(device, p, code, error) : BERTH_OK;
}

static void program_free(bt_cl_device *d, bt_cl_program *p)
{
    for (bt_kernel *k = p->kernels, *next; k; k = next) {
        next = k->next;
        d->cl->clReleaseKernel(k->kernel);
        bt_free(k);
    }
    if (p->program) d->cl->clReleaseProgram(p->program);
    bt_free(p);
}

void bt_cl_programs_free(bt_cl_device *d)
{
    while (d->programs) {
        bt_cl_program *p = d->programs;
        d->programs = p->next;
        program_free(d, p);
    }
}

/* The one used last comes first. */
static bt_cl_program *program_of(bt_device *device, const char *source, const char *defines,
                                 berth_error *error)
{
    bt_cl_device *d = device->physical->state;
    for (bt_cl_program **at = &d->programs, *p; (p = *at); at = &p->next)
        if (p->source == source && !strcmp(p->defines, defines)) {
            *at = p->next, p->next = d->programs;
            return d->programs = p;
        }
    bt_cl_program *p = bt_calloc(1, sizeof *p + strlen(defines) + 1);
    if (!p) return bt_fail_memory(error), NULL;
    p->source = source;
    memcpy(p->defines, defines, strlen(defines) + 1);
    if (build(device, p, error)) return program_free(d, p), NULL;
    p->next = d->programs;
    return d->programs = p;
}

static bt_kernel *kernel_of(bt_device *device, bt_cl_program *p, const char *name, berth_error *error)
{
    bt_cl_device *d = device->physical->state;
    cl_int code;
    for (bt_kernel *k = p->kernels; k; k = k->next)
        if (!strcmp(k->name, name)) return k;
    bt_kernel *k = bt_calloc(1, sizeof *k + strlen(name) + 1);
    if (!k) return bt_fail_memory(error), NULL;
    k->name = memcpy(k + 1, name, strlen(name) + 1);
    k->kernel = d->cl->clCreateKernel(p->program, name, &code);
    if (!k->kernel) {
        bt_fail(error, BERTH_DEVICE, "%s: kernel '%s' cannot be made (OpenCL error %d)", device->name, name,
                code);
        return bt_free(k), NULL;
    }
    k->next = p->kernels;
    return p->kernels = k;
}

bt_kernel *bt_cl_compile(bt_device *device, const char *source, const char *defines, const char *name,
                         berth_error *error)
{
    bt_cl_device *d = bt_cl_open(device, error);
    if (!d) return NULL;
    pthread_mutex_lock(&d->lock);
    bt_cl_program *p = program_of(device, source, defines, error);
    bt_kernel *k = p ? kernel_of(device, p, name, error) : NULL;
    pthread_mutex_unlock(&d->lock);
    return k;
}

/* ---- Launches ----------------------------------------------------------------------------------------- */

static cl_int set_argument(const bt_cl_library *cl, cl_kernel kernel, cl_uint i, const bt_arg *a)
{
    switch (a->kind) {
    case BT_ARG_POINTER: return cl->clSetKernelArgSVMPointer(kernel, i, a->pointer);
    case BT_ARG_INT: return cl->clSetKernelArg(kernel, i, sizeof a->i, &a->i);
    case BT_ARG_LONG: return cl->clSetKernelArg(kernel, i, sizeof a->l, &a->l);
    case BT_ARG_FLOAT: return cl->clSetKernelArg(kernel, i, sizeof a->f, &a->f);
    case BT_ARG_DOUBLE: return cl->clSetKernelArg(kernel, i, sizeof a->d, &a->d);
    case BT_ARG_BYTES: return cl->clSetKernelArg(kernel, i, a->bytes.n, a->bytes.p);
    }
    return CL_INVALID_KERNEL_NAME;
}

berth_status bt_cl_launch(bt_device *device, bt_kernel *kernel, const bt_grid *grid, const bt_arg *args,
                          int n_args, berth_error *error)
{
    bt_cl_device *d = device->physical->state;
    size_t global[3], group = 1;
    for (int i = 0; i < 3; i++) {
        size_t local = grid->local[i] ? grid->local[i] : 1;
        global[i] = bt_align(grid->global[i], local), group *= local;
        if (!grid->global[i]) return BERTH_OK;
    }
    if (group > d->max_group)
        return bt_fail(error, BERTH_DEVICE,
                       "%s: kernel '%s' wants groups of %zu work items, it has %zu at most", device->name,
                       kernel->name, group, d->max_group);
    cl_int code = CL_SUCCESS;
    cl_event *event;
    cl_queue queue = bt_cl_queue(d, &event);
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < n_args && !code; i++)
        code = set_argument(d->cl, kernel->kernel, (cl_uint)i, &args[i]);
    if (!code)
        code = d->cl->clEnqueueNDRangeKernel(queue, kernel->kernel, 3, NULL, global,
                                             grid->local[0] ? grid->local : NULL, 0, NULL, event);
    pthread_mutex_unlock(&d->lock);
    bt_cl_queue_done(d);
    if (!code) return BERTH_OK;
    return bt_fail(error, BERTH_DEVICE, "%s: kernel '%s' cannot be launched (OpenCL error %d)", device->name,
                   kernel->name, code);
}
