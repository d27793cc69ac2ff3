#include <berth.h>
#include <stdio.h>

int main(void)
{
    static float image[8 * 8]; /* a one, drawn by hand: a vertical stroke */
    for (int y = 0; y < 8; y++) image[8 * y + 3] = image[8 * y + 4] = 1;

    berth_error error;
    berth_model *model = berth_model_load("examples/digits/digits", NULL, &error);
    berth_session *session = model ? berth_session_new(model, NULL, &error) : NULL;
    const int64_t dims[] = {1, 8, 8, 1};
    berth_feed in = {"image", berth_tensor_wrap(BERTH_FLOAT, 4, dims, image, NULL, NULL, NULL)};
    berth_feed out = {"probability", NULL};
    if (!session || berth_session_run(session, &in, 1, &out, 1, NULL, &error))
        return fprintf(stderr, "%s\n", error.message), 1;

    const float *p = berth_tensor_data(out.tensor);
    for (int digit = 0; digit < 10; digit++) printf("%d  %.3f\n", digit, p[digit]);
    berth_tensor_free(out.tensor), berth_tensor_free(in.tensor);
    berth_session_free(session), berth_model_free(model);
    return 0;
}
