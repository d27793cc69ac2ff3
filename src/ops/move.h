/* Moving elements: the one strided copy behind slicing, padding, tiling, transposing and concatenating, and small
 * helps for the shape functions of such ops. What an op moves is a list of axes, outermost of dst first. */
#ifndef BT_MOVE_H
#define BT_MOVE_H

#include "ops/op.h"

#define BT_MOVE_RANK (2 * BT_MAX_RANK + 2)

/* dst[to . i] = src[from . i] for every index vector i below dim; strides in elements. */
typedef struct bt_move {
    berth_dtype dtype;
    int rank;
    int64_t dim[BT_MOVE_RANK];
    int64_t to[BT_MOVE_RANK];
    int64_t from[BT_MOVE_RANK]; /* 0 repeats, negative goes backwards */
} bt_move;

static inline void bt_move_axis(bt_move *m, int64_t dim, int64_t to, int64_t from)
{
    m->dim[m->rank] = dim, m->to[m->rank] = to, m->from[m->rank] = from;
    m->rank++;
}
/* dst and src point at the elements of index 0; they must not overlap. Elements of object dtypes are copied. */
berth_status bt_move_run(const bt_move *m, void *dst, const void *src, bt_pool *pool, berth_error *error);
/* n elements in a row. */
berth_status bt_move_row(berth_dtype dtype, void *dst, const void *src, int64_t n, bt_pool *pool,
                         berth_error *error);
/* n times the one element at src. */
berth_status bt_move_fill(berth_dtype dtype, void *dst, const void *src, int64_t n, bt_pool *pool,
                          berth_error *error);

/* The same move with as few axes as say it; false when there is nothing to move. */
bool bt_move_merge(const bt_move *m, bt_move *merged);

/* Where the data of a call lies, on the host or on c->device (bt_on_device); value is on the host. What uses these is a
 * cpu function and a gpu function in one. BT_GPU_MOVES: the dtypes that a device moves. */
bool bt_on_device(const bt_call *c);
berth_status bt_call_move(bt_call *c, const bt_move *m, void *dst, const void *src);
berth_status bt_call_repeat(bt_call *c, const bt_move *m, void *dst, const void *value); /* m->from is not looked at */
berth_status bt_call_row(bt_call *c, berth_dtype dtype, void *dst, const void *src, int64_t n);
berth_status bt_call_fill(bt_call *c, berth_dtype dtype, void *dst, const void *value, int64_t n);
berth_status bt_call_zero(bt_call *c, berth_dtype dtype, void *dst, int64_t n); /* leaves objects alone */
#define BT_GPU_MOVES (BT_NUMBERS | BT_T(BERTH_BOOL) | BT_QUANTIZED)

/* Element i of a tensor's bytes. */
static inline void *bt_at(berth_dtype dtype, void *p, int64_t i)
{
    return (char *)p + i * (int64_t)bt_dtype_size(dtype);
}
static inline const void *bt_at_const(berth_dtype dtype, const void *p, int64_t i)
{
    return (const char *)p + i * (int64_t)bt_dtype_size(dtype);
}
/* A number as an element of any dtype; complex: its real part. */
void bt_put_number(berth_dtype dtype, void *p, double v);
/* As a float dtype has it: half, bfloat16 and float round; others leave it. */
double bt_rounded(berth_dtype dtype, double v);
/* Row-major strides in elements. */
void bt_strides(const bt_shape *s, int64_t *strides);
/* The integers of a scalar or vector of at most `max`; false when it is something else. */
bool bt_ints(const bt_tensor *t, int64_t *values, int max, int *n);

/* Fails when the node has fewer inputs than its op takes. */
berth_status bt_infer_arity(bt_infer *x, int n_in);
/* The dtype of input i, or else attribute T. */
berth_dtype bt_infer_type(const bt_infer *x, int i);
/* Number of elements of an input that is a vector; -1 when not known. */
int64_t bt_infer_length(const bt_infer *x, int i);
/* The axis that input i says, for a tensor of this rank; -1 when its value is not known. */
berth_status bt_infer_axis(bt_infer *x, int i, int rank, int *axis);
/* Fails when inputs [from, to) have not all the same dtype, as far as it is known. */
berth_status bt_infer_alike(bt_infer *x, int from, int to);
/* The shape function once more, now that all inputs are there with their values: it checks them, and facts[0..n_out)
 * say what the outputs are. Kernels call it instead of checking a second time in their own words. */
berth_status bt_call_facts(bt_call *c, bt_fact *facts);

/* The axis that input i says, after the shape function has checked it. */
static inline int bt_call_axis(const bt_call *c, int i, int rank)
{
    int64_t axis = bt_tensor_int(c->in[i], 0);
    return (int)(axis < 0 ? axis + rank : axis);
}
/* A tensor on the host of int16, int32 or int64 as int64: its own elements, or a copy in working memory. NULL with the error set. */
const int64_t *bt_call_indices(bt_call *c, const bt_tensor *t);
/* Elements of any real type as float: the tensor's own, or a copy in working memory. NULL with the error set. */
const float *bt_call_floats(bt_call *c, const bt_tensor *t);
/* As bt_call_facts, into working memory; NULL with the error set. */
bt_fact *bt_call_facts_many(bt_call *c);

#endif
