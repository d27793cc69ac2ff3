/* A picture of one pixel, as TensorFlow decodes it, damaged ones, and what the ops and their attributes make of it. */
#include "../../tests/op_test.h"

static const char file[] =
    "RIFF\x22\0\0\0WEBPVP8 \x16\0\0\0\x30\x01\0\x9d\x01\x2a\x01\0\x01\0\x0e\xc0\xfe\x25\xa4\0\x03\x70\0\0\0\0";

static berth_status decode(const char *op, int channels, bool expand, size_t n)
{
    static bt_string in;
    in = (bt_string){(char *)file, n};
    op_begin(op);
    bt_set_int(&op_graph, 0, "channels", channels);
    bt_set_bool(&op_graph, 0, "expand_animations", expand);
    op_input(BERTH_STRING, BT_SCALAR, &in);
    return op_run();
}

int main(void)
{
    static const uint8_t grey[] = {130, 130, 130};
    const size_t n = sizeof file - 1;
    if (!BERTH_WEBP) {
        CHECK(decode("DecodeWebP", 0, true, n) == BERTH_UNSUPPORTED &&
              strstr(op_error.message, "without libwebp"));
        op_end();
        return check_done();
    }
    CHECK(decode("DecodeWebP", 3, true, n) == BERTH_OK &&
          op_gives(0, BERTH_UINT8, BT_SHAPE(1, 1, 1, 3), grey, 0));
    op_end();
    CHECK(decode("DecodeImage", 0, true, n) == BERTH_OK &&
          op_gives(0, BERTH_UINT8, BT_SHAPE(1, 1, 1, 3), grey, 0));
    op_end();
    CHECK(decode("DecodeImage", 0, false, n) == BERTH_OK &&
          op_gives(0, BERTH_UINT8, BT_SHAPE(1, 1, 3), grey, 0));
    op_end();
    for (int channels = 1; channels <= 4; channels += 3) { /* it has neither */
        CHECK(decode("DecodeWebP", channels, true, n) == BERTH_BAD_INPUT);
        op_end();
    }
    for (size_t cut = 13; cut < 40; cut++) {
        CHECK(decode("DecodeWebP", 0, true, cut) == BERTH_BAD_INPUT && strstr(op_error.message, "WebP"));
        op_end();
    }
    return check_done();
}
