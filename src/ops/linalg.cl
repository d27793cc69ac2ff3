/* Square matrices: a group takes one at a time. T1: of a permutation. Who calls: linalg.c. */

#include "field.cl"

#define MOST_ITEMS 256 /* of a group; a power of two */

#define SOLVE 0
#define DETERMINANT 1
#define FACTORS 2

/* Gaussian elimination of a [n][n], whose rows change places. SOLVE: Jordan's too; b [n][k] becomes the solution. DETERMINANT:
 * in det, or, sign_log, its sign there and the logarithm of its size in logs. FACTORS: a becomes L and U, and perm the row that came
 * to each place. */
KERNEL void eliminate(GLOBAL T *a, GLOBAL T *b, GLOBAL T *det, GLOBAL T *logs, GLOBAL T1 *perm, I64 batch, I64 n, I64 k, int what,
                      int sign_log, FAULT_ARGS)
{
    LOCAL R best[MOST_ITEMS];
    LOCAL int place[MOST_ITEMS];
    for (I64 matrix = WGID(0); matrix < batch; matrix += NWG(0)) {
        GLOBAL T *m = a + matrix * n * n;
        GLOBAL T *r = b + matrix * n * k;
        A product = of(1, 0);
        R sum = 0;
        for (I64 i = LID(0); i < n && what == FACTORS; i += LSZ(0)) perm[matrix * n + i] = (T1)i;
        for (I64 c = 0; c < n; c++) {
            R most = -1;
            int at = (int)c;
            for (I64 i = c + LID(0); i < n; i += LSZ(0)) {
                const R v = absolute(m[i * n + c]);
                if (v > most) most = v, at = (int)i;
            }
            best[LID(0)] = most, place[LID(0)] = at;
            FENCE;
            for (int half_ = LSZ(0) / 2; half_ > 0; half_ /= 2) {
                const int other = LID(0) + half_;
                if (LID(0) < half_ && (best[other] > best[LID(0)] || (best[other] == best[LID(0)] && place[other] < place[LID(0)])))
                    best[LID(0)] = best[other], place[LID(0)] = place[other];
                FENCE;
            }
            const I64 from = place[0], width = n - c - 1 + k, first = what == FACTORS ? 0 : c;
            const A pivot = m[from * n + c];
            FENCE;
            for (I64 j = LID(0); from != c && j < n - first + k; j += LSZ(0)) {
                GLOBAL T *x = j < n - first ? m + c * n + first + j : r + c * k + j - (n - first);
                GLOBAL T *y = j < n - first ? m + from * n + first + j : r + from * k + j - (n - first);
                const T was = *x;
                *x = *y, *y = was;
            }
            if (what == FACTORS && from != c && LID(0) == 0) {
                const T1 was = perm[matrix * n + c];
                perm[matrix * n + c] = perm[matrix * n + from], perm[matrix * n + from] = was;
            }
            FENCE;
            const R size = absolute(pivot);
            product = mul(product, from != c ? neg(pivot) : pivot);
            if (sign_log) product = size > 0 ? scaled(product, 1 / size) : product, sum += log(size);
            if (is_zero(pivot)) {
                if (what != DETERMINANT && LID(0) == 0) FAULT(0, 0, 0);
                break;
            }
            for (I64 e = LID(0); e < n * width; e += LSZ(0)) {
                const I64 i = e / width, j = e % width;
                if (i == c || (what != SOLVE && i < c)) continue;
                const A f = over(m[i * n + c], pivot);
                GLOBAL T *x = j < n - c - 1 ? m + i * n + c + 1 + j : r + i * k + j - (n - c - 1);
                *x = sub(*x, mul(f, j < n - c - 1 ? m[c * n + c + 1 + j] : r[c * k + j - (n - c - 1)]));
            }
            FENCE;
            for (I64 i = c + 1 + LID(0); i < n && what == FACTORS; i += LSZ(0)) m[i * n + c] = over(m[i * n + c], pivot);
            FENCE;
        }
        if (what == DETERMINANT && LID(0) == 0) {
            det[matrix] = product;
            if (sign_log) logs[matrix] = of(sum, 0);
        }
        for (I64 e = LID(0); e < n * k; e += LSZ(0)) r[e] = over(r[e], m[e / k * (n + 1)]);
        FENCE;
    }
}

/* The lower triangle of a becomes L, the upper zero; where a is not positive definite, NaN. */
KERNEL void cholesky(GLOBAL T *a, I64 batch, I64 n)
{
    for (I64 matrix = WGID(0); matrix < batch; matrix += NWG(0)) {
        GLOBAL T *m = a + matrix * n * n;
        int is_definite = 1;
        for (I64 c = 0; c < n && is_definite; c++) {
            const R d = real_of(m[c * (n + 1)]), root = sqrt(d);
            is_definite = d > 0;
            FENCE;
            for (I64 i = c + LID(0); i < n; i += LSZ(0)) m[i * n + c] = i == c ? of(root, 0) : scaled(m[i * n + c], 1 / root);
            FENCE;
            const I64 left = n - c - 1;
            for (I64 e = LID(0); e < left * left; e += LSZ(0)) {
                const I64 i = c + 1 + e / left, j = c + 1 + e % left;
                if (j <= i) m[i * n + j] = sub(m[i * n + j], mul(m[i * n + c], conj_of(m[j * n + c])));
            }
            FENCE;
        }
        for (I64 e = LID(0); e < n * n; e += LSZ(0)) {
            if (e % n > e / n) m[e] = of(0, 0);
            else if (!is_definite) m[e] = of(M_NAN, 0);
        }
        FENCE;
    }
}

/* b [n][k] becomes the solution; one triangle of t is read, or its adjoint. An item takes a column. */
KERNEL void triangular(GLOBAL const T *t, GLOBAL T *b, I64 columns, I64 n, I64 k, int lower, int adjoint)
{
    const int forward = lower != adjoint;
    EACH(0, e, columns)
    {
        GLOBAL const T *m = t + e / k * n * n;
        GLOBAL T *x = b + e / k * n * k + e % k;
        for (I64 step = 0; step < n; step++) {
            const I64 r = forward ? step : n - 1 - step, end = forward ? r : n;
            A v = x[r * k];
            for (I64 i = forward ? 0 : r + 1; i < end; i++)
                v = sub(v, mul(adjoint ? conj_of(m[i * n + r]) : m[r * n + i], x[i * k]));
            x[r * k] = over(v, adjoint ? conj_of(m[r * (n + 1)]) : m[r * (n + 1)]);
        }
    }
}

KERNEL void conjugate_all(GLOBAL T *x, I64 n)
{
    EACH(0, i, n) x[i] = conj_of(x[i]);
}

/* ---- Three diagonals ------------------------------------------------------------------------------------ */

/* A band [3][n]: above, main, below; an item takes one. work [4][n]: main, above, second above, factors; swaps [n]: rows that
 * changed places with the next. */
KERNEL void factor_tridiagonal(GLOBAL const T *band, GLOBAL T *work, GLOBAL U8 *swaps, I64 batch, I64 n, int pivoting)
{
    EACH(0, matrix, batch)
    {
        GLOBAL const T *above = band + 3 * n * matrix;
        GLOBAL T *d = work + 4 * n * matrix;
        GLOBAL T *u = d + n;
        GLOBAL T *second = u + n;
        GLOBAL T *factor = second + n;
        GLOBAL U8 *swap = swaps + n * matrix;
        A diagonal = above[n], next = above[0]; /* of row i as it is by now */
        for (I64 i = 0; i < n; i++) {
            const int is_last = i + 1 == n;
            const A below = is_last ? of(0, 0) : above[2 * n + i + 1], d1 = is_last ? of(0, 0) : above[n + i + 1];
            const A u1 = i + 2 < n ? above[i + 1] : of(0, 0);
            const int is_swapped = pivoting && !is_last && absolute(below) > absolute(diagonal);
            swap[i] = (U8)is_swapped;
            d[i] = is_swapped ? below : diagonal;
            u[i] = is_swapped ? d1 : next;
            second[i] = is_swapped ? u1 : of(0, 0);
            factor[i] = is_last ? of(0, 0) : over(is_swapped ? diagonal : below, d[i]);
            const A rest = is_swapped ? next : d1, rest1 = is_swapped ? of(0, 0) : u1;
            diagonal = sub(rest, mul(factor[i], u[i]));
            next = sub(rest1, mul(factor[i], second[i]));
        }
    }
}

/* x [n][k] becomes the solution, NaN where there is none; an item takes a column. */
KERNEL void solve_tridiagonal(GLOBAL const T *work, GLOBAL const U8 *swaps, GLOBAL T *b, I64 columns, I64 n, I64 k)
{
    EACH(0, e, columns)
    {
        GLOBAL const T *d = work + e / k * 4 * n;
        GLOBAL const U8 *swap = swaps + e / k * n;
        GLOBAL T *x = b + e / k * n * k + e % k;
        int is_singular = 0;
        for (I64 i = 0; i < n; i++) {
            is_singular |= is_zero(d[i]);
            if (i + 1 == n) continue;
            const A top = swap[i] ? x[(i + 1) * k] : x[i * k], other = swap[i] ? x[i * k] : x[(i + 1) * k];
            x[i * k] = top;
            x[(i + 1) * k] = sub(other, mul(d[3 * n + i], top));
        }
        for (I64 i = n - 1; i >= 0; i--) {
            A v = x[i * k];
            if (i + 1 < n) v = sub(v, mul(d[n + i], x[(i + 1) * k]));
            if (i + 2 < n) v = sub(v, mul(d[2 * n + i], x[(i + 2) * k]));
            x[i * k] = is_singular ? of(M_NAN, 0) : over(v, d[i]);
        }
    }
}

/* Of diagonals [rows] each, rows in matrices of m; rhs [rows][n]. */
KERNEL void multiply_tridiagonal(GLOBAL const T *above, GLOBAL const T *main_, GLOBAL const T *below, GLOBAL const T *rhs,
                                 GLOBAL T *out, I64 rows, I64 m, I64 n)
{
    EACH(0, e, rows * n)
    {
        const I64 r = e / n;
        A v = mul(LOAD(main_, r), LOAD(rhs, e));
        if (r % m > 0) v = add(v, mul(LOAD(below, r), LOAD(rhs, e - n)));
        if (r % m < m - 1) v = add(v, mul(LOAD(above, r), LOAD(rhs, e + n)));
        STORE(out, e, v);
    }
}
