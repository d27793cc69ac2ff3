/* The strided copy against a plain loop: random axes of every kind (merged, transposed, repeated, backwards), every
 * size of element, guard bytes around the output, one thread and several. */
#include "ops/move.h"

#include "../../tests/check.h"

enum { GUARD = 64, ROOM = 1 << 16 };

static const berth_dtype dtypes[] = {BERTH_UINT8, BERTH_HALF, BERTH_FLOAT, BERTH_DOUBLE, BERTH_COMPLEX128};

/* A dense output of up to five axes in random order of the input's, which may have gaps, repeats, turned axes. */
static bt_move random_move(berth_dtype dtype, int64_t *from_offset, int64_t *count)
{
    bt_move m = {.dtype = dtype, .rank = (int)check_int(0, 5)};
    int order[BT_MOVE_RANK];
    int64_t to = 1, from = 1;
    *from_offset = 0;
    for (int i = 0; i < m.rank; i++) {
        order[i] = i;
        m.dim[i] = check_int(0, 9) ? check_int(1, m.rank > 3 ? 5 : 20) : check_int(0, 1);
    }
    for (int i = m.rank - 1; i >= 0; i--) m.to[i] = to, to *= m.dim[i];
    for (int i = m.rank - 1; i > 0; i--) {
        int j = check_int(0, 2) ? i : (int)check_int(0, i), swap = order[i];
        order[i] = order[j], order[j] = swap;
    }
    for (int i = m.rank - 1; i >= 0; i--) {
        int axis = order[i], kind = (int)check_int(0, 9);
        int64_t dim = m.dim[axis] > 0 ? m.dim[axis] : 1;
        m.from[axis] = kind == 0 ? 0 : kind == 1 ? -from : kind == 2 ? 2 * from : from;
        if (kind == 1) *from_offset += (dim - 1) * from;
        if (kind != 0) from *= kind == 2 ? 2 * dim : dim;
        if (from > ROOM / 32) from = 1; /* dimensions that overlap in the input are legal */
    }
    *count = to;
    return m;
}

static void plain_move(const bt_move *m, int axis, size_t size, char *dst, const char *src)
{
    if (axis == m->rank) {
        memcpy(dst, src, size);
        return;
    }
    for (int64_t i = 0; i < m->dim[axis]; i++)
        plain_move(m, axis + 1, size, dst + i * m->to[axis] * (int64_t)size,
                   src + i * m->from[axis] * (int64_t)size);
}

static void test_random(bt_pool *pool, const uint8_t *src, uint8_t *dst, uint8_t *want, size_t bytes)
{
    for (int round = 0; round < 3000; round++) {
        int64_t offset, count;
        berth_dtype dtype = dtypes[check_int(0, 4)];
        size_t size = bt_dtype_size(dtype);
        bt_move m = random_move(dtype, &offset, &count);
        if ((size_t)count * size + 2 * GUARD > bytes) continue;
        memset(dst, 0xa5, bytes), memset(want, 0xa5, bytes);
        plain_move(&m, 0, size, (char *)want + GUARD, (const char *)src + offset * (int64_t)size);
        bt_move_run(&m, dst + GUARD, src + offset * (int64_t)size, pool, NULL);
        if (CHECK(memcmp(dst, want, bytes) == 0)) continue;
        for (int i = 0; i < m.rank; i++)
            printf("    %lld to %lld from %lld\n", (long long)m.dim[i], (long long)m.to[i],
                   (long long)m.from[i]);
        return;
    }
}

/* Sizes at which transposes leave partial blocks on either side. */
static void test_transposes(bt_pool *pool, const uint8_t *src, uint8_t *dst, uint8_t *want, size_t bytes)
{
    for (int64_t rows = 1; rows < 40; rows += 3)
        for (int64_t cols = 1; cols < 40; cols += 2)
            for (int d = 0; d < 5; d++) {
                size_t size = bt_dtype_size(dtypes[d]);
                bt_move m = {
                    .dtype = dtypes[d], .rank = 2, .dim = {rows, cols}, .to = {cols, 1}, .from = {1, rows}};
                memset(dst, 0xa5, bytes), memset(want, 0xa5, bytes);
                plain_move(&m, 0, size, (char *)want + GUARD, (const char *)src);
                bt_move_run(&m, dst + GUARD, src, pool, NULL);
                CHECK(memcmp(dst, want, (size_t)(rows * cols) * size + 2 * GUARD) == 0);
            }
}

static void test_strings(void)
{
    bt_tensor a, b;
    bt_shape shape = BT_SHAPE(2, 3), turned = BT_SHAPE(3, 2);
    const char *const words[6] = {"a", "", "ccc", "dd", "e", "f"};
    CHECK(!bt_tensor_init(&a, BERTH_STRING, &shape, NULL) &&
          !bt_tensor_init(&b, BERTH_STRING, &turned, NULL));
    for (int i = 0; i < 6; i++) bt_string_set((bt_string *)a.data + i, words[i], strlen(words[i]));
    bt_move m = {.dtype = BERTH_STRING, .rank = 2, .dim = {3, 2}, .to = {2, 1}, .from = {1, 3}};
    CHECK(bt_move_run(&m, b.data, a.data, NULL, NULL) == BERTH_OK);
    for (int i = 0; i < 6; i++) {
        const bt_string *s = (bt_string *)b.data + i;
        const char *word = words[i % 2 * 3 + i / 2];
        CHECK(s->n == strlen(word) && (!s->n || memcmp(s->p, word, s->n) == 0));
    }
    bt_tensor_clear(&a), bt_tensor_clear(&b);
}

int main(void)
{
    size_t bytes = ROOM * 16;
    uint8_t *src = bt_alloc(2 * bytes), *dst = bt_alloc(bytes), *want = bt_alloc(bytes);
    bt_pool *pool = bt_pool_new(3);
    if (!src || !dst || !want || !pool) return 1;
    for (size_t i = 0; i < 2 * bytes; i++) src[i] = (uint8_t)check_random();
    size_t small = 40000;
    test_random(NULL, src, dst, want, small);
    test_random(pool, src, dst, want, small);
    test_transposes(pool, src, dst, want, small);
    test_strings();
    bt_pool_free(pool);
    bt_free(src), bt_free(dst), bt_free(want);
    return check_done();
}
