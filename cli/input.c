/* SOURCE to tensor: what kind of source it is, by its content rather than by its name. */
#include "cli.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool starts(cli_bytes file, const char *magic, size_t n)
{
    return file.n >= n && !memcmp(file.p, magic, n);
}

static bool is_picture(cli_bytes file)
{
    return starts(file, "\x89PNG", 4) || starts(file, "\xff\xd8\xff", 3);
}

/* JSON text stands in the argument itself: a list, an object, a string, or a lone number that names no file. */
static bool is_json(const char *source)
{
    source += strspn(source, " \t\n");
    if (*source && strchr("[{\"", *source)) return true;
    if (!access(source, F_OK)) return false;
    char *end;
    strtod(source, &end);
    return (end != source && !*end) || !strcmp(source, "true") || !strcmp(source, "false");
}

static berth_tensor *read_file(const char *where, cli_bytes file, const char *name, const berth_spec *spec)
{
    berth_tensor *tensor;
    berth_dtype want = spec ? spec->dtype : BERTH_NO_DTYPE;
    if (starts(file, "\x93NUMPY", 6)) return cli_npy_read(where, file, want);
    if (starts(file, "PK\3\4", 4) || starts(file, "PK\5\6", 4)) {
        cli_bytes member = cli_zip_member(where, file, name);
        free(file.p);
        if (!starts(member, "\x93NUMPY", 6))
            cli_fail(CLI_MODEL, "%s: '%s' in it is no .npy array", where, name);
        return cli_npy_read(where, member, want);
    }
    size_t blank = strspn((char *)file.p, " \t\r\n");
    if (blank == file.n || !(isdigit(file.p[blank]) || strchr("[{\"-tfNI", file.p[blank])))
        cli_fail(CLI_MODEL, "%s: is no .npy, .npz, JSON, PNG or JPEG file", where);
    tensor = cli_json_read(where, (char *)file.p, file.n, name, spec);
    free(file.p);
    return tensor;
}

/* ---- Pictures ---- */

static char **picture_names;
static size_t n_picture_names;

const char *cli_picture_name(int64_t row, int64_t rows)
{
    return n_picture_names && rows == (int64_t)n_picture_names ? picture_names[row] : NULL;
}

/* The names of the first input that was given as pictures are kept for what is printed. */
static void keep_names(char **paths, size_t n)
{
    if (n_picture_names) return;
    picture_names = cli_alloc(n, sizeof *picture_names);
    for (size_t i = 0; i < n; i++) picture_names[n_picture_names++] = cli_copy(paths[i]);
}

/* A list of files behind one another is a batch; a path with a comma in it that exists is one file. */
static size_t split(char **paths, char *text)
{
    size_t n = 0;
    if (!access(text, F_OK)) paths[n++] = text, text = NULL;
    for (char *path; (path = strsep(&text, ","));) paths[n++] = path;
    return n;
}

berth_tensor *cli_read_input(const cli_options *options, const char *name, const char *source,
                             const berth_spec *spec)
{
    char where[512];
    berth_tensor *tensor;
    if (spec && !spec->dtype) spec = NULL;
    snprintf(where, sizeof where, "input '%.200s'", name);
    if (is_json(source)) return cli_json_read(where, source, strlen(source), name, spec);
    snprintf(where, sizeof where, "input '%.200s': ", name);
    char *text = cli_copy(source), **paths = cli_alloc(strlen(source) + 1, sizeof *paths);
    size_t n = split(paths, text);
    cli_bytes *files = cli_alloc(n, sizeof *files);
    for (size_t i = 0; i < n; i++) {
        files[i] = cli_read_file(where, paths[i]);
        if (n > 1 && !is_picture(files[i]))
            cli_fail(CLI_MODEL, "%s%s: is no PNG or JPEG picture, and only these make a batch", where,
                     paths[i]);
    }
    if (is_picture(files[0])) {
        keep_names(paths, n);
        tensor = cli_pictures(options, where, paths, files, n, spec);
        for (size_t i = 0; i < n; i++) free(files[i].p);
    } else {
        snprintf(where, sizeof where, "input '%.200s': %.300s", name, source);
        tensor = read_file(where, files[0], name, spec);
    }
    free(files), free(paths), free(text);
    return tensor;
}
