/** A process that sets and removes retained messages for ever and prints each that is on disk: for being killed. */
import { RetainedStores } from '../../bridge-mqtt/retained/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import { openStore } from '../../shared/store/index.ts'

const SUBJECTS = 40
const IN_FLIGHT = 30

const [directory = '', first = '1'] = process.argv.slice(2)
const clock = new SystemClock()
const random = new SystemRandom()
const parts = { clock, random, disk: new SystemDisk(), log: silentLog, segmentBytes: 16 * 1024 }
const store = await openStore({ directory, ...parts })
const retained = (await RetainedStores.open({ store, clock })).of('A')
let serial = Number(first)

/** Each third one of a subject removes it. Begun is printed as well: what was under way may be there or not. */
function next(): void {
  const i = serial++
  const subject = `s.${i % SUBJECTS}`
  const value = Math.floor(i / SUBJECTS) % 3 === 2 ? '' : `${i}`
  process.stdout.write(`begun ${subject} ${value}\n`)
  retained.set(Buffer.from(subject), Buffer.alloc(0), Buffer.from(value), (error) => {
    if (error !== undefined) throw error
    process.stdout.write(`done ${subject} ${value}\n`)
    next()
  })
}

for (let i = 0; i < IN_FLIGHT; i++) next()
