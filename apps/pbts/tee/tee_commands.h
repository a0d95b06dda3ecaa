/* tee_commands.h - the commands `pbts tee …`; argv[0] is the last word of the command. Exit codes:
 * exit_codes.h, 1 when evidence is refused. */
#ifndef PBTS_APPS_TEE_COMMANDS_H
#define PBTS_APPS_TEE_COMMANDS_H

int pbts_cmd_tee_generate(int argc, char **argv);
int pbts_cmd_tee_verify(int argc, char **argv);

#endif
