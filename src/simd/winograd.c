/* Winograd's F(4 x 4, 3 x 3) on top of the tile kernels: the filter's transform, and blocks of tiles. For each panel of
 * output channels the 36 products of a block follow each other, and at once the inverse transform, while they are in
 * the second-level cache. */
#include "simd/winograd.h"

#include <string.h>

#include "base/mem.h"

enum {
    FREQUENCIES = BT_WINOGRAD_FREQUENCIES,
    TILE = BT_WINOGRAD_TILE,
    BLOCK_BYTES = 512 << 10, /* of a block's frequencies, half of the second-level cache */
    SKEW = 16                /* floats: frequencies apart by a multiple of 4 KB would share one cache set */
};

/* ---- Filters ------------------------------------------------------------------------------------------ */

bool bt_winograd_bytes(const bt_gemm_kernels *g, int64_t channels, int64_t n, size_t *bytes)
{
    return bt_gemm_packed_bytes(g, channels, n, bytes) && bt_mul(*bytes, FREQUENCIES, bytes) &&
           *bytes <= PTRDIFF_MAX;
}

static int64_t row_floats(const bt_gemm_kernels *g, int64_t n)
{
    return (n + g->vector - 1) / g->vector * g->vector;
}

void bt_winograd_pack(const bt_gemm_kernels *g, float *u, const void *filter, int64_t channels, int64_t n,
                      const float *scale)
{
    size_t bytes;
    bt_gemm_packed_bytes(g, channels, n, &bytes);
    if (n % g->vector) memset(u, 0, bytes * FREQUENCIES);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t p = 0, start = 0, end; start < n; p++, start = end) {
            end = bt_gemm_panel_start(g, n, p + 1);
            const char *taps = (const char *)filter + (c * n + start) * (int64_t)sizeof(float);
            g->winograd_filter((const float *)(const void *)taps, channels * n, scale ? scale + start : NULL,
                               end - start, u + start * channels + c * row_floats(g, end - start),
                               (int64_t)(bytes / sizeof(float)));
        }
}

/* ---- Blocks of tiles ---------------------------------------------------------------------------------- */

static int64_t tiles_along(int64_t outputs) { return (outputs + TILE - 1) / TILE; }

int64_t bt_winograd_tiles(const bt_winograd *w, int64_t batch)
{
    return batch * tiles_along(w->out_h) * tiles_along(w->out_w);
}

int64_t bt_winograd_block(const bt_winograd *w)
{
    enum { STEP = 6, LEAST = 18 }; /* rows of a register tile */
    int64_t tiles = BLOCK_BYTES / (FREQUENCIES * (w->channels + 1) * (int64_t)sizeof(float)) / STEP * STEP;
    return tiles < LEAST ? LEAST : tiles;
}

int64_t bt_winograd_work(const bt_gemm_kernels *g, const bt_winograd *w, int64_t tiles)
{
    int64_t width = g->vector * g->max_vectors;
    return FREQUENCIES * (tiles * (row_floats(g, w->channels) + width) + 2 * SKEW);
}

/* Where tile i lies: its image, and the first pixel of its outputs. */
typedef struct place {
    int64_t image, y, x;
} place;

static place place_of(const bt_winograd *w, int64_t i)
{
    int64_t across = tiles_along(w->out_w), down = tiles_along(w->out_h);
    return (place){i / (across * down), i / across % down * TILE, i % across * TILE};
}

static void transform_inputs(const bt_gemm_kernels *g, const bt_winograd *w, int64_t begin, int64_t end,
                             float *v, int64_t step)
{
    for (int64_t i = begin; i < end; i++) {
        place at = place_of(w, i);
        bt_patch patch = {.image = (float *)w->x + at.image * w->in_h * w->in_w * w->channels,
                          .h = w->in_h,
                          .w = w->in_w,
                          .pixel = w->channels,
                          .channels = w->channels,
                          .y = at.y - w->top,
                          .x = at.x - w->left,
                          .frequencies = v + (i - begin) * row_floats(g, w->channels),
                          .step = step};
        g->winograd_input(&patch);
    }
}

static void activate(const bt_winograd *w, const bt_patch *p)
{
    for (int64_t y = p->y; y < p->h && y < p->y + TILE; y++)
        for (int64_t x = p->x; x < p->w && x < p->x + TILE; x++) {
            float *pixel = p->image + (y * p->w + x) * p->pixel;
            w->activation(pixel, pixel, p->channels, w->alpha, w->beta);
        }
}

/* `start`: first of the panel's `cols` output channels. */
static void transform_outputs(const bt_gemm_kernels *g, const bt_winograd *w, int64_t begin, int64_t end,
                              int64_t start, int64_t cols, float *m, int64_t step, int64_t width)
{
    for (int64_t i = begin; i < end; i++) {
        place at = place_of(w, i);
        int64_t image = at.image * w->out_h * w->out_w * w->n + start;
        bt_patch patch = {.image = w->y + image,
                          .h = w->out_h,
                          .w = w->out_w,
                          .pixel = w->n,
                          .channels = cols,
                          .y = at.y,
                          .x = at.x,
                          .frequencies = m + (i - begin) * width,
                          .step = step,
                          .bias = w->bias ? w->bias + start : NULL,
                          .add = w->add ? w->add + image : NULL,
                          .low = w->low,
                          .high = w->high};
        g->winograd_output(&patch);
        if (w->activation) activate(w, &patch);
    }
}

void bt_winograd_run(const bt_gemm_kernels *g, const bt_winograd *w, int64_t begin, int64_t end, float *work)
{
    int64_t tiles = end - begin, row = row_floats(g, w->channels), step = tiles * row + SKEW;
    size_t bytes;
    bt_gemm_packed_bytes(g, w->channels, w->n, &bytes);
    float *m = work + FREQUENCIES * step;
    transform_inputs(g, w, begin, end, work, step);
    for (int64_t p = 0; p < bt_gemm_panels(g, w->n); p++) {
        int64_t start = bt_gemm_panel_start(g, w->n, p), cols = bt_gemm_panel_start(g, w->n, p + 1) - start;
        int64_t width = row_floats(g, cols), m_step = tiles * width + SKEW;
        for (int64_t f = 0; f < FREQUENCIES; f++) {
            bt_product product = {.left = bt_gather_matrix(work + f * step, tiles, w->channels, row),
                                  .packed = w->u + f * (int64_t)(bytes / sizeof(float)) + start * w->channels,
                                  .k = w->channels,
                                  .n = cols,
                                  .c = m + f * m_step,
                                  .ldc = width,
                                  .low = -__builtin_inff(),
                                  .high = __builtin_inff()};
            bt_product_run(g, &product, 0, tiles, 0, 1);
        }
        transform_outputs(g, w, begin, end, start, cols, m, m_step, width);
    }
}
