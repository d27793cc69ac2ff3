/* Products on a device by a library of its, where it has one and does them; else the op's own kernel is called. */
#ifndef BT_GEMM_GPU_H
#define BT_GEMM_GPU_H

#include "device/device.h"
#include "ops/product.h"

/* How the library does a product, with what of the epilogue. All zero at first; kept from one product of a step to the next,
 * as they share their working memory. */
typedef struct bt_gemm_way {
    bt_gemm what;
    const bt_gemm_plan *plan;
    bool is_whole; /* all of the epilogue is the library's */
    void *workspace;
    size_t workspace_bytes;
} bt_gemm_way;

/* Finds a way; false: the library does no such products, or there is none. Of `what`, align is what all pointers will be
 * multiples of, and has_bias, relu and no_workspace are found here. e: NULL: nothing is fused. */
bool bt_gemm_find(bt_call *c, bt_gemm what, const bt_epilogue *e, bt_gemm_way *way);
/* a, b, y and add (NULL: there is none) lie on c->device; the epilogue's other arguments are the call's inputs. False: it
 * failed, y is not written, or will be again. */
bool bt_gemm_run(bt_call *c, const bt_gemm_way *way, const bt_epilogue *e, const void *a, const void *b,
                 const void *add, void *y);
/* Both; of `what`, align is found here. */
bool bt_gemm_by_library(bt_call *c, bt_gemm what, const bt_epilogue *e, const void *a, const void *b,
                        const void *add, void *y, bt_gemm_way *way);

/* All of the epilogue, after sums [count / n][n] of which the library did no more; add: NULL: there is none. */
berth_status bt_gemm_finish(bt_call *c, berth_dtype dtype, int64_t count, int64_t n, const bt_epilogue *e, const void *add, void *y);

/* The largest power of two, at most 16, that all of the addresses and steps whose bits are here are multiples of. */
uint32_t bt_gemm_align(uintptr_t bits);
/* y [m][n] = a [m][k] b [k][n] on c->device, by the library or MatMul's own kernel; turned_b: b is [n][k]. Half, bfloat16, float. */
berth_status bt_gpu_product(bt_call *c, berth_dtype dtype, const void *a, const void *b, bool turned_b, void *y, int64_t m,
                            int64_t k, int64_t n);
/* Working memory that is of use and not needed; NULL: there is none. */
void *bt_gemm_scratch(bt_call *c, size_t bytes);

#endif
