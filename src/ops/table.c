/* Lookup tables: from keys (integers, strings) to values of one shape. Two kinds: HashTable is filled once, by an
 * initialiser, and then only read; the Mutable ones change. Rows lie in the order in which they came; a removed
 * row's place is taken by the last. Tables filled from a vocabulary file: table_file.c. Dense tables: table_dense.c. */
#include "ops/table.h"

/* ---- The object --------------------------------------------------------------------------------------- */

static void rows_free(bt_rows *rows, int64_t n)
{
    if (rows->dtype == BERTH_STRING)
        for (int64_t i = 0; i < n * rows->width; i++) bt_free(((bt_string *)rows->data)[i].p);
    bt_free(rows->data);
}

static void destroy_table(void *object)
{
    bt_table *t = object;
    rows_free(&t->keys, t->n);
    rows_free(&t->values, t->n);
    bt_free(t->slots);
    bt_free(t->state);
    for (int i = 0; i < 2; i++) bt_tensor_clear(&t->refused[i]);
    pthread_mutex_destroy(&t->lock);
    bt_free(t);
}

static const bt_object_type table_type = {"table", destroy_table};

static berth_status rows_init(bt_rows *rows, berth_dtype dtype, const bt_shape *shape, berth_error *error)
{
    bool is_number = dtype != BERTH_NO_DTYPE && !bt_dtype_is_object(dtype);
    if (!is_number && dtype != BERTH_STRING)
        return bt_fail(error, BERTH_UNSUPPORTED, "tables of %s", bt_dtype_name(dtype));
    rows->dtype = dtype, rows->shape = *shape;
    if (!bt_shape_known(shape) || !bt_shape_bytes(shape, bt_dtype_size(dtype), &rows->bytes))
        return bt_fail(error, BERTH_BAD_MODEL, "the shape of a table's elements is not known");
    rows->width = bt_shape_count(shape);
    return BERTH_OK;
}

bt_rows bt_row_of(const bt_rows *rows, int64_t i)
{
    bt_rows row = *rows;
    row.data += (size_t)i * rows->bytes;
    return row;
}

/* ---- Keys --------------------------------------------------------------------------------------------- */

static uint64_t key_hash(const bt_rows *keys, const char *key)
{
    if (keys->dtype != BERTH_STRING) return bt_hash(key, keys->bytes);
    uint64_t hash = 0;
    for (int64_t i = 0; i < keys->width; i++) {
        const bt_string *s = (const bt_string *)key + i;
        hash = hash * 0x9e3779b97f4a7c15u ^ bt_hash(s->p, s->n);
    }
    return hash;
}

bool bt_rows_equal(const bt_rows *rows, const char *a, const char *b)
{
    if (rows->dtype != BERTH_STRING) return rows->bytes == 0 || memcmp(a, b, rows->bytes) == 0;
    const bt_string *x = (const bt_string *)a, *y = (const bt_string *)b;
    for (int64_t i = 0; i < rows->width; i++)
        if (x[i].n != y[i].n || (x[i].n && memcmp(x[i].p, y[i].p, x[i].n) != 0)) return false;
    return true;
}

/* Where a key's row is noted, or would be. */
static size_t slot_of(const bt_table *t, const char *key)
{
    size_t mask = t->n_slots - 1, i = key_hash(&t->keys, key) & mask;
    while (t->slots[i] && !bt_rows_equal(&t->keys, bt_row_of(&t->keys, t->slots[i] - 1).data, key))
        i = (i + 1) & mask;
    return i;
}

/* The row of a key, -1: none. */
static int64_t find_row(const bt_table *t, const char *key)
{
    if (t->state) return bt_dense_find(t, key);
    return t->n_slots ? t->slots[slot_of(t, key)] - 1 : -1;
}

/* Room for one more row: slots are at most half full. */
static berth_status make_room(bt_table *t, berth_error *error)
{
    size_t n = (size_t)t->n + 1;
    if (!bt_grow(&t->keys.data, &t->keys.room, n, t->keys.bytes ? t->keys.bytes : 1) ||
        !bt_grow(&t->values.data, &t->values.room, n, t->values.bytes ? t->values.bytes : 1))
        return bt_fail_memory(error);
    if (n * 2 <= t->n_slots) return BERTH_OK;
    size_t n_slots = t->n_slots ? t->n_slots * 2 : 16;
    int64_t *slots = bt_calloc(n_slots, sizeof *slots);
    if (!slots) return bt_fail_memory(error);
    bt_free(t->slots);
    t->slots = slots, t->n_slots = n_slots;
    for (int64_t i = 0; i < t->n; i++) slots[slot_of(t, bt_row_of(&t->keys, i).data)] = i + 1;
    return BERTH_OK;
}

berth_status bt_row_set(const bt_rows *row, const void *from, berth_error *error)
{
    return bt_elements_copy(row->dtype, row->data, from, row->width, error);
}

berth_status bt_table_put(bt_table *t, const void *key, const void *value, berth_error *error)
{
    if (t->state) return bt_dense_put(t, key, value, error);
    int64_t found = find_row(t, key);
    if (found >= 0) {
        bt_rows row = bt_row_of(&t->values, found);
        if (!t->fixed) return bt_row_set(&row, value, error);
        if (bt_rows_equal(&t->values, row.data, value)) return BERTH_OK;
        return bt_fail(error, BERTH_BAD_INPUT, "table '%s' has a different value for the same key", t->name);
    }
    berth_status status = make_room(t, error);
    if (status) return status;
    bt_rows rows[2] = {bt_row_of(&t->keys, t->n), bt_row_of(&t->values, t->n)};
    for (int i = 0; i < 2; i++) memset(rows[i].data, 0, rows[i].bytes);
    status = bt_row_set(&rows[0], key, error);
    if (!status) status = bt_row_set(&rows[1], value, error);
    if (!status) return t->slots[slot_of(t, key)] = ++t->n, BERTH_OK;
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; rows[i].dtype == BERTH_STRING && k < rows[i].width; k++)
            bt_string_set((bt_string *)rows[i].data + k, NULL, 0);
    return status;
}

/* Frees a slot, and moves up those behind it that would not be found any more. */
static void free_slot(bt_table *t, size_t hole)
{
    size_t mask = t->n_slots - 1;
    for (size_t i = (hole + 1) & mask; t->slots[i]; i = (i + 1) & mask) {
        size_t home = key_hash(&t->keys, bt_row_of(&t->keys, t->slots[i] - 1).data) & mask;
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        t->slots[hole] = t->slots[i];
        hole = i;
    }
    t->slots[hole] = 0;
}

static void remove_row(bt_table *t, const char *key)
{
    int64_t row = find_row(t, key), last = t->n - 1;
    if (row < 0) return;
    free_slot(t, slot_of(t, key));
    if (row != last) t->slots[slot_of(t, bt_row_of(&t->keys, last).data)] = row + 1;
    bt_rows *parts[2] = {&t->keys, &t->values};
    for (int i = 0; i < 2; i++) {
        bt_rows to = bt_row_of(parts[i], row), from = bt_row_of(parts[i], last);
        for (int64_t k = 0; to.dtype == BERTH_STRING && k < to.width; k++)
            bt_string_set((bt_string *)to.data + k, NULL, 0);
        memmove(to.data, from.data, to.bytes);
    }
    t->n--;
}

static void remove_all(bt_table *t)
{
    bt_rows *parts[2] = {&t->keys, &t->values};
    for (int i = 0; i < 2; i++) {
        rows_free(parts[i], t->n);
        parts[i]->data = NULL, parts[i]->room = 0;
    }
    bt_free(t->slots);
    t->slots = NULL, t->n_slots = 0, t->n = 0;
}

/* ---- Handles ------------------------------------------------------------------------------------------ */

typedef struct creation {
    const bt_node *node;
    const char *name;
    bt_tensor *const *refused;
    int n_refused;
    bool fixed;
} creation;

/* With what TensorFlow asks of a dense table. */
static berth_status make_dense(bt_table *t, const bt_node *node, berth_error *error)
{
    int64_t buckets = bt_attr_int(node, "initial_num_buckets", 131072);
    float load = bt_attr_float(node, "max_load_factor", 0.8f);
    if (buckets < 4 || (buckets & (buckets - 1)))
        return bt_fail(error, BERTH_BAD_INPUT,
                       "initial_num_buckets must be at least 4 and a power of 2, not %lld",
                       (long long)buckets);
    if (!(load > 0 && load < 1))
        return bt_fail(error, BERTH_BAD_INPUT, "max_load_factor must be between 0 and 1, not %g",
                       (double)load);
    if (bt_rows_equal(&t->keys, t->refused[0].data, t->refused[1].data))
        return bt_fail(error, BERTH_BAD_INPUT, "the empty and the deleted key are equal");
    if (t->values.dtype == BERTH_STRING)
        return bt_fail(error, BERTH_UNSUPPORTED, "dense tables of string values");
    t->max_load = load;
    return bt_dense_reset(t, buckets, error);
}

static bt_object *create_table(void *user, berth_error *error)
{
    const creation *make = user;
    size_t n = strlen(make->name) + 1;
    bt_table *t = bt_calloc(1, sizeof *t + n);
    if (!t) return bt_fail_memory(error), NULL;
    t->base = (bt_object){&table_type, 1};
    pthread_mutex_init(&t->lock, NULL);
    memcpy(t->name, make->name, n);
    t->fixed = make->fixed;
    bt_shape shape = BT_SCALAR;
    bool shaped = bt_attr_shape(make->node, "value_shape", &shape);
    if (!shaped) shape = BT_SCALAR;
    const bt_shape *key_shape = make->n_refused ? &make->refused[0]->shape : &BT_SCALAR;
    berth_dtype key = bt_attr_type(make->node, "key_dtype", BERTH_NO_DTYPE);
    /* Tables of tensors take vectors; dense ones scalars too. */
    int least = strncmp(make->node->op, "MutableHashTableOfTensors", 25) ? 0 : 1;
    berth_status status = BERTH_OK;
    if (shaped && (shape.rank < least || shape.rank > 1 || key_shape->rank > 1))
        status = bt_fail(error, BERTH_BAD_INPUT, "the keys and values of a table must be scalars or vectors");
    if (!status) status = rows_init(&t->keys, key, key_shape, error);
    if (!status)
        status =
            rows_init(&t->values, bt_attr_type(make->node, "value_dtype", BERTH_NO_DTYPE), &shape, error);
    if (!status && !bt_dtype_is_int(key) && key != BERTH_STRING)
        status = bt_fail(error, BERTH_UNSUPPORTED, "tables with keys of %s", bt_dtype_name(key));
    for (int i = 0; i < make->n_refused && i < 2 && !status; i++) {
        const bt_tensor *refused = make->refused[i];
        if (refused->dtype != key || !bt_shape_equal(&refused->shape, key_shape))
            status =
                bt_fail(error, BERTH_BAD_INPUT, "the empty and the deleted key differ in dtype or shape");
        else status = bt_tensor_copy(&t->refused[i], refused, error);
    }
    if (!status && make->n_refused) status = make_dense(t, make->node, error);
    if (!status) return &t->base;
    bt_object_free(&t->base);
    return NULL;
}

static berth_status new_table(bt_call *c, bool fixed, bool anonymous)
{
    const char *shared = bt_attr_string(c->node, "shared_name", "");
    creation make = {c->node, *shared ? shared : c->node->name, c->in, c->n_in, fixed};
    bt_resources *resources = bt_run_resources(c);
    if (!resources && !anonymous) return bt_call_unsupported(c, "needs a session");
    bt_object *object = anonymous ? create_table(&make, c->error)
                                  : bt_resources_get(resources, bt_attr_string(c->node, "container", ""),
                                                     make.name, &table_type, create_table, &make, c->error);
    if (!object) return c->error ? c->error->status : BERTH_NO_MEMORY;
    const bt_table *t = (const bt_table *)object;
    if (t->fixed == fixed && t->keys.dtype == bt_attr_type(c->node, "key_dtype", BERTH_NO_DTYPE) &&
        t->values.dtype == bt_attr_type(c->node, "value_dtype", BERTH_NO_DTYPE))
        return bt_out_object(c, 0, BERTH_RESOURCE, object);
    bt_object_free(object);
    return bt_call_fail(c, "table '%s' is there already, of another type", make.name);
}

static berth_status run_fixed(bt_call *c) { return new_table(c, true, false); }
static berth_status run_mutable(bt_call *c) { return new_table(c, false, false); }
static berth_status run_anonymous_fixed(bt_call *c) { return new_table(c, true, true); }
static berth_status run_anonymous_mutable(bt_call *c) { return new_table(c, false, true); }

bt_table *bt_table_input(bt_call *c) { return (bt_table *)bt_object_input(c, 0, &table_type); }

/* ---- Checks ------------------------------------------------------------------------------------------- */

/* How many keys input 1 holds; -1 with the error set. `lead` becomes their shape. */
static int64_t check_keys(bt_call *c, const bt_table *t, bt_shape *lead)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    const bt_tensor *keys = c->n_in > 1 ? c->in[1] : NULL;
    if (!keys || keys->dtype != t->keys.dtype) {
        bt_call_fail(c, "the keys of table '%s' are %s, not %s", t->name, bt_dtype_name(t->keys.dtype),
                     keys ? bt_dtype_name(keys->dtype) : "absent");
        return -1;
    }
    int rank = keys->shape.rank - t->keys.shape.rank;
    bt_shape tail = rank < 0 ? BT_SCALAR : bt_shape_from(t->keys.shape.rank, keys->shape.dim + rank);
    if (rank < 0 || !bt_shape_equal(&tail, &t->keys.shape)) {
        bt_call_fail(c, "keys of shape %s do not end in a key's shape %s", bt_shape_text(&keys->shape, ta),
                     bt_shape_text(&t->keys.shape, tb));
        return -1;
    }
    /* A dense table counts its keys, and compares with the first dimension. */
    bool one = rank == 0 && t->keys.shape.rank > 0 && t->keys.width != 1,
         odd = rank > 0 && bt_shape_span(&keys->shape, 0, rank) != keys->shape.dim[0];
    if (t->refused[0].dtype && (one || odd)) {
        bt_call_fail(c, "keys of shape %s: a dense table takes a list of keys",
                     bt_shape_text(&keys->shape, ta));
        return -1;
    }
    *lead = bt_shape_from(rank, keys->shape.dim);
    int64_t n = bt_shape_count(lead);
    for (int i = 0; i < 2; i++)
        for (int64_t k = 0; t->refused[i].dtype && k < n; k++)
            if (bt_rows_equal(&t->keys, (char *)keys->data + (size_t)k * t->keys.bytes, t->refused[i].data)) {
                bt_call_fail(c, "Using the %s_key as a table key is not allowed", i ? "deleted" : "empty");
                return -1;
            }
    return n;
}

static bool append(const bt_shape *lead, const bt_shape *tail, bt_shape *out)
{
    if (lead->rank + tail->rank > BT_MAX_RANK) return false;
    *out = *lead;
    for (int i = 0; i < tail->rank; i++) out->dim[out->rank++] = tail->dim[i];
    return true;
}

/* Input 2 is values, one a key. */
static berth_status check_values(bt_call *c, const bt_table *t, const bt_shape *lead)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT];
    const bt_tensor *values = c->n_in > 2 ? c->in[2] : NULL;
    bt_shape want;
    if (!values || values->dtype != t->values.dtype)
        return bt_call_fail(c, "the values of table '%s' are %s, not %s", t->name,
                            bt_dtype_name(t->values.dtype), values ? bt_dtype_name(values->dtype) : "absent");
    if (!append(lead, &t->values.shape, &want))
        return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    if (bt_shape_equal(&want, &values->shape)) return BERTH_OK;
    return bt_call_fail(c, "Expected shape %s for value, got %s", bt_shape_text(&want, ta),
                        bt_shape_text(&values->shape, tb));
}

/* ---- Ops ---------------------------------------------------------------------------------------------- */

typedef berth_status action(bt_call *c, bt_table *t);

static berth_status locked(bt_call *c, action *act)
{
    bt_table *t = bt_table_input(c);
    if (!t) return BERTH_BAD_INPUT;
    pthread_mutex_lock(&t->lock);
    berth_status status = act(c, t);
    pthread_mutex_unlock(&t->lock);
    return status;
}

/* The default is one value, or one for each key. */
static berth_status find(bt_call *c, bt_table *t)
{
    char ta[BT_SHAPE_TEXT], tb[BT_SHAPE_TEXT], tc[BT_SHAPE_TEXT];
    bt_shape lead, shape;
    if (t->fixed && !t->ready) return bt_call_fail(c, "table '%s' is not initialized", t->name);
    int64_t n = check_keys(c, t, &lead);
    const bt_tensor *otherwise = c->n_in > 2 ? c->in[2] : NULL;
    if (n < 0) return BERTH_BAD_INPUT;
    if (!otherwise || otherwise->dtype != t->values.dtype)
        return bt_call_fail(c, "the default value must be %s", bt_dtype_name(t->values.dtype));
    if (!append(&lead, &t->values.shape, &shape))
        return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    bool each = bt_shape_equal(&otherwise->shape, &shape);
    if (!each && !bt_shape_equal(&otherwise->shape, &t->values.shape))
        return bt_call_fail(c, "Expected shape %s or %s for default value, got %s",
                            bt_shape_text(&t->values.shape, ta), bt_shape_text(&shape, tb),
                            bt_shape_text(&otherwise->shape, tc));
    char *out = bt_out(c, 0, t->values.dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    each = each && !t->fixed; /* HashTable reads the first alone */
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < n && !status; i++) {
        int64_t row = find_row(t, (char *)c->in[1]->data + (size_t)i * t->keys.bytes);
        const char *from = row >= 0 ? bt_row_of(&t->values, row).data
                                    : (char *)otherwise->data + (each ? (size_t)i * t->values.bytes : 0);
        status = bt_elements_copy(t->values.dtype, out + (size_t)i * t->values.bytes, from, t->values.width,
                                  c->error);
    }
    return status;
}

static berth_status put_all(bt_call *c, bt_table *t, int64_t n)
{
    berth_status status = BERTH_OK;
    const char *keys = c->in[1]->data, *values = c->in[2]->data;
    for (int64_t i = 0; i < n && !status; i++)
        status =
            bt_table_put(t, keys + (size_t)i * t->keys.bytes, values + (size_t)i * t->values.bytes, c->error);
    return status;
}

static berth_status insert(bt_call *c, bt_table *t)
{
    bt_shape lead;
    if (t->fixed) return bt_call_fail(c, "table '%s' is filled once, by its initializer", t->name);
    int64_t n = check_keys(c, t, &lead);
    berth_status status = n < 0 ? BERTH_BAD_INPUT : check_values(c, t, &lead);
    if (!status && t->state) status = bt_dense_reserve(t, n, c->error);
    return status ? status : put_all(c, t, n);
}

berth_status bt_table_fill_again(const bt_table *t, int64_t n, berth_error *error)
{
    if (n == t->n || n == t->given) return BERTH_OK;
    return bt_fail(error, BERTH_BAD_INPUT, "table '%s' was already initialized with different data", t->name);
}

static berth_status import(bt_call *c, bt_table *t)
{
    bt_shape lead;
    if (t->state) return bt_dense_import(c, t);
    int64_t n = check_keys(c, t, &lead);
    berth_status status = n < 0 ? BERTH_BAD_INPUT : check_values(c, t, &lead);
    if (status) return status;
    if (t->ready) return bt_table_fill_again(t, n, c->error);
    remove_all(t);
    status = put_all(c, t, n);
    t->given = n;
    t->ready = t->fixed && !status;
    return status;
}

static berth_status initialise(bt_call *c, bt_table *t)
{
    if (!t->fixed) return bt_call_fail(c, "table '%s' takes no initializer", t->name);
    if (bt_tensor_count(c->in[1]) == 0) return bt_call_fail(c, "keys and values cannot be empty tensors");
    return import(c, t);
}

static berth_status take_out(bt_call *c, bt_table *t)
{
    bt_shape lead;
    if (t->fixed) return bt_call_fail(c, "table '%s' is filled once, by its initializer", t->name);
    int64_t n = check_keys(c, t, &lead);
    for (int64_t i = 0; i < n; i++) {
        const char *key = (char *)c->in[1]->data + (size_t)i * t->keys.bytes;
        if (t->state) bt_dense_remove(t, key);
        else remove_row(t, key);
    }
    return n < 0 ? BERTH_BAD_INPUT : BERTH_OK;
}

static berth_status size(bt_call *c, bt_table *t)
{
    return bt_out_scalar(c, 0, BERTH_INT64, t->state ? t->n_used : t->n);
}

static berth_status export(bt_call *c, bt_table *t)
{
    const bt_rows *parts[2] = {&t->keys, &t->values};
    berth_status status = BERTH_OK;
    if (t->state) return bt_dense_export(c, t);
    for (int i = 0; i < 2 && !status; i++) {
        bt_shape shape, lead = BT_SHAPE(t->n);
        if (!append(&lead, &parts[i]->shape, &shape))
            return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
        void *out = bt_out(c, i, parts[i]->dtype, &shape);
        if (!out) return BERTH_NO_MEMORY;
        if (t->n)
            status = bt_elements_copy(parts[i]->dtype, out, parts[i]->data, t->n * parts[i]->width, c->error);
    }
    return status;
}

static berth_status run_find(bt_call *c) { return locked(c, find); }
static berth_status run_insert(bt_call *c) { return locked(c, insert); }
static berth_status run_import(bt_call *c) { return locked(c, import); }
static berth_status run_initialise(bt_call *c) { return locked(c, initialise); }
static berth_status run_remove(bt_call *c) { return locked(c, take_out); }
static berth_status run_size(bt_call *c) { return locked(c, size); }
static berth_status run_export(bt_call *c) { return locked(c, export); }

static berth_status infer_find(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "Tout", x->n_in > 2 ? x->in[2].dtype : BERTH_NO_DTYPE);
    return BERTH_OK;
}

static berth_status infer_size(bt_infer *x)
{
    bt_infer_scalar(x, 0, BERTH_INT64);
    return BERTH_OK;
}

static berth_status infer_export(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "Tkeys", BERTH_NO_DTYPE);
    x->out[1].dtype = bt_attr_type(x->node, "Tvalues", BERTH_NO_DTYPE);
    return BERTH_OK;
}

#define STATE .flags = BT_OP_STATEFUL
#define VERSIONS(op, ...) \
    {op, __VA_ARGS__, STATE}, { op "V2", __VA_ARGS__, STATE }

/* Of the keys. */
#define KEYS .types = BT_INTS | BT_T(BERTH_STRING), .type_attr = "key_dtype"

const bt_op bt_ops_table[] = {
    VERSIONS("HashTable", bt_infer_handle, .cpu = run_fixed, KEYS),
    VERSIONS("MutableHashTable", bt_infer_handle, .cpu = run_mutable, KEYS),
    VERSIONS("MutableHashTableOfTensors", bt_infer_handle, .cpu = run_mutable, KEYS),
    VERSIONS("MutableDenseHashTable", bt_infer_handle, .cpu = run_mutable, KEYS),
    {"AnonymousHashTable", bt_infer_handle, .cpu = run_anonymous_fixed, STATE, KEYS},
    {"AnonymousMutableHashTable", bt_infer_handle, .cpu = run_anonymous_mutable, STATE, KEYS},
    {"AnonymousMutableHashTableOfTensors", bt_infer_handle, .cpu = run_anonymous_mutable, STATE, KEYS},
    {"AnonymousMutableDenseHashTable", bt_infer_handle, .cpu = run_anonymous_mutable, STATE, KEYS},
    VERSIONS("InitializeTable", bt_infer_none, .cpu = run_initialise, .outputs = ""),
    VERSIONS("LookupTableFind", infer_find, .cpu = run_find),
    VERSIONS("LookupTableInsert", bt_infer_none, .cpu = run_insert, .outputs = ""),
    VERSIONS("LookupTableImport", bt_infer_none, .cpu = run_import, .outputs = ""),
    VERSIONS("LookupTableSize", infer_size, .cpu = run_size),
    VERSIONS("LookupTableExport", infer_export, .cpu = run_export, .outputs = "keys,values"),
    {"LookupTableRemoveV2", bt_infer_none, .cpu = run_remove, STATE, .outputs = ""},
    {NULL},
};
