/* A capture through the replay's eyes: whatever it holds, it is read to its end, every frame is as
 * long as it says, and the list of what is in it can be printed. */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"
#include "replay/list.h"

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
    return 0;
}
