/* Square matrices, of float or double: a group takes one at a time. Who calls: linalg.c. */

#define MOST_ITEMS 256 /* of a group; a power of two */

/* Gauss's and Jordan's elimination: of a [n][n], which it spoils, and b [n][k], which becomes the solution. For a determinant
 * (det not NULL; k 0) only what lies below is eliminated: sign_log: its sign in det, and the logarithm of its size in logs. */
KERNEL void eliminate(GLOBAL T *a, GLOBAL T *b, GLOBAL T *det, GLOBAL T *logs, I64 batch, I64 n, I64 k, int sign_log, FAULT_ARGS)
{
    LOCAL A best[MOST_ITEMS];
    LOCAL int place[MOST_ITEMS];
    for (I64 matrix = WGID(0); matrix < batch; matrix += NWG(0)) {
        GLOBAL T *m = a + matrix * n * n;
        GLOBAL T *r = b + matrix * n * k;
        A product = 1, sum = 0;
        for (I64 c = 0; c < n; c++) {
            A most = -1;
            int at = (int)c;
            for (I64 i = c + LID(0); i < n; i += LSZ(0)) {
                const A v = fabs(m[i * n + c]);
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
            const I64 from = place[0], width = n - c - 1 + k;
            const A pivot = m[from * n + c];
            FENCE;
            for (I64 j = LID(0); from != c && j < n - c + k; j += LSZ(0)) {
                GLOBAL T *x = j < n - c ? m + c * n + c + j : r + c * k + j - (n - c);
                GLOBAL T *y = j < n - c ? m + from * n + c + j : r + from * k + j - (n - c);
                const T was = *x;
                *x = *y, *y = was;
            }
            FENCE;
            product *= from != c ? -pivot : pivot;
            if (sign_log) product = product > 0 ? 1 : product < 0 ? -1 : product, sum += log(fabs(pivot));
            if (pivot == 0) {
                if (!det && LID(0) == 0) FAULT(0, 0, 0);
                break;
            }
            for (I64 e = LID(0); e < n * width; e += LSZ(0)) {
                const I64 i = e / width, j = e % width;
                if (i == c || (det && i < c)) continue;
                const A f = m[i * n + c] / pivot;
                if (j < n - c - 1) m[i * n + c + 1 + j] -= f * m[c * n + c + 1 + j];
                else r[i * k + j - (n - c - 1)] -= f * r[c * k + j - (n - c - 1)];
            }
            FENCE;
        }
        if (det && LID(0) == 0) {
            det[matrix] = product;
            if (sign_log) logs[matrix] = sum;
        }
        for (I64 e = LID(0); e < n * k; e += LSZ(0)) r[e] /= m[e / k * (n + 1)];
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
            const A d = m[c * (n + 1)], root = sqrt(d);
            is_definite = d > 0;
            FENCE;
            for (I64 i = c + LID(0); i < n; i += LSZ(0)) m[i * n + c] = i == c ? root : m[i * n + c] / root;
            FENCE;
            const I64 left = n - c - 1;
            for (I64 e = LID(0); e < left * left; e += LSZ(0)) {
                const I64 i = c + 1 + e / left, j = c + 1 + e % left;
                if (j <= i) m[i * n + j] -= m[i * n + c] * m[j * n + c];
            }
            FENCE;
        }
        for (I64 e = LID(0); e < n * n; e += LSZ(0)) {
            if (e % n > e / n) m[e] = 0;
            else if (!is_definite) m[e] = M_NAN;
        }
        FENCE;
    }
}

/* b [n][k] becomes the solution; one triangle of t is read, or its transpose. An item takes a column. */
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
            for (I64 i = forward ? 0 : r + 1; i < end; i++) v -= (adjoint ? m[i * n + r] : m[r * n + i]) * x[i * k];
            x[r * k] = v / m[r * (n + 1)];
        }
    }
}
