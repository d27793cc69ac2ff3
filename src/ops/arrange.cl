/* Elements by their position: hot ones among others, bands of matrices, even steps, permutations turned round, conjugates.
 * Who calls: fill.c, matrix_diag.c,
 * pad.c, transpose.c. */

#ifdef DT1
/* index [outer, inner] -> out [outer, depth, inner]; on and off are bits. T is an unsigned integer of the elements' size. */
KERNEL void one_hot(GLOBAL const T1 *index, GLOBAL T *out, I64 n, I64 depth, I64 inner, I64 on, I64 off)
{
    EACH(0, i, n)
    {
        const I64 at = i / inner % depth;
        out[i] = (T)((I64)LOAD1(index, i / inner / depth * inner + i % inner) == at ? on : off);
    }
}

/* y[x[i]] = i; `seen`: zeros before. `twice`: a text as that of FAULT_ARGS. */
KERNEL void invert(GLOBAL const T1 *x, GLOBAL T1 *y, GLOBAL U32 *seen, I64 n, I64 twice, FAULT_ARGS)
{
    EACH(0, i, n)
    {
        const I64 at = (I64)LOAD1(x, i);
        if (at < 0 || at >= n) FAULT(at, n, 0);
        else if (SWAP(&seen[at], 1)) report_fault(fault_, fault_node_, twice, at, 0, 0);
        else STORE1(y, at, (A1)i);
    }
}
#endif

#ifdef FOLD
/* x [outer, before + dim + after, inner] -> y [outer, dim, inner]: each border is added to what it mirrors; skip: without the
 * outermost row itself. */
KERNEL void fold_borders(GLOBAL const T *x, GLOBAL T *y, I64 n, I64 before, I64 dim, I64 after, I64 inner, I64 skip)
{
    EACH(0, i, n)
    {
        const I64 row = i / inner % dim, left = before - 1 - row + skip, right = before + 2 * dim - 1 - row - skip;
        GLOBAL const T *from = x + i / inner / dim * (before + dim + after) * inner + i % inner;
        A v = LOAD(from, (before + row) * inner);
#if IS_COMPLEX(DT)
        if (left >= 0 && left < before) v.re += from[left * inner].re, v.im += from[left * inner].im;
        if (right >= before + dim && right < before + dim + after) v.re += from[right * inner].re, v.im += from[right * inner].im;
#else
        if (left >= 0 && left < before) v = ROUND((A)(v + LOAD(from, left * inner)));
        if (right >= before + dim && right < before + dim + after) v = ROUND((A)(v + LOAD(from, right * inner)));
#endif
        STORE(y, i, v);
    }
}

#elif defined DT
/* The elements that are not zero, in `pieces` stretches: how many in each, and then their places, [counts.., rank]; first: how
 * many there are in the stretches before. */
typedef struct places {
    I64 n, pieces, rank, dim[8];
} places;

#define STRETCH(piece) \
    for (I64 i = by.n * (piece) / by.pieces, end_i = by.n * ((piece) + 1) / by.pieces; i < end_i; i++)

KERNEL void count_nonzero(GLOBAL const T *x, GLOBAL I64 *counts, places by)
{
    EACH(0, piece, by.pieces)
    {
        I64 found = 0;
        STRETCH(piece) found += LOAD(x, i) != 0;
        counts[piece] = found;
    }
}

KERNEL void find_nonzero(GLOBAL const T *x, GLOBAL const I64 *first, GLOBAL I64 *out, places by)
{
    EACH(0, piece, by.pieces)
    {
        GLOBAL I64 *place = out + first[piece] * by.rank;
        STRETCH(piece)
        {
            if (LOAD(x, i) == 0) continue;
            I64 rest = i;
            for (I64 d = by.rank - 1; d >= 0; d--) place[d] = rest % by.dim[d], rest /= by.dim[d];
            place += by.rank;
        }
    }
}

/* Matrices [rows, cols]: of row i, the columns from i - lower to i + upper stay; negative: all on that side. */
KERNEL void keep_band(GLOBAL const T *x, GLOBAL T *y, I64 n, I64 rows, I64 cols, I64 lower, I64 upper)
{
    EACH(1, r, n)
    {
        const I64 i = r % rows;
        EACH(0, j, cols)
        {
            const int stays = (lower < 0 || j >= i - lower) && (upper < 0 || j <= i + upper);
            y[r * cols + j] = stays ? x[r * cols + j] : (T)0;
        }
    }
}

/* The cross products of n pairs of vectors. */
KERNEL void cross_products(GLOBAL const T *x, GLOBAL const T *y, GLOBAL T *out, I64 n)
{
    EACH(0, i, 3 * n)
    {
        const I64 first = i / 3 * 3, p = first + (i + 1) % 3, q = first + (i + 2) % 3;
        STORE(out, i, (A)(LOAD(x, p) * LOAD(y, q) - LOAD(x, q) * LOAD(y, p)));
    }
}

/* The sign of every second element, which is an imaginary part; in place. */
KERNEL void conjugate(GLOBAL T *y, I64 n)
{
    EACH(0, i, n) STORE(y, 2 * i + 1, -LOAD(y, 2 * i + 1));
}

#ifdef LINE
/* start + i step, and `stop` at the end. */
KERNEL void line(GLOBAL T *y, I64 n, A start, A step, A stop)
{
    EACH(0, i, n) STORE(y, i, n > 1 && i == n - 1 ? stop : start + ROUND(step * ROUND((A)i)));
}
#endif
#endif
