/* Keras 2: locally connected layers as one product: implementations 2 (a whole matrix, of which a mask leaves what is connected)
 * and 3 (the numbers of what is connected alone). Implementation 1, by patches: keras_conv.c. */
#include "format/keras_layers.h"

typedef struct local {
    const btk_window *w; /* one or two spatial axes */
    int n;
    int64_t in[2], out[2], channels, filters;
} local;

/* The inputs of an axis that output `at` sees: from *start up to *end. */
static void seen(const local *l, int axis, int64_t at, int64_t *start, int64_t *end)
{
    int64_t left = l->w->size[axis] / 2, centre = at * l->w->stride[axis];
    if (strcmp(l->w->padding, "same")) centre += left;
    *start = centre - left < 0 ? 0 : centre - left;
    *end = centre + l->w->size[axis] - left;
    if (*end > l->in[axis]) *end = l->in[axis];
}

/* [in, out] of an axis, as it stands in a kernel of this rank. */
static btk_tensor mask_of(btk_call *c, const local *l, int axis, berth_dtype dtype)
{
    btk *k = c->k;
    int64_t n = l->in[axis] * l->out[axis], start, end;
    int half = l->n + 1, first = l->w->channels_first;
    bt_shape shape = {.rank = 2 * half};
    double *values = bt_arena_array(k->arena, double, (size_t)n + 1);
    if (!values) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), btk_number(k, dtype, 0);
    for (int64_t o = 0; o < l->out[axis]; o++) {
        seen(l, axis, o, &start, &end);
        for (int64_t i = 0; i < l->in[axis]; i++) values[i * l->out[axis] + o] = i >= start && i < end;
    }
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = 1;
    shape.dim[axis + first] = l->in[axis], shape.dim[half + axis + first] = l->out[axis];
    return btk_numbers(k, dtype, shape, values);
}

/* [in..., channels, out..., filters], or the channels and filters first, as a matrix [in channels, out filters]. */
static btk_tensor masked_matrix(btk_call *c, const local *l)
{
    btk *k = c->k;
    int first = l->w->channels_first, half = l->n + 1;
    bt_shape shape = {.rank = 2 * half};
    int64_t sides[2] = {l->channels, l->filters};
    for (int i = 0; i < l->n; i++) {
        shape.dim[i + first] = l->in[i], shape.dim[half + i + first] = l->out[i];
        sides[0] *= l->in[i], sides[1] *= l->out[i];
    }
    shape.dim[first ? 0 : l->n] = l->channels, shape.dim[half + (first ? 0 : l->n)] = l->filters;
    btk_tensor kernel = btk_weight_of(c, "kernel", true, shape);
    for (int i = 0; i < l->n; i++) kernel = btk_binary(k, "Mul", kernel, mask_of(c, l, i, kernel.dtype));
    return btk_reshape(k, kernel, 2, sides, NULL);
}

/* Pairs (output, input), as numbers of elements, in rising order; only counted where pairs is NULL. */
static int64_t connections(const local *l, int32_t (*pairs)[2])
{
    bool first = l->w->channels_first;
    int64_t n = 0, places = l->in[0] * l->in[1], outer = first ? l->filters : 1,
            inner = first ? 1 : l->filters, a[2], b[2];
    for (int64_t f = 0; f < outer; f++)
        for (int64_t o = 0; o < l->out[0] * l->out[1]; o++) {
            seen(l, 0, o / l->out[1], &a[0], &b[0]), seen(l, 1, o % l->out[1], &a[1], &b[1]);
            if (!pairs) {
                n += (b[0] - a[0]) * (b[1] - a[1]) * l->channels * inner;
                continue;
            }
            for (int64_t g = 0; g < inner; g++)
                for (int64_t m = 0; m < (first ? l->channels : 1); m++)
                    for (int64_t row = a[0]; row < b[0]; row++)
                        for (int64_t column = a[1]; column < b[1]; column++)
                            for (int64_t ch = 0; ch < (first ? 1 : l->channels); ch++, n++) {
                                int64_t place = row * l->in[1] + column;
                                pairs[n][0] = (int32_t)((f * l->out[0] * l->out[1] + o) * inner + g);
                                pairs[n][1] =
                                    (int32_t)(first ? m * places + place : place * l->channels + ch);
                            }
        }
    return n;
}

/* The numbers where they belong in a matrix [out filters, in channels]. */
static btk_tensor scattered_matrix(btk_call *c, const local *l)
{
    enum { MOST = 1 << 24 };
    btk *k = c->k;
    int64_t n = connections(l, NULL),
            sides[2] = {l->filters * l->out[0] * l->out[1], l->channels * l->in[0] * l->in[1]};
    int32_t(*pairs)[2] = n < 1 || n > MOST ? NULL : bt_arena_alloc(k->arena, (size_t)n * sizeof *pairs);
    if (!pairs) return btk_unsupported(k, "so many connections"), c->x;
    connections(l, pairs);
    btk_tensor kernel = btk_weight_of(c, "kernel", true, BT_SHAPE(n));
    btk_tensor in[3] = {btk_const(k, BERTH_INT32, BT_SHAPE(n, 2), pairs), kernel, btk_ints(k, 2, sides)};
    btk_tensor y = btk_node(k, "ScatterNd", 3, in, kernel.dtype, BT_SHAPE(sides[0], sides[1]));
    btk_attr_type(k, y, "T", kernel.dtype);
    btk_attr_type(k, y, "Tindices", BERTH_INT32);
    return y;
}

btk_tensor btk_local_product(btk_call *c, const btk_window *w, int64_t channels, int64_t filters,
                             int implementation)
{
    btk *k = c->k;
    int first = w->channels_first;
    btk_window wide = *w; /* of one axis: a second of size 1, behind it */
    local l = {.w = &wide, .n = w->n, .in = {1, 1}, .out = {1, 1}, .channels = channels, .filters = filters};
    int64_t dims[4] = {-1}, sides = channels, results = filters;
    if (w->n == 1) wide.size[1] = wide.stride[1] = 1;
    for (int i = 0; i < w->n; i++) {
        l.in[i] = btk_known(k, c->x, i + 1 + first, "the size of the input");
        int64_t span = strcmp(w->padding, "same") ? w->size[i] - 1 : 0;
        l.out[i] = l.in[i] <= span ? 0 : (l.in[i] - span + w->stride[i] - 1) / w->stride[i];
        if (!k->failed && (l.in[i] > INT16_MAX || l.out[i] < 1)) btk_damaged(k, "an input of such a size");
        if (k->failed) return c->x;
        dims[1 + i + first] = l.out[i], sides *= l.in[i], results *= l.out[i];
    }
    if (channels > INT16_MAX || filters > INT16_MAX || filters < 1 || sides > 1 << 24 || results > 1 << 24)
        return btk_unsupported(k, "so large a layer"), c->x;
    dims[first ? 1 : w->n + 1] = filters;
    btk_tensor x = btk_reshape(k, c->x, 2, (int64_t[]){-1, sides}, (int[]){-1, -1});
    btk_tensor matrix = implementation == 2 ? masked_matrix(c, &l) : scattered_matrix(c, &l);
    btk_tensor y = k->failed ? x : btk_matmul(k, x, matrix, false, implementation != 2);
    return btk_reshape(k, y, w->n + 2, dims, NULL);
}
