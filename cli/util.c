/* Faults, memory, files, terminal: the plain tools of the program's other files. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* ---- Faults ---- */

void cli_fail(int status, const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    cli_progress(NULL);
    cli_output_discard();
    fflush(stdout);
    fputs("berth: ", stderr);
    cli_put(stderr, line);
    fputc('\n', stderr);
    exit(status);
}

void cli_fail_with(const berth_error *error)
{
    static const char stdin_path[] = "/proc/self/fd/";
    int status = CLI_MODEL;
    if (error->status == BERTH_BAD_ARGUMENT) status = CLI_USAGE;
    if (error->status == BERTH_DEVICE || error->status == BERTH_NO_MEMORY) status = CLI_DEVICE;
    if (error->status == BERTH_INTERNAL || error->status == BERTH_OK) status = CLI_FAULT;
    const char *message = error->message;
    if (strncmp(message, stdin_path, sizeof stdin_path - 1)) cli_fail(status, "%s", message);
    message += sizeof stdin_path - 1;
    cli_fail(status, "standard input%s", message + strspn(message, "0123456789"));
}

/* ---- Memory ---- */

void *cli_alloc(size_t n, size_t bytes)
{
    void *p = calloc(n ? n : 1, bytes);
    if (!p) cli_fail(CLI_DEVICE, "out of memory");
    return p;
}

void cli_grow(void *array, size_t *room, size_t n, size_t bytes)
{
    if (n < *room) return;
    size_t larger = n < 8 ? 16 : n * 2;
    void *old, *p;
    memcpy(&old, array, sizeof old);
    p = larger > SIZE_MAX / 4 / bytes ? NULL : realloc(old, larger * bytes);
    if (!p) cli_fail(CLI_DEVICE, "out of memory");
    memset((char *)p + *room * bytes, 0, (larger - *room) * bytes);
    memcpy(array, &p, sizeof p);
    *room = larger;
}

/* ---- Files and text ---- */

cli_bytes cli_read_file(const char *where, const char *path)
{
    cli_bytes file = {0};
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info)) cli_fail(CLI_MODEL, "%s%s: %s", where, path, strerror(errno));
    if (S_ISDIR(info.st_mode)) cli_fail(CLI_MODEL, "%s%s: is a folder, not a file", where, path);
    size_t room = 0;
    if (info.st_size > 0) {
        room = (size_t)info.st_size + 1;
        file.p = malloc(room);
        if (!file.p) cli_fail(CLI_DEVICE, "%s%s: out of memory", where, path);
    }
    for (;;) {
        if (file.n + 1 >= room) cli_grow(&file.p, &room, file.n + 65536, 1);
        ssize_t got = read(fd, file.p + file.n, room - 1 - file.n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) cli_fail(CLI_MODEL, "%s%s: %s", where, path, strerror(errno));
        file.n += (size_t)got;
        if (got == 0 || (S_ISREG(info.st_mode) && file.n == (size_t)info.st_size)) break;
    }
    close(fd);
    file.p[file.n] = '\0';
    return file;
}

char *cli_copy(const char *text) { return strcpy(cli_alloc(strlen(text) + 1, 1), text); }

cli_pair cli_split(const char *text, char **storage)
{
    *storage = cli_copy(text);
    char *equals = strchr(*storage, '=');
    if (equals) *equals = '\0';
    return (cli_pair){*storage, equals ? equals + 1 : NULL};
}

double cli_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

const char *cli_size(int64_t bytes)
{
    static char texts[8][32];
    static int next;
    static const char *units[] = {"bytes", "kB", "MB", "GB", "TB"};
    char *text = texts[next++ & 7];
    double value = (double)bytes;
    int unit = 0;
    while (value >= 999.5 && unit < 4) value /= 1000, unit++;
    snprintf(text, sizeof texts[0], "%.*f %s", unit && value < 99.95 ? 1 : 0, value, units[unit]);
    return text;
}

void cli_put(FILE *to, const char *text)
{
    for (; *text; text++) putc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, to);
}

int cli_columns(const char *text)
{
    int columns = 0;
    for (; *text; text++) columns += (*text & 0xC0) != 0x80;
    return columns;
}

char *cli_encode_utf8(char *to, uint32_t c)
{
    if (c < 0x80) return *to++ = (char)c, to;
    int tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *to++ = (char)((tail == 1 ? 0xC0 : tail == 2 ? 0xE0 : 0xF0) | c >> 6 * tail);
    while (tail--) *to++ = (char)(0x80 | (c >> 6 * tail & 0x3F));
    return to;
}

void cli_pad(FILE *to, int columns)
{
    while (columns-- > 0) putc(' ', to);
}

void cli_column(const char *text, int columns)
{
    cli_put(stdout, text);
    int left = columns - cli_columns(text);
    cli_pad(stdout, (left > 0 ? left : 0) + 2);
}

const char *cli_style(const char *sequence)
{
    static int plain = -1;
    if (plain < 0) {
        const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
        plain = !isatty(1) || (none && *none) || !term || !strcmp(term, "dumb");
    }
    return plain ? "" : sequence;
}

bool cli_utf8(void)
{
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

int cli_done(void)
{
    if (fflush(stdout) || ferror(stdout)) cli_fail(CLI_MODEL, "standard output: %s", strerror(errno));
    return 0;
}

/* ---- Progress: a timer's signal writes the line, so that the work itself need not know ---- */

static const char *volatile progress_what;
static volatile int progress_shown;
static double progress_start;

static void progress_tick(int signal)
{
    (void)signal;
    int saved = errno;
    const char *what = progress_what;
    if (what) {
        /* Only calls that are safe in a handler. */
        char line[160] = "\r\033[Kberth: ", digits[16];
        size_t n = strlen(line), d = sizeof digits;
        for (; *what && n < 120; what++) line[n++] = *what;
        line[n++] = ',', line[n++] = ' ';
        for (unsigned s = (unsigned)(cli_now() - progress_start); d == sizeof digits || s; s /= 10)
            digits[--d] = (char)('0' + s % 10);
        while (d < sizeof digits) line[n++] = digits[d++];
        line[n++] = ' ', line[n++] = 's';
        progress_shown = write(2, line, n) > 0;
    }
    errno = saved;
}

void cli_progress(const char *what)
{
    static int terminal = -1;
    if (!what && !progress_what) return;
    if (terminal < 0) terminal = isatty(2);
    if (!terminal) return;
    if (what && !progress_what) {
        struct sigaction action = {.sa_handler = progress_tick, .sa_flags = SA_RESTART};
        sigaction(SIGALRM, &action, NULL);
        progress_start = cli_now();
    }
    progress_what = what;
    struct itimerval timer = {{what ? 1 : 0, 0}, {what ? 1 : 0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
    if (!what && progress_shown && write(2, "\r\033[K", 4) > 0) progress_shown = 0;
}
