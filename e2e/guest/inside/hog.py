# Takes so many MiB and goes over all of them again and again.
import sys

pages = []
for step in range(int(sys.argv[1])):
    pages.append(bytearray(b"%08d a row of a table\n" % step) * 35000)
while True:
    for page in pages:
        for at in range(0, len(page), 4096):
            page[at] = (page[at] + 1) & 127
