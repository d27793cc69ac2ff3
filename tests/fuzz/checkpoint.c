/* A checkpoint: the entries of its table, with the right checksum around them, and the tensors that they say. The first byte
 * chooses the format; then come entries as table.h takes them. */
#include "format/bundle.h"
#include "place.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"", "w", "h", "s", "_CHECKPOINTABLE_OBJECT_GRAPH"},
                             *const slices[] = {"", "4 3 0,2:-", "4 3 -:1,1", "3 0,2"};
    static const char zeros[256];
    bt_source source;
    berth_error error = {0};
    bool old = size && data[0] & 1;
    if (!size) return 0;
    bt_text file = fuzz_table(data + 1, size - 1);
    unlink(fuzz_place(old ? "m.index" : "m"));
    fuzz_write(old ? "m" : "m.index", file.p, file.n);
    fuzz_write("m.data-00000-of-00001", zeros, sizeof zeros);
    bt_source_init(&source);
    bt_bundle *bundle = bt_bundle_open(fuzz_place("m"), "m", &source, &error);
    for (int i = 0; bundle && i < 5 * 4; i++) {
        bt_tensor t;
        error = (berth_error){0};
        bt_bundle_read(bundle, bt_str_of(names[i / 4]), bt_str_of(slices[i % 4]), &t, &error);
    }
    bt_bundle_free(bundle);
    bt_source_free(&source);
    bt_text_free(&file);
    return 0;
}
