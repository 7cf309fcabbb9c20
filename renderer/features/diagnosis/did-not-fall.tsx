import { unbroken } from '../../format/format.ts'
import { useCall } from '../../stores/data.ts'
import { go } from '../../stores/route.ts'
import { Button } from '../../ui/button.tsx'
import { Panel } from '../../ui/page.tsx'
import { Figures } from './figures.tsx'
import { Solutions } from './solutions.tsx'
import './diagnosis.css'

/** Why memory did not fall, or not by as much as hoped: known causes, each with its figures. Nothing where none fits. */
export const DidNotFall = ({ runId }: { runId: string }) => {
  const { data } = useCall('diagnosis.of-run', { runId }, ['runs'])
  const causes = (data?.findings ?? []).filter(({ topic }) => topic === 'did-not-fall')
  if (causes.length === 0) return null
  return (
    <Panel
      title="Why memory did not fall more"
      aside={
        <Button size="s" kind="quiet" onClick={() => go('diagnosis')}>
          What is found now
        </Button>
      }
    >
      <div className="causes">
        {causes.map((cause) => (
          <section key={cause.rule}>
            <h3 className="cause-title">{cause.title}</h3>
            <p className="cause-why">{unbroken(cause.explanation)}</p>
            <Figures figures={cause.figures} />
            <Solutions finding={cause} />
          </section>
        ))}
      </div>
    </Panel>
  )
}
