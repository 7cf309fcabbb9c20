"""Holds one condition of memory until its standard input ends. Prints "ready" once it is there."""
import ctypes, mmap, os, subprocess, sys, threading, time

MB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


def area(mb, random=0):
    m = mmap.mmap(-1, mb * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    line = b'{"role":"assistant","content":"text that compresses well, as conversations do"}\n'
    for i in range(mb):
        noise = os.urandom(MB * random // 100)
        m[i * MB:(i + 1) * MB] = (noise + line * (MB // len(line) + 1))[:MB]
    return m


def address(m):
    return ctypes.addressof(ctypes.c_char.from_buffer(m))


def page_out(m):
    if libc.madvise(ctypes.c_void_p(address(m)), ctypes.c_size_t(len(m)), 21) != 0:
        raise OSError(ctypes.get_errno(), 'madvise(MADV_PAGEOUT)')


def touch(m, step=4096):
    return sum(m[i] for i in range(0, len(m), step))


def forever(work):
    def run():
        while True:
            work()
    threading.Thread(target=run, daemon=True).start()


kept = []
what, numbers = sys.argv[1], [int(each) for each in sys.argv[2:] if each.isdigit()]

if what == 'memfd':
    fd = os.memfd_create('hoard')
    for _ in range(numbers[0]):
        os.write(fd, b'x' * MB)
elif what == 'lock':
    kept.append(area(numbers[0]))
    if libc.mlock(ctypes.c_void_p(address(kept[0])), ctypes.c_size_t(len(kept[0]))) != 0:
        raise OSError(ctypes.get_errno(), 'mlock')
elif what == 'zombies':
    for _ in range(numbers[0]):
        if os.fork() == 0:
            os._exit(0)
elif what == 'leak':
    kept.append(area(100))
    def grow():
        kept.append(area(1))
        time.sleep(0.5)
    forever(grow)
elif what == 'faults':
    def churn():
        m = mmap.mmap(-1, 64 * MB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for i in range(0, len(m), 4096):
            m[i] = 1
        m.close()
    forever(churn)
elif what == 'promise':
    for _ in range(numbers[0]):
        kept.append(mmap.mmap(-1, 9 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
elif what == 'thrash':
    m = area(numbers[0])
    def cycle():
        page_out(m)
        touch(m)
    forever(cycle)
elif what == 'refault':
    with open(sys.argv[2], 'wb') as f:
        f.write(os.urandom(MB) * numbers[0])
        os.fsync(f.fileno())
    f = open(sys.argv[2], 'r+b')
    m = mmap.mmap(f.fileno(), 0)
    touch(m)
    def cycle():
        page_out(m)
        touch(m)
    forever(cycle)
elif what == 'pageout':
    m = area(numbers[0], numbers[1])
    page_out(m)
    kept.append(m)
elif what == 'pageouts':
    def out():
        kept.append(area(32, numbers[1]))
        page_out(kept[-1])
        if len(kept) * 32 >= numbers[0]:
            time.sleep(60)
    forever(out)
else:
    raise SystemExit(f'what is "{what}"?')

print('ready', flush=True)
sys.stdin.read()
