/**
 * `npm run upstream`: makes a patch series out of the module's sources against
 * the newest kernel of the matrix, in build/upstream: applies it, builds it,
 * and has checkpatch --strict and coccinelle look at it. Nothing of it is a second copy: what
 * the series holds beside the sources lies in kmod/upstream.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ensureRoot, inRoot, lacking, lastLines, rootDir } from './root.mjs'
import { abiDocument } from './upstream-abi.mjs'
import { edits, kernelReview, resolveVersions, testText, typedefsOf, upstreamText, wrapped } from './upstream-text.mjs'

const projectDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const kmod = join(projectDir, 'kmod')
const parts = join(kmod, 'upstream')
const out = join(projectDir, 'build', 'upstream')
const SERIES = '7.2'
/** Inside the root: the tree that the series is made against, as a git repository. */
const TREE = `/kernels/upstream-${SERIES}`
const MINUTES = 60_000

/** @param {string} text */
const say = (text) => console.log(text)

/** @param {string} script @param {number} [minutes] */
const must = (script, minutes = 30) => {
  const result = inRoot(`set -e\n${script}`, { binds: { upstream: out }, timeoutMs: minutes * MINUTES })
  if (!result.ok) throw new Error(`${script.split('\n')[0]}: ${lastLines(result.text, 25)}`)
  return result.text
}

/** What the series may touch: the rest of the tree is there to build with, and in no commit. */
const TRACKED = 'mm include/linux include/uapi kernel/sys_ni.c scripts/syscall.tbl arch/x86/entry Documentation/userspace-api MAINTAINERS tools/testing/selftests/Makefile'
/** Once it is there: git takes no path that is not. */
const TESTS = '$([ ! -e tools/testing/selftests/agentmem/Makefile ] || echo tools/testing/selftests/agentmem)'
/** Not needed to build a folder of mm: most of what there is. */
const LEFT_OUT = ['*/drivers/*.c', '*/drivers/gpu/*.h', '*/drivers/net/*.h', '*/sound/*.c', '*/fs/*.c', '*/net/*.c', '*/arch/[a-wyz]*/*.[chS]', '*/arch/*/boot/dts/*', '*/tools/perf/*', '*/samples/*/*']

/** The kernel's source, once: unpacked from Debian's package, with Debian's patches, committed as it is. */
const ensureTree = () => {
  if (existsSync(join(rootDir, TREE, '.git', 'ready'))) return
  say(`unpacking the source of ${SERIES}, once ...`)
  must(
    `export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install -y clang-format git perl flex bison bc libelf-dev libssl-dev python3-ply xz-utils >/dev/null
    mkdir -p /kernels/get-upstream && cd /kernels/get-upstream
    if [ ! -e ${TREE}/unpacked ]; then
    ls linux-source-${SERIES}_*.deb >/dev/null 2>&1 || apt-get -qq download linux-source-${SERIES}
    rm -rf unpacked && dpkg -x linux-source-${SERIES}_*.deb unpacked
    rm -rf ${TREE} && mkdir ${TREE} && tar -C ${TREE} --strip-components=1 ${LEFT_OUT.map((pattern) => `--exclude='${pattern}'`).join(' ')} -xf unpacked/usr/src/linux-source-${SERIES}.tar.xz
    touch ${TREE}/unpacked && rm -rf unpacked linux-source-${SERIES}_*.deb
    fi
    cd ${TREE} && printf '%s\\n' '*.o' '*.a' '*.cmd' '*.mod' 'modules.order' '*.symversions' >.gitignore
    rm -rf .git && git init -q && git config user.name 'Agent Memory Center' && git config user.email 'agentmem@localhost' && git config gc.auto 0
    git add ${TRACKED} && git commit -q -m base && git tag base && touch .git/ready`,
    40,
  )
}

/** @param {string} path in the tree */
const at = (path) => join(rootDir, TREE, path)
/** @param {string} path @param {string} text */
const put = (path, text) => {
  mkdirSync(dirname(at(path)), { recursive: true })
  writeFileSync(at(path), text)
}
/** @param {string} file @param {[RegExp | string, string][]} changes */
const edit = (file, changes) => {
  let text = readFileSync(at(file), 'utf8')
  for (const [from, to] of changes) {
    if (typeof from === 'string' ? !text.includes(from) : !from.test(text)) throw new Error(`${file} of ${SERIES} is not as expected: no ${String(from)}`)
    text = text.replace(from, () => to)
  }
  writeFileSync(at(file), text)
}
/** @param {string} folder @param {RegExp} names */
const filesOf = (folder, names) => readdirSync(join(kmod, folder)).filter((name) => names.test(name)).toSorted()
/** @param {string} file of kmod */
const source = (file) => upstreamText(resolveVersions(readFileSync(join(kmod, file), 'utf8'), SERIES))

/** The objects of the module, as its Kbuild names them. @returns {string[]} */
const objects = () => {
  const text = readFileSync(join(kmod, 'Kbuild'), 'utf8').replaceAll('\\\n', ' ')
  return /^agentmem-y := (.*)$/mu.exec(text)?.[1]?.trim().split(/\s+/u) ?? []
}
const objectList = (/** @type {string[]} */ names) => names.map((name) => `obj-$(CONFIG_AGENTMEM) += ${name}`).join('\n')

/** Each patch of the series: puts its files into the tree. @type {(() => void)[]} */
const patches = [
  () => {
    for (const name of filesOf('core', /\.[ch]$/u)) if (!name.startsWith('sketch') || objects().includes(`core/${name.replace(/\.[ch]$/u, '.o')}`)) put(`mm/agentmem/core/${name}`, source(`core/${name}`))
    put('mm/agentmem/Kconfig', readFileSync(join(parts, 'Kconfig'), 'utf8'))
    put('mm/agentmem/Makefile', `# SPDX-License-Identifier: GPL-2.0\n${objectList(objects().filter((name) => name.startsWith('core/')))}\n`)
    edit('mm/Kconfig', edits.mmKconfig)
    edit('mm/Makefile', edits.mmMakefile)
    edit('MAINTAINERS', edits.maintainers)
  },
  () => {
    const sources = filesOf('.', /\.[ch]$/u)
    for (const name of sources) put(`mm/agentmem/${name}`, kernelReview(source(name)).replace('"uapi/agentmem.h"', '<uapi/linux/agentmem.h>'))
    put('include/uapi/linux/agentmem.h', source('uapi/agentmem.h'))
    edit('MAINTAINERS', [['F:\tmm/agentmem/\n', 'F:\tinclude/uapi/linux/agentmem.h\nF:\tmm/agentmem/\n']])
    put('mm/agentmem/Makefile', `# SPDX-License-Identifier: GPL-2.0\nccflags-y := -I$(src)\n${objectList(objects())}\n`)
  },
  () => {
    edit('MAINTAINERS', [[/(F:\tmm\/agentmem\/\n)/u, 'F:\tmm/agentmem/\nK:\t\\bsys_agentmem_\n']])
    put('mm/agentmem/syscalls.c', readFileSync(join(parts, 'syscalls.c'), 'utf8'))
    edit('mm/agentmem/Makefile', [[/\n$/u, `\n${objectList(['syscalls.o'])}\n`]])
    const common = readFileSync(at('scripts/syscall.tbl'), 'utf8')
    const first = Math.max(...[...common.matchAll(/^(\d+)\s/gmu)].map(([, number]) => Number(number))) + 1
    const calls = ['open', 'alloc', 'fork', 'share'].map((name, index) => ({ name: `agentmem_${name}`, number: first + index }))
    say(`system calls ${calls.map(({ name, number }) => `${name} ${number}`).join(', ')} (450 to 453 are taken)`)
    const row = (/** @type {string} */ abi) => calls.map(({ name, number }) => `${number}\t${abi}\t${name}\t\tsys_${name}\n`).join('')
    for (const [file, abi] of [['scripts/syscall.tbl', 'common'], ['arch/x86/entry/syscalls/syscall_64.tbl', 'common'], ['arch/x86/entry/syscalls/syscall_32.tbl', 'i386']]) {
      if (file === undefined || abi === undefined) continue
      const text = readFileSync(at(file), 'utf8')
      const last = [...text.matchAll(new RegExp(`^${first - 1}\\s.*\\n`, 'gmu'))][0]?.[0]
      if (last === undefined) throw new Error(`${file} has no call ${first - 1}`)
      edit(file, [[last, `${last}${row(abi)}`]])
    }
    edit('include/linux/syscalls.h', edits.syscallsHeader)
    edit('kernel/sys_ni.c', [[/\n*$/u, `\n\n/* mm/agentmem/syscalls.c */\n${calls.map(({ name }) => `COND_SYSCALL(${name});\n`).join('')}`]])
    const unistd = readFileSync(at('include/uapi/asm-generic/unistd.h'), 'utf8')
    const count = /#undef __NR_syscalls\n#define __NR_syscalls (\d+)\n/u.exec(unistd)
    if (count?.[1] === undefined || Number(count[1]) !== first) throw new Error(`__NR_syscalls is ${count?.[1]}, and the first free number ${first}`)
    edit('include/uapi/asm-generic/unistd.h', [[count[0], `${calls.map(({ name, number }) => `#define __NR_${name} ${number}\n__SYSCALL(__NR_${name}, sys_${name})\n`).join('\n')}\n#undef __NR_syscalls\n#define __NR_syscalls ${first + calls.length}\n`]])
  },
  () => {
    put('Documentation/userspace-api/agentmem.rst', abiDocument(readFileSync(join(kmod, 'uapi', 'agentmem.h'), 'utf8')))
    edit('MAINTAINERS', [['F:\tinclude/uapi/linux/agentmem.h\n', 'F:\tDocumentation/userspace-api/agentmem.rst\nF:\tinclude/uapi/linux/agentmem.h\n']])
    edit('Documentation/userspace-api/index.rst', edits.documentationIndex)
  },
  () => {
    const sources = filesOf('test/selftest', /\.[ch]$/u).map((name) => ({ name, text: readFileSync(join(kmod, 'test/selftest', name), 'utf8') }))
    const typedefs = sources.flatMap(({ text }) => typedefsOf(text))
    for (const { name, text } of sources) put(`tools/testing/selftests/agentmem/${name}`, testText(text, typedefs).replace('#include "uapi/agentmem.h"\n', '#include <linux/agentmem.h>\n#include "../kselftest.h"\n'))
    edit('MAINTAINERS', [['F:\tmm/agentmem/\n', 'F:\tmm/agentmem/\nF:\ttools/testing/selftests/agentmem/\n']])
    const names = filesOf('test/selftest', /\.c$/u)
    put('tools/testing/selftests/agentmem/Makefile', `# SPDX-License-Identifier: GPL-2.0\nCFLAGS += -Wall -O2 -std=gnu11 -D_GNU_SOURCE $(KHDR_INCLUDES)\nLDLIBS += -lpthread\n\nTEST_GEN_PROGS := agentmem_test\n\ninclude ../lib.mk\n\n$(OUTPUT)/agentmem_test: ${names.join(' ')}\n`)
    put('tools/testing/selftests/agentmem/config', 'CONFIG_AGENTMEM=y\nCONFIG_CRYPTO_ZSTD=y\n')
    put('tools/testing/selftests/agentmem/.gitignore', '# SPDX-License-Identifier: GPL-2.0-only\nagentmem_test\n')
    edit('tools/testing/selftests/Makefile', edits.selftests)
  },
]

/** "== 2", a subject, a text. @returns {{ subject: string, text: string }[]} */
const messages = () =>
  readFileSync(join(parts, 'messages.txt'), 'utf8').split(/^== \d+\n/mu).slice(1).map((block) => {
    const [subject = '', ...lines] = block.trim().split('\n')
    return { subject, text: wrapped(lines.join('\n')) }
  })

const makeSeries = () => {
  must(`cd ${TREE} && git am --abort 2>/dev/null || true; git checkout -q -f base && git clean -q -f -d -x -- mm/agentmem tools/testing/selftests/agentmem Documentation/userspace-api include/uapi/linux; git checkout -q -B agentmem base`)
  cpSync(join(parts, 'clang-format'), join(out, 'clang-format'))
  for (const [index, { subject, text }] of messages().entries()) {
    patches[index]?.()
    writeFileSync(join(out, 'message'), `${subject}\n\n${text}\n\nSigned-off-by: Agent Memory Center <agentmem@localhost>\n`)
    must(`cd ${TREE} && git add -A ${TRACKED} ${TESTS} && for file in $(git diff --cached --name-only --diff-filter=AM -- 'mm/agentmem/*.[ch]' 'tools/testing/selftests/agentmem/*.[ch]'); do clang-format --style=file:/mnt/upstream/clang-format -i "$file"; done; git add -A ${TRACKED} ${TESTS} && git commit -q -F /mnt/upstream/message`)
  }
  rmSync(join(out, 'message'))
  must(`cd ${TREE} && rm -f /mnt/upstream/*.patch && git format-patch -q --cover-letter -o /mnt/upstream base..agentmem`)
  const [subject = '', ...letter] = readFileSync(join(parts, 'cover-letter.txt'), 'utf8').split('\n')
  const file = join(out, readdirSync(out).find((name) => name.startsWith('0000-')) ?? '')
  writeFileSync(file, readFileSync(file, 'utf8').replace('*** SUBJECT HERE ***', () => subject).replace('*** BLURB HERE ***', () => letter.join('\n').trim()))
}

/** What the kernel's own semantic patches find in it; those that are run by OCaml are left out. @returns {string[]} */
const askCoccinelle = () => {
  must(`command -v spatch >/dev/null && python3 -c 'import sys' && ls /usr/lib/x86_64-linux-gnu/libpython3.*.so >/dev/null || { export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; apt-get -qq install -y --no-install-recommends coccinelle libpython3-dev python3 >/dev/null; }`)
  const said = must(
    `cd ${TREE} && for patch in $(grep -L 'script:ocaml' $(grep -l 'virtual report' $(find scripts/coccinelle -name '*.cocci'))); do
    spatch -D report --very-quiet --no-show-diff --timeout 120 --cocci-file $patch $(sed -n 's,^// Options: ,,p' $patch | head -1) -I include --dir mm/agentmem 2>/tmp/spatch.err || { echo "$patch failed:"; tail -3 /tmp/spatch.err; }
    done`,
    30,
  )
  // The core is compiled outside of the kernel too, where there is no min().
  return said.split('\n').filter((line) => line !== '' && !/^warning: line \d+: should .* be a metavariable|mm\/agentmem\/core\/.* opportunity for (?:min|max)\(\)$/u.test(line))
}

/** The patches as a reviewer would take them: onto the plain tree, in order, each building. */
const proveSeries = () => {
  must(`cd ${TREE} && git checkout -q -f -B applied base && git am -q /mnt/upstream/000[1-9]-*.patch && git diff --quiet agentmem`)
  say('the series applies')
  must(`cd ${TREE} && { [ -e .config ] || make -s x86_64_defconfig; } && ./scripts/config -e AGENTMEM -e CRYPTO_ZSTD && make -s olddefconfig && grep -q '^CONFIG_AGENTMEM=y' .config`, 10)
  const built = must(`cd ${TREE} && make -s -j2 prepare 2>&1 && make -s W=1 KCFLAGS=-Wno-attributes mm/agentmem/ kernel/sys_ni.o 2>&1`, 40)
  const warnings = built.split('\n').filter((line) => /warning:|error:/u.test(line))
  if (warnings.length > 0) throw new Error(`it builds with warnings:\n${warnings.join('\n')}`)
  must(`cd ${TREE} && make -s headers_install INSTALL_HDR_PATH=/tmp/agentmem-headers >/dev/null && make -s -C tools/testing/selftests/agentmem KHDR_INCLUDES='-isystem /tmp/agentmem-headers/include' OUTPUT=/tmp/agentmem-selftest.d 2>&1; rm -rf /tmp/agentmem-headers /tmp/agentmem-selftest.d`, 20)
  say('it builds: mm/agentmem and the table of calls without a warning, and the selftests')
  const said = inRoot(`cd ${TREE} && ./scripts/checkpatch.pl --strict --no-summary --terse --show-types /mnt/upstream/000[1-9]-*.patch 2>&1`, { binds: { upstream: out }, timeoutMs: 20 * MINUTES }).text.split('\n').filter((line) => /(?:ERROR|WARNING|CHECK):/u.test(line))
  // A test that touches memory has to say so, what it expects of a file is one line, and a name of zstd's is zstd's.
  const complaints = said.filter((line) => !/0005-selftests.*(?:VOLATILE|LONG_LINE):|CAMELCASE: Avoid CamelCase: <cParams>/u.test(line))
  writeFileSync(join(out, 'checkpatch.txt'), said.map((line) => `${line}\n`).join(''))
  const found = askCoccinelle()
  say(`coccinelle: ${found.length} complaints`)
  return [...complaints, ...found]
}

export const makeUpstream = () => {
  const missing = lacking() ?? ensureRoot()
  if (missing !== null) {
    say(`skipped: ${missing}`)
    return 0
  }
  mkdirSync(out, { recursive: true })
  ensureTree()
  makeSeries()
  const complaints = proveSeries()
  for (const line of complaints.slice(0, 40)) say(line)
  say(`upstream: ${messages().length} patches in build/upstream; checkpatch --strict and coccinelle: ${complaints.length} complaints`)
  return complaints.length === 0 ? 0 : 1
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = makeUpstream()
