/* Rows folded by groups: reductions over axes, softmax, layer normalisation. One group makes one output (or one row of
 * outputs) at a time; on a CPU a group is one work item. Who calls: reduce.c, softmax.c, norm.c. */

#define MOST_ITEMS 256 /* of a group; a power of two */

/* part[0] becomes the fold of all items' values; `a` and `x`, of type Sum, name the two sides of COMBINE. */
#define FOLD_GROUP(value)                                           \
    part[LID(0)] = value;                                           \
    BARRIER;                                                        \
    for (int half_ = LSZ(0) / 2; half_ > 0; half_ /= 2) {           \
        if (LID(0) < half_) {                                       \
            const Sum a = part[LID(0)], x = part[LID(0) + half_];   \
            part[LID(0)] = COMBINE;                                 \
        }                                                           \
        BARRIER;                                                    \
    }

/* A fold of many elements one after the other: four side by side, as the CPU's, and 4096 at a time, so that the rounding error
 * of a sum does not grow with their number. nothing: what the fold of nothing is; fold[4]: the result. */
#define FOLD_OPEN(fold, nothing)                            \
    Sum fold[5];                                            \
    int fold##_taken = 0;                                   \
    for (int k_ = 0; k_ < 5; k_++) fold[k_] = nothing;
#define FOLD_INTO(to, value)            \
    {                                   \
        const Sum value_ = value;       \
        const Sum a = to, x = value_;   \
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
/* START_: the fold of nothing; IN_: what is folded of an element x; C_: the fold of a and x; OUT_: the output. */
#if IS_COMPLEX(DT)
#include "complex_functions.cl"
#define C_Sum add(a, x)
#define C_Prod mul(a, x)
#define IN_EuclideanNorm mul(x, conj_of(x))
#define OUT_Mean scaled(a, 1 / (R)(count ? count : 1))
#define OUT_EuclideanNorm of(sqrt(a.re), 0)
#define START_Sum of(0, 0)
#define START_Prod of(1, 0)
#else
#define C_Sum a + x
#define C_Prod a * x
#define IN_EuclideanNorm (Sum)x * x
#define START_Sum 0
#define START_Prod 1
#if IS_INT(DT)
#define OUT_Mean count ? a / (Sum)count : 0
#define OUT_EuclideanNorm root((A)a)
#define START_Max LOWEST
#define START_Min HIGHEST
#ifdef HAS_F64
typedef double Root;
#else
typedef float Root;
#endif
/* The root of a wrapped sum; of a negative one, what x86 makes of it. */
DEVFN A root(A sum)
{
    if (sum >= 0) return (A)sqrt((Root)sum);
    return sizeof(A) < 4 ? 0 : LOWEST;
}
#else
#define OUT_Mean a / (Sum)count
#define OUT_EuclideanNorm sqrt(a)
#define START_Max -M_INF
#define START_Min M_INF
#endif
#endif
#define C_Mean C_Sum
#define C_EuclideanNorm C_Sum
#define C_L2Loss C_Sum
#define C_Max a != a || a > x ? a : x
#define C_Min a != a || a < x ? a : x
#define C_All a && x
#define C_Any a || x
#define IN_Sum x
#define IN_Mean x
#define IN_L2Loss x * x
#define IN_Prod x
#define IN_Max x
#define IN_Min x
#define IN_All x
#define IN_Any x
#define OUT_Sum a
#define OUT_L2Loss a / 2
#define OUT_Prod a
#define OUT_Max a
#define OUT_Min a
#define OUT_All a
#define OUT_Any a
#define START_Mean START_Sum
#define START_EuclideanNorm START_Sum
#define START_L2Loss START_Sum
#define START_All 1
#define START_Any 0
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

KERNEL void reduce(GLOBAL const T *in, GLOBAL T *out, folds by)
{
    LOCAL Sum part[MOST_ITEMS];
    const I64 count = by.rows * by.inner;
    for (I64 o = WGID(0); o < by.outputs; o += NWG(0)) {
        GLOBAL const T *from = in + offset_of(by.kept, by.kept_step, o);
        FOLD_OPEN(sum, NAMED(START_, OP))
        if (LSZ(0) == 1) {
            for (I64 row = 0; row < by.rows; row++) {
                GLOBAL const T *p = from + offset_of(by.reduced, by.reduced_step, row);
                for (I64 i = 0; i < by.inner; i++) {
                    const A x = LOAD(p, i * by.inner_step);
                    FOLD_TAKE(sum, NAMED(START_, OP), NAMED(IN_, OP))
                }
            }
        } else {
            for (I64 i = LID(0); i < count; i += LSZ(0)) {
                const A x = LOAD(from, offset_of(by.reduced, by.reduced_step, i / by.inner) + i % by.inner * by.inner_step);
                FOLD_TAKE(sum, NAMED(START_, OP), NAMED(IN_, OP))
            }
        }
        FOLD_CLOSE(sum, NAMED(START_, OP))
        FOLD_GROUP(sum[4])
        if (LID(0) == 0) {
            const Sum a = part[0];
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
    LOCAL Sum part[MOST_ITEMS];
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

/* rows of logits x and of labels, which are `across` apart from element to element and `step` from row to row; with DT1,
 * labels are a class each. loss = sum of label (log(sum e^(x - max)) - (x - max)), gradient = softmax(x) - label. */
typedef struct pair_of_rows {
    I64 rows, n, x_step, x_across, label_step, label_across;
} pair_of_rows;

#ifdef DT1
#define LABELS GLOBAL const T1 *labels
#define LABEL(i) ((i) == class_)
#define CLASS_FAULT , FAULT_ARGS
#else
#define LABELS GLOBAL const T *labels
#define LABEL(i) LOAD(labels, row * by.label_step + (i)*by.label_across)
#define CLASS_FAULT
#endif

KERNEL void cross_entropy(GLOBAL const T *x, LABELS, GLOBAL T *loss, GLOBAL T *gradient, pair_of_rows by CLASS_FAULT)
{
    LOCAL Sum part[MOST_ITEMS];
    const I64 n = by.n;
    for (I64 row = WGID(0); row < by.rows; row += NWG(0)) {
        const I64 from = row * by.x_step;
        Sum top = -M_INF;
#ifdef DT1
        const I64 class_ = LOAD1(labels, row);
        if (class_ < 0 || class_ >= n) FAULT(class_, n, 0);
#endif
        EACH_OF_ROW(i)
        {
            const Sum v = LOAD(x, from + i * by.x_across);
            top = top != top || top > v ? top : v;
        }
#undef COMBINE
#define COMBINE a != a || a > x ? a : x
        FOLD_GROUP(top)
        top = part[0];
        BARRIER;
#undef COMBINE
#define COMBINE a + x
        FOLD_OPEN(sums, 0)
        EACH_OF_ROW(i)
        {
            FOLD_TAKE(sums, 0, exp(LOAD(x, from + i * by.x_across) - top))
        }
        FOLD_CLOSE(sums, 0)
        FOLD_GROUP(sums[4])
        const Sum sum = part[0];
        BARRIER;
        FOLD_OPEN(lost, 0)
        EACH_OF_ROW(i)
        {
            const Sum v = LOAD(x, from + i * by.x_across) - top, label = LABEL(i);
            FOLD_TAKE(lost, 0, label != 0 ? label * (log(sum) - v) : 0)
            STORE(gradient, row * n + i, exp(v) / sum - label);
        }
        FOLD_CLOSE(lost, 0)
        FOLD_GROUP(lost[4])
        if (LID(0) == 0) STORE(loss, row, part[0]);
        BARRIER;
    }
}

/* (x - mean) / sqrt(variance + epsilon) gamma + beta */
KERNEL void layer_norm(GLOBAL const T *in, GLOBAL const T *gamma, GLOBAL const T *beta, GLOBAL T *out, I64 rows, I64 n,
                       float epsilon)
{
    LOCAL Sum part[MOST_ITEMS];
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
