/* Deflate, undone by zlib where the build has it. */
#ifndef BT_INFLATE_H
#define BT_INFLATE_H

#include "base/mem.h"
#include "berth.h"

/* The stream of n bytes at p (raw: without zlib's header) into `room` bytes; *written of them are used. Without a message:
 * NO_MEMORY, BAD_MODEL when it is damaged or does not fit, UNSUPPORTED when the build is without zlib. */
berth_status bt_inflate(const uint8_t *p, size_t n, bool raw, uint8_t *out, size_t room, size_t *written);

#endif
