import { expect, test } from 'vitest'
import { amount } from '../../amounts.ts'
import type { Rule } from '../rule.ts'
import { rules as ofLooks } from './all.ts'
import { leakRule } from './leaks-of-history.ts'

const rules: readonly Rule[] = [...ofLooks, leakRule(null)]

/** docs/diagnosis-rules.md is made from the rules: `vitest -u` writes it anew. */

const INTRO = `# Rules of the diagnosis

Every rule that looks at memory, with its limits and where these come from. A rule is data and a pure function over looks of one boot (\`electron/app/diagnose/rule.ts\`); \`rules/all.ts\` lists them, a file a topic; \`leaks.history\` alone is made from what the history says of growth (\`rules/leaks-of-history.ts\`). This page is made from them by \`rules/docs.test.ts\`.

Each rule is tested just beside its limits on one healthy machine (\`testing/cases-*.ts\`: one named edit a case, and no other rule may fire), on looks with gaps (none may throw), and many on conditions that were really made (\`testing/captures\`).

- A limit must be passed: at it nothing is found. Rates need two looks a second or more apart and are of the last five minutes; growth needs more, as the rule says.
- Signs (pressure, little available) carry few bytes and causes many, so that of equal severity a cause is named first.
- Of the ways to act those are left out that a machine cannot go: no agent, no swap, a setting its kernel lacks or already holds (\`rules/fit.ts\`). Two always remain.
- ${rules.filter(({ covers = [] }) => covers.length > 0).map(({ id, covers = [] }) => `\`${id}\` covers ${covers.map((each) => `\`${each}\``).join(', ')}`).join('; ')}: about one subject, or an agent and its process, only one of the two speaks, the more severe, and the first where they are even.
- After a run, \`did-not-fall.ts\` says which of five causes explain that memory did not fall: only limits were set, the page cache took what was won, there is no swap, the memory is in use, merging needs time. Beside these: a program was ended meanwhile, and what an older kernel has instead.
`

const limitWords = ([name, value]: readonly [string, number]): string => {
  const unit = name.toLowerCase().includes('bytes') && value >= 1024 ? amount(value) : name.endsWith('ms') ? `${value / 1000} s` : String(value)
  return `${name.replaceAll(/[A-Z]/gu, (letter) => ` ${letter.toLowerCase()}`)} ${unit}`
}

const row = (rule: Rule): string => {
  const cell = (text: string): string => text.replaceAll('|', String.raw`\|`)
  return `| \`${rule.id}\` | ${cell(rule.title)} | ${Object.entries(rule.thresholds).map(limitWords).join('; ') || '–'} | ${cell(rule.because)} | ${rule.lookDeeper.map((id) => `\`${id}\``).join(' ')} |`
}

test('docs/diagnosis-rules.md says what the rules say', async () => {
  const topics = [...new Set(rules.map((rule) => rule.topic))]
  const tables = topics.map((topic) => `## ${topic}\n\n| rule | finds | limits | because | look deeper |\n| --- | --- | --- | --- | --- |\n${rules.filter((rule) => rule.topic === topic).map(row).join('\n')}\n`)
  await expect(`${INTRO}\n${tables.join('\n')}`).toMatchFileSnapshot('../../../../docs/diagnosis-rules.md')
})
