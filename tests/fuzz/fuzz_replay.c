/* A capture through the replay's eyes: whatever it holds, it is read to its end, every frame is as
 * long as it says, the list of what is in it can be printed, and the tracker of its connections has something
 * to say of each packet. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "replay/host.h"
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
    /* What is mended, and how, by its length. */
    const struct play_mend mend = {.sums = (enum observe_sums)(size % 3), .mtu = size % 5 == 0 ? 68 + (uint32_t)size % 4000 : 0, .assume = size % 2 == 0};
    int status = play_load_mended(&p, r, "input", 0, side, &mend, msg, sizeof msg);
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

/* The hosts at both ends of the first packets by the stack, alone and as the two interfaces of a router. */
static void told(void *ctx, const struct host_row *r)
{
    struct text t = {0};
    host_print_row(r, NULL, &t);
    FUZZ_CHECK(t.len > 0 && r->verdict < HOST_VERDICTS);
    text_free(&t);
    (*(uint64_t *)ctx)++;
}

static void hosts(const uint8_t *data, size_t size)
{
    char msg[1024] = "", path[64];
    td_ip4 addr[2] = {0, 0};
    struct viewer w = {0};
    struct capture_frame f;
    struct view v;
    unsigned n = 0;
    struct capture_reader *r = capture_open_stream(fmemopen((void *)(uintptr_t)data, size, "rb"), "input", msg, sizeof msg);
    for (uint64_t i = 1; r != NULL && n < 2 && i < 32 && capture_next(r, &f, msg, sizeof msg) == 1; i++) {
        if (view_make(&w, &f, i, &v) != VIEW_OK || v.net != VIEW_IPV4)
            continue;
        addr[n++] = v.ip.src;
        if (n < 2 && v.ip.dst != addr[0])
            addr[n++] = v.ip.dst;
    }
    viewer_done(&w);
    capture_close(r);
    int fd = memfd_create("capture", 0);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    for (unsigned k = 0; k < 3 && n > 0; k++) {
        uint64_t rows = 0;
        int status;
        struct host_options o = {.nifs = k == 2 ? n : 1, .nfiles = 1, .file = {path}, .sums = (enum observe_sums)(size % 3), .row = told, .ctx = &rows};
        for (unsigned i = 0; i < o.nifs; i++) {
            o.iface[i].addr = addr[k == 1 ? n - 1 : i];
            o.iface[i].plen = 33;
        }
        struct host *h = host_open(&o, &status, msg, sizeof msg);
        FUZZ_CHECK(h != NULL || (status != 0 && msg[0] != '\0'));
        if (h == NULL)
            continue;
        while (host_step(h))
            ;
        host_finish(h);
        const struct host_sum *s = host_summary(h);
        uint64_t all = 0;
        for (unsigned i = 0; i < HOST_VERDICTS; i++)
            all += s->count[i];
        FUZZ_CHECK(all == rows);
        struct text t = {0};
        host_print_sum(s, &t);
        text_free(&t);
        host_close(h);
    }
    close(fd);
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
    hosts(data, size);
    return 0;
}
