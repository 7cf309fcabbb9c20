import { PageFrame } from '../../ui/page.tsx'

const Layers = (_: { rest?: readonly string[] }) => <PageFrame title="Layers">{null}</PageFrame>
export default Layers
