/* Ops on a device against the same ops on the CPU: a node is set up as in op_test.h, then
 *
 *     gpu_agrees(1e-6);
 *
 * computes it on both and compares all outputs. gpu_open() gives false where there is no device. */
#ifndef GPU_TRIAL_H
#define GPU_TRIAL_H

#include "device/device.h"
#include "ops/gpu.h"

#include "op_test.h"

/* What kernels may take. */
static const berth_dtype gpu_dtypes[] __attribute__((unused)) = {
    BERTH_FLOAT, BERTH_HALF,   BERTH_BFLOAT16, BERTH_DOUBLE, BERTH_INT8,   BERTH_INT16, BERTH_INT32,     BERTH_INT64,
    BERTH_UINT8, BERTH_UINT16, BERTH_UINT32,   BERTH_UINT64, BERTH_BOOL, BERTH_COMPLEX64, BERTH_COMPLEX128};
enum { GPU_DTYPES = sizeof gpu_dtypes / sizeof *gpu_dtypes };

static bt_registry *gpu_registry;
static bt_device *gpu;

/* What is freed when a trial ends. */
static struct {
    void *p;
    size_t bytes;
} gpu_blocks[64];
static int gpu_n_blocks;

static inline bool gpu_open(void)
{
    setenv("BERTH_OPENCL", "cpu", 0);
    gpu_registry = bt_registry_new(&op_error);
    gpu = gpu_registry ? bt_registry_find(gpu_registry, "/GPU:0", &op_error) : NULL;
    if (!gpu) printf("skipped: %s\n", op_error.message);
    if (!gpu) bt_registry_free(gpu_registry);
    return gpu != NULL;
}

static inline void gpu_close(void)
{
    CHECK_EQ(gpu->in_use, 0);
    bt_registry_free(gpu_registry);
}

static inline void *gpu_take(size_t bytes)
{
    void *p = bt_device_alloc(gpu, bytes ? bytes : 1, &op_error);
    gpu_blocks[gpu_n_blocks].p = p;
    gpu_blocks[gpu_n_blocks++].bytes = bytes ? bytes : 1;
    return p;
}

static inline void *gpu_out(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape)
{
    bt_tensor *t = c->out[i];
    if (bt_output_on_host(c->node->def, i, c->n_out))
        return bt_tensor_init(t, dtype, shape, c->error) ? NULL : t->data;
    *t = (bt_tensor){.dtype = dtype, .shape = *shape};
    return t->data = gpu_take(bt_tensor_bytes(t));
}

static inline berth_status gpu_alias(bt_call *c, int i, int j, berth_dtype dtype, const bt_shape *shape)
{
    *c->out[i] = (bt_tensor){.dtype = dtype, .shape = *shape, .data = c->in[j]->data};
    return BERTH_OK;
}

static inline void *gpu_scratch(bt_call *c, size_t bytes) { return (void)c, gpu_take(bytes); }

static inline void *gpu_host_scratch(bt_call *c, size_t bytes)
{
    return (void)c, bt_arena_alloc_aligned(&op_arena, bytes + 1, 64);
}

static inline const void *gpu_pack(const bt_prepare_host *host, const bt_tensor *constant, const char *layout,
                                   size_t bytes, bt_pack_fn *pack, void *user, berth_error *error)
{
    void *staging = bt_alloc(bytes), *p = gpu_take(bytes);
    (void)host, (void)constant, (void)layout;
    if (!pack(user, staging, error)) gpu->ops->upload(gpu, p, staging, bytes, error);
    gpu->ops->sync(gpu, error);
    bt_free(staging);
    return p;
}

static bt_fault *gpu_record; /* of the trial, once asked for */

static inline void *gpu_fault(bt_call *c)
{
    static const bt_fault none;
    if (gpu_record) return gpu_record;
    gpu_record = gpu_take(sizeof none);
    return gpu->ops->upload(gpu, gpu_record, &none, sizeof none, c->error) ? NULL : gpu_record;
}

/* What the kernels reported. */
static inline berth_status gpu_faulted(void)
{
    bt_fault said = {0};
    if (!gpu_record) return BERTH_OK;
    gpu->ops->download(gpu, &said, gpu_record, sizeof said, &op_error);
    gpu->ops->sync(gpu, &op_error);
    gpu_record = NULL;
    return bt_fault_said(&said, &op_error);
}

/* Inputs whose bit is set in `constant` are known when the node is prepared. */
static inline berth_status gpu_run(bt_tensor *out, int n_out, uint64_t constant)
{
    static const bt_run_host host = {.out = gpu_out, .alias = gpu_alias, .scratch = gpu_scratch, .host_scratch = gpu_host_scratch, .fault = gpu_fault};
    static const bt_prepare_host prepare_host = {.pack = gpu_pack};
    const bt_node *node = &op_graph.nodes[0];
    const bt_op *op = node->def;
    bt_fact facts[OP_TEST_PORTS], results[OP_TEST_PORTS] = {0};
    bt_tensor in[OP_TEST_PORTS], *ins[OP_TEST_PORTS], *outs[OP_TEST_PORTS];
    for (int i = 0; i < op_inputs; i++) {
        facts[i] = (bt_fact){op_in[i].dtype, op_in[i].shape, constant >> i & 1 ? &op_in[i] : NULL};
        in[i] = op_in[i], ins[i] = &in[i];
        if (bt_input_on_host(op, i, op_inputs)) continue;
        in[i].device = gpu;
        in[i].data = gpu_take(bt_tensor_bytes(&op_in[i]));
        gpu->ops->upload(gpu, in[i].data, op_in[i].data, bt_tensor_bytes(&op_in[i]), &op_error);
    }
    for (int i = 0; i < n_out; i++)
        results[i].shape = BT_SHAPE_UNKNOWN, outs[i] = &out[i], out[i] = (bt_tensor){0};
    bt_prepare p = {.node = node,
                    .in = facts,
                    .n_in = op_inputs,
                    .out = results,
                    .n_out = n_out,
                    .arena = &op_arena,
                    .device = gpu,
                    .host = &prepare_host,
                    .error = &op_error};
    if (op->gpu_prepare && op->gpu_prepare(&p)) return op_error.status;
    bt_call c = {.node = node,
                 .state = p.state,
                 .in = ins,
                 .n_in = op_inputs,
                 .out = outs,
                 .n_out = n_out,
                 .device = gpu,
                 .host = &host,
                 .error = &op_error};
    for (int i = 0; i < op_inputs; i++)
        if (p.consumed >> i & 1) in[i].data = NULL;
    berth_status status = op->gpu(&c);
    return status ? status : gpu_faulted();
}

/* Brings output i to the host and compares it with what the CPU gave. */
static inline bool gpu_same(int i, bt_tensor *t, double tolerance)
{
    size_t bytes = bt_tensor_bytes(t);
    void *host = t->data;
    if (!bt_output_on_host(op_graph.nodes[0].def, i, bt_node_outputs(&op_graph.nodes[0]))) {
        host = bt_alloc(bytes);
        gpu->ops->download(gpu, host, t->data, bytes, &op_error);
        gpu->ops->sync(gpu, &op_error);
    }
    bool ok = op_gives(i, t->dtype, t->shape, host, tolerance);
    if (host != t->data) bt_free(host);
    else bt_tensor_clear(t);
    return ok;
}

static inline void gpu_drop(void)
{
    while (gpu_n_blocks > 0) {
        gpu_n_blocks--;
        bt_device_free(gpu, gpu_blocks[gpu_n_blocks].p, gpu_blocks[gpu_n_blocks].bytes);
    }
}

static inline bool gpu_agrees_with(uint64_t constant, double tolerance)
{
    bt_tensor out[OP_TEST_PORTS];
    char text[BT_SHAPE_TEXT];
    bool ok = CHECK_EQ(op_run(), BERTH_OK);
    const bt_op *op = op_graph.nodes[0].def;
    int n_out = op ? bt_node_outputs(&op_graph.nodes[0]) : 0;
    gpu_n_blocks = 0;
    if (ok && CHECK(op->gpu)) {
        ok = CHECK_EQ(gpu_run(out, n_out, constant), BERTH_OK);
        for (int i = 0; i < n_out && ok; i++) ok = CHECK(gpu_same(i, &out[i], tolerance));
    } else {
        ok = false;
    }
    if (!ok && op_error.status) printf("    %s\n", op_error.message);
    for (int i = 0; i < op_inputs && !ok; i++)
        printf("    of %s: input %d: %s%s\n", op_graph.nodes[0].op, i, bt_dtype_name(op_in[i].dtype),
               bt_shape_text(&op_in[i].shape, text));
    gpu_drop();
    return ok;
}

/* The device refuses with this message. */
static inline bool gpu_fails(uint64_t constant, const char *message)
{
    bt_tensor out[OP_TEST_PORTS] = {{0}};
    int n_out = bt_node_outputs(&op_graph.nodes[0]);
    gpu_n_blocks = 0;
    bool ok = CHECK(gpu_run(out, n_out, constant)) && CHECK(!strcmp(op_error.message, message));
    if (!ok) printf("    \"%s\", not \"%s\"\n", op_error.message, message);
    for (int i = 0; i < n_out; i++)
        if (op_graph.nodes[0].def->host_outputs >> i & 1) bt_tensor_clear(&out[i]);
    gpu_drop();
    return ok;
}

static inline bool gpu_agrees(double tolerance) { return gpu_agrees_with(0, tolerance); }

/* Host and device refuse in the same words; the device puts the node in front when the run ends. */
static inline bool gpu_both_fail(void)
{
    char said[sizeof op_error.message + 64];
    if (!CHECK(op_run() != BERTH_OK)) return false;
    snprintf(said, sizeof said, "node 'node' (%s): %s", op_graph.nodes[0].op, op_error.message);
    return gpu_fails(0, said);
}

/* An integer as element i of `size` bytes (little-endian). */
static inline void gpu_put(char *p, size_t size, int64_t i, int64_t v) { memcpy(p + (size_t)i * size, &v, size); }

/* n random elements of a dtype: floats in [low, high], integers in the same range, complex numbers with such a real part;
 * freed by the caller. */
static inline void *gpu_random(berth_dtype dtype, int64_t n, double low, double high)
{
    bt_tensor t = {.dtype = dtype, .shape = BT_SHAPE(n)};
    char *p = bt_alloc(bt_tensor_bytes(&t) + 1);
    for (int64_t i = 0; i < n; i++) {
        double v = low + (high - low) * ((double)(check_random() >> 11) / 9007199254740992.0);
        switch (dtype) {
        case BERTH_HALF: ((uint16_t *)(void *)p)[i] = bt_float_to_half((float)v); break;
        case BERTH_BFLOAT16: ((uint16_t *)(void *)p)[i] = bt_float_to_bf16((float)v); break;
        case BERTH_FLOAT: ((float *)(void *)p)[i] = (float)v; break;
        case BERTH_DOUBLE: ((double *)(void *)p)[i] = v; break;
        case BERTH_COMPLEX64:
            ((float *)(void *)p)[2 * i] = (float)v, ((float *)(void *)p)[2 * i + 1] = (float)(low / 2 + v * v / 8);
            break;
        case BERTH_COMPLEX128:
            ((double *)(void *)p)[2 * i] = v, ((double *)(void *)p)[2 * i + 1] = low / 2 + v * v / 8;
            break;
        case BERTH_BOOL: ((uint8_t *)p)[i] = v > (low + high) / 2; break;
        default: gpu_put(p, bt_dtype_size(dtype), i, (int64_t)floor(v)); break;
        }
    }
    return p;
}

/* One step of a dtype's precision, for tolerances. */
static inline double gpu_ulp(berth_dtype dtype)
{
    return dtype == BERTH_HALF       ? 1.0 / 1024
           : dtype == BERTH_BFLOAT16 ? 1.0 / 128
           : dtype == BERTH_FLOAT || dtype == BERTH_COMPLEX64   ? 1e-6
           : dtype == BERTH_DOUBLE || dtype == BERTH_COMPLEX128 ? 1e-13
                                                                : 0;
}

/* The next input: random elements as above, which live until op_end. Gives them. */
static inline void *gpu_input(berth_dtype dtype, bt_shape shape, double low, double high)
{
    size_t bytes = (size_t)bt_shape_count(&shape) * bt_dtype_size(dtype);
    void *random = gpu_random(dtype, bt_shape_count(&shape), low, high);
    void *p = bt_arena_alloc_aligned(&op_arena, bytes + 1, 64);
    memcpy(p, random, bytes);
    bt_free(random);
    op_input(dtype, shape, p);
    return p;
}

#endif
