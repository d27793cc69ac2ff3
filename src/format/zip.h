/* Zip archives: the members of a mapped file, read by the central directory. Stored members are views of the file, deflated
 * ones are inflated (by zlib, where the build has it). Not read: encryption, several disks, other compressions. Source:
 * PKWARE's APPNOTE.TXT 6.3. */
#ifndef BT_ZIP_H
#define BT_ZIP_H

#include "base/arena.h"
#include "base/file.h"
#include "base/map.h"

typedef struct bt_zip_member {
    bt_str name;
    int method, flags;
    uint32_t crc;
    uint64_t stored, size; /* bytes in the file, and when inflated */
    uint64_t header;       /* offset of the local header */
} bt_zip_member;

typedef struct bt_zip {
    const uint8_t *data;
    size_t size;
    bt_map members; /* name -> bt_zip_member *; freed by bt_zip_free */
    bt_arena *arena;
} bt_zip;

bool bt_zip_sniff(const void *data, size_t size);
/* Reads the directory. Names that lead out of the archive, names that stand twice, members that lie outside of the file:
 * the archive is refused. What is read lies in the arena or is a view of the data. */
berth_status bt_zip_open(bt_zip *zip, const void *data, size_t size, bt_arena *arena, berth_error *error);
/* The bytes of a member, checked against its checksum. out->p is NULL when there is none of that name. */
berth_status bt_zip_read(const bt_zip *zip, const char *name, bt_str *out, berth_error *error);
/* The same of a member that was found; needs no `members`. */
berth_status bt_zip_read_member(const bt_zip *zip, const bt_zip_member *m, const char *name, bt_str *out, berth_error *error);
void bt_zip_free(bt_zip *zip);
/* No way out of an archive: no "..", no root, no drive. */
bool bt_zip_name_is_safe(bt_str name);

#endif
