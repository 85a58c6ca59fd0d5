import assert from 'node:assert/strict'
import { RoutedMessage } from '../../../shared/broker/routed-message.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { allocate, arenaBytes } from '../../../shared/transport/index.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const peer = { kind: 'local', id: 1, echo: true, deliver: () => {} } as const

describe('RoutedMessage', () => {
  const at = allocate(4096)
  const message = new RoutedMessage(-1)

  /** A frame `<subject> <reply> …` at the same place, as most chunks of a client are read to. */
  function frame(subject: string, reply: string, known?: string): RoutedMessage {
    message.setFrame(peer, known)
    message.subjectStart = at
    message.tailStart = at + arenaBytes.write(`${subject} `, at)
    message.replyEnd = message.tailStart + arenaBytes.write(reply, message.tailStart)
    return message
  }

  it('tells the reply of each frame, whatever that of the one before was', () => {
    const inbox = '_INBOX.abcdefghij.1'
    const long = `_INBOX.${'x'.repeat(100)}.1`
    const replies = [inbox, inbox, '', inbox, '_INBOX.abcdefghij.2', inbox, 'a', 'b', '', '', long]
    for (const reply of [...replies, long, inbox, `${long.slice(0, -1)}2`, 'ä', 'ö', 'ab', 'ä']) {
      assert.equal(frame('s', reply).reply, reply)
    }
  })

  it(`tells drawn replies (seed=${seed})`, () => {
    const random = new SeededRandom(seed)
    for (let i = 0; i < 2_000; i++) {
      const reply = Array.from({ length: random.below(70) }, () => 'ab.'[random.below(3)]).join('')
      const again = random.below(3)
      for (let j = 0; j <= again; j++) assert.equal(frame('s.t', reply).reply, reply)
    }
  })

  it('tells a subject that is known as text, and of the next frame its own', () => {
    assert.equal(frame('s.one', '', 's.one').subject, 's.one')
    assert.equal(frame('s.two', 'r').subject, 's.two')
    assert.equal(Buffer.from(message.subjectBytes).toString(), 's.two')
  })
})
