/* A model's files are cut short, overwritten or replaced after they were loaded. What was planned before runs on as
 * if nothing had happened; what needs the files again refuses them; the process lives. */
#include <fcntl.h>

#include "trial.h"

typedef enum damage { CUT, OVERWRITE, REMOVE, N_DAMAGES } damage;

static const char *const digits_files[] = {"saved_model.pb", "variables/variables.index",
                                           "variables/variables.data-00000-of-00001"};

static bool copy_file(const char *from, const char *to)
{
    static char bytes[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n = in ? fread(bytes, 1, sizeof bytes, in) : 0;
    bool ok = in && out && n > 0 && n < sizeof bytes && fwrite(bytes, 1, n, out) == n;
    if (in) fclose(in);
    if (out) ok = fclose(out) == 0 && ok;
    return ok;
}

/* In place: the pages behind the mapping change or vanish. */
static void harm(const char *path, damage how)
{
    struct stat s;
    if (!CHECK(stat(path, &s) == 0)) return;
    usleep(20000); /* so that the time of the change is another one */
    if (how == REMOVE) {
        CHECK(unlink(path) == 0);
        return;
    }
    int fd = open(path, O_WRONLY | (how == CUT ? O_TRUNC : 0));
    bool ok = fd >= 0;
    for (off_t i = 0; how == OVERWRITE && i < s.st_size && ok; i++) ok = write(fd, "\xa5", 1) == 1;
    CHECK(ok && close(fd) == 0);
}

static void harm_model(const trial *t, damage how)
{
    char path[600];
    if (t->in[0].rank != 4) harm(t->path, how);
    for (int i = 0; t->in[0].rank == 4 && i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", t->path, digits_files[i]);
        harm(path, how);
    }
}

/* A fresh copy of a trial's model. */
static bool copy_model(const trial *of, trial *t)
{
    char from[600], to[600];
    *t = *of;
    if (snprintf(t->path, sizeof t->path, "%s/copy", trial_folder) >= (int)sizeof t->path) return false;
    if (of != &trial_digits) return copy_file(of->path, t->path);
    snprintf(to, sizeof to, "%s/variables", t->path);
    bool ok = mkdir(t->path, 0700) == 0 && mkdir(to, 0700) == 0;
    for (int i = 0; i < 3 && ok; i++) {
        snprintf(from, sizeof from, "%s/%s", of->path, digits_files[i]);
        snprintf(to, sizeof to, "%s/%s", t->path, digits_files[i]);
        ok = copy_file(from, to);
    }
    return ok;
}

static void drop_model(const trial *t)
{
    char path[600];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", t->path, digits_files[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/variables", t->path);
    rmdir(path);
    if (unlink(t->path)) rmdir(t->path);
}

/* A right answer, or an error that names the file. */
static void right_or_refused(const trial *t, berth_session *session)
{
    berth_error error = {0};
    if (!trial_run(t, session, NULL, &error) &&
        !CHECK(error.status == BERTH_BAD_MODEL && strstr(error.message, "copy")))
        printf("%s: status %d: %s\n", t->name, error.status, error.message);
}

static void test_changed(const trial *of, damage how)
{
    trial t, smaller;
    berth_error error = {0};
    if (!CHECK(copy_model(of, &t))) return drop_model(&t);
    berth_model *model = berth_model_load(t.path, NULL, &error);
    berth_session *warm = model ? berth_session_new(model, NULL, &error) : NULL;
    berth_session *cold = model ? berth_session_new(model, NULL, &error) : NULL;
    if (CHECK(warm && cold && trial_run(&t, warm, NULL, &error))) {
        harm_model(&t, how);
        smaller = t;
        smaller.in[0].dims[0] = smaller.out[0].dims[0] = 1;
        if (!CHECK(trial_run(&t, warm, NULL, &error))) printf("    %s\n", error.message);
        if (!CHECK(trial_run(&smaller, warm, NULL, &error))) printf("    %s\n", error.message);
        right_or_refused(&t, cold);
        berth_session *late = berth_session_new(model, NULL, &error);
        if (CHECK(late)) right_or_refused(&t, late);
        berth_session_free(late);
    } else printf("%s: %s\n", t.name, error.message);
    berth_session_free(warm);
    berth_session_free(cold);
    berth_model_free(model);
    drop_model(&t);
}

/* Nothing was planned yet. */
static void test_cold(const trial *of, damage how)
{
    trial t;
    berth_error error = {0};
    if (!CHECK(copy_model(of, &t))) return drop_model(&t);
    berth_model *model = berth_model_load(t.path, NULL, &error);
    if (CHECK(model)) {
        harm_model(&t, how);
        berth_session *session = berth_session_new(model, NULL, &error);
        if (CHECK(session)) right_or_refused(&t, session);
        berth_session_free(session);
    }
    berth_model_free(model);
    drop_model(&t);
}

int main(void)
{
    if (!trial_make()) return check_done();
    for (damage how = 0; how < N_DAMAGES; how++) {
        test_changed(&trial_mlp, how);
        test_changed(&trial_digits, how);
        test_cold(&trial_mlp, how);
        test_cold(&trial_digits, how);
    }
    trial_unmake();
    return check_done();
}
