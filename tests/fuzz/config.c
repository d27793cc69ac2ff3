/* A ConfigProto, binary or text. */
#include "format/config.h"
#include "place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_arena arena;
    bt_config_proto config;
    berth_error error = {0};
    fuzz_write("config", data, size);
    bt_arena_init(&arena);
    bt_config_proto_read(fuzz_place("config"), &arena, &config, &error);
    bt_arena_free(&arena);
    return 0;
}
