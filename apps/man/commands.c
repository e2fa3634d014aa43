/* man/commands.c: prints the manual page tapdeck-commands(7).
 *
 * Every command, of the daemon and of the client, is registered once with its usage, a sentence and
 * its paragraphs. `help` prints those; so does this, as mdoc(7), when the pages are installed. A
 * command that exists has a page, and no page describes one that doesn't.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tapdeck/deck_words.h"
#include "tapdeck/local.h"
#include "tapdeckd/deck.h"

struct entry {
    const char *name, *usage, *doc, *more;
};

/* Text as it is: a backslash is an escape to the formatter, a dot or apostrophe that begins a line
 * a macro, and a minus sign would become a hyphen. */
static void put_line(const char *s, size_t n)
{
    if (n > 0 && (s[0] == '.' || s[0] == '\''))
        fputs("\\&", stdout);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\')
            fputs("\\e", stdout);
        else if (s[i] == '-')
            fputs("\\-", stdout);
        else
            putchar(s[i]);
    }
    putchar('\n');
}

static void put_lines(const char *s)
{
    while (*s != '\0') {
        size_t n = strcspn(s, "\n");
        put_line(s, n);
        s += n + (s[n] == '\n');
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void put_entry(const struct entry *e)
{
    fputs(".Ss ", stdout);
    put_line(e->name, strlen(e->name));
    put_line(e->doc, strlen(e->doc));
    fputs(".Bd -literal -offset indent\n", stdout);
    put_lines(e->usage);
    fputs(".Ed\n", stdout);
    if (e->more != NULL) {
        fputs(".Bd -literal\n", stdout);
        put_lines(e->more);
        fputs(".Ed\n", stdout);
    }
}

int main(void)
{
    static struct entry all[512];
    size_t n = 0;
    for (size_t i = 0; commands[i] != NULL && n < sizeof(all) / sizeof(*all); i++)
        all[n++] = (struct entry){commands[i]->name, commands[i]->usage, commands[i]->doc,
                                  commands[i]->more};
    for (size_t i = 0; local_commands[i] != NULL && n < sizeof(all) / sizeof(*all); i++) {
        const struct local_command *c = local_commands[i];
        bool both = command_find(c->name) != NULL; /* `help` is the daemon's and the client's */
        if (!both)
            all[n++] = (struct entry){c->name, c->usage, c->doc, local_more(c)};
    }
    qsort(all, n, sizeof(*all), by_name);
    fputs(".Dd November 21, 2026\n.Dt TAPDECK-COMMANDS 7\n.Os tapdeck\n.Sh NAME\n"
          ".Nm tapdeck-commands\n.Nd the commands of tapdeck's console\n.Sh DESCRIPTION\n"
          "These are the commands of\n.Xr tapdeck 1\nand, but for those that need a terminal, of the\n"
          "configuration of\n.Xr tapdeckd 8 .\nIn their usage a word in lower case is written as it "
          "stands, one in\nupper case is replaced by a value, brackets hold what may be left out,\n"
          "a bar divides alternatives, and three dots repeat what is before them.\n"
          "Words may be abbreviated where the tools they come from allow it.\n",
          stdout);
    for (size_t i = 0; i < n; i++)
        put_entry(&all[i]);
    fputs(".Sh COMMANDS OF A TAPE\nIn the console of\n.Ql replay -i\nthese move the tape:\n", stdout);
    for (size_t i = 0; deck_locals[i] != NULL; i++) {
        const struct local_command *c = deck_locals[i], *l = local_find(c->name);
        if (l != c) /* the others are there too */
            put_entry(&(struct entry){c->name, c->usage, c->doc, local_more(c)});
    }
    fputs(".Sh SEE ALSO\n.Xr tapdeck 1 ,\n.Xr tapdeck-topology 5 ,\n.Xr tapdeckd.conf 5 ,\n"
          ".Xr tapdeckd 8\n",
          stdout);
    return 0;
}
