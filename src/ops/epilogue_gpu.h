/* What epilogue.cl wants of the host: what a bt_epilogue fuses, as arguments of a kernel. */
#ifndef BT_EPILOGUE_GPU_H
#define BT_EPILOGUE_GPU_H

#include "ops/gpu.h"
#include "ops/product.h"

/* The end of the kernels' `by`: which activation (0: none), and whether there is one of each. */
typedef struct bt_epilogue_kinds {
    int64_t activation, scale, bias, norm, add;
} bt_epilogue_kinds;

bt_epilogue_kinds bt_epilogue_kinds_of(const bt_epilogue *e, bool add);

/* EPILOGUE_ARGUMENTS. add: NULL: there is none; nothing: any pointer of the device, for those that are not there. */
enum { BT_EPILOGUE_ARGS = 11 };
void bt_epilogue_args(const bt_call *c, const bt_epilogue *e, const void *add, const void *nothing,
                      bt_arg args[BT_EPILOGUE_ARGS]);

/* The data of input i; nothing where i is negative. */
static inline const void *bt_input_or(const bt_call *c, int i, const void *nothing)
{
    return i < 0 ? nothing : c->in[i]->data;
}

#endif
