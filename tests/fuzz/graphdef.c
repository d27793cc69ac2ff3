/* A GraphDef: the wire encoding, nodes, attributes, constants, functions. */
#include "format/graphdef.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_source source;
    berth_error error = {0};
    bt_text dump = {0};
    bt_source_init(&source);
    if (!bt_graphdef_read((bt_str){(const char *)data, size}, &source, &error))
        bt_graph_dump(&source.graph, NULL, NULL, &dump);
    bt_text_free(&dump);
    bt_source_free(&source);
    return 0;
}
