/* The fields of TensorFlow's messages. Those that berth has no use for are there to be skipped. */
#include "format/pbtxt_schema.h"

#define FIELDS(...)        \
    (const bt_txt_field[]) \
    {                      \
        __VA_ARGS__, { 0 } \
    }

const bt_txt_field *const bt_txt_messages[] = {
    [TXT_GRAPH] = FIELDS({"node", 1, TXT_NODE}, {"library", 2, TXT_LIBRARY}, {"version", 3, TXT_INT},
                         {"versions", 4, TXT_VERSIONS}, {"debug_info", 5, TXT_SKIP}),
    [TXT_LIBRARY] = FIELDS({"function", 1, TXT_FUNCTION}, {"gradient", 2, TXT_SKIP},
                           {"registered_gradients", 3, TXT_SKIP}),
    [TXT_FUNCTION] =
        FIELDS({"signature", 1, TXT_SIGNATURE}, {"node_def", 3, TXT_NODE}, {"ret", 4, TXT_TEXT_ENTRY},
               {"attr", 5, TXT_ATTR_ENTRY}, {"control_ret", 6, TXT_TEXT_ENTRY},
               {"arg_attr", 7, TXT_ARG_ATTRS_ENTRY}, {"resource_arg_unique_id", 8, TXT_SKIP}),
    [TXT_SIGNATURE] =
        FIELDS({"name", 1, TXT_TEXT}, {"input_arg", 2, TXT_ARG}, {"output_arg", 3, TXT_ARG},
               {"attr", 4, TXT_SKIP}, {"summary", 5, TXT_TEXT}, {"description", 6, TXT_TEXT},
               {"deprecation", 8, TXT_SKIP}, {"is_aggregate", 16, TXT_BOOL}, {"is_stateful", 17, TXT_BOOL},
               {"is_commutative", 18, TXT_BOOL}, {"allows_uninitialized_input", 19, TXT_BOOL},
               {"control_output", 20, TXT_TEXT}, {"is_distributed_communication", 21, TXT_BOOL}),
    [TXT_ARG] = FIELDS({"name", 1, TXT_TEXT}, {"description", 2, TXT_TEXT}, {"type", 3, TXT_TYPE},
                       {"type_attr", 4, TXT_TEXT}, {"number_attr", 5, TXT_TEXT},
                       {"type_list_attr", 6, TXT_TEXT}, {"handle_data", 7, TXT_SKIP},
                       {"is_ref", 16, TXT_BOOL}, {"experimental_full_type", 17, TXT_SKIP}),
    [TXT_CALL] = FIELDS({"name", 1, TXT_TEXT}, {"attr", 2, TXT_ATTR_ENTRY}),
    [TXT_TEXT_ENTRY] = FIELDS({"key", 1, TXT_TEXT}, {"value", 2, TXT_TEXT}),
    [TXT_ATTR_ENTRY] = FIELDS({"key", 1, TXT_TEXT}, {"value", 2, TXT_ATTR}),
    [TXT_ARG_ATTRS_ENTRY] = FIELDS({"key", 1, TXT_INT}, {"value", 2, TXT_ARG_ATTRS}),
    [TXT_ARG_ATTRS] = FIELDS({"attr", 1, TXT_ATTR_ENTRY}),
    [TXT_VERSIONS] =
        FIELDS({"producer", 1, TXT_INT}, {"min_consumer", 2, TXT_INT}, {"bad_consumers", 3, TXT_INT}),
    [TXT_NODE] = FIELDS({"name", 1, TXT_TEXT}, {"op", 2, TXT_TEXT}, {"input", 3, TXT_TEXT},
                        {"device", 4, TXT_TEXT}, {"attr", 5, TXT_ATTR_ENTRY},
                        {"experimental_debug_info", 6, TXT_SKIP}, {"experimental_type", 7, TXT_SKIP}),
    [TXT_ATTR] = FIELDS({"list", 1, TXT_LIST}, {"s", 2, TXT_TEXT}, {"i", 3, TXT_INT}, {"f", 4, TXT_FLOAT},
                        {"b", 5, TXT_BOOL}, {"type", 6, TXT_TYPE}, {"shape", 7, TXT_SHAPE},
                        {"tensor", 8, TXT_TENSOR}, {"placeholder", 9, TXT_TEXT}, {"func", 10, TXT_CALL}),
    [TXT_LIST] = FIELDS({"s", 2, TXT_TEXT}, {"i", 3, TXT_INT}, {"f", 4, TXT_FLOAT}, {"b", 5, TXT_BOOL},
                        {"type", 6, TXT_TYPE}, {"shape", 7, TXT_SHAPE}, {"tensor", 8, TXT_TENSOR},
                        {"func", 9, TXT_CALL}),
    [TXT_SHAPE] = FIELDS({"dim", 2, TXT_DIM}, {"unknown_rank", 3, TXT_BOOL}),
    [TXT_DIM] = FIELDS({"size", 1, TXT_INT}, {"name", 2, TXT_TEXT}),
    [TXT_TENSOR] = FIELDS(
        {"dtype", 1, TXT_TYPE}, {"tensor_shape", 2, TXT_SHAPE}, {"version_number", 3, TXT_INT},
        {"tensor_content", 4, TXT_TEXT}, {"float_val", 5, TXT_FLOAT}, {"double_val", 6, TXT_DOUBLE},
        {"int_val", 7, TXT_INT}, {"string_val", 8, TXT_TEXT}, {"scomplex_val", 9, TXT_FLOAT},
        {"int64_val", 10, TXT_INT}, {"bool_val", 11, TXT_BOOL}, {"dcomplex_val", 12, TXT_DOUBLE},
        {"half_val", 13, TXT_INT}, {"resource_handle_val", 14, TXT_SKIP}, {"variant_val", 15, TXT_SKIP},
        {"uint32_val", 16, TXT_UINT}, {"uint64_val", 17, TXT_UINT}, {"float8_val", 18, TXT_TEXT}),
    [TXT_SAVED_MODEL] =
        FIELDS({"saved_model_schema_version", 1, TXT_INT}, {"meta_graphs", 2, TXT_META_GRAPH}),
    [TXT_META_GRAPH] =
        FIELDS({"meta_info_def", 1, TXT_META_INFO}, {"graph_def", 2, TXT_GRAPH}, {"saver_def", 3, TXT_SAVER},
               {"collection_def", 4, TXT_COLLECTION_ENTRY}, {"signature_def", 5, TXT_SIGNATURE_ENTRY},
               {"asset_file_def", 6, TXT_ASSET}, {"object_graph_def", 7, TXT_SKIP}),
    [TXT_META_INFO] = FIELDS({"meta_graph_version", 1, TXT_TEXT}, {"stripped_op_list", 2, TXT_SKIP},
                             {"any_info", 3, TXT_SKIP}, {"tags", 4, TXT_TEXT},
                             {"tensorflow_version", 5, TXT_TEXT}, {"tensorflow_git_version", 6, TXT_TEXT},
                             {"stripped_default_attrs", 7, TXT_BOOL}, {"function_aliases", 8, TXT_SKIP}),
    [TXT_SAVER] =
        FIELDS({"filename_tensor_name", 1, TXT_TEXT}, {"save_tensor_name", 2, TXT_TEXT},
               {"restore_op_name", 3, TXT_TEXT}, {"max_to_keep", 4, TXT_INT}, {"sharded", 5, TXT_BOOL},
               {"keep_checkpoint_every_n_hours", 6, TXT_FLOAT}, {"version", 7, TXT_SKIP}),
    [TXT_COLLECTION_ENTRY] = FIELDS({"key", 1, TXT_TEXT}, {"value", 2, TXT_COLLECTION}),
    [TXT_COLLECTION] =
        FIELDS({"node_list", 1, TXT_VALUES}, {"bytes_list", 2, TXT_VALUES}, {"int64_list", 3, TXT_SKIP},
               {"float_list", 4, TXT_SKIP}, {"any_list", 5, TXT_SKIP}),
    [TXT_VALUES] = FIELDS({"value", 1, TXT_TEXT}),
    [TXT_SIGNATURE_ENTRY] = FIELDS({"key", 1, TXT_TEXT}, {"value", 2, TXT_SIGNATURE_DEF}),
    [TXT_SIGNATURE_DEF] = FIELDS({"inputs", 1, TXT_INFO_ENTRY}, {"outputs", 2, TXT_INFO_ENTRY},
                                 {"method_name", 3, TXT_TEXT}, {"defaults", 4, TXT_SKIP}),
    [TXT_INFO_ENTRY] = FIELDS({"key", 1, TXT_TEXT}, {"value", 2, TXT_INFO}),
    [TXT_INFO] = FIELDS({"name", 1, TXT_TEXT}, {"dtype", 2, TXT_TYPE}, {"tensor_shape", 3, TXT_SHAPE},
                        {"coo_sparse", 4, TXT_SKIP}, {"composite_tensor", 5, TXT_SKIP}),
    [TXT_ASSET] = FIELDS({"tensor_info", 1, TXT_INFO}, {"filename", 2, TXT_TEXT}),
    [TXT_CONFIG] = FIELDS({"device_count", 1, TXT_COUNT_ENTRY}, {"intra_op_parallelism_threads", 2, TXT_INT},
                          {"placement_period", 3, TXT_INT}, {"device_filters", 4, TXT_TEXT},
                          {"inter_op_parallelism_threads", 5, TXT_INT}, {"gpu_options", 6, TXT_GPU_OPTIONS},
                          {"allow_soft_placement", 7, TXT_BOOL}, {"log_device_placement", 8, TXT_BOOL},
                          {"use_per_session_threads", 9, TXT_BOOL}, {"graph_options", 10, TXT_SKIP},
                          {"operation_timeout_in_ms", 11, TXT_INT},
                          {"session_inter_op_thread_pool", 12, TXT_SKIP}, {"rpc_options", 13, TXT_SKIP},
                          {"cluster_def", 14, TXT_SKIP}, {"isolate_session_state", 15, TXT_BOOL},
                          {"experimental", 16, TXT_SKIP}, {"share_cluster_devices_in_session", 17, TXT_BOOL},
                          {"pluggable_device_options", 18, TXT_SKIP}),
    [TXT_COUNT_ENTRY] = FIELDS({"key", 1, TXT_TEXT}, {"value", 2, TXT_INT}),
    [TXT_GPU_OPTIONS] =
        FIELDS({"per_process_gpu_memory_fraction", 1, TXT_DOUBLE}, {"allocator_type", 2, TXT_TEXT},
               {"deferred_deletion_bytes", 3, TXT_INT}, {"allow_growth", 4, TXT_BOOL},
               {"visible_device_list", 5, TXT_TEXT}, {"polling_active_delay_usecs", 6, TXT_INT},
               {"polling_inactive_delay_msecs", 7, TXT_INT}, {"force_gpu_compatible", 8, TXT_BOOL},
               {"experimental", 9, TXT_GPU_EXPERIMENTAL}),
    [TXT_GPU_EXPERIMENTAL] = FIELDS(
        {"virtual_devices", 1, TXT_VIRTUAL_DEVICES}, {"use_unified_memory", 2, TXT_BOOL},
        {"num_dev_to_dev_copy_streams", 3, TXT_INT}, {"collective_ring_order", 4, TXT_TEXT},
        {"timestamped_allocator", 5, TXT_BOOL}, {"kernel_tracker_max_interval", 7, TXT_INT},
        {"kernel_tracker_max_bytes", 8, TXT_INT}, {"kernel_tracker_max_pending", 9, TXT_INT},
        {"internal_fragmentation_fraction", 10, TXT_DOUBLE}, {"use_cuda_malloc_async", 11, TXT_BOOL},
        {"disallow_retry_on_allocation_failure", 12, TXT_BOOL}, {"gpu_host_mem_limit_in_mb", 13, TXT_FLOAT}),
    [TXT_VIRTUAL_DEVICES] =
        FIELDS({"memory_limit_mb", 1, TXT_FLOAT}, {"priority", 2, TXT_INT}, {"device_ordinal", 3, TXT_INT}),
};
