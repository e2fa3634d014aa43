/* common/yaml.c: see yaml.h. */
#include "common/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A hand writes less; a file made to harm (aliases that repeat a long text, brackets a million deep) would
 * take the machine's memory or an hour. */
#define NESTING_MAX 32
#define LIST_MAX    4096   /* entries of one list or mapping */
#define ENTRIES_MAX 100000 /* of all */

bool yaml_fail(struct yaml_reader *r, yaml_item *at, const char *fmt, ...)
{
    va_list ap;
    if (r->failed)
        return false; /* the first one is the cause of the others */
    int n = at == NULL ? snprintf(r->msg, r->msg_size, "%s: ", r->file)
                       : snprintf(r->msg, r->msg_size, "%s:%zu:%zu: ", r->file, at->start_mark.line + 1,
                                  at->start_mark.column + 1);
    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < r->msg_size)
        vsnprintf(r->msg + n, r->msg_size - (size_t)n, fmt, ap);
    va_end(ap);
    for (char *c = r->msg; *c != '\0'; c++) /* the file's words are quoted: none of them speaks to the terminal */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    r->failed = true;
    return false;
}

static yaml_item *get(struct yaml_reader *r, int index)
{
    return yaml_document_get_node(&r->doc, index);
}

unsigned yaml_line(yaml_item *n)
{
    return (unsigned)n->start_mark.line + 1;
}

const char *yaml_scalar(yaml_item *n)
{
    if (n == NULL || n->type != YAML_SCALAR_NODE)
        return NULL;
    const char *s = (const char *)n->data.scalar.value;
    return strlen(s) == n->data.scalar.length ? s : NULL;
}

const char *yaml_phrase(struct yaml_reader *r, yaml_item *n, const char *what)
{
    const char *s = yaml_scalar(n);
    if (s == NULL || *s == '\0' || strchr(s, '\n') != NULL || strlen(s) > YAML_PHRASE_MAX) {
        yaml_fail(r, n, "%s is one line of text, at most %d bytes", what, YAML_PHRASE_MAX);
        return NULL;
    }
    return s;
}

bool yaml_yes(struct yaml_reader *r, yaml_item *n, const char *key, bool *out)
{
    const char *s = yaml_scalar(n);
    static const char *const words[2][4] = {{"no", "false", "off", "0"}, {"yes", "true", "on", "1"}};
    for (int v = 0; s != NULL && v < 2; v++) {
        for (int i = 0; i < 4; i++) {
            if (strcmp(s, words[v][i]) == 0) {
                *out = v == 1;
                return true;
            }
        }
    }
    return yaml_fail(r, n, "'%s' is yes or no", key);
}

/* Whether a list or mapping of n entries may be read. */
static bool not_too_many(struct yaml_reader *r, yaml_item *at, const char *what, ptrdiff_t n)
{
    if (n > LIST_MAX)
        return yaml_fail(r, at, "%s: at most %d entries", what, LIST_MAX);
    r->entries += (unsigned)n;
    return r->entries <= ENTRIES_MAX || yaml_fail(r, at, "a %s has at most %d entries in all", r->kind, ENTRIES_MAX);
}

bool yaml_each_key(struct yaml_reader *r, yaml_item *map, const char *what,
                     bool (*fn)(struct yaml_reader *r, void *ctx, yaml_item *key, const char *name, yaml_item *value),
                     void *ctx)
{
    if (map == NULL || map->type != YAML_MAPPING_NODE)
        return yaml_fail(r, map, "%s is a mapping: `key: value`, a line each", what);
    if (!not_too_many(r, map, what, map->data.mapping.pairs.top - map->data.mapping.pairs.start))
        return false;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        yaml_item *key = get(r, p->key), *value = get(r, p->value);
        const char *name = yaml_scalar(key);
        if (name == NULL || value == NULL || strlen(name) > YAML_PHRASE_MAX)
            return yaml_fail(r, key != NULL ? key : map, "a key of %s is a word", what);
        for (yaml_node_pair_t *q = map->data.mapping.pairs.start; q < p; q++) {
            const char *before = yaml_scalar(get(r, q->key));
            if (before != NULL && strcmp(before, name) == 0)
                return yaml_fail(r, key, "'%s' is there already, in line %u", name, yaml_line(get(r, q->key)));
        }
        if (!fn(r, ctx, key, name, value))
            return false;
    }
    return true;
}

bool yaml_each_entry(struct yaml_reader *r, yaml_item *list, const char *what,
                       bool (*fn)(struct yaml_reader *r, void *ctx, yaml_item *entry), void *ctx)
{
    const char *s = yaml_scalar(list);
    if (s != NULL)
        return *s == '\0' || fn(r, ctx, list);
    if (list == NULL || list->type != YAML_SEQUENCE_NODE)
        return yaml_fail(r, list, "%s is a list: `- entry`, a line each, or [entry, entry]", what);
    if (!not_too_many(r, list, what, list->data.sequence.items.top - list->data.sequence.items.start))
        return false;
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++)
        if (!fn(r, ctx, get(r, *i)))
            return false;
    return true;
}

/* Reads the events once, for what the tree's maker would choke on: deep nesting costs libyaml a time that grows with
 * its square. False: a sentence, unless the trouble is one of YAML, which yaml_parser_load will say. */
static bool shape_ok(struct yaml_reader *r, const char *bytes, size_t len)
{
    yaml_parser_t parser;
    yaml_event_t e;
    unsigned depth = 0, documents = 0;
    bool ok = true, over = false;
    if (!yaml_parser_initialize(&parser))
        return true;
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
    while (ok && !over && yaml_parser_parse(&parser, &e)) {
        unsigned long line = e.start_mark.line + 1, column = e.start_mark.column + 1;
        over = e.type == YAML_STREAM_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            snprintf(r->msg, r->msg_size, "%s:%lu:%lu: a second YAML document begins here: a %s is one", r->file, line, column, r->kind);
            ok = false;
        }
        if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT)
            depth--;
        if ((e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_MAPPING_START_EVENT) && ++depth > NESTING_MAX) {
            snprintf(r->msg, r->msg_size, "%s:%lu:%lu: this is nested too deep for a %s", r->file, line, column, r->kind);
            ok = false;
        }
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    return ok;
}


/* ---- the document ---- */

bool yaml_reader_open(struct yaml_reader *r, const char *file, const char *kind, const char *bytes, size_t len, char *msg,
                      size_t msg_size)
{
    yaml_parser_t parser;
    *r = (struct yaml_reader){.file = file, .kind = kind, .msg = msg, .msg_size = msg_size};
    if (len > YAML_FILE_MAX) {
        snprintf(msg, msg_size, "%s: a %s file has at most %d bytes", file, kind, YAML_FILE_MAX);
        return false;
    }
    if (!shape_ok(r, bytes, len))
        return false;
    if (!yaml_parser_initialize(&parser)) {
        snprintf(msg, msg_size, "%s: out of memory", file);
        return false;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
    bool ok = yaml_parser_load(&parser, &r->doc) != 0;
    if (!ok)
        snprintf(msg, msg_size, "%s:%zu:%zu: this is not YAML: %s", file, parser.problem_mark.line + 1,
                 parser.problem_mark.column + 1, parser.problem != NULL ? parser.problem : "unreadable");
    yaml_parser_delete(&parser);
    return ok;
}

void yaml_reader_close(struct yaml_reader *r)
{
    yaml_document_delete(&r->doc);
}

yaml_item *yaml_root(struct yaml_reader *r)
{
    return yaml_document_get_root_node(&r->doc);
}

size_t yaml_length(yaml_item *list)
{
    return list == NULL || list->type != YAML_SEQUENCE_NODE
               ? 0
               : (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

yaml_item *yaml_nth(struct yaml_reader *r, yaml_item *list, size_t n)
{
    return n < yaml_length(list) ? get(r, list->data.sequence.items.start[n]) : NULL;
}

bool yaml_file_read(const char *file, const char *kind, struct text *bytes, char *msg, size_t msg_size)
{
    FILE *f = fopen(file, "re");
    char buf[4096];
    size_t n;
    if (f == NULL) {
        snprintf(msg, msg_size, "the %s %s can't be read: %s", kind, file, strerror(errno));
        return false;
    }
    while (bytes->len <= YAML_FILE_MAX && (n = fread(buf, 1, sizeof(buf), f)) > 0)
        text_add(bytes, buf, n);
    int err = ferror(f) ? errno : 0;
    fclose(f);
    if (err != 0)
        snprintf(msg, msg_size, "the %s %s can't be read: %s", kind, file, strerror(err));
    return err == 0;
}
