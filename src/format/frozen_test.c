/* What freezing leaves of writes to variables, as convert_variables_to_constants writes it for a batch norm in a conditional of
 * TensorFlow 1, with refs and with handles, and of TensorFlow 2; variables that are some stay. Every allocation refused once. */
#include "torture.h"
#include "format/format.h"

/* clang-format off */
#define NODE(name, op, inputs, attrs) "node { name: '" name "' op: '" op "' input: [" inputs "] " attrs " }\n"
#define FLOATS "attr { key: 'T' value { type: DT_FLOAT } } "
#define LOCKS "attr { key: 'use_locking' value { b: true } } "

static const char graph_text[] =
    NODE("m", "Const", "", "attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'value' value { tensor { dtype: DT_FLOAT "
         "tensor_shape { } float_val: 2 } } }")
    NODE("t", "Placeholder", "", "attr { key: 'dtype' value { type: DT_BOOL } }")
    NODE("x", "Placeholder", "", "attr { key: 'dtype' value { type: DT_FLOAT } }")
    NODE("ref", "RefSwitch", "'m', 't'", FLOATS)
    NODE("less", "AssignSub", "'ref:1', 'x', '^t'", FLOATS LOCKS)
    NODE("more", "AssignAdd", "'less', 'x'", FLOATS LOCKS)
    NODE("set", "Assign", "'more', 'x'", FLOATS LOCKS)
    NODE("s", "Switch", "'m', 't'", FLOATS)
    NODE("handle", "AssignSubVariableOp", "'s:1', 'x', '^t'", "attr { key: 'dtype' value { type: DT_FLOAT } }")
    NODE("v", "VariableV2", "", "attr { key: 'dtype' value { type: DT_FLOAT } }")
    NODE("kept", "AssignSub", "'v', 'x'", FLOATS)
    NODE("h", "VarHandleOp", "", "attr { key: 'dtype' value { type: DT_FLOAT } }")
    NODE("kept_too", "AssignVariableOp", "'h', 'x'", "")
    NODE("c", "PartitionedCall", "'m', 'h', 'x'", "attr { key: 'f' value { func { name: 'f' } } }")
    "library { function { signature { name: 'f' input_arg { name: 'a' type: DT_FLOAT } input_arg { name: 'r' type: DT_RESOURCE } "
    "  input_arg { name: 'b' type: DT_FLOAT } }\n"
    "  node_def { name: 'i' op: 'Identity' input: 'a' }\n"
    "  node_def { name: 'w' op: 'AssignAddVariableOp' input: 'i:output:0' input: 'b' }\n"
    "  node_def { name: 'k' op: 'AssignAddVariableOp' input: 'r' input: 'b' } } }\n";

static const char mended[] =
    "m = Const() {dtype: float32, value: float32[] = {2}}\n"
    "t = Placeholder() {dtype: bool}\n"
    "x = Placeholder() {dtype: float32}\n"
    "ref = Switch(m, t) {T: float32}\n"
    "less = Sub(ref:1, x, ^t) {T: float32}\n"
    "more = Add(less, x) {T: float32}\n"
    "set = Identity(x) {T: float32}\n"
    "s = Switch(m, t) {T: float32}\n"
    "handle = NoOp(^s, ^x, ^t)\n"
    "v = VariableV2() {dtype: float32}\n"
    "kept = AssignSub(v, x) {T: float32}\n"
    "h = VarHandleOp() {dtype: float32}\n"
    "kept_too = AssignVariableOp(h, x)\n"
    "c = PartitionedCall(m, h, x) {f: f()}\n"
    "a = _Arg() {index: 0, T: float32}\n"
    "r = _Arg() {index: 1, T: resource}\n"
    "b = _Arg() {index: 2, T: float32}\n"
    "i = Identity(a)\n"
    "w = NoOp(^i, ^b)\n"
    "k = AssignAddVariableOp(r, b)\n";
/* clang-format on */

static berth_status load(bt_source *source, berth_error *error)
{
    bt_file *file = bt_file_memory("frozen", graph_text, sizeof graph_text - 1, NULL, NULL, error);
    bt_source_init(source);
    bt_error_clear(error);
    berth_status status = file ? bt_format_load_file(file, NULL, source, error) : BERTH_NO_MEMORY;
    bt_file_free(file);
    return status;
}

static void check_mended(const bt_source *source)
{
    bt_text text = {0};
    const bt_function *f = bt_map_get(&source->functions, bt_str_of("f"));
    bt_graph_dump(&source->graph, NULL, NULL, &text);
    if (CHECK(f)) bt_graph_dump(&f->graph, NULL, NULL, &text);
    CHECK_TEXT(text.p, mended);
    bt_text_free(&text);
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

int main(void)
{
    bt_source source;
    berth_error error = {0};
    if (CHECK_EQ(load(&source, &error), BERTH_OK)) check_mended(&source);
    bt_source_free(&source);
    torture_status(load_once, NULL, false);
    return check_done();
}
