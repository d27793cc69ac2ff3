/* JSON: the text of a Keras configuration. */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_arena arena;
    berth_error error = {0};
    bt_arena_init(&arena);
    bt_json_parse(&arena, (bt_str){(const char *)data, size}, &error);
    bt_arena_free(&arena);
    return 0;
}
