/* Matrix products. On a CPU a work item holds a tile of ROWS x COLUMNS sums in registers; on a GPU a group of 16 x 16
 * items makes a tile of 64 x 64 from pieces of both sides in local memory, 4 x 4 sums an item. Who calls: matmul.c. */

/* y[batch][m][n] = a[m][k] b[k][n]; steps in elements. dim: of the batch, the innermost first, unused ones 1; a_step and
 * b_step: of its dimensions, 0 where a side is broadcast. */
typedef struct product {
    I64 batch, m, n, k, a_row, a_col, b_row, b_col, dim[8], a_step[8], b_step[8];
    I64 activation, scale, bias, norm, add;
} product;

#include "epilogue.cl"

#define SIDES(index)                                                   \
    GLOBAL const T *left = a, *right = b;                              \
    for (I64 rest_ = index, i_ = 0; rest_ > 0; i_++) {                 \
        left += rest_ % by.dim[i_] * by.a_step[i_];                    \
        right += rest_ % by.dim[i_] * by.b_step[i_];                   \
        rest_ /= by.dim[i_];                                           \
    }

#ifdef CPU_SHAPED
enum { ROWS = 6, COLUMNS = 32 };

/* `width` columns from pointer `column` on; rows past the last are computed again and not stored. */
#define SUM_TILE(width, step)                                                                         \
    for (I64 l = 0; l < by.k; l++) {                                                                  \
        A factor[ROWS];                                                                               \
        for (int i = 0; i < ROWS; i++) factor[i] = LOAD(left, from[i] + l * by.a_col);                \
        for (int j = 0; j < (width); j++) {                                                           \
            const A v = LOAD(right, l * by.b_row + (first + j) * (step));                             \
            for (int i = 0; i < ROWS; i++) sum[i][j] = fma(factor[i], v, sum[i][j]);                  \
        }                                                                                             \
    }

KERNEL void product_tiles(GLOBAL const T *a, GLOBAL const T *b, GLOBAL T *y, product by, EPILOGUE_ARGUMENTS)
{
    const I64 row_tiles = (by.m + ROWS - 1) / ROWS, column_tiles = (by.n + COLUMNS - 1) / COLUMNS;
    EACH(0, tile, by.batch * row_tiles * column_tiles)
    {
        const I64 index = tile / (row_tiles * column_tiles), top = tile % row_tiles * ROWS;
        const I64 first = tile / row_tiles % column_tiles * COLUMNS;
        const int width = by.n - first < COLUMNS ? (int)(by.n - first) : COLUMNS;
        A sum[ROWS][COLUMNS];
        I64 from[ROWS];
        SIDES(index)
        for (int i = 0; i < ROWS; i++) {
            from[i] = (top + i < by.m ? top + i : by.m - 1) * by.a_row;
            for (int j = 0; j < COLUMNS; j++) sum[i][j] = 0;
        }
        if (width == COLUMNS && by.b_col == 1) {
            SUM_TILE(COLUMNS, 1)
        } else {
            SUM_TILE(width, by.b_col)
        }
        for (int i = 0; i < ROWS && top + i < by.m; i++)
            for (int j = 0; j < width; j++) FINISH(sum[i][j], first + j, (index * by.m + top + i) * by.n + first + j)
    }
}
#else
enum { TILE = 64, DEPTH = 16, SIDE = 16, EACH_SIDE = TILE / SIDE };

KERNEL void product_tiles(GLOBAL const T *a, GLOBAL const T *b, GLOBAL T *y, product by, EPILOGUE_ARGUMENTS)
{
    LOCAL A part_a[DEPTH][TILE + 1];
    LOCAL A part_b[DEPTH][TILE + 1];
    const int x0 = LID(0), y0 = LID(1), item = y0 * SIDE + x0;
    const I64 first = WGID(0) * TILE, down = (by.m + TILE - 1) / TILE, most = (down + NWG(1) - 1) / NWG(1) * by.batch;
    for (I64 round = WGID(2); round < most; round += NWG(2)) {
        const I64 index = round % by.batch, top = (WGID(1) + round / by.batch * NWG(1)) * TILE;
        A sum[EACH_SIDE][EACH_SIDE];
        SIDES(index)
        for (int i = 0; i < EACH_SIDE; i++)
            for (int j = 0; j < EACH_SIDE; j++) sum[i][j] = 0;
        for (I64 l = 0; l < by.k; l += DEPTH) {
            for (int e = item; e < TILE * DEPTH; e += SIDE * SIDE) {
                const int ra = by.a_col == 1 ? e / DEPTH : e % TILE, ca = by.a_col == 1 ? e % DEPTH : e / TILE;
                const int rb = by.b_col == 1 ? e / TILE : e % DEPTH, cb = by.b_col == 1 ? e % TILE : e / DEPTH;
                const int in_a = top + ra < by.m && l + ca < by.k, in_b = first + cb < by.n && l + rb < by.k;
                part_a[ca][ra] = in_a ? LOAD(left, (top + ra) * by.a_row + (l + ca) * by.a_col) : (A)0;
                part_b[rb][cb] = in_b ? LOAD(right, (l + rb) * by.b_row + (first + cb) * by.b_col) : (A)0;
            }
            BARRIER;
            for (int d = 0; d < DEPTH; d++)
                for (int i = 0; i < EACH_SIDE; i++)
                    for (int j = 0; j < EACH_SIDE; j++)
                        sum[i][j] = fma(part_a[d][y0 + i * SIDE], part_b[d][x0 + j * SIDE], sum[i][j]);
            BARRIER;
        }
        for (int i = 0; i < EACH_SIDE; i++)
            for (int j = 0; j < EACH_SIDE; j++) {
                const I64 row = top + y0 + i * SIDE, column = first + x0 + j * SIDE;
                if (row < by.m && column < by.n) FINISH(sum[i][j], column, (index * by.m + row) * by.n + column)
            }
    }
}
#endif
