/* The lists of a front's connections, doubly linked by index. */
#include "base/assert.h"
#include "net/front_conn.h"

static uint32_t index_of(const pbts_front *front, const front_conn *conn) {
    return (uint32_t)(conn - front->conns);
}

static void append(pbts_front *front, front_conn *conn, front_list list) {
    front_ends *ends = &front->lists[list];
    uint32_t index = index_of(front, conn);
    conn->list = list;
    conn->next = FRONT_NONE;
    conn->prev = ends->last;
    if (ends->last == FRONT_NONE)
        ends->first = index;
    else
        front->conns[ends->last].next = index;
    ends->last = index;
}

static void unlink_conn(pbts_front *front, front_conn *conn) {
    front_ends *ends = &front->lists[conn->list];
    if (conn->prev == FRONT_NONE)
        ends->first = conn->next;
    else
        front->conns[conn->prev].next = conn->next;
    if (conn->next == FRONT_NONE)
        ends->last = conn->prev;
    else
        front->conns[conn->next].prev = conn->prev;
}

void front_lists_init(pbts_front *front) {
    for (size_t i = 0; i < FRONT_LISTS; i++)
        front->lists[i] = (front_ends){ FRONT_NONE, FRONT_NONE };
    for (uint32_t i = 0; i < front->config.connections_max; i++) {
        front->conns[i].fd = -1;
        append(front, &front->conns[i], FRONT_FREE);
    }
}

void front_move(pbts_front *front, front_conn *conn, front_list to) {
    assert(to < FRONT_LISTS);
    conn->since_ms = front->now_ms;
    if (conn->list == to && conn->next == FRONT_NONE) return; /* is the last one already */
    unlink_conn(front, conn);
    append(front, conn, to);
}

front_conn *front_first(pbts_front *front, front_list list) {
    uint32_t first = front->lists[list].first;
    return first == FRONT_NONE ? NULL : &front->conns[first];
}
