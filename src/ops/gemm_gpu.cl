/* What follows a product that a library did, in its place. Who calls: gemm_gpu.c. */

typedef struct gemm {
    I64 count, n; /* elements; columns */
    I64 activation, scale, bias, norm, add;
} gemm;

#include "epilogue.cl"

KERNEL void finish(GLOBAL T *y, gemm by, EPILOGUE_ARGUMENTS)
{
    EACH(0, at, by.count) FINISH(LOAD(y, at), at % by.n, at)
}
