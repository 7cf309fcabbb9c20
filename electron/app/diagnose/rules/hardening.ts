import { amount, counted } from '../../amounts.ts'
import { above, below, figure, is, isNot } from '../figures.ts'
import { needsReading } from '../needs.ts'
import type { Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { define } from './define.ts'
import { advice, command, compressedSwapOn, leaveIt, MACHINE } from './offers.ts'

/** Protections of memory that are off, and secrets that leave it. */

const ASLR = '/proc/sys/kernel/randomize_va_space'

const aslr = define({
  id: 'hardening.aslr',
  topic: 'hardening',
  title: 'Programs are always loaded at the same addresses',
  needs: [needsReading(ASLR, (look) => look.hardening.aslr)],
  thresholds: {},
  because: 'Documentation/admin-guide/sysctl/kernel.rst (randomize_va_space): 2, full, is the default. Fixed addresses make every fault in a program far easier to exploit; agents run code and content from elsewhere.',
  find: (looks) => {
    const state = lastOf(looks).hardening.aslr.value
    if (state === null || state === 'full') return []
    const number = state === 'off' ? 0 : 1
    return [{
      subject: '',
      severity: 'warning',
      explanation: `Address randomisation is ${state === 'off' ? 'off' : 'on in part only: the heap is left out'} (kernel.randomize_va_space is ${number}). Normally each program is loaded at other addresses each time, so that somebody who finds a fault in it cannot know where to jump. It is mostly switched off for debugging and forgotten.`,
      figures: [figure({ what: 'Address randomisation', value: state, unit: 'text', source: ASLR, threshold: isNot('full') })],
      solutions: [
        command({ id: 'on', title: 'Switch it on', what: 'Sets it to 2. Programs started from now on are protected.', tradeOff: 'None for programs; a debugger shows other addresses at each start.', sideEffects: 'Running programs stay as they are.', scope: MACHINE }, 'sudo sysctl kernel.randomize_va_space=2', true, `sudo sysctl kernel.randomize_va_space=${number}`),
        advice({ id: 'one-program', title: 'Leave it out for one program only', what: 'Where a debugger or a benchmark needs fixed addresses: setarch -R PROGRAM, and look in /etc/sysctl.d for who switched it off for all.', tradeOff: 'That program alone is unprotected.', sideEffects: 'None for others.', scope: 'The program you start that way' }),
      ],
    }]
  },
  lookDeeper: [],
})

const noExecute = define({
  id: 'hardening.no-execute',
  topic: 'hardening',
  title: 'Data in memory can be run as a program',
  needs: [needsReading('flags in /proc/cpuinfo', (look) => look.hardening.noExecute)],
  thresholds: {},
  because: 'The processor\'s NX (XD) bit keeps data from being run as code; every 64-bit x86 processor has it. It is missing only where the firmware or "noexec=off" switches it off.',
  find: (looks) => {
    if (lastOf(looks).hardening.noExecute.value !== false) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: 'The processor\'s protection against running data as code (NX, also called XD) is off. With it, a fault that lets somebody write into a program\'s memory does not let them run what they wrote.',
      figures: [figure({ what: 'No-execute protection', value: 'off', unit: 'text', source: '/proc/cpuinfo flags', threshold: is('off') })],
      solutions: [
        advice({ id: 'firmware', title: 'Switch it on in the firmware', what: 'In the firmware\'s settings (BIOS) look for "Execute Disable", "XD" or "No-Execute Memory Protection" and switch it on.', tradeOff: 'Needs a restart.', sideEffects: 'Very old programs that run data fail.', scope: MACHINE }),
        advice({ id: 'command-line', title: 'Take noexec=off out of the kernel\'s command line', what: 'Look in /proc/cmdline; take it out of /etc/default/grub and run sudo update-grub.', tradeOff: 'Needs a restart.', sideEffects: 'None for current programs.', scope: MACHINE }),
      ],
    }]
  },
  lookDeeper: [],
})

const swapPlain = define({
  id: 'hardening.swap-plain',
  topic: 'hardening',
  title: 'Memory of programs lies on a disk as it is',
  appliesTo: (looks) => lastOf(looks).swapDevices.length > 0,
  needs: [],
  thresholds: { usedBytes: 0 },
  because: 'What is swapped out is written as it is: keys, tokens, conversations. It stays on the disk after the program has ended, and after a restart until it is overwritten. zram never leaves memory; dm-crypt and LUKS are encrypted.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return look.hardening.swapEncryption.filter((swap) => swap.state === 'plain').flatMap((swap) => {
      const used = look.swapDevices.find((device) => device.path === swap.path)?.usedBytes ?? 0
      if (used <= limit.usedBytes) return []
      return [{
        subject: swap.path,
        severity: 'advice' as const,
        explanation: `${amount(used)} of programs' memory lie on ${swap.path}, which is not encrypted (${swap.how}). Agents hold keys, tokens and everything they read; whoever gets the disk, or an image of it, can read what was swapped out, even long after the agent has ended.`,
        figures: [
          figure({ what: `On ${swap.path}`, value: used, unit: 'bytes', source: '/proc/swaps', threshold: above(limit.usedBytes) }),
          figure({ what: 'Encryption', value: swap.state, unit: 'text', source: swap.how }),
        ],
        solutions: [
          { ...compressedSwapOn(), what: 'Adds compressed swap in memory with a higher priority: what goes out from now on stays in memory. What lies on the disk stays there until it is used.' },
          advice({ id: 'encrypt', title: 'Encrypt the swap', what: `Give it a new key at each start: in /etc/crypttab "cryptswap ${swap.path} /dev/urandom swap,cipher=aes-xts-plain64,size=512", in /etc/fstab /dev/mapper/cryptswap instead, then restart.`, tradeOff: 'Sleeping to disk (hibernation) no longer works with a random key.', sideEffects: 'A little CPU time for what is swapped.', scope: MACHINE }),
          command({ id: 'off', title: 'Do without it', what: 'Reads back what lies there and uses it no more.', tradeOff: `${amount(used)} must fit into memory.`, sideEffects: 'What was written stays readable on the disk until it is overwritten.', scope: MACHINE }, `sudo swapoff ${swap.path}`, true, `sudo swapon ${swap.path}`),
        ],
      }]
    })
  },
  lookDeeper: [],
})

const guardGap = define({
  id: 'hardening.guard-gap',
  topic: 'hardening',
  title: 'The gap that guards stacks is smaller than usual',
  needs: [needsReading('stack_guard_gap', (look) => look.hardening.guardGapPages)],
  thresholds: { pages: 256 },
  because: 'Documentation/admin-guide/kernel-parameters.txt (stack_guard_gap): 256 pages by default since "Stack Clash" (CVE-2017-1000364), so that a stack that grows cannot reach other memory unseen.',
  find: (looks, limit) => {
    const pages = lastOf(looks).hardening.guardGapPages.value
    if (pages === null || pages >= limit.pages) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `Below each program's stack the kernel leaves a gap that ends the program when it is touched. Here it is ${counted(pages)} pages instead of ${counted(limit.pages)} (stack_guard_gap in the kernel's command line), small enough for a large local variable to jump over it into other memory.`,
      figures: [figure({ what: 'Guard gap, in pages', value: pages, unit: 'count', source: '/proc/cmdline stack_guard_gap', threshold: below(limit.pages) })],
      solutions: [
        advice({ id: 'default', title: 'Go back to the default', what: 'Take stack_guard_gap out of /etc/default/grub, run sudo update-grub and restart.', tradeOff: 'Needs a restart.', sideEffects: 'Programs with a great many threads use more address space, not more memory.', scope: MACHINE }),
        leaveIt('Leave it', 'Acceptable where a 32-bit program needs the address space.', 'Faults in programs are easier to exploit.'),
      ],
    }]
  },
  lookDeeper: [],
})

const MMAP_MIN = '/proc/sys/vm/mmap_min_addr'

const lowAddresses = define({
  id: 'hardening.low-addresses',
  topic: 'hardening',
  title: 'Programs may use the very first addresses',
  needs: [needsReading(MMAP_MIN, (look) => look.hardening.mmapMinAddr)],
  thresholds: { bytes: 4096 },
  because: 'Documentation/admin-guide/sysctl/vm.rst (mmap_min_addr): faults of the kernel often go through a pointer to 0; what a program may not map there cannot be used against it. Distributions set 65536, the kernel\'s least is 4096.',
  find: (looks, limit) => {
    const bytes = lastOf(looks).hardening.mmapMinAddr.value
    if (bytes === null || bytes >= limit.bytes) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `vm.mmap_min_addr is ${counted(bytes)}: a program may place memory at address 0. A fault of the kernel that goes through an empty pointer would then read or run what that program put there. It is needed only by a few very old programs (DOS emulators).`,
      figures: [figure({ what: 'Lowest address a program may use', value: bytes, unit: 'count', source: MMAP_MIN, threshold: below(limit.bytes) })],
      solutions: [
        command({ id: 'usual', title: 'Set the usual value', what: 'Sets it to 65536.', tradeOff: 'Some DOS and Windows 16-bit emulators stop working.', sideEffects: 'None for other programs.', scope: MACHINE }, 'sudo sysctl vm.mmap_min_addr=65536', true, `sudo sysctl vm.mmap_min_addr=${Math.round(bytes)}`),
        advice({ id: 'who-set-it', title: 'Find who set it', what: 'Look in /etc/sysctl.conf and /etc/sysctl.d for mmap_min_addr; packages such as dosemu and wine once set it.', tradeOff: 'None.', sideEffects: 'Takes effect at the next restart.', scope: MACHINE }),
      ],
    }]
  },
  lookDeeper: [],
})

export const hardening: readonly Rule[] = [aslr, noExecute, swapPlain, guardGap, lowAddresses]
