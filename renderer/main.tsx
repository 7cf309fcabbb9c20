import '@fontsource-variable/inter'
import './ui/tokens.css'
import './ui/base.css'
import './ui/frame.css'
import './ui/parts/buttons.css'
import './ui/parts/why.css'
import './ui/parts/menu.css'
import './ui/parts/dialog.css'
import './ui/parts/notices.css'
import './ui/parts/states.css'
import './ui/parts/progress.css'
import './ui/parts/loading.css'
import './ui/parts/fields.css'
import './ui/parts/tables.css'
import './ui/parts/charts.css'
import './ui/parts/strip.css'
import './ui/parts/bands.css'
import './ui/parts/tabs.css'
import './ui/parts/diff.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { startStores } from './stores/start.ts'

startStores()
const root = document.querySelector('#root')
if (root === null) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
