/* Models as text that a test puts together, and what a transformation makes of them: the answers must be the same. */
#ifndef REWRITE_H
#define REWRITE_H

#include "base/str.h"
#include "berth.h"
#include "torture.h"

static bt_text rewrite_text;

/* node("y", "Add", "x b", FLOATS): a node; inputs are words. */
static inline void node(const char *name, const char *op, const char *inputs, const char *attrs)
{
    bt_text_print(&rewrite_text, "node { name: '%s' op: '%s' ", name, op);
    for (const char *p = inputs; *p;) {
        size_t n = strcspn(p, " ");
        bt_text_print(&rewrite_text, "input: '%.*s' ", (int)n, p);
        p += n + (p[n] == ' ');
    }
    bt_text_print(&rewrite_text, "%s }\n", attrs);
}

#define ATTR(key, value) "attr { key: '" key "' value { " value " } } "
#define TYPE(key, type) ATTR(key, "type: " type)
#define FLOATS TYPE("T", "DT_FLOAT")
#define TEXT(key, value) ATTR(key, "s: '" value "'")
#define LIST(key, values) ATTR(key, "list { i: [" values "] }")

static inline void shape_text(int rank, const int64_t *dims)
{
    bt_text_print(&rewrite_text, "shape { ");
    for (int i = 0; i < rank; i++) bt_text_print(&rewrite_text, "dim { size: %lld } ", (long long)dims[i]);
    bt_text_print(&rewrite_text, "} ");
}

static inline void input(const char *name, const char *type, int rank, const int64_t *dims)
{
    bt_text_print(&rewrite_text,
                  "node { name: '%s' op: 'Placeholder' " TYPE("dtype", "%s") "attr { key: 'shape' value { ",
                  name, type);
    shape_text(rank, dims);
    bt_text_print(&rewrite_text, "} } }\n");
}

/* Constants: random numbers in [low, high), integers as given. */
static inline void floats(const char *name, float low, float high, int rank, const int64_t *dims)
{
    int64_t n = 1;
    bt_text_print(&rewrite_text,
                  "node { name: '%s' op: 'Const' " TYPE(
                      "dtype", "DT_FLOAT") "attr { key: 'value' value { tensor { dtype: "
                                           "DT_FLOAT tensor_",
                  name);
    shape_text(rank, dims);
    for (int i = 0; i < rank; i++) n *= dims[i];
    for (int64_t i = 0; i < n; i++) bt_text_print(&rewrite_text, "float_val: %.6f ", check_float(low, high));
    bt_text_print(&rewrite_text, "} } } }\n");
}

static inline void ints(const char *name, int rank, const int64_t *dims, const int *values)
{
    int64_t n = 1;
    bt_text_print(&rewrite_text,
                  "node { name: '%s' op: 'Const' " TYPE(
                      "dtype", "DT_INT32") "attr { key: 'value' value { tensor { dtype: DT_INT32 tensor_",
                  name);
    shape_text(rank, dims);
    for (int i = 0; i < rank; i++) n *= dims[i];
    for (int64_t i = 0; i < n; i++) bt_text_print(&rewrite_text, "int_val: %d ", values[i]);
    bt_text_print(&rewrite_text, "} } } }\n");
}

#define DIMS(...) \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
#define INTS(name, ...) \
    ints(name, 1, (const int64_t[]){sizeof((int[]){__VA_ARGS__}) / sizeof(int)}, (const int[]){__VA_ARGS__})
#define INDEX(name, value) ints(name, 0, NULL, (const int[]){value})

/* The text as a model, and the text is gone. */
static inline berth_model *rewrite_load(berth_error *error)
{
    size_t n = rewrite_text.n;
    char *text = rewrite_text.p;
    rewrite_text = (bt_text){0};
    berth_model *model = berth_model_load_memory(text, n, (void (*)(void *))bt_free, text, NULL, error);
    return model;
}

static inline size_t rewrite_count(const berth_model *model, const char *op)
{
    const char *name;
    size_t n;
    for (size_t i = 0; berth_model_op(model, i, &name, &n); i++)
        if (!strcmp(name, op)) return n;
    return 0;
}

/* Runs the model; the fetches' tensors are set. */
static inline bool rewrite_run(berth_model *model, const berth_feed *feeds, size_t n_feeds,
                               berth_feed *fetches, size_t n_fetches, berth_error *error)
{
    berth_session *session = berth_session_new(model, NULL, error);
    bool ok = session && !berth_session_run(session, feeds, n_feeds, fetches, n_fetches, NULL, error);
    berth_session_free(session);
    return ok;
}

/* Transforms the model for a CPU and holds its float answers against the model's own; NULL where they differ. */
static inline berth_model *rewrite_check(berth_model *model, const berth_feed *feeds, size_t n_feeds,
                                         const char *const *outputs, size_t n_outputs, double tolerance)
{
    berth_error error = {0};
    berth_transform_options o;
    berth_feed was[8] = {{0}}, is[8] = {{0}};
    berth_transform_options_init(&o);
    o.outputs = outputs, o.n_outputs = n_outputs, o.cpu = true;
    for (size_t i = 0; i < n_outputs; i++) was[i].name = is[i].name = outputs[i];
    berth_model *made = model ? berth_model_transform(model, &o, &error) : NULL;
    bool ok = made && rewrite_run(model, feeds, n_feeds, was, n_outputs, &error) &&
              rewrite_run(made, feeds, n_feeds, is, n_outputs, &error);
    if (!CHECK(ok)) printf("    %s\n", error.message);
    for (size_t i = 0; i < n_outputs; i++) {
        int64_t n = ok ? berth_tensor_count(was[i].tensor) : 0;
        ok = ok && CHECK(berth_tensor_rank(was[i].tensor) == berth_tensor_rank(is[i].tensor) &&
                         berth_tensor_count(is[i].tensor) == n);
        for (int d = 0; ok && d < berth_tensor_rank(was[i].tensor); d++)
            ok = CHECK(berth_tensor_dim(was[i].tensor, d) == berth_tensor_dim(is[i].tensor, d));
        const float *a = ok ? berth_tensor_data(is[i].tensor) : NULL,
                    *b = ok ? berth_tensor_data(was[i].tensor) : NULL;
        for (int64_t k = 0; ok && k < n; k++) ok = CHECK_CLOSE(a[k], b[k], tolerance);
        berth_tensor_free(was[i].tensor), berth_tensor_free(is[i].tensor);
    }
    if (ok) return made;
    berth_model_free(made);
    return NULL;
}

/* Whichever allocation fails, the transformation of the model, which is freed, says so; a value that cannot be computed ahead is
 * left to the run. */
static inline bool rewrite_once(void *model)
{
    berth_error error = {0};
    berth_transform_options o;
    berth_transform_options_init(&o);
    o.cpu = true;
    berth_model *made = berth_model_transform(model, &o, &error);
    berth_model_free(made);
    return made != NULL;
}

static inline void rewrite_torture(berth_model *model)
{
    if (CHECK(model)) torture(rewrite_once, model, true);
    berth_model_free(model);
}

/* That the model, which is freed, cannot be transformed for a CPU, and that the message says why. */
static inline void rewrite_refused(berth_model *model, const char *words)
{
    berth_error error = {0};
    berth_transform_options o;
    berth_transform_options_init(&o);
    o.cpu = true;
    berth_model *made = model ? berth_model_transform(model, &o, &error) : NULL;
    if (!CHECK(model && !made && error.status == BERTH_UNSUPPORTED && strstr(error.message, words)))
        printf("    %s\n", error.message);
    berth_model_free(made), berth_model_free(model);
}

static inline berth_tensor *rewrite_floats(int rank, const int64_t *dims)
{
    berth_error error = {0};
    berth_tensor *t = berth_tensor_new(BERTH_FLOAT, rank, dims, &error);
    for (int64_t i = 0; t && i < berth_tensor_count(t); i++)
        ((float *)berth_tensor_data(t))[i] = check_float(-1, 1);
    return t;
}

#endif
