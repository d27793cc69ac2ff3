/* Launches recorded once and replayed: CUDA graphs. A thread records on a stream of its own, so that what others launch
 * meanwhile goes on in the device's; a replay is one piece of work of the device's stream. */
#include "device/cuda/cuda.h"

#include <stdlib.h>

struct bt_recording {
    cu_graph_exec graph;
};

/* What this thread records: on which device, in whose context it stays meanwhile, and whether something was in it that cannot be. */
static _Thread_local struct {
    const bt_cu_device *device;
    cu_stream stream;
    bool is_spoiled;
} now;

bool bt_cu_is_recording(const bt_cu_device *d) { return now.device == d; }
void bt_cu_spoil(void) { now.is_spoiled = true; }
cu_stream bt_cu_stream(const bt_cu_device *d) { return now.device == d ? now.stream : d->stream; }

berth_status bt_cu_record(bt_device *device, berth_error *error)
{
    bt_cu_device *d = bt_cu_open(device, error);
    cu_stream stream = NULL;
    const char *wish = getenv("BERTH_CUDA_GRAPHS");
    if (!d) return BERTH_DEVICE;
    if (wish && !strcmp(wish, "off")) return bt_fail(error, BERTH_DEVICE, "%s: nothing is to be recorded", device->name);
    if (now.device) return bt_fail(error, BERTH_DEVICE, "%s: this thread is recording already", device->name);
    cu_result code = bt_cu_enter(d);
    if (!code) {
        code = d->cu->cuStreamCreate(&stream, CU_NON_BLOCKING);
        if (!code && (code = d->cu->cuStreamBeginCapture_v2(stream, CU_CAPTURE_RELAXED)))
            d->cu->cuStreamDestroy_v2(stream);
        if (code) bt_cu_leave(d);
    }
    if (code) return bt_cu_fail(device, "recording", code, error);
    now.device = d, now.stream = stream, now.is_spoiled = false;
    return BERTH_OK;
}

bt_recording *bt_cu_recorded(bt_device *device, berth_error *error)
{
    bt_cu_device *d = device->physical->state;
    const bt_cu_library *cu = d->cu;
    cu_stream stream = now.stream;
    cu_graph graph = NULL;
    cu_graph_exec exec = NULL;
    bool is_spoiled = now.is_spoiled;
    now.device = NULL;
    bt_recording *recording = bt_calloc(1, sizeof *recording);
    cu_result code = cu->cuStreamEndCapture(stream, &graph);
    if (!code && recording && !is_spoiled) code = cu->cuGraphInstantiateWithFlags(&exec, graph, 0);
    if (graph) cu->cuGraphDestroy(graph);
    bt_cu_dnn_leave(d, stream);
    cu->cuStreamDestroy_v2(stream);
    bt_cu_leave(d);
    if (recording && !is_spoiled && !code) return recording->graph = exec, recording;
    if (!recording) bt_fail_memory(error);
    else if (code) bt_cu_fail(device, "recording", code, error);
    else bt_fail(error, BERTH_DEVICE, "%s: not all of it can be recorded", device->name);
    return bt_free(recording), NULL;
}

berth_status bt_cu_replay(bt_device *device, bt_recording *recording, berth_error *error)
{
    bt_cu_device *d = device->physical->state;
    cu_result code = bt_cu_enter(d);
    if (!code) code = d->cu->cuGraphLaunch(recording->graph, d->stream), bt_cu_leave(d);
    return code ? bt_cu_fail(device, "replaying", code, error) : BERTH_OK;
}

/* It may be under way. */
void bt_cu_forget(bt_device *device, bt_recording *recording)
{
    bt_cu_device *d = device->physical->state;
    if (!recording) return;
    if (!bt_cu_enter(d)) {
        d->cu->cuStreamSynchronize(d->stream);
        d->cu->cuGraphExecDestroy(recording->graph);
        bt_cu_leave(d);
    }
    bt_free(recording);
}
