import type { Result } from '../../../helper/contract/errors.ts'
import type { InstallPlan } from '../../contract/views.ts'
import { fail, ok } from '../../../helper/contract/errors.ts'

export interface Installer {
  plan(): Promise<Result<InstallPlan>>
  install(scriptSha256: string): Promise<Result<void>>
  uninstall(): Promise<Result<void>>
}

export const createInstaller = (_options: { readonly projectDir: string }): Installer => ({
  plan: async () => ok({ installed: false, files: [], script: '', scriptSha256: '', command: '', problem: { code: 'not-supported', message: 'The helper is not built yet.' } }),
  install: async () => fail('not-supported', 'The helper is not built yet.'),
  uninstall: async () => fail('not-supported', 'The helper is not built yet.'),
})
