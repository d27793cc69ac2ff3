/* A model, changed in every way and written again: as a GraphDef or its text, and for CPUs or not, by the number of its bytes. */
#include "berth.h"
#include "place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    berth_error error = {0};
    berth_transform_options options;
    berth_transform_options_init(&options);
    options.clear_devices = options.strip_training = options.freeze = true;
    options.cpu = size & 2;
    berth_model *model = berth_model_load_memory(data, size, NULL, NULL, NULL, &error);
    berth_model *made = model ? berth_model_transform(model, &options, &error) : NULL;
    if (made) berth_model_save(made, fuzz_place(size & 1 ? "out.pb" : "out.pbtxt"), NULL, &error);
    berth_model_free(made);
    berth_model_free(model);
    return 0;
}
