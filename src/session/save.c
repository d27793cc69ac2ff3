/* A model written to files: berth_model_save. The formats: ../format/write.h. */
#include "format/write.h"
#include "session/transform.h"

/* A signature for what stands without one: keys are names of tensors, ":0" left out. */
static berth_status add_signature(const berth_model *model, bt_arena *arena, bt_source *out,
                                  berth_error *error)
{
    bt_signature *s = bt_arena_new(arena, bt_signature);
    if (!s) return bt_fail_memory(error);
    *s = model->whole;
    s->name = "serving_default", s->method = "tensorflow/serving/predict";
    for (int side = 0; side < 2; side++) {
        int n = side ? s->n_outputs : s->n_inputs;
        const bt_port *from = side ? s->outputs : s->inputs;
        bt_port *ports = bt_arena_array(arena, bt_port, (size_t)n + 1);
        for (int i = 0; ports && i < n; i++) {
            size_t length = strlen(from[i].key) - (bt_ends(from[i].key, ":0") ? 2 : 0);
            ports[i] = from[i];
            if (!(ports[i].key = bt_arena_copy(arena, from[i].key, length))) ports = NULL;
        }
        if (!ports) return bt_fail_memory(error);
        if (side) s->outputs = ports;
        else s->inputs = ports;
    }
    out->signatures = s, out->n_signatures = 1;
    return BERTH_OK;
}

static berth_status save_folder(berth_model *model, const char *path, berth_error *error)
{
    bt_arena arena;
    bt_source source = model->source; /* shallow */
    berth_status status = BERTH_OK;
    bt_arena_init(&arena);
    if (!source.n_signatures) status = add_signature(model, &arena, &source, error);
    if (!status) status = bt_savedmodel_save(&source, path, error);
    bt_arena_free(&arena);
    return status;
}

berth_status bt_model_save(berth_model *model, const char *path, const char *format, berth_error *error)
{
    if (!format)
        format = bt_ends(path, ".pb") ? "graphdef" : bt_ends(path, ".pbtxt") ? "pbtxt" : "savedmodel";
    if (!strcmp(format, "savedmodel")) return save_folder(model, path, error);
    bool text = !strcmp(format, "pbtxt");
    if (!text && strcmp(format, "graphdef"))
        return bt_fail(error, BERTH_BAD_ARGUMENT,
                       "format '%s': is none; there are graphdef, pbtxt and savedmodel", format);
    berth_model *flat = bt_model_transform(model, NULL, true, error);
    if (!flat) return error->status;
    berth_status status = (text ? bt_pbtxt_save : bt_graphdef_save)(&flat->source, path, error);
    bt_model_free(flat);
    return status;
}
