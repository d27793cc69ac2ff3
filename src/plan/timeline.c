/* A profile as a timeline in the format of Chrome's tracer, which Perfetto opens too: a process a device; in it a row for
 * each thread of the host, one for the kernels and one for the copies that the device itself told the times of, and a
 * counter of the bytes in use. */
#include "base/json.h"
#include "plan/profile.h"

/* Rows of a process. Threads follow behind. */
enum { ROW_KERNELS = 1, ROW_COPIES, ROW_THREADS };

static int row_of(const bt_event *e)
{
    if (!e->is_own) return ROW_THREADS + e->thread;
    return e->kind == BT_EVENT_KERNEL ? ROW_KERNELS : ROW_COPIES;
}

static int process_of(const bt_profile *p, const bt_device *device)
{
    int i = 0;
    while (i < p->n_devices && p->devices[i] != device) i++;
    return i + 1;
}

/* Microseconds since the profile began. */
static double us(const bt_profile *p, int64_t ns) { return (double)(ns - p->origin) / 1e3; }

static void write_event(const bt_profile *p, const bt_event *e, bt_text *out)
{
    static const char *const categories[] = {"step", "launch", "kernel", "copy"};
    int process = process_of(p, e->device);
    if (e->kind == BT_EVENT_MEMORY) {
        bt_text_print(out,
                      ",\n{\"ph\": \"C\", \"pid\": %d, \"ts\": %.3f, \"name\": \"memory in use\", \"args\": "
                      "{\"bytes\": %lld}}",
                      process, us(p, e->end), (long long)e->bytes);
        return;
    }
    bt_text_print(out,
                  ",\n{\"ph\": \"X\", \"pid\": %d, \"tid\": %d, \"ts\": %.3f, \"dur\": %.3f, \"cat\": "
                  "\"%s\", \"name\": ",
                  process, row_of(e), us(p, e->start), (double)(e->end - e->start) / 1e3,
                  categories[e->kind]);
    bt_json_write(out, e->name);
    bt_text_print(out, ", \"args\": {\"node\": ");
    bt_json_write(out, e->node);
    if (e->kind != BT_EVENT_KERNEL) bt_text_print(out, ", \"bytes\": %lld", (long long)e->bytes);
    bt_text_print(out, "}}");
}

static void name_row(int process, int row, bt_text *out)
{
    static const char *const names[] = {[ROW_KERNELS] = "kernels", [ROW_COPIES] = "copies"};
    bt_text_print(
        out,
        ",\n{\"ph\": \"M\", \"pid\": %d, \"tid\": %d, \"name\": \"thread_name\", \"args\": {\"name\": \"",
        process, row);
    if (row < ROW_THREADS) bt_text_print(out, "%s\"}}", names[row]);
    else bt_text_print(out, "thread %d\"}}", row - ROW_THREADS + 1);
    bt_text_print(out,
                  ",\n{\"ph\": \"M\", \"pid\": %d, \"tid\": %d, \"name\": \"thread_sort_index\", \"args\": "
                  "{\"sort_index\": %d}}",
                  process, row, row);
}

/* In the order of the context's devices, whichever was seen first. */
static void name_process(const bt_profile *p, int i, bt_text *out)
{
    const bt_device *device = p->devices[i];
    bt_device_props props = {.model = ""};
    if (device->ops->info(device, &props, NULL)) props.model[0] = '\0';
    bt_text name = {0};
    bt_text_print(&name, "%s%s%s", device->name, *props.model ? ": " : "", props.model);
    bt_text_print(out, "%s\n{\"ph\": \"M\", \"pid\": %d, \"name\": \"process_name\", \"args\": {\"name\": ",
                  i ? "," : "", i + 1);
    bt_json_write(out, name.p ? name.p : device->name);
    bt_text_print(
        out,
        "}},\n{\"ph\": \"M\", \"pid\": %d, \"name\": \"process_sort_index\", \"args\": {\"sort_index\": %d}}",
        i + 1, device->index + (device->ops->compile ? 1000 : 0));
    bt_text_free(&name);
    bool seen[ROW_THREADS + BT_PROFILE_THREADS + 1] = {0};
    for (size_t k = 0; k < p->n; k++)
        if (p->events[k].device == device && p->events[k].kind != BT_EVENT_MEMORY)
            seen[row_of(&p->events[k])] = true;
    for (int row = 0; row <= ROW_THREADS + BT_PROFILE_THREADS; row++)
        if (seen[row]) name_row(i + 1, row, out);
}

void bt_profile_write(bt_profile *p, bt_text *out)
{
    pthread_mutex_lock(&p->lock);
    bt_text_print(out, "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"dropped\": %zu}, \"traceEvents\": [",
                  p->dropped);
    for (int i = 0; i < p->n_devices; i++) name_process(p, i, out);
    for (size_t i = 0; i < p->n; i++) write_event(p, &p->events[i], out);
    bt_text_print(out, "\n]}\n");
    pthread_mutex_unlock(&p->lock);
}
