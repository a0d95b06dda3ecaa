/* notify.h - tell a service manager how we are (sd_notify(3), without its library). */
#ifndef PBTS_TRACKER_NOTIFY_H
#define PBTS_TRACKER_NOTIFY_H

/* "READY=1", "STOPPING=1"; nothing happens without NOTIFY_SOCKET. */
void notify_manager(const char *state);

#endif
