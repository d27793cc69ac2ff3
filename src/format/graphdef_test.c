/* GraphDef, binary and text: one graph in both forms, faults that must be told, damage at every byte, and every
 * allocation refused once. */
#include <unistd.h>

#include "format/format.h"
#include "format/graphdef.h"
#include "format/pbtxt.h"
#include "torture.h"

static const char graph_text[] =
    "# a comment\n"
    "node { name: 'x' op: 'Placeholder' attr { key: 'dtype' value { type: DT_FLOAT } }\n"
    "  attr { key: 'shape' value { shape { dim { size: -1 } dim { size: 2 } } } } }\n"
    "node { name: 'w' op: 'Const' device: '/CPU:0' attr { key: 'dtype' value { type: DT_FLOAT } } attr { "
    "key: 'value'\n"
    "  value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } dim { size: 2 } }\n"
    "  tensor_content: \"\\000\\000\\200?\\000\\000\\000@\\000\\000@@\\000\\000\\200@\" } } } }\n"
    "node { name: 'b' op: 'Const' attr { key: 'dtype' value { type: DT_HALF } } attr { key: 'value'\n"
    "  value { tensor { dtype: DT_HALF tensor_shape { dim { size: 3 } } half_val: [15360, 0x4000] } } } }\n"
    "node { name: 's' op: 'Const' attr { key: 'dtype' value { type: DT_STRING } } attr { key: 'value'\n"
    "  value { tensor { dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: 'a\\x00\\'' \"b\\n\" } "
    "} } }\n"
    "node { name: 'y' op: 'MatMul' input: ['x', 'w:0'] input: '^b' attr { key: 'T' value { type: 1 } };\n"
    "  attr { key: 'transpose_b' value { b: true } } attr: < key: 'z' value: < list: < i: [1, -2] > > > }\n"
    "node { name: 'c' op: 'PartitionedCall' input: 'y' attr { key: 'f' value { func { name: 'twice' } } }\n"
    "  attr { key: 'Tout' value { list { type: DT_FLOAT } } } attr { key: 'e' value { list { } } }\n"
    "  attr { key: 'g' value { f: -1.5e-1 } } experimental_debug_info { original_node_names: 'q' } }\n"
    "library { function { signature { name: 'twice' input_arg { name: 'a' type: DT_FLOAT }\n"
    "    output_arg { name: 'r' type: DT_FLOAT } output_arg { name: 'q' type_attr: 'T' } is_stateful: true "
    "}\n"
    "  node_def { name: 'i' op: 'Split' input: 'a' input: 'a' attr { key: 'num_split' value { i: 2 } } }\n"
    "  node_def { name: 'm' op: 'Mul' input: 'i:output:1' input: 'a' input: '^i' }\n"
    "  ret { key: 'q' value: 'a' } ret { key: 'r' value: 'm:z:0' } control_ret { key: 'n' value: 'm' }\n"
    "  arg_attr { key: 0 value { attr { key: '_s' value { s: 'v' } } } } }\n"
    "  function { signature { name: 'unused' } node_def { name: '' } } }\n"
    "versions { producer: 1234 }\n";

static const char graph_dump[] =
    "x = Placeholder() {dtype: float32, shape: [?,2]}\n"
    "w = Const() {dtype: float32, value: float32[2,2] = {1, 2, 3, 4}} @/CPU:0\n"
    "b = Const() {dtype: float16, value: float16[3] = {1, 2, 2}}\n"
    "s = Const() {dtype: string, value: string[2] = {\"a\\x00'b\\x0a\", \"a\\x00'b\\x0a\"}}\n"
    "y = MatMul(x, w, ^b) {T: float32, transpose_b: true, z: [1, -2]}\n"
    "c = PartitionedCall(y) {f: twice(), Tout: [float32], e: [], g: -0.150000006}\n"
    "function twice\n"
    "a = _Arg() {index: 0, T: float32, _s: \"v\"}\n"
    "i = Split(a, a) {num_split: 2}\n"
    "m = Mul(i:1, a, ^i)\n";

static void dump(const bt_source *source, bt_text *out)
{
    out->n = 0;
    bt_graph_dump(&source->graph, NULL, NULL, out);
    for (size_t i = 0; i < source->functions.count; i++) {
        const bt_function *f = source->functions.entries[i].value;
        bt_text_print(out, "function %s\n", f->name);
        bt_graph_dump(&f->graph, NULL, NULL, out);
    }
}

static char path[] = "/tmp/berth_graphdef_XXXXXX";

/* Loads bytes as a file of the format that they are found to be. */
static berth_status load(const char *bytes, size_t n, bt_source *source, berth_error *error)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, n, file) != n) CHECK(!"written");
    if (file) fclose(file);
    bt_source_init(source);
    return bt_format_load(path, NULL, source, error);
}

static void check_load(const char *bytes, size_t n, const char *format)
{
    bt_source source;
    berth_error error = {0};
    bt_text text = {0};
    if (!CHECK(load(bytes, n, &source, &error) == BERTH_OK)) printf("%s\n", error.message);
    dump(&source, &text);
    CHECK_TEXT(source.format, format);
    CHECK_TEXT(text.p, graph_dump);
    CHECK_EQ(source.producer, 1234);
    const bt_function *f = bt_map_get(&source.functions, bt_str_of("twice"));
    if (CHECK(f && f->n_args == 1 && f->n_results == 2 && f->n_controls == 1 && f->is_stateful)) {
        CHECK(f->results[0].node == 2 && f->results[0].slot == 0 && f->results[1].node == 0);
        CHECK_TEXT(f->result_names[1], "q");
        CHECK_TEXT(f->arg_names[0], "a");
    }
    bt_text_free(&text);
    bt_source_free(&source);
}

/* The binary form; the caller frees it. */
static bt_text encode(const char *text)
{
    bt_text wire = {0};
    berth_error error = {0};
    if (bt_pbtxt_encode(bt_str_of(text), BT_PBTXT_GRAPH, &wire, &error)) CHECK_TEXT(error.message, "");
    return wire;
}

/* Any bytes load or fail; when they fail, they say why. */
static void check_survives(const char *bytes, size_t n)
{
    bt_source source;
    berth_error error = {0};
    char *copy = bt_alloc(n); /* of its own, so that a sanitizer sees the end */
    if (n) memcpy(copy, bytes, n);
    bt_source_init(&source);
    berth_status status = bt_graphdef_read((bt_str){copy, n}, &source, &error);
    CHECK(status == error.status && (status == BERTH_OK) == (error.message[0] == '\0'));
    bt_source_free(&source);
    bt_free(copy);
}

static void test_damage(void)
{
    bt_text wire = encode(graph_text);
    for (size_t n = 0; n < wire.n; n++) check_survives(wire.p, n);
    for (size_t i = 0; i < wire.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            wire.p[i] ^= (char)(1 << bit);
            check_survives(wire.p, wire.n);
            wire.p[i] ^= (char)(1 << bit);
        }
    bt_text_free(&wire);
    size_t n = strlen(graph_text);
    for (size_t i = 0; i < n; i++) {
        berth_error error = {0};
        char *copy = bt_alloc(i);
        memcpy(copy, graph_text, i);
        bt_text out = {0};
        bt_pbtxt_encode((bt_str){copy, i}, BT_PBTXT_GRAPH, &out, &error);
        if (!error.status) check_survives(out.p, out.n);
        bt_text_free(&out);
        bt_free(copy);
    }
}

#define CONST(tensor) "node { name: 'w' op: 'Const' attr { key: 'value' value { tensor { " tensor " } } } }"
#define FUNCTION(body)                                                                                   \
    "node { name: 'c' op: 'f' } library { function { signature { name: 'f' input_arg { name: 'a' type: " \
    "DT_INT32 } "                                                                                        \
    "output_arg { name: 'r' type: DT_INT32 } } " body " } }"

static void test_faults(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"node { name: 'a' op: 'NoOp' } node { name: 'a' op: 'NoOp' }", "two nodes are named 'a'"},
        {"node { name: 'a' op: 'Neg' input: 'b' }", "node 'a': its input 'b' is not in the graph"},
        {"node { name: 'a' op: 'NoOp' } node { name: 'b' op: 'Neg' input: 'a:0' }",
         "node 'b': its input 'a:0' is beyond"},
        {"node { name: 'a' }", "node 'a': its op is empty"},
        {"node { name: 'a' op: 'MatMul' attr { key: 'transpose_a' value { s: 'yes' } } }",
         "node 'a': attribute 'transpose_a'"},
        {"node { name: 'a' op: 'MaxPool' attr { key: 'ksize' value { i: 2 } } }", "is not a list of numbers"},
        {"node { op: 'NoOp' }", "the name of a node is empty"},
        {"versions { producer: 1 }", "the graph has no nodes"},
        {CONST("dtype: DT_FLOAT tensor_shape { dim { size: 2 } } tensor_content: 'abc'"),
         "node 'w': attribute 'value'"},
        {CONST("dtype: DT_FLOAT tensor_shape { dim { size: -2 } }"), "a dimension of -2"},
        {CONST("dtype: DT_INT8 tensor_shape { dim { size: 0x7fffffffffffffff } dim { size: 3 } }"),
         "larger than any"},
        {CONST("dtype: DT_INT8 tensor_shape { dim { size: 2000000000 } } int_val: 1"),
         "expands to 2000000000 bytes"},
        {CONST("dtype: DT_STRING tensor_shape { dim { size: 200000000 } } string_val: ''"), "expands to"},
        {CONST("dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: [1, 2]"),
         "more values than its shape"},
        {CONST("dtype: DT_INT32 tensor_shape { unknown_rank: true }"), "without a shape"},
        {CONST("dtype: 99"), "type number 99"},
        {FUNCTION("signature { name: 'f' output_arg { name: 'q' } output_arg { name: 's' } }"),
         "'r' comes from nowhere"},
        {FUNCTION("ret { key: 'x' value: 'a' }"), "function 'f': result 'r' comes from nowhere"},
        {FUNCTION("ret { key: 'r' value: 'b:y:0' }"), "'b:y:0' is not in the graph"},
        {FUNCTION("ret { key: 'r' value: '^a' }"), "function 'f': result 'r'"},
        {FUNCTION("node_def { name: 'n' op: 'Split' } ret { key: 'r' value: 'n:nope:0' }"),
         "is no output of"},
        {FUNCTION("node_def { name: 'a' op: 'Neg' }"), "function 'f': two nodes are named 'a'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bt_source source;
        berth_error error = {0};
        bt_text wire = encode(cases[i].text);
        bt_source_init(&source);
        CHECK(bt_graphdef_read((bt_str){wire.p, wire.n}, &source, &error) != BERTH_OK);
        if (!CHECK(strstr(error.message, cases[i].message))) printf("    \"%s\"\n", error.message);
        bt_source_free(&source);
        bt_text_free(&wire);
    }
}

static void test_text_faults(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"node {\n name: 'a\n }", "line 2: a string without its closing quote"},
        {"node { name: '\\q' }", "line 1: an unknown escape"},
        {"node { name: 'a' ", "the text ends inside a message"},
        {"node { name: 'a' } }", "the name of a field"},
        {"\nnode { nam: 'a' }", "line 2: unknown field 'nam'"},
        {"node { name: 3 }", "a string should stand here"},
        {"node: 'a'", "a message in braces"},
        {"version: { }", "a plain value"},
        {"version: x", "an integer"},
        {"version: 99999999999999999999", "an integer"},
        {"version 3", "a colon"},
        {"node { attr { value { type: DT_FLOATY } } }", "the name of a type"},
        {"node { attr { value { b: yes } } }", "true or false"},
        {"node { attr { value { f: 1.5.2 } } }", "a number"},
        {"node { attr { value { list { i: [1 2] } } } }", "a list without its end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bt_text wire = {0};
        berth_error error = {0};
        CHECK(bt_pbtxt_encode(bt_str_of(cases[i].text), BT_PBTXT_GRAPH, &wire, &error) == BERTH_BAD_MODEL);
        if (!CHECK(strstr(error.message, cases[i].message))) printf("    \"%s\"\n", error.message);
        bt_text_free(&wire);
    }
    bt_text deep = {0}, wire = {0};
    berth_error error = {0};
    for (int i = 0; i < 100000; i++) bt_text_print(&deep, "debug_info {");
    CHECK(bt_pbtxt_encode((bt_str){deep.p, deep.n}, BT_PBTXT_GRAPH, &wire, &error) == BERTH_BAD_MODEL);
    CHECK(strstr(error.message, "nested too deep"));
    bt_text_free(&deep), bt_text_free(&wire);
}

static berth_status load_once(void *user)
{
    const bt_str *bytes = user;
    bt_source source;
    berth_error error;
    berth_status status = load(bytes->p, bytes->n, &source, &error);
    bt_source_free(&source);
    return status;
}

int main(void)
{
    int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    bt_text wire = encode(graph_text);
    check_load(graph_text, strlen(graph_text), "GraphDef text");
    check_load(wire.p, wire.n, "GraphDef");
    torture_status(load_once, &(bt_str){graph_text, strlen(graph_text)}, false);
    torture_status(load_once, &(bt_str){wire.p, wire.n}, false);
    bt_text_free(&wire);
    test_faults();
    test_text_faults();
    test_damage();
    unlink(path);
    return check_done();
}
