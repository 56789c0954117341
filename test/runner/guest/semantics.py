"""What a program sees of TCP and UDP sockets, one line a case; the same on Linux and in the sandbox. Ports and addresses are not shown."""
import array, ctypes, errno, fcntl, os, select, signal, socket, struct, sys, threading, time

WAIT = 5
LIBC = ctypes.CDLL(None, use_errno=True)
HOST = sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1'
NAMES = [(select.POLLIN, 'IN'), (select.POLLOUT, 'OUT'), (select.POLLERR, 'ERR'), (select.POLLHUP, 'HUP'), (0x2000, 'RDHUP')]


def name_of(call):
    try:
        result = call()
    except socket.timeout:
        return 'timeout'
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    if isinstance(result, (bytes, bytearray)):
        return f'{len(result)}:{bytes(result[:8])!r}'
    return repr(result)


def mask(s, timeout=0):
    poller = select.poll()
    poller.register(s, 0x2000 | select.POLLIN | select.POLLOUT)
    events = poller.poll(timeout)
    bits = events[0][1] if events else 0
    return ' '.join(name for bit, name in NAMES if bits & bit) or 'none'


def wait_for(s, bits):
    """Until all of `bits` are shown, and then what is."""
    end = time.monotonic() + WAIT
    poller = select.poll()
    poller.register(s, 0x2000 | select.POLLIN | select.POLLOUT)
    while time.monotonic() < end:
        events = poller.poll(20)
        if events and events[0][1] & bits == bits:
            break
        time.sleep(0.002)
    return mask(s)


def pair(backlog=8):
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(backlog)
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return client, server


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()


CASES = []


def case(function):
    CASES.append(function)
    return function


def say(*words):
    print(' ', *words)


@case
def fresh():
    s = socket.socket()
    say(mask(s), name_of(s.getpeername))


@case
def connected_and_data():
    a, b = pair()
    say(mask(a), mask(b))
    a.send(b'abc')
    say(wait_for(b, select.POLLIN), name_of(lambda: b.recv(10)), mask(b))
    b.setblocking(False)
    say(name_of(lambda: b.recv(10)), name_of(lambda: os.read(b.fileno(), 10)))
    os.write(a.fileno(), b'xyz')
    wait_for(b, select.POLLIN)
    say(name_of(lambda: os.read(b.fileno(), 2)), mask(b), name_of(lambda: b.recv(9)))


@case
def peek_waitall_fionread():
    a, b = pair()
    a.send(b'abcdef')
    wait_for(b, select.POLLIN)
    n = array.array('i', [0])
    fcntl.ioctl(b, 0x541b, n, True)
    say(n[0], name_of(lambda: b.recv(3, socket.MSG_PEEK)), name_of(lambda: b.recv(3)))
    fcntl.ioctl(b, 0x541b, n, True)
    say(n[0])
    threading.Timer(0.1, lambda: a.send(b'ghijklm')).start()
    say(name_of(lambda: b.recv(10, socket.MSG_WAITALL)), mask(b))


@case
def message_calls_between_reads():
    a, b = pair()
    a.sendall(bytes(range(200)) * 50)
    wait_for(b, select.POLLIN)
    time.sleep(0.05)
    got = b.recv(100) + b.recvmsg(300)[0] + os.read(b.fileno(), 77) + b.recvmsg(1)[0] + b.recv(23, socket.MSG_PEEK)[:0]
    got += b.recvmsg(400, 0, socket.MSG_PEEK)[0][:0] + b.recvfrom(222)[0]
    while len(got) < 10000:
        got += b.recvmsg(999)[0] if len(got) % 2 else b.recv(1001)
    say(got == bytes(range(200)) * 50, mask(b))


@case
def sends_of_all_kinds_in_order():
    a, b = pair()
    for i in range(50):
        os.write(a.fileno(), b'1%02d' % i)
        a.sendmsg([b'2%02d' % i, b'x'])
        a.send(b'3%02d' % i)
        os.writev(a.fileno(), [b'4', b'%02d' % i])
        a.send(b'5%02d' % i, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    a.shutdown(socket.SHUT_WR)
    got = b''
    while True:
        d = b.recv(4096)
        if not d:
            break
        got += d
    say(got == b''.join(b'1%02d2%02dx3%02d4%02d5%02d' % (i, i, i, i, i) for i in range(50)))


@case
def fin_then_own_shutdown():
    a, b = pair()
    a.shutdown(socket.SHUT_WR)
    say(mask(a), wait_for(b, select.POLLIN | 0x2000), name_of(lambda: b.recv(1)), name_of(lambda: b.send(b'late')))
    say(wait_for(a, select.POLLIN), name_of(lambda: a.recv(9)), name_of(lambda: a.send(b'x')))
    b.shutdown(socket.SHUT_WR)
    say(wait_for(a, select.POLLHUP), wait_for(b, select.POLLHUP), name_of(lambda: a.recv(1)), name_of(lambda: b.recv(1)))


@case
def shutdown_both():
    a, b = pair()
    a.shutdown(socket.SHUT_RDWR)
    say(mask(a), wait_for(b, 0x2000), name_of(lambda: a.recv(1)), name_of(lambda: a.send(b'x')), name_of(lambda: b.recv(1)))


@case
def shutdown_read():
    a, b = pair()
    a.shutdown(socket.SHUT_RD)
    say(mask(a), name_of(lambda: a.recv(1)), name_of(lambda: a.send(b'x')), wait_for(b, select.POLLIN), name_of(lambda: b.recv(5)))


@case
def shutdown_keeps_what_was_written():
    a, b = pair()
    a.setblocking(False)
    sent = 0
    try:
        while True:
            sent += a.send(b'q' * 50000)
    except BlockingIOError:
        pass
    a.shutdown(socket.SHUT_WR)
    got = 0
    while True:
        d = b.recv(1 << 17)
        if not d:
            break
        got += len(d)
    say(got == sent, sent > 100000)


@case
def close_keeps_what_was_written():
    a, b = pair()
    a.setblocking(False)
    sent = 0
    try:
        while True:
            sent += a.send(b'q' * 50000)
    except BlockingIOError:
        pass
    a.close()
    got = 0
    while True:
        d = b.recv(1 << 17)
        if not d:
            break
        got += len(d)
    say(got == sent)


@case
def child_writes_and_exits():
    a, b = pair()
    pid = os.fork()
    if pid == 0:
        b.close()
        for _ in range(30):
            a.sendall(b'c' * 100000)
        os._exit(0)
    a.close()
    got = 0
    while True:
        d = b.recv(1 << 17)
        if not d:
            break
        got += len(d)
    os.waitpid(pid, 0)
    say(got)


@case
def reset_idle():
    a, b = pair()
    reset(b)
    say(wait_for(a, select.POLLERR), name_of(lambda: a.recv(1)), mask(a), name_of(lambda: a.recv(1)), name_of(lambda: a.send(b'x')))


@case
def reset_after_data():
    a, b = pair()
    b.send(b'last')
    wait_for(a, select.POLLIN)
    reset(b)
    say(wait_for(a, select.POLLERR), name_of(lambda: a.recv(9)), name_of(lambda: a.recv(9)), name_of(lambda: a.recv(9)))


@case
def reset_blocked_in_read():
    a, b = pair()
    threading.Timer(0.1, lambda: reset(b)).start()
    say(name_of(lambda: os.read(a.fileno(), 1)), mask(a))


@case
def reset_error_by_option():
    a, b = pair()
    reset(b)
    wait_for(a, select.POLLERR)
    say(a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET, mask(a), name_of(lambda: a.recv(1)))


def in_child(s, others, fd):
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        for other in others:
            other.close()
        if fd != s.fileno():
            os.dup2(s.fileno(), fd)
            os.close(s.detach())
        mine = socket.socket(fileno=fd)
        os.write(done, b'x')
        say(wait_for(mine, select.POLLERR), name_of(lambda: os.read(fd, 9)))
        sys.stdout.flush()
        os._exit(0)
    s.close()
    os.read(ready, 1)
    return pid


@case
def reset_of_what_a_child_has():
    for fd in (None, 0):
        a, b = pair()
        sys.stdout.flush()
        pid = in_child(a, [b], a.fileno() if fd is None else fd)
        time.sleep(0.05)
        reset(b)
        os.waitpid(pid, 0)


@case
def reset_after_the_end_of_the_thread():
    ends = []
    thread = threading.Thread(target=lambda: ends.extend(pair()))
    thread.start()
    thread.join()
    a, b = ends
    reset(b)
    say(wait_for(a, select.POLLERR), name_of(lambda: a.recv(9)))


@case
def reset_after_own_shutdown():
    a, b = pair()
    a.shutdown(socket.SHUT_WR)
    wait_for(b, select.POLLIN)
    reset(b)
    say(wait_for(a, select.POLLERR), name_of(lambda: a.recv(1)), mask(a))


@case
def close_with_unread():
    a, b = pair()
    a.send(b'unread')
    wait_for(b, select.POLLIN)
    b.close()
    say(wait_for(a, select.POLLERR), name_of(lambda: a.recv(1)))


@case
def close_after_all_was_read():
    a, b = pair()
    a.send(b'read')
    say(name_of(lambda: b.recv(9)))
    b.close()
    say(wait_for(a, 0x2000), name_of(lambda: a.recv(1)))


@case
def broken_pipe():
    a, b = pair()
    a.shutdown(socket.SHUT_WR)
    hits = []
    signal.signal(signal.SIGPIPE, lambda *_: hits.append(1))
    say(name_of(lambda: os.write(a.fileno(), b'x')), len(hits), name_of(lambda: a.send(b'x', socket.MSG_NOSIGNAL)), len(hits))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


@case
def duplicate_keeps_it_open():
    a, b = pair()
    d = os.dup(a.fileno())
    a.close()
    os.write(d, b'dup')
    say(name_of(lambda: b.recv(9)), mask(b))
    os.close(d)
    say(wait_for(b, 0x2000))


@case
def timeouts():
    a, b = pair()
    a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 100000))
    start = time.monotonic()
    say(name_of(lambda: a.recv(1)), 0.09 < time.monotonic() - start < 1, struct.unpack('ll', a.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)))
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', 0, 100000))

    def fill():
        while True:
            os.write(a.fileno(), b'f' * 100000)

    say(name_of(fill))


@case
def interrupted_read():
    a, b = pair()

    class Hit(Exception):
        pass

    def hit(*_):
        raise Hit

    signal.signal(signal.SIGALRM, hit)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        a.recv(1)
        say('no')
    except Hit:
        say('interrupted')
    b.send(b'after')
    say(name_of(lambda: a.recv(9)))


@case
def connect_refused():
    s = socket.socket()
    probe = socket.socket()
    probe.bind((HOST, 0))
    name = probe.getsockname()
    say(name_of(lambda: s.connect(name)), mask(s), name_of(lambda: s.connect(name)))
    probe.listen()
    say(name_of(lambda: s.connect(name)), mask(s), name_of(lambda: s.send(b'x')))


@case
def connect_nonblocking_refused_and_again():
    s = socket.socket()
    s.setblocking(False)
    probe = socket.socket()
    probe.bind((HOST, 0))
    name = probe.getsockname()
    ep = select.epoll()
    ep.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET | 0x2000)
    ep.poll(0)
    say(s.connect_ex(name) in (errno.EINPROGRESS, errno.ECONNREFUSED), wait_for(s, select.POLLERR))
    say(errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)), mask(s), name_of(lambda: s.recv(1)))
    ep.poll(0)
    probe.listen()
    say(errno.errorcode.get(s.connect_ex(name)), mask(s))
    ep.poll(0)
    say(errno.errorcode.get(s.connect_ex(name)), wait_for(s, select.POLLOUT), s.connect_ex(name))
    say([f for _, f in ep.poll(1)] == [select.EPOLLOUT], name_of(lambda: s.send(b'alive')))
    peer, _ = probe.accept()
    say(name_of(lambda: peer.recv(9)))


@case
def connect_edge():
    listener = socket.socket()
    listener.bind((HOST, 0))
    listener.listen()
    s = socket.socket()
    s.setblocking(False)
    ep = select.epoll()
    ep.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET | 0x2000)
    ep.poll(0)
    s.connect_ex(listener.getsockname())
    say([f for _, f in ep.poll(1)], s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    # An edge of OUT may come twice in the sandbox.
    time.sleep(0.02)
    ep.poll(0)
    peer, _ = listener.accept()
    peer.send(b'1')
    say([f for _, f in ep.poll(1)])
    say([f for _, f in ep.poll(0.05)])
    peer.send(b'2')
    say([f for _, f in ep.poll(1)])
    say(name_of(lambda: s.recv(9)), [f for _, f in ep.poll(0.05)])
    peer.close()
    say([f & ~select.EPOLLRDNORM for _, f in ep.poll(1)])


@case
def listener():
    s = socket.socket()
    s.bind((HOST, 0))
    s.listen(4)
    s.setblocking(False)
    say(mask(s), name_of(s.accept))
    clients = [socket.create_connection(s.getsockname()) for _ in range(3)]
    for left in range(3):
        say(wait_for(s, select.POLLIN))
        peer, _ = s.accept()
        peer.send(b'hi%d' % left)
    say(mask(s), sorted(name_of(lambda c=c: c.recv(9)) for c in clients))


@case
def data_waits_for_accept():
    s = socket.socket()
    s.bind((HOST, 0))
    s.listen(4)
    c = socket.create_connection(s.getsockname())
    c.send(b'early')
    c.close()
    time.sleep(0.05)
    peer, _ = s.accept()
    peer.setblocking(False)
    say(name_of(lambda: peer.recv(9)), wait_for(peer, 0x2000), name_of(lambda: peer.recv(9)))


@case
def accepted_though_reset():
    s = socket.socket()
    s.bind((HOST, 0))
    s.listen(4)
    c = socket.create_connection(s.getsockname())
    name = c.getsockname()
    reset(c)
    time.sleep(0.05)
    say(wait_for(s, select.POLLIN))
    peer, address = s.accept()
    say(address == name, name_of(peer.getpeername), name_of(lambda: peer.recv(1)))


@case
def disconnected_with_unread():
    a, b = pair()
    b.send(b'unread')
    wait_for(a, select.POLLIN)
    unspec = struct.pack('H14x', socket.AF_UNSPEC)
    say(LIBC.connect(a.fileno(), unspec, 16), name_of(a.getpeername))
    listener = socket.socket()
    listener.bind((HOST, 0))
    listener.listen()
    a.connect(listener.getsockname())
    peer, _ = listener.accept()
    peer.send(b'new')
    say(name_of(lambda: a.recv(9)), name_of(lambda: a.recvmsg(9, 0, socket.MSG_DONTWAIT)[0]), mask(a))


def option(s, number, level=socket.SOL_SOCKET):
    return name_of(lambda: s.getsockopt(level, number, 12))


@case
def not_a_unix_socket():
    SO_TYPE, SO_PEERCRED, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN = 3, 17, 30, 38, 39
    a, b = pair()
    u = socket.socket(type=socket.SOCK_DGRAM)
    u.bind((HOST, 0))
    for s in (a, u):
        say(*(option(s, n) for n in (SO_TYPE, SO_PEERCRED, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN)))
        say(s.getsockname()[0] == HOST, name_of(lambda: s.getpeername()[0] == HOST))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack('i', 0))]
        say(name_of(lambda: s.sendmsg([b'r'], rights, 0, u.getsockname()) if s is u else s.sendmsg([b'r'], rights)))
        say(name_of(lambda: s.recv(9, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)), name_of(lambda: s.recv(9, socket.MSG_OOB | socket.MSG_DONTWAIT)))
        say(name_of(lambda: s.sendto(b'x', 0x4000000, b.getsockname() if s is a else s.getsockname())))
    for request in (0x8905, 0x8927, 0x8915, 0x8933):
        for s in (a, u):
            buffer = bytearray(struct.pack('16s24x', b'lo'))
            say(hex(request), name_of(lambda: fcntl.ioctl(s, request, buffer, True)))


@case
def octets_sent_and_not_acknowledged():
    a, b = pair()
    a.send(b'x' * 1000)
    b.recv(1000)
    time.sleep(0.1)
    n = array.array('i', [7])
    fcntl.ioctl(a, 0x5411, n, True)
    say(n[0])


@case
def low_water():
    a, b = pair()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 5)
    a.send(b'abc')
    time.sleep(0.05)
    say(mask(b))
    a.send(b'defg')
    say(wait_for(b, select.POLLIN), name_of(lambda: b.recv(9)))


@case
def truncating_receive():
    a, b = pair()
    a.send(b'0123456789')
    wait_for(b, select.POLLIN)
    say(b.recv_into(bytearray(4), 4, socket.MSG_TRUNC), name_of(lambda: b.recv(9)))


@case
def sendfile_and_splice():
    a, b = pair()
    with open(__file__, 'rb') as f:
        os.sendfile(a.fileno(), f.fileno(), 0, 9000)
        expected = f.read(9000)
    r, w = os.pipe()
    os.write(w, b'through a pipe')
    os.splice(r, a.fileno(), 14)
    a.shutdown(socket.SHUT_WR)
    got = b''
    while True:
        d = b.recv(65536)
        if not d:
            break
        got += d
    say(got == expected + b'through a pipe')
    b.send(b'back')
    wait_for(a, select.POLLIN)
    say(os.splice(a.fileno(), w, 100), name_of(lambda: os.read(r, 100)))


@case
def many_turns():
    a, b = pair()
    for i in range(2000):
        a.send(b'%d' % i)
        if int(b.recv(9)) != i:
            say('wrong', i)
        b.send(b'%d' % i)
        if int(a.recv(9)) != i:
            say('wrong', i)
        if i % 500 == 0:
            say(mask(a), mask(b))


@case
def wait_for_room():
    a, b = pair()
    a.setblocking(False)
    sent = 0
    # What a direct plane has taken by the time of EAGAIN depends on the scheduler: full is when nothing moves any more.
    while select.select([], [a], [], .5)[1]:
        try:
            while True:
                sent += a.send(b'w' * 65536)
        except BlockingIOError:
            pass
    say(mask(a))
    got = 0
    while got < sent:
        got += len(b.recv(1 << 18))
    say(wait_for(a, select.POLLOUT), got == sent)


@case
def small_receive_buffer():
    a, b = pair()
    b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    total = 100000
    threading.Thread(target=lambda: a.sendall(b's' * total)).start()
    got = 0
    while got < total:
        got += len(b.recv(1000))
    say(got)


@case
def urgent_data():
    a, b = pair()
    a.send(b'before')
    a.send(b'U', socket.MSG_OOB)
    a.send(b'after')
    time.sleep(0.05)
    say(name_of(lambda: b.recv(100)), name_of(lambda: b.recv(1, socket.MSG_OOB)))
    time.sleep(0.05)
    say(name_of(lambda: b.recv(100)))


@case
def datagrams():
    a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    a.bind((HOST, 0))
    b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    b.connect(a.getsockname())
    say(mask(a), mask(b))
    os.write(b.fileno(), b'one')
    b.send(b'')
    b.sendmsg([b'thr', b'ee'])
    b.send(b'four' * 100)
    wait_for(a, select.POLLIN)
    time.sleep(0.02)
    data, name = a.recvfrom(100)
    say(data, name == b.getsockname(), name_of(lambda: a.recv(10)), name_of(lambda: os.read(a.fileno(), 3)), name_of(lambda: a.recvmsg(9)[0]), mask(a))
    for i in range(20):
        a.sendto(b'%d' % i, name)
    wait_for(b, select.POLLIN)
    time.sleep(0.02)
    say([b.recv(9) if i % 3 else b.recvfrom(9)[0] for i in range(20)], mask(b))
    a.setblocking(False)
    say(name_of(lambda: a.recv(1)), name_of(lambda: a.recvfrom(1)))
    b.send(b'x' * 60000)
    wait_for(a, select.POLLIN)
    say(len(a.recv(65536)))


@case
def datagram_lost_to_a_bad_address():
    a = socket.socket(type=socket.SOCK_DGRAM)
    a.bind((HOST, 0))
    b = socket.socket(type=socket.SOCK_DGRAM)
    b.connect(a.getsockname())
    for i in range(4):
        b.send(b'%d' % i)
    time.sleep(0.05)
    name, length = ctypes.create_string_buffer(16), ctypes.c_int(16)
    say(LIBC.recvfrom(a.fileno(), ctypes.c_void_p(8), 9, 0, name, ctypes.byref(length)), errno.errorcode[ctypes.get_errno()])
    say(name_of(lambda: a.recvmsg(9)[0]))
    time.sleep(0.05)
    say(name_of(lambda: os.read(a.fileno(), 9)), name_of(lambda: a.recvfrom(9)[0]), mask(a))


@case
def datagram_refused():
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind((HOST, 0))
    name = probe.getsockname()
    probe.close()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(name)
    s.send(b'x')
    say(wait_for(s, select.POLLERR), errno.errorcode.get(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)), mask(s))
    s.send(b'y')
    wait_for(s, select.POLLERR)
    say(name_of(lambda: s.recvmsg(9)), mask(s))


@case
def many_connections():
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(50):
        a, b = pair()
        a.send(b'q')
        b.recv(1)
        b.send(b'r')
        a.recv(1)
        a.close()
        b.close()
    say(len(os.listdir('/proc/self/fd')) - before)


@case
def threads_share_a_socket():
    a, b = pair()
    got = []
    lock = threading.Lock()

    def read():
        while True:
            d = b.recv(997)
            if not d:
                return
            with lock:
                got.append(len(d))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(300):
        a.sendall(b't' * 3001)
    a.shutdown(socket.SHUT_WR)
    for t in threads:
        t.join()
    say(sum(got))


signal.signal(signal.SIGPIPE, signal.SIG_IGN)
only = sys.argv[2:]
for function in CASES:
    if only and function.__name__ not in only:
        continue
    print(function.__name__)
    signal.alarm(0)
    try:
        function()
    except Exception as error:  # a case that cannot go on is a line like any other
        print('  !', type(error).__name__, error)
    sys.stdout.flush()
