/* A model in an archive: a zip or a tar, gzipped or not, with whatever it holds: SavedModels and checkpoints too, of which the
 * files are several. */
#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_source source;
    berth_error error = {0};
    bt_file *file = bt_file_memory("fuzz", data, size, NULL, NULL, &error);
    bt_source_init(&source);
    if (file) bt_format_load_file(file, NULL, &source, &error);
    bt_source_free(&source);
    bt_file_free(file);
    return 0;
}
