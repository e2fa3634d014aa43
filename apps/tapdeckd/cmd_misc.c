/* tapdeckd/cmd_misc.c: the list of commands, and the small ones: help, version, shutdown, app. */
#include "replay/record.h"
#include "tapdeckd/deck_time.h"
#include "tapdeckd/loop_stats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct command *const commands[] = {
    &command_ip,     &command_ss,   &command_ping,    &command_nc,      &command_get, &command_traceroute, &command_arping,    &command_why,      &command_events,   &command_metrics,      &command_sysctl,
    &command_bridge, &command_nstat,  &command_app,  &command_tap,     &command_tc,       &command_ethtool,       &command_capture,
    &command_iptables, &command_iptables_save, &command_iptables_restore, &command_conntrack,
    &command_pcb,    &command_states,    &command_ladder,
    &command_pause, &command_step, &command_resume, &command_break, &command_sleep,
    &command_timers, &command_table, &command_fault, &command_record, &command_values, &command_help, &command_version, &command_shutdown, NULL,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* ---- help ---- */

static int help_main(struct run *r)
{
    if (r->argc > 2)
        return run_bad_word(r, 2, "write `help` or `help COMMAND`");
    if (r->argc == 2) {
        const struct command *c = command_find(r->argv[1]);
        if (c == NULL)
            return run_fail(r, EXIT_USAGE, "there is no command '%s': `help` lists them",
                            r->argv[1]);
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_str(&r->jw, "name", c->name);
            jw_str(&r->jw, "usage", c->usage);
            jw_str(&r->jw, "doc", c->doc);
            if (c->more != NULL)
                jw_str(&r->jw, "more", c->more);
            jw_close(&r->jw, '}');
            run_puts(r, "\n");
            return EXIT_DONE;
        }
        run_printf(r, "%s\n\n%s\n", c->usage, c->doc);
        if (c->more != NULL)
            run_printf(r, "\n%s\n", c->more);
        return EXIT_DONE;
    }
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_str(&r->jw, "name", commands[i]->name);
            jw_str(&r->jw, "usage", commands[i]->usage);
            jw_str(&r->jw, "doc", commands[i]->doc);
            jw_close(&r->jw, '}');
        } else {
            run_printf(r, "%-10s %s\n", commands[i]->name, commands[i]->doc);
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    } else {
        run_puts(r, "`help COMMAND` shows its words and examples; -j gives JSON.\n");
    }
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .usage = "help [COMMAND]",
    .doc = "what the daemon understands",
    .more = "Examples:\n  help\n  help ip",
    .fn = help_main,
};

/* ---- version ---- */

/* `version -s`: the loop's turns, and who is connected. */
static int version_stats(struct run *r)
{
    static const char *const upto[LOOP_BUCKETS] = {"10us", "20us", "50us", "100us", "200us", "500us",
                                                   "1ms",  "2ms",  "5ms",  "10ms",  "20ms",  "more"};
    struct deck *d = r->deck;
    struct loop_stats *s = d->hooks.stats != NULL ? d->hooks.stats(d->hooks.ctx) : NULL;
    if (s == NULL)
        return run_fail(r, EXIT_FAILED, "there is no loop here");
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    td_time now = (td_time)ts.tv_sec * TD_SEC + (td_time)ts.tv_nsec, over = now > s->since ? now - s->since : 1;
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "over_ns", over);
        jw_u64(&r->jw, "turns", s->turns);
        jw_u64(&r->jw, "longest_ns", s->longest);
        jw_u64(&r->jw, "longest_cpu_ns", s->longest_cpu);
        jw_u64(&r->jw, "busy_ns", s->busy);
        jw_u64(&r->jw, "consoles_ns", s->consoles);
        jw_open(&r->jw, "histogram", '{');
        for (unsigned i = 0; i < LOOP_BUCKETS; i++)
            jw_u64(&r->jw, upto[i], s->histogram[i]);
        jw_close(&r->jw, '}');
        jw_u64(&r->jw, "clients", s->clients);
        jw_u64(&r->jw, "accepted", s->accepted);
        jw_u64(&r->jw, "stalled", s->stalled);
        jw_u64(&r->jw, "evicted", s->evicted);
        jw_u64(&r->jw, "refused", s->refused);
        jw_u64(&r->jw, "strangers", s->strangers);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    } else {
        char longest[32], cpu[32];
        format_time(s->longest, longest, sizeof(longest));
        format_time(s->longest_cpu, cpu, sizeof(cpu));
        run_printf(r, "%llu turns of the loop in %llu s; the longest took %s (%s of the processor's time)\n",
                   (unsigned long long)s->turns, (unsigned long long)(over / TD_SEC), longest, cpu);
        for (unsigned i = 0; i < LOOP_BUCKETS; i++)
            if (s->histogram[i] > 0)
                run_printf(r, "  %s%-6s %12llu\n", i + 1 < LOOP_BUCKETS ? "to " : "   ", upto[i],
                           (unsigned long long)s->histogram[i]);
        run_printf(r, "busy %llu.%02llu %% of the time, for consoles and commands %llu.%02llu %%\n",
                   (unsigned long long)(s->busy * 100 / over), (unsigned long long)(s->busy * 10000 / over % 100),
                   (unsigned long long)(s->consoles * 100 / over), (unsigned long long)(s->consoles * 10000 / over % 100));
        run_printf(r, "%u clients now, %llu so far; dropped: %llu that read nothing, %llu for others; refused: %llu, and %llu "
                      "of other users\n",
                   s->clients, (unsigned long long)s->accepted, (unsigned long long)s->stalled,
                   (unsigned long long)s->evicted, (unsigned long long)s->refused, (unsigned long long)s->strangers);
    }
    unsigned clients = s->clients;
    uint64_t accepted = s->accepted, stalled = s->stalled, evicted = s->evicted, refused = s->refused, strangers = s->strangers;
    if (r->argc > 2 && strcmp(r->argv[2], "-r") == 0) /* turns are counted anew */
        *s = (struct loop_stats){.since = now, .clients = clients, .accepted = accepted, .stalled = stalled,
                                 .evicted = evicted, .refused = refused, .strangers = strangers};
    return EXIT_DONE;
}

static int version_main(struct run *r)
{
    if (r->argc > 1 && strcmp(r->argv[r->argc - 1], "-j") == 0) {
        r->json = true;
        r->argc--;
    }
    if (r->argc > 1 && (strcmp(r->argv[1], "-s") != 0 || (r->argc > 2 && strcmp(r->argv[2], "-r") != 0) || r->argc > 3))
        return run_bad_word(r, strcmp(r->argv[1], "-s") != 0 ? 1 : r->argc > 3 ? 3 : 2, "write `version [-s [-r]] [-j]`");
    if (r->argc > 1)
        return version_stats(r);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_str(&r->jw, "version", TAPDECK_VERSION);
        jw_str(&r->jw, "name", r->deck->name);
        jw_str(&r->jw, "profile", r->deck->st->knobs.profile == PROFILE_RFC ? "rfc" : "linux");
        jw_u64(&r->jw, "uptime_ns", deck_now(r->deck) - r->deck->started);
        jw_bool(&r->jw, "paused", deck_paused(r->deck));
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return EXIT_DONE;
    }
    run_printf(r, "tapdeckd %s, daemon '%s', profile %s, up %llu s%s\n", TAPDECK_VERSION,
               r->deck->name, r->deck->st->knobs.profile == PROFILE_RFC ? "rfc" : "linux",
               (unsigned long long)((deck_now(r->deck) - r->deck->started) / TD_SEC),
               deck_paused(r->deck) ? " (paused)" : "");
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .usage = "version [-s [-r]] [-j]",
    .doc = "the daemon's version, name, profile and age; how long its turns take",
    .more = "-s: the turns of the daemon's loop by length, the longest of them, the share of time that consoles take, and the\n"
            "clients, with those that were dropped or refused; -r: turns are counted anew from here.\n"
            "Examples:\n  version\n  version -s",
    .fn = version_main,
};

/* ---- shutdown ---- */

static int shutdown_step(struct run *r, td_time now)
{
    (void)now;
    return r->deck->stopped ? EXIT_DONE : RUN_MORE;
}

static int shutdown_interrupt(struct run *r)
{
    (void)r;
    return RUN_MORE; /* what has begun isn't called back */
}

static int shutdown_main(struct run *r)
{
    if (r->argc > 1)
        return run_bad_word(r, 1, "`shutdown` takes no words");
    if (r->deck->hooks.shutdown == NULL)
        return run_fail(r, EXIT_FAILED, "nothing here can be shut down");
    r->deck->hooks.shutdown(r->deck->hooks.ctx);
    r->step = shutdown_step;
    r->interrupt = shutdown_interrupt;
    return RUN_MORE;
}

const struct command command_shutdown = {
    .name = "shutdown",
    .usage = "shutdown",
    .doc =
        "stops applications, closes connections in order, ends the daemon; returns when it is done",
    .fn = shutdown_main,
};

/* ---- app ---- */

static const struct app_class *class_find(const char *name)
{
    for (size_t i = 0; app_classes[i] != NULL; i++)
        if (strcmp(app_classes[i]->name, name) == 0)
            return app_classes[i];
    return NULL;
}

static int app_start(struct run *r)
{
    struct deck *d = r->deck;
    const char *name = run_value(r, 1, "the application's name");
    if (name == NULL)
        return EXIT_USAGE;
    const struct app_class *class = class_find(name);
    if (class == NULL) {
        char list[256] = "";
        size_t n = 0;
        for (size_t i = 0; app_classes[i] != NULL && n < sizeof(list); i++)
            n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? ", " : "",
                                  app_classes[i]->name);
        return run_fail(r, EXIT_USAGE, "there is no application '%s': there are %s", name, list);
    }
    struct deck_app *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    /* The class may permute its words (getopt), so it gets a copy of its own. */
    char **argv = words_copy(r->argc - 2, r->argv + 2);
    uint32_t number = d->next_app;
    td_socket_owner(d->st, number);
    int err = class->start(&d->host, r->argc - 2, argv, &a->instance, r->err, sizeof(r->err));
    td_socket_owner(d->st, r->number);
    words_free(argv);
    if (err < 0) {
        free(a);
        if (r->err[0] == '\0')
            run_fail(r, EXIT_USAGE, "%s doesn't start: %s", name, error_text(err));
        return EXIT_USAGE;
    }
    struct text line = {0};
    for (int i = 2; i < r->argc; i++)
        text_printf(&line, "%s%s", i > 2 ? " " : "", r->argv[i]);
    a->line = line.s;
    a->class = class;
    a->id = number;
    d->next_app++;
    struct deck_app **at = &d->apps;
    while (*at != NULL)
        at = &(*at)->next;
    *at = a;
    recorder_app(d->recorder, a->id, a->line);
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "id", a->id);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int app_stop(struct run *r)
{
    struct deck *d = r->deck;
    uint32_t id;
    const char *word = run_value(r, 1, "the application's number");
    if (word == NULL)
        return EXIT_USAGE;
    if (!parse_u32(word, UINT32_MAX, &id))
        return run_fail(r, EXIT_USAGE,
                        "'%s' is not the number of an application: `app list` shows them", word);
    for (struct deck_app **at = &d->apps; *at != NULL; at = &(*at)->next) {
        struct deck_app *a = *at;
        if (a->id != id)
            continue;
        *at = a->next;
        recorder_app(d->recorder, a->id, "");
        a->class->stop(a->instance);
        free(a->line);
        free(a);
        return EXIT_DONE;
    }
    return run_fail(r, EXIT_USAGE, "no application has the number %u: `app list` shows them", id);
}

static int app_list(struct run *r)
{
    char status[512];
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (const struct deck_app *a = r->deck->apps; a != NULL; a = a->next) {
        status[0] = '\0';
        if (a->class->status != NULL)
            a->class->status(a->instance, status, sizeof(status));
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_u64(&r->jw, "id", a->id);
            jw_str(&r->jw, "class", a->class->name);
            jw_str(&r->jw, "command", a->line);
            jw_str(&r->jw, "status", status);
            jw_close(&r->jw, '}');
        } else {
            run_printf(r, "%u: %s  %s\n", a->id, a->line, status);
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int app_classes_list(struct run *r)
{
    if (r->json)
        jw_open(&r->jw, NULL, '[');
    for (size_t i = 0; app_classes[i] != NULL; i++) {
        const struct app_class *c = app_classes[i];
        if (r->json) {
            jw_open(&r->jw, NULL, '{');
            jw_str(&r->jw, "name", c->name);
            jw_str(&r->jw, "usage", c->usage);
            jw_str(&r->jw, "doc", c->doc);
            jw_close(&r->jw, '}');
        } else {
            run_printf(r, "%s\n    %s\n", c->usage, c->doc);
        }
    }
    if (r->json) {
        jw_close(&r->jw, ']');
        run_puts(r, "\n");
    }
    return EXIT_DONE;
}

static int app_main(struct run *r)
{
    const char *verb = r->argc > 1 ? r->argv[1] : "list";
    if (strcmp(verb, "list") == 0 || strcmp(verb, "show") == 0 || strcmp(verb, "ls") == 0)
        return r->argc > 2 ? run_bad_word(r, 2, "`app list` takes no more words") : app_list(r);
    if (strcmp(verb, "classes") == 0)
        return app_classes_list(r);
    if (strcmp(verb, "start") == 0)
        return app_start(r);
    if (strcmp(verb, "stop") == 0)
        return app_stop(r);
    return run_bad_word(
        r, 1, "write `app list`, `app classes`, `app start NAME [WORD...]` or `app stop ID`");
}

const struct command command_app = {
    .name = "app",
    .usage = "app [list]\n"
             "app classes\n"
             "app start APP [WORD]...\n"
             "app stop RUNNING",
    .doc = "applications inside the daemon: web server, echo and the like",
    .more =
        "`app classes` shows which there are and their words.\n"
        "Examples:\n  app start httpd -p 80 /srv/www\n  app start echo\n  app list\n  app stop 1",
    .fn = app_main,
};
