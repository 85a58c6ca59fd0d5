import assert from 'node:assert/strict'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ParserTranscript } from '../support/parser-transcript.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 3_000)
const CHUNK_MAX = 200

/** Pieces of the protocol that mutations put together in the wrong way. */
const PIECES = [
  'PUB ', 'HPUB ', 'SUB ', 'UNSUB ', 'PING\r\n', 'PONG\r\n', 'CONNECT {}\r\n', 'INFO ', '+OK\r\n',
  'a.b', '*', '>', ' ', '  ', '\t', '\r', '\n', '\r\n', '0', '2', '12', '99999999999', 'hi\r\n',
  'PUB a 2\r\nhi\r\n', 'PUB a r 0\r\n\r\n', 'HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n', 'sub a 1\n', '\0', '\xff',
] // biome-ignore format: a table reads better in rows

function talk(random: SeededRandom): Buffer {
  const pieces: string[] = []
  for (let i = random.below(30); i >= 0; i--) {
    const piece = PIECES[random.below(PIECES.length)] ?? ''
    pieces.push(random.below(8) === 0 ? piece.slice(0, random.below(piece.length + 1)) : piece)
  }
  const bytes = Buffer.from(pieces.join(''), 'latin1')
  for (let i = random.below(4); i > 1; i--) bytes[random.below(bytes.length)] = random.below(256)
  return bytes
}

describe('client parser fuzz', () => {
  it(`tells the same of any input however it is cut, seed=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    for (let round = 0; round < ROUNDS; round++) {
      const input = talk(random)
      const carryBytesMax = 4300
      const whole = new ParserTranscript({ carryBytesMax }).feed(input)
      const cut = new ParserTranscript({ carryBytesMax })
      for (let at = 0; at < input.length; ) {
        const size = 1 + random.below(Math.min(CHUNK_MAX, input.length))
        cut.feed(input.subarray(at, at + size))
        at += size
      }
      const about = `seed=${SEED} round=${round} input=${JSON.stringify(input.toString('latin1'))}`
      assert.deepEqual(cut.facts, whole.facts, about)
      assert.equal(cut.isStopped, whole.isStopped, about)
    }
  })
})
