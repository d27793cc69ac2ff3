/* Checksums of files: CRC-32C (Castagnoli), of TensorFlow's checkpoints and any file format around LevelDB; CRC-32, of zip. */
#ifndef BT_CRC_H
#define BT_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` is the checksum of (0: nothing), followed by n bytes. */
uint32_t bt_crc32c(uint32_t crc, const void *p, size_t n);
/* The same in plain C, by tables. */
uint32_t bt_crc32c_c(uint32_t crc, const void *p, size_t n);

/* The same of zip and gzip. */
uint32_t bt_crc32(uint32_t crc, const void *p, size_t n);
uint32_t bt_crc32_c(uint32_t crc, const void *p, size_t n);

/* CRC-32C as files store it: a checksum of data that hold checksums would be weak. */
static inline uint32_t bt_crc32c_mask(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

#endif
