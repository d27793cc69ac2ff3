/* TensorFlow's ConfigProto, as far as it concerns devices: what was said, and no more. */
#ifndef BT_CONFIG_H
#define BT_CONFIG_H

#include "base/arena.h"
#include "base/error.h"

typedef struct bt_config_proto {
    int threads;         /* 0: not said, as of all that follows */
    int cpu_count;
    int gpu_count;       /* -1: not said */
    int soft, log;       /* -1: not said */
    int growth;          /* -1: not said */
    double fraction;
    const char *visible; /* NULL: not said */
    const char *const *logical; /* of each visible GPU a list as in berth_device_options, "" where it is not split */
    int n_logical;
} bt_config_proto;

/* Binary or text; texts lie in the arena. Errors name the path. */
berth_status bt_config_proto_read(const char *path, bt_arena *arena, bt_config_proto *config, berth_error *error);

#endif
