/* Fourier transforms over the last one, two or three dimensions: FFT, IFFT, RFFT, IRFFT and their 2D and 3D kin. All
 * in double, whatever the type. The transform itself: fft.c. On a device in the type itself, by signal.cl. */
#include "ops/fft.h"
#include "ops/gpu.h"
#include "ops/move.h"

enum { MOST_AXES = 3 };

/* What an op's name says. */
typedef struct kind {
    int rank;
    bool real, inverse;
} kind;

static kind kind_of(const bt_node *node)
{
    const char *op = node->op;
    kind k = {.inverse = op[0] == 'I'};
    op += k.inverse;
    k.real = op[0] == 'R';
    k.rank = bt_ends(op, "3D") ? 3 : bt_ends(op, "2D") ? 2 : 1;
    return k;
}

/* ---- Shapes ------------------------------------------------------------------------------------------- */

/* A real transform of length n has n / 2 + 1 complex points. */
static berth_status infer_real(bt_infer *x, kind k, const bt_shape *in, bt_shape *out)
{
    int64_t length[MOST_AXES];
    int n = 0;
    berth_status status = bt_infer_arity(x, 2);
    if (status) return status;
    if (x->in[1].shape.rank >= 0 &&
        (x->in[1].shape.rank != 1 || (x->in[1].shape.dim[0] >= 0 && x->in[1].shape.dim[0] != k.rank)))
        return bt_infer_fail(x, "fft_length must be a vector of %d", k.rank);
    bool known = x->in[1].value && bt_ints(x->in[1].value, length, MOST_AXES, &n) && n == k.rank;
    if (x->in[1].value && !known) return bt_infer_fail(x, "fft_length must be a vector of %d", k.rank);
    for (int i = 0; i < k.rank; i++) {
        int at = in->rank - k.rank + i;
        bool last = i == k.rank - 1;
        if (known && length[i] < 0)
            return bt_infer_fail(x, "fft_length[%d] is %lld", i, (long long)length[i]);
        int64_t full = known ? length[i] : -1, half = !known ? -1 : length[i] ? length[i] / 2 + 1 : 0;
        int64_t least = last && k.inverse ? half : full;
        if (in->dim[at] > 0 && in->dim[at] < least)
            return bt_infer_fail(x, "dimension %d must have a length of at least %lld, not %lld", at,
                                 (long long)least, (long long)in->dim[at]);
        out->dim[at] = last && !k.inverse ? half : full;
    }
    return BERTH_OK;
}

static berth_status infer_transform(bt_infer *x)
{
    kind k = kind_of(x->node);
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    const bt_shape *in = &x->in[0].shape;
    berth_dtype complex_type = bt_attr_type(x->node, "Tcomplex", BERTH_COMPLEX64);
    x->out[0].dtype = k.real && k.inverse ? bt_attr_type(x->node, "Treal", BERTH_FLOAT) : complex_type;
    if (in->rank < 0) return BERTH_OK;
    if (in->rank < k.rank)
        return bt_infer_fail(x, "input must have at least %d dimensions, not %d", k.rank, in->rank);
    x->out[0].shape = *in;
    return k.real ? infer_real(x, k, in, &x->out[0].shape) : BERTH_OK;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

typedef struct job {
    kind k;
    berth_dtype from, to;
    const void *in;
    void *out;
    int64_t in_dim[MOST_AXES], out_dim[MOST_AXES],
        dim[MOST_AXES];        /* leading ones are 1; dim: of the points in between */
    int64_t length[MOST_AXES]; /* of the transforms */
    bt_fft fft[MOST_AXES];
    bt_point *memory; /* a thread: the points, a row, and working memory */
    int64_t memory_each, points, row;
} job;

static int64_t volume(const int64_t dim[MOST_AXES]) { return dim[0] * dim[1] * dim[2]; }

static bt_point load(berth_dtype dtype, const void *p, int64_t i)
{
    switch (dtype) {
    case BERTH_FLOAT: return (bt_point){((const float *)p)[i], 0};
    case BERTH_DOUBLE: return (bt_point){((const double *)p)[i], 0};
    case BERTH_COMPLEX64: return (bt_point){((const float *)p)[2 * i], ((const float *)p)[2 * i + 1]};
    default: return ((const bt_point *)p)[i];
    }
}

static void store(berth_dtype dtype, void *p, int64_t i, bt_point v)
{
    switch (dtype) {
    case BERTH_FLOAT: ((float *)p)[i] = (float)v.re; break;
    case BERTH_DOUBLE: ((double *)p)[i] = v.re; break;
    case BERTH_COMPLEX64:
        ((float *)p)[2 * i] = (float)v.re;
        ((float *)p)[2 * i + 1] = (float)v.im;
        break;
    default: ((bt_point *)p)[i] = v;
    }
}

/* Transforms the rows of points along axis a: `near` elements apart. */
static void along(const job *j, bt_point *points, bt_point *row, bt_point *work, int a)
{
    int64_t near = 1, n = j->dim[a], far = volume(j->dim);
    for (int i = a + 1; i < MOST_AXES; i++) near *= j->dim[i];
    if (n == 0 || (n == 1 && j->length[a] == 1)) return;
    for (int64_t at = 0; at < far / n; at++) {
        bt_point *x = points + at / near * near * n + at % near;
        for (int64_t i = 0; i < n; i++) row[i] = x[i * near];
        bt_fft_run(&j->fft[a], row, work, j->k.inverse);
        for (int64_t i = 0; i < n; i++) x[i * near] = row[i];
    }
}

/* Complex rows of half a transform, to real ones or from them. */
static void put_rows(const job *j, const bt_point *points, bt_point *row, bt_point *work, void *out)
{
    int64_t n = j->length[2], half = j->dim[2];
    double scale = 1.0 / (double)volume(j->length);
    for (int64_t r = 0; r < j->dim[0] * j->dim[1]; r++) {
        const bt_point *x = points + r * half;
        row[0] = (bt_point){x[0].re, 0};
        for (int64_t i = 1; i < half; i++) {
            row[n - i] = (bt_point){x[i].re, -x[i].im};
            row[i] = 2 * i == n ? (bt_point){x[i].re, 0} : x[i];
        }
        bt_fft_run(&j->fft[2], row, work, true);
        for (int64_t i = 0; i < n; i++) store(j->to, out, r * n + i, (bt_point){row[i].re * scale, 0});
    }
}

static void take_rows(const job *j, const void *in, bt_point *points, bt_point *row, bt_point *work)
{
    int64_t n = j->length[2], half = j->dim[2];
    for (int64_t a = 0; a < j->dim[0]; a++)
        for (int64_t b = 0; b < j->dim[1]; b++) {
            int64_t from = (a * j->in_dim[1] + b) * j->in_dim[2];
            for (int64_t i = 0; i < n; i++) row[i] = load(j->from, in, from + i);
            bt_fft_run(&j->fft[2], row, work, false);
            memcpy(points + (a * j->dim[1] + b) * half, row, (size_t)half * sizeof *row);
        }
}

static void transform_all(void *user, int64_t first, int64_t end, int worker)
{
    const job *j = user;
    bt_point *points = j->memory + worker * j->memory_each, *row = points + j->points, *work = row + j->row;
    for (int64_t image = first; image < end; image++) {
        const void *in = bt_at_const(j->from, j->in, image * volume(j->in_dim));
        void *out = bt_at(j->to, j->out, image * volume(j->out_dim));
        if (j->k.real && !j->k.inverse) take_rows(j, in, points, row, work);
        else
            for (int64_t i = 0; i < j->points; i++) {
                int64_t x = i % j->dim[2], y = i / j->dim[2] % j->dim[1], z = i / j->dim[2] / j->dim[1];
                points[i] = load(j->from, in, (z * j->in_dim[1] + y) * j->in_dim[2] + x);
            }
        for (int a = 0; a < MOST_AXES - j->k.real; a++) along(j, points, row, work, a);
        if (j->k.real && j->k.inverse) {
            put_rows(j, points, row, work, out);
            continue;
        }
        double scale = j->k.inverse ? 1.0 / (double)volume(j->length) : 1;
        for (int64_t i = 0; i < j->points; i++)
            store(j->to, out, i, (bt_point){points[i].re * scale, points[i].im * scale});
    }
}

/* Memory of the transforms and the threads; false with the error set. */
static berth_status open_job(bt_call *c, job *j)
{
    int64_t work = 0, longest = 0;
    for (int a = 0; a < MOST_AXES; a++) {
        int64_t n = j->length[a], need = bt_fft_memory(n), one = bt_fft_work(n);
        bt_point *own = need < 0 ? NULL : bt_scratch(c, (size_t)(need + 1) * sizeof *own);
        bt_point *first = own ? bt_scratch(c, (size_t)(one + 1) * sizeof *first) : NULL;
        if (!first) return bt_fail_memory(c->error);
        bt_fft_init(&j->fft[a], n, own, first);
        work = one > work ? one : work;
        longest = n > longest ? n : longest;
    }
    j->points = volume(j->dim), j->row = longest;
    j->memory_each = j->points + longest + work + 4;
    j->memory = bt_scratch(c, (size_t)j->memory_each * (size_t)bt_pool_threads(c->pool) * sizeof *j->memory);
    return j->memory ? BERTH_OK : BERTH_NO_MEMORY;
}

/* ---- On a device -------------------------------------------------------------------------------------- */

BT_CL_DECLARE(signal);

/* As in signal.cl. */
typedef struct crop {
    int64_t count, from[MOST_AXES], to[MOST_AXES];
} crop;

/* A transform under way: the points, and where the next pass writes them. */
typedef struct points {
    berth_dtype type, real;
    void *now, *next;
    int64_t images, dim[MOST_AXES];
} points;

static berth_status launch(bt_call *c, const points *p, const char *kernel, int64_t n, const bt_arg *args, int n_args)
{
    char defines[BT_DEFINES];
    bt_grid grid = bt_grid_of(c, n);
    bt_gpu_defines(defines, p->type, p->real, "");
    return bt_gpu_launch(c, BT_CL(signal), defines, kernel, &grid, args, n_args);
}

static bt_arg scale_arg(const points *p, double scale)
{
    return p->real == BERTH_DOUBLE ? (bt_arg){.kind = BT_ARG_DOUBLE, .d = scale} : bt_float((float)scale);
}

static berth_status along_on_gpu(bt_call *c, points *p, int a, bool inverse)
{
    int64_t n = p->dim[a], near = 1, count = p->images * volume(p->dim);
    for (int i = a + 1; i < MOST_AXES; i++) near *= p->dim[i];
    for (int64_t left = n, radix = 4; left > 1;) {
        while (left % radix) radix = radix == 4 ? 2 : radix == 2 ? 3 : radix * radix > left ? left : radix + 2;
        left /= radix;
        bt_arg args[] = {bt_pointer(p->now), bt_pointer(p->next), bt_long(count), bt_long(near), bt_long(radix), bt_long(left), bt_int(inverse)};
        berth_status status = launch(c, p, "fft_pass", count, args, 7);
        void *was = p->now;
        if (status) return status;
        p->now = p->next, p->next = was;
        near *= radix;
    }
    return BERTH_OK;
}

/* The points that are transformed: of a real transform all of a row, of its inverse half of one. */
static berth_status load_on_gpu(bt_call *c, const job *j, points *p)
{
    bool is_real = !bt_dtype_is_complex(j->from);
    crop by = {.count = p->images * volume(p->dim)};
    for (int a = 0; a < MOST_AXES; a++) by.from[a] = j->in_dim[a], by.to[a] = p->dim[a];
    bt_arg args[] = {bt_pointer(j->in), bt_pointer(p->now), bt_bytes(&by, sizeof by), scale_arg(p, 1)};
    return launch(c, p, is_real ? "from_real" : "from_complex", by.count, args, is_real ? 3 : 4);
}

/* The row, of which half is there. */
static berth_status unfold_on_gpu(bt_call *c, const job *j, points *p)
{
    int64_t n = j->length[2], count = p->images * p->dim[0] * p->dim[1] * n;
    bt_arg args[] = {bt_pointer(p->now), bt_pointer(p->next), bt_long(count), bt_long(n)};
    void *was = p->now;
    p->now = p->next, p->next = was, p->dim[2] = n;
    return launch(c, p, "from_half", count, args, 4);
}

static berth_status transform_on_gpu(bt_call *c, const job *j, int64_t images)
{
    bool half = j->k.real && j->k.inverse, real_out = !bt_dtype_is_complex(j->to);
    berth_dtype type = real_out ? j->from : j->to;
    points p = {.type = type, .real = type == BERTH_COMPLEX64 ? BERTH_FLOAT : BERTH_DOUBLE, .images = images};
    int64_t most = images * j->length[0] * j->length[1] * (j->length[2] > j->dim[2] ? j->length[2] : j->dim[2]);
    for (int a = 0; a < MOST_AXES; a++) p.dim[a] = half && a == 2 ? j->dim[2] : j->length[a];
    p.now = bt_scratch(c, (size_t)most * bt_dtype_size(type) + 1);
    p.next = p.now ? bt_scratch(c, (size_t)most * bt_dtype_size(type) + 1) : NULL;
    berth_status status = p.next ? load_on_gpu(c, j, &p) : BERTH_NO_MEMORY;
    for (int a = 0; a < MOST_AXES && !status; a++) {
        if (half && a == 2) status = unfold_on_gpu(c, j, &p);
        if (!status) status = along_on_gpu(c, &p, a, j->k.inverse);
    }
    if (status) return status;
    double scale = j->k.inverse ? 1.0 / (double)volume(j->length) : 1;
    crop by = {.count = images * volume(j->out_dim)};
    for (int a = 0; a < MOST_AXES; a++) by.from[a] = p.dim[a], by.to[a] = j->out_dim[a];
    bt_arg real[] = {bt_pointer(p.now), bt_pointer(j->out), bt_long(by.count), scale_arg(&p, scale)};
    bt_arg whole[] = {bt_pointer(p.now), bt_pointer(j->out), bt_bytes(&by, sizeof by), scale_arg(&p, scale)};
    return real_out ? launch(c, &p, "to_real", by.count, real, 4) : launch(c, &p, "from_complex", by.count, whole, 4);
}

static berth_status run_transform(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    bt_fact fact;
    berth_status status = bt_call_facts(c, &fact);
    if (status) return status;
    job j = {.k = kind_of(c->node), .from = in->dtype, .to = fact.dtype, .in = in->data};
    bool from_real = j.k.real && !j.k.inverse,
         is_real = in->dtype == BERTH_FLOAT || in->dtype == BERTH_DOUBLE;
    if (from_real ? !is_real : !bt_dtype_is_complex(in->dtype))
        return bt_call_unsupported(c, "a transform of %s", bt_dtype_name(in->dtype));
    for (int a = 0; a < MOST_AXES; a++) {
        int at = in->shape.rank - MOST_AXES + a;
        bool inside = a >= MOST_AXES - j.k.rank;
        j.in_dim[a] = inside ? in->shape.dim[at] : 1, j.out_dim[a] = inside ? fact.shape.dim[at] : 1;
        j.length[a] = from_real && a == 2 ? bt_tensor_int(c->in[1], j.k.rank - 1) : j.out_dim[a];
        j.dim[a] = j.k.real && a == 2 ? j.length[a] / 2 + 1 : j.out_dim[a];
    }
    j.out = bt_out(c, 0, fact.dtype, &fact.shape);
    if (!j.out) return BERTH_NO_MEMORY;
    int64_t count = bt_shape_count(&fact.shape);
    if (count == 0) return BERTH_OK;
    if (bt_tensor_count(in) == 0) return bt_call_zero(c, fact.dtype, j.out, count);
    if (bt_on_gpu(c)) return transform_on_gpu(c, &j, count / volume(j.out_dim));
    if ((status = open_job(c, &j))) return status;
    bt_parallel(c->pool, count / volume(j.out_dim), 1 + 2048 / volume(j.length), transform_all, &j);
    return BERTH_OK;
}

#define FFT(op)                                                                              \
    {                                                                                        \
        .name = op, .infer = infer_transform, .cpu = run_transform, .type_attr = "Tcomplex", \
        .types = BT_COMPLEXES, .gpu = run_transform, .gpu_types = BT_COMPLEXES, .host_inputs = 2 \
    }
#define ALL_OF(rank) FFT("FFT" rank), FFT("IFFT" rank), FFT("RFFT" rank), FFT("IRFFT" rank)

const bt_op bt_ops_signal[] = {
    ALL_OF(""),
    ALL_OF("2D"),
    ALL_OF("3D"),
    {0},
};
