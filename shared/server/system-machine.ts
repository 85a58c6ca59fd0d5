import type { Log } from '../log/index.ts'
import { SystemClock, SystemDisk, SystemRandom } from '../runtime/index.ts'
import { SystemNetwork } from '../transport/index.ts'
import type { Machine } from './core.ts'

/** The machine that the process runs on. */
export function systemMachine(log: Log): Machine {
  const clock = new SystemClock()
  const network = new SystemNetwork({
    clock,
    onTrouble: (error) => log.warn({ err: error }, 'connection could not be accepted'),
  })
  return { clock, random: new SystemRandom(), disk: new SystemDisk(), network }
}
