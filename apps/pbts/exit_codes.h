/* exit_codes.h - what `pbts` says to the shell; the same for every command. */
#ifndef PBTS_APPS_EXIT_CODES_H
#define PBTS_APPS_EXIT_CODES_H

enum {
    PBTS_EXIT_OK = 0,
    PBTS_EXIT_REFUSED = 1, /* the tracker refused, or something did not verify */
    PBTS_EXIT_USAGE = 2,   /* the command line */
    PBTS_EXIT_IO = 3, /* a file, the network, memory, or a tracker that answers 5xx or nonsense */
};

#define PBTS_EXIT_HELP \
    "exit codes: 0 ok, 1 refused or not verified, 2 usage, 3 file, network or tracker failed\n"

#endif
