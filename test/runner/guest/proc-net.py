"""Makes sockets of every kind and prints what files of /proc/net say of them, without what no two kernels share: addresses, hash order, chosen ports, references, times.
An inode is printed as the name of the socket whose descriptor shows it. Runs the same in a namespace of the kernel's (argument: kernel) and in the sandbox."""
import fcntl, os, re, socket, struct, sys, time
AF4, AF6 = socket.AF_INET, socket.AF_INET6
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
if sys.argv[1:] == ['kernel']:
    with socket.socket(AF4, UDP) as s:
        fcntl.ioctl(s, 0x8914, struct.pack('16sh22x', b'lo', 0x49))  # SIOCSIFFLAGS: IFF_UP | IFF_LOOPBACK | IFF_RUNNING
    open('/proc/sys/net/ipv4/ping_group_range', 'w').write('0 0')
    time.sleep(0.2)
socks, ports = {}, {}
def keep(name, s):
    socks[name] = s
    return s
def chosen(s, name):
    ports['%04X' % s.getsockname()[1]] = name
l4 = keep('l4', socket.socket(AF4, TCP)); l4.bind(('127.0.0.1', 7001)); l4.listen(5)
l6 = keep('l6', socket.socket(AF6, TCP)); l6.bind(('::1', 7002)); l6.listen(7)
l46 = keep('l46', socket.socket(AF6, TCP)); l46.setsockopt(41, 26, 0); l46.bind(('::', 7003)); l46.listen(3)
c4 = keep('c4', socket.create_connection(('127.0.0.1', 7001))); chosen(c4, 'c4'); a4 = keep('a4', l4.accept()[0]); c4.send(b'x' * 10)
w4 = keep('w4', socket.create_connection(('127.0.0.1', 7001))); chosen(w4, 'w4')  # waits in the accept queue
c46 = keep('c46', socket.create_connection(('127.0.0.1', 7003))); chosen(c46, 'c46'); a46 = keep('a46', l46.accept()[0])
c6 = keep('c6', socket.create_connection(('::1', 7002))); chosen(c6, 'c6'); a6 = l6.accept()[0]; a6.close()  # half-closed
bound = keep('bound', socket.socket(AF4, TCP)); bound.bind(('127.0.0.1', 7010))  # not shown
u4 = keep('u4', socket.socket(AF4, UDP)); u4.bind(('127.0.0.1', 7004))
v4 = keep('v4', socket.socket(AF4, UDP)); v4.connect(('127.0.0.1', 7004)); chosen(v4, 'v4'); v4.send(b'abc')
u6 = keep('u6', socket.socket(AF6, UDP)); u6.bind(('::', 7005))
group = keep('group', socket.socket(AF4, UDP)); group.bind(('', 7006))
group.setsockopt(0, 35, socket.inet_aton('224.1.2.3') + socket.inet_aton('127.0.0.1'))
fresh = keep('fresh', socket.socket(AF4, UDP))  # not shown
ping = keep('ping', socket.socket(AF4, UDP, 1)); ping.bind(('127.0.0.1', 77))
netlink = keep('netlink', socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)); netlink.bind((0, 1))
time.sleep(0.3)
inodes = {str(os.fstat(s.fileno()).st_ino): name for name, s in socks.items()}
for name, s in socks.items():
    assert os.readlink('/proc/self/fd/%d' % s.fileno()) == 'socket:[%d]' % os.fstat(s.fileno()).st_ino, name
def lines(name):
    return open('/proc/net/' + name).read().split('\n')[:-1]
def end(text):
    address, port = text.rsplit(':', 1)
    return address + ':' + ports.get(port, port)
def show(title, rows):
    print('#', title)
    for row in rows: print(row)
for name in ('tcp', 'tcp6', 'udp', 'udp6', 'icmp', 'icmp6', 'raw', 'raw6', 'udplite', 'udplite6'):
    head, *rows = lines(name)
    out, widths = [], set()
    for row in rows:
        f = row.split()
        widths.add(len(row) if name in ('tcp', 'udp', 'icmp') else 0)
        assert re.fullmatch(r' *\d+:', row[:row.index(':') + 1]) and len(f[6]) == 8, row
        inode = inodes.get(f[9], f[9])
        pointer = f[11]
        assert len(pointer) == 16 and int(pointer, 16) > 0, row
        timer = f[5][:2]
        rest = f[12:] if not name.startswith('tcp') else f[12:13] + (f[16:] if len(f) > 12 else [])
        if name == 'tcp6' and f[3] == '08': rest = rest[:0]
        out.append(' '.join([end(f[1]), end(f[2]), f[3], f[4], timer, f[6], f[7], f[8], inode] + rest))
    show(name, [repr(head)] + sorted(out) + sorted(map(str, widths)))
netlinks = [r.split() for r in lines('netlink')[1:]]
show('netlink', [lines('netlink')[0]] + [' '.join(r[1:2] + r[3:-1] + [inodes[r[-1]]]) for r in netlinks if r[-1] in inodes])
show('dev', lines('dev')[:2] + [re.sub(r'\d+', 'N', re.sub(r' +', ' ', r)) for r in lines('dev')[2:]])
show('route', [repr(r) for r in lines('route')])
show('ipv6_route', [r[:114] + '.' * 8 + r[122:] for r in lines('ipv6_route')])
show('if_inet6', lines('if_inet6'))
show('arp', lines('arp'))
show('igmp', [r.replace('\t', '>') for r in lines('igmp')])
show('igmp6', lines('igmp6'))
show('packet', lines('packet'))
KEPT = {'Tcp': ('RtoAlgorithm', 'RtoMin', 'RtoMax', 'MaxConn', 'ActiveOpens', 'PassiveOpens', 'AttemptFails', 'EstabResets', 'CurrEstab', 'RetransSegs', 'InErrs', 'OutRsts'),
        'Ip': ('Forwarding', 'DefaultTTL', 'InHdrErrors', 'ForwDatagrams', 'OutNoRoutes'), 'Udp': ('NoPorts', 'InErrors', 'OutDatagrams', 'RcvbufErrors')}
for name in ('snmp', 'netstat'):
    rows = [r for r in lines(name) if not r.startswith('MPTcpExt:')]
    for names, values in zip(rows[::2], rows[1::2]):
        names, values = names.split(), values.split()
        assert len(names) == len(values) and names[0] == values[0], names
        kept = KEPT.get(names[0][:-1], ())
        show(names[0], [' '.join(names), [v for n, v in zip(names, values) if n in kept]])
show('snmp6', [r.split()[0] for r in lines('snmp6')] + [len(lines('snmp6')[0]) - len('0')])
numbers = {r.split(':')[0]: dict(zip(r.split()[1::2], r.split()[2::2])) for r in lines('sockstat') + lines('sockstat6')}
show('sockstat', [list(numbers)] + [list(row) for row in numbers.values()] + [numbers[p]['inuse'] for p in ('TCP', 'TCP6', 'UDP', 'UDP6', 'RAW')])
used = {r.split()[0]: r.split()[2] for r in lines('protocols')}
show('protocols', [lines('protocols')[0]] + ['%s %s' % (p, used[p]) for p in ('TCP', 'TCPv6', 'UDP', 'UDPv6', 'PING', 'PINGv6', 'NETLINK')])
