/* A Keras HDF5 file: groups, attributes, datasets, the configuration, the graph made of it. */
#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_file file = {.data = data, .size = size, .path = "fuzz.h5", .fd = -1, .refs = 2}; /* never dropped */
    bt_format_options options = {0};
    bt_source source;
    berth_error error = {0};
    bt_text dump = {0};
    bt_source_init(&source);
    if (!bt_format_keras_h5.load(file.path, &file, &options, &source, &error))
        bt_graph_dump(&source.graph, NULL, NULL, &dump);
    bt_text_free(&dump);
    bt_source_free(&source);
    return 0;
}
