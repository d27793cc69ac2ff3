/* MutableDenseHashTable: TensorFlow's own open table. Its rows are the buckets, for an export shows them all, and an import
 * (which is how a checkpoint brings them back) gives them as they are. The other kinds: table.c. */
#include "ops/table.h"
#include "ops/text.h"

enum { FREE, USED, DELETED };

static uint64_t hash_of(const bt_rows *keys, const char *key)
{
    uint64_t hash = 0;
    for (int64_t i = 0; i < keys->width; i++) {
        const bt_string *s = (const bt_string *)key + i;
        const bt_tensor numbers = {.dtype = keys->dtype, .data = (char *)key};
        uint64_t one =
            keys->dtype == BERTH_STRING ? bt_murmur64(s->p, s->n) : (uint64_t)bt_tensor_int(&numbers, i);
        hash = keys->width == 1 ? one : hash ^ (one + 0x9e3779b97f4a7800u + (hash << 10) + (hash >> 4));
    }
    return hash;
}

/* The bucket of a key; for one that is to be put, else the first that may take it. -1: none. */
static int64_t bucket_of(const bt_table *t, const char *key, bool is_put)
{
    uint64_t mask = (uint64_t)t->n - 1, at = hash_of(&t->keys, key) & mask;
    for (int64_t step = 0; step < t->n; at = (at + (uint64_t)++step) & mask) {
        if (t->state[at] == USED && bt_rows_equal(&t->keys, bt_row_of(&t->keys, (int64_t)at).data, key))
            return (int64_t)at;
        if (is_put && t->state[at] != USED) return (int64_t)at;
        if (t->state[at] == FREE) return -1;
    }
    return -1;
}

int64_t bt_dense_find(const bt_table *t, const char *key) { return bucket_of(t, key, false); }

/* Parts of a table that change places as one. */
typedef struct buckets {
    char *keys, *values;
    uint8_t *state;
    int64_t n, n_used;
} buckets;

static buckets exchange(bt_table *t, buckets b)
{
    buckets old = {t->keys.data, t->values.data, t->state, t->n, t->n_used};
    t->keys.data = b.keys, t->values.data = b.values, t->state = b.state, t->n = b.n, t->n_used = b.n_used;
    return old;
}

static berth_status new_buckets(const bt_table *t, int64_t n, buckets *b, berth_error *error)
{
    size_t count = (size_t)n;
    *b = (buckets){bt_calloc(count, t->keys.bytes + 1), bt_calloc(count, t->values.bytes + 1),
                   bt_calloc(count + 1, 1), n, 0};
    if (b->keys && b->values && b->state) return BERTH_OK;
    bt_free(b->keys), bt_free(b->values), bt_free(b->state);
    return bt_fail_memory(error);
}

static void free_buckets(const bt_table *t, const buckets *b)
{
    for (int64_t i = 0; t->keys.dtype == BERTH_STRING && i < b->n * t->keys.width; i++)
        bt_free(((bt_string *)b->keys)[i].p);
    bt_free(b->keys), bt_free(b->values), bt_free(b->state);
}

berth_status bt_dense_reset(bt_table *t, int64_t n, berth_error *error)
{
    buckets b;
    berth_status status = new_buckets(t, n, &b, error);
    if (status) return status;
    buckets old = exchange(t, b);
    free_buckets(t, &old);
    return BERTH_OK;
}

berth_status bt_dense_reserve(bt_table *t, int64_t more, berth_error *error)
{
    int64_t n = t->n;
    float entries = (float)(t->n_used + more);
    if (!(entries > (float)n * t->max_load)) return BERTH_OK;
    do {
        if (n > INT64_MAX / 4) return bt_fail_memory(error);
        n *= 2;
    } while (entries > (float)n * t->max_load);
    buckets b;
    berth_status status = new_buckets(t, n, &b, error);
    if (status) return status;
    buckets old = exchange(t, b);
    for (int64_t i = 0; i < old.n; i++) {
        char *key = old.keys + (size_t)i * t->keys.bytes;
        if (old.state[i] != USED) continue;
        int64_t to = bucket_of(t, key, true);
        memcpy(bt_row_of(&t->keys, to).data, key, t->keys.bytes);
        memcpy(bt_row_of(&t->values, to).data, old.values + (size_t)i * t->values.bytes, t->values.bytes);
        t->state[to] = USED, t->n_used++;
        memset(key, 0, t->keys.bytes); /* its strings are the new bucket's */
    }
    free_buckets(t, &old);
    return BERTH_OK;
}

berth_status bt_dense_put(bt_table *t, const void *key, const void *value, berth_error *error)
{
    int64_t at = bucket_of(t, key, true);
    if (at < 0) return bt_fail(error, BERTH_BAD_INPUT, "table '%s' has no free bucket", t->name);
    bt_rows rows[2] = {bt_row_of(&t->keys, at), bt_row_of(&t->values, at)};
    berth_status status = t->state[at] == USED ? BERTH_OK : bt_row_set(&rows[0], key, error);
    if (!status) status = bt_row_set(&rows[1], value, error);
    if (!status && t->state[at] != USED) t->state[at] = USED, t->n_used++;
    return status;
}

/* The value stays, and an export shows it. */
void bt_dense_remove(bt_table *t, const char *key)
{
    int64_t at = bt_dense_find(t, key);
    if (at < 0) return;
    t->state[at] = DELETED, t->n_used--;
}

berth_status bt_dense_export(bt_call *c, const bt_table *t)
{
    const bt_rows *parts[2] = {&t->keys, &t->values};
    for (int k = 0; k < 2; k++) {
        const bt_rows *rows = parts[k];
        bt_shape shape = BT_SHAPE(t->n, rows->width);
        char *out = bt_out(c, k, rows->dtype, &shape);
        if (!out) return BERTH_NO_MEMORY;
        berth_status status = BERTH_OK;
        for (int64_t i = 0; i < t->n && !status; i++) {
            const void *from = k == 1 || t->state[i] == USED ? bt_row_of(rows, i).data
                                                             : t->refused[t->state[i] == DELETED].data;
            status =
                bt_elements_copy(rows->dtype, out + (size_t)i * rows->bytes, from, rows->width, c->error);
        }
        if (status) return status;
    }
    return BERTH_OK;
}

berth_status bt_dense_import(bt_call *c, bt_table *t)
{
    const bt_rows *parts[2] = {&t->keys, &t->values};
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    if (c->n_in < 3) return bt_call_fail(c, "needs keys and values");
    int64_t n = c->in[1]->shape.rank > 0 ? c->in[1]->shape.dim[0] : 0;
    for (int k = 0; k < 2; k++) {
        const bt_tensor *in = c->in[1 + k];
        bt_shape want = BT_SHAPE(n, parts[k]->width);
        if (in->dtype != parts[k]->dtype || n < 1 || !bt_shape_equal(&in->shape, &want))
            return bt_call_fail(c, "the buckets of table '%s' are %s of shape %s, not %s of shape %s",
                                t->name, bt_dtype_name(parts[k]->dtype), bt_shape_text(&want, ta),
                                bt_dtype_name(in->dtype), bt_shape_text(&in->shape, tb));
    }
    berth_status status = bt_dense_reset(t, n, c->error);
    for (int64_t i = 0; i < n && !status; i++) {
        const char *key = (char *)c->in[1]->data + (size_t)i * t->keys.bytes,
                   *value = (char *)c->in[2]->data + (size_t)i * t->values.bytes;
        bt_rows rows[2] = {bt_row_of(&t->keys, i), bt_row_of(&t->values, i)};
        t->state[i] = bt_rows_equal(&t->keys, key, t->refused[0].data)   ? FREE
                      : bt_rows_equal(&t->keys, key, t->refused[1].data) ? DELETED
                                                                         : USED;
        if (t->state[i] == USED) status = bt_row_set(&rows[0], key, c->error), t->n_used++;
        if (!status) status = bt_row_set(&rows[1], value, c->error);
    }
    return status;
}
