/* Archives: a zip or a tar of a model's folder, gzipped or not, read as a folder where it lies. Where a source has an archive,
 * the files that a format looks for lie in it. To read next: zip.h, tar.c. */
#ifndef BT_ARCHIVE_H
#define BT_ARCHIVE_H

#include "format/zip.h"
#include "graph/graph.h"

/* ---- For format.c ---- */

/* What a gzipped file holds, as another file; NULL with the error set. */
bool bt_gzip_sniff(const bt_file *file);
bt_file *bt_gzip_open(const bt_file *file, berth_error *error);

/* Makes the file the source's archive, if it is one: then *is_archive. A zip that is a Keras archive is none. */
berth_status bt_archive_open(bt_file *file, bt_source *source, bool *is_archive, berth_error *error);
/* The path of the model in the archive: a SavedModel's folder, a checkpoint's prefix, or the only file with a model. NULL
 * with the error set. */
const char *bt_archive_model(bt_source *source, berth_error *error);

/* ---- For formats ---- */

/* In the source's archive, or the file system. */
bool bt_files_has(const bt_source *source, const char *path);
bool bt_files_has_folder(const bt_source *source, const char *path);
bt_file *bt_files_open(const bt_source *source, const char *path, berth_error *error);
/* A path by which this file of the model can be opened while the source lives; NULL with the error set. */
const char *bt_files_path(bt_source *source, const char *path, berth_error *error);

/* ---- tar.c ---- */

bool bt_tar_sniff(const void *data, size_t size);
/* Calls visit for every regular file. Its name ends with a NUL and lies in the arena; its bytes are a view. */
typedef berth_status bt_tar_visit(void *user, const char *name, bt_str bytes, berth_error *error);
berth_status bt_tar_read(const void *data, size_t size, bt_arena *arena, bt_tar_visit *visit, void *user, berth_error *error);

#endif
