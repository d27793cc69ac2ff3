/* Elementwise ops on a device: elementwise.cl has the expressions, elementwise.c what broadcasts how. */
#include <stdio.h>

#include "ops/elementwise.h"
#include "ops/gpu.h"

BT_CL_DECLARE(elementwise);
BT_CL_DECLARE(complex);

/* As in elementwise.cl: the output's rows, and how far each operand goes per step of each dimension. */
typedef struct rows3 {
    int64_t rows, inner, dim[BT_MAX_RANK], step[BT_MAX_OPERANDS][BT_MAX_RANK], inner_step[BT_MAX_OPERANDS];
} rows3;

static rows3 rows_of(const bt_broadcast *plan)
{
    int outer = plan->rank - 1;
    rows3 by = {.rows = 1, .inner = plan->dim[outer]};
    for (int i = 0; i < BT_MAX_RANK; i++) by.dim[i] = i < outer ? plan->dim[outer - 1 - i] : 1;
    for (int i = 0; i < outer; i++) by.rows *= plan->dim[i];
    for (int k = 0; k < plan->n_in; k++) {
        for (int i = 0; i < outer; i++) by.step[k][i] = plan->step[k][outer - 1 - i];
        by.inner_step[k] = plan->step[k][outer];
    }
    return by;
}

berth_status bt_elementwise_launch(bt_call *c, const bt_elementwise *op, berth_dtype out,
                                   const bt_broadcast *plan, void *y, const void *const *in,
                                   const float *param)
{
    static const char *const kernels[] = {NULL, "unary", "binary", "ternary"};
    char defines[BT_DEFINES], more[80];
    rows3 by = rows_of(plan);
    berth_dtype dtype = c->in[0]->dtype;
    const char *source = op && op->gpu                ? op->gpu
                         : bt_dtype_is_complex(dtype) ? BT_CL(complex)
                                                      : BT_CL(elementwise);
    bool checked = op && op->fault && bt_dtype_is_int(dtype);
    if (plan->count == 0) return BERTH_OK;
    snprintf(more, sizeof more, "-DOPERANDS=%d -DOP=%s%s", plan->n_in, c->node->op,
             checked ? " -DCHECKED" : "");
    bt_gpu_defines(defines, dtype, out, more);
    bt_arg args[9];
    int n = 0;
    for (int k = 0; k < plan->n_in; k++) args[n++] = bt_pointer(in[k]);
    args[n++] = bt_pointer(y);
    args[n++] = plan->n_in == 1 ? bt_long(plan->count) : bt_bytes(&by, sizeof by);
    args[n++] = bt_float(param ? param[0] : 0);
    if (checked && bt_gpu_fault(c, op->fault, args + n)) return c->error->status;
    if (checked) n += 3;
    bt_grid grid = plan->n_in == 1 ? bt_grid_of(c, plan->count) : bt_grid_rows(c, by.inner, by.rows);
    return bt_gpu_launch(c, source, defines, kernels[plan->n_in], &grid, args, n);
}

berth_status bt_elementwise_gpu(bt_call *c, const bt_elementwise *op, berth_dtype out,
                                const bt_broadcast *plan, const bt_shape *shape, const float *param)
{
    const void *in[BT_MAX_OPERANDS];
    void *y = bt_out(c, 0, out, shape);
    if (!y) return c->error->status;
    for (int k = 0; k < plan->n_in; k++) in[k] = c->in[k]->data;
    return bt_elementwise_launch(c, op, out, plan, y, in, param);
}

/* in 0 is the condition; elements are told by their size alone. */
berth_status bt_select_gpu(bt_call *c, const bt_broadcast *plan, const bt_shape *shape)
{
    char defines[BT_DEFINES];
    berth_dtype dtype = c->in[1]->dtype;
    rows3 by = rows_of(plan);
    void *y = bt_out(c, 0, dtype, shape);
    if (!y) return c->error->status;
    if (plan->count == 0) return BERTH_OK;
    bt_gpu_defines(defines, bt_gpu_unit(dtype), 0, "");
    bt_grid grid = bt_grid_rows(c, by.inner, by.rows);
    bt_arg args[] = {bt_pointer(c->in[0]->data), bt_pointer(c->in[1]->data), bt_pointer(c->in[2]->data),
                     bt_pointer(y), bt_bytes(&by, sizeof by)};
    return bt_gpu_launch(c, BT_CL(elementwise), defines, "choose", &grid, args, 5);
}
