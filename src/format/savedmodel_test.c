/* SavedModel: a folder made here with two MetaGraphs, of TensorFlow 1's and of 2's kind, and a checkpoint with a
 * partitioned variable and strings. Then damage at every byte of model and index, and every allocation refused once. */
#include <sys/stat.h>
#include <unistd.h>

#include "format/bundle.h"
#include "format/format.h"
#include "format/pbtxt.h"
#include "format/sstable_make.h"
#include "base/wire.h"
#include "torture.h"

#define STRINGS(name, n, values)                                                        \
    "node { name: '" name                                                               \
    "' op: 'Const' attr { key: 'value' value { tensor { dtype: DT_STRING tensor_shape " \
    "{ dim { size: " n " } } string_val: [" values "] } } } }"
#define STRINGS_IN(name, n, values)                                       \
    "node_def"                                                            \
    "{ name: '" name "' op: 'Const' attr { key: 'value' value { tensor {" \
    "dtype: DT_STRING tensor_shape { dim { size: " n " } } string_val: [" values "] } } } }"

/* Each variable and where its value comes from: a (whole), b (whole, one of strings), p (parts of w). */
static const char model_text[] =
    "saved_model_schema_version: 1\n"
    "meta_graphs { meta_info_def { tags: 'train' tags: 'serve' } graph_def { node { name: 'n' op: "
    "'NoOp' } } }\n"
    "meta_graphs { meta_info_def { tags: 'serve' } graph_def {\n"
    "  node { name: 'a' op: 'VariableV2' } node { name: 'p0' op: 'VariableV2' } node { name: 'p1' "
    "op: 'VariableV2' }\n"
    "  node { name: 'h' op: 'VarHandleOp' attr { key: 'shared_name' value { s: 'hh' } } }\n"
    "  node { name: 'cut' op: 'VariableV2' }\n"
    "  node { name: 'prefix' op: 'Placeholder' } " STRINGS(
        "names", "5",
        "'a', 'w', 'w', 's', 'w'") "\n"
                                   "  " STRINGS("slices", "5",
                                                "'', '3 2 0,1:-', '3 2 1,2:-', '', '3 2 "
                                                "0,3:1,1'") "\n"
                                                            "  node { name: 'r' op: 'RestoreV2' "
                                                            "input: ['prefix', 'names', "
                                                            "'slices'] attr { key: 'dtypes' "
                                                            "value { list {\n"
                                                            "    type: [DT_FLOAT, DT_FLOAT, "
                                                            "DT_FLOAT, DT_STRING, DT_FLOAT] } } "
                                                            "} }\n"
                                                            "  node { name: 'i' op: 'Identity' "
                                                            "input: 'r:1' }\n"
                                                            "  node { name: 'a0' op: 'Assign' "
                                                            "input: ['a', 'r'] } node { name: "
                                                            "'a1' op: 'Assign' input: ['p0', "
                                                            "'i'] }\n"
                                                            "  node { name: 'a2' op: 'Assign' "
                                                            "input: ['p1', 'r:2'] } node { "
                                                            "name: 'a3' op: 'AssignVariableOp' "
                                                            "input: ['h', 'r:3'] }\n"
                                                            "  node { name: 'a4' op: 'Assign' "
                                                            "input: ['cut', 'r:4'] }\n"
                                                            "  node { name: 'shard' op: 'NoOp' "
                                                            "input: ['^a1', '^a2', '^a3', "
                                                            "'^a4'] }\n"
                                                            "  node { name: 'all' op: 'NoOp' "
                                                            "input: ['^shard', '^a0'] } node { "
                                                            "name: 'init' op: 'NoOp' }\n"
                                                            "  node { name: 'asset' op: "
                                                            "'Placeholder' } }\n"
                                                            "  saver_def { "
                                                            "filename_tensor_name: 'prefix:0' "
                                                            "restore_op_name: 'all' }\n"
                                                            "  collection_def { key: "
                                                            "'legacy_init_op' value { node_list "
                                                            "{ value: 'nothing' } } }\n"
                                                            "  collection_def { key: "
                                                            "'saved_model_main_op' value { "
                                                            "node_list { value: 'init' } } }\n"
                                                            "  signature_def { key: "
                                                            "'serving_default' value { "
                                                            "method_name: 'predict'\n"
                                                            "    inputs { key: 'z' value { "
                                                            "name: 'z:0' dtype: DT_FLOAT "
                                                            "tensor_shape { dim { size: -1 } } "
                                                            "} }\n"
                                                            "    inputs { key: 'b' value { "
                                                            "name: 'b:0' dtype: DT_INT64 "
                                                            "tensor_shape { unknown_rank: true "
                                                            "} } }\n"
                                                            "    outputs { key: 'y' value { "
                                                            "name: 'y:1' dtype: DT_STRING } } } "
                                                            "}\n"
                                                            "  signature_def { key: "
                                                            "'__saved_model_train_op' value { } "
                                                            "}\n"
                                                            "  asset_file_def { tensor_info { "
                                                            "name: 'asset:0' } filename: "
                                                            "'words.txt' } }\n"
                                                            "meta_graphs { meta_info_def { "
                                                            "tags: 'two' } graph_def {\n"
                                                            "  node { name: 'h' op: "
                                                            "'VarHandleOp' } node { name: "
                                                            "'prefix' op: 'Placeholder' }\n"
                                                            "  node { name: 'call' op: "
                                                            "'StatefulPartitionedCall' input: "
                                                            "['prefix', 'h'] attr { key: 'f' "
                                                            "value { func { name: 'f' } } } }\n"
                                                            "  node { name: 'NoOp' op: 'NoOp' "
                                                            "}\n"
                                                            "  library { function { signature { "
                                                            "name: 'f' input_arg { name: 'p' "
                                                            "type: DT_STRING } input_arg { "
                                                            "name: 'v' type: DT_RESOURCE } }\n"
                                                            "    " STRINGS_IN("names", "1", "'a'") STRINGS_IN(
                                                                "slices", "1", "''") "\n"
                                                                                     "    node_def { name: "
                                                                                     "'r' op: 'RestoreV2' "
                                                                                     "input: ['p', "
                                                                                     "'names:output:0', "
                                                                                     "'slices:output:0']\n"
                                                                                     "      attr { key: "
                                                                                     "'dtypes' value { "
                                                                                     "list { type: "
                                                                                     "DT_FLOAT } } } }\n"
                                                                                     "    node_def { name: "
                                                                                     "'i' op: 'Identity' "
                                                                                     "input: 'r:tensors:0' "
                                                                                     "}\n"
                                                                                     "    node_def { name: "
                                                                                     "'a' op: "
                                                                                     "'AssignVariableOp' "
                                                                                     "input: ['v', "
                                                                                     "'i:output:0'] } } } "
                                                                                     "}\n"
                                                                                     "  saver_def { "
                                                                                     "restore_op_name: "
                                                                                     "'call' }\n"
                                                                                     "  signature_def { "
                                                                                     "key: "
                                                                                     "'__saved_model_init_"
                                                                                     "op' value { outputs "
                                                                                     "{ key: "
                                                                                     "'__saved_model_init_"
                                                                                     "op' value { name: "
                                                                                     "'NoOp' } } } } }\n";

static char folder[] = "/tmp/berth_savedmodel_XXXXXX";
static char names[7][80];
enum { MODEL, MODEL_TEXT, VARIABLES, INDEX, DATA, ASSETS, WORDS };

static void write_file(int name, const char *bytes, size_t n)
{
    FILE *file = fopen(names[name], "wb");
    if (!CHECK(file && fwrite(bytes, 1, n, file) == n)) return;
    fclose(file);
}

/* One entry of the index: where its bytes lie in data, and their checksum. */
static void put_tensor(bt_text *block, const char *key, size_t key_bytes, int dtype, const int *dims,
                       int rank, const bt_text *data, size_t offset, uint32_t crc, const char *slices,
                       size_t slices_bytes)
{
    bt_text e = {0};
    bt_wire_put_uint(&e, 1, (uint64_t)dtype);
    size_t shape = bt_wire_begin(&e, 2);
    for (int i = 0; i < rank; i++) {
        size_t dim = bt_wire_begin(&e, 2);
        bt_wire_put_uint(&e, 1, (uint64_t)dims[i]);
        bt_wire_end(&e, dim);
    }
    bt_wire_end(&e, shape);
    bt_wire_put_uint(&e, 4, offset);
    bt_wire_put_uint(&e, 5, data->n - offset);
    bt_wire_put_fixed32(&e, 6, crc);
    bt_text_add(&e, slices, slices_bytes);
    put_varint(block, 0), put_varint(block, key_bytes), put_varint(block, e.n);
    bt_text_add(block, key, key_bytes), bt_text_add(block, e.p, e.n);
    bt_text_free(&e);
}

static uint32_t crc_from(const bt_text *data, size_t offset)
{
    return bt_crc32c_mask(bt_crc32c(0, data->p + offset, data->n - offset));
}

/* a = [1 2], s = ["x", ""], w = [[1 2] [3 4] [5 6]] in two slices, of one row and of two. */
static void make_checkpoint(bt_text *index, bt_text *data)
{
    static const float a[] = {1, 2}, w[] = {1, 2, 3, 4, 5, 6};
    bt_text block = {0}, entries = {0}, none = {0};
    put_varint(&block, 0), put_varint(&block, 0), put_varint(&block, 2), bt_text_add(&block, "\x08\x01", 2);
    /* The keys of the slices sort first: 0, "w" and its end, rank 2, start and length of each dimension. */
    bt_text_add(data, (const char *)w, 8);
    put_tensor(&block, "\0w\0\1\1\2\x80\x81\x80\x7f", 10, 1, (int[]){1, 2}, 2, data, 0, crc_from(data, 0),
               NULL, 0);
    bt_text_add(data, (const char *)(w + 2), 16);
    put_tensor(&block, "\0w\0\1\1\2\x81\x82\x80\x7f", 10, 1, (int[]){2, 2}, 2, data, 8, crc_from(data, 8),
               NULL, 0);
    bt_text_add(data, (const char *)a, 8);
    put_tensor(&block, "a", 1, 1, (int[]){2}, 1, data, 24, crc_from(data, 24), NULL, 0);
    uint32_t lengths[] = {1, 0}, crc = bt_crc32c(0, lengths, 8), masked = bt_crc32c_mask(crc);
    bt_text_add(data, "\1\0", 2), bt_text_add(data, (const char *)&masked, 4), bt_text_add(data, "x", 1);
    crc = bt_crc32c_mask(bt_crc32c(bt_crc32c(crc, &masked, 4), "x", 1));
    put_tensor(&block, "s", 1, BERTH_STRING, (int[]){2}, 1, data, 32, crc, NULL, 0);
    static const char slices[] = "\x3a\x06\x0a\x02\x10\x01\x0a\x00"
                                 "\x3a\x08\x0a\x04\x08\x01\x10\x02\x0a\x00";
    put_tensor(&block, "w", 1, 1, (int[]){3, 2}, 2, &none, 0, 0, slices, sizeof slices - 1);
    bt_text_add(&block, "\0\0\0\0\1\0\0\0", 8);
    bt_text place = {0};
    put_block(index, &block, 0, &place);
    put_entry(&entries, 0, "x", place.p, place.n);
    put_end(index, &entries);
    bt_text_free(&block), bt_text_free(&entries), bt_text_free(&place);
}

static berth_status load(const char *path, const char *tags, bt_source *source, berth_error *error)
{
    bt_source_init(source);
    return bt_format_load(path, &(bt_format_options){.tags = tags}, source, error);
}

/* The numbers of a variable as text, "[1 2]". */
static void check_variable(const bt_source *source, const char *name, const char *expected)
{
    char text[BT_SHAPE_TEXT];
    bt_text out = {0};
    const bt_variable *v = bt_map_get(&source->variables, bt_str_of(name));
    if (!CHECK(v)) return;
    bt_text_print(&out, "%s%s", bt_dtype_name(v->value.dtype), bt_shape_text(&v->value.shape, text));
    for (int64_t i = 0; i < bt_tensor_count(&v->value); i++) {
        if (v->value.dtype != BERTH_STRING) bt_text_print(&out, " %g", bt_tensor_number(&v->value, i));
        else
            bt_text_print(&out, " '%.*s'", (int)((bt_string *)v->value.data)[i].n,
                          ((bt_string *)v->value.data)[i].p);
    }
    CHECK_TEXT(out.p, expected);
    bt_text_free(&out);
}

static void check_model(const char *path)
{
    bt_source source;
    berth_error error = {0};
    if (!CHECK(load(path, NULL, &source, &error) == BERTH_OK)) printf("%s\n", error.message);
    check_variable(&source, "a", "float32[2] 1 2");
    check_variable(&source, "p0", "float32[1,2] 1 2");
    check_variable(&source, "p1", "float32[2,2] 3 4 5 6");
    check_variable(&source, "cut", "float32[3,1] 2 4 6");
    check_variable(&source, "hh", "string[2] 'x' ''");
    if (CHECK(source.n_signatures == 1)) {
        const bt_signature *s = source.signatures;
        CHECK_TEXT(s->method, "predict");
        if (CHECK(s->n_inputs == 2 && s->n_outputs == 1)) {
            CHECK_TEXT(s->inputs[0].key, "b");
            CHECK(s->inputs[0].shape.rank == -1 && s->inputs[0].dtype == BERTH_INT64);
            CHECK(s->inputs[1].shape.rank == 1 && s->inputs[1].shape.dim[0] == -1);
            CHECK_TEXT(s->outputs[0].tensor, "y:1");
        }
    }
    if (CHECK(source.n_init_targets == 1)) CHECK_TEXT(source.init_targets[0], "init");
    if (CHECK(source.n_asset_feeds == 1)) {
        CHECK_TEXT(source.asset_feeds[0].key, names[WORDS]);
        CHECK_TEXT(source.asset_feeds[0].tensor, "asset:0");
    }
    bt_source_free(&source);
    CHECK_EQ(load(path, "two", &source, &error), BERTH_OK);
    check_variable(&source, "h", "float32[2] 1 2");
    if (CHECK(source.n_init_targets == 1)) CHECK_TEXT(source.init_targets[0], "NoOp");
    bt_source_free(&source);
    CHECK_EQ(load(path, "serve,train", &source, &error), BERTH_OK);
    bt_source_free(&source);
    CHECK_EQ(load(path, "other", &source, &error), BERTH_NOT_FOUND);
    CHECK(strstr(error.message, "'train,serve', 'serve', 'two'"));
    bt_source_free(&source);
}

/* A file cut short at each byte, or with a bit turned in each, loads or says why. */
static void check_damage(int name, const char *bytes, size_t n, bool must_fail)
{
    bt_source source;
    berth_error error;
    char *copy = bt_alloc(n);
    for (size_t i = 0; i < n; i++) {
        for (int turn = 0; turn < 2; turn++) {
            memcpy(copy, bytes, n);
            copy[i] ^= 16;
            write_file(name, copy, turn ? n : i);
            bt_error_clear(&error);
            berth_status status = load(folder, NULL, &source, &error);
            CHECK(turn || name == MODEL || status != BERTH_OK); /* a model may end behind a MetaGraph */
            CHECK(!must_fail || status != BERTH_OK);
            CHECK((status == BERTH_OK) == (error.message[0] == '\0'));
            bt_source_free(&source);
        }
    }
    write_file(name, bytes, n);
    bt_free(copy);
}

static berth_status load_once(void *unused)
{
    bt_source source;
    berth_error error;
    berth_status status = load(folder, NULL, &source, &error);
    (void)unused;
    bt_source_free(&source);
    return status;
}

/* Absent things are told by their names. */
static void check_absent(int name, const char *message)
{
    bt_source source;
    berth_error error = {0};
    char aside[100];
    snprintf(aside, sizeof aside, "%s.aside", names[name]);
    if (!CHECK(rename(names[name], aside) == 0)) return;
    CHECK(load(folder, NULL, &source, &error) != BERTH_OK);
    if (!CHECK(strstr(error.message, message))) printf("    \"%s\"\n", error.message);
    bt_source_free(&source);
    CHECK(rename(aside, names[name]) == 0);
}

/* A tensor that is put together from slices, before anything else is read. */
static void check_whole(void)
{
    bt_source source;
    berth_error error = {0};
    bt_tensor w;
    char prefix[100];
    bt_source_init(&source);
    snprintf(prefix, sizeof prefix, "%s/variables/variables", folder);
    bt_bundle *bundle = bt_bundle_open(prefix, "variables", &source, &error);
    if (CHECK(bundle && !bt_bundle_read(bundle, bt_str_of("w"), bt_str_of(""), &w, &error)))
        for (int i = 0; i < 6; i++) CHECK_EQ(bt_tensor_number(&w, i), i + 1);
    else printf("    %s\n", error.message);
    bt_bundle_free(bundle);
    bt_source_free(&source);
}

int main(void)
{
    static const char *const parts[] = {"saved_model.pb",
                                        "saved_model.pbtxt",
                                        "variables",
                                        "variables/variables.index",
                                        "variables/variables.data-00000-of-00001",
                                        "assets",
                                        "assets/words.txt"};
    if (!CHECK(mkdtemp(folder))) return 1;
    for (int i = 0; i < 7; i++) snprintf(names[i], sizeof names[i], "%s/%s", folder, parts[i]);
    mkdir(names[VARIABLES], 0700), mkdir(names[ASSETS], 0700);
    bt_text index = {0}, data = {0}, model = {0};
    berth_error error = {0};
    make_checkpoint(&index, &data);
    write_file(INDEX, index.p, index.n), write_file(DATA, data.p, data.n), write_file(WORDS, "one\n", 4);
    write_file(MODEL_TEXT, model_text, sizeof model_text - 1);
    check_model(folder);
    if (!CHECK(!bt_pbtxt_encode(bt_str_of(model_text), BT_PBTXT_SAVED_MODEL, &model, &error)))
        printf("%s\n", error.message);
    write_file(MODEL, model.p, model.n);
    check_model(folder);
    check_model(names[MODEL]);
    check_whole();
    torture_status(load_once, NULL, true);
    check_damage(MODEL, model.p, model.n, false);
    check_damage(INDEX, index.p, index.n, false);
    check_damage(DATA, data.p, data.n, true);
    unlink(names[MODEL_TEXT]);
    check_absent(MODEL, "a folder without a model");
    check_absent(DATA, "variables.data-00000-of-00001");
    check_absent(WORDS, "words.txt");
    for (int i = 6; i >= 0; i--) remove(names[i]);
    rmdir(folder);
    bt_text_free(&index), bt_text_free(&data), bt_text_free(&model);
    return check_done();
}
