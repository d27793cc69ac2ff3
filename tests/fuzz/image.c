/* Pictures and sounds: every decoder of a file's text. */
#include <stdio.h>
#include <stdlib.h>

#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char graph[] = FUZZ_NODE("x", "Placeholder", "", FUZZ_TYPE("dtype", "DT_STRING")) FUZZ_NODE(
    "any", "DecodeImage", "input: 'x'", FUZZ_TYPE("dtype", "DT_UINT8") FUZZ_INT("channels", "0"))
    FUZZ_NODE("float", "DecodeImage", "input: 'x'", FUZZ_TYPE("dtype", "DT_FLOAT") FUZZ_INT("channels", "3"))
        FUZZ_NODE("png", "DecodePng", "input: 'x'", FUZZ_TYPE("dtype", "DT_UINT16") FUZZ_INT("channels", "0"))
            FUZZ_NODE("jpeg", "DecodeJpeg", "input: 'x'", FUZZ_INT("channels", "1") FUZZ_INT("ratio", "2"))
                FUZZ_NODE("gif", "DecodeGif", "input: 'x'", "")
                    FUZZ_NODE("bmp", "DecodeBmp", "input: 'x'", FUZZ_INT("channels", "0"))
                        FUZZ_NODE("wav", "DecodeWav", "input: 'x'",
                                  FUZZ_INT("desired_channels", "-1") FUZZ_INT("desired_samples", "-1"))
                            FUZZ_NODE("shape", "ExtractJpegShape", "input: 'x'",
                                      FUZZ_TYPE("output_type", "DT_INT32"));

static const char *const fetches[] = {"any:0", "float:0", "png:0", "jpeg:0",
                                      "gif:0", "bmp:0",   "wav:0", "shape:0"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_decode(graph, fetches, 8, data, size);
    return 0;
}
