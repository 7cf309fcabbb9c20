import '@fontsource-variable/inter'
import './ui/tokens.css'
import './ui/base.css'
import './ui/parts.css'
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
