/*
 * The command line: one table of verbs, one of options, and the help that both give. What a verb does is in the
 * file of its name.
 */
#include "cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { INSPECT = 1, RUN = 2, BENCH = 4, PLACE = 8, DEVICES = 16, CHECK = 32, CONVERT = 64,
       SESSION = RUN | BENCH | PLACE | CHECK | INSPECT, MODEL = SESSION | CONVERT,
       ALL = SESSION | DEVICES };

static const struct verb {
    const char *name, *operands;
    int bit;
    int (*run)(const cli_options *options);
    const char *summary, *text;
} verbs[] = {
    {"run", "MODEL [OPTIONS] [--input NAME=SOURCE]... [--output NAME[=FILE.npy]]...", RUN, cli_run,
     "run the model once on inputs and print or save what comes out",
     "SOURCE is a .npy or .npz file, a .json file, JSON text ('x=[[1, 2], [3, 4]]'), or pictures\n"
     "(x=a.png,b.png makes a batch of two, scaled to the input's height and width).\n"
     "NAME is a key of the signature or a tensor's name (x:0). Without --output every output is printed.\n\n"
     "  berth run model --input image=cat.jpg --labels labels.txt --top 5\n"
     "  berth run frozen.pb --input x:0=x.npy --output y:0=y.npy\n"},
    {"inspect", "MODEL [--json] [--functions] [--stage STAGE]", INSPECT, cli_inspect,
     "show what a model takes, gives and is made of",
     "STAGE is a stop on the way from file to plan, shown as text: source, prune, functionalise, inline,\n"
     "freeze, fold, fuse or plan.\n"},
    {"bench", "MODEL [OPTIONS] [--input NAME=SOURCE]... [--seconds S] [--json]", BENCH, cli_bench,
     "time the model; inputs that are not given are filled",
     "An input that is not given is filled: floats pseudo-random in [0, 1), everything else zero, an "
     "unknown\n"
     "dimension as 1 unless --input-shape says otherwise.\n"},
    {"place", "MODEL [OPTIONS] [--json | --html FILE]", PLACE, cli_place,
     "show which device does the work of each node, and why, without running",
     "Every node of the graph as written is listed. An unknown dimension is taken as 1 unless --input-shape\n"
     "says otherwise.\n\n"
     "--html draws the plan as a page for a browser, with the time and bytes of each step. For the times, and\n"
     "for them alone, the model runs for half a second: on the inputs given, others filled as by `bench`. Where\n"
     "it cannot run, the page says why and has no times.\n\n"
     "  berth place model --rule 'op:MatMul=/CPU:0' --html plan.html\n"},
    {"check", "MODEL [OPTIONS] [--json]", CHECK, cli_check,
     "show what of a model cannot run on its device, and whether it fits there, without running",
     "Every op, dtype and attribute that the device cannot take is listed, with the bytes that a run needs on\n"
     "each device and the largest batch that fits. An unknown dimension is taken as 1 unless --input-shape\n"
     "says otherwise. Exit status: 0 it can run and fits, 1 it cannot run, 3 it does not fit.\n"},
    {"convert", "MODEL OUT [--to FORMAT] [--output NAME]... [OPTIONS]", CONVERT, cli_convert,
     "write the model again, as a clean one that runs anywhere, and say what was changed",
     "OUT is a file for graphdef and pbtxt, a new folder for savedmodel. NAME is a tensor's name (logits:0);\n"
     "without --output the signature's outputs are kept, or else those that nothing consumes. A graphdef has a\n"
     "Placeholder an input and an Identity an output, named by the keys of one signature.\n\n"
     "  berth convert model.h5 model\n"
     "  berth convert trained.pb clean.pb --output logits:0 --clear-devices --strip-training\n"
     "  berth convert gpu.pb anywhere --cpu\n"},
    {"devices", "[--json]", DEVICES, cli_devices, "list the devices of this machine", ""},
};
enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

enum kind { TEXT, LIST, PAIRS, SET, COUNT, SECONDS, RANGE, ORDER };
#define AT(member) offsetof(cli_options, member)

static const struct option {
    const char *name, *value;
    int verbs;
    enum kind kind;
    size_t at;
    const char *text;
} options_table[] = {
    {"--input", "NAME=SOURCE", RUN | BENCH | PLACE, PAIRS, AT(inputs), "what an input gets"},
    {"--output", "NAME[=FILE.npy]", RUN | CHECK, LIST, AT(outputs), "an output to save, or without a file to print"},
    {"--to", "FORMAT", CONVERT, TEXT, AT(to), "graphdef, pbtxt or savedmodel (default: as OUT ends)"},
    {"--output", "NAME", CONVERT, LIST, AT(outputs), "a tensor to keep as an output"},
    {"--clear-devices", NULL, CONVERT, SET, AT(clear_devices), "no device strings and no colocation"},
    {"--strip-training", NULL, CONVERT, SET, AT(strip_training), "no dropout, switches for training, assertions, printing"},
    {"--freeze", NULL, CONVERT, SET, AT(freeze), "variables become constants (always so in a graphdef)"},
    {"--cpu", NULL, CONVERT, SET, AT(cpu), "for TensorFlow on a CPU: channels last, no ops that only GPUs have, no devices"},
    {"--input-shape", "NAME=1,224,...", RUN | BENCH | PLACE | CHECK | CONVERT, PAIRS, AT(shapes), "fix an input's shape"},
    {"--signature", "KEY", MODEL, TEXT, AT(signature),
     "default: serving_default, or the only one; or a function of a SavedModel"},
    {"--functions", NULL, INSPECT, SET, AT(functions),
     "show the functions that a SavedModel has beside its signatures"},
    {"--tag", "TAG[,TAG...]", MODEL, TEXT, AT(tags),
     "tags of the MetaGraph (default: serve, or the only one)"},
    {"--structure", "ARCH.json", MODEL, TEXT, AT(structure),
     "Keras architecture for a file of weights alone"},
    {"--op-library", "FILE.so", MODEL, LIST, AT(op_libraries), "a shared library with ops of your own; its code runs"},
    {"--device", "DEVICE", SESSION, TEXT, AT(device), "/CPU:0, GPU, auto (default), or several: /GPU:0,/GPU:1"},
    {"--rule", "PATTERN=DEVICE", SESSION, LIST, AT(rules), "nodes by name, or op:TYPE; the last match wins"},
    {"--fallback", "DEVICE", SESSION, TEXT, AT(fallback),
     "where all goes when the device is absent, broken or full"},
    {"--soft-placement", NULL, SESSION, SET, AT(soft_placement),
     "move nodes that a device cannot run (default)"},
    {"--no-soft-placement", NULL, SESSION, SET, AT(hard_placement), "refuse them instead"},
    {"--log-placement", NULL, SESSION, SET, AT(log_placement), "a line a node on standard error"},
    {"--visible-devices", "GPU=0,2", ALL, PAIRS, AT(visible), "of a kind, which; none: GPU=-1"},
    {"--device-count", "GPU=1", ALL, PAIRS, AT(counts), "of a kind, how many at most"},
    {"--logical", "GPU:0=1GiB,1GiB", ALL, PAIRS, AT(logical), "split a device; 0: without a limit"},
    {"--memory-limit", "GPU:0=2GiB", ALL, PAIRS, AT(limits), "what may be held on a device"},
    {"--memory-fraction", "GPU:0=0.3", ALL, PAIRS, AT(fractions), "the same, as a part of its memory"},
    {"--memory-growth", NULL, ALL, SET, AT(growth), "take memory as it is needed (always so)"},
    {"--precision", "f32", SESSION, TEXT, AT(precision), "what floats are computed in (tf32 on CUDA; bf16, f16 on GPUs)"},
    {"--stream-weights", NULL, SESSION, SET, AT(stream_weights),
     "weights that have no room on a GPU pass through it in turn"},
    {"--config", "FILE", ALL, TEXT, AT(config), "a ConfigProto, binary or text; an option beats it"},
    {"--threads", "N", SESSION | DEVICES, COUNT, AT(threads),
     "threads for the CPU (default: all that it may use)"},
    {"--image-range", "LOW,HIGH", RUN | BENCH | PLACE, RANGE, AT(range), "values of black and white (default 0,1)"},
    {"--image-order", "rgb|bgr", RUN | BENCH | PLACE, ORDER, AT(bgr), "order of a picture's channels (default rgb)"},
    {"--top", "K", RUN, COUNT, AT(top), "print the K best classes of an output"},
    {"--labels", "FILE", RUN, TEXT, AT(labels), "their names, one a line"},
    {"--trace", "FILE.json", RUN, TEXT, AT(trace), "a timeline of the run, for Perfetto or chrome://tracing"},
    {"--html", "FILE", PLACE, TEXT, AT(html), "the plan as a page for a browser, with times"},
    {"--stage", "STAGE", INSPECT, TEXT, AT(stage), "the graph at a stage, as text"},
    {"--seconds", "S", BENCH, SECONDS, AT(seconds), "how long to measure (default 2)"},
    {"--json", NULL, SESSION | DEVICES, SET, AT(json), "for programs: one JSON object"},
};
enum { N_OPTIONS = sizeof options_table / sizeof options_table[0] };

/* ---- Help ---- */

static int help(void)
{
    printf("berth %s runs TensorFlow models without TensorFlow.\n\n", berth_version());
    for (int i = 0; i < N_VERBS; i++) printf("  berth %-8s %s\n", verbs[i].name, verbs[i].summary);
    printf("\nMODEL is a SavedModel folder, a GraphDef (.pb, .pbtxt), a Keras file, a checkpoint, or - for standard "
           "input.\n"
           "`berth VERB --help` shows the options of a verb, `berth --version` the version.\n\n"
           "  berth inspect model\n"
           "  berth run model --input x=x.npy --output y=y.npy\n\n"
           "Exit status: 0 done, 1 a model or an input is at fault, 2 the command line, 3 a device,\n"
           "70 berth itself.\n");
    return cli_done();
}

static int help_verb(const struct verb *verb)
{
    printf("berth %s: %s\n\n  berth %s %s\n\n", verb->name, verb->summary, verb->name, verb->operands);
    for (int i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options_table[i];
        char left[64];
        if (!(o->verbs & verb->bit)) continue;
        snprintf(left, sizeof left, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-30s %s\n", left, o->text);
    }
    if (*verb->text) printf("\n%s", verb->text);
    return cli_done();
}

static int version(void)
{
    static const char *const pictures[] = {"none: built without libpng and libjpeg",
                                           "PNG; built without libjpeg", "JPEG; built without libpng",
                                           "PNG, JPEG"};
    const char *packed = "";
#ifndef BERTH_ZLIB
    packed = " (none that is compressed: built without zlib)";
#endif
    const char *expressions = "none: built without RE2", *encodings = "all of ICU's", *webp = "";
#ifdef BERTH_RE2
    expressions = "RE2's";
#endif
#if !BERTH_WEBP
    webp = "\nDecodeWebP: not in this build, which is without libwebp";
#endif
#if !BERTH_ICU
    encodings = "Unicode's and some of one byte a character; built without ICU";
#endif
    printf("berth %s\npictures: %s\narrays: .npy, .npz%s\nregular expressions: %s\nencodings: %s%s\n", berth_version(),
           pictures[BERTH_PNG + 2 * BERTH_JPEG], packed, expressions, encodings, webp);
    return cli_done();
}

/* ---- Mistakes ---- */

/* Levenshtein's distance of two short words. */
static int distance(const char *a, const char *b)
{
    int row[64], n = (int)strlen(b);
    if (n > 63) return 64;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; *a; a++, i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (*a != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

static void nearer(const char *word, const char *candidate, const char **nearest, int *least)
{
    int d = distance(word, candidate);
    if (d < *least) *least = d, *nearest = candidate;
}

/* A slip is at most a third of the word. */
static int slip(const char *word) { return (int)strlen(word) / 3 + 2; }

static _Noreturn void unknown_verb(const char *word)
{
    const char *nearest = NULL;
    int least = slip(word);
    for (int i = 0; i < N_VERBS; i++) nearer(word, verbs[i].name, &nearest, &least);
    if (nearest) cli_fail(CLI_USAGE, "unknown command '%s': did you mean '%s'?", word, nearest);
    cli_fail(CLI_USAGE, "unknown command '%s' (run, inspect, bench, place, check, convert, devices; see berth --help)", word);
}

static _Noreturn void unknown_option(const struct verb *verb, const char *word)
{
    const char *nearest = NULL;
    int least = slip(word);
    for (int i = 0; i < N_OPTIONS; i++)
        if (options_table[i].verbs & verb->bit) nearer(word, options_table[i].name, &nearest, &least);
    if (nearest)
        cli_fail(CLI_USAGE, "%s: unknown option '%s': did you mean '%s'?", verb->name, word, nearest);
    cli_fail(CLI_USAGE, "%s: unknown option '%s' (see berth %s --help)", verb->name, word, verb->name);
}

/* ---- Values ---- */

static double number_of(const char *option, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most))
        cli_fail(CLI_USAGE, "%s: '%s' is not a number from %g to %g", option, text, least, most);
    return value;
}

static void add(cli_list *list, const struct option *o, const char *text, int argc)
{
    const char *equals = strchr(text, '=');
    if (o->kind == PAIRS && (!equals || equals == text || !equals[1]))
        cli_fail(CLI_USAGE, "%s: '%s' is not %s", o->name, text, o->value);
    for (size_t i = 0; o->kind == PAIRS && i < list->n; i++)
        if (!strncmp(list->items[i], text, (size_t)(equals - text) + 1))
            cli_fail(CLI_USAGE, "%s: '%.*s' is given twice", o->name, (int)(equals - text), text);
    if (!list->items) list->items = cli_alloc((size_t)argc, sizeof *list->items);
    list->items[list->n++] = text;
}

static void range(double *to, const char *option, const char *text)
{
    char *end;
    to[0] = strtod(text, &end);
    bool good = end != text && *end == ',';
    if (good) to[1] = strtod(text = end + 1, &end);
    if (!good || end == text || *end || !isfinite(to[0]) || !isfinite(to[1]) || to[0] == to[1])
        cli_fail(CLI_USAGE, "%s: wanted two numbers that differ, as in 0,255", option);
}

static void store(cli_options *options, const struct option *o, const char *value, int argc)
{
    void *at = (char *)options + o->at;
    switch (o->kind) {
    case TEXT: *(const char **)at = value; break;
    case LIST:
    case PAIRS: add(at, o, value, argc); break;
    case SET:
        if (o->at == AT(growth) && options->growth) cli_fail(CLI_USAGE, "%s is given twice", o->name);
        if (o->at == AT(soft_placement)) options->hard_placement = false;
        if (o->at == AT(hard_placement)) options->soft_placement = false;
        *(bool *)at = true;
        break;
    case COUNT: {
        double n = number_of(o->name, value, 1, 1e9);
        if (n != floor(n)) cli_fail(CLI_USAGE, "%s: '%s' is not a whole number", o->name, value);
        *(int64_t *)at = (int64_t)n;
        break;
    }
    case SECONDS: *(double *)at = number_of(o->name, value, 0.001, 1e6); break;
    case RANGE: range(at, o->name, value); break;
    case ORDER:
        if (strcmp(value, "rgb") && strcmp(value, "bgr"))
            cli_fail(CLI_USAGE, "%s: '%s' is not rgb or bgr", o->name, value);
        *(bool *)at = value[0] == 'b';
    }
}

/* Takes one option, and its value, which may stand behind a '='; gives how many more arguments it took. */
static int take(cli_options *options, const struct verb *verb, char **argv, int left)
{
    size_t n = strcspn(argv[0], "=");
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)n, argv[0]);
    for (int i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options_table[i];
        if (!(o->verbs & verb->bit) || strcmp(o->name, word)) continue;
        bool inside = argv[0][n] == '=';
        if (!o->value && inside) cli_fail(CLI_USAGE, "%s takes no value", o->name);
        if (o->value && !inside && left < 2) cli_fail(CLI_USAGE, "%s needs a value: %s", o->name, o->value);
        store(options, o, !o->value ? NULL : inside ? argv[0] + n + 1 : argv[1], left + 1);
        return o->value && !inside;
    }
    unknown_option(verb, word);
}

int main(int argc, char **argv)
{
    const struct verb *verb = NULL;
    cli_options options = {.seconds = 2};
    bool literal = false;
    if (argc < 2)
        cli_fail(CLI_USAGE, "which command? run, inspect, bench, place, check, convert or devices (berth --help says more)");
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) return help();
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) return version();
    for (int i = 0; i < N_VERBS; i++)
        if (!strcmp(argv[1], verbs[i].name)) verb = &verbs[i];
    if (!verb) unknown_verb(argv[1]);
    for (int i = 2; i < argc; i++) {
        if (!literal && !strcmp(argv[i], "--")) {
            literal = true;
        } else if (!literal && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
            return help_verb(verb);
        } else if (!literal && argv[i][0] == '-' && argv[i][1]) {
            i += take(&options, verb, argv + i, argc - i);
        } else if (options.model && verb->bit == CONVERT && !options.out) {
            options.out = argv[i];
        } else if (options.model || verb->bit == DEVICES) {
            cli_fail(CLI_USAGE, "%s: unexpected argument '%s'", verb->name, argv[i]);
        } else {
            options.model = argv[i];
        }
    }
    if (!options.model && verb->bit != DEVICES)
        cli_fail(CLI_USAGE, "%s: which model? (berth %s --help says more)", verb->name, verb->name);
    if (!options.out && verb->bit == CONVERT) cli_fail(CLI_USAGE, "convert: to which file? (berth convert --help says more)");
    int status = verb->run(&options);
    free(options.inputs.items), free(options.outputs.items), free(options.shapes.items),
        free(options.rules.items), free(options.op_libraries.items), free(options.visible.items), free(options.counts.items),
        free(options.logical.items), free(options.limits.items), free(options.fractions.items);
    return status;
}
