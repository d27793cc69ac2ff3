/* A decoded picture: 8-bit samples, 1 (grey) or 3 (RGB) channels, row by row. decode.c makes them. */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include "cli.h"

typedef struct cli_picture {
    int width, height, channels;
    uint8_t *samples;
} cli_picture;

/* Fails with `where`, `path` and what is wrong. */
cli_picture cli_decode(const char *where, const char *path, cli_bytes file);

#endif
