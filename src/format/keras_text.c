/* Keras: preprocessing layers of words and categories: Hashing, StringLookup, IntegerLookup,
 * TextVectorization. A vocabulary becomes a hash table that an init target fills. One that was learnt
 * stands apart from the configuration, in an archive's assets; without these it is refused. */
#include "format/keras_layers.h"

/* What a lookup layer says: tokens are numbered from `first`, those unknown fall in `unknown` places before.
 * */
typedef struct lookup {
    berth_dtype key;   /* string or int64 */
    btk_tensor tokens; /* a constant vector */
    int64_t n, first, unknown,
        start; /* tokens; number of the first; places for unknown ones, and the first of these */
    btk_tensor mask, unknown_token; /* scalars; dtype 0: none */
    bool is_index;                  /* output mode "int" */
} lookup;

/* ---- Constants of text -------------------------------------------------------------------------------- */

static btk_tensor text_const(btk *k, bt_shape shape, const bt_str *texts, int64_t n)
{
    bt_string *strings = bt_arena_array(k->arena, bt_string, (size_t)n + 1);
    if (!strings)
        return btk_fail(k, BERTH_NO_MEMORY, "out of memory"),
               (btk_tensor){.edge = {-1, 0}, .dtype = BERTH_STRING};
    for (int64_t i = 0; i < n; i++) {
        strings[i].n = texts[i].n;
        strings[i].p =
            texts[i].n ? (char *)(uintptr_t)texts[i].p : NULL; /* lies in the arena, with the configuration */
    }
    return btk_const(k, BERTH_STRING, shape, strings);
}

/* A token of the configuration as a constant of the key type. */
static btk_tensor token_const(btk *k, const bt_json *j, berth_dtype key)
{
    bt_str text = bt_json_is(j, BT_JSON_STRING) ? j->s : (bt_str){0};
    if (!j || j->kind == BT_JSON_NULL) return (btk_tensor){0};
    return key == BERTH_STRING ? text_const(k, BT_SCALAR, &text, 1)
                               : btk_number(k, key, bt_json_double(j, 0));
}

/* The list from item `from` on. */
static btk_tensor tokens_const(btk *k, const bt_json *list, int64_t from, berth_dtype key, int64_t *n)
{
    *n = list->n - from;
    const bt_json *j = bt_json_at(list, (int)from);
    bt_str *texts = bt_arena_array(k->arena, bt_str, (size_t)*n + 1);
    int64_t *numbers = bt_arena_array(k->arena, int64_t, (size_t)*n + 1);
    if (!texts || !numbers) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), (btk_tensor){0};
    for (int64_t i = 0; j && i < *n; j = j->next, i++) {
        numbers[i] = bt_json_int(j, 0);
        texts[i] = bt_json_is(j, BT_JSON_STRING) ? j->s : (bt_str){0};
    }
    return key == BERTH_STRING ? text_const(k, BT_SHAPE(*n), texts, *n)
                               : btk_const(k, key, BT_SHAPE(*n), numbers);
}

/* ---- Tables ------------------------------------------------------------------------------------------- */

static void add_init_target(btk *k, int32_t node)
{
    if (k->failed || !bt_source_add_init(k->source, k->graph->nodes[node].name))
        btk_fail(k, BERTH_NO_MEMORY, "out of memory");
}

/* A table from keys to values; *x looked up in it. */
static btk_tensor find(btk *k, btk_tensor keys, btk_tensor values, btk_tensor x, btk_tensor otherwise)
{
    btk_tensor table = btk_bare(k, "HashTableV2", 0, NULL, BERTH_RESOURCE, BT_SCALAR);
    btk_attr_type(k, table, "key_dtype", keys.dtype);
    btk_attr_type(k, table, "value_dtype", values.dtype);
    btk_attr_text(k, table, "container", "");
    btk_attr_text(k, table, "shared_name", k->failed ? "" : k->graph->nodes[table.edge.node].name);
    btk_attr_bool(k, table, "use_node_name_sharing", false);
    btk_tensor fill =
        btk_bare(k, "InitializeTableV2", 3, (btk_tensor[]){table, keys, values}, BERTH_NO_DTYPE, BT_SCALAR);
    btk_attr_type(k, fill, "Tkey", keys.dtype);
    btk_attr_type(k, fill, "Tval", values.dtype);
    if (!k->failed) add_init_target(k, fill.edge.node);
    btk_tensor y =
        btk_bare(k, "LookupTableFindV2", 3, (btk_tensor[]){table, x, otherwise}, values.dtype, x.shape);
    btk_attr_type(k, y, "Tin", keys.dtype);
    btk_attr_type(k, y, "Tout", values.dtype);
    return y;
}

static btk_tensor hashed(btk *k, btk_tensor x, int64_t bins, const bt_json *salt)
{
    if (x.dtype != BERTH_STRING) {
        if (bt_dtype_is_float(x.dtype)) x = btk_cast(k, x, BERTH_INT64);
        btk_tensor text = btk_node(k, "AsString", 1, &x, BERTH_STRING, x.shape);
        btk_attr_int(k, text, "precision", -1);
        btk_attr_int(k, text, "width", -1);
        btk_attr_bool(k, text, "scientific", false);
        btk_attr_bool(k, text, "shortest", false);
        btk_attr_text(k, text, "fill", "");
        x = text;
    }
    btk_tensor y = btk_bare(k, salt ? "StringToHashBucketStrong" : "StringToHashBucketFast", 1, &x,
                            BERTH_INT64, x.shape);
    btk_attr_int(k, y, "num_buckets", bins);
    if (salt) {
        bool pair = salt->kind == BT_JSON_ARRAY;
        int64_t key[2] = {bt_json_int(pair ? bt_json_at(salt, 0) : salt, 0),
                          bt_json_int(pair ? bt_json_at(salt, 1) : salt, 0)};
        btk_attr_ints(k, y, "key", 2, key);
    }
    return y;
}

/* ---- Lookup ------------------------------------------------------------------------------------------- */

static bool is_token(const bt_json *a, const bt_json *b)
{
    if (bt_json_is(a, BT_JSON_STRING) && bt_json_is(b, BT_JSON_STRING)) return bt_str_equal(a->s, b->s);
    return bt_json_is_number(a) && bt_json_is_number(b) && bt_json_double(a, 0) == bt_json_double(b, 0);
}

/* Keras lets a vocabulary open with its special tokens, or not. */
static int64_t special_tokens(const lookup *l, const bt_json *list, const bt_json *mask,
                              const bt_json *unknown)
{
    const bt_json *j = list->first;
    for (int64_t i = 0; i < l->first; i++, j = j->next)
        if (!j || !is_token(j, i < l->start ? mask : unknown)) return 0;
    return l->first;
}

/* A vocabulary that was learnt, which an archive keeps apart: a token a line. NULL: there is none. */
static const bt_json *kept_vocabulary(btk_call *c, berth_dtype key)
{
    btk *k = c->k;
    const btk_weights *from = k->weights;
    bt_str text = {0};
    if (from->asset && from->asset(from->user, c->layer->path, "vocabulary.txt", &text, k->error))
        k->failed = true;
    bt_json *list = text.p && !k->failed ? bt_arena_new(k->arena, bt_json) : NULL;
    if (!list) return NULL;
    list->kind = BT_JSON_ARRAY;
    while (text.n && text.p[text.n - 1] == '\n') text.n--;
    bt_json **last = &list->first;
    for (const char *p = text.p, *end = p + text.n, *stop; p <= end && text.n; p = stop + 1) {
        stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        bt_json *item = *last = bt_arena_new(k->arena, bt_json);
        if (!item || list->n == INT32_MAX) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), NULL;
        bt_str token = {bt_arena_copy(k->arena, p, (size_t)(stop - p)), (size_t)(stop - p)};
        item->kind = key == BERTH_STRING ? BT_JSON_STRING : BT_JSON_INT;
        if (!token.p) return btk_fail(k, BERTH_NO_MEMORY, "out of memory"), NULL;
        if (key == BERTH_STRING) item->s = token;
        else if (!bt_str_int(token, &item->i))
            return btk_damaged(k, "its vocabulary is no list of integers"), NULL;
        last = &item->next;
        list->n++;
    }
    return list;
}

static bool open_lookup(btk_call *c, lookup *l, const bt_json *mask, const bt_json *unknown, int64_t places)
{
    btk *k = c->k;
    const bt_json *list = btk_of(c, "vocabulary");
    if (!bt_json_is(list, BT_JSON_ARRAY)) list = kept_vocabulary(c, l->key);
    if (k->failed) return false;
    if (!list) {
        btk_unsupported(k, "its vocabulary is not in the file: export a SavedModel instead (model.export)");
        return false;
    }
    if (places < 0) return btk_damaged(k, "num_oov_indices is out of range"), false;
    l->unknown = places;
    l->start = mask && l->is_index ? 1 : 0;
    l->first = l->start + places;
    l->tokens = tokens_const(k, list, special_tokens(l, list, mask, unknown), l->key, &l->n);
    l->mask = token_const(k, mask, l->key);
    l->unknown_token = token_const(k, unknown, l->key);
    return !k->failed;
}

/* The numbers of the vocabulary's tokens. */
static btk_tensor numbers_of(btk *k, const lookup *l)
{
    btk_tensor in[3] = {btk_number(k, BERTH_INT64, (double)l->first),
                        btk_number(k, BERTH_INT64, (double)(l->first + l->n)), btk_number(k, BERTH_INT64, 1)};
    btk_tensor range = btk_bare(k, "Range", 3, in, BERTH_INT64, BT_SHAPE(l->n));
    btk_attr_type(k, range, "Tidx", BERTH_INT64);
    return range;
}

/* Numbers of the tokens: those of the vocabulary, or places for unknown ones, by their hash where these are
 * several. */
static btk_tensor numbered(btk_call *c, const lookup *l, btk_tensor x)
{
    btk *k = c->k;
    btk_tensor none = btk_number(k, BERTH_INT64, l->unknown == 1 ? (double)l->start : -1);
    btk_tensor y = find(k, l->tokens, numbers_of(k, l), x, none);
    if (l->mask.dtype) /* dropped where vectors are made of the numbers */
        y = btk_select(k, btk_compare(k, "Equal", x, l->mask),
                       btk_number(k, BERTH_INT64, l->is_index ? 0 : -2), y);
    if (l->unknown < 2) return y;
    bool floor = l->key != BERTH_STRING && strcmp(btk_text_of(c, "oov_method", "floormod"), "farmhash");
    btk_tensor place = floor ? btk_binary(k, "FloorMod", x, btk_number(k, x.dtype, (double)l->unknown))
                             : hashed(k, x, l->unknown, btk_of(c, "salt"));
    return btk_select(k, btk_compare(k, "Equal", y, none), btk_shifted(k, place, (double)l->start), y);
}

/* Vectors of the numbers, along the last axis; of int64 in Keras 3, but for tf_idf. */
static btk_tensor vectors(btk_call *c, const lookup *l, btk_tensor y)
{
    btk *k = c->k;
    const char *mode = btk_text_of(c, "output_mode", "int");
    int64_t depth =
        btk_bool_of(c, "pad_to_max_tokens", false) ? btk_int_of(c, "max_tokens", 0) : l->first + l->n;
    bool weighted = !strcmp(mode, "tf_idf");
    berth_dtype dtype = bt_dtype_is_float(c->layer->compute) ? c->layer->compute : BERTH_FLOAT;
    if (k->version >= 3 && !weighted) dtype = BERTH_INT64;
    btk_tensor out = btk_encoded(c, y, depth, mode, dtype, (btk_tensor){0});
    if (!weighted || k->failed) return out;
    const bt_json *weights = btk_of(c, "idf_weights");
    double *values = depth < 1 ? NULL : bt_arena_array(k->arena, double, (size_t)depth + 1), mean = 0;
    if (!bt_json_is(weights, BT_JSON_ARRAY) && depth > 0 && k->weights->of_path) /* learnt: one a place */
        return btk_binary(k, "Mul", out,
                          btk_cast(k, btk_weight_of(c, "idf_weights", false, BT_SHAPE(depth)), out.dtype));
    if (!bt_json_is(weights, BT_JSON_ARRAY) || !values)
        return btk_unsupported(k, "idf_weights that are not in the configuration"), out;
    int64_t i = l->first;
    for (const bt_json *j = weights->first; j; j = j->next) mean += bt_json_double(j, 0) / weights->n;
    for (int64_t u = 0; u < l->first && u < depth; u++) values[u] = mean;
    for (const bt_json *j = weights->first; j && i < depth; j = j->next) values[i++] = bt_json_double(j, 0);
    return btk_binary(k, "Mul", out, btk_numbers(k, out.dtype, BT_SHAPE(depth), values));
}

void btk_lookup(btk_call *c)
{
    btk *k = c->k;
    bool text = !strcmp(c->layer->class_name, "StringLookup");
    lookup l = {.key = text ? BERTH_STRING : BERTH_INT64};
    l.is_index = !strcmp(btk_text_of(c, "output_mode", "int"), "int");
    if (!open_lookup(c, &l, btk_of(c, "mask_token"), btk_of(c, "oov_token"),
                     btk_int_of(c, "num_oov_indices", 1)))
        return;
    btk_tensor x = c->x;
    if (btk_bool_of(c, "invert", false)) {
        x = btk_cast(k, x, BERTH_INT64);
        if (!l.unknown_token.dtype)
            return btk_unsupported(k, "an inverse without a token for what is unknown");
        btk_tensor y = find(k, numbers_of(k, &l), l.tokens, x, l.unknown_token);
        if (l.mask.dtype)
            y = btk_select(k, btk_compare(k, "Equal", x, btk_number(k, BERTH_INT64, 0)), l.mask, y);
        return btk_return(c, y);
    }
    if (text != (x.dtype == BERTH_STRING)) return btk_damaged(k, "takes %s", text ? "strings" : "integers");
    if (!text) x = btk_cast(k, x, BERTH_INT64);
    btk_tensor y = numbered(c, &l, x);
    btk_return(c, l.is_index ? y : vectors(c, &l, y));
}

/* Numbers below `bins` as the output mode wants them. */
static void give_bins(btk_call *c, btk_tensor y, int64_t bins)
{
    const char *mode = btk_text_of(c, "output_mode", "int");
    berth_dtype dtype =
        strcmp(mode, "int") || c->layer->compute != BERTH_FLOAT ? c->layer->compute : BERTH_INT64;
    btk_return(c, btk_encoded(c, y, bins, mode, dtype, (btk_tensor){0}));
}

void btk_hashing(btk_call *c)
{
    btk *k = c->k;
    const bt_json *mask = btk_of(c, "mask_value");
    int64_t bins = btk_int_of(c, "num_bins", 0), kept = mask && bins > 1 ? bins - 1 : bins;
    btk_tensor x = c->x;
    if (bins < 1) return btk_damaged(k, "num_bins is out of range");
    btk_tensor y = hashed(k, x, kept, btk_of(c, "salt"));
    if (kept < bins) {
        btk_tensor is_mask = btk_compare(k, "Equal", x, token_const(k, mask, x.dtype));
        y = btk_select(k, is_mask, btk_number(k, BERTH_INT64, 0), btk_shifted(k, y, 1));
    }
    give_bins(c, y, bins);
}

/* The hash of what several inputs, [batch] or [batch, 1], say together. */
void btk_hashed_crossing(btk_call *c)
{
    btk *k = c->k;
    btk_tensor x[16];
    berth_dtype types[16];
    int rank = c->x.shape.rank;
    int64_t bins = btk_int_of(c, "num_bins", 0), key = 0xDECAFCAFFE;
    bool numbers = false;
    if (bins < 1 || c->n_x < 2 || c->n_x > 16 || !btk_rank(k, c->x, 1, 2))
        return btk_unsupported(k, "such a crossing");
    for (int i = 0; i < c->n_x; i++) {
        x[i] = rank == 1 ? btk_expand(k, c->xs[i], -1) : c->xs[i];
        if (x[i].dtype != BERTH_STRING) x[i] = btk_cast(k, x[i], BERTH_INT64), numbers = true;
        types[i] = x[i].dtype;
    }
    btk_tensor at = btk_bare(k, "SparseCross", c->n_x, x, BERTH_INT64, BT_SHAPE(-1, 2));
    btk_attr_int(k, at, "N", 0);
    btk_attr_bool(k, at, "hashed_output", true);
    btk_attr_int(k, at, "num_buckets", bins);
    btk_attr_int(k, at, "hash_key", key);
    btk_attr_types(k, at, "sparse_types", 0, types);
    btk_attr_types(k, at, "dense_types", c->n_x, types);
    btk_attr_type(k, at, "out_type", BERTH_INT64);
    btk_attr_type(k, at, "internal_type", numbers ? BERTH_INT64 : BERTH_STRING);
    btk_tensor fill[4] = {at, btk_output(at, 2, BERTH_INT64, BT_SHAPE(2)),
                          btk_output(at, 1, BERTH_INT64, BT_SHAPE(-1)), btk_number(k, BERTH_INT64, 0)};
    btk_tensor y = btk_bare(k, "SparseToDense", 4, fill, BERTH_INT64, BT_SHAPE(btk_dim(x[0], 0), 1));
    btk_attr_type(k, y, "T", BERTH_INT64);
    btk_attr_type(k, y, "Tindices", BERTH_INT64);
    btk_attr_bool(k, y, "validate_indices", true);
    give_bins(c, rank == 1 ? btk_squeeze(k, y, 1) : y, bins);
}

/* ---- TextVectorization -------------------------------------------------------------------------------- */

static btk_tensor standardized(btk_call *c, btk_tensor x)
{
    btk *k = c->k;
    const bt_json *j = btk_of(c, "standardize");
    const char *way = bt_json_text(j, NULL);
    bool both = way && !strcmp(way, "lower_and_strip_punctuation"), lower = way && !strcmp(way, "lower");
    bool strip = way && !strcmp(way, "strip_punctuation");
    if (j && !both && !lower && !strip) btk_unsupported(k, "a standardize of its own");
    if (both || lower) {
        x = btk_bare(k, "StringLower", 1, &x, BERTH_STRING, x.shape);
        btk_attr_text(k, x, "encoding", "");
    }
    if (both || strip) {
        x = btk_bare(k, "StaticRegexReplace", 1, &x, BERTH_STRING, x.shape);
        btk_attr_text(k, x, "pattern", "[!\"#$%&()\\*\\+,-\\./:;<=>?@\\[\\\\\\]^_`{|}~\\']");
        btk_attr_text(k, x, "rewrite", "");
        btk_attr_bool(k, x, "replace_global", true);
    }
    return x;
}

/* x[batch] split at white space, the words numbered: [batch, words], at most `length` of them (0: as many as
 * there are). */
static btk_tensor split_numbered(btk_call *c, const lookup *l, btk_tensor x, int64_t length, double pad)
{
    btk *k = c->k;
    bt_str none = {"", 0};
    btk_tensor in[2] = {x, text_const(k, BT_SCALAR, &none, 1)};
    btk_tensor where = btk_bare(k, "StringSplitV2", 2, in, BERTH_INT64, BT_SHAPE(-1, 2));
    btk_attr_int(k, where, "maxsplit", -1);
    btk_tensor words = numbered(c, l, btk_output(where, 1, BERTH_STRING, BT_SHAPE(-1)));
    btk_tensor shape = btk_output(where, 2, BERTH_INT64, BT_SHAPE(2));
    if (length) {
        double least[2] = {0, (double)length};
        shape = btk_binary(k, "Maximum", shape, btk_numbers(k, BERTH_INT64, BT_SHAPE(2), least));
    }
    btk_tensor fill[4] = {where, shape, words, btk_number(k, BERTH_INT64, pad)};
    btk_tensor y = btk_bare(k, "SparseToDense", 4, fill, BERTH_INT64, BT_SHAPE(btk_dim(x, 0), -1));
    btk_attr_type(k, y, "T", BERTH_INT64);
    btk_attr_type(k, y, "Tindices", BERTH_INT64);
    btk_attr_bool(k, y, "validate_indices", true);
    if (!length) return y;
    y = btk_slice(k, y, 1, 0, length);
    y.shape.dim[1] = length;
    return y;
}

/* Rows of strings one behind the other, and where each begins: [batch + 1]. */
typedef struct rows {
    btk_tensor values, splits;
} rows;

static rows words_of(btk *k, btk_tensor x)
{
    bt_str none = {"", 0};
    rows r;
    btk_tensor in[2] = {x, text_const(k, BT_SCALAR, &none, 1)}, bounds[3], sorted[2];
    btk_tensor where = btk_bare(k, "StringSplitV2", 2, in, BERTH_INT64, BT_SHAPE(-1, 2));
    btk_attr_int(k, where, "maxsplit", -1);
    r.values = btk_output(where, 1, BERTH_STRING, BT_SHAPE(-1));
    bounds[0] = btk_int(k, 0), bounds[2] = btk_int(k, 1);
    bounds[1] = btk_binary(k, "AddV2", btk_size(k, x, 0), bounds[2]);
    btk_tensor each = btk_bare(k, "Range", 3, bounds, BERTH_INT32, BT_SHAPE(-1));
    btk_attr_type(k, each, "Tidx", BERTH_INT32);
    sorted[0] = btk_expand(k, btk_pick(k, where, 1, 0), 0);
    sorted[1] = btk_expand(k, btk_cast(k, each, BERTH_INT64), 0);
    btk_tensor at = btk_node(k, "LowerBound", 2, sorted, BERTH_INT64, BT_SHAPE(1, -1));
    btk_attr_type(k, at, "out_type", BERTH_INT64);
    r.splits = btk_squeeze(k, at, 0);
    return r;
}

/* Code points, each one a string. */
static rows letters_of(btk *k, btk_tensor x)
{
    rows r = {.splits = btk_bare(k, "UnicodeDecode", 1, &x, BERTH_INT64, BT_SHAPE(-1))};
    btk_attr_text(k, r.splits, "input_encoding", "UTF-8");
    btk_attr_text(k, r.splits, "errors", "replace");
    btk_attr_int(k, r.splits, "replacement_char", 0xfffd);
    btk_attr_bool(k, r.splits, "replace_control_characters", false);
    btk_attr_type(k, r.splits, "Tsplits", BERTH_INT64);
    btk_tensor points = btk_output(r.splits, 1, BERTH_INT32, BT_SHAPE(-1)), bounds[3], in[2];
    bounds[0] = btk_int(k, 0), bounds[2] = btk_int(k, 1);
    bounds[1] = btk_binary(k, "AddV2", btk_size(k, points, 0), bounds[2]);
    btk_tensor each = btk_bare(k, "Range", 3, bounds, BERTH_INT32, BT_SHAPE(-1));
    btk_attr_type(k, each, "Tidx", BERTH_INT32);
    in[0] = points, in[1] = btk_cast(k, each, BERTH_INT64);
    r.values = btk_bare(k, "UnicodeEncode", 2, in, BERTH_STRING, BT_SHAPE(-1));
    btk_attr_text(k, r.values, "output_encoding", "UTF-8");
    btk_attr_text(k, r.values, "errors", "replace");
    btk_attr_int(k, r.values, "replacement_char", 0xfffd);
    btk_attr_type(k, r.values, "Tsplits", BERTH_INT64);
    return r;
}

/* Runs of neighbours with blanks between them; of all lengths up to a number, or of those of a list. */
static rows runs_of(btk_call *c, rows r, const bt_json *j)
{
    enum { MAX_WIDTH = 64 };
    btk *k = c->k;
    int64_t widths[MAX_WIDTH];
    bool list = bt_json_is(j, BT_JSON_ARRAY);
    int64_t n = list ? j->n : bt_json_int(j, 0);
    if (n < 1 || n > MAX_WIDTH) return btk_unsupported(k, "ngrams of %lld lengths", (long long)n), r;
    for (int i = 0; i < n; i++) {
        widths[i] = list ? bt_json_int(bt_json_at(j, i), 0) : i + 1;
        if (widths[i] < 1 || widths[i] > INT16_MAX) return btk_damaged(k, "ngrams of no length"), r;
    }
    btk_tensor in[2] = {r.values, r.splits};
    btk_tensor y = btk_bare(k, "StringNGrams", 2, in, BERTH_STRING, BT_SHAPE(-1));
    btk_attr_text(k, y, "separator", " ");
    btk_attr_ints(k, y, "ngram_widths", (int)n, widths);
    btk_attr_text(k, y, "left_pad", "");
    btk_attr_text(k, y, "right_pad", "");
    btk_attr_int(k, y, "pad_width", 0);
    btk_attr_bool(k, y, "preserve_short_sequences", false);
    btk_attr_type(k, y, "Tsplits", BERTH_INT64);
    return (rows){y, btk_output(y, 1, BERTH_INT64, BT_SHAPE(-1))};
}

/* Words or letters, or runs of them. */
static rows rows_of(btk_call *c, btk_tensor x, bool letters)
{
    const bt_json *ngrams = btk_of(c, "ngrams");
    rows r = letters ? letters_of(c->k, x) : words_of(c->k, x);
    return ngrams ? runs_of(c, r, ngrams) : r;
}

/* The same as split_numbered, of letters, or of runs of words or letters. */
static btk_tensor runs_numbered(btk_call *c, const lookup *l, btk_tensor x, bool letters, int64_t length,
                                double pad)
{
    btk *k = c->k;
    rows r = rows_of(c, x, letters);
    if (k->failed) return x;
    return btk_padded_rows(k, numbered(c, l, r.values), r.splits, btk_number(k, BERTH_INT64, pad),
                           btk_dim(x, 0), length ? length : -1);
}

void btk_text_vectorization(btk_call *c)
{
    btk *k = c->k;
    if (c->layer->compute == BERTH_STRING) c->layer->compute = c->layer->variable = BERTH_FLOAT; /* Keras 2 */
    const bt_json *split = btk_of(c, "split");
    lookup l = {.key = BERTH_STRING, .is_index = !strcmp(btk_text_of(c, "output_mode", "int"), "int")};
    bt_json empty = {.kind = BT_JSON_STRING, .s = {"", 0}},
            unknown = {.kind = BT_JSON_STRING, .s = {"[UNK]", 5}};
    int64_t length = l.is_index ? btk_int_of(c, "output_sequence_length", 0) : 0;
    btk_tensor x = c->x;
    if (x.dtype != BERTH_STRING) return btk_damaged(k, "takes strings");
    bool letters = split && bt_json_is_text(split, "character"), runs = letters || btk_of(c, "ngrams");
    bool ragged = btk_bool_of(c, "ragged", false);
    if (ragged && (!l.is_index || !split || length))
        return btk_unsupported(k, "ragged outputs of one length, or of no words");
    if (split ? !letters && !bt_json_is_text(split, "whitespace") : runs)
        return btk_unsupported(k, "a split of its own, or none before ngrams");
    if (!open_lookup(c, &l, &empty, &unknown, 1)) return;
    x = standardized(c, x);
    if (split && x.shape.rank > 1) x = btk_squeeze(k, x, -1);
    if (split && !btk_rank(k, x, 1, 1)) return;
    if (ragged) {
        rows r = rows_of(c, x, letters);
        return btk_return(c, btk_ragged(k, numbered(c, &l, r.values), r.splits, btk_dim(x, 0)));
    }
    double pad = l.is_index ? 0 : -2;
    btk_tensor y = runs    ? runs_numbered(c, &l, x, letters, length, pad)
                   : split ? split_numbered(c, &l, x, length, pad)
                           : numbered(c, &l, x);
    if (!split && length) {
        int64_t pads[BT_MAX_RANK][2] = {{0}}, n = btk_known(k, y, -1, "the number of words");
        if (!btk_rank(k, y, 1, BT_MAX_RANK)) return;
        pads[y.shape.rank - 1][1] = n < length ? length - n : 0;
        y = btk_slice(k, btk_pad(k, y, (const int64_t(*)[2])pads), -1, 0, length);
    }
    btk_return(c, l.is_index ? y : vectors(c, &l, y));
}
