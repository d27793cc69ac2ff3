/* Keras HDF5: a small model of a layer called twice and two outputs (tests/data/keras_small.h5): its signature, its nodes,
 * weights that are views of the file; then every allocation refused in turn. What layers compute: the acceptance cases. */
#include "format/format.h"
#include "format/keras.h"
#include "torture.h"

#include <float.h>

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
    weightless("Custom>CustomScaleLayer", "{\"scale\": 0.17}", "Mul");
}

/* A layer on an input a [open, open, 3], or [open, 3], that is sparse or ragged. */
static void in_parts(const char *how, const char *class, const char *config, int n_inputs, int n_outputs,
                     const char *op)
{
    char text[2048];
    bt_source source;
    berth_error error = {0};
    const btk_weights none = {0};
    bool ragged = !strcmp(how, "ragged");
    snprintf(text, sizeof text,
             "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": ["
             "{\"class_name\": \"InputLayer\", \"name\": \"a\", \"config\": {\"batch_shape\": [null, %s3], "
             "\"%s\": true},"
             " \"inbound_nodes\": []},"
             "{\"module\": \"keras.layers\", \"class_name\": \"%s\", \"name\": \"c\", \"config\": %s, "
             "\"inbound_nodes\": [[[\"a\", 0, 0, "
             "{}]]]}],"
             "\"input_layers\": [[\"a\", 0, 0]], \"output_layers\": [[\"c\", 0, 0]]}}",
             ragged ? "null, " : "", how, class, config);
    bt_source_init(&source);
    CHECK_EQ(btk_load(&source, &none, bt_str_of(text), "text", bt_str_of("3.9.0"), &error),
             op ? BERTH_OK : BERTH_UNSUPPORTED);
    if (op && CHECK(source.n_signatures == 1)) {
        const bt_signature *s = &source.signatures[0];
        CHECK(count(&source.graph, op) > 0);
        CHECK_EQ(s->n_inputs, n_inputs);
        CHECK_EQ(s->n_outputs, n_outputs);
        CHECK_TEXT(s->inputs[0].key, "a");
        CHECK_TEXT(s->inputs[1].key, "a_1");
        CHECK_TEXT(s->outputs[0].key, n_outputs > 1 ? "c/0" : "c");
    } else CHECK(strstr(error.message, "layer 'c'"));
    bt_source_free(&source);
}

/* A layer of Keras 3 on a picture [open, 8, 8, 3]. */
static void layer(const char *class, const char *config, berth_status expected, const char *op)
{
    char text[2048];
    bt_source source;
    berth_error error = {0};
    const btk_weights none = {0};
    snprintf(text, sizeof text,
             "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": ["
             "{\"class_name\": \"InputLayer\", \"name\": \"a\", \"config\": {\"batch_shape\": [null, 8, 8, "
             "3]}, \"inbound_nodes\": []},"
             "{\"module\": \"keras.layers\", \"class_name\": \"%s\", \"name\": \"c\", \"config\": %s, "
             "\"inbound_nodes\": [[[\"a\", 0, 0, {}]]]}],"
             "\"input_layers\": [[\"a\", 0, 0]], \"output_layers\": [[\"c\", 0, 0]]}}",
             class, config);
    bt_source_init(&source);
    CHECK_EQ(btk_load(&source, &none, bt_str_of(text), "text", bt_str_of("3.9.0"), &error), expected);
    if (op) CHECK(count(&source.graph, op) > 0);
    bt_source_free(&source);
}

static void layers(void)
{
    static const char equalizer[] = "ContrastLimitedAdaptiveHistogramEqualization";
    layer("MaxNumBoundingBoxes", "{\"max_number\": 2}", BERTH_OK, NULL);
    layer(equalizer, "{\"tile_grid_size\": [2, 3]}", BERTH_OK, "MirrorPad");
    layer(equalizer, "{\"tile_grid_size\": [0, 3]}", BERTH_BAD_MODEL, NULL);
    layer(equalizer, "{\"tile_grid_size\": [99999, 3]}", BERTH_BAD_MODEL, NULL);
    layer(equalizer, "{\"tile_grid_size\": [900, 900]}", BERTH_BAD_MODEL, NULL);
    layer(equalizer, "{\"value_range\": [1, 1]}", BERTH_BAD_MODEL, NULL);
    layer("LocallyConnected2D", "{\"filters\": 2, \"kernel_size\": [2, 2], \"strides\": [0, 1]}",
          BERTH_BAD_MODEL, NULL);
    layer("LocallyConnected2D", "{\"filters\": 2, \"kernel_size\": [99999, 99999], \"padding\": \"same\"}",
          BERTH_BAD_MODEL, NULL);
    layer("Discretization", "{\"num_bins\": 3, \"bin_boundaries\": null}", BERTH_UNSUPPORTED, NULL);
    layer("Dense", "{\"units\": 3, \"dtype\": {\"config\": {\"mode\": \"int4/0\"}}}", BERTH_BAD_MODEL, NULL);
    layer("Dense", "{\"units\": 3, \"dtype\": {\"config\": {\"mode\": \"gptq/4/128\"}}}", BERTH_UNSUPPORTED,
          NULL);
    layer("Embedding",
          "{\"input_dim\": 3, \"output_dim\": 2, \"dtype\": {\"config\": {\"mode\": \"float8\"}}}",
          BERTH_UNSUPPORTED, NULL);
}

static void sparse_and_ragged(void)
{
    in_parts("sparse", "Flatten", "{}", 3, 1, "SparseToDense");
    in_parts("sparse", "Softmax", "{}", 0, 0, NULL);
    in_parts("ragged", "ReLU", "{}", 2, 2, "Relu");
    in_parts("ragged", "Softmax", "{\"axis\": -1}", 2, 2, "Softmax");
    in_parts("ragged", "Softmax", "{\"axis\": 1}", 0, 0, NULL);
    in_parts("ragged", "GlobalMaxPooling1D", "{}", 2, 1, "RaggedTensorToTensor");
    in_parts("ragged", "GlobalMaxPooling1D", "{\"data_format\": \"channels_first\"}", 0, 0, NULL);
    in_parts("ragged", "Flatten", "{}", 0, 0, NULL);
    in_parts("ragged", "InstanceMethod", "{\"attr_name\": \"to_tensor\"}", 2, 1, "RaggedTensorToTensor");
    in_parts("ragged", "InstanceMethod", "{\"attr_name\": \"row_lengths\"}", 2, 1, "Sub");
    in_parts("ragged", "InstanceProperty", "{\"attr_name\": \"shape\"}", 0, 0, NULL);
    in_parts("sparse", "InstanceProperty", "{\"attr_name\": \"values\"}", 0, 0, NULL);
    in_parts("ragged", "TFOpLambda", "{\"function\": \"math.exp\"}", 2, 2, "Exp");
    in_parts("ragged", "TFOpLambda", "{\"function\": \"math.reduce_mean\", \"axis\": 1}", 2, 1, "RealDiv");
    in_parts("ragged", "TFOpLambda", "{\"function\": \"math.reduce_mean\", \"axis\": 2}", 0, 0, NULL);
    in_parts("ragged", "TFOpLambda", "{\"function\": \"transpose\"}", 0, 0, NULL);
    in_parts("ragged", "CategoryEncoding", "{\"num_tokens\": 4, \"output_mode\": \"count\"}", 0, 0, NULL);
}

/* An operation of Keras 3 on inputs a [open, 4, 4] and b [open]: what comes of it, and a node of which it is made. */
static void operation(const char *class, const char *config, const char *more, berth_status expected,
                      const char *op)
{
    char text[2048];
    bt_source source;
    berth_error error = {0};
    const btk_weights none = {0};
    static const char tensor[] =
        "{\"class_name\": \"__keras_tensor__\", \"config\": {\"keras_history\": [\"a\", 0, 0]}}";
    snprintf(text, sizeof text,
             "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": ["
             "{\"class_name\": \"InputLayer\", \"name\": \"a\", \"config\": {\"batch_shape\": [null, 4, 4]},"
             " \"inbound_nodes\": []},"
             "{\"module\": \"keras.src.ops.numpy\", \"class_name\": \"%s\", \"name\": \"c\", \"config\": %s,"
             " \"inbound_nodes\": [{\"args\": [%s%s], \"kwargs\": {}}]}],"
             "\"input_layers\": [[\"a\", 0, 0]], \"output_layers\": [[\"c\", 0, 0]]}}",
             class, config, tensor, more);
    bt_source_init(&source);
    CHECK_EQ(btk_load(&source, &none, bt_str_of(text), "text", bt_str_of("3.9.0"), &error), expected);
    if (!expected) CHECK(count(&source.graph, op) > 0);
    else CHECK(error.message[0]);
    bt_source_free(&source);
}

static void operations(void)
{
    operation("SVD", "{\"compute_uv\": true}", "", BERTH_OK, "Svd");
    operation("Qr", "{\"mode\": \"complete\"}", "", BERTH_OK, "Qr");
    operation("Eigh", "{}", "", BERTH_OK, "SelfAdjointEigV2");
    operation("Unique", "{\"return_counts\": true}", "", BERTH_OK, "UniqueWithCountsV2");
    operation("Quantile", "{\"axis\": [1]}", ", [0.25, 0.5]", BERTH_OK, "TopKV2");
    operation("STFT",
              "{\"sequence_length\": 2, \"sequence_stride\": 1, \"fft_length\": 4, \"window\": \"hann\"}", "",
              BERTH_OK, "RFFT");
    operation("Rearrange", "{}", ", \"b h w -> b (w h)\"", BERTH_OK, "Transpose");
    operation("Eig", "{}", "", BERTH_OK, "Eig");
    operation("Histogram", "{\"bins\": 4}", "", BERTH_UNSUPPORTED, NULL);
}

/* Sizes and axes that cannot be, as a file may say them. */
static void hostile_operations(void)
{
    static const char *const patterns[] = {"",
                                           "->",
                                           "b h w",
                                           "b h -> b h",
                                           "b h w -> b h",
                                           "b (h w -> b h w",
                                           "b h w -> b b w",
                                           "b h) w -> b h w",
                                           "b h w x y z p q r -> b",
                                           "(b h) w c -> b h w c"};
    operation("STFT", "{\"sequence_length\": 9, \"sequence_stride\": 1, \"fft_length\": 4}", "",
              BERTH_BAD_MODEL, NULL);
    operation("STFT", "{\"sequence_length\": 2, \"sequence_stride\": 0, \"fft_length\": 4}", "",
              BERTH_BAD_MODEL, NULL);
    operation("STFT", "{\"sequence_length\": 2, \"sequence_stride\": 1, \"fft_length\": 4, \"window\": [1]}",
              "", BERTH_BAD_MODEL, NULL);
    operation("RFFT", "{\"fft_length\": 99999999999}", "", BERTH_UNSUPPORTED, NULL);
    operation("IRFFT", "{}", "", BERTH_UNSUPPORTED, NULL);
    operation("ExtractSequences", "{\"sequence_length\": -1, \"sequence_stride\": 1}", "", BERTH_BAD_MODEL,
              NULL);
    operation("Quantile", "{\"axis\": [7]}", ", 0.5", BERTH_BAD_MODEL, NULL);
    operation("Quantile", "{}", ", 1.5", BERTH_BAD_MODEL, NULL);
    operation("Quantile", "{}", ", []", BERTH_UNSUPPORTED, NULL);
    operation("Fold", "{\"output_size\": [4, 4], \"kernel_size\": 0}", "", BERTH_BAD_MODEL, NULL);
    operation("Fold", "{\"output_size\": [4, 4], \"kernel_size\": 9}", "", BERTH_BAD_MODEL, NULL);
    operation("Fold", "{\"output_size\": [4, 4], \"kernel_size\": [2, 2], \"stride\": 0}", "",
              BERTH_BAD_MODEL, NULL);
    operation("Repeat", "{\"repeats\": [1, 2], \"axis\": 1}", "", BERTH_BAD_MODEL, NULL);
    operation("Repeat", "{\"repeats\": [1, 99999999999, 1, 1], \"axis\": 1}", "", BERTH_UNSUPPORTED, NULL);
    operation("UnravelIndex", "{\"shape\": []}", "", BERTH_UNSUPPORTED, NULL);
    operation("Linspace", "{\"num\": 100000}", ", 1.0", BERTH_UNSUPPORTED, NULL);
    operation("GaussianBlur", "{\"kernel_size\": [1000000, 3]}", "", BERTH_UNSUPPORTED, NULL);
    operation("MapCoordinates", "{\"order\": 5}", ", [[0.5]]", BERTH_UNSUPPORTED, NULL);
    operation("Norm", "{\"ord\": 2, \"axis\": [1, 9]}", "", BERTH_BAD_MODEL, NULL);
    operation("Diag", "{}", "", BERTH_BAD_MODEL, NULL);
    operation("View", "{\"dtype\": \"bogus\"}", "", BERTH_UNSUPPORTED, NULL);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char more[64];
        snprintf(more, sizeof more, ", \"%s\"", patterns[i]);
        operation("Rearrange", "{}", more, BERTH_UNSUPPORTED, NULL);
    }
}

typedef struct given {
    const char *name;
    berth_dtype dtype;
    int rank;
    int64_t dims[2];
    void *data;
} given;

/* A file of tests/data gives these floats. */
static void gives(const char *file, const given *inputs, int n, const char *output, const float *want,
                  int n_want)
{
    char whole[256];
    berth_feed feeds[8] = {0}, out = {.name = output};
    berth_error error = {0};
    snprintf(whole, sizeof whole, "%s%s", TEST_DATA, file);
    berth_model *model = berth_model_load(whole, NULL, &error);
    berth_session *session = model ? berth_session_new(model, NULL, &error) : NULL;
    for (int i = 0; i < n; i++)
        feeds[i] =
            (berth_feed){inputs[i].name, berth_tensor_wrap(inputs[i].dtype, inputs[i].rank, inputs[i].dims,
                                                           inputs[i].data, NULL, NULL, &error)};
    if (CHECK(session && !berth_session_run(session, feeds, (size_t)n, &out, 1, NULL, &error)))
        for (int i = 0; i < n_want; i++)
            CHECK_CLOSE(((const float *)berth_tensor_data(out.tensor))[i], want[i], 1e-5);
    else puts(error.message);
    berth_tensor_free(out.tensor);
    for (int i = 0; i < n; i++) berth_tensor_free(feeds[i].tensor);
    berth_session_free(session);
    berth_model_free(model);
}

/* Small files that Keras wrote, with what it computed of them. */
static void whole_files(void)
{
    static float a[] = {1, 2, 3}, b[] = {-1, 0, 2}, c[] = {0.5f, -2, 1}, x[] = {1, -2, 0.5f, 3},
                 values[] = {2, 1, -1};
    static int32_t tokens[] = {1, 2, 3, 2};
    static int64_t splits[] = {0, 3, 3, 4}, indices[] = {0, 1, 1, 0, 2, 2}, size[] = {3, 3};
    /* of Keras 1: models joined in models, one of them functional, one in a Sequential without a name of its own */
    gives("keras1_joined.h5",
          (const given[]){{"input_1", BERTH_FLOAT, 2, {1, 3}, a},
                          {"dense_input_1", BERTH_FLOAT, 2, {1, 3}, b},
                          {"dense_input_2", BERTH_FLOAT, 2, {1, 3}, c}},
          3, "dense_7", (const float[]){1.455078125f, 0.572265625f}, 2);
    /* a Dense of four bits in blocks, then one of float8 */
    gives("keras_quantized.keras", (const given[]){{"x", BERTH_FLOAT, 2, {1, 4}, x}}, 1, "eight",
          (const float[]){-1.9140625f, 4.7734375f}, 2);
    /* of Keras 3.12, which had four bits along another axis */
    static float x5[] = {1, -2, 0.5f, 3, -1};
    gives("keras_four_bits.keras", (const given[]){{"x", BERTH_FLOAT, 2, {1, 5}, x5}}, 1, "out",
          (const float[]){1.854699f, -2.413828f}, 2);
    /* a ragged input through Embedding and a pool over time, one row empty, and a sparse one through Dense */
    gives("keras_parts.keras",
          (const given[]){{"t", BERTH_INT32, 1, {4}, tokens},
                          {"t_1", BERTH_INT64, 1, {4}, splits},
                          {"s", BERTH_INT64, 2, {3, 2}, indices},
                          {"s_1", BERTH_FLOAT, 1, {3}, values},
                          {"s_2", BERTH_INT64, 1, {2}, size}},
          5, "sum", (const float[]){3.125f, 1.125f, -FLT_MAX, -FLT_MAX, 0.0625f, 1.625f}, 6);
}

static berth_status load_once(void *unused)
{
    bt_source source;
    berth_error error;
    (void)unused;
    bt_source_init(&source);
    berth_status status = bt_format_load(path, NULL, &source, &error);
    CHECK(!status || error.message[0]);
    bt_source_free(&source);
    return status;
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
    whole_files();
    layers();
    sparse_and_ragged();
    operations();
    hostile_operations();
    torture_status(load_once, NULL, false);
    return check_done();
}
