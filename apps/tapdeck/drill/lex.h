/* drill/lex.h: a script's bytes as tokens. */
#ifndef DRILL_LEX_H
#define DRILL_LEX_H

#include "tapdeck/drill/drill.h"

enum token_kind {
    TOKEN_END,
    TOKEN_INT,      /* -?[0-9]+ */
    TOKEN_HEX,      /* 0x… */
    TOKEN_FLOAT,    /* -?[0-9]*\.[0-9]+ */
    TOKEN_WORD,     /* [A-Za-z0-9_]+ */
    TOKEN_STRING,   /* "…": body */
    TOKEN_SHELL,    /* `…`: body */
    TOKEN_CODE,     /* %{ … }%: body, outer blanks stripped */
    TOKEN_ELLIPSIS, /* ... */
    TOKEN_OPTION,   /* --word: body is the word */
    TOKEN_PUNCT,    /* any other printable character: punct */
    TOKEN_BAD,      /* problem says why, as a sentence */
};

struct token {
    enum token_kind kind;
    char punct;
    bool newline;  /* it is the first of its line */
    bool replaced; /* it came from a definition */
    const char *s; /* as written: n bytes */
    size_t n;
    const char *body;
    size_t body_n;
    unsigned line, col;
    unsigned body_line;
    const char *problem;
};

/* Can be copied: a copy is a place to come back to. */
struct lexer {
    const char *p, *end;
    const char *line_start;
    unsigned line;
    const struct drill_defines *defs[2]; /* may be NULL; the first wins */
};

void lex_init(struct lexer *l, const char *text, size_t len);
void lex_next(struct lexer *l, struct token *t);
/* Is it a word, this one? */
bool token_is(const struct token *t, const char *word);
bool token_punct(const struct token *t, char c);
/* Is value one integer, word, string or shell command? */
bool lex_define_ok(const char *value);
/* "end of file", "'foo'", "the string \"…\"": for a message. */
void token_name(const struct token *t, char *dst, size_t size);

#endif
