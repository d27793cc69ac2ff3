/* The strided copy: axes are merged until they say the least, the innermost contiguous run becomes one unit, and
 * two nested loops over units do the work, blocked where they transpose. Not here: who moves what (concat.c,
 * slice.c, transpose.c and their like). */
#include "ops/move.h"

enum { BLOCK = 16, GRAIN_BYTES = 1 << 16 };

/* The two innermost axes of a plan, 0 the outer. Strides in bytes. */
typedef struct pair {
    int64_t n0, to0, from0;
    int64_t n1, to1, from1;
} pair;

typedef void pair_fn(char *dst, const char *src, const pair *p, size_t unit);

/* ---- Loops over units --------------------------------------------------------------------------------- */

#define PAIR_LOOP(name, size)                                                                   \
    static void name(char *dst, const char *src, const pair *p, size_t unit)                    \
    {                                                                                           \
        (void)unit;                                                                             \
        for (int64_t i = 0; i < p->n0; i++) {                                                   \
            char *d = dst + i * p->to0;                                                         \
            const char *s = src + i * p->from0;                                                 \
            for (int64_t j = 0; j < p->n1; j++, d += p->to1, s += p->from1) memcpy(d, s, size); \
        }                                                                                       \
    }
PAIR_LOOP(copy_units, unit)
PAIR_LOOP(copy_3, 3)
PAIR_LOOP(copy_12, 12)
PAIR_LOOP(copy_16, 16)

/* The sizes of numbers also have a loop that repeats one unit along a row and one that transposes. */
#define PAIR_LOOPS(size, type)                                                              \
    PAIR_LOOP(copy_##size, size)                                                            \
    static void repeat_##size(char *dst, const char *src, const pair *p, size_t unit)       \
    {                                                                                       \
        (void)unit;                                                                         \
        for (int64_t i = 0; i < p->n0; i++) {                                               \
            type value;                                                                     \
            memcpy(&value, src + i * p->from0, size);                                       \
            char *d = dst + i * p->to0;                                                     \
            for (int64_t j = 0; j < p->n1; j++) memcpy(d + j * size, &value, size);         \
        }                                                                                   \
    }                                                                                       \
    static void transpose_part_##size(char *dst, const char *src, const pair *p)            \
    {                                                                                       \
        for (int64_t i = 0; i < p->n0; i++)                                                 \
            for (int64_t j = 0; j < p->n1; j++)                                             \
                memcpy(dst + i * p->to0 + j * size, src + i * size + j * p->from1, size);   \
    }                                                                                       \
    static void transpose_##size(char *dst, const char *src, const pair *p, size_t unit)    \
    {                                                                                       \
        (void)unit;                                                                         \
        transpose_blocks(dst, src, p, size, transpose_block_##size, transpose_part_##size); \
    }

typedef void part_fn(char *dst, const char *src, const pair *p);
typedef void block_fn(char *dst, int64_t to0, const char *src, int64_t from1);

/* Blocks of BLOCK x BLOCK units, so that every cache line that is read is used before it goes. */
static inline void transpose_blocks(char *dst, const char *src, const pair *p, int64_t size, block_fn *block,
                                    part_fn *part)
{
    for (int64_t i = 0; i < p->n0; i += BLOCK)
        for (int64_t j = 0; j < p->n1; j += BLOCK) {
            char *d = dst + i * p->to0 + j * size;
            const char *s = src + i * size + j * p->from1;
            if (i + BLOCK <= p->n0 && j + BLOCK <= p->n1) {
                block(d, p->to0, s, p->from1);
                continue;
            }
            pair edge = *p;
            edge.n0 = p->n0 - i < BLOCK ? p->n0 - i : BLOCK;
            edge.n1 = p->n1 - j < BLOCK ? p->n1 - j : BLOCK;
            part(d, s, &edge);
        }
}

#define PLAIN_BLOCK(size)                                                                      \
    static void transpose_block_##size(char *dst, int64_t to0, const char *src, int64_t from1) \
    {                                                                                          \
        for (int64_t i = 0; i < BLOCK; i++)                                                    \
            for (int64_t j = 0; j < BLOCK; j++)                                                \
                memcpy(dst + i * to0 + j * size, src + j * from1 + i * size, size);            \
    }
PLAIN_BLOCK(1)
PLAIN_BLOCK(2)
PLAIN_BLOCK(8)

typedef uint32_t four __attribute__((vector_size(16)));

/* Of two rows, interleaved: the first halves, the second halves. */
#ifdef __clang__
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#define LOW(a, b) __builtin_shuffle(a, b, (four){0, 4, 1, 5})
#define HIGH(a, b) __builtin_shuffle(a, b, (four){2, 6, 3, 7})
#endif

/* 4 x 4 words at a time: two rounds of interleaving rows. They meet in a buffer, so that each row of src and dst is
 * touched once: with strides of a power of two they all fall into the same few lines of the cache. */
static void transpose_block_4(char *dst, int64_t to0, const char *src, int64_t from1)
{
    four out[BLOCK][BLOCK / 4];
    for (int j = 0; j < BLOCK; j += 4)
        for (int i = 0; i < BLOCK; i += 4) {
            four r[4];
            for (int k = 0; k < 4; k++) memcpy(&r[k], src + (j + k) * from1 + i * 4, 16);
            four a = LOW(r[0], r[2]), b = HIGH(r[0], r[2]);
            four c = LOW(r[1], r[3]), d = HIGH(r[1], r[3]);
            out[i][j / 4] = LOW(a, c), out[i + 1][j / 4] = HIGH(a, c);
            out[i + 2][j / 4] = LOW(b, d), out[i + 3][j / 4] = HIGH(b, d);
        }
    for (int i = 0; i < BLOCK; i++) memcpy(dst + i * to0, out[i], sizeof out[i]);
}

PAIR_LOOPS(1, uint8_t)
PAIR_LOOPS(2, uint16_t)
PAIR_LOOPS(4, uint32_t)
PAIR_LOOPS(8, uint64_t)

static const struct unit_loops {
    size_t unit;
    pair_fn *copy, *repeat, *transpose;
} unit_loops[] = {
    {1, copy_1, repeat_1, transpose_1},
    {2, copy_2, repeat_2, transpose_2},
    {4, copy_4, repeat_4, transpose_4},
    {8, copy_8, repeat_8, transpose_8},
    {3, copy_3, NULL, NULL},
    {12, copy_12, NULL, NULL},
    {16, copy_16, NULL, NULL},
};

/* ---- Planning ----------------------------------------------------------------------------------------- */

typedef struct plan {
    size_t unit; /* bytes in a row at the bottom */
    int rank;
    int64_t dim[BT_MOVE_RANK], to[BT_MOVE_RANK], from[BT_MOVE_RANK]; /* strides in bytes */
    char *dst;
    const char *src;
    pair_fn *loop;
} plan;

static void drop_axis(plan *p, int axis)
{
    p->rank--;
    for (int i = axis; i < p->rank; i++)
        p->dim[i] = p->dim[i + 1], p->to[i] = p->to[i + 1], p->from[i] = p->from[i + 1];
}

bool bt_move_merge(const bt_move *m, bt_move *merged)
{
    bt_move p = {.dtype = m->dtype};
    for (int i = 0; i < m->rank; i++) {
        if (m->dim[i] <= 0) return false;
        if (m->dim[i] == 1) continue;
        int last = p.rank - 1;
        if (last >= 0 && p.to[last] == m->dim[i] * m->to[i] && p.from[last] == m->dim[i] * m->from[i])
            p.dim[last] *= m->dim[i], p.to[last] = m->to[i], p.from[last] = m->from[i];
        else bt_move_axis(&p, m->dim[i], m->to[i], m->from[i]);
    }
    *merged = p;
    return true;
}

/* False when there is nothing to move. */
static bool plan_axes(plan *p, const bt_move *m)
{
    int64_t size = (int64_t)bt_dtype_size(m->dtype);
    bt_move merged;
    if (!bt_move_merge(m, &merged)) return false;
    p->unit = (size_t)size;
    p->rank = merged.rank;
    for (int i = 0; i < p->rank; i++)
        p->dim[i] = merged.dim[i], p->to[i] = merged.to[i] * size, p->from[i] = merged.from[i] * size;
    if (p->rank > 0 && p->to[p->rank - 1] == size && p->from[p->rank - 1] == size)
        p->unit *= (size_t)p->dim[--p->rank];
    return true;
}

/* Chooses the loop, and brings the axis along which src is contiguous next to the innermost when it transposes. */
static void plan_loop(plan *p)
{
    int last = p->rank - 1;
    int64_t unit = (int64_t)p->unit;
    p->loop = copy_units;
    for (size_t k = 0; k < sizeof unit_loops / sizeof *unit_loops; k++) {
        const struct unit_loops *l = &unit_loops[k];
        if (l->unit != p->unit) continue;
        p->loop = l->copy;
        if (last < 0 || p->to[last] != unit || !l->repeat) return;
        if (p->from[last] == 0) {
            p->loop = l->repeat;
            return;
        }
        for (int i = 0; i < last; i++) {
            if (p->from[i] != unit || p->dim[i] < 4 || p->dim[last] < 4) continue;
            int64_t dim = p->dim[i], to = p->to[i];
            drop_axis(p, i);
            p->dim[last] = p->dim[last - 1], p->to[last] = p->to[last - 1], p->from[last] = p->from[last - 1];
            p->dim[last - 1] = dim, p->to[last - 1] = to, p->from[last - 1] = unit;
            p->rank++;
            p->loop = l->transpose;
            return;
        }
    }
}

/* ---- Running ------------------------------------------------------------------------------------------ */

static void copy_bytes(void *user, int64_t begin, int64_t end, int worker)
{
    const plan *p = user;
    (void)worker;
    memcpy(p->dst + begin, p->src + begin, (size_t)(end - begin));
}

/* A range of the innermost axis, of a plan that has no other. */
static void run_line(void *user, int64_t begin, int64_t end, int worker)
{
    const plan *p = user;
    (void)worker;
    pair inner = {1, 0, 0, end - begin, p->to[0], p->from[0]};
    p->loop(p->dst + begin * p->to[0], p->src + begin * p->from[0], &inner, p->unit);
}

/* A range of rows: all axes but the innermost, flattened. */
static void run_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const plan *p = user;
    (void)worker;
    int k = p->rank - 2;
    while (begin < end) {
        int64_t rest = begin / p->dim[k], first = begin % p->dim[k];
        int64_t n = p->dim[k] - first < end - begin ? p->dim[k] - first : end - begin;
        int64_t to = first * p->to[k], from = first * p->from[k];
        for (int i = k - 1; i >= 0; i--) {
            int64_t index = rest % p->dim[i];
            rest /= p->dim[i];
            to += index * p->to[i], from += index * p->from[i];
        }
        pair inner = {n, p->to[k], p->from[k], p->dim[k + 1], p->to[k + 1], p->from[k + 1]};
        p->loop(p->dst + to, p->src + from, &inner, p->unit);
        begin += n;
    }
}

static berth_status run_objects(const plan *p, berth_dtype dtype, berth_error *error)
{
    int64_t n = (int64_t)(p->unit / bt_dtype_size(dtype)), rows = 1;
    for (int i = 0; i < p->rank; i++) rows *= p->dim[i];
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, to = 0, from = 0;
        for (int i = p->rank - 1; i >= 0; i--) {
            int64_t index = rest % p->dim[i];
            rest /= p->dim[i];
            to += index * p->to[i], from += index * p->from[i];
        }
        berth_status status = bt_elements_copy(dtype, p->dst + to, p->src + from, n, error);
        if (status) return status;
    }
    return BERTH_OK;
}

berth_status bt_move_run(const bt_move *m, void *dst, const void *src, bt_pool *pool, berth_error *error)
{
    plan p;
    if (!plan_axes(&p, m)) return BERTH_OK;
    p.dst = dst, p.src = src;
    if (bt_dtype_is_object(m->dtype)) return run_objects(&p, m->dtype, error);
    plan_loop(&p);
    if (p.rank == 0) {
        bt_parallel(pool, (int64_t)p.unit, 4 * GRAIN_BYTES, copy_bytes, &p);
        return BERTH_OK;
    }
    int64_t row_bytes = (int64_t)p.unit;
    if (p.rank == 1) {
        bt_parallel(pool, p.dim[0], GRAIN_BYTES / row_bytes + 1, run_line, &p);
        return BERTH_OK;
    }
    row_bytes *= p.dim[p.rank - 1];
    int64_t rows = 1;
    for (int i = 0; i < p.rank - 1; i++) rows *= p.dim[i];
    bt_parallel(pool, rows, GRAIN_BYTES / row_bytes + 1, run_rows, &p);
    return BERTH_OK;
}

berth_status bt_move_row(berth_dtype dtype, void *dst, const void *src, int64_t n, bt_pool *pool,
                         berth_error *error)
{
    bt_move m = {.dtype = dtype};
    bt_move_axis(&m, n, 1, 1);
    return bt_move_run(&m, dst, src, pool, error);
}

berth_status bt_move_fill(berth_dtype dtype, void *dst, const void *src, int64_t n, bt_pool *pool,
                          berth_error *error)
{
    bt_move m = {.dtype = dtype};
    bt_move_axis(&m, n, 1, 0);
    return bt_move_run(&m, dst, src, pool, error);
}

/* ---- Helps -------------------------------------------------------------------------------------------- */

void bt_strides(const bt_shape *s, int64_t *strides)
{
    int64_t stride = 1;
    for (int i = s->rank - 1; i >= 0; i--) strides[i] = stride, stride *= s->dim[i];
}

bool bt_ints(const bt_tensor *t, int64_t *values, int max, int *n)
{
    if (t->shape.rank > 1 || !bt_dtype_is_int(t->dtype)) return false;
    int64_t count = bt_tensor_count(t);
    if (count < 0 || count > max) return false;
    for (int64_t i = 0; i < count; i++) values[i] = bt_tensor_int(t, i);
    *n = (int)count;
    return true;
}

berth_status bt_infer_arity(bt_infer *x, int n_in)
{
    if (x->n_in >= n_in) return BERTH_OK;
    return bt_infer_fail(x, "takes %d inputs, and has %d", n_in, x->n_in);
}

berth_dtype bt_infer_type(const bt_infer *x, int i)
{
    return i < x->n_in && x->in[i].dtype ? x->in[i].dtype : bt_attr_type(x->node, "T", BERTH_NO_DTYPE);
}

int64_t bt_infer_length(const bt_infer *x, int i)
{
    return x->in[i].shape.rank == 1 ? x->in[i].shape.dim[0] : -1;
}

berth_status bt_infer_axis(bt_infer *x, int i, int rank, int *axis)
{
    int64_t value;
    int n;
    *axis = -1;
    if (!x->in[i].value) return BERTH_OK;
    if (!bt_ints(x->in[i].value, &value, 1, &n) || n != 1)
        return bt_infer_fail(x, "the axis must be one integer");
    if (!bt_axis(value, rank, axis))
        return bt_infer_fail(x, "axis %lld is out of range [%d, %d)", (long long)value, -rank, rank);
    return BERTH_OK;
}

berth_status bt_infer_alike(bt_infer *x, int from, int to)
{
    for (int i = from + 1; i < to; i++)
        if (x->in[i].dtype && x->in[from].dtype && x->in[i].dtype != x->in[from].dtype)
            return bt_infer_fail(x, "inputs %d and %d have types %s and %s", from, i,
                                 bt_dtype_name(x->in[from].dtype), bt_dtype_name(x->in[i].dtype));
    return BERTH_OK;
}

enum { FEW_INPUTS = 8 };

berth_status bt_call_facts(bt_call *c, bt_fact *facts)
{
    bt_fact few[FEW_INPUTS], *in = few;
    if (c->n_in > FEW_INPUTS && !(in = bt_host_scratch(c, (size_t)c->n_in * sizeof *in))) return BERTH_NO_MEMORY;
    for (int i = 0; i < c->n_in; i++) in[i] = (bt_fact){c->in[i]->dtype, c->in[i]->shape, c->in[i]->device ? NULL : c->in[i]};
    for (int i = 0; i < c->n_out; i++) facts[i] = (bt_fact){.shape = BT_SHAPE_UNKNOWN};
    bt_infer x = {c->node, in, c->n_in, facts, c->n_out, INT32_MAX, c->error};
    berth_status status = c->node->def->infer(&x);
    if (status && c->error && c->error->status == BERTH_BAD_MODEL)
        status = c->error->status = BERTH_BAD_INPUT;
    for (int i = 0; !status && i < c->n_out; i++)
        if (!bt_shape_known(&facts[i].shape))
            status = bt_fail(c->error, BERTH_INTERNAL, "output %d has no shape that can be told", i);
    return status;
}

bt_fact *bt_call_facts_many(bt_call *c)
{
    bt_fact *facts = bt_host_scratch(c, ((size_t)c->n_out + 1) * sizeof *facts);
    return facts && !bt_call_facts(c, facts) ? facts : NULL;
}

const int64_t *bt_call_indices(bt_call *c, const bt_tensor *t)
{
    int64_t n = bt_tensor_count(t), *out;
    if (t->dtype == BERTH_INT64) return t->data;
    if (t->dtype != BERTH_INT32 && t->dtype != BERTH_INT16)
        return bt_call_fail(c, "indices of type %s", bt_dtype_name(t->dtype)), NULL;
    if (!(out = bt_host_scratch(c, ((size_t)n + 1) * sizeof *out))) return NULL;
    if (t->dtype == BERTH_INT32)
        for (int64_t i = 0; i < n; i++) out[i] = ((const int32_t *)t->data)[i];
    else
        for (int64_t i = 0; i < n; i++) out[i] = ((const int16_t *)t->data)[i];
    return out;
}

#define TO_FLOATS(type, convert)                                                \
    for (int64_t i = 0; i < n; i++) y[i] = convert(((const type *)t->data)[i]); \
    return y;

const float *bt_call_floats(bt_call *c, const bt_tensor *t)
{
    int64_t n = bt_tensor_count(t);
    if (t->dtype == BERTH_FLOAT) return t->data;
    float *y = bt_scratch(c, ((size_t)n + 1) * sizeof *y);
    if (!y) return NULL;
    switch (t->dtype) {
    case BERTH_DOUBLE: TO_FLOATS(double, (float))
    case BERTH_HALF: TO_FLOATS(uint16_t, bt_half_to_float)
    case BERTH_BFLOAT16: TO_FLOATS(uint16_t, bt_bf16_to_float)
    case BERTH_INT8: TO_FLOATS(int8_t, (float))
    case BERTH_INT16: TO_FLOATS(int16_t, (float))
    case BERTH_INT32: TO_FLOATS(int32_t, (float))
    case BERTH_INT64: TO_FLOATS(int64_t, (float))
    case BERTH_UINT8: TO_FLOATS(uint8_t, (float))
    case BERTH_UINT16: TO_FLOATS(uint16_t, (float))
    case BERTH_UINT32: TO_FLOATS(uint32_t, (float))
    case BERTH_UINT64: TO_FLOATS(uint64_t, (float))
    default: return bt_call_unsupported(c, "numbers of type %s", bt_dtype_name(t->dtype)), NULL;
    }
}

double bt_rounded(berth_dtype dtype, double v)
{
    switch (dtype) {
    case BERTH_FLOAT: return (double)(float)v;
    case BERTH_HALF: return (double)bt_half_to_float(bt_float_to_half((float)v));
    case BERTH_BFLOAT16: return (double)bt_bf16_to_float(bt_float_to_bf16((float)v));
    default: return v;
    }
}

void bt_put_number(berth_dtype dtype, void *p, double v)
{
    switch (dtype) {
    case BERTH_FLOAT: *(float *)p = (float)v; break;
    case BERTH_DOUBLE: *(double *)p = v; break;
    case BERTH_HALF: *(uint16_t *)p = bt_float_to_half((float)v); break;
    case BERTH_BFLOAT16: *(uint16_t *)p = bt_float_to_bf16((float)v); break;
    case BERTH_INT8: *(int8_t *)p = (int8_t)v; break;
    case BERTH_INT16: *(int16_t *)p = (int16_t)v; break;
    case BERTH_INT32: *(int32_t *)p = (int32_t)v; break;
    case BERTH_INT64: *(int64_t *)p = (int64_t)v; break;
    case BERTH_UINT8: *(uint8_t *)p = (uint8_t)v; break;
    case BERTH_UINT16: *(uint16_t *)p = (uint16_t)v; break;
    case BERTH_UINT32: *(uint32_t *)p = (uint32_t)v; break;
    case BERTH_UINT64: *(uint64_t *)p = (uint64_t)v; break;
    case BERTH_COMPLEX64: *(_Complex float *)p = (float)v; break;
    case BERTH_COMPLEX128: *(_Complex double *)p = v; break;
    default: break;
    }
}
