/** The ABI's document, out of the comments of kmod/uapi/agentmem.h: the header stays the one place where it is said. */

/** A comment without its stars. @param {string} comment */
const plain = (comment) => comment.replaceAll(/[ \t]*\*\/$/gmu, '').replaceAll(/^[ \t]*\/?\*+[ \t]?/gmu, '').trim()

/** Bare words of the text that reStructuredText would take as its own. @param {string} text */
const safe = (text) => text.replaceAll(/([*`|])/gu, String.raw`\$1`).replaceAll(/\b([A-Za-z]+)_(?=[\s.,;:)]|$)/gu, '$1\\_')

const heading = (/** @type {string} */ text, /** @type {string} */ sign) => `${text}\n${sign.repeat(text.length)}\n`

/** @param {string} header */
export const abiDocument = (header) => {
  const intro = plain(/\/\*\n(?: \*[^\n]*\n)+? \*\//u.exec(header)?.[0] ?? '')
  const numbers = [...header.matchAll(/^#define (AGENTMEM_IOC_\w+) AGENTMEM_ABI_IOC\((0x[0-9a-f]+)\)\s*\/\* (.*?) \*\/$/gmu)]
  const structs = [...header.matchAll(/(\/\*(?:[^*]|\*(?!\/))*\*\/)?\n(?:\n|#define [^\n]*\n)*struct (\w+) \{\n([\s\S]*?)\n\};/gu)]
  const enums = [...header.matchAll(/(\/\*(?:[^*]|\*(?!\/))*\*\/)?\nenum (\w+) \{\n([\s\S]*?)\n\};/gu)]
  if (numbers.length < 10 || structs.length < 10) throw new Error(`kmod/uapi/agentmem.h is not as expected: ${numbers.length} requests, ${structs.length} structs`)
  const block = (/** @type {string} */ words) => ['.. code-block:: c', '', ...words.split('\n').map((line) => (line === '' ? '' : `    ${line}`)), ''].join('\n')
  return [
    '.. SPDX-License-Identifier: GPL-2.0',
    '',
    heading('Memory units shared between agents', '=').trimEnd(),
    '',
    ...safe(intro).split(/\n\s*\n/u).map((paragraph) => `${paragraph}\n`),
    heading('Requests', '-'),
    'Each is an ioctl on ``/dev/agentmem``, or on a descriptor of agentmem_open(),',
    'with the address of its struct. The size of the struct is no part of the number.\n',
    ...numbers.map(([, name = '', number = '', what = '']) => `- ${name} (${number}): ${what}.`),
    '',
    heading('Values', '-'),
    ...enums.flatMap(([, comment, name = '', body = '']) => [...(comment === undefined ? [] : [`${safe(plain(comment))}\n`]), block(`enum ${name} {\n${body}\n};`)]),
    heading('Structs', '-'),
    ...structs.flatMap(([, comment, name = '', body = '']) => [heading(name, '~'), ...(comment === undefined ? [] : [`${safe(plain(comment))}\n`]), block(`struct ${name} {\n${body}\n};`)]),
  ].join('\n').replaceAll(/[ \t]+$/gmu, '').replace(/\n+$/u, '\n')
}
