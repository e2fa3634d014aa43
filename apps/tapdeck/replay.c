/* tapdeck/replay.c: `tapdeck replay`: its words. The work is done in replay/. */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "replay/list.h"
#include "tapdeck/local.h"

struct words {
    const char *file;
    bool json;
};

static int read_words(struct session *s, int argc, char **argv, struct words *w)
{
    bool list = false;
    *w = (struct words){.json = s->json};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            list = true;
        else if (strcmp(argv[i], "-j") == 0)
            w->json = true;
        else if (argv[i][0] == '-' && argv[i][1] != '\0')
            return session_fail(s, EXIT_USAGE, "replay has no option '%s': `help replay` lists them", argv[i]);
        else if (w->file != NULL)
            return session_fail(s, EXIT_USAGE, "'%s' after '%s': replay takes one capture", argv[i], w->file);
        else
            w->file = argv[i];
    }
    if (w->file == NULL)
        return session_fail(s, EXIT_USAGE, "which capture? write `replay --list FILE`");
    return list ? EXIT_DONE : session_fail(s, EXIT_USAGE, "what is to be done with '%s'? write `replay --list %s`", w->file, w->file);
}

static void progress(void *ctx, uint64_t packets)
{
    (void)ctx;
    fprintf(stderr, "\r%llu packets", (unsigned long long)packets);
}

static int replay_main(struct session *s, int argc, char **argv)
{
    struct words w;
    struct contents c;
    char msg[1024];
    int status = read_words(s, argc, argv, &w);
    if (status != EXIT_DONE)
        return status;
    struct capture_reader *r = capture_open(w.file, msg, sizeof(msg));
    if (r == NULL)
        return session_fail(s, EXIT_USAGE, "%s", msg);
    bool shown = isatty(STDERR_FILENO);
    status = contents_read(&c, r, w.file, shown ? progress : NULL, NULL, msg, sizeof(msg));
    if (shown && c.packets >= 65536)
        fputs("\r\033[K", stderr);
    capture_close(r);
    if (status == EXIT_DONE)
        (w.json ? contents_json : contents_print)(&c, s->out);
    contents_done(&c);
    return status == EXIT_DONE ? status : session_fail(s, status, "%s", msg);
}

const struct local_command local_replay = {
    .name = "replay",
    .usage = "replay --list [-j] FILE",
    .doc = "what is in a capture: its connections, and what else",
    .more = "FILE is a pcap or pcapng file, also compressed with gzip; - is the standard input. Connections have the\n"
            "numbers that Wireshark calls tcp.stream: a SYN with another initial sequence number on the same ports is\n"
            "another one. Bytes are those of the sequence space, so what was sent twice counts once; `begins with` says\n"
            "whether the capture has the handshake. A file that breaks off is read as far as it goes.\n"
            "Example:\n"
            "  replay --list capture.pcapng",
    .fn = replay_main,
};
