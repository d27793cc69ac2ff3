/* Keras 3: layers whose weights were quantized to bytes (`model.quantize("int8")`): the kernel is what is stored over a
 * scale; the input is rounded to bytes too, by its largest value along the axes that are summed over, unless the layer
 * was quantized by its weights alone. Other widths are refused. To read next: keras_core.c, whose layers these are. */
#include "format/keras_layers.h"

/* "int8", of {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}} or "int8_from_float32"; NULL: none. */
static const char *mode_of(btk_call *c)
{
    static const char *const modes[] = {"int8", "int4", "float8", "gptq", "awq"};
    const bt_json *dtype = btk_of(c, "dtype"), *config = bt_json_get(dtype, "config");
    const char *name = bt_json_text(config ? bt_json_get(config, "name") : dtype, NULL);
    const char *mode = bt_json_text(bt_json_get(config, "mode"), NULL);
    for (size_t i = 0; name && !mode && i < sizeof modes / sizeof *modes; i++)
        if (bt_starts(name, modes[i]) && name[strlen(modes[i])] == '_') mode = modes[i];
    return mode;
}

bool btk_is_quantized(btk_call *c)
{
    const char *mode = mode_of(c);
    if (mode && strcmp(mode, "int8"))
        btk_unsupported(c->k, "weights quantized as %s: export a SavedModel instead (model.export)", mode);
    return mode;
}

/* Stores by paths number the kernel first, in the order of creation it is not trained. */
static void weights_of(btk_call *c, bt_shape kernel, const bt_shape *bias, bt_shape scale, btk_tensor *out)
{
    bool by_path = c->k->weights->of_path != NULL;
    out[0] = btk_weight_of(c, "kernel", by_path, kernel);
    out[1] = bias ? btk_weight_of(c, "bias", true, *bias) : (btk_tensor){0};
    out[2] = btk_weight_of(c, "kernel_scale", by_path, scale);
}

/* *x in whole numbers of at most a byte, and what it was multiplied by; dtype 0: it is left as it is. */
static btk_tensor rounded(btk_call *c, btk_tensor *x, uint32_t axes)
{
    btk *k = c->k;
    const bt_json *given = btk_of(c, "quantization_config");
    const bt_json *config =
        bt_json_get(bt_json_get(bt_json_get(given, "config"), "activation_quantizer"), "config");
    if (given && !config) return (btk_tensor){0};
    double low = bt_json_double(bt_json_at(bt_json_get(config, "value_range"), 0), -127),
           high = bt_json_double(bt_json_at(bt_json_get(config, "value_range"), 1), 127);
    btk_tensor max = btk_reduce(k, "Max", btk_unary(k, "Abs", *x), axes, true);
    btk_tensor scale = btk_binary(k, "RealDiv", btk_number(k, x->dtype, high),
                                  btk_shifted(k, max, bt_json_double(bt_json_get(config, "epsilon"), 1e-7)));
    *x = btk_clip(k, btk_unary(k, "Round", btk_binary(k, "Mul", *x, scale)), low, high);
    return scale;
}

static void finish(btk_call *c, btk_tensor y, btk_tensor by, btk_tensor scale, btk_tensor bias)
{
    btk *k = c->k;
    y = btk_binary(k, "RealDiv", y, by.dtype ? btk_binary(k, "Mul", scale, by) : scale);
    if (bias.dtype) y = btk_binary(k, "AddV2", y, bias);
    btk_return(c, btk_activate(k, btk_of(c, "activation"), y));
}

void btk_quantized_dense(btk_call *c)
{
    btk *k = c->k;
    int64_t units = btk_int_of(c, "units", 0), n = btk_known(k, c->x, -1, "the last dimension");
    bt_shape bias = BT_SHAPE(units);
    btk_tensor w[3], x = c->x;
    weights_of(c, BT_SHAPE(n, units), btk_bool_of(c, "use_bias", true) ? &bias : NULL, BT_SHAPE(units), w);
    if (k->failed) return;
    btk_tensor by = rounded(c, &x, btk_last_axis(x));
    finish(c, btk_dense_product(k, x, w[0]), by, w[2], w[1]);
}

/* x_axes, y_axes: a letter an axis. The scale of x gets the axes of y, those of the kernel being 1. */
void btk_quantized_einsum(btk_call *c, const char *equation, const char *x_axes, const char *y_axes,
                          bt_shape kernel, const bt_shape *bias)
{
    btk *k = c->k;
    btk_tensor w[3], x = c->x;
    bt_shape shape = {.rank = (int)strlen(y_axes)};
    uint32_t summed = 0;
    int last = -1;
    for (int i = 0; i < shape.rank; i++) {
        const char *from = strchr(x_axes, y_axes[i]);
        shape.dim[i] = from ? 1 : -1;
        if (from && (int)(from - x_axes) < last)
            return btk_unsupported(k, "a quantized product that moves axes");
        if (from) last = (int)(from - x_axes);
    }
    for (int i = 0; x_axes[i]; i++) summed |= strchr(y_axes, x_axes[i]) ? 0 : 1u << i;
    weights_of(c, kernel, bias, shape, w);
    if (k->failed) return;
    btk_tensor by = rounded(c, &x, summed);
    for (int i = x.shape.rank - 1; i >= 0 && by.dtype; i--)
        if (summed >> i & 1) by = btk_squeeze(k, by, i);
    for (int i = 0; i < shape.rank && by.dtype; i++)
        if (!strchr(x_axes, y_axes[i])) by = btk_expand(k, by, i);
    finish(c, btk_einsum(k, equation, x, w[0]), by, w[2], w[1]);
}

/* x: whole numbers. */
btk_tensor btk_quantized_rows(btk_call *c, btk_tensor x)
{
    btk *k = c->k;
    bool by_path = k->weights->of_path != NULL;
    int64_t n = btk_int_of(c, "input_dim", -1);
    btk_tensor table = btk_weight_of(c, "embeddings", by_path, BT_SHAPE(n, btk_int_of(c, "output_dim", -1)));
    btk_tensor scale = btk_weight_of(c, "embeddings_scale", by_path, BT_SHAPE(n));
    return btk_binary(k, "RealDiv", btk_gather(k, table, x, 0),
                      btk_expand(k, btk_gather(k, scale, x, 0), -1));
}
