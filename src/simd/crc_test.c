/* Known answers (RFC 3720, B.4; the check value of CRC-32), and the fast loops against the plain ones. */
#include "simd/crc.h"
#include "check.h"

int main(void)
{
    static uint8_t bytes[20000];
    CHECK_EQ(bt_crc32c(0, "", 0), 0);
    CHECK_EQ(bt_crc32c(0, "123456789", 9), 0xe3069283u);
    CHECK_EQ(bt_crc32c_c(0, "123456789", 9), 0xe3069283u);
    CHECK_EQ(bt_crc32c(0, bytes, 32), 0x8a9136aau);
    CHECK_EQ(bt_crc32c(bt_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
    CHECK_EQ(bt_crc32(0, "123456789", 9), 0xcbf43926u);
    CHECK_EQ(bt_crc32(bt_crc32(0, "1234", 4), "56789", 5), 0xcbf43926u);
    CHECK_EQ(bt_crc32c_mask(0), 0xa282ead8u);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)check_random();
    for (int i = 0; i < 300; i++) {
        size_t at = (size_t)check_int(0, 100),
               n = (size_t)check_int(0, i < 200 ? 100 : (int64_t)sizeof bytes - 100);
        uint32_t from = (uint32_t)check_random();
        CHECK_EQ(bt_crc32c(from, bytes + at, n), bt_crc32c_c(from, bytes + at, n));
        CHECK_EQ(bt_crc32(from, bytes + at, n), bt_crc32_c(from, bytes + at, n));
    }
    return check_done();
}
