/* tapdeck/local_print.c: what `help NAME` and `NAME --help` print. Apart from the table, so that a
 * command that prints its own help doesn't need all others. */
#include "tapdeck/local.h"

#include <string.h>

void local_print_help(const struct local_command *c, FILE *out)
{
    fprintf(out, "%s\n\n%s\n", c->usage, c->doc);
    if (c->more != NULL)
        fprintf(out, "\n%s%s", c->more, c->more[strlen(c->more) - 1] == '\n' ? "" : "\n");
}
