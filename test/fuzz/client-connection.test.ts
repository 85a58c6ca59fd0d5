import assert from 'node:assert/strict'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { MemoryClient, stillBroker } from '../support/memory-client.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 600)

const SUBJECTS = ['a', 'a.b', 'a.*', 'ab', 'abc.d', 'abcd', '>', 'a..b', '_R_.x', 'x'.repeat(600)]
const SIZES = [0, 1, 7, 48, 49, 300, 70_000, 300_001]

/** A line that a client may well send, and now and then one that it had better not. */
function operation(random: SeededRandom): string {
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)] as T
  const blank = random.below(10) === 0 ? pick(['  ', '\t', ' \t ']) : ' '
  const end = random.below(20) === 0 ? '\n' : '\r\n'
  const subject = pick(SUBJECTS)
  const reply = random.below(3) === 0 ? `${pick(SUBJECTS)}${blank}` : ''
  const size = SIZES[random.below(random.below(12) === 0 ? SIZES.length : 5)] ?? 0
  const body = `${'0123456789'.repeat(size / 10 + 1).slice(0, size)}\r\n`
  switch (random.below(12)) {
    case 0:
      return `CONNECT${blank}{"verbose":${random.below(2) === 0},"headers":true,"no_responders":true,"protocol":1,"echo":${random.below(4) > 0}}${end}`
    case 1:
    case 2:
      return `SUB${blank}${subject}${blank}${random.below(5)}${end}`
    case 3:
      return `SUB${blank}${subject}${blank}q${blank}1234567890${random.below(3)}${end}`
    case 4:
      return `UNSUB${blank}${random.below(5)}${random.below(2) === 0 ? '' : ` ${random.below(6)}`}${end}`
    case 5:
      return `HPUB${blank}${subject}${blank}${reply}12${blank}${12 + size}${end}NATS/1.0\r\n\r\n${body}`
    case 6:
      return random.below(12) === 0
        ? pick(['XYZ', 'PUB a 2\r\nhello\r\n', 'SUB\r\n'])
        : `PING${end}`
    default:
      return `PUB${blank}${subject}${blank}${reply}${size}${end}${body}`
  }
}

describe('client connection fuzz', () => {
  it(`answers the same however input is cut, seed=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    let delivered = 0
    for (let round = 0; round < ROUNDS; round++) {
      const lines = Array.from({ length: 1 + random.below(40) }, () => operation(random))
      const input = Buffer.from(
        `CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n${lines.join('')}`,
        'latin1',
      )
      const [whole, cut] = [new MemoryClient(stillBroker()), new MemoryClient(stillBroker())]
      for (let at = 0; at < input.length; at += 200_000)
        whole.feed(input.subarray(at, at + 200_000))
      const most = random.below(2) === 0 ? 40 : 60_000
      for (let at = 0; at < input.length; ) {
        const size = 1 + random.below(input.length > 20_000 ? 60_000 : most)
        cut.feed(input.subarray(at, at + size))
        at += size
      }
      const about = `seed=${SEED} round=${round}`
      assert.equal(cut.received.length, whole.received.length, about)
      assert.ok(cut.received === whole.received, about)
      assert.equal(cut.isEnded, whole.isEnded, about)
      delivered += whole.received.split('MSG ').length - 1
    }
    assert.ok(delivered > ROUNDS, `${delivered} messages were delivered, seed=${SEED}`)
  })
})
