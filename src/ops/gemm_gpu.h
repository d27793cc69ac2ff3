/* Products on a device by a library of its, where it has one and does them; else the op's own kernel is called. */
#ifndef BT_GEMM_GPU_H
#define BT_GEMM_GPU_H

#include "device/device.h"
#include "ops/product.h"

/* a, b, y and add (NULL: there is none) lie on c->device; the epilogue's other arguments are the call's inputs; e NULL: nothing is
 * fused. Of `what`, align, has_bias, relu and no_workspace are found here. False: y is not written, or will be again. */
bool bt_gemm_by_library(bt_call *c, bt_gemm what, const bt_epilogue *e, const void *a, const void *b,
                        const void *add, void *y);
/* Whether the library does such products at all. */
bool bt_gemm_is_there(const bt_call *c, bt_gemm what);
/* Working memory that is of use and not needed; NULL: there is none. */
void *bt_gemm_scratch(bt_call *c, size_t bytes);

#endif
