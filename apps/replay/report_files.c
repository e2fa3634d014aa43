/* replay/report_files.c: the parts of the page, put into the program as they are (report.h).
 *
 * The assembler reads the files (.incbin); the Makefile knows that this object depends on them.
 * uPlot draws axes, scales and lines; scripts/uplot.sh fetches it, its licence goes along in each
 * page.
 */
#include "replay/report.h"

/* Behind each file a byte of zero, so that its text can be printed, too. */
#define FILE_IN(name, path)                                                                        \
    extern const char name##_begin[], name##_end[];                                                \
    __asm__(".pushsection .rodata\n.global " #name "_begin\n" #name                                \
            "_begin:\n.incbin \"apps/replay/report/" path "\"\n.global " #name "_end\n" #name      \
            "_end:\n.byte 0\n.popsection\n")
#define FILE_OF(name)                                                                              \
    {                                                                                              \
        name##_begin, name##_end                                                                   \
    }

FILE_IN(file_page, "page.html");
FILE_IN(file_style, "report.css");
FILE_IN(file_plot_style, "vendor/uPlot.min.css");
FILE_IN(file_plot_script, "vendor/uPlot.iife.min.js");
FILE_IN(file_plot_license, "vendor/uPlot.LICENSE");
FILE_IN(file_data, "data.js");
FILE_IN(file_plots, "plots.js");
FILE_IN(file_tsg, "tsg.js");
FILE_IN(file_list, "list.js");
FILE_IN(file_ladder, "ladder.js");
FILE_IN(file_main, "main.js");

const struct report_file report_page = FILE_OF(file_page), report_style = FILE_OF(file_style),
                         report_plot_style = FILE_OF(file_plot_style),
                         report_plot_script = FILE_OF(file_plot_script),
                         report_plot_license = FILE_OF(file_plot_license);
const struct report_file report_script[REPORT_SCRIPTS] = {FILE_OF(file_data),   FILE_OF(file_plots),
                                                          FILE_OF(file_tsg),    FILE_OF(file_list),
                                                          FILE_OF(file_ladder), FILE_OF(file_main)};
