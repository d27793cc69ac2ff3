/* The OpenCL driver: the ICD loader by dlopen, and which of its devices count. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "device/opencl/opencl.h"

/* Whether there is a GPU at all: without a node in /dev no driver reaches one. Loading drivers takes from 20 to 300 ms, which
 * a run on the CPU must not pay. */
static bool gpu_is_there(void)
{
    static const char *const nodes[] = {"/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/mali0",
                                        "/dev/kgsl-3d0"};
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
        if (!access(nodes[i], F_OK)) return true;
    bool found = false;
    DIR *dri = opendir("/dev/dri");
    for (struct dirent *e; dri && !found && (e = readdir(dri));) found = bt_starts(e->d_name, "renderD");
    if (dri) closedir(dri);
    return found;
}

static bool open_library(bt_cl_library *cl)
{
    void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return false;
#define X(result, name, arguments) \
    if (!(cl->name = (result(*) arguments)dlsym(library, #name))) return false;
    BT_CL_FUNCTIONS(X)
#undef X
    return true;
}

uint64_t bt_cl_address(const bt_cl_library *cl, cl_device device)
{
    cl_uint at[4], bus, slot, domain = 0;
    if (!cl->clGetDeviceInfo(device, CL_DEVICE_PCI_BUS_INFO_KHR, sizeof at, at, NULL))
        return bt_pci_address(at[0], at[1], at[2], at[3]);
    if (cl->clGetDeviceInfo(device, CL_DEVICE_PCI_BUS_ID_NV, sizeof bus, &bus, NULL) ||
        cl->clGetDeviceInfo(device, CL_DEVICE_PCI_SLOT_ID_NV, sizeof slot, &slot, NULL))
        return 0;
    cl->clGetDeviceInfo(device, CL_DEVICE_PCI_DOMAIN_ID_NV, sizeof domain, &domain, NULL);
    return bt_pci_address(domain, bus, slot >> 3, slot & 7);
}

static void take_device(bt_cl_library *cl, cl_device device)
{
    cl_uint available = 0, compiler = 0;
    cl_ulong svm = 0;
    cl->clGetDeviceInfo(device, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL);
    cl->clGetDeviceInfo(device, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler, NULL);
    cl->clGetDeviceInfo(device, CL_DEVICE_SVM_CAPABILITIES, sizeof svm, &svm, NULL);
    if (!available || !compiler || !(svm & CL_DEVICE_SVM_COARSE_GRAIN_BUFFER)) return;
    if (cl->n_devices < (int)(sizeof cl->devices / sizeof cl->devices[0]))
        cl->devices[cl->n_devices++] = device;
}

static void find_devices(bt_cl_library *cl, bool cpu)
{
    cl_platform platforms[16];
    cl_device devices[16];
    cl_uint n_platforms = 0, n = 0;
    cl_ulong type = CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR | (cpu ? CL_DEVICE_TYPE_CPU : 0);
    if (cl->clGetPlatformIDs(16, platforms, &n_platforms)) return;
    for (cl_uint p = 0; p < n_platforms && p < 16; p++) {
        if (cl->clGetDeviceIDs(platforms[p], type, 16, devices, &n)) continue;
        for (cl_uint i = 0; i < n && i < 16; i++) take_device(cl, devices[i]);
    }
}

static bt_cl_library the_library;

/* BERTH_OPENCL: "cpu" lets CPU runtimes count as GPUs, "cpu-as-gpu" also gives them the kernels that are shaped for GPUs (for
 * tests), "off" looks for no device. */
static void look(void)
{
    const char *wish = getenv("BERTH_OPENCL");
    bool cpu = wish && bt_starts(wish, "cpu"), off = wish && !strcmp(wish, "off");
    if (!off && (cpu || gpu_is_there()) && open_library(&the_library)) find_devices(&the_library, cpu);
}

const bt_cl_library *bt_cl_library_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
    return &the_library;
}
