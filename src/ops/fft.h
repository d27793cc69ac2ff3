/* Fourier transforms of any length, in double: mixed radix where all prime factors are small, Bluestein's way where not.
 * Not an op: signal.c and spectrogram.c are. */
#ifndef BT_FFT_H
#define BT_FFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bt_point {
    double re, im;
} bt_point;

typedef struct bt_fft {
    int64_t n;
    int64_t m; /* what is transformed by factors: n itself, or a power of two of at least 2 n - 1 */
    int n_factors, factors[64];
    bt_point *roots;  /* e^(-2 pi i k / m), k < m */
    bt_point *chirp;  /* e^(-pi i k^2 / n), k < n; NULL where m is n */
    bt_point *kernel; /* transform of the chirp's conjugate [m] */
} bt_fft;

/* Points of memory that a transform of this length keeps, and that one run needs beside the row; -1: too long. */
int64_t bt_fft_memory(int64_t n);
int64_t bt_fft_work(int64_t n);
void bt_fft_init(bt_fft *f, int64_t n, bt_point *memory, bt_point *work);
/* x[k] = sum over j of x[j] e^(-2 pi i j k / n), or with + when inverse, not divided by n. */
void bt_fft_run(const bt_fft *f, bt_point *x, bt_point *work, bool inverse);

#endif
