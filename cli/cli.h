/*
 * What the files of the program share. The program stands on the public header alone.
 *
 * main.c takes the command line apart, one file a verb does the work (run.c, inspect.c, bench.c, place.c,
 * check.c, devices.c); input.c turns a SOURCE into a tensor (npy.c, zip.c, json.c, picture.c), print.c and output.c
 * let results out. A fault anywhere ends the program through cli_fail: one line, and no file left behind.
 */
#ifndef CLI_H
#define CLI_H

#include <berth.h>
#include <stdio.h>

enum { CLI_PARTS = 16 }; /* devices that a batch can be divided over */
enum { CLI_MODEL = 1, CLI_USAGE = 2, CLI_DEVICE = 3, CLI_FAULT = 70 }; /* whose fault: the exit statuses */

typedef struct cli_list {
    const char **items;
    size_t n;
} cli_list;

/* NAME=VALUE; value is NULL where there is no '='. */
typedef struct cli_pair {
    const char *name, *value;
} cli_pair;

typedef struct cli_options {
    const char *model, *out, *to, *signature, *tags, *structure, *device, *stage, *labels, *trace, *html;
    const char *fallback, *config, *precision;
    cli_list inputs, outputs, shapes, rules, op_libraries;
    cli_list visible, limits, fractions, counts, logical; /* of devices: NAME=VALUE */
    bool json, functions, hard_placement, soft_placement, log_placement, growth, bgr, stream_weights;
    bool clear_devices, strip_training, freeze, cpu; /* of convert */
    int64_t threads, top; /* 0: not given */
    double seconds;
    double range[2]; /* of --image-range; both 0: not given */
} cli_options;

/* The verbs: each returns the exit status. */
int cli_run(const cli_options *options);
int cli_inspect(const cli_options *options);
int cli_bench(const cli_options *options);
int cli_place(const cli_options *options);
int cli_check(const cli_options *options);
int cli_convert(const cli_options *options);
int cli_devices(const cli_options *options);

/* ---- util.c: faults, memory, files ---- */

_Noreturn void cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the program with the library's message, and the exit status that its kind stands for. */
_Noreturn void cli_fail_with(const berth_error *error);
/* Zeroed memory; the program ends when there is none. */
void *cli_alloc(size_t n, size_t bytes) __attribute__((returns_nonnull));
/* Makes room for element n of an array, zeroed beyond the old room; array is the address of the pointer. */
void cli_grow(void *array, size_t *room, size_t n, size_t bytes);

typedef struct cli_bytes {
    uint8_t *p; /* malloc's, with a NUL behind the last byte */
    size_t n;
} cli_bytes;

/* A whole file; `where` stands before the path in messages ("input 'x': "). */
cli_bytes cli_read_file(const char *where, const char *path);
char *cli_copy(const char *text);
/* Splits a copy at its first '='; *storage is the copy, and where the name starts. */
cli_pair cli_split(const char *text, char **storage);
double cli_now(void); /* seconds, monotonic */
/* "12.3 MB", into one of a few static buffers. */
const char *cli_size(int64_t bytes);
/* Text for a terminal: control bytes become '?'. */
void cli_put(FILE *to, const char *text);
/* Columns that UTF-8 text takes, a column a code point. */
int cli_columns(const char *text);
/* An escape sequence where standard output is a terminal that takes it, else "". */
const char *cli_style(const char *sequence);
#define CLI_BOLD cli_style("\033[1m")
#define CLI_DIM cli_style("\033[2m")
#define CLI_COLOUR cli_style("\033[36m")
#define CLI_PLAIN cli_style("\033[0m")
bool cli_utf8(void); /* whether the environment says that the terminal takes UTF-8 */
/* Writes the character c, below 2^21, as UTF-8: at most 4 bytes; gives where they end. */
char *cli_encode_utf8(char *to, uint32_t c);
void cli_pad(FILE *to, int columns);
/* On standard output, a column of a table: padded to `columns`, and a gap of two. */
void cli_column(const char *text, int columns);
/* A line on the terminal for work that lasts over a second: what is being done; NULL: nothing any more. */
void cli_progress(const char *what);
/* Flushes standard output, and fails when it could not be written. */
int cli_done(void);

/* ---- model.c: what the verbs do first ---- */

typedef struct cli_model {
    berth_context *context;
    berth_model *model;
    berth_session *session; /* NULL for inspect without a stage */
    const char *signature;
} cli_model;

/* As --threads and the options of devices ask; NULL, the default one, when they do not. */
berth_context *cli_context(const cli_options *options);
void cli_open(cli_model *m, const cli_options *options);         /* the model alone */
void cli_open_session(cli_model *m, const cli_options *options); /* and a session */
void cli_close(cli_model *m);
/* The input that `name` means: a key of the signature or a tensor's name; with --input-shape taken in. */
bool cli_find_input(const cli_model *m, const cli_options *options, const char *name, berth_spec *spec);
/* Feeds for every input of the signature: as given by --input, else zeros, or pseudo-random values for floating
 * types; an unknown dimension as 1. An unknown rank is a fault when there must be values, else a feed without. */
berth_feed *cli_fill_feeds(const cli_model *m, const cli_options *options, bool values, size_t *n);
/* What berth_model_check says for these options; to be freed. */
berth_check *cli_model_check(const cli_model *m, const cli_options *options);
/* Feeds of what --input gives. */
berth_feed *cli_read_feeds(const cli_model *m, const cli_options *options, size_t *n);
/* Fetches of --output, else of the signature. */
/* Ends the program where a graph without signatures has no outputs at all: all its nodes stand in a cycle, say. */
void cli_check_outputs(const cli_model *m, const cli_options *options);
berth_feed *cli_fetches(const cli_model *m, const cli_options *options, size_t *n);
void cli_free_feeds(berth_feed *feeds, size_t n);

/* ---- html.c: the page of `place --html` ---- */

/* A plan, and what it took. */
struct cli_plan {
    berth_feed *feeds, *fetches;
    size_t n_feeds, n_fetches;
    const berth_placement *nodes;
    const berth_step *steps;
    size_t n_nodes, n_steps, n_copies, n_parts;
    berth_part parts[CLI_PARTS]; /* of the batch, where it is divided */
    berth_check *check;
    int runs;       /* that were timed; 0: none, and the note says why */
    double run_ns;  /* one of them, on average */
    char note[600];
};

extern const char cli_page[]; /* page/page.html, with "@DATA@" where the data go */
/* Profiles a few runs, as far as the inputs can be filled and the model runs; and lists the steps. */
void cli_plan_time(const cli_model *m, struct cli_plan *plan);
void cli_html_write(const char *path, const cli_options *options, const cli_model *m, const struct cli_plan *plan);

/* ---- configure.c ---- */

/* Tells the context what --config and the options of devices say. */
void cli_configure(berth_context *context, const cli_options *options);

/* ---- input.c: SOURCE to tensor ---- */

/* spec: NULL when the model does not say what the tensor is. */
berth_tensor *cli_read_input(const cli_options *options, const char *name, const char *source,
                             const berth_spec *spec);
/* The picture file of row `row` of a batch, when an input was given as pictures; else NULL. */
const char *cli_picture_name(int64_t row, int64_t rows);

/* ---- Encodings; `where` opens every message: "input 'x': a.npy" ---- */

berth_tensor *cli_npy_read(const char *where, cli_bytes file, berth_dtype want); /* takes the file's memory */
void cli_npy_write(FILE *to, berth_tensor *tensor);
bool cli_npy_can(berth_dtype dtype);
/* Member `name` (".npy" is added) of a .npz, or its only one; a copy. */
cli_bytes cli_zip_member(const char *where, cli_bytes file, const char *name);
berth_tensor *cli_json_read(const char *where, const char *text, size_t n, const char *name,
                            const berth_spec *spec);
void cli_json_string(FILE *to, const char *bytes, size_t n);
void cli_json_text(FILE *to, const char *text);
/* [1,2,3]; an unknown dimension is -1. */
void cli_json_dims(FILE *to, int rank, const int64_t *dims);
/* "weights": ..., "activations": ..., "workspace": ... */
void cli_json_memory(const berth_memory *memory);
/* "dtype": ..., "shape": ..., "values": ... */
void cli_json_tensor(FILE *to, berth_tensor *tensor);
/* Pictures as one batch for this input; the paths are for messages. */
berth_tensor *cli_pictures(const cli_options *options, const char *where, char **paths,
                           const cli_bytes *files, size_t n, const berth_spec *spec);

/* ---- number.c: elements of any dtype ---- */

typedef struct cli_number {
    enum { CLI_REAL, CLI_INT, CLI_UINT, CLI_BOOL } kind;
    union {
        double real;
        int64_t i;
        uint64_t u; /* only above INT64_MAX */
    };
} cli_number;

cli_number cli_get(const void *data, berth_dtype dtype, int64_t index); /* of a complex: index counts parts */
double cli_real(cli_number number);
/* False when the dtype cannot hold the value exactly (integers) or at all. */
bool cli_set(void *data, berth_dtype dtype, int64_t index, cli_number number);
bool cli_is_complex(berth_dtype dtype);
bool cli_is_real(berth_dtype dtype); /* one of the floating types */
enum { CLI_NUMBER = 40 };            /* bytes for the text of any number */
/* Shortest text that reads back as the same value. */
void cli_number_text(char text[CLI_NUMBER], cli_number number, berth_dtype dtype);

/* ---- print.c: for people ---- */

void cli_shape_text(char *text, size_t n, int rank, const int64_t *dims);
void cli_print_tensor(FILE *to, const char *name, berth_tensor *tensor);

/* ---- top.c: the K best classes of an output ---- */

typedef struct cli_labels {
    char **names; /* NULL: no labels */
    int64_t n;
    char *text;
} cli_labels;

void cli_labels_read(cli_labels *labels, const char *path);
void cli_labels_free(cli_labels *labels);
/* Whether the output has classes that --top can rank, and labels that fit. */
bool cli_top_fits(const cli_labels *labels, berth_tensor *tensor);
void cli_top_print(FILE *to, const char *name, berth_tensor *tensor, int64_t k, const cli_labels *labels);
void cli_top_json(FILE *to, berth_tensor *tensor, int64_t k, const cli_labels *labels);

/* ---- output.c: files that appear only when everything went well ---- */

void cli_output_check(const char *path); /* before the work: fails when the path cannot be written */
FILE *cli_output_open(const char *path);
void cli_output_close(FILE *file, const char *path);
void cli_output_trace(const char *path, berth_session *session); /* the timeline of a profiled session */
void cli_output_write(const char *path, berth_tensor *tensor, const char *name);
void cli_output_commit(void);  /* renames all that were written */
void cli_output_discard(void); /* safe at any time, from a signal handler too */

/* ---- interrupt.c ---- */

/* A signal that ends the program takes away what was begun beside the path (berth_model_save). To be called before there are
 * threads; the path is borrowed to the end. */
void cli_clean_on_signal(const char *path);

#endif
