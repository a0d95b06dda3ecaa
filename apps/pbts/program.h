/* program.h - the frame of a program that is a list of commands: its help, and which one is run. */
#ifndef PBTS_APPS_PROGRAM_H
#define PBTS_APPS_PROGRAM_H

#include <stddef.h>

typedef struct {
    const char *words[2];              /* the second may be NULL */
    int (*run)(int argc, char **argv); /* argv[0]: "pbts key new" */
    const char *help;                  /* a line */
} program_command;

typedef struct {
    const char *name;
    const program_command *commands;
    size_t count;
    int width;            /* of the column of commands in --help */
    const char *title;    /* above the examples */
    const char *examples; /* lines that begin with two blanks */
} program;

/* Run the command that the arguments name, or say what there is: the program's exit code. Keys are
 * kept out of core dumps, and no signal ends the program for a write that fails. */
int program_run(const program *p, int argc, char **argv);

#endif
