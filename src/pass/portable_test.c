/* What is stripped and frozen for a model that is written out: the forms in which training stands in graphs, and functions that
 * are called with a variable that is written and with one that is not. The answers are those of the model itself. */
#include <unistd.h>

#include "rewrite.h"

#include "format/format.h"
#include "format/write.h"

static const float x_values[4] = {1, -2, 3, 0.5f};

static berth_tensor *x_tensor(void)
{
    berth_error error = {0};
    berth_tensor *t = berth_tensor_new(BERTH_FLOAT, 1, (const int64_t[]){4}, &error);
    if (t) memcpy(berth_tensor_data(t), x_values, sizeof x_values);
    return t;
}

/* Whether output y of the model, with x as its only input, is what is wanted. */
static bool gives(berth_model *model, const float *wanted)
{
    berth_error error = {0};
    berth_feed x = {"x:0", x_tensor()}, y = {.name = "y:0"};
    bool ok = rewrite_run(model, &x, 1, &y, 1, &error);
    if (!CHECK(ok)) printf("    %s\n", error.message);
    for (int i = 0; ok && i < 4; i++)
        ok = CHECK_CLOSE(((float *)berth_tensor_data(y.tensor))[i], wanted[i], 1e-6);
    berth_tensor_free(x.tensor), berth_tensor_free(y.tensor);
    return ok;
}

/* ---- Training ----------------------------------------------------------------------------------------- */

static void truth(const char *name, const char *value)
{
    bt_text_print(&rewrite_text,
                  "node { name: '%s' op: 'Const' " TYPE(
                      "dtype", "DT_BOOL") "attr { key: 'value' value { tensor { "
                                          "dtype: DT_BOOL tensor_shape { } bool_val: %s } } } }\n",
                  name, value);
}

/* What says whether the model is trained; the last is unlike what it is in inference. */
enum { PLACEHOLDER, WITH_DEFAULT, CONSTANT, LEARNING_PHASE, NEGATED, N_PHASES };

static void phase(int kind)
{
    static const char scalar[] = TYPE("dtype", "DT_BOOL") "attr { key: 'shape' value { shape { } } }";
    truth("no", "false");
    if (kind == PLACEHOLDER || kind == NEGATED) node("net/is_training_1", "Placeholder", "", scalar);
    if (kind == LEARNING_PHASE) node("keras_learning_phase", "PlaceholderWithDefault", "no", scalar);
    if (kind == WITH_DEFAULT) node("train", "PlaceholderWithDefault", "no", scalar);
    static const char *const from[] = {"net/is_training_1", "train", "no", "keras_learning_phase",
                                       "net/is_training_1"};
    if (kind == NEGATED) node("inference", "LogicalNot", from[kind], "");
    node("phase", "Identity", kind == NEGATED ? "inference" : from[kind], TYPE("T", "DT_BOOL"));
}

/* Dropout of `x`: x / 0.5 floor(0.5 + random). */
static void dropout(const char *x)
{
    floats("rate", 0.5f, 0.5f, 0, NULL);
    node("size", "Shape", x, FLOATS);
    node("random", "RandomUniform", "size", TYPE("T", "DT_INT32") TYPE("dtype", "DT_FLOAT"));
    node("more", "Add", "random rate", FLOATS);
    node("mask", "Floor", "more", FLOATS);
    bt_text_print(&rewrite_text,
                  "node { name: 'scaled' op: 'RealDiv' input: '%s' input: 'rate' " FLOATS "}\n", x);
    node("dropped", "Mul", "scaled mask", FLOATS);
}

#define BRANCH(name, nodes, result)                                            \
    "library { function { signature { name: '" name                            \
    "' input_arg { name: 'x' type: DT_FLOAT } input_arg { name: "              \
    "'again' type: DT_BOOL } output_arg { name: 'r' type: DT_FLOAT } } " nodes \
    " ret { key: 'r' value: '" result "' } } }\n"

/* A conditional of TensorFlow 2, whose branch for inference has another within. */
static void functions(void)
{
    bt_text_print(
        &rewrite_text, "%s",
        BRANCH("twice", "node_def { name: 'sum' op: 'AddV2' input: 'x' input: 'x' " FLOATS "}", "sum:z:0"));
    bt_text_print(
        &rewrite_text, "%s",
        BRANCH("as_is", "node_def { name: 'i' op: 'Identity' input: 'x' " FLOATS "}", "i:output:0"));
    bt_text_print(
        &rewrite_text, "%s",
        BRANCH("within",
               "node_def { name: 'c' op: 'StatelessIf' input: 'again' input: 'x' input: 'again' " TYPE(
                   "Tcond", "DT_BOOL") "attr { key: 'Tin' value { list { type: [DT_FLOAT, DT_BOOL] } } } "
                                       "attr { key: 'Tout' value { list { type: DT_FLOAT } } } "
                                       "attr { key: 'then_branch' value { func { name: 'twice' } } } "
                                       "attr { key: 'else_branch' value { func { name: 'as_is' } } } }",
               "c:output:0"));
}

static void stripped(int kind, bool functional)
{
    static const char *const gone[] = {
        "Switch",        "Merge",         "If",    "StatelessIf",           "Placeholder", "Assert",
        "RandomUniform", "CheckNumerics", "Print", "PlaceholderWithDefault"};
    berth_error error = {0};
    berth_transform_options o;
    const char *y = "y:0";
    input("x", "DT_FLOAT", DIMS(4));
    phase(kind);
    if (functional) {
        functions();
        node("m", "If", "phase x phase",
             TYPE("Tcond", "DT_BOOL") "attr { key: 'Tin' value { list { type: [DT_FLOAT, DT_BOOL] } } } "
                                      "attr { key: 'Tout' value { list { type: DT_FLOAT } } } "
                                      "attr { key: 'then_branch' value { func { name: 'twice' } } } "
                                      "attr { key: 'else_branch' value { func { name: 'within' } } }");
    } else {
        node("s", "Switch", "x phase", FLOATS);
        dropout("s:1");
        node("kept", "Identity", "s", FLOATS);
        node("m", "Merge", "kept dropped", FLOATS ATTR("N", "i: 2"));
    }
    truth("yes", "true");
    node("check", "CheckNumerics", "m", FLOATS TEXT("message", "no"));
    node("assert", "Assert", "yes x", "attr { key: 'T' value { list { type: DT_FLOAT } } }");
    node("print", "Print", "check x", FLOATS "attr { key: 'U' value { list { type: DT_FLOAT } } }");
    node("y", "Identity", "print ^assert", FLOATS);
    berth_model *model = rewrite_load(&error);
    berth_transform_options_init(&o);
    o.strip_training = true, o.outputs = &y, o.n_outputs = 1;
    berth_model *made = model ? berth_model_transform(model, &o, &error) : NULL;
    if (!CHECK(made)) printf("    %s\n", error.message);
    float doubled[4];
    size_t n_inputs = kind == PLACEHOLDER || kind == NEGATED ? 2 : 1; /* that which asked stays, unread */
    for (int i = 0; i < 4; i++) doubled[i] = 2 * x_values[i];
    if (made && (kind != NEGATED || functional)) {
        if (!gives(made, kind == NEGATED ? doubled : x_values)) printf("    form %d, %d\n", kind, functional);
        for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
            if (!CHECK_EQ(rewrite_count(made, gone[i]), strcmp(gone[i], "Placeholder") ? 0 : n_inputs))
                printf("    %s in form %d, %d\n", gone[i], kind, functional);
    } else if (made) { /* the branch of training is taken: its dropout goes, the switch too */
        CHECK(gives(made, x_values));
        CHECK_EQ(rewrite_count(made, "RandomUniform"), 0);
    }
    berth_model_free(made), berth_model_free(model);
}

/* What a branch keeps for a gradient: a value in a variant, or none. */
static void test_optionals(void)
{
    static const char *const outputs[] = {"y:0", "there:0", "none:0"};
    berth_error error = {0};
    berth_feed x = {"x:0", x_tensor()}, got[3] = {{0}};
    input("x", "DT_FLOAT", DIMS(4));
    INDEX("one", 1);
    node("o", "OptionalFromValue", "one x",
         "attr { key: 'Toutput_types' value { list { type: [DT_INT32, DT_FLOAT] } } }");
    node("v", "OptionalGetValue", "o",
         "attr { key: 'output_types' value { list { type: [DT_INT32, DT_FLOAT] } } } "
         "attr { key: 'output_shapes' value { list { shape { } shape { dim { size: 4 } } } } }");
    node("y", "Neg", "v:1", FLOATS);
    node("there", "OptionalHasValue", "o", "");
    node("empty", "OptionalNone", "", "");
    node("none", "OptionalHasValue", "empty", "");
    node("bad", "OptionalGetValue", "empty",
         "attr { key: 'output_types' value { list { type: DT_FLOAT } } }");
    berth_model *model = rewrite_load(&error);
    for (int i = 0; i < 3; i++) got[i].name = outputs[i];
    if (CHECK(model && rewrite_run(model, &x, 1, got, 3, &error))) {
        for (int i = 0; i < 4; i++)
            CHECK_CLOSE(((float *)berth_tensor_data(got[0].tensor))[i], -x_values[i], 0);
        CHECK(*(bool *)berth_tensor_data(got[1].tensor) && !*(bool *)berth_tensor_data(got[2].tensor));
    } else printf("    %s\n", error.message);
    berth_feed bad = {.name = "bad:0"};
    CHECK(model && !rewrite_run(model, &x, 1, &bad, 1, &error) && strstr(error.message, "no value"));
    for (int i = 0; i < 3; i++) berth_tensor_free(got[i].tensor);
    berth_tensor_free(x.tensor), berth_model_free(model);
}

/* ---- Variables and functions -------------------------------------------------------------------------- */

static const float w_values[4] = {10, 20, 30, 40}, count_values[4] = {1, 1, 1, 1};

static void add_variable(bt_source *s, bt_variable *v, const char *name, const float *values)
{
    *v = (bt_variable){
        .name = name,
        .value = {.dtype = BERTH_FLOAT, .shape = BT_SHAPE(4), .data = (void *)(uintptr_t)values}};
    CHECK(bt_map_put(&s->variables, bt_str_of(name), v));
}

#define HANDLE(name)          \
    TYPE("dtype", "DT_FLOAT") \
    "attr { key: 'shape' value { shape { dim { size: 4 } } } } " TEXT("shared_name", name)
#define READING(name, op, result)                                                                      \
    "library { function { signature { name: '" name                                                    \
    "' input_arg { name: 'x' type: DT_FLOAT } input_arg { name: "                                      \
    "'h' type: DT_RESOURCE } output_arg { name: 'r' type: DT_FLOAT } is_stateful: true } "             \
    "node_def { name: 'v' op: 'ReadVariableOp' input: 'h' " TYPE(                                      \
        "dtype", "DT_FLOAT") "} "                                                                      \
                             "node_def { name: 'c' op: '" op "' input: 'x' input: 'v:value:0' " FLOATS \
                             "} ret { key: 'r' value: '" result "' } } }\n"
#define CHOICE                                                              \
    TYPE("Tcond", "DT_BOOL")                                                \
    "attr { key: 'Tin' value { list { type: [DT_FLOAT, DT_RESOURCE] } } } " \
    "attr { key: 'Tout' value { list { type: DT_FLOAT } } } "               \
    "attr { key: 'then_branch' value { func { name: 'times' } } } "         \
    "attr { key: 'else_branch' value { func { name: 'plus' } } }"

/* Both conditionals have the same branches; the variable `count` is written, `w` is not. */
static void calls(void)
{
    bt_text_print(&rewrite_text, "%s", READING("times", "Mul", "c:z:0"));
    bt_text_print(&rewrite_text, "%s", READING("plus", "AddV2", "c:z:0"));
    input("x", "DT_FLOAT", DIMS(4));
    node("w", "VarHandleOp", "", HANDLE("w"));
    node("count", "VarHandleOp", "", HANDLE("count"));
    INDEX("zero", 0);
    node("first", "Max", "x all", FLOATS TYPE("Tidx", "DT_INT32"));
    INTS("all", 0);
    floats("none", 0, 0, 0, NULL);
    node("positive", "Greater", "first none", FLOATS); /* of x, true */
    node("a", "If", "positive x w", CHOICE);
    node("b", "If", "positive a count", CHOICE);
    floats("step", 1, 1, 1, (const int64_t[]){4});
    node("written", "AssignAddVariableOp", "count step ^b", TYPE("dtype", "DT_FLOAT"));
    node("y", "Identity", "b ^written", FLOATS);
}

static bool save_calls(const char *path)
{
    bt_source source;
    bt_variable w, count;
    berth_error error = {0};
    static bt_port in = {.key = "x", .tensor = "x:0", .dtype = BERTH_FLOAT, .shape = {.rank = 1, .dim = {4}}},
                   out = {
                       .key = "y", .tensor = "y:0", .dtype = BERTH_FLOAT, .shape = {.rank = 1, .dim = {4}}};
    bt_signature signature = {.name = "serving_default",
                              .method = "predict",
                              .inputs = &in,
                              .n_inputs = 1,
                              .outputs = &out,
                              .n_outputs = 1};
    calls();
    bt_file *file = bt_file_memory("calls", rewrite_text.p, rewrite_text.n, NULL, NULL, &error);
    bt_source_init(&source);
    bool ok = file && !bt_format_load_file(file, NULL, &source, &error);
    if (ok) {
        add_variable(&source, &w, "w", w_values), add_variable(&source, &count, "count", count_values);
        source.signatures = &signature, source.n_signatures = 1;
        ok = !bt_savedmodel_save(&source, path, &error);
    }
    if (!CHECK(ok)) printf("    %s\n", error.message);
    bt_source_free(&source);
    bt_file_free(file);
    bt_text_free(&rewrite_text);
    return ok;
}

/* Each call of a function that is called with both gets a function of its own; one variable is left. */
static void test_copies(void)
{
    char folder[] = "/tmp/berth-portable-XXXXXX", path[64], inner[128];
    static const char *const files[] = {"saved_model.pb", "variables/variables.index",
                                        "variables/variables.data-00000-of-00001", "variables", ""};
    berth_error error = {0};
    berth_transform_options o;
    float wanted[4];
    if (!CHECK(mkdtemp(folder))) return;
    snprintf(path, sizeof path, "%s/m", folder);
    for (int i = 0; i < 4; i++) wanted[i] = x_values[i] * w_values[i] * count_values[i];
    berth_model *model = save_calls(path) ? berth_model_load(path, NULL, &error) : NULL;
    berth_transform_options_init(&o);
    o.freeze = true;
    berth_model *made = model ? berth_model_transform(model, &o, &error) : NULL;
    if (!CHECK(made)) printf("    %s\n", error.message);
    const char *what;
    size_t n, copied = 0, frozen = 0, kept = 0;
    for (size_t i = 0; made && berth_model_change(made, i, &what, &n); i++) {
        if (bt_starts(what, "functions copied")) copied = n;
        if (bt_starts(what, "variables made")) frozen = n;
        if (bt_starts(what, "variables kept")) kept = n;
    }
    CHECK_EQ(copied, 2), CHECK_EQ(frozen, 1), CHECK_EQ(kept, 1);
    if (made) {
        CHECK_EQ(rewrite_count(made, "VarHandleOp"), 1);
        CHECK(gives(model, wanted) && gives(made, wanted));
    }
    berth_model_free(made), berth_model_free(model);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(inner, sizeof inner, "%s/%s", path, files[i]);
        remove(inner);
    }
    rmdir(path), rmdir(folder);
}

int main(void)
{
    for (int kind = 0; kind < N_PHASES; kind++)
        for (int functional = 0; functional < 2; functional++) stripped(kind, functional);
    test_optionals();
    test_copies();
    return check_done();
}
