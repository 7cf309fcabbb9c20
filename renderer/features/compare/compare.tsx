import { PageFrame } from '../../ui/page.tsx'

const Compare = (_: { rest?: readonly string[] }) => <PageFrame title="Compare">{null}</PageFrame>
export default Compare
