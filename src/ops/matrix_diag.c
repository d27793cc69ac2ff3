/* Diagonals of matrices: putting vectors on them, taking them out, replacing them, and keeping a band. The first
 * three are copies of one diagonal after the other, over all matrices of a batch at once. */
#include "ops/gpu.h"
#include "ops/move.h"

BT_CL_DECLARE(arrange);

/* The diagonals d = lower .. upper of matrices [rows, cols], where d = column - row, kept as rows (uppermost first)
 * of a matrix [upper - lower + 1, length] or as one vector. Shorter ones stand left or right in their row. */
typedef struct band {
    int64_t lower, upper;
    bool known;      /* lower, upper */
    int rank;        /* of what holds the diagonals, without batch: 1 or 2; 0: not known */
    bool left_above; /* those above the main one stand left, */
    bool left_below; /* and those below */
    int64_t rows, cols, length;
} band;

/* k: a scalar, or one or two values; NULL for the main diagonal alone. */
static berth_status read_band(const bt_node *node, const bt_fact *k, band *b, berth_error *error)
{
    const char *align = bt_attr_string(node, "align", bt_ends(node->op, "V3") ? "RIGHT_LEFT" : "LEFT_LEFT");
    int64_t values[2] = {0, 0};
    int n = 1;
    *b = (band){.known = true,
                .rank = 1,
                .left_above = bt_starts(align, "LEFT"),
                .left_below = bt_ends(align, "LEFT")};
    if (!k) return BERTH_OK;
    if (!k->value) {
        b->known = false;
        b->rank = k->shape.rank == 0 || (k->shape.rank == 1 && k->shape.dim[0] == 1) ? 1 : 0;
        return BERTH_OK;
    }
    if (!bt_ints(k->value, values, 2, &n) || n < 1)
        return bt_fail(error, BERTH_BAD_INPUT, "k must be one or two integers");
    if (n == 1) values[1] = values[0];
    if (values[0] > values[1] || values[0] < INT32_MIN || values[1] > INT32_MAX)
        return bt_fail(error, BERTH_BAD_INPUT, "k says diagonals %lld to %lld", (long long)values[0],
                       (long long)values[1]);
    b->lower = values[0], b->upper = values[1];
    b->rank = b->lower == b->upper ? 1 : 2;
    return BERTH_OK;
}

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

/* Length of the longest diagonal; fails when a bound lies outside the matrix. */
static berth_status fit_band(band *b, int64_t rows, int64_t cols, berth_error *error)
{
    b->rows = rows, b->cols = cols;
    if ((b->lower != 0 && (b->lower <= -rows || b->lower >= cols)) ||
        (b->upper != 0 && (b->upper <= -rows || b->upper >= cols)))
        return bt_fail(error, BERTH_BAD_INPUT, "diagonals %lld to %lld of a matrix of %lld by %lld",
                       (long long)b->lower, (long long)b->upper, (long long)rows, (long long)cols);
    b->length = min(rows + min(b->upper, 0), cols - max(b->lower, 0));
    return BERTH_OK;
}

/* Copies the diagonals of `batch` matrices to (into_matrix) or from them. */
static berth_status move_diagonals(bt_call *c, const band *b, berth_dtype dtype, void *dst, const void *src,
                                   int64_t batch, bool into_matrix)
{
    int64_t matrix = b->rows * b->cols, diagonals = (b->upper - b->lower + 1) * b->length;
    for (int64_t d = b->upper; d >= b->lower; d--) {
        int64_t n = min(b->rows + min(d, 0), b->cols - max(d, 0));
        bool left = (d >= 0 && b->left_above) || (d <= 0 && b->left_below);
        int64_t in_matrix = d >= 0 ? d : -d * b->cols,
                in_row = (b->upper - d) * b->length + (left ? 0 : b->length - n);
        bt_move m = {.dtype = dtype};
        bt_move_axis(&m, batch, into_matrix ? matrix : diagonals, into_matrix ? diagonals : matrix);
        bt_move_axis(&m, n, into_matrix ? b->cols + 1 : 1, into_matrix ? 1 : b->cols + 1);
        if (n <= 0 || batch == 0) continue;
        berth_status status =
            bt_call_move(c, &m, bt_at(dtype, dst, into_matrix ? in_matrix : in_row),
                         bt_at_const(dtype, src, into_matrix ? in_row : in_matrix));
        if (status) return status;
    }
    return BERTH_OK;
}

/* The padding value that input i holds, or zero. */
static berth_status fill_padding(bt_call *c, int i, berth_dtype dtype, void *out, int64_t n)
{
    static const uint64_t zero[2];
    return bt_call_fill(c, dtype, out, i < c->n_in ? c->in[i]->data : zero, n);
}

static berth_status check_padding(bt_infer *x, int i)
{
    if (i >= x->n_in) return BERTH_OK;
    if (x->in[i].shape.rank > 0) return bt_infer_fail(x, "the padding value must be a scalar");
    if (x->in[i].dtype && x->in[0].dtype && x->in[i].dtype != x->in[0].dtype)
        return bt_infer_fail(x, "the padding value has another type");
    return BERTH_OK;
}

/* A number of rows or columns: *value stays -1 where it is left open, *known is false where nothing can be told. */
static berth_status read_side(bt_infer *x, int i, int64_t *value, bool *known)
{
    int n;
    if (i >= x->n_in) return BERTH_OK;
    if (!x->in[i].value) *known = false;
    else if (!bt_ints(x->in[i].value, value, 1, &n) || n != 1 || *value < -1)
        return bt_infer_fail(x, "the number of rows or columns must be one integer, or -1");
    return BERTH_OK;
}

/* ---- MatrixDiag --------------------------------------------------------------------------------------- */

/* Rows and columns where they are left open: as few as hold the diagonals. */
static berth_status size_matrix(band *b, int64_t length, int64_t rows, int64_t cols, berth_error *error)
{
    int64_t least_rows = length - min(b->upper, 0), least_cols = length + max(b->lower, 0);
    b->length = length;
    b->rows = rows >= 0 ? rows : cols >= 0 ? least_rows : max(least_rows, least_cols);
    b->cols = cols >= 0 ? cols : rows >= 0 ? least_cols : max(least_rows, least_cols);
    if (b->rows < least_rows || b->cols < least_cols || (b->rows != least_rows && b->cols != least_cols))
        return bt_fail(error, BERTH_BAD_INPUT, "diagonals of length %lld do not fit a matrix of %lld by %lld",
                       (long long)length, (long long)b->rows, (long long)b->cols);
    return BERTH_OK;
}

static berth_status infer_matrix_diag(bt_infer *x)
{
    band b;
    berth_status status = bt_infer_arity(x, 1);
    if (status || (status = check_padding(x, 4)) ||
        (status = read_band(x->node, x->n_in > 1 ? &x->in[1] : NULL, &b, x->error)))
        return status;
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (in->rank < 0 || b.rank == 0) return BERTH_OK;
    if (in->rank < b.rank) return bt_infer_fail(x, "diagonals of %d dimensions", in->rank);
    *out = *in;
    out->rank = in->rank - b.rank + 2;
    if (out->rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    int64_t rows = -1, cols = -1, length = in->dim[in->rank - 1];
    out->dim[out->rank - 2] = out->dim[out->rank - 1] = -1;
    if (b.rank == 2 && in->dim[in->rank - 2] >= 0 && in->dim[in->rank - 2] != b.upper - b.lower + 1)
        return bt_infer_fail(x, "%lld diagonals for k from %lld to %lld", (long long)in->dim[in->rank - 2],
                             (long long)b.lower, (long long)b.upper);
    if ((status = read_side(x, 2, &rows, &b.known)) || (status = read_side(x, 3, &cols, &b.known)))
        return status;
    if (!b.known || length < 0) return BERTH_OK;
    if ((status = size_matrix(&b, length, rows, cols, x->error))) return status;
    out->dim[out->rank - 2] = b.rows, out->dim[out->rank - 1] = b.cols;
    return BERTH_OK;
}

static berth_status run_matrix_diag(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact, k = {0};
    band b;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (c->n_in > 1) k = (bt_fact){c->in[1]->dtype, c->in[1]->shape, c->in[1]};
    if ((status = read_band(c->node, c->n_in > 1 ? &k : NULL, &b, c->error))) return status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    b.length = in->shape.dim[in->shape.rank - 1];
    b.rows = fact.shape.dim[fact.shape.rank - 2], b.cols = fact.shape.dim[fact.shape.rank - 1];
    status = fill_padding(c, 4, in->dtype, out, bt_shape_count(&fact.shape));
    int64_t batch = bt_shape_span(&fact.shape, 0, fact.shape.rank - 2);
    return status ? status : move_diagonals(c, &b, in->dtype, out, in->data, batch, true);
}

/* ---- MatrixDiagPart, MatrixSetDiag -------------------------------------------------------------------- */

/* What holds the diagonals of input 0, as far as it can be told. */
static berth_status infer_diagonals(bt_infer *x, band *b, bt_shape *out)
{
    const bt_shape *in = &x->in[0].shape;
    *out = BT_SHAPE_UNKNOWN;
    if (in->rank >= 0 && in->rank < 2) return bt_infer_fail(x, "a matrix of %d dimensions", in->rank);
    if (in->rank < 0 || b->rank == 0) return BERTH_OK;
    *out = *in;
    out->rank = in->rank - 2 + b->rank;
    int64_t rows = in->dim[in->rank - 2], cols = in->dim[in->rank - 1];
    out->dim[out->rank - 1] = -1;
    if (b->rank == 2) out->dim[out->rank - 2] = b->upper - b->lower + 1;
    if (!b->known || rows < 0 || cols < 0) return BERTH_OK;
    berth_status status = fit_band(b, rows, cols, x->error);
    out->dim[out->rank - 1] = b->length;
    return status;
}

static berth_status infer_matrix_diag_part(bt_infer *x)
{
    band b;
    berth_status status = bt_infer_arity(x, 1);
    if (status || (status = check_padding(x, 2)) ||
        (status = read_band(x->node, x->n_in > 1 ? &x->in[1] : NULL, &b, x->error)))
        return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    return infer_diagonals(x, &b, &x->out[0].shape);
}

/* The band that input i says (or the main diagonal) of the matrices of input 0. */
static berth_status band_of_call(bt_call *c, int i, band *b)
{
    const bt_shape *in = &c->in[0]->shape;
    bt_fact k = {0};
    if (i < c->n_in) k = (bt_fact){c->in[i]->dtype, c->in[i]->shape, c->in[i]};
    berth_status status = read_band(c->node, i < c->n_in ? &k : NULL, b, c->error);
    return status ? status : fit_band(b, in->dim[in->rank - 2], in->dim[in->rank - 1], c->error);
}

static berth_status run_matrix_diag_part(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    band b;
    berth_status status = bt_call_facts(c, &fact);
    if (status || (status = band_of_call(c, 1, &b))) return status;
    void *out = bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return BERTH_NO_MEMORY;
    if (b.lower != b.upper) status = fill_padding(c, 2, in->dtype, out, bt_shape_count(&fact.shape));
    int64_t batch = bt_shape_span(&in->shape, 0, in->shape.rank - 2);
    return status ? status : move_diagonals(c, &b, in->dtype, out, in->data, batch, false);
}

static berth_status infer_matrix_set_diag(bt_infer *x)
{
    band b;
    bt_shape want;
    char have[BT_SHAPE_TEXT], wanted[BT_SHAPE_TEXT];
    berth_status status = bt_infer_arity(x, 2);
    if (status || (status = bt_infer_alike(x, 0, 2)) || (status = bt_infer_same(x)) ||
        (status = read_band(x->node, x->n_in > 2 ? &x->in[2] : NULL, &b, x->error)) ||
        (status = infer_diagonals(x, &b, &want)))
        return status;
    if (!bt_shape_compatible(&want, &x->in[1].shape))
        return bt_infer_fail(x, "diagonals of shape %s, and not %s", bt_shape_text(&x->in[1].shape, have),
                             bt_shape_text(&want, wanted));
    return BERTH_OK;
}

static berth_status run_matrix_set_diag(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    band b;
    berth_status status = bt_call_facts(c, &fact);
    if (status || (status = band_of_call(c, 2, &b))) return status;
    void *out = bt_out(c, 0, in->dtype, &in->shape);
    if (!out) return BERTH_NO_MEMORY;
    status = bt_call_row(c, in->dtype, out, in->data, bt_tensor_count(in));
    int64_t batch = bt_shape_span(&in->shape, 0, in->shape.rank - 2);
    return status ? status : move_diagonals(c, &b, in->dtype, out, c->in[1]->data, batch, true);
}

/* ---- MatrixBandPart ----------------------------------------------------------------------------------- */

typedef struct band_part {
    char *out;
    const char *in;
    int64_t rows, cols, lower, upper; /* diagonals -lower .. upper stay; negative: all on that side */
    int64_t size;
} band_part;

static berth_status infer_band_part(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (!status && x->in[0].shape.rank >= 0 && x->in[0].shape.rank < 2)
        return bt_infer_fail(x, "a matrix of %d dimensions", x->in[0].shape.rank);
    return status ? status : bt_infer_same(x);
}

static void keep_band(void *user, int64_t begin, int64_t end, int worker)
{
    const band_part *p = user;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        int64_t i = r % p->rows, cols = p->cols, size = p->size;
        int64_t first = p->lower < 0 ? 0 : min(max(i - p->lower, 0), cols);
        int64_t last = p->upper < 0 ? cols : max(min(i + p->upper + 1, cols), first);
        char *y = p->out + r * cols * size;
        memset(y, 0, (size_t)(first * size));
        memcpy(y + first * size, p->in + (r * cols + first) * size, (size_t)((last - first) * size));
        memset(y + last * size, 0, (size_t)((cols - last) * size));
    }
}

static berth_status keep_band_on_gpu(bt_call *c, const band_part *p, int64_t n)
{
    char defines[BT_DEFINES];
    bt_arg args[] = {bt_pointer(p->in), bt_pointer(p->out), bt_long(n),       bt_long(p->rows),
                     bt_long(p->cols),  bt_long(p->lower),  bt_long(p->upper)};
    bt_grid grid = bt_grid_rows(c, p->cols, n);
    bt_gpu_defines(defines, bt_gpu_unit(c->in[0]->dtype), 0, "");
    return bt_gpu_launch(c, BT_CL(arrange), defines, "keep_band", &grid, args, 7);
}

static berth_status run_band_part(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    if (bt_dtype_is_object(in->dtype) || c->in[1]->shape.rank != 0 || c->in[2]->shape.rank != 0)
        return bt_call_fail(c, "takes a matrix of numbers and two scalars");
    band_part p = {.in = in->data, .size = (int64_t)bt_dtype_size(in->dtype)};
    p.rows = in->shape.dim[in->shape.rank - 2], p.cols = in->shape.dim[in->shape.rank - 1];
    p.lower = bt_tensor_int(c->in[1], 0), p.upper = bt_tensor_int(c->in[2], 0);
    if (p.lower > p.rows || p.upper > p.cols)
        return bt_call_fail(c, "num_lower %lld or num_upper %lld is beyond the matrix", (long long)p.lower,
                            (long long)p.upper);
    if (!(p.out = bt_out(c, 0, in->dtype, &in->shape))) return BERTH_NO_MEMORY;
    int64_t n = bt_shape_span(&in->shape, 0, in->shape.rank - 1);
    if (p.cols == 0 || n == 0) return BERTH_OK;
    if (bt_on_device(c)) return keep_band_on_gpu(c, &p, n);
    bt_parallel(c->pool, n, 65536 / (p.cols * p.size) + 1, keep_band, &p);
    return BERTH_OK;
}

/* ---- Diag, DiagPart: tensors of any rank as vectors, [d..., d...] as a matrix ------------------------- */

static berth_status infer_diag(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    const bt_shape *in = &x->in[0].shape;
    bt_shape *out = &x->out[0].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (status || in->rank < 0) return status;
    if (in->rank < 1) return bt_infer_fail(x, "a scalar has no diagonal");
    if (2 * in->rank > BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    out->rank = 2 * in->rank;
    for (int i = 0; i < out->rank; i++) out->dim[i] = in->dim[i % in->rank];
    return BERTH_OK;
}

static berth_status run_diag(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    void *out = status ? NULL : bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    int64_t n = bt_tensor_count(in);
    band b = {.rows = n, .cols = n, .length = n, .left_above = true};
    status = fill_padding(c, c->n_in, in->dtype, out, n * n);
    return status ? status : move_diagonals(c, &b, in->dtype, out, in->data, 1, true);
}

static berth_status infer_diag_part(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    const bt_shape *in = &x->in[0].shape;
    x->out[0].dtype = bt_infer_type(x, 0);
    if (status || in->rank < 0) return status;
    bt_shape half = bt_shape_from(in->rank / 2, in->dim),
             other = bt_shape_from(in->rank / 2, in->dim + in->rank / 2);
    if (in->rank == 0 || in->rank % 2 || !bt_shape_merge(&half, &other))
        return bt_infer_fail(x, "the first half of the dimensions must be like the second");
    x->out[0].shape = half;
    return BERTH_OK;
}

static berth_status run_diag_part(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    void *out = status ? NULL : bt_out(c, 0, in->dtype, &fact.shape);
    if (!out) return status ? status : BERTH_NO_MEMORY;
    int64_t n = bt_shape_count(&fact.shape);
    band b = {.rows = n, .cols = n, .length = n, .left_above = true};
    return move_diagonals(c, &b, in->dtype, out, in->data, 1, false);
}

#define MATRIX(op, what, on_host)                                                                              \
    {                                                                                                          \
        .name = op, .infer = infer_##what, .cpu = run_##what, .gpu = run_##what, .gpu_types = BT_GPU_MOVES,    \
        .host_inputs = on_host                                                                                 \
    }

const bt_op bt_ops_matrix_diag[] = {
    MATRIX("MatrixDiag", matrix_diag, 0),
    MATRIX("MatrixDiagV2", matrix_diag, 30),
    MATRIX("MatrixDiagV3", matrix_diag, 30),
    MATRIX("BatchMatrixDiag", matrix_diag, 0),
    MATRIX("MatrixDiagPart", matrix_diag_part, 0),
    MATRIX("MatrixDiagPartV2", matrix_diag_part, 6),
    MATRIX("MatrixDiagPartV3", matrix_diag_part, 6),
    MATRIX("BatchMatrixDiagPart", matrix_diag_part, 0),
    MATRIX("MatrixSetDiag", matrix_set_diag, 0),
    MATRIX("MatrixSetDiagV2", matrix_set_diag, 4),
    MATRIX("MatrixSetDiagV3", matrix_set_diag, 4),
    MATRIX("BatchMatrixSetDiag", matrix_set_diag, 0),
    MATRIX("MatrixBandPart", band_part, 6),
    MATRIX("BatchMatrixBandPart", band_part, 6),
    MATRIX("Diag", diag, 0),
    MATRIX("DiagPart", diag_part, 0),
    {0},
};
