/* One vector of one float, plain C: the vocabulary of winograd_lanes.h. */
#ifndef BT_LANES_H
#define BT_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { VECTOR = 1 };
typedef float lanes;
typedef bool lanes_mask;

#define INLINE static inline
#define UNROLL

INLINE lanes_mask mask_of(int64_t n) { return n > 0; }
INLINE lanes load_masked(lanes_mask m, const float *p)
{
    float x = 0;
    if (m) memcpy(&x, p, sizeof x);
    return x;
}
INLINE void store(float *p, lanes x) { *p = x; }
INLINE void store_masked(float *p, lanes_mask m, lanes x)
{
    if (m) *p = x;
}
INLINE lanes zero(void) { return 0; }
INLINE lanes all(float x) { return x; }
INLINE lanes add(lanes a, lanes b) { return a + b; }
INLINE lanes mul(lanes a, lanes b) { return a * b; }
INLINE lanes fma_of(lanes a, lanes b, lanes c) { return a * b + c; }
INLINE lanes larger(lanes a, lanes b) { return a > b ? a : b; }
INLINE lanes smaller(lanes a, lanes b) { return a < b ? a : b; }

#endif
