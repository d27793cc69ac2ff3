/* Keras 3: operations that make arrays of a few tensors: rows of numbers between two, grids, powers, diagonals, products of all
 * with all, and einops' patterns of axes. To read next: keras_operation_matrix.c. */
#include "format/keras_operation.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

static btk_tensor product(btk *k, btk_tensor a, btk_tensor b) { return btk_binary(k, "Mul", a, b); }

/* x as an array of these sizes, known ones in `shape`. */
static btk_tensor shaped(btk *k, btk_tensor x, int rank, const btk_tensor *sizes, bt_shape shape)
{
    btk_tensor y = btk_node(k, "Reshape", 2, (btk_tensor[]){x, btk_pack(k, rank, sizes)}, x.dtype, shape);
    btk_attr_type(k, y, "Tshape", BERTH_INT32);
    return y;
}

/* ---- Rows of numbers ---------------------------------------------------------------------------------- */

/* num rows from one to the other: start + i step, along a new axis. */
static btk_tensor between(btk_call *c, btk_tensor a, btk_tensor b)
{
    btk *k = c->k;
    btk_tensor row[255];
    int64_t n = btk_operand_int(c, 2, "num", 50), axis = btk_operand_int(c, -1, "axis", 0);
    bool closed = bt_json_bool(btk_operand_json(c, -1, "endpoint"), true);
    if (n < 1 || n > 255 || bt_json_bool(btk_operand_json(c, -1, "retstep"), false))
        return btk_unsupported(k, "%lld numbers between two", (long long)n), a;
    a = btk_as_float(k, a), b = btk_as_float(k, b);
    btk_tensor span = btk_binary(k, "Sub", b, a);
    if (axis < 0) axis += span.shape.rank + 1;
    if (axis < 0 || axis > span.shape.rank) return btk_damaged(k, "an axis beyond the rank of the input"), a;
    for (int i = 0; i < n; i++) {
        double part = n > 1 ? (double)i / (double)(n - closed) : 0;
        btk_tensor at = btk_binary(k, "AddV2", a, btk_scaled(k, span, part));
        row[i] = btk_expand(k, at, (int)axis);
    }
    return btk_concat(k, (int)n, row, (int)axis);
}

/* detail: "power" for powers of a base; "ratio" for equal ratios. */
static void spaced(btk_call *c, const char *detail)
{
    btk *k = c->k;
    btk_tensor a, b, sign = {0};
    btk_operands(c, &a, &b);
    double base = *detail == 'p' ? bt_json_double(btk_operand_json(c, -1, "base"), 10) : 10;
    if (*detail == 'r') {
        a = btk_as_float(k, a), b = btk_as_float(k, b);
        sign = btk_unary(k, "Sign", a);
        a = btk_scaled(k, btk_unary(k, "Log", btk_unary(k, "Abs", a)), 1 / M_LN10);
        b = btk_scaled(k, btk_unary(k, "Log", btk_unary(k, "Abs", b)), 1 / M_LN10);
    }
    btk_tensor y = between(c, a, b);
    if (*detail != 'l') y = btk_binary(k, "Pow", btk_number(k, y.dtype, base), y);
    if (sign.dtype) {
        if (btk_operand_int(c, -1, "axis", 0)) return btk_unsupported(k, "an axis but the first");
        y = product(k, y, sign);
    }
    berth_dtype to = btk_dtype_of(k, btk_operand_json(c, -1, "dtype"), y.dtype, false);
    if (!k->failed) btk_return(c, btk_cast(k, y, to));
}

/* The i-th of n tensors of one axis each along axis i of all; "xy": the first two change places. */
static void grid(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x[BT_MAX_RANK], out[BT_MAX_RANK], sizes[BT_MAX_RANK];
    bool swaps = !bt_json_is_text(btk_operand_json(c, -1, "indexing"), "ij");
    bt_shape shape = {.rank = 0};
    for (int i = 0; i < c->n_args; i++) {
        const btk_value *v = &c->args[i], *items = v->kind == BTK_LIST ? v->items : v;
        for (int j = 0; j < (v->kind == BTK_LIST ? v->n : 1) && !v->key.n; j++) {
            if (items[j].kind != BTK_TENSOR || shape.rank == BT_MAX_RANK)
                return btk_unsupported(k, "such a grid");
            x[shape.rank++] = items[j].tensor;
        }
    }
    int n = shape.rank;
    for (int i = 0; i < n; i++) {
        int axis = swaps && n > 1 && i < 2 ? 1 - i : i;
        x[i] = btk_flat(k, x[i]);
        shape.dim[axis] = btk_dim(x[i], 0), sizes[axis] = btk_size(k, x[i], 0);
    }
    for (int i = 0; i < n && !k->failed; i++) {
        int axis = swaps && n > 1 && i < 2 ? 1 - i : i;
        for (int j = axis + 1; j < n; j++) x[i] = btk_expand(k, x[i], -1);
        out[i] = btk_broadcast(k, x[i], n, sizes, shape);
    }
    btk_returns(c, out, n);
}

/* Powers of each: n - 1 to 0, or 0 to n - 1. */
static void powers(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c), n = btk_size(k, x, 0), wide = btk_as_float(k, x);
    int64_t known = btk_operand_int(c, 1, "N", -1);
    if (!btk_rank(k, x, 1, 1) || known > INT32_MAX) return;
    if (known >= 0) n = btk_int(k, known);
    else known = btk_dim(x, 0);
    btk_tensor range = btk_bare(k, "Range", 3, (btk_tensor[]){btk_int(k, 0), n, btk_int(k, 1)}, BERTH_INT32,
                                BT_SHAPE(known));
    btk_attr_type(k, range, "Tidx", BERTH_INT32);
    if (!bt_json_bool(btk_operand_json(c, 2, "increasing"), false)) range = btk_reverse(k, range, 0);
    btk_tensor y = btk_binary(k, "Pow", btk_expand(k, wide, -1), btk_cast(k, range, wide.dtype));
    btk_return(c, btk_cast(k, y, x.dtype));
}

/* ---- Diagonals and products --------------------------------------------------------------------------- */

/* detail: "flat" of all elements. */
static void diagonal(btk_call *c, const char *flat)
{
    btk *k = c->k;
    btk_tensor x = btk_first_operand(c);
    int64_t offset = btk_operand_int(c, 1, "k", 0), beside = offset < 0 ? -offset : offset;
    if (flat) x = btk_flat(k, x);
    if (x.shape.rank == 2) return btk_diagonal_of(c, x, offset, 0, 1, false);
    if (!btk_rank(k, x, 1, 1) || beside > INT16_MAX) return btk_unsupported(k, "such a diagonal");
    int64_t n = btk_dim(x, 0) < 0 ? -1 : btk_dim(x, 0) + beside;
    btk_tensor in[5] = {x, btk_int(k, offset), btk_int(k, -1), btk_int(k, -1), btk_number(k, x.dtype, 0)};
    btk_tensor y = btk_node(k, "MatrixDiagV3", 5, in, x.dtype, BT_SHAPE(n, n));
    btk_attr_text(k, y, "align", "RIGHT_LEFT");
    btk_return(c, y);
}

/* [a1 b1, a2 b2, ...] of all products. */
static void kronecker(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b, sizes[BT_MAX_RANK];
    bt_shape shape = {.rank = 0};
    btk_operands(c, &a, &b);
    while (!k->failed && a.shape.rank < b.shape.rank) a = btk_expand(k, a, 0);
    while (!k->failed && b.shape.rank < a.shape.rank) b = btk_expand(k, b, 0);
    if (!btk_rank(k, a, 1, BT_MAX_RANK / 2)) return;
    for (int i = 0; i < a.shape.rank; i++) {
        int64_t m = btk_dim(a, i), n = btk_dim(b, i);
        shape.dim[shape.rank++] = m < 0 || n < 0 ? -1 : m * n;
        sizes[i] = product(k, btk_size(k, a, i), btk_size(k, b, i));
    }
    for (int i = 0; i < shape.rank && !k->failed; i++)
        a = btk_expand(k, a, 2 * i + 1), b = btk_expand(k, b, 2 * i);
    btk_return(c, shaped(k, product(k, a, b), shape.rank, sizes, shape));
}

/* Of each vector of one with each of the other. */
static void distances(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    if (!btk_rank(k, a, 2, BT_MAX_RANK - 1) || !btk_rank(k, b, 2, BT_MAX_RANK - 1)) return;
    btk_tensor apart = btk_binary(k, "Sub", btk_expand(k, btk_as_float(k, a), a.shape.rank - 1),
                                  btk_expand(k, btk_as_float(k, b), b.shape.rank - 2));
    btk_return(c,
               btk_unary(k, "Sqrt",
                         btk_reduce(k, "Sum", btk_unary(k, "Square", apart), btk_last_axis(apart), false)));
}

/* Sums of products of one row with another that slides along it. */
static void correlate(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b;
    const char *mode = bt_json_text(btk_operand_json(c, 2, "mode"), "valid");
    btk_operands(c, &a, &b);
    a = btk_as_float(k, a), b = btk_as_float(k, b);
    if (!btk_rank(k, a, 1, 1) || !btk_rank(k, b, 1, 1)) return;
    int64_t m = btk_known(k, b, 0, "the length of a row"), pads[BT_MAX_RANK][2] = {{0}}, n = btk_dim(a, 0);
    if (m < 1) return btk_damaged(k, "a row of nothing");
    if (strcmp(mode, "valid")) pads[0][0] = pads[0][1] = m - 1;
    a = btk_expand(k, btk_expand(k, btk_pad(k, a, (const int64_t(*)[2])pads), 0), -1);
    b = btk_expand(k, btk_expand(k, b, -1), -1);
    btk_window w = {1, {m, 1, 1}, {1, 1, 1}, {1, 1, 1}, "valid", false};
    btk_tensor y = btk_squeeze(k, btk_squeeze(k, btk_convolve(k, a, b, &w), 0), -1);
    if (!strcmp(mode, "same")) {
        if (n < 0) return btk_unsupported(k, "a row of unknown length");
        int64_t size = n > m ? n : m, start = (n + m - 1 - size) / 2;
        y = btk_slice(k, y, 0, start, start + size);
    }
    btk_return(c, y);
}

/* ---- Filled ------------------------------------------------------------------------------------------- */

static void full(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    const bt_json *j = btk_operand_json(c, -1, "shape");
    btk_tensor value = btk_operand(c, 0, "fill_value", BERTH_FLOAT), sizes[BT_MAX_RANK];
    berth_dtype to = btk_dtype_of(k, btk_operand_json(c, 2, "dtype"), BERTH_FLOAT, false);
    bt_shape shape = {.rank = bt_json_is(j, BT_JSON_ARRAY) ? j->n : -1};
    if (k->failed || shape.rank < 1 || shape.rank > BT_MAX_RANK)
        return btk_unsupported(k, "a shape that is computed");
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = bt_json_int(bt_json_at(j, i), -1);
        if (shape.dim[i] < 0 || shape.dim[i] > INT32_MAX) return btk_damaged(k, "a size that cannot be");
        sizes[i] = btk_int(k, shape.dim[i]);
    }
    btk_return(c, btk_broadcast(k, btk_cast(k, value, to), shape.rank, sizes, shape));
}

static void number_of_axes(btk_call *c, const char *detail)
{
    (void)detail;
    btk_return(c, btk_int(c->k, btk_first_operand(c).shape.rank));
}

/* ---- einops ------------------------------------------------------------------------------------------- */

/* One side of a pattern: names of axes, and to which group, an axis of the tensor, each belongs. */
typedef struct axes_pattern {
    bt_str name[2 * BT_MAX_RANK];
    int group[2 * BT_MAX_RANK], n, groups;
} axes_pattern;

static bool parse_axes(const char *p, const char *end, axes_pattern *out)
{
    bool open = false;
    *out = (axes_pattern){.n = 0};
    while (p < end) {
        if (isspace((unsigned char)*p) || *p == '(' || *p == ')') {
            if ((*p == '(' && open) || (*p == ')' && !open)) return false;
            if (*p == '(') open = true;
            if (*p == ')') open = false, out->groups++;
            p++;
            continue;
        }
        const char *start = p;
        while (p < end && (isalnum((unsigned char)*p) || *p == '_')) p++;
        if (p == start || out->n == BT_MAX_RANK || out->groups >= BT_MAX_RANK) return false;
        out->name[out->n] = (bt_str){.p = start, .n = (size_t)(p - start)};
        out->group[out->n++] = out->groups;
        if (!open) out->groups++;
    }
    return !open;
}

static int find_axis(const axes_pattern *of, bt_str name)
{
    for (int i = 0; i < of->n; i++)
        if (of->name[i].n == name.n && !memcmp(of->name[i].p, name.p, name.n)) return i;
    return -1;
}

/* Sizes of the axes on the left: given by keyword, or what is left of a group. */
static bool sizes_of_axes(btk_call *c, btk_tensor x, const axes_pattern *in, btk_tensor *size, int64_t *known)
{
    btk *k = c->k;
    for (int g = 0; g < in->groups; g++) {
        int open = -1;
        int64_t given = 1;
        for (int i = 0; i < in->n; i++) {
            if (in->group[i] != g) continue;
            known[i] = -1;
            for (int j = 0; j < c->n_args; j++)
                if (c->args[j].key.n == in->name[i].n &&
                    !memcmp(c->args[j].key.p, in->name[i].p, in->name[i].n))
                    known[i] = c->args[j].kind == BTK_JSON ? bt_json_int(c->args[j].json, -1) : -1;
            if (known[i] < 1) {
                if (open >= 0) return false;
                open = i;
            } else {
                if (known[i] > INT32_MAX || given > INT32_MAX / known[i]) return false;
                given *= known[i], size[i] = btk_int(k, known[i]);
            }
        }
        if (open < 0) continue;
        int64_t dim = btk_dim(x, g);
        known[open] = dim < 0 ? -1 : dim / given;
        size[open] = btk_binary(k, "FloorDiv", btk_size(k, x, g), btk_int(k, given));
    }
    return true;
}

/* "b (h p) w -> b h (w p)", p=2: taken apart, transposed, put together. */
static void rearrange(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "tensor", BERTH_NO_DTYPE), size[BT_MAX_RANK], sizes[BT_MAX_RANK];
    const char *text = bt_json_text(btk_operand_json(c, 1, "pattern"), ""), *arrow = strstr(text, "->");
    axes_pattern in, out;
    int64_t known[BT_MAX_RANK];
    int perm[BT_MAX_RANK];
    bool legal = arrow && parse_axes(text, arrow, &in) && parse_axes(arrow + 2, text + strlen(text), &out);
    if (!legal || in.n != out.n || in.groups != x.shape.rank || !out.n ||
        !sizes_of_axes(c, x, &in, size, known))
        return btk_unsupported(k, "the pattern of axes '%.60s'", text);
    bt_shape shape = {.rank = in.n};
    memcpy(shape.dim, known, sizeof shape.dim);
    x = shaped(k, x, in.n, size, shape);
    shape = (bt_shape){.rank = out.groups};
    for (int g = 0; g < out.groups; g++) shape.dim[g] = 1, sizes[g] = btk_int(k, 1);
    for (int i = 0; i < out.n; i++) {
        int from = find_axis(&in, out.name[i]), g = out.group[i];
        if (from < 0 || find_axis(&out, in.name[i]) < 0)
            return btk_unsupported(k, "the pattern of axes '%.60s'", text);
        perm[i] = from;
        shape.dim[g] = shape.dim[g] < 0 || known[from] < 0 ? -1 : shape.dim[g] * known[from];
        sizes[g] = product(k, sizes[g], size[from]);
    }
    btk_return(c, shaped(k, btk_transpose(k, x, perm), out.groups, sizes, shape));
}

const btk_operation btk_grid_operations[] = {
    {"linspace", spaced, "linear"}, {"logspace", spaced, "power"},
    {"geomspace", spaced, "ratio"}, {"meshgrid", grid, NULL},
    {"vander", powers, NULL},       {"diag", diagonal, NULL},
    {"diagflat", diagonal, "flat"}, {"kron", kronecker, NULL},
    {"c_dist", distances, NULL},    {"correlate", correlate, NULL},
    {"full", full, NULL},           {"ndim", number_of_axes, NULL},
    {"rearrange", rearrange, NULL}, {NULL, NULL, NULL},
};
