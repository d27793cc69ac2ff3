/* Which kind each attribute has: in TensorFlow's op definitions its name alone says so, T, Tout and f excepted, which
 * are a type or function here and a list of them there, so they are not checked. Read where the attributes are: value.c. */
#include "format/graphdef.h"

typedef struct group {
    const char *kind; /* for messages */
    bt_attr_kind of;
    bool is_list;
    const char *names;
} group;

static const group groups[] = {
    {"a type", BT_ATTR_TYPE, false,
     "DstT Index SrcT T1 T2 Tactivation Taxis Tblock_shape Tcomplex Tcond Tcrops Tdim Tfilter Tidx Tindex "
     "Tindices Tinput "
     "Tk Tkey Tlabels Tlen Tmultiples Tnumsegments Toutput Tpaddings Tparams Tperm Treal Tseed Tsegmentids "
     "Tshape Tshift "
     "Tsplits Tval Tvalues dtype elem_type element_dtype index_type internal_type key_dtype out_idx out_type "
     "output_dtype "
     "output_type shape_type value_dtype"},
    {"a list of types", BT_ATTR_TYPE, true,
     "Targuments Tcaptured Tcontext_dense Tdense component_types output_types sparse_types"},
    {"a number", BT_ATTR_INT, false,
     "N Ndense Nsparse axis batch_dim batch_dims beam_width begin_mask blank_index block_size channels "
     "concat_dim "
     "depth_radius desired_channels desired_samples ellipsis_mask end_mask groups index k maxlength "
     "minlength "
     "new_axis_mask num num_args num_bits num_buckets num_elements num_partitions num_sparse num_split "
     "parallel_iterations "
     "precision quantization_axis seed seed2 seq_dim shrink_axis_mask stride summarize top_paths width "
     "window_size"},
    {"a list of numbers", BT_ATTR_INT, true,
     "dilations explicit_paddings ksize ksizes rates squeeze_dims strides"},
    {"a float", BT_ATTR_FLOAT, false,
     "acceptable_fraction alpha beta bias cell_clip epsilon exponential_avg_factor extrapolation_value "
     "forget_bias "
     "iou_threshold leakyrelu_alpha max min variance_epsilon"},
    {"true or false", BT_ATTR_BOOL, false,
     "Truncate adj_x adj_y adjoint adjoint_a adjoint_b align_corners antialias binary_output centered "
     "clear_after_read "
     "clip_boxes compute_v dynamic_size exclusive full_matrices grad_a grad_b half_pixel_centers "
     "identical_element_shapes "
     "ignore_longer_outputs_than_inputs ignore_lookup_error is_training keep_dims lower magnitude_squared "
     "merge_repeated "
     "narrow_range normalized overlapping pad_per_class pad_to_max_output_size range_given replace_global "
     "reverse "
     "scale_after_normalization scientific shortest signed_input skip_empty sorted transpose_a transpose_b "
     "use_peephole "
     "validate_indices validate_shape"},
    {"a string", BT_ATTR_STRING, false,
     "align bad_indices_policy container data_format encoding equation errors fill fill_mode filter_format "
     "input_encoding "
     "interpolation message method mode output_encoding padding pattern placeholder rewrite round_mode "
     "separator "
     "set_operation shared_name unit"},
    {"a list of strings", BT_ATTR_STRING, true, "dense_keys fused_ops row_partition_types sparse_keys"},
    {"a shape", BT_ATTR_SHAPE, false, "element_shape element_shape_except0 shape value_shape"},
    {"a list of shapes", BT_ATTR_SHAPE, true, "dense_shapes output_shapes"},
    {"a tensor", BT_ATTR_TENSOR, false, "value"},
    {"a function", BT_ATTR_FUNC, false, "body cond else_branch then_branch"},
    {"a list of functions", BT_ATTR_FUNC, true, "branches"},
};

bool bt_attr_kinds(bt_map *kinds)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        for (const char *p = groups[i].names; *p;) {
            size_t n = strcspn(p, " ");
            if (!bt_map_put(kinds, (bt_str){p, n}, (void *)&groups[i])) return false;
            p += n + (p[n] == ' ');
        }
    return true;
}

berth_status bt_attr_check(const bt_map *kinds, const bt_node *node, berth_error *error)
{
    for (int i = 0; i < node->n_attrs; i++) {
        const bt_attr *a = &node->attrs[i];
        const group *wanted = bt_map_get(kinds, bt_str_of(a->name));
        if (!wanted || a->kind == BT_ATTR_NONE)
            continue; /* an empty list has no kind, and a placeholder waits for one */
        if (a->is_list != wanted->is_list || a->kind != wanted->of)
            return bt_fail(error, BERTH_BAD_MODEL, "node '%s': attribute '%s' is not %s", node->name, a->name,
                           wanted->kind);
    }
    return BERTH_OK;
}
