/* Snappy's block format, decoding only. */
#ifndef BT_SNAPPY_H
#define BT_SNAPPY_H

#include "base/str.h"

/* Bytes that the block says it holds; false when it is damaged, or says more than its size could ever give. */
bool bt_snappy_bytes(bt_str block, size_t *bytes);
/* Decodes exactly `bytes` bytes; false when the block is damaged. */
bool bt_snappy_decode(bt_str block, uint8_t *out, size_t bytes);

#endif
