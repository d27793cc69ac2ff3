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
        bt_wire w = bt_wire_of(model);
        while (bt_wire_next(&w) && !error.status)
            if (w.field == 2) bt_metagraph_read(bt_wire_bytes(&w), ".", &source, &error);
    }
    bt_source_free(&source);
    return 0;
}
