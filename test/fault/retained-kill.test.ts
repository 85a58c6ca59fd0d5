import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { RetainedStores } from '../../bridge-mqtt/retained/index.ts'
import { SystemClock } from '../../shared/runtime/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { StoreFolder } from '../support/opened-store.ts'

const ROUNDS = 6
const DONE_AT_LEAST = 200
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** Of each subject the value that was acknowledged last, and those that were begun after it. */
type Possible = Map<string, string[]>

/** Lets a real process work until enough is on disk, and kills it. */
async function workAndKill(directory: string, first: number, possible: Possible, acks: number) {
  const child = spawn(
    process.execPath,
    ['--import=tsx', 'test/support/retained-writer.ts', directory, `${first}`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  let done = 0
  let begun = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, subject = '', value = ''] = line.split(' ')
    const values = possible.get(subject) ?? ['']
    if (what === 'begun') {
      begun++
      possible.set(subject, [...values, value])
    } else {
      possible.set(subject, values.slice(values.indexOf(value, 1)))
      if (++done === acks) child.kill('SIGKILL')
    }
  }
  await exited
  assert.ok(done >= acks, `the writer ended after ${done} messages`)
  return first + begun
}

describe('retained messages and kill -9', function () {
  this.timeout(180_000)

  it(`are as they were acknowledged (seed=${seed})`, async () => {
    const folder = new StoreFolder()
    const possible: Possible = new Map()
    let first = 1
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const acks = DONE_AT_LEAST + ((seed >>> round) % 97)
        first = await workAndKill(folder.path, first, possible, acks)
        const store = await folder.open({ segmentBytes: 16 * 1024 })
        const stores = await RetainedStores.open({ store, clock: new SystemClock() })
        const kept = await stores.of('A').list(new SubjectFilter('>'), 1_000)
        const found = new Map(
          kept.map((each) => [each.subject, Buffer.from(each.payload).toString()]),
        )
        assert.equal(found.size, stores.of('A').count, `seed=${seed}`)
        for (const [subject, values] of possible) {
          const value = found.get(subject) ?? ''
          assert.ok(values.includes(value), `seed=${seed} ${subject} is ${value}, not of ${values}`)
          possible.set(subject, [value])
        }
        assert.equal(store.stats.damagedRecords, 0)
        stores.close()
        await store.destroy()
      }
    } finally {
      await folder.remove()
    }
  })
})
