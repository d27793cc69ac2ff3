/* The ledger between processes: what others hold is seen, and goes with them, however they end. */
#include "device/ledger.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { KEY = 7, OTHER = 8, CHILDREN = 8 };

/* A process that enters `bytes`, says so by closing its end of a pipe, and waits to be killed. */
static pid_t holder(int64_t bytes)
{
    int ends[2];
    char c;
    if (pipe(ends)) abort();
    pid_t child = fork();
    if (!child) {
        close(ends[0]);
        bt_ledger_add(KEY, bytes);
        bt_ledger_add(OTHER, 1);
        close(ends[1]);
        for (;;) pause();
    }
    close(ends[1]);
    CHECK_EQ(read(ends[0], &c, 1), 0);
    close(ends[0]);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static int files_in(const char *folder)
{
    char command[200];
    snprintf(command, sizeof command, "ls '%s/berth' | wc -l", folder);
    FILE *p = popen(command, "r");
    int n = -1;
    if (p && fscanf(p, "%d", &n) != 1) n = -1;
    if (p) pclose(p);
    return n;
}

int main(void)
{
    char folder[] = "/tmp/ledger-XXXXXX", command[100];
    if (!CHECK(mkdtemp(folder))) return check_done();
    setenv("XDG_RUNTIME_DIR", folder, 1);
    CHECK_EQ(bt_ledger_total(KEY), 0);
    bt_ledger_add(KEY, 1000);
    CHECK_EQ(bt_ledger_total(KEY), 1000);
    CHECK_EQ(bt_ledger_total(OTHER), 0);
    pid_t children[CHILDREN];
    int64_t sum = 1000;
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = holder(i + 1);
        CHECK_EQ(bt_ledger_total(KEY), sum += i + 1);
    }
    CHECK_EQ(bt_ledger_total(OTHER), CHILDREN);
    CHECK_EQ(files_in(folder), CHILDREN + 1);
    for (int i = 0; i < CHILDREN; i++) {
        end(children[i]);
        CHECK_EQ(bt_ledger_total(KEY), sum -= i + 1);
    }
    CHECK_EQ(files_in(folder), 1);
    bt_ledger_add(KEY, -400);
    CHECK_EQ(bt_ledger_total(KEY), 600);
    bt_ledger_add(KEY, -600);
    CHECK_EQ(bt_ledger_total(KEY), 0);
    CHECK_EQ(files_in(folder), 0); /* who holds nothing leaves nothing */
    bt_ledger_add(KEY, 5);
    CHECK_EQ(bt_ledger_total(KEY), 5);
    bt_ledger_add(KEY, -5);

    snprintf(command, sizeof command, "%s/berth", folder);
    chmod(command, 0777); /* others could write there */
    bt_ledger_add(KEY, 5);
    CHECK_EQ(bt_ledger_total(KEY), -1);
    bt_ledger_add(KEY, -5);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    CHECK_EQ(system(command), 0);
    return check_done();
}
