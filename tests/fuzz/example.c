/* Text that holds tensors: tf.Example as a message and as JSON, TensorProto, tables of commas. */
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLOATS "tensor { dtype: DT_FLOAT tensor_shape { dim { size: 2 } } float_val: 1 } "
#define LIST(key, values) "attr { key: '" key "' value { list { " values " } } } "

static const char graph[] = FUZZ_NODE("x", "Placeholder", "", FUZZ_TYPE("dtype", "DT_STRING")) FUZZ_NODE(
    "two", "Const", "", FUZZ_TYPE("dtype", "DT_FLOAT") "attr { key: 'value' value { " FLOATS "} } ")
    FUZZ_NODE("one", "Const", "",
              FUZZ_TYPE("dtype", "DT_FLOAT") "attr { key: 'value' value { tensor { dtype: DT_FLOAT "
                                             "tensor_shape { dim { size: 1 } } float_val: 1 } } } ")
        FUZZ_NODE("example", "ParseSingleExample", "input: 'x' input: 'two'",
                  FUZZ_INT("num_sparse", "2") LIST("sparse_keys", "s: 'b' s: 'c'")
                      LIST("dense_keys", "s: 'a'") LIST("sparse_types", "type: DT_STRING type: DT_INT64")
                          LIST("Tdense", "type: DT_FLOAT") LIST("dense_shapes", "shape { dim { size: 2 } }"))
            FUZZ_NODE("json", "DecodeJSONExample", "input: 'x'", "")
                FUZZ_NODE("tensor", "ParseTensor", "input: 'x'", FUZZ_TYPE("out_type", "DT_FLOAT")) FUZZ_NODE(
                    "csv", "DecodeCSV", "input: 'x' input: 'one' input: 'one'",
                    LIST("OUT_TYPE",
                         "type: DT_FLOAT type: DT_FLOAT") "attr { key: 'field_delim' value { s: ',' } "
                                                          "} " FUZZ_FLAG("use_quote_delim",
                                                                         "true") "attr { key: 'na_value' "
                                                                                 "value { s: '' } } ");

static const char *const fetches[] = {"example:6", "example:3", "json:0", "tensor:0", "csv:1"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_decode(graph, fetches, 5, data, size);
    return 0;
}
