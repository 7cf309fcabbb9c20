import { PageFrame } from '../../ui/page.tsx'

const Settings = (_: { rest?: readonly string[] }) => <PageFrame title="Settings">{null}</PageFrame>
export default Settings
