"""A stream received by one thread in every way in turn, under a timer: python3 every-receive.py restart|interrupt MICROSECONDS. Prints ok if each octet came once, in order."""
import os, random, signal, socket, sys, threading

signal.signal(signal.SIGALRM, lambda *_: None)
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.siginterrupt(signal.SIGALRM, sys.argv[1] == 'interrupt')
interval = int(sys.argv[2]) / 1e6
listener = socket.create_server(('127.0.0.1', 0))
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()
data = b''.join(i.to_bytes(4, 'big') for i in range(100_000))
random.seed(1)


def send():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    at = 0
    while at < len(data):
        at += a.send(data[at:at + random.choice([4, 400, 4000, 40_000])])
    a.shutdown(socket.SHUT_WR)


def peek_and_receive(n):
    seen = b.recv(n, socket.MSG_PEEK)
    got = b.recv(n)
    assert got.startswith(seen), (seen, got)
    return got


RECEIVES = [
    lambda n: b.recvmsg(n)[0],
    lambda n: os.read(b.fileno(), n),
    lambda n: b.recv(n, socket.MSG_WAITALL),
    lambda n: b.recvmsg(n, 0, socket.MSG_WAITALL)[0],
    peek_and_receive,
    lambda n: b.recvfrom(n)[0],
    lambda n: b.recvmsg(n, 0, socket.MSG_PEEK)[0][:0] + b.recv(n),
]
threading.Thread(target=send).start()
signal.setitimer(signal.ITIMER_REAL, interval, interval)
got, i = bytearray(), 0
while piece := RECEIVES[i % len(RECEIVES)](random.randrange(1, 3000)):
    got += piece
    i += 1
signal.setitimer(signal.ITIMER_REAL, 0)
print('ok' if got == data else f'{len(got)} of {len(data)}')
