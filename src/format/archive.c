/* Archives as folders (archive.h): their members by name, and where in them the model lies. */
#include "format/archive.h"

#include <stdlib.h>

#include "format/inflate.h"
#include "simd/crc.h"

typedef struct entry {
    struct entry *next;
    const char *name;            /* without "./" before it */
    const bt_zip_member *member; /* of a zip */
    bt_str bytes;                /* of a tar; of a zip once it was read */
    size_t order;                /* in the archive */
} entry;

typedef struct bt_archive {
    bt_file *file; /* the source's */
    bt_zip zip;    /* without its map of members */
    entry **entries;
    size_t n;
} bt_archive;

/* ---- Gzip --------------------------------------------------------------------------------------------- */

enum {
    GZIP_HEADER = 10,
    GZIP_END = 8,
    HAS_CRC = 2,
    HAS_EXTRA = 4,
    HAS_NAME = 8,
    HAS_COMMENT = 16,
    MAX_RATIO = 1032
};

bool bt_gzip_sniff(const bt_file *file)
{
    return file->size > GZIP_HEADER + GZIP_END && file->data[0] == 0x1f && file->data[1] == 0x8b &&
           file->data[2] == 8;
}

static void skip_text(bt_reader *r)
{
    const uint8_t *end = memchr(r->p, 0, bt_reader_left(r));
    bt_read_bytes(r, end ? (size_t)(end - r->p) + 1 : SIZE_MAX);
}

/* RFC 1952: magic (2), method, flags, time (4), two bytes; what the flags say; the stream; checksum and size (4, 4). */
bt_file *bt_gzip_open(const bt_file *file, berth_error *error)
{
    bt_reader r = bt_reader_of(file->data, file->size - GZIP_END),
              end = bt_reader_of(file->data + file->size - GZIP_END, GZIP_END);
    uint32_t crc = (uint32_t)bt_read_uint(&end, 4);
    size_t size = bt_read_uint(&end, 4), written = 0;
    int flags = file->data[3];
    bt_read_bytes(&r, GZIP_HEADER);
    if (flags & HAS_EXTRA) bt_read_bytes(&r, bt_read_uint(&r, 2));
    if (flags & HAS_NAME) skip_text(&r);
    if (flags & HAS_COMMENT) skip_text(&r);
    if (flags & HAS_CRC) bt_read_bytes(&r, 2);
    if (r.failed || size / MAX_RATIO > bt_reader_left(&r) || !size)
        return bt_fail(error, BERTH_BAD_MODEL, "gzip: damaged or cut short"), NULL;
    uint8_t *bytes = bt_alloc(size);
    if (!bytes) return bt_fail_memory(error), NULL;
    berth_status status = bt_inflate(r.p, bt_reader_left(&r), true, bytes, size, &written);
    bt_file *inner = NULL;
    if (status == BERTH_NO_MEMORY) bt_fail_memory(error);
    else if (status == BERTH_UNSUPPORTED) bt_fail(error, status, "gzip: this build of berth is without zlib");
    else if (status || written != size || bt_crc32(0, bytes, size) != crc)
        bt_fail(error, BERTH_BAD_MODEL, "gzip: compressed data that is damaged");
    else inner = bt_file_memory(file->path, bytes, size, bt_free, bytes, error);
    if (!inner) bt_free(bytes);
    return inner;
}

/* ---- Opening ------------------------------------------------------------------------------------------ */

static const char *plain(const char *path)
{
    while (path[0] == '.' && path[1] == '/') path += 2 + strspn(path + 2, "/");
    return path;
}

/* Entries of one name in the order of the archive: the last one counts, as where a tar is unpacked. */
static int by_name(const void *a, const void *b)
{
    const entry *one = *(entry *const *)a, *other = *(entry *const *)b;
    int by = strcmp(one->name, other->name);
    return by ? by : (one->order > other->order) - (one->order < other->order);
}

typedef struct gathering {
    bt_arena *arena;
    entry *last;
    size_t n;
} gathering;

static berth_status gather(gathering *g, const char *name, const bt_zip_member *member, bt_str bytes,
                           berth_error *error)
{
    entry *e = bt_arena_new(g->arena, entry);
    if (!e) return bt_fail_memory(error);
    *e = (entry){g->last, plain(name), member, bytes, g->n++};
    g->last = e;
    return BERTH_OK;
}

static berth_status visit_tar(void *user, const char *name, bt_str bytes, berth_error *error)
{
    if (!bt_zip_name_is_safe(bt_str_of(name)))
        return bt_fail(error, BERTH_BAD_MODEL, "tar: a member whose name leads out of the archive");
    return gather(user, name, NULL, bytes, error);
}

static berth_status sort_entries(bt_archive *a, const gathering *g, berth_error *error)
{
    a->entries = bt_arena_array(g->arena, entry *, g->n + 1);
    if (!a->entries) return bt_fail_memory(error);
    for (entry *e = g->last; e; e = e->next) a->entries[a->n++] = e;
    qsort(a->entries, a->n, sizeof *a->entries, by_name);
    return BERTH_OK;
}

static berth_status open_zip(bt_archive *a, gathering *g, bool *is_archive, berth_error *error)
{
    berth_error ignored = {0};
    berth_status status = bt_zip_open(&a->zip, a->file->data, a->file->size, g->arena, &ignored);
    /* What is damaged, or a Keras archive, is the Keras format's to say. */
    if (status) return status == BERTH_NO_MEMORY ? bt_fail_memory(error) : BERTH_OK;
    *is_archive = !bt_map_get(&a->zip.members, bt_str_of("config.json"));
    for (size_t i = 0; *is_archive && i < a->zip.members.count && !status; i++) {
        const bt_zip_member *m = a->zip.members.entries[i].value;
        if (m->name.n && m->name.p[m->name.n - 1] == '/') continue; /* a folder */
        const char *name = bt_arena_copy(g->arena, m->name.p, m->name.n);
        status = name ? gather(g, name, m, (bt_str){0}, error) : bt_fail_memory(error);
    }
    bt_zip_free(&a->zip);
    return status;
}

berth_status bt_archive_open(bt_file *file, bt_source *source, bool *is_archive, berth_error *error)
{
    bool zip = bt_zip_sniff(file->data, file->size), tar = !zip && bt_tar_sniff(file->data, file->size);
    gathering g = {.arena = &source->arena};
    *is_archive = tar;
    if (!zip && !tar) return BERTH_OK;
    bt_archive *a = bt_arena_new(&source->arena, bt_archive);
    if (!a) return bt_fail_memory(error);
    a->file = file;
    berth_status status = zip ? open_zip(a, &g, is_archive, error)
                              : bt_tar_read(file->data, file->size, g.arena, visit_tar, &g, error);
    if (!status && *is_archive) status = sort_entries(a, &g, error);
    if (status || !*is_archive) return status;
    if (!bt_source_add_file(source, bt_file_ref(file))) return bt_fail_memory(error);
    source->archive = a;
    return BERTH_OK;
}

/* ---- Where the model lies ----------------------------------------------------------------------------- */

/* The number of leading bytes of `name` that say where the model is, if this member makes one; else -1. */
typedef long part_fn(const char *name);

static long saved_model(const char *name)
{
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    return !strcmp(last, "saved_model.pb") || !strcmp(last, "saved_model.pbtxt") ? (long)(last - name) : -1;
}

static long before(const char *name, const char *ending)
{
    return bt_ends(name, ending) ? (long)(strlen(name) - strlen(ending)) : -1;
}

static long checkpoint(const char *name) { return before(name, ".index"); }
static long meta(const char *name) { return before(name, ".meta"); }

static long single_file(const char *name)
{
    static const char *const endings[] = {".keras", ".h5", ".hdf5", ".pb", ".pbtxt"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (bt_ends(name, endings[i])) return (long)strlen(name);
    return -1;
}

static int depth(const char *name)
{
    int n = 0;
    for (; *name; name++) n += *name == '/';
    return n;
}

/* The member nearest to the root that makes a model of this kind, *several when there is more than one at its depth. */
static const entry *nearest(const bt_archive *a, part_fn *part, bool *several)
{
    const entry *best = NULL;
    *several = false;
    for (size_t i = 0; i < a->n; i++) {
        const entry *e = a->entries[i];
        if (part(e->name) < 0 || (i > 0 && !strcmp(a->entries[i - 1]->name, e->name))) continue;
        if (best && depth(e->name) == depth(best->name)) *several = true;
        if (!best || depth(e->name) < depth(best->name)) best = e, *several = false;
    }
    return best;
}

const char *bt_archive_model(bt_source *source, berth_error *error)
{
    static part_fn *const kinds[] = {saved_model, meta, checkpoint, single_file};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool several;
        const entry *e = nearest(source->archive, kinds[i], &several);
        if (!e) continue;
        if (several)
            return bt_fail(error, BERTH_BAD_MODEL, "an archive of several models: '%s' is one of them",
                           e->name),
                   NULL;
        long n = kinds[i](e->name);
        if (n > 0 && kinds[i] == saved_model) n--; /* the slash */
        const char *path = n ? bt_arena_copy(&source->arena, e->name, (size_t)n) : ".";
        if (!path) bt_fail_memory(error);
        return path;
    }
    bt_fail(error, BERTH_BAD_MODEL,
            "an archive without a model: no saved_model.pb, checkpoint, .pb, .h5 or .keras is in it");
    return NULL;
}

/* ---- Files -------------------------------------------------------------------------------------------- */

/* The first entry whose name is not below `name`. */
static size_t first_from(const bt_archive *a, const char *name)
{
    size_t low = 0, high = a->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(a->entries[middle]->name, name) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static entry *find(const bt_archive *a, const char *path)
{
    const char *name = plain(path);
    size_t i = first_from(a, name), last = i;
    while (last + 1 < a->n && !strcmp(a->entries[last + 1]->name, name)) last++;
    return i < a->n && !strcmp(a->entries[i]->name, name) ? a->entries[last] : NULL;
}

bool bt_files_has(const bt_source *source, const char *path)
{
    return source->archive ? find(source->archive, path) != NULL : bt_path_exists(path);
}

bool bt_files_has_folder(const bt_source *source, const char *path)
{
    const bt_archive *a = source->archive;
    if (!a) return bt_path_is_folder(path);
    const char *name = plain(path);
    size_t n = strlen(name);
    if (!strcmp(name, ".")) return true;
    for (size_t i = first_from(a, name); i < a->n && bt_starts(a->entries[i]->name, name); i++)
        if (a->entries[i]->name[n] == '/') return true;
    return false;
}

static berth_status read_bytes(const bt_archive *a, entry *e, berth_error *error)
{
    if (!e->member || e->bytes.p) return BERTH_OK;
    return bt_zip_read_member(&a->zip, e->member, e->name, &e->bytes, error);
}

bt_file *bt_files_open(const bt_source *source, const char *path, berth_error *error)
{
    const bt_archive *a = source->archive;
    if (!a) return bt_file_open(path, error);
    entry *e = find(a, path);
    if (!e) return bt_fail(error, BERTH_NOT_FOUND, "%s: is not in the archive", plain(path)), NULL;
    if (read_bytes(a, e, error)) return NULL;
    if (!e->bytes.n) return bt_fail(error, BERTH_BAD_MODEL, "%s: is empty", e->name), NULL;
    return bt_file_part(a->file, e->name, e->bytes.p, e->bytes.n, error);
}

const char *bt_files_path(bt_source *source, const char *path, berth_error *error)
{
    const bt_archive *a = source->archive;
    if (!a) return path;
    entry *e = find(a, path);
    if (!e) return bt_fail(error, BERTH_NOT_FOUND, "%s: is not in the archive", plain(path)), NULL;
    if (read_bytes(a, e, error)) return NULL;
    bt_file *file = bt_file_named(e->bytes.p, e->bytes.n, error);
    if (!file) return NULL;
    return bt_source_add_file(source, file) ? file->path : (bt_fail_memory(error), NULL);
}
