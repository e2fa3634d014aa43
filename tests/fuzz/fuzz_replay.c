/* A capture through the replay's eyes: whatever it holds, it is read to its end, every frame is as
 * long as it says, the list of what is in it can be printed, and the tracker of its connections has something
 * to say of each packet. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "replay/list.h"
#include "replay/observe.h"
#include "replay/play.h"

/* Through the tracker, as text and as JSON, what is done with checksums by its length. */
static void observe(const uint8_t *data, size_t size, bool json)
{
    char msg[512] = "";
    const struct observe_options o = {.json = json, .flow = -1, .sums = (enum observe_sums)(size % 3)};
    FILE *f = fmemopen((void *)(uintptr_t)data, size, "rb");
    struct capture_reader *r = capture_open_stream(f, "input", msg, sizeof msg);
    if (r == NULL)
        return;
    FILE *out = fopen("/dev/null", "w");
    FUZZ_CHECK(out != NULL);
    int status = observe_run(r, "input", &o, out, NULL, NULL, msg, sizeof msg);
    FUZZ_CHECK((status == 0) == (msg[0] == '\0'));
    fclose(out);
    capture_close(r);
}

/* Each side of the first connection by the stack. */
static void play(const uint8_t *data, size_t size, const char *side)
{
    char msg[512] = "";
    struct play p;
    FILE *f = fmemopen((void *)(uintptr_t)data, size, "rb");
    struct capture_reader *r = capture_open_stream(f, "input", msg, sizeof msg);
    if (r == NULL)
        return;
    int status = play_load(&p, r, "input", 0, side, msg, sizeof msg);
    FUZZ_CHECK(status == 0 || msg[0] != '\0');
    for (int json = 0; status == 0 && json < 2; json++) {
        FILE *out = fopen("/dev/null", "w");
        FUZZ_CHECK(out != NULL);
        struct play_out o = {.p = &p, .name = "input", .out = out, .json = json != 0};
        p.row = play_out_row;
        p.row_ctx = &o;
        play_out_begin(&o);
        status = play_run(&p, msg, sizeof msg);
        play_out_end(&o, status == 0);
        fclose(out);
    }
    play_done(&p);
    capture_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char msg[512] = "";
    struct contents c;
    if (size == 0)
        return 0;
    FILE *f = fmemopen((void *)(uintptr_t)data, size, "rb");
    struct capture_reader *r = capture_open_stream(f, "input", msg, sizeof msg);
    if (r == NULL)
        return 0;
    int status = contents_read(&c, r, "input", NULL, NULL, msg, sizeof msg);
    FUZZ_CHECK((status == 0) == (msg[0] == '\0'));
    uint64_t packets = 0;
    for (const struct flow *flow = c.flows.head; flow != NULL; flow = flow->next) {
        FUZZ_CHECK(flow->side[0].packets + flow->side[1].packets > 0);
        FUZZ_CHECK(flow->first_packet <= flow->last_packet && flow->last_packet <= c.packets);
        packets += flow->side[0].packets + flow->side[1].packets;
    }
    FUZZ_CHECK(packets <= c.packets);
    FILE *out = fopen("/dev/null", "w");
    FUZZ_CHECK(out != NULL);
    contents_print(&c, out);
    contents_json(&c, out);
    fclose(out);
    contents_done(&c);
    capture_close(r);
    observe(data, size, false);
    observe(data, size, true);
    play(data, size, "client");
    play(data, size, "server");
    return 0;
}
