/* Faults of kernels: what they find in data that they cannot take. Nothing waits for them but the end of the run. What
 * writes a record: FAULT in device/dialect.cl; what asks for one: ops/gpu.c. */
#include "device/watch.h"
#include "ops/gpu.h"
#include "plan/plan.h"

void *bt_faults_record(bt_faults *f, bt_device *device, int place, berth_error *error)
{
    static const bt_fault none;
    void **record = &f->records[place];
    if (!*record) {
        void *fresh = bt_device_alloc(device, sizeof none, error);
        if (!fresh) return NULL;
        if (bt_device_upload(device, fresh, &none, sizeof none, error))
            return bt_device_free(device, fresh, sizeof none), NULL;
        *record = fresh;
    }
    f->asked[place] = true;
    return *record;
}

static berth_status read_record(bt_device *device, void *record, berth_status status, berth_error *error)
{
    static const bt_fault none;
    bt_fault said = none;
    berth_status done = bt_device_download(device, &said, record, sizeof said, error);
    berth_status waited = device->ops->sync(device, error);
    if (!done) done = waited;
    if (done) return status ? status : done;
    if (said.claimed) bt_device_upload(device, record, &none, sizeof none, NULL);
    done = bt_fault_said(&said, error);
    return done ? done : status;
}

berth_status bt_faults_read(bt_faults *f, bt_device *const *places, int n_places, berth_status status, berth_error *error)
{
    for (int p = 0; p < n_places; p++) {
        if (f->asked[p]) status = read_record(places[p], f->records[p], status, error);
        f->asked[p] = false;
    }
    return status;
}

void bt_faults_free(bt_faults *f, bt_device *const *places, int n_places)
{
    for (int p = 0; p < n_places; p++) bt_device_free(places[p], f->records[p], sizeof(bt_fault));
}
