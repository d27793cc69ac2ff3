/* Small models and what they answer, for tests of the whole path through the public header: a trial is a model's
 * file, the tensors to give it and those to expect. The models are text here and binary GraphDefs on the disk;
 * trial_digits is examples/digits. */
#ifndef TRIAL_H
#define TRIAL_H

#include <sys/stat.h>
#include <unistd.h>

#include "berth.h"
#include "check.h"
#include "format/pbtxt.h"

enum { TRIAL_PORTS = 2, TRIAL_ROWS = 5, TRIAL_IN = 4, TRIAL_HIDDEN = 24, TRIAL_OUT = 3 };

typedef struct trial_port {
    const char *name;
    berth_dtype dtype;
    int rank;
    int64_t dims[4];
    const void *data; /* of an output: what it must be */
} trial_port;

typedef struct trial {
    const char *name;
    char path[256];
    trial_port in[TRIAL_PORTS], out[TRIAL_PORTS];
    int n_in, n_out;
    const char *target; /* a node to run for its effect before anything is fetched; NULL: none */
} trial;

static char trial_folder[64];

/* ---- Models ------------------------------------------------------------------------------------------- */

#define TRIAL_NODE(name, op, inputs, attrs) "node { name: '" name "' op: '" op "' " inputs " " attrs " }\n"
#define TRIAL_TYPE(key, type) "attr { key: '" key "' value { type: " type " } } "
#define TRIAL_SCALAR(type, field, value) \
    TRIAL_TYPE("dtype", type)            \
    "attr { key: 'value' value { tensor { dtype: " type " tensor_shape { } " field ": " value " } } } "
#define TRIAL_FLOAT TRIAL_TYPE("T", "DT_FLOAT")
#define TRIAL_INT TRIAL_TYPE("T", "DT_INT32")

/* y = relu(x w + b) v over any number of rows; w, b and v lie in the file as bytes. */
static const char trial_mlp_text[] = TRIAL_NODE(
    "x", "Placeholder", "",
    TRIAL_TYPE("dtype",
               "DT_FLOAT") "attr { key: 'shape' value { shape { dim { size: -1 } dim { size: 4 } } } }")
    TRIAL_NODE("h", "MatMul", "input: 'x' input: 'w'", TRIAL_FLOAT)
        TRIAL_NODE("hb", "BiasAdd", "input: 'h' input: 'b'", TRIAL_FLOAT)
            TRIAL_NODE("hidden", "Relu", "input: 'hb'", TRIAL_FLOAT)
                TRIAL_NODE("y", "MatMul", "input: 'hidden' input: 'v'", TRIAL_FLOAT);

/* Squares of 0 .. n - 1: a size that is known only at run time. */
static const char trial_squares_text[] = TRIAL_NODE(
    "n", "Placeholder", "", TRIAL_TYPE("dtype", "DT_INT32") "attr { key: 'shape' value { shape { } } }")
    TRIAL_NODE("zero", "Const", "", TRIAL_SCALAR("DT_INT32", "int_val", "0"))
        TRIAL_NODE("one", "Const", "", TRIAL_SCALAR("DT_INT32", "int_val", "1")) TRIAL_NODE(
            "range", "Range", "input: 'zero' input: 'n' input: 'one'", TRIAL_TYPE("Tidx", "DT_INT32"))
            TRIAL_NODE("float", "Cast", "input: 'range'",
                       TRIAL_TYPE("SrcT", "DT_INT32") TRIAL_TYPE("DstT", "DT_FLOAT"))
                TRIAL_NODE("y", "Mul", "input: 'float' input: 'float'", TRIAL_FLOAT);

/* y = 2^n a: a loop over functions. */
static const char trial_loop_text[] = TRIAL_NODE(
    "n", "Placeholder", "", TRIAL_TYPE("dtype", "DT_INT32") "attr { key: 'shape' value { shape { } } }")
    TRIAL_NODE("a", "Placeholder", "",
               TRIAL_TYPE("dtype", "DT_FLOAT") "attr { key: 'shape' value { shape { dim { size: 2 } } } }")
        TRIAL_NODE("zero", "Const", "", TRIAL_SCALAR("DT_INT32", "int_val", "0")) TRIAL_NODE(
            "loop", "StatelessWhile", "input: 'zero' input: 'n' input: 'a'",
            "attr { key: 'T' value { list { type: DT_INT32 type: DT_INT32 type: DT_FLOAT } } } "
            "attr { key: 'cond' value { func { name: 'more' } } } attr { key: 'body' value { func { name: "
            "'twice' } } }")
            TRIAL_NODE(
                "y", "Identity", "input: 'loop:2'",
                TRIAL_FLOAT) "library { function { signature { name: 'more' input_arg { name: 'i' type: "
                             "DT_INT32 } "
                             "input_arg { name: 'n' type: DT_INT32 } input_arg { name: 'a' type: DT_FLOAT } "
                             "output_arg { name: 'r' type: DT_BOOL } } "
                             "node_def { name: 'less' op: 'Less' input: 'i' input: 'n' " TRIAL_INT
                             "} ret { key: 'r' value: 'less:z:0' } } "
                             "function { signature { name: 'twice' input_arg { name: 'i' type: DT_INT32 } "
                             "input_arg { name: 'n' type: DT_INT32 } input_arg { name: 'a' type: DT_FLOAT } "
                             "output_arg { name: 'ri' type: DT_INT32 } output_arg { name: 'rn' type: "
                             "DT_INT32 } "
                             "output_arg { name: 'ra' type: DT_FLOAT } } "
                             "node_def { name: 'one' op: 'Const' " TRIAL_SCALAR(
                                 "DT_INT32", "int_val",
                                 "1") "} "
                                      "node_def { name: 'next' op: 'AddV2' input: 'i' input: "
                                      "'one:output:0' " TRIAL_INT "} "
                                      "node_def { name: 'sum' op: 'AddV2' input: 'a' input: 'a' " TRIAL_FLOAT
                                      "} "
                                      "ret { key: 'ri' value: 'next:z:0' } ret { key: 'rn' value: 'n' } ret "
                                      "{ key: 'ra' value: 'sum:z:0' } } }\n";

/* y = p ? 2 x : -x: a branch that is not taken. */
static const char trial_branch_text[] = TRIAL_NODE(
    "p", "Placeholder", "", TRIAL_TYPE("dtype", "DT_BOOL") "attr { key: 'shape' value { shape { } } }")
    TRIAL_NODE("x", "Placeholder", "", TRIAL_TYPE("dtype", "DT_FLOAT"))
        TRIAL_NODE("s", "Switch", "input: 'x' input: 'p'", TRIAL_FLOAT)
            TRIAL_NODE("t", "AddV2", "input: 's:1' input: 's:1'", TRIAL_FLOAT)
                TRIAL_NODE("f", "Neg", "input: 's:0'", TRIAL_FLOAT) TRIAL_NODE(
                    "m", "Merge", "input: 'f' input: 't'", TRIAL_FLOAT "attr { key: 'N' value { i: 2 } }")
                    TRIAL_NODE("y", "Identity", "input: 'm'", TRIAL_FLOAT);

/* y = a variable that `start` sets to 3, times x. */
#define TRIAL_VARIABLE \
    "attr { key: 'shared_name' value { s: 'v' } } attr { key: 'shape' value { shape { } } } "
static const char trial_variable_text[] = TRIAL_NODE("v", "VarHandleOp", "",
                                                     TRIAL_TYPE("dtype", "DT_FLOAT") TRIAL_VARIABLE)
    TRIAL_NODE("three", "Const", "", TRIAL_SCALAR("DT_FLOAT", "float_val", "3"))
        TRIAL_NODE("start", "AssignVariableOp", "input: 'v' input: 'three'", TRIAL_TYPE("dtype", "DT_FLOAT"))
            TRIAL_NODE("read", "ReadVariableOp", "input: 'v'", TRIAL_TYPE("dtype", "DT_FLOAT")) TRIAL_NODE(
                "x", "Placeholder", "",
                TRIAL_TYPE("dtype", "DT_FLOAT") "attr { key: 'shape' value { shape { dim { size: -1 } } } }")
                TRIAL_NODE("y", "Mul", "input: 'x' input: 'read'", TRIAL_FLOAT);

static float trial_w[TRIAL_IN * TRIAL_HIDDEN], trial_b[TRIAL_HIDDEN], trial_v[TRIAL_HIDDEN * TRIAL_OUT];
static float trial_x[TRIAL_ROWS * TRIAL_IN], trial_hidden[TRIAL_ROWS * TRIAL_HIDDEN],
    trial_y[TRIAL_ROWS * TRIAL_OUT];

/* A constant node of random values in [low, 1), whose bytes lie in the file. */
static inline void trial_tensor(bt_text *text, const char *name, int rank, const int *dims, float low, float *values)
{
    int n = 1;
    bt_text_print(text,
                  "node { name: '%s' op: 'Const' " TRIAL_TYPE(
                      "dtype", "DT_FLOAT") "attr { key: 'value' value { tensor { "
                                           "dtype: DT_FLOAT tensor_shape { ",
                  name);
    for (int i = 0; i < rank; i++) bt_text_print(text, "dim { size: %d } ", dims[i]), n *= dims[i];
    bt_text_print(text, "} tensor_content: '");
    for (int i = 0; i < n; i++) {
        uint8_t bytes[4];
        values[i] = check_float(low, 1);
        memcpy(bytes, &values[i], sizeof bytes);
        for (int k = 0; k < 4; k++) bt_text_print(text, "\\%03o", bytes[k]);
    }
    bt_text_print(text, "' } } } }\n");
}

static inline void trial_const(bt_text *text, const char *name, int rows, int cols, float *values)
{
    const int dims[] = {rows, cols};
    trial_tensor(text, name, rows ? 2 : 1, rows ? dims : dims + 1, -1, values);
}

/* Row i of the answers is that of row i of x, so that the first rows are an answer too. */
static inline void trial_mlp_answers(void)
{
    for (int i = 0; i < TRIAL_ROWS * TRIAL_IN; i++) trial_x[i] = check_float(-1, 1);
    for (int r = 0; r < TRIAL_ROWS; r++) {
        float *hidden = trial_hidden + r * TRIAL_HIDDEN, *y = trial_y + r * TRIAL_OUT;
        for (int j = 0; j < TRIAL_HIDDEN; j++) {
            hidden[j] = trial_b[j];
            for (int k = 0; k < TRIAL_IN; k++)
                hidden[j] += trial_x[r * TRIAL_IN + k] * trial_w[k * TRIAL_HIDDEN + j];
            hidden[j] = fmaxf(hidden[j], 0);
        }
        for (int j = 0; j < TRIAL_OUT; j++) y[j] = 0;
        for (int j = 0; j < TRIAL_OUT; j++)
            for (int k = 0; k < TRIAL_HIDDEN; k++) y[j] += hidden[k] * trial_v[k * TRIAL_OUT + j];
    }
}

/* Writes a model's binary form into the folder. */
static inline bool trial_write(trial *t, const char *text)
{
    bt_text wire = {0};
    berth_error error = {0};
    snprintf(t->path, sizeof t->path, "%s/%s.pb", trial_folder, t->name);
    if (bt_pbtxt_encode(bt_str_of(text), BT_PBTXT_GRAPH, &wire, &error))
        printf("%s: %s\n", t->name, error.message);
    FILE *file = fopen(t->path, "wb");
    bool ok = !error.status && file && fwrite(wire.p, 1, wire.n, file) == wire.n;
    ok = file && fclose(file) == 0 && ok;
    bt_text_free(&wire);
    return CHECK(ok);
}

/* ---- The trials --------------------------------------------------------------------------------------- */

static const int32_t trial_four = 4;
static const bool trial_false = false;
static const float trial_pair[2] = {1.5f, -2}, trial_pair_neg[2] = {-1.5f, 2}, trial_pair_16[2] = {24, -32},
                   trial_pair_3[2] = {4.5f, -6}, trial_squares_4[4] = {0, 1, 4, 9};
static float trial_images[2][8][8];
/* What TensorFlow answers for a stroke and a ring, as trial_make draws them. */
static const float trial_digits_probability[2][10] = {
    {0.004196378f, 0.9565991f, 0.002952262f, 0.007413755f, 0.004257323f, 0.007671034f, 0.005255513f,
     0.005973726f, 0.002013267f, 0.003667561f},
    {0.6809303f, 0.05035914f, 0.02111222f, 0.02103695f, 0.021536095f, 0.035325892f, 0.028823307f,
     0.054231655f, 0.03705442f, 0.049590014f}};

static trial trial_mlp = {"mlp", .in = {{"x:0", BERTH_FLOAT, 2, {TRIAL_ROWS, TRIAL_IN}, trial_x}},
                          .out = {{"y:0", BERTH_FLOAT, 2, {TRIAL_ROWS, TRIAL_OUT}, trial_y}}, .n_in = 1,
                          .n_out = 1};
static trial trial_squares = {"squares", .in = {{"n:0", BERTH_INT32, 0, {0}, &trial_four}},
                              .out = {{"y:0", BERTH_FLOAT, 1, {4}, trial_squares_4}}, .n_in = 1, .n_out = 1};
static trial trial_loop = {
    "loop", .in = {{"n:0", BERTH_INT32, 0, {0}, &trial_four}, {"a:0", BERTH_FLOAT, 1, {2}, trial_pair}},
    .out = {{"y:0", BERTH_FLOAT, 1, {2}, trial_pair_16}, {"loop:0", BERTH_INT32, 0, {0}, &trial_four}},
    .n_in = 2, .n_out = 2};
static trial trial_branch = {
    "branch", .in = {{"p:0", BERTH_BOOL, 0, {0}, &trial_false}, {"x:0", BERTH_FLOAT, 1, {2}, trial_pair}},
    .out = {{"y:0", BERTH_FLOAT, 1, {2}, trial_pair_neg}}, .n_in = 2, .n_out = 1};
static trial trial_variable = {"variable",
                               .in = {{"x:0", BERTH_FLOAT, 1, {2}, trial_pair}},
                               .out = {{"y:0", BERTH_FLOAT, 1, {2}, trial_pair_3}},
                               .n_in = 1,
                               .n_out = 1,
                               .target = "start"};
static trial trial_digits = {"digits",
                             .path = TEST_DATA "../../examples/digits/digits",
                             .in = {{"image", BERTH_FLOAT, 4, {2, 8, 8, 1}, trial_images}},
                             .out = {{"probability", BERTH_FLOAT, 2, {2, 10}, trial_digits_probability}},
                             .n_in = 1,
                             .n_out = 1};

static trial *const trials[] = {&trial_mlp,    &trial_squares,  &trial_loop,
                                &trial_branch, &trial_variable, &trial_digits};
enum { N_TRIALS = sizeof trials / sizeof *trials };

/* Makes the models in a folder of their own. */
static inline bool trial_make(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(trial_folder, sizeof trial_folder, "%s/berth-XXXXXX",
             parent && strlen(parent) < 40 ? parent : "/tmp");
    if (!CHECK(mkdtemp(trial_folder))) return false;
    for (int i = 0; i < 8; i++) trial_images[0][i][3] = trial_images[0][i][4] = 1;
    for (int i = 1; i < 7; i++) trial_images[1][i][2] = trial_images[1][i][5] = 0.75f;
    for (int i = 2; i < 6; i++) trial_images[1][1][i] = trial_images[1][6][i] = 0.75f;
    bt_text mlp = {0};
    trial_const(&mlp, "w", TRIAL_IN, TRIAL_HIDDEN, trial_w);
    trial_const(&mlp, "b", 0, TRIAL_HIDDEN, trial_b);
    trial_const(&mlp, "v", TRIAL_HIDDEN, TRIAL_OUT, trial_v);
    bt_text_print(&mlp, "%s", trial_mlp_text);
    trial_mlp_answers();
    bool ok = trial_write(&trial_mlp, mlp.p) && trial_write(&trial_squares, trial_squares_text) &&
              trial_write(&trial_loop, trial_loop_text) && trial_write(&trial_branch, trial_branch_text) &&
              trial_write(&trial_variable, trial_variable_text);
    bt_text_free(&mlp);
    return ok;
}

static inline void trial_unmake(void)
{
    for (int i = 0; i < N_TRIALS; i++)
        if (trials[i] != &trial_digits) unlink(trials[i]->path);
    rmdir(trial_folder);
}

/* ---- Running one -------------------------------------------------------------------------------------- */

static inline berth_tensor *trial_wrap(const trial_port *p, berth_error *error)
{
    return berth_tensor_wrap(p->dtype, p->rank, p->dims, (void *)(uintptr_t)p->data, NULL, NULL, error);
}

/* The tensor is what the port says. */
static inline bool trial_same(const char *name, const trial_port *p, berth_tensor *t)
{
    int64_t n = 1;
    bool ok = t && berth_tensor_dtype(t) == p->dtype && berth_tensor_rank(t) == p->rank;
    for (int i = 0; i < p->rank && ok; i++) ok = berth_tensor_dim(t, i) == p->dims[i], n *= p->dims[i];
    const void *data = ok ? berth_tensor_data(t) : NULL;
    for (int64_t i = 0; i < n && ok; i++) {
        double a = p->dtype == BERTH_FLOAT ? ((const float *)data)[i] : ((const int32_t *)data)[i];
        double b = p->dtype == BERTH_FLOAT ? ((const float *)p->data)[i] : ((const int32_t *)p->data)[i];
        ok = fabs(a - b) <= 1e-4 * fmax(1, fabs(b));
    }
    if (!ok) printf("%s: wrong answer for %s\n", name, p->name);
    return ok;
}

/* Feeds, runs, compares; with `out` the fetches' tensors are the caller's, and stay. */
static inline bool trial_run(const trial *t, berth_session *session, berth_feed *out, berth_error *error)
{
    berth_feed in[TRIAL_PORTS] = {{0}}, own[TRIAL_PORTS] = {{0}};
    berth_feed *fetches = out ? out : own;
    bool ok = true, right = true;
    for (int i = 0; i < t->n_in && ok; i++) {
        in[i] = (berth_feed){t->in[i].name, trial_wrap(&t->in[i], error)};
        ok = in[i].tensor != NULL;
    }
    for (int i = 0; i < t->n_out; i++) fetches[i].name = t->out[i].name;
    ok = ok &&
         berth_session_run(session, in, (size_t)t->n_in, fetches, (size_t)t->n_out, NULL, error) == BERTH_OK;
    for (int i = 0; i < t->n_out && ok; i++)
        right = trial_same(t->name, &t->out[i], fetches[i].tensor) && right;
    CHECK(right);
    for (int i = 0; i < t->n_in; i++) berth_tensor_free(in[i].tensor);
    for (int i = 0; i < t->n_out; i++) {
        CHECK(ok || !own[i].tensor);
        berth_tensor_free(own[i].tensor);
    }
    return ok;
}

/* Runs the trial's target, where it has one. */
static inline bool trial_start(const trial *t, berth_session *session, berth_error *error)
{
    berth_run_options options;
    berth_run_options_init(&options);
    options.targets = &t->target;
    options.n_targets = 1;
    return !t->target || berth_session_run(session, NULL, 0, NULL, 0, &options, error) == BERTH_OK;
}

#endif
