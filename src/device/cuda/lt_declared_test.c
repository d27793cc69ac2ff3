/* That lt.h says of cuBLASLt what its own header says: types of all functions, numbers. Compiled where the header is there. */
#include <cublasLt.h>

#define BT_LT_OPAQUE
typedef cublasLtMatmulDesc_t lt_desc;
typedef cublasLtMatrixLayout_t lt_layout;
typedef cublasLtMatmulPreference_t lt_preference;
typedef cublasLtMatmulAlgo_t lt_algo;
typedef cublasLtMatmulHeuristicResult_t lt_choice;
#include "device/cuda/lt.h"

#define X(result, name, arguments) \
    _Static_assert(__builtin_types_compatible_p(result arguments, __typeof__(name)), #name);
BT_LT_FUNCTIONS(X)

/* As lt.h declares it. */
typedef struct our_choice {
    struct {
        uint64_t data[8];
    } algo;
    size_t workspaceSize;
    lt_status state;
    float wavesCount;
    int reserved[4];
} our_choice;
_Static_assert(sizeof(our_choice) == sizeof(lt_choice) &&
                   offsetof(our_choice, workspaceSize) == offsetof(lt_choice, workspaceSize) &&
                   offsetof(our_choice, state) == offsetof(lt_choice, state) && sizeof(lt_algo) == 64,
               "lt_choice");

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
SAME(LT_OK, CUBLAS_STATUS_SUCCESS);
SAME(LT_F32, CUDA_R_32F);
SAME(LT_F64, CUDA_R_64F);
SAME(LT_F16, CUDA_R_16F);
SAME(LT_BF16, CUDA_R_16BF);
SAME(LT_COMPUTE_F32, CUBLAS_COMPUTE_32F);
SAME(LT_COMPUTE_F64, CUBLAS_COMPUTE_64F);
SAME(LT_COMPUTE_TF32, CUBLAS_COMPUTE_32F_FAST_TF32);
SAME(LT_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(LT_DESC_TRANSB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(LT_DESC_EPILOGUE, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(LT_DESC_BIAS_POINTER, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(LT_DESC_BIAS_TYPE, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE);
SAME(LT_LAYOUT_BATCH, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
SAME(LT_LAYOUT_STEP, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
SAME(LT_PREFERENCE_WORKSPACE, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(LT_PREFERENCE_REDUCTIONS, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME(LT_PREFERENCE_ALIGN_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(LT_PREFERENCE_ALIGN_A + 3, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME(LT_REDUCE_IN_COMPUTE_TYPE, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
SAME(LT_RELU, CUBLASLT_EPILOGUE_RELU);
SAME(LT_BIAS, CUBLASLT_EPILOGUE_BIAS);
SAME(LT_RELU + LT_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS);

int main(void) { return 0; }
