/* Keras HDF5: a small model of a layer called twice and two outputs (tests/data/keras_small.h5): its signature, its nodes,
 * weights that are views of the file; then every allocation refused in turn. What layers compute: the acceptance cases. */
#include "check.h"
#include "format/format.h"
#include "format/keras.h"

static const char path[] = TEST_DATA "keras_small.h5";

static int count(const bt_graph *graph, const char *op)
{
    int n = 0;
    for (size_t i = 0; i < graph->n_nodes; i++) n += !strcmp(graph->nodes[i].op, op);
    return n;
}

static void signature(const bt_source *source)
{
    if (!CHECK(source->n_signatures == 1)) return;
    const bt_signature *s = &source->signatures[0];
    CHECK_TEXT(s->name, "serving_default");
    if (!CHECK(s->n_inputs == 1 && s->n_outputs == 2)) return;
    CHECK_TEXT(s->inputs[0].key, "x");
    CHECK_TEXT(s->inputs[0].tensor, "x:0");
    CHECK_TEXT(s->outputs[0].key, "out");
    CHECK_TEXT(s->outputs[1].key, "norm");
    CHECK(s->inputs[0].shape.rank == 2 && s->inputs[0].shape.dim[0] == -1 && s->inputs[0].shape.dim[1] == 3);
    CHECK(s->outputs[0].dtype == BERTH_FLOAT && s->outputs[0].shape.dim[1] == 2);
}

static void weights(const bt_source *source)
{
    int32_t node = bt_graph_find(&source->graph, bt_str_of("twice/kernel"));
    if (!CHECK(node >= 0)) return;
    const bt_tensor *value = bt_attr_tensor(&source->graph.nodes[node], "value");
    if (!CHECK(value && bt_tensor_count(value) == 9)) return;
    CHECK(bt_source_file_of(source, value->data) != NULL);
    for (int i = 0; i < 9; i++) CHECK_CLOSE(bt_tensor_number(value, i), i, 0);
}

static void whole(void)
{
    bt_source source;
    berth_error error;
    bt_source_init(&source);
    if (CHECK(!bt_format_load(path, NULL, &source, &error))) {
        CHECK_TEXT(source.format, "Keras HDF5");
        signature(&source);
        weights(&source);
        CHECK_EQ(count(&source.graph, "MatMul"), 3); /* the layer called twice, and the last */
        CHECK_EQ(count(&source.graph, "Relu"), 2);
        CHECK_EQ(count(&source.graph, "Rsqrt"), 1);
    }
    bt_source_free(&source);
}

/* Two inputs, a and b, in a model of a layer without weights. */
static void weightless(const char *class, const char *config, const char *op)
{
    char text[2048];
    bt_source source;
    berth_error error;
    const btk_weights none = {0};
    snprintf(text, sizeof text,
             "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": ["
             "{\"class_name\": \"InputLayer\", \"name\": \"a\", \"config\": {\"batch_shape\": [null, 3]},"
             " \"inbound_nodes\": []},"
             "{\"class_name\": \"InputLayer\", \"name\": \"b\", \"config\": {\"batch_shape\": [null, 3]},"
             " \"inbound_nodes\": []},"
             "{\"class_name\": \"%s\", \"name\": \"c\", \"config\": %s,"
             " \"inbound_nodes\": [[[\"a\", 0, 0, {}], [\"b\", 0, 0, {}]]]}],"
             "\"input_layers\": [[\"a\", 0, 0], [\"b\", 0, 0]], \"output_layers\": [[\"c\", 0, 0]]}}",
             class, config);
    bt_source_init(&source);
    if (CHECK(!btk_load(&source, &none, bt_str_of(text), "text", bt_str_of("2.9.0"), &error)))
        CHECK_EQ(count(&source.graph, op), 1);
    bt_source_free(&source);
}

static void merged(void)
{
    weightless("Subtract", "{}", "Sub");
    weightless("CustomScaleLayer", "{\"scale\": 0.17}", "Mul");
}

static void starved(void)
{
    berth_status status = BERTH_NO_MEMORY;
    for (uint64_t n = 1; status && n < 10000; n++) {
        bt_source source;
        berth_error error;
        bt_source_init(&source);
        bt_mem_fail_at(n);
        status = bt_format_load(path, NULL, &source, &error);
        bt_mem_fail_at(0);
        CHECK(!status || (status == BERTH_NO_MEMORY && error.message[0]));
        bt_source_free(&source);
    }
    CHECK_EQ(status, BERTH_OK);
}

/* An archive stays one where the HDF5 file in it begins at a power of two. */
static void archive_is_no_hdf5(void)
{
    static uint8_t bytes[2048] = "PK\3\4";
    bt_source source;
    berth_error error;
    memcpy(bytes + 1024, "\x89HDF\r\n\x1a\n", 8);
    bt_file *file = bt_file_memory("x.keras", bytes, sizeof bytes, NULL, NULL, &error);
    bt_source_init(&source);
    if (CHECK(file)) CHECK_EQ(bt_format_load_file(file, NULL, &source, &error), BERTH_BAD_MODEL);
    CHECK(!strstr(error.message, "HDF5"));
    bt_source_free(&source);
    bt_file_free(file);
}

int main(void)
{
    whole();
    archive_is_no_hdf5();
    merged();
    starved();
    return check_done();
}
