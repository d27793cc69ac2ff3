/* An op of one's own: Mish, y = x tanh(log(1 + e^x)), for the CPU and for devices with kernels.
 *
 *     cc -shared -fPIC -O2 -Iinclude examples/custom_op/mish.c -o mish.so -lm
 *     berth run examples/custom_op/mish.pbtxt --op-library mish.so --input 'x=[-1, 0, 2]'
 */
#include <berth.h>
#include <math.h>

static berth_status infer_mish(berth_op_call *call)
{
    berth_spec x;
    if (!berth_op_input(call, 0, &x)) return berth_op_fail(call, "needs an input");
    return berth_op_set_output(call, 0, x.dtype, x.rank, x.dims);
}

typedef struct row {
    const float *x;
    float *y;
} row;

static void mish(void *user, int64_t begin, int64_t end)
{
    const row *r = user;
    for (int64_t i = begin; i < end; i++) r->y[i] = r->x[i] * tanhf(log1pf(expf(r->x[i])));
}

static int64_t count(const berth_spec *spec)
{
    int64_t n = 1;
    for (int i = 0; i < spec->rank; i++) n *= spec->dims[i];
    return n;
}

static berth_status run_mish(berth_op_call *call)
{
    berth_spec x;
    berth_op_input(call, 0, &x);
    if (x.dtype != BERTH_FLOAT)
        return berth_op_fail(call, "takes float32, not %s", berth_dtype_name(x.dtype));
    row r = {berth_op_input_data(call, 0), berth_op_output(call, 0, x.dtype, x.rank, x.dims)};
    if (!r.y) return berth_op_status(call);
    berth_op_parallel(call, count(&x), 4096, mish, &r);
    return BERTH_OK;
}

/* T, A (what T is computed in), EACH, LOAD and STORE: the dialect of device kernels, docs/architecture.md. */
static const char source[] = "KERNEL void mish(GLOBAL const T *x, GLOBAL T *y, I64 n)\n"
                             "{\n"
                             "    EACH(0, i, n) STORE(y, i, LOAD(x, i) * tanh(log1p(exp(LOAD(x, i)))));\n"
                             "}\n";

static berth_status run_mish_on_device(berth_op_call *call)
{
    berth_spec x;
    berth_op_input(call, 0, &x);
    void *y = berth_op_output(call, 0, x.dtype, x.rank, x.dims);
    if (!y) return berth_op_status(call);
    berth_op_arg args[] = {{BERTH_ARG_POINTER, .value.pointer = berth_op_input_data(call, 0)},
                           {BERTH_ARG_POINTER, .value.pointer = y},
                           {BERTH_ARG_INT64, .value.l = count(&x)}};
    return berth_op_launch(call, source, x.dtype, "mish", count(&x), args, 3);
}

static const berth_op ops[] = {
    {.name = "Mish",
     .infer = infer_mish,
     .run = run_mish,
     .run_on_device = run_mish_on_device,
     .device_types = 1u << BERTH_FLOAT | 1u << BERTH_HALF},
};

const berth_op_library berth_ops = {BERTH_OP_INTERFACE, ops, sizeof ops / sizeof *ops};
