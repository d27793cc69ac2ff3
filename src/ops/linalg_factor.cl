/* Orthogonal factors, eigenvalues and singular values: a group takes a matrix at a time. Rotations of disjoint pairs of columns
 * are made at once, a round of n - 1 that meet all pairs. Who calls: linalg_factor.c. */

#include "field.cl"

#define MOST_ITEMS 256 /* of a group; a power of two */
#define IS_DOUBLE_f64 1
#define IS_DOUBLE_c128 1
#if JOIN(IS_DOUBLE_, DT)
#define SMALL (R)1e-15
#define TINY (R)1e-290 /* what can be divided by */
#else
#define SMALL (R)2e-7
#define TINY (R)1e-35
#endif
#define SWEEPS 40

/* What all items have, added up; `part` [MOST_ITEMS]. */
#define SUM_UP(part, v)                                                    \
    part[LID(0)] = v;                                                      \
    BARRIER;                                                               \
    for (int half_ = LSZ(0) / 2; half_ > 0; half_ /= 2) {                  \
        if (LID(0) < half_) part[LID(0)] += part[LID(0) + half_];          \
        BARRIER;                                                           \
    }

/* ---- QR ------------------------------------------------------------------------------------------------- */

/* a [m][n] becomes R below which Householder's vectors lie; tau [min(m, n)]; q [m][k]; r [k][n]. R's diagonal is
 * -sign(re x) |x|, and x itself where nothing lies below. */
KERNEL void qr(GLOBAL T *as, GLOBAL T *taus, GLOBAL T *qs, GLOBAL T *rs, I64 batch, I64 m, I64 n, I64 k)
{
    LOCAL R part[MOST_ITEMS];
    const I64 least = m < n ? m : n;
    for (I64 matrix = WGID(0); matrix < batch; matrix += NWG(0)) {
        GLOBAL T *a = as + matrix * m * n;
        GLOBAL T *tau = taus + matrix * least;
        GLOBAL T *q = qs + matrix * m * k;
        GLOBAL T *out = rs + matrix * k * n;
        for (I64 c = 0; c < least; c++) {
            R below = 0;
            for (I64 r = c + 1 + LID(0); r < m; r += LSZ(0)) below += square_of(a[r * n + c]);
            SUM_UP(part, below)
            below = part[0];
            const A x = a[c * n + c];
            const int is_done = below == 0 && imaginary_of(x) == 0;
            const R size = sqrt(square_of(x) + below), beta = real_of(x) >= 0 ? -size : size;
            const A by = sub(x, of(beta, 0)), t = is_done ? of(0, 0) : conj_of(scaled(sub(of(beta, 0), x), 1 / beta));
            FENCE;
            for (I64 r = c + 1 + LID(0); r < m && !is_done; r += LSZ(0)) a[r * n + c] = over(a[r * n + c], by);
            if (LID(0) == 0) tau[c] = t, a[c * n + c] = is_done ? x : of(beta, 0);
            FENCE;
            for (I64 j = c + 1 + LID(0); j < n && !is_done; j += LSZ(0)) {
                A sum = a[c * n + j];
                for (I64 r = c + 1; r < m; r++) sum = add(sum, product_of(a[r * n + c], a[r * n + j]));
                sum = mul(t, sum);
                a[c * n + j] = sub(a[c * n + j], sum);
                for (I64 r = c + 1; r < m; r++) a[r * n + j] = sub(a[r * n + j], mul(a[r * n + c], sum));
            }
            FENCE;
        }
        for (I64 e = LID(0); e < m * k; e += LSZ(0)) q[e] = of(e / k == e % k, 0);
        FENCE;
        for (I64 c = least - 1; c >= 0; c--) {
            const A t = conj_of(tau[c]);
            for (I64 j = LID(0); j < k; j += LSZ(0)) {
                A sum = q[c * k + j];
                for (I64 r = c + 1; r < m; r++) sum = add(sum, product_of(a[r * n + c], q[r * k + j]));
                sum = mul(t, sum);
                q[c * k + j] = sub(q[c * k + j], sum);
                for (I64 r = c + 1; r < m; r++) q[r * k + j] = sub(q[r * k + j], mul(a[r * n + c], sum));
            }
        }
        for (I64 e = LID(0); e < k * n; e += LSZ(0)) out[e] = e % n < e / n ? of(0, 0) : a[e];
        FENCE;
    }
}

/* ---- Rotations ------------------------------------------------------------------------------------------ */

/* Pair i of a round, of n columns, an even number with one that is not there: the last one stays, the others go round. */
DEVFN void pair_of(I64 n, I64 round, I64 i, I64 *p, I64 *q)
{
    const I64 turn = n + n % 2 - 1, a = i == 0 ? turn : (round + i) % turn, b = (round - i + turn) % turn;
    *p = a < b ? a : b, *q = a < b ? b : a;
}

/* The rotation that makes `off` of [[x, off], [conj(off), y]] zero; none where it is. */
DEVFN void rotation(R x, R y, A off, R *c, A *s)
{
    const R size = absolute(off), theta = (y - x) / (2 * size);
    const R t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    *c = 1 / sqrt(t * t + 1);
    *s = scaled(conj_of(off), t * *c / size);
    if (!(size > TINY)) *c = 1, *s = of(0, 0);
}

/* Columns p and q of row r of a become c p - s q and conj(s) p + c q. */
DEVFN void turn_pair(GLOBAL T *row, I64 p, I64 q, R c, A s)
{
    const A x = row[p], y = row[q];
    row[p] = sub(scaled(x, c), mul(s, y));
    row[q] = add(mul(conj_of(s), x), scaled(y, c));
}

/* The place of value i among n: rising, or falling; of equals the first is first. */
DEVFN I64 place_of(GLOBAL const R *values, I64 n, I64 i, int falling)
{
    I64 place = 0;
    for (I64 j = 0; j < n; j++) {
        const int before = falling ? values[j] > values[i] : values[j] < values[i];
        place += before || (values[j] == values[i] && j < i);
    }
    return place;
}

/* ---- Eigenvalues ---------------------------------------------------------------------------------------- */

/* Of Hermitian a [n][n], of which the lower triangle is read and which is spoilt: rising values [n], and, with_vectors, vectors
 * as columns of v [n][n]. w [n][n]; cosines, sizes [n]; sines [n]. */
KERNEL void eigen(GLOBAL T *as, GLOBAL T *ws, GLOBAL R *cosines, GLOBAL R *sizes, GLOBAL T *sines, GLOBAL T *out, GLOBAL T *vs,
                  I64 batch, I64 n, int with_vectors)
{
    LOCAL R part[MOST_ITEMS];
    const I64 pairs = (n + 1) / 2, rounds = n + n % 2 - 1;
    for (I64 matrix = WGID(0); matrix < batch; matrix += NWG(0)) {
        GLOBAL T *a = as + matrix * n * n;
        GLOBAL T *w = ws + matrix * n * n;
        GLOBAL R *cosine = cosines + matrix * n;
        GLOBAL R *size = sizes + matrix * n;
        GLOBAL T *sine = sines + matrix * n;
        for (I64 e = LID(0); e < n * n; e += LSZ(0)) {
            const I64 i = e / n, j = e % n;
            w[e] = of(i == j, 0);
            if (i == j) a[e] = of(real_of(a[e]), 0);
            else if (j > i) a[e] = conj_of(a[j * n + i]);
        }
        FENCE;
        for (int sweep = 0; sweep < SWEEPS; sweep++) {
            R off = 0, all = 0;
            for (I64 e = LID(0); e < n * n; e += LSZ(0)) {
                const R v = square_of(a[e]);
                all += v, off += e / n == e % n ? 0 : v;
            }
            SUM_UP(part, off)
            off = part[0];
            BARRIER;
            SUM_UP(part, all)
            all = part[0];
            BARRIER;
            if (!(off > SMALL * SMALL * all)) break;
            for (I64 round = 0; round < rounds; round++) {
                I64 p, q;
                for (I64 i = LID(0); i < pairs; i += LSZ(0)) {
                    R c = 1;
                    A s = of(0, 0);
                    pair_of(n, round, i, &p, &q);
                    if (q < n) rotation(real_of(a[p * n + p]), real_of(a[q * n + q]), a[p * n + q], &c, &s);
                    cosine[i] = c, sine[i] = s;
                }
                FENCE;
                for (I64 e = LID(0); e < n * pairs; e += LSZ(0)) {
                    const I64 i = e % pairs, r = e / pairs;
                    pair_of(n, round, i, &p, &q);
                    if (q >= n) continue;
                    turn_pair(a + r * n, p, q, cosine[i], sine[i]);
                    turn_pair(w + r * n, p, q, cosine[i], sine[i]);
                }
                FENCE;
                for (I64 e = LID(0); e < n * pairs; e += LSZ(0)) { /* and the rows */
                    const I64 k = e % n, i = e / n;
                    pair_of(n, round, i, &p, &q);
                    if (q >= n) continue;
                    const A x = a[p * n + k], y = a[q * n + k];
                    a[p * n + k] = sub(scaled(x, cosine[i]), mul(conj_of(sine[i]), y));
                    a[q * n + k] = add(mul(sine[i], x), scaled(y, cosine[i]));
                }
                FENCE;
            }
        }
        for (I64 i = LID(0); i < n; i += LSZ(0)) size[i] = real_of(a[i * (n + 1)]);
        FENCE;
        for (I64 i = LID(0); i < n; i += LSZ(0)) {
            const I64 place = place_of(size, n, i, 0);
            out[matrix * n + place] = of(size[i], 0);
            for (I64 r = 0; r < n && with_vectors; r++) vs[(matrix * n + r) * n + place] = w[r * n + i];
        }
        FENCE;
    }
}

/* ---- Singular values ------------------------------------------------------------------------------------ */

typedef struct singular {
    I64 batch, m, n, k; /* of a [m][n], m >= n; columns of u */
    I64 with_vectors;
} singular;

/* One-sided: a's columns become orthogonal, those of U times the falling values; v [n][n] and u [m][k] the vectors. w [n][n];
 * work: 2 (n + MOST_ITEMS) parts and as many products; sizes [n]. */
KERNEL void svd(GLOBAL T *as, GLOBAL T *ws, GLOBAL R *works, GLOBAL T *products, GLOBAL R *sizes, GLOBAL T *out, GLOBAL T *us,
                GLOBAL T *vs, singular by)
{
    LOCAL R part[MOST_ITEMS];
    LOCAL int again, column;
    const I64 m = by.m, n = by.n, k = by.k, pairs = (n + 1) / 2, rounds = n + n % 2 - 1;
    const I64 parts = pairs < LSZ(0) ? LSZ(0) / pairs : 1, room = n + MOST_ITEMS;
    for (I64 matrix = WGID(0); matrix < by.batch; matrix += NWG(0)) {
        GLOBAL T *a = as + matrix * m * n;
        GLOBAL T *w = ws + matrix * n * n;
        GLOBAL R *xs = works + matrix * 2 * room;
        GLOBAL R *ys = xs + room;
        GLOBAL T *offs = products + matrix * room;
        GLOBAL R *size = sizes + matrix * n;
        GLOBAL T *u = us + matrix * m * k;
        int goes_on = 1;
        for (I64 e = LID(0); e < n * n; e += LSZ(0)) w[e] = of(e / n == e % n, 0);
        FENCE;
        for (int sweep = 0; sweep < SWEEPS && goes_on; sweep++) {
            if (LID(0) == 0) again = 0;
            for (I64 round = 0; round < rounds; round++) {
                I64 p, q;
                for (I64 e = LID(0); e < pairs * parts; e += LSZ(0)) {
                    const I64 first = m * (e / pairs) / parts, end = m * (e / pairs + 1) / parts;
                    R x = 0, y = 0;
                    A off = of(0, 0);
                    pair_of(n, round, e % pairs, &p, &q);
                    for (I64 r = first; r < end && q < n; r++) {
                        const A ap = a[r * n + p], aq = a[r * n + q];
                        x += square_of(ap), y += square_of(aq), off = add(off, product_of(ap, aq));
                    }
                    xs[e] = x, ys[e] = y, offs[e] = off;
                }
                FENCE;
                for (I64 i = LID(0); i < pairs; i += LSZ(0)) {
                    R c = 1;
                    A s = of(0, 0);
                    for (I64 e = i + pairs; e < pairs * parts; e += pairs)
                        xs[i] += xs[e], ys[i] += ys[e], offs[i] = add(offs[i], offs[e]);
                    const R wrong = absolute(offs[i]);
                    if (wrong > TINY && wrong > SMALL * sqrt(xs[i]) * sqrt(ys[i]))
                        rotation(xs[i], ys[i], offs[i], &c, &s), again = 1;
                    xs[i] = c, offs[i] = s;
                }
                FENCE;
                for (I64 e = LID(0); e < (m + n) * pairs; e += LSZ(0)) {
                    const I64 i = e % pairs, r = e / pairs;
                    pair_of(n, round, i, &p, &q);
                    if (q < n && !is_zero(offs[i])) turn_pair(r < m ? a + r * n : w + (r - m) * n, p, q, xs[i], offs[i]);
                }
                FENCE;
            }
            goes_on = again;
            BARRIER;
        }
        for (I64 i = LID(0); i < n; i += LSZ(0)) {
            R sum = 0;
            for (I64 r = 0; r < m; r++) sum += square_of(a[r * n + i]);
            size[i] = sqrt(sum);
        }
        FENCE;
        R top = 0;
        I64 rank = 0;
        for (I64 i = 0; i < n; i++) top = size[i] > top ? size[i] : top;
        for (I64 i = 0; i < n; i++) rank += size[i] > 10 * SMALL * top;
        for (I64 i = LID(0); i < n; i += LSZ(0)) {
            const I64 place = place_of(size, n, i, 1);
            out[matrix * n + place] = of(size[i], 0);
            if (!by.with_vectors) continue;
            for (I64 r = 0; r < n; r++) vs[(matrix * n + r) * n + place] = w[r * n + i];
            for (I64 r = 0; r < m && place < rank; r++) u[r * k + place] = scaled(a[r * n + i], 1 / size[i]);
        }
        FENCE;
        /* The other columns of u: unit vectors orthogonal to all before, from those of the axes. */
        if (LID(0) == 0) column = (int)rank;
        FENCE;
        for (I64 axis = 0, end = by.with_vectors && rank < k ? m : 0; axis < end; axis++) {
            const I64 c = column, open = c < k ? m : 0;
            for (I64 r = LID(0); r < open; r += LSZ(0)) u[r * k + c] = of(r == axis, 0);
            FENCE;
            for (int twice = 0; twice < 2; twice++) {
                for (I64 p = LID(0); p < c && open; p += LSZ(0)) {
                    A dot = of(0, 0);
                    for (I64 r = 0; r < m; r++) dot = add(dot, product_of(u[r * k + p], u[r * k + c]));
                    a[p] = dot;
                }
                FENCE;
                for (I64 r = LID(0); r < open; r += LSZ(0)) {
                    A v = u[r * k + c];
                    for (I64 p = 0; p < c; p++) v = sub(v, mul(a[p], u[r * k + p]));
                    u[r * k + c] = v;
                }
                FENCE;
            }
            R sum = 0;
            for (I64 r = LID(0); r < open; r += LSZ(0)) sum += square_of(u[r * k + c]);
            SUM_UP(part, sum)
            const R square = part[0];
            const int is_taken = square >= (R)1e-8 / (R)m;
            FENCE;
            for (I64 r = LID(0); r < open && is_taken; r += LSZ(0)) u[r * k + c] = scaled(u[r * k + c], 1 / sqrt(square));
            if (LID(0) == 0 && is_taken && open) column = (int)c + 1;
            FENCE;
        }
        FENCE;
    }
}
