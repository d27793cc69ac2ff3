/* Keras 3: layers whose weights were quantized (`model.quantize("int8")`).
 *   int8: the kernel is what is stored over a scale; the input is rounded to bytes too, by its largest value along the axes
 *     that are summed over, unless the layer was quantized by its weights alone;
 *   int4: two numbers a byte, over a scale of each column; or (stored - zero) scale, both of each column of each block of rows;
 *   float8: all as it was, but input and kernel are rounded to what eight bits hold, e4m3.
 * Others are refused. To read next: keras_core.c, whose layers these are. */
#include "format/keras_layers.h"

#include <stdlib.h>

/* "int8", "int4/128", of {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}} or "int8_from_float32"; NULL:
 * none. */
static const char *mode_of(btk_call *c)
{
    static const char *const modes[] = {"int8", "int4", "float8", "gptq", "awq"};
    const bt_json *dtype = btk_of(c, "dtype"), *config = bt_json_get(dtype, "config");
    const char *name = bt_json_text(config ? bt_json_get(config, "name") : dtype, NULL);
    const char *mode = bt_json_text(bt_json_get(config, "mode"), NULL);
    for (size_t i = 0; name && !mode && i < sizeof modes / sizeof *modes; i++)
        if (bt_starts(name, modes[i]) && strchr("_/", name[strlen(modes[i])])) mode = name;
    return mode;
}

static bool is_mode(btk_call *c, const char *name)
{
    const char *mode = mode_of(c);
    return mode && bt_starts(mode, name);
}

bool btk_is_quantized(btk_call *c)
{
    const char *mode = mode_of(c);
    if (mode && !is_mode(c, "int8") && !is_mode(c, "int4") && !is_mode(c, "float8"))
        btk_unsupported(c->k, "weights quantized as %s: export a SavedModel instead (model.export)", mode);
    return mode;
}

/* Four bits as Keras has them since 3.14, "int4/128": of rows and columns. Before, "int4" was as int8, but packed. */
static bool in_columns(btk_call *c)
{
    const char *mode = mode_of(c);
    return is_mode(c, "int4") && strchr(mode, '/');
}

/* Rows that share a scale; -1: all. */
static int64_t block_of(btk_call *c)
{
    const char *mode = mode_of(c), *slash = mode ? strchr(mode, '/') : NULL;
    int64_t n = slash ? strtol(slash + 1, NULL, 10) : -1;
    if (!n || n < -1 || n > INT32_MAX) btk_damaged(c->k, "blocks of no size");
    return n < 1 ? -1 : n;
}

/* Bytes [..., m] of two numbers from -8 to 7 each, the low one first: [..., n]. */
static btk_tensor unpacked(btk *k, btk_tensor x, int64_t n)
{
    int64_t dims[BT_MAX_RANK];
    int axes[BT_MAX_RANK], last = x.shape.rank - 1;
    if (!btk_rank(k, x, 1, BT_MAX_RANK - 1)) return x;
    btk_tensor high = btk_unary(k, "Floor", btk_scaled(k, x, 1.0 / 16));
    btk_tensor low = btk_binary(k, "Sub", x, btk_scaled(k, high, 16)); /* 0 to 15 */
    low = btk_binary(k, "Sub", low, btk_scaled(k, btk_unary(k, "Floor", btk_scaled(k, low, 1.0 / 8)), 16));
    btk_tensor pair[2] = {btk_expand(k, low, -1), btk_expand(k, high, -1)};
    for (int i = 0; i <= last; i++) dims[i] = -1, axes[i] = i;
    dims[last] = 2 * btk_known(k, x, last, "the number of bytes");
    return btk_slice(k, btk_reshape(k, btk_concat(k, 2, pair, -1), last + 1, dims, axes), -1, 0, n);
}

/* Stores by paths number the kernel first, in the order of creation it is not trained. pack: the axis along which two numbers are
 * in a byte, as Keras before 3.14 has four bits; -1: none. */
static void weights_of(btk_call *c, bt_shape kernel, int pack, const bt_shape *bias, bt_shape scale,
                       btk_tensor *out)
{
    btk *k = c->k;
    bool by_path = k->weights->of_path != NULL;
    int64_t n = pack < 0 ? 0 : kernel.dim[pack];
    if (pack >= 0 && n < 1) return btk_damaged(k, "a kernel of no known size");
    if (pack >= 0) kernel.dim[pack] = (n + 1) / 2;
    out[0] = btk_weight_of(c, "kernel", by_path, kernel);
    out[1] = bias ? btk_weight_of(c, "bias", true, *bias) : (btk_tensor){0};
    out[2] = btk_weight_of(c, "kernel_scale", by_path, scale);
    if (pack >= 0)
        out[0] =
            btk_swap(k, unpacked(k, btk_swap(k, out[0], pack, kernel.rank - 1), n), pack, kernel.rank - 1);
}

/* *x in whole numbers of at most a byte, and what it was multiplied by; dtype 0: it is left as it is. */
static btk_tensor rounded(btk_call *c, btk_tensor *x, uint32_t axes)
{
    btk *k = c->k;
    const bt_json *given = btk_of(c, "quantization_config");
    const bt_json *config =
        bt_json_get(bt_json_get(bt_json_get(given, "config"), "activation_quantizer"), "config");
    if ((given || in_columns(c)) && !config) return (btk_tensor){0};
    double low = bt_json_double(bt_json_at(bt_json_get(config, "value_range"), 0), -127),
           high = bt_json_double(bt_json_at(bt_json_get(config, "value_range"), 1), 127);
    btk_tensor max = btk_reduce(k, "Max", btk_unary(k, "Abs", *x), axes, true);
    btk_tensor scale = btk_binary(k, "RealDiv", btk_number(k, x->dtype, high),
                                  btk_shifted(k, max, bt_json_double(bt_json_get(config, "epsilon"), 1e-7)));
    *x = btk_clip(k, btk_unary(k, "Round", btk_binary(k, "Mul", *x, scale)), low, high);
    return scale;
}

/* ---- Four bits in blocks ----------------------------------------------------------------------------- */

/* (x - zero) scale, both taken by groups along an axis. */
static btk_tensor scaled_by_groups(btk *k, btk_tensor x, btk_tensor scale, btk_tensor zero, btk_tensor groups,
                                   int axis)
{
    groups = btk_cast(k, groups, BERTH_INT32);
    x = btk_binary(k, "Sub", x, btk_gather(k, zero, groups, axis));
    return btk_binary(k, "Mul", x, btk_gather(k, scale, groups, axis));
}

static int64_t blocks(int64_t n, int64_t block) { return (n + block - 1) / block; }

/* Of four bits [rows, columns], as numbers. *scale: what they are over; dtype 0: nothing. */
static btk_tensor small_kernel(btk_call *c, int64_t rows, int64_t columns, const bt_shape *bias,
                               btk_tensor *scale, btk_tensor *b)
{
    btk *k = c->k;
    btk_tensor w[3] = {0};
    int64_t block = block_of(c);
    bool by_path = k->weights->of_path != NULL;
    if (k->failed) return c->x;
    bt_shape shape = block < 0 ? BT_SHAPE(columns) : BT_SHAPE(blocks(rows, block), columns);
    weights_of(c, BT_SHAPE(rows, (columns + 1) / 2), -1, bias, shape, w);
    btk_tensor kernel = k->failed ? c->x : unpacked(k, w[0], columns);
    *b = w[1], *scale = block < 0 ? w[2] : (btk_tensor){0};
    if (block < 0) return kernel;
    btk_tensor zero = btk_weight_of(c, "kernel_zero", by_path, shape),
               groups = btk_weight_of(c, "g_idx", by_path, BT_SHAPE(rows));
    return scaled_by_groups(k, kernel, w[2], zero, groups, 0);
}

/* ---- Eight bits with an exponent ---------------------------------------------------------------------- */

/* x / scale rounded to e4m3 (four bits of exponent, three of fraction, at most 448; the least step is 2^-9), times scale. */
static btk_tensor as_float8(btk *k, btk_tensor x, btk_tensor scale)
{
    if (x.dtype != BERTH_FLOAT) return btk_unsupported(k, "float8 of other than float32"), x;
    btk_tensor v = btk_clip(k, btk_binary(k, "RealDiv", x, scale), -448, 448), size = btk_unary(k, "Abs", v);
    btk_tensor bits = btk_bare(k, "Bitcast", 1, &size, BERTH_INT32, size.shape);
    btk_attr_type(k, bits, "T", BERTH_FLOAT);
    btk_attr_type(k, bits, "type", BERTH_INT32);
    /* to the nearest of those whose last 20 bits are 0, of two the even one */
    btk_tensor odd =
        btk_binary(k, "BitwiseAnd", btk_binary(k, "RightShift", bits, btk_int(k, 20)), btk_int(k, 1));
    btk_tensor up = btk_binary(k, "AddV2", btk_binary(k, "AddV2", bits, btk_int(k, (1 << 19) - 1)), odd);
    btk_tensor kept = btk_binary(k, "BitwiseAnd", up, btk_int(k, -(1 << 20)));
    btk_tensor normal = btk_bare(k, "Bitcast", 1, &kept, BERTH_FLOAT, size.shape);
    btk_attr_type(k, normal, "T", BERTH_INT32);
    btk_attr_type(k, normal, "type", BERTH_FLOAT);
    btk_tensor fine = btk_scaled(k, btk_unary(k, "Round", btk_scaled(k, size, 512)), 1.0 / 512);
    btk_tensor is_fine = btk_compare(k, "Less", size, btk_number(k, BERTH_FLOAT, 1.0 / 64));
    btk_tensor rounded = btk_binary(k, "Mul", btk_select(k, is_fine, fine, normal), btk_unary(k, "Sign", v));
    return btk_binary(k, "Mul", rounded, scale);
}

/* kernel and *x as the layer rounds them; what is of use in training alone is read and left. */
static btk_tensor rounded_kernel(btk_call *c, btk_tensor *x, bt_shape kernel, const bt_shape *bias,
                                 btk_tensor *b)
{
    btk *k = c->k;
    btk_tensor w = btk_weight_of(c, "kernel", true, kernel);
    *b = bias ? btk_weight_of(c, "bias", true, *bias) : (btk_tensor){0};
    btk_tensor of_x = btk_weight_of(c, "inputs_scale", true, BT_SCALAR);
    btk_weight_raw(c, "inputs_amax_history", true, BT_SHAPE(-1));
    btk_tensor of_w = btk_weight_of(c, "kernel_scale", true, BT_SCALAR);
    btk_weight_raw(c, "kernel_amax_history", true, BT_SHAPE(-1));
    btk_weight_raw(c, "outputs_grad_scale", true, BT_SCALAR);
    btk_weight_raw(c, "outputs_grad_amax_history", true, BT_SHAPE(-1));
    if (bias) *b = btk_cast(k, btk_cast(k, *b, BERTH_BFLOAT16), b->dtype); /* as Keras rounds it */
    *x = as_float8(k, *x, of_x);
    return as_float8(k, w, of_w);
}

/* ---- Layers ------------------------------------------------------------------------------------------- */

/* y over the scale that it was multiplied by, of the kernel (scale) and the input (by); dtype 0: none. */
static void finish(btk_call *c, btk_tensor y, btk_tensor by, btk_tensor scale, btk_tensor bias)
{
    btk *k = c->k;
    btk_tensor both = by.dtype && scale.dtype ? btk_binary(k, "Mul", scale, by) : by.dtype ? by : scale;
    if (both.dtype) y = btk_binary(k, "RealDiv", y, both);
    if (bias.dtype) y = btk_binary(k, "AddV2", y, bias);
    btk_return(c, btk_activate(k, btk_of(c, "activation"), y));
}

void btk_quantized_dense(btk_call *c)
{
    btk *k = c->k;
    int64_t units = btk_int_of(c, "units", 0), n = btk_known(k, c->x, -1, "the last dimension");
    bt_shape shape = BT_SHAPE(units), *bias = btk_bool_of(c, "use_bias", true) ? &shape : NULL;
    btk_tensor w[3] = {0}, x = c->x, none = {0};
    if (k->failed) return;
    if (is_mode(c, "float8")) {
        w[0] = rounded_kernel(c, &x, BT_SHAPE(n, units), bias, &w[1]);
        return finish(c, btk_dense_product(k, x, w[0]), none, none, w[1]);
    }
    if (in_columns(c)) w[0] = small_kernel(c, n, units, bias, &w[2], &w[1]);
    else weights_of(c, BT_SHAPE(n, units), is_mode(c, "int4") ? 0 : -1, bias, BT_SHAPE(units), w);
    if (k->failed) return;
    btk_tensor by = block_of(c) < 0 ? rounded(c, &x, btk_last_axis(x)) : none;
    finish(c, btk_dense_product(k, x, w[0]), by, w[2], w[1]);
}

/* The same as a kernel in the shape that the equation has it; rows are those of its axes that are summed over. */
static btk_tensor small_einsum_kernel(btk_call *c, const char *w_axes, const char *y_axes, bt_shape kernel,
                                      const bt_shape *bias, btk_tensor *b)
{
    btk *k = c->k;
    btk_tensor scale, w;
    int64_t rows = 1, columns = 1;
    for (int i = 0; i < kernel.rank; i++) {
        if (kernel.dim[i] < 1 || rows > INT32_MAX || columns > INT32_MAX)
            return btk_damaged(k, "a kernel of no known size"), c->x;
        *(strchr(y_axes, w_axes[i]) ? &columns : &rows) *= kernel.dim[i];
    }
    w = small_kernel(c, rows, columns, bias, &scale, b);
    if (scale.dtype && !k->failed) w = btk_binary(k, "RealDiv", w, scale);
    return btk_reshape(k, w, kernel.rank, kernel.dim, NULL);
}

/* x_axes, y_axes: a letter an axis. The scale of x gets the axes of y, those of the kernel being 1. */
void btk_quantized_einsum(btk_call *c, const char *equation, const char *x_axes, const char *y_axes,
                          bt_shape kernel, const bt_shape *bias)
{
    btk *k = c->k;
    btk_tensor w[3] = {0}, x = c->x, none = {0}, by = {0};
    bt_shape shape = {.rank = (int)strlen(y_axes)};
    uint32_t summed = 0;
    int last = -1;
    if (is_mode(c, "float8")) {
        w[0] = rounded_kernel(c, &x, kernel, bias, &w[1]);
        return finish(c, btk_einsum(k, equation, x, w[0]), none, none, w[1]);
    }
    for (int i = 0; i < shape.rank; i++) {
        const char *from = strchr(x_axes, y_axes[i]);
        shape.dim[i] = from ? 1 : -1;
        if (from && (int)(from - x_axes) < last)
            return btk_unsupported(k, "a quantized product that moves axes");
        if (from) last = (int)(from - x_axes);
    }
    for (int i = 0; x_axes[i]; i++) summed |= strchr(y_axes, x_axes[i]) ? 0 : 1u << i;
    const char *w_axes = equation + strlen(x_axes) + 1;
    int pack = is_mode(c, "int4") ? 0 : -1; /* the first that is summed over */
    while (pack >= 0 && pack < kernel.rank && strchr(y_axes, w_axes[pack])) pack++;
    if (pack == kernel.rank) pack = 0;
    if (in_columns(c)) w[0] = small_einsum_kernel(c, w_axes, y_axes, kernel, bias, &w[1]);
    else weights_of(c, kernel, pack, bias, shape, w);
    if (k->failed) return;
    if (block_of(c) < 0) by = rounded(c, &x, summed);
    for (int i = x.shape.rank - 1; i >= 0 && by.dtype; i--)
        if (summed >> i & 1) by = btk_squeeze(k, by, i);
    for (int i = 0; i < shape.rank && by.dtype; i++)
        if (!strchr(x_axes, y_axes[i])) by = btk_expand(k, by, i);
    finish(c, btk_einsum(k, equation, x, w[0]), by, w[2], w[1]);
}

/* The table of an embedding as it is stored, over a scale a row; of four bits scale, zero and groups along a row. */
typedef struct stored_rows {
    btk_tensor table, scale, zero, groups; /* zero.dtype 0: one scale a row */
    int64_t width;                         /* in four bits: of a row; else 0 */
} stored_rows;

static stored_rows rows_of(btk_call *c)
{
    bool by_path = c->k->weights->of_path != NULL, is_small = is_mode(c, "int4");
    int64_t n = btk_int_of(c, "input_dim", -1), width = btk_int_of(c, "output_dim", -1), block = block_of(c);
    if (is_mode(c, "float8")) btk_unsupported(c->k, "rows of float8");
    if (width < 1) btk_damaged(c->k, "rows of no width");
    if (c->k->failed) return (stored_rows){0};
    bt_shape shape = block < 0 ? BT_SHAPE(n) : BT_SHAPE(n, blocks(width, block));
    stored_rows r = {.width = is_small ? width : 0};
    r.table = btk_weight_of(c, "embeddings", by_path, BT_SHAPE(n, is_small ? (width + 1) / 2 : width));
    r.scale = btk_weight_of(c, "embeddings_scale", by_path, shape);
    if (block < 0) return r;
    r.zero = btk_weight_of(c, "embeddings_zero", by_path, shape);
    r.groups = btk_weight_of(c, "g_idx", by_path, BT_SHAPE(width));
    return r;
}

/* x: whole numbers. */
btk_tensor btk_quantized_rows(btk_call *c, btk_tensor x)
{
    btk *k = c->k;
    stored_rows r = rows_of(c);
    if (k->failed) return x;
    btk_tensor y = btk_gather(k, r.table, x, 0), scale = btk_gather(k, r.scale, x, 0);
    if (r.width) y = unpacked(k, y, r.width);
    if (r.zero.dtype)
        return scaled_by_groups(k, y, scale, btk_gather(k, r.zero, x, 0), r.groups, x.shape.rank);
    return btk_binary(k, "RealDiv", y, btk_expand(k, scale, -1));
}

/* x[..., width] by all rows: [..., n]. */
btk_tensor btk_quantized_reverse(btk_call *c)
{
    btk *k = c->k;
    stored_rows r = rows_of(c);
    btk_tensor x = c->x, w = r.table;
    if (k->failed) return x;
    if (r.width) w = unpacked(k, w, r.width);
    if (r.zero.dtype) w = scaled_by_groups(k, w, r.scale, r.zero, r.groups, 1);
    btk_tensor by = rounded(c, &x, btk_last_axis(x)), y = btk_dense_product(k, x, btk_swap(k, w, 0, 1));
    if (by.dtype) y = btk_binary(k, "RealDiv", y, by);
    return r.zero.dtype ? y : btk_binary(k, "RealDiv", y, r.scale);
}
