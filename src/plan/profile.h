/* Profile: what ran when and where, while someone wants to know. Runs note their steps; it is written as a timeline
 * that Perfetto and chrome://tracing open. */
#ifndef BT_PROFILE_H
#define BT_PROFILE_H

#include "device/device.h"

typedef struct bt_profile bt_profile;

bt_profile *bt_profile_new(void); /* NULL: out of memory */
void bt_profile_free(bt_profile *profile);
void bt_profile_clear(bt_profile *profile);
int64_t bt_profile_now(void);     /* ns */
/* A step that ran on a device from start (bt_profile_now) until now; name and op are copied. Steps beyond a million are
 * counted but not kept. Thread-safe. */
void bt_profile_step(bt_profile *profile, const char *name, const char *op, const bt_device *device, int64_t start);
/* {"traceEvents": [...]}: a row a device and thread, and the bytes in use of each device. */
void bt_profile_write(bt_profile *profile, bt_text *out);

#endif
