/* topology files: any bytes. What is one is printed in all its forms; what is none is refused with a place
 * within the text. */
#include "fuzz.h"
#include "topo/topo.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char msg[1024] = "";
    struct text out = {0};
    struct topo *t = topo_parse("f", (const char *)data, size, msg, sizeof(msg));
    if (t == NULL) {
        FUZZ_CHECK(strncmp(msg, "f:", 2) == 0 && strlen(msg) > 4);
        return 0;
    }
    topo_text(&out, t);
    topo_mermaid(&out, t);
    topo_dot(&out, t);
    topo_json(&out, t);
    for (const struct topo_link *l = t->links; l != NULL; l = l->next) {
        for (int i = 0; i < 2; i++) {
            FUZZ_CHECK(l->end[i].node != NULL && l->end[i].interface != NULL && l->end[i].interface->used);
            FUZZ_CHECK(topo_node(t, l->end[i].node->name) == l->end[i].node);
        }
    }
    text_free(&out);
    topo_free(t);
    return 0;
}
