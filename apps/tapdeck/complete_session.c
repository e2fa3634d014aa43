/* tapdeck/complete_session.c: completion with what the session knows, and `complete`, which lets a
 * shell or a script have it.
 *
 * The commands and their usage are the catalogue's; the values of a class are asked of the daemon
 * (`values`), each time, for they change. What can't be asked because no daemon runs isn't offered.
 */
#include "tapdeck/complete.h"

#include <stdlib.h>
#include <string.h>

#include "common/jsonw.h"
#include "tapdeck/alias.h"
#include "tapdeck/catalog.h"

static void all_commands(void *ctx, struct candidates *out)
{
    struct session *s = ctx;
    const struct catalog *c = session_catalog(s);
    for (size_t i = 0; i < c->n; i++)
        candidates_add(out, c->entry[i].name, false);
    for (const struct alias *a = s->aliases; a != NULL; a = a->next)
        candidates_add(out, a->name, false);
}

static const char *usage_of(void *ctx, const char *command)
{
    const struct catalog_entry *e = catalog_find(session_catalog(ctx), command);
    return e != NULL ? e->usage : NULL;
}

static void values_of(void *ctx, const char *class, const char *prefix, struct candidates *out)
{
    struct session *s = ctx;
    char *const ask[] = {(char[]){"values"}, (char *)class, (char *)prefix};
    char err[1024], *text = NULL;
    size_t size = 0;
    if (strcmp(class, "ALIAS") == 0)
        for (const struct alias *a = s->aliases; a != NULL; a = a->next)
            candidates_add(out, a->name, false);
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return;
    session_run(s, 3, ask, false, f, err, sizeof(err));
    fclose(f);
    for (char *line = text, *end; line != NULL && (end = strchr(line, '\n')) != NULL;
         line = end + 1) {
        *end = '\0';
        candidates_add(out, line, false);
    }
    free(text);
}

void session_complete(struct session *s, int argc, char *const *words, struct candidates *out)
{
    const struct completer k = {s, all_commands, usage_of, values_of};
    char **longer;
    int n = argc > 1 ? alias_words(s, argc, words, &longer) : -1;
    complete_words(&k, n > 0 ? n : argc, n > 0 ? longer : words, out);
    if (n > 0)
        words_free(longer);
}

/* ---- `complete` ---- */

static int complete_main(struct session *s, int argc, char **argv)
{
    struct candidates found = {0};
    bool json = s->json;
    int at = 1;
    while (at < argc && (strcmp(argv[at], "-j") == 0 || strcmp(argv[at], "--") == 0)) {
        json = json || strcmp(argv[at], "-j") == 0;
        if (strcmp(argv[at++], "--") == 0)
            break;
    }
    char *const nothing[] = {(char[]){""}};
    session_complete(s, at < argc ? argc - at : 1, at < argc ? argv + at : nothing, &found);
    struct text t = {0};
    struct jsonw w = {.t = &t};
    if (json)
        jw_open(&w, NULL, '[');
    for (size_t i = 0; i < found.n; i++) {
        if (!json) {
            text_printf(&t, "%s\n", found.v[i].word);
            continue;
        }
        jw_open(&w, NULL, '{');
        jw_str(&w, "word", found.v[i].word);
        jw_bool(&w, "open", found.v[i].open);
        jw_close(&w, '}');
    }
    if (json) {
        jw_close(&w, ']');
        text_puts(&t, "\n");
    }
    if (t.len > 0)
        fwrite(t.s, 1, t.len, s->out);
    text_free(&t);
    candidates_free(&found);
    return EXIT_DONE;
}

const struct local_command local_complete = {
    .name = "complete",
    .usage = "complete [-j] [--] [WORD]...",
    .doc =
        "the words that may stand where the last one is: what Tab offers, for shells and scripts",
    .more = "The last WORD is the one begun: '' if it hasn't. One candidate a line. With -j also "
            "whether the word\n"
            "may go on (`open`: a directory, a knob that may take a value).\n"
            "Examples:\n  complete -- ip ro\n  complete -- ip route add default via ''",
    .fn = complete_main,
};
