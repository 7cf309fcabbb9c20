/** Where node_api.h is: beside the Node that runs this, as the pinned one and every archive of nodejs.org has it. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

const folders = [join(dirname(dirname(process.execPath)), 'include', 'node'), '/usr/include/node']

/** The first is named where none is there: the compiler then says what it misses. */
export const nodeHeaders = folders.find((folder) => existsSync(join(folder, 'node_api.h'))) ?? folders[0] ?? ''
