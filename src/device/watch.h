/* The work that a thread gives to devices, watched: kernels, and copies with their bytes, by the device's own clock where
 * its driver tells it. Copies and launches go through here so that they can be; while nobody watches that is all there is to
 * it. What is made of the times: plan/profile.h. */
#ifndef BT_WATCH_H
#define BT_WATCH_H

#include "device/device.h"

typedef enum bt_work_kind { BT_WORK_KERNEL, BT_WORK_UPLOAD, BT_WORK_DOWNLOAD, BT_WORK_COPY } bt_work_kind;

typedef struct bt_work {
    bt_device *device;
    bt_work_kind kind;
    char name[40]; /* of a kernel */
    size_t bytes;  /* of a copy */
    int64_t start,
        end; /* ns of bt_now: when the thread gave it to the device, and when it could go on; once settled, when the
                           device began and ended it, if is_own */
    bool is_own;
    int64_t given, in_use; /* when the thread gave it to the device, and the bytes in use there then */
    void *event;           /* of the device's kind, until it is settled; NULL: the device takes no times */
    const char *node;      /* for which the work was done, and: */
    void *owner;           /* both the watcher's */
} bt_work;

/* Of one thread. */
typedef struct bt_watch {
    bt_work *list;
    size_t n, room;
    struct bt_watch *outer;
} bt_watch;

int64_t bt_now(void); /* ns, monotonic */

void bt_watch_begin(bt_watch *watch); /* of what this thread does from now on */
void bt_watch_end(bt_watch *watch);   /* forgets what is in the list */
/* Waits for the work and takes in the device's times; once a list, after which n is set to 0. */
void bt_watch_settle(bt_watch *watch);
/* For kinds of devices: where the event of the copy or launch that is being made goes; NULL: nobody watches. */
void **bt_watch_event(void);

/* As in bt_device_ops. */
berth_status bt_device_upload(bt_device *device, void *dst, const void *host, size_t bytes,
                              berth_error *error);
berth_status bt_device_bring(bt_device *device, void *dst, const void *host, size_t bytes, berth_error *error);
berth_status bt_device_download(bt_device *device, void *host, const void *src, size_t bytes,
                                berth_error *error);
berth_status bt_device_copy(bt_device *device, void *dst, const void *src, size_t bytes, berth_error *error);
berth_status bt_device_launch(bt_device *device, bt_kernel *kernel, const char *name, const bt_grid *grid,
                              const bt_arg *args, int n_args, berth_error *error);
bool bt_device_gemm(bt_device *device, const bt_gemm_plan *plan, const bt_gemm_data *data);
bool bt_device_conv(bt_device *device, const bt_conv_plan *plan, const bt_conv_data *data);

#endif
