/* Files written: under a name beside their own until they are whole, then renamed. A failure leaves what was there before. */
#ifndef BT_SAVE_H
#define BT_SAVE_H

#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"

typedef struct bt_save {
    char *path, *temporary;
    int fd;
    uint64_t n;      /* bytes added */
    bt_text pending; /* not yet in the file */
    int wrong;       /* errno of the first failure, 0 */
} bt_save;

/* Makes the temporary file. What stands at `path` may be a regular file, which will be replaced. */
berth_status bt_save_open(bt_save *s, const char *path, berth_error *error);
/* The same with other rights than all but those that the umask takes. */
berth_status bt_save_open_mode(bt_save *s, const char *path, mode_t mode, berth_error *error);
/* A failure is told by bt_save_close; what is added behind it is lost. */
void bt_save_add(bt_save *s, const void *p, size_t n);
/* Overwrites n bytes that were added before. */
void bt_save_patch(bt_save *s, uint64_t at, const void *p, size_t n);
/* Gives the file its name, or with `keep` false, or after a failure, removes it. */
berth_status bt_save_close(bt_save *s, bool keep, berth_error *error);

/* A new folder beside `path`, to be filled and then renamed: its name, to be freed. Fails when `path` is there and not an
 * empty folder. NULL on failure. */
char *bt_save_folder(const char *path, berth_error *error);
/* Renames the folder to `path`, or with `keep` false, or after a failure, removes it with all that is in it. Frees the name. */
berth_status bt_save_folder_close(char *temporary, const char *path, bool keep, berth_error *error);
/* Copies a regular file. */
berth_status bt_save_copy(const char *from, const char *to, berth_error *error);
/* mkdir; the message names the path. */
berth_status bt_save_make_folder(const char *path, berth_error *error);

#endif
