/* kms_commands.h - `pbts kms ...`: see command.h. */
#ifndef PBTS_APPS_KMS_COMMANDS_H
#define PBTS_APPS_KMS_COMMANDS_H

int pbts_cmd_kms_key(int argc, char **argv);
int pbts_cmd_kms_statement(int argc, char **argv);

#endif
