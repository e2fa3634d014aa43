/* lab/find.c: see find.h. */
#include "lab/find.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/nearest.h"

#define LABS_MOST 200

static bool has_lab(const char *dir, const char *name)
{
    struct text path = {0};
    text_printf(&path, "%s/%s/lab.yaml", dir, name);
    bool ok = access(path.s, R_OK) == 0;
    text_free(&path);
    return ok;
}

char *labs_folder(char *msg, size_t msg_size)
{
    const char *const places[] = {getenv("TAPDECK_LABS"), "labs"};
    struct stat st;
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (places[i] != NULL && stat(places[i], &st) == 0 && S_ISDIR(st.st_mode))
            return strdup(places[i]);
    snprintf(msg, msg_size, "there are no labs here: go to the project's folder, or set TAPDECK_LABS to the folder that holds them");
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **labs_names(const char *folder, int *n)
{
    char *names[LABS_MOST + 1];
    struct dirent *e;
    DIR *d = opendir(folder);
    int count = 0;
    while (d != NULL && count < LABS_MOST && (e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' && has_lab(folder, e->d_name) && (names[count] = strdup(e->d_name)) != NULL)
            count++;
    if (d != NULL)
        closedir(d);
    qsort(names, (size_t)count, sizeof(*names), by_name);
    char **all = words_copy(count, names);
    for (int i = 0; i < count; i++)
        free(names[i]);
    *n = count;
    return all;
}

static bool means(const char *name, const char *word)
{
    const char *dash = strchr(name, '-');
    size_t n = strlen(word);
    char *end;
    if (n > 0 && isdigit((unsigned char)word[0]) && (strtol(word, &end, 10), *end == '\0'))
        return isdigit((unsigned char)name[0]) && strtol(word, NULL, 10) == strtol(name, NULL, 10);
    return n > 0 && (strncmp(name, word, n) == 0 || (dash != NULL && strncmp(dash + 1, word, n) == 0));
}

char *lab_find(const char *word, char *msg, size_t msg_size)
{
    struct nearest near = {.word = word};
    struct text found = {0}, many = {0};
    int n, hits = 0;
    if (has_lab(word, "."))
        return strdup(word);
    if (strchr(word, '/') != NULL) {
        snprintf(msg, msg_size, "%s holds no lab: it has no lab.yaml", word);
        return NULL;
    }
    char *folder = labs_folder(msg, msg_size);
    if (folder == NULL)
        return NULL;
    char **names = labs_names(folder, &n);
    for (int i = 0; i < n; i++) {
        const char *dash = strchr(names[i], '-');
        nearest_offer(&near, names[i]);
        if (dash != NULL)
            nearest_offer(&near, dash + 1);
        if (!means(names[i], word))
            continue;
        text_printf(&many, "%s%s", hits++ > 0 ? ", " : "", names[i]);
        text_consume(&found, found.len);
        text_printf(&found, "%s/%s", folder, names[i]);
    }
    char *dir = hits == 1 ? strdup(found.s) : NULL;
    if (hits > 1)
        snprintf(msg, msg_size, "'%s' may be %s", word, many.s);
    else if (hits == 0)
        snprintf(msg, msg_size, "there is no lab '%s' in %s: `lab list` shows them%s%s%s", word, folder,
                 near.best[0] != '\0' ? "; did you mean '" : "", near.best, near.best[0] != '\0' ? "'?" : "");
    words_free(names);
    free(folder);
    text_free(&found);
    text_free(&many);
    return dir;
}
