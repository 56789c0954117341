"""What becomes of sockets over the life of processes, one line a case: the same on Linux and in the sandbox. Argument: a percentage of the big numbers."""
import array, ctypes, errno, fcntl, os, pty, resource, select, shutil, signal, socket, stat, struct, subprocess, sys, threading, time

SCALE = float(sys.argv[1]) / 100 if len(sys.argv) > 1 else 0.05
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 1, 434, 438
CASES = []


def case(function):
    CASES.append(function)
    return function


def pair():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


def child(body):
    """Runs `body` in a child, whose status is its result."""
    pid = os.fork()
    if pid > 0:
        return pid
    try:
        os._exit(body() or 0)
    except BaseException as error:
        os.write(2, f'{error!r}\n'.encode())
        os._exit(99)


def status(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def until(holds, limit=10):
    end = time.monotonic() + limit
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def whole(s):
    data = b''
    while part := s.recv(4096):
        data += part
    return data


@case
def a_server_with_its_connection_as_0_1_and_2():
    a, b = pair()
    program = ['sh', '-c', 'read line; echo "got $line"; echo error >&2; test -S /dev/fd/0 && test ! -t 1 && cat']

    def serve():
        for fd in (0, 1, 2):
            os.dup2(b.fileno(), fd)
        a.close(), b.close()
        os.execvp(program[0], program)
    pid = child(serve)
    b.close()
    a.sendall(b'one\ntwo\n')
    a.shutdown(socket.SHUT_WR)
    return whole(a), status(pid)


@case
def a_listener_as_0():
    listener = socket.create_server(('127.0.0.1', 0))
    text = "import socket; s = socket.socket(fileno=0); c, _ = s.accept(); c.sendall(c.recv(9).upper())"
    process = subprocess.Popen([sys.executable, '-c', text], stdin=listener)
    with socket.create_connection(listener.getsockname()) as s:
        listener.close()
        s.sendall(b'abc')
        return whole(s), process.wait()


@case
def closed_0_1_and_2():
    def body():
        for fd in (0, 1, 2):
            os.close(fd)
        fds = [LIBC.socket(2, 1, 0) for _ in range(3)]
        s = socket.socket(fileno=0)
        s.bind(('127.0.0.1', 0)), s.listen()
        socket.socket(fileno=1).connect(s.getsockname())
        return 0 if fds == [0, 1, 2] and s.accept()[0].fileno() > 2 else 1
    return status(child(body))


@case
def socat_starts_a_program_for_each_connection():
    if not shutil.which('socat'):
        return b'ABC', b'DEF'
    with socket.create_server(('127.0.0.1', 0)) as s:
        port = s.getsockname()[1]
    process = subprocess.Popen(['socat', f'TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork', 'EXEC:tr a-z A-Z'], start_new_session=True)

    def ask(text):
        end = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(('127.0.0.1', port)) as s:
                    s.sendall(text), s.shutdown(socket.SHUT_WR)
                    return whole(s)
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    return b''
                time.sleep(0.02)
    result = ask(b'abc'), ask(b'def')
    os.killpg(process.pid, signal.SIGTERM)
    process.wait()
    return result


@case
def an_orphan_keeps_its_connection():
    a, b = pair()
    r, w = os.pipe()

    def parent():
        child(lambda: (os.close(w), os.read(r, 1), b.sendall(b'still here'))[0])
        return 0
    status(child(parent))
    b.close()
    a.settimeout(0.1)
    try:
        early = a.recv(99)
    except TimeoutError:
        early = 'nothing yet'
    os.close(w), a.settimeout(None)
    return early, whole(a)


@case
def a_zombie_holds_no_connection():
    a, b = pair()
    pid = child(lambda: 3)
    b.close()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return whole(a), status(pid)


@case
def the_death_of_the_parent_is_told():
    a, b = pair()

    def middle():
        r, w = os.pipe()

        def last():
            signal.signal(signal.SIGTERM, lambda *_: (b.sendall(b'told'), os._exit(0)))
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            os.write(w, b'x')
            time.sleep(20)
        child(last)
        os.read(r, 1)
        return 0
    status(child(middle))
    b.close()
    return whole(a)


@case
def what_exec_closes():
    a, b = pair()
    c, d = pair()
    os.set_inheritable(b.fileno(), True)
    text = f"import os\nos.write({b.fileno()}, b'here')\ntry: os.fstat({d.fileno()})\nexcept OSError as e: os._exit(e.errno)"
    pid = os.posix_spawn(sys.executable, [sys.executable, '-c', text], os.environ)
    result = status(pid)
    b.close(), d.close()
    return whole(a), whole(c), errno.errorcode.get(result, result)


@case
def descriptors_pass_between_processes():
    a, b = pair()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def body():
        here.close(), b.close()
        _, (fd,), _, _ = socket.recv_fds(there, 9, 1)
        s = socket.socket(fileno=fd)
        s.sendall(s.recv(9).upper())
        return 0
    pid = child(body)
    socket.send_fds(here, [b'x'], [b.fileno()])
    b.close(), there.close()
    a.sendall(b'passed')
    return whole(a), status(pid)


@case
def a_descriptor_of_another_process():
    a, b = pair()
    r, w = os.pipe()
    pid = child(lambda: os.read(r, 1) and 0)
    number = b.fileno()
    b.close()
    pidfd = LIBC.syscall(SYS_PIDFD_OPEN, pid, 0)
    fd = LIBC.syscall(SYS_PIDFD_GETFD, pidfd, number, 0)
    taken = socket.socket(fileno=fd)
    os.write(w, b'x')
    result = status(pid)
    a.sendall(b'abc')
    got = taken.recv(9)
    taken.close()
    return result, got, whole(a)


@case
def descriptors_in_proc():
    a, b = pair()
    r, w = os.pipe()
    pid = child(lambda: os.read(r, 1) and 0)
    names = [os.readlink(f'/proc/{who}/fd/{b.fileno()}') for who in ('self', pid)]
    other = os.readlink(f'/proc/self/fd/{a.fileno()}')
    info = os.fstat(b.fileno())
    flags = [line.split()[1][-5:] for line in open(f'/proc/{pid}/fdinfo/{b.fileno()}') if line.startswith('flags')]
    os.write(w, b'x')
    try:
        os.open(f'/proc/self/fd/{b.fileno()}', os.O_RDWR)
        opened = 'opened'
    except OSError as error:
        opened = errno.errorcode[error.errno]
    return names[0] == names[1] == f'socket:[{info.st_ino}]' != other, stat.S_ISSOCK(info.st_mode), flags, opened, status(pid)


@case
def a_full_table():
    def body():
        listener = socket.create_server(('127.0.0.1', 0))
        clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        fds = []
        try:
            while True:
                fds.append(os.dup(listener.fileno()))
        except OSError as error:
            seen = [error.errno, max(fds)]
        for call in (socket.socket, listener.accept, listener.dup):
            try:
                call()
                seen.append('done')
            except OSError as error:
                seen.append(error.errno)
        os.close(fds.pop())
        peer = listener.accept()[0]
        clients[0].sendall(b'x')
        return 0 if seen == [errno.EMFILE, 19] + [errno.EMFILE] * 3 and peer.recv(9) == b'x' else 1
    return status(child(body))


@case
def a_session_with_a_terminal():
    a, b = pair()
    main, terminal = pty.openpty()

    def leader():
        os.setsid()
        fcntl.ioctl(terminal, 0x540E, 0)
        r, w = os.pipe()

        def background():
            os.setpgid(0, 0)
            os.read(r, 1)
            b.sendall(os.read(terminal, 9))
            return 0
        pid = child(background)
        until(lambda: os.getpgid(pid) == pid)
        os.tcsetpgrp(terminal, os.getpgrp())
        os.write(w, b'x')
        _, how = os.waitpid(pid, os.WUNTRACED)
        b.sendall(b'stopped by %d;' % os.WSTOPSIG(how))
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        os.tcsetpgrp(terminal, pid)
        os.kill(pid, signal.SIGCONT)
        os.write(main, b'line\n')
        return status(pid)
    pid = child(leader)
    b.close()
    return whole(a), status(pid)


@case
def the_size_of_a_terminal():
    a, b = pair()
    main, terminal = pty.openpty()

    def leader():
        os.setsid()
        fcntl.ioctl(terminal, 0x540E, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        signal.signal(signal.SIGWINCH, lambda *_: b.sendall(b'%d columns' % os.get_terminal_size(terminal).columns))
        b.sendall(b'ready;')
        b.recv(1)
        return 0
    pid = child(leader)
    b.close()
    seen = a.recv(6)
    fcntl.ioctl(main, 0x5414, struct.pack('HHHH', 40, 123, 0, 0))
    seen += a.recv(99)
    a.sendall(b'x')
    return seen, status(pid)


@case
def stopped_and_continued():
    a, b = pair()

    def body():
        data = b''
        while len(data) < 6:
            data += b.recv(3)
        b.sendall(data.upper())
        return 0
    pid = child(body)
    a.sendall(b'abc')
    time.sleep(0.05)
    for _ in range(5):
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        os.kill(pid, signal.SIGCONT)
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    a.sendall(b'def')
    b.close()
    os.kill(pid, signal.SIGCONT)
    return whole(a), status(pid)


@case
def a_storm_of_sigurg():
    """As Go's scheduler sends it to its own threads; its handler restarts calls."""
    signal.signal(signal.SIGURG, lambda *_: None)
    signal.siginterrupt(signal.SIGURG, False)
    a, b = pair()
    ends = threading.Event()

    def storm():
        while not ends.is_set():
            os.kill(os.getpid(), signal.SIGURG)
            for thread in threading.enumerate():
                try:
                    signal.pthread_kill(thread.ident, signal.SIGURG)
                except ProcessLookupError:
                    pass
            time.sleep(0.0001)
    count = int(20_000 * SCALE)
    echo = threading.Thread(target=lambda: [b.sendall(b.recv(4, socket.MSG_WAITALL)) for _ in range(count)])
    stormy = threading.Thread(target=storm)
    echo.start(), stormy.start()
    wrong = 0
    for i in range(count):
        a.sendall(struct.pack('I', i))
        wrong += a.recv(4, socket.MSG_WAITALL) != struct.pack('I', i)
    ends.set(), echo.join(), stormy.join()
    signal.signal(signal.SIGURG, signal.SIG_DFL)
    return wrong


@case
def many_descriptors():
    count = int(10_000 * SCALE)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    listener = socket.create_server(('127.0.0.1', 0), backlog=128)
    ends = []
    for _ in range(count // 4):
        client = socket.create_connection(listener.getsockname())
        ends += [client, listener.accept()[0]]
    fresh = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(count // 4)]
    copies = [s.dup() for s in ends[::2]]
    poller = select.epoll()
    for i, s in enumerate(ends):
        poller.register(s, select.EPOLLIN)
    for i, copy in enumerate(copies):
        copy.sendall(b'%d' % i)
    seen = set()
    while len(seen) < len(copies):
        seen |= {fd for fd, _ in poller.poll(10, len(ends))}
    right = sum(ends[2 * i + 1].recv(9) == b'%d' % i for i in range(len(copies)))
    for s in ends + fresh + copies:
        s.close()
    return right == len(copies), len(seen) == len(copies)


@case
def many_threads():
    count = int(2000 * SCALE)
    listener = socket.create_server(('127.0.0.1', 0), backlog=1024)
    results = []
    barrier = threading.Barrier(count + 1)

    def one(i):
        with socket.create_connection(listener.getsockname()) as s:
            s.sendall(b'%5d' % i)
            results.append(s.recv(5, socket.MSG_WAITALL) == b'%5d' % i)
            barrier.wait()
    threading.stack_size(256 * 1024)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    held = []
    for _ in range(count):
        s = listener.accept()[0]
        s.sendall(s.recv(5, socket.MSG_WAITALL))
        held.append(s)
    barrier.wait()
    for thread in threads:
        thread.join()
    ends = sum(s.recv(1) == b'' for s in held)
    return sum(results) == count, ends == count


@case
def many_processes():
    count = int(1000 * SCALE)
    u = socket.socket(type=socket.SOCK_DGRAM)
    u.bind(('127.0.0.1', 0))
    r, w = os.pipe()

    def body():
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            s.connect(u.getsockname())
            s.settimeout(1)
            right = False
            while not right:
                # A full receive buffer drops datagrams.
                s.send(b'%d' % os.getpid())
                try:
                    right = s.recv(99) == b'%d' % os.getpid()
                except TimeoutError:
                    pass
            os.close(w)
            os.read(r, 1)
            return 0 if right else 1
    pids = {child(body) for _ in range(count)}
    seen = set()
    u.settimeout(30)
    while len(seen) < count:
        data, who = u.recvfrom(99)
        seen.add(int(data)), u.sendto(data, who)
    os.close(w)
    return seen == pids, sum(status(pid) for pid in pids)


only = sys.argv[2:]
for function in CASES:
    if only and function.__name__ not in only:
        continue
    try:
        print(function.__name__, *map(repr, [function()]), flush=True)
    except BaseException as error:
        print(function.__name__, repr(error), error.__traceback__.tb_next.tb_lineno, flush=True)
