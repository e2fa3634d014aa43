/* common/yaml.h: reading a YAML file that a person wrote, with a sentence for each mistake in it.
 *
 * libyaml makes a tree with the place of each thing in the file; whoever reads a kind of file walks it
 * once, from the top, to a fixed depth, so neither aliases nor deep nesting can make it run on. The first mistake
 * ends it: FILE:LINE:COLUMN and what would be right. A key that isn't known is refused with the list of those that
 * are: a misspelt `route:` that is silently ignored costs a student an evening.
 */
#ifndef APPS_COMMON_YAML_H
#define APPS_COMMON_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "common/text.h"

#define YAML_FILE_MAX   1048576 /* bytes */
#define YAML_PHRASE_MAX 2000    /* bytes of one line of text */

typedef const yaml_node_t yaml_item; /* a thing in the tree */

struct yaml_reader {
    yaml_document_t doc;
    const char *file; /* for sentences; borrowed */
    const char *kind; /* "topology": what the file is; borrowed */
    void *user;       /* whoever reads: what is being made of it */
    char *msg;
    size_t msg_size;
    unsigned entries; /* of lists and mappings, read so far */
    bool failed;      /* the first sentence stays */
};

/* A file's bytes, at most YAML_FILE_MAX. False: a sentence. */
bool yaml_file_read(const char *file, const char *kind, struct text *bytes, char *msg, size_t msg_size);
/* The tree; its root may be NULL (an empty file). False: a sentence, and nothing to close. */
bool yaml_reader_open(struct yaml_reader *r, const char *file, const char *kind, const char *bytes, size_t len, char *msg,
                      size_t msg_size);
void yaml_reader_close(struct yaml_reader *r);
yaml_item *yaml_root(struct yaml_reader *r);
/* The sentence, behind the place of `at` (NULL: the file). Always false. */
bool yaml_fail(struct yaml_reader *r, yaml_item *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

unsigned yaml_line(yaml_item *n);
/* A scalar's text; NULL: it is none, or it holds a NUL. */
const char *yaml_scalar(yaml_item *n);
/* Text of one line, not empty; NULL: a sentence that begins with `what`. */
const char *yaml_phrase(struct yaml_reader *r, yaml_item *n, const char *what);
bool yaml_yes(struct yaml_reader *r, yaml_item *n, const char *key, bool *out);
/* Calls fn for each key of a mapping; keys come once each. */
bool yaml_each_key(struct yaml_reader *r, yaml_item *map, const char *what,
                   bool (*fn)(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value), void *ctx);
/* Calls fn for each entry of a list; a single scalar is a list of one. An empty value is an empty list. */
bool yaml_each_entry(struct yaml_reader *r, yaml_item *list, const char *what,
                     bool (*fn)(struct yaml_reader *r, void *ctx, yaml_item *entry), void *ctx);
/* The n-th entry of a list; NULL: there are fewer. */
yaml_item *yaml_nth(struct yaml_reader *r, yaml_item *list, size_t n);
size_t yaml_length(yaml_item *list); /* of a list; else 0 */

#endif
