/* cuDNN 9 as berth uses it: its own declarations of the graph interface, like those of cu.h. Found at run time (dnn.c); what is
 * asked of it is built in dnn_graph.c. */
#ifndef BT_CUDA_DNN_H
#define BT_CUDA_DNN_H

#include "device/cuda/cu.h"

#ifndef BT_DNN_STATUS /* dnn_declared_test.c has the header's own, which are enums */
typedef unsigned dnn_status, dnn_kind, dnn_attribute, dnn_type;
typedef struct cudnnContext *dnn_handle;
typedef void *dnn_desc;
#endif

enum {
    DNN_OK = 0,
    /* Data types. */
    DNN_FLOAT = 0,
    DNN_HALF = 2,
    DNN_BF16 = 9,
    /* Kinds of descriptors. */
    DNN_POINTWISE = 0,
    DNN_CONVOLUTION = 1,
    DNN_ENGINE = 2,
    DNN_CONFIG = 3,
    DNN_HEURISTIC = 4,
    DNN_PLAN = 5,
    DNN_DO_CONVOLUTION = 10,
    DNN_DO_POINTWISE = 13,
    DNN_GRAPH = 15,
    DNN_PACK = 16,
    DNN_TENSOR = 17,
    DNN_DEVICE = 38,
    /* Types of attributes. */
    DNN_IS_HANDLE = 0,
    DNN_IS_DATA_TYPE = 1,
    DNN_IS_BOOL = 2,
    DNN_IS_INT64 = 3,
    DNN_IS_FLOAT = 4,
    DNN_IS_POINTER = 6,
    DNN_IS_CONVOLUTION_MODE = 7,
    DNN_IS_HEURISTIC_MODE = 8,
    DNN_IS_NOTE = 11,
    DNN_IS_POINTWISE_MODE = 14,
    DNN_IS_DESC = 15,
    DNN_IS_BEHAVIOUR = 19,
    DNN_IS_CHAR = 24,
    /* Attributes: of a tensor, */
    DNN_TENSOR_ALIGNMENT = 900,
    DNN_TENSOR_TYPE = 901,
    DNN_TENSOR_DIMS = 902,
    DNN_TENSOR_STRIDES = 903,
    DNN_TENSOR_ID = 906,
    DNN_TENSOR_VIRTUAL = 907,
    /* a convolution, and the doing of it, */
    DNN_CONVOLUTION_COMPUTE = 100,
    DNN_CONVOLUTION_MODE = 101,
    DNN_CONVOLUTION_DILATIONS = 102,
    DNN_CONVOLUTION_STRIDES = 103,
    DNN_CONVOLUTION_AFTER = 104,
    DNN_CONVOLUTION_BEFORE = 105,
    DNN_CONVOLUTION_AXES = 106,
    DNN_DO_CONVOLUTION_ALPHA = 700,
    DNN_DO_CONVOLUTION_BETA = 701,
    DNN_DO_CONVOLUTION_WHAT = 702,
    DNN_DO_CONVOLUTION_W = 703,
    DNN_DO_CONVOLUTION_X = 704,
    DNN_DO_CONVOLUTION_Y = 705,
    /* an operation on each element, and the doing of it, */
    DNN_POINTWISE_MODE = 0,
    DNN_POINTWISE_COMPUTE = 1,
    DNN_POINTWISE_LOW = 3,
    DNN_POINTWISE_HIGH = 4,
    DNN_POINTWISE_SLOPE = 5,
    DNN_DO_POINTWISE_WHAT = 750,
    DNN_DO_POINTWISE_X = 751,
    DNN_DO_POINTWISE_B = 752,
    DNN_DO_POINTWISE_Y = 753,
    /* a graph, a heuristic, a way that it found, a plan, and what a plan is done with. */
    DNN_GRAPH_HANDLE = 800,
    DNN_GRAPH_OPS = 801,
    DNN_HEURISTIC_MODE = 200,
    DNN_HEURISTIC_GRAPH = 201,
    DNN_HEURISTIC_RESULTS = 202,
    DNN_HEURISTIC_DEVICE = 204,
    DNN_CONFIG_ENGINE = 300,
    DNN_ENGINE_NOTES = 1303,
    DNN_ENGINE_BEHAVIOUR = 1305,
    DNN_PLAN_HANDLE = 400,
    DNN_PLAN_CONFIG = 401,
    DNN_PLAN_WORKSPACE = 402,
    DNN_PLAN_DEVICE = 407,
    DNN_PACK_IDS = 1000,
    DNN_PACK_POINTERS = 1001,
    DNN_PACK_WORKSPACE = 1003,
    DNN_DEVICE_JSON = 2702,
    /* Modes. */
    DNN_CROSS_CORRELATION = 1,
    DNN_HEURISTIC_FALLBACK = 2,
    DNN_HEURISTIC_A = 3,
    DNN_ADD = 0,
    DNN_RELU = 100,
    DNN_TANH = 101,
    DNN_SIGMOID = 102,
    DNN_ELU = 103,
    DNN_GELU = 104,
    DNN_SOFTPLUS = 105,
    DNN_SWISH = 106,
    DNN_GELU_TANH = 107,
    /* Notes on an engine. */
    DNN_NOTE_TENSOR_CORE = 0,
    DNN_NOTE_DOWN_CONVERT = 1,
    DNN_NOTE_REDUCED_REDUCTION = 2,
    DNN_NOTE_FFT = 3,
    DNN_NOTE_NONDETERMINISTIC = 4,
    DNN_NOTE_WINOGRAD = 5,
    DNN_BEHAVIOUR_COMPILES = 0,
};

#define BT_DNN_FUNCTIONS(X)                                                                             \
    X(dnn_status, cudnnCreate, (dnn_handle *))                                                          \
    X(dnn_status, cudnnDestroy, (dnn_handle))                                                           \
    X(dnn_status, cudnnSetStream, (dnn_handle, cu_stream))                                              \
    X(dnn_status, cudnnBackendCreateDescriptor, (dnn_kind, dnn_desc *))                                 \
    X(dnn_status, cudnnBackendDestroyDescriptor, (dnn_desc))                                            \
    X(dnn_status, cudnnBackendFinalize, (dnn_desc))                                                     \
    X(dnn_status, cudnnBackendSetAttribute, (dnn_desc, dnn_attribute, dnn_type, int64_t, const void *)) \
    X(dnn_status, cudnnBackendGetAttribute,                                                             \
      (dnn_desc const, dnn_attribute, dnn_type, int64_t, int64_t *, void *))                            \
    X(dnn_status, cudnnBackendExecute, (dnn_handle, dnn_desc, dnn_desc))

#endif
