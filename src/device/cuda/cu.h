/* CUDA as berth uses it: its own declarations of the driver's functions, of its compiler's (NVRTC) and of its management
 * library's (NVML), so that nothing of CUDA is needed to build. Names, numbers and struct tags are the interfaces' own
 * (declared_test.c compares them with the headers where they are there). Functions are found at run time (library.c). */
#ifndef BT_CUDA_CU_H
#define BT_CUDA_CU_H

#include <stddef.h>
#include <stdint.h>

typedef unsigned cu_result;
typedef int cu_device;
typedef unsigned long long cu_pointer;
typedef struct CUctx_st *cu_context;
typedef struct CUstream_st *cu_stream;
typedef struct CUevent_st *cu_event;
typedef struct CUmod_st *cu_module;
typedef struct CUfunc_st *cu_function;
typedef struct CUgraph_st *cu_graph;
typedef struct CUgraphExec_st *cu_graph_exec;

enum { CU_OK = 0, CU_OUT_OF_MEMORY = 2, CU_NO_DEVICE = 100, CU_NOT_FOUND = 500, CU_NOT_READY = 600 };

/* Of a device. */
enum {
    CU_MAX_THREADS_PER_BLOCK = 1,
    CU_PCI_BUS_ID = 33,
    CU_PCI_DEVICE_ID = 34,
    CU_PCI_DOMAIN_ID = 50,
    CU_COMPUTE_CAPABILITY_MAJOR = 75,
    CU_COMPUTE_CAPABILITY_MINOR = 76,
};
enum { CU_NON_BLOCKING = 1, CU_NO_TIMING = 2, CU_CAPTURE_RELAXED = 2 };

/* X(result, name, arguments) */
#define BT_CU_FUNCTIONS(X)                                                                           \
    X(cu_result, cuInit, (unsigned))                                                                 \
    X(cu_result, cuDriverGetVersion, (int *))                                                        \
    X(cu_result, cuGetErrorName, (cu_result, const char **))                                         \
    X(cu_result, cuDeviceGetCount, (int *))                                                          \
    X(cu_result, cuDeviceGet, (cu_device *, int))                                                    \
    X(cu_result, cuDeviceGetName, (char *, int, cu_device))                                          \
    X(cu_result, cuDeviceTotalMem_v2, (size_t *, cu_device))                                         \
    X(cu_result, cuDeviceGetAttribute, (int *, unsigned, cu_device))                                 \
    X(cu_result, cuDeviceGetPCIBusId, (char *, int, cu_device))                                      \
    X(cu_result, cuDevicePrimaryCtxRetain, (cu_context *, cu_device))                                \
    X(cu_result, cuDevicePrimaryCtxRelease_v2, (cu_device))                                          \
    X(cu_result, cuCtxPushCurrent_v2, (cu_context))                                                  \
    X(cu_result, cuCtxPopCurrent_v2, (cu_context *))                                                 \
    X(cu_result, cuMemGetInfo_v2, (size_t *, size_t *))                                              \
    X(cu_result, cuMemAlloc_v2, (cu_pointer *, size_t))                                              \
    X(cu_result, cuMemFree_v2, (cu_pointer))                                                         \
    X(cu_result, cuMemHostAlloc, (void **, size_t, unsigned))                                        \
    X(cu_result, cuMemFreeHost, (void *))                                                            \
    X(cu_result, cuMemcpyHtoDAsync_v2, (cu_pointer, const void *, size_t, cu_stream))                \
    X(cu_result, cuMemcpyDtoHAsync_v2, (void *, cu_pointer, size_t, cu_stream))                      \
    X(cu_result, cuMemcpyDtoDAsync_v2, (cu_pointer, cu_pointer, size_t, cu_stream))                  \
    X(cu_result, cuStreamCreate, (cu_stream *, unsigned))                                            \
    X(cu_result, cuStreamDestroy_v2, (cu_stream))                                                    \
    X(cu_result, cuStreamSynchronize, (cu_stream))                                                   \
    X(cu_result, cuEventCreate, (cu_event *, unsigned))                                              \
    X(cu_result, cuEventDestroy_v2, (cu_event))                                                      \
    X(cu_result, cuEventRecord, (cu_event, cu_stream))                                               \
    X(cu_result, cuStreamWaitEvent, (cu_stream, cu_event, unsigned))                                 \
    X(cu_result, cuEventQuery, (cu_event))                                                           \
    X(cu_result, cuEventSynchronize, (cu_event))                                                     \
    X(cu_result, cuEventElapsedTime, (float *, cu_event, cu_event))                                  \
    X(cu_result, cuModuleLoadData, (cu_module *, const void *))                                      \
    X(cu_result, cuModuleUnload, (cu_module))                                                        \
    X(cu_result, cuModuleGetFunction, (cu_function *, cu_module, const char *))                      \
    X(cu_result, cuLaunchKernel,                                                                     \
      (cu_function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, cu_stream, \
       void **, void **))                                                                            \
    X(cu_result, cuStreamBeginCapture_v2, (cu_stream, unsigned))                                     \
    X(cu_result, cuStreamEndCapture, (cu_stream, cu_graph *))                                        \
    X(cu_result, cuGraphInstantiateWithFlags, (cu_graph_exec *, cu_graph, unsigned long long))       \
    X(cu_result, cuGraphDestroy, (cu_graph))                                                         \
    X(cu_result, cuGraphExecDestroy, (cu_graph_exec))                                                \
    X(cu_result, cuGraphLaunch, (cu_graph_exec, cu_stream))

/* ---- NVRTC -------------------------------------------------------------------------------------------- */

typedef unsigned nvrtc_result;
typedef struct _nvrtcProgram *nvrtc_program;

enum { NVRTC_OK = 0, NVRTC_COMPILATION = 6 };

#define BT_NVRTC_FUNCTIONS(X)                                                                       \
    X(nvrtc_result, nvrtcVersion, (int *, int *))                                                   \
    X(nvrtc_result, nvrtcGetNumSupportedArchs, (int *))                                             \
    X(nvrtc_result, nvrtcGetSupportedArchs, (int *))                                                \
    X(nvrtc_result, nvrtcCreateProgram,                                                             \
      (nvrtc_program *, const char *, const char *, int, const char *const *, const char *const *)) \
    X(nvrtc_result, nvrtcDestroyProgram, (nvrtc_program *))                                         \
    X(nvrtc_result, nvrtcCompileProgram, (nvrtc_program, int, const char *const *))                 \
    X(nvrtc_result, nvrtcGetCUBINSize, (nvrtc_program, size_t *))                                   \
    X(nvrtc_result, nvrtcGetCUBIN, (nvrtc_program, char *))                                         \
    X(nvrtc_result, nvrtcGetPTXSize, (nvrtc_program, size_t *))                                     \
    X(nvrtc_result, nvrtcGetPTX, (nvrtc_program, char *))                                           \
    X(nvrtc_result, nvrtcGetProgramLogSize, (nvrtc_program, size_t *))                              \
    X(nvrtc_result, nvrtcGetProgramLog, (nvrtc_program, char *))

/* ---- NVML: the memory that is free on a device of which no context is open --------------------------- */

typedef unsigned nvml_result;
typedef struct nvmlDevice_st *nvml_device;
typedef struct nvml_memory {
    unsigned long long total, free, used; /* bytes */
} nvml_memory;

#define BT_NVML_FUNCTIONS(X)                                                        \
    X(nvml_result, nvmlInit_v2, (void))                                             \
    X(nvml_result, nvmlDeviceGetHandleByPciBusId_v2, (const char *, nvml_device *)) \
    X(nvml_result, nvmlDeviceGetMemoryInfo, (nvml_device, nvml_memory *))

#endif
