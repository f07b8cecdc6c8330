/* With the headers' checks these calls have other names: __read_chk, __poll_chk, __recv_chk. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The size is known here and the length is not, or else the compiler would drop the check. */
static size_t length(void) {
    return getenv("TOWER_FIBER_NO_SUCH_NAME") ? 2 : 1;
}

int calls_of_fortified_code(int pipe, int socket) {
    char byte[2];
    struct pollfd one[2] = {{socket, POLLIN, 0}};
    int done = 0;
    done += read(pipe, byte, length()) == 1;
    done += poll(one, length(), -1) == 1;
    recv(socket, byte, length(), 0);
    done += recv(socket, byte, length(), 0) == 1;
    return done;
}
