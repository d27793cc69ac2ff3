/* For targets of ops that take the text of a file: a graph of such ops on the placeholder `x`, loaded once. The first byte of
 * an input chooses the fetch. */
#ifndef FUZZ_DECODE_H
#define FUZZ_DECODE_H

#include "berth.h"
#include "format/pbtxt.h"

#define FUZZ_NODE(name, op, inputs, attrs) "node { name: '" name "' op: '" op "' " inputs " " attrs " }\n"
#define FUZZ_TYPE(key, type) "attr { key: '" key "' value { type: " type " } } "
#define FUZZ_INT(key, value) "attr { key: '" key "' value { i: " value " } } "
#define FUZZ_FLAG(key, value) "attr { key: '" key "' value { b: " value " } } "

static inline void fuzz_decode(const char *graph, const char *const *fetches, int n, const uint8_t *data, size_t size)
{
    static berth_session *session;
    berth_error error = {0};
    if (!session) {
        berth_model *model = berth_model_load_memory(graph, strlen(graph), NULL, NULL, NULL, &error);
        if (model) session = berth_session_new(model, NULL, &error);
        if (!session) fprintf(stderr, "%s\n", error.message), abort();
    }
    berth_tensor *x = size ? berth_tensor_new(BERTH_STRING, 0, NULL, &error) : NULL;
    if (!x || berth_tensor_set_string(x, 0, (const char *)data + 1, size - 1, &error)) return;
    berth_feed feed = {.name = "x:0", .tensor = x}, fetch = {.name = fetches[data[0] % n]};
    berth_session_run(session, &feed, 1, &fetch, 1, NULL, &error);
    berth_tensor_free(fetch.tensor);
    berth_tensor_free(x);
}

#endif
