import assert from 'node:assert/strict'
import { SystemClock } from '../../../shared/runtime/index.ts'
import { MessageReader } from '../../../shared/stream/consumer/message-reader.ts'
import { SubjectFilter } from '../../../shared/subject/index.ts'
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
    const reader = new MessageReader(stream, new SystemClock(), [])
    reader.seek(1)
    const filling = reader.fill()
    reader.drop(2, 2)
    reader.drop(1, 4, new SubjectFilter('nothing'))
    await filling
    assert.deepEqual(rest(reader), [1, 3, 4])
    assert.equal(reader.isAtEnd, true)
  })

  it('knows how many are left, whatever is in hand', async () => {
    const { stream, append } = filled(...Array.from({ length: 300 }, () => 'a'))
    const reader = new MessageReader(stream, new SystemClock(), [new SubjectFilter('a')])
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
    const reader = new MessageReader(stream, new SystemClock(), [])
    reader.seekListed([3, 4], 5)
    assert.equal(reader.remaining, 3)
    await reader.fill()
    assert.deepEqual(rest(reader), [3, 4])
    await reader.fill()
    assert.deepEqual(rest(reader), [5])
  })
})
