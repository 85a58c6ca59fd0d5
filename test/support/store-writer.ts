/** A process that appends for ever and prints each acknowledged sequence: for being killed. */
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import { openStore } from '../../shared/store/index.ts'
import { bytes, noLimits } from './opened-store.ts'

const [directory = '', inFlight = '50', compression = 'none', key = ''] = process.argv.slice(2)
const isCompressed = compression === 's2'
const store = await openStore({
  directory,
  clock: new SystemClock(),
  random: new SystemRandom(),
  disk: new SystemDisk(),
  log: silentLog,
  segmentBytes: 16 * 1024,
  dictionaryBytes: 512,
  encryption: key === '' ? {} : { key: bytes(key) },
})
const options = { compression: isCompressed ? ('s2' as const) : ('none' as const) }
const stream =
  store.streams.get('a') ?? store.createStream('a', bytes(''), noLimits, undefined, options)
const lazy =
  store.streams.get('lazy') ??
  store.createStream('lazy', bytes(''), noLimits, undefined, { sync: { everyMs: 50 }, ...options })
let begun = 0

function next(): void {
  const i = begun++
  // Every tenth write is a transaction of a message and a mark that names it.
  store.transaction(() => {
    const seq = stream.append(
      bytes(`s.${i % 7}`),
      bytes(''),
      bytes(`the payload of message ${stream.assignedSeq + 1}`),
      acked,
    )
    if (i % 10 === 0) store.marks.set('last', bytes(`${seq}`))
  })
  if (i % 50 === 49) stream.remove(stream.state.firstSeq)
  if (i % 3 === 0) writeLazily(i)
}

/** A stream that skips a sequence each time, marks each fifth, and loses its oldest in no hurry. */
function writeLazily(i: number): void {
  lazy.skipTo(lazy.assignedSeq + 2)
  const seq = lazy.assignedSeq + 1
  const isMarked = seq % 5 === 0
  lazy.append(
    bytes('l'),
    bytes(''),
    bytes(`the payload of lazy ${seq}`),
    lazyAcked,
    undefined,
    isMarked,
  )
  if (i % 60 === 0 && lazy.state.messages > 20) lazy.removeLazily(lazy.state.firstSeq)
}

/** What the process has written the system keeps, though it was not synced. */
function lazyAcked(error: Error | undefined, seq: number): void {
  if (error !== undefined) throw error
  process.stdout.write(`lazy ${seq}\n`)
}

function acked(error: Error | undefined, seq: number): void {
  if (error !== undefined) throw error
  process.stdout.write(`${seq}\n`)
  next()
}

for (let i = 0; i < Number(inFlight); i++) next()
