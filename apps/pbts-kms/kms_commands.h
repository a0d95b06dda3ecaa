/* kms_commands.h - the commands of pbts-kms; as in apps/pbts/command.h. */
#ifndef PBTS_KMS_COMMANDS_H
#define PBTS_KMS_COMMANDS_H

int kms_cmd_init(int argc, char **argv);
int kms_cmd_run(int argc, char **argv);
int kms_cmd_dkg(int argc, char **argv);
int kms_cmd_refresh(int argc, char **argv);
int kms_cmd_status(int argc, char **argv);
int kms_cmd_allow(int argc, char **argv);

#endif
