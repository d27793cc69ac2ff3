/* Images on a device against the CPU: colours, patches, dilation, glimpses, boxes, projections, other sizes. */
#include "gpu_trial.h"

static void sizes(int64_t h, int64_t w)
{
    int32_t *p = bt_arena_array(&op_arena, int32_t, 2);
    p[0] = (int32_t)h, p[1] = (int32_t)w;
    op_input(BERTH_INT32, BT_SHAPE(2), p);
}

static bt_shape images(int64_t channels)
{
    return BT_SHAPE(check_int(1, 3), check_int(5, 12), check_int(5, 12), channels ? channels : check_int(1, 5));
}

static void finish(double tolerance)
{
    gpu_agrees(tolerance);
    op_end();
}

static void test_colours(berth_dtype dtype)
{
    static const char *const ops[] = {"RGBToHSV", "HSVToRGB", "AdjustHue", "AdjustSaturation", "AdjustContrastv2"};
    for (int i = 0; i < 5; i++) {
        if (i > 1 && dtype == BERTH_DOUBLE) continue;
        op_begin(ops[i]);
        gpu_input(dtype, images(3), 0, 1);
        if (i > 1) gpu_input(BERTH_FLOAT, BT_SCALAR, 0.2, 1.5);
        finish(gpu_ulp(dtype) * 4);
    }
    op_begin("AdjustContrastv2");
    gpu_input(BERTH_FLOAT, BT_SHAPE(2, 40, 50, 2), 100, 101);
    gpu_input(BERTH_FLOAT, BT_SCALAR, 2, 2);
    finish(1e-6);
    op_begin("RGBToHSV");
    gpu_input(dtype, BT_SHAPE(0, 3), 0, 1);
    finish(0);
}

static void set_windows(bool rates)
{
    const char *const names[] = {"ksizes", "strides", "rates"};
    for (int i = 0; i < 2 + rates; i++) {
        const int64_t list[4] = {1, check_int(1, i ? 2 : 3), check_int(1, i ? 2 : 3), 1};
        bt_set_ints(&op_graph, 0, names[i], list, 4);
    }
    bt_set_string(&op_graph, 0, "padding", check_int(0, 1) ? "SAME" : "VALID");
}

static void test_windows(berth_dtype dtype)
{
    op_begin("ExtractImagePatches");
    set_windows(true);
    gpu_input(dtype, images(0), 0, 9);
    finish(0);
    op_begin("ExtractVolumePatches");
    const int64_t size[5] = {1, 2, 3, 2, 1}, stride[5] = {1, 1, 2, 3, 1};
    bt_set_ints(&op_graph, 0, "ksizes", size, 5);
    bt_set_ints(&op_graph, 0, "strides", stride, 5);
    bt_set_string(&op_graph, 0, "padding", check_int(0, 1) ? "SAME" : "VALID");
    gpu_input(dtype, BT_SHAPE(2, 4, 5, 6, 2), 0, 9);
    finish(0);
    if (dtype == BERTH_BOOL) return;
    op_begin("Dilation2D");
    set_windows(true);
    bt_shape s = images(0);
    gpu_input(dtype, s, -9, 9);
    gpu_input(dtype, BT_SHAPE(check_int(1, 2), check_int(1, 2), s.dim[3]), -3, 3);
    finish(gpu_ulp(dtype));
}

static void test_glimpse(const char *op)
{
    op_begin(op);
    bt_set_bool(&op_graph, 0, "centered", check_int(0, 1));
    bt_set_bool(&op_graph, 0, "normalized", check_int(0, 1));
    bt_set_bool(&op_graph, 0, "uniform_noise", false);
    bt_set_string(&op_graph, 0, "noise", "zero");
    bt_shape s = images(0);
    gpu_input(BERTH_FLOAT, s, 0, 1);
    sizes(check_int(0, 8), check_int(1, 8));
    gpu_input(BERTH_FLOAT, BT_SHAPE(s.dim[0], 2), -2, 2);
    finish(0);
}

static void test_draw(const char *op, berth_dtype dtype)
{
    static const int64_t channels[] = {1, 3, 4};
    op_begin(op);
    bt_shape s = images(channels[check_int(0, 2)]);
    gpu_input(dtype, s, 0, 1);
    gpu_input(BERTH_FLOAT, BT_SHAPE(s.dim[0], check_int(0, 5), 4), -0.5, 1.5);
    if (bt_ends(op, "V2")) gpu_input(BERTH_FLOAT, BT_SHAPE(check_int(0, 3), 4), 0, 1);
    finish(0);
}

static void test_project(const char *op, berth_dtype dtype)
{
    static const char *const modes[] = {"CONSTANT", "REFLECT", "WRAP", "NEAREST"};
    op_begin(op);
    bt_set_type(&op_graph, 0, "dtype", dtype);
    bt_set_string(&op_graph, 0, "interpolation", check_int(0, 1) ? "NEAREST" : "BILINEAR");
    bt_set_string(&op_graph, 0, "fill_mode", modes[check_int(0, 3)]);
    bt_shape s = images(0);
    gpu_input(dtype, s, 0, 200);
    gpu_input(BERTH_FLOAT, BT_SHAPE(check_int(0, 1) ? s.dim[0] : 1, 8), -1.2, 1.4);
    sizes(check_int(1, 14), check_int(1, 14));
    if (bt_ends(op, "V3")) gpu_input(BERTH_FLOAT, BT_SCALAR, -3, 9);
    finish(gpu_ulp(dtype) * 8);
}

static void test_resize(const char *op, berth_dtype dtype)
{
    op_begin(op);
    int way = check_int(0, 2);
    bt_set_bool(&op_graph, 0, "align_corners", way == 1);
    if (strcmp(op, "ResizeArea")) bt_set_bool(&op_graph, 0, "half_pixel_centers", way == 2);
    gpu_input(dtype, images(0), 0, 100);
    sizes(check_int(1, 20), check_int(1, 20));
    finish(dtype == BERTH_DOUBLE ? 1e-6 : gpu_ulp(BERTH_FLOAT) * 4);
}

static void test_crop(berth_dtype dtype)
{
    const int32_t beyond[1] = {3};
    const float box[4] = {0, 0, 1, 1};
    op_begin("CropAndResize");
    bt_set_string(&op_graph, 0, "method", check_int(0, 1) ? "nearest" : "bilinear");
    bt_set_float(&op_graph, 0, "extrapolation_value", 7);
    bt_shape s = images(0);
    gpu_input(dtype, s, 0, 100);
    int64_t n = check_int(0, 5);
    gpu_input(BERTH_FLOAT, BT_SHAPE(n, 4), -0.2, 1.2);
    gpu_input(BERTH_INT32, BT_SHAPE(n), 0, (double)s.dim[0]);
    sizes(check_int(1, 7), check_int(1, 7));
    finish(1e-5);
    op_begin("CropAndResize");
    gpu_input(dtype, BT_SHAPE(3, 4, 4, 2), 0, 100);
    op_input(BERTH_FLOAT, BT_SHAPE(1, 4), box);
    op_input(BERTH_INT32, BT_SHAPE(1), beyond);
    sizes(2, 2);
    CHECK(op_run() == BERTH_BAD_INPUT && !strcmp(op_error.message, "image 3 of 3"));
    CHECK(gpu_fails(0, "node 'node' (CropAndResize): image 3 of 3"));
    op_end();
}

static void test_scale(berth_dtype dtype, const char *kernel)
{
    op_begin("ScaleAndTranslate");
    bt_set_string(&op_graph, 0, "kernel_type", kernel);
    bt_set_bool(&op_graph, 0, "antialias", check_int(0, 1));
    gpu_input(dtype, images(0), 0, 100);
    sizes(check_int(1, 20), check_int(1, 20));
    gpu_input(BERTH_FLOAT, BT_SHAPE(2), 0.3, 2);
    gpu_input(BERTH_FLOAT, BT_SHAPE(2), -3, 3);
    finish(1e-4);
}

int main(void)
{
    static const char *const kernels[] = {"lanczos1", "lanczos3", "lanczos5",  "gaussian",
                                          "box",      "triangle", "keyscubic", "mitchellcubic"};
    static const berth_dtype kinds[] = {BERTH_FLOAT, BERTH_HALF,  BERTH_BFLOAT16, BERTH_DOUBLE, BERTH_UINT8, BERTH_INT32,
                                        BERTH_INT8,  BERTH_INT16, BERTH_INT64,    BERTH_UINT16, BERTH_BOOL};
    if (!gpu_open()) return 0;
    for (int i = 0; i < 11; i++) {
        if (bt_dtype_is_float(kinds[i])) test_colours(kinds[i]);
        test_windows(kinds[i]);
        if (i < 10) {
            test_resize("ResizeBilinear", kinds[i]), test_resize("ResizeNearestNeighbor", kinds[i]);
            test_resize("ResizeBicubic", kinds[i]), test_resize("ResizeArea", kinds[i]);
            test_crop(kinds[i]);
        }
        if (i < 2) test_draw("DrawBoundingBoxes", kinds[i]), test_draw("DrawBoundingBoxesV2", kinds[i]);
        if (i < 6) test_project("ImageProjectiveTransformV2", kinds[i]), test_project("ImageProjectiveTransformV3", kinds[i]);
    }
    for (int i = 0; i < 8; i++) test_scale(i % 2 ? BERTH_FLOAT : BERTH_UINT8, kernels[i]);
    for (int i = 0; i < 6; i++) {
        test_glimpse(i % 2 ? "ExtractGlimpse" : "ExtractGlimpseV2");
        test_draw("DrawBoundingBoxesV2", BERTH_FLOAT);
        test_project("ImageProjectiveTransformV3", BERTH_FLOAT);
    }
    gpu_close();
    return check_done();
}
