/** What the first header of the module's ABI gave out, beside what the present one says: read from the frozen copy, field by field. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const kmod = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'kmod')
export const frozenHeader = join(kmod, 'test', 'abi', 'agentmem-v1.h')
export const presentHeader = join(kmod, 'uapi', 'agentmem.h')

/** Structs with their fields, numbers of requests, and constants, by the names in a header. @param {string} header */
export const namesIn = (header) => {
  const text = readFileSync(header, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//gu, '')
  const structs = [...text.matchAll(/struct (\w+) \{([^}]*)\}/gu)].map(([, name = '', body = '']) => ({ name, fields: [...body.matchAll(/(\w+)(?:\[[^\]]*\])?;/gu)].map((field) => field[1] ?? '') }))
  const constants = [...text.matchAll(/^#define (AGENTMEM_\w+) (?!.*number\b)/gmu), ...text.matchAll(/^\t(AGENTMEM_ABI_\w+) =/gmu)].map((match) => match[1] ?? '')
  return { structs, constants }
}

/**
 * Values of all that `names` has, as `header` has them: `NAME VALUE` a line; places of fields as `STRUCT.FIELD OFFSET SIZE`.
 * @param {ReturnType<typeof namesIn>} names @param {string} header @param {string} compiler
 */
export const valuesOf = ({ structs, constants }, header, compiler) => {
  const folder = mkdtempSync(join(tmpdir(), 'agentmem-abi-'))
  const fields = structs.flatMap(({ name, fields: list }) => list.filter((field) => field !== 'reserved').map((field) => `  printf("${name}.${field} %zu %zu\\n", __builtin_offsetof(struct ${name}, ${field}), sizeof(((struct ${name} *)0)->${field}));`))
  const sizes = structs.map(({ name }) => `  printf("sizeof ${name} %zu\\n", sizeof(struct ${name}));`)
  const values = constants.map((name) => `  printf("${name} %llu\\n", (unsigned long long)(${name}));`)
  try {
    writeFileSync(join(folder, 'values.c'), `#include <stdio.h>\n#include "${header}"\nint main(void)\n{\n${[...fields, ...sizes, ...values].join('\n')}\n  return 0;\n}\n`)
    const built = spawnSync(compiler, ['-o', join(folder, 'values'), join(folder, 'values.c')], { encoding: 'utf8' })
    if (built.status !== 0) throw new Error(`${header} lacks what the first header gave out: ${built.stderr}`)
    return spawnSync(join(folder, 'values'), { encoding: 'utf8' }).stdout.trim().split('\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
