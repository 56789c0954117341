"""
A stream received by one thread with recv, recvmsg and recv with MSG_DONTWAIT in turn, under a timer of 1 kHz: python3 alternate-receive.py restart|interrupt NUMBERS.
The calls are libc's own, so what EINTR leaves is seen by another call. Prints ok if each octet came once, in order.
"""
import ctypes, errno, os, signal, socket, sys


class Piece(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ('name', ctypes.c_void_p),
        ('namelen', ctypes.c_uint32),
        ('iov', ctypes.c_void_p),
        ('iovlen', ctypes.c_size_t),
        ('control', ctypes.c_void_p),
        ('controllen', ctypes.c_size_t),
        ('flags', ctypes.c_int),
    ]


libc = ctypes.CDLL(None, use_errno=True)
listener = socket.create_server(('127.0.0.1', 0))
a = socket.create_connection(listener.getsockname())
b, _ = listener.accept()
data = b''.join(i.to_bytes(4, 'big') for i in range(int(sys.argv[2])))
sender = os.fork()
if sender == 0:
    for at in range(0, len(data), 2000):
        a.sendall(data[at:at + 2000])
    a.shutdown(socket.SHUT_WR)
    signal.pause()
signal.signal(signal.SIGALRM, lambda *_: None)
signal.siginterrupt(signal.SIGALRM, sys.argv[1] == 'interrupt')
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
room = ctypes.create_string_buffer(4096)
piece = Piece(ctypes.addressof(room), 1001)
message = Message(iov=ctypes.addressof(piece), iovlen=1)
RECEIVES = [
    lambda: libc.recv(b.fileno(), room, 999, 0),
    lambda: libc.recvmsg(b.fileno(), ctypes.byref(message), 0),
    lambda: libc.recv(b.fileno(), room, 1500, socket.MSG_DONTWAIT),
]
got, i = bytearray(), 0
while n := RECEIVES[i % len(RECEIVES)]():
    i += 1
    if n > 0:
        got += room.raw[:n]
    elif ctypes.get_errno() not in (errno.EINTR, errno.EAGAIN):
        sys.exit(f'errno {ctypes.get_errno()}')
signal.setitimer(signal.ITIMER_REAL, 0)
os.kill(sender, signal.SIGKILL)
print('ok' if got == data else f'{len(got)} of {len(data)}')
