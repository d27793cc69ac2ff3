/* Depthwise convolution and pooling, vectors along channels. The usual filters (3 x 3 and 5 x 5, stride 1 and 2; 7 x 7)
 * take small tiles of outputs in registers; all others go pixel by pixel. Included by gemm_avx2.c and gemm_avx512.c
 * after gemm_lanes.h. */

INLINE lanes clamp(const bt_depthwise *d, lanes y) { return smaller(all(d->high), larger(all(d->low), y)); }
INLINE lanes bias_of(const bt_depthwise *d, int64_t c, lanes_mask m)
{
    return d->bias ? load_masked(m, d->bias + c) : zero();
}

/* ---- Tiles -------------------------------------------------------------------------------------------- */

/* rows x cols outputs from (oy, ox), channels [c0, c1), filter size x size. An edge tile masks out the pixels outside. */
INLINE void window(const bt_depthwise *d, int64_t oy, int64_t ox, int64_t c0, int64_t c1, const int rows,
                   const int cols, const int size, const int stride, const bool edge)
{
    const int in_rows = (rows - 1) * stride + size, in_cols = (cols - 1) * stride + size;
    const int64_t iy = oy * stride - d->top, ix = ox * stride - d->left, channels = d->channels;
    const float *x = d->x + (iy * d->in_w + ix) * channels;
    float *y = d->y + (oy * d->out_w + ox) * channels;
    for (int64_t c = c0; c < c1; c += VECTOR) {
        const lanes_mask m = mask_of(c1 - c);
        lanes sum[2][4], in[16];
        UNROLL for (int r = 0; r < rows; r++)
        {
            UNROLL for (int t = 0; t < cols; t++) sum[r][t] = bias_of(d, c, m);
        }
        UNROLL for (int i = 0; i < in_rows; i++)
        {
            if (edge && (iy + i < 0 || iy + i >= d->in_h)) continue;
            const float *p = x + i * d->in_w * channels + c;
            UNROLL for (int j = 0; j < in_cols; j++) in[j] =
                load_masked(edge ? mask_if(ix + j >= 0 && ix + j < d->in_w, m) : m, p + j * channels);
            UNROLL for (int r = 0; r < rows; r++)
            {
                if (i < r * stride || i >= r * stride + size) continue;
                UNROLL for (int kx = 0; kx < size; kx++)
                {
                    lanes w = load_masked(m, d->weights + ((i - r * stride) * size + kx) * channels + c);
                    UNROLL for (int t = 0; t < cols; t++) sum[r][t] =
                        fma_of(w, in[t * stride + kx], sum[r][t]);
                }
            }
        }
        UNROLL for (int r = 0; r < rows; r++)
        {
            UNROLL for (int t = 0; t < cols; t++)
                store_masked(y + (r * d->out_w + t) * channels + c, m, clamp(d, sum[r][t]));
        }
    }
}

typedef void window_fn(const bt_depthwise *d, int64_t oy, int64_t ox, int64_t c0, int64_t c1, bool edge);

#define WINDOW(size, stride, rows, cols)                                                            \
    static void window_##size##_##stride(const bt_depthwise *d, int64_t oy, int64_t ox, int64_t c0, \
                                         int64_t c1, bool edge)                                     \
    {                                                                                               \
        if (edge) window(d, oy, ox, c0, c1, rows, cols, size, stride, true);                        \
        else window(d, oy, ox, c0, c1, rows, cols, size, stride, false);                            \
    }
WINDOW(3, 1, 2, 4)
WINDOW(3, 2, 2, 4)
WINDOW(5, 1, 2, 4)
WINDOW(5, 2, 2, 4)
WINDOW(7, 1, 2, 4)

typedef struct window_shape {
    int size, stride, rows, cols;
    window_fn *tile;
} window_shape;

static const window_shape window_shapes[] = {
    {3, 1, 2, 4, window_3_1}, {3, 2, 2, 4, window_3_2}, {5, 1, 2, 4, window_5_1},
    {5, 2, 2, 4, window_5_2}, {7, 1, 2, 4, window_7_1},
};

/* ---- Any filter --------------------------------------------------------------------------------------- */

static void window_pixel(const bt_depthwise *d, int64_t oy, int64_t ox)
{
    const int64_t iy = oy * d->stride_h - d->top, ix = ox * d->stride_w - d->left, channels = d->channels;
    float *y = d->y + (oy * d->out_w + ox) * channels;
    for (int64_t c = 0; c < channels; c += 2 * VECTOR) {
        const lanes_mask low = mask_of(channels - c), high = mask_of(channels - c - VECTOR);
        lanes a = bias_of(d, c, low), b = bias_of(d, c + VECTOR, high);
        for (int64_t ky = 0; ky < d->kh; ky++) {
            int64_t py = iy + ky * d->dilation_h;
            if (py < 0 || py >= d->in_h) continue;
            for (int64_t kx = 0; kx < d->kw; kx++) {
                int64_t px = ix + kx * d->dilation_w;
                if (px < 0 || px >= d->in_w) continue;
                const float *x = d->x + (py * d->in_w + px) * channels + c;
                const float *w = d->weights + (ky * d->kw + kx) * channels + c;
                a = fma_of(load_masked(low, x), load_masked(low, w), a);
                b = fma_of(load_masked(high, x + VECTOR), load_masked(high, w + VECTOR), b);
            }
        }
        store_masked(y + c, low, clamp(d, a));
        store_masked(y + c + VECTOR, high, clamp(d, b));
    }
}

static const window_shape *window_shape_of(const bt_depthwise *d, int64_t rows)
{
    if (d->kh != d->kw || d->stride_h != d->stride_w || d->dilation_h != 1 || d->dilation_w != 1) return NULL;
    for (size_t i = 0; i < sizeof window_shapes / sizeof *window_shapes; i++) {
        const window_shape *s = &window_shapes[i];
        if (s->size == d->kh && s->stride == d->stride_h && s->rows <= rows && s->cols <= d->out_w) return s;
    }
    return NULL;
}

/* The last tile of a row or column overlaps the one before instead of being smaller. */
static int64_t clip(int64_t i, int64_t size, int64_t end) { return i + size <= end ? i : end - size; }

static void depthwise(const bt_depthwise *d, int64_t y0, int64_t y1)
{
    enum {
        BLOCK = 256
    }; /* channels at a time: at power-of-two widths more would crowd few sets of the cache */
    const window_shape *s = window_shape_of(d, y1 - y0);
    for (int64_t oy = y0; !s && oy < y1; oy++)
        for (int64_t ox = 0; ox < d->out_w; ox++) window_pixel(d, oy, ox);
    for (int64_t c = 0; s && c < d->channels; c += BLOCK) {
        int64_t c1 = c + BLOCK < d->channels ? c + BLOCK : d->channels;
        for (int64_t i = y0; i < y1; i += s->rows) {
            int64_t oy = clip(i, s->rows, y1), iy = oy * s->stride - d->top;
            bool edge_y = iy < 0 || iy + (s->rows - 1) * s->stride + s->size > d->in_h;
            for (int64_t j = 0; j < d->out_w; j += s->cols) {
                int64_t ox = clip(j, s->cols, d->out_w), ix = ox * s->stride - d->left;
                bool edge = edge_y || ix < 0 || ix + (s->cols - 1) * s->stride + s->size > d->in_w;
                s->tile(d, oy, ox, c, c1, edge);
            }
        }
    }
}

/* ---- Pooling ------------------------------------------------------------------------------------------ */

static void window_max(float *y, const float *x, int64_t h, int64_t w, int64_t row_stride,
                       int64_t pixel_stride, int64_t channels)
{
    for (int64_t c = 0; c < channels; c += 2 * VECTOR, x += 2 * VECTOR) {
        const lanes_mask low = mask_of(channels - c), high = mask_of(channels - c - VECTOR);
        lanes a = load_masked(low, x), b = load_masked(high, x + VECTOR);
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                const float *p = x + i * row_stride + j * pixel_stride;
                lanes u = load_masked(low, p), v = load_masked(high, p + VECTOR);
                a = keep_nan(u, larger(u, a));
                b = keep_nan(v, larger(v, b));
            }
        store_masked(y + c, low, a);
        store_masked(y + c + VECTOR, high, b);
    }
}

static void window_sum(float *y, const float *x, int64_t h, int64_t w, int64_t row_stride,
                       int64_t pixel_stride, int64_t channels, float scale)
{
    for (int64_t c = 0; c < channels; c += 2 * VECTOR, x += 2 * VECTOR) {
        const lanes_mask low = mask_of(channels - c), high = mask_of(channels - c - VECTOR);
        lanes a = zero(), b = zero();
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                const float *p = x + i * row_stride + j * pixel_stride;
                a = add(a, load_masked(low, p));
                b = add(b, load_masked(high, p + VECTOR));
            }
        store_masked(y + c, low, mul(a, all(scale)));
        store_masked(y + c + VECTOR, high, mul(b, all(scale)));
    }
}
