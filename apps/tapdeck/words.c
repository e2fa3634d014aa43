/* tapdeck/words.c: going through the words of one of the client's commands (words.h). */
#include "tapdeck/words.h"

int words_read(struct session *s, int argc, char **argv, const struct words_reader *r, void *words)
{
    for (int i = 1; i < argc; i++) {
        bool option = argv[i][0] == '-' && argv[i][1] != '\0';
        int status = option ? r->valued(s, argv[i], argv[i + 1], words) : -1;
        if (status == EXIT_DONE)
            i++;
        else if (status == -1)
            status = r->plain(s, argv[i], words);
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}
