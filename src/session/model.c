/* Contexts and models: a loaded source, its signatures, the store of its weights. */
#include "session/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/config.h"
#include "format/format.h"

/* ---- Contexts ----------------------------------------------------------------------------------------- */

berth_context *berth_context_new(const berth_context_options *options, berth_error *error)
{
    bt_error_clear(error);
    berth_context *context = bt_calloc(1, sizeof *context);
    if (!context) return bt_fail_memory(error), NULL;
    int threads = options && options->size >= sizeof *options ? options->threads : 0;
    if (threads < 0 || threads > 1024) {
        bt_fail(error, BERTH_BAD_ARGUMENT, "threads: %d cannot be", threads);
        return berth_context_free(context), NULL;
    }
    context->registry = bt_registry_new(error);
    context->pool = context->registry ? bt_pool_new(threads) : NULL;
    if (context->registry && !context->pool) bt_fail_memory(error);
    if (!context->pool) return berth_context_free(context), NULL;
    context->threads = bt_pool_threads(context->pool);
    context->threads_given = threads > 0, context->soft = context->log = -1;
    const char *config = options && options->size >= sizeof *options ? options->config : NULL;
    if (config && bt_context_config(context, config, error)) return berth_context_free(context), NULL;
    return context;
}

/* A default, which gives way to what was configured. GPUs that are not there are no matter of a file that serves many machines,
 * but for a list that names some where there are others. */
static berth_status configure(berth_context *context, const char *device, const char *visible, int count,
                              int growth, double fraction, const char *logical, berth_error *error)
{
    berth_device_options options = {
        sizeof options, device, visible, count, growth, -1, fraction > 0 ? fraction : -1, logical};
    berth_error why = {0};
    berth_status status = bt_registry_configure(context->registry, &options, true, &why);
    bool is_absent = status == BERTH_DEVICE && !(visible && bt_registry_find(context->registry, "GPU", NULL));
    if (!status || is_absent) return BERTH_OK;
    return bt_fail(error, status, "%s", why.message);
}

static berth_status apply(berth_context *context, const bt_config_proto *c, berth_error *error)
{
    char name[16];
    berth_status status = BERTH_OK;
    if (c->cpu_count > 0) status = configure(context, "CPU", NULL, c->cpu_count, -1, 0, NULL, error);
    bool gpus = c->visible || c->gpu_count >= 0 || c->growth >= 0 || c->fraction > 0 || c->n_logical;
    if (status || !gpus || bt_registry_count(context->registry) == 0) return status;
    status = configure(context, "GPU", c->visible, c->gpu_count, c->growth, 0, NULL, error);
    for (int i = 0; !status && i < (c->fraction > 0 ? BT_MAX_HARDWARE : c->n_logical); i++) {
        const char *logical = i < c->n_logical && *c->logical[i] ? c->logical[i] : NULL;
        snprintf(name, sizeof name, "GPU:%d", i);
        if (logical || c->fraction > 0)
            status = configure(context, name, NULL, -1, -1, c->fraction, logical, error);
    }
    return status;
}

/* Threads that nobody asked for are made anew. */
static berth_status set_threads(berth_context *context, int threads, berth_error *error)
{
    if (threads == 0 || context->threads_given) return BERTH_OK;
    bt_pool *pool = bt_pool_new(threads);
    if (!pool) return bt_fail_memory(error);
    bt_pool_free(context->pool);
    context->pool = pool;
    context->threads = bt_pool_threads(pool);
    return BERTH_OK;
}

berth_status bt_context_config(berth_context *context, const char *path, berth_error *error)
{
    bt_arena arena;
    bt_config_proto config;
    bt_arena_init(&arena);
    berth_status status = bt_config_proto_read(path, &arena, &config, error);
    if (!status && (status = apply(context, &config, error))) bt_error_prefix(error, "%s", path);
    if (!status) status = set_threads(context, config.threads, error);
    if (!status) context->soft = config.soft, context->log = config.log;
    bt_arena_free(&arena);
    return status;
}

void berth_context_free(berth_context *context)
{
    if (!context) return;
    bt_pool_free(context->pool);
    bt_registry_free(context->registry);
    bt_free(context);
}

static pthread_mutex_t default_lock = PTHREAD_MUTEX_INITIALIZER;
static berth_context *default_context;

berth_context *bt_context_of(berth_context *context, berth_error *error)
{
    if (context) return context;
    pthread_mutex_lock(&default_lock);
    if (!default_context) default_context = berth_context_new(NULL, error);
    context = default_context;
    pthread_mutex_unlock(&default_lock);
    return context;
}

/* ---- Signatures --------------------------------------------------------------------------------------- */

const bt_signature *bt_model_signature(const berth_model *model, const char *name, berth_error *error)
{
    const bt_source *s = &model->source;
    int n_own = s->n_signatures - s->n_functions;
    if (!name && s->n_signatures == 0) return &model->whole;
    for (int i = 0; i < (name ? s->n_signatures : n_own); i++)
        if (!strcmp(s->signatures[i].name, name ? name : "serving_default")) return &s->signatures[i];
    if (!name && n_own == 1) return &s->signatures[0];
    for (int i = 0; name && i < s->n_refused; i++)
        if (!strcmp(s->refused[i].name, name))
            return bt_fail(error, BERTH_UNSUPPORTED, "function '%s' cannot be called: %s", name,
                           s->refused[i].reason),
                   NULL;
    bt_text list = {0};
    for (int i = 0; i < s->n_signatures && list.n < 300; i++)
        bt_text_print(&list, "%s'%s'", i ? ", " : "", s->signatures[i].name);
    const char *has = list.p ? list.p : "none";
    if (name) bt_fail(error, BERTH_NOT_FOUND, "there is no signature '%s'; the model has: %s", name, has);
    else bt_fail(error, BERTH_NOT_FOUND, "a signature must be named: the model has %s", has);
    bt_text_free(&list);
    return NULL;
}

void bt_port_spec(const bt_port *port, berth_spec *spec)
{
    *spec = (berth_spec){
        .name = port->key, .tensor = port->tensor, .dtype = port->dtype, .rank = port->shape.rank};
    for (int i = 0; i < port->shape.rank; i++) spec->dims[i] = port->shape.dim[i];
}

/* ---- Models ------------------------------------------------------------------------------------------- */

/* A tensor of the files is counted once, of however many variables it is the value (of the handles that a SavedModel has for one,
 * say). */
static void count_weights(berth_model *model)
{
    bt_map counted = {0};
    const bt_source *s = &model->source;
    for (size_t i = 0; i < s->graph.n_nodes; i++) {
        const bt_tensor *value = bt_attr_tensor(&s->graph.nodes[i], "value");
        if (value) model->weight_bytes += (int64_t)bt_tensor_bytes(value);
    }
    for (size_t i = 0; i < s->variables.capacity; i++) {
        const bt_variable *v = s->variables.entries[i].value;
        if (!v) continue;
        bt_str key = {(const char *)&v->value.data, sizeof v->value.data};
        if (bt_map_get(&counted, key)) continue;
        bt_map_put(&counted, key, (void *)v); /* without memory, it may be counted again */
        model->weight_bytes += (int64_t)bt_tensor_bytes(&v->value);
    }
    bt_map_free(&counted);
}

berth_status bt_model_places(berth_model *model, berth_error *error)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    bt_registry *registry = model->context->registry;
    berth_status status = BERTH_OK;
    pthread_mutex_lock(&lock);
    bt_registry_fix(registry);
    for (size_t i = (size_t)model->n_places; !status && i < bt_registry_known(registry) && i < BT_MAX_PLACES;
         i++) {
        model->places[i] = bt_registry_at(registry, i);
        model->stores[i] = bt_store_new(&model->source, model->places[i]);
        if (model->stores[i]) model->n_places++;
        else status = bt_fail_memory(error);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

berth_status bt_model_finish(berth_model *model, berth_error *error)
{
    if (bt_model_places(model, error)) return error->status;
    bt_ops_resolve(&model->source.graph);
    count_weights(model);
    return BERTH_OK;
}

static berth_status load_source(berth_model *model, const char *path, bt_file *file,
                                const berth_load_options *options, berth_error *error)
{
    bt_format_options format = {
        .tags = options->tags, .structure = options->structure, .functions = options->functions};
    berth_status status = file ? bt_format_load_file(file, &format, &model->source, error)
                               : bt_format_load(path, &format, &model->source, error);
    if (status || bt_model_finish(model, error)) return error->status;
    return model->source.n_signatures ? BERTH_OK : bt_model_whole(model, error);
}

berth_model *bt_model_new(berth_context *context, berth_error *error)
{
    berth_model *model = bt_calloc(1, sizeof *model);
    if (!model) return bt_fail_memory(error), NULL;
    model->refs = 1;
    model->context = context;
    pthread_mutex_init(&model->lock, NULL);
    bt_source_init(&model->source);
    return model;
}

berth_model *bt_model_load(const char *path, bt_file *file, const berth_load_options *options,
                           berth_error *error)
{
    berth_context *context = bt_context_of(options->context, error);
    berth_model *model = context ? bt_model_new(context, error) : NULL;
    if (!model) return NULL;
    if (load_source(model, path, file, options, error)) return bt_model_free(model), NULL;
    return model;
}

berth_model *bt_model_ref(berth_model *model)
{
    model->refs++;
    return model;
}

void bt_model_free(berth_model *model)
{
    if (!model || --model->refs) return;
    for (int i = 0; i < model->n_places; i++) bt_store_free(model->stores[i]);
    bt_source_free(&model->source);
    bt_free(model->op_counts);
    pthread_mutex_destroy(&model->lock);
    bt_model_free(model->from);
    bt_free(model);
}

/* ---- Ops by count ------------------------------------------------------------------------------------- */

typedef struct tally {
    bt_op_count *counts;
    size_t n, room;
    bt_map index;
} tally;

static bool tally_graph(tally *t, const bt_graph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++) {
        bt_str op = bt_str_of(g->nodes[i].op);
        ptrdiff_t at = bt_map_get_index(&t->index, op);
        if (at < 0) {
            if (!bt_grow(&t->counts, &t->room, t->n + 2, sizeof *t->counts) ||
                !bt_map_put_index(&t->index, op, t->n))
                return false;
            at = (ptrdiff_t)t->n++;
            t->counts[at] = (bt_op_count){g->nodes[i].op, 0};
        }
        t->counts[at].count++;
    }
    return true;
}

static int most_first(const void *a, const void *b)
{
    const bt_op_count *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return strcmp(x->op, y->op);
}

static bt_op_count *tally_model(const bt_source *source)
{
    tally t = {0};
    bool ok = bt_grow(&t.counts, &t.room, 1, sizeof *t.counts) && tally_graph(&t, &source->graph);
    for (size_t i = 0; ok && i < source->functions.capacity; i++) {
        const bt_function *f = source->functions.entries[i].value;
        ok = !f || tally_graph(&t, &f->graph);
    }
    bt_map_free(&t.index);
    if (!ok) return bt_free(t.counts), NULL;
    qsort(t.counts, t.n, sizeof *t.counts, most_first);
    t.counts[t.n] = (bt_op_count){NULL, 0};
    return t.counts;
}

const bt_op_count *bt_model_op_counts(berth_model *model)
{
    pthread_mutex_lock(&model->lock);
    if (!model->op_counts) model->op_counts = tally_model(&model->source);
    pthread_mutex_unlock(&model->lock);
    return model->op_counts;
}
