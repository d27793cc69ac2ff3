/* A SavedModel in text form, and what its MetaGraph holds. */
#include "format/metagraph.h"
#include "format/pbtxt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_source source;
    berth_error error = {0};
    bt_str model, text = {(const char *)data, size};
    bt_source_init(&source);
    bt_pbtxt_sniff(text, BT_PBTXT_GRAPH);
    if (!bt_pbtxt_keep(text, BT_PBTXT_SAVED_MODEL, &source.arena, &model, &error)) {
        bool failed = false;
        bt_metagraph_read(bt_wire_field(model, 2, &failed), ".", NULL, 0, &source, &error);
    }
    bt_source_free(&source);
    return 0;
}
