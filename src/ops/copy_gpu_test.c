/* The strided copy on a device against the CPU's: random axes, gaps, repeats and reversals, all sizes of elements. */
#include "gpu_trial.h"

#include "ops/move.h"

static void test_random(berth_dtype dtype)
{
    enum { ROOM = 1 << 14 };
    size_t size = bt_dtype_size(dtype), bytes = ROOM * size;
    bt_move m = {.dtype = dtype, .rank = (int)check_int(0, 8)};
    int64_t to = 1, from = 1, start = 0;
    for (int i = m.rank - 1; i >= 0; i--) {
        bool backwards = check_int(0, 3) == 0;
        m.dim[i] = check_int(check_int(0, 9) == 0, m.rank > 4 ? 3 : 6);
        m.to[i] = to, m.from[i] = check_int(0, 4) ? from : 0;
        to *= m.dim[i] + (check_int(0, 3) == 0), from *= m.dim[i];
        if (backwards && m.dim[i] > 0) start += (m.dim[i] - 1) * m.from[i], m.from[i] = -m.from[i];
    }
    for (int i = 0; i < m.rank; i++) { /* any order of the axes is the same copy */
        int k = (int)check_int(0, m.rank - 1);
        int64_t dim = m.dim[i], a = m.to[i], b = m.from[i];
        m.dim[i] = m.dim[k], m.to[i] = m.to[k], m.from[i] = m.from[k];
        m.dim[k] = dim, m.to[k] = a, m.from[k] = b;
    }
    if (to > ROOM || from > ROOM) return;
    char *src = bt_alloc(bytes), *want = bt_calloc(bytes, 1), *got = bt_calloc(bytes, 1);
    char *on_src = bt_device_alloc(gpu, bytes, &op_error), *on_dst = bt_device_alloc(gpu, bytes, &op_error);
    for (size_t i = 0; i < bytes; i++) src[i] = (char)check_random();
    gpu->ops->upload(gpu, on_src, src, bytes, &op_error);
    gpu->ops->upload(gpu, on_dst, got, bytes, &op_error);
    bt_call c = {.device = gpu, .error = &op_error};
    size_t at = (size_t)start * size;
    bool repeats = check_int(0, 3) == 0;
    if (repeats) memset(m.from, 0, sizeof m.from);
    CHECK_EQ(bt_move_run(&m, want, src + at, NULL, &op_error), BERTH_OK);
    CHECK_EQ(repeats ? bt_call_repeat(&c, &m, on_dst, src + at) : bt_call_move(&c, &m, on_dst, on_src + at),
             BERTH_OK);
    gpu->ops->download(gpu, got, on_dst, bytes, &op_error);
    gpu->ops->sync(gpu, &op_error);
    CHECK(!memcmp(got, want, bytes));
    bt_device_free(gpu, on_src, bytes);
    bt_device_free(gpu, on_dst, bytes);
    bt_free(src);
    bt_free(want);
    bt_free(got);
}

int main(void)
{
    static const berth_dtype dtypes[] = {BERTH_BOOL, BERTH_HALF, BERTH_FLOAT, BERTH_COMPLEX64};
    if (!gpu_open()) return 0;
    for (int i = 0; i < 400; i++) test_random(dtypes[i % 4]);
    gpu_close();
    return check_done();
}
