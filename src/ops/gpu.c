/* Launching device kernels: what all families share. See gpu.h. */
#include "ops/gpu.h"

#include <stdio.h>

#include "device/watch.h"

const char *bt_gpu_type(berth_dtype dtype)
{
    static const char *const names[] = {
        [BERTH_HALF] = "f16", [BERTH_BFLOAT16] = "bf16", [BERTH_FLOAT] = "f32",  [BERTH_DOUBLE] = "f64",
        [BERTH_INT8] = "i8",  [BERTH_INT16] = "i16",     [BERTH_INT32] = "i32",  [BERTH_INT64] = "i64",
        [BERTH_UINT8] = "u8", [BERTH_UINT16] = "u16",    [BERTH_UINT32] = "u32", [BERTH_UINT64] = "u64",
        [BERTH_BOOL] = "b8",
        [BERTH_QINT8] = "i8",  [BERTH_QINT16] = "i16",  [BERTH_QINT32] = "i32", [BERTH_QUINT8] = "u8",
        [BERTH_QUINT16] = "u16", [BERTH_COMPLEX64] = "c64", [BERTH_COMPLEX128] = "c128",
    };
    return (size_t)dtype < sizeof names / sizeof names[0] ? names[dtype] : NULL;
}

berth_dtype bt_gpu_unit(berth_dtype dtype)
{
    switch (bt_dtype_size(dtype)) {
    case 1: return BERTH_UINT8;
    case 2: return BERTH_UINT16;
    case 4: return BERTH_UINT32;
    case 8: return BERTH_UINT64;
    default: return BERTH_COMPLEX128;
    }
}

berth_dtype bt_gpu_word(berth_dtype dtype, int64_t *row)
{
    if (dtype != BERTH_COMPLEX128) return bt_gpu_unit(dtype);
    *row *= 2;
    return BERTH_UINT64;
}

const char *bt_gpu_defines(char text[BT_DEFINES], berth_dtype t, berth_dtype t1, const char *more)
{
    const char *name = bt_gpu_type(t), *second = t1 ? bt_gpu_type(t1) : NULL;
    snprintf(text, BT_DEFINES, "-DDT=%s %s%s %s", name ? name : "none", second ? "-DDT1=" : "",
             second ? second : "", more);
    return text;
}

berth_status bt_gpu_launch(bt_call *c, const char *source, const char *defines, const char *kernel,
                           const bt_grid *grid, const bt_arg *args, int n_args)
{
    bt_kernel *k = c->device->ops->compile(c->device, source, defines, kernel, c->error);
    return k ? bt_device_launch(c->device, k, kernel, grid, args, n_args, c->error) : BERTH_DEVICE;
}

berth_status bt_gpu_fault(bt_call *c, const char *text, bt_arg args[3])
{
    void *record = c->host->fault(c);
    args[0] = bt_pointer(record);
    args[1] = bt_long((int64_t)(uintptr_t)c->node);
    args[2] = bt_long((int64_t)(uintptr_t)text);
    return record ? BERTH_OK : BERTH_NO_MEMORY;
}

berth_status bt_fault_said(const bt_fault *fault, berth_error *error)
{
    const bt_node *node = (const bt_node *)(uintptr_t)fault->node;
    if (!fault->claimed) return BERTH_OK;
    bt_error_clear(error);
    bt_fail(error, BERTH_BAD_INPUT, (const char *)(uintptr_t)fault->text, (long long)fault->numbers[0],
            (long long)fault->numbers[1], (long long)fault->numbers[2]);
    bt_error_prefix(error, "node '%s' (%s)", node->name, node->op);
    return BERTH_BAD_INPUT;
}

berth_status bt_gpu_read(bt_call *c, void *host, const void *p, size_t bytes)
{
    berth_status status = c->device->ops->download(c->device, host, p, bytes, c->error);
    return status ? status : c->device->ops->sync(c->device, c->error);
}

void *bt_gpu_upload(bt_call *c, const void *host, size_t bytes)
{
    void *p = bt_scratch(c, bytes);
    return p && !c->device->ops->upload(c->device, p, host, bytes, c->error) ? p : NULL;
}

enum { GROUP = 256, MOST_GROUPS = 1 << 16, CPU_ITEMS = 64, CPU_GRAIN = 4096 };

static size_t clamp(int64_t n, int64_t most) { return n < 1 ? 1 : n > most ? (size_t)most : (size_t)n; }

bt_grid bt_grid_of(const bt_call *c, int64_t n)
{
    if (c->device->is_cpu_shaped) return (bt_grid){{clamp(n / CPU_GRAIN, CPU_ITEMS), 1, 1}, {1, 1, 1}};
    return (bt_grid){{GROUP * clamp((n + GROUP - 1) / GROUP, MOST_GROUPS), 1, 1}, {GROUP, 1, 1}};
}

bt_grid bt_grid_rows(const bt_call *c, int64_t inner, int64_t rows)
{
    if (c->device->is_cpu_shaped) {
        if (rows < CPU_ITEMS) return bt_grid_of(c, inner);
        return (bt_grid){{1, clamp(rows * inner / CPU_GRAIN, CPU_ITEMS), 1}, {1, 1, 1}};
    }
    size_t wide = 32;
    while (wide < GROUP && (int64_t)wide < inner) wide *= 2;
    return (bt_grid){{wide * clamp((inner + (int64_t)wide - 1) / (int64_t)wide, MOST_GROUPS),
                      GROUP / wide * clamp((rows * (int64_t)wide + GROUP - 1) / GROUP, 32768), 1},
                     {wide, GROUP / wide, 1}};
}

bt_grid bt_grid_groups(const bt_call *c, int64_t groups, int64_t n)
{
    if (c->device->is_cpu_shaped) return (bt_grid){{clamp(groups * n / CPU_GRAIN, groups < CPU_ITEMS ? groups : CPU_ITEMS), 1, 1}, {1, 1, 1}};
    size_t local = 32;
    while (local < GROUP && (int64_t)local < n) local *= 2;
    return (bt_grid){{local * clamp(groups, MOST_GROUPS), 1, 1}, {local, 1, 1}};
}
