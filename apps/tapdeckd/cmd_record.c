/* tapdeckd/cmd_record.c: `record`: the run of this daemon into files that `tapdeck replay` does
 * again.
 *
 * A recording means something only from the stack's beginning (replay/record_log.h). So a daemon
 * keeps what its stack is given from the start in memory, up to a bound (--keep), and `record
 * start` writes that out and goes on. In a daemon that has outgrown the bound it is too late, and
 * it says so and how to begin with the daemon.
 */
#include "tapdeckd/deck.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "replay/record.h"

#define SIZE_LEAST (1U << 20)

static const char right[] =
    "write `record start FILE [--size BYTES] [--files N]`, `record stop` or `record status`";

static int64_t wall(void *ctx, td_time at)
{
    const struct deck *d = ctx;
    return deck_wall(d, at) - (int64_t)at;
}

static const char *owner(void *ctx, uint32_t number)
{
    return deck_owner(ctx, number);
}

static void ended(void *ctx, struct recorder *rec)
{
    const struct deck *d = ctx;
    char why[256];
    recorder_why(rec->why, rec->err, why, sizeof(why));
    fprintf(stderr, "tapdeckd: %s: the recording %s has ended: %s\n", d->name, rec->log.path, why);
}

void deck_record(struct deck *d, struct recorder *rec)
{
    d->recorder = rec;
    recorder_set_hooks(
        rec, &(struct recorder_hooks){.wall = wall, .owner = owner, .ended = ended, .ctx = d});
}

static int too_late(struct run *r, const struct recorder *rec)
{
    if (rec != NULL && rec->filed)
        return run_fail(r, EXIT_FAILED,
                        "the recording %s has ended, and what came since is nowhere: a recording "
                        "needs all from the "
                        "daemon's start. Start it again to record again",
                        rec->log.path);
    return run_fail(r, EXIT_FAILED,
                    "it is too late: a recording needs all that came since the daemon's start, and "
                    "that is more than it "
                    "keeps (--keep BYTES): start it with --record FILE, or with `record start "
                    "FILE` as the first "
                    "line of its configuration");
}

static int record_start(struct run *r)
{
    struct recorder *rec = r->deck->recorder;
    const char *file = NULL;
    uint32_t size = RECORD_SIZE_DEFAULT, files = RECORD_FILES_DEFAULT;
    char msg[sizeof(r->err)];
    for (int i = 2; i < r->argc; i++) {
        const char *word = r->argv[i];
        bool sized = strcmp(word, "--size") == 0;
        if (sized || strcmp(word, "--files") == 0) {
            const char *value = run_value(r, i, sized ? "a size in bytes" : "a number of files");
            if (value == NULL)
                return EXIT_USAGE;
            i++;
            if (sized && (!parse_size(value, UINT32_MAX, &size) || size < SIZE_LEAST))
                return run_fail(
                    r, EXIT_USAGE,
                    "--size: '%s' is not a size of a file: write 1m or more, for example 64m",
                    value);
            if (!sized && (!parse_u32(value, RECORD_FILES_MAX, &files) || files == 0))
                return run_fail(r, EXIT_USAGE,
                                "--files: '%s' is not a number of files: write 1 to %d", value,
                                RECORD_FILES_MAX);
        } else if (file != NULL || word[0] == '-') {
            return run_bad_word(r, i, right);
        } else {
            file = word;
        }
    }
    if (file == NULL)
        return run_fail(r, EXIT_USAGE, "which file? %s", right);
    if (rec == NULL || !rec->attached)
        return too_late(r, rec);
    if (rec->filed)
        return run_fail(r, EXIT_USAGE, "%s is being recorded to already: `record stop` ends it",
                        rec->log.path);
    if (!recorder_start(rec, file, size, files, msg, sizeof(msg)))
        return run_fail(r, EXIT_FAILED, "%s", msg);
    return EXIT_DONE;
}

static int record_stop(struct run *r)
{
    struct recorder *rec = r->deck->recorder;
    if (r->argc > 2)
        return run_bad_word(r, 2, right);
    if (rec == NULL || !rec->attached || !rec->filed)
        return run_fail(r, EXIT_USAGE, "nothing is being recorded: `record status` says more");
    recorder_stop(rec);
    return EXIT_DONE;
}

static const char *state(const struct recorder *rec)
{
    if (rec == NULL)
        return "off";
    if (rec->attached)
        return rec->filed ? "recording" : "kept";
    return rec->filed ? "ended" : "off";
}

static void status_json(struct run *r, const struct recorder *rec)
{
    char why[256];
    jw_open(&r->jw, NULL, '{');
    jw_str(&r->jw, "state", state(rec));
    if (rec != NULL && (rec->attached || rec->filed)) {
        if (rec->filed)
            jw_str(&r->jw, "file", rec->log.path);
        jw_u64(&r->jw, "calls", rec->calls);
        jw_u64(&r->jw, "in", rec->in);
        jw_u64(&r->jw, "out", rec->out);
        jw_u64(&r->jw, "bytes", record_log_bytes(&rec->log));
        if (rec->filed) {
            jw_u64(&r->jw, "files", rec->log.head.part + 1U);
            jw_u64(&r->jw, "files_max", rec->log.files);
            jw_u64(&r->jw, "size_max", rec->log.size);
        } else {
            jw_u64(&r->jw, "keep", rec->log.keep);
        }
        if (!rec->attached) {
            recorder_why(rec->why, rec->err, why, sizeof(why));
            jw_str(&r->jw, "ended", why);
        }
    }
    jw_close(&r->jw, '}');
    run_puts(r, "\n");
}

static int record_status(struct run *r)
{
    const struct recorder *rec = r->deck->recorder;
    char why[256];
    if (r->argc > 2)
        return run_bad_word(r, 2, right);
    if (r->json) {
        status_json(r, rec);
        return EXIT_DONE;
    }
    if (rec == NULL || (!rec->attached && !rec->filed)) {
        run_puts(r, "nothing is recorded, nor can be any more: a recording needs all from the "
                    "daemon's start, and that is no "
                    "longer kept\n");
        return EXIT_DONE;
    }
    if (!rec->filed) {
        run_printf(r,
                   "nothing is recorded; what has come since the start is kept (%" PRIu64
                   " calls, %" PRIu64 " of %" PRIu64
                   " bytes): `record start FILE` can still write it\n",
                   rec->calls, record_log_bytes(&rec->log), rec->log.keep);
        return EXIT_DONE;
    }
    if (rec->attached) {
        run_printf(r, "recording to %s", rec->log.path);
    } else {
        recorder_why(rec->why, rec->err, why, sizeof(why));
        run_printf(r, "the recording %s has ended: %s", rec->log.path, why);
    }
    run_printf(r,
               "; %" PRIu64 " calls, %" PRIu64 " frames in, %" PRIu64 " out; %" PRIu64
               " bytes, file %u of %u (%" PRIu64 " bytes each)\n",
               rec->calls, rec->in, rec->out, record_log_bytes(&rec->log), rec->log.head.part + 1,
               rec->log.files, rec->log.size);
    return EXIT_DONE;
}

static int record_main(struct run *r)
{
    const char *verb = r->argc > 1 ? r->argv[1] : "status";
    if (strcmp(verb, "start") == 0)
        return record_start(r);
    if (strcmp(verb, "stop") == 0)
        return record_stop(r);
    if (strcmp(verb, "status") == 0)
        return record_status(r);
    return run_bad_word(r, 1, right);
}

const struct command command_record = {
    .name = "record",
    .usage = "record start FILE [--size BYTES] [--files N]\n"
             "record {stop | status}",
    .doc = "writes all that the stack is given to a file, with which `tapdeck replay` does the "
           "same run again",
    .more = "Recorded are every frame that comes in, the time, configuration, what applications "
            "ask of their sockets: the\n"
            "whole run since the daemon's start, bit for bit; what leaves is recorded as a digest, "
            "so that a replay can\n"
            "compare. `tapdeck replay FILE` does it again, forward and back. It has the contents "
            "of connections in it,\n"
            "and the keys of the stack: the files are the user's alone (0600).\n"
            "A daemon keeps what its stack is given since the start in memory, up to 16 MiB "
            "(tapdeckd --keep BYTES), and\n"
            "`record start` begins with that. When more has come it is too late; `tapdeckd "
            "--record FILE`, or `record start\n"
            "FILE` as the first line of a configuration, records from the start, however long.\n"
            "  --size   bytes a file, at most: 256m, if not said otherwise\n"
            "  --files  so many files: FILE, FILE.1, FILE.2 …: 4, if not said otherwise\n"
            "When they are full the recording ends, not the daemon, and nothing is overwritten: a "
            "run can't be done again\n"
            "without its beginning. The journal has it (record-ended), and `record status`. A "
            "recording that is there\n"
            "already under that name is moved to FILE.old.\n"
            "FILE is the daemon's to open: a relative path is relative to where the daemon was "
            "started. A call is in the\n"
            "file before it is done: when the daemon crashes, `tapdeck replay` of its file comes "
            "to the same crash.\n"
            "Examples:\n"
            "  record start /tmp/run.deck\n"
            "  record start /tmp/run.deck --size 64m --files 16\n"
            "  record status",
    .fn = record_main,
};
