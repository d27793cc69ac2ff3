/* Fourier transforms on a device against the CPU: lengths of small and large factors, cut inputs, several dimensions. */
#include "gpu_trial.h"

static void test_transform(const char *kind, int rank, berth_dtype complex_type, int32_t n)
{
    static const char *const ranks[] = {"", "2D", "3D"};
    char name[16];
    bool is_real = strchr(kind, 'R'), inverse = kind[0] == 'I';
    berth_dtype real_type = complex_type == BERTH_COMPLEX64 ? BERTH_FLOAT : BERTH_DOUBLE, dtype = is_real && !inverse ? real_type : complex_type;
    int32_t length[3] = {(int32_t)check_int(1, 5), (int32_t)check_int(1, 6), n};
    bt_shape shape = {.rank = rank + 1, .dim = {check_int(1, 3)}};
    for (int i = 0; i < rank; i++) {
        int32_t points = length[3 - rank + i];
        if (is_real && inverse && i == rank - 1) points = points / 2 + 1;
        shape.dim[1 + i] = points + (is_real ? check_int(0, 2) : 0);
    }
    void *x = gpu_random(dtype, bt_shape_count(&shape), -1, 1);
    snprintf(name, sizeof name, "%s%s", kind, ranks[rank - 1]);
    op_begin(name);
    bt_set_type(&op_graph, 0, "Tcomplex", complex_type);
    bt_set_type(&op_graph, 0, "Treal", real_type);
    op_input(dtype, shape, x);
    if (is_real) op_input(BERTH_INT32, BT_SHAPE(rank), length + 3 - rank);
    gpu_agrees((complex_type == BERTH_COMPLEX64 ? 4e-6 : 1e-13) * (n + 4));
    op_end();
    bt_free(x);
}

int main(void)
{
    static const char *const kinds[] = {"FFT", "IFFT", "RFFT", "IRFFT"};
    static const int32_t lengths[] = {1, 2, 3, 8, 13, 60, 97, 256, 400};
    if (!gpu_open()) return 0;
    for (int k = 0; k < 4; k++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            test_transform(kinds[k], 1, BERTH_COMPLEX64, lengths[i]);
            test_transform(kinds[k], 1 + (int)i % 3, BERTH_COMPLEX128, lengths[i]);
            if (i < 6) test_transform(kinds[k], 2 + (int)i % 2, BERTH_COMPLEX64, lengths[i]);
        }
    gpu_close();
    return check_done();
}
