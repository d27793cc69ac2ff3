/* A Keras archive: the directory of the zip, its members, and the model that they make. */
#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_file file = {
        .data = data, .size = size, .path = "fuzz.keras", .fd = -1, .refs = 2}; /* never dropped */
    bt_source source;
    berth_error error = {0};
    bt_source_init(&source);
    bt_format_keras_archive.load(file.path, &file, NULL, &source, &error);
    bt_source_free(&source);
    return 0;
}
