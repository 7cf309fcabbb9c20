/**
 * `npm run long -- kmod --seconds N --seed N --kernel NAME`: processes race
 * over the units of the kernel module, in a guest with the debug kernel and
 * with each of the matrix (an hour each where nothing else is said).
 */
import { runModule } from './parts/module.ts'

process.exitCode = runModule('race', process.argv.slice(2))
