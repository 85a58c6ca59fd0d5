import assert from 'node:assert/strict'
import { StateWriter, type WrittenState } from '../../../../bridge-mqtt/durable/state-writer.ts'
import { silentLog } from '../../../../shared/log/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { MemoryStore, type MemoryStream } from '../../../support/memory-store.ts'
import { StoreClock, settle } from '../../../support/store-clock.ts'

const seeds = process.env['SEED'] ?? Array.from({ length: 8 }, (_, i) => Date.now() + i).join()
const STEPS = 300
const NO_BYTES = new Uint8Array(0)
const UNLIMITED = {
  messagesMax: 0,
  bytesMax: 0,
  ageMaxMs: 0,
  messagesPerSubjectMax: 0,
  messageBytesMax: 0,
  discard: 'old',
} as const

class Numbered implements WrittenState {
  readonly stateKey: string
  version = 0
  writtenVersion = 0
  isWriting = false

  constructor(stateKey: string) {
    this.stateKey = stateKey
  }

  encode(): Uint8Array {
    return Buffer.from(String(this.version))
  }

  onWritten(): void {}
}

describe('mqtt durable: states that are written some time', () => {
  let clock: StoreClock
  let store: MemoryStore
  let stream: MemoryStream
  let writer: StateWriter

  beforeEach(() => {
    clock = new StoreClock()
    store = new MemoryStore(() => clock.wallMs())
    stream = store.createStream('log', NO_BYTES, UNLIMITED) as MemoryStream
    store.commit()
    store.isAuto = false
    writer = new StateWriter({ states: stream.states, clock, log: silentLog })
  })

  afterEach(() => writer.destroy())

  function onDisk({ stateKey }: Numbered): number {
    return Number(Buffer.from(stream.states.committed.get(stateKey) ?? NO_BYTES).toString())
  }

  it('one that changes while it is on its way to the disk, and behind that, is written again', () => {
    const state = new Numbered('c')
    writer.touch(state)
    clock.advance(60_000)
    writer.touch(state)
    store.commit()
    assert.equal(onDisk(state), 1)
    clock.advance(60_000)
    store.commit()
    assert.equal(onDisk(state), 2)
    writer.touch(state)
    clock.advance(60_000)
    store.commit()
    assert.equal(onDisk(state), 3)
  })

  it('one that changed last is written when the writer is closed', () => {
    const state = new Numbered('c')
    writer.touch(state)
    writer.touch(state)
    writer.close()
    store.commit()
    assert.equal(onDisk(state), 2)
  })

  for (const seed of seeds.split(',').map(Number)) {
    it(`all of them come to the disk, whatever fails, seed=${seed}`, async () => {
      const random = new SeededRandom(seed)
      const states = ['c', 'd', 'e'].map((key) => new Numbered(key))
      for (let step = 0; step < STEPS; step++) {
        const state = states[random.below(states.length)] as Numbered
        const kind = random.below(20)
        if (kind < 9) writer.touch(state)
        else if (kind < 11) writer.touchNow(state)
        else if (kind < 14) clock.advance(random.below(400))
        else if (kind < 17) store.commit()
        else if (kind < 19) store.failCommit()
        else await settle(1)
        for (const one of states) {
          assert.ok(one.writtenVersion <= onDisk(one), `seed=${seed}: ${one.stateKey} is not there`)
        }
      }
      for (let turn = 0; turn < 4; turn++) {
        await settle(1)
        clock.advance(60_000)
        store.commit()
      }
      assert.deepEqual(
        states.map(onDisk),
        states.map(({ version }) => version),
        `seed=${seed}`,
      )
    })
  }
})
