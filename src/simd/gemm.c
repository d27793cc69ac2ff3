/* Packing, cache blocks and the geometry of convolution, in front of the tile kernels: plain C for every CPU.
 * No threads here: callers share out rows and panels. Why it is so: few left rows are read in place at a time, so the
 * left side is never packed, and one panel of the right side (64 columns with AVX-512) streams from the L2 cache. */
#include "simd/gemm.h"

#include <string.h>

#include "base/mem.h"

/* ---- Packed right sides ------------------------------------------------------------------------------- */

static int64_t vectors_of(const bt_gemm_kernels *g, int64_t n) { return (n + g->vector - 1) / g->vector; }

int64_t bt_gemm_panels(const bt_gemm_kernels *g, int64_t n)
{
    return (vectors_of(g, n) + g->max_vectors - 1) / g->max_vectors;
}

/* Even panels: 9 vectors are 3 + 3 + 3, never 4 + 4 + 1, for a panel of one vector is bound by loads. */
static int64_t first_vector(const bt_gemm_kernels *g, int64_t n, int64_t p)
{
    int64_t panels = bt_gemm_panels(g, n), vectors = vectors_of(g, n);
    return vectors / panels * p + (p < vectors % panels ? p : vectors % panels);
}

int64_t bt_gemm_panel_start(const bt_gemm_kernels *g, int64_t n, int64_t p)
{
    int64_t start = first_vector(g, n, p) * g->vector;
    return start < n ? start : n;
}

bool bt_gemm_packed_bytes(const bt_gemm_kernels *g, int64_t k, int64_t n, size_t *bytes)
{
    size_t cols = (size_t)vectors_of(g, n) * (size_t)g->vector;
    return bt_mul(cols, (size_t)k, bytes) && bt_mul(*bytes, sizeof(float), bytes) && *bytes <= PTRDIFF_MAX;
}

/* From the columns of b, panel by panel. */
static void pack_transposed(const bt_gemm_kernels *g, float *packed, const char *b, int64_t ldb, int64_t k,
                            int64_t n, const float *scale)
{
    for (int64_t p = 0, start = 0, end; start < n; p++, start = end) {
        end = bt_gemm_panel_start(g, n, p + 1);
        const float *from = (const float *)(const void *)(b + start * ldb * (int64_t)sizeof(float));
        int64_t cols = end - start, width = vectors_of(g, cols) * g->vector;
        float *row = packed + start * k;
        g->transpose(row, width, from, ldb, k, cols);
        for (int64_t i = 0; i < k; i++, row += width) {
            for (int64_t j = 0; scale && j < cols; j++) row[j] *= scale[start + j];
            if (width > cols) memset(row + cols, 0, (size_t)(width - cols) * sizeof *row);
        }
    }
}

/* Row by row to all panels, of which the first may be wider: b, maybe pages of a file, is read once from end to end. */
static void pack_rows(const bt_gemm_kernels *g, float *packed, const char *b, int64_t ldb, int64_t k,
                      int64_t n, const float *scale)
{
    const int64_t vectors = vectors_of(g, n), panels = bt_gemm_panels(g, n);
    const int64_t width = vectors / panels * g->vector, wide = width + g->vector,
                  split = bt_gemm_panel_start(g, n, vectors % panels);
    for (int64_t i = 0; i < k; i++, b += ldb * (int64_t)sizeof(float)) {
        const float *row = (const float *)(const void *)b;
        g->pack(packed + i * wide, k, wide, row, scale, split);
        g->pack(packed + split * k + i * width, k, width, row + split, scale ? scale + split : NULL,
                n - split);
    }
}

void bt_gemm_pack(const bt_gemm_kernels *g, float *packed, const void *b, int64_t ldb, bool transposed,
                  int64_t k, int64_t n, const float *scale)
{
    if (n == 0) return;
    if (transposed) pack_transposed(g, packed, b, ldb, k, n, scale);
    else pack_rows(g, packed, b, ldb, k, n, scale);
}

/* ---- Where a tile reads ------------------------------------------------------------------------------- */

bt_gather bt_gather_matrix(const float *x, int64_t m, int64_t k, int64_t ld)
{
    return (bt_gather){.x = x,
                       .in_h = 1,
                       .in_w = m,
                       .pixel = ld,
                       .channels = k,
                       .kh = 1,
                       .kw = 1,
                       .stride_h = 1,
                       .stride_w = 1,
                       .dilation_h = 1,
                       .dilation_w = 1,
                       .out_h = 1,
                       .out_w = m};
}

enum { MAX_RUNS = 64 };

/* The output pixel that comes next, and the image that it reads. */
typedef struct cursor {
    int64_t y, x;
    const float *image;
} cursor;

/* The output rows of a tile: the input pixel of the first tap of each, which may lie outside. */
typedef struct tile_rows {
    int n;
    int64_t y[BT_TILE_ROWS], x[BT_TILE_ROWS];
    const float *first[BT_TILE_ROWS]; /* the pixel there, or where it would be */
    bool inside_x, inside;            /* every tap of every row lies between the sides; in the image */
} tile_rows;

static cursor cursor_at(const bt_gather *l, int64_t row)
{
    int64_t y = row / l->out_w;
    return (cursor){y % l->out_h, row % l->out_w, l->x + y / l->out_h * (l->in_h * l->in_w * l->pixel)};
}

static void locate_rows(const bt_gather *l, cursor *next, int n, tile_rows *at)
{
    const int64_t last_y = l->in_h - 1 - (l->kh - 1) * l->dilation_h,
                  last_x = l->in_w - 1 - (l->kw - 1) * l->dilation_w;
    bool inside_x = true, inside_y = true;
    at->n = n;
    if (next->x + n < l->out_w) { /* the usual tile: in one row of the output, and far from borders */
        int64_t y = next->y * l->stride_h - l->top, x = next->x * l->stride_w - l->left,
                step = l->stride_w * l->pixel;
        if (y >= 0 && y <= last_y && x >= 0 && x + (n - 1) * l->stride_w <= last_x) {
            const float *first = next->image + (y * l->in_w + x) * l->pixel;
            for (int r = 0; r < n; r++, first += step) at->first[r] = first;
            at->inside_x = at->inside = true;
            next->x += n;
            return;
        }
    }
    for (int r = 0; r < n; r++) {
        int64_t y = next->y * l->stride_h - l->top, x = next->x * l->stride_w - l->left;
        at->y[r] = y, at->x[r] = x;
        at->first[r] = (const float *)((uintptr_t)next->image +
                                       (uintptr_t)((y * l->in_w + x) * l->pixel) * sizeof(float));
        inside_x &= x >= 0 && x <= last_x;
        inside_y &= y >= 0 && y <= last_y;
        if (++next->x < l->out_w) continue;
        next->x = 0;
        if (++next->y < l->out_h) continue;
        next->y = 0;
        next->image += l->in_h * l->in_w * l->pixel;
    }
    at->inside_x = inside_x;
    at->inside = inside_x && inside_y;
}

/* Bit r: at[r] + offset lies in [0, size). */
static unsigned inside_of(const int64_t *at, int n, int64_t offset, int64_t size)
{
    unsigned mask = 0;
    for (int r = 0; r < n; r++) mask |= (unsigned)((uint64_t)(at[r] + offset) < (uint64_t)size) << r;
    return mask;
}

/* Taps [kx, kx + n) of filter row ky, cut to rows [k0, k1) of b; zeros for the output rows that `inside` leaves out. */
static int add_run(const bt_gather *l, const tile_rows *at, int64_t ky, int64_t kx, int64_t n,
                   unsigned inside, int64_t k0, int64_t k1, bt_run *run)
{
    int64_t first = (ky * l->kw + kx) * l->channels, end = first + n * l->channels;
    int64_t from = first > k0 ? first : k0, to = end < k1 ? end : k1;
    uintptr_t offset =
        (uintptr_t)((ky * l->dilation_h * l->in_w + kx * l->dilation_w) * l->pixel + (from - first));
    const float *zeros = l->zeros + (from - first);
    if (from >= to) return 0;
    run->k = from;
    run->n = to - from;
    if (at->inside) {
        for (int r = 0; r < at->n; r++) run->row[r] = at->first[r] + (ptrdiff_t)offset;
        return 1;
    }
    for (int r = 0; r < at->n; r++) {
        const float *x = (const float *)((uintptr_t)at->first[r] + offset * sizeof(float));
        run->row[r] = inside >> r & 1 ? x : zeros;
    }
    return 1;
}

/* At the sides: the taps that lie inside for every row as one run, the others one by one. */
static int list_sides(const bt_gather *l, const tile_rows *at, int64_t ky, unsigned rows, int64_t k0,
                      int64_t k1, bt_run *runs)
{
    const unsigned all = (1u << at->n) - 1;
    bool adjoin = l->dilation_w == 1 && l->pixel == l->channels;
    int n = 0;
    for (int64_t kx = 0, taps; kx < l->kw; kx += taps) {
        unsigned inside = inside_of(at->x, at->n, kx * l->dilation_w, l->in_w);
        taps = 1;
        while (adjoin && inside == all && kx + taps < l->kw &&
               inside_of(at->x, at->n, kx + taps, l->in_w) == all)
            taps++;
        if (rows & inside) n += add_run(l, at, ky, kx, taps, rows & inside, k0, k1, &runs[n]);
    }
    return n;
}

static int list_runs(const bt_gather *l, const tile_rows *at, int64_t k0, int64_t k1, bt_run *runs)
{
    if (k0 >= k1) return 0;
    bool whole = at->inside_x && (l->kw == 1 || (l->dilation_w == 1 && l->pixel == l->channels));
    int64_t filter_row = l->kw * l->channels;
    int n = 0;
    for (int64_t ky = k0 / filter_row; ky * filter_row < k1; ky++) {
        unsigned rows = at->inside ? 1 : inside_of(at->y, at->n, ky * l->dilation_h, l->in_h);
        if (!rows) continue;
        if (whole) n += add_run(l, at, ky, 0, l->kw, rows, k0, k1, &runs[n]);
        else if (at->inside) {
            for (int64_t kx = 0; kx < l->kw; kx++) n += add_run(l, at, ky, kx, 1, 1, k0, k1, &runs[n]);
        } else {
            n += list_sides(l, at, ky, rows, k0, k1, &runs[n]);
        }
    }
    return n;
}

/* ---- Cache blocks ------------------------------------------------------------------------------------- */

/* CACHE: right sides above it come from the third-level cache or memory, so fetching ahead pays. Of a 1 MB second-level
 * cache: what the panel in use may take, and the rows of left side and output. */
enum {
    CACHE_BYTES = 192 << 10,
    OUTPUT_COLS = 1 << 13,
    PANEL_BYTES = 640 << 10,
    ROWS_BYTES = 256 << 10,
    ROW_STEP = 24,
    LEAST_ROWS = 96
};

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Rows of b that a tile takes at a time: all, unless the panel overflows the cache or the taps the list of runs. */
static int64_t block_of_k(const bt_product *p, int64_t width)
{
    const bt_gather *l = &p->left;
    int64_t most = PANEL_BYTES / (width * (int64_t)sizeof(float));
    if (p->k <= most && l->kh * l->kw <= MAX_RUNS) return p->k;
    if (l->channels > most) return ceil_div(p->k, ceil_div(p->k, most));
    int64_t taps = most / l->channels < MAX_RUNS ? most / l->channels : MAX_RUNS;
    int64_t blocks = ceil_div(l->kh * l->kw, taps);
    return ceil_div(l->kh * l->kw, blocks) * l->channels;
}

static int64_t block_of_rows(const bt_product *p)
{
    const bt_gather *l = &p->left;
    int64_t taps = l->kh * l->kw, fresh = l->stride_h * l->stride_w;
    int64_t floats = l->channels * (taps < fresh ? taps : fresh) + p->n;
    int64_t rows = ROWS_BYTES / (int64_t)sizeof(float) / (floats > 0 ? floats : 1) / ROW_STEP * ROW_STEP;
    return rows < LEAST_ROWS ? LEAST_ROWS : rows;
}

/* What all tiles of a panel, for one block of k, have in common. */
typedef struct panel_block {
    const bt_gemm_kernels *g;
    const bt_product *p;
    int64_t start, k0, k1; /* first column; rows of b */
    bool last;             /* of the blocks of k */
    bool fetch_output;     /* two tiles ahead: stores to memory that no cache holds would wait one by one */
    bool flat;             /* the left side is a matrix: one run, rows one pixel apart */
    bt_tile tile;
} panel_block;

static void run_tile(panel_block *b, cursor *next, int64_t row, int rows)
{
    const bt_product *p = b->p;
    bt_tile *t = &b->tile;
    bt_run runs[MAX_RUNS];
    t->runs = runs;
    if (b->flat) {
        const float *x = p->left.x + row * p->left.pixel + b->k0;
        runs[0].k = b->k0;
        runs[0].n = b->k1 - b->k0;
        for (int r = 0; r < rows; r++, x += p->left.pixel) runs[0].row[r] = x;
        t->n_runs = 1;
    } else {
        tile_rows at;
        locate_rows(&p->left, next, rows, &at);
        t->n_runs = list_runs(&p->left, &at, b->k0, b->k1, runs);
    }
    t->rows = rows;
    t->c = p->c + row * p->ldc + b->start;
    if (b->fetch_output) {
        int64_t bytes = rows * p->n * (int64_t)sizeof(float);
        t->ahead = (const char *)t->c + 2 * bytes;
        t->ahead_step = ceil_div(bytes, b->k1 - b->k0);
    }
    if (p->add && b->last) t->add = p->add + row * p->ld_add + b->start;
    b->g->tile(t);
    t->ahead += t->ahead_step * (b->k1 - b->k0);
    for (int r = 0; p->activation && b->last && r < rows; r++)
        p->activation(t->c + r * p->ldc, t->c + r * p->ldc, t->cols, p->alpha, p->beta);
}

/* The gather of a matrix, or of what is one. */
static bool is_flat(const bt_gather *l)
{
    return l->kh == 1 && l->kw == 1 && l->out_h == 1 && l->in_h == 1 && l->stride_w == 1 && l->left == 0 &&
           l->top == 0 && l->in_w == l->out_w;
}

/* While a panel is worked through, the next one is fetched piece by piece: the first tile of a panel would wait for it. */
static int64_t ahead_step(const bt_product *p, int64_t width, int64_t tiles)
{
    int64_t row = width * (int64_t)sizeof(float);
    if (p->ldb || p->k * p->n * (int64_t)sizeof(float) < CACHE_BYTES || tiles < 2) return 0;
    int64_t step = ceil_div(row, tiles - 1);
    return step < 64 ? step : 64;
}

static void run_panel(const bt_gemm_kernels *g, const bt_product *p, int64_t panel, int64_t row0,
                      int64_t row1)
{
    int64_t start = bt_gemm_panel_start(g, p->n, panel),
            cols = bt_gemm_panel_start(g, p->n, panel + 1) - start;
    int64_t vectors = vectors_of(g, cols), width = vectors * g->vector;
    int64_t block = block_of_k(p, width), tiles = ceil_div(row1 - row0, g->max_rows[vectors]);
    for (int64_t k0 = 0; k0 == 0 || k0<p->k; k0 += block> 0 ? block : 1) {
        bool last = k0 + block >= p->k;
        panel_block b = {.g = g,
                         .p = p,
                         .start = start,
                         .k0 = k0,
                         .k1 = last ? p->k : k0 + block,
                         .last = last,
                         .flat = is_flat(&p->left)};
        b.tile = (bt_tile){.cols = (int)cols,
                           .b = p->ldb ? p->packed + start : p->packed + start * p->k,
                           .ldb = p->ldb ? p->ldb : width,
                           .ldc = p->ldc,
                           .ld_add = p->ld_add,
                           .bias = p->bias && last ? p->bias + start : NULL,
                           .low = last ? p->low : -__builtin_inff(),
                           .high = last ? p->high : __builtin_inff(),
                           .accumulate = p->accumulate || k0 > 0};
        b.tile.ahead = (const char *)(b.tile.b + (last ? p->k : b.k1) * b.tile.ldb);
        b.tile.ahead_step = ahead_step(p, width, tiles);
        b.fetch_output = b.tile.ahead_step == 0 && b.k1 > k0 && p->ldc == p->n && cols == p->n &&
                         tiles * cols >= OUTPUT_COLS;
        /* Even tiles: 64 rows are 11 of 6 or 5, never a last one of 1 or 2, which leave the multipliers idle. */
        cursor next = cursor_at(&p->left, row0);
        int64_t row = row0, least = (row1 - row0) / tiles, more = (row1 - row0) % tiles;
        for (int64_t i = 0; i < tiles; i++) {
            int rows = (int)(least + (i < more));
            run_tile(&b, &next, row, rows);
            row += rows;
        }
    }
}

void bt_product_run(const bt_gemm_kernels *g, const bt_product *p, int64_t row0, int64_t row1, int64_t panel0,
                    int64_t panel1)
{
    int64_t blocks = row1 > row0 ? ceil_div(row1 - row0, block_of_rows(p)) : 0;
    int64_t row = row0;
    for (int64_t i = 0; i < blocks; i++) {
        int64_t rows = (row1 - row) / (blocks - i);
        for (int64_t panel = panel0; panel < panel1; panel++) run_panel(g, p, panel, row, row + rows);
        row += rows;
    }
}
