/* command.h - the subcommands of `pbts`. Each takes its own arguments, argv[0] being the last word
 * of the command, prints to stdout, explains failures on stderr, and gives an exit code. */
#ifndef PBTS_APPS_COMMAND_H
#define PBTS_APPS_COMMAND_H

int pbts_cmd_key_new(int argc, char **argv);
int pbts_cmd_key_show(int argc, char **argv);
int pbts_cmd_register(int argc, char **argv);
int pbts_cmd_passkey_rotate(int argc, char **argv);
int pbts_cmd_user_show(int argc, char **argv);
int pbts_cmd_torrent_create(int argc, char **argv);
int pbts_cmd_torrent_show(int argc, char **argv);
int pbts_cmd_torrent_add(int argc, char **argv);
int pbts_cmd_torrent_list(int argc, char **argv);
int pbts_cmd_receipt_make(int argc, char **argv);
int pbts_cmd_receipt_verify(int argc, char **argv);
int pbts_cmd_receipt_show(int argc, char **argv);
int pbts_cmd_report(int argc, char **argv);
int pbts_cmd_peer_list(int argc, char **argv);
int pbts_cmd_peer_add(int argc, char **argv);
int pbts_cmd_peer_remove(int argc, char **argv);
int pbts_cmd_peer_stats(int argc, char **argv);
int pbts_cmd_dht_status(int argc, char **argv);
int pbts_cmd_dht_lookup(int argc, char **argv);
int pbts_cmd_dht_announce(int argc, char **argv);

#endif
