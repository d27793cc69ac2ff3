/* Einsum of one or two tensors. Two: each is brought to [batch, free, contracted] (or [batch, contracted, free]),
 * BatchMatMulV2's own kernel does the product, and the result goes to the order asked for. Copies are made only where
 * the order is not yet so; a constant right side that needs none is packed when the plan is made. On a device all of it is done
 * there. */
#include "ops/elementwise.h"
#include "ops/gpu.h"
#include "ops/move.h"

enum { UNSET = -2, LETTERS = 52, LABELS = LETTERS + BT_MAX_RANK };

/* Labels of a tensor's dimensions: letters, and for those in an ellipsis LETTERS + position from its right. */
typedef struct labels {
    int n;
    int8_t of[BT_MAX_RANK];
} labels;

typedef struct einsum {
    int n_in;
    labels in[2], out;
    int64_t dim[LABELS]; /* -1: unknown */
    /* Sides of the product: side 0 is input `first`. Each list in the order in which the output has the labels, or,
     * for what is summed over, the right side. */
    int first;
    bool plain;                                  /* both sides in the first of their two orders */
    labels batch, free[2], contracted, alone[2]; /* alone: in one input only, and not in the output */
    labels order[2];                             /* what each side is brought to, without `alone` */
    bool adjoint[2];                             /* side 0: [k][m]; side 1: [n][k] */
    labels result;                               /* batch, free 0, free 1 */
} einsum;

static bool has(const labels *l, int label)
{
    for (int i = 0; i < l->n; i++)
        if (l->of[i] == label) return true;
    return false;
}

static bool same(const labels *a, const labels *b)
{
    return a->n == b->n && memcmp(a->of, b->of, (size_t)a->n) == 0;
}

static void add(labels *l, int label) { l->of[l->n++] = (int8_t)label; }

static void append(labels *l, const labels *more)
{
    for (int i = 0; i < more->n; i++) add(l, more->of[i]);
}

/* ---- The equation ------------------------------------------------------------------------------------- */

static int letter(char c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? c - 'A' + 26 : -1;
}

/* One subscript, [p, end), for a tensor of `rank` dimensions, or, rank -1, with an ellipsis of `ellipsis`. */
static bool read_subscript(const char *p, const char *end, int rank, int ellipsis, labels *l)
{
    int letters = 0;
    bool seen = false;
    for (const char *q = p; q < end; q++) letters += letter(*q) >= 0;
    int wide = rank >= 0 ? rank - letters : ellipsis;
    l->n = 0;
    while (p < end) {
        if (letter(*p) >= 0) {
            if (l->n == BT_MAX_RANK) return false;
            add(l, letter(*p++));
        } else if (end - p >= 3 && memcmp(p, "...", 3) == 0 && !seen && wide >= 0 &&
                   l->n + wide <= BT_MAX_RANK) {
            for (int i = wide; i > 0; i--) add(l, LETTERS + i - 1);
            seen = true;
            p += 3;
        } else {
            return false;
        }
    }
    return rank < 0 || l->n == rank;
}

/* Merges the sizes of a tensor's dimensions into those of its labels. Within an ellipsis 1 gives way. */
static berth_status merge_sizes(einsum *e, const labels *l, const bt_shape *shape, berth_error *error)
{
    for (int i = 0; i < l->n; i++) {
        int64_t *dim = &e->dim[l->of[i]], mine = shape->dim[i];
        bool gives_way = l->of[i] >= LETTERS;
        if (*dim == UNSET) *dim = mine;
        else if (gives_way && mine == 1) continue;
        else if (*dim == 0 && mine >= 0) *dim = mine; /* in TensorFlow as well none counts as not known yet */
        else if (mine >= 0 && (*dim < 0 || (gives_way && *dim == 1))) *dim = mine;
        else if (mine < 0 && gives_way && *dim == 1) *dim = -1;
        else if (mine >= 0 && mine != *dim)
            return bt_fail(error, BERTH_BAD_INPUT, "a label stands for %lld and for %lld", (long long)*dim,
                           (long long)mine);
    }
    return BERTH_OK;
}

/* Splits the equation and gives every dimension its label; needs the ranks. */
static berth_status read_equation(const bt_node *node, const bt_shape *const *shapes, int n_in, einsum *e,
                                  berth_error *error)
{
    const char *equation = bt_attr_string(node, "equation", ""), *arrow = strstr(equation, "->"),
               *p = equation;
    int ellipsis = 0;
    *e = (einsum){.n_in = n_in};
    if (!arrow || strstr(arrow + 2, "->"))
        return bt_fail(error, BERTH_BAD_INPUT, "equation '%.100s' has no one arrow", equation);
    if (n_in < 1 || n_in > 2) return bt_fail(error, BERTH_UNSUPPORTED, "an equation of %d tensors", n_in);
    for (int i = 0; i < LABELS; i++) e->dim[i] = UNSET;
    for (int i = 0; i < n_in; i++) {
        const char *end = i + 1 < n_in ? memchr(p, ',', (size_t)(arrow - p)) : arrow;
        if (!end || !read_subscript(p, end, shapes[i]->rank, 0, &e->in[i]))
            return bt_fail(error, BERTH_BAD_INPUT, "equation '%.100s' does not fit input %d of %d dimensions",
                           equation, i, shapes[i]->rank);
        for (int k = 0; k < e->in[i].n; k++)
            if (e->in[i].of[k] >= LETTERS + ellipsis) ellipsis = e->in[i].of[k] - LETTERS + 1;
        p = end + 1;
        berth_status status = merge_sizes(e, &e->in[i], shapes[i], error);
        if (status) return status;
    }
    if (!read_subscript(arrow + 2, equation + strlen(equation), -1, ellipsis, &e->out))
        return bt_fail(error, BERTH_BAD_INPUT, "equation '%.100s' has no output that can be", equation);
    for (int i = 0; i < ellipsis; i++)
        if (!has(&e->out, LETTERS + i))
            return bt_fail(error, BERTH_BAD_INPUT, "the output of '%.100s' lacks the ellipsis", equation);
    for (int i = 0; i < e->out.n; i++)
        if (!has(&e->in[0], e->out.of[i]) && !(n_in > 1 && has(&e->in[1], e->out.of[i])))
            return bt_fail(error, BERTH_BAD_INPUT, "a label of the output of '%.100s' is in no input",
                           equation);
    return BERTH_OK;
}

/* Chooses between [batch, a, b] and [batch, b, a] for a side: what needs no copy, else the first. */
static void choose_order(einsum *e, int side, const labels *a, const labels *b, bool *second)
{
    const labels *in = &e->in[side ^ e->first];
    labels *order = &e->order[side], other;
    *order = e->batch;
    append(order, a), append(order, b);
    other = e->batch;
    append(&other, b), append(&other, a);
    *second = !e->plain && !same(order, in) && same(&other, in);
    if (*second) *order = other;
}

/* Which label plays which part in the product. */
static void sort_labels(einsum *e, bool plain)
{
    e->plain = plain;
    bool two = e->n_in > 1;
    e->first = two && e->out.n > 0 && !has(&e->in[1], e->out.of[e->out.n - 1]);
    const labels *a = &e->in[e->first], *b = two ? &e->in[!e->first] : &(labels){0};
    for (int i = 0; i < e->out.n; i++) {
        int label = e->out.of[i];
        labels *to = !has(b, label) ? &e->free[0] : !has(a, label) ? &e->free[1] : &e->batch;
        if (!has(to, label)) add(to, label);
    }
    for (int i = 0; i < b->n; i++) {
        int label = b->of[i];
        labels *to = has(a, label) ? &e->contracted : &e->alone[1];
        if (!has(&e->out, label) && !has(to, label)) add(to, label);
    }
    for (int i = 0; i < a->n; i++)
        if (!has(&e->out, a->of[i]) && !has(b, a->of[i]) && !has(&e->alone[0], a->of[i]))
            add(&e->alone[0], a->of[i]);
    choose_order(e, 0, &e->free[0], &e->contracted, &e->adjoint[0]);
    choose_order(e, 1, &e->contracted, &e->free[1], &e->adjoint[1]);
    e->result = e->batch;
    append(&e->result, &e->free[0]), append(&e->result, &e->free[1]);
}

static berth_status infer_einsum(bt_infer *x)
{
    einsum e;
    berth_status status = bt_infer_arity(x, 1);
    if (status || (status = bt_infer_alike(x, 0, x->n_in))) return status;
    x->out[0].dtype = bt_infer_type(x, 0);
    const bt_shape *shapes[2] = {&x->in[0].shape, x->n_in > 1 ? &x->in[1].shape : NULL};
    for (int i = 0; i < x->n_in && i < 2; i++)
        if (shapes[i]->rank < 0) return BERTH_OK;
    if ((status = read_equation(x->node, shapes, x->n_in, &e, x->error))) return status;
    x->out[0].shape.rank = e.out.n;
    for (int i = 0; i < e.out.n; i++) x->out[0].shape.dim[i] = e.dim[e.out.of[i]];
    return BERTH_OK;
}

/* ---- Arranging one side ------------------------------------------------------------------------------- */

/* Its own size of a label: 1 where an ellipsis is broadcast. */
static int64_t own_size(const labels *l, const bt_shape *shape, int label)
{
    for (int i = 0; i < l->n; i++)
        if (l->of[i] == label) return shape->dim[i];
    return 1;
}

static int64_t own_count(const labels *l, const bt_shape *shape, const labels *which)
{
    int64_t n = 1;
    for (int i = 0; i < which->n; i++) n *= own_size(l, shape, which->of[i]);
    return n;
}

/* The sum of the strides at which a label stands: a label twice walks the diagonal. */
static int64_t label_stride(const labels *l, const int64_t *strides, int label)
{
    int64_t stride = 0;
    for (int i = 0; i < l->n; i++)
        if (l->of[i] == label) stride += strides[i];
    return stride;
}

#define SUM_ROWS(type, sum, load, store)                                         \
    for (int64_t i = 0; i < rows; i++) {                                         \
        sum s = 0;                                                               \
        for (int64_t k = 0; k < n; k++) s += load(((const type *)x)[i * n + k]); \
        ((type *)y)[i] = store(s);                                               \
    }                                                                            \
    return true;

BT_CL_DECLARE(einsum);

static berth_status sum_rows_on_gpu(bt_call *c, berth_dtype dtype, void *y, const void *x, int64_t rows,
                                    int64_t n)
{
    char defines[BT_DEFINES];
    bt_arg args[] = {bt_pointer(x), bt_pointer(y), bt_long(rows), bt_long(n)};
    bt_grid grid = bt_grid_of(c, rows);
    bt_gpu_defines(defines, dtype, 0, "");
    return bt_gpu_launch(c, BT_CL(einsum), defines, "sum_rows", &grid, args, 4);
}

/* y[i] = sum of x[i][0..n) */
static bool sum_rows(berth_dtype dtype, void *y, const void *x, int64_t rows, int64_t n)
{
    switch (dtype) {
    case BERTH_FLOAT: SUM_ROWS(float, float, , )
    case BERTH_DOUBLE: SUM_ROWS(double, double, , )
    case BERTH_HALF: SUM_ROWS(uint16_t, float, bt_half_to_float, bt_float_to_half)
    case BERTH_BFLOAT16: SUM_ROWS(uint16_t, float, bt_bf16_to_float, bt_float_to_bf16)
    case BERTH_INT8:
    case BERTH_UINT8: SUM_ROWS(uint8_t, uint8_t, , )
    case BERTH_INT16:
    case BERTH_UINT16: SUM_ROWS(uint16_t, uint16_t, , )
    case BERTH_INT32:
    case BERTH_UINT32: SUM_ROWS(uint32_t, uint32_t, , )
    case BERTH_INT64:
    case BERTH_UINT64: SUM_ROWS(uint64_t, uint64_t, , )
    case BERTH_COMPLEX64: SUM_ROWS(_Complex float, _Complex float, , )
    case BERTH_COMPLEX128: SUM_ROWS(_Complex double, _Complex double, , )
    default: return false;
    }
}

/* The elements of a tensor in the order of labels, summed over those in `alone`. NULL with the error set. */
static const void *arrange(bt_call *c, const labels *l, const bt_tensor *t, const labels *order,
                           const labels *alone)
{
    if (same(l, order)) return t->data;
    size_t size = bt_dtype_size(t->dtype);
    int64_t strides[BT_MAX_RANK], rows = own_count(l, &t->shape, order), n = own_count(l, &t->shape, alone);
    labels all = *order;
    append(&all, alone);
    bt_move m = {.dtype = t->dtype, .rank = all.n};
    bt_strides(&t->shape, strides);
    for (int64_t i = all.n - 1, stride = 1; i >= 0; i--) {
        m.dim[i] = own_size(l, &t->shape, all.of[i]), m.to[i] = stride;
        m.from[i] = label_stride(l, strides, all.of[i]);
        stride *= m.dim[i];
    }
    if (bt_dtype_is_object(t->dtype)) return bt_call_unsupported(c, "type %s", bt_dtype_name(t->dtype)), NULL;
    void *work = bt_scratch(c, (size_t)(rows * n) * size + 1), *sums = work;
    if (!work || bt_call_move(c, &m, work, t->data)) return NULL;
    if (alone->n == 0) return work;
    if (!(sums = bt_scratch(c, (size_t)rows * size + 1))) return NULL;
    if (bt_on_gpu(c)) return sum_rows_on_gpu(c, t->dtype, sums, work, rows, n) ? NULL : sums;
    if (!sum_rows(t->dtype, sums, work, rows, n))
        return bt_call_unsupported(c, "sums of %s", bt_dtype_name(t->dtype)), NULL;
    return sums;
}

/* Elements in the order of `from`, into the output in its own: zeros off the diagonal of a label that it has twice. */
static berth_status deliver(bt_call *c, const einsum *e, const bt_shape *shape, void *out, const void *src,
                            const labels *from)
{
    berth_dtype dtype = c->in[0]->dtype;
    int64_t strides[BT_MAX_RANK];
    bt_move m = {.dtype = dtype, .rank = from->n};
    bt_strides(shape, strides);
    for (int64_t i = from->n - 1, stride = 1; i >= 0; i--) {
        m.dim[i] = e->dim[from->of[i]], m.from[i] = stride;
        m.to[i] = label_stride(&e->out, strides, from->of[i]);
        stride *= m.dim[i];
    }
    berth_status status = e->out.n != from->n ? bt_call_zero(c, dtype, out, bt_shape_count(shape)) : BERTH_OK;
    return status ? status : bt_call_move(c, &m, out, src);
}

/* ---- The product -------------------------------------------------------------------------------------- */

/* What prepare leaves: BatchMatMulV2's node and its own state. */
typedef struct product {
    bt_node node;
    bt_attr attrs[3]; /* adj_x, adj_y, _tf32 */
    void *state;
    bool plain;  /* as in einsum: ranks were not known, or BatchMatMulV2 would conjugate */
    bool packed; /* the right side is in there */
} product;

/* A call of BatchMatMulV2 whose output is memory of ours, and whose working memory is the outer call's. */
typedef struct inner_call {
    bt_call *outer;
    void *out;
} inner_call;

static void *inner_out(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape)
{
    const inner_call *inner = (const inner_call *)c->run;
    *c->out[i] = (bt_tensor){.dtype = dtype, .shape = *shape, .data = inner->out};
    return inner->out;
}

static void *inner_scratch(bt_call *c, size_t bytes)
{
    return bt_scratch(((const inner_call *)c->run)->outer, bytes);
}

static const bt_run_host inner_host = {.out = inner_out, .scratch = inner_scratch};

/* Shape of a side for the product: the batch dimensions one by one, since an ellipsis may broadcast. */
static bt_shape side_shape(const einsum *e, int side, const bt_shape *shape)
{
    const labels *l = &e->in[side ^ e->first];
    bt_shape s = {.rank = e->batch.n + 2};
    for (int i = 0; i < e->batch.n; i++) s.dim[i] = own_size(l, shape, e->batch.of[i]);
    int64_t free = own_count(l, shape, &e->free[side]), k = own_count(l, shape, &e->contracted);
    bool free_first = side == 0 ? !e->adjoint[0] : e->adjoint[1];
    s.dim[e->batch.n] = free_first ? free : k;
    s.dim[e->batch.n + 1] = free_first ? k : free;
    return s;
}

/* Batch dimensions beyond what a product takes are one, where nothing is broadcast. */
static berth_status merge_batch(bt_call *c, bt_shape *a, bt_shape *b)
{
    int n = a->rank - 2;
    if (n < 2 || memcmp(a->dim, b->dim, (size_t)n * sizeof *a->dim))
        return a->rank <= BT_MAX_RANK ? BERTH_OK
                                      : bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    for (int i = 1; i < n; i++) a->dim[0] *= a->dim[i];
    b->dim[0] = a->dim[0];
    for (int i = 0; i < 2; i++) a->dim[1 + i] = a->dim[n + i], b->dim[1 + i] = b->dim[n + i];
    a->rank = b->rank = 3;
    return BERTH_OK;
}

static berth_status multiply(bt_call *c, const einsum *e, const void *a, const void *b, void *out)
{
    const product *p = c->state;
    berth_dtype dtype = c->in[0]->dtype;
    bt_tensor sides[2] = {{.dtype = dtype, .data = (void *)a}, {.dtype = dtype, .data = (void *)b}},
              result = {0};
    for (int i = 0; i < 2; i++) sides[i].shape = side_shape(e, i, &c->in[i ^ e->first]->shape);
    berth_status status = merge_batch(c, &sides[0].shape, &sides[1].shape);
    if (status) return status;
    inner_call inner = {c, out};
    bt_call call = *c;
    call.node = &p->node, call.state = p->state;
    call.in = (bt_tensor *[]){&sides[0], &sides[1]}, call.n_in = 2;
    call.out = (bt_tensor *[]){&result}, call.n_out = 1;
    call.last = 0;
    call.run = (struct bt_run *)&inner, call.host = &inner_host;
    return bt_on_gpu(c) ? p->node.def->gpu(&call) : p->node.def->cpu(&call);
}

static berth_status run_einsum(bt_call *c)
{
    const bt_shape *shapes[2] = {&c->in[0]->shape, c->n_in > 1 ? &c->in[1]->shape : NULL};
    const product *p = c->state;
    einsum e;
    berth_status status = read_equation(c->node, shapes, c->n_in, &e, c->error);
    if (status) return status;
    if (c->n_in > 1 && c->in[0]->dtype != c->in[1]->dtype)
        return bt_call_fail(c, "the inputs have different types");
    sort_labels(&e, p->plain);
    bt_shape shape = {.rank = e.out.n};
    for (int i = 0; i < e.out.n; i++) shape.dim[i] = e.dim[e.out.of[i]];
    const void *sides[2] = {NULL, NULL};
    for (int i = 0; i < c->n_in; i++) {
        const bt_tensor *t = c->in[i ^ e.first];
        if (i == 1 && p->packed) continue;
        if (!(sides[i] = arrange(c, &e.in[i ^ e.first], t, &e.order[i], &e.alone[i])))
            return c->error->status;
    }
    void *out = bt_out(c, 0, c->in[0]->dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    if (c->n_in == 1) return deliver(c, &e, &shape, out, sides[0], &e.order[0]);
    bool direct = same(&e.result, &e.out);
    int64_t count = 1;
    for (int i = 0; i < e.result.n; i++) count *= e.dim[e.result.of[i]];
    void *result = direct ? out : bt_scratch(c, (size_t)count * bt_dtype_size(c->in[0]->dtype) + 1);
    if (!result) return BERTH_NO_MEMORY;
    status = multiply(c, &e, sides[0], sides[1], result);
    return status || direct ? status : deliver(c, &e, &shape, out, result, &e.result);
}

/* Lets BatchMatMulV2 pack the right side where it is a constant matrix in the right order. e: NULL if not known. */
static berth_status prepare_product(bt_prepare *p, product *product, const einsum *e, bt_prepare_fn *prepare,
                                    bt_prepare *inner)
{
    int right = e ? 1 ^ e->first : 1;
    const bt_fact *b = &p->in[right];
    bt_tensor *matrix = bt_arena_new(p->arena, bt_tensor);
    bt_fact *facts = bt_arena_array(p->arena, bt_fact, 3);
    if (!matrix || !facts) return bt_fail_memory(p->error);
    inner->in = facts, inner->out = facts + 2;
    for (int i = 0; i < 3; i++) facts[i] = (bt_fact){p->in[0].dtype, BT_SHAPE_UNKNOWN, NULL};
    if (e && b->value && e->batch.n == 0 && same(&e->in[right], &e->order[1])) {
        *matrix = *b->value;
        matrix->shape = side_shape(e, 1, &b->shape);
        facts[1] = (bt_fact){b->dtype, matrix->shape, matrix};
    }
    inner->n_in = 2, inner->n_out = 1, inner->consumed = 0;
    berth_status status = prepare ? prepare(inner) : BERTH_OK;
    product->state = inner->state;
    product->packed = inner->consumed >> 1 & 1;
    if (product->packed) p->consumed |= 1u << right;
    return status;
}

static berth_status prepare_on(bt_prepare *p, bool on_gpu)
{
    einsum e;
    const bt_shape *shapes[2] = {&p->in[0].shape, p->n_in > 1 ? &p->in[1].shape : NULL};
    product *product = bt_arena_new(p->arena, struct product);
    if (!product) return bt_fail_memory(p->error);
    p->state = product;
    if (p->n_in != 2) return BERTH_OK;
    product->plain = shapes[0]->rank < 0 || shapes[1]->rank < 0 || bt_dtype_is_complex(p->in[0].dtype);
    bool known = shapes[0]->rank >= 0 && shapes[1]->rank >= 0;
    berth_status status = known ? read_equation(p->node, shapes, 2, &e, p->error) : BERTH_OK;
    if (status) return status;
    if (known) sort_labels(&e, product->plain);
    else e = (einsum){.plain = true};
    product->node = (bt_node){.name = p->node->name,
                              .op = "BatchMatMulV2",
                              .device = "",
                              .attrs = product->attrs,
                              .n_attrs = 3,
                              .origin = -1,
                              .def = bt_op_find("BatchMatMulV2")};
    for (int i = 0; i < 2; i++)
        product->attrs[i] =
            (bt_attr){.name = i ? "adj_y" : "adj_x", .kind = BT_ATTR_BOOL, .value.b = e.adjoint[i]};
    product->attrs[2] =
        (bt_attr){.name = "_tf32", .kind = BT_ATTR_BOOL, .value.b = bt_attr_bool(p->node, "_tf32", false)};
    if (!product->node.def) return bt_fail(p->error, BERTH_UNSUPPORTED, "this build has no matrix product");
    bt_prepare inner = *p;
    inner.node = &product->node, inner.state = NULL;
    const bt_op *op = product->node.def;
    return prepare_product(p, product, known ? &e : NULL, on_gpu ? op->gpu_prepare : op->prepare, &inner);
}

static berth_status prepare_einsum(bt_prepare *p) { return prepare_on(p, false); }
static berth_status prepare_gpu(bt_prepare *p) { return prepare_on(p, true); }

#define EINSUM(op)                                                                                     \
    {                                                                                                  \
        .name = op, .infer = infer_einsum, .prepare = prepare_einsum, .cpu = run_einsum,               \
        .types = BT_NUMBERS, .gpu = run_einsum, .gpu_prepare = prepare_gpu, .gpu_types = BT_GPU_FLOATS \
    }

const bt_op bt_ops_einsum[] = {
    EINSUM("Einsum"),
    EINSUM("XlaEinsum"),
    {0},
};
