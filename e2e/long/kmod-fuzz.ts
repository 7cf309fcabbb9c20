/**
 * `npm run long -- kmod-fuzz --seconds N --seed N --kernel NAME`: calls of the
 * kernel module by chance, from several processes at once, on the debug kernel
 * (ten minutes where nothing else is said).
 */
import { runModule } from './parts/module.ts'

const args = process.argv.slice(2)
const has = (name: string) => args.some((arg) => arg === name || arg.startsWith(`${name}=`))
process.exitCode = runModule('fuzz', [...(has('--seconds') ? [] : ['--seconds', '600']), ...(has('--kernel') ? [] : ['--kernel', 'debug']), ...args])
