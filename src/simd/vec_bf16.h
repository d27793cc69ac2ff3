/* Conversions of bfloat16 that compilers make vectors of by themselves, for vec_c.c and vec_avx2.c. */
#ifndef BT_VEC_BF16_H
#define BT_VEC_BF16_H

#include <stdint.h>

static void bf16_to_float(float *y, const uint16_t *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        union {
            uint32_t u;
            float f;
        } v = {(uint32_t)x[i] << 16};
        y[i] = v.f;
    }
}

/* Nearest even: add 0x7fff and the lowest bit that stays; a NaN becomes 0x7fc0 with its sign. */
static void float_to_bf16(uint16_t *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        union {
            float f;
            uint32_t u;
        } v = {x[i]};
        uint32_t round = (v.u + 0x7fff + (v.u >> 16 & 1)) >> 16, quiet = (v.u >> 16 & 0x8000) | 0x7fc0;
        y[i] = (uint16_t)((v.u & 0x7fffffff) > 0x7f800000 ? quiet : round);
    }
}

#endif
