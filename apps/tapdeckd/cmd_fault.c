/* tapdeckd/cmd_fault.c: `fault`: the catalogue of deliberate bugs, and switching them. */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_on(const struct td_stack *st, const char *name)
{
    char knob[64], value[8];
    snprintf(knob, sizeof(knob), "tapdeck.fault.%s", name);
    return td_knob_get(st, knob, value, sizeof(value)) > 0 && value[0] == '1';
}

static void list_one(void *ctx, const char *name, const char *rows, const char *symptom)
{
    struct run *r = ctx;
    bool on = is_on(r->deck->st, name);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "name", name);
        jw_bool(&r->jw, "on", on);
        jw_str(&r->jw, "rows", rows);
        jw_str(&r->jw, "symptom", symptom);
        jw_close(&r->jw, '}');
    } else {
        run_printf(r, "%-4s %-22s %s\n%-27s breaks %s\n", on ? "on" : "off", name, symptom, "", rows);
    }
}

static int fault_main(struct run *r)
{
    const char *name = NULL, *state = NULL;
    for (int i = 1; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-j") == 0)
            r->json = true;
        else if (name == NULL)
            name = r->argv[i];
        else if (state == NULL)
            state = r->argv[i];
        else
            return run_bad_word(r, i, "write `fault [NAME on|off] [-j]`");
    }
    if (name == NULL) {
        if (r->json)
            jw_open(&r->jw, NULL, '[');
        td_fault_each(list_one, r);
        if (r->json) {
            jw_close(&r->jw, ']');
            run_puts(r, "\n");
        }
        return EXIT_DONE;
    }
    if (state == NULL || (strcmp(state, "on") != 0 && strcmp(state, "off") != 0))
        return run_fail(r, EXIT_USAGE, "is the fault '%s' to be on or off? write `fault %s on`", name,
                        name);
    char knob[64];
    snprintf(knob, sizeof(knob), "tapdeck.fault.%s", name);
    int err = td_knob_set(r->deck->st, knob, strcmp(state, "on") == 0 ? "1" : "0");
    if (err == -ENOENT)
        return run_fail(r, EXIT_USAGE, "there is no fault '%s': `fault` lists them", name);
    if (err == -EPERM)
        return run_fail(r, EXIT_USAGE,
                        "faults are not allowed in this daemon: start it with --allow-faults");
    return err == 0 ? EXIT_DONE : run_fail(r, EXIT_FAILED, "%s", error_text(err));
}

const struct command command_fault = {
    .name = "fault",
    .usage = "fault [-j]\nfault NAME on|off",
    .doc = "deliberate bugs, to be switched on and found",
    .more = "Only in a daemon started with --allow-faults. Each fault breaks the clauses listed with it.\n"
            "Example:\n  fault no-karn on\n",
    .fn = fault_main,
};
