/** How sources of the module become those of a kernel tree: one version, the kernel's own types. */

/** KERNEL_VERSION(6, 3, 0) as one number. @param {number[]} version */
const numberOf = ([major = 0, minor = 0, patch = 0]) => major * 65_536 + minor * 256 + patch

/**
 * Takes the branches for this version, where a condition asks for the version
 * alone; other conditions stay.
 * @param {string} text @param {string} series "7.2"
 */
export const resolveVersions = (text, series) => {
  const now = numberOf(series.split('.').map(Number))
  /** @type {{ ours: boolean, active: boolean, done: boolean }[]} */
  const open = []
  const isActive = () => open.every(({ ours, active }) => !ours || active)
  /** @param {string} condition @returns {boolean | null} */
  const holds = (condition) => {
    const match = /^\s*LINUX_VERSION_CODE\s*(<|>=)\s*KERNEL_VERSION\((\d+),\s*(\d+),\s*(\d+)\)\s*$/u.exec(condition)
    if (match === null) return null
    const than = numberOf(match.slice(2).map(Number))
    return match[1] === '<' ? now < than : now >= than
  }
  const kept = text.split('\n').filter((line) => {
    const [, directive = '', rest = ''] = /^\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)$/u.exec(line) ?? []
    if (directive === '') return isActive()
    if (directive.startsWith('if')) {
      const value = directive === 'if' ? holds(rest) : null
      open.push({ ours: value !== null, active: value ?? true, done: value ?? true })
      return value === null && isActive()
    }
    const top = open.at(-1)
    if (top === undefined) throw new Error(`#${directive} without #if: ${line}`)
    if (directive === 'endif') {
      open.pop()
      return !top.ours && isActive()
    }
    if (!top.ours) return isActive()
    const value = directive === 'else' ? true : holds(rest)
    if (value === null) throw new Error(`expected a version, got ${line}`)
    top.active = !top.done && value
    top.done ||= value
    return false
  })
  return kept.join('\n').replace(/#include <linux\/version\.h>\n/u, '').replaceAll(/\n{3,}/gu, '\n\n')
}

/** The core's names of types are for hosts without the kernel's. @param {string} text */
const kernelTypes = (text) =>
  text
    .replace(/#ifdef __KERNEL__\n([\s\S]*?)typedef size_t am_size;\n#else\n[\s\S]*?#endif\n\n(?:typedef __UINT\d+_TYPE__ am_u\d+;\n)+/u, '$1')
    .replaceAll(/\bam_(u8|u16|u32|u64)\b/gu, '$1')
    .replaceAll(/\bam_size\b/gu, 'size_t')
    .replace(/\/\*[^\n]*\*\/\ntypedef struct sha256_ctx am_sha256;\n+/u, '')
    .replaceAll(/\bam_sha256\b/gu, 'struct sha256_ctx')

const COLUMNS = 100
/** @param {string} line */
const widthOf = (line) => line.split('').reduce((width, letter) => (letter === '\t' ? width + 8 - (width % 8) : width + 1), 0)

/** A comment in the form of many lines, each beginning with a star. @param {string} indent @param {string} words @param {number} [columns] */
const blockComment = (indent, words, columns = 92) => {
  const room = columns - widthOf(indent)
  /** @type {string[]} */
  const lines = ['']
  for (const word of words.split(/\s+/u)) {
    const last = lines.at(-1) ?? ''
    if (last !== '' && last.length + 1 + word.length > room) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return [`${indent}/*`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`].join('\n')
}

/** Comments that are too long for one line stand before what they are about. @param {string} text */
const shortComments = (text) =>
  text
    .split('\n')
    .map((line) => {
      if (widthOf(line) <= COLUMNS) return line
      const [, indent = '', code = '', words] = /^([ \t]*)(.*?)[ \t]*\/\* (.*?) \*\/$/u.exec(line) ?? []
      if (words === undefined || words.includes('*/') || code.endsWith('\\')) return line
      return code === '' ? blockComment(indent, words) : `${blockComment(indent, words)}\n${indent}${code}`
    })
    .join('\n')

/** Habits of a kernel tree that ours are not. @param {string} text */
const kernelHabits = (text) =>
  text
    .replaceAll(/\bunsigned\b(?!\s+(?:int|long|char|short)\b)/gu, 'unsigned int')
    .replaceAll(/(\*?[A-Za-z_][\w.]*(?:(?:->|\.)\w+|\[\w+\])*) == NULL/gu, '!$1')
    .replaceAll(/(\*?[A-Za-z_][\w.]*(?:(?:->|\.)\w+|\[\w+\])*) != NULL/gu, (_whole, what, at, all) => (/=\s*$/u.test(all.slice(0, at)) ? `!!${what}` : what))
    .replaceAll(/(\*?\w+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)) == NULL/gu, '!$1')
    .replaceAll(/(\*?\w+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)) != NULL/gu, (whole, what, at, all) => (/=\s*$/u.test(all.slice(0, at)) ? whole : what))
    .replaceAll(/^(enum \w+ \{.*\};)\n(?=enum )/gmu, '$1\n\n')
    .replaceAll(/^\}(;?)\n(?=[a-z])/gmu, '}$1\n\n')

const RELEASES = '/* What was written before is seen by who sees this. */'
const ACQUIRES = '/* Sees all that was written before it was published. */'
const LOCKS = '/* Where it stands among the locks: agentmem.h. */'

/** What reviewers of a kernel tree ask for and a module for many kernels cannot have, or says elsewhere. @param {string} text */
export const kernelReview = (text) =>
  text
    .replaceAll(/\b(k|kv)zalloc\(sizeof\((\*?\w+)\), /gu, '$1zalloc_obj($2, ')
    .replaceAll(/\b(k|kv)zalloc\(([^;\n]*?) \* sizeof\((\*?\w+)\), /gu, '$1zalloc_objs($3, $2, ')
    .replaceAll(/^(\t+(?:int|bool|long|size_t|u8|u32|u64) \w+ = [^\n]*;)\n(?=\t+(?:if|return|for|while)\b)/gmu, '$1\n\n')
    .replaceAll(/^(#define \w+ )\(1(u|ull) << (\d+)\)/gmu, (_, name, type, bits) => `${name}0x${(2n ** BigInt(bits)).toString(16)}${type}`)
    .replaceAll(/^([ \t]*)((?:struct mutex|spinlock_t) \w+;|DEFINE_(?:MUTEX|SPINLOCK)\(\w+\);)$/gmu, `$1${LOCKS}\n$1$2`)
    .split('\n')
    .flatMap((line, at, all) => {
      if (!/\bsmp_(?:load_acquire|store_release)\(/u.test(line) || line.includes('/*') || /\*\/\s*$/u.test(all[at - 1] ?? '')) return [line]
      return [`${/^\s*/u.exec(line)?.[0] ?? ''}${line.includes('store_release') ? RELEASES : ACQUIRES}`, line]
    })
    .join('\n')

/** @param {string} text */
export const upstreamText = (text) => shortComments(kernelHabits(kernelTypes(text))).replaceAll('GPL-2.0 OR Apache-2.0', 'GPL-2.0')

/** Programs of tests: no names of types of their own, and the kernel's way to count. @param {string} text @param {readonly [name: string, type: string][]} typedefs */
export const testText = (text, typedefs) =>
  typedefs.reduce((now, [name, type]) => now.replaceAll(new RegExp(String.raw`\b${name}\b`, 'gu'), type), upstreamText(text.replaceAll(/^typedef struct \w+ \w+;\n+/gmu, ''))).replaceAll(/sizeof\((\w+)\) \/ sizeof\(\1\[0\]\)/gu, 'ARRAY_SIZE($1)')

/** The names that test programs give to structs. @param {string} text @returns {[name: string, type: string][]} */
export const typedefsOf = (text) => [...text.matchAll(/^typedef (struct \w+) (\w+);$/gmu)].map(([, type = '', name = '']) => [name, type])

/** Words in lines of 72 columns; paragraphs and indented lines stay. @param {string} text */
export const wrapped = (text) => text.split(/\n\n/u).map((part) => (part.startsWith(' ') ? part : blockComment('', part.replaceAll('\n', ' '), 72).split('\n').slice(1, -1).map((line) => line.slice(3)).join('\n'))).join('\n\n')

/** What changes in files that are there. @satisfies {Record<string, [RegExp | string, string][]>} */
export const edits = {
  mmKconfig: [[/\nendmenu\n*$/u, '\nsource "mm/agentmem/Kconfig"\n\nendmenu\n']],
  mmMakefile: [[/\n*$/u, '\nobj-$(CONFIG_AGENTMEM) += agentmem/\n']],
  maintainers: [['\nAGPGART DRIVER\n', '\nAGENTMEM (SHARED MEMORY UNITS)\nM:\tAgent Memory Center <agentmem@localhost>\nL:\tlinux-mm@kvack.org\nS:\tMaintained\nF:\tmm/agentmem/\n\nAGPGART DRIVER\n']],
  syscallsHeader: [
    ['struct __aio_sigset;', 'struct __aio_sigset;\nstruct agentmem_abi_alloc;\nstruct agentmem_abi_fork;\nstruct agentmem_abi_share;'],
    [/\n\/\*\n \* Architecture-specific system calls\n/u, '\n/* mm/agentmem/syscalls.c */\nasmlinkage long sys_agentmem_open(unsigned int flags);\nasmlinkage long sys_agentmem_alloc(int fd, struct agentmem_abi_alloc __user *args);\nasmlinkage long sys_agentmem_fork(int fd, struct agentmem_abi_fork __user *args);\nasmlinkage long sys_agentmem_share(int fd, struct agentmem_abi_share __user *args);\n\n/*\n * Architecture-specific system calls\n'],
  ],
  documentationIndex: [[/\n {3}accelerators\/ocxl\n/u, '\n   accelerators/ocxl\n   agentmem\n']],
  selftests: [[/^TARGETS \+= acct\n/mu, 'TARGETS += acct\nTARGETS += agentmem\n']],
}
