/* Many processes on one device: 8 at once, each with an eighth of it, keep within their limits and answer right; what they
 * hold is seen from another process, and is gone with them, however they end. On an OpenCL device; says so and passes where
 * there is none. Processes are made before any of them opens a driver, which would not survive a fork. */
#include <signal.h>
#include <sys/wait.h>

#include "scene.h"

enum { PROCESSES = 8, RUNS = 10 };

typedef struct process {
    pid_t pid;
    int to, from; /* pipes: a byte starts its next act, 8 bytes are its answer */
} process;

static int64_t ask(const process *p)
{
    int64_t answer = -1;
    CHECK_EQ(write(p->to, "x", 1), 1);
    CHECK_EQ(read(p->from, &answer, sizeof answer), (ssize_t)sizeof answer);
    return answer;
}

/* In the child: waits to be asked. */
static void answer(int from, int to, int64_t value)
{
    char c;
    CHECK_EQ(read(from, &c, 1), 1);
    CHECK_EQ(write(to, &value, sizeof value), (ssize_t)sizeof value);
}

static int child(int from, int to)
{
    berth_error error = {0};
    berth_device_options options;
    scene s = {.context = berth_context_new(NULL, &error)};
    berth_device_options_init(&options);
    options.device = "/GPU:0", options.fraction = 0.125;
    if (!info_of(&s, "/GPU:0").name) return answer(from, to, -1), 0;
    CHECK_EQ(berth_device_configure(s.context, &options, &error), BERTH_OK);
    CHECK(open_scene(&s, &trial_digits, "/GPU:0", NULL, &error));
    CHECK(s.session && trial_run(&trial_digits, s.session, NULL, &error));
    berth_device_info info = info_of(&s, "/GPU:0");
    CHECK(info.memory_limit > 0 && info.memory_limit <= info.memory_total / 8);
    CHECK(info.memory_context >= 0);
    answer(from, to, info.memory_in_use); /* all hold what they need now */
    for (int i = 0; i < RUNS; i++) CHECK(s.session && trial_run(&trial_digits, s.session, NULL, &error));
    info = info_of(&s, "/GPU:0");
    CHECK(info.memory_peak <= info.memory_limit);
    CHECK(info.memory_others > 0);
    answer(from, to, info.memory_in_use);
    if (error.status) printf("    %s\n", error.message);
    close_scene(&s);
    berth_context_free(s.context);
    return check_done();
}

static process start(void)
{
    int down[2], up[2];
    if (pipe(down) || pipe(up)) abort();
    process p = {.pid = fork(), .to = down[1], .from = up[0]};
    if (!p.pid) {
        close(down[1]), close(up[0]);
        exit(child(down[0], up[1]));
    }
    close(down[0]), close(up[1]);
    return p;
}

static void run_all(void)
{
    process all[PROCESSES];
    int64_t held[PROCESSES], sum = 0;
    int status;
    for (int i = 0; i < PROCESSES; i++) all[i] = start();
    for (int i = 0; i < PROCESSES; i++) sum += held[i] = ask(&all[i]);
    if (sum < 0) return (void)printf("there is no OpenCL device\n");
    scene s = {.context = berth_context_new(NULL, NULL)};
    berth_device_info info = info_of(&s, "/GPU:0");
    CHECK_EQ(info.memory_others, sum);
    CHECK_EQ(info.memory_in_use, 0);
    CHECK_EQ(info.memory_free, info.memory_total - sum);
    for (int i = 0; i < PROCESSES; i += 2) { /* half of them die as they are */
        kill(all[i].pid, SIGKILL);
        waitpid(all[i].pid, NULL, 0);
        sum -= held[i];
    }
    CHECK_EQ(info_of(&s, "/GPU:0").memory_others, sum);
    for (int i = 1; i < PROCESSES; i += 2) {
        CHECK_EQ(ask(&all[i]), held[i]);
        waitpid(all[i].pid, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK_EQ(info_of(&s, "/GPU:0").memory_others, 0);
    berth_context_free(s.context);
}

int main(void)
{
    char folder[] = "/tmp/processes-XXXXXX", command[100];
    setenv("BERTH_OPENCL", "cpu", 0);
    if (!CHECK(mkdtemp(folder)) || !trial_make()) return 1;
    setenv("XDG_RUNTIME_DIR", folder, 1); /* where what others on this machine hold is not seen */
    run_all();
    trial_unmake();
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    CHECK_EQ(system(command), 0);
    return check_done();
}
