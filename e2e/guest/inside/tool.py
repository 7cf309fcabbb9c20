# A build that takes more and more memory, so many MiB, and holds it for a while.
import sys, time

kept = []
for step in range(int(sys.argv[1])):
    kept.append(bytearray(b"%08d a line of an object file\n" % step) * 29000)
    time.sleep(0.005)
time.sleep(600)
