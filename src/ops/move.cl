/* The strided copy. T is an unsigned integer of the elements' size. Who calls: move_gpu.c. */

/* `rows` rows of `inner` elements; dim and strides of the axes before the last, innermost first, unused ones 1. */
typedef struct axes {
    I64 rows, inner, to_inner, from_inner, dim[18], to[18], from[18];
} axes;

#define ROW(at_to, at_from, by, row)                                  \
    I64 at_to = 0, at_from = 0;                                       \
    for (I64 rest_ = row, i_ = 0; rest_ > 0; i_++) {                  \
        const I64 index_ = rest_ % by.dim[i_];                        \
        at_to += index_ * by.to[i_], at_from += index_ * by.from[i_]; \
        rest_ /= by.dim[i_];                                          \
    }

KERNEL void move(GLOBAL T *dst, GLOBAL const T *src, axes by)
{
    EACH(1, row, by.rows)
    {
        ROW(to, from, by, row)
        if (by.to_inner == 1 && by.from_inner == 1) {
            EACH(0, i, by.inner) dst[to + i] = src[from + i];
        } else {
            EACH(0, i, by.inner) dst[to + i * by.to_inner] = src[from + i * by.from_inner];
        }
    }
}

typedef struct bits {
    I64 low, high;
} bits;

/* One value, given as bits, everywhere. */
KERNEL void repeat(GLOBAL T *dst, bits value, axes by)
{
#if !IS_COMPLEX(DT)
    const T v = (T)value.low;
#elif defined HAS_F64
    const T v = complex_c128(DOUBLE_OF_BITS(value.low), DOUBLE_OF_BITS(value.high));
#else
    T v;
    v.re = value.low, v.im = value.high;
#endif
    EACH(1, row, by.rows)
    {
        ROW(to, from, by, row)
        EACH(0, i, by.inner) dst[to + i * by.to_inner] = v;
    }
}
