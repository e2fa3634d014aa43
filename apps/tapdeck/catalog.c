/* tapdeck/catalog.c: the commands there are, and `help`.
 *
 * The daemon's list is asked for as JSON and kept for the session; the client's own commands are
 * put behind it. A command of both is the client's: it is the one that runs.
 */
#include "tapdeck/catalog.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonw.h"
#include "tapdeck/pager.h"

/* ---- the list ---- */

static json_t *ask_daemon(struct session *s, char *err, size_t err_size)
{
    char word[] = "help", *ask[] = {word, NULL}, *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return NULL;
    int status = session_run(s, 1, ask, true, f, err, err_size);
    fclose(f);
    json_t *list = status == EXIT_DONE ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return list;
}

static const char *member(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

const struct catalog *session_catalog(struct session *s)
{
    char err[1024];
    size_t i, locals = 0;
    json_t *item;
    if (s->catalog != NULL && (s->catalog->complete || s->client.fd < 0))
        return s->catalog;
    session_forget_catalog(s);
    struct catalog *c = calloc(1, sizeof(*c));
    json_t *list = ask_daemon(s, err, sizeof(err));
    const struct local_command *const *own = session_locals(s);
    while (own[locals] != NULL)
        locals++;
    if (c == NULL || (c->entry = calloc(json_array_size(list) + locals, sizeof(*c->entry))) == NULL)
        abort();
    c->list = list;
    c->complete = list != NULL;
    json_array_foreach(list, i, item)
    {
        const char *name = member(item, "name");
        bool offered = s->host == NULL || s->host->offers(name);
        if (*name != '\0' && session_local(s, name) == NULL && offered)
            c->entry[c->n++] =
                (struct catalog_entry){name, member(item, "usage"), member(item, "doc"), false};
    }
    for (i = 0; i < locals; i++)
        c->entry[c->n++] = (struct catalog_entry){own[i]->name, own[i]->usage, own[i]->doc, true};
    s->catalog = c;
    return c;
}

void session_forget_catalog(struct session *s)
{
    catalog_free(s->catalog);
    s->catalog = NULL;
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    json_decref(c->list);
    free(c->entry);
    free(c);
}

const struct catalog_entry *catalog_find(const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->entry[i].name, name) == 0)
            return &c->entry[i];
    return NULL;
}

/* ---- help ---- */

static void help_json(const struct catalog_entry *e, const char *more, struct jsonw *w)
{
    jw_open(w, NULL, '{');
    jw_str(w, "name", e->name);
    jw_str(w, "usage", e->usage);
    jw_str(w, "doc", e->doc);
    if (more != NULL)
        jw_str(w, "more", more);
    jw_close(w, '}');
}

/* So many a person's screen has; 0: nobody looks. */
static unsigned help_columns(const struct session *s)
{
    unsigned rows, columns;
    screen_size(&rows, &columns);
    return s->interactive ? columns : 0;
}

static int help_one(struct session *s, char **argv, bool json)
{
    const struct local_command *c = session_local(s, argv[1]);
    if (c != NULL && json) {
        struct text t = {0};
        struct jsonw w = {.t = &t};
        char *more = local_more(c);
        help_json(&(struct catalog_entry){c->name, c->usage, c->doc, true}, more, &w);
        free(more);
        fprintf(s->out, "%s\n", t.s);
        text_free(&t);
        return EXIT_DONE;
    }
    if (c != NULL) {
        char *more = local_more(c);
        help_print(c->usage, c->doc, more, help_columns(s), s->out);
        free(more);
        return EXIT_DONE;
    }
    char err[1024], *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        abort();
    int status = session_run(s, 2, argv, true, f, err, sizeof(err));
    fclose(f);
    json_t *o = status == EXIT_DONE ? json_loads(text, 0, NULL) : NULL;
    if (status == EXIT_DONE && json)
        fputs(text, s->out);
    else if (status == EXIT_DONE)
        help_print(member(o, "usage"), member(o, "doc"),
                   json_string_value(json_object_get(o, "more")), help_columns(s), s->out);
    else if (status == EXIT_USAGE)
        session_suggest(s, argv[1], err, sizeof(err));
    json_decref(o);
    free(text);
    return err[0] != '\0' ? session_fail(s, status, "%s", err) : status;
}

static void list_entry(const struct catalog_entry *e, unsigned width, unsigned columns, FILE *out)
{
    struct text t = {0};
    text_printf(&t, "%-*s %s\n", (int)width, e->name, e->doc);
    help_fold(t.s, columns, width + 1, out);
    text_free(&t);
}

static int help_list(struct session *s, bool json)
{
    const struct catalog *c = session_catalog(s);
    unsigned columns = help_columns(s), width = 10;
    if (json) {
        struct text t = {0};
        struct jsonw w = {.t = &t};
        jw_open(&w, NULL, '[');
        for (size_t i = 0; i < c->n; i++)
            help_json(&c->entry[i], NULL, &w);
        jw_close(&w, ']');
        fprintf(s->out, "%s\n", t.s);
        text_free(&t);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < c->n; i++)
        width = strlen(c->entry[i].name) > width ? (unsigned)strlen(c->entry[i].name) : width;
    for (size_t i = 0; i < c->n; i++) {
        if (i > 0 && c->entry[i].local && !c->entry[i - 1].local)
            fputs(s->host != NULL ? "\nTo move the tape, and of the console itself:\n" : "\nOf the console itself:\n", s->out);
        list_entry(&c->entry[i], width, columns, s->out);
    }
    if (!c->complete)
        fprintf(s->out, "The others are the daemon's, and none is running.\n");
    help_fold("\n`help COMMAND` shows its words and examples; -j gives JSON. A line may end in `| "
              "SHELL COMMAND` or "
              "`> FILE`; `!COMMAND` is the shell's.\n",
              columns, 0, s->out);
    return EXIT_DONE;
}

static int help_main(struct session *s, int argc, char **argv)
{
    bool json = s->json;
    int n = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-j") == 0)
            json = true;
        else
            argv[n++] = argv[i];
    }
    if (n > 2)
        return session_fail(s, EXIT_USAGE,
                            "'%s' doesn't belong here: write `help` or `help COMMAND`", argv[2]);
    return n == 2 ? help_one(s, argv, json) : help_list(s, json);
}

const struct local_command local_help = {
    .name = "help",
    .usage = "help [-j] [COMMAND]",
    .doc = "what there is to be said here",
    .more = "Examples:\n  help\n  help ip\n  help tc | less",
    .fn = help_main,
};
