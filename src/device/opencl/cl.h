/* OpenCL as berth uses it: its own declarations of the standard's types, constants and functions (2.0 and later), so that
 * nothing of OpenCL is needed to build. The numbers are the standard's. Functions are found at run time (library.c). */
#ifndef BT_OPENCL_CL_H
#define BT_OPENCL_CL_H

#include <stddef.h>
#include <stdint.h>

typedef struct _cl_platform *cl_platform;
typedef struct _cl_device *cl_device;
typedef struct _cl_context *cl_context;
typedef struct _cl_queue *cl_queue;
typedef struct _cl_program *cl_program;
typedef struct _cl_kernel *cl_kernel;
typedef struct _cl_event *cl_event;
typedef int32_t cl_int;
typedef uint32_t cl_uint;
typedef uint64_t cl_ulong;

enum {
    CL_DEVICE_TYPE = 0x1000,
    CL_DEVICE_MAX_COMPUTE_UNITS = 0x1002,
    CL_DEVICE_MAX_WORK_GROUP_SIZE = 0x1004,
    CL_DEVICE_SINGLE_FP_CONFIG = 0x101B,
    CL_DEVICE_GLOBAL_MEM_SIZE = 0x101F,
    CL_DEVICE_AVAILABLE = 0x1027,
    CL_DEVICE_COMPILER_AVAILABLE = 0x1028,
    CL_DEVICE_NAME = 0x102B,
    CL_DRIVER_VERSION = 0x102D,
    CL_DEVICE_VERSION = 0x102F,
    CL_DEVICE_DOUBLE_FP_CONFIG = 0x1032,
    CL_DEVICE_SVM_CAPABILITIES = 0x1053,
    CL_DEVICE_PCI_BUS_INFO_KHR = 0x410F,   /* four cl_uint: domain, bus, device, function */
    CL_DEVICE_PCI_BUS_ID_NV = 0x4008,      /* cl_uint */
    CL_DEVICE_PCI_SLOT_ID_NV = 0x4009,     /* cl_uint: device << 3 | function */
    CL_DEVICE_PCI_DOMAIN_ID_NV = 0x400A,   /* cl_uint */
    CL_DEVICE_GLOBAL_FREE_MEMORY_AMD = 0x4039, /* size_t: KiB */
    CL_QUEUE_PROPERTIES = 0x1093,
    CL_PROGRAM_BUILD_LOG = 0x1183,
    CL_PROFILING_COMMAND_QUEUED = 0x1280, /* cl_ulong: ns of the device's clock, as the next two */
    CL_PROFILING_COMMAND_START = 0x1282,
    CL_PROFILING_COMMAND_END = 0x1283,
};
enum { CL_SUCCESS = 0, CL_BUILD_PROGRAM_FAILURE = -11, CL_INVALID_KERNEL_NAME = -46 };
enum { CL_DEVICE_TYPE_CPU = 1 << 1, CL_DEVICE_TYPE_GPU = 1 << 2, CL_DEVICE_TYPE_ACCELERATOR = 1 << 3 };
enum { CL_DEVICE_SVM_COARSE_GRAIN_BUFFER = 1, CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT = 1 << 7, CL_MEM_READ_WRITE = 1, CL_QUEUE_PROFILING_ENABLE = 2 };

/* X(result, name, arguments) */
#define BT_CL_FUNCTIONS(X)                                                                                                  \
    X(cl_int, clGetPlatformIDs, (cl_uint, cl_platform *, cl_uint *))                                                        \
    X(cl_int, clGetDeviceIDs, (cl_platform, cl_ulong, cl_uint, cl_device *, cl_uint *))                                     \
    X(cl_int, clGetDeviceInfo, (cl_device, cl_uint, size_t, void *, size_t *))                                              \
    X(cl_context, clCreateContext, (const intptr_t *, cl_uint, const cl_device *,                                           \
                                    void (*)(const char *, const void *, size_t, void *), void *, cl_int *))                \
    X(cl_int, clReleaseContext, (cl_context))                                                                               \
    X(cl_queue, clCreateCommandQueueWithProperties, (cl_context, cl_device, const cl_ulong *, cl_int *))                    \
    X(cl_int, clReleaseCommandQueue, (cl_queue))                                                                            \
    X(cl_int, clEnqueueBarrierWithWaitList, (cl_queue, cl_uint, const cl_event *, cl_event *))                              \
    X(cl_int, clFlush, (cl_queue))                                                                                          \
    X(cl_int, clFinish, (cl_queue))                                                                                         \
    X(void *, clSVMAlloc, (cl_context, cl_ulong, size_t, cl_uint))                                                          \
    X(void, clSVMFree, (cl_context, void *))                                                                                \
    X(cl_int, clEnqueueSVMMemcpy, (cl_queue, cl_uint, void *, const void *, size_t, cl_uint, const cl_event *, cl_event *)) \
    X(cl_program, clCreateProgramWithSource, (cl_context, cl_uint, const char **, const size_t *, cl_int *))                \
    X(cl_int, clBuildProgram, (cl_program, cl_uint, const cl_device *, const char *, void (*)(cl_program, void *), void *)) \
    X(cl_int, clGetProgramBuildInfo, (cl_program, cl_device, cl_uint, size_t, void *, size_t *))                            \
    X(cl_int, clReleaseProgram, (cl_program))                                                                               \
    X(cl_kernel, clCreateKernel, (cl_program, const char *, cl_int *))                                                      \
    X(cl_int, clReleaseKernel, (cl_kernel))                                                                                 \
    X(cl_int, clSetKernelArg, (cl_kernel, cl_uint, size_t, const void *))                                                   \
    X(cl_int, clSetKernelArgSVMPointer, (cl_kernel, cl_uint, const void *))                                                 \
    X(cl_int, clEnqueueNDRangeKernel, (cl_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *,        \
                                       cl_uint, const cl_event *, cl_event *))                                              \
    X(cl_int, clWaitForEvents, (cl_uint, const cl_event *))                                                                 \
    X(cl_int, clGetEventProfilingInfo, (cl_event, cl_uint, size_t, void *, size_t *))                                       \
    X(cl_int, clReleaseEvent, (cl_event))

#endif
