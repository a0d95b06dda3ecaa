/* ledger_commands.h - the commands `pbts ledger …`; argv[0] is the last word of the command. Exit
 * codes: 0 ok, 1 verification failed, 2 usage, 3 input or output failed. */
#ifndef PBTS_APPS_LEDGER_COMMANDS_H
#define PBTS_APPS_LEDGER_COMMANDS_H

int pbts_cmd_ledger_verify(int argc, char **argv);
int pbts_cmd_ledger_export(int argc, char **argv);
int pbts_cmd_ledger_import(int argc, char **argv);
int pbts_cmd_ledger_seal(int argc, char **argv);
/* On an Ethereum chain. */
int pbts_cmd_ledger_address(int argc, char **argv);
int pbts_cmd_ledger_deploy(int argc, char **argv);
int pbts_cmd_ledger_deploy_verifier(int argc, char **argv);
int pbts_cmd_ledger_status(int argc, char **argv);
int pbts_cmd_ledger_prove(int argc, char **argv);
int pbts_cmd_ledger_verify_proof(int argc, char **argv);
int pbts_cmd_ledger_migrate(int argc, char **argv);

#endif
