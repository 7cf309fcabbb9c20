import { PageFrame } from '../../ui/page.tsx'

const Agents = (_: { rest?: readonly string[] }) => <PageFrame title="Agents">{null}</PageFrame>
export default Agents
