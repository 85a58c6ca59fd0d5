import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { StoreFolder } from '../support/opened-store.ts'

const ROUNDS = 6
const ACKS_AT_LEAST = 150
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** Lets a real process write until it has acknowledged enough, kills it, and returns the last acknowledged seq. */
async function writeAndKill(directory: string, acks: number): Promise<number> {
  const child = spawn(
    process.execPath,
    ['--import=tsx', 'test/support/store-writer.ts', directory, '40'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  let last = 0
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line)
    if (++count === acks) child.kill('SIGKILL')
  }
  await exited
  assert.ok(count >= acks, `the writer ended after ${count} acknowledgements`)
  return last
}

describe('store and kill -9', function () {
  this.timeout(60_000)

  it(`has all that was acknowledged (seed=${seed})`, async () => {
    const folder = new StoreFolder()
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const acks = ACKS_AT_LEAST + ((seed >>> round) % 97)
        const last = await writeAndKill(folder.path, acks)
        const store = await folder.open({ segmentBytes: 16 * 1024 })
        const stream = store.streams.get('a')
        assert.ok(stream)
        assert.ok(stream.state.lastSeq >= last, `seed=${seed}: ${stream.state.lastSeq} < ${last}`)
        assert.equal(store.stats.damagedRecords, 0)
        const mark = Number(Buffer.from(store.marks.get('last') ?? []).toString())
        assert.ok(mark > 0 && mark <= stream.state.lastSeq)
        let seq = stream.state.firstSeq
        for (let fromSeq = seq; fromSeq <= stream.state.lastSeq; ) {
          const batch = await stream.read({ fromSeq, messagesMax: 500, bytesMax: 1 << 20 })
          for (const message of batch.messages) {
            assert.equal(message.seq, seq++, `seed=${seed}`)
            assert.equal(Buffer.from(message.payload).toString(), `payload ${message.seq}`)
          }
          fromSeq = batch.nextSeq
        }
        assert.equal(seq, stream.state.lastSeq + 1)
        await store.destroy()
      }
    } finally {
      await folder.remove()
    }
  })
})
