/* Matrix products over vectors of any width: register tiles and one row against a matrix. Included once by
 * gemm_avx2.c and gemm_avx512.c, each after its lanes_*.h and its MAX_VECTORS; they say which tiles there are. */
/* clang unrolls loops of constant length early, but late where a pragma asks for it, when arrays are in memory already. */
#if defined(__clang__)
#define UNROLL
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Vector v of a row of `vectors` vectors, of which only the last may be partial. */
INLINE lanes load_part(const float *p, int v, int vectors, lanes_mask last)
{
    return v + 1 < vectors ? load(p + v * VECTOR) : load_masked(last, p + v * VECTOR);
}

/* Adds bias and residual, clamps (a NaN stays) and stores the sums of `rows` rows. The bias comes last, as in TensorFlow,
 * whose results these then are to the last bit where k goes in one block. */
INLINE void finish(const bt_tile *what, const int rows, const int vectors, lanes_mask last,
                   lanes sum[][MAX_VECTORS])
{
    __asm__(
        ""
        : "+r"(what)); /* or gcc keeps every address of the result in registers through the loops before */
    const bt_tile of = *what, *t = &of; /* a copy, which no store changes */
    const lanes low = all(t->low), high = all(t->high);
    if (t->bias) {
        UNROLL for (int v = 0; v < vectors; v++)
        {
            lanes bias = load_part(t->bias, v, vectors, last);
            UNROLL for (int r = 0; r < rows; r++) sum[r][v] = add(sum[r][v], bias);
        }
    }
    if (t->add) {
        UNROLL for (int r = 0; r < rows; r++)
        {
            UNROLL for (int v = 0; v < vectors; v++) sum[r][v] =
                add(sum[r][v], load_part(t->add + r * t->ld_add, v, vectors, last));
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
    {
        UNROLL for (int v = 0; v < vectors; v++)
        {
            float *c = t->c + r * t->ldc + v * VECTOR;
            lanes y = smaller(high, larger(low, sum[r][v]));
            if (v + 1 < vectors) store(c, y);
            else store_masked(c, last, y);
        }
    }
}

/* Adds the products of all runs; fetch: and touches what will be needed next. */
INLINE void multiply(const bt_tile *t, const int rows, const int vectors, const bool fetch, lanes_mask last,
                     lanes sum[][MAX_VECTORS])
{
    const int64_t ldb = t->ldb, step = t->ahead_step;
    const char *ahead = t->ahead;
    for (int i = 0; i < t->n_runs; i++) {
        const bt_run *run = &t->runs[i];
        const float *b = t->b + run->k * ldb;
        const float *x[BT_TILE_ROWS];
        UNROLL for (int r = 0; r < rows; r++) x[r] = run->row[r];
        for (int64_t k = 0, n = run->n; k < n; k++, b += ldb) {
            lanes w[MAX_VECTORS];
            UNROLL for (int v = 0; v < vectors; v++) w[v] = load_part(b, v, vectors, last);
            if (fetch) __builtin_prefetch(ahead, 0, 2), ahead += step;
            UNROLL for (int r = 0; r < rows; r++)
            {
                lanes a = broadcast(x[r] + k);
                UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = fma_of(a, w[v], sum[r][v]);
            }
        }
    }
}

INLINE void tile(const bt_tile *t, const int rows, const int vectors)
{
    const lanes_mask last = mask_of(t->cols - (vectors - 1) * VECTOR);
    lanes sum[BT_TILE_ROWS][MAX_VECTORS], none = zero();
    __asm__("" : "+x"(none)); /* or clang clears the sums as memory, and leaves them there */
    if (t->accumulate) {
        UNROLL for (int r = 0; r < rows; r++)
        {
            UNROLL for (int v = 0; v < vectors; v++) sum[r][v] =
                load_part(t->c + r * t->ldc, v, vectors, last);
        }
    } else {
        UNROLL for (int r = 0; r < rows; r++) { UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = none; }
    }
    if (t->ahead_step) multiply(t, rows, vectors, true, last, sum);
    else multiply(t, rows, vectors, false, last, sum);
    finish(t, rows, vectors, last, sum);
}

/* One row: four steps of k at a time into sums of their own, for one row has too few sums to hide the latency. */
INLINE void tile_row(const bt_tile *t, const int vectors)
{
    enum { STEPS = 4 };
    const lanes_mask last = mask_of(t->cols - (vectors - 1) * VECTOR);
    const int64_t ldb = t->ldb;
    lanes sum[STEPS][MAX_VECTORS];
    UNROLL for (int s = 0; s < STEPS; s++)
    {
        UNROLL for (int v = 0; v < vectors; v++) sum[s][v] =
            s == 0 && t->accumulate ? load_part(t->c, v, vectors, last) : zero();
    }
    for (int i = 0; i < t->n_runs; i++) {
        const float *b = t->b + t->runs[i].k * ldb, *x = t->runs[i].row[0];
        int64_t n = t->runs[i].n, k = 0;
        for (; k + STEPS <= n; k += STEPS, b += STEPS * ldb) {
            UNROLL for (int s = 0; s < STEPS; s++)
            {
                lanes a = all(x[k + s]);
                UNROLL for (int v = 0; v < vectors; v++) sum[s][v] =
                    fma_of(a, load_part(b + s * ldb, v, vectors, last), sum[s][v]);
            }
        }
        for (; k < n; k++, b += ldb) {
            lanes a = all(x[k]);
            UNROLL for (int v = 0; v < vectors; v++) sum[0][v] =
                fma_of(a, load_part(b, v, vectors, last), sum[0][v]);
        }
    }
    UNROLL for (int v = 0; v < vectors; v++) sum[0][v] =
        add(add(sum[0][v], sum[1][v]), add(sum[2][v], sum[3][v]));
    finish(t, 1, vectors, last, sum);
}

#define ROW(vectors) \
    static void tile_1_##vectors(const bt_tile *t) { tile_row(t, vectors); }
#define TILE(rows, vectors) \
    static void tile_##rows##_##vectors(const bt_tile *t) { tile(t, rows, vectors); }
#define TILES(vectors) \
    ROW(vectors) TILE(2, vectors) TILE(3, vectors) TILE(4, vectors) TILE(5, vectors) TILE(6, vectors)

INLINE void transpose_block(lanes r[VECTOR]); /* of VECTOR x VECTOR floats: the includer's */

static void transpose(float *dst, int64_t ld_dst, const float *src, int64_t ld_src, int64_t rows,
                      int64_t cols)
{
    for (int64_t j = 0; j < cols; j += VECTOR)
        for (int64_t i = 0; i < rows; i += VECTOR) {
            lanes_mask in = mask_of(rows - i), out = mask_of(cols - j);
            lanes r[VECTOR];
            UNROLL for (int v = 0; v < VECTOR; v++) r[v] =
                j + v < cols ? load_masked(in, src + (j + v) * ld_src + i) : zero();
            transpose_block(r);
            UNROLL for (int v = 0; v < VECTOR; v++) if (i + v < rows)
                store_masked(dst + (i + v) * ld_dst + j, out, r[v]);
        }
}

static void pack(float *dst, int64_t k, int64_t width, const float *src, const float *scale, int64_t n)
{
    for (int64_t start = 0; start < n; start += width)
        for (int64_t j = start; j < start + width && j < n; j += VECTOR) {
            const lanes_mask in = mask_of(n - j);
            const lanes x = load_masked(in, src + j);
            store(dst + start * k + j - start, scale ? mul(x, load_masked(in, scale + j)) : x);
        }
}

/* ---- One row against a matrix in place ---------------------------------------------------------------- */

INLINE void gemv_strip(float *y, const float *x, const float *b, int64_t ldb, int64_t k, int64_t n,
                       const float *bias, const int vectors)
{
    const lanes_mask last = mask_of(n - (vectors - 1) * VECTOR);
    lanes sum[16];
    UNROLL for (int v = 0; v < vectors; v++) sum[v] = bias ? load_part(bias, v, vectors, last) : zero();
    for (int64_t i = 0; i < k; i++, b += ldb) {
        lanes a = all(x[i]);
        UNROLL for (int v = 0; v < vectors; v++) sum[v] = fma_of(a, load_part(b, v, vectors, last), sum[v]);
    }
    UNROLL for (int v = 0; v < vectors; v++)
        store_masked(y + v * VECTOR, v + 1 < vectors ? mask_of(VECTOR) : last, sum[v]);
}

/* Strips of many sums: each row's piece is long enough for the hardware's prefetch. */
static void gemv(float *y, const float *x, const float *b, int64_t ldb, int64_t k, int64_t n,
                 const float *bias)
{
    enum { WIDE = MAX_VECTORS * 4 };
    while (n > 0) {
        int64_t vectors = n / VECTOR;
        int64_t cols = vectors >= WIDE ? WIDE : vectors >= WIDE / 2 ? WIDE / 2 : vectors >= 4 ? 4 : 1;
        cols = cols * VECTOR < n ? cols * VECTOR : n;
        if (vectors >= WIDE) gemv_strip(y, x, b, ldb, k, cols, bias, WIDE);
        else if (vectors >= WIDE / 2) gemv_strip(y, x, b, ldb, k, cols, bias, WIDE / 2);
        else if (vectors >= 4) gemv_strip(y, x, b, ldb, k, cols, bias, 4);
        else gemv_strip(y, x, b, ldb, k, cols, bias, 1);
        y += cols, b += cols, n -= cols;
        if (bias) bias += cols;
    }
}

INLINE void dots(float *y, const float *x, const float *b, int64_t ldb, int64_t k, const float *bias,
                 const int n)
{
    lanes sum[4][2];
    int64_t i = 0;
    UNROLL for (int j = 0; j < n; j++) sum[j][0] = sum[j][1] = zero();
    for (; i + 2 * VECTOR <= k; i += 2 * VECTOR) {
        lanes low = load(x + i), high = load(x + i + VECTOR);
        UNROLL for (int j = 0; j < n; j++)
        {
            sum[j][0] = fma_of(low, load(b + j * ldb + i), sum[j][0]);
            sum[j][1] = fma_of(high, load(b + j * ldb + i + VECTOR), sum[j][1]);
        }
    }
    for (; i < k; i += VECTOR) {
        lanes_mask mask = mask_of(k - i);
        lanes a = load_masked(mask, x + i);
        UNROLL for (int j = 0; j < n; j++) sum[j][0] =
            fma_of(a, load_masked(mask, b + j * ldb + i), sum[j][0]);
    }
    UNROLL for (int j = 0; j < n; j++) y[j] = sum_of(add(sum[j][0], sum[j][1])) + (bias ? bias[j] : 0);
}

static void gemv_transposed(float *y, const float *x, const float *b, int64_t ldb, int64_t k, int64_t n,
                            const float *bias)
{
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) dots(y + j, x, b + j * ldb, ldb, k, bias ? bias + j : NULL, 4);
    for (; j < n; j++) dots(y + j, x, b + j * ldb, ldb, k, bias ? bias + j : NULL, 1);
}
