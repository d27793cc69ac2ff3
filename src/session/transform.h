/* A changed copy of a model: berth_model_transform, and what berth_model_save needs beside. */
#ifndef BT_TRANSFORM_H
#define BT_TRANSFORM_H

#include "session/model.h"

/* flat: for a GraphDef. One signature's inputs are placeholders named by its keys, its outputs identities, and variables
 * are constants. options may be NULL. */
berth_model *bt_model_transform(berth_model *model, const berth_transform_options *options, bool flat,
                                berth_error *error);
berth_status bt_model_save(berth_model *model, const char *path, const char *format, berth_error *error);

#endif
