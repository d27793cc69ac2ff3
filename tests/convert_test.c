/* Models transformed, saved and loaded again give the same answers, in every format; a save that fails leaves what was there,
 * whichever allocation fails. TensorFlow reads what is written in interop.py. */
#include <dirent.h>

#include "torture.h"

#include "trial.h"

static const char *const formats[] = {"graphdef", "pbtxt", "savedmodel"};

static const char *out_path(const char *name)
{
    static char path[2][128];
    static int next;
    char *to = path[next++ & 1];
    snprintf(to, sizeof path[0], "%s/%s", trial_folder, name);
    return to;
}

static int count_entries(const char *path)
{
    int n = 0;
    DIR *folder = opendir(path);
    while (folder && readdir(folder)) n++;
    if (folder) closedir(folder);
    return n;
}

/* A file, or a folder of files and folders. */
static void drop(const char *path)
{
    char inner[512];
    DIR *folder = unlink(path) ? opendir(path) : NULL;
    if (!folder) return;
    for (struct dirent *e; (e = readdir(folder));) {
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) drop(inner);
    }
    closedir(folder);
    rmdir(path);
}

static berth_model *transformed(const trial *t, berth_model *model, berth_transform_options *o,
                                berth_error *error)
{
    const char *names[TRIAL_PORTS];
    for (int i = 0; i < t->n_out; i++) names[i] = t->out[i].name;
    o->outputs = names, o->n_outputs = (size_t)t->n_out;
    berth_model *made = berth_model_transform(model, o, error);
    o->outputs = NULL, o->n_outputs = 0;
    return made;
}

/* Whether the model gives the trial's answers. */
static bool answers(const trial *t, berth_model *model, berth_error *error)
{
    berth_session *session = berth_session_new(model, NULL, error);
    bool ok = session && trial_start(t, session, error) && trial_run(t, session, NULL, error);
    berth_session_free(session);
    return ok;
}

static bool round_trip(const trial *t, const char *format, berth_transform_options *o, berth_error *error)
{
    const char *path = out_path("saved");
    berth_model *model = berth_model_load(t->path, NULL, error);
    berth_model *made = model ? transformed(t, model, o, error) : NULL;
    berth_model_free(model); /* the copy keeps it */
    bool ok = made && answers(t, made, error) && !berth_model_save(made, path, format, error);
    berth_model_free(made);
    berth_model *again = ok ? berth_model_load(path, NULL, error) : NULL;
    ok = again && answers(t, again, error);
    berth_model_free(again);
    drop(path);
    return ok;
}

static void test_round_trips(void)
{
    for (int i = 0; i < N_TRIALS; i++)
        for (int f = 0; f < 3; f++)
            for (int with = 0; with < 2; with++) {
                berth_error error = {0};
                berth_transform_options o;
                berth_transform_options_init(&o);
                if (trials[i] == &trial_variable) continue; /* what starts it is no output */
                o.clear_devices = o.strip_training = o.freeze = o.cpu = with;
                if (!CHECK(round_trip(trials[i], formats[f], &o, &error)))
                    printf("%s as %s: %s\n", trials[i]->name, formats[f], error.message);
            }
}

/* ---- What is refused ---------------------------------------------------------------------------------- */

static berth_status transform_status(const char *output, int rank, int64_t first, const char *input)
{
    berth_error error = {0};
    berth_transform_options o;
    berth_spec spec = {.name = input, .rank = rank, .dims = {first, 4}};
    berth_transform_options_init(&o);
    o.outputs = &output, o.n_outputs = output != NULL;
    o.shapes = &spec, o.n_shapes = input != NULL;
    berth_model *model = berth_model_load(trial_mlp.path, NULL, &error);
    berth_model *made = model ? berth_model_transform(model, &o, &error) : NULL;
    CHECK((made != NULL) == (error.status == BERTH_OK) && (made || *error.message));
    if (made && input) {
        CHECK(!berth_model_input(made, NULL, 0, &spec, &error) && spec.rank == 2 && spec.dims[0] == first);
        CHECK(!berth_model_output(made, NULL, 0, &spec, &error) && spec.rank == 2 && spec.dims[0] == first);
    }
    berth_model_free(made);
    berth_model_free(model);
    return error.status;
}

static void test_options(void)
{
    CHECK(transform_status("hidden:0", 0, 0, NULL) == BERTH_OK);
    CHECK(transform_status("hidden", 2, 7, "x:0") == BERTH_OK);
    CHECK(transform_status("nothing:0", 0, 0, NULL) == BERTH_NOT_FOUND);
    CHECK(transform_status(NULL, 2, 3, "x") == BERTH_OK);
    CHECK(transform_status(NULL, 2, 3, "y:0") == BERTH_NOT_FOUND);
    CHECK(transform_status(NULL, 1, 3, "x:0") == BERTH_BAD_ARGUMENT);
}

/* Nothing is written over but a file by a file. */
static void test_paths(void)
{
    berth_error error = {0};
    const char *path = out_path("there");
    berth_model *model = berth_model_load(trial_mlp.path, NULL, &error);
    if (!CHECK(model)) return;
    CHECK(!berth_model_save(model, path, "savedmodel", &error));
    CHECK(berth_model_save(model, path, "savedmodel", &error) == BERTH_BAD_ARGUMENT &&
          strstr(error.message, path));
    CHECK(berth_model_save(model, path, "graphdef", &error) == BERTH_BAD_ARGUMENT);
    drop(path);
    CHECK(!berth_model_save(model, path, "graphdef", &error) &&
          !berth_model_save(model, path, "pbtxt", &error));
    CHECK(berth_model_save(model, path, "onnx", &error) == BERTH_BAD_ARGUMENT);
    CHECK(berth_model_save(model, "/nowhere/at/all", "graphdef", &error) == BERTH_NOT_FOUND);
    drop(path);
    berth_model_free(model);
}

/* ---- Torture ------------------------------------------------------------------------------------------ */

typedef struct job {
    const trial *t;
    const char *format;
    berth_context *context;
} job;

static bool convert(void *user)
{
    const job *j = user;
    const char *path = out_path("tortured");
    int before = count_entries(trial_folder);
    berth_error error = {0};
    berth_load_options load;
    berth_transform_options o;
    berth_load_options_init(&load);
    load.context = j->context;
    berth_transform_options_init(&o);
    o.clear_devices = o.strip_training = o.freeze = o.cpu = true;
    berth_model *model = berth_model_load(j->t->path, &load, &error);
    berth_model *made = model ? transformed(j->t, model, &o, &error) : NULL;
    bool ok = made && !berth_model_save(made, path, j->format, &error);
    if (!ok) CHECK(error.status == BERTH_NO_MEMORY && *error.message);
    CHECK(count_entries(trial_folder) == before + ok);
    berth_model_free(made);
    berth_model_free(model);
    drop(path);
    return ok;
}

static void test_torture(void)
{
    const trial *const tortured[] = {&trial_mlp, &trial_loop, &trial_digits};
    berth_error error = {0};
    berth_context_options options;
    berth_context_options_init(&options);
    options.threads = 1;
    for (int i = 0; i < 3; i++) {
        job j = {tortured[i], formats[i], berth_context_new(&options, &error)};
        if (!CHECK(j.context)) return;
        printf("%s: %llu allocations, each refused once\n", j.t->name,
               (unsigned long long)torture(convert, &j, true));
        berth_context_free(j.context);
    }
}

/* A placeholder that asks for training and only chooses need not be fed any more; one that is added to a number must. */
static void phases(void)
{
    static const char text[] = TRIAL_NODE(
        "x", "Placeholder", "",
        TRIAL_TYPE("dtype", "DT_FLOAT") "attr { key: 'shape' value { shape { dim { size: 2 } } } }")
        TRIAL_NODE("net/is_training_1", "Placeholder", "",
                   TRIAL_TYPE("dtype", "DT_BOOL") "attr { key: 'shape' value { shape { } } }")
            TRIAL_NODE("training", "Placeholder", "",
                       TRIAL_TYPE("dtype", "DT_BOOL") "attr { key: 'shape' value { shape { } } }")
                TRIAL_NODE("not", "LogicalNot", "input: 'net/is_training_1'", "")
                    TRIAL_NODE("twice", "AddV2", "input: 'x' input: 'x'", TRIAL_FLOAT)
                        TRIAL_NODE("y", "SelectV2", "input: 'not' input: 'twice' input: 'x'", TRIAL_FLOAT)
                            TRIAL_NODE("number", "Cast", "input: 'training'",
                                       TRIAL_TYPE("SrcT", "DT_BOOL") TRIAL_TYPE("DstT", "DT_FLOAT"))
                                TRIAL_NODE("z", "AddV2", "input: 'y' input: 'number'", TRIAL_FLOAT);
    static const float x[2] = {1, 2};
    static const int64_t dims[1] = {2};
    const char *const outputs[] = {"y:0", "z:0"};
    berth_error error = {0};
    berth_transform_options o;
    berth_transform_options_init(&o);
    o.strip_training = true, o.outputs = outputs, o.n_outputs = 2;
    berth_model *model = berth_model_load_memory(text, sizeof text - 1, NULL, NULL, NULL, &error);
    berth_model *made = model ? berth_model_transform(model, &o, &error) : NULL;
    berth_session *session = made ? berth_session_new(made, NULL, &error) : NULL;
    berth_tensor *given = berth_tensor_new(BERTH_FLOAT, 1, dims, &error);
    if (CHECK(session && given)) {
        memcpy(berth_tensor_data(given), x, sizeof x);
        berth_feed feed = {.name = "x:0", .tensor = given}, y = {.name = "y:0"}, z = {.name = "z:0"};
        if (CHECK(!berth_session_run(session, &feed, 1, &y, 1, NULL, &error))) {
            CHECK_CLOSE(((float *)berth_tensor_data(y.tensor))[0], 2, 0);
            CHECK_CLOSE(((float *)berth_tensor_data(y.tensor))[1], 4, 0);
        }
        CHECK(berth_session_run(session, &feed, 1, &z, 1, NULL, &error) && strstr(error.message, "training"));
        berth_tensor_free(y.tensor);
    }
    berth_tensor_free(given);
    berth_session_free(session);
    berth_model_free(made);
    berth_model_free(model);
}

int main(void)
{
    phases();
    if (!trial_make()) return check_done();
    test_round_trips();
    test_options();
    test_paths();
    test_torture();
    trial_unmake();
    return check_done();
}
