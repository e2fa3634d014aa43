/* tapdeckd/cmd_fault.c: `fault`: the catalogue of deliberate bugs, switching them, and the secret
 * one.
 *
 * A secret fault is a student's exercise: chosen by common/mystery.h, switched on in the stack,
 * remembered nowhere else. No command tells it, not this one either; and none switches another by
 * name meanwhile, whatever the name. Who gave it can compute the answer with `tapdeck fault
 * reveal`, which asks no daemon: a daemon that could be asked could be asked by anybody who can
 * reach it.
 */
#include "tapdeckd/deck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/nearest.h"

#include "common/mystery.h"

static void list_one(struct run *r, unsigned i)
{
    const struct fault_info *f = &fault_info[i];
    bool on = r->deck->st->faults_shown >> i & 1;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "name", f->name);
        jw_bool(&r->jw, "on", on);
        jw_str(&r->jw, "layer", f->layer);
        jw_str(&r->jw, "rows", f->rows);
        jw_str(&r->jw, "symptom", f->symptom);
        jw_close(&r->jw, '}');
    } else {
        run_printf(r, "%-4s %-4s %-24s %s\n%-34s breaks %s\n", on ? "on" : "off", f->layer, f->name,
                   f->symptom, "", f->rows);
    }
}

static int fault_list(struct run *r)
{
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        list_one(r, i);
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static void offer_fault(void *ctx, const char *name, const char *rows, const char *symptom)
{
    (void)rows;
    (void)symptom;
    nearest_offer(ctx, name);
}

static int no_fault(struct run *r, const char *name)
{
    struct nearest n = {.word = name};
    td_fault_each(offer_fault, &n);
    return run_mean(
        r, run_fail(r, EXIT_USAGE, "there is no fault '%s': `fault list` has them", name), &n);
}

static int fault_switch(struct run *r, const char *name, bool on)
{
    char knob[64];
    if (snprintf(knob, sizeof(knob), "tapdeck.fault.%s", name) >= (int)sizeof(knob))
        return run_fail(r, EXIT_USAGE, "there is no fault '%.40s…': `fault list` has them", name);
    switch (td_knob_set(r->deck->st, knob, on ? "1" : "0")) {
    case 0:
        return EXIT_DONE;
    case -ENOENT:
        return no_fault(r, name);
    case -EBUSY:
        return run_fail(r, EXIT_FAILED,
                        "a secret fault is on: none is switched by name until `fault secret off` "
                        "ends the exercise");
    default:
        return run_fail(r, EXIT_USAGE,
                        "faults are not allowed in this daemon: start it with --allow-faults");
    }
}

static int fault_secret(struct run *r)
{
    struct td_stack *st = r->deck->st;
    unsigned fault = 0;
    if (r->argc == 2 && r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_bool(&r->jw, "secret", st->fault_secret);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    if (r->argc == 2) {
        run_puts(r, st->fault_secret ? "a secret fault is on\n" : "no secret fault is on\n");
        return EXIT_DONE;
    }
    bool off = r->argc == 3 && strcmp(r->argv[2], "off") == 0;
    /* Before the salt is looked at: nothing is told of a file by a daemon that won't use it. */
    if (!st->allow_faults)
        return run_fail(r, EXIT_USAGE,
                        "faults are not allowed in this daemon: start it with --allow-faults");
    if (!off && !mystery_words(r->argc - 2, r->argv + 2, &fault, r->err, sizeof(r->err)))
        return EXIT_USAGE;
    if (off && !st->fault_secret)
        return run_fail(r, EXIT_FAILED, "no secret fault is on");
    if (td_fault_secret(st, off ? -1 : (int)fault) == -EBUSY)
        return run_fail(r, EXIT_FAILED,
                        "a fault is on by name: switch it off first (`fault list` shows it)");
    return EXIT_DONE;
}

static int fault_main(struct run *r)
{
    static const char *const right =
        "write `fault list`, `fault enable|disable NAME` or `fault secret …`";
    if (r->argc > 1 && strcmp(r->argv[r->argc - 1], "-j") == 0) {
        r->json = true;
        r->argc--;
    }
    const char *verb = r->argc > 1 ? r->argv[1] : "list";
    if (strcmp(verb, "list") == 0)
        return r->argc > 2 ? run_bad_word(r, 2, "`fault list` takes no more words") : fault_list(r);
    if (strcmp(verb, "secret") == 0)
        return fault_secret(r);
    if (strcmp(verb, "reveal") == 0)
        return run_fail(
            r, EXIT_USAGE,
            "a daemon reveals nothing: `tapdeck fault reveal SALTFILE ID [from SET]` computes "
            "the answer where the salt is");
    bool enable = strcmp(verb, "enable") == 0;
    if (enable || strcmp(verb, "disable") == 0) {
        const char *name = run_value(r, 1, "the fault's name");
        if (name == NULL)
            return EXIT_USAGE;
        return r->argc > 3 ? run_bad_word(r, 3, right) : fault_switch(r, name, enable);
    }
    if (r->argc > 3)
        return run_bad_word(r, 3, right);
    const char *state = r->argc == 3 ? r->argv[2] : "";
    if (strcmp(state, "on") != 0 && strcmp(state, "off") != 0)
        return run_bad_word(r, 2, right);
    return fault_switch(r, verb, strcmp(state, "on") == 0);
}

const struct command command_fault = {
    .name = "fault",
    .usage = "fault [list] [-j]\n"
             "fault {enable | disable} FAULT\n"
             "fault FAULT {on | off}\n"
             "fault secret FILE ID [from SET]\n"
             "fault secret [off] [-j]\n"
             "fault reveal FILE ID [from SET]",
    .doc = "deliberate bugs, to be switched on and found",
    .more = "Only in a daemon started with --allow-faults. Each fault breaks the clauses listed "
            "with it.\n"
            "\n"
            "`fault secret` is for exercises: one fault, chosen by HMAC-SHA256 from the salt in "
            "FILE (or env:NAME, a\n"
            "variable of the daemon's environment) and the student's ID, is on and shown nowhere; "
            "without words it says\n"
            "whether one is. While it is on, none is switched by name. SET narrows the choice: "
            "names and layers (link, arp,\n"
            "ip, icmp, udp, tcp, nf) with commas between. `fault reveal`, with the same words, "
            "tells the instructor which:\n"
            "it is computed by `tapdeck` itself, without a daemon. Students must not be able to "
            "read the salt, nor a\n"
            "configuration that has it.\n"
            "Examples:\n"
            "  fault enable no-karn\n"
            "  fault list\n"
            "  fault secret /root/salt alice from tcp,icmp\n"
            "  fault reveal /root/salt alice from tcp,icmp",
    .fn = fault_main,
};
