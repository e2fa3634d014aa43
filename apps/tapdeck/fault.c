/* tapdeck/fault.c: `fault reveal`: what a student's secret fault is, for whoever has the salt.
 *
 * The other forms of `fault` are the daemon's. This one needs none: the choice follows from the
 * salt, the id and the catalogue alone (common/mystery.h).
 */
#include "tapdeck/fault.h"

#include <string.h>

#include "common/jsonw.h"
#include "common/mystery.h"
#include "core/faults.h"

bool fault_is_local(int argc, char *const *argv)
{
    return argc > 1 && strcmp(argv[0], "fault") == 0 && strcmp(argv[1], "reveal") == 0;
}

int fault_reveal(struct session *s, int argc, char **argv)
{
    char msg[512];
    unsigned fault;
    bool json = s->json;
    if (argc > 2 && strcmp(argv[argc - 1], "-j") == 0) {
        json = true;
        argc--;
    }
    if (!mystery_words(argc - 2, argv + 2, &fault, msg, sizeof(msg)))
        return session_fail(s, EXIT_USAGE, "%s", msg);
    const struct fault_info *f = &fault_info[fault];
    if (json) {
        struct text t = {0};
        struct jsonw w = {.t = &t};
        jw_open(&w, NULL, '{');
        jw_str(&w, "id", argv[3]);
        jw_str(&w, "name", f->name);
        jw_str(&w, "layer", f->layer);
        jw_str(&w, "rows", f->rows);
        jw_str(&w, "symptom", f->symptom);
        jw_close(&w, '}');
        fprintf(s->out, "%s\n", t.s);
        text_free(&t);
    } else {
        fprintf(s->out, "%s: %s\n%s\nbreaks %s\n", argv[3], f->name, f->symptom, f->rows);
    }
    return EXIT_DONE;
}
