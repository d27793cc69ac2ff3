/* The geometry that convolutions and poolings share. To read next: conv.c, pool.c. */
#include "ops/window.h"

#include "ops/move.h"

/* Four or five numbers, one an axis of the tensor: 1 for batch, that of channels into *depth (NULL: it must be 1), the rest
 * into axes. */
static berth_status spread(const bt_windowing *w, const char *name, const int64_t *values, int n,
                           int64_t *axes, int64_t *depth, berth_error *error)
{
    int first = w->channels_first ? 2 : 1, channel = w->channels_first ? 1 : n - 1;
    if (n != w->spatial + 2)
        return bt_fail(error, BERTH_BAD_MODEL, "%s has %d elements, not %d", name, n, w->spatial + 2);
    if (values[0] != 1 || (values[channel] != 1 && !depth) || values[channel] < 1)
        return bt_fail(error, BERTH_UNSUPPORTED, "%s of batch and channels must be 1", name);
    if (depth) *depth = values[channel];
    for (int i = 0; i < w->spatial; i++) {
        int64_t value = values[first + i];
        if (value < 1 || value > INT32_MAX)
            return bt_fail(error, BERTH_BAD_MODEL, "%s must be positive", name);
        axes[BT_AXES - w->spatial + i] = value;
    }
    return BERTH_OK;
}

static berth_status parse_list(const bt_node *node, const bt_windowing *w, const char *name, bool required,
                               int64_t *axes, int64_t *depth, berth_error *error)
{
    const bt_attr_value *list;
    int64_t values[BT_AXES + 2];
    int n = bt_attr_list(node, name, &list);
    if (n > 0 && bt_attr_find(node, name)->kind != BT_ATTR_INT) n = -1;
    for (int i = 0; i < BT_AXES; i++) axes[i] = 1;
    if (n <= 0 && !required) return BERTH_OK;
    if (n < 0 || n > BT_AXES + 2)
        return bt_fail(error, BERTH_BAD_MODEL, "attribute %s is missing or too long", name);
    for (int i = 0; i < n; i++) values[i] = list[i].i;
    return spread(w, name, values, n, axes, depth, error);
}

static berth_status parse_paddings(const bt_node *node, bt_windowing *w, berth_error *error)
{
    const bt_attr_value *list;
    int n = bt_attr_list(node, "explicit_paddings", &list), first = w->channels_first ? 2 : 1;
    if (strcmp(w->padding, "EXPLICIT")) return BERTH_OK;
    if (n > 0 && bt_attr_find(node, "explicit_paddings")->kind != BT_ATTR_INT) n = -1;
    if (n == 2 * w->spatial) first = 0; /* Conv lists the spatial axes alone */
    else if (n != 2 * (w->spatial + 2))
        return bt_fail(error, BERTH_BAD_MODEL, "explicit_paddings has %d elements, not %d", n,
                       2 * (w->spatial + 2));
    for (int i = 0; i < w->spatial; i++) {
        int axis = BT_AXES - w->spatial + i;
        w->before[axis] = list[2 * (first + i)].i;
        w->after[axis] = list[2 * (first + i) + 1].i;
        if (w->before[axis] < 0 || w->after[axis] < 0 || w->before[axis] > INT32_MAX ||
            w->after[axis] > INT32_MAX)
            return bt_fail(error, BERTH_BAD_MODEL, "explicit_paddings must not be negative");
    }
    return BERTH_OK;
}

berth_status bt_windowing_parse(const bt_node *node, int spatial, bool pooling, bt_windowing *w,
                                berth_error *error)
{
    *w = (bt_windowing){.spatial = spatial, .depth = 1, .depth_step = 1};
    const char *format = bt_attr_string(node, "data_format", "NHWC");
    w->channels_first = bt_starts(format, "NC") || strcmp(format, "CHANNELS_FIRST") == 0;
    w->padding = bt_attr_string(node, "padding", "");
    if (strcmp(format, "NCHW_VECT_C") == 0)
        return bt_fail(error, BERTH_UNSUPPORTED, "data_format %s", format);
    if (strcmp(w->padding, "SAME") && strcmp(w->padding, "VALID") && strcmp(w->padding, "EXPLICIT"))
        return bt_fail(error, BERTH_BAD_MODEL, "unknown padding '%s'", w->padding);
    bool has_lists = !pooling || bt_attr_find(node, "ksize");
    for (int i = 0; i < BT_AXES; i++) w->size[i] = w->stride[i] = 1;
    int64_t *step = pooling ? &w->depth_step : NULL, *depth = pooling ? &w->depth : NULL;
    berth_status status = has_lists ? parse_list(node, w, "strides", true, w->stride, step, error) : BERTH_OK;
    if (!status) status = parse_list(node, w, "dilations", false, w->dilation, NULL, error);
    if (!status && pooling && has_lists) status = parse_list(node, w, "ksize", true, w->size, depth, error);
    return status ? status : parse_paddings(node, w, error);
}

bool bt_window_list(const bt_node *node, const char *name, int rank, int64_t axes[BT_AXES])
{
    const bt_attr_value *list;
    int n = bt_attr_list(node, name, &list);
    if (n > 0 && bt_attr_find(node, name)->kind != BT_ATTR_INT) n = -1;
    for (int i = 0; i < BT_AXES; i++) axes[i] = 1;
    if (n != rank || list[0].i != 1 || list[n - 1].i != 1) return false;
    for (int i = 1; i < rank - 1; i++) {
        if (list[i].i < 1 || list[i].i > INT32_MAX) return false;
        axes[BT_AXES - rank + 1 + i] = list[i].i;
    }
    return true;
}

berth_status bt_windowing_read(const bt_tensor *t, const bt_windowing *w, int64_t *axes, int64_t *depth,
                               berth_error *error)
{
    int64_t values[BT_AXES + 2];
    int64_t n = bt_tensor_count(t);
    if (t->shape.rank != 1 || n > BT_AXES + 2)
        return bt_fail(error, BERTH_BAD_MODEL, "window and strides must be vectors of %d", w->spatial + 2);
    for (int i = 0; i < n; i++) values[i] = bt_tensor_int(t, i);
    return spread(w, "window or strides", values, (int)n, axes, depth, error);
}

berth_status bt_sizes_input(const bt_windowing *w, const bt_shape *shape, bt_sizes *s, berth_error *error)
{
    int rank = w->spatial + 2, first = w->channels_first ? 2 : 1;
    s->batch = s->in_c = -1;
    for (int i = 0; i < BT_AXES; i++) s->in[i] = i < BT_AXES - w->spatial ? 1 : -1;
    if (shape->rank < 0) return BERTH_OK;
    if (shape->rank != rank)
        return bt_fail(error, BERTH_BAD_MODEL, "input has %d dimensions, not %d", shape->rank, rank);
    s->batch = shape->dim[0];
    s->in_c = shape->dim[w->channels_first ? 1 : rank - 1];
    for (int i = 0; i < w->spatial; i++) s->in[BT_AXES - w->spatial + i] = shape->dim[first + i];
    return BERTH_OK;
}

berth_status bt_sizes_output(const bt_windowing *w, bt_sizes *s, berth_error *error)
{
    for (int i = 0; i < BT_AXES; i++) {
        bt_window one = {.in = s->in[i],
                         .filter = s->filter[i],
                         .stride = w->stride[i],
                         .dilation = w->dilation[i],
                         .before = w->before[i],
                         .after = w->after[i],
                         .out = -1};
        if (s->filter[i] >= 0 && !bt_window_resolve(&one, w->padding))
            return bt_fail(error, BERTH_BAD_MODEL, "a window of %lld does not fit an input of %lld",
                           (long long)s->filter[i], (long long)s->in[i]);
        int64_t reach = (one.filter - 1) * one.dilation + 1, same = !strcmp(w->padding, "SAME");
        if (w->planning && one.in >= 0 && one.filter >= 0 && !same && one.in + one.before + one.after < reach)
            return bt_fail(error, BERTH_BAD_MODEL, "a window of %lld does not fit an image of %lld",
                           (long long)reach, (long long)one.in);
        if (w->centred && same && one.out > 0) one.before = ((one.out - 1) * one.stride + reach - one.in) / 2;
        s->out[i] = one.out;
        s->before[i] = one.before;
    }
    return BERTH_OK;
}

void bt_sizes_centre(const bt_windowing *w, bt_sizes *s)
{
    bool valid = strcmp(w->padding, "VALID") == 0;
    for (int i = BT_AXES - w->spatial; i < BT_AXES; i++)
        s->before[i] = ((s->out[i] - 1) * w->stride[i] + s->filter[i] - s->in[i] + valid) / 2;
}

bt_shape bt_sizes_shape(const bt_windowing *w, int64_t batch, const int64_t axes[BT_AXES], int64_t channels)
{
    bt_shape shape = {.rank = w->spatial + 2};
    int first = w->channels_first ? 2 : 1;
    shape.dim[0] = batch;
    shape.dim[w->channels_first ? 1 : w->spatial + 1] = channels;
    for (int i = 0; i < w->spatial; i++) shape.dim[first + i] = axes[BT_AXES - w->spatial + i];
    return shape;
}

berth_status bt_swap_axes(bt_call *c, berth_dtype dtype, void *dst, const void *src, int64_t batch, int64_t a,
                          int64_t b)
{
    bt_move m = {.dtype = dtype};
    bt_move_axis(&m, batch, a * b, a * b);
    bt_move_axis(&m, b, a, 1);
    bt_move_axis(&m, a, 1, b);
    return bt_call_move(c, &m, dst, src);
}

const void *bt_channels_last(bt_call *c, int i, const bt_windowing *w, const bt_sizes *s)
{
    const bt_tensor *t = c->in[i];
    if (!w->channels_first) return t->data;
    void *copy = bt_scratch(c, bt_tensor_bytes(t));
    if (!copy || bt_swap_axes(c, t->dtype, copy, t->data, s->batch, s->in_c, bt_axes_count(s->in)))
        return NULL;
    return copy;
}
