import assert from 'node:assert/strict'
import { SystemClock } from '../../../shared/runtime/index.ts'
import { MessageReader } from '../../../shared/stream/consumer/message-reader.ts'
import { Removals } from '../../../shared/stream/consumer/removals.ts'
import { SubjectFilter } from '../../../shared/subject/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { MemoryStore } from '../../support/memory-store.ts'

const NO_LIMITS = {
  messagesMax: 0,
  bytesMax: 0,
  ageMaxMs: 0,
  messagesPerSubjectMax: 0,
  messageBytesMax: 0,
  discard: 'old' as const,
}

describe('MessageReader', () => {
  function filled(...subjects: readonly string[]) {
    const store = new MemoryStore(() => 0)
    store.isAuto = false
    const stream = store.createStream('S', new Uint8Array(0), NO_LIMITS)
    const append = (subject: string): void => {
      stream.append(Buffer.from(subject), new Uint8Array(0), new Uint8Array(0))
      store.commit()
    }
    for (const subject of subjects) append(subject)
    return { stream, append }
  }

  function rest(reader: MessageReader): number[] {
    const seqs: number[] = []
    for (let message = reader.peek(); message !== undefined; message = reader.peek()) {
      seqs.push(message.seq)
      reader.shift()
    }
    return seqs
  }

  it('reads on while messages are removed from under it', async () => {
    const { stream } = filled('a', 'b', 'a', 'b')
    const removals = new Removals()
    const reader = new MessageReader(stream, new SystemClock(), [], removals)
    reader.seek(1)
    const filling = reader.fill()
    const remove = (seq: number): void => {
      stream.removeLazily(seq)
      removals.noteAnywhere()
      reader.removed(seq)
    }
    remove(2)
    await filling
    assert.equal(reader.remaining, 3)
    assert.equal(reader.peek()?.seq, 1)
    remove(1)
    remove(4)
    assert.equal(reader.remaining, 1)
    assert.deepEqual(rest(reader), [3])
    assert.equal(reader.isAtEnd, true)
  })

  it('looks for nothing while nothing is removed', async () => {
    const { stream } = filled('a', 'b', 'a', 'b')
    const removals = new Removals()
    const reader = new MessageReader(stream, new SystemClock(), [], removals)
    reader.seek(1)
    await reader.fill()
    let looks = 0
    const { has } = stream
    stream.has = (seq) => {
      looks++
      return has.call(stream, seq)
    }
    assert.equal(reader.peek()?.seq, 1)
    reader.shift()
    assert.equal(looks, 0)
    await stream.purge({ throughSeq: 2 })
    removals.noteFront()
    assert.equal(reader.remaining, 2)
    assert.deepEqual(rest(reader), [3, 4])
    assert.equal(looks, 0, 'a new first sequence is enough to know')
  })

  it('counts of what is listed what is there', async () => {
    const { stream } = filled(...Array.from({ length: 200 }, (_, i) => `s.${i}`))
    const removals = new Removals()
    const clock = new ManualClock()
    const reader = new MessageReader(stream, clock, [], removals)
    reader.seekListed(
      Array.from({ length: 200 }, (_, i) => i + 1),
      201,
    )
    await reader.fill()
    for (let seq = 2; seq < 200; seq++) stream.removeLazily(seq)
    removals.noteAnywhere()
    assert.equal(reader.remaining, 2)
    const seqs = rest(reader)
    while (!reader.isAtEnd) {
      await reader.fill()
      seqs.push(...rest(reader))
    }
    assert.deepEqual(seqs, [1, 200])
    assert.equal(reader.remaining, 0)
  })

  it('knows how many are left, whatever is in hand', async () => {
    const { stream, append } = filled(...Array.from({ length: 300 }, () => 'a'))
    const reader = new MessageReader(
      stream,
      new SystemClock(),
      [new SubjectFilter('a')],
      new Removals(),
    )
    reader.seek(1)
    assert.equal(reader.remaining, 300)
    await reader.fill()
    assert.equal(reader.remaining, 300)
    reader.shift()
    assert.equal(reader.remaining, 299)
    append('a')
    append('b')
    assert.equal(reader.remaining, 300)
    rest(reader)
    await reader.fill()
    rest(reader)
    while (!reader.isAtEnd) {
      await reader.fill()
      rest(reader)
    }
    assert.equal(reader.remaining, 0)
  })

  it('hands out what is listed first, and then goes on', async () => {
    const { stream } = filled('a', 'b', 'a', 'b', 'c')
    const reader = new MessageReader(stream, new SystemClock(), [], new Removals())
    reader.seekListed([3, 4], 5)
    assert.equal(reader.remaining, 3)
    await reader.fill()
    assert.deepEqual(rest(reader), [3, 4])
    await reader.fill()
    assert.deepEqual(rest(reader), [5])
  })
})
