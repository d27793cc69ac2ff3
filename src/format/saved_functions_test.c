/* Functions of a graph of objects: names, arguments, outputs, and what they are bound to, of a model as
 * tf.saved_model.save(module) writes it. Then what cannot be, each refused by its name while the rest stays; damage at
 * every byte; and every allocation refused once. Likewise where the file has a signature of its own. */
#include <sys/stat.h>
#include <unistd.h>

#include "format/format.h"
#include "format/pbtxt.h"
#include "format/saved_functions.h"
#include "format/write.h"
#include "torture.h"

/* clang-format off */
#define TYPE(key, type) "attr { key: '" key "' value { type: " type " } } "
#define NAMED(name) "attr { key: '_user_specified_name' value { s: '" name "' } } "
#define SHAPED(dims) "attr { key: '_output_shapes' value { list { shape { " dims " } } } } "
#define SHARED(name) "attr { key: 'shared_name' value { s: '" name "' } } "
#define TEXTS(n, list) \
    "attr { key: 'value' value { tensor { dtype: DT_STRING tensor_shape { dim { size: " n " } } string_val: [" list "] } } } "
#define NODE(name, op, inputs, attrs) "node { name: '" name "' op: '" op "' input: [" inputs "] " attrs " }\n"
#define INNER(name, op, inputs, attrs) "node_def { name: '" name "' op: '" op "' input: [" inputs "] " attrs " }\n"
#define MEMBER(id, name) "children { node_id: " id " local_name: '" name "' } "
#define OBJECT(kind, members) "nodes { " members " " kind " }\n"
#define TRACED(name) "function { concrete_functions: [" name "] }"
#define CONCRETE(name, bound, outputs) \
    "concrete_functions { key: '" name "' value { " bound " output_signature { " outputs " } } }\n"
#define SPEC "tensor_spec_value { shape { dim { size: 3 } } dtype: DT_FLOAT }"
#define ARG(name, type) "input_arg { name: '" name "' type: " type " } "
#define OUT(name, type) "output_arg { name: '" name "' type: " type " } "
#define RET(name, edge) "ret { key: '" name "' value: '" edge "' } "
#define FUNCTION(name, ports, body) "function { signature { name: '" name "' " ports " } " body " }\n"
#define PAIR OUT("p", "DT_FLOAT") OUT("q", "DT_FLOAT")
#define TWICE RET("p", "x") RET("q", "x")

/* f(self, x, training=False), and what it was traced with. */
#define LIST(items) "list_value { " items " }"
#define DEFAULTS \
    "named_tuple_value { values { key: 'args' value { " LIST("values { string_value: 'self' } values { string_value: 'x' } " \
    "values { string_value: 'training' }") " } } values { key: 'defaults' value { " LIST("values { bool_value: false }") " } } " \
    "values { key: 'kwonlydefaults' value { dict_value { fields { key: 'rate' value { float64_value: 0.5 } } } } } }"
#define GIVEN(value) \
    "canonicalized_input_signature { " LIST("values { " LIST("values { " SPEC " } values { " value " }") " } " \
    "values { dict_value { fields { key: 'rate' value { float64_value: 0.5 } } } }") " }"

/* The root has two variables of one name in the checkpoint, a list that leads back to it, and functions: `f` with
 * two traces beside a member `f_1`, `inner.g` of a dictionary, `size` of a table, and others that cannot be. */
static const char model_text[] =
    "saved_model_schema_version: 1 meta_graphs { meta_info_def { tags: 'serve' } graph_def {\n"
    NODE("v", "VarHandleOp", "", TYPE("dtype", "DT_FLOAT") SHARED("v"))
    NODE("v_1", "VarHandleOp", "", TYPE("dtype", "DT_FLOAT") SHARED("v_1"))
    NODE("c", "Const", "", TYPE("dtype", "DT_FLOAT")
         "attr { key: 'value' value { tensor { dtype: DT_FLOAT tensor_shape { } float_val: 2 } } }")
    NODE("table", "HashTableV2", "", SHARED("words"))
    NODE("grows", "MutableHashTableV2", "", SHARED("grows"))
    NODE("dense", "MutableDenseHashTableV2", "", SHARED("dense")) NODE("unnamed", "AnonymousHashTable", "", "")
    NODE("prefix", "Placeholder", "", "") NODE("init", "NoOp", "", "")
    NODE("restore", "PartitionedCall", "'prefix', 'v', 'v_1', 'grows', 'dense'",
         "attr { key: 'f' value { func { name: 'restore' } } } ")
    "library {\n"
    FUNCTION("f0", ARG("x", "DT_FLOAT") ARG("bound", "DT_RESOURCE") PAIR, TWICE
             "arg_attr { key: 0 value { " NAMED("the x") SHAPED("dim { size: -1 }") " } }")
    FUNCTION("f1", ARG("x", "DT_FLOAT") PAIR, TWICE)
    FUNCTION("member", ARG("x", "DT_FLOAT") OUT("p", "DT_FLOAT"), RET("p", "x"))
    FUNCTION("g", ARG("x", "DT_FLOAT") ARG("y", "DT_FLOAT") ARG("b", "DT_RESOURCE") ARG("k", "DT_FLOAT") PAIR, TWICE
             "arg_attr { key: 0 value { " NAMED("d") " } } arg_attr { key: 1 value { " NAMED("d") " } }")
    FUNCTION("look", ARG("t", "DT_RESOURCE") OUT("p", "DT_RESOURCE"), RET("p", "t"))
    FUNCTION("size", ARG("t", "DT_RESOURCE") OUT("p", "DT_INT64"),
             INNER("n", "LookupTableSizeV2", "'t'", "") RET("p", "n:size:0"))
    FUNCTION("make", OUT("p", "DT_RESOURCE"), INNER("t", "HashTableV2", "", SHARED("words")) RET("p", "t:table_handle:0"))
    FUNCTION("count", ARG("t", "DT_RESOURCE") OUT("p", "DT_INT64"),
             INNER("n", "LookupTableSizeV2", "'t'", "") RET("p", "n:size:0"))
    FUNCTION("make_unnamed", OUT("p", "DT_RESOURCE"), INNER("t", "AnonymousHashTable", "", "") RET("p", "t:table_handle:0"))
    FUNCTION("none", ARG("x", "DT_FLOAT"), "")
    /* Bound to what cannot be. */
    FUNCTION("lost", ARG("x", "DT_FLOAT") OUT("p", "DT_FLOAT"), RET("p", "x"))
    FUNCTION("beyond", ARG("x", "DT_FLOAT") OUT("p", "DT_FLOAT"), RET("p", "x"))
    FUNCTION("captured", ARG("x", "DT_FLOAT") OUT("p", "DT_FLOAT"), RET("p", "x"))
    FUNCTION("few", ARG("x", "DT_FLOAT") OUT("p", "DT_FLOAT"), RET("p", "x"))
    FUNCTION("restore", ARG("prefix", "DT_STRING") ARG("a", "DT_RESOURCE") ARG("b", "DT_RESOURCE") ARG("m", "DT_RESOURCE") ARG("d", "DT_RESOURCE"),
             INNER("names", "Const", "", TEXTS("6", "'a/v', 'b/v', 'm/keys', 'm/values', 'n/keys', 'n/values'"))
             INNER("slices", "Const", "", TEXTS("6", "'', '', '', '', '', ''"))
             INNER("r", "RestoreV2", "'prefix', 'names:output:0', 'slices:output:0'",
                   "attr { key: 'dtypes' value { list { type: [DT_FLOAT, DT_FLOAT, DT_STRING, DT_FLOAT, DT_STRING, DT_FLOAT] } } }")
             INNER("to_a", "AssignVariableOp", "'a', 'r:tensors:0'", "")
             INNER("to_b", "AssignVariableOp", "'b', 'r:tensors:1'", "")
             INNER("to_m", "LookupTableImportV2", "'m', 'r:tensors:2', 'r:tensors:3'", "")
             INNER("to_d", "LookupTableImportV2", "'d', 'r:tensors:4', 'r:tensors:5'", ""))
    "} }\n"
    "saver_def { restore_op_name: 'restore' }\n"
    "signature_def { key: '__saved_model_init_op' value { outputs { key: '__saved_model_init_op' value { name: 'init' } } } }\n"
    "object_graph_def {\n"
    /* 0 */ OBJECT("user_object { identifier: '_generic_user_object' }",
                   MEMBER("1", "f") MEMBER("2", "f_1") MEMBER("3", "inner") MEMBER("5", "a") MEMBER("8", "words")
                   MEMBER("10", "look") MEMBER("11", "size") MEMBER("12", "none") MEMBER("13", "gone") MEMBER("14", "lost")
                   MEMBER("15", "beyond") MEMBER("16", "captured") MEMBER("18", "f_again") MEMBER("99", "nowhere")
                   MEMBER("20", "few") MEMBER("21", "unnamed") MEMBER("23", "count"))
    /* 1 */ OBJECT("function { concrete_functions: ['f1', 'f0', 'f0'] function_spec { fullargspec { " DEFAULTS " } } }",
                   MEMBER("0", "back"))
    /* 2 */ OBJECT("bare_concrete_function { concrete_function_name: 'member' }", "")
    /* 3 */ OBJECT("user_object { }", MEMBER("4", "g") MEMBER("0", "root") MEMBER("6", "b"))
    /* 4 */ OBJECT(TRACED("'g'"), "")
    /* 5 */ OBJECT("variable { dtype: DT_FLOAT name: 'v' }", "")
    /* 6 */ OBJECT("variable { dtype: DT_FLOAT name: 'v' }", "")
    /* 7 */ OBJECT("constant { operation: 'c' }", "")
    /* 8 */ OBJECT("resource { }", MEMBER("9", "_create_resource") MEMBER("9", "_initialize"))
    /* 9 */ OBJECT(TRACED("'make'"), "")
    /* 10 */ OBJECT(TRACED("'look'"), "")
    /* 11 */ OBJECT(TRACED("'size'"), "")
    /* 12 */ OBJECT(TRACED("'none'"), "")
    /* 13 */ OBJECT(TRACED("'gone'"), "")
    /* 14 */ OBJECT(TRACED("'lost'"), "")
    /* 15 */ OBJECT(TRACED("'beyond'"), "")
    /* 16 */ OBJECT(TRACED("'captured'"), "")
    /* 17 */ OBJECT("captured_tensor { name: 'x:0' concrete_function: 'f0' }", "")
    /* 18 */ OBJECT(TRACED("'f0'"), "")
    /* 19 */ OBJECT("variable { dtype: DT_FLOAT name: 'untracked' }", "")
    /* 20 */ OBJECT(TRACED("'few'"), "")
    /* 21 */ OBJECT("resource { }", MEMBER("22", "_create_resource"))
    /* 22 */ OBJECT(TRACED("'make_unnamed'"), "")
    /* 23 */ OBJECT(TRACED("'count'"), "")
    CONCRETE("f0", "bound_inputs: 5 " GIVEN("bool_value: false"),
             "tuple_value { values { " SPEC " } values { list_value { values { none_value { } } values { " SPEC " } } } }")
    CONCRETE("f1", GIVEN("bool_value: true"), "dict_value { fields { key: 'z' value { " SPEC " } } fields { key: 'b' value { " SPEC " } } }")
    CONCRETE("member", "", SPEC)
    CONCRETE("g", "bound_inputs: 6 bound_inputs: 7",
             "type_spec_value { num_flat_components: 2 type_spec_class_name: 'RaggedTensorSpec' }")
    CONCRETE("make", "", "") CONCRETE("look", "bound_inputs: 8", "") CONCRETE("size", "bound_inputs: 8", "")
    CONCRETE("none", "", "") CONCRETE("gone", "", "") CONCRETE("lost", "bound_inputs: 19", "")
    CONCRETE("beyond", "bound_inputs: 1000000", "") CONCRETE("captured", "bound_inputs: 17", "")
    CONCRETE("count", "bound_inputs: 21", "") CONCRETE("make_unnamed", "", "")
    CONCRETE("few", "bound_inputs: 5 bound_inputs: 5", "")
    "} }\n";
/* clang-format on */

static char folder[] = "/tmp/berth_functions_XXXXXX";
static char file_name[80];

static void write_model(const char *bytes, size_t n)
{
    FILE *file = fopen(file_name, "wb");
    if (!CHECK(file && fwrite(bytes, 1, n, file) == n)) return;
    fclose(file);
}

static void put_reference(bt_text *out, uint64_t id, const char *name)
{
    size_t child = bt_wire_begin(out, 1);
    bt_wire_put_uint(out, 1, id);
    bt_wire_put_bytes(out, 2, bt_str_of(name));
    bt_wire_end(out, child);
}

static void put_variable(bt_text *out, const char *key)
{
    size_t node = bt_wire_begin(out, 1), attribute = bt_wire_begin(out, 2);
    bt_wire_put_bytes(out, 1, bt_str_of("VARIABLE_VALUE"));
    bt_wire_put_bytes(out, 2, bt_str_of("v"));
    bt_wire_put_bytes(out, 3, bt_str_of(key));
    bt_wire_end(out, attribute);
    bt_wire_end(out, node);
}

/* Its objects stand in another order than the model's: root, b, inner, a. */
static void write_checkpoint(void)
{
    static const float a = 1, b = 2, numbers[] = {3, 4};
    bt_string words[] = {{"one", 3}, {"two", 3}};
    bt_text objects = {0};
    size_t root = bt_wire_begin(&objects, 1);
    put_reference(&objects, 2, "inner"), put_reference(&objects, 3, "a");
    bt_wire_end(&objects, root);
    put_variable(&objects, "b/v");
    size_t inner = bt_wire_begin(&objects, 1);
    put_reference(&objects, 1, "b"), put_reference(&objects, 0, "root");
    bt_wire_end(&objects, inner);
    put_variable(&objects, "a/v");
    bt_string graph = {objects.p, objects.n};
    bt_tensor values[] = {{.dtype = BERTH_STRING, .shape = BT_SCALAR, .data = &graph},
                          {.dtype = BERTH_FLOAT, .shape = BT_SCALAR, .data = (void *)&a},
                          {.dtype = BERTH_FLOAT, .shape = BT_SCALAR, .data = (void *)&b},
                          {.dtype = BERTH_STRING, .shape = BT_SHAPE(2), .data = words},
                          {.dtype = BERTH_FLOAT, .shape = BT_SHAPE(2), .data = (void *)numbers},
                          {.dtype = BERTH_STRING, .shape = BT_SHAPE(2, 1), .data = words},
                          {.dtype = BERTH_FLOAT, .shape = BT_SHAPE(2, 1), .data = (void *)numbers}};
    static const char *const keys[] = {
        "_CHECKPOINTABLE_OBJECT_GRAPH", "a/v", "b/v", "m/keys", "m/values", "n/keys", "n/values"};
    enum { N = sizeof keys / sizeof *keys };
    bt_bundle_item items[N];
    for (int i = 0; i < N; i++) items[i] = (bt_bundle_item){keys[i], &values[i]};
    bt_source none;
    berth_error error = {0};
    char path[100];
    bt_source_init(&none);
    snprintf(path, sizeof path, "%s/variables", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/variables/variables", folder);
    CHECK_EQ(bt_bundle_save(&none, items, N, path, &error), BERTH_OK);
    bt_source_free(&none);
    bt_text_free(&objects);
}

static const char *wanted; /* of the functions, beside a signature */

static berth_status load(bt_source *source, berth_error *error)
{
    bt_source_init(source);
    bt_error_clear(error);
    return bt_format_load(folder, &(bt_format_options){.functions = wanted}, source, error);
}

static const bt_signature *find(const bt_source *source, const char *name)
{
    for (int i = 0; i < source->n_signatures; i++)
        if (!strcmp(source->signatures[i].name, name)) return &source->signatures[i];
    return NULL;
}

/* "x,y>p,q" */
static void check_signature(const bt_source *source, const char *name, const char *ports)
{
    bt_text text = {0};
    const bt_signature *s = find(source, name);
    if (!CHECK(s)) return;
    for (int i = 0; i < s->n_inputs; i++) bt_text_print(&text, "%s%s", i ? "," : "", s->inputs[i].key);
    for (int i = 0; i < s->n_outputs; i++) bt_text_print(&text, "%s%s", i ? "," : ">", s->outputs[i].key);
    CHECK_TEXT(text.p, ports);
    bt_text_free(&text);
}

/* The node that gives input i of the call of a signature. */
static const bt_node *bound(const bt_source *source, const char *name, int i)
{
    const bt_signature *s = find(source, name);
    bt_str node;
    int slot;
    if (!CHECK(s && bt_tensor_name(bt_str_of(s->outputs[0].tensor), &node, &slot)))
        return &source->graph.nodes[0];
    const bt_node *call = &source->graph.nodes[bt_graph_find(&source->graph, node)];
    return CHECK(i < call->n_inputs) ? &source->graph.nodes[call->inputs[i].node] : call;
}

static void check_refused(const bt_source *source, const char *name, const char *reason)
{
    for (int i = 0; i < source->n_refused; i++)
        if (!strcmp(source->refused[i].name, name)) {
            if (!CHECK(strstr(source->refused[i].reason, reason)))
                printf("    %s: \"%s\"\n", name, source->refused[i].reason);
            return;
        }
    CHECK(!"refused");
}

/* What the checkpoint has for a table fills it when a session starts. */
static void check_table(const bt_source *source)
{
    if (!CHECK(source->n_init_targets == 3)) return;
    CHECK_TEXT(source->init_targets[0], "init");
    const bt_graph *g = &source->graph;
    const bt_node *import = &g->nodes[bt_graph_find(g, bt_str_of(source->init_targets[1]))];
    CHECK_TEXT(import->op, "LookupTableImportV2");
    CHECK_TEXT(g->nodes[import->inputs[0].node].name, "grows");
    const bt_tensor *keys = bt_attr_tensor(&g->nodes[import->inputs[1].node], "value"),
                    *values = bt_attr_tensor(&g->nodes[import->inputs[2].node], "value");
    CHECK(keys && keys->dtype == BERTH_STRING && !memcmp(((bt_string *)keys->data)[1].p, "two", 3));
    CHECK(values && bt_tensor_number(values, 1) == 4);
    import = &g->nodes[bt_graph_find(g, bt_str_of(source->init_targets[2]))];
    CHECK_TEXT(g->nodes[import->inputs[0].node].name, "dense");
    for (int i = 1; i < 3; i++) { /* buckets, whose shape TensorFlow is not to see */
        const bt_node *hidden = &g->nodes[import->inputs[i].node];
        CHECK_TEXT(hidden->op, "PlaceholderWithDefault");
        const bt_tensor *buckets = bt_attr_tensor(&g->nodes[hidden->inputs[0].node], "value");
        CHECK(buckets && buckets->shape.rank == 2 && buckets->shape.dim[0] == 2);
    }
}

/* A table without a name is made once, whatever reads it. */
static void check_unnamed(const bt_source *source)
{
    const bt_node *table = bound(source, "count", 0);
    CHECK_TEXT(table->name, "unnamed"), CHECK_TEXT(table->op, "HashTableV2");
    CHECK_TEXT(bt_attr_string(table, "shared_name", ""), "anonymous/unnamed");
}

static void check_model(void)
{
    bt_source source;
    berth_error error;
    if (!CHECK(load(&source, &error) == BERTH_OK)) printf("%s\n", error.message);
    CHECK_EQ(source.n_signatures, 6);
    check_signature(&source, "f", "the x>output_0,output_1_1");
    check_signature(&source, "f_1", "x>output_0");
    check_signature(&source, "f_2", "x>b,z");
    const bt_signature *traced = find(&source, "f_2");
    if (CHECK(traced)) CHECK_TEXT(traced->note, "training=True, rate=0.5");
    check_signature(&source, "inner.g", "d,d_1>output_0/0,output_0/1");
    check_signature(&source, "size", ">output_0");
    const bt_signature *f = find(&source, "f");
    if (CHECK(f)) {
        CHECK_TEXT(f->note, "training=False, rate=0.5");
        CHECK(f->inputs[0].dtype == BERTH_FLOAT && f->inputs[0].shape.rank == 1 &&
              f->inputs[0].shape.dim[0] == -1);
        CHECK(f->outputs[1].shape.rank == 1 && f->outputs[1].shape.dim[0] == 3);
        CHECK_TEXT(f->inputs[0].tensor, "f_the_x:0");
        CHECK_TEXT(f->outputs[1].tensor, "f:1");
    }
    CHECK_TEXT(bound(&source, "f", 1)->name, "v");
    CHECK_TEXT(bound(&source, "inner.g", 2)->name, "v_1");
    CHECK_TEXT(bound(&source, "inner.g", 3)->name, "c");
    CHECK_TEXT(bound(&source, "size", 0)->name, "table");
    const bt_variable *v = bt_map_get(&source.variables, bt_str_of("v_1"));
    CHECK(v && bt_tensor_number(&v->value, 0) == 2);
    check_table(&source);
    check_unnamed(&source);
    CHECK_EQ(source.n_refused, 7);
    check_refused(&source, "look", "no tensor, but a resource");
    check_refused(&source, "none", "gives no output");
    check_refused(&source, "gone", "the file does not have it");
    check_refused(&source, "lost", "nothing restores its variable 'untracked'");
    check_refused(&source, "beyond", "object 1000000, which is not there");
    check_refused(&source, "captured", "a tensor of another function");
    check_refused(&source, "few", "bound to 2 objects and has 1 arguments");
    bt_source_free(&source);
}

/* A file cut short at a byte, or with a bit turned in it, loads or says why. */
static void check_damage(const char *bytes, size_t n)
{
    bt_source source;
    berth_error error;
    char *copy = bt_alloc(n);
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, bytes, n);
        copy[i] ^= (char)(i % 4 < 2 ? 16 : 1);
        write_model(copy, i % 3 ? n : i);
        berth_status status = load(&source, &error);
        CHECK((status == BERTH_OK) == (error.message[0] == '\0'));
        bt_source_free(&source);
    }
    write_model(bytes, n);
    bt_free(copy);
}

static berth_status load_once(void *unused)
{
    bt_source source;
    berth_error error;
    berth_status status = load(&source, &error);
    (void)unused;
    bt_source_free(&source);
    return status;
}

/* With `functions` asked for, the model has these signatures, the first of which is its own. */
static void check_beside(const char *functions, int n, int n_refused, const char *last)
{
    bt_source source;
    berth_error error;
    wanted = functions;
    CHECK_EQ(load(&source, &error), BERTH_OK);
    CHECK_EQ(source.n_functions, n - 1), CHECK_EQ(source.n_refused, n_refused);
    if (CHECK_EQ(source.n_signatures, n)) {
        CHECK_TEXT(source.signatures[0].name, "f");
        CHECK_TEXT(source.signatures[n - 1].name, last);
    }
    bt_source_free(&source);
    wanted = NULL;
}

/* The file has a signature `f`, and offers functions that are asked for: its own `f` under another name. */
static void check_own(const bt_text *model)
{
    bt_source source;
    berth_error error;
    static const char own[] =
        "saved_model_schema_version: 1 meta_graphs { signature_def { key: 'f' value { } } }";
    bt_text extra = {0}, whole = {0};
    CHECK_EQ(bt_pbtxt_encode(bt_str_of(own), BT_PBTXT_SAVED_MODEL, &extra, &error), BERTH_OK);
    bool failed = false;
    bt_str meta = bt_wire_field((bt_str){model->p, model->n}, 2, &failed);
    bt_str signature = bt_wire_field((bt_str){extra.p, extra.n}, 2, &failed);
    bt_wire_put_uint(&whole, 1, 1);
    size_t begin = bt_wire_begin(&whole, 2);
    bt_text_add(&whole, meta.p, meta.n), bt_text_add(&whole, signature.p, signature.n);
    bt_wire_end(&whole, begin);
    write_model(whole.p, whole.n);
    check_beside(NULL, 1, 0, "f");
    check_beside("f", 1, 0, "f");
    check_beside("nothing", 1, 0, "f");
    check_beside("gone", 1, 1, "f");
    check_beside("*", 7, 7, "inner.g");
    wanted = "f_1";
    CHECK_EQ(load(&source, &error), BERTH_OK);
    check_signature(&source, "f_1", "the x>output_0,output_1_1");
    CHECK_TEXT(bound(&source, "f_1", 1)->name, "v");
    bt_source_free(&source);
    torture_status(load_once, NULL, true);
    wanted = "inner.g";
    CHECK_EQ(load(&source, &error), BERTH_OK);
    CHECK_TEXT(bound(&source, "inner.g", 2)->name, "v_1");
    bt_source_free(&source);
    check_damage(whole.p, whole.n);
    wanted = NULL;
    bt_text_free(&extra), bt_text_free(&whole);
}

/* Structures that no program writes: deep, and with long names. */
static void check_structures(void)
{
    bt_arena arena;
    bt_port port = {0};
    berth_error error = {0};
    bt_text message = {0};
    bt_arena_init(&arena);
    size_t begins[200];
    for (int i = 0; i < 100; i++)
        begins[2 * i] = bt_wire_begin(&message, 51), begins[2 * i + 1] = bt_wire_begin(&message, 1);
    for (int i = 199; i >= 0; i--) bt_wire_end(&message, begins[i]);
    CHECK_EQ(bt_saved_structure_name((bt_str){message.p, message.n}, &arena, &port, 1, &error),
             BERTH_BAD_MODEL);
    bt_text_free(&message);
    static char name[2000];
    memset(name, 'n', sizeof name - 1);
    size_t dictionary = bt_wire_begin(&message, 53), field = bt_wire_begin(&message, 1);
    bt_wire_put_bytes(&message, 1, bt_str_of(name));
    bt_wire_end(&message, field), bt_wire_end(&message, dictionary);
    bt_error_clear(&error);
    CHECK_EQ(bt_saved_structure_name((bt_str){message.p, message.n}, &arena, &port, 1, &error),
             BERTH_BAD_MODEL);
    bt_text_free(&message);
    bt_arena_free(&arena);
}

int main(void)
{
    if (!CHECK(mkdtemp(folder))) return 1;
    snprintf(file_name, sizeof file_name, "%s/saved_model.pb", folder);
    bt_text model = {0};
    berth_error error = {0};
    if (!CHECK(!bt_pbtxt_encode(bt_str_of(model_text), BT_PBTXT_SAVED_MODEL, &model, &error)))
        printf("%s\n", error.message);
    write_model(model.p, model.n);
    write_checkpoint();
    check_model();
    torture_status(load_once, NULL, true);
    check_damage(model.p, model.n);
    check_own(&model);
    check_structures();
    static const char *const made[] = {"saved_model.pb", "variables/variables.index",
                                       "variables/variables.data-00000-of-00001", "variables"};
    for (int i = 0; i < 4; i++) {
        char path[120];
        snprintf(path, sizeof path, "%s/%s", folder, made[i]);
        remove(path);
    }
    rmdir(folder);
    bt_text_free(&model);
    return check_done();
}
