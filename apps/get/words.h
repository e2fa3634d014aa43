/* get/words.h: the options of `get`, which the daemon obeys and of which the client takes -o. */
#ifndef GET_WORDS_H
#define GET_WORDS_H

#define GET_LETTERS "fH:IijLm:o:r:sv"

#endif
