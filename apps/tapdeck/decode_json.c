/* tapdeck/decode_json.c: packets as JSON, an object a line: `tapdeck -j tcpdump`.
 *
 * tcpdump prints sentences for people; a program that wants fields has them from tshark. What only
 * this stack knows is put here: when and where the packet was, and why.
 */
#include "tapdeck/decode.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The lines of the comments, each as a string; what is no UTF-8 (another program's file) is left out. */
static json_t *lines_of(const char *comment)
{
    json_t *list = json_array();
    while (comment != NULL && *comment != '\0') {
        size_t n = strcspn(comment, "\n");
        json_t *line = json_stringn(comment, n);
        if (line != NULL)
            (void)json_array_append_new(list, line);
        comment += n + (comment[n] == '\n');
    }
    return list;
}

void decode_json(const struct capture_frame *f, const char *interface, FILE *out)
{
    static const char *const directions[] = {NULL, "in", "out"};
    static const char digit[] = "0123456789abcdef";
    json_t *j = json_object();
    char *hex = malloc(2 * (size_t)f->caplen + 1);
    if (f->number != 0)
        (void)json_object_set_new(j, "pkt", json_integer((json_int_t)f->number));
    if (f->timed)
        (void)json_object_set_new(j, "wall_ns", json_integer(f->wall));
    if (interface != NULL)
        (void)json_object_set_new(j, "ifname", json_string(interface));
    if (directions[f->dir] != NULL)
        (void)json_object_set_new(j, "direction", json_string(directions[f->dir]));
    (void)json_object_set_new(j, "link_type", json_integer(f->link));
    (void)json_object_set_new(j, "len", json_integer(f->len));
    for (uint32_t i = 0; hex != NULL && i < f->caplen; i++) {
        hex[2 * i] = digit[f->bytes[i] >> 4];
        hex[2 * i + 1] = digit[f->bytes[i] & 15];
    }
    if (hex != NULL)
        (void)json_object_set_new(j, "bytes", json_stringn(hex, 2 * (size_t)f->caplen));
    (void)json_object_set_new(j, "why", lines_of(f->comment));
    (void)json_dumpf(j, out, JSON_COMPACT);
    (void)fputc('\n', out);
    free(hex);
    json_decref(j);
}
