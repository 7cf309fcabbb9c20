import type { Figure } from '../../../electron/contract/diagnosis.ts'
import { figureParts, figureWords, thresholdWords } from '../../format/evidence.ts'
import { duration } from '../../format/format.ts'
import { Spark } from '../../ui/spark.tsx'

/** The numbers that made a rule speak: each with its limit, its course and the file it is from. */
const chartLabel = ({ history, unit, what }: Figure): string => {
  const known = (history ?? []).flatMap(({ value }) => value ?? [])
  const spanMs = (history?.at(-1)?.atMs ?? 0) - (history?.[0]?.atMs ?? 0)
  return `${what} over ${duration(spanMs)}: from ${figureWords(known[0] ?? 0, unit)} to ${figureWords(known.at(-1) ?? 0, unit)}`
}

const One = ({ figure }: { figure: Figure }) => {
  const { value, unit } = figureParts(figure.value, figure.unit)
  const limit = thresholdWords(figure)
  const isText = typeof figure.value === 'string'
  return (
    <li className="evidence">
      <p className="evidence-what">{figure.what}</p>
      <div className="evidence-row">
        <p className={isText ? 'evidence-text' : 'evidence-value num'}>
          {isText ? <code>{value}</code> : value}
          {unit !== '' && <span className="evidence-unit">{'\u00a0'}{unit}</span>}
        </p>
        {figure.history !== null && <Spark points={figure.history} limit={typeof figure.threshold?.value === 'number' ? figure.threshold.value : null} label={chartLabel(figure)} width={88} height={30} />}
      </div>
      <p className="evidence-foot">
        {limit !== '' && <span className="evidence-limit">{limit}</span>}
        <code className="path">{figure.source}</code>
      </p>
    </li>
  )
}

export const Figures = ({ figures }: { figures: readonly Figure[] }) => (
  <ul className="evidences" aria-label="Evidence">
    {figures.map((figure) => (
      <One key={`${figure.what} ${figure.source}`} figure={figure} />
    ))}
  </ul>
)
