/* Keras: operations on matrices: products of any axes, norms, diagonals. To read next:
 * keras_operation_linalg.c. */
#include "format/keras_operation.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

static btk_tensor first(btk_call *c) { return btk_operand(c, 0, "x|x1|a|input|tensor", BERTH_NO_DTYPE); }

static btk_tensor first_float(btk_call *c) { return btk_as_float(c->k, first(c)); }

/* ---- Products ----------------------------------------------------------------------------------------- */

enum { MAX_TERM = 24 };

/* The same where a letter stands twice: the diagonal of its two axes. */
static btk_tensor on_diagonals(btk *k, const char *in, const char *out, btk_tensor x)
{
    bt_shape shape = {.rank = 0};
    char *equation = bt_arena_print(k->arena, "%s->%s", in, out);
    for (const char *p = out; *p && shape.rank < BT_MAX_RANK; p++) {
        const char *at = strchr(in, *p);
        if (!at) return btk_damaged(k, "an equation that does not fit its operands"), x;
        shape.dim[shape.rank++] = btk_dim(x, (int)(at - in));
    }
    if (!equation) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), x;
    btk_tensor y = btk_node(k, "Einsum", 1, &x, x.dtype, shape);
    btk_attr_int(k, y, "N", 1);
    btk_attr_text(k, y, "equation", equation);
    return y;
}

/* The letters of a term in another order or number: sums over those that are not in `out`. One tensor. */
static btk_tensor rearranged(btk *k, const char *in, const char *out, btk_tensor x)
{
    int perm[BT_MAX_RANK], n = 0;
    uint32_t gone = 0;
    char kept[MAX_TERM + 1];
    if (x.shape.rank != (int)strlen(in))
        return btk_damaged(k, "an equation that does not fit its operands"), x;
    for (int i = 0; in[i]; i++) {
        if (strchr(in + i + 1, in[i])) return on_diagonals(k, in, out, x);
        if (!strchr(out, in[i])) gone |= 1u << i;
        else kept[n++] = in[i];
    }
    kept[n] = '\0';
    if (gone) x = btk_reduce(k, "Sum", x, gone, false);
    if (n != (int)strlen(out) || k->failed)
        return btk_damaged(k, "an equation that does not fit its operands"), x;
    for (int i = 0; i < n; i++) perm[i] = (int)(strchr(kept, out[i]) - kept);
    return strcmp(kept, out) ? btk_transpose(k, x, perm) : x;
}

/* "..." in a term becomes capitals, one an axis, counted from the last. */
static bool spell_out(char *term, int rank)
{
    char *dots = strstr(term, "..."), text[MAX_TERM + BT_MAX_RANK + 1];
    int n = dots ? rank - (int)strlen(term) + 3 : 0, to = 0;
    if (!dots) return true;
    if (n < 0 || strlen(term) + (size_t)n > MAX_TERM) return false;
    for (const char *p = term; p < dots; p++) text[to++] = *p;
    for (int i = n; i > 0; i--) text[to++] = (char)('A' + i - 1);
    for (const char *p = dots + 3; *p; p++) text[to++] = *p;
    text[to] = '\0';
    memcpy(term, text, (size_t)to + 1);
    return true;
}

typedef struct equation {
    char in[8][MAX_TERM + 1], out[MAX_TERM + 1];
    int n;
} equation;

static bool parse_equation(const char *text, equation *e)
{
    int to = 0;
    char *term = e->in[e->n++];
    bool has_out = false;
    for (; *text; text++) {
        if (isspace((unsigned char)*text)) continue;
        bool arrow = text[0] == '-' && text[1] == '>';
        if (!arrow && *text != ',') {
            if (to >= MAX_TERM || !(isalpha((unsigned char)*text) || *text == '.')) return false;
            term[to++] = *text;
            continue;
        }
        if (has_out || (!arrow && e->n == 8)) return false;
        has_out = arrow;
        term = arrow ? e->out : e->in[e->n++];
        to = 0;
        text += arrow;
    }
    if (has_out) return true;
    char *out = e->out; /* without an arrow: the letters that stand once, in the alphabet's order */
    for (char l = 'A'; l <= 'z'; l++) {
        int times = 0;
        for (int i = 0; i < e->n; i++)
            for (const char *p = e->in[i]; *p; p++) times += *p == l;
        if (isalpha((unsigned char)l) && times == 1 && out - e->out < MAX_TERM) *out++ = l;
    }
    return true;
}

/* The operands, two at a time: what neither a later one nor the result has is summed at once. */
static btk_tensor contracted(btk *k, equation *e, btk_tensor *x)
{
    int widest = 0;
    for (int i = 0; i < e->n; i++) {
        char *dots = strstr(e->in[i], "...");
        int open = dots ? x[i].shape.rank - (int)strlen(e->in[i]) + 3 : 0;
        widest = open > widest ? open : widest;
        if (!spell_out(e->in[i], x[i].shape.rank))
            return btk_damaged(k, "an equation that does not fit its operands"), *x;
    }
    if (!spell_out(e->out, (int)strlen(e->out) - 3 + widest))
        return btk_unsupported(k, "so long an equation"), *x;
    for (int i = 1; i < e->n && !k->failed; i++) {
        char text[3 * MAX_TERM + 8], kept[MAX_TERM + 1];
        int n = 0;
        for (int side = 0; side < 2; side++)
            for (const char *p = e->in [side ? i : 0]; *p && n < MAX_TERM; p++) {
                bool wanted = strchr(e->out, *p) != NULL;
                for (int later = i + 1; later < e->n; later++) wanted |= strchr(e->in[later], *p) != NULL;
                kept[n] = '\0';
                if (wanted && !strchr(kept, *p)) kept[n++] = *p;
            }
        kept[n] = '\0';
        bool last = i == e->n - 1 && strlen(e->out) == (size_t)n;
        snprintf(text, sizeof text, "%s,%s->%s", e->in[0], e->in[i], last ? e->out : kept);
        x[0] = btk_einsum(k, text, x[0], btk_cast(k, x[i], x[0].dtype));
        memcpy(e->in[0], last ? e->out : kept, sizeof kept);
    }
    return k->failed ? x[0] : rearranged(k, e->in[0], e->out, x[0]);
}

static void einsum(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x[8];
    equation e = {.n = 0};
    int n = 0;
    const char *text = bt_json_text(btk_operand_json(c, -1, "subscripts|equation"), NULL);
    for (int i = 0; i < c->n_args; i++) {
        const btk_value *v = &c->args[i];
        if (v->kind == BTK_JSON && bt_json_is(v->json, BT_JSON_STRING) && !text) text = v->json->s.p;
        for (int j = 0; v->kind == BTK_LIST && j < v->n; j++)
            if (v->items[j].kind == BTK_TENSOR && n++ < 8) x[n - 1] = v->items[j].tensor;
        if (v->kind == BTK_TENSOR && n++ < 8) x[n - 1] = v->tensor;
    }
    if (!text || n < 1 || n > 8 || !parse_equation(text, &e) || e.n != n)
        return btk_unsupported(c->k, "an einsum of %d operands, '%.40s'", n, text ? text : "");
    btk_return(c, contracted(c->k, &e, x));
}

/* Sums over axes a of x and b of y: what is left of x, then of y. */
static btk_tensor tensordot(btk *k, btk_tensor x, btk_tensor y, int n, const int *a, const int *b)
{
    char text[64], in_x[BT_MAX_RANK + 1] = {0}, in_y[BT_MAX_RANK + 1] = {0}, out[2 * BT_MAX_RANK + 1];
    int to = 0;
    for (int i = 0; i < x.shape.rank; i++) in_x[i] = (char)('a' + i);
    for (int i = 0; i < y.shape.rank; i++) in_y[i] = (char)('n' + i);
    for (int i = 0; i < n; i++) {
        if (a[i] < 0 || b[i] < 0 || a[i] >= x.shape.rank || b[i] >= y.shape.rank)
            return btk_damaged(k, "axes beyond the rank of the inputs"), x;
        in_y[b[i]] = in_x[a[i]];
    }
    for (int i = 0; i < x.shape.rank; i++)
        if (!strchr(in_y, in_x[i])) out[to++] = in_x[i];
    for (int i = 0; i < y.shape.rank; i++)
        if (!strchr(in_x, in_y[i])) out[to++] = in_y[i];
    out[to] = '\0';
    if (to > BT_MAX_RANK) return btk_unsupported(k, "a product of rank %d", to), x;
    snprintf(text, sizeof text, "%s,%s->%s", in_x, in_y, out);
    return btk_einsum(k, text, x, y);
}

static void tensor_dot(btk_call *c, const char *detail)
{
    (void)detail;
    btk_tensor x, y;
    btk_operands(c, &x, &y);
    const bt_json *j = btk_operand_json(c, 2, "axes");
    int a[BT_MAX_RANK], b[BT_MAX_RANK], n = 0;
    if (bt_json_is(j, BT_JSON_ARRAY)) {
        const bt_json *left = bt_json_at(j, 0), *right = bt_json_at(j, 1);
        bool lists = bt_json_is(left, BT_JSON_ARRAY) && bt_json_is(right, BT_JSON_ARRAY);
        n = lists ? left->n : 1;
        if (n > BT_MAX_RANK || (lists && right->n != n)) return btk_damaged(c->k, "axes that do not pair");
        for (int i = 0; i < n; i++) {
            a[i] = (int)bt_json_int(lists ? bt_json_at(left, i) : left, BT_MAX_RANK);
            b[i] = (int)bt_json_int(lists ? bt_json_at(right, i) : right, BT_MAX_RANK);
            if (a[i] < 0) a[i] += x.shape.rank;
            if (b[i] < 0) b[i] += y.shape.rank;
        }
    } else {
        n = (int)bt_json_int(j, 2);
        if (n < 0 || n > x.shape.rank || n > y.shape.rank) return btk_damaged(c->k, "axes that do not pair");
        for (int i = 0; i < n; i++) a[i] = x.shape.rank - n + i, b[i] = i;
    }
    btk_return(c, tensordot(c->k, x, y, n, a, b));
}

/* numpy's dot: over the last axis of a and the last but one of b; inner: over both last ones. */
static void dot(btk_call *c, const char *inner)
{
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    int ra = a.shape.rank, rb = b.shape.rank;
    if (!ra || !rb) return btk_return(c, btk_binary(c->k, "Mul", a, b));
    if (!inner && rb <= 2) return btk_matmul_operation(c, NULL);
    btk_return(c, tensordot(c->k, a, b, 1, (int[]){ra - 1}, (int[]){inner || rb == 1 ? rb - 1 : rb - 2}));
}

/* detail: "outer", or the sum of all products. */
static void flat_product(btk_call *c, const char *outer)
{
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    a = btk_flat(k, a), b = btk_flat(k, b);
    if (outer) return btk_return(c, btk_binary(k, "Mul", btk_expand(k, a, 1), btk_expand(k, b, 0)));
    btk_return(c, btk_reduce(k, "Sum", btk_binary(k, "Mul", a, b), 1, false));
}

static void cross(btk_call *c, const char *op)
{
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    if (btk_dim(a, -1) != 3 || btk_dim(b, -1) != 3)
        return btk_unsupported(c->k, "a cross product but of 3 and 3");
    a = btk_binary(c->k, "AddV2", a, btk_unary(c->k, "ZerosLike", b));
    b = btk_binary(c->k, "AddV2", b, btk_unary(c->k, "ZerosLike", a));
    btk_return(c, btk_node(c->k, op, 2, (btk_tensor[]){a, b}, a.dtype, a.shape));
}

/* ---- Norms -------------------------------------------------------------------------------------------- */

/* Of vectors: order 0 is the number of what is not zero. */
static btk_tensor norm_of(btk *k, btk_tensor x, double order, uint32_t axes, bool keep)
{
    btk_tensor size = btk_unary(k, "Abs", x);
    if (order == 2) return btk_unary(k, "Sqrt", btk_reduce(k, "Sum", btk_unary(k, "Square", x), axes, keep));
    if (isinf(order)) return btk_reduce(k, order > 0 ? "Max" : "Min", size, axes, keep);
    if (order == 1) return btk_reduce(k, "Sum", size, axes, keep);
    if (order == 0)
        return btk_reduce(k, "Sum",
                          btk_cast(k, btk_compare(k, "NotEqual", x, btk_number(k, x.dtype, 0)), x.dtype),
                          axes, keep);
    btk_tensor sum =
        btk_reduce(k, "Sum", btk_binary(k, "Pow", size, btk_number(k, x.dtype, order)), axes, keep);
    return btk_binary(k, "Pow", sum, btk_number(k, x.dtype, 1 / order));
}

/* A number, or a word of Keras or JSON for one; NAN: something else. */
static double order_of(const bt_json *j)
{
    if (!j || bt_json_is_text(j, "euclidean") || bt_json_is_text(j, "fro")) return 2;
    if (bt_json_is_text(j, "inf") || bt_json_is_text(j, "Infinity")) return INFINITY;
    if (bt_json_is_text(j, "-inf") || bt_json_is_text(j, "-Infinity")) return -INFINITY;
    return bt_json_is_number(j) ? bt_json_double(j, NAN) : NAN;
}

/* The two axes of matrices in the order in which they are named: rows, columns. */
static bool matrix_axes(btk_call *c, btk_tensor x, int *rows, int *columns)
{
    const bt_json *j = btk_operand_json(c, 2, "axis");
    int64_t axis[2] = {0, 1};
    for (int i = 0; i < 2 && j; i++) axis[i] = bt_json_int(bt_json_at(j, i), 0);
    *rows = (int)(axis[0] < 0 ? axis[0] + x.shape.rank : axis[0]);
    *columns = (int)(axis[1] < 0 ? axis[1] + x.shape.rank : axis[1]);
    return *rows != *columns;
}

/* Of order 1 the largest sum of a column, of an infinite one that of a row; of 2 the largest singular value, "nuc": their sum. */
static void matrix_norm(btk_call *c, btk_tensor x, double order, bool nuclear, bool keep)
{
    btk *k = c->k;
    int rows, columns;
    btk_tensor y;
    if (k->failed || !matrix_axes(c, x, &rows, &columns)) return btk_damaged(k, "axes that are one");
    if (!nuclear && (isinf(order) || fabs(order) == 1)) {
        y = btk_reduce(k, "Sum", btk_unary(k, "Abs", x), 1u << (isinf(order) ? columns : rows), true);
        y = btk_reduce(k, order < 0 ? "Min" : "Max", y, 1u << (isinf(order) ? rows : columns), true);
    } else if (nuclear || fabs(order) == 2) {
        int perm[BT_MAX_RANK], n = 0;
        for (int i = 0; i < x.shape.rank; i++)
            if (i != rows && i != columns) perm[n++] = i;
        perm[n] = rows, perm[n + 1] = columns;
        y = btk_singular_values(k, btk_transpose(k, x, perm));
        y = btk_reduce(k, nuclear ? "Sum" : order < 0 ? "Min" : "Max", y, btk_last_axis(y), false);
        y = btk_expand(k, y, rows < columns ? rows : columns);
        y = btk_expand(k, y, rows < columns ? columns : rows);
    } else {
        return btk_unsupported(k, "such a norm of matrices");
    }
    for (int i = x.shape.rank - 1; i >= 0 && !keep && !k->failed; i--)
        if (i == rows || i == columns) y = btk_squeeze(k, y, i);
    btk_return(c, y);
}

static void norm(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c);
    const bt_json *ord = btk_operand_json(c, 1, "ord");
    bool nuclear = bt_json_is_text(ord, "nuc"),
         keep = bt_json_bool(btk_operand_json(c, -1, "keepdims|keep_dims"), false);
    double order = order_of(ord);
    uint32_t axes = btk_operand_axes(c, x, 2);
    if (__builtin_popcount(axes) == 2 && ord && !bt_json_is_text(ord, "fro"))
        return matrix_norm(c, x, order, nuclear, keep);
    if (isnan(order)) return btk_unsupported(k, "such a norm");
    btk_return(c, norm_of(k, x, order, axes, keep));
}

/* x / max(norm, epsilon); of the second order by a reciprocal root. */
static void normalize(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c);
    double order = order_of(btk_operand_json(c, -1, "order")),
           epsilon = bt_json_double(btk_operand_json(c, 2, "epsilon"), 1e-12);
    const bt_json *axis = btk_operand_json(c, 1, "axis");
    uint32_t axes = axis || k->version < 3 ? btk_operand_axes(c, x, 1) : btk_last_axis(x);
    if (isnan(order)) return btk_unsupported(k, "such a norm");
    if (order != 2) {
        btk_tensor size =
            btk_binary(k, "Maximum", norm_of(k, x, order, axes, true), btk_number(k, x.dtype, epsilon));
        return btk_return(c, btk_binary(k, "RealDiv", x, size));
    }
    if (k->version >= 3) epsilon *= epsilon; /* of the sum of squares */
    btk_tensor sum = btk_reduce(k, "Sum", btk_unary(k, "Square", x), axes, true);
    sum = btk_binary(k, "Maximum", sum, btk_number(k, x.dtype, epsilon));
    btk_return(c, btk_binary(k, "Mul", x, btk_unary(k, "Rsqrt", sum)));
}

static void moments(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c), out[2];
    uint32_t axes = btk_operand_axes(c, x, 1);
    bool keep = bt_json_bool(btk_operand_json(c, 2, "keepdims"), false);
    out[0] = btk_reduce(k, "Mean", x, axes, true);
    out[1] = btk_reduce(k, "Mean", btk_binary(k, "SquaredDifference", x, out[0]), axes, keep);
    if (!keep) out[0] = btk_reduce(k, "Mean", x, axes, false);
    btk_returns(c, out, 2);
}

/* (x - mean) / sqrt(variance + epsilon) scale + offset, along an axis. */
static void batch_normalization(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = first_float(c), part[4] = {{.dtype = BERTH_NO_DTYPE}};
    static const char *const names[] = {"mean", "variance", "offset", "scale"};
    static const int places[] = {1, 2, 3, 4};
    int axis = btk_operand_axis(c, -1, "axis", -1, x.shape.rank);
    double epsilon = bt_json_double(btk_operand_json(c, -1, "epsilon"), 1e-3);
    for (int i = 0; i < 4 && !k->failed; i++) {
        btk_value v = btk_operand_value(c, places[i], names[i]);
        if (btk_is_none(&v)) continue;
        part[i] = btk_cast(k, btk_operand(c, places[i], names[i], x.dtype), x.dtype);
        for (int j = axis + 1; j < x.shape.rank && part[i].shape.rank == j - axis; j++)
            part[i] = btk_expand(k, part[i], -1);
    }
    if (!part[0].dtype || !part[1].dtype) return btk_damaged(k, "is called without a mean and a variance");
    btk_tensor factor = btk_unary(k, "Rsqrt", btk_shifted(k, part[1], epsilon));
    if (part[3].dtype) factor = btk_binary(k, "Mul", factor, part[3]);
    btk_tensor y = btk_binary(k, "Mul", btk_binary(k, "Sub", x, part[0]), factor);
    btk_return(c, part[2].dtype ? btk_binary(k, "AddV2", y, part[2]) : y);
}

/* [batch, time, heads, n], as Keras has them; causal or with a mask, which is true where attention is paid. */
static void dot_product_attention(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor q = btk_operand(c, 0, "query", BERTH_FLOAT), key = btk_operand(c, 1, "key", q.dtype),
               v = btk_operand(c, 2, "value", q.dtype);
    btk_value bias = btk_operand_value(c, 3, "bias"), mask = btk_operand_value(c, 4, "mask");
    if (!btk_rank(k, q, 4, 4) || !btk_rank(k, key, 4, 4) || !btk_rank(k, v, 4, 4)) return;
    int64_t n = btk_known(k, q, -1, "the last dimension");
    if (k->failed || n < 1) return;
    int64_t heads = btk_known(k, q, 2, "the number of heads"),
            shared = btk_known(k, key, 2, "the number of heads");
    if (shared < 1 || heads % shared) return btk_damaged(k, "heads that cannot share their keys");
    key = btk_repeat(k, key, 2, heads / shared), v = btk_repeat(k, v, 2, heads / shared);
    double scale = bt_json_double(btk_operand_json(c, 5, "scale"), 1 / sqrt((double)n));
    btk_tensor scores = btk_scaled(k, btk_einsum(k, "btnh,bsnh->bnts", q, key), scale);
    btk_tensor low = btk_number(k, scores.dtype, scores.dtype == BERTH_HALF ? -3e4 : -1e30);
    if (!btk_is_none(&bias)) scores = btk_binary(k, "AddV2", scores, btk_operand(c, 3, "bias", scores.dtype));
    if (!btk_is_none(&mask))
        scores = btk_select(k, btk_cast(k, btk_operand(c, 4, "mask", BERTH_BOOL), BERTH_BOOL), scores, low);
    if (bt_json_bool(btk_operand_json(c, 6, "is_causal"), false)) {
        int64_t time = btk_known(k, q, 1, "the number of steps"),
                steps = btk_known(k, key, 1, "the number of steps");
        bool *seen = k->failed || time > 1 << 14 || steps > 1 << 14
                         ? NULL
                         : bt_arena_alloc(k->arena, (size_t)(time * steps) + 1);
        if (!seen) return btk_unsupported(k, "so many steps");
        for (int64_t i = 0; i < time * steps; i++) seen[i] = i % steps <= i / steps;
        scores = btk_select(k, btk_const(k, BERTH_BOOL, BT_SHAPE(time, steps), seen), scores, low);
    }
    btk_return(c, btk_einsum(k, "bnts,bsnh->btnh", btk_softmax(k, scores, -1), v));
}

/* ---- Parts of matrices -------------------------------------------------------------------------------- */

static btk_tensor band(btk *k, btk_tensor x, int64_t below, int64_t above)
{
    btk_tensor in[3] = {x, btk_number(k, BERTH_INT64, (double)below),
                        btk_number(k, BERTH_INT64, (double)above)};
    btk_tensor y = btk_node(k, "MatrixBandPart", 3, in, x.dtype, x.shape);
    btk_attr_type(k, y, "Tindex", BERTH_INT64);
    return y;
}

/* What is not above diagonal k, or not below it; where this is no band, what is beyond it is taken off. */
static void triangle(btk_call *c, const char *upper)
{
    btk *k = c->k;
    btk_tensor x = first(c), y;
    int64_t n = btk_operand_int(c, 1, "k", 0);
    if (!btk_rank(k, x, 2, BT_MAX_RANK) || n > INT32_MAX || n < -INT32_MAX) return;
    bool cut = upper ? n > 0 : n < 0;
    if (!cut) y = upper ? band(k, x, -n, -1) : band(k, x, -1, n);
    else y = btk_binary(k, "Sub", x, upper ? band(k, x, -1, n - 1) : band(k, x, -n - 1, -1));
    btk_return(c, y);
}

void btk_diagonal_of(btk_call *c, btk_tensor x, int64_t offset, int64_t a, int64_t b, bool sum)
{
    btk *k = c->k;
    int rank = x.shape.rank, perm[BT_MAX_RANK], n = 0;
    if (a < 0) a += rank;
    if (b < 0) b += rank;
    if (a < 0 || b < 0 || a >= rank || b >= rank || a == b)
        return btk_damaged(k, "axes beyond the rank of the input");
    if (offset > INT16_MAX || offset < -INT16_MAX) return btk_unsupported(k, "such an offset");
    for (int i = 0; i < rank; i++)
        if (i != a && i != b) perm[n++] = i;
    perm[n++] = (int)a, perm[n] = (int)b;
    x = btk_transpose(k, x, perm);
    int64_t rows = btk_known(k, x, -2, "the size of an axis"),
            columns = btk_known(k, x, -1, "the size of an axis");
    if (k->failed) return;
    rows += offset < 0 ? offset : 0, columns -= offset > 0 ? offset : 0;
    bt_shape shape = {.rank = rank - 1};
    memcpy(shape.dim, x.shape.dim, sizeof shape.dim);
    shape.dim[rank - 2] = rows < columns ? rows : columns;
    if (shape.dim[rank - 2] < 1) return btk_unsupported(k, "such an offset");
    btk_tensor in[3] = {x, btk_int(k, offset), btk_number(k, x.dtype, 0)};
    btk_tensor y = btk_node(k, "MatrixDiagPartV3", 3, in, x.dtype, shape);
    btk_attr_text(k, y, "align", "RIGHT_LEFT");
    btk_return(c, sum ? btk_reduce(k, "Sum", y, btk_last_axis(y), false) : y);
}

/* detail: "sum" for the trace. */
static void diagonal(btk_call *c, const char *sum)
{
    btk_diagonal_of(c, first(c), btk_operand_int(c, 1, "offset", 0), btk_operand_int(c, 2, "axis1", 0),
                    btk_operand_int(c, 3, "axis2", 1), sum != NULL);
}

const btk_operation btk_matrix_operations[] = {
    {"dot", dot, NULL},
    {"inner", dot, "inner"},
    {"outer", flat_product, "outer"},
    {"vdot", flat_product, NULL},
    {"einsum", einsum, NULL},
    {"tensordot", tensor_dot, NULL},
    {"cross", cross, "Cross"},
    {"norm", norm, NULL},
    {"l2_normalize", normalize, NULL},
    {"normalize", normalize, NULL},
    {"moments", moments, NULL},
    {"batch_norm", batch_normalization, NULL},
    {"batch_normalization", batch_normalization, NULL},
    {"dot_product_attention", dot_product_attention, NULL},
    {"tril", triangle, NULL},
    {"triu", triangle, "upper"},
    {"diagonal", diagonal, NULL},
    {"trace", diagonal, "sum"},
    {NULL, NULL, NULL},
};
