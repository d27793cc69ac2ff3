/* cuBLASLt as berth uses it: its own declarations, like those of cu.h. Found at run time (blas.c). */
#ifndef BT_CUDA_LT_H
#define BT_CUDA_LT_H

#include "device/cuda/cu.h"

typedef unsigned lt_status, lt_type, lt_compute, lt_attribute;
typedef struct cublasLtContext *lt_handle;

#ifndef BT_LT_OPAQUE /* declared_test.c has the header's own, which have no tags */
typedef struct lt_desc_ *lt_desc;
typedef struct lt_layout_ *lt_layout;
typedef struct lt_preference_ *lt_preference;
typedef struct lt_algo {
    uint64_t data[8];
} lt_algo;
typedef struct lt_choice {
    lt_algo algo;
    size_t workspaceSize; /* bytes */
    lt_status state;
    float wavesCount;
    int reserved[4];
} lt_choice;
#endif

enum {
    LT_OK = 0,
    LT_F32 = 0,
    LT_F64 = 1,
    LT_F16 = 2,
    LT_BF16 = 14,
    LT_COMPUTE_F32 = 68,
    LT_COMPUTE_F64 = 70,
    LT_COMPUTE_TF32 = 77,
    LT_DESC_TRANSA = 3,
    LT_DESC_TRANSB = 4,
    LT_DESC_EPILOGUE = 7,
    LT_DESC_BIAS_POINTER = 8,
    LT_DESC_BIAS_TYPE = 26,
    LT_LAYOUT_BATCH = 5,
    LT_LAYOUT_STEP = 6,
    LT_PREFERENCE_WORKSPACE = 1,
    LT_PREFERENCE_REDUCTIONS = 3,
    LT_PREFERENCE_ALIGN_A = 5, /* B, C, D follow */
    LT_REDUCE_IN_COMPUTE_TYPE = 2,
    LT_RELU = 2, /* epilogues: one of these or their sum */
    LT_BIAS = 4,
};

#define BT_LT_FUNCTIONS(X)                                                                                  \
    X(lt_status, cublasLtCreate, (lt_handle *))                                                             \
    X(lt_status, cublasLtDestroy, (lt_handle))                                                              \
    X(lt_status, cublasLtMatmulDescCreate, (lt_desc *, lt_compute, lt_type))                                \
    X(lt_status, cublasLtMatmulDescDestroy, (lt_desc))                                                      \
    X(lt_status, cublasLtMatmulDescSetAttribute, (lt_desc, lt_attribute, const void *, size_t))             \
    X(lt_status, cublasLtMatrixLayoutCreate, (lt_layout *, lt_type, uint64_t, uint64_t, int64_t))           \
    X(lt_status, cublasLtMatrixLayoutDestroy, (lt_layout))                                                  \
    X(lt_status, cublasLtMatrixLayoutSetAttribute, (lt_layout, lt_attribute, const void *, size_t))         \
    X(lt_status, cublasLtMatmulPreferenceCreate, (lt_preference *))                                         \
    X(lt_status, cublasLtMatmulPreferenceDestroy, (lt_preference))                                          \
    X(lt_status, cublasLtMatmulPreferenceSetAttribute, (lt_preference, lt_attribute, const void *, size_t)) \
    X(lt_status, cublasLtMatmulAlgoGetHeuristic,                                                            \
      (lt_handle, lt_desc, lt_layout, lt_layout, lt_layout, lt_layout, lt_preference, int, lt_choice *,     \
       int *))                                                                                              \
    X(lt_status, cublasLtMatmul,                                                                            \
      (lt_handle, lt_desc, const void *, const void *, lt_layout, const void *, lt_layout, const void *,    \
       const void *, lt_layout, void *, lt_layout, const lt_algo *, void *, size_t, cu_stream))

#endif
