import { PageFrame } from '../../ui/page.tsx'

const History = (_: { rest?: readonly string[] }) => <PageFrame title="History">{null}</PageFrame>
export default History
