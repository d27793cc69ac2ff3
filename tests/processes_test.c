/* Many processes on one device: 8 at once, each with an eighth of it, keep within their limits and answer right; what they
 * hold is seen from another process, and is gone with them, however they end. On the first GPU; says so and passes where
 * there is none. Processes are made before any of them opens a driver, which would not survive a fork.
 *
 * Where berth's own ledger tells what others hold (OpenCL), it is the sum to the byte. Where the driver does (CUDA), its
 * contexts and other programs are in it too: it is at least the sum, and falls by no less than what ended held. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "scene.h"

enum { PROCESSES = 8, RUNS = 10 };

typedef struct process {
    pid_t pid;
    int to, from; /* pipes: a byte starts its next act, a holding is its answer */
} process;

typedef struct holding {
    int64_t in_use;  /* -1: there is no device */
    int64_t context; /* the driver's own; 0: it does not tell */
} holding;

static holding ask(const process *p)
{
    holding answer = {-1, 0};
    CHECK_EQ(write(p->to, "x", 1), 1);
    CHECK_EQ(read(p->from, &answer, sizeof answer), (ssize_t)sizeof answer);
    return answer;
}

/* In the child: waits to be asked. */
static void answer(int from, int to, holding value)
{
    char c;
    CHECK_EQ(read(from, &c, 1), 1);
    CHECK_EQ(write(to, &value, sizeof value), (ssize_t)sizeof value);
}

static holding holding_of(const berth_device_info *info)
{
    return (holding){info->memory_in_use, info->memory_context};
}

static int child(int from, int to)
{
    berth_error error = {0};
    berth_device_options options;
    scene s = {.context = berth_context_new(NULL, &error)};
    berth_device_options_init(&options);
    options.device = "/GPU:0", options.fraction = 0.125;
    if (!info_of(&s, "/GPU:0").name) return answer(from, to, (holding){-1, 0}), 0;
    CHECK_EQ(berth_device_configure(s.context, &options, &error), BERTH_OK);
    CHECK(open_scene(&s, &trial_digits, "/GPU:0", NULL, &error));
    CHECK(s.session && trial_run(&trial_digits, s.session, NULL, &error));
    berth_device_info info = info_of(&s, "/GPU:0");
    CHECK(info.memory_limit > 0 && info.memory_limit <= info.memory_total / 8);
    CHECK(info.memory_context >= 0);
    answer(from, to, holding_of(&info)); /* all hold what they need now */
    for (int i = 0; i < RUNS; i++) CHECK(s.session && trial_run(&trial_digits, s.session, NULL, &error));
    info = info_of(&s, "/GPU:0");
    CHECK(info.memory_peak <= info.memory_limit);
    CHECK(info.memory_others > 0);
    answer(from, to, holding_of(&info));
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

/* What others hold comes down to `most`; a driver takes a moment to see that a process is gone. */
static bool comes_down(const scene *s, int64_t most)
{
    for (int i = 0; i < 50; i++) {
        if (info_of(s, "/GPU:0").memory_others <= most) return true;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    printf("    others hold %lld, wanted at most %lld\n", (long long)info_of(s, "/GPU:0").memory_others,
           (long long)most);
    return false;
}

/* All run and hold `sum`: what another process sees of it. Returns what it is told beyond that. */
static int64_t check_seen(const scene *s, int64_t sum, bool driver_tells)
{
    berth_device_info info = info_of(s, "/GPU:0");
    int64_t beyond = info.memory_others - sum;
    if (driver_tells) CHECK(beyond >= 0 && info.memory_free <= info.memory_total - sum);
    else CHECK(beyond == 0 && info.memory_free == info.memory_total - sum);
    CHECK_EQ(info.memory_in_use, 0);
    return beyond;
}

static void run_all(void)
{
    process all[PROCESSES];
    holding held[PROCESSES];
    int64_t sum = 0;
    int status;
    for (int i = 0; i < PROCESSES; i++) all[i] = start();
    for (int i = 0; i < PROCESSES; i++) held[i] = ask(&all[i]), sum += held[i].in_use;
    if (sum < 0) return (void)printf("there is no GPU\n");
    scene s = {.context = berth_context_new(NULL, NULL)};
    int64_t beyond = check_seen(&s, sum, held[0].context > 0);
    for (int i = 0; i < PROCESSES; i += 2) { /* half of them die as they are */
        kill(all[i].pid, SIGKILL);
        waitpid(all[i].pid, NULL, 0);
        sum -= held[i].in_use;
    }
    CHECK(comes_down(&s, beyond + sum) && info_of(&s, "/GPU:0").memory_others >= sum);
    for (int i = 1; i < PROCESSES; i += 2) {
        CHECK_EQ(ask(&all[i]).in_use, held[i].in_use);
        waitpid(all[i].pid, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK(comes_down(&s, beyond));
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
