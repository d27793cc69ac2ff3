/* A SavedModel with variables and an asset, loaded from an archive made here, then changed and written as a folder. The first
 * byte: what is changed or asked for, and whether the model is text; then, in two bytes, how many bytes follow for the checkpoint's table, as
 * table.h takes them; the rest is the model. */
#include "berth.h"
#include "place.h"
#include "table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STRIP = 1, FREEZE = 2, CPU = 4, TEXT = 8, SAVE = 16, FUNCTIONS = 32, BLOCK = 512 };

/* A regular file of a tar. */
static void put_file(bt_text *tar, const char *name, const void *bytes, size_t n)
{
    char head[BLOCK] = {0}, nothing[BLOCK] = {0};
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    snprintf(head + 100, 8, "%07o", 0644u);
    snprintf(head + 124, 12, "%011zo", n);
    memset(head + 148, ' ', 8);
    head[156] = '0';
    for (int i = 0; i < BLOCK; i++) sum += (uint8_t)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    bt_text_add(tar, head, BLOCK);
    bt_text_add(tar, bytes, n);
    bt_text_add(tar, nothing, (BLOCK - n % BLOCK) % BLOCK);
}

static void drop_folder(const char *path)
{
    static const char *const inner[] = {"saved_model.pb",
                                        "variables/variables.index",
                                        "variables/variables.data-00000-of-00001",
                                        "variables",
                                        "assets/words.txt",
                                        "assets",
                                        "."};
    char name[256];
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++) {
        snprintf(name, sizeof name, "%s/%s", path, inner[i]);
        remove(i + 1 < sizeof inner / sizeof *inner ? name : path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char zeros[4096];
    berth_error error = {0};
    berth_transform_options options;
    berth_load_options load;
    if (size < 3) return 0;
    int flags = data[0];
    size_t n = data[1] | (size_t)data[2] << 8;
    data += 3, size -= 3;
    n = n < size ? n : size;
    bt_text index = fuzz_table(data, n), tar = {0};
    put_file(&tar, flags & TEXT ? "m/saved_model.pbtxt" : "m/saved_model.pb", data + n, size - n);
    put_file(&tar, "m/variables/variables.index", index.p, index.n);
    put_file(&tar, "m/variables/variables.data-00000-of-00001", zeros, sizeof zeros);
    put_file(&tar, "m/assets/words.txt", "a\nb\n", 4);
    berth_transform_options_init(&options);
    options.strip_training = flags & STRIP, options.freeze = flags & FREEZE, options.cpu = flags & CPU;
    berth_load_options_init(&load);
    if (flags & FUNCTIONS) load.functions = "*";
    berth_model *model = berth_model_load_memory(tar.p, tar.n, NULL, NULL, &load, &error);
    berth_model *made = model ? berth_model_transform(model, &options, &error) : NULL;
    if (made && flags & SAVE) {
        const char *path = fuzz_place("out");
        berth_model_save(made, path, "savedmodel", &error);
        drop_folder(path);
    }
    berth_model_free(made);
    berth_model_free(model);
    bt_text_free(&index), bt_text_free(&tar);
    return 0;
}
