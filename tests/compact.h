/* Graphs as short texts, for tests: nodes "name Op input... {attribute:value ...};". T is float where nothing is said; the
 * device that the graph asks for stands behind the op, "Relu@/GPU:0"; a constant is {dtype:DT_INT32 shape:2,2 ints:1,2,3,4}
 * or floats:..., and a vector without a shape; {f:@name} is a function, {Tout:DT_FLOAT,} a list of types. */
#ifndef COMPACT_H
#define COMPACT_H

#include "trial.h"

static inline void compact_numbers(bt_text *text, const char *field, const char *list)
{
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        bt_text_print(text, "%s: %.*s ", field, (int)strcspn(p, ","), p);
}

static inline void compact_shape(bt_text *text, const char *list)
{
    bt_text_print(text, "{ ");
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        bt_text_print(text, "dim { size: %.*s } ", (int)strcspn(p, ","), p);
    bt_text_print(text, "} ");
}

/* Of a constant: {dtype:DT_INT32 shape:2,2 ints:...}; without a shape it is a vector. */
static inline void compact_value(bt_text *text, const char *type, const char *shape, const char *field,
                                 const char *list)
{
    char count[12];
    int n = *list != 0;
    for (const char *p = list; *p; p++) n += *p == ',';
    snprintf(count, sizeof count, "%d", n);
    bt_text_print(text, "attr { key: 'value' value { tensor { dtype: %s tensor_shape ", type);
    compact_shape(text, shape ? shape : count);
    compact_numbers(text, field, list);
    bt_text_print(text, "} } } ");
}

static inline void compact_attr(bt_text *text, const char *key, const char *value)
{
    bt_text_print(text, "attr { key: '%s' value { ", key);
    bool is_list = strchr(value, ',') && value[strspn(value, "0123456789,-")] == 0;
    if (!strncmp(value, "DT_", 3) && strchr(value, ','))
        bt_text_print(text, "list { "), compact_numbers(text, "type", value), bt_text_print(text, "}");
    else if (!strncmp(value, "DT_", 3)) bt_text_print(text, "type: %s", value);
    else if (*value == '@') bt_text_print(text, "func { name: '%s' }", value + 1);
    else if (!strcmp(value, "true") || !strcmp(value, "false")) bt_text_print(text, "b: %s", value);
    else if (is_list)
        bt_text_print(text, "list { "), compact_numbers(text, "i", value), bt_text_print(text, "}");
    else if (value[strspn(value, "0123456789-")] == 0) bt_text_print(text, "i: %s", value);
    else bt_text_print(text, "s: '%s'", value);
    bt_text_print(text, " } } ");
}

static inline void compact_attrs(bt_text *text, char *p, bool is_const)
{
    const char *type = NULL, *shape = NULL;
    bool has_type = is_const;
    for (char *pair = strtok(p, " "); pair; pair = strtok(NULL, " ")) {
        char *value = strchr(pair, ':');
        *value++ = 0;
        has_type |= !strcmp(pair, "T");
        if (is_const && !strcmp(pair, "dtype")) type = value;
        if (is_const && !strcmp(pair, "shape")) shape = value;
        else if (!strcmp(pair, "ints")) compact_value(text, type, shape, "int_val", value);
        else if (!strcmp(pair, "floats")) compact_value(text, type, shape, "float_val", value);
        else compact_attr(text, pair, value);
    }
    if (!has_type) bt_text_print(text, "%s", TRIAL_FLOAT);
}

/* field: "node", or "node_def" in a function. */
static inline void compact_nodes_in(bt_text *text, const char *field, const char *nodes)
{
    char line[4096];
    for (const char *p = nodes; *p; p += strcspn(p, ";"), p += *p == ';') {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(p, ";"), p);
        char name[64], op[96], *attrs = strchr(line, '{'), *words = line;
        int used;
        if (attrs) *attrs++ = 0, attrs[strcspn(attrs, "}")] = 0;
        if (sscanf(words, " %63s %95s%n", name, op, &used) != 2) continue;
        char *device = strchr(op, '@');
        if (device) *device++ = 0;
        bt_text_print(text, "%s { name: '%s' op: '%s' device: '%s' ", field, name, op, device ? device : "");
        for (words += used; sscanf(words, " %63s%n", name, &used) == 1; words += used)
            bt_text_print(text, "input: '%s' ", name);
        char none[1] = "";
        compact_attrs(text, attrs ? attrs : none, !strcmp(op, "Const"));
        bt_text_print(text, "}\n");
    }
}

static inline void compact_nodes(bt_text *text, const char *nodes) { compact_nodes_in(text, "node", nodes); }

#endif
