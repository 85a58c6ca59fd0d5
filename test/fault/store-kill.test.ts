import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { SystemClock, SystemDisk } from '../../shared/runtime/index.ts'
import type { Compression, StreamStore } from '../../shared/store/index.ts'
import { assertWhole } from '../support/checked-store.ts'
import { bytes, StoreFolder } from '../support/opened-store.ts'

const ROUNDS = 6
const ACKS_AT_LEAST = 150
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

interface Acked {
  readonly last: number
  readonly lastLazy: number
}

/** Lets a real process write until it has acknowledged enough, kills it, and returns the last acknowledged seq. */
async function writeAndKill(
  directory: string,
  acks: number,
  compression: Compression,
  key: string,
): Promise<Acked> {
  const child = spawn(
    process.execPath,
    ['--import=tsx', 'test/support/store-writer.ts', directory, '40', compression, key],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  let last = 0
  let lastLazy = 0
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('lazy ')) lastLazy = Number(line.slice(5))
    else last = Number(line)
    if (++count === acks) child.kill('SIGKILL')
  }
  await exited
  assert.ok(count >= acks, `the writer ended after ${count} acknowledgements`)
  return { last, lastLazy }
}

/** Each second sequence is there from the first one on, and the marked ones are found. */
async function checkLazy(stream: StreamStore, lastLazy: number): Promise<void> {
  const { firstSeq, lastSeq } = stream.state
  assert.ok(lastSeq >= lastLazy, `seed=${seed}: ${lastSeq} < ${lastLazy}`)
  const { messages } = await stream.read({
    fromSeq: firstSeq,
    messagesMax: 100_000,
    bytesMax: 1 << 24,
  })
  const marked: number[] = []
  for (const { seq, payload } of messages) {
    assert.equal(seq % 2, 0, `seed=${seed}`)
    assert.equal(Buffer.from(payload).toString(), `the payload of lazy ${seq}`)
    if (seq % 5 === 0) marked.push(seq)
  }
  const newest = messages.at(-1)?.seq ?? 0
  assert.equal(messages.length, (newest - firstSeq) / 2 + 1, `seed=${seed}: no hole`)
  const found: number[] = []
  for await (const { seq } of stream.marked()) found.push(seq)
  assert.deepEqual(found, marked)
}

describe('store and kill -9', function () {
  this.timeout(180_000)

  it(`has all that was acknowledged (seed=${seed})`, () => survive('none'))

  it(`has all that was acknowledged and compressed (seed=${seed})`, () => survive('s2'))

  it(`has all that was acknowledged, compressed and encrypted (seed=${seed})`, () =>
    survive('s2', 'a key of more than sixteen bytes'))

  async function survive(compression: Compression, key = ''): Promise<void> {
    const encryption = key === '' ? {} : { key: bytes(key) }
    const folder = new StoreFolder()
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const acks = ACKS_AT_LEAST + ((seed >>> round) % 97)
        const { last, lastLazy } = await writeAndKill(folder.path, acks, compression, key)
        const [disk, clock] = [new SystemDisk(), new SystemClock()]
        await assertWhole(disk, clock, folder.path, `seed=${seed}`, encryption)
        const store = await folder.open({ segmentBytes: 16 * 1024, encryption })
        const stream = store.streams.get('a')
        assert.ok(stream)
        assert.ok(stream.state.lastSeq >= last, `seed=${seed}: ${stream.state.lastSeq} < ${last}`)
        assert.equal(store.stats.damagedRecords, 0)
        const lazy = store.streams.get('lazy')
        assert.ok(lazy)
        await checkLazy(lazy, lastLazy)
        const mark = Number(Buffer.from(store.marks.get('last') ?? []).toString())
        assert.ok(mark > 0 && mark <= stream.state.lastSeq)
        let seq = stream.state.firstSeq
        for (let fromSeq = seq; fromSeq <= stream.state.lastSeq; ) {
          const batch = await stream.read({ fromSeq, messagesMax: 500, bytesMax: 1 << 20 })
          for (const message of batch.messages) {
            assert.equal(message.seq, seq++, `seed=${seed}`)
            assert.equal(
              Buffer.from(message.payload).toString(),
              `the payload of message ${message.seq}`,
            )
          }
          fromSeq = batch.nextSeq
        }
        assert.equal(seq, stream.state.lastSeq + 1)
        assert.equal(stream.compression, compression)
        assert.equal(store.stats.savedBytes > 0, compression === 's2')
        await store.destroy()
      }
    } finally {
      await folder.remove()
    }
  }
})
