/* Rows folded by groups: reductions over axes, softmax, layer normalisation. One group makes one output (or one row of
 * outputs) at a time; on a CPU a group is one work item. Who calls: reduce.c, softmax.c, norm.c. */

#define MOST_ITEMS 256 /* of a group; a power of two */

/* part[0] becomes the fold of all items' a; `a` and `x` name the two sides of COMBINE. */
#define FOLD_GROUP(value)                                           \
    part[LID(0)] = value;                                           \
    BARRIER;                                                        \
    for (int half_ = LSZ(0) / 2; half_ > 0; half_ /= 2) {           \
        if (LID(0) < half_) {                                       \
            const A a = part[LID(0)], x = part[LID(0) + half_];     \
            part[LID(0)] = COMBINE;                                 \
        }                                                           \
        BARRIER;                                                    \
    }

/* A fold of many elements one after the other: four side by side, as the CPU's, and 4096 at a time, so that the rounding error
 * of a sum does not grow with their number. nothing: what the fold of nothing is; fold[4]: the result. */
#define FOLD_OPEN(fold, nothing)                            \
    A fold[5];                                              \
    int fold##_taken = 0;                                   \
    for (int k_ = 0; k_ < 5; k_++) fold[k_] = nothing;
#define FOLD_INTO(to, value)            \
    {                                   \
        const A value_ = value;         \
        const A a = to, x = value_;     \
        to = COMBINE;                   \
    }
#define FOLD_CLOSE(fold, nothing)                                       \
    {                                                                   \
        for (int k_ = 1; k_ < 4; k_++) FOLD_INTO(fold[0], fold[k_])     \
        FOLD_INTO(fold[4], fold[0])                                     \
        for (int k_ = 0; k_ < 4; k_++) fold[k_] = nothing;              \
    }
#define FOLD_TAKE(fold, nothing, value)                              \
    FOLD_INTO(fold[fold##_taken & 3], value)                         \
    if (++fold##_taken == 4096) {                                    \
        FOLD_CLOSE(fold, nothing)                                    \
        fold##_taken = 0;                                            \
    }

/* ---- Reductions: compiled for one op, OP -------------------------------------------------------------- */

#ifdef OP
#define C_Sum a + x
#define C_Mean a + x
#define C_Prod a * x
#define C_Max a != a || a > x ? a : x
#define C_Min a != a || a < x ? a : x
#define C_EuclideanNorm a + x
#define C_All a && x
#define C_Any a || x
#define IN_Sum x
#define IN_Mean x
#define IN_Prod x
#define IN_Max x
#define IN_Min x
#define IN_EuclideanNorm x * x
#define IN_All x
#define IN_Any x
#define OUT_Sum a
#define OUT_Mean a / (A)count
#define OUT_Prod a
#define OUT_Max a
#define OUT_Min a
#define OUT_EuclideanNorm sqrt(a)
#define OUT_All a
#define OUT_Any a
#define NAMED_(kind, op) (kind##op)
#define NAMED(kind, op) NAMED_(kind, op)
#define COMBINE NAMED(C_, OP)

/* Of the input: the kept axes and the reduced ones but the last, which has `inner` elements `inner_step` apart; the
 * innermost first, unused ones of size 1. */
typedef struct folds {
    I64 outputs, rows, inner, inner_step, kept[8], kept_step[8], reduced[8], reduced_step[8];
} folds;

DEVFN I64 offset_of(const I64 *dim, const I64 *step, I64 index)
{
    I64 at = 0;
    for (int i = 0; index > 0; i++) {
        at += index % dim[i] * step[i];
        index /= dim[i];
    }
    return at;
}

/* first: what the fold of nothing is (floats: infinite where it is beyond 2). */
KERNEL void reduce(GLOBAL const T *in, GLOBAL T *out, folds by, I64 first)
{
    LOCAL A part[MOST_ITEMS];
    const I64 count = by.rows * by.inner;
#ifdef FLOATS
    const A start = first > 2 ? M_INF : first < -2 ? -M_INF : (A)first;
#else
    const A start = (A)first;
#endif
    for (I64 o = WGID(0); o < by.outputs; o += NWG(0)) {
        GLOBAL const T *from = in + offset_of(by.kept, by.kept_step, o);
        FOLD_OPEN(sum, start)
        if (LSZ(0) == 1) {
            for (I64 row = 0; row < by.rows; row++) {
                GLOBAL const T *p = from + offset_of(by.reduced, by.reduced_step, row);
                for (I64 i = 0; i < by.inner; i++) {
                    const A x = LOAD(p, i * by.inner_step);
                    FOLD_TAKE(sum, start, NAMED(IN_, OP))
                }
            }
        } else {
            for (I64 i = LID(0); i < count; i += LSZ(0)) {
                const A x = LOAD(from, offset_of(by.reduced, by.reduced_step, i / by.inner) + i % by.inner * by.inner_step);
                FOLD_TAKE(sum, start, NAMED(IN_, OP))
            }
        }
        FOLD_CLOSE(sum, start)
        FOLD_GROUP(sum[4])
        if (LID(0) == 0) {
            const A a = part[0];
            STORE(out, o, NAMED(OUT_, OP));
        }
        BARRIER;
    }
}
#endif

/* ---- Rows of n elements ------------------------------------------------------------------------------- */

#ifdef ROWS
#define EACH_OF_ROW(i) for (I64 i = LID(0); i < n; i += LSZ(0))

/* e^(x - max) / sum, or with is_log x - max - log(sum). */
KERNEL void softmax(GLOBAL const T *in, GLOBAL T *out, I64 rows, I64 n, int is_log)
{
    LOCAL A part[MOST_ITEMS];
    for (I64 row = WGID(0); row < rows; row += NWG(0)) {
        GLOBAL const T *p = in + row * n;
        A top = -M_INF;
        EACH_OF_ROW(i)
        {
            const A x = LOAD(p, i);
            top = top != top || top > x ? top : x;
        }
#define COMBINE a != a || a > x ? a : x
        FOLD_GROUP(top)
        top = part[0];
        BARRIER;
#undef COMBINE
#define COMBINE a + x
        FOLD_OPEN(sums, 0)
        EACH_OF_ROW(i)
        {
            FOLD_TAKE(sums, 0, exp(LOAD(p, i) - top))
        }
        FOLD_CLOSE(sums, 0)
        FOLD_GROUP(sums[4])
        const A sum = part[0];
        BARRIER;
        const A shift = log(sum);
        EACH_OF_ROW(i)
        {
            const A x = LOAD(p, i) - top;
            STORE(out + row * n, i, is_log ? x - shift : exp(x) / sum);
        }
    }
}

/* (x - mean) / sqrt(variance + epsilon) gamma + beta */
KERNEL void layer_norm(GLOBAL const T *in, GLOBAL const T *gamma, GLOBAL const T *beta, GLOBAL T *out, I64 rows, I64 n,
                       float epsilon)
{
    LOCAL A part[MOST_ITEMS];
    for (I64 row = WGID(0); row < rows; row += NWG(0)) {
        GLOBAL const T *p = in + row * n;
        FOLD_OPEN(sum, 0)
        EACH_OF_ROW(i)
        {
            FOLD_TAKE(sum, 0, LOAD(p, i))
        }
        FOLD_CLOSE(sum, 0)
        FOLD_GROUP(sum[4])
        const A mean = part[0] / (A)n;
        BARRIER;
        FOLD_OPEN(squares, 0)
        EACH_OF_ROW(i)
        {
            const A d = LOAD(p, i) - mean;
            FOLD_TAKE(squares, 0, d * d)
        }
        FOLD_CLOSE(squares, 0)
        FOLD_GROUP(squares[4])
        const A scale = 1 / sqrt(part[0] / (A)n + epsilon);
        BARRIER;
        EACH_OF_ROW(i) STORE(out + row * n, i, (LOAD(p, i) - mean) * scale * LOAD(gamma, i) + LOAD(beta, i));
    }
}

/* Rows of n elements: of all channels (plane 1), or of one channel's plane. */
KERNEL void batch_norm(GLOBAL const T *in, GLOBAL const float *scale, GLOBAL const float *offset, GLOBAL const float *mean,
                       GLOBAL const float *variance, GLOBAL T *out, I64 rows, I64 n, I64 channels, int is_plane,
                       float epsilon)
{
    EACH(1, row, rows)
    {
        EACH(0, i, n)
        {
            const I64 c = is_plane ? row % channels : i;
            const float factor = scale[c] / sqrt(variance[c] + epsilon);
            STORE(out, row * n + i, LOAD(in, row * n + i) * factor + (offset[c] - factor * mean[c]));
        }
    }
}
#endif
